/* Made by tools/gen_wire.py from src/wire/schema/elect_leaders.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_ELECT_LEADERS_H
#define LEAT_WIRE_GEN_ELECT_LEADERS_H

#include "wire/wire.h"

/* ElectLeadersRequest: key 43, versions 0-2, flexible 2+. */
struct wire_elect_leaders_request_topic {
    struct str topic;         /* v0+ */
    int32_t *partitions;      /* v0+ */
    int32_t partitions_count;
};

struct wire_elect_leaders_request {
    int8_t election_type;                                      /* v1+. 0: preferred, 1: unclean */
    struct wire_elect_leaders_request_topic *topic_partitions; /* v0+, null v0+. null: all */
    int32_t topic_partitions_count;
    int32_t timeout_ms;                                        /* v0+, default 60000 */
};

extern const struct wire_message wire_elect_leaders_request_type;
extern const struct wire_message wire_elect_leaders_request_topic_type;

/* ElectLeadersResponse: key 43, versions 0-2, flexible 2+. */
struct wire_elect_leaders_response_partition {
    int32_t partition_id;     /* v0+ */
    int16_t error_code;       /* v0+ */
    struct str error_message; /* v0+, null v0+ */
};

struct wire_elect_leaders_response_topic {
    struct str topic;                                               /* v0+ */
    struct wire_elect_leaders_response_partition *partition_result; /* v0+ */
    int32_t partition_result_count;
};

struct wire_elect_leaders_response {
    int32_t throttle_time_ms;                                           /* v0+ */
    int16_t error_code;                                                 /* v1+ */
    struct wire_elect_leaders_response_topic *replica_election_results; /* v0+ */
    int32_t replica_election_results_count;
};

extern const struct wire_message wire_elect_leaders_response_type;
extern const struct wire_message wire_elect_leaders_response_topic_type;
extern const struct wire_message wire_elect_leaders_response_partition_type;

#endif
