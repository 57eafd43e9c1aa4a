/*
 * An engine for tests: a log in memory that behaves like Kafka at its worst, or, if it is told to,
 * well. Deterministic: everything follows from a seed and the simulated clock.
 *
 * A `worst_log` is the cluster; it stays. Each `worst_engine_create` is a process that talks to it,
 * until it is killed. Several at a time share groups, as members on different machines do.
 *
 * What it does, each by chance (worst_config):
 *   - An append is a transaction: its records take their offsets some time before its fate is
 *     known; readers stop there (last stable offset). It is committed, aborted (its offsets are a
 *     gap then), or fenced (its inputs belong to another member). The answer may come long after.
 *   - Each partition of a committed append shows it at a time of its own: consumed positions may
 *     be committed while a partition that was written with them does not show it yet.
 *   - Every end of a transaction takes one offset of each of its partitions: gaps.
 *   - Rebalances at any moment. Politely: revoked, later assigned to somebody (perhaps to the same
 *     one). Or as after a pause of the process: assigned to another one first, and the old one is
 *     fenced until it hears of it.
 *   - Reads return little, late, nothing although there is something, or fail once.
 *   - No commit positions, no order over partitions.
 * It keeps what engine.h promises, and checks what it asks: batches are released, a partition comes
 * once in an append, inputs are the member's.
 */
#ifndef LEAT_TEST_ENGINE_WORST_H
#define LEAT_TEST_ENGINE_WORST_H

#include "engine/engine.h"

struct worst_config {
    uint64_t seed;
    uint64_t delay_ns; /* every answer takes up to this */
    uint64_t late_ns;  /* a late one up to this */
    /* One in so many; 0: never. */
    unsigned abort_in, again_in, late_in;
    unsigned rebalance_in; /* calls until a rebalance */
    unsigned zombie_in;    /* rebalances that fence first and tell later */
    unsigned little_in;    /* reads that return one batch */
    unsigned empty_in;     /* reads that return nothing */
    unsigned fail_in;      /* reads that fail */
    unsigned within_in;    /* reads that are answered within the call */
    bool gaps;             /* ends of transactions take offsets */
    bool lag;              /* partitions show an append at different times */
    bool scatter;          /* partition n of two topics may go to different members */
    size_t append_max_bytes;
    size_t record_max_bytes; /* a larger record: ERR_MESSAGE_TOO_LARGE at done */
};
void worst_config_bad(struct worst_config *cfg, uint64_t seed);
void worst_config_good(struct worst_config *cfg, uint64_t seed);

struct worst_log;
struct worst_log *worst_log_create(struct env *env, const struct worst_config *cfg);
void worst_log_destroy(struct worst_log *log); /* its engines are gone */
void worst_log_set(struct worst_log *log, const struct worst_config *cfg); /* from now on */

/* A process. engine_destroy ends it; nothing that is open is done any more, an append may be
 * committed or not, its members are missed after a while. */
struct engine *worst_engine_create(struct worst_log *log, struct env_poll *poll);
/* The process is dead: calls do nothing, nothing is called. engine_destroy must follow. */
void worst_kill(struct engine *e);

/* The next thing happens; the clock moves to it, but not above `until_ns` (env_mono_ns): then
 * nothing happens, the clock is there, and it returns false. */
bool worst_step(struct worst_log *log, uint64_t until_ns);
/* A rebalance of every group, now. */
void worst_rebalance(struct worst_log *log);

/* By others, at once. */
void worst_topic_make(struct worst_log *log, const char *name, int32_t partitions);
void worst_topic_grow(struct worst_log *log, const char *name, int32_t partitions);
/* Returns the offset. */
int64_t worst_produce(struct worst_log *log, const char *topic, int32_t partition, struct str key,
                      struct str value, int64_t timestamp_ms);
int64_t worst_produce_record(struct worst_log *log, const char *topic, int32_t partition,
                             const struct engine_record *r);
/* Gives the first record of the batch at `offset` these attributes. */
void worst_mark(struct worst_log *log, const char *topic, int32_t partition, int64_t offset,
                uint8_t attributes);
/* An aborted batch of n records: a gap. */
void worst_gap(struct worst_log *log, const char *topic, int32_t partition, int32_t n);
/* What is below is gone (retention). */
void worst_trim(struct worst_log *log, const char *topic, int32_t partition, int64_t start);
/* Every visible record in order, headers as they are in the batch. Returns how many. */
struct record;
size_t worst_each(struct worst_log *log, const char *topic, int32_t partition,
                  void (*fn)(void *ctx, const struct record *r), void *ctx);
/* -1: none. */
int64_t worst_committed(struct worst_log *log, const char *group, const char *topic,
                        int32_t partition);
void worst_commit(struct worst_log *log, const char *group, const char *topic, int32_t partition,
                  int64_t offset);

struct worst_stats {
    uint64_t appends, committed, aborted, fenced, refused, late, rebalances, zombies, assigned,
        revoked, reads, little, empty, failed, gaps, lagged;
};
const struct worst_stats *worst_log_stats(const struct worst_log *log);

#endif
