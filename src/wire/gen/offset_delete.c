/* Made by tools/gen_wire.py from src/wire/schema/offset_delete.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/offset_delete.h"

#define AT(member) offsetof(struct wire_offset_delete_request_partition, member)
static const struct wire_field offset_delete_request_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_delete_request_partition
    offset_delete_request_partition_default = {
    .partition_index = 0,
};
const struct wire_message wire_offset_delete_request_partition_type = {
    "partition", offset_delete_request_partition_fields, &offset_delete_request_partition_default,
    1, sizeof(struct wire_offset_delete_request_partition), 0, 0, INT16_MAX, false};

#define AT(member) offsetof(struct wire_offset_delete_request_topic, member)
static const struct wire_field offset_delete_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_offset_delete_request_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_delete_request_topic
    offset_delete_request_topic_default = {
    .name = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_offset_delete_request_topic_type = {
    "topic", offset_delete_request_topic_fields, &offset_delete_request_topic_default,
    2, sizeof(struct wire_offset_delete_request_topic), 0, 0, INT16_MAX, false};

#define AT(member) offsetof(struct wire_offset_delete_request, member)
static const struct wire_field offset_delete_request_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_offset_delete_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_delete_request
    offset_delete_request_default = {
    .group_id = {"", 0},
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_offset_delete_request_type = {
    "OffsetDeleteRequest", offset_delete_request_fields, &offset_delete_request_default,
    2, sizeof(struct wire_offset_delete_request), 0, 0, INT16_MAX, false};

#define AT(member) offsetof(struct wire_offset_delete_response_partition, member)
static const struct wire_field offset_delete_response_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_delete_response_partition
    offset_delete_response_partition_default = {
    .partition_index = 0,
    .error_code = 0,
};
const struct wire_message wire_offset_delete_response_partition_type = {
    "partition", offset_delete_response_partition_fields, &offset_delete_response_partition_default,
    2, sizeof(struct wire_offset_delete_response_partition), 0, 0, INT16_MAX, false};

#define AT(member) offsetof(struct wire_offset_delete_response_topic, member)
static const struct wire_field offset_delete_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_offset_delete_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_delete_response_topic
    offset_delete_response_topic_default = {
    .name = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_offset_delete_response_topic_type = {
    "topic", offset_delete_response_topic_fields, &offset_delete_response_topic_default,
    2, sizeof(struct wire_offset_delete_response_topic), 0, 0, INT16_MAX, false};

#define AT(member) offsetof(struct wire_offset_delete_response, member)
static const struct wire_field offset_delete_response_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {0, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_offset_delete_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_delete_response
    offset_delete_response_default = {
    .error_code = 0,
    .throttle_time_ms = 0,
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_offset_delete_response_type = {
    "OffsetDeleteResponse", offset_delete_response_fields, &offset_delete_response_default,
    3, sizeof(struct wire_offset_delete_response), 0, 0, INT16_MAX, false};
