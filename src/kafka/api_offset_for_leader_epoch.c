/*
 * OffsetForLeaderEpoch (key 23, v2-4; KIP-320). Where the leader epoch that a consumer has read in
 * ended, so that it can tell whether what it read is still in the log (epoch.h). Not known: epoch
 * -1 and offset -1, without an error.
 *
 * Errors of one partition: UNKNOWN_TOPIC_OR_PARTITION, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH.
 */
#include "kafka/epoch.h"
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

static void one_partition(struct kafka *k, struct str topic,
                          const struct wire_offset_for_leader_epoch_request_partition *want,
                          struct wire_offset_for_leader_epoch_response_partition *out)
{
    enum err e;
    const struct partition *p =
        kafka_partition_find(k, false, topic, (struct uuid){{0}}, want->partition, &e);
    e = p == NULL ? e : kafka_check_epoch(p, want->current_leader_epoch);
    out->partition = want->partition;
    out->error_code = err_kafka(e);
    if (e == ERR_OK) {
        epoch_end(p, want->leader_epoch, &out->leader_epoch, &out->end_offset);
    }
}

KAFKA_HANDLER(api_offset_for_leader_epoch)
{
    const struct wire_offset_for_leader_epoch_request *req = r->body;
    struct wire_offset_for_leader_epoch_response res;
    WIRE_INIT(wire_offset_for_leader_epoch_response, &res);
    res.topics =
        WIRE_NEW_N(r->arena, wire_offset_for_leader_epoch_response_topic, req->topics_count);
    bool ok = res.topics != NULL;
    res.topics_count = ok ? req->topics_count : 0;
    for (int32_t i = 0; i < res.topics_count; i++) {
        const struct wire_offset_for_leader_epoch_request_topic *t = &req->topics[i];
        struct wire_offset_for_leader_epoch_response_topic *out = &res.topics[i];
        out->topic = t->topic;
        out->partitions = WIRE_NEW_N(r->arena, wire_offset_for_leader_epoch_response_partition,
                                     t->partitions_count);
        if (out->partitions == NULL) {
            ok = false;
            break;
        }
        out->partitions_count = t->partitions_count;
        for (int32_t j = 0; j < t->partitions_count; j++) {
            one_partition(k, t->topic, &t->partitions[j], &out->partitions[j]);
        }
    }
    if (!ok) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(r, &res);
}
