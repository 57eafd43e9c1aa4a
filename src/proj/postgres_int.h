/* The functions of libpq that we use, looked up by name when it is loaded. */
#ifndef LEAT_PROJ_POSTGRES_INT_H
#define LEAT_PROJ_POSTGRES_INT_H

#include <postgresql/libpq-fe.h>

#define POSTGRES_FUNCTIONS(X) \
    X(PQconnectdb)            \
    X(PQfinish)               \
    X(PQstatus)               \
    X(PQerrorMessage)         \
    X(PQexec)                 \
    X(PQclear)                \
    X(PQresultStatus)         \
    X(PQresultErrorField)     \
    X(PQcmdTuples)            \
    X(PQprepare)              \
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
#define POSTGRES_DECLARE(name) __typeof__(name) *name;
    POSTGRES_FUNCTIONS(POSTGRES_DECLARE)
#undef POSTGRES_DECLARE
};

#endif
