/*
 * leat topic config: shows the configuration of a topic, or changes single keys of it. A change
 * names only the keys that change (KIP-339), so all others stay as they are.
 */
#include <string.h>

#include "cli/cluster.h"
#include "cli/out.h"

enum { OPERATION_SET = 0, OPERATION_DELETE = 1 };

static enum err alter(struct cli *cli, struct client *c)
{
    const struct cli_list *set = &cli->lists[OPT_SET], *unset = &cli->lists[OPT_UNSET];
    size_t n = set->count + unset->count;
    struct wire_incremental_alter_configs_request request;
    struct wire_incremental_alter_configs_response r;
    struct wire_incremental_alter_configs_request_resource resource;
    WIRE_INIT(wire_incremental_alter_configs_request, &request);
    WIRE_INIT(wire_incremental_alter_configs_request_resource, &resource);
    resource.resource_type = 2;
    resource.resource_name = str_of(cli->words[0]);
    resource.configs =
        WIRE_NEW_N(&cli->arena, wire_incremental_alter_configs_request_config, (int64_t)n);
    resource.configs_count = (int32_t)n;
    request.resources = &resource;
    request.resources_count = 1;
    request.validate_only = cli_has(cli, OPT_DRY_RUN);
    if (resource.configs == NULL) {
        return ectx_fail(&cli->ec, ERR_NO_MEMORY, "out of memory");
    }
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        struct wire_incremental_alter_configs_request_config *k = &resource.configs[i];
        if (i < set->count) {
            k->config_operation = OPERATION_SET;
            e = cli_pair(set->items[i], "--set", &k->name, &k->value, &cli->ec);
        } else {
            k->config_operation = OPERATION_DELETE;
            k->name = str_of(unset->items[i - set->count]);
            k->value = STR_NULL;
        }
    }
    if (e == ERR_OK) {
        e = client_call(c, CLIENT_ANY_NODE, WIRE_INCREMENTAL_ALTER_CONFIGS, CLIENT_NO_CAP, &request,
                        &r, &cli->ec);
    }
    if (e == ERR_OK && r.responses_count != 1) {
        e = ectx_fail(&cli->ec, ERR_MALFORMED, "the broker did not answer for the topic");
    }
    if (e == ERR_OK && r.responses[0].error_code == err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION)) {
        return cluster_unknown_topic(c, cli->words[0], &cli->ec);
    }
    if (e == ERR_OK) {
        e = client_code(r.responses[0].error_code, r.responses[0].error_message, &cli->ec,
                        "could not change topic '%s'", cli->words[0]);
    }
    return e;
}

static enum err show(struct cli *cli, const struct config_row *rows, size_t n)
{
    static const char *const titles[] = {"KEY", "VALUE", "FROM"};
    struct table table;
    struct doc j;
    table_init(&table, cli, titles, ARRAY_LEN(titles));
    doc_init(&j);
    doc_array(&j, NULL);
    for (size_t i = 0; i < n; i++) {
        bool own = rows[i].source == 1;
        struct str value = rows[i].sensitive ? STR_LIT("(secret)") : rows[i].value;
        table_str(&table, own ? COLOUR_BOLD : COLOUR_NONE, rows[i].name);
        table_str(&table, own ? COLOUR_BOLD : COLOUR_NONE, value);
        table_cell(&table, own ? COLOUR_GREEN : COLOUR_DIM, "%s",
                   cluster_config_source(rows[i].source));
        doc_object(&j, NULL);
        doc_str(&j, "key", rows[i].name);
        doc_str(&j, "value", rows[i].sensitive ? STR_NULL : rows[i].value);
        doc_z(&j, "from", cluster_config_source(rows[i].source));
        doc_bool(&j, "read_only", rows[i].read_only);
        doc_bool(&j, "sensitive", rows[i].sensitive);
        doc_end(&j, '}');
    }
    doc_end(&j, ']');
    enum err e = cli->json ? doc_print(&j, &cli->ec) : table_print(&table, &cli->ec);
    doc_deinit(&j);
    return e;
}

int run_topic_config(struct cli *cli)
{
    struct client *c = NULL;
    struct config_row *rows = NULL;
    size_t n = 0;
    bool change = cli->lists[OPT_SET].count + cli->lists[OPT_UNSET].count > 0;
    enum err e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    if (e == ERR_OK && change) {
        e = alter(cli, c);
        if (e == ERR_OK && !cli->json) {
            out_printf("%s topic %s\n", cli_has(cli, OPT_DRY_RUN) ? "could change" : "changed",
                       cli->words[0]);
        }
    }
    if (e == ERR_OK && (!change || cli->json)) {
        e = cluster_configs(c, 2, cli->words[0], &rows, &n, &cli->ec);
        if (e == ERR_OK) {
            e = show(cli, rows, n);
        }
    }
    client_destroy(c);
    return cli_report(e, &cli->ec);
}
