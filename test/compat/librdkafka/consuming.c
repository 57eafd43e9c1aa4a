/* Where a reader may begin, and what it remembers. */
#include "common.h"

#include <stdio.h>
#include <string.h>

#define BASE 1600000000000LL

/* 100 records, one second apart, in ten batches. */
static const char *timed(rd_kafka_t *producer, const struct setting *setting, const char *name)
{
    const char *topic = topic_new(producer, setting, name, 1, CONF("retention.ms", "-1"));
    delivered_reset();
    for (int i = 0; i < 100; i++) {
        send_sample(producer, topic, 0, i, BASE + i * 1000);
        if (i % 10 == 9) {
            flush(producer);
        }
    }
    return topic;
}

static void fact_read(const char *name, rd_kafka_t *consumer, const char *topic, int64_t offset)
{
    assign(consumer, topic, 0, offset);
    struct digest digest = read_count(consumer, 1, 8000);
    if (digest.error) {
        fact_error(name, digest.error);
    } else {
        fact_number(name, digest.first_offset);
    }
}

static int64_t offset_of_time(rd_kafka_t *client, const char *topic, int64_t when)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = when;
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client, list, 10000);
    int64_t offset = error ? -1000 - error : list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

static void positions(const struct setting *setting)
{
    char topic[128];
    rd_kafka_t *producer = producer_new(setting->bootstrap, CONF("linger.ms", "1000"));
    snprintf(topic, sizeof topic, "%s", timed(producer, setting, "positions"));
    rd_kafka_t *consumer = consumer_new(setting, NULL, NULL);
    assign(consumer, topic, 0, RD_KAFKA_OFFSET_BEGINNING);
    fact_digest("earliest", read_count(consumer, 100, 20000));
    assign(consumer, topic, 0, RD_KAFKA_OFFSET_END);
    fact_number("nothing at the end", read_count(consumer, 1, 1500).count);
    produce_samples(setting, topic, 0, 100, 1);
    fact_number("after latest", read_count(consumer, 1, 20000).first_offset);
    fact_read("offset 37", consumer, topic, 37);
    fact_read("the last ten", consumer, topic, RD_KAFKA_OFFSET_TAIL(10));
    fact_read("behind the end, reset earliest", consumer, topic, 1000);
    consumer_end(consumer);
    consumer = consumer_new(setting, NULL, CONF("auto.offset.reset", "error"));
    fact_read("behind the end, reset error", consumer, topic, 1000);
    consumer_end(consumer);
    consumer = consumer_new(setting, NULL,
                            CONF("fetch.message.max.bytes", "10", "message.max.bytes", "1000",
                                 "fetch.max.bytes", "1000"));
    assign(consumer, topic, 0, 5);
    fact_number("tiny fetch limits", read_count(consumer, 96, 20000).count);
    consumer_end(consumer);
    rd_kafka_destroy(producer);
}

static void list_offsets(const struct setting *setting)
{
    char topic[128];
    int64_t low = -1, high = -1;
    rd_kafka_t *producer = producer_new(setting->bootstrap, CONF("linger.ms", "1000"));
    snprintf(topic, sizeof topic, "%s", timed(producer, setting, "list-offsets"));
    fact_error("watermarks",
               rd_kafka_query_watermark_offsets(producer, topic, 0, &low, &high, 10000));
    fact_json("low and high", "[%lld, %lld]", (long long)low, (long long)high);
    fact_number("time exact", offset_of_time(producer, topic, BASE + 73000));
    fact_number("time between", offset_of_time(producer, topic, BASE + 73001));
    fact_number("time before all", offset_of_time(producer, topic, 1));
    fact_number("time after all", offset_of_time(producer, topic, BASE * 2));
    fact_error("unknown topic",
               rd_kafka_query_watermark_offsets(producer, text("%s-nowhere", setting->prefix), 0,
                                                &low, &high, 3000));
    rd_kafka_destroy(producer);
}

static void tell(const char *name, rd_kafka_t *consumer, const char *topic, int32_t partition)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t error = rd_kafka_committed(consumer, list, 10000);
    fact_json(name, "[\"%s\", %lld, \"%.*s\"]", rd_kafka_err2name(error),
              (long long)list->elems[0].offset, (int)list->elems[0].metadata_size,
              list->elems[0].metadata ? (char *)list->elems[0].metadata : "");
    rd_kafka_topic_partition_list_destroy(list);
}

static rd_kafka_resp_err_t commit(rd_kafka_t *consumer, const char *topic, int64_t offset,
                                  const char *metadata)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *part = rd_kafka_topic_partition_list_add(list, topic, 0);
    part->offset = offset;
    if (metadata) {
        part->metadata = strdup(metadata);
        part->metadata_size = strlen(metadata);
    }
    rd_kafka_resp_err_t error = rd_kafka_commit(consumer, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
    return error;
}

static void commit_seek(const struct setting *setting)
{
    char topic[128], group[128], large[5001];
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    snprintf(topic, sizeof topic, "%s", topic_new(admin, setting, "commit", 2, NULL));
    snprintf(group, sizeof group, "%s-commit", setting->prefix);
    memset(large, 'm', 5000);
    large[5000] = 0;
    produce_samples(setting, topic, 0, 0, 20);
    rd_kafka_t *consumer = consumer_new(setting, group, NULL);
    assign(consumer, topic, 0, RD_KAFKA_OFFSET_BEGINNING);
    tell("nothing committed", consumer, topic, 0);
    fact_number("first read", read_count(consumer, 20, 20000).count);
    fact_error("commit", commit(consumer, topic, 5, "a note"));
    tell("committed", consumer, topic, 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = 2;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(consumer, list, 10000);
    fact_text("seek", error ? rd_kafka_error_name(error) : "ok");
    if (error) {
        rd_kafka_error_destroy(error);
    }
    rd_kafka_topic_partition_list_destroy(list);
    fact_number("after seek", read_count(consumer, 1, 20000).first_offset);
    fact_error("metadata too large", commit(consumer, topic, 6, large));
    tell("still committed", consumer, topic, 0);
    consumer_end(consumer);
    consumer = consumer_new(setting, group, NULL);
    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    fact_number("resumed at", read_count(consumer, 1, 20000).first_offset);
    rd_kafka_t *stranger = consumer_new(setting, group, NULL);
    assign(stranger, topic, 0, 0);
    fact_error("commit of a stranger", commit(stranger, topic, 3, NULL));
    consumer_end(stranger);
    fact_error("behind the end", commit(consumer, topic, 1000, NULL));
    tell("committed behind the end", consumer, topic, 0);
    consumer_end(consumer);
    rd_kafka_destroy(admin);
}

static void read_committed(const struct setting *setting)
{
    char topic[128];
    const char *const levels[] = {"read_committed", "read_uncommitted"};
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    snprintf(topic, sizeof topic, "%s", topic_new(admin, setting, "read-committed", 1, NULL));
    produce_samples(setting, topic, 0, 0, 50);
    for (int i = 0; i < 2; i++) {
        rd_kafka_t *consumer = consumer_new(setting, NULL, CONF("isolation.level", levels[i]));
        assign(consumer, topic, 0, 0);
        fact_digest(levels[i], read_count(consumer, 50, 20000));
        consumer_end(consumer);
    }
    rd_kafka_destroy(admin);
}

const struct scenario consuming_scenarios[] = {
    {"consume-positions", positions, NULL},
    {"list-offsets", list_offsets, NULL},
    {"commit-seek", commit_seek, NULL},
    {"read-committed", read_committed, NULL},
    {NULL, NULL, NULL},
};
