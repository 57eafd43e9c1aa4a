/* leat group ls, show, lag, delete. */
#include <stdio.h>
#include <string.h>

#include "cli/cluster.h"
#include "cli/out.h"

static enum colour state_colour(struct str state)
{
    return str_eq_z(state, "Stable")  ? COLOUR_GREEN
           : str_eq_z(state, "Empty") ? COLOUR_DIM
           : str_eq_z(state, "Dead")  ? COLOUR_RED
                                      : COLOUR_YELLOW;
}

int run_group_ls(struct cli *cli)
{
    static const char *const titles[] = {"GROUP", "STATE", "PROTOCOL"};
    struct client *c = NULL;
    struct group_row *rows = NULL;
    size_t n = 0;
    struct table table;
    struct doc j;
    enum err e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    if (e == ERR_OK) {
        e = cluster_groups(c, &rows, &n, &cli->ec);
    }
    client_destroy(c);
    if (e != ERR_OK) {
        return cli_report(e, &cli->ec);
    }
    table_init(&table, cli, titles, ARRAY_LEN(titles));
    doc_init(&j);
    doc_array(&j, NULL);
    for (size_t i = 0; i < n; i++) {
        table_str(&table, COLOUR_NONE, rows[i].id);
        table_str(&table, state_colour(rows[i].state), rows[i].state);
        table_str(&table, COLOUR_NONE, rows[i].protocol);
        doc_object(&j, NULL);
        doc_str(&j, "group", rows[i].id);
        doc_str(&j, "state", rows[i].state);
        doc_str(&j, "protocol", rows[i].protocol);
        doc_i64(&j, "coordinator", rows[i].coordinator);
        doc_end(&j, '}');
    }
    doc_end(&j, ']');
    e = cli->json ? doc_print(&j, &cli->ec)
        : n == 0  ? out_write(STR_LIT("no groups\n"), &cli->ec)
                  : table_print(&table, &cli->ec);
    doc_deinit(&j);
    return cli_report(e, &cli->ec);
}

static enum err print_members(struct cli *cli, const struct wire_describe_groups_response_group *g)
{
    static const char *const titles[] = {"MEMBER", "CLIENT", "HOST", "INSTANCE"};
    struct table table;
    table_init(&table, cli, titles, ARRAY_LEN(titles));
    for (int32_t i = 0; i < g->members_count; i++) {
        const struct wire_describe_groups_response_member *m = &g->members[i];
        table_str(&table, COLOUR_NONE, m->member_id);
        table_str(&table, COLOUR_NONE, m->client_id);
        table_str(&table, COLOUR_NONE, m->client_host);
        table_str(&table, COLOUR_NONE,
                  str_is_null(m->group_instance_id) ? STR_LIT("-") : m->group_instance_id);
    }
    return table_print(&table, &cli->ec);
}

static void lag_columns(struct table *t, const struct lag_row *r)
{
    char text[32];
    table_str(t, COLOUR_NONE, r->topic);
    table_cell(t, COLOUR_NONE, "%d", r->partition);
    table_cell(t, COLOUR_NONE, "%s", format_count(r->committed, text));
    table_cell(t, COLOUR_NONE, "%s", r->end < 0 ? "?" : format_count(r->end, text));
    table_cell(t, r->lag > 0 ? COLOUR_YELLOW : COLOUR_NONE, "%s",
               r->lag < 0 ? "?" : format_count(r->lag, text));
    table_str(t, COLOUR_NONE, str_is_null(r->member) ? STR_LIT("-") : r->member);
}

static void lag_json(struct doc *j, const struct lag_row *r)
{
    doc_object(j, NULL);
    doc_str(j, "topic", r->topic);
    doc_i64(j, "partition", r->partition);
    doc_i64(j, "committed", r->committed);
    if (r->end < 0) {
        doc_null(j, "end");
        doc_null(j, "lag");
    } else {
        doc_i64(j, "end", r->end);
        doc_i64(j, "lag", r->lag);
    }
    doc_str(j, "client", r->member);
    doc_end(j, '}');
}

static int64_t lag_total(const struct lag_row *rows, size_t n)
{
    int64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total = clamped_add(total, rows[i].lag > 0 ? rows[i].lag : 0);
    }
    return total;
}

static enum err print_show(struct cli *cli, const struct wire_describe_groups_response_group *g,
                           int32_t node, const struct lag_row *rows, size_t n)
{
    static const char *const titles[] = {"TOPIC", ">PARTITION", ">COMMITTED",
                                         ">END",  ">LAG",       "CLIENT"};
    out_printf("%s%.*s%s  %s%.*s%s  protocol %.*s  coordinator %d  members %d\n",
               colour_on(cli, COLOUR_BOLD), STR(g->group_id), colour_off(cli, COLOUR_BOLD),
               colour_on(cli, state_colour(g->group_state)), STR(g->group_state),
               colour_off(cli, state_colour(g->group_state)),
               STR(g->protocol_data.n == 0 ? STR_LIT("-") : g->protocol_data), node,
               g->members_count);
    enum err e = g->members_count > 0 ? print_members(cli, g) : ERR_OK;
    struct table table;
    table_init(&table, cli, titles, ARRAY_LEN(titles));
    for (size_t i = 0; i < n; i++) {
        lag_columns(&table, &rows[i]);
    }
    return e == ERR_OK && n > 0 ? table_print(&table, &cli->ec) : e;
}

static enum err json_show(struct cli *cli, const struct wire_describe_groups_response_group *g,
                          int32_t node, const struct lag_row *rows, size_t n)
{
    struct doc j;
    doc_init(&j);
    doc_object(&j, NULL);
    doc_str(&j, "group", g->group_id);
    doc_str(&j, "state", g->group_state);
    doc_str(&j, "protocol_type", g->protocol_type);
    doc_str(&j, "protocol", g->protocol_data);
    doc_i64(&j, "coordinator", node);
    doc_i64(&j, "lag", lag_total(rows, n));
    doc_array(&j, "members");
    for (int32_t i = 0; i < g->members_count; i++) {
        doc_object(&j, NULL);
        doc_str(&j, "member", g->members[i].member_id);
        doc_str(&j, "client", g->members[i].client_id);
        doc_str(&j, "host", g->members[i].client_host);
        doc_str(&j, "instance", g->members[i].group_instance_id);
        doc_end(&j, '}');
    }
    doc_end(&j, ']');
    doc_array(&j, "partitions");
    for (size_t i = 0; i < n; i++) {
        lag_json(&j, &rows[i]);
    }
    doc_end(&j, ']');
    doc_end(&j, '}');
    enum err e = doc_print(&j, &cli->ec);
    doc_deinit(&j);
    return e;
}

int run_group_show(struct cli *cli)
{
    struct client *c = NULL;
    struct wire_describe_groups_response_group g;
    struct lag_row *rows = NULL;
    struct str group = str_of(cli->words[0]);
    size_t n = 0;
    int32_t node = -1;
    enum err e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    if (e == ERR_OK) {
        e = cluster_coordinator(c, group, &node, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cluster_group(c, group, node, &g, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cluster_group_lag(c, group, node, &rows, &n, &cli->ec);
    }
    client_destroy(c);
    if (e == ERR_OK) {
        e = cli->json ? json_show(cli, &g, node, rows, n) : print_show(cli, &g, node, rows, n);
    }
    return cli_report(e, &cli->ec);
}

/* One group of `group lag`: adds its rows to the table and the document. */
static enum err add_lag(struct cli *cli, struct client *c, struct str group, int32_t node,
                        struct table *t, struct doc *j)
{
    struct lag_row *rows = NULL;
    size_t n = 0;
    char text[32];
    enum err e = cluster_group_lag(c, group, node, &rows, &n, &cli->ec);
    if (e != ERR_OK) {
        return e;
    }
    int64_t total = lag_total(rows, n);
    doc_object(j, NULL);
    doc_str(j, "group", group);
    doc_i64(j, "lag", total);
    doc_array(j, "partitions");
    for (size_t i = 0; i < n; i++) {
        lag_json(j, &rows[i]);
        table_str(t, COLOUR_NONE, group);
        lag_columns(t, &rows[i]);
    }
    doc_end(j, ']');
    doc_end(j, '}');
    table_str(t, COLOUR_BOLD, group);
    table_cell(t, COLOUR_BOLD, "total");
    for (int i = 0; i < 3; i++) {
        table_cell(t, COLOUR_NONE, "%s", "");
    }
    if (n == 0) { /* it may be far behind: nothing tells how far it has read */
        table_cell(t, COLOUR_NONE, "-");
        table_cell(t, COLOUR_NONE, "no committed offsets");
        return ERR_OK;
    }
    table_cell(t, total > 0 ? COLOUR_YELLOW : COLOUR_GREEN, "%s", format_count(total, text));
    table_cell(t, COLOUR_NONE, "%s", "");
    return ERR_OK;
}

int run_group_lag(struct cli *cli)
{
    static const char *const titles[] = {"GROUP", "TOPIC", ">PARTITION", ">COMMITTED",
                                         ">END",  ">LAG",  "CLIENT"};
    struct client *c = NULL;
    struct group_row *groups = NULL;
    size_t n = 0;
    struct table table;
    struct doc j;
    table_init(&table, cli, titles, ARRAY_LEN(titles));
    doc_init(&j);
    doc_array(&j, NULL);
    enum err e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    if (e == ERR_OK && cli->word_count == 0) {
        e = cluster_groups(c, &groups, &n, &cli->ec);
    }
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = add_lag(cli, c, groups[i].id, groups[i].coordinator, &table, &j);
        /* A group may end between the list and the question. */
        e = e == ERR_GROUP_ID_NOT_FOUND ? ERR_OK : e;
    }
    for (size_t i = 0; i < cli->word_count && e == ERR_OK; i++) {
        int32_t node = -1;
        struct str group = str_of(cli->words[i]);
        e = cluster_coordinator(c, group, &node, &cli->ec);
        if (e == ERR_OK) {
            e = add_lag(cli, c, group, node, &table, &j);
        }
    }
    client_destroy(c);
    doc_end(&j, ']');
    if (e == ERR_OK) {
        e = cli->json          ? doc_print(&j, &cli->ec)
            : table.count == 0 ? out_write(STR_LIT("no groups\n"), &cli->ec)
                               : table_print(&table, &cli->ec);
    }
    doc_deinit(&j);
    return cli_report(e, &cli->ec);
}

static enum err delete_one(struct cli *cli, struct client *c, struct str group)
{
    struct wire_delete_groups_request request;
    struct wire_delete_groups_response r;
    int32_t node = -1;
    WIRE_INIT(wire_delete_groups_request, &request);
    request.groups_names = &group;
    request.groups_names_count = 1;
    enum err e = cluster_coordinator(c, group, &node, &cli->ec);
    if (e == ERR_OK) {
        e = client_call(c, node, WIRE_DELETE_GROUPS, CLIENT_NO_CAP, &request, &r, &cli->ec);
    }
    if (e == ERR_OK && r.results_count != 1) {
        e = ectx_fail(&cli->ec, ERR_MALFORMED, "the broker did not answer for group '%.*s'",
                      STR(group));
    }
    if (e == ERR_OK) {
        e = client_code(r.results[0].error_code, STR_NULL, &cli->ec,
                        "could not delete group '%.*s'", STR(group));
        if (e == ERR_NON_EMPTY_GROUP) {
            ectx_hint(&cli->ec, "stop its members first; `leat group show` lists them");
        }
    }
    return e;
}

int run_group_delete(struct cli *cli)
{
    struct client *c = NULL;
    enum err e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    int status = cli_report(e, &cli->ec);
    for (size_t i = 0; c != NULL && i < cli->word_count; i++) {
        e = delete_one(cli, c, str_of(cli->words[i]));
        if (e == ERR_OK) {
            out_printf("deleted group %s\n", cli->words[i]);
        } else {
            status = cli_report(e, &cli->ec);
            cli->ec = (struct ectx){0};
        }
    }
    client_destroy(c);
    return status;
}
