/*
 * ListOffsets (key 2, v1-11). Where a log begins and ends, and the first record at or after a time
 * (exact: found inside its batch). Times below 0 have meanings: -1 the high watermark, -2 and -4
 * (v8+) the log start, -3 (v7+) the record with the largest timestamp, -5 (v9+) and -6 (v11+) the
 * tiered part of the log, which is always empty here: offset -1. One that the version does not know
 * is UNSUPPORTED_VERSION. Nothing found: offset -1.
 *
 * read_committed equals read_uncommitted: there are no transactions. Searches may run on a worker;
 * the answer waits for all of them.
 *
 * Errors of one partition: INVALID_REQUEST (asked twice), UNSUPPORTED_VERSION,
 * UNKNOWN_TOPIC_OR_PARTITION, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, KAFKA_STORAGE_ERROR.
 */
#include "core/bytes.h"
#include "kafka/admin.h"
#include "wire/gen/all.h"

enum {
    TIME_LATEST = -1,
    TIME_EARLIEST = -2,
    TIME_MAX = -3,
    TIME_EARLIEST_LOCAL = -4,
    TIME_LATEST_TIERED = -5,
    TIME_EARLIEST_PENDING_UPLOAD = -6
};

struct offsets_work {
    struct kafka_request *r;
    struct wire_list_offsets_response *res;
    int64_t pending;
};
/* One search. */
struct offsets_part {
    struct offsets_work *work;
    struct wire_list_offsets_response_partition *out;
    struct store_time_job job;
};

static int16_t first_version_of(int64_t timestamp)
{
    switch (timestamp) {
    case TIME_LATEST:
    case TIME_EARLIEST:
        return 1;
    case TIME_MAX:
        return 7;
    case TIME_EARLIEST_LOCAL:
        return 8;
    case TIME_LATEST_TIERED:
        return 9;
    case TIME_EARLIEST_PENDING_UPLOAD:
        return 11;
    default:
        return timestamp >= 0 ? 1 : INT16_MAX;
    }
}

/* Versions before 4 do not carry the epoch. */
static void set_epoch(const struct offsets_work *w,
                      struct wire_list_offsets_response_partition *out, int32_t epoch)
{
    out->leader_epoch = w->r->version >= 4 ? epoch : -1;
}

static void part_done(struct offsets_work *w)
{
    if (--w->pending == 0) {
        kafka_reply(w->r, w->res);
    }
}

static void on_found(struct store_time_job *job)
{
    struct offsets_part *part = job->ctx;
    if (job->err != ERR_OK) {
        part->out->error_code = err_kafka(job->err);
    } else if (job->offset >= 0) {
        part->out->offset = job->offset;
        part->out->timestamp = job->timestamp;
        set_epoch(part->work, part->out, job->leader_epoch);
    }
    part_done(part->work);
}

static int32_t epoch_at_start(const struct partition *p, const struct store_part_info *info)
{
    const struct store_epoch *epochs = NULL;
    size_t n = store_part_epochs(p->part, &epochs);
    for (size_t i = n; i-- > 0;) {
        if (epochs[i].start_offset <= info->log_start) {
            return epochs[i].epoch;
        }
    }
    return n == 0 ? info->leader_epoch : -1;
}

static enum err one_partition(struct kafka *k, struct offsets_work *w, struct str topic,
                              const struct wire_list_offsets_request_partition *want,
                              struct wire_list_offsets_response_partition *out,
                              struct offsets_part *part)
{
    enum err e;
    struct store_part_info info;
    if (w->r->version < first_version_of(want->timestamp)) {
        return ERR_UNSUPPORTED_VERSION;
    }
    struct partition *p =
        kafka_partition_find(k, false, topic, (struct uuid){{0}}, want->partition_index, &e);
    e = p == NULL ? e : kafka_check_epoch(p, want->current_leader_epoch);
    if (e != ERR_OK) {
        return e;
    }
    store_part_info_get(p->part, &info);
    switch (want->timestamp) {
    case TIME_LATEST:
        out->offset = info.high_watermark;
        set_epoch(w, out, info.leader_epoch);
        return ERR_OK;
    case TIME_EARLIEST:
    case TIME_EARLIEST_LOCAL:
        out->offset = info.log_start;
        set_epoch(w, out, epoch_at_start(p, &info));
        return ERR_OK;
    case TIME_LATEST_TIERED:
    case TIME_EARLIEST_PENDING_UPLOAD:
        return ERR_OK; /* nothing is tiered */
    default:
        break;
    }
    *part = (struct offsets_part){.work = w, .out = out};
    part->job.done = on_found;
    part->job.ctx = part;
    w->pending++;
    if (want->timestamp == TIME_MAX) {
        store_find_max_timestamp(p->part, &part->job);
    } else {
        store_find_timestamp(p->part, want->timestamp, &part->job);
    }
    return ERR_OK;
}

/* Names a partition in a request: its number and its topic. */
static struct str part_key(struct buf *b, struct str topic, int32_t index)
{
    b->n = 0;
    buf_put_be32(b, (uint32_t)index);
    buf_put_str(b, topic);
    return buf_str(b);
}

static bool count_times(const struct wire_list_offsets_request *req, struct map *seen,
                        struct buf *key)
{
    for (int32_t i = 0; i < req->topics_count; i++) {
        const struct wire_list_offsets_request_topic *t = &req->topics[i];
        for (int32_t j = 0; j < t->partitions_count; j++) {
            struct str name = part_key(key, t->name, t->partitions[j].partition_index);
            if (buf_failed(key) || !kafka_seen_add(seen, name)) {
                return false;
            }
        }
    }
    return true;
}

/* Everything that has to be allocated, before the first search starts. */
static struct offsets_part *allocate(struct kafka_request *r,
                                     struct wire_list_offsets_response *res)
{
    const struct wire_list_offsets_request *req = r->body;
    size_t total = 0;
    res->topics = WIRE_NEW_N(r->arena, wire_list_offsets_response_topic, req->topics_count);
    if (res->topics == NULL) {
        return NULL;
    }
    res->topics_count = req->topics_count;
    for (int32_t i = 0; i < req->topics_count; i++) {
        struct wire_list_offsets_response_topic *out = &res->topics[i];
        int32_t n = req->topics[i].partitions_count;
        out->name = req->topics[i].name;
        out->partitions = WIRE_NEW_N(r->arena, wire_list_offsets_response_partition, n);
        if (out->partitions == NULL) {
            return NULL;
        }
        out->partitions_count = n;
        total += (size_t)n;
    }
    return arena_new_n(r->arena, struct offsets_part, total + 1);
}

static void start_all(struct kafka *k, struct offsets_work *w, const struct map *seen,
                      struct buf *key, struct offsets_part *parts)
{
    const struct wire_list_offsets_request *req = w->r->body;
    for (int32_t i = 0; i < req->topics_count; i++) {
        const struct wire_list_offsets_request_topic *t = &req->topics[i];
        for (int32_t j = 0; j < t->partitions_count; j++) {
            struct wire_list_offsets_response_partition *out = &w->res->topics[i].partitions[j];
            int32_t index = t->partitions[j].partition_index;
            out->partition_index = index;
            bool twice = kafka_seen_count(seen, part_key(key, t->name, index)) > 1;
            enum err e = twice ? ERR_INVALID_REQUEST
                               : one_partition(k, w, t->name, &t->partitions[j], out, parts++);
            if (e != ERR_OK) {
                out->error_code = err_kafka(e);
            }
        }
    }
}

KAFKA_HANDLER(api_list_offsets)
{
    struct offsets_work *w = arena_new(r->arena, struct offsets_work);
    struct wire_list_offsets_response *res = arena_new(r->arena, struct wire_list_offsets_response);
    if (w == NULL || res == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    WIRE_INIT(wire_list_offsets_response, res);
    *w = (struct offsets_work){.r = r, .res = res, .pending = 1};
    struct offsets_part *parts = allocate(r, res);
    struct map seen;
    struct buf key;
    map_init(&seen);
    buf_init(&key, 64 * 1024);
    bool ok = parts != NULL && count_times(r->body, &seen, &key);
    if (ok) {
        start_all(k, w, &seen, &key, parts);
    }
    buf_deinit(&key);
    map_deinit(&seen);
    if (!ok) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    part_done(w);
}
