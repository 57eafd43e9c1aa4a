/* The kafka room's face: creation and listening. */
#include "kafka/kafka.h"

#include "core/check.h"
#include "core/mem.h"
#include "kafka/fetch_session.h"
#include "kafka/kafka_int.h"

static enum err metrics_init(struct kafka *k)
{
    size_t n = kafka_api_count();
    k->api_metrics = mem_zalloc(n, sizeof(*k->api_metrics));
    if (k->api_metrics == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        const struct wire_api *api = wire_api_find(kafka_api_at(i)->key);
        CHECK(api != NULL);
        struct buf b;
        buf_init(&b, 256);
        metrics_label(&b, "api", str_of(api->name));
        buf_put_u8(&b, 0);
        const char *labels = buf_failed(&b) ? NULL : (const char *)b.p;
        k->api_metrics[i].requests = metrics_counter(k->s.metrics, "leat_kafka_requests_total",
                                                     "Kafka requests, by API.", labels);
        k->api_metrics[i].duration =
            metrics_histogram(k->s.metrics, "leat_kafka_request_seconds",
                              "Time from a request's last byte to its reply, by API.", labels);
        buf_deinit(&b);
    }
    k->waits_expired = metrics_counter(
        k->s.metrics, "leat_kafka_waits_expired_total",
        "Requests that the store had no room for in time; they got a retriable error.", NULL);
    k->malformed =
        metrics_counter(k->s.metrics, "leat_kafka_requests_refused_total",
                        "Requests that could not be read; their connection was closed.", NULL);
    return ERR_OK;
}

MUST_USE enum err kafka_create(const struct kafka_services *services, struct kafka **out)
{
    struct kafka *k = mem_new(struct kafka);
    if (k == NULL) {
        return ERR_NO_MEMORY;
    }
    k->s = *services;
    k->request_max_bytes = (uint32_t)config_i64(k->s.config, NULL, "socket.request.max.bytes");
    list_init(&k->parked);
    list_init(&k->continuations);
    list_init(&k->in_hand);
    list_init(&k->free_pending);
    list_init(&k->waiting_fetches);
    enum err e = metrics_init(k);
    if (e == ERR_OK) {
        e = fetch_sessions_create(
            (size_t)config_i64(k->s.config, NULL, "max.incremental.fetch.session.cache.slots"),
            &k->fetch_sessions);
    }
    if (e != ERR_OK) {
        kafka_destroy(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void kafka_destroy(struct kafka *k)
{
    if (k == NULL) {
        return;
    }
    broker_gate_expire(k->s.broker, 0); /* what it holds lies in memory of requests */
    fetch_sessions_destroy(k->fetch_sessions);
    struct list *l;
    /* What can no longer be answered: it waits for a store that has stopped. */
    while (!list_empty(&k->in_hand)) {
        kafka_drop(&CONTAINER_OF(k->in_hand.next, struct kafka_pending, hand_link)->r);
    }
    while ((l = list_pop_front(&k->free_pending)) != NULL) {
        struct kafka_pending *p = CONTAINER_OF(l, struct kafka_pending, link);
        arena_deinit(&p->arena);
        mem_free(p);
    }
    mem_free(k->api_metrics);
    mem_free(k);
}

MUST_USE enum err kafka_listen(struct kafka *k, const struct env_addr *addr, struct env_addr *bound,
                               struct ectx *ec)
{
    struct net_listener *l = NULL;
    enum err e = net_listen(k->s.net, addr, &KAFKA_PROTOCOL, k, &l, ec);
    return e == ERR_OK ? net_listener_addr(l, bound) : e;
}

const struct kafka_services *kafka_services(const struct kafka *k)
{
    return &k->s;
}
