/* Made by tools/gen_wire.py from src/wire/schema/offset_fetch.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_OFFSET_FETCH_H
#define LEAT_WIRE_GEN_OFFSET_FETCH_H

#include "wire/wire.h"

/* OffsetFetchRequest: key 9, versions 1-10, flexible 6+. */
struct wire_offset_fetch_request_topic {
    struct str name;                 /* v0-7 */
    int32_t *partition_indexes;      /* v0-7 */
    int32_t partition_indexes_count;
};

struct wire_offset_fetch_request_group_topic {
    struct str name;                 /* v8-9 */
    struct uuid topic_id;            /* v10+ */
    int32_t *partition_indexes;      /* v8+ */
    int32_t partition_indexes_count;
};

struct wire_offset_fetch_request_group {
    struct str group_id;                                  /* v8+ */
    struct str member_id;                                 /* v9+, null v9+, default null */
    int32_t member_epoch;                                 /* v9+, default -1 */
    struct wire_offset_fetch_request_group_topic *topics; /* v8+, null v8+ */
    int32_t topics_count;
};

struct wire_offset_fetch_request {
    struct str group_id;                            /* v0-7 */
    struct wire_offset_fetch_request_topic *topics; /* v0-7, null v2-7 */
    int32_t topics_count;
    struct wire_offset_fetch_request_group *groups; /* v8+ */
    int32_t groups_count;
    bool require_stable;                            /* v7+. wait for pending transactional offsets */
};

extern const struct wire_message wire_offset_fetch_request_type;
extern const struct wire_message wire_offset_fetch_request_group_type;
extern const struct wire_message wire_offset_fetch_request_group_topic_type;
extern const struct wire_message wire_offset_fetch_request_topic_type;

/* OffsetFetchResponse: key 9, versions 1-10, flexible 6+. */
struct wire_offset_fetch_response_partition {
    int32_t partition_index;        /* v0-7 */
    int64_t committed_offset;       /* v0-7 */
    int32_t committed_leader_epoch; /* v5-7, default -1 */
    struct str metadata;            /* v0-7, null v0-7 */
    int16_t error_code;             /* v0-7 */
};

struct wire_offset_fetch_response_topic {
    struct str name;                                         /* v0-7 */
    struct wire_offset_fetch_response_partition *partitions; /* v0-7 */
    int32_t partitions_count;
};

struct wire_offset_fetch_response_group_partition {
    int32_t partition_index;        /* v8+ */
    int64_t committed_offset;       /* v8+ */
    int32_t committed_leader_epoch; /* v8+, default -1 */
    struct str metadata;            /* v8+, null v8+ */
    int16_t error_code;             /* v8+ */
};

struct wire_offset_fetch_response_group_topic {
    struct str name;                                               /* v8-9 */
    struct uuid topic_id;                                          /* v10+ */
    struct wire_offset_fetch_response_group_partition *partitions; /* v8+ */
    int32_t partitions_count;
};

struct wire_offset_fetch_response_group {
    struct str group_id;                                   /* v8+ */
    struct wire_offset_fetch_response_group_topic *topics; /* v8+ */
    int32_t topics_count;
    int16_t error_code;                                    /* v8+ */
};

struct wire_offset_fetch_response {
    int32_t throttle_time_ms;                        /* v3+ */
    struct wire_offset_fetch_response_topic *topics; /* v0-7 */
    int32_t topics_count;
    int16_t error_code;                              /* v2-7 */
    struct wire_offset_fetch_response_group *groups; /* v8+ */
    int32_t groups_count;
};

extern const struct wire_message wire_offset_fetch_response_type;
extern const struct wire_message wire_offset_fetch_response_group_type;
extern const struct wire_message wire_offset_fetch_response_group_topic_type;
extern const struct wire_message wire_offset_fetch_response_group_partition_type;
extern const struct wire_message wire_offset_fetch_response_topic_type;
extern const struct wire_message wire_offset_fetch_response_partition_type;

#endif
