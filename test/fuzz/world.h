/*
 * For fuzz targets: the server below its wiring, on a simulated machine, in one function each way.
 * A header, because every target is a program of its own.
 */
#ifndef LEAT_TEST_FUZZ_WORLD_H
#define LEAT_TEST_FUZZ_WORLD_H

#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/pool.h"
#include "env/env_sim.h"
#include "group/group.h"
#include "kafka/kafka.h"

struct world {
    struct env *env; /* given; outlives the world */
    struct env_poll *poll;
    struct config config;
    struct metrics *metrics;
    struct pool pool; /* as in the server: the log takes a large request's memory from net */
    struct net *net;
    struct broker *broker;
    struct groups *groups;
    struct store *store;
    struct kafka *kafka; /* NULL until world_listen */
    struct env_addr addr;
    bool failed; /* the store has stopped: nothing more is answered */
};

static inline void world_on_advance(void *ctx, struct store_part *part)
{
    struct world *w = ctx;
    broker_on_advance(w->broker, part);
}

static inline void world_on_ready(void *ctx)
{
    struct world *w = ctx;
    if (w->kafka != NULL) {
        kafka_on_ready(w->kafka);
    }
}

/* The server would end here. */
static inline void world_on_failure(void *ctx, const struct ectx *ec)
{
    struct world *w = ctx;
    CHECK(ec->text[0] != '\0');
    w->failed = true;
}

static inline void world_on_topic_gone(void *ctx, struct str topic)
{
    struct world *w = ctx;
    groups_topic_deleted(w->groups, topic);
}

/* Opens everything up to the store, as recovery leaves it; what store_open says. The world must be
 * closed either way. */
static inline enum err world_recover(struct world *w, struct env *env, struct ectx *ec)
{
    const struct net_config net = {.max_connections = 100,
                                   .request_memory_bytes = 16u << 20,
                                   .send_queue_bytes = 16u << 20,
                                   .idle_ms = 600000,
                                   .stall_ms = 30000,
                                   .pool = &w->pool};
    struct store_participant participants[3];
    struct store_config cfg;
    memset(w, 0, sizeof(*w));
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    w->env = env;
    pool_init(&w->pool, 1 << 20);
    config_init(&w->config, CONFIG_SCOPE_BROKER);
    /* Else a fuzzer soon creates topics with so many that one input takes seconds. */
    CHECK(config_set(&w->config, STR_LIT("leat.max.partitions"), STR_LIT("500"), CONFIG_FROM_STATIC,
                     NULL) == ERR_OK);
    w->metrics = metrics_create();
    CHECK(w->metrics != NULL && env_poll_create(env, &w->poll, NULL) == ERR_OK);
    CHECK(net_create(env, w->poll, &net, w->metrics, &w->net, NULL) == ERR_OK);
    CHECK(broker_create(env, &w->config, w->metrics, &w->broker) == ERR_OK);
    CHECK(groups_create(env, &w->config, w->metrics, &w->groups) == ERR_OK);
    store_config_init(&cfg);
    cfg.dir = "/data";
    cfg.pool = &w->pool;
    cfg.ring_file_bytes = 64 << 10;
    cfg.ring_file_count = 4;
    cfg.min_free_bytes = 64 << 10;
    cfg.inline_max_bytes = 2 << 10; /* else nothing small is written in place */
    broker_participants(w->broker, participants);
    participants[2] = groups_participant(w->groups);
    return store_open(env, w->poll, &cfg, participants, 3, &w->store, ec);
}

/* What the server does when the store is open. */
static inline void world_attach(struct world *w)
{
    const struct store_hooks hooks = {w, world_on_advance, world_on_ready, world_on_failure};
    store_set_hooks(w->store, &hooks);
    broker_attach(w->broker, w->store);
    groups_attach(w->groups, w->store);
    broker_on_topic_gone(w->broker, world_on_topic_gone, w);
}

static inline enum err world_open(struct world *w, struct env *env, struct ectx *ec)
{
    enum err e = world_recover(w, env, ec);
    if (e == ERR_OK) {
        world_attach(w);
    }
    return e;
}

static inline void world_listen(struct world *w)
{
    struct kafka_services services = {.env = w->env,
                                      .net = w->net,
                                      .store = w->store,
                                      .broker = w->broker,
                                      .groups = w->groups,
                                      .metrics = w->metrics,
                                      .config = &w->config};
    struct env_addr any;
    CHECK(kafka_create(&services, &w->kafka) == ERR_OK);
    CHECK(env_addr_parse(STR_LIT("127.0.0.1:0"), &any, NULL) == ERR_OK);
    CHECK(kafka_listen(w->kafka, &any, &w->addr, NULL) == ERR_OK);
}

static inline void world_turn(struct world *w)
{
    env_poll_run(w->poll, 1000000);
    store_tick(w->store);
    groups_tick(w->groups, env_mono_ns(w->env));
    net_timers_run(w->net, env_mono_ns(w->env));
    store_kick(w->store, true);
    store_kick(w->store, false);
    world_on_ready(w);
    net_flush(w->net);
}

static inline void world_close(struct world *w)
{
    net_destroy(w->net);
    groups_stop(w->groups);
    store_close(w->store);
    kafka_destroy(w->kafka);
    groups_destroy(w->groups);
    broker_destroy(w->broker);
    metrics_destroy(w->metrics);
    config_deinit(&w->config);
    env_poll_destroy(w->poll);
    pool_deinit(&w->pool);
}

static inline void world_ignore(void *ctx, enum err e, const struct ectx *ec)
{
    (void)ctx;
    (void)e;
    (void)ec;
}

/* Two topics to talk about: "t" with two partitions, "u" with one. */
static inline void world_fill(struct world *w)
{
    const struct broker_topic_spec t = {
        .name = STR_LIT("t"), .partitions = 2, .replication_factor = -1};
    const struct broker_topic_spec u = {
        .name = STR_LIT("u"), .partitions = 1, .replication_factor = -1};
    broker_topic_create(w->broker, &t, false, world_ignore, NULL);
    broker_topic_create(w->broker, &u, false, world_ignore, NULL);
    for (int i = 0; i < 20 && broker_topic_count(w->broker) < 2; i++) {
        world_turn(w);
    }
}

#endif
