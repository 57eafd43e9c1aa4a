/*
 * PostgreSQL as a target. Statements whose outcome nobody waits for are sent in pipeline mode, many
 * in one go; what they say is read before the next call that has an outcome, so a failure is told
 * at the latest by COMMIT.
 *
 * synchronous_commit=off: a power cut of the database may take back the last transactions, never a
 * part of one; a checkpoint goes back together with its rows. What must not go back (a switch) is
 * done with it on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/compiler.h"
#include "core/mem.h"
#include "env/library.h"
#include "proj/postgres_int.h"
#include "proj/target.h"

#define VERSION_MIN     140000 /* pipeline mode */
#define PENDING_MAX     256u   /* statements sent and not yet answered */
#define PARAMS_BYTES    (160u << 20)
#define ARENA_KEEP      (256u << 10)
#define CONNECT_SECONDS "5" /* for each address, with the greeting of the server */
#define OPEN_NS         5000000000u

/* POSTGRES_WRITE_NS, where the server, the database or the role has no shorter one. */
#define WRITE_LIMIT                                                                        \
    "SELECT set_config('statement_timeout', '300000', false) FROM pg_settings WHERE name " \
    "= 'statement_timeout' AND (setting = '0' OR CAST(setting AS BIGINT) > 300000)"

struct target_stmt {
    struct target_db *db;
    char name[16];
};

static void postgres_unload(struct target_library *l)
{
    if (l != NULL) {
        postgres_wait_deinit(l);
        mem_free(l); /* the code stays until the process ends */
    }
}

static enum err postgres_load(struct target_library **out, struct ectx *ec)
{
#define POSTGRES_FIND(name) LIBRARY_FUNCTION(struct target_library, name),
    static const struct library_function functions[] = {POSTGRES_FUNCTIONS(POSTGRES_FIND)};
#undef POSTGRES_FIND
    static const struct library library = {"libpq.so.5", "projections into PostgreSQL need",
                                           "libpq5",     "libpq 14",
                                           functions,    ARRAY_LEN(functions)};
    struct target_library *l = mem_new(struct target_library);
    if (l == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    postgres_wait_init(l);
    enum err e = library_load(&library, l, ec);
    if (e == ERR_OK && l->PQlibVersion() < VERSION_MIN) {
        e = library_lacks(&library, "pipeline mode", ec);
    }
    if (e != ERR_OK) {
        postgres_unload(l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

/* ---- Errors */

static enum err error_of(const char *state)
{
    static const struct {
        const char *prefix; /* of the SQLSTATE; the first that fits */
        enum err err;
    } table[] = {
        {"22", ERR_MALFORMED},
        {"23", ERR_MALFORMED},
        {"40", ERR_AGAIN},
        {"55P03", ERR_AGAIN},
        {"57014", ERR_REQUEST_TIMED_OUT},
        {"57", ERR_CLOSED},
        {"08", ERR_CLOSED},
        {"53100", ERR_NO_SPACE},
        {"53", ERR_AGAIN},
        {"54", ERR_MALFORMED}, /* a value is too long for an index */
        {"25006", ERR_READ_ONLY},
        {"28", ERR_PERMISSION},
        {"42501", ERR_PERMISSION},
        {"42", ERR_CONFIG},
        {"XX001", ERR_DAMAGED},
    };
    for (size_t i = 0; state != NULL && i < ARRAY_LEN(table); i++) {
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0) {
            return table[i].err;
        }
    }
    return ERR_IO;
}

MUST_USE enum err postgres_lost(struct target_db *db, struct ectx *ec)
{
    struct str text = str_trim(str_of(db->l->PQerrorMessage(db->conn)));
    if (postgres_wait_was_broken(db)) {
        return ectx_fail(ec, ERR_CLOSED, "PostgreSQL: no answer for %u s: broken off",
                         (unsigned)((db->limit_ns + POSTGRES_GRACE_NS) / 1000000000u));
    }
    return ectx_fail(ec, ERR_CLOSED, "PostgreSQL: %.*s", (int)(text.n > 300 ? 300 : text.n),
                     text.p);
}

MUST_USE enum err postgres_result(struct target_db *db, const PGresult *r, struct ectx *ec)
{
    struct target_library *l = db->l;
    if (r == NULL) {
        return postgres_lost(db, ec);
    }
    ExecStatusType status = l->PQresultStatus(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_PIPELINE_SYNC) {
        return ERR_OK;
    }
    if (status == PGRES_PIPELINE_ABORTED) {
        return ectx_fail(ec, ERR_IO, "PostgreSQL: not done, an earlier statement failed");
    }
    if (l->PQstatus(db->conn) != CONNECTION_OK) {
        return postgres_lost(db, ec);
    }
    const char *text = l->PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    return ectx_fail(ec, error_of(l->PQresultErrorField(r, PG_DIAG_SQLSTATE)), "PostgreSQL: %s",
                     text == NULL ? "failed" : text);
}

/* ---- The pipeline */

/* Reads what the statements that were sent say; the first failure is remembered. */
static void read_pending(struct target_db *db)
{
    struct target_library *l = db->l;
    if (db->pending == 0) {
        return;
    }
    postgres_wait(db);
    bool synced = l->PQpipelineSync(db->conn) != 1;
    bool broken = synced;
    db->pending = 0;
    while (!synced) {
        postgres_wait(db); /* for each answer anew: the limit is of one statement */
        PGresult *r = l->PQgetResult(db->conn);
        if (r == NULL) {
            if (l->PQstatus(db->conn) != CONNECTION_OK) {
                broken = true;
                break;
            }
            continue; /* the end of one statement */
        }
        synced = l->PQresultStatus(r) == PGRES_PIPELINE_SYNC;
        struct ectx ec;
        enum err e = postgres_result(db, r, &ec);
        if (e != ERR_OK && db->failed == ERR_OK) {
            db->failed = e;
            db->failed_ec = ec;
        }
        l->PQclear(r);
    }
    postgres_waited(db);
    if (broken && db->failed == ERR_OK) {
        db->failed = postgres_lost(db, &db->failed_ec);
    }
}

/* Out of the pipeline, for a call that has an outcome of its own. What failed before is told now,
 * once. */
MUST_USE enum err postgres_settle(struct target_db *db, struct ectx *ec)
{
    read_pending(db);
    if (db->pipeline) {
        (void)db->l->PQexitPipelineMode(db->conn);
        db->pipeline = false;
    }
    enum err e = db->failed;
    if (e != ERR_OK && ec != NULL) {
        *ec = db->failed_ec;
    }
    db->failed = ERR_OK;
    return e;
}

/* ---- Calls */

static void be_silent(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
}

static void postgres_close(struct target_db *db)
{
    if (db != NULL) {
        postgres_wait(db);
        db->l->PQfinish(db->conn);
        postgres_wait_remove(db);
        arena_deinit(&db->arena);
        buf_deinit(&db->bulk);
        mem_free(db);
    }
}

static enum err run_text(struct target_db *db, const char *sql, struct ectx *ec)
{
    postgres_wait(db);
    PGresult *r = db->l->PQexec(db->conn, sql);
    postgres_waited(db);
    enum err e = postgres_result(db, r, ec);
    db->l->PQclear(r);
    return e;
}

static enum err postgres_exec(struct target_db *db, const char *sql, struct ectx *ec)
{
    enum err e = postgres_settle(db, ec);
    if (e != ERR_OK && strncmp(sql, "ROLLBACK", 8) != 0) {
        return e;
    }
    return run_text(db, sql, ec);
}

static enum err postgres_exec_long(struct target_db *db, const char *sql, struct ectx *ec)
{
    enum err e = postgres_exec(db, "RESET statement_timeout", ec);
    if (e == ERR_OK) {
        uint64_t limit = db->limit_ns;
        db->limit_ns = 0;
        e = postgres_exec(db, sql, ec);
        db->limit_ns = limit;
        IGNORE(run_text(db, WRITE_LIMIT, NULL) == ERR_OK);
    }
    return e;
}

/* Why there is no connection. A failure to connect has no SQLSTATE; a server that speaks another
 * language tells its own words all the same. */
static enum err not_connected(struct target_db *db, struct ectx *ec)
{
    enum err e = postgres_lost(db, ec);
    struct ectx own = *ec;
    if (strstr(own.text, "too many c") != NULL || strstr(own.text, "connection slots") != NULL) {
        e = ectx_fail(ec, ERR_AGAIN, "too many connections: %.300s", own.text);
        ectx_hint(ec, "raise max_connections, or the limit of the role or database");
    }
    return e;
}

static enum err postgres_open(struct target_library *l, struct str where, unsigned flags,
                              struct target_db **out, struct ectx *ec)
{
    struct target_db *db = mem_new(struct target_db);
    char *text = str_dup_z(where);
    if (db == NULL || text == NULL) {
        mem_free(db);
        mem_free(text);
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    db->l = l;
    arena_init(&db->arena, PARAMS_BYTES);
    buf_init(&db->bulk, POSTGRES_BULK_BYTES);
    /* What the target says comes last, and may say otherwise. */
    const char *const names[] = {"connect_timeout",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "tcp_user_timeout",
                                 "dbname",
                                 NULL};
    const char *const values[] = {CONNECT_SECONDS, "10", "5", "4", "30000", text, NULL};
    db->conn = l->PQconnectdbParams(names, values, 1);
    mem_free(text);
    enum err e = ERR_OK;
    if (db->conn == NULL) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    } else if (l->PQstatus(db->conn) != CONNECTION_OK) {
        struct ectx own;
        e = not_connected(db, ec == NULL ? &own : ec);
    } else {
        (void)l->PQsetNoticeProcessor(db->conn, be_silent, NULL);
        db->limit_ns = OPEN_NS;
        e = postgres_wait_add(db, ec);
        e = e != ERR_OK
                ? e
                : run_text(
                      db,
                      (flags & TARGET_READ_ONLY) != 0
                          ? "SET client_encoding = 'UTF8'; SET default_transaction_read_only = on"
                          : "SET client_encoding = 'UTF8'; SET synchronous_commit = off; "
                            "SET lock_timeout = '5s'; " WRITE_LIMIT,
                      ec);
        db->limit_ns = POSTGRES_WRITE_NS;
    }
    if (e != ERR_OK) {
        postgres_close(db);
        return e;
    }
    *out = db;
    return ERR_OK;
}

static enum err postgres_prepare(struct target_db *db, struct str sql, struct target_stmt **out,
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

/* The connection keeps it until it is closed: there are few, and closing it would be a round trip.
 */
static void postgres_finalize(struct target_stmt *s)
{
    mem_free(s);
}

static enum err postgres_count_params(struct target_stmt *s, size_t *out, struct ectx *ec)
{
    struct target_db *db = s->db;
    enum err e = postgres_settle(db, ec);
    if (e != ERR_OK) {
        return e;
    }
    PGresult *r = db->l->PQdescribePrepared(db->conn, s->name);
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
        read_pending(db);
    }
    if (db->failed != ERR_OK) {
        return postgres_settle(db, ec);
    }
    return ERR_OK;
}

static enum err postgres_run(struct target_stmt *s, const struct mapping_value *params,
                             size_t count, uint64_t *changed, struct ectx *ec)
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

static enum err postgres_query(struct target_stmt *s, const struct mapping_value *params,
                               size_t count, target_row_fn row, void *ctx, struct ectx *ec)
{
    struct target_db *db = s->db;
    struct target_library *l = db->l;
    const char *texts[TARGET_PARAMS_MAX];
    struct mapping_value values[TARGET_PARAMS_MAX];
    enum err e = postgres_settle(db, ec);
    e = e != ERR_OK ? e : all_params(db, params, count, texts, ec);
    if (e != ERR_OK) {
        return e;
    }
    postgres_wait(db);
    PGresult *r = l->PQexecPrepared(db->conn, s->name, (int)count, texts, NULL, NULL, 0);
    postgres_waited(db);
    e = postgres_result(db, r, ec);
    int columns = e == ERR_OK ? l->PQnfields(r) : 0;
    CHECK((size_t)columns <= TARGET_PARAMS_MAX);
    for (int i = 0; e == ERR_OK && i < l->PQntuples(r); i++) {
        for (int c = 0; c < columns; c++) {
            values[c] = cell(l, r, i, c);
        }
        if (!row(ctx, values, (size_t)columns)) {
            break;
        }
    }
    l->PQclear(r);
    return e;
}

static void postgres_set_timeout(struct target_db *db, uint64_t ns)
{
    if (db->timeout_ns != ns) {
        char sql[64];
        (void)snprintf(sql, sizeof(sql), "SET statement_timeout = %llu",
                       (unsigned long long)(ns / 1000000));
        if (postgres_exec(db, sql, NULL) == ERR_OK) {
            db->timeout_ns = ns;
            db->limit_ns = ns;
        }
    }
}

static enum err postgres_set_durable(struct target_db *db, bool durable, struct ectx *ec)
{
    return postgres_exec(
        db, durable ? "SET synchronous_commit = on" : "SET synchronous_commit = off", ec);
}

static enum err postgres_lock(struct target_db *db, int32_t high, int32_t low, struct ectx *ec)
{
    char sql[96];
    (void)snprintf(sql, sizeof(sql), "SELECT pg_advisory_xact_lock(%ld, %ld)", (long)high,
                   (long)low);
    return postgres_exec(db, sql, ec);
}

const struct target_driver target_postgres = {
    .name = "postgres",
    .lanes = 4,
    .load = postgres_load,
    .unload = postgres_unload,
    .interrupt = postgres_interrupt,
    .expire = postgres_expire,
    .open = postgres_open,
    .close = postgres_close,
    .exec = postgres_exec,
    .exec_long = postgres_exec_long,
    .prepare = postgres_prepare,
    .finalize = postgres_finalize,
    .count_params = postgres_count_params,
    .run = postgres_run,
    .flush = postgres_settle,
    .query = postgres_query,
    .run_rows = postgres_run_rows,
    .copy_rows = postgres_copy_rows,
    .set_timeout = postgres_set_timeout,
    .set_durable = postgres_set_durable,
    .lock = postgres_lock,
    .begin = "BEGIN",
    .has_table = "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass($1)",
    .types = {"TEXT", "BIGINT", "DOUBLE PRECISION", "BOOLEAN", "JSON"},
    .tells_json = true,
    .table_suffix = "",
};
