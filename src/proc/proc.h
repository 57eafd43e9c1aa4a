/*
 * The processor runtime: a service as a function `(state, event) -> (state', outputs, timers)`,
 * executed exactly once as far as the log can tell.
 *
 * A processor reads input topics. Partition n of all of them is one *task*: it belongs to one
 * member at a time, and its steps run one after the other. The runtime executes a batch of steps,
 * then commits with one engine_append what they did: the records they emitted, the state that
 * changed, the timers, and the input positions. An append that is aborted is executed again from
 * the committed state; when another member has the partition the task stops at once. So a step may
 * run more than once, but what the log shows is that of one run: a step must be deterministic (its
 * event and state decide what it does; its time is the event's) and touch nothing outside.
 *
 * Everything durable is in the log:
 *   __leat_NAME-state    changelog of the tasks: a record per key that changed, with the state, the
 *                        timers and the fate of the key; and where the input was read to.
 *   __leat_NAME-parked   events of keys that a failed step has stopped or parked, in order.
 *   group leat-NAME      input positions, seen as a consumer group with its lag. Moving it with the
 *                        group's tools does not move the processor; PROC_RESET does.
 * The state is held in memory, within a named limit, and read from the changelog when a task is
 * assigned (why: README.md).
 *
 * All functions on the loop.
 */
#ifndef LEAT_PROC_PROC_H
#define LEAT_PROC_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/list.h"
#include "core/str.h"
#include "engine/engine.h"
#include "metrics/metrics.h"

#define PROC_NAME_MAX        100u /* [a-z0-9._-], so that topic and group names are legal */
#define PROC_TOPICS_MAX      16u
#define PROC_KEY_MAX         (64u * 1024) /* bytes of a state's key */
#define PROC_STATE_VALUE_MAX (512u * 1024)
#define PROC_TIMERS_MAX      64u /* of one key */
#define PROC_TIMER_NAME_MAX  128u
#define PROC_BATCH_STEPS     256u
#define PROC_BATCH_BYTES     (1024u * 1024) /* soft: a batch ends when it has so much */
#define PROC_STATE_BYTES     (256ull * 1024 * 1024)
#define PROC_WAITING_MAX     1000u   /* events of one stopped key */
#define PROC_PARKED_MAX      100000u /* events of one parked key */
#define PROC_PARKED_KEYS_MAX 10000u  /* of one task */

struct proc;

/* ---- Steps
 * --------------------------------------------------------------------------------------------- */

enum proc_event_kind { PROC_RECORD, PROC_TIMER };
struct proc_event {
    enum proc_event_kind kind;
    struct str key;       /* of the state; never null (a record without key: the empty key) */
    int64_t timestamp_ms; /* of the record; of a timer the time that it was set for */
    /* PROC_RECORD */
    struct str topic;
    int32_t partition;
    int64_t offset;
    uint64_t position; /* commit position; 0 without ENGINE_GLOBAL_ORDER */
    struct str record_key, value;
    int32_t header_count;
    struct slice headers;  /* record_header_next */
    bool again;            /* it was parked and is executed now (position is 0 then) */
    int64_t parked_offset; /* ... and this is where, in __leat_NAME-parked */
    /* PROC_TIMER */
    struct str timer;
};

/* A step while it runs. */
struct proc_step;

/* The state of the event's key; null: there is none. A view, valid until it is set. */
struct str proc_state(const struct proc_step *s);
/* Replaces it (copied); null: it is gone. ERR_LIMIT: above PROC_STATE_VALUE_MAX. */
MUST_USE enum err proc_state_set(struct proc_step *s, struct str value, struct ectx *ec);
/* A record to append (copied). partition -1: that of its key. timestamp_ms -1: when it is written.
 * Order is kept within each partition, over all steps of the task. ERR_UNKNOWN_TOPIC_OR_PARTITION,
 * ERR_MESSAGE_TOO_LARGE (more than one append may hold). */
MUST_USE enum err proc_emit(struct proc_step *s, struct str topic, int32_t partition,
                            const struct engine_record *record, struct ectx *ec);
/* Fires at or after `due_ms` (wall clock) as a PROC_TIMER event of the same key, once. One with the
 * same name is replaced. ERR_LIMIT: PROC_TIMERS_MAX, PROC_TIMER_NAME_MAX. */
MUST_USE enum err proc_timer_set(struct proc_step *s, struct str name, int64_t due_ms,
                                 struct ectx *ec);
void proc_timer_cancel(struct proc_step *s, struct str name); /* harmless if there is none */
/* INT64_MIN: none of that name. */
int64_t proc_timer_due(const struct proc_step *s, struct str name);

/* ---- Life
 * ---------------------------------------------------------------------------------------------- */

/* What becomes of the key of a step that fails. Its later events never overtake it. */
enum proc_on_error {
    /* The key's events wait in the parked topic until PROC_KEY_RESUME, at most `waiting_max` of a
     * key; then the whole task waits. */
    PROC_STOP_KEY,
    /* The same with room for many (`parked_max`): for those who look tomorrow. */
    PROC_PARK_KEY,
    /* The event is left out, counted and logged. State and timers stay as before it. */
    PROC_SKIP,
};

struct proc_spec {
    struct str name;
    const struct str *topics; /* inputs */
    size_t topic_count;
    unsigned capabilities; /* that it needs of the engine (ENGINE_*) */
    bool from_end;         /* the very first time: begin with what comes; else with the oldest */
    enum proc_on_error on_error;
    /* 0: the default, PROC_... */
    uint32_t batch_steps, waiting_max, parked_max;
    uint64_t state_bytes_max;
    void *ctx;
    /* The key of the state, perhaps in `a`. NULL: the record's key. An error is a failed step of
     * the record's key. */
    enum err (*key_of)(void *ctx, const struct proc_event *ev, struct arena *a, struct str *key,
                       struct ectx *ec);
    /*
     * One step. Errors that pass by themselves (err_retriable: ERR_AGAIN, ERR_NO_MEMORY, a topic
     * that is missing, ...) are tried again, the task waits meanwhile; others are the event's and
     * on_error applies. Nothing of a failed step is kept.
     */
    enum err (*step)(void *ctx, struct proc_step *s, const struct proc_event *ev, struct ectx *ec);
};

/* Copies the spec. ERR_CONFIG: it is not valid; ERR_UNSUPPORTED_VERSION: the engine lacks a
 * capability. Starts by itself: makes its topics, joins its group. */
MUST_USE enum err proc_create(struct engine *e, struct metrics *metrics,
                              const struct proc_spec *spec, struct proc **out, struct ectx *ec);
/* About every 100 ms: timers, second tries. */
void proc_tick(struct proc *p);
/* When the next timer or second try is due (env_mono_ns); UINT64_MAX: nothing waits for time. */
uint64_t proc_due_ns(const struct proc *p);
/* Leaves the group; no step runs any more, calls are answered ERR_STOPPED. An append that is on its
 * way ends as it may. */
void proc_stop(struct proc *p);
/* Nothing of it is on its way any more. */
bool proc_idle(const struct proc *p);
/* Of one that was stopped and is idle, or whose engine is gone. NULL is fine. */
void proc_destroy(struct proc *p);

/* ---- Control
 * ------------------------------------------------------------------------------------------- */

enum proc_call_kind {
    PROC_PAUSE,       /* no step any more, timers included; stays so after a restart */
    PROC_RESUME,      /* goes on after PROC_PAUSE */
    PROC_RESET,       /* read again from somewhere; state, timers and parked keys go */
    PROC_KEY_RESUME,  /* execute the waiting events of a key in order, then it is as before */
    PROC_KEY_DISCARD, /* leave them out: counted as skipped */
};
enum proc_reset_to { PROC_TO_START, PROC_TO_END, PROC_TO_OFFSET, PROC_TO_TIME };
/* Done for the tasks that this member has. */
struct proc_call {
    enum proc_call_kind kind;
    int32_t partition; /* -1: every task */
    /* PROC_RESET */
    enum proc_reset_to to;
    int64_t offset;       /* PROC_TO_OFFSET: one input topic, one partition */
    int64_t timestamp_ms; /* PROC_TO_TIME */
    bool keep_state;
    struct str key;                    /* PROC_KEY_*; null: every key that waits */
    void (*done)(struct proc_call *c); /* it is durable */
    void *ctx;
    enum err err; /* out: ERR_NOT_FOUND: no such task or key here; ERR_FENCED; ERR_STOPPED */
    struct ectx ec;
    uint64_t affected; /* tasks or keys */
    struct list link;  /* proc's */
    void *internal;
};
void proc_call(struct proc *p, struct proc_call *c);

/* ---- Looking
 * ------------------------------------------------------------------------------------------- */

enum proc_task_state {
    PROC_TASK_RESTORING, /* reads the changelog */
    PROC_TASK_RUNNING,
    PROC_TASK_PAUSED,
    PROC_TASK_WAITING, /* for a second try; `ec` says why */
    PROC_TASK_BLOCKED, /* by a key whose waiting events are at their limit, or a limit of the state
                        */
    PROC_TASK_FENCED,  /* another member has it, or will */
};
const char *proc_task_state_name(enum proc_task_state s);
struct proc_task_status {
    int32_t partition;
    enum proc_task_state state;
    uint64_t epoch;
    int64_t next_offset, end_offset; /* sums over the inputs; the difference is the lag */
    /* Age of what was executed last (or, since it began, tried first) while more is there; 0:
     * nothing waits, or it was not looked at. */
    int64_t lag_ms;
    uint64_t keys, state_bytes, timers, parked_keys, parked_events;
    struct ectx ec; /* of WAITING, BLOCKED */
};
struct proc_status {
    struct str name;
    const char *phase; /* "starting", "running", or what it waits for */
    struct ectx ec;    /* why it does not start */
    uint64_t steps, timers_fired, outputs, commits, aborts, skipped, lost;
    double steps_per_second; /* over the last seconds */
    struct proc_task_status *tasks;
    size_t task_count;
};
/* In the arena. ERR_NO_MEMORY: over its budget. */
MUST_USE enum err proc_status(struct proc *p, struct arena *a, struct proc_status *out);

struct proc_parked_key {
    int32_t partition;
    struct str key;
    enum proc_on_error why; /* PROC_STOP_KEY, PROC_PARK_KEY */
    bool resuming;
    uint64_t events;
    int64_t first_offset; /* at or before its first one in __leat_NAME-parked */
    struct str error;     /* name and text of the step's error */
};
/* At most `max`, in no order; NULL: over the arena's budget. */
struct proc_parked_key *proc_parked(struct proc *p, struct arena *a, size_t max, size_t *count,
                                    bool *more);
/* The committed state of a key in a task of this member, copied. ERR_NOT_FOUND. */
MUST_USE enum err proc_look(struct proc *p, int32_t partition, struct str key, struct arena *a,
                            struct str *value);

#endif
