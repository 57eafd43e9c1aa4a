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

static void get_readyz(void *ctx, struct http_request *r)
{
    const struct server *s = ctx;
    struct store_stall stall = {.full = false};
    if (s->ready && !s->stopping && !s->failed && store_stalled(s->store, &stall) && stall.full) {
        char text[448];
        int n = snprintf(text, sizeof(text), "not ready: nothing can be stored: %s\n", stall.why);
        http_reply(r, 503, "text/plain; charset=utf-8", str_make(text, (size_t)n));
        return;
    }
    if (s->ready && !s->stopping && !s->failed) {
        http_reply(r, 200, "text/plain; charset=utf-8", STR_LIT("ready\n"));
        return;
    }
    http_reply(r, 503, "text/plain; charset=utf-8",
               s->stopping ? STR_LIT("stopping\n") : STR_LIT("not ready\n"));
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
    {"GET", "/readyz", get_readyz, "200 while clients are served."},
    {"GET", "/metrics", get_metrics, "All metrics as Prometheus text."},
};

MUST_USE enum err server_routes_add(struct server *s)
{
    return http_routes_add(s->http, ROUTES, ARRAY_LEN(ROUTES), s);
}
