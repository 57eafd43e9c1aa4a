/*
 * CreatePartitions (key 37, v0-3). Grows topics to a total; each topic stands for itself; the
 * answer comes when the new partitions are durable. Manual assignments must name the only node,
 * once for each new partition. validate_only checks all of it and changes nothing.
 *
 * Errors of one topic: INVALID_REQUEST (given twice), UNKNOWN_TOPIC_OR_PARTITION,
 * INVALID_PARTITIONS (not more than now), INVALID_REPLICA_ASSIGNMENT, POLICY_VIOLATION
 * (leat.max.partitions).
 */
#include "kafka/admin.h"
#include "wire/gen/all.h"

struct grow_work {
    struct kafka *k;
    struct kafka_request *r;
    struct wire_create_partitions_response *res;
    int32_t pending;
};
struct grow_part {
    struct kafka_continuation ready;
    struct grow_work *work;
    const struct wire_create_partitions_request_topic *want;
    struct wire_create_partitions_response_topic *out;
    enum err assignment_err; /* reported when nothing else is wrong */
    struct ectx assignment;
};

static void on_grown(void *ctx, enum err e, const struct ectx *ec)
{
    struct grow_part *part = ctx;
    struct grow_work *w = part->work;
    if (e == ERR_OK && part->assignment_err != ERR_OK) {
        e = part->assignment_err;
        ec = &part->assignment;
    }
    part->out->error_code = err_kafka(e);
    part->out->error_message = kafka_error_message(w->r->arena, e, ec);
    if (--w->pending == 0) {
        kafka_reply(w->r, w->res);
    }
}

static enum err check_assignments(const struct wire_create_partitions_request_topic *want,
                                  int32_t now, struct ectx *ec)
{
    if (want->assignments_count < 0) {
        return ERR_OK; /* the broker chooses */
    }
    if (want->assignments_count != (int64_t)want->count - now) {
        return ectx_fail(ec, ERR_INVALID_REPLICA_ASSIGNMENT,
                         "Attempted to add %lld additional partition(s), but only %d assignment(s) "
                         "were specified.",
                         (long long)want->count - now, want->assignments_count);
    }
    for (int32_t i = 0; i < want->assignments_count; i++) {
        enum err e = kafka_check_assignment(want->assignments[i].broker_ids,
                                            want->assignments[i].broker_ids_count, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static void start(struct kafka_continuation *ready)
{
    struct grow_part *part = CONTAINER_OF(ready, struct grow_part, ready);
    struct kafka *k = part->work->k;
    const struct wire_create_partitions_request *req = part->work->r->body;
    struct topic *t = broker_topic(k->s.broker, part->want->name);
    if (t == NULL) {
        on_grown(part, ERR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
        return;
    }
    struct ectx ec = {.code = ERR_OK};
    enum err e = broker_client_may(k->s.broker, t->name, "add partitions", STR_NULL, &ec);
    if (e != ERR_OK) {
        on_grown(part, e, &ec);
        return;
    }
    part->assignment_err = check_assignments(part->want, t->partition_count, &part->assignment);
    bool validate_only = req->validate_only || part->assignment_err != ERR_OK;
    broker_topic_add_partitions(k->s.broker, t, part->want->count, validate_only, on_grown, part);
}

/* Answers what is given twice (once) and lists the rest; -1: out of memory. */
static int32_t prepare(struct grow_work *w, struct grow_part *parts, struct map *seen)
{
    const struct wire_create_partitions_request *req = w->r->body;
    int32_t n = 0;
    for (int32_t i = 0; i < req->topics_count; i++) {
        if (!kafka_seen_add(seen, req->topics[i].name)) {
            return -1;
        }
    }
    for (int32_t i = 0; i < req->topics_count; i++) {
        const struct wire_create_partitions_request_topic *t = &req->topics[i];
        size_t times = kafka_seen_count(seen, t->name);
        if (times == 0) {
            continue; /* answered already */
        }
        struct wire_create_partitions_response_topic *out = &w->res->results[w->res->results_count];
        w->res->results_count++;
        out->name = t->name;
        if (times > 1) {
            map_remove(seen, t->name);
            out->error_code = err_kafka(ERR_INVALID_REQUEST);
            out->error_message = STR_LIT("Duplicate topic name.");
            continue;
        }
        parts[n++] = (struct grow_part){.work = w, .want = t, .out = out};
    }
    return n;
}

KAFKA_HANDLER(api_create_partitions)
{
    const struct wire_create_partitions_request *req = r->body;
    struct grow_work *w = arena_new(r->arena, struct grow_work);
    struct wire_create_partitions_response *res =
        arena_new(r->arena, struct wire_create_partitions_response);
    struct wire_create_partitions_response_topic *results =
        WIRE_NEW_N(r->arena, wire_create_partitions_response_topic, req->topics_count);
    struct grow_part *parts =
        results == NULL ? NULL
                        : arena_new_n(r->arena, struct grow_part, (size_t)req->topics_count + 1);
    if (w == NULL || res == NULL || parts == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    WIRE_INIT(wire_create_partitions_response, res);
    res->results = results;
    *w = (struct grow_work){.k = k, .r = r, .res = res};
    struct map seen;
    map_init(&seen);
    int32_t n = prepare(w, parts, &seen);
    map_deinit(&seen);
    if (n < 0) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    w->pending = n + 1;
    for (int32_t i = 0; i < n; i++) {
        kafka_when_ready(k, &parts[i].ready, start);
    }
    if (--w->pending == 0) {
        kafka_reply(r, res);
    }
}
