/* Made by tools/gen_wire.py from src/wire/schema/find_coordinator.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_FIND_COORDINATOR_H
#define LEAT_WIRE_GEN_FIND_COORDINATOR_H

#include "wire/wire.h"

/* FindCoordinatorRequest: key 10, versions 0-6, flexible 3+. */
struct wire_find_coordinator_request {
    struct str key;                 /* v0-3 */
    int8_t key_type;                /* v1+. 0: group, 1: transaction, 2: share */
    struct str *coordinator_keys;   /* v4+. v4+ asks for many at once */
    int32_t coordinator_keys_count;
};

extern const struct wire_message wire_find_coordinator_request_type;

/* FindCoordinatorResponse: key 10, versions 0-6, flexible 3+. */
struct wire_find_coordinator_response_coordinator {
    struct str key;           /* v4+ */
    int32_t node_id;          /* v4+ */
    struct str host;          /* v4+ */
    int32_t port;             /* v4+ */
    int16_t error_code;       /* v4+ */
    struct str error_message; /* v4+, null v4+ */
};

struct wire_find_coordinator_response {
    int32_t throttle_time_ms;                                        /* v1+ */
    int16_t error_code;                                              /* v0-3 */
    struct str error_message;                                        /* v1-3, null v1-3 */
    int32_t node_id;                                                 /* v0-3 */
    struct str host;                                                 /* v0-3 */
    int32_t port;                                                    /* v0-3 */
    struct wire_find_coordinator_response_coordinator *coordinators; /* v4+ */
    int32_t coordinators_count;
};

extern const struct wire_message wire_find_coordinator_response_type;
extern const struct wire_message wire_find_coordinator_response_coordinator_type;

#endif
