/*
 * malloc behind a hook. A request for 0 bytes is answered with a pointer that may be freed, so NULL
 * always means failure. The hook is meant for tests; it is read on every allocation, which costs
 * one load.
 *
 * A thread that keeps (mem_keep_begin) puts what it frees on lists by size and takes from there
 * first. The C library's own lists hold seven blocks of a size, and none above 1 KiB: with hundreds
 * of requests in progress every block is split from, and joined to, its neighbours. Kept blocks are
 * whole blocks of malloc: any thread may free them, and a list may hold what another thread has
 * allocated.
 */
#include "core/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define MEM_SANITIZED 1
#endif
#endif

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

/* ---- Kept blocks ----------------------------------------------------------------------------- */

#define KEEP_STEP  64u /* list i holds blocks of at least i * KEEP_STEP bytes */
#define KEEP_LISTS (MEM_KEEP_LARGEST / KEEP_STEP + 1)

struct kept {
    struct kept *next;
};
struct mem_keep {
    size_t bytes; /* of all lists */
    struct kept *lists[KEEP_LISTS];
};
static _Thread_local struct mem_keep *keep; /* NULL: this thread keeps nothing */

static void *keep_take(size_t size)
{
    const size_t i = (size + KEEP_STEP - 1) / KEEP_STEP;
    struct kept *k = keep->lists[i];
    if (k == NULL) {
        return malloc(i * KEEP_STEP);
    }
    keep->lists[i] = k->next;
    keep->bytes -= i * KEEP_STEP;
    return k;
}

/* False: it is for the C library. */
static bool keep_give(void *p)
{
    const size_t i = malloc_usable_size(p) / KEEP_STEP;
    if (i == 0 || i >= KEEP_LISTS || keep->bytes + i * KEEP_STEP > MEM_KEEP_BYTES) {
        return false;
    }
    struct kept *k = p;
    k->next = keep->lists[i];
    keep->lists[i] = k;
    keep->bytes += i * KEEP_STEP;
    return true;
}

void mem_keep_begin(void)
{
#ifndef MEM_SANITIZED /* which sees misuse only of what is really freed */
    if (keep == NULL) {
        keep = calloc(1, sizeof(*keep)); /* NULL: it is only slower */
    }
#endif
}

void mem_keep_end(void)
{
    struct mem_keep *k = keep;
    keep = NULL;
    for (size_t i = 0; k != NULL && i < KEEP_LISTS; i++) {
        while (k->lists[i] != NULL) {
            struct kept *next = k->lists[i]->next;
            free(k->lists[i]);
            k->lists[i] = next;
        }
    }
    free(k);
}

size_t mem_kept_bytes(void)
{
    return keep == NULL ? 0 : keep->bytes;
}

static inline bool is_kept(size_t size)
{
    return keep != NULL && size > 0 && size <= MEM_KEEP_LARGEST;
}

/* ---- The allocator --------------------------------------------------------------------------- */

void mem_free(void *p)
{
    if (keep == NULL || p == NULL || !keep_give(p)) {
        free(p);
    }
}

void *mem_alloc(size_t size)
{
    if (must_fail(size)) {
        return NULL;
    }
    return is_kept(size) ? keep_take(size) : malloc(size == 0 ? 1 : size);
}

void *mem_zalloc(size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total) || must_fail(total)) {
        return NULL;
    }
    if (!is_kept(total)) {
        return calloc(1, total == 0 ? 1 : total);
    }
    void *p = keep_take(total);
    return p == NULL ? NULL : memset(p, 0, total);
}

void *mem_realloc(void *p, size_t size)
{
    if (must_fail(size)) {
        return NULL;
    }
    if (!is_kept(size)) {
        return realloc(p, size == 0 ? 1 : size);
    }
    const size_t has = p == NULL ? 0 : malloc_usable_size(p);
    void *q = keep_take(size);
    if (q != NULL && p != NULL) {
        memcpy(q, p, has < size ? has : size);
        if (!keep_give(p)) {
            free(p);
        }
    }
    return q;
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
