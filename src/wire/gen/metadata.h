/* Made by tools/gen_wire.py from src/wire/schema/metadata.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_METADATA_H
#define LEAT_WIRE_GEN_METADATA_H

#include "wire/wire.h"

/* MetadataRequest: key 3, versions 0-13, flexible 9+. */
struct wire_metadata_request_topic {
    struct uuid topic_id; /* v10+ */
    struct str name;      /* v0+, null v10+ */
};

struct wire_metadata_request {
    struct wire_metadata_request_topic *topics; /* v0+, null v1+. null (v0: empty): all topics */
    int32_t topics_count;
    bool allow_auto_topic_creation;             /* v4+, default true */
    bool include_cluster_authorized_operations; /* v8-10 */
    bool include_topic_authorized_operations;   /* v8+ */
};

extern const struct wire_message wire_metadata_request_type;
extern const struct wire_message wire_metadata_request_topic_type;

/* MetadataResponse: key 3, versions 0-13, flexible 9+. */
struct wire_metadata_response_broker {
    int32_t node_id; /* v0+ */
    struct str host; /* v0+ */
    int32_t port;    /* v0+ */
    struct str rack; /* v1+, null v1+, default null */
};

struct wire_metadata_response_partition {
    int16_t error_code;             /* v0+ */
    int32_t partition_index;        /* v0+ */
    int32_t leader_id;              /* v0+ */
    int32_t leader_epoch;           /* v7+, default -1 */
    int32_t *replica_nodes;         /* v0+ */
    int32_t replica_nodes_count;
    int32_t *isr_nodes;             /* v0+ */
    int32_t isr_nodes_count;
    int32_t *offline_replicas;      /* v5+ */
    int32_t offline_replicas_count;
};

struct wire_metadata_response_topic {
    int16_t error_code;                                  /* v0+ */
    struct str name;                                     /* v0+, null v12+ */
    struct uuid topic_id;                                /* v10+ */
    bool is_internal;                                    /* v1+ */
    struct wire_metadata_response_partition *partitions; /* v0+ */
    int32_t partitions_count;
    int32_t topic_authorized_operations;                 /* v8+, default -2147483648. bits; INT32_MIN: not asked for */
};

struct wire_metadata_response {
    int32_t throttle_time_ms;                      /* v3+ */
    struct wire_metadata_response_broker *brokers; /* v0+ */
    int32_t brokers_count;
    struct str cluster_id;                         /* v2+, null v2+, default null */
    int32_t controller_id;                         /* v1+, default -1 */
    struct wire_metadata_response_topic *topics;   /* v0+ */
    int32_t topics_count;
    int32_t cluster_authorized_operations;         /* v8-10, default -2147483648. bits; INT32_MIN: not asked for */
    int16_t error_code;                            /* v13+ */
};

extern const struct wire_message wire_metadata_response_type;
extern const struct wire_message wire_metadata_response_topic_type;
extern const struct wire_message wire_metadata_response_partition_type;
extern const struct wire_message wire_metadata_response_broker_type;

#endif
