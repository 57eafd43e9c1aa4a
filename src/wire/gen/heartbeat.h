/* Made by tools/gen_wire.py from src/wire/schema/heartbeat.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_HEARTBEAT_H
#define LEAT_WIRE_GEN_HEARTBEAT_H

#include "wire/wire.h"

/* HeartbeatRequest: key 12, versions 0-4, flexible 4+. */
struct wire_heartbeat_request {
    struct str group_id;          /* v0+ */
    int32_t generation_id;        /* v0+ */
    struct str member_id;         /* v0+ */
    struct str group_instance_id; /* v3+, null v3+, default null */
};

extern const struct wire_message wire_heartbeat_request_type;

/* HeartbeatResponse: key 12, versions 0-4, flexible 4+. */
struct wire_heartbeat_response {
    int32_t throttle_time_ms; /* v1+ */
    int16_t error_code;       /* v0+ */
};

extern const struct wire_message wire_heartbeat_response_type;

#endif
