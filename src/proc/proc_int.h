/*
 * Private to proc. How it hangs together:
 *
 *   proc ── tasks (one per partition number) ── inputs (one per topic)   task.c, input.c
 *             │  entries (keys: what is committed)                       state.c, value.c
 *             └─ batch (what the steps since then did; at most one)      batch.c, step.c, park.c
 *
 * A batch is built in one turn, submitted, and then waited for; nothing is executed meanwhile. All
 * that a step changes is in the batch: entries change only when it is committed, so an abort just
 * forgets it. A batch on its way does not need its task, which may be taken away.
 */
#ifndef LEAT_PROC_PROC_INT_H
#define LEAT_PROC_PROC_INT_H

#include "core/buf.h"
#include "core/heap.h"
#include "core/limits.h"
#include "core/map.h"
#include "proc/proc.h"
#include "record/record.h"

/* Of one read of an input, the changelog or the parked events. */
#define PROC_READ_BYTES (256u * 1024)
#define PROC_READ_ARENA (256u * 1024)
/* Largest batch of records, decompressed. */
#define PROC_DECOMPRESSED_MAX (64u * 1024 * 1024)
/* What the steps of one batch may hold: state, outputs. */
#define PROC_BATCH_ARENA  (64u * 1024 * 1024)
#define PROC_READ_WAIT_NS 1000000000ull
/* Second tries: after this, then twice as long, ... */
#define PROC_RETRY_FIRST_NS 10000000ull
#define PROC_RETRY_LAST_NS  1000000000ull
/* Reads that are answered within the call with nothing, one after the other: then time passes. */
#define PROC_EMPTY_ANSWERS 8u
/* Aborts one after the other: then time passes between two tries. */
#define PROC_ABORTS 4u
/* Calls of proc_call that are open, times tasks. */
#define PROC_REQUESTS_MAX 10000u
/* Headers that a parked event gets, always the last ones. */
#define PROC_PARKED_HEADERS 6u
#define PROC_POSITION_KEY   "\0leat-position"
#define PROC_BARRIER_KEY    "\0leat-barrier"
#define PROC_ERROR_TEXT_MAX 256u

struct proc_task;
struct proc_batch;

/* ---- What is known of a key (value.c) ---- */

struct proc_timer {
    int64_t due_ms;
    struct str name;
};
enum proc_fate { PROC_LIVE, PROC_STOPPED, PROC_PARKED };
struct proc_value {
    struct str state; /* null: none */
    const struct proc_timer *timers;
    size_t timer_count;
    enum proc_fate fate;
    bool resuming;
    int64_t parked_from; /* offset in the parked topic: the first one is at or after it */
    uint64_t parked_count;
    struct str error;
};
/* Views into `bytes` and the arena (timers). ERR_DAMAGED. */
MUST_USE enum err proc_value_decode(struct str bytes, struct arena *a, struct proc_value *out,
                                    uint64_t *generation, struct ectx *ec);
void proc_value_encode(const struct proc_value *v, uint64_t generation, struct buf *out);
bool proc_value_empty(const struct proc_value *v);
int64_t proc_value_due(const struct proc_value *v); /* INT64_MAX: no timer */
size_t proc_value_size(const struct proc_value *v);

struct proc_position {
    bool paused;
    uint64_t generation;
    size_t count;
    struct str topics[PROC_TOPICS_MAX];
    int64_t next[PROC_TOPICS_MAX];
};
MUST_USE enum err proc_position_decode(struct str bytes, struct proc_position *out,
                                       struct ectx *ec);
void proc_position_encode(const struct proc_position *p, struct buf *out);
/* The changelog's key of a state's key (escaped), and back; null: it is one of ours. */
struct str proc_log_key(struct str key, struct arena *a);
struct str proc_state_key(struct str log_key);

/* ---- Keys of a task (state.c) ---- */

struct proc_entry {
    struct str key; /* owned, behind the struct */
    uint8_t *blob;  /* the encoded value; NULL: nothing is committed */
    size_t blob_bytes;
    uint64_t due; /* of the first timer; UINT64_MAX: none */
    uint32_t timer_count;
    enum proc_fate fate;
    int64_t parked_from;
    uint64_t parked_count;
    struct heap_node node;
    struct list resuming;   /* of the task's, if its events are executed again */
    struct proc_work *work; /* in the batch */
};
/* A key that the batch has to do with. */
struct proc_work {
    struct list link;
    struct proc_entry *entry;
    struct str key; /* in the batch's arena */
    struct proc_value v;
    bool changed;
    uint8_t *blob; /* when the batch is made: what the entry becomes */
    size_t blob_bytes;
};
struct proc_entry *proc_entry_get(const struct proc_task *t, struct str key);
/* NULL: out of memory. */
struct proc_entry *proc_entry_make(struct proc_task *t, struct str key);
void proc_entry_free(struct proc_task *t, struct proc_entry *en);
/* Takes `blob` (mem_alloc) over; NULL: the key goes. `v` is what it says. Cannot fail if the entry
 * is in the heap or has no timer. */
void proc_entry_set(struct proc_task *t, struct proc_entry *en, uint8_t *blob, size_t bytes,
                    const struct proc_value *v);
void proc_entries_clear(struct proc_task *t);

/* ---- Batches (batch.c) ---- */

struct proc_out {
    struct str topic;
    int32_t partition;
    struct engine_record *records;
    size_t count, cap;
    size_t mark; /* count when the step `touched` began */
    uint64_t touched;
    struct proc_out *next;
};
struct proc_skipped {
    struct proc_skipped *next;
    struct str what;
};
struct proc_counts {
    uint64_t steps, timers_fired, outputs, skipped, parked, again;
};
struct proc_request; /* a call for one task */
struct proc_batch {
    struct proc *p;
    struct proc_task *task; /* NULL: it was taken away */
    struct list link;       /* of proc's */
    struct arena arena;
    struct list works;
    struct proc_out *outs;
    struct map out_map;
    size_t out_count;
    size_t bytes;         /* of records and state, about */
    bool full, no_memory; /* why something was refused in the step that runs */
    uint32_t new_parked;  /* keys */
    uint32_t steps_max;
    int64_t growth; /* of the state */
    uint64_t step;  /* number of the step that runs */
    struct proc_counts n;
    struct proc_skipped *skipped;
    /* What it makes of the task. */
    int64_t next[PROC_TOPICS_MAX];
    bool paused, cleared, barrier;
    uint64_t generation;
    struct proc_request *request;
    uint64_t affected;
    uint64_t last_event; /* identity of its last step */
    bool condemned;      /* its step failed because of what an append of it said */
    /* The append. */
    struct engine_append append;
    struct engine_input inputs[PROC_TOPICS_MAX];
};
struct proc_batch *proc_batch_begin(struct proc_task *t); /* NULL: out of memory */
bool proc_batch_more(const struct proc_batch *b);         /* it may have another step */
/* Forgets all of it; the entries are as before. */
void proc_batch_drop(struct proc_batch *b);
void proc_batch_free(struct proc_batch *b); /* nothing refers to it any more */
/* The entry has nothing to do with the batch any more and is as before. */
void proc_work_leave(struct proc_task *t, struct proc_work *w);
/* Memory of the batch; NULL: `full` or `no_memory` is set. */
void *proc_batch_alloc(struct proc_batch *b, size_t size);
MUST_USE bool proc_batch_copy(struct proc_batch *b, struct str s, struct str *out);
/* The task's entry is in the batch from now on. NULL: as proc_batch_alloc, or ec says it. */
struct proc_work *proc_batch_work(struct proc_batch *b, struct str key, struct ectx *ec);
MUST_USE enum err proc_batch_emit(struct proc_batch *b, struct str topic, int32_t partition,
                                  const struct engine_record *r, struct ectx *ec);
void proc_batch_rewind(struct proc_batch *b); /* the outputs of the step that runs */
/* commit.c. Sends it. Its end may come before this returns. On error the batch is as it was. */
MUST_USE enum err proc_batch_submit(struct proc_batch *b, struct ectx *ec);
/* Sends an empty one that does nothing but take an offset of the changelog (restore.c). */
MUST_USE enum err proc_batch_barrier(struct proc_batch *b, struct ectx *ec);

/* ---- Steps (step.c, park.c) ---- */

struct proc_step {
    struct proc_batch *batch;
    struct proc_work *work;
};
/* Unless DONE, the batch is as before. */
enum proc_step_result {
    PROC_STEP_DONE,    /* the event was dealt with */
    PROC_STEP_FULL,    /* there is no room for it in this batch */
    PROC_STEP_WAIT,    /* it has to be tried again; ec */
    PROC_STEP_BLOCKED, /* until somebody does something; ec */
};
/* `refused`: not ERR_OK: it failed before it began (text in ec). */
enum proc_step_result proc_step_run(struct proc_batch *b, const struct proc_event *ev,
                                    enum err refused, struct ectx *ec);
/* Adds the event to the waiting ones of its key. */
enum proc_step_result proc_park(struct proc_batch *b, struct proc_work *w,
                                const struct proc_event *ev, struct ectx *ec);
/* The event that a parked record is. ERR_DAMAGED. */
MUST_USE enum err proc_unpark(const struct record *r, struct proc_event *ev, struct ectx *ec);
/* Not 0. */
uint64_t proc_event_id(const struct proc_event *ev);

/* ---- Reading (input.c) ---- */

struct proc_input {
    struct proc_task *task;
    struct engine_read read;
    struct arena arena;
    struct record_scratch scratch;
    bool asking; /* the call is on the stack */
    uint32_t empty_answers;
    bool reading; /* asked */
    bool held;    /* answered, not released */
    bool failed;  /* answered with read.err */
    int64_t at;   /* next offset to execute; -1: not known */
    size_t batch; /* of the read */
    bool open;    /* `it` walks it */
    struct record_iter it;
    struct record record; /* the one at hand */
    bool has_record;
    uint64_t position;
    int64_t last_ms; /* timestamp of the last executed, or of the first that was tried; 0: none */
    /* Of input topics only. */
    struct str topic;
    bool assigned;
    int64_t committed; /* by the group, as far as is known */
    int64_t next;      /* committed */
    int64_t end;       /* as of the last answer */
};
void proc_input_init(struct proc_input *in, struct proc_task *t, struct str topic);
void proc_input_deinit(struct proc_input *in);
/* Asks from `at` on, unless it is asked or held. */
void proc_input_ask(struct proc_input *in, uint64_t wait_ns);
/* The record at `at` or the first behind it, without passing it. ERR_NOT_FOUND: none in what was
 * read (`at` is behind it then). */
MUST_USE enum err proc_input_peek(struct proc_input *in, const struct record **out,
                                  struct ectx *ec);
void proc_input_pass(struct proc_input *in); /* the record that was peeked */
/* To an offset that what is held covers, or anywhere if it is released. */
void proc_input_rewind(struct proc_input *in, int64_t offset);
void proc_input_release(struct proc_input *in);

/* ---- Tasks (task.c, restore.c) ---- */

enum proc_phase { PROC_PHASE_BARRIER, PROC_PHASE_RESTORE, PROC_PHASE_START, PROC_PHASE_RUN };
struct proc_request { /* a call for one task */
    struct list link; /* of the task's */
    struct proc_call *call;
    int64_t to[PROC_TOPICS_MAX]; /* PROC_RESET to a time: what was found */
    size_t sought;               /* inputs */
    bool seeking;
};
struct proc_seek { /* may outlive its task */
    struct engine_seek seek;
    struct proc *p;
    struct proc_task *task; /* NULL: gone */
    struct list link;
};
struct proc_task {
    struct list link;
    struct proc *p;
    int32_t partition;
    uint64_t epoch;
    enum proc_phase phase;
    bool running, again, gone; /* a turn is on the stack; another one is wanted; free it after */
    bool fenced, paused, waiting, blocked;
    bool poked;           /* by a call */
    bool grown;           /* the input has a partition for which there is no state */
    bool kept;            /* something of it was assigned before */
    struct ectx ec;       /* why it waits or is blocked */
    uint64_t retry_at_ns; /* 0: at once */
    unsigned retries;
    uint64_t generation;
    struct map entries;
    struct heap timers;
    struct list resuming; /* entries */
    uint64_t key_count, state_bytes, timer_count, parked_keys, parked_events;
    struct proc_batch *batch;       /* on its way */
    struct proc_input aux;          /* the changelog, then the parked events */
    struct proc_entry *again_entry; /* whose parked events `aux` reads */
    int64_t barrier;                /* offset of our barrier in the changelog */
    bool caught_up;                 /* RESTORE: the changelog was read to its end */
    struct proc_position restored;
    bool has_position;
    uint32_t single;    /* steps that get a batch of their own */
    uint64_t condemned; /* identity of an event whose append was refused; 0: none */
    struct ectx condemned_ec;
    size_t turn; /* of the inputs */
    struct list requests;
    size_t input_count;
    struct proc_input inputs[];
};
struct proc_task *proc_task_make(struct proc *p, int32_t partition); /* NULL: no memory */
/* It is another one's now: nothing of it happens any more. */
void proc_task_drop(struct proc_task *t, enum err why);
void proc_task_run(struct proc_task *t);
void proc_task_wait(struct proc_task *t, const struct ectx *ec, bool blocked);
void proc_task_committed(struct proc_task *t, struct proc_batch *b);
uint64_t proc_task_due_ns(const struct proc_task *t);
/* The parked events are read anew. */
void proc_again_reset(struct proc_task *t);
/* Executes parked events of keys that are resumed. */
enum proc_step_result proc_again_run(struct proc_batch *b, struct ectx *ec);
/* ERR_OK: restored. ERR_AGAIN: it reads. */
MUST_USE enum err proc_restore(struct proc_task *t, struct ectx *ec);
void proc_restore_end(struct proc_task *t);

/* ---- Calls (call.c) ---- */

/* Starts what the first request wants. true: the task has to wait for it. */
bool proc_request_turn(struct proc_task *t);
void proc_request_done(struct proc *p, struct proc_request *r, enum err e, uint64_t affected);
void proc_requests_end(struct proc_task *t, enum err e);

/* ---- The whole (proc.c) ---- */

enum proc_life {
    PROC_LIFE_INPUTS,
    PROC_LIFE_TOPICS,
    PROC_LIFE_JOIN,
    PROC_LIFE_RUN,
    PROC_LIFE_STOPPED
};
struct proc {
    struct engine *engine;
    struct env *env;
    struct proc_spec spec; /* its strings are in `names` */
    char *names;
    size_t names_used;
    struct str topics[PROC_TOPICS_MAX];
    struct str group, state_topic, parked_topic;
    struct engine_ensure made[2];
    size_t making; /* ensures under way */
    enum proc_life life;
    struct ectx ec;
    uint64_t retry_at_ns;
    struct engine_topic_watch watch;
    struct engine_member *member;
    bool missed; /* an assignment, for lack of memory */
    struct list tasks;
    struct list batches; /* on their way */
    struct list seeks;
    uint64_t state_bytes;
    size_t request_count;
    struct proc_counts n;
    uint64_t commits, aborts, lost;
    double rate;
    uint64_t rate_at_ns, rate_steps;
    struct metrics *metrics;
    struct {
        struct metric *steps, *timers, *outputs, *commits, *aborts, *skipped, *lost;
        struct metric *lag, *lag_seconds, *parked, *parked_keys, *keys, *state_bytes, *tasks;
    } m;
    char labels[PROC_NAME_MAX + 32];
};
struct proc_task *proc_task_of(struct proc *p, int32_t partition);
void proc_metrics_make(struct proc *p);
void proc_metrics_remove(struct proc *p);
void proc_metrics_tick(struct proc *p, uint64_t now_ns);

/* Faults that the simulation plants, to see that it finds them. Debug builds only. */
struct proc_faults {
    bool no_inputs, no_position, abort_kept, state_kept, barrier_ignored, timer_kept,
        park_overtaken, generation_kept, again_kept;
};
#ifdef LEAT_DEBUG
extern struct proc_faults proc_faults;
#define PROC_FAULT(name) (proc_faults.name)
#else
#define PROC_FAULT(name) false
#endif

#endif
