/*
 * Events in JSON: structured CloudEvents, teams' envelopes, the native short form. One pass over
 * the members finds which name counts for each field; what has no name of a field is an extension
 * attribute (native: a member of `extensions`).
 */
#include <math.h>

#include "core/base64.h"
#include "envelope/envelope_int.h"

enum { DATA_DATA, DATA_PAYLOAD, DATA_BASE64 };
static const char *const data_names[] = {"data", "payload", "data_base64"};

static bool is_text(const struct json *v)
{
    return v != NULL && v->kind == JSON_STRING;
}

/* A name by which a team's envelope is known, beside its data. */
static bool names_envelope(struct str name)
{
    return str_eq_z(name, "eventType") || str_eq_z(name, "event_type") ||
           str_eq_z(name, "eventId") || str_eq_z(name, "event_id");
}

enum envelope_form form_of(const struct json *v)
{
    if (v == NULL || v->kind != JSON_OBJECT) {
        return ENVELOPE_NONE;
    }
    if (is_text(json_get(v, "specversion"))) {
        return ENVELOPE_STRUCTURED;
    }
    bool named = is_text(json_get(v, "eventType")) || is_text(json_get(v, "event_type")) ||
                 json_get(v, "eventId") != NULL || json_get(v, "event_id") != NULL;
    bool data = false;
    for (size_t i = 0; i < ARRAY_LEN(data_names); i++) {
        data = data || json_get(v, data_names[i]) != NULL;
    }
    return named && data ? ENVELOPE_JSON : ENVELOPE_NONE;
}

/* The object with its members built, though its parent was built no deeper. */
static enum err built(const struct reading *r, const struct json *v, const struct json **out)
{
    if (v->kind != JSON_OBJECT) {
        return field_fail(r, v->name, "must be an object");
    }
    *out = v;
    if (!v->unbuilt) {
        return ERR_OK;
    }
    struct json *whole;
    enum err e =
        json_parse(v->raw, &(struct json_limits){.build_depth = 1}, r->arena, &whole, r->ec);
    if (e != ERR_OK) {
        return ectx_wrap(r->ec, e, "%s%s%.*s", r->at, r->at[0] == '\0' ? "" : ".", STR(v->name));
    }
    *out = whole;
    return ERR_OK;
}

/* Milliseconds since 1970, perhaps with a fraction (a microsecond counts). */
static bool time_of_number(const struct json *v, int64_t *ns)
{
    int64_t ms;
    if (json_i64(v, &ms)) {
        return !__builtin_mul_overflow(ms, 1000000, ns) && *ns != INT64_MIN;
    }
    double d;
    if (!json_f64(v, &d) || fabs(d) > 9.2e12) {
        return false;
    }
    *ns = (int64_t)llround(d * 1e3) * 1000;
    return true;
}

static enum err set_member(const struct reading *r, struct envelope *e, enum field f,
                           const struct json *v)
{
    const struct field_row *row = &envelope_fields[f];
    if (v->kind == JSON_STRING) {
        return field_set(r, e, f, v->string, v->name);
    }
    /* CloudEvents knows strings only; a number of milliseconds is a habit of teams. */
    bool number = row->number && r->form != ENVELOPE_STRUCTURED &&
                  (row->kind != KIND_TIME || r->form == ENVELOPE_JSON);
    if (v->kind != JSON_NUMBER || !number) {
        return field_fail(r, v->name, "must be a string%s", number ? " or a number" : "");
    }
    if (row->kind == KIND_TIME) {
        return time_of_number(v, &e->time_ns)
                   ? ERR_OK
                   : field_fail(r, v->name, "is no number of milliseconds since 1970");
    }
    return field_set(r, e, f, v->raw, v->name);
}

/* The value of an extension attribute as text: containers only where a team puts them. */
static enum err add_other(const struct reading *r, struct envelope *e, struct str name,
                          const struct json *v)
{
    struct reading raw = *r;
    raw.strict = false; /* JSON has line breaks between its tokens */
    switch (v->kind) {
    case JSON_NULL:
        return ERR_OK;
    case JSON_STRING:
        return other_add(r, e, name, v->string, v->name);
    case JSON_BOOL:
    case JSON_NUMBER:
        return other_add(r, e, name, v->raw, v->name);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return r->form == ENVELOPE_JSON
               ? other_add(&raw, e, name, v->raw, v->name)
               : field_fail(r, v->name, "must be a string, a number or a boolean");
}

/* The member that counts for each field. */
struct chosen {
    const struct json *member[FIELD_COUNT];
    size_t rank[FIELD_COUNT];
};

static void choose(const struct json *object, enum name_list list, struct chosen *c)
{
    *c = (struct chosen){0};
    for (const struct json *m = object->first; m != NULL; m = m->next) {
        size_t rank;
        enum field f = m->kind == JSON_NULL ? FIELD_NONE : field_find(list, m->name, false, &rank);
        if (f != FIELD_NONE && (c->member[f] == NULL || rank < c->rank[f])) {
            c->member[f] = m;
            c->rank[f] = rank;
        }
    }
}

static bool is_chosen(const struct chosen *c, const struct json *m)
{
    for (size_t f = 0; f < FIELD_COUNT; f++) {
        if (c->member[f] == m) {
            return true;
        }
    }
    return false;
}

static enum err set_chosen(const struct reading *r, struct envelope *e, const struct chosen *c,
                           bool only_absent)
{
    for (enum field f = 0; f < FIELD_COUNT; f++) {
        if (c->member[f] == NULL || (only_absent && !field_absent(e, f))) {
            continue;
        }
        enum err err = set_member(r, e, f, c->member[f]);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

static enum err no_memory(const struct reading *r)
{
    return ectx_fail(r->ec, ERR_NO_MEMORY, "event: no memory, or more than its budget");
}

static bool is_attribute(struct str name)
{
    size_t rank;
    return str_eq_z(name, "specversion") ||
           field_find(NAMES_ATTRIBUTES, name, true, &rank) != FIELD_NONE;
}

/* What would hide a field, or another one, when it is written as ce_NAME gets `prefix` before it.
 */
static enum err add_apart(const struct reading *r, struct envelope *e, const char *prefix,
                          const struct json *m, bool hides)
{
    if (!hides && !is_attribute(m->name)) {
        return add_other(r, e, m->name, m);
    }
    struct str name = arena_printf(r->arena, "%s.%.*s", prefix, STR(m->name));
    return str_is_null(name) ? no_memory(r) : add_other(r, e, name, m);
}

/* Where this member is: "events[3].metadata". Null: no memory. */
static struct str within(const struct reading *r, const struct json *v)
{
    return arena_printf(r->arena, "%s%s%.*s", r->at, r->at[0] == '\0' ? "" : ".", STR(v->name));
}

/* A team's `metadata`: names of fields fill in what the envelope does not say, the rest are
 * extension attributes; what would hide another one is kept as "metadata.NAME". */
static enum err read_metadata(const struct reading *outer, const struct json *v, struct envelope *e)
{
    const struct str at = within(outer, v);
    if (str_is_null(at)) {
        return no_memory(outer);
    }
    struct reading inner = *outer;
    const struct json *object;
    enum err err = built(outer, v, &object);
    if (err != ERR_OK) {
        return err;
    }
    inner.at = at.p;
    bool was_absent[FIELD_COUNT];
    for (enum field f = 0; f < FIELD_COUNT; f++) {
        was_absent[f] = field_absent(e, f);
    }
    const size_t others_before = e->other_count;
    struct chosen c;
    choose(object, NAMES_TEAM, &c);
    err = set_chosen(&inner, e, &c, true);
    for (const struct json *m = object->first; m != NULL && err == ERR_OK; m = m->next) {
        size_t rank, i = 0;
        enum field f = field_find(NAMES_TEAM, m->name, false, &rank);
        if (is_chosen(&c, m) && was_absent[f]) {
            continue;
        }
        while (i < others_before && !str_eq(e->other[i].name, m->name)) {
            i++;
        }
        err = add_apart(&inner, e, "metadata", m, f != FIELD_NONE || i < others_before);
    }
    return err;
}

static enum err read_base64(const struct reading *r, const struct json *v, struct str *data)
{
    if (v->kind != JSON_STRING) {
        return field_fail(r, v->name, "must be a string");
    }
    struct buf b;
    buf_init(&b, v->string.n);
    bool good = base64_decode(&b, v->string);
    *data = good ? arena_str(r->arena, b.n == 0 ? STR_LIT("") : buf_str(&b)) : STR_NULL;
    bool memory = !buf_failed(&b) && (!good || !str_is_null(*data));
    buf_deinit(&b);
    if (!memory) {
        return no_memory(r);
    }
    return good ? ERR_OK : field_fail(r, v->name, "is no base64");
}

/* Where the data is: `data` or `payload`, or `data_base64`. */
static enum err read_data(const struct reading *r, const struct json *object,
                          const struct envelope *e, struct str *data)
{
    const struct json *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(data_names); i++) {
        const struct json *v = json_get(object, data_names[i]);
        bool here = i != DATA_PAYLOAD || r->form == ENVELOPE_JSON;
        if (v == NULL || !here) {
            continue;
        }
        if (found != NULL) {
            return field_fail(r, v->name, "there is data already");
        }
        found = v;
    }
    *data = STR_NULL;
    if (found == NULL) {
        return ERR_OK;
    }
    if (str_eq_z(found->name, data_names[DATA_BASE64])) {
        return found->kind == JSON_NULL ? ERR_OK : read_base64(r, found, data);
    }
    /* JSON format 3.1.1: text of another type stands in a JSON string. */
    bool text = found->kind == JSON_STRING && !media_is_json(e->content_type);
    *data = text ? found->string : found->raw;
    return ERR_OK;
}

static bool is_data(const struct reading *r, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(data_names); i++) {
        if (str_eq_z(name, data_names[i])) {
            return i != DATA_PAYLOAD || r->form != ENVELOPE_NATIVE;
        }
    }
    return false;
}

/* A CloudEvent's attribute is never an object: then `meta` is the API's, else an extension. */
static bool is_of_api(const struct reading *r, const struct json *m)
{
    return str_eq_z(m->name, "stream") || str_eq_z(m->name, "tags") ||
           (str_eq_z(m->name, "meta") &&
            (r->form != ENVELOPE_STRUCTURED || m->kind == JSON_OBJECT));
}

static enum err read_extensions(const struct reading *outer, const struct json *v,
                                struct envelope *e)
{
    struct reading r = *outer;
    const struct json *object;
    const struct str at = within(outer, v);
    enum err err = str_is_null(at) ? no_memory(outer) : built(outer, v, &object);
    r.at = at.p;
    for (const struct json *m = err == ERR_OK ? object->first : NULL; m != NULL && err == ERR_OK;
         m = m->next) {
        err = is_attribute(m->name) ? field_fail(&r, m->name, "is a field, not an extension")
                                    : add_other(&r, e, m->name, m);
    }
    return err;
}

/* The native form has no room for more than it knows: what it dropped would be missed later. */
static enum err read_rest_native(const struct reading *r, const struct json *m, struct envelope *e)
{
    size_t rank;
    if (str_eq_z(m->name, "extensions")) {
        return read_extensions(r, m, e);
    }
    if (field_find(NAMES_MEMBERS, m->name, false, &rank) != FIELD_NONE) {
        return ERR_OK;
    }
    return field_fail(r, m->name,
                      names_envelope(m->name) ? "is of an envelope, which has data or payload, too"
                                              : "an event has no such member");
}

/* A member that is neither a field nor data. */
static enum err read_rest(const struct reading *r, const struct json *m, struct envelope *e)
{
    size_t rank;
    switch (r->form) {
    case ENVELOPE_NATIVE:
        return read_rest_native(r, m, e);
    case ENVELOPE_STRUCTURED:
        if (str_eq_z(m->name, "specversion") ||
            field_find(NAMES_ATTRIBUTES, m->name, false, &rank) != FIELD_NONE) {
            return ERR_OK; /* another member gives this field: the first of its names counts */
        }
        return is_attribute(m->name) ? field_fail(r, m->name, "not in lower case")
                                     : add_other(r, e, m->name, m);
    case ENVELOPE_JSON:
        return add_apart(r, e, "envelope", m, false);
    case ENVELOPE_NONE:
    case ENVELOPE_BINARY:
        break;
    }
    return ERR_OK;
}

static enum name_list list_of(enum envelope_form form)
{
    return form == ENVELOPE_STRUCTURED ? NAMES_ATTRIBUTES
           : form == ENVELOPE_JSON     ? NAMES_TEAM
                                       : NAMES_MEMBERS;
}

MUST_USE enum err read_object(const struct reading *r, const struct json *v, struct envelope *e,
                              struct str *data)
{
    if (r->form == ENVELOPE_STRUCTURED && !str_eq_z(json_get(v, "specversion")->string, "1.0")) {
        return field_fail(r, STR_LIT("specversion"), "only CloudEvents 1.0 is supported");
    }
    struct chosen c;
    choose(v, list_of(r->form), &c);
    enum err err = set_chosen(r, e, &c, false);
    if (err == ERR_OK && r->form == ENVELOPE_STRUCTURED && str_is_null(e->type)) {
        err = field_fail(r, STR_LIT("type"), "missing");
    }
    const struct json *metadata = NULL;
    for (const struct json *m = v->first; m != NULL && err == ERR_OK; m = m->next) {
        if (m->kind == JSON_NULL || is_data(r, m->name) || is_chosen(&c, m) ||
            (r->api && is_of_api(r, m))) {
            continue;
        }
        if (r->form == ENVELOPE_JSON && str_eq_z(m->name, "metadata")) {
            metadata = m;
            continue;
        }
        err = read_rest(r, m, e);
    }
    if (err == ERR_OK && metadata != NULL) {
        err = read_metadata(r, metadata, e);
    }
    if (err == ERR_OK) {
        err = read_data(r, v, e, data);
    }
    fields_settle(e);
    return err;
}

MUST_USE enum err envelope_read_json(const struct json *v, const char *at, struct arena *a,
                                     struct envelope *out, struct str *data,
                                     enum envelope_form *form, struct ectx *ec)
{
    struct reading r = {.at = at, .api = true, .strict = true, .arena = a, .ec = ec};
    if (v->kind != JSON_OBJECT) {
        return ectx_fail(ec, ERR_MALFORMED, "%s: must be an object", at[0] == '\0' ? "event" : at);
    }
    const struct json *object;
    enum err e = built(&r, v, &object);
    if (e != ERR_OK) {
        return e;
    }
    struct envelope found;
    struct str found_data = STR_NULL;
    envelope_init(&found);
    r.form = form_of(object);
    r.form = r.form == ENVELOPE_NONE ? ENVELOPE_NATIVE : r.form;
    e = read_object(&r, object, &found, &found_data);
    if (e == ERR_OK) {
        *out = found;
        *data = found_data;
        *form = r.form;
    }
    return e;
}
