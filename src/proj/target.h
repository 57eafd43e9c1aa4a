/*
 * Where rows go: an SQL database behind one table of functions. Two drivers: SQLite (a file) and
 * PostgreSQL (a server). A driver's library is loaded when the first definition asks for it; a
 * missing one is an error that names the package.
 *
 * All of it blocks and runs on workers; one connection is used by one thread at a time. SQL is the
 * part that both understand; parameters are $1, $2, ... and each is first mentioned in this order
 * (SQLite numbers them so). Values are those of mapping.h.
 *
 * Errors say whose fault it is: ERR_MALFORMED the row's (a constraint, a type), ERR_CONFIG the
 * statement's, ERR_AGAIN busy (try again), ERR_CLOSED the connection is gone, ERR_NO_SPACE,
 * ERR_REQUEST_TIMED_OUT over the limit that was set, ERR_DAMAGED, ERR_IO, ERR_NO_MEMORY.
 */
#ifndef LEAT_PROJ_TARGET_H
#define LEAT_PROJ_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "mapping/mapping.h"

#define TARGET_PARAMS_MAX 256u /* of one statement */

struct target_db;
struct target_stmt;
struct target_library;

/* What a column holds: an index into `types` of a driver. */
enum def_type { DEF_TEXT, DEF_INTEGER, DEF_REAL, DEF_BOOLEAN, DEF_JSON };

/* Rows that go to the target in one piece. Values are of the columns' types: null, or MAPPING_TEXT
 * or _JSON for a text, _INT, _INT or _REAL for a real, _BOOL, _JSON. Texts are valid UTF-8 without
 * NUL. */
struct target_rows {
    const size_t *columns;      /* which values of a row */
    const enum def_type *types; /* of those */
    size_t column_count;        /* at most TARGET_PARAMS_MAX */
    const struct mapping_value *const *rows;
    size_t row_count;
};

enum { TARGET_READ_ONLY = 1, TARGET_MEMORY = 2 /* a scratch database; `where` is not used */ };

/* false: enough. Texts are valid within the call. Rows come as they are read, so a query may still
 * fail after some; nothing else is done on the connection meanwhile. Who has enough long before the
 * end closes the connection, or the next call reads over the rest. */
typedef bool (*target_row_fn)(void *ctx, const struct mapping_value *values, size_t count);

struct target_driver {
    const char *name; /* "sqlite" */
    unsigned lanes;   /* connections that write at once */
    /* Loads the library; kept for the life of the process. */
    enum err (*load)(struct target_library **out, struct ectx *ec);
    void (*unload)(struct target_library *l);
    /* From any thread, while others work: what is under way on connections of this library ends
     * soon with an error, and so does what begins later. For the end of the process. */
    void (*interrupt)(struct target_library *l);
    /* NULL: no statement outlives its limit. Often, from any thread, while others work: connections
     * whose server should have answered some seconds ago are broken off (ERR_CLOSED). */
    void (*expire)(struct target_library *l);
    enum err (*open)(struct target_library *l, struct str where, unsigned flags,
                     struct target_db **out, struct ectx *ec);
    void (*close)(struct target_db *db); /* NULL is fine */
    /* One or more statements without parameters. */
    enum err (*exec)(struct target_db *db, const char *sql, struct ectx *ec);
    /* The same for what may take hours (indexes): no limit of ours. In no transaction. */
    enum err (*exec_long)(struct target_db *db, const char *sql, struct ectx *ec);
    enum err (*prepare)(struct target_db *db, struct str sql, struct target_stmt **out,
                        struct ectx *ec);
    /* From any thread, before its connection is closed. NULL is fine. */
    void (*finalize)(struct target_stmt *s);
    /* How many parameters the database found in it: in SQL of one's own it may see others than we
     * do. A statement that gets another number of them fails with ERR_CONFIG (or ERR_CLOSED). */
    enum err (*count_params)(struct target_stmt *s, size_t *out, struct ectx *ec);
    /* changed == NULL: the outcome may come later, at the next call that has one. */
    enum err (*run)(struct target_stmt *s, const struct mapping_value *params, size_t count,
                    uint64_t *changed, struct ectx *ec);
    /* The outcome of all that was run without asking for it. */
    enum err (*flush)(struct target_db *db, struct ectx *ec);
    enum err (*query)(struct target_stmt *s, const struct mapping_value *params, size_t count,
                      target_row_fn row, void *ctx, struct ectx *ec);
    /* What is asked once, in one round trip. NULL: it is prepared for that; see target_ask. */
    enum err (*ask)(struct target_db *db, struct str sql, const struct mapping_value *params,
                    size_t count, target_row_fn row, void *ctx, struct ectx *ec);
    /* NULL, both: rows are run one by one. All rows at once; each parameter of the statement is an
     * array of the values of a column. */
    enum err (*run_rows)(struct target_db *db, const char *sql, const struct target_rows *rows,
                         struct ectx *ec);
    /* "COPY table (columns) FROM STDIN (FORMAT binary)": quicker, but no row may be there yet
     * (ERR_MALFORMED). */
    enum err (*copy_rows)(struct target_db *db, const char *sql, const struct target_rows *rows,
                          struct ectx *ec);
    /* Statements that begin from now on end after so long; 0: no limit. Before that: 5 minutes on
     * PostgreSQL, none on SQLite. */
    void (*set_timeout)(struct target_db *db, uint64_t ns);
    /* Transactions that commit from now on are on stable storage when they have (true), or may be
     * taken back whole by a loss of power (false, the default of a target that has the choice). */
    enum err (*set_durable)(struct target_db *db, bool durable, struct ectx *ec);
    /* NULL: transactions that write are one after the other anyhow. Until the transaction ends no
     * other one has these numbers, on whatever connection: it sees what the one before did. */
    enum err (*lock)(struct target_db *db, int32_t high, int32_t low, struct ectx *ec);
    const char *begin;        /* of a transaction that will write */
    const char *has_table;    /* a query: how many tables have the name $1 */
    const char *has_name;     /* the same, of all that a new table or view $1 cannot be beside */
    const char *types[5];     /* of enum def_type */
    bool tells_json;          /* `query` gives values of DEF_JSON as MAPPING_JSON, else as texts */
    const char *table_suffix; /* " STRICT" */
};
extern const struct target_driver target_sqlite, target_postgres;

/* Rows of a query that is not prepared. */
MUST_USE enum err target_ask(const struct target_driver *driver, struct target_db *db,
                             struct str sql, const struct mapping_value *params, size_t count,
                             target_row_fn row, void *ctx, struct ectx *ec);

/* "sqlite:FILE", "postgres://..." or "postgresql://...": driver and the rest. ERR_CONFIG. */
MUST_USE enum err target_parse(struct str target, const struct target_driver **driver,
                               struct str *where, struct ectx *ec);
/* The same without its password. Null: no memory. */
struct str target_shown(struct str target, struct arena *a);

#endif
