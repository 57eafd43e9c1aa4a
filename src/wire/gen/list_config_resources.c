/* Made by tools/gen_wire.py from src/wire/schema/list_config_resources.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/list_config_resources.h"

#define AT(member) offsetof(struct wire_list_config_resources_request, member)
static const struct wire_field list_config_resources_request_fields[] = {
    {"resource_types", NULL,
     AT(resource_types), AT(resource_types_count), WIRE_INT8, WIRE_ARRAY, 0, {1, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_config_resources_request
    list_config_resources_request_default = {
    .resource_types = NULL,
    .resource_types_count = 0,
};
const struct wire_message wire_list_config_resources_request_type = {
    "ListConfigResourcesRequest", list_config_resources_request_fields, &list_config_resources_request_default,
    1, sizeof(struct wire_list_config_resources_request), 0, 1, 0, false};

#define AT(member) offsetof(struct wire_list_config_resources_response_config_resource, member)
static const struct wire_field list_config_resources_response_config_resource_fields[] = {
    {"resource_name", NULL,
     AT(resource_name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"resource_type", NULL,
     AT(resource_type), 0, WIRE_INT8, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_config_resources_response_config_resource
    list_config_resources_response_config_resource_default = {
    .resource_name = {"", 0},
    .resource_type = 16,
};
const struct wire_message wire_list_config_resources_response_config_resource_type = {
    "config_resource", list_config_resources_response_config_resource_fields, &list_config_resources_response_config_resource_default,
    2, sizeof(struct wire_list_config_resources_response_config_resource), 0, 1, 0, false};

#define AT(member) offsetof(struct wire_list_config_resources_response, member)
static const struct wire_field list_config_resources_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"config_resources", &wire_list_config_resources_response_config_resource_type,
     AT(config_resources), AT(config_resources_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_config_resources_response
    list_config_resources_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .config_resources = NULL,
    .config_resources_count = 0,
};
const struct wire_message wire_list_config_resources_response_type = {
    "ListConfigResourcesResponse", list_config_resources_response_fields, &list_config_resources_response_default,
    3, sizeof(struct wire_list_config_resources_response), 0, 1, 0, false};
