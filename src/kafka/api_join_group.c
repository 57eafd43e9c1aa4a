/* JoinGroup (key 11, v0-9). Waits until the rebalance is complete. */
#include "kafka/group_call.h"
#include "wire/gen/all.h"

static bool fill_members(struct kafka_request *r, const struct groups_answer *a,
                         struct wire_join_group_response *res)
{
    res->members = WIRE_NEW_N(r->arena, wire_join_group_response_member, (int64_t)a->member_count);
    if (res->members == NULL) {
        return false;
    }
    res->members_count = (int32_t)a->member_count;
    for (size_t i = 0; i < a->member_count; i++) {
        struct wire_join_group_response_member *m = &res->members[i];
        m->member_id = a->members[i].member_id;
        m->metadata = str_is_null(a->members[i].metadata) ? STR_LIT("") : a->members[i].metadata;
        if (r->version >= 5) {
            m->group_instance_id = a->members[i].instance_id;
        }
    }
    return true;
}

static struct str or_empty(struct str s)
{
    return str_is_null(s) ? STR_LIT("") : s;
}

static void on_done(struct groups_ticket *t, const struct groups_answer *a)
{
    struct kafka_request *r = group_call_of(t)->r;
    struct wire_join_group_response res;
    WIRE_INIT(wire_join_group_response, &res);
    res.error_code = err_kafka(a->err);
    res.generation_id = a->generation;
    res.leader = or_empty(a->leader);
    res.member_id = or_empty(a->member_id);
    res.protocol_name = r->version >= 7 ? a->protocol_name : or_empty(a->protocol_name);
    if (r->version >= 7) {
        res.protocol_type = a->protocol_type;
    }
    if (r->version >= 9) {
        res.skip_assignment = a->skip_assignment;
    }
    if (!fill_members(r, a, &res)) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(r, &res);
}

/* As Kafka writes it: "/" and the address. */
static struct str client_host(struct kafka_request *r)
{
    return arena_printf(r->arena, "/%s", r->peer == NULL ? "" : r->peer->host);
}

KAFKA_HANDLER(api_join_group)
{
    const struct wire_join_group_request *req = r->body;
    struct group_call *c = group_call_begin(r, on_done);
    if (c == NULL) {
        return;
    }
    int32_t n = req->protocols_count < 0 ? 0 : req->protocols_count;
    struct groups_protocol *p = KAFKA_ARRAY(r, struct groups_protocol, n);
    struct str host = client_host(r);
    if (p == NULL || str_is_null(host)) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        p[i] = (struct groups_protocol){req->protocols[i].name, req->protocols[i].metadata};
    }
    struct groups_join j = {.group_id = req->group_id,
                            .member_id = req->member_id,
                            .instance_id = req->group_instance_id,
                            .client_id = or_empty(r->client_id),
                            .client_host = host,
                            .protocol_type = req->protocol_type,
                            .protocols = p,
                            .protocol_count = (size_t)n,
                            .session_timeout_ms = req->session_timeout_ms,
                            .rebalance_timeout_ms = req->rebalance_timeout_ms < 0
                                                        ? req->session_timeout_ms
                                                        : req->rebalance_timeout_ms,
                            .needs_member_id = r->version >= 4,
                            .can_skip = r->version >= 9};
    groups_join(k->s.groups, &j, &c->ticket);
}
