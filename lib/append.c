/* Appending events to a stream. */
#include <string.h>

#include "lib.h"

static void put_member(struct lib_text *t, const char *name, const char *value)
{
    if (value != NULL) {
        lib_text_put_z(t, ",\"");
        lib_text_put_z(t, name);
        lib_text_put_z(t, "\":");
        lib_text_put_json(t, value);
    }
}

static bool is_json(const struct leat_new_event *e)
{
    return e->content_type == NULL || strcmp(e->content_type, "application/json") == 0;
}

/* JSON of the caller goes into the body as it is. False: it is not one value, or no object; what
 * stands beside a value would be members and events of its own. */
static bool put_raw(struct lib_text *t, const void *p, size_t n, bool object)
{
    const size_t at = t->n;
    struct lib_json v;
    lib_text_put(t, p, n);
    return t->failed || (lib_json_parse(t->p + at, n, &v) && (!object || *v.p == '{'));
}

/* NULL, or which member is not what it must be. */
static const char *put_event(struct lib_text *t, const struct leat_new_event *e)
{
    lib_text_put_z(t, "{\"type\":");
    lib_text_put_json(t, e->type);
    put_member(t, "id", e->id);
    put_member(t, "content_type", e->content_type);
    put_member(t, "correlation_id", e->correlation_id);
    put_member(t, "causation_id", e->causation_id);
    put_member(t, "traceparent", e->traceparent);
    put_member(t, "subject", e->subject);
    if (e->meta != NULL) {
        lib_text_put_z(t, ",\"meta\":");
        if (!put_raw(t, e->meta, strlen(e->meta), true)) {
            return "meta is no JSON object";
        }
    }
    for (size_t i = 0; i < e->tag_count; i++) {
        lib_text_put_z(t, i == 0 ? ",\"tags\":[" : ",");
        lib_text_put_json(t, e->tags[i]);
    }
    if (e->tag_count > 0) {
        lib_text_put_z(t, "]");
    }
    if (is_json(e)) {
        lib_text_put_z(t, ",\"data\":");
        if (!put_raw(t, e->data, e->data_size, false)) {
            return "data is no JSON";
        }
    } else {
        lib_text_put_z(t, ",\"data_base64\":\"");
        lib_text_put_base64(t, e->data, e->data_size);
        lib_text_put_z(t, "\"");
    }
    lib_text_put_z(t, "}");
    return NULL;
}

static int put_body(struct lib_text *t, int64_t expected, const struct leat_new_event *events,
                    size_t count, struct leat_problem *problem)
{
    lib_text_put_z(t, "{\"expected\":");
    if (expected >= 0) {
        lib_text_printf(t, "%lld", (long long)expected);
    } else {
        lib_text_put_z(t, expected == LEAT_EXPECT_NO_STREAM ? "\"no_stream\""
                          : expected == LEAT_EXPECT_EXISTS  ? "\"exists\""
                                                            : "\"any\"");
    }
    lib_text_put_z(t, ",\"events\":[");
    for (size_t i = 0; i < count; i++) {
        lib_text_put_z(t, i == 0 ? "" : ",");
        const char *wrong = put_event(t, &events[i]);
        if (wrong != NULL) {
            return lib_fail(problem, "invalid-argument", "event %zu: %s", i, wrong);
        }
    }
    lib_text_put_z(t, "]}");
    return 0;
}

static int check(const char *stream, int64_t expected, const struct leat_new_event *events,
                 size_t count, struct leat_problem *problem)
{
    if (stream == NULL || events == NULL || count == 0 || expected < LEAT_EXPECT_EXISTS) {
        return lib_fail(problem, "invalid-argument", "a stream, events and an expectation, please");
    }
    for (size_t i = 0; i < count; i++) {
        if (events[i].type == NULL || (events[i].data == NULL && events[i].data_size > 0) ||
            (is_json(&events[i]) && events[i].data_size == 0)) {
            return lib_fail(problem, "invalid-argument", "event %zu has no type or no data", i);
        }
    }
    return 0;
}

int leat_append(struct leat *l, const char *stream, int64_t expected,
                const struct leat_new_event *events, size_t count, struct leat_appended *out,
                struct leat_problem *problem)
{
    if (check(stream, expected, events, count, problem) != 0) {
        return -1;
    }
    enum { FIRST, LAST, POSITION, IDEMPOTENT, COUNT };
    static const char *const names[COUNT] = {"first_revision", "last_revision", "position",
                                             "idempotent"};
    struct lib_call call;
    struct lib_text reply;
    struct lib_json v, m[COUNT];
    lib_call_init(&call, l, "POST");
    lib_text_init(&reply, l);
    lib_text_put_z(&call.path, "/api/v1/streams/");
    lib_text_put_encoded(&call.path, stream);
    lib_text_put_z(&call.path, "/events");
    int result = put_body(&call.body, expected, events, count, problem);
    for (size_t i = 0; i < count; i++) {
        call.once |= events[i].id == NULL;
    }
    result = result == 0 ? lib_call(l, &call, &reply, &v, problem) : result;
    if (result == 0) {
        lib_json_members(&v, names, m, COUNT);
        const struct leat_appended told = {.first_revision = lib_json_number(&m[FIRST], -1),
                                           .last_revision = lib_json_number(&m[LAST], -1),
                                           .idempotent = lib_json_is(&m[IDEMPOTENT], "true")};
        const char *position = lib_json_text(&m[POSITION]);
        if (told.first_revision < 0 || told.last_revision < told.first_revision ||
            position == NULL || strlen(position) >= sizeof(told.position)) {
            result = lib_fail(problem, "malformed-answer", "the answer is not that of an append");
        } else if (out != NULL) {
            *out = told;
            memcpy(out->position, position, strlen(position) + 1);
        }
    }
    lib_call_deinit(&call);
    lib_text_deinit(&reply);
    return result;
}
