/*
 * Consumer groups: the classic protocol (join, sync, heartbeat, leave; static members of KIP-345)
 * and committed offsets. A coordinator per group as a state machine: Empty -> PreparingRebalance ->
 * CompletingRebalance -> Stable -> ... -> Dead, as Kafka's.
 *
 * Durable (facts, tag STORE_TAG_GROUPS): committed offsets with metadata and leader epoch, group
 * generation and members as of the last completed rebalance (so that a restart does not need one),
 * deletions. A commit or a rebalance result is told only after its frame is durable. Time comes
 * from env; groups_tick drives session timeouts, rebalance timeouts, offset expiry.
 *
 * All functions on the loop. Strings passed in are copied if kept. Calls that append require
 * store_ready().
 */
#ifndef LEAT_GROUP_GROUP_H
#define LEAT_GROUP_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "core/uuid.h"
#include "env/env.h"
#include "metrics/metrics.h"
#include "store/store.h"

struct groups;

MUST_USE enum err groups_create(struct env *env, const struct config *config,
                                struct metrics *metrics, struct groups **out);
void groups_destroy(struct groups *g);
/* The server stops: every waiting join and sync is answered (their connections may be gone
 * already). Before store_close. */
void groups_stop(struct groups *g);
struct store_participant groups_participant(struct groups *g);
void groups_attach(struct groups *g, struct store *store);
/* Runs what is due and returns when to call again (monotonic ns; UINT64_MAX: nothing is waiting).
 * The server also calls it whenever that time may have moved (after each turn in which groups_dirty
 * is true). */
uint64_t groups_tick(struct groups *g, uint64_t now_ns);
bool groups_dirty(const struct groups *g);
/* A topic is gone: its offsets go too. */
void groups_topic_deleted(struct groups *g, struct str topic);

/* The rest of the contract (join, sync, heartbeat, leave, commit, fetch, list, describe, delete)
 * follows here; plain arguments, completion by callback with ctx, errors as enum err. */

#endif
