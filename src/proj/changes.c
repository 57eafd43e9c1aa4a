/*
 * Noting what a transaction changes. A statement by key tells its row in its values. One with other
 * conditions is run with RETURNING, which both databases have, and so tells them itself. Of SQL of
 * one's own, and of an update that changes a key, nobody knows which rows there were before: the
 * tables that it names are `unknown`.
 */
#include "proj/changes.h"

#include <string.h>

#include "core/compiler.h"
#include "proj/apply_int.h"

void changes_init(struct changes *c)
{
    memset(c, 0, sizeof(*c));
    arena_init(&c->arena, CHANGES_BYTES + CHANGES_MAX * 2 * sizeof(struct change));
}

void changes_deinit(struct changes *c)
{
    arena_deinit(&c->arena);
}

void changes_clear(struct changes *c)
{
    arena_reset(&c->arena, 64u << 10);
    c->list = NULL;
    c->count = 0;
    c->room = 0;
    c->unknown = 0;
    c->lost = false;
}

/* Room for one more; NULL: they are lost. */
static struct change *add(struct changes *c)
{
    if (c->count == c->room && !c->lost) {
        size_t room = c->room == 0 ? 64 : 2 * c->room;
        struct change *more =
            room > CHANGES_MAX ? NULL : arena_new_n(&c->arena, struct change, room);
        if (more != NULL && c->count > 0) {
            memcpy(more, c->list, c->count * sizeof(*more));
        }
        c->list = more == NULL ? c->list : more;
        c->room = more == NULL ? c->room : room;
        c->lost = more == NULL;
    }
    return c->lost ? NULL : &c->list[c->count];
}

static bool copy(struct changes *c, const struct mapping_value *v, struct mapping_value *out)
{
    *out = *v;
    if (v->kind == MAPPING_TEXT || v->kind == MAPPING_JSON) {
        out->text = arena_str(&c->arena, str_is_null(v->text) ? STR_LIT("") : v->text);
        return !str_is_null(out->text);
    }
    return true;
}

/* The value of a column of the key among the parameters. */
static const struct mapping_value *key_value(const struct def_op *op, size_t column,
                                             const struct mapping_value *params)
{
    for (size_t i = 0; i < op->param_count; i++) {
        if (op->uses[i].use == DEF_KEY && op->uses[i].column == column) {
            return &params[i];
        }
    }
    return NULL;
}

void changes_note(struct changes *c, const struct def *d, const struct def_op *op,
                  const struct mapping_value *params, uint64_t position)
{
    if (!op->by_key) {
        c->unknown |= op->table == NULL ? op->tables : 1u << (op->table - d->tables);
        return;
    }
    struct change *change = add(c);
    struct mapping_value *key =
        change == NULL ? NULL : arena_new_n(&c->arena, struct mapping_value, op->table->key_count);
    bool good = key != NULL;
    for (size_t i = 0; good && i < op->table->key_count; i++) {
        const struct mapping_value *v = key_value(op, op->table->key[i], params);
        good = v != NULL && copy(c, v, &key[i]);
    }
    c->lost = c->lost || !good;
    if (good) {
        *change = (struct change){(size_t)(op->table - d->tables), position, c->index, key};
        c->count++;
    }
}

/* ---- Statements that tell their rows */

bool changes_must_ask(const struct def_op *op)
{
    if (op->by_key || op->table == NULL) {
        return false;
    }
    for (size_t i = 0; i < op->param_count; i++) {
        for (size_t k = 0; k < op->table->key_count; k++) {
            if (op->uses[i].use != DEF_KEY && op->uses[i].column == op->table->key[k]) {
                return false; /* the row that it was would go unseen */
            }
        }
    }
    return true;
}

static enum err prepare(struct apply *a, const struct def_op *op, struct ectx *ec)
{
    struct buf sql;
    buf_init(&sql, 128u << 10);
    buf_put_str(&sql, op->sql);
    for (size_t i = 0; i < op->table->key_count; i++) {
        buf_put_z(&sql, i == 0 ? " RETURNING " : ", ");
        def_put_name(&sql, op->table->columns[op->table->key[i]].name);
    }
    enum err e = buf_failed(&sql)
                     ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory")
                     : a->driver->prepare(a->db, buf_str(&sql), &a->asking[op->stmt], ec);
    buf_deinit(&sql);
    return e;
}

struct taker {
    struct changes *c;
    size_t table, key_count;
    uint64_t position;
};
static bool take_key(void *ctx, const struct mapping_value *values, size_t count)
{
    struct taker *t = ctx;
    struct change *change = add(t->c);
    struct mapping_value *key =
        change == NULL ? NULL : arena_new_n(&t->c->arena, struct mapping_value, t->key_count);
    bool good = key != NULL && count >= t->key_count;
    for (size_t i = 0; good && i < t->key_count; i++) {
        good = copy(t->c, &values[i], &key[i]);
    }
    t->c->lost = t->c->lost || !good;
    if (good) {
        *change = (struct change){t->table, t->position, t->c->index, key};
        t->c->count++;
    }
    return true; /* all of them must be changed, whatever we can note */
}

MUST_USE enum err changes_run(struct apply *a, const struct def_op *op,
                              const struct mapping_value *params, uint64_t position,
                              struct ectx *ec)
{
    struct taker t = {.c = a->changes,
                      .table = (size_t)(op->table - a->d->tables),
                      .key_count = op->table->key_count,
                      .position = position};
    enum err e = a->asking[op->stmt] == NULL ? prepare(a, op, ec) : ERR_OK;
    return e != ERR_OK
               ? e
               : a->driver->query(a->asking[op->stmt], params, op->param_count, take_key, &t, ec);
}
