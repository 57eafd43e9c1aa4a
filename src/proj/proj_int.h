/*
 * The loop's side of projections: who waits for whom.
 *
 *   struct proj        all of them, the topic with their definitions, waits, queries
 *   struct projection  one name: its lanes, its versions (runs), what is asked of it
 *   struct lane        a connection to its database; one job at a time, a queue of work
 *   struct run         a version: a member of a group, shards, statements on each lane
 *   struct shard       an input partition of a run: claim, reads, position
 *
 * What a job touches (a lane's connection, a run's `apply`) belongs to the worker while the lane is
 * busy; everything else is the loop's.
 */
#ifndef LEAT_PROJ_PROJ_INT_H
#define LEAT_PROJ_PROJ_INT_H

#include "core/list.h"
#include "core/map.h"
#include "proj/apply.h"
#include "proj/changes.h"
#include "proj/proj.h"
#include "json/json.h"

#define LANES_MAX        4u
#define LANE_READS_MAX   64u
#define LANE_BATCH_BYTES (8u << 20) /* of records in one transaction, about */
#define READ_BYTES       (1u << 20) /* of one read, less when there are many shards */
#define READ_BYTES_MIN   (64u << 10)
#define READ_BYTES_ALL   (64u << 20) /* of all reads of a run */
#define READ_ARENA_BYTES (256u << 20)
#define READ_WAIT_NS     (1000ull * 1000 * 1000)
#define BACKOFF_MIN_NS   (100ull * 1000 * 1000)
#define BACKOFF_MAX_NS   (10ull * 1000 * 1000 * 1000)
#define REMOVE_WAIT_NS   (10ull * 1000 * 1000 * 1000) /* who removes or drops is answered by then */
#define SWITCH_HOLD_NS   (10ull * 1000 * 1000 * 1000) /* the served version waits so long at most */
#define LANES_LINGER_NS  (10ull * 1000 * 1000 * 1000) /* see lanes.c */
#define LANES_HOLD_NS    (2ull * 1000 * 1000 * 1000)
#define PAUSE_MIN_NS     (1000ull * 1000 * 1000) /* see struct pause */
#define PAUSE_MAX_NS     (60ull * 1000 * 1000 * 1000)
#define READERS_IDLE_NS  (10ull * 1000 * 1000 * 1000) /* then idle ones are closed */
#define RATE_SECONDS     10u
#define READERS_MAX      4u /* idle ones that are kept, of a projection */

struct sending;
struct feed;
struct upcasts;

/* What is done by itself and failed waits before it is done again, each time twice as long, and at
 * least twice as long as it took: all that time the events waited for it. */
struct pause {
    uint64_t began_ns, ns, until_ns;
};

struct work {
    struct list link;
    void (*run)(struct work *w);  /* on a worker */
    void (*done)(struct work *w); /* on the loop */
    struct lane *lane;
    enum err err;
    struct ectx ec;
};

struct lane {
    struct projection *pr;
    unsigned index;
    struct target_db *db; /* the worker's, while there is a job */
    struct env_job job;
    struct work *current; /* NULL: idle */
    struct list queue;
    bool connected; /* as the last opening left it */
    bool broken;    /* the connection is of no use: it is opened anew */
    bool opening;   /* see open.c */
    struct opening {
        struct work work;
        bool fresh; /* a new connection */
        bool make;  /* tables too, not the connection alone */
        int64_t now_ms;
        size_t count;
        struct run *runs[PROJ_VERSIONS_MAX];
        struct apply *closing[PROJ_VERSIONS_MAX]; /* of the connection before */
        size_t closing_count;
        uint32_t known[PROJ_VERSIONS_MAX];
        size_t known_count;
        enum err err[PROJ_VERSIONS_MAX]; /* of each run; STOPPED: see apply_setup */
        struct ectx ec[PROJ_VERSIONS_MAX];
        /* What the target says. */
        uint32_t served, previous;
        bool has_row[PROJ_VERSIONS_MAX]; /* else the next two were not read */
        bool indexed[PROJ_VERSIONS_MAX];
        int64_t drop_at_ms[PROJ_VERSIONS_MAX];
    } open;
    /* The transaction of events; at most one. */
    struct work batch;
    struct run *batch_run;
    struct shard *batch_shards[LANE_READS_MAX];
    struct apply_read batch_reads[LANE_READS_MAX];
    size_t batch_count;
    int64_t batch_now_ms;
    struct apply_counts batch_counts;
    struct changes changes; /* of the batch, if it `collects` */
    bool collects;
    struct upcasts *upcasts; /* of the batch */
    struct run *turn;        /* the run that had the last transaction */
};

enum read_state { READ_IDLE, READ_PENDING, READ_READY, READ_APPLYING };
struct shard_read {
    struct shard *shard;
    enum read_state state;
    struct engine_read read;
    struct arena arena;
    bool lost; /* what it was to read is gone: it has no batches */
    size_t bytes;
    int64_t first_time_ms; /* of its first batch; -1: none */
};
enum claim_state { CLAIM_NONE, CLAIM_PENDING, CLAIM_HELD };
struct shard {
    struct list link;
    struct run *run;
    struct lane *lane;
    char *name; /* "es.order/3"; heap */
    struct str topic;
    int32_t partition;
    bool mine;
    uint64_t epoch;
    enum claim_state claim;
    bool was_held;    /* next_offset was so since it is ours; it is claimed anew */
    bool claim_stale; /* the assignment changed while a claim was under way */
    bool other_topic; /* the last claim found a checkpoint of another topic of this name */
    struct work claim_work;
    struct apply_claim claim_call;
    unsigned fenced;            /* claims in a row that a later epoch refused, since it is ours */
    uint64_t retry_ns;          /* not before; 0: now */
    int64_t next_offset;        /* durable in the target; valid while the claim is held */
    int64_t read_offset;        /* of the next read */
    int64_t told_offset;        /* committed to the group */
    int64_t last_time_ms;       /* -1: none */
    uint64_t behind_ns;         /* since when; 0: it is not */
    uint64_t reached_ns;        /* what the log had then is applied; 0: not known */
    uint64_t seen_ns;           /* when a tick saw the log end at seen_end */
    int64_t seen_end;           /* 0: none did */
    int64_t lost_end;           /* where the last gap that was told ends; 0: none was */
    struct shard_read reads[2]; /* in use from `head` on, in order */
    unsigned head;
};

struct run {
    struct list link;
    struct projection *pr;
    struct def *d;
    struct apply *apply[LANES_MAX];
    bool open[LANES_MAX];
    struct list shards;
    size_t shard_count;
    struct engine_member *member;
    struct str topics[DEF_TOPICS_MAX]; /* joined */
    size_t topic_count;
    bool indexed;  /* as the target says */
    bool indexing; /* work is under way */
    struct work index_work;
    struct pause index_pause;
    bool stopped;  /* needs a person */
    bool gone;     /* likewise: a table of it is; it is not opened before it is told to go on */
    bool dropping; /* is on its way out */
    bool drop_sent;
    struct work drop_work;
    uint32_t drop_known[PROJ_VERSIONS_MAX]; /* what is no orphan, as the work began */
    size_t drop_known_count;
    struct proj_command *drop_command; /* NULL: by itself */
    uint64_t drop_deadline_ns;         /* who waits is answered by then */
    struct pause drop_pause;
    bool failed; /* `error` stands in its way */
    struct ectx error;
    bool hindered; /* its switch or indexes failed: `hindrance` says why, whatever it applies */
    struct ectx hindrance;
    struct pause switch_pause; /* of switches by themselves */
    uint64_t lost;             /* events that were gone before they were read */
    struct ectx loss;          /* of the last of them */
    int64_t drop_at_ms;        /* of a kept version; -1: none */
    uint64_t applied, events, skipped, parked[LANES_MAX];
    uint64_t rate[RATE_SECONDS];
    uint64_t rate_second;
    uint64_t started_ns;
    /* Consumed positions on their way to the group, for its lag. */
    struct engine_append tell;
    struct engine_input *tell_inputs;
    bool telling;
    uint64_t told_ns;
    unsigned calls;   /* retries of keys under way */
    unsigned queries; /* under way: what they know of it is its definition */
};

struct since;
struct projection {
    struct list link;
    struct proj *p;
    struct str name; /* heap */
    const struct target_driver *driver;
    struct target_library *library;
    struct str where;             /* heap */
    struct str target;            /* heap; as the definition has it */
    struct lane lanes[LANES_MAX]; /* as many as the driver has */
    unsigned lane_count;          /* that shards are on, from the first on; lanes.c decides */
    unsigned lane_goal;           /* so many are to be open */
    unsigned lanes_extra;         /* reserved of PROJ_LANES_EXTRA */
    bool lanes_hold;              /* no transaction of events begins */
    bool lanes_refused;           /* one beyond the first could not be opened */
    uint64_t lanes_ns, lanes_hold_ns, lanes_retry_ns;
    struct list runs; /* ascending versions */
    uint32_t served, previous;
    bool known;          /* what is served was read from the target */
    bool looked;         /* the target was, also where nothing is served in it */
    bool reached;        /* the log says that there may be tables of it in the target */
    bool reaching;       /* it is about to say so */
    char *reached_key;   /* of the record that does; heap */
    bool unreachable;    /* the last attempt to connect the first lane failed */
    bool unusable;       /* see registry_unusable: nothing of it is touched */
    struct since *since; /* NULL: a record from before there was such a thing */
    bool paused, removing;
    bool remove_sent, gone; /* gone: the log says so; freed when nothing is under way */
    struct proj_command *remove_command; /* NULL: nobody waits for it */
    uint64_t remove_deadline_ns;
    uint64_t backoff_ns, retry_ns; /* of opening the target */
    /* A switch that was asked for. */
    struct run *switch_to, *switch_from; /* _from: while the work is under way */
    struct proj_command *switch_command; /* NULL: by itself */
    uint64_t switch_deadline_ns;
    struct sending *sending; /* actions on their way; NULL: none */
    bool actions_waiting;    /* there may be some */
    uint64_t actions_retry_ns;
    bool switching; /* work is under way */
    struct work switch_work;
    size_t work_pending;                    /* works that are none of the lanes' own */
    struct feed *feed;                      /* NULL: nobody watches */
    size_t query_count;                     /* under way */
    struct target_db *readers[READERS_MAX]; /* idle read-only connections */
    size_t reader_count;
    uint64_t reader_ns; /* one was given back */
};

struct proj {
    struct proj_config config;
    struct env *env;
    struct env_poll *poll;
    struct engine *e;
    char *dir;
    struct list projections;
    size_t count;
    struct engine_topic_watch watch;
    bool watching, topics_changed;
    struct target_library *sqlite, *postgres; /* loaded when first needed */
    bool started, ready, stopping;
    void (*on_ready)(void *ctx, enum err e, const struct ectx *ec);
    void *ready_ctx;
    void (*on_stopped)(void *ctx);
    void *stopped_ctx;
    struct registry *registry;
    struct list waits, waits_ended;
    size_t wait_count;
    struct list queries; /* under way */
    size_t query_count;
    struct list checks; /* under way */
    size_t check_count;
    size_t watch_count, feed_count;
    unsigned lanes_extra;
    struct upcasts *upcasts; /* NULL: not known yet */
    uint64_t upcasts_version, upcasts_failed;
    struct metric *events_metric, *applied_metric, *parked_metric, *skipped_metric;
    struct metric *lost_metric;
};

/* lane.c */
void lane_init(struct lane *l, struct projection *pr, unsigned index);
void lane_submit(struct lane *l, struct work *w);
void lane_pump(struct lane *l);                        /* starts what can be started */
void lane_fail(struct lane *l, const struct ectx *ec); /* the connection is of no use any more */
/* The versions are opened again, with a new connection, and their shards claimed on it: which keys
 * are parked, and whose epochs count, is known to what is prepared on the old one. */
void lane_let_go(struct lane *l);
bool lane_idle(const struct lane *l);
/* Is an error of a statement that of the connection, or one of which nothing is known? */
bool lane_is_lost(enum err e);

/* lanes.c: how many of them */
void lanes_tick(struct projection *pr, uint64_t now);
void lanes_refused(struct projection *pr); /* one beyond the first could not be opened */

/* shard.c */
struct shard *shard_find(struct run *r, struct str topic, int32_t partition);
MUST_USE enum err shard_create(struct run *r, struct str topic, int32_t partition,
                               struct shard **out);
void shard_destroy(struct shard *s);
void shard_take(struct shard *s, uint64_t epoch);
void shard_lose(struct shard *s);
void shard_go(struct shard *s);   /* claims or reads, whatever is next */
void shard_move(struct shard *s); /* to its lane among lane_count; nothing of it is under way */
void shard_tick(struct shard *s, uint64_t now); /* sees where the log ends */
void shard_drop_reads(struct shard *s);
void shard_rewind(struct shard *s); /* the same, and the next read begins where they did */
/* The first read that waits to be applied, or NULL. */
struct shard_read *shard_ready(struct shard *s);
void shard_applied(struct shard *s, const struct apply_read *r);
void shard_not_applied(struct shard *s, enum err e);
uint64_t shard_lag(struct shard *s, int64_t *end); /* in offsets */
/* next_offset is that of the target, or was before the claim that is under way: for what is shown.
 */
bool shard_is_known(const struct shard *s);

/* run.c */
MUST_USE enum err run_create(struct projection *pr, struct def *d, struct run **out);
void run_destroy(struct run *r); /* its lanes are idle, or will never run again */
void run_go(struct run *r);
void run_leave(struct run *r);
#define RUN_GROUP 96u
const char *run_group(const struct run *r, char out[RUN_GROUP]);
void run_tick(struct run *r, uint64_t now);
bool run_may_apply(const struct run *r);
bool run_caught_up(struct run *r); /* every partition is ours and nothing is left */
/* The same, or it is at work and what is left came a moment ago: a log that is written to all the
 * time always has something left. */
bool run_is_near(struct run *r);
/* Every partition is ours, and what the log had then is applied; 0: not known. */
uint64_t run_reached_ns(struct run *r, uint64_t now);
void run_count(struct run *r, const struct apply_counts *c, unsigned lane);
void run_stop_for(struct run *r, const struct ectx *ec);
void run_failed(struct run *r, const struct ectx *ec); /* but what stopped it stays its error */
void run_fine(struct run *r);
void run_hindered(struct run *r, const struct ectx *ec);
/* Offsets of a shard that were gone from the log before they were read. */
void run_lost(struct run *r, const struct shard *s, int64_t from, int64_t to);
struct run *run_find(struct projection *pr, uint32_t version);
/* Is it to be opened there? On others than the first when it could be on that one. */
bool run_wants_lane(const struct run *r, const struct lane *l);
struct run *run_building(struct projection *pr);

/* view.c */
bool projection_declares(struct projection *pr, struct str view); /* any version of it */
struct run *view_find(struct proj *p, struct str view);           /* that serves it; NULL: none */
/* What to say then: it is not ready, or there is none. */
MUST_USE enum err view_fail(struct proj *p, struct str view, struct ectx *ec);

/* keys.c */
void parked_key_command(struct projection *pr, struct proj_command *c); /* retry or skip */

/* switch.c */
void switch_begin(struct projection *pr, struct run *to, struct proj_command *c);
void switch_go(struct projection *pr);
void switch_fail(struct projection *pr, enum err e, const struct ectx *ec);
void switch_dropped(struct run *r); /* the switch to it, unless that is under way */
bool switch_holds(const struct projection *pr, const struct run *r);
/* In a transaction that is open: views and the row of what is served. */
MUST_USE enum err switch_write(const struct target_driver *driver, struct target_db *db,
                               const struct def *from, const struct def *to, int64_t now_ms,
                               struct ectx *ec);

/* remove.c: all of it */
void remove_begin(struct projection *pr, struct proj_command *c); /* the log says so; or again */
void remove_go(struct projection *pr);
void remove_tick(struct projection *pr, uint64_t now);
void remove_answer(struct projection *pr, enum err e, const struct ectx *ec);

/* open.c */
/* The target takes a connection: the log hears of it before anything is made there. */
void reached_write(struct projection *pr);
void lane_open(struct lane *l);  /* the connection, and the runs that are not open on it */
void lane_close(struct lane *l); /* everything on it: on the loop, when nothing runs any more */

/* drop.c */
void run_drop(struct run *r, struct proj_command *c); /* its tables, then itself */
void run_drop_go(struct run *r);
void run_drop_tick(struct run *r, uint64_t now);
void run_drop_answer(struct run *r, enum err e, const struct ectx *ec);
/* On a worker: the tables of versions that are not known any more. */
MUST_USE enum err drop_orphans(struct lane *l, const uint32_t *known, size_t count,
                               struct ectx *ec);

/* send.c */
#define SEND_MAX 64u
void actions_send(struct projection *pr);
void sending_free(struct sending *s); /* no job will run, no append will be done */

/* since.c: what was history when a projection was declared */
struct since *since_new(void); /* or NULL */
void since_free(struct since *s);
bool since_copy(const struct since *from, struct since *to);
/* The topics of d that are not in it yet, as they end now. */
MUST_USE enum err since_add(struct since *s, struct engine *e, const struct def *d);
/* The first offset of a partition that is live. */
int64_t since_of(const struct since *s, struct str topic, struct uuid id, int32_t partition);
/* Is it another topic of this name than the one that was there when it was declared? */
bool since_is_other(const struct since *s, struct str topic, struct uuid id);
void since_write(const struct since *s, struct json_writer *w);
MUST_USE enum err since_read(struct since *s, const struct json *v);

/* registry.c: the topic with the definitions */
MUST_USE enum err registry_create(struct proj *p, struct registry **out);
void registry_destroy(struct registry *g);
void registry_start(struct registry *g); /* ends in proj_ready */
void registry_stop(struct registry *g);
bool registry_idle(const struct registry *g);
void registry_tick(struct registry *g);
/* What the log should say of a projection from now on. */
struct registry_change {
    struct proj *p;
    struct str name;
    struct projection *pr; /* NULL: a new one */
    struct def *add;       /* a version more; owned until done has taken it */
    struct since *since;   /* with `add`; owned likewise */
    uint32_t without;      /* a version less; 0: none */
    bool paused, removing, removed;
    bool reached;                            /* a record of its own: that the target was reached */
    void (*done)(struct registry_change *c); /* durable, or err; frees c (registry_change_free) */
    struct proj_command *command;
    enum err err;
    struct ectx ec;
    struct list link;
    struct buf text;
    struct engine_append append;
    struct engine_part part;
    struct engine_record records[2];
    uint64_t retry_ns;
    bool sent;
};
/* Why this projection cannot be used (its record is not understood, its library is missing); NULL:
 * it can, or there is none. */
const struct ectx *registry_unusable(const struct registry *g, struct str name);
/* A projection of which a version is not understood, and so not its views; NULL: there is none. */
const char *registry_unseen(const struct registry *g);
bool registry_is_busy(const struct registry *g, struct str name);
/* Which other one, that is on its way into the log, declares this view; null: none. */
struct str registry_declares(const struct registry *g, struct str name, struct str view);
struct registry_change *registry_change_new(struct projection *pr, struct str name); /* or NULL */
void registry_change_free(struct registry_change *c);
void registry_write(struct registry *g, struct registry_change *c);
void proj_ready(struct proj *p, enum err e, const struct ectx *ec);
void proj_ended(struct proj *p); /* something that was under way is not any more */

/* projection.c */
void pause_begin(struct pause *p, uint64_t now); /* what may fail begins */
void pause_grow(struct pause *p, uint64_t now);  /* it has failed */
MUST_USE enum err projection_library(struct proj *p, const struct target_driver *driver,
                                     struct target_library **out, struct ectx *ec);
/* Its library is still to be found: without it, it is unusable. */
MUST_USE enum err projection_create(struct proj *p, struct def *d, struct projection **out,
                                    struct ectx *ec);
/* ERR_NOT_READY: what is served was not read yet. */
enum err projection_not_open(const struct projection *pr, struct ectx *ec);
bool projection_close_target(struct projection *pr); /* of one that is gone; true: it is closed */
void projection_destroy(struct projection *pr);
struct projection *projection_find(struct proj *p, struct str name);
void projection_go(struct projection *pr);
void projection_tick(struct projection *pr, uint64_t now);
void projection_close(struct projection *pr); /* at the end: leaves, closes connections */
bool projection_idle(const struct projection *pr);
const char *projection_work(const struct projection *pr);    /* what its lanes do, for the log */
void projection_moved(struct projection *pr, struct run *r); /* it has applied something */

void gauges_register(struct proj *p); /* gauges.c */

/* wait.c, query.c, check.c */
void wait_check(struct proj *p, uint64_t now);
void wait_end_all(struct proj *p);
void check_stop_all(struct proj *p);
void check_free_all(struct proj *p); /* no job will run */
void query_free_all(struct proj *p); /* no job will run */
void wait_free_ended(struct proj *p);
void wait_forget(struct projection *pr); /* it is about to be freed */

#endif
