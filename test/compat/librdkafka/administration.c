/* Administration of topics, configuration and groups, as far as librdkafka 2.0 has it. */
#include "common.h"

#include <stdio.h>
#include <string.h>

static rd_kafka_resp_err_t delete_topic(rd_kafka_t *client, const char *name)
{
    rd_kafka_DeleteTopic_t *gone = rd_kafka_DeleteTopic_new(name);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteTopics(client, &gone, 1, NULL, queue);
    rd_kafka_DeleteTopic_destroy(gone);
    return topic_result_error(admin_wait(queue));
}

static rd_kafka_resp_err_t grow(rd_kafka_t *client, const char *name, size_t count,
                                bool validate_only)
{
    char problem[256];
    rd_kafka_NewPartitions_t *more =
        rd_kafka_NewPartitions_new(name, count, problem, sizeof problem);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    rd_kafka_AdminOptions_set_validate_only(options, validate_only, problem, sizeof problem);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreatePartitions(client, &more, 1, options, queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewPartitions_destroy(more);
    return topic_result_error(admin_wait(queue));
}

static void topic_admin(const struct setting *setting)
{
    char topic[128], fresh[128], long_name[251];
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    snprintf(topic, sizeof topic, "%s-topic", setting->prefix);
    snprintf(fresh, sizeof fresh, "%s-refused", setting->prefix);
    memset(long_name, 'n', 250);
    long_name[250] = 0;
    fact_error("create.new", topic_try(admin, topic, 3, 1, CONF("retention.ms", "3600000"), false));
    fact_error("create.exists", topic_try(admin, topic, 3, 1, NULL, false));
    fact_error("create.bad name", topic_try(admin, "a/b", 1, 1, NULL, false));
    fact_error("create.name ..", topic_try(admin, "..", 1, 1, NULL, false));
    fact_error("create.name of 250", topic_try(admin, long_name, 1, 1, NULL, false));
    fact_error("create.three replicas", topic_try(admin, fresh, 1, 3, NULL, false));
    fact_error("create.unknown config", topic_try(admin, fresh, 1, 1, CONF("no.such", "1"), false));
    fact_error("create.bad value",
               topic_try(admin, fresh, 1, 1, CONF("retention.ms", "soon"), false));
    fact_error("create.validate only", topic_try(admin, fresh, 1, 1, NULL, true));
    fact_error("partitions.validate only", grow(admin, topic, 9, true));
    fact_error("partitions.to 5", grow(admin, topic, 5, false));
    fact_error("partitions.to 5 again", grow(admin, topic, 5, false));
    fact_error("partitions.to 4", grow(admin, topic, 4, false));
    fact_error("partitions.unknown topic", grow(admin, text("%s-none", setting->prefix), 4, false));
    /* This client keeps the metadata of before for minutes, a new one does not. */
    rd_kafka_t *fresh_client = producer_new(setting->bootstrap, NULL);
    topic_wait(fresh_client, topic, 5);
    produce_samples(setting, topic, 4, 0, 3);
    fact_number("partitions.new one holds", end_offset(fresh_client, topic, 4));
    rd_kafka_destroy(fresh_client);
    fact_error("delete", delete_topic(admin, topic));
    fact_error("delete again", delete_topic(admin, topic));
    fact_error("create.again", topic_try(admin, topic, 1, 1, NULL, false));
    rd_kafka_destroy(admin);
}

static rd_kafka_resp_err_t show(rd_kafka_t *client, rd_kafka_ResourceType_t type, const char *name,
                                const char *label, const char *const *keys)
{
    size_t resources = 0, entries = 0;
    rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(type, name);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DescribeConfigs(client, &asked, 1, NULL, queue);
    rd_kafka_ConfigResource_destroy(asked);
    rd_kafka_event_t *event = admin_wait(queue);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    if (!error) {
        const rd_kafka_ConfigResource_t **list =
            rd_kafka_DescribeConfigs_result_resources(result, &resources);
        error = rd_kafka_ConfigResource_error(list[0]);
        const rd_kafka_ConfigEntry_t **all = rd_kafka_ConfigResource_configs(list[0], &entries);
        for (size_t i = 0; i < entries; i++) {
            for (const char *const *key = keys; *key; key++) {
                if (strcmp(*key, rd_kafka_ConfigEntry_name(all[i])) == 0) {
                    const char *value = rd_kafka_ConfigEntry_value(all[i]);
                    fact_json(text("%s %s", label, *key), "[\"%s\", \"%s\", %d, %d, %d]",
                              value ? value : "(null)",
                              rd_kafka_ConfigSource_name(rd_kafka_ConfigEntry_source(all[i])),
                              rd_kafka_ConfigEntry_is_default(all[i]),
                              rd_kafka_ConfigEntry_is_read_only(all[i]),
                              rd_kafka_ConfigEntry_is_sensitive(all[i]));
                }
            }
        }
    }
    rd_kafka_event_destroy(event);
    return error;
}

static rd_kafka_resp_err_t alter(rd_kafka_t *client, const char *topic, const char *key,
                                 const char *value)
{
    size_t count = 0;
    rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_ConfigResource_set_config(asked, key, value);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AlterConfigs(client, &asked, 1, NULL, queue);
    rd_kafka_ConfigResource_destroy(asked);
    rd_kafka_event_t *event = admin_wait(queue);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (!error) {
        error = rd_kafka_ConfigResource_error(rd_kafka_AlterConfigs_result_resources(
            rd_kafka_event_AlterConfigs_result(event), &count)[0]);
    }
    rd_kafka_event_destroy(event);
    return error;
}

static void config_admin(const struct setting *setting)
{
    char topic[128];
    const struct rd_kafka_metadata *known;
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    snprintf(topic, sizeof topic, "%s",
             topic_new(admin, setting, "config", 1, CONF("retention.ms", "7200000")));
    const char *const *keys =
        CONF("cleanup.policy", "compression.type", "max.message.bytes", "message.timestamp.type",
             "retention.bytes", "retention.ms", "segment.bytes", "segment.ms");
    fact_error("describe", show(admin, RD_KAFKA_RESOURCE_TOPIC, topic, "topic", keys));
    fact_error("alter the old way", alter(admin, topic, "max.message.bytes", "2000000"));
    /* Kafka answers when its controller has it; its broker shows it a moment later. */
    sleep_ms(400);
    show(admin, RD_KAFKA_RESOURCE_TOPIC, topic, "old way",
         CONF("max.message.bytes", "retention.ms"));
    fact_error("alter.unknown key", alter(admin, topic, "no.such.key", "1"));
    fact_error("alter.bad value", alter(admin, topic, "retention.ms", "later"));
    fact_error("alter.unknown topic",
               alter(admin, text("%s-none", setting->prefix), "retention.ms", "1"));
    fact_error("describe unknown topic", show(admin, RD_KAFKA_RESOURCE_TOPIC,
                                              text("%s-none", setting->prefix), "none", keys));
    if (rd_kafka_metadata(admin, 0, NULL, &known, 10000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        show(admin, RD_KAFKA_RESOURCE_BROKER, text("%d", known->brokers[0].id), "broker",
             CONF("auto.create.topics.enable", "message.max.bytes", "num.partitions",
                  "log.retention.hours"));
        rd_kafka_metadata_destroy(known);
    }
    rd_kafka_destroy(admin);
}

static void fact_delete(rd_kafka_t *client, const char *name, const char *topic, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    rd_kafka_DeleteRecords_t *asked = rd_kafka_DeleteRecords_new(list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteRecords(client, &asked, 1, NULL, queue);
    rd_kafka_DeleteRecords_destroy(asked);
    rd_kafka_event_t *event = admin_wait(queue);
    if (rd_kafka_event_error(event)) {
        fact_error(name, rd_kafka_event_error(event));
    } else {
        const rd_kafka_topic_partition_list_t *got =
            rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
        fact_json(name, "[\"%s\", %lld]", rd_kafka_err2name(got->elems[0].err),
                  (long long)got->elems[0].offset);
    }
    rd_kafka_event_destroy(event);
}

static void delete_records(const struct setting *setting)
{
    char topic[128];
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    snprintf(topic, sizeof topic, "%s", topic_new(admin, setting, "delete-records", 1, NULL));
    produce_samples(setting, topic, 0, 0, 100);
    fact_delete(admin, "low watermark", topic, 40);
    fact_digest("before the start, reset earliest", read_from(setting, topic, 3, 60));
    fact_delete(admin, "backwards", topic, 10);
    fact_delete(admin, "behind the end", topic, 101);
    fact_delete(admin, "all", topic, RD_KAFKA_OFFSET_END);
    produce_samples(setting, topic, 0, 0, 1);
    fact_number("next offset", end_offset(admin, topic, 0));
    rd_kafka_destroy(admin);
}

static void describe_cluster(const struct setting *setting)
{
    const struct rd_kafka_metadata *known;
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    const char *topic = topic_new(admin, setting, "described", 3, NULL);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(admin, topic, NULL);
    if (rd_kafka_metadata(admin, 0, handle, &known, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail("no metadata");
    }
    fact_number("nodes", known->broker_cnt);
    fact_text("address", strcmp(text("%s:%d", known->brokers[0].host, known->brokers[0].port),
                                setting->bootstrap) == 0
                             ? "as given"
                             : "another");
    fact_json("partitions", "[%d, %d, %d]", known->topics[0].partition_cnt,
              known->topics[0].partitions[0].replica_cnt, known->topics[0].partitions[0].isr_cnt);
    fact_bool("controller is a node", rd_kafka_controllerid(admin, 10000) == known->brokers[0].id);
    char *id = rd_kafka_clusterid(admin, 10000);
    fact_bool("has an id", id && *id);
    if (id) {
        rd_kafka_mem_free(admin, id);
    }
    rd_kafka_metadata_destroy(known);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(admin);
}

static rd_kafka_resp_err_t delete_group(rd_kafka_t *client, const char *group)
{
    size_t count = 0;
    rd_kafka_DeleteGroup_t *gone = rd_kafka_DeleteGroup_new(group);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteGroups(client, &gone, 1, NULL, queue);
    rd_kafka_DeleteGroup_destroy(gone);
    rd_kafka_event_t *event = admin_wait(queue);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (!error) {
        const rd_kafka_error_t *problem =
            rd_kafka_group_result_error(rd_kafka_DeleteGroups_result_groups(
                rd_kafka_event_DeleteGroups_result(event), &count)[0]);
        error = problem ? rd_kafka_error_code(problem) : RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    rd_kafka_event_destroy(event);
    return error;
}

static rd_kafka_resp_err_t first_error(const rd_kafka_group_result_t *result)
{
    const rd_kafka_error_t *problem = rd_kafka_group_result_error(result);
    const rd_kafka_topic_partition_list_t *list = rd_kafka_group_result_partitions(result);
    if (problem) {
        return rd_kafka_error_code(problem);
    }
    return list && list->cnt ? list->elems[0].err : RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t alter_offset(rd_kafka_t *client, const char *group, const char *topic,
                                        int64_t offset)
{
    size_t count = 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    rd_kafka_AlterConsumerGroupOffsets_t *asked =
        rd_kafka_AlterConsumerGroupOffsets_new(group, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AlterConsumerGroupOffsets(client, &asked, 1, NULL, queue);
    rd_kafka_AlterConsumerGroupOffsets_destroy(asked);
    rd_kafka_event_t *event = admin_wait(queue);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (!error) {
        error = first_error(rd_kafka_AlterConsumerGroupOffsets_result_groups(
            rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count)[0]);
    }
    rd_kafka_event_destroy(event);
    return error;
}

static rd_kafka_resp_err_t delete_offset(rd_kafka_t *client, const char *group, const char *topic)
{
    size_t count = 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0);
    rd_kafka_DeleteConsumerGroupOffsets_t *asked =
        rd_kafka_DeleteConsumerGroupOffsets_new(group, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteConsumerGroupOffsets(client, &asked, 1, NULL, queue);
    rd_kafka_DeleteConsumerGroupOffsets_destroy(asked);
    rd_kafka_event_t *event = admin_wait(queue);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (!error) {
        error = first_error(rd_kafka_DeleteConsumerGroupOffsets_result_groups(
            rd_kafka_event_DeleteConsumerGroupOffsets_result(event), &count)[0]);
    }
    rd_kafka_event_destroy(event);
    return error;
}

static void fact_described(rd_kafka_t *client, const char *name, const char *group)
{
    size_t count = 0;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DescribeConsumerGroups(client, &group, 1, NULL, queue);
    rd_kafka_event_t *event = admin_wait(queue);
    if (rd_kafka_event_error(event)) {
        fact_error(name, rd_kafka_event_error(event));
    } else {
        const rd_kafka_ConsumerGroupDescription_t *known =
            rd_kafka_DescribeConsumerGroups_result_groups(
                rd_kafka_event_DescribeConsumerGroups_result(event), &count)[0];
        const rd_kafka_error_t *problem = rd_kafka_ConsumerGroupDescription_error(known);
        fact_json(
            name, "[\"%s\", \"%s\", %d, \"%s\"]", problem ? rd_kafka_error_name(problem) : "ok",
            rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(known)),
            (int)rd_kafka_ConsumerGroupDescription_member_count(known),
            rd_kafka_ConsumerGroupDescription_partition_assignor(known));
    }
    rd_kafka_event_destroy(event);
}

static void group_admin(const struct setting *setting)
{
    char topic[128], group[128];
    rd_kafka_t *admin = producer_new(setting->bootstrap, NULL);
    snprintf(topic, sizeof topic, "%s", topic_new(admin, setting, "groups", 2, NULL));
    snprintf(group, sizeof group, "%s-group", setting->prefix);
    produce_samples(setting, topic, 0, 0, 10);
    fact_described(admin, "describe unknown", text("%s-none", group));
    fact_error("delete unknown", delete_group(admin, text("%s-none", group)));
    rd_kafka_t *consumer = consumer_new(setting, group, NULL);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    fact_number("read", read_count(consumer, 10, 20000).count);
    fact_error("commit", rd_kafka_commit(consumer, NULL, 0));
    fact_described(admin, "stable", group);
    fact_error("delete while in use", delete_group(admin, group));
    fact_error("alter offsets while in use", alter_offset(admin, group, topic, 1));
    fact_error("delete offsets while in use", delete_offset(admin, group, topic));
    consumer_end(consumer);
    fact_described(admin, "empty", group);
    fact_error("alter offsets", alter_offset(admin, group, topic, 4));
    fact_error("delete offsets", delete_offset(admin, group, topic));
    fact_error("delete", delete_group(admin, group));
    fact_error("delete again", delete_group(admin, group));
    rd_kafka_destroy(admin);
}

const struct scenario administration_scenarios[] = {
    {"topic-admin", topic_admin, NULL},       {"config-admin", config_admin, NULL},
    {"delete-records", delete_records, NULL}, {"describe-cluster", describe_cluster, NULL},
    {"group-admin", group_admin, NULL},       {NULL, NULL, NULL},
};
