/*
 * What stands on the log: the engine, the event store, the API. Opened after the store, closed
 * before it. The event store reads what its index lacks after a start; until then the API answers
 * 503, and Kafka clients are served already.
 */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "server/server_int.h"

#define DERIVED_DIR   "derived"
#define PATH_MAX_     4096u
#define STOP_GRACE_NS 2000000000u /* then what works on read models is broken off */
#define STOP_MOST_NS  7000000000u /* then it is left to the end of the process */
#define STOP_WAIT_NS  10000000u /* between two looks whether what works on read models has ended */

static void on_es_ready(void *ctx, enum err e, const struct ectx *ec)
{
    struct server *s = ctx;
    s->es_ready = e == ERR_OK;
    s->es_failed = e != ERR_OK;
    if (e == ERR_OK) {
        LOG_INFO("es.ready", KV_U64("took_ms", (env_mono_ns(s->env) - s->started_ns) / 1000000u));
        return;
    }
    LOG_ERROR("es.failed", KV_ERR(ec), KV_Z("action", "its API answers 503; all else is served"));
}

static void on_proj_ready(void *ctx, enum err e, const struct ectx *ec)
{
    struct server *s = ctx;
    s->proj_ready = e == ERR_OK;
    s->proj_failed = e != ERR_OK;
    if (e != ERR_OK) {
        LOG_ERROR("projections.failed", KV_ERR(ec),
                  KV_Z("action", "no read model is kept; all else is served"));
    }
}

static enum err dir_make(struct server *s, const char *name, char out[PATH_MAX_], struct ectx *ec)
{
    const char *data = config_text(&s->options.config, NULL, "leat.data", NULL);
    const int n = snprintf(out, PATH_MAX_, "%s/%s", data, name);
    if (n < 0 || (size_t)n >= PATH_MAX_) {
        return ectx_fail(ec, ERR_CONFIG, "the name of the data directory is too long");
    }
    const enum err e = env_dir_make(s->env, out, ec);
    return e == ERR_EXISTS ? ERR_OK : e;
}

/* The event store's upcasts for projections, which do not know it. */
static uint64_t upcasts_version(void *ctx)
{
    return es_upcasts_version(ctx);
}

static const struct str *upcasts_texts(void *ctx, struct arena *a, size_t *count)
{
    const struct es_definition *list = es_definitions(ctx, ES_UPCASTS, a, count);
    struct str *texts = list == NULL ? NULL : arena_new_n(a, struct str, *count + 1);
    for (size_t i = 0; texts != NULL && i < *count; i++) {
        texts[i] = list[i].text;
    }
    return texts;
}

static enum err open_projections(struct server *s, struct ectx *ec)
{
    char dir[PATH_MAX_];
    enum err e = dir_make(s, DERIVED_DIR "/views", dir, ec);
    const struct proj_config cfg = {.engine = s->engine,
                                    .metrics = s->metrics,
                                    .dir = dir,
                                    .append = server_action,
                                    .append_ctx = s,
                                    .upcasts = &s->upcasts};
    s->upcasts =
        (struct proj_upcasts){.ctx = s->es, .version = upcasts_version, .texts = upcasts_texts};
    e = e == ERR_OK ? proj_create(&cfg, &s->proj, ec) : e;
    if (e == ERR_OK) {
        proj_start(s->proj, on_proj_ready, s);
    }
    return e;
}

MUST_USE enum err server_services_open(struct server *s, struct ectx *ec)
{
    char dir[PATH_MAX_];
    enum err e =
        engine_embedded_create(s->env, s->poll, s->store, s->broker, s->groups, &s->engine);
    if (e != ERR_OK) {
        return ectx_fail(ec, e, "could not set up the engine: %s", err_text(e));
    }
    e = dir_make(s, DERIVED_DIR, dir, ec);
    if (e == ERR_OK) { /* the index makes its own folder in it */
        (void)snprintf(dir + strlen(dir), sizeof(dir) - strlen(dir), "/es");
        e = es_create(s->engine, &s->options.config, s->metrics, dir, &s->es, ec);
    }
    if (e == ERR_OK) {
        es_start(s->es, on_es_ready, s);
        e = open_projections(s, ec);
    }
    return e;
}

MUST_USE enum err server_api_open(struct server *s, struct ectx *ec)
{
    const struct api_services services = {.env = s->env,
                                          .net = s->net,
                                          .http = s->http,
                                          .engine = s->engine,
                                          .broker = s->broker,
                                          .es = s->es,
                                          .proj = s->proj,
                                          .config = &s->options.config,
                                          .metrics = s->metrics,
                                          .version = server_version};
    return api_create(&services, &s->api, ec);
}

void server_services_tick(struct server *s)
{
    es_tick(s->es);
    proj_tick(s->proj);
    if (s->api != NULL) {
        api_tick(s->api);
    }
}

static void on_proj_stopped(void *ctx)
{
    struct server *s = ctx;
    s->proj_stopped = true;
}

/* Transactions that are under way end first, for a while; then they are broken off. A job that ends
 * not even then (a disk that never answers) keeps what it uses, and the process ends around it. */
static void stop_projections(struct server *s)
{
    const uint64_t begun = env_mono_ns(s->env);
    uint64_t tick = begun;
    bool interrupted = false;
    proj_stop(s->proj, on_proj_stopped, s);
    while (!s->proj_stopped && env_mono_ns(s->env) - begun < STOP_MOST_NS) {
        store_kick(s->store, false);
        (void)engine_tick(s->engine, env_mono_ns(s->env));
        env_poll_run(s->poll, STOP_WAIT_NS);
        proj_tick(s->proj);
        if (env_mono_ns(s->env) - tick >= SERVER_TICK_NS) {
            tick = env_mono_ns(s->env); /* an append on its way may need room that these make */
            store_tick(s->store);
            es_tick(s->es);
        }
        if (!interrupted && env_mono_ns(s->env) - begun > STOP_GRACE_NS) {
            interrupted = true;
            proj_interrupt(s->proj);
        }
    }
    if (!s->proj_stopped) {
        LOG_ERROR("projections.stuck",
                  KV_Z("action", "the process ends all the same; a transaction "
                                 "that has not ended is rolled back"));
        s->stuck = true;
    }
}

void server_services_stop(struct server *s)
{
    if (s->api != NULL) {
        api_stop(s->api);
    }
    if (s->proj != NULL) {
        stop_projections(s);
    }
    if (s->es != NULL) {
        es_stop(s->es);
    }
}

void server_services_destroy(struct server *s)
{
    api_destroy(s->api);
    proj_destroy(s->proj);
    es_destroy(s->es);
    engine_destroy(s->engine);
}
