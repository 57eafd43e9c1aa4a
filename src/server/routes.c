/* The operator's endpoints: is it alive, does it serve, what are its numbers. */
#include <stdio.h>

#include "server/server_int.h"

#define METRICS_TEXT_MAX (64u * 1024 * 1024)

static void get_healthz(void *ctx, struct http_request *r)
{
    const struct server *s = ctx;
    bool well = !s->failed;
    http_reply(r, well ? 200 : 503, "text/plain; charset=utf-8",
               well ? STR_LIT("ok\n") : STR_LIT("the store has stopped\n"));
}

/* Kafka clients are served before the event store has read what its index lacks; whoever asks for
 * readiness wants all of it. */
const char *server_not_ready(const struct server *s, char out[SERVER_WHY_SIZE])
{
    struct store_stall stall = {.full = false};
    if (!s->ready || s->stopping || s->failed) {
        return s->stopping ? "stopping" : "not ready";
    }
    if (store_stalled(s->store, &stall) && stall.full) {
        (void)snprintf(out, SERVER_WHY_SIZE, "not ready: nothing can be stored: %s", stall.why);
        return out;
    }
    if (s->es == NULL || !es_ready(s->es)) {
        return s->es_failed || s->es_ready
                   ? "not ready: the event store has failed; the log says why"
                   : "not ready: the event store is starting";
    }
    if (!s->proj_ready) {
        return s->proj_failed ? "not ready: projections could not start; the log says why"
                              : "not ready: the definitions of projections are being read";
    }
    return api_ready(s->api)
               ? NULL
               : "not ready: the Idempotency-Keys are being read, or could not be (the log says)";
}

static void get_readyz(void *ctx, struct http_request *r)
{
    char room[SERVER_WHY_SIZE];
    char text[SERVER_WHY_SIZE + 2];
    const char *why = server_not_ready(ctx, room);
    int n = snprintf(text, sizeof(text), "%s\n", why == NULL ? "ready" : why);
    http_reply(r, why == NULL ? 200 : 503, "text/plain; charset=utf-8", str_make(text, (size_t)n));
}

static void get_metrics(void *ctx, struct http_request *r)
{
    const struct server *s = ctx;
    struct buf b;
    buf_init(&b, METRICS_TEXT_MAX);
    metrics_write(s->metrics, &b);
    if (buf_failed(&b)) {
        struct ectx ec = {0};
        IGNORE(ectx_fail(&ec, ERR_NO_MEMORY, "the metrics do not fit into memory"));
        http_problem(r, ERR_NO_MEMORY, &ec);
    } else {
        http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&b));
    }
    buf_deinit(&b);
}

static const struct http_route ROUTES[] = {
    {"GET", "/healthz", get_healthz, "200 while the process works."},
    {"GET", "/readyz", get_readyz,
     "200 while clients are served, of Kafka and of the API; else why not."},
    {"GET", "/metrics", get_metrics, "All metrics as Prometheus text."},
};

MUST_USE enum err server_routes_add(struct server *s)
{
    return http_routes_add(s->http, ROUTES, ARRAY_LEN(ROUTES), s);
}
