/* --property NAME=VALUE of produce, consume and bench. */
#ifndef LEAT_CLI_PROPERTIES_H
#define LEAT_CLI_PROPERTIES_H

#include "cli/cli.h"
#include "cli/rdkafka.h"

/* Appends them to `s`, which has room for CLI_LIST_MAX more. ERR_CONFIG. */
MUST_USE enum err properties_add(struct cli *cli, struct rdkafka_setting *s, size_t *count);

#endif
