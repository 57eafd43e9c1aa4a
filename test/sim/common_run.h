/*
 * What the simulations share: arguments, workers (one process each), the count of what was met by
 * kind, planted faults. A program brings what it does with one seed.
 */
#ifndef LEAT_TEST_SIM_COMMON_RUN_H
#define LEAT_TEST_SIM_COMMON_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct env;

enum { RUN_WAL = 1, RUN_STORE = 2, RUN_SERVICE = 4, RUN_ENGINE = 8, RUN_PROC = 16, RUN_ES = 32 };
enum kind {
#define KIND(name, programs, text) KIND_##name,
#include "kinds.def"
#undef KIND
    KIND_COUNT
};

/* Of this process. */
void count_kind(enum kind k);
void count_kind_n(enum kind k, uint64_t n);
void count_state(void); /* of a program that crashes by itself */
/* A crash state: the process has ended and left `going` (of going_bit) unfinished. Makes of it a
 * kill, or a power cut of the kind that `choice` says (`named`: one of the extremes). */
void crash_and_count(struct env *env, uint64_t going, bool kill, bool named, uint64_t choice);
static inline uint64_t going_bit(enum kind k) /* one of KIND_IN_... */
{
    return (uint64_t)1 << (k - KIND_IN_START);
}

/* A hash: randomness of the workloads. */
uint64_t run_mix(uint64_t x);

struct fault_row {
    const char *name;
    bool *on;
    const char *wrong, *breaks;
};
struct run_program {
    const char *name;
    unsigned bit;
    /* All that a seed is good for; `every`: every single operation and allocation fails once.
     * false: a promise was broken, and `why` says which. */
    bool (*seed)(uint64_t seed, bool every, char *why, size_t size);
    /* What is done to find a planted fault. */
    bool (*fault_seed)(uint64_t seed, char *why, size_t size);
    const struct fault_row *faults;
    size_t fault_count;
};
/* A main() for it. */
int run_main(const struct run_program *p, int argc, char **argv);

#endif
