/*
 * Statements of PostgreSQL: prepared, run with parameters, asked for rows.
 *
 * The server keeps a prepared statement until it is told otherwise, and a connection may live for
 * months. Whoever finalizes one may be on another thread than the connection's, and in a
 * transaction that failed, where nothing can be said; so it is put on a list, and the next one that
 * is prepared says it for all of them. What is asked once has no name, and leaves nothing.
 */
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/mem.h"
#include "proj/postgres_int.h"

#define PENDING_MAX 256u /* statements sent and not yet answered */
#define ARENA_KEEP  (256u << 10)
#define LEFT_MAX    64u /* rows behind the last that was wanted, read over at once */

struct target_stmt {
    struct target_db *db;
    char name[16];
    struct target_stmt *next; /* finalized, and the server does not know it yet */
};

static void put_closed(struct target_stmt *s)
{
    s->next = atomic_load(&s->db->closed);
    while (!atomic_compare_exchange_weak(&s->db->closed, &s->next, s)) {
    }
}

void postgres_finalize(struct target_stmt *s)
{
    if (s != NULL) {
        put_closed(s);
    }
}

void postgres_forget_closed(struct target_db *db)
{
    struct target_stmt *s = atomic_exchange(&db->closed, NULL);
    while (s != NULL) {
        struct target_stmt *next = s->next;
        mem_free(s);
        s = next;
    }
}

/* In a transaction that failed, or without memory: the next time. */
static void tell_closed(struct target_db *db)
{
    struct target_stmt *s = atomic_exchange(&db->closed, NULL);
    struct buf *sql = &db->bulk;
    buf_clear(sql);
    for (struct target_stmt *at = s; at != NULL; at = at->next) {
        buf_printf(sql, "DEALLOCATE %s;", at->name);
    }
    buf_put_u8(sql, 0);
    bool told = s == NULL;
    if (s != NULL && !buf_failed(sql)) {
        postgres_wait(db);
        PGresult *r = db->l->PQexec(db->conn, (const char *)sql->p);
        postgres_waited(db);
        told = postgres_result(db, r, NULL) == ERR_OK;
        db->l->PQclear(r);
    }
    while (s != NULL) {
        struct target_stmt *next = s->next;
        if (told) {
            mem_free(s);
        } else {
            put_closed(s);
        }
        s = next;
    }
}

enum err postgres_prepare(struct target_db *db, struct str sql, struct target_stmt **out,
                          struct ectx *ec)
{
    enum err e = postgres_settle(db, ec);
    struct target_stmt *s = e != ERR_OK ? NULL : mem_new(struct target_stmt);
    char *text = e != ERR_OK ? NULL : str_dup_z(sql);
    if (s == NULL || text == NULL) {
        mem_free(s);
        mem_free(text);
        return e != ERR_OK ? e : ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    tell_closed(db);
    s->db = db;
    (void)snprintf(s->name, sizeof(s->name), "s%u", ++db->statements);
    postgres_wait(db);
    PGresult *r = db->l->PQprepare(db->conn, s->name, text, 0, NULL);
    postgres_waited(db);
    e = postgres_result(db, r, ec);
    db->l->PQclear(r);
    mem_free(text);
    if (e != ERR_OK) {
        mem_free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

enum err postgres_count_params(struct target_stmt *s, size_t *out, struct ectx *ec)
{
    struct target_db *db = s->db;
    enum err e = postgres_settle(db, ec);
    if (e != ERR_OK) {
        return e;
    }
    postgres_wait(db);
    PGresult *r = db->l->PQdescribePrepared(db->conn, s->name);
    postgres_waited(db);
    e = postgres_result(db, r, ec);
    *out = e == ERR_OK ? (size_t)db->l->PQnparams(r) : 0;
    db->l->PQclear(r);
    return e;
}

static enum err param_text(struct target_db *db, const struct mapping_value *v, const char **out,
                           struct ectx *ec)
{
    struct str text;
    if (v->kind == MAPPING_NULL) {
        *out = NULL;
        return ERR_OK;
    }
    bool is_text = v->kind == MAPPING_TEXT || v->kind == MAPPING_JSON;
    if (is_text && memchr(v->text.n == 0 ? "" : v->text.p, 0, v->text.n) != NULL) {
        return ectx_fail(ec, ERR_MALFORMED, "PostgreSQL: a text cannot hold a NUL character");
    }
    if (is_text) { /* with a NUL behind it */
        text = arena_str(&db->arena, v->text.n == 0 ? STR_LIT("") : v->text);
    } else if (!mapping_value_text(v, &db->arena, &text)) {
        text = STR_NULL;
    }
    *out = text.p;
    return text.p == NULL ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory") : ERR_OK;
}

static enum err all_params(struct target_db *db, const struct mapping_value *params, size_t count,
                           const char **out, struct ectx *ec)
{
    CHECK(count <= TARGET_PARAMS_MAX);
    arena_reset(&db->arena, ARENA_KEEP);
    enum err e = ERR_OK;
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = param_text(db, &params[i], &out[i], ec);
    }
    return e;
}

static enum err send_one(struct target_stmt *s, const char *const *texts, size_t count,
                         struct ectx *ec)
{
    struct target_db *db = s->db;
    postgres_read_left(db);
    if (!db->pipeline && db->l->PQenterPipelineMode(db->conn) != 1) {
        return postgres_lost(db, ec);
    }
    db->pipeline = true;
    postgres_wait(db); /* it writes what it has when that is much */
    int sent = db->l->PQsendQueryPrepared(db->conn, s->name, (int)count, texts, NULL, NULL, 0);
    postgres_waited(db);
    if (sent != 1) {
        return postgres_lost(db, ec);
    }
    if (++db->pending >= PENDING_MAX) {
        postgres_read_pending(db);
    }
    if (db->failed != ERR_OK) {
        return postgres_settle(db, ec);
    }
    return ERR_OK;
}

enum err postgres_run(struct target_stmt *s, const struct mapping_value *params, size_t count,
                      uint64_t *changed, struct ectx *ec)
{
    struct target_db *db = s->db;
    const char *texts[TARGET_PARAMS_MAX];
    enum err e = all_params(db, params, count, texts, ec);
    if (e != ERR_OK || changed == NULL) {
        return e != ERR_OK ? e : send_one(s, texts, count, ec);
    }
    e = postgres_settle(db, ec);
    if (e != ERR_OK) {
        return e;
    }
    postgres_wait(db);
    PGresult *r = db->l->PQexecPrepared(db->conn, s->name, (int)count, texts, NULL, NULL, 0);
    postgres_waited(db);
    e = postgres_result(db, r, ec);
    if (e == ERR_OK) {
        uint64_t n = 0;
        *changed = str_to_u64(str_of(db->l->PQcmdTuples(r)), &n) ? n : 0;
    }
    db->l->PQclear(r);
    return e;
}

static struct mapping_value cell(struct target_library *l, const PGresult *r, int row, int column)
{
    struct mapping_value v = {.kind = MAPPING_NULL};
    if (l->PQgetisnull(r, row, column)) {
        return v;
    }
    v.kind = MAPPING_TEXT;
    v.text = str_make(l->PQgetvalue(r, row, column), (size_t)l->PQgetlength(r, row, column));
    switch (l->PQftype(r, column)) {
    case OID_BOOL:
        v.kind = MAPPING_BOOL;
        v.boolean = v.text.n > 0 && v.text.p[0] == 't';
        break;
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
        v.kind = str_to_i64(v.text, &v.integer) ? MAPPING_INT : MAPPING_TEXT;
        break;
    case OID_FLOAT4:
    case OID_FLOAT8:
    case OID_NUMERIC:
        v.kind = str_to_f64(v.text, &v.real) ? MAPPING_REAL : MAPPING_TEXT;
        break;
    case OID_JSON:
    case OID_JSONB:
        v.kind = MAPPING_JSON;
        break;
    default:
        break;
    }
    return v;
}

/* ---- Rows: one at a time, so that not all of them are in memory */

/* What is left of a query that had enough. */
void postgres_read_left(struct target_db *db)
{
    PGresult *r = NULL;
    while (db->left) {
        postgres_wait(db);
        r = db->l->PQgetResult(db->conn);
        postgres_waited(db);
        db->left = r != NULL;
        db->l->PQclear(r);
    }
}

/* False: enough. */
static bool take_row(struct target_db *db, const PGresult *r, struct mapping_value *values,
                     target_row_fn row, void *ctx)
{
    int columns = db->l->PQnfields(r);
    CHECK((size_t)columns <= TARGET_PARAMS_MAX);
    for (int c = 0; c < columns; c++) {
        values[c] = cell(db->l, r, 0, c);
    }
    return row(ctx, values, (size_t)columns);
}

/* Of the query that was just sent. The first failure counts, and that there is no result at all. */
static enum err take_rows(struct target_db *db, bool sent, target_row_fn row, void *ctx,
                          struct ectx *ec)
{
    struct target_library *l = db->l;
    struct mapping_value values[TARGET_PARAMS_MAX]; /* here, as they are cleared each time */
    enum err e = ERR_OK;
    bool enough = false;
    unsigned more = 0;
    bool any = false;
    sent = sent && l->PQsetSingleRowMode(db->conn) == 1;
    db->left = sent;
    while (db->left) {
        PGresult *r = l->PQgetResult(db->conn);
        any = any || r != NULL;
        db->left = r != NULL;
        if (r != NULL && l->PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
            enough = enough || !take_row(db, r, values, row, ctx);
            more += enough;
        } else if (r != NULL && e == ERR_OK) {
            e = postgres_result(db, r, ec);
        }
        l->PQclear(r);
        if (more > LEFT_MAX) {
            break;
        }
    }
    postgres_waited(db);
    return any || e != ERR_OK ? e : postgres_lost(db, ec);
}

enum err postgres_query(struct target_stmt *s, const struct mapping_value *params, size_t count,
                        target_row_fn row, void *ctx, struct ectx *ec)
{
    struct target_db *db = s->db;
    const char *texts[TARGET_PARAMS_MAX];
    enum err e = postgres_settle(db, ec);
    e = e != ERR_OK ? e : all_params(db, params, count, texts, ec);
    if (e != ERR_OK) {
        return e;
    }
    postgres_wait(db);
    bool sent = db->l->PQsendQueryPrepared(db->conn, s->name, (int)count, texts, NULL, NULL, 0);
    return take_rows(db, sent, row, ctx, ec);
}

enum err postgres_ask(struct target_db *db, struct str sql, const struct mapping_value *params,
                      size_t count, target_row_fn row, void *ctx, struct ectx *ec)
{
    const char *texts[TARGET_PARAMS_MAX];
    enum err e = postgres_settle(db, ec);
    e = e != ERR_OK ? e : all_params(db, params, count, texts, ec);
    char *text = e != ERR_OK ? NULL : str_dup_z(sql);
    if (text == NULL) {
        return e != ERR_OK ? e : ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    postgres_wait(db);
    bool sent = db->l->PQsendQueryParams(db->conn, text, (int)count, NULL, texts, NULL, NULL, 0);
    mem_free(text);
    return take_rows(db, sent, row, ctx, ec);
}
