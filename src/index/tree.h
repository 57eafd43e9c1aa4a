/*
 * New entries in memory: B+ trees of fixed-size entries, in nodes of one size out of one pool.
 * Nothing is allocated for an entry, nothing is ever removed; the pool goes as a whole when its
 * entries are on the disk. Who reads a tree that nobody changes any more needs no lock.
 *
 * An entry is its key and its value, one after the other. Node 0 is no node.
 */
#ifndef LEAT_INDEX_TREE_H
#define LEAT_INDEX_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/bytes.h"
#include "core/compiler.h"

#define TREE_NODE_BYTES  1024u
#define TREE_CHUNK_NODES 256u /* of one allocation */
#define TREE_HEIGHT_MAX  12u

struct tree_pool {
    uint8_t **chunks;
    uint32_t chunk_count, chunk_cap;
    uint32_t used; /* nodes, with the one that is none */
};
struct tree {
    struct tree_pool *pool;
    uint8_t key_bytes, entry_bytes;
    uint16_t leaf_max, inner_max; /* entries of a leaf, keys of an inner node */
    uint32_t root, height;        /* height 0: empty; 1: the root is a leaf */
    uint32_t last_leaf;           /* that something was put into; 0: none */
    uint64_t count;
};
/* A place in a tree; leaf == 0: none. */
struct tree_at {
    uint32_t leaf;
    uint32_t pos;
};

void tree_pool_init(struct tree_pool *p);
void tree_pool_deinit(struct tree_pool *p);
static inline uint64_t tree_pool_bytes(const struct tree_pool *p)
{
    return (uint64_t)p->used * TREE_NODE_BYTES;
}

void tree_init(struct tree *t, struct tree_pool *pool, uint8_t key_bytes, uint8_t value_bytes);
/* Adds or replaces. false: out of memory, nothing was changed. */
MUST_USE bool tree_put(struct tree *t, const void *key, const void *value);
/* A look at this key or a put of it will follow: its leaf comes into the processor's cache
 * meanwhile. */
void tree_prefetch(const struct tree *t, const void *key);
/* The first entry that is not below `key`. */
struct tree_at tree_seek(const struct tree *t, const void *key);
/* The last entry that is not above `key`. */
struct tree_at tree_seek_last(const struct tree *t, const void *key);
struct tree_at tree_first(const struct tree *t);
struct tree_at tree_next(const struct tree *t, struct tree_at at);
struct tree_at tree_prev(const struct tree *t, struct tree_at at);
/* NULL if `at` is none. */
const uint8_t *tree_entry(const struct tree *t, struct tree_at at);

/* As memcmp. Keys begin with a hash: eight bytes decide nearly always. */
static inline int index_key_cmp(const uint8_t *a, const uint8_t *b, size_t n)
{
    if (n < 8) {
        return memcmp(a, b, n);
    }
    const uint64_t x = get_be64(a), y = get_be64(b);
    if (x != y) {
        return x < y ? -1 : 1;
    }
    return memcmp(a + 8, b + 8, n - 8);
}

#endif
