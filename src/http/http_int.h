/* Inside of the http room: what its files share. */
#ifndef LEAT_HTTP_HTTP_INT_H
#define LEAT_HTTP_HTTP_INT_H

#include <http_parser.h>

#include "core/list.h"
#include "http/http.h"

#define HTTP_ROUTE_SETS_MAX 16
#define HTTP_PATH_PARTS_MAX 16
/* What decoding one request may allocate: this much, and so much for each of its bytes. */
#define HTTP_ARENA_BASE     (1024u * 1024)
#define HTTP_ARENA_PER_BYTE 16u
#define HTTP_ARENA_KEEP     (8u * 1024)
/* Bytes of a whole request: a chunk of one byte has five more of framing. */
#define HTTP_MESSAGE_MAX(body_max) (HTTP_HEAD_MAX + 8 * (size_t)(body_max))
/* A reply's head, and a small body behind it, lie in the exchange itself. */
#define HTTP_REPLY_INLINE 1024u
#define HTTP_SPARE_MAX    256u /* exchanges that are kept for the next requests */
#define HTTP_DATE_SIZE    32u  /* "Sat, 28 Nov 2026 22:16:34 GMT" */
#define HTTP_FIELDS_MIN   24u

/* A route with its path cut into parts. */
struct http_matcher {
    const struct http_route *route;
    void *ctx;
    uint32_t part_count;
    struct str parts[HTTP_PATH_PARTS_MAX]; /* null: `{...}`, which any part matches */
};
struct http {
    struct env *env;
    struct net *net;
    struct metrics *metrics;
    uint32_t body_max_bytes;
    struct http_matcher *matchers;
    size_t matcher_count;
    char *origin_text; /* of `origins` */
    struct str origins[HTTP_ORIGINS_MAX];
    size_t origin_count;
    struct metric_histogram *duration;
    struct list listeners; /* of http_listener */
    struct list live;      /* of http_exchange: requests that are not answered yet */
    struct list spare;
    size_t spare_count;
    int64_t date_s; /* `date` is the time of this second */
    char date[HTTP_DATE_SIZE];
};
struct http_listener {
    struct list link;
    struct http *http;
    bool loopback; /* then only loopback names are accepted as Host */
};

/* A field of the head: where it lies in the message, whose buffer may move until it is whole. */
struct http_field {
    uint32_t name_at, name_n, value_at, value_n;
};

/* A connection, and the request that arrives on it. */
struct http_conn {
    struct http *http;
    struct http_listener *listener;
    struct net_conn *conn;
    struct http_exchange *arriving; /* NULL: no byte of the next request was looked at */
};

/* One request from its first byte until its reply is out. */
struct http_exchange {
    struct http_request request; /* its `internal` is this */
    struct list link;            /* in http->live or http->spare */
    struct http *http;
    struct http_conn *conn; /* while it arrives */
    struct net_message *message;
    struct arena arena;
    uint64_t started_ns;

    /* Measuring (measure.c). */
    http_parser parser;
    const uint8_t *base;       /* of the message, during a call of the parser */
    size_t measured;           /* bytes that the parser has seen */
    size_t total;              /* of the whole message; 0: not known yet */
    size_t body_bytes;         /* seen of a chunked body */
    struct http_field *fields; /* NULL: inline */
    uint32_t field_count;
    uint32_t target_at, target_n;
    struct str authority; /* of an absolute target, which stands above Host; else null */
    struct str origin;    /* of a page that may read the answer; else null */
    uint32_t head_bytes;
    bool in_value, head_done, head_checked, complete, chunked, body_too_large, too_many_fields,
        folded, out_of_memory;

    bool keep_alive, head_only, http_1_0;
    int status;     /* set when something is to be refused with this */
    bool early;     /* answered before its body comes, which is not read any more */
    bool cut_short; /* answered though more of it may come */

    uint8_t *body_taken; /* memory of the reply that does not lie in `out` */
    uint8_t *large_out;

    /* From here on it is not cleared for the next request. */
    struct ectx ec;
    struct http_field inline_fields[HTTP_FIELDS_MIN];
    char out[HTTP_REPLY_INLINE];
};

/* http.c */
struct http_exchange *http_exchange_get(struct http *h); /* NULL: out of memory */
void http_exchange_put(struct http_exchange *x);

/* measure.c */
enum err http_measure(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec);
/* http.c: it is answered without a look at its body: a refusal, or `early`. The whole head is at
 * `p`, of which nothing is kept. */
void http_judge_head(struct http_exchange *x, const uint8_t *p);

/* parse.c: fills the request from the message; false: out of memory. A refusal sets status and ec.
 */
bool http_parse(struct http_exchange *x, const uint8_t *p, size_t n);
bool http_parse_head(struct http_exchange *x, const uint8_t *p); /* all but the body */
/* "%41+b" -> "A b" into the arena (plus: '+' means a space). Null: not decodable, or no
 * memory. */
struct str http_percent_decode(struct arena *a, struct str s, bool plus);
/* route.c: calls the handler, or answers 404 / 405. */
void http_dispatch(struct http_exchange *x);
/* Is there a handler for it, or an answer to OPTIONS? Else it is a 404 or a 405, or there is no
 * memory to tell: it is refused then. */
bool http_serves(struct http_exchange *x);
/* origin.c: whose page asks? Sets origin, if it may read the answer. */
void http_origin_check(struct http_exchange *x);
/* What a browser is told of it; in any case that answers differ. */
void http_origin_put(struct buf *b, const struct http_exchange *x);
size_t http_origin_max(const struct http_exchange *x); /* bytes that it needs at most */
/* Answers OPTIONS: `allow` is the value of Allow. A browser asks so before it sends. */
void http_answer_options(struct http_exchange *x, struct str allow);
/* reply.c: the head of a reply into `b`. length < 0: not known. */
void http_head_put(struct buf *b, const struct http_exchange *x, const struct http_head *head,
                   int64_t length);
void http_date_format(int64_t unix_s, char out[HTTP_DATE_SIZE]);
/* Bytes that it needs at most. */
size_t http_head_max(const struct http_exchange *x, const struct http_head *head);
/* A field of the head is not legal, and the request was answered with that. */
bool http_refused_for_head(struct http_request *r, const struct http_head *head);
/* Answers with x->status and x->ec, and closes the connection. */
void http_answer_refusal(struct http_exchange *x);
PRINTF_LIKE(3, 4) void http_refuse(struct http_exchange *x, int status, const char *fmt, ...);

#endif
