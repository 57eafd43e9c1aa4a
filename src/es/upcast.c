/*
 * Upcasts on reading. What is stored stays as it was; who reads sees the newest form. An event of a
 * type of which no upcast speaks costs a look at its type alone.
 */
#include "es/define.h"

MUST_USE enum err es_mapping_event(const struct es_event *e, struct arena *a,
                                   struct mapping_event *out, struct ectx *ec)
{
    struct json *data = NULL, *meta = NULL;
    char position[ES_POSITION_TEXT];
    const struct json_limits limits = {.allow_same_names = true};
    enum err err = ERR_OK;
    if (!str_is_null(e->data) && json_valid(e->data)) {
        err = json_parse(e->data, &limits, a, &data, ec);
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

/* The first by name, after `after`, that speaks of the event's type. Only one does, unless an
 * earlier build has taken two; projections go by the name, too. */
static const struct es_def *next_that_knows(struct es *es, const struct es_event *e,
                                            const struct es_def *after)
{
    struct map_iter it = {0};
    const struct es_def *found = NULL;
    while (map_next(&es->defs->by_name, &it)) {
        const struct es_def *d = it.value;
        if (d->kind == ES_UPCASTS && (after == NULL || str_cmp(d->name, after->name) > 0) &&
            (found == NULL || str_cmp(d->name, found->name) < 0) &&
            mapping_upcasts_known(d->upcasts, &e->envelope)) {
            found = d;
        }
    }
    return found;
}

MUST_USE enum err es_upcast(struct es *es, const struct es_event *e, struct arena *a,
                            struct es_event **out, size_t *count, struct ectx *ec)
{
    struct mapping_event event;
    bool made_event = false;
    *count = 0;
    if (es->defs->upcasts == 0 || str_is_null(e->data)) {
        return ERR_OK;
    }
    const struct es_def *d = next_that_knows(es, e, NULL);
    for (; d != NULL && *count == 0; d = next_that_knows(es, e, d)) {
        struct mapping_upcasted *made = NULL;
        enum err err = ERR_OK;
        if (!made_event) {
            err = es_mapping_event(e, a, &event, ec);
            made_event = true;
        }
        err = err == ERR_OK ? mapping_upcast(d->upcasts, &event, a, &made, count, ec) : err;
        err = err == ERR_OK && *count > 0 ? forms_make(e, made, *count, a, out) : err;
        if (err != ERR_OK) {
            *count = 0;
            return err;
        }
    }
    return ERR_OK;
}
