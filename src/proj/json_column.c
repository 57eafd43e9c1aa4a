/*
 * Values of columns of the type json: JSON text in both databases, so that a text, a truth and a
 * number stay what they are.
 */
#include <math.h>

#include "proj/apply_int.h"
#include "json/json.h"

#define VALUE_BYTES_MAX APPLY_EVENT_BYTES

/* null stays null: the column's own. */
MUST_USE bool json_column_write(struct arena *a, struct mapping_value *v)
{
    if (v->kind == MAPPING_NULL || v->kind == MAPPING_JSON) {
        return true;
    }
    struct buf b;
    struct json_writer w;
    buf_init(&b, VALUE_BYTES_MAX);
    json_write_init(&w, &b);
    mapping_write_value(&w, v);
    const struct str text = buf_failed(&b) ? STR_NULL : arena_str(a, buf_str(&b));
    a->over = a->over || b.over; /* nor would it fit there: see apply_fault_of_event */
    buf_deinit(&b);
    *v = (struct mapping_value){.kind = MAPPING_JSON, .text = text};
    return !str_is_null(text);
}

static bool is_container(struct str text)
{
    const struct str s = str_trim(text);
    return s.n > 0 && (s.p[0] == '{' || s.p[0] == '[');
}

struct taker {
    struct apply *a;
    bool failed;
};
static bool take_tables(void *ctx, const struct mapping_value *values, size_t count)
{
    struct taker *t = ctx;
    struct apply_served *s = arena_new(&t->a->batch_arena, struct apply_served);
    (void)count;
    t->failed = s == NULL;
    if (s != NULL) {
        s->tables = arena_str(&t->a->batch_arena, values[0].text);
        s->next = t->a->served;
        t->a->served = s;
        t->failed = str_is_null(s->tables);
    }
    return !t->failed;
}

MUST_USE enum err json_column_of(struct apply *a, const struct def_lookup *l, size_t column,
                                 enum def_known *json, bool *boolean, struct ectx *ec)
{
    *boolean = l->own && l->types[column] == DEF_BOOLEAN;
    *json = l->is_json[column] ? DEF_YES : l->own || a->driver->tells_json ? DEF_NO : DEF_UNKNOWN;
    if (*json != DEF_UNKNOWN) {
        return ERR_OK;
    }
    if (!a->served_known) {
        struct taker t = {.a = a};
        a->served = NULL;
        enum err e = a->driver->query(a->meta[META_SERVED_TABLES], NULL, 0, take_tables, &t, ec);
        if (e != ERR_OK || t.failed) {
            return e != ERR_OK ? e : ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
        }
        a->served_known = true;
    }
    for (const struct apply_served *s = a->served; s != NULL && *json == DEF_UNKNOWN; s = s->next) {
        *json = def_json_column(s->tables, l->from, l->columns[column]);
        *boolean = def_boolean_column(s->tables, l->from, l->columns[column]);
    }
    return ERR_OK;
}

MUST_USE bool json_column_read(struct arena *a, enum def_known known, struct mapping_value *v)
{
    struct json *j = NULL;
    const bool is_text = v->kind == MAPPING_TEXT || v->kind == MAPPING_JSON;
    const bool may_be = is_text && (known == DEF_YES || v->kind == MAPPING_JSON ||
                                    (known == DEF_UNKNOWN && is_container(v->text)));
    const enum err e = may_be ? json_parse(v->text, NULL, a, &j, NULL) : ERR_MALFORMED;
    if (e != ERR_OK) { /* what an earlier build has put there as it was */
        return e != ERR_NO_MEMORY;
    }
    struct mapping_value r = {.kind = MAPPING_JSON, .text = v->text};
    if (j->kind == JSON_NULL) {
        r = (struct mapping_value){.kind = MAPPING_NULL};
    } else if (j->kind == JSON_BOOL) {
        r = (struct mapping_value){.kind = MAPPING_BOOL, .boolean = j->boolean};
    } else if (j->kind == JSON_STRING) {
        r = (struct mapping_value){.kind = MAPPING_TEXT, .text = j->string};
    } else if (j->kind == JSON_NUMBER && json_i64(j, &r.integer)) {
        r.kind = MAPPING_INT;
    } else if (j->kind == JSON_NUMBER && json_f64(j, &r.real) && isfinite(r.real)) {
        r.kind = MAPPING_REAL;
    }
    *v = r;
    return true;
}
