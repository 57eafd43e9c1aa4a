/*
 * What the tests of this room share: a simulated machine with a store and a broker on it, calls
 * that wait for their end, and batches of idempotent producers.
 */
#ifndef LEAT_TEST_BROKER_WORLD_H
#define LEAT_TEST_BROKER_WORLD_H

#include <string.h>

#include "broker/broker.h"
#include "core/mem.h"
#include "env/env_sim.h"
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
    struct arena arena;
    enum err err; /* of the last call that ended */
    struct ectx ec;
    int ended; /* calls that ended */
    int64_t low;
    struct broker_producer_id pid;
};

void world_init(struct world *w);
void world_deinit(struct world *w);
void world_reopen(struct world *w, enum reopen how);
/* Runs the loop until nothing is pending. */
void world_settle(struct world *w);
void world_checkpoint(struct world *w);
/* A broker_done. */
void world_done(void *ctx, enum err e, const struct ectx *ec);

/* Each waits for its end and gives its result. */
enum err world_create(struct world *w, const char *name, int32_t partitions);
enum err world_delete(struct world *w, const char *name);
enum err world_set(struct world *w, const char *topic, const char *key, const char *value);
struct partition *world_part(struct world *w, const char *topic, int32_t index);

/* One batch of one partition. pid -1: without a producer. */
struct send {
    int64_t pid;
    int16_t epoch;
    int32_t sequence, count;
};
struct sent {
    struct broker_produce produce;
    struct broker_produce_item item;
    struct arena arena;
    struct buf bytes;
    bool done;
};
void world_send_start(struct world *w, struct partition *p, struct send what, struct sent *out);
void sent_free(struct sent *s);
/* Sends, waits, and returns the error; *offset as answered. */
enum err world_send(struct world *w, struct partition *p, struct send what, int64_t *offset);

#endif
