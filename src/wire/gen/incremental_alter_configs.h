/* Made by tools/gen_wire.py from src/wire/schema/incremental_alter_configs.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_INCREMENTAL_ALTER_CONFIGS_H
#define LEAT_WIRE_GEN_INCREMENTAL_ALTER_CONFIGS_H

#include "wire/wire.h"

/* IncrementalAlterConfigsRequest: key 44, versions 0-1, flexible 1+. */
struct wire_incremental_alter_configs_request_config {
    struct str name;         /* v0+ */
    int8_t config_operation; /* v0+. 0: set, 1: delete, 2: append, 3: subtract */
    struct str value;        /* v0+, null v0+ */
};

struct wire_incremental_alter_configs_request_resource {
    int8_t resource_type;                                          /* v0+. 2: topic, 4: broker */
    struct str resource_name;                                      /* v0+ */
    struct wire_incremental_alter_configs_request_config *configs; /* v0+ */
    int32_t configs_count;
};

struct wire_incremental_alter_configs_request {
    struct wire_incremental_alter_configs_request_resource *resources; /* v0+ */
    int32_t resources_count;
    bool validate_only;                                                /* v0+ */
};

extern const struct wire_message wire_incremental_alter_configs_request_type;
extern const struct wire_message wire_incremental_alter_configs_request_resource_type;
extern const struct wire_message wire_incremental_alter_configs_request_config_type;

/* IncrementalAlterConfigsResponse: key 44, versions 0-1, flexible 1+. */
struct wire_incremental_alter_configs_response_resource {
    int16_t error_code;       /* v0+ */
    struct str error_message; /* v0+, null v0+ */
    int8_t resource_type;     /* v0+ */
    struct str resource_name; /* v0+ */
};

struct wire_incremental_alter_configs_response {
    int32_t throttle_time_ms;                                           /* v0+ */
    struct wire_incremental_alter_configs_response_resource *responses; /* v0+ */
    int32_t responses_count;
};

extern const struct wire_message wire_incremental_alter_configs_response_type;
extern const struct wire_message wire_incremental_alter_configs_response_resource_type;

#endif
