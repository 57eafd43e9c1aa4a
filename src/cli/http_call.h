/* One HTTP/1.1 request to leat's own API, /readyz or /metrics, and its answer. */
#ifndef LEAT_CLI_HTTP_CALL_H
#define LEAT_CLI_HTTP_CALL_H

#include "cli/cli.h"
#include "core/buf.h"
#include "json/json.h"

#define HTTP_BODY_MAX (64u * 1024 * 1024)

struct http_call {
    const char *method; /* NULL: GET */
    const char *path;   /* with the query, percent-encoded (http_path) */
    struct str body;    /* JSON; null: none */
};
/* Status and body (appended to `body`) of http://ADDRESS/PATH. Any status is a success.
 * ERR_CLOSED, ERR_MALFORMED, ERR_REQUEST_TIMED_OUT, ... */
MUST_USE enum err http_call(const char *address, const struct http_call *c, int timeout_ms,
                            int *status, struct buf *body, struct ectx *ec);
MUST_USE enum err http_get(const char *address, const char *path, int timeout_ms, int *status,
                           struct buf *body, struct ectx *ec);

/* A path in the arena: %s of the format are not encoded, http_encode what comes from a person. */
struct str http_encode(struct arena *a, const char *text); /* null: no memory */
struct str http_encode_str(struct arena *a, struct str text);

/* Calls the API and parses its answer, which lives in the run's arena (*out NULL: an empty body).
 * A problem (status 400 and above) is an error with its detail and hint; *status tells which. */
MUST_USE enum err http_api(struct cli *cli, const char *method, const char *path, struct str body,
                           int *status, struct json **out);

/* The sum of a metric over all its labels; false if the text has none of that name. */
bool metric_sum(struct str text, const char *name, double *out);
/* The value of a label of the first line of a metric: leat_build_info, version. */
bool metric_label(struct str text, const char *name, const char *label, struct str *out);

#endif
