/* A request that asks the server to close after the answer, so that its end is the answer's end. */
#include "cli/http_call.h"

#include <stdio.h>
#include <string.h>

#include "cli/out.h"
#include "cli/socket.h"

#define READ_BYTES 65536u
#define HEAD_MAX   8192u

static enum err send_request(int fd, const struct http_call *c, const struct address *to,
                             uint64_t deadline, struct ectx *ec)
{
    struct buf b;
    buf_init(&b, HEAD_MAX + c->body.n);
    const bool v6 = strchr(to->host, ':') != NULL;
    buf_printf(&b, "%s %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nConnection: close\r\n",
               c->method == NULL ? "GET" : c->method, c->path, v6 ? "[" : "", to->host,
               v6 ? "]" : "", to->port);
    if (!str_is_null(c->body)) {
        buf_printf(&b, "Content-Type: application/json\r\nContent-Length: %zu\r\n", c->body.n);
    }
    buf_put_z(&b, "\r\n");
    buf_put_str(&b, c->body);
    enum err e = buf_failed(&b) ? ectx_fail(ec, ERR_LIMIT, "the request is too long")
                                : socket_send(fd, b.p, b.n, deadline, ec);
    buf_deinit(&b);
    return e;
}

static enum err receive_all(int fd, uint64_t deadline, struct buf *b, struct ectx *ec)
{
    for (size_t got = 1; got > 0;) {
        if (!buf_reserve(b, READ_BYTES)) {
            return ectx_fail(ec, ERR_LIMIT, "the answer is over %u bytes", HTTP_BODY_MAX);
        }
        enum err e = socket_receive(fd, b->p + b->n, READ_BYTES, deadline, &got, ec);
        if (e != ERR_OK) {
            return e;
        }
        b->n += got;
    }
    return ERR_OK;
}

MUST_USE enum err http_call(const char *address, const struct http_call *c, int timeout_ms,
                            int *status, struct buf *body, struct ectx *ec)
{
    struct address to;
    int fd = -1;
    uint64_t deadline = clock_ns() + (uint64_t)timeout_ms * 1000000u;
    enum err e = address_parse(str_of(address), 8080, &to, ec);
    if (e == ERR_OK) {
        e = socket_connect(&to, deadline, &fd, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    struct buf b;
    buf_init(&b, HTTP_BODY_MAX);
    e = send_request(fd, c, &to, deadline, ec);
    e = e == ERR_OK ? receive_all(fd, deadline, &b, ec) : e;
    socket_close(fd);
    const char *end = e == ERR_OK && b.n > 0 ? memmem(b.p, b.n, "\r\n\r\n", 4) : NULL;
    int64_t code;
    if (e == ERR_OK && (end == NULL || b.n < 12 || memcmp(b.p, "HTTP/1.", 7) != 0 ||
                        !str_to_i64(str_make(b.p + 9, 3), &code))) {
        e = ectx_fail(ec, ERR_MALFORMED, "http://%s%s: that is no HTTP answer", address, c->path);
    }
    if (e == ERR_OK) {
        *status = (int)code;
        buf_put(body, end + 4, b.n - (size_t)(end + 4 - (const char *)b.p));
    }
    buf_deinit(&b);
    return e;
}

MUST_USE enum err http_get(const char *address, const char *path, int timeout_ms, int *status,
                           struct buf *body, struct ectx *ec)
{
    struct http_call c = {.path = path};
    return http_call(address, &c, timeout_ms, status, body, ec);
}

struct str http_encode(struct arena *a, const char *text)
{
    return http_encode_str(a, str_of(text));
}

struct str http_encode_str(struct arena *a, struct str text)
{
    static const char hex[] = "0123456789ABCDEF";
    const size_t n = text.n;
    char *out = arena_alloc(a, n * 3 + 1);
    size_t at = 0;
    if (out == NULL) {
        return STR_NULL;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != 0 && strchr("-._~", c) != NULL);
        if (plain) {
            out[at++] = (char)c;
        } else {
            out[at++] = '%';
            out[at++] = hex[c >> 4];
            out[at++] = hex[c & 15];
        }
    }
    out[at] = '\0';
    return str_make(out, at);
}

/* The sentence of a problem document (RFC 9457). */
static enum err problem_of(struct cli *cli, int status, const struct json *v)
{
    const struct json *detail = json_get(v, "detail");
    const struct json *code = json_get(v, "code");
    const struct json *hint = json_get(v, "hint");
    const enum err e = status == 404 || status == 410 ? ERR_NOT_FOUND
                       : status >= 500                ? ERR_STOPPED
                                                      : ERR_INVALID_REQUEST;
    if (detail == NULL || detail->kind != JSON_STRING) {
        return ectx_fail(&cli->ec, e, "the server answered with status %d", status);
    }
    const bool coded = code != NULL && code->kind == JSON_STRING;
    IGNORE(ectx_fail(&cli->ec, e, "%.*s%s%.*s%s", STR(detail->string), coded ? " (" : "",
                     STR(coded ? code->string : STR_NULL), coded ? ")" : ""));
    if (hint != NULL && hint->kind == JSON_STRING) {
        ectx_hint(&cli->ec, "%.*s", STR(hint->string));
    }
    return e;
}

MUST_USE enum err http_api(struct cli *cli, const char *method, const char *path, struct str body,
                           int *status, struct json **out)
{
    struct http_call c = {.method = method, .path = path, .body = body};
    struct buf b;
    buf_init(&b, HTTP_BODY_MAX);
    enum err e = http_call(cli->http, &c, cli->timeout_ms, status, &b, &cli->ec);
    *out = NULL;
    if (e == ERR_OK && b.n > 0) {
        struct str text = arena_str(&cli->arena, buf_str(&b));
        e = str_is_null(text) ? ectx_fail(&cli->ec, ERR_NO_MEMORY, "the answer is too large")
                              : json_parse(text, NULL, &cli->arena, out, &cli->ec);
        if (e != ERR_OK && *status >= 400) {
            e = ERR_OK; /* no problem document: the status is all there is to say */
        }
    }
    buf_deinit(&b);
    return e == ERR_OK && *status >= 400 ? problem_of(cli, *status, *out) : e;
}

/* The next line that is of `name`: what follows the name. */
static bool next_line(struct str *rest, const char *name, struct str *out)
{
    size_t n = strlen(name);
    while (rest->n > 0) {
        struct str line = str_cut(*rest, '\n', rest);
        if (str_starts(line, name) && line.n > n && (line.p[n] == ' ' || line.p[n] == '{')) {
            *out = str_make(line.p + n, line.n - n);
            return true;
        }
    }
    return false;
}

bool metric_sum(struct str text, const char *name, double *out)
{
    struct str line;
    bool any = false;
    double sum = 0;
    while (next_line(&text, name, &line)) {
        double v;
        const char *space = memrchr(line.p, ' ', line.n);
        size_t before = space == NULL ? 0 : (size_t)(space - line.p) + 1;
        if (str_to_f64(str_make(line.p + before, line.n - before), &v)) {
            sum += v;
            any = true;
        }
    }
    if (any) {
        *out = sum;
    }
    return any;
}

bool metric_label(struct str text, const char *name, const char *label, struct str *out)
{
    struct str line;
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "%s=\"", label);
    if (!next_line(&text, name, &line)) {
        return false;
    }
    const char *at = memmem(line.p, line.n, wanted, strlen(wanted));
    const char *from = at == NULL ? NULL : at + strlen(wanted);
    const char *end = from == NULL ? NULL : memchr(from, '"', line.n - (size_t)(from - line.p));
    if (end == NULL) {
        return false;
    }
    *out = str_make(from, (size_t)(end - from));
    return true;
}
