/* Made by tools/gen_wire.py from src/wire/schema/offset_fetch.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/offset_fetch.h"

#define AT(member) offsetof(struct wire_offset_fetch_request_topic, member)
static const struct wire_field offset_fetch_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 7}, {1, 0}, {1, 0}},
    {"partition_indexes", NULL,
     AT(partition_indexes), AT(partition_indexes_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 7}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_fetch_request_topic
    offset_fetch_request_topic_default = {
    .name = {"", 0},
    .partition_indexes = NULL,
    .partition_indexes_count = 0,
};
const struct wire_message wire_offset_fetch_request_topic_type = {
    "topic", offset_fetch_request_topic_fields, &offset_fetch_request_topic_default,
    2, sizeof(struct wire_offset_fetch_request_topic), 1, 10, 6, false};

#define AT(member) offsetof(struct wire_offset_fetch_request_group_topic, member)
static const struct wire_field offset_fetch_request_group_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {8, 9}, {1, 0}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {10, 255}, {1, 0}, {1, 0}},
    {"partition_indexes", NULL,
     AT(partition_indexes), AT(partition_indexes_count), WIRE_INT32, WIRE_ARRAY, 0, {8, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_fetch_request_group_topic
    offset_fetch_request_group_topic_default = {
    .name = {"", 0},
    .topic_id = {{0}},
    .partition_indexes = NULL,
    .partition_indexes_count = 0,
};
const struct wire_message wire_offset_fetch_request_group_topic_type = {
    "group_topic", offset_fetch_request_group_topic_fields, &offset_fetch_request_group_topic_default,
    3, sizeof(struct wire_offset_fetch_request_group_topic), 1, 10, 6, false};

#define AT(member) offsetof(struct wire_offset_fetch_request_group, member)
static const struct wire_field offset_fetch_request_group_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {8, 255}, {1, 0}, {1, 0}},
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {9, 255}, {9, 255}, {1, 0}},
    {"member_epoch", NULL,
     AT(member_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {9, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_offset_fetch_request_group_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {8, 255}, {8, 255}, {1, 0}},
};
#undef AT
static const struct wire_offset_fetch_request_group
    offset_fetch_request_group_default = {
    .group_id = {"", 0},
    .member_id = {NULL, 0},
    .member_epoch = -1,
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_offset_fetch_request_group_type = {
    "group", offset_fetch_request_group_fields, &offset_fetch_request_group_default,
    4, sizeof(struct wire_offset_fetch_request_group), 1, 10, 6, false};

#define AT(member) offsetof(struct wire_offset_fetch_request, member)
static const struct wire_field offset_fetch_request_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {0, 7}, {1, 0}, {1, 0}},
    {"topics", &wire_offset_fetch_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 7}, {2, 7}, {1, 0}},
    {"groups", &wire_offset_fetch_request_group_type,
     AT(groups), AT(groups_count), WIRE_STRUCT, WIRE_ARRAY, 0, {8, 255}, {1, 0}, {1, 0}},
    {"require_stable", NULL,
     AT(require_stable), 0, WIRE_BOOL, 0, 0, {7, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_fetch_request
    offset_fetch_request_default = {
    .group_id = {"", 0},
    .topics = NULL,
    .topics_count = 0,
    .groups = NULL,
    .groups_count = 0,
    .require_stable = false,
};
const struct wire_message wire_offset_fetch_request_type = {
    "OffsetFetchRequest", offset_fetch_request_fields, &offset_fetch_request_default,
    4, sizeof(struct wire_offset_fetch_request), 1, 10, 6, false};

#define AT(member) offsetof(struct wire_offset_fetch_response_partition, member)
static const struct wire_field offset_fetch_response_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 7}, {1, 0}, {1, 0}},
    {"committed_offset", NULL,
     AT(committed_offset), 0, WIRE_INT64, 0, 0, {0, 7}, {1, 0}, {1, 0}},
    {"committed_leader_epoch", NULL,
     AT(committed_leader_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {5, 7}, {1, 0}, {1, 0}},
    {"metadata", NULL,
     AT(metadata), 0, WIRE_STRING, 0, 0, {0, 7}, {0, 7}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 7}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_fetch_response_partition
    offset_fetch_response_partition_default = {
    .partition_index = 0,
    .committed_offset = INT64_C(0),
    .committed_leader_epoch = -1,
    .metadata = {"", 0},
    .error_code = 0,
};
const struct wire_message wire_offset_fetch_response_partition_type = {
    "partition", offset_fetch_response_partition_fields, &offset_fetch_response_partition_default,
    5, sizeof(struct wire_offset_fetch_response_partition), 1, 10, 6, false};

#define AT(member) offsetof(struct wire_offset_fetch_response_topic, member)
static const struct wire_field offset_fetch_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 7}, {1, 0}, {1, 0}},
    {"partitions", &wire_offset_fetch_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 7}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_fetch_response_topic
    offset_fetch_response_topic_default = {
    .name = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_offset_fetch_response_topic_type = {
    "topic", offset_fetch_response_topic_fields, &offset_fetch_response_topic_default,
    2, sizeof(struct wire_offset_fetch_response_topic), 1, 10, 6, false};

#define AT(member) offsetof(struct wire_offset_fetch_response_group_partition, member)
static const struct wire_field offset_fetch_response_group_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {8, 255}, {1, 0}, {1, 0}},
    {"committed_offset", NULL,
     AT(committed_offset), 0, WIRE_INT64, 0, 0, {8, 255}, {1, 0}, {1, 0}},
    {"committed_leader_epoch", NULL,
     AT(committed_leader_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {8, 255}, {1, 0}, {1, 0}},
    {"metadata", NULL,
     AT(metadata), 0, WIRE_STRING, 0, 0, {8, 255}, {8, 255}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {8, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_fetch_response_group_partition
    offset_fetch_response_group_partition_default = {
    .partition_index = 0,
    .committed_offset = INT64_C(0),
    .committed_leader_epoch = -1,
    .metadata = {"", 0},
    .error_code = 0,
};
const struct wire_message wire_offset_fetch_response_group_partition_type = {
    "group_partition", offset_fetch_response_group_partition_fields, &offset_fetch_response_group_partition_default,
    5, sizeof(struct wire_offset_fetch_response_group_partition), 1, 10, 6, false};

#define AT(member) offsetof(struct wire_offset_fetch_response_group_topic, member)
static const struct wire_field offset_fetch_response_group_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {8, 9}, {1, 0}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {10, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_offset_fetch_response_group_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {8, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_fetch_response_group_topic
    offset_fetch_response_group_topic_default = {
    .name = {"", 0},
    .topic_id = {{0}},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_offset_fetch_response_group_topic_type = {
    "group_topic", offset_fetch_response_group_topic_fields, &offset_fetch_response_group_topic_default,
    3, sizeof(struct wire_offset_fetch_response_group_topic), 1, 10, 6, false};

#define AT(member) offsetof(struct wire_offset_fetch_response_group, member)
static const struct wire_field offset_fetch_response_group_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {8, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_offset_fetch_response_group_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {8, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {8, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_fetch_response_group
    offset_fetch_response_group_default = {
    .group_id = {"", 0},
    .topics = NULL,
    .topics_count = 0,
    .error_code = 0,
};
const struct wire_message wire_offset_fetch_response_group_type = {
    "group", offset_fetch_response_group_fields, &offset_fetch_response_group_default,
    3, sizeof(struct wire_offset_fetch_response_group), 1, 10, 6, false};

#define AT(member) offsetof(struct wire_offset_fetch_response, member)
static const struct wire_field offset_fetch_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {3, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_offset_fetch_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 7}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, WIRE_IGNORABLE, 0, {2, 7}, {1, 0}, {1, 0}},
    {"groups", &wire_offset_fetch_response_group_type,
     AT(groups), AT(groups_count), WIRE_STRUCT, WIRE_ARRAY, 0, {8, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_fetch_response
    offset_fetch_response_default = {
    .throttle_time_ms = 0,
    .topics = NULL,
    .topics_count = 0,
    .error_code = 0,
    .groups = NULL,
    .groups_count = 0,
};
const struct wire_message wire_offset_fetch_response_type = {
    "OffsetFetchResponse", offset_fetch_response_fields, &offset_fetch_response_default,
    4, sizeof(struct wire_offset_fetch_response), 1, 10, 6, false};
