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
    buf_deinit(&b);
    *v = (struct mapping_value){.kind = MAPPING_JSON, .text = text};
    return !str_is_null(text);
}

static bool is_container(struct str text)
{
    const struct str s = str_trim(text);
    return s.n > 0 && (s.p[0] == '{' || s.p[0] == '[');
}

MUST_USE bool json_column_read(struct arena *a, bool known, struct mapping_value *v)
{
    struct json *j = NULL;
    const bool may_be = v->kind == MAPPING_TEXT && (known || is_container(v->text));
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
