/* Groups of a cluster: who coordinates them, who is in them, what they committed, how far behind.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cluster.h"
#include "cli/out.h"

/* Later versions name topics by id, or ask for many groups at once: nothing that is needed here. */
#define FIND_COORDINATOR_CAP 3
#define OFFSET_FETCH_CAP     7

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "the answer does not fit into memory");
}

MUST_USE enum err cluster_coordinator(struct client *c, struct str group, int32_t *node,
                                      struct ectx *ec)
{
    struct wire_find_coordinator_request request;
    struct wire_find_coordinator_response r;
    WIRE_INIT(wire_find_coordinator_request, &request);
    request.key = group;
    uint64_t deadline = clock_ns() + (uint64_t)client_timeout_ms(c) * 1000000u;
    for (;;) {
        enum err e = client_call(c, CLIENT_ANY_NODE, WIRE_FIND_COORDINATOR, FIND_COORDINATOR_CAP,
                                 &request, &r, ec);
        if (e != ERR_OK) {
            return e;
        }
        if (r.error_code == 0) {
            e = client_node_add(c, r.node_id, r.host, r.port, ec);
            if (e == ERR_OK) {
                *node = r.node_id;
            }
            return e;
        }
        if (!err_retriable(client_code_err(r.error_code)) || clock_ns() >= deadline) {
            return client_code(r.error_code, r.error_message, ec, "coordinator of group '%.*s'",
                               STR(group));
        }
        clock_sleep_ms(100);
    }
}

static int compare_groups(const void *a, const void *b)
{
    const struct group_row *x = a, *y = b;
    return str_cmp(x->id, y->id);
}

MUST_USE enum err cluster_groups(struct client *c, struct group_row **out, size_t *count,
                                 struct ectx *ec)
{
    struct wire_metadata_response meta;
    struct str none = STR_LIT("");
    enum err e = cluster_metadata(c, &none, 0, &meta, ec);
    struct group_row *rows = NULL;
    size_t n = 0;
    for (int32_t i = 0; e == ERR_OK && i < meta.brokers_count; i++) {
        struct wire_list_groups_request request;
        struct wire_list_groups_response r;
        WIRE_INIT(wire_list_groups_request, &request);
        int32_t node = meta.brokers[i].node_id;
        e = client_call(c, node, WIRE_LIST_GROUPS, CLIENT_NO_CAP, &request, &r, ec);
        if (e == ERR_OK) {
            e = client_code(r.error_code, STR_NULL, ec, "groups of broker %d", node);
        }
        if (e != ERR_OK) {
            break;
        }
        size_t more = r.groups_count > 0 ? (size_t)r.groups_count : 0;
        struct group_row *grown = arena_new_n(client_arena(c), struct group_row, n + more + 1);
        if (grown == NULL) {
            return no_memory(ec);
        }
        if (n > 0) {
            memcpy(grown, rows, n * sizeof(*rows));
        }
        rows = grown;
        for (size_t k = 0; k < more; k++) {
            const struct wire_list_groups_response_group *g = &r.groups[k];
            rows[n++] = (struct group_row){g->group_id, g->protocol_type, g->group_state, node};
        }
    }
    if (e != ERR_OK) {
        return e;
    }
    if (n > 0) {
        qsort(rows, n, sizeof(*rows), compare_groups);
    }
    *out = rows;
    *count = n;
    return ERR_OK;
}

MUST_USE enum err cluster_group(struct client *c, struct str group, int32_t node,
                                struct wire_describe_groups_response_group *out, struct ectx *ec)
{
    struct wire_describe_groups_request request;
    struct wire_describe_groups_response r;
    WIRE_INIT(wire_describe_groups_request, &request);
    request.groups = &group;
    request.groups_count = 1;
    enum err e = client_call(c, node, WIRE_DESCRIBE_GROUPS, CLIENT_NO_CAP, &request, &r, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (r.groups_count != 1) {
        return ectx_fail(ec, ERR_MALFORMED, "the broker did not answer for group '%.*s'",
                         STR(group));
    }
    /* Older versions say "Dead" where newer ones say that there is no such group. */
    if (r.groups[0].error_code == err_kafka(ERR_GROUP_ID_NOT_FOUND) ||
        (r.groups[0].error_code == 0 && str_eq_z(r.groups[0].group_state, "Dead"))) {
        e = ectx_fail(ec, ERR_GROUP_ID_NOT_FOUND, "there is no group '%.*s' at %s", STR(group),
                      client_bootstrap(c));
        ectx_hint(ec, "`leat group ls` lists the groups");
        return e;
    }
    e = client_code(r.groups[0].error_code, r.groups[0].error_message, ec, "group '%.*s'",
                    STR(group));
    if (e == ERR_OK) {
        *out = r.groups[0];
    }
    return e;
}

static int compare_lag(const void *a, const void *b)
{
    const struct lag_row *x = a, *y = b;
    int by_topic = str_cmp(x->topic, y->topic);
    return by_topic != 0 ? by_topic : (x->partition > y->partition) - (x->partition < y->partition);
}

/* What the group committed: topic, partition, offset and metadata of each row. */
static enum err fetch_committed(struct client *c, struct str group, int32_t node,
                                struct lag_row **out, size_t *count, struct ectx *ec)
{
    struct wire_offset_fetch_request request;
    struct wire_offset_fetch_response r;
    WIRE_INIT(wire_offset_fetch_request, &request);
    request.group_id = group;
    request.topics = NULL;
    request.topics_count = -1;
    enum err e = client_call(c, node, WIRE_OFFSET_FETCH, OFFSET_FETCH_CAP, &request, &r, ec);
    if (e == ERR_OK) {
        e = client_code(r.error_code, STR_NULL, ec, "offsets of group '%.*s'", STR(group));
    }
    if (e != ERR_OK) {
        return e;
    }
    size_t n = 0;
    for (int32_t t = 0; t < r.topics_count; t++) {
        n += (size_t)r.topics[t].partitions_count;
    }
    struct lag_row *rows = arena_new_n(client_arena(c), struct lag_row, n + 1);
    if (rows == NULL) {
        return no_memory(ec);
    }
    n = 0;
    for (int32_t t = 0; t < r.topics_count; t++) {
        for (int32_t p = 0; p < r.topics[t].partitions_count; p++) {
            const struct wire_offset_fetch_response_partition *o = &r.topics[t].partitions[p];
            if (o->committed_offset >= 0) {
                rows[n++] = (struct lag_row){.topic = r.topics[t].name,
                                             .partition = o->partition_index,
                                             .committed = o->committed_offset,
                                             .metadata = o->metadata};
            }
        }
    }
    *out = rows;
    *count = n;
    return ERR_OK;
}

static int32_t leader_of(const struct wire_metadata_response *m, struct str topic,
                         int32_t partition)
{
    for (int32_t t = 0; t < m->topics_count; t++) {
        if (!str_eq(m->topics[t].name, topic)) {
            continue;
        }
        for (int32_t p = 0; p < m->topics[t].partitions_count; p++) {
            if (m->topics[t].partitions[p].partition_index == partition) {
                return m->topics[t].partitions[p].leader_id;
            }
        }
    }
    return -1;
}

/* Start and end of each row's partition. Rows are sorted. */
static enum err fetch_ends(struct client *c, struct lag_row *rows, size_t n, struct ectx *ec)
{
    struct arena *a = client_arena(c);
    struct str *names = arena_new_n(a, struct str, n);
    struct offset_query *q = arena_new_n(a, struct offset_query, n);
    if (names == NULL || q == NULL) {
        return no_memory(ec);
    }
    int32_t topics = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !str_eq(rows[i].topic, rows[i - 1].topic)) {
            names[topics++] = rows[i].topic;
        }
    }
    struct wire_metadata_response meta;
    enum err e = cluster_metadata(c, names, topics, &meta, ec);
    for (size_t pass = 0; pass < 2 && e == ERR_OK; pass++) {
        for (size_t i = 0; i < n; i++) {
            q[i] =
                (struct offset_query){.topic = rows[i].topic,
                                      .partition = rows[i].partition,
                                      .leader = leader_of(&meta, rows[i].topic, rows[i].partition),
                                      .time = pass == 0 ? OFFSET_START : OFFSET_END};
        }
        e = cluster_offsets(c, q, n, ec);
        for (size_t i = 0; i < n; i++) {
            int64_t offset = q[i].code == 0 ? q[i].offset : -1;
            *(pass == 0 ? &rows[i].start : &rows[i].end) = offset;
        }
    }
    return e;
}

/* Writes the client id of the member that has each partition. A member whose assignment cannot be
 * read (another protocol than the consumers') has none. */
static void note_members(struct client *c, const struct wire_describe_groups_response_group *g,
                         struct lag_row *rows, size_t n)
{
    for (int32_t m = 0; m < g->members_count; m++) {
        const struct wire_describe_groups_response_member *member = &g->members[m];
        struct slice in = slice_of(member->member_assignment.p, member->member_assignment.n);
        struct wire_consumer_protocol_assignment assigned;
        int16_t version;
        struct ectx ignored = {0};
        if (!slice_i16(&in, &version) || version < 0 ||
            wire_decode(&wire_consumer_protocol_assignment_type, version > 3 ? 3 : version, &in,
                        client_arena(c), &assigned, &ignored) != ERR_OK) {
            continue;
        }
        for (int32_t t = 0; t < assigned.assigned_partitions_count; t++) {
            const struct wire_consumer_protocol_assignment_topic *at =
                &assigned.assigned_partitions[t];
            for (int32_t p = 0; p < at->partitions_count; p++) {
                struct lag_row key = {.topic = at->topic, .partition = at->partitions[p]};
                struct lag_row *row = bsearch(&key, rows, n, sizeof(*rows), compare_lag);
                if (row != NULL) {
                    row->member = member->client_id;
                }
            }
        }
    }
}

MUST_USE enum err cluster_group_lag(struct client *c, struct str group, int32_t node,
                                    struct lag_row **out, size_t *count, struct ectx *ec)
{
    struct lag_row *rows = NULL;
    size_t n = 0;
    struct wire_describe_groups_response_group g;
    enum err e = cluster_group(c, group, node, &g, ec);
    if (e == ERR_OK) {
        e = fetch_committed(c, group, node, &rows, &n, ec);
    }
    if (e == ERR_OK && n > 0) {
        qsort(rows, n, sizeof(*rows), compare_lag);
        e = fetch_ends(c, rows, n, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < n; i++) {
        rows[i].lag = rows[i].end < 0 ? -1
                      : rows[i].end > rows[i].committed
                          ? clamped_sub(rows[i].end, rows[i].committed)
                          : 0;
    }
    note_members(c, &g, rows, n);
    *out = rows;
    *count = n;
    return ERR_OK;
}
