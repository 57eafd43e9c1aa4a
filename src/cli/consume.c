/*
 * leat consume, leat topic tail: prints records.
 *
 * Without --group each partition is read from the asked position to the end that it had when the
 * command began, or on and on with --follow. With --group the command is a member like any other:
 * it starts where the group is, and commits what it has printed.
 */
#include <stdio.h>
#include <string.h>

#include "cli/interrupt.h"
#include "cli/out.h"
#include "cli/position.h"
#include "cli/properties.h"
#include "cli/rdkafka.h"
#include "core/utf8.h"

#define SETTINGS_MAX (CLI_LIST_MAX + 16)
#define WRITE_BYTES  65536u
#define RECORD_MAX   (CLI_OUTPUT_MAX / 4)
#define POLL_MS      100
#define COMMIT_NS    1000000000u
#define PROGRESS_NS  1000000000u

struct consume {
    struct cli *cli;
    struct rdkafka_consumer *c;
    const char *topic;
    bool follow;
    bool *done;   /* by partition: nothing more is wanted of it, for now */
    int64_t *end; /* by partition: where to stop; INT64_MAX: nowhere */
    size_t partitions;
    size_t wanted; /* partitions that must be done, when not in a group */
    int64_t limit, printed;
    struct buf out;
    struct doc j;
    uint64_t committed_ns, told_ns, assigned_by_ns;
    bool in_group, uncommitted;
};

static void put_json(struct consume *s, const struct rdkafka_record *r)
{
    struct doc *j = &s->j;
    doc_object(j, NULL);
    doc_str(j, "topic", r->topic);
    doc_i64(j, "partition", r->partition);
    doc_i64(j, "offset", r->offset);
    if (r->time_ms >= 0) {
        char text[40];
        doc_i64(j, "timestamp", r->time_ms);
        doc_z(j, "time", format_time_ms(r->time_ms, text));
    } else {
        doc_null(j, "timestamp");
    }
    doc_bytes(j, "key", r->key);
    doc_bytes(j, "value", r->value);
    doc_array(j, "headers");
    for (size_t i = 0; i < r->header_count; i++) {
        doc_object(j, NULL);
        doc_str(j, "name", r->headers[i].name);
        doc_bytes(j, "value", r->headers[i].value);
        doc_end(j, '}');
    }
    doc_end(j, ']');
    doc_end(j, '}');
    buf_put_u8(&j->b, '\n');
    j->more[0] = false;
    buf_put_str(&s->out, buf_str(&j->b));
    s->out.failed = s->out.failed || buf_failed(&j->b);
    buf_clear(&j->b);
}

static void put_text(struct consume *s, const struct rdkafka_record *r)
{
    char time[40];
    buf_put_z(&s->out, colour_on(s->cli, COLOUR_DIM));
    buf_printf(&s->out, "%d:%lld  %s", r->partition, (long long)r->offset,
               format_time_ms(r->time_ms, time));
    buf_put_z(&s->out, colour_off(s->cli, COLOUR_DIM));
    buf_put_z(&s->out, "  ");
    buf_put_z(&s->out, colour_on(s->cli, COLOUR_BOLD));
    utf8_escape(&s->out, str_is_null(r->key) ? STR_LIT("-") : r->key);
    buf_put_z(&s->out, colour_off(s->cli, COLOUR_BOLD));
    buf_put_z(&s->out, "  ");
    utf8_escape(&s->out, str_is_null(r->value) ? STR_LIT("(null)") : r->value);
    buf_put_u8(&s->out, '\n');
}

static enum err flush(struct consume *s)
{
    if (buf_failed(&s->out)) {
        return ectx_fail(&s->cli->ec, ERR_LIMIT, "a record is too large to print");
    }
    enum err e = s->out.n > 0 ? out_write(buf_str(&s->out), &s->cli->ec) : ERR_OK;
    buf_clear(&s->out);
    return e;
}

static void mark_done(struct consume *s, int32_t partition, bool done)
{
    if (partition >= 0 && (size_t)partition < s->partitions) {
        s->done[partition] = done;
    }
}

static enum err on_record(struct consume *s, const struct rdkafka_record *r)
{
    bool known = r->partition >= 0 && (size_t)r->partition < s->partitions;
    int64_t end = known ? s->end[r->partition] : INT64_MAX;
    mark_done(s, r->partition, r->offset + 1 >= end);
    if (r->offset + 1 >= end) {
        rdkafka_consumer_pause(s->c, s->topic, r->partition);
    }
    if (r->offset >= end) {
        return ERR_OK;
    }
    if (s->cli->json) {
        put_json(s, r);
    } else if (strcmp(s->cli->output, "value") == 0) {
        buf_put_str(&s->out, r->value);
        buf_put_u8(&s->out, '\n');
    } else {
        put_text(s, r);
    }
    s->printed++;
    if (s->in_group) {
        rdkafka_consumer_done(s->c, s->topic, r->partition, r->offset);
        s->uncommitted = true;
    }
    return s->out.n >= WRITE_BYTES ? flush(s) : ERR_OK;
}

/* Has everything been read that was asked for? */
static bool finished(const struct consume *s)
{
    if (s->limit >= 0 && s->printed >= s->limit) {
        return true;
    }
    if (s->follow) {
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < s->partitions; i++) {
        n += s->done[i];
    }
    size_t wanted = s->in_group ? rdkafka_consumer_assigned(s->c) : s->wanted;
    return n >= wanted && (!s->in_group || wanted > 0);
}

static enum err housekeeping(struct consume *s, bool idle)
{
    uint64_t now = clock_ns();
    enum err e = idle ? flush(s) : ERR_OK;
    if (e == ERR_OK && s->uncommitted && now - s->committed_ns > COMMIT_NS) {
        e = flush(s);
        if (e == ERR_OK) {
            e = rdkafka_consumer_commit(s->c, &s->cli->ec);
        }
        s->uncommitted = false;
        s->committed_ns = now;
    }
    if (s->cli->progress && !s->cli->colour && now - s->told_ns > PROGRESS_NS) {
        char text[32];
        fprintf(stderr, "\r%s records", format_count(s->printed, text));
        s->told_ns = now;
    }
    if (e == ERR_OK && s->in_group && !s->follow && now > s->assigned_by_ns &&
        rdkafka_consumer_assigned(s->c) == 0) {
        e = ectx_fail(&s->cli->ec, ERR_REQUEST_TIMED_OUT,
                      "the group gave no partition to this member within %d s",
                      s->cli->timeout_ms / 1000);
        ectx_hint(&s->cli->ec, "are there more members than partitions? --follow waits on");
    }
    return e;
}

static enum err read_all(struct consume *s, int interrupt)
{
    struct ectx *ec = &s->cli->ec;
    enum err e = ERR_OK;
    while (e == ERR_OK && !finished(s) && !interrupt_seen(interrupt)) {
        struct rdkafka_record r;
        enum rdkafka_event event = rdkafka_consumer_poll(s->c, s->out.n > 0 ? 0 : POLL_MS, &r, ec);
        switch (event) {
        case RDKAFKA_RECORD:
            e = on_record(s, &r);
            break;
        case RDKAFKA_END:
            mark_done(s, r.partition, true);
            break;
        case RDKAFKA_FAILED:
            /* A broker that is away comes back; the library tries again by itself. */
            e = s->follow && err_retriable(ec->code) ? ERR_OK : ec->code;
            break;
        case RDKAFKA_NOTHING:
            break;
        }
        if (e == ERR_OK) {
            e = housekeeping(s, event != RDKAFKA_RECORD);
        }
    }
    if (e == ERR_OK) {
        e = flush(s);
    }
    if (e == ERR_OK && s->uncommitted) {
        e = rdkafka_consumer_commit(s->c, ec);
    }
    if (s->cli->progress && !s->cli->colour && s->told_ns != s->committed_ns) {
        fprintf(stderr, "\r%lld records\n", (long long)s->printed);
    }
    return e;
}

/* Where each partition starts and ends. `places` gets those that have something to read. */
static enum err plan(struct consume *s, struct client *c, const char *from, int32_t only,
                     struct rdkafka_place **out, size_t *count)
{
    struct cli *cli = s->cli;
    struct wire_metadata_response_topic t;
    struct position position;
    struct place *places = NULL;
    size_t n = 0;
    enum err e = position_parse(from, "--from", &position, &cli->ec);
    if (e == ERR_OK) {
        e = cluster_topic(c, s->topic, &t, &cli->ec);
    }
    if (e == ERR_OK) {
        e = position_resolve(c, &t, only, &position, &places, &n, &cli->ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < n; i++) {
        if (places[i].partition < 0 || places[i].partition >= t.partitions_count) {
            return ectx_fail(&cli->ec, ERR_MALFORMED,
                             "the broker tells of partition %d of topic '%s', which has %d",
                             places[i].partition, s->topic, t.partitions_count);
        }
    }
    s->partitions = (size_t)t.partitions_count;
    s->done = arena_new_n(&cli->arena, bool, s->partitions);
    s->end = arena_new_n(&cli->arena, int64_t, s->partitions);
    struct rdkafka_place *list = arena_new_n(&cli->arena, struct rdkafka_place, n + 1);
    if (s->done == NULL || s->end == NULL || list == NULL) {
        return ectx_fail(&cli->ec, ERR_NO_MEMORY, "out of memory");
    }
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = (size_t)places[i].partition;
        s->end[at] = s->follow || s->in_group ? INT64_MAX : places[i].end;
        if (s->follow || places[i].at < places[i].end) {
            list[(*count)++] = (struct rdkafka_place){places[i].partition, places[i].at};
        }
    }
    s->wanted = *count;
    *out = list;
    return ERR_OK;
}

static size_t put_settings(struct cli *cli, const char *from, struct rdkafka_setting *s)
{
    const char *group = cli->values[OPT_GROUP];
    size_t n = 0;
    s[n++] = (struct rdkafka_setting){"bootstrap.servers", cli->bootstrap};
    s[n++] = (struct rdkafka_setting){"client.id", CLI_CLIENT_ID};
    s[n++] = (struct rdkafka_setting){"group.id", group != NULL ? group : "leat-cli-no-group"};
    s[n++] = (struct rdkafka_setting){"enable.auto.commit", "false"};
    s[n++] = (struct rdkafka_setting){"enable.auto.offset.store", "false"};
    s[n++] = (struct rdkafka_setting){"enable.partition.eof", "true"};
    s[n++] = (struct rdkafka_setting){"auto.offset.reset",
                                      strcmp(from, "end") == 0 ? "latest" : "earliest"};
    s[n++] = (struct rdkafka_setting){"allow.auto.create.topics", "false"};
    s[n++] = (struct rdkafka_setting){"fetch.wait.max.ms", "100"};
    s[n++] = (struct rdkafka_setting){"receive.message.max.bytes", "214748364"};
    return n;
}

static enum err start(struct consume *s, struct rdkafka *k, const char *from,
                      const struct rdkafka_place *places, size_t count)
{
    struct rdkafka_setting settings[SETTINGS_MAX];
    size_t n = put_settings(s->cli, from, settings);
    enum err e = properties_add(s->cli, settings, &n);
    if (e == ERR_OK) {
        e = rdkafka_consumer_open(k, settings, n, &s->c, &s->cli->ec);
    }
    if (e == ERR_OK) {
        e = s->in_group ? rdkafka_consumer_subscribe(s->c, s->topic, &s->cli->ec)
                        : rdkafka_consumer_assign(s->c, s->topic, places, count, &s->cli->ec);
    }
    return e;
}

static enum err check_group_options(struct cli *cli, const char *from)
{
    if (!cli_has(cli, OPT_GROUP)) {
        return ERR_OK;
    }
    if (cli_has(cli, OPT_PARTITION)) {
        return ectx_fail(&cli->ec, ERR_CONFIG,
                         "--partition and --group exclude each other: a group decides who reads "
                         "what");
    }
    if (strcmp(from, "start") != 0 && strcmp(from, "end") != 0) {
        enum err e = ectx_fail(&cli->ec, ERR_CONFIG,
                               "--from with --group is where a group begins that has committed "
                               "nothing: start or end");
        ectx_hint(&cli->ec, "`leat group seek` moves a group");
        return e;
    }
    return ERR_OK;
}

static int consume(struct cli *cli, const char *from, bool follow)
{
    struct consume s = {.cli = cli, .topic = cli->words[0], .follow = follow};
    struct client *c = NULL;
    struct rdkafka *k = NULL;
    struct rdkafka_place *places = NULL;
    size_t count = 0;
    int64_t only = -1;
    int interrupt = -1;
    s.in_group = cli_has(cli, OPT_GROUP);
    s.committed_ns = s.told_ns = clock_ns();
    s.assigned_by_ns = s.told_ns + (uint64_t)cli->timeout_ms * 1000000u;
    buf_init(&s.out, RECORD_MAX);
    doc_init(&s.j);
    enum err e = check_group_options(cli, from);
    if (e == ERR_OK) {
        e = cli_number(cli, OPT_PARTITION, 0, INT32_MAX, -1, &only, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cli_number(cli, OPT_COUNT_OF, 0, INT64_MAX, -1, &s.limit, &cli->ec);
    }
    if (e == ERR_OK) {
        e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    }
    if (e == ERR_OK) {
        e = plan(&s, c, from, (int32_t)only, &places, &count);
    }
    client_destroy(c);
    bool something = s.in_group || count > 0;
    if (e == ERR_OK && something) {
        e = rdkafka_load(&k, &cli->ec);
    }
    if (e == ERR_OK && something) {
        interrupt = interrupt_open();
        e = start(&s, k, from, places, count);
    }
    if (e == ERR_OK && something) {
        e = read_all(&s, interrupt);
    }
    rdkafka_consumer_close(s.c);
    rdkafka_unload(k);
    interrupt_close(interrupt);
    buf_deinit(&s.out);
    doc_deinit(&s.j);
    return cli_report(e, &cli->ec);
}

int run_consume(struct cli *cli)
{
    return consume(cli, cli_has(cli, OPT_FROM) ? cli->values[OPT_FROM] : "start",
                   cli_has(cli, OPT_FOLLOW));
}

int run_topic_tail(struct cli *cli)
{
    return consume(cli, cli_has(cli, OPT_FROM) ? cli->values[OPT_FROM] : "end", true);
}
