/*
 * DescribeProducers (key 61, v0; KIP-664). The idempotent producers that a partition remembers.
 * There are no transactions: no coordinator epoch, no open transaction (both -1).
 *
 * Errors of one partition: INVALID_TOPIC, UNKNOWN_TOPIC_OR_PARTITION.
 */
#include "kafka/admin.h"
#include "wire/gen/all.h"

static bool fill_producers(struct kafka_request *r, struct partition *p,
                           struct wire_describe_producers_response_partition *out)
{
    size_t n = 0;
    const struct broker_producer_info *all = broker_producers(p, r->arena, &n);
    out->active_producers =
        WIRE_NEW_N(r->arena, wire_describe_producers_response_active_producer, (int64_t)n);
    if (all == NULL || out->active_producers == NULL) {
        return false;
    }
    out->active_producers_count = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        struct wire_describe_producers_response_active_producer *a = &out->active_producers[i];
        a->producer_id = all[i].id;
        a->producer_epoch = all[i].epoch;
        a->last_sequence = all[i].last_sequence;
        a->last_timestamp = all[i].last_timestamp_ms;
        a->coordinator_epoch = -1;
    }
    return true;
}

static bool one_topic(struct kafka *k, struct kafka_request *r,
                      const struct wire_describe_producers_request_topic *want,
                      struct wire_describe_producers_response_topic *out)
{
    struct ectx ec = {.code = ERR_OK};
    out->name = want->name;
    out->partitions = WIRE_NEW_N(r->arena, wire_describe_producers_response_partition,
                                 want->partition_indexes_count);
    if (out->partitions == NULL) {
        return false;
    }
    out->partitions_count = want->partition_indexes_count;
    enum err invalid = broker_topic_name_check(want->name, &ec);
    for (int32_t i = 0; i < out->partitions_count; i++) {
        struct wire_describe_producers_response_partition *part = &out->partitions[i];
        int32_t index = want->partition_indexes[i];
        enum err e = invalid;
        struct partition *p = NULL;
        if (invalid == ERR_OK) {
            p = kafka_partition_find(k, false, want->name, (struct uuid){{0}}, index, &e);
        }
        part->partition_index = index;
        part->error_code = err_kafka(e);
        part->error_message = kafka_error_message(r->arena, e, &ec);
        if (p != NULL && !fill_producers(r, p, part)) {
            return false;
        }
    }
    return true;
}

KAFKA_HANDLER(api_describe_producers)
{
    const struct wire_describe_producers_request *req = r->body;
    struct wire_describe_producers_response res;
    WIRE_INIT(wire_describe_producers_response, &res);
    res.topics = WIRE_NEW_N(r->arena, wire_describe_producers_response_topic, req->topics_count);
    bool ok = res.topics != NULL;
    res.topics_count = ok ? req->topics_count : 0;
    for (int32_t i = 0; ok && i < res.topics_count; i++) {
        ok = one_topic(k, r, &req->topics[i], &res.topics[i]);
    }
    if (!ok) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(r, &res);
}
