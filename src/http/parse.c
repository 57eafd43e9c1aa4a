/* A whole request into views: method, path, query, headers, body (a chunked one is put together in
 * the arena). */
#include <string.h>

#include "http/http_int.h"

struct parse {
    struct http_exchange *x;
    struct str target;
    bool in_value, out_of_memory, too_many;
    size_t body_cap;
    char *body;
};

static int on_url(http_parser *p, const char *at, size_t n)
{
    struct parse *s = p->data;
    s->target = s->target.p == NULL ? str_make(at, n) : str_make(s->target.p, s->target.n + n);
    return 0;
}

static int on_field(http_parser *p, const char *at, size_t n)
{
    struct parse *s = p->data;
    struct http_request *r = &s->x->request;
    if (r->header_count > 0 && !s->in_value) {
        r->headers[r->header_count - 1].name.n += n;
        return 0;
    }
    if (r->header_count == HTTP_HEADER_COUNT_MAX) {
        s->too_many = true;
        return 1;
    }
    r->headers[r->header_count++] = (struct http_header){str_make(at, n), STR_LIT("")};
    s->in_value = false;
    return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
    struct parse *s = p->data;
    struct http_request *r = &s->x->request;
    struct http_header *h = &r->headers[r->header_count - 1];
    h->value = s->in_value ? str_make(h->value.p, h->value.n + n) : str_make(at, n);
    s->in_value = true;
    return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct parse *s = p->data;
    struct str *body = &s->x->request.body;
    if (body->n == 0) {
        *body = str_make(at, n);
        return 0;
    }
    if (body->p + body->n == at) {
        body->n += n;
        return 0;
    }
    if (s->body == NULL || body->n + n > s->body_cap) {
        size_t cap = (body->n + n) * 2;
        char *grown = arena_alloc(&s->x->arena, cap);
        if (grown == NULL) {
            s->out_of_memory = true;
            return 1;
        }
        memcpy(grown, body->p, body->n);
        s->body = grown;
        s->body_cap = cap;
    }
    memcpy(s->body + body->n, at, n);
    *body = str_make(s->body, body->n + n);
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct str http_percent_decode(struct arena *a, struct str s, bool plus)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    if (out == NULL) {
        return STR_NULL;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            int hi = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
            int lo = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;
            if (hi < 0 || lo < 0) {
                return STR_NULL;
            }
            out[n++] = (char)(hi * 16 + lo);
            i += 2;
        } else {
            out[n++] = plus && s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    return str_make(out, n);
}

static void refuse(struct http_exchange *x, int status, enum err e, const char *what)
{
    x->status = status;
    IGNORE(ectx_fail(&x->ec, e, "%s", what));
}

static void split_target(struct parse *s)
{
    struct http_request *r = &s->x->request;
    struct str path = str_cut(s->target, '?', &r->query);
    r->path = http_percent_decode(&s->x->arena, path, false);
    if (r->path.p == NULL || r->path.n == 0 || r->path.p[0] != '/') {
        refuse(s->x, 400, ERR_MALFORMED, "the request's path is not valid");
    }
}

bool http_parse(struct http_exchange *x, const uint8_t *p, size_t n)
{
    static const http_parser_settings settings = {.on_url = on_url,
                                                  .on_header_field = on_field,
                                                  .on_header_value = on_value,
                                                  .on_body = on_body};
    struct parse s = {.x = x, .target = STR_NULL, .in_value = true};
    struct http_request *r = &x->request;
    r->headers = arena_new_n(&x->arena, struct http_header, HTTP_HEADER_COUNT_MAX);
    if (r->headers == NULL) {
        return false;
    }
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &s;
    size_t used = http_parser_execute(&parser, &settings, (const char *)p, n);
    if (s.out_of_memory) {
        return false;
    }
    r->method = str_of(http_method_str((enum http_method)parser.method));
    x->head_only = parser.method == HTTP_HEAD;
    x->keep_alive = http_should_keep_alive(&parser) != 0;
    if (s.too_many) {
        refuse(x, 431, ERR_LIMIT, "more than 100 header fields");
    } else if (used != n || HTTP_PARSER_ERRNO(&parser) != HPE_OK) {
        refuse(x, 400, ERR_MALFORMED, "not a valid HTTP request");
    } else {
        split_target(&s);
    }
    return true;
}

struct str http_header_get(const struct http_request *r, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < r->header_count; i++) {
        if (r->headers[i].name.n == n && strncasecmp(r->headers[i].name.p, name, n) == 0) {
            return r->headers[i].value;
        }
    }
    return STR_NULL;
}

struct str http_query_get(const struct http_request *r, const char *name)
{
    struct str rest = r->query;
    while (rest.n > 0) {
        struct str value;
        struct str pair = str_cut(rest, '&', &rest);
        struct str key = str_cut(pair, '=', &value);
        if (str_eq_z(key, name)) {
            return http_percent_decode(r->arena, value, true);
        }
    }
    return STR_NULL;
}
