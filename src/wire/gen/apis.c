/* Made by tools/gen_wire.py from src/wire/schema.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/all.h"
#include "wire/wire.h"

static const struct wire_api apis[] = {
    {0, "Produce", 0, 13, 3, 9,
     &wire_produce_request_type, &wire_produce_response_type},
    {1, "Fetch", 4, 18, 4, 12,
     &wire_fetch_request_type, &wire_fetch_response_type},
    {2, "ListOffsets", 1, 11, 1, 6,
     &wire_list_offsets_request_type, &wire_list_offsets_response_type},
    {3, "Metadata", 0, 13, 0, 9,
     &wire_metadata_request_type, &wire_metadata_response_type},
    {8, "OffsetCommit", 2, 10, 2, 8,
     &wire_offset_commit_request_type, &wire_offset_commit_response_type},
    {9, "OffsetFetch", 1, 10, 1, 6,
     &wire_offset_fetch_request_type, &wire_offset_fetch_response_type},
    {10, "FindCoordinator", 0, 6, 0, 3,
     &wire_find_coordinator_request_type, &wire_find_coordinator_response_type},
    {11, "JoinGroup", 0, 9, 0, 6,
     &wire_join_group_request_type, &wire_join_group_response_type},
    {12, "Heartbeat", 0, 4, 0, 4,
     &wire_heartbeat_request_type, &wire_heartbeat_response_type},
    {13, "LeaveGroup", 0, 5, 0, 4,
     &wire_leave_group_request_type, &wire_leave_group_response_type},
    {14, "SyncGroup", 0, 5, 0, 4,
     &wire_sync_group_request_type, &wire_sync_group_response_type},
    {15, "DescribeGroups", 0, 6, 0, 5,
     &wire_describe_groups_request_type, &wire_describe_groups_response_type},
    {16, "ListGroups", 0, 5, 0, 3,
     &wire_list_groups_request_type, &wire_list_groups_response_type},
    {18, "ApiVersions", 0, 4, 0, 3,
     &wire_api_versions_request_type, &wire_api_versions_response_type},
    {19, "CreateTopics", 2, 7, 2, 5,
     &wire_create_topics_request_type, &wire_create_topics_response_type},
    {20, "DeleteTopics", 1, 6, 1, 4,
     &wire_delete_topics_request_type, &wire_delete_topics_response_type},
    {21, "DeleteRecords", 0, 2, 0, 2,
     &wire_delete_records_request_type, &wire_delete_records_response_type},
    {22, "InitProducerId", 0, 5, 0, 2,
     &wire_init_producer_id_request_type, &wire_init_producer_id_response_type},
    {23, "OffsetForLeaderEpoch", 2, 4, 2, 4,
     &wire_offset_for_leader_epoch_request_type, &wire_offset_for_leader_epoch_response_type},
    {32, "DescribeConfigs", 1, 4, 1, 4,
     &wire_describe_configs_request_type, &wire_describe_configs_response_type},
    {33, "AlterConfigs", 0, 2, 0, 2,
     &wire_alter_configs_request_type, &wire_alter_configs_response_type},
    {35, "DescribeLogDirs", 1, 5, 1, 2,
     &wire_describe_log_dirs_request_type, &wire_describe_log_dirs_response_type},
    {37, "CreatePartitions", 0, 3, 0, 2,
     &wire_create_partitions_request_type, &wire_create_partitions_response_type},
    {42, "DeleteGroups", 0, 2, 0, 2,
     &wire_delete_groups_request_type, &wire_delete_groups_response_type},
    {43, "ElectLeaders", 0, 2, 0, 2,
     &wire_elect_leaders_request_type, &wire_elect_leaders_response_type},
    {44, "IncrementalAlterConfigs", 0, 1, 0, 1,
     &wire_incremental_alter_configs_request_type, &wire_incremental_alter_configs_response_type},
    {47, "OffsetDelete", 0, 0, 0, INT16_MAX,
     &wire_offset_delete_request_type, &wire_offset_delete_response_type},
    {60, "DescribeCluster", 0, 2, 0, 0,
     &wire_describe_cluster_request_type, &wire_describe_cluster_response_type},
    {61, "DescribeProducers", 0, 0, 0, 0,
     &wire_describe_producers_request_type, &wire_describe_producers_response_type},
    {74, "ListConfigResources", 0, 1, 0, 0,
     &wire_list_config_resources_request_type, &wire_list_config_resources_response_type},
    {75, "DescribeTopicPartitions", 0, 0, 0, 0,
     &wire_describe_topic_partitions_request_type, &wire_describe_topic_partitions_response_type},
};

/* key -> 1 + index in apis; 0: unknown */
static const uint8_t index_of_key[] = {
    [0] = 1,
    [1] = 2,
    [2] = 3,
    [3] = 4,
    [8] = 5,
    [9] = 6,
    [10] = 7,
    [11] = 8,
    [12] = 9,
    [13] = 10,
    [14] = 11,
    [15] = 12,
    [16] = 13,
    [18] = 14,
    [19] = 15,
    [20] = 16,
    [21] = 17,
    [22] = 18,
    [23] = 19,
    [32] = 20,
    [33] = 21,
    [35] = 22,
    [37] = 23,
    [42] = 24,
    [43] = 25,
    [44] = 26,
    [47] = 27,
    [60] = 28,
    [61] = 29,
    [74] = 30,
    [75] = 31,
};

const struct wire_api *wire_api_find(int16_t key)
{
    if (key < 0 || (size_t)key >= ARRAY_LEN(index_of_key) || index_of_key[key] == 0) {
        return NULL;
    }
    return &apis[index_of_key[key] - 1];
}

size_t wire_api_count(void)
{
    return ARRAY_LEN(apis);
}

const struct wire_api *wire_api_at(size_t i)
{
    return i < ARRAY_LEN(apis) ? &apis[i] : NULL;
}
