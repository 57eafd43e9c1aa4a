/* Rows that were held back go to the target: those of one shape together, in the order of their
 * keys, so that two connections take the locks of rows in the same order. That holds within a
 * shape; after a deadlock of two of them apply.c lets one transaction go at a time. */
#include <stdlib.h>
#include <string.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "proj/merge_int.h"

#define BULK_MIN 16u /* rows; fewer are sent one by one, in one go with the rest */

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for changes of rows");
}

static int compare_values(const struct mapping_value *a, const struct mapping_value *b)
{
    if (a->kind == MAPPING_TEXT || a->kind == MAPPING_JSON) {
        return str_cmp(a->text, b->text);
    }
    int64_t x = a->kind == MAPPING_INT ? a->integer : a->boolean;
    int64_t y = b->kind == MAPPING_INT ? b->integer : b->boolean;
    return (x > y) - (x < y);
}

static int compare_rows(const void *left, const void *right)
{
    const struct merge_row *a = *(const struct merge_row *const *)left;
    const struct merge_row *b = *(const struct merge_row *const *)right;
    const struct def_table *t = a->table->t;
    if (a->shape != b->shape) { /* the same order on every connection */
        int order = memcmp(a->shape->states, b->shape->states, t->column_count);
        return a->shape->effect != b->shape->effect ? (a->shape->effect < b->shape->effect ? -1 : 1)
                                                    : order;
    }
    for (size_t i = 0; i < t->key_count; i++) {
        int order = compare_values(&a->values[t->key[i]], &b->values[t->key[i]]);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

static enum err write_one_by_one(struct merge *m, const struct merge_table *t,
                                 struct merge_shape *s, struct merge_row *const *rows, size_t count,
                                 struct ectx *ec)
{
    enum err e = ERR_OK;
    if (s->one == NULL) {
        const char *sql = merge_sql_one(m, t, s, &m->kept);
        e = sql == NULL ? no_memory(ec) : m->driver->prepare(m->db, str_of(sql), &s->one, ec);
    }
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        struct mapping_value params[PROJ_COLUMNS_MAX];
        for (size_t c = 0; c < s->column_count; c++) {
            params[c] = rows[i]->values[s->columns[c]];
        }
        e = m->driver->run(s->one, params, s->column_count, NULL, ec);
    }
    return e;
}

static enum err write_in_bulk(struct merge *m, struct merge_table *t, struct merge_shape *s,
                              struct merge_row *const *rows, size_t count, struct ectx *ec)
{
    const struct mapping_value **values =
        arena_new_n(&m->rows, const struct mapping_value *, count);
    if (values == NULL) {
        return no_memory(ec);
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = rows[i]->values;
    }
    const struct target_rows all = {.columns = s->columns,
                                    .types = s->types,
                                    .column_count = s->column_count,
                                    .rows = values,
                                    .row_count = count};
    bool copies = s->effect == DEF_PUT && t->fresh;
    const char **sql = copies ? &s->copy : &s->many;
    if (*sql == NULL) {
        *sql = copies ? merge_sql_copy(m, t, s, &m->kept) : merge_sql_many(m, t, s, &m->kept);
    }
    if (*sql == NULL) {
        return no_memory(ec);
    }
    if (!copies) {
        return m->driver->run_rows(m->db, *sql, &all, ec);
    }
    enum err e = m->driver->copy_rows(m->db, *sql, &all, ec);
    if (e == ERR_MALFORMED) {
        t->fresh = false;
        m->guess_lost = true;
    }
    return e;
}

static void clear(struct merge *m, struct merge_table *t)
{
    if (t->count * 16 < t->cap) { /* it was much larger once */
        mem_free(t->slots);
        t->slots = NULL;
        t->cap = 0;
    } else if (t->count > 0) {
        memset(t->slots, 0, t->cap * sizeof(struct merge_row *));
    }
    m->count -= t->count;
    t->count = 0;
    if (m->count == 0) {
        arena_reset(&m->rows, MERGE_BYTES_MAX / 8);
    }
}

MUST_USE enum err merge_flush_table(struct merge *m, struct merge_table *t, struct ectx *ec)
{
    if (t->count == 0) {
        return ERR_OK;
    }
    enum err e = ERR_OK;
    qsort(t->rows, t->count, sizeof(struct merge_row *), compare_rows);
    for (size_t i = 0, n = 0; i < t->count && e == ERR_OK; i += n) {
        struct merge_shape *s = t->rows[i]->shape;
        for (n = 1; i + n < t->count && t->rows[i + n]->shape == s; n++) {
        }
        e = m->driver->copy_rows != NULL && n >= BULK_MIN
                ? write_in_bulk(m, t, s, t->rows + i, n, ec)
                : write_one_by_one(m, t, s, t->rows + i, n, ec);
    }
    clear(m, t);
    return e;
}

MUST_USE enum err merge_flush(struct merge *m, struct ectx *ec)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < m->d->table_count && e == ERR_OK; i++) {
        e = merge_flush_table(m, &m->tables[i], ec);
    }
    return e;
}

void merge_drop(struct merge *m)
{
    for (size_t i = 0; i < m->d->table_count; i++) {
        clear(m, &m->tables[i]);
    }
}
