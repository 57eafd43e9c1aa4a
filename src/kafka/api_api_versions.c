/*
 * ApiVersions (key 18, v0-4; KIP-35, KIP-511). Tells exactly the version ranges of Kafka 4.3 for
 * each API in the table. A version that we do not know is answered with a version 0 body, error 35
 * and the range of this API only. No features are told: transactions, the new group protocols and
 * share groups are not offered.
 */
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

/* Kafka's rule: letters, digits, inner '-' and '.'. */
static bool is_software_word(struct str s)
{
    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool inner = (c == '-' || c == '.') && i > 0 && i + 1 < s.n;
        if (!alnum && !inner) {
            return false;
        }
    }
    return true;
}

static void put_key(struct wire_api_versions_response_api_key *out, const struct wire_api *api)
{
    out->api_key = api->key;
    out->min_version = api->min;
    out->max_version = api->max;
}

void api_versions_reply_unsupported(struct kafka_request *r)
{
    struct wire_api_versions_response res;
    WIRE_INIT(wire_api_versions_response, &res);
    struct wire_api_versions_response_api_key key;
    WIRE_INIT(wire_api_versions_response_api_key, &key);
    put_key(&key, r->api);
    res.error_code = err_kafka(ERR_UNSUPPORTED_VERSION);
    res.api_keys = &key;
    res.api_keys_count = 1;
    r->version = 0;
    kafka_reply(r, &res);
}

KAFKA_HANDLER(api_api_versions)
{
    const struct wire_api_versions_request *req = r->body;
    struct wire_api_versions_response res;
    WIRE_INIT(wire_api_versions_response, &res);
    (void)k;
    if (r->version >= 3) {
        if (!is_software_word(req->client_software_name) ||
            !is_software_word(req->client_software_version)) {
            res.error_code = err_kafka(ERR_INVALID_REQUEST);
            kafka_reply(r, &res);
            return;
        }
    }
    size_t n = kafka_api_count();
    res.api_keys = WIRE_NEW_N(r->arena, wire_api_versions_response_api_key, (int64_t)n);
    if (res.api_keys == NULL) {
        kafka_close(r, "request over its memory budget");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        put_key(&res.api_keys[i], wire_api_find(kafka_api_at(i)->key));
    }
    res.api_keys_count = (int32_t)n;
    kafka_reply(r, &res);
}
