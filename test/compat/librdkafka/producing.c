/* Everything that begins with a produce request. */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void codecs(const struct setting *setting)
{
    const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    const char *const levels[] = {"0", "1", "all"};
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    for (size_t c = 0; c < 5; c++) {
        char topic[128];
        snprintf(topic, sizeof topic, "%s",
                 topic_new(admin, setting, text("codec-%s", names[c]), 1, NULL));
        for (int a = 0; a < 3; a++) {
            rd_kafka_t *producer =
                producer_new(setting->bootstrap, CONF("acks", levels[a], "compression.codec",
                                                      names[c], "linger.ms", "20"));
            delivered_reset();
            for (int i = a * 20; i < a * 20 + 20; i++) {
                send_sample(producer, topic, 0, i, 0);
            }
            flush(producer);
            rd_kafka_destroy(producer);
            fact_json(text("%s.acks=%s", names[c], levels[a]), "[\"%s\", %lld, %lld]",
                      rd_kafka_err2name(delivered.error), (long long)delivered.first,
                      (long long)delivered.last);
            for (int tries = 0; tries < 100 && end_offset(admin, topic, 0) < a * 20 + 20; tries++) {
                sleep_ms(100);
            }
        }
        fact_digest(text("%s.digest", names[c]), read_from(setting, topic, 0, 60));
    }
    const char *own =
        topic_new(admin, setting, "codec-broker", 1, CONF("compression.type", "zstd"));
    produce_samples(setting, own, 0, 0, 60);
    fact_digest("broker-side.digest", read_from(setting, own, 0, 60));
    rd_kafka_destroy(admin);
}

static void try_value(rd_kafka_t *producer, const char *name, const char *topic, int32_t partition,
                      size_t size, int64_t timestamp)
{
    char *value = calloc(1, size);
    delivered_reset();
    send_value(producer, topic, partition, value, size, timestamp);
    flush(producer);
    free(value);
    if (delivered.error) {
        fact_error(name, delivered.error);
    } else {
        fact_number(name, delivered.last);
    }
}

static void errors(const struct setting *setting)
{
    rd_kafka_t *producer = producer_new(
        setting->bootstrap, CONF("message.timeout.ms", "8000", "message.max.bytes", "20000000"));
    const char *topic =
        topic_new(producer, setting, "errors", 1,
                  CONF("max.message.bytes", "10000", "message.timestamp.after.max.ms", "60000"));
    try_value(producer, "too large", topic, 0, 20000, 0);
    try_value(producer, "no such partition", topic, 7, 10, 0);
    try_value(producer, "timestamp in the future", topic, 0, 10, now_ms() + 3600000);
    /* If the answer to its first question comes before the record, librdkafka says "unknown"
     * instead. */
    delivered_reset();
    send_value(producer, "bad/name", 0, "x", 1, 0);
    flush(producer);
    fact_error("invalid topic", delivered.error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
                                    ? RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
                                    : delivered.error);
    try_value(producer, "afterwards", topic, 0, 10, 0);
    fact_number("end", end_offset(producer, topic, 0));
    rd_kafka_destroy(producer);
}

static void auto_create(const struct setting *setting)
{
    const struct rd_kafka_metadata *known;
    rd_kafka_t *producer = producer_new(setting->bootstrap, NULL);
    const char *topic = text("%s-made-by-produce", setting->prefix);
    try_value(producer, "offset", topic, RD_KAFKA_PARTITION_UA, 1, 0);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(producer, topic, NULL);
    if (rd_kafka_metadata(producer, 0, handle, &known, 10000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        fact_json("partitions", "[%d, %d]", known->topics[0].partition_cnt,
                  known->topics[0].partitions[0].replica_cnt);
        rd_kafka_metadata_destroy(known);
    }
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(producer);
}

static void retry(const struct setting *setting, const char *label, const char *idempotence,
                  const char *flight, const char *rule)
{
    struct setting through = *setting;
    through.bootstrap = setting->cut;
    rd_kafka_t *admin = producer_new(setting->cut, NULL);
    const char *topic =
        topic_new(admin, &through, text("retry-%s-%s", idempotence, flight), 1, NULL);
    rd_kafka_t *producer = producer_new(
        setting->cut,
        CONF("client.id", text("%s%s-%s-%s", rule, setting->prefix, idempotence, flight),
             "enable.idempotence", idempotence, "max.in.flight", flight, "acks", "all",
             "batch.num.messages", "1", "linger.ms", "0", "retry.backoff.ms", "50"));
    delivered_reset();
    for (int i = 0; i < 50; i++) {
        send_sample(producer, topic, 0, i, 0);
        if (flight[0] == '1') {
            flush(producer);
        }
    }
    flush(producer);
    rd_kafka_destroy(producer);
    fact_json(text("%s.delivered", label), "[%d, \"%s\"]", delivered.count,
              rd_kafka_err2name(delivered.error));
    int64_t end = end_offset(admin, topic, 0);
    fact_number(text("%s.end", label), end);
    fact_digest(text("%s.digest", label), read_from(&through, topic, 0, (int)end));
    rd_kafka_destroy(admin);
}

static void idempotent_retry(const struct setting *setting)
{
    retry(setting, "one at a time", "true", "1", "cut.0.3.");
    retry(setting, "pipelined", "true", "5", "cut.0.4.");
    retry(setting, "without idempotence", "false", "1", "cut.0.3.");
}

static void large_message(const struct setting *setting)
{
    size_t size = 10 * 1024 * 1024;
    char *value = malloc(size);
    rd_kafka_t *producer = producer_new(setting->bootstrap, CONF("message.max.bytes", "20000000"));
    char topic[128];
    snprintf(topic, sizeof topic, "%s",
             topic_new(producer, setting, "large", 1, CONF("max.message.bytes", "12000000")));
    const char *small = topic_new(producer, setting, "not-large", 1, NULL);
    for (size_t i = 0; i < size; i++) {
        value[i] = (char)(i * 2654435761u >> 13);
    }
    delivered_reset();
    send_value(producer, topic, 0, value, size, 0);
    send_value(producer, topic, 0, value, size, 0);
    flush(producer);
    fact_json("sent", "[\"%s\", %lld]", rd_kafka_err2name(delivered.error),
              (long long)delivered.last);
    delivered_reset();
    send_value(producer, small, 0, value, size, 0);
    flush(producer);
    fact_error("above the default limit", delivered.error);
    fact_digest("read", read_from(setting, topic, 0, 2));
    free(value);
    rd_kafka_destroy(producer);
}

static void large_batch(const struct setting *setting)
{
    const char *const names[] = {"none", "lz4"};
    for (int c = 0; c < 2; c++) {
        rd_kafka_t *producer = producer_new(
            setting->bootstrap, CONF("linger.ms", "1000", "batch.num.messages", "10000",
                                     "batch.size", "900000", "compression.codec", names[c]));
        const char *topic = topic_new(producer, setting, text("batch-%s", names[c]), 1, NULL);
        delivered_reset();
        for (int i = 0; i < 10000; i++) {
            const char *value = text("record %d", i);
            send_value(producer, topic, 0, value, strlen(value), 0);
            topic = text("%s-batch-%s", setting->prefix, names[c]);
        }
        flush(producer);
        rd_kafka_destroy(producer);
        fact_json(text("%s.offsets", names[c]), "[\"%s\", %lld, %lld]",
                  rd_kafka_err2name(delivered.error), (long long)delivered.first,
                  (long long)delivered.last);
        fact_digest(text("%s.digest", names[c]), read_from(setting, topic, 0, 10000));
        topic = text("%s-batch-%s", setting->prefix, names[c]);
        fact_digest(text("%s.from the middle", names[c]), read_from(setting, topic, 5000, 5000));
    }
}

static void many_partitions(const struct setting *setting)
{
    int partitions = setting->gate ? 2000 : 1000;
    char topic[128];
    rd_kafka_t *producer =
        producer_new(setting->bootstrap, CONF("linger.ms", "50", "message.timeout.ms", "120000"));
    snprintf(topic, sizeof topic, "%s", topic_new(producer, setting, "many", partitions, NULL));
    delivered_reset();
    for (int i = 0; i < partitions; i++) {
        const char *value = text("p%d", i);
        send_value(producer, topic, i, value, strlen(value), 0);
    }
    flush(producer);
    fact_json("sent", "[\"%s\", %d, %lld, %lld]", rd_kafka_err2name(delivered.error),
              delivered.count, (long long)delivered.first, (long long)delivered.last);
    rd_kafka_t *consumer = consumer_new(setting, text("%s-many", setting->prefix), NULL);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    fact_number("read", read_count(consumer, partitions, 60000).count);
    fact_error("commit", rd_kafka_commit(consumer, NULL, 0));
    consumer_end(consumer);
    rd_kafka_DeleteTopic_t *gone = rd_kafka_DeleteTopic_new(topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(producer);
    rd_kafka_DeleteTopics(producer, &gone, 1, NULL, queue);
    fact_error("delete", topic_result_error(admin_wait(queue)));
    rd_kafka_DeleteTopic_destroy(gone);
    rd_kafka_destroy(producer);
}

static const char *error_name(rd_kafka_error_t *error)
{
    const char *name = error ? rd_kafka_err2name(rd_kafka_error_code(error)) : "ok";
    if (error) {
        fprintf(stderr, "%s\n", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    return name;
}

static void transactional_id(const struct setting *setting)
{
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    char topic[128];
    snprintf(topic, sizeof topic, "%s", topic_new(admin, setting, "transactions", 1, NULL));
    rd_kafka_t *producer =
        producer_new(setting->bootstrap, CONF("transactional.id", text("%s-tx", setting->prefix),
                                              "transaction.timeout.ms", "10000"));
    const char *begun = error_name(rd_kafka_init_transactions(producer, 8000));
    fact_text("init", begun);
    fact_text("begin", error_name(rd_kafka_begin_transaction(producer)));
    delivered_reset();
    send_value(producer, topic, 0, "in a transaction", 16, 0);
    fact_error("send", delivered.error);
    fact_text("commit", error_name(rd_kafka_commit_transaction(producer, 8000)));
    for (int i = 0; i < 50 && strcmp(begun, "ok") == 0 && end_offset(admin, topic, 0) < 2; i++) {
        sleep_ms(100);
    }
    fact_number("visible records",
                end_offset(admin, topic, 0) > 0 ? read_from(setting, topic, 0, 1).count : 0);
    rd_kafka_destroy(producer);
    rd_kafka_destroy(admin);
}

static void compact_policy(const struct setting *setting)
{
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    fact_error("compact", topic_try(admin, text("%s-compact", setting->prefix), 1, 1,
                                    CONF("cleanup.policy", "compact"), false));
    fact_error("both", topic_try(admin, text("%s-both", setting->prefix), 1, 1,
                                 CONF("cleanup.policy", "compact,delete"), false));
    rd_kafka_destroy(admin);
}

const struct scenario producing_scenarios[] = {
    {"produce-codecs", codecs, NULL},           {"produce-errors", errors, NULL},
    {"auto-create", auto_create, NULL},         {"idempotent-retry", idempotent_retry, NULL},
    {"large-message", large_message, NULL},     {"large-batch", large_batch, NULL},
    {"many-partitions", many_partitions, NULL}, {"transactional-id", transactional_id, NULL},
    {"compact-policy", compact_policy, NULL},   {NULL, NULL, NULL},
};
