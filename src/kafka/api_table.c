/* What is served: one row an API, by ascending key. Versions are in src/wire/schema. */
#include "kafka/kafka.h"

static const struct kafka_api_row ROWS[] = {
    {0, api_produce, true},
    {1, api_fetch, false},
    {2, api_list_offsets, false},
    {3, api_metadata, true}, /* it may create topics */
    {8, api_offset_commit, true},
    {9, api_offset_fetch, false},
    {10, api_find_coordinator, false},
    {11, api_join_group, true},
    {12, api_heartbeat, false},
    {13, api_leave_group, true},
    {14, api_sync_group, true},
    {15, api_describe_groups, false},
    {16, api_list_groups, false},
    {18, api_api_versions, false},
    {19, api_create_topics, true},
    {20, api_delete_topics, true},
    {21, api_delete_records, true},
    {22, api_init_producer_id, true},
    {23, api_offset_for_leader_epoch, false},
    {32, api_describe_configs, false},
    {33, api_alter_configs, true},
    {35, api_describe_log_dirs, false},
    {37, api_create_partitions, true},
    {42, api_delete_groups, true},
    {43, api_elect_leaders, false},
    {44, api_incremental_alter_configs, true},
    {47, api_offset_delete, true},
    {60, api_describe_cluster, false},
    {61, api_describe_producers, false},
    {74, api_list_config_resources, false},
    {75, api_describe_topic_partitions, false},
};

size_t kafka_api_count(void)
{
    return ARRAY_LEN(ROWS);
}

const struct kafka_api_row *kafka_api_at(size_t i)
{
    return &ROWS[i];
}

const struct kafka_api_row *kafka_api_find(int16_t key)
{
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        if (ROWS[i].key == key) {
            return &ROWS[i];
        }
    }
    return NULL;
}
