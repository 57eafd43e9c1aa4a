/* SyncGroup (key 14, v0-5). Waits until the leader has sent the assignment and it is durable. */
#include "kafka/group_call.h"
#include "wire/gen/all.h"

static void on_done(struct groups_ticket *t, const struct groups_answer *a)
{
    struct kafka_request *r = group_call_of(t)->r;
    struct wire_sync_group_response res;
    WIRE_INIT(wire_sync_group_response, &res);
    res.error_code = err_kafka(a->err);
    res.assignment = str_is_null(a->assignment) ? STR_LIT("") : a->assignment;
    if (r->version >= 5) {
        res.protocol_type = a->protocol_type;
        res.protocol_name = a->protocol_name;
    }
    kafka_reply(r, &res);
}

KAFKA_HANDLER(api_sync_group)
{
    const struct wire_sync_group_request *req = r->body;
    struct group_call *c = group_call_begin(r, on_done);
    if (c == NULL) {
        return;
    }
    /* KIP-559: from v5 on both must be there. */
    if (r->version >= 5 && (str_is_null(req->protocol_type) || str_is_null(req->protocol_name))) {
        struct groups_answer a = {.err = ERR_INCONSISTENT_GROUP_PROTOCOL};
        on_done(&c->ticket, &a);
        return;
    }
    int32_t n = req->assignments_count < 0 ? 0 : req->assignments_count;
    struct groups_assignment *as = KAFKA_ARRAY(r, struct groups_assignment, n);
    if (as == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        as[i] = (struct groups_assignment){req->assignments[i].member_id,
                                           req->assignments[i].assignment};
    }
    struct groups_sync s = {.group_id = req->group_id,
                            .member_id = req->member_id,
                            .instance_id = req->group_instance_id,
                            .protocol_type = req->protocol_type,
                            .protocol_name = req->protocol_name,
                            .generation = req->generation_id,
                            .assignments = as,
                            .assignment_count = (size_t)n};
    groups_sync(k->s.groups, &s, &c->ticket);
}
