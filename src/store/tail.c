/*
 * The tail of a partition: its newest batches, as far as they are in memory. Two kinds: those whose
 * bytes are not in their segment yet (in memory of the log's groups, until they are packed), and
 * those that are written in place, whose memory is kept a while for readers that follow closely.
 * The tail is a run without holes: everything from its first entry on is found here. Everything
 * below it, and an entry without memory, is in its file or on its way there (segment.settled).
 */
#include <string.h>

#include "core/check.h"
#include "core/mem.h"
#include "store/store_int.h"

struct chunk *chunk_new(struct pool *pool, size_t size)
{
    struct chunk *c = mem_new(struct chunk);
    if (c == NULL) {
        return NULL;
    }
    c->refs = 1;
    c->pool = pool;
    c->size = size;
    c->bytes = pool != NULL        ? pool_take(pool, size, &c->size)
               : size >= ENV_BLOCK ? mem_alloc_aligned(ENV_BLOCK, size)
                                   : mem_alloc(size);
    if (c->bytes == NULL) {
        mem_free(c);
        return NULL;
    }
    return c;
}

struct chunk *chunk_take(struct pool *pool, const struct store_batch *b)
{
    struct chunk *c = mem_new(struct chunk);
    if (c == NULL) {
        return NULL;
    }
    c->refs = 1;
    c->pool = pool;
    c->bytes = b->take(b->take_ctx, &c->size);
    if (c->bytes == NULL) {
        mem_free(c);
        return NULL;
    }
    /* With both ends on a block, whole blocks around what lies inside are inside too. */
    CHECK((uintptr_t)c->bytes % ENV_BLOCK == 0 && c->size % ENV_BLOCK == 0);
    CHECK(b->bytes > c->bytes && b->bytes + b->size <= c->bytes + c->size);
    return c;
}

void chunk_ref(struct chunk *c)
{
    c->refs++;
}

void chunk_unref(struct chunk *c)
{
    if (c == NULL || --c->refs > 0) {
        return;
    }
    if (c->store != NULL) {
        c->store->read_bytes -= c->size;
    }
    if (c->pool != NULL) {
        pool_give(c->pool, c->bytes, c->size);
    } else {
        mem_free(c->bytes);
    }
    mem_free(c);
}

bool tail_reserve(struct tail *t, uint32_t more)
{
    if (t->count + more <= t->cap) {
        return true;
    }
    uint32_t cap = t->cap == 0 ? 8 : t->cap;
    while (cap < t->count + more) {
        cap *= 2;
    }
    struct tail_entry *ring = mem_zalloc(cap, sizeof(*ring));
    if (ring == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        ring[i] = *tail_at(t, i);
    }
    mem_free(t->ring);
    t->ring = ring;
    t->head = 0;
    t->cap = cap;
    return true;
}

struct tail_entry *tail_at(const struct tail *t, uint32_t i)
{
    return &t->ring[(t->head + i) & (t->cap - 1)];
}

static void count_memory(struct store_part *p, const struct tail_entry *e, bool more)
{
    struct store *s = p->store;
    if (e->memory == NULL) {
        return;
    }
    uint64_t *bytes = e->filed ? &s->cache_bytes : &s->tail_bytes;
    /* What it holds in memory; a group of the log is shared by its entries. */
    const uint64_t n = e->chunk != NULL && !e->chunk->shared ? e->chunk->size : e->size;
    *bytes = more ? *bytes + n : *bytes - n;
    if (e->filed) {
        p->tail.cached = more ? p->tail.cached + 1 : p->tail.cached - 1;
    }
}

/* Makes room for what comes next: the memory of batches that are in their files, a partition's
 * oldest first, partitions in turn. */
static void cache_trim(struct store *s)
{
    LIST_FOR_EACH (n, tmp, &s->tail_parts) {
        struct store_part *p = CONTAINER_OF(n, struct store_part, tail_link);
        struct tail *t = &p->tail;
        if (t->cached == 0) {
            continue;
        }
        for (uint32_t i = 0; i < t->count && s->cache_bytes > STORE_CACHE_MAX / 8 * 7; i++) {
            struct tail_entry *e = tail_at(t, i);
            if (e->filed && e->memory != NULL) {
                count_memory(p, e, false);
                chunk_unref(e->chunk);
                e->chunk = NULL;
                e->memory = NULL;
            }
        }
        if (!p->packing) { /* a pack counts entries from the front */
            tail_pop(p, 0);
        }
        if (s->cache_bytes <= STORE_CACHE_MAX / 8 * 7) {
            if (t->count > 0) {
                list_remove(&p->tail_link);
                list_push_back(&s->tail_parts, &p->tail_link);
            }
            return;
        }
    }
}

void tail_push(struct store_part *p, const struct tail_entry *e)
{
    struct tail *t = &p->tail;
    CHECK(t->count < t->cap);
    if (t->count == 0) {
        if (e->memory == NULL) {
            return;
        }
        list_push_back(&p->store->tail_parts, &p->tail_link);
    }
    t->count++;
    *tail_at(t, t->count - 1) = *e;
    count_memory(p, e, true);
    if (p->store->cache_bytes > STORE_CACHE_MAX) {
        cache_trim(p->store);
    }
}

uint32_t tail_to_pack(const struct store_part *p)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->tail.count; i++) {
        const struct tail_entry *e = tail_at(&p->tail, i);
        if (e->last >= p->high_watermark) {
            break;
        }
        n = e->filed ? n : i + 1;
    }
    return n;
}

uint32_t tail_find(const struct tail *t, int64_t offset)
{
    uint32_t lo = 0, hi = t->count;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (tail_at(t, mid)->last < offset) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

const struct tail_entry *tail_first_unfiled(const struct store_part *p)
{
    for (uint32_t i = 0; i < p->tail.count; i++) {
        const struct tail_entry *e = tail_at(&p->tail, i);
        if (!e->filed) {
            return e;
        }
    }
    return NULL;
}

void tail_forget(struct store_part *p, int64_t offset)
{
    const uint32_t i = tail_find(&p->tail, offset);
    struct tail_entry *e = i < p->tail.count ? tail_at(&p->tail, i) : NULL;
    if (e != NULL && e->base <= offset && e->filed && e->memory != NULL) {
        count_memory(p, e, false);
        chunk_unref(e->chunk);
        e->chunk = NULL;
        e->memory = NULL;
        if (!p->packing) { /* a pack counts entries from the front */
            tail_pop(p, 0);
        }
    }
}

static void tail_pop_one(struct store_part *p)
{
    struct tail *t = &p->tail;
    struct tail_entry *e = tail_at(t, 0);
    count_memory(p, e, false);
    if (e->group != NULL) {
        wal_group_unref(e->group);
    }
    chunk_unref(e->chunk);
    t->head = (t->head + 1) & (t->cap - 1);
    t->count--;
}

void tail_pop(struct store_part *p, uint32_t n)
{
    struct tail *t = &p->tail;
    while (t->count > 0 && (n > 0 || tail_at(t, 0)->memory == NULL)) {
        tail_pop_one(p);
        n -= n > 0 ? 1 : 0;
    }
    if (t->count == 0) {
        list_remove(&p->tail_link);
        if (t->cap > 64 && p->tail_promised == 0) {
            mem_free(t->ring);
            *t = (struct tail){0};
        }
    }
}

void tail_clear(struct store_part *p)
{
    while (p->tail.count > 0) {
        tail_pop_one(p);
    }
    list_remove(&p->tail_link);
}
