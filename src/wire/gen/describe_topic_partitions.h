/* Made by tools/gen_wire.py from src/wire/schema/describe_topic_partitions.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_DESCRIBE_TOPIC_PARTITIONS_H
#define LEAT_WIRE_GEN_DESCRIBE_TOPIC_PARTITIONS_H

#include "wire/wire.h"

/* DescribeTopicPartitionsRequest: key 75, versions 0, flexible 0+. */
struct wire_describe_topic_partitions_request_topic {
    struct str name; /* v0+ */
};

struct wire_describe_topic_partitions_request_cursor {
    struct str topic_name;   /* v0+ */
    int32_t partition_index; /* v0+ */
};

struct wire_describe_topic_partitions_request {
    struct wire_describe_topic_partitions_request_topic *topics;  /* v0+ */
    int32_t topics_count;
    int32_t response_partition_limit;                             /* v0+, default 2000 */
    struct wire_describe_topic_partitions_request_cursor *cursor; /* v0+, null v0+, default null. where to go on; null: from the start */
};

extern const struct wire_message wire_describe_topic_partitions_request_type;
extern const struct wire_message wire_describe_topic_partitions_request_cursor_type;
extern const struct wire_message wire_describe_topic_partitions_request_topic_type;

/* DescribeTopicPartitionsResponse: key 75, versions 0, flexible 0+. */
struct wire_describe_topic_partitions_response_partition {
    int16_t error_code;                     /* v0+ */
    int32_t partition_index;                /* v0+ */
    int32_t leader_id;                      /* v0+ */
    int32_t leader_epoch;                   /* v0+, default -1 */
    int32_t *replica_nodes;                 /* v0+ */
    int32_t replica_nodes_count;
    int32_t *isr_nodes;                     /* v0+ */
    int32_t isr_nodes_count;
    int32_t *eligible_leader_replicas;      /* v0+, null v0+, default null */
    int32_t eligible_leader_replicas_count;
    int32_t *last_known_elr;                /* v0+, null v0+, default null */
    int32_t last_known_elr_count;
    int32_t *offline_replicas;              /* v0+ */
    int32_t offline_replicas_count;
};

struct wire_describe_topic_partitions_response_topic {
    int16_t error_code;                                                   /* v0+ */
    struct str name;                                                      /* v0+, null v0+ */
    struct uuid topic_id;                                                 /* v0+ */
    bool is_internal;                                                     /* v0+ */
    struct wire_describe_topic_partitions_response_partition *partitions; /* v0+ */
    int32_t partitions_count;
    int32_t topic_authorized_operations;                                  /* v0+, default -2147483648 */
};

struct wire_describe_topic_partitions_response_next_cursor {
    struct str topic_name;   /* v0+ */
    int32_t partition_index; /* v0+ */
};

struct wire_describe_topic_partitions_response {
    int32_t throttle_time_ms;                                                /* v0+ */
    struct wire_describe_topic_partitions_response_topic *topics;            /* v0+ */
    int32_t topics_count;
    struct wire_describe_topic_partitions_response_next_cursor *next_cursor; /* v0+, null v0+, default null. null: that was all */
};

extern const struct wire_message wire_describe_topic_partitions_response_type;
extern const struct wire_message wire_describe_topic_partitions_response_next_cursor_type;
extern const struct wire_message wire_describe_topic_partitions_response_topic_type;
extern const struct wire_message wire_describe_topic_partitions_response_partition_type;

#endif
