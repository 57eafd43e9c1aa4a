/*
 * Any bytes as an HTTP connection to a server with a few routes, over the simulated network. Input:
 * byte 0 says in what pieces the rest arrives.
 *
 * Beyond "no crash, no leak": the answers are a whole number of HTTP answers whose lengths are what
 * they say, and they are the same bytes however the requests were cut into pieces.
 *
 * libFuzzer: -len_control=0 -max_len=3000
 */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "env/env_sim.h"
#include "fuzz/common.h"
#include "http/http.h"

#define BODY_MAX 4096
#define OUT_MAX  (4u << 20)

static void on_hello(void *ctx, struct http_request *r)
{
    (void)ctx;
    http_reply(r, 200, "text/plain", STR_LIT("hello\n"));
}

static void on_echo(void *ctx, struct http_request *r)
{
    struct buf b;
    (void)ctx;
    buf_init(&b, 1u << 20);
    for (size_t i = 0; i < r->param_count; i++) {
        buf_put_str(&b, r->params[i]);
        buf_put_u8(&b, ' ');
    }
    struct str offset = http_query_get(r, "offset");
    buf_put_str(&b, str_is_null(offset) ? STR_LIT("-") : offset);
    buf_put_str(&b, r->body);
    http_reply(r, 201, "application/octet-stream", buf_str(&b));
    buf_deinit(&b);
}

static void on_refuse(void *ctx, struct http_request *r)
{
    struct ectx ec = {0};
    (void)ctx;
    struct str accept = http_header_get(r, "Accept");
    enum err e = ectx_fail(&ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "not '%.*s' %.*s",
                           STR(r->params[0]), STR(str_is_null(accept) ? STR_LIT("") : accept));
    ectx_hint(&ec, "no \"hint\" \\ at all");
    http_problem(r, e, &ec);
}

/* A stream of lines and events, more of them the longer the query is; ends when all are out. */
struct lines {
    struct http_stream *s;
    unsigned left;
};

static void lines_on(void *ctx)
{
    struct lines *l = ctx;
    bool room = true;
    while (room && l->left > 0) {
        l->left--;
        room = l->left % 2 == 0
                   ? http_stream_write(l->s, STR_LIT("{\"line\":1}\n"))
                   : http_stream_event(l->s, STR_LIT("7"), STR_LIT("record"), STR_LIT("a\nb"));
    }
    if (l->left == 0) {
        http_stream_end(l->s);
        free(l);
    }
}

static void lines_gone(void *ctx)
{
    free(ctx);
}

static void on_stream(void *ctx, struct http_request *r)
{
    static const struct http_stream_hooks hooks = {.writable = lines_on, .closed = lines_gone};
    const struct http_head head = {.status = 200, .content_type = "text/event-stream"};
    struct lines *l = calloc(1, sizeof(*l));
    (void)ctx;
    CHECK(l != NULL);
    l->left = (unsigned)r->query.n;
    const bool head_only = str_eq_z(r->method, "HEAD");
    l->s = http_stream_begin(r, &head, &hooks, l);
    CHECK(l->s != NULL);
    if (!head_only) {
        lines_on(l);
    }
}

static const struct http_route ROUTES[] = {
    {"GET", "/lines", on_stream, "stream"},           {"GET", "/readyz", on_hello, "hello"},
    {"GET", "/topics/{topic}", on_refuse, "refuse"},  {"POST", "/topics/{topic}", on_echo, "echo"},
    {"PUT", "/a/{b}/c/{d}/{e}/{f}", on_echo, "echo"},
};

struct rig {
    struct env *env;
    struct env_poll *poll;
    struct metrics *metrics;
    struct net *net;
    struct http *http;
    struct env_sock *sock;
};

static void rig_open(struct rig *r)
{
    const struct env_sim_config sim = {.seed = 3};
    const struct net_config cfg = {.max_connections = 4,
                                   .request_memory_bytes = 1u << 20,
                                   .send_queue_bytes = OUT_MAX,
                                   .idle_ms = 60000,
                                   .stall_ms = 30000};
    struct env_addr addr;
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    CHECK(env_sim_create(&sim, &r->env) == ERR_OK);
    r->metrics = metrics_create();
    CHECK(r->metrics != NULL && env_poll_create(r->env, &r->poll, NULL) == ERR_OK);
    CHECK(net_create(r->env, r->poll, &cfg, r->metrics, &r->net, NULL) == ERR_OK);
    CHECK(http_create(r->env, r->net, r->metrics, BODY_MAX, &r->http) == ERR_OK);
    CHECK(http_routes_add(r->http, ROUTES, ARRAY_LEN(ROUTES), NULL) == ERR_OK);
    CHECK(env_addr_parse(STR_LIT("127.0.0.1:0"), &addr, NULL) == ERR_OK);
    CHECK(http_listen(r->http, &addr, &addr, NULL) == ERR_OK);
    CHECK(env_connect(r->env, &addr, &r->sock, NULL) == ERR_OK);
}

static void rig_close(struct rig *r)
{
    env_sock_close(r->sock);
    net_destroy(r->net);
    http_destroy(r->http);
    metrics_destroy(r->metrics);
    env_poll_destroy(r->poll);
    env_destroy(r->env);
}

static void turn(struct rig *r, struct buf *out)
{
    uint8_t bytes[4096];
    size_t got = 0;
    env_poll_run(r->poll, 1000000);
    net_flush(r->net);
    while (env_recv(r->sock, bytes, sizeof(bytes), &got) == ERR_OK && got > 0) {
        buf_put(out, bytes, got);
    }
}

/* All that the server answers when the bytes arrive in pieces. */
static void talk(const uint8_t *p, size_t n, size_t piece, struct buf *out)
{
    struct rig r = {0};
    rig_open(&r);
    turn(&r, out);
    for (int patience = 0; n > 0 && patience < 5000; patience++) {
        size_t want = n < piece ? n : piece, done = 0;
        struct iovec iov = {(void *)(uintptr_t)p, want};
        enum err e = env_sendv(r.sock, &iov, 1, &done);
        if (e != ERR_OK && e != ERR_AGAIN) {
            break;
        }
        done = e == ERR_OK ? done : 0;
        p += done;
        n -= done;
        turn(&r, out);
    }
    /* The simulated network takes as little at a time as it likes. */
    for (int idle = 0; idle < 20; idle++) {
        size_t before = out->n;
        turn(&r, out);
        idle = out->n > before ? -1 : idle;
    }
    rig_close(&r);
}

/* What follows the last chunk. */
static struct str skip_chunks(struct str s)
{
    for (;;) {
        size_t n = 0, at = 0;
        while (at < s.n && s.p[at] != '\r') {
            const char c = s.p[at++];
            CHECK((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
            n = n * 16 + (size_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        CHECK(at > 0 && at + 2 + n + 2 <= s.n);
        CHECK(memcmp(s.p + at, "\r\n", 2) == 0 && memcmp(s.p + at + 2 + n, "\r\n", 2) == 0);
        s = str_make(s.p + at + n + 4, s.n - at - n - 4);
        if (n == 0) {
            return s;
        }
    }
}

/* The answers, one after the other. One without its body (to HEAD) is followed by the next or by
 * nothing. */
static void check_answers(struct str s)
{
    while (s.n > 0) {
        struct str rest;
        uint64_t length = UINT64_MAX;
        bool chunked = false,
             interim = str_starts(s, "HTTP/1.1 100 ") || str_starts(s, "HTTP/1.1 204 ");
        const char *end = memmem(s.p, s.n, "\r\n\r\n", 4);
        CHECK(str_starts(s, "HTTP/1.1 ") && end != NULL);
        struct str head = str_make(s.p, (size_t)(end - s.p));
        while (head.n > 0) {
            struct str line = str_trim(str_cut(head, '\n', &rest)), value;
            const struct str name = str_cut(line, ':', &value);
            if (str_eq_z(name, "Content-Length")) {
                CHECK(str_to_u64(str_trim(value), &length));
            }
            chunked = chunked || str_eq_z(name, "Transfer-Encoding");
            head = rest;
        }
        size_t at = (size_t)(end - s.p) + 4;
        s = str_make(s.p + at, s.n - at);
        if (interim) {
            continue;
        }
        if (length == UINT64_MAX) {
            if (!chunked) {
                return; /* a stream to HTTP/1.0: up to the end */
            }
            if (s.n > 0 && !str_starts(s, "HTTP/1.1 ")) {
                s = skip_chunks(s);
            }
            continue;
        }
        if (s.n > 0 && !str_starts(s, "HTTP/1.1 ")) {
            CHECK(length <= s.n);
            s = str_make(s.p + length, s.n - (size_t)length);
        }
    }
}

static void forget_time(struct buf *b)
{
    const size_t date = sizeof("\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT") - 1;
    for (size_t i = 0; i + date < b->n; i++) {
        if (memcmp(b->p + i, "\r\nDate: ", 8) == 0) {
            memset(b->p + i, '-', date);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, cut;
    if (size < 1) {
        return 0;
    }
    buf_init(&whole, OUT_MAX);
    buf_init(&cut, OUT_MAX);
    talk(data + 1, size - 1, size, &whole);
    talk(data + 1, size - 1, 1 + data[0] % 64u, &cut);
    check_answers(buf_str(&whole));
    check_answers(buf_str(&cut));
    /* A refusal closes the connection: what it says depends on what has arrived until then. */
    bool refused =
        memmem(cut.p == NULL ? "" : (char *)cut.p, cut.n, "Connection: close", 17) != NULL ||
        memmem(whole.p == NULL ? "" : (char *)whole.p, whole.n, "Connection: close", 17) != NULL;
    /* Who was seen to wait for it is told to go on; and time passes. */
    refused = refused ||
              memmem(whole.p == NULL ? "" : (char *)whole.p, whole.n, "100 Continue", 12) ||
              memmem(cut.p == NULL ? "" : (char *)cut.p, cut.n, "100 Continue", 12);
    forget_time(&whole);
    forget_time(&cut);
    CHECK(refused || str_eq(buf_str(&whole), buf_str(&cut)));
    buf_deinit(&whole);
    buf_deinit(&cut);
    return 0;
}
