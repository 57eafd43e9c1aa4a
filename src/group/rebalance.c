/*
 * The rebalance: PREPARING collects joins, COMPLETING waits for the leader's assignment. The steps
 * and their conditions are those of Apache Kafka's classic group coordinator, so that clients meet
 * what they were tested with.
 *
 * One step is ours: the number of the next generation is recorded in the log before any member is
 * told (group_want_lease). It is asked for when the rebalance begins and is nearly always there
 * when the last member joins; until then the group stays in PREPARING, where everything is allowed
 * that is always allowed there.
 */
#include "core/check.h"
#include "core/log.h"
#include "group/group_int.h"

#define RETRY_NS (100ull * 1000000) /* after a failed allocation */

static bool all_joined(const struct group *gr)
{
    return gr->member_count == gr->awaiting_join_count && gr->pending_count == 0;
}

static void set_phase_timer(struct group *gr, uint64_t in_ns)
{
    timer_set(gr->owner, &gr->phase, groups_now(gr->owner) + in_ns);
}

static void forget_syncs(struct group *gr)
{
    LIST_FOR_EACH (l, next, &gr->members) {
        CONTAINER_OF(l, struct group_member, link)->needs_sync = false;
    }
    gr->needs_sync_count = 0;
}

void group_prepare(struct group *gr)
{
    struct groups *g = gr->owner;
    if (gr->state == GROUP_COMPLETING) {
        group_fail_syncs(gr, ERR_REBALANCE_IN_PROGRESS);
    }
    forget_syncs(gr);
    timer_set(g, &gr->phase, NEVER);
    gr->join_forced = false;
    gr->initial = gr->state == GROUP_EMPTY;
    gr->new_member_added = false;
    group_set_state(gr, GROUP_PREPARING);
    group_want_lease(gr);
    if (gr->initial) {
        uint64_t all = group_rebalance_ns(gr);
        gr->initial_delay_ns = g->initial_delay_ns;
        gr->initial_left_ns = all > g->initial_delay_ns ? all - g->initial_delay_ns : 0;
        set_phase_timer(gr, g->initial_delay_ns);
    } else if (all_joined(gr)) {
        group_complete_join(gr);
    } else {
        set_phase_timer(gr, group_rebalance_ns(gr));
    }
}

void group_rebalance_or_complete(struct group *gr)
{
    if (gr->state == GROUP_PREPARING) {
        group_maybe_complete_join(gr);
    } else {
        group_prepare(gr);
    }
}

void group_maybe_complete_join(struct group *gr)
{
    if (gr->state == GROUP_PREPARING && !gr->initial && all_joined(gr)) {
        group_complete_join(gr);
    }
}

/* A member goes, and whoever waits under its name is told. */
static void evict(struct group_member *m)
{
    member_fail_join(m, ERR_UNKNOWN_MEMBER_ID, STR_LIT(""));
    member_answer_sync(m, ERR_UNKNOWN_MEMBER_ID);
    member_remove(m);
}

/* The leader stays if it joined again; else any member that did. */
static bool elect_leader(struct group *gr)
{
    if (gr->leader != NULL && gr->leader->awaiting_join) {
        return true;
    }
    LIST_FOR_EACH (l, next, &gr->members) {
        struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        if (m->awaiting_join) {
            gr->leader = m;
            return true;
        }
    }
    return false;
}

static void become_empty(struct group *gr)
{
    if (gr->lease != 0) {
        gr->generation = gr->lease;
        gr->lease = 0;
    }
    str_disown(&gr->protocol_name);
    timer_set(gr->owner, &gr->phase, NEVER);
    group_set_state(gr, GROUP_EMPTY);
    group_want_record(gr);
}

static void begin_generation(struct group *gr)
{
    gr->generation = gr->lease;
    gr->lease = 0;
    gr->initial = false;
    gr->join_forced = false;
    metric_add(gr->owner->rebalances, 1);
    LIST_FOR_EACH (l, next, &gr->members) {
        CONTAINER_OF(l, struct group_member, link)->needs_sync = true;
    }
    gr->needs_sync_count = gr->member_count;
    group_set_state(gr, GROUP_COMPLETING);
    set_phase_timer(gr, group_rebalance_ns(gr));
    LOG_DEBUG("group.rebalanced", KV_STR("group", gr->id), KV_I64("generation", gr->generation),
              KV_U64("members", gr->member_count), KV_STR("protocol", gr->protocol_name));
    struct str leader = gr->leader->id;
    LIST_FOR_EACH (l, next, &gr->members) {
        struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        m->is_new = false;
        member_touch(m);
        member_answer_generation(m, m == gr->leader, leader, false);
    }
}

void group_complete_join(struct group *gr)
{
    CHECK(gr->state == GROUP_PREPARING);
    if (gr->awaiting_join_count > 0 && gr->lease == 0) {
        group_want_lease(gr); /* group_lease_done comes back here */
        return;
    }
    LIST_FOR_EACH (l, next, &gr->members) {
        struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        if (!m->awaiting_join && str_is_null(m->instance_id)) {
            evict(m);
        }
    }
    gr->join_forced = false;
    if (gr->member_count == 0) {
        become_empty(gr);
    } else if (!elect_leader(gr)) {
        /* Only static members, and none is back: wait until their sessions decide. */
        gr->initial = false;
        set_phase_timer(gr, group_rebalance_ns(gr));
    } else if (!str_own(&gr->protocol_name, group_vote(gr)) || str_is_null(gr->protocol_name)) {
        gr->initial = false;
        set_phase_timer(gr, RETRY_NS);
    } else {
        begin_generation(gr);
    }
}

static void initial_delay_over(struct group *gr)
{
    if (gr->new_member_added && gr->initial_left_ns > 0) {
        /* Members are still arriving: wait as long again, at most a rebalance timeout in all. */
        uint64_t delay = gr->owner->initial_delay_ns < gr->initial_left_ns
                             ? gr->owner->initial_delay_ns
                             : gr->initial_left_ns;
        gr->new_member_added = false;
        gr->initial_left_ns -= delay;
        set_phase_timer(gr, delay);
        return;
    }
    gr->join_forced = true;
    group_complete_join(gr);
}

/* Members that were told of the generation and did not come for their assignment. */
static void sync_time_over(struct group *gr)
{
    if (gr->needs_sync_count == 0) {
        return;
    }
    LIST_FOR_EACH (l, next, &gr->members) {
        struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        if (m->needs_sync) {
            metric_add(gr->owner->expired, 1);
            evict(m);
        }
    }
    group_prepare(gr);
}

void group_phase_due(struct group *gr)
{
    switch (gr->state) {
    case GROUP_PREPARING:
        if (gr->initial) {
            initial_delay_over(gr);
        } else {
            gr->join_forced = true;
            group_complete_join(gr);
        }
        break;
    case GROUP_COMPLETING:
    case GROUP_STABLE:
        sync_time_over(gr);
        break;
    case GROUP_EMPTY:
    case GROUP_DEAD:
    case GROUP_STATE_COUNT:
        break;
    }
}

void group_lease_done(struct group *gr)
{
    if (gr->state != GROUP_PREPARING) {
        return;
    }
    if (gr->join_forced) {
        group_complete_join(gr);
    } else {
        group_maybe_complete_join(gr);
    }
}

void group_remove_member(struct group_member *m)
{
    struct group *gr = m->group;
    evict(m);
    if (gr->state == GROUP_STABLE || gr->state == GROUP_COMPLETING) {
        group_prepare(gr);
    } else {
        group_maybe_complete_join(gr);
    }
}

void group_remove_pending(struct group_pending *p)
{
    struct group *gr = p->group;
    group_pending_remove(p);
    group_maybe_complete_join(gr);
}

void group_synced(struct group_member *m)
{
    struct group *gr = m->group;
    if (!m->needs_sync) {
        return;
    }
    m->needs_sync = false;
    if (--gr->needs_sync_count == 0 &&
        (gr->state == GROUP_COMPLETING || gr->state == GROUP_STABLE)) {
        timer_set(gr->owner, &gr->phase, NEVER);
    }
}
