/*
 * A hash map from a key of bytes (struct str, copied into the map) or from a uint64_t to a pointer.
 * Open addressing; grows by doubling; iteration order is unspecified (sort when order is shown to
 * anyone). Values are not owned. Insert can fail for memory: returns false and changes nothing. A
 * map has either keys of bytes or keys of uint64_t, never both.
 */
#ifndef LEAT_CORE_MAP_H
#define LEAT_CORE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"
#include "core/str.h"

struct map_slot;
struct map {
    struct map_slot *slots;
    size_t count; /* entries */
    size_t cap;   /* slots, a power of two or 0 */
    size_t taken; /* slots that are not free: entries and removed ones */
};

void map_init(struct map *m); /* allocates nothing */
void map_deinit(struct map *m);
void *map_get(const struct map *m, struct str key); /* NULL: not there */
MUST_USE bool map_put(struct map *m, struct str key,
                      void *value);              /* inserts or replaces; value != NULL */
void *map_remove(struct map *m, struct str key); /* the value that was there, or NULL */

void *map_get_u64(const struct map *m, uint64_t key);
MUST_USE bool map_put_u64(struct map *m, uint64_t key, void *value);
void *map_remove_u64(struct map *m, uint64_t key);

/* Iteration: `struct map_iter it = {0}; while (map_next(&m, &it)) { it.key / it.key_u64 / it.value
 * }`. The entry just returned may be removed; nothing may be inserted meanwhile. */
struct map_iter {
    size_t at;
    struct str key;
    uint64_t key_u64;
    void *value;
};
bool map_next(const struct map *m, struct map_iter *it);

#endif
