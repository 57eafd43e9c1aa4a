/*
 * IncrementalAlterConfigs (key 44, v0-1; KIP-339). Sets, deletes, appends to or subtracts from
 * single options of a topic, of this node ("1") or of all nodes (""). What is not named stays as it
 * is. Each resource is changed whole or not at all, and is in force and durable when the answer
 * comes.
 *
 * Errors of one resource: INVALID_REQUEST (given twice, a name twice, null, not this node, a kind
 * of resource that is not offered, an option that needs a restart), UNKNOWN_TOPIC_OR_PARTITION,
 * INVALID_CONFIG.
 */
#include "kafka/alter.h"
#include "wire/gen/all.h"

static bool fill_ops(struct kafka_request *r,
                     const struct wire_incremental_alter_configs_request_resource *want,
                     struct alter_resource *out)
{
    size_t n = want->configs_count < 0 ? 0 : (size_t)want->configs_count;
    out->ops = arena_new_n(r->arena, struct broker_alter, n + 1);
    if (out->ops == NULL) {
        return false;
    }
    out->op_count = n;
    for (size_t i = 0; i < n; i++) {
        out->ops[i] =
            (struct broker_alter){.op = (enum broker_alter_op)want->configs[i].config_operation,
                                  .name = want->configs[i].name,
                                  .value = want->configs[i].value};
    }
    return true;
}

KAFKA_HANDLER(api_incremental_alter_configs)
{
    const struct wire_incremental_alter_configs_request *req = r->body;
    struct wire_incremental_alter_configs_response *res =
        arena_new(r->arena, struct wire_incremental_alter_configs_response);
    struct wire_incremental_alter_configs_response_resource *responses = WIRE_NEW_N(
        r->arena, wire_incremental_alter_configs_response_resource, req->resources_count);
    size_t n = responses == NULL ? 0 : (size_t)req->resources_count;
    struct alter_resource *resources = arena_new_n(r->arena, struct alter_resource, n + 1);
    bool ok = res != NULL && responses != NULL && resources != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        const struct wire_incremental_alter_configs_request_resource *want = &req->resources[i];
        responses[i].resource_type = want->resource_type;
        responses[i].resource_name = want->resource_name;
        resources[i] = (struct alter_resource){.type = want->resource_type,
                                               .name = want->resource_name,
                                               .replace = false,
                                               .error_code = &responses[i].error_code,
                                               .error_message = &responses[i].error_message};
        ok = fill_ops(r, want, &resources[i]);
    }
    if (!ok) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    WIRE_INIT(wire_incremental_alter_configs_response, res);
    res->responses = responses;
    res->responses_count = (int32_t)n;
    alter_run(k, r, resources, n, req->validate_only, res);
}
