/*
 * The memory in which groups are built. A chunk is taken from a pool, filled front to back (several
 * small groups in a row share it, each on its own 4096-byte blocks), written from where it lies,
 * and goes back to the pool when the log and every reader have dropped it. Chunks are recycled
 * because the first touch of a page is dear; at most WAL_POOL_BYTES of free ones are kept. The pool
 * outlives the log while a reader still holds a chunk.
 */
#include "core/check.h"
#include "core/mem.h"
#include "wal/wal_int.h"

struct wal_pool {
    size_t chunk_bytes; /* the usual size; larger chunks carry one large frame */
    struct list free;   /* of the usual size */
    struct list large;
    size_t free_bytes;
    size_t live; /* chunks that someone holds */
    bool closed;
};

static void group_free(struct wal_group *g)
{
    mem_free(g->bytes);
    mem_free(g);
}

static void pool_destroy(struct wal_pool *p)
{
    struct list *n;
    while ((n = list_pop_front(&p->free)) != NULL || (n = list_pop_front(&p->large)) != NULL) {
        group_free(CONTAINER_OF(n, struct wal_group, link));
    }
    mem_free(p);
}

struct wal_pool *wal_pool_create(size_t chunk_bytes)
{
    struct wal_pool *p = mem_new(struct wal_pool);
    if (p != NULL) {
        p->chunk_bytes = chunk_bytes;
        list_init(&p->free);
        list_init(&p->large);
    }
    return p;
}

void wal_pool_close(struct wal_pool *p)
{
    p->closed = true;
    if (p->live == 0) {
        pool_destroy(p);
    }
}

static struct list *pool_list(struct wal_pool *p, size_t capacity)
{
    return capacity > p->chunk_bytes ? &p->large : &p->free;
}

/* A free chunk that holds `bytes`, or NULL. Asked for each batch: the usual one is the first. */
static struct wal_group *pool_find(struct wal_pool *p, size_t bytes)
{
    LIST_FOR_EACH (n, tmp, pool_list(p, bytes)) {
        struct wal_group *g = CONTAINER_OF(n, struct wal_group, link);
        if (g->capacity >= bytes) {
            return g;
        }
    }
    return NULL;
}

bool wal_pool_reserve(struct wal_pool *p, size_t bytes)
{
    if (pool_find(p, bytes) != NULL) {
        return true;
    }
    size_t size =
        bytes <= p->chunk_bytes ? p->chunk_bytes : (size_t)wal_align_up(bytes, p->chunk_bytes);
    struct wal_group *g = mem_new(struct wal_group);
    if (g == NULL) {
        return false;
    }
    g->bytes = mem_alloc_aligned(ENV_BLOCK, size);
    if (g->bytes == NULL) {
        mem_free(g);
        return false;
    }
    g->pool = p;
    g->capacity = size;
    list_push_front(pool_list(p, size), &g->link);
    p->free_bytes += size;
    return true;
}

struct wal_group *wal_pool_take(struct wal_pool *p, size_t bytes)
{
    struct wal_group *g = pool_find(p, bytes);
    CHECK(g != NULL);
    list_remove(&g->link);
    p->free_bytes -= g->capacity;
    p->live++;
    g->refs = 1;
    return g;
}

void wal_group_ref(struct wal_group *g)
{
    CHECK(g->refs > 0);
    g->refs++;
}

void wal_group_unref(struct wal_group *g)
{
    CHECK(g->refs > 0);
    g->refs--;
    if (g->refs > 0) {
        return;
    }
    struct wal_pool *p = g->pool;
    p->live--;
    if (p->free_bytes + g->capacity <= WAL_POOL_BYTES) {
        list_push_front(pool_list(p, g->capacity), &g->link);
        p->free_bytes += g->capacity;
    } else {
        group_free(g);
    }
    if (p->closed && p->live == 0) {
        pool_destroy(p);
    }
}

size_t wal_group_bytes(const struct wal_group *g)
{
    return g->capacity;
}
