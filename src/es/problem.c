/* Problems of the API as clients see them: a code that never changes, and an HTTP status. */
#include "core/check.h"
#include "es/es.h"

static const struct {
    const char *code;
    int status;
} problems[] = {
    [ES_OK] = {"ok", 200},
    [ES_INVALID] = {"invalid-request", 400},
    [ES_CATEGORY_NOT_FOUND] = {"category-not-found", 404},
    [ES_STREAM_NOT_FOUND] = {"stream-not-found", 404},
    [ES_EVENT_NOT_FOUND] = {"event-not-found", 404},
    [ES_FIELD_NOT_FOUND] = {"field-not-found", 400},
    [ES_STREAM_DELETED] = {"stream-deleted", 404},
    [ES_STREAM_TOMBSTONED] = {"stream-tombstoned", 410},
    /* In the body of the request; a precondition of HTTP (If-Match) makes 412 of it. */
    [ES_REVISION_CONFLICT] = {"revision-conflict", 409},
    [ES_APPEND_CONFLICT] = {"append-conflict", 409},
    [ES_EVENT_ID_REUSED] = {"event-id-reused", 409},
    [ES_PARTIAL_DUPLICATE] = {"partial-duplicate", 409},
    [ES_EVENT_TOO_LARGE] = {"event-too-large", 413},
    [ES_BATCH_TOO_LARGE] = {"batch-too-large", 413},
    [ES_POSITION_UNKNOWN] = {"position-unknown", 400},
    [ES_SNAPSHOT_STALE] = {"snapshot-stale", 409},
    [ES_FOLD_NOT_FOUND] = {"fold-not-found", 404},
    [ES_DEFINITION_INVALID] = {"definition-invalid", 422},
    [ES_DEFINITION_NOT_FOUND] = {"definition-not-found", 404},
    [ES_FOLD_FAILED] = {"fold-failed", 422},
    [ES_BUSY] = {"busy", 503},
    [ES_UNAVAILABLE] = {"unavailable", 503},
    [ES_STORAGE_FULL] = {"storage-full", 507},
    [ES_FAILED] = {"internal-error", 500},
};

const char *es_problem_code(enum es_problem p)
{
    CHECK((size_t)p < ARRAY_LEN(problems));
    return problems[p].code;
}

int es_problem_status(enum es_problem p)
{
    CHECK((size_t)p < ARRAY_LEN(problems));
    return problems[p].status;
}
