/*
 * Receive buffers: reference counts on memory of a pool, and a count of what is given out, by which
 * requests are bounded. Small blocks are no matter of the pool.
 */
#include "core/check.h"
#include "core/mem.h"
#include "net/net_int.h"

void net_inbufs_init(struct net_inbufs *all, struct pool *pool)
{
    pool_init(&all->own, NET_POOL_KEEP_BYTES);
    all->pool = pool != NULL ? pool : &all->own;
    all->used_bytes = 0;
}

void net_inbufs_trim(struct net_inbufs *all)
{
    pool_trim(&all->own);
}

void net_inbufs_deinit(struct net_inbufs *all)
{
    pool_deinit(&all->own);
}

struct net_inbuf *net_inbuf_get(struct net_inbufs *all, size_t cap)
{
    struct net_inbuf *b = mem_alloc(sizeof(*b));
    if (b == NULL) {
        return NULL;
    }
    *b = (struct net_inbuf){.refs = 1};
    b->p = pool_take(all->pool, cap, &b->cap);
    if (b->p == NULL) {
        mem_free(b);
        return NULL;
    }
    all->used_bytes += b->cap;
    return b;
}

struct net_inbuf *net_inbuf_small(struct net_inbufs *all, size_t cap)
{
    struct net_inbuf *b = mem_alloc(sizeof(*b) + cap);
    if (b == NULL) {
        return NULL;
    }
    *b = (struct net_inbuf){.refs = 1, .small = true, .p = (uint8_t *)(b + 1), .cap = cap};
    all->used_bytes += cap;
    return b;
}

void net_inbuf_unref(struct net_inbufs *all, struct net_inbuf *b)
{
    if (--b->refs > 0) {
        return;
    }
    all->used_bytes -= b->cap;
    if (!b->small) {
        pool_give(all->pool, b->p, b->cap);
    }
    mem_free(b);
}
