/*
 * The notification service: tells the customer that the order has come, and what became of it. It
 * is plain Kafka on both sides: it reads es.order and writes an ordinary topic, `notifications`,
 * with librdkafka. Nobody decides by a notification, so nothing needs to be expected of it; who
 * reads them drops repetitions by ce_id.
 */
#include <stdio.h>
#include <string.h>

#include "flow.h"

static const char *text_of(const char *type)
{
    if (strcmp(type, "OrderPlaced") == 0) {
        return "we have your order";
    }
    if (strcmp(type, "OrderShipped") == 0) {
        return "your order is on its way";
    }
    return strcmp(type, "OrderCancelled") == 0 ? "your order was cancelled" : NULL;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct flow *f = opaque;
    (void)rk;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fprintf(stderr, "%s: an event was not stored: %s\n", f->service, rd_kafka_err2str(m->err));
        f->failed = 1;
    }
}

static rd_kafka_t *open_producer(struct flow *f)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    flow_set(f, conf, "bootstrap.servers", flow_bootstrap());
    flow_set(f, conf, "client.id", f->service);
    flow_set(f, conf, "enable.idempotence", "true");
    flow_set(f, conf, "linger.ms", "0"); /* each is waited for: nothing would join it */
    flow_set(f, conf, "reconnect.backoff.max.ms", "1000");
    flow_set(f, conf, "partitioner", "murmur2_random"); /* as Java and kafkajs do */
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, f);
    return flow_create(f, RD_KAFKA_PRODUCER, conf);
}

static void handle(struct flow *f, const struct flow_event *e, void *ctx)
{
    rd_kafka_t *producer = ctx;
    const char *what = text_of(e->type);
    const char *customer = json_string_value(json_object_get(e->data, "customer_id"));
    char id[37], text[512];
    if (what == NULL) {
        return;
    }
    flow_id(e->id, "tell", id);
    json_t *data = json_pack("{s:s, s:s, s:s}", "order_id", e->stream + strlen("order-"), "to",
                             customer == NULL ? "customer" : customer, "text", what);
    const size_t n = data == NULL ? 0 : json_dumpb(data, text, sizeof(text), JSON_COMPACT);
    json_decref(data);
    if (n == 0 || n > sizeof(text)) {
        flow_die(f, "could not make an event", e->id);
    }
    const rd_kafka_resp_err_t err = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC("notifications"), RD_KAFKA_V_KEY(e->stream, strlen(e->stream)),
        RD_KAFKA_V_VALUE(text, n), RD_KAFKA_V_HEADER("ce_specversion", "1.0", -1),
        RD_KAFKA_V_HEADER("ce_id", id, -1), RD_KAFKA_V_HEADER("ce_type", "CustomerNotified", -1),
        RD_KAFKA_V_HEADER("ce_source", "/order-flow/notification-service", -1),
        RD_KAFKA_V_HEADER("ce_correlationid", e->correlation_id, -1),
        RD_KAFKA_V_HEADER("ce_causationid", e->id, -1),
        RD_KAFKA_V_HEADER("content-type", "application/json", -1),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        flow_die(f, "could not publish", rd_kafka_err2str(err));
    }
    /* It is stored before the offset of its cause is. */
    while (!f->failed && rd_kafka_outq_len(producer) > 0) {
        rd_kafka_poll(producer, 100);
    }
}

int main(void)
{
    struct flow f;
    flow_open(&f, "notification-service", "es.order");
    rd_kafka_t *producer = open_producer(&f);
    flow_run(&f, handle, producer);
    flow_close(&f);
    rd_kafka_flush(producer, 5000);
    rd_kafka_destroy(producer);
    return f.failed;
}
