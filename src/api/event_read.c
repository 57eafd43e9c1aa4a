/* Events, expectations and checks of a request. */
#include "api/api_int.h"
#include "api/event_json.h"

MUST_USE enum err event_texts_read(const struct json *v, const char *name, size_t max,
                                   struct arena *a, struct str **out, size_t *count,
                                   struct ectx *ec)
{
    const struct json *list = json_get(v, name);
    *count = 0;
    *out = NULL;
    if (list == NULL || list->kind == JSON_NULL) {
        return ERR_OK;
    }
    if (list->kind != JSON_ARRAY) {
        return ectx_fail(ec, ERR_MALFORMED, "%s: must be a list of texts", name);
    }
    if (list->count > max) {
        return ectx_fail(ec, ERR_LIMIT, "%s: %u, but at most %zu are allowed", name, list->count,
                         max);
    }
    struct str *texts = arena_new_n(a, struct str, list->count + 1u);
    if (texts == NULL) {
        return ERR_NO_MEMORY;
    }
    for (const struct json *t = list->first; t != NULL; t = t->next) {
        if (t->kind != JSON_STRING || t->string.n == 0) {
            return ectx_fail(ec, ERR_MALFORMED, "%s[%zu]: must be a text that is not empty", name,
                             *count);
        }
        texts[(*count)++] = t->string;
    }
    *out = texts;
    return ERR_OK;
}

MUST_USE enum err event_read(const struct json *v, struct str stream, const char *at,
                             struct arena *a, struct es_new_event *out, struct ectx *ec)
{
    enum envelope_form form;
    *out = (struct es_new_event){.stream = stream};
    if (v->kind != JSON_OBJECT) {
        return ectx_fail(ec, ERR_MALFORMED, "%s: must be an object", at);
    }
    enum err e = envelope_read_json(v, at, a, &out->envelope, &out->data, &form, ec);
    if (e != ERR_OK) {
        return e;
    }
    const struct json *s = json_get(v, "stream");
    if (str_is_null(stream)) {
        if (s == NULL || s->kind != JSON_STRING) {
            return ectx_fail(ec, ERR_MALFORMED, "%s.stream: is missing: the stream's name", at);
        }
        out->stream = s->string;
    } else if (s != NULL && (s->kind != JSON_STRING || !str_eq(s->string, stream))) {
        return ectx_fail(ec, ERR_MALFORMED, "%s.stream: is not the stream of the address", at);
    }
    if (str_is_null(out->envelope.type) || out->envelope.type.n == 0) {
        return ectx_fail(ec, ERR_MALFORMED, "%s.type: is missing", at);
    }
    const struct json *meta = json_get(v, "meta");
    if (meta != NULL && meta->kind == JSON_OBJECT) {
        out->meta = meta->raw;
    } else if (meta != NULL && meta->kind != JSON_NULL && form != ENVELOPE_STRUCTURED) {
        return ectx_fail(ec, ERR_MALFORMED, "%s.meta: must be an object", at);
    } /* else it is an extension */
    struct str *tags;
    e = event_texts_read(v, "tags", ES_TAGS_MAX, a, &tags, &out->tag_count, ec);
    out->tags = tags;
    if (e != ERR_OK && e != ERR_NO_MEMORY) {
        const struct ectx inner = *ec; /* "tags[1]: ..." */
        *ec = (struct ectx){0};
        return ectx_fail(ec, e, "%s.%s", at, inner.text);
    }
    return e;
}

MUST_USE enum err event_expected_read(const struct json *v, struct es_expected *out,
                                      struct ectx *ec)
{
    const bool text = v->kind == JSON_STRING || v->kind == JSON_NUMBER;
    if (text && es_expected_parse(v->kind == JSON_STRING ? v->string : v->raw, out)) {
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_MALFORMED,
                     "expected: must be a revision (0 or more), or no_stream, exists, any");
}

static enum err read_item(const struct json *v, struct arena *a, struct es_query_item *out,
                          struct ectx *ec)
{
    struct str *types, *tags;
    if (v->kind != JSON_OBJECT) {
        return ectx_fail(ec, ERR_MALFORMED,
                         "items: each must be an object, with types, tags, both or neither");
    }
    enum err e = api_only(v, "types tags", ec);
    e = e == ERR_OK ? event_texts_read(v, "types", ES_TAGS_MAX, a, &types, &out->type_count, ec)
                    : e;
    e = e == ERR_OK ? event_texts_read(v, "tags", ES_TAGS_MAX, a, &tags, &out->tag_count, ec) : e;
    if (e != ERR_OK) {
        return e;
    }
    out->types = types;
    out->tags = tags;
    return ERR_OK;
}

static enum err read_query(const struct json *v, const struct json *after, struct arena *a,
                           struct es_check *out, struct ectx *ec)
{
    const struct json *items = json_get(v, "items");
    if (items == NULL || items->kind != JSON_ARRAY || items->count == 0) {
        return ectx_fail(ec, ERR_MALFORMED, "query.items: is missing: a list of types and tags");
    }
    if (items->count > ES_QUERY_ITEMS_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "query.items: %u, but at most %u are allowed", items->count,
                         ES_QUERY_ITEMS_MAX);
    }
    struct es_query_item *list = arena_new_n(a, struct es_query_item, items->count);
    if (list == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err e = api_only(v, "items", ec);
    for (const struct json *i = items->first; e == ERR_OK && i != NULL; i = i->next) {
        e = read_item(i, a, &list[out->item_count++], ec);
    }
    if (e != ERR_OK) {
        return ectx_wrap(ec, e, "query");
    }
    out->kind = ES_CHECK_QUERY;
    out->items = list;
    if (after != NULL && after->kind != JSON_NULL &&
        (after->kind != JSON_STRING || !es_position_parse(after->string, &out->after))) {
        return ectx_fail(ec, ERR_MALFORMED, "after: is no position that this server gave");
    }
    return ERR_OK;
}

static enum err read_check(const struct json *v, struct arena *a, struct es_check *out,
                           struct ectx *ec)
{
    const struct json *query = json_get(v, "query");
    const struct json *stream = json_get(v, "stream");
    const struct json *expected = json_get(v, "expected");
    enum err e =
        api_only(v, query != NULL && stream == NULL ? "query after" : "stream expected", ec);
    if (query != NULL && stream == NULL) {
        return e == ERR_OK ? read_query(query, json_get(v, "after"), a, out, ec) : e;
    }
    if (query != NULL || stream == NULL || stream->kind != JSON_STRING || expected == NULL) {
        return ectx_fail(ec, ERR_MALFORMED,
                         "must have stream and expected, or query (and after), not both");
    }
    out->kind = ES_CHECK_STREAM;
    out->stream = stream->string;
    return e == ERR_OK ? event_expected_read(expected, &out->expected, ec) : e;
}

MUST_USE enum err event_checks_read(const struct json *v, struct arena *a, struct es_check **out,
                                    size_t *count, struct ectx *ec)
{
    *out = NULL;
    *count = 0;
    if (v == NULL || v->kind == JSON_NULL) {
        return ERR_OK;
    }
    if (v->kind != JSON_ARRAY) {
        return ectx_fail(ec, ERR_MALFORMED, "checks: must be a list");
    }
    if (v->count > ES_CHECKS_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "checks: %u, but at most %u are allowed", v->count,
                         ES_CHECKS_MAX);
    }
    struct es_check *list = arena_new_n(a, struct es_check, v->count + 1u);
    if (list == NULL) {
        return ERR_NO_MEMORY;
    }
    for (const struct json *c = v->first; c != NULL; c = c->next) {
        enum err e = read_check(c, a, &list[*count], ec);
        if (e != ERR_OK) {
            return ectx_wrap(ec, e, "checks[%zu]", *count);
        }
        (*count)++;
    }
    *out = list;
    return ERR_OK;
}
