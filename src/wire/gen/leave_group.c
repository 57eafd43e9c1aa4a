/* Made by tools/gen_wire.py from src/wire/schema/leave_group.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/leave_group.h"

#define AT(member) offsetof(struct wire_leave_group_request_member, member)
static const struct wire_field leave_group_request_member_fields[] = {
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, 0, 0, {3, 255}, {1, 0}, {1, 0}},
    {"group_instance_id", NULL,
     AT(group_instance_id), 0, WIRE_STRING, 0, 0, {3, 255}, {3, 255}, {1, 0}},
    {"reason", NULL,
     AT(reason), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {5, 255}, {5, 255}, {1, 0}},
};
#undef AT
static const struct wire_leave_group_request_member
    leave_group_request_member_default = {
    .member_id = {"", 0},
    .group_instance_id = {NULL, 0},
    .reason = {NULL, 0},
};
const struct wire_message wire_leave_group_request_member_type = {
    "member", leave_group_request_member_fields, &leave_group_request_member_default,
    3, sizeof(struct wire_leave_group_request_member), 0, 5, 4, false};

#define AT(member) offsetof(struct wire_leave_group_request, member)
static const struct wire_field leave_group_request_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, 0, 0, {0, 2}, {1, 0}, {1, 0}},
    {"members", &wire_leave_group_request_member_type,
     AT(members), AT(members_count), WIRE_STRUCT, WIRE_ARRAY, 0, {3, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_leave_group_request
    leave_group_request_default = {
    .group_id = {"", 0},
    .member_id = {"", 0},
    .members = NULL,
    .members_count = 0,
};
const struct wire_message wire_leave_group_request_type = {
    "LeaveGroupRequest", leave_group_request_fields, &leave_group_request_default,
    3, sizeof(struct wire_leave_group_request), 0, 5, 4, false};

#define AT(member) offsetof(struct wire_leave_group_response_member, member)
static const struct wire_field leave_group_response_member_fields[] = {
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, 0, 0, {3, 255}, {1, 0}, {1, 0}},
    {"group_instance_id", NULL,
     AT(group_instance_id), 0, WIRE_STRING, 0, 0, {3, 255}, {3, 255}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {3, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_leave_group_response_member
    leave_group_response_member_default = {
    .member_id = {"", 0},
    .group_instance_id = {"", 0},
    .error_code = 0,
};
const struct wire_message wire_leave_group_response_member_type = {
    "member", leave_group_response_member_fields, &leave_group_response_member_default,
    3, sizeof(struct wire_leave_group_response_member), 0, 5, 4, false};

#define AT(member) offsetof(struct wire_leave_group_response, member)
static const struct wire_field leave_group_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"members", &wire_leave_group_response_member_type,
     AT(members), AT(members_count), WIRE_STRUCT, WIRE_ARRAY, 0, {3, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_leave_group_response
    leave_group_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .members = NULL,
    .members_count = 0,
};
const struct wire_message wire_leave_group_response_type = {
    "LeaveGroupResponse", leave_group_response_fields, &leave_group_response_default,
    3, sizeof(struct wire_leave_group_response), 0, 5, 4, false};
