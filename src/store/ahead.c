/*
 * Reading ahead (ahead.h). A piece is one read on a worker, checksums included, of what was durable
 * when it began; then it waits for its reader. A reader takes from as many pieces as it may have
 * bytes; for each piece that is used up another begins behind the last, so that the device is never
 * idle while somebody catches up. Pieces join by their offsets, so it does not matter if one ends
 * before the index said. A piece that fails is dropped and the reader reads for itself: only a read
 * that somebody asked for may speak of damage.
 */
#include "store/ahead.h"

#include "core/check.h"
#include "core/mem.h"

#define AHEAD_KEEP_NS (1000u * 1000 * 1000)

static struct read_ahead *ahead_of(struct list *n)
{
    return CONTAINER_OF(n, struct read_ahead, link);
}

static void ahead_drop(struct read_ahead *a)
{
    CHECK(list_empty(&a->waiting));
    a->part->store->ahead_bytes -= a->bytes;
    a->part->ahead_count--;
    list_remove(&a->link);
    list_remove(&a->all_link);
    segment_unref(a->seg);
    read_task_free(&a->task);
    mem_free(a);
}

/* The piece's entries from `next` on, as many as the task may have; true: all of them. */
static bool ahead_give(const struct read_ahead *a, int64_t next, struct read_task *t)
{
    uint32_t i = 0;
    while (i < a->task.ref_count && a->task.refs[i].next_offset <= next) {
        i++;
    }
    for (; i < a->task.ref_count; i++) {
        struct read_ref r = a->task.refs[i];
        const bool over = t->bytes + r.size > t->max_bytes;
        r.chunk = a->task.chunk;
        if (r.base_offset > next || r.next_offset > t->limit ||
            (over && (t->ref_count > 0 || !t->at_least_one)) || !read_task_add(t, &r)) {
            return false;
        }
        chunk_ref(r.chunk);
        next = r.next_offset;
    }
    return true;
}

bool ahead_take(struct store_part *p, struct read_task *t)
{
    const struct segment *g = NULL;
    LIST_FOR_EACH (n, tmp, &p->aheads) {
        struct read_ahead *a = ahead_of(n);
        const int64_t next = t->ref_count == 0 ? t->offset : t->next_offset;
        if (a->ready_ns == 0 || next < a->task.offset || next >= a->task.next_offset) {
            continue;
        }
        if (g != NULL && g != a->seg) { /* a read is of one file */
            break;
        }
        g = a->seg;
        a->ready_ns = env_mono_ns(p->store->env);
        if (!ahead_give(a, next, t)) {
            break;
        }
        ahead_drop(a);
    }
    p->store->stats.ahead_reads += t->ref_count > 0;
    return t->ref_count > 0;
}

bool ahead_wait(struct store_part *p, const struct read_task *t, struct ahead_waiter *w)
{
    LIST_FOR_EACH (n, tmp, &p->aheads) {
        struct read_ahead *a = ahead_of(n);
        if (a->ready_ns == 0 &&
            (a->task.offset == t->offset ||
             (a->end_known && a->task.offset < t->offset && t->offset < a->end_offset))) {
            list_push_back(&a->waiting, &w->link);
            return true;
        }
    }
    return false;
}

/* Most of it is not in the page cache. */
static bool in_blocks(const struct read_task *t)
{
    return t->block_bytes > t->bytes / 2;
}

/* ---- One piece ------------------------------------------------------------------------------ */

static void ahead_continue(struct store_part *p);

static void ahead_run(struct env_job *job)
{
    struct read_ahead *a = CONTAINER_OF(job, struct read_ahead, job);
    a->err = seg_open_run(&a->open, &a->task.ec);
    if (a->err == ERR_OK) {
        a->task.file = a->open.file;
        a->task.direct = a->open.direct;
        a->err = read_task_run(&a->task);
    }
}

static void ahead_done(struct env_job *job)
{
    struct read_ahead *a = CONTAINER_OF(job, struct read_ahead, job);
    struct store_part *p = a->part;
    struct list waiting;
    list_remove(&a->pending.link);
    seg_open_finish(&a->open);
    a->ready_ns = env_mono_ns(p->store->env);
    list_init(&waiting);
    struct list *n;
    while ((n = list_pop_front(&a->waiting)) != NULL) {
        list_push_back(&waiting, n);
    }
    if (a->err != ERR_OK || a->task.ref_count == 0 || p->removed || a->stale) {
        ahead_drop(a);
    } else {
        if (!a->end_known) {
            a->end_known = true;
            a->end_offset = a->task.next_offset;
            a->end_position = a->task.next_position;
        }
        ahead_continue(p);
    }
    while ((n = list_pop_front(&waiting)) != NULL) {
        struct ahead_waiter *w = CONTAINER_OF(n, struct ahead_waiter, link);
        w->resume(w);
    }
    part_unref(p);
}

static void ahead_abandon(struct pending *pending)
{
    struct read_ahead *a = CONTAINER_OF(pending, struct read_ahead, pending);
    struct store_part *p = a->part;
    seg_open_finish(&a->open);
    list_init(&a->waiting); /* they are abandoned too, each by itself */
    ahead_drop(a);
    part_unref(p);
}

/* Up to where nothing is missing. */
static int64_t readable_end(const struct store_part *p, int64_t from)
{
    const struct damage_range *d = part_damage_at(p, from);
    return d != NULL && d->from < p->high_watermark ? d->from : p->high_watermark;
}

/* Looks up where the piece from the task's place on is to end. False: there is no such piece. */
static bool ahead_cut(struct store_part *p, struct read_ahead *a)
{
    const struct segment *g = a->seg;
    const struct read_task *t = &a->task;
    if (!g->index.loaded) {
        return true;
    }
    if (g != part_active(p) && t->end == g->size && t->end - t->position <= a->piece) {
        a->end_offset = g->end;
        a->end_position = t->end;
    } else if (!index_cut(g, t->position, a->piece, &a->end_offset, &a->end_position) ||
               a->end_position > t->end) {
        return true;
    }
    a->end_known = a->end_offset > t->offset && a->end_offset <= t->limit;
    return !a->end_known || a->end_position - t->position <= AHEAD_PIECE_MAX;
}

/* Starts the piece from a place on; NULL: it cannot be, and it is only slower without. */
static struct read_ahead *ahead_start(struct store_part *p, struct segment *g, int64_t offset,
                                      uint64_t position, size_t piece)
{
    struct store *s = p->store;
    struct read_ahead *a = mem_new(struct read_ahead);
    if (a == NULL) {
        return NULL;
    }
    a->part = p;
    a->seg = g;
    a->piece = piece;
    a->task = (struct read_task){
        .position = position,
        .end = segment_file_end(p, g),
        .expected = offset,
        .segment_end = g->end,
        .offset = offset,
        .limit = readable_end(p, offset),
        .max_bytes = piece,
    };
    segment_identity_get(g, &a->task.id);
    if (position + ENTRY_HEADER_SIZE > a->task.end || !ahead_cut(p, a)) {
        mem_free(a);
        return NULL;
    }
    if (a->end_known) {
        a->task.end = a->end_position;
        a->task.limit = a->end_offset;
        a->task.max_bytes = (size_t)(a->end_position - position);
    }
    if (read_task_prepare(p, &a->task, &a->task.ec) != ERR_OK) {
        mem_free(a);
        return NULL;
    }
    a->bytes = a->task.chunk->size;
    if (s->ahead_bytes + a->bytes > AHEAD_BYTES_MAX) {
        read_task_free(&a->task);
        mem_free(a);
        return NULL;
    }
    s->ahead_bytes += a->bytes;
    p->ahead_count++;
    segment_ref(g);
    part_ref(p);
    list_init(&a->waiting);
    list_push_back(&p->aheads, &a->link);
    list_push_back(&s->aheads, &a->all_link);
    seg_open_prepare(&a->open, g, g->direct_reads);
    a->job = (struct env_job){.run = ahead_run, .done = ahead_done};
    pending_add(s, &a->pending, ahead_abandon);
    env_job_submit(s->poll, ENV_LANE_ANY, &a->job);
    return a;
}

/* ---- The chain ------------------------------------------------------------------------------ */

/* Pieces from a place in g on, as long as it is known where the next one begins. */
static void ahead_go_on(struct store_part *p, struct segment *g, int64_t offset, uint64_t position,
                        size_t piece)
{
    const struct store *s = p->store;
    while (p->ahead_count < AHEAD_PIECES && !p->removed && !s->closing && !s->failed &&
           s->ahead_bytes + piece <= AHEAD_BYTES_MAX && offset < readable_end(p, offset)) {
        if (offset >= g->end) {
            g = part_segment_at(p, offset, NULL);
            if (g == NULL || g->base != offset || !g->index.loaded) {
                return;
            }
            g->direct_reads = true; /* as the segment before it, till its first read tells */
            position = 0;
        }
        const struct read_ahead *a = ahead_start(p, g, offset, position, piece);
        if (a == NULL || !a->end_known) {
            return;
        }
        offset = a->end_offset;
        position = a->end_position;
    }
}

/* The pieces behind the last one. */
static void ahead_continue(struct store_part *p)
{
    const struct read_ahead *last = ahead_of(p->aheads.prev);
    if (last->end_known && (last->ready_ns == 0 || in_blocks(&last->task))) {
        ahead_go_on(p, last->seg, last->end_offset, last->end_position, last->piece);
    }
}

void ahead_note(struct store_part *p, struct segment *g, const struct read_task *t)
{
    if (t->ref_count == 0) {
        return;
    }
    g->direct_reads = in_blocks(t);
    const bool follows = p->read_next == t->offset;
    p->read_next = t->next_offset;
    if (!follows) {
        return;
    }
    if (!list_empty(&p->aheads)) {
        ahead_continue(p);
        return;
    }
    const size_t last = t->refs[t->ref_count - 1].size; /* batches like this one must fit */
    size_t piece =
        t->max_bytes < AHEAD_PIECE / AHEAD_READS ? t->max_bytes * AHEAD_READS : AHEAD_PIECE;
    piece = piece < last ? last : piece;
    if (in_blocks(t) && piece <= AHEAD_PIECE_MAX) {
        ahead_go_on(p, g, t->next_offset, t->next_position, piece);
    }
}

void ahead_forget(struct store_part *p)
{
    LIST_FOR_EACH (n, tmp, &p->aheads) {
        struct read_ahead *a = ahead_of(n);
        if (a->ready_ns > 0) {
            ahead_drop(a);
        } else {
            a->stale = true;
        }
    }
}

void ahead_free(struct store_part *p)
{
    LIST_FOR_EACH (n, tmp, &p->aheads) {
        CHECK(ahead_of(n)->ready_ns > 0);
        ahead_drop(ahead_of(n));
    }
}

void ahead_tick(struct store *s)
{
    const uint64_t now = env_mono_ns(s->env);
    LIST_FOR_EACH (n, tmp, &s->aheads) {
        struct read_ahead *a = CONTAINER_OF(n, struct read_ahead, all_link);
        if (a->ready_ns > 0 && now - a->ready_ns > AHEAD_KEEP_NS) {
            ahead_drop(a);
        }
    }
}
