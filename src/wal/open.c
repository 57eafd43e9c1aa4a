/*
 * Opening and closing the log, and what can be asked of it. An open log has been recovered,
 * everything that it accepted is on stable storage, and its generation has its START on disk;
 * README.md says why that matters.
 */
#include "core/check.h"
#include "core/mem.h"
#include "wal/wal_int.h"

/* ---- Opening and closing --------------------------------------------------------------------- */

/* Opens the generation on disk: one block at the tail that every later frame of it follows. It
 * overwrites the head of whatever an earlier generation left there. */
static enum err write_start(struct wal *w, struct ectx *ec)
{
    uint8_t *block = mem_alloc_aligned(ENV_BLOCK, ENV_BLOCK);
    if (block == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory to open the log");
    }
    memset(block, 0, ENV_BLOCK);
    struct wal_header h = {.flags = WAL_FIRST | WAL_LAST | WAL_START,
                           .body_crc = w->seed,
                           .generation = w->generation,
                           .position = w->tail,
                           .flushed = w->flushed,
                           .group_bytes = ENV_BLOCK,
                           .back = (uint32_t)(w->tail - w->last_end)};
    wal_header_put(block, &h, w->seed);
    uint32_t file = wal_ring_file(&w->ring, w->tail);
    uint64_t offset = wal_ring_offset(&w->ring, w->tail);
    enum err e = ERR_OK;
    if (!WAL_PLANTED(w, WAL_FAULT_NO_START)) {
        e = env_file_pwrite(w->ring.files[file], block, ENV_BLOCK, offset, ec);
    }
    mem_free(block);
    if (e != ERR_OK) {
        return ectx_wrap(ec, e, "opening a new generation of the log");
    }
    wal_ring_note(&w->ring, w->tail, ENV_BLOCK);
    w->last_end = wal_frame_end(w->tail, 0);
    w->tail += ENV_BLOCK;
    return ERR_OK;
}

static enum err open_recover(struct wal *w, const struct wal_config *cfg,
                             const struct wal_visitor *visitor, struct ectx *ec)
{
    for (uint32_t i = 0; i < w->ring.file_count; i++) {
        env_file_drop_cache(w->ring.files[i], 0, 0);
    }
    struct wal_scan_result r;
    enum err e = wal_scan(&w->ring, cfg, visitor, w->fault, &r, ec);
    if (e != ERR_OK) {
        return e;
    }
    w->tail = r.tail;
    w->last_end = r.last_end;
    w->flushed = r.flushed;
    if (w->generation <= r.generation) {
        w->generation = r.generation + 1;
    }
    return ERR_OK;
}

enum err wal_open_planted(struct env *env, struct env_poll *poll, const struct wal_config *cfg,
                          const struct wal_visitor *visitor, enum wal_fault fault, struct wal **out,
                          struct ectx *ec)
{
    enum err e = wal_ring_check(cfg, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct wal *w = mem_new(struct wal);
    size_t chunk = (size_t)wal_align_up(cfg->group_bytes / 16, ENV_BLOCK);
    chunk = chunk < WAL_CHUNK_BYTES ? chunk : WAL_CHUNK_BYTES;
    struct wal_pool *pool = w == NULL ? NULL : wal_pool_create(chunk);
    if (pool == NULL) {
        mem_free(w);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory to open the log");
    }
    w->env = env;
    w->poll = poll;
    w->pool = pool;
    w->fault = fault;
    w->group_bytes = cfg->group_bytes;
    w->seed = wal_seed(&cfg->store_id);
    w->generation = cfg->generation;
    w->released = w->tail = w->last_end = cfg->start;
    w->flushed = cfg->flushed;
    list_init(&w->waiting);
    list_init(&w->queued);
    list_init(&w->unit.frames);
    e = wal_ring_open(&w->ring, env, cfg, true, WAL_PLANTED(w, WAL_FAULT_NO_SYNC_AT_OPEN), ec);
    if (e == ERR_OK && !cfg->clean) {
        e = open_recover(w, cfg, visitor, ec);
    }
    if (e == ERR_OK) {
        wal_ring_written(&w->ring, w->tail);
        e = write_start(w, ec);
    }
    if (e != ERR_OK) {
        wal_close(w);
        return e;
    }
    *out = w;
    return ERR_OK;
}

enum err wal_open(struct env *env, struct env_poll *poll, const struct wal_config *cfg,
                  const struct wal_visitor *visitor, struct wal **out, struct ectx *ec)
{
    return wal_open_planted(env, poll, cfg, visitor, WAL_FAULT_NONE, out, ec);
}

void wal_close(struct wal *w)
{
    if (w == NULL) {
        return;
    }
    w->pre.stopped = true;
    /* A job that still runs reads our memory. In a world that was cut nothing is pending any more.
     */
    while ((w->pre.busy || w->unit.pending > 0) && env_job_pending(w->poll) > 0) {
        (void)env_poll_run(w->poll, 1000000);
    }
    CHECK(w->failed || w->hold == WAL_HOLD_LOOP || env_job_pending(w->poll) == 0);
    wal_unit_drop_groups(w);
    LIST_FOR_EACH (n, tmp, &w->waiting) {
        list_remove(n);
        wal_group_unref(CONTAINER_OF(n, struct wal_group, link));
    }
    if (w->fill != NULL) {
        wal_group_unref(w->fill);
    }
    wal_ring_close(&w->ring);
    wal_pool_close(w->pool);
    mem_free(w->pre.zeros);
    mem_free(w);
}

/* ---- Looking --------------------------------------------------------------------------------- */

bool wal_harmed(const struct wal *w)
{
    return atomic_load(&w->harmed);
}

bool wal_idle(const struct wal *w)
{
    return list_empty(&w->queued) && (w->hold == WAL_HOLD_LOOP || w->hold == WAL_HOLD_DEAD);
}

uint64_t wal_flushed(const struct wal *w)
{
    return w->flushed;
}

uint64_t wal_tail(const struct wal *w)
{
    return w->tail;
}

uint32_t wal_generation(const struct wal *w)
{
    return w->generation;
}

void wal_release(struct wal *w, uint64_t position)
{
    ENV_CHECK_LOOP(w->poll);
    CHECK(position <= w->tail);
    if (position > w->released) {
        w->released = position;
    }
}

uint64_t wal_used_bytes(const struct wal *w)
{
    return w->tail - w->released;
}

uint64_t wal_capacity_bytes(const struct wal *w)
{
    return wal_ring_bytes(&w->ring);
}

void wal_on_failure(struct wal *w, void (*fn)(void *ctx, const struct ectx *ec), void *ctx)
{
    w->on_failure = fn;
    w->on_failure_ctx = ctx;
    wal_tell_failure(w);
}

void wal_stats_get(const struct wal *w, struct wal_stats *out)
{
    *out = w->stats;
}
