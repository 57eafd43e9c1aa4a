/* Made by tools/gen_wire.py from src/wire/schema/describe_configs.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/describe_configs.h"

#define AT(member) offsetof(struct wire_describe_configs_request_resource, member)
static const struct wire_field describe_configs_request_resource_fields[] = {
    {"resource_type", NULL,
     AT(resource_type), 0, WIRE_INT8, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"resource_name", NULL,
     AT(resource_name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"configuration_keys", NULL,
     AT(configuration_keys), AT(configuration_keys_count), WIRE_STRING, WIRE_ARRAY, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_describe_configs_request_resource
    describe_configs_request_resource_default = {
    .resource_type = 0,
    .resource_name = {"", 0},
    .configuration_keys = NULL,
    .configuration_keys_count = 0,
};
const struct wire_message wire_describe_configs_request_resource_type = {
    "resource", describe_configs_request_resource_fields, &describe_configs_request_resource_default,
    3, sizeof(struct wire_describe_configs_request_resource), 1, 4, 4, false};

#define AT(member) offsetof(struct wire_describe_configs_request, member)
static const struct wire_field describe_configs_request_fields[] = {
    {"resources", &wire_describe_configs_request_resource_type,
     AT(resources), AT(resources_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"include_synonyms", NULL,
     AT(include_synonyms), 0, WIRE_BOOL, 0, 0, {1, 255}, {1, 0}, {1, 0}},
    {"include_documentation", NULL,
     AT(include_documentation), 0, WIRE_BOOL, 0, 0, {3, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_configs_request
    describe_configs_request_default = {
    .resources = NULL,
    .resources_count = 0,
    .include_synonyms = false,
    .include_documentation = false,
};
const struct wire_message wire_describe_configs_request_type = {
    "DescribeConfigsRequest", describe_configs_request_fields, &describe_configs_request_default,
    3, sizeof(struct wire_describe_configs_request), 1, 4, 4, false};

#define AT(member) offsetof(struct wire_describe_configs_response_synonym, member)
static const struct wire_field describe_configs_response_synonym_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {1, 255}, {1, 0}, {1, 0}},
    {"value", NULL,
     AT(value), 0, WIRE_STRING, 0, 0, {1, 255}, {0, 255}, {1, 0}},
    {"source", NULL,
     AT(source), 0, WIRE_INT8, 0, 0, {1, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_configs_response_synonym
    describe_configs_response_synonym_default = {
    .name = {"", 0},
    .value = {"", 0},
    .source = 0,
};
const struct wire_message wire_describe_configs_response_synonym_type = {
    "synonym", describe_configs_response_synonym_fields, &describe_configs_response_synonym_default,
    3, sizeof(struct wire_describe_configs_response_synonym), 1, 4, 4, false};

#define AT(member) offsetof(struct wire_describe_configs_response_config, member)
static const struct wire_field describe_configs_response_config_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"value", NULL,
     AT(value), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
    {"read_only", NULL,
     AT(read_only), 0, WIRE_BOOL, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"config_source", NULL,
     AT(config_source), 0, WIRE_INT8, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"is_sensitive", NULL,
     AT(is_sensitive), 0, WIRE_BOOL, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"synonyms", &wire_describe_configs_response_synonym_type,
     AT(synonyms), AT(synonyms_count), WIRE_STRUCT, WIRE_ARRAY | WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"config_type", NULL,
     AT(config_type), 0, WIRE_INT8, WIRE_IGNORABLE, 0, {3, 255}, {1, 0}, {1, 0}},
    {"documentation", NULL,
     AT(documentation), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {3, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_describe_configs_response_config
    describe_configs_response_config_default = {
    .name = {"", 0},
    .value = {"", 0},
    .read_only = false,
    .config_source = -1,
    .is_sensitive = false,
    .synonyms = NULL,
    .synonyms_count = 0,
    .config_type = 0,
    .documentation = {"", 0},
};
const struct wire_message wire_describe_configs_response_config_type = {
    "config", describe_configs_response_config_fields, &describe_configs_response_config_default,
    8, sizeof(struct wire_describe_configs_response_config), 1, 4, 4, false};

#define AT(member) offsetof(struct wire_describe_configs_response_resource, member)
static const struct wire_field describe_configs_response_resource_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
    {"resource_type", NULL,
     AT(resource_type), 0, WIRE_INT8, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"resource_name", NULL,
     AT(resource_name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"configs", &wire_describe_configs_response_config_type,
     AT(configs), AT(configs_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_configs_response_resource
    describe_configs_response_resource_default = {
    .error_code = 0,
    .error_message = {"", 0},
    .resource_type = 0,
    .resource_name = {"", 0},
    .configs = NULL,
    .configs_count = 0,
};
const struct wire_message wire_describe_configs_response_resource_type = {
    "resource", describe_configs_response_resource_fields, &describe_configs_response_resource_default,
    5, sizeof(struct wire_describe_configs_response_resource), 1, 4, 4, false};

#define AT(member) offsetof(struct wire_describe_configs_response, member)
static const struct wire_field describe_configs_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"results", &wire_describe_configs_response_resource_type,
     AT(results), AT(results_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_configs_response
    describe_configs_response_default = {
    .throttle_time_ms = 0,
    .results = NULL,
    .results_count = 0,
};
const struct wire_message wire_describe_configs_response_type = {
    "DescribeConfigsResponse", describe_configs_response_fields, &describe_configs_response_default,
    2, sizeof(struct wire_describe_configs_response), 1, 4, 4, false};
