/* Made by tools/gen_wire.py from src/wire/schema/elect_leaders.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/elect_leaders.h"

#define AT(member) offsetof(struct wire_elect_leaders_request_topic, member)
static const struct wire_field elect_leaders_request_topic_fields[] = {
    {"topic", NULL,
     AT(topic), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", NULL,
     AT(partitions), AT(partitions_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_elect_leaders_request_topic
    elect_leaders_request_topic_default = {
    .topic = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_elect_leaders_request_topic_type = {
    "topic", elect_leaders_request_topic_fields, &elect_leaders_request_topic_default,
    2, sizeof(struct wire_elect_leaders_request_topic), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_elect_leaders_request, member)
static const struct wire_field elect_leaders_request_fields[] = {
    {"election_type", NULL,
     AT(election_type), 0, WIRE_INT8, 0, 0, {1, 255}, {1, 0}, {1, 0}},
    {"topic_partitions", &wire_elect_leaders_request_topic_type,
     AT(topic_partitions), AT(topic_partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {0, 255}, {1, 0}},
    {"timeout_ms", NULL,
     AT(timeout_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_elect_leaders_request
    elect_leaders_request_default = {
    .election_type = 0,
    .topic_partitions = NULL,
    .topic_partitions_count = 0,
    .timeout_ms = 60000,
};
const struct wire_message wire_elect_leaders_request_type = {
    "ElectLeadersRequest", elect_leaders_request_fields, &elect_leaders_request_default,
    3, sizeof(struct wire_elect_leaders_request), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_elect_leaders_response_partition, member)
static const struct wire_field elect_leaders_response_partition_fields[] = {
    {"partition_id", NULL,
     AT(partition_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_elect_leaders_response_partition
    elect_leaders_response_partition_default = {
    .partition_id = 0,
    .error_code = 0,
    .error_message = {"", 0},
};
const struct wire_message wire_elect_leaders_response_partition_type = {
    "partition", elect_leaders_response_partition_fields, &elect_leaders_response_partition_default,
    3, sizeof(struct wire_elect_leaders_response_partition), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_elect_leaders_response_topic, member)
static const struct wire_field elect_leaders_response_topic_fields[] = {
    {"topic", NULL,
     AT(topic), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partition_result", &wire_elect_leaders_response_partition_type,
     AT(partition_result), AT(partition_result_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_elect_leaders_response_topic
    elect_leaders_response_topic_default = {
    .topic = {"", 0},
    .partition_result = NULL,
    .partition_result_count = 0,
};
const struct wire_message wire_elect_leaders_response_topic_type = {
    "topic", elect_leaders_response_topic_fields, &elect_leaders_response_topic_default,
    2, sizeof(struct wire_elect_leaders_response_topic), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_elect_leaders_response, member)
static const struct wire_field elect_leaders_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {1, 255}, {1, 0}, {1, 0}},
    {"replica_election_results", &wire_elect_leaders_response_topic_type,
     AT(replica_election_results), AT(replica_election_results_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_elect_leaders_response
    elect_leaders_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .replica_election_results = NULL,
    .replica_election_results_count = 0,
};
const struct wire_message wire_elect_leaders_response_type = {
    "ElectLeadersResponse", elect_leaders_response_fields, &elect_leaders_response_default,
    3, sizeof(struct wire_elect_leaders_response), 0, 2, 2, false};
