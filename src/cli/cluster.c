/* Topics, offsets and configurations of a cluster. */
#include "cli/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "cli/out.h"

#define NAMES_MAX 100000
/* A topic that was just made has no leaders for a moment, or they do not know it yet. */
#define SETTLE_TRIES 20
#define SETTLE_MS    100

int cluster_compare_topics(const void *a, const void *b)
{
    const struct wire_metadata_response_topic *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

int cluster_compare_partitions(const void *a, const void *b)
{
    const struct wire_metadata_response_partition *x = a, *y = b;
    return (x->partition_index > y->partition_index) - (x->partition_index < y->partition_index);
}

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "the answer does not fit into memory");
}

MUST_USE enum err cluster_metadata(struct client *c, const struct str *names, int32_t count,
                                   struct wire_metadata_response *out, struct ectx *ec)
{
    struct wire_metadata_request request;
    WIRE_INIT(wire_metadata_request, &request);
    request.allow_auto_topic_creation = false;
    request.topics = NULL;
    request.topics_count = -1;
    if (names != NULL) {
        request.topics = WIRE_NEW_N(client_arena(c), wire_metadata_request_topic, count);
        request.topics_count = count;
        if (request.topics == NULL) {
            return no_memory(ec);
        }
        for (int32_t i = 0; i < count; i++) {
            request.topics[i].name = names[i];
        }
    }
    enum err e = client_call(c, CLIENT_ANY_NODE, WIRE_METADATA, CLIENT_NO_CAP, &request, out, ec);
    for (int32_t i = 0; e == ERR_OK && i < out->brokers_count; i++) {
        const struct wire_metadata_response_broker *b = &out->brokers[i];
        e = client_node_add(c, b->node_id, b->host, b->port, ec);
    }
    for (int32_t i = 0; e == ERR_OK && i < out->topics_count; i++) {
        struct wire_metadata_response_topic *t = &out->topics[i];
        if (t->partitions_count > 0) {
            qsort(t->partitions, (size_t)t->partitions_count, sizeof(*t->partitions),
                  cluster_compare_partitions);
        }
    }
    return e;
}

MUST_USE enum err cluster_unknown_topic(struct client *c, const char *name, struct ectx *ec)
{
    enum err e = ectx_fail(ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "there is no topic '%s' at %s", name,
                           client_bootstrap(c));
    struct wire_metadata_response all;
    struct ectx ignored = {0};
    if (cluster_metadata(c, NULL, 0, &all, &ignored) != ERR_OK || all.topics_count > NAMES_MAX) {
        return e;
    }
    const char **names =
        arena_array(client_arena(c), (size_t)all.topics_count + 1, sizeof(const char *));
    size_t n = 0;
    for (int32_t i = 0; names != NULL && i < all.topics_count; i++) {
        struct str copy = arena_str(client_arena(c), all.topics[i].name);
        if (copy.p != NULL) {
            names[n++] = copy.p;
        }
    }
    const char *near = names == NULL ? NULL : cli_nearest(name, names, n);
    if (near != NULL) {
        ectx_hint(ec, "did you mean '%s'?", near);
    } else {
        ectx_hint(ec, "`leat topic ls` lists the topics, `leat topic create %s` makes it", name);
    }
    return e;
}

static bool lacks_leader(const struct wire_metadata_response_topic *t)
{
    for (int32_t i = 0; i < t->partitions_count; i++) {
        if (t->partitions[i].leader_id < 0) {
            return true;
        }
    }
    return false;
}

MUST_USE enum err cluster_topic(struct client *c, const char *name,
                                struct wire_metadata_response_topic *out, struct ectx *ec)
{
    struct str wanted = str_of(name);
    struct wire_metadata_response m;
    for (int tries = 0;; tries++) {
        enum err e = cluster_metadata(c, &wanted, 1, &m, ec);
        if (e != ERR_OK) {
            return e;
        }
        if (m.topics_count != 1) {
            return ectx_fail(ec, ERR_MALFORMED, "the broker did not answer for topic '%s'", name);
        }
        int16_t code = m.topics[0].error_code;
        if (code == err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION)) {
            return cluster_unknown_topic(c, name, ec);
        }
        bool wait = tries < SETTLE_TRIES && (code == CODE_LEADER_NOT_AVAILABLE ||
                                             (code == 0 && lacks_leader(&m.topics[0])));
        if (!wait) {
            e = client_code(code, STR_NULL, ec, "topic '%s'", name);
            if (e == ERR_OK) {
                *out = m.topics[0];
            }
            return e;
        }
        clock_sleep_ms(SETTLE_MS);
    }
}

/* Is q[i] the first of its leader? */
static bool first_of_leader(const struct offset_query *q, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (q[k].leader == q[i].leader) {
            return false;
        }
    }
    return true;
}

static enum err ask_leader(struct client *c, struct offset_query *q, size_t count, int32_t leader,
                           struct ectx *ec)
{
    struct arena *a = client_arena(c);
    struct wire_list_offsets_request request;
    struct wire_list_offsets_response response;
    WIRE_INIT(wire_list_offsets_request, &request);
    request.replica_id = -1;
    request.timeout_ms = client_timeout_ms(c);
    request.topics = WIRE_NEW_N(a, wire_list_offsets_request_topic, (int64_t)count);
    struct wire_list_offsets_request_partition *p =
        WIRE_NEW_N(a, wire_list_offsets_request_partition, (int64_t)count);
    if (request.topics == NULL || p == NULL) {
        return no_memory(ec);
    }
    struct wire_list_offsets_request_topic *t = NULL;
    for (size_t i = 0; i < count; i++) {
        if (q[i].leader != leader) {
            continue;
        }
        if (t == NULL || !str_eq(t->name, q[i].topic)) {
            t = &request.topics[request.topics_count++];
            t->name = q[i].topic;
            t->partitions = p;
        }
        p->partition_index = q[i].partition;
        p->timestamp = q[i].time;
        p++;
        t->partitions_count++;
    }
    enum err e = client_call(c, leader, WIRE_LIST_OFFSETS, CLIENT_NO_CAP, &request, &response, ec);
    if (e != ERR_OK) {
        return e;
    }
    /* Answers come in the order of the question from every broker that we know; a search from where
     * the last one was found is right in any order. */
    size_t at = 0;
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct wire_list_offsets_response_topic *rt = &response.topics[i];
        for (int32_t k = 0; k < rt->partitions_count; k++) {
            for (size_t n = 0; n < count; n++, at++) {
                struct offset_query *one = &q[at % count];
                if (one->leader == leader && one->partition == rt->partitions[k].partition_index &&
                    str_eq(one->topic, rt->name)) {
                    one->offset = rt->partitions[k].offset;
                    one->code = rt->partitions[k].error_code;
                    at++;
                    break;
                }
            }
        }
    }
    return ERR_OK;
}

/* Did a leader say that it is none, or does not know the partition? */
static bool unsettled(const struct offset_query *q, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (q[i].leader >= 0 && q[i].code != 0 && err_retriable(client_code_err(q[i].code))) {
            return true;
        }
    }
    return false;
}

MUST_USE enum err cluster_offsets(struct client *c, struct offset_query *q, size_t count,
                                  struct ectx *ec)
{
    enum err e = ERR_OK;
    for (int tries = 0; e == ERR_OK && tries < SETTLE_TRIES; tries++) {
        for (size_t i = 0; i < count; i++) {
            q[i].offset = -1;
            q[i].code = CODE_LEADER_NOT_AVAILABLE;
        }
        for (size_t i = 0; i < count && e == ERR_OK; i++) {
            if (q[i].leader >= 0 && first_of_leader(q, i)) {
                e = ask_leader(c, q, count, q[i].leader, ec);
            }
        }
        if (!unsettled(q, count)) {
            break;
        }
        clock_sleep_ms(SETTLE_MS);
    }
    return e;
}

static int compare_configs(const void *a, const void *b)
{
    const struct config_row *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

MUST_USE enum err cluster_configs(struct client *c, int8_t type, const char *name,
                                  struct config_row **out, size_t *count, struct ectx *ec)
{
    struct arena *a = client_arena(c);
    struct wire_describe_configs_request request;
    struct wire_describe_configs_response response;
    struct wire_describe_configs_request_resource resource;
    WIRE_INIT(wire_describe_configs_request, &request);
    WIRE_INIT(wire_describe_configs_request_resource, &resource);
    resource.resource_type = type;
    resource.resource_name = str_of(name);
    resource.configuration_keys = NULL;
    resource.configuration_keys_count = -1;
    request.resources = &resource;
    request.resources_count = 1;
    enum err e = client_call(c, CLIENT_ANY_NODE, WIRE_DESCRIBE_CONFIGS, CLIENT_NO_CAP, &request,
                             &response, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (response.results_count != 1) {
        return ectx_fail(ec, ERR_MALFORMED, "the broker did not answer for '%s'", name);
    }
    const struct wire_describe_configs_response_resource *r = &response.results[0];
    if (type == 2 && r->error_code == err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION)) {
        return cluster_unknown_topic(c, name, ec);
    }
    e = client_code(r->error_code, r->error_message, ec, "configuration of '%s'", name);
    if (e != ERR_OK) {
        return e;
    }
    size_t n = r->configs_count > 0 ? (size_t)r->configs_count : 0;
    struct config_row *rows = arena_new_n(a, struct config_row, n + 1);
    if (rows == NULL) {
        return no_memory(ec);
    }
    for (size_t i = 0; i < n; i++) {
        const struct wire_describe_configs_response_config *k = &r->configs[i];
        rows[i] = (struct config_row){k->name,          k->value,     k->documentation,
                                      k->config_source, k->read_only, k->is_sensitive};
    }
    qsort(rows, n, sizeof(*rows), compare_configs);
    *out = rows;
    *count = n;
    return ERR_OK;
}

const char *cluster_config_source(int8_t source)
{
    static const char *const names[] = {"unknown", "topic",   "broker",       "brokers",
                                        "file",    "default", "broker logger"};
    return source >= 0 && (size_t)source < ARRAY_LEN(names) ? names[source] : "unknown";
}

/* The log directories of one node. */
static enum err log_dirs(struct client *c, int32_t node,
                         struct wire_describe_log_dirs_response *out, struct ectx *ec)
{
    struct wire_describe_log_dirs_request request;
    WIRE_INIT(wire_describe_log_dirs_request, &request);
    request.topics = NULL;
    request.topics_count = -1;
    return client_call(c, node, WIRE_DESCRIBE_LOG_DIRS, CLIENT_NO_CAP, &request, out, ec);
}

MUST_USE enum err cluster_disk(struct client *c, const struct wire_metadata_response *meta,
                               struct disk_total *out, struct ectx *ec)
{
    struct disk_total sum = {0};
    bool volumes_known = true;
    for (int32_t i = 0; i < meta->brokers_count; i++) {
        struct wire_describe_log_dirs_response r;
        enum err e = log_dirs(c, meta->brokers[i].node_id, &r, ec);
        if (e != ERR_OK) {
            return e;
        }
        for (int32_t d = 0; d < r.results_count; d++) {
            const struct wire_describe_log_dirs_response_log_dir *dir = &r.results[d];
            volumes_known = volumes_known && dir->total_bytes >= 0;
            sum.total_bytes = clamped_add(sum.total_bytes, dir->total_bytes);
            sum.usable_bytes = clamped_add(sum.usable_bytes, dir->usable_bytes);
            for (int32_t t = 0; t < dir->topics_count; t++) {
                for (int32_t p = 0; p < dir->topics[t].partitions_count; p++) {
                    sum.log_bytes =
                        clamped_add(sum.log_bytes, dir->topics[t].partitions[p].partition_size);
                }
            }
        }
    }
    if (!volumes_known) {
        sum.total_bytes = sum.usable_bytes = -1;
    }
    sum.known = true;
    *out = sum;
    return ERR_OK;
}

MUST_USE enum err cluster_topic_bytes(struct client *c, const struct wire_metadata_response *meta,
                                      struct str topic, int64_t *bytes, size_t partitions,
                                      struct ectx *ec)
{
    for (int32_t i = 0; i < meta->brokers_count; i++) {
        struct wire_describe_log_dirs_response r;
        enum err e = log_dirs(c, meta->brokers[i].node_id, &r, ec);
        if (e != ERR_OK) {
            return e;
        }
        for (int32_t d = 0; d < r.results_count; d++) {
            for (int32_t t = 0; t < r.results[d].topics_count; t++) {
                const struct wire_describe_log_dirs_response_topic *rt = &r.results[d].topics[t];
                for (int32_t p = 0; str_eq(rt->name, topic) && p < rt->partitions_count; p++) {
                    int32_t index = rt->partitions[p].partition_index;
                    if (index >= 0 && (size_t)index < partitions) {
                        bytes[index] = clamped_add(bytes[index], rt->partitions[p].partition_size);
                    }
                }
            }
        }
    }
    return ERR_OK;
}
