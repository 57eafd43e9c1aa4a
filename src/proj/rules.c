/*
 * One event: from a record to an envelope and JSON, then what the rules say about it.
 *
 * All values of the event are made before the first statement of a rule runs, so that an event
 * without a value changes nothing.
 */
#include <string.h>

#include "core/compiler.h"
#include "core/utf8.h"
#include "proj/apply_int.h"
#include "proj/upcasts.h"

#define STATEMENTS_MAX MAPPING_EACH_MAX /* that one event may run */

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for one event");
}

/* ---- From a record */

static bool is_wanted(const void *definition, const struct envelope *e)
{
    const struct def *d = definition;
    bool typed = d->type_count == 0;
    for (size_t i = 0; i < d->type_count && !typed; i++) {
        typed = mapping_type_matches(&d->types[i], e);
    }
    for (size_t i = 0; typed && i < d->rule_count; i++) {
        if (mapping_type_matches(&d->rules[i].type, e)) {
            return true;
        }
    }
    return false;
}

/* What the event store puts beside an event: its revision, the client's metadata. */
static enum err read_headers(struct apply *a, struct apply_event *e, struct ectx *ec)
{
    struct slice headers = e->record->headers;
    struct record_header h;
    while (record_header_next(&headers, &h)) {
        if (str_eq_z(h.key, "leat-revision") && str_to_u64(h.value, &e->event.revision)) {
            e->event.has_revision = true;
        } else if (str_eq_z(h.key, "leat-meta")) {
            struct json *meta = NULL;
            enum err err = json_parse(h.value, NULL, &a->event_arena, &meta, NULL);
            if (err == ERR_NO_MEMORY) {
                return no_memory(ec);
            }
            e->event.meta = err == ERR_OK ? meta : NULL;
        }
    }
    return ERR_OK;
}

/* What a redaction of all of the data left in the record (es/erase_batch.c): `null` and blanks, or
 * `0` and blanks if there was no room for that. Without blanks nothing but the mark tells: an event
 * whose data is null, or a number, was written so. */
static bool is_erased(struct str data, bool marked)
{
    const struct str text = str_trim(data);
    return (str_eq_z(text, "null") || (str_eq_z(text, "0") && data.n < 4)) &&
           (marked || data.n > text.n);
}

/* A text that can stand in a column; bytes that are none become base64-like hexadecimal. */
static struct str printable(struct str s, struct arena *a)
{
    if (s.n > APPLY_KEY_MAX) {
        s.n = APPLY_KEY_MAX;
        while (s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80) {
            s.n--; /* not within a character */
        }
    }
    if (utf8_valid(s) && memchr(s.p == NULL ? "" : s.p, 0, s.n) == NULL) {
        return s.p == NULL ? STR_LIT("") : s;
    }
    size_t n = s.n > APPLY_KEY_MAX / 2 - 1 ? APPLY_KEY_MAX / 2 - 1 : s.n;
    char *out = arena_alloc(a, 2 * n + 3);
    if (out == NULL) {
        return STR_NULL;
    }
    out[0] = '\\';
    out[1] = 'x';
    for (size_t i = 0; i < n; i++) {
        out[2 + 2 * i] = "0123456789abcdef"[(unsigned char)s.p[i] >> 4];
        out[3 + 2 * i] = "0123456789abcdef"[(unsigned char)s.p[i] & 15];
    }
    return str_make(out, 2 * n + 2);
}

static enum err read_key(struct apply *a, struct apply_event *e, struct ectx *ec)
{
    struct mapping_scope scope = {.event = &e->event, .arena = &a->event_arena};
    struct mapping_value v;
    enum err err = mapping_eval(a->d->key, &scope, &v, ec);
    struct str text = STR_NULL;
    if (err == ERR_OK && v.kind == MAPPING_NULL) {
        struct str source = mapping_source(a->d->key);
        err = ectx_fail(ec, ERR_MALFORMED, "the key %.*s is not there", STR(source));
    }
    if (err == ERR_OK && !mapping_value_text(&v, &a->event_arena, &text)) {
        return no_memory(ec);
    }
    if (err == ERR_OK) {
        e->key = printable(text, &a->event_arena);
    }
    return str_is_null(e->key) ? no_memory(ec) : err;
}

static void take_form(struct apply_event *e, size_t form)
{
    e->form = form;
    e->envelope = e->forms[form].envelope;
    e->event.data = e->forms[form].data;
}

/* The newest forms of an old event that rules want; the key is that of the first one. */
static enum err read_forms(struct apply *a, struct apply_event *e, bool *wanted, struct ectx *ec)
{
    struct mapping_upcasted *made = NULL;
    size_t count = 0;
    enum err err = upcasts_make(a->upcasts, &e->event, &a->event_arena, &made, &count, ec);
    if (err == ERR_MALFORMED && !upcasts_lead(a->upcasts, &e->envelope, is_wanted, a->d)) {
        *wanted = false; /* whatever it was to become */
        return ERR_OK;
    }
    if (err != ERR_OK) {
        return err == ERR_MALFORMED ? ectx_wrap(ec, err, "its upcast") : err;
    }
    if (count == 0) {
        *wanted = is_wanted(a->d, &e->envelope);
        return ERR_OK;
    }
    e->forms = arena_new_n(&a->event_arena, struct apply_form, count);
    if (e->forms == NULL) {
        return no_memory(ec);
    }
    for (size_t i = 0; i < count; i++) {
        struct envelope form = e->envelope;
        struct json *data = NULL;
        form.type = made[i].type;
        form.version = made[i].version;
        if (!is_wanted(a->d, &form)) {
            continue;
        }
        err = json_parse(made[i].data, NULL, &a->event_arena, &data, NULL);
        if (err == ERR_NO_MEMORY) {
            return no_memory(ec);
        }
        e->forms[e->form_count++] = (struct apply_form){
            .envelope = form, .data = err == ERR_OK ? data : NULL, .index = made[i].index};
    }
    *wanted = e->form_count > 0;
    if (*wanted) {
        take_form(e, 0);
    }
    return ERR_OK;
}

MUST_USE enum err apply_event_read(struct apply *a, struct apply_event *e, bool *wanted,
                                   struct ectx *ec)
{
    const struct record *r = e->record;
    enum envelope_form form;
    *wanted = true;
    envelope_init(&e->envelope);
    e->data_text = STR_NULL;
    e->event = (struct mapping_event){.envelope = &e->envelope,
                                      .key = r->key,
                                      .topic = e->topic,
                                      .partition = e->partition,
                                      .offset = r->offset,
                                      .timestamp_ms = r->timestamp};
    e->key = printable(r->key, &a->event_arena); /* until the definition's key is known */
    if (str_is_null(e->key)) {
        return no_memory(ec);
    }
    enum err err = envelope_read_record(r, &a->event_arena, &e->envelope, &e->data_text, &form, ec);
    if (err != ERR_OK) {
        return err;
    }
    e->form_count = 0;
    e->form = 0;
    const bool of_store = str_starts(e->topic, "es.");
    const bool marked = of_store && (r->attributes & RECORD_ATTR_ERASED) != 0;
    const bool erased = of_store && is_erased(e->data_text, marked);
    e->event.redacted = erased || marked;
    bool old = a->upcasts != NULL && of_store && !str_is_null(e->data_text) &&
               upcasts_know(a->upcasts, &e->envelope);
    if (!old && !is_wanted(a->d, &e->envelope)) {
        *wanted = false;
        return ERR_OK;
    }
    err = read_headers(a, e, ec);
    if (err != ERR_OK) {
        return err;
    }
    struct json *data = NULL;
    if (!str_is_null(e->data_text) && !erased) {
        err = json_parse(e->data_text, NULL, &a->event_arena, &data, NULL);
        if (err == ERR_NO_MEMORY) {
            return no_memory(ec);
        }
        e->event.data = err == ERR_OK ? data : NULL; /* else opaque: it has no fields */
    }
    err = old ? read_forms(a, e, wanted, ec) : ERR_OK;
    return err != ERR_OK || !*wanted ? err : read_key(a, e, ec);
}

/* ---- Rows that are looked up */

struct row_taker {
    struct arena *a;
    struct mapping_value *values;
    size_t count;
    bool found, failed;
};
static bool take_row(void *ctx, const struct mapping_value *values, size_t count)
{
    struct row_taker *t = ctx;
    for (size_t i = 0; i < count && i < t->count; i++) {
        t->values[i] = values[i];
        if (values[i].kind == MAPPING_TEXT || values[i].kind == MAPPING_JSON) {
            t->values[i].text = arena_str(t->a, values[i].text);
            t->failed = t->failed || str_is_null(t->values[i].text);
        }
    }
    t->found = true;
    return false;
}

/* Values as what they are, not as their database has them. */
static enum err read_types(struct apply *a, const struct def_lookup *l, struct row_taker *t,
                           struct ectx *ec)
{
    for (size_t i = 0; t->found && i < l->column_count; i++) {
        enum def_known known = DEF_UNKNOWN;
        bool boolean = false;
        enum err e = json_column_of(a, l, i, &known, &boolean, ec);
        if (e != ERR_OK || !json_column_read(t->a, known, &t->values[i])) {
            return e != ERR_OK ? e : no_memory(ec);
        }
        column_give(boolean ? DEF_BOOLEAN : l->types[i], &t->values[i]);
    }
    return ERR_OK;
}

static enum err look_up(struct apply *a, const struct def_rule *rule, struct mapping_scope *scope,
                        struct ectx *ec)
{
    struct mapping_row *rows =
        arena_new_n(&a->event_arena, struct mapping_row, rule->lookup_count + 1);
    if (rows == NULL) {
        return no_memory(ec);
    }
    for (size_t i = 0; i < rule->lookup_count; i++) {
        const struct def_lookup *l = &rule->lookups[i];
        struct mapping_value key[PROJ_COLUMNS_MAX];
        struct row_taker taker = {.a = &a->event_arena, .count = l->column_count};
        taker.values = arena_new_n(&a->event_arena, struct mapping_value, l->column_count + 1);
        enum err e = taker.values == NULL ? no_memory(ec) : ERR_OK;
        for (size_t k = 0; k < l->key_count && e == ERR_OK; k++) {
            e = mapping_eval(l->key[k], scope, &key[k], ec);
            if (e == ERR_OK && l->own) {
                e = column_take(l->key_columns[k], l->key_types[k], &a->event_arena, &key[k], ec);
                e = e == ERR_MALFORMED ? ectx_wrap(ec, e, "look-up '%.*s'", STR(l->name)) : e;
            }
        }
        if (e == ERR_OK) {
            e = merge_flush(a->merge, ec); /* it may be looking for one of those */
            e = e != ERR_OK
                    ? e
                    : a->driver->query(a->stmts[l->stmt], key, l->key_count, take_row, &taker, ec);
            a->doubt = e == ERR_MALFORMED;
        }
        if (e == ERR_OK && taker.failed) {
            e = no_memory(ec);
        }
        e = e != ERR_OK ? e : read_types(a, l, &taker, ec);
        if (e == ERR_OK && !taker.found && l->required) {
            e = ectx_fail(ec, ERR_MALFORMED, "look-up '%.*s' found no row in %.*s", STR(l->name),
                          STR(l->from));
        }
        if (e != ERR_OK) {
            return e;
        }
        rows[i] = (struct mapping_row){.name = l->name,
                                       .columns = l->columns,
                                       .values = taker.values,
                                       .count = taker.found ? l->column_count : 0};
    }
    scope->rows = rows;
    scope->row_count = rule->lookup_count;
    return ERR_OK;
}

/* ---- What is to run */

struct planned {
    const struct def_op *op;
    struct mapping_value *params;
};
struct plan {
    struct apply *a;
    struct planned *list;
    size_t count, room;
    bool dirty; /* an action was written */
};

static enum err plan_op(struct plan *p, const struct def_op *op, const struct mapping_scope *scope,
                        struct ectx *ec)
{
    struct arena *arena = &p->a->event_arena;
    if (p->count == STATEMENTS_MAX) {
        return ectx_fail(ec, ERR_MALFORMED, "one event needs more than %u statements",
                         STATEMENTS_MAX);
    }
    if (p->count == p->room) {
        size_t room = p->room == 0 ? 8 : 2 * p->room;
        struct planned *more = arena_new_n(arena, struct planned, room);
        if (more == NULL) {
            return no_memory(ec);
        }
        if (p->count > 0) {
            memcpy(more, p->list, p->count * sizeof(*more));
        }
        p->list = more;
        p->room = room;
    }
    struct mapping_value *params = arena_new_n(arena, struct mapping_value, op->param_count + 1);
    if (params == NULL) {
        return no_memory(ec);
    }
    for (size_t i = 0; i < op->param_count; i++) {
        enum err e = mapping_eval(op->params[i], scope, &params[i], ec);
        if (e == ERR_OK && op->must[i] && params[i].kind == MAPPING_NULL) {
            struct str source = mapping_source(op->params[i]);
            e = ectx_fail(ec, ERR_MALFORMED, "%.*s is not there", STR(source));
        }
        if (e == ERR_OK && op->uses != NULL) {
            e = column_store(&op->table->columns[op->uses[i].column], arena, &params[i], ec);
        }
        if (e != ERR_OK) {
            return e == ERR_MALFORMED ? ectx_wrap(ec, e, "%.*s", STR(op->what)) : e;
        }
    }
    p->list[p->count++] = (struct planned){op, params};
    return ERR_OK;
}

static enum err plan_ops(struct plan *p, const struct def_rule *rule,
                         const struct mapping_scope *scope, bool *any, struct ectx *ec)
{
    bool yes = false;
    enum err e = mapping_test(rule->when, scope, &yes, ec);
    *any = *any || (e == ERR_OK && yes);
    for (size_t i = 0; yes && i < rule->op_count && e == ERR_OK; i++) {
        e = plan_op(p, &rule->ops[i], scope, ec);
    }
    return e;
}

static enum err plan_rule(struct plan *p, const struct def_rule *rule,
                          const struct apply_event *event, bool *any, struct ectx *ec)
{
    struct mapping_scope scope = {.event = &event->event, .arena = &p->a->event_arena};
    enum err e = rule->lookup_count == 0 ? ERR_OK : look_up(p->a, rule, &scope, ec);
    e = e != ERR_OK ? e : apply_actions(p->a, rule, event, &scope, &p->dirty, ec);
    if (e != ERR_OK || rule->each == NULL) {
        return e != ERR_OK ? e : plan_ops(p, rule, &scope, any, ec);
    }
    size_t count = 0;
    e = mapping_each(rule->each, &scope, &scope.item, &count, ec);
    for (; scope.item != NULL && e == ERR_OK; scope.item = scope.item->next) {
        e = plan_ops(p, rule, &scope, any, ec);
        scope.item_index++;
    }
    return e;
}

static enum err run_op(struct apply *a, const struct def_op *op, const struct mapping_value *params,
                       uint64_t position, struct ectx *ec)
{
    bool taken = false;
    if (a->changes != NULL && changes_must_ask(op)) {
        enum err e = merge_flush(a->merge, ec); /* it may be about one of those */
        return e != ERR_OK ? e : changes_run(a, op, params, position, ec);
    }
    if (a->changes != NULL) {
        changes_note(a->changes, a->d, op, params, position);
    }
    enum err e = a->careful ? ERR_OK : merge_op(a->merge, op, params, &taken, ec);
    return e != ERR_OK || taken
               ? e
               : a->driver->run(a->stmts[op->stmt], params, op->param_count, NULL, ec);
}

static enum err apply_form(struct apply *a, struct apply_event *event, bool *any, bool *dirty,
                           struct ectx *ec)
{
    struct plan p = {.a = a};
    /* Rule by rule: a look-up of the second sees what the first did. */
    for (size_t i = 0; i < a->d->rule_count; i++) {
        const struct def_rule *rule = &a->d->rules[i];
        if (!mapping_type_matches(&rule->type, &event->envelope)) {
            continue;
        }
        p.count = 0;
        enum err e = plan_rule(&p, rule, event, any, ec);
        *dirty = *dirty || p.dirty || a->doubt;
        for (size_t k = 0; k < p.count && e == ERR_OK; k++) {
            const struct def_op *op = p.list[k].op;
            *dirty = true;
            e = run_op(a, op, p.list[k].params, event->position, ec);
            e = e == ERR_MALFORMED ? ectx_wrap(ec, e, "%.*s", STR(op->what)) : e;
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

MUST_USE enum err apply_rules(struct apply *a, struct apply_event *event, bool *any, bool *dirty,
                              struct ectx *ec)
{
    *any = false;
    *dirty = false;
    a->doubt = false;
    if (event->form_count == 0) {
        return apply_form(a, event, any, dirty, ec);
    }
    enum err e = ERR_OK;
    for (size_t i = 0; i < event->form_count && e == ERR_OK; i++) {
        take_form(event, i);
        e = apply_form(a, event, any, dirty, ec);
    }
    return e;
}
