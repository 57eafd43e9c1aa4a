/*
 * How long is the request that begins here? Runs the parser over bytes as they arrive, each byte
 * once, and stops at the end of the message. Limits are kept here, before anything is stored: head
 * and body sizes, and the framing of a chunked body, which may be longer than the body.
 *
 * What is refused ends here too: the bytes so far count as the message, and it is answered with the
 * refusal; the connection is closed then.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "http/http_int.h"

static int on_headers_complete(http_parser *p)
{
    struct http_conn *c = p->data;
    c->head_done = true;
    bool too_long = p->content_length != ULLONG_MAX && p->content_length > c->http->body_max_bytes;
    c->body_too_large = c->body_too_large || too_long;
    return too_long ? -1 : 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct http_conn *c = p->data;
    (void)at;
    c->body_bytes += n;
    c->body_too_large = c->body_bytes > c->http->body_max_bytes;
    return c->body_too_large ? 1 : 0;
}

static int on_message_complete(http_parser *p)
{
    struct http_conn *c = p->data;
    c->complete = true;
    http_parser_pause(p, 1);
    return 0;
}

static void measure_begin(struct http_conn *c)
{
    http_parser_init(&c->measuring, HTTP_REQUEST);
    c->measuring.data = c;
    c->measured = 0;
    c->body_bytes = 0;
    c->complete = false;
    c->head_done = false;
    c->body_too_large = false;
    c->started = true;
}

/* The bytes so far are a message that is answered with this status. */
PRINTF_LIKE(5, 6)
static enum err refuse(struct http_conn *c, int status, size_t n, size_t *total, const char *fmt,
                       ...)
{
    va_list args;
    c->refused_status = status;
    c->refusal = (struct ectx){.code = status == 400 ? ERR_MALFORMED : ERR_LIMIT};
    va_start(args, fmt);
    vsnprintf(c->refusal.text, sizeof(c->refusal.text), fmt, args);
    va_end(args);
    c->started = false;
    *total = n;
    return ERR_OK;
}

/* A parser that stopped before the end of a message. */
static enum err refuse_stopped(struct http_conn *c, enum http_errno he, size_t n, size_t *total)
{
    if (c->body_too_large) {
        return refuse(c, 413, n, total, "HTTP body over %u bytes", c->http->body_max_bytes);
    }
    if (he == HPE_HEADER_OVERFLOW) {
        return refuse(c, 431, n, total, "HTTP head over %u bytes", HTTP_HEAD_MAX);
    }
    return refuse(c, 400, n, total, "not an HTTP request: %s", http_errno_description(he));
}

enum err http_measure(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec)
{
    struct http_conn *c = state;
    (void)ec;
    static const http_parser_settings settings = {.on_headers_complete = on_headers_complete,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_message_complete};
    if (!c->started) {
        measure_begin(c);
    }
    size_t fresh = n - c->measured;
    if (fresh == 0) {
        *total = 0; /* asked again without new bytes; to the parser no bytes would mean the end */
        return ERR_OK;
    }
    size_t used =
        http_parser_execute(&c->measuring, &settings, (const char *)p + c->measured, fresh);
    enum http_errno he = HTTP_PARSER_ERRNO(&c->measuring);
    if (c->complete) {
        *total = c->measured + used;
        c->started = false;
        return ERR_OK;
    }
    c->measured += used;
    if (he != HPE_OK) {
        return refuse_stopped(c, he, n, total);
    }
    if (!c->head_done && c->measured > HTTP_HEAD_MAX) {
        return refuse(c, 431, n, total, "HTTP head over %u bytes", HTTP_HEAD_MAX);
    }
    if (c->measuring.upgrade) {
        return refuse(c, 400, n, total, "HTTP upgrade is not offered");
    }
    if (c->measured > HTTP_MESSAGE_MAX(c->http->body_max_bytes)) {
        return refuse(c, 413, n, total, "HTTP chunks too small, or their extensions too long");
    }
    *total = 0;
    return ERR_OK;
}
