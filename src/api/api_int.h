/*
 * Inside of the api room: routes as data, and what resources share. A handler reads what it needs
 * with the functions below; those that return false have answered the request with a problem
 * already, and the handler just returns.
 */
#ifndef LEAT_API_API_INT_H
#define LEAT_API_API_INT_H

#include "api/api.h"
#include "core/buf.h"
#include "json/json.h"

/* A request that is open for long: told of time, and of the end. */
struct api_waiter {
    struct list link;
    struct api *api;                                     /* while it waits */
    void (*tick)(struct api_waiter *w, uint64_t now_ns); /* about every 100 ms */
    void (*stop)(struct api_waiter *w);                  /* answer and go, within the call */
};
struct api_call;
/* Is there room for one more (API_OPEN_MAX)? False: answered. */
bool api_may_wait(struct api_call *c);
void api_wait(struct api *a, struct api_waiter *w);
void api_wait_end(struct api_waiter *w); /* harmless twice */
/*
 * Calls `handle` when `ready` is true, at the latest after API_READY_NS: for a stream of events. A
 * browser that comes back while the server starts must not meet a 503: at any status but 200 its
 * EventSource gives up for good (HTML Living Standard, 9.2.3).
 */
#define API_READY_NS 60000000000ull
void api_when_ready(struct api_call *c, bool (*ready)(const struct api *a),
                    void (*handle)(struct api_call *c));

/* Streams and long polls that are open at once; more are answered 503. */
#define API_OPEN_MAX 10000u

struct api {
    struct api_services services;
    struct list waiting; /* of api_waiter */
    struct api_idempotency *idempotency;
    struct http_route *routes; /* made from all resources, with `of` beside them */
    const struct api_route **of;
    size_t route_count;
    struct buf openapi;     /* the document */
    char openapi_etag[16];  /* quoted */
    uint64_t next_anywhere; /* for records without a key */
    uint32_t open;          /* waiters, of API_OPEN_MAX */
};

/* ---- Routes
 * ---------------------------------------------------------------------------------------- */

enum api_in { API_PATH, API_QUERY, API_HEADER };
enum api_type {
    API_STRING,
    API_LIST,    /* of texts: given several times, or with commas; all others: once */
    API_INTEGER, /* 0 or more */
    API_LIMIT,   /* of a page: 1 or more */
    API_BOOLEAN,
    API_DURATION, /* "30s" */
    API_POSITION, /* "p:..." */
    API_TIME,     /* RFC 3339 */
    API_CURSOR,
};
struct api_param {
    const char *name;
    enum api_in in;
    enum api_type type;
    bool required;
    const char *example; /* a legal value; NULL: none needed */
    const char *doc;
};
/* Beside application/json. */
enum {
    API_NDJSON_IN = 1,
    API_NDJSON_OUT = 2,
    API_SSE = 4,
    API_IDEMPOTENT = 8,    /* honours Idempotency-Key */
    API_TEXT = 16,         /* answers with text for people, not with JSON */
    API_MAY_BE_EMPTY = 32, /* the body may be left out */
    API_CLOUDEVENTS = 64,  /* takes CloudEvents: structured, batches, binary mode */
    API_YAML_IN = 128,
};
struct api_call;
struct api_route {
    const char *method, *path;
    void (*handle)(struct api_call *c);
    const char *id;      /* operationId: "appendToStream" */
    const char *summary; /* one sentence */
    const struct api_param *params;
    size_t param_count;
    const char *body;   /* name of the schema of the request; NULL: it has none */
    const char *answer; /* name of the schema of the answer; NULL: none */
    int status;         /* of success */
    unsigned flags;
    const char *problems; /* codes beside those that any route may give, separated by spaces */
    const char *example;  /* a legal body; NULL: none */
};
/* A named JSON Schema (2020-12): text. */
struct api_schema {
    const char *name, *json;
};
struct api_resource {
    const char *tag; /* of the document: "Streams" */
    const char *doc;
    const struct api_route *routes;
    size_t route_count;
    const struct api_schema *schemas;
    size_t schema_count;
};
/* streams.c, ...: listed in table.c */
extern const struct api_resource api_streams, api_appends, api_events, api_live, api_snapshots,
    api_folds, api_projections, api_views, api_view_changes, api_topics, api_records, api_about;

/* table.c: the resources that these services offer, one after the other; NULL: no more. */
const struct api_resource *api_resource_at(const struct api_services *s, size_t i);
MUST_USE enum err api_routes_make(struct api *a);
/* openapi.c: the document of all resources. */
void api_openapi_write(const struct api_services *s, struct buf *out);
/* problem.c: for the document. NULL: no more. */
const struct api_problem_doc *api_problem_at(size_t i);

/* ---- A request
 * ------------------------------------------------------------------------------------- */

struct api_call {
    struct api *api;
    struct http_request *request;
    struct arena *arena; /* lives until the answer is out */
    const struct api_route *route;
    void *idempotency; /* of the key, if one was given */
    bool not_again;    /* its problem is not retryable, whatever the table says of the code */
};

/* What is made of the request needs so many bytes of the arena beside those that its length gives:
 * the budget grows by them, up to LIMIT_REQUEST_ARENA_MAX. Allocates nothing. A request that needs
 * more is answered 413 `too-large` instead of what its handler says of memory (answer.c). */
void api_arena_widen(struct api_call *c, uint64_t bytes);
/* The same for a body that is read as JSON, whatever is in it. The shortest costs most: a number of
 * an array has two bytes, and 80 as a value; a tag of a letter has four, and 128 as a value, a text
 * and a header. That is 40 for each byte, 16 of which are http's. */
void api_arena_widen_json(struct api_call *c);
/* The same for a list of topics: the node has as many as partitions (leat.max.partitions) at most.
 */
void api_arena_widen_topics(struct api_call *c, size_t each_bytes);
/* Path parameters, decoded. */
struct str api_path(const struct api_call *c, size_t index);
/* Query parameters. Absent: `missing`. False: answered (malformed, out of range). */
struct str api_query(const struct api_call *c, const char *name); /* null: absent */
bool api_query_u64(struct api_call *c, const char *name, uint64_t missing, uint64_t max,
                   uint64_t *out);
bool api_query_bool(struct api_call *c, const char *name, bool missing, bool *out);
bool api_query_duration(struct api_call *c, const char *name, uint64_t missing_ns, uint64_t max_ns,
                        uint64_t *out_ns);
/* A parameter that may be given several times, or as a list with commas; in the arena. */
bool api_query_list(struct api_call *c, const char *name, size_t max, struct str **out,
                    size_t *count);
/* The body as JSON. `required` false: an empty one gives NULL. */
bool api_body(struct api_call *c, bool required, struct json **out);
/* Every member of an object is one of `names`, which blanks separate: a guard that is misspelt is
 * refused, not left out. */
MUST_USE enum err api_only(const struct json *object, const char *names, struct ectx *ec);
/* Does the client want this media type (Accept), more than application/json? */
bool api_accepts(const struct api_call *c, const char *media_type);
bool api_content_is(const struct api_call *c, const char *media_type);
/* The request's traceparent, if it has a valid one; else null. */
struct str api_traceparent(const struct api_call *c);
/* Prefer: durability=fsync or os (RFC 7240); null: there is no such wish, or another value, which
 * is ignored. */
struct str api_prefer_durability(const struct api_call *c);
/* `has`: what the data has. If there was a wish, the header for the answer says it: 1, else 0. */
size_t api_prefer_applied(const struct api_call *c, struct str has, struct http_header *applied);
/* If-None-Match holds this ETag (with its quotes)? Then the answer is 304. */
bool api_none_match(const struct api_call *c, struct str etag);

/* A JSON value of somebody else on one line: NDJSON and server-sent events have lines. Line breaks
 * within JSON stand between tokens only, where a space means the same. */
void api_write_line(struct json_writer *w, struct str json);
/* Is it JSON, which can be written as it is? Without the memory to find out the answer fails: it
 * must not depend on that. */
bool api_is_json(struct json_writer *w, struct str text);

/* Cursors: what a page ended with, opaque and checked. `kind` tells lists apart. */
void api_cursor_write(struct json_writer *w, const char *name, char kind, struct str at);
/* Null: there is none. False: answered (not one of ours, or of another list). */
bool api_cursor_get(struct api_call *c, char kind, struct str *at);

/* ---- Answers
 * ---------------------------------------------------------------------------------------- */

/* The buffer's memory is taken. A buffer that has failed is answered with 503. */
void api_reply(struct api_call *c, int status, const struct http_header *headers,
               size_t header_count, struct buf *json);
/*
 * The same for one JSON object of up to `max` bytes: its members are written with &o.w between the
 * two. It stays where it was begun.
 *
 *     struct api_object o;
 *     api_object_begin(&o, ANSWER_BYTES);
 *     json_write_member_str(&o.w, "name", name);
 *     api_object_reply(c, 200, NULL, 0, &o);
 */
struct api_object {
    struct buf b;
    struct json_writer w;
};
void api_object_begin(struct api_object *o, size_t max);
void api_object_reply(struct api_call *c, int status, const struct http_header *headers,
                      size_t header_count, struct api_object *o);
void api_reply_empty(struct api_call *c, int status, const struct http_header *headers,
                     size_t header_count);
/* A problem of the table by its code; the detail and hint from ec. `members`: further ones (JSON
 * without braces). */
void api_problem(struct api_call *c, const char *code, const struct ectx *ec, struct str members);
/* The same with another status (0: the table's) and more headers. */
void api_problem_with(struct api_call *c, int status, const char *code, const struct ectx *ec,
                      struct str members, const struct http_header *headers, size_t header_count);
/* The code of the problem that an error of the house is. */
const char *api_problem_of(enum err e);
/* Answers with it. */
void api_fail(struct api_call *c, enum err e, const struct ectx *ec);

/*
 * What comes too late for a status, as a line {"NAME":{"code","status","detail"}}. `problem` ends
 * an answer that should have had an end of its own: the line is sent, and the stream is broken off.
 * `closed` is how one ends that follows: the line, or for server-sent events the event `closed`.
 */
void api_stream_problem(struct http_stream *out, const char *code, const struct ectx *ec);
void api_stream_closed(struct http_stream *out, bool sse, const char *code, const struct ectx *ec);

struct api_problem_doc {
    const char *code;
    int status;
    bool retryable;
    const char *title, *meaning, *what_to_do;
};
const struct api_problem_doc *api_problem_find(struct str code);

#endif
