/* Made by tools/gen_wire.py from src/wire/schema/alter_configs.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/alter_configs.h"

#define AT(member) offsetof(struct wire_alter_configs_request_config, member)
static const struct wire_field alter_configs_request_config_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"value", NULL,
     AT(value), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_alter_configs_request_config
    alter_configs_request_config_default = {
    .name = {"", 0},
    .value = {"", 0},
};
const struct wire_message wire_alter_configs_request_config_type = {
    "config", alter_configs_request_config_fields, &alter_configs_request_config_default,
    2, sizeof(struct wire_alter_configs_request_config), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_alter_configs_request_resource, member)
static const struct wire_field alter_configs_request_resource_fields[] = {
    {"resource_type", NULL,
     AT(resource_type), 0, WIRE_INT8, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"resource_name", NULL,
     AT(resource_name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"configs", &wire_alter_configs_request_config_type,
     AT(configs), AT(configs_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_alter_configs_request_resource
    alter_configs_request_resource_default = {
    .resource_type = 0,
    .resource_name = {"", 0},
    .configs = NULL,
    .configs_count = 0,
};
const struct wire_message wire_alter_configs_request_resource_type = {
    "resource", alter_configs_request_resource_fields, &alter_configs_request_resource_default,
    3, sizeof(struct wire_alter_configs_request_resource), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_alter_configs_request, member)
static const struct wire_field alter_configs_request_fields[] = {
    {"resources", &wire_alter_configs_request_resource_type,
     AT(resources), AT(resources_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"validate_only", NULL,
     AT(validate_only), 0, WIRE_BOOL, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_alter_configs_request
    alter_configs_request_default = {
    .resources = NULL,
    .resources_count = 0,
    .validate_only = false,
};
const struct wire_message wire_alter_configs_request_type = {
    "AlterConfigsRequest", alter_configs_request_fields, &alter_configs_request_default,
    2, sizeof(struct wire_alter_configs_request), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_alter_configs_response_resource, member)
static const struct wire_field alter_configs_response_resource_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
    {"resource_type", NULL,
     AT(resource_type), 0, WIRE_INT8, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"resource_name", NULL,
     AT(resource_name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_alter_configs_response_resource
    alter_configs_response_resource_default = {
    .error_code = 0,
    .error_message = {"", 0},
    .resource_type = 0,
    .resource_name = {"", 0},
};
const struct wire_message wire_alter_configs_response_resource_type = {
    "resource", alter_configs_response_resource_fields, &alter_configs_response_resource_default,
    4, sizeof(struct wire_alter_configs_response_resource), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_alter_configs_response, member)
static const struct wire_field alter_configs_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"responses", &wire_alter_configs_response_resource_type,
     AT(responses), AT(responses_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_alter_configs_response
    alter_configs_response_default = {
    .throttle_time_ms = 0,
    .responses = NULL,
    .responses_count = 0,
};
const struct wire_message wire_alter_configs_response_type = {
    "AlterConfigsResponse", alter_configs_response_fields, &alter_configs_response_default,
    2, sizeof(struct wire_alter_configs_response), 0, 2, 2, false};
