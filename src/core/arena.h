/*
 * A bump allocator with a byte budget, for things that die together (a request, a connection, one
 * turn of the loop). Everything that a peer can make us allocate comes from one: when the budget is
 * spent it returns NULL and the request is refused, so a small request cannot ask for much memory.
 *
 * Blocks are kept across arena_reset (up to `keep` bytes) so that a steady state does not allocate.
 * Under AddressSanitizer the gaps between objects are poisoned; in debug builds reset fills with
 * 0xDD.
 */
#ifndef LEAT_CORE_ARENA_H
#define LEAT_CORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/compiler.h"
#include "core/str.h"

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used;   /* bytes given out since the last reset, with alignment */
    size_t budget; /* the most that `used` may become */
    bool over; /* something was refused for the budget since the last reset: asking again for the
                  same would fail again */
};

void arena_init(struct arena *a, size_t budget); /* allocates nothing */
void arena_deinit(struct arena *a);
void arena_reset(struct arena *a, size_t keep);
/* `size` zeroed bytes aligned to 16, or NULL: over budget or out of memory. */
void *arena_alloc(struct arena *a, size_t size);
/* The same, with unspecified content: for what is written over at once. */
void *arena_take(struct arena *a, size_t size);
/* n * size with overflow checked. */
void *arena_array(struct arena *a, size_t n, size_t size);
#define arena_new(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define arena_new_n(a, type, n) ((type *)arena_array((a), (n), sizeof(type)))
/* A copy of `s` (with a NUL after it, not counted); p == NULL when over budget. A null stays null.
 */
struct str arena_str(struct arena *a, struct str s);
PRINTF_LIKE(2, 3) struct str arena_printf(struct arena *a, const char *fmt, ...);

#endif
