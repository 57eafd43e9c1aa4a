/*
 * What the C services of the example share, over librdkafka: the envelope of an event as JSON, a
 * producer that never doubles, a consumer loop that commits an offset after its event was handled.
 *
 * An event is one Kafka record: key = order id, value = the envelope. Its id is made from the event
 * that caused it, so a service that is killed and does its work again makes the same id again.
 */
#ifndef ORDER_FLOW_FLOW_H
#define ORDER_FLOW_FLOW_H

#include <jansson.h>
#include <librdkafka/rdkafka.h>

struct flow {
    const char *service;
    rd_kafka_t *producer, *consumer;
    int failed; /* a delivery was given up: the service ends rather than lose an event */
};

/* Connects to LEAT_BOOTSTRAP (127.0.0.1:9092); ends the process with a message if it cannot be set
 * up. */
void flow_open(struct flow *f, const char *service, const char *topic);
/* Calls handle for each event until SIGTERM or SIGINT. An event is at least handled once. */
void flow_run(struct flow *f,
              void (*handle)(struct flow *f, const char *type, json_t *event, json_t *data));
void flow_close(struct flow *f);

/* Publishes the event `type` that `cause` led to; takes `data` over. */
void flow_publish(struct flow *f, const char *topic, const char *type, json_t *cause, json_t *data);

#endif
