/* Made by tools/gen_wire.py from src/wire/schema/metadata.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/metadata.h"

#define AT(member) offsetof(struct wire_metadata_request_topic, member)
static const struct wire_field metadata_request_topic_fields[] = {
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {10, 255}, {1, 0}, {1, 0}},
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {10, 255}, {1, 0}},
};
#undef AT
static const struct wire_metadata_request_topic
    metadata_request_topic_default = {
    .topic_id = {{0}},
    .name = {"", 0},
};
const struct wire_message wire_metadata_request_topic_type = {
    "topic", metadata_request_topic_fields, &metadata_request_topic_default,
    2, sizeof(struct wire_metadata_request_topic), 0, 13, 9, false};

#define AT(member) offsetof(struct wire_metadata_request, member)
static const struct wire_field metadata_request_fields[] = {
    {"topics", &wire_metadata_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 255}, {1, 0}},
    {"allow_auto_topic_creation", NULL,
     AT(allow_auto_topic_creation), 0, WIRE_BOOL, 0, 0, {4, 255}, {1, 0}, {1, 0}},
    {"include_cluster_authorized_operations", NULL,
     AT(include_cluster_authorized_operations), 0, WIRE_BOOL, 0, 0, {8, 10}, {1, 0}, {1, 0}},
    {"include_topic_authorized_operations", NULL,
     AT(include_topic_authorized_operations), 0, WIRE_BOOL, 0, 0, {8, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_metadata_request
    metadata_request_default = {
    .topics = NULL,
    .topics_count = 0,
    .allow_auto_topic_creation = true,
    .include_cluster_authorized_operations = false,
    .include_topic_authorized_operations = false,
};
const struct wire_message wire_metadata_request_type = {
    "MetadataRequest", metadata_request_fields, &metadata_request_default,
    4, sizeof(struct wire_metadata_request), 0, 13, 9, false};

#define AT(member) offsetof(struct wire_metadata_response_broker, member)
static const struct wire_field metadata_response_broker_fields[] = {
    {"node_id", NULL,
     AT(node_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"host", NULL,
     AT(host), 0, WIRE_STRING, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"port", NULL,
     AT(port), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"rack", NULL,
     AT(rack), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {1, 255}, {1, 255}, {1, 0}},
};
#undef AT
static const struct wire_metadata_response_broker
    metadata_response_broker_default = {
    .node_id = 0,
    .host = {"", 0},
    .port = 0,
    .rack = {NULL, 0},
};
const struct wire_message wire_metadata_response_broker_type = {
    "broker", metadata_response_broker_fields, &metadata_response_broker_default,
    4, sizeof(struct wire_metadata_response_broker), 0, 13, 9, false};

#define AT(member) offsetof(struct wire_metadata_response_partition, member)
static const struct wire_field metadata_response_partition_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"leader_id", NULL,
     AT(leader_id), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"leader_epoch", NULL,
     AT(leader_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {7, 255}, {1, 0}, {1, 0}},
    {"replica_nodes", NULL,
     AT(replica_nodes), AT(replica_nodes_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"isr_nodes", NULL,
     AT(isr_nodes), AT(isr_nodes_count), WIRE_INT32, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"offline_replicas", NULL,
     AT(offline_replicas), AT(offline_replicas_count), WIRE_INT32, WIRE_ARRAY | WIRE_IGNORABLE, 0, {5, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_metadata_response_partition
    metadata_response_partition_default = {
    .error_code = 0,
    .partition_index = 0,
    .leader_id = 0,
    .leader_epoch = -1,
    .replica_nodes = NULL,
    .replica_nodes_count = 0,
    .isr_nodes = NULL,
    .isr_nodes_count = 0,
    .offline_replicas = NULL,
    .offline_replicas_count = 0,
};
const struct wire_message wire_metadata_response_partition_type = {
    "partition", metadata_response_partition_fields, &metadata_response_partition_default,
    7, sizeof(struct wire_metadata_response_partition), 0, 13, 9, false};

#define AT(member) offsetof(struct wire_metadata_response_topic, member)
static const struct wire_field metadata_response_topic_fields[] = {
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"name", NULL,
     AT(name), 0, WIRE_STRING, 0, 0, {0, 255}, {12, 255}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {10, 255}, {1, 0}, {1, 0}},
    {"is_internal", NULL,
     AT(is_internal), 0, WIRE_BOOL, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_metadata_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"topic_authorized_operations", NULL,
     AT(topic_authorized_operations), 0, WIRE_INT32, 0, 0, {8, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_metadata_response_topic
    metadata_response_topic_default = {
    .error_code = 0,
    .name = {"", 0},
    .topic_id = {{0}},
    .is_internal = false,
    .partitions = NULL,
    .partitions_count = 0,
    .topic_authorized_operations = INT32_MIN,
};
const struct wire_message wire_metadata_response_topic_type = {
    "topic", metadata_response_topic_fields, &metadata_response_topic_default,
    6, sizeof(struct wire_metadata_response_topic), 0, 13, 9, false};

#define AT(member) offsetof(struct wire_metadata_response, member)
static const struct wire_field metadata_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {3, 255}, {1, 0}, {1, 0}},
    {"brokers", &wire_metadata_response_broker_type,
     AT(brokers), AT(brokers_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"cluster_id", NULL,
     AT(cluster_id), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {2, 255}, {2, 255}, {1, 0}},
    {"controller_id", NULL,
     AT(controller_id), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_metadata_response_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"cluster_authorized_operations", NULL,
     AT(cluster_authorized_operations), 0, WIRE_INT32, 0, 0, {8, 10}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, WIRE_IGNORABLE, 0, {13, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_metadata_response
    metadata_response_default = {
    .throttle_time_ms = 0,
    .brokers = NULL,
    .brokers_count = 0,
    .cluster_id = {NULL, 0},
    .controller_id = -1,
    .topics = NULL,
    .topics_count = 0,
    .cluster_authorized_operations = INT32_MIN,
    .error_code = 0,
};
const struct wire_message wire_metadata_response_type = {
    "MetadataResponse", metadata_response_fields, &metadata_response_default,
    7, sizeof(struct wire_metadata_response), 0, 13, 9, false};
