/*
 * The pool (pool.h). A free buffer holds its own list node in its first bytes; a class's list is in
 * order of use, the warmest first, so a trim takes the coldest.
 */
#include "core/pool.h"

#include <stdint.h>

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

/* ---- Huge pages of two buffers ------------------------------------------------------------------
 */

enum { HALF = POOL_MIN << POOL_HALF_CLASS };
_Static_assert(2 * (size_t)HALF == MEM_HUGE_PAGE, "two buffers of this class fill a huge page");

struct pool_page {
    uint8_t *base;
    unsigned out; /* halves that are given out */
};

static struct pool_page *page_of(struct pool *p, const void *half)
{
    const uint8_t *base = (const uint8_t *)((uintptr_t)half & ~(uintptr_t)(MEM_HUGE_PAGE - 1));
    for (size_t i = p->page_count; i-- > 0;) {
        if (p->pages[i].base == base) {
            return &p->pages[i];
        }
    }
    CHECK(false);
    return NULL;
}

/* A buffer of a class that does not share pages. */
static void buffer_free(unsigned c, void *buffer)
{
    if (c > POOL_HALF_CLASS && c < POOL_CLASSES) {
        mem_free_huge(buffer, (size_t)POOL_MIN << c);
    } else {
        mem_free(buffer);
    }
}

static void put_free(struct pool *p, unsigned c, void *buffer)
{
    list_init(buffer);
    list_push_front(&p->free[c], buffer); /* the one used last is the warmest */
    p->free_bytes += (size_t)POOL_MIN << c;
}

/* A new page, its first half for the caller. */
static void *page_add(struct pool *p)
{
    if (p->page_count == p->page_cap) {
        const size_t cap = p->page_cap == 0 ? 8 : p->page_cap * 2;
        struct pool_page *grown = mem_realloc(p->pages, cap * sizeof(*grown));
        if (grown == NULL) {
            return NULL;
        }
        p->pages = grown;
        p->page_cap = cap;
    }
    uint8_t *base = mem_alloc_huge(MEM_HUGE_PAGE);
    if (base != NULL) {
        p->pages[p->page_count++] = (struct pool_page){base, 1};
        put_free(p, POOL_HALF_CLASS, base + HALF);
    }
    return base;
}

/* Both of its halves are free. */
static void page_free(struct pool *p, struct pool_page *page)
{
    list_remove((struct list *)(void *)page->base);
    list_remove((struct list *)(void *)(page->base + HALF));
    p->free_bytes -= MEM_HUGE_PAGE;
    mem_free_huge(page->base, MEM_HUGE_PAGE);
    *page = p->pages[--p->page_count];
}

/* ---- The pool -----------------------------------------------------------------------------------
 */

void pool_init(struct pool *p, size_t keep_bytes)
{
    for (unsigned i = 0; i < POOL_CLASSES; i++) {
        list_init(&p->free[i]);
    }
    p->pages = NULL;
    p->page_count = p->page_cap = 0;
    p->keep_bytes = keep_bytes;
    p->free_bytes = p->low_free_bytes = 0;
}

void pool_deinit(struct pool *p)
{
    while (p->page_count > 0) {
        CHECK(p->pages[0].out == 0);
        page_free(p, &p->pages[0]);
    }
    mem_free(p->pages);
    p->pages = NULL;
    p->page_cap = 0;
    for (unsigned i = 0; i < POOL_CLASSES; i++) {
        struct list *n;
        while ((n = list_pop_front(&p->free[i])) != NULL) {
            buffer_free(i, n);
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
        return c < POOL_HALF_CLASS    ? mem_alloc_aligned(POOL_ALIGN, *cap)
               : c == POOL_HALF_CLASS ? page_add(p)
                                      : mem_alloc_huge(*cap);
    }
    if (c == POOL_HALF_CLASS) {
        page_of(p, free)->out++;
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
    CHECK(c == POOL_CLASSES || cap == (size_t)POOL_MIN << c);
    const bool keep = c < POOL_CLASSES && p->free_bytes + cap <= p->keep_bytes;
    if (c == POOL_HALF_CLASS) {
        struct pool_page *page = page_of(p, buffer);
        put_free(p, c, buffer);
        if (--page->out == 0 && !keep) {
            page_free(p, page);
        }
    } else if (keep) {
        put_free(p, c, buffer);
    } else {
        buffer_free(c, buffer);
    }
}

/* Frees what was not needed, of buffers of one class; returns what of `spare` is left. */
static size_t trim_class(struct pool *p, unsigned c, size_t spare)
{
    const size_t cap = (size_t)POOL_MIN << c;
    while (cap <= spare && !list_empty(&p->free[c])) {
        struct list *coldest = p->free[c].prev;
        list_remove(coldest);
        buffer_free(c, coldest);
        spare -= cap;
        p->free_bytes -= cap;
    }
    return spare;
}

static size_t trim_pages(struct pool *p, size_t spare)
{
    for (size_t i = p->page_count; i-- > 0 && spare >= MEM_HUGE_PAGE;) {
        if (p->pages[i].out == 0) {
            page_free(p, &p->pages[i]);
            spare -= MEM_HUGE_PAGE;
        }
    }
    return spare;
}

void pool_trim(struct pool *p)
{
    size_t spare = p->low_free_bytes;
    for (unsigned c = POOL_CLASSES; c-- > 0;) {
        spare = c == POOL_HALF_CLASS ? trim_pages(p, spare) : trim_class(p, c, spare);
    }
    p->low_free_bytes = p->free_bytes;
}
