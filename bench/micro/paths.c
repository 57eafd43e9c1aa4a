/*
 * The hot paths as programs that always do the same, so that their instructions can be counted:
 * bench/check runs this under callgrind for two commits and compares.
 *
 *   paths NAME [TIMES]      paths --list
 *
 * All rooms below the server's wiring stand on the simulated machine, in one thread. A client sends
 * bytes that were built before and waits for whole answers. Only what happens in count_this() is
 * counted: from the first byte sent to the last received, with the simulated disk and network,
 * which bench/check leaves out by their file names.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "core/bytes.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/pool.h"
#include "engine/engine.h"
#include "env/env_sim.h"
#include "es/es.h"
#include "group/group.h"
#include "http/http.h"
#include "kafka/kafka.h"
#include "record/builder.h"
#include "wire/frame.h"
#include "wire/gen/all.h"

#define CLIENTS_MAX 64
#define SPREAD      100
#define REQUEST_MAX (4u << 20)
#define TURNS_MAX   100000
#define HTTP_ANSWER 200
#define POOL_KEEP   (8u << 20) /* as the server's */

/* ---- The machine */

struct client {
    struct env_sock *sock;
    struct buf in;
    struct buf own; /* what it sends, if it is not what all do */
};

struct world {
    struct env *env;
    struct env_poll *poll;
    struct pool pool; /* as in the server: the log takes a large request's memory from net */
    struct config config;
    struct metrics *metrics;
    struct net *net;
    struct broker *broker;
    struct groups *groups;
    struct store *store;
    struct kafka *kafka;
    struct http *http;
    struct env_addr addr, http_addr;
    bool over_http;        /* the clients speak HTTP */
    struct engine *engine; /* with the event store and the API on it; NULL: there are none */
    struct es *es;
    struct api *api;
    bool es_ready;
    struct client clients[CLIENTS_MAX];
    struct buf request; /* what each client sends */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "paths: %s: %s\n", what, why);
    exit(1);
}

static void need(enum err e, const char *what)
{
    if (e != ERR_OK) {
        die(what, err_name(e));
    }
}

static void on_advance(void *ctx, struct store_part *part)
{
    struct world *w = ctx;
    broker_on_advance(w->broker, part);
}

static void on_ready(void *ctx)
{
    struct world *w = ctx;
    kafka_on_ready(w->kafka);
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    (void)ctx;
    die("store", ec->text);
}

static void open_store(struct world *w)
{
    struct store_config cfg;
    struct store_participant participants[3];
    store_config_init(&cfg);
    cfg.dir = "/data";
    cfg.ring_file_bytes = 4 << 20;
    cfg.ring_file_count = 4;
    cfg.pool = &w->pool;
    broker_participants(w->broker, participants);
    participants[2] = groups_participant(w->groups);
    need(store_open(w->env, w->poll, &cfg, participants, 3, &w->store, NULL), "store");
    const struct store_hooks hooks = {w, on_advance, on_ready, on_failure};
    store_set_hooks(w->store, &hooks);
    broker_attach(w->broker, w->store);
    groups_attach(w->groups, w->store);
}

static void on_post(void *ctx, struct http_request *r)
{
    static const char answer[HTTP_ANSWER] = {0};
    (void)ctx;
    if (r->body.n != 1024 || r->params[0].n == 0) {
        die("post", "it is not the request that was sent");
    }
    http_reply(r, 201, "application/json", str_make(answer, sizeof(answer)));
}

/* As many routes as an API has, of which the last is taken. */
static void open_http(struct world *w)
{
    static struct http_route routes[40];
    struct env_addr any;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        routes[i] = (struct http_route){"POST", "/api/v1/projections/{name}/rebuild", on_post, ""};
    }
    routes[ARRAY_LEN(routes) - 1].path = "/api/v1/streams/{stream}/events";
    need(http_create(w->env, w->net, w->metrics, 1u << 20, &w->http), "http");
    need(http_routes_add(w->http, routes, ARRAY_LEN(routes), w), "routes");
    need(env_addr_parse(STR_LIT("127.0.0.1:0"), &any, NULL), "address");
    need(http_listen(w->http, &any, &w->http_addr, NULL), "listen");
}

static void on_es_ready(void *ctx, enum err e, const struct ectx *ec)
{
    struct world *w = ctx;
    (void)ec;
    need(e, "event store");
    w->es_ready = true;
}

/* The event store as the server has it, in place of routes that only answer. */
static void open_events(struct world *w)
{
    struct ectx ec;
    struct env_addr any;
    need(engine_embedded_create(w->env, w->poll, w->store, w->broker, w->groups, &w->engine),
         "engine");
    need(es_create(w->engine, &w->config, w->metrics, "/es", &w->es, &ec), "event store");
    es_start(w->es, on_es_ready, w);
    need(http_create(w->env, w->net, w->metrics, 1u << 20, &w->http), "http");
    const struct api_services services = {.env = w->env,
                                          .net = w->net,
                                          .http = w->http,
                                          .engine = w->engine,
                                          .broker = w->broker,
                                          .es = w->es,
                                          .config = &w->config,
                                          .metrics = w->metrics,
                                          .version = "0"};
    need(api_create(&services, &w->api, &ec), "api");
    need(env_addr_parse(STR_LIT("127.0.0.1:0"), &any, NULL), "address");
    need(http_listen(w->http, &any, &w->http_addr, NULL), "listen");
}

static void world_init(struct world *w, bool with_events)
{
    const struct env_sim_config sim = {.seed = 3, .write_ns = 1000, .sync_ns = 100000};
    const struct net_config net = {.max_connections = 100,
                                   .request_memory_bytes = 64u << 20,
                                   .send_queue_bytes = 64u << 20,
                                   .pool = &w->pool,
                                   .idle_ms = 600000,
                                   .stall_ms = 30000};
    memset(w, 0, sizeof(*w));
    pool_init(&w->pool, POOL_KEEP);
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    need(env_sim_create(&sim, &w->env), "env");
    need(env_poll_create(w->env, &w->poll, NULL), "poll");
    config_init(&w->config, CONFIG_SCOPE_BROKER);
    w->metrics = metrics_create();
    need(net_create(w->env, w->poll, &net, w->metrics, &w->net, NULL), "net");
    need(broker_create(w->env, &w->config, w->metrics, &w->broker), "broker");
    need(groups_create(w->env, &w->config, w->metrics, &w->groups), "groups");
    open_store(w);
    struct kafka_services services = {.env = w->env,
                                      .net = w->net,
                                      .store = w->store,
                                      .broker = w->broker,
                                      .groups = w->groups,
                                      .metrics = w->metrics,
                                      .config = &w->config};
    struct env_addr any;
    need(kafka_create(&services, &w->kafka), "kafka");
    need(env_addr_parse(STR_LIT("127.0.0.1:0"), &any, NULL), "address");
    need(kafka_listen(w->kafka, &any, &w->addr, NULL), "listen");
    with_events ? open_events(w) : open_http(w);
    buf_init(&w->request, REQUEST_MAX);
}

static void world_deinit(struct world *w)
{
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (w->clients[i].sock != NULL) {
            env_sock_close(w->clients[i].sock);
            buf_deinit(&w->clients[i].in);
            buf_deinit(&w->clients[i].own);
        }
    }
    buf_deinit(&w->request);
    if (w->engine != NULL) {
        api_stop(w->api);
        es_stop(w->es);
    }
    net_destroy(w->net);
    groups_stop(w->groups);
    store_close(w->store);
    kafka_destroy(w->kafka);
    if (w->engine != NULL) {
        api_destroy(w->api);
        es_destroy(w->es);
        engine_destroy(w->engine);
    }
    http_destroy(w->http);
    groups_destroy(w->groups);
    broker_destroy(w->broker);
    metrics_destroy(w->metrics);
    config_deinit(&w->config);
    env_poll_destroy(w->poll);
    pool_deinit(&w->pool);
    env_destroy(w->env);
}

/* The server's loop, once. */
static void turn(struct world *w)
{
    env_poll_run(w->poll, 1000000);
    store_tick(w->store);
    groups_tick(w->groups, env_mono_ns(w->env));
    if (w->engine != NULL) {
        es_tick(w->es);
        api_tick(w->api);
        (void)engine_tick(w->engine, env_mono_ns(w->env));
    }
    net_timers_run(w->net, env_mono_ns(w->env));
    store_kick(w->store, true);
    store_kick(w->store, false);
    kafka_on_ready(w->kafka);
    net_flush(w->net);
}

/* Virtual seconds in which the store packs, flushes and checkpoints. */
static void rest(struct world *w, int seconds)
{
    for (int i = 0; i < seconds * 10; i++) {
        env_sim_advance_ns(w->env, 100000000);
        turn(w);
        turn(w);
    }
}

/* ---- Clients */

static void clients_open(struct world *w, int count)
{
    for (int i = 0; i < count; i++) {
        buf_init(&w->clients[i].in, REQUEST_MAX);
        buf_init(&w->clients[i].own, REQUEST_MAX);
        const struct env_addr *addr = w->over_http ? &w->http_addr : &w->addr;
        need(env_connect(w->env, addr, &w->clients[i].sock, NULL), "connect");
        turn(w);
    }
}

static bool send_some(struct world *w, struct client *c, size_t *at)
{
    const struct buf *request = c->own.n > 0 ? &c->own : &w->request;
    struct iovec iov = {request->p + *at, request->n - *at};
    size_t sent = 0;
    enum err e = *at < request->n ? env_sendv(c->sock, &iov, 1, &sent) : ERR_OK;
    if (e != ERR_AGAIN) {
        need(e, "send");
        *at += sent;
    }
    return *at == request->n;
}

static bool receive_some(const struct world *w, struct client *c)
{
    for (;;) {
        uint8_t *room = buf_reserve(&c->in, 65536) ? c->in.p + c->in.n : NULL;
        size_t got = 0;
        if (room == NULL) {
            die("receive", "the answer is too large");
        }
        enum err e = env_recv(c->sock, room, 65536, &got);
        if (e == ERR_AGAIN) {
            break;
        }
        if (e != ERR_OK || got == 0) {
            die("receive", "the connection was closed");
        }
        c->in.n += got;
    }
    if (w->over_http) {
        const char *end = memmem(c->in.p, c->in.n, "\r\n\r\n", 4);
        const char *length = end == NULL ? NULL : memmem(c->in.p, c->in.n, "Content-Length: ", 16);
        return length != NULL &&
               (char *)c->in.p + c->in.n >= end + 4 + strtoul(length + 16, NULL, 10);
    }
    return c->in.n >= 4 && c->in.n >= 4 + (size_t)get_be32(c->in.p);
}

/* The request of this moment from the first `count` clients at once; returns when all are answered.
 * Not static and not inlined: callgrind begins and ends to count with it. */
void count_this(struct world *w, int count);
__attribute__((noinline)) void count_this(struct world *w, int count)
{
    size_t sent[CLIENTS_MAX] = {0};
    bool answered[CLIENTS_MAX] = {false};
    for (int i = 0; i < count; i++) {
        buf_clear(&w->clients[i].in);
    }
    for (int turns = 0, left = count; left > 0; turns++) {
        for (int i = 0; i < count; i++) {
            if (!answered[i] && send_some(w, &w->clients[i], &sent[i]) &&
                receive_some(w, &w->clients[i])) {
                answered[i] = true;
                left--;
            }
        }
        if (left > 0) {
            turn(w);
        }
        if (turns == TURNS_MAX) {
            die("wait", "no answer");
        }
    }
}

static __attribute__((noinline)) void uncounted(struct world *w, int count)
{
    /* Through a pointer, so that the compiler makes no second copy of count_this for this call. */
    void (*volatile f)(struct world *, int) = count_this;
    f(w, count);
}

/* ---- Requests */

static void request(struct world *w, int16_t key, int16_t version, const void *body)
{
    struct ectx ec = {0};
    buf_clear(&w->request);
    if (wire_request_put(&w->request, NULL, wire_api_find(key), version, 1, STR_LIT("paths"), body,
                         &ec) != ERR_OK) {
        die("request", ec.text);
    }
}

static void create_topic(struct world *w, int32_t partitions)
{
    struct wire_create_topics_request req;
    struct wire_create_topics_request_topic t;
    WIRE_INIT(wire_create_topics_request, &req);
    WIRE_INIT(wire_create_topics_request_topic, &t);
    t.name = STR_LIT("orders");
    t.num_partitions = partitions;
    t.replication_factor = -1;
    req.topics = &t;
    req.topics_count = 1;
    request(w, 19, 5, &req);
    uncounted(w, 1);
    rest(w, 1);
}

/* A batch of `records` records of `bytes`. */
static void make_batch(struct world *w, int records, size_t bytes, struct buf *out)
{
    struct batch_builder b;
    struct batch_spec spec;
    static char value[65536];
    uint32_t seed = 1;
    batch_builder_init(&b, REQUEST_MAX);
    batch_spec_init(&spec);
    for (int i = 0; i < records; i++) {
        for (size_t j = 0; j < bytes; j++) {
            seed = seed * 1664525u + 1013904223u;
            value[j] = (char)('a' + (seed >> 24) % 26);
        }
        need(batch_builder_append(&b, env_wall_ms(w->env), STR_NULL, str_make(value, bytes), NULL,
                                  0),
             "record");
    }
    need(batch_builder_finish(&b, &spec, NULL, out, NULL), "batch");
    batch_builder_deinit(&b);
}

/* Produce with a batch for each of the partitions 0..partitions-1. */
static void produce_request(struct world *w, int partitions, int records, size_t bytes)
{
    struct wire_produce_request req;
    struct wire_produce_request_topic t;
    static struct wire_produce_request_partition p[SPREAD];
    struct buf batch;
    buf_init(&batch, REQUEST_MAX);
    make_batch(w, records, bytes, &batch);
    WIRE_INIT(wire_produce_request, &req);
    WIRE_INIT(wire_produce_request_topic, &t);
    for (int i = 0; i < partitions; i++) {
        WIRE_INIT(wire_produce_request_partition, &p[i]);
        p[i].index = i;
        p[i].records = (struct wire_records){.p = batch.p, .n = (int64_t)batch.n};
    }
    t.name = STR_LIT("orders");
    t.partition_data = p;
    t.partition_data_count = partitions;
    req.acks = -1;
    req.timeout_ms = 30000;
    req.topic_data = &t;
    req.topic_data_count = 1;
    request(w, 0, 9, &req);
    buf_deinit(&batch);
}

static void fetch_request(struct world *w, int64_t offset, int32_t max_bytes)
{
    struct wire_fetch_request req;
    struct wire_fetch_request_topic t;
    struct wire_fetch_request_partition p;
    WIRE_INIT(wire_fetch_request, &req);
    WIRE_INIT(wire_fetch_request_topic, &t);
    WIRE_INIT(wire_fetch_request_partition, &p);
    p.fetch_offset = offset;
    p.partition_max_bytes = max_bytes;
    t.topic = STR_LIT("orders");
    t.partitions = &p;
    t.partitions_count = 1;
    req.min_bytes = 1;
    req.max_bytes = max_bytes;
    req.session_epoch = -1;
    req.topics = &t;
    req.topics_count = 1;
    request(w, 1, 12, &req);
}

static void commit_request(struct world *w, int64_t offset)
{
    struct wire_offset_commit_request req;
    struct wire_offset_commit_request_topic t;
    struct wire_offset_commit_request_partition p;
    WIRE_INIT(wire_offset_commit_request, &req);
    WIRE_INIT(wire_offset_commit_request_topic, &t);
    WIRE_INIT(wire_offset_commit_request_partition, &p);
    p.committed_offset = offset;
    p.committed_metadata = STR_LIT("");
    t.name = STR_LIT("orders");
    t.partitions = &p;
    t.partitions_count = 1;
    req.group_id = STR_LIT("billing");
    req.member_id = STR_LIT("");
    req.generation_id_or_member_epoch = -1;
    req.topics = &t;
    req.topics_count = 1;
    request(w, 8, 8, &req);
}

/* The answer must be at least as long as one without errors is. */
static void expect(const struct world *w, size_t bytes)
{
    if (w->clients[0].in.n < bytes) {
        char text[64];
        snprintf(text, sizeof(text), "it has %zu bytes, expected were %zu", w->clients[0].in.n,
                 bytes);
        die("answer", text);
    }
}

/* ---- The paths */

static void produce_small(struct world *w, int times)
{
    create_topic(w, 1);
    produce_request(w, 1, 1, 1024);
    for (int i = -10; i < times; i++) { /* some first, so that tables have grown */
        i < 0 ? uncounted(w, 1) : count_this(w, 1);
    }
    expect(w, 40);
}

static void produce_many(struct world *w, int times)
{
    create_topic(w, 1);
    produce_request(w, 1, 1, 100);
    for (int i = -10; i < times; i++) {
        i < 0 ? uncounted(w, CLIENTS_MAX) : count_this(w, CLIENTS_MAX);
    }
    expect(w, 40);
}

static void produce_large(struct world *w, int times)
{
    create_topic(w, 1);
    produce_request(w, 1, 8000, 100);
    for (int i = -2; i < times; i++) {
        i < 0 ? uncounted(w, 1) : count_this(w, 1);
        rest(w, 1);
    }
    expect(w, 40);
}

static void produce_spread(struct world *w, int times)
{
    create_topic(w, SPREAD);
    produce_request(w, SPREAD, 1, 1024);
    for (int i = -2; i < times; i++) {
        i < 0 ? uncounted(w, 1) : count_this(w, 1);
    }
    expect(w, 40 + SPREAD * 20);
}

static void fetch_tail(struct world *w, int times)
{
    create_topic(w, 1);
    for (int i = 0; i < times; i++) {
        produce_request(w, 1, 1, 1024);
        uncounted(w, 1);
        fetch_request(w, i, 1 << 20);
        count_this(w, 1);
        expect(w, 1024);
    }
}

static void fetch_cold(struct world *w, int times)
{
    create_topic(w, 1);
    produce_request(w, 1, 100, 1024);
    for (int i = 0; i < 40; i++) {
        uncounted(w, 1);
    }
    rest(w, 120); /* a checkpoint has packed everything */
    for (int i = 0; i < times; i++) {
        fetch_request(w, i % 4 * 500, 1 << 20);
        count_this(w, 1);
        expect(w, 100000); /* the simulated page cache holds less now and then */
    }
}

static void offset_commit(struct world *w, int times)
{
    create_topic(w, 1);
    for (int i = -10; i < times; i++) {
        commit_request(w, i + 10);
        i < 0 ? uncounted(w, 1) : count_this(w, 1);
        expect(w, 20);
    }
}

/* As a client library sends it. */
static void http_post(struct world *w, int times)
{
    buf_put_z(&w->request, "POST /api/v1/streams/order-123456/events HTTP/1.1\r\n"
                           "Host: 127.0.0.1:8080\r\n"
                           "User-Agent: client/1.0\r\n"
                           "Accept: application/json\r\n"
                           "Content-Type: application/json\r\n"
                           "If-Match: \"r5\"\r\n"
                           "Content-Length: 1024\r\n\r\n");
    memset(buf_extend(&w->request, 1024), 'x', 1024);
    for (int i = -10; i < times; i++) {
        i < 0 ? uncounted(w, 1) : count_this(w, 1);
    }
    expect(w, HTTP_ANSWER + 100);
}

/* The `round`th append of a client to its stream: it expects the revision that the one before has
 * made. */
static void append_request(struct world *w, int client, int round, int events)
{
    static char text[1024];
    struct buf body;
    memset(text, 'x', sizeof(text));
    buf_init(&body, REQUEST_MAX);
    buf_put_z(&body, "{\"expected\":");
    if (round == 0) {
        buf_put_z(&body, "\"no_stream\"");
    } else {
        buf_printf(&body, "%11d", round * events - 1);
    }
    buf_put_z(&body, ",\"events\":[");
    for (int i = 0; i < events; i++) {
        buf_printf(&body, "%s{\"id\":\"e-%06d\",\"type\":\"OrderPlaced\",\"data\":{\"text\":\"",
                   i == 0 ? "" : ",", round * events + i);
        buf_put(&body, text, sizeof(text));
        buf_put_z(&body, "\"}}");
    }
    buf_put_z(&body, "]}");
    struct buf *out = &w->clients[client].own;
    buf_clear(out);
    buf_printf(out,
               "POST /api/v1/streams/order-%06d/events HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
               client, body.n);
    buf_put(out, body.p, body.n);
    buf_deinit(&body);
}

static void append_events(struct world *w, int times, int clients, int events)
{
    for (int i = 0; i < 1000 && !w->es_ready; i++) {
        turn(w);
    }
    for (int i = 0; i < times + 10; i++) {
        for (int c = 0; c < clients; c++) {
            append_request(w, c, i, events);
        }
        i < 10 ? uncounted(w, clients) : count_this(w, clients);
        for (int c = 0; c < clients; c++) {
            if (memcmp(w->clients[c].in.p, "HTTP/1.1 201", 12) != 0) {
                die("append", (const char *)w->clients[c].in.p);
            }
        }
    }
}

static void append_event(struct world *w, int times)
{
    append_events(w, times, 1, 1);
}

static void append_many(struct world *w, int times)
{
    append_events(w, times, CLIENTS_MAX, 1);
}

static void append_batch(struct world *w, int times)
{
    append_events(w, times, 1, 100);
}

static const struct {
    const char *name, *what;
    void (*run)(struct world *w, int times);
    int clients, times;
} paths[] = {
    {"produce-small", "Produce, one record of 1 KiB", produce_small, 1, 400},
    {"produce-64", "Produce, one record of 100 B from 64 connections at once", produce_many,
     CLIENTS_MAX, 20},
    {"produce-large", "Produce, 8,000 records of 100 B", produce_large, 1, 10},
    {"produce-spread", "Produce, a record of 1 KiB for each of 100 partitions", produce_spread, 1,
     20},
    {"fetch-tail", "Fetch of the newest record of 1 KiB", fetch_tail, 1, 400},
    {"fetch-cold", "Fetch of up to 1 MiB from a segment", fetch_cold, 1, 120},
    {"offset-commit", "OffsetCommit of one partition", offset_commit, 1, 400},
    {"http-post", "HTTP POST of 1 KiB, answered with 200 B", http_post, 1, 400},
    {"es-append", "conditional append of one event of 1 KiB over HTTP", append_event, 1, 400},
    {"es-append-64", "the same from 64 connections at once", append_many, CLIENTS_MAX, 20},
    {"es-append-100", "conditional append of 100 events of 1 KiB over HTTP", append_batch, 1, 20},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(paths) && argc > 1; i++) {
        if (strcmp(argv[1], "--list") == 0) {
            printf("%s %d %s\n", paths[i].name, paths[i].times, paths[i].what);
        } else if (strcmp(argv[1], paths[i].name) == 0) {
            static struct world w;
            mem_keep_begin(); /* as a server does */
            world_init(&w, strncmp(paths[i].name, "es-", 3) == 0);
            w.over_http = paths[i].run == http_post || w.engine != NULL;
            clients_open(&w, paths[i].clients);
            paths[i].run(&w, argc > 2 ? atoi(argv[2]) : paths[i].times);
            world_deinit(&w);
            return 0;
        }
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        return 0;
    }
    fprintf(stderr, "usage: paths NAME [TIMES] | paths --list\n");
    return 2;
}
