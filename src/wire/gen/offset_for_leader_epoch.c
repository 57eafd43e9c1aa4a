/* Made by tools/gen_wire.py from src/wire/schema/offset_for_leader_epoch.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/offset_for_leader_epoch.h"

#define AT(member) offsetof(struct wire_offset_for_leader_epoch_request_partition, member)
static const struct wire_field offset_for_leader_epoch_request_partition_fields[] = {
    {"partition", NULL,
     AT(partition), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"current_leader_epoch", NULL,
     AT(current_leader_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {2, 255}, {1, 0}, {1, 0}},
    {"leader_epoch", NULL,
     AT(leader_epoch), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_for_leader_epoch_request_partition
    offset_for_leader_epoch_request_partition_default = {
    .partition = 0,
    .current_leader_epoch = -1,
    .leader_epoch = 0,
};
const struct wire_message wire_offset_for_leader_epoch_request_partition_type = {
    "partition", offset_for_leader_epoch_request_partition_fields, &offset_for_leader_epoch_request_partition_default,
    3, sizeof(struct wire_offset_for_leader_epoch_request_partition), 2, 4, 4, false};

#define AT(member) offsetof(struct wire_offset_for_leader_epoch_request_topic, member)
static const struct wire_field offset_for_leader_epoch_request_topic_fields[] = {
    {"topic", NULL,
     AT(topic), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_offset_for_leader_epoch_request_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_for_leader_epoch_request_topic
    offset_for_leader_epoch_request_topic_default = {
    .topic = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_offset_for_leader_epoch_request_topic_type = {
    "topic", offset_for_leader_epoch_request_topic_fields, &offset_for_leader_epoch_request_topic_default,
    2, sizeof(struct wire_offset_for_leader_epoch_request_topic), 2, 4, 4, false};

#define AT(member) offsetof(struct wire_offset_for_leader_epoch_request, member)
static const struct wire_field offset_for_leader_epoch_request_fields[] = {
    {"replica_id", NULL,
     AT(replica_id), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {3, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_offset_for_leader_epoch_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_for_leader_epoch_request
    offset_for_leader_epoch_request_default = {
    .replica_id = -2,
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_offset_for_leader_epoch_request_type = {
    "OffsetForLeaderEpochRequest", offset_for_leader_epoch_request_fields, &offset_for_leader_epoch_request_default,
    2, sizeof(struct wire_offset_for_leader_epoch_request), 2, 4, 4, false};

#define AT(member) offsetof(struct wire_offset_for_leader_epoch_response_partition, member)
static const struct wire_field offset_for_leader_epoch_response_partition_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partition", NULL,
     AT(partition), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"leader_epoch", NULL,
     AT(leader_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"end_offset", NULL,
     AT(end_offset), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_for_leader_epoch_response_partition
    offset_for_leader_epoch_response_partition_default = {
    .error_code = 0,
    .partition = 0,
    .leader_epoch = -1,
    .end_offset = INT64_C(-1),
};
const struct wire_message wire_offset_for_leader_epoch_response_partition_type = {
    "partition", offset_for_leader_epoch_response_partition_fields, &offset_for_leader_epoch_response_partition_default,
    4, sizeof(struct wire_offset_for_leader_epoch_response_partition), 2, 4, 4, false};

#define AT(member) offsetof(struct wire_offset_for_leader_epoch_response_topic, member)
static const struct wire_field offset_for_leader_epoch_response_topic_fields[] = {
    {"topic", NULL,
     AT(topic), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_offset_for_leader_epoch_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_for_leader_epoch_response_topic
    offset_for_leader_epoch_response_topic_default = {
    .topic = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_offset_for_leader_epoch_response_topic_type = {
    "topic", offset_for_leader_epoch_response_topic_fields, &offset_for_leader_epoch_response_topic_default,
    2, sizeof(struct wire_offset_for_leader_epoch_response_topic), 2, 4, 4, false};

#define AT(member) offsetof(struct wire_offset_for_leader_epoch_response, member)
static const struct wire_field offset_for_leader_epoch_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {2, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_offset_for_leader_epoch_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_offset_for_leader_epoch_response
    offset_for_leader_epoch_response_default = {
    .throttle_time_ms = 0,
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_offset_for_leader_epoch_response_type = {
    "OffsetForLeaderEpochResponse", offset_for_leader_epoch_response_fields, &offset_for_leader_epoch_response_default,
    2, sizeof(struct wire_offset_for_leader_epoch_response), 2, 4, 4, false};
