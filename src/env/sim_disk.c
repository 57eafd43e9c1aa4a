/* Inodes of the simulated disk: sharing between copies, and giving up what nobody reaches; see
 * sim_disk.h. */
#include "env/sim_disk.h"

#include <string.h>

#include "core/check.h"
#include "env/sim_int.h"

static void place_set(struct sim_place *to, const struct sim_place *from)
{
    to->dir = from->dir;
    to->name = from->name == NULL ? NULL : sim_name_ref(from->name);
}

void sim_inode_drop(struct sim_inode *ino)
{
    if (ino == NULL || --ino->refs != 0) {
        return;
    }
    sim_pending_free(ino);
    sim_tree_free(&ino->now);
    sim_tree_free(&ino->safe);
    sim_entries_free(&ino->now_names);
    sim_entries_free(&ino->safe_names);
    sim_name_drop(ino->now_at.name);
    sim_name_drop(ino->safe_at.name);
    sim_free(ino);
}

static struct sim_inode *inode_clone(const struct sim_inode *from)
{
    struct sim_inode *ino = sim_alloc(sizeof(*ino));
    ino->refs = 1;
    ino->id = from->id;
    ino->is_dir = from->is_dir;
    place_set(&ino->now_at, &from->now_at);
    place_set(&ino->safe_at, &from->safe_at);
    sim_tree_share(&ino->now, &from->now);
    sim_tree_share(&ino->safe, &from->safe);
    ino->now_size = from->now_size;
    ino->safe_size = from->safe_size;
    sim_entries_copy(&ino->now_names, &from->now_names);
    sim_entries_copy(&ino->safe_names, &from->safe_names);
    if (from->pend_n > 0) {
        ino->pend = sim_alloc(from->pend_n * sizeof(*ino->pend));
        memcpy(ino->pend, from->pend, from->pend_n * sizeof(*ino->pend));
        ino->pend_n = ino->pend_cap = from->pend_n;
        for (size_t i = 0; i < ino->pend_n; i++) {
            ino->pend[i].op->refs++;
        }
    }
    return ino;
}

const struct sim_inode *sim_inode(const struct env_sim_disk *d, uint32_t id)
{
    CHECK(id != SIM_NO_INODE && id < d->n && d->slots[id].inode != NULL);
    return d->slots[id].inode;
}

struct sim_inode *sim_inode_mut(struct env_sim_disk *d, uint32_t id)
{
    CHECK(id != SIM_NO_INODE && id < d->n && d->slots[id].inode != NULL);
    struct sim_inode *ino = d->slots[id].inode;
    if (ino->refs > 1) {
        struct sim_inode *own = inode_clone(ino);
        ino->refs--;
        d->slots[id].inode = own;
        return own;
    }
    return ino;
}

void sim_inode_replace(struct env_sim_disk *d, struct sim_inode *ino)
{
    sim_inode_drop(d->slots[ino->id].inode);
    d->slots[ino->id].inode = ino;
}

uint32_t sim_inode_new(struct env_sim_disk *d, bool is_dir)
{
    size_t id = SIM_ROOT;
    while (id < d->n && d->slots[id].inode != NULL) {
        id++;
    }
    if (id >= d->cap) {
        size_t cap = d->cap == 0 ? 16 : d->cap * 2;
        d->slots = sim_grow(d->slots, d->n * sizeof(*d->slots), cap * sizeof(*d->slots));
        d->cap = cap;
    }
    if (id >= d->n) {
        d->n = id + 1;
    }
    struct sim_inode *ino = sim_alloc(sizeof(*ino));
    ino->refs = 1;
    ino->id = (uint32_t)id;
    ino->is_dir = is_dir;
    d->slots[id] = (struct sim_slot){.inode = ino, .handles = 0};
    return ino->id;
}

void sim_disk_init(struct env_sim_disk *d)
{
    *d = (struct env_sim_disk){0};
    CHECK(sim_inode_new(d, true) == SIM_ROOT);
}

void sim_disk_deinit(struct env_sim_disk *d)
{
    sim_names_clear(d);
    sim_free(d->names);
    for (size_t i = 0; i < d->n; i++) {
        sim_inode_drop(d->slots[i].inode);
    }
    sim_free(d->slots);
    *d = (struct env_sim_disk){0};
}

void sim_disk_copy(struct env_sim_disk *dst, const struct env_sim_disk *src)
{
    sim_disk_deinit(dst);
    dst->slots = sim_alloc(src->n * sizeof(*dst->slots));
    dst->n = dst->cap = src->n;
    for (size_t i = 0; i < src->n; i++) {
        dst->slots[i].inode = src->slots[i].inode;
        if (dst->slots[i].inode != NULL) {
            dst->slots[i].inode->refs++;
        }
    }
    if (src->names_n > 0) {
        dst->names = sim_alloc(src->names_n * sizeof(*dst->names));
        memcpy(dst->names, src->names, src->names_n * sizeof(*dst->names));
        dst->names_n = dst->names_cap = src->names_n;
        for (size_t i = 0; i < dst->names_n; i++) {
            dst->names[i].op->refs++;
        }
    }
    dst->used_pages = src->used_pages;
    dst->seq = src->seq;
}

void sim_inode_release(struct env_sim_disk *d, uint32_t id)
{
    if (id == SIM_NO_INODE || id == SIM_ROOT || d->slots[id].inode == NULL) {
        return;
    }
    const struct sim_inode *ino = d->slots[id].inode;
    if (ino->now_at.dir != SIM_NO_INODE || d->slots[id].handles > 0) {
        return;
    }
    if (ino->pend_n > 0 || ino->now.n > 0) {
        /* what was not synced dies with the last way to sync it; the safe side may come back */
        struct sim_inode *own = sim_inode_mut(d, id);
        d->used_pages -= own->now.claimed_pages;
        sim_pending_drop_all(own);
        sim_tree_free(&own->now);
        own->now_size = 0;
        ino = own;
    }
    if (ino->safe_at.dir != SIM_NO_INODE || sim_names_refer(d, id)) {
        return;
    }
    struct sim_inode *gone = d->slots[id].inode;
    d->slots[id].inode = NULL;
    for (size_t i = 0; i < gone->safe_names.n; i++) {
        uint32_t child_id = gone->safe_names.e[i].id;
        struct sim_inode *child = sim_inode_mut(d, child_id);
        sim_name_drop(child->safe_at.name);
        child->safe_at = (struct sim_place){0};
        sim_inode_release(d, child_id);
    }
    sim_inode_drop(gone);
}

void sim_disk_release_all(struct env_sim_disk *d)
{
    for (uint32_t id = SIM_ROOT; id < d->n; id++) {
        d->slots[id].handles = 0;
    }
    for (uint32_t id = SIM_ROOT; id < d->n; id++) {
        sim_inode_release(d, id);
    }
    d->used_pages = 0;
    for (uint32_t id = SIM_ROOT; id < d->n; id++) {
        if (d->slots[id].inode != NULL) {
            d->used_pages += d->slots[id].inode->now.claimed_pages;
        }
    }
}

static uint64_t dir_hash(const struct env_sim_disk *d, const struct sim_inode *dir)
{
    uint64_t h = sim_mix(dir->now_names.n + 1);
    for (size_t i = 0; i < dir->now_names.n; i++) {
        const struct sim_entry *e = &dir->now_names.e[i];
        for (size_t k = 0; k < e->name->n; k++) {
            h = (h ^ (uint8_t)e->name->text[k]) * 0x100000001b3u;
        }
        const struct sim_inode *ino = sim_inode(d, e->id);
        if (ino->is_dir) {
            h = sim_mix(h ^ 1) + dir_hash(d, ino);
        } else {
            h = sim_mix(h ^ 2) + sim_mix(ino->now_size) + sim_tree_hash(&ino->now);
        }
        h = sim_mix(h);
    }
    return h;
}

uint64_t sim_disk_hash(const struct env_sim_disk *d)
{
    return dir_hash(d, sim_inode(d, SIM_ROOT));
}
