/*
 * A pool of aligned buffers, by power-of-two size. Large buffers are recycled because the first
 * touch of a page is dear (a fault, and on a virtual machine often a page that the host has to
 * find), and given back when nobody has needed them for a while, so that an idle process is small
 * again. Those of 1 MiB and more lie in huge pages, two of 1 MiB in one: what copies into them and
 * what pins them for a device has one page where it would have 512.
 *
 * Not for several threads at once: a pool belongs to one loop.
 */
#ifndef LEAT_CORE_POOL_H
#define LEAT_CORE_POOL_H

#include <stddef.h>

#include "core/compiler.h"
#include "core/list.h"

enum {
    POOL_ALIGN = 4096,   /* of every buffer: as direct I/O needs it */
    POOL_MIN = 16 << 10, /* bytes of the smallest class */
    POOL_CLASSES = 11,   /* 16 KiB << 0..10: up to 16 MiB; larger ones are not kept */
    POOL_HALF_CLASS = 6, /* 1 MiB: half of a huge page */
};

struct pool_page; /* a huge page of two buffers */

struct pool {
    struct list free[POOL_CLASSES]; /* the list's nodes lie in the free buffers */
    struct pool_page *pages;        /* both halves go back together: until then a free one is kept,
                                       even above keep_bytes */
    size_t page_count, page_cap;
    size_t keep_bytes; /* free ones above it go back at once */
    size_t free_bytes;
    size_t low_free_bytes; /* the least free since the last trim: what nobody needed */
};

void pool_init(struct pool *p, size_t keep_bytes);
void pool_deinit(struct pool *p); /* every buffer has been given back */
/* A buffer of at least n bytes, with its real size in *cap; NULL: out of memory. */
MUST_USE void *pool_take(struct pool *p, size_t n, size_t *cap);
/* Gives a buffer back; `cap` as pool_take said. */
void pool_give(struct pool *p, void *buffer, size_t cap);
/* Frees what was free all the time since the last call; to be called every second or so. */
void pool_trim(struct pool *p);

#endif
