/*
 * DescribeTopicPartitions (key 75, v0; KIP-966). Topics by name, or all, in order of their names,
 * with at most max.request.partition.size.limit partitions in one answer; the cursor says where the
 * next one goes on. The only replica is always in sync, so the lists of other leaders are empty.
 *
 * Errors: INVALID_REQUEST for all topics (the cursor's topic is not among those asked for, or its
 * partition is negative); of one topic INVALID_TOPIC, UNKNOWN_TOPIC_OR_PARTITION.
 */
#include <stdlib.h>

#include "kafka/admin.h"
#include "wire/gen/all.h"

struct describe {
    struct kafka *k;
    struct kafka_request *r;
    const struct wire_describe_topic_partitions_request *req;
    struct wire_describe_topic_partitions_response *res;
    struct str *names; /* ascending, each once, from the cursor's on */
    int32_t name_count;
    int64_t left; /* partitions that may still be told */
};

static int compare(const void *a, const void *b)
{
    const struct str *x = a;
    const struct str *y = b;
    return str_cmp(*x, *y);
}

static bool before_cursor(const struct describe *d, struct str name)
{
    return d->req->cursor != NULL && str_cmp(name, d->req->cursor->topic_name) < 0;
}

static bool all_names(struct describe *d)
{
    size_t n = 0;
    struct topic **all = broker_topics(d->k->s.broker, d->r->arena, &n);
    d->names = all == NULL ? NULL : arena_new_n(d->r->arena, struct str, n + 1);
    for (size_t i = 0; d->names != NULL && i < n; i++) {
        if (!before_cursor(d, all[i]->name)) {
            d->names[d->name_count++] =
                all[i]->name; /* the reply is encoded before anything goes */
        }
    }
    return d->names != NULL;
}

static bool named(struct describe *d)
{
    const struct wire_describe_topic_partitions_request *req = d->req;
    int32_t n = 0;
    d->names = arena_new_n(d->r->arena, struct str, (size_t)req->topics_count + 1);
    if (d->names == NULL) {
        return false;
    }
    for (int32_t i = 0; i < req->topics_count; i++) {
        if (!before_cursor(d, req->topics[i].name)) {
            d->names[n++] = req->topics[i].name;
        }
    }
    qsort(d->names, (size_t)n, sizeof(struct str), compare);
    for (int32_t i = 0; i < n; i++) {
        if (d->name_count == 0 || !str_eq(d->names[d->name_count - 1], d->names[i])) {
            d->names[d->name_count++] = d->names[i];
        }
    }
    return true;
}

/* ERR_OK, or the error for every topic of the request. */
static enum err check_cursor(const struct describe *d)
{
    if (d->req->cursor == NULL) {
        return ERR_OK;
    }
    bool among = d->req->topics_count <= 0 ||
                 (d->name_count > 0 && str_eq(d->names[0], d->req->cursor->topic_name));
    return among && d->req->cursor->partition_index >= 0 ? ERR_OK : ERR_INVALID_REQUEST;
}

static void fill_partition(const struct topic *t, int32_t index,
                           struct wire_describe_topic_partitions_response_partition *out)
{
    struct store_part_info info;
    store_part_info_get(t->partitions[index]->part, &info);
    out->partition_index = index;
    out->leader_id = BROKER_NODE_ID;
    out->leader_epoch = info.leader_epoch;
    out->replica_nodes = KAFKA_NODES;
    out->replica_nodes_count = 1;
    out->isr_nodes = KAFKA_NODES;
    out->isr_nodes_count = 1;
    out->eligible_leader_replicas = KAFKA_NODES;
    out->eligible_leader_replicas_count = 0;
    out->last_known_elr = KAFKA_NODES;
    out->last_known_elr_count = 0;
}

static bool next_cursor(struct describe *d, struct str topic, int32_t partition)
{
    struct wire_describe_topic_partitions_response_next_cursor *next =
        WIRE_NEW_N(d->r->arena, wire_describe_topic_partitions_response_next_cursor, 1);
    if (next == NULL) {
        return false;
    }
    next->topic_name = topic;
    next->partition_index = partition;
    d->res->next_cursor = next;
    return true;
}

static bool fill_topic(struct describe *d, struct str name, const struct topic *t,
                       struct wire_describe_topic_partitions_response_topic *out)
{
    const struct wire_describe_topic_partitions_request_cursor *cursor = d->req->cursor;
    bool at_cursor = cursor != NULL && str_eq(cursor->topic_name, name);
    int64_t from = at_cursor ? cursor->partition_index : 0;
    int64_t to = from + d->left < t->partition_count ? from + d->left : t->partition_count;
    int64_t n = to > from ? to - from : 0;
    out->topic_id = t->id;
    out->is_internal = broker_topic_is_internal(t->name);
    out->partitions = WIRE_NEW_N(d->r->arena, wire_describe_topic_partitions_response_partition, n);
    if (out->partitions == NULL) {
        return false;
    }
    out->partitions_count = (int32_t)n;
    for (int64_t i = 0; i < n; i++) {
        fill_partition(t, (int32_t)(from + i), &out->partitions[i]);
    }
    d->left -= n;
    return to >= t->partition_count || next_cursor(d, name, (int32_t)to);
}

static bool fill(struct describe *d)
{
    for (int32_t i = 0; i < d->name_count && d->res->next_cursor == NULL; i++) {
        struct str name = d->names[i];
        struct wire_describe_topic_partitions_response_topic *out =
            &d->res->topics[d->res->topics_count];
        if (d->left == 0) {
            return next_cursor(d, name, 0);
        }
        enum err e;
        const struct topic *t = kafka_topic_find(d->k, false, name, (struct uuid){{0}}, &e);
        d->res->topics_count++;
        out->name = name;
        out->topic_authorized_operations = KAFKA_TOPIC_OPERATIONS;
        if (t == NULL) {
            enum err invalid = broker_topic_name_check(name, NULL);
            out->error_code = err_kafka(invalid != ERR_OK ? invalid : e);
        } else if (!fill_topic(d, name, t, out)) {
            return false;
        }
    }
    return true;
}

static bool fail_all(struct describe *d, enum err e)
{
    struct wire_describe_topic_partitions_response *res = d->res;
    res->topics = WIRE_NEW_N(d->r->arena, wire_describe_topic_partitions_response_topic,
                             d->req->topics_count);
    if (res->topics == NULL) {
        return false;
    }
    res->topics_count = d->req->topics_count;
    for (int32_t i = 0; i < res->topics_count; i++) {
        res->topics[i].name = d->req->topics[i].name;
        res->topics[i].error_code = err_kafka(e);
    }
    return true;
}

KAFKA_HANDLER(api_describe_topic_partitions)
{
    const struct wire_describe_topic_partitions_request *req = r->body;
    struct wire_describe_topic_partitions_response res;
    WIRE_INIT(wire_describe_topic_partitions_response, &res);
    struct describe d = {.k = k, .r = r, .req = req, .res = &res};
    int64_t limit = config_i64(k->s.config, NULL, "max.request.partition.size.limit");
    d.left = req->response_partition_limit < limit ? req->response_partition_limit : limit;
    d.left = d.left < 1 ? 1 : d.left;
    bool ok = req->topics_count > 0 ? named(&d) : all_names(&d);
    enum err e = ok ? check_cursor(&d) : ERR_OK;
    if (ok && e != ERR_OK) {
        ok = fail_all(&d, e);
    } else if (ok) {
        res.topics =
            WIRE_NEW_N(r->arena, wire_describe_topic_partitions_response_topic, d.name_count);
        ok = res.topics != NULL && fill(&d);
    }
    if (!ok) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(r, &res);
}
