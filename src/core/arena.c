/*
 * The arena: a list of blocks, each given out from the front.
 *
 *   head -> block -> block          `next`: blocks that were filled before the head
 *     `spare` -> block -> block     blocks kept by a reset, empty, used before new ones are
 * allocated
 *
 * Only the head's `spare` chain means anything; it moves on with the head. Blocks double in size,
 * so a big request costs few of them. Memory between objects (and all that is not given out) is
 * poisoned under AddressSanitizer; there every object is followed by a red zone, which does not
 * count as used.
 */
#include "core/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define REDZONE 16u
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define REDZONE                           0u
#endif

#define ALIGN                 16u
#define FIRST_BLOCK           1024u
#define LARGEST_DOUBLED_BLOCK (4u * 1024 * 1024)

struct arena_block {
    struct arena_block *next;
    struct arena_block *spare;
    size_t size; /* bytes of data */
    size_t used;
    _Alignas(ALIGN) uint8_t data[];
};

void arena_init(struct arena *a, size_t budget)
{
    *a = (struct arena){.budget = budget};
}

static void block_free(struct arena_block *b)
{
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
    mem_free(b);
}

/* Puts an empty block on a list ordered by size, largest first. */
static void spare_insert(struct arena_block **spares, struct arena_block *b)
{
    while (*spares != NULL && (*spares)->size >= b->size) {
        spares = &(*spares)->spare;
    }
    b->spare = *spares;
    *spares = b;
}

static void block_clear(struct arena_block *b)
{
#ifdef LEAT_DEBUG
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->used);
    memset(b->data, 0xDD, b->used);
#endif
    ASAN_POISON_MEMORY_REGION(b->data, b->size);
    b->used = 0;
    b->next = NULL;
}

void arena_reset(struct arena *a, size_t keep)
{
    struct arena_block *used = a->head;
    struct arena_block *unused = used == NULL ? NULL : used->spare;
    struct arena_block *spares = NULL;
    while (unused != NULL) {
        struct arena_block *next = unused->spare;
        spare_insert(&spares, unused);
        unused = next;
    }
    while (used != NULL) {
        struct arena_block *next = used->next;
        block_clear(used);
        spare_insert(&spares, used);
        used = next;
    }
    /* The largest are kept, but offered smallest first: the least block that fits is taken, and a
     * big one is still there when a big request comes. */
    struct arena_block *kept = NULL;
    while (spares != NULL) {
        struct arena_block *b = spares;
        spares = b->spare;
        if (b->size <= keep) {
            keep -= b->size;
            b->spare = kept;
            kept = b;
        } else {
            block_free(b);
        }
    }
    a->head = kept;
    a->used = 0;
    a->over = false;
}

void arena_deinit(struct arena *a)
{
    arena_reset(a, 0);
}

/* A block with room for `need` bytes at the head: a spare one, or a new one. */
static bool add_block(struct arena *a, size_t need)
{
    struct arena_block *spares = a->head == NULL ? NULL : a->head->spare;
    struct arena_block **at = &spares;
    while (*at != NULL && (*at)->size < need) {
        at = &(*at)->spare;
    }
    struct arena_block *b = *at;
    if (b != NULL) {
        *at = b->spare;
    } else {
        size_t size = a->head == NULL ? FIRST_BLOCK : a->head->size;
        size = a->head != NULL && size < LARGEST_DOUBLED_BLOCK ? size * 2 : size;
        size = size > LARGEST_DOUBLED_BLOCK ? LARGEST_DOUBLED_BLOCK : size;
        size = size < need ? need : size;
        if (size > SIZE_MAX - sizeof(*b)) {
            return false;
        }
        b = mem_alloc(sizeof(*b) + size);
        if (b == NULL) {
            return false;
        }
        b->size = size;
        b->used = 0;
        ASAN_POISON_MEMORY_REGION(b->data, b->size);
    }
    if (a->head != NULL) {
        a->head->spare = NULL;
    }
    b->spare = spares;
    b->next = a->head;
    a->head = b;
    return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p = arena_take(a, size);
    if (p != NULL) {
        memset(p, 0, size);
    }
    return p;
}

void *arena_take(struct arena *a, size_t size)
{
    size_t rounded;
    if (__builtin_add_overflow(size == 0 ? 1 : size, ALIGN - 1, &rounded)) {
        return NULL;
    }
    rounded &= ~(size_t)(ALIGN - 1);
    if (rounded > a->budget - a->used || rounded > SIZE_MAX - REDZONE) {
        a->over = true;
        return NULL;
    }
    size_t need = rounded + REDZONE;
    if (a->head == NULL || need > a->head->size - a->head->used) {
        if (!add_block(a, need)) {
            return NULL;
        }
    }
    struct arena_block *b = a->head;
    void *p = b->data + b->used;
    b->used += need;
    a->used += rounded;
    ASAN_UNPOISON_MEMORY_REGION(p, size);
    return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) {
        return NULL;
    }
    return arena_alloc(a, total);
}

struct str arena_str(struct arena *a, struct str s)
{
    if (str_is_null(s) || s.n == SIZE_MAX) {
        return STR_NULL;
    }
    char *p = arena_take(a, s.n + 1);
    if (p == NULL) {
        return STR_NULL;
    }
    if (s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    p[s.n] = '\0';
    return (struct str){p, s.n};
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    struct str out = STR_NULL;
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p != NULL) {
        (void)vsnprintf(p, (size_t)n + 1, fmt, again);
        out = (struct str){p, (size_t)n};
    }
    va_end(again);
    return out;
}
