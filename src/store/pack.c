/*
 * Packing: copying inline batches from the memory of the log's groups to their places in the
 * segments, on the checkpoint lane (pack_write.c). Neighbours become one write. A pack alone frees
 * memory; a checkpoint packs, flushes, and then also frees the ring.
 *
 * The worker sees only the struct pack. What it finds out (opened files) the loop takes over in
 * pack_finish.
 */
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/store_int.h"

enum {
    PACK_IOV_MAX = 512, /* of one write */
    PACK_KEEP_MAX = 64, /* a pack of more files closes them again */
};

void pack_init(struct pack *k, struct store *s)
{
    *k = (struct pack){.store = s};
}

void pack_free(struct pack *k)
{
    for (size_t i = 0; i < k->item_count; i++) {
        struct pack_item *it = &k->items[i];
        if (it->opened && it->file != NULL) {
            env_file_close(it->file);
        }
        it->seg->users--;
        segment_unref(it->seg);
        mem_free(it->path);
        mem_free(it->idx);
    }
    for (size_t i = 0; i < k->part_count; i++) {
        part_unref(k->parts[i].part);
    }
    mem_free(k->items);
    mem_free(k->writes);
    mem_free(k->iovs);
    mem_free(k->parts);
    pack_piece_free(k);
    *k = (struct pack){.store = k->store};
}

static bool grow(void **p, size_t *cap, size_t count, size_t size)
{
    if (count < *cap) {
        return true;
    }
    const size_t n = *cap == 0 ? 16 : *cap * 2;
    void *grown = mem_realloc(*p, n * size);
    if (grown == NULL) {
        return false;
    }
    *p = grown;
    *cap = n;
    return true;
}

static struct pack_item *pack_item_get(struct pack *k, struct segment *g)
{
    if (g->pack_item != 0) {
        return &k->items[g->pack_item - 1];
    }
    void *items = k->items;
    char path[STORE_PATH_MAX];
    segment_path(g, false, path);
    char *copy = str_dup_z(str_of(path));
    if (copy == NULL || !grow(&items, &k->item_cap, k->item_count, sizeof(*k->items))) {
        mem_free(copy);
        return NULL;
    }
    k->items = items;
    struct pack_item *it = &k->items[k->item_count++];
    *it = (struct pack_item){.seg = g,
                             .path = copy,
                             .file = g->file,
                             .make_dir = !g->dir->made,
                             .there = g->created,
                             .write = (uint32_t)k->write_count};
    segment_ref(g);
    g->users++;
    g->pack_item = k->item_count;
    return it;
}

static bool pack_entry(struct pack *k, const struct tail_entry *t)
{
    struct pack_item *it = pack_item_get(k, t->seg);
    void *iovs = k->iovs;
    void *writes = k->writes;
    if (it == NULL || !grow(&iovs, &k->iov_cap, k->iov_count, sizeof(*k->iovs))) {
        return false;
    }
    k->iovs = iovs;
    struct pack_write *w =
        it->write_count == 0 ? NULL : &k->writes[it->write + it->write_count - 1];
    const bool neighbour = w != NULL && it->size == t->position && w->iov_count < PACK_IOV_MAX;
    if (!neighbour) {
        if (!grow(&writes, &k->write_cap, k->write_count, sizeof(*k->writes))) {
            return false;
        }
        k->writes = writes;
        if (it->write_count == 0) {
            it->write = (uint32_t)k->write_count;
        }
        w = &k->writes[k->write_count++];
        *w = (struct pack_write){t->position, (uint32_t)k->iov_count, 0};
        it->write_count++;
    }
    /* Written, never changed. */
    k->iovs[k->iov_count++] = (struct iovec){(void *)(uintptr_t)t->memory, t->size};
    w->iov_count++;
    it->size = t->position + t->size;
    it->bytes += t->size;
    k->bytes += t->size;
    return true;
}

static bool pack_part(struct pack *k, struct store_part *p)
{
    const uint32_t n = tail_to_pack(p);
    if (n == 0) {
        return true;
    }
    void *parts = k->parts;
    if (!grow(&parts, &k->part_cap, k->part_count, sizeof(*k->parts))) {
        return false;
    }
    k->parts = parts;
    k->parts[k->part_count++] = (struct pack_part){p, n};
    part_ref(p);
    p->packing = true;
    for (uint32_t i = 0; i < n; i++) {
        const struct tail_entry *t = tail_at(&p->tail, i);
        if (!t->filed && !pack_entry(k, t)) {
            return false;
        }
    }
    return true;
}

/* What a flush of a dirty segment takes. */
static bool pack_flush_item(struct pack *k, struct segment *g, bool index_all)
{
    struct pack_item *it = pack_item_get(k, g);
    if (it == NULL) {
        return false;
    }
    it->flush = true;
    if (index_pending(g, index_all)) {
        /* A lost index entry costs a longer walk, so a lack of memory is nothing to stop for. */
        IGNORE(index_encode_new(g, &it->idx, &it->idx_size, &it->idx_at, &it->idx_to));
        g->index.promised = it->idx_to;
    }
    it->trim = g->sealed && !g->trimmed && g->users == 1;
    it->size = g->size;
    return true;
}

/* Dropped, and yet to be flushed (sync.c): nothing else is done to it. */
static bool pack_unsynced(struct pack *k)
{
    LIST_FOR_EACH (i, tmp, &k->store->part_list) {
        struct store_part *p = CONTAINER_OF(i, struct store_part, link);
        LIST_FOR_EACH (n, tmp2, &p->unsynced) {
            struct pack_item *it = pack_item_get(k, CONTAINER_OF(n, struct segment, unsynced_link));
            if (it == NULL) {
                return false;
            }
            it->flush = true;
        }
    }
    return true;
}

enum err pack_build(struct pack *k, bool for_checkpoint, bool index_all)
{
    struct store *s = k->store;
    bool ok = true;
    LIST_FOR_EACH (n, tmp, &s->tail_parts) {
        ok = ok && pack_part(k, CONTAINER_OF(n, struct store_part, tail_link));
    }
    if (for_checkpoint) {
        for (size_t i = 0; ok && i < k->item_count; i++) {
            segment_mark_dirty(k->items[i].seg);
        }
        LIST_FOR_EACH (n, tmp, &s->dirty_segs) {
            ok = ok && pack_flush_item(k, CONTAINER_OF(n, struct segment, dirty_link), index_all);
        }
        ok = ok && pack_unsynced(k);
    }
    for (size_t i = 0; i < k->item_count; i++) {
        struct pack_item *it = &k->items[i];
        it->seg->pack_item = 0;
        it->keep = k->item_count <= PACK_KEEP_MAX && k->item_count <= s->open_max;
        if (ok && it->flush && it->seg->dirty) {
            it->seg->dirty = false;
            list_remove(&it->seg->dirty_link);
            s->dirty_count--;
        }
    }
    if (!ok) {
        for (size_t i = 0; i < k->item_count; i++) {
            k->items[i].seg->index.promised = 0;
        }
        for (size_t i = 0; i < k->part_count; i++) {
            k->parts[i].part->packing = false;
        }
        pack_free(k);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

/* ---- Worker --------------------------------------------------------------------------------- */

static enum err run_open(struct env *env, struct pack_item *it, struct ectx *ec)
{
    if (it->file != NULL) {
        return ERR_OK;
    }
    if (it->make_dir) {
        char dir[STORE_PATH_MAX];
        (void)snprintf(dir, sizeof(dir), "%s", it->path);
        char *slash = strrchr(dir, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
        const enum err made = env_dir_make(env, dir, ec);
        if (made != ERR_OK && made != ERR_EXISTS) {
            return made;
        }
    }
    enum err e = env_file_open(env, it->path, ENV_READ | ENV_WRITE | ENV_CREATE, &it->file, ec);
    it->opened = e == ERR_OK;
    return e;
}

static enum err run_index(struct env *env, const struct pack_item *it, struct ectx *ec)
{
    char path[STORE_PATH_MAX];
    const size_t n = strlen(it->path);
    (void)snprintf(path, sizeof(path), "%.*sidx", (int)(n - 3), it->path);
    struct env_file *f;
    enum err e = env_file_open(env, path, ENV_WRITE | ENV_CREATE, &f, ec);
    if (e == ERR_OK) {
        e = env_file_pwrite(f, it->idx, it->idx_size, it->idx_at, ec);
        env_file_close(f);
    }
    return e;
}

static enum err run_item(struct pack *k, struct pack_item *it, bool flush_each, struct ectx *ec)
{
    struct env *env = k->store->env;
    if (it->there && it->write_count == 0 && it->idx == NULL && !it->trim && !flush_each) {
        return ERR_OK; /* only the flush of the whole file system is for it */
    }
    enum err e = run_open(env, it, ec);
    if (e == ERR_OK) {
        e = pack_write_item(k, it, ec);
    }
    if (e == ERR_OK && it->idx != NULL) {
        struct ectx ignored;
        const enum err idx = run_index(env, it, &ignored);
        if (idx != ERR_OK) { /* derived: it will be longer to walk */
            it->idx_to = 0;
            e = idx == ERR_STOPPED ? ectx_fail(ec, idx, "%s", ignored.text) : ERR_OK;
        }
    }
    if (e == ERR_OK && it->trim) {
        e = env_file_truncate(it->file, it->size, ec);
    }
    if (e == ERR_OK && flush_each && it->flush) {
        e = env_file_datasync(it->file, ec);
        k->fatal = k->fatal || e != ERR_OK;
    }
    if (it->opened && !it->keep) {
        env_file_close(it->file);
        it->file = NULL;
    }
    return e;
}

enum err pack_run(struct pack *k, bool flush_each, struct ectx *ec)
{
    for (size_t i = 0; i < k->item_count; i++) {
        enum err e = run_item(k, &k->items[i], flush_each, ec);
        if (e != ERR_OK) {
            return ectx_wrap(ec, e, "packing '%s'", k->items[i].path);
        }
    }
    return ERR_OK;
}

/* ---- Loop ----------------------------------------------------------------------------------- */

static void finish_item(struct pack_item *it, bool ok, bool flushed)
{
    struct segment *g = it->seg;
    g->index.promised = 0;
    if (it->opened) {
        g->dir->made = true;
        if (!g->created) {
            g->created = true;
        }
        if (it->file != NULL) {
            segment_adopt_file(g, it->file);
            it->file = NULL;
        }
    }
    if (ok) {
        if (it->idx != NULL && it->idx_to > 0) {
            const uint32_t written = (uint32_t)(it->idx_size / INDEX_ENTRY_SIZE);
            g->index.stored = it->idx_to;
            g->index.first_new += written;
        }
        if (it->trim) {
            g->trimmed = true;
            g->claimed = it->size;
        }
        if (flushed) {
            g->durable = g->dir->durable = true;
        }
    }
    /* Somebody used the file: its claimed space goes back with the next checkpoint. */
    const bool untrimmed = it->flush && g->sealed && !g->trimmed && !it->trim;
    if ((!ok && it->flush) || untrimmed || (it->write_count > 0 && !(ok && flushed))) {
        segment_mark_dirty(g);
    }
}

void pack_finish(struct pack *k, bool ok, bool flushed)
{
    for (size_t i = 0; i < k->item_count; i++) {
        finish_item(&k->items[i], ok, flushed);
    }
    for (size_t i = 0; i < k->part_count; i++) {
        struct store_part *p = k->parts[i].part;
        p->packing = false;
        if (ok) {
            tail_pop(p, k->parts[i].entries);
        }
        if (p->removed) {
            part_bury(p);
        }
    }
    if (ok) {
        k->store->stats.packed_bytes += k->bytes;
    }
    pack_free(k);
}

struct pack_job {
    struct env_job job;
    struct pending pending;
    struct pack pack;
    enum err err;
    struct ectx ec;
};

static void pack_job_run(struct env_job *job)
{
    struct pack_job *j = CONTAINER_OF(job, struct pack_job, job);
    j->err = pack_run(&j->pack, false, &j->ec);
}

static void pack_job_done(struct env_job *job)
{
    struct pack_job *j = CONTAINER_OF(job, struct pack_job, job);
    struct store *s = j->pack.store;
    list_remove(&j->pending.link);
    pack_finish(&j->pack, j->err == ERR_OK, false);
    s->work = WORK_IDLE;
    if (j->err == ERR_IO || j->err == ERR_STOPPED) {
        store_fail(s, &j->ec);
    } else if (j->err != ERR_OK) {
        LOG_WARN("store.pack_failed", KV_ERR(&j->ec));
        stall_failed(s, true, &j->ec);
        if (j->err == ERR_NO_SPACE && store_reserve_release(s, "packing met a full disk")) {
            s->retry_after_ns = 0;
        } else {
            s->retry_after_ns = env_mono_ns(s->env) + STORE_RETRY_NS;
        }
    } else {
        stall_succeeded(s, true);
    }
    mem_free(j);
    checkpoint_barrier_check(s);
    store_ready_check(s);
}

static void pack_abandon(struct pending *p)
{
    struct pack_job *j = CONTAINER_OF(p, struct pack_job, pending);
    pack_free(&j->pack);
    mem_free(j);
}

void pack_start(struct store *s)
{
    struct pack_job *j = mem_new(struct pack_job);
    if (j == NULL) {
        stall_failed(s, true, NULL);
        return; /* the next tick tries again */
    }
    pack_init(&j->pack, s);
    const enum err e = pack_build(&j->pack, false, false);
    if (e != ERR_OK || j->pack.part_count == 0) {
        if (e != ERR_OK) {
            stall_failed(s, true, NULL);
        }
        pack_free(&j->pack);
        mem_free(j);
        return;
    }
    pack_pace(&j->pack);
    j->job = (struct env_job){.run = pack_job_run, .done = pack_job_done};
    s->work = WORK_PACK;
    pending_add(s, &j->pending, pack_abandon);
    env_job_submit(s->poll, ENV_LANE_CHECKPOINT, &j->job);
}

enum err pack_now(struct store *s, struct ectx *ec)
{
    struct pack k;
    pack_init(&k, s);
    enum err e = pack_build(&k, false, false);
    if (e != ERR_OK) {
        return ectx_fail(ec, e, "no memory for packing");
    }
    e = pack_run(&k, false, ec);
    if (e == ERR_NO_SPACE && store_reserve_release(s, "packing met a full disk")) {
        e = pack_run(&k, false, ec);
    }
    pack_finish(&k, e == ERR_OK, false);
    return e;
}
