/*
 * How long is the request that begins here, and where are its parts? Runs the parser over the head
 * as its bytes arrive, each byte once, and notes where things lie; a body of known length is only
 * counted. Limits are kept here, before anything is stored: sizes of head and body, the number of
 * fields, and the framing of a chunked body, which may be longer than the body.
 *
 * What is refused ends here too: the bytes so far count as the message, and it is answered with the
 * refusal; the connection is closed then.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "http/http_int.h"

#define METHOD_MAX 32u /* letters of a method that nobody knows */

static uint32_t place(const struct http_exchange *x, const char *at)
{
    return (uint32_t)((const uint8_t *)at - x->base);
}

static int on_url(http_parser *p, const char *at, size_t n)
{
    struct http_exchange *x = p->data;
    if (x->target_n == 0) {
        x->target_at = place(x, at);
    }
    x->target_n += (uint32_t)n;
    return 0;
}

static struct http_field *field_list(struct http_exchange *x)
{
    return x->fields != NULL ? x->fields : x->inline_fields;
}

static struct http_field *field_add(struct http_exchange *x)
{
    if (x->field_count == HTTP_HEADER_COUNT_MAX) {
        x->too_many_fields = true;
        return NULL;
    }
    if (x->field_count == HTTP_FIELDS_MIN && x->fields == NULL) {
        x->fields = arena_new_n(&x->arena, struct http_field, HTTP_HEADER_COUNT_MAX);
        if (x->fields == NULL) {
            x->out_of_memory = true;
            return NULL;
        }
        memcpy(x->fields, x->inline_fields, sizeof(x->inline_fields));
    }
    return &field_list(x)[x->field_count++];
}

static int on_field(http_parser *p, const char *at, size_t n)
{
    struct http_exchange *x = p->data;
    if (x->head_done) {
        return 0; /* trailers: nobody reads them */
    }
    if (x->field_count > 0 && !x->in_value) {
        field_list(x)[x->field_count - 1].name_n += (uint32_t)n;
        return 0;
    }
    struct http_field *f = field_add(x);
    if (f == NULL) {
        return 1;
    }
    *f = (struct http_field){.name_at = place(x, at), .name_n = (uint32_t)n};
    x->in_value = false;
    return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
    struct http_exchange *x = p->data;
    if (x->head_done) {
        return 0;
    }
    struct http_field *f = &field_list(x)[x->field_count - 1];
    if (!x->in_value) {
        f->value_at = place(x, at);
        x->in_value = true;
    } else if (n > 0 && place(x, at) != f->value_at + f->value_n) {
        x->folded = true; /* over more than one line (RFC 9112, 5.2): no view of it can be right */
        return 1;
    }
    f->value_n += (uint32_t)n;
    return 0;
}

/* 1: there is no body for the parser: its length is known, or there is none. */
static int on_headers_complete(http_parser *p)
{
    struct http_exchange *x = p->data;
    x->head_done = true;
    x->keep_alive = http_should_keep_alive(p) != 0;
    x->chunked = p->uses_transfer_encoding != 0;
    if (x->chunked) {
        return 0;
    }
    if (p->content_length != ULLONG_MAX && p->content_length > x->http->body_max_bytes) {
        x->body_too_large = true;
        return -1;
    }
    x->body_bytes = p->content_length == ULLONG_MAX ? 0 : (size_t)p->content_length;
    return 1;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct http_exchange *x = p->data;
    (void)at;
    x->body_bytes += n;
    x->body_too_large = x->body_bytes > x->http->body_max_bytes;
    return x->body_too_large ? 1 : 0;
}

static int on_message_complete(http_parser *p)
{
    struct http_exchange *x = p->data;
    x->complete = true;
    http_parser_pause(p, 1);
    return 0;
}

static void measure_begin(struct http_conn *c, struct http_exchange *x)
{
    c->arriving = x;
    x->conn = c;
    http_parser_init(&x->parser, HTTP_REQUEST);
    x->parser.data = x;
}

void http_refuse(struct http_exchange *x, int status, const char *fmt, ...)
{
    va_list args;
    x->status = status;
    x->ec.code = status == 413 || status == 431 ? ERR_LIMIT
                 : status == 503                ? ERR_NO_MEMORY
                                                : ERR_MALFORMED;
    va_start(args, fmt);
    vsnprintf(x->ec.text, sizeof(x->ec.text), fmt, args);
    va_end(args);
}

/*
 * What is no method of HTTP may be another protocol, or a method that nobody here knows. The parser
 * stops within the word; the word is waited for.
 */
static void refuse_method(struct http_exchange *x, struct str bytes)
{
    size_t n = 0;
    while (n < bytes.n && n < METHOD_MAX && bytes.p[n] >= 'A' && bytes.p[n] <= 'Z') {
        n++;
    }
    if (n == bytes.n && n < METHOD_MAX) {
        return;
    }
    if (str_starts(bytes, "PRI ")) {
        http_refuse(x, 505, "HTTP/2 is not spoken here: HTTP/1.1 is");
    } else if (n > 0 && n < bytes.n && bytes.p[n] == ' ') {
        http_refuse(x, 501, "there is no method %.*s", (int)n, bytes.p);
    } else {
        http_refuse(x, 400, "not an HTTP request: %s", http_errno_description(HPE_INVALID_METHOD));
    }
}

/* Why the parser stopped before the end of a message. */
static void refuse_stopped(struct http_exchange *x, size_t n, enum http_errno he)
{
    if (x->body_too_large) {
        http_refuse(x, 413, "HTTP body over %u bytes", x->http->body_max_bytes);
    } else if (x->too_many_fields) {
        http_refuse(x, 431, "more than %u header fields", HTTP_HEADER_COUNT_MAX);
    } else if (x->folded) {
        http_refuse(x, 400, "a header field is folded over several lines");
    } else if (x->out_of_memory) {
        http_refuse(x, 503, "out of memory for an HTTP request");
    } else if (he == HPE_INVALID_METHOD) {
        refuse_method(x, str_make(x->base, n));
    } else if (he == HPE_HEADER_OVERFLOW) {
        http_refuse(x, 431, "HTTP head over %u bytes", HTTP_HEAD_MAX);
    } else {
        http_refuse(x, 400, "not an HTTP request: %s", http_errno_description(he));
    }
}

static bool field_is(const struct http_exchange *x, const struct http_field *f, const char *name)
{
    const size_t n = strlen(name);
    return f->name_n == n && strncasecmp((const char *)x->base + f->name_at, name, n) == 0;
}

/*
 * A client waits before it sends its body: it is told to go on, unless what the answer will be is
 * known without one (RFC 9110, 10.1.1).
 */
static void body_await(struct http_exchange *x)
{
    if (x->conn->conn == NULL) {
        return; /* bytes alone are measured: nobody is there */
    }
    http_judge_head(x, x->base);
    if (x->status == 0 && !x->early &&
        !net_conn_say(x->conn->conn, STR_LIT("HTTP/1.1 100 Continue\r\n\r\n"))) {
        http_refuse(x, 503, "out of memory for an HTTP request");
    }
}

/* The head is whole. HTTP/1.0 knows no Expect. */
static void head_check(struct http_exchange *x, bool body_is_awaited)
{
    const http_parser *p = &x->parser;
    x->http_1_0 = p->http_major == 1 && p->http_minor == 0;
    x->head_only = p->method == HTTP_HEAD;
    if (p->http_major != 1 || p->http_minor > 1) {
        http_refuse(x, 505, "HTTP/%u.%u is not spoken here: HTTP/1.1 is", p->http_major,
                    p->http_minor);
        return;
    }
    uint32_t hosts = 0;
    bool expects = false;
    for (uint32_t i = 0; i < x->field_count; i++) {
        const struct http_field *f = &field_list(x)[i];
        const struct str value = str_make(x->base + f->value_at, f->value_n);
        if (memchr(x->base + f->name_at, ' ', f->name_n) != NULL) {
            /* "Content-Length : 5" is one field to some and another to others. */
            http_refuse(x, 400, "a space in the name of a header field");
            return;
        }
        hosts += field_is(x, f, "Host") ? 1u : 0u;
        if (x->chunked && field_is(x, f, "Transfer-Encoding") &&
            (value.n != 7 || strncasecmp(value.p, "chunked", 7) != 0)) {
            http_refuse(x, 501, "no transfer coding but chunked is known");
            return;
        }
        if (x->http_1_0 || !field_is(x, f, "Expect")) {
            continue;
        }
        if (value.n != 12 || strncasecmp(value.p, "100-continue", 12) != 0) {
            http_refuse(x, 417, "nothing but 100-continue can be expected");
            return;
        }
        expects = true;
    }
    if (hosts > 1 || (hosts == 0 && !x->http_1_0)) {
        http_refuse(x, 400, "an HTTP/1.1 request has one Host field");
    } else if (expects && body_is_awaited) {
        body_await(x);
    }
}

/* The parser has seen `n` bytes, all that there are. Sets total, or status, or neither. */
static void measure_on(struct http_exchange *x, size_t n, enum http_errno he)
{
    if (x->head_done && !x->head_checked && (he == HPE_OK || x->complete)) {
        x->head_checked = true;
        x->head_bytes = (uint32_t)x->measured;
        head_check(x, x->chunked ? !x->complete : x->measured + x->body_bytes > n);
        if (x->status != 0 || x->early) {
            return;
        }
    }
    if (x->head_checked && x->head_bytes > HTTP_HEAD_MAX && !x->chunked) {
        http_refuse(x, 431, "HTTP head over %u bytes", HTTP_HEAD_MAX);
    } else if (x->complete) {
        x->total = x->measured + (x->chunked ? 0 : x->body_bytes);
    } else if (he != HPE_OK) {
        refuse_stopped(x, n, he);
    } else if (!x->head_done && x->measured > HTTP_HEAD_MAX) {
        http_refuse(x, 431, "HTTP head over %u bytes", HTTP_HEAD_MAX);
    } else if (x->measured > HTTP_MESSAGE_MAX(x->http->body_max_bytes)) {
        http_refuse(x, 413, "HTTP chunks too small, or their extensions too long");
    }
}

enum err http_measure(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec)
{
    static const http_parser_settings settings = {.on_url = on_url,
                                                  .on_header_field = on_field,
                                                  .on_header_value = on_value,
                                                  .on_headers_complete = on_headers_complete,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_message_complete};
    struct http_conn *c = state;
    struct http_exchange *x = c->arriving;
    *total = 0;
    if (x == NULL) {
        x = http_exchange_get(c->http);
        if (x == NULL) {
            return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for an HTTP request");
        }
        measure_begin(c, x);
    }
    /* Asked again without new bytes; to the parser no bytes would mean the end. */
    if (x->total == 0 && x->status == 0 && !x->early && n > x->measured) {
        x->base = p;
        x->measured += http_parser_execute(&x->parser, &settings, (const char *)p + x->measured,
                                           n - x->measured);
        measure_on(x, n, HTTP_PARSER_ERRNO(&x->parser));
    }
    *total = x->status != 0 || x->early ? n : x->total;
    return ERR_OK;
}
