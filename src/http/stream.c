/*
 * Replies of unknown length: chunks over net's replies in parts (to HTTP/1.0 the plain bytes, and
 * the end of the connection is their end). The request's memory lives as long as the stream.
 *
 * To HEAD the head alone is sent, and the stream is closed in the next turn.
 */
#include <stdio.h>

#include "core/mem.h"
#include "http/http_int.h"

struct http_stream {
    struct http_exchange *exchange;
    struct http_stream_hooks hooks;
    void *ctx;
};

static void on_room(void *ctx)
{
    struct http_stream *s = ctx;
    s->hooks.writable(s->ctx);
}

static void close_unless_kept(const struct http_exchange *x)
{
    struct net_conn *conn = x->message->conn;
    if (!x->keep_alive && conn != NULL) {
        net_conn_close(conn, false, "");
    }
}

/* The stream is over, and with it the request. */
static void finish(struct http_stream *s)
{
    struct http_exchange *x = s->exchange;
    struct net_message *m = x->message;
    close_unless_kept(x);
    net_message_release(m);
    http_exchange_put(x);
}

static void on_closed(void *ctx)
{
    struct http_stream *s = ctx;
    s->hooks.closed(s->ctx);
    finish(s);
}

static void answer_no_memory(struct http_request *r)
{
    struct ectx ec = {0};
    enum err e = ectx_fail(&ec, ERR_NO_MEMORY, "out of memory for a reply in parts");
    http_problem(r, e, &ec);
}

struct http_stream *http_stream_begin(struct http_request *r, const struct http_head *head,
                                      const struct http_stream_hooks *hooks, void *ctx)
{
    static const struct net_stream_hooks NET_HOOKS = {.room = on_room, .closed = on_closed};
    struct http_exchange *x = r->internal;
    struct http *h = x->http;
    struct net_message *m = x->message;
    struct http_stream *s = arena_new(&x->arena, struct http_stream);
    const size_t need = http_head_max(x, head);
    struct buf b;
    buf_init(&b, need);
    if (http_refused_for_head(r, head)) {
        return NULL;
    }
    if (s == NULL || !buf_reserve(&b, need) || !net_stream_begin(m, &NET_HOOKS, s)) {
        buf_deinit(&b);
        answer_no_memory(r);
        return NULL;
    }
    *s = (struct http_stream){x, *hooks, ctx};
    x->keep_alive = x->keep_alive && !x->http_1_0;
    http_head_put(&b, x, head, -1);
    const struct iovec iov = {b.p, b.n};
    net_stream_put(m, &iov, 1);
    buf_deinit(&b);
    metric_observe_ns(h->duration, env_mono_ns(h->env) - x->started_ns);
    if (x->head_only) {
        net_stream_cut(m);
        close_unless_kept(x); /* when the head is out there is no connection to be found here */
    }
    return s;
}

/* The line before a chunk's bytes. */
static int chunk_line(const struct http_stream *s, size_t n, char out[24])
{
    return s->exchange->http_1_0 ? 0 : snprintf(out, 24, "%zx\r\n", n);
}

bool http_stream_write(struct http_stream *s, struct str bytes)
{
    char line[24];
    struct net_message *m = s->exchange->message;
    if (bytes.n == 0) {
        return true; /* a chunk of nothing would be the last */
    }
    const int n = chunk_line(s, bytes.n, line);
    const struct iovec iov[3] = {{line, (size_t)n},
                                 {(void *)(uintptr_t)bytes.p, bytes.n},
                                 {(void *)(uintptr_t) "\r\n", n == 0 ? 0u : 2u}};
    return net_stream_put(m, iov, 3);
}

void http_stream_end(struct http_stream *s)
{
    struct net_message *m = s->exchange->message;
    if (!s->exchange->http_1_0) {
        const struct iovec iov = {(void *)(uintptr_t) "0\r\n\r\n", 5};
        net_stream_put(m, &iov, 1);
    }
    net_stream_end(m);
    finish(s);
}

void http_stream_break(struct http_stream *s)
{
    s->exchange->keep_alive = false;
    net_stream_end(s->exchange->message);
    finish(s);
}

/* Up to the first line break, which would be the end of the field. */
static struct str one_line(struct str s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] != '\n' && s.p[n] != '\r' && s.p[n] != '\0') {
        n++;
    }
    return str_make(s.p, n);
}

/* The next line of the data: ends at LF, CR or both. */
static struct str take_line(struct str *rest)
{
    size_t n = 0;
    while (n < rest->n && rest->p[n] != '\n' && rest->p[n] != '\r') {
        n++;
    }
    const struct str line = str_make(rest->p, n);
    if (n == rest->n) {
        *rest = STR_NULL;
        return line;
    }
    n += rest->p[n] == '\r' && n + 1 < rest->n && rest->p[n + 1] == '\n' ? 2 : 1;
    *rest = str_make(rest->p + n, rest->n - n);
    return line;
}

struct event_out {
    struct http_stream *s;
    size_t bytes;
    bool counting, room;
};

static void put_field(struct event_out *o, struct str name, struct str value)
{
    if (o->counting) {
        o->bytes += name.n + value.n + 1;
        return;
    }
    const struct iovec iov[3] = {{(void *)(uintptr_t)name.p, name.n},
                                 {(void *)(uintptr_t)value.p, value.n},
                                 {(void *)(uintptr_t) "\n", 1}};
    o->room = net_stream_put(o->s->exchange->message, iov, 3);
}

static void put_event(struct event_out *o, struct str id, struct str event, struct str data)
{
    if (!str_is_null(id)) {
        put_field(o, STR_LIT("id: "), one_line(id));
    }
    if (!str_is_null(event)) {
        put_field(o, STR_LIT("event: "), one_line(event));
    }
    struct str rest = str_is_null(data) ? STR_LIT("") : data;
    do {
        const struct str line = take_line(&rest);
        put_field(o, STR_LIT("data: "), line);
    } while (!str_is_null(rest));
    put_field(o, STR_LIT(""), STR_LIT(""));
}

bool http_stream_event(struct http_stream *s, struct str id, struct str event, struct str data)
{
    char line[24];
    struct event_out o = {.s = s, .counting = true};
    struct net_message *m = s->exchange->message;
    put_event(&o, id, event, data);
    const int n = chunk_line(s, o.bytes, line);
    const struct iovec begin = {line, (size_t)n};
    const struct iovec end = {(void *)(uintptr_t) "\r\n", n == 0 ? 0u : 2u};
    net_stream_put(m, &begin, 1);
    o.counting = false;
    put_event(&o, id, event, data);
    return net_stream_put(m, &end, 1);
}

bool http_stream_comment(struct http_stream *s, struct str text)
{
    char line[264];
    const struct str first = one_line(text);
    const int n =
        snprintf(line, sizeof(line), ": %.*s\n\n", (int)(first.n > 256 ? 256 : first.n), first.p);
    return http_stream_write(s, str_make(line, (size_t)n));
}
