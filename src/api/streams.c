/* Streams themselves: list, show, set retention and truncation, delete, redact; and categories. */
#include "api/es_common.h"

#include <stdio.h>

/* ---- One stream ----------------------------------------------------------------------------- */

struct info_call {
    struct api_call *c;
    struct es_stream_get get;
};

static void reply_info(struct api_call *c, int status, struct str stream,
                       const struct es_stream_info *info)
{
    struct buf b;
    struct json_writer w;
    char etag[ES_ETAG_SIZE];
    const struct http_header header = {STR_LIT("ETag"), es_etag(info->last_revision, etag)};
    buf_init(&b, ES_ANSWER_BYTES);
    json_write_init(&w, &b);
    es_info_write(&w, stream, info);
    api_reply(c, status, &header, 1, &b);
}

static void on_info(struct es_stream_get *g)
{
    struct info_call *x = g->ctx;
    if (g->problem != ES_OK && g->problem != ES_STREAM_DELETED &&
        g->problem != ES_STREAM_TOMBSTONED) {
        es_reply_problem(x->c, g->problem, 0, &g->ec, STR_NULL);
        return;
    }
    reply_info(x->c, 200, g->stream, &g->info);
}

static void get_stream(struct api_call *c)
{
    struct es *es;
    if (!es_get(c, &es)) {
        return;
    }
    struct info_call *x = arena_new(c->arena, struct info_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->get = (struct es_stream_get){
        .stream = api_path(c, 0), .arena = c->arena, .done = on_info, .ctx = x};
    es_stream_get(es, &x->get);
}

/* ---- Changes -------------------------------------------------------------------------------- */

struct change_call {
    struct api_call *c;
    struct es_stream_change change;
    struct es_expected expected;
    bool by_header;
};

/* What was expected and what is there: 412 if the condition was a header. */
static void reply_conflict(const struct change_call *x)
{
    const struct es_stream_change *ch = &x->change;
    const bool exists = ch->info.state == ES_ACTIVE;
    char etag[ES_ETAG_SIZE], members[ES_STREAM_NAME_MAX * 6 + 128];
    const struct http_header header = {STR_LIT("ETag"), es_etag(ch->info.last_revision, etag)};
    struct buf b = {.p = (uint8_t *)members, .cap = sizeof(members), .max = sizeof(members)};
    struct json_writer w;
    json_write_init(&w, &b);
    es_conflict_write(&w, ch->stream, &x->expected, ch->info.state, exists, ch->info.last_revision);
    api_problem_with(x->c, x->by_header ? 412 : 409, es_problem_code(ch->problem), &ch->ec,
                     buf_failed(&b) ? STR_NULL : buf_str(&b), &header, exists ? 1 : 0);
}

/* The fields that a redaction named and the event does not have. */
static void reply_missing(const struct change_call *x)
{
    const struct es_stream_change *ch = &x->change;
    struct buf b;
    struct json_writer w;
    buf_init(&b, ES_ANSWER_BYTES);
    json_write_init(&w, &b);
    json_write_name(&w, "not_found");
    json_write_begin(&w, '[');
    for (size_t i = 0; i < ch->missing_count; i++) {
        json_write_str(&w, ch->missing[i]);
    }
    json_write_end(&w, ']');
    es_reply_problem(x->c, ch->problem, 0, &ch->ec, buf_failed(&b) ? STR_NULL : buf_str(&b));
    buf_deinit(&b);
}

static void on_changed(struct es_stream_change *ch)
{
    struct change_call *x = ch->ctx;
    if (ch->problem == ES_REVISION_CONFLICT) {
        reply_conflict(x);
    } else if (ch->problem == ES_FIELD_NOT_FOUND) {
        reply_missing(x);
    } else if (ch->problem != ES_OK) {
        es_reply_problem(x->c, ch->problem, 0, &ch->ec, STR_NULL);
    } else if (ch->kind == ES_CHANGE_SET) {
        reply_info(x->c, 200, ch->stream, &ch->info);
    } else if (ch->kind == ES_CHANGE_REDACT) {
        struct api_object o;
        api_object_begin(&o, ES_ANSWER_BYTES);
        json_write_member_str(&o.w, "stream", ch->stream);
        json_write_name(&o.w, "revision");
        json_write_u64(&o.w, ch->revision);
        json_write_member_bool(&o.w, "redacted", true);
        json_write_member_bool(&o.w, "erased", ch->erased);
        if (!ch->erased) {
            json_write_member_str(&o.w, "not_erased_because", str_of(ch->ec.text));
        }
        api_object_reply(x->c, 200, NULL, 0, &o);
    } else {
        api_reply_empty(x->c, 204, NULL, 0);
    }
}

static struct change_call *change_new(struct api_call *c, struct es **es)
{
    struct change_call *x = NULL;
    if (es_get(c, es) && (x = arena_new(c->arena, struct change_call)) == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
    }
    if (x != NULL) {
        x->c = c;
        x->change = (struct es_stream_change){
            .stream = api_path(c, 0), .arena = c->arena, .done = on_changed, .ctx = x};
    }
    return x;
}

/* A member that is a number of 0 or more, or null for "none" (-1). */
static enum err read_number(const struct json *v, const char *name, int64_t *out, bool *set,
                            struct ectx *ec)
{
    const struct json *m = json_get(v, name);
    *set = m != NULL;
    *out = -1;
    if (m == NULL || m->kind == JSON_NULL || (json_i64(m, out) && *out >= 0)) {
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_MALFORMED, "%s: must be a whole number of 0 or more, or null", name);
}

static enum err read_age(const struct json *v, int64_t *out_ms, bool *set, struct ectx *ec)
{
    const struct json *m = json_get(v, "max_age");
    uint64_t ns;
    *set = m != NULL;
    *out_ms = -1;
    if (m == NULL || m->kind == JSON_NULL) {
        return ERR_OK;
    }
    if (m->kind == JSON_STRING && duration_parse(m->string, &ns)) {
        *out_ms = (int64_t)(ns / 1000000u);
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_MALFORMED, "max_age: must be a duration such as \"30d\", or null");
}

static void patch_stream(struct api_call *c)
{
    struct es *es;
    struct json *body;
    bool given;
    struct change_call *x = change_new(c, &es);
    if (x == NULL || !api_body(c, true, &body)) {
        return;
    }
    struct es_stream_change *ch = &x->change;
    struct ectx ec = {0};
    int64_t truncate;
    ch->kind = ES_CHANGE_SET;
    enum err e = api_only(body, "max_age max_count truncate_before expected", &ec);
    e = e == ERR_OK ? read_age(body, &ch->max_age_ms, &ch->set_max_age, &ec) : e;
    e = e == ERR_OK ? read_number(body, "max_count", &ch->max_count, &ch->set_max_count, &ec) : e;
    e = e == ERR_OK ? read_number(body, "truncate_before", &truncate, &ch->set_truncate_before, &ec)
                    : e;
    if (e == ERR_OK && !ch->set_max_age && !ch->set_max_count && !ch->set_truncate_before) {
        e = ectx_fail(&ec, ERR_MALFORMED, "nothing to set: max_age, max_count, truncate_before");
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return;
    }
    ch->truncate_before = truncate < 0 ? 0 : (uint64_t)truncate;
    if (es_expected_get(c, body, &x->expected, &given, &x->by_header)) {
        ch->expected = given ? &x->expected : NULL;
        es_stream_change(es, ch);
    }
}

static void delete_stream(struct api_call *c)
{
    struct es *es;
    bool hard, given;
    struct change_call *x = change_new(c, &es);
    if (x == NULL || !api_query_bool(c, "hard", false, &hard) ||
        !es_expected_get(c, NULL, &x->expected, &given, &x->by_header)) {
        return;
    }
    x->change.kind = hard ? ES_CHANGE_TOMBSTONE : ES_CHANGE_SOFT_DELETE;
    x->change.expected = given ? &x->expected : NULL;
    es_stream_change(es, &x->change);
}

static void post_redact(struct api_call *c)
{
    struct es *es;
    struct json *body;
    struct ectx ec = {0};
    struct str *fields;
    struct change_call *x = change_new(c, &es);
    if (x == NULL || !api_body(c, true, &body)) {
        return;
    }
    struct es_stream_change *ch = &x->change;
    const struct json *reason = json_get(body, "reason");
    enum err e = api_only(body, "reason fields", &ec);
    e = e == ERR_OK ? event_texts_read(body, "fields", 64, c->arena, &fields, &ch->field_count, &ec)
                    : e;
    if (e == ERR_OK && ch->field_count == 0 && fields != NULL) {
        e = ectx_fail(&ec, ERR_MALFORMED, "fields: there is none; without fields all data goes");
    }
    if (e == ERR_OK && !str_to_u64(api_path(c, 1), &ch->revision)) {
        e = ectx_fail(&ec, ERR_MALFORMED, "'%.*s' is no revision", STR(api_path(c, 1)));
    }
    if (e == ERR_OK && (reason == NULL || reason->kind != JSON_STRING || reason->string.n == 0)) {
        e = ectx_fail(&ec, ERR_MALFORMED, "reason: is missing: why, for the record");
    }
    for (size_t i = 0; e == ERR_OK && i < ch->field_count; i++) {
        e = json_pointer_check(fields[i], &ec);
        e = e == ERR_OK ? e : ectx_wrap(&ec, e, "fields[%zu]", i);
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return;
    }
    ch->kind = ES_CHANGE_REDACT;
    ch->reason = reason->string;
    ch->fields = fields;
    es_stream_change(es, ch);
}

/* ---- Lists ---------------------------------------------------------------------------------- */

struct list_call {
    struct api_call *c;
    struct es_stream_list list;
};

static void on_list(struct es_stream_list *l)
{
    struct list_call *x = l->ctx;
    if (l->problem != ES_OK) {
        es_reply_problem(x->c, l->problem, 0, &l->ec, STR_NULL);
        return;
    }
    struct api_object o;
    api_object_begin(&o, ES_ANSWER_BYTES);
    json_write_name(&o.w, "streams");
    json_write_begin(&o.w, '[');
    for (size_t i = 0; i < l->count; i++) {
        es_info_write(&o.w, l->rows[i].stream, &l->rows[i].info);
    }
    json_write_end(&o.w, ']');
    if (l->more) {
        event_position_write(&o.w, "next_cursor", l->next);
    }
    api_object_reply(x->c, 200, NULL, 0, &o);
}

static void get_streams(struct api_call *c)
{
    struct es *es;
    uint64_t limit;
    struct es_position after = {0};
    const struct str cursor = api_query(c, "cursor");
    if (!es_get(c, &es) || !api_query_u64(c, "limit", ES_PAGE_DEFAULT, ES_PAGE_MAX, &limit)) {
        return;
    }
    struct ectx ec = {0};
    if (!str_is_null(cursor) && !es_position_parse(cursor, &after)) {
        IGNORE(ectx_fail(&ec, ERR_MALFORMED, "cursor: is not one that this server gave"));
        api_fail(c, ERR_MALFORMED, &ec);
        return;
    }
    struct list_call *x = arena_new(c->arena, struct list_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->list = (struct es_stream_list){.category = api_query(c, "category"),
                                      .prefix = api_query(c, "prefix"),
                                      .after = after,
                                      .limit = (size_t)limit,
                                      .arena = c->arena,
                                      .done = on_list,
                                      .ctx = x};
    es_stream_list(es, &x->list);
}

static void get_categories(struct api_call *c)
{
    struct es *es;
    size_t count = 0;
    if (!es_get(c, &es)) {
        return;
    }
    api_arena_widen_topics(c, sizeof(struct es_category));
    const struct es_category *list = es_categories(es, c->arena, &count);
    if (list == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    struct api_object o;
    api_object_begin(&o, ES_ANSWER_BYTES);
    json_write_name(&o.w, "categories");
    json_write_begin(&o.w, '[');
    for (size_t i = 0; i < count; i++) {
        json_write_begin(&o.w, '{');
        json_write_member_str(&o.w, "name", list[i].name);
        json_write_member_str(&o.w, "topic", list[i].topic);
        json_write_member_i64(&o.w, "partitions", list[i].partitions);
        json_write_name(&o.w, "events");
        json_write_u64(&o.w, list[i].events);
        json_write_end(&o.w, '}');
    }
    json_write_end(&o.w, ']');
    api_object_reply(c, 200, NULL, 0, &o);
}

struct category_call {
    struct api_call *c;
    struct es_category_create create;
};

static void on_category(struct es_category_create *cc)
{
    struct category_call *x = cc->ctx;
    if (cc->problem != ES_OK) {
        es_reply_problem(x->c, cc->problem, 0, &cc->ec, STR_NULL);
        return;
    }
    struct api_object o;
    api_object_begin(&o, ES_ANSWER_BYTES);
    json_write_member_str(&o.w, "name", cc->name);
    size_t count = 0;
    api_arena_widen_topics(x->c, sizeof(struct es_category));
    const struct es_category *list = es_categories(x->c->api->services.es, x->c->arena, &count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        if (str_eq(list[i].name, cc->name)) { /* as it is, not as it was asked for */
            json_write_member_i64(&o.w, "partitions", list[i].partitions);
        }
    }
    json_write_member_bool(&o.w, "created", cc->created);
    api_object_reply(x->c, cc->created ? 201 : 200, NULL, 0, &o);
}

static void put_category(struct api_call *c)
{
    struct es *es;
    struct json *body;
    struct ectx ec = {0};
    int64_t partitions = -1;
    if (!es_get(c, &es) || !api_body(c, false, &body)) {
        return;
    }
    const struct json *p = json_get(body, "partitions");
    enum err e = api_only(body, "partitions", &ec);
    if (e == ERR_OK && p != NULL &&
        (!json_i64(p, &partitions) || partitions < 1 || partitions > INT32_MAX)) {
        e = ectx_fail(&ec, ERR_MALFORMED, "partitions: must be a whole number above 0");
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return;
    }
    struct category_call *x = arena_new(c->arena, struct category_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    x->create = (struct es_category_create){
        .name = api_path(c, 0), .partitions = (int32_t)partitions, .done = on_category, .ctx = x};
    es_category_create(es, &x->create);
}

/* ---- Routes --------------------------------------------------------------------------------- */

static const struct api_param LIST_PARAMS[] = {
    {"category", API_QUERY, API_STRING, false, NULL, "Streams of this category only."},
    {"prefix", API_QUERY, API_STRING, false, NULL, "Names that begin with this."},
    {"limit", API_QUERY, API_LIMIT, false, NULL, "How many at most (500, 10000)."},
    {"cursor", API_QUERY, API_CURSOR, false, NULL, "next_cursor of the page before."},
};
static const struct api_param ONE[] = {
    {"stream", API_PATH, API_STRING, true, "order-42", "The stream: CATEGORY-ID."},
};
static const struct api_param CHANGE_PARAMS[] = {
    {"stream", API_PATH, API_STRING, true, "order-42", "The stream: CATEGORY-ID."},
    {"expected", API_QUERY, API_STRING, false, NULL,
     "The revision that the stream must be at, or exists, any."},
    {"If-Match", API_HEADER, API_STRING, false, NULL, "The ETag of the revision, or *."},
    {"If-None-Match", API_HEADER, API_STRING, false, NULL, "* if the stream must not exist."},
};
static const struct api_param DELETE_PARAMS[] = {
    {"stream", API_PATH, API_STRING, true, "order-42", "The stream: CATEGORY-ID."},
    {"hard", API_QUERY, API_BOOLEAN, false, NULL, "For ever: nothing can be appended to it again."},
    {"expected", API_QUERY, API_STRING, false, NULL,
     "The revision that the stream must be at, or exists, any."},
    {"If-Match", API_HEADER, API_STRING, false, NULL, "The ETag of the revision, or *."},
    {"If-None-Match", API_HEADER, API_STRING, false, NULL, "* if the stream must not exist."},
};
static const struct api_param REDACT_PARAMS[] = {
    {"stream", API_PATH, API_STRING, true, "order-42", "The stream: CATEGORY-ID."},
    {"revision", API_PATH, API_INTEGER, true, "0", "The event's revision."},
};
static const struct api_param CATEGORY_PARAMS[] = {
    {"category", API_PATH, API_STRING, true, "order", "The category's name."},
};
static const struct api_route ROUTES[] = {
    {"GET", "/api/v1/streams", get_streams, "listStreams",
     "List streams in the order of their creation.", LIST_PARAMS, ARRAY_LEN(LIST_PARAMS), NULL,
     "StreamList", 200, 0, "category-not-found", NULL},
    {"GET", "/api/v1/streams/{stream}", get_stream, "getStream", "Show a stream, deleted ones too.",
     ONE, ARRAY_LEN(ONE), NULL, "Stream", 200, 0, "stream-not-found", NULL},
    {"PATCH", "/api/v1/streams/{stream}", patch_stream, "setStream",
     "Set how much of a stream is kept: max_age, max_count, truncate_before.", CHANGE_PARAMS,
     ARRAY_LEN(CHANGE_PARAMS), "StreamSettings", "Stream", 200, 0,
     "stream-not-found stream-deleted stream-tombstoned revision-conflict storage-full",
     "{\"truncate_before\":0}"},
    {"DELETE", "/api/v1/streams/{stream}", delete_stream, "deleteStream",
     "Delete a stream: softly (an append revives it at the next revision) or for ever.",
     DELETE_PARAMS, ARRAY_LEN(DELETE_PARAMS), NULL, NULL, 204, 0,
     "stream-not-found stream-deleted stream-tombstoned revision-conflict storage-full", NULL},
    {"POST", "/api/v1/streams/{stream}/events/{revision}/redact", post_redact, "redactEvent",
     "Take the data (or some fields) of one event away from every reader of the event store.",
     REDACT_PARAMS, ARRAY_LEN(REDACT_PARAMS), "Redaction", "Redacted", 200, 0,
     "stream-not-found event-not-found field-not-found storage-full",
     "{\"reason\":\"asked to be forgotten\"}"},
    {"GET", "/api/v1/categories", get_categories, "listCategories", "List the categories.", NULL, 0,
     NULL, "CategoryList", 200, 0, "", NULL},
    {"PUT", "/api/v1/categories/{category}", put_category, "createCategory",
     "Create a category; it is fine if it is there.", CATEGORY_PARAMS, ARRAY_LEN(CATEGORY_PARAMS),
     "NewCategory", "CategoryCreated", 201, API_MAY_BE_EMPTY, "storage-full", "{\"partitions\":4}"},
};
static const struct api_schema SCHEMAS[] = {
    {"Stream",
     "{\"type\":\"object\",\"required\":[\"stream\",\"state\"],\"properties\":{"
     "\"stream\":{\"type\":\"string\"},"
     "\"state\":{\"type\":\"string\",\"enum\":[\"active\",\"soft_deleted\",\"tombstoned\"]},"
     "\"first_revision\":{\"type\":\"integer\"},\"last_revision\":{\"type\":\"integer\"},"
     "\"empty\":{\"type\":\"boolean\"},\"max_age\":{\"type\":\"string\"},"
     "\"max_count\":{\"type\":\"integer\"},\"truncate_before\":{\"type\":\"integer\"},"
     "\"topic\":{\"type\":\"string\"},\"partition\":{\"type\":\"integer\"}}}"},
    {"StreamList",
     "{\"type\":\"object\",\"required\":[\"streams\"],\"properties\":{\"streams\":{\"type\":"
     "\"array\",\"items\":{\"$ref\":\"#/components/schemas/Stream\"}},"
     "\"next_cursor\":{\"type\":\"string\"}}}"},
    {"StreamSettings",
     "{\"type\":\"object\",\"properties\":{\"max_age\":{\"type\":[\"string\",\"null\"]},"
     "\"max_count\":{\"type\":[\"integer\",\"null\"],\"minimum\":1},"
     "\"truncate_before\":{\"type\":[\"integer\",\"null\"],\"minimum\":0},"
     "\"expected\":{\"$ref\":\"#/components/schemas/Expected\"}}}"},
    {"Redaction",
     "{\"type\":\"object\",\"required\":[\"reason\"],\"properties\":{"
     "\"reason\":{\"type\":\"string\"},\"fields\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"string\"},\"minItems\":1,\"maxItems\":64}}}"},
    {"Redacted", "{\"type\":\"object\",\"properties\":{\"stream\":{\"type\":\"string\"},"
                 "\"revision\":{\"type\":\"integer\"},\"redacted\":{\"type\":\"boolean\"},"
                 "\"erased\":{\"type\":\"boolean\"},\"not_erased_because\":{\"type\":"
                 "\"string\"}}}"},
    {"CategoryList",
     "{\"type\":\"object\",\"properties\":{\"categories\":{\"type\":\"array\",\"items\":{"
     "\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"topic\":{\"type\":"
     "\"string\"},\"partitions\":{\"type\":\"integer\"},\"events\":{\"type\":\"integer\"}}}}}}"},
    {"NewCategory",
     "{\"type\":\"object\",\"properties\":{\"partitions\":{\"type\":\"integer\",\"minimum\":1}}}"},
    {"CategoryCreated",
     "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"partitions\":{"
     "\"type\":\"integer\"},\"created\":{\"type\":\"boolean\"}}}"},
};
const struct api_resource api_streams = {
    "Streams", "Streams of events, their retention and deletion; categories.",
    ROUTES,    ARRAY_LEN(ROUTES),
    SCHEMAS,   ARRAY_LEN(SCHEMAS)};
