/*
 * Look-ups by commit position: the first batch of a partition above one.
 *
 * Commit positions ascend with the offsets, and only the entries themselves say what theirs is. So
 * this bisects: between `low` (everything before it is not above) and `high` (there is something
 * above) it picks a place where an entry begins (the first of a segment, or one that the index
 * knows), and a worker reads the entry's header. When no place is left between the two, the worker
 * walks the headers from `low` on. A look-up in a segment of 1 GiB reads about twenty headers.
 *
 * Between two steps anything may happen: segments are dropped, indexes given back. So a step keeps
 * offsets, and looks for segments anew.
 */
#include "core/check.h"
#include "core/mem.h"
#include "store/read.h"

enum { PROBE_BUFFER = 4096, WALK_BUFFER = 64 << 10 };

struct position_look {
    struct env_job job;
    struct pending pending;
    struct store_position_job *user;
    struct store_part *part;
    uint64_t above;
    int64_t low, high;   /* offsets; what begins at high is above, if that is known */
    int64_t answer;      /* offset of the lowest entry known to be above; -1: none yet */
    int64_t index_tried; /* base of the segment whose index was asked for last */
    bool linear;         /* there is damage: no bisection any more */
    /* the step that a worker makes */
    struct seg_open open;
    struct segment_identity id;
    bool probe;             /* one header, else a walk */
    uint64_t position, end; /* in the file */
    int64_t range_begin, range_end;
    bool found;         /* an entry */
    int64_t base, next; /* its offsets */
    uint64_t commit;
    enum err err;
    bool missing;  /* the file */
    uint32_t turn; /* part.rewrite_turn when the job began */
    struct ectx ec;
};

/* ---- Worker --------------------------------------------------------------------------------- */

static enum err look_entries(struct position_look *l)
{
    const size_t cap = l->probe ? PROBE_BUFFER : WALK_BUFFER;
    uint8_t *buffer = mem_alloc(cap);
    if (buffer == NULL) {
        return ectx_fail(&l->ec, ERR_NO_MEMORY, "no memory for a look-up by position");
    }
    struct entry_walk w = {
        .file = l->open.file, .id = &l->id, .end = l->end, .buffer = buffer, .cap = cap};
    uint64_t at = l->position, skipped = 0;
    struct entry x;
    enum err e;
    while ((e = entry_walk_next(&w, &at, &x, &skipped, &l->ec)) == ERR_OK) {
        at = entry_end(&x);
        l->found = l->probe || x.commit_position > l->above;
        if (l->found) {
            l->base = x.base_offset;
            l->next = entry_next_offset(&x);
            l->commit = x.commit_position;
            break;
        }
    }
    mem_free(buffer);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static void look_run(struct env_job *job)
{
    struct position_look *l = CONTAINER_OF(job, struct position_look, job);
    l->err = seg_open_run(&l->open, &l->ec);
    l->missing = l->err == ERR_NOT_FOUND;
    if (l->err == ERR_OK) {
        l->err = look_entries(l);
    }
}

/* ---- Loop ----------------------------------------------------------------------------------- */

static void position_tell(void *ctx)
{
    struct store_position_job *user = ctx;
    user->done(user);
}

/* What is told later holds nothing of the store, which may be closed by then. */
static void look_end(struct position_look *l)
{
    struct store_position_job *user = l->user;
    struct store_part *p = l->part;
    const int64_t at = l->answer > p->log_start ? l->answer : p->log_start;
    user->err = l->err;
    user->ec = l->ec;
    user->offset = l->err == ERR_OK && l->answer >= 0 && at < p->high_watermark ? at : -1;
    env_poll_post(p->store->poll, position_tell, user);
    part_unref(p);
    mem_free(l);
}

static void look_step(struct position_look *l);

/* What a probe says. */
static void look_probed(struct position_look *l)
{
    if (!l->found) {
        l->linear = true;
    } else if (l->commit <= l->above) {
        l->low = l->next > l->low ? l->next : l->low;
    } else {
        l->high = l->range_begin < l->high ? l->range_begin : l->high;
        l->answer = l->base;
    }
}

static void look_done(struct env_job *job)
{
    struct position_look *l = CONTAINER_OF(job, struct position_look, job);
    list_remove(&l->pending.link);
    seg_open_finish(&l->open);
    if (!l->missing && part_rewritten(l->part, l->turn)) {
        l->err = ERR_OK; /* a header may have been passed over: the same once more */
        look_step(l);
        return;
    }
    if (l->missing) {
        const struct damage_range whole = {l->id.base, l->range_end};
        const bool deleted = l->part->removed || l->range_end <= l->part->log_start;
        l->err = deleted ? ERR_OK : read_damaged(l->part, &whole, &l->ec);
        l->low = l->range_end;
    } else if (l->err == ERR_OK && l->probe) {
        look_probed(l);
    } else if (l->err == ERR_OK) {
        l->low = l->range_end;
        if (l->found) {
            l->answer = l->base;
            l->high = l->low;
        }
    }
    look_step(l);
}

static void look_abandon(struct pending *pending)
{
    struct position_look *l = CONTAINER_OF(pending, struct position_look, pending);
    seg_open_finish(&l->open);
    part_unref(l->part);
    mem_free(l);
}

/* Offsets [begin, to) of a segment, which lie in its file from `position` to `end`. */
static void look_submit(struct position_look *l, struct segment *g, uint64_t position, uint64_t end,
                        int64_t begin, int64_t to)
{
    seg_open_prepare(&l->open, g, false);
    segment_identity_get(g, &l->id);
    l->position = position;
    l->end = end;
    l->range_begin = begin;
    l->range_end = to;
    l->found = false;
    l->turn = l->part->rewrite_turn;
    l->job = (struct env_job){.run = look_run, .done = look_done};
    pending_add(l->part->store, &l->pending, look_abandon);
    env_job_submit(l->part->store->poll, ENV_LANE_ANY, &l->job);
}

/* The middle one of the segments with entries that begin between low and high; NULL: none. */
static struct segment *middle_segment(const struct position_look *l)
{
    const struct store_part *p = l->part;
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->seg_count; i++) {
        const struct segment *g = p->segs[i];
        count += g->base > l->low && g->base < l->high && segment_file_end(p, g) > 0 ? 1 : 0;
    }
    uint32_t skip = count / 2;
    for (uint32_t i = 0; i < p->seg_count && count > 0; i++) {
        struct segment *g = p->segs[i];
        if (g->base > l->low && g->base < l->high && segment_file_end(p, g) > 0 && skip-- == 0) {
            return g;
        }
    }
    return NULL;
}

/* The middle one of the segment's index entries between low and high; NULL: none. */
static const struct index_entry *middle_entry(const struct position_look *l,
                                              const struct segment *g, uint64_t end)
{
    const struct index *x = &g->index;
    uint32_t first = 0, last = x->count;
    while (first < last) {
        const uint32_t mid = first + (last - first) / 2;
        if (g->base + x->entries[mid].relative <= l->low) {
            first = mid + 1;
        } else {
            last = mid;
        }
    }
    for (last = x->count; last > first; last--) {
        const struct index_entry *e = &x->entries[last - 1];
        if (g->base + e->relative < l->high && e->position < end) {
            break;
        }
    }
    return first == last ? NULL : &x->entries[first + (last - first) / 2];
}

/* The next step in the files; false: nothing is there between low and high. */
static bool look_files(struct position_look *l)
{
    struct store_part *p = l->part;
    struct segment *g = l->linear ? NULL : middle_segment(l);
    l->probe = g != NULL;
    if (l->probe) {
        look_submit(l, g, 0, segment_file_end(p, g), g->base, g->end);
        return true;
    }
    uint32_t i;
    uint64_t end = 0;
    IGNORE(part_segment_at(p, l->low, &i) == NULL);
    for (; i < p->seg_count && p->segs[i]->base < l->high && end == 0; i++) {
        g = p->segs[i];
        end = segment_file_end(p, g);
    }
    if (end == 0) {
        return false;
    }
    const int64_t to = g->end < l->high ? g->end : l->high;
    if (!l->linear && !g->index.loaded && g->index.stored > 0 && l->index_tried != g->base) {
        l->index_tried = g->base; /* opening the segment brings it */
        l->probe = true;
        look_submit(l, g, 0, end, g->base, to);
        return true;
    }
    const struct index_entry *e = l->linear ? NULL : middle_entry(l, g, end);
    l->probe = e != NULL;
    if (l->probe) {
        look_submit(l, g, e->position, end, g->base + e->relative, to);
    } else {
        look_submit(l, g, index_find_offset(g, l->low), end, l->low, to);
    }
    return true;
}

/* The first entry of the tail that is above. */
static void look_tail(struct position_look *l)
{
    const struct tail *t = &l->part->tail;
    uint32_t lo = 0, hi = t->count;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (tail_at(t, mid)->commit_position <= l->above) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    l->answer = lo < t->count ? tail_at(t, lo)->base : -1;
}

static void look_step(struct position_look *l)
{
    struct store_part *p = l->part;
    if (l->low < p->log_start) {
        l->low = p->log_start;
    }
    if (l->answer < 0) { /* the tail may have been packed meanwhile */
        const int64_t first = p->tail.count > 0 ? tail_at(&p->tail, 0)->base : INT64_MAX;
        l->high = first < p->high_watermark ? first : p->high_watermark;
        if (p->tail.count > 0 && tail_at(&p->tail, 0)->commit_position <= l->above) {
            l->low = l->high;
        }
    }
    if (l->err == ERR_OK && !p->removed) {
        if (l->low < l->high && look_files(l)) {
            return;
        }
        if (l->answer < 0) {
            look_tail(l);
        }
    }
    look_end(l);
}

void store_find_position(struct store_part *p, uint64_t position, struct store_position_job *user)
{
    struct position_look *l = mem_new(struct position_look);
    user->err = ERR_OK;
    user->offset = -1;
    if (l == NULL) {
        user->err = ectx_fail(&user->ec, ERR_NO_MEMORY, "no memory for a look-up by position");
        env_poll_post(p->store->poll, position_tell, user);
        return;
    }
    l->user = user;
    l->part = p;
    part_ref(p);
    l->above = position;
    l->answer = l->index_tried = -1;
    look_step(l);
}
