/*
 * OffsetCommit (key 8, v2-10; v10 names topics by id). Which topics and partitions exist is decided
 * here, who may commit in the group room. Answered when the commit is durable; a part that is
 * refused does not stop the others.
 */
#include "kafka/group_call.h"
#include "wire/gen/all.h"

struct commit_work {
    struct groups_commit commit;
};

static bool fill(struct kafka_request *r, const struct groups_commit *c, enum err whole,
                 struct wire_offset_commit_response *res)
{
    const struct wire_offset_commit_request *req = r->body;
    const struct groups_commit_item *item = c->items;
    int32_t n = req->topics_count < 0 ? 0 : req->topics_count;
    res->topics = WIRE_NEW_N(r->arena, wire_offset_commit_response_topic, n);
    if (res->topics == NULL) {
        return false;
    }
    res->topics_count = n;
    for (int32_t i = 0; i < n; i++) {
        const struct wire_offset_commit_request_topic *t = &req->topics[i];
        struct wire_offset_commit_response_topic *out = &res->topics[i];
        int32_t parts = t->partitions_count < 0 ? 0 : t->partitions_count;
        if (r->version >= 10) {
            out->topic_id = t->topic_id;
        } else {
            out->name = t->name;
        }
        out->partitions = WIRE_NEW_N(r->arena, wire_offset_commit_response_partition, parts);
        if (out->partitions == NULL) {
            return false;
        }
        out->partitions_count = parts;
        for (int32_t j = 0; j < parts; j++, item++) {
            out->partitions[j].partition_index = t->partitions[j].partition_index;
            out->partitions[j].error_code = err_kafka(item->err != ERR_OK ? item->err : whole);
        }
    }
    return true;
}

static void on_done(struct groups_ticket *t, const struct groups_answer *a)
{
    struct group_call *c = group_call_of(t);
    const struct commit_work *w = c->work;
    struct wire_offset_commit_response res;
    WIRE_INIT(wire_offset_commit_response, &res);
    if (!fill(c->r, &w->commit, a->err, &res)) {
        kafka_close(c->r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(c->r, &res);
}

static void take_topic(struct kafka *k, struct kafka_request *r,
                       const struct wire_offset_commit_request_topic *t,
                       struct groups_commit_item *items)
{
    enum err e;
    struct topic *topic = kafka_topic_find(k, r->version >= 10, t->name, t->topic_id, &e);
    for (int32_t j = 0; j < t->partitions_count; j++) {
        const struct wire_offset_commit_request_partition *p = &t->partitions[j];
        items[j].err = e;
        if (topic == NULL) {
            continue;
        }
        items[j].topic = topic->name;
        items[j].topic_id = topic->id;
        items[j].partition = p->partition_index;
        items[j].offset = (struct groups_offset){p->committed_offset, p->committed_leader_epoch,
                                                 p->committed_metadata};
        if (broker_partition(topic, p->partition_index) == NULL) {
            items[j].err = ERR_UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
}

KAFKA_HANDLER(api_offset_commit)
{
    const struct wire_offset_commit_request *req = r->body;
    int64_t n = 0;
    for (int32_t i = 0; i < req->topics_count; i++) {
        n += req->topics[i].partitions_count < 0 ? 0 : req->topics[i].partitions_count;
    }
    struct group_call *c = group_call_begin(r, on_done);
    if (c == NULL) {
        return;
    }
    struct commit_work *w = arena_new(r->arena, struct commit_work);
    struct groups_commit_item *items = KAFKA_ARRAY(r, struct groups_commit_item, n);
    if (w == NULL || items == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    c->work = w;
    w->commit = (struct groups_commit){.group_id = req->group_id,
                                       .member_id = req->member_id,
                                       .instance_id = req->group_instance_id,
                                       .generation = req->generation_id_or_member_epoch,
                                       .retention_ms = req->retention_time_ms,
                                       .unknown_group_has_code = r->version >= 9,
                                       .items = items,
                                       .count = (size_t)n};
    for (int32_t i = 0; i < req->topics_count; i++) {
        take_topic(k, r, &req->topics[i], items);
        items += req->topics[i].partitions_count < 0 ? 0 : req->topics[i].partitions_count;
    }
    groups_commit(k->s.groups, &w->commit, &c->ticket);
}
