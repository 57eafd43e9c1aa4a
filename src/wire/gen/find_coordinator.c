/* Made by tools/gen_wire.py from src/wire/schema/find_coordinator.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/find_coordinator.h"

#define AT(member) offsetof(struct wire_find_coordinator_request, member)
static const struct wire_field find_coordinator_request_fields[] = {
    {"key", NULL,
     AT(key), 0, WIRE_STRING, 0, 0, {0, 3}, {1, 0}, {1, 0}},
    {"key_type", NULL,
     AT(key_type), 0, WIRE_INT8, 0, 0, {1, 255}, {1, 0}, {1, 0}},
    {"coordinator_keys", NULL,
     AT(coordinator_keys), AT(coordinator_keys_count), WIRE_STRING, WIRE_ARRAY, 0, {4, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_find_coordinator_request
    find_coordinator_request_default = {
    .key = {"", 0},
    .key_type = 0,
    .coordinator_keys = NULL,
    .coordinator_keys_count = 0,
};
const struct wire_message wire_find_coordinator_request_type = {
    "FindCoordinatorRequest", find_coordinator_request_fields, &find_coordinator_request_default,
    3, sizeof(struct wire_find_coordinator_request), 0, 6, 3, false};

#define AT(member) offsetof(struct wire_find_coordinator_response_coordinator, member)
static const struct wire_field find_coordinator_response_coordinator_fields[] = {
    {"key", NULL,
     AT(key), 0, WIRE_STRING, 0, 0, {4, 255}, {1, 0}, {1, 0}},
    {"node_id", NULL,
     AT(node_id), 0, WIRE_INT32, 0, 0, {4, 255}, {1, 0}, {1, 0}},
    {"host", NULL,
     AT(host), 0, WIRE_STRING, 0, 0, {4, 255}, {1, 0}, {1, 0}},
    {"port", NULL,
     AT(port), 0, WIRE_INT32, 0, 0, {4, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {4, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {4, 255}, {4, 255}, {1, 0}},
};
#undef AT
static const struct wire_find_coordinator_response_coordinator
    find_coordinator_response_coordinator_default = {
    .key = {"", 0},
    .node_id = 0,
    .host = {"", 0},
    .port = 0,
    .error_code = 0,
    .error_message = {"", 0},
};
const struct wire_message wire_find_coordinator_response_coordinator_type = {
    "coordinator", find_coordinator_response_coordinator_fields, &find_coordinator_response_coordinator_default,
    6, sizeof(struct wire_find_coordinator_response_coordinator), 0, 6, 3, false};

#define AT(member) offsetof(struct wire_find_coordinator_response, member)
static const struct wire_field find_coordinator_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 3}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {1, 3}, {1, 3}, {1, 0}},
    {"node_id", NULL,
     AT(node_id), 0, WIRE_INT32, 0, 0, {0, 3}, {1, 0}, {1, 0}},
    {"host", NULL,
     AT(host), 0, WIRE_STRING, 0, 0, {0, 3}, {1, 0}, {1, 0}},
    {"port", NULL,
     AT(port), 0, WIRE_INT32, 0, 0, {0, 3}, {1, 0}, {1, 0}},
    {"coordinators", &wire_find_coordinator_response_coordinator_type,
     AT(coordinators), AT(coordinators_count), WIRE_STRUCT, WIRE_ARRAY, 0, {4, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_find_coordinator_response
    find_coordinator_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .error_message = {"", 0},
    .node_id = 0,
    .host = {"", 0},
    .port = 0,
    .coordinators = NULL,
    .coordinators_count = 0,
};
const struct wire_message wire_find_coordinator_response_type = {
    "FindCoordinatorResponse", find_coordinator_response_fields, &find_coordinator_response_default,
    7, sizeof(struct wire_find_coordinator_response), 0, 6, 3, false};
