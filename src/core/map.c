/*
 * The hash map: linear probing over a power of two of slots, at most 3/4 of them not free.
 *
 * A removed entry leaves a grave (value == &grave), so that nothing moves while someone iterates; a
 * grave with a free slot after it becomes free at once, and a rebuild clears the rest. One map
 * holds either keys of bytes or keys of uint64_t, never both.
 */
#include "core/map.h"

#include "core/check.h"
#include "core/hash.h"
#include "core/mem.h"

#define FIRST_CAP 8u

struct map_slot {
    void *value;    /* NULL: free; &grave: removed */
    uint64_t hash;  /* of the key of bytes, or the uint64_t key itself */
    char *key;      /* our copy; NULL for a uint64_t key */
    size_t key_len; /* bytes */
};

static char grave;

static bool is_live(const struct map_slot *s)
{
    return s->value != NULL && s->value != (const void *)&grave;
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_deinit(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++) {
        if (is_live(&m->slots[i])) {
            mem_free(m->slots[i].key);
        }
    }
    mem_free(m->slots);
    *m = (struct map){0};
}

static size_t home(const struct map *m, const struct map_slot *s)
{
    return (s->key == NULL ? hash_u64(s->hash) : s->hash) & (m->cap - 1);
}

/* `wanted` has the hash and key to look for. */
static struct map_slot *find(const struct map *m, const struct map_slot *wanted)
{
    if (m->cap == 0) {
        return NULL;
    }
    for (size_t i = home(m, wanted);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *s = &m->slots[i];
        if (s->value == NULL) {
            return NULL;
        }
        if (s->value != &grave && s->hash == wanted->hash && s->key_len == wanted->key_len &&
            (wanted->key_len == 0 || memcmp(s->key, wanted->key, wanted->key_len) == 0)) {
            return s;
        }
    }
}

/* The slot where a key that is not in the map goes: the first grave or free one. */
static struct map_slot *vacancy(const struct map *m, const struct map_slot *wanted)
{
    size_t i = home(m, wanted);
    while (is_live(&m->slots[i])) {
        i = (i + 1) & (m->cap - 1);
    }
    return &m->slots[i];
}

/* Makes sure that one more slot may be taken. */
static bool make_room(struct map *m)
{
    if (m->cap != 0 && m->taken + 1 <= m->cap - m->cap / 4) {
        return true;
    }
    /* When half of the limit or more is graves the same size will do. */
    size_t cap = m->cap == 0 ? FIRST_CAP : m->count >= m->cap * 3 / 8 ? m->cap * 2 : m->cap;
    struct map bigger = {.count = m->count, .cap = cap, .taken = m->count};
    bigger.slots = mem_zalloc(cap, sizeof(struct map_slot));
    if (bigger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->cap; i++) {
        if (is_live(&m->slots[i])) {
            *vacancy(&bigger, &m->slots[i]) = m->slots[i];
        }
    }
    mem_free(m->slots);
    *m = bigger;
    return true;
}

/* Inserts a key that is not there. `s` is complete and owns its key. */
static void insert(struct map *m, const struct map_slot *s)
{
    struct map_slot *at = vacancy(m, s);
    m->taken += at->value == NULL ? 1 : 0;
    m->count++;
    *at = *s;
}

static void *take_out(struct map *m, struct map_slot *s)
{
    if (s == NULL) {
        return NULL;
    }
    void *value = s->value;
    mem_free(s->key);
    *s = (struct map_slot){.value = &grave};
    m->count--;
    size_t i = (size_t)(s - m->slots);
    if (m->slots[(i + 1) & (m->cap - 1)].value == NULL) {
        /* Nobody probes past this slot any more, nor past the graves before it. */
        for (; m->slots[i].value == &grave; i = (i - 1) & (m->cap - 1)) {
            m->slots[i].value = NULL;
            m->taken--;
        }
    }
    return value;
}

/* A key for looking: borrows the bytes, which find() does not change. */
static struct map_slot bytes_key(struct str key)
{
    const char *p = key.n == 0 ? "" : key.p;
    return (struct map_slot){
        .hash = hash_bytes(p, key.n), .key = (char *)(uintptr_t)p, .key_len = key.n};
}

void *map_get(const struct map *m, struct str key)
{
    struct map_slot wanted = bytes_key(key);
    const struct map_slot *s = find(m, &wanted);
    return s == NULL ? NULL : s->value;
}

bool map_put(struct map *m, struct str key, void *value)
{
    CHECK(value != NULL);
    struct map_slot entry = bytes_key(key);
    struct map_slot *s = find(m, &entry);
    if (s != NULL) {
        s->value = value;
        return true;
    }
    entry.key = str_dup_z(key);
    if (entry.key == NULL) {
        return false;
    }
    if (!make_room(m)) {
        mem_free(entry.key);
        return false;
    }
    entry.value = value;
    insert(m, &entry);
    return true;
}

void *map_remove(struct map *m, struct str key)
{
    struct map_slot wanted = bytes_key(key);
    return take_out(m, find(m, &wanted));
}

void *map_get_u64(const struct map *m, uint64_t key)
{
    struct map_slot wanted = {.hash = key};
    const struct map_slot *s = find(m, &wanted);
    return s == NULL ? NULL : s->value;
}

bool map_put_u64(struct map *m, uint64_t key, void *value)
{
    CHECK(value != NULL);
    struct map_slot entry = {.hash = key, .value = value};
    struct map_slot *s = find(m, &entry);
    if (s != NULL) {
        s->value = value;
        return true;
    }
    if (!make_room(m)) {
        return false;
    }
    insert(m, &entry);
    return true;
}

void *map_remove_u64(struct map *m, uint64_t key)
{
    struct map_slot wanted = {.hash = key};
    return take_out(m, find(m, &wanted));
}

bool map_next(const struct map *m, struct map_iter *it)
{
    for (; it->at < m->cap; it->at++) {
        const struct map_slot *s = &m->slots[it->at];
        if (is_live(s)) {
            it->key = s->key == NULL ? STR_NULL : str_make(s->key, s->key_len);
            it->key_u64 = s->key == NULL ? s->hash : 0;
            it->value = s->value;
            it->at++;
            return true;
        }
    }
    return false;
}
