/* A whole request into views: method, path, query, headers, body (a chunked one is put together in
 * the arena, for which its bytes are parsed once more). */
#include <string.h>

#include "http/http_int.h"

struct body {
    struct http_exchange *x;
    char *p;
    bool whole;
};

static int on_body(http_parser *p, const char *at, size_t n)
{
    struct body *s = p->data;
    struct str *body = &s->x->request.body;
    if (body->n == 0) {
        *body = str_make(at, n);
        return 0;
    }
    if (s->p == NULL) {
        s->p = arena_take(&s->x->arena, s->x->body_bytes); /* all of it: it was measured */
        if (s->p == NULL) {
            return 1;
        }
        memcpy(s->p, body->p, body->n);
    }
    if (n > s->x->body_bytes - body->n) {
        return 1; /* it was measured otherwise: nobody can tell which is right */
    }
    memcpy(s->p + body->n, at, n);
    *body = str_make(s->p, body->n + n);
    return 0;
}

static int on_chunked_complete(http_parser *p)
{
    struct body *s = p->data;
    s->whole = true;
    http_parser_pause(p, 1);
    return 0;
}

static bool join_chunks(struct http_exchange *x, const uint8_t *p, size_t n)
{
    static const http_parser_settings settings = {.on_body = on_body,
                                                  .on_message_complete = on_chunked_complete};
    struct body s = {.x = x};
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &s;
    http_parser_execute(&parser, &settings, (const char *)p, n);
    return s.whole;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two hexadecimal digits behind every '%'. */
static bool is_decodable(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%' &&
            (i + 2 >= s.n || hex_digit(s.p[i + 1]) < 0 || hex_digit(s.p[i + 2]) < 0)) {
            return false;
        }
    }
    return true;
}

struct str http_percent_decode(struct arena *a, struct str s, bool plus)
{
    if (memchr(s.p, '%', s.n) == NULL && (!plus || memchr(s.p, '+', s.n) == NULL)) {
        return s;
    }
    char *out = is_decodable(s) ? arena_alloc(a, s.n + 1) : NULL;
    size_t n = 0;
    if (out == NULL) {
        return STR_NULL;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            out[n++] = (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2]));
            i += 2;
        } else {
            out[n++] = plus && s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    return str_make(out, n);
}

static bool make_headers(struct http_exchange *x, const uint8_t *p)
{
    struct http_request *r = &x->request;
    const struct http_field *fields = x->fields != NULL ? x->fields : x->inline_fields;
    r->headers = arena_new_n(&x->arena, struct http_header, x->field_count);
    if (r->headers == NULL) {
        return x->field_count == 0;
    }
    for (uint32_t i = 0; i < x->field_count; i++) {
        const struct http_field *f = &fields[i];
        r->headers[i].name = str_make(p + f->name_at, f->name_n);
        r->name_lengths |= http_name_length(f->name_n);
        r->headers[i].value = f->value_n == 0 ? STR_LIT("") : str_make(p + f->value_at, f->value_n);
    }
    r->header_count = x->field_count;
    return true;
}

/*
 * The path of the request's target, and its authority if it is absolute: a server takes that form
 * too (RFC 9112, 3.2.2). What is no path stays what it was, and is refused.
 */
static struct str path_of(struct http_exchange *x, struct str target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        const size_t n = strlen(schemes[i]);
        if (target.n <= n || strncasecmp(target.p, schemes[i], n) != 0) {
            continue;
        }
        const struct str rest = str_make(target.p + n, target.n - n);
        const char *slash = memchr(rest.p, '/', rest.n);
        const size_t at = slash == NULL ? rest.n : (size_t)(slash - rest.p);
        x->authority = str_make(rest.p, at);
        return slash == NULL ? STR_LIT("/") : str_make(slash, rest.n - at);
    }
    return target;
}

bool http_parse_head(struct http_exchange *x, const uint8_t *p)
{
    struct http_request *r = &x->request;
    if (!make_headers(x, p)) {
        return false;
    }
    r->method = str_of(http_method_str((enum http_method)x->parser.method));
    r->target = str_cut(str_make(p + x->target_at, x->target_n), '?', &r->query);
    r->target = path_of(x, r->target);
    r->path = http_percent_decode(&x->arena, r->target, false);
    const bool of_all = x->parser.method == HTTP_OPTIONS && str_eq_z(r->target, "*");
    if (r->path.p == NULL && is_decodable(r->target)) {
        return false;
    }
    if (!of_all && (r->path.p == NULL || r->path.n == 0 || r->path.p[0] != '/')) {
        http_refuse(x, 400, "the request's path is not valid");
    }
    return true;
}

bool http_parse(struct http_exchange *x, const uint8_t *p, size_t n)
{
    struct http_request *r = &x->request;
    const uint64_t budget = HTTP_ARENA_BASE + HTTP_ARENA_PER_BYTE * (uint64_t)n;
    x->arena.budget = budget < LIMIT_REQUEST_ARENA_MAX ? (size_t)budget : LIMIT_REQUEST_ARENA_MAX;
    if (!http_parse_head(x, p)) {
        return false;
    }
    if (x->early) {
        return true;
    }
    if (!x->chunked) {
        r->body = str_make(p + x->head_bytes, x->body_bytes);
        return true;
    }
    return join_chunks(x, p, n);
}

struct str http_header_find(const struct http_request *r, const char *name, size_t n)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (r->headers[i].name.n == n && strncasecmp(r->headers[i].name.p, name, n) == 0) {
            return r->headers[i].value;
        }
    }
    return STR_NULL;
}

struct str http_decode(struct http_request *r, struct str s)
{
    return http_percent_decode(r->arena, s, true);
}

struct str http_query_get(const struct http_request *r, const char *name)
{
    struct str rest = r->query;
    while (rest.n > 0) {
        struct str value;
        struct str pair = str_cut(rest, '&', &rest);
        struct str key = str_cut(pair, '=', &value);
        if (str_eq_z(key, name)) {
            return str_is_null(value) ? STR_LIT("") : http_percent_decode(r->arena, value, true);
        }
    }
    return STR_NULL;
}
