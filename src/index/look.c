/*
 * Look-ups of one key: in the memory that is being filled, in the frozen one, in the runs, newest
 * first. On the loop only what the page cache has is read.
 */
#include "index/look.h"

#include "core/check.h"

static bool one_prefix(const struct index_table *t, const uint8_t *from, const uint8_t *to)
{
    return memcmp(from, to, t->prefix_bytes) == 0;
}

/* On the loop: filters belong to it. */
static uint64_t runs_mask(struct index *ix, unsigned table, const uint8_t *from, const uint8_t *to)
{
    const struct index_table *t = &ix->tables[table];
    const struct run_list *l = ix->lists[table];
    const bool one = one_prefix(t, from, to);
    const uint64_t hash = one ? filter_hash(from, t->prefix_bytes) : 0;
    uint64_t mask = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        bool filtered;
        if (run_may_hold(l->runs[i], from, to, hash, one, &filtered)) {
            mask |= (uint64_t)1 << i;
        }
        ix->stats.filter_saved += filtered;
    }
    return mask;
}

struct sources sources_of(struct index *ix, unsigned table, const uint8_t *from, const uint8_t *to)
{
    return (struct sources){
        .table = &ix->tables[table],
        .trees = {&ix->active->trees[table], ix->frozen != NULL ? &ix->frozen->trees[table] : NULL},
        .runs = ix->lists[table],
        .mask = runs_mask(ix, table, from, to),
    };
}

/* ---- One key ----------------------------------------------------------------------------------
 */

void index_prefetch(struct index *ix, unsigned table, const void *key)
{
    tree_prefetch(&ix->active->trees[table], key);
    if (ix->frozen != NULL) {
        tree_prefetch(&ix->frozen->trees[table], key);
    }
}

const uint8_t *tree_get(const struct tree *t, const uint8_t *key)
{
    if (t == NULL) {
        return NULL;
    }
    const uint8_t *entry = tree_entry(t, tree_seek(t, key));
    return entry != NULL && memcmp(entry, key, t->key_bytes) == 0 ? entry : NULL;
}

enum err get_from(const struct sources *s, struct reader *rd, const uint8_t *key,
                  const uint8_t **entry)
{
    for (int i = 0; i < 2; i++) {
        *entry = tree_get(s->trees[i], key);
        if (*entry != NULL) {
            return ERR_OK;
        }
    }
    for (uint32_t i = 0; i < s->runs->count; i++) {
        struct run_at at;
        if ((s->mask >> i & 1) == 0) {
            continue;
        }
        enum err e = run_seek(rd, s->runs->runs[i], key, &at);
        if (e != ERR_OK) {
            return e;
        }
        if (at.pos < rd->count) {
            *entry = reader_entry(rd, at.pos);
            if (memcmp(*entry, key, s->table->key_bytes) == 0) {
                return ERR_OK;
            }
        }
    }
    return ERR_NOT_FOUND;
}

/* What is older has lesser keys only. */
static bool last_found(const struct sources *s, bool have)
{
    return have && s->table->ascending;
}

enum err last_from(const struct sources *s, struct reader *rd, const uint8_t *from,
                   const uint8_t *to, uint8_t *best, bool *have)
{
    const size_t key_bytes = s->table->key_bytes, size = entry_bytes(s->table);
    for (int i = 0; i < 2; i++) {
        if (s->trees[i] == NULL || last_found(s, *have)) {
            continue;
        }
        const uint8_t *entry = tree_entry(s->trees[i], tree_seek_last(s->trees[i], to));
        if (entry != NULL && index_key_cmp(entry, from, key_bytes) >= 0 &&
            (!*have || index_key_cmp(entry, best, key_bytes) > 0)) {
            memcpy(best, entry, size);
            *have = true;
        }
    }
    for (uint32_t i = 0; i < s->runs->count && !last_found(s, *have); i++) {
        struct run_at at;
        if ((s->mask >> i & 1) == 0) {
            continue;
        }
        enum err e = run_seek(rd, s->runs->runs[i], to, &at);
        if (e != ERR_OK) {
            return e;
        }
        const bool equal =
            at.pos < rd->count && memcmp(reader_entry(rd, at.pos), to, key_bytes) == 0;
        if (!equal && at.pos == 0) {
            continue; /* the first key of the run is above it */
        }
        const uint8_t *entry = reader_entry(rd, equal ? at.pos : at.pos - 1);
        if (index_key_cmp(entry, from, key_bytes) >= 0 &&
            (!*have || index_key_cmp(entry, best, key_bytes) > 0)) {
            memcpy(best, entry, size);
            *have = true;
        }
    }
    return ERR_OK;
}

bool last_bounds(const struct index_table *t, const void *prefix, const void *key, uint8_t *from,
                 uint8_t *to)
{
    memset(from, 0, INDEX_KEY_MAX);
    memset(to, 0xff, INDEX_KEY_MAX);
    memcpy(from, prefix, t->prefix_bytes);
    memcpy(to, prefix, t->prefix_bytes);
    if (key != NULL && index_key_cmp(key, to, t->key_bytes) < 0) {
        memcpy(to, key, t->key_bytes);
    }
    return index_key_cmp(from, to, t->key_bytes) <= 0;
}

enum err on_loop(struct index *ix, enum err e, const struct ectx *ec)
{
    if (e == ERR_DAMAGED) {
        index_harmed(ix, ec);
    }
    return e;
}

static struct reader loop_reader(struct index *ix, struct ectx *ec)
{
    return (struct reader){.cached = true, .block = ix->block, .number = UINT32_MAX, .ec = ec};
}

enum err index_get(struct index *ix, unsigned table, const void *key, void *value)
{
    ENV_CHECK_LOOP(ix->poll);
    CHECK(table < ix->cfg.table_count);
    struct ectx ec;
    struct reader rd = loop_reader(ix, &ec);
    const uint8_t *entry = tree_get(&ix->active->trees[table], key); /* before filters are asked */
    enum err e = ERR_OK;
    if (entry == NULL) {
        struct sources s = sources_of(ix, table, key, key);
        s.trees[0] = NULL;
        e = get_from(&s, &rd, key, &entry);
    }
    if (e == ERR_OK) {
        memcpy(value, entry + ix->tables[table].key_bytes, ix->tables[table].value_bytes);
    }
    return on_loop(ix, e, &ec);
}

enum err index_last(struct index *ix, unsigned table, const void *prefix, const void *key,
                    void *key_out, void *value)
{
    ENV_CHECK_LOOP(ix->poll);
    CHECK(table < ix->cfg.table_count);
    const struct index_table *t = &ix->tables[table];
    uint8_t from[INDEX_KEY_MAX], to[INDEX_KEY_MAX], best[INDEX_ENTRY_MAX];
    bool have = false;
    struct ectx ec;
    if (!last_bounds(t, prefix, key, from, to)) {
        return ERR_NOT_FOUND;
    }
    struct reader rd = loop_reader(ix, &ec);
    const struct sources s = sources_of(ix, table, from, to);
    enum err e = last_from(&s, &rd, from, to, best, &have);
    if (e == ERR_OK && have) {
        entry_out(t, best, key_out, value);
    }
    return e != ERR_OK ? on_loop(ix, e, &ec) : have ? ERR_OK : ERR_NOT_FOUND;
}
