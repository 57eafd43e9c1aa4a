/*
 * Directories of the simulated disk: sorted entries, paths, and the list of name changes that are
 * not yet on the medium. The rules for that list stand in sim_disk.h.
 */
#include <errno.h>
#include <string.h>

#include "core/check.h"
#include "env/sim_int.h"

/* ---- Names and entries ---- */

struct sim_name *sim_name_new(struct str s)
{
    struct sim_name *n = sim_alloc(sizeof(*n) + s.n + 1);
    n->refs = 1;
    n->n = (uint32_t)s.n;
    memcpy(n->text, s.p, s.n);
    return n;
}

struct sim_name *sim_name_ref(struct sim_name *n)
{
    n->refs++;
    return n;
}

void sim_name_drop(struct sim_name *n)
{
    if (n != NULL && --n->refs == 0) {
        sim_free(n);
    }
}

static int name_cmp(const struct sim_name *n, struct str s)
{
    size_t min = n->n < s.n ? n->n : s.n;
    int c = min == 0 ? 0 : memcmp(n->text, s.p, min);
    if (c != 0) {
        return c;
    }
    return n->n == s.n ? 0 : n->n < s.n ? -1 : 1;
}

/* The place of `name`, or where it would stand. */
static size_t entries_seek(const struct sim_entries *s, struct str name, bool *found)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = name_cmp(s->e[mid].name, name);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *found = false;
    return low;
}

uint32_t sim_entries_find(const struct sim_entries *s, struct str name)
{
    bool found;
    size_t at = entries_seek(s, name, &found);
    return found ? s->e[at].id : SIM_NO_INODE;
}

void sim_entries_copy(struct sim_entries *dst, const struct sim_entries *src)
{
    if (src->n == 0) {
        return;
    }
    dst->e = sim_alloc(src->n * sizeof(*dst->e));
    dst->n = dst->cap = src->n;
    memcpy(dst->e, src->e, src->n * sizeof(*dst->e));
    for (size_t i = 0; i < dst->n; i++) {
        dst->e[i].name->refs++;
    }
}

void sim_entries_free(struct sim_entries *s)
{
    for (size_t i = 0; i < s->n; i++) {
        sim_name_drop(s->e[i].name);
    }
    sim_free(s->e);
    *s = (struct sim_entries){0};
}

static void entries_put(struct sim_entries *s, struct sim_name *name, uint32_t id)
{
    bool found;
    size_t at = entries_seek(s, str_make(name->text, name->n), &found);
    if (found) {
        s->e[at].id = id;
        return;
    }
    if (s->n == s->cap) {
        size_t cap = s->cap == 0 ? 8 : s->cap * 2;
        s->e = sim_grow(s->e, s->n * sizeof(*s->e), cap * sizeof(*s->e));
        s->cap = cap;
    }
    memmove(s->e + at + 1, s->e + at, (s->n - at) * sizeof(*s->e));
    s->e[at] = (struct sim_entry){.name = sim_name_ref(name), .id = id};
    s->n++;
}

static void entries_remove(struct sim_entries *s, struct str name)
{
    bool found;
    size_t at = entries_seek(s, name, &found);
    if (found) {
        sim_name_drop(s->e[at].name);
        s->n--;
        memmove(s->e + at, s->e + at + 1, (s->n - at) * sizeof(*s->e));
    }
}

/* ---- Paths ---- */

int sim_path_find(const struct env_sim_disk *d, const char *path, struct sim_path *out)
{
    struct sim_path at = {.dir = SIM_NO_INODE, .inode = SIM_ROOT};
    struct str rest = str_of(path);
    if (rest.n == 0) {
        return ENOENT;
    }
    while (!str_is_null(rest) && rest.n > 0) {
        struct str part = str_cut(rest, '/', &rest);
        if (part.n == 0 || str_eq_z(part, ".")) {
            continue;
        }
        if (str_eq_z(part, "..")) {
            return EINVAL; /* the program never needs it */
        }
        if (part.n > SIM_NAME_MAX) {
            return ENAMETOOLONG;
        }
        if (at.inode == SIM_NO_INODE) {
            return ENOENT;
        }
        const struct sim_inode *dir = sim_inode(d, at.inode);
        if (!dir->is_dir) {
            return ENOTDIR;
        }
        at.dir = at.inode;
        at.leaf = part;
        at.inode = sim_entries_find(&dir->now_names, part);
    }
    *out = at;
    return 0;
}

bool sim_dir_contains(const struct env_sim_disk *d, uint32_t dir, uint32_t inode)
{
    for (uint32_t at = inode; at != SIM_NO_INODE; at = sim_inode(d, at)->now_at.dir) {
        if (at == dir) {
            return true;
        }
    }
    return false;
}

/* ---- The list of name changes ---- */

static void place_clear(struct sim_place *p)
{
    sim_name_drop(p->name);
    *p = (struct sim_place){0};
}

static void name_op_drop(struct sim_name_op *op)
{
    if (--op->refs == 0) {
        sim_name_drop(op->at.name);
        sim_name_drop(op->from.name);
        sim_free(op);
    }
}

static struct sim_name_op *name_op_add(struct env_sim_disk *d, int kind, uint32_t inode,
                                       uint32_t dir, struct sim_name *name)
{
    if (d->names_n == d->names_cap) {
        size_t cap = d->names_cap == 0 ? 16 : d->names_cap * 2;
        d->names = sim_grow(d->names, d->names_n * sizeof(*d->names), cap * sizeof(*d->names));
        d->names_cap = cap;
    }
    struct sim_name_op *op = sim_alloc(sizeof(*op));
    op->refs = 1;
    op->kind = kind == SIM_NAME_LINK     ? SIM_NAME_LINK
               : kind == SIM_NAME_UNLINK ? SIM_NAME_UNLINK
                                         : SIM_NAME_RENAME;
    op->seq = ++d->seq;
    op->inode = inode;
    op->at = (struct sim_place){.dir = dir, .name = sim_name_ref(name)};
    d->names[d->names_n++] = (struct sim_name_pending){.op = op, .fate = SIM_PENDING};
    return op;
}

static void now_unname(struct env_sim_disk *d, uint32_t id)
{
    struct sim_inode *ino = sim_inode_mut(d, id);
    if (ino->now_at.dir != SIM_NO_INODE) {
        struct sim_inode *dir = sim_inode_mut(d, ino->now_at.dir);
        entries_remove(&dir->now_names, str_make(ino->now_at.name->text, ino->now_at.name->n));
        place_clear(&ino->now_at);
    }
}

static void now_name(struct env_sim_disk *d, uint32_t id, uint32_t dir, struct sim_name *name)
{
    struct sim_inode *ino = sim_inode_mut(d, id);
    place_clear(&ino->now_at);
    ino->now_at = (struct sim_place){.dir = dir, .name = sim_name_ref(name)};
    entries_put(&sim_inode_mut(d, dir)->now_names, name, id);
}

void sim_link(struct env_sim_disk *d, uint32_t dir, struct str name, uint32_t inode)
{
    struct sim_name *n = sim_name_new(name);
    name_op_add(d, SIM_NAME_LINK, inode, dir, n);
    now_name(d, inode, dir, n);
    sim_name_drop(n);
}

void sim_unlink(struct env_sim_disk *d, uint32_t inode)
{
    const struct sim_inode *ino = sim_inode(d, inode);
    name_op_add(d, SIM_NAME_UNLINK, inode, ino->now_at.dir, ino->now_at.name);
    now_unname(d, inode);
    sim_inode_release(d, inode);
}

void sim_rename(struct env_sim_disk *d, uint32_t inode, uint32_t dir, struct str name,
                uint32_t replaced)
{
    const struct sim_inode *ino = sim_inode(d, inode);
    struct sim_name *n = sim_name_new(name);
    struct sim_name_op *op = name_op_add(d, SIM_NAME_RENAME, inode, dir, n);
    op->from = (struct sim_place){.dir = ino->now_at.dir, .name = sim_name_ref(ino->now_at.name)};
    op->replaced = replaced;
    if (replaced != SIM_NO_INODE) {
        now_unname(d, replaced);
    }
    now_unname(d, inode);
    now_name(d, inode, dir, n);
    sim_name_drop(n);
    sim_inode_release(d, replaced);
}

static void safe_unname(struct env_sim_disk *d, uint32_t id)
{
    if (sim_inode(d, id)->safe_at.dir == SIM_NO_INODE) {
        return;
    }
    struct sim_inode *ino = sim_inode_mut(d, id);
    struct sim_inode *dir = sim_inode_mut(d, ino->safe_at.dir);
    entries_remove(&dir->safe_names, str_make(ino->safe_at.name->text, ino->safe_at.name->n));
    place_clear(&ino->safe_at);
}

void sim_name_apply(struct env_sim_disk *d, const struct sim_name_op *op)
{
    struct str name = str_make(op->at.name->text, op->at.name->n);
    uint32_t there = sim_entries_find(&sim_inode(d, op->at.dir)->safe_names, name);
    if (op->kind == SIM_NAME_UNLINK) {
        if (there == op->inode) {
            safe_unname(d, op->inode);
        }
        return;
    }
    if (there == op->inode) {
        return;
    }
    if (there != SIM_NO_INODE) {
        safe_unname(d, there);
    }
    safe_unname(d, op->inode);
    struct sim_inode *ino = sim_inode_mut(d, op->inode);
    ino->safe_at = (struct sim_place){.dir = op->at.dir, .name = sim_name_ref(op->at.name)};
    entries_put(&sim_inode_mut(d, op->at.dir)->safe_names, op->at.name, op->inode);
}

static bool same_place(const struct sim_place *a, const struct sim_place *b)
{
    return a->dir != SIM_NO_INODE && a->dir == b->dir &&
           name_cmp(a->name, str_make(b->name->text, b->name->n)) == 0;
}

static bool name_ops_conflict(const struct sim_name_op *a, const struct sim_name_op *b)
{
    return a->inode == b->inode || a->replaced == b->inode || b->replaced == a->inode ||
           same_place(&a->at, &b->at) || same_place(&a->at, &b->from) ||
           same_place(&a->from, &b->at) || same_place(&a->from, &b->from);
}

bool sim_names_refer(const struct env_sim_disk *d, uint32_t inode)
{
    for (size_t i = 0; i < d->names_n; i++) {
        const struct sim_name_op *op = d->names[i].op;
        if (op->inode == inode || op->replaced == inode || op->at.dir == inode ||
            op->from.dir == inode) {
            return true;
        }
    }
    return false;
}

/* Moves to the medium what is fixed and stands in no older undecided change's way. Changes inside a
 * directory that is gone on both sides are settled: nobody can sync it any more. */
static void names_fold(struct env_sim_disk *d)
{
    size_t kept = 0, n = d->names_n;
    struct sim_name_op **gone = sim_alloc((n + 1) * sizeof(struct sim_name_op *));
    size_t gone_n = 0;
    for (size_t i = 0; i < n; i++) {
        struct sim_name_pending *p = &d->names[i];
        bool fold = p->fate == SIM_FIXED;
        for (size_t k = 0; fold && k < kept; k++) {
            fold = !name_ops_conflict(d->names[k].op, p->op);
        }
        if (fold) {
            sim_name_apply(d, p->op);
            gone[gone_n++] = p->op;
        } else {
            d->names[kept++] = *p;
        }
    }
    d->names_n = kept;
    for (size_t i = 0; i < gone_n; i++) {
        struct sim_name_op *op = gone[i];
        if (op->kind == SIM_NAME_UNLINK && d->slots[op->inode].inode != NULL &&
            sim_inode(d, op->inode)->is_dir &&
            sim_inode(d, op->inode)->safe_at.dir == SIM_NO_INODE) {
            sim_names_sync(d, op->inode);
        }
    }
    for (size_t i = 0; i < gone_n; i++) {
        sim_inode_release(d, gone[i]->inode);
        sim_inode_release(d, gone[i]->replaced);
        name_op_drop(gone[i]);
    }
    sim_free(gone);
}

static bool name_op_in(const struct sim_name_op *op, uint32_t dir)
{
    return dir == SIM_NO_INODE || op->at.dir == dir || op->from.dir == dir;
}

void sim_names_sync(struct env_sim_disk *d, uint32_t dir)
{
    bool any = false;
    for (size_t i = 0; i < d->names_n; i++) {
        struct sim_name_pending *p = &d->names[i];
        if (p->fate == SIM_PENDING && name_op_in(p->op, dir)) {
            p->fate = SIM_FIXED;
            any = true;
        }
    }
    if (any) {
        names_fold(d);
    }
}

void sim_names_doom(struct env_sim_disk *d, uint32_t dir)
{
    for (size_t i = 0; i < d->names_n; i++) {
        struct sim_name_pending *p = &d->names[i];
        if (p->fate == SIM_PENDING && name_op_in(p->op, dir)) {
            p->fate = SIM_DOOMED;
        }
    }
}

void sim_names_clear(struct env_sim_disk *d)
{
    for (size_t i = 0; i < d->names_n; i++) {
        name_op_drop(d->names[i].op);
    }
    d->names_n = 0;
}

/* ---- After a cut ---- */

static void mark_reachable(const struct env_sim_disk *d, uint32_t dir, bool *seen)
{
    const struct sim_inode *ino = sim_inode(d, dir);
    seen[dir] = true;
    for (size_t i = 0; i < ino->safe_names.n; i++) {
        uint32_t id = ino->safe_names.e[i].id;
        if (sim_inode(d, id)->is_dir) {
            mark_reachable(d, id, seen);
        } else {
            seen[id] = true;
        }
    }
}

static bool same_sides(const struct sim_inode *ino)
{
    if (ino->now_at.dir != ino->safe_at.dir || ino->now_names.n != ino->safe_names.n ||
        (ino->now_at.dir != SIM_NO_INODE && !same_place(&ino->now_at, &ino->safe_at))) {
        return false;
    }
    for (size_t i = 0; i < ino->now_names.n; i++) {
        const struct sim_name *n = ino->safe_names.e[i].name;
        if (ino->now_names.e[i].id != ino->safe_names.e[i].id ||
            name_cmp(ino->now_names.e[i].name, str_make(n->text, n->n)) != 0) {
            return false;
        }
    }
    return true;
}

void sim_names_now_is_safe(struct env_sim_disk *d)
{
    bool *seen = sim_alloc(d->n * sizeof(*seen));
    mark_reachable(d, SIM_ROOT, seen);
    for (uint32_t id = SIM_ROOT; id < d->n; id++) {
        if (d->slots[id].inode == NULL) {
            continue;
        }
        if (!seen[id]) {
            sim_inode_drop(d->slots[id].inode);
            d->slots[id].inode = NULL;
            continue;
        }
        if (same_sides(d->slots[id].inode)) {
            continue;
        }
        struct sim_inode *ino = sim_inode_mut(d, id);
        place_clear(&ino->now_at);
        if (ino->safe_at.dir != SIM_NO_INODE) {
            ino->now_at = (struct sim_place){.dir = ino->safe_at.dir,
                                             .name = sim_name_ref(ino->safe_at.name)};
        }
        sim_entries_free(&ino->now_names);
        sim_entries_copy(&ino->now_names, &ino->safe_names);
    }
    sim_free(seen);
}
