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

#include "core/compiler.h"
#include "core/mem.h"
#include "env/library.h"
#include "proj/postgres_int.h"
#include "proj/target.h"

#define VERSION_MIN     140000 /* pipeline mode */
#define PARAMS_BYTES    (160u << 20)
#define CONNECT_SECONDS "5" /* for each address, with the greeting of the server */
#define OPEN_NS         5000000000u

/* POSTGRES_WRITE_NS, where the server, the database or the role has no shorter one. */
#define WRITE_LIMIT                                                                        \
    "SELECT set_config('statement_timeout', '300000', false) FROM pg_settings WHERE name " \
    "= 'statement_timeout' AND (setting = '0' OR CAST(setting AS BIGINT) > 300000)"

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
        {"2B", ERR_CONFIG}, /* somebody has made something on top of it */
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

void postgres_read_pending(struct target_db *db)
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
    postgres_read_left(db);
    postgres_read_pending(db);
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
        postgres_forget_closed(db);
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
    .ask = postgres_ask,
    .run_rows = postgres_run_rows,
    .copy_rows = postgres_copy_rows,
    .set_timeout = postgres_set_timeout,
    .set_durable = postgres_set_durable,
    .lock = postgres_lock,
    .begin = "BEGIN",
    .has_table = "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass($1)",
    .has_name = "SELECT COUNT(*) FROM pg_class WHERE relname = $1 AND relnamespace = (SELECT oid "
                "FROM pg_namespace WHERE nspname = current_schema())",
    .types = {"TEXT", "BIGINT", "DOUBLE PRECISION", "BOOLEAN", "JSON"},
    .tells_json = true,
    .table_suffix = "",
};
