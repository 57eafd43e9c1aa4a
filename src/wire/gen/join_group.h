/* Made by tools/gen_wire.py from src/wire/schema/join_group.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_JOIN_GROUP_H
#define LEAT_WIRE_GEN_JOIN_GROUP_H

#include "wire/wire.h"

/* JoinGroupRequest: key 11, versions 0-9, flexible 6+. */
struct wire_join_group_request_protocol {
    struct str name;     /* v0+ */
    struct str metadata; /* v0+ */
};

struct wire_join_group_request {
    struct str group_id;                                /* v0+ */
    int32_t session_timeout_ms;                         /* v0+ */
    int32_t rebalance_timeout_ms;                       /* v1+, default -1. -1: the session timeout */
    struct str member_id;                               /* v0+ */
    struct str group_instance_id;                       /* v5+, null v5+, default null */
    struct str protocol_type;                           /* v0+ */
    struct wire_join_group_request_protocol *protocols; /* v0+ */
    int32_t protocols_count;
    struct str reason;                                  /* v8+, null v8+, default null */
};

extern const struct wire_message wire_join_group_request_type;
extern const struct wire_message wire_join_group_request_protocol_type;

/* JoinGroupResponse: key 11, versions 0-9, flexible 6+. */
struct wire_join_group_response_member {
    struct str member_id;         /* v0+ */
    struct str group_instance_id; /* v5+, null v5+, default null */
    struct str metadata;          /* v0+ */
};

struct wire_join_group_response {
    int32_t throttle_time_ms;                        /* v2+ */
    int16_t error_code;                              /* v0+ */
    int32_t generation_id;                           /* v0+, default -1 */
    struct str protocol_type;                        /* v7+, null v7+, default null */
    struct str protocol_name;                        /* v0+, null v7+ */
    struct str leader;                               /* v0+. a member id */
    bool skip_assignment;                            /* v9+. the leader keeps the assignment as it is */
    struct str member_id;                            /* v0+ */
    struct wire_join_group_response_member *members; /* v0+ */
    int32_t members_count;
};

extern const struct wire_message wire_join_group_response_type;
extern const struct wire_message wire_join_group_response_member_type;

#endif
