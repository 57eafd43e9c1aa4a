/*
 * Content of simulated files: every change is made on the now side and noted in the inode's list,
 * syncs move it to the safe side. The rules for that list stand in sim_disk.h.
 */
#include <string.h>

#include "core/check.h"
#include "env/sim_int.h"

static void op_drop(struct sim_op *op)
{
    if (--op->refs == 0) {
        sim_free(op);
    }
}

void sim_pending_free(struct sim_inode *ino)
{
    for (size_t i = 0; i < ino->pend_n; i++) {
        op_drop(ino->pend[i].op);
    }
    sim_free(ino->pend);
    ino->pend = NULL;
    ino->pend_n = ino->pend_cap = 0;
}

void sim_op_apply_write(struct sim_tree *t, const struct sim_op *op, bool (*choose)(void *ctx),
                        void *ctx)
{
    if (choose == NULL) {
        sim_tree_write(t, op->offset, op->data, (size_t)op->n);
        return;
    }
    for (uint64_t at = 0; at < op->n; at += SIM_SECTOR) {
        if (choose(ctx)) {
            sim_tree_write(t, op->offset + at, op->data + at, SIM_SECTOR);
        }
    }
}

void sim_op_apply(struct sim_tree *t, uint64_t *size, const struct sim_op *op)
{
    switch (op->kind) {
    case SIM_OP_WRITE:
        sim_op_apply_write(t, op, NULL, NULL);
        break;
    case SIM_OP_CLAIM:
        sim_tree_claim(t, op->offset, op->n);
        break;
    case SIM_OP_SIZE:
        if (op->shrink) {
            sim_tree_cut(t, op->n);
        }
        *size = op->n;
        break;
    }
}

static bool ops_conflict(const struct sim_op *a, const struct sim_op *b)
{
    if (a->kind == SIM_OP_SIZE && b->kind == SIM_OP_SIZE) {
        return true;
    }
    if (a->kind == SIM_OP_SIZE || b->kind == SIM_OP_SIZE) {
        const struct sim_op *size = a->kind == SIM_OP_SIZE ? a : b;
        const struct sim_op *other = a->kind == SIM_OP_SIZE ? b : a;
        return size->shrink && other->offset + other->n > size->n;
    }
    return a->kind == SIM_OP_WRITE && b->kind == SIM_OP_WRITE && a->offset < b->offset + b->n &&
           b->offset < a->offset + a->n;
}

/* Moves to the safe side what is fixed and follows no undecided operation on the same bytes. */
static void fold(struct sim_inode *ino)
{
    size_t undecided = 0;
    for (size_t i = 0; i < ino->pend_n; i++) {
        undecided += ino->pend[i].fate != SIM_FIXED;
    }
    if (undecided == 0) {
        sim_tree_share(&ino->safe, &ino->now);
        ino->safe_size = ino->now_size;
        for (size_t i = 0; i < ino->pend_n; i++) {
            op_drop(ino->pend[i].op);
        }
        ino->pend_n = 0;
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < ino->pend_n; i++) {
        struct sim_pending p = ino->pend[i];
        bool can = p.fate == SIM_FIXED;
        for (size_t k = 0; can && k < kept; k++) {
            can = !ops_conflict(ino->pend[k].op, p.op);
        }
        if (can) {
            sim_op_apply(&ino->safe, &ino->safe_size, p.op);
            op_drop(p.op);
        } else {
            ino->pend[kept++] = p;
        }
    }
    ino->pend_n = kept;
}

static struct sim_op *op_add(struct env_sim_disk *d, struct sim_inode *ino, size_t data_size)
{
    if (ino->pend_n == SIM_PENDING_MAX) {
        for (size_t i = 0; i < SIM_PENDING_MAX / 2; i++) {
            ino->pend[i].fate = SIM_FIXED;
        }
        fold(ino);
    }
    if (ino->pend_n == ino->pend_cap) {
        size_t cap = ino->pend_cap == 0 ? 8 : ino->pend_cap * 2;
        ino->pend = sim_grow(ino->pend, ino->pend_n * sizeof(*ino->pend), cap * sizeof(*ino->pend));
        ino->pend_cap = cap;
    }
    struct sim_op *op = sim_alloc_raw(sizeof(*op) + data_size);
    *op = (struct sim_op){.refs = 1, .seq = ++d->seq};
    ino->pend[ino->pend_n++] = (struct sim_pending){.op = op, .fate = SIM_PENDING};
    return op;
}

static void note_size(struct env_sim_disk *d, struct sim_inode *ino, uint64_t size)
{
    struct sim_op *op = op_add(d, ino, 0);
    op->kind = SIM_OP_SIZE;
    op->shrink = size < ino->now_size;
    op->n = size;
    ino->now_size = size;
}

void sim_file_write(struct env_sim_disk *d, uint32_t id, uint64_t offset, const void *p, size_t n)
{
    if (n == 0) {
        return;
    }
    struct sim_inode *ino = sim_inode_mut(d, id);
    uint64_t first = offset / SIM_SECTOR * SIM_SECTOR;
    uint64_t end = (offset + n + SIM_SECTOR - 1) / SIM_SECTOR * SIM_SECTOR;
    /* made before the change: making room may fold, and then now must be what the list says */
    struct sim_op *op = op_add(d, ino, (size_t)(end - first));
    op->kind = SIM_OP_WRITE;
    op->offset = first;
    op->n = end - first;
    d->used_pages -= ino->now.claimed_pages;
    sim_tree_write(&ino->now, offset, p, n);
    d->used_pages += ino->now.claimed_pages;
    sim_tree_read(&ino->now, first, op->data, (size_t)op->n);
    if (offset + n > ino->now_size) {
        note_size(d, ino, offset + n);
    }
}

void sim_file_resize(struct env_sim_disk *d, uint32_t id, uint64_t size)
{
    if (sim_inode(d, id)->now_size == size) {
        return;
    }
    struct sim_inode *ino = sim_inode_mut(d, id);
    bool shrink = size < ino->now_size;
    note_size(d, ino, size);
    if (shrink) {
        d->used_pages -= ino->now.claimed_pages;
        sim_tree_cut(&ino->now, size);
        d->used_pages += ino->now.claimed_pages;
    }
}

void sim_file_claim(struct env_sim_disk *d, uint32_t id, uint64_t offset, uint64_t n)
{
    uint64_t holes = sim_tree_holes(&sim_inode(d, id)->now, offset, n);
    if (holes == 0) {
        return;
    }
    struct sim_inode *ino = sim_inode_mut(d, id);
    struct sim_op *op = op_add(d, ino, 0);
    op->kind = SIM_OP_CLAIM;
    op->offset = offset;
    op->n = n;
    sim_tree_claim(&ino->now, offset, n);
    d->used_pages += holes;
}

void sim_file_sync(struct env_sim_disk *d, uint32_t id)
{
    if (sim_inode(d, id)->pend_n == 0) {
        return;
    }
    struct sim_inode *ino = sim_inode_mut(d, id);
    for (size_t i = 0; i < ino->pend_n; i++) {
        if (ino->pend[i].fate == SIM_PENDING) {
            ino->pend[i].fate = SIM_FIXED;
        }
    }
    fold(ino);
}

void sim_file_doom(struct env_sim_disk *d, uint32_t id)
{
    if (sim_inode(d, id)->pend_n == 0) {
        return;
    }
    struct sim_inode *ino = sim_inode_mut(d, id);
    for (size_t i = 0; i < ino->pend_n; i++) {
        if (ino->pend[i].fate == SIM_PENDING) {
            ino->pend[i].fate = SIM_DOOMED;
        }
    }
}

/* Gives `fate` to the pending writes that touch the range and to the pending sizes if it passes the
 * safe one. */
static void decide_range(struct env_sim_disk *d, uint32_t id, uint64_t offset, uint64_t n,
                         enum sim_fate fate)
{
    struct sim_inode *ino = sim_inode_mut(d, id);
    for (size_t i = 0; i < ino->pend_n; i++) {
        struct sim_pending *p = &ino->pend[i];
        if (p->fate != SIM_PENDING) {
            continue;
        }
        bool hit = p->op->kind == SIM_OP_WRITE
                       ? p->op->offset < offset + n && offset < p->op->offset + p->op->n
                       : p->op->kind == SIM_OP_SIZE && offset + n > ino->safe_size;
        if (hit) {
            p->fate = fate;
        }
    }
    fold(ino);
}

void sim_file_sync_range(struct env_sim_disk *d, uint32_t id, uint64_t offset, uint64_t n)
{
    decide_range(d, id, offset, n, SIM_FIXED);
}

void sim_file_doom_range(struct env_sim_disk *d, uint32_t id, uint64_t offset, uint64_t n)
{
    decide_range(d, id, offset, n, SIM_DOOMED);
}

void sim_file_reread(struct env_sim_disk *d, uint32_t id, uint64_t offset, uint64_t n,
                     bool (*choose)(void *ctx), void *ctx)
{
    const struct sim_inode *seen = sim_inode(d, id);
    bool any = false;
    for (size_t i = 0; i < seen->pend_n && !any; i++) {
        any = seen->pend[i].fate == SIM_DOOMED && seen->pend[i].op->kind == SIM_OP_WRITE;
    }
    if (!any) {
        return;
    }
    struct sim_inode *ino = sim_inode_mut(d, id);
    size_t kept = 0;
    for (size_t i = 0; i < ino->pend_n; i++) {
        struct sim_pending p = ino->pend[i];
        if (p.fate == SIM_DOOMED && p.op->kind == SIM_OP_WRITE && p.op->offset < offset + n &&
            offset < p.op->offset + p.op->n) {
            sim_op_apply_write(&ino->safe, p.op, choose, ctx);
            op_drop(p.op);
        } else {
            ino->pend[kept++] = p;
        }
    }
    ino->pend_n = kept;
    d->used_pages -= ino->now.claimed_pages;
    uint64_t size = ino->safe_size;
    sim_tree_share(&ino->now, &ino->safe);
    for (size_t i = 0; i < ino->pend_n; i++) {
        sim_op_apply(&ino->now, &size, ino->pend[i].op);
    }
    DCHECK(size == ino->now_size);
    d->used_pages += ino->now.claimed_pages;
    fold(ino);
}

void sim_pending_drop_all(struct sim_inode *ino)
{
    for (size_t i = 0; i < ino->pend_n; i++) {
        if (ino->pend[i].fate == SIM_FIXED) {
            sim_op_apply(&ino->safe, &ino->safe_size, ino->pend[i].op);
        }
    }
    sim_tree_zero_from(&ino->safe, ino->safe_size);
    sim_pending_free(ino);
}

uint64_t sim_disk_pending(const struct env_sim_disk *d)
{
    uint64_t n = 0;
    for (uint32_t id = SIM_ROOT; id < d->n; id++) {
        const struct sim_inode *ino = d->slots[id].inode;
        for (size_t i = 0; ino != NULL && i < ino->pend_n; i++) {
            n += ino->pend[i].fate != SIM_FIXED;
        }
    }
    for (size_t i = 0; i < d->names_n; i++) {
        n += d->names[i].fate != SIM_FIXED;
    }
    return n;
}
