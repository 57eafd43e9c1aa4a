/* What the tests of the group room share: a simulated machine with a real store, and clients that
 * remember their last answer. */
#ifndef LEAT_TEST_GROUP_WORLD_H
#define LEAT_TEST_GROUP_WORLD_H

#include <stdio.h>
#include <string.h>

#include "env/env_sim.h"
#include "group/group_int.h"
#include "store/store.h"

struct world {
    struct env *env;
    struct env_poll *poll;
    struct store *store;
    struct store_config store_cfg;
    struct config config;
    struct metrics *metrics;
    struct groups *groups;
    struct ectx ec;
    uint32_t failures;
};

/* A member, or whoever commits. */
struct client {
    struct groups_ticket ticket;
    const char *group, *instance, *id; /* id: the client id */
    const char *protocols[4];          /* NULL ends; none: "range" */
    const char *topics;                /* subscription; NULL: bytes that are no subscription */
    bool old;                          /* joins without KIP-394 */
    bool can_skip;
    int32_t session_ms, rebalance_ms; /* 0: 10 s and 20 s */
    /* the last answer */
    uint32_t answers;
    enum err err;
    int32_t generation;
    char member[128], leader[128], protocol[32], type[32], assignment[64];
    size_t members;
    bool skip;
};

void world_init(struct world *w, uint64_t seed);
void world_set(struct world *w, const char *name, const char *value); /* before world_open */
void world_deinit(struct world *w);
enum err world_open(struct world *w);
void world_close(struct world *w);
void world_cut(struct world *w, uint64_t choice);
void world_settle(struct world *w);           /* until nothing moves, in no time */
void world_run(struct world *w, uint64_t ms); /* time passes */
void world_checkpoint(struct world *w);

/* Sends and returns; the answer may be there already. */
void client_join(struct world *w, struct client *c);
/* With "assignment of NAME" for each member given; NULL ends. */
void client_sync(struct world *w, struct client *c, const struct client *const *members);
/* Both steps of KIP-394 until it waits for the rebalance. */
void client_enter(struct world *w, struct client *c);
enum err client_beat(struct world *w, const struct client *c);
enum err client_leave(struct world *w, const struct client *c);
/* Waits for the answer. */
enum err client_commit(struct world *w, struct client *c, const char *topic, int32_t partition,
                       int64_t offset);
/* As nobody: a simple consumer. */
enum err simple_commit(struct world *w, const char *group, const char *topic, int32_t partition,
                       int64_t offset, int64_t retention_ms);
/* -1: none. */
int64_t committed(struct world *w, const char *group, const char *topic, int32_t partition);
/* Takes a group of n clients to Stable. */
void stable(struct world *w, struct client *c, size_t n);
const char *state_of(struct world *w, const char *group);
struct uuid topic_id(const char *topic);

#endif
