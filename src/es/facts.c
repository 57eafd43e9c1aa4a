/*
 * Facts about streams that no event says, as JSON (es_int.h has the forms). Records of
 * __leat_streams that a newer version wrote may have members that this one does not know: they are
 * ignored; a kind of fact that it does not know is not.
 */
#include "core/buf.h"
#include "es/es_int.h"

#define FACT_MAX (64u << 20) /* of text: a snapshot's state is the largest part */

static const char *const states[] = {
    [ES_FACT_ACTIVE] = "active",
    [ES_FACT_SOFT_DELETED] = "soft_deleted",
    [ES_FACT_TOMBSTONED] = "tombstoned",
};

static enum err member_u64(const struct json *v, const char *name, uint64_t most, uint64_t *out,
                           struct ectx *ec)
{
    int64_t n;
    if (!json_i64(json_get(v, name), &n) || n < 0 || (uint64_t)n > most) {
        return ectx_fail(ec, ERR_MALFORMED, "a fact of a stream: no '%s' in it, or no number",
                         name);
    }
    *out = (uint64_t)n;
    return ERR_OK;
}

static enum err parse_status(const struct json *v, struct es_status *out, struct ectx *ec)
{
    const struct json *state = json_get(v, "state");
    size_t i = 0;
    es_status_init(out);
    while (i < ARRAY_LEN(states) &&
           !(state != NULL && state->kind == JSON_STRING && str_eq_z(state->string, states[i]))) {
        i++;
    }
    if (i == ARRAY_LEN(states)) {
        return ectx_fail(ec, ERR_MALFORMED, "a fact of a stream: its state is not known");
    }
    out->fact_state = (enum es_state_fact)i;
    enum err e = member_u64(v, "truncate_before", ES_REVISION_MAX, &out->truncate_before, ec);
    if (e == ERR_OK) {
        e = member_u64(v, "born", ES_REVISION_MAX, &out->born, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    IGNORE(json_i64(json_get(v, "max_age_ms"), &out->max_age_ms)); /* absent: none */
    IGNORE(json_i64(json_get(v, "max_count"), &out->max_count));
    return ERR_OK;
}

static enum err parse_redaction(const struct json *v, struct es_fact *out, struct ectx *ec)
{
    const struct json *fields = json_get(v, "fields");
    const struct json *reason = json_get(v, "reason");
    if (reason != NULL && reason->kind == JSON_STRING) {
        out->reason = reason->string;
    }
    for (const struct json *f = fields == NULL ? NULL : fields->first; f != NULL; f = f->next) {
        if (f->kind != JSON_STRING || out->field_count == ES_FIELDS_MAX) {
            return ectx_fail(ec, ERR_MALFORMED, "a redaction: 'fields' is no list of pointers");
        }
        out->fields[out->field_count++] = f->string;
    }
    return member_u64(v, "revision", ES_REVISION_MAX, &out->revision, ec);
}

static enum err parse_snapshot(const struct json *v, struct es_fact *out, struct ectx *ec)
{
    const struct json *schema = json_get(v, "schema");
    const struct json *state = json_get(v, "state");
    if (schema == NULL || schema->kind != JSON_STRING || state == NULL) {
        return ectx_fail(ec, ERR_MALFORMED, "a snapshot: 'schema' or 'state' is missing");
    }
    out->schema = schema->string;
    out->snapshot = state->raw;
    if (json_get(v, "incomplete_before") != NULL) {
        enum err e =
            member_u64(v, "incomplete_before", ES_REVISION_MAX, &out->incomplete_before, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    return member_u64(v, "revision", ES_REVISION_MAX, &out->revision, ec);
}

enum err es_fact_parse(struct str value, struct arena *a, struct es_fact *out, struct ectx *ec)
{
    const struct json_limits limits = {.build_depth = 2}; /* a snapshot's state stays as it is */
    struct json *v;
    enum err e = json_parse(value, &limits, a, &v, ec);
    if (e != ERR_OK) {
        return e;
    }
    memset(out, 0, sizeof(*out));
    es_status_init(&out->status);
    const struct json *kind = json_get(v, "fact");
    struct str name = kind == NULL ? STR_NULL : kind->string;
    if (str_eq_z(name, "state")) {
        out->kind = ES_FACT_STATE;
        return parse_status(v, &out->status, ec);
    }
    if (str_eq_z(name, "redaction")) {
        out->kind = ES_FACT_REDACTION;
        return parse_redaction(v, out, ec);
    }
    if (str_eq_z(name, "snapshot")) {
        out->kind = ES_FACT_SNAPSHOT;
        return parse_snapshot(v, out, ec);
    }
    return ectx_fail(ec, ERR_MALFORMED, "a fact of a stream: its kind is not known");
}

static void write_status(struct json_writer *w, const struct es_status *s)
{
    json_write_name(w, "state");
    json_write_z(w, states[s->fact_state]);
    json_write_name(w, "truncate_before");
    json_write_u64(w, s->truncate_before);
    json_write_name(w, "born");
    json_write_u64(w, s->born);
    if (s->max_age_ms >= 0) {
        json_write_member_i64(w, "max_age_ms", s->max_age_ms);
    }
    if (s->max_count >= 0) {
        json_write_member_i64(w, "max_count", s->max_count);
    }
}

static void write_redaction(struct json_writer *w, const struct es_fact *f)
{
    json_write_name(w, "revision");
    json_write_u64(w, f->revision);
    if (f->field_count > 0) {
        json_write_name(w, "fields");
        json_write_begin(w, '[');
        for (size_t i = 0; i < f->field_count; i++) {
            json_write_str(w, f->fields[i]);
        }
        json_write_end(w, ']');
    }
    if (!str_is_null(f->reason)) {
        json_write_member_str(w, "reason", f->reason);
    }
}

struct str es_fact_format(const struct es_fact *f, struct arena *a)
{
    static const char *const kinds[] = {"state", "redaction", "snapshot"};
    struct buf text;
    struct json_writer w;
    buf_init(&text, FACT_MAX);
    json_write_init(&w, &text);
    json_write_begin(&w, '{');
    json_write_name(&w, "fact");
    json_write_z(&w, kinds[f->kind]);
    if (f->kind == ES_FACT_STATE) {
        write_status(&w, &f->status);
    } else if (f->kind == ES_FACT_REDACTION) {
        write_redaction(&w, f);
    } else {
        json_write_name(&w, "revision");
        json_write_u64(&w, f->revision);
        json_write_member_str(&w, "schema", f->schema);
        if (f->incomplete_before > 0) {
            json_write_name(&w, "incomplete_before");
            json_write_u64(&w, f->incomplete_before);
        }
        json_write_name(&w, "state");
        json_write_raw(&w, f->snapshot);
    }
    json_write_end(&w, '}');
    struct str out = buf_failed(&text) ? STR_NULL : arena_str(a, buf_str(&text));
    buf_deinit(&text);
    return out;
}
