/* The functions of libpq that we use, looked up by name when it is loaded; a connection. */
#ifndef LEAT_PROJ_POSTGRES_INT_H
#define LEAT_PROJ_POSTGRES_INT_H

#include <postgresql/libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/buf.h"
#include "proj/target.h"

#define POSTGRES_SOCKETS_MAX 2048u                         /* connections at once */
#define POSTGRES_WRITE_NS    (300ull * 1000 * 1000 * 1000) /* of a statement that writes */
#define POSTGRES_GRACE_NS    (3ull * 1000 * 1000 * 1000)

#define POSTGRES_FUNCTIONS(X) \
    X(PQconnectdbParams)      \
    X(PQsocket)               \
    X(PQfinish)               \
    X(PQstatus)               \
    X(PQerrorMessage)         \
    X(PQexec)                 \
    X(PQexecParams)           \
    X(PQputCopyData)          \
    X(PQputCopyEnd)           \
    X(PQclear)                \
    X(PQresultStatus)         \
    X(PQresultErrorField)     \
    X(PQcmdTuples)            \
    X(PQprepare)              \
    X(PQdescribePrepared)     \
    X(PQnparams)              \
    X(PQexecPrepared)         \
    X(PQsendQueryPrepared)    \
    X(PQsendQueryParams)      \
    X(PQsetSingleRowMode)     \
    X(PQenterPipelineMode)    \
    X(PQexitPipelineMode)     \
    X(PQpipelineSync)         \
    X(PQgetResult)            \
    X(PQnfields)              \
    X(PQftype)                \
    X(PQgetisnull)            \
    X(PQgetvalue)             \
    X(PQgetlength)            \
    X(PQsetNoticeProcessor)   \
    X(PQlibVersion)

/* See postgres_wait.c. */
struct postgres_socket {
    bool used;                         /* under the lock, as `copy` */
    int copy;                          /* a duplicate */
    atomic_uint_least64_t deadline_ns; /* of an answer; 0: none is waited for */
    atomic_bool broken;                /* because of it */
};

struct target_library {
    pthread_mutex_t mutex;
    struct postgres_socket sockets[POSTGRES_SOCKETS_MAX];
    size_t socket_end; /* none is used from here on */
    bool interrupted;
#define POSTGRES_DECLARE(name) __typeof__(name) *name;
    POSTGRES_FUNCTIONS(POSTGRES_DECLARE)
#undef POSTGRES_DECLARE
};

/* Object identifiers of types (pg_type.dat). */
enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_JSON = 114,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700,
    OID_JSONB = 3802
};

struct target_db {
    struct target_library *l;
    PGconn *conn;
    struct postgres_socket *socket;     /* of the library; NULL: none yet */
    unsigned statements;                /* names given so far */
    struct target_stmt *_Atomic closed; /* see postgres_stmt.c */
    unsigned pending;
    bool pipeline;
    bool left;       /* rows that nobody wants any more */
    enum err failed; /* of a pending statement */
    struct ectx failed_ec;
    struct arena arena;  /* parameters as text */
    struct buf bulk;     /* parameters as binary arrays, rows of COPY */
    uint64_t timeout_ns; /* that was set */
    uint64_t limit_ns;   /* an answer is to be there by then, about; 0: whenever */
};

/* postgres.c: the outcome of what was sent without waiting; out of the pipeline. */
MUST_USE enum err postgres_settle(struct target_db *db, struct ectx *ec);
/* Reads what the statements that were sent say; the first failure is remembered. */
void postgres_read_pending(struct target_db *db);
/* ERR_OK if the result is one of success. Does not free it. */
MUST_USE enum err postgres_result(struct target_db *db, const PGresult *r, struct ectx *ec);
MUST_USE enum err postgres_lost(struct target_db *db, struct ectx *ec);

/* postgres_wait.c */
void postgres_wait_init(struct target_library *l);
void postgres_wait_deinit(struct target_library *l);
MUST_USE enum err postgres_wait_add(struct target_db *db, struct ectx *ec);
void postgres_wait_remove(struct target_db *db);
void postgres_wait(struct target_db *db); /* what follows may wait for the server; or waits anew */
void postgres_waited(struct target_db *db);
bool postgres_wait_was_broken(const struct target_db *db);
void postgres_interrupt(struct target_library *l);
void postgres_expire(struct target_library *l);

/* postgres_stmt.c */
enum err postgres_prepare(struct target_db *db, struct str sql, struct target_stmt **out,
                          struct ectx *ec);
void postgres_finalize(struct target_stmt *s);
enum err postgres_count_params(struct target_stmt *s, size_t *out, struct ectx *ec);
void postgres_read_left(struct target_db *db);
void postgres_forget_closed(struct target_db *db); /* the connection goes */
enum err postgres_ask(struct target_db *db, struct str sql, const struct mapping_value *params,
                      size_t count, target_row_fn row, void *ctx, struct ectx *ec);
enum err postgres_run(struct target_stmt *s, const struct mapping_value *params, size_t count,
                      uint64_t *changed, struct ectx *ec);
enum err postgres_query(struct target_stmt *s, const struct mapping_value *params, size_t count,
                        target_row_fn row, void *ctx, struct ectx *ec);

/* postgres_bulk.c */
#define POSTGRES_BULK_BYTES (256u << 20)
enum err postgres_run_rows(struct target_db *db, const char *sql, const struct target_rows *rows,
                           struct ectx *ec);
enum err postgres_copy_rows(struct target_db *db, const char *sql, const struct target_rows *rows,
                            struct ectx *ec);

#endif
