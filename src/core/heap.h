/* Intrusive binary min-heap on a uint64_t key: timers, deadlines. heap_insert can fail for memory.
 */
#ifndef LEAT_CORE_HEAP_H
#define LEAT_CORE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"

#define HEAP_NONE SIZE_MAX

struct heap_node {
    uint64_t key;
    size_t index; /* place in the heap, or HEAP_NONE */
};
struct heap {
    struct heap_node **nodes;
    size_t n, cap;
};

void heap_init(struct heap *h);
void heap_deinit(struct heap *h);
static inline void heap_node_init(struct heap_node *n)
{
    n->key = 0;
    n->index = HEAP_NONE;
}
MUST_USE bool heap_insert(struct heap *h, struct heap_node *n, uint64_t key); /* n is in no heap */
void heap_update(struct heap *h, struct heap_node *n, uint64_t key); /* n is in this heap */
void heap_remove(struct heap *h, struct heap_node *n);               /* harmless if in none */
struct heap_node *heap_min(const struct heap *h);                    /* NULL if empty */

#endif
