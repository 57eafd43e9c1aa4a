/*
 * A query of a view as SQL. Names are checked against the definition, values are parameters; so
 * nothing that a caller wrote stands in the text.
 *
 * Pages are told apart by the values of their last row (never by a number of rows to skip): the
 * order always ends with the key, so it is total. Null comes first when ascending, last when
 * descending, in every database.
 */
#include <string.h>

#include "core/base64.h"
#include "core/compiler.h"
#include "proj/apply_int.h"
#include "proj/query_int.h"
#include "json/json.h"

static enum err no_memory(struct query *q)
{
    return ectx_fail(&q->ec, ERR_NO_MEMORY, "out of memory");
}

MUST_USE enum err query_column(const struct def_table *t, struct str name, size_t *out,
                               struct ectx *ec)
{
    const char *known[PROJ_COLUMNS_MAX];
    for (size_t i = 0; i < t->column_count; i++) {
        if (str_eq(t->columns[i].name, name)) {
            *out = i;
            return ERR_OK;
        }
        known[i] = t->columns[i].name.p;
    }
    enum err e = ectx_fail(ec, ERR_INVALID_REQUEST, "view '%.*s' has no column '%.*s'",
                           STR(t->name), (int)(name.n > 80 ? 80 : name.n), name.p);
    const char *near = mapping_nearest(name, known, t->column_count);
    if (near != NULL) {
        ectx_hint(ec, "did you mean '%s'?", near);
    }
    return e;
}

static enum err find_column(struct query *q, struct str name, size_t *out)
{
    return query_column(q->table, name, out, &q->ec);
}

/* No database has an order of JSON, and PostgreSQL compares none. */
static enum err check_comparable(struct query *q, size_t column, const char *what)
{
    const struct def_column *c = &q->table->columns[column];
    return c->type != DEF_JSON ? ERR_OK
                               : ectx_fail(&q->ec, ERR_INVALID_REQUEST, "column '%.*s' is JSON: %s",
                                           STR(c->name), what);
}

static enum err add_param(struct query *q, struct mapping_value v)
{
    if (q->param_count == TARGET_PARAMS_MAX) {
        return ectx_fail(&q->ec, ERR_INVALID_REQUEST, "at most %u values in one query",
                         TARGET_PARAMS_MAX);
    }
    q->params[q->param_count++] = v;
    buf_printf(&q->sql, "$%zu", q->param_count);
    return ERR_OK;
}

void query_write_cell(struct json_writer *w, const struct def_column *c,
                      const struct mapping_value *v)
{
    enum err is_json = ERR_MALFORMED;
    json_write_name_str(w, c->name);
    if (c->type == DEF_JSON && v->kind == MAPPING_TEXT) {
        is_json = json_check(v->text);
        w->out->failed = w->out->failed || is_json == ERR_NO_MEMORY;
    }
    if (c->type == DEF_BOOLEAN && v->kind == MAPPING_INT) {
        json_write_bool(w, v->integer != 0);
    } else if (is_json == ERR_OK) {
        json_write_raw(w, v->text);
    } else {
        mapping_write_value(w, v);
    }
}

static void put_column(struct query *q, size_t column)
{
    def_put_name(&q->sql, q->table->columns[column].name);
}

/* ---- Filters */

MUST_USE enum err query_value(const struct def_table *t, size_t column, struct str text,
                              struct mapping_value *out, struct ectx *ec)
{
    static const char *const kinds[] = {"text", "a whole number", "a number", "true or false",
                                        "JSON"};
    enum def_type type = t->columns[column].type;
    struct mapping_value v = {.kind = MAPPING_TEXT, .text = text};
    bool good = true;
    if (type == DEF_INTEGER) {
        v.kind = MAPPING_INT;
        good = str_to_i64(text, &v.integer);
    } else if (type == DEF_REAL) {
        v.kind = MAPPING_REAL;
        good = str_to_f64(text, &v.real);
    } else if (type == DEF_BOOLEAN) {
        v.kind = MAPPING_BOOL;
        v.boolean = str_eq_z(text, "true");
        good = v.boolean || str_eq_z(text, "false");
    }
    if (!good) {
        return ectx_fail(ec, ERR_INVALID_REQUEST, "column '%.*s' is %s; '%.*s' is not",
                         STR(t->columns[column].name), kinds[type],
                         (int)(text.n > 80 ? 80 : text.n), text.p);
    }
    *out = v;
    return ERR_OK;
}

static enum err put_filter(struct query *q, const struct proj_filter *f)
{
    static const char *const ops[] = {" = ", " <> ", " < ", " <= ", " > ", " >= "};
    size_t column = 0;
    struct mapping_value v = {.kind = MAPPING_NULL};
    enum err e = find_column(q, f->column, &column);
    if (e != ERR_OK) {
        return e;
    }
    if (f->op == PROJ_IS_NULL) {
        put_column(q, column);
        buf_put_z(&q->sql, str_eq_z(f->value, "false") ? " IS NOT NULL" : " IS NULL");
        return ERR_OK;
    }
    if (f->op == PROJ_PREFIX) {
        if (q->table->columns[column].type != DEF_TEXT) {
            return ectx_fail(&q->ec, ERR_INVALID_REQUEST, "column '%.*s' is no text",
                             STR(f->column));
        }
        buf_put_z(&q->sql, "substr(");
        put_column(q, column);
        buf_put_z(&q->sql, ", 1, length(");
        e = add_param(q, (struct mapping_value){.kind = MAPPING_TEXT, .text = f->value});
        buf_printf(&q->sql, ")) = $%zu", q->param_count);
        return e;
    }
    e = check_comparable(q, column, "it can be filtered by is_null alone");
    e = e != ERR_OK ? e : query_value(q->table, column, f->value, &v, &q->ec);
    if (e == ERR_OK) {
        put_column(q, column);
        buf_put_z(&q->sql, ops[f->op]);
        e = add_param(q, v);
    }
    return e;
}

/* ---- Order and pages */

static enum err take_order(struct query *q, const struct proj_query *call)
{
    size_t room = call->order_count + q->table->key_count;
    struct proj_order *order = arena_new_n(&q->arena, struct proj_order, room);
    size_t *columns = arena_new_n(&q->arena, size_t, room);
    if (order == NULL || columns == NULL) {
        return no_memory(q);
    }
    for (size_t i = 0; i < call->order_count; i++) {
        enum err e = find_column(q, call->order[i].column, &columns[q->order_count]);
        e = e != ERR_OK ? e : check_comparable(q, columns[q->order_count], "it has no order");
        if (e != ERR_OK) {
            return e;
        }
        order[q->order_count++] = call->order[i];
    }
    for (size_t i = 0; i < q->table->key_count; i++) {
        bool there = false;
        for (size_t k = 0; k < q->order_count && !there; k++) {
            there = columns[k] == q->table->key[i];
        }
        if (!there) {
            columns[q->order_count] = q->table->key[i];
            order[q->order_count++] =
                (struct proj_order){.column = q->table->columns[q->table->key[i]].name};
        }
    }
    q->order = order;
    q->order_columns = columns;
    return ERR_OK;
}

static uint64_t mix(uint64_t hash, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        hash = (hash ^ (unsigned char)s.p[i]) * 0x100000001b3ull;
    }
    return (hash ^ 0xff) * 0x100000001b3ull;
}

/* A cursor is good for the same view, order and filters only: else it would skip or repeat. */
static uint64_t hash_of(const struct query *q, const struct proj_query *call)
{
    uint64_t hash = mix(0xcbf29ce484222325ull, q->table->name);
    for (size_t i = 0; i < q->order_count; i++) {
        hash = mix(hash, q->order[i].column) + q->order[i].descending;
    }
    for (size_t i = 0; i < call->filter_count; i++) {
        hash = mix(mix(hash, call->filters[i].column), call->filters[i].value) +
               (uint64_t)call->filters[i].op;
    }
    return hash >> 2; /* fits into a number of JSON */
}

struct str query_cursor(struct query *q)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 1u << 20);
    json_write_init(&w, &b);
    json_write_begin(&w, '[');
    json_write_i64(&w, (int64_t)q->hash);
    for (size_t i = 0; i < q->order_count; i++) {
        mapping_write_value(&w, &q->last[i]);
    }
    json_write_end(&w, ']');
    struct str cursor = buf_failed(&b) ? STR_NULL : base64url_encode(buf_str(&b), &q->arena);
    buf_deinit(&b);
    return cursor;
}

static enum err read_cursor(struct query *q, struct str cursor, struct mapping_value *values)
{
    struct str text;
    struct json *v = NULL;
    int64_t hash = 0;
    bool good = base64url_decode(cursor, &q->arena, &text) &&
                json_parse(text, NULL, &q->arena, &v, NULL) == ERR_OK && v->kind == JSON_ARRAY &&
                v->count == q->order_count + 1 && json_i64(v->first, &hash) &&
                hash == (int64_t)q->hash;
    const struct json *m = good ? v->first->next : NULL;
    for (size_t i = 0; i < q->order_count && good; i++, m = m->next) {
        good = mapping_value_of_json(m, &values[i], NULL) == ERR_OK;
    }
    return good ? ERR_OK
                : ectx_fail(&q->ec, ERR_INVALID_REQUEST,
                            "the cursor is not one of this query (another view, filter or order)");
}

/* Column i behind value v. */
static enum err put_behind(struct query *q, size_t i, const struct mapping_value *v)
{
    bool null = v->kind == MAPPING_NULL;
    if (q->order[i].descending && null) {
        buf_put_z(&q->sql, "1 = 0");
        return ERR_OK;
    }
    buf_put_z(&q->sql, "(");
    put_column(q, q->order_columns[i]);
    if (null) {
        buf_put_z(&q->sql, " IS NOT NULL)");
        return ERR_OK;
    }
    buf_put_z(&q->sql, q->order[i].descending ? " < " : " > ");
    enum err e = add_param(q, *v);
    if (q->order[i].descending) {
        buf_put_z(&q->sql, " OR ");
        put_column(q, q->order_columns[i]);
        buf_put_z(&q->sql, " IS NULL");
    }
    buf_put_z(&q->sql, ")");
    return e;
}

static enum err put_page(struct query *q, struct str cursor)
{
    struct mapping_value *values = arena_new_n(&q->arena, struct mapping_value, q->order_count + 1);
    enum err e = values == NULL ? no_memory(q) : read_cursor(q, cursor, values);
    buf_put_z(&q->sql, "(");
    for (size_t i = 0; i < q->order_count && e == ERR_OK; i++) {
        buf_put_z(&q->sql, i == 0 ? "(" : " OR (");
        for (size_t k = 0; k < i && e == ERR_OK; k++) {
            put_column(q, q->order_columns[k]);
            if (values[k].kind == MAPPING_NULL) {
                buf_put_z(&q->sql, " IS NULL AND ");
            } else {
                buf_put_z(&q->sql, " = ");
                e = add_param(q, values[k]);
                buf_put_z(&q->sql, " AND ");
            }
        }
        e = e != ERR_OK ? e : put_behind(q, i, &values[i]);
        buf_put_z(&q->sql, ")");
    }
    buf_put_z(&q->sql, ")");
    return e;
}

/* ---- All of it */

static enum err take_shown(struct query *q, const struct proj_query *call)
{
    size_t count = call->column_count == 0 ? q->table->column_count : call->column_count;
    if (count > PROJ_COLUMNS_MAX) {
        return ectx_fail(&q->ec, ERR_INVALID_REQUEST, "at most %u columns", PROJ_COLUMNS_MAX);
    }
    size_t *shown = arena_new_n(&q->arena, size_t, count);
    if (shown == NULL) {
        return no_memory(q);
    }
    for (size_t i = 0; i < count; i++) {
        shown[i] = i;
        enum err e = call->column_count == 0 ? ERR_OK : find_column(q, call->columns[i], &shown[i]);
        if (e != ERR_OK) {
            return e;
        }
    }
    q->shown = shown;
    q->shown_count = count;
    return ERR_OK;
}

static void put_order(struct query *q)
{
    for (size_t i = 0; i < q->order_count; i++) {
        buf_put_z(&q->sql, i == 0 ? " ORDER BY " : ", ");
        put_column(q, q->order_columns[i]);
        buf_put_z(&q->sql, q->order[i].descending ? " DESC NULLS LAST" : " ASC NULLS FIRST");
    }
    buf_printf(&q->sql, " LIMIT %zu", q->limit + 1);
}

MUST_USE enum err query_build(struct query *q, const struct proj_query *call, uint32_t version)
{
    q->limit = call->limit == 0 ? 100 : call->limit;
    if (q->limit > PROJ_QUERY_ROWS_MAX || call->order_count > PROJ_COLUMNS_MAX) {
        return ectx_fail(&q->ec, ERR_INVALID_REQUEST, "at most %u rows in a page",
                         PROJ_QUERY_ROWS_MAX);
    }
    enum err e = take_shown(q, call);
    e = e != ERR_OK ? e : take_order(q, call);
    if (e != ERR_OK) {
        return e;
    }
    q->hash = hash_of(q, call);
    for (size_t i = 0; i < q->shown_count + q->order_count; i++) {
        buf_put_z(&q->sql, i == 0 ? "SELECT " : ", ");
        put_column(q, i < q->shown_count ? q->shown[i] : q->order_columns[i - q->shown_count]);
    }
    buf_put_z(&q->sql, " FROM ");
    def_put_table(&q->sql, q->table->name, version);
    for (size_t i = 0; i < call->filter_count && e == ERR_OK; i++) {
        buf_put_z(&q->sql, i == 0 ? " WHERE " : " AND ");
        e = put_filter(q, &call->filters[i]);
    }
    if (e == ERR_OK && !str_is_null(call->cursor)) {
        buf_put_z(&q->sql, call->filter_count == 0 ? " WHERE " : " AND ");
        e = put_page(q, call->cursor);
    }
    put_order(q);
    return e != ERR_OK           ? e
           : buf_failed(&q->sql) ? ectx_fail(&q->ec, ERR_LIMIT, "the query is too long")
                                 : ERR_OK;
}
