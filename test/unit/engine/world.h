/*
 * What the tests of this room share: a simulated machine with a store, a broker, groups and Leat's
 * own engine, and calls that wait for their end.
 */
#ifndef LEAT_TEST_ENGINE_WORLD_H
#define LEAT_TEST_ENGINE_WORLD_H

#include <stdio.h>
#include <string.h>

#include "broker/broker.h"
#include "core/mem.h"
#include "engine/engine.h"
#include "env/env_sim.h"
#include "group/group.h"
#include "record/builder.h"
#include "test.h"

enum reopen { REOPEN_CLEAN, REOPEN_KILL, REOPEN_POWER_CUT };

struct world {
    struct env *env;
    struct env_poll *poll;
    struct config config;
    struct metrics *metrics;
    struct store *store;
    struct broker *broker;
    struct groups *groups;
    struct engine *engine;
    struct arena arena;
    struct ectx ec;
    enum err err;
    uint32_t inline_max_bytes; /* 0: the default */
};

void world_init(struct world *w);
void world_deinit(struct world *w);
void world_reopen(struct world *w, enum reopen how);
/* Runs the loop until nothing is pending. */
void world_settle(struct world *w);
void world_checkpoint(struct world *w);

/* A broker_done: w->err, w->ec. */
void world_done(void *ctx, enum err e, const struct ectx *ec);
enum err world_topic(struct world *w, const char *name, int32_t partitions);
enum err world_set(struct world *w, const char *topic, const char *name, const char *value);
enum err world_topic_delete(struct world *w, const char *name);
enum err world_topic_grow(struct world *w, const char *name, int32_t partitions);

/* One record with this value to one partition; waits. The offset, or -1 (w->err, w->ec). */
int64_t world_put(struct world *w, const char *topic, int32_t partition, const char *value);
/* The values of all records from `offset` on, joined by ','; in w->arena. Waits. */
struct str world_get(struct world *w, const char *topic, int32_t partition, int64_t offset);

/* A batch of one record, as a Kafka client produces it. */
struct produced {
    struct broker_produce produce;
    struct broker_produce_item item;
    struct arena arena;
    struct buf bytes;
    int done;
};
void world_produce(struct world *w, struct produced *out, const char *topic, int32_t partition,
                   const char *value);
/* As an idempotent producer, epoch 0. */
void world_produce_as(struct world *w, struct produced *out, const char *topic, int32_t partition,
                      const char *value, int64_t producer, int32_t sequence);
void produced_free(struct produced *p);
/* A member that follows what it is told without a word; it has its partitions on return. */
struct engine_member *world_join(struct world *w, const char *group, const char *topic);
/* From now on no allocation succeeds, or all do again. */
void test_fail_all_allocs(bool on);
/* As a Kafka client that is no member, or wants to be one. */
enum err world_commit(struct world *w, const char *group, const char *topic, int32_t partition,
                      int64_t offset);
enum err world_group_delete(struct world *w, const char *group);
enum err world_group_join(struct world *w, const char *group);

/* Calls and how they ended. */
struct appended {
    struct engine_append a;
    int done;
};
void world_append(struct world *w, struct appended *out); /* out->a is filled, but for done, ctx */
struct reading {
    struct engine_read r;
    struct arena arena;
    int done;
};
void world_read(struct world *w, struct reading *out, const char *topic, int64_t offset,
                uint64_t wait_ns);
void reading_free(struct world *w, struct reading *r); /* cancels or releases */
/* The values of what was read, joined by ','. */
struct str reading_values(struct world *w, const struct reading *r);
int64_t world_seek(struct world *w, const char *topic, uint64_t position);
int64_t world_seek_time(struct world *w, const char *topic, int64_t timestamp_ms);

#endif
