/* A GET that asks the server to close after the answer, so that its end is the answer's end. */
#include "cli/http_get.h"

#include <stdio.h>
#include <string.h>

#include "cli/out.h"
#include "cli/socket.h"

#define READ_BYTES 65536u

MUST_USE enum err http_get(const char *address, const char *path, int timeout_ms, int *status,
                           struct buf *body, struct ectx *ec)
{
    struct address to;
    int fd = -1;
    uint64_t deadline = clock_ns() + (uint64_t)timeout_ms * 1000000u;
    char request[512];
    enum err e = address_parse(str_of(address), 8080, &to, ec);
    if (e == ERR_OK) {
        e = socket_connect(&to, deadline, &fd, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    int n = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n\r\n", path, to.host,
                     to.port);
    struct buf b;
    buf_init(&b, HTTP_BODY_MAX);
    e = socket_send(fd, request, (size_t)n, deadline, ec);
    for (size_t got = 1; e == ERR_OK && got > 0;) {
        if (!buf_reserve(&b, READ_BYTES)) {
            e = ectx_fail(ec, ERR_LIMIT, "the answer is over %u bytes", HTTP_BODY_MAX);
            break;
        }
        e = socket_receive(fd, b.p + b.n, READ_BYTES, deadline, &got, ec);
        b.n += e == ERR_OK ? got : 0;
    }
    socket_close(fd);
    const char *end = e == ERR_OK && b.n > 0 ? memmem(b.p, b.n, "\r\n\r\n", 4) : NULL;
    int64_t code;
    if (e == ERR_OK && (end == NULL || b.n < 12 || memcmp(b.p, "HTTP/1.", 7) != 0 ||
                        !str_to_i64(str_make(b.p + 9, 3), &code))) {
        e = ectx_fail(ec, ERR_MALFORMED, "http://%s%s: that is no HTTP answer", address, path);
    }
    if (e == ERR_OK) {
        *status = (int)code;
        buf_put(body, end + 4, b.n - (size_t)(end + 4 - (const char *)b.p));
    }
    buf_deinit(&b);
    return e;
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
