/*
 * The tail of a partition: batches whose bytes are not in their segment yet, in memory of the log's
 * groups. An entry that was written in place stands in it too while one before it waits, so that
 * the tail is a run without holes: everything below its first entry is in files, everything from
 * there on is found here.
 */
#include <string.h>

#include "core/check.h"
#include "core/mem.h"
#include "store/store_int.h"

struct chunk *chunk_new(struct store *counted, size_t size)
{
    struct chunk *c = mem_alloc(sizeof(*c) + size);
    if (c == NULL) {
        return NULL;
    }
    c->refs = 1;
    c->size = size;
    c->store = counted;
    if (counted != NULL) {
        counted->read_bytes += size;
    }
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
    if (e->memory != NULL) {
        p->store->tail_bytes += e->size;
    }
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

static void tail_pop_one(struct store_part *p)
{
    struct tail *t = &p->tail;
    struct tail_entry *e = tail_at(t, 0);
    if (e->memory != NULL) {
        p->store->tail_bytes -= e->size;
    }
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
        if (t->cap > 64) {
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
