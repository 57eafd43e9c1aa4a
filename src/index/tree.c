/*
 * The trees of tree.h. A leaf holds entries in order and knows its neighbours; an inner node holds
 * keys and children: what is below child i is less than key i, what is below child i + 1 is not.
 *
 * Before anything is changed the pool is made to have a node for each level and two more, so that
 * no split can fail half-way.
 */
#include "index/tree.h"

#include "core/check.h"
#include "core/mem.h"

struct node {
    uint16_t count; /* entries, or keys */
    uint16_t unused;
    uint32_t next, prev; /* of a leaf */
    uint32_t unused_too;
    uint8_t data[TREE_NODE_BYTES - 16];
};

void tree_pool_init(struct tree_pool *p)
{
    *p = (struct tree_pool){.used = 1};
}

void tree_pool_deinit(struct tree_pool *p)
{
    for (uint32_t i = 0; i < p->chunk_count; i++) {
        mem_free(p->chunks[i]);
    }
    mem_free(p->chunks);
    tree_pool_init(p);
}

static bool pool_reserve(struct tree_pool *p, uint32_t n)
{
    if (p->used + n <= p->chunk_count * TREE_CHUNK_NODES) {
        return true;
    }
    if (p->chunk_count == UINT32_MAX / TREE_CHUNK_NODES) {
        return false;
    }
    if (p->chunk_count == p->chunk_cap) {
        const uint32_t cap = p->chunk_cap == 0 ? 16 : p->chunk_cap * 2;
        uint8_t **grown = mem_realloc(p->chunks, cap * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        p->chunks = grown;
        p->chunk_cap = cap;
    }
    uint8_t *chunk = mem_alloc((size_t)TREE_CHUNK_NODES * TREE_NODE_BYTES);
    if (chunk == NULL) {
        return false;
    }
    p->chunks[p->chunk_count++] = chunk;
    return true;
}

static struct node *node_at(const struct tree *t, uint32_t id)
{
    return (struct node *)(void *)(t->pool->chunks[id / TREE_CHUNK_NODES] +
                                   (size_t)(id % TREE_CHUNK_NODES) * TREE_NODE_BYTES);
}

static uint32_t node_new(struct tree *t)
{
    const uint32_t id = t->pool->used++;
    *node_at(t, id) = (struct node){0};
    return id;
}

static uint8_t *leaf_entry(const struct tree *t, struct node *n, uint32_t i)
{
    return n->data + (size_t)i * t->entry_bytes;
}

static uint8_t *inner_key(const struct tree *t, struct node *n, uint32_t i)
{
    return n->data + 4u * (t->inner_max + 1u) + (size_t)i * t->key_bytes;
}

static uint32_t inner_child(const struct node *n, uint32_t i)
{
    uint32_t id;
    memcpy(&id, n->data + 4u * i, 4);
    return id;
}

void tree_init(struct tree *t, struct tree_pool *pool, uint8_t key_bytes, uint8_t value_bytes)
{
    const size_t room = sizeof(((struct node *)NULL)->data);
    *t = (struct tree){.pool = pool,
                       .key_bytes = key_bytes,
                       .entry_bytes = (uint8_t)(key_bytes + value_bytes),
                       .leaf_max = (uint16_t)(room / (size_t)(key_bytes + value_bytes)),
                       .inner_max = (uint16_t)((room - 4) / (key_bytes + 4u))};
}

/* What the keys of a node begin with, as far as is known without a look at them. */
struct range {
    uint64_t least, most;
};
static const struct range anything = {0, UINT64_MAX};

static bool is_left(const uint8_t *at, const uint8_t *key, size_t key_bytes, bool above)
{
    const int c = index_key_cmp(at, key, key_bytes);
    return c < 0 || (above && c == 0);
}

/* Keys begin with a hash, so they lie evenly in their range. */
static uint32_t guess(const struct range *r, uint32_t n, const uint8_t *key)
{
    const uint64_t x = get_be64(key);
    if (x <= r->least) {
        return 0;
    }
    return x >= r->most ? n - 1
                        : (uint32_t)((double)(x - r->least) / (double)(r->most - r->least) * n);
}

/*
 * The first of n keys, `step` bytes apart, that is not below `key` (or, `above`: that is above).
 * A node has sixteen lines of the processor's cache, and halving looks at five or six of them,
 * which are mostly not there; so the place is guessed, and the search goes on from it in steps that
 * double.
 */
static uint32_t bound(const uint8_t *keys, size_t step, uint32_t n, const uint8_t *key,
                      size_t key_bytes, bool above, const struct range *r)
{
    uint32_t lo = 0, hi = n; /* the answer is one of them, or between */
    if (n > 4 && key_bytes >= 8) {
        uint32_t at = guess(r, n, key);
        at = at < n ? at : n - 1;
        if (is_left(keys + at * step, key, key_bytes, above)) {
            lo = at + 1;
            for (uint32_t by = 1; lo + by <= hi; by *= 2) {
                if (!is_left(keys + (lo + by - 1) * step, key, key_bytes, above)) {
                    hi = lo + by - 1;
                    break;
                }
                lo += by;
            }
        } else {
            hi = at;
            for (uint32_t by = 1; by <= hi; by *= 2) {
                if (is_left(keys + (hi - by) * step, key, key_bytes, above)) {
                    lo = hi - by + 1;
                    break;
                }
                hi -= by;
            }
        }
    }
    while (lo < hi) {
        const uint32_t half = lo + (hi - lo) / 2;
        if (is_left(keys + half * step, key, key_bytes, above)) {
            lo = half + 1;
        } else {
            hi = half;
        }
    }
    return lo;
}

struct step {
    uint32_t node;
    uint32_t child;
};

/* The leaf for a key, the way to it, and the range of its keys. */
static uint32_t descend(const struct tree *t, const uint8_t *key, struct step path[],
                        struct range *r)
{
    uint32_t id = t->root;
    *r = anything;
    for (uint32_t level = t->height; level > 1; level--) {
        struct node *n = node_at(t, id);
        const uint32_t i =
            bound(inner_key(t, n, 0), t->key_bytes, n->count, key, t->key_bytes, true, r);
        if (path != NULL) {
            path[level - 2] = (struct step){id, i};
        }
        if (i > 0 && t->key_bytes >= 8) {
            r->least = get_be64(inner_key(t, n, i - 1));
        }
        if (i < n->count && t->key_bytes >= 8) {
            r->most = get_be64(inner_key(t, n, i));
        }
        id = inner_child(n, i);
    }
    return id;
}

/* In a leaf of which descend has told the range. */
static uint32_t leaf_bound(const struct tree *t, const struct node *n, const uint8_t *key,
                           bool above, const struct range *r)
{
    return bound(n->data, t->entry_bytes, n->count, key, t->key_bytes, above, r);
}

static void leaf_insert(struct tree *t, struct node *n, uint32_t pos, const void *key,
                        const void *value)
{
    uint8_t *at = leaf_entry(t, n, pos);
    memmove(at + t->entry_bytes, at, (size_t)(n->count - pos) * t->entry_bytes);
    memcpy(at, key, t->key_bytes);
    memcpy(at + t->key_bytes, value, (size_t)(t->entry_bytes - t->key_bytes));
    n->count++;
}

static void inner_insert(struct tree *t, struct node *n, uint32_t pos, const uint8_t *key,
                         uint32_t right)
{
    uint8_t *at = inner_key(t, n, pos);
    memmove(at + t->key_bytes, at, (size_t)(n->count - pos) * t->key_bytes);
    memcpy(at, key, t->key_bytes);
    uint8_t *child = n->data + 4u * (pos + 1);
    memmove(child + 4, child, 4u * (n->count - pos));
    memcpy(child, &right, 4);
    n->count++;
}

/* Key `up` and the node `right` of it become part of the level above, and so on. */
static void insert_above(struct tree *t, const struct step path[], uint8_t *up, uint32_t right)
{
    uint8_t middle[64];
    for (uint32_t level = 0;; level++) {
        if (level + 1 == t->height) {
            const uint32_t root = node_new(t);
            struct node *n = node_at(t, root);
            memcpy(n->data, &t->root, 4);
            inner_insert(t, n, 0, up, right);
            t->root = root;
            t->height++;
            CHECK(t->height < TREE_HEIGHT_MAX);
            return;
        }
        struct node *n = node_at(t, path[level].node);
        uint32_t pos = path[level].child;
        if (n->count < t->inner_max) {
            inner_insert(t, n, pos, up, right);
            return;
        }
        const uint32_t half = n->count / 2u;
        const uint32_t other = node_new(t);
        struct node *m = node_at(t, other);
        memcpy(middle, inner_key(t, n, half), t->key_bytes);
        m->count = (uint16_t)(n->count - half - 1);
        memcpy(inner_key(t, m, 0), inner_key(t, n, half + 1), (size_t)m->count * t->key_bytes);
        memcpy(m->data, n->data + 4u * (half + 1), 4u * (m->count + 1u));
        n->count = (uint16_t)half;
        if (pos <= half) {
            inner_insert(t, n, pos, up, right);
        } else {
            inner_insert(t, m, pos - half - 1, up, right);
        }
        memcpy(up, middle, t->key_bytes);
        right = other;
    }
}

static void leaf_split(struct tree *t, const struct step path[], uint32_t id, uint32_t pos,
                       const void *key, const void *value)
{
    struct node *n = node_at(t, id);
    const uint32_t other = node_new(t);
    struct node *m = node_at(t, other);
    /* What arrives in order (a new leaf at the end) leaves full leaves behind. */
    const uint32_t half = pos == n->count && n->next == 0 ? n->count : n->count / 2u;
    m->count = (uint16_t)(n->count - half);
    memcpy(m->data, leaf_entry(t, n, half), (size_t)m->count * t->entry_bytes);
    n->count = (uint16_t)half;
    m->next = n->next;
    m->prev = id;
    if (n->next != 0) {
        node_at(t, n->next)->prev = other;
    }
    n->next = other;
    if (pos < half || (pos == half && m->count > 0)) {
        leaf_insert(t, n, pos, key, value);
        t->last_leaf = id;
    } else {
        leaf_insert(t, m, pos - half, key, value);
        t->last_leaf = other;
    }
    uint8_t up[64];
    memcpy(up, m->data, t->key_bytes);
    insert_above(t, path, up, other);
}

/*
 * Is `key` one of the leaf that was last written? Entries of a stream, of a term, of a category
 * come in order, so mostly it is, and often behind all that are there; then nothing above is looked
 * at. A leaf reaches to the first entry of the next: nothing is removed, so that one is still what
 * the inner nodes know it by.
 */
static bool last_leaf_takes(const struct tree *t, const uint8_t *key, uint32_t *pos)
{
    if (t->last_leaf == 0) {
        return false;
    }
    struct node *n = node_at(t, t->last_leaf);
    if (n->count == t->leaf_max || index_key_cmp(n->data, key, t->key_bytes) > 0) {
        return false;
    }
    if (index_key_cmp(leaf_entry(t, n, n->count - 1u), key, t->key_bytes) < 0) {
        *pos = n->count;
        return n->next == 0 || index_key_cmp(node_at(t, n->next)->data, key, t->key_bytes) > 0;
    }
    struct range r = anything;
    if (t->key_bytes >= 8) {
        r = (struct range){get_be64(n->data), get_be64(leaf_entry(t, n, n->count - 1u))};
    }
    *pos = leaf_bound(t, n, key, false, &r);
    return true;
}

bool tree_put(struct tree *t, const void *key, const void *value)
{
    struct step path[TREE_HEIGHT_MAX];
    struct range r;
    uint32_t pos;
    if (!pool_reserve(t->pool, t->height + 2)) {
        return false;
    }
    if (t->height == 0) {
        t->root = node_new(t);
        t->height = 1;
    }
    if (!last_leaf_takes(t, key, &pos)) {
        t->last_leaf = descend(t, key, path, &r);
        pos = leaf_bound(t, node_at(t, t->last_leaf), key, false, &r);
    }
    struct node *n = node_at(t, t->last_leaf);
    uint8_t *at = leaf_entry(t, n, pos);
    if (pos < n->count && index_key_cmp(at, key, t->key_bytes) == 0) {
        memcpy(at + t->key_bytes, value, (size_t)(t->entry_bytes - t->key_bytes));
        return true;
    }
    t->count++;
    if (n->count < t->leaf_max) {
        leaf_insert(t, n, pos, key, value);
    } else {
        leaf_split(t, path, t->last_leaf, pos, key, value);
    }
    return true;
}

/* Leaves are two thirds full, so it is known about where in its leaf the key is. */
void tree_prefetch(const struct tree *t, const void *key)
{
    struct range r;
    if (t->height == 0 || t->key_bytes < 8) {
        return;
    }
    const struct node *n = node_at(t, descend(t, key, NULL, &r));
    const uint8_t *at = n->data + (size_t)guess(&r, t->leaf_max * 2u / 3u, key) * t->entry_bytes;
    __builtin_prefetch(n);
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64); /* within the node: a third of it is beyond */
}

struct tree_at tree_next(const struct tree *t, struct tree_at at)
{
    const struct node *n = node_at(t, at.leaf);
    at.pos++;
    if (at.pos >= n->count) {
        at = (struct tree_at){n->next, 0};
    }
    return at;
}

struct tree_at tree_prev(const struct tree *t, struct tree_at at)
{
    if (at.pos > 0) {
        at.pos--;
        return at;
    }
    const uint32_t prev = node_at(t, at.leaf)->prev;
    return prev == 0 ? (struct tree_at){0, 0}
                     : (struct tree_at){prev, node_at(t, prev)->count - 1u};
}

struct tree_at tree_seek(const struct tree *t, const void *key)
{
    if (t->height == 0) {
        return (struct tree_at){0, 0};
    }
    struct range r;
    const uint32_t id = descend(t, key, NULL, &r);
    const struct node *n = node_at(t, id);
    const uint32_t pos = leaf_bound(t, n, key, false, &r);
    return pos < n->count ? (struct tree_at){id, pos} : (struct tree_at){n->next, 0};
}

struct tree_at tree_seek_last(const struct tree *t, const void *key)
{
    if (t->height == 0) {
        return (struct tree_at){0, 0};
    }
    struct range r;
    const uint32_t id = descend(t, key, NULL, &r);
    const uint32_t pos = leaf_bound(t, node_at(t, id), key, true, &r);
    return pos > 0 ? (struct tree_at){id, pos - 1} : tree_prev(t, (struct tree_at){id, 0});
}

struct tree_at tree_first(const struct tree *t)
{
    static const uint8_t lowest[64];
    return tree_seek(t, lowest);
}

const uint8_t *tree_entry(const struct tree *t, struct tree_at at)
{
    return at.leaf == 0 ? NULL : leaf_entry(t, node_at(t, at.leaf), at.pos);
}
