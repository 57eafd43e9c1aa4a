/*
 * Producing: POST /api/v1/topics/{topic}/records. All records of a request go into one append: all
 * or none. With atomic=false the records that are not valid are left out, each answered with its
 * error.
 */
#include <string.h>

#include "api/idempotency.h"
#include "api/records.h"
#include "api/topics.h"

#define ANSWER_BYTES (64u * 1024 * 1024)
/*
 * What a record needs of the request's arena beside what its JSON does: itself, as it was read and
 * as a record of its part; where it goes; a header for the trace of its request; its place in the
 * answer.
 */
#define RECORD_BYTES                                                                \
    (sizeof(struct record_in) + sizeof(struct engine_record) + sizeof(struct str) + \
     2 * sizeof(uint32_t) + 2 * sizeof(struct record_header) + RECORD_ANSWER_BYTES)
#define RECORD_ANSWER_BYTES 64u /* {"partition":123456,"offset":...}, */

struct produce {
    struct api_call *c;
    struct engine_topic topic;
    bool atomic;
    struct record_in *in;
    struct str *errors; /* of each; null: none */
    uint32_t *part_of;  /* of each: index in parts */
    uint32_t *at;       /* of each: which one of its part */
    size_t count, cap, bad;
    struct engine_part *parts;
    size_t part_count;
    struct str template;
    struct engine_append append;
};

static enum err make_room(struct produce *x, size_t count, struct ectx *ec)
{
    struct arena *a = x->c->arena;
    if (count > RECORDS_MAX) {
        return ectx_fail(ec, ERR_RECORD_LIST_TOO_LARGE,
                         "%zu records, but at most %u are taken at once", count, RECORDS_MAX);
    }
    api_arena_widen(x->c, count * (uint64_t)RECORD_BYTES);
    x->cap = count;
    x->in = arena_new_n(a, struct record_in, count + 1);
    x->errors = arena_new_n(a, struct str, count + 1);
    x->part_of = arena_new_n(a, uint32_t, count + 1);
    x->at = arena_new_n(a, uint32_t, count + 1);
    return x->in == NULL || x->errors == NULL || x->part_of == NULL || x->at == NULL
               ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory for %zu records", count)
               : ERR_OK;
}

/* ---- Reading the request -----------------------------------------------------------------------
 */

static enum err check_partition(const struct produce *x, const struct record_in *r, struct ectx *ec)
{
    if (r->partition < x->topic.partition_count) {
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_UNKNOWN_TOPIC_OR_PARTITION,
                     "partition: topic '%.*s' has %d partitions, and no partition %d",
                     STR(x->topic.name), x->topic.partition_count, r->partition);
}

/* One record; `line` 0: of a list. In atomic mode its error is that of all, and its place stands
 * before it. */
static enum err add(struct produce *x, const struct json *v, size_t line, enum err e,
                    struct ectx *ec)
{
    struct record_in *r = &x->in[x->count];
    e = e == ERR_OK ? record_read(v, x->c->arena, r, ec) : e;
    e = e == ERR_OK ? check_partition(x, r, ec) : e;
    if (e != ERR_OK && (x->atomic || e == ERR_NO_MEMORY)) {
        return line == 0 ? ectx_wrap(ec, e, "records[%zu]", x->count)
                         : ectx_wrap(ec, e, "line %zu", line);
    }
    if (e != ERR_OK) {
        const struct str text = str_of(ec->text);
        api_arena_widen(x->c, 7 * text.n + RECORD_ANSWER_BYTES); /* and in the answer, escaped */
        x->errors[x->count] = arena_str(x->c->arena, text);
        if (str_is_null(x->errors[x->count])) {
            return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for the errors");
        }
        x->bad++;
    }
    x->count++;
    return ERR_OK;
}

static enum err read_list(struct produce *x, struct ectx *ec)
{
    const struct json_limits limits = {.build_depth = 5};
    struct json *body = NULL;
    enum err e = json_parse(x->c->request->body, &limits, x->c->arena, &body, ec);
    const struct json *list = json_get(body, "records");
    if (e == ERR_OK && (list == NULL || list->kind != JSON_ARRAY)) {
        e = ectx_fail(ec, ERR_MALFORMED, "records: is missing: a list of records");
    }
    e = e == ERR_OK ? api_only(body, "records", ec) : e;
    e = e == ERR_OK ? make_room(x, list->count, ec) : e;
    for (const struct json *v = e == ERR_OK ? list->first : NULL; v != NULL && e == ERR_OK;
         v = v->next) {
        e = add(x, v, 0, ERR_OK, ec);
    }
    return e;
}

static enum err read_lines(struct produce *x, struct ectx *ec)
{
    const struct json_limits limits = {.build_depth = 3};
    struct str rest = x->c->request->body;
    size_t lines = 1;
    for (const char *at = rest.p; at < rest.p + rest.n && lines <= RECORDS_MAX; lines++) {
        const char *end = memchr(at, '\n', rest.n - (size_t)(at - rest.p));
        if (end == NULL) {
            break;
        }
        at = end + 1;
    }
    enum err e = make_room(x, lines > RECORDS_MAX ? RECORDS_MAX : lines, ec);
    for (size_t line = 1; e == ERR_OK && rest.n > 0; line++) {
        struct json *v = NULL;
        const struct str text = str_trim(str_cut(rest, '\n', &rest));
        if (text.n == 0) {
            continue;
        }
        if (x->count == x->cap) {
            return ectx_fail(ec, ERR_RECORD_LIST_TOO_LARGE,
                             "more than %u records; as many are taken at once", RECORDS_MAX);
        }
        const enum err parsed = json_parse(text, &limits, x->c->arena, &v, ec);
        e = add(x, v, line, parsed, ec);
    }
    return e;
}

/* ---- Into parts --------------------------------------------------------------------------------
 */

static int32_t partition_of(struct produce *x, const struct record_in *r, int32_t anywhere)
{
    if (r->partition >= 0) {
        return r->partition;
    }
    return r->has_key ? engine_partition_of(&x->topic, r->record.key) : anywhere;
}

/* A record that is caused by a traced request says so, unless it says something itself. */
static bool add_trace(struct produce *x, struct engine_record *r, struct str traceparent)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (str_eq_z(r->headers[i].key, "traceparent")) {
            return true;
        }
    }
    struct record_header *more =
        arena_new_n(x->c->arena, struct record_header, r->header_count + 1);
    if (more == NULL) {
        return false;
    }
    for (size_t i = 0; i < r->header_count; i++) {
        more[i] = r->headers[i];
    }
    more[r->header_count] = (struct record_header){STR_LIT("traceparent"), traceparent};
    r->headers = more;
    r->header_count++;
    return true;
}

/* Records of one partition lie together, in the order in which they came. */
static enum err divide(struct produce *x, struct ectx *ec)
{
    struct arena *a = x->c->arena;
    const int32_t partitions = x->topic.partition_count;
    const int32_t anywhere = (int32_t)(x->c->api->next_anywhere++ % (uint64_t)partitions);
    const struct str traceparent = api_traceparent(x->c);
    uint32_t *part_at = arena_new_n(a, uint32_t, (size_t)partitions); /* index + 1 */
    x->parts =
        arena_new_n(a, struct engine_part,
                    (size_t)partitions < x->count + 1 ? (size_t)partitions + 1 : x->count + 2);
    struct engine_record *records = arena_new_n(a, struct engine_record, x->count + 1);
    bool ok = part_at != NULL && x->parts != NULL && records != NULL;
    for (size_t i = 0; i < x->count && ok; i++) {
        if (!str_is_null(x->errors[i])) {
            continue;
        }
        const int32_t p = partition_of(x, &x->in[i], anywhere);
        if (part_at[p] == 0) {
            x->parts[x->part_count++] =
                (struct engine_part){.topic = x->topic.name, .partition = p};
            part_at[p] = (uint32_t)x->part_count;
        }
        x->part_of[i] = part_at[p] - 1;
        x->at[i] = (uint32_t)x->parts[x->part_of[i]].count++;
        ok = str_is_null(traceparent) || add_trace(x, &x->in[i].record, traceparent);
    }
    size_t begin = 0;
    for (size_t p = 0; p < x->part_count && ok; p++) {
        x->parts[p].records = records + begin;
        begin += x->parts[p].count;
    }
    for (size_t i = 0; i < x->count && ok; i++) {
        if (str_is_null(x->errors[i])) {
            const struct engine_part *p = &x->parts[x->part_of[i]];
            records[(size_t)(p->records - records) + x->at[i]] = x->in[i].record;
        }
    }
    return ok ? ERR_OK : ectx_fail(ec, ERR_NO_MEMORY, "out of memory for %zu records", x->count);
}

/* ---- Answering ---------------------------------------------------------------------------------
 */

/* The template, in the arena. False: no memory. */
static bool write_answer(struct produce *x)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, ANSWER_BYTES);
    json_write_init(&w, &b);
    json_write_begin(&w, '{');
    json_write_name(&w, "records");
    json_write_begin(&w, '[');
    for (size_t i = 0; i < x->count; i++) {
        json_write_begin(&w, '{');
        if (str_is_null(x->errors[i])) {
            json_write_member_i64(&w, "partition", x->parts[x->part_of[i]].partition);
            json_write_name(&w, "offset");
            template_offset(&w, x->part_of[i], x->at[i]);
        } else {
            json_write_member_str(&w, "error", x->errors[i]);
        }
        json_write_end(&w, '}');
    }
    json_write_end(&w, ']');
    if (x->bad > 0) {
        json_write_member_i64(&w, "errors", (int64_t)x->bad);
    }
    if (x->part_count > 0) {
        json_write_name(&w, "position");
        template_position(&w);
    }
    json_write_end(&w, '}');
    x->template = buf_failed(&b) ? STR_NULL : arena_str(x->c->arena, buf_str(&b));
    buf_deinit(&b);
    return !str_is_null(x->template);
}

static void head_of(const struct produce *x, struct http_head *head, struct http_header *applied)
{
    /* A wish makes it stronger, never weaker; if there was no memory for that, it is said. */
    const bool stored = x->append.done != NULL;
    const struct str durability = !stored || !x->append.flush
                                      ? api_topic_durability(x->c, x->topic.name)
                                  : x->append.flushed ? STR_LIT("fsync")
                                                      : STR_LIT("os");
    const size_t n = api_prefer_applied(x->c, durability, applied);
    *head = (struct http_head){
        .status = x->bad == 0 ? 201 : 200, .headers = applied, .header_count = n};
}

static void answer(struct produce *x)
{
    struct buf b;
    struct http_head head;
    struct http_header applied;
    head_of(x, &head, &applied);
    buf_init(&b, ANSWER_BYTES);
    if (!template_expand(x->template, x->parts, x->part_count, x->append.position, &b)) {
        b.failed = true;
    }
    api_reply(x->c, head.status, head.headers, head.header_count, &b);
}

static void on_appended(struct engine_append *ap)
{
    struct produce *x = ap->ctx;
    if (ap->err != ERR_OK) {
        api_fail(x->c, ap->err, &ap->ec);
        return;
    }
    idempotency_done(x->c, ap->position);
    answer(x);
}

static void start(struct produce *x)
{
    struct http_head head;
    struct http_header applied;
    bool has_key = false;
    head_of(x, &head, &applied);
    if (!write_answer(x)) {
        api_fail(x->c, ERR_NO_MEMORY, NULL);
        return;
    }
    if (x->part_count == 0) {
        answer(x); /* nothing of it was valid */
        return;
    }
    if (!idempotency_part(x->c, &head, x->template, x->parts, x->part_count,
                          &x->parts[x->part_count], &has_key)) {
        return;
    }
    x->append = (struct engine_append){.parts = x->parts,
                                       .part_count = x->part_count + (has_key ? 1 : 0),
                                       .flush = str_eq_z(api_prefer_durability(x->c), "fsync"),
                                       .done = on_appended,
                                       .ctx = x};
    engine_append(x->c->api->services.engine, &x->append);
}

static bool check(struct api_call *c, struct produce *x)
{
    struct ectx ec = {0};
    const struct str name = api_path(c, 0);
    if (!api_topic_writable(c, name) || !api_topic_get(c, name, &x->topic) ||
        !api_query_bool(c, "atomic", true, &x->atomic)) {
        return false;
    }
    if (c->idempotency != NULL && str_eq_z(api_topic_durability(c, name), "os")) {
        IGNORE(ectx_fail(&ec, ERR_INVALID_REQUEST,
                         "topic '%.*s' has leat.durability=os: its records may be lost while the "
                         "key is remembered",
                         STR(name)));
        api_problem(c, "idempotency-not-possible", &ec, STR_NULL);
        return false;
    }
    return true;
}

static void post_records(struct api_call *c)
{
    struct ectx ec = {0};
    struct produce *x = arena_new(c->arena, struct produce);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    x->c = c;
    if (!check(c, x)) {
        return;
    }
    api_arena_widen_json(c);
    enum err e = api_content_is(c, "application/json") ? read_list(x, &ec) : read_lines(x, &ec);
    if (e == ERR_OK && x->count == 0) {
        e = ectx_fail(&ec, ERR_MALFORMED, "records: there is none");
    }
    e = e == ERR_OK ? divide(x, &ec) : e;
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
    } else {
        start(x);
    }
}

/* ---- Routes ------------------------------------------------------------------------------------
 */

static const struct api_param POST_PARAMS[] = {
    {"topic", API_PATH, API_STRING, true, "orders", "The topic's name."},
    {"atomic", API_QUERY, API_BOOLEAN, false, "true",
     "true: all records or none; false: those that are valid (true)."},
    {"Prefer", API_HEADER, API_STRING, false, "durability=fsync",
     "durability=fsync: answered when it is on stable storage, also if the topic has "
     "leat.durability=os; Preference-Applied says what it is."},
};
static const struct api_param GET_PARAMS[] = {
    {"topic", API_PATH, API_STRING, true, "orders", "The topic's name."},
    {"partition", API_QUERY, API_INTEGER, false, "0", "The partition (0)."},
    {"offset", API_QUERY, API_STRING, false, "earliest",
     "The first offset wanted, or earliest, or latest (earliest)."},
    {"limit", API_QUERY, API_LIMIT, false, "10",
     "How many records at most (500, 10000; a stream of them: all)."},
    {"wait", API_QUERY, API_DURATION, false, "10ms",
     "If there is nothing yet: answer as soon as there is, at the latest after this time (0, "
     "60s)."},
    {"Last-Event-ID", API_HEADER, API_INTEGER, false, NULL,
     "The offset of the last record that was seen; browsers send it."},
};
static const struct api_route ROUTES[] = {
    {"POST", "/api/v1/topics/{topic}/records", post_records, "produce",
     "Append records to a topic, all or none.", POST_PARAMS, ARRAY_LEN(POST_PARAMS), "NewRecords",
     "Produced", 201, API_NDJSON_IN | API_IDEMPOTENT,
     "topic-not-found topic-guarded topic-internal batch-too-large "
     "storage-full idempotency-not-possible",
     "{\"records\":[{\"key\":\"a\",\"value\":{\"total\":12}},"
     "{\"value_string\":\"text\",\"headers\":{\"from\":\"me\"}}]}"},
    {"GET", "/api/v1/topics/{topic}/records", records_get, "consume",
     "Read records of a partition: a page, NDJSON, or server-sent events that follow.", GET_PARAMS,
     ARRAY_LEN(GET_PARAMS), NULL, "RecordPage", 200, API_NDJSON_OUT | API_SSE,
     "topic-not-found offset-out-of-range damaged too-many-open", NULL},
};
static const struct api_schema SCHEMAS[] = {
    {"NewRecord",
     "{\"type\":\"object\",\"properties\":{\"key\":{},\"key_base64\":{\"type\":\"string\"},"
     "\"value\":{},\"value_string\":{\"type\":[\"string\",\"null\"]},"
     "\"value_base64\":{\"type\":\"string\"},"
     "\"headers\":{\"oneOf\":[{\"type\":\"object\",\"additionalProperties\":{\"type\":["
     "\"string\",\"null\"]}},{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":["
     "\"name\"],\"properties\":{\"name\":{\"type\":\"string\"},\"value\":{\"type\":[\"string\","
     "\"null\"]},\"value_base64\":{\"type\":\"string\"}}}},{\"type\":\"null\"}]},"
     "\"partition\":{\"type\":[\"integer\",\"null\"],\"minimum\":0},"
     "\"timestamp\":{\"oneOf\":[{\"type\":\"string\",\"format\":\"date-time\"},"
     "{\"type\":\"integer\"},{\"type\":\"null\"}]}},\"additionalProperties\":false}"},
    {"NewRecords",
     "{\"type\":\"object\",\"required\":[\"records\"],\"properties\":{\"records\":{\"type\":"
     "\"array\",\"minItems\":1,\"maxItems\":100000,\"items\":{\"$ref\":"
     "\"#/components/schemas/NewRecord\"}}},\"additionalProperties\":false}"},
    {"Produced",
     "{\"type\":\"object\",\"required\":[\"records\"],\"properties\":{\"records\":{\"type\":"
     "\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"partition\":{\"type\":"
     "\"integer\"},\"offset\":{\"type\":[\"integer\",\"null\"]},\"error\":{\"type\":"
     "\"string\"}}}},\"errors\":{\"type\":\"integer\"},\"position\":{\"type\":\"string\"}}}"},
    {"Record",
     "{\"type\":\"object\",\"required\":[\"partition\",\"offset\"],\"properties\":{"
     "\"partition\":{\"type\":\"integer\"},\"offset\":{\"type\":\"integer\"},"
     "\"timestamp\":{\"type\":\"string\",\"format\":\"date-time\"},"
     "\"key\":{\"type\":[\"string\",\"null\"]},\"key_base64\":{\"type\":\"string\"},\"value\":{},"
     "\"value_string\":{\"type\":\"string\"},\"value_base64\":{\"type\":\"string\"},"
     "\"headers\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"name\"],"
     "\"properties\":{\"name\":{\"type\":\"string\"},\"value\":{\"type\":[\"string\",\"null\"]},"
     "\"value_base64\":{\"type\":\"string\"}}}}}}"},
    {"RecordPage",
     "{\"type\":\"object\",\"required\":[\"records\",\"next_offset\",\"start_offset\","
     "\"end_offset\"],\"properties\":{\"records\":{\"type\":\"array\",\"items\":{\"$ref\":"
     "\"#/components/schemas/Record\"}},\"next_offset\":{\"type\":\"integer\"},"
     "\"start_offset\":{\"type\":\"integer\"},\"end_offset\":{\"type\":\"integer\"}}}"},
};
const struct api_resource api_records = {"Records", "Produce and consume without a Kafka client.",
                                         ROUTES,    ARRAY_LEN(ROUTES),
                                         SCHEMAS,   ARRAY_LEN(SCHEMAS)};
