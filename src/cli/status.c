/*
 * leat status: "is it well?" in one screen. What the Kafka protocol tells is asked of any broker;
 * version, uptime, rates in bytes and recovery come from leat's own /metrics. Each line that could
 * not be known says so. The exit status is 0 if it is well and 1 if not.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cluster.h"
#include "cli/http_call.h"
#include "cli/out.h"

/* How long rates are measured. */
#define RATE_MS      1000
#define GROUPS_SHOWN 8
#define PROBLEMS_MAX 16
/* A disk fuller than this is told as a problem before it stops anything. */
#define DISK_FREE_MIN 0.05

struct sample {
    uint64_t at_ns;
    int64_t records;            /* sum of the ends of all partitions */
    double bytes_in, bytes_out; /* out: without what this command was sent over HTTP */
};

struct behind {
    struct str group, state;
    int64_t lag;
};

struct status {
    struct cli *cli;
    struct client *c;
    struct wire_metadata_response meta;
    uint64_t latency_ns;
    int32_t topics, partitions, leaderless, thin; /* thin: fewer in sync than replicas */
    struct disk_total disk;
    struct sample samples[2];
    struct behind *groups;
    size_t group_count, groups_behind;
    bool asked_http, has_http;
    int ready;
    struct buf metrics;
    double received; /* over HTTP */
    char http_why[384];
    char problems[PROBLEMS_MAX][192];
    size_t problem_count;
};

PRINTF_LIKE(2, 3) static void problem(struct status *s, const char *fmt, ...)
{
    if (s->problem_count < PROBLEMS_MAX) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(s->problems[s->problem_count++], sizeof(s->problems[0]), fmt, args);
        va_end(args);
    }
}

static double metric(const struct status *s, const char *name, double missing)
{
    double v = missing;
    return s->has_http && metric_sum(buf_str(&s->metrics), name, &v) ? v : missing;
}

/* Without what is mapped from files: that is the kernel's to take back. */
static double own_memory(const struct status *s)
{
    return metric(s, "process_resident_memory_bytes", 0) - metric(s, "leat_mapped_memory_bytes", 0);
}

static void fetch_http(struct status *s)
{
    struct buf body;
    struct ectx ec = {0};
    int status = 0;
    buf_init(&body, HTTP_BODY_MAX);
    buf_clear(&s->metrics);
    enum err e = http_get(s->cli->http, "/readyz", s->cli->timeout_ms, &s->ready, &body, &ec);
    if (e == ERR_OK) {
        e = http_get(s->cli->http, "/metrics", s->cli->timeout_ms, &status, &s->metrics, &ec);
    }
    double up;
    if (e == ERR_OK && status == 200 &&
        metric_sum(buf_str(&s->metrics), "leat_uptime_seconds", &up)) {
        s->has_http = true;
    } else {
        s->has_http = false;
        snprintf(s->http_why, sizeof(s->http_why), "%s",
                 e == ERR_OK ? "what answers there is not leat" : ec.text);
    }
    buf_deinit(&body);
}

/* Sum of the ends of all partitions, and the byte counters. */
static enum err take_sample(struct status *s, struct sample *out)
{
    struct arena *a = &s->cli->arena;
    struct offset_query *q = arena_new_n(a, struct offset_query, (size_t)s->partitions + 1);
    if (q == NULL) {
        return ectx_fail(&s->cli->ec, ERR_NO_MEMORY, "out of memory");
    }
    size_t n = 0;
    for (int32_t t = 0; t < s->meta.topics_count; t++) {
        for (int32_t p = 0; p < s->meta.topics[t].partitions_count; p++) {
            const struct wire_metadata_response_partition *part = &s->meta.topics[t].partitions[p];
            q[n++] = (struct offset_query){.topic = s->meta.topics[t].name,
                                           .partition = part->partition_index,
                                           .leader = part->leader_id,
                                           .time = OFFSET_END};
        }
    }
    out->at_ns = clock_ns();
    enum err e = cluster_offsets(s->c, q, n, &s->cli->ec);
    for (size_t i = 0; i < n; i++) {
        out->records = clamped_add(out->records, q[i].code == 0 ? q[i].offset : 0);
    }
    if (e == ERR_OK && s->asked_http) {
        fetch_http(s);
        out->bytes_in = metric(s, "leat_topic_bytes_in_total", 0);
        out->bytes_out = metric(s, "leat_net_sent_bytes_total", 0) - s->received;
        s->received += (double)s->metrics.n;
    }
    return e;
}

static void count_partitions(struct status *s)
{
    s->topics = s->meta.topics_count;
    for (int32_t t = 0; t < s->meta.topics_count; t++) {
        for (int32_t p = 0; p < s->meta.topics[t].partitions_count; p++) {
            const struct wire_metadata_response_partition *part = &s->meta.topics[t].partitions[p];
            s->partitions++;
            s->leaderless += part->leader_id < 0;
            s->thin += part->isr_nodes_count < part->replica_nodes_count;
        }
    }
}

static enum err count_groups(struct status *s)
{
    struct group_row *rows = NULL;
    size_t n = 0;
    enum err e = cluster_groups(s->c, &rows, &n, &s->cli->ec);
    s->groups = e == ERR_OK ? arena_new_n(&s->cli->arena, struct behind, n + 1) : NULL;
    if (e == ERR_OK && s->groups == NULL) {
        return ectx_fail(&s->cli->ec, ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        struct lag_row *lag = NULL;
        size_t rows_of_group = 0;
        e = cluster_group_lag(s->c, rows[i].id, rows[i].coordinator, &lag, &rows_of_group,
                              &s->cli->ec);
        if (e == ERR_GROUP_ID_NOT_FOUND) {
            e = ERR_OK; /* it ended between the list and the question */
            continue;
        }
        struct behind *b = &s->groups[s->group_count++];
        *b = (struct behind){rows[i].id, rows[i].state, 0};
        for (size_t k = 0; k < rows_of_group; k++) {
            b->lag = clamped_add(b->lag, lag[k].lag > 0 ? lag[k].lag : 0);
        }
        s->groups_behind += b->lag > 0;
    }
    return e;
}

static void judge(struct status *s)
{
    if (s->leaderless > 0) {
        problem(s, "%d of %d partitions have no leader", s->leaderless, s->partitions);
    }
    if (s->thin > 0) {
        problem(s, "%d of %d partitions have fewer replicas in sync than they should", s->thin,
                s->partitions);
    }
    if (s->disk.known && s->disk.total_bytes > 0 &&
        (double)s->disk.usable_bytes < (double)s->disk.total_bytes * DISK_FREE_MIN) {
        char text[24];
        problem(s, "the disk is nearly full: %s free",
                format_bytes((double)s->disk.usable_bytes, text));
    }
    if (!s->has_http) {
        return;
    }
    if (s->ready != 200) {
        problem(s, "/readyz answers %d", s->ready);
    }
    if (metric(s, "leat_store_out_of_space", 0) > 0) {
        problem(s, "the disk is full: produces are refused");
    }
    if (metric(s, "leat_store_stalled", 0) > 0) {
        problem(s,
                metric(s, "leat_store_full", 0) > 0
                    ? "no checkpoint succeeds and the log is full: nothing is stored; see the log"
                    : "no checkpoint succeeds and the log fills up; see the log");
    }
    if (metric(s, "leat_recovery_damaged_ranges", 0) > 0) {
        problem(s, "%.0f damaged ranges were set aside at the last start; see the log",
                metric(s, "leat_recovery_damaged_ranges", 0));
    }
    if (metric(s, "leat_store_damaged_reads_total", 0) > 0) {
        problem(s, "%.0f reads met damaged data; run `leat verify`",
                metric(s, "leat_store_damaged_reads_total", 0));
    }
    if (metric(s, "leat_store_damaged_ranges", 0) > 0) {
        problem(s, "%.0f ranges of offsets are damaged and set aside; run `leat verify`",
                metric(s, "leat_store_damaged_ranges", 0));
    }
    if (metric(s, "leat_store_scrub_damaged_total", 0) > 0) {
        problem(s, "the scrub found damage in %.0f places; see the log",
                metric(s, "leat_store_scrub_damaged_total", 0));
    }
    if (metric(s, "leat_store_checkpoint_failures_total", 0) > 0) {
        problem(s, "%.0f checkpoints failed; see the log",
                metric(s, "leat_store_checkpoint_failures_total", 0));
    }
}

static void line(const struct status *s, const char *name)
{
    out_printf("  %s%-9s%s ", colour_on(s->cli, COLOUR_DIM), name, colour_off(s->cli, COLOUR_DIM));
}

static double per_second(const struct status *s, double before, double after)
{
    return (after - before) * 1e9 / (double)(s->samples[1].at_ns - s->samples[0].at_ns);
}

static void print_server(const struct status *s)
{
    char text[40];
    struct str version;
    line(s, "server");
    if (!s->has_http) {
        out_printf("version, uptime and memory are not known: %s\n", s->http_why);
        return;
    }
    if (!metric_label(buf_str(&s->metrics), "leat_build_info", "version", &version)) {
        version = STR_LIT("?");
    }
    out_printf("leat %.*s, up %s, %s memory", STR(version),
               format_duration(metric(s, "leat_uptime_seconds", 0), text),
               format_bytes(own_memory(s), (char[24]){0}));
    if (metric(s, "leat_recovery_clean", 1) < 1) {
        out_printf(", last stop was unclean (recovered in %.2f s)",
                   metric(s, "leat_recovery_seconds", 0));
    }
    if (metric(s, "leat_store_relaxed_partitions", 0) > 0) {
        out_printf("\n            %.0f partitions are relaxed: a power cut can take back what was "
                   "acknowledged (leat.durability=os)",
                   metric(s, "leat_store_relaxed_partitions", 0));
    }
    if (metric(s, "leat_insecure_anonymous", 0) > 0) {
        out_printf("\n            anonymous clients are let in from everywhere "
                   "(--insecure-allow-anonymous)");
    }
    out_printf("\n");
}

static void print_rates(const struct status *s)
{
    const struct sample *a = &s->samples[0], *b = &s->samples[1];
    char in[24], out[24];
    line(s, "rates");
    out_printf("%.0f records/s in", per_second(s, (double)a->records, (double)b->records));
    if (s->has_http) {
        out_printf(", %s/s in, %s/s out", format_bytes(per_second(s, a->bytes_in, b->bytes_in), in),
                   format_bytes(per_second(s, a->bytes_out, b->bytes_out), out));
    } else {
        out_printf(" (bytes are not known)");
    }
    out_printf("; answered in %s\n", format_ns(s->latency_ns, in));
}

static void print_disk(const struct status *s)
{
    char log[24], usable[24], total[24];
    line(s, "disk");
    if (!s->disk.known) {
        out_printf("not known: the broker does not tell\n");
        return;
    }
    out_printf("%s of logs", format_bytes((double)s->disk.log_bytes, log));
    if (s->disk.total_bytes > 0) {
        out_printf(", %s free of %s", format_bytes((double)s->disk.usable_bytes, usable),
                   format_bytes((double)s->disk.total_bytes, total));
    }
    out_printf("\n");
}

static void print_groups(const struct status *s)
{
    char text[32];
    line(s, "groups");
    out_printf("%zu, %zu behind\n", s->group_count, s->groups_behind);
    size_t shown = 0;
    for (size_t i = 0; i < s->group_count && shown < GROUPS_SHOWN; i++) {
        if (s->groups[i].lag > 0) {
            out_printf("            %.*s is %s%s%s records behind (%.*s)\n",
                       STR(s->groups[i].group), colour_on(s->cli, COLOUR_YELLOW),
                       format_count(s->groups[i].lag, text), colour_off(s->cli, COLOUR_YELLOW),
                       STR(s->groups[i].state));
            shown++;
        }
    }
    if (s->groups_behind > shown) {
        out_printf("            and %zu more: `leat group lag`\n", s->groups_behind - shown);
    }
}

static void print_text(const struct status *s)
{
    bool well = s->problem_count == 0;
    enum colour c = well ? COLOUR_GREEN : COLOUR_RED;
    char text[32];
    out_printf("%s%s%s  %s\n", colour_on(s->cli, c), well ? "WELL" : "NOT WELL",
               colour_off(s->cli, c), s->cli->bootstrap);
    for (size_t i = 0; i < s->problem_count; i++) {
        out_printf("  %s! %s%s\n", colour_on(s->cli, COLOUR_RED), s->problems[i],
                   colour_off(s->cli, COLOUR_RED));
    }
    print_server(s);
    line(s, "cluster");
    out_printf("%.*s, %d broker%s, controller %d\n",
               STR(str_is_null(s->meta.cluster_id) ? STR_LIT("-") : s->meta.cluster_id),
               s->meta.brokers_count, s->meta.brokers_count == 1 ? "" : "s", s->meta.controller_id);
    line(s, "topics");
    out_printf("%d with %s partitions\n", s->topics, format_count(s->partitions, text));
    print_rates(s);
    print_disk(s);
    print_groups(s);
}

static void json_server(const struct status *s, struct doc *j)
{
    struct str version = STR_NULL;
    if (!s->has_http) {
        doc_null(j, "server");
        return;
    }
    IGNORE(metric_label(buf_str(&s->metrics), "leat_build_info", "version", &version)); /* null */
    doc_object(j, "server");
    doc_str(j, "version", version);
    doc_f64(j, "uptime_seconds", metric(s, "leat_uptime_seconds", 0));
    doc_bool(j, "ready", s->ready == 200);
    doc_f64(j, "memory_bytes", own_memory(s));
    doc_bool(j, "recovered_clean", metric(s, "leat_recovery_clean", 1) > 0);
    doc_f64(j, "relaxed_partitions", metric(s, "leat_store_relaxed_partitions", 0));
    doc_bool(j, "insecure_anonymous", metric(s, "leat_insecure_anonymous", 0) > 0);
    doc_f64(j, "bytes_in_per_second",
            per_second(s, s->samples[0].bytes_in, s->samples[1].bytes_in));
    doc_f64(j, "bytes_out_per_second",
            per_second(s, s->samples[0].bytes_out, s->samples[1].bytes_out));
    doc_end(j, '}');
}

static enum err print_json(const struct status *s)
{
    struct doc j;
    doc_init(&j);
    doc_object(&j, NULL);
    doc_bool(&j, "well", s->problem_count == 0);
    doc_array(&j, "problems");
    for (size_t i = 0; i < s->problem_count; i++) {
        doc_z(&j, NULL, s->problems[i]);
    }
    doc_end(&j, ']');
    doc_z(&j, "bootstrap", s->cli->bootstrap);
    json_server(s, &j);
    doc_str(&j, "cluster_id", s->meta.cluster_id);
    doc_i64(&j, "brokers", s->meta.brokers_count);
    doc_i64(&j, "controller", s->meta.controller_id);
    doc_i64(&j, "topics", s->topics);
    doc_i64(&j, "partitions", s->partitions);
    doc_i64(&j, "partitions_without_leader", s->leaderless);
    doc_i64(&j, "partitions_under_replicated", s->thin);
    doc_f64(&j, "records_in_per_second",
            per_second(s, (double)s->samples[0].records, (double)s->samples[1].records));
    doc_f64(&j, "answer_ms", (double)s->latency_ns / 1e6);
    if (s->disk.known) {
        doc_object(&j, "disk");
        doc_i64(&j, "log_bytes", s->disk.log_bytes);
        doc_i64(&j, "free_bytes", s->disk.usable_bytes);
        doc_i64(&j, "total_bytes", s->disk.total_bytes);
        doc_end(&j, '}');
    } else {
        doc_null(&j, "disk");
    }
    doc_array(&j, "groups");
    for (size_t i = 0; i < s->group_count; i++) {
        doc_object(&j, NULL);
        doc_str(&j, "group", s->groups[i].group);
        doc_str(&j, "state", s->groups[i].state);
        doc_i64(&j, "lag", s->groups[i].lag);
        doc_end(&j, '}');
    }
    doc_end(&j, ']');
    doc_end(&j, '}');
    enum err e = doc_print(&j, &s->cli->ec);
    doc_deinit(&j);
    return e;
}

static enum err gather(struct status *s)
{
    struct cli *cli = s->cli;
    struct ectx ignored = {0};
    enum err e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &s->c, &cli->ec);
    if (e == ERR_OK) {
        e = cluster_metadata(s->c, NULL, 0, &s->meta, &cli->ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    /* The first request also made the connection; the second one tells how long an answer takes. */
    struct wire_metadata_response again;
    struct str none = STR_LIT("");
    uint64_t asked = clock_ns();
    e = cluster_metadata(s->c, &none, 0, &again, &cli->ec);
    s->latency_ns = clock_ns() - asked;
    count_partitions(s);
    if (e == ERR_OK) {
        e = take_sample(s, &s->samples[0]);
    }
    if (e == ERR_OK && cluster_disk(s->c, &s->meta, &s->disk, &ignored) != ERR_OK) {
        s->disk.known = false; /* an older or smaller broker: told as not known */
    }
    if (e == ERR_OK) {
        e = count_groups(s);
    }
    uint64_t spent_ms = (clock_ns() - asked) / 1000000;
    if (e == ERR_OK) {
        clock_sleep_ms(spent_ms >= RATE_MS ? 0 : (int)(RATE_MS - spent_ms));
        e = take_sample(s, &s->samples[1]);
    }
    return e;
}

int run_status(struct cli *cli)
{
    struct status s = {.cli = cli};
    buf_init(&s.metrics, HTTP_BODY_MAX);
    /* Another broker's numbers would mislead: unless it is named, only the default leat is asked.
     */
    s.asked_http = cli->http_named || strcmp(cli->bootstrap, CLI_BOOTSTRAP) == 0;
    snprintf(s.http_why, sizeof(s.http_why), "name leat's HTTP address with --http or LEAT_HTTP");
    enum err e = gather(&s);
    if (e == ERR_OK) {
        judge(&s);
        if (cli->json) {
            e = print_json(&s);
        } else {
            print_text(&s);
        }
    }
    buf_deinit(&s.metrics);
    client_destroy(s.c);
    int status = cli_report(e, &cli->ec);
    return status == 0 && s.problem_count > 0 ? 1 : status;
}
