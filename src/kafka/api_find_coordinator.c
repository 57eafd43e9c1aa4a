/*
 * FindCoordinator (key 10, v0-6; v4+ asks for many). This node coordinates every group.
 * Transactions are not offered: the error is a final one, so that no client asks for ever. Share
 * groups are not offered either: their keys get INVALID_REQUEST, as from a Kafka without the
 * feature.
 */
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

static void fill(struct kafka_request *r, int8_t key_type, struct str key,
                 struct wire_find_coordinator_response_coordinator *out)
{
    out->key = key;
    out->node_id = -1;
    out->port = -1;
    out->host = STR_LIT("");
    switch (key_type) {
    case KEY_GROUP:
        out->node_id = BROKER_NODE_ID;
        kafka_advertised(r, &out->host, &out->port);
        out->error_message = r->version >= 4 ? STR_LIT("") : STR_LIT("NONE");
        break;
    case KEY_TRANSACTION:
        out->error_code = err_kafka(ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        out->error_message = STR_LIT("transactions are not offered by this broker");
        break;
    case KEY_SHARE:
        out->error_code = err_kafka(ERR_INVALID_REQUEST);
        out->error_message = STR_LIT("share groups are not offered by this broker");
        break;
    default:
        out->error_code = err_kafka(ERR_INVALID_REQUEST);
        out->error_message = STR_LIT("unknown coordinator type");
        break;
    }
}

KAFKA_HANDLER(api_find_coordinator)
{
    const struct wire_find_coordinator_request *req = r->body;
    struct wire_find_coordinator_response res;
    (void)k;
    WIRE_INIT(wire_find_coordinator_response, &res);
    if (r->version >= 4) {
        int32_t n = req->coordinator_keys_count < 0 ? 0 : req->coordinator_keys_count;
        res.coordinators = WIRE_NEW_N(r->arena, wire_find_coordinator_response_coordinator, n);
        if (res.coordinators == NULL) {
            kafka_close(r, KAFKA_NO_BUDGET);
            return;
        }
        res.coordinators_count = n;
        for (int32_t i = 0; i < n; i++) {
            fill(r, req->key_type, req->coordinator_keys[i], &res.coordinators[i]);
        }
    } else {
        struct wire_find_coordinator_response_coordinator one;
        WIRE_INIT(wire_find_coordinator_response_coordinator, &one);
        fill(r, r->version == 0 ? KEY_GROUP : req->key_type, req->key, &one);
        res.error_code = one.error_code;
        res.error_message = r->version >= 1 ? one.error_message : res.error_message;
        res.node_id = one.node_id;
        res.host = one.host;
        res.port = one.port;
    }
    kafka_reply(r, &res);
}
