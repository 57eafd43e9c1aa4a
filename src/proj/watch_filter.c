/* The same answers as the database gives, where these do not depend on the database. */
#include "proj/watch_filter.h"

#include <string.h>

#include "proj/feed.h"
#include "proj/query_int.h"

static bool is_key(const struct def_table *t, size_t column)
{
    for (size_t i = 0; i < t->key_count; i++) {
        if (t->key[i] == column) {
            return true;
        }
    }
    return false;
}

static enum err check_op(const struct def_table *t, size_t column, enum proj_op op, struct ectx *ec)
{
    enum def_type type = t->columns[column].type;
    bool order = op == PROJ_LT || op == PROJ_LE || op == PROJ_GT || op == PROJ_GE;
    bool good = op == PROJ_IS_NULL                        ? true
                : type == DEF_JSON                        ? false
                : op == PROJ_PREFIX                       ? type == DEF_TEXT
                : type == DEF_TEXT || type == DEF_BOOLEAN ? !order
                                                          : true;
    if (good) {
        return ERR_OK;
    }
    enum err e = ectx_fail(ec, ERR_INVALID_REQUEST,
                           "changes cannot be filtered by this operator on column '%.*s'",
                           STR(t->columns[column].name));
    ectx_hint(ec, "texts: eq, ne, prefix; numbers: eq, ne, lt, lte, gt, gte; all: is_null");
    return e;
}

MUST_USE enum err watch_filter_make(struct watch_filter *f, const struct def_table *t,
                                    const struct proj_filter *filters, size_t count,
                                    struct ectx *ec)
{
    f->count = 0;
    if (count > PROJ_WATCH_FILTERS) {
        return ectx_fail(ec, ERR_INVALID_REQUEST, "at most %u filters", PROJ_WATCH_FILTERS);
    }
    for (size_t i = 0; i < count; i++) {
        size_t column = 0;
        enum err e = query_column(t, filters[i].column, &column, ec);
        e = e != ERR_OK ? e : check_op(t, column, filters[i].op, ec);
        struct mapping_value v = {.kind = MAPPING_BOOL,
                                  .boolean = !str_eq_z(filters[i].value, "false")};
        if (e == ERR_OK && filters[i].op != PROJ_IS_NULL) {
            e = query_value(t, column, filters[i].value, &v, ec);
        }
        if (e != ERR_OK) {
            return e;
        }
        f->list[f->count].column = column;
        f->list[f->count].op = filters[i].op;
        f->list[f->count].value = v;
        f->list[f->count++].of_key = is_key(t, column);
    }
    return ERR_OK;
}

static double number(const struct mapping_value *v)
{
    return v->kind == MAPPING_REAL  ? v->real
           : v->kind == MAPPING_INT ? (double)v->integer
                                    : (double)v->boolean;
}

static int compare(const struct mapping_value *a, const struct mapping_value *b)
{
    if (a->kind == MAPPING_TEXT || b->kind == MAPPING_TEXT) {
        return a->kind == b->kind ? str_cmp(a->text, b->text) : a->kind == MAPPING_TEXT ? 1 : -1;
    }
    if (a->kind == MAPPING_INT && b->kind == MAPPING_INT) {
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    }
    double x = number(a);
    double y = number(b);
    return x < y ? -1 : x > y;
}

static bool holds(enum proj_op op, const struct mapping_value *cell, const struct mapping_value *v)
{
    if (op == PROJ_IS_NULL) {
        return (cell->kind == MAPPING_NULL) == v->boolean;
    }
    if (cell->kind == MAPPING_NULL) {
        return false;
    }
    if (op == PROJ_PREFIX) {
        return cell->kind == MAPPING_TEXT && cell->text.n >= v->text.n &&
               (v->text.n == 0 || memcmp(cell->text.p, v->text.p, v->text.n) == 0);
    }
    int order = compare(cell, v);
    return op == PROJ_EQ   ? order == 0
           : op == PROJ_NE ? order != 0
           : op == PROJ_LT ? order < 0
           : op == PROJ_LE ? order <= 0
           : op == PROJ_GT ? order > 0
                           : order >= 0;
}

enum watch_match watch_filter_match(const struct watch_filter *f, const struct feed_entry *e)
{
    bool all = e->kind == PROJ_CHANGE_UPSERT;
    enum watch_match match = WATCH_YES;
    for (size_t i = 0; i < f->count; i++) {
        if ((all || f->list[i].of_key) &&
            !holds(f->list[i].op, &e->cells[f->list[i].column], &f->list[i].value)) {
            if (f->list[i].of_key) {
                return WATCH_NEVER;
            }
            match = WATCH_NO;
        }
    }
    return match;
}
