/*
 * The scrub: reads everything that is stored, slowly, so that damage is found before a reader needs
 * the bytes, and while a backup may still have them.
 *
 *   loop    begins a pass: the partitions that there are
 *   worker  reads one step of one segment, past the page cache, and checks each entry as a read
 * does loop    quarantines what failed twice; next step when the rate allows worker  at the end of
 * a pass: both images and the meta file loop    a damaged image is replaced by a checkpoint; the
 * next pass after the interval
 *
 * One step is under way at a time, on the lane of cold reads, which has a second thread. Reads are
 * direct where the file system allows it: what the cache holds says nothing about the disk, and hot
 * pages stay where they are. A segment is opened once, and its file is kept open until the step
 * that ends it (one descriptor). What cannot be read at all (an error of the device) is told and
 * counted but not quarantined: it may pass. Frames of the ring are not read: a checkpoint replaces
 * them soon. Nor is what is on its way to the device: until it is there, the blocks hold what they
 * held before, which may be a valid entry that an earlier start wrote and whose frame was lost.
 */
#include "core/log.h"
#include "core/mem.h"
#include "store/store_int.h"

enum {
    SCRUB_STEP_MIN = 64 << 10,
    SCRUB_STEP_MAX = 1 << 20,
    SCRUB_STEPS_PER_SECOND = 8,
    SCRUB_FOUND_MAX = 16,  /* ranges of one step; the next one goes on behind them */
    SCRUB_LOOK_MAX = 1000, /* partitions or segments without bytes that one tick passes */
};
#define SCRUB_BEGIN_NS    (60ull * 1000 * 1000 * 1000) /* after a start there is other work */
#define SCRUB_CATCH_UP_NS (250ull * 1000 * 1000)
#define MS                1000000ull

struct scrub_step {
    struct env_job job;
    struct pending pending;
    struct store *store;
    struct store_part *part; /* NULL: images and meta */
    struct segment *seg;
    char path[STORE_PATH_MAX];
    struct segment_identity id;
    struct env_file *file;     /* of the segment; NULL: to be opened */
    struct env_file *leftover; /* of a segment that was not gone through: to be closed */
    uint64_t at, end;          /* file positions */
    int64_t next;              /* offset that must come next */
    int64_t limit;             /* offsets from here on may be on their way to the disk */
    uint32_t turn;             /* part.rewrite_turn when it began */
    size_t step;
    /* results */
    uint64_t bytes;
    bool finished; /* nothing more in this segment */
    struct damage_range found[SCRUB_FOUND_MAX];
    uint32_t found_count;
    enum err err;
    struct ectx ec;
    uint64_t sequence; /* of the newest image when the step began */
    bool image_bad[2], meta_bad;
};

/* ---- Worker --------------------------------------------------------------------------------- */

/* One look from (at, next) on: what is wrong there, and where to go on. */
struct look {
    uint64_t at;
    int64_t next;
    bool finished;
    struct damage_range bad[2]; /* what is missing before the entry; the entry itself */
    uint32_t bad_count;
};

static enum err look_at(const struct scrub_step *st, struct entry_walk *w, uint64_t at,
                        int64_t next, struct look *out, struct ectx *ec)
{
    struct entry e;
    uint64_t skipped = 0;
    enum err err = entry_walk_next(w, &at, &e, &skipped, ec);
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    const bool there = err == ERR_OK && e.base_offset < st->limit;
    const int64_t upto = there ? e.base_offset : st->limit;
    *out = (struct look){.at = at, .next = next, .finished = !there};
    if (upto > next && (skipped > 0 || err == ERR_NOT_FOUND)) {
        out->bad[out->bad_count++] = (struct damage_range){next, upto};
    }
    if (!there) {
        return ERR_OK;
    }
    bool good;
    err = entry_walk_payload(w, &e, &good, ec);
    if (err == ERR_OK && !good) {
        out->bad[out->bad_count++] = (struct damage_range){e.base_offset, entry_next_offset(&e)};
    }
    out->at = entry_end(&e);
    out->next = entry_next_offset(&e);
    return err;
}

static enum err step_walk(struct scrub_step *st, struct env_file *f, uint8_t *buffer,
                          struct ectx *ec)
{
    struct entry_walk w = {.file = f,
                           .aligned = true,
                           .id = &st->id,
                           .end = st->end,
                           .buffer = buffer,
                           .cap = st->step};
    const uint64_t from = st->at;
    enum err e = ERR_OK;
    while (e == ERR_OK && !st->finished && st->bytes < st->step &&
           st->found_count + 2 <= SCRUB_FOUND_MAX) {
        struct look l;
        e = look_at(st, &w, st->at, st->next, &l, ec);
        if (e == ERR_OK && l.bad_count > 0) {
            w.have = 0; /* once more, from the device */
            e = look_at(st, &w, st->at, st->next, &l, ec);
        }
        if (e != ERR_OK) {
            break;
        }
        for (uint32_t i = 0; i < l.bad_count; i++) {
            st->found[st->found_count++] = l.bad[i];
        }
        st->at = l.at;
        st->next = l.next;
        st->finished = l.finished;
        st->bytes = st->at - from;
    }
    return e;
}

static enum err step_segment(struct scrub_step *st, struct ectx *ec)
{
    uint8_t *buffer = mem_alloc_aligned(ENV_BLOCK, st->step);
    if (buffer == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the scrub");
    }
    enum err e = ERR_OK;
    if (st->file == NULL) {
        e = env_file_open(st->store->env, st->path, ENV_READ | ENV_DIRECT, &st->file, ec);
    }
    if (e == ERR_OK) {
        e = step_walk(st, st->file, buffer, ec);
    }
    if ((e != ERR_OK || st->finished) && st->file != NULL) {
        env_file_close(st->file);
        st->file = NULL;
    }
    mem_free(buffer);
    return e;
}

static enum err step_rest(struct scrub_step *st, struct ectx *ec)
{
    const struct store *s = st->store;
    struct meta m;
    enum err e = store_meta_read(s->env, s->dir, &m, ec);
    st->meta_bad = e == ERR_DAMAGED || e == ERR_NOT_FOUND;
    e = st->meta_bad ? ERR_OK : e;
    for (int i = 0; i < 2 && e == ERR_OK; i++) {
        struct image_view v;
        e = image_read(s->env, s->dir, i, s->id, s->cfg.image_max_bytes, &v, ec);
        if (e == ERR_OK) {
            st->image_bad[i] = s->slots[i].valid && !v.info.valid;
            st->bytes += v.size;
            mem_free(v.bytes);
        }
    }
    return e;
}

static void step_run(struct env_job *job)
{
    struct scrub_step *st = CONTAINER_OF(job, struct scrub_step, job);
    if (st->leftover != NULL) { /* here, for the last handle of a dropped file frees its blocks */
        env_file_close(st->leftover);
        st->leftover = NULL;
    }
    st->err = st->part == NULL ? step_rest(st, &st->ec) : step_segment(st, &st->ec);
}

/* ---- Loop: what a step found ---------------------------------------------------------------- */

static void step_free(struct scrub_step *st)
{
    st->store->scrub.busy = false;
    if (st->file != NULL) {
        env_file_close(st->file);
    }
    if (st->leftover != NULL) {
        env_file_close(st->leftover);
    }
    if (st->seg != NULL) {
        segment_unref(st->seg);
    }
    if (st->part != NULL) {
        part_unref(st->part);
    }
    mem_free(st);
}

static void step_abandon(struct pending *p)
{
    step_free(CONTAINER_OF(p, struct scrub_step, pending));
}

static void found_damage(struct scrub_step *st)
{
    struct store *s = st->store;
    struct store_part *p = st->part;
    for (uint32_t i = 0; i < st->found_count && !p->removed; i++) {
        struct damage_range r = st->found[i];
        r.from = r.from < p->log_start ? p->log_start : r.from;
        const struct damage_range *known = part_damage_at(p, r.from);
        if (r.from >= r.to || (known != NULL && known->from <= r.from && known->to >= r.to)) {
            continue;
        }
        part_damage_add(p, r.from, r.to, "it failed its checksum when it was scrubbed");
        s->stats.scrub_damaged++;
        s->scrub.damaged++;
    }
}

static void segment_next(struct store *s)
{
    struct scrub *c = &s->scrub;
    c->base = c->base == INT64_MAX ? INT64_MAX : c->base + 1;
    c->at = 0;
}

/* An error of the file or the device: told, and passed. */
static void segment_unreadable(struct scrub_step *st)
{
    struct store *s = st->store;
    if (!st->seg->dropped && !st->part->removed && st->err != ERR_NO_MEMORY &&
        st->err != ERR_NO_DESCRIPTORS && st->err != ERR_STOPPED) {
        LOG_ERROR("segment.unreadable", KV_ERR(&st->ec));
        s->stats.scrub_damaged++;
        s->scrub.damaged++;
    }
    segment_next(s);
}

static void segment_stepped(struct scrub_step *st)
{
    struct store *s = st->store;
    const bool again = st->err == ERR_OK && part_rewritten(st->part, st->turn);
    if (again) { /* a batch was being replaced: the same step once more */
        st->finished = false;
        st->at = s->scrub.at;
        st->next = s->scrub.next;
    } else {
        found_damage(st);
    }
    if (st->err != ERR_OK) {
        segment_unreadable(st);
    } else if (st->finished) {
        segment_next(s);
    } else {
        s->scrub.at = st->at;
        s->scrub.next = st->next;
        s->scrub.file = st->file;
        s->scrub.file_part = st->seg->part_id;
        s->scrub.file_base = st->seg->base;
        st->file = NULL;
    }
}

static void pass_ended(struct scrub_step *st)
{
    struct store *s = st->store;
    struct scrub *c = &s->scrub;
    if (st->meta_bad) {
        LOG_ERROR("meta.damaged", KV_Z("effect", "the next start is refused"),
                  KV_Z("hint", "restore the file 'meta' from a backup now"));
        s->stats.scrub_damaged++;
        c->damaged++;
    }
    for (int i = 0; i < 2; i++) {
        /* If a checkpoint came between, the file is another one. */
        if (!st->image_bad[i] || s->work != WORK_IDLE || st->sequence != s->image_sequence) {
            continue;
        }
        LOG_ERROR("image.damaged", KV_Z("file", i == 0 ? "checkpoint-a" : "checkpoint-b"),
                  KV_Z("effect", "a checkpoint replaces it"));
        s->stats.scrub_damaged++;
        c->damaged++;
        s->slots[i].valid = false;
        if (s->slots[1 - i].valid) {
            s->newest = 1 - i; /* so that the damaged one is written over */
        }
        s->checkpoint_asked = true;
    }
    s->stats.scrub_passes++;
    s->stats.scrub_last_pass_ms = env_wall_ms(s->env);
    LOG_INFO("scrub.passed", KV_U64("bytes", c->bytes), KV_U64("damaged", c->damaged),
             KV_U64("took_ms", (env_mono_ns(s->env) - c->began_ns) / MS));
    scrub_free(s);
}

static void step_done(struct env_job *job)
{
    struct scrub_step *st = CONTAINER_OF(job, struct scrub_step, job);
    struct store *s = st->store;
    list_remove(&st->pending.link);
    s->stats.scrub_bytes += st->bytes;
    s->scrub.bytes += st->bytes;
    /* Opening a file is worth something, too. */
    const uint64_t cost = st->bytes > ENV_BLOCK ? st->bytes : ENV_BLOCK;
    s->scrub.next_ns += cost * 1000 * MS / s->cfg.scrub_bytes_per_second;
    if (st->part != NULL) {
        segment_stepped(st);
    } else if (st->err == ERR_OK) {
        pass_ended(st);
    } else {
        LOG_WARN("scrub.failed", KV_ERR(&st->ec),
                 KV_Z("effect", "the end of the pass is tried again"));
        s->scrub.next_ns = env_mono_ns(s->env) + STORE_RETRY_NS;
    }
    step_free(st);
    scrub_tick(s);
}

/* ---- Loop: what comes next ------------------------------------------------------------------ */

static bool pass_begin(struct store *s)
{
    struct scrub *c = &s->scrub;
    c->ids = mem_zalloc(s->part_count + 1, sizeof(*c->ids));
    if (c->ids == NULL) {
        return false;
    }
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        c->ids[c->id_count++] = CONTAINER_OF(n, struct store_part, link)->id;
    }
    c->began_ns = env_mono_ns(s->env);
    c->base = INT64_MIN;
    return true;
}

/* The segment at the cursor, or the next one that has bytes; moves the cursor there. */
static struct segment *segment_at_cursor(struct store *s, const struct store_part *p,
                                         const struct tail_entry *unfiled)
{
    struct scrub *c = &s->scrub;
    for (uint32_t i = 0; i < p->seg_count; i++) {
        struct segment *g = p->segs[i];
        if (g->base < c->base || segment_walk_end(g, unfiled) == 0) {
            continue;
        }
        if (g->base != c->base || c->at == 0) {
            c->base = g->base;
            c->at = 0;
            c->next = g->base > p->log_start ? g->base : p->log_start;
        }
        return g;
    }
    return NULL;
}

static void step_start(struct store *s, struct store_part *p, struct segment *g,
                       const struct tail_entry *unfiled)
{
    struct scrub_step *st = mem_new(struct scrub_step);
    if (st == NULL) {
        return; /* the next tick */
    }
    const uint64_t step = s->cfg.scrub_bytes_per_second / SCRUB_STEPS_PER_SECOND;
    st->store = s;
    st->step = step < SCRUB_STEP_MIN   ? SCRUB_STEP_MIN
               : step > SCRUB_STEP_MAX ? SCRUB_STEP_MAX
                                       : (size_t)(step / ENV_BLOCK * ENV_BLOCK);
    st->sequence = s->image_sequence;
    if (p != NULL) {
        st->part = p;
        st->seg = g;
        part_ref(p);
        segment_ref(g);
        segment_path(g, false, st->path);
        segment_identity_get(g, &st->id);
        st->at = s->scrub.at;
        st->next = s->scrub.next;
        st->end = segment_walk_end(g, unfiled);
        st->limit = g->end < p->high_watermark ? g->end : p->high_watermark;
        if (unfiled != NULL && unfiled->base < st->limit) {
            st->limit = unfiled->base;
        }
        st->turn = p->rewrite_turn;
    }
    struct scrub *c = &s->scrub;
    if (g != NULL && c->file_part == g->part_id && c->file_base == g->base) {
        st->file = c->file;
    } else {
        st->leftover = c->file;
    }
    c->file = NULL;
    s->scrub.busy = true;
    st->job = (struct env_job){.run = step_run, .done = step_done};
    pending_add(s, &st->pending, step_abandon);
    env_job_submit(s->poll, ENV_LANE_ANY, &st->job);
}

void scrub_tick(struct store *s)
{
    struct scrub *c = &s->scrub;
    const uint64_t now = env_mono_ns(s->env);
    const uint64_t interval = (uint64_t)s->cfg.scrub_interval_ms * MS;
    if (s->cfg.scrub_bytes_per_second == 0 || c->busy || s->failed || s->closing) {
        return;
    }
    if (c->ids == NULL) {
        if (c->begin_ns == 0) {
            c->begin_ns = now + (interval < SCRUB_BEGIN_NS ? interval : SCRUB_BEGIN_NS);
        }
        if (now < c->begin_ns || !pass_begin(s)) {
            return;
        }
        c->begin_ns = now + interval;
        c->next_ns = now;
    }
    if (now < c->next_ns) {
        return;
    }
    /* A little time that went by unused is made up for, so that the rate holds. */
    c->next_ns = now - c->next_ns < SCRUB_CATCH_UP_NS ? c->next_ns : now - SCRUB_CATCH_UP_NS;
    for (uint32_t looked = 0; c->index < c->id_count && looked < SCRUB_LOOK_MAX; looked++) {
        struct store_part *p = store_part_find(s, c->ids[c->index]);
        const struct tail_entry *unfiled = p == NULL ? NULL : tail_first_unfiled(p);
        struct segment *g = p == NULL ? NULL : segment_at_cursor(s, p, unfiled);
        if (g != NULL) {
            step_start(s, p, g, unfiled);
            return;
        }
        c->index++;
        c->base = INT64_MIN;
        c->at = 0;
    }
    if (c->index == c->id_count && s->work == WORK_IDLE) {
        step_start(s, NULL, NULL, NULL);
    }
}

void scrub_free(struct store *s)
{
    mem_free(s->scrub.ids);
    if (s->scrub.file != NULL) {
        env_file_close(s->scrub.file);
    }
    const struct scrub keep = {.begin_ns = s->scrub.begin_ns, .busy = s->scrub.busy};
    s->scrub = keep;
}
