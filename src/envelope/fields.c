/* The table of the fields, and how one value gets into its field: every form of an event ends here.
 */
#include "envelope/envelope_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "core/utf8.h"

#define SHORT_MAX 64u
#define TEXT_MAX  1024u
#define OTHER_MAX 8192u
#define SHOWN_MAX 64u /* bytes of a client's text in an error */

#define AT(member) .offset = offsetof(struct envelope, member)

const struct field_row envelope_fields[FIELD_COUNT] = {
    [FIELD_ID] = {KIND_TEXT, AT(id), .max = ENVELOPE_ID_MAX, .required = true, .number = true,
                  .members = {"id"}, .attributes = {"id"}, .team = {"eventId", "event_id", "id"},
                  .derived = "made by the server"},
    [FIELD_TYPE] = {KIND_TEXT, AT(type), .max = ENVELOPE_TYPE_MAX, .required = true,
                    .members = {"type"}, .attributes = {"type"},
                    .team = {"eventType", "event_type", "type"}, .derived = "never"},
    [FIELD_VERSION] = {KIND_TEXT, AT(version), .max = SHORT_MAX, .number = true,
                       .members = {"version"}, .attributes = {"dataversion"},
                       .team = {"eventVersion", "event_version", "schemaVersion", "schema_version",
                                "version"},
                       .derived = "the type's suffix: `OrderPlaced.v3` has version 3"},
    [FIELD_TIME] = {KIND_TIME, AT(time_ns), .max = SHORT_MAX, .number = true, .members = {"time"},
                    .attributes = {"time"}, .team = {"timestamp", "time"},
                    .derived = "the time of the append"},
    [FIELD_SOURCE] = {KIND_TEXT, AT(source), .max = TEXT_MAX, .members = {"source"},
                      .attributes = {"source"}, .team = {"source"},
                      .derived = "the stream, as a URI reference"},
    [FIELD_SUBJECT] = {KIND_TEXT, AT(subject), .max = ENVELOPE_SUBJECT_MAX, .number = true,
                       .members = {"subject"}, .attributes = {"subject"}, .team = {"subject"},
                       .derived = "the stream's name"},
    [FIELD_CORRELATION] = {KIND_TEXT, AT(correlation), .max = ENVELOPE_ID_MAX, .number = true,
                           .members = {"correlation_id"}, .attributes = {"correlationid"},
                           .team = {"correlationId", "correlation_id"},
                           .headers = {"correlation-id", "correlation_id", "correlationId",
                                       "x-correlation-id"},
                           .derived = "the id: an event that nothing caused begins a chain"},
    [FIELD_CAUSATION] = {KIND_TEXT, AT(causation), .max = ENVELOPE_ID_MAX, .number = true,
                         .members = {"causation_id"}, .attributes = {"causationid"},
                         .team = {"causationId", "causation_id"},
                         .headers = {"causation-id", "causation_id", "causationId",
                                     "x-causation-id"},
                         .derived = "never"},
    [FIELD_TRACEPARENT] = {KIND_TRACEPARENT, AT(traceparent), .max = TEXT_MAX,
                           .members = {"traceparent"}, .attributes = {"traceparent"},
                           .team = {"traceparent", "traceParent"}, .headers = {"traceparent"},
                           .derived = "the request's"},
    [FIELD_TRACESTATE] = {KIND_TRACESTATE, AT(tracestate), .max = TEXT_MAX,
                          .members = {"tracestate"}, .attributes = {"tracestate"},
                          .team = {"tracestate", "traceState"}, .headers = {"tracestate"},
                          .derived = "never"},
    [FIELD_TENANT] = {KIND_TEXT, AT(tenant), .max = ENVELOPE_ID_MAX, .number = true,
                      .members = {"tenant"}, .attributes = {"tenantid", "tenant"},
                      .team = {"tenantId", "tenant_id", "tenant"},
                      .headers = {"tenant-id", "tenant_id", "tenantId", "x-tenant-id"},
                      .derived = "never"},
    [FIELD_CONTENT_TYPE] = {KIND_TEXT, AT(content_type), .max = TEXT_MAX,
                            .members = {"content_type"}, .attributes = {"datacontenttype"},
                            .team = {"contentType", "content_type", "dataContentType"},
                            .headers = {"content-type"}, .derived = "`application/json`"},
    [FIELD_DATA_SCHEMA] = {KIND_TEXT, AT(data_schema), .max = TEXT_MAX,
                           .members = {"data_schema", "schema"}, .attributes = {"dataschema"},
                           .team = {"dataSchema", "data_schema"}, .derived = "never"},
};

void envelope_init(struct envelope *e)
{
    memset(e, 0, offsetof(struct envelope, other));
    e->time_ns = INT64_MIN;
}

void envelope_copy(struct envelope *to, const struct envelope *from)
{
    memcpy(to, from, offsetof(struct envelope, other) + from->other_count * sizeof(from->other[0]));
}

static bool same_any_case(struct str s, const char *z)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i], d = z[i];
        if (c == d && d != '\0') {
            continue;
        }
        c = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        d = d >= 'A' && d <= 'Z' ? (char)(d + 32) : d;
        if (c != d || d == '\0') {
            return false;
        }
    }
    return z[s.n] == '\0';
}

static const char *const *names_of(enum field f, enum name_list list)
{
    const struct field_row *row = &envelope_fields[f];
    switch (list) {
    case NAMES_MEMBERS:
        return row->members;
    case NAMES_ATTRIBUTES:
        return row->attributes;
    case NAMES_TEAM:
        return row->team;
    case NAMES_HEADERS:
        return row->headers;
    }
    return row->members;
}

enum field field_find(enum name_list list, struct str name, bool any_case, size_t *rank)
{
    for (enum field f = 0; f < FIELD_COUNT; f++) {
        const char *const *names = names_of(f, list);
        for (size_t i = 0; names[i] != NULL; i++) {
            /* The first letter tells most of them apart; names in the table begin with one. */
            if (name.n == 0 || ((name.p[0] ^ names[i][0]) & ~0x20) != 0) {
                continue;
            }
            if (any_case ? same_any_case(name, names[i]) : str_eq_z(name, names[i])) {
                *rank = i;
                return f;
            }
        }
    }
    return FIELD_NONE;
}

/* In the order in which envelope_write_headers writes them. */
static const struct {
    struct str name;
    enum field field;
} written_attributes[] = {
    {STR_LIT("id"), FIELD_ID},
    {STR_LIT("type"), FIELD_TYPE},
    {STR_LIT("source"), FIELD_SOURCE},
    {STR_LIT("subject"), FIELD_SUBJECT},
    {STR_LIT("time"), FIELD_TIME},
    {STR_LIT("dataversion"), FIELD_VERSION},
    {STR_LIT("dataschema"), FIELD_DATA_SCHEMA},
    {STR_LIT("correlationid"), FIELD_CORRELATION},
    {STR_LIT("causationid"), FIELD_CAUSATION},
    {STR_LIT("tenantid"), FIELD_TENANT},
    {STR_LIT("traceparent"), FIELD_TRACEPARENT},
    {STR_LIT("tracestate"), FIELD_TRACESTATE},
};

enum field field_of_header(bool attribute, struct str name, size_t *at)
{
    size_t rank;
    if (attribute) {
        for (size_t i = *at; i < ARRAY_LEN(written_attributes); i++) {
            if (str_eq(name, written_attributes[i].name)) {
                *at = i + 1;
                return written_attributes[i].field;
            }
        }
        return field_find(NAMES_ATTRIBUTES, name, true, &rank);
    }
    return str_eq(name, STR_LIT("content-type")) ? FIELD_CONTENT_TYPE
                                                 : field_find(NAMES_HEADERS, name, true, &rank);
}

struct str *field_str(struct envelope *e, enum field f)
{
    return (struct str *)(void *)((char *)e + envelope_fields[f].offset);
}

const struct str *field_view(const struct envelope *e, enum field f)
{
    return (const struct str *)(const void *)((const char *)e + envelope_fields[f].offset);
}

bool field_absent(const struct envelope *e, enum field f)
{
    if (envelope_fields[f].kind == KIND_TIME) {
        return e->time_ns == INT64_MIN;
    }
    return str_is_null(*field_view(e, f));
}

/* A client's text as an error may show it: short, and without what steers a terminal. */
static const char *shown(struct str s, size_t max, char out[SHOWN_MAX + 4])
{
    size_t n = s.n > max ? max : s.n;
    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xC0) == 0x80) {
        n--; /* not inside a character */
    }
    bool good = utf8_valid(str_make(s.p, n));
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        out[i] = c < 0x20 || c == 0x7F || (c >= 0x80 && !good) ? '?' : (char)c;
    }
    memcpy(out + n, "...", 4);
    if (n == s.n) {
        out[n] = '\0';
    }
    return out;
}

enum err field_fail(const struct reading *r, struct str name, const char *fmt, ...)
{
    char what[192], shown_name[SHOWN_MAX + 4];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return ectx_fail(r->ec, ERR_MALFORMED, "%s%s%s: %s", r->at, r->at[0] == '\0' ? "" : ".",
                     shown(name, SHOWN_MAX, shown_name), what);
}

static enum err fail_value(const struct reading *r, struct str name, struct str value,
                           const char *what)
{
    char shown_value[SHOWN_MAX + 4];
    return field_fail(r, name, "'%s' %s", shown(value, SHOWN_MAX / 2, shown_value), what);
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F) {
            return true;
        }
    }
    return false;
}

enum err field_set(const struct reading *r, struct envelope *e, enum field f, struct str value,
                   struct str name)
{
    const struct field_row *row = &envelope_fields[f];
    if (value.n == 0) {
        return row->required ? field_fail(r, name, "must not be empty") : ERR_OK;
    }
    if (value.n > row->max) {
        return field_fail(r, name, "longer than %u bytes", row->max);
    }
    if (!utf8_printable_ascii(value) && (has_control(value) || !utf8_valid(value))) {
        return fail_value(r, name, value, "has control characters or is no UTF-8");
    }
    switch (row->kind) {
    case KIND_TEXT:
        break;
    case KIND_TIME:
        return time_parse_rfc3339(value, &e->time_ns)
                   ? ERR_OK
                   : fail_value(r, name, value, "is no RFC 3339 time");
    case KIND_TRACEPARENT:
        if (!traceparent_valid(value)) {
            return fail_value(r, name, value, "is no W3C traceparent");
        }
        break;
    case KIND_TRACESTATE:
        if (!tracestate_valid(value)) {
            return fail_value(r, name, value, "is no W3C tracestate");
        }
        break;
    }
    *field_str(e, f) = value;
    return ERR_OK;
}

enum err other_add(const struct reading *r, struct envelope *e, struct str name, struct str value,
                   struct str written)
{
    if (name.n == 0 || name.n > ENVELOPE_OTHER_NAME_MAX || has_control(name) || !utf8_valid(name)) {
        return field_fail(r, written, "a name has 1 to %u bytes and no control characters",
                          ENVELOPE_OTHER_NAME_MAX);
    }
    if (value.n > OTHER_MAX) {
        return field_fail(r, written, "longer than %u bytes", OTHER_MAX);
    }
    if (!utf8_valid(value)) {
        return field_fail(r, written, "is no UTF-8");
    }
    if (r->strict && has_control(value)) {
        return fail_value(r, written, value, "has control characters");
    }
    for (size_t i = 0; i < e->other_count; i++) {
        if (str_eq(e->other[i].name, name)) {
            e->other[i].value = value; /* the last one counts */
            return ERR_OK;
        }
    }
    if (e->other_count == ENVELOPE_OTHER_MAX) {
        return field_fail(r, written, "more than %u extension attributes", ENVELOPE_OTHER_MAX);
    }
    e->other[e->other_count].name = name;
    e->other[e->other_count].value = value;
    e->other_count++;
    return ERR_OK;
}

void fields_settle(struct envelope *e)
{
    if (str_is_null(e->traceparent)) {
        e->tracestate = STR_NULL; /* W3C: it means nothing without the other */
    }
}

bool media_is(struct str content_type, const char *type)
{
    struct str rest;
    return same_any_case(str_trim(str_cut(content_type, ';', &rest)), type);
}

bool media_is_cloudevents(struct str content_type)
{
    const struct str prefix = STR_LIT("application/cloudevents");
    return content_type.n >= prefix.n &&
           same_any_case(str_make(content_type.p, prefix.n), prefix.p);
}

bool media_is_json(struct str content_type)
{
    if (content_type.n == 0) {
        return true;
    }
    struct str rest;
    struct str type = str_trim(str_cut(content_type, ';', &rest));
    if (type.n >= 5 && same_any_case(str_make(type.p + type.n - 5, 5), "+json")) {
        return true;
    }
    return same_any_case(type, "application/json") || same_any_case(type, "text/json");
}
