/* The heap: an array of pointers to nodes; node i's children are 2i+1 and 2i+2; every node knows
 * its own place, so that a timer can be moved or taken out in O(log n). */
#include "core/heap.h"

#include "core/check.h"
#include "core/mem.h"

#define FIRST_CAP 16u

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_deinit(struct heap *h)
{
    for (size_t i = 0; i < h->n; i++) {
        h->nodes[i]->index = HEAP_NONE;
    }
    mem_free(h->nodes);
    *h = (struct heap){0};
}

static void place(struct heap *h, size_t i, struct heap_node *n)
{
    h->nodes[i] = n;
    n->index = i;
}

/* Puts `n` at or above place i. */
static void sift_up(struct heap *h, size_t i, struct heap_node *n)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (h->nodes[parent]->key <= n->key) {
            break;
        }
        place(h, i, h->nodes[parent]);
        i = parent;
    }
    place(h, i, n);
}

/* Puts `n` at or below place i. */
static void sift_down(struct heap *h, size_t i, struct heap_node *n)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->n) {
            break;
        }
        if (child + 1 < h->n && h->nodes[child + 1]->key < h->nodes[child]->key) {
            child++;
        }
        if (n->key <= h->nodes[child]->key) {
            break;
        }
        place(h, i, h->nodes[child]);
        i = child;
    }
    place(h, i, n);
}

static void sift(struct heap *h, size_t i, struct heap_node *n)
{
    if (i > 0 && n->key < h->nodes[(i - 1) / 2]->key) {
        sift_up(h, i, n);
    } else {
        sift_down(h, i, n);
    }
}

bool heap_insert(struct heap *h, struct heap_node *n, uint64_t key)
{
    if (h->n == h->cap) {
        size_t cap = h->cap == 0 ? FIRST_CAP : h->cap * 2;
        size_t bytes;
        if (__builtin_mul_overflow(cap, sizeof(struct heap_node *), &bytes)) {
            return false;
        }
        struct heap_node **nodes = mem_realloc(h->nodes, bytes);
        if (nodes == NULL) {
            return false;
        }
        h->nodes = nodes;
        h->cap = cap;
    }
    n->key = key;
    sift_up(h, h->n++, n);
    return true;
}

void heap_update(struct heap *h, struct heap_node *n, uint64_t key)
{
    CHECK(n->index < h->n && h->nodes[n->index] == n);
    n->key = key;
    sift(h, n->index, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    if (n->index == HEAP_NONE) {
        return;
    }
    CHECK(n->index < h->n && h->nodes[n->index] == n);
    size_t hole = n->index;
    struct heap_node *last = h->nodes[--h->n];
    n->index = HEAP_NONE;
    if (last != n) {
        sift(h, hole, last);
    }
}

struct heap_node *heap_min(const struct heap *h)
{
    return h->n == 0 ? NULL : h->nodes[0];
}
