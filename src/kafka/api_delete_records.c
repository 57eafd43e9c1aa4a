/*
 * DeleteRecords (key 21, v0-2). Moves the start of logs up to an offset (-1: the high watermark);
 * answers with the new start when that is durable. A start that is there already, or behind, is no
 * error: the log start never moves back.
 *
 * Errors of one partition: UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE (below 0 or above the
 * high watermark).
 */
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

struct delete_work {
    struct kafka *k;
    struct kafka_request *r;
    struct wire_delete_records_response *res;
    int64_t pending;
};
struct delete_part {
    struct kafka_continuation ready;
    struct delete_work *work;
    struct str topic;
    const struct wire_delete_records_request_partition *want;
    struct wire_delete_records_response_partition *out;
};

static void part_done(struct delete_work *w)
{
    if (--w->pending == 0) {
        kafka_reply(w->r, w->res);
    }
}

static void on_deleted(void *ctx, enum err e, int64_t low)
{
    struct delete_part *part = ctx;
    part->out->error_code = err_kafka(e);
    part->out->low_watermark = e == ERR_OK ? low : -1;
    part_done(part->work);
}

/* Everything that has to be allocated, before the first deletion starts. */
static struct delete_part *allocate(struct kafka_request *r,
                                    struct wire_delete_records_response *res)
{
    const struct wire_delete_records_request *req = r->body;
    size_t total = 0;
    res->topics = WIRE_NEW_N(r->arena, wire_delete_records_response_topic, req->topics_count);
    if (res->topics == NULL) {
        return NULL;
    }
    res->topics_count = req->topics_count;
    for (int32_t i = 0; i < req->topics_count; i++) {
        int32_t n = req->topics[i].partitions_count;
        res->topics[i].name = req->topics[i].name;
        res->topics[i].partitions = WIRE_NEW_N(r->arena, wire_delete_records_response_partition, n);
        if (res->topics[i].partitions == NULL) {
            return NULL;
        }
        res->topics[i].partitions_count = n;
        total += (size_t)n;
    }
    return arena_new_n(r->arena, struct delete_part, total + 1);
}

static void start(struct kafka_continuation *ready)
{
    struct delete_part *part = CONTAINER_OF(ready, struct delete_part, ready);
    struct kafka *k = part->work->k;
    enum err e;
    struct partition *p = kafka_partition_find(k, false, part->topic, (struct uuid){{0}},
                                               part->want->partition_index, &e);
    part->out->partition_index = part->want->partition_index;
    if (p != NULL) { /* there is no room for the reason in this answer */
        e = broker_client_may(k->s.broker, p->topic->name, "delete records", STR_NULL, NULL);
    }
    if (p == NULL || e != ERR_OK) {
        on_deleted(part, e, -1);
    } else {
        broker_delete_records(k->s.broker, p, part->want->offset, on_deleted, part);
    }
}

KAFKA_HANDLER(api_delete_records)
{
    const struct wire_delete_records_request *req = r->body;
    struct delete_work *w = arena_new(r->arena, struct delete_work);
    struct wire_delete_records_response *res =
        arena_new(r->arena, struct wire_delete_records_response);
    if (w == NULL || res == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    WIRE_INIT(wire_delete_records_response, res);
    struct delete_part *part = allocate(r, res);
    if (part == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    *w = (struct delete_work){.k = k, .r = r, .res = res, .pending = 1};
    for (int32_t i = 0; i < req->topics_count; i++) {
        const struct wire_delete_records_request_topic *t = &req->topics[i];
        for (int32_t j = 0; j < t->partitions_count; j++) {
            *part = (struct delete_part){.work = w,
                                         .topic = t->name,
                                         .want = &t->partitions[j],
                                         .out = &res->topics[i].partitions[j]};
            w->pending++;
            kafka_when_ready(k, &part->ready, start);
            part++;
        }
    }
    part_done(w);
}
