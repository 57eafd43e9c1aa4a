/* Made by tools/gen_wire.py from src/wire/schema/consumer_protocol_assignment.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_CONSUMER_PROTOCOL_ASSIGNMENT_H
#define LEAT_WIRE_GEN_CONSUMER_PROTOCOL_ASSIGNMENT_H

#include "wire/wire.h"

/* ConsumerProtocolAssignment: versions 0-3, never flexible. */
struct wire_consumer_protocol_assignment_topic {
    struct str topic;         /* v0+ */
    int32_t *partitions;      /* v0+ */
    int32_t partitions_count;
};

struct wire_consumer_protocol_assignment {
    struct wire_consumer_protocol_assignment_topic *assigned_partitions; /* v0+ */
    int32_t assigned_partitions_count;
    struct str user_data;                                                /* v0+, null v0+, default null */
};

extern const struct wire_message wire_consumer_protocol_assignment_type;
extern const struct wire_message wire_consumer_protocol_assignment_topic_type;

#endif
