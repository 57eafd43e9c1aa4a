/* Made by tools/gen_wire.py from src/wire/schema/produce.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_PRODUCE_H
#define LEAT_WIRE_GEN_PRODUCE_H

#include "wire/wire.h"

/* ProduceRequest: key 0, versions 3-13, flexible 9+. */
struct wire_produce_request_partition {
    int32_t index;               /* v0+ */
    struct wire_records records; /* v0+, null v0+. exactly one batch of format 2 */
};

struct wire_produce_request_topic {
    struct str name;                                       /* v0-12 */
    struct uuid topic_id;                                  /* v13+ */
    struct wire_produce_request_partition *partition_data; /* v0+ */
    int32_t partition_data_count;
};

struct wire_produce_request {
    struct str transactional_id;                   /* v3+, null v3+, default null */
    int16_t acks;                                  /* v0+. -1: all in sync, 0: no answer is sent, 1: the leader */
    int32_t timeout_ms;                            /* v0+ */
    struct wire_produce_request_topic *topic_data; /* v0+ */
    int32_t topic_data_count;
};

extern const struct wire_message wire_produce_request_type;
extern const struct wire_message wire_produce_request_topic_type;
extern const struct wire_message wire_produce_request_partition_type;

/* ProduceResponse: key 0, versions 3-13, flexible 9+. */
struct wire_produce_response_record_error {
    int32_t batch_index;                  /* v8+. of the record in its batch */
    struct str batch_index_error_message; /* v8+, null v8+, default null */
};

struct wire_produce_response_current_leader {
    int32_t leader_id;    /* v10+, default -1 */
    int32_t leader_epoch; /* v10+, default -1 */
};

struct wire_produce_response_partition {
    int32_t index;                                              /* v0+ */
    int16_t error_code;                                         /* v0+ */
    int64_t base_offset;                                        /* v0+ */
    int64_t log_append_time_ms;                                 /* v2+, default -1. -1 unless the topic uses LogAppendTime */
    int64_t log_start_offset;                                   /* v5+, default -1 */
    struct wire_produce_response_record_error *record_errors;   /* v8+ */
    int32_t record_errors_count;
    struct str error_message;                                   /* v8+, null v8+, default null */
    struct wire_produce_response_current_leader current_leader; /* v10+, tag 0 */
};

struct wire_produce_response_topic {
    struct str name;                                             /* v0-12 */
    struct uuid topic_id;                                        /* v13+ */
    struct wire_produce_response_partition *partition_responses; /* v0+ */
    int32_t partition_responses_count;
};

struct wire_produce_response_node_endpoint {
    int32_t node_id; /* v10+ */
    struct str host; /* v10+ */
    int32_t port;    /* v10+ */
    struct str rack; /* v10+, null v10+, default null */
};

struct wire_produce_response {
    struct wire_produce_response_topic *responses;              /* v0+ */
    int32_t responses_count;
    int32_t throttle_time_ms;                                   /* v1+ */
    struct wire_produce_response_node_endpoint *node_endpoints; /* v10+, tag 0 */
    int32_t node_endpoints_count;
};

extern const struct wire_message wire_produce_response_type;
extern const struct wire_message wire_produce_response_node_endpoint_type;
extern const struct wire_message wire_produce_response_topic_type;
extern const struct wire_message wire_produce_response_partition_type;
extern const struct wire_message wire_produce_response_current_leader_type;
extern const struct wire_message wire_produce_response_record_error_type;

#endif
