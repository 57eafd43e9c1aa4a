/* What the tests of this room share: engine/procs.h, and short words for what they do often. */
#ifndef LEAT_TEST_PROC_WORLD_H
#define LEAT_TEST_PROC_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "engine/procs.h"
#include "test.h"

/* The engine that a test runs on. */
enum engine_is { TOLD_TO_BEHAVE, AT_ITS_WORST, LEATS_OWN };

/* A test that runs on each of them: on the engine of the tests, told to behave and at its worst
 * (with a few seeds), and on Leat's own. */
#define TEST_EACH_ENGINE(name)                \
    static void on_##name(enum engine_is is); \
    TEST_BEHAVES_(name)                       \
    TEST_WORST_(name)                         \
    TEST_LEATS_OWN_(name)                     \
    static void on_##name(enum engine_is is)
/* What others do to the log here is possible with the engine of the tests alone. */
#define TEST_TEST_ENGINE(name)                \
    static void on_##name(enum engine_is is); \
    TEST_BEHAVES_(name)                       \
    TEST_WORST_(name)                         \
    static void on_##name(enum engine_is is)
/* Not at its worst, and why: what the test looks at is rightly another thing there. */
#define TEST_WELL_BEHAVED(name, why)          \
    static void on_##name(enum engine_is is); \
    TEST_BEHAVES_(name)                       \
    TEST_LEATS_OWN_(name)                     \
    static void on_##name(enum engine_is is)

#define TEST_BEHAVES_(name)        \
    TEST(name)                     \
    {                              \
        on_##name(TOLD_TO_BEHAVE); \
    }
#define TEST_WORST_(name)                                               \
    TEST(name##_at_its_worst)                                           \
    {                                                                   \
        for (world_seed = 1; world_seed <= WORLD_SEEDS; world_seed++) { \
            on_##name(AT_ITS_WORST);                                    \
        }                                                               \
    }
#define TEST_LEATS_OWN_(name)        \
    TEST(name##_on_leats_own_engine) \
    {                                \
        on_##name(LEATS_OWN);        \
    }
enum { WORLD_SEEDS = 15 };
extern uint64_t world_seed;

/* Runs until it is so, however long the engine takes; fails the test if it never is. */
#define UNTIL(w, condition)                                                              \
    for (const uint64_t until_ = env_mono_ns((w)->env) + 600000000000u; !(condition);) { \
        if (!procs_step((w), until_)) {                                                  \
            fail_msg("it never is so (seed %d): %s", (int)world_seed, #condition);       \
        }                                                                                \
    }

/* Change w->spec before `start`, which starts one process. */
void world_init(struct procs *w, enum engine_is is);
/* What the engine of the tests does then. */
void world_config(struct worst_config *cfg, enum engine_is is);
void start(struct procs *w);
/* n commands on random keys; some with timers. */
void say_some(struct procs *w, uint64_t *rng, size_t n);
/* Fails the test if it does not. */
void settled(struct procs *w);
/* UNTIL this is what a topic has; and it stays so for a second. */
void until_values(struct procs *w, const char *topic, const char *want);
/* Of the only process; waits for its end. Begun while nothing is taken away from the process: the
 * answer would go with the task, and nobody knew whether to ask again. */
enum err call(struct procs *w, struct proc_call *c);
enum err control(struct procs *w, enum proc_call_kind kind, const char *key);
/* Status of one task, of partition -1 if it is not there just now. */
struct proc_task_status task(struct procs *w, int32_t partition);
/* Values in a topic, all partitions, joined by ','. */
const char *values(struct procs *w, const char *topic);
/* A key whose partition is n, not below k<from>. */
const char *key_in(int32_t n, int from);

#endif
