/*
 * SQLite as a target. A file in WAL mode, so that readers do not wait for the writer.
 *
 * synchronous=NORMAL: a power cut may take back the last transactions, never a part of one. That is
 * enough here, because a checkpoint goes back together with its rows and the log still has the
 * events. What must not go back (a switch) is done with FULL by its caller.
 *
 * Tables are STRICT: a text in a number's column is an error of its row, not a surprise later.
 */
#include <string.h>
#include <time.h>

#include "core/check.h"
#include "core/compiler.h"
#include "core/mem.h"
#include "env/library.h"
#include "proj/sqlite_int.h"
#include "proj/target.h"

#define VERSION_MIN    3037000 /* STRICT */
#define VERSION_TEXT   "3.37"
#define BUSY_MS        200   /* then the caller tries again: workers are few */
#define PROGRESS_STEPS 20000 /* virtual machine steps between looks at the clock: some 0.2 ms */
#define SQL_BYTES_MAX  (1 << 20)

struct target_db {
    struct target_library *l;
    sqlite3 *db;
    uint64_t timeout_ns;
    uint64_t deadline_ns; /* 0: none */
};
struct target_stmt {
    struct target_db *db;
    sqlite3_stmt *stmt;
    size_t params;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sqlite_unload(struct target_library *l)
{
    if (l != NULL) {
        mem_free(l); /* the code stays until the process ends */
    }
}

static void sqlite_interrupt(struct target_library *l)
{
    atomic_store_explicit(&l->interrupted, true, memory_order_relaxed); /* see progress */
}

static enum err sqlite_load(struct target_library **out, struct ectx *ec)
{
#define SQLITE_FIND(name) LIBRARY_FUNCTION(struct target_library, name),
    static const struct library_function functions[] = {SQLITE_FUNCTIONS(SQLITE_FIND)};
#undef SQLITE_FIND
    static const struct library library = {"libsqlite3.so.0", "projections into SQLite need",
                                           "libsqlite3-0",    "SQLite " VERSION_TEXT,
                                           functions,         ARRAY_LEN(functions)};
    struct target_library *l = mem_new(struct target_library);
    if (l == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    enum err e = library_load(&library, l, ec);
    if (e == ERR_OK && l->sqlite3_libversion_number() < VERSION_MIN) {
        e = library_lacks(&library, "STRICT tables", ec);
    }
    if (e == ERR_OK && l->sqlite3_threadsafe() == 0) {
        e = library_lacks(&library, "locks for threads", ec);
    }
    if (e != ERR_OK) {
        sqlite_unload(l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

static enum err error_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_ERROR:
        return ERR_MALFORMED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_SCHEMA:
        return ERR_AGAIN;
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    case SQLITE_INTERRUPT:
        return ERR_REQUEST_TIMED_OUT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_DAMAGED;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERR_READ_ONLY;
    case SQLITE_CANTOPEN:
        return ERR_NOT_FOUND;
    default:
        return ERR_IO;
    }
}

/* What a statement names is not there (any more): no row is to blame for that. SQLite has no code
 * of its own for it. */
static bool is_of_schema(const char *text)
{
    return strncmp(text, "no such table", 13) == 0 || strncmp(text, "no such column", 14) == 0 ||
           strstr(text, " has no column named ") != NULL;
}

static enum err fail(struct target_db *db, int code, struct ectx *ec)
{
    const char *text = db->l->sqlite3_errmsg(db->db);
    bool schema = (code & 0xff) == SQLITE_ERROR && is_of_schema(text);
    if ((code & 0xff) == SQLITE_INTERRUPT && db->timeout_ns != 0 &&
        !atomic_load_explicit(&db->l->interrupted, memory_order_relaxed)) {
        return ectx_fail(ec, error_of(code), "SQLite: a statement took longer than %g s",
                         (double)db->timeout_ns / 1e9);
    }
    return ectx_fail(ec, schema ? ERR_CONFIG : error_of(code), "SQLite: %s", text);
}

/* Called every PROGRESS_STEPS; other than 0 interrupts the statement. */
static int progress(void *ctx)
{
    const struct target_db *db = ctx;
    return atomic_load_explicit(&db->l->interrupted, memory_order_relaxed) ||
           (db->deadline_ns != 0 && now_ns() > db->deadline_ns);
}

static void sqlite_close(struct target_db *db)
{
    if (db == NULL) {
        return;
    }
    if (db->db != NULL) {
        (void)db->l->sqlite3_close_v2(db->db);
    }
    mem_free(db);
}

static enum err sqlite_exec(struct target_db *db, const char *sql, struct ectx *ec)
{
    db->deadline_ns = db->timeout_ns == 0 ? 0 : now_ns() + db->timeout_ns;
    int code = db->l->sqlite3_exec(db->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? ERR_OK : fail(db, code, ec);
}

static enum err sqlite_open(struct target_library *l, struct str where, unsigned flags,
                            struct target_db **out, struct ectx *ec)
{
    struct target_db *db = mem_new(struct target_db);
    char *path = str_dup_z((flags & TARGET_MEMORY) != 0 ? STR_LIT(":memory:") : where);
    if (db == NULL || path == NULL) {
        mem_free(db);
        mem_free(path);
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    db->l = l;
    bool read_only = (flags & TARGET_READ_ONLY) != 0;
    int code = l->sqlite3_open_v2(
        path, &db->db,
        (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
            SQLITE_OPEN_NOMUTEX,
        NULL);
    enum err e = ERR_OK;
    if (code != SQLITE_OK) {
        e = ectx_fail(ec, error_of(code), "could not open SQLite file '%s': %s", path,
                      db->db == NULL ? l->sqlite3_errstr(code) : l->sqlite3_errmsg(db->db));
    } else {
        (void)l->sqlite3_busy_timeout(db->db, BUSY_MS);
        l->sqlite3_progress_handler(db->db, PROGRESS_STEPS, progress, db);
        (void)l->sqlite3_limit(db->db, SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX);
        (void)l->sqlite3_limit(db->db, SQLITE_LIMIT_ATTACHED, 0);
        (void)l->sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
        (void)l->sqlite3_db_config(db->db, SQLITE_DBCONFIG_DQS_DML, 0, (int *)NULL);
        e = sqlite_exec(db,
                        read_only ? "PRAGMA query_only=1"
                                  : "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
                                    "PRAGMA trusted_schema=0; PRAGMA temp_store=MEMORY; "
                                    "PRAGMA cache_size=-16384",
                        ec);
    }
    mem_free(path);
    if (e != ERR_OK) {
        sqlite_close(db);
        return e;
    }
    *out = db;
    return ERR_OK;
}

static enum err sqlite_prepare(struct target_db *db, struct str sql, struct target_stmt **out,
                               struct ectx *ec)
{
    struct target_stmt *s = mem_new(struct target_stmt);
    if (s == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    const char *tail = NULL;
    int code = sql.n > SQL_BYTES_MAX
                   ? SQLITE_TOOBIG
                   : db->l->sqlite3_prepare_v3(db->db, sql.p, (int)sql.n, SQLITE_PREPARE_PERSISTENT,
                                               &s->stmt, &tail);
    if (code != SQLITE_OK || s->stmt == NULL) {
        enum err e = error_of(code);
        e = ectx_fail(ec, e == ERR_MALFORMED ? ERR_CONFIG : e, "SQLite: %s",
                      code == SQLITE_OK ? "no statement" : db->l->sqlite3_errmsg(db->db));
        mem_free(s);
        return e;
    }
    s->db = db;
    s->params = (size_t)db->l->sqlite3_bind_parameter_count(s->stmt);
    if (str_trim(str_make(tail, (size_t)(sql.p + sql.n - tail))).n > 0 ||
        s->params > TARGET_PARAMS_MAX) {
        enum err e = ectx_fail(ec, ERR_CONFIG,
                               "SQLite: more than one statement, or more than %u "
                               "parameters",
                               TARGET_PARAMS_MAX);
        (void)db->l->sqlite3_finalize(s->stmt);
        mem_free(s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

static void sqlite_finalize(struct target_stmt *s)
{
    if (s != NULL) {
        (void)s->db->l->sqlite3_finalize(s->stmt);
        mem_free(s);
    }
}

static enum err sqlite_count_params(struct target_stmt *s, size_t *out, struct ectx *ec)
{
    (void)ec;
    *out = s->params;
    return ERR_OK;
}

/* Texts are the caller's until the statement is reset. */
static int bind(struct target_stmt *s, const struct mapping_value *params, size_t count)
{
    struct target_library *l = s->db->l;
    int code = SQLITE_OK;
    for (size_t i = 0; i < count && code == SQLITE_OK; i++) {
        const struct mapping_value *v = &params[i];
        int at = (int)i + 1;
        switch (v->kind) {
        case MAPPING_NULL:
            code = l->sqlite3_bind_null(s->stmt, at);
            break;
        case MAPPING_BOOL:
            code = l->sqlite3_bind_int64(s->stmt, at, v->boolean);
            break;
        case MAPPING_INT:
            code = l->sqlite3_bind_int64(s->stmt, at, v->integer);
            break;
        case MAPPING_REAL:
            code = l->sqlite3_bind_double(s->stmt, at, v->real);
            break;
        case MAPPING_TEXT:
        case MAPPING_JSON:
            code = l->sqlite3_bind_text64(s->stmt, at, v->text.n == 0 ? "" : v->text.p, v->text.n,
                                          SQLITE_STATIC, SQLITE_UTF8);
            break;
        }
    }
    return code;
}

static void read_row(struct target_stmt *s, struct mapping_value *values, size_t count)
{
    struct target_library *l = s->db->l;
    for (size_t i = 0; i < count; i++) {
        int at = (int)i;
        int type = l->sqlite3_column_type(s->stmt, at);
        values[i] = (struct mapping_value){.kind = MAPPING_NULL};
        if (type == SQLITE_INTEGER) {
            values[i].kind = MAPPING_INT;
            values[i].integer = l->sqlite3_column_int64(s->stmt, at);
        } else if (type == SQLITE_FLOAT) {
            values[i].kind = MAPPING_REAL;
            values[i].real = l->sqlite3_column_double(s->stmt, at);
        } else if (type != SQLITE_NULL) {
            values[i].kind = MAPPING_TEXT;
            const unsigned char *text = l->sqlite3_column_text(s->stmt, at);
            values[i].text = text == NULL
                                 ? STR_LIT("")
                                 : str_make(text, (size_t)l->sqlite3_column_bytes(s->stmt, at));
        }
    }
}

static enum err step_all(struct target_stmt *s, const struct mapping_value *params, size_t count,
                         target_row_fn row, void *ctx, struct ectx *ec)
{
    struct target_db *db = s->db;
    struct target_library *l = db->l;
    if (count != s->params) {
        return ectx_fail(ec, ERR_CONFIG, "SQLite: %zu values for a statement of %zu parameters",
                         count, s->params);
    }
    db->deadline_ns = db->timeout_ns == 0 ? 0 : now_ns() + db->timeout_ns;
    int code = bind(s, params, count);
    if (code == SQLITE_OK) {
        struct mapping_value values[TARGET_PARAMS_MAX];
        size_t columns = (size_t)l->sqlite3_column_count(s->stmt);
        CHECK(row == NULL || columns <= TARGET_PARAMS_MAX); /* RETURNING of one's own may be wide */
        while ((code = l->sqlite3_step(s->stmt)) == SQLITE_ROW) {
            if (row != NULL) {
                read_row(s, values, columns);
                if (!row(ctx, values, columns)) {
                    code = SQLITE_DONE;
                    break;
                }
            }
        }
    }
    enum err e = code == SQLITE_DONE ? ERR_OK : fail(db, code, ec);
    (void)l->sqlite3_reset(s->stmt);
    return e;
}

static enum err sqlite_run(struct target_stmt *s, const struct mapping_value *params, size_t count,
                           uint64_t *changed, struct ectx *ec)
{
    enum err e = step_all(s, params, count, NULL, NULL, ec);
    if (e == ERR_OK && changed != NULL) {
        *changed = (uint64_t)s->db->l->sqlite3_changes64(s->db->db);
    }
    return e;
}

static enum err sqlite_query(struct target_stmt *s, const struct mapping_value *params,
                             size_t count, target_row_fn row, void *ctx, struct ectx *ec)
{
    return step_all(s, params, count, row, ctx, ec);
}

/* Every outcome was told at once. */
static enum err sqlite_flush(struct target_db *db, struct ectx *ec)
{
    (void)db;
    (void)ec;
    return ERR_OK;
}

static void sqlite_set_timeout(struct target_db *db, uint64_t ns)
{
    db->timeout_ns = ns;
}

static enum err sqlite_set_durable(struct target_db *db, bool durable, struct ectx *ec)
{
    return sqlite_exec(db, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", ec);
}

const struct target_driver target_sqlite = {
    .name = "sqlite",
    .lanes = 1,
    .load = sqlite_load,
    .unload = sqlite_unload,
    .interrupt = sqlite_interrupt,
    .open = sqlite_open,
    .close = sqlite_close,
    .exec = sqlite_exec,
    .exec_long = sqlite_exec,
    .prepare = sqlite_prepare,
    .finalize = sqlite_finalize,
    .count_params = sqlite_count_params,
    .run = sqlite_run,
    .flush = sqlite_flush,
    .query = sqlite_query,
    .set_timeout = sqlite_set_timeout,
    .set_durable = sqlite_set_durable,
    .begin = "BEGIN IMMEDIATE",
    .has_table = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
    .has_name = "SELECT COUNT(*) FROM sqlite_master WHERE name = $1 COLLATE NOCASE",
    .types = {"TEXT", "INTEGER", "REAL", "INTEGER", "TEXT"},
    .table_suffix = " STRICT",
};
