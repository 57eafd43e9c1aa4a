/* What commands ask of a cluster: topics with leaders and offsets, coordinators, groups. */
#ifndef LEAT_CLI_CLUSTER_H
#define LEAT_CLI_CLUSTER_H

#include "cli/client.h"

/* Special times of ListOffsets. */
#define OFFSET_END   (-1)
#define OFFSET_START (-2)

/* Kafka's codes that the house's table does not name. */
#define CODE_LEADER_NOT_AVAILABLE 5

/*
 * Metadata of these topics (names NULL: of all), and remembers where the brokers are. Never creates
 * a topic. Errors of single topics are in the answer.
 */
MUST_USE enum err cluster_metadata(struct client *c, const struct str *names, int32_t count,
                                   struct wire_metadata_response *out, struct ectx *ec);
/* One topic, with its partitions in order. Unknown: ERR_UNKNOWN_TOPIC_OR_PARTITION, and the hint
 * names the nearest. */
MUST_USE enum err cluster_topic(struct client *c, const char *name,
                                struct wire_metadata_response_topic *out, struct ectx *ec);
/* The error for a topic that does not exist, with the hint. */
MUST_USE enum err cluster_unknown_topic(struct client *c, const char *name, struct ectx *ec);

struct offset_query {
    struct str topic;
    int32_t partition, leader;
    int64_t time;   /* milliseconds, OFFSET_END or OFFSET_START */
    int64_t offset; /* answer; -1: no record that late, or see code */
    int16_t code;   /* answer: Kafka's error */
};
/* Asks the leaders. Queries of one topic stand next to each other. */
MUST_USE enum err cluster_offsets(struct client *c, struct offset_query *q, size_t count,
                                  struct ectx *ec);

/* The node that coordinates a group; waits while the cluster is still choosing it. */
MUST_USE enum err cluster_coordinator(struct client *c, struct str group, int32_t *node,
                                      struct ectx *ec);

struct group_row {
    struct str id, protocol, state;
    int32_t coordinator;
};
/* Every group of every broker, sorted by id. */
MUST_USE enum err cluster_groups(struct client *c, struct group_row **out, size_t *count,
                                 struct ectx *ec);
/* State, protocol and members. A group that does not exist: ERR_GROUP_ID_NOT_FOUND. */
MUST_USE enum err cluster_group(struct client *c, struct str group, int32_t node,
                                struct wire_describe_groups_response_group *out, struct ectx *ec);

struct lag_row {
    struct str topic;
    int32_t partition;
    int64_t committed, start, end; /* start, end: -1 if the topic is gone */
    int64_t lag;                   /* -1: not known */
    struct str metadata;
    struct str member; /* client id of who has it; null: nobody */
};
/* Committed offsets and lag of one group, sorted by topic and partition. */
MUST_USE enum err cluster_group_lag(struct client *c, struct str group, int32_t node,
                                    struct lag_row **out, size_t *count, struct ectx *ec);

struct config_row {
    struct str name, value, doc;
    int8_t source;
    bool read_only, sensitive;
};
/* The configuration of a topic (type 2) or broker (type 4), sorted by name. */
MUST_USE enum err cluster_configs(struct client *c, int8_t type, const char *name,
                                  struct config_row **out, size_t *count, struct ectx *ec);
const char *cluster_config_source(int8_t source);

/* Bytes on disk of each partition, and of the disks; what a broker does not tell is -1. */
struct disk_total {
    int64_t log_bytes, total_bytes, usable_bytes;
    bool known;
};
MUST_USE enum err cluster_disk(struct client *c, const struct wire_metadata_response *meta,
                               struct disk_total *out, struct ectx *ec);
MUST_USE enum err cluster_topic_bytes(struct client *c, const struct wire_metadata_response *meta,
                                      struct str topic, int64_t *bytes, size_t partitions,
                                      struct ectx *ec);

/* Order by topic name, and by partition. */
int cluster_compare_topics(const void *a, const void *b);
int cluster_compare_partitions(const void *a, const void *b);

#endif
