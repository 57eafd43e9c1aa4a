/*
 * Appending: POST /api/v1/streams/{stream}/events, and POST /api/v1/append over several streams.
 * Bodies: {"expected", "events": [...]}, NDJSON, a CloudEvents batch, one structured CloudEvent, or
 * one event in CloudEvents' binary mode.
 */
#include <string.h>

#include "api/es_common.h"
#include "api/idempotency.h"

/*
 * What an event needs of the request's arena beside what its JSON does: one of a few bytes is read
 * (1.3 KiB, mostly room for attributes), planned (0.7 KiB), and is a record with some 12 headers
 * (0.8 KiB) then.
 */
#define APPEND_EVENT_BYTES 4096u

struct append_call {
    struct api_call *c;
    struct es_append append;
    struct es_expected expected;
    bool by_header;
    struct str stream; /* null: several */
    bool cloudevents;  /* the content type says that they are */
    bool full;         /* the answer has no room among those of Idempotency-Keys */
    struct es_new_event *events;
    size_t count, cap;
};

/* ---- Reading the request -------------------------------------------------------------------- */

/* An event that says nothing of a trace belongs to that of the request. */
static void trace_event(const struct append_call *x, struct envelope *e)
{
    struct str parent = http_header_get(x->c->request, "traceparent");
    struct str state = http_header_get(x->c->request, "tracestate");
    if (!str_is_null(e->traceparent) || !traceparent_valid(parent)) {
        return;
    }
    e->traceparent = parent;
    e->tracestate = tracestate_valid(state) ? state : STR_NULL;
}

/* "events[3]"; the only one that a body can have: "event". `list` is a word of ours. */
static void event_at(const struct append_call *x, const char *list, char at[64])
{
    struct buf b = {.p = (uint8_t *)at, .cap = 63, .max = 63};
    buf_put_z(&b, list);
    if (strcmp(list, "event") != 0) {
        buf_put_u8(&b, '[');
        buf_put_decimal(&b, x->count);
        buf_put_u8(&b, ']');
    }
    at[b.n] = '\0';
}

static enum err add_event(struct append_call *x, const struct json *v, const char *list,
                          struct ectx *ec)
{
    char at[64];
    event_at(x, list, at);
    if (x->count == x->cap) {
        return ectx_fail(ec, ERR_RECORD_LIST_TOO_LARGE, "more than %u events", ES_EVENTS_MAX);
    }
    const struct json *spec = json_get(v, "specversion");
    if (x->cloudevents && v->kind == JSON_OBJECT && (spec == NULL || spec->kind != JSON_STRING)) {
        return ectx_fail(ec, ERR_MALFORMED, "%s.specversion: %s", at,
                         spec == NULL ? "is missing: \"1.0\"" : "must be a string: \"1.0\"");
    }
    enum err e = event_read(v, x->stream, at, x->c->arena, &x->events[x->count], ec);
    if (e == ERR_OK) {
        trace_event(x, &x->events[x->count++].envelope);
    }
    return e;
}

static enum err make_room(struct append_call *x, size_t count, struct ectx *ec)
{
    if (count > ES_EVENTS_MAX) {
        return ectx_fail(ec, ERR_RECORD_LIST_TOO_LARGE,
                         "%zu events, but at most %u are taken at once", count, ES_EVENTS_MAX);
    }
    api_arena_widen(x->c, count * (uint64_t)APPEND_EVENT_BYTES);
    x->events = arena_new_n(x->c->arena, struct es_new_event, count == 0 ? 1 : count);
    x->cap = count;
    return x->events == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err add_list(struct append_call *x, const struct json *list, const char *name,
                         struct ectx *ec)
{
    if (list == NULL || list->kind != JSON_ARRAY) {
        return ectx_fail(ec, ERR_MALFORMED, "%s: is missing: a list of events", name);
    }
    enum err e = make_room(x, list->count, ec);
    for (const struct json *v = list->first; e == ERR_OK && v != NULL; v = v->next) {
        e = add_event(x, v, name, ec);
    }
    return e;
}

/* Of lines that are not empty: the body may end with a line's end, or have more of them. */
static size_t line_count(struct str rest)
{
    size_t n = 0;
    while (rest.n > 0) {
        n += str_trim(str_cut(rest, '\n', &rest)).n > 0;
    }
    return n;
}

static enum err add_lines(struct append_call *x, struct str body, struct ectx *ec)
{
    const struct json_limits limits = {.build_depth = 2};
    struct str rest = body;
    enum err e = make_room(x, line_count(body), ec);
    for (size_t line = 1; e == ERR_OK && rest.n > 0; line++) {
        struct json *v;
        struct str text = str_trim(str_cut(rest, '\n', &rest));
        if (text.n == 0) {
            continue;
        }
        e = json_parse(text, &limits, x->c->arena, &v, ec);
        e = e == ERR_OK ? add_event(x, v, "events", ec) : e;
        if (e != ERR_OK) {
            return ectx_wrap(ec, e, "line %zu", line);
        }
    }
    return e;
}

/* Without a Content-Type it is JSON, as an event in JSON has it. */
static enum err check_body(struct es_new_event *n, struct ectx *ec)
{
    const bool said = !str_is_null(n->envelope.content_type);
    if (!said) {
        n->envelope.content_type = STR_LIT("application/json");
    }
    const enum err e = envelope_check_data(&n->envelope, n->data, "body", ec);
    return e != ERR_MALFORMED || said
               ? e
               : ectx_fail(ec, e, "Content-Type: missing, so the body must be JSON, and it is not");
}

/* ce-id, ce-type, ... and the body as it is. */
static enum err add_binary(struct append_call *x, struct ectx *ec)
{
    const struct http_request *r = x->c->request;
    enum err e = make_room(x, 1, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct es_new_event *n = &x->events[0];
    *n = (struct es_new_event){.stream = x->stream, .data = r->body};
    _Static_assert(sizeof(struct http_header) == 2 * sizeof(struct str), "a name and a value");
    const struct envelope_http headers = {.count = r->header_count,
                                          .headers = (const void *)r->headers};
    e = envelope_read_http(&headers, x->c->arena, &n->envelope, ec);
    e = e == ERR_OK ? check_body(n, ec) : e;
    x->count = e == ERR_OK;
    return e;
}

static bool is_binary(const struct http_request *r)
{
    return !str_is_null(http_header_get(r, "ce-type")) ||
           !str_is_null(http_header_get(r, "ce-specversion"));
}

/* All forms of one stream's append. *body: of the JSON object, for `expected`; else NULL. */
static enum err read_events(struct append_call *x, struct json **body, struct ectx *ec)
{
    const struct http_request *r = x->c->request;
    const struct json_limits limits = {.build_depth = 4};
    *body = NULL;
    if (is_binary(r)) {
        return add_binary(x, ec);
    }
    if (api_content_is(x->c, "application/x-ndjson")) {
        return add_lines(x, r->body, ec);
    }
    struct json *v;
    enum err e = json_parse(r->body, &limits, x->c->arena, &v, ec);
    if (e != ERR_OK) {
        return e;
    }
    const bool batch = api_content_is(x->c, "application/cloudevents-batch+json");
    x->cloudevents = batch || api_content_is(x->c, "application/cloudevents+json");
    if (batch) {
        return add_list(x, v, "batch", ec);
    }
    if (x->cloudevents) {
        e = make_room(x, 1, ec);
        return e == ERR_OK ? add_event(x, v, "event", ec) : e;
    }
    if (v->kind != JSON_OBJECT) {
        return ectx_fail(ec, ERR_MALFORMED, "the body must be an object with a list of events");
    }
    *body = v;
    e = api_only(v, "events expected", ec);
    return e == ERR_OK ? add_list(x, json_get(v, "events"), "events", ec) : e;
}

/* ---- Answering ------------------------------------------------------------------------------ */

/* A check of a stream that was deleted for ever fails for ever. */
static void write_violations(struct append_call *x, struct json_writer *w)
{
    const struct es_append *a = &x->append;
    json_write_name(w, "violations");
    json_write_begin(w, '[');
    for (size_t i = 0; i < a->violation_count; i++) {
        const struct es_violation *v = &a->violations[i];
        json_write_begin(w, '{');
        json_write_member_i64(w, "check", (int64_t)v->check);
        if (v->check < a->check_count && a->checks[v->check].kind == ES_CHECK_QUERY) {
            json_write_member_str(w, "kind", STR_LIT("query"));
            event_position_write(w, "first_match", v->first_match);
            json_write_member_str(w, "type", v->match_type);
        } else if (v->check < a->check_count) {
            json_write_member_str(w, "kind", STR_LIT("stream"));
            es_conflict_write(w, a->checks[v->check].stream, &a->checks[v->check].expected,
                              v->tombstoned ? ES_TOMBSTONED : ES_ACTIVE, v->exists, v->actual);
            x->c->not_again = x->c->not_again || v->tombstoned;
            if (v->deleted) {
                json_write_member_bool(w, "deleted", true);
            }
        }
        json_write_end(w, '}');
    }
    json_write_end(w, ']');
}

static void write_size(struct json_writer *w, const struct es_append *a)
{
    if (a->max_bytes > 0) {
        json_write_member_i64(w, "size", (int64_t)a->size_bytes);
        json_write_member_i64(w, "max", (int64_t)a->max_bytes);
    }
}

static void write_known(struct json_writer *w, const struct es_append *a)
{
    json_write_name(w, "known");
    json_write_begin(w, '[');
    for (size_t i = 0; i < a->known_count; i++) {
        json_write_begin(w, '{');
        json_write_member_i64(w, "event", (int64_t)a->known[i].event);
        json_write_name(w, "revision");
        json_write_u64(w, a->known[i].revision);
        json_write_end(w, '}');
    }
    json_write_end(w, ']');
}

static void reply_conflict(struct append_call *x)
{
    const struct es_append *a = &x->append;
    struct buf b;
    struct json_writer w;
    char etag[ES_ETAG_SIZE];
    struct http_header header = {STR_LIT("ETag"), es_etag(a->actual_revision, etag)};
    buf_init(&b, ES_MEMBERS_BYTES * 16);
    json_write_init(&w, &b);
    int status = 0;
    size_t headers = 0;
    switch ((int)a->problem) {
    case ES_REVISION_CONFLICT:
        es_conflict_write(&w, x->stream, &x->expected, ES_ACTIVE, a->exists, a->actual_revision);
        status = x->by_header ? 412 : 409;
        headers = a->exists ? 1 : 0;
        break;
    case ES_APPEND_CONFLICT:
        write_violations(x, &w);
        break;
    case ES_EVENT_ID_REUSED:
        json_write_name(&w, "original_revision");
        json_write_u64(&w, a->original_revision);
        json_write_member_i64(&w, "event", (int64_t)a->culprit);
        break;
    case ES_PARTIAL_DUPLICATE:
        json_write_member_i64(&w, "event", (int64_t)a->culprit);
        write_known(&w, a);
        break;
    case ES_EVENT_TOO_LARGE:
    case ES_STREAM_TOMBSTONED:
    case ES_CATEGORY_NOT_FOUND:
        json_write_member_i64(&w, "event", (int64_t)a->culprit);
        write_size(&w, a);
        break;
    default: /* of all: no event is at fault */
        write_size(&w, a);
        break;
    }
    if (x->full) {
        api_problem(x->c, "idempotency-full", &a->ec, STR_NULL);
    } else if (a->problem == ES_FAILED || a->problem == ES_INVALID) {
        es_reply_problem(x->c, a->problem, 0, &a->ec, STR_NULL);
    } else {
        api_problem_with(x->c, status != 0 ? status : es_problem_status(a->problem),
                         es_problem_code(a->problem), &a->ec,
                         buf_failed(&b) ? STR_NULL : buf_str(&b), &header, headers);
    }
    buf_deinit(&b);
}

static void write_streams(struct json_writer *w, const struct es_append *a)
{
    json_write_name(w, "streams");
    json_write_begin(w, '[');
    for (size_t i = 0; i < a->stream_count; i++) {
        json_write_begin(w, '{');
        json_write_member_str(w, "stream", a->streams[i].stream);
        json_write_name(w, "first_revision");
        json_write_u64(w, a->streams[i].first_revision);
        json_write_name(w, "last_revision");
        json_write_u64(w, a->streams[i].last_revision);
        json_write_end(w, '}');
    }
    json_write_end(w, ']');
}

/* The answer's body; `template` before the position is known. */
static void write_answer(const struct append_call *x, struct buf *b, bool template)
{
    const struct es_append *a = &x->append;
    struct json_writer w;
    json_write_init(&w, b);
    json_write_begin(&w, '{');
    if (str_is_null(x->stream)) {
        write_streams(&w, a);
    } else if (a->stream_count > 0) {
        const struct es_appended *s = &a->streams[0];
        json_write_member_str(&w, "stream", s->stream);
        json_write_name(&w, "first_revision");
        json_write_u64(&w, s->first_revision);
        json_write_name(&w, "last_revision");
        json_write_u64(&w, s->last_revision);
    }
    if (template) {
        json_write_name(&w, "position");
        template_position(&w);
    } else {
        event_position_write(&w, "position", a->position);
    }
    json_write_member_bool(&w, "idempotent", a->idempotent);
    json_write_end(&w, '}');
}

struct answer_head {
    struct http_head head;
    struct http_header headers[3];
    char etag[ES_ETAG_SIZE];
    char location[ES_STREAM_NAME_MAX * 3 + 64];
};

static void make_head(const struct append_call *x, struct answer_head *h)
{
    const struct es_append *a = &x->append;
    size_t n = 0;
    if (!str_is_null(x->stream) && a->stream_count > 0) {
        const struct es_appended *s = &a->streams[0];
        h->headers[n++] = (struct http_header){STR_LIT("ETag"), es_etag(s->last_revision, h->etag)};
        struct buf b = {
            .p = (uint8_t *)h->location, .cap = sizeof(h->location), .max = sizeof(h->location)};
        buf_put_str(&b, x->c->request->target);
        buf_put_u8(&b, '/');
        buf_put_decimal(&b, s->first_revision);
        if (!buf_failed(&b)) {
            h->headers[n++] = (struct http_header){STR_LIT("Location"), buf_str(&b)};
        }
    }
    const size_t applied = api_prefer_applied(x->c, STR_LIT("fsync"), &h->headers[n]);
    h->head = (struct http_head){
        .status = a->idempotent ? 200 : 201, .headers = h->headers, .header_count = n + applied};
}

/* The answer under the request's Idempotency-Key, in the same append: an answer that cannot be kept
 * is not given. */
static enum err add_answer(struct es_append *a, struct engine_part *extra)
{
    struct append_call *x = a->ctx;
    NOT_ZEROED struct answer_head h;
    struct buf b;
    if (x->c->idempotency == NULL) {
        return ERR_OK;
    }
    buf_init(&b, IDEMPOTENCY_ANSWER_MAX);
    write_answer(x, &b, true);
    make_head(x, &h);
    enum err e = ERR_LIMIT;
    if (!buf_failed(&b)) {
        e = idempotency_make(x->c, &h.head, buf_str(&b), NULL, 0, extra);
    } else if (b.n < IDEMPOTENCY_ANSWER_MAX / 4) {
        e = ERR_NO_MEMORY; /* it grows by doubling */
    }
    buf_deinit(&b);
    if (e == ERR_BUSY) {
        x->full = true;
        return ectx_fail(&a->ec, e, IDEMPOTENCY_FULL);
    }
    return e != ERR_LIMIT
               ? e
               : ectx_fail(&a->ec, ERR_MESSAGE_TOO_LARGE,
                           "the answer is too large to be kept under an Idempotency-Key");
}

static void on_appended(struct es_append *a)
{
    struct append_call *x = a->ctx;
    NOT_ZEROED struct answer_head h;
    struct buf b;
    if (a->problem != ES_OK) {
        reply_conflict(x);
        return;
    }
    /* Nothing was appended that a key could have been kept with? Then it is kept now. */
    const bool nothing = a->idempotent || a->event_count == 0;
    if (!nothing) {
        idempotency_done(x->c, a->position.commit);
    }
    buf_init(&b, ES_ANSWER_BYTES);
    IGNORE(buf_reserve(&b, 256)); /* at once what is mostly enough */
    write_answer(x, &b, false);
    make_head(x, &h);
    if (nothing) {
        idempotency_keep(x->c, &h.head, &b);
        return;
    }
    api_reply(x->c, h.head.status, h.head.headers, h.head.header_count, &b);
}

static void start(struct append_call *x, struct es *es)
{
    x->append.events = x->events;
    x->append.event_count = x->count;
    x->append.arena = x->c->arena;
    x->append.also = add_answer;
    x->append.done = on_appended;
    x->append.ctx = x;
    es_append(es, &x->append);
}

/* Before anything of the request is read. */
static struct append_call *call_new(struct api_call *c)
{
    api_arena_widen_json(c);
    struct append_call *x = arena_new(c->arena, struct append_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return NULL;
    }
    x->c = c;
    return x;
}

static void post_events(struct api_call *c)
{
    struct es *es;
    struct append_call *x = es_get(c, &es) ? call_new(c) : NULL;
    if (x == NULL) {
        return;
    }
    struct ectx ec = {0};
    struct json *body = NULL;
    bool given;
    x->stream = api_path(c, 0);
    enum err e = read_events(x, &body, &ec);
    if (e == ERR_OK && x->count == 0) {
        e = ectx_fail(&ec, ERR_MALFORMED, "events: there is none");
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return;
    }
    if (!es_expected_get(c, body, &x->expected, &given, &x->by_header)) {
        return;
    }
    x->append.expected = given ? &x->expected : NULL;
    start(x, es);
}

/* The scope of the checks; as in reads, there is one. */
static enum err read_store(const struct json *v, struct ectx *ec)
{
    if (v == NULL || v->kind == JSON_NULL) {
        return ERR_OK;
    }
    if (v->kind != JSON_STRING) {
        return ectx_fail(ec, ERR_MALFORMED, "store: must be a text");
    }
    return str_eq_z(v->string, "default")
               ? ERR_OK
               : ectx_fail(ec, ERR_NOT_FOUND,
                           "there is no store '%.*s'; this node has one: default",
                           (int)(v->string.n > 64 ? 64 : v->string.n), v->string.p);
}

static void post_append(struct api_call *c)
{
    struct es *es;
    struct json *body;
    struct append_call *x = es_get(c, &es) ? call_new(c) : NULL;
    if (x == NULL || !api_body(c, true, &body)) {
        return;
    }
    struct ectx ec = {0};
    struct es_check *checks;
    const struct json *records = json_get(body, "records");
    enum err e = api_only(body, "records checks store", &ec);
    e = e == ERR_OK ? read_store(json_get(body, "store"), &ec) : e;
    e = e == ERR_OK ? event_checks_read(json_get(body, "checks"), c->arena, &checks,
                                        &x->append.check_count, &ec)
                    : e;
    if (e == ERR_OK && records != NULL && records->kind != JSON_NULL) {
        e = add_list(x, records, "records", &ec);
    }
    if (e == ERR_OK && x->count == 0 && x->append.check_count == 0) {
        e = ectx_fail(&ec, ERR_MALFORMED, "records, checks: there is neither");
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return;
    }
    x->append.checks = checks;
    start(x, es);
}

/* ---- Routes --------------------------------------------------------------------------------- */

static const struct api_param STREAM_PARAMS[] = {
    {"stream", API_PATH, API_STRING, true, "order-42", "The stream: CATEGORY-ID."},
    {"expected", API_QUERY, API_STRING, false, NULL,
     "The revision that the stream must be at, or no_stream, exists, any."},
    {"If-Match", API_HEADER, API_STRING, false, NULL, "The ETag of the revision, or *."},
    {"If-None-Match", API_HEADER, API_STRING, false, NULL, "* if the stream must not exist."},
    {"Prefer", API_HEADER, API_STRING, false, "durability=fsync",
     "durability=fsync (events are always flushed); Preference-Applied says so."},
};
static const struct api_route ROUTES[] = {
    {"POST", "/api/v1/streams/{stream}/events", post_events, "appendToStream",
     "Append one or many events to a stream, all or none.", STREAM_PARAMS, ARRAY_LEN(STREAM_PARAMS),
     "StreamAppend", "StreamAppended", 201, API_NDJSON_IN | API_CLOUDEVENTS | API_IDEMPOTENT,
     "revision-conflict stream-tombstoned event-id-reused partial-duplicate event-too-large "
     "batch-too-large category-not-found storage-full",
     "{\"expected\":\"any\",\"events\":[{\"type\":\"OrderPlaced\",\"data\":{\"total\":12}}]}"},
    {"POST", "/api/v1/append", post_append, "append",
     "Append events to several streams in one step, if every check holds.", NULL, 0, "Append",
     "Appended", 201, API_IDEMPOTENT,
     "append-conflict stream-tombstoned event-id-reused partial-duplicate event-too-large "
     "batch-too-large category-not-found position-unknown storage-full",
     "{\"records\":[{\"stream\":\"order-43\",\"type\":\"OrderPlaced\",\"data\":{\"total\":5}}],"
     "\"checks\":[{\"stream\":\"order-43\",\"expected\":\"any\"}]}"},
};
static const struct api_schema SCHEMAS[] = {
    {"NewEvent",
     "{\"type\":\"object\",\"required\":[\"type\"],\"properties\":{"
     "\"stream\":{\"type\":\"string\",\"maxLength\":256},"
     "\"id\":{\"type\":\"string\",\"maxLength\":128},\"type\":{\"type\":\"string\"},"
     "\"version\":{\"type\":[\"string\",\"integer\"]},"
     "\"data\":{},\"data_base64\":{\"type\":\"string\"},\"meta\":{\"type\":\"object\"},"
     "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":64},"
     "\"time\":{\"type\":\"string\",\"format\":\"date-time\"},\"source\":{\"type\":\"string\"},"
     "\"subject\":{\"type\":\"string\"},\"correlation_id\":{\"type\":\"string\"},"
     "\"causation_id\":{\"type\":\"string\"},\"traceparent\":{\"type\":\"string\"},"
     "\"tracestate\":{\"type\":\"string\"},\"tenant\":{\"type\":\"string\"},"
     "\"content_type\":{\"type\":\"string\"},\"data_schema\":{\"type\":\"string\"},"
     "\"schema\":{\"type\":\"string\",\"description\":\"Another name of data_schema.\"},"
     "\"extensions\":{\"type\":\"object\",\"description\":\"Attributes of your own, by name.\"}}}"},
    {"Expected", "{\"oneOf\":[{\"type\":\"integer\",\"minimum\":0},"
                 "{\"type\":\"string\",\"enum\":[\"any\",\"no_stream\",\"exists\"]}]}"},
    {"StreamAppend", "{\"type\":\"object\",\"required\":[\"events\"],\"properties\":{"
                     "\"expected\":{\"$ref\":\"#/components/schemas/Expected\"},"
                     "\"events\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":10000,"
                     "\"items\":{\"$ref\":\"#/components/schemas/NewEvent\"}}}}"},
    {"StreamAppended",
     "{\"type\":\"object\",\"properties\":{\"stream\":{\"type\":\"string\"},"
     "\"first_revision\":{\"type\":\"integer\"},\"last_revision\":{\"type\":\"integer\"},"
     "\"position\":{\"type\":\"string\"},\"idempotent\":{\"type\":\"boolean\"}}}"},
    {"Append",
     "{\"type\":\"object\",\"properties\":{"
     "\"store\":{\"type\":\"string\",\"enum\":[\"default\"]},"
     "\"records\":{\"type\":\"array\",\"maxItems\":10000,"
     "\"items\":{\"$ref\":\"#/components/schemas/NewEvent\"}},"
     "\"checks\":{\"type\":\"array\",\"maxItems\":256,\"items\":{\"type\":\"object\","
     "\"properties\":{\"stream\":{\"type\":\"string\"},"
     "\"expected\":{\"$ref\":\"#/components/schemas/Expected\"},"
     "\"query\":{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\","
     "\"maxItems\":32,\"items\":{\"type\":\"object\",\"description\":\"Met by an event of any of "
     "the types with all of the tags; with neither, by any event.\",\"properties\":{"
     "\"types\":{\"type\":\"array\",\"maxItems\":64,\"items\":{\"type\":\"string\"}},"
     "\"tags\":{\"type\":\"array\",\"maxItems\":64,\"items\":{\"type\":\"string\"}}}}}}},"
     "\"after\":{\"type\":\"string\"}}}}}}"},
    {"Appended",
     "{\"type\":\"object\",\"properties\":{\"streams\":{\"type\":\"array\",\"items\":"
     "{\"$ref\":\"#/components/schemas/StreamAppended\"}},\"position\":{\"type\":\"string\"},"
     "\"idempotent\":{\"type\":\"boolean\"}}}"},
};
const struct api_resource api_appends = {
    "Appending",
    "Events are appended, under a condition or without one, and durable when answered.",
    ROUTES,
    ARRAY_LEN(ROUTES),
    SCHEMAS,
    ARRAY_LEN(SCHEMAS)};
