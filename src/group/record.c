/*
 * Facts on their way to the disk. An operation lives from its append until its frame is durable;
 * what it means for the state happens then (on_done), in the order of the appends. A group with
 * operations in flight is not freed.
 *
 * Facts that a timer wants to write while the store is not ready are owed: groups_tick tries again.
 */
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "group/group_int.h"

struct group_op *op_make(struct group *gr)
{
    struct group_op *op = mem_new(struct group_op);
    if (op != NULL) {
        list_init(&op->link);
        op->owner = gr->owner;
        op->group = gr;
        buf_init(&op->fact, store_frame_max_bytes(gr->owner->store));
    }
    return op;
}

void op_free(struct group_op *op)
{
    list_remove(&op->link);
    buf_deinit(&op->fact);
    str_disown(&op->member_id);
    str_disown(&op->old_leader);
    mem_free(op);
}

/* What the last GROUP fact said, for the next image. */
static void set_recorded(struct group_op *op)
{
    struct group *gr = op->group;
    gr->owner->bytes -= gr->recorded_n;
    mem_free(gr->recorded);
    gr->recorded = op->fact.p;
    gr->recorded_n = op->fact.n;
    gr->owner->bytes += gr->recorded_n;
    buf_init(&op->fact, 0);
}

static void on_assigned(struct group_op *op)
{
    struct group *gr = op->group;
    if (gr->assigning == op->generation) {
        gr->assigning = 0;
    }
    set_recorded(op);
    if (gr->state != GROUP_COMPLETING || gr->generation != op->generation) {
        return; /* meanwhile another rebalance has begun */
    }
    LIST_FOR_EACH (l, next, &gr->members) {
        struct group_member *m = CONTAINER_OF(l, struct group_member, link);
        str_disown(&m->assignment);
        m->assignment = m->next_assignment;
        m->next_assignment = STR_NULL;
        if (m->awaiting_sync) {
            member_touch(m);
            member_answer_sync(m, ERR_OK);
        }
    }
    group_set_state(gr, GROUP_STABLE);
}

static void on_replaced(struct group_op *op)
{
    struct group *gr = op->group;
    set_recorded(op);
    struct group_member *m = member_find(gr, op->member_id);
    if (gr->state != GROUP_STABLE || gr->generation != op->generation || m == NULL ||
        !m->awaiting_join) {
        return; /* a rebalance answers it */
    }
    /* KIP-814: an older client must not believe that it leads, or it would assign anew. */
    bool leads = gr->leader == m;
    member_touch(m);
    m->is_new = false;
    member_answer_generation(m, op->can_skip && leads,
                             op->can_skip ? gr->leader->id : op->old_leader, op->can_skip && leads);
}

static void on_lease(struct group_op *op)
{
    struct group *gr = op->group;
    gr->lease_in_flight = false;
    if (op->generation > gr->generation) {
        gr->lease = op->generation;
    }
    if (!gr->owner->stopping) {
        group_lease_done(gr);
    }
}

static void answer_op(struct group_op *op, enum err e)
{
    struct groups_answer a = {.err = e, .generation = op->generation};
    ticket_answer(&op->ticket, &a);
}

static void on_deleted(struct group_op *op)
{
    struct group *gr = op->group;
    offsets_free(gr);
    gr->owner->bytes -= gr->recorded_n;
    mem_free(gr->recorded);
    gr->recorded = NULL;
    gr->recorded_n = 0;
    answer_op(op, ERR_OK);
    if (gr->state == GROUP_EMPTY && gr->in_flight == 1) {
        gr->in_flight = 0;
        group_free(gr);
        op->group = NULL;
    }
}

static void on_offsets(struct group_op *op)
{
    struct ectx ec = {0};
    IGNORE(owner_apply_late(op->owner));
    enum err e = fact_apply(op->owner, slice_of(op->fact.p, op->fact.n), &ec);
    if (e != ERR_OK) {
        /* It is on the disk, but not here: not acknowledged, and there after a restart. */
        LOG_WARN("offsets.not_applied", KV_STR("group", op->group->id), KV_Z("detail", ec.text));
        e = ERR_COORDINATOR_NOT_AVAILABLE;
    } else if (op->kind == OP_COMMIT) {
        metric_add(op->owner->commits, 1);
    }
    answer_op(op, e);
}

static void on_done(void *ctx, uint64_t position)
{
    struct group_op *op = ctx;
    (void)position;
    switch (op->kind) {
    case OP_COMMIT:
    case OP_OFFSETS:
        on_offsets(op);
        break;
    case OP_LEASE:
        on_lease(op);
        break;
    case OP_ASSIGN:
        on_assigned(op);
        break;
    case OP_REPLACE:
        on_replaced(op);
        break;
    case OP_RECORD:
        set_recorded(op);
        break;
    case OP_DELETE:
        on_deleted(op);
        break;
    case OP_OWN:
        owner_recorded(op);
        answer_op(op, op->group->late > 0 ? ERR_NO_MEMORY : ERR_OK);
        break;
    case OP_CARRIED: /* never committed here */
        CHECK(false);
    }
    if (op->group != NULL) {
        op->group->in_flight--;
    }
    op_free(op);
}

static enum err append(struct group_op *op)
{
    struct groups *g = op->owner;
    if (g->stopping) {
        return ERR_STOPPED;
    }
    if (!store_ready(g->store)) {
        return ERR_AGAIN;
    }
    if (buf_failed(&op->fact)) {
        return op->fact.n + 1024 > op->fact.max / 2 ? ERR_LIMIT : ERR_NO_MEMORY;
    }
    struct store_frame *f = store_frame_begin(g->store);
    if (f == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err e = store_frame_fact(f, STORE_TAG_GROUPS, buf_str(&op->fact));
    if (e != ERR_OK) {
        store_frame_drop(f);
        return e;
    }
    store_frame_commit(f, on_done, op);
    return ERR_OK;
}

enum err group_append(struct group *gr, enum op_kind kind, struct group_op *op,
                      struct groups_ticket *t)
{
    op->kind = kind;
    enum err e = append(op);
    if (e != ERR_OK) {
        op_free(op);
        return e;
    }
    list_push_back(&gr->owner->ops, &op->link);
    gr->in_flight++;
    ticket_take(&op->ticket, t);
    return ERR_OK;
}

static void owe(struct group *gr)
{
    struct groups *g = gr->owner;
    if (gr->owed_link.next == &gr->owed_link) {
        list_push_back(&g->owed, &gr->owed_link);
    }
    g->dirty = true;
}

void group_want_lease(struct group *gr)
{
    if (gr->lease != 0 || gr->lease_in_flight || gr->owner->stopping) {
        return;
    }
    int32_t last = gr->leased > gr->generation ? gr->leased : gr->generation;
    int32_t number = last < INT32_MAX ? last + 1 : 1;
    struct group_op *op = op_make(gr);
    gr->owes_lease = true;
    if (op != NULL) {
        op->generation = number;
        buf_put_u8(&op->fact, FACT_GENERATION);
        buf_put_lstr(&op->fact, gr->id);
        buf_put_le32(&op->fact, (uint32_t)number);
        gr->owes_lease = group_append(gr, OP_LEASE, op, NULL) != ERR_OK;
    }
    if (gr->owes_lease) {
        owe(gr);
    } else {
        gr->leased = number;
        gr->lease_in_flight = true;
    }
}

void group_want_record(struct group *gr)
{
    struct group_op *op = op_make(gr);
    gr->owes_record = true;
    if (op != NULL) {
        fact_group(&op->fact, gr, false);
        gr->owes_record = group_append(gr, OP_RECORD, op, NULL) != ERR_OK;
    }
    if (gr->owes_record) {
        owe(gr);
    }
}

enum err group_record_assignment(struct group *gr)
{
    struct group_op *op = op_make(gr);
    if (op == NULL) {
        return ERR_NO_MEMORY;
    }
    op->generation = gr->generation;
    fact_group(&op->fact, gr, true);
    enum err e = group_append(gr, OP_ASSIGN, op, NULL);
    if (e == ERR_OK) {
        gr->assigning = gr->generation;
    }
    return e;
}

enum err group_record_replaced(struct group_member *m, struct str old_leader, bool can_skip)
{
    struct group *gr = m->group;
    struct group_op *op = op_make(gr);
    if (op == NULL) {
        return ERR_NO_MEMORY;
    }
    op->generation = gr->generation;
    op->can_skip = can_skip;
    if (!str_own(&op->member_id, m->id) || !str_own(&op->old_leader, old_leader)) {
        op_free(op);
        return ERR_NO_MEMORY;
    }
    fact_group(&op->fact, gr, false);
    return group_append(gr, OP_REPLACE, op, NULL);
}

static void pay(struct group *gr)
{
    if (gr->owes_lease) {
        gr->owes_lease = false;
        group_want_lease(gr);
    }
    if (gr->owes_record && gr->state == GROUP_EMPTY) {
        group_want_record(gr);
    } else {
        gr->owes_record = false; /* overtaken: the next generation will be recorded */
    }
}

void groups_pay_owed(struct groups *g)
{
    struct list todo;
    if (list_empty(&g->owed) || g->stopping) {
        return;
    }
    /* What cannot be paid now goes to the end of g->owed again. */
    list_init(&todo);
    struct list *l;
    while ((l = list_pop_front(&g->owed)) != NULL) {
        list_push_back(&todo, l);
    }
    while ((l = list_pop_front(&todo)) != NULL) {
        pay(CONTAINER_OF(l, struct group, owed_link));
    }
}
