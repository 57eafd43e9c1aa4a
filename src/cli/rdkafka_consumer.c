/* Consuming through librdkafka. */
#include <string.h>

#include "cli/rdkafka_int.h"
#include "core/mem.h"

struct rdkafka_consumer {
    struct rdkafka *k;
    rd_kafka_t *rk;
    rd_kafka_message_t *last; /* what the record of the last poll points into */
    struct rdkafka_header headers[RDKAFKA_HEADERS_MAX];
    bool in_group;
};

MUST_USE enum err rdkafka_consumer_open(struct rdkafka *k, const struct rdkafka_setting *settings,
                                        size_t count, struct rdkafka_consumer **out,
                                        struct ectx *ec)
{
    struct rdkafka_consumer *c = mem_new(struct rdkafka_consumer);
    rd_kafka_conf_t *conf = NULL;
    if (c == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "out of memory");
    }
    c->k = k;
    enum err e = rdkafka_configure(k, settings, count, c, &conf, ec);
    if (e == ERR_OK) {
        char why[256];
        c->rk = k->rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
        if (c->rk == NULL) {
            k->rd_kafka_conf_destroy(conf);
            e = ectx_fail(ec, ERR_CONFIG, "consumer: %s", why);
        } else {
            k->rd_kafka_poll_set_consumer(c->rk);
        }
    }
    if (e != ERR_OK) {
        rdkafka_consumer_close(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

MUST_USE enum err rdkafka_consumer_assign(struct rdkafka_consumer *c, const char *topic,
                                          const struct rdkafka_place *places, size_t count,
                                          struct ectx *ec)
{
    rd_kafka_topic_partition_list_t *list = c->k->rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        c->k->rd_kafka_topic_partition_list_add(list, topic, places[i].partition)->offset =
            places[i].offset;
    }
    rd_kafka_resp_err_t error = c->k->rd_kafka_assign(c->rk, list);
    c->k->rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return ectx_fail(ec, rdkafka_err(error), "could not read '%s': %s", topic,
                         c->k->rd_kafka_err2str(error));
    }
    return ERR_OK;
}

MUST_USE enum err rdkafka_consumer_subscribe(struct rdkafka_consumer *c, const char *topic,
                                             struct ectx *ec)
{
    rd_kafka_topic_partition_list_t *list = c->k->rd_kafka_topic_partition_list_new(1);
    c->k->rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = c->k->rd_kafka_subscribe(c->rk, list);
    c->k->rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return ectx_fail(ec, rdkafka_err(error), "could not subscribe to '%s': %s", topic,
                         c->k->rd_kafka_err2str(error));
    }
    c->in_group = true;
    return ERR_OK;
}

size_t rdkafka_consumer_assigned(struct rdkafka_consumer *c)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    if (c->k->rd_kafka_assignment(c->rk, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return 0;
    }
    size_t n = (size_t)list->cnt;
    c->k->rd_kafka_topic_partition_list_destroy(list);
    return n;
}

static size_t take_headers(struct rdkafka_consumer *c)
{
    rd_kafka_headers_t *list = NULL;
    size_t n = 0;
    if (c->k->rd_kafka_message_headers(c->last, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return 0;
    }
    const char *name;
    const void *value;
    size_t size;
    while (n < RDKAFKA_HEADERS_MAX &&
           c->k->rd_kafka_header_get_all(list, n, &name, &value, &size) ==
               RD_KAFKA_RESP_ERR_NO_ERROR) {
        c->headers[n++] = (struct rdkafka_header){str_of(name), str_make(value, size)};
    }
    return n;
}

enum rdkafka_event rdkafka_consumer_poll(struct rdkafka_consumer *c, int timeout_ms,
                                         struct rdkafka_record *out, struct ectx *ec)
{
    if (c->last != NULL) {
        c->k->rd_kafka_message_destroy(c->last);
    }
    c->last = c->k->rd_kafka_consumer_poll(c->rk, timeout_ms);
    rd_kafka_message_t *m = c->last;
    if (m == NULL) {
        return RDKAFKA_NOTHING;
    }
    *out = (struct rdkafka_record){.partition = m->partition, .offset = m->offset};
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        return RDKAFKA_END;
    }
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        enum err e = rdkafka_err(m->err);
        IGNORE(ectx_fail(ec, e, "could not consume: %s", c->k->rd_kafka_message_errstr(m)));
        return RDKAFKA_FAILED;
    }
    rd_kafka_timestamp_type_t type;
    out->topic = str_of(c->k->rd_kafka_topic_name(m->rkt));
    out->key = str_make(m->key, m->key_len);
    out->value = str_make(m->payload, m->len);
    out->time_ms = c->k->rd_kafka_message_timestamp(m, &type);
    out->header_count = take_headers(c);
    out->headers = c->headers;
    return RDKAFKA_RECORD;
}

void rdkafka_consumer_pause(struct rdkafka_consumer *c, const char *topic, int32_t partition)
{
    rd_kafka_topic_partition_list_t *list = c->k->rd_kafka_topic_partition_list_new(1);
    c->k->rd_kafka_topic_partition_list_add(list, topic, partition);
    IGNORE(c->k->rd_kafka_pause_partitions(c->rk, list) != 0); /* only spares fetches */
    c->k->rd_kafka_topic_partition_list_destroy(list);
}

void rdkafka_consumer_done(struct rdkafka_consumer *c, const char *topic, int32_t partition,
                           int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = c->k->rd_kafka_topic_partition_list_new(1);
    c->k->rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset + 1;
    /* Fails when the partition went to another member, which will read the record again. */
    IGNORE(c->k->rd_kafka_offsets_store(c->rk, list) != 0);
    c->k->rd_kafka_topic_partition_list_destroy(list);
}

MUST_USE enum err rdkafka_consumer_commit(struct rdkafka_consumer *c, struct ectx *ec)
{
    rd_kafka_resp_err_t error = c->k->rd_kafka_commit(c->rk, NULL, 0);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET) {
        return ERR_OK;
    }
    return ectx_fail(ec, rdkafka_err(error), "could not commit: %s", c->k->rd_kafka_err2str(error));
}

void rdkafka_consumer_close(struct rdkafka_consumer *c)
{
    if (c == NULL) {
        return;
    }
    if (c->last != NULL) {
        c->k->rd_kafka_message_destroy(c->last);
    }
    if (c->rk != NULL) {
        /* Leaving a group is worth waiting for; without one nothing is. */
        if (c->in_group) {
            c->k->rd_kafka_consumer_close(c->rk);
        }
        c->k->rd_kafka_destroy_flags(c->rk, c->in_group ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    mem_free(c);
}
