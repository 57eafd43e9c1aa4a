/* Made by tools/gen_wire.py from src/wire/schema/sync_group.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_SYNC_GROUP_H
#define LEAT_WIRE_GEN_SYNC_GROUP_H

#include "wire/wire.h"

/* SyncGroupRequest: key 14, versions 0-5, flexible 4+. */
struct wire_sync_group_request_assignment {
    struct str member_id;  /* v0+ */
    struct str assignment; /* v0+ */
};

struct wire_sync_group_request {
    struct str group_id;                                    /* v0+ */
    int32_t generation_id;                                  /* v0+ */
    struct str member_id;                                   /* v0+ */
    struct str group_instance_id;                           /* v3+, null v3+, default null */
    struct str protocol_type;                               /* v5+, null v5+, default null */
    struct str protocol_name;                               /* v5+, null v5+, default null */
    struct wire_sync_group_request_assignment *assignments; /* v0+ */
    int32_t assignments_count;
};

extern const struct wire_message wire_sync_group_request_type;
extern const struct wire_message wire_sync_group_request_assignment_type;

/* SyncGroupResponse: key 14, versions 0-5, flexible 4+. */
struct wire_sync_group_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;       /* v0+ */
    struct str protocol_type; /* v5+, null v5+, default null */
    struct str protocol_name; /* v5+, null v5+, default null */
    struct str assignment;    /* v0+ */
};

extern const struct wire_message wire_sync_group_response_type;

#endif
