/*
 * What the C services of the example share, over librdkafka: a consumer loop that commits an offset
 * after its event was handled, ids made from causes.
 *
 * An event is one record of the topic es.CATEGORY: key = its stream, value = its data as JSON,
 * headers ce_* = CloudEvents. The id of what an event leads to is made from the event's id, so a
 * service that is killed and does its work again makes the same id again.
 */
#ifndef ORDER_FLOW_FLOW_H
#define ORDER_FLOW_FLOW_H

#include <jansson.h>
#include <librdkafka/rdkafka.h>

struct flow {
    const char *service;
    rd_kafka_t *consumer;
    int failed; /* something was given up: the service ends rather than lose an event */
};
struct flow_event {
    char stream[257], id[129], type[257], correlation_id[129];
    json_t *data;
};
typedef void flow_handler(struct flow *f, const struct flow_event *e, void *ctx);

const char *flow_bootstrap(void); /* LEAT_BOOTSTRAP, or 127.0.0.1:9092 */
/* Connects; ends the process with a message if it cannot be set up. */
void flow_open(struct flow *f, const char *service, const char *topic);
/* Calls handle for each event until SIGTERM or SIGINT. An event is at least handled once. */
void flow_run(struct flow *f, flow_handler *handle, void *ctx);
void flow_close(struct flow *f);
int flow_stopping(void);

void flow_set(const struct flow *f, rd_kafka_conf_t *conf, const char *name, const char *value);
rd_kafka_t *flow_create(const struct flow *f, rd_kafka_type_t type, rd_kafka_conf_t *conf);
void flow_die(const struct flow *f, const char *what, const char *why);
/* Name-based UUID (version 8) of the cause and the command, as lib/flow.js makes it. */
void flow_id(const char *cause_id, const char *command, char out[37]);

#endif
