/* Made by tools/gen_wire.py from src/wire/schema/delete_groups.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/delete_groups.h"

#define AT(member) offsetof(struct wire_delete_groups_request, member)
static const struct wire_field delete_groups_request_fields[] = {
    {"groups_names", NULL,
     AT(groups_names), AT(groups_names_count), WIRE_STRING, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_groups_request
    delete_groups_request_default = {
    .groups_names = NULL,
    .groups_names_count = 0,
};
const struct wire_message wire_delete_groups_request_type = {
    "DeleteGroupsRequest", delete_groups_request_fields, &delete_groups_request_default,
    1, sizeof(struct wire_delete_groups_request), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_delete_groups_response_group, member)
static const struct wire_field delete_groups_response_group_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_groups_response_group
    delete_groups_response_group_default = {
    .group_id = {"", 0},
    .error_code = 0,
};
const struct wire_message wire_delete_groups_response_group_type = {
    "group", delete_groups_response_group_fields, &delete_groups_response_group_default,
    2, sizeof(struct wire_delete_groups_response_group), 0, 2, 2, false};

#define AT(member) offsetof(struct wire_delete_groups_response, member)
static const struct wire_field delete_groups_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"results", &wire_delete_groups_response_group_type,
     AT(results), AT(results_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_delete_groups_response
    delete_groups_response_default = {
    .throttle_time_ms = 0,
    .results = NULL,
    .results_count = 0,
};
const struct wire_message wire_delete_groups_response_type = {
    "DeleteGroupsResponse", delete_groups_response_fields, &delete_groups_response_default,
    2, sizeof(struct wire_delete_groups_response), 0, 2, 2, false};
