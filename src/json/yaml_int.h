/* What yaml.c asks of yaml_plain.c. */
#ifndef LEAT_JSON_YAML_INT_H
#define LEAT_JSON_YAML_INT_H

#include "json/json.h"

/* Writes a plain scalar as what it means in the core schema; or why it is refused. */
const char *yaml_plain_put(struct json_writer *w, struct str s);

#endif
