/* Made by tools/gen_wire.py from src/wire/schema/describe_log_dirs.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/describe_log_dirs.h"

#define AT(member) offsetof(struct wire_describe_log_dirs_request_topic, member)
static const struct wire_field describe_log_dirs_request_topic_fields[] = {
    {"topic", NULL,
     AT(topic), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", NULL,
     AT(partitions), AT(partitions_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_log_dirs_request_topic
    describe_log_dirs_request_topic_default = {
    .topic = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_describe_log_dirs_request_topic_type = {
    "topic", describe_log_dirs_request_topic_fields, &describe_log_dirs_request_topic_default,
    2, sizeof(struct wire_describe_log_dirs_request_topic), 1, 5, 2, false};

#define AT(member) offsetof(struct wire_describe_log_dirs_request, member)
static const struct wire_field describe_log_dirs_request_fields[] = {
    {"topics", &wire_describe_log_dirs_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_describe_log_dirs_request
    describe_log_dirs_request_default = {
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_describe_log_dirs_request_type = {
    "DescribeLogDirsRequest", describe_log_dirs_request_fields, &describe_log_dirs_request_default,
    1, sizeof(struct wire_describe_log_dirs_request), 1, 5, 2, false};

#define AT(member) offsetof(struct wire_describe_log_dirs_response_partition, member)
static const struct wire_field describe_log_dirs_response_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partition_size", NULL,
     AT(partition_size), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"offset_lag", NULL,
     AT(offset_lag), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"is_future_key", NULL,
     AT(is_future_key), 0, WIRE_BOOL, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_log_dirs_response_partition
    describe_log_dirs_response_partition_default = {
    .partition_index = 0,
    .partition_size = INT64_C(0),
    .offset_lag = INT64_C(0),
    .is_future_key = false,
};
const struct wire_message wire_describe_log_dirs_response_partition_type = {
    "partition", describe_log_dirs_response_partition_fields, &describe_log_dirs_response_partition_default,
    4, sizeof(struct wire_describe_log_dirs_response_partition), 1, 5, 2, false};

#define AT(member) offsetof(struct wire_describe_log_dirs_response_topic, member)
static const struct wire_field describe_log_dirs_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_describe_log_dirs_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_log_dirs_response_topic
    describe_log_dirs_response_topic_default = {
    .name = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_describe_log_dirs_response_topic_type = {
    "topic", describe_log_dirs_response_topic_fields, &describe_log_dirs_response_topic_default,
    2, sizeof(struct wire_describe_log_dirs_response_topic), 1, 5, 2, false};

#define AT(member) offsetof(struct wire_describe_log_dirs_response_log_dir, member)
static const struct wire_field describe_log_dirs_response_log_dir_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"log_dir", NULL,
     AT(log_dir), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_describe_log_dirs_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"total_bytes", NULL,
     AT(total_bytes), 0, WIRE_INT64, WIRE_IGNORABLE, 0, {4, 255}, {1, 0}, {1, 0}},
    {"usable_bytes", NULL,
     AT(usable_bytes), 0, WIRE_INT64, WIRE_IGNORABLE, 0, {4, 255}, {1, 0}, {1, 0}},
    {"is_cordoned", NULL,
     AT(is_cordoned), 0, WIRE_BOOL, WIRE_IGNORABLE, 0, {5, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_log_dirs_response_log_dir
    describe_log_dirs_response_log_dir_default = {
    .error_code = 0,
    .log_dir = {"", 0},
    .topics = NULL,
    .topics_count = 0,
    .total_bytes = INT64_C(-1),
    .usable_bytes = INT64_C(-1),
    .is_cordoned = false,
};
const struct wire_message wire_describe_log_dirs_response_log_dir_type = {
    "log_dir", describe_log_dirs_response_log_dir_fields, &describe_log_dirs_response_log_dir_default,
    6, sizeof(struct wire_describe_log_dirs_response_log_dir), 1, 5, 2, false};

#define AT(member) offsetof(struct wire_describe_log_dirs_response, member)
static const struct wire_field describe_log_dirs_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, WIRE_IGNORABLE, 0, {3, 255}, {1, 0}, {1, 0}},
    {"results", &wire_describe_log_dirs_response_log_dir_type,
     AT(results), AT(results_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_log_dirs_response
    describe_log_dirs_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .results = NULL,
    .results_count = 0,
};
const struct wire_message wire_describe_log_dirs_response_type = {
    "DescribeLogDirsResponse", describe_log_dirs_response_fields, &describe_log_dirs_response_default,
    3, sizeof(struct wire_describe_log_dirs_response), 1, 5, 2, false};
