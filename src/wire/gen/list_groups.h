/* Made by tools/gen_wire.py from src/wire/schema/list_groups.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_LIST_GROUPS_H
#define LEAT_WIRE_GEN_LIST_GROUPS_H

#include "wire/wire.h"

/* ListGroupsRequest: key 16, versions 0-5, flexible 3+. */
struct wire_list_groups_request {
    struct str *states_filter;   /* v4+. empty: all */
    int32_t states_filter_count;
    struct str *types_filter;    /* v5+. empty: all */
    int32_t types_filter_count;
};

extern const struct wire_message wire_list_groups_request_type;

/* ListGroupsResponse: key 16, versions 0-5, flexible 3+. */
struct wire_list_groups_response_group {
    struct str group_id;      /* v0+ */
    struct str protocol_type; /* v0+ */
    struct str group_state;   /* v4+ */
    struct str group_type;    /* v5+ */
};

struct wire_list_groups_response {
    int32_t throttle_time_ms;                       /* v1+ */
    int16_t error_code;                             /* v0+ */
    struct wire_list_groups_response_group *groups; /* v0+ */
    int32_t groups_count;
};

extern const struct wire_message wire_list_groups_response_type;
extern const struct wire_message wire_list_groups_response_group_type;

#endif
