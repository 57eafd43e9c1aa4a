/*
 * Answers that wait. A ticket lies in its caller's memory; the slot here points to it, and it
 * points to the slot, so that either side may go first. That a member *waits* is a flag of its own:
 * a member whose connection went away still takes part in the rebalance, as in Kafka.
 */
#include "core/check.h"
#include "core/mem.h"
#include "group/group_int.h"

void ticket_take(struct groups_ticket **slot, struct groups_ticket *t)
{
    DCHECK(*slot == NULL);
    *slot = t;
    if (t != NULL) {
        t->slot = slot;
    }
}

void ticket_answer(struct groups_ticket **slot, const struct groups_answer *a)
{
    struct groups_ticket *t = *slot;
    *slot = NULL;
    if (t != NULL) {
        t->slot = NULL;
        t->done(t, a);
    }
}

void ticket_fail(struct groups_ticket *t, enum err e)
{
    struct groups_answer a = {.err = e, .generation = -1};
    t->slot = NULL;
    t->done(t, &a);
}

void groups_ticket_drop(struct groups_ticket *t)
{
    if (t->slot != NULL) {
        *t->slot = NULL;
        t->slot = NULL;
    }
}

void member_await_join(struct group_member *m, struct groups_ticket *t)
{
    if (m->awaiting_join) {
        member_fail_join(m, ERR_REBALANCE_IN_PROGRESS, m->id);
    }
    m->awaiting_join = true;
    m->group->awaiting_join_count++;
    ticket_take(&m->join_ticket, t);
}

void member_await_sync(struct group_member *m, struct groups_ticket *t)
{
    if (m->awaiting_sync) {
        struct groups_answer a = {.err = ERR_REBALANCE_IN_PROGRESS};
        ticket_answer(&m->sync_ticket, &a);
    }
    m->awaiting_sync = true;
    ticket_take(&m->sync_ticket, t);
}

void member_answer_join(struct group_member *m, const struct groups_answer *a)
{
    if (!m->awaiting_join) {
        return;
    }
    m->awaiting_join = false;
    m->group->awaiting_join_count--;
    ticket_answer(&m->join_ticket, a);
}

void member_fail_join(struct group_member *m, enum err e, struct str member_id)
{
    struct groups_answer a = {.err = e, .generation = -1, .member_id = member_id};
    member_answer_join(m, &a);
}

static struct groups_member_view *member_views(const struct group *gr)
{
    struct groups_member_view *v = mem_zalloc(gr->member_count, sizeof(*v));
    if (v == NULL) {
        return NULL;
    }
    size_t i = 0;
    LIST_FOR_EACH (l, next, &gr->members) {
        const struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        v[i++] = (struct groups_member_view){m->id, m->instance_id,
                                             member_protocol(m, gr->protocol_name)};
    }
    return v;
}

void member_answer_generation(struct group_member *m, bool with_members, struct str leader,
                              bool skip)
{
    const struct group *gr = m->group;
    struct groups_member_view *views = with_members ? member_views(gr) : NULL;
    if (with_members && views == NULL) {
        member_fail_join(m, ERR_COORDINATOR_NOT_AVAILABLE, m->id);
        return;
    }
    struct groups_answer a = {.generation = gr->generation,
                              .protocol_type = gr->protocol_type,
                              .protocol_name = gr->protocol_name,
                              .leader = leader,
                              .member_id = m->id,
                              .skip_assignment = skip,
                              .members = views,
                              .member_count = with_members ? gr->member_count : 0};
    member_answer_join(m, &a);
    mem_free(views);
}

void member_answer_sync(struct group_member *m, enum err e)
{
    if (!m->awaiting_sync) {
        return;
    }
    const struct group *gr = m->group;
    struct groups_answer a = {.err = e};
    if (e == ERR_OK) {
        a.protocol_type = gr->protocol_type;
        a.protocol_name = gr->protocol_name;
        a.assignment = m->assignment;
    }
    m->awaiting_sync = false;
    ticket_answer(&m->sync_ticket, &a);
}

void group_fail_syncs(struct group *gr, enum err e)
{
    LIST_FOR_EACH (l, next, &gr->members) {
        struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        str_disown(&m->assignment);
        str_disown(&m->next_assignment);
        if (m->awaiting_sync) {
            member_answer_sync(m, e);
            member_touch(m);
        }
    }
}
