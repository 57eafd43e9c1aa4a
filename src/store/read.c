/*
 * Reading batches: from the tail's memory, or from a segment file, first only what is in the page
 * cache (on the loop), then on a worker.
 *
 * A file is read once for as many whole entries as the caller wants; a batch larger than that is
 * read again with its exact size. Every batch is checked against its checksum before it is
 * returned. What fails is quarantined: its offsets answer ERR_DAMAGED from then on, and the rest is
 * served.
 */
#include <string.h>

#include "core/check.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/ahead.h"
#include "store/read.h"

enum {
    READ_SLACK = 16 << 10,
    READ_SLACK_SMALL = 6 << 10,
    READ_REFS_MAX = 1 << 20,
    READ_STALLS_MAX = 3
};

struct hold_ref {
    struct wal_group *group;
    struct chunk *chunk;
};
struct hold {
    uint32_t count, cap;
    struct hold_ref refs[];
};

void store_read_release(struct store_read *r)
{
    struct hold *h = r->hold;
    if (h == NULL) {
        return;
    }
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->refs[i].group != NULL) {
            wal_group_unref(h->refs[i].group);
        }
        chunk_unref(h->refs[i].chunk);
    }
    mem_free(h);
    r->hold = NULL;
}

static bool hold_add(struct hold **hp, struct wal_group *group, struct chunk *chunk)
{
    struct hold *h = *hp;
    if (h != NULL && h->count > 0 && h->refs[h->count - 1].group == group &&
        h->refs[h->count - 1].chunk == chunk) {
        return true;
    }
    if (h == NULL || h->count == h->cap) {
        const uint32_t cap = h == NULL ? 4 : h->cap * 2;
        struct hold *grown = mem_realloc(h, sizeof(*h) + cap * sizeof(h->refs[0]));
        if (grown == NULL) {
            return false;
        }
        if (h == NULL) {
            grown->count = 0;
        }
        grown->cap = cap;
        *hp = h = grown;
    }
    h->refs[h->count++] = (struct hold_ref){group, chunk};
    if (group != NULL) {
        wal_group_ref(group);
    }
    if (chunk != NULL) {
        chunk_ref(chunk);
    }
    return true;
}

/* ---- From a file ---------------------------------------------------------------------------- */

bool read_task_add(struct read_task *t, const struct read_ref *r)
{
    if (t->ref_cap == 0) {
        t->refs = &t->one;
        t->ref_cap = 1;
    } else if (t->ref_count == t->ref_cap) {
        const bool first = t->refs == &t->one;
        const uint32_t cap = first ? 16 : t->ref_cap * 2;
        struct read_ref *grown =
            cap > READ_REFS_MAX ? NULL : mem_realloc(first ? NULL : t->refs, cap * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        if (first) {
            *grown = t->one;
        }
        t->refs = grown;
        t->ref_cap = cap;
    }
    t->refs[t->ref_count++] = *r;
    t->bytes += r->size;
    t->next_offset = r->next_offset;
    t->next_position = r->next_position;
    t->block_bytes += r->blocks ? r->size : 0;
    return true;
}

static enum err task_fill(struct read_task *t, uint64_t position, size_t want)
{
    const size_t lead = t->direct != NULL ? (size_t)(position % ENV_BLOCK) : 0;
    position -= lead;
    want += lead;
    want = t->direct != NULL ? (size_t)entry_block_up(want) : want;
    if (t->chunk == NULL || t->chunk->size < want) {
        if (t->chunk != NULL && t->chunk->pool != NULL) {
            t->outgrown = t->chunk; /* the pool is the loop's */
        } else {
            chunk_unref(t->chunk);
        }
        t->chunk = chunk_new(NULL, want);
        if (t->chunk == NULL) {
            return ectx_fail(&t->ec, ERR_NO_MEMORY, "no memory for reading %zu bytes", want);
        }
    }
    size_t got = 0;
    struct env_file *f = t->direct != NULL ? t->direct : t->file;
    enum err e = t->cached ? env_file_pread_cached(f, t->chunk->bytes, want, position, &got, &t->ec)
                           : env_file_pread(f, t->chunk->bytes, want, position, &got, &t->ec);
    if (e == ERR_OK && got < want && t->cached && got < ENTRY_HEADER_SIZE) {
        e = ERR_AGAIN;
    }
    t->at = position;
    t->have = e == ERR_OK ? got : 0;
    return e;
}

/* No valid entry at `position`: where the next one is says what is damaged. Goes on there if that
 * is before the offset. */
static enum err task_damage(struct read_task *t, uint64_t *position, int64_t expected)
{
    if (t->cached) {
        return ERR_AGAIN; /* the worker finds out */
    }
    uint8_t *buffer = mem_alloc_aligned(ENV_BLOCK, READ_SLACK);
    if (buffer == NULL) {
        return ectx_fail(&t->ec, ERR_NO_MEMORY, "no memory for reading");
    }
    /* As the read did: the page cache may hold what the device has lost, and the other way round.
     */
    struct entry_walk w = {.file = t->direct != NULL ? t->direct : t->file,
                           .aligned = t->direct != NULL,
                           .id = &t->id,
                           .end = t->end,
                           .buffer = buffer,
                           .cap = READ_SLACK};
    struct entry next;
    uint64_t skipped = 0;
    const uint64_t from = *position;
    enum err e = entry_walk_next(&w, position, &next, &skipped, &t->ec);
    mem_free(buffer);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    int64_t good = e == ERR_OK ? next.base_offset : t->segment_end;
    good = good < t->limit ? good : t->limit; /* above it nothing was promised yet */
    if (e == ERR_OK && *position == from && ++t->stalls > READ_STALLS_MAX) {
        t->damage = (struct damage_range){expected, entry_next_offset(&next)};
        return ERR_DAMAGED; /* there in one read, gone in the next, again and again */
    }
    if (good <= expected) {
        return e == ERR_OK ? ERR_OK
                           : ERR_NOT_FOUND; /* a hole between entries: no offset is missing */
    }
    if (good <= t->offset && e == ERR_OK) {
        return ERR_OK;
    }
    t->damage = (struct damage_range){expected, good};
    return ERR_DAMAGED;
}

static enum err task_take(struct read_task *t, const struct entry *e, bool *stop)
{
    const size_t size = ENTRY_HEADER_SIZE + e->payload_size;
    const bool over = t->bytes + e->payload_size > t->max_bytes;
    *stop = entry_next_offset(e) > t->limit || (over && (t->ref_count > 0 || !t->at_least_one));
    if (*stop) {
        return ERR_OK;
    }
    size_t i = (size_t)(e->position - t->at);
    if (i + size > t->have) {
        if (t->ref_count > 0) {
            *stop = true;
            return ERR_OK;
        }
        enum err err = task_fill(t, e->position, size);
        if (err != ERR_OK) {
            return err;
        }
        i = (size_t)(e->position - t->at);
        if (t->have < i + size && t->cached) {
            return ERR_AGAIN;
        }
    }
    if (i + size > t->have ||
        crc32c(0, t->chunk->bytes + i + ENTRY_HEADER_SIZE, e->payload_size) != e->payload_crc) {
        *stop = t->ref_count > 0;
        if (*stop) {
            return ERR_OK; /* the next read meets it first */
        }
        if (t->cached) {
            return ERR_AGAIN;
        }
        t->damage = (struct damage_range){e->base_offset, entry_next_offset(e)};
        return ERR_DAMAGED;
    }
    const struct read_ref ref = {.at = (uint32_t)(i + ENTRY_HEADER_SIZE),
                                 .size =
                                     entry_batch_size(e, t->chunk->bytes + i + ENTRY_HEADER_SIZE),
                                 .base_offset = e->base_offset,
                                 .next_offset = entry_next_offset(e),
                                 .next_position = entry_end(e),
                                 .commit_position = e->commit_position,
                                 .blocks = (e->flags & ENTRY_BLOCKS) != 0};
    if (!read_task_add(t, &ref)) {
        *stop = true;
        return t->ref_count > 0 ? ERR_OK : ectx_fail(&t->ec, ERR_NO_MEMORY, "no memory for a read");
    }
    return ERR_OK;
}

/* Bytes worth reading at once from `position` on. */
static size_t task_want(const struct read_task *t, uint64_t position)
{
    const uint64_t left = t->end - position;
    /* Who wants one batch finds it within an interval of the index; if not, it is read again. */
    const size_t slack = t->max_bytes < READ_SLACK ? READ_SLACK_SMALL : READ_SLACK;
    const size_t want =
        (t->max_bytes < STORE_READ_BUFFER_MAX ? t->max_bytes : STORE_READ_BUFFER_MAX) + slack;
    return left < want ? (size_t)left : want;
}

enum err read_task_prepare(struct store_part *p, struct read_task *t, struct ectx *ec)
{
    const size_t want = t->position < t->end ? task_want(t, t->position) : 1;
    t->chunk = chunk_new(p->store->pool, want + 2 * (size_t)ENV_BLOCK); /* for a direct read */
    return t->chunk == NULL ? ectx_fail(ec, ERR_NO_MEMORY, "no memory for reading %zu bytes", want)
                            : ERR_OK;
}

enum err read_task_run(struct read_task *t)
{
    uint64_t position = t->position;
    int64_t expected = t->expected;
    /* Entries from the limit on may still be on their way to the disk: not even their headers
     * count. */
    while (position + ENTRY_HEADER_SIZE <= t->end && expected < t->limit) {
        if (t->have == 0 || position < t->at || position + ENTRY_HEADER_SIZE > t->at + t->have) {
            if (t->ref_count > 0) {
                return ERR_OK;
            }
            enum err e = task_fill(t, position, task_want(t, position));
            if (e != ERR_OK) {
                return e;
            }
        }
        struct entry e;
        const struct entry_window seen = {t->chunk->bytes, t->have, t->at};
        if (!entry_next(&seen, &t->id, t->end, expected, &position, &e)) {
            if (t->ref_count > 0) {
                return ERR_OK;
            }
            enum err err = task_damage(t, &position, expected);
            if (err != ERR_OK) {
                return err == ERR_NOT_FOUND ? ERR_OK : err;
            }
            t->have = 0;
            continue;
        }
        if (entry_next_offset(&e) > t->offset) {
            bool stop;
            enum err err = task_take(t, &e, &stop);
            if (err != ERR_OK || stop) {
                return err;
            }
        }
        expected = entry_next_offset(&e);
        position = entry_end(&e);
    }
    return ERR_OK;
}

/* One batch that lies in memory, without a system call: header after header up to it, then its
 * bytes and no others. False: nothing was read, and the usual way says why. */
static bool task_peek(struct read_task *t, struct pool *pool)
{
    uint8_t head[ENTRY_HEADER_SIZE];
    struct entry e;
    uint64_t position = t->position;
    do {
        if (position + ENTRY_HEADER_SIZE > t->end ||
            !env_file_peek(t->file, head, sizeof(head), position) ||
            !entry_decode(head, &t->id, position, &e) || entry_end(&e) > t->end) {
            return false;
        }
        position = entry_end(&e);
    } while (entry_next_offset(&e) <= t->offset);
    if (e.base_offset > t->offset || entry_next_offset(&e) > t->limit ||
        t->max_bytes > e.payload_size) {
        return false;
    }
    t->chunk = chunk_new(pool, e.payload_size);
    if (t->chunk != NULL &&
        env_file_peek(t->file, t->chunk->bytes, e.payload_size, e.position + ENTRY_HEADER_SIZE) &&
        crc32c(0, t->chunk->bytes, e.payload_size) == e.payload_crc) {
        const struct read_ref ref = {.size = entry_batch_size(&e, t->chunk->bytes),
                                     .base_offset = e.base_offset,
                                     .next_offset = entry_next_offset(&e),
                                     .next_position = position,
                                     .commit_position = e.commit_position,
                                     .blocks = (e.flags & ENTRY_BLOCKS) != 0};
        if (read_task_add(t, &ref)) {
            return true;
        }
    }
    chunk_unref(t->chunk);
    t->chunk = NULL;
    return false;
}

void read_task_free(struct read_task *t)
{
    for (uint32_t i = 0; i < t->ref_count; i++) {
        chunk_unref(t->refs[i].chunk);
    }
    chunk_unref(t->chunk);
    chunk_unref(t->outgrown);
    if (t->refs != &t->one) {
        mem_free(t->refs);
    }
    t->chunk = t->outgrown = NULL;
    t->refs = NULL;
    t->ref_count = t->ref_cap = 0;
}

static uint64_t *positions_new(struct arena *a, unsigned how, size_t n)
{
    return (how & STORE_READ_POSITIONS) == 0 ? NULL : arena_new_n(a, uint64_t, n);
}

/* Loop: turns what a task found into the caller's result. */
static enum err task_result(struct store_part *p, struct read_task *t, enum err e, unsigned how,
                            struct arena *a, struct store_read *out, struct ectx *ec)
{
    if (e == ERR_DAMAGED) {
        part_damage_add(p, t->damage.from, t->damage.to, "it failed its checksum when it was read");
        p->store->stats.damaged_reads++;
        return read_damaged(p, &t->damage, ec);
    }
    if (e != ERR_OK) {
        if (ec != NULL) {
            *ec = t->ec;
        }
        return e;
    }
    *out = (struct store_read){.next_offset = t->offset};
    if (t->ref_count == 0) {
        return ERR_OK;
    }
    struct hold *h = NULL;
    struct str *chunks = arena_new_n(a, struct str, t->ref_count);
    uint64_t *positions = positions_new(a, how, t->ref_count);
    bool ok = chunks != NULL && (positions != NULL || (how & STORE_READ_POSITIONS) == 0);
    for (uint32_t i = 0; ok && i < t->ref_count; i++) {
        const struct read_ref *r = &t->refs[i];
        struct chunk *c = r->chunk != NULL ? r->chunk : t->chunk;
        ok = hold_add(&h, NULL, c);
        if (ok && c->store == NULL) { /* what was read ahead may serve several */
            c->store = p->store;
            p->store->read_bytes += c->size;
        }
        chunks[i] = str_make(c->bytes + r->at, r->size);
        if (positions != NULL) {
            positions[i] = r->commit_position;
        }
    }
    struct store_read r = {chunks, positions, t->ref_count, t->bytes, t->next_offset, h};
    if (!ok) {
        store_read_release(&r);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a read");
    }
    *out = r;
    return ERR_OK;
}

enum err read_damaged(const struct store_part *p, const struct damage_range *d, struct ectx *ec)
{
    enum err e = ectx_fail(ec, ERR_DAMAGED,
                           "offsets %lld to %lld of partition %d of '%s' are damaged on the disk",
                           (long long)d->from, (long long)(d->to - 1), (int)p->index, p->dir->name);
    ectx_hint(ec, "continue at offset %lld, or restore the partition from a backup",
              (long long)d->to);
    return e;
}

/* ---- From the tail -------------------------------------------------------------------------- */

static enum err read_tail(struct store_part *p, uint32_t i, int64_t limit, size_t max_bytes,
                          unsigned how, struct arena *a, struct store_read *out, struct ectx *ec)
{
    uint32_t n = 0;
    size_t bytes = 0;
    int64_t next = out->next_offset;
    for (uint32_t k = i; k < p->tail.count; k++) {
        const struct tail_entry *t = tail_at(&p->tail, k);
        const size_t size = t->size - ENTRY_HEADER_SIZE;
        if (t->memory == NULL || t->last >= limit ||
            (bytes + size > max_bytes && (n > 0 || (how & STORE_READ_AT_LEAST_ONE) == 0))) {
            break;
        }
        n++;
        bytes += size;
        next = t->last + 1;
    }
    if (n == 0) {
        return ERR_OK;
    }
    struct str *chunks = arena_new_n(a, struct str, n);
    uint64_t *positions = positions_new(a, how, n);
    struct hold *h = NULL;
    bool ok = chunks != NULL && (positions != NULL || (how & STORE_READ_POSITIONS) == 0);
    for (uint32_t k = 0; ok && k < n; k++) {
        const struct tail_entry *t = tail_at(&p->tail, i + k);
        chunks[k] = str_make(t->memory + ENTRY_HEADER_SIZE, t->size - ENTRY_HEADER_SIZE);
        if (positions != NULL) {
            positions[k] = t->commit_position;
        }
        ok = hold_add(&h, t->group, t->chunk);
    }
    struct store_read r = {chunks, positions, n, bytes, next, h};
    if (!ok) {
        store_read_release(&r);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a read");
    }
    *out = r;
    return ERR_OK;
}

/* ---- Both ----------------------------------------------------------------------------------- */

/* Where to read: *t is filled for a file, or *in_tail. */
static enum err read_plan(struct store_part *p, int64_t offset, int64_t *limit, struct read_task *t,
                          struct segment **seg, bool *in_tail, struct ectx *ec)
{
    *seg = NULL;
    *in_tail = false;
    if (offset < p->log_start || offset > p->log_end) {
        return ectx_fail(ec, ERR_OFFSET_OUT_OF_RANGE, "offset %lld is outside of %lld to %lld",
                         (long long)offset, (long long)p->log_start, (long long)p->high_watermark);
    }
    *limit = *limit < p->high_watermark ? *limit : p->high_watermark;
    const struct damage_range *d = part_damage_at(p, offset);
    if (d != NULL && d->from <= offset) {
        return read_damaged(p, d, ec);
    }
    if (d != NULL && d->from < *limit) {
        *limit = d->from;
    }
    if (offset >= *limit) {
        return ERR_OK;
    }
    struct segment *g;
    uint64_t position = 0;
    if (p->tail.count > 0 && offset >= tail_at(&p->tail, 0)->base) {
        const uint32_t i = tail_find(&p->tail, offset);
        if (i == p->tail.count) {
            return ERR_OK;
        }
        const struct tail_entry *e = tail_at(&p->tail, i);
        if (e->memory != NULL) {
            *in_tail = true;
            return ERR_OK;
        }
        g = e->seg;
        t->end = e->end;
        t->segment_end = e->last + 1; /* what follows is no business of this read */
        position = e->position;
        t->expected = e->base;
    } else {
        uint32_t i;
        g = part_segment_at(p, offset, &i);
        while (g != NULL && g->size == 0) { /* begun, and nothing came */
            g = ++i < p->seg_count ? p->segs[i] : NULL;
        }
        if (g == NULL) {
            return ERR_OK;
        }
        t->end = segment_file_end(p, g);
        position = index_find_offset(g, offset);
        t->expected = offset > g->base ? offset : g->base;
        t->segment_end = g->end;
        if (p->tail.count > 0 && tail_at(&p->tail, 0)->base < g->end) {
            t->segment_end = tail_at(&p->tail, 0)->base; /* what is in memory is not damaged */
        }
    }
    *seg = g;
    t->position = position;
    segment_identity_get(g, &t->id);
    t->offset = offset;
    t->limit = *limit;
    t->file = g->file;
    return ERR_OK;
}

enum err store_read(struct store_part *p, int64_t offset, int64_t limit, size_t max_bytes,
                    unsigned how, struct arena *a, struct store_read *out, struct ectx *ec)
{
    struct read_task t = {.max_bytes = max_bytes,
                          .at_least_one = (how & STORE_READ_AT_LEAST_ONE) != 0,
                          .cached = true};
    struct segment *g;
    bool in_tail;
    enum err e = read_plan(p, offset, &limit, &t, &g, &in_tail, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (in_tail) {
        struct store_read r = {.next_offset = offset};
        e = read_tail(p, tail_find(&p->tail, offset), limit, max_bytes, how, a, &r, ec);
        *out = e == ERR_OK ? r : *out;
        return e;
    }
    if (g == NULL) {
        *out = (struct store_read){.next_offset = offset};
        return ERR_OK;
    }
    if (p->store->read_bytes > STORE_READ_MEMORY_MAX) {
        return ectx_fail(ec, ERR_NO_MEMORY, "reads not yet sent hold too much memory");
    }
    if (!g->index.loaded && g->index.stored > 0) {
        return ERR_AGAIN;
    }
    if (ahead_take(p, &t)) {
        e = task_result(p, &t, ERR_OK, how, a, out, ec);
    } else if (g->file == NULL || g->direct_reads) {
        return ERR_AGAIN;
    } else {
        segment_touch(g);
        if (t.at_least_one && max_bytes < READ_SLACK && task_peek(&t, p->store->pool)) {
            e = task_result(p, &t, ERR_OK, how, a, out, ec);
        } else {
            e = read_task_prepare(p, &t, ec);
            e = e != ERR_OK ? e : task_result(p, &t, read_task_run(&t), how, a, out, ec);
        }
    }
    if (e == ERR_OK) {
        ahead_note(p, g, &t);
    }
    read_task_free(&t);
    return e;
}

void store_read_soon(struct store_part *p, int64_t offset)
{
    enum { HEADERS_MAX = 4, NEAR = 64, SOON_MAX = 2048 };
    if (offset < p->log_start || offset >= p->high_watermark ||
        (p->tail.count > 0 && offset >= tail_at(&p->tail, 0)->base)) {
        return;
    }
    const struct segment *g = part_segment_at(p, offset, NULL);
    struct index_guess at;
    if (g == NULL || g->file == NULL || g->direct_reads || !index_guess(g, offset, &at)) {
        return;
    }
    for (uint32_t i = 0; i < at.before && i < HEADERS_MAX; i++) { /* those that are walked over */
        env_file_soon(g->file, at.from + i * at.each, ENTRY_HEADER_SIZE);
    }
    const uint64_t first = at.position > NEAR ? at.position - NEAR : 0;
    env_file_soon(g->file, first, at.each + NEAR < SOON_MAX ? (size_t)at.each + NEAR : SOON_MAX);
}

/* ---- On a worker ---------------------------------------------------------------------------- */

struct read_job {
    struct env_job job;
    struct pending pending;
    struct list turn_link; /* in store->reads_waiting */
    struct read_task task;
    struct store_part *part;
    struct segment *seg; /* referenced; NULL: the result is there */
    bool submitted;
    struct seg_open open;
    struct arena *arena;
    unsigned how;
    struct store_read_job *user;
    struct ahead_waiter waiter; /* somebody reads the same ahead already */
    uint32_t turn;              /* part.rewrite_turn when it was submitted */
    enum err err;
    bool missing; /* the file: not quarantined for good, somebody may put it back */
};

void seg_open_prepare(struct seg_open *o, struct segment *g, bool direct)
{
    *o = (struct seg_open){
        .seg = g,
        .file = g->file,
        .direct = direct ? g->direct : NULL,
        .want_direct = direct,
        .stored = g->index.loaded ? 0 : g->index.stored,
    };
    segment_path(g, false, o->path);
    segment_ref(g);
    g->users++;
}

enum err seg_open_run(struct seg_open *o, struct ectx *ec)
{
    struct env *env = o->seg->store->env;
    if (o->file == NULL) {
        enum err e = env_file_open(env, o->path, ENV_READ | ENV_WRITE, &o->file, ec);
        if (e != ERR_OK) {
            return e;
        }
        o->opened = true;
    }
    if (o->want_direct && o->direct == NULL) {
        /* Without it the page cache does. */
        struct ectx ignored;
        o->opened_direct =
            env_file_open(env, o->path, SEGMENT_DIRECT_FLAGS, &o->direct, &ignored) == ERR_OK;
        if (!o->opened_direct) {
            o->direct = NULL;
        }
    }
    if (o->stored > 0) {
        char path[STORE_PATH_MAX];
        memcpy(path, o->path, sizeof(path));
        memcpy(strrchr(path, '.'), ".idx", 5);
        /* A missing index is a longer walk. */
        o->loaded = index_load(env, path, o->seg, o->stored, &o->entries, &o->count) == ERR_OK;
    }
    return ERR_OK;
}

void seg_open_finish(struct seg_open *o)
{
    struct segment *g = o->seg;
    if (o->opened) {
        segment_adopt_file(g, o->file);
    }
    if (o->opened_direct) {
        segment_adopt_direct(g, o->direct);
    }
    if (g->file != NULL) {
        segment_touch(g);
    }
    if (o->loaded) {
        const bool all = o->count == o->stored;
        index_adopt(g, o->entries, o->count);
        if (!all && g->index.stored == o->stored) {
            /* Write it afresh, with what is known. */
            g->index.stored = 0;
            g->index.first_new = 0;
            segment_mark_dirty(g);
            g->store->changes++;
        }
    }
    g->users--;
    segment_unref(g);
}

static void read_job_run(struct env_job *job)
{
    struct read_job *j = CONTAINER_OF(job, struct read_job, job);
    if (j->seg == NULL) {
        return;
    }
    j->err = seg_open_run(&j->open, &j->task.ec);
    j->missing = j->err == ERR_NOT_FOUND;
    if (j->err != ERR_OK) {
        return;
    }
    j->task.file = j->open.file;
    j->task.direct = j->open.direct;
    const int64_t offset = j->task.offset;
    for (uint32_t i = 0; i < j->open.count; i++) { /* the index came just now */
        const struct index_entry *x = &j->open.entries[i];
        if (j->task.id.base + x->relative <= offset && x->position > j->task.position) {
            j->task.position = x->position;
        }
    }
    j->err = read_task_run(&j->task);
    if (j->err == ERR_DAMAGED) {
        /* What the device holds counts, not what memory has made of it. */
        env_file_drop_cache(j->task.file, 0, 0);
        j->task.have = 0;
        j->err = read_task_run(&j->task);
    }
}

/* What it holds of the store. */
static void read_leave(struct read_job *j)
{
    const struct store_read_job *user = j->user;
    list_remove(&j->pending.link);
    if (j->seg != NULL) {
        if (user->err == ERR_OK) {
            ahead_note(j->part, j->seg, &j->task);
        }
        segment_unref(j->seg);
    }
    read_task_free(&j->task);
    part_unref(j->part);
    mem_free(j);
}

static void read_tell(void *ctx)
{
    struct store_read_job *user = ctx;
    user->done(user);
}

static void read_finish(struct read_job *j)
{
    struct store_read_job *user = j->user;
    read_leave(j);
    read_tell(user);
}

static void read_next(struct store *s);
static void read_submit(struct read_job *j);

/* A batch was being replaced while it was read. */
static void read_again(struct read_job *j)
{
    struct read_task *t = &j->task;
    read_task_free(t);
    t->ref_cap = t->stalls = 0;
    t->have = t->bytes = t->block_bytes = 0;
    t->next_offset = 0;
    j->submitted = false;
    read_submit(j);
}

static void read_job_done(struct env_job *job)
{
    struct read_job *j = CONTAINER_OF(job, struct read_job, job);
    struct store_read_job *user = j->user;
    struct store *s = j->part->store;
    if (j->seg != NULL && j->submitted) {
        seg_open_finish(&j->open);
        s->reads_running--;
    }
    if (j->seg == NULL || user->err != ERR_OK) {
        read_finish(j);
        read_next(s);
        return;
    }
    if (j->err == ERR_DAMAGED && part_rewritten(j->part, j->turn)) {
        read_again(j);
        read_next(s);
        return;
    }
    j->part->store->stats.cold_reads++;
    if (j->missing && (j->part->removed || j->task.offset < j->part->log_start)) {
        user->err =
            ectx_fail(&user->ec, ERR_OFFSET_OUT_OF_RANGE,
                      "offset %lld was deleted while it was being read", (long long)j->task.offset);
    } else if (j->missing) {
        const struct damage_range whole = {j->task.id.base, j->task.segment_end};
        j->part->store->stats.damaged_reads++;
        user->err = read_damaged(j->part, &whole, &user->ec);
    } else {
        user->err =
            task_result(j->part, &j->task, j->err, j->how, j->arena, &user->result, &user->ec);
    }
    read_finish(j);
    read_next(s);
}

static void read_start(struct read_job *j)
{
    struct store *s = j->part->store;
    struct store_read_job *user = j->user;
    if (j->seg != NULL) {
        user->err = s->read_bytes > STORE_READ_MEMORY_MAX
                        ? ectx_fail(&user->ec, ERR_NO_MEMORY, "no memory for a read")
                        : read_task_prepare(j->part, &j->task, &user->ec);
        if (user->err != ERR_OK) {
            env_poll_post(s->poll, read_tell, user); /* the store may be closed by then */
            read_leave(j);
            return;
        }
        seg_open_prepare(&j->open, j->seg, j->seg->direct_reads);
        s->reads_running++;
    }
    j->submitted = true;
    j->turn = j->part->rewrite_turn;
    j->job = (struct env_job){.run = read_job_run, .done = read_job_done};
    env_job_submit(s->poll, ENV_LANE_ANY, &j->job);
}

/* A thousand readers who do not take their replies must not have a thousand buffers filled. */
static void read_submit(struct read_job *j)
{
    struct store *s = j->part->store;
    if (j->seg != NULL && s->reads_running >= STORE_READS_AT_ONCE) {
        list_push_back(&s->reads_waiting, &j->turn_link);
        return;
    }
    read_start(j);
}

static void read_next(struct store *s)
{
    while (s->reads_running < STORE_READS_AT_ONCE && !list_empty(&s->reads_waiting)) {
        read_start(CONTAINER_OF(list_pop_front(&s->reads_waiting), struct read_job, turn_link));
    }
}

/* What was read ahead is here, or is not what is wanted. */
static void read_resume(struct ahead_waiter *w)
{
    struct read_job *j = CONTAINER_OF(w, struct read_job, waiter);
    if (!ahead_take(j->part, &j->task)) {
        read_submit(j);
        return;
    }
    j->user->err =
        task_result(j->part, &j->task, ERR_OK, j->how, j->arena, &j->user->result, &j->user->ec);
    read_finish(j);
}

static void read_abandon(struct pending *pending)
{
    struct read_job *j = CONTAINER_OF(pending, struct read_job, pending);
    list_remove(&j->turn_link);
    if (j->submitted && j->seg != NULL) {
        seg_open_finish(&j->open);
    }
    if (j->seg != NULL) {
        segment_unref(j->seg);
    }
    read_task_free(&j->task);
    part_unref(j->part);
    mem_free(j);
}

void store_read_async(struct store_part *p, int64_t offset, int64_t limit, size_t max_bytes,
                      unsigned how, struct arena *a, struct store_read_job *user)
{
    struct store *s = p->store;
    user->err = ERR_OK;
    user->result = (struct store_read){.next_offset = offset};
    struct read_job *j = mem_new(struct read_job);
    if (j == NULL || s->read_bytes > STORE_READ_MEMORY_MAX) {
        mem_free(j);
        user->err = ectx_fail(&user->ec, ERR_NO_MEMORY, "no memory for a read");
        env_poll_post(s->poll, read_tell, user);
        return;
    }
    j->user = user;
    j->arena = a;
    j->part = p;
    list_init(&j->turn_link);
    part_ref(p);
    j->task.max_bytes = max_bytes;
    j->task.at_least_one = (how & STORE_READ_AT_LEAST_ONE) != 0;
    j->how = how;
    bool in_tail;
    user->err = read_plan(p, offset, &limit, &j->task, &j->seg, &in_tail, &user->ec);
    if (user->err == ERR_OK && in_tail) {
        user->err = read_tail(p, tail_find(&p->tail, offset), limit, max_bytes, how, a,
                              &user->result, &user->ec);
    }
    if (user->err != ERR_OK) {
        j->seg = NULL;
    }
    if (j->seg != NULL) {
        segment_ref(j->seg);
        j->waiter.resume = read_resume;
    }
    pending_add(s, &j->pending, read_abandon);
    if (j->seg == NULL || !ahead_wait(p, &j->task, &j->waiter)) {
        read_submit(j);
    }
}

enum err store_batch_position(struct store_part *p, int64_t offset, uint64_t *position,
                              struct ectx *ec)
{
    if (offset < p->log_start || offset >= p->high_watermark) {
        return ectx_fail(ec, ERR_OFFSET_OUT_OF_RANGE, "offset %lld is outside of the log",
                         (long long)offset);
    }
    if (p->tail.count > 0 && offset >= tail_at(&p->tail, 0)->base) {
        const uint32_t i = tail_find(&p->tail, offset);
        if (i < p->tail.count && tail_at(&p->tail, i)->base <= offset) {
            *position = tail_at(&p->tail, i)->commit_position;
            return ERR_OK;
        }
        return ectx_fail(ec, ERR_NOT_FOUND, "no batch holds offset %lld", (long long)offset);
    }
    struct segment *g = part_segment_at(p, offset, NULL);
    if (g == NULL) {
        return ectx_fail(ec, ERR_NOT_FOUND, "no batch holds offset %lld", (long long)offset);
    }
    if (g->file == NULL || (!g->index.loaded && g->index.stored > 0)) {
        return ERR_AGAIN;
    }
    if (p->rewrite_turn % 2 != 0) {
        return ERR_AGAIN;
    }
    uint8_t buffer[4096];
    struct segment_identity id;
    segment_identity_get(g, &id);
    struct entry_walk w = {.file = g->file,
                           .cached = true,
                           .id = &id,
                           .end = segment_file_end(p, g),
                           .buffer = buffer,
                           .cap = sizeof(buffer)};
    uint64_t at = index_find_offset(g, offset), skipped = 0;
    struct entry e;
    enum err err;
    while ((err = entry_walk_next(&w, &at, &e, &skipped, ec)) == ERR_OK) {
        if (entry_next_offset(&e) > offset) {
            if (e.base_offset > offset) {
                break;
            }
            *position = e.commit_position;
            return ERR_OK;
        }
        at = entry_end(&e);
    }
    return err == ERR_OK || err == ERR_NOT_FOUND
               ? ectx_fail(ec, ERR_NOT_FOUND, "no batch holds offset %lld", (long long)offset)
               : err;
}
