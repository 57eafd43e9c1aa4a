/* Made by tools/gen_wire.py from src/wire/schema/join_group.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/join_group.h"

#define AT(member) offsetof(struct wire_join_group_request_protocol, member)
static const struct wire_field join_group_request_protocol_fields[] = {
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"metadata", NULL,
     AT(metadata), 0, WIRE_BYTES, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_join_group_request_protocol
    join_group_request_protocol_default = {
    .name = {"", 0},
    .metadata = {"", 0},
};
const struct wire_message wire_join_group_request_protocol_type = {
    "protocol", join_group_request_protocol_fields, &join_group_request_protocol_default,
    2, sizeof(struct wire_join_group_request_protocol), 0, 9, 6, false};

#define AT(member) offsetof(struct wire_join_group_request, member)
static const struct wire_field join_group_request_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"session_timeout_ms", NULL,
     AT(session_timeout_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"rebalance_timeout_ms", NULL,
     AT(rebalance_timeout_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"group_instance_id", NULL,
     AT(group_instance_id), 0, WIRE_STRING, 0, 0, {5, 255}, {5, 255}, {1, 0}},
    {"protocol_type", NULL,
     AT(protocol_type), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"protocols", &wire_join_group_request_protocol_type,
     AT(protocols), AT(protocols_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"reason", NULL,
     AT(reason), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {8, 255}, {8, 255}, {1, 0}},
};
#undef AT
static const struct wire_join_group_request
    join_group_request_default = {
    .group_id = {"", 0},
    .session_timeout_ms = 0,
    .rebalance_timeout_ms = -1,
    .member_id = {"", 0},
    .group_instance_id = {NULL, 0},
    .protocol_type = {"", 0},
    .protocols = NULL,
    .protocols_count = 0,
    .reason = {NULL, 0},
};
const struct wire_message wire_join_group_request_type = {
    "JoinGroupRequest", join_group_request_fields, &join_group_request_default,
    8, sizeof(struct wire_join_group_request), 0, 9, 6, false};

#define AT(member) offsetof(struct wire_join_group_response_member, member)
static const struct wire_field join_group_response_member_fields[] = {
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"group_instance_id", NULL,
     AT(group_instance_id), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {5, 255}, {5, 255}, {1, 0}},
    {"metadata", NULL,
     AT(metadata), 0, WIRE_BYTES, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_join_group_response_member
    join_group_response_member_default = {
    .member_id = {"", 0},
    .group_instance_id = {NULL, 0},
    .metadata = {"", 0},
};
const struct wire_message wire_join_group_response_member_type = {
    "member", join_group_response_member_fields, &join_group_response_member_default,
    3, sizeof(struct wire_join_group_response_member), 0, 9, 6, false};

#define AT(member) offsetof(struct wire_join_group_response, member)
static const struct wire_field join_group_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {2, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"generation_id", NULL,
     AT(generation_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"protocol_type", NULL,
     AT(protocol_type), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {7, 255}, {7, 255}, {1, 0}},
    {"protocol_name", NULL,
     AT(protocol_name), 0, WIRE_STRING, 0, 0, {0, 255}, {7, 255}, {1, 0}},
    {"leader", NULL,
     AT(leader), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"skip_assignment", NULL,
     AT(skip_assignment), 0, WIRE_BOOL, 0, 0, {9, 255}, {1, 0}, {1, 0}},
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"members", &wire_join_group_response_member_type,
     AT(members), AT(members_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_join_group_response
    join_group_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .generation_id = -1,
    .protocol_type = {NULL, 0},
    .protocol_name = {"", 0},
    .leader = {"", 0},
    .skip_assignment = false,
    .member_id = {"", 0},
    .members = NULL,
    .members_count = 0,
};
const struct wire_message wire_join_group_response_type = {
    "JoinGroupResponse", join_group_response_fields, &join_group_response_default,
    9, sizeof(struct wire_join_group_response), 0, 9, 6, false};
