/* Made by tools/gen_wire.py from src/wire/schema/produce.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/produce.h"

#define AT(member) offsetof(struct wire_produce_request_partition, member)
static const struct wire_field produce_request_partition_fields[] = {
    {"index", NULL,
     AT(index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"records", NULL,
     AT(records), 0, WIRE_RECORDS, 0, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_produce_request_partition
    produce_request_partition_default = {
    .index = 0,
    .records = {NULL, -1, NULL, 0},
};
const struct wire_message wire_produce_request_partition_type = {
    "partition", produce_request_partition_fields, &produce_request_partition_default,
    2, sizeof(struct wire_produce_request_partition), 3, 13, 9, false};

#define AT(member) offsetof(struct wire_produce_request_topic, member)
static const struct wire_field produce_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {0, 12}, {1, 0}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {13, 255}, {1, 0}, {1, 0}},
    {"partition_data", &wire_produce_request_partition_type,
     AT(partition_data), AT(partition_data_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_produce_request_topic
    produce_request_topic_default = {
    .name = {"", 0},
    .topic_id = {{0}},
    .partition_data = NULL,
    .partition_data_count = 0,
};
const struct wire_message wire_produce_request_topic_type = {
    "topic", produce_request_topic_fields, &produce_request_topic_default,
    3, sizeof(struct wire_produce_request_topic), 3, 13, 9, false};

#define AT(member) offsetof(struct wire_produce_request, member)
static const struct wire_field produce_request_fields[] = {
    {"transactional_id", NULL,
     AT(transactional_id), 0, WIRE_STRING, 0, 0, {3, 255}, {3, 255}, {1, 0}},
    {"acks", NULL,
     AT(acks), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"timeout_ms", NULL,
     AT(timeout_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"topic_data", &wire_produce_request_topic_type,
     AT(topic_data), AT(topic_data_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_produce_request
    produce_request_default = {
    .transactional_id = {NULL, 0},
    .acks = 0,
    .timeout_ms = 0,
    .topic_data = NULL,
    .topic_data_count = 0,
};
const struct wire_message wire_produce_request_type = {
    "ProduceRequest", produce_request_fields, &produce_request_default,
    4, sizeof(struct wire_produce_request), 3, 13, 9, false};

#define AT(member) offsetof(struct wire_produce_response_record_error, member)
static const struct wire_field produce_response_record_error_fields[] = {
    {"batch_index", NULL,
     AT(batch_index), 0, WIRE_INT32, 0, 0, {8, 255}, {1, 0}, {1, 0}},
    {"batch_index_error_message", NULL,
     AT(batch_index_error_message), 0, WIRE_STRING, 0, 0, {8, 255}, {8, 255}, {1, 0}},
};
#undef AT
static const struct wire_produce_response_record_error
    produce_response_record_error_default = {
    .batch_index = 0,
    .batch_index_error_message = {NULL, 0},
};
const struct wire_message wire_produce_response_record_error_type = {
    "record_error", produce_response_record_error_fields, &produce_response_record_error_default,
    2, sizeof(struct wire_produce_response_record_error), 3, 13, 9, false};

#define AT(member) offsetof(struct wire_produce_response_current_leader, member)
static const struct wire_field produce_response_current_leader_fields[] = {
    {"leader_id", NULL,
     AT(leader_id), 0, WIRE_INT32, 0, 0, {10, 255}, {1, 0}, {1, 0}},
    {"leader_epoch", NULL,
     AT(leader_epoch), 0, WIRE_INT32, 0, 0, {10, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_produce_response_current_leader
    produce_response_current_leader_default = {
    .leader_id = -1,
    .leader_epoch = -1,
};
const struct wire_message wire_produce_response_current_leader_type = {
    "current_leader", produce_response_current_leader_fields, &produce_response_current_leader_default,
    2, sizeof(struct wire_produce_response_current_leader), 3, 13, 9, false};

#define AT(member) offsetof(struct wire_produce_response_partition, member)
static const struct wire_field produce_response_partition_fields[] = {
    {"index", NULL,
     AT(index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"base_offset", NULL,
     AT(base_offset), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"log_append_time_ms", NULL,
     AT(log_append_time_ms), 0, WIRE_INT64, WIRE_IGNORABLE, 0, {2, 255}, {1, 0}, {1, 0}},
    {"log_start_offset", NULL,
     AT(log_start_offset), 0, WIRE_INT64, WIRE_IGNORABLE, 0, {5, 255}, {1, 0}, {1, 0}},
    {"record_errors", &wire_produce_response_record_error_type,
     AT(record_errors), AT(record_errors_count), WIRE_STRUCT, WIRE_ARRAY | WIRE_IGNORABLE, 0, {8, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {8, 255}, {8, 255}, {1, 0}},
    {"current_leader", &wire_produce_response_current_leader_type,
     AT(current_leader), 0, WIRE_STRUCT, 0, 0, {10, 255}, {1, 0}, {10, 255}},
};
#undef AT
static const struct wire_produce_response_partition
    produce_response_partition_default = {
    .index = 0,
    .error_code = 0,
    .base_offset = INT64_C(0),
    .log_append_time_ms = INT64_C(-1),
    .log_start_offset = INT64_C(-1),
    .record_errors = NULL,
    .record_errors_count = 0,
    .error_message = {NULL, 0},
    .current_leader = {.leader_id = -1, .leader_epoch = -1},
};
const struct wire_message wire_produce_response_partition_type = {
    "partition", produce_response_partition_fields, &produce_response_partition_default,
    8, sizeof(struct wire_produce_response_partition), 3, 13, 9, true};

#define AT(member) offsetof(struct wire_produce_response_topic, member)
static const struct wire_field produce_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {0, 12}, {1, 0}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {13, 255}, {1, 0}, {1, 0}},
    {"partition_responses", &wire_produce_response_partition_type,
     AT(partition_responses), AT(partition_responses_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_produce_response_topic
    produce_response_topic_default = {
    .name = {"", 0},
    .topic_id = {{0}},
    .partition_responses = NULL,
    .partition_responses_count = 0,
};
const struct wire_message wire_produce_response_topic_type = {
    "topic", produce_response_topic_fields, &produce_response_topic_default,
    3, sizeof(struct wire_produce_response_topic), 3, 13, 9, false};

#define AT(member) offsetof(struct wire_produce_response_node_endpoint, member)
static const struct wire_field produce_response_node_endpoint_fields[] = {
    {"node_id", NULL,
     AT(node_id), 0, WIRE_INT32, 0, 0, {10, 255}, {1, 0}, {1, 0}},
    {"host", NULL,
     AT(host), 0, WIRE_STRING, 0, 0, {10, 255}, {1, 0}, {1, 0}},
    {"port", NULL,
     AT(port), 0, WIRE_INT32, 0, 0, {10, 255}, {1, 0}, {1, 0}},
    {"rack", NULL,
     AT(rack), 0, WIRE_STRING, 0, 0, {10, 255}, {10, 255}, {1, 0}},
};
#undef AT
static const struct wire_produce_response_node_endpoint
    produce_response_node_endpoint_default = {
    .node_id = 0,
    .host = {"", 0},
    .port = 0,
    .rack = {NULL, 0},
};
const struct wire_message wire_produce_response_node_endpoint_type = {
    "node_endpoint", produce_response_node_endpoint_fields, &produce_response_node_endpoint_default,
    4, sizeof(struct wire_produce_response_node_endpoint), 3, 13, 9, false};

#define AT(member) offsetof(struct wire_produce_response, member)
static const struct wire_field produce_response_fields[] = {
    {"responses", &wire_produce_response_topic_type,
     AT(responses), AT(responses_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"node_endpoints", &wire_produce_response_node_endpoint_type,
     AT(node_endpoints), AT(node_endpoints_count), WIRE_STRUCT, WIRE_ARRAY, 0, {10, 255}, {1, 0}, {10, 255}},
};
#undef AT
static const struct wire_produce_response
    produce_response_default = {
    .responses = NULL,
    .responses_count = 0,
    .throttle_time_ms = 0,
    .node_endpoints = NULL,
    .node_endpoints_count = 0,
};
const struct wire_message wire_produce_response_type = {
    "ProduceResponse", produce_response_fields, &produce_response_default,
    3, sizeof(struct wire_produce_response), 3, 13, 9, true};
