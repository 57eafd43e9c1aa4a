/* Made by tools/gen_wire.py from src/wire/schema/describe_producers.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_DESCRIBE_PRODUCERS_H
#define LEAT_WIRE_GEN_DESCRIBE_PRODUCERS_H

#include "wire/wire.h"

/* DescribeProducersRequest: key 61, versions 0, flexible 0+. */
struct wire_describe_producers_request_topic {
    struct str name;                 /* v0+ */
    int32_t *partition_indexes;      /* v0+ */
    int32_t partition_indexes_count;
};

struct wire_describe_producers_request {
    struct wire_describe_producers_request_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_describe_producers_request_type;
extern const struct wire_message wire_describe_producers_request_topic_type;

/* DescribeProducersResponse: key 61, versions 0, flexible 0+. */
struct wire_describe_producers_response_active_producer {
    int64_t producer_id;              /* v0+ */
    int32_t producer_epoch;           /* v0+ */
    int32_t last_sequence;            /* v0+, default -1 */
    int64_t last_timestamp;           /* v0+, default -1 */
    int32_t coordinator_epoch;        /* v0+ */
    int64_t current_txn_start_offset; /* v0+, default -1 */
};

struct wire_describe_producers_response_partition {
    int32_t partition_index;                                                   /* v0+ */
    int16_t error_code;                                                        /* v0+ */
    struct str error_message;                                                  /* v0+, null v0+, default null */
    struct wire_describe_producers_response_active_producer *active_producers; /* v0+ */
    int32_t active_producers_count;
};

struct wire_describe_producers_response_topic {
    struct str name;                                               /* v0+ */
    struct wire_describe_producers_response_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_describe_producers_response {
    int32_t throttle_time_ms;                              /* v0+ */
    struct wire_describe_producers_response_topic *topics; /* v0+ */
    int32_t topics_count;
};

extern const struct wire_message wire_describe_producers_response_type;
extern const struct wire_message wire_describe_producers_response_topic_type;
extern const struct wire_message wire_describe_producers_response_partition_type;
extern const struct wire_message wire_describe_producers_response_active_producer_type;

#endif
