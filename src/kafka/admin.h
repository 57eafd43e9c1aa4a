/* What the administration handlers share: duplicates in a request, messages of errors, resources of
 * configuration. */
#ifndef LEAT_KAFKA_ADMIN_H
#define LEAT_KAFKA_ADMIN_H

#include "core/map.h"
#include "kafka/kafka_int.h"

/* Kafka's ConfigResource.Type. */
enum kafka_resource {
    KAFKA_RESOURCE_TOPIC = 2,
    KAFKA_RESOURCE_BROKER = 4,
    KAFKA_RESOURCE_BROKER_LOGGER = 8,
    KAFKA_RESOURCE_CLIENT_METRICS = 16,
    KAFKA_RESOURCE_GROUP = 32
};

/* AclOperation bits of what may be done; without an authorizer, everything. */
#define KAFKA_TOPIC_OPERATIONS   0x0df8
#define KAFKA_CLUSTER_OPERATIONS 0x1fa0

/* The number of times a name was given in this request: kafka_seen_add counts one more and returns
 * false only when out of memory. The caller does map_init and map_deinit. */
MUST_USE bool kafka_seen_add(struct map *seen, struct str key);
size_t kafka_seen_count(const struct map *seen, struct str key);

/* Kafka's own sentence for an error that has no more to tell. */
struct str kafka_error_text(enum err e);
/* The text and hint of `ec` as one message in the arena; null for ERR_OK; the default text if there
 * is none. */
struct str kafka_error_message(struct arena *a, enum err e, const struct ectx *ec);

/* The replicas of one partition, as CreateTopics and CreatePartitions name them: they must be this
 * node, once. ERR_INVALID_REPLICA_ASSIGNMENT. */
MUST_USE enum err kafka_check_assignment(const int32_t *nodes, int32_t count, struct ectx *ec);

/* Is the resource name this node's number? ERR_INVALID_REQUEST with Kafka's reason. */
MUST_USE enum err kafka_check_node(struct str name, struct ectx *ec);

#endif
