/*
 * Many rows to PostgreSQL in one piece, in its binary formats: as arrays that are parameters of one
 * statement, or as the rows of a COPY.
 *
 *   array   dimensions 1, nulls there may be 1, type of the elements, count, first index 1; then
 *           for each element its length (null: -1) and its bytes
 *   COPY    "PGCOPY\n\377\r\n\0", flags 0, length of an extension 0; for each row the number of
 *           columns, then each as above; -1 at the end
 */
#include <string.h>

#include "core/check.h"
#include "core/compiler.h"
#include "proj/postgres_int.h"

#define CHUNK_BYTES (128u << 10) /* of COPY, handed over at once */
#define BULK_KEEP   (4u << 20)   /* of memory, for the next time */

static const uint32_t element_types[] = {
    [DEF_TEXT] = OID_TEXT,    [DEF_INTEGER] = OID_INT8, [DEF_REAL] = OID_FLOAT8,
    [DEF_BOOLEAN] = OID_BOOL, [DEF_JSON] = OID_JSON,
};

static void put_value(struct buf *b, enum def_type type, const struct mapping_value *v)
{
    uint64_t bits = 0;
    double real = 0;
    switch (v->kind) {
    case MAPPING_NULL:
        buf_put_be32(b, UINT32_MAX);
        break;
    case MAPPING_BOOL:
        buf_put_be32(b, 1);
        buf_put_u8(b, v->boolean);
        break;
    case MAPPING_INT:
    case MAPPING_REAL:
        bits = (uint64_t)v->integer;
        if (type == DEF_REAL) {
            real = v->kind == MAPPING_REAL ? v->real : (double)v->integer;
            memcpy(&bits, &real, sizeof(bits));
        }
        buf_put_be32(b, 8);
        buf_put_be64(b, bits);
        break;
    case MAPPING_TEXT:
    case MAPPING_JSON:
        buf_put_be32(b, (uint32_t)v->text.n);
        buf_put_str(b, v->text);
        break;
    }
}

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "out of memory for rows to PostgreSQL");
}

/* Memory for an unusually large step is not kept. */
static void trim(struct target_db *db)
{
    if (db->bulk.cap > BULK_KEEP) {
        buf_deinit(&db->bulk);
        buf_init(&db->bulk, POSTGRES_BULK_BYTES);
    }
}

/* ---- Arrays */

static void put_array(struct buf *b, const struct target_rows *rows, size_t column)
{
    buf_put_be32(b, 1);
    buf_put_be32(b, 1);
    buf_put_be32(b, element_types[rows->types[column]]);
    buf_put_be32(b, (uint32_t)rows->row_count);
    buf_put_be32(b, 1);
    for (size_t i = 0; i < rows->row_count; i++) {
        put_value(b, rows->types[column], &rows->rows[i][rows->columns[column]]);
    }
}

enum err postgres_run_rows(struct target_db *db, const char *sql, const struct target_rows *rows,
                           struct ectx *ec)
{
    size_t ends[TARGET_PARAMS_MAX];
    const char *values[TARGET_PARAMS_MAX];
    int lengths[TARGET_PARAMS_MAX];
    int formats[TARGET_PARAMS_MAX];
    CHECK(rows->column_count <= TARGET_PARAMS_MAX);
    enum err e = postgres_settle(db, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct buf *b = &db->bulk;
    buf_clear(b);
    for (size_t c = 0; c < rows->column_count; c++) {
        put_array(b, rows, c);
        ends[c] = b->n;
    }
    if (buf_failed(b)) {
        return no_memory(ec);
    }
    for (size_t c = 0; c < rows->column_count; c++) {
        size_t from = c == 0 ? 0 : ends[c - 1];
        values[c] = (const char *)b->p + from;
        lengths[c] = (int)(ends[c] - from);
        formats[c] = 1;
    }
    /* Planned each time, for as many rows as there are: the best plan changes while a table grows.
     */
    postgres_wait(db);
    PGresult *r = db->l->PQexecParams(db->conn, sql, (int)rows->column_count, NULL, values, lengths,
                                      formats, 0);
    postgres_waited(db);
    e = postgres_result(db, r, ec);
    db->l->PQclear(r);
    trim(db);
    return e;
}

/* ---- COPY */

static bool send_chunk(struct target_db *db)
{
    postgres_wait(db);
    bool sent = db->l->PQputCopyData(db->conn, (const char *)db->bulk.p, (int)db->bulk.n) == 1;
    postgres_waited(db);
    buf_clear(&db->bulk);
    return sent;
}

/* False: the connection is lost, or the memory (then buf_failed). */
static bool send_rows(struct target_db *db, const struct target_rows *rows)
{
    struct buf *b = &db->bulk;
    buf_clear(b);
    buf_put(b, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    for (size_t i = 0; i < rows->row_count; i++) {
        buf_put_be16(b, (uint16_t)rows->column_count);
        for (size_t c = 0; c < rows->column_count; c++) {
            put_value(b, rows->types[c], &rows->rows[i][rows->columns[c]]);
        }
        if (buf_failed(b) || (b->n >= CHUNK_BYTES && !send_chunk(db))) {
            return false;
        }
    }
    buf_put_be16(b, UINT16_MAX);
    return !buf_failed(b) && send_chunk(db);
}

enum err postgres_copy_rows(struct target_db *db, const char *sql, const struct target_rows *rows,
                            struct ectx *ec)
{
    struct target_library *l = db->l;
    enum err e = postgres_settle(db, ec);
    if (e != ERR_OK) {
        return e;
    }
    postgres_wait(db);
    PGresult *r = l->PQexec(db->conn, sql);
    postgres_waited(db);
    bool ready = l->PQresultStatus(r) == PGRES_COPY_IN;
    e = ready ? ERR_OK : postgres_result(db, r, ec);
    l->PQclear(r);
    if (!ready) {
        return e != ERR_OK ? e : ectx_fail(ec, ERR_IO, "PostgreSQL: no COPY");
    }
    bool sent = send_rows(db, rows);
    bool memory = buf_failed(&db->bulk);
    postgres_wait(db);
    if (l->PQputCopyEnd(db->conn, sent ? NULL : "given up") != 1) {
        postgres_waited(db);
        return postgres_lost(db, ec);
    }
    r = l->PQgetResult(db->conn);
    e = postgres_result(db, r, ec);
    for (; r != NULL; r = l->PQgetResult(db->conn)) {
        l->PQclear(r);
    }
    postgres_waited(db);
    trim(db);
    return memory ? no_memory(ec) : e;
}
