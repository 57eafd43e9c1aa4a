/* Made by tools/gen_wire.py from src/wire/schema/create_partitions.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/create_partitions.h"

#define AT(member) offsetof(struct wire_create_partitions_request_assignment, member)
static const struct wire_field create_partitions_request_assignment_fields[] = {
    {"broker_ids", NULL,
     AT(broker_ids), AT(broker_ids_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_create_partitions_request_assignment
    create_partitions_request_assignment_default = {
    .broker_ids = NULL,
    .broker_ids_count = 0,
};
const struct wire_message wire_create_partitions_request_assignment_type = {
    "assignment", create_partitions_request_assignment_fields, &create_partitions_request_assignment_default,
    1, sizeof(struct wire_create_partitions_request_assignment), 0, 3, 2, false};

#define AT(member) offsetof(struct wire_create_partitions_request_topic, member)
static const struct wire_field create_partitions_request_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"count", NULL,
     AT(count), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"assignments", &wire_create_partitions_request_assignment_type,
     AT(assignments), AT(assignments_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_create_partitions_request_topic
    create_partitions_request_topic_default = {
    .name = {"", 0},
    .count = 0,
    .assignments = NULL,
    .assignments_count = 0,
};
const struct wire_message wire_create_partitions_request_topic_type = {
    "topic", create_partitions_request_topic_fields, &create_partitions_request_topic_default,
    3, sizeof(struct wire_create_partitions_request_topic), 0, 3, 2, false};

#define AT(member) offsetof(struct wire_create_partitions_request, member)
static const struct wire_field create_partitions_request_fields[] = {
    {"topics", &wire_create_partitions_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"timeout_ms", NULL,
     AT(timeout_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"validate_only", NULL,
     AT(validate_only), 0, WIRE_BOOL, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_create_partitions_request
    create_partitions_request_default = {
    .topics = NULL,
    .topics_count = 0,
    .timeout_ms = 0,
    .validate_only = false,
};
const struct wire_message wire_create_partitions_request_type = {
    "CreatePartitionsRequest", create_partitions_request_fields, &create_partitions_request_default,
    3, sizeof(struct wire_create_partitions_request), 0, 3, 2, false};

#define AT(member) offsetof(struct wire_create_partitions_response_topic, member)
static const struct wire_field create_partitions_response_topic_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_create_partitions_response_topic
    create_partitions_response_topic_default = {
    .name = {"", 0},
    .error_code = 0,
    .error_message = {NULL, 0},
};
const struct wire_message wire_create_partitions_response_topic_type = {
    "topic", create_partitions_response_topic_fields, &create_partitions_response_topic_default,
    3, sizeof(struct wire_create_partitions_response_topic), 0, 3, 2, false};

#define AT(member) offsetof(struct wire_create_partitions_response, member)
static const struct wire_field create_partitions_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"results", &wire_create_partitions_response_topic_type,
     AT(results), AT(results_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_create_partitions_response
    create_partitions_response_default = {
    .throttle_time_ms = 0,
    .results = NULL,
    .results_count = 0,
};
const struct wire_message wire_create_partitions_response_type = {
    "CreatePartitionsResponse", create_partitions_response_fields, &create_partitions_response_default,
    2, sizeof(struct wire_create_partitions_response), 0, 3, 2, false};
