/*
 * The broker room's face: creation, attaching to the store, look-ups, periodic work.
 */
#include "broker/broker.h"

#include <stdlib.h>

#include "broker/broker_int.h"
#include "core/check.h"
#include "core/mem.h"

MUST_USE enum err broker_create(struct env *env, struct config *config, struct metrics *metrics,
                                struct broker **out)
{
    struct broker *b = mem_new(struct broker);
    if (b == NULL) {
        return ERR_NO_MEMORY;
    }
    b->env = env;
    b->config = config;
    b->metrics = metrics;
    b->next_part_id = 1;
    b->next_producer_id = 1;
    b->producer_ids_leased = 1;
    map_init(&b->by_name);
    map_init(&b->by_id);
    map_init(&b->creating);
    map_init(&b->dotted);
    list_init(&b->id_requests);
    list_init(&b->altering);
    list_init(&b->changing);
    list_init(&b->deleting);
    list_init(&b->topic_watches);
    list_init(&b->held);
    config_init(&b->static_config, CONFIG_SCOPE_BROKER);
    config_init(&b->dynamic_default, CONFIG_SCOPE_BROKER);
    config_init(&b->dynamic_node, CONFIG_SCOPE_BROKER);
    record_scratch_init(&b->scratch, RECORD_DECOMPRESSED_MAX);
    b->topics_gauge = metrics_gauge(metrics, "leat_topics", "Topics.", NULL);
    b->partitions_gauge =
        metrics_gauge(metrics, "leat_partitions", "Partitions of all topics.", NULL);
    b->duplicates =
        metrics_counter(metrics, "leat_produce_duplicates_total",
                        "Batches of idempotent producers that were there already.", NULL);
    b->refused = metrics_counter(metrics, "leat_produce_refused_total", "Batches refused.", NULL);
    if (config_copy(config, &b->static_config) != ERR_OK) {
        broker_destroy(b);
        return ERR_NO_MEMORY;
    }
    *out = b;
    return ERR_OK;
}

void broker_destroy(struct broker *b)
{
    if (b == NULL) {
        return;
    }
    producer_requests_free(b);
    topic_changes_free(b);
    alters_free(b);
    record_deletions_free(b);
    struct map_iter it = {0};
    while (map_next(&b->by_name, &it)) {
        struct topic *t = it.value;
        topic_destroy(b, topic_full_of(t));
    }
    map_deinit(&b->by_name);
    map_deinit(&b->by_id);
    map_deinit(&b->creating);
    map_deinit(&b->dotted);
    config_deinit(&b->static_config);
    config_deinit(&b->dynamic_default);
    config_deinit(&b->dynamic_node);
    record_scratch_deinit(&b->scratch);
    mem_free(b);
}

void broker_participants(struct broker *b, struct store_participant out[2])
{
    out[0] = topics_participant(b);
    out[1] = producers_participant(b);
}

void broker_attach(struct broker *b, struct store *store)
{
    CHECK(b->store == store); /* the participants' attach was first */
    broker_config_rebuild(b);
    topics_configure_all(b);
    broker_gauges(b);
}

void broker_on_topic_gone(struct broker *b, void (*fn)(void *ctx, struct str topic), void *ctx)
{
    b->topic_gone = fn;
    b->topic_gone_ctx = ctx;
}

void broker_topic_watch(struct broker *b, struct broker_topic_watch *w)
{
    list_push_back(&b->topic_watches, &w->link);
}

void broker_topic_unwatch(struct broker_topic_watch *w)
{
    list_remove(&w->link);
}

void topic_tell(struct broker *b, struct topic *t, enum broker_topic_event event)
{
    LIST_FOR_EACH (l, next, &b->topic_watches) {
        struct broker_topic_watch *w = CONTAINER_OF(l, struct broker_topic_watch, link);
        w->changed(w, t, event);
    }
}

struct config *broker_config(struct broker *b)
{
    return b->config;
}

void broker_gauges(struct broker *b)
{
    metric_set(b->topics_gauge, (double)b->topic_count);
    metric_set(b->partitions_gauge, (double)b->partition_count);
}

void broker_tick(struct broker *b)
{
    uint64_t now = env_mono_ns(b->env);
    record_scratch_trim(&b->scratch);
    broker_gate_expire(b, BROKER_GATE_WAIT_NS);
    if (now < b->expire_after_ns) {
        return;
    }
    uint64_t every =
        (uint64_t)config_i64(b->config, NULL, "producer.id.expiration.check.interval.ms");
    uint64_t age = (uint64_t)config_i64(b->config, NULL, "producer.id.expiration.ms") * 1000000;
    b->expire_after_ns = now + every * 1000000;
    if (now < age) {
        return;
    }
    struct map_iter it = {0};
    while (map_next(&b->by_name, &it)) {
        const struct topic *t = it.value;
        for (int32_t i = 0; i < t->partition_count; i++) {
            producers_expire(b, t->partitions[i]->state, now - age);
        }
    }
}

struct topic *broker_topic(struct broker *b, struct str name)
{
    struct topic *t = map_get(&b->by_name, name);
    return t == NULL || t->deleting ? NULL : t;
}

struct topic *broker_topic_by_id(struct broker *b, struct uuid id)
{
    struct topic *t = map_get(&b->by_id, str_make(id.b, sizeof(id.b)));
    return t == NULL || t->deleting ? NULL : t;
}

struct partition *broker_partition(struct topic *t, int32_t index)
{
    return t == NULL || index < 0 || index >= t->partition_count ? NULL : t->partitions[index];
}

size_t broker_topic_count(const struct broker *b)
{
    return b->topic_count;
}

static int compare_names(const void *a, const void *b)
{
    const struct topic *const *x = a;
    const struct topic *const *y = b;
    return str_cmp((*x)->name, (*y)->name);
}

struct topic **broker_topics(struct broker *b, struct arena *a, size_t *count)
{
    struct topic **all = arena_new_n(a, struct topic *, b->topic_count + 1);
    size_t n = 0;
    if (all == NULL) {
        return NULL;
    }
    struct map_iter it = {0};
    while (map_next(&b->by_name, &it)) {
        struct topic *t = it.value;
        if (!t->deleting && n < b->topic_count) {
            all[n++] = t;
        }
    }
    qsort(all, n, sizeof(struct topic *), compare_names);
    *count = n;
    return all;
}
