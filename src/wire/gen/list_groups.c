/* Made by tools/gen_wire.py from src/wire/schema/list_groups.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/list_groups.h"

#define AT(member) offsetof(struct wire_list_groups_request, member)
static const struct wire_field list_groups_request_fields[] = {
    {"states_filter", NULL,
     AT(states_filter), AT(states_filter_count), WIRE_STRING, WIRE_ARRAY, 0, {4, 255}, {1, 0}, {1, 0}},
    {"types_filter", NULL,
     AT(types_filter), AT(types_filter_count), WIRE_STRING, WIRE_ARRAY, 0, {5, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_groups_request
    list_groups_request_default = {
    .states_filter = NULL,
    .states_filter_count = 0,
    .types_filter = NULL,
    .types_filter_count = 0,
};
const struct wire_message wire_list_groups_request_type = {
    "ListGroupsRequest", list_groups_request_fields, &list_groups_request_default,
    2, sizeof(struct wire_list_groups_request), 0, 5, 3, false};

#define AT(member) offsetof(struct wire_list_groups_response_group, member)
static const struct wire_field list_groups_response_group_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"protocol_type", NULL,
     AT(protocol_type), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"group_state", NULL,
     AT(group_state), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {4, 255}, {1, 0}, {1, 0}},
    {"group_type", NULL,
     AT(group_type), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {5, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_groups_response_group
    list_groups_response_group_default = {
    .group_id = {"", 0},
    .protocol_type = {"", 0},
    .group_state = {"", 0},
    .group_type = {"", 0},
};
const struct wire_message wire_list_groups_response_group_type = {
    "group", list_groups_response_group_fields, &list_groups_response_group_default,
    4, sizeof(struct wire_list_groups_response_group), 0, 5, 3, false};

#define AT(member) offsetof(struct wire_list_groups_response, member)
static const struct wire_field list_groups_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"groups", &wire_list_groups_response_group_type,
     AT(groups), AT(groups_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_list_groups_response
    list_groups_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .groups = NULL,
    .groups_count = 0,
};
const struct wire_message wire_list_groups_response_type = {
    "ListGroupsResponse", list_groups_response_fields, &list_groups_response_default,
    3, sizeof(struct wire_list_groups_response), 0, 5, 3, false};
