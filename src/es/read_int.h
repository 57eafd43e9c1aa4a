/*
 * The read side from within. A call that is not answered is an *op*: a small machine with one
 * function, `go`, that is called to begin it and again whenever what it waits for has come. Its
 * parts (a fetch of events, a sieve, a scan) are machines of the same kind: `..._run` says true
 * when they are done, else the op is called again later.
 *
 *     read.c         life, ops, slots: reads of the engine with their memory
 *     read_record.c  a record as an event
 *     fetch.c        places of events -> events, several reads at once
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

#include "es/es_int.h"
#include "record/scratch.h"

/* ---- Limits ---- */

enum {
    ES_READS_MAX = 4096,         /* calls and subscriptions at once; then ES_BUSY */
    ES_FETCH_READS = 8,          /* reads of the engine at once, for one call */
    ES_SLOTS_IDLE_MAX = 64,      /* kept for the next call */
    ES_CHUNK = 128,              /* events that one round of a call looks for */
    ES_EVENTS_SCANNED_MAX = 8192 /* events that one call passes over because they are not shown */
};
#define ES_SLOT_ARENA     (4u << 20)   /* descriptions of batches of one read */
#define ES_FETCH_RUN      (64u * 1024) /* bytes of one read if events lie side by side */
#define ES_DECOMPRESS_MAX (64u << 20)

/* ---- Ops ---- */

struct es_op {
    struct list link; /* es_reader.ops while it is not answered */
    struct es *es;
    size_t pending; /* look-ups that are out: they cannot be called back */
    bool running;   /* `go` is on the stack */
    bool again;     /* it was woken meanwhile */
    bool over;      /* answered; memory goes when nothing is pending */
    void (*go)(struct es_op *op);
    /* Answers, because it cannot go on. Calls es_op_end itself. */
    void (*fail)(struct es_op *op, enum es_problem problem, const struct ectx *ec);
    /* Gives back everything but the op's own memory. */
    void (*release)(struct es_op *op);
};
/* Counts it and puts it into the list. ES_BUSY, ES_UNAVAILABLE: it was not begun. */
MUST_USE enum es_problem es_op_begin(struct es *es, struct es_op *op, struct ectx *ec);
/* Calls `go` now, or when the call that is running ends. */
void es_op_wake(struct es_op *op);
/* It is answered: out of the list, its parts are released. The memory (mem_free) goes as soon as
 * no look-up needs it: do not touch it any more. */
void es_op_end(struct es_op *op);
/* True: answered. False: the op is woken when they are. */
bool es_op_look(struct es_op *op, struct es_look_set *set);

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

/* ---- Events of records ---- */

struct es_record_place {
    struct str topic; /* lives as long as its category */
    int32_t partition;
    uint64_t commit;
};
/* ERR_NOT_FOUND: a record that is no event. ERR_NO_MEMORY: the arena is full. */
MUST_USE enum err es_record_read(const struct record *r, const struct es_record_place *place,
                                 struct arena *a, struct es_event *out, struct ectx *ec);
/* About how many bytes an event takes in an answer. */
size_t es_event_size(const struct es_event *e);

/* ---- Fetching events whose places are known ---- */

struct es_fetch_place {
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
struct es_fetch {
    struct es_op *op;
    const struct es_fetch_place *places;
    size_t count; /* in, out */
    size_t bytes, max_bytes;
    struct es_event *events;
    int64_t *times;
    struct arena *arena;
    struct ectx *ec;
    enum err err; /* out */
    size_t next, reads;
    struct list slots;
};
void es_fetch_init(struct es_fetch *f, struct es_op *op);
/* For the next places. */
void es_fetch_begin(struct es_fetch *f, const struct es_fetch_place *places, size_t count,
                    size_t max_bytes, struct es_event *events, int64_t *times, struct arena *a,
                    struct ectx *ec);
bool es_fetch_run(struct es_fetch *f);
void es_fetch_cancel(struct es_fetch *f);

/* ---- Facts ---- */

struct es_fact_fetch {
    struct es_op *op;
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
void es_fact_fetch_begin(struct es_fact_fetch *f, struct es_op *op, struct str stream,
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
    struct es_op *op;
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
};
void es_sieve_init(struct es_sieve *s, struct es_op *op);
void es_sieve_begin(struct es_sieve *s, struct es_event *events, int64_t *times, size_t count,
                    struct arena *a, struct ectx *ec);
bool es_sieve_run(struct es_sieve *s);
void es_sieve_cancel(struct es_sieve *s);

/* The data without what `fields` point to (null in its place). Data that is no JSON, or a pointer
 * that is none: nothing is left. */
MUST_USE enum err es_redact(struct es_event *e, const struct str *fields, size_t field_count,
                            struct arena *a, struct ectx *ec);

/* ---- The room's own ---- */

struct es_reader {
    struct list ops, idle;
    size_t op_count, idle_count;
    struct record_scratch scratch;
    bool stopped;
    struct metric *foreign; /* records in es.* that are no events */
};
/* The problem that an error of engine or index is for the caller. */
enum es_problem es_problem_of(enum err e);
/* Arrays that grow in an arena: room for `more` behind `count`, at least. */
MUST_USE bool es_events_room(struct es_event **events, int64_t **times, size_t *cap, size_t count,
                             size_t more, struct arena *a);

#endif
