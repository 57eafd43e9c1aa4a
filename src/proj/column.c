/*
 * What a column takes, before any SQL, so that a definition means the same in every database:
 *
 *   text      a text; a number, true or false, an array or object as its JSON
 *   integer   a whole number of 64 bits; a text that is one
 *   real      a number; a text that is one
 *   boolean   true or false; 1 or 0; a text that is one of these four
 *   json      anything, as JSON (json_column.c)
 *
 * A text is UTF-8 without a NUL, which no database stores alike. In the key or an index it has a
 * limit (text_max): PostgreSQL's depends on how well it can be packed, and on whether the index is
 * there already. null is no value, and of any type.
 */
#include <math.h>
#include <string.h>

#include "core/utf8.h"
#include "proj/apply_int.h"
#include "json/json.h"

static const char *of_kind(const struct mapping_value *v)
{
    switch (v->kind) {
    case MAPPING_NULL:
        return "null";
    case MAPPING_BOOL:
        return v->boolean ? "true" : "false";
    case MAPPING_INT:
    case MAPPING_REAL:
        return "this number";
    case MAPPING_TEXT:
        return "this text";
    case MAPPING_JSON:
        return "an array or object";
    }
    return "this";
}

static bool is_text(const struct mapping_value *v)
{
    return v->kind == MAPPING_TEXT;
}

static bool as_integer(struct mapping_value *v)
{
    int64_t n = v->integer;
    if (v->kind == MAPPING_REAL && v->real >= -0x1p63 && v->real < 0x1p63 &&
        floor(v->real) == v->real) {
        n = (int64_t)v->real;
    } else if (v->kind != MAPPING_INT && !(is_text(v) && str_to_i64(v->text, &n))) {
        return false;
    }
    *v = (struct mapping_value){.kind = MAPPING_INT, .integer = n};
    return true;
}

static bool as_real(struct mapping_value *v)
{
    double n = v->real;
    if (is_text(v) && str_to_f64(v->text, &n)) {
        *v = (struct mapping_value){.kind = MAPPING_REAL, .real = n};
    }
    return v->kind == MAPPING_INT || (v->kind == MAPPING_REAL && isfinite(v->real));
}

static bool as_boolean(struct mapping_value *v)
{
    static const char *const no[] = {"false", "0"};
    static const char *const yes[] = {"true", "1"};
    for (size_t i = 0; is_text(v) && i < ARRAY_LEN(yes); i++) {
        if (str_eq_z(v->text, yes[i]) || str_eq_z(v->text, no[i])) {
            *v = (struct mapping_value){.kind = MAPPING_BOOL, .boolean = str_eq_z(v->text, yes[i])};
        }
    }
    if (v->kind == MAPPING_INT && (v->integer == 0 || v->integer == 1)) {
        *v = (struct mapping_value){.kind = MAPPING_BOOL, .boolean = v->integer == 1};
    }
    return v->kind == MAPPING_BOOL;
}

/* *memory false: there was none. */
static bool as_text(struct arena *a, struct mapping_value *v, bool *memory)
{
    struct str text;
    *memory = mapping_value_text(v, a, &text);
    if (!*memory || !utf8_valid(text) || memchr(text.n == 0 ? "" : text.p, 0, text.n) != NULL) {
        return false;
    }
    *v = (struct mapping_value){.kind = MAPPING_TEXT, .text = text};
    return true;
}

MUST_USE enum err column_take(struct str column, enum def_type type, struct arena *a,
                              struct mapping_value *v, struct ectx *ec)
{
    static const char *const takes[] = {"texts without a NUL", "whole numbers of 64 bits",
                                        "numbers", "true and false", "JSON"};
    bool good = v->kind == MAPPING_NULL, memory = true;
    if (!good) {
        switch (type) {
        case DEF_TEXT:
            good = as_text(a, v, &memory);
            break;
        case DEF_INTEGER:
            good = as_integer(v);
            break;
        case DEF_REAL:
            good = as_real(v);
            break;
        case DEF_BOOLEAN:
            good = as_boolean(v);
            break;
        case DEF_JSON:
            good = memory = json_column_write(a, v);
            break;
        }
    }
    if (!memory) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for one event");
    }
    return good ? ERR_OK
                : ectx_fail(ec, ERR_MALFORMED, "column '%.*s' takes %s, not %s", STR(column),
                            takes[type], of_kind(v));
}

MUST_USE enum err column_store(const struct def_column *c, struct arena *a, struct mapping_value *v,
                               struct ectx *ec)
{
    enum err e = column_take(c->name, c->type, a, v, ec);
    if (e == ERR_OK && is_text(v) && c->text_max != 0 && v->text.n > c->text_max) {
        e = ectx_fail(ec, ERR_MALFORMED,
                      "column '%.*s' is in the key or an index, and takes texts of at most %zu "
                      "bytes, not %zu",
                      STR(c->name), c->text_max, v->text.n);
    }
    return e;
}

void column_give(enum def_type type, struct mapping_value *v)
{
    if (type == DEF_BOOLEAN && v->kind == MAPPING_INT) { /* SQLite has no such type */
        *v = (struct mapping_value){.kind = MAPPING_BOOL, .boolean = v->integer != 0};
    }
}
