/*
 * The read side from within. A call that is not answered is a *task*: a small machine with one
 * function, `go`, that is called to begin it and again whenever what it waits for has come. Its
 * parts (a fetch of events, a sieve, a scan) are machines of the same kind: `..._run` says true
 * when they are done, else the task is called again later.
 *
 *     read.c         life, tasks, slots: reads of the engine with their memory
 *     read_record.c  a record as an event
 *     pick.c        places of events -> events, several reads at once
 *     moment.c      up to where a stream had come at a time
 *     sieve.c        which events may be seen: truncation, retention, deletion, redaction
 *     redact.c       what a redaction leaves of an event's data
 *     facts_read.c   a fact's record by its place
 *     scan.c         all partitions in the order of the log
 *     terms.c        events by type and tag, out of the index
 *     read_stream.c read_all.c subscribe.c list.c info.c snapshot.c   the calls
 *
 * Nothing is read twice to be shown: what an answer holds is copied into the caller's arena, so a
 * batch's memory goes back as soon as it was looked at.
 */
#ifndef LEAT_ES_READ_INT_H
#define LEAT_ES_READ_INT_H

#include "core/heap.h"
#include "es/es_int.h"
#include "record/scratch.h"

/* ---- Limits ---- */

enum {
    ES_READS_MAX = 4096,         /* calls and subscriptions at once; then ES_BUSY */
    ES_PICK_READS = 8,           /* reads of the engine at once, for one call */
    ES_SLOTS_IDLE_MAX = 64,      /* kept for the next call */
    ES_CHUNK = 128,              /* events that one round of a call looks for */
    ES_PARKED_MAX = 8,           /* scans that wait for their next page */
    ES_PARKED_TICKS = 20,        /* for so long */
    ES_EVENTS_SCANNED_MAX = 8192 /* events that one call passes over because they are not shown */
};
#define ES_SLOT_ARENA     (4u << 20)   /* descriptions of batches of one read */
#define ES_PICK_RUN       (64u * 1024) /* bytes of one read if events lie side by side */
#define ES_DECOMPRESS_MAX (64u << 20)
#define ES_REDACT_ARENA   (192u << 20) /* one event's data as JSON, while its fields are redacted */

/* ---- Ops ---- */

struct es_task {
    struct list link; /* es_reader.tasks while it is not answered */
    struct es *es;
    size_t pending; /* look-ups that are out: they cannot be called back */
    bool running;   /* `go` is on the stack */
    bool again;     /* it was woken meanwhile */
    bool over;      /* answered; memory goes when nothing is pending */
    void (*go)(struct es_task *task);
    /* Answers, because it cannot go on. Calls es_task_end itself. */
    void (*fail)(struct es_task *task, enum es_problem problem, const struct ectx *ec);
    /* Gives back everything but memory that look-ups write to. */
    void (*release)(struct es_task *task);
    /* Gives that back, too, but for the task itself; no look-up is out. NULL: nothing. */
    void (*destroy)(struct es_task *task);
};
/* Counts it and puts it into the list. ES_BUSY, ES_UNAVAILABLE: it was not begun. */
MUST_USE enum es_problem es_task_begin(struct es *es, struct es_task *task, struct ectx *ec);
/* Calls `go` now, or when the call that is running ends. */
void es_task_wake(struct es_task *task);
/* It is answered: out of the list, its parts are released. The memory (mem_free) goes as soon as
 * no look-up needs it: do not touch it any more. */
void es_task_end(struct es_task *task);
/* True: answered. False: the task is woken when they are. */
bool es_task_look(struct es_task *task, struct es_look_set *set);

/* ---- Slots: a read of the engine and its memory ---- */

struct es_slot {
    struct list link; /* idle ones: es_reader.idle; else the owner's */
    struct engine_read read;
    struct arena arena;
    struct es *es;
    bool out;     /* asked, not answered */
    bool held;    /* answered, not released */
    bool in_call; /* engine_read is on the stack */
    void *owner;
    void (*answered)(struct es_slot *s); /* only if it was not within es_slot_ask */
    size_t first, end, at;               /* the owner's */
};
struct es_slot *es_slot_take(struct es *es); /* NULL: no memory */
/* Cancels what is out, releases what was read. */
void es_slot_give(struct es_slot *s);
/* True: it is answered already. Releases what it held before. */
bool es_slot_ask(struct es_slot *s, struct str topic, int32_t partition, int64_t offset,
                 size_t max_bytes);

/* ---- Offsets by position or time ---- */

struct es_seek_call;
typedef void (*es_seek_done)(void *ctx, enum err e, int64_t offset, const struct ectx *ec);
/* `what` says by what. *at is the call until it is answered, perhaps before this returns. False: no
 * memory. */
MUST_USE bool es_seek_start(struct es *es, const struct es_cat *cat, int32_t partition,
                            const struct engine_seek *what, es_seek_done done, void *ctx,
                            struct es_seek_call **at);
void es_seek_cancel(struct es_seek_call **at);

/* ---- Events of records ---- */

struct es_record_place {
    struct str topic; /* lives as long as its category */
    int32_t partition;
    uint64_t commit;
};
/* ERR_NOT_FOUND: a record that is no event. ERR_NO_MEMORY: the arena is full. An event that has
 * malformed metadata is shown without them, and with metadata_error. */
MUST_USE enum err es_record_read(const struct record *r, const struct es_record_place *place,
                                 struct arena *a, struct es_event *out, struct ectx *ec);
/* About how many bytes an event takes in an answer. */
size_t es_event_size(const struct es_event *e);

/* ---- Fetching events whose places are known ---- */

struct es_pick_place {
    const struct es_cat *cat;
    int32_t partition;
    int64_t offset;
    struct es_position position;
};
/*
 * places[i] becomes events[i], with the time of its record in times[i]; both are the caller's. When
 * it has about max_bytes, or the arena is full, it stops: `count` then says how many it has, from
 * the first on without a gap. ERR_NO_MEMORY may come with some.
 */
struct es_pick {
    struct es_task *task;
    const struct es_pick_place *places;
    size_t count; /* in, out */
    size_t bytes, max_bytes;
    struct es_event *events;
    int64_t *times;
    struct arena *arena;
    struct ectx *ec;
    enum err err; /* out */
    size_t next, told, reads;
    struct list slots;
};
void es_pick_init(struct es_pick *f, struct es_task *task);
/* For the next places. */
void es_pick_begin(struct es_pick *f, const struct es_pick_place *places, size_t count,
                   size_t max_bytes, struct es_event *events, int64_t *times, struct arena *a,
                   struct ectx *ec);
bool es_pick_run(struct es_pick *f);
void es_pick_cancel(struct es_pick *f);

/* ---- Halving: where in a stream something begins to be so ---- */

struct es_halving {
    struct es_task *task;
    struct es_hash hash;
    uint64_t revision, end; /* it begins at one of [revision, end]; out: revision, when done */
    bool asked;
    struct es_look_set set;
    struct es_look look;
};
/* Among the revisions [first, end), which are all there; `end`: in none of them it is so. */
void es_halving_begin(struct es_halving *h, struct es_task *task, const struct es_hash *hash,
                      uint64_t first, uint64_t end);
bool es_halving_done(const struct es_halving *h);
/* The event in the middle. False: not yet, the task is woken. *err with what is in `ec`. */
bool es_halving_look(struct es_halving *h, struct es_place *place, enum err *err, struct ectx *ec);
/* Of the event that was looked up: it begins behind it, or at it or before. */
void es_halving_decide(struct es_halving *h, bool begins_later);

/* ---- Moments: up to where a stream had come at a time ---- */

struct es_moment {
    struct es_task *task;
    struct es_halving halving;
    int64_t until_ns;
    uint64_t revision; /* out: of an event that was later, behind one that was not; or `end` */
    enum err err;      /* out */
    bool reads;        /* the event in the middle */
    struct ectx *ec;
    struct es_pick pick;
    struct es_pick_place place;
    struct es_event event;
    int64_t time_ms;
    struct arena arena;
};
void es_moment_init(struct es_moment *m, struct es_task *task);
/* Among the revisions [first, end), which are all there. */
void es_moment_begin(struct es_moment *m, const struct es_cat *cat, int32_t partition,
                     const struct es_hash *hash, uint64_t first, uint64_t end, int64_t until_ns,
                     struct ectx *ec);
bool es_moment_run(struct es_moment *m);
void es_moment_cancel(struct es_moment *m);

/* ---- The first event that is young enough ---- */

/* The newest look-ups by time are kept: of a list, many streams lie in one partition. */
#define ES_YOUNG_KEPT 32u
struct es_young_sought {
    const struct es_cat *cat; /* NULL: none */
    int32_t partition;
    int64_t max_age_ms, offset;
};
struct es_young {
    struct es_task *task;
    struct es_halving halving;
    struct es_seek_call *seek;
    bool sought;
    int64_t offset;    /* the first that is young enough */
    uint64_t revision; /* out; `end` if none is */
    enum err err;      /* out */
    struct ectx *ec;
    int64_t now_ms; /* for all that it looks up: when the first of it began */
    struct es_young_sought what, kept[ES_YOUNG_KEPT]; /* that it looks up; a ring */
    size_t kept_count;
};
void es_young_init(struct es_young *y, struct es_task *task);
/* Among the revisions [first, end), which are all there. */
void es_young_begin(struct es_young *y, const struct es_cat *cat, int32_t partition,
                    const struct es_hash *hash, int64_t max_age_ms, uint64_t first, uint64_t end,
                    struct ectx *ec);
bool es_young_run(struct es_young *y);
void es_young_cancel(struct es_young *y);

/* ---- Facts ---- */

struct es_fact_fetch {
    struct es_task *task;
    struct es_slot *slot;
    struct str stream;
    int64_t offset;
    struct arena *arena;
    struct ectx *ec;
    bool asked;
    enum err err; /* out; ERR_NOT_FOUND: no fact of this stream is there */
    struct es_fact fact;
    int64_t time_ms;
};
void es_fact_fetch_begin(struct es_fact_fetch *f, struct es_task *task, struct str stream,
                         int64_t offset, struct arena *a, struct ectx *ec);
bool es_fact_fetch_run(struct es_fact_fetch *f);
void es_fact_fetch_cancel(struct es_fact_fetch *f);

/* ---- What may be seen ---- */

/* Of one stream, at one moment. */
struct es_sight {
    bool exists; /* it has events, or had */
    struct es_status status;
    enum es_state state;
    uint64_t head;
    uint64_t floor; /* revisions below are not shown; UINT64_MAX: none is */
};
/* From the newest entry of `events` (NULL: none) and the entry of `facts` (NULL: none). */
void es_sight_make(struct es_sight *s, const uint64_t *head, const struct es_status *status);
bool es_sight_shows(const struct es_sight *s, uint64_t revision, int64_t time_ms, int64_t now_ms);

/*
 * Takes out of events[0..count) those that may not be seen, and blanks what was redacted. Events
 * keep their order. Without `sight` it looks each stream up.
 */
enum es_sieve_at {
    ES_SIEVE_ANY,        /* is there a fact, or redaction, at all? */
    ES_SIEVE_STATUS,     /* of the stream of event i */
    ES_SIEVE_HEAD,       /* the same, if it counts */
    ES_SIEVE_JUDGE,      /* is event i shown? */
    ES_SIEVE_REDACTIONS, /* of event i */
    ES_SIEVE_FACT,
};
struct es_sieve {
    struct es_task *task;
    struct es_event *events;
    int64_t *times;
    size_t count; /* in, out */
    struct arena *arena;
    struct ectx *ec;
    enum err err;                 /* out */
    const struct es_sight *sight; /* NULL: events of many streams */
    struct es_hash hash;          /* of the stream of `sight`, or of event i */
    enum es_sieve_at at;
    size_t i, kept;
    bool any_facts, any_redactions;
    bool has_seen; /* `seen` is of the stream with `hash` */
    struct es_sight seen;
    struct es_status status;
    bool has_status;
    int64_t now_ms;
    bool asked; /* what `set` asks is out, or answered */
    struct es_look looks[2];
    struct es_look_set set;
    uint8_t keys[2][INDEX_KEY_MAX], values[2][INDEX_VALUE_MAX];
    struct es_fact_fetch fact;
    struct arena scratch; /* of `fact` */
};
void es_sieve_init(struct es_sieve *s, struct es_task *task);
void es_sieve_begin(struct es_sieve *s, struct es_event *events, int64_t *times, size_t count,
                    struct arena *a, struct ectx *ec);
bool es_sieve_run(struct es_sieve *s);
void es_sieve_cancel(struct es_sieve *s);

/* What stands in the log in the data's place, written to out[0..data.n): JSON as long as the data
 * was. ERR_NO_MEMORY. */
MUST_USE enum err es_redact_in_place(struct str data, const struct str *fields, size_t field_count,
                                     struct arena *a, char *out, struct ectx *ec);
/* Has the data all of these fields? ERR_NOT_FOUND: not the `missing` ones (field_count), and ec
 * says which, with what there is. `before`: something of it was redacted before, and what lay in
 * that counts as there. ERR_NO_MEMORY. */
MUST_USE enum err es_redact_check(struct str data, const struct str *fields, size_t field_count,
                                  bool before, struct arena *a, bool *missing, struct ectx *ec);
/* The data without what `fields` point to (null in its place). Data that is no JSON, or a pointer
 * that is none: nothing is left. Written over e->data; what is longer than that is put into the
 * arena if it has room. ERR_NO_MEMORY: never for want of room there. */
MUST_USE enum err es_redact(struct es_event *e, const struct str *fields, size_t field_count,
                            struct arena *a, struct ectx *ec);

/* ---- All partitions in the order of the log ---- */

struct es_reader;

/*
 * A merge of cursors, one for each partition of a category, or of all. Forward it never runs dry
 * for good: with a higher bound it goes on, also into categories that are new.
 */
enum es_cursor_state {
    ES_CURSOR_NEW, /* where to begin is not known */
    ES_CURSOR_SEEKING,
    ES_CURSOR_EMPTY, /* it must be read */
    ES_CURSOR_READING,
    ES_CURSOR_READY, /* `position` is that of its next batch */
    ES_CURSOR_END,   /* nothing more, for now */
};
struct es_scan;
struct es_cursor {
    struct heap_node node; /* scan->ready, while READY */
    struct list link;      /* scan->work, while NEW or EMPTY; scan->ended, while END */
    struct es_scan *scan;
    const struct es_cat *cat;
    int32_t partition;
    enum es_cursor_state state;
    bool wanted;    /* its batch is the next of all: keep what is read */
    int64_t next;   /* forward: first offset not taken. Backward: the last that was */
    int64_t from;   /* backward: what is read begins here ... */
    int64_t window; /* ... so many offsets before `next` */
    uint64_t position;
    struct es_slot *slot; /* NULL: its batches were dropped, or never read */
    size_t batch, first;  /* of slot: the next one; backward also the lowest */
    struct es_seek_call *seek;
};
struct es_scan {
    struct es_task *task;
    const struct es_cat *cat; /* NULL: all */
    bool backward;
    struct es_position after; /* where it begins */
    bool from_end;
    uint64_t bound; /* batches with a higher position are not taken */
    size_t chunk_bytes;
    struct es_cursor **cursors;
    size_t cursor_count, cursor_cap;
    size_t cats_seen;
    struct list work, ended;
    struct heap ready;
    size_t out, held;
    enum err err; /* out */
    struct ectx *ec;
    struct list parked; /* es_reader.parked */
    struct es_position parked_at;
    uint32_t parked_ticks;
};
void es_scan_init(struct es_scan *s, struct es_task *task);
/* Those that wait for their next page: takes the one that is there, or NULL. */
struct es_scan *es_scan_unpark(struct es_reader *r, const struct es_cat *cat, bool backward,
                               struct es_position at);
/* Owns it from now on. Nothing may be out. */
void es_scan_park(struct es_reader *r, struct es_scan *s, struct es_position at);
void es_scan_parked_drop(struct es_reader *r, bool all); /* the old ones */
/* chunk_bytes: about how much is read of all partitions together before it is used. */
MUST_USE enum err es_scan_begin(struct es_scan *s, const struct es_cat *cat,
                                struct es_position after, bool from_end, bool backward,
                                size_t chunk_bytes, struct ectx *ec);
/* A higher bound: what was at its end may go on. */
MUST_USE enum err es_scan_bound(struct es_scan *s, uint64_t bound);
/* True: err, or es_scan_top has an answer. False: the task is woken. */
bool es_scan_run(struct es_scan *s);
/* The next batch in the order; NULL: the end for this bound. After es_scan_run. */
const struct engine_batch *es_scan_top(struct es_scan *s, const struct es_cursor **at);
/* The top was looked at. `h`: its header. */
void es_scan_pop(struct es_scan *s, const struct batch_header *h);
void es_scan_cancel(struct es_scan *s); /* frees it */

/* ---- Events by type and tag, out of the index ---- */

enum {
    ES_TERMS_MAX = 32,
    ES_POSTINGS = 32,
    ES_TERMS_AT_ONCE = 2048 /* entries loaded before others get a turn of the loop */
};
/* The events of one type or tag, in order; a part of them in memory. */
struct es_posting {
    struct es_hash hash;
    struct es_term items[ES_POSTINGS];
    size_t at, count;
    bool more;                 /* there may be others behind them */
    struct es_position resume; /* where those begin; included */
    struct es_look *asked;
    uint8_t keys[ES_POSTINGS * ES_KEY_TERM], values[ES_POSTINGS * ES_VALUE_TERM];
};
/* Types: any of them. Tags: all of them. At least one of either; at most ES_TERMS_MAX together. */
struct es_terms {
    struct es_task *task;
    bool backward, any_category;
    uint64_t category;
    uint64_t type_shorts[ES_TERMS_MAX];
    size_t type_count, tag_count;
    uint64_t bound;
    struct es_posting *lists; /* of the tags if there are any, else of the types */
    size_t list_count;
    struct es_look *looks; /* one for each list */
    struct es_look_set set;
    size_t scanned; /* entries passed over */
    size_t at_once; /* entries loaded since the loop had a turn */
    enum err err;   /* out */
    struct ectx *ec;
};
enum es_found { ES_FOUND_ONE, ES_FOUND_END, ES_FOUND_LATER };
void es_terms_init(struct es_terms *t, struct es_task *task);
MUST_USE enum err es_terms_begin(struct es_terms *t, const struct es_filter *filter,
                                 struct es_position after, bool from_end, bool backward,
                                 uint64_t bound, struct ectx *ec);
/* A higher one: lists that were at their end go on. Forward only. */
void es_terms_bound(struct es_terms *t, uint64_t bound);
/* The next one that matches, or that there is none, or (LATER) that t->scanned has reached
 * max_scanned. True: answered, or err. */
bool es_terms_run(struct es_terms *t, size_t max_scanned, struct es_term *out,
                  enum es_found *found);
/* Up to where nothing was left out. */
struct es_position es_terms_passed(const struct es_terms *t);
/* When no look-up is out any more. */
void es_terms_destroy(struct es_terms *t);

/* ---- A source: the events that a filter lets through and that may be seen ---- */

enum es_source_at { ES_SOURCE_GATHER, ES_SOURCE_PICK, ES_SOURCE_SIEVE };
struct es_source {
    struct es_task *task;
    struct es_filter filter; /* what it points to is the caller's */
    struct es_cat *cat;      /* NULL: any, or `missing` */
    bool missing;            /* of a category that is not there yet */
    bool backward, by_terms;
    struct es_position progress; /* everything up to it (backward: down to it) was looked at */
    struct es_position head;     /* nothing behind it is read */
    size_t chunk_bytes;
    size_t place_count; /* in `places`: known and not picked yet */
    bool terms_ended;
    /* of one round */
    enum es_source_at at;
    struct arena *arena;
    struct ectx *ec;
    struct es_event *events; /* grows; begins with `base` events of former rounds */
    int64_t *times;
    size_t cap, base;
    size_t max_events, max_bytes, max_scanned;
    size_t round, bytes;         /* gathered */
    size_t count;                /* out: events behind `base` */
    size_t scanned;              /* out: batches, or entries of the index */
    bool ended;                  /* out: nothing more up to the head */
    bool full;                   /* out: the arena is */
    enum err err;                /* out */
    struct es_position gathered; /* becomes progress when the round is done */
    struct es_scan *scan;        /* NULL: by_terms, or missing */
    struct es_terms terms;
    struct es_pick pick;
    struct es_sieve sieve;
    struct es_pick_place places[ES_CHUNK];
};
void es_source_init(struct es_source *s, struct es_task *task);
/* `after` and from_end as in struct es_read_all. */
MUST_USE enum err es_source_begin(struct es_source *s, const struct es_filter *filter,
                                  struct es_position after, bool from_end, bool backward,
                                  struct es_position head, size_t chunk_bytes, struct ectx *ec);
MUST_USE enum err es_source_bound(struct es_source *s, struct es_position head);
/* Limits of the next round; events go to the arena. */
void es_source_round(struct es_source *s, size_t max_events, size_t max_bytes, size_t max_scanned,
                     struct arena *a, struct ectx *ec);
bool es_source_run(struct es_source *s);
/* After a round that ended well: the scan, with what it has read, is kept for a while for whoever
 * begins at `progress`, the next page of the same reader. */
void es_source_park(struct es_source *s);
void es_source_cancel(struct es_source *s);
void es_source_destroy(struct es_source *s); /* as a task's destroy */
/* ERR_OK, or what is wrong with a filter. */
MUST_USE enum es_problem es_filter_check(const struct es_filter *f, struct ectx *ec);
bool es_filter_record(const struct es_filter *f, const struct record *r);

/* ---- Streams ---- */

void es_info_make(struct es_stream_info *out, const struct es_cat *cat, int32_t partition,
                  const struct es_sight *sight);
/* With max_age: `first` is the first event that is young enough (es_young). */
void es_info_young(struct es_stream_info *info, uint64_t first);

/* ---- Subscriptions ---- */

enum {
    ES_SUBSCRIPTIONS_MAX = 4096,
    ES_SUB_ROUND = 64,            /* events read at once for one of them ... */
    ES_SUB_SCANNED = 512,         /* ... passing over so many batches at the most */
    ES_CHECKPOINT_SCANNED = 5000, /* a checkpoint after so many, or ... */
};
#define ES_CHECKPOINT_NS   1000000000u /* ... this time, if nothing matched */
#define ES_SUB_ROUND_BYTES (64u << 10)

/* Reads on for one subscription from where it is, until that is the end of the log. */
struct es_catchup_read;
struct es_subscription {
    struct list all;  /* es_reader.subscriptions */
    struct list live; /* es_tail.live: it has all up to where the tail is; else in no list */
    struct es *es;
    struct es_subscribe spec; /* its strings lie behind this struct */
    struct es_hash hash;      /* of spec.stream */
    bool paused, running, again, gone;
    bool caught_up;                    /* told, and not fallen behind since */
    struct es_position progress, told; /* read; told to the subscriber */
    uint64_t told_ns, scanned, scanned_told, matched;
    uint64_t next_revision;          /* of spec.stream; not known before `seek` is over */
    bool seek;                       /* of spec.stream: from_end, which is not looked up yet */
    struct es_catchup_read *reading; /* NULL: live, or it waits */
    uint32_t ticks_paused;
    uint64_t walk; /* the newest that has met it */
};
/* All subscriptions, while any of them, or others, leave. */
struct es_sub_walk {
    uint64_t number, left;
    struct es_subscription *last;
};
struct es_sub_walk es_sub_walk_begin(struct es_reader *r);
struct es_subscription *es_sub_walk_next(struct es_reader *r, struct es_sub_walk *w);
/* Goes on as far as it can. */
void es_sub_run(struct es_subscription *sub);
/* Tells one frame. False: it is gone, or paused. */
bool es_sub_tell(struct es_subscription *sub, enum es_frame frame, const struct es_event *e,
                 struct es_position position);
bool es_sub_matches(const struct es_subscription *sub, const struct es_event *e,
                    const struct es_hash *stream);
/* A checkpoint, if one is due. False as es_sub_tell. */
bool es_sub_checkpoint(struct es_subscription *sub, struct es_position position);
/* After it is gone; not while it is on the stack. */
void es_sub_free(struct es_subscription *sub);
void es_sub_close(struct es_subscription *sub, enum es_problem problem, const struct ectx *ec);
void es_catchup_read_end(struct es_subscription *sub);

/* One reader at the end of the log for all subscriptions that are there. */
struct es_tail {
    struct es_task task;
    struct es_source source;
    struct arena arena;
    struct ectx ec;
    struct list live;
    bool reading; /* not at the head */
    bool round;   /* one is under way */
    struct es_position progress;
};
/* True: from now on the tail serves it. False: the tail is not where it is. */
bool es_tail_attach(struct es *es, struct es_subscription *sub);
/* The index may have grown: the tail reads on, and so does who waits. */
void es_tail_advance(struct es *es);
/* Watches the engine's position, once. */
void es_tail_watch(struct es *es);
void es_tail_unwatch(struct es *es);

/* ---- The room's own ---- */

struct es_reader {
    struct list tasks, idle;
    struct list parked; /* of struct es_scan */
    size_t parked_count;
    size_t task_count, idle_count;
    struct record_scratch scratch;
    bool stopped;
    struct metric *foreign; /* records in es.* that are no events */
    struct list subscriptions;
    size_t subscription_count;
    uint64_t walks, left; /* see es_sub_walk; how many have left so far */
    struct es_tail *tail; /* NULL: nobody is live */
    struct engine_position_watch watch;
    bool watching;
    struct es *es;
    bool advancing;
    bool dirty; /* the index has grown since the subscriptions looked */
};
/* The problem that an error of engine or index is for the caller. */
enum es_problem es_problem_of(enum err e);
/* Arrays that grow in an arena: room for `more` behind `count`, at least. */
MUST_USE bool es_events_room(struct es_event **events, int64_t **times, size_t *cap, size_t count,
                             size_t more, struct arena *a);

#endif
