/*
 * The route table: literal parts and `{...}` parts; the first match wins. The path is cut before it
 * is decoded, so that a slash within a parameter ("%2F") does not divide it.
 */
#include <string.h>

#include "core/mem.h"
#include "http/http_int.h"

/* The parts of a path that begins with a slash. HTTP_PATH_PARTS_MAX + 1: too many. */
static uint32_t cut_path(struct str path, struct str parts[HTTP_PATH_PARTS_MAX])
{
    uint32_t count = 0;
    const char *const end = path.p + path.n;
    const char *at = path.p;
    while (at < end) {
        const char *from = at + 1;
        const char *slash = memchr(from, '/', (size_t)(end - from));
        at = slash == NULL ? end : slash;
        if (count == HTTP_PATH_PARTS_MAX) {
            return HTTP_PATH_PARTS_MAX + 1;
        }
        parts[count++] = str_make(from, (size_t)(at - from));
    }
    return count;
}

MUST_USE enum err http_routes_add(struct http *h, const struct http_route *routes, size_t count,
                                  void *ctx)
{
    struct http_matcher *grown =
        mem_realloc(h->matchers, (h->matcher_count + count) * sizeof(*grown));
    if (grown == NULL) {
        return ERR_NO_MEMORY;
    }
    h->matchers = grown;
    for (size_t i = 0; i < count; i++) {
        struct http_matcher *m = &grown[h->matcher_count + i];
        *m = (struct http_matcher){.route = &routes[i], .ctx = ctx};
        m->part_count = cut_path(str_of(routes[i].path), m->parts);
        size_t params = 0;
        for (uint32_t j = 0; j < m->part_count && j < HTTP_PATH_PARTS_MAX; j++) {
            if (m->parts[j].n > 0 && m->parts[j].p[0] == '{') {
                m->parts[j] = STR_NULL;
                params++;
            }
        }
        if (m->part_count > HTTP_PATH_PARTS_MAX || params > HTTP_PARAMS_MAX) {
            return ERR_LIMIT;
        }
    }
    h->matcher_count += count;
    return ERR_OK;
}

static bool matches(const struct http_matcher *m, const struct str *parts, uint32_t count)
{
    if (m->part_count != count) {
        return false;
    }
    /* From the end: the beginnings are the same everywhere. */
    for (uint32_t i = count; i-- > 0;) {
        const struct str want = m->parts[i];
        if (str_is_null(want) ? parts[i].n == 0 : !str_eq(want, parts[i])) {
            return false;
        }
    }
    return true;
}

static bool method_matches(const char *route, struct str method)
{
    return str_eq_z(method, route) || (str_eq_z(method, "HEAD") && strcmp(route, "GET") == 0);
}

static void set_params(struct http_request *r, const struct http_matcher *m,
                       const struct str *parts)
{
    r->param_count = 0;
    for (uint32_t i = 0; i < m->part_count; i++) {
        if (str_is_null(m->parts[i])) {
            r->params[r->param_count++] = parts[i];
        }
    }
}

/* Which methods a path has. Null: no memory. */
static struct str methods_of(struct http_exchange *x, const struct str *parts, uint32_t count)
{
    const struct http *h = x->http;
    struct str allow = STR_LIT("");
    for (size_t i = 0; i < h->matcher_count && !str_is_null(allow); i++) {
        if (matches(&h->matchers[i], parts, count)) {
            const char *method = h->matchers[i].route->method;
            allow = arena_printf(&x->arena, "%.*s%s%s%s", STR(allow), allow.n > 0 ? ", " : "",
                                 method, strcmp(method, "GET") == 0 ? ", HEAD" : "");
        }
    }
    return str_is_null(allow) ? allow : arena_printf(&x->arena, "%.*s, OPTIONS", STR(allow));
}

/* Says which methods there are (RFC 9110, 15.5.6). */
static void answer_405(struct http_exchange *x, struct str allow)
{
    struct http_request *r = &x->request;
    struct ectx ec = {0};
    IGNORE(ectx_fail(&ec, ERR_INVALID_REQUEST, "%.*s is not a method of %.*s: it has %.*s",
                     STR(r->method), STR(r->path), STR(allow)));
    const struct http_header header = {STR_LIT("Allow"), allow};
    const struct http_problem_spec spec = {.code = "method-not-allowed",
                                           .status = 405,
                                           .title = "There is no such method here",
                                           .retry_after_ms = -1,
                                           .headers = &header,
                                           .header_count = str_is_null(allow) ? 0 : 1};
    http_problem_with(r, &spec, &ec);
}

static void answer_404(struct http_exchange *x)
{
    struct ectx ec = {0};
    const struct http_request *r = &x->request;
    const bool shown = memchr(r->path.p, 0, r->path.n) == NULL; /* else as it was sent */
    IGNORE(ectx_fail(&ec, ERR_NOT_FOUND, "there is nothing at %.*s",
                     STR(shown ? r->path : r->target)));
    const struct http_problem_spec spec = {
        .code = "not-found", .status = 404, .title = "There is nothing here", .retry_after_ms = -1};
    http_problem_with(&x->request, &spec, &ec);
}

struct found {
    const struct http_matcher *matcher; /* NULL: none */
    bool path_known;                    /* with another method */
    bool no_memory;                     /* to tell whether there is one */
    uint32_t count;
    struct str parts[HTTP_PATH_PARTS_MAX]; /* decoded */
};

static void find(struct http_exchange *x, struct found *f)
{
    const struct http *h = x->http;
    f->matcher = NULL;
    f->path_known = f->no_memory = false;
    f->count = cut_path(x->request.target, f->parts);
    if (f->count > HTTP_PATH_PARTS_MAX) {
        return;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        f->parts[i] = http_percent_decode(&x->arena, f->parts[i], false);
        if (str_is_null(f->parts[i])) { /* http_parse_head: the path is decodable */
            f->no_memory = true;
            http_refuse(x, 503, "out of memory for an HTTP request");
            return;
        }
    }
    for (size_t i = 0; i < h->matcher_count && f->matcher == NULL; i++) {
        const struct http_matcher *m = &h->matchers[i];
        if (matches(m, f->parts, f->count)) {
            f->path_known = true;
            f->matcher = method_matches(m->route->method, x->request.method) ? m : NULL;
        }
    }
}

static bool of_all(const struct http_exchange *x)
{
    return x->parser.method == HTTP_OPTIONS && str_eq_z(x->request.target, "*");
}

bool http_serves(struct http_exchange *x)
{
    NOT_ZEROED struct found f;
    if (of_all(x)) {
        return true;
    }
    find(x, &f);
    return f.matcher != NULL || (f.path_known && x->parser.method == HTTP_OPTIONS);
}

void http_dispatch(struct http_exchange *x)
{
    struct http_request *r = &x->request;
    NOT_ZEROED struct found f;
    if (of_all(x)) {
        http_answer_options(x, STR_LIT("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        return;
    }
    find(x, &f);
    if (f.no_memory) {
        http_answer_refusal(x);
    } else if (f.matcher != NULL) {
        set_params(r, f.matcher, f.parts);
        r->route = f.matcher->route;
        f.matcher->route->handle(f.matcher->ctx, r);
    } else if (!f.path_known) {
        answer_404(x);
    } else if (x->parser.method == HTTP_OPTIONS) {
        http_answer_options(x, methods_of(x, f.parts, f.count));
    } else {
        answer_405(x, methods_of(x, f.parts, f.count));
    }
}
