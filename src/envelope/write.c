/* An envelope completed, and written: as headers of a record, as members of a JSON object. */
#include <stdio.h>

#include "envelope/envelope_int.h"

/* "OrderPlaced.v3": "3"; null: the type has no such suffix, or one that is no version as it would
 * be too long to be read. */
static struct str version_of_type(struct str type)
{
    size_t n = 0;
    while (n < type.n && type.p[type.n - 1 - n] >= '0' && type.p[type.n - 1 - n] <= '9') {
        n++;
    }
    if (n == 0 || n > envelope_fields[FIELD_VERSION].max || type.n < n + 3 ||
        type.p[type.n - n - 1] != 'v' || type.p[type.n - n - 2] != '.') {
        return STR_NULL;
    }
    return str_make(type.p + type.n - n, n);
}

static void fill(struct str *field, struct str value)
{
    if (str_is_null(*field)) {
        *field = value;
    }
}

void envelope_complete(struct envelope *e, const struct envelope_defaults *d)
{
    fill(&e->id, d->id);
    e->time_ns = e->time_ns == INT64_MIN ? d->time_ns : e->time_ns;
    fill(&e->source, d->source);
    fill(&e->subject, d->subject);
    fill(&e->traceparent, d->traceparent);
    fill(&e->content_type, d->content_type);
    fill(&e->version, version_of_type(e->type));
    fill(&e->correlation, e->id);
}

struct header_list {
    struct record_header *out;
    size_t count;
};

static void add(struct header_list *l, struct str key, struct str value)
{
    if (!str_is_null(value)) {
        l->out[l->count++] = (struct record_header){key, value};
    }
}

/* "ce_" and the name, in the arena; false: no memory. */
static bool add_attribute(struct header_list *l, struct arena *a, struct str name, struct str value)
{
    struct str key = arena_printf(a, "ce_%.*s", STR(name));
    add(l, key, value);
    return !str_is_null(key);
}

size_t envelope_write_headers(const struct envelope *e, struct arena *a,
                              struct record_header out[ENVELOPE_HEADERS_MAX])
{
    struct header_list l = {.out = out};
    struct str time = STR_NULL;
    if (e->time_ns != INT64_MIN) {
        char text[TIME_TEXT_SIZE];
        time = arena_str(a, str_make(text, time_format_rfc3339(e->time_ns, text)));
        if (str_is_null(time)) {
            return 0;
        }
    }
    add(&l, STR_LIT("ce_specversion"), STR_LIT("1.0"));
    add(&l, STR_LIT("ce_id"), e->id);
    add(&l, STR_LIT("ce_type"), e->type);
    add(&l, STR_LIT("ce_source"), e->source);
    add(&l, STR_LIT("ce_subject"), e->subject);
    add(&l, STR_LIT("ce_time"), time);
    add(&l, STR_LIT("ce_dataversion"), e->version);
    add(&l, STR_LIT("ce_dataschema"), e->data_schema);
    add(&l, STR_LIT("ce_correlationid"), e->correlation);
    add(&l, STR_LIT("ce_causationid"), e->causation);
    add(&l, STR_LIT("ce_tenantid"), e->tenant);
    add(&l, STR_LIT("ce_traceparent"), e->traceparent);
    add(&l, STR_LIT("ce_tracestate"), e->tracestate);
    for (size_t i = 0; i < e->other_count; i++) {
        if (!add_attribute(&l, a, e->other[i].name, e->other[i].value)) {
            return 0;
        }
    }
    /* Kafka binding 3.2.1; and where those who trace look for them. */
    add(&l, STR_LIT("content-type"), e->content_type);
    add(&l, STR_LIT("traceparent"), e->traceparent);
    add(&l, STR_LIT("tracestate"), e->tracestate);
    return l.count;
}

/* Members of a CloudEvent as the HTTP API writes it, which no extension may stand for. */
static bool is_taken(struct str name)
{
    static const char *const taken[] = {"specversion", "data",           "data_base64", "stream",
                                        "revision",    "position",       "meta",        "tags",
                                        "redacted",    "metadata_error", "upcast_error"};
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        if (str_eq_z(name, taken[i])) {
            return true;
        }
    }
    return false;
}

static void write_others(const struct envelope *e, enum envelope_form form, struct json_writer *w)
{
    for (size_t i = 0; i < e->other_count; i++) {
        char longer[ENVELOPE_OTHER_NAME_MAX + sizeof("metadata.")];
        struct str name = e->other[i].name;
        size_t rank;
        const bool stands_for_field =
            form == ENVELOPE_JSON && field_find(NAMES_TEAM, name, false, &rank) != FIELD_NONE;
        if (stands_for_field || (form == ENVELOPE_STRUCTURED && is_taken(name))) {
            int n = snprintf(longer, sizeof(longer), "%s.%.*s",
                             stands_for_field ? "metadata" : "envelope", STR(name));
            name = str_make(longer, (size_t)n);
        }
        json_write_name_str(w, name);
        json_write_str(w, e->other[i].value);
    }
}

void envelope_write_members(const struct envelope *e, enum envelope_form form,
                            struct json_writer *w)
{
    if (form == ENVELOPE_STRUCTURED) {
        json_write_member_str(w, "specversion", STR_LIT("1.0"));
    }
    for (enum field f = 0; f < FIELD_COUNT; f++) {
        const struct field_row *row = &envelope_fields[f];
        if (field_absent(e, f)) {
            continue;
        }
        json_write_name(w, form == ENVELOPE_STRUCTURED ? row->attributes[0]
                           : form == ENVELOPE_JSON     ? row->team[0]
                                                       : row->members[0]);
        if (row->kind == KIND_TIME) {
            char text[TIME_TEXT_SIZE];
            json_write_str(w, str_make(text, time_format_rfc3339(e->time_ns, text)));
        } else {
            json_write_str(w, *field_view(e, f));
        }
    }
    if (e->other_count > 0 && form == ENVELOPE_STRUCTURED) {
        write_others(e, form, w);
    } else if (e->other_count > 0) {
        json_write_name(w, form == ENVELOPE_JSON ? "metadata" : "extensions");
        json_write_begin(w, '{');
        write_others(e, form, w);
        json_write_end(w, '}');
    }
}
