/* Topics and partitions as requests name them, and the checks that many APIs share. */
#include "kafka/kafka_int.h"

int32_t KAFKA_NODES[1] = {BROKER_NODE_ID};

struct topic *kafka_topic_find(struct kafka *k, bool by_id, struct str name, struct uuid id,
                               enum err *e)
{
    struct topic *t = by_id ? broker_topic_by_id(k->s.broker, id) : broker_topic(k->s.broker, name);
    *e = t != NULL ? ERR_OK : (by_id ? ERR_UNKNOWN_TOPIC_ID : ERR_UNKNOWN_TOPIC_OR_PARTITION);
    return t;
}

struct partition *kafka_partition_find(struct kafka *k, bool by_id, struct str name, struct uuid id,
                                       int32_t index, enum err *e)
{
    struct topic *t = kafka_topic_find(k, by_id, name, id, e);
    struct partition *p = broker_partition(t, index);
    if (t != NULL && p == NULL) {
        *e = ERR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return p;
}

enum err kafka_check_epoch(const struct partition *p, int32_t client_epoch)
{
    struct store_part_info info;
    if (client_epoch < 0) {
        return ERR_OK;
    }
    store_part_info_get(p->part, &info);
    if (client_epoch < info.leader_epoch) {
        return ERR_FENCED_LEADER_EPOCH;
    }
    return client_epoch > info.leader_epoch ? ERR_UNKNOWN_LEADER_EPOCH : ERR_OK;
}
