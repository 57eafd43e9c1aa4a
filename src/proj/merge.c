/*
 * Merging: which changes can be held back, what two changes of a row make together.
 *
 * A row that is held back knows what is done to it (its shape) and with which values. With nothing
 * before it, that is the statement itself. Then
 *
 *              put                       change              remove
 *   put        put, both together        put, both together  remove
 *   change     (is written first)        change, both        remove
 *   remove     put, all columns set      remove              remove
 *
 * Together: a column that is set is set; an addition to what is set is carried out here, an
 * addition to an addition is their sum, if that is exact.
 */
#include "proj/merge.h"

#include <math.h>
#include <string.h>

#include "core/compiler.h"
#include "core/hash.h"
#include "core/mem.h"
#include "proj/merge_int.h"

#define KEPT_BYTES_MAX (8u << 20)
#define ADD_MAX        (1ll << 53) /* sums of such do not leave 64 bits unseen */
#define SLOTS_MIN      64u

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for changes of rows");
}

/* ---- Life */

static void table_init(struct merge_table *t, const struct def_table *of)
{
    t->t = of;
    t->able = true;
    t->fresh = true;
    for (size_t i = 0; i < of->key_count; i++) {
        enum def_type type = of->columns[of->key[i]].type;
        t->able = t->able && type != DEF_REAL && type != DEF_JSON;
    }
    for (size_t i = 0; i < of->index_count; i++) {
        t->able = t->able && !of->indexes[i].unique;
    }
}

MUST_USE enum err merge_create(const struct target_driver *driver, struct target_db *db,
                               const struct def *d, struct merge **out, struct ectx *ec)
{
    struct merge *m = mem_new(struct merge);
    if (m == NULL) {
        return no_memory(ec);
    }
    m->driver = driver;
    m->db = db;
    m->d = d;
    arena_init(&m->rows, 2 * MERGE_BYTES_MAX);
    arena_init(&m->kept, KEPT_BYTES_MAX);
    m->tables = mem_zalloc(d->table_count + 1, sizeof(struct merge_table));
    if (m->tables == NULL) {
        merge_destroy(m);
        return no_memory(ec);
    }
    for (size_t i = 0; i < d->table_count; i++) {
        table_init(&m->tables[i], &d->tables[i]);
    }
    *out = m;
    return ERR_OK;
}

void merge_destroy(struct merge *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; m->tables != NULL && i < m->d->table_count; i++) {
        struct merge_table *t = &m->tables[i];
        for (size_t k = 0; k < t->shape_count; k++) {
            m->driver->finalize(t->shapes[k].one);
        }
        mem_free(t->slots);
        mem_free(t->rows);
    }
    mem_free(m->tables);
    arena_deinit(&m->rows);
    arena_deinit(&m->kept);
    mem_free(m);
}

bool merge_guess_lost(struct merge *m)
{
    bool lost = m->guess_lost;
    m->guess_lost = false;
    return lost;
}

/* ---- What can be held back */

/* Not too much of a value, which is of its column's type already (column.c). */
static bool suits(const struct merge_table *t, struct def_param use, const struct mapping_value *v)
{
    bool adds = use.use == DEF_ADD;
    if (v->kind == MAPPING_NULL) {
        return use.use == DEF_SET;
    }
    switch (t->t->columns[use.column].type) {
    case DEF_TEXT:
        return !adds && v->kind == MAPPING_TEXT && v->text.n <= MERGE_TEXT_MAX;
    case DEF_INTEGER:
        return v->kind == MAPPING_INT &&
               (!adds || (v->integer <= ADD_MAX && v->integer >= -ADD_MAX));
    case DEF_REAL:
        return v->kind == MAPPING_INT || (v->kind == MAPPING_REAL && isfinite(v->real));
    case DEF_BOOLEAN:
        return !adds && v->kind == MAPPING_BOOL;
    case DEF_JSON:
        return !adds && v->kind == MAPPING_JSON && v->text.n <= MERGE_TEXT_MAX;
    }
    return false;
}

static bool all_suit(const struct merge_table *t, const struct def_op *op,
                     const struct mapping_value *params)
{
    size_t bytes = 0;
    for (size_t i = 0; i < op->param_count; i++) {
        if (!suits(t, op->uses[i], &params[i])) {
            return false;
        }
        bytes += params[i].text.n;
    }
    return bytes <= MERGE_TEXT_MAX;
}

/* ---- Rows by key */

static uint64_t hash_value(const struct mapping_value *v)
{
    return v->kind == MAPPING_TEXT || v->kind == MAPPING_JSON ? hash_str(v->text)
           : v->kind == MAPPING_INT                           ? hash_u64((uint64_t)v->integer)
                                                              : (uint64_t)v->boolean + 1;
}

static bool same_value(const struct mapping_value *a, const struct mapping_value *b)
{
    if (a->kind == MAPPING_INT || a->kind == MAPPING_BOOL) {
        return a->kind == b->kind &&
               (a->kind == MAPPING_INT ? a->integer == b->integer : a->boolean == b->boolean);
    }
    return str_eq(a->text, b->text);
}

static bool same_key(const struct merge_row *r, const struct def_op *op,
                     const struct mapping_value *params)
{
    for (size_t i = 0; i < op->param_count; i++) {
        if (op->uses[i].use == DEF_KEY && !same_value(&r->values[op->uses[i].column], &params[i])) {
            return false;
        }
    }
    return true;
}

/* Does not depend on the order in which the statement has the columns of the key. */
static uint64_t hash_key(const struct def_op *op, const struct mapping_value *params)
{
    uint64_t h = 0;
    for (size_t i = 0; i < op->param_count; i++) {
        if (op->uses[i].use == DEF_KEY) {
            h += hash_value(&params[i]) * (2 * (uint64_t)op->uses[i].column + 1);
        }
    }
    return h;
}

static struct merge_row **slot_of(const struct merge_table *t, uint64_t hash)
{
    return &t->slots[hash & (t->cap - 1)];
}

static struct merge_row *find_row(const struct merge_table *t, const struct def_op *op,
                                  const struct mapping_value *params, uint64_t hash)
{
    for (size_t i = 0; t->cap > 0; i++) {
        struct merge_row *r = *slot_of(t, hash + i);
        if (r == NULL || (r->hash == hash && same_key(r, op, params))) {
            return r;
        }
    }
    return NULL;
}

static void put_slot(struct merge_table *t, struct merge_row *r)
{
    size_t i = 0;
    while (*slot_of(t, r->hash + i) != NULL) {
        i++;
    }
    *slot_of(t, r->hash + i) = r;
}

/* Room for one row more, at least half of the slots free. */
static bool make_room(struct merge_table *t)
{
    if (t->count == t->room) {
        size_t room = t->room == 0 ? SLOTS_MIN : 2 * t->room;
        void *more = mem_realloc(t->rows, room * sizeof(struct merge_row *));
        if (more == NULL) {
            return false;
        }
        t->rows = more;
        t->room = room;
    }
    if (2 * (t->count + 1) > t->cap) {
        size_t cap = t->cap == 0 ? SLOTS_MIN : 2 * t->cap;
        struct merge_row **slots = mem_zalloc(cap, sizeof(struct merge_row *));
        if (slots == NULL) {
            return false;
        }
        mem_free(t->slots);
        t->slots = slots;
        t->cap = cap;
        for (size_t i = 0; i < t->count; i++) {
            put_slot(t, t->rows[i]);
        }
    }
    return true;
}

/* ---- Shapes */

static bool is_key(const struct def_table *t, size_t column)
{
    for (size_t i = 0; i < t->key_count; i++) {
        if (t->key[i] == column) {
            return true;
        }
    }
    return false;
}

/* The columns as parameters: the key, then what is set or added to; the key last where it stands in
 * WHERE. */
static void order_columns(const struct def_table *t, struct merge_shape *s)
{
    for (size_t i = 0; s->effect == DEF_PUT && i < t->key_count; i++) {
        s->columns[s->column_count++] = t->key[i];
    }
    for (size_t c = 0; c < t->column_count; c++) {
        if (s->states[c] != STATE_NONE) {
            s->columns[s->column_count++] = c;
        }
    }
    for (size_t i = 0; s->effect != DEF_PUT && i < t->key_count; i++) {
        s->columns[s->column_count++] = t->key[i];
    }
    for (size_t i = 0; i < s->column_count; i++) {
        s->types[i] = t->columns[s->columns[i]].type;
    }
}

/* *out NULL: there are too many. */
static bool shape_of(struct merge *m, struct merge_table *t, enum def_effect effect,
                     const uint8_t *states, struct merge_shape **out)
{
    size_t n = t->t->column_count;
    for (size_t i = 0; i < t->shape_count; i++) {
        if (t->shapes[i].effect == effect && memcmp(t->shapes[i].states, states, n) == 0) {
            *out = &t->shapes[i];
            return true;
        }
    }
    *out = NULL;
    if (t->shape_count == MERGE_SHAPES_MAX) {
        return true;
    }
    struct merge_shape *s = &t->shapes[t->shape_count];
    *s = (struct merge_shape){.effect = effect};
    s->states = arena_alloc(&m->kept, n);
    s->columns = arena_new_n(&m->kept, size_t, n);
    s->types = arena_new_n(&m->kept, enum def_type, n);
    if (s->states == NULL || s->columns == NULL || s->types == NULL) {
        return false;
    }
    memcpy(s->states, states, n);
    order_columns(t->t, s);
    t->shape_count++;
    *out = s;
    return true;
}

/* ---- Two changes as one */

struct change {
    enum def_effect effect;
    uint8_t states[PROJ_COLUMNS_MAX];
    struct mapping_value values[PROJ_COLUMNS_MAX];
};

static double real_of(const struct mapping_value *v)
{
    return v->kind == MAPPING_INT ? (double)v->integer : v->kind == MAPPING_REAL ? v->real : 0.0;
}

/* To what was set or added before. False: not exactly what the database would make of it. */
static bool add_to(enum def_type type, uint8_t state, struct mapping_value *to,
                   const struct mapping_value *v)
{
    if (type == DEF_REAL) {
        double sum = real_of(to) + real_of(v);
        if (state == STATE_ADD || !isfinite(sum)) {
            return false;
        }
        *to = (struct mapping_value){.kind = MAPPING_REAL, .real = sum};
        return true;
    }
    int64_t sum = 0;
    if (__builtin_add_overflow(to->kind == MAPPING_INT ? to->integer : 0, v->integer, &sum) ||
        (state == STATE_ADD && (sum > ADD_MAX || sum < -ADD_MAX))) {
        return false;
    }
    *to = (struct mapping_value){.kind = MAPPING_INT, .integer = sum};
    return true;
}

static bool put_params(struct change *c, const struct merge_table *t, const struct def_op *op,
                       const struct mapping_value *params)
{
    for (size_t i = 0; i < op->param_count; i++) {
        size_t column = op->uses[i].column;
        if (op->uses[i].use != DEF_ADD) {
            c->values[column] = params[i];
            c->states[column] = op->uses[i].use == DEF_KEY ? STATE_NONE : STATE_SET;
        } else if (c->states[column] == STATE_NONE) {
            c->values[column] = params[i];
            c->states[column] = STATE_ADD;
        } else if (!add_to(t->t->columns[column].type, c->states[column], &c->values[column],
                           &params[i])) {
            return false;
        }
    }
    return true;
}

/* The row's change with another one behind it. False: they cannot be one. */
static bool join(struct change *c, const struct merge_table *t, const struct merge_row *r,
                 const struct def_op *op, const struct mapping_value *params)
{
    size_t n = t->t->column_count;
    enum def_effect before = r->shape->effect;
    memcpy(c->states, r->shape->states, n);
    memcpy(c->values, r->values, n * sizeof(struct mapping_value));
    c->effect = before == DEF_REMOVE && op->effect == DEF_CHANGE ? DEF_REMOVE
                : op->effect == DEF_CHANGE                       ? before
                                                                 : op->effect;
    if (c->effect == DEF_REMOVE) {
        memset(c->states, STATE_NONE, n);
        return true;
    }
    if (before == DEF_CHANGE && op->effect == DEF_PUT) {
        return false; /* what is changed is not there if the row was not */
    }
    for (size_t i = 0; before == DEF_REMOVE && i < n; i++) { /* nothing of it is left */
        if (!is_key(t->t, i)) {
            c->states[i] = STATE_SET;
            c->values[i] = (struct mapping_value){.kind = MAPPING_NULL};
        }
    }
    return put_params(c, t, op, params);
}

/* ---- Taking */

static bool copy_text(struct merge *m, struct mapping_value *v)
{
    if (v->kind == MAPPING_TEXT || v->kind == MAPPING_JSON) {
        v->text = v->text.n == 0 ? STR_LIT("") : arena_str(&m->rows, v->text);
    }
    return v->kind == MAPPING_NULL || !str_is_null(v->text) ||
           (v->kind != MAPPING_TEXT && v->kind != MAPPING_JSON);
}

/* What c has of the statement is copied into the row. */
static bool take(struct merge *m, struct merge_row *r, struct change *c, const struct def_op *op)
{
    for (size_t i = 0; i < op->param_count; i++) {
        size_t column = op->uses[i].column;
        if (c->states[column] != STATE_NONE && !copy_text(m, &c->values[column])) {
            return false;
        }
    }
    for (size_t i = 0; i < r->table->t->column_count; i++) {
        if (c->states[i] != STATE_NONE) {
            r->values[i] = c->values[i];
        }
    }
    return true;
}

/* A row of which nothing was held back. *taken false: its shape would be one too many. */
static enum err first_change(struct merge *m, struct merge_table *t, const struct def_op *op,
                             const struct mapping_value *params, uint64_t hash, bool *taken,
                             struct ectx *ec)
{
    struct change c;
    struct merge_shape *shape = NULL;
    memset(c.states, STATE_NONE, t->t->column_count); /* values only where there is a state */
    if (!put_params(&c, t, op, params) || !shape_of(m, t, op->effect, c.states, &shape)) {
        return no_memory(ec);
    }
    if (shape == NULL) {
        return merge_flush_table(m, t, ec);
    }
    struct merge_row *r = arena_new(&m->rows, struct merge_row);
    struct mapping_value *values = arena_new_n(&m->rows, struct mapping_value, t->t->column_count);
    if (r == NULL || values == NULL || !make_room(t)) {
        return no_memory(ec);
    }
    *r = (struct merge_row){.table = t, .shape = shape, .hash = hash, .values = values};
    for (size_t i = 0; i < t->t->key_count; i++) {
        values[t->t->key[i]] = c.values[t->t->key[i]];
        if (!copy_text(m, &values[t->t->key[i]])) {
            return no_memory(ec);
        }
    }
    if (!take(m, r, &c, op)) {
        return no_memory(ec);
    }
    t->rows[t->count++] = r;
    m->count++;
    put_slot(t, r);
    *taken = true;
    return ERR_OK;
}

/* One more of a row that is held back. *taken false: the two cannot be one; the first has gone. */
static enum err next_change(struct merge *m, struct merge_table *t, struct merge_row *r,
                            const struct def_op *op, const struct mapping_value *params,
                            bool *taken, struct ectx *ec)
{
    struct change c;
    struct merge_shape *shape = NULL;
    if (!join(&c, t, r, op, params)) {
        return merge_flush_table(m, t, ec);
    }
    if (!shape_of(m, t, c.effect, c.states, &shape)) {
        return no_memory(ec);
    }
    if (shape == NULL) {
        return merge_flush_table(m, t, ec);
    }
    r->shape = shape;
    *taken = take(m, r, &c, op);
    return *taken ? ERR_OK : no_memory(ec);
}

MUST_USE enum err merge_op(struct merge *m, const struct def_op *op,
                           const struct mapping_value *params, bool *taken, struct ectx *ec)
{
    *taken = false;
    if (op->effect == DEF_OWN || m->count >= MERGE_ROWS_MAX || m->rows.used > MERGE_BYTES_MAX) {
        enum err e = merge_flush(m, ec);
        if (e != ERR_OK || op->effect == DEF_OWN) {
            return e;
        }
    }
    struct merge_table *t = &m->tables[op->table - m->d->tables];
    if (!t->able || !op->by_key || !all_suit(t, op, params)) {
        return merge_flush_table(m, t, ec);
    }
    uint64_t hash = hash_key(op, params);
    struct merge_row *r = find_row(t, op, params, hash);
    enum err e = r == NULL ? ERR_OK : next_change(m, t, r, op, params, taken, ec);
    return e != ERR_OK || *taken ? e : first_change(m, t, op, params, hash, taken, ec);
}
