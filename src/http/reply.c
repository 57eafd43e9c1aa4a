/*
 * Replies: status line, headers, body. A head, and a small body behind it, lie in the exchange,
 * which lives until net has sent them; so a small reply allocates nothing.
 */
#include <stdio.h>
#include <string.h>

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

bool http_value_legal(struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        const unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool head_legal(const struct http_head *head)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (!http_value_legal(head->headers[i].value)) {
            return false;
        }
    }
    return true;
}

size_t http_head_max(const struct http_exchange *x, const struct http_head *head)
{
    size_t n =
        384 + http_origin_max(x) + (head->content_type == NULL ? 0 : strlen(head->content_type));
    for (size_t i = 0; i < head->header_count; i++) {
        n += head->headers[i].name.n + head->headers[i].value.n + 4;
    }
    return n;
}

static void put_lit(struct buf *b, struct str s)
{
    buf_put(b, s.p, s.n);
}

/* The civil date of a day since 1970-01-01, in the proleptic Gregorian calendar: counted in eras of
 * 400 years that begin in March, so that the leap day is a year's last. */
static void civil_of(int64_t days, int *year, int *month, int *day)
{
    const int64_t z = days + 719468; /* from 0000-03-01 */
    const int64_t era = z / 146097;
    const int64_t of_era = z - era * 146097;
    const int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    const int64_t m = (5 * of_year + 2) / 153; /* 0: March */
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2 ? 1 : 0));
}

void http_date_format(int64_t unix_s, char out[HTTP_DATE_SIZE])
{
    static const char days[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int year, month, day;
    const int64_t s = unix_s < 0 ? 0 : unix_s;
    const int rest = (int)(s % 86400);
    civil_of(s / 86400, &year, &month, &day);
    snprintf(out, HTTP_DATE_SIZE, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
             &days[3 * (s / 86400 % 7)], day, &months[3 * (month - 1)], year % 10000, rest / 3600,
             rest / 60 % 60, rest % 60);
}

static void put_date(struct buf *b, struct http *h)
{
    const int64_t now_s = env_wall_ms(h->env) / 1000;
    if (now_s != h->date_s) {
        http_date_format(now_s, h->date);
        h->date_s = now_s;
    }
    put_lit(b, STR_LIT("Date: "));
    buf_put_z(b, h->date);
    put_lit(b, STR_LIT("\r\n"));
}

void http_head_put(struct buf *b, const struct http_exchange *x, const struct http_head *head,
                   int64_t length)
{
    bool caches = false;
    put_lit(b, STR_LIT("HTTP/1.1 "));
    buf_put_decimal(b, (uint64_t)head->status);
    put_lit(b, STR_LIT(" "));
    buf_put_z(b, reason_of(head->status));
    put_lit(b, STR_LIT("\r\n"));
    put_date(b, x->http);
    if (head->content_type != NULL) {
        put_lit(b, STR_LIT("Content-Type: "));
        buf_put_z(b, head->content_type);
        put_lit(b, STR_LIT("\r\n"));
    }
    if (length >= 0 && head->status != 204 && head->status != 304) {
        put_lit(b, STR_LIT("Content-Length: "));
        buf_put_decimal(b, (uint64_t)length);
        put_lit(b, STR_LIT("\r\n"));
    } else if (length < 0 && !x->http_1_0) {
        put_lit(b, STR_LIT("Transfer-Encoding: chunked\r\n"));
    }
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *f = &head->headers[i];
        caches = caches || (f->name.n == 13 && memcmp(f->name.p, "Cache-Control", 13) == 0);
        buf_put(b, f->name.p, f->name.n);
        put_lit(b, STR_LIT(": "));
        buf_put(b, f->value.p, f->value.n);
        put_lit(b, STR_LIT("\r\n"));
    }
    if (!caches) {
        put_lit(b, STR_LIT("Cache-Control: no-store\r\n"));
    }
    put_lit(b, STR_LIT("X-Content-Type-Options: nosniff\r\n"));
    http_origin_put(b, x);
    if (!x->keep_alive) {
        put_lit(b, STR_LIT("Connection: close\r\n"));
    } else if (x->http_1_0) {
        put_lit(b, STR_LIT("Connection: keep-alive\r\n"));
    }
    put_lit(b, STR_LIT("\r\n"));
}

static void on_sent(void *ctx)
{
    http_exchange_put(ctx);
}

/* No reply can be made: the connection goes, so that nobody waits. */
static void give_up(struct http_exchange *x)
{
    struct net_message *m = x->message;
    struct net_conn *conn = m->conn;
    net_reply(m, NULL, 0, on_sent, x);
    if (conn != NULL) {
        net_conn_close(conn, true, "out of memory for an HTTP reply");
    }
    net_message_release(m);
}

/* Room for `size` bytes of the reply that do not lie in `out`; NULL: out of memory. */
static uint8_t *large_out(struct http_exchange *x, size_t size)
{
    x->large_out = mem_alloc(size);
    return x->large_out;
}

static void reply(struct http_exchange *x, const struct http_head *head, struct str body,
                  bool taken)
{
    struct http *h = x->http;
    struct net_message *m = x->message;
    const bool no_body = x->head_only || head->status == 204 || head->status == 304;
    const size_t copied = taken || no_body ? 0 : body.n;
    const size_t need = http_head_max(x, head) + copied;
    struct buf b = {.p = (uint8_t *)x->out, .cap = sizeof(x->out), .max = sizeof(x->out)};
    metric_observe_ns(h->duration, env_mono_ns(h->env) - x->started_ns);
    if (need > sizeof(x->out)) {
        b = (struct buf){.p = large_out(x, need), .cap = need, .max = need};
        if (b.p == NULL) {
            give_up(x);
            return;
        }
    }
    http_head_put(&b, x, head, (int64_t)body.n);
    buf_put(&b, body.p, copied);
    struct iovec iov[2] = {{b.p, b.n}, {(void *)(uintptr_t)body.p, body.n}};
    const int pieces = taken && !no_body && body.n > 0 ? 2 : 1;
    struct net_conn *conn = x->keep_alive ? NULL : m->conn;
    const bool cut_short = x->cut_short;
    net_reply(m, iov, pieces, on_sent, x); /* x may be gone now */
    if (conn != NULL && cut_short) {
        net_conn_close_unread(conn);
    } else if (conn != NULL) {
        net_conn_close(conn, false, "");
    }
    net_message_release(m);
}

static void refuse_head(struct http_request *r)
{
    struct ectx ec = {0};
    enum err e =
        ectx_fail(&ec, ERR_UNKNOWN_SERVER_ERROR, "a field of the reply would not be legal");
    http_problem(r, e, &ec);
}

bool http_refused_for_head(struct http_request *r, const struct http_head *head)
{
    const bool legal = head_legal(head);
    if (!legal) {
        refuse_head(r);
    }
    return !legal;
}

void http_reply_with(struct http_request *r, const struct http_head *head, struct str body)
{
    if (!http_refused_for_head(r, head)) {
        reply(r->internal, head, body, false);
    }
}

void http_reply_take(struct http_request *r, const struct http_head *head, struct buf *body)
{
    struct http_exchange *x = r->internal;
    struct buf own = *body;
    buf_init(body, body->max);
    if (http_refused_for_head(r, head)) {
        buf_deinit(&own);
        return;
    }
    x->body_taken = own.p;
    reply(x, head, buf_str(&own), true);
}

void http_reply_lost(struct http_request *r)
{
    give_up(r->internal);
}

void http_reply(struct http_request *r, int status, const char *content_type, struct str body)
{
    const struct http_head head = {.status = status, .content_type = content_type};
    http_reply_with(r, &head, body);
}
