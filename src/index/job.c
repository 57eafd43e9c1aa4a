/*
 * Look-ups on a worker. A job takes with it what the loop knows when it is submitted: what the
 * active memory holds of the answer (copied, for the loop goes on changing it), the frozen memory
 * and the runs (by reference), and which runs the filters do not rule out.
 */
#include "core/check.h"
#include "core/mem.h"
#include "index/look.h"

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
