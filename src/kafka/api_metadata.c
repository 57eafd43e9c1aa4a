/*
 * Metadata (key 3, v0-13). Which topics there are, where their partitions live (here), and where we
 * are. Creates topics that are asked for by name if the client allows it (v4+; implied before) and
 * auto.create.topics.enable is true; then the answer waits until they are durable and says
 * LEADER-less UNKNOWN_TOPIC_OR_PARTITION never: the new topic is in the same answer.
 *
 * v10, v11: ids are in the response only; a null name is INVALID_TOPIC. v12+: a topic may be asked
 * for by id.
 */
#include "kafka/admin.h"
#include "wire/gen/all.h"

struct metadata_work {
    struct kafka *k;
    struct kafka_request *r;
    struct wire_metadata_response *res;
    int32_t pending;
};
/* One topic that is being created for this request. */
struct metadata_create {
    struct kafka_continuation ready;
    struct metadata_work *work;
    struct wire_metadata_response_topic *out;
};

static bool fill_partitions(struct kafka_request *r, const struct topic *t,
                            struct wire_metadata_response_topic *out)
{
    out->partitions = WIRE_NEW_N(r->arena, wire_metadata_response_partition, t->partition_count);
    if (out->partitions == NULL) {
        return false;
    }
    out->partitions_count = t->partition_count;
    for (int32_t i = 0; i < t->partition_count; i++) {
        struct store_part_info info;
        struct wire_metadata_response_partition *p = &out->partitions[i];
        store_part_info_get(t->partitions[i]->part, &info);
        p->partition_index = i;
        p->leader_id = BROKER_NODE_ID;
        p->leader_epoch = info.leader_epoch;
        p->replica_nodes = KAFKA_NODES;
        p->replica_nodes_count = 1;
        p->isr_nodes = KAFKA_NODES;
        p->isr_nodes_count = 1;
    }
    return true;
}

static bool fill_topic(struct kafka_request *r, const struct topic *t,
                       struct wire_metadata_response_topic *out)
{
    out->error_code = 0;
    out->name = arena_str(r->arena, t->name);
    out->topic_id = t->id;
    out->is_internal = broker_topic_is_internal(t->name);
    const struct wire_metadata_request *req = r->body;
    if (req->include_topic_authorized_operations) {
        out->topic_authorized_operations = KAFKA_TOPIC_OPERATIONS;
    }
    return !str_is_null(out->name) && fill_partitions(r, t, out);
}

static void finish(struct metadata_work *w)
{
    kafka_reply(w->r, w->res);
}

static void on_created(void *ctx, enum err e, const struct ectx *ec)
{
    struct metadata_create *c = ctx;
    struct metadata_work *w = c->work;
    (void)ec;
    const struct topic *t = broker_topic(w->k->s.broker, c->out->name);
    if (t != NULL) { /* also when somebody else was faster */
        if (!fill_topic(w->r, t, c->out)) {
            c->out->error_code = err_kafka(ERR_UNKNOWN_SERVER_ERROR);
        }
    } else {
        /* On its way for another request: the client asks again. */
        c->out->error_code = err_kafka(
            e == ERR_TOPIC_ALREADY_EXISTS || e == ERR_OK ? ERR_UNKNOWN_TOPIC_OR_PARTITION : e);
    }
    if (--w->pending == 0) {
        finish(w);
    }
}

static void start_create(struct kafka_continuation *ready)
{
    struct metadata_create *c = CONTAINER_OF(ready, struct metadata_create, ready);
    struct broker_topic_spec spec = {
        .name = c->out->name, .partitions = -1, .replication_factor = -1};
    broker_topic_create(c->work->k->s.broker, &spec, false, on_created, c);
}

/* A topic that is not there: created, or refused. */
static void missing_topic(struct metadata_work *w, struct wire_metadata_response_topic *out,
                          bool may_create)
{
    struct ectx ec = {.code = ERR_OK};
    enum err e = broker_topic_name_check(out->name, &ec);
    if (e == ERR_OK && may_create &&
        broker_client_may(w->k->s.broker, out->name, "create", STR_NULL, NULL) != ERR_OK) {
        may_create = false; /* whose topic it is makes it */
    }
    out->error_code = err_kafka(e == ERR_OK ? ERR_UNKNOWN_TOPIC_OR_PARTITION : e);
    struct metadata_create *c =
        e == ERR_OK && may_create ? arena_new(w->r->arena, struct metadata_create) : NULL;
    if (c == NULL) {
        return;
    }
    c->work = w;
    c->out = out;
    w->pending++;
    kafka_when_ready(w->k, &c->ready, start_create);
}

static bool one_topic(struct metadata_work *w, const struct wire_metadata_request_topic *want,
                      struct wire_metadata_response_topic *out, bool may_create)
{
    struct kafka_request *r = w->r;
    bool by_id = r->version >= 12 && !uuid_is_zero(want->topic_id);
    if (by_id) {
        const struct topic *t = broker_topic_by_id(w->k->s.broker, want->topic_id);
        if (t != NULL) {
            return fill_topic(r, t, out);
        }
        out->name = STR_NULL;
        out->topic_id = want->topic_id;
        out->error_code = err_kafka(ERR_UNKNOWN_TOPIC_ID);
        return true;
    }
    if (str_is_null(want->name)) {
        out->name = r->version >= 12 ? STR_NULL : STR_LIT("");
        out->error_code = err_kafka(ERR_INVALID_TOPIC);
        return true;
    }
    const struct topic *t = broker_topic(w->k->s.broker, want->name);
    if (t != NULL) {
        return fill_topic(r, t, out);
    }
    out->name = arena_str(r->arena, want->name);
    if (str_is_null(out->name)) {
        return false;
    }
    missing_topic(w, out, may_create);
    return true;
}

static bool all_topics(struct metadata_work *w)
{
    size_t n = 0;
    struct topic **all = broker_topics(w->k->s.broker, w->r->arena, &n);
    w->res->topics = WIRE_NEW_N(w->r->arena, wire_metadata_response_topic, (int64_t)n);
    if (all == NULL || w->res->topics == NULL) {
        return false;
    }
    w->res->topics_count = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        if (!fill_topic(w->r, all[i], &w->res->topics[i])) {
            return false;
        }
    }
    return true;
}

/* The same name twice is answered once, as Kafka does (it works on a set). */
static bool named_before(const struct wire_metadata_request *req, int32_t i)
{
    for (int32_t j = 0; j < i && i < 1000; j++) {
        if (str_eq(req->topics[j].name, req->topics[i].name) &&
            uuid_eq(req->topics[j].topic_id, req->topics[i].topic_id)) {
            return true;
        }
    }
    return false;
}

static bool named_topics(struct metadata_work *w, const struct wire_metadata_request *req)
{
    bool may_create = (w->r->version < 4 || req->allow_auto_topic_creation) &&
                      config_bool(w->k->s.config, NULL, "auto.create.topics.enable");
    w->res->topics = WIRE_NEW_N(w->r->arena, wire_metadata_response_topic, req->topics_count);
    if (w->res->topics == NULL) {
        return false;
    }
    int32_t n = 0;
    for (int32_t i = 0; i < req->topics_count; i++) {
        if (named_before(req, i)) {
            continue;
        }
        if (!one_topic(w, &req->topics[i], &w->res->topics[n++], may_create)) {
            return false;
        }
    }
    w->res->topics_count = n;
    return true;
}

static bool fill_cluster(struct metadata_work *w)
{
    struct kafka_request *r = w->r;
    struct wire_metadata_response *res = w->res;
    char *id = arena_alloc(r->arena, UUID_KAFKA_SIZE);
    res->brokers = WIRE_NEW_N(r->arena, wire_metadata_response_broker, 1);
    if (id == NULL || res->brokers == NULL) {
        return false;
    }
    res->brokers_count = 1;
    res->brokers[0].node_id = BROKER_NODE_ID;
    kafka_advertised(r, &res->brokers[0].host, &res->brokers[0].port);
    uuid_format_kafka(store_id(w->k->s.store), id);
    res->cluster_id = str_of(id);
    res->controller_id = BROKER_NODE_ID;
    const struct wire_metadata_request *req = r->body;
    if (req->include_cluster_authorized_operations) {
        res->cluster_authorized_operations = KAFKA_CLUSTER_OPERATIONS;
    }
    return true;
}

bool metadata_may_create(struct kafka *k, const struct kafka_request *r)
{
    const struct wire_metadata_request *req = r->body;
    for (int32_t i = 0; i < req->topics_count; i++) {
        const struct wire_metadata_request_topic *t = &req->topics[i];
        if ((r->version < 12 || uuid_is_zero(t->topic_id)) && !str_is_null(t->name) &&
            broker_topic(k->s.broker, t->name) == NULL) {
            return true;
        }
    }
    return false;
}

KAFKA_HANDLER(api_metadata)
{
    const struct wire_metadata_request *req = r->body;
    struct metadata_work *w = arena_new(r->arena, struct metadata_work);
    struct wire_metadata_response *res = arena_new(r->arena, struct wire_metadata_response);
    if (w == NULL || res == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    WIRE_INIT(wire_metadata_response, res);
    *w = (struct metadata_work){.k = k, .r = r, .res = res, .pending = 1};
    bool all = req->topics_count < 0 || (r->version == 0 && req->topics_count == 0);
    if (!fill_cluster(w) || !(all ? all_topics(w) : named_topics(w, req))) {
        if (w->pending > 1) {
            /* Topics are being created: they answer, with what there is. */
            w->pending--;
            return;
        }
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    if (--w->pending == 0) {
        finish(w);
    }
}
