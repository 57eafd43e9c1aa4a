/* The room's face: creation, attaching to the store, the clock, metrics, the end. */
#include "core/check.h"
#include "core/mem.h"
#include "group/group_int.h"

#define OWED_RETRY_NS (10ull * NS_PER_MS)

static void emit_states(void *ctx, struct metrics_writer *w)
{
    const struct groups *g = ctx;
    size_t counts[GROUP_STATE_COUNT] = {0};
    LIST_FOR_EACH (l, next, &g->all) {
        counts[CONTAINER_OF(l, struct group, link)->state]++;
    }
    for (int s = GROUP_EMPTY; s < GROUP_DEAD; s++) {
        char text[64];
        struct buf b;
        buf_init(&b, sizeof(text));
        metrics_label(&b, "state", str_of(group_state_name((enum group_state)s)));
        buf_put_u8(&b, 0);
        if (!buf_failed(&b)) {
            metrics_emit(w, "leat_groups", "gauge", "Consumer groups by state.", (const char *)b.p,
                         (double)counts[s]);
        }
        buf_deinit(&b);
    }
}

static void add_metrics(struct groups *g, struct metrics *metrics)
{
    g->rebalances = metrics_counter(metrics, "leat_group_rebalances_total",
                                    "Rebalances of consumer groups that were completed.", NULL);
    g->commits = metrics_counter(metrics, "leat_offset_commits_total",
                                 "Offset commit requests that became durable.", NULL);
    g->expired =
        metrics_counter(metrics, "leat_group_members_expired_total",
                        "Members removed because they did not send what was due in time.", NULL);
    g->offsets_expired = metrics_counter(metrics, "leat_group_offsets_expired_total",
                                         "Committed offsets deleted by retention.", NULL);
    metrics_on_scrape(metrics, emit_states, g);
}

enum err groups_create(struct env *env, const struct config *config, struct metrics *metrics,
                       struct groups **out)
{
    struct groups *g = mem_new(struct groups);
    if (g == NULL) {
        return ERR_NO_MEMORY;
    }
    g->env = env;
    g->metrics = metrics;
    map_init(&g->by_id);
    heap_init(&g->timers);
    list_init(&g->all);
    list_init(&g->owed);
    list_init(&g->ops);
    g->session_min_ms = (int32_t)config_i64(config, NULL, "group.min.session.timeout.ms");
    g->session_max_ms = (int32_t)config_i64(config, NULL, "group.max.session.timeout.ms");
    g->max_size = (int32_t)config_i64(config, NULL, "group.max.size");
    g->metadata_max = (int32_t)config_i64(config, NULL, "offset.metadata.max.bytes");
    g->initial_delay_ns =
        (uint64_t)config_i64(config, NULL, "group.initial.rebalance.delay.ms") * NS_PER_MS;
    g->retention_ns =
        (uint64_t)config_i64(config, NULL, "offsets.retention.minutes") * 60000 * NS_PER_MS;
    uint64_t check_ms = (uint64_t)config_i64(config, NULL, "offsets.retention.check.interval.ms");
    const uint64_t day_ms = 86400000;
    g->check_interval_ns = (check_ms < day_ms ? check_ms : day_ms) * NS_PER_MS;
    g->next_check_ns = env_mono_ns(env) + g->check_interval_ns;
    add_metrics(g, metrics);
    *out = g;
    return ERR_OK;
}

void groups_destroy(struct groups *g)
{
    if (g == NULL) {
        return;
    }
    groups_stop(g);
    /* What is left here was never completed: the store had failed. */
    LIST_FOR_EACH (l, next, &g->ops) {
        struct group_op *op = CONTAINER_OF(l, struct group_op, link);
        op->group->in_flight--;
        op_free(op);
    }
    LIST_FOR_EACH (l, next, &g->all) {
        group_free(CONTAINER_OF(l, struct group, link));
    }
    map_deinit(&g->by_id);
    heap_deinit(&g->timers);
    mem_free(g);
}

void groups_stop(struct groups *g)
{
    const struct groups_answer a = {.err = ERR_COORDINATOR_NOT_AVAILABLE, .generation = -1};
    g->stopping = true;
    LIST_FOR_EACH (l, next, &g->ops) {
        ticket_answer(&CONTAINER_OF(l, struct group_op, link)->ticket, &a);
    }
    LIST_FOR_EACH (l, next, &g->all) {
        struct group *gr = CONTAINER_OF(l, struct group, link);
        LIST_FOR_EACH (k, after, &gr->members) {
            struct group_member *m = CONTAINER_OF(k, struct group_member, link);
            member_fail_join(m, ERR_COORDINATOR_NOT_AVAILABLE, m->id);
            member_answer_sync(m, ERR_COORDINATOR_NOT_AVAILABLE);
        }
    }
}

void groups_attach(struct groups *g, struct store *store)
{
    g->store = store;
    g->live = true;
    LIST_FOR_EACH (l, next, &g->all) {
        struct group *gr = CONTAINER_OF(l, struct group, link);
        LIST_FOR_EACH (k, after, &gr->members) {
            /* Nobody could send a heartbeat while the server was down. */
            member_touch(CONTAINER_OF(k, struct group_member, link));
        }
    }
}

static void member_due(struct group_member *m)
{
    if (!m->is_new && (m->awaiting_join || m->awaiting_sync)) {
        return; /* it waits for us; the answer starts its clock again */
    }
    metric_add(m->group->owner->expired, 1);
    group_remove_member(m);
}

static void timer_due(struct group_timer *t)
{
    switch (t->kind) {
    case TIMER_MEMBER:
        member_due(CONTAINER_OF(t, struct group_member, session));
        break;
    case TIMER_PENDING: {
        struct group_pending *p = CONTAINER_OF(t, struct group_pending, timer);
        struct group *gr = p->group;
        group_remove_pending(p);
        group_free_if_unused(gr);
        break;
    }
    case TIMER_PHASE:
        group_phase_due(CONTAINER_OF(t, struct group, phase));
        break;
    }
}

uint64_t groups_tick(struct groups *g, uint64_t now_ns)
{
    struct heap_node *n;
    groups_pay_owed(g);
    IGNORE(owner_apply_late(g)); /* else with the next tick */
    while ((n = heap_min(&g->timers)) != NULL && n->key <= now_ns) {
        struct group_timer *t = CONTAINER_OF(n, struct group_timer, node);
        heap_update(&g->timers, n, NEVER);
        timer_due(t);
    }
    if (now_ns >= g->next_check_ns && !g->stopping) {
        offsets_expire(g, now_ns);
    }
    g->dirty = false;
    uint64_t next = n == NULL ? NEVER : n->key;
    next = g->next_check_ns < next ? g->next_check_ns : next;
    if (!list_empty(&g->owed) && now_ns + OWED_RETRY_NS < next) {
        next = now_ns + OWED_RETRY_NS;
    }
    return next;
}

bool groups_dirty(const struct groups *g)
{
    return g->dirty;
}
