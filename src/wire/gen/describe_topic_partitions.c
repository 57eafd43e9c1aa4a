/* Made by tools/gen_wire.py from src/wire/schema/describe_topic_partitions.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/describe_topic_partitions.h"

#define AT(member) offsetof(struct wire_describe_topic_partitions_request_topic, member)
static const struct wire_field describe_topic_partitions_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_topic_partitions_request_topic
    describe_topic_partitions_request_topic_default = {
    .name = {"", 0},
};
const struct wire_message wire_describe_topic_partitions_request_topic_type = {
    "topic", describe_topic_partitions_request_topic_fields, &describe_topic_partitions_request_topic_default,
    1, sizeof(struct wire_describe_topic_partitions_request_topic), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_topic_partitions_request_cursor, member)
static const struct wire_field describe_topic_partitions_request_cursor_fields[] = {
    {"topic_name", NULL,
     AT(topic_name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_topic_partitions_request_cursor
    describe_topic_partitions_request_cursor_default = {
    .topic_name = {"", 0},
    .partition_index = 0,
};
const struct wire_message wire_describe_topic_partitions_request_cursor_type = {
    "cursor", describe_topic_partitions_request_cursor_fields, &describe_topic_partitions_request_cursor_default,
    2, sizeof(struct wire_describe_topic_partitions_request_cursor), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_topic_partitions_request, member)
static const struct wire_field describe_topic_partitions_request_fields[] = {
    {"topics", &wire_describe_topic_partitions_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"response_partition_limit", NULL,
     AT(response_partition_limit), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"cursor", &wire_describe_topic_partitions_request_cursor_type,
     AT(cursor), 0, WIRE_STRUCT, WIRE_POINTER, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_describe_topic_partitions_request
    describe_topic_partitions_request_default = {
    .topics = NULL,
    .topics_count = 0,
    .response_partition_limit = 2000,
    .cursor = NULL,
};
const struct wire_message wire_describe_topic_partitions_request_type = {
    "DescribeTopicPartitionsRequest", describe_topic_partitions_request_fields, &describe_topic_partitions_request_default,
    3, sizeof(struct wire_describe_topic_partitions_request), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_topic_partitions_response_partition, member)
static const struct wire_field describe_topic_partitions_response_partition_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"leader_id", NULL,
     AT(leader_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"leader_epoch", NULL,
     AT(leader_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {0, 255}, {1, 0}, {1, 0}},
    {"replica_nodes", NULL,
     AT(replica_nodes), AT(replica_nodes_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"isr_nodes", NULL,
     AT(isr_nodes), AT(isr_nodes_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"eligible_leader_replicas", NULL,
     AT(eligible_leader_replicas), AT(eligible_leader_replicas_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {0, 255}, {1, 0}},
    {"last_known_elr", NULL,
     AT(last_known_elr), AT(last_known_elr_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {0, 255}, {1, 0}},
    {"offline_replicas", NULL,
     AT(offline_replicas), AT(offline_replicas_count), WIRE_INT32, WIRE_ARRAY | WIRE_IGNORABLE, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_topic_partitions_response_partition
    describe_topic_partitions_response_partition_default = {
    .error_code = 0,
    .partition_index = 0,
    .leader_id = 0,
    .leader_epoch = -1,
    .replica_nodes = NULL,
    .replica_nodes_count = 0,
    .isr_nodes = NULL,
    .isr_nodes_count = 0,
    .eligible_leader_replicas = NULL,
    .eligible_leader_replicas_count = -1,
    .last_known_elr = NULL,
    .last_known_elr_count = -1,
    .offline_replicas = NULL,
    .offline_replicas_count = 0,
};
const struct wire_message wire_describe_topic_partitions_response_partition_type = {
    "partition", describe_topic_partitions_response_partition_fields, &describe_topic_partitions_response_partition_default,
    9, sizeof(struct wire_describe_topic_partitions_response_partition), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_topic_partitions_response_topic, member)
static const struct wire_field describe_topic_partitions_response_topic_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {0, 255}, {1, 0}, {1, 0}},
    {"is_internal", NULL,
     AT(is_internal), 0, WIRE_BOOL, WIRE_IGNORABLE, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_describe_topic_partitions_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"topic_authorized_operations", NULL,
     AT(topic_authorized_operations), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_topic_partitions_response_topic
    describe_topic_partitions_response_topic_default = {
    .error_code = 0,
    .name = {"", 0},
    .topic_id = {{0}},
    .is_internal = false,
    .partitions = NULL,
    .partitions_count = 0,
    .topic_authorized_operations = INT32_MIN,
};
const struct wire_message wire_describe_topic_partitions_response_topic_type = {
    "topic", describe_topic_partitions_response_topic_fields, &describe_topic_partitions_response_topic_default,
    6, sizeof(struct wire_describe_topic_partitions_response_topic), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_topic_partitions_response_next_cursor, member)
static const struct wire_field describe_topic_partitions_response_next_cursor_fields[] = {
    {"topic_name", NULL,
     AT(topic_name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_topic_partitions_response_next_cursor
    describe_topic_partitions_response_next_cursor_default = {
    .topic_name = {"", 0},
    .partition_index = 0,
};
const struct wire_message wire_describe_topic_partitions_response_next_cursor_type = {
    "next_cursor", describe_topic_partitions_response_next_cursor_fields, &describe_topic_partitions_response_next_cursor_default,
    2, sizeof(struct wire_describe_topic_partitions_response_next_cursor), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_topic_partitions_response, member)
static const struct wire_field describe_topic_partitions_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {0, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_describe_topic_partitions_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"next_cursor", &wire_describe_topic_partitions_response_next_cursor_type,
     AT(next_cursor), 0, WIRE_STRUCT, WIRE_POINTER, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_describe_topic_partitions_response
    describe_topic_partitions_response_default = {
    .throttle_time_ms = 0,
    .topics = NULL,
    .topics_count = 0,
    .next_cursor = NULL,
};
const struct wire_message wire_describe_topic_partitions_response_type = {
    "DescribeTopicPartitionsResponse", describe_topic_partitions_response_fields, &describe_topic_partitions_response_default,
    3, sizeof(struct wire_describe_topic_partitions_response), 0, 0, 0, false};
