/*
 * The log at work: submit, kick, done (open.c has the rest). One unit is in flight at most; what
 * arrives meanwhile waits in chunks and goes with the next one. Who may touch the tail is one state
 * (`hold`, wal_int.h); README.md has the machine as a picture, and every function here CHECKs the
 * state that it needs.
 *
 * Surprises: a group's headers get their checksum only when its unit is built, because only then
 * its length and the newest flushed position are known. wal_has_room may take memory, so that
 * wal_submit cannot fail.
 */
#include "core/check.h"
#include "core/crc32c.h"
#include "core/mem.h"
#include "wal/wal_int.h"

/* ---- Who holds the tail ---------------------------------------------------------------------- */

/* From where each state may be entered. README.md draws it; nothing else changes `hold`. */
static const unsigned enter_from[] = {
    [WAL_HOLD_LOOP] = 1u << WAL_HOLD_DONE,
    [WAL_HOLD_CALLER] = 1u << WAL_HOLD_LOOP,
    [WAL_HOLD_WAIT] = 1u << WAL_HOLD_LOOP,
    [WAL_HOLD_LANES] = 1u << WAL_HOLD_LOOP | 1u << WAL_HOLD_WAIT,
    [WAL_HOLD_DONE] = 1u << WAL_HOLD_CALLER | 1u << WAL_HOLD_LANES,
    [WAL_HOLD_DEAD] =
        1u << WAL_HOLD_LOOP | 1u << WAL_HOLD_CALLER | 1u << WAL_HOLD_WAIT | 1u << WAL_HOLD_LANES,
};

bool wal_hold_may(enum wal_hold from, enum wal_hold to)
{
    return (enter_from[to] >> from & 1u) != 0;
}

static void hold_move(struct wal *w, enum wal_hold to)
{
    ENV_CHECK_LOOP(w->poll);
    CHECK(wal_hold_may(w->hold, to));
    /* The unit belongs to the jobs from LANES on until the last of them is back. */
    CHECK(to == WAL_HOLD_DEAD || w->unit.pending == 0);
    w->hold = to;
}

/* ---- Where the next frame goes --------------------------------------------------------------- */

static bool group_is_open(const struct wal *w)
{
    return w->fill != NULL && w->fill->open_end != w->fill->open_at;
}

struct spot {
    uint64_t position;
    bool joins; /* the group that is open */
    bool new_chunk;
};

static struct spot spot_for(const struct wal *w, size_t body_bytes)
{
    uint64_t need = WAL_BODY_OFFSET + (uint64_t)body_bytes;
    if (group_is_open(w) && w->fill->open_end + need <= w->fill->limit) {
        return (struct spot){.position = w->fill->open_end, .joins = true};
    }
    if (w->fill != NULL && !group_is_open(w) && w->tail + need <= w->fill->limit) {
        return (struct spot){.position = w->tail};
    }
    uint64_t position = w->tail;
    if (position + need > wal_ring_file_end(&w->ring, position)) {
        position = wal_ring_file_end(&w->ring, position);
    }
    return (struct spot){.position = position, .new_chunk = true};
}

static size_t chunk_need(size_t body_bytes)
{
    return (size_t)wal_align_up(WAL_BODY_OFFSET + (uint64_t)body_bytes, ENV_BLOCK);
}

bool wal_has_room(const struct wal *w, size_t body_bytes)
{
    if (w->failed) {
        return true; /* what is submitted now is dropped anyway */
    }
    if (body_bytes > w->group_bytes) {
        return false;
    }
    struct spot s = spot_for(w, body_bytes);
    uint64_t end = wal_align_up(s.position + WAL_BODY_OFFSET + body_bytes, ENV_BLOCK);
    uint64_t limit = w->released + wal_ring_bytes(&w->ring) - WAL_RESERVE_BYTES;
    if (WAL_PLANTED(w, WAL_FAULT_REUSE_EARLY)) {
        limit += w->ring.file_bytes;
    }
    return end <= limit && (!s.new_chunk || wal_pool_reserve(w->pool, chunk_need(body_bytes)));
}

uint64_t wal_next_position(const struct wal *w, size_t body_bytes)
{
    return spot_for(w, body_bytes).position;
}

static void take_chunk(struct wal *w, uint64_t position, size_t body_bytes)
{
    if (w->fill != NULL) {
        wal_group_unref(w->fill);
    }
    struct wal_group *g = wal_pool_take(w->pool, chunk_need(body_bytes));
    g->base = g->open_at = g->open_end = position;
    uint64_t file_end = wal_ring_file_end(&w->ring, position);
    g->limit = position + g->capacity < file_end ? position + g->capacity : file_end;
    list_init(&g->link);
    w->fill = g;
}

/* Puts the header (all but what the unit knows) and the body into the group's memory. */
static void frame_copy(struct wal *w, struct wal_frame *f, size_t body_bytes)
{
    struct wal_group *g = w->fill;
    uint8_t *at = g->bytes + (f->position - g->base);
    uint8_t *to = at + WAL_BODY_OFFSET;
    uint32_t crc = w->seed;
    for (int i = 0; i < f->body_count; i++) {
        if (f->body[i].iov_len > 0) {
            memcpy(to, f->body[i].iov_base, f->body[i].iov_len);
            crc = crc32c(crc, to, f->body[i].iov_len);
            to += f->body[i].iov_len;
        }
    }
    uint64_t back = f->position - w->last_end;
    CHECK(back <= UINT32_MAX);
    struct wal_header h = {.length = (uint32_t)body_bytes,
                           .body_crc = crc,
                           .generation = w->generation,
                           .position = f->position,
                           .back = (uint32_t)back};
    wal_header_put(at, &h, w->seed);
    g->open_end = wal_frame_end(f->position, body_bytes);
    size_t gap = (size_t)(g->open_end - (f->position + WAL_BODY_OFFSET + body_bytes));
    memset(to, 0, gap);
    w->last_end = g->open_end;
    w->tail = wal_align_up(g->open_end, ENV_BLOCK);
    /* At once, not when it is written: zeros must never go where a frame is on its way to. */
    wal_ring_note(&w->ring, f->position, w->tail - f->position);
    f->copy = at + WAL_BODY_OFFSET;
    f->group = g;
    w->stats.body_bytes += body_bytes;
}

void wal_submit(struct wal *w, struct wal_frame *f)
{
    f->group = NULL;
    f->copy = NULL;
    f->position = w->tail;
    list_init(&f->link);
    ENV_CHECK_LOOP(w->poll);
    if (w->failed) {
        return;
    }
    if (f->body_count > 0) {
        size_t body_bytes = 0;
        for (int i = 0; i < f->body_count; i++) {
            body_bytes += f->body[i].iov_len;
        }
        CHECK(wal_has_room(w, body_bytes));
        struct spot s = spot_for(w, body_bytes);
        if (s.new_chunk) {
            take_chunk(w, s.position, body_bytes);
        }
        if (!s.joins) {
            struct wal_group *g = w->fill;
            g->open_at = g->open_end = s.position;
            wal_group_ref(g); /* of `waiting`, later of the unit */
            list_push_back(&w->waiting, &g->link);
        }
        f->position = s.position;
        frame_copy(w, f, body_bytes);
    }
    list_push_back(&w->queued, &f->link);
    w->stats.frames++;
}

/* ---- Building a unit ------------------------------------------------------------------------- */

/* Moves waiting groups into the unit: neighbours in one file, up to the largest write. */
static void unit_take_groups(struct wal *w)
{
    struct wal_unit *u = &w->unit;
    LIST_FOR_EACH (n, tmp, &w->waiting) {
        struct wal_group *g = CONTAINER_OF(n, struct wal_group, link);
        uint64_t end = wal_align_up(g->open_end, ENV_BLOCK);
        size_t bytes = (size_t)(end - g->open_at);
        if (u->iov_count > 0 &&
            (u->iov_count == (int)WAL_UNIT_IOV || u->at + u->bytes != g->open_at ||
             wal_ring_file(&w->ring, u->at) != wal_ring_file(&w->ring, g->open_at) ||
             u->bytes + bytes > w->group_bytes)) {
            break;
        }
        if (u->iov_count == 0) {
            u->at = g->open_at;
        }
        memset(g->bytes + (g->open_end - g->base), 0, (size_t)(end - g->open_end));
        u->iov[u->iov_count] = (struct iovec){g->bytes + (g->open_at - g->base), bytes};
        u->groups[u->iov_count++] = g; /* with the reference of `waiting` */
        u->bytes += bytes;
        u->ends[u->iov_count - 1] = g->open_end;
        list_remove(&g->link);
        g->open_at = g->open_end = end;
    }
}

/* Writes the final header of each frame of the unit, now that its group is complete. */
static void unit_seal(struct wal *w)
{
    struct wal_unit *u = &w->unit;
    for (int i = 0; i < u->iov_count; i++) {
        uint8_t *p = u->iov[i].iov_base;
        uint64_t at = u->groups[i]->base + (uint64_t)(p - u->groups[i]->bytes);
        unsigned flags = WAL_FIRST;
        while (at < u->ends[i]) {
            /* Our own bytes, written by frame_copy. */
            struct wal_header h;
            CHECK(wal_header_get(p, w->seed, &h) == WAL_SEEN_FRAME && h.position == at);
            uint64_t next = wal_frame_end(at, h.length);
            h.flags = next == u->ends[i] ? flags | WAL_LAST : flags;
            h.group_bytes = (uint32_t)u->iov[i].iov_len;
            h.flushed = WAL_PLANTED(w, WAL_FAULT_FLUSHED_HIGH) ? u->at + u->bytes : w->flushed;
            wal_header_put(p, &h, w->seed);
            p += next - at;
            at = next;
            flags = 0;
        }
    }
}

/* Frames leave the queue with the group that carries them, those without a body with the frame
 * before them. */
static void unit_take_frames(struct wal *w)
{
    struct wal_unit *u = &w->unit;
    LIST_FOR_EACH (n, tmp, &w->queued) {
        struct wal_frame *f = CONTAINER_OF(n, struct wal_frame, link);
        if (f->group != NULL && (u->bytes == 0 || f->position >= u->at + u->bytes)) {
            break;
        }
        u->place_count += (size_t)f->place_count;
        list_remove(n);
        list_push_back(&u->frames, n);
    }
}

static void unit_build(struct wal *w)
{
    struct wal_unit *u = &w->unit;
    CHECK(list_empty(&u->frames) && u->pending == 0);
    u->iov_count = 0;
    u->bytes = 0;
    u->place_count = 0;
    u->place_bytes = 0;
    u->ring_err = u->place_err = ERR_OK;
    unit_take_groups(w);
    unit_seal(w);
    unit_take_frames(w);
    wal_share_places(w);
    u->started_ns = env_mono_ns(w->env);
}

/* ---- Completion ------------------------------------------------------------------------------ */

void wal_tell_failure(struct wal *w)
{
    /* Jobs still read the frames' memory: the owner may free it only after they are back. */
    if (w->failed && !w->told && w->unit.pending == 0 && !w->pre.busy && w->on_failure != NULL) {
        w->told = true;
        w->on_failure(w->on_failure_ctx, &w->failure);
    }
}

void wal_die(struct wal *w, enum err e, const struct ectx *ec)
{
    if (!w->failed) {
        w->failed = true;
        w->failure = *ec;
        w->failure.code = e;
        hold_move(w, WAL_HOLD_DEAD);
    }
    wal_tell_failure(w);
}

void wal_unit_drop_groups(struct wal *w)
{
    for (int i = 0; i < w->unit.iov_count; i++) {
        wal_group_unref(w->unit.groups[i]);
    }
    w->unit.iov_count = 0;
}

static void unit_call_done(struct wal *w)
{
    for (;;) {
        struct list *n = list_pop_front(&w->unit.frames);
        if (n == NULL) {
            return;
        }
        struct wal_frame *f = CONTAINER_OF(n, struct wal_frame, link);
        f->done(f);
    }
}

/* The unit is written, or has failed. Calls `done`, and says whether the log still lives. */
static bool unit_finish(struct wal *w)
{
    struct wal_unit *u = &w->unit;
    CHECK(u->pending == 0);
    if (w->failed) {
        wal_tell_failure(w);
        return false;
    }
    if (u->ring_err != ERR_OK && !WAL_PLANTED(w, WAL_FAULT_RETRY)) {
        wal_die(w, u->ring_err, &u->ring_ec);
        return false;
    }
    if (u->place_err != ERR_OK) {
        wal_die(w, u->place_err, &u->place_ec);
        return false;
    }
    if (u->bytes > 0) {
        w->flushed = u->at + u->bytes;
    }
    w->stats.groups++;
    w->stats.ring_bytes += u->bytes;
    w->stats.place_bytes += u->place_bytes + u->ring_place_bytes;
    w->stats.flush_ns_sum += env_mono_ns(w->env) - u->started_ns;
    w->stats.groups_on_caller += w->hold == WAL_HOLD_CALLER ? 1 : 0;
    hold_move(w, WAL_HOLD_DONE);
    unit_call_done(w);
    wal_unit_drop_groups(w);
    hold_move(w, WAL_HOLD_LOOP);
    return true;
}

/* ---- Starting a unit ------------------------------------------------------------------------- */

static void unit_job_back(struct wal *w)
{
    CHECK(w->unit.pending > 0);
    w->unit.pending--;
    if (w->unit.pending == 0 && unit_finish(w)) {
        wal_kick(w, false);
        wal_prewrite_next(w);
    }
}

static void ring_job_run(struct env_job *job)
{
    wal_write_ring(CONTAINER_OF(job, struct wal, unit.ring_job));
}
static void ring_job_done(struct env_job *job)
{
    struct wal *w = CONTAINER_OF(job, struct wal, unit.ring_job);
    if (WAL_PLANTED(w, WAL_FAULT_DONE_PLACES_EARLY) && w->unit.ring_err == ERR_OK) {
        unit_call_done(w);
    }
    unit_job_back(w);
}
static void place_job_run(struct env_job *job)
{
    wal_write_places(CONTAINER_OF(job, struct wal, unit.place_job));
}
static void place_job_done(struct env_job *job)
{
    unit_job_back(CONTAINER_OF(job, struct wal, unit.place_job));
}

void wal_unit_start(struct wal *w)
{
    struct wal_unit *u = &w->unit;
    hold_move(w, WAL_HOLD_LANES);
    if (WAL_PLANTED(w, WAL_FAULT_DONE_EARLY)) {
        unit_call_done(w);
    }
    /* A unit of frames with neither body nor place has nothing to wait for, but is called back in
     * turn. */
    bool places = u->place_count > 0 || u->bytes == 0;
    u->pending = (u->bytes > 0 ? 1u : 0u) + (places ? 1u : 0u);
    if (places) {
        u->place_job.run = place_job_run;
        u->place_job.done = place_job_done;
        env_job_submit(w->poll, ENV_LANE_BULK, &u->place_job);
    }
    if (u->bytes > 0) {
        u->ring_job.run = ring_job_run;
        u->ring_job.done = ring_job_done;
        env_job_submit(w->poll, ENV_LANE_LOG, &u->ring_job);
    }
}

void wal_kick(struct wal *w, bool may_block)
{
    /* From inside of `done` too: what waits then goes right after the last of them. */
    if (w->hold != WAL_HOLD_LOOP || list_empty(&w->queued)) {
        return;
    }
    unit_build(w);
    if (wal_prewrite_in_way(w)) {
        hold_move(w, WAL_HOLD_WAIT);
        return;
    }
    if (!may_block || w->unit.place_count > 0 || w->unit.bytes == 0 ||
        w->unit.bytes > WAL_CALLER_BYTES) {
        wal_unit_start(w);
        return;
    }
    hold_move(w, WAL_HOLD_CALLER);
    wal_write_ring(w);
    if (unit_finish(w)) {
        /* What `done` submitted goes at once, on the lane: this thread has blocked enough. */
        if (!list_empty(&w->queued)) {
            unit_build(w);
            if (wal_prewrite_in_way(w)) {
                hold_move(w, WAL_HOLD_WAIT);
            } else {
                wal_unit_start(w);
            }
        }
        wal_prewrite_next(w);
    }
}
