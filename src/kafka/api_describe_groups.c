/* DescribeGroups (key 15, v0-6). A group that is not there is described as Dead; v6 says so with an
 * error and a message. */
#include "group/group.h"
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

/* Without ACLs everybody may do what there is to do with a group: READ, DELETE, DESCRIBE,
 * DESCRIBE_CONFIGS, ALTER_CONFIGS, as bits 3, 6, 8, 10, 11 (Kafka's AclOperation). */
#define GROUP_OPERATIONS (1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11)

static bool fill_members(struct kafka_request *r, const struct groups_info *info,
                         struct wire_describe_groups_response_group *out)
{
    out->members =
        WIRE_NEW_N(r->arena, wire_describe_groups_response_member, (int64_t)info->member_count);
    if (out->members == NULL) {
        return false;
    }
    out->members_count = (int32_t)info->member_count;
    for (size_t i = 0; i < info->member_count; i++) {
        const struct groups_member_info *from = &info->members[i];
        struct wire_describe_groups_response_member *to = &out->members[i];
        to->member_id = from->member_id;
        if (r->version >= 4) {
            to->group_instance_id = from->instance_id;
        }
        to->client_id = from->client_id;
        to->client_host = from->client_host;
        to->member_metadata = str_is_null(from->metadata) ? STR_LIT("") : from->metadata;
        to->member_assignment = str_is_null(from->assignment) ? STR_LIT("") : from->assignment;
    }
    return true;
}

static bool fill(struct kafka *k, struct kafka_request *r, struct str id,
                 struct wire_describe_groups_response_group *out)
{
    const struct wire_describe_groups_request *req = r->body;
    struct groups_info info;
    out->group_id = id;
    enum err e = groups_describe(k->s.groups, id, r->arena, &info);
    if (e == ERR_GROUP_ID_NOT_FOUND) {
        out->group_state = STR_LIT("Dead");
        if (r->version >= 6) {
            out->error_code = err_kafka(e);
            out->error_message = arena_printf(r->arena, "Group %.*s not found.", STR(id));
        }
        return true;
    }
    if (e != ERR_OK) {
        return false;
    }
    out->group_state = str_of(info.state);
    out->protocol_type = str_is_null(info.protocol_type) ? STR_LIT("") : info.protocol_type;
    out->protocol_data = str_is_null(info.protocol_name) ? STR_LIT("") : info.protocol_name;
    if (r->version >= 3 && req->include_authorized_operations) {
        out->authorized_operations = GROUP_OPERATIONS;
    }
    return fill_members(r, &info, out);
}

KAFKA_HANDLER(api_describe_groups)
{
    const struct wire_describe_groups_request *req = r->body;
    struct wire_describe_groups_response res;
    int32_t n = req->groups_count < 0 ? 0 : req->groups_count;
    WIRE_INIT(wire_describe_groups_response, &res);
    res.groups = WIRE_NEW_N(r->arena, wire_describe_groups_response_group, n);
    bool ok = res.groups != NULL;
    res.groups_count = n;
    for (int32_t i = 0; ok && i < n; i++) {
        ok = fill(k, r, req->groups[i], &res.groups[i]);
    }
    if (!ok) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    kafka_reply(r, &res);
}
