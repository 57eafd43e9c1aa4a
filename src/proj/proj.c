/* All projections: beginning, ticking, ending. */
#include "proj/proj.h"

#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "proj/proj_int.h"
#include "proj/upcasts.h"

static void topics_changed(struct engine_topic_watch *w, struct str topic, bool gone)
{
    struct proj *p = CONTAINER_OF(w, struct proj, watch);
    (void)topic;
    (void)gone;
    p->topics_changed = true; /* looked at by the next tick */
}

MUST_USE enum err proj_create(const struct proj_config *config, struct proj **out, struct ectx *ec)
{
    struct proj *p = mem_new(struct proj);
    if (p == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    p->config = *config;
    p->e = config->engine;
    p->env = engine_env(p->e);
    p->poll = engine_poll(p->e);
    p->dir = str_dup_z(str_of(config->dir));
    list_init(&p->projections);
    list_init(&p->waits);
    list_init(&p->waits_ended);
    list_init(&p->queries);
    list_init(&p->checks);
    enum err e = p->dir == NULL ? ERR_NO_MEMORY : registry_create(p, &p->registry);
    if (e != ERR_OK) {
        mem_free(p->dir);
        mem_free(p);
        return ectx_fail(ec, e, "out of memory");
    }
    struct metrics *m = config->metrics;
    p->events_metric = metrics_counter(m, "leat_projection_events_total",
                                       "Events that projections have read", NULL);
    p->applied_metric = metrics_counter(m, "leat_projection_events_applied_total",
                                        "Events that changed a read model", NULL);
    p->parked_metric = metrics_counter(m, "leat_projection_parked_total",
                                       "Events that were parked with their key", NULL);
    p->skipped_metric = metrics_counter(m, "leat_projection_skipped_total",
                                        "Events that were skipped because they failed", NULL);
    p->lost_metric =
        metrics_counter(m, "leat_projection_lost_total",
                        "Events that were gone from the log before a projection read them", NULL);
    gauges_register(p);
    *out = p;
    return ERR_OK;
}

void proj_start(struct proj *p, void (*ready)(void *ctx, enum err e, const struct ectx *ec),
                void *ctx)
{
    CHECK(!p->started);
    p->started = true;
    p->on_ready = ready;
    p->ready_ctx = ctx;
    p->watch.changed = topics_changed;
    engine_topic_watch(p->e, &p->watch);
    p->watching = true;
    registry_start(p->registry);
}

void proj_ready(struct proj *p, enum err e, const struct ectx *ec)
{
    p->ready = e == ERR_OK;
    LIST_FOR_EACH (link, next, &p->projections) {
        if (p->ready) {
            projection_go(CONTAINER_OF(link, struct projection, link));
        }
    }
    if (p->on_ready != NULL) {
        p->on_ready(p->ready_ctx, e, ec);
    }
}

bool proj_is_known(const struct proj *p)
{
    return p->ready;
}

bool proj_is_serving(const struct proj *p)
{
    const struct list *head = &p->projections;
    for (const struct list *link = head->next; link != head; link = link->next) {
        const struct projection *pr =
            (const struct projection *)(const void *)((const char *)link -
                                                      offsetof(struct projection, link));
        if (!pr->known && !pr->looked && !pr->gone && !pr->removing && !pr->unusable) {
            return false;
        }
    }
    return p->ready;
}

/* Called at the end of everything that can be under way. */
void proj_ended(struct proj *p)
{
    if (!p->stopping) {
        return;
    }
    bool idle = registry_idle(p->registry) && p->query_count == 0 && p->check_count == 0 &&
                list_empty(&p->waits_ended);
    LIST_FOR_EACH (link, next, &p->projections) {
        idle = idle && projection_idle(CONTAINER_OF(link, struct projection, link));
    }
    if (idle && p->on_stopped != NULL) {
        void (*stopped)(void *ctx) = p->on_stopped;
        p->on_stopped = NULL;
        stopped(p->stopped_ctx);
    }
}

void proj_tick(struct proj *p)
{
    if (!p->started) {
        return;
    }
    if (p->postgres != NULL) {
        target_postgres.expire(p->postgres);
    }
    if (p->stopping) {
        proj_ended(p);
        return;
    }
    uint64_t now = env_mono_ns(p->env);
    registry_tick(p->registry);
    LIST_FOR_EACH (link, next, &p->projections) {
        struct projection *pr = CONTAINER_OF(link, struct projection, link);
        if (pr->gone) {
            if (projection_idle(pr) && projection_close_target(pr)) {
                projection_destroy(pr);
            }
        } else {
            projection_tick(pr, now);
        }
    }
    p->topics_changed = false;
    wait_check(p, now);
}

void proj_stop(struct proj *p, void (*stopped)(void *ctx), void *ctx)
{
    CHECK(!p->stopping);
    p->stopping = true;
    p->on_stopped = stopped;
    p->stopped_ctx = ctx;
    if (p->watching) {
        engine_topic_unwatch(p->e, &p->watch);
        p->watching = false;
    }
    wait_end_all(p);
    registry_stop(p->registry);
    check_stop_all(p);
    LIST_FOR_EACH (link, next, &p->projections) {
        projection_close(CONTAINER_OF(link, struct projection, link));
    }
    proj_ended(p);
}

void proj_interrupt(struct proj *p)
{
    LIST_FOR_EACH (link, next, &p->projections) {
        const struct projection *pr = CONTAINER_OF(link, struct projection, link);
        if (!projection_idle(pr)) {
            LOG_WARN("projection.busy", KV_STR("projection", pr->name),
                     KV_Z("work", projection_work(pr)), KV_U64("queries", pr->query_count),
                     KV_Z("action", "stopping: what is under way is broken off and rolled back"));
        }
    }
    if (p->check_count > 0) {
        LOG_WARN("projection.checks_busy", KV_U64("checks", p->check_count));
    }
    if (p->sqlite != NULL) {
        target_sqlite.interrupt(p->sqlite);
    }
    if (p->postgres != NULL) {
        target_postgres.interrupt(p->postgres);
    }
}

/* After proj_stop, or when the process it belongs to is dead (simulated): no job will run. */
void proj_destroy(struct proj *p)
{
    if (p == NULL) {
        return;
    }
    p->stopping = true;
    wait_end_all(p);
    wait_free_ended(p);
    query_free_all(p);
    check_free_all(p);
    LIST_FOR_EACH (link, next, &p->projections) {
        projection_destroy(CONTAINER_OF(link, struct projection, link));
    }
    if (p->watching) {
        engine_topic_unwatch(p->e, &p->watch);
    }
    registry_destroy(p->registry);
    upcasts_unref(p->upcasts);
    target_sqlite.unload(p->sqlite);
    target_postgres.unload(p->postgres);
    mem_free(p->dir);
    mem_free(p);
}

struct str *proj_names(struct proj *p, struct arena *a, size_t *count)
{
    struct str *names = arena_new_n(a, struct str, p->count + 1);
    *count = 0;
    LIST_FOR_EACH (link, next, &p->projections) {
        const struct projection *pr = CONTAINER_OF(link, struct projection, link);
        if (names == NULL || pr->gone) {
            continue;
        }
        size_t at = (*count)++;
        while (at > 0 && str_cmp(names[at - 1], pr->name) > 0) {
            names[at] = names[at - 1];
            at--;
        }
        names[at] = pr->name;
    }
    return names;
}

struct str proj_definition(struct proj *p, struct str name, uint32_t version)
{
    struct projection *pr = projection_find(p, name);
    if (pr == NULL || list_empty(&pr->runs)) {
        return STR_NULL;
    }
    uint32_t wanted = version != 0 ? version : pr->served;
    struct run *r = run_find(pr, wanted);
    if (r == NULL && version == 0) {
        r = CONTAINER_OF(pr->runs.prev, struct run, link);
    }
    return r == NULL ? STR_NULL : r->d->text;
}
