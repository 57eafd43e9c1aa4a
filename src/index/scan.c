/*
 * Scans: a cursor on each memory and each run that may hold something, and the next of all of them
 * again and again. Of equal keys the first cursor's is the newest.
 */
#include "index/look.h"

#include "core/check.h"
#include "core/mem.h"

struct cursor {
    const struct tree *tree;
    struct tree_at at;
    const struct run *run;
    struct reader rd;
    struct run_at run_at;
    const uint8_t *array; /* neither tree nor run: entries in the order of the scan */
    size_t array_left;
    const uint8_t *entry; /* NULL: the end */
};

static enum err cursor_load(struct cursor *c)
{
    enum err e = reader_load(&c->rd, c->run, c->run_at.block);
    if (e == ERR_OK) {
        c->entry = reader_entry(&c->rd, c->run_at.pos);
    }
    return e;
}

static enum err run_begin(struct cursor *c, const uint8_t *key, bool descending)
{
    enum err e = run_seek(&c->rd, c->run, key, &c->run_at);
    if (e != ERR_OK) {
        return e;
    }
    const bool inside = c->run_at.pos < c->rd.count;
    c->entry = inside ? reader_entry(&c->rd, c->run_at.pos) : NULL;
    if (descending) {
        if (inside && memcmp(c->entry, key, c->run->table->key_bytes) == 0) {
            return ERR_OK;
        }
        c->entry =
            NULL; /* what is before the first key above it; that is in this block, if at all */
        if (c->run_at.pos > 0) {
            c->run_at.pos--;
            c->entry = reader_entry(&c->rd, c->run_at.pos);
        }
        return ERR_OK;
    }
    if (!inside && c->run_at.block + 1 < c->run->head.data_blocks) {
        c->run_at = (struct run_at){c->run_at.block + 1, 0};
        return cursor_load(c);
    }
    return ERR_OK;
}

static enum err cursor_begin(struct cursor *c, const uint8_t *key, bool descending)
{
    if (c->tree != NULL) {
        c->at = descending ? tree_seek_last(c->tree, key) : tree_seek(c->tree, key);
        c->entry = tree_entry(c->tree, c->at);
        return ERR_OK;
    }
    if (c->run != NULL) {
        return run_begin(c, key, descending);
    }
    c->entry = c->array_left > 0 ? c->array : NULL;
    return ERR_OK;
}

static enum err cursor_next(struct cursor *c, size_t size, bool descending)
{
    if (c->tree != NULL) {
        c->at = descending ? tree_prev(c->tree, c->at) : tree_next(c->tree, c->at);
        c->entry = tree_entry(c->tree, c->at);
        return ERR_OK;
    }
    if (c->run == NULL) {
        c->array_left--;
        c->entry = c->array_left > 0 ? c->entry + size : NULL;
        return ERR_OK;
    }
    c->entry = NULL;
    if (descending) {
        if (c->run_at.pos > 0) {
            c->run_at.pos--;
        } else if (c->run_at.block > 0) {
            c->run_at = (struct run_at){c->run_at.block - 1, c->run->per_block - 1};
        } else {
            return ERR_OK;
        }
    } else if (c->run_at.pos + 1 < c->rd.count) {
        c->run_at.pos++;
    } else if (c->run_at.block + 1 < c->run->head.data_blocks) {
        c->run_at = (struct run_at){c->run_at.block + 1, 0};
    } else {
        return ERR_OK;
    }
    return cursor_load(c);
}

/* Puts entries of [from, to] out in order, of equal keys the first cursor's. */
static enum err scan_merge(struct cursor *cursors, size_t n, const struct index_table *t,
                           struct index_scan *s)
{
    const size_t key_bytes = t->key_bytes, size = entry_bytes(t);
    const uint8_t *end = s->descending ? s->from : s->to;
    const uint8_t *begin = s->descending ? s->to : s->from;
    enum err e = ERR_OK;
    s->count = 0;
    s->more = false;
    for (size_t i = 0; e == ERR_OK && i < n; i++) {
        e = cursor_begin(&cursors[i], begin, s->descending);
    }
    while (e == ERR_OK) {
        const struct cursor *next = NULL;
        for (size_t i = 0; i < n; i++) {
            const struct cursor *c = &cursors[i];
            const int order = c->entry == NULL || next == NULL
                                  ? 0
                                  : index_key_cmp(c->entry, next->entry, key_bytes);
            if (c->entry != NULL && (next == NULL || (s->descending ? order > 0 : order < 0))) {
                next = c;
            }
        }
        if (next == NULL) {
            return ERR_OK;
        }
        const int beyond = index_key_cmp(next->entry, end, key_bytes);
        if (s->descending ? beyond < 0 : beyond > 0) {
            return ERR_OK;
        }
        if (s->count == s->max) {
            s->more = true;
            return ERR_OK;
        }
        uint8_t *key = s->keys + s->count * key_bytes;
        entry_out(t, next->entry, key, s->values + s->count * t->value_bytes);
        s->count++;
        for (size_t i = 0; e == ERR_OK && i < n; i++) {
            struct cursor *c = &cursors[i];
            if (c->entry != NULL && memcmp(c->entry, key, key_bytes) == 0) {
                e = cursor_next(c, size, s->descending);
            }
        }
    }
    return e;
}

enum err scan_from(const struct sources *src, const struct look *look, struct index_scan *s,
                   bool cached, uint64_t *reads, struct ectx *ec)
{
    const size_t most = 3 + (size_t)__builtin_popcountll(src->mask);
    struct cursor *cursors = mem_zalloc(most, sizeof(*cursors));
    uint8_t *blocks = mem_alloc_aligned(ENV_BLOCK, most * INDEX_BLOCK);
    enum err e = ERR_OK;
    size_t n = 0;
    if (cursors == NULL || blocks == NULL) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "no memory for a scan of the index");
    }
    if (e == ERR_OK && look != NULL) {
        cursors[n++] = (struct cursor){.array = look->found, .array_left = look->found_count};
    }
    for (int i = 0; e == ERR_OK && i < 2; i++) {
        if (src->trees[i] != NULL) {
            cursors[n++].tree = src->trees[i];
        }
    }
    for (uint32_t i = 0; e == ERR_OK && i < src->runs->count; i++) {
        if ((src->mask >> i & 1) != 0) {
            cursors[n].run = src->runs->runs[i];
            cursors[n].rd = (struct reader){.cached = cached,
                                            .block = blocks + n * INDEX_BLOCK,
                                            .number = UINT32_MAX,
                                            .ec = ec};
            n++;
        }
    }
    if (e == ERR_OK) {
        e = scan_merge(cursors, n, src->table, s);
    }
    for (size_t i = 0; i < n; i++) {
        *reads += cursors[i].rd.reads;
    }
    mem_free(cursors);
    mem_free(blocks);
    return e;
}

enum err index_scan(struct index *ix, struct index_scan *s)
{
    ENV_CHECK_LOOP(ix->poll);
    CHECK(s->table < ix->cfg.table_count);
    struct ectx ec;
    uint64_t reads = 0;
    const struct sources src = sources_of(ix, s->table, s->from, s->to);
    return on_loop(ix, scan_from(&src, NULL, s, true, &reads, &ec), &ec);
}
