/* Made by tools/gen_wire.py from src/wire/schema/fetch.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_FETCH_H
#define LEAT_WIRE_GEN_FETCH_H

#include "wire/wire.h"

/* FetchRequest: key 1, versions 4-18, flexible 12+. */
struct wire_fetch_request_replica_state {
    int32_t replica_id;    /* v15+, default -1 */
    int64_t replica_epoch; /* v15+, default -1 */
};

struct wire_fetch_request_partition {
    int32_t partition;                /* v0+ */
    int32_t current_leader_epoch;     /* v9+, default -1. -1: not checked */
    int64_t fetch_offset;             /* v0+ */
    int32_t last_fetched_epoch;       /* v12+, default -1 */
    int64_t log_start_offset;         /* v5+, default -1 */
    int32_t partition_max_bytes;      /* v0+ */
    struct uuid replica_directory_id; /* v17+, tag 0 */
    int64_t high_watermark;           /* v18+, tag 1, default 9223372036854775807 */
};

struct wire_fetch_request_topic {
    struct str topic;                                /* v0-12 */
    struct uuid topic_id;                            /* v13+ */
    struct wire_fetch_request_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_fetch_request_forgotten_topic {
    struct str topic;         /* v7-12 */
    struct uuid topic_id;     /* v13+ */
    int32_t *partitions;      /* v7+ */
    int32_t partitions_count;
};

struct wire_fetch_request {
    struct str cluster_id;                                            /* v12+, null v12+, tag 0, default null */
    int32_t replica_id;                                               /* v0-14, default -1. -1: a consumer */
    struct wire_fetch_request_replica_state replica_state;            /* v15+, tag 1 */
    int32_t max_wait_ms;                                              /* v0+ */
    int32_t min_bytes;                                                /* v0+ */
    int32_t max_bytes;                                                /* v3+, default 2147483647 */
    int8_t isolation_level;                                           /* v4+. 0: read uncommitted, 1: read committed */
    int32_t session_id;                                               /* v7+ */
    int32_t session_epoch;                                            /* v7+, default -1. 0: new session, -1: no session or its end */
    struct wire_fetch_request_topic *topics;                          /* v0+ */
    int32_t topics_count;
    struct wire_fetch_request_forgotten_topic *forgotten_topics_data; /* v7+. leave the session */
    int32_t forgotten_topics_data_count;
    struct str rack_id;                                               /* v11+ */
};

extern const struct wire_message wire_fetch_request_type;
extern const struct wire_message wire_fetch_request_forgotten_topic_type;
extern const struct wire_message wire_fetch_request_topic_type;
extern const struct wire_message wire_fetch_request_partition_type;
extern const struct wire_message wire_fetch_request_replica_state_type;

/* FetchResponse: key 1, versions 4-18, flexible 12+. */
struct wire_fetch_response_diverging_epoch {
    int32_t epoch;      /* v12+, default -1 */
    int64_t end_offset; /* v12+, default -1 */
};

struct wire_fetch_response_current_leader {
    int32_t leader_id;    /* v12+, default -1 */
    int32_t leader_epoch; /* v12+, default -1 */
};

struct wire_fetch_response_snapshot_id {
    int64_t end_offset; /* v0+, default -1 */
    int32_t epoch;      /* v0+, default -1 */
};

struct wire_fetch_response_aborted_transaction {
    int64_t producer_id;  /* v4+ */
    int64_t first_offset; /* v4+ */
};

struct wire_fetch_response_partition {
    int32_t partition_index;                                              /* v0+ */
    int16_t error_code;                                                   /* v0+ */
    int64_t high_watermark;                                               /* v0+ */
    int64_t last_stable_offset;                                           /* v4+, default -1. bound of read committed */
    int64_t log_start_offset;                                             /* v5+, default -1 */
    struct wire_fetch_response_diverging_epoch diverging_epoch;           /* v12+, tag 0 */
    struct wire_fetch_response_current_leader current_leader;             /* v12+, tag 1 */
    struct wire_fetch_response_snapshot_id snapshot_id;                   /* v12+, tag 2 */
    struct wire_fetch_response_aborted_transaction *aborted_transactions; /* v4+, null v4+. read committed only */
    int32_t aborted_transactions_count;
    int32_t preferred_read_replica;                                       /* v11+, default -1 */
    struct wire_records records;                                          /* v0+, null v0+ */
};

struct wire_fetch_response_topic {
    struct str topic;                                 /* v0-12 */
    struct uuid topic_id;                             /* v13+ */
    struct wire_fetch_response_partition *partitions; /* v0+ */
    int32_t partitions_count;
};

struct wire_fetch_response_node_endpoint {
    int32_t node_id; /* v16+ */
    struct str host; /* v16+ */
    int32_t port;    /* v16+ */
    struct str rack; /* v16+, null v16+, default null */
};

struct wire_fetch_response {
    int32_t throttle_time_ms;                                 /* v1+ */
    int16_t error_code;                                       /* v7+ */
    int32_t session_id;                                       /* v7+ */
    struct wire_fetch_response_topic *responses;              /* v0+ */
    int32_t responses_count;
    struct wire_fetch_response_node_endpoint *node_endpoints; /* v16+, tag 0 */
    int32_t node_endpoints_count;
};

extern const struct wire_message wire_fetch_response_type;
extern const struct wire_message wire_fetch_response_node_endpoint_type;
extern const struct wire_message wire_fetch_response_topic_type;
extern const struct wire_message wire_fetch_response_partition_type;
extern const struct wire_message wire_fetch_response_aborted_transaction_type;
extern const struct wire_message wire_fetch_response_snapshot_id_type;
extern const struct wire_message wire_fetch_response_current_leader_type;
extern const struct wire_message wire_fetch_response_diverging_epoch_type;

#endif
