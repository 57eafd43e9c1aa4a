/* The common half of AlterConfigs and IncrementalAlterConfigs; see alter.h. */
#include "kafka/alter.h"

/* There are fewer options than this: a longer list has a duplicate or an unknown name in it. */
#define ALTER_OPS_MAX 1000u

struct alter_work {
    struct kafka *k;
    struct kafka_request *r;
    const void *res;
    size_t pending;
    bool validate_only;
};

static void answer(const struct alter_work *w, struct alter_resource *resource, enum err e,
                   const struct ectx *ec)
{
    *resource->error_code = err_kafka(e);
    *resource->error_message = kafka_error_message(w->r->arena, e, ec);
}

static void on_altered(void *ctx, enum err e, const struct ectx *ec)
{
    struct alter_resource *resource = ctx;
    struct alter_work *w = resource->work;
    answer(w, resource, e, ec);
    if (--w->pending == 0) {
        kafka_reply(w->r, w->res);
    }
}

/* Out of memory counts as one: it is refused either way. */
static bool has_duplicates(const struct alter_resource *resource)
{
    struct map seen;
    bool twice = false;
    map_init(&seen);
    for (size_t i = 0; !twice && i < resource->op_count; i++) {
        twice = !kafka_seen_add(&seen, resource->ops[i].name) ||
                kafka_seen_count(&seen, resource->ops[i].name) > 1;
    }
    map_deinit(&seen);
    return twice;
}

/* Kafka's checks before it looks at single values. */
static enum err check_ops(const struct alter_resource *resource, struct ectx *ec)
{
    if (resource->op_count > ALTER_OPS_MAX) {
        return ectx_fail(ec, ERR_INVALID_REQUEST, "More than %u configs for one resource",
                         ALTER_OPS_MAX);
    }
    if (has_duplicates(resource)) {
        return ectx_fail(ec, ERR_INVALID_REQUEST, "Error due to duplicate config keys");
    }
    for (size_t i = 0; i < resource->op_count; i++) {
        const struct broker_alter *op = &resource->ops[i];
        if (op->op != BROKER_DELETE && str_is_null(op->value)) {
            return ectx_fail(ec, ERR_INVALID_REQUEST, "Null value not supported for : %.*s",
                             STR(op->name));
        }
        if ((int)op->op < BROKER_SET || (int)op->op > BROKER_SUBTRACT) {
            return ectx_fail(ec, ERR_INVALID_REQUEST, "Unknown operation type %d", (int)op->op);
        }
    }
    return ERR_OK;
}

static enum err check_resource(const struct alter_resource *resource, struct ectx *ec)
{
    enum err e = check_ops(resource, ec);
    if (e != ERR_OK) {
        return e;
    }
    switch (resource->type) {
    case KAFKA_RESOURCE_TOPIC:
        return ERR_OK;
    case KAFKA_RESOURCE_BROKER:
        return resource->name.n == 0 ? ERR_OK : kafka_check_node(resource->name, ec);
    default:
        return ectx_fail(ec, ERR_INVALID_REQUEST, "Unsupported resource type: %d", resource->type);
    }
}

static bool is_named(const struct alter_resource *resource, struct str name)
{
    for (size_t i = 0; i < resource->op_count; i++) {
        if (str_eq(resource->ops[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Whether clients may change what is named, and what goes back to its default by not being named.
 */
static enum err check_may(const struct alter_work *w, const struct alter_resource *resource,
                          const struct topic *t, struct ectx *ec)
{
    struct broker *b = w->k->s.broker;
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < resource->op_count; i++) {
        e = broker_client_may(b, t->name, "change", resource->ops[i].name, ec);
    }
    struct map_iter it = {0};
    while (e == ERR_OK && resource->replace && map_next(&t->config.values, &it)) {
        if (!is_named(resource, it.key)) {
            e = broker_client_may(b, t->name, "change", it.key, ec);
        }
    }
    return e;
}

static void start_topic(struct alter_work *w, struct alter_resource *resource)
{
    struct topic *t = broker_topic(w->k->s.broker, resource->name);
    struct ectx why = {.code = ERR_OK};
    const enum err may = t == NULL ? ERR_OK : check_may(w, resource, t, &why);
    if (may != ERR_OK) {
        on_altered(resource, may, &why);
    } else if (t == NULL) {
        struct ectx ec = {.code = ERR_OK};
        enum err e = ectx_fail(&ec, ERR_UNKNOWN_TOPIC_OR_PARTITION,
                               "The topic '%.*s' does not exist.", STR(resource->name));
        on_altered(resource, e, &ec);
    } else if (resource->replace) {
        broker_topic_replace_config(w->k->s.broker, t, resource->settings, resource->op_count,
                                    w->validate_only, on_altered, resource);
    } else {
        broker_topic_alter(w->k->s.broker, t, resource->ops, resource->op_count, w->validate_only,
                           on_altered, resource);
    }
}

static void start(struct kafka_continuation *ready)
{
    struct alter_resource *resource = CONTAINER_OF(ready, struct alter_resource, ready);
    struct alter_work *w = resource->work;
    bool cluster_default = resource->name.n == 0;
    if (resource->type == KAFKA_RESOURCE_TOPIC) {
        start_topic(w, resource);
    } else if (resource->replace) {
        broker_replace(w->k->s.broker, cluster_default, resource->settings, resource->op_count,
                       w->validate_only, on_altered, resource);
    } else {
        broker_alter(w->k->s.broker, cluster_default, resource->ops, resource->op_count,
                     w->validate_only, on_altered, resource);
    }
}

static bool make_settings(struct arena *a, struct alter_resource *resource)
{
    size_t n = resource->op_count;
    resource->settings = arena_new_n(a, struct broker_setting, n + 1);
    for (size_t i = 0; resource->settings != NULL && i < n; i++) {
        resource->settings[i] =
            (struct broker_setting){resource->ops[i].name, resource->ops[i].value};
    }
    return resource->settings != NULL;
}

/* Names a resource in a request: its type and its name. */
static struct str resource_key(struct buf *b, const struct alter_resource *resource)
{
    b->n = 0;
    buf_put_u8(b, (uint8_t)resource->type);
    buf_put_str(b, resource->name);
    return buf_str(b);
}

/* Marks what is there twice; false: out of memory. */
static bool mark_duplicates(struct alter_resource *resources, size_t count)
{
    struct map seen;
    struct buf key;
    bool ok = true;
    map_init(&seen);
    buf_init(&key, 64 * 1024);
    for (size_t i = 0; ok && i < count; i++) {
        ok = kafka_seen_add(&seen, resource_key(&key, &resources[i])) && !buf_failed(&key);
    }
    for (size_t i = 0; ok && i < count; i++) {
        bool twice = kafka_seen_count(&seen, resource_key(&key, &resources[i])) > 1;
        resources[i].err = twice ? ERR_INVALID_REQUEST : ERR_OK;
    }
    buf_deinit(&key);
    map_deinit(&seen);
    return ok;
}

void alter_run(struct kafka *k, struct kafka_request *r, struct alter_resource *resources,
               size_t count, bool validate_only, const void *res)
{
    struct alter_work *w = arena_new(r->arena, struct alter_work);
    bool ok = w != NULL && mark_duplicates(resources, count);
    for (size_t i = 0; ok && i < count; i++) {
        ok = make_settings(r->arena, &resources[i]);
    }
    if (!ok) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    *w = (struct alter_work){
        .k = k, .r = r, .res = res, .pending = count + 1, .validate_only = validate_only};
    for (size_t i = 0; i < count; i++) {
        struct alter_resource *resource = &resources[i];
        struct ectx ec = {.code = ERR_OK};
        resource->work = w;
        enum err e = resource->err != ERR_OK
                         ? ectx_fail(&ec, resource->err, "Each resource must appear at most once.")
                         : check_resource(resource, &ec);
        if (e != ERR_OK) {
            on_altered(resource, e, &ec);
        } else {
            kafka_when_ready(k, &resource->ready, start);
        }
    }
    if (--w->pending == 0) {
        kafka_reply(r, res);
    }
}
