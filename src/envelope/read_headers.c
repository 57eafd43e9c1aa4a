/* Events whose metadata stands in headers: records of Kafka (ce_*) and requests of HTTP (ce-*). */
#include "core/slice.h"
#include "core/utf8.h"
#include "envelope/envelope_int.h"

enum { PLAIN_MAX = 8 };

/* Kafka binding: "ce_"; HTTP binding: "ce-". In any case, as HTTP headers are. */
static bool attribute_of(struct str header, char separator, struct str *name)
{
    if (header.n < 4 || (header.p[0] != 'c' && header.p[0] != 'C') ||
        (header.p[1] != 'e' && header.p[1] != 'E') || header.p[2] != separator) {
        return false;
    }
    *name = str_make(header.p + 3, header.n - 3);
    return true;
}

/* A header of the event itself. */
static enum err read_attribute(const struct reading *r, struct envelope *e, struct str name,
                               struct str value, struct str written, size_t *at, bool *spec)
{
    if (str_eq(name, STR_LIT("specversion"))) {
        *spec = true;
        return str_eq_z(value, "1.0") ? ERR_OK
                                      : field_fail(r, written, "only CloudEvents 1.0 is supported");
    }
    enum field f = field_of_header(true, name, at);
    if (str_is_null(value)) {
        return ERR_OK;
    }
    return f == FIELD_NONE ? other_add(r, e, name, value, written)
                           : field_set(r, e, f, value, written);
}

/* A header beside it, which means field `f`: fills in what is absent. */
static enum err set_plain(const struct reading *r, struct envelope *e, enum field f,
                          struct str name, struct str value)
{
    if (f == FIELD_NONE || !field_absent(e, f)) {
        return ERR_OK;
    }
    if ((f == FIELD_TRACEPARENT && !traceparent_valid(value)) ||
        (f == FIELD_TRACESTATE && !tracestate_valid(value))) {
        return ERR_OK; /* W3C: whoever cannot read it begins anew */
    }
    return field_set(r, e, f, value, name);
}

static enum err read_plain(const struct reading *r, struct envelope *e, struct str name,
                           struct str value)
{
    size_t rank;
    return set_plain(r, e, field_find(NAMES_HEADERS, name, true, &rank), name, value);
}

/* ---- Kafka ----------------------------------------------------------------------------------- */

/* Headers beside the event that say something of it, in their order. */
struct plain {
    size_t count;
    struct {
        enum field field;
        struct str name, value;
    } list[PLAIN_MAX];
    bool more; /* they did not fit: look again */
    struct str content_type;
};

static void plain_note(struct plain *p, const struct record_header *h)
{
    size_t at = 0;
    const enum field f = str_starts(h->key, "leat-") ? FIELD_NONE /* the event store's own */
                                                     : field_of_header(false, h->key, &at);
    if (f == FIELD_NONE) {
        return;
    }
    if (f == FIELD_CONTENT_TYPE) {
        p->content_type = h->value;
    }
    p->more = p->count == PLAIN_MAX;
    if (!p->more) {
        p->list[p->count].field = f;
        p->list[p->count].name = h->key;
        p->list[p->count].value = h->value;
        p->count++;
    }
}

/* What the event says of itself; what stands beside it is noted. */
static enum err read_attributes(const struct reading *r, const struct record *record,
                                struct envelope *e, bool *attributes, struct plain *beside)
{
    struct slice headers = record->headers;
    struct record_header h;
    size_t at = 0;
    bool spec = false;
    *attributes = false;
    beside->count = 0;
    beside->more = false;
    beside->content_type = STR_NULL;
    while (record_header_next(&headers, &h)) {
        struct str name;
        if (!attribute_of(h.key, '_', &name)) {
            plain_note(beside, &h);
            continue;
        }
        *attributes = true;
        enum err err = read_attribute(r, e, name, h.value, h.key, &at, &spec);
        if (err != ERR_OK && !r->forgive) {
            return err;
        }
    }
    if (spec && str_is_null(e->type) && !r->forgive) {
        return field_fail(r, STR_LIT("ce_type"), "missing");
    }
    return ERR_OK;
}

static enum err read_beside(const struct reading *r, const struct record *record,
                            struct envelope *e, const struct plain *beside)
{
    struct slice headers = record->headers;
    struct record_header h;
    enum err err = ERR_OK;
    for (size_t i = 0; i < beside->count && err == ERR_OK && !beside->more; i++) {
        err = set_plain(r, e, beside->list[i].field, beside->list[i].name, beside->list[i].value);
        err = r->forgive ? ERR_OK : err;
    }
    while (beside->more && err == ERR_OK && record_header_next(&headers, &h)) {
        struct str name;
        err = attribute_of(h.key, '_', &name) ? ERR_OK : read_plain(r, e, h.key, h.value);
        err = r->forgive ? ERR_OK : err;
    }
    return err;
}

/* A value that may be an event in JSON; *form NONE: it is not. */
static enum err read_value(struct reading *r, const struct record *record, struct str content_type,
                           struct envelope *e, struct str *data)
{
    bool structured = media_is(content_type, "application/cloudevents+json");
    if (media_is(content_type, "application/cloudevents-batch+json")) {
        return field_fail(r, STR_LIT("content-type"), "a record is one event, not a batch");
    }
    struct str value = record->value;
    size_t at = 0;
    while (at < value.n && (value.p[at] == ' ' || value.p[at] == '\n' || value.p[at] == '\r' ||
                            value.p[at] == '\t')) {
        at++;
    }
    bool object = at < value.n && value.p[at] == '{';
    if (!structured && (!object || !media_is_json(content_type))) {
        return ERR_OK;
    }
    struct json *v;
    enum err err =
        json_parse(value, &(struct json_limits){.build_depth = 1, .allow_same_names = !structured},
                   r->arena, &v, r->ec);
    if (err != ERR_OK && (structured || err == ERR_NO_MEMORY)) {
        return ectx_wrap(r->ec, err == ERR_LIMIT ? ERR_MALFORMED : err, "value");
    }
    if (err != ERR_OK) {
        return ERR_OK; /* not JSON: opaque */
    }
    r->form = form_of(v);
    if (structured && r->form != ENVELOPE_STRUCTURED) {
        return field_fail(r, STR_LIT("specversion"), "missing");
    }
    return r->form == ENVELOPE_NONE ? ERR_OK : read_object(r, v, e, data);
}

MUST_USE enum err envelope_read_record(const struct record *r, struct arena *a,
                                       struct envelope *out, struct str *data,
                                       enum envelope_form *form, struct ectx *ec)
{
    struct reading reading = {.at = "", .form = ENVELOPE_NONE, .arena = a, .ec = ec};
    struct envelope found;
    struct str found_data = r->value;
    struct plain beside;
    bool attributes;
    envelope_init(&found);
    enum err e = read_attributes(&reading, r, &found, &attributes, &beside);
    if (e == ERR_OK && attributes) {
        reading.form = ENVELOPE_BINARY;
    } else if (e == ERR_OK) {
        e = read_value(&reading, r, beside.content_type, &found, &found_data);
    }
    /* The header of a structured event is the type of all of it, not of its data. */
    bool whole = reading.form == ENVELOPE_STRUCTURED || reading.form == ENVELOPE_JSON;
    struct str inner_type = found.content_type;
    if (e == ERR_OK) {
        e = read_beside(&reading, r, &found, &beside);
    }
    if (e != ERR_OK) {
        return e;
    }
    if (whole) {
        found.content_type = inner_type;
    }
    fields_settle(&found);
    envelope_copy(out, &found);
    *data = found_data;
    *form = reading.form;
    return ERR_OK;
}

void envelope_read_what_can(const struct record *r, struct arena *a, struct envelope *out)
{
    const struct reading reading = {
        .at = "", .form = ENVELOPE_BINARY, .forgive = true, .arena = a, .ec = NULL};
    struct envelope found;
    struct plain beside;
    bool attributes;
    envelope_init(&found);
    IGNORE(read_attributes(&reading, r, &found, &attributes, &beside));
    IGNORE(read_beside(&reading, r, &found, &beside));
    fields_settle(&found);
    envelope_copy(out, &found);
}

bool envelope_owns_header(struct str name)
{
    struct str attribute;
    size_t rank;
    if (attribute_of(name, '_', &attribute)) {
        return true;
    }
    const enum field f = field_find(NAMES_HEADERS, name, true, &rank);
    return f == FIELD_CONTENT_TYPE || f == FIELD_TRACEPARENT || f == FIELD_TRACESTATE;
}

MUST_USE enum err envelope_check_data(const struct envelope *e, struct str data, const char *name,
                                      struct ectx *ec)
{
    if (data.n == 0 || str_is_null(e->content_type) || !media_is_json(e->content_type)) {
        return ERR_OK;
    }
    const enum err err = json_check(data);
    if (err == ERR_NO_MEMORY) {
        return ectx_fail(ec, err, "%s: no memory to check it", name);
    }
    return err == ERR_OK ? ERR_OK
                         : ectx_fail(ec, ERR_MALFORMED,
                                     "%s: is no JSON, which its content-type promises", name);
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* HTTP binding 3.1.3.2: quotes and their backslashes away, then percent signs decoded. A percent
 * sign without digits stands for itself: not every client encodes it. */
static struct str header_decode(struct arena *a, struct str s)
{
    bool quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
    if (!quoted && memchr(s.p, '%', s.n) == NULL) {
        return s;
    }
    char *out = arena_alloc(a, s.n + 1);
    if (out == NULL) {
        return STR_NULL;
    }
    size_t n = 0, end = quoted ? s.n - 1 : s.n;
    for (size_t i = quoted ? 1 : 0; i < end; i++) {
        char c = s.p[i];
        if (quoted && c == '\\' && i + 1 < end) {
            c = s.p[++i];
        } else if (c == '%' && i + 2 < end && hex_digit(s.p[i + 1]) >= 0 &&
                   hex_digit(s.p[i + 2]) >= 0) {
            c = (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2]));
            i += 2;
        }
        out[n++] = c;
    }
    return str_make(out, n);
}

MUST_USE enum err envelope_read_http(const struct envelope_http *h, struct arena *a,
                                     struct envelope *out, struct ectx *ec)
{
    struct reading r = {.at = "", .form = ENVELOPE_BINARY, .strict = true, .arena = a, .ec = ec};
    struct envelope found;
    bool spec = false, attributes = false;
    size_t at = 0;
    envelope_init(&found);
    enum err e = ERR_OK;
    for (size_t i = 0; i < h->count && e == ERR_OK; i++) {
        struct str name, value = h->headers[i].value;
        if (!attribute_of(h->headers[i].name, '-', &name) || value.n == 0) {
            continue;
        }
        attributes = true;
        value = header_decode(a, value);
        e = str_is_null(value)
                ? ectx_fail(ec, ERR_NO_MEMORY, "event: no memory")
                : read_attribute(&r, &found, name, value, h->headers[i].name, &at, &spec);
    }
    for (size_t i = 0; i < h->count && e == ERR_OK; i++) {
        e = read_plain(&r, &found, h->headers[i].name, h->headers[i].value);
    }
    if (e == ERR_OK && spec && str_is_null(found.type)) {
        e = field_fail(&r, STR_LIT("ce-type"), "missing");
    }
    if (!attributes && media_is_cloudevents(found.content_type)) {
        found.content_type = STR_NULL; /* that of the events in the body, not of their data */
    }
    if (e == ERR_OK) {
        fields_settle(&found);
        envelope_copy(out, &found);
    }
    return e;
}

bool envelope_http_reads(struct str name)
{
    struct str attribute;
    size_t rank;
    if (attribute_of(name, '-', &attribute)) {
        return true;
    }
    const enum field f = field_find(NAMES_HEADERS, name, true, &rank);
    return f != FIELD_NONE && f != FIELD_TRACEPARENT && f != FIELD_TRACESTATE;
}
