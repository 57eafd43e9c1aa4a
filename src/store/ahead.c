/*
 * Reading ahead (ahead.h). A piece is one job on a worker and then memory that waits for its
 * reader. It ends where the file ended when the job began; entries there may not have been durable
 * yet, so what was read ahead proves nothing: a piece in which an entry fails its checksum is
 * dropped and the reader reads for itself. Only that second read may speak of damage.
 */
#include "store/ahead.h"

#include "core/check.h"
#include "core/mem.h"

enum {
    STORE_AHEAD_MAX = 16 << 20, /* bytes of all pieces */
};
#define AHEAD_KEEP_NS (1000u * 1000 * 1000)

static void ahead_drop(struct read_ahead *a)
{
    struct store *s = a->part->store;
    CHECK(list_empty(&a->waiting));
    s->ahead_bytes -= a->task.chunk->size;
    list_remove(&a->link);
    segment_unref(a->seg);
    a->part->ahead = NULL;
    read_task_free(&a->task);
    mem_free(a);
}

static bool ahead_covers(const struct read_ahead *a, const struct segment *g, uint64_t position)
{
    return a != NULL && a->seg == g && a->task.position == position;
}

bool ahead_take(struct store_part *p, const struct segment *g, struct read_task *t)
{
    struct read_ahead *a = p->ahead;
    if (!ahead_covers(a, g, t->position) || a->ready_ns == 0) {
        return false;
    }
    t->chunk = a->task.chunk;
    t->at = a->task.at;
    t->have = a->task.have;
    chunk_ref(t->chunk);
    p->store->stats.ahead_reads++;
    ahead_drop(a);
    return true;
}

bool ahead_wait(struct store_part *p, const struct segment *g, uint64_t position,
                struct ahead_waiter *w)
{
    struct read_ahead *a = p->ahead;
    if (!ahead_covers(a, g, position) || a->ready_ns > 0) {
        return false;
    }
    list_push_back(&a->waiting, &w->link);
    return true;
}

static void ahead_run(struct env_job *job)
{
    struct read_ahead *a = CONTAINER_OF(job, struct read_ahead, job);
    a->err = seg_open_run(&a->open, &a->task.ec);
    if (a->err == ERR_OK) {
        a->task.file = a->open.file;
        a->task.direct = a->open.direct;
        a->err = read_task_fill(&a->task, a->task.position);
    }
}

static void ahead_done(struct env_job *job)
{
    struct read_ahead *a = CONTAINER_OF(job, struct read_ahead, job);
    struct store_part *p = a->part;
    struct store *s = p->store;
    struct list waiting;
    list_remove(&a->pending.link);
    seg_open_finish(&a->open);
    a->ready_ns = env_mono_ns(s->env);
    list_init(&waiting);
    struct list *n;
    while ((n = list_pop_front(&a->waiting)) != NULL) {
        list_push_back(&waiting, n);
    }
    if (a->err != ERR_OK || p->removed) {
        ahead_drop(a); /* whoever waits reads for itself, and reports it */
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

static void ahead_start(struct store_part *p, struct segment *g, const struct read_task *t)
{
    struct store *s = p->store;
    const uint64_t end = segment_file_end(p, g);
    if (t->next_position + ENTRY_HEADER_SIZE > end || s->ahead_bytes >= STORE_AHEAD_MAX) {
        return;
    }
    struct read_ahead *a = mem_new(struct read_ahead);
    if (a == NULL) {
        return; /* it is only slower without */
    }
    a->part = p;
    a->seg = g;
    a->task.position = t->next_position;
    a->task.end = end;
    a->task.max_bytes = t->max_bytes;
    list_init(&a->waiting);
    if (read_task_prepare(p, &a->task, &a->task.ec) != ERR_OK) {
        mem_free(a);
        return;
    }
    s->ahead_bytes += a->task.chunk->size;
    segment_ref(g);
    seg_open_prepare(&a->open, g, true);
    a->job = (struct env_job){.run = ahead_run, .done = ahead_done};
    p->ahead = a;
    part_ref(p);
    list_init(&a->link);
    list_push_back(&s->aheads, &a->link);
    pending_add(s, &a->pending, ahead_abandon);
    env_job_submit(s->poll, ENV_LANE_ANY, &a->job);
}

void ahead_note(struct store_part *p, struct segment *g, const struct read_task *t)
{
    if (t->ref_count == 0) {
        return;
    }
    g->direct_reads = t->blocks;
    const bool follows = p->read_next == t->offset;
    p->read_next = t->next_offset;
    if (p->ahead == NULL && g->direct_reads && follows && !p->removed) {
        ahead_start(p, g, t);
    }
}

void ahead_free(struct store_part *p)
{
    if (p->ahead != NULL) {
        CHECK(p->ahead->ready_ns > 0);
        ahead_drop(p->ahead);
    }
}

void ahead_tick(struct store *s)
{
    const uint64_t now = env_mono_ns(s->env);
    LIST_FOR_EACH (n, tmp, &s->aheads) {
        struct read_ahead *a = CONTAINER_OF(n, struct read_ahead, link);
        if (a->ready_ns > 0 && now - a->ready_ns > AHEAD_KEEP_NS) {
            ahead_drop(a);
        }
    }
}
