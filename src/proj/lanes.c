/*
 * How many connections a projection writes with. One, as long as it keeps up: a database has few to
 * give, and each costs it memory. All that the driver can use (LANES_MAX) while a version of it has
 * more than PROJ_LANES_LAG events before it, and the process has as many to spare; one again when
 * that is over for LANES_LINGER_NS.
 *
 *   one ──far behind──► open the others ──all are open──► hold ──nothing runs──► shards spread
 *   all ──kept up for a while──► hold ──nothing runs──► shards gather on the first, others close
 *
 * While it holds, no transaction of events begins. A shard that has another lane is claimed again
 * there, so that its offset and its parked keys are read from the target, never carried over.
 */
#include "core/mem.h"
#include "proj/proj_int.h"

static bool is_far_behind(const struct run *r)
{
    uint64_t lag = 0;
    unsigned lanes = 0; /* that its shards would be on, as bits */
    if (r->dropping || r->stopped || r->d->looks_around) { /* that has one lane in any case */
        return false;
    }
    LIST_FOR_EACH (link, next, &((struct run *)(uintptr_t)r)->shards) {
        struct shard *s = CONTAINER_OF(link, struct shard, link);
        int64_t end = 0;
        lanes |= s->mine ? 1u << ((unsigned)s->partition % r->pr->driver->lanes) : 0;
        lag += s->mine && s->claim == CLAIM_HELD ? shard_lag(s, &end) : 0;
    }
    if ((lanes & (lanes - 1)) == 0) { /* one is enough for them */
        return false;
    }
    return lag >= (r->pr->p->config.lanes_lag == 0 ? PROJ_LANES_LAG : r->pr->p->config.lanes_lag);
}

static bool wants_more(struct projection *pr)
{
    LIST_FOR_EACH (link, next, &pr->runs) {
        if (!pr->paused && is_far_behind(CONTAINER_OF(link, struct run, link))) {
            return true;
        }
    }
    return false;
}

static bool all_open(struct projection *pr, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct lane *l = &pr->lanes[i];
        if (!l->connected || l->broken || l->opening) {
            return false;
        }
        LIST_FOR_EACH (link, next, &pr->runs) {
            const struct run *r = CONTAINER_OF(link, struct run, link);
            if (run_wants_lane(r, l) && (i > 0 || !r->failed)) {
                return false;
            }
        }
    }
    return true;
}

/* Nothing is under way that knows of a lane. */
static bool is_quiet(struct projection *pr)
{
    bool quiet = pr->work_pending == 0 && pr->sending == NULL;
    for (unsigned i = 0; i < pr->driver->lanes; i++) {
        quiet = quiet && lane_idle(&pr->lanes[i]);
    }
    LIST_FOR_EACH (link, next, &pr->runs) {
        quiet = quiet && CONTAINER_OF(link, struct run, link)->calls == 0;
    }
    return quiet;
}

/* Connections that no shard is on. Closing one says good-bye to the server and waits for nothing.
 */
static void close_spare(struct projection *pr)
{
    for (unsigned i = pr->lane_count; i < pr->driver->lanes; i++) {
        struct lane *l = &pr->lanes[i];
        if (l->opening || !lane_idle(l)) {
            return; /* the next tick */
        }
        if (l->connected || l->broken) {
            lane_close(l);
            changes_init(&l->changes);
            l->broken = false;
            l->turn = NULL;
        }
    }
    if (pr->lane_count == 1) {
        pr->p->lanes_extra -= pr->lanes_extra;
        pr->lanes_extra = 0;
    }
}

static bool reserve(struct projection *pr)
{
    unsigned more = pr->driver->lanes - 1;
    if (pr->lanes_extra == 0 && pr->p->lanes_extra + more <= PROJ_LANES_EXTRA) {
        pr->lanes_extra = more;
        pr->p->lanes_extra += more;
    }
    return pr->lanes_extra != 0;
}

static void spread(struct projection *pr, unsigned count)
{
    pr->lane_count = count;
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        for (unsigned i = 0; i < pr->driver->lanes; i++) {
            r->parked[i] = 0; /* a claim tells */
            if (r->apply[i] != NULL) {
                apply_forget(r->apply[i]);
            }
        }
        LIST_FOR_EACH (at, after, &r->shards) {
            shard_move(CONTAINER_OF(at, struct shard, link));
        }
    }
}

void lanes_refused(struct projection *pr)
{
    pr->lanes_refused = true;
    pr->lanes_retry_ns = env_mono_ns(pr->p->env) + LANES_LINGER_NS;
}

/* Is it time for so many, but for what is still under way? */
static bool is_due(struct projection *pr, unsigned want, uint64_t now)
{
    /* What is paused has no use for them. */
    if (pr->paused || !all_open(pr, 1) || (pr->work_pending > 0 && !pr->lanes_hold)) {
        return false;
    }
    if (want < pr->lane_count) {
        pr->lanes_ns = pr->lanes_ns == 0 ? now : pr->lanes_ns;
        return pr->lanes_refused || now - pr->lanes_ns >= LANES_LINGER_NS;
    }
    if (now < pr->lanes_retry_ns || !reserve(pr)) {
        return false;
    }
    pr->lane_goal = want;
    return all_open(pr, want);
}

static void settle(struct projection *pr)
{
    pr->lane_goal = pr->lane_count;
    pr->lanes_ns = 0;
    pr->lanes_hold = false;
    pr->lanes_refused = pr->lanes_refused && pr->lane_count > 1;
    close_spare(pr);
}

void lanes_tick(struct projection *pr, uint64_t now)
{
    if (pr->driver->lanes == 1 || pr->removing || !pr->known) {
        pr->lanes_hold = false;
        return;
    }
    unsigned all = pr->driver->lanes;
    unsigned want = pr->lanes_refused ? 1
                    : pr->lanes_hold  ? (pr->lane_count == 1 ? all : 1)
                    : wants_more(pr)  ? all
                                      : 1;
    if (want == pr->lane_count) {
        settle(pr);
        return;
    }
    bool due = is_due(pr, want, now);
    if (due && is_quiet(pr)) {
        spread(pr, want);
        settle(pr);
        projection_go(pr);
    } else if (!due || !pr->lanes_hold) {
        pr->lanes_hold = due;
        pr->lanes_hold_ns = now;
    } else if (now - pr->lanes_hold_ns >= LANES_HOLD_NS) { /* something takes long: later */
        pr->lanes_hold = false;
        pr->lanes_ns = now;
        pr->lanes_retry_ns = now + LANES_LINGER_NS;
    }
}
