/* Made by tools/gen_wire.py from src/wire/schema/leave_group.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_LEAVE_GROUP_H
#define LEAT_WIRE_GEN_LEAVE_GROUP_H

#include "wire/wire.h"

/* LeaveGroupRequest: key 13, versions 0-5, flexible 4+. */
struct wire_leave_group_request_member {
    struct str member_id;         /* v3+ */
    struct str group_instance_id; /* v3+, null v3+, default null */
    struct str reason;            /* v5+, null v5+, default null */
};

struct wire_leave_group_request {
    struct str group_id;                             /* v0+ */
    struct str member_id;                            /* v0-2 */
    struct wire_leave_group_request_member *members; /* v3+ */
    int32_t members_count;
};

extern const struct wire_message wire_leave_group_request_type;
extern const struct wire_message wire_leave_group_request_member_type;

/* LeaveGroupResponse: key 13, versions 0-5, flexible 4+. */
struct wire_leave_group_response_member {
    struct str member_id;         /* v3+ */
    struct str group_instance_id; /* v3+, null v3+ */
    int16_t error_code;           /* v3+ */
};

struct wire_leave_group_response {
    int32_t throttle_time_ms;                         /* v1+ */
    int16_t error_code;                               /* v0+ */
    struct wire_leave_group_response_member *members; /* v3+ */
    int32_t members_count;
};

extern const struct wire_message wire_leave_group_response_type;
extern const struct wire_message wire_leave_group_response_member_type;

#endif
