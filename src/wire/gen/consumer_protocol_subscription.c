/* Made by tools/gen_wire.py from src/wire/schema/consumer_protocol_subscription.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/consumer_protocol_subscription.h"

#define AT(member) offsetof(struct wire_consumer_protocol_subscription_topic, member)
static const struct wire_field consumer_protocol_subscription_topic_fields[] = {
    {"topic", NULL,
     AT(topic), 0, WIRE_STRING, 0, 0, {1, 255}, {1, 0}, {1, 0}},
    {"partitions", NULL,
     AT(partitions), AT(partitions_count), WIRE_INT32, WIRE_ARRAY, 0, {1, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_consumer_protocol_subscription_topic
    consumer_protocol_subscription_topic_default = {
    .topic = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_consumer_protocol_subscription_topic_type = {
    "topic", consumer_protocol_subscription_topic_fields, &consumer_protocol_subscription_topic_default,
    2, sizeof(struct wire_consumer_protocol_subscription_topic), 0, 3, INT16_MAX, false};

#define AT(member) offsetof(struct wire_consumer_protocol_subscription, member)
static const struct wire_field consumer_protocol_subscription_fields[] = {
    {"topics", NULL,
     AT(topics), AT(topics_count), WIRE_STRING, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"user_data", NULL,
     AT(user_data), 0, WIRE_BYTES, 0, 0, {0, 255}, {0, 255}, {1, 0}},
    {"owned_partitions", &wire_consumer_protocol_subscription_topic_type,
     AT(owned_partitions), AT(owned_partitions_count), WIRE_STRUCT, WIRE_ARRAY | WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"generation_id", NULL,
     AT(generation_id), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {2, 255}, {1, 0}, {1, 0}},
    {"rack_id", NULL,
     AT(rack_id), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {3, 255}, {3, 255}, {1, 0}},
};
#undef AT
static const struct wire_consumer_protocol_subscription
    consumer_protocol_subscription_default = {
    .topics = NULL,
    .topics_count = 0,
    .user_data = {NULL, 0},
    .owned_partitions = NULL,
    .owned_partitions_count = 0,
    .generation_id = -1,
    .rack_id = {NULL, 0},
};
const struct wire_message wire_consumer_protocol_subscription_type = {
    "ConsumerProtocolSubscription", consumer_protocol_subscription_fields, &consumer_protocol_subscription_default,
    5, sizeof(struct wire_consumer_protocol_subscription), 0, 3, INT16_MAX, false};
