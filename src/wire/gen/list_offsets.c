/* Made by tools/gen_wire.py from src/wire/schema/list_offsets.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/list_offsets.h"

#define AT(member) offsetof(struct wire_list_offsets_request_partition, member)
static const struct wire_field list_offsets_request_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"current_leader_epoch", NULL,
     AT(current_leader_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {4, 255}, {1, 0}, {1, 0}},
    {"timestamp", NULL,
     AT(timestamp), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_offsets_request_partition
    list_offsets_request_partition_default = {
    .partition_index = 0,
    .current_leader_epoch = -1,
    .timestamp = INT64_C(0),
};
const struct wire_message wire_list_offsets_request_partition_type = {
    "partition", list_offsets_request_partition_fields, &list_offsets_request_partition_default,
    3, sizeof(struct wire_list_offsets_request_partition), 1, 11, 6, false};

#define AT(member) offsetof(struct wire_list_offsets_request_topic, member)
static const struct wire_field list_offsets_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_list_offsets_request_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_offsets_request_topic
    list_offsets_request_topic_default = {
    .name = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_list_offsets_request_topic_type = {
    "topic", list_offsets_request_topic_fields, &list_offsets_request_topic_default,
    2, sizeof(struct wire_list_offsets_request_topic), 1, 11, 6, false};

#define AT(member) offsetof(struct wire_list_offsets_request, member)
static const struct wire_field list_offsets_request_fields[] = {
    {"replica_id", NULL,
     AT(replica_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"isolation_level", NULL,
     AT(isolation_level), 0, WIRE_INT8, 0, 0, {2, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_list_offsets_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"timeout_ms", NULL,
     AT(timeout_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {10, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_offsets_request
    list_offsets_request_default = {
    .replica_id = 0,
    .isolation_level = 0,
    .topics = NULL,
    .topics_count = 0,
    .timeout_ms = 0,
};
const struct wire_message wire_list_offsets_request_type = {
    "ListOffsetsRequest", list_offsets_request_fields, &list_offsets_request_default,
    4, sizeof(struct wire_list_offsets_request), 1, 11, 6, false};

#define AT(member) offsetof(struct wire_list_offsets_response_partition, member)
static const struct wire_field list_offsets_response_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"timestamp", NULL,
     AT(timestamp), 0, WIRE_INT64, 0, 0, {1, 255}, {1, 0}, {1, 0}},
    {"offset", NULL,
     AT(offset), 0, WIRE_INT64, 0, 0, {1, 255}, {1, 0}, {1, 0}},
    {"leader_epoch", NULL,
     AT(leader_epoch), 0, WIRE_INT32, 0, 0, {4, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_offsets_response_partition
    list_offsets_response_partition_default = {
    .partition_index = 0,
    .error_code = 0,
    .timestamp = INT64_C(-1),
    .offset = INT64_C(-1),
    .leader_epoch = -1,
};
const struct wire_message wire_list_offsets_response_partition_type = {
    "partition", list_offsets_response_partition_fields, &list_offsets_response_partition_default,
    5, sizeof(struct wire_list_offsets_response_partition), 1, 11, 6, false};

#define AT(member) offsetof(struct wire_list_offsets_response_topic, member)
static const struct wire_field list_offsets_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_list_offsets_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_offsets_response_topic
    list_offsets_response_topic_default = {
    .name = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_list_offsets_response_topic_type = {
    "topic", list_offsets_response_topic_fields, &list_offsets_response_topic_default,
    2, sizeof(struct wire_list_offsets_response_topic), 1, 11, 6, false};

#define AT(member) offsetof(struct wire_list_offsets_response, member)
static const struct wire_field list_offsets_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {2, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_list_offsets_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_offsets_response
    list_offsets_response_default = {
    .throttle_time_ms = 0,
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_list_offsets_response_type = {
    "ListOffsetsResponse", list_offsets_response_fields, &list_offsets_response_default,
    2, sizeof(struct wire_list_offsets_response), 1, 11, 6, false};
