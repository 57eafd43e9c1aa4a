/*
 * Reading ahead (ahead.h). A piece is one read on a worker, checksums included, of what was durable
 * when it began; then it waits for its reader. When it has ended, the piece behind it begins, so
 * that the device is never idle while somebody catches up. A piece that fails is dropped and the
 * reader reads for itself: only a read that somebody asked for may speak of damage.
 */
#include "store/ahead.h"

#include "core/check.h"
#include "core/mem.h"

#define AHEAD_KEEP_NS (1000u * 1000 * 1000)

static struct read_ahead *ahead_of(struct list *n)
{
    return CONTAINER_OF(n, struct read_ahead, link);
}

static void ahead_continue(struct store_part *p);

static void ahead_drop(struct read_ahead *a)
{
    CHECK(list_empty(&a->waiting));
    a->part->store->ahead_bytes -= a->task.max_bytes;
    list_remove(&a->link);
    list_remove(&a->all_link);
    segment_unref(a->seg);
    read_task_free(&a->task);
    mem_free(a);
}

/* The piece's entries from the task's offset on, as many as it may have. */
static bool ahead_give(const struct read_ahead *a, struct read_task *t)
{
    uint32_t i = 0;
    while (i < a->task.ref_count && a->task.refs[i].next_offset <= t->offset) {
        i++;
    }
    for (; i < a->task.ref_count; i++) {
        const struct read_ref *r = &a->task.refs[i];
        const bool over = t->bytes + r->size > t->max_bytes;
        if (r->next_offset > t->limit || (over && (t->ref_count > 0 || !t->at_least_one)) ||
            !read_task_add(t, r)) {
            break;
        }
    }
    if (t->ref_count == 0) {
        return false;
    }
    t->chunk = a->task.chunk;
    chunk_ref(t->chunk);
    return true;
}

bool ahead_take(struct store_part *p, struct read_task *t)
{
    LIST_FOR_EACH (n, tmp, &p->aheads) {
        struct read_ahead *a = ahead_of(n);
        if (a->ready_ns == 0 || t->offset < a->task.offset || t->offset >= a->task.next_offset) {
            continue;
        }
        if (!ahead_give(a, t)) {
            return false;
        }
        p->store->stats.ahead_reads++;
        a->ready_ns = env_mono_ns(p->store->env);
        if (t->next_offset >= a->task.next_offset) {
            ahead_continue(p); /* it tells where the piece behind it begins */
            ahead_drop(a);
        }
        return true;
    }
    return false;
}

bool ahead_wait(struct store_part *p, const struct read_task *t, struct ahead_waiter *w)
{
    LIST_FOR_EACH (n, tmp, &p->aheads) {
        struct read_ahead *a = ahead_of(n);
        if (a->ready_ns == 0 && a->task.offset == t->offset) {
            list_push_back(&a->waiting, &w->link);
            return true;
        }
    }
    return false;
}

/* ---- One piece ------------------------------------------------------------------------------ */

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
    if (a->err != ERR_OK || a->task.ref_count == 0 || p->removed) {
        ahead_drop(a);
    } else {
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

static void ahead_start(struct store_part *p, struct segment *g, const struct read_task *before,
                        uint64_t position, size_t max_bytes)
{
    struct store *s = p->store;
    struct read_ahead *a = mem_new(struct read_ahead);
    if (a == NULL) {
        return; /* it is only slower without */
    }
    a->part = p;
    a->seg = g;
    a->task = (struct read_task){
        .position = position,
        .end = segment_file_end(p, g),
        .expected = before->next_offset,
        .segment_end = g->end,
        .offset = before->next_offset,
        .limit = readable_end(p, before->next_offset),
        .max_bytes = max_bytes,
    };
    segment_identity_get(g, &a->task.id);
    if (position + ENTRY_HEADER_SIZE > a->task.end ||
        read_task_prepare(p, &a->task, &a->task.ec) != ERR_OK) {
        mem_free(a);
        return;
    }
    s->ahead_bytes += a->task.max_bytes;
    segment_ref(g);
    part_ref(p);
    list_init(&a->waiting);
    list_push_back(&p->aheads, &a->link);
    list_push_back(&s->aheads, &a->all_link);
    seg_open_prepare(&a->open, g, g->direct_reads);
    a->job = (struct env_job){.run = ahead_run, .done = ahead_done};
    pending_add(s, &a->pending, ahead_abandon);
    env_job_submit(s->poll, ENV_LANE_ANY, &a->job);
}

/* ---- The chain ------------------------------------------------------------------------------ */

/* Most of it is not in the page cache. */
static bool in_blocks(const struct read_task *t)
{
    return t->block_bytes > t->bytes / 2;
}

/* The piece behind a read of g that has ended as t says. */
static void ahead_go_on(struct store_part *p, struct segment *g, const struct read_task *t,
                        size_t max_bytes)
{
    const struct store *s = p->store;
    size_t pieces = 0;
    LIST_FOR_EACH (n, tmp, &p->aheads) {
        pieces++;
    }
    if (pieces >= AHEAD_PIECES || p->removed || s->closing || s->failed || !in_blocks(t) ||
        t->next_offset >= readable_end(p, t->next_offset) ||
        s->ahead_bytes + max_bytes > AHEAD_BYTES_MAX ||
        t->refs[t->ref_count - 1].size > max_bytes) { /* batches like this one do not fit */
        return;
    }
    if (t->next_offset < g->end) {
        ahead_start(p, g, t, t->next_position, max_bytes);
        return;
    }
    g = part_segment_at(p, t->next_offset, NULL);
    if (g != NULL && g->base == t->next_offset && g->index.loaded) {
        g->direct_reads = true; /* as the segment before it, till its first read tells */
        ahead_start(p, g, t, 0, max_bytes);
    }
}

/* The piece behind the last one, when that is here. */
static void ahead_continue(struct store_part *p)
{
    const struct read_ahead *last = ahead_of(p->aheads.prev);
    if (last->ready_ns > 0) {
        ahead_go_on(p, last->seg, &last->task, last->task.max_bytes);
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
    const size_t most = AHEAD_PIECE_MAX;
    ahead_go_on(p, g, t, t->max_bytes < most / AHEAD_READS ? t->max_bytes * AHEAD_READS : most);
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
