/* ListGroups (key 16, v0-5), with filters by state (v4+) and by type (v5+: all groups here are of
 * the classic type). Filters ignore case, as Kafka's do. */
#include <strings.h>

#include "group/group.h"
#include "kafka/kafka_int.h"
#include "wire/gen/all.h"

#define GROUP_TYPE "classic"

static bool filter_has(const struct str *filter, int32_t n, const char *name)
{
    size_t len = strlen(name);
    for (int32_t i = 0; i < n; i++) {
        if (filter[i].n == len && strncasecmp(filter[i].p, name, len) == 0) {
            return true;
        }
    }
    return n <= 0;
}

KAFKA_HANDLER(api_list_groups)
{
    const struct wire_list_groups_request *req = r->body;
    struct wire_list_groups_response res;
    size_t n = 0;
    WIRE_INIT(wire_list_groups_response, &res);
    const struct groups_listing *list = groups_list(k->s.groups, r->arena, &n);
    res.groups =
        list == NULL ? NULL : WIRE_NEW_N(r->arena, wire_list_groups_response_group, (int64_t)n);
    if (res.groups == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    bool type_wanted = filter_has(req->types_filter, req->types_filter_count, GROUP_TYPE);
    for (size_t i = 0; i < n && type_wanted; i++) {
        if (!filter_has(req->states_filter, req->states_filter_count, list[i].state)) {
            continue;
        }
        struct wire_list_groups_response_group *out = &res.groups[res.groups_count++];
        out->group_id = list[i].group_id;
        out->protocol_type = list[i].protocol_type;
        if (r->version >= 4) {
            out->group_state = str_of(list[i].state);
        }
        if (r->version >= 5) {
            out->group_type = STR_LIT(GROUP_TYPE);
        }
    }
    kafka_reply(r, &res);
}
