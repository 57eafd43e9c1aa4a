/* Made by tools/gen_wire.py from src/wire/schema/api_versions.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/api_versions.h"

#define AT(member) offsetof(struct wire_api_versions_request, member)
static const struct wire_field api_versions_request_fields[] = {
    {"client_software_name", NULL,
     AT(client_software_name), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {3, 255}, {1, 0}, {1, 0}},
    {"client_software_version", NULL,
     AT(client_software_version), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {3, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_api_versions_request
    api_versions_request_default = {
    .client_software_name = {"", 0},
    .client_software_version = {"", 0},
};
const struct wire_message wire_api_versions_request_type = {
    "ApiVersionsRequest", api_versions_request_fields, &api_versions_request_default,
    2, sizeof(struct wire_api_versions_request), 0, 4, 3, false};

#define AT(member) offsetof(struct wire_api_versions_response_api_key, member)
static const struct wire_field api_versions_response_api_key_fields[] = {
    {"api_key", NULL,
     AT(api_key), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"min_version", NULL,
     AT(min_version), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"max_version", NULL,
     AT(max_version), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_api_versions_response_api_key
    api_versions_response_api_key_default = {
    .api_key = 0,
    .min_version = 0,
    .max_version = 0,
};
const struct wire_message wire_api_versions_response_api_key_type = {
    "api_key", api_versions_response_api_key_fields, &api_versions_response_api_key_default,
    3, sizeof(struct wire_api_versions_response_api_key), 0, 4, 3, false};

#define AT(member) offsetof(struct wire_api_versions_response_supported_feature, member)
static const struct wire_field api_versions_response_supported_feature_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {3, 255}, {1, 0}, {1, 0}},
    {"min_version", NULL,
     AT(min_version), 0, WIRE_INT16, 0, 0, {3, 255}, {1, 0}, {1, 0}},
    {"max_version", NULL,
     AT(max_version), 0, WIRE_INT16, 0, 0, {3, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_api_versions_response_supported_feature
    api_versions_response_supported_feature_default = {
    .name = {"", 0},
    .min_version = 0,
    .max_version = 0,
};
const struct wire_message wire_api_versions_response_supported_feature_type = {
    "supported_feature", api_versions_response_supported_feature_fields, &api_versions_response_supported_feature_default,
    3, sizeof(struct wire_api_versions_response_supported_feature), 0, 4, 3, false};

#define AT(member) offsetof(struct wire_api_versions_response_finalized_feature, member)
static const struct wire_field api_versions_response_finalized_feature_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {3, 255}, {1, 0}, {1, 0}},
    {"max_version_level", NULL,
     AT(max_version_level), 0, WIRE_INT16, 0, 0, {3, 255}, {1, 0}, {1, 0}},
    {"min_version_level", NULL,
     AT(min_version_level), 0, WIRE_INT16, 0, 0, {3, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_api_versions_response_finalized_feature
    api_versions_response_finalized_feature_default = {
    .name = {"", 0},
    .max_version_level = 0,
    .min_version_level = 0,
};
const struct wire_message wire_api_versions_response_finalized_feature_type = {
    "finalized_feature", api_versions_response_finalized_feature_fields, &api_versions_response_finalized_feature_default,
    3, sizeof(struct wire_api_versions_response_finalized_feature), 0, 4, 3, false};

#define AT(member) offsetof(struct wire_api_versions_response, member)
static const struct wire_field api_versions_response_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"api_keys", &wire_api_versions_response_api_key_type,
     AT(api_keys), AT(api_keys_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"supported_features", &wire_api_versions_response_supported_feature_type,
     AT(supported_features), AT(supported_features_count), WIRE_STRUCT, WIRE_ARRAY | WIRE_IGNORABLE, 0, {3, 255}, {1, 0}, {3, 255}},
    {"finalized_features_epoch", NULL,
     AT(finalized_features_epoch), 0, WIRE_INT64, WIRE_IGNORABLE, 1, {3, 255}, {1, 0}, {3, 255}},
    {"finalized_features", &wire_api_versions_response_finalized_feature_type,
     AT(finalized_features), AT(finalized_features_count), WIRE_STRUCT, WIRE_ARRAY | WIRE_IGNORABLE, 2, {3, 255}, {1, 0}, {3, 255}},
    {"zk_migration_ready", NULL,
     AT(zk_migration_ready), 0, WIRE_BOOL, WIRE_IGNORABLE, 3, {3, 255}, {1, 0}, {3, 255}},
};
#undef AT
static const struct wire_api_versions_response
    api_versions_response_default = {
    .error_code = 0,
    .api_keys = NULL,
    .api_keys_count = 0,
    .throttle_time_ms = 0,
    .supported_features = NULL,
    .supported_features_count = 0,
    .finalized_features_epoch = INT64_C(-1),
    .finalized_features = NULL,
    .finalized_features_count = 0,
    .zk_migration_ready = false,
};
const struct wire_message wire_api_versions_response_type = {
    "ApiVersionsResponse", api_versions_response_fields, &api_versions_response_default,
    7, sizeof(struct wire_api_versions_response), 0, 4, 3, true};
