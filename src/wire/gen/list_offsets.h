/* Made by tools/gen_wire.py from src/wire/schema/list_offsets.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_LIST_OFFSETS_H
#define LEAT_WIRE_GEN_LIST_OFFSETS_H

#include "wire/wire.h"

/* ListOffsetsRequest: key 2, versions 1-11, flexible 6+. */
struct wire_list_offsets_request_partition {
    int32_t partition_index;      /* v0+ */
    int32_t current_leader_epoch; /* v4+, default -1 */
    int64_t timestamp;            /* v0+. ms, or -1 latest, -2 earliest, -3 of the largest timestamp, -4 earliest local, -5 latest tiered */
};

struct wire_list_offsets_request_topic {
    struct str name;                                        /* v0+ */
    struct wire_list_offsets_request_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_list_offsets_request {
    int32_t replica_id;                             /* v0+ */
    int8_t isolation_level;                         /* v2+ */
    struct wire_list_offsets_request_topic *topics; /* v0+ */
    int32_t topics_count;
    int32_t timeout_ms;                             /* v10+ */
};

extern const struct wire_message wire_list_offsets_request_type;
extern const struct wire_message wire_list_offsets_request_topic_type;
extern const struct wire_message wire_list_offsets_request_partition_type;

/* ListOffsetsResponse: key 2, versions 1-11, flexible 6+. */
struct wire_list_offsets_response_partition {
    int32_t partition_index; /* v0+ */
    int16_t error_code;      /* v0+ */
    int64_t timestamp;       /* v1+, default -1 */
    int64_t offset;          /* v1+, default -1 */
    int32_t leader_epoch;    /* v4+, default -1 */
};

struct wire_list_offsets_response_topic {
    struct str name;                                         /* v0+ */
    struct wire_list_offsets_response_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_list_offsets_response {
    int32_t throttle_time_ms;                        /* v2+ */
    struct wire_list_offsets_response_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_list_offsets_response_type;
extern const struct wire_message wire_list_offsets_response_topic_type;
extern const struct wire_message wire_list_offsets_response_partition_type;

#endif
