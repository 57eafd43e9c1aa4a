/* The route table: literal parts and `{...}` parts; the first match wins. */
#include <string.h>

#include "http/http_int.h"

/* "/a/b" -> returns "a" and leaves "/b". */
static struct str take_part(struct str *path)
{
    struct str part = str_make(path->p + 1, path->n - 1);
    const char *slash = memchr(part.p, '/', part.n);
    if (slash != NULL) {
        part.n = (size_t)(slash - part.p);
    }
    *path = str_make(part.p + part.n, path->n - 1 - part.n);
    return part;
}

/* Does the route's path match? Fills params with what stood for `{...}`. */
static bool path_matches(const char *route, struct str path, struct http_request *r)
{
    struct str pattern = str_of(route);
    r->param_count = 0;
    while (pattern.n > 0 && path.n > 0) {
        struct str want = take_part(&pattern);
        struct str have = take_part(&path);
        if (want.n > 0 && want.p[0] == '{') {
            if (have.n == 0 || r->param_count == ARRAY_LEN(r->params)) {
                return false;
            }
            r->params[r->param_count++] = have;
        } else if (!str_eq(want, have)) {
            return false;
        }
    }
    return pattern.n == 0 && path.n == 0;
}

static bool method_matches(const char *route, struct str method)
{
    return str_eq_z(method, route) || (str_eq_z(method, "HEAD") && strcmp(route, "GET") == 0);
}

void http_dispatch(struct http_exchange *x)
{
    struct http *h = x->http;
    bool path_known = false;
    for (size_t i = 0; i < h->set_count; i++) {
        const struct http_route_set *set = &h->sets[i];
        for (size_t j = 0; j < set->count; j++) {
            if (!path_matches(set->routes[j].path, x->request.path, &x->request)) {
                continue;
            }
            path_known = true;
            if (method_matches(set->routes[j].method, x->request.method)) {
                set->routes[j].handle(set->ctx, &x->request);
                return;
            }
        }
    }
    struct ectx ec = {0};
    if (path_known) {
        x->status = 405;
        IGNORE(ectx_fail(&ec, ERR_INVALID_REQUEST, "%.*s is not a method of %.*s",
                         STR(x->request.method), STR(x->request.path)));
    } else {
        x->status = 404;
        IGNORE(ectx_fail(&ec, ERR_NOT_FOUND, "there is nothing at %.*s", STR(x->request.path)));
    }
    http_problem(&x->request, ec.code, &ec);
}
