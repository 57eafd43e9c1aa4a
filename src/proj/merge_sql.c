/*
 * Statements of a shape: for one row, for many (PostgreSQL: each parameter is an array), for COPY.
 * Parameters are the shape's columns in their order, which is that of their first mention.
 */
#include "core/compiler.h"
#include "proj/merge_int.h"

#define SQL_BYTES_MAX 65536u

static const char *finish(struct buf *sql, struct arena *a)
{
    struct str text = buf_failed(sql) ? STR_NULL : arena_str(a, buf_str(sql)); /* with a NUL */
    buf_deinit(sql);
    return text.p;
}

static void put_column(struct buf *sql, const struct merge_table *t, size_t column)
{
    def_put_name(sql, t->t->columns[column].name);
}

static void put_list(struct buf *sql, const struct merge_table *t, const struct merge_shape *s)
{
    for (size_t i = 0; i < s->column_count; i++) {
        buf_put_z(sql, i == 0 ? "(" : ", ");
        put_column(sql, t, s->columns[i]);
    }
    buf_put_z(sql, ")");
}

/* unnest($1::TEXT[], ...) */
static void put_arrays(struct buf *sql, const struct merge *m, const struct merge_shape *s)
{
    for (size_t i = 0; i < s->column_count; i++) {
        buf_printf(sql, "%s$%zu::%s[]", i == 0 ? "unnest(" : ", ", i + 1,
                   m->driver->types[s->types[i]]);
    }
    buf_put_z(sql, ")");
}

static void put_conflict(struct buf *sql, const struct merge *m, const struct merge_table *t,
                         const struct merge_shape *s)
{
    bool any = false;
    for (size_t i = 0; i < t->t->key_count; i++) {
        buf_put_z(sql, i == 0 ? " ON CONFLICT (" : ", ");
        put_column(sql, t, t->t->key[i]);
    }
    for (size_t c = 0; c < t->t->column_count; c++) {
        if (s->states[c] == STATE_NONE) {
            continue;
        }
        buf_put_z(sql, any ? ", " : ") DO UPDATE SET ");
        any = true;
        put_column(sql, t, c);
        buf_put_z(sql, " = ");
        if (s->states[c] == STATE_ADD) {
            buf_put_z(sql, "COALESCE(");
            def_put_table(sql, t->t->name, m->d->version);
            buf_put_z(sql, ".");
            put_column(sql, t, c);
            buf_put_z(sql, ", 0) + ");
        }
        buf_put_z(sql, "excluded.");
        put_column(sql, t, c);
    }
    buf_put_z(sql, any ? "" : ") DO NOTHING");
}

/* A value of the i-th column: $i, or that of the row of arrays. */
static void put_value(struct buf *sql, const struct merge_table *t, const struct merge_shape *s,
                      size_t i, bool many)
{
    if (many) {
        buf_put_z(sql, "u.");
        put_column(sql, t, s->columns[i]);
    } else {
        buf_printf(sql, "$%zu", i + 1);
    }
}

static void put_change(struct buf *sql, const struct merge *m, const struct merge_table *t,
                       const struct merge_shape *s, bool many)
{
    bool removes = s->effect == DEF_REMOVE;
    size_t sets = s->column_count - t->t->key_count;
    buf_put_z(sql, removes ? "DELETE FROM " : "UPDATE ");
    def_put_table(sql, t->t->name, m->d->version);
    buf_put_z(sql, " AS t");
    for (size_t i = 0; i < sets; i++) {
        buf_put_z(sql, i == 0 ? " SET " : ", ");
        put_column(sql, t, s->columns[i]);
        buf_put_z(sql, " = ");
        if (s->states[s->columns[i]] == STATE_ADD) {
            buf_put_z(sql, "COALESCE(t.");
            put_column(sql, t, s->columns[i]);
            buf_put_z(sql, ", 0) + ");
        }
        put_value(sql, t, s, i, many);
    }
    if (many) {
        buf_put_z(sql, removes ? " USING " : " FROM ");
        put_arrays(sql, m, s);
        buf_put_z(sql, " AS u");
        put_list(sql, t, s);
    }
    for (size_t i = sets; i < s->column_count; i++) {
        buf_put_z(sql, i == sets ? " WHERE t." : " AND t.");
        put_column(sql, t, s->columns[i]);
        buf_put_z(sql, " = ");
        put_value(sql, t, s, i, many);
    }
}

static const char *statement(const struct merge *m, const struct merge_table *t,
                             const struct merge_shape *s, bool many, struct arena *a)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    if (s->effect != DEF_PUT) {
        put_change(&sql, m, t, s, many);
        return finish(&sql, a);
    }
    buf_put_z(&sql, "INSERT INTO ");
    def_put_table(&sql, t->t->name, m->d->version);
    buf_put_z(&sql, " ");
    put_list(&sql, t, s);
    if (many) {
        buf_put_z(&sql, " SELECT * FROM ");
        put_arrays(&sql, m, s);
    } else {
        for (size_t i = 0; i < s->column_count; i++) {
            buf_printf(&sql, "%s$%zu", i == 0 ? " VALUES (" : ", ", i + 1);
        }
        buf_put_z(&sql, ")");
    }
    put_conflict(&sql, m, t, s);
    return finish(&sql, a);
}

const char *merge_sql_one(const struct merge *m, const struct merge_table *t,
                          const struct merge_shape *s, struct arena *a)
{
    return statement(m, t, s, false, a);
}

const char *merge_sql_many(const struct merge *m, const struct merge_table *t,
                           const struct merge_shape *s, struct arena *a)
{
    return statement(m, t, s, true, a);
}

const char *merge_sql_copy(const struct merge *m, const struct merge_table *t,
                           const struct merge_shape *s, struct arena *a)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_put_z(&sql, "COPY ");
    def_put_table(&sql, t->t->name, m->d->version);
    buf_put_z(&sql, " ");
    put_list(&sql, t, s);
    buf_put_z(&sql, " FROM STDIN (FORMAT binary)");
    return finish(&sql, a);
}
