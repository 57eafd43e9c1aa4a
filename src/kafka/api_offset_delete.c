/* OffsetDelete (key 47, v0): forgets committed offsets of topics that the group is not subscribed
 * to (KIP-496). */
#include "kafka/group_call.h"
#include "wire/gen/all.h"

static bool fill(struct kafka_request *r, const struct groups_offset_name *item,
                 struct wire_offset_delete_response *res)
{
    const struct wire_offset_delete_request *req = r->body;
    int32_t n = req->topics_count < 0 ? 0 : req->topics_count;
    res->topics = WIRE_NEW_N(r->arena, wire_offset_delete_response_topic, n);
    if (res->topics == NULL) {
        return false;
    }
    res->topics_count = n;
    for (int32_t i = 0; i < n; i++) {
        const struct wire_offset_delete_request_topic *t = &req->topics[i];
        int32_t parts = t->partitions_count < 0 ? 0 : t->partitions_count;
        res->topics[i].name = t->name;
        res->topics[i].partitions =
            WIRE_NEW_N(r->arena, wire_offset_delete_response_partition, parts);
        if (res->topics[i].partitions == NULL) {
            return false;
        }
        res->topics[i].partitions_count = parts;
        for (int32_t j = 0; j < parts; j++, item++) {
            res->topics[i].partitions[j].partition_index = item->partition;
            res->topics[i].partitions[j].error_code = err_kafka(item->err);
        }
    }
    return true;
}

static void on_done(struct groups_ticket *t, const struct groups_answer *a)
{
    struct group_call *c = group_call_of(t);
    struct wire_offset_delete_response res;
    WIRE_INIT(wire_offset_delete_response, &res);
    res.error_code = err_kafka(a->err);
    /* An error of the whole comes alone, as in Kafka. */
    if (a->err == ERR_OK && !fill(c->r, c->work, &res)) {
        kafka_close(c->r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(c->r, &res);
}

KAFKA_HANDLER(api_offset_delete)
{
    const struct wire_offset_delete_request *req = r->body;
    int64_t n = 0;
    for (int32_t i = 0; i < req->topics_count; i++) {
        n += req->topics[i].partitions_count < 0 ? 0 : req->topics[i].partitions_count;
    }
    struct group_call *c = group_call_begin(r, on_done);
    if (c == NULL) {
        return;
    }
    struct groups_offset_name *items = KAFKA_ARRAY(r, struct groups_offset_name, n);
    if (items == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    c->work = items;
    struct groups_offset_name *item = items;
    for (int32_t i = 0; i < req->topics_count; i++) {
        const struct wire_offset_delete_request_topic *t = &req->topics[i];
        enum err e =
            broker_topic(k->s.broker, t->name) == NULL ? ERR_UNKNOWN_TOPIC_OR_PARTITION : ERR_OK;
        for (int32_t j = 0; j < t->partitions_count; j++, item++) {
            *item = (struct groups_offset_name){t->name, t->partitions[j].partition_index, e};
        }
    }
    groups_offsets_delete(k->s.groups, req->group_id, items, (size_t)n, &c->ticket);
}
