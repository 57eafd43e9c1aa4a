/*
 * A flush that somebody asks for: what partitions with durability os hold up to now goes to stable
 * storage. Recovery keeps of such a partition what is whole in its files from the front on, so all
 * of its segments since the last flush are flushed, not only the last one. Their folder entries
 * are on stable storage since before the first write (claim.c).
 *
 * That goes for segments below the log start, too: a start knows the log as its image has it, and
 * comes to what was flushed through all that followed then. So a segment that is dropped before it
 * was flushed waits in part.unsynced for the next flush or checkpoint. Its file is there until
 * then: it goes after two more images.
 *
 *     store_sync -> waiting -> a round: the segments of all that wait -> worker: one flush a file
 *                                                                     -> done, and the next round
 *
 * One round at a time: what comes meanwhile shares the next one.
 */
#include "core/mem.h"
#include "store/store_int.h"

struct sync_wait {
    struct list link; /* in store.syncs, or the round's */
    struct store_sync_job *job;
    size_t count;
    struct store_part *parts[]; /* referenced */
};

struct sync_round {
    struct env_job job;
    struct pending pending;
    struct store *store;
    struct list waits;
    struct segment **segs; /* referenced, in use */
    size_t count, cap;
    bool unasked; /* it failed before anything was flushed */
    enum err err;
    struct ectx ec;
};

/* Holds batches that nobody has flushed yet: of durability os, or until the checkpoint that makes
 * it stronger is done. */
static bool part_unsynced(const struct store_part *p)
{
    return (p->relaxed || p->strengthening) && !p->removed && p->synced_end < p->high_watermark;
}

/* ---- Dropped before they were flushed -------------------------------------------------------- */

void sync_keep(struct store_part *p, struct segment *g)
{
    if ((p->relaxed || p->strengthening) && g->created && g->end > p->synced_end &&
        !STORE_FAULT(unsynced_forgotten)) {
        segment_ref(g);
        list_push_back(&p->unsynced, &g->unsynced_link);
    }
}

static void unsynced_pop(struct store_part *p, int64_t end)
{
    LIST_FOR_EACH (n, tmp, &p->unsynced) {
        struct segment *g = CONTAINER_OF(n, struct segment, unsynced_link);
        if (g->end > end) {
            return;
        }
        list_remove(n);
        segment_unref(g);
    }
}

void sync_note(struct store_part *p, int64_t end)
{
    if (end > p->synced_end) {
        p->synced_end = end;
        unsynced_pop(p, end);
    }
}

void sync_forget(struct store_part *p)
{
    unsynced_pop(p, INT64_MAX);
}

/* ---- Those who wait ------------------------------------------------------------------------- */

static void wait_free(struct sync_wait *w)
{
    list_remove(&w->link);
    for (size_t i = 0; i < w->count; i++) {
        part_unref(w->parts[i]);
    }
    mem_free(w);
}

static void waits_move(struct list *from, struct list *to)
{
    struct list *n;
    while ((n = list_pop_front(from)) != NULL) {
        list_push_back(to, n);
    }
}

/* Those who are told may ask again: that goes to another list. */
static void waits_end(struct list *from, enum err e, const struct ectx *ec)
{
    struct list told, *n;
    list_init(&told);
    waits_move(from, &told);
    while ((n = list_pop_front(&told)) != NULL) {
        struct sync_wait *w = CONTAINER_OF(n, struct sync_wait, link);
        struct store_sync_job *job = w->job;
        wait_free(w);
        job->err = e;
        if (ec != NULL) {
            job->ec = *ec;
        }
        job->done(job);
    }
}

static void round_free(struct sync_round *r)
{
    for (size_t i = 0; i < r->count; i++) {
        segment_release(r->segs[i]);
        segment_unref(r->segs[i]);
    }
    LIST_FOR_EACH (n, tmp, &r->waits) {
        wait_free(CONTAINER_OF(n, struct sync_wait, link));
    }
    mem_free(r->segs);
    mem_free(r);
}

static void round_abandon(struct pending *p)
{
    struct sync_round *r = CONTAINER_OF(p, struct sync_round, pending);
    r->store->syncing = false;
    round_free(r);
}

void sync_free(struct store *s)
{
    LIST_FOR_EACH (n, tmp, &s->syncs) {
        wait_free(CONTAINER_OF(n, struct sync_wait, link));
    }
}

/* ---- A round -------------------------------------------------------------------------------- */

static enum err round_add(struct sync_round *r, struct segment *g, struct ectx *ec)
{
    if (r->count == r->cap) {
        const size_t cap = r->cap == 0 ? 4 : r->cap * 2;
        struct segment **grown = mem_realloc(r->segs, cap * sizeof(struct segment *));
        if (grown == NULL) {
            return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a flush");
        }
        r->segs = grown;
        r->cap = cap;
    }
    const enum err e = segment_open(g, false, ec);
    if (e == ERR_OK) {
        g->users++; /* its file stays open */
        segment_ref(g);
        r->segs[r->count++] = g;
    }
    return e;
}

/* The segments of a partition that hold what is not known to be flushed. */
static enum err round_add_part(struct sync_round *r, struct store_part *p, struct ectx *ec)
{
    enum err e = ERR_OK;
    if (p->removed || p->sync_target == p->high_watermark) {
        return ERR_OK; /* nobody can ask for it any more; or it is in this round already */
    }
    p->sync_target = p->high_watermark;
    LIST_FOR_EACH (n, tmp, &p->unsynced) {
        e = e == ERR_OK ? round_add(r, CONTAINER_OF(n, struct segment, unsynced_link), ec) : e;
    }
    for (uint32_t i = p->seg_count; i > 0 && e == ERR_OK; i--) {
        struct segment *g = p->segs[i - 1];
        if (g->end <= p->synced_end) {
            break;
        }
        /* Without a file it has nothing but what the ring still has. */
        e = g->created ? round_add(r, g, ec) : ERR_OK;
    }
    return e;
}

static void round_run(struct env_job *job)
{
    struct sync_round *r = CONTAINER_OF(job, struct sync_round, job);
    for (size_t i = 0; i < r->count && r->err == ERR_OK && !STORE_FAULT(sync_forgotten); i++) {
        r->err = env_file_datasync(r->segs[i]->file, &r->ec);
    }
}

static void round_done(struct env_job *job);

static void round_start(struct store *s)
{
    struct ectx ec;
    enum err e = ERR_OK;
    if (s->syncing || s->failed || list_empty(&s->syncs)) {
        return;
    }
    struct sync_round *r = mem_new(struct sync_round);
    if (r == NULL) {
        e = ectx_fail(&ec, ERR_NO_MEMORY, "no memory for a flush");
        waits_end(&s->syncs, e, &ec);
        return;
    }
    *r = (struct sync_round){.job = {.run = round_run, .done = round_done}, .store = s};
    list_init(&r->waits);
    list_init(&r->pending.link);
    waits_move(&s->syncs, &r->waits);
    LIST_FOR_EACH (n, tmp, &r->waits) {
        struct sync_wait *w = CONTAINER_OF(n, struct sync_wait, link);
        for (size_t i = 0; i < w->count && e == ERR_OK; i++) {
            e = round_add_part(r, w->parts[i], &ec);
        }
    }
    s->syncing = true;
    if (e == ERR_OK) {
        s->stats.syncs++;
        pending_add(s, &r->pending, round_abandon);
        env_job_submit(s->poll, ENV_LANE_ANY, &r->job);
    } else {
        r->unasked = true; /* nothing was flushed, and nothing is harmed */
        r->err = e;
        r->ec = ec;
        round_done(&r->job);
    }
}

static void round_done(struct env_job *job)
{
    struct sync_round *r = CONTAINER_OF(job, struct sync_round, job);
    struct store *s = r->store;
    const enum err e = r->err;
    struct ectx ec = r->ec;
    struct list told;
    list_remove(&r->pending.link);
    LIST_FOR_EACH (n, tmp, &r->waits) {
        struct sync_wait *w = CONTAINER_OF(n, struct sync_wait, link);
        for (size_t i = 0; i < w->count; i++) {
            struct store_part *p = w->parts[i];
            if (e == ERR_OK) {
                sync_note(p, p->sync_target);
            }
            p->sync_target = -1;
        }
    }
    const bool fatal = e != ERR_OK && !r->unasked;
    list_init(&told);
    if (!fatal) {
        waits_move(&r->waits, &told);
    }
    s->syncing = false;
    round_free(r);
    if (fatal) {
        store_fail(s, &ec); /* nobody is told: what is on the device, the next start sees */
        return;
    }
    waits_end(&told, e, e == ERR_OK ? NULL : &ec);
    round_start(s);
}

void store_sync(struct store *s, struct store_part *const *parts, size_t count,
                struct store_sync_job *job)
{
    ENV_CHECK_LOOP(s->poll);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        n += part_unsynced(parts[i]) ? 1 : 0;
    }
    struct sync_wait *w =
        n == 0 ? NULL : mem_zalloc(1, sizeof(*w) + n * sizeof(struct store_part *));
    job->err = ERR_OK;
    if (w == NULL) {
        if (n > 0) {
            job->err = ectx_fail(&job->ec, ERR_NO_MEMORY, "no memory for a flush");
        }
        job->done(job);
        return;
    }
    w->job = job;
    for (size_t i = 0; i < count; i++) {
        if (part_unsynced(parts[i])) {
            w->parts[w->count++] = parts[i];
            part_ref(parts[i]);
        }
    }
    list_init(&w->link);
    list_push_back(&s->syncs, &w->link);
    round_start(s);
}
