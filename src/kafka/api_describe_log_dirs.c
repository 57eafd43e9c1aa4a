/*
 * DescribeLogDirs (key 35, v1-5). There is one directory, the data directory, with the size of each
 * partition's live segments; v4+ also how large its file system is and what is free of it. Topics
 * and partitions that do not exist are left out, as Kafka does.
 */
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

static void fill_partition(const struct partition *p,
                           struct wire_describe_log_dirs_response_partition *out)
{
    struct store_part_info info;
    store_part_info_get(p->part, &info);
    out->partition_index = p->index;
    out->partition_size = (int64_t)info.size_bytes;
}

static bool all_partitions(struct kafka_request *r, const struct topic *t,
                           struct wire_describe_log_dirs_response_topic *out)
{
    out->name = t->name;
    out->partitions =
        WIRE_NEW_N(r->arena, wire_describe_log_dirs_response_partition, t->partition_count);
    if (out->partitions == NULL) {
        return false;
    }
    out->partitions_count = t->partition_count;
    for (int32_t i = 0; i < t->partition_count; i++) {
        fill_partition(t->partitions[i], &out->partitions[i]);
    }
    return true;
}

static bool all_topics(struct kafka *k, struct kafka_request *r,
                       struct wire_describe_log_dirs_response_log_dir *dir)
{
    size_t n = 0;
    struct topic **all = broker_topics(k->s.broker, r->arena, &n);
    dir->topics = WIRE_NEW_N(r->arena, wire_describe_log_dirs_response_topic, (int64_t)n);
    if (all == NULL || dir->topics == NULL) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!all_partitions(r, all[i], &dir->topics[i])) {
            return false;
        }
    }
    dir->topics_count = (int32_t)n;
    return true;
}

static bool named_partitions(struct kafka *k, struct kafka_request *r,
                             const struct wire_describe_log_dirs_request_topic *want,
                             struct wire_describe_log_dirs_response_topic *out)
{
    int32_t n = 0;
    out->name = want->topic;
    out->partitions =
        WIRE_NEW_N(r->arena, wire_describe_log_dirs_response_partition, want->partitions_count);
    if (out->partitions == NULL) {
        return false;
    }
    for (int32_t i = 0; i < want->partitions_count; i++) {
        enum err e;
        const struct partition *p = kafka_partition_find(k, false, want->topic, (struct uuid){{0}},
                                                         want->partitions[i], &e);
        if (p != NULL) {
            fill_partition(p, &out->partitions[n++]);
        }
    }
    out->partitions_count = n;
    return true;
}

static bool named_topics(struct kafka *k, struct kafka_request *r,
                         struct wire_describe_log_dirs_response_log_dir *dir)
{
    const struct wire_describe_log_dirs_request *req = r->body;
    int32_t n = 0;
    dir->topics = WIRE_NEW_N(r->arena, wire_describe_log_dirs_response_topic, req->topics_count);
    if (dir->topics == NULL) {
        return false;
    }
    for (int32_t i = 0; i < req->topics_count; i++) {
        if (!named_partitions(k, r, &req->topics[i], &dir->topics[n])) {
            return false;
        }
        n += dir->topics[n].partitions_count > 0 ? 1 : 0;
    }
    dir->topics_count = n;
    return true;
}

KAFKA_HANDLER(api_describe_log_dirs)
{
    const struct wire_describe_log_dirs_request *req = r->body;
    struct wire_describe_log_dirs_response res;
    WIRE_INIT(wire_describe_log_dirs_response, &res);
    struct wire_describe_log_dirs_response_log_dir *dir =
        WIRE_NEW_N(r->arena, wire_describe_log_dirs_response_log_dir, 1);
    if (dir == NULL || !(req->topics_count < 0 ? all_topics(k, r, dir) : named_topics(k, r, dir))) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    struct store_stats stats;
    store_stats_get(k->s.store, &stats);
    dir->log_dir = str_of(config_text(k->s.config, NULL, "leat.data", NULL));
    dir->total_bytes = (int64_t)stats.total_bytes;
    dir->usable_bytes = (int64_t)stats.free_bytes;
    res.results = dir;
    res.results_count = 1;
    kafka_reply(r, &res);
}
