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

/* After the start, when the topics are known: offsets of topics that are not there (any more, or
 * with another id) are forgotten. A topic and its offsets are in different facts, and a crash may
 * come between them. */
void groups_forget_topics(struct groups *g,
                          bool (*exists)(void *ctx, struct str topic, struct uuid id), void *ctx);

/* ---- Answers that come later
 * ------------------------------------------------------------------------------ */

struct groups_member_view {
    struct str member_id, instance_id; /* instance_id null: not a static member */
    struct str metadata;
};
/* What join, sync and the calls that append are answered with. Views are valid during the call. */
struct groups_answer {
    enum err err;
    /* join */
    int32_t generation;
    struct str protocol_type, protocol_name; /* null if there is none */
    struct str leader, member_id;
    bool skip_assignment; /* KIP-814 */
    const struct groups_member_view *members;
    size_t member_count;
    /* sync */
    struct str assignment;
};
/* A place for one answer, in the caller's memory until `done` was called (perhaps before the call
 * that took it returns) or groups_ticket_drop. */
struct groups_ticket {
    void (*done)(struct groups_ticket *t, const struct groups_answer *a);
    struct groups_ticket **slot; /* the room's */
};
/* The caller went away: `done` is not called any more. What was begun goes on. Harmless after
 * done. */
void groups_ticket_drop(struct groups_ticket *t);

/* ---- Membership
 * ------------------------------------------------------------------------------------------- */

struct groups_protocol {
    struct str name, metadata;
};
struct groups_join {
    struct str group_id, member_id;
    struct str instance_id; /* null: a dynamic member */
    struct str client_id, client_host;
    struct str protocol_type;
    const struct groups_protocol *protocols; /* in the member's order of preference */
    size_t protocol_count;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    bool needs_member_id; /* KIP-394 (v4+): a first join is told its id and comes again */
    bool can_skip;        /* KIP-814 (v9+): understands skip_assignment */
};
/* Answered when the rebalance is complete. A second join of the same member makes the first one
 * end with ERR_REBALANCE_IN_PROGRESS. */
void groups_join(struct groups *g, const struct groups_join *j, struct groups_ticket *t);

struct groups_assignment {
    struct str member_id, assignment;
};
struct groups_sync {
    struct str group_id, member_id;
    struct str instance_id;                  /* null: none */
    struct str protocol_type, protocol_name; /* null: the request does not say */
    int32_t generation;
    const struct groups_assignment *assignments; /* from the leader */
    size_t assignment_count;
};
/* Answered when the leader's assignment is durable. */
void groups_sync(struct groups *g, const struct groups_sync *s, struct groups_ticket *t);

MUST_USE enum err groups_heartbeat(struct groups *g, struct str group_id, struct str member_id,
                                   struct str instance_id, int32_t generation);
/* Is there a group to leave? Otherwise the error of the whole request. */
MUST_USE enum err groups_leave_check(struct groups *g, struct str group_id);
/* One member; member_id "" with an instance id: an administrator removes a static member. */
MUST_USE enum err groups_leave(struct groups *g, struct str group_id, struct str member_id,
                               struct str instance_id);

/* ---- Offsets
 * ---------------------------------------------------------------------------------------------- */

struct groups_offset {
    int64_t offset;
    int32_t leader_epoch; /* -1: not known */
    struct str metadata;
};
struct groups_commit_item {
    struct str topic;
    struct uuid topic_id; /* of the topic as it is now: a topic made again does not inherit */
    int32_t partition;
    struct groups_offset offset;
    enum err err; /* set by groups_commit; items that have one already are left out */
};
struct groups_commit {
    struct str group_id, member_id, instance_id;
    int32_t generation;               /* -1: no member (a simple consumer, an administrator) */
    int64_t retention_ms;             /* v2-4; -1: as configured */
    bool unknown_group_has_code;      /* v9+: GROUP_ID_NOT_FOUND rather than ILLEGAL_GENERATION */
    struct groups_commit_item *items; /* must live until the answer */
    size_t count;
};
/* The answer's error is that of the whole request; else each item has its own. */
void groups_commit(struct groups *g, struct groups_commit *c, struct groups_ticket *t);
/* A durable commit; false: none. Views are valid until the next call. */
bool groups_offset_get(struct groups *g, struct str group_id, struct str topic, int32_t partition,
                       struct groups_offset *out);
struct groups_offset_row {
    struct str topic;
    struct uuid topic_id;
    int32_t partition;
    struct groups_offset offset;
};
/* All of a group, sorted by topic and partition; NULL: over the arena's budget. A group that is not
 * there has none. */
struct groups_offset_row *groups_offsets(struct groups *g, struct str group_id, struct arena *a,
                                         size_t *count);
struct groups_offset_name {
    struct str topic;
    int32_t partition;
    enum err err; /* as in groups_commit_item */
};
void groups_offsets_delete(struct groups *g, struct str group_id, struct groups_offset_name *items,
                           size_t count, struct groups_ticket *t);

/* ---- Groups that a service of the server owns
 * ------------------------------------------------------------- */

/*
 * Makes the caller the only one who commits to the group, in frames of its own: consumers may not
 * join it, nor others commit, and nothing of it expires. A group that has an owner is taken over:
 * from this call on the number before commits nothing any more. *number is above all before it, for
 * the life of the group, and the ticket is answered when that is durable (the answer's generation
 * is the number). Nothing is asked, and the ticket not taken, on an error: ERR_NON_EMPTY_GROUP
 * (consumers are in it), ERR_AGAIN (no room in the log), ERR_LIMIT, ERR_NO_MEMORY, ERR_STOPPED.
 */
MUST_USE enum err groups_own(struct groups *g, struct str group_id, int32_t *number,
                             struct groups_ticket *t, struct ectx *ec);
/* Harmless if another number owns it by now. */
void groups_disown(struct groups *g, struct str group_id, int32_t number);
/* A commit of the owner, to be carried by a frame of somebody else's: *fact goes into it with
 * STORE_TAG_GROUPS. Then either groups_carried (the frame is durable) or groups_carry_drop (there
 * was no frame). Of `c`: group_id, generation (the number), items. ERR_FENCED: another has it. */
struct group_op;
MUST_USE enum err groups_carry(struct groups *g, struct groups_commit *c, struct group_op **out,
                               struct str *fact, struct ectx *ec);
void groups_carried(struct group_op *op);
void groups_carry_drop(struct group_op *op);

/* ---- Seeing and deleting groups
 * ----------------------------------------------------------------------- */

struct groups_listing {
    struct str group_id, protocol_type;
    const char *state; /* Kafka's name */
};
/* Sorted by id. NULL: over the arena's budget. */
struct groups_listing *groups_list(struct groups *g, struct arena *a, size_t *count);
struct groups_member_info {
    struct str member_id, instance_id, client_id, client_host, metadata, assignment;
};
struct groups_info {
    const char *state;
    struct str protocol_type, protocol_name;
    struct groups_member_info *members;
    size_t member_count;
};
/* ERR_GROUP_ID_NOT_FOUND; ERR_LIMIT: over the arena's budget. Strings are views, valid until the
 * next call. */
MUST_USE enum err groups_describe(struct groups *g, struct str group_id, struct arena *a,
                                  struct groups_info *out);
/* ERR_NON_EMPTY_GROUP, ERR_GROUP_ID_NOT_FOUND; answered when durable. */
void groups_delete(struct groups *g, struct str group_id, struct groups_ticket *t);

#endif
