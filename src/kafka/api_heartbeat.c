/* Heartbeat (key 12, v0-4): a member is alive, and learns whether the group is rebalancing. */
#include "group/group.h"
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

KAFKA_HANDLER(api_heartbeat)
{
    const struct wire_heartbeat_request *req = r->body;
    struct wire_heartbeat_response res;
    WIRE_INIT(wire_heartbeat_response, &res);
    res.error_code = err_kafka(groups_heartbeat(k->s.groups, req->group_id, req->member_id,
                                                req->group_instance_id, req->generation_id));
    kafka_reply(r, &res);
}
