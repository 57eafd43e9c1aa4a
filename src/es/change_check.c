/*
 * Is a change of a stream well formed, and within the limits? Judged by its own words, before
 * anything is looked up.
 */
#include "es/write.h"
#include "mapping/mapping.h"

static enum es_problem invalid(struct es_stream_change *c, const char *what)
{
    IGNORE(ectx_fail(&c->ec, ERR_MALFORMED, "%s", what));
    return ES_INVALID;
}

static enum es_problem set_check(struct es_stream_change *c)
{
    if (!c->set_max_age && !c->set_max_count && !c->set_truncate_before) {
        return invalid(c, "nothing is set: max_age, max_count or truncate_before");
    }
    if (c->set_max_age && (c->max_age_ms < -1 || c->max_age_ms == 0)) {
        return invalid(c, "max_age is a time above 0, or none");
    }
    if (c->set_max_count && (c->max_count < -1 || c->max_count == 0)) {
        return invalid(c, "max_count is a number above 0, or none");
    }
    return ES_OK;
}

static enum es_problem redact_check(struct es_stream_change *c)
{
    if (c->field_count > ES_FIELDS_MAX || c->reason.n > ES_REASON_MAX) {
        return invalid(c, "a redaction has at most 64 fields, and a reason of at most 1024 bytes");
    }
    for (size_t i = 0; i < c->field_count; i++) {
        if (c->fields[i].n == 0) {
            return invalid(c, "the pointer \"\" is all of the data: leave the fields out");
        }
        if (json_pointer_check(c->fields[i], &c->ec) != ERR_OK) {
            return ES_INVALID;
        }
    }
    return ES_OK;
}

static enum es_problem snapshot_check(const struct es *es, struct es_stream_change *c)
{
    if (c->schema.n == 0 || c->schema.n > ES_SCHEMA_MAX) {
        return invalid(c, "a snapshot's schema tag has 1 to 128 bytes");
    }
    if (!c->of_fold && mapping_fold_tag_is(c->schema)) {
        IGNORE(ectx_fail(&c->ec, ERR_MALFORMED,
                         "schema: '%.*s' is the tag of a fold's own snapshots, which the server "
                         "writes",
                         STR(c->schema)));
        ectx_hint(&c->ec, "take a tag that does not end in '-' and 16 hexadecimal digits");
        return ES_INVALID;
    }
    if (c->state.n > es->event_max_bytes) {
        IGNORE(ectx_fail(&c->ec, ERR_MESSAGE_TOO_LARGE,
                         "the snapshot has %zu bytes; it has at most %zu", c->state.n,
                         es->event_max_bytes));
        return ES_EVENT_TOO_LARGE;
    }
    return json_valid(c->state) ? ES_OK : invalid(c, "the snapshot's state is not JSON");
}

enum es_problem es_change_check(const struct es *es, struct es_stream_change *c)
{
    struct str category;
    if (!es_stream_name_check(c->stream, &category, &c->ec)) {
        return ES_INVALID;
    }
    switch (c->kind) {
    case ES_CHANGE_SET:
        return set_check(c);
    case ES_CHANGE_REDACT:
        return redact_check(c);
    case ES_CHANGE_SNAPSHOT:
        return snapshot_check(es, c);
    case ES_CHANGE_SOFT_DELETE:
    case ES_CHANGE_TOMBSTONE:
        return ES_OK;
    }
    return ES_INVALID;
}
