/*
 * Projections: read models in SQL that are derived from topics, exactly once. Declared in one file
 * (docs/projections.md has the language): source, key, tables, what each type of event does to
 * them. A view NAME shows the table NAME__vN of the version that is served.
 *
 * Rows and the checkpoint of an input partition (a *shard*) change in one SQL transaction, and only
 * if the checkpoint still has the owner epoch and the offset that the transaction began from. So a
 * step is never lost and never done twice, whoever dies when, and a former owner can change
 * nothing. What a projection is (its definitions, paused or not) is a fact of the log, a record of
 * `__leat_projections`; which version is served is a row in the target, changed with the views.
 *
 * SQL runs on workers; everything else, and every function here, on the loop. A call ends by its
 * `done`, perhaps before it returns; what is passed in must live until then. Outputs lie in the
 * caller's arena unless it is said otherwise.
 *
 * Written against engine.h alone: partitions come and go, offsets have gaps, there may be no global
 * order.
 */
#ifndef LEAT_PROJ_PROJ_H
#define LEAT_PROJ_PROJ_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "engine/engine.h"
#include "metrics/metrics.h"

#define PROJ_TOPIC "__leat_projections"
#define PROJ_NAME_MAX \
    52u /* of a projection, table or column: PostgreSQL has 63, less "__v1000000" */
#define PROJ_MAX              256u /* projections */
#define PROJ_VERSIONS_MAX     4u   /* of one, that are kept at once */
#define PROJ_DEFINITION_BYTES (256u << 10)
#define PROJ_TABLES_MAX       16u
#define PROJ_COLUMNS_MAX      128u
#define PROJ_SHARDS_MAX       1024u   /* input partitions of one */
#define PROJ_PARKED_MAX       100000u /* parked events of one connection: beyond, a version stops */
#define PROJ_WAITS_MAX        10000u
#define PROJ_LANES_LAG                                                                           \
    5000u /* events: a version that is further behind writes on all connections its target takes \
           */
#define PROJ_LANES_EXTRA     24u /* of those, beyond one for each projection, of the process */
#define PROJ_QUERIES_MAX     64u /* at once; beyond: ERR_AGAIN */
#define PROJ_CHECKS_MAX      4u  /* at once */
#define PROJ_QUERY_ROWS_MAX  10000u
#define PROJ_QUERY_BYTES_MAX (16u << 20)
#define PROJ_QUERY_NS_MAX    (10ull * 1000 * 1000 * 1000)
#define PROJ_WATCHES_MAX     1000u /* at once; beyond: ERR_AGAIN */
#define PROJ_WATCH_FILTERS   32u
#define PROJ_CHANGE_ID       48u /* bytes of an id, with its NUL */

struct proj;

/* ---- Life
 * -------------------------------------------------------------------------------------------- */

/* Where live-only actions go: appends to the event store, which proj does not know. `id` derives
 * from projection, event and action, so that the store recognises a second attempt. */
struct proj_action {
    struct str stream, id, type, data; /* data: JSON */
    struct str causation, correlation, traceparent;
    void (*done)(struct proj_action *a);
    enum err err; /* out. Retriable ones are tried again; else it stays, and is not sent again */
    struct ectx ec;
};
/* Upcasts that are declared in the event store, which proj does not know. Events of topics `es.*`
 * are brought into their newest form before a rule sees them. */
struct proj_upcasts {
    void *ctx;
    uint64_t (*version)(void *ctx); /* changes whenever they do; 0: not known yet (es.* waits) */
    /* Their texts, always in the same order; NULL: over the arena's budget. */
    const struct str *(*texts)(void *ctx, struct arena *a, size_t *count);
};
struct proj_config {
    struct engine *engine;
    struct metrics *metrics; /* not written after proj_destroy: it shows gauges of ours */
    const char *dir;         /* of SQLite files that are named without a folder */
    void (*append)(void *ctx,
                   struct proj_action *a); /* NULL: definitions with actions are refused */
    void *append_ctx;
    const struct proj_upcasts *upcasts; /* NULL: there is no event store */
    uint64_t lanes_lag;                 /* 0: PROJ_LANES_LAG */
    uint64_t check_ns;                  /* that a statement may take while a definition is tried; 0:
                                         * PROJ_QUERY_NS_MAX */
    uint64_t parked_max;                /* 0: PROJ_PARKED_MAX */
};
MUST_USE enum err proj_create(const struct proj_config *config, struct proj **out, struct ectx *ec);
/* Reads the definitions from the log and begins; `ready` when they are known (the projections then
 * open their targets, each by itself). */
void proj_start(struct proj *p, void (*ready)(void *ctx, enum err e, const struct ectx *ec),
                void *ctx);
void proj_tick(struct proj *p);           /* about every 100 ms */
bool proj_is_known(const struct proj *p); /* the definitions are: what is not there is not there */
/* The definitions are known, and every target was opened once: what is served is known. */
bool proj_is_serving(const struct proj *p);
/* Every call that waits is answered ERR_STOPPED. `stopped` when no job is under way any more; it
 * must not destroy p, but may say that it can be. */
void proj_stop(struct proj *p, void (*stopped)(void *ctx), void *ctx);
/* After proj_stop: what is under way in databases is broken off. A transaction is rolled back then,
 * and done again by the next start. Says in the log what it was that took so long. */
void proj_interrupt(struct proj *p);
void proj_destroy(struct proj *p); /* stopped, or never started */

/* ---- Commands
 * ---------------------------------------------------------------------------------------- */

enum proj_command_kind {
    /* `definition`. A new name: its first version. A known name with a higher version: that version
     * is built beside the served one and, if the definition says so, switched to when it has caught
     * up. The same version again: nothing, if it says the same; else ERR_EXISTS. */
    PROJ_APPLY,
    /* The served definition again as the next version: its tables are built afresh. */
    PROJ_REBUILD,
    PROJ_SWITCH,   /* serve the version that was built; ERR_BEHIND while it lags (ec: how far) */
    PROJ_ROLLBACK, /* serve the version before this one again; it has been kept up to date */
    PROJ_CANCEL,   /* drop the version that is being built */
    /* `for_version`: drop it now, before its time; ERR_EXISTS: it is the served one. */
    PROJ_DROP_VERSION,
    PROJ_PAUSE,
    PROJ_RESUME,
    /* And its tables, views and checkpoints; then its name is free. ERR_NOT_READY: they are in a
     * target that cannot be reached; nothing was done. ERR_REQUEST_TIMED_OUT: it takes longer, and
     * goes on by itself. */
    PROJ_REMOVE,
    /* `key`: apply its parked events again, in order. ERR_MALFORMED: one still cannot be applied */
    PROJ_RETRY_KEY,
    /* `key`: drop the first of its parked events, then as PROJ_RETRY_KEY. No error once it is
     * dropped: who does it again drops another one. `reason`: why it does not go on. */
    PROJ_SKIP_KEY,
};
/* What is not there (ERR_NOT_FOUND), or stands in the way (ERR_MALFORMED, ERR_EXISTS), beside the
 * projection.
 */
enum proj_why {
    PROJ_WHY_NONE,
    PROJ_NO_VERSION,
    PROJ_NOT_PARKED,
    PROJ_STAYS_PARKED,
    PROJ_VERSION_STOPPED
};
struct proj_command {
    enum proj_command_kind kind;
    struct str name;             /* of the projection; PROJ_APPLY: from the definition */
    struct str definition, file; /* text, YAML or JSON; and its name for messages */
    struct str called; /* PROJ_APPLY: the definition must call itself so; null: anything */
    struct str key;
    uint32_t for_version; /* PROJ_RETRY_KEY, PROJ_SKIP_KEY (0: the served one), PROJ_DROP_VERSION */
    struct arena *arena;
    void (*done)(struct proj_command *c);
    void *ctx;
    /* out: ERR_CONFIG (file, line, column), ERR_NOT_FOUND, ERR_EXISTS, ERR_BUSY (another
     * change of it is under way), ERR_NOT_READY (what it needs is not known yet), ERR_CLOSED
     * (the connection was lost: it may be done), ... */
    enum err err;
    struct ectx ec;
    enum proj_why why;
    bool created;
    struct str applied_name; /* PROJ_APPLY */
    uint32_t version;        /* that it was about */
    /* PROJ_RETRY_KEY, PROJ_SKIP_KEY: events of the key; `parked`: that still are. */
    uint64_t applied, skipped, parked;
    struct str reason; /* of the first of them; null: none was tried in vain */
    void *internal;
};
void proj_command(struct proj *p, struct proj_command *c);

/* ---- What is
 * ------------------------------------------------------------------------------------------- */

enum proj_state {
    PROJ_STARTING, /* opening its target, or waiting for it (error says why) */
    /* Its database takes no connection: it is down, has too many, ... (error says which). Tried
     * again by itself, at least every 10 s; nothing is parked meanwhile. */
    PROJ_UNREACHABLE,
    PROJ_BUILDING, /* a version that catches up, not served yet */
    PROJ_LIVE,     /* served */
    PROJ_KEPT,     /* was served; kept up to date until `drop_at_ms` */
    PROJ_PAUSED,
    PROJ_STOPPED, /* by an error that needs a person: on_error stop, too much parked, ... */
};
const char *proj_state_name(enum proj_state s);
struct proj_shard_status {
    struct str topic;
    int32_t partition;
    bool mine;
    int64_t next_offset, end_offset;
    uint64_t lag_events; /* offsets; gaps count */
    uint64_t owner_epoch;
    int64_t last_time_ms; /* of the last event applied; -1: none */
};
struct proj_version_status {
    uint32_t version;
    enum proj_state state;
    struct str error; /* the last one that stands in its way, or what was lost; null: none */
    uint64_t lag_events;
    uint64_t lag_ms;   /* age of the oldest event that is not applied; 0: none */
    uint64_t applied;  /* events since start */
    double per_second; /* over the last 10 s */
    bool caught_up;    /* every partition is ours and read to its end */
    bool waits; /* built, with indexes, and `switch: manual`: it is served when PROJ_SWITCH says so
                 */
    /* Upcasts are others than when this version was declared: what it had applied before has old
     * forms. A rebuild brings all into the newest. */
    bool upcasts_changed;
    double progress; /* of a build, or of a first version: 0 to 1 */
    int64_t eta_ms;  /* of a build; -1: not known */
    uint64_t parked_events;
    uint64_t skipped_events; /* since start: by `on_error: skip`, or by hand */
    int64_t drop_at_ms;      /* PROJ_KEPT */
    struct proj_shard_status *shards;
    size_t shard_count;
};
struct proj_status {
    struct str name, target; /* without its password */
    uint32_t served;         /* version; 0: none yet */
    bool paused;
    bool removing; /* it goes; what it has made in its target is being dropped */
    struct proj_version_status *versions; /* ascending */
    size_t version_count;
    struct str *views;
    size_t view_count;
};
/* ERR_NOT_FOUND; ERR_NO_MEMORY. */
MUST_USE enum err proj_status(struct proj *p, struct str name, struct arena *a,
                              struct proj_status *out);
/* Names, sorted; NULL: over the arena's budget. */
struct str *proj_names(struct proj *p, struct arena *a, size_t *count);
/* As its file said; null: there is no such version (0: the served one, else the newest). */
struct str proj_definition(struct proj *p, struct str name, uint32_t version);

struct proj_parked {
    struct str key, event_id, type, topic, reason;
    int32_t partition;
    int64_t offset;
    int64_t parked_ms;
    uint64_t events; /* of this key that wait, this one included */
};
struct proj_parked_list {
    struct str name;
    uint32_t version; /* 0: the served one */
    struct str after; /* key; null: from the beginning */
    size_t limit;
    struct arena *arena;
    void (*done)(struct proj_parked_list *l);
    void *ctx;
    enum err err; /* out */
    struct ectx ec;
    enum proj_why why;          /* of ERR_NOT_FOUND */
    struct proj_parked *parked; /* the first event of each key */
    size_t count;
    bool more;
    void *internal;
};
void proj_parked_list(struct proj *p, struct proj_parked_list *l);

/* ---- Waiting for a position
 * ---------------------------------------------------------------------------- */

/* Until what is served has applied everything up to there; before anything is served: until the
 * first version is, and has. */
struct proj_wait {
    struct str name;
    uint64_t position; /* commit position (ENGINE_GLOBAL_ORDER); or 0 and: */
    const struct engine_input *inputs;
    size_t input_count;
    uint64_t deadline_ns; /* env_mono_ns */
    void (*done)(struct proj_wait *w);
    void *ctx;
    enum err err; /* out: ERR_OK, ERR_REQUEST_TIMED_OUT (lag_events), ERR_NOT_FOUND, ... */
    struct ectx ec;
    uint64_t lag_events;
    void *internal;
};
void proj_wait(struct proj *p, struct proj_wait *w);
void proj_wait_cancel(struct proj *p, struct proj_wait *w); /* done is not called */

/* ---- Queries of a view
 * --------------------------------------------------------------------------------- */

enum proj_op { PROJ_EQ, PROJ_NE, PROJ_LT, PROJ_LE, PROJ_GT, PROJ_GE, PROJ_PREFIX, PROJ_IS_NULL };
struct proj_filter {
    struct str column;
    enum proj_op op;
    struct str value; /* as text; compared as the column's type */
};
struct proj_order {
    struct str column;
    bool descending;
};
struct proj_query {
    struct str view;
    const struct proj_filter *filters; /* all must hold */
    size_t filter_count;
    const struct proj_order *order; /* the key's columns are added, so that it is total */
    size_t order_count;
    const struct str *columns; /* none: all */
    size_t column_count;
    size_t limit;      /* 0: 100; at most PROJ_QUERY_ROWS_MAX */
    struct str cursor; /* next_cursor of the page before; null: from the beginning */
    struct arena *arena;
    void (*done)(struct proj_query *q);
    void *ctx;
    /* out: ERR_NOT_FOUND, ERR_NOT_READY (declared, not served yet), ERR_INVALID_REQUEST (names
     * column, operator or cursor), ERR_LIMIT (rows too large), ERR_REQUEST_TIMED_OUT, ERR_AGAIN,
     * ERR_IO (its table is gone) */
    enum err err;
    struct ectx ec;
    struct str rows; /* a JSON array of objects */
    size_t row_count;
    struct str next_cursor; /* null: the end */
    uint32_t version;       /* that was served */
    void *internal;
};
void proj_query(struct proj *p, struct proj_query *q);
/* The projection that serves a view, or declares it (then a query is ERR_NOT_READY); null: none. */
struct str proj_view_projection(struct proj *p, struct str view);
/* Names of all views that are served, sorted, each with its projection and columns. */
struct proj_view {
    struct str name, projection;
    const struct str *columns;
    size_t column_count;
    const struct str *key;
    size_t key_count;
};
struct proj_view *proj_views(struct proj *p, struct arena *a, size_t *count);

/* ---- Changes of a view
 * --------------------------------------------------------------------------------- */

/*
 * Rows as they change, of the version that is served, after the transactions that changed them: a
 * row is told as it is when it is read, which is at or after its change; if it changes again it is
 * told again. So who reads the view after the watch has begun, and then takes every row that is
 * told, has what the view has.
 *
 * The last changes are kept (FEED_* in feed.h), so that a watch can go on behind the id of what it
 * saw last. When it cannot, or when it is not known which rows were changed (SQL of one's own, more
 * than fits, another process did it), PROJ_CHANGE_RESET says so: read the view again, what is told
 * from then on is complete. What this process does not own it does not see until it does.
 */
enum proj_change_kind {
    PROJ_CHANGE_UPSERT,
    PROJ_CHANGE_DELETE,      /* no row of this key is there, or none that the filters want */
    PROJ_CHANGE_RESET,       /* `reason` */
    PROJ_CHANGE_SWITCHED,    /* `version` is served now: read the view again */
    PROJ_CHANGE_CAUGHT_UP,   /* everything up to `position`, near the end, was told */
    PROJ_CHANGE_CHECKPOINT,  /* the same, later on */
    PROJ_CHANGE_FELL_BEHIND, /* `lag_events` wait for long; CAUGHT_UP follows */
};
const char *proj_change_name(enum proj_change_kind k);
struct proj_change {
    enum proj_change_kind kind;
    struct str id;       /* where to go on */
    uint64_t position;   /* commit position of the event that changed the row; 0: none is known */
    uint32_t index;      /* of the event in its commit; UINT32_MAX: all of them */
    uint32_t version;    /* that is served */
    struct str key, row; /* JSON objects, UPSERT and DELETE; the row has the columns asked for */
    const char *reason;
    uint64_t lag_events;
};
struct proj_watch {
    struct str view;
    const struct str *columns; /* none: all */
    size_t column_count;
    /* All must hold. Texts are compared by =, <> and prefix only: what is less than what is the
     * database's own business. */
    const struct proj_filter *filters;
    size_t filter_count;
    struct str after; /* id of what was seen last; null: from now on */
    /* Texts are valid within the call. false: enough for now, proj_watch_resume goes on. */
    bool (*deliver)(void *ctx, const struct proj_change *c);
    /* It ended by itself: ERR_LIMIT (too slow: what it had to see next is gone), ERR_NOT_FOUND (the
     * view or the projection is), ERR_INVALID_REQUEST (its columns are not in the new version),
     * ERR_STOPPED. *w must not be used any more. */
    void (*closed)(void *ctx, enum err e, const struct ectx *ec);
    void *ctx;
};
struct proj_watching;
/* Delivers nothing before proj_watch_resume. ERR_NOT_FOUND, ERR_NOT_READY (as of a query),
 * ERR_INVALID_REQUEST, ERR_AGAIN. */
MUST_USE enum err proj_watch(struct proj *p, const struct proj_watch *w, struct proj_watching **out,
                             struct ectx *ec);
void proj_watch_resume(struct proj_watching *w);
/* The id of what was told last: a watch after it misses nothing. */
struct str proj_watch_id(const struct proj_watching *w, char out[PROJ_CHANGE_ID]);
void proj_unwatch(struct proj_watching *w); /* NULL is fine; within `deliver` too */

/* ---- Check
 * --------------------------------------------------------------------------------------------- */

/* Runs a definition over the events that the log has, into a database in memory, and gives the rows
 * that it makes. Writes nothing. Views of other projections that it looks up are empty. */
struct proj_check {
    struct str definition, file;
    uint64_t events_max; /* 0: all */
    size_t rows_max;     /* of each table; 0: 100 */
    struct arena *arena;
    void (*done)(struct proj_check *c);
    void *ctx;
    enum err err; /* out */
    struct ectx ec;
    uint64_t events, applied, parked, skipped;
    /* JSON: {"tables": {NAME: {"rows": N, "first": [...]}}, "parked": [{key, shard, offset, type,
     * reason}]} */
    struct str result;
    void *internal;
};
void proj_check(struct proj *p, struct proj_check *c);

/* ---- Ready-made
 * ---------------------------------------------------------------------------------------- */

/* The text of a definition, to be applied as any other. `what`: "event_store" (a table `name` with
 * the events of a category, as textbooks have it), "snapshots" (their snapshots, those that are
 * valid). ERR_NOT_FOUND, ERR_INVALID_REQUEST. */
struct proj_ready_made {
    struct str what, name, category, target;
};
MUST_USE enum err proj_ready_made(const struct proj_ready_made *r, struct arena *a, struct str *out,
                                  struct ectx *ec);

#endif
