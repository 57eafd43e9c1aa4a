/* Made by tools/gen_wire.py from src/wire/schema/fetch.msg.
 * Do not edit: change the schema, then `make gen`. */
/* clang-format off */

#include "wire/gen/fetch.h"

#define AT(member) offsetof(struct wire_fetch_request_replica_state, member)
static const struct wire_field fetch_request_replica_state_fields[] = {
    {"replica_id", NULL,
     AT(replica_id), 0, WIRE_INT32, 0, 0, {15, 255}, {1, 0}, {1, 0}},
    {"replica_epoch", NULL,
     AT(replica_epoch), 0, WIRE_INT64, 0, 0, {15, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_fetch_request_replica_state
    fetch_request_replica_state_default = {
    .replica_id = -1,
    .replica_epoch = INT64_C(-1),
};
const struct wire_message wire_fetch_request_replica_state_type = {
    "replica_state", fetch_request_replica_state_fields, &fetch_request_replica_state_default,
    2, sizeof(struct wire_fetch_request_replica_state), 4, 18, 12, false};

#define AT(member) offsetof(struct wire_fetch_request_partition, member)
static const struct wire_field fetch_request_partition_fields[] = {
    {"partition", NULL,
     AT(partition), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"current_leader_epoch", NULL,
     AT(current_leader_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {9, 255}, {1, 0}, {1, 0}},
    {"fetch_offset", NULL,
     AT(fetch_offset), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"last_fetched_epoch", NULL,
     AT(last_fetched_epoch), 0, WIRE_INT32, 0, 0, {12, 255}, {1, 0}, {1, 0}},
    {"log_start_offset", NULL,
     AT(log_start_offset), 0, WIRE_INT64, WIRE_IGNORABLE, 0, {5, 255}, {1, 0}, {1, 0}},
    {"partition_max_bytes", NULL,
     AT(partition_max_bytes), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"replica_directory_id", NULL,
     AT(replica_directory_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {17, 255}, {1, 0}, {17, 255}},
    {"high_watermark", NULL,
     AT(high_watermark), 0, WIRE_INT64, WIRE_IGNORABLE, 1, {18, 255}, {1, 0}, {18, 255}},
};
#undef AT
static const struct wire_fetch_request_partition
    fetch_request_partition_default = {
    .partition = 0,
    .current_leader_epoch = -1,
    .fetch_offset = INT64_C(0),
    .last_fetched_epoch = -1,
    .log_start_offset = INT64_C(-1),
    .partition_max_bytes = 0,
    .replica_directory_id = {{0}},
    .high_watermark = INT64_C(9223372036854775807),
};
const struct wire_message wire_fetch_request_partition_type = {
    "partition", fetch_request_partition_fields, &fetch_request_partition_default,
    8, sizeof(struct wire_fetch_request_partition), 4, 18, 12, true};

#define AT(member) offsetof(struct wire_fetch_request_topic, member)
static const struct wire_field fetch_request_topic_fields[] = {
    {"topic", NULL,
     AT(topic), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {0, 12}, {1, 0}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {13, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_fetch_request_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_fetch_request_topic
    fetch_request_topic_default = {
    .topic = {"", 0},
    .topic_id = {{0}},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_fetch_request_topic_type = {
    "topic", fetch_request_topic_fields, &fetch_request_topic_default,
    3, sizeof(struct wire_fetch_request_topic), 4, 18, 12, false};

#define AT(member) offsetof(struct wire_fetch_request_forgotten_topic, member)
static const struct wire_field fetch_request_forgotten_topic_fields[] = {
    {"topic", NULL,
     AT(topic), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {7, 12}, {1, 0}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {13, 255}, {1, 0}, {1, 0}},
    {"partitions", NULL,
     AT(partitions), AT(partitions_count), WIRE_INT32, WIRE_ARRAY, 0, {7, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_fetch_request_forgotten_topic
    fetch_request_forgotten_topic_default = {
    .topic = {"", 0},
    .topic_id = {{0}},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_fetch_request_forgotten_topic_type = {
    "forgotten_topic", fetch_request_forgotten_topic_fields, &fetch_request_forgotten_topic_default,
    3, sizeof(struct wire_fetch_request_forgotten_topic), 4, 18, 12, false};

#define AT(member) offsetof(struct wire_fetch_request, member)
static const struct wire_field fetch_request_fields[] = {
    {"cluster_id", NULL,
     AT(cluster_id), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {12, 255}, {12, 255}, {12, 255}},
    {"replica_id", NULL,
     AT(replica_id), 0, WIRE_INT32, 0, 0, {0, 14}, {1, 0}, {1, 0}},
    {"replica_state", &wire_fetch_request_replica_state_type,
     AT(replica_state), 0, WIRE_STRUCT, 0, 1, {15, 255}, {1, 0}, {15, 255}},
    {"max_wait_ms", NULL,
     AT(max_wait_ms), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"min_bytes", NULL,
     AT(min_bytes), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"max_bytes", NULL,
     AT(max_bytes), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {3, 255}, {1, 0}, {1, 0}},
    {"isolation_level", NULL,
     AT(isolation_level), 0, WIRE_INT8, WIRE_IGNORABLE, 0, {4, 255}, {1, 0}, {1, 0}},
    {"session_id", NULL,
     AT(session_id), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {7, 255}, {1, 0}, {1, 0}},
    {"session_epoch", NULL,
     AT(session_epoch), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {7, 255}, {1, 0}, {1, 0}},
    {"topics", &wire_fetch_request_topic_type,
     AT(topics), AT(topics_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"forgotten_topics_data", &wire_fetch_request_forgotten_topic_type,
     AT(forgotten_topics_data), AT(forgotten_topics_data_count), WIRE_STRUCT, WIRE_ARRAY, 0, {7, 255}, {1, 0}, {1, 0}},
    {"rack_id", NULL,
     AT(rack_id), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {11, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_fetch_request
    fetch_request_default = {
    .cluster_id = {NULL, 0},
    .replica_id = -1,
    .replica_state = {.replica_id = -1, .replica_epoch = INT64_C(-1)},
    .max_wait_ms = 0,
    .min_bytes = 0,
    .max_bytes = 2147483647,
    .isolation_level = 0,
    .session_id = 0,
    .session_epoch = -1,
    .topics = NULL,
    .topics_count = 0,
    .forgotten_topics_data = NULL,
    .forgotten_topics_data_count = 0,
    .rack_id = {"", 0},
};
const struct wire_message wire_fetch_request_type = {
    "FetchRequest", fetch_request_fields, &fetch_request_default,
    12, sizeof(struct wire_fetch_request), 4, 18, 12, true};

#define AT(member) offsetof(struct wire_fetch_response_diverging_epoch, member)
static const struct wire_field fetch_response_diverging_epoch_fields[] = {
    {"epoch", NULL,
     AT(epoch), 0, WIRE_INT32, 0, 0, {12, 255}, {1, 0}, {1, 0}},
    {"end_offset", NULL,
     AT(end_offset), 0, WIRE_INT64, 0, 0, {12, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_fetch_response_diverging_epoch
    fetch_response_diverging_epoch_default = {
    .epoch = -1,
    .end_offset = INT64_C(-1),
};
const struct wire_message wire_fetch_response_diverging_epoch_type = {
    "diverging_epoch", fetch_response_diverging_epoch_fields, &fetch_response_diverging_epoch_default,
    2, sizeof(struct wire_fetch_response_diverging_epoch), 4, 18, 12, false};

#define AT(member) offsetof(struct wire_fetch_response_current_leader, member)
static const struct wire_field fetch_response_current_leader_fields[] = {
    {"leader_id", NULL,
     AT(leader_id), 0, WIRE_INT32, 0, 0, {12, 255}, {1, 0}, {1, 0}},
    {"leader_epoch", NULL,
     AT(leader_epoch), 0, WIRE_INT32, 0, 0, {12, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_fetch_response_current_leader
    fetch_response_current_leader_default = {
    .leader_id = -1,
    .leader_epoch = -1,
};
const struct wire_message wire_fetch_response_current_leader_type = {
    "current_leader", fetch_response_current_leader_fields, &fetch_response_current_leader_default,
    2, sizeof(struct wire_fetch_response_current_leader), 4, 18, 12, false};

#define AT(member) offsetof(struct wire_fetch_response_snapshot_id, member)
static const struct wire_field fetch_response_snapshot_id_fields[] = {
    {"end_offset", NULL,
     AT(end_offset), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"epoch", NULL,
     AT(epoch), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_fetch_response_snapshot_id
    fetch_response_snapshot_id_default = {
    .end_offset = INT64_C(-1),
    .epoch = -1,
};
const struct wire_message wire_fetch_response_snapshot_id_type = {
    "snapshot_id", fetch_response_snapshot_id_fields, &fetch_response_snapshot_id_default,
    2, sizeof(struct wire_fetch_response_snapshot_id), 4, 18, 12, false};

#define AT(member) offsetof(struct wire_fetch_response_aborted_transaction, member)
static const struct wire_field fetch_response_aborted_transaction_fields[] = {
    {"producer_id", NULL,
     AT(producer_id), 0, WIRE_INT64, 0, 0, {4, 255}, {1, 0}, {1, 0}},
    {"first_offset", NULL,
     AT(first_offset), 0, WIRE_INT64, 0, 0, {4, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_fetch_response_aborted_transaction
    fetch_response_aborted_transaction_default = {
    .producer_id = INT64_C(0),
    .first_offset = INT64_C(0),
};
const struct wire_message wire_fetch_response_aborted_transaction_type = {
    "aborted_transaction", fetch_response_aborted_transaction_fields, &fetch_response_aborted_transaction_default,
    2, sizeof(struct wire_fetch_response_aborted_transaction), 4, 18, 12, false};

#define AT(member) offsetof(struct wire_fetch_response_partition, member)
static const struct wire_field fetch_response_partition_fields[] = {
    {"partition_index", NULL,
     AT(partition_index), 0, WIRE_INT32, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"high_watermark", NULL,
     AT(high_watermark), 0, WIRE_INT64, 0, 0, {0, 255}, {1, 0}, {1, 0}},
    {"last_stable_offset", NULL,
     AT(last_stable_offset), 0, WIRE_INT64, WIRE_IGNORABLE, 0, {4, 255}, {1, 0}, {1, 0}},
    {"log_start_offset", NULL,
     AT(log_start_offset), 0, WIRE_INT64, WIRE_IGNORABLE, 0, {5, 255}, {1, 0}, {1, 0}},
    {"diverging_epoch", &wire_fetch_response_diverging_epoch_type,
     AT(diverging_epoch), 0, WIRE_STRUCT, 0, 0, {12, 255}, {1, 0}, {12, 255}},
    {"current_leader", &wire_fetch_response_current_leader_type,
     AT(current_leader), 0, WIRE_STRUCT, 0, 1, {12, 255}, {1, 0}, {12, 255}},
    {"snapshot_id", &wire_fetch_response_snapshot_id_type,
     AT(snapshot_id), 0, WIRE_STRUCT, 0, 2, {12, 255}, {1, 0}, {12, 255}},
    {"aborted_transactions", &wire_fetch_response_aborted_transaction_type,
     AT(aborted_transactions), AT(aborted_transactions_count), WIRE_STRUCT, WIRE_ARRAY | WIRE_IGNORABLE, 0, {4, 255}, {4, 255}, {1, 0}},
    {"preferred_read_replica", NULL,
     AT(preferred_read_replica), 0, WIRE_INT32, 0, 0, {11, 255}, {1, 0}, {1, 0}},
    {"records", NULL,
     AT(records), 0, WIRE_RECORDS, 0, 0, {0, 255}, {0, 255}, {1, 0}},
};
#undef AT
static const struct wire_fetch_response_partition
    fetch_response_partition_default = {
    .partition_index = 0,
    .error_code = 0,
    .high_watermark = INT64_C(0),
    .last_stable_offset = INT64_C(-1),
    .log_start_offset = INT64_C(-1),
    .diverging_epoch = {.epoch = -1, .end_offset = INT64_C(-1)},
    .current_leader = {.leader_id = -1, .leader_epoch = -1},
    .snapshot_id = {.end_offset = INT64_C(-1), .epoch = -1},
    .aborted_transactions = NULL,
    .aborted_transactions_count = 0,
    .preferred_read_replica = -1,
    .records = {NULL, -1, NULL, 0},
};
const struct wire_message wire_fetch_response_partition_type = {
    "partition", fetch_response_partition_fields, &fetch_response_partition_default,
    11, sizeof(struct wire_fetch_response_partition), 4, 18, 12, true};

#define AT(member) offsetof(struct wire_fetch_response_topic, member)
static const struct wire_field fetch_response_topic_fields[] = {
    {"topic", NULL,
     AT(topic), 0, WIRE_STRING, WIRE_IGNORABLE, 0, {0, 12}, {1, 0}, {1, 0}},
    {"topic_id", NULL,
     AT(topic_id), 0, WIRE_UUID, WIRE_IGNORABLE, 0, {13, 255}, {1, 0}, {1, 0}},
    {"partitions", &wire_fetch_response_partition_type,
     AT(partitions), AT(partitions_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
};
#undef AT
static const struct wire_fetch_response_topic
    fetch_response_topic_default = {
    .topic = {"", 0},
    .topic_id = {{0}},
    .partitions = NULL,
    .partitions_count = 0,
};
const struct wire_message wire_fetch_response_topic_type = {
    "topic", fetch_response_topic_fields, &fetch_response_topic_default,
    3, sizeof(struct wire_fetch_response_topic), 4, 18, 12, false};

#define AT(member) offsetof(struct wire_fetch_response_node_endpoint, member)
static const struct wire_field fetch_response_node_endpoint_fields[] = {
    {"node_id", NULL,
     AT(node_id), 0, WIRE_INT32, 0, 0, {16, 255}, {1, 0}, {1, 0}},
    {"host", NULL,
     AT(host), 0, WIRE_STRING, 0, 0, {16, 255}, {1, 0}, {1, 0}},
    {"port", NULL,
     AT(port), 0, WIRE_INT32, 0, 0, {16, 255}, {1, 0}, {1, 0}},
    {"rack", NULL,
     AT(rack), 0, WIRE_STRING, 0, 0, {16, 255}, {16, 255}, {1, 0}},
};
#undef AT
static const struct wire_fetch_response_node_endpoint
    fetch_response_node_endpoint_default = {
    .node_id = 0,
    .host = {"", 0},
    .port = 0,
    .rack = {NULL, 0},
};
const struct wire_message wire_fetch_response_node_endpoint_type = {
    "node_endpoint", fetch_response_node_endpoint_fields, &fetch_response_node_endpoint_default,
    4, sizeof(struct wire_fetch_response_node_endpoint), 4, 18, 12, false};

#define AT(member) offsetof(struct wire_fetch_response, member)
static const struct wire_field fetch_response_fields[] = {
    {"throttle_time_ms", NULL,
     AT(throttle_time_ms), 0, WIRE_INT32, WIRE_IGNORABLE, 0, {1, 255}, {1, 0}, {1, 0}},
    {"error_code", NULL,
     AT(error_code), 0, WIRE_INT16, WIRE_IGNORABLE, 0, {7, 255}, {1, 0}, {1, 0}},
    {"session_id", NULL,
     AT(session_id), 0, WIRE_INT32, 0, 0, {7, 255}, {1, 0}, {1, 0}},
    {"responses", &wire_fetch_response_topic_type,
     AT(responses), AT(responses_count), WIRE_STRUCT, WIRE_ARRAY, 0, {0, 255}, {1, 0}, {1, 0}},
    {"node_endpoints", &wire_fetch_response_node_endpoint_type,
     AT(node_endpoints), AT(node_endpoints_count), WIRE_STRUCT, WIRE_ARRAY, 0, {16, 255}, {1, 0}, {16, 255}},
};
#undef AT
static const struct wire_fetch_response
    fetch_response_default = {
    .throttle_time_ms = 0,
    .error_code = 0,
    .session_id = 0,
    .responses = NULL,
    .responses_count = 0,
    .node_endpoints = NULL,
    .node_endpoints_count = 0,
};
const struct wire_message wire_fetch_response_type = {
    "FetchResponse", fetch_response_fields, &fetch_response_default,
    5, sizeof(struct wire_fetch_response), 4, 18, 12, true};
