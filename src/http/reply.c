/* Replies: status line, headers, body, in one buffer that is freed when it was sent. */
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/utf8.h"
#include "http/http_int.h"

static const char *reason_of(int status)
{
    switch (status) {
#define REASON(number, name, text) \
    case number:                   \
        return #text;
        HTTP_STATUS_MAP(REASON)
#undef REASON
    default:
        return "Unknown";
    }
}

static void exchange_end(struct http_exchange *x)
{
    net_message_release(x->message);
    arena_deinit(&x->arena);
    mem_free(x);
}

static void free_reply(void *ctx)
{
    mem_free(ctx);
}

void http_reply(struct http_request *r, int status, const char *content_type, struct str body)
{
    struct http_exchange *x = r->internal;
    struct http *h = x->http;
    metric_observe_ns(h->duration, env_mono_ns(h->env) - x->started_ns);
    struct buf b;
    buf_init(&b, body.n + 1024);
    buf_printf(&b, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", status,
               reason_of(status), content_type, body.n);
    buf_put_z(&b, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    if (!x->keep_alive) {
        buf_put_z(&b, "Connection: close\r\n");
    }
    buf_put_z(&b, "\r\n");
    if (!x->head_only) {
        buf_put_str(&b, body);
    }
    struct net_conn *conn = x->message->conn;
    if (buf_failed(&b)) {
        buf_deinit(&b);
        net_reply_none(x->message);
        if (conn != NULL) {
            net_conn_close(conn, true, "out of memory for an HTTP reply");
        }
    } else {
        struct iovec iov = {b.p, b.n};
        bool close = !x->keep_alive && conn != NULL;
        net_reply(x->message, &iov, 1, free_reply, b.p);
        if (close) {
            net_conn_close(conn, false, "");
        }
    }
    exchange_end(x);
}

void http_problem(struct http_request *r, enum err e, const struct ectx *ec)
{
    struct http_exchange *x = r->internal;
    int status = x->status != 0 ? x->status : err_http(e);
    struct buf b;
    buf_init(&b, 8192);
    buf_printf(&b, "{\"type\":\"about:blank\",\"title\":\"");
    utf8_json_escape(&b, str_of(err_text(e)));
    buf_printf(&b, "\",\"status\":%d,\"code\":\"%s\",\"detail\":\"", status, err_name(e));
    utf8_json_escape(&b, str_of(ec == NULL ? "" : ec->text));
    buf_put_z(&b, "\"");
    if (ec != NULL && ec->hint[0] != '\0') {
        buf_put_z(&b, ",\"hint\":\"");
        utf8_json_escape(&b, str_of(ec->hint));
        buf_put_z(&b, "\"");
    }
    buf_put_z(&b, "}\n");
    http_reply(r, status, "application/problem+json", buf_failed(&b) ? STR_LIT("{}") : buf_str(&b));
    buf_deinit(&b);
}
