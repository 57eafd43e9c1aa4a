/*
 * Does an event have the fields that a redaction names? One that names others would be answered as
 * done and leave what it meant: so the event's record is read before it is decided.
 *
 *   where the event is --> what was redacted of it before --> its data
 *
 * What was redacted before is null, or 0, or as a whole nothing: what lay in it is gone, and naming
 * it again is as good as the first time.
 */
#include "es/read_int.h"
#include "es/write.h"

static void data_take(struct es_wop *op, void *ctx, const struct es_view *v)
{
    struct es_field_look *l = ctx;
    struct arena a;
    (void)op;
    l->known = true;
    if (v == NULL) { /* below the log's start, or no event: whoever erases it tells what is so */
        const bool told = l->read_err == ERR_OFFSET_OUT_OF_RANGE || l->read_err == ERR_DAMAGED;
        l->err = told ? ERR_OK : l->read_err;
        return;
    }
    arena_init(&a, ES_REDACT_ARENA);
    l->err = es_redact_check(v->data, l->c->fields, l->c->field_count, l->before, &a, l->missing,
                             &l->c->ec);
    arena_deinit(&a);
}

static void look_take(struct es_wop *op, struct es_look *looks, size_t count)
{
    struct es_field_look *l = looks[0].ctx;
    struct es_redaction_value value;
    const enum err e = looks[0].err;
    (void)count;
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        op->look_err = e;
    } else if (looks[0].table == ES_T_EVENTS) {
        l->placed = e == ERR_OK;
        l->absent = e != ERR_OK;
        if (l->placed) {
            es_value_event_read(looks[0].value, &l->place);
        }
    } else if (e == ERR_NOT_FOUND || looks[0].scan.count == 0) {
        l->history = true;
    } else {
        es_value_redaction_read(looks[0].value, &value);
        l->before = true;
        l->whole = l->history = value.whole;
        l->from = es_key_redaction_fact(looks[0].key_out) + 1;
    }
}

/* The event's place, or the next redaction of it. true: taken at once. */
static bool look(struct es_wop *op, struct es_field_look *l, const struct es_hash *stream)
{
    struct es_look *x = es_wop_looks_begin(op, 1, look_take);
    if (x == NULL) {
        op->look_err = ERR_NO_MEMORY;
        return true;
    }
    x->ctx = l;
    if (!l->placed) {
        x->kind = ES_LOOK_GET;
        x->table = ES_T_EVENTS;
        es_key_event(x->key, stream, l->c->revision);
    } else {
        x->kind = ES_LOOK_SCAN;
        x->table = ES_T_REDACTIONS;
        es_key_redaction(x->key, stream, l->c->revision, l->from);
        es_key_redaction(x->at_most, stream, l->c->revision, INT64_MAX);
        x->scan = (struct index_scan){
            .from = x->key, .to = x->at_most, .max = 1, .keys = x->key_out, .values = x->value};
    }
    return es_wop_looks_go(op, 1);
}

static enum err say_missing(const struct es_field_look *l)
{
    struct es_stream_change *c = l->c;
    c->missing = arena_new_n(c->arena, struct str, c->field_count);
    if (c->missing == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < c->field_count; i++) {
        if (l->missing[i]) {
            c->missing[c->missing_count++] = c->fields[i];
        }
    }
    return ERR_NOT_FOUND;
}

enum err es_fields_look(struct es_wop *op, struct es_field_look *l, struct es_stream_change *c,
                        const struct es_hash *stream)
{
    struct str category;
    l->c = c;
    while (op->look_err == ERR_OK && !l->absent && !l->history) {
        if (!look(op, l, stream)) {
            return ERR_AGAIN;
        }
    }
    if (op->look_err != ERR_OK || l->absent || l->whole) {
        return op->look_err;
    }
    if (!l->known) {
        IGNORE(es_stream_name_check(c->stream, &category, NULL));
        const struct es_cat *cat = es_cat_find(op->es, category);
        if (cat == NULL) {
            return ERR_DAMAGED;
        }
        const struct es_peek peek = {.cat = cat,
                                     .partition = es_cat_partition(cat, c->stream),
                                     .offset = l->place.offset,
                                     .take = data_take,
                                     .ctx = l,
                                     .err = &l->read_err};
        const enum err e = es_wop_peek(op, &peek);
        if (e != ERR_OK) {
            return e;
        }
        if (!l->known) {
            return ERR_AGAIN;
        }
    }
    return l->err == ERR_NOT_FOUND ? say_missing(l) : l->err;
}
