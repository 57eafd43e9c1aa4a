/* Topics: list, show, make. */
#include <string.h>

#include "api/topics.h"
#include "broker/broker.h"
#include "core/uuid.h"

#define PAGE_DEFAULT 500u
#define PAGE_MAX     10000u
#define ANSWER_BYTES (64u * 1024 * 1024)
#define SETTINGS_MAX 64u

bool api_topic_get(struct api_call *c, struct str name, struct engine_topic *out)
{
    if (engine_topic_get(c->api->services.engine, name, out)) {
        return true;
    }
    struct ectx ec = {0};
    enum err e =
        ectx_fail(&ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "there is no topic '%.*s'", STR(name));
    ectx_hint(&ec, "PUT /api/v1/topics/%.*s makes it", STR(name));
    api_fail(c, e, &ec);
    return false;
}

bool api_topic_writable(struct api_call *c, struct str name)
{
    struct ectx ec = {0};
    if (str_starts(name, ES_TOPIC_PREFIX)) {
        IGNORE(ectx_fail(&ec, ERR_POLICY_VIOLATION,
                         "topic '%.*s' holds streams of events and takes no plain records",
                         STR(name)));
        ectx_hint(&ec, "append with POST /api/v1/streams/{stream}/events");
        api_problem(c, "topic-guarded", &ec, STR_NULL);
        return false;
    }
    if (str_starts(name, "__leat_")) {
        IGNORE(ectx_fail(&ec, ERR_POLICY_VIOLATION, "topic '%.*s' is written by the server alone",
                         STR(name)));
        api_problem(c, "topic-internal", &ec, STR_NULL);
        return false;
    }
    return true;
}

struct str api_topic_durability(const struct api_call *c, struct str name)
{
    struct broker *b = c->api->services.broker;
    const struct topic *t = b == NULL ? NULL : broker_topic(b, name);
    const char *text =
        t == NULL ? NULL : config_text(&t->config, broker_config(b), "leat.durability", NULL);
    return text == NULL ? STR_LIT("fsync") : str_of(text);
}

/* ---- The list ----------------------------------------------------------------------------------
 */

static void write_topic(struct json_writer *w, const struct engine_topic *t)
{
    char id[UUID_KAFKA_SIZE];
    uuid_format_kafka(t->id, id);
    json_write_member_str(w, "name", t->name);
    json_write_member_str(w, "id", str_of(id));
    json_write_member_i64(w, "partition_count", t->partition_count);
}

static void get_topics(struct api_call *c)
{
    uint64_t limit;
    size_t count = 0, i = 0, n = 0;
    struct str after, prefix = api_query(c, "prefix");
    if (!api_query_u64(c, "limit", PAGE_DEFAULT, PAGE_MAX, &limit) ||
        !api_cursor_get(c, 'T', &after)) {
        return;
    }
    prefix = str_is_null(prefix) ? STR_LIT("") : prefix;
    api_arena_widen_topics(c, sizeof(struct engine_topic) + sizeof(void *));
    const struct engine_topic *list =
        engine_topics(c->api->services.engine, prefix, c->arena, &count);
    if (list == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    while (i < count && !str_is_null(after) && str_cmp(list[i].name, after) <= 0) {
        i++;
    }
    struct api_object o;
    api_object_begin(&o, ANSWER_BYTES);
    json_write_name(&o.w, "topics");
    json_write_begin(&o.w, '[');
    for (; i < count && n < limit; i++, n++) {
        json_write_begin(&o.w, '{');
        write_topic(&o.w, &list[i]);
        json_write_end(&o.w, '}');
    }
    json_write_end(&o.w, ']');
    if (i < count && n > 0) {
        api_cursor_write(&o.w, "next_cursor", 'T', list[i - 1].name);
    }
    api_object_reply(c, 200, NULL, 0, &o);
}

/* ---- One topic ---------------------------------------------------------------------------------
 */

static void write_partitions(struct json_writer *w, struct api_call *c,
                             const struct engine_topic *t)
{
    json_write_name(w, "partitions");
    json_write_begin(w, '[');
    for (int32_t p = 0; p < t->partition_count; p++) {
        int64_t start = 0, end = 0;
        if (engine_bounds(c->api->services.engine, t->name, p, &start, &end) != ERR_OK) {
            continue;
        }
        json_write_begin(w, '{');
        json_write_member_i64(w, "partition", p);
        json_write_member_i64(w, "start_offset", start);
        json_write_member_i64(w, "end_offset", end);
        json_write_end(w, '}');
    }
    json_write_end(w, ']');
}

static void reply_topic(struct api_call *c, int status, struct str name)
{
    struct engine_topic t;
    struct api_object o;
    if (!api_topic_get(c, name, &t)) {
        return;
    }
    api_object_begin(&o, ANSWER_BYTES);
    write_topic(&o.w, &t);
    json_write_member_str(&o.w, "durability", api_topic_durability(c, name));
    write_partitions(&o.w, c, &t);
    api_object_reply(c, status, NULL, 0, &o);
}

static void get_topic(struct api_call *c)
{
    reply_topic(c, 200, api_path(c, 0));
}

struct make_call {
    struct api_call *c;
    struct engine_ensure ensure;
    struct engine_setting settings[SETTINGS_MAX];
};

static void on_made(struct engine_ensure *t)
{
    struct make_call *x = t->ctx;
    if (t->err != ERR_OK) {
        api_fail(x->c, t->err, &t->ec);
        return;
    }
    reply_topic(x->c, t->created ? 201 : 200, t->name);
}

/* "config": {"retention.ms": "1000"}; numbers and booleans as their text. */
static enum err read_settings(struct make_call *x, const struct json *v, struct ectx *ec)
{
    if (v == NULL || v->kind == JSON_NULL) {
        return ERR_OK;
    }
    if (v->kind != JSON_OBJECT || v->count > SETTINGS_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, "config: must be an object of at most %u settings",
                         SETTINGS_MAX);
    }
    for (const struct json *s = v->first; s != NULL; s = s->next) {
        const bool scalar =
            s->kind == JSON_STRING || s->kind == JSON_NUMBER || s->kind == JSON_BOOL;
        const struct str name = arena_str(x->c->arena, s->name);
        const struct str value =
            arena_str(x->c->arena, s->kind == JSON_STRING ? s->string : s->raw);
        if (!scalar || str_is_null(name) || str_is_null(value) ||
            memchr(name.p, 0, name.n) != NULL || memchr(value.p, 0, value.n) != NULL) {
            return ectx_fail(ec, ERR_MALFORMED, "config.%.*s: must be a string, number or boolean",
                             STR(s->name));
        }
        x->settings[x->ensure.setting_count++] = (struct engine_setting){name.p, value.p};
    }
    return ERR_OK;
}

static void put_topic(struct api_call *c)
{
    struct json *body;
    struct ectx ec = {0};
    int64_t partitions = -1;
    if (!api_body(c, false, &body) || !api_topic_writable(c, api_path(c, 0))) {
        return;
    }
    struct make_call *x = arena_new(c->arena, struct make_call);
    if (x == NULL) {
        api_fail(c, ERR_NO_MEMORY, NULL);
        return;
    }
    *x = (struct make_call){.c = c};
    const struct json *p = json_get(body, "partitions");
    enum err e = api_only(body, "partitions config", &ec);
    e = e == ERR_OK ? read_settings(x, json_get(body, "config"), &ec) : e;
    if (e == ERR_OK && p != NULL && p->kind != JSON_NULL &&
        (!json_i64(p, &partitions) || partitions < 1 || partitions > INT32_MAX)) {
        e = ectx_fail(&ec, ERR_MALFORMED, "partitions: must be a whole number above 0");
    }
    if (e != ERR_OK) {
        api_fail(c, e, &ec);
        return;
    }
    x->ensure.name = api_path(c, 0);
    x->ensure.partitions = (int32_t)partitions;
    x->ensure.settings = x->settings;
    x->ensure.done = on_made;
    x->ensure.ctx = x;
    engine_topic_ensure(c->api->services.engine, &x->ensure);
}

/* ---- Routes ------------------------------------------------------------------------------------
 */

static const struct api_param LIST[] = {
    {"prefix", API_QUERY, API_STRING, false, NULL, "Names that begin with this."},
    {"limit", API_QUERY, API_LIMIT, false, "10", "How many at most (500, 10000)."},
    {"cursor", API_QUERY, API_CURSOR, false, NULL, "next_cursor of the page before."},
};
static const struct api_param ONE[] = {
    {"topic", API_PATH, API_STRING, true, "orders", "The topic's name."},
};
static const struct api_route ROUTES[] = {
    {"GET", "/api/v1/topics", get_topics, "listTopics", "List the topics by name.", LIST,
     ARRAY_LEN(LIST), NULL, "TopicList", 200, 0, "", NULL},
    {"PUT", "/api/v1/topics/{topic}", put_topic, "createTopic",
     "Create a topic; it is fine if it is there.", ONE, ARRAY_LEN(ONE), "NewTopic", "Topic", 201,
     API_MAY_BE_EMPTY, "invalid-topic topic-guarded topic-internal storage-full",
     "{\"partitions\":2}"},
    {"GET", "/api/v1/topics/{topic}", get_topic, "getTopic",
     "Show a topic: its partitions and their offsets.", ONE, ARRAY_LEN(ONE), NULL, "Topic", 200, 0,
     "topic-not-found", NULL},
};
static const struct api_schema SCHEMAS[] = {
    {"TopicList",
     "{\"type\":\"object\",\"required\":[\"topics\"],\"properties\":{\"topics\":{\"type\":"
     "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"name\",\"id\",\"partition_count\"],"
     "\"properties\":{\"name\":{\"type\":\"string\"},\"id\":{\"type\":\"string\"},"
     "\"partition_count\":{\"type\":\"integer\"}}}},\"next_cursor\":{\"type\":\"string\"}}}"},
    {"NewTopic",
     "{\"type\":\"object\",\"properties\":{\"partitions\":{\"type\":\"integer\",\"minimum\":1},"
     "\"config\":{\"type\":\"object\",\"additionalProperties\":{\"type\":[\"string\",\"number\","
     "\"boolean\"]}}}}"},
    {"Topic",
     "{\"type\":\"object\",\"required\":[\"name\",\"id\",\"partition_count\",\"partitions\"],"
     "\"properties\":{\"name\":{\"type\":\"string\"},\"id\":{\"type\":\"string\"},"
     "\"partition_count\":{\"type\":\"integer\"},\"durability\":{\"type\":\"string\","
     "\"enum\":[\"fsync\",\"os\"]},\"partitions\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"object\",\"required\":[\"partition\",\"start_offset\",\"end_offset\"],\"properties\":{"
     "\"partition\":{\"type\":\"integer\"},\"start_offset\":{\"type\":\"integer\"},"
     "\"end_offset\":{\"type\":\"integer\"}}}}}}"},
};
const struct api_resource api_topics = {"Topics", "Topics and their partitions.",
                                        ROUTES,   ARRAY_LEN(ROUTES),
                                        SCHEMAS,  ARRAY_LEN(SCHEMAS)};
