/* The functions of SQLite that we use, looked up by name when it is loaded. */
#ifndef LEAT_PROJ_SQLITE_INT_H
#define LEAT_PROJ_SQLITE_INT_H

#include <sqlite3.h>
#include <stdatomic.h>

#define SQLITE_FUNCTIONS(X)         \
    X(sqlite3_open_v2)              \
    X(sqlite3_close_v2)             \
    X(sqlite3_errmsg)               \
    X(sqlite3_errstr)               \
    X(sqlite3_extended_errcode)     \
    X(sqlite3_exec)                 \
    X(sqlite3_free)                 \
    X(sqlite3_prepare_v3)           \
    X(sqlite3_finalize)             \
    X(sqlite3_reset)                \
    X(sqlite3_step)                 \
    X(sqlite3_bind_null)            \
    X(sqlite3_bind_int64)           \
    X(sqlite3_bind_double)          \
    X(sqlite3_bind_text64)          \
    X(sqlite3_bind_parameter_count) \
    X(sqlite3_column_count)         \
    X(sqlite3_column_type)          \
    X(sqlite3_column_int64)         \
    X(sqlite3_column_double)        \
    X(sqlite3_column_text)          \
    X(sqlite3_column_bytes)         \
    X(sqlite3_changes64)            \
    X(sqlite3_busy_timeout)         \
    X(sqlite3_progress_handler)     \
    X(sqlite3_libversion_number)    \
    X(sqlite3_db_config)            \
    X(sqlite3_limit)                \
    X(sqlite3_threadsafe)

struct target_library {
    atomic_bool interrupted;
#define SQLITE_DECLARE(name) __typeof__(name) *name;
    SQLITE_FUNCTIONS(SQLITE_DECLARE)
#undef SQLITE_DECLARE
};

#endif
