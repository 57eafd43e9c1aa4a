/*
 * All resources, and the way of a request to its handler: http's routes are made from the table;
 * what a route says of its parameters is checked here, before any handler sees them, so that what
 * the OpenAPI document says is what holds.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/api_int.h"
#include "api/idempotency.h"
#include "core/mem.h"
#include "envelope/envelope.h"

enum need { NEED_NOTHING, NEED_ES, NEED_PROJ };

static const struct {
    const struct api_resource *resource;
    enum need need;
} RESOURCES[] = {
    {&api_about, NEED_NOTHING},    {&api_topics, NEED_NOTHING}, {&api_records, NEED_NOTHING},
    {&api_streams, NEED_ES},       {&api_appends, NEED_ES},     {&api_events, NEED_ES},
    {&api_live, NEED_ES},          {&api_snapshots, NEED_ES},   {&api_folds, NEED_ES},
    {&api_projections, NEED_PROJ}, {&api_views, NEED_PROJ},     {&api_view_changes, NEED_PROJ},
};

const struct api_resource *api_resource_at(const struct api_services *s, size_t i)
{
    for (size_t at = 0; at < ARRAY_LEN(RESOURCES); at++) {
        const enum need need = RESOURCES[at].need;
        const bool there = need == NEED_ES ? s->es != NULL : need != NEED_PROJ || s->proj != NULL;
        if (there && i-- == 0) {
            return RESOURCES[at].resource;
        }
    }
    return NULL;
}

/* ---- Parameters --------------------------------------------------------------------------------
 */

static const char *legal(enum api_type type, struct str v)
{
    uint64_t n;
    int64_t t;
    switch (type) {
    case API_INTEGER:
        return str_to_u64(v, &n) ? NULL : "a whole number of 0 or more";
    case API_LIMIT:
        return str_to_u64(v, &n) && n > 0 ? NULL : "a whole number above 0";
    case API_BOOLEAN:
        return str_eq_z(v, "true") || str_eq_z(v, "false") ? NULL : "true or false";
    case API_DURATION:
        return duration_parse(v, &n) ? NULL : "a duration such as 500ms, 20s or PT1M";
    case API_TIME:
        return time_parse_rfc3339(v, &t) ? NULL : "a time such as 2026-02-11T14:00:00Z";
    case API_STRING:
    case API_LIST:
    case API_POSITION:
    case API_CURSOR:
    default:
        return NULL; /* whoever reads it says what is wrong with it */
    }
}

static bool refuse(struct api_call *c, const char *name, size_t n, const char *what,
                   const char *hint)
{
    struct ectx ec = {0};
    enum err e =
        ectx_fail(&ec, ERR_INVALID_REQUEST, "%.*s: %s", (int)(n > 128 ? 128 : n), name, what);
    ectx_hint(&ec, "%s", hint);
    api_fail(c, e, &ec);
    return false;
}

static bool check_param(struct api_call *c, const struct api_param *p, size_t path_index)
{
    const struct str v = p->in == API_PATH    ? api_path(c, path_index)
                         : p->in == API_QUERY ? api_query(c, p->name)
                                              : http_header_get(c->request, p->name);
    char what[128];
    if (str_is_null(v)) {
        return !p->required ||
               refuse(c, p->name, strlen(p->name), "is missing, or not decodable", p->doc);
    }
    if (p->in == API_PATH && memchr(v.p, 0, v.n) != NULL) { /* nothing here has such a name */
        return refuse(c, p->name, strlen(p->name), "must not hold a NUL (%00)", p->doc);
    }
    const char *wanted = legal(p->type, v);
    if (wanted == NULL) {
        return true;
    }
    (void)snprintf(what, sizeof(what), "must be %s", wanted);
    return refuse(c, p->name, strlen(p->name), what, p->doc);
}

/* Which of the route's parameters it is; param_count: none. */
static size_t query_param(const struct api_route *route, struct str name)
{
    size_t i = 0;
    while (i < route->param_count &&
           (route->params[i].in != API_QUERY || !str_eq_z(name, route->params[i].name))) {
        i++;
    }
    return i;
}

/* What would go unseen is refused: a parameter that the route does not have, one that is given
 * twice where the first would count, one that cannot be decoded. */
static bool check_names(struct api_call *c)
{
    const struct api_route *route = c->route;
    struct str rest = c->request->query;
    uint64_t seen = 0; /* bit i: params[i] */
    while (rest.n > 0) {
        struct str value;
        const struct str pair = str_cut(rest, '&', &rest);
        const struct str name = str_cut(pair, '=', &value);
        if (pair.n == 0) {
            continue;
        }
        const size_t i = query_param(route, name);
        if (i == route->param_count) {
            return refuse(c, name.p, name.n, "there is no such query parameter here",
                          "GET /api/v1/openapi.json lists them");
        }
        if ((seen & 1ull << i) != 0 && route->params[i].type != API_LIST) {
            return refuse(c, name.p, name.n, "is given more than once", route->params[i].doc);
        }
        seen |= 1ull << i;
        if (value.n > 0 && str_is_null(http_decode(c->request, value))) {
            return refuse(c, name.p, name.n, "is not decodable",
                          "after % come two hexadecimal digits; a % itself is %25");
        }
    }
    return true;
}

/* Of a header that is given twice the first would count, and what the second says go unseen.
 * (Prefer may be; all of them are read.) */
static bool check_headers(struct api_call *c)
{
    static const char *const once[] = {"Idempotency-Key", "If-Match", "If-None-Match",
                                       "Last-Event-ID"};
    for (size_t k = 0; k < ARRAY_LEN(once); k++) {
        const size_t n = strlen(once[k]);
        size_t count = 0;
        if (str_is_null(http_header_get(c->request, once[k]))) {
            continue;
        }
        for (size_t i = 0; i < c->request->header_count; i++) {
            const struct str name = c->request->headers[i].name;
            count += name.n == n && strncasecmp(name.p, once[k], n) == 0 ? 1u : 0u;
        }
        if (count > 1) {
            return refuse(c, once[k], n, "is given more than once", "give it once");
        }
    }
    return true;
}

static bool has_header_param(const struct api_route *route, const char *name)
{
    for (size_t i = 0; i < route->param_count; i++) {
        if (route->params[i].in == API_HEADER && strcmp(route->params[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A condition that a change does not look at would be taken for one that held. */
static bool check_conditions(struct api_call *c)
{
    static const char *const conditions[] = {"If-Match", "If-None-Match", "If-Unmodified-Since"};
    const struct str method = c->request->method;
    for (size_t i = 0; i < ARRAY_LEN(conditions) && !str_eq_z(method, "GET"); i++) {
        if (!str_is_null(http_header_get(c->request, conditions[i])) && !str_eq_z(method, "HEAD") &&
            !has_header_param(c->route, conditions[i])) {
            return refuse(c, conditions[i], strlen(conditions[i]),
                          "this change does not look at such a condition",
                          "leave it out; GET /api/v1/openapi.json says which changes have one");
        }
    }
    return true;
}

static bool check_params(struct api_call *c)
{
    size_t path_index = 0;
    for (size_t i = 0; i < c->route->param_count; i++) {
        const struct api_param *p = &c->route->params[i];
        if (!check_param(c, p, path_index)) {
            return false;
        }
        path_index += p->in == API_PATH ? 1u : 0u;
    }
    return check_names(c) && check_headers(c) && check_conditions(c);
}

/* A body that is packed would be taken for what it is not. What is read is said in the answer (RFC
 * 9110, 12.5.3). */
static bool check_encoding(struct api_call *c)
{
    static const struct http_header readable = {STR_LIT("Accept-Encoding"), STR_LIT("identity")};
    const struct str coding = str_trim(http_header_get(c->request, "Content-Encoding"));
    if (coding.n == 0 || (coding.n == 8 && strncasecmp(coding.p, "identity", 8) == 0)) {
        return true;
    }
    struct ectx ec = {0};
    IGNORE(ectx_fail(&ec, ERR_INVALID_REQUEST,
                     "the body is packed with '%.*s' (Content-Encoding), which is not read here",
                     (int)(coding.n > 64 ? 64 : coding.n), coding.p));
    ectx_hint(&ec, "send it as it is");
    api_problem_with(c, 0, "unsupported-media-type", &ec, STR_NULL, &readable, 1);
    return false;
}

/*
 * The body is of a type that the route reads. It has to be said: what a form of a web page sends
 * without being asked is none of these.
 */
static bool check_content(struct api_call *c)
{
    static const struct {
        const char *type;
        unsigned flag;
    } types[] = {{"application/json", 0},
                 {"application/x-ndjson", API_NDJSON_IN},
                 {"application/cloudevents+json", API_CLOUDEVENTS},
                 {"application/cloudevents-batch+json", API_CLOUDEVENTS},
                 {"application/yaml", API_YAML_IN},
                 {"application/x-yaml", API_YAML_IN},
                 {"text/yaml", API_YAML_IN}};
    const struct http_request *r = c->request;
    const unsigned flags = c->route->flags;
    if (c->route->body == NULL || r->body.n == 0) {
        return true;
    }
    if (!check_encoding(c)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if ((types[i].flag == 0 || (flags & types[i].flag) != 0) &&
            api_content_is(c, types[i].type)) {
            return true;
        }
    }
    if ((flags & API_CLOUDEVENTS) != 0 && !str_is_null(http_header_get(r, "ce-specversion"))) {
        return true; /* binary mode: the event's data, of any type */
    }
    struct ectx ec = {0};
    const struct str type = http_header_get(r, "Content-Type");
    IGNORE(ectx_fail(&ec, ERR_INVALID_REQUEST, "the body is '%.*s', which is not read here",
                     STR(str_is_null(type) ? STR_LIT("of no said type") : type)));
    ectx_hint(&ec, "send the header Content-Type: application/json");
    api_problem(c, "unsupported-media-type", &ec, STR_NULL);
    return false;
}

/*
 * A page of another site in the user's browser must not change anything here. Browsers say whose
 * page it is (Origin); others do not.
 */
static bool check_origin(struct api_call *c)
{
    const struct str origin = http_header_get(c->request, "Origin");
    const struct str host = http_header_get(c->request, "Host");
    if (str_is_null(origin) || c->request->origin_allowed || str_eq_z(c->request->method, "GET") ||
        str_eq_z(c->request->method, "HEAD")) {
        return true;
    }
    const char *slashes = memmem(origin.p, origin.n, "://", 3);
    if (slashes != NULL && !str_is_null(host)) {
        const size_t at = (size_t)(slashes + 3 - origin.p);
        if (str_eq(str_make(origin.p + at, origin.n - at), host)) {
            return true;
        }
    }
    struct ectx ec = {0};
    IGNORE(ectx_fail(&ec, ERR_PERMISSION, "a page of '%.*s' may not change what is here",
                     STR(origin)));
    api_problem(c, "cross-origin", &ec, STR_NULL);
    return false;
}

/* ---- Requests ----------------------------------------------------------------------------------
 */

static void on_request(void *ctx, struct http_request *r)
{
    struct api *a = ctx;
    struct api_call *c = arena_new(r->arena, struct api_call);
    if (c == NULL) {
        struct ectx ec = {0};
        enum err e = ectx_fail(&ec, ERR_NO_MEMORY, "out of memory for a request");
        http_problem(r, e, &ec);
        return;
    }
    *c = (struct api_call){
        .api = a, .request = r, .arena = r->arena, .route = a->of[r->route - a->routes]};
    if (check_origin(c) && check_params(c) && check_content(c) && idempotency_enter(c)) {
        c->route->handle(c);
    }
}

MUST_USE enum err api_routes_make(struct api *a)
{
    const struct api_resource *res;
    size_t count = 0;
    for (size_t i = 0; (res = api_resource_at(&a->services, i)) != NULL; i++) {
        count += res->route_count;
    }
    a->routes = mem_zalloc(count, sizeof(*a->routes));
    a->of = mem_zalloc(count, sizeof(*a->of));
    if (a->routes == NULL || a->of == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; (res = api_resource_at(&a->services, i)) != NULL; i++) {
        for (size_t j = 0; j < res->route_count; j++) {
            const struct api_route *r = &res->routes[j];
            a->of[a->route_count] = r;
            a->routes[a->route_count++] =
                (struct http_route){r->method, r->path, on_request, r->summary};
        }
    }
    return http_routes_add(a->services.http, a->routes, a->route_count, a);
}
