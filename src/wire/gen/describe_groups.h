/* Made by tools/gen_wire.py from src/wire/schema/describe_groups.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_DESCRIBE_GROUPS_H
#define LEAT_WIRE_GEN_DESCRIBE_GROUPS_H

#include "wire/wire.h"

/* DescribeGroupsRequest: key 15, versions 0-6, flexible 5+. */
struct wire_describe_groups_request {
    struct str *groups;                 /* v0+ */
    int32_t groups_count;
    bool include_authorized_operations; /* v3+ */
};

extern const struct wire_message wire_describe_groups_request_type;

/* DescribeGroupsResponse: key 15, versions 0-6, flexible 5+. */
struct wire_describe_groups_response_member {
    struct str member_id;         /* v0+ */
    struct str group_instance_id; /* v4+, null v4+, default null */
    struct str client_id;         /* v0+ */
    struct str client_host;       /* v0+ */
    struct str member_metadata;   /* v0+ */
    struct str member_assignment; /* v0+ */
};

struct wire_describe_groups_response_group {
    int16_t error_code;                                   /* v0+ */
    struct str error_message;                             /* v6+, null v6+, default null */
    struct str group_id;                                  /* v0+ */
    struct str group_state;                               /* v0+ */
    struct str protocol_type;                             /* v0+ */
    struct str protocol_data;                             /* v0+ */
    struct wire_describe_groups_response_member *members; /* v0+ */
    int32_t members_count;
    int32_t authorized_operations;                        /* v3+, default -2147483648 */
};

struct wire_describe_groups_response {
    int32_t throttle_time_ms;                           /* v1+ */
    struct wire_describe_groups_response_group *groups; /* v0+ */
    int32_t groups_count;
};

extern const struct wire_message wire_describe_groups_response_type;
extern const struct wire_message wire_describe_groups_response_group_type;
extern const struct wire_message wire_describe_groups_response_member_type;

#endif
