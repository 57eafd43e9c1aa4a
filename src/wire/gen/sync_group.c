/* Made by tools/gen_wire.py from src/wire/schema/sync_group.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/sync_group.h"

#define AT(member) offsetof(struct wire_sync_group_request_assignment, member)
static const struct wire_field sync_group_request_assignment_fields[] = {
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"assignment", NULL,
     AT(assignment), 0, WIRE_BYTES, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_sync_group_request_assignment
    sync_group_request_assignment_default = {
    .member_id = {"", 0},
    .assignment = {"", 0},
};
const struct wire_message wire_sync_group_request_assignment_type = {
    "assignment", sync_group_request_assignment_fields, &sync_group_request_assignment_default,
    2, sizeof(struct wire_sync_group_request_assignment), 0, 5, 4, false};

#define AT(member) offsetof(struct wire_sync_group_request, member)
static const struct wire_field sync_group_request_fields[] = {
    {"group_id", NULL,
     AT(group_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"generation_id", NULL,
     AT(generation_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"member_id", NULL,
     AT(member_id), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"group_instance_id", NULL,
     AT(group_instance_id), 0, WIRE_STRING, 0, 0, {3, 255}, {3, 255}, {1, 0}},
    {"protocol_type", NULL,
     AT(protocol_type), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {5, 255}, {5, 255}, {1, 0}},
    {"protocol_name", NULL,
     AT(protocol_name), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {5, 255}, {5, 255}, {1, 0}},
    {"assignments", &wire_sync_group_request_assignment_type,
     AT(assignments), AT(assignments_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_sync_group_request
    sync_group_request_default = {
    .group_id = {"", 0},
    .generation_id = 0,
    .member_id = {"", 0},
    .group_instance_id = {NULL, 0},
    .protocol_type = {NULL, 0},
    .protocol_name = {NULL, 0},
    .assignments = NULL,
    .assignments_count = 0,
};
const struct wire_message wire_sync_group_request_type = {
    "SyncGroupRequest", sync_group_request_fields, &sync_group_request_default,
    7, sizeof(struct wire_sync_group_request), 0, 5, 4, false};

#define AT(member) offsetof(struct wire_sync_group_response, member)
static const struct wire_field sync_group_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"protocol_type", NULL,
     AT(protocol_type), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {5, 255}, {5, 255}, {1, 0}},
    {"protocol_name", NULL,
     AT(protocol_name), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {5, 255}, {5, 255}, {1, 0}},
    {"assignment", NULL,
     AT(assignment), 0, WIRE_BYTES, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_sync_group_response
    sync_group_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .protocol_type = {NULL, 0},
    .protocol_name = {NULL, 0},
    .assignment = {"", 0},
};
const struct wire_message wire_sync_group_response_type = {
    "SyncGroupResponse", sync_group_response_fields, &sync_group_response_default,
    5, sizeof(struct wire_sync_group_response), 0, 5, 4, false};
