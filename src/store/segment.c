/*
 * Segments: files of consecutive entries of one partition. This file gives batches their segment
 * and place, opens and creates files, keeps the number of open ones bounded, and forgets segments.
 *
 * A file is created when the first byte has to go there: by packing on a worker, or by a batch in
 * place on the loop (claim.c).
 */
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/store_int.h"

struct segment *segment_new(struct store *s, struct store_part *p, int64_t base)
{
    struct segment *g = mem_new(struct segment);
    if (g == NULL) {
        return NULL;
    }
    g->store = s;
    g->dir = p->dir;
    g->dir->refs++;
    g->part_id = p->id;
    g->part_index = p->index;
    g->refs = 1;
    g->base = g->end = base;
    g->max_timestamp = g->first_append_ms = g->last_append_ms = -1;
    list_init(&g->lru);
    list_init(&g->dirty_link);
    list_init(&g->unsynced_link);
    return g;
}

void segment_ref(struct segment *g)
{
    g->refs++;
}

void segment_unref(struct segment *g)
{
    if (--g->refs > 0) {
        return;
    }
    CHECK(g->users == 0);
    segment_close_file(g);
    if (!list_empty(&g->dirty_link)) {
        list_remove(&g->dirty_link);
        g->store->dirty_count--;
    }
    index_free(g);
    topic_dir_unref(g->store, g->dir);
    mem_free(g);
}

enum err segment_push(struct store_part *p, struct segment *g)
{
    if (p->seg_count == p->seg_cap) {
        const uint32_t cap = p->seg_cap == 0 ? 2 : p->seg_cap * 2;
        struct segment **grown = mem_realloc(p->segs, cap * sizeof(*grown));
        if (grown == NULL) {
            return ERR_NO_MEMORY;
        }
        p->segs = grown;
        p->seg_cap = cap;
    }
    p->segs[p->seg_count++] = g;
    return ERR_OK;
}

void segment_path_relative(const struct segment *g, char *out)
{
    segment_name(out, STORE_PATH_MAX, g->dir->name, g->part_index, g->part_id, g->base, "seg");
}

void segment_path(const struct segment *g, bool idx, char *out)
{
    char name[STORE_PATH_MAX / 2];
    segment_name(name, sizeof(name), g->dir->name, g->part_index, g->part_id, g->base,
                 idx ? "idx" : "seg");
    store_path(g->store->dir, name, out);
}

void segment_identity_get(const struct segment *g, struct segment_identity *out)
{
    out->store_id = g->store->id;
    out->part_id = g->part_id;
    out->base = g->base;
    segment_identity_seal(out);
}

struct segment *part_active(struct store_part *p)
{
    return p->seg_count == 0 ? NULL : p->segs[p->seg_count - 1];
}

struct segment *part_segment_at(const struct store_part *p, int64_t offset, uint32_t *at)
{
    uint32_t lo = 0, hi = p->seg_count;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (p->segs[mid]->end <= offset) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (at != NULL) {
        *at = lo;
    }
    return lo < p->seg_count ? p->segs[lo] : NULL;
}

/* ---- Appending ------------------------------------------------------------------------------ */

static bool must_roll(const struct store_part *p, const struct segment *g, size_t entry_size,
                      int32_t last_delta, int64_t now_ms)
{
    if (g->sealed) {
        return true;
    }
    if (g->size == 0) {
        return p->log_end + last_delta - g->base > INT32_MAX;
    }
    const int64_t age = now_ms - g->first_append_ms;
    return g->size + entry_size > p->cfg.segment_bytes ||
           (age > 0 && (uint64_t)age >= p->cfg.segment_ms) ||
           p->log_end + last_delta - g->base > INT32_MAX ||
           g->index.count >= STORE_INDEX_ENTRIES_MAX - 1;
}

/* `fresh`: the segment is not in the part yet; segment_append of its first entry needs segment_push
 * before. */
enum err segment_for_append(struct store_part *p, size_t entry_size, int32_t last_delta,
                            int64_t now_ms, struct segment **out, bool *fresh)
{
    struct segment *g = part_active(p);
    *fresh = false;
    if (g == NULL || must_roll(p, g, entry_size, last_delta, now_ms)) {
        g = segment_new(p->store, p, p->log_end);
        if (g == NULL) {
            return ERR_NO_MEMORY;
        }
        g->index.loaded = true;
        *fresh = true;
    }
    *out = g;
    return ERR_OK;
}

/* The one place where a segment and its part grow: live, at replay and when scanning. */
void segment_append(struct store_part *p, struct segment *g, const struct entry *e)
{
    index_note(g, e, p->cfg.index_interval_bytes);
    if (g->first_append_ms < 0) {
        g->first_append_ms = e->append_time_ms;
    }
    if (e->append_time_ms > g->last_append_ms) {
        g->last_append_ms = e->append_time_ms;
    }
    if (e->max_timestamp > g->max_timestamp) {
        g->max_timestamp = e->max_timestamp;
    }
    g->size = entry_end(e);
    g->end = entry_next_offset(e);
    p->log_end = g->end;
}

/* ---- Files ---------------------------------------------------------------------------------- */

void segment_touch(struct segment *g)
{
    list_remove(&g->lru);
    list_push_back(&g->store->open_files, &g->lru);
}

static void close_direct(struct segment *g)
{
    if (g->direct != NULL) {
        env_file_close(g->direct);
        g->direct = NULL;
        g->store->open_count--;
    }
}

void segment_close_file(struct segment *g)
{
    close_direct(g);
    if (g->file != NULL) {
        env_file_close(g->file);
        g->file = NULL;
        list_remove(&g->lru);
        g->store->open_count--;
    }
}

static void files_trim(struct store *s)
{
    LIST_FOR_EACH (n, tmp, &s->open_files) { /* these hold nothing that is not flushed */
        struct segment *g = CONTAINER_OF(n, struct segment, lru);
        if (s->open_count >= s->open_max && g->users == 0) {
            close_direct(g);
        }
    }
    LIST_FOR_EACH (n, tmp, &s->open_files) {
        if (s->open_count < s->open_max) {
            return;
        }
        struct segment *g = CONTAINER_OF(n, struct segment, lru);
        /* Closing a file with unflushed writes would lose the report of a failed write-back. */
        const bool flushed = !g->dirty && list_empty(&g->unsynced_link);
        if (g->users == 0 && (flushed || s->open_count >= 2 * s->open_max)) {
            segment_close_file(g);
        }
    }
}

/* The longest unused file, when there is no descriptor for another one. */
static bool files_give_one_up(struct store *s)
{
    LIST_FOR_EACH (n, tmp, &s->open_files) {
        struct segment *g = CONTAINER_OF(n, struct segment, lru);
        if (g->users == 0) {
            segment_close_file(g);
            return true;
        }
    }
    return false;
}

void segment_adopt_file(struct segment *g, struct env_file *f)
{
    if (g->file != NULL || (g->dropped && list_empty(&g->unsynced_link))) {
        env_file_close(f);
        return;
    }
    files_trim(g->store);
    g->file = f;
    g->store->open_count++;
    list_push_back(&g->store->open_files, &g->lru);
}

enum err segment_open(struct segment *g, bool create, struct ectx *ec)
{
    if (g->file != NULL) {
        segment_touch(g);
        return ERR_OK;
    }
    struct store *s = g->store;
    char path[STORE_PATH_MAX];
    if (create && !g->dir->made) {
        char name[STORE_PATH_MAX / 2];
        (void)snprintf(name, sizeof(name), "topics/%s", g->dir->name);
        store_path(s->dir, name, path);
        const enum err made = env_dir_make(s->env, path, ec);
        if (made != ERR_OK && made != ERR_EXISTS) {
            return made;
        }
        g->dir->made = true;
    }
    segment_path(g, false, path);
    struct env_file *f;
    const unsigned flags = ENV_READ | ENV_WRITE | (create && !g->created ? ENV_CREATE : 0);
    enum err e = env_file_open(s->env, path, flags, &f, ec);
    if (e == ERR_NO_DESCRIPTORS && files_give_one_up(s)) {
        e = env_file_open(s->env, path, flags, &f, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    g->created = true;
    segment_adopt_file(g, f);
    return ERR_OK;
}

enum err segment_open_direct(struct segment *g, struct ectx *ec)
{
    if (g->direct != NULL) {
        return ERR_OK;
    }
    struct store *s = g->store;
    char path[STORE_PATH_MAX];
    segment_path(g, false, path);
    struct env_file *f;
    g->users++; /* it must not be the one that is given up */
    enum err e = env_file_open(s->env, path, SEGMENT_DIRECT_FLAGS, &f, ec);
    if (e == ERR_NO_DESCRIPTORS && files_give_one_up(s)) {
        e = env_file_open(s->env, path, SEGMENT_DIRECT_FLAGS, &f, ec);
    }
    if (e == ERR_OK) {
        segment_adopt_direct(g, f);
    }
    g->users--;
    return e;
}

void segment_adopt_direct(struct segment *g, struct env_file *f)
{
    if (g->direct != NULL || g->file == NULL || g->dropped) {
        env_file_close(f); /* it is closed with g->file, so it is not kept without it */
        return;
    }
    g->users++;
    files_trim(g->store);
    g->users--;
    g->direct = f;
    g->store->open_count++;
}

void segment_release(struct segment *g)
{
    g->users--;
    if (g->users == 0 && g->sealed) {
        close_direct(g);
    }
}

void segment_mark_dirty(struct segment *g)
{
    if (!g->dirty && !g->dropped) {
        g->dirty = true;
        list_push_back(&g->store->dirty_segs, &g->dirty_link);
        g->store->dirty_count++;
    }
}

/* ---- Dropping ------------------------------------------------------------------------------- */

void drop_file_add(struct store *s, const char *relative, uint64_t sequence, uint64_t after_ns)
{
    struct dropped_file *d = mem_new(struct dropped_file);
    char *path = str_dup_z(str_of(relative));
    if (d == NULL || path == NULL) {
        /* The file stays behind; `verify` will name it. Nothing else depends on it. */
        LOG_WARN("segment.left_behind", KV_Z("file", relative));
        mem_free(d);
        mem_free(path);
        return;
    }
    d->path = path;
    d->sequence = sequence;
    d->after_ns = after_ns;
    list_push_back(&s->drops, &d->link);
    s->drop_count++;
}

void segment_drop(struct segment *g)
{
    struct store *s = g->store;
    char relative[STORE_PATH_MAX];
    g->dropped = true;
    segment_path_relative(g, relative);
    if (g->dirty) {
        g->dirty = false;
        list_remove(&g->dirty_link);
        s->dirty_count--;
    }
    if (!g->created) {
        return;
    }
    if (STORE_FAULT(unlink_early)) {
        char path[STORE_PATH_MAX];
        segment_path(g, false, path);
        IGNORE(env_unlink(s->env, path, NULL)); /* a planted fault */
        return;
    }
    struct store_part *p = store_part_find(s, g->part_id);
    const uint64_t delay = p == NULL || s->recovering ? 0 : p->cfg.file_delete_delay_ms;
    /* An image on its way to the disk was taken before this drop: it still names the file. */
    const uint64_t last = s->image_sequence + (s->work == WORK_CHECKPOINT ? 1 : 0);
    drop_file_add(s, relative, last + 1, env_mono_ns(s->env) + delay * 1000000u);
}
