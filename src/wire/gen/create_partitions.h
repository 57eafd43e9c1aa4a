/* Made by tools/gen_wire.py from src/wire/schema/create_partitions.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_CREATE_PARTITIONS_H
#define LEAT_WIRE_GEN_CREATE_PARTITIONS_H

#include "wire/wire.h"

/* CreatePartitionsRequest: key 37, versions 0-3, flexible 2+. */
struct wire_create_partitions_request_assignment {
    int32_t *broker_ids;      /* v0+ */
    int32_t broker_ids_count;
};

struct wire_create_partitions_request_topic {
    struct str name;                                               /* v0+ */
    int32_t count;                                                 /* v0+. the total, not the increase */
    struct wire_create_partitions_request_assignment *assignments; /* v0+, null v0+. null: the broker chooses */
    int32_t assignments_count;
};

struct wire_create_partitions_request {
    struct wire_create_partitions_request_topic *topics; /* v0+ */
    int32_t topics_count;
    int32_t timeout_ms;                                  /* v0+ */
    bool validate_only;                                  /* v0+ */
};

extern const struct wire_message wire_create_partitions_request_type;
extern const struct wire_message wire_create_partitions_request_topic_type;
extern const struct wire_message wire_create_partitions_request_assignment_type;

/* CreatePartitionsResponse: key 37, versions 0-3, flexible 2+. */
struct wire_create_partitions_response_topic {
    struct str name;          /* v0+ */
    int16_t error_code;       /* v0+ */
    struct str error_message; /* v0+, null v0+, default null */
};

struct wire_create_partitions_response {
    int32_t throttle_time_ms;                              /* v0+ */
    struct wire_create_partitions_response_topic *results; /* v0+ */
    int32_t results_count;
};

extern const struct wire_message wire_create_partitions_response_type;
extern const struct wire_message wire_create_partitions_response_topic_type;

#endif
