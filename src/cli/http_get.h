/* One HTTP/1.1 GET, for leat's own /readyz and /metrics. */
#ifndef LEAT_CLI_HTTP_GET_H
#define LEAT_CLI_HTTP_GET_H

#include "cli/cli.h"
#include "core/buf.h"

#define HTTP_BODY_MAX (64u * 1024 * 1024)

/* Status and body (appended to `body`) of http://ADDRESS/PATH. ERR_CLOSED, ERR_MALFORMED, ... */
MUST_USE enum err http_get(const char *address, const char *path, int timeout_ms, int *status,
                           struct buf *body, struct ectx *ec);

/* The sum of a metric over all its labels; false if the text has none of that name. */
bool metric_sum(struct str text, const char *name, double *out);
/* The value of a label of the first line of a metric: leat_build_info, version. */
bool metric_label(struct str text, const char *name, const char *label, struct str *out);

#endif
