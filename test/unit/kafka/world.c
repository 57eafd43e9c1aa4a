/* See world.h. */
#include "world.h"

#include "core/log.h"

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
    (void)ec;
}

static void on_topic_gone(void *ctx, struct str topic)
{
    struct world *w = ctx;
    groups_topic_deleted(w->groups, topic);
}

static void open_store(struct world *w, uint32_t ring_file_bytes)
{
    struct store_config cfg;
    struct store_participant participants[3];
    struct ectx ec = {0};
    store_config_init(&cfg);
    cfg.dir = "/data";
    cfg.pool = &w->pool;
    cfg.ring_file_bytes = ring_file_bytes;
    cfg.ring_file_count = 4;
    cfg.min_free_bytes = 64 << 10;
    broker_participants(w->broker, participants);
    participants[2] = groups_participant(w->groups);
    enum err e = store_open(w->env, w->poll, &cfg, participants, 3, &w->store, &ec);
    if (e != ERR_OK) {
        fail_msg("store_open: %s %s", err_name(e), ec.text);
    }
    const struct store_hooks hooks = {w, on_advance, on_ready, on_failure};
    store_set_hooks(w->store, &hooks);
    broker_attach(w->broker, w->store);
    groups_attach(w->groups, w->store);
    broker_on_topic_gone(w->broker, on_topic_gone, w);
}

void world_init_ring(struct world *w, uint32_t ring_file_bytes)
{
    const struct env_sim_config sim = {.seed = 3, .write_ns = 1000, .sync_ns = 100000};
    const struct net_config net = {.max_connections = 100,
                                   .request_memory_bytes = 64u << 20,
                                   .send_queue_bytes = 64u << 20,
                                   .idle_ms = 600000,
                                   .stall_ms = 30000,
                                   .pool = &w->pool};
    memset(w, 0, sizeof(*w));
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    pool_init(&w->pool, 1 << 20);
    arena_init(&w->arena, 256u << 20);
    config_init(&w->config, CONFIG_SCOPE_BROKER);
    w->metrics = metrics_create();
    assert_int_equal(net_create(w->env, w->poll, &net, w->metrics, &w->net, NULL), ERR_OK);
    assert_int_equal(broker_create(w->env, &w->config, w->metrics, &w->broker), ERR_OK);
    assert_int_equal(groups_create(w->env, &w->config, w->metrics, &w->groups), ERR_OK);
    open_store(w, ring_file_bytes);
    struct kafka_services services = {.env = w->env,
                                      .net = w->net,
                                      .store = w->store,
                                      .broker = w->broker,
                                      .groups = w->groups,
                                      .metrics = w->metrics,
                                      .config = &w->config};
    assert_int_equal(kafka_create(&services, &w->kafka), ERR_OK);
    assert_int_equal(env_addr_parse(STR_LIT("127.0.0.1:0"), &w->addr, NULL), ERR_OK);
    struct env_addr bound;
    assert_int_equal(kafka_listen(w->kafka, &w->addr, &bound, NULL), ERR_OK);
    w->addr = bound;
}

void world_init(struct world *w)
{
    world_init_ring(w, 1 << 20);
}

void world_deinit(struct world *w)
{
    net_destroy(w->net);
    groups_stop(w->groups);
    store_close(w->store);
    kafka_destroy(w->kafka);
    groups_destroy(w->groups);
    broker_destroy(w->broker);
    metrics_destroy(w->metrics);
    config_deinit(&w->config);
    arena_deinit(&w->arena);
    env_poll_destroy(w->poll);
    pool_deinit(&w->pool);
    env_destroy(w->env);
}

void world_set(struct world *w, const char *name, const char *value)
{
    assert_int_equal(config_set(&w->config, str_of(name), str_of(value), CONFIG_FROM_STATIC, NULL),
                     ERR_OK);
}

void turn(struct world *w)
{
    env_poll_run(w->poll, 1000000);
    store_tick(w->store);
    groups_tick(w->groups, env_mono_ns(w->env));
    net_timers_run(w->net, env_mono_ns(w->env));
    store_kick(w->store, true);
    store_kick(w->store, false);
    kafka_on_ready(w->kafka);
    net_flush(w->net);
}

void turns(struct world *w, int n)
{
    while (n-- > 0) {
        turn(w);
    }
}

void client_open(struct world *w, struct client *c)
{
    *c = (struct client){.w = w};
    buf_init(&c->in, 64u << 20);
    assert_int_equal(env_connect(w->env, &w->addr, &c->sock, NULL), ERR_OK);
    turns(w, 3);
}

void client_close(struct client *c)
{
    env_sock_close(c->sock);
    buf_deinit(&c->in);
}

void client_send_bytes(struct client *c, const void *p, size_t n)
{
    const uint8_t *at = p;
    for (int patience = 0; n > 0 && patience < 100000; patience++) {
        struct iovec iov = {(void *)(uintptr_t)at, n};
        size_t sent = 0;
        enum err e = env_sendv(c->sock, &iov, 1, &sent);
        if (e == ERR_AGAIN) {
            turn(c->w);
            continue;
        }
        assert_int_equal(e, ERR_OK);
        at += sent;
        n -= sent;
    }
    assert_int_equal(n, 0);
}

int32_t client_send(struct client *c, int16_t key, int16_t version, const void *body)
{
    struct buf out;
    struct ectx ec = {0};
    buf_init(&out, 64u << 20);
    enum err e = wire_request_put(&out, NULL, wire_api_find(key), version, ++c->correlation_id,
                                  STR_LIT("test"), body, &ec);
    if (e != ERR_OK) {
        fail_msg("request %d v%d: %s", key, version, ec.text);
    }
    client_send_bytes(c, out.p, out.n);
    buf_deinit(&out);
    return c->correlation_id;
}

static bool whole(const struct client *c)
{
    return c->in.n >= 4 && c->in.n >= 4 + (size_t)get_be32(c->in.p);
}

/* Receives what is there; false: closed. */
static bool pump(struct client *c)
{
    uint8_t bytes[65536];
    size_t got = 0;
    enum err e = env_recv(c->sock, bytes, sizeof(bytes), &got);
    if (e == ERR_AGAIN) {
        turn(c->w);
        return true;
    }
    if (e != ERR_OK || got == 0) {
        return false;
    }
    buf_put(&c->in, bytes, got);
    return true;
}

bool client_has_answer(struct client *c)
{
    for (int i = 0; i < 40 && !whole(c); i++) {
        if (!pump(c)) {
            break;
        }
    }
    return whole(c);
}

bool client_is_closed(struct client *c)
{
    for (int i = 0; i < 100; i++) {
        if (!pump(c)) {
            return true;
        }
    }
    return false;
}

void client_receive(struct client *c, int16_t key, int16_t version, int32_t correlation_id,
                    void *out)
{
    const struct wire_api *api = wire_api_find(key);
    struct ectx ec = {0};
    for (int patience = 0; patience < 100000 && !whole(c); patience++) {
        if (!pump(c)) {
            fail_msg("%s v%d: the connection was closed", api->name, version);
        }
    }
    assert_true(whole(c));
    size_t size = 4 + (size_t)get_be32(c->in.p);
    uint8_t *copy = arena_alloc(&c->w->arena, size);
    memcpy(copy, c->in.p, size);
    memmove(c->in.p, c->in.p + size, c->in.n - size);
    c->in.n -= size;
    struct slice in = slice_of(copy + 4, size - 4);
    int32_t answered = -1;
    enum err e = wire_response_head(&in, &c->w->arena, api, version, &answered, &ec);
    if (e == ERR_OK) {
        e = wire_decode(api->response, version, &in, &c->w->arena, out, &ec);
    }
    if (e != ERR_OK) {
        fail_msg("%s v%d: %s", api->name, version, ec.text);
    }
    assert_int_equal(answered, correlation_id);
    assert_int_equal(slice_left(&in), 0);
}

void call(struct client *c, int16_t key, int16_t version, const void *req, void *res)
{
    int32_t id = client_send(c, key, version, req);
    client_receive(c, key, version, id, res);
}

void world_create(struct world *w, struct client *c, const char *name, int32_t partitions)
{
    struct wire_create_topics_request req;
    struct wire_create_topics_response res;
    WIRE_INIT(wire_create_topics_request, &req);
    req.topics = NEW(w, wire_create_topics_request_topic, 1);
    req.topics_count = 1;
    req.topics[0].name = str_of(name);
    req.topics[0].num_partitions = partitions;
    req.topics[0].replication_factor = -1;
    call(c, KEY_CREATE_TOPICS, 7, &req, &res);
    assert_int_equal(res.topics_count, 1);
    assert_int_equal(res.topics[0].error_code, 0);
    w->id = res.topics[0].topic_id;
}

struct wire_records batch_of(struct world *w, int32_t count, int64_t t, int64_t pid,
                             int32_t sequence)
{
    struct batch_builder b;
    struct batch_spec spec;
    struct record_scratch scratch;
    struct buf out;
    batch_builder_init(&b, 1 << 20);
    batch_spec_init(&spec);
    record_scratch_init(&scratch, 1 << 20);
    buf_init(&out, 1 << 20);
    for (int32_t i = 0; i < count; i++) {
        assert_int_equal(batch_builder_append(&b, t + i, STR_LIT("key"), STR_LIT("value"), NULL, 0),
                         ERR_OK);
    }
    if (pid >= 0) {
        spec.producer_id = pid;
        spec.producer_epoch = 0;
        spec.base_sequence = sequence;
    }
    assert_int_equal(batch_builder_finish(&b, &spec, &scratch, &out, NULL), ERR_OK);
    struct str copy = arena_str(&w->arena, buf_str(&out));
    buf_deinit(&out);
    record_scratch_deinit(&scratch);
    batch_builder_deinit(&b);
    return (struct wire_records){.p = (const uint8_t *)copy.p, .n = (int64_t)copy.n};
}

void produce_fill(struct world *w, struct wire_produce_request *req, const char *topic,
                  int32_t index, struct wire_records records)
{
    WIRE_INIT(wire_produce_request, req);
    req->acks = -1;
    req->transactional_id = STR_NULL;
    req->topic_data = NEW(w, wire_produce_request_topic, 1);
    req->topic_data_count = 1;
    req->topic_data[0].name = str_of(topic);
    req->topic_data[0].topic_id = w->id;
    req->topic_data[0].partition_data = NEW(w, wire_produce_request_partition, 1);
    req->topic_data[0].partition_data_count = 1;
    req->topic_data[0].partition_data[0].index = index;
    req->topic_data[0].partition_data[0].records = records;
}

struct wire_produce_response_partition produce(struct client *c, const char *topic, int32_t index,
                                               struct wire_records records)
{
    struct wire_produce_request req;
    struct wire_produce_response res;
    produce_fill(c->w, &req, topic, index, records);
    call(c, KEY_PRODUCE, 9, &req, &res);
    assert_int_equal(res.responses_count, 1);
    assert_int_equal(res.responses[0].partition_responses_count, 1);
    return res.responses[0].partition_responses[0];
}

struct wire_fetch_request *fetch_of(struct world *w, const char *topic, int32_t index,
                                    int64_t offset)
{
    struct wire_fetch_request *req = arena_new(&w->arena, struct wire_fetch_request);
    WIRE_INIT(wire_fetch_request, req);
    req->max_wait_ms = 0;
    req->min_bytes = 1;
    req->max_bytes = 1 << 20;
    req->session_id = 0;
    req->session_epoch = -1;
    req->topics = NEW(w, wire_fetch_request_topic, 1);
    req->topics_count = 1;
    req->topics[0].topic = str_of(topic);
    req->topics[0].partitions = NEW(w, wire_fetch_request_partition, 1);
    req->topics[0].partitions_count = 1;
    req->topics[0].partitions[0].partition = index;
    req->topics[0].partitions[0].fetch_offset = offset;
    req->topics[0].partitions[0].partition_max_bytes = 1 << 20;
    return req;
}
