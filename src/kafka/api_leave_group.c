/* LeaveGroup (key 13, v0-5). From v3 on a batch of members, each with an answer of its own; also
 * how administrators remove static members (KIP-345). */
#include "group/group.h"
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

static bool leave_many(struct kafka *k, struct kafka_request *r,
                       struct wire_leave_group_response *res)
{
    const struct wire_leave_group_request *req = r->body;
    int32_t n = req->members_count < 0 ? 0 : req->members_count;
    res->members = WIRE_NEW_N(r->arena, wire_leave_group_response_member, n);
    if (res->members == NULL) {
        return false;
    }
    res->members_count = n;
    for (int32_t i = 0; i < n; i++) {
        const struct wire_leave_group_request_member *m = &req->members[i];
        res->members[i].member_id = m->member_id;
        res->members[i].group_instance_id = m->group_instance_id;
        res->members[i].error_code =
            err_kafka(groups_leave(k->s.groups, req->group_id, m->member_id, m->group_instance_id));
    }
    return true;
}

KAFKA_HANDLER(api_leave_group)
{
    const struct wire_leave_group_request *req = r->body;
    struct wire_leave_group_response res;
    WIRE_INIT(wire_leave_group_response, &res);
    enum err e = groups_leave_check(k->s.groups, req->group_id);
    if (e == ERR_OK && r->version < 3) {
        e = groups_leave(k->s.groups, req->group_id, req->member_id, STR_NULL);
    } else if (e == ERR_OK && !leave_many(k, r, &res)) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    res.error_code = err_kafka(e);
    kafka_reply(r, &res);
}
