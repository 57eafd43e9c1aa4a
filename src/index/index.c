/* References, what the owner is told, putting and covering, closing. */
#include "index/index.h"

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "index/index_int.h"

/* ---- References -------------------------------------------------------------------------------
 */

void run_unref(struct index *ix, struct run *r)
{
    if (--r->refs == 0) {
        r->gone_after = ix->durable;
        list_push_back(&ix->dead, &r->dead);
    }
}

void run_list_unref(struct index *ix, struct run_list *l)
{
    if (l == NULL || --l->refs > 0) {
        return;
    }
    for (uint32_t i = 0; i < l->count; i++) {
        run_unref(ix, l->runs[i]);
    }
    mem_free(l);
}

void run_give_up(struct index *ix, struct run *r)
{
    if (r->file == NULL) {
        run_free(r);
    } else {
        run_unref(ix, r);
        r->gone_after = ix->sequence + 1;
    }
}

struct memory *memory_new(const struct index *ix)
{
    struct memory *m = mem_new(struct memory);
    if (m != NULL) {
        m->refs = 1;
        tree_pool_init(&m->pool);
        for (size_t i = 0; i < ix->cfg.table_count; i++) {
            tree_init(&m->trees[i], &m->pool, ix->tables[i].key_bytes, ix->tables[i].value_bytes);
        }
    }
    return m;
}

void memory_unref(struct memory *m)
{
    if (m != NULL && --m->refs == 0) {
        tree_pool_deinit(&m->pool);
        mem_free(m);
    }
}

/* ---- Telling the owner ------------------------------------------------------------------------
 */

static void harm_run(struct env_job *job)
{
    (void)job;
}

static void harm_done(struct env_job *job)
{
    struct index *ix = CONTAINER_OF(job, struct index, harm_job);
    ix->harm_on_way = false;
    if (!ix->closing && ix->hooks.harmed != NULL) {
        ix->hooks.harmed(ix->hooks.ctx, &ix->harm_ec);
    }
}

/* From the loop, but never inside a call of the owner. */
void index_harmed(struct index *ix, const struct ectx *ec)
{
    if (ix->harm_told || ix->closing) {
        return;
    }
    ix->harm_told = ix->harm_on_way = true;
    ix->harm_ec = *ec;
    LOG_ERROR("index.harmed", KV_Z("dir", ix->dir), KV_ERR(ec));
    ix->harm_job = (struct env_job){.run = harm_run, .done = harm_done};
    env_job_submit(ix->poll, ENV_LANE_ANY, &ix->harm_job);
}

uint64_t index_memory_bytes(const struct index *ix)
{
    return tree_pool_bytes(&ix->active->pool) +
           (ix->frozen != NULL ? tree_pool_bytes(&ix->frozen->pool) : 0);
}

bool index_ready(const struct index *ix)
{
    return index_memory_bytes(ix) < 2 * ix->cfg.memory_bytes;
}

void index_room_made(struct index *ix)
{
    if (ix->was_full && index_ready(ix)) {
        ix->was_full = false;
        if (!ix->closing && ix->hooks.ready != NULL) {
            ix->hooks.ready(ix->hooks.ctx);
        }
    }
}

/* ---- Closing ----------------------------------------------------------------------------------
 */

void index_release(struct index *ix)
{
    flush_abandon(ix);
    merge_abandon(ix);
    looks_abandon(ix);
    if (ix->work.cleaned != NULL) {
        run_free(ix->work.cleaned);
    }
    /* Those that no manifest names any more; what stays is removed by the next open. */
    LIST_FOR_EACH (n, tmp, &ix->dead) {
        struct run *r = CONTAINER_OF(n, struct run, dead);
        if (r->gone_after <= ix->durable) {
            IGNORE(env_unlink(ix->env, r->path, NULL));
        }
        list_remove(&r->dead);
        run_free(r);
    }
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        run_list_unref(ix, ix->lists[t]);
    }
    LIST_FOR_EACH (n, tmp, &ix->dead) {
        run_free(CONTAINER_OF(n, struct run, dead));
    }
    memory_unref(ix->active);
    memory_unref(ix->frozen);
    buf_deinit(&ix->covered);
    buf_deinit(&ix->cover_given);
    mem_free(ix->block);
    mem_free(ix->dir);
    mem_free(ix);
}

/* On this thread, step by step, what a worker would do. */
static void flush_now(struct index *ix)
{
    struct work *w = &ix->work;
    w->err = ERR_OK;
    for (int i = 0; i < 2; i++) { /* what is frozen, then what came after it */
        ix->flush_asked = true;
        flush_wish(ix);
        while (ix->flush.on && w->err == ERR_OK) {
            w->renamed = false;
            if (!flush_prepare(ix)) {
                w->err = ectx_fail(&w->ec, ERR_NO_MEMORY, "no memory for the next manifest");
                break;
            }
            flush_step(ix);
            flush_done(ix);
        }
    }
    if (w->err != ERR_OK) {
        LOG_WARN("index.not_flushed", KV_Z("dir", ix->dir), KV_ERR(&w->ec));
    }
}

void index_close(struct index *ix, bool flush)
{
    if (ix == NULL) {
        return;
    }
    ix->closing = true;
    /* A machine that stands still is nothing to wait for. */
    bool moves = true;
    while (moves && (ix->work.kind != WORK_NONE || !list_empty(&ix->looks) || ix->harm_on_way)) {
        moves = env_poll_run(ix->poll, 100u * 1000 * 1000) > 0 || env_job_pending(ix->poll) > 0;
    }
    if (flush && !ix->failed && ix->work.kind == WORK_NONE) {
        flush_now(ix);
    }
    gauges_close(ix);
    index_release(ix);
}

/* ---- Putting ----------------------------------------------------------------------------------
 */

struct str index_covered(const struct index *ix)
{
    return buf_str(&ix->covered);
}

enum err index_put(struct index *ix, unsigned table, const void *key, const void *value)
{
    ENV_CHECK_LOOP(ix->poll);
    CHECK(table < ix->cfg.table_count);
    if (index_memory_bytes(ix) >= INDEX_MEMORY_FACTOR * ix->cfg.memory_bytes ||
        !tree_put(&ix->active->trees[table], key, value)) {
        return ERR_NO_MEMORY;
    }
    ix->at_cover = false;
    ix->was_full = ix->was_full || !index_ready(ix);
    return ERR_OK;
}

enum err index_cover(struct index *ix, struct str covered, bool now)
{
    ENV_CHECK_LOOP(ix->poll);
    if (covered.n > INDEX_COVERED_MAX) {
        return ERR_LIMIT;
    }
    const bool same = str_eq(buf_str(&ix->cover_given), covered) && ix->at_cover;
    if (!same) {
        buf_clear(&ix->cover_given);
        buf_put_str(&ix->cover_given, covered);
        ix->at_cover = !buf_failed(&ix->cover_given);
        ix->cover_ahead = ix->at_cover;
        if (!ix->at_cover) {
            return ERR_NO_MEMORY;
        }
    }
    ix->flush_asked = ix->flush_asked || (now && ix->cover_ahead);
    /* Now or never: when the worker has done its step, something will have been put. It only sets
     * memory aside, which no step looks at; the next step writes it. */
    if (!ix->failed && !ix->closing) {
        flush_wish(ix);
    }
    work_next(ix);
    return ERR_OK;
}

void index_tick(struct index *ix)
{
    ENV_CHECK_LOOP(ix->poll);
    work_next(ix);
    gauges_set(ix);
}

void index_stats_get(const struct index *ix, struct index_stats *out)
{
    *out = ix->stats;
    out->memory_bytes = index_memory_bytes(ix);
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        out->memory_entries += ix->active->trees[t].count;
        out->memory_entries += ix->frozen != NULL ? ix->frozen->trees[t].count : 0;
        out->run_count += ix->lists[t]->count;
        for (uint32_t i = 0; i < ix->lists[t]->count; i++) {
            out->run_bytes += run_file_bytes(ix->lists[t]->runs[i]);
            out->run_entries += ix->lists[t]->runs[i]->head.entries;
        }
    }
}
