/* Made by tools/gen_wire.py from src/wire/schema/delete_groups.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_DELETE_GROUPS_H
#define LEAT_WIRE_GEN_DELETE_GROUPS_H

#include "wire/wire.h"

/* DeleteGroupsRequest: key 42, versions 0-2, flexible 2+. */
struct wire_delete_groups_request {
    struct str *groups_names;   /* v0+ */
    int32_t groups_names_count;
};

extern const struct wire_message wire_delete_groups_request_type;

/* DeleteGroupsResponse: key 42, versions 0-2, flexible 2+. */
struct wire_delete_groups_response_group {
    struct str group_id; /* v0+ */
    int16_t error_code;  /* v0+ */
};

struct wire_delete_groups_response {
    int32_t throttle_time_ms;                          /* v0+ */
    struct wire_delete_groups_response_group *results; /* v0+ */
    int32_t results_count;
};

extern const struct wire_message wire_delete_groups_response_type;
extern const struct wire_message wire_delete_groups_response_group_type;

#endif
