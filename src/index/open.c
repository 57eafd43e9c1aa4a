/* Opening an index, a new one or what files say, and discarding one. */
#include <stdio.h>

#include "core/mem.h"
#include "index/index_int.h"

static enum err config_check(const struct index_config *cfg, struct ectx *ec)
{
    bool ok = cfg->table_count >= 1 && cfg->table_count <= INDEX_TABLES_MAX &&
              strlen(cfg->dir) < INDEX_PATH_MAX - INDEX_NAME_MAX - 32;
    for (size_t i = 0; ok && i < cfg->table_count; i++) {
        const struct index_table *t = &cfg->tables[i];
        ok = strlen(t->name) >= 1 && strlen(t->name) <= INDEX_NAME_MAX && t->key_bytes >= 1 &&
             t->key_bytes <= INDEX_KEY_MAX && t->prefix_bytes >= 1 &&
             t->prefix_bytes <= t->key_bytes && t->value_bytes <= INDEX_VALUE_MAX;
    }
    return ok ? ERR_OK : ectx_fail(ec, ERR_CONFIG, "the tables of the index '%s'", cfg->dir);
}

static enum err index_make(struct env *env, struct env_poll *poll, const struct index_config *cfg,
                           struct index **out)
{
    struct index *ix = mem_new(struct index);
    if (ix == NULL) {
        return ERR_NO_MEMORY;
    }
    *out = ix;
    ix->env = env;
    ix->poll = poll;
    ix->cfg = *cfg;
    ix->cfg.memory_bytes = cfg->memory_bytes > 0 ? cfg->memory_bytes : 32u << 20;
    ix->cfg.tables = ix->tables;
    list_init(&ix->dead);
    list_init(&ix->looks);
    buf_init(&ix->covered, INDEX_COVERED_MAX);
    buf_init(&ix->cover_given, INDEX_COVERED_MAX);
    buf_init(&ix->flush.covered, INDEX_COVERED_MAX);
    for (size_t i = 0; i < cfg->table_count; i++) {
        ix->tables[i] = cfg->tables[i];
        (void)snprintf(ix->names[i], sizeof(ix->names[i]), "%s", cfg->tables[i].name);
        ix->tables[i].name = ix->names[i];
    }
    ix->dir = str_dup_z(str_of(cfg->dir));
    ix->cfg.dir = ix->dir;
    ix->block = mem_alloc_aligned(ENV_BLOCK, INDEX_BLOCK);
    ix->active = memory_new(ix);
    bool ok = ix->dir != NULL && ix->block != NULL && ix->active != NULL;
    for (size_t i = 0; ok && i < cfg->table_count; i++) {
        ix->lists[i] = run_list_new(0);
        ok = ix->lists[i] != NULL;
    }
    return ok ? ERR_OK : ERR_NO_MEMORY;
}

static enum err runs_load(struct index *ix, const struct manifest *m, struct ectx *ec)
{
    uint32_t counts[INDEX_TABLES_MAX] = {0};
    for (uint32_t i = 0; i < m->run_count; i++) {
        counts[m->runs[i].table]++;
    }
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        struct run_list *l = run_list_new(counts[t]);
        if (l == NULL) {
            return ectx_fail(ec, ERR_NO_MEMORY, "no memory for opening '%s'", ix->dir);
        }
        l->count = 0;
        run_list_unref(ix, ix->lists[t]);
        ix->lists[t] = l;
    }
    for (uint32_t i = 0; i < m->run_count; i++) {
        const struct manifest_run *r = &m->runs[i];
        struct run_list *l = ix->lists[r->table];
        enum err e =
            run_open(ix, &ix->tables[r->table], r->id, r->head_crc, &l->runs[l->count], ec);
        if (e != ERR_OK) {
            return e;
        }
        l->count++;
    }
    return ERR_OK;
}

/* The smallest first, until the budget is spent. */
static enum err filters_load(struct index *ix, struct ectx *ec)
{
    uint64_t total = 0;
    for (;;) {
        struct run *least = NULL;
        for (size_t t = 0; t < ix->cfg.table_count; t++) {
            for (uint32_t i = 0; i < ix->lists[t]->count; i++) {
                struct run *r = ix->lists[t]->runs[i];
                if (r->filter == NULL && r->head.filter_lines > 0 &&
                    (least == NULL || run_filter_bytes(r) < run_filter_bytes(least))) {
                    least = r;
                }
            }
        }
        if (least == NULL || total + run_filter_bytes(least) > ix->cfg.filter_bytes) {
            ix->stats.filter_bytes = total;
            return ERR_OK;
        }
        total += run_filter_bytes(least);
        enum err e = run_filter_load(least, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
}

static bool named(const struct index *ix, const char *name)
{
    const size_t dir = strlen(ix->dir) + 1;
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        for (uint32_t i = 0; i < ix->lists[t]->count; i++) {
            if (strcmp(ix->lists[t]->runs[i]->path + dir, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

struct sweep {
    const struct index *ix; /* NULL: all of ours go */
    char path[INDEX_PATH_MAX];
    const char *dir;
    bool found;
    bool manifest; /* may go, too */
};

/* One at a time: a folder that is changed while it is listed may show anything. */
static bool sweep_one(void *ctx, const char *name, bool is_dir)
{
    struct sweep *s = ctx;
    const struct str n = str_of(name);
    const bool ours = str_ends(n, ".run") || strcmp(name, "manifest.tmp") == 0 ||
                      (s->manifest && strcmp(name, "manifest") == 0);
    if (is_dir || !ours || (s->ix != NULL && named(s->ix, name))) {
        return true;
    }
    s->found = snprintf(s->path, sizeof(s->path), "%s/%s", s->dir, name) < (int)INDEX_PATH_MAX;
    return !s->found;
}

static enum err sweep(struct env *env, struct sweep *s, struct ectx *ec)
{
    for (;;) {
        s->found = false;
        enum err e = env_dir_list(env, s->dir, sweep_one, s, ec);
        if (e == ERR_OK && s->found) {
            e = env_unlink(env, s->path, ec);
        }
        if (e != ERR_OK || !s->found) {
            return e;
        }
    }
}

/* The folder itself must not be lost with what was covered. It is made anew: of one that is there
 * nobody knows whether a flush of its name has failed before, which no later one would repair. */
static enum err folder_make(struct index *ix, struct ectx *ec)
{
    char parent[INDEX_PATH_MAX];
    struct sweep s = {.dir = ix->dir};
    enum err e = sweep(ix->env, &s, ec);
    if (e != ERR_OK) {
        return e;
    }
    IGNORE(env_dir_remove(ix->env, ix->dir, NULL)); /* holds what is not ours: it stays */
    e = env_dir_make(ix->env, ix->dir, ec);
    if (e != ERR_OK && e != ERR_EXISTS) {
        return e;
    }
    (void)snprintf(parent, sizeof(parent), "%s", ix->dir);
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        (void)snprintf(parent, sizeof(parent), ".");
    } else {
        slash[slash == parent ? 1 : 0] = '\0';
    }
    return env_dir_sync(ix->env, parent, ec);
}

/* A new index: a manifest that names nothing, so that runs without one are known as damage. */
static enum err first_manifest(struct index *ix, struct ectx *ec)
{
    struct sweep s = {.dir = ix->dir};
    enum err e = env_dir_list(ix->env, ix->dir, sweep_one, &s, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (s.found && str_ends(str_of(s.path), ".run")) {
        e = ectx_fail(ec, ERR_DAMAGED, "'%s' holds runs but its manifest is missing", ix->dir);
        ectx_hint(ec, "the index is made again from the log");
        return e;
    }
    env_random(ix->env, &ix->index_id, sizeof(ix->index_id));
    ix->next_run = 1;
    bool renamed = false;
    e = folder_make(ix, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = manifest_write(ix, ix->lists, STR_LIT(""), 1, &renamed, ec);
    ix->sequence = ix->durable = 1;
    return e;
}

/* A killed process may have left this manifest in the page cache only, or a flush of its name that
 * failed. What the one before names must stay until this one is written for sure. */
static enum err manifest_again(struct index *ix, struct ectx *ec)
{
    bool renamed = false;
    enum err e =
        manifest_write(ix, ix->lists, buf_str(&ix->covered), ix->sequence + 1, &renamed, ec);
    ix->durable = ++ix->sequence;
    return e;
}

static enum err index_load(struct index *ix, struct ectx *ec)
{
    enum err e = env_dir_make(ix->env, ix->dir, ec);
    if (e != ERR_OK && e != ERR_EXISTS) {
        return ectx_wrap(ec, e, "creating the folder of the index");
    }
    struct manifest m = {0};
    e = manifest_read(ix->env, ix->dir, &ix->cfg, &m, ec);
    if (e == ERR_NOT_FOUND) {
        return first_manifest(ix, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    ix->index_id = m.index_id;
    ix->sequence = ix->durable = m.sequence;
    ix->next_run = m.next_run;
    e = runs_load(ix, &m, ec);
    if (e == ERR_OK) {
        e = filters_load(ix, ec);
    }
    ix->covered = m.covered;
    m.covered = (struct buf){0};
    manifest_free(&m);
    if (e == ERR_OK) {
        e = manifest_again(ix, ec);
    }
    if (e == ERR_OK) {
        struct sweep s = {.ix = ix, .dir = ix->dir};
        e = sweep(ix->env, &s, ec);
    }
    return e;
}

enum err index_open_steps(struct env *env, struct env_poll *poll, const struct index_config *cfg,
                          const struct index_hooks *hooks, uint32_t step_bytes, struct index **out,
                          struct ectx *ec)
{
    struct index *ix = NULL;
    enum err e = config_check(cfg, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = index_make(env, poll, cfg, &ix);
    if (e != ERR_OK) {
        e = ectx_fail(ec, e, "no memory for the index '%s'", cfg->dir);
    } else {
        ix->hooks = hooks != NULL ? *hooks : (struct index_hooks){0};
        ix->step_bytes = step_bytes;
        e = index_load(ix, ec);
    }
    if (e != ERR_OK) {
        if (ix != NULL) {
            index_release(ix);
        }
        return e;
    }
    *out = ix;
    work_next(ix);
    return ERR_OK;
}

enum err index_open(struct env *env, struct env_poll *poll, struct metrics *metrics,
                    const struct index_config *cfg, const struct index_hooks *hooks,
                    struct index **out, struct ectx *ec)
{
    enum err e = index_open_steps(env, poll, cfg, hooks, INDEX_STEP_BYTES, out, ec);
    if (e == ERR_OK) {
        gauges_open(*out, metrics);
        gauges_set(*out);
    }
    return e;
}

enum err index_discard(struct env *env, const char *dir, struct ectx *ec)
{
    /* The manifest last: half of an index without it would be damage, which is discarded again. */
    struct sweep s = {.dir = dir};
    enum err e = sweep(env, &s, ec);
    if (e == ERR_OK) {
        s.manifest = true;
        e = sweep(env, &s, ec);
    }
    if (e == ERR_OK) {
        e = env_dir_sync(env, dir, ec);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}
