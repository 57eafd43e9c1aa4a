/* Made by tools/gen_wire.py from src/wire/schema/list_config_resources.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_LIST_CONFIG_RESOURCES_H
#define LEAT_WIRE_GEN_LIST_CONFIG_RESOURCES_H

#include "wire/wire.h"

/* ListConfigResourcesRequest: key 74, versions 0-1, flexible 0+. */
struct wire_list_config_resources_request {
    int8_t *resource_types;       /* v1+. empty: all that are supported */
    int32_t resource_types_count;
};

extern const struct wire_message wire_list_config_resources_request_type;

/* ListConfigResourcesResponse: key 74, versions 0-1, flexible 0+. */
struct wire_list_config_resources_response_config_resource {
    struct str resource_name; /* v0+ */
    int8_t resource_type;     /* v1+, default 16 */
};

struct wire_list_config_resources_response {
    int32_t throttle_time_ms;                                                     /* v0+ */
    int16_t error_code;                                                           /* v0+ */
    struct wire_list_config_resources_response_config_resource *config_resources; /* v0+ */
    int32_t config_resources_count;
};

extern const struct wire_message wire_list_config_resources_response_type;
extern const struct wire_message wire_list_config_resources_response_config_resource_type;

#endif
