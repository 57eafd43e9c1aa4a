/*
 * How long is the request that begins here? Runs the parser over bytes as they arrive, each byte
 * once, and stops at the end of the message. Limits are kept here, before anything is stored: head
 * and body sizes.
 */
#include <string.h>

#include "http/http_int.h"

static int on_headers_complete(http_parser *p)
{
    struct http_conn *c = p->data;
    c->head_done = true;
    return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct http_conn *c = p->data;
    (void)at;
    c->body_bytes += n;
    return c->body_bytes > c->http->body_max_bytes ? 1 : 0;
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
    c->started = true;
}

enum err http_measure(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec)
{
    struct http_conn *c = state;
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
        /* A paused parser stands on the last byte of the message, which it has taken. */
        size_t end = c->measured + used;
        if (he == HPE_PAUSED && end < n && p[end] == '\n' && c->measuring.content_length == 0 &&
            end > 0 && p[end - 1] == '\r') {
            end++;
        }
        *total = end;
        c->started = false;
        return ERR_OK;
    }
    c->measured += used;
    if (he != HPE_OK) {
        if (c->body_bytes > c->http->body_max_bytes) {
            return ectx_fail(ec, ERR_LIMIT, "HTTP body over %u bytes", c->http->body_max_bytes);
        }
        return ectx_fail(ec, ERR_MALFORMED, "not an HTTP request: %s", http_errno_description(he));
    }
    if (!c->head_done && c->measured > HTTP_HEAD_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "HTTP head over %u bytes", HTTP_HEAD_MAX);
    }
    if (c->measuring.upgrade) {
        return ectx_fail(ec, ERR_MALFORMED, "HTTP upgrade is not offered");
    }
    *total = 0;
    return ERR_OK;
}
