/*
 * ListConfigResources (key 74, v0-1; KIP-1142). What has a configuration: topics, and the node (as
 * a broker and as a broker with loggers). v0 asks for client metrics, of which there are none; so
 * are groups with a configuration of their own.
 *
 * Errors: UNSUPPORTED_VERSION for a type that Kafka does not list.
 */
#include "kafka/admin.h"
#include "wire/gen/all.h"

struct listing {
    bool topics, broker, loggers;
};

static enum err what(const struct kafka_request *r, struct listing *out)
{
    const struct wire_list_config_resources_request *req = r->body;
    *out = (struct listing){0};
    if (r->version == 0) {
        return ERR_OK;
    }
    if (req->resource_types_count <= 0) {
        *out = (struct listing){true, true, true};
        return ERR_OK;
    }
    for (int32_t i = 0; i < req->resource_types_count; i++) {
        switch (req->resource_types[i]) {
        case KAFKA_RESOURCE_TOPIC:
            out->topics = true;
            break;
        case KAFKA_RESOURCE_BROKER:
            out->broker = true;
            break;
        case KAFKA_RESOURCE_BROKER_LOGGER:
            out->loggers = true;
            break;
        case KAFKA_RESOURCE_CLIENT_METRICS:
        case KAFKA_RESOURCE_GROUP:
            break;
        default:
            return ERR_UNSUPPORTED_VERSION;
        }
    }
    return ERR_OK;
}

static void put(struct wire_list_config_resources_response *res, struct str name,
                enum kafka_resource type)
{
    struct wire_list_config_resources_response_config_resource *out =
        &res->config_resources[res->config_resources_count++];
    out->resource_name = name;
    out->resource_type = (int8_t)type;
}

static bool fill(struct kafka *k, struct kafka_request *r, const struct listing *l,
                 struct wire_list_config_resources_response *res)
{
    size_t n = 0;
    struct topic **all = broker_topics(k->s.broker, r->arena, &n);
    struct str node = arena_printf(r->arena, "%d", BROKER_NODE_ID);
    res->config_resources =
        WIRE_NEW_N(r->arena, wire_list_config_resources_response_config_resource, (int64_t)n + 2);
    if (all == NULL || str_is_null(node) || res->config_resources == NULL) {
        return false;
    }
    for (size_t i = 0; l->topics && i < n; i++) {
        put(res, all[i]->name, KAFKA_RESOURCE_TOPIC);
    }
    if (l->broker) {
        put(res, node, KAFKA_RESOURCE_BROKER);
    }
    if (l->loggers) {
        put(res, node, KAFKA_RESOURCE_BROKER_LOGGER);
    }
    return true;
}

KAFKA_HANDLER(api_list_config_resources)
{
    struct wire_list_config_resources_response res;
    struct listing l;
    WIRE_INIT(wire_list_config_resources_response, &res);
    enum err e = what(r, &l);
    res.error_code = err_kafka(e);
    if (e == ERR_OK && !fill(k, r, &l, &res)) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(r, &res);
}
