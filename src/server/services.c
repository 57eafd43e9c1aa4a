/*
 * What stands on the log: the engine, the event store, the API. Opened after the store, closed
 * before it. The event store reads what its index lacks after a start; until then the API answers
 * 503, and Kafka clients are served already.
 */
#include <stdio.h>

#include "core/log.h"
#include "server/server_int.h"

#define DERIVED_DIR "derived"
#define PATH_MAX_   4096u

static void on_es_ready(void *ctx, enum err e, const struct ectx *ec)
{
    struct server *s = ctx;
    if (e == ERR_OK) {
        LOG_INFO("es.ready", KV_U64("took_ms", (env_mono_ns(s->env) - s->started_ns) / 1000000u));
        return;
    }
    LOG_ERROR("es.failed", KV_ERR(ec), KV_Z("action", "its API answers 503; all else is served"));
}

/* Folders for what can be made anew from the log. */
static enum err make_dirs(struct server *s, char *es_dir, size_t size, struct ectx *ec)
{
    char dir[PATH_MAX_];
    const char *data = config_text(&s->options.config, NULL, "leat.data", NULL);
    (void)snprintf(dir, sizeof(dir), "%s/" DERIVED_DIR, data);
    const int n = snprintf(es_dir, size, "%s/es", dir);
    if (n < 0 || (size_t)n >= size) {
        return ectx_fail(ec, ERR_CONFIG, "the name of the data directory is too long");
    }
    const enum err e = env_dir_make(s->env, dir, ec);
    return e == ERR_EXISTS ? ERR_OK : e;
}

MUST_USE enum err server_services_open(struct server *s, struct ectx *ec)
{
    char es_dir[PATH_MAX_];
    enum err e =
        engine_embedded_create(s->env, s->poll, s->store, s->broker, s->groups, &s->engine);
    if (e != ERR_OK) {
        return ectx_fail(ec, e, "could not set up the engine: %s", err_text(e));
    }
    e = make_dirs(s, es_dir, sizeof(es_dir), ec);
    e = e == ERR_OK ? es_create(s->engine, &s->options.config, s->metrics, es_dir, &s->es, ec) : e;
    if (e == ERR_OK) {
        es_start(s->es, on_es_ready, s);
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
                                          .config = &s->options.config,
                                          .metrics = s->metrics,
                                          .version = server_version};
    return api_create(&services, &s->api, ec);
}

void server_services_tick(struct server *s)
{
    es_tick(s->es);
    if (s->api != NULL) {
        api_tick(s->api);
    }
}

void server_services_stop(struct server *s)
{
    if (s->api != NULL) {
        api_stop(s->api);
    }
    if (s->es != NULL) {
        es_stop(s->es);
    }
}

void server_services_destroy(struct server *s)
{
    api_destroy(s->api);
    es_destroy(s->es);
    engine_destroy(s->engine);
}
