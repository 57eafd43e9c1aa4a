/*
 * A version at work: member of a group of its own, so that its lag is seen where lag is looked for;
 * its shards come and go as the engine says. Also its numbers, and its indexes, which are made when
 * the tables are full.
 */
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "proj/proj_int.h"

#define TELL_NS (1000ull * 1000 * 1000) /* how often the group hears of positions */
#define NEAR_NS (1000ull * 1000 * 1000) /* see run_is_near */

MUST_USE enum err run_create(struct projection *pr, struct def *d, struct run **out)
{
    struct run *r = mem_new(struct run);
    struct engine_input *inputs = mem_zalloc(PROJ_SHARDS_MAX, sizeof(struct engine_input));
    if (r == NULL || inputs == NULL) {
        mem_free(r);
        mem_free(inputs);
        return ERR_NO_MEMORY;
    }
    r->pr = pr;
    r->d = d;
    r->drop_at_ms = -1;
    r->tell_inputs = inputs;
    r->started_ns = env_mono_ns(pr->p->env);
    list_init(&r->shards);
    struct list *at = pr->runs.next;
    while (at != &pr->runs && CONTAINER_OF(at, struct run, link)->d->version < d->version) {
        at = at->next;
    }
    list_insert_before(at, &r->link);
    *out = r;
    return ERR_OK;
}

void run_destroy(struct run *r)
{
    run_leave(r);
    LIST_FOR_EACH (link, next, &r->shards) {
        shard_destroy(CONTAINER_OF(link, struct shard, link));
    }
    for (unsigned i = 0; i < r->pr->driver->lanes; i++) {
        apply_destroy(r->apply[i]);
        r->pr->lanes[i].turn = r->pr->lanes[i].turn == r ? NULL : r->pr->lanes[i].turn;
    }
    list_remove(&r->link);
    def_destroy(r->d);
    mem_free(r->tell_inputs);
    mem_free(r);
}

struct run *run_find(struct projection *pr, uint32_t version)
{
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        if (r->d->version == version) {
            return r;
        }
    }
    return NULL;
}

bool run_wants_lane(const struct run *r, const struct lane *l)
{
    return !r->open[l->index] && !r->dropping && !r->gone && (l->index == 0 || r->open[0]);
}

/* The version that is being filled: not served, and not kept from before. */
struct run *run_building(struct projection *pr)
{
    LIST_FOR_EACH (link, next, &pr->runs) {
        struct run *r = CONTAINER_OF(link, struct run, link);
        if (pr->known && r->d->version != pr->served && r->drop_at_ms < 0 && !r->dropping) {
            return r;
        }
    }
    return NULL;
}

/* ---- Membership */

static void assigned(void *ctx, struct str topic, int32_t partition, int64_t committed,
                     uint64_t epoch)
{
    struct run *r = ctx;
    (void)committed; /* the target knows better */
    struct shard *s = shard_find(r, topic, partition);
    if (s == NULL && shard_create(r, topic, partition, &s) != ERR_OK) {
        r->failed = true;
        (void)ectx_fail(&r->error, ERR_LIMIT, "no room for partition %d of %.*s (limit %u)",
                        partition, STR(topic), PROJ_SHARDS_MAX);
        return;
    }
    shard_take(s, epoch);
}

static void revoked(void *ctx, struct str topic, int32_t partition)
{
    struct shard *s = shard_find(ctx, topic, partition);
    if (s != NULL) {
        shard_lose(s);
    }
}

const char *run_group(const struct run *r, char out[RUN_GROUP])
{
    (void)snprintf(out, RUN_GROUP, "leat-projection-%.*s-v%u", STR(r->d->name), r->d->version);
    return out;
}

static void join(struct run *r)
{
    struct proj *p = r->pr->p;
    char group[RUN_GROUP];
    struct engine_topic topic;
    r->topic_count = 0;
    for (size_t i = 0; i < r->d->topic_count; i++) {
        if (engine_topic_get(p->e, r->d->topics[i], &topic)) {
            r->topics[r->topic_count++] = r->d->topics[i];
        }
    }
    if (r->topic_count == 0) {
        return; /* the first event will make one */
    }
    const struct engine_member_spec spec = {.group = str_of(run_group(r, group)),
                                            .topics = r->topics,
                                            .topic_count = r->topic_count,
                                            .ctx = r,
                                            .assigned = assigned,
                                            .revoked = revoked};
    struct ectx ec;
    enum err e = engine_join(p->e, &spec, &r->member, &ec);
    if (e != ERR_OK) {
        r->member = NULL;
        run_failed(r, &ec);
    }
}

void run_leave(struct run *r)
{
    if (r->member != NULL) {
        engine_leave(r->pr->p->e, r->member);
        r->member = NULL;
    }
    LIST_FOR_EACH (link, next, &r->shards) {
        shard_lose(CONTAINER_OF(link, struct shard, link));
    }
}

/* Has a topic of ours appeared since we joined? */
static bool topics_are_new(const struct run *r)
{
    size_t there = 0;
    struct engine_topic topic;
    for (size_t i = 0; i < r->d->topic_count; i++) {
        there += engine_topic_get(r->pr->p->e, r->d->topics[i], &topic);
    }
    return there != r->topic_count;
}

static bool is_open(const struct run *r)
{
    for (unsigned i = 0; i < r->pr->lane_count; i++) {
        if (!r->open[i]) {
            return false;
        }
    }
    return true;
}

void run_go(struct run *r)
{
    if (r->dropping || r->pr->removing || r->pr->p->stopping || !is_open(r)) {
        return;
    }
    if (r->member == NULL && !r->telling) {
        join(r);
    }
    LIST_FOR_EACH (link, next, &r->shards) {
        shard_go(CONTAINER_OF(link, struct shard, link));
    }
}

bool run_may_apply(const struct run *r)
{
    return !r->pr->paused && !r->pr->removing && !r->stopped && !r->dropping &&
           !r->pr->p->stopping && !switch_holds(r->pr, r);
}

/* What a person is to see stays until he has said how it goes on. */
void run_failed(struct run *r, const struct ectx *ec)
{
    if (!r->stopped) {
        r->failed = true;
        r->error = *ec;
    }
}

void run_fine(struct run *r)
{
    r->failed = r->failed && r->stopped;
}

void run_hindered(struct run *r, const struct ectx *ec)
{
    r->hindered = true;
    r->hindrance = *ec;
}

void run_lost(struct run *r, const struct shard *s, int64_t from, int64_t to)
{
    r->lost += (uint64_t)(to - from);
    (void)ectx_fail(&r->loss, ERR_OFFSET_OUT_OF_RANGE,
                    "%s: events %lld to %lld were gone from the log before they were read (%llu "
                    "since the start): give the topic a longer retention.ms",
                    s->name, (long long)from, (long long)to - 1, (unsigned long long)r->lost);
    metric_add(r->pr->p->lost_metric, (uint64_t)(to - from));
    LOG_WARN("projection.lost", KV_STR("projection", r->d->name), KV_U64("version", r->d->version),
             KV_STR("topic", s->topic), KV_I64("partition", s->partition), KV_I64("from", from),
             KV_I64("to", to));
}

void run_stop_for(struct run *r, const struct ectx *ec)
{
    r->stopped = true;
    r->failed = true;
    r->error = *ec;
    LIST_FOR_EACH (link, next, &r->shards) {
        shard_rewind(CONTAINER_OF(link, struct shard, link));
    }
    LOG_WARN("projection.stopped", KV_STR("projection", r->d->name),
             KV_U64("version", r->d->version), KV_ERR(ec));
}

/* Every partition of every topic is ours and claimed. How far behind their ends they are together,
 * and the moment that the last of them has reached. */
static bool all_held(struct run *r, uint64_t *lag, uint64_t *reached_ns)
{
    struct engine_topic topic;
    *lag = 0;
    *reached_ns = UINT64_MAX;
    for (size_t i = 0; i < r->d->topic_count; i++) {
        if (!engine_topic_get(r->pr->p->e, r->d->topics[i], &topic)) {
            continue;
        }
        for (int32_t n = 0; n < topic.partition_count; n++) {
            struct shard *s = shard_find(r, r->d->topics[i], n);
            int64_t end = 0;
            if (s == NULL || s->claim != CLAIM_HELD) {
                return false;
            }
            *lag += shard_lag(s, &end);
            *reached_ns = s->reached_ns < *reached_ns ? s->reached_ns : *reached_ns;
        }
    }
    return is_open(r);
}

bool run_caught_up(struct run *r)
{
    uint64_t lag = 0;
    uint64_t reached_ns = 0;
    return all_held(r, &lag, &reached_ns) && lag == 0;
}

uint64_t run_reached_ns(struct run *r, uint64_t now)
{
    uint64_t lag = 0;
    uint64_t reached_ns = 0;
    bool held = all_held(r, &lag, &reached_ns);
    return !held ? 0 : lag == 0 ? now : reached_ns;
}

bool run_is_near(struct run *r)
{
    uint64_t now = env_mono_ns(r->pr->p->env);
    uint64_t reached_ns = run_reached_ns(r, now);
    return reached_ns == now ||
           (reached_ns != 0 && run_may_apply(r) && now - reached_ns <= NEAR_NS);
}

/* ---- Numbers */

void run_count(struct run *r, const struct apply_counts *c, unsigned lane)
{
    struct proj *p = r->pr->p;
    r->events += c->events;
    r->applied += c->applied;
    r->skipped += c->skipped;
    r->parked[lane] = c->parked_now;
    uint64_t second = env_mono_ns(p->env) / 1000000000u;
    for (uint64_t s = r->rate_second + 1; s <= second && s <= r->rate_second + RATE_SECONDS; s++) {
        r->rate[s % RATE_SECONDS] = 0;
    }
    r->rate_second = second;
    r->rate[second % RATE_SECONDS] += c->events;
    metric_add(p->events_metric, c->events);
    metric_add(p->applied_metric, c->applied);
    metric_add(p->parked_metric, c->parked);
    metric_add(p->skipped_metric, c->skipped);
    if (c->parked > 0 || c->skipped > 0) {
        LOG_WARN(c->parked > 0 ? "projection.parked" : "projection.skipped",
                 KV_STR("projection", r->d->name), KV_U64("version", r->d->version),
                 KV_U64("events", c->parked + c->skipped), KV_Z("reason", c->reason));
    }
}

/* ---- Indexes */

static void index_run(struct work *w)
{
    struct run *r = CONTAINER_OF(w, struct run, index_work);
    const struct target_driver *driver = r->pr->driver;
    struct buf sql;
    buf_init(&sql, 256u << 10);
    def_write_indexes(r->d, &sql);
    buf_printf(&sql,
               "UPDATE leat_version SET indexed = 1 WHERE projection = '%.*s' AND version = %u",
               STR(r->d->name), r->d->version);
    buf_put_u8(&sql, 0);
    w->err = buf_failed(&sql)      ? ectx_fail(&w->ec, ERR_NO_MEMORY, "out of memory")
             : w->lane->db == NULL ? ectx_fail(&w->ec, ERR_CLOSED, "no connection")
                                   : driver->exec_long(w->lane->db, (const char *)sql.p, &w->ec);
    buf_deinit(&sql);
}

static void index_done(struct work *w)
{
    struct run *r = CONTAINER_OF(w, struct run, index_work);
    r->indexing = false;
    r->pr->work_pending--;
    if (w->err == ERR_OK) {
        r->indexed = true;
        r->hindered = false;
    } else {
        run_hindered(r, &w->ec);
        pause_grow(&r->index_pause, env_mono_ns(r->pr->p->env));
    }
    if (lane_is_lost(w->err)) {
        lane_fail(w->lane, &w->ec);
    }
    projection_moved(r->pr, r);
}

static void make_indexes(struct run *r, uint64_t now)
{
    if (now < r->index_pause.until_ns || r->indexed || r->indexing || r->dropping ||
        r->pr->paused || r->pr->lanes_hold || !run_is_near(r)) {
        return;
    }
    pause_begin(&r->index_pause, now);
    r->indexing = true;
    r->pr->work_pending++;
    r->index_work = (struct work){.run = index_run, .done = index_done};
    lane_submit(&r->pr->lanes[0], &r->index_work);
}

/* ---- What the group hears */

static void told(struct engine_append *a)
{
    struct run *r = a->ctx;
    r->telling = false;
    proj_ended(r->pr->p);
    if (a->err != ERR_OK) {
        return; /* it is only what is shown; the next one tells more */
    }
    for (size_t i = 0; i < a->input_count; i++) {
        struct shard *s = shard_find(r, a->inputs[i].topic, a->inputs[i].partition);
        if (s != NULL) {
            s->told_offset = a->inputs[i].next_offset;
        }
    }
}

static void tell(struct run *r, uint64_t now)
{
    if (r->telling || r->member == NULL || now - r->told_ns < TELL_NS) {
        return;
    }
    size_t count = 0;
    LIST_FOR_EACH (link, next, &r->shards) {
        struct shard *s = CONTAINER_OF(link, struct shard, link);
        if (s->mine && s->claim == CLAIM_HELD && s->told_offset != s->next_offset) {
            r->tell_inputs[count++] = (struct engine_input){
                .topic = s->topic, .partition = s->partition, .next_offset = s->next_offset};
        }
    }
    if (count == 0) {
        return;
    }
    r->told_ns = now;
    r->telling = true;
    r->tell = (struct engine_append){.member = r->member,
                                     .inputs = r->tell_inputs,
                                     .input_count = count,
                                     .done = told,
                                     .ctx = r};
    engine_append(r->pr->p->e, &r->tell);
}

void run_tick(struct run *r, uint64_t now)
{
    if (r->dropping) {
        run_drop_tick(r, now);
        return;
    }
    if (r->pr->p->topics_changed && r->member != NULL && !r->telling && topics_are_new(r)) {
        run_leave(r);
    }
    LIST_FOR_EACH (link, next, &r->shards) {
        shard_tick(CONTAINER_OF(link, struct shard, link), now);
    }
    run_go(r);
    tell(r, now);
    make_indexes(r, now);
}
