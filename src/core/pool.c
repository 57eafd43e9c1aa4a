/*
 * The pool (pool.h). A free buffer holds its own list node in its first bytes; a class's list is in
 * order of use, the warmest first, so a trim takes the coldest.
 */
#include "core/pool.h"

#include "core/check.h"
#include "core/mem.h"

static unsigned class_of(size_t n)
{
    unsigned c = 0;
    while (c < POOL_CLASSES && ((size_t)POOL_MIN << c) < n) {
        c++;
    }
    return c;
}

void pool_init(struct pool *p, size_t keep_bytes)
{
    for (unsigned i = 0; i < POOL_CLASSES; i++) {
        list_init(&p->free[i]);
    }
    p->keep_bytes = keep_bytes;
    p->free_bytes = p->low_free_bytes = 0;
}

void pool_deinit(struct pool *p)
{
    for (unsigned i = 0; i < POOL_CLASSES; i++) {
        struct list *n;
        while ((n = list_pop_front(&p->free[i])) != NULL) {
            mem_free(n);
        }
    }
    p->free_bytes = p->low_free_bytes = 0;
}

void *pool_take(struct pool *p, size_t n, size_t *cap)
{
    const unsigned c = class_of(n);
    if (c == POOL_CLASSES) {
        if (n > SIZE_MAX - POOL_ALIGN) {
            return NULL;
        }
        *cap = (n + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;
        return mem_alloc_aligned(POOL_ALIGN, *cap);
    }
    *cap = (size_t)POOL_MIN << c;
    struct list *free = list_pop_front(&p->free[c]);
    if (free == NULL) {
        return mem_alloc_aligned(POOL_ALIGN, *cap);
    }
    p->free_bytes -= *cap;
    if (p->free_bytes < p->low_free_bytes) {
        p->low_free_bytes = p->free_bytes;
    }
    return free;
}

void pool_give(struct pool *p, void *buffer, size_t cap)
{
    if (buffer == NULL) {
        return;
    }
    const unsigned c = class_of(cap);
    if (c == POOL_CLASSES || p->free_bytes + cap > p->keep_bytes) {
        mem_free(buffer);
        return;
    }
    CHECK(cap == (size_t)POOL_MIN << c);
    list_init(buffer);
    list_push_front(&p->free[c], buffer); /* the one used last is the warmest */
    p->free_bytes += cap;
}

void pool_trim(struct pool *p)
{
    size_t spare = p->low_free_bytes;
    for (unsigned c = POOL_CLASSES; c-- > 0;) {
        const size_t cap = (size_t)POOL_MIN << c;
        while (cap <= spare && !list_empty(&p->free[c])) {
            struct list *coldest = p->free[c].prev;
            list_remove(coldest);
            mem_free(coldest);
            spare -= cap;
            p->free_bytes -= cap;
        }
    }
    p->low_free_bytes = p->free_bytes;
}
