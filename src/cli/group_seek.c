/*
 * leat group seek: moves what a group has committed. Only while it has no members: a member would
 * not look at the new offsets, and would overwrite them.
 */
#include <stdio.h>
#include <string.h>

#include "cli/out.h"
#include "cli/position.h"

/* Later versions name topics by their id. */
#define OFFSET_COMMIT_CAP 9

struct seek {
    struct str group;
    int32_t node, only;
    struct position to;
    struct wire_metadata_response_topic topic;
    struct place *places;
    size_t count;
    struct lag_row *before;
    size_t before_count;
};

static int64_t committed_before(const struct seek *s, int32_t partition)
{
    for (size_t i = 0; i < s->before_count; i++) {
        if (s->before[i].partition == partition && str_eq(s->before[i].topic, s->topic.name)) {
            return s->before[i].committed;
        }
    }
    return -1;
}

static enum err commit(struct cli *cli, struct client *c, const struct seek *s)
{
    struct wire_offset_commit_request request;
    struct wire_offset_commit_response r;
    struct wire_offset_commit_request_topic topic;
    WIRE_INIT(wire_offset_commit_request, &request);
    WIRE_INIT(wire_offset_commit_request_topic, &topic);
    request.group_id = s->group;
    request.topics = &topic;
    request.topics_count = 1;
    topic.name = s->topic.name;
    topic.partitions =
        WIRE_NEW_N(&cli->arena, wire_offset_commit_request_partition, (int64_t)s->count);
    topic.partitions_count = (int32_t)s->count;
    if (topic.partitions == NULL) {
        return ectx_fail(&cli->ec, ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < s->count; i++) {
        topic.partitions[i].partition_index = s->places[i].partition;
        topic.partitions[i].committed_offset = s->places[i].at;
    }
    enum err e =
        client_call(c, s->node, WIRE_OFFSET_COMMIT, OFFSET_COMMIT_CAP, &request, &r, &cli->ec);
    for (int32_t t = 0; e == ERR_OK && t < r.topics_count; t++) {
        for (int32_t p = 0; e == ERR_OK && p < r.topics[t].partitions_count; p++) {
            e = client_code(r.topics[t].partitions[p].error_code, STR_NULL, &cli->ec,
                            "could not move group '%.*s' in partition %d", STR(s->group),
                            r.topics[t].partitions[p].partition_index);
        }
    }
    return e;
}

static enum err print_moves(struct cli *cli, const struct seek *s)
{
    static const char *const titles[] = {"TOPIC",  ">PARTITION", ">BEFORE",
                                         ">AFTER", ">MOVED",     ">END"};
    bool dry = cli_has(cli, OPT_DRY_RUN);
    struct table table;
    struct doc j;
    table_init(&table, cli, titles, ARRAY_LEN(titles));
    doc_init(&j);
    doc_object(&j, NULL);
    doc_str(&j, "group", s->group);
    doc_bool(&j, "dry_run", dry);
    doc_array(&j, "partitions");
    for (size_t i = 0; i < s->count; i++) {
        char text[32];
        int64_t before = committed_before(s, s->places[i].partition);
        int64_t moved = clamped_sub(s->places[i].at, before);
        table_str(&table, COLOUR_NONE, s->topic.name);
        table_cell(&table, COLOUR_NONE, "%d", s->places[i].partition);
        table_cell(&table, COLOUR_NONE, "%s", before < 0 ? "none" : format_count(before, text));
        table_cell(&table, COLOUR_BOLD, "%s", format_count(s->places[i].at, text));
        table_cell(&table, COLOUR_NONE, "%s", before < 0 ? "-" : format_count(moved, text));
        table_cell(&table, COLOUR_NONE, "%s", format_count(s->places[i].end, text));
        doc_object(&j, NULL);
        doc_str(&j, "topic", s->topic.name);
        doc_i64(&j, "partition", s->places[i].partition);
        if (before < 0) {
            doc_null(&j, "before");
        } else {
            doc_i64(&j, "before", before);
        }
        doc_i64(&j, "after", s->places[i].at);
        doc_i64(&j, "end", s->places[i].end);
        doc_end(&j, '}');
    }
    doc_end(&j, ']');
    doc_end(&j, '}');
    enum err e = cli->json ? doc_print(&j, &cli->ec) : table_print(&table, &cli->ec);
    doc_deinit(&j);
    if (e == ERR_OK && !cli->json) {
        out_printf(dry ? "nothing was changed (--dry-run)\n" : "moved group %.*s\n", STR(s->group));
    }
    return e;
}

/* A group that has members is refused; one that does not exist yet is made by the commit. */
static enum err check_empty(struct cli *cli, struct client *c, struct seek *s)
{
    struct wire_describe_groups_response_group g;
    enum err e = cluster_group(c, s->group, s->node, &g, &cli->ec);
    if (e == ERR_GROUP_ID_NOT_FOUND) {
        cli->ec = (struct ectx){0};
        return ERR_OK;
    }
    if (e == ERR_OK && g.members_count > 0) {
        e = ectx_fail(&cli->ec, ERR_NON_EMPTY_GROUP, "group '%.*s' has %d member%s", STR(s->group),
                      g.members_count, g.members_count == 1 ? "" : "s");
        ectx_hint(&cli->ec, "stop its consumers first, then seek");
    }
    return e == ERR_OK
               ? cluster_group_lag(c, s->group, s->node, &s->before, &s->before_count, &cli->ec)
               : e;
}

int run_group_seek(struct cli *cli)
{
    struct client *c = NULL;
    struct seek s = {.group = str_of(cli->words[0])};
    int64_t only = -1;
    enum err e = ERR_OK;
    if (!cli_has(cli, OPT_TO) || !cli_has(cli, OPT_TOPIC)) {
        e = ectx_fail(&cli->ec, ERR_CONFIG, "`leat group seek` needs --topic and --to");
        ectx_hint(&cli->ec, "for example: leat group seek %s --topic orders --to start --dry-run",
                  cli->words[0]);
        return cli_report(e, &cli->ec);
    }
    e = position_parse(cli->values[OPT_TO], "--to", &s.to, &cli->ec);
    if (e == ERR_OK) {
        e = cli_number(cli, OPT_PARTITION, 0, INT32_MAX, -1, &only, &cli->ec);
    }
    if (e == ERR_OK) {
        e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cluster_topic(c, cli->values[OPT_TOPIC], &s.topic, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cluster_coordinator(c, s.group, &s.node, &cli->ec);
    }
    if (e == ERR_OK) {
        e = check_empty(cli, c, &s);
    }
    if (e == ERR_OK) {
        e = position_resolve(c, &s.topic, (int32_t)only, &s.to, &s.places, &s.count, &cli->ec);
    }
    if (e == ERR_OK && !cli_has(cli, OPT_DRY_RUN)) {
        e = commit(cli, c, &s);
    }
    if (e == ERR_OK) {
        e = print_moves(cli, &s);
    }
    client_destroy(c);
    return cli_report(e, &cli->ec);
}
