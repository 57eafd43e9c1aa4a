/* Snapshots: one slot for each stream and schema tag. */
#include "api/es_common.h"

#define SCHEMA_DEFAULT "default"

struct snapshot_call {
    struct api_call *c;
    struct es_read_stream read;
    struct es_stream_change change;
};

static struct str schema_of(const struct api_call *c)
{
    const struct str s = api_query(c, "schema");
    return str_is_null(s) ? STR_LIT(SCHEMA_DEFAULT) : s;
}

static void write_snapshot(struct json_writer *w, struct str stream, const struct es_snapshot *s)
{
    char time[TIME_TEXT_SIZE];
    json_write_begin(w, '{');
    json_write_member_str(w, "stream", stream);
    json_write_name(w, "revision");
    json_write_u64(w, s->revision);
    json_write_member_str(w, "schema", s->schema);
    json_write_member_str(w, "time", str_make(time, time_format_rfc3339(s->time_ns, time)));
    json_write_name(w, "state");
    json_write_raw(w, s->state);
    json_write_end(w, '}');
}

static void on_read(struct es_read_stream *r)
{
    struct snapshot_call *x = r->ctx;
    struct ectx ec = {0};
    if (r->problem != ES_OK) {
        es_reply_problem(x->c, r->problem, 0, &r->ec, STR_NULL);
        return;
    }
    if (!r->has_snapshot) {
        es_read_stream_release(x->c->api->services.es, r);
        IGNORE(ectx_fail(&ec, ERR_NOT_FOUND, "the stream has no valid snapshot with this schema"));
        api_problem(x->c, "snapshot-not-found", &ec, STR_NULL);
        return;
    }
    struct buf b;
    struct json_writer w;
    buf_init(&b, ES_ANSWER_BYTES);
    json_write_init(&w, &b);
    write_snapshot(&w, r->stream, &r->snapshot);
    es_read_stream_release(x->c->api->services.es, r);
    api_reply(x->c, 200, NULL, 0, &b);
}

static struct snapshot_call *call_new(struct api_call *c)
{
    struct snapshot_call *x = arena_new(c->arena, struct snapshot_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
    } else {
        x->c = c;
    }
    return x;
}

static void get_snapshot(struct api_call *c)
{
    struct es *es;
    struct snapshot_call *x = es_get(c, &es) ? call_new(c) : NULL;
    if (x == NULL) {
        return;
    }
    es_arena_widen(c);
    x->read = (struct es_read_stream){.stream = api_path(c, 0),
                                      .to = UINT64_MAX,
                                      .until_ns = INT64_MAX,
                                      .limit = 0, /* the snapshot alone */
                                      .snapshot_schema = schema_of(c),
                                      .arena = c->arena,
                                      .done = on_read,
                                      .ctx = x};
    es_read_stream(es, &x->read);
}

static void on_put(struct es_stream_change *ch)
{
    struct snapshot_call *x = ch->ctx;
    if (ch->problem != ES_OK) {
        es_reply_problem(x->c, ch->problem, 0, &ch->ec, STR_NULL);
        return;
    }
    api_reply_empty(x->c, 204, NULL, 0);
}

static void put_snapshot(struct api_call *c)
{
    struct es *es;
    struct json *body;
    int64_t revision;
    struct ectx ec = {0};
    struct snapshot_call *x = es_get(c, &es) && api_body(c, true, &body) ? call_new(c) : NULL;
    if (x == NULL) {
        return;
    }
    const struct json *schema = json_get(body, "schema");
    const struct json *state = json_get(body, "state");
    enum err e = api_only(body, "revision schema state", &ec);
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return;
    }
    if (!json_i64(json_get(body, "revision"), &revision) || revision < 0) {
        e = ectx_fail(&ec, ERR_MALFORMED, "revision: is missing: that of the last event in it");
    } else if (schema != NULL && (schema->kind != JSON_STRING || schema->string.n == 0)) {
        e = ectx_fail(&ec, ERR_MALFORMED, "schema: must be a text");
    } else if (state == NULL) {
        e = ectx_fail(&ec, ERR_MALFORMED, "state: is missing");
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return;
    }
    x->change = (struct es_stream_change){.kind = ES_CHANGE_SNAPSHOT,
                                          .stream = api_path(c, 0),
                                          .revision = (uint64_t)revision,
                                          .schema = schema == NULL ? STR_LIT(SCHEMA_DEFAULT)
                                                                   : schema->string,
                                          .state = state->raw,
                                          .arena = c->arena,
                                          .done = on_put,
                                          .ctx = x};
    es_stream_change(es, &x->change);
}

static const struct api_param GET_PARAMS[] = {
    {"stream", API_PATH, API_STRING, true, "order-42", "The stream: CATEGORY-ID."},
    {"schema", API_QUERY, API_STRING, false, "Order.v1", "The schema tag of the state (default)."},
};
static const struct api_param PUT_PARAMS[] = {
    {"stream", API_PATH, API_STRING, true, "order-42", "The stream: CATEGORY-ID."},
};
static const struct api_route ROUTES[] = {
    {"GET", "/api/v1/streams/{stream}/snapshot", get_snapshot, "getSnapshot",
     "The newest valid snapshot of a schema tag.", GET_PARAMS, ARRAY_LEN(GET_PARAMS), NULL,
     "Snapshot", 200, 0, "stream-not-found stream-deleted stream-tombstoned snapshot-not-found",
     NULL},
    {"PUT", "/api/v1/streams/{stream}/snapshot", put_snapshot, "putSnapshot",
     "Write a snapshot: the state after the event of that revision.", PUT_PARAMS,
     ARRAY_LEN(PUT_PARAMS), "NewSnapshot", NULL, 204, 0,
     "stream-not-found stream-deleted stream-tombstoned event-not-found snapshot-stale "
     "event-too-large storage-full",
     "{\"revision\":0,\"schema\":\"Order.v1\",\"state\":{\"total\":12}}"},
};
static const struct api_schema SCHEMAS[] = {
    {"NewSnapshot",
     "{\"type\":\"object\",\"required\":[\"revision\",\"state\"],\"properties\":{"
     "\"revision\":{\"type\":\"integer\",\"minimum\":0},\"schema\":{\"type\":\"string\","
     "\"description\":\"Not one that ends in '-' and 16 hexadecimal digits: those are of folds, "
     "and the server writes them.\"},"
     "\"state\":{}}}"},
    {"Snapshot", "{\"type\":\"object\",\"properties\":{\"stream\":{\"type\":\"string\"},"
                 "\"revision\":{\"type\":\"integer\"},\"schema\":{\"type\":\"string\"},"
                 "\"time\":{\"type\":\"string\",\"format\":\"date-time\"},\"state\":{}}}"},
};
const struct api_resource api_snapshots = {
    "Snapshots", "The state of a stream at a revision, kept beside its events.",
    ROUTES,      ARRAY_LEN(ROUTES),
    SCHEMAS,     ARRAY_LEN(SCHEMAS)};
