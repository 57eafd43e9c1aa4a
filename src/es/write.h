/*
 * The write side of the event store. An *op* is a call that is not answered: an append, a change of
 * a stream, a batch that a Kafka client produces. It is tried from its start, again and again,
 * until everything that its decision needs is in memory; then it decides and, in the same turn of
 * the loop, is sequenced.
 *
 *   try: heads loaded? -> ids looked up? -> queries looked up? -> rules -> categories there?
 *         | no: wait, then try again                                       |
 *         '----------------------------------------------------------------'-> flight
 *
 * A *flight* is what was sequenced and is not yet durable and in the index. Until then its events
 * answer look-ups from here. What an op has looked up (its memos) stays true because flights that
 * were alive when it began to look are kept until it has ended: memo and flights together are
 * exact.
 */
#ifndef LEAT_ES_WRITE_H
#define LEAT_ES_WRITE_H

#include "core/uuid.h"
#include "es/es_int.h"
#include "es/rules.h"

#ifdef LEAT_DEBUG
/* Planted faults: tests switch one on and must then find the damage that it does. */
struct es_faults {
    bool answer_early;  /* an append is answered when it is sequenced */
    bool covered_early; /* the index is told of what is sequenced */
    bool ids_skipped;   /* ids are not put when the log is read */
    bool facts_skipped; /* facts neither */
    bool head_kept;     /* a head does not move when events are sequenced */
    bool sieve_blind;   /* events of deleted streams are shown on the way of the log */
    bool walk_soon;     /* no fault: the first query with tags of an append is walked */
    bool erased_early;  /* a redaction is answered before the data is out of the log */
    bool put_stops;     /* no fault: the index has no memory for the last event of several */
    bool tail_jump;     /* who leaves the tail goes on from its end, not from what he was told */
};
extern struct es_faults es_faults;
#define ES_FAULT(name) (es_faults.name)
#else
#define ES_FAULT(name) false
#endif

/* ---- Heads: streams as they are sequenced
 * ------------------------------------------------------------------------------- */

struct es_head {
    struct es_hash hash;
    struct es_head *next; /* with the same short hash */
    struct list link;     /* of those that nothing needs, oldest first */
    uint32_t pins;        /* ops and flights that need it */
    bool loaded;
    bool has_events;
    uint64_t last;
    struct es_status status;
    struct es_flight *flight; /* the newest that it depends on; NULL: all of it is in the index */
    struct es_flight *change; /* the newest with a fact of the stream; NULL: none is in flight */
    uint64_t changes;         /* facts of the stream since it was loaded */
    struct es_head_load *load;
};
/* Pinned. NULL: no memory. */
struct es_head *es_head_take(struct es *es, const struct es_hash *hash);
void es_head_give(struct es *es, struct es_head *h);
void es_heads_forget(struct es *es); /* all that nothing needs */
void es_heads_free(struct es *es);   /* all, at the end */
/* ERR_OK: it is loaded. ERR_AGAIN: `w` is told when it is, or why it cannot be. Others: at once. */
struct es_head_wait {
    struct list link;
    void (*told)(struct es_head_wait *w, enum err e);
    void *ctx;
};
MUST_USE enum err es_head_load(struct es *es, struct es_head *h, struct es_head_wait *w);

/* ---- Flights
 * ------------------------------------------------------------------------------------------ */

struct es_flight_event {
    struct es_flight_event *next; /* with the same short hash of id */
    struct es_flight *flight;
    struct es_head *head;
    struct es_hash id; /* all zero: none yet */
    uint64_t revision, body;
    const struct es_hash *terms; /* its type, then its tags */
    uint32_t term_count;
    uint64_t term_mask; /* a bit for each term: most events are passed over by it */
    bool needs_id_entry;
    uint32_t part, index; /* where it is in the flight */
};
struct es_flight_part {
    struct es_cat *cat; /* NULL: of __leat_streams */
    int32_t partition;
    int64_t base_offset;
    uint64_t position;
    size_t count;
};
struct es_flight_fact { /* at most one a flight */
    struct es_head *head;
    uint32_t part;
    int kind; /* of struct es_fact */
    struct es_status status;
    uint64_t revision;
    bool whole;
    struct es_hash slot;
};
/*
 * Life: create, fill, enter, then either send (our own) or, for a produced batch, sequenced or
 * drop; ended; when all older ones are, too, its entries are put and its waiters are told.
 */
struct es_flight {
    struct list link; /* of writer.flights (in order), then of writer.retired */
    struct es *es;
    uint64_t seq;
    uint64_t retired_tick;
    bool entered; /* its ids answer, its heads are pinned */
    bool sending, ended, retired;
    enum err err;
    struct ectx ec;
    bool has_fact;
    struct es_flight_fact fact;
    struct es_flight_event *events;
    size_t event_count;
    struct es_hash *terms; /* of all events */
    size_t term_count;
    uint64_t term_mask;
    struct es_flight_part *parts;
    struct engine_part *engine_parts; /* one more than parts: of `also` */
    size_t part_count;
    size_t put;          /* events whose entries are in the index */
    struct list waiters; /* of struct es_flight_wait */
    void *kept;          /* a waiter that is nobody else's: freed with the flight */
    struct engine_append append;
    uint64_t room[]; /* events, parts and terms */
};
struct es_flight_wait {
    struct list link;
    void (*told)(struct es_flight_wait *w); /* it is in the index */
};
/* Room for so many; counts are 0 and grow as it is filled. NULL: no memory. */
struct es_flight *es_flight_create(struct es *es, size_t events, size_t terms, size_t parts);
struct es_flight_event *es_flight_add(struct es_flight *f, struct es_head *h, struct str type,
                                      const struct str *tags, size_t tag_count);
/* Its ids answer from now on, and its heads are pinned. ERR_NO_MEMORY: not. */
MUST_USE enum err es_flight_enter(struct es_flight *f);
/* Appends engine_parts (part_count, and one more if `also`). An error: nothing was done. */
MUST_USE enum err es_flight_send(struct es_flight *f, bool also, struct ectx *ec);
/* It got its offsets: heads move. */
void es_flight_sequenced(struct es_flight *f);
/* Of one that is not sequenced: as if it had never been. */
void es_flight_drop(struct es_flight *f);
/* It is durable (parts' positions are set) or, with an error, lost: then the store is, too. */
void es_flight_ended(struct es_flight *f, enum err e, const struct ectx *ec);
/* Puts what waits for the index's memory; tells waiters. */
void es_flights_advance(struct es *es);
/* Frees those that no memo needs any more. */
void es_flights_release(struct es *es);
/* All are durable, and the index that is made anew will have them from the log: waiters are told.
 */
void es_flights_tell(struct es *es);
void es_flights_free(struct es *es);
/* A bit for each term: what has not all bits of a query's terms does not match it. */
uint64_t es_term_mask(const struct es_hash *terms, size_t count);
struct es_flight_event *es_flight_event_find(struct es *es, const struct es_hash *id);
struct es_position es_flight_event_position(const struct es_flight_event *x);
/* Puts the entries of one event: also for what is read from the log at the start. */
struct es_entry {
    struct es_hash stream, id;
    bool needs_id_entry;
    uint64_t revision, body;
    const struct es_hash *terms;
    size_t term_count;
    const struct es_cat *cat;
    int32_t partition;
    struct es_place place;
};
MUST_USE enum err es_entry_put(struct es *es, const struct es_entry *x);
MUST_USE enum err es_fact_put(struct es *es, const struct es_hash *stream, int kind,
                              const struct es_status *status, uint64_t revision, bool whole,
                              const struct es_hash *slot, int32_t partition, int64_t offset);

/* ---- Ops
 * --------------------------------------------------------------------------------------------- */

enum es_wop_kind { ES_WOP_APPEND, ES_WOP_CHANGE, ES_WOP_GATE };
struct es_wop_looks; /* look-ups of an op: on the heap, so that it may be answered before they end
                      */

struct es_wop {
    struct list link;      /* writer.ops */
    struct list memo_link; /* writer.memos, if it has any */
    struct list cat_link;  /* of those that wait for a category */
    struct list room_link; /* writer.roomless: the log has no room for the moment */
    uint64_t roomless_ns;  /* since when; 0: it has found room */
    struct es_flight_wait flight_wait;
    struct es *es;
    enum es_wop_kind kind;
    struct arena *arena;
    /* Again, from its start. May end the op; then it is gone. */
    void (*run)(struct es_wop *op);
    /* Answers it, with a problem that has nothing to do with it, and frees it. */
    void (*fail)(struct es_wop *op, enum es_problem p, const struct ectx *ec);
    uint64_t memo_tick;
    size_t pending;             /* what it waits for; then it is run */
    bool holding;               /* what comes at once does not run it again */
    enum err look_err;          /* of a look-up that failed */
    struct es_wop_looks *looks; /* that are out */
    struct list peeks;          /* that are out */
    struct es_query_walk *walk; /* that it waits for */
    struct es_flight *flight;   /* of what it has sequenced; NULL: nothing is in flight */
};
/* ES_BUSY: too many. */
enum es_problem es_wop_init(struct es_wop *op, struct es *es, enum es_wop_kind kind,
                            struct arena *arena, struct ectx *ec);
/* No longer waits for anything; what it held is given back. */
void es_wop_end(struct es_wop *op);
/* What it looks up from now on, it may remember. */
void es_wop_memo(struct es_wop *op);
void es_wop_memo_leave(struct es_wop *op); /* it remembers nothing any more */
void es_wop_wait_flight(struct es_wop *op, struct es_flight *f,
                        void (*told)(struct es_flight_wait *w));
/* False: the log has no room for the moment; the op is run again when it has, or fails after
 * ES_ROOM_WAIT_NS. Ask first in `run`: what follows in the same turn finds the room. */
bool es_wop_room(struct es_wop *op);
void es_wops_tick(struct es *es); /* those that have waited too long for it */
/* One thing that it waited for has come. */
void es_wop_told(struct es_wop *op, enum err e);
/* Looks of an op: `take` for each when all are answered, then the op is run again. NULL: no memory.
 */
struct es_look *es_wop_looks_begin(struct es_wop *op, size_t count,
                                   void (*take)(struct es_wop *op, struct es_look *looks,
                                                size_t count));
/* The first `count` of them. true: all were answered and taken at once. */
bool es_wop_looks_go(struct es_wop *op, size_t count);
/*
 * Reads one event's record: `take` with it, or with NULL if it cannot be read; then the op is told,
 * unless that is done when the call returns. ERR_OK: it is on its way.
 */
struct es_peek {
    const struct es_cat *cat;
    int32_t partition;
    int64_t offset;
    void (*take)(struct es_wop *op, void *ctx, const struct es_view *v);
    void *ctx;
    enum err *err; /* why it cannot be read, set before `take`; ERR_OK: it was, or there is none.
                    * ERR_OFFSET_OUT_OF_RANGE: below the log's start. May be NULL */
};
MUST_USE enum err es_wop_peek(struct es_wop *op, const struct es_peek *what);
void es_wop_peeks_leave(struct es_wop *op); /* it is answered: nobody is told */
void es_peeks_free(struct es *es);
/* The store has failed, or stops: all are answered. */
void es_wops_fail(struct es *es);
/* It begins its index anew: those are that have sequenced nothing. The others are told how it ends
 * (es_flights_tell): what they ask for may be stored. */
void es_wops_fail_unsent(struct es *es);

/* ---- A plan: events of streams that one op wants to append
 * ------------------------------------------------------------ */

enum es_memo { ES_MEMO_NONE, ES_MEMO_ABSENT, ES_MEMO_KNOWN };
struct es_plan_event {
    struct str id, type, data, meta;
    const struct str *tags;
    size_t tag_count;
    uint32_t stream;   /* of plan.streams */
    uint64_t revision; /* that it gets, or has */
    uint64_t body;
    bool carries; /* its id is one that the server makes for the revision `carried` */
    uint64_t carried;
    struct es_hash id_hash;
    enum es_memo memo; /* of the entry of its id, or of the event that it carries */
    uint64_t memo_revision, memo_body;
    bool place_known, event_read; /* of the event that its id carries */
    bool wanted;                  /* es_plan_look's own */
    struct es_place place;
    enum err read_err;            /* of that event */
    char id_text[UUID_TEXT_SIZE]; /* of an id that was made */
};
struct es_plan_stream {
    struct str name;
    struct es_hash hash;
    struct str category;
    struct es_cat *cat;
    struct es_head *head;
    struct es_head_wait wait;
    struct es_wop *op;
    int32_t partition;
    uint32_t part;      /* of the flight */
    size_t event_count; /* 0: only checked */
    size_t first_event, last_event;
    uint64_t next;     /* revision of its next event */
    struct str source; /* of its records, once one was made */
};
struct es_plan {
    struct es_wop *op;
    struct es_plan_event *events;
    size_t event_count;
    struct es_plan_stream *streams;
    size_t stream_count, stream_cap;
    uint32_t *slots; /* of stream names: index + 1 */
    size_t slot_count;
    struct es_rule_event *rules_events;
    struct es_rules rules;       /* facts, after es_plan_look */
    struct es_flight *newest;    /* that the facts depend on; NULL: none is in flight */
    struct es_flight *newest_id; /* the same of ids that are known */
};
/* Room for events and for streams that are checked. */
MUST_USE enum err es_plan_init(struct es_plan *p, struct es_wop *op, size_t events, size_t checks);
/* The stream's index; ERR_NO_MEMORY, ERR_MALFORMED. */
MUST_USE enum err es_plan_stream(struct es_plan *p, struct str name, uint32_t *index,
                                 struct ectx *ec);
/* events[i] is filled but for what follows from the rest. */
void es_plan_event(struct es_plan *p, size_t i);
/* ERR_EXISTS: two events have one id: their indexes. ERR_NO_MEMORY: it is not known. */
MUST_USE enum err es_plan_same_ids(struct es_plan *p, size_t *first, size_t *second);
/* Categories, heads and ids. ERR_OK: the facts are there. ERR_AGAIN: it waits. */
MUST_USE enum err es_plan_look(struct es_plan *p, struct ectx *ec);
/* After ES_RULE_APPEND, so that nothing is left of what is refused: makes the categories that are
 * not there. ERR_AGAIN: it waits, and is looked at again. ERR_LIMIT: no more are made by themselves
 * (*culprit: the event that wants one), and none was. */
MUST_USE enum err es_plan_categories(struct es_plan *p, size_t *culprit, struct ectx *ec);
/* After ES_RULE_APPEND: revisions, and the flight. NULL: no memory. `facts`: parts of facts. */
struct es_flight *es_plan_flight(struct es_plan *p, size_t facts);
void es_plan_end(struct es_plan *p);
void es_plan_forget(struct es_plan *p); /* what it has looked up of ids: the op has no memo */

/* ---- Queries
 * ------------------------------------------------------------------------------------------ */

/*
 * The queries of one op are looked at in a pass: in one turn of the loop, or in a few with the op's
 * memo. What takes more than ES_QUERY_STEPS_NOW look-ups is a walk: on workers, in slices, up to
 * what the index had when it began, and without memo. Then a new pass begins, which has only what
 * has come since to look at.
 */
struct es_query_pass {
    size_t terms; /* types and tags of all queries: what a pass looks up at least */
    bool begun;
    struct es_position upto; /* the index had all that is before it when the pass began */
    size_t steps;
    bool walking;      /* it has ended with a walk: es_query_restart, es_plan_forget */
    uint64_t since_ns; /* of the first walk; 0: none */
    bool failed;       /* a walk: ec says why */
    struct ectx ec;
};
struct es_query {
    struct es_query_progress *items;
    size_t item_count;
    struct es_position from; /* the first place behind `after` */
    /* the first that matches, when it is known */
    bool matched;
    struct es_term match;
    struct es_flight *flight; /* it is in this one, whose position is not known yet */
};
/* NULL: no memory. */
struct es_query *es_query_create(struct es_wop *op, struct es_query_pass *pass,
                                 const struct es_check *check);
/* ERR_OK: matched or not. ERR_AGAIN: it waits, or it is to be tried again at once if the op waits
 * for nothing. ERR_LIMIT: pass->ec says which. */
MUST_USE enum err es_query_look(struct es_wop *op, struct es_query_pass *pass, struct es_query *q);
/* Without a memo: what was asked of the index is true up to where the pass began. */
void es_query_restart(const struct es_query_pass *pass, struct es_query *q);
void es_query_walk_leave(struct es_wop *op); /* it is answered */
/* Behind the events of a flight whose entries are in the index. */
void es_query_events_end(struct es *es, struct es_position end);

/* ---- The side as a whole
 * ------------------------------------------------------------------------------------------ */

struct es_writer {
    struct map heads; /* short hash -> struct es_head */
    struct list idle; /* heads that nothing needs */
    size_t head_count, idle_count;
    struct map ids; /* short hash -> struct es_flight_event */
    struct list flights, retired;
    size_t flight_count; /* events of both */
    uint64_t seq;        /* of the newest flight */
    uint64_t indexed;    /* commit position up to which the index had all; see es_head */
    bool advancing;
    uint64_t tick;
    struct list ops, memos;
    struct list roomless; /* ops that wait until the log has room */
    struct engine_room_watch room_watch;
    struct list looks, peeks; /* all that are out */
    size_t op_count;
    struct list walks; /* queries that wait for their turn */
    size_t walk_count, walks_running;
    bool walks_starting;
    struct es_position events_end; /* no event in the index is at or behind it */
    struct list gates;             /* produced batches that wait to be asked again */
    size_t gate_bytes;
    bool gate_again; /* at the next tick */
    struct record_scratch scratch;
    char type[64]; /* the last one that was short enough; its hash */
    size_t type_n;
    struct es_hash type_hash;
    struct record_header headers[ENVELOPE_HEADERS_MAX + 2 + ES_TAGS_MAX]; /* of one record */
};
MUST_USE enum err es_writer_create(struct es *es);
void es_writer_destroy(struct es *es);

MUST_USE enum err es_cat_add(struct es *es, const struct engine_topic *topic, struct es_cat **out,
                             struct ectx *ec);
void es_cats_free(struct es *es);
void es_cats_stop(struct es *es);
/* Tells the index how far it is. */
MUST_USE enum err es_covered_tell(struct es *es, bool now);
bool es_covered_key(struct str blob, uint8_t key[16]);
/* Into the categories' offsets. false: it is not of this log. */
bool es_covered_apply(struct es *es, struct str blob);
/* ERR_DAMAGED: the index knows more than the log. */
MUST_USE enum err es_catchup_start(struct es *es, struct ectx *ec);
void es_catchup_step(struct es *es); /* goes on if it can */
void es_catchup_stop(struct es *es);
/* The end of it (es.c). */
void es_started(struct es *es, enum err e, const struct ectx *ec);
enum es_problem es_write_problem(enum err e);
/* gauges.c */
MUST_USE enum err es_gauges_create(struct es *es);
void es_gauges_destroy(struct es *es);
void es_gauges_append(struct es *es, const struct es_append *a, enum es_problem p);
void es_gauges_erased(struct es *es, bool erased);
void es_gauges_tick(struct es *es);
/* append_check.c: ES_OK, or the problem with its words in a->ec. */
enum es_problem es_append_check(const struct es *es, struct es_append *a);
/* change_check.c: the same of a change of a stream, with its words in c->ec. */
enum es_problem es_change_check(const struct es *es, struct es_stream_change *c);
/* change_fields.c: has the event what a redaction of some fields names? Zeroed to begin with. */
struct es_field_look {
    struct es_stream_change *c;
    bool absent;        /* it is not in the index yet: it is in flight */
    bool placed;        /* `place` is known */
    bool history;       /* what was redacted before is known: */
    bool before, whole; /* something, all of its data */
    int64_t from;       /* the next redaction to look at */
    bool known;         /* its data was read: */
    enum err err;       /* ERR_OK: it has all of them, ERR_NOT_FOUND: not `missing` */
    enum err read_err;
    bool missing[ES_FIELDS_MAX];
    struct es_place place;
};
/* ERR_OK (or `absent`), ERR_AGAIN: it waits. ERR_NOT_FOUND: c->missing and c->ec say what. */
MUST_USE enum err es_fields_look(struct es_wop *op, struct es_field_look *l,
                                 struct es_stream_change *c, const struct es_hash *stream);
/* change_slot.c: a snapshot that is in a slot, or is to come into it. */
struct es_slot_look {
    uint64_t revision;
    int64_t fact;  /* that brought it */
    uint64_t from; /* the next redaction to look at: zeroed, the first */
    int64_t from_fact;
    size_t passed;
    bool known, harmed;
};
/* ERR_OK: `harmed` is known. ERR_AGAIN: it waits. */
MUST_USE enum err es_slot_look(struct es_wop *op, struct es_slot_look *l,
                               const struct es_hash *stream);
/* gate.c */
void es_gate_open(struct es *es);
void es_gate_close(struct es *es);
void es_gate_tick(struct es *es);
/* May the index note the offsets of so many more categories? Their names have so many bytes. */
bool es_covered_room(const struct es *es, size_t more, size_t name_bytes, int32_t partitions);
bool es_cat_coming(const struct es *es, struct str category); /* it is being made */
/* May so many more come by themselves? Their names have so many bytes; `last` is one of them. */
MUST_USE enum err es_cats_room(struct es *es, struct str last, size_t more, size_t name_bytes,
                               struct ectx *ec);
/* Asks for a category; the op is told. ERR_AGAIN; ERR_LIMIT: no more by themselves. */
MUST_USE enum err es_cat_want(struct es *es, struct str category, struct es_wop *op,
                              struct ectx *ec);
/* An event as a record. false: no memory. */
struct es_record {
    struct str id;
    uint64_t revision;
    struct str *source; /* of its stream's events without one; null: it is made */
};
bool es_record_write(struct es *es, const struct es_new_event *event, struct es_record *r,
                     struct arena *a, struct engine_record *out);

/* ---- Ids that the server makes
 * ---------------------------------------------------------------------------------------- */

struct str es_id_make(struct es *es, struct str stream, uint64_t revision,
                      char out[UUID_TEXT_SIZE]);
/* Is it one that the server makes for this stream? The revision that it carries. */
bool es_id_place(struct str stream, struct str id, uint64_t *revision);

#endif
