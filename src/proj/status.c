/* What is: of each version its state, lag in events and time, rate, progress; of each shard where
 * it is. */
#include <string.h>

#include "core/compiler.h"
#include "proj/upcasts.h"

#define NS_PER_SECOND 1000000000ull

const char *proj_state_name(enum proj_state s)
{
    switch (s) {
    case PROJ_STARTING:
        return "starting";
    case PROJ_UNREACHABLE:
        return "unreachable";
    case PROJ_BUILDING:
        return "building";
    case PROJ_LIVE:
        return "live";
    case PROJ_KEPT:
        return "kept";
    case PROJ_PAUSED:
        return "paused";
    case PROJ_STOPPED:
        return "stopped";
    }
    return "?";
}

static enum proj_state state_of(const struct run *r)
{
    const struct projection *pr = r->pr;
    if (r->stopped) {
        return PROJ_STOPPED;
    }
    if (pr->paused) {
        return PROJ_PAUSED;
    }
    if (r->drop_at_ms >= 0 && r->d->version != pr->served) {
        return PROJ_KEPT; /* whether it can be opened or not: its error says that */
    }
    for (unsigned i = 0; i < pr->lane_count; i++) {
        if (!r->open[i]) {
            return pr->unreachable ? PROJ_UNREACHABLE : PROJ_STARTING;
        }
    }
    return r->d->version == pr->served ? PROJ_LIVE : PROJ_BUILDING;
}

/* Events a second: of this second so far and the whole ones before it, or of all its life if it is
 * younger. */
static double rate(const struct run *r, uint64_t now_ns)
{
    uint64_t second = now_ns / NS_PER_SECOND, sum = 0;
    uint64_t window = (RATE_SECONDS - 1) * NS_PER_SECOND + now_ns % NS_PER_SECOND;
    if (now_ns - r->started_ns < window) {
        window = now_ns - r->started_ns;
    }
    for (uint64_t back = 0; back < RATE_SECONDS && back <= second; back++) {
        uint64_t s = second - back;
        /* Buckets of seconds in which nothing happened are old ones. */
        sum += s > r->rate_second || s + RATE_SECONDS <= r->rate_second ? 0
                                                                        : r->rate[s % RATE_SECONDS];
    }
    return window == 0 ? 0 : (double)sum * NS_PER_SECOND / (double)window;
}

/* Age of the oldest event that is known not to be applied. */
static uint64_t age_ms(struct shard *s, uint64_t lag, uint64_t now_ns, int64_t wall_ms)
{
    if (lag == 0) {
        return 0;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct shard_read *r = &s->reads[(s->head + i) % 2];
        if ((r->state == READ_READY || r->state == READ_APPLYING) && r->first_time_ms >= 0) {
            return wall_ms > r->first_time_ms ? (uint64_t)(wall_ms - r->first_time_ms) : 0;
        }
    }
    return s->behind_ns == 0 ? 0 : (now_ns - s->behind_ns) / 1000000;
}

static bool shard_status(struct shard *s, struct arena *a, uint64_t now_ns, int64_t wall_ms,
                         struct proj_version_status *v, uint64_t *done)
{
    struct proj_shard_status *out = &v->shards[v->shard_count++];
    int64_t end = 0;
    uint64_t lag = shard_lag(s, &end);
    uint64_t age = age_ms(s, lag, now_ns, wall_ms);
    bool held = s->claim == CLAIM_HELD;
    *out = (struct proj_shard_status){.topic = arena_str(a, s->topic),
                                      .partition = s->partition,
                                      .mine = s->mine,
                                      .next_offset = held ? s->next_offset : -1,
                                      .end_offset = end,
                                      .lag_events = lag,
                                      .owner_epoch = s->epoch,
                                      .last_time_ms = s->last_time_ms};
    v->lag_events += lag;
    v->lag_ms = age > v->lag_ms ? age : v->lag_ms;
    *done += shard_is_known(s) && end > (int64_t)lag ? (uint64_t)end - lag : 0;
    return !str_is_null(out->topic);
}

/* A version that has not been opened since the start: how far it is stands in its target, so that
 * all there is counts, as for a partition that is not claimed yet. */
static void lag_unopened(const struct run *r, uint64_t now_ns, struct proj_version_status *v)
{
    struct engine *e = r->pr->p->e;
    struct engine_topic topic;
    for (size_t i = 0; i < r->d->topic_count; i++) {
        if (!engine_topic_get(e, r->d->topics[i], &topic)) {
            continue;
        }
        for (int32_t n = 0; n < topic.partition_count; n++) {
            int64_t start = 0;
            int64_t end = 0;
            bool known = engine_bounds(e, r->d->topics[i], n, &start, &end) == ERR_OK;
            v->lag_events += known && end > start ? (uint64_t)(end - start) : 0;
        }
    }
    v->lag_ms = v->lag_events == 0 ? 0 : (now_ns - r->started_ns) / 1000000;
}

static bool changed_since(const struct run *r)
{
    struct proj *p = r->pr->p;
    uint64_t now = upcasts_matter(p, r->d) && r->d->upcasts != 0 ? upcasts_hash(p) : 0;
    return now != 0 && now != r->d->upcasts;
}

static bool version_status(struct run *r, struct arena *a, struct proj_version_status *v)
{
    struct env *env = r->pr->p->env;
    uint64_t now = env_mono_ns(env);
    int64_t wall = env_wall_ms(env);
    uint64_t done = 0;
    *v = (struct proj_version_status){.version = r->d->version,
                                      .state = state_of(r),
                                      .applied = r->events,
                                      .caught_up = run_caught_up(r),
                                      .waits = state_of(r) == PROJ_BUILDING && r->indexed &&
                                               run_is_near(r) && !r->d->switch_auto,
                                      .upcasts_changed = r->drop_at_ms < 0 && changed_since(r),
                                      .per_second = rate(r, now),
                                      .eta_ms = -1,
                                      .skipped_events = r->skipped,
                                      .drop_at_ms = r->drop_at_ms};
    v->shards = arena_new_n(a, struct proj_shard_status, r->shard_count + 1);
    const struct ectx *why = r->failed     ? &r->error
                             : r->hindered ? &r->hindrance
                             : r->lost > 0 ? &r->loss
                                           : NULL;
    v->error = why != NULL ? arena_str(a, str_of(why->text)) : STR_NULL;
    if (v->shards == NULL || (why != NULL && str_is_null(v->error))) {
        return false;
    }
    LIST_FOR_EACH (link, next, &r->shards) {
        if (!shard_status(CONTAINER_OF(link, struct shard, link), a, now, wall, v, &done)) {
            return false;
        }
    }
    if (r->shard_count == 0 && r->member == NULL) { /* else another process has them all */
        lag_unopened(r, now, v);
    }
    for (unsigned i = 0; i < r->pr->driver->lanes; i++) {
        v->parked_events += r->parked[i];
    }
    uint64_t all = done + v->lag_events;
    /* Nothing to do, or nothing known yet: no partition was assigned. */
    const bool known = all > 0 || v->caught_up;
    v->progress = all > 0 ? (double)done / (double)all : known;
    if (v->lag_events == 0 && known) {
        v->eta_ms = 0;
    } else if (known && v->per_second > 0) {
        v->eta_ms = (int64_t)((double)v->lag_events * 1000 / v->per_second);
    }
    return true;
}

MUST_USE enum err proj_status(struct proj *p, struct str name, struct arena *a,
                              struct proj_status *out)
{
    struct projection *pr = projection_find(p, name);
    if (pr == NULL || pr->gone) {
        return ERR_NOT_FOUND;
    }
    struct proj_status s = {.served = pr->served, .paused = pr->paused, .removing = pr->removing};
    s.name = arena_str(a, pr->name);
    s.target = target_shown(pr->target, a);
    size_t count = 0;
    LIST_FOR_EACH (link, next, &pr->runs) {
        count++;
    }
    s.versions = arena_new_n(a, struct proj_version_status, count + 1);
    s.views = arena_new_n(a, struct str, PROJ_TABLES_MAX);
    if (str_is_null(s.name) || str_is_null(s.target) || s.versions == NULL || s.views == NULL) {
        return ERR_NO_MEMORY;
    }
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        if (!version_status(r, a, &s.versions[s.version_count++])) {
            return ERR_NO_MEMORY;
        }
        for (size_t i = 0; r->d->version == pr->served && i < r->d->table_count; i++) {
            s.views[s.view_count] = arena_str(a, r->d->tables[i].name);
            if (str_is_null(s.views[s.view_count++])) {
                return ERR_NO_MEMORY;
            }
        }
    }
    *out = s;
    return ERR_OK;
}
