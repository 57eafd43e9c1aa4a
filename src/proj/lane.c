/*
 * A lane: one connection, one job at a time. Work that was asked for (claims, switches, retries)
 * goes first; when there is none, events of the shards that are ready become one transaction.
 */
#include "core/check.h"
#include "core/mem.h"
#include "proj/feed.h"
#include "proj/upcasts.h"

static void lane_ran(struct env_job *job);

static void lane_run(struct env_job *job)
{
    struct lane *l = CONTAINER_OF(job, struct lane, job);
    l->current->run(l->current);
}

static void start(struct lane *l, struct work *w)
{
    l->current = w;
    w->lane = l;
    w->err = ERR_OK;
    l->job.run = lane_run;
    l->job.done = lane_ran;
    env_job_submit(l->pr->p->poll, ENV_LANE_SQL, &l->job);
}

static void lane_ran(struct env_job *job)
{
    struct lane *l = CONTAINER_OF(job, struct lane, job);
    /* Nothing starts before `done` has seen everything of what ended. */
    l->current->done(l->current);
    l->current = NULL;
    lane_pump(l);
    proj_ended(l->pr->p);
}

/* ---- Events */

static void batch_run(struct work *w)
{
    struct lane *l = w->lane;
    struct apply *a = l->batch_run->apply[l->index];
    w->err =
        apply_reads(a, l->batch_reads, l->batch_count, l->batch_now_ms, &l->batch_counts, &w->ec);
}

static void batch_done(struct work *w)
{
    struct lane *l = w->lane;
    struct run *r = l->batch_run;
    size_t count = l->batch_count;
    l->batch_run = NULL;
    l->batch_count = 0;
    upcasts_unref(l->upcasts);
    l->upcasts = NULL;
    bool stopped = false;
    for (size_t i = 0; i < count; i++) {
        if (w->err == ERR_OK) {
            stopped = stopped || l->batch_reads[i].stopped;
            shard_applied(l->batch_shards[i], &l->batch_reads[i]);
        } else {
            shard_not_applied(l->batch_shards[i], w->err);
        }
    }
    if (w->err == ERR_OK) {
        run_fine(r);
        run_count(r, &l->batch_counts, l->index);
        feed_committed(l->pr, r, l->collects ? &l->changes : NULL);
        l->pr->actions_waiting = l->pr->actions_waiting || l->batch_counts.actions > 0;
        if (stopped) {
            (void)ectx_fail(&w->ec, ERR_MALFORMED, "%s", l->batch_counts.reason);
            run_stop_for(r, &w->ec);
        }
        projection_moved(l->pr, r);
        if (l->pr->actions_waiting) {
            actions_send(l->pr);
        }
    } else if (w->err == ERR_LIMIT) {
        run_stop_for(r, &w->ec);
    } else if (w->err == ERR_FENCED) {
        run_failed(r, &w->ec);
    } else if (w->err != ERR_AGAIN) {
        lane_fail(l, &w->ec);
    }
}

/* Reads of one run that are ready, at most one of each shard. */
static size_t gather(struct lane *l, struct run *r)
{
    size_t bytes = 0;
    size_t count = 0;
    LIST_FOR_EACH (link, next, &r->shards) {
        struct shard *s = CONTAINER_OF(link, struct shard, link);
        struct shard_read *read = s->lane == l ? shard_ready(s) : NULL;
        if (read == NULL || count == LANE_READS_MAX || (count > 0 && bytes >= LANE_BATCH_BYTES)) {
            continue;
        }
        read->state = READ_APPLYING;
        bytes += read->bytes;
        l->batch_shards[count] = s;
        l->batch_reads[count] = (struct apply_read){.shard = str_of(s->name),
                                                    .topic = s->topic,
                                                    .partition = s->partition,
                                                    .epoch = s->epoch,
                                                    .from = s->next_offset,
                                                    .next_offset = read->read.next_offset,
                                                    .batches = read->read.batches,
                                                    .batch_count = read->read.batch_count};
        count++;
    }
    /* Who was first is last the next time, so that no shard waits for ever. */
    for (size_t i = 0; i < count; i++) {
        list_remove(&l->batch_shards[i]->link);
        list_push_back(&r->shards, &l->batch_shards[i]->link);
    }
    return count;
}

static bool start_batch(struct lane *l, struct run *r)
{
    /* Who writes to tables of which indexes are made waits for that, with its worker. */
    if (!r->open[l->index] || l->pr->lanes_hold || r->indexing || !run_may_apply(r)) {
        return false;
    }
    bool matter = upcasts_matter(l->pr->p, r->d);
    struct upcasts *upcasts = matter ? upcasts_now(l->pr->p) : NULL;
    l->batch_count = matter && upcasts == NULL ? 0 : gather(l, r);
    if (l->batch_count == 0) {
        upcasts_unref(upcasts);
        return false;
    }
    l->upcasts = upcasts;
    l->batch_run = r;
    l->batch_now_ms = env_wall_ms(l->pr->p->env);
    l->collects = feed_collects(l->pr, r);
    apply_upcast(r->apply[l->index], upcasts);
    apply_watch(r->apply[l->index], l->collects ? &l->changes : NULL);
    l->batch = (struct work){.run = batch_run, .done = batch_done};
    start(l, &l->batch);
    return true;
}

/* ---- The lane */

void lane_init(struct lane *l, struct projection *pr, unsigned index)
{
    l->pr = pr;
    l->index = index;
    list_init(&l->queue);
    changes_init(&l->changes);
}

void lane_submit(struct lane *l, struct work *w)
{
    list_push_back(&l->queue, &w->link);
    lane_pump(l);
}

bool lane_idle(const struct lane *l)
{
    return l->current == NULL && list_empty(&l->queue);
}

void lane_pump(struct lane *l)
{
    if (l->current != NULL) {
        return;
    }
    struct list *link = list_pop_front(&l->queue);
    if (link != NULL) {
        start(l, CONTAINER_OF(link, struct work, link));
        return;
    }
    if (!l->connected || l->broken || list_empty(&l->pr->runs)) {
        return;
    }
    /* The runs take turns, beginning behind the one that was last. */
    struct list *from = l->turn == NULL ? &l->pr->runs : &l->turn->link;
    struct list *at = from;
    do {
        at = at->next;
        if (at != &l->pr->runs) {
            struct run *r = CONTAINER_OF(at, struct run, link);
            if (start_batch(l, r)) {
                l->turn = r;
                return;
            }
        }
    } while (at != from);
}

bool lane_is_lost(enum err e)
{
    return e == ERR_CLOSED || e == ERR_IO;
}

void lane_let_go(struct lane *l)
{
    LIST_FOR_EACH (link, next, &l->pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        r->open[l->index] = false;
        LIST_FOR_EACH (at, after, &r->shards) {
            struct shard *s = CONTAINER_OF(at, struct shard, link);
            if (s->lane == l && s->claim == CLAIM_HELD) {
                shard_not_applied(s, ERR_CLOSED);
            }
        }
    }
}

void lane_fail(struct lane *l, const struct ectx *ec)
{
    struct projection *pr = l->pr;
    l->broken = true;
    LIST_FOR_EACH (link, next, &pr->runs) {
        run_failed(CONTAINER_OF(link, struct run, link), ec);
    }
    lane_let_go(l);
    uint64_t now = env_mono_ns(pr->p->env);
    pr->backoff_ns = pr->backoff_ns == 0 ? BACKOFF_MIN_NS : 2 * pr->backoff_ns;
    pr->backoff_ns = pr->backoff_ns > BACKOFF_MAX_NS ? BACKOFF_MAX_NS : pr->backoff_ns;
    pr->retry_ns = now + pr->backoff_ns;
}
