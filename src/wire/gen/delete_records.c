/* Made by tools/gen_wire.py from src/wire/schema/delete_records.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/delete_records.h"

#define AT(member) offsetof(struct wire_delete_records_request_partition, member)
static const struct wire_field delete_records_request_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"offset", NULL,
     AT(offset), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_records_request_partition
    delete_records_request_partition_default = {
    .partition_index = 0,
    .offset = INT64_C(0),
};
const struct wire_message wire_delete_records_request_partition_type = {
    "partition", delete_records_request_partition_fields, &delete_records_request_partition_default,
    2, sizeof(struct wire_delete_records_request_partition), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_delete_records_request_topic, member)
static const struct wire_field delete_records_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_delete_records_request_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_records_request_topic
    delete_records_request_topic_default = {
    .name = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_delete_records_request_topic_type = {
    "topic", delete_records_request_topic_fields, &delete_records_request_topic_default,
    2, sizeof(struct wire_delete_records_request_topic), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_delete_records_request, member)
static const struct wire_field delete_records_request_fields[] = {
    {"topics", &wire_delete_records_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"timeout_ms", NULL,
     AT(timeout_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_records_request
    delete_records_request_default = {
    .topics = NULL,
    .topics_count = 0,
    .timeout_ms = 0,
};
const struct wire_message wire_delete_records_request_type = {
    "DeleteRecordsRequest", delete_records_request_fields, &delete_records_request_default,
    2, sizeof(struct wire_delete_records_request), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_delete_records_response_partition, member)
static const struct wire_field delete_records_response_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"low_watermark", NULL,
     AT(low_watermark), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_records_response_partition
    delete_records_response_partition_default = {
    .partition_index = 0,
    .low_watermark = INT64_C(0),
    .error_code = 0,
};
const struct wire_message wire_delete_records_response_partition_type = {
    "partition", delete_records_response_partition_fields, &delete_records_response_partition_default,
    3, sizeof(struct wire_delete_records_response_partition), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_delete_records_response_topic, member)
static const struct wire_field delete_records_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_delete_records_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_records_response_topic
    delete_records_response_topic_default = {
    .name = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_delete_records_response_topic_type = {
    "topic", delete_records_response_topic_fields, &delete_records_response_topic_default,
    2, sizeof(struct wire_delete_records_response_topic), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_delete_records_response, member)
static const struct wire_field delete_records_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_delete_records_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_records_response
    delete_records_response_default = {
    .throttle_time_ms = 0,
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_delete_records_response_type = {
    "DeleteRecordsResponse", delete_records_response_fields, &delete_records_response_default,
    2, sizeof(struct wire_delete_records_response), 0, 2, 2, false};
