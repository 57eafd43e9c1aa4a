/* Inside of the http room: what its files share. */
#ifndef LEAT_HTTP_HTTP_INT_H
#define LEAT_HTTP_HTTP_INT_H

#include <http_parser.h>

#include "core/list.h"
#include "http/http.h"

#define HTTP_ROUTE_SETS_MAX      16
#define HTTP_REQUEST_ARENA_BYTES (1024u * 1024)
#define HTTP_PATH_PARTS_MAX      16
/* Bytes of a whole request: a chunk of one byte has five more of framing. */
#define HTTP_MESSAGE_MAX(body_max) (HTTP_HEAD_MAX + 8 * (size_t)(body_max))

struct http_route_set {
    const struct http_route *routes;
    size_t count;
    void *ctx;
};
struct http {
    struct env *env;
    struct net *net;
    struct metrics *metrics;
    uint32_t body_max_bytes;
    struct http_route_set sets[HTTP_ROUTE_SETS_MAX];
    size_t set_count;
    struct metric_histogram *duration;
    struct list listeners; /* of http_listener */
};
struct http_listener {
    struct list link;
    struct http *http;
    bool loopback; /* then only loopback names are accepted as Host */
};

/* A connection: how far its current message was measured. */
struct http_conn {
    struct http *http;
    struct http_listener *listener;
    struct net_conn *conn;
    http_parser measuring;
    size_t measured; /* bytes of the current message that the parser has seen */
    size_t body_bytes;
    bool complete, head_done, body_too_large, started;
    int refused_status; /* set: the message that was just measured is answered with this */
    struct ectx refusal;
};

/* One request from hand-over to reply. */
struct http_exchange {
    struct http_request request; /* its `internal` is this */
    struct http *http;
    struct net_message *message;
    struct arena arena;
    bool keep_alive, head_only;
    uint64_t started_ns;
    int status; /* set when parsing found something to refuse */
    struct ectx ec;
};

/* parse.c: fills the request from the message; false: out of memory. A refusal sets status and ec.
 */
bool http_parse(struct http_exchange *x, const uint8_t *p, size_t n);
/* measure.c */
enum err http_measure(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec);
/* route.c: calls the handler, or answers 404 / 405. */
void http_dispatch(struct http_exchange *x);
/* "%41+b" -> "A b" into the arena (plus: '+' means a space). Null: not decodable. */
struct str http_percent_decode(struct arena *a, struct str s, bool plus);

#endif
