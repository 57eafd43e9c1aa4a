/* Made by tools/gen_wire.py from src/wire/schema/consumer_protocol_subscription.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_CONSUMER_PROTOCOL_SUBSCRIPTION_H
#define LEAT_WIRE_GEN_CONSUMER_PROTOCOL_SUBSCRIPTION_H

#include "wire/wire.h"

/* ConsumerProtocolSubscription: versions 0-3, never flexible. */
struct wire_consumer_protocol_subscription_topic {
    struct str topic;         /* v1+ */
    int32_t *partitions;      /* v1+ */
    int32_t partitions_count;
};

struct wire_consumer_protocol_subscription {
    struct str *topics;                                                 /* v0+ */
    int32_t topics_count;
    struct str user_data;                                               /* v0+, null v0+, default null */
    struct wire_consumer_protocol_subscription_topic *owned_partitions; /* v1+ */
    int32_t owned_partitions_count;
    int32_t generation_id;                                              /* v2+, default -1 */
    struct str rack_id;                                                 /* v3+, null v3+, default null */
};

extern const struct wire_message wire_consumer_protocol_subscription_type;
extern const struct wire_message wire_consumer_protocol_subscription_topic_type;

#endif
