/*
 * Inside of the group room: what its files share.
 *
 * A group is two things at once. What is alive: members, timers, who waits for which answer. What
 * is recorded: `recorded`, the bytes of its last GROUP fact, and the offsets. Snapshots are made of
 * what is recorded only, so that an image never holds a rebalance that nobody was told of.
 */
#ifndef LEAT_GROUP_GROUP_INT_H
#define LEAT_GROUP_GROUP_INT_H

#include "core/buf.h"
#include "core/heap.h"
#include "core/list.h"
#include "core/map.h"
#include "core/slice.h"
#include "group/group.h"

/* Groups of the node; beyond: GROUP_MAX_SIZE_REACHED to a join, INVALID_COMMIT_OFFSET_SIZE to a
 * commit. */
#define GROUPS_MAX 100000u
/* Members of one group, also when group.max.size is larger: a rebalance looks at all pairs of
 * member and protocol. */
#define GROUP_MEMBERS_MAX 10000u
/* Ids given out by KIP-394 and not used yet, in one group; beyond: GROUP_MAX_SIZE_REACHED. */
#define GROUP_PENDING_MAX 10000u
/* Protocols that one member may name; beyond: INCONSISTENT_GROUP_PROTOCOL. */
#define GROUP_PROTOCOLS_MAX 64u
/* Bytes that all groups may keep, as they count in an image; beyond, answers as at GROUPS_MAX. */
#define GROUPS_BYTES_MAX (512u * 1024 * 1024)
/* A new member that waits for its first rebalance does not send heartbeats: it is given up after
 * this time, as in Kafka. */
#define GROUP_NEW_MEMBER_NS (300ull * 1000000000)

/* Planted faults: tests switch one on and must then find the damage that it does. */
struct group_faults {
    bool commit_early; /* a commit is acknowledged before it is durable */
};
#ifdef LEAT_DEBUG
extern struct group_faults group_faults;
#define GROUP_FAULT(name) (group_faults.name)
#else
#define GROUP_FAULT(name) false
#endif

#define NS_PER_MS UINT64_C(1000000)
#define NEVER     UINT64_MAX

enum group_state {
    GROUP_EMPTY,
    GROUP_PREPARING,
    GROUP_COMPLETING,
    GROUP_STABLE,
    GROUP_DEAD,
    GROUP_STATE_COUNT
};

/* Always in the heap while its owner lives; NEVER when it does not run. So arming cannot fail. */
enum timer_kind { TIMER_MEMBER, TIMER_PENDING, TIMER_PHASE };
struct group_timer {
    struct heap_node node;
    enum timer_kind kind;
};

struct group_protocol {
    struct str name, metadata; /* owned */
};

struct group_member {
    struct list link; /* in group->members, in order of arrival */
    struct group *group;
    struct str id;
    struct str instance_id; /* null: dynamic */
    struct str client_id, client_host;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct group_protocol *protocols;
    size_t protocol_count;
    struct str assignment;
    struct str next_assignment; /* on its way to the disk */
    bool is_new;                /* waits for its first rebalance */
    bool awaiting_join, awaiting_sync;
    bool needs_sync; /* was told of this generation and has not sent SyncGroup yet */
    struct groups_ticket *join_ticket, *sync_ticket; /* NULL: nobody listens (any more) */
    struct group_timer session;
};

/* An id that was given out and not used yet (KIP-394). */
struct group_pending {
    struct list link;
    struct group *group;
    struct str id;
    struct group_timer timer;
};

struct offset_entry {
    int64_t offset;
    int32_t leader_epoch;
    struct str metadata;  /* owned, never null */
    int64_t retention_ms; /* asked for by the client (v2-4); -1 */
    int64_t committed_ns; /* as state_since_ns */
};
struct offset_topic {
    struct str name;
    struct uuid id;
    struct map partitions; /* index -> struct offset_entry */
};

struct group {
    struct groups *owner;
    struct list link;      /* in owner->all */
    struct list owed_link; /* in owner->owed: a fact could not be written yet */
    struct str id;
    enum group_state state;
    int64_t state_since_ns; /* monotonic; negative: before this boot */

    int32_t generation;
    /* Numbers of generations are recorded before they are told, so that none is used twice:
     * `leased` is the largest one in a fact, `lease` the one to be used next (0: none). */
    int32_t leased, lease;
    bool lease_in_flight;

    struct str protocol_type; /* null: simple consumers only */
    struct str protocol_name; /* null: none chosen */
    struct group_member *leader;
    struct list members;
    size_t member_count, awaiting_join_count, needs_sync_count;
    struct map by_id;       /* member id -> member */
    struct map by_instance; /* instance id -> member */
    struct list pending;
    size_t pending_count;

    struct group_timer phase; /* join phase, or members that do not sync */
    bool initial;             /* PREPARING: from EMPTY, by the initial delay */
    bool new_member_added;
    bool join_forced; /* its time is over: complete as soon as the number is recorded */
    uint64_t initial_left_ns, initial_delay_ns;
    int32_t assigning; /* the generation whose assignment is on its way to the disk; 0: none */

    bool owes_lease, owes_record;
    uint8_t *recorded;
    size_t recorded_n;

    int32_t owned; /* owner.c: the number of the owner, a service of the server; 0: none */
    uint32_t late; /* commits of the owner that are durable, and not applied for lack of memory */

    struct map topics; /* name -> struct offset_topic */
    size_t offset_count;
    size_t in_flight; /* operations; a group with some is not freed */
};

enum op_kind {
    OP_COMMIT,
    OP_LEASE,
    OP_ASSIGN,  /* the leader's assignment */
    OP_REPLACE, /* a static member took over */
    OP_RECORD,  /* the group became empty */
    OP_DELETE,  /* the group */
    OP_OFFSETS, /* offsets deleted */
    OP_OWN,     /* the number of an owner */
    OP_CARRIED  /* a commit that somebody else's frame carries */
};

/* A fact on its way to the disk. */
struct group_op {
    struct list link; /* in owner->ops */
    struct groups *owner;
    struct group *group;
    enum op_kind kind;
    int32_t generation;
    struct groups_ticket *ticket;
    struct buf fact;
    struct str member_id, old_leader; /* OP_REPLACE, owned */
    bool can_skip;
    bool late; /* OP_CARRIED: durable, and not applied yet */
};

struct groups {
    struct env *env;
    struct metrics *metrics;
    struct store *store;
    struct map by_id;
    struct list all, owed, ops;
    size_t count;
    uint32_t late; /* operations */
    uint64_t bytes;
    struct heap timers;
    bool dirty, stopping, live; /* live: recovery is over */
    uint64_t next_check_ns;
    /* configuration */
    int32_t session_min_ms, session_max_ms, max_size, metadata_max;
    uint64_t initial_delay_ns, retention_ns, check_interval_ns;
    struct metric *rebalances, *commits, *expired, *offsets_expired;
};

/* table.c: groups and owned strings */
struct group *group_find(const struct groups *g, struct str id);
struct group *group_make(struct groups *g, struct str id); /* NULL: limit or memory */
void group_free(struct group *gr);
/* Takes a group that holds nothing out of the table. */
void group_free_if_unused(struct group *gr);
bool str_own(struct str *to, struct str from); /* replaces; a null stays null */
void str_disown(struct str *s);
uint64_t groups_now(const struct groups *g);
void timer_set(struct groups *g, struct group_timer *t, uint64_t at_ns);
void group_set_state(struct group *gr, enum group_state state);
const char *group_state_name(enum group_state s);
/* In debug builds: what must hold in the group's state. */
void group_check(const struct group *gr);

/* member.c */
struct group_member *member_find(const struct group *gr, struct str id);
struct group_member *member_find_static(const struct group *gr, struct str instance_id);
/* NULL: out of memory. */
struct group_member *member_add(struct group *gr, struct str id, const struct groups_join *j);
void member_remove(struct group_member *m); /* its waiting calls must be answered already */
MUST_USE enum err member_update(struct group_member *m, const struct groups_join *j);
bool member_same_protocols(const struct group_member *m, const struct groups_join *j);
/* KIP-345: the id changes, whoever waits under the old one is fenced. */
MUST_USE enum err member_replace(struct group_member *m, struct str new_id);
MUST_USE enum err member_validate(const struct group *gr, struct str id, struct str instance_id);
void member_touch(struct group_member *m); /* a sign of life */
struct group_pending *group_pending_find(const struct group *gr, struct str id);
struct group_pending *group_pending_add(struct group *gr, struct str id, int32_t timeout_ms);
void group_pending_remove(struct group_pending *p);
struct str member_protocol(const struct group_member *m, struct str name);
bool group_supports(const struct group *gr, const struct groups_join *j);
struct str group_vote(const struct group *gr); /* the protocol that most members prefer */
uint64_t group_rebalance_ns(const struct group *gr);

/* answer.c */
void ticket_take(struct groups_ticket **slot, struct groups_ticket *t);
void ticket_answer(struct groups_ticket **slot, const struct groups_answer *a);
void ticket_fail(struct groups_ticket *t, enum err e);
void member_await_join(struct group_member *m, struct groups_ticket *t);
void member_await_sync(struct group_member *m, struct groups_ticket *t);
void member_answer_join(struct group_member *m, const struct groups_answer *a);
void member_fail_join(struct group_member *m, enum err e, struct str member_id);
/* The generation as it is; members only if `with_members`. */
void member_answer_generation(struct group_member *m, bool with_members, struct str leader,
                              bool skip);
void member_answer_sync(struct group_member *m, enum err e);
void group_fail_syncs(struct group *gr, enum err e); /* all of them; assignments are forgotten */

/* rebalance.c */
void group_prepare(struct group *gr); /* a rebalance begins */
void group_rebalance_or_complete(struct group *gr);
void group_maybe_complete_join(struct group *gr);
void group_complete_join(struct group *gr);
void group_phase_due(struct group *gr);
void group_lease_done(struct group *gr);
void group_remove_member(struct group_member *m);   /* with all that follows */
void group_remove_pending(struct group_pending *p); /* the same */
void group_synced(struct group_member *m);          /* it has sent SyncGroup */

/* record.c */
MUST_USE enum err group_append(struct group *gr, enum op_kind kind, struct group_op *op,
                               struct groups_ticket *t);
struct group_op *op_make(struct group *gr);
void op_free(struct group_op *op);
void group_want_lease(struct group *gr);
void group_want_record(struct group *gr);
MUST_USE enum err group_record_assignment(struct group *gr);
MUST_USE enum err group_record_replaced(struct group_member *m, struct str old_leader,
                                        bool can_skip);
void groups_pay_owed(struct groups *g);

/* facts.c */
enum group_fact {
    FACT_COMMIT = 1,
    FACT_GROUP = 2,
    FACT_GENERATION = 3,
    FACT_DELETE = 4,
    FACT_OFFSETS_DELETE = 5
};
void fact_group(struct buf *out, const struct group *gr, bool use_next);
/* Applies a fact to what is recorded and to the offsets. Members only in recovery. */
MUST_USE enum err fact_apply(struct groups *g, struct slice body, struct ectx *ec);

/* owner.c */
void owner_recorded(struct group_op *op); /* its number is durable */
/* Applies commits that wait for memory; false: some still do. No image is made then: it would lack
 * them, and with it the facts in the log would be gone. */
bool owner_apply_late(struct groups *g);

/* offsets.c */
/* Puts the items that may be committed into a COMMIT fact; how many they are. */
uint32_t commit_fact(struct group *gr, struct groups_commit *c, struct buf *out);
void offsets_free(struct group *gr);
MUST_USE enum err offset_put(struct group *gr, struct str topic, struct uuid id, int32_t partition,
                             const struct groups_offset *o, int64_t retention_ms,
                             int64_t committed_ns);
void offset_remove(struct group *gr, struct str topic, int32_t partition);
void offsets_remove_topic(struct group *gr, struct str topic);
/* Expired offsets and groups that hold nothing any more. */
void offsets_expire(struct groups *g, uint64_t now_ns);

/* describe.c */
bool group_subscribed(const struct group *gr, struct str topic);

#endif
