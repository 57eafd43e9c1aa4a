/* Made by tools/gen_wire.py from src/wire/schema/describe_producers.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/describe_producers.h"

#define AT(member) offsetof(struct wire_describe_producers_request_topic, member)
static const struct wire_field describe_producers_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partition_indexes", NULL,
     AT(partition_indexes), AT(partition_indexes_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_producers_request_topic
    describe_producers_request_topic_default = {
    .name = {"", 0},
    .partition_indexes = NULL,
    .partition_indexes_count = 0,
};
const struct wire_message wire_describe_producers_request_topic_type = {
    "topic", describe_producers_request_topic_fields, &describe_producers_request_topic_default,
    2, sizeof(struct wire_describe_producers_request_topic), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_producers_request, member)
static const struct wire_field describe_producers_request_fields[] = {
    {"topics", &wire_describe_producers_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_producers_request
    describe_producers_request_default = {
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_describe_producers_request_type = {
    "DescribeProducersRequest", describe_producers_request_fields, &describe_producers_request_default,
    1, sizeof(struct wire_describe_producers_request), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_producers_response_active_producer, member)
static const struct wire_field describe_producers_response_active_producer_fields[] = {
    {"producer_id", NULL,
     AT(producer_id), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"producer_epoch", NULL,
     AT(producer_epoch), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"last_sequence", NULL,
     AT(last_sequence), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"last_timestamp", NULL,
     AT(last_timestamp), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"coordinator_epoch", NULL,
     AT(coordinator_epoch), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"current_txn_start_offset", NULL,
     AT(current_txn_start_offset), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_producers_response_active_producer
    describe_producers_response_active_producer_default = {
    .producer_id = INT64_C(0),
    .producer_epoch = 0,
    .last_sequence = -1,
    .last_timestamp = INT64_C(-1),
    .coordinator_epoch = 0,
    .current_txn_start_offset = INT64_C(-1),
};
const struct wire_message wire_describe_producers_response_active_producer_type = {
    "active_producer", describe_producers_response_active_producer_fields, &describe_producers_response_active_producer_default,
    6, sizeof(struct wire_describe_producers_response_active_producer), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_producers_response_partition, member)
static const struct wire_field describe_producers_response_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
    {"active_producers", &wire_describe_producers_response_active_producer_type,
     AT(active_producers), AT(active_producers_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_producers_response_partition
    describe_producers_response_partition_default = {
    .partition_index = 0,
    .error_code = 0,
    .error_message = {NULL, 0},
    .active_producers = NULL,
    .active_producers_count = 0,
};
const struct wire_message wire_describe_producers_response_partition_type = {
    "partition", describe_producers_response_partition_fields, &describe_producers_response_partition_default,
    4, sizeof(struct wire_describe_producers_response_partition), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_producers_response_topic, member)
static const struct wire_field describe_producers_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_describe_producers_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_producers_response_topic
    describe_producers_response_topic_default = {
    .name = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_describe_producers_response_topic_type = {
    "topic", describe_producers_response_topic_fields, &describe_producers_response_topic_default,
    2, sizeof(struct wire_describe_producers_response_topic), 0, 0, 0, false};

#define AT(member) offsetof(struct wire_describe_producers_response, member)
static const struct wire_field describe_producers_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_describe_producers_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_producers_response
    describe_producers_response_default = {
    .throttle_time_ms = 0,
    .topics = NULL,
    .topics_count = 0,
};
const struct wire_message wire_describe_producers_response_type = {
    "DescribeProducersResponse", describe_producers_response_fields, &describe_producers_response_default,
    2, sizeof(struct wire_describe_producers_response), 0, 0, 0, false};
