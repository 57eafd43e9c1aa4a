/* Made by tools/gen_wire.py from src/wire/schema/offset_commit.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_OFFSET_COMMIT_H
#define LEAT_WIRE_GEN_OFFSET_COMMIT_H

#include "wire/wire.h"

/* OffsetCommitRequest: key 8, versions 2-10, flexible 8+. */
struct wire_offset_commit_request_partition {
    int32_t partition_index;        /* v0+ */
    int64_t committed_offset;       /* v0+ */
    int32_t committed_leader_epoch; /* v6+, default -1 */
    struct str committed_metadata;  /* v0+, null v0+ */
};

struct wire_offset_commit_request_topic {
    struct str name;                                         /* v0-9 */
    struct uuid topic_id;                                    /* v10+ */
    struct wire_offset_commit_request_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_offset_commit_request {
    struct str group_id;                             /* v0+ */
    int32_t generation_id_or_member_epoch;           /* v1+, default -1. -1: no group membership */
    struct str member_id;                            /* v1+ */
    struct str group_instance_id;                    /* v7+, null v7+, default null */
    int64_t retention_time_ms;                       /* v2-4, default -1. -1: as the broker is configured */
    struct wire_offset_commit_request_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_offset_commit_request_type;
extern const struct wire_message wire_offset_commit_request_topic_type;
extern const struct wire_message wire_offset_commit_request_partition_type;

/* OffsetCommitResponse: key 8, versions 2-10, flexible 8+. */
struct wire_offset_commit_response_partition {
    int32_t partition_index; /* v0+ */
    int16_t error_code;      /* v0+ */
};

struct wire_offset_commit_response_topic {
    struct str name;                                          /* v0-9 */
    struct uuid topic_id;                                     /* v10+ */
    struct wire_offset_commit_response_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_offset_commit_response {
    int32_t throttle_time_ms;                         /* v3+ */
    struct wire_offset_commit_response_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_offset_commit_response_type;
extern const struct wire_message wire_offset_commit_response_topic_type;
extern const struct wire_message wire_offset_commit_response_partition_type;

#endif
