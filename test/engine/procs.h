/*
 * Processes that run one processor on the worst engine, or on Leat's own, and a model of what it
 * must have done: for the unit tests of proc and for the simulation of its crashes. Nothing of
 * cmocka here: what is wrong is told in words.
 *
 * The processor: commands in the topic "in", by key:
 *   add N      sum += N; emits "count sum" to "out" (partition by key)
 *   timer N D  sets timer N (a name) to D ms after the record's time
 *   cancel N   cancels it
 *   fail N     fails, if it sees the key with fewer than N failures mended (procs.mended)
 *   many N     emits N records
 *   big N      emits one record of N bytes
 *   drop       the state goes
 * A timer emits "NAME due" to "fired". State: count, sum, timers fired, as text.
 */
#ifndef LEAT_TEST_ENGINE_PROCS_H
#define LEAT_TEST_ENGINE_PROCS_H

#include "engine/worst.h"
#include "env/env_sim.h"
#include "proc/proc.h"

enum { PROCS_NODES = 3, PROCS_PARTS = 3, PROCS_KEYS = 6, PROCS_EVENTS = 4096 };

struct procs_event {
    int32_t partition;
    int64_t offset;
    int64_t time_ms;
    char key[8];
    char command[40];
};
struct procs_node {
    struct procs *w;
    struct proc_call call; /* the last of procs_control */
    bool calling;
    uint64_t calls_done; /* with success */
    struct engine *engine;
    struct proc *proc;
};
struct procs {
    struct env *env;
    struct env_poll *poll;
    struct metrics *metrics[PROCS_NODES];
    struct worst_log *log;         /* or */
    struct procs_machine *machine; /* ... Leat's own engine, with one process */
    uint64_t kills;
    struct procs_node nodes[PROCS_NODES];
    struct proc_spec spec;
    struct procs_event events[PROCS_EVENTS];
    size_t event_count;
    unsigned mended;           /* "fail N" with N at or below it passes */
    bool skip_fails;           /* the model leaves out what fails for ever */
    uint64_t fires_before[64]; /* of each key, before the reset */
    uint64_t executed;         /* steps, those of aborted batches too */
    bool real_time;            /* a step depends on when it runs: a mistake that must be found */
};

void procs_init(struct procs *w, uint64_t seed, const struct worst_config *cfg);
void procs_init_embedded(struct procs *w, uint64_t seed);
void procs_deinit(struct procs *w);
enum err procs_up(struct procs *w, size_t node);
void procs_kill(struct procs *w, size_t node);
void procs_stop(struct procs *w, size_t node); /* waits for what is on its way */
/* One thing happens; false: it is `until_ns`. */
bool procs_step(struct procs *w, uint64_t until_ns);
void procs_run(struct procs *w, uint64_t ms);
/* By others. */
void procs_topic(struct procs *w, const char *name, int32_t partitions);
int64_t procs_produce(struct procs *w, const char *topic, int32_t partition, struct str key,
                      struct str value, int64_t timestamp_ms);
/* Every visible record. */
void procs_each(struct procs *w, const char *topic, int32_t partition,
                void (*fn)(void *ctx, const struct record *r), void *ctx);
/* A command for a key, into the key's partition. */
void procs_say(struct procs *w, const char *key, const char *command);
int32_t procs_partition(const char *key);
/* A call to a node, unless the last one is still open. */
void procs_control(struct procs *w, size_t node, enum proc_call_kind kind);
/* Resets every task that is ready and has an older generation. */
void procs_reset(struct procs *w, uint64_t generation);
/* The model from now on: the state is gone and all that was said is executed again. It must have
 * settled before. */
void procs_expect_again(struct procs *w);
/* Until all that was said was executed and no timer is due any more; false: not within `ms`. */
bool procs_settle(struct procs *w, uint64_t ms);
/* The log against the model: outputs, states, timers. What is there now must be a beginning of
 * what has to be; `whole`: it must be all. false: `why` says what is wrong. */
bool procs_check(struct procs *w, bool whole, char *why, size_t size);
/* Sum over the nodes that run. */
struct proc_status procs_status(struct procs *w);

/* ---- procs_machine.c ---- */

void procs_machine_make(struct procs *w);
void procs_machine_free(struct procs *w);
struct engine *procs_machine_engine(struct procs_machine *m);
void procs_machine_crash(struct procs_machine *m, bool power, uint64_t choice);
bool procs_machine_turn(struct procs_machine *m, uint64_t until_ns);
void procs_machine_topic(struct procs *w, const char *name, int32_t partitions);
int64_t procs_machine_produce(struct procs *w, const char *topic, int32_t partition, struct str key,
                              struct str value, int64_t timestamp_ms);
void procs_machine_each(struct procs *w, const char *topic, int32_t partition,
                        void (*fn)(void *ctx, const struct record *r), void *ctx);

#endif
