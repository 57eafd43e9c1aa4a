/*
 * The event store: streams of events on the log. A stream `order-42` lives in the category `order`,
 * which is the topic `es.order`; the stream's name is the key of its records, so that all of it is
 * in one partition. Each event is an ordinary Kafka record with CloudEvents headers (ce_*) and
 * `leat-revision`; any Kafka client reads it.
 *
 * Conditions (expected revisions, tag queries) are checked where the order is made: in the turn of
 * the loop in which the records are sequenced, against what is sequenced (not only what is
 * durable). Answers wait until that is durable. An event id names one event of a stream for the
 * stream's life.
 *
 * Durable are: the events (es.CATEGORY), and facts about streams that no event says (truncation,
 * deletion, retention, snapshots, redaction), records of `__leat_streams` that travel in the same
 * append. Everything else (where a stream's events are, its head, ids, tags, types) is an index
 * (index/index.h), rebuilt from those topics.
 *
 * All functions on the loop. A call ends by its `done`, perhaps before it returns. What is passed
 * in must live until then.
 */
#ifndef LEAT_ES_ES_H
#define LEAT_ES_ES_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "engine/engine.h"
#include "envelope/envelope.h"
#include "metrics/metrics.h"

#define ES_TOPIC_PREFIX    "es."
#define ES_STREAMS_TOPIC   "__leat_streams"
#define ES_STREAM_NAME_MAX 256u
#define ES_EVENT_ID_MAX    128u
#define ES_TAG_MAX         256u
#define ES_TAGS_MAX        64u    /* of one event */
#define ES_EVENTS_MAX      10000u /* of one append */
#define ES_CHECKS_MAX      256u
#define ES_QUERY_ITEMS_MAX 32u

struct es;

/* Problems of the API (patterns.md 2.14), as the caller sees them. es_problem_code:
 * "revision-conflict". */
enum es_problem {
    ES_OK,
    ES_INVALID,            /* ec says what */
    ES_CATEGORY_NOT_FOUND, /* and the limit of categories made by themselves is reached */
    ES_STREAM_NOT_FOUND,
    ES_EVENT_NOT_FOUND,
    ES_FIELD_NOT_FOUND, /* of a redaction; nothing was changed */
    ES_STREAM_DELETED,  /* soft */
    ES_STREAM_TOMBSTONED,
    ES_REVISION_CONFLICT, /* one stream, expected in the call itself */
    ES_APPEND_CONFLICT,   /* checks of a multi-stream append: violations */
    ES_EVENT_ID_REUSED,
    ES_PARTIAL_DUPLICATE,
    ES_EVENT_TOO_LARGE,
    ES_BATCH_TOO_LARGE,
    ES_POSITION_UNKNOWN, /* above the log's end, or of another store */
    ES_SNAPSHOT_STALE,   /* a newer one is there */
    ES_FOLD_NOT_FOUND,
    ES_DEFINITION_INVALID, /* ec names file, line, column */
    ES_DEFINITION_NOT_FOUND,
    ES_FOLD_FAILED,  /* an event that the fold cannot take: ec says which and why */
    ES_BUSY,         /* a limit of what is in flight; try again */
    ES_UNAVAILABLE,  /* starting, stopping, no room in the log, no memory: ec->code */
    ES_STORAGE_FULL, /* the file system has no space: nothing was written, reads go on */
    ES_FAILED,       /* ec->code */
};
const char *es_problem_code(enum es_problem p);
int es_problem_status(enum es_problem p);

/* ---- Life
 * -------------------------------------------------------------------------------------------- */

/* `dir`: of the index (derived; may be removed while stopped). */
MUST_USE enum err es_create(struct engine *e, const struct config *config, struct metrics *metrics,
                            const char *dir, struct es **out, struct ectx *ec);
/* Opens the index, makes topics, catches up with the log; `ready` (may be NULL) when that is done.
 */
void es_start(struct es *es, void (*ready)(void *ctx, enum err e, const struct ectx *ec),
              void *ctx);
bool es_ready(const struct es *es);
void es_tick(struct es *es); /* about every 100 ms */
/* Every call that waits is answered ES_UNAVAILABLE; subscriptions close. */
void es_stop(struct es *es);
void es_destroy(struct es *es);

/* ---- Positions
 * ------------------------------------------------------------------------------------------ */

/* The place of an event in the order of the whole log: opaque to clients ("p:..."). */
struct es_position {
    uint64_t commit; /* of its batch */
    uint32_t index;  /* of the event in it */
};
#define ES_POSITION_TEXT 40u
size_t es_position_format(struct es_position p, char out[ES_POSITION_TEXT]);
bool es_position_parse(struct str s, struct es_position *out);
int es_position_cmp(struct es_position a, struct es_position b);
struct es_position es_head(const struct es *es); /* everything visible is at or below it */

/* ---- Appending
 * ------------------------------------------------------------------------------------------ */

enum es_expect { ES_ANY, ES_NO_STREAM, ES_EXISTS, ES_REVISION };
struct es_expected {
    enum es_expect kind;
    uint64_t revision; /* ES_REVISION */
};
/* "any", "no_stream", "exists", "5". */
bool es_expected_parse(struct str s, struct es_expected *out);

struct es_new_event {
    struct str stream;
    struct envelope envelope; /* id null: the server makes one; type must be there */
    struct str data;          /* bytes; JSON unless content_type says otherwise */
    struct str meta;          /* JSON object of the client, or null */
    const struct str *tags;
    size_t tag_count;
};
/* DCB: no event may match any item after `after`. In an item: any of the types (none given: all),
 * all of the tags (none given: whatever it has). So an item with neither is met by any event.
 * What was truncated, deleted or redacted since counts, too: it has happened. */
struct es_query_item {
    const struct str *types;
    size_t type_count;
    const struct str *tags;
    size_t tag_count;
};
struct es_check {
    enum { ES_CHECK_STREAM, ES_CHECK_QUERY } kind;
    struct str stream;
    struct es_expected expected;
    const struct es_query_item *items;
    size_t item_count;
    struct es_position after; /* zero: from the beginning */
};
struct es_violation {
    size_t check;
    bool exists;     /* of a stream: is there one? */
    uint64_t actual; /* its head */
    bool deleted;
    bool tombstoned;                /* it is deleted for ever: the check never holds */
    struct es_position first_match; /* of a query */
    struct str match_type;
};
struct es_appended { /* of each stream, in order of its first event in the call */
    struct str stream;
    uint64_t first_revision, last_revision;
};
struct es_known {
    size_t event; /* its index in the call */
    uint64_t revision;
};
struct es_append {
    const struct es_new_event *events;
    size_t event_count; /* 0: checks only */
    /* Of one stream alone (HTTP: If-Match or "expected"): its failure is ES_REVISION_CONFLICT. */
    const struct es_expected *expected;
    const struct es_check *checks;
    size_t check_count;
    struct arena *arena;
    /* Further records of the caller in the same append (an idempotency key's answer), made when the
     * outcome is known and before it is sequenced: fills `extra`, which lives in the arena, or
     * leaves it (count 0). An error: nothing is appended; in a->ec, if it is not ERR_NO_MEMORY. */
    enum err (*also)(struct es_append *a, struct engine_part *extra);
    void (*done)(struct es_append *a);
    void *ctx;
    /* out */
    enum es_problem problem;
    struct ectx ec;
    bool idempotent; /* these very events were there already: the original answer */
    struct es_appended *streams;
    size_t stream_count;
    struct es_position position; /* of the last event, or of what `also` has added behind it */
    struct es_violation *violations;
    size_t violation_count;
    size_t culprit;               /* index of the event at fault (reused id, too large, invalid) */
    size_t size_bytes, max_bytes; /* of what is too large: an event, or all; 0: it is not bytes */
    uint64_t original_revision;   /* of a reused id */
    struct es_known *known;       /* ES_PARTIAL_DUPLICATE: what is there already */
    size_t known_count;
    uint64_t actual_revision; /* ES_REVISION_CONFLICT; with `exists` */
    bool exists;
    void *internal;
};
void es_append(struct es *es, struct es_append *a);

/* ---- Reading
 * -------------------------------------------------------------------------------------------- */

struct es_event {
    struct str stream;
    uint64_t revision;
    struct es_position position;
    struct envelope envelope;
    struct str data; /* null if redacted */
    struct str meta;
    struct str *tags;
    size_t tag_count;
    bool redacted;
    struct str
        metadata_error; /* what is malformed in the record, and left out here; null: nothing */
    struct str topic;
    int32_t partition;
    int64_t offset;
};
struct es_snapshot {
    uint64_t revision;
    struct str schema;
    struct str state; /* JSON */
    int64_t time_ns;
};
struct es_read_stream {
    struct str stream;
    bool from_end; /* else from `from` */
    uint64_t from;
    bool backward;
    uint64_t to;        /* last revision wanted (forward) or first (backward); UINT64_MAX / 0 */
    int64_t until_ns;   /* the stream as it was then: up to its first later event; INT64_MAX */
    size_t limit;       /* events; 0: the snapshot alone */
    size_t limit_bytes; /* about; at least one event */
    /* Not null: begin at the newest valid snapshot of this schema tag. The schema that a fold of
     * the category declares stands for the fold's own snapshots, too, by its rules and the upcasts
     * of now: their tag is the schema and a digest of these. */
    struct str snapshot_schema;
    struct arena *arena;
    void (*done)(struct es_read_stream *r);
    void *ctx;
    /* out: views into memory that is held until es_read_stream_release */
    enum es_problem problem;
    struct ectx ec;
    struct es_event *events;
    size_t event_count;
    bool has_snapshot;
    struct es_snapshot snapshot;
    uint64_t first_revision, last_revision; /* of the stream as it is */
    /* Forward: events before this one were hidden (of this life of the stream, by truncation,
     * max_count or max_age) and are not in the snapshot either; 0: none. */
    uint64_t incomplete_before;
    bool more;
    uint64_t next; /* where to go on if there is more */
    void *internal;
};
void es_read_stream(struct es *es, struct es_read_stream *r);
void es_read_stream_release(struct es *es, struct es_read_stream *r);

/* Which events of all: no field set = all. Given ones must all match. */
struct es_filter {
    struct str store;    /* scope of positions; null: "default", the whole embedded log */
    struct str category; /* null: any */
    const struct str *types;
    size_t type_count;
    const struct str *tags;
    size_t tag_count;
};
/* A page of events in the order of the log. */
struct es_read_all {
    struct es_filter filter;
    struct es_position after; /* exclusive; zero: from the beginning. Backward: before it */
    bool from_end, backward;
    size_t limit, limit_bytes;
    size_t scan_max; /* batches looked at, so that a rare match does not run for ever */
    struct arena *arena;
    void (*done)(struct es_read_all *r);
    void *ctx;
    /* out */
    enum es_problem problem;
    struct ectx ec;
    struct es_event *events;
    size_t event_count;
    size_t scanned;
    bool more;               /* false: the end as of now */
    struct es_position next; /* pass as `after` */
    void *internal;
};
void es_read_all(struct es *es, struct es_read_all *r);
void es_read_all_release(struct es *es, struct es_read_all *r);

/*
 * A subscription catches up and then follows. It begins with the first es_subscription_resume, and
 * delivers one frame at a time: after `false` from deliver (which has taken the frame) nothing
 * comes until the next one (back-pressure). Strings of the filter are copied.
 */
enum es_frame { ES_FRAME_EVENT, ES_FRAME_CHECKPOINT, ES_FRAME_CAUGHT_UP, ES_FRAME_FELL_BEHIND };
struct es_subscription;
struct es_subscribe {
    struct es_filter filter;
    struct str stream; /* not null: one stream, after_revision; else all, `after` */
    /* Of one stream: its end as the first round finds it; what is appended between es_subscribe and
     * CAUGHT_UP may be before it, and is not delivered then. */
    bool from_end;
    struct es_position after;
    bool has_after_revision;
    uint64_t after_revision;
    void *ctx;
    bool (*deliver)(void *ctx, enum es_frame frame, const struct es_event *event,
                    struct es_position position, uint64_t scanned, uint64_t matched);
    /* It ended: stream tombstoned, damage, stop. Not after es_unsubscribe. */
    void (*closed)(void *ctx, enum es_problem problem, const struct ectx *ec);
};
MUST_USE enum es_problem es_subscribe(struct es *es, const struct es_subscribe *spec,
                                      struct es_subscription **out, struct ectx *ec);
void es_subscription_resume(struct es_subscription *s);
void es_unsubscribe(struct es_subscription *s);
/* Of one stream: all before this revision was told, or is before the beginning. False: that is the
 * stream's end, which has not been looked up yet. */
bool es_subscription_next_revision(const struct es_subscription *s, uint64_t *out);

/* ---- Streams
 * -------------------------------------------------------------------------------------------- */

enum es_state { ES_ACTIVE, ES_SOFT_DELETED, ES_TOMBSTONED };
struct es_stream_info {
    enum es_state state;
    uint64_t first_revision, last_revision;
    bool empty;               /* everything is truncated */
    int64_t max_age_ms;       /* -1: none */
    int64_t max_count;        /* -1: none */
    uint64_t truncate_before; /* 0: none */
    struct str topic;
    int32_t partition;
    struct es_position created, updated;
};
struct es_stream_get {
    struct str stream;
    struct arena *arena;
    void (*done)(struct es_stream_get *g);
    void *ctx;
    enum es_problem problem;
    struct ectx ec;
    struct es_stream_info info;
    void *internal;
};
void es_stream_get(struct es *es, struct es_stream_get *g);

/* A change of a stream; one fact. */
struct es_stream_change {
    enum {
        ES_CHANGE_SET,
        ES_CHANGE_SOFT_DELETE,
        ES_CHANGE_TOMBSTONE,
        ES_CHANGE_REDACT,
        ES_CHANGE_SNAPSHOT
    } kind;
    struct str stream;
    const struct es_expected *expected; /* NULL: any */
    /* SET: what is set; the rest stays */
    bool set_max_age, set_max_count, set_truncate_before;
    int64_t max_age_ms, max_count;
    uint64_t truncate_before;
    /* REDACT */
    uint64_t revision;
    struct str reason;
    const struct str *fields; /* JSON pointers; none: all of the data */
    size_t field_count;
    /* SNAPSHOT (revision, too). A schema that ends in '-' and 16 hexadecimal digits is of a fold:
     * ES_INVALID without `of_fold`. */
    struct str schema, state;
    bool of_fold;
    int64_t facts_before; /* of_fold: facts of the stream from here on were not known to all of it;
                           * ES_SNAPSHOT_STALE if one of them redacts what it has folded */
    uint64_t incomplete_before; /* as of es_fold_state */
    struct arena *arena;
    enum err (*also)(struct es_stream_change *c, struct engine_part *extra); /* as of an append */
    void (*done)(struct es_stream_change *c);
    void *ctx;
    enum es_problem problem;
    struct ectx ec;
    struct es_stream_info info; /* as it is now; ES_REVISION_CONFLICT: as it was found */
    bool erased;                /* REDACT: nor is it in the log any more; if not, ec says why */
    struct str *missing;        /* ES_FIELD_NOT_FOUND: the fields that the data does not have */
    size_t missing_count;
    void *internal;
};
void es_stream_change(struct es *es, struct es_stream_change *c);

/* Streams of a category (null: all) in order of creation. */
struct es_stream_row {
    struct str stream;
    struct es_stream_info info;
};
struct es_stream_list {
    struct str category;
    struct str prefix;        /* of the name; may be empty */
    struct es_position after; /* cursor */
    size_t limit;
    struct arena *arena;
    void (*done)(struct es_stream_list *l);
    void *ctx;
    enum es_problem problem;
    struct ectx ec;
    struct es_stream_row *rows;
    size_t count;
    bool more;
    struct es_position next;
    void *internal;
};
void es_stream_list(struct es *es, struct es_stream_list *l);

/* ---- Folds and upcasts
 * ---------------------------------------------------------------------------------- */

/*
 * Definitions in YAML or JSON (mapping/mapping.h): a fold says what state the events of a stream
 * make, upcasts say how an old event looks in its newest form. They are records of
 * `__leat_definitions`; the newest of a name holds.
 */
#define ES_DEFINITIONS_TOPIC "__leat_definitions"
#define ES_DEFINITION_BYTES  (256u * 1024)
#define ES_DEFINITIONS_MAX   1024u
#define ES_DEFINITION_NAME   128u
#define ES_STATE_BYTES_MAX   (4u << 20) /* of a folded state */

enum es_definition_kind { ES_FOLD, ES_UPCASTS };
struct es_definition {
    enum es_definition_kind kind;
    struct str name;
    struct str category; /* of a fold */
    struct str text;     /* as it was given */
};
struct es_define {
    enum es_definition_kind kind;
    struct str name; /* of a fold: as in the file */
    struct str text; /* null: take it away */
    struct str file; /* for messages; may be null */
    struct arena *arena;
    void (*done)(struct es_define *d);
    void *ctx;
    enum es_problem problem; /* out */
    struct ectx ec;
    bool created;
    void *internal;
};
void es_define(struct es *es, struct es_define *d);
/* Sorted by name; NULL: over the arena's budget. Strings are copied. */
struct es_definition *es_definitions(struct es *es, enum es_definition_kind kind, struct arena *a,
                                     size_t *count);

/* Another number whenever upcasts were declared, replaced or taken away; 0: they are not read yet.
 */
uint64_t es_upcasts_version(const struct es *es);

/*
 * An event in its newest form, as the upcasts that are declared say. *count 0: it is in that form
 * already (or no upcast speaks of its type). Else those that it became, in the arena: all with the
 * id, revision and position of the one that is stored. ERR_MALFORMED: it cannot be brought there.
 */
MUST_USE enum err es_upcast(struct es *es, const struct es_event *e, struct arena *a,
                            struct es_event **out, size_t *count, struct ectx *ec);

/* Upcasts tried on the events that are stored, without declaring them: beside all others that are
 * declared, with which they must not clash (ES_DEFINITION_INVALID). Looked at are the events that
 * come through one of their steps. */
#define ES_UPCAST_FAILURES_MAX 100u
struct es_upcast_failure {
    struct str stream, type, reason;
    uint64_t revision;
};
struct es_upcast_check {
    struct str name; /* of the declared ones whose place they would take; null: of none */
    struct str text, file;
    uint64_t events_max; /* 0: all */
    struct arena *arena;
    void (*done)(struct es_upcast_check *c);
    void *ctx;
    enum es_problem
        problem; /* out: ES_DEFINITION_INVALID; a failed event is no problem of the call */
    struct ectx ec;
    uint64_t events; /* looked at */
    uint64_t upcast; /* brought into another form */
    uint64_t made;   /* events that they became */
    uint64_t failed;
    struct es_upcast_failure failures[ES_UPCAST_FAILURES_MAX]; /* the first ones */
    size_t failure_count;
    void *internal;
};
void es_upcast_check(struct es *es, struct es_upcast_check *c);

/* The state of a stream: its events up to a moment, in their newest form, folded. */
struct es_fold_state {
    struct str stream;
    struct str fold;  /* null: the one that is declared for its category */
    uint64_t to;      /* last revision; UINT64_MAX */
    int64_t until_ns; /* INT64_MAX */
    struct arena *arena;
    void (*done)(struct es_fold_state *s);
    void *ctx;
    enum es_problem problem; /* out */
    struct ectx ec;
    struct str fold_name;
    struct str schema; /* the tag of its snapshots: of the rules and upcasts that made the state */
    bool empty;        /* there was no event yet: the fold's initial state */
    uint64_t revision;
    bool from_snapshot;
    uint64_t snapshot_revision;
    uint64_t incomplete_before; /* events before it are hidden, and not in the state; 0: all are */
    struct str state;           /* JSON, in the arena */
    void *internal;
};
void es_fold_state(struct es *es, struct es_fold_state *s);

/* Categories: explicitly made, or by the first append (up to leat.es.categories.auto.max). */
struct es_category {
    struct str name, topic;
    int32_t partitions;
    uint64_t events; /* records in the topic */
};
struct es_category *es_categories(struct es *es, struct arena *a, size_t *count);
struct es_category_create {
    struct str name;
    int32_t partitions; /* -1: default */
    void (*done)(struct es_category_create *c);
    void *ctx;
    enum es_problem problem;
    struct ectx ec;
    bool created;
    void *internal;
};
void es_category_create(struct es *es, struct es_category_create *c);

#endif
