/*
 * DescribeConfigs (key 32, v1-4). Every option of a topic, of this node ("1"), or what is set for
 * all nodes (""), with where each value is from. v1+: synonyms, the places where the value could
 * come from, the strongest first. v3+: types and, on request, documentation. Names that are asked
 * for and do not exist are left out; no names (null or empty): all.
 *
 * Errors of one resource: INVALID_TOPIC, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST (not this
 * node, or a kind of resource that is not offered: loggers, client metrics, groups).
 */
#include "kafka/admin.h"
#include "wire/gen/all.h"

struct describe {
    struct kafka *k;
    struct kafka_request *r;
    const struct wire_describe_configs_request *req;
    const struct wire_describe_configs_request_resource *want;
    struct wire_describe_configs_response_resource *out;
    const struct topic *topic; /* NULL: the node */
    bool cluster_default;      /* only what is set for all nodes */
    bool *wanted;              /* by number of the option */
};

/* Each key is looked up once: a client may send millions of them. Returns how many are wanted. */
static size_t mark_wanted(struct describe *d)
{
    enum config_scope scope = d->topic != NULL ? CONFIG_SCOPE_TOPIC : CONFIG_SCOPE_BROKER;
    bool all = d->want->configuration_keys_count <= 0;
    size_t count = 0;
    for (size_t i = 0; i < config_option_count(); i++) {
        d->wanted[i] = all && config_option_at(i)->scope == scope;
        count += d->wanted[i] ? 1 : 0;
    }
    for (int32_t i = 0; i < d->want->configuration_keys_count; i++) {
        const struct config_option *o = config_option_find(scope, d->want->configuration_keys[i]);
        size_t at = o == NULL ? 0 : (size_t)(o - config_option_at(0));
        if (o != NULL && !d->wanted[at]) {
            d->wanted[at] = true;
            count++;
        }
    }
    return count;
}

static bool fill_synonyms(const struct describe *d, const struct broker_config_layer *layers,
                          size_t n, bool sensitive,
                          struct wire_describe_configs_response_config *out)
{
    struct arena *a = d->r->arena;
    out->synonyms = WIRE_NEW_N(a, wire_describe_configs_response_synonym, (int64_t)n);
    if (out->synonyms == NULL) {
        return false;
    }
    out->synonyms_count = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        out->synonyms[i].name = str_of(layers[i].name);
        out->synonyms[i].value = str_of(sensitive ? NULL : layers[i].value);
        out->synonyms[i].source = (int8_t)layers[i].source;
    }
    return true;
}

static bool fill_option(const struct describe *d, const struct config_option *o,
                        struct wire_describe_configs_response_config *out, bool *skip)
{
    struct broker_config_entry entry;
    struct broker_config_layer layers[BROKER_CONFIG_LAYERS];
    struct broker_config_layer of_all = {0};
    broker_config_entry(d->k->s.broker, d->topic, o, &entry);
    size_t n = broker_config_layers(d->k->s.broker, d->topic, o, layers);
    if (d->cluster_default) {
        for (size_t i = 0; i < n; i++) {
            of_all = layers[i].source == CONFIG_FROM_DYNAMIC_DEFAULT ? layers[i] : of_all;
        }
        *skip = of_all.name == NULL;
        layers[0] = of_all;
        n = 1;
        entry.value = of_all.value;
        entry.source = CONFIG_FROM_DYNAMIC_DEFAULT;
    }
    if (*skip) {
        return true;
    }
    out->name = str_of(o->name);
    out->value = str_of(entry.sensitive ? NULL : entry.value);
    out->read_only = entry.read_only;
    out->config_source = (int8_t)entry.source;
    out->is_sensitive = entry.sensitive;
    out->config_type = (int8_t)o->type;
    out->documentation = d->req->include_documentation ? str_of(o->doc) : STR_NULL;
    return !d->req->include_synonyms || fill_synonyms(d, layers, n, entry.sensitive, out);
}

static bool fill_options(struct describe *d)
{
    size_t count = mark_wanted(d);
    struct wire_describe_configs_response_config *configs =
        WIRE_NEW_N(d->r->arena, wire_describe_configs_response_config, (int64_t)count);
    int32_t n = 0;
    if (configs == NULL) {
        return false;
    }
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);
        bool skip = !d->wanted[i];
        if (!skip && !fill_option(d, o, &configs[n], &skip)) {
            return false;
        }
        n += skip ? 0 : 1;
    }
    d->out->configs = configs;
    d->out->configs_count = n;
    return true;
}

static enum err find_resource(struct describe *d, struct ectx *ec)
{
    struct str name = d->want->resource_name;
    enum err e = ERR_OK;
    switch (d->want->resource_type) {
    case KAFKA_RESOURCE_TOPIC:
        e = broker_topic_name_check(name, ec);
        if (e == ERR_OK) {
            d->topic = kafka_topic_find(d->k, false, name, (struct uuid){{0}}, &e);
        }
        return e;
    case KAFKA_RESOURCE_BROKER:
        d->cluster_default = name.n == 0;
        return name.n == 0 ? ERR_OK : kafka_check_node(name, ec);
    default:
        return ectx_fail(ec, ERR_INVALID_REQUEST, "Unsupported resource type: %d",
                         d->want->resource_type);
    }
}

static bool one_resource(struct describe *d)
{
    struct ectx ec = {.code = ERR_OK};
    d->out->resource_type = d->want->resource_type;
    d->out->resource_name = d->want->resource_name;
    enum err e = find_resource(d, &ec);
    if (e != ERR_OK) {
        d->out->error_code = err_kafka(e);
        d->out->error_message = kafka_error_message(d->r->arena, e, &ec);
        return true;
    }
    return fill_options(d);
}

KAFKA_HANDLER(api_describe_configs)
{
    const struct wire_describe_configs_request *req = r->body;
    struct wire_describe_configs_response res;
    WIRE_INIT(wire_describe_configs_response, &res);
    res.results =
        WIRE_NEW_N(r->arena, wire_describe_configs_response_resource, req->resources_count);
    bool *wanted = arena_new_n(r->arena, bool, config_option_count());
    if (res.results == NULL || wanted == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    res.results_count = req->resources_count;
    for (int32_t i = 0; i < req->resources_count; i++) {
        struct describe d = {.k = k,
                             .r = r,
                             .req = req,
                             .want = &req->resources[i],
                             .out = &res.results[i],
                             .wanted = wanted};
        if (!one_resource(&d)) {
            kafka_close(r, KAFKA_NO_BUDGET);
            return;
        }
    }
    kafka_reply(r, &res);
}
