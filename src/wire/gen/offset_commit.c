/* Made by tools/gen_wire.py from src/wire/schema/offset_commit.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/offset_commit.h"

#define AT(member) offsetof(struct wire_offset_commit_request_partition, member)
static const struct wire_field offset_commit_request_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"committed_offset", NULL,
     AT(committed_offset), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"committed_leader_epoch", NULL,
     AT(committed_leader_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {6, 255}, {1, 0}, {1, 0}},
    {"committed_metadata", NULL,
     AT(committed_metadata), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_offset_commit_request_partition
    offset_commit_request_partition_default = {
    .partition_index = 0,
    .committed_offset = INT64_C(0),
    .committed_leader_epoch = -1,
    .committed_metadata = {"", 0},
};
const struct wire_message wire_offset_commit_request_partition_type = {
    "partition", offset_commit_request_partition_fields, &offset_commit_request_partition_default,
    4, sizeof(struct wire_offset_commit_request_partition), 2, 10, 8, false};

#define AT(member) offsetof(struct wire_offset_commit_request_topic, member)
static const struct wire_field offset_commit_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {0, 9}, {1, 0}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {10, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_offset_commit_request_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_commit_request_topic
    offset_commit_request_topic_default = {
    .name = {"", 0},
    .topic_id = {{0}},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_offset_commit_request_topic_type = {
    "topic", offset_commit_request_topic_fields, &offset_commit_request_topic_default,
    3, sizeof(struct wire_offset_commit_request_topic), 2, 10, 8, false};

#define AT(member) offsetof(struct wire_offset_commit_request, member)
static const struct wire_field offset_commit_request_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"generation_id_or_member_epoch", NULL,
     AT(generation_id_or_member_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"group_instance_id", NULL,
     AT(group_instance_id), 0, WIRE_STRING, 0, 0, {7, 255}, {7, 255}, {1, 0}},
    {"retention_time_ms", NULL,
     AT(retention_time_ms), 0, WIRE_INT64, WIRE_IGNORABLE, 0, {2, 4}, {1, 0}, {1, 0}},
    {"topics", &wire_offset_commit_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_commit_request
    offset_commit_request_default = {
    .group_id = {"", 0},
    .generation_id_or_member_epoch = -1,
    .member_id = {"", 0},
    .group_instance_id = {NULL, 0},
    .retention_time_ms = INT64_C(-1),
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_offset_commit_request_type = {
    "OffsetCommitRequest", offset_commit_request_fields, &offset_commit_request_default,
    6, sizeof(struct wire_offset_commit_request), 2, 10, 8, false};

#define AT(member) offsetof(struct wire_offset_commit_response_partition, member)
static const struct wire_field offset_commit_response_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_commit_response_partition
    offset_commit_response_partition_default = {
    .partition_index = 0,
    .error_code = 0,
};
const struct wire_message wire_offset_commit_response_partition_type = {
    "partition", offset_commit_response_partition_fields, &offset_commit_response_partition_default,
    2, sizeof(struct wire_offset_commit_response_partition), 2, 10, 8, false};

#define AT(member) offsetof(struct wire_offset_commit_response_topic, member)
static const struct wire_field offset_commit_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {0, 9}, {1, 0}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {10, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_offset_commit_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_commit_response_topic
    offset_commit_response_topic_default = {
    .name = {"", 0},
    .topic_id = {{0}},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_offset_commit_response_topic_type = {
    "topic", offset_commit_response_topic_fields, &offset_commit_response_topic_default,
    3, sizeof(struct wire_offset_commit_response_topic), 2, 10, 8, false};

#define AT(member) offsetof(struct wire_offset_commit_response, member)
static const struct wire_field offset_commit_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {3, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_offset_commit_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_commit_response
    offset_commit_response_default = {
    .throttle_time_ms = 0,
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_offset_commit_response_type = {
    "OffsetCommitResponse", offset_commit_response_fields, &offset_commit_response_default,
    2, sizeof(struct wire_offset_commit_response), 2, 10, 8, false};
