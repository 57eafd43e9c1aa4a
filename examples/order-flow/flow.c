/* The C services' common part; see flow.h. */
#include "flow.h"

#include <openssl/sha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

int flow_stopping(void)
{
    return stopping;
}

void flow_die(const struct flow *f, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", f->service, what, why);
    exit(1);
}

void flow_set(const struct flow *f, rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
        flow_die(f, name, why);
    }
}

rd_kafka_t *flow_create(const struct flow *f, rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
    if (rk == NULL) {
        flow_die(f, "could not create a client", why);
    }
    return rk;
}

const char *flow_bootstrap(void)
{
    const char *bootstrap = getenv("LEAT_BOOTSTRAP");
    return bootstrap == NULL ? "127.0.0.1:9092" : bootstrap;
}

void flow_open(struct flow *f, const char *service, const char *topic)
{
    *f = (struct flow){.service = service};
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);

    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    flow_set(f, conf, "bootstrap.servers", flow_bootstrap());
    flow_set(f, conf, "client.id", service);
    flow_set(f, conf, "group.id", service);
    flow_set(f, conf, "auto.offset.reset", "earliest");
    flow_set(f, conf, "enable.auto.offset.store", "false"); /* stored when the event was handled */
    flow_set(f, conf, "auto.commit.interval.ms", "1000");
    flow_set(f, conf, "session.timeout.ms", "6000");
    flow_set(f, conf, "reconnect.backoff.max.ms", "1000");
    f->consumer = flow_create(f, RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(f->consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(f->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        flow_die(f, "could not subscribe", rd_kafka_err2str(err));
    }
}

void flow_id(const char *cause_id, const char *command, char out[37])
{
    char name[512];
    unsigned char h[SHA256_DIGEST_LENGTH];
    int n = snprintf(name, sizeof(name), "%s/%s", cause_id, command);
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

/* 0 if the text is there and fits. */
static int copy(char *out, size_t size, const void *p, size_t n)
{
    if (p == NULL || n == 0 || n >= size) {
        return -1;
    }
    memcpy(out, p, n);
    out[n] = 0;
    return 0;
}

static int copy_header(char *out, size_t size, const rd_kafka_headers_t *headers, const char *name)
{
    const void *p;
    size_t n;
    return rd_kafka_header_get_last(headers, name, &p, &n) == RD_KAFKA_RESP_ERR_NO_ERROR
               ? copy(out, size, p, n)
               : -1;
}

/* 0: it is an event. */
static int parse(rd_kafka_message_t *m, struct flow_event *e)
{
    rd_kafka_headers_t *headers;
    e->data = json_loadb(m->payload == NULL ? "" : m->payload, m->len, 0, NULL);
    if (e->data == NULL || rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return -1;
    }
    return copy(e->stream, sizeof(e->stream), m->key, m->key_len) != 0 ||
                   copy_header(e->id, sizeof(e->id), headers, "ce_id") != 0 ||
                   copy_header(e->type, sizeof(e->type), headers, "ce_type") != 0 ||
                   copy_header(e->correlation_id, sizeof(e->correlation_id), headers,
                               "ce_correlationid") != 0
               ? -1
               : 0;
}

static void handle_message(struct flow *f, rd_kafka_message_t *m, flow_handler *handle, void *ctx)
{
    struct flow_event e = {.data = NULL};
    if (parse(m, &e) == 0) {
        handle(f, &e, ctx);
    } else {
        fprintf(stderr, "%s: not an event: %s [%d] offset %lld\n", f->service,
                rd_kafka_topic_name(m->rkt), m->partition, (long long)m->offset);
    }
    json_decref(e.data);
    /* What it led to is stored before its offset is, so nothing is lost between the two. A
     * partition that went to somebody else meanwhile refuses the offset; the other one does the
     * work again. */
    if (!f->failed) {
        (void)rd_kafka_offset_store(m->rkt, m->partition, m->offset);
    }
}

void flow_run(struct flow *f, flow_handler *handle, void *ctx)
{
    while (!stopping && !f->failed) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(f->consumer, 200);
        if (m == NULL) {
            continue;
        }
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            handle_message(f, m, handle, ctx);
        } else if (m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            fprintf(stderr, "%s: %s\n", f->service, rd_kafka_message_errstr(m));
        }
        rd_kafka_message_destroy(m);
    }
}

void flow_close(struct flow *f)
{
    rd_kafka_consumer_close(f->consumer);
    rd_kafka_destroy(f->consumer);
}
