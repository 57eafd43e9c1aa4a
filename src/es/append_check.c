/*
 * Is an append well formed, and within the limits? Judged by its own words, before anything is
 * looked up.
 */
#include "es/write.h"

static size_t event_bytes(const struct es_new_event *x)
{
    size_t n = x->data.n + x->meta.n + x->stream.n + x->envelope.type.n + x->envelope.id.n;
    for (size_t i = 0; i < x->tag_count && i < ES_TAGS_MAX; i++) {
        n += x->tags[i].n;
    }
    return n;
}

static enum es_problem event_check(const struct es *es, const struct es_new_event *x, size_t i,
                                   struct ectx *ec)
{
    const struct envelope *e = &x->envelope;
    const char *what = NULL;
    enum err kind = ERR_MALFORMED;
    if (e->type.n == 0 || e->type.n > ENVELOPE_TYPE_MAX) {
        what = "its type has 1 to 256 bytes";
    } else if (!str_is_null(e->id) && (e->id.n == 0 || e->id.n > ES_EVENT_ID_MAX)) {
        what = "its id has 1 to 128 bytes";
    } else if (x->tag_count > ES_TAGS_MAX) {
        what = "it has at most 64 tags";
        kind = ERR_LIMIT;
    } else if (x->meta.n > ES_META_MAX) {
        what = "its meta has at most 65536 bytes";
        kind = ERR_LIMIT;
    }
    for (size_t t = 0; what == NULL && t < x->tag_count; t++) {
        if (x->tags[t].n == 0 || x->tags[t].n > ES_TAG_MAX) {
            what = "a tag has 1 to 256 bytes";
        }
    }
    if (what != NULL) {
        IGNORE(ectx_fail(ec, kind, "events[%zu]: %s", i, what));
        return ES_INVALID;
    }
    if (event_bytes(x) > es->event_max_bytes) {
        IGNORE(ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                         "events[%zu] has %zu bytes; an event has at most %zu", i, event_bytes(x),
                         es->event_max_bytes));
        ectx_hint(ec, "leat.es.event.max.bytes is the limit");
        return ES_EVENT_TOO_LARGE;
    }
    return ES_OK;
}

static enum es_problem query_check(const struct es *es, const struct es_check *c, size_t i,
                                   size_t *terms, struct ectx *ec)
{
    if (c->item_count == 0 || c->item_count > ES_QUERY_ITEMS_MAX) {
        IGNORE(ectx_fail(ec, ERR_MALFORMED, "checks[%zu]: a query has 1 to %u items", i,
                         ES_QUERY_ITEMS_MAX));
        return ES_INVALID;
    }
    for (size_t k = 0; k < c->item_count; k++) {
        const struct es_query_item *item = &c->items[k];
        if (item->type_count > ES_TAGS_MAX || item->tag_count > ES_TAGS_MAX) {
            IGNORE(ectx_fail(ec, ERR_LIMIT,
                             "checks[%zu]: an item of a query has at most %u types and %u tags", i,
                             ES_TAGS_MAX, ES_TAGS_MAX));
            return ES_INVALID;
        }
        *terms += item->type_count + item->tag_count;
    }
    if (*terms > ES_QUERY_TERMS_MAX) {
        IGNORE(ectx_fail(ec, ERR_LIMIT,
                         "checks[%zu]: the queries of an append have at most %u types and tags "
                         "together",
                         i, ES_QUERY_TERMS_MAX));
        return ES_INVALID;
    }
    if (c->after.commit > engine_position(es->engine)) {
        IGNORE(ectx_fail(ec, ERR_OFFSET_OUT_OF_RANGE,
                         "checks[%zu]: 'after' is beyond the end of the log", i));
        return ES_POSITION_UNKNOWN;
    }
    return ES_OK;
}

/* How many of what there are, before any of them is looked at. */
static enum es_problem count_check(const struct es_append *a, struct ectx *ec)
{
    if (a->event_count > ES_EVENTS_MAX) {
        IGNORE(ectx_fail(ec, ERR_RECORD_LIST_TOO_LARGE, "%zu events; an append has at most %u",
                         a->event_count, ES_EVENTS_MAX));
        return ES_BATCH_TOO_LARGE;
    }
    if (a->check_count > ES_CHECKS_MAX) {
        IGNORE(ectx_fail(ec, ERR_LIMIT, "%zu checks; an append has at most %u", a->check_count,
                         ES_CHECKS_MAX));
        return ES_INVALID;
    }
    if (a->event_count == 0 && (a->check_count == 0 || a->expected != NULL)) {
        IGNORE(ectx_fail(ec, ERR_MALFORMED, "an append has events, or checks"));
        return ES_INVALID;
    }
    return ES_OK;
}

enum es_problem es_append_check(const struct es *es, struct es_append *a)
{
    size_t bytes = 0;
    size_t terms = 0;
    const enum es_problem counts = count_check(a, &a->ec);
    if (counts != ES_OK) {
        return counts;
    }
    for (size_t i = 0; i < a->event_count; i++) {
        enum es_problem p = event_check(es, &a->events[i], i, &a->ec);
        if (p != ES_OK) {
            a->culprit = i;
            a->size_bytes = p == ES_EVENT_TOO_LARGE ? event_bytes(&a->events[i]) : 0;
            a->max_bytes = p == ES_EVENT_TOO_LARGE ? es->event_max_bytes : 0;
            return p;
        }
        bytes += event_bytes(&a->events[i]);
    }
    for (size_t i = 0; i < a->check_count; i++) {
        enum es_problem p = a->checks[i].kind == ES_CHECK_QUERY
                                ? query_check(es, &a->checks[i], i, &terms, &a->ec)
                                : ES_OK;
        if (p != ES_OK) {
            return p;
        }
    }
    if (bytes > engine_append_max_bytes(es->engine)) {
        a->size_bytes = bytes;
        a->max_bytes = engine_append_max_bytes(es->engine);
        IGNORE(ectx_fail(&a->ec, ERR_MESSAGE_TOO_LARGE,
                         "the events have %zu bytes; an append has at most %zu", bytes,
                         engine_append_max_bytes(es->engine)));
        return ES_BATCH_TOO_LARGE;
    }
    return ES_OK;
}
