/*
 * HTTP/1.1 over net: requests are parsed by a library, matched against a route table, answered by
 * handlers. Bodies and heads are bounded; keep-alive, HEAD, pipelining in order. Errors are
 * problem+json (RFC 9457), also for what is not HTTP or over a limit; then the connection ends.
 *
 * Host header: on a loopback listener only loopback names are accepted (DNS rebinding; reliability
 * V20).
 */
#ifndef LEAT_HTTP_HTTP_H
#define LEAT_HTTP_HTTP_H

#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "metrics/metrics.h"
#include "net/net.h"

struct http;

#define HTTP_HEAD_MAX         (32u * 1024)
#define HTTP_HEADER_COUNT_MAX 100u

struct http_header {
    struct str name, value;
};
struct http_request {
    struct str method;
    struct str path;  /* decoded, without the query */
    struct str query; /* raw, without '?' */
    struct http_header *headers;
    size_t header_count;
    struct str body;
    struct str params[4]; /* what `{...}` in the route's path matched, in order */
    size_t param_count;
    struct arena *arena; /* lives until the reply is out */
    void *internal;
};
struct str http_header_get(const struct http_request *r,
                           const char *name); /* case-insensitive; null: absent */
/* The decoded value of a query parameter; null: absent. */
struct str http_query_get(const struct http_request *r, const char *name);

struct http_route {
    const char *method; /* "GET" serves HEAD too */
    const char *path;   /* "/api/v1/topics/{topic}" */
    void (*handle)(void *ctx, struct http_request *r);
    const char *doc; /* one sentence */
};

/* Each request is answered exactly once, now or later. `body` is copied. */
void http_reply(struct http_request *r, int status, const char *content_type, struct str body);
/* application/problem+json with type, title, status, detail, hint. */
void http_problem(struct http_request *r, enum err e, const struct ectx *ec);

MUST_USE enum err http_create(struct env *env, struct net *net, struct metrics *metrics,
                              uint32_t body_max_bytes, struct http **out);
void http_destroy(struct http *h);
MUST_USE enum err http_routes_add(struct http *h, const struct http_route *routes, size_t count,
                                  void *ctx);
MUST_USE enum err http_listen(struct http *h, const struct env_addr *addr, struct env_addr *bound,
                              struct ectx *ec);

#endif
