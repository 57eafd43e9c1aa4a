/* What the look-ups share: everything that one of them goes through, on the loop or on a worker. */
#ifndef LEAT_INDEX_LOOK_H
#define LEAT_INDEX_LOOK_H

#include "index/index_int.h"

/* Everything that one look-up goes through. */
struct sources {
    const struct index_table *table;
    const struct tree *trees[2]; /* active and frozen, or NULL */
    const struct run_list *runs;
    uint64_t mask; /* of runs that may hold something */
};
struct look {
    struct list link; /* of index.looks */
    struct index *ix;
    struct index_job *job;
    struct env_job env_job;
    struct memory *frozen;
    struct run_list *runs;
    struct sources from;
    uint64_t reads;
    uint8_t *block;
    /* of the active memory: one entry, or those of the scan */
    uint8_t *found;
    size_t found_count;
    bool found_more;
};

static inline size_t entry_bytes(const struct index_table *t)
{
    return (size_t)(t->key_bytes + t->value_bytes);
}
static inline void entry_out(const struct index_table *t, const uint8_t *entry, void *key,
                             void *value)
{
    memcpy(key, entry, t->key_bytes);
    memcpy(value, entry + t->key_bytes, t->value_bytes);
}

/* look.c. On the loop: filters belong to it. */
struct sources sources_of(struct index *ix, unsigned table, const uint8_t *from, const uint8_t *to);
const uint8_t *tree_get(const struct tree *t, const uint8_t *key); /* NULL: not there */
/* *entry: in a tree, or in rd's block. */
enum err get_from(const struct sources *s, struct reader *rd, const uint8_t *key,
                  const uint8_t **entry);
/* The greatest key in [from, to]. *best holds an entry already if *have. */
enum err last_from(const struct sources *s, struct reader *rd, const uint8_t *from,
                   const uint8_t *to, uint8_t *best, bool *have);
/* The bounds of index_last: the least key with this prefix, and the greatest that is wanted. false:
 * there can be none. */
bool last_bounds(const struct index_table *t, const void *prefix, const void *key, uint8_t *from,
                 uint8_t *to);
/* What an answer on the loop does when it is no answer. */
enum err on_loop(struct index *ix, enum err e, const struct ectx *ec);

/* scan.c. `look`: what it found in the active memory goes first; NULL: none. */
enum err scan_from(const struct sources *src, const struct look *look, struct index_scan *s,
                   bool cached, uint64_t *reads, struct ectx *ec);

#endif
