/* The functions of libpq that we use, looked up by name when it is loaded; a connection. */
#ifndef LEAT_PROJ_POSTGRES_INT_H
#define LEAT_PROJ_POSTGRES_INT_H

#include <postgresql/libpq-fe.h>
#include <stdatomic.h>

#include "core/buf.h"
#include "proj/target.h"

#define POSTGRES_SOCKETS_MAX 2048u /* connections at once */

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
    X(PQenterPipelineMode)    \
    X(PQexitPipelineMode)     \
    X(PQpipelineSync)         \
    X(PQgetResult)            \
    X(PQntuples)              \
    X(PQnfields)              \
    X(PQftype)                \
    X(PQgetisnull)            \
    X(PQgetvalue)             \
    X(PQgetlength)            \
    X(PQsetNoticeProcessor)   \
    X(PQlibVersion)

struct target_library {
    /* Duplicates of the connections' sockets, plus 1; 0: free. Who takes one out closes it. */
    atomic_int sockets[POSTGRES_SOCKETS_MAX];
    atomic_bool interrupted;
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
    atomic_int *socket;  /* of the library; NULL: none yet */
    unsigned statements; /* names given so far */
    unsigned pending;
    bool pipeline;
    enum err failed; /* of a pending statement */
    struct ectx failed_ec;
    struct arena arena; /* parameters as text */
    struct buf bulk;    /* parameters as binary arrays, rows of COPY */
    uint64_t timeout_ns;
};

/* postgres.c: the outcome of what was sent without waiting; out of the pipeline. */
MUST_USE enum err postgres_settle(struct target_db *db, struct ectx *ec);
/* ERR_OK if the result is one of success. Does not free it. */
MUST_USE enum err postgres_result(struct target_db *db, const PGresult *r, struct ectx *ec);
MUST_USE enum err postgres_lost(struct target_db *db, struct ectx *ec);

/* postgres_bulk.c */
#define POSTGRES_BULK_BYTES (256u << 20)
enum err postgres_run_rows(struct target_db *db, const char *sql, const struct target_rows *rows,
                           struct ectx *ec);
enum err postgres_copy_rows(struct target_db *db, const char *sql, const struct target_rows *rows,
                            struct ectx *ec);

#endif
