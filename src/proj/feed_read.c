/* Rows of the feed: read by key, one after the other, on a read-only connection of its own. */
#include <string.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "proj/apply_int.h"
#include "proj/feed.h"
#include "proj/query_int.h"

#define KEY_BYTES (16u << 10) /* its numbers as texts */

static size_t text_bytes(const struct mapping_value *v)
{
    return v->kind == MAPPING_TEXT || v->kind == MAPPING_JSON ? v->text.n + 1 : 0;
}

struct feed_entry *feed_entry_new(size_t cells, const struct mapping_value *values)
{
    size_t head = sizeof(struct feed_entry) + cells * sizeof(struct mapping_value);
    size_t bytes = head;
    for (size_t i = 0; i < cells; i++) {
        bytes += text_bytes(&values[i]);
    }
    struct feed_entry *e = bytes > FEED_BYTES ? NULL : mem_zalloc(1, bytes);
    if (e == NULL) {
        return NULL;
    }
    struct mapping_value *copy = (struct mapping_value *)(void *)(e + 1);
    char *at = (char *)e + head;
    for (size_t i = 0; i < cells; i++) {
        copy[i] = values[i];
        if (text_bytes(&values[i]) > 0) {
            if (values[i].text.n > 0) {
                memcpy(at, values[i].text.p, values[i].text.n);
            }
            copy[i].text = str_make(at, values[i].text.n);
            at += values[i].text.n + 1;
        }
    }
    e->cells = copy;
    e->bytes = bytes;
    return e;
}

static enum err prepare(struct feed *f, const struct def *d, size_t table)
{
    const struct def_table *t = &d->tables[table];
    struct buf sql;
    buf_init(&sql, 64u << 10);
    for (size_t i = 0; i < t->column_count; i++) {
        buf_put_z(&sql, i == 0 ? "SELECT " : ", ");
        def_put_name(&sql, t->columns[i].name);
    }
    buf_put_z(&sql, " FROM ");
    def_put_table(&sql, t->name, d->version);
    for (size_t i = 0; i < t->key_count; i++) {
        buf_put_z(&sql, i == 0 ? " WHERE " : " AND ");
        def_put_name(&sql, t->columns[t->key[i]].name);
        buf_printf(&sql, " = $%zu", i + 1);
    }
    struct reading *r = &f->reading;
    enum err e = buf_failed(&sql)
                     ? ectx_fail(&r->ec, ERR_NO_MEMORY, "out of memory")
                     : f->pr->driver->prepare(r->db, buf_str(&sql), &r->stmts[table], &r->ec);
    buf_deinit(&sql);
    return e;
}

void feed_read_close(struct feed *f)
{
    struct reading *r = &f->reading;
    for (size_t i = 0; i < PROJ_TABLES_MAX; i++) {
        f->pr->driver->finalize(r->stmts[i]);
        r->stmts[i] = NULL;
    }
    f->pr->driver->close(r->db);
    r->db = NULL;
    r->broken = false;
}

struct taker {
    struct feed_entry *entry;
    bool failed;
};
static bool take_row(void *ctx, const struct mapping_value *values, size_t count)
{
    struct taker *t = ctx;
    t->entry = feed_entry_new(count, values);
    t->failed = t->entry == NULL;
    return false;
}

/* A value of a key as its column has it: what a statement told (SQLite: 1) is true. */
static struct mapping_value as_stored(const struct def_table *t, size_t column,
                                      struct mapping_value v, struct arena *a)
{
    struct mapping_value out;
    struct str text;
    column_give(t->columns[column].type, &v);
    return v.kind != MAPPING_NULL && mapping_value_text(&v, a, &text) &&
                   query_value(t, column, text, &out, NULL) == ERR_OK
               ? out
               : v;
}

static struct feed_entry *gone_row(const struct def_table *t, const struct feed_key *k)
{
    struct arena a;
    struct mapping_value cells[PROJ_COLUMNS_MAX] = {{.kind = MAPPING_NULL}};
    arena_init(&a, KEY_BYTES);
    for (size_t i = 0; i < t->key_count; i++) {
        cells[t->key[i]] = as_stored(t, t->key[i], k->key[i], &a);
    }
    struct feed_entry *e = feed_entry_new(t->column_count, cells);
    arena_deinit(&a);
    if (e != NULL) {
        e->kind = PROJ_CHANGE_DELETE;
    }
    return e;
}

/* The row of a key, or that it is gone. */
static enum err read_one(struct feed *f, const struct def *d, const struct feed_key *k,
                         struct feed_entry **out)
{
    struct reading *r = &f->reading;
    const struct def_table *t = &d->tables[k->table];
    struct taker taker = {0};
    enum err e = r->stmts[k->table] == NULL ? prepare(f, d, k->table) : ERR_OK;
    e = e != ERR_OK ? e
                    : f->pr->driver->query(r->stmts[k->table], k->key, t->key_count, take_row,
                                           &taker, &r->ec);
    if (e == ERR_OK && taker.entry == NULL && !taker.failed) {
        taker.entry = gone_row(t, k);
        taker.failed = taker.entry == NULL;
    } else if (taker.entry != NULL) {
        taker.entry->kind = PROJ_CHANGE_UPSERT;
    }
    if (e != ERR_OK || taker.failed) {
        mem_free(taker.entry);
        return e != ERR_OK
                   ? e
                   : ectx_fail(&r->ec, ERR_NO_MEMORY, "no memory for a row, or it is too large");
    }
    taker.entry->table = k->table;
    taker.entry->tables = 1u << k->table;
    taker.entry->position = k->position;
    taker.entry->index = k->index;
    taker.entry->version = d->version;
    *out = taker.entry;
    return ERR_OK;
}

void feed_read_run(struct env_job *job)
{
    struct reading *r = CONTAINER_OF(job, struct reading, job);
    struct feed *f = CONTAINER_OF(r, struct feed, reading);
    const struct def *d = r->run->d;
    if (r->db != NULL && (r->broken || r->version != d->version)) {
        feed_read_close(f);
    }
    r->version = d->version;
    r->err = r->db != NULL ? ERR_OK
                           : f->pr->driver->open(f->pr->library, f->pr->where, TARGET_READ_ONLY,
                                                 &r->db, &r->ec);
    if (r->err == ERR_OK) {
        f->pr->driver->set_timeout(r->db, PROJ_QUERY_NS_MAX);
    }
    for (size_t i = 0; i < r->count && r->err == ERR_OK; i++) {
        r->err = read_one(f, d, r->keys[i], &r->made[i]);
    }
}
