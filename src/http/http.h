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

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/str.h"
#include "metrics/metrics.h"
#include "net/net.h"

struct http;

#define HTTP_HEAD_MAX         (32u * 1024)
#define HTTP_HEADER_COUNT_MAX 100u
#define HTTP_PARAMS_MAX       4u

struct http_header {
    struct str name, value;
};
struct http_request {
    struct str method;
    struct str path;   /* decoded, without the query */
    struct str target; /* the path as it was sent */
    struct str query;  /* raw, without '?' */
    struct http_header *headers;
    size_t header_count;
    uint64_t name_lengths; /* bit n: a header's name has n bytes (63: or more); 0: not known */
    struct str body;
    struct str
        params[HTTP_PARAMS_MAX]; /* what `{...}` in the route's path matched, decoded, in order */
    size_t param_count;
    const struct http_route *route;
    bool origin_allowed; /* its Origin is one of http_origins_set */
    struct arena *arena; /* lives until the reply is out */
    void *internal;
};
/* The first header of this name, whatever its case; null: absent. */
struct str http_header_find(const struct http_request *r, const char *name, size_t n);
static inline uint64_t http_name_length(size_t n)
{
    return 1ull << (n < 63 ? n : 63);
}
/* Handlers ask for many that are not there: mostly the length of the name says so. */
static inline struct str http_header_get(const struct http_request *r, const char *name)
{
    const size_t n = strlen(name);
    const bool may = r->name_lengths == 0 || (r->name_lengths & http_name_length(n)) != 0;
    return may ? http_header_find(r, name, n) : STR_NULL;
}
/* The decoded value of a query parameter; null: absent. */
struct str http_query_get(const struct http_request *r, const char *name);

/* A piece of a query: "%41+b" is "A b". In the request's arena; null: not decodable. */
struct str http_decode(struct http_request *r, struct str s);

struct http_route {
    const char *method; /* "GET" serves HEAD too */
    const char *path;   /* "/api/v1/topics/{topic}" */
    void (*handle)(void *ctx, struct http_request *r);
    const char *doc; /* one sentence */
};

/* Each request is answered exactly once, now or later. `body` is copied. */
void http_reply(struct http_request *r, int status, const char *content_type, struct str body);
/* The same with more headers (ETag, Location, ...), which are copied. Values must be legal
 * (http_value_legal): a line break from a peer must not become a header. */
struct http_head {
    int status;
    const char *content_type; /* NULL: none (204, 304) */
    const struct http_header *headers;
    size_t header_count;
};
void http_reply_with(struct http_request *r, const struct http_head *head, struct str body);
/* The same; the buffer's memory is taken, not copied, and the buffer is empty afterwards. */
void http_reply_take(struct http_request *r, const struct http_head *head, struct buf *body);
/* Something was done and there is no memory to tell what: the connection goes, which says neither
 * that it was done nor that it was not. The others do so too where they find no memory. */
void http_reply_lost(struct http_request *r);
bool http_value_legal(struct str value);

/* application/problem+json (RFC 9457) with type, title, status, detail, hint. */
void http_problem(struct http_request *r, enum err e, const struct ectx *ec);
/* The same with a stable code of the API: type "/problems/{code}". */
struct http_problem_spec {
    const char *code; /* "revision-conflict" */
    int status;
    const char *title;
    bool retryable;
    int64_t retry_after_ms; /* -1: not said; else also the header Retry-After */
    struct str members; /* further members, JSON without braces: "\"expected\":5"; may be empty */
    const struct http_header *headers;
    size_t header_count;
};
void http_problem_with(struct http_request *r, const struct http_problem_spec *p,
                       const struct ectx *ec);

/*
 * A reply of unknown length, sent as it comes into being (chunked; to HTTP/1.0 until the end of the
 * connection): NDJSON, server-sent events. What is written and not sent is bounded: above
 * HTTP_STREAM_HIGH bytes http_stream_write says false (what it was given is taken all the same),
 * and `writable` is called when it is below HTTP_STREAM_LOW. A peer that takes nothing for the
 * listener's stall time is closed.
 */
#define HTTP_STREAM_HIGH NET_STREAM_HIGH
#define HTTP_STREAM_LOW  NET_STREAM_LOW
struct http_stream;
struct http_stream_hooks {
    void (*writable)(void *ctx);
    /* The connection is gone, or the server drains: once, and then the stream must not be used any
     * more. Not called after http_stream_end. */
    void (*closed)(void *ctx);
};
/* Takes the request: it must not be answered otherwise. NULL: out of memory (it was answered). */
struct http_stream *http_stream_begin(struct http_request *r, const struct http_head *head,
                                      const struct http_stream_hooks *hooks, void *ctx);
/* `bytes` are copied. Small writes of one turn of the loop are sent together. */
bool http_stream_write(struct http_stream *s, struct str bytes);
void http_stream_end(struct http_stream *s);
/* The reply cannot go on, and the peer shall not take it for a whole one: what was written is sent,
 * no last chunk, and the connection is closed. (To HTTP/1.0 that is an end like any other.) */
void http_stream_break(struct http_stream *s);
/* Server-sent events (HTML Living Standard, 9.2): one event; id and event may be null. */
bool http_stream_event(struct http_stream *s, struct str id, struct str event, struct str data);
/* A comment line, as a heartbeat. */
bool http_stream_comment(struct http_stream *s, struct str text);

MUST_USE enum err http_create(struct env *env, struct net *net, struct metrics *metrics,
                              uint32_t body_max_bytes, struct http **out);
void http_destroy(struct http *h);
/*
 * Pages of these origins may call this server from a browser and read its answers (CORS, the Fetch
 * standard): "https://shop.example,http://localhost:5173", exactly as a browser writes them in
 * `Origin`. Empty, as at first: no page but one of this server. Never a wildcard. ERR_CONFIG names
 * what is no origin; ERR_LIMIT: more than HTTP_ORIGINS_MAX.
 */
#define HTTP_ORIGINS_MAX 32u
MUST_USE enum err http_origins_set(struct http *h, struct str list, struct ectx *ec);
MUST_USE enum err http_routes_add(struct http *h, const struct http_route *routes, size_t count,
                                  void *ctx);
MUST_USE enum err http_listen(struct http *h, const struct env_addr *addr, struct env_addr *bound,
                              struct ectx *ec);

#endif
