/* leat topic ls, show, create, delete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cluster.h"
#include "cli/out.h"

static enum err no_memory(struct ectx *ec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "the answer does not fit into memory");
}

struct topic_sum {
    int64_t start, end; /* sums over the partitions; records = end - start */
    bool known;
};

/* Start and end of all partitions of these topics: `q` has room for two queries each. */
static enum err query_ends(struct client *c, const struct wire_metadata_response_topic *t,
                           size_t topics, struct offset_query **out, size_t *count, struct ectx *ec)
{
    size_t n = 0;
    for (size_t i = 0; i < topics; i++) {
        n += t[i].partitions_count > 0 ? (size_t)t[i].partitions_count : 0;
    }
    struct offset_query *q = arena_new_n(client_arena(c), struct offset_query, n * 2 + 1);
    if (q == NULL) {
        return no_memory(ec);
    }
    size_t at = 0;
    for (size_t i = 0; i < topics; i++) {
        for (int32_t p = 0; p < t[i].partitions_count; p++, at++) {
            const struct wire_metadata_response_partition *part = &t[i].partitions[p];
            q[at] = (struct offset_query){.topic = t[i].name,
                                          .partition = part->partition_index,
                                          .leader = part->leader_id,
                                          .time = OFFSET_START};
            q[n + at] = q[at];
            q[n + at].time = OFFSET_END;
        }
    }
    enum err e = cluster_offsets(c, q, n, ec);
    if (e == ERR_OK) {
        e = cluster_offsets(c, q + n, n, ec);
    }
    if (e == ERR_OK) {
        *out = q;
        *count = n;
    }
    return e;
}

static enum err print_list(struct cli *cli, const struct wire_metadata_response_topic *t, size_t n,
                           const struct offset_query *q, size_t queries)
{
    static const char *const titles[] = {"TOPIC", ">PARTITIONS", ">REPLICAS", ">RECORDS"};
    struct table table;
    struct doc j;
    table_init(&table, cli, titles, ARRAY_LEN(titles));
    doc_init(&j);
    doc_array(&j, NULL);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t records = 0;
        int32_t count = t[i].partitions_count;
        bool known = true;
        for (int32_t p = 0; p < count; p++, at++) {
            known = known && q[at].code == 0 && q[queries + at].code == 0;
            records = clamped_add(records, clamped_sub(q[queries + at].offset, q[at].offset));
        }
        int32_t replicas = count > 0 ? t[i].partitions[0].replica_nodes_count : 0;
        char text[32];
        table_str(&table, COLOUR_NONE, t[i].name);
        table_cell(&table, COLOUR_NONE, "%d", count);
        table_cell(&table, COLOUR_NONE, "%d", replicas);
        table_cell(&table, COLOUR_NONE, "%s", known ? format_count(records, text) : "?");
        doc_object(&j, NULL);
        doc_str(&j, "topic", t[i].name);
        doc_i64(&j, "partitions", count);
        doc_i64(&j, "replicas", replicas);
        if (known) {
            doc_i64(&j, "records", records);
        } else {
            doc_null(&j, "records");
        }
        doc_bool(&j, "internal", t[i].is_internal);
        doc_end(&j, '}');
    }
    doc_end(&j, ']');
    enum err e = cli->json ? doc_print(&j, &cli->ec)
                 : n == 0  ? out_write(STR_LIT("no topics\n"), &cli->ec)
                           : table_print(&table, &cli->ec);
    doc_deinit(&j);
    return e;
}

int run_topic_ls(struct cli *cli)
{
    struct client *c = NULL;
    struct wire_metadata_response m;
    struct offset_query *q = NULL;
    size_t n = 0, queries = 0;
    enum err e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    if (e == ERR_OK) {
        e = cluster_metadata(c, NULL, 0, &m, &cli->ec);
    }
    if (e == ERR_OK) {
        for (int32_t i = 0; i < m.topics_count; i++) {
            if (!m.topics[i].is_internal || cli_has(cli, OPT_ALL)) {
                m.topics[n++] = m.topics[i];
            }
        }
        if (n > 0) {
            qsort(m.topics, n, sizeof(*m.topics), cluster_compare_topics);
        }
        e = query_ends(c, m.topics, n, &q, &queries, &cli->ec);
    }
    if (e == ERR_OK) {
        e = print_list(cli, m.topics, n, q, queries);
    }
    client_destroy(c);
    return cli_report(e, &cli->ec);
}

struct shown_topic {
    struct wire_metadata_response_topic t;
    struct offset_query *q;
    size_t queries;
    int64_t *bytes; /* by partition index; NULL: the broker does not tell */
    struct config_row *configs;
    size_t config_count;
};

static void show_json(const struct shown_topic *s, struct doc *j)
{
    char id[UUID_KAFKA_SIZE];
    uuid_format_kafka(s->t.topic_id, id);
    doc_object(j, NULL);
    doc_str(j, "topic", s->t.name);
    doc_str(j, "id", uuid_is_zero(s->t.topic_id) ? STR_NULL : str_of(id));
    doc_bool(j, "internal", s->t.is_internal);
    doc_array(j, "partitions");
    for (int32_t i = 0; i < s->t.partitions_count; i++) {
        const struct wire_metadata_response_partition *p = &s->t.partitions[i];
        doc_object(j, NULL);
        doc_i64(j, "partition", p->partition_index);
        doc_i64(j, "leader", p->leader_id);
        doc_i64(j, "leader_epoch", p->leader_epoch);
        doc_i64(j, "replicas", p->replica_nodes_count);
        doc_i64(j, "in_sync", p->isr_nodes_count);
        doc_i64(j, "start", s->q[i].offset);
        doc_i64(j, "end", s->q[s->queries + (size_t)i].offset);
        if (s->bytes != NULL) {
            doc_i64(j, "bytes", s->bytes[i]);
        } else {
            doc_null(j, "bytes");
        }
        doc_end(j, '}');
    }
    doc_end(j, ']');
    doc_object(j, "config");
    for (size_t i = 0; i < s->config_count; i++) {
        if (s->configs[i].source == 1) {
            char key[256];
            snprintf(key, sizeof(key), "%.*s", STR(s->configs[i].name));
            doc_str(j, key, s->configs[i].value);
        }
    }
    doc_end(j, '}');
    doc_end(j, '}');
}

static enum err show_text(struct cli *cli, const struct shown_topic *s)
{
    static const char *const titles[] = {">PARTITION", ">LEADER",  ">IN SYNC", ">START",
                                         ">END",       ">RECORDS", ">SIZE"};
    struct table table;
    char text[32], id[UUID_KAFKA_SIZE];
    uuid_format_kafka(s->t.topic_id, id);
    out_printf("%s%.*s%s  id %s%s\n", colour_on(cli, COLOUR_BOLD), STR(s->t.name),
               colour_off(cli, COLOUR_BOLD), uuid_is_zero(s->t.topic_id) ? "-" : id,
               s->t.is_internal ? "  internal" : "");
    table_init(&table, cli, titles, ARRAY_LEN(titles));
    for (int32_t i = 0; i < s->t.partitions_count; i++) {
        const struct wire_metadata_response_partition *p = &s->t.partitions[i];
        const struct offset_query *start = &s->q[i], *end = &s->q[s->queries + (size_t)i];
        bool whole = p->isr_nodes_count == p->replica_nodes_count;
        table_cell(&table, COLOUR_NONE, "%d", p->partition_index);
        if (p->leader_id < 0) {
            table_cell(&table, COLOUR_RED, "none");
        } else {
            table_cell(&table, COLOUR_NONE, "%d", p->leader_id);
        }
        table_cell(&table, whole ? COLOUR_NONE : COLOUR_YELLOW, "%d/%d", p->isr_nodes_count,
                   p->replica_nodes_count);
        table_cell(&table, COLOUR_NONE, "%s",
                   start->code == 0 ? format_count(start->offset, text) : "?");
        table_cell(&table, COLOUR_NONE, "%s",
                   end->code == 0 ? format_count(end->offset, text) : "?");
        table_cell(&table, COLOUR_NONE, "%s",
                   start->code == 0 && end->code == 0
                       ? format_count(clamped_sub(end->offset, start->offset), text)
                       : "?");
        table_cell(&table, COLOUR_NONE, "%s",
                   s->bytes == NULL ? "?" : format_bytes((double)s->bytes[i], text));
    }
    enum err e = table_print(&table, &cli->ec);
    bool any = false;
    for (size_t i = 0; e == ERR_OK && i < s->config_count; i++) {
        if (s->configs[i].source == 1) {
            out_printf("%s  %.*s = %.*s\n", any ? "" : "Set on the topic:\n",
                       STR(s->configs[i].name), STR(s->configs[i].value));
            any = true;
        } else if (str_eq_z(s->configs[i].name, "leat.durability") &&
                   str_eq_z(s->configs[i].value, "os")) {
            /* What an acknowledgement means is told wherever it was set. */
            out_printf("Set on the server: leat.durability = os\n");
        }
    }
    return e;
}

int run_topic_show(struct cli *cli)
{
    struct client *c = NULL;
    struct shown_topic s = {0};
    struct wire_metadata_response m;
    struct str name = str_of(cli->words[0]);
    enum err e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    if (e == ERR_OK) {
        e = cluster_topic(c, cli->words[0], &s.t, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cluster_metadata(c, &name, 1, &m, &cli->ec);
    }
    if (e == ERR_OK) {
        e = query_ends(c, &s.t, 1, &s.q, &s.queries, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cluster_configs(c, 2, cli->words[0], &s.configs, &s.config_count, &cli->ec);
    }
    if (e == ERR_OK) {
        struct ectx ignored = {0}; /* a broker that does not tell sizes is still worth showing */
        size_t n = (size_t)s.t.partitions_count;
        s.bytes = arena_new_n(&cli->arena, int64_t, n + 1);
        if (s.bytes == NULL || cluster_topic_bytes(c, &m, name, s.bytes, n, &ignored) != ERR_OK) {
            s.bytes = NULL;
        }
        struct doc j;
        doc_init(&j);
        if (cli->json) {
            show_json(&s, &j);
            e = doc_print(&j, &cli->ec);
        } else {
            e = show_text(cli, &s);
        }
        doc_deinit(&j);
    }
    client_destroy(c);
    return cli_report(e, &cli->ec);
}

static enum err fill_create(struct cli *cli, struct wire_create_topics_request *request)
{
    struct arena *a = &cli->arena;
    const struct cli_list *set = &cli->lists[OPT_SET];
    int64_t partitions, replication;
    enum err e = cli_number(cli, OPT_PARTITIONS, 1, 1000000, -1, &partitions, &cli->ec);
    if (e == ERR_OK) {
        e = cli_number(cli, OPT_REPLICATION, 1, INT16_MAX, -1, &replication, &cli->ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    WIRE_INIT(wire_create_topics_request, request);
    request->timeout_ms = cli->timeout_ms;
    request->validate_only = cli_has(cli, OPT_DRY_RUN);
    request->topics_count = (int32_t)cli->word_count;
    request->topics = WIRE_NEW_N(a, wire_create_topics_request_topic, (int64_t)cli->word_count);
    struct wire_create_topics_request_config *configs =
        WIRE_NEW_N(a, wire_create_topics_request_config, (int64_t)set->count);
    if (request->topics == NULL || configs == NULL) {
        return no_memory(&cli->ec);
    }
    for (size_t i = 0; i < set->count && e == ERR_OK; i++) {
        e = cli_pair(set->items[i], "--set", &configs[i].name, &configs[i].value, &cli->ec);
    }
    for (size_t i = 0; i < cli->word_count; i++) {
        request->topics[i].name = str_of(cli->words[i]);
        request->topics[i].num_partitions = (int32_t)partitions;
        request->topics[i].replication_factor = (int16_t)replication;
        request->topics[i].configs = configs;
        request->topics[i].configs_count = (int32_t)set->count;
    }
    return e;
}

int run_topic_create(struct cli *cli)
{
    struct client *c = NULL;
    struct wire_create_topics_request request;
    struct wire_create_topics_response r;
    struct wire_metadata_response m;
    struct str none = STR_LIT("");
    enum err e = fill_create(cli, &request);
    if (e == ERR_OK) {
        e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cluster_metadata(c, &none, 0, &m, &cli->ec);
    }
    if (e == ERR_OK) {
        int32_t node = m.controller_id >= 0 ? m.controller_id : CLIENT_ANY_NODE;
        e = client_call(c, node, WIRE_CREATE_TOPICS, CLIENT_NO_CAP, &request, &r, &cli->ec);
    }
    if (e != ERR_OK) {
        client_destroy(c);
        return cli_report(e, &cli->ec);
    }
    int status = 0;
    for (int32_t i = 0; i < r.topics_count; i++) {
        const struct wire_create_topics_response_topic *t = &r.topics[i];
        bool there = t->error_code == err_kafka(ERR_TOPIC_ALREADY_EXISTS);
        if (there && cli_has(cli, OPT_IF_NOT_EXISTS)) {
            out_printf("topic %.*s exists already\n", STR(t->name));
            continue;
        }
        e = client_code(t->error_code, t->error_message, &cli->ec, "could not create topic '%.*s'",
                        STR(t->name));
        if (e != ERR_OK) {
            if (there) {
                ectx_hint(&cli->ec, "--if-not-exists makes that no error");
            }
            status = cli_report(e, &cli->ec);
            cli->ec = (struct ectx){0};
        } else {
            out_printf("%s topic %.*s", request.validate_only ? "could create" : "created",
                       STR(t->name));
            out_printf(t->num_partitions > 0 ? " with %d partition%s\n" : "\n", t->num_partitions,
                       t->num_partitions == 1 ? "" : "s");
        }
    }
    client_destroy(c);
    return status;
}

int run_topic_delete(struct cli *cli)
{
    struct client *c = NULL;
    struct wire_delete_topics_request request;
    struct wire_delete_topics_response r;
    struct wire_metadata_response m;
    struct str none = STR_LIT("");
    WIRE_INIT(wire_delete_topics_request, &request);
    request.timeout_ms = cli->timeout_ms;
    request.topic_names = arena_new_n(&cli->arena, struct str, cli->word_count);
    request.topic_names_count = (int32_t)cli->word_count;
    enum err e = request.topic_names == NULL ? no_memory(&cli->ec) : ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < cli->word_count; i++) {
        request.topic_names[i] = str_of(cli->words[i]);
    }
    if (e == ERR_OK) {
        e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cluster_metadata(c, &none, 0, &m, &cli->ec);
    }
    if (e == ERR_OK) {
        int32_t node = m.controller_id >= 0 ? m.controller_id : CLIENT_ANY_NODE;
        /* Later versions name topics in another field. */
        e = client_call(c, node, WIRE_DELETE_TOPICS, 5, &request, &r, &cli->ec);
    }
    int status = cli_report(e, &cli->ec);
    for (int32_t i = 0; e == ERR_OK && i < r.responses_count; i++) {
        const struct wire_delete_topics_response_topic *t = &r.responses[i];
        bool missing = t->error_code == err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION);
        if (missing && cli_has(cli, OPT_IF_EXISTS)) {
            continue;
        }
        if (t->error_code == 0) {
            out_printf("deleted topic %.*s\n", STR(t->name));
            continue;
        }
        enum err failed =
            missing ? cluster_unknown_topic(c, arena_str(&cli->arena, t->name).p, &cli->ec)
                    : client_code(t->error_code, t->error_message, &cli->ec,
                                  "could not delete topic '%.*s'", STR(t->name));
        status = cli_report(failed, &cli->ec);
        cli->ec = (struct ectx){0};
    }
    client_destroy(c);
    return status;
}
