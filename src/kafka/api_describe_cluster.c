/*
 * DescribeCluster (key 60, v0-2). The one node, on the address where the client can reach it.
 *
 * Errors (v1+): MISMATCHED_ENDPOINT_TYPE when the controllers are asked for,
 * UNSUPPORTED_ENDPOINT_TYPE for any other kind.
 */
#include "kafka/admin.h"
#include "wire/gen/all.h"

enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

static bool fill(struct kafka *k, struct kafka_request *r,
                 struct wire_describe_cluster_response *res)
{
    const struct wire_describe_cluster_request *req = r->body;
    char *id = arena_alloc(r->arena, UUID_KAFKA_SIZE);
    res->brokers = WIRE_NEW_N(r->arena, wire_describe_cluster_response_broker, 1);
    if (id == NULL || res->brokers == NULL) {
        return false;
    }
    res->brokers_count = 1;
    res->brokers[0].broker_id = BROKER_NODE_ID;
    kafka_advertised(r, &res->brokers[0].host, &res->brokers[0].port);
    uuid_format_kafka(store_id(k->s.store), id);
    res->cluster_id = str_of(id);
    res->controller_id = BROKER_NODE_ID;
    if (req->include_cluster_authorized_operations) {
        res->cluster_authorized_operations = KAFKA_CLUSTER_OPERATIONS;
    }
    return true;
}

KAFKA_HANDLER(api_describe_cluster)
{
    const struct wire_describe_cluster_request *req = r->body;
    struct wire_describe_cluster_response res;
    WIRE_INIT(wire_describe_cluster_response, &res);
    if (req->endpoint_type == ENDPOINT_CONTROLLERS) {
        res.error_code = err_kafka(ERR_MISMATCHED_ENDPOINT_TYPE);
        res.error_message = STR_LIT("The request was sent to an endpoint of type BROKER, but we "
                                    "wanted an endpoint of type CONTROLLER");
    } else if (req->endpoint_type != ENDPOINT_BROKERS) {
        res.error_code = err_kafka(ERR_UNSUPPORTED_ENDPOINT_TYPE);
        res.error_message =
            arena_printf(r->arena, "Unsupported endpoint type %d", req->endpoint_type);
    } else if (!fill(k, r, &res)) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(r, &res);
}
