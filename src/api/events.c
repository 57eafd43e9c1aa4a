/*
 * Reading events: of one stream (from, backwards, as of a moment, from a snapshot on), and of all
 * in the order of the log, by category, type, tag. A page as JSON; as NDJSON as many pages as there
 * are (event_lines.c).
 */
#include "api/es_common.h"

/* ---- A page of a stream --------------------------------------------------------------------- */

struct stream_call {
    struct api_call *c;
    struct es_read_stream read;
    bool single; /* one event by its revision */
    enum envelope_form form;
};

#define EVENT_BYTES 640u /* of an event in JSON, beside its data */

static void write_events(struct api_call *c, struct json_writer *w, const struct es_event *events,
                         size_t count, enum envelope_form form)
{
    size_t bytes = 0; /* about: so that the buffer is not copied again and again as it grows */
    for (size_t i = 0; i < count; i++) {
        bytes += EVENT_BYTES + events[i].data.n + events[i].meta.n;
    }
    if (bytes < ES_ANSWER_BYTES / 2) {
        IGNORE(buf_reserve(w->out, bytes)); /* the writer tells that it failed */
    }
    json_write_name(w, "events");
    json_write_begin(w, '[');
    for (size_t i = 0; i < count; i++) {
        event_write(w, c->api->services.es, &events[i], form, c->arena, 0);
    }
    json_write_end(w, ']');
}

void events_write_snapshot(struct json_writer *w, const struct es_snapshot *s)
{
    json_write_name(w, "snapshot");
    json_write_begin(w, '{');
    json_write_name(w, "revision");
    json_write_u64(w, s->revision);
    json_write_member_str(w, "schema", s->schema);
    json_write_name(w, "state");
    api_write_line(w, s->state);
    json_write_end(w, '}');
}

static void reply_event(struct stream_call *x)
{
    struct es_read_stream *r = &x->read;
    struct es *es = x->c->api->services.es;
    if (r->event_count == 0) {
        struct ectx ec = {0};
        es_read_stream_release(es, r);
        IGNORE(
            ectx_fail(&ec, ERR_NOT_FOUND, "the stream has no event of that revision (any more)"));
        api_problem(x->c, "event-not-found", &ec, STR_NULL);
        return;
    }
    struct buf b;
    struct json_writer w;
    buf_init(&b, ES_ANSWER_BYTES);
    json_write_init(&w, &b);
    event_write_stored(&w, &r->events[0], x->form);
    es_read_stream_release(es, r);
    api_reply(x->c, 200, NULL, 0, &b);
}

static void on_stream(struct es_read_stream *r)
{
    struct stream_call *x = r->ctx;
    if (r->problem != ES_OK) {
        es_reply_problem(x->c, r->problem, 0, &r->ec, STR_NULL);
        return;
    }
    if (x->single) {
        reply_event(x);
        return;
    }
    struct api_object o;
    char etag[ES_ETAG_SIZE];
    const struct http_header header = {STR_LIT("ETag"), es_etag(r->last_revision, etag)};
    api_object_begin(&o, ES_ANSWER_BYTES);
    json_write_member_str(&o.w, "stream", r->stream);
    if (r->has_snapshot) {
        events_write_snapshot(&o.w, &r->snapshot);
    }
    write_events(x->c, &o.w, r->events, r->event_count, x->form);
    json_write_name(&o.w, "last_revision");
    json_write_u64(&o.w, r->last_revision);
    if (r->more) {
        json_write_name(&o.w, "next");
        json_write_u64(&o.w, r->next);
    }
    es_read_stream_release(x->c->api->services.es, r);
    api_object_reply(x->c, 200, &header, 1, &o);
}

/* from=REVISION|end, dir=fwd|back, to=REVISION, at=REVISION|TIME, limit, snapshot=auto & schema. */
static bool read_range(struct api_call *c, struct es_read_stream *r)
{
    struct ectx ec = {0};
    const struct str from = api_query(c, "from");
    const struct str dir = api_query(c, "dir");
    const struct str snapshot = api_query(c, "snapshot");
    const struct str schema = api_query(c, "schema");
    uint64_t limit, to;
    enum err e = ERR_OK;
    if (!es_moment_get(c, &r->to, &r->until_ns) ||
        !api_query_u64(c, "limit", ES_PAGE_DEFAULT, ES_PAGE_MAX, &limit) ||
        !api_query_u64(c, "to", UINT64_MAX, UINT64_MAX, &to)) {
        return false;
    }
    r->backward = str_eq_z(dir, "back");
    r->from_end = str_eq_z(from, "end");
    if (!str_is_null(dir) && !r->backward && !str_eq_z(dir, "fwd")) {
        e = ectx_fail(&ec, ERR_MALFORMED, "dir: must be fwd or back");
    } else if (!str_is_null(from) && !r->from_end && !str_to_u64(from, &r->from)) {
        e = ectx_fail(&ec, ERR_MALFORMED, "from: must be a revision, or end");
    } else if (!str_is_null(snapshot) && !str_eq_z(snapshot, "auto")) {
        e = ectx_fail(&ec, ERR_MALFORMED, "snapshot: must be auto, or not given");
    } else if (str_is_null(snapshot) && !str_is_null(schema)) {
        e = ectx_fail(&ec, ERR_MALFORMED, "schema: is of a snapshot: give snapshot=auto, too");
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return false;
    }
    const uint64_t newest = r->to;
    r->to = to < newest ? to : newest;
    r->limit = (size_t)limit;
    r->limit_bytes = ES_PAGE_BYTES;
    if (!str_is_null(snapshot)) {
        r->snapshot_schema = str_is_null(schema) ? STR_LIT("default") : schema;
    }
    if (r->backward) { /* `to` is where a backward read ends; the moment is where it begins */
        if (newest != UINT64_MAX && (r->from_end || str_is_null(from) || r->from > newest)) {
            r->from_end = false;
            r->from = newest;
        } else if (str_is_null(from)) {
            r->from_end = true;
        }
        r->to = to == UINT64_MAX ? 0 : to;
    }
    return true;
}

static void get_stream_events(struct api_call *c)
{
    struct es *es;
    if (!es_get(c, &es)) {
        return;
    }
    es_arena_widen(c);
    struct stream_call *x = arena_new(c->arena, struct stream_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->read = (struct es_read_stream){
        .stream = api_path(c, 0), .arena = c->arena, .done = on_stream, .ctx = x};
    if (!es_form_get(c, &x->form) || !read_range(c, &x->read)) {
        return;
    }
    if (api_accepts(c, "application/x-ndjson")) {
        events_lines_of_stream(c, es, &x->read, x->form, !str_is_null(api_query(c, "limit")));
        return;
    }
    es_read_stream(es, &x->read);
}

static void get_stream_event(struct api_call *c)
{
    struct es *es;
    uint64_t revision;
    struct ectx ec = {0};
    if (!es_get(c, &es)) {
        return;
    }
    if (!str_to_u64(api_path(c, 1), &revision)) {
        IGNORE(ectx_fail(&ec, ERR_MALFORMED, "'%.*s' is no revision", STR(api_path(c, 1))));
        api_fail(c, ERR_MALFORMED, &ec);
        return;
    }
    es_arena_widen(c);
    struct stream_call *x = arena_new(c->arena, struct stream_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->single = true;
    if (!es_form_get(c, &x->form)) {
        return;
    }
    x->read = (struct es_read_stream){.stream = api_path(c, 0),
                                      .from = revision,
                                      .to = revision,
                                      .until_ns = INT64_MAX,
                                      .limit = 1,
                                      .limit_bytes = 1,
                                      .arena = c->arena,
                                      .done = on_stream,
                                      .ctx = x};
    es_read_stream(es, &x->read);
}

/* ---- A page of all -------------------------------------------------------------------------- */

struct all_call {
    struct api_call *c;
    struct es_read_all read;
    enum envelope_form form;
};

static void on_all(struct es_read_all *r)
{
    struct all_call *x = r->ctx;
    if (r->problem != ES_OK) {
        es_reply_problem(x->c, r->problem, 0, &r->ec, STR_NULL);
        return;
    }
    struct api_object o;
    api_object_begin(&o, ES_ANSWER_BYTES);
    write_events(x->c, &o.w, r->events, r->event_count, x->form);
    event_position_write(&o.w, "next", r->next);
    json_write_member_bool(&o.w, "more", r->more);
    es_read_all_release(x->c->api->services.es, r);
    api_object_reply(x->c, 200, NULL, 0, &o);
}

static bool read_all_range(struct api_call *c, struct es_read_all *r)
{
    struct ectx ec = {0};
    const struct str from = api_query(c, "from");
    const struct str dir = api_query(c, "dir");
    uint64_t limit;
    enum err e = ERR_OK;
    if (!es_filter_get(c, &r->filter) ||
        !api_query_u64(c, "limit", ES_PAGE_DEFAULT, ES_PAGE_MAX, &limit)) {
        return false;
    }
    r->backward = str_eq_z(dir, "back");
    r->from_end = str_eq_z(from, "end") || (str_is_null(from) && r->backward);
    if (!str_is_null(dir) && !r->backward && !str_eq_z(dir, "fwd")) {
        e = ectx_fail(&ec, ERR_MALFORMED, "dir: must be fwd or back");
    } else if (!str_is_null(from) && !r->from_end && !str_eq_z(from, "start") &&
               !es_position_parse(from, &r->after)) {
        e = ectx_fail(&ec, ERR_MALFORMED,
                      "from: must be a position that this server gave, or start, or end");
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return false;
    }
    r->limit = (size_t)limit;
    r->limit_bytes = ES_PAGE_BYTES;
    r->scan_max = ES_SCAN_MAX;
    return true;
}

static void get_events(struct api_call *c)
{
    struct es *es;
    if (!es_get(c, &es)) {
        return;
    }
    es_arena_widen(c);
    struct all_call *x = arena_new(c->arena, struct all_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->read = (struct es_read_all){.arena = c->arena, .done = on_all, .ctx = x};
    if (!es_form_get(c, &x->form) || !read_all_range(c, &x->read)) {
        return;
    }
    if (api_accepts(c, "application/x-ndjson")) {
        events_lines_of_all(c, es, &x->read, x->form, !str_is_null(api_query(c, "limit")));
        return;
    }
    es_read_all(es, &x->read);
}

/* ---- Routes --------------------------------------------------------------------------------- */

static const struct api_param STREAM_PARAMS[] = {
    {"stream", API_PATH, API_STRING, true, "order-42", "The stream: CATEGORY-ID."},
    {"from", API_QUERY, API_STRING, false, "0", "The first revision, or end (0; backwards: end)."},
    {"dir", API_QUERY, API_STRING, false, "fwd", "fwd or back."},
    {"to", API_QUERY, API_INTEGER, false, NULL,
     "The last revision in the way that is read: backwards the lowest (the end; backwards: 0)."},
    {"at", API_QUERY, API_STRING, false, NULL,
     "As it was at this revision, or at this RFC 3339 time."},
    {"limit", API_QUERY, API_LIMIT, false, NULL, "How many events at most (500, 10000)."},
    {"snapshot", API_QUERY, API_STRING, false, "auto",
     "auto: begin with the newest valid snapshot of `schema`, and the events after it."},
    {"schema", API_QUERY, API_STRING, false, NULL, "With snapshot: its schema tag (default)."},
    ES_FORM_PARAM,
};
static const struct api_param EVENT_PARAMS[] = {
    {"stream", API_PATH, API_STRING, true, "order-42", "The stream: CATEGORY-ID."},
    {"revision", API_PATH, API_INTEGER, true, "0", "The event's revision."},
    ES_FORM_PARAM,
};
static const struct api_param ALL_PARAMS[] = {
    {"category", API_QUERY, API_STRING, false, NULL, "Events of this category only."},
    {"type", API_QUERY, API_LIST, false, NULL,
     "Of this type, as it was written (upcasts may make another of it); several: any of them."},
    {"tag", API_QUERY, API_LIST, false, NULL, "With this tag; several: all of them."},
    {"from", API_QUERY, API_STRING, false, "start",
     "After this position, or start, or end (start; backwards: end)."},
    {"dir", API_QUERY, API_STRING, false, "fwd", "fwd or back."},
    {"limit", API_QUERY, API_LIMIT, false, NULL, "How many events at most (500, 10000)."},
    ES_STORE_PARAM,
    ES_FORM_PARAM,
};
static const struct api_route ROUTES[] = {
    {"GET", "/api/v1/streams/{stream}/events", get_stream_events, "readStream",
     "Read events of a stream, forwards or backwards, as it is or as it was.", STREAM_PARAMS,
     ARRAY_LEN(STREAM_PARAMS), NULL, "StreamPage", 200, API_NDJSON_OUT,
     "stream-not-found stream-deleted stream-tombstoned", NULL},
    {"GET", "/api/v1/streams/{stream}/events/{revision}", get_stream_event, "readEvent",
     "Read one event, as it is stored.", EVENT_PARAMS, ARRAY_LEN(EVENT_PARAMS), NULL, "Event", 200,
     0, "stream-not-found stream-deleted stream-tombstoned event-not-found", NULL},
    {"GET", "/api/v1/events", get_events, "readEvents",
     "Read the events of all streams in the order of the log, which is one over all partitions (as "
     "no Kafka has it), by category, type, tag.",
     ALL_PARAMS, ARRAY_LEN(ALL_PARAMS), NULL, "EventPage", 200, API_NDJSON_OUT,
     "category-not-found position-unknown", NULL},
};
static const struct api_schema SCHEMAS[] = {
    {"Event",
     "{\"type\":\"object\",\"required\":[\"stream\",\"revision\",\"position\",\"id\",\"type\"],"
     "\"properties\":{\"stream\":{\"type\":\"string\"},\"revision\":{\"type\":\"integer\"},"
     "\"position\":{\"type\":\"string\"},\"id\":{\"type\":\"string\"},\"type\":{\"type\":"
     "\"string\"},\"version\":{\"type\":\"string\"},\"time\":{\"type\":\"string\",\"format\":"
     "\"date-time\"},\"source\":{\"type\":\"string\"},\"subject\":{\"type\":\"string\"},"
     "\"correlation_id\":{\"type\":\"string\"},\"causation_id\":{\"type\":\"string\"},"
     "\"traceparent\":{\"type\":\"string\"},\"tracestate\":{\"type\":\"string\"},"
     "\"tenant\":{\"type\":\"string\"},\"content_type\":{\"type\":\"string\"},"
     "\"data_schema\":{\"type\":\"string\"},\"extensions\":{\"type\":\"object\","
     "\"description\":\"Attributes of its own, by "
     "name.\"},\"data\":{},\"data_base64\":{\"type\":\"string\"},"
     "\"meta\":{\"type\":\"object\"},\"tags\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"string\"}},\"redacted\":{\"type\":\"boolean\"},\"upcast_error\":{\"type\":\"string\","
     "\"description\":\"Why it is shown as it is stored, not in its newest form.\"},"
     "\"metadata_error\":{\"type\":\"string\",\"description\":\"What is malformed in its "
     "record.\"}}}"},
    {"StreamPage",
     "{\"type\":\"object\",\"required\":[\"events\",\"last_revision\"],\"properties\":{"
     "\"stream\":{\"type\":\"string\"},\"snapshot\":{\"type\":\"object\"},"
     "\"events\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Event\"}},"
     "\"last_revision\":{\"type\":\"integer\"},\"next\":{\"type\":\"integer\"}}}"},
    {"EventPage",
     "{\"type\":\"object\",\"required\":[\"events\",\"next\",\"more\"],\"properties\":{"
     "\"events\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Event\"}},"
     "\"next\":{\"type\":\"string\"},\"more\":{\"type\":\"boolean\"}}}"},
};
const struct api_resource api_events = {
    "Events", "Events are read by stream, or all of them in the order of the log.",
    ROUTES,   ARRAY_LEN(ROUTES),
    SCHEMAS,  ARRAY_LEN(SCHEMAS)};
