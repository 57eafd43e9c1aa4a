/*
 * malloc behind a hook. A request for 0 bytes is answered with a pointer that may be freed, so NULL
 * always means failure. The hook is meant for tests; it is read on every allocation, which costs
 * one load.
 */
#include "core/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

/* The context is published before the function and read after it, so a reader never pairs a new
 * function with an old context. */
static _Atomic(mem_fail_fn) fail_fn;
static _Atomic(void *) fail_ctx;

void mem_set_fail_hook(mem_fail_fn fn, void *ctx)
{
    atomic_store(&fail_fn, NULL);
    atomic_store(&fail_ctx, ctx);
    atomic_store(&fail_fn, fn);
}

static inline int must_fail(size_t size)
{
    mem_fail_fn fn = atomic_load_explicit(&fail_fn, memory_order_acquire);
    return UNLIKELY(fn != NULL) && fn(atomic_load(&fail_ctx), size);
}

void mem_free(void *p)
{
    free(p);
}

void *mem_alloc(size_t size)
{
    if (must_fail(size)) {
        return NULL;
    }
    return malloc(size == 0 ? 1 : size);
}

void *mem_zalloc(size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total) || must_fail(total)) {
        return NULL;
    }
    return calloc(1, total == 0 ? 1 : total);
}

void *mem_realloc(void *p, size_t size)
{
    if (must_fail(size)) {
        return NULL;
    }
    return realloc(p, size == 0 ? 1 : size);
}

void *mem_alloc_aligned(size_t align, size_t size)
{
    size_t rounded;
    /* aligned_alloc wants a multiple of the alignment. */
    if (__builtin_add_overflow(size == 0 ? 1 : size, align - 1, &rounded) || must_fail(size)) {
        return NULL;
    }
    return aligned_alloc(align, rounded & ~(align - 1));
}

void *mem_alloc_huge(size_t size)
{
    size_t mapped;
    if (__builtin_add_overflow(size, MEM_HUGE_PAGE, &mapped) || must_fail(size)) {
        return NULL;
    }
    uint8_t *p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    /* The kernel aligns to ordinary pages: what is too much before and behind goes back. */
    const size_t before = (MEM_HUGE_PAGE - (uintptr_t)p % MEM_HUGE_PAGE) % MEM_HUGE_PAGE;
    if (before > 0) {
        (void)munmap(p, before);
    }
    (void)munmap(p + before + size, MEM_HUGE_PAGE - before);
    (void)madvise(p + before, size, MADV_HUGEPAGE); /* advice: it works without as well */
    return p + before;
}

void mem_free_huge(void *p, size_t size)
{
    if (p != NULL) {
        (void)munmap(p, size);
    }
}
