/* Made by tools/gen_wire.py from src/wire/schema/describe_cluster.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/describe_cluster.h"

#define AT(member) offsetof(struct wire_describe_cluster_request, member)
static const struct wire_field describe_cluster_request_fields[] = {
    {"include_cluster_authorized_operations", NULL,
     AT(include_cluster_authorized_operations), 0, WIRE_BOOL, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"endpoint_type", NULL,
     AT(endpoint_type), 0, WIRE_INT8, 0, 0, {1, 255}, {1, 0}, {1, 0}},
    {"include_fenced_brokers", NULL,
     AT(include_fenced_brokers), 0, WIRE_BOOL, 0, 0, {2, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_cluster_request
    describe_cluster_request_default = {
    .include_cluster_authorized_operations = false,
    .endpoint_type = 1,
    .include_fenced_brokers = false,
};
const struct wire_message wire_describe_cluster_request_type = {
    "DescribeClusterRequest", describe_cluster_request_fields, &describe_cluster_request_default,
    3, sizeof(struct wire_describe_cluster_request), 0, 2, 0, false};

#define AT(member) offsetof(struct wire_describe_cluster_response_broker, member)
static const struct wire_field describe_cluster_response_broker_fields[] = {
    {"broker_id", NULL,
     AT(broker_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"host", NULL,
     AT(host), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"port", NULL,
     AT(port), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"rack", NULL,
     AT(rack), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
    {"is_fenced", NULL,
     AT(is_fenced), 0, WIRE_BOOL, 0, 0, {2, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_cluster_response_broker
    describe_cluster_response_broker_default = {
    .broker_id = 0,
    .host = {"", 0},
    .port = 0,
    .rack = {NULL, 0},
    .is_fenced = false,
};
const struct wire_message wire_describe_cluster_response_broker_type = {
    "broker", describe_cluster_response_broker_fields, &describe_cluster_response_broker_default,
    5, sizeof(struct wire_describe_cluster_response_broker), 0, 2, 0, false};

#define AT(member) offsetof(struct wire_describe_cluster_response, member)
static const struct wire_field describe_cluster_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, 0, 0, {0, 255}, {0, 255}, {1, 0}},
    {"endpoint_type", NULL,
     AT(endpoint_type), 0, WIRE_INT8, 0, 0, {1, 255}, {1, 0}, {1, 0}},
    {"cluster_id", NULL,
     AT(cluster_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"controller_id", NULL,
     AT(controller_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"brokers", &wire_describe_cluster_response_broker_type,
     AT(brokers), AT(brokers_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"cluster_authorized_operations", NULL,
     AT(cluster_authorized_operations), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_cluster_response
    describe_cluster_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .error_message = {NULL, 0},
    .endpoint_type = 1,
    .cluster_id = {"", 0},
    .controller_id = -1,
    .brokers = NULL,
    .brokers_count = 0,
    .cluster_authorized_operations = INT32_MIN,
};
const struct wire_message wire_describe_cluster_response_type = {
    "DescribeClusterResponse", describe_cluster_response_fields, &describe_cluster_response_default,
    8, sizeof(struct wire_describe_cluster_response), 0, 2, 0, false};
