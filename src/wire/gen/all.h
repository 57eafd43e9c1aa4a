/* Made by tools/gen_wire.py from src/wire/schema.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#ifndef LEAT_WIRE_GEN_ALL_H
#define LEAT_WIRE_GEN_ALL_H

#include "wire/gen/alter_configs.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/consumer_protocol_assignment.h"
#include "wire/gen/consumer_protocol_subscription.h"
#include "wire/gen/create_partitions.h"
#include "wire/gen/create_topics.h"
#include "wire/gen/delete_groups.h"
#include "wire/gen/delete_records.h"
#include "wire/gen/delete_topics.h"
#include "wire/gen/describe_cluster.h"
#include "wire/gen/describe_configs.h"
#include "wire/gen/describe_groups.h"
#include "wire/gen/describe_log_dirs.h"
#include "wire/gen/describe_producers.h"
#include "wire/gen/describe_topic_partitions.h"
#include "wire/gen/elect_leaders.h"
#include "wire/gen/fetch.h"
#include "wire/gen/find_coordinator.h"
#include "wire/gen/heartbeat.h"
#include "wire/gen/incremental_alter_configs.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/join_group.h"
#include "wire/gen/leave_group.h"
#include "wire/gen/list_config_resources.h"
#include "wire/gen/list_groups.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/offset_commit.h"
#include "wire/gen/offset_delete.h"
#include "wire/gen/offset_fetch.h"
#include "wire/gen/offset_for_leader_epoch.h"
#include "wire/gen/produce.h"
#include "wire/gen/request_header.h"
#include "wire/gen/response_header.h"
#include "wire/gen/sync_group.h"

/* The keys of the APIs that the table knows. */
enum wire_key {
    WIRE_PRODUCE = 0,
    WIRE_FETCH = 1,
    WIRE_LIST_OFFSETS = 2,
    WIRE_METADATA = 3,
    WIRE_OFFSET_COMMIT = 8,
    WIRE_OFFSET_FETCH = 9,
    WIRE_FIND_COORDINATOR = 10,
    WIRE_JOIN_GROUP = 11,
    WIRE_HEARTBEAT = 12,
    WIRE_LEAVE_GROUP = 13,
    WIRE_SYNC_GROUP = 14,
    WIRE_DESCRIBE_GROUPS = 15,
    WIRE_LIST_GROUPS = 16,
    WIRE_API_VERSIONS = 18,
    WIRE_CREATE_TOPICS = 19,
    WIRE_DELETE_TOPICS = 20,
    WIRE_DELETE_RECORDS = 21,
    WIRE_INIT_PRODUCER_ID = 22,
    WIRE_OFFSET_FOR_LEADER_EPOCH = 23,
    WIRE_DESCRIBE_CONFIGS = 32,
    WIRE_ALTER_CONFIGS = 33,
    WIRE_DESCRIBE_LOG_DIRS = 35,
    WIRE_CREATE_PARTITIONS = 37,
    WIRE_DELETE_GROUPS = 42,
    WIRE_ELECT_LEADERS = 43,
    WIRE_INCREMENTAL_ALTER_CONFIGS = 44,
    WIRE_OFFSET_DELETE = 47,
    WIRE_DESCRIBE_CLUSTER = 60,
    WIRE_DESCRIBE_PRODUCERS = 61,
    WIRE_LIST_CONFIG_RESOURCES = 74,
    WIRE_DESCRIBE_TOPIC_PARTITIONS = 75,
};

#endif
