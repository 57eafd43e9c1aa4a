/* Values of an event: from JSON, as text, as JSON, and the fields of the envelope. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "mapping/mapping_int.h"

const char *mapping_kind_name(enum mapping_kind k)
{
    switch (k) {
    case MAPPING_NULL:
        return "null";
    case MAPPING_BOOL:
        return "true or false";
    case MAPPING_INT:
    case MAPPING_REAL:
        return "a number";
    case MAPPING_TEXT:
        return "text";
    case MAPPING_JSON:
        return "an array or object";
    }
    return "?";
}

bool mapping_is_whole(struct str s)
{
    const size_t sign = s.n > 0 && s.p[0] == '-';
    bool whole = s.n > sign;
    for (size_t i = sign; i < s.n && whole; i++) {
        whole = s.p[i] >= '0' && s.p[i] <= '9';
    }
    return whole;
}

MUST_USE enum err mapping_value_of_json(const struct json *v, struct mapping_value *out,
                                        struct ectx *ec)
{
    struct mapping_value r = {.kind = MAPPING_NULL};
    if (v == NULL || v->kind == JSON_NULL) {
        *out = r;
        return ERR_OK;
    }
    switch (v->kind) {
    case JSON_BOOL:
        r.kind = MAPPING_BOOL;
        r.boolean = v->boolean;
        break;
    case JSON_NUMBER:
        if (json_i64(v, &r.integer)) {
            r.kind = MAPPING_INT;
        } else if (!mapping_is_whole(v->raw) && json_f64(v, &r.real) && isfinite(r.real)) {
            r.kind = MAPPING_REAL;
        } else {
            /* Rounding it would be a wrong number that nobody sees. */
            return ectx_fail(ec, ERR_MALFORMED, "the number %.*s does not fit into 64 bits",
                             (int)(v->raw.n > 40 ? 40 : v->raw.n), v->raw.p);
        }
        break;
    case JSON_STRING:
        r.kind = MAPPING_TEXT;
        r.text = v->string;
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        r.kind = MAPPING_JSON;
        r.text = v->raw;
        break;
    case JSON_NULL:
        break;
    }
    *out = r;
    return ERR_OK;
}

void mapping_write_value(struct json_writer *w, const struct mapping_value *v)
{
    switch (v->kind) {
    case MAPPING_NULL:
        json_write_null(w);
        return;
    case MAPPING_BOOL:
        json_write_bool(w, v->boolean);
        return;
    case MAPPING_INT:
        json_write_i64(w, v->integer);
        return;
    case MAPPING_REAL:
        json_write_f64(w, v->real);
        return;
    case MAPPING_TEXT:
        json_write_str(w, v->text);
        return;
    case MAPPING_JSON:
        json_write_raw(w, v->text);
        return;
    }
}

bool mapping_value_text(const struct mapping_value *v, struct arena *a, struct str *out)
{
    switch (v->kind) {
    case MAPPING_NULL:
        *out = STR_LIT("");
        return true;
    case MAPPING_BOOL:
        *out = v->boolean ? STR_LIT("true") : STR_LIT("false");
        return true;
    case MAPPING_TEXT:
    case MAPPING_JSON:
        *out = v->text;
        return true;
    case MAPPING_INT:
        *out = arena_printf(a, "%lld", (long long)v->integer);
        return !str_is_null(*out);
    case MAPPING_REAL:
        break;
    }
    char text[JSON_F64_SIZE];
    json_f64_text(v->real, text);
    *out = arena_str(a, str_of(text));
    return !str_is_null(*out);
}

const struct json *mapping_walk(const struct json *v, const struct str *segments, size_t count)
{
    for (size_t i = 0; i < count && v != NULL; i++) {
        uint64_t index = 0;
        if (v->kind == JSON_OBJECT) {
            v = json_get_str(v, segments[i]);
        } else if (v->kind == JSON_ARRAY && str_to_u64(segments[i], &index)) {
            v = json_at(v, (size_t)index);
        } else {
            v = NULL;
        }
    }
    return v;
}

/* ---- Fields of the envelope */

enum field {
    FIELD_ID,
    FIELD_TYPE,
    FIELD_VERSION,
    FIELD_TIME,
    FIELD_SOURCE,
    FIELD_SUBJECT,
    FIELD_CORRELATION,
    FIELD_CAUSATION,
    FIELD_TRACEPARENT,
    FIELD_TENANT,
    FIELD_CONTENT_TYPE,
    FIELD_DATA_SCHEMA,
    FIELD_KEY,
    FIELD_STREAM,
    FIELD_CATEGORY,
    FIELD_STREAM_ID,
    FIELD_REVISION,
    FIELD_POSITION,
    FIELD_TOPIC,
    FIELD_PARTITION,
    FIELD_OFFSET,
    FIELD_TIMESTAMP,
    FIELD_REDACTED,
    FIELD_COUNT
};
static const char *const field_names[FIELD_COUNT] = {
    "$id",          "$type",      "$version",     "$time",      "$source",       "$subject",
    "$correlation", "$causation", "$traceparent", "$tenant",    "$content_type", "$data_schema",
    "$key",         "$stream",    "$category",    "$stream_id", "$revision",     "$position",
    "$topic",       "$partition", "$offset",      "$timestamp", "$redacted"};

const char *const *mapping_fields(size_t *count)
{
    *count = FIELD_COUNT;
    return field_names;
}

int mapping_field_index(struct str name)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (str_eq_z(name, field_names[i] + 1)) {
            return i;
        }
    }
    return -1;
}

static struct mapping_value text_or_null(struct str s)
{
    return str_is_null(s) ? (struct mapping_value){.kind = MAPPING_NULL}
                          : (struct mapping_value){.kind = MAPPING_TEXT, .text = s};
}
static struct mapping_value whole(int64_t v)
{
    return (struct mapping_value){.kind = MAPPING_INT, .integer = v};
}

static struct mapping_value time_value(const struct mapping_scope *s)
{
    int64_t ns = s->event->envelope->time_ns;
    if (ns == INT64_MIN) {
        if (s->event->timestamp_ms < 0 || s->event->timestamp_ms > INT64_MAX / 1000000) {
            return (struct mapping_value){.kind = MAPPING_NULL};
        }
        ns = s->event->timestamp_ms * 1000000;
    }
    char text[TIME_TEXT_SIZE];
    size_t n = time_format_rfc3339(ns, text);
    return text_or_null(arena_str(s->arena, str_make(text, n)));
}

static struct mapping_value envelope_value(const struct envelope *e, enum field field)
{
    const struct str *of[] = {[FIELD_ID] = &e->id,
                              [FIELD_TYPE] = &e->type,
                              [FIELD_VERSION] = &e->version,
                              [FIELD_SOURCE] = &e->source,
                              [FIELD_SUBJECT] = &e->subject,
                              [FIELD_CORRELATION] = &e->correlation,
                              [FIELD_CAUSATION] = &e->causation,
                              [FIELD_TRACEPARENT] = &e->traceparent,
                              [FIELD_TENANT] = &e->tenant,
                              [FIELD_CONTENT_TYPE] = &e->content_type,
                              [FIELD_DATA_SCHEMA] = &e->data_schema};
    return text_or_null(*of[field]);
}

struct mapping_value mapping_field_value(const struct mapping_scope *s, int field)
{
    const struct mapping_event *e = s->event;
    struct str id;
    switch (field) {
    case FIELD_TIME:
        return time_value(s);
    case FIELD_VERSION: {
        struct str suffix;
        (void)mapping_type_base(e->envelope->type, &suffix);
        return text_or_null(str_is_null(e->envelope->version) ? suffix : e->envelope->version);
    }
    case FIELD_KEY:
    case FIELD_STREAM:
        return text_or_null(e->key);
    case FIELD_CATEGORY:
        return text_or_null(str_cut(e->key, '-', &id));
    case FIELD_STREAM_ID:
        (void)str_cut(e->key, '-', &id);
        return text_or_null(id);
    case FIELD_REVISION:
        return e->has_revision && e->revision <= INT64_MAX
                   ? whole((int64_t)e->revision)
                   : (struct mapping_value){.kind = MAPPING_NULL};
    case FIELD_POSITION:
        return text_or_null(e->position);
    case FIELD_TOPIC:
        return text_or_null(e->topic);
    case FIELD_PARTITION:
        return whole(e->partition);
    case FIELD_OFFSET:
        return whole(e->offset);
    case FIELD_TIMESTAMP:
        return whole(e->timestamp_ms);
    case FIELD_REDACTED:
        return (struct mapping_value){.kind = MAPPING_BOOL, .boolean = e->redacted};
    default:
        return envelope_value(e->envelope, (enum field)field);
    }
}
