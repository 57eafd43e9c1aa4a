/* See world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void get_hello(void *ctx, struct http_request *r)
{
    (void)ctx;
    http_reply(r, 200, "text/plain", STR_LIT("hello"));
}

static void post_echo(void *ctx, struct http_request *r)
{
    char text[4096];
    (void)ctx;
    assert_in_range(r->arena->used, 0, r->body.n + 4096); /* a body of chunks is copied once */
    struct str q = http_query_get(r, "q");
    struct str type = http_header_get(r, "content-TYPE");
    int n = snprintf(text, sizeof(text), "%.*s|%.*s|%.*s|%.*s", STR(r->params[0]), STR(q),
                     STR(type), (int)(r->body.n > 1000 ? 1000 : r->body.n), r->body.p);
    http_reply(r, 201, "text/plain", str_make(text, (size_t)n));
}

static void get_later(void *ctx, struct http_request *r)
{
    struct world *w = ctx;
    w->later = r;
}

static void on_writable(void *ctx)
{
    struct world *w = ctx;
    w->writable++;
}

static void on_closed(void *ctx)
{
    struct world *w = ctx;
    w->gone++;
    w->stream = NULL;
}

void stream_begin(struct world *w, struct http_request *r)
{
    static const struct http_stream_hooks hooks = {.writable = on_writable, .closed = on_closed};
    const struct http_head head = {.status = 200, .content_type = "application/x-ndjson"};
    w->stream = http_stream_begin(r, &head, &hooks, w);
}

static void get_stream(void *ctx, struct http_request *r)
{
    stream_begin(ctx, r);
}

void stream_whole(struct world *w, struct http_request *r, bool breaks)
{
    stream_begin(w, r);
    if (w->stream != NULL) {
        http_stream_write(w->stream, STR_LIT("all"));
        (breaks ? http_stream_break : http_stream_end)(w->stream);
        w->stream = NULL;
    }
}

static void get_whole(void *ctx, struct http_request *r)
{
    stream_whole(ctx, r, false);
}

static void get_broken(void *ctx, struct http_request *r)
{
    stream_whole(ctx, r, true);
}

static void get_with(void *ctx, struct http_request *r)
{
    const struct world *w = ctx;
    struct buf body;
    const struct http_head head = {.status = 200,
                                   .content_type = "text/plain",
                                   .headers = w->extra,
                                   .header_count = w->extra_count};
    buf_init(&body, 1u << 20);
    for (int i = 0; i < 3000; i++) {
        buf_put_z(&body, "0123456789");
    }
    http_reply_take(r, &head, &body);
    buf_deinit(&body);
}

static void get_nothing(void *ctx, struct http_request *r)
{
    const struct http_head head = {.status = 204};
    (void)ctx;
    http_reply_with(r, &head, STR_NULL);
}

static void get_problem(void *ctx, struct http_request *r)
{
    const struct world *w = ctx;
    const struct str two = STR_LIT("\"expected\":5,\"actual\":8");
    const struct http_problem_spec spec = {.code = "revision-conflict",
                                           .status = 409,
                                           .title = "Stream is at another revision",
                                           .retryable = true,
                                           .retry_after_ms = 1200,
                                           .members = str_is_null(w->members) ? two : w->members};
    struct ectx ec = {0};
    IGNORE(ectx_fail(&ec, ERR_INVALID_REQUEST, "a \"detail\""));
    http_problem_with(r, &spec, &ec);
}

static const struct http_route ROUTES[] = {
    {"GET", "/hello", get_hello, "Says hello."},
    {"POST", "/topics/{topic}/records", post_echo, "Says what it got."},
    {"GET", "/topics/{topic}/records", get_hello, "Says hello."},
    {"GET", "/later", get_later, "Answers when the test says so."},
    {"GET", "/stream", get_stream, "Streams what the test says."},
    {"GET", "/whole", get_whole, "A stream that ends in the turn in which it began."},
    {"GET", "/broken", get_broken, "One that is broken off then."},
    {"GET", "/with", get_with, "30,000 bytes with more headers."},
    {"DELETE", "/empty", get_nothing, "No content."},
    {"GET", "/problem", get_problem, "A problem."},
};

void world_open(struct world *w, const char *listen)
{
    struct net_config cfg = {.max_connections = 10,
                             .request_memory_bytes = 64u * 1024 * 1024,
                             .send_queue_bytes = 1024 * 1024,
                             .idle_ms = 60000,
                             .stall_ms = 5000};
    struct env_sim_config sim = {.seed = 11};
    *w = (struct world){.reply = malloc(WORLD_REPLY)};
    w->reply[0] = '\0';
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    w->metrics = metrics_create();
    assert_int_equal(net_create(w->env, w->poll, &cfg, w->metrics, &w->net, NULL), ERR_OK);
    assert_int_equal(http_create(w->env, w->net, w->metrics, WORLD_BODY_MAX, &w->http), ERR_OK);
    assert_int_equal(http_routes_add(w->http, ROUTES, ARRAY_LEN(ROUTES), w), ERR_OK);
    assert_int_equal(env_addr_parse(str_of(listen), &w->addr, NULL), ERR_OK);
    assert_int_equal(http_listen(w->http, &w->addr, &w->addr, NULL), ERR_OK);
    assert_int_equal(env_connect(w->env, &w->addr, &w->sock, NULL), ERR_OK);
}

void hang_up(struct world *w)
{
    env_sock_close(w->sock);
    w->sock = NULL;
}

void world_close(struct world *w)
{
    if (w->sock != NULL) {
        env_sock_close(w->sock);
    }
    net_destroy(w->net);
    http_destroy(w->http);
    metrics_destroy(w->metrics);
    env_poll_destroy(w->poll);
    env_destroy(w->env);
    free(w->reply);
}

void turn(struct world *w)
{
    size_t got = 0;
    env_poll_run(w->poll, 1000000);
    net_timers_run(w->net, env_mono_ns(w->env));
    w->drains = w->drains && !net_drain(w->net);
    net_flush(w->net);
    if (w->deaf || w->sock == NULL || w->closed) {
        return;
    }
    enum err e = env_recv(w->sock, w->reply + w->got, WORLD_REPLY - 1 - w->got, &got);
    if (e != ERR_AGAIN && (e != ERR_OK || got == 0)) {
        w->closed = true;
    }
    w->got += e == ERR_OK ? got : 0;
    w->reply[w->got] = '\0';
}

void turns(struct world *w, int n)
{
    while (n-- > 0) {
        turn(w);
    }
}

void exchange(struct world *w, const char *p, size_t n, size_t piece)
{
    w->got = 0;
    w->reply[0] = '\0';
    for (int idle = 0; idle < 60; idle++) {
        const size_t before = w->got, left = n;
        struct iovec iov = {(void *)(uintptr_t)p, n < piece ? n : piece};
        size_t sent = 0;
        if (n > 0 && !w->closed && env_sendv(w->sock, &iov, 1, &sent) == ERR_OK) {
            p += sent;
            n -= sent;
        }
        turn(w);
        idle = w->got > before || n < left ? -1 : idle;
    }
}

void ask(struct world *w, const char *text)
{
    exchange(w, text, strlen(text), SIZE_MAX);
}

void expect(struct world *w, const char *part)
{
    if (strstr(w->reply, part) == NULL) {
        fail_msg("'%s' is not in: %.2000s", part, w->reply);
    }
}

void expect_not(struct world *w, const char *part)
{
    if (strstr(w->reply, part) != NULL) {
        fail_msg("'%s' is in: %.2000s", part, w->reply);
    }
}
