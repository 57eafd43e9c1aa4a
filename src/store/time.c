/*
 * Look-ups by time: the first record at or after a moment, and the record with the largest
 * timestamp. Exact to the record: the index leads to the batch, the batch is read, checked and
 * searched.
 *
 * A look-up moves along the log in steps: a range of a segment file (on a worker), or an entry of
 * the tail. Only what is below the high watermark and not below the log start counts.
 */
#include <string.h>

#include "core/check.h"
#include "core/crc32c.h"
#include "core/mem.h"
#include "record/record.h"
#include "store/read.h"

enum { TIME_BUFFER = 64 << 10 };
enum time_mode { TIME_FIND, TIME_SCAN };

struct time_look {
    struct env_job job;
    struct pending pending;
    struct store_time_job *user;
    struct store_part *part;
    enum time_mode mode;
    bool want_max, scanned;
    int64_t ts;
    int64_t cursor; /* everything below was looked at */
    int64_t best;   /* TIME_SCAN: largest timestamp so far */
    /* the range that the worker looks at */
    struct seg_open open;
    struct segment_identity id;
    uint64_t position, end;
    int64_t range_begin, range_end, log_start, high_watermark;
    bool found;
    int64_t offset, timestamp;
    int32_t leader_epoch;
    enum err err;
    bool missing; /* the file */
    struct damage_range damage;
    uint32_t turn; /* part.rewrite_turn when the job began */
    struct ectx ec;
};

static enum err look_in_batch(struct time_look *l, const uint8_t *bytes, size_t size,
                              struct ectx *ec)
{
    struct batch_header h;
    enum err e = batch_header_parse(bytes, size, &h, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct record_scratch scratch;
    struct record_place place = {-1, -1};
    record_scratch_init(&scratch, RECORD_DECOMPRESSED_MAX);
    e = record_find_timestamp(&h, bytes, l->ts, l->log_start, &scratch, &place, ec);
    record_scratch_deinit(&scratch);
    if (e == ERR_OK && place.offset >= 0 && place.offset < l->high_watermark) {
        l->found = true;
        l->offset = place.offset;
        l->timestamp = place.timestamp;
        l->leader_epoch = h.leader_epoch;
    }
    return e;
}

/* ---- Worker --------------------------------------------------------------------------------- */

static enum err look_read(struct time_look *l, const struct entry *e)
{
    uint8_t *bytes = mem_alloc(e->payload_size);
    if (bytes == NULL) {
        return ectx_fail(&l->ec, ERR_NO_MEMORY, "no memory for a batch of %u bytes",
                         e->payload_size);
    }
    size_t got = 0;
    enum err err = env_file_pread(l->open.file, bytes, e->payload_size,
                                  e->position + ENTRY_HEADER_SIZE, &got, &l->ec);
    if (err == ERR_OK && (got < e->payload_size || crc32c(0, bytes, got) != e->payload_crc)) {
        l->damage = (struct damage_range){e->base_offset, entry_next_offset(e)};
        err = ERR_DAMAGED;
    }
    if (err == ERR_OK) {
        err = look_in_batch(l, bytes, e->payload_size, &l->ec);
    }
    mem_free(bytes);
    return err;
}

static enum err look_range(struct time_look *l)
{
    uint8_t *buffer = mem_alloc(TIME_BUFFER);
    if (buffer == NULL) {
        return ectx_fail(&l->ec, ERR_NO_MEMORY, "no memory for a look-up by time");
    }
    struct entry_walk w = {
        .file = l->open.file, .id = &l->id, .end = l->end, .buffer = buffer, .cap = TIME_BUFFER};
    uint64_t at = l->position, skipped = 0;
    enum err e = ERR_OK;
    struct entry x;
    while (!l->found && e == ERR_OK &&
           (e = entry_walk_next(&w, &at, &x, &skipped, &l->ec)) == ERR_OK) {
        at = entry_end(&x);
        if (entry_next_offset(&x) <= l->log_start || x.base_offset >= l->high_watermark) {
            continue;
        }
        if (l->mode == TIME_SCAN) {
            if (x.base_offset >= l->log_start && x.max_timestamp > l->best) {
                l->best = x.max_timestamp;
            }
        } else if (x.max_timestamp >= l->ts) {
            e = look_read(l, &x);
        }
    }
    mem_free(buffer);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static void look_run(struct env_job *job)
{
    struct time_look *l = CONTAINER_OF(job, struct time_look, job);
    l->err = seg_open_run(&l->open, &l->ec);
    l->missing = l->err == ERR_NOT_FOUND;
    if (l->err == ERR_OK) {
        l->err = look_range(l);
    }
}

/* ---- Loop ----------------------------------------------------------------------------------- */

static void time_tell(void *ctx)
{
    struct store_time_job *user = ctx;
    user->done(user);
}

/* What is told later holds nothing of the store, which may be closed by then. */
static void look_end(struct time_look *l)
{
    struct store_time_job *user = l->user;
    user->err = l->err;
    user->ec = l->ec;
    user->offset = l->found ? l->offset : -1;
    user->timestamp = l->found ? l->timestamp : -1;
    user->leader_epoch = l->found ? l->leader_epoch : -1;
    env_poll_post(l->part->store->poll, time_tell, user);
    part_unref(l->part);
    mem_free(l);
}

static void look_step(struct time_look *l);

static void look_done(struct env_job *job)
{
    struct time_look *l = CONTAINER_OF(job, struct time_look, job);
    list_remove(&l->pending.link);
    seg_open_finish(&l->open);
    if (!l->missing && part_rewritten(l->part, l->turn)) {
        l->err = ERR_OK; /* a header may have been passed over: the same range once more */
        l->found = false;
        l->cursor = l->range_begin;
        look_step(l);
        return;
    }
    l->cursor = l->range_end;
    if (l->missing) {
        const struct damage_range whole = {l->id.base, l->range_end};
        const bool deleted = l->part->removed || l->range_end <= l->part->log_start;
        l->err = deleted ? ERR_OK : read_damaged(l->part, &whole, &l->ec);
    } else if (l->err == ERR_DAMAGED) {
        part_damage_add(l->part, l->damage.from, l->damage.to,
                        "it failed its checksum when it was read");
        l->err = read_damaged(l->part, &l->damage, &l->ec);
    }
    look_step(l);
}

static void look_abandon(struct pending *pending)
{
    struct time_look *l = CONTAINER_OF(pending, struct time_look, pending);
    seg_open_finish(&l->open);
    part_unref(l->part);
    mem_free(l);
}

static void look_submit(struct time_look *l, struct segment *g, uint64_t position, uint64_t end,
                        int64_t range_end)
{
    seg_open_prepare(&l->open, g, false);
    segment_identity_get(g, &l->id);
    l->position = position;
    l->end = end;
    l->range_end = range_end;
    l->turn = l->part->rewrite_turn;
    l->job = (struct env_job){.run = look_run, .done = look_done};
    pending_add(l->part->store, &l->pending, look_abandon);
    env_job_submit(l->part->store->poll, ENV_LANE_ANY, &l->job);
}

/* Looks at the next file range, if there is one before the tail. */
static bool look_files(struct time_look *l)
{
    struct store_part *p = l->part;
    const int64_t first = p->tail.count > 0 ? tail_at(&p->tail, 0)->base : INT64_MAX;
    /* The tail may have let go of what is on its way to the device. */
    const int64_t tail = first < p->high_watermark ? first : p->high_watermark;
    uint32_t i;
    if (l->cursor >= tail) {
        return false;
    }
    IGNORE(part_segment_at(p, l->cursor, &i) == NULL);
    for (; i < p->seg_count && p->segs[i]->base < tail; i++) {
        struct segment *g = p->segs[i];
        const uint64_t end = segment_file_end(p, g);
        if (end == 0 || (l->mode == TIME_FIND && g->max_timestamp < l->ts)) {
            continue;
        }
        l->range_begin = l->cursor;
        const uint64_t by_offset = index_find_offset(g, l->cursor);
        const uint64_t by_time = l->mode == TIME_FIND ? index_find_time(g, l->ts) : 0;
        look_submit(l, g, by_time > by_offset ? by_time : by_offset, end,
                    g->end < tail ? g->end : tail);
        return true;
    }
    l->cursor = tail;
    return false;
}

/* true: a worker is on it. */
static bool look_tail(struct time_look *l)
{
    struct store_part *p = l->part;
    for (uint32_t i = tail_find(&p->tail, l->cursor); i < p->tail.count && !l->found; i++) {
        const struct tail_entry *t = tail_at(&p->tail, i);
        if (t->last >= p->high_watermark) {
            break;
        }
        l->cursor = t->last + 1;
        if (l->mode == TIME_SCAN) {
            l->best = t->max_timestamp > l->best ? t->max_timestamp : l->best;
        } else if (t->max_timestamp >= l->ts && t->memory != NULL) {
            l->err = look_in_batch(l, t->memory + ENTRY_HEADER_SIZE, t->size - ENTRY_HEADER_SIZE,
                                   &l->ec);
            if (l->err != ERR_OK) {
                break;
            }
        } else if (t->max_timestamp >= l->ts) {
            l->range_begin = t->base;
            look_submit(l, t->seg, t->position, t->end, t->last + 1);
            return true;
        }
    }
    return false;
}

static void look_step(struct time_look *l)
{
    struct store_part *p = l->part;
    for (;;) {
        l->log_start = p->log_start;
        l->high_watermark = p->high_watermark;
        if (l->cursor < p->log_start) {
            l->cursor = p->log_start;
        }
        if (l->err == ERR_OK && !l->found && !p->removed && (look_files(l) || look_tail(l))) {
            return;
        }
        if (l->err != ERR_OK || l->found || !l->want_max || p->removed) {
            break;
        }
        if (l->mode == TIME_FIND && !l->scanned) {
            /* The largest that the segments know is not readable (any more, or yet): look at every
             * header. */
            l->mode = TIME_SCAN;
            l->scanned = true;
            l->best = -1;
            l->cursor = 0;
        } else if (l->mode == TIME_SCAN && l->best >= 0) {
            l->mode = TIME_FIND;
            l->ts = l->best;
            l->cursor = 0;
        } else {
            break;
        }
    }
    look_end(l);
}

static void look_start(struct store_part *p, int64_t ts, bool want_max, struct store_time_job *user)
{
    struct time_look *l = mem_new(struct time_look);
    user->err = ERR_OK;
    user->offset = user->timestamp = -1;
    user->leader_epoch = -1;
    if (l == NULL) {
        user->err = ectx_fail(&user->ec, ERR_NO_MEMORY, "no memory for a look-up by time");
        env_poll_post(p->store->poll, time_tell, user);
        return;
    }
    l->user = user;
    l->part = p;
    part_ref(p);
    l->ts = ts;
    l->want_max = want_max;
    look_step(l);
}

void store_find_timestamp(struct store_part *p, int64_t ts, struct store_time_job *job)
{
    look_start(p, ts, false, job);
}

void store_find_max_timestamp(struct store_part *p, struct store_time_job *job)
{
    struct store_part_info info;
    store_part_info_get(p, &info);
    look_start(p, info.max_timestamp, true, job);
}
