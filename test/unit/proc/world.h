/* What the tests of this room share: engine/procs.h, and short words for what they do often. */
#ifndef LEAT_TEST_PROC_WORLD_H
#define LEAT_TEST_PROC_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "engine/procs.h"
#include "test.h"

/* A test that runs twice: on the engine of the tests, told to behave, and on Leat's own. */
#define TEST_BOTH(name)                     \
    static void both_##name(bool embedded); \
    TEST(name)                              \
    {                                       \
        both_##name(false);                 \
    }                                       \
    TEST(name##_on_leats_own_engine)        \
    {                                       \
        both_##name(true);                  \
    }                                       \
    static void both_##name(bool embedded)

/* Change w->spec before `start`, which starts one process. */
void world_init(struct procs *w, bool embedded);
void start(struct procs *w);
/* n commands on random keys; some with timers. */
void say_some(struct procs *w, uint64_t *rng, size_t n);
/* Fails the test if it does not. */
void settled(struct procs *w);
/* Of the only process; waits for its end. */
enum err call(struct procs *w, struct proc_call *c);
enum err control(struct procs *w, enum proc_call_kind kind, const char *key);
/* Status of one task; the text of its trouble is in *ec. */
struct proc_task_status task(struct procs *w, int32_t partition);
/* Values in a topic, all partitions, joined by ','. */
const char *values(struct procs *w, const char *topic);
/* A key whose partition is n, not below k<from>. */
const char *key_in(int32_t n, int from);

#endif
