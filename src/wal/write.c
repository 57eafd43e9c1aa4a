/*
 * What runs off the loop: the ring write of a unit, the writes and flushes of its places, and the
 * zeros that go ahead of the tail on the ring's first turn. A running job reads only the unit (or
 * the pre-write step) that it was given and writes only its own result; everything else belongs to
 * the loop.
 */
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "wal/wal_int.h"

#define PLACE_IOV 512

/* ---- Places ---------------------------------------------------------------------------------- */

/* Neighbouring places of one file become one write. */
struct place_run {
    struct env_file *file;
    uint64_t offset, bytes;
    struct iovec iov[PLACE_IOV];
    int iov_count;
};
struct sync_set {
    struct env_file *files[WAL_SYNC_FILES];
    size_t count;
};

static enum err run_flush(struct place_run *run, struct ectx *ec)
{
    if (run->iov_count == 0) {
        return ERR_OK;
    }
    enum err e = env_file_pwritev(run->file, run->iov, run->iov_count, run->offset, ec);
    run->offset += run->bytes;
    run->bytes = 0;
    run->iov_count = 0;
    return e;
}

static enum err run_add(struct place_run *run, const struct wal_place *p, uint64_t *bytes,
                        struct ectx *ec)
{
    enum err e = ERR_OK;
    if (run->file != p->file || run->offset + run->bytes != p->offset) {
        e = run_flush(run, ec);
        run->file = p->file;
        run->offset = p->offset;
    }
    for (int i = 0; e == ERR_OK && i < p->iov_count; i++) {
        if (run->iov_count == PLACE_IOV) {
            e = run_flush(run, ec);
        }
        run->iov[run->iov_count++] = p->iov[i];
        run->bytes += p->iov[i].iov_len;
        *bytes += p->iov[i].iov_len;
    }
    return e;
}

static enum err sync_all(struct sync_set *set, struct ectx *ec)
{
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < set->count; i++) {
        e = env_file_datasync(set->files[i], ec);
    }
    set->count = 0;
    return e;
}

/* A file that is flushed twice because the set was full costs time, nothing else; but it must be
 * flushed after its last write, so a full set is emptied only when all writes so far have been
 * issued. */
static enum err sync_add(struct sync_set *set, struct place_run *run, struct env_file *f,
                         struct ectx *ec)
{
    for (size_t i = set->count; i > 0; i--) {
        if (set->files[i - 1] == f) {
            return ERR_OK;
        }
    }
    if (set->count == WAL_SYNC_FILES) {
        enum err e = run_flush(run, ec);
        if (e == ERR_OK) {
            e = sync_all(set, ec);
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    set->files[set->count++] = f;
    return ERR_OK;
}

/* Places of several files that need no flush of their own are written one after the other, each
 * waiting for the device: so the ring job, which is back first, helps. A file is one job's. */
void wal_share_places(struct wal *w)
{
    struct wal_unit *u = &w->unit;
    u->shared_count = 0;
    u->ring_place_bytes = 0;
    atomic_store(&u->shared_next, 0);
    LIST_FOR_EACH (n, tmp, &u->frames) {
        const struct wal_frame *f = CONTAINER_OF(n, struct wal_frame, link);
        for (int i = 0; i < f->place_count; i++) {
            uint32_t at = 0;
            while (at < u->shared_count && u->shared[at] != f->places[i].file) {
                at++;
            }
            if (f->places[i].flush || at == WAL_SHARED_FILES) {
                u->shared_count = 0;
                return;
            }
            u->shared[at] = f->places[i].file;
            u->shared_count = at == u->shared_count ? at + 1 : u->shared_count;
        }
    }
    u->shared_count = u->bytes > 0 && u->shared_count > 1 ? u->shared_count : 0;
}

static enum err write_file_places(const struct wal_unit *u, const struct env_file *file,
                                  uint64_t *bytes, struct ectx *ec)
{
    NOT_ZEROED struct place_run run;
    enum err e = ERR_OK;
    run.file = NULL;
    run.offset = run.bytes = 0;
    run.iov_count = 0;
    LIST_FOR_EACH (n, tmp, &u->frames) {
        const struct wal_frame *f = CONTAINER_OF(n, struct wal_frame, link);
        for (int i = 0; e == ERR_OK && i < f->place_count; i++) {
            if (f->places[i].file == file) {
                e = run_add(&run, &f->places[i], bytes, ec);
            }
        }
    }
    return e == ERR_OK ? run_flush(&run, ec) : e;
}

static enum err places_failed(struct wal *w, enum err e, struct ectx *ec)
{
    atomic_store(&w->harmed, true);
    return ectx_wrap(ec, e, "writing batches to their segments");
}

/* Files that nobody has taken yet, until there is none. */
static enum err write_shared(struct wal *w, uint64_t *bytes, struct ectx *ec)
{
    struct wal_unit *u = &w->unit;
    for (;;) {
        const uint32_t i = atomic_fetch_add(&u->shared_next, 1);
        if (i >= u->shared_count) {
            return ERR_OK;
        }
        const enum err e = write_file_places(u, u->shared[i], bytes, ec);
        if (e != ERR_OK) {
            return places_failed(w, e, ec);
        }
    }
}

static enum err write_all_places(struct wal *w)
{
    struct wal_unit *u = &w->unit;
    struct place_run run = {.file = NULL};
    struct sync_set set = {.count = 0};
    enum err e = ERR_OK;
    LIST_FOR_EACH (n, tmp, &u->frames) {
        const struct wal_frame *f = CONTAINER_OF(n, struct wal_frame, link);
        for (int i = 0; e == ERR_OK && i < f->place_count; i++) {
            const struct wal_place *p = &f->places[i];
            if (p->flush && !WAL_PLANTED(w, WAL_FAULT_NO_PLACE_SYNC)) {
                e = sync_add(&set, &run, p->file, &u->place_ec);
            }
            if (e == ERR_OK) {
                e = run_add(&run, p, &u->place_bytes, &u->place_ec);
            }
        }
    }
    if (e == ERR_OK) {
        e = run_flush(&run, &u->place_ec);
    }
    if (e == ERR_OK) {
        e = sync_all(&set, &u->place_ec);
    }
    return e == ERR_OK ? e : places_failed(w, e, &u->place_ec);
}

void wal_write_places(struct wal *w)
{
    struct wal_unit *u = &w->unit;
    u->place_err =
        u->shared_count > 0 ? write_shared(w, &u->place_bytes, &u->place_ec) : write_all_places(w);
}

void wal_write_ring(struct wal *w)
{
    struct wal_unit *u = &w->unit;
    u->ring_err = env_file_pwritev(w->ring.files[wal_ring_file(&w->ring, u->at)], u->iov,
                                   u->iov_count, wal_ring_offset(&w->ring, u->at), &u->ring_ec);
    if (u->ring_err == ERR_OK) {
        u->ring_err = write_shared(w, &u->ring_place_bytes, &u->ring_ec);
    } else {
        (void)ectx_wrap(&u->ring_ec, u->ring_err, "writing the log at position %llu",
                        (unsigned long long)u->at);
    }
}

/* ---- Zeros ahead of the tail ----------------------------------------------------------------- */

/* True for the first who takes the step: its job, or the loop that calls it off. */
static bool prewrite_take(struct wal_prewrite *p, enum wal_turn as)
{
    int open = WAL_TURN_OPEN;
    return atomic_compare_exchange_strong(&p->turn, &open, (int)as);
}

static void prewrite_run(struct env_job *job)
{
    struct wal_prewrite *p = CONTAINER_OF(job, struct wal_prewrite, job);
    struct wal *w = CONTAINER_OF(p, struct wal, pre);
    p->err = ERR_OK;
    if (!prewrite_take(p, WAL_TURN_WRITING)) {
        return;
    }
    p->err = env_file_pwrite(w->ring.files[p->file], p->zeros, (size_t)(p->to - p->from), p->from,
                             &p->ec);
}

static void prewrite_done(struct env_job *job)
{
    struct wal_prewrite *p = CONTAINER_OF(job, struct wal_prewrite, job);
    struct wal *w = CONTAINER_OF(p, struct wal, pre);
    p->busy = false;
    if (p->err != ERR_OK) {
        /* The blocks are claimed, so this is a device that fails: the file's flushes cannot be
         * trusted now. */
        (void)ectx_wrap(&p->ec, p->err, "pre-writing the log's ring");
        wal_die(w, p->err, &p->ec);
        return;
    }
    const bool wrote = atomic_load(&p->turn) == WAL_TURN_WRITING;
    if (wrote && p->erases) {
        p->erase_at += p->to - p->from;
    } else if (wrote && w->ring.written[p->file] < p->to) {
        w->ring.written[p->file] = p->to;
    }
    if (w->failed) {
        wal_tell_failure(w);
    } else if (w->hold == WAL_HOLD_WAIT && !wal_prewrite_in_way(w)) {
        wal_unit_start(w);
    } else {
        wal_prewrite_next(w);
    }
}

bool wal_prewrite_in_way(struct wal *w)
{
    const struct wal_unit *u = &w->unit;
    struct wal_prewrite *p = &w->pre;
    if (!p->busy || u->bytes == 0 || wal_ring_file(&w->ring, u->at) != p->file) {
        return false;
    }
    const uint64_t at = wal_ring_offset(&w->ring, u->at);
    if (at >= p->to || p->from >= at + u->bytes) {
        return false;
    }
    /* Whoever works on the lane before it may take long: the log does not wait for that. */
    (void)prewrite_take(p, WAL_TURN_OFF);
    return atomic_load(&p->turn) == WAL_TURN_WRITING;
}

/* Picks the next range of zeros: in the tail's file beyond a margin, else in the file after it.
 * Files further ahead wait until the tail comes nearer. */
static bool prewrite_pick(struct wal *w)
{
    const struct wal_ring *r = &w->ring;
    uint32_t file = wal_ring_file(r, w->tail);
    uint64_t tail = wal_ring_offset(r, w->tail);
    uint64_t from = r->written[file];
    if (from < tail + WAL_PREWRITE_MARGIN) {
        from = tail + WAL_PREWRITE_MARGIN;
    }
    if (r->written[file] >= r->file_bytes || from >= r->file_bytes) {
        file = (file + 1) % r->file_count;
        from = r->written[file];
        if (from >= r->file_bytes) {
            return false;
        }
    }
    w->pre.file = file;
    w->pre.from = wal_align_up(from, ENV_BLOCK);
    uint64_t to = w->pre.from + WAL_PREWRITE_STEP;
    w->pre.to = to < r->file_bytes ? to : r->file_bytes;
    return true;
}

/* A device that writes zeros without a pause lets every write of the log wait. So what is far ahead
 * of the tail is written twice as fast as the tail comes nearer, and no faster. */
static bool prewrite_is_due(struct wal *w)
{
    struct wal_prewrite *p = &w->pre;
    const uint64_t at = wal_ring_offset(&w->ring, w->tail);
    const bool same = p->file == wal_ring_file(&w->ring, w->tail);
    const uint64_t ahead = same ? p->from - at : w->ring.file_bytes - at + p->from;
    if (ahead >= WAL_PREWRITE_NEAR && w->tail < p->due) {
        return false;
    }
    p->due = w->tail + WAL_PREWRITE_STEP / 2;
    return true;
}

/* The next range of released frames that are to be erased. What was submitted has its place in the
 * ring from then on, so no step begins there; what is submitted while one is under way waits for it
 * (wal_prewrite_in_way). */
static bool erase_pick(struct wal *w)
{
    struct wal_prewrite *p = &w->pre;
    const struct wal_ring *r = &w->ring;
    const uint64_t bytes = wal_ring_bytes(r);
    const uint64_t low = w->tail > bytes ? w->tail - bytes : 0;
    p->erase_at = p->erase_at < low ? low : p->erase_at;
    if (p->erase_at >= p->erase_to || p->erase_steps == 0) {
        return false;
    }
    p->erase_steps--;
    const uint64_t end = wal_ring_file_end(r, p->erase_at);
    uint64_t to = p->erase_at + WAL_PREWRITE_STEP;
    to = to < end ? to : end;
    to = to < p->erase_to ? to : p->erase_to;
    p->file = wal_ring_file(r, p->erase_at);
    p->from = wal_ring_offset(r, p->erase_at);
    p->to = p->from + (to - p->erase_at);
    return true;
}

bool wal_erase(struct wal *w, uint64_t position)
{
    struct wal_prewrite *p = &w->pre;
    ENV_CHECK_LOOP(w->poll);
    CHECK(position <= w->released && position % ENV_BLOCK == 0);
    if (position > p->erase_to) {
        p->erase_to = position;
    }
    p->erase_steps = WAL_ERASE_STEPS;
    p->stopped = p->stopped && p->zeros != NULL; /* perhaps there is memory for them now */
    wal_prewrite_next(w);
    return !p->busy && p->erase_at >= p->erase_to;
}

void wal_prewrite_next(struct wal *w)
{
    struct wal_prewrite *p = &w->pre;
    if (p->busy || p->stopped || w->failed) {
        return;
    }
    const bool ahead = prewrite_pick(w) && prewrite_is_due(w);
    if (!ahead && !erase_pick(w)) {
        return;
    }
    p->erases = !ahead;
    if (p->zeros == NULL) {
        p->zeros = mem_alloc_aligned(ENV_BLOCK, WAL_PREWRITE_STEP);
        if (p->zeros == NULL) {
            p->stopped = true; /* it is only slower without */
            return;
        }
        memset(p->zeros, 0, WAL_PREWRITE_STEP);
    }
    p->busy = true;
    atomic_store(&p->turn, WAL_TURN_OPEN);
    p->job.run = prewrite_run;
    p->job.done = prewrite_done;
    env_job_submit(w->poll, ENV_LANE_ANY, &p->job);
}
