/* SyncGroup, Heartbeat, LeaveGroup: what members send while they are in a generation. */
#include "core/check.h"
#include "group/group_int.h"

static enum err sync_check(const struct group *gr, const struct groups_sync *s)
{
    enum err e = member_validate(gr, s->member_id, s->instance_id);
    if (e != ERR_OK) {
        return e;
    }
    if (s->generation != gr->generation) {
        return ERR_ILLEGAL_GENERATION;
    }
    bool type_differs =
        !str_is_null(s->protocol_type) && !str_eq(s->protocol_type, gr->protocol_type);
    bool name_differs =
        !str_is_null(s->protocol_name) && !str_eq(s->protocol_name, gr->protocol_name);
    return type_differs || name_differs ? ERR_INCONSISTENT_GROUP_PROTOCOL : ERR_OK;
}

/* Takes the leader's assignment for the way to the disk. Members without one get an empty one. */
static enum err take_assignment(struct group *gr, const struct groups_sync *s)
{
    LIST_FOR_EACH (l, next, &gr->members) {
        struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        if (!str_own(&m->next_assignment, STR_LIT(""))) {
            return ERR_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < s->assignment_count; i++) {
        struct group_member *m = member_find(gr, s->assignments[i].member_id);
        struct str a = s->assignments[i].assignment;
        if (m != NULL && !str_is_null(a) && !str_own(&m->next_assignment, a)) {
            return ERR_NO_MEMORY;
        }
    }
    return ERR_OK;
}

static void sync_completing(struct group_member *m, const struct groups_sync *s,
                            struct groups_ticket *t)
{
    struct group *gr = m->group;
    member_await_sync(m, t);
    group_synced(m);
    if (gr->leader != m || gr->assigning == gr->generation) {
        return;
    }
    enum err e = take_assignment(gr, s);
    e = e == ERR_OK ? group_record_assignment(gr) : e;
    if (e != ERR_OK) {
        group_fail_syncs(gr, e == ERR_LIMIT ? e : ERR_COORDINATOR_NOT_AVAILABLE);
        group_prepare(gr);
    }
}

void groups_sync(struct groups *g, const struct groups_sync *s, struct groups_ticket *t)
{
    struct group *gr = group_find(g, s->group_id);
    enum err e = s->group_id.n == 0 ? ERR_INVALID_GROUP_ID
                 : gr == NULL       ? ERR_UNKNOWN_MEMBER_ID
                                    : sync_check(gr, s);
    struct group_member *m = e == ERR_OK ? member_find(gr, s->member_id) : NULL;
    if (m == NULL) {
        ticket_fail(t, e);
        return;
    }
    switch (gr->state) {
    case GROUP_PREPARING:
        ticket_fail(t, ERR_REBALANCE_IN_PROGRESS);
        break;
    case GROUP_COMPLETING:
        sync_completing(m, s, t);
        break;
    case GROUP_STABLE: {
        group_synced(m);
        member_touch(m);
        struct groups_answer a = {.protocol_type = gr->protocol_type,
                                  .protocol_name = gr->protocol_name,
                                  .assignment = m->assignment};
        t->slot = NULL;
        t->done(t, &a);
        break;
    }
    case GROUP_EMPTY:
    case GROUP_DEAD:
    case GROUP_STATE_COUNT:
        ticket_fail(t, ERR_UNKNOWN_MEMBER_ID);
        break;
    }
}

enum err groups_heartbeat(struct groups *g, struct str group_id, struct str member_id,
                          struct str instance_id, int32_t generation)
{
    if (group_id.n == 0) {
        return ERR_INVALID_GROUP_ID;
    }
    const struct group *gr = group_find(g, group_id);
    if (gr == NULL) {
        return ERR_UNKNOWN_MEMBER_ID;
    }
    enum err e = member_validate(gr, member_id, instance_id);
    if (e != ERR_OK) {
        return e;
    }
    if (generation != gr->generation) {
        return ERR_ILLEGAL_GENERATION;
    }
    member_touch(member_find(gr, member_id));
    return gr->state == GROUP_PREPARING ? ERR_REBALANCE_IN_PROGRESS : ERR_OK;
}

enum err groups_leave_check(struct groups *g, struct str group_id)
{
    if (group_id.n == 0) {
        return ERR_INVALID_GROUP_ID;
    }
    return group_find(g, group_id) == NULL ? ERR_UNKNOWN_MEMBER_ID : ERR_OK;
}

enum err groups_leave(struct groups *g, struct str group_id, struct str member_id,
                      struct str instance_id)
{
    struct group *gr = group_find(g, group_id);
    if (gr == NULL) {
        return ERR_UNKNOWN_MEMBER_ID;
    }
    struct group_member *m;
    if (member_id.n == 0) {
        m = member_find_static(gr, instance_id);
        if (m == NULL) {
            return ERR_UNKNOWN_MEMBER_ID;
        }
    } else {
        struct group_pending *p = group_pending_find(gr, member_id);
        if (p != NULL) {
            group_remove_pending(p);
            group_free_if_unused(gr);
            return ERR_OK;
        }
        enum err e = member_validate(gr, member_id, instance_id);
        if (e != ERR_OK) {
            return e;
        }
        m = member_find(gr, member_id);
    }
    group_remove_member(m);
    return ERR_OK;
}
