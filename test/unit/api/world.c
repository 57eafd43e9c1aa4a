/* See world.h. */
#include "world.h"

#include <stdlib.h>

#include "core/log.h"

#define JSON "Content-Type: application/json\r\n"

static void on_advance(void *ctx, struct store_part *part)
{
    struct world *w = ctx;
    broker_on_advance(w->broker, part);
    if (w->engine != NULL) {
        engine_on_advance(w->engine);
    }
}

static void on_ready(void *ctx)
{
    struct world *w = ctx;
    engine_on_ready(w->engine);
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    (void)ctx;
    (void)ec;
}

static void on_known(void *ctx, enum err e, const struct ectx *ec)
{
    (void)ctx;
    (void)ec;
    assert_int_equal(e, ERR_OK);
}

static void open_log(struct world *w)
{
    struct store_config cfg;
    struct store_participant participants[3];
    struct ectx ec = {0};
    assert_int_equal(broker_create(w->env, &w->config, w->metrics, &w->broker), ERR_OK);
    assert_int_equal(groups_create(w->env, &w->config, w->metrics, &w->groups), ERR_OK);
    store_config_init(&cfg);
    cfg.dir = "/data";
    cfg.ring_file_bytes = w->events ? 16 << 20 : 1 << 20;
    cfg.ring_file_count = 4;
    cfg.min_free_bytes = 64 << 10;
    broker_participants(w->broker, participants);
    participants[2] = groups_participant(w->groups);
    enum err e = store_open(w->env, w->poll, &cfg, participants, 3, &w->store, &ec);
    if (e != ERR_OK) {
        fail_msg("store_open: %s %s", err_name(e), ec.text);
    }
    broker_attach(w->broker, w->store);
    groups_attach(w->groups, w->store);
    assert_int_equal(
        engine_embedded_create(w->env, w->poll, w->store, w->broker, w->groups, &w->engine),
        ERR_OK);
    const struct store_hooks hooks = {w, on_advance, on_ready, on_failure};
    store_set_hooks(w->store, &hooks);
}

static void open_events(struct world *w)
{
    struct ectx ec = {0};
    const enum err e = es_create(w->engine, &w->config, w->metrics, "/index", &w->es, &ec);
    if (e != ERR_OK) {
        fail_msg("es_create: %s %s", err_name(e), ec.text);
    }
    es_start(w->es, NULL, NULL);
}

static void open_projections(struct world *w)
{
    const struct proj_config cfg = {.engine = w->engine, .metrics = w->metrics, .dir = test_dir()};
    struct ectx ec = {0};
    const enum err e = proj_create(&cfg, &w->proj, &ec);
    if (e != ERR_OK) {
        fail_msg("proj_create: %s %s", err_name(e), ec.text);
    }
    proj_start(w->proj, on_known, NULL);
}

static void set_text(struct world *w, const char *name, const char *text)
{
    assert_int_equal(config_set(&w->config, str_of(name), str_of(text), CONFIG_FROM_STATIC, NULL),
                     ERR_OK);
}

static void set_number(struct world *w, const char *name, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    if (value > 0) {
        set_text(w, name, text);
    }
}

static void boot(struct world *w)
{
    const struct net_config net = {.max_connections = 100,
                                   .request_memory_bytes = 64u << 20,
                                   .send_queue_bytes = 64u << 20,
                                   .idle_ms = 600000,
                                   .stall_ms = 30000};
    struct ectx ec = {0};
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    config_init(&w->config, CONFIG_SCOPE_BROKER);
    set_number(w, "leat.idempotency.max.bytes", w->keys_bytes);
    set_number(w, "leat.es.categories.auto.max", w->categories);
    if (w->durability != NULL) {
        set_text(w, "leat.durability", w->durability);
    }
    w->metrics = metrics_create();
    open_log(w);
    if (w->events) {
        open_events(w);
    }
    if (w->projections) {
        open_projections(w);
    }
    assert_int_equal(net_create(w->env, w->poll, &net, w->metrics, &w->net, NULL), ERR_OK);
    assert_int_equal(
        http_create(w->env, w->net, w->metrics, w->events ? 16u << 20 : 1u << 20, &w->http),
        ERR_OK);
    const struct api_services services = {.env = w->env,
                                          .net = w->net,
                                          .http = w->http,
                                          .engine = w->engine,
                                          .broker = w->broker,
                                          .es = w->es,
                                          .proj = w->proj,
                                          .config = &w->config,
                                          .metrics = w->metrics,
                                          .version = "0"};
    assert_int_equal(api_create(&services, &w->api, &ec), ERR_OK);
    assert_int_equal(env_addr_parse(STR_LIT("127.0.0.1:0"), &w->addr, NULL), ERR_OK);
    assert_int_equal(http_listen(w->http, &w->addr, &w->addr, NULL), ERR_OK);
    world_dial(w);
    turns(w, 50); /* its topic is made, or read */
}

static void on_stopped(void *ctx)
{
    bool *done = ctx;
    *done = true;
}

static void halt(struct world *w)
{
    env_sock_close(w->sock);
    w->sock = NULL;
    api_stop(w->api);
    if (w->proj != NULL) {
        bool done = false;
        proj_stop(w->proj, on_stopped, &done);
        for (int i = 0; i < 10000 && !done; i++) {
            env_poll_run(w->poll, 1000000);
        }
        assert_true(done);
        proj_destroy(w->proj);
    }
    if (w->es != NULL) {
        es_stop(w->es);
    }
    net_destroy(w->net);
    groups_stop(w->groups);
    store_close(w->store);
    api_destroy(w->api);
    es_destroy(w->es);
    engine_destroy(w->engine);
    http_destroy(w->http);
    groups_destroy(w->groups);
    broker_destroy(w->broker);
    metrics_destroy(w->metrics);
    config_deinit(&w->config);
    env_poll_destroy(w->poll);
    w->engine = NULL;
    w->es = NULL;
    w->proj = NULL;
}

void world_init(struct world *w)
{
    const struct env_sim_config sim = {.seed = 11, .write_ns = 1000, .sync_ns = 100000};
    *w = (struct world){.keys_bytes = w->keys_bytes,
                        .categories = w->categories,
                        .durability = w->durability,
                        .events = w->events,
                        .projections = w->projections};
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    buf_init(&w->in, 64u << 20);
    assert_true(buf_reserve(&w->in, 4u << 20));
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    boot(w);
}

void world_deinit(struct world *w)
{
    halt(w);
    buf_deinit(&w->in);
    env_destroy(w->env);
}

void world_reopen(struct world *w, enum reopen how)
{
    if (how == REOPEN_KILL) {
        env_sim_process_kill(w->env);
    } else if (how == REOPEN_POWER_CUT) {
        env_sim_power_cut(w->env, 5 + w->choice);
    }
    halt(w);
    boot(w);
}

void world_dial(struct world *w)
{
    if (w->sock != NULL && w->closed) {
        env_sock_close(w->sock);
    }
    assert_int_equal(env_connect(w->env, &w->addr, &w->sock, NULL), ERR_OK);
    w->closed = false;
    turns(w, 2);
}

void turn(struct world *w)
{
    uint8_t bytes[4096];
    size_t got = 0;
    if (!w->hold) {
        store_kick(w->store, true);
    }
    env_poll_run(w->poll, 1000000);
    (void)groups_tick(w->groups, env_mono_ns(w->env));
    net_timers_run(w->net, env_mono_ns(w->env));
    api_tick(w->api);
    if (w->es != NULL) {
        es_tick(w->es);
    }
    if (w->proj != NULL) {
        proj_tick(w->proj);
    }
    if (!w->hold) {
        store_kick(w->store, true);
    }
    (void)engine_tick(w->engine, env_mono_ns(w->env));
    net_flush(w->net);
    enum err e = ERR_AGAIN;
    while (!w->deaf && (e = env_recv(w->sock, bytes, sizeof(bytes), &got)) == ERR_OK && got > 0) {
        buf_put(&w->in, bytes, got);
    }
    w->closed = w->closed || e != ERR_AGAIN;
}

void turns(struct world *w, int n)
{
    while (n-- > 0) {
        turn(w);
    }
}

void say(struct world *w, const char *text)
{
    size_t n = strlen(text);
    buf_clear(&w->in);
    for (int patience = 0; n > 0 && !w->closed && patience < 10000; patience++) {
        const struct iovec iov = {(void *)(uintptr_t)text, n};
        size_t sent = 0;
        if (env_sendv(w->sock, &iov, 1, &sent) == ERR_OK) {
            text += sent;
            n -= sent;
        }
        if (n > 0) {
            turn(w);
        }
    }
}

/* The answer is whole: its head, and as much of a body as it says, or the last chunk. */
static bool whole(struct world *w)
{
    const char *p = (const char *)w->in.p;
    const char *end = w->in.n == 0 ? NULL : memmem(p, w->in.n, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    const size_t at = (size_t)(end + 4 - p);
    const char *length = memmem(p, at, "Content-Length: ", 16);
    w->status = atoi(p + 9);
    w->body = str_make(p + at, w->in.n - at);
    if (length != NULL) {
        return w->body.n >= (size_t)atoll(length + 16);
    }
    if (memmem(p, at, "chunked", 7) == NULL) {
        return true;
    }
    return w->body.n >= 5 && memcmp(w->body.p + w->body.n - 5, "0\r\n\r\n", 5) == 0;
}

int hear(struct world *w)
{
    w->status = 0;
    for (int i = 0, last = 0; i - last < 300 && !w->closed; i++) {
        const size_t before = w->in.n;
        if (whole(w)) {
            break;
        }
        turn(w);
        last = w->in.n > before ? i : last;
    }
    IGNORE(whole(w));
    buf_put_u8(&w->in, 0);
    w->in.n--;
    return w->status;
}

int ask(struct world *w, const char *method, const char *target, const char *headers,
        const char *body)
{
    static char text[8u << 20]; /* no memory of core/mem.h, which may be made to fail */
    const int n = snprintf(text, sizeof(text),
                           "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                           method, target, headers,
                           body == NULL || strstr(headers, "Content-Type") != NULL ? "" : JSON,
                           body == NULL ? 0 : strlen(body), body == NULL ? "" : body);
    assert_in_range(n, 1, sizeof(text) - 1);
    say(w, text);
    return hear(w);
}

bool has(const struct world *w, const char *text)
{
    return w->in.n > 0 && memmem(w->in.p, w->in.n, text, strlen(text)) != NULL;
}

int64_t end_of(struct world *w, const char *topic, int32_t partition)
{
    int64_t start = 0, end = -1;
    IGNORE(engine_bounds(w->engine, str_of(topic), partition, &start, &end));
    return end;
}
