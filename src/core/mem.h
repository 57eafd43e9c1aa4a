/*
 * The allocator of the house: malloc with a hook, so that tests can fail the n-th allocation and
 * count what is live. Nothing else in src calls malloc, calloc, realloc or free.
 *
 * Returns NULL when out of memory (or when a test says so); sizes that overflow count as that.
 */
#ifndef LEAT_CORE_MEM_H
#define LEAT_CORE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"

void mem_free(void *p);
ALLOCATES(mem_free) __attribute__((alloc_size(1))) void *mem_alloc(size_t size);
ALLOCATES(mem_free) __attribute__((alloc_size(1, 2))) void *mem_zalloc(size_t n, size_t size);
__attribute__((alloc_size(2))) void *mem_realloc(void *p, size_t size);
/* Aligned to `align` (a power of two), as direct I/O needs. Free with mem_free. */
ALLOCATES(mem_free)
__attribute__((alloc_size(2))) void *mem_alloc_aligned(size_t align, size_t size);
/* Whole huge pages, aligned to one and asked for as such (MADV_HUGEPAGE: where the kernel has none
 * it is ordinary memory). A mapping of its own, which goes back to the system when it is freed.
 * `size` is a multiple of MEM_HUGE_PAGE. */
#define MEM_HUGE_PAGE ((size_t)2 << 20)
MUST_USE __attribute__((alloc_size(1))) void *mem_alloc_huge(size_t size);
void mem_free_huge(void *p, size_t size); /* NULL is fine */

/* From here on the calling thread keeps what it frees, for what it allocates next: blocks of up to
 * MEM_KEEP_LARGEST bytes, MEM_KEEP_BYTES together. For a thread that serves many requests at once.
 * Nothing is kept in builds with a sanitizer. mem_keep_end gives all of it back. */
#define MEM_KEEP_LARGEST ((size_t)4096)
#define MEM_KEEP_BYTES   ((size_t)2 << 20)
void mem_keep_begin(void);
void mem_keep_end(void);
size_t mem_kept_bytes(void); /* of the calling thread */

#define mem_new(type) ((type *)mem_zalloc(1, sizeof(type)))

/* Test hook: when set and it returns non-zero, this allocation fails. NULL (the default): never. */
typedef int (*mem_fail_fn)(void *ctx, size_t size);
void mem_set_fail_hook(mem_fail_fn fn, void *ctx);

#endif
