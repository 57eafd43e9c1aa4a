/*
 * InitProducerId (key 22, v0-5). Gives an idempotent producer its id, with epoch 0; the id is
 * durably taken before it is told. As in Kafka, a producer without a transactional id that names
 * the id it has (v3+) gets a new one: it may have moved its epoch on by itself, so only it knows
 * which epochs are used up.
 *
 * Transactions are not offered: a transactional id is TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which
 * Java, librdkafka and kafkajs all report and do not retry (an empty one is INVALID_REQUEST). An id
 * without an epoch or the other way round: INVALID_REQUEST.
 */
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

static void reply(struct kafka_request *r, enum err e, struct broker_producer_id pid)
{
    struct wire_init_producer_id_response res;
    WIRE_INIT(wire_init_producer_id_response, &res);
    res.error_code = err_kafka(e);
    res.producer_id = e == ERR_OK ? pid.id : -1;
    res.producer_epoch = e == ERR_OK ? pid.epoch : -1;
    kafka_reply(r, &res);
}

static void on_given(void *ctx, enum err e, struct broker_producer_id pid)
{
    reply(ctx, e, pid);
}

KAFKA_HANDLER(api_init_producer_id)
{
    const struct wire_init_producer_id_request *req = r->body;
    const struct broker_producer_id none = {-1, -1};
    if (!str_is_null(req->transactional_id)) {
        bool empty = req->transactional_id.n == 0;
        reply(r, empty ? ERR_INVALID_REQUEST : ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, none);
        return;
    }
    if ((req->producer_id == -1) != (req->producer_epoch == -1)) {
        reply(r, ERR_INVALID_REQUEST, none);
        return;
    }
    broker_producer_id_new(k->s.broker, -1, -1, on_given, r);
}
