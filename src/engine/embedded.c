/*
 * Leat's own log as an engine: an append is one frame, so it is atomic, never aborts, and has its
 * offsets when the call returns. This file makes it and tells those who watch.
 */
#include "core/check.h"
#include "core/mem.h"
#include "engine/embedded_int.h"

#ifdef LEAT_DEBUG
struct engine_faults engine_faults;
#endif

static enum err bounds(struct engine *e, struct str topic, int32_t partition, int64_t *start,
                       int64_t *end)
{
    enum err err = ERR_OK;
    const struct partition *p = embedded_partition(embedded_of(e), topic, partition, &err, NULL);
    if (p == NULL) {
        return err;
    }
    struct store_part_info info;
    store_part_info_get(p->part, &info);
    *start = info.log_start;
    *end = info.high_watermark;
    return ERR_OK;
}

struct partition *embedded_partition(struct embedded *m, struct str topic, int32_t index,
                                     enum err *err, struct ectx *ec)
{
    struct topic *t = broker_topic(m->broker, topic);
    struct partition *p = broker_partition(t, index);
    if (t == NULL) {
        *err =
            ectx_fail(ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "there is no topic '%.*s'", STR(topic));
    } else if (p == NULL) {
        *err = ectx_fail(ec, ERR_UNKNOWN_TOPIC_OR_PARTITION,
                         "topic '%.*s' has %d partitions, and no partition %d", STR(topic),
                         t->partition_count, index);
    }
    return p;
}

/* ---- Watching ------------------------------------------------------------------------------- */

static void topic_watch(struct engine *e, struct engine_topic_watch *w)
{
    list_push_back(&embedded_of(e)->topic_watches, &w->link);
}

static void topic_unwatch(struct engine *e, struct engine_topic_watch *w)
{
    (void)e;
    list_remove(&w->link);
}

static uint64_t position(const struct engine *e)
{
    return store_visible_position(embedded_of_const(e)->store);
}

static void position_watch(struct engine *e, struct engine_position_watch *w)
{
    list_push_back(&embedded_of(e)->position_watches, &w->link);
}

static void position_unwatch(struct engine *e, struct engine_position_watch *w)
{
    (void)e;
    list_remove(&w->link);
}

/* A watch may leave while it is called, and so may any other. */
static void on_advance(struct engine *e)
{
    struct embedded *m = embedded_of(e);
    const uint64_t now = store_visible_position(m->store);
    if (now <= m->told_position) {
        return;
    }
    m->told_position = now;
    struct list todo = m->position_watches;
    if (list_empty(&m->position_watches)) {
        return;
    }
    todo.next->prev = &todo;
    todo.prev->next = &todo;
    list_init(&m->position_watches);
    struct list *l;
    while ((l = list_pop_front(&todo)) != NULL) {
        struct engine_position_watch *w = CONTAINER_OF(l, struct engine_position_watch, link);
        list_push_back(&m->position_watches, l);
        w->moved(w);
    }
}

static void on_topic(struct broker_topic_watch *bw, struct topic *t, enum broker_topic_event event)
{
    struct embedded *m = CONTAINER_OF(bw, struct embedded, watch);
    if (event != BROKER_TOPIC_GROWN) {
        struct list todo = m->topic_watches;
        if (!list_empty(&m->topic_watches)) {
            todo.next->prev = &todo;
            todo.prev->next = &todo;
            list_init(&m->topic_watches);
            struct list *l;
            while ((l = list_pop_front(&todo)) != NULL) {
                struct engine_topic_watch *w = CONTAINER_OF(l, struct engine_topic_watch, link);
                list_push_back(&m->topic_watches, l);
                w->changed(w, t->name, event == BROKER_TOPIC_GONE);
            }
        }
    }
    members_on_topic(m, t, event == BROKER_TOPIC_GONE);
    m->ensures_due = true; /* with the next tick: the name of one that goes is not free yet */
}

static bool append_ready(const struct engine *e)
{
    return store_ready(embedded_of_const(e)->store);
}

static void room_watch(struct engine *e, struct engine_room_watch *w)
{
    list_push_back(&embedded_of(e)->room_watches, &w->link);
}

static void tell_room(struct embedded *m)
{
    struct list *l;
    while (store_ready(m->store) && (l = list_pop_front(&m->room_watches)) != NULL) {
        struct engine_room_watch *w = CONTAINER_OF(l, struct engine_room_watch, link);
        w->room(w);
    }
}

static void on_ready(struct engine *e)
{
    struct embedded *m = embedded_of(e);
    m->ensures_due = m->members_due = true;
    embedded_gate_retry(e); /* what had no room the last time */
    tell_room(m);
}

static uint64_t tick(struct engine *e, uint64_t now_ns)
{
    struct embedded *m = embedded_of(e);
    tell_room(m); /* room that came and went within a turn is no news */
    if (m->ensures_due) {
        m->ensures_due = false;
        ensures_go_on(m);
    }
    if (m->members_due) {
        members_go_on(m);
    }
    return reads_tick(m, now_ns);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static void destroy(struct engine *e)
{
    struct embedded *m = embedded_of(e);
    broker_topic_unwatch(&m->watch);
    broker_gate_set(m->broker, NULL);
    appends_free(m);
    rewrites_end(m);
    reads_free(m);
    seeks_free(m);
    ensures_free(m);
    members_free(m);
    heap_deinit(&m->timers);
    batch_builder_deinit(&m->builder);
    record_scratch_deinit(&m->scratch);
    mem_free(m);
}

static const struct engine_ops OPS = {
    .topic_get = embedded_topic_get,
    .topics = embedded_topics,
    .topic_ensure = embedded_topic_ensure,
    .topic_watch = topic_watch,
    .topic_unwatch = topic_unwatch,
    .bounds = bounds,
    .append = embedded_append,
    .append_max_bytes = embedded_append_max_bytes,
    .rewrite = embedded_rewrite,
    .read = embedded_read,
    .read_soon = embedded_read_soon,
    .read_cancel = embedded_read_cancel,
    .read_release = embedded_read_release,
    .seek = embedded_seek,
    .join = embedded_join,
    .leave = embedded_leave,
    .group_forget = embedded_group_forget,
    .destroy = destroy,
    .gate_set = embedded_gate_set,
    .gate_retry = embedded_gate_retry,
    .position = position,
    .position_watch = position_watch,
    .position_unwatch = position_unwatch,
    .append_ready = append_ready,
    .room_watch = room_watch,
    .on_advance = on_advance,
    .on_ready = on_ready,
    .tick = tick,
};

enum err engine_embedded_create(struct env *env, struct env_poll *poll, struct store *store,
                                struct broker *broker, struct groups *groups, struct engine **out)
{
    struct embedded *m = mem_new(struct embedded);
    if (m == NULL) {
        return ERR_NO_MEMORY;
    }
    m->base = (struct engine){.ops = &OPS,
                              .name = "embedded",
                              .capabilities = ENGINE_GLOBAL_ORDER | ENGINE_SEQUENCES | ENGINE_GATE |
                                              ENGINE_REWRITE,
                              .env = env,
                              .poll = poll};
    m->store = store;
    m->broker = broker;
    m->groups = groups;
    list_init(&m->room_watches);
    list_init(&m->appends);
    list_init(&m->rewrites);
    list_init(&m->reads);
    list_init(&m->reads_idle);
    list_init(&m->seeks);
    list_init(&m->ensures);
    list_init(&m->members);
    list_init(&m->forgets);
    list_init(&m->topic_watches);
    list_init(&m->position_watches);
    heap_init(&m->timers);
    batch_builder_init(&m->builder, embedded_append_max_bytes(&m->base));
    record_scratch_init(&m->scratch, RECORD_DECOMPRESSED_MAX);
    m->told_position = store_visible_position(store);
    m->watch.changed = on_topic;
    broker_topic_watch(broker, &m->watch);
    *out = &m->base;
    return ERR_OK;
}
