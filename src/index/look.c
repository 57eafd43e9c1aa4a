/*
 * Look-ups: in the memory that is being filled, in the frozen one, in the runs, newest first.
 *
 * On the loop only what the page cache has is read. A job takes with it what the loop knows when it
 * is submitted: what the active memory holds of the answer (copied, for the loop goes on changing
 * it), the frozen memory and the runs (by reference), and which runs the filters do not rule out.
 */
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
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

static size_t entry_bytes(const struct index_table *t)
{
    return (size_t)(t->key_bytes + t->value_bytes);
}

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

static struct sources sources_of(struct index *ix, unsigned table, const uint8_t *from,
                                 const uint8_t *to)
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

static const uint8_t *tree_get(const struct tree *t, const uint8_t *key)
{
    if (t == NULL) {
        return NULL;
    }
    const uint8_t *entry = tree_entry(t, tree_seek(t, key));
    return entry != NULL && memcmp(entry, key, t->key_bytes) == 0 ? entry : NULL;
}

/* *entry: in a tree, or in rd's block. */
static enum err get_from(const struct sources *s, struct reader *rd, const uint8_t *key,
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

/* The greatest key in [from, to]. *best holds an entry already if *have. */
static enum err last_from(const struct sources *s, struct reader *rd, const uint8_t *from,
                          const uint8_t *to, uint8_t *best, bool *have)
{
    const size_t key_bytes = s->table->key_bytes, size = entry_bytes(s->table);
    for (int i = 0; i < 2; i++) {
        if (s->trees[i] == NULL) {
            continue;
        }
        const uint8_t *entry = tree_entry(s->trees[i], tree_seek_last(s->trees[i], to));
        if (entry != NULL && index_key_cmp(entry, from, key_bytes) >= 0 &&
            (!*have || index_key_cmp(entry, best, key_bytes) > 0)) {
            memcpy(best, entry, size);
            *have = true;
        }
    }
    for (uint32_t i = 0; i < s->runs->count; i++) {
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

/* The bounds of index_last: the least key with this prefix, and the greatest that is wanted. */
static bool last_bounds(const struct index_table *t, const void *prefix, const void *key,
                        uint8_t *from, uint8_t *to)
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

/* What an answer on the loop does when it is no answer. */
static enum err on_loop(struct index *ix, enum err e, const struct ectx *ec)
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

static void entry_out(const struct index_table *t, const uint8_t *entry, void *key, void *value)
{
    memcpy(key, entry, t->key_bytes);
    memcpy(value, entry + t->key_bytes, t->value_bytes);
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

/* ---- Scans ------------------------------------------------------------------------------------
 */

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

static enum err scan_from(const struct sources *src, const struct look *look, struct index_scan *s,
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

/* ---- Jobs -------------------------------------------------------------------------------------
 */

static void look_free(struct look *l)
{
    struct index *ix = l->ix;
    list_remove(&l->link);
    memory_unref(l->frozen);
    run_list_unref(ix, l->runs);
    mem_free(l->found);
    mem_free(l->block);
    mem_free(l);
}

void looks_abandon(struct index *ix)
{
    LIST_FOR_EACH (n, tmp, &ix->looks) {
        look_free(CONTAINER_OF(n, struct look, link));
    }
}

static enum err look_get(struct look *l, struct reader *rd)
{
    const struct index_job *job = l->job;
    const uint8_t *entry = l->found;
    enum err e = l->found_count > 0 ? ERR_OK : get_from(&l->from, rd, job->key, &entry);
    if (e == ERR_OK) {
        memcpy(job->value, entry + l->from.table->key_bytes, l->from.table->value_bytes);
    }
    return e;
}

static enum err look_last(struct look *l, struct reader *rd)
{
    const struct index_job *job = l->job;
    uint8_t from[INDEX_KEY_MAX], to[INDEX_KEY_MAX];
    bool have = l->found_count > 0;
    if (!last_bounds(l->from.table, job->prefix, job->key, from, to)) {
        return ERR_NOT_FOUND;
    }
    enum err e = last_from(&l->from, rd, from, to, l->found, &have);
    if (e == ERR_OK && have) {
        entry_out(l->from.table, l->found, job->key_out, job->value);
    }
    return e != ERR_OK || have ? e : ERR_NOT_FOUND;
}

static void look_run(struct env_job *env_job)
{
    struct look *l = CONTAINER_OF(env_job, struct look, env_job);
    struct index_job *job = l->job;
    struct reader rd = {.block = l->block, .number = UINT32_MAX, .ec = &job->ec};
    switch (job->kind) {
    case INDEX_JOB_GET:
        job->err = look_get(l, &rd);
        break;
    case INDEX_JOB_LAST:
        job->err = look_last(l, &rd);
        break;
    case INDEX_JOB_SCAN:
        job->err = scan_from(&l->from, l, job->scan, false, &l->reads, &job->ec);
        job->scan->more = job->scan->more || (job->err == ERR_OK && l->found_more &&
                                              job->scan->count == job->scan->max);
        break;
    }
    l->reads += rd.reads;
}

static void look_done(struct env_job *env_job)
{
    struct look *l = CONTAINER_OF(env_job, struct look, env_job);
    struct index *ix = l->ix;
    struct index_job *job = l->job;
    ix->stats.disk_reads += l->reads;
    if (job->err == ERR_DAMAGED) {
        index_harmed(ix, &job->ec);
    }
    look_free(l);
    work_next(ix); /* a run that was only held may go now */
    job->done(job);
}

/* What the active memory has of the answer, copied. */
static enum err look_take(struct look *l, const uint8_t *from, const uint8_t *to)
{
    const struct index_job *job = l->job;
    struct index *ix = l->ix;
    const struct tree *tree = &ix->active->trees[job->table];
    const size_t size = entry_bytes(l->from.table);
    if (job->kind == INDEX_JOB_SCAN) {
        const struct index_scan *s = job->scan;
        struct tree_at at = s->descending ? tree_seek_last(tree, to) : tree_seek(tree, from);
        /* Counted first: a scan may ask for more than there is. */
        for (int pass = 0; pass < 2; pass++) {
            size_t n = 0;
            struct tree_at walk = at;
            const uint8_t *entry = tree_entry(tree, walk);
            while (entry != NULL && n < s->max &&
                   index_key_cmp(entry, from, tree->key_bytes) >= 0 &&
                   index_key_cmp(entry, to, tree->key_bytes) <= 0) {
                if (pass == 1) {
                    memcpy(l->found + n * size, entry, size);
                }
                n++;
                walk = s->descending ? tree_prev(tree, walk) : tree_next(tree, walk);
                entry = tree_entry(tree, walk);
            }
            l->found_more = entry != NULL && n == s->max &&
                            index_key_cmp(entry, from, tree->key_bytes) >= 0 &&
                            index_key_cmp(entry, to, tree->key_bytes) <= 0;
            l->found_count = n;
            if (pass == 0) {
                l->found = mem_alloc(n * size);
                if (l->found == NULL) {
                    return ERR_NO_MEMORY;
                }
            }
        }
        return ERR_OK;
    }
    l->found = mem_alloc(INDEX_ENTRY_MAX);
    if (l->found == NULL) {
        return ERR_NO_MEMORY;
    }
    const uint8_t *entry = job->kind == INDEX_JOB_GET ? tree_get(tree, job->key)
                                                      : tree_entry(tree, tree_seek_last(tree, to));
    if (entry != NULL && index_key_cmp(entry, from, tree->key_bytes) >= 0) {
        memcpy(l->found, entry, size);
        l->found_count = 1;
    }
    return ERR_OK;
}

static void refused(void *ctx)
{
    struct index_job *job = ctx;
    job->err = ectx_fail(&job->ec, ERR_NO_MEMORY, "no memory for looking into the index");
    job->done(job);
}

void index_submit(struct index *ix, struct index_job *job)
{
    ENV_CHECK_LOOP(ix->poll);
    const unsigned table = job->kind == INDEX_JOB_SCAN ? job->scan->table : job->table;
    CHECK(table < ix->cfg.table_count);
    uint8_t low[INDEX_KEY_MAX], high[INDEX_KEY_MAX];
    const uint8_t *from = low, *to = high;
    job->table = table;
    if (job->kind == INDEX_JOB_SCAN) {
        from = job->scan->from;
        to = job->scan->to;
    } else if (job->kind == INDEX_JOB_GET) {
        from = to = job->key;
    } else {
        IGNORE(last_bounds(&ix->tables[table], job->prefix, job->key, low, high));
    }
    struct look *l = mem_new(struct look);
    uint8_t *block = mem_alloc_aligned(ENV_BLOCK, INDEX_BLOCK);
    if (l == NULL || block == NULL) {
        mem_free(l);
        mem_free(block);
        env_poll_post(ix->poll, refused, job);
        return;
    }
    l->ix = ix;
    l->job = job;
    l->block = block;
    l->from = sources_of(ix, table, from, to);
    l->from.trees[0] = NULL;
    list_push_back(&ix->looks, &l->link);
    l->runs = ix->lists[table];
    l->runs->refs++;
    l->frozen = ix->frozen;
    if (l->frozen != NULL) {
        l->frozen->refs++;
    }
    if (look_take(l, from, to) != ERR_OK) {
        look_free(l);
        env_poll_post(ix->poll, refused, job);
        return;
    }
    l->env_job = (struct env_job){.run = look_run, .done = look_done};
    env_job_submit(ix->poll, ENV_LANE_ANY, &l->env_job);
}
