/*
 * `leat serve`: builds the rooms bottom to top, runs the loop, takes them down top to bottom.
 *
 * One turn of the loop: what is ready (sockets, finished jobs), timers, ticks; then the open group
 * of frames is started (by this thread itself when one client is all there is: saves two thread
 * hand-overs), then replies are sent.
 */
#include <stdio.h>
#include <string.h>

#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"
#include "server/server.h"
#include "server/server_int.h"

#ifndef LEAT_VERSION
#define LEAT_VERSION "0.1.0"
#endif
const char server_version[] = LEAT_VERSION;

static void on_advance(void *ctx, struct store_part *part)
{
    const struct server *s = ctx;
    broker_on_advance(s->broker, part);
    if (s->engine != NULL) {
        engine_on_advance(s->engine);
    }
}

static void on_ready(void *ctx)
{
    const struct server *s = ctx;
    kafka_on_ready(s->kafka);
    engine_on_ready(s->engine);
}

static void on_store_failure(void *ctx, const struct ectx *ec)
{
    struct server *s = ctx;
    s->failed = true;
    LOG_ERROR("store.failed", KV_ERR(ec),
              KV_Z("action", "stopping; the next start reads what the device really holds"));
}

static void on_signal(void *ctx, int number)
{
    struct server *s = ctx;
    s->stopping = true;
    s->signal_number = number;
}

static void on_topic_gone(void *ctx, struct str topic)
{
    const struct server *s = ctx;
    groups_topic_deleted(s->groups, topic);
}

static bool topic_exists(void *ctx, struct str name, struct uuid id)
{
    const struct server *s = ctx;
    const struct topic *t = broker_topic(s->broker, name);
    return t != NULL && uuid_eq(t->id, id);
}

static void store_config_of(const struct config *c, struct store_config *out)
{
    store_config_init(out);
    out->dir = config_text(c, NULL, "leat.data", NULL);
    out->ring_file_bytes = (uint32_t)config_i64(c, NULL, "leat.wal.file.bytes");
    out->ring_file_count = (uint32_t)config_i64(c, NULL, "leat.wal.files");
    out->inline_max_bytes = (uint32_t)config_i64(c, NULL, "leat.inline.max.bytes");
    out->checkpoint_bytes = (uint64_t)config_i64(c, NULL, "leat.checkpoint.bytes");
    int64_t ms = config_i64(c, NULL, "leat.checkpoint.ms");
    out->checkpoint_ms = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
    out->tail_memory_bytes = (uint64_t)config_i64(c, NULL, "leat.tail.memory.bytes");
    out->scrub_bytes_per_second = (uint64_t)config_i64(c, NULL, "leat.scrub.bytes.per.second");
    out->scrub_interval_ms = (uint64_t)config_i64(c, NULL, "leat.scrub.interval.ms");
    out->start_without_log = (uint64_t)config_i64(c, NULL, "leat.start.without.log");
    out->start_without_unreadable = config_bool(c, NULL, "leat.start.without.unreadable");
    out->min_free_bytes = (uint64_t)config_i64(c, NULL, "leat.min.free.bytes");
}

static enum err open_store(struct server *s, struct ectx *ec)
{
    const struct config *c = &s->options.config;
    struct store_config cfg;
    store_config_of(c, &cfg);
    cfg.pool = &s->pool;
    struct store_participant participants[3];
    broker_participants(s->broker, participants);
    participants[2] = groups_participant(s->groups);
    enum err e =
        store_open(s->env, s->poll, &cfg, participants, ARRAY_LEN(participants), &s->store, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct store_hooks hooks = {
        .ctx = s, .on_advance = on_advance, .on_ready = on_ready, .on_failure = on_store_failure};
    store_set_hooks(s->store, &hooks);
    broker_attach(s->broker, s->store);
    groups_attach(s->groups, s->store);
    groups_forget_topics(s->groups, topic_exists, s);
    broker_on_topic_gone(s->broker, on_topic_gone, s);
    return ERR_OK;
}

/*
 * Connections never take every descriptor: the store must be able to open files whatever clients
 * do. It keeps up to an eighth of the limit open (at most 512), twice that before a checkpoint, and
 * the ring.
 */
static uint32_t connections_max(const struct server *s)
{
    const struct config *c = &s->options.config;
    const uint64_t limit = env_open_files_limit(s->env);
    const uint64_t ring = (uint64_t)config_i64(c, NULL, "leat.wal.files");
    const uint64_t share = limit / 4 < 1024 ? limit / 4 : 1024;
    const uint64_t kept = share + ring + SERVER_FILES_KEPT;
    const uint64_t room = limit > kept ? limit - kept : 1;
    const uint64_t wanted = (uint64_t)config_i64(c, NULL, "max.connections");
    if (limit == 0 || wanted <= room) {
        return (uint32_t)wanted;
    }
    LOG_INFO("connections.limited", KV_U64("limit", room), KV_U64("max.connections", wanted),
             KV_U64("open_files", limit),
             KV_Z("hint", "for more, raise the limit of open files (ulimit -Hn, LimitNOFILE=)"));
    return (uint32_t)room;
}

static enum err open_net(struct server *s, struct ectx *ec)
{
    const struct config *c = &s->options.config;
    int64_t idle_ms = config_i64(c, NULL, "connections.max.idle.ms");
    struct net_config cfg = {
        .max_connections = connections_max(s),
        .request_memory_bytes = (uint64_t)config_i64(c, NULL, "leat.request.memory.bytes"),
        .send_queue_bytes = 64ull * 1024 * 1024,
        .idle_ms = idle_ms < 0 ? UINT64_MAX / 2000000 : (uint64_t)idle_ms,
        .stall_ms = 30000,
        .pool = &s->pool,
    };
    return net_create(s->env, s->poll, &cfg, s->metrics, &s->net, ec);
}

static enum err open_rim(struct server *s, struct ectx *ec)
{
    struct kafka_services services = {.env = s->env,
                                      .net = s->net,
                                      .store = s->store,
                                      .broker = s->broker,
                                      .groups = s->groups,
                                      .metrics = s->metrics,
                                      .config = &s->options.config,
                                      .advertised = s->options.advertise};
    enum err e = kafka_create(&services, &s->kafka);
    const uint32_t body_max =
        (uint32_t)config_i64(&s->options.config, NULL, "leat.http.body.max.bytes");
    e = e == ERR_OK ? http_create(s->env, s->net, s->metrics, body_max, &s->http) : e;
    e = e == ERR_OK ? server_routes_add(s) : e;
    if (e != ERR_OK) {
        return ectx_fail(ec, e, "could not set up the protocols: %s", err_text(e));
    }
    e = http_origins_set(
        s->http, str_of(config_text(&s->options.config, NULL, "leat.http.cors.origins", NULL)), ec);
    e = e == ERR_OK ? server_api_open(s, ec) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = kafka_listen(s->kafka, &s->options.kafka, &s->kafka_bound, ec);
    if (e != ERR_OK) {
        ectx_hint(ec, "another broker may be running; choose a port with --kafka HOST:PORT");
        return e;
    }
    e = http_listen(s->http, &s->options.http, &s->http_bound, ec);
    if (e != ERR_OK) {
        ectx_hint(ec, "choose a port with --http HOST:PORT");
    }
    return e;
}

static enum err open_all(struct server *s, struct ectx *ec)
{
    pool_init(&s->pool, SERVER_POOL_KEEP);
    enum err e = env_poll_create(s->env, &s->poll, ec);
    e = e == ERR_OK ? env_poll_on_signal(s->poll, on_signal, s, ec) : e;
    s->metrics = metrics_create();
    if (e == ERR_OK && s->metrics == NULL) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "could not set up metrics: out of memory");
    }
    e = e == ERR_OK ? open_net(s, ec) : e;
    if (e == ERR_OK) {
        e = broker_create(s->env, &s->options.config, s->metrics, &s->broker);
        e = e == ERR_OK ? groups_create(s->env, &s->options.config, s->metrics, &s->groups) : e;
        if (e != ERR_OK) {
            return ectx_fail(ec, e, "could not set up the broker: %s", err_text(e));
        }
        e = open_store(s, ec);
    }
    e = e == ERR_OK ? server_services_open(s, ec) : e;
    if (e == ERR_OK) {
        server_gauges_add(s);
        e = open_rim(s, ec);
    }
    return e;
}

/* Ends with everything that must be on the disk on it; what was memory is given back, unless a job
 * that never ended still uses it. */
static void close_all(struct server *s)
{
    server_services_stop(s);
    net_destroy(s->net);
    if (s->groups != NULL) {
        groups_stop(s->groups);
    }
    store_close(s->store);
    if (s->stuck) {
        return;
    }
    server_services_destroy(s);
    http_destroy(s->http);
    kafka_destroy(s->kafka);
    groups_destroy(s->groups);
    broker_destroy(s->broker);
    metrics_destroy(s->metrics);
    env_poll_destroy(s->poll);
    pool_deinit(&s->pool);
    server_options_deinit(&s->options);
}

struct ticks {
    uint64_t next_tick, next_second, groups_due, timers_due, engine_due;
};

static void run_ticks(struct server *s, struct ticks *t)
{
    uint64_t now = env_mono_ns(s->env);
    if (now >= t->next_tick) {
        store_tick(s->store);
        server_services_tick(s);
        t->next_tick = now + SERVER_TICK_NS;
    }
    if (now >= t->next_second) {
        broker_tick(s->broker);
        pool_trim(&s->pool);
        t->next_second = now + 10 * SERVER_TICK_NS;
    }
    if (now >= t->groups_due || groups_dirty(s->groups)) {
        t->groups_due = groups_tick(s->groups, now);
    }
    t->timers_due = net_timers_run(s->net, now);
}

static uint64_t time_to_wait(const struct server *s, const struct ticks *t)
{
    uint64_t due = t->next_tick;
    due = t->groups_due < due ? t->groups_due : due;
    due = t->timers_due < due ? t->timers_due : due;
    due = t->engine_due < due ? t->engine_due : due;
    uint64_t now = env_mono_ns(s->env);
    return due > now ? due - now : 0;
}

static void turn(struct server *s, struct ticks *t)
{
    env_poll_run(s->poll, time_to_wait(s, t));
    run_ticks(s, t);
    store_kick(s->store, net_take_active(s->net) <= 1);
    store_kick(s->store, false); /* what the first one's completions appended */
    kafka_on_ready(s->kafka);    /* room that came and went within this turn is no news */
    t->engine_due = engine_tick(s->engine, env_mono_ns(s->env));
    store_kick(s->store, false); /* what these two have appended must not wait for the next turn */
    net_flush(s->net);
}

static void run(struct server *s)
{
    struct ticks t = {0};
    while (!s->stopping && !s->failed) {
        turn(s, &t);
    }
    if (s->failed) {
        return;
    }
    LOG_INFO("server.stopping", KV_I64("signal", s->signal_number));
    net_stop_accepting(s->net);
    uint64_t begun = env_mono_ns(s->env);
    bool groups_told = false;
    kafka_stop(s->kafka);
    api_stop(s->api);
    while (!net_drain(s->net) && !s->failed && env_mono_ns(s->env) - begun < SERVER_DRAIN_NS) {
        if (!groups_told && env_mono_ns(s->env) - begun > SERVER_GROUPS_NS) {
            groups_stop(s->groups); /* nobody will complete a rebalance any more */
            groups_told = true;
        }
        turn(s, &t);
    }
}

static void print_ready(const struct server *s)
{
    const struct env_addr *k = &s->kafka_bound;
    const struct env_addr *h = &s->http_bound;
    bool k6 = strchr(k->host, ':') != NULL;
    bool h6 = strchr(h->host, ':') != NULL;
    printf("leat: ready kafka=%s%s%s:%u http=%s%s%s:%u\n", k6 ? "[" : "", k->host, k6 ? "]" : "",
           k->port, h6 ? "[" : "", h->host, h6 ? "]" : "", h->port);
    fflush(stdout);
}

static void print_error(const struct ectx *ec)
{
    fprintf(stderr, "leat: %s\n", ec->text);
    if (ec->hint[0] != '\0') {
        fprintf(stderr, "leat: hint: %s\n", ec->hint);
    }
}

static void apply_logging(const struct config *c)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    enum log_level level = LOG_LEVEL_INFO;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (strcmp(config_text(c, NULL, "leat.log.level", NULL), levels[i]) == 0) {
            level = (enum log_level)i;
        }
    }
    bool json = strcmp(config_text(c, NULL, "leat.log.format", NULL), "json") == 0;
    log_set(level, json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
}

static int serve(struct env *env, struct server *s)
{
    struct ectx ec = {0};
    s->env = env;
    s->started_ns = env_mono_ns(env);
    s->started_wall_ms = env_wall_ms(env);
    enum err e = open_all(s, &ec);
    if (e != ERR_OK) {
        print_error(&ec);
        close_all(s);
        return EXIT_FAILED;
    }
    if (config_bool(&s->options.config, NULL, "leat.insecure.allow.anonymous")) {
        LOG_WARN("server.insecure",
                 KV_Z("detail", "anonymous clients beyond loopback may read and write everything"),
                 KV_Z("option", "--insecure-allow-anonymous"));
    }
    s->ready = true;
    print_ready(s);
    mem_keep_begin();
    run(s);
    mem_keep_end();
    s->ready = false;
    bool failed = s->failed;
    close_all(s);
    LOG_INFO("server.stopped", KV_Z("how", failed ? "store failed" : "clean"));
    return failed ? EXIT_STORAGE : EXIT_OK;
}

int server_serve(int argc, char **argv, char *const *environ_block)
{
    struct ectx ec = {0};
    struct env *env = NULL;
    if (env_linux_create(&env, &ec) != ERR_OK) {
        print_error(&ec);
        return EXIT_FAILED;
    }
    uint64_t seed = 0;
    env_random(env, &seed, sizeof(seed));
    hash_set_seed(seed);
    struct server s = {0};
    int status = EXIT_USAGE;
    if (server_options_load(env, argc, argv, environ_block, &s.options, &ec) != ERR_OK) {
        print_error(&ec);
    } else if (s.options.help) {
        fputs(server_usage, stdout);
        server_options_deinit(&s.options);
        status = EXIT_OK;
    } else {
        apply_logging(&s.options.config);
        status = serve(env, &s);
    }
    if (!s.stuck) { /* else a job still uses it, and the end of the process does not wait for
                       threads */
        env_destroy(env);
    }
    return status;
}
