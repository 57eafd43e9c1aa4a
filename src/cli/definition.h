/* Definitions in files: read, named, sent to the API. Used by projections, folds and upcasts. */
#ifndef LEAT_CLI_DEFINITION_H
#define LEAT_CLI_DEFINITION_H

#include "cli/http_call.h"

struct definition {
    struct str text; /* as in the file */
    struct str file; /* its name, encoded for a query */
    struct str name; /* of the member, encoded; null: it has none */
};
/* Reads FILE ("-": the input) and finds its name in `member` (NULL: the file's own name, without
 * folder and suffix). ERR_CONFIG: not YAML, or no name (the input has none of its own). */
MUST_USE enum err definition_read(struct cli *cli, const char *file, const char *member,
                                  struct definition *out);

#endif
