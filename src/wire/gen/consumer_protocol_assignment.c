/* Made by tools/gen_wire.py from src/wire/schema/consumer_protocol_assignment.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/consumer_protocol_assignment.h"

#define AT(member) offsetof(struct wire_consumer_protocol_assignment_topic, member)
static const struct wire_field consumer_protocol_assignment_topic_fields[] = {
    {"topic", NULL,
     AT(topic), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partitions", NULL,
     AT(partitions), AT(partitions_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_consumer_protocol_assignment_topic
    consumer_protocol_assignment_topic_default = {
    .topic = {"", 0},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_consumer_protocol_assignment_topic_type = {
    "topic", consumer_protocol_assignment_topic_fields, &consumer_protocol_assignment_topic_default,
    2, sizeof(struct wire_consumer_protocol_assignment_topic), 0, 3, INT16_MAX, false};

#define AT(member) offsetof(struct wire_consumer_protocol_assignment, member)
static const struct wire_field consumer_protocol_assignment_fields[] = {
    {"assigned_partitions", &wire_consumer_protocol_assignment_topic_type,
     AT(assigned_partitions), AT(assigned_partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"user_data", NULL,
     AT(user_data), 0, WIRE_BYTES, 0, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_consumer_protocol_assignment
    consumer_protocol_assignment_default = {
    .assigned_partitions = NULL,
    .assigned_partitions_count = 0,
    .user_data = {NULL, 0},
};
const struct wire_message wire_consumer_protocol_assignment_type = {
    "ConsumerProtocolAssignment", consumer_protocol_assignment_fields, &consumer_protocol_assignment_default,
    2, sizeof(struct wire_consumer_protocol_assignment), 0, 3, INT16_MAX, false};
