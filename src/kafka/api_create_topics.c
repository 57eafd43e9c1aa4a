/*
 * CreateTopics (key 19, v2-7). Each topic stands for itself; the answer comes when all that could
 * be created are durable. v5+ tells the number of partitions and the configuration in force, v7+
 * the id. A name that is given twice is refused, as a whole. Manual assignments must name the only
 * node, for each partition once, from 0 on. validate_only checks all of it and changes nothing.
 *
 * Errors of one topic, in Kafka's order: INVALID_REQUEST (given twice), INVALID_TOPIC,
 * TOPIC_ALREADY_EXISTS, INVALID_CONFIG, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR,
 * INVALID_REPLICA_ASSIGNMENT, POLICY_VIOLATION (leat.max.partitions).
 */
#include "kafka/admin.h"
#include "wire/gen/all.h"

struct create_work {
    struct kafka *k;
    struct kafka_request *r;
    struct wire_create_topics_response *res;
    int32_t pending; /* topics that are not answered yet, plus one while starting */
};
struct create_part {
    struct kafka_continuation ready;
    struct create_work *work;
    const struct wire_create_topics_request_topic *want;
    struct wire_create_topics_response_topic *out;
    struct broker_topic_spec spec;
    enum err assignment_err; /* reported when nothing else is wrong */
    struct ectx assignment;
};

/* Each of the numbers 0 to count - 1 is there exactly once. */
static enum err check_sequence(struct arena *arena,
                               const struct wire_create_topics_request_topic *t, struct ectx *ec)
{
    bool *seen = arena_new_n(arena, bool, (size_t)t->assignments_count);
    if (seen == NULL) {
        return ectx_fail(ec, ERR_LIMIT, KAFKA_NO_BUDGET);
    }
    bool consecutive = true;
    for (int32_t i = 0; i < t->assignments_count; i++) {
        int32_t index = t->assignments[i].partition_index;
        if (index < 0 || index >= t->assignments_count) {
            consecutive = false;
        } else if (seen[index]) {
            return ectx_fail(ec, ERR_INVALID_REPLICA_ASSIGNMENT,
                             "Found multiple manual partition assignments for partition %d", index);
        } else {
            seen[index] = true;
        }
    }
    return consecutive ? ERR_OK
                       : ectx_fail(ec, ERR_INVALID_REPLICA_ASSIGNMENT,
                                   "partitions should be a consecutive 0-based integer sequence");
}

static enum err check_assignments(struct arena *arena,
                                  const struct wire_create_topics_request_topic *t, struct ectx *ec)
{
    if (t->replication_factor != -1) {
        return ectx_fail(ec, ERR_INVALID_REQUEST,
                         "A manual partition assignment was specified, but replication factor was "
                         "not set to -1.");
    }
    if (t->num_partitions != -1) {
        return ectx_fail(ec, ERR_INVALID_REQUEST,
                         "A manual partition assignment was specified, but numPartitions was not "
                         "set to -1.");
    }
    for (int32_t i = 0; i < t->assignments_count; i++) {
        enum err e = kafka_check_assignment(t->assignments[i].broker_ids,
                                            t->assignments[i].broker_ids_count, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    return check_sequence(arena, t, ec);
}

static bool prepare(struct create_part *c)
{
    const struct wire_create_topics_request_topic *t = c->want;
    struct arena *a = c->work->r->arena;
    int32_t n = t->configs_count < 0 ? 0 : t->configs_count;
    struct broker_setting *settings = arena_new_n(a, struct broker_setting, (size_t)n + 1);
    if (settings == NULL) {
        return false;
    }
    for (int32_t i = 0; i < n; i++) {
        settings[i] = (struct broker_setting){t->configs[i].name, t->configs[i].value};
    }
    c->spec = (struct broker_topic_spec){.name = t->name,
                                         .partitions = t->num_partitions,
                                         .replication_factor = t->replication_factor,
                                         .settings = settings,
                                         .setting_count = (size_t)n};
    if (t->assignments_count > 0) {
        c->assignment_err = check_assignments(a, t, &c->assignment);
        c->spec.partitions = c->assignment_err == ERR_OK ? t->assignments_count : 1;
        c->spec.replication_factor = -1;
        c->spec.has_assignments = true;
        c->spec.assignments_valid = true;
    }
    return true;
}

static bool fill_configs(struct create_part *c, const struct topic *t)
{
    struct kafka *k = c->work->k;
    struct arena *a = c->work->r->arena;
    struct wire_create_topics_response_config *out =
        WIRE_NEW_N(a, wire_create_topics_response_config, (int64_t)config_option_count());
    int32_t n = 0;
    if (out == NULL) {
        return false;
    }
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);
        if (o->scope != CONFIG_SCOPE_TOPIC) {
            continue;
        }
        struct broker_config_entry entry;
        broker_config_entry(k->s.broker, t, o, &entry);
        out[n].name = str_of(o->name);
        out[n].value = arena_str(a, str_of(entry.sensitive ? NULL : entry.value));
        out[n].read_only = entry.read_only;
        out[n].config_source = (int8_t)entry.source;
        out[n].is_sensitive = entry.sensitive;
        n++;
    }
    c->out->configs = out;
    c->out->configs_count = n;
    return true;
}

/* What a topic that is not there would be configured like. */
static bool fill_would_be(struct create_part *c)
{
    struct topic t = {.name = c->spec.name};
    bool ok = true;
    config_init(&t.config, CONFIG_SCOPE_TOPIC);
    for (size_t i = 0; ok && i < c->spec.setting_count; i++) {
        const struct broker_setting *s = &c->spec.settings[i];
        ok = config_set(&t.config, s->name, s->value, CONFIG_FROM_TOPIC, NULL) == ERR_OK;
    }
    ok = ok && fill_configs(c, &t);
    config_deinit(&t.config);
    return ok;
}

static void fill_success(struct create_part *c, bool validate_only)
{
    struct kafka *k = c->work->k;
    const struct topic *t = validate_only ? NULL : broker_topic(k->s.broker, c->spec.name);
    c->out->replication_factor = 1;
    c->out->num_partitions = c->spec.partitions;
    if (c->spec.partitions == -1) {
        c->out->num_partitions = (int32_t)config_i64(k->s.config, NULL, "num.partitions");
    }
    bool ok = true;
    if (t != NULL) {
        c->out->topic_id = t->id;
        c->out->num_partitions = t->partition_count;
        ok = fill_configs(c, t);
    } else if (validate_only) {
        ok = fill_would_be(c);
    }
    c->out->topic_config_error_code = ok ? 0 : err_kafka(ERR_UNKNOWN_SERVER_ERROR);
}

static void on_created(void *ctx, enum err e, const struct ectx *ec)
{
    struct create_part *c = ctx;
    struct create_work *w = c->work;
    const struct wire_create_topics_request *req = w->r->body;
    if (e == ERR_OK && c->assignment_err != ERR_OK) {
        e = c->assignment_err;
        ec = &c->assignment;
    }
    c->out->error_code = err_kafka(e);
    c->out->error_message = kafka_error_message(w->r->arena, e, ec);
    if (e == ERR_OK) {
        fill_success(c, req->validate_only);
    }
    if (--w->pending == 0) {
        kafka_reply(w->r, w->res);
    }
}

static void start(struct kafka_continuation *ready)
{
    struct create_part *c = CONTAINER_OF(ready, struct create_part, ready);
    const struct wire_create_topics_request *req = c->work->r->body;
    bool validate_only = req->validate_only || c->assignment_err != ERR_OK;
    struct ectx ec = {.code = ERR_OK};
    enum err e = broker_client_may(c->work->k->s.broker, c->spec.name, "create", STR_NULL, &ec);
    if (e != ERR_OK) {
        on_created(c, e, &ec);
        return;
    }
    broker_topic_create(c->work->k->s.broker, &c->spec, validate_only, on_created, c);
}

/* Answers what is given twice (once), prepares the rest. -1: over a budget. */
static int32_t prepare_all(struct create_work *w, struct create_part *parts, struct map *seen)
{
    const struct wire_create_topics_request *req = w->r->body;
    int32_t n = 0;
    for (int32_t i = 0; i < req->topics_count; i++) {
        if (!kafka_seen_add(seen, req->topics[i].name)) {
            return -1;
        }
    }
    for (int32_t i = 0; i < req->topics_count; i++) {
        const struct wire_create_topics_request_topic *t = &req->topics[i];
        size_t times = kafka_seen_count(seen, t->name);
        if (times == 0) {
            continue; /* answered already */
        }
        struct wire_create_topics_response_topic *out = &w->res->topics[w->res->topics_count++];
        out->name = t->name;
        if (times > 1) {
            map_remove(seen, t->name);
            out->error_code = err_kafka(ERR_INVALID_REQUEST);
            out->error_message = STR_LIT("Duplicate topic name.");
            continue;
        }
        parts[n] = (struct create_part){.work = w, .want = t, .out = out};
        if (!prepare(&parts[n++])) {
            return -1;
        }
    }
    return n;
}

KAFKA_HANDLER(api_create_topics)
{
    const struct wire_create_topics_request *req = r->body;
    size_t count = req->topics_count < 0 ? 0 : (size_t)req->topics_count;
    struct create_work *w = arena_new(r->arena, struct create_work);
    struct wire_create_topics_response *res =
        arena_new(r->arena, struct wire_create_topics_response);
    struct create_part *parts = arena_new_n(r->arena, struct create_part, count + 1);
    struct wire_create_topics_response_topic *topics =
        WIRE_NEW_N(r->arena, wire_create_topics_response_topic, (int64_t)count);
    if (w == NULL || res == NULL || parts == NULL || topics == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    WIRE_INIT(wire_create_topics_response, res);
    res->topics = topics;
    *w = (struct create_work){.k = k, .r = r, .res = res};
    struct map seen;
    map_init(&seen);
    int32_t n = prepare_all(w, parts, &seen);
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
