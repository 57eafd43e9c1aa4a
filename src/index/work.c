/*
 * Work in the background: one step at a time on a worker, flushes before merges, so that a merge of
 * minutes never keeps memory full. With many runs their steps take turns, or an owner that puts all
 * the time would have flushes only, until there is no room for one more run. A step writes at most
 * step_bytes; between two steps of a merge there is a pause as long as the step was, so that the
 * log finds the device free half of the time.
 *
 * What fails is undone and tried again after a while, with the next call of the owner. A flush of
 * the device that failed is the end of all work: no later one would prove anything.
 */
#include "core/log.h"
#include "core/mem.h"
#include "index/index_int.h"

enum { PAUSE_MOST_NS = 20 * 1000 * 1000 };

void work_failed(struct index *ix, enum work_kind kind)
{
    const struct ectx *ec = &ix->work.ec;
    if (ix->work.fatal) {
        ix->failed = true;
        index_harmed(ix, ec);
        return;
    }
    const uint64_t after = ix->retry[kind].after_ns, twice = after * 2;
    if (after == 0) {
        LOG_WARN("index.work_failed", KV_Z("dir", ix->dir),
                 KV_Z("what", kind == WORK_FLUSH ? "flush" : "merge"), KV_ERR(ec));
    }
    ix->retry[kind].after_ns = after == 0                    ? INDEX_RETRY_NS
                               : twice < INDEX_RETRY_MOST_NS ? twice
                                                             : INDEX_RETRY_MOST_NS;
    ix->retry[kind].at_ns = env_mono_ns(ix->env) + ix->retry[kind].after_ns;
}

void work_succeeded(struct index *ix, enum work_kind kind)
{
    if (ix->retry[kind].after_ns != 0) {
        LOG_INFO("index.work_recovered", KV_Z("dir", ix->dir));
        ix->retry[kind].after_ns = ix->retry[kind].at_ns = 0;
    }
}

static bool work_waits(const struct index *ix, enum work_kind kind)
{
    return ix->retry[kind].at_ns > 0 && env_mono_ns(ix->env) < ix->retry[kind].at_ns;
}

/* The largest filters go until the others fit. */
void filters_fit(struct index *ix)
{
    for (;;) {
        uint64_t total = 0;
        struct run *largest = NULL;
        for (size_t t = 0; t < ix->cfg.table_count; t++) {
            for (uint32_t i = 0; i < ix->lists[t]->count; i++) {
                struct run *r = ix->lists[t]->runs[i];
                total += r->filter != NULL ? run_filter_bytes(r) : 0;
                if (r->filter != NULL &&
                    (largest == NULL || run_filter_bytes(r) > run_filter_bytes(largest))) {
                    largest = r;
                }
            }
        }
        ix->stats.filter_bytes = total;
        if (total <= ix->cfg.filter_bytes || largest == NULL) {
            return;
        }
        mem_free(largest->filter);
        largest->filter = NULL;
    }
}

static void work_run(struct env_job *job)
{
    struct index *ix = CONTAINER_OF(CONTAINER_OF(job, struct work, job), struct index, work);
    struct work *w = &ix->work;
    const uint64_t begin = env_mono_ns(ix->env);
    switch (w->kind) {
    case WORK_FLUSH:
        flush_step(ix);
        break;
    case WORK_MERGE:
        merge_step(ix, w->merge);
        if (w->err == ERR_OK && w->pause_ns > 0) {
            const uint64_t took = env_mono_ns(ix->env) - begin;
            env_sleep_ns(ix->env, took < w->pause_ns ? took : w->pause_ns);
        }
        break;
    case WORK_CLEAN:
        run_delete(ix->env, w->cleaned);
        break;
    case WORK_NONE:
    case WORK_KINDS:
        break;
    }
}

static void work_done(struct env_job *job)
{
    struct index *ix = CONTAINER_OF(CONTAINER_OF(job, struct work, job), struct index, work);
    struct work *w = &ix->work;
    const enum work_kind kind = w->kind;
    w->kind = WORK_NONE;
    if (kind == WORK_FLUSH) {
        flush_done(ix);
    } else if (kind == WORK_MERGE) {
        merge_done(ix, w->merge);
    } else if (kind == WORK_CLEAN) {
        run_free(w->cleaned);
        w->cleaned = NULL;
    }
    if (w->err == ERR_DAMAGED) {
        index_harmed(ix, &w->ec);
    }
    gauges_set(ix);
    work_next(ix);
}

static struct run *dead_take(struct index *ix)
{
    LIST_FOR_EACH (n, tmp, &ix->dead) {
        struct run *r = CONTAINER_OF(n, struct run, dead);
        if (r->gone_after <= ix->durable) {
            list_remove(&r->dead);
            return r;
        }
    }
    return NULL;
}

/* Merges are behind. */
static bool runs_many(const struct index *ix)
{
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        if (ix->lists[t]->count > INDEX_RUNS_MANY) {
            return true;
        }
    }
    return false;
}

static enum work_kind work_choose(struct index *ix)
{
    struct work *w = &ix->work;
    w->cleaned = dead_take(ix);
    if (w->cleaned != NULL) {
        return WORK_CLEAN;
    }
    flush_wish(ix);
    const bool flush = ix->flush.on && !work_waits(ix, WORK_FLUSH);
    const bool turn = w->flushed && !ix->was_full && runs_many(ix);
    w->flushed = false;
    if (!flush || turn) {
        w->merge = work_waits(ix, WORK_MERGE) ? NULL : merge_wish(ix);
        if (w->merge != NULL) {
            return WORK_MERGE;
        }
    }
    w->flushed = flush;
    return flush ? WORK_FLUSH : WORK_NONE;
}

void work_next(struct index *ix)
{
    struct work *w = &ix->work;
    if (w->kind != WORK_NONE || ix->failed || ix->closing) {
        return;
    }
    w->err = ERR_OK;
    w->renamed = false;
    const enum work_kind kind = work_choose(ix);
    if (kind == WORK_NONE) {
        return;
    }
    if ((kind == WORK_FLUSH && !flush_prepare(ix)) ||
        (kind == WORK_MERGE && !merge_prepare(ix, w->merge))) {
        (void)ectx_fail(&w->ec, ERR_NO_MEMORY, "no memory for the next manifest");
        work_failed(ix, kind);
        return;
    }
    w->kind = kind;
    const bool behind = ix->was_full || (ix->flush.on && !work_waits(ix, WORK_FLUSH));
    w->pause_ns = behind ? 0 : PAUSE_MOST_NS;
    w->job = (struct env_job){.run = work_run, .done = work_done};
    env_job_submit(ix->poll, ENV_LANE_INDEX, &w->job);
}
