/*
 * Produce (key 0, v3-13; v0-2 are told but not served, as in Kafka 4). Each partition's batch is
 * judged on its own; the answer comes when what was good is on stable storage. acks=1 and acks=all
 * are the same here: one node, which flushes. acks=0: no answer, and an error closes the
 * connection.
 *
 * Transactions are not offered: a request with a transactional id is refused with
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which no client retries.
 */
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

struct produce_work {
    struct kafka_request *r;
    struct broker_produce produce;
};

static bool fill_record_errors(struct kafka_request *r, const struct broker_produce_item *item,
                               struct wire_produce_response_partition *out)
{
    out->record_errors =
        WIRE_NEW_N(r->arena, wire_produce_response_record_error, item->record_error_count);
    if (out->record_errors == NULL) {
        return false;
    }
    out->record_errors_count = item->record_error_count;
    for (int32_t i = 0; i < item->record_error_count; i++) {
        out->record_errors[i].batch_index = item->record_errors[i].batch_index;
        out->record_errors[i].batch_index_error_message = item->record_errors[i].message;
    }
    return true;
}

static bool fill_partition(struct kafka_request *r, const struct broker_produce_item *item,
                           struct wire_produce_response_partition *out)
{
    out->error_code = err_kafka(item->err);
    out->base_offset = item->err == ERR_OK ? item->base_offset : -1;
    out->log_append_time_ms = item->err == ERR_OK ? item->log_append_time_ms : -1;
    out->log_start_offset = item->err == ERR_OK ? item->log_start_offset : -1;
    out->error_message = item->error_message;
    return item->record_error_count == 0 || fill_record_errors(r, item, out);
}

static bool fill(struct kafka_request *r, const struct broker_produce_item *items,
                 struct wire_produce_response *res)
{
    const struct wire_produce_request *req = r->body;
    const struct broker_produce_item *item = items;
    res->responses = WIRE_NEW_N(r->arena, wire_produce_response_topic, req->topic_data_count);
    if (res->responses == NULL) {
        return false;
    }
    res->responses_count = req->topic_data_count;
    for (int32_t i = 0; i < req->topic_data_count; i++) {
        const struct wire_produce_request_topic *t = &req->topic_data[i];
        struct wire_produce_response_topic *out = &res->responses[i];
        out->name = t->name;
        out->topic_id = t->topic_id;
        out->partition_responses =
            WIRE_NEW_N(r->arena, wire_produce_response_partition, t->partition_data_count);
        if (out->partition_responses == NULL) {
            return false;
        }
        out->partition_responses_count = t->partition_data_count;
        for (int32_t j = 0; j < t->partition_data_count; j++, item++) {
            out->partition_responses[j].index = t->partition_data[j].index;
            if (!fill_partition(r, item, &out->partition_responses[j])) {
                return false;
            }
        }
    }
    return true;
}

static void reply(struct kafka_request *r, const struct broker_produce_item *items, size_t count)
{
    const struct wire_produce_request *req = r->body;
    if (req->acks == 0) {
        for (size_t i = 0; i < count; i++) {
            if (items[i].err != ERR_OK) {
                kafka_close(r, "a produce request with acks=0 failed");
                return;
            }
        }
        kafka_drop(r);
        return;
    }
    struct wire_produce_response res;
    WIRE_INIT(wire_produce_response, &res);
    if (!fill(r, items, &res)) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(r, &res);
}

/* What the client sends after it stays behind it. */
static void on_held(struct broker_produce *p, bool held)
{
    const struct produce_work *w = p->ctx;
    const struct kafka_pending *pending = w->r->internal;
    if (pending->conn != NULL) {
        net_conn_pause(pending->conn->conn, held);
    }
}

static void on_done(struct broker_produce *p)
{
    struct produce_work *w = p->ctx;
    reply(w->r, p->items, p->item_count);
}

/* The whole request is refused: every partition gets the same answer. */
static void refuse_all(struct produce_work *w, enum err e, const char *message)
{
    for (size_t i = 0; i < w->produce.item_count; i++) {
        w->produce.items[i].err = e;
        w->produce.items[i].error_message = str_of(message);
    }
    reply(w->r, w->produce.items, w->produce.item_count);
}

/* The only batch of a request takes the request's memory with it: what the answer needs of that is
 * kept before. */
static uint8_t *take(void *ctx, size_t *cap)
{
    const struct produce_work *w = ctx;
    struct kafka_request *r = w->r;
    const struct kafka_pending *p = r->internal;
    const struct wire_produce_request *req = r->body;
    struct wire_produce_request_topic *t = &req->topic_data[0];
    if (!str_is_null(t->name)) {
        const struct str name = arena_str(r->arena, t->name);
        if (str_is_null(name)) {
            return NULL;
        }
        t->name = name;
    }
    uint8_t *bytes = net_message_take(p->message, cap);
    if (bytes != NULL) {
        r->client_id = STR_LIT("");
    }
    return bytes;
}

static void fill_item(struct kafka *k, struct kafka_request *r,
                      const struct wire_produce_request_topic *t,
                      const struct wire_produce_request_partition *p,
                      struct broker_produce_item *item)
{
    item->partition =
        kafka_partition_find(k, r->version >= 13, t->name, t->topic_id, p->index, &item->err);
    item->base_offset = -1;
    item->log_append_time_ms = -1;
    item->log_start_offset = -1;
    item->bytes = (uint8_t *)(uintptr_t)p->records.p; /* the message's own bytes: ours to write */
    item->size = p->records.n < 0 ? 0 : (size_t)p->records.n;
}

KAFKA_HANDLER(api_produce)
{
    const struct wire_produce_request *req = r->body;
    struct produce_work *w = arena_new(r->arena, struct produce_work);
    size_t n = 0;
    for (int32_t i = 0; i < req->topic_data_count; i++) {
        n += (size_t)(req->topic_data[i].partition_data_count < 0
                          ? 0
                          : req->topic_data[i].partition_data_count);
    }
    struct broker_produce_item *items = arena_new_n(r->arena, struct broker_produce_item, n + 1);
    if (w == NULL || items == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    w->r = r;
    w->produce = (struct broker_produce){.api_version = r->version,
                                         .items = items,
                                         .item_count = n,
                                         .arena = r->arena,
                                         .held = on_held,
                                         .done = on_done,
                                         .ctx = w};
    struct broker_produce_item *item = items;
    for (int32_t i = 0; i < req->topic_data_count; i++) {
        const struct wire_produce_request_topic *t = &req->topic_data[i];
        for (int32_t j = 0; j < t->partition_data_count; j++) {
            fill_item(k, r, t, &t->partition_data[j], item++);
        }
    }
    if (n == 1 && req->topic_data_count == 1) {
        items[0].take = take;
        items[0].take_ctx = w;
    }
    if (!str_is_null(req->transactional_id)) {
        refuse_all(w, ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                   "transactions are not offered by this broker");
    } else if (req->acks < -1 || req->acks > 1) {
        refuse_all(w, ERR_INVALID_REQUIRED_ACKS, err_text(ERR_INVALID_REQUIRED_ACKS));
    } else {
        broker_produce(k->s.broker, &w->produce);
    }
}
