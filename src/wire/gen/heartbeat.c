/* Made by tools/gen_wire.py from src/wire/schema/heartbeat.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/heartbeat.h"

#define AT(member) offsetof(struct wire_heartbeat_request, member)
static const struct wire_field heartbeat_request_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"generation_id", NULL,
     AT(generation_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"group_instance_id", NULL,
     AT(group_instance_id), 0, WIRE_STRING, 0, 0, {3, 255}, {3, 255}, {1, 0}},
};
#undef AT
static const struct wire_heartbeat_request
    heartbeat_request_default = {
    .group_id = {"", 0},
    .generation_id = 0,
    .member_id = {"", 0},
    .group_instance_id = {NULL, 0},
};
const struct wire_message wire_heartbeat_request_type = {
    "HeartbeatRequest", heartbeat_request_fields, &heartbeat_request_default,
    4, sizeof(struct wire_heartbeat_request), 0, 4, 4, false};

#define AT(member) offsetof(struct wire_heartbeat_response, member)
static const struct wire_field heartbeat_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_heartbeat_response
    heartbeat_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
};
const struct wire_message wire_heartbeat_response_type = {
    "HeartbeatResponse", heartbeat_response_fields, &heartbeat_response_default,
    2, sizeof(struct wire_heartbeat_response), 0, 4, 4, false};
