/* The C services' common part; see flow.h. */
#include "flow.h"

#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void die(const struct flow *f, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", f->service, what, why);
    exit(1);
}

static void set(const struct flow *f, rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
        die(f, name, why);
    }
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

static rd_kafka_t *create(struct flow *f, rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
    if (rk == NULL) {
        die(f, "could not create a client", why);
    }
    return rk;
}

void flow_open(struct flow *f, const char *service, const char *topic)
{
    const char *bootstrap = getenv("LEAT_BOOTSTRAP");
    bootstrap = bootstrap == NULL ? "127.0.0.1:9092" : bootstrap;
    *f = (struct flow){.service = service};
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);

    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(f, conf, "bootstrap.servers", bootstrap);
    set(f, conf, "client.id", service);
    set(f, conf, "enable.idempotence", "true");
    set(f, conf, "partitioner", "murmur2_random"); /* as Java and kafkajs do */
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, f);
    f->producer = create(f, RD_KAFKA_PRODUCER, conf);

    conf = rd_kafka_conf_new();
    set(f, conf, "bootstrap.servers", bootstrap);
    set(f, conf, "client.id", service);
    set(f, conf, "group.id", service);
    set(f, conf, "auto.offset.reset", "earliest");
    set(f, conf, "enable.auto.offset.store", "false"); /* stored when the event was handled */
    set(f, conf, "auto.commit.interval.ms", "1000");
    set(f, conf, "session.timeout.ms", "10000");
    f->consumer = create(f, RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(f->consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(f->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        die(f, "could not subscribe", rd_kafka_err2str(err));
    }
}

/* Name-based UUID (version 8) of the cause and the type, as lib/flow.js makes it. */
static void event_id(const char *cause_id, const char *type, char out[37])
{
    char name[512];
    unsigned char h[SHA256_DIGEST_LENGTH];
    int n = snprintf(name, sizeof(name), "%s/%s", cause_id, type);
    SHA256((const unsigned char *)name, (size_t)n, h);
    h[6] = (unsigned char)((h[6] & 0x0f) | 0x80);
    h[8] = (unsigned char)((h[8] & 0x3f) | 0x80);
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }
        p += snprintf(p, 3, "%02x", h[i]);
    }
}

static void now_text(char out[32])
{
    struct timespec t;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 32 - n, ".%03ldZ", t.tv_nsec / 1000000);
}

void flow_publish(struct flow *f, const char *topic, const char *type, json_t *cause, json_t *data)
{
    char id[37];
    char time_text[32];
    const char *cause_id = json_string_value(json_object_get(cause, "eventId"));
    const char *key = json_string_value(json_object_get(data, "orderId"));
    event_id(cause_id, type, id);
    now_text(time_text);
    json_t *event =
        json_pack("{s:s, s:s, s:i, s:s, s:s, s:O, s:s, s:o}", "eventId", id, "eventType", type,
                  "eventVersion", 1, "timestamp", time_text, "source", f->service, "correlationId",
                  json_object_get(cause, "correlationId"), "causationId", cause_id, "data", data);
    char *text = event == NULL ? NULL : json_dumps(event, JSON_COMPACT);
    if (text == NULL) {
        die(f, "could not make an event", type);
    }
    rd_kafka_resp_err_t err;
    do {
        err = rd_kafka_producev(f->producer, RD_KAFKA_V_TOPIC(topic),
                                RD_KAFKA_V_KEY(key, strlen(key)),
                                RD_KAFKA_V_VALUE(text, strlen(text)),
                                RD_KAFKA_V_HEADER("content-type", "application/json", -1),
                                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(f->producer, 100);
        }
    } while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        die(f, "could not publish", rd_kafka_err2str(err));
    }
    free(text);
    json_decref(event);
}

static void handle_message(struct flow *f, rd_kafka_message_t *m,
                           void (*handle)(struct flow *f, const char *type, json_t *event,
                                          json_t *data))
{
    json_t *event = json_loadb(m->payload, m->len, 0, NULL);
    json_t *data = json_object_get(event, "data");
    const char *type = json_string_value(json_object_get(event, "eventType"));
    if (type == NULL || json_string_value(json_object_get(event, "eventId")) == NULL ||
        json_string_value(json_object_get(data, "orderId")) == NULL) {
        fprintf(stderr, "%s: not an event: %s [%d] offset %lld\n", f->service,
                rd_kafka_topic_name(m->rkt), m->partition, (long long)m->offset);
    } else {
        handle(f, type, event, data);
        /* What it led to is stored before its offset is, so nothing is lost between the two. */
        rd_kafka_flush(f->producer, 10000);
    }
    json_decref(event);
    if (!f->failed) {
        rd_kafka_offset_store(m->rkt, m->partition, m->offset);
    }
}

void flow_run(struct flow *f,
              void (*handle)(struct flow *f, const char *type, json_t *event, json_t *data))
{
    while (!stopping && !f->failed) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(f->consumer, 200);
        rd_kafka_poll(f->producer, 0);
        if (m == NULL) {
            continue;
        }
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            handle_message(f, m, handle);
        } else if (m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            fprintf(stderr, "%s: %s\n", f->service, rd_kafka_message_errstr(m));
        }
        rd_kafka_message_destroy(m);
    }
}

void flow_close(struct flow *f)
{
    rd_kafka_consumer_close(f->consumer);
    rd_kafka_flush(f->producer, 5000);
    rd_kafka_destroy(f->consumer);
    rd_kafka_destroy(f->producer);
}
