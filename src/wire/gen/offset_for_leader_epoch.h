/* Made by tools/gen_wire.py from src/wire/schema/offset_for_leader_epoch.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_OFFSET_FOR_LEADER_EPOCH_H
#define LEAT_WIRE_GEN_OFFSET_FOR_LEADER_EPOCH_H

#include "wire/wire.h"

/* OffsetForLeaderEpochRequest: key 23, versions 2-4, flexible 4+. */
struct wire_offset_for_leader_epoch_request_partition {
    int32_t partition;            /* v0+ */
    int32_t current_leader_epoch; /* v2+, default -1 */
    int32_t leader_epoch;         /* v0+ */
};

struct wire_offset_for_leader_epoch_request_topic {
    struct str topic;                                                  /* v0+ */
    struct wire_offset_for_leader_epoch_request_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_offset_for_leader_epoch_request {
    int32_t replica_id;                                        /* v3+, default -2. -2: a consumer */
    struct wire_offset_for_leader_epoch_request_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_offset_for_leader_epoch_request_type;
extern const struct wire_message wire_offset_for_leader_epoch_request_topic_type;
extern const struct wire_message wire_offset_for_leader_epoch_request_partition_type;

/* OffsetForLeaderEpochResponse: key 23, versions 2-4, flexible 4+. */
struct wire_offset_for_leader_epoch_response_partition {
    int16_t error_code;   /* v0+ */
    int32_t partition;    /* v0+ */
    int32_t leader_epoch; /* v1+, default -1 */
    int64_t end_offset;   /* v0+, default -1 */
};

struct wire_offset_for_leader_epoch_response_topic {
    struct str topic;                                                   /* v0+ */
    struct wire_offset_for_leader_epoch_response_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_offset_for_leader_epoch_response {
    int32_t throttle_time_ms;                                   /* v2+ */
    struct wire_offset_for_leader_epoch_response_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_offset_for_leader_epoch_response_type;
extern const struct wire_message wire_offset_for_leader_epoch_response_topic_type;
extern const struct wire_message wire_offset_for_leader_epoch_response_partition_type;

#endif
