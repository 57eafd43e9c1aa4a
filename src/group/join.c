/* JoinGroup: who may join, under which id, and whether that begins a rebalance. The order of the
 * checks is Kafka's; it decides which error a client sees. */
#include <stdio.h>

#include "core/check.h"
#include "core/mem.h"
#include "group/group_int.h"

static void fail(struct groups_ticket *t, enum err e, struct str member_id)
{
    struct groups_answer a = {.err = e, .generation = -1, .member_id = member_id};
    t->slot = NULL;
    t->done(t, &a);
}

/* group.max.size. */
static bool has_room(const struct group *gr, struct str member_id)
{
    size_t max = (size_t)gr->owner->max_size;
    max = max < GROUP_MEMBERS_MAX ? max : GROUP_MEMBERS_MAX;
    const struct group_member *m = member_find(gr, member_id);
    switch (gr->state) {
    case GROUP_PREPARING:
        return (m != NULL && m->awaiting_join) || gr->awaiting_join_count < max;
    case GROUP_COMPLETING:
    case GROUP_STABLE:
        return m != NULL || gr->member_count < max;
    case GROUP_EMPTY:
    case GROUP_DEAD:
    case GROUP_STATE_COUNT:
        break;
    }
    return true;
}

/* "<client or instance>-<uuid>"; in *out, to be freed with str_disown. */
static bool make_member_id(struct groups *g, const struct groups_join *j, struct str *out)
{
    uint8_t random[16];
    char text[UUID_TEXT_SIZE];
    env_random(g->env, random, sizeof(random));
    uuid_format(uuid_v4(random), text);
    struct buf b;
    buf_init(&b, 64 * 1024);
    buf_put_str(&b, str_is_null(j->instance_id) ? j->client_id : j->instance_id);
    buf_put_u8(&b, '-');
    buf_put_z(&b, text);
    bool ok = !buf_failed(&b) && str_own(out, buf_str(&b));
    buf_deinit(&b);
    return ok;
}

static void add_member(struct group *gr, struct str id, const struct groups_join *j,
                       struct groups_ticket *t)
{
    if (gr->owner->bytes >= GROUPS_BYTES_MAX) {
        fail(t, ERR_GROUP_MAX_SIZE_REACHED, STR_LIT(""));
        return;
    }
    struct group_member *m = member_add(gr, id, j);
    if (m == NULL) {
        fail(t, ERR_COORDINATOR_NOT_AVAILABLE, id);
        return;
    }
    m->is_new = true;
    if (gr->state == GROUP_PREPARING && gr->initial) {
        gr->new_member_added = true;
    }
    timer_set(gr->owner, &m->session, groups_now(gr->owner) + GROUP_NEW_MEMBER_NS);
    member_await_join(m, t);
    group_rebalance_or_complete(gr);
}

static void update_member(struct group_member *m, const struct groups_join *j,
                          struct groups_ticket *t)
{
    if (member_update(m, j) != ERR_OK) {
        fail(t, ERR_COORDINATOR_NOT_AVAILABLE, m->id);
        return;
    }
    member_await_join(m, t);
    group_rebalance_or_complete(m->group);
}

/* The generation goes on and the static member has its place back: that only needs to be stored. */
static void static_in_stable(struct group_member *m, struct str old_leader,
                             const struct groups_join *j)
{
    struct group *gr = m->group;
    if (!str_eq(gr->protocol_name, group_vote(gr))) {
        group_prepare(gr);
        return;
    }
    enum err e = group_record_replaced(m, old_leader, j->can_skip);
    if (e != ERR_OK) {
        member_fail_join(m, e == ERR_LIMIT ? e : ERR_COORDINATOR_NOT_AVAILABLE, m->id);
    }
}

static void static_returns(struct group_member *m, struct str new_id, const struct groups_join *j,
                           struct groups_ticket *t)
{
    struct group *gr = m->group;
    struct str old_leader = STR_NULL;
    bool ok = gr->leader == NULL || str_own(&old_leader, gr->leader->id);
    ok = ok && member_update(m, j) == ERR_OK && member_replace(m, new_id) == ERR_OK;
    if (!ok) {
        str_disown(&old_leader);
        fail(t, ERR_COORDINATOR_NOT_AVAILABLE, STR_LIT(""));
        return;
    }
    member_touch(m);
    member_await_join(m, t);
    switch (gr->state) {
    case GROUP_STABLE:
        static_in_stable(m, old_leader, j);
        break;
    case GROUP_COMPLETING:
        /* The leader may be making an assignment for the old id: it would be lost. */
        group_prepare(gr);
        break;
    case GROUP_PREPARING:
        group_maybe_complete_join(gr);
        break;
    case GROUP_EMPTY:
    case GROUP_DEAD:
    case GROUP_STATE_COUNT:
        CHECK(false);
    }
    str_disown(&old_leader);
}

static void give_member_id(struct group *gr, struct str id, const struct groups_join *j,
                           struct groups_ticket *t)
{
    if (gr->pending_count >= GROUP_PENDING_MAX) {
        fail(t, ERR_GROUP_MAX_SIZE_REACHED, STR_LIT(""));
    } else if (group_pending_add(gr, id, j->session_timeout_ms) == NULL) {
        fail(t, ERR_COORDINATOR_NOT_AVAILABLE, STR_LIT(""));
    } else {
        fail(t, ERR_MEMBER_ID_REQUIRED, id);
    }
}

static void join_new(struct group *gr, const struct groups_join *j, struct groups_ticket *t)
{
    struct str id = STR_NULL;
    if (!group_supports(gr, j)) {
        fail(t, ERR_INCONSISTENT_GROUP_PROTOCOL, STR_LIT(""));
        return;
    }
    if (!make_member_id(gr->owner, j, &id)) {
        fail(t, ERR_COORDINATOR_NOT_AVAILABLE, STR_LIT(""));
        return;
    }
    struct group_member *known = member_find_static(gr, j->instance_id);
    if (known != NULL) {
        static_returns(known, id, j, t);
    } else if (str_is_null(j->instance_id) && j->needs_member_id) {
        give_member_id(gr, id, j, t);
    } else {
        add_member(gr, id, j, t);
    }
    str_disown(&id);
}

/* A member joins in the generation that it is in: it may have missed the answer. */
static void tell_again(struct group_member *m, struct groups_ticket *t)
{
    struct group *gr = m->group;
    bool leads = gr->leader == m && gr->state == GROUP_COMPLETING;
    struct str leader = gr->leader->id;
    member_touch(m);
    member_await_join(m, t);
    member_answer_generation(m, leads, leader, false);
}

static void join_again(struct group *gr, const struct groups_join *j, struct groups_ticket *t)
{
    if (!group_supports(gr, j)) {
        fail(t, ERR_INCONSISTENT_GROUP_PROTOCOL, j->member_id);
        return;
    }
    struct group_pending *p = group_pending_find(gr, j->member_id);
    if (p != NULL && str_is_null(j->instance_id)) {
        group_pending_remove(p);
        add_member(gr, j->member_id, j, t);
        return;
    }
    enum err e = member_validate(gr, j->member_id, j->instance_id);
    struct group_member *m = e == ERR_OK ? member_find(gr, j->member_id) : NULL;
    if (m == NULL) {
        fail(t, e, j->member_id);
        return;
    }
    switch (gr->state) {
    case GROUP_PREPARING:
        update_member(m, j, t);
        break;
    case GROUP_COMPLETING:
    case GROUP_STABLE:
        if (!member_same_protocols(m, j) || (gr->state == GROUP_STABLE && gr->leader == m)) {
            /* A leader joins again to make the group rebalance (a topic has new partitions). */
            update_member(m, j, t);
        } else {
            tell_again(m, t);
        }
        break;
    case GROUP_EMPTY:
    case GROUP_DEAD:
    case GROUP_STATE_COUNT:
        fail(t, ERR_UNKNOWN_MEMBER_ID, j->member_id);
        break;
    }
}

void groups_join(struct groups *g, const struct groups_join *j, struct groups_ticket *t)
{
    if (j->group_id.n == 0) {
        fail(t, ERR_INVALID_GROUP_ID, j->member_id);
        return;
    }
    if (j->session_timeout_ms < g->session_min_ms || j->session_timeout_ms > g->session_max_ms) {
        fail(t, ERR_INVALID_SESSION_TIMEOUT, j->member_id);
        return;
    }
    if (j->protocol_count > GROUP_PROTOCOLS_MAX) {
        fail(t, ERR_INCONSISTENT_GROUP_PROTOCOL, j->member_id);
        return;
    }
    bool first = j->member_id.n == 0;
    struct group *gr = group_find(g, j->group_id);
    if (gr != NULL && gr->owned != 0) {
        fail(t, ERR_INCONSISTENT_GROUP_PROTOCOL, j->member_id); /* a service of the server has it */
        return;
    }
    if (gr == NULL && !first) {
        fail(t, ERR_UNKNOWN_MEMBER_ID, j->member_id);
        return;
    }
    if (gr == NULL) {
        gr = group_make(g, j->group_id);
    }
    if (gr == NULL) {
        fail(t, ERR_GROUP_MAX_SIZE_REACHED, STR_LIT(""));
        return;
    }
    if (!has_room(gr, j->member_id)) {
        struct group_pending *p = first ? NULL : group_pending_find(gr, j->member_id);
        if (p != NULL) {
            group_remove_pending(p);
        }
        fail(t, ERR_GROUP_MAX_SIZE_REACHED, STR_LIT(""));
    } else if (first) {
        join_new(gr, j, t);
    } else {
        join_again(gr, j, t);
    }
    /* A refused join leaves no group behind. (`j` may be gone: its request was answered.) */
    group_free_if_unused(gr);
}
