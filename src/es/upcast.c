/*
 * Upcasts on reading. What is stored stays as it was; who reads sees the newest form. An event of a
 * type of which no upcast speaks costs a look at its type alone. Which steps there are: steps.c.
 */
#include "es/define.h"

MUST_USE enum err es_mapping_event(const struct es_event *e, struct arena *a,
                                   struct mapping_event *out, struct ectx *ec)
{
    struct json *data = NULL, *meta = NULL;
    char position[ES_POSITION_TEXT];
    const struct json_limits limits = {.allow_same_names = true};
    enum err err = ERR_OK;
    if (!str_is_null(e->data)) {
        struct ectx why = {0};
        err = json_parse(e->data, &limits, a, &data, &why);
        if (err == ERR_NO_MEMORY) {
            *ec = why;
        } else if (err != ERR_OK) { /* what is not JSON is no data to a mapping */
            data = NULL;
            err = ERR_OK;
        }
    }
    if (err == ERR_OK && !str_is_null(e->meta)) {
        err = json_parse(e->meta, &limits, a, &meta, ec);
    }
    if (err != ERR_OK) {
        return err;
    }
    *out = (struct mapping_event){
        .envelope = &e->envelope,
        .data = data,
        .meta = meta,
        .key = e->stream,
        .has_revision = true,
        .revision = e->revision,
        .position = arena_str(a, str_make(position, es_position_format(e->position, position))),
        .topic = e->topic,
        .partition = e->partition,
        .offset = e->offset,
        .timestamp_ms = e->envelope.time_ns == INT64_MIN ? 0 : e->envelope.time_ns / 1000000,
        .redacted = e->redacted};
    return str_is_null(out->position) ? ERR_NO_MEMORY : ERR_OK;
}

static enum err forms_make(const struct es_event *e, const struct mapping_upcasted *made,
                           size_t count, struct arena *a, struct es_event **out)
{
    struct es_event *forms = arena_new_n(a, struct es_event, count);
    if (forms == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        forms[i] = *e;
        forms[i].envelope.type = made[i].type;
        forms[i].envelope.version = made[i].version;
        forms[i].data = made[i].data;
    }
    *out = forms;
    return ERR_OK;
}

MUST_USE enum err es_upcast(struct es *es, const struct es_event *e, struct arena *a,
                            struct es_event **out, size_t *count, struct ectx *ec)
{
    struct mapping_event event;
    struct mapping_upcasted *made = NULL;
    const struct es_steps *steps = es->defs->steps;
    *count = 0;
    if (steps == NULL || str_is_null(e->data) || !mapping_upcasts_known(steps->u, &e->envelope)) {
        return ERR_OK;
    }
    enum err err = es_mapping_event(e, a, &event, ec);
    err = err == ERR_OK ? mapping_upcast(steps->u, &event, a, &made, count, ec) : err;
    err = err == ERR_OK && *count > 0 ? forms_make(e, made, *count, a, out) : err;
    if (err != ERR_OK) {
        *count = 0;
    }
    return err;
}
