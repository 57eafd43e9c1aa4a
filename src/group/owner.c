/*
 * Groups that a service of the server owns. Such a group has no members: it is Empty with an owner,
 * who has a number from the same row as generations, recorded before it is told. So whatever
 * crashes, no number is used twice, and a consumer that joins when the owner has gone gets a higher
 * one.
 *
 * The owner's commits are facts like those of consumers, but in frames of the owner's, with what it
 * has made of the input.
 */
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "group/group_int.h"

enum err groups_own(struct groups *g, struct str group_id, int32_t *number, struct groups_ticket *t,
                    struct ectx *ec)
{
    struct group *gr = group_find(g, group_id);
    if (gr != NULL && (gr->state != GROUP_EMPTY || gr->pending_count > 0)) {
        enum err e = ectx_fail(ec, ERR_NON_EMPTY_GROUP, "consumers are members of group '%.*s'",
                               STR(group_id));
        ectx_hint(ec, "stop them, or use another name");
        return e;
    }
    if (gr != NULL && !owner_apply_late(g) && gr->late > 0) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for offsets of group '%.*s'", STR(group_id));
    }
    gr = gr == NULL ? group_make(g, group_id) : gr;
    if (gr == NULL) {
        return ectx_fail(ec, ERR_LIMIT, "no more groups: there are %zu", g->count);
    }
    const int32_t last = gr->leased > gr->generation ? gr->leased : gr->generation;
    if (last == INT32_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "group '%.*s' has used all its numbers", STR(group_id));
    }
    struct group_op *op = op_make(gr);
    enum err e = ERR_NO_MEMORY;
    if (op != NULL) {
        op->generation = last + 1;
        buf_put_u8(&op->fact, FACT_GENERATION);
        buf_put_lstr(&op->fact, gr->id);
        buf_put_le32(&op->fact, (uint32_t)op->generation);
        e = group_append(gr, OP_OWN, op, t);
    }
    if (e != ERR_OK) {
        group_free_if_unused(gr);
        return ectx_fail(ec, e, "group '%.*s' could not be taken: %s", STR(group_id), err_text(e));
    }
    gr->leased = last + 1;
    gr->owned = last + 1;
    *number = gr->owned;
    return ERR_OK;
}

void owner_recorded(struct group_op *op)
{
    struct group *gr = op->group;
    if (op->generation > gr->generation) {
        gr->generation = op->generation;
    }
    if (gr->lease <= gr->generation) {
        gr->lease = 0; /* recorded before, and too low by now */
    }
}

void groups_disown(struct groups *g, struct str group_id, int32_t number)
{
    struct group *gr = group_find(g, group_id);
    if (gr != NULL && gr->owned == number) {
        gr->owned = 0;
        gr->state_since_ns = (int64_t)groups_now(g);
        group_free_if_unused(gr);
    }
}

enum err groups_carry(struct groups *g, struct groups_commit *c, struct group_op **out,
                      struct str *fact, struct ectx *ec)
{
    struct group *gr = group_find(g, c->group_id);
    if (gr == NULL || gr->owned == 0 || gr->owned != c->generation) {
        return ectx_fail(ec, ERR_FENCED, "another owner has taken group '%.*s'", STR(c->group_id));
    }
    if (g->stopping) {
        return ectx_fail(ec, ERR_STOPPED, "the server is stopping");
    }
    if (g->bytes >= GROUPS_BYTES_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "all groups together have more than %u bytes",
                         GROUPS_BYTES_MAX);
    }
    struct group_op *op = op_make(gr);
    if (op == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a commit");
    }
    c->retention_ms = INT64_MAX; /* a service may rest for long */
    const uint32_t n = commit_fact(gr, c, &op->fact);
    if (n < c->count || buf_failed(&op->fact)) {
        op_free(op);
        return ectx_fail(ec, n < c->count ? ERR_OFFSET_METADATA_TOO_LARGE : ERR_NO_MEMORY,
                         "a commit of %zu offsets could not be made", c->count);
    }
    op->kind = OP_CARRIED;
    list_push_back(&g->ops, &op->link);
    gr->in_flight++;
    *fact = buf_str(&op->fact);
    *out = op;
    return ERR_OK;
}

void groups_carry_drop(struct group_op *op)
{
    CHECK(op->kind == OP_CARRIED);
    op->group->in_flight--;
    op_free(op);
}

static bool carried_apply(struct group_op *op)
{
    struct ectx ec = {0};
    if (fact_apply(op->owner, slice_of(op->fact.p, op->fact.n), &ec) != ERR_OK) {
        return false;
    }
    metric_add(op->owner->commits, 1);
    return true;
}

bool owner_apply_late(struct groups *g)
{
    if (g->late == 0) {
        return true;
    }
    LIST_FOR_EACH (l, next, &g->ops) { /* in the order of the log */
        struct group_op *op = CONTAINER_OF(l, struct group_op, link);
        if (!op->late) {
            continue;
        }
        if (!carried_apply(op)) {
            return false;
        }
        op->group->late--;
        g->late--;
        groups_carry_drop(op);
    }
    return true;
}

void groups_carried(struct group_op *op)
{
    struct groups *g = op->owner;
    CHECK(op->kind == OP_CARRIED);
    if (owner_apply_late(g) && carried_apply(op)) {
        groups_carry_drop(op);
        return;
    }
    /* What was made of the input is there, so this must be, too. */
    LOG_WARN("offsets.not_applied", KV_STR("group", op->group->id),
             KV_Z("action", "tried again; no checkpoint until then"));
    op->late = true;
    op->group->late++;
    g->late++;
}
