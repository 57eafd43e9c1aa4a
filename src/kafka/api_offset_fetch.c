/*
 * OffsetFetch (key 9, v1-10). One group until v7, many from v8 on; topics null asks for all of
 * them; v10 names topics by id. Shows durable commits only. require_stable has nothing to wait for:
 * there are no transactions. A group that is not there has no offsets; that is not an error.
 */
#include "group/group.h"
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

typedef struct wire_offset_fetch_response_topic topic_v1;
typedef struct wire_offset_fetch_response_group_topic topic_v8;

static struct groups_offset offset_of(struct kafka *k, struct str group, struct str topic,
                                      int32_t partition)
{
    struct groups_offset o;
    if (!groups_offset_get(k->s.groups, group, topic, partition, &o)) {
        o = (struct groups_offset){-1, -1, STR_LIT("")};
    }
    return o;
}

/* ---- v1 to v7
 * -------------------------------------------------------------------------------------------- */

static bool named_v1(struct kafka *k, struct kafka_request *r,
                     struct wire_offset_fetch_response *res)
{
    const struct wire_offset_fetch_request *req = r->body;
    res->topics = WIRE_NEW_N(r->arena, wire_offset_fetch_response_topic, req->topics_count);
    if (res->topics == NULL) {
        return false;
    }
    res->topics_count = req->topics_count;
    for (int32_t i = 0; i < req->topics_count; i++) {
        const struct wire_offset_fetch_request_topic *t = &req->topics[i];
        topic_v1 *out = &res->topics[i];
        int32_t n = t->partition_indexes_count < 0 ? 0 : t->partition_indexes_count;
        out->name = t->name;
        out->partitions = WIRE_NEW_N(r->arena, wire_offset_fetch_response_partition, n);
        if (out->partitions == NULL) {
            return false;
        }
        out->partitions_count = n;
        for (int32_t j = 0; j < n; j++) {
            int32_t partition = t->partition_indexes[j];
            struct groups_offset o = offset_of(k, req->group_id, t->name, partition);
            out->partitions[j].partition_index = partition;
            out->partitions[j].committed_offset = o.offset;
            out->partitions[j].metadata = o.metadata;
            if (r->version >= 5) {
                out->partitions[j].committed_leader_epoch = o.leader_epoch;
            }
        }
    }
    return true;
}

/* How many rows from i on are of the same topic. */
static size_t run_of(const struct groups_offset_row *rows, size_t i, size_t n)
{
    size_t end = i + 1;
    while (end < n && str_eq(rows[end].topic, rows[i].topic)) {
        end++;
    }
    return end - i;
}

static bool all_v1(struct kafka *k, struct kafka_request *r, struct wire_offset_fetch_response *res)
{
    const struct wire_offset_fetch_request *req = r->body;
    size_t n = 0;
    const struct groups_offset_row *rows = groups_offsets(k->s.groups, req->group_id, r->arena, &n);
    res->topics =
        rows == NULL ? NULL : WIRE_NEW_N(r->arena, wire_offset_fetch_response_topic, (int64_t)n);
    if (res->topics == NULL) {
        return false;
    }
    res->topics_count = 0;
    for (size_t i = 0, run; i < n; i += run) {
        topic_v1 *out = &res->topics[res->topics_count++];
        run = run_of(rows, i, n);
        out->name = rows[i].topic;
        out->partitions = WIRE_NEW_N(r->arena, wire_offset_fetch_response_partition, (int64_t)run);
        if (out->partitions == NULL) {
            return false;
        }
        out->partitions_count = (int32_t)run;
        for (size_t j = 0; j < run; j++) {
            out->partitions[j].partition_index = rows[i + j].partition;
            out->partitions[j].committed_offset = rows[i + j].offset.offset;
            out->partitions[j].metadata = rows[i + j].offset.metadata;
            if (r->version >= 5) {
                out->partitions[j].committed_leader_epoch = rows[i + j].offset.leader_epoch;
            }
        }
    }
    return true;
}

/* ---- v8 and later
 * ---------------------------------------------------------------------------------------- */

static void name_topic(const struct kafka_request *r, topic_v8 *out, struct str name,
                       struct uuid id)
{
    if (r->version >= 10) {
        out->topic_id = id;
    } else {
        out->name = name;
    }
}

static bool fill_named(struct kafka *k, struct kafka_request *r, struct str group,
                       const struct wire_offset_fetch_request_group_topic *t, topic_v8 *out)
{
    enum err e = ERR_OK;
    struct str name = t->name;
    if (r->version >= 10) {
        const struct topic *topic = kafka_topic_find(k, true, STR_NULL, t->topic_id, &e);
        name = topic == NULL ? STR_NULL : topic->name;
    }
    int32_t n = t->partition_indexes_count < 0 ? 0 : t->partition_indexes_count;
    name_topic(r, out, t->name, t->topic_id);
    out->partitions = WIRE_NEW_N(r->arena, wire_offset_fetch_response_group_partition, n);
    if (out->partitions == NULL) {
        return false;
    }
    out->partitions_count = n;
    for (int32_t j = 0; j < n; j++) {
        int32_t partition = t->partition_indexes[j];
        struct groups_offset o = {-1, -1, STR_LIT("")};
        if (e == ERR_OK) {
            o = offset_of(k, group, name, partition);
        }
        out->partitions[j].partition_index = partition;
        out->partitions[j].committed_offset = o.offset;
        out->partitions[j].committed_leader_epoch = o.leader_epoch;
        out->partitions[j].metadata = o.metadata;
        out->partitions[j].error_code = err_kafka(e);
    }
    return true;
}

static bool fill_run(struct kafka_request *r, const struct groups_offset_row *rows, size_t run,
                     topic_v8 *out)
{
    name_topic(r, out, rows->topic, rows->topic_id);
    out->partitions =
        WIRE_NEW_N(r->arena, wire_offset_fetch_response_group_partition, (int64_t)run);
    if (out->partitions == NULL) {
        return false;
    }
    out->partitions_count = (int32_t)run;
    for (size_t j = 0; j < run; j++) {
        out->partitions[j].partition_index = rows[j].partition;
        out->partitions[j].committed_offset = rows[j].offset.offset;
        out->partitions[j].committed_leader_epoch = rows[j].offset.leader_epoch;
        out->partitions[j].metadata = rows[j].offset.metadata;
    }
    return true;
}

static bool all_v8(struct kafka *k, struct kafka_request *r, struct str group,
                   struct wire_offset_fetch_response_group *out)
{
    size_t n = 0;
    const struct groups_offset_row *rows = groups_offsets(k->s.groups, group, r->arena, &n);
    out->topics = rows == NULL
                      ? NULL
                      : WIRE_NEW_N(r->arena, wire_offset_fetch_response_group_topic, (int64_t)n);
    if (out->topics == NULL) {
        return false;
    }
    out->topics_count = 0;
    for (size_t i = 0, run; i < n; i += run) {
        run = run_of(rows, i, n);
        if (!fill_run(r, &rows[i], run, &out->topics[out->topics_count++])) {
            return false;
        }
    }
    return true;
}

static bool fill_group(struct kafka *k, struct kafka_request *r,
                       const struct wire_offset_fetch_request_group *g,
                       struct wire_offset_fetch_response_group *out)
{
    out->group_id = g->group_id;
    if (g->topics_count < 0) {
        return all_v8(k, r, g->group_id, out);
    }
    out->topics = WIRE_NEW_N(r->arena, wire_offset_fetch_response_group_topic, g->topics_count);
    if (out->topics == NULL) {
        return false;
    }
    out->topics_count = g->topics_count;
    for (int32_t i = 0; i < g->topics_count; i++) {
        if (!fill_named(k, r, g->group_id, &g->topics[i], &out->topics[i])) {
            return false;
        }
    }
    return true;
}

static bool fill_groups(struct kafka *k, struct kafka_request *r,
                        struct wire_offset_fetch_response *res)
{
    const struct wire_offset_fetch_request *req = r->body;
    int32_t n = req->groups_count < 0 ? 0 : req->groups_count;
    res->groups = WIRE_NEW_N(r->arena, wire_offset_fetch_response_group, n);
    if (res->groups == NULL) {
        return false;
    }
    res->groups_count = n;
    for (int32_t i = 0; i < n; i++) {
        if (!fill_group(k, r, &req->groups[i], &res->groups[i])) {
            return false;
        }
    }
    return true;
}

KAFKA_HANDLER(api_offset_fetch)
{
    const struct wire_offset_fetch_request *req = r->body;
    struct wire_offset_fetch_response res;
    WIRE_INIT(wire_offset_fetch_response, &res);
    bool ok = r->version >= 8         ? fill_groups(k, r, &res)
              : req->topics_count < 0 ? all_v1(k, r, &res)
                                      : named_v1(k, r, &res);
    if (!ok) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(r, &res);
}
