/* Made by tools/gen_wire.py from src/wire/schema/describe_groups.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/describe_groups.h"

#define AT(member) offsetof(struct wire_describe_groups_request, member)
static const struct wire_field describe_groups_request_fields[] = {
    {"groups", NULL,
     AT(groups), AT(groups_count), WIRE_STRING, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"include_authorized_operations", NULL,
     AT(include_authorized_operations), 0, WIRE_BOOL, 0, 0, {3, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_groups_request
    describe_groups_request_default = {
    .groups = NULL,
    .groups_count = 0,
    .include_authorized_operations = false,
};
const struct wire_message wire_describe_groups_request_type = {
    "DescribeGroupsRequest", describe_groups_request_fields, &describe_groups_request_default,
    2, sizeof(struct wire_describe_groups_request), 0, 6, 5, false};

#define AT(member) offsetof(struct wire_describe_groups_response_member, member)
static const struct wire_field describe_groups_response_member_fields[] = {
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"group_instance_id", NULL,
     AT(group_instance_id), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {4, 255}, {4, 255}, {1, 0}},
    {"client_id", NULL,
     AT(client_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"client_host", NULL,
     AT(client_host), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"member_metadata", NULL,
     AT(member_metadata), 0, WIRE_BYTES, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"member_assignment", NULL,
     AT(member_assignment), 0, WIRE_BYTES, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_groups_response_member
    describe_groups_response_member_default = {
    .member_id = {"", 0},
    .group_instance_id = {NULL, 0},
    .client_id = {"", 0},
    .client_host = {"", 0},
    .member_metadata = {"", 0},
    .member_assignment = {"", 0},
};
const struct wire_message wire_describe_groups_response_member_type = {
    "member", describe_groups_response_member_fields, &describe_groups_response_member_default,
    6, sizeof(struct wire_describe_groups_response_member), 0, 6, 5, false};

#define AT(member) offsetof(struct wire_describe_groups_response_group, member)
static const struct wire_field describe_groups_response_group_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_message", NULL,
     AT(error_message), 0, WIRE_STRING, 0, 0, {6, 255}, {6, 255}, {1, 0}},
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"group_state", NULL,
     AT(group_state), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"protocol_type", NULL,
     AT(protocol_type), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"protocol_data", NULL,
     AT(protocol_data), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"members", &wire_describe_groups_response_member_type,
     AT(members), AT(members_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"authorized_operations", NULL,
     AT(authorized_operations), 0, WIRE_INT32, 0, 0, {3, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_groups_response_group
    describe_groups_response_group_default = {
    .error_code = 0,
    .error_message = {NULL, 0},
    .group_id = {"", 0},
    .group_state = {"", 0},
    .protocol_type = {"", 0},
    .protocol_data = {"", 0},
    .members = NULL,
    .members_count = 0,
    .authorized_operations = INT32_MIN,
};
const struct wire_message wire_describe_groups_response_group_type = {
    "group", describe_groups_response_group_fields, &describe_groups_response_group_default,
    8, sizeof(struct wire_describe_groups_response_group), 0, 6, 5, false};

#define AT(member) offsetof(struct wire_describe_groups_response, member)
static const struct wire_field describe_groups_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"groups", &wire_describe_groups_response_group_type,
     AT(groups), AT(groups_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_describe_groups_response
    describe_groups_response_default = {
    .throttle_time_ms = 0,
    .groups = NULL,
    .groups_count = 0,
};
const struct wire_message wire_describe_groups_response_type = {
    "DescribeGroupsResponse", describe_groups_response_fields, &describe_groups_response_default,
    2, sizeof(struct wire_describe_groups_response), 0, 6, 5, false};
