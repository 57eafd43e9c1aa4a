/* Made by tools/gen_wire.py from src/wire/schema/describe_cluster.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_DESCRIBE_CLUSTER_H
#define LEAT_WIRE_GEN_DESCRIBE_CLUSTER_H

#include "wire/wire.h"

/* DescribeClusterRequest: key 60, versions 0-2, flexible 0+. */
struct wire_describe_cluster_request {
    bool include_cluster_authorized_operations; /* v0+ */
    int8_t endpoint_type;                       /* v1+, default 1 */
    bool include_fenced_brokers;                /* v2+ */
};

extern const struct wire_message wire_describe_cluster_request_type;

/* DescribeClusterResponse: key 60, versions 0-2, flexible 0+. */
struct wire_describe_cluster_response_broker {
    int32_t broker_id; /* v0+ */
    struct str host;   /* v0+ */
    int32_t port;      /* v0+ */
    struct str rack;   /* v0+, null v0+, default null */
    bool is_fenced;    /* v2+ */
};

struct wire_describe_cluster_response {
    int32_t throttle_time_ms;                              /* v0+ */
    int16_t error_code;                                    /* v0+ */
    struct str error_message;                              /* v0+, null v0+, default null */
    int8_t endpoint_type;                                  /* v1+, default 1 */
    struct str cluster_id;                                 /* v0+ */
    int32_t controller_id;                                 /* v0+, default -1 */
    struct wire_describe_cluster_response_broker *brokers; /* v0+ */
    int32_t brokers_count;
    int32_t cluster_authorized_operations;                 /* v0+, default -2147483648 */
};

extern const struct wire_message wire_describe_cluster_response_type;
extern const struct wire_message wire_describe_cluster_response_broker_type;

#endif
