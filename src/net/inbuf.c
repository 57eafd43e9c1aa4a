/*
 * Receive buffers and their pool. The pool keeps what a steady load needs (at most
 * NET_POOL_KEEP_BYTES) and gives back, at each trim, what was not needed since the last one, so
 * that an idle server is small again. Small blocks are no matter of the pool.
 */
#include "core/check.h"
#include "core/mem.h"
#include "net/net_int.h"

static unsigned class_of(size_t cap)
{
    unsigned c = 0;
    while (c + 1 < NET_INBUF_CLASSES && ((size_t)NET_INBUF_MIN << c) < cap) {
        c++;
    }
    return c;
}

void net_pool_init(struct net_pool *pool)
{
    for (unsigned i = 0; i < NET_INBUF_CLASSES; i++) {
        list_init(&pool->free[i]);
    }
    pool->free_bytes = pool->used_bytes = pool->low_free_bytes = 0;
}

static void inbuf_destroy(struct net_inbuf *b)
{
    mem_free(b->p);
    mem_free(b);
}

void net_pool_deinit(struct net_pool *pool)
{
    for (unsigned i = 0; i < NET_INBUF_CLASSES; i++) {
        struct list *l;
        while ((l = list_pop_front(&pool->free[i])) != NULL) {
            inbuf_destroy(CONTAINER_OF(l, struct net_inbuf, link));
        }
    }
    pool->free_bytes = 0;
}

struct net_inbuf *net_inbuf_get(struct net_pool *pool, size_t cap)
{
    unsigned c = class_of(cap);
    size_t size = (size_t)NET_INBUF_MIN << c;
    if (size < cap) {
        return NULL;
    }
    struct list *l = list_pop_front(&pool->free[c]);
    struct net_inbuf *b;
    if (l != NULL) {
        b = CONTAINER_OF(l, struct net_inbuf, link);
        pool->free_bytes -= b->cap;
        if (pool->free_bytes < pool->low_free_bytes) {
            pool->low_free_bytes = pool->free_bytes;
        }
    } else {
        b = mem_new(struct net_inbuf);
        if (b == NULL) {
            return NULL;
        }
        b->p = mem_alloc(size);
        if (b->p == NULL) {
            mem_free(b);
            return NULL;
        }
        b->cap = size;
        list_init(&b->link);
    }
    b->refs = 1;
    b->n = 0;
    pool->used_bytes += b->cap;
    return b;
}

struct net_inbuf *net_inbuf_small(struct net_pool *pool, size_t cap)
{
    CHECK(cap < NET_INBUF_MIN);
    struct net_inbuf *b = mem_alloc(sizeof(*b) + cap);
    if (b == NULL) {
        return NULL;
    }
    *b = (struct net_inbuf){.refs = 1, .p = (uint8_t *)(b + 1), .cap = cap};
    list_init(&b->link);
    pool->used_bytes += cap;
    return b;
}

void net_inbuf_unref(struct net_pool *pool, struct net_inbuf *b)
{
    if (--b->refs > 0) {
        return;
    }
    pool->used_bytes -= b->cap;
    if (b->cap < NET_INBUF_MIN) {
        mem_free(b);
        return;
    }
    if (pool->free_bytes + b->cap > NET_POOL_KEEP_BYTES) {
        inbuf_destroy(b);
        return;
    }
    pool->free_bytes += b->cap;
    list_push_front(&pool->free[class_of(b->cap)], &b->link);
}

void net_pool_trim(struct net_pool *pool)
{
    size_t spare = pool->low_free_bytes;
    for (unsigned i = NET_INBUF_CLASSES; i-- > 0 && spare > 0;) {
        LIST_FOR_EACH (l, next, &pool->free[i]) {
            struct net_inbuf *b = CONTAINER_OF(l, struct net_inbuf, link);
            if (b->cap > spare) {
                break;
            }
            spare -= b->cap;
            pool->free_bytes -= b->cap;
            list_remove(l);
            inbuf_destroy(b);
        }
    }
    pool->low_free_bytes = pool->free_bytes;
}
