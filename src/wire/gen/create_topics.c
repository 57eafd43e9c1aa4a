/* Made by tools/gen_wire.py from src/wire/schema/create_topics.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/create_topics.h"

#define AT(member) offsetof(struct wire_create_topics_request_assignment, member)
static const struct wire_field create_topics_request_assignment_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"broker_ids", NULL,
     AT(broker_ids), AT(broker_ids_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_create_topics_request_assignment
    create_topics_request_assignment_default = {
    .partition_index = 0,
    .broker_ids = NULL,
    .broker_ids_count = 0,
};
const struct wire_message wire_create_topics_request_assignment_type = {
    "assignment", create_topics_request_assignment_fields, &create_topics_request_assignment_default,
    2, sizeof(struct wire_create_topics_request_assignment), 2, 7, 5, false};

#define AT(member) offsetof(struct wire_create_topics_request_config, member)
static const struct wire_field create_topics_request_config_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"value", NULL,
     AT(value), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_create_topics_request_config
    create_topics_request_config_default = {
    .name = {"", 0},
    .value = {"", 0},
};
const struct wire_message wire_create_topics_request_config_type = {
    "config", create_topics_request_config_fields, &create_topics_request_config_default,
    2, sizeof(struct wire_create_topics_request_config), 2, 7, 5, false};

#define AT(member) offsetof(struct wire_create_topics_request_topic, member)
static const struct wire_field create_topics_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"num_partitions", NULL,
     AT(num_partitions), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"replication_factor", NULL,
     AT(replication_factor), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"assignments", &wire_create_topics_request_assignment_type,
     AT(assignments), AT(assignments_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"configs", &wire_create_topics_request_config_type,
     AT(configs), AT(configs_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_create_topics_request_topic
    create_topics_request_topic_default = {
    .name = {"", 0},
    .num_partitions = 0,
    .replication_factor = 0,
    .assignments = NULL,
    .assignments_count = 0,
    .configs = NULL,
    .configs_count = 0,
};
const struct wire_message wire_create_topics_request_topic_type = {
    "topic", create_topics_request_topic_fields, &create_topics_request_topic_default,
    5, sizeof(struct wire_create_topics_request_topic), 2, 7, 5, false};

#define AT(member) offsetof(struct wire_create_topics_request, member)
static const struct wire_field create_topics_request_fields[] = {
    {"topics", &wire_create_topics_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"timeout_ms", NULL,
     AT(timeout_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"validate_only", NULL,
     AT(validate_only), 0, WIRE_BOOL, 0, 0, {1, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_create_topics_request
    create_topics_request_default = {
    .topics = NULL,
    .topics_count = 0,
    .timeout_ms = 60000,
    .validate_only = false,
};
const struct wire_message wire_create_topics_request_type = {
    "CreateTopicsRequest", create_topics_request_fields, &create_topics_request_default,
    3, sizeof(struct wire_create_topics_request), 2, 7, 5, false};

#define AT(member) offsetof(struct wire_create_topics_response_config, member)
static const struct wire_field create_topics_response_config_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {5, 255}, {1, 0}, {1, 0}},
    {"value", NULL,
     AT(value), 0, WIRE_STRING, 0, 0, {5, 255}, {5, 255}, {1, 0}},
    {"read_only", NULL,
     AT(read_only), 0, WIRE_BOOL, 0, 0, {5, 255}, {1, 0}, {1, 0}},
    {"config_source", NULL,
     AT(config_source), 0, WIRE_INT8, WIRE_IGNORABLE, 0, {5, 255}, {1, 0}, {1, 0}},
    {"is_sensitive", NULL,
     AT(is_sensitive), 0, WIRE_BOOL, 0, 0, {5, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_create_topics_response_config
    create_topics_response_config_default = {
    .name = {"", 0},
    .value = {"", 0},
    .read_only = false,
    .config_source = -1,
    .is_sensitive = false,
};
const struct wire_message wire_create_topics_response_config_type = {
    "config", create_topics_response_config_fields, &create_topics_response_config_default,
    5, sizeof(struct wire_create_topics_response_config), 2, 7, 5, false};

#define AT(member) offsetof(struct wire_create_topics_response_topic, member)
static const struct wire_field create_topics_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {7, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {1, 255}, {0, 255}, {1, 0}},
    {"topic_config_error_code", NULL,
     AT(topic_config_error_code), 0, WIRE_INT16, WIRE_IGNORABLE, 0, {5, 255}, {1, 0}, {5, 255}},
    {"num_partitions", NULL,
     AT(num_partitions), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {5, 255}, {1, 0}, {1, 0}},
    {"replication_factor", NULL,
     AT(replication_factor), 0, WIRE_INT16, WIRE_IGNORABLE, 0, {5, 255}, {1, 0}, {1, 0}},
    {"configs", &wire_create_topics_response_config_type,
     AT(configs), AT(configs_count), WIRE_STRUCT, WIRE_ARRAY | WIRE_IGNORABLE, 0, {5, 255}, {5, 255}, {1, 0}},
};
#undef AT
static const struct wire_create_topics_response_topic
    create_topics_response_topic_default = {
    .name = {"", 0},
    .topic_id = {{0}},
    .error_code = 0,
    .error_message = {"", 0},
    .topic_config_error_code = 0,
    .num_partitions = -1,
    .replication_factor = -1,
    .configs = NULL,
    .configs_count = 0,
};
const struct wire_message wire_create_topics_response_topic_type = {
    "topic", create_topics_response_topic_fields, &create_topics_response_topic_default,
    8, sizeof(struct wire_create_topics_response_topic), 2, 7, 5, true};

#define AT(member) offsetof(struct wire_create_topics_response, member)
static const struct wire_field create_topics_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {2, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_create_topics_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_create_topics_response
    create_topics_response_default = {
    .throttle_time_ms = 0,
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_create_topics_response_type = {
    "CreateTopicsResponse", create_topics_response_fields, &create_topics_response_default,
    2, sizeof(struct wire_create_topics_response), 2, 7, 5, false};
