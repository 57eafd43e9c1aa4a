/* leat bench: options, the topic, and what is told. The loads are in bench_run.c. */
#include "cli/bench.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/properties.h"
#include "core/mem.h"

#define PROGRESS_NS 1000000000u

void bench_progress(struct bench *b, const char *what, uint64_t records, uint64_t started_ns)
{
    uint64_t now = clock_ns();
    if (b->cli->progress && now - b->told_ns > PROGRESS_NS) {
        char text[32];
        fprintf(stderr, "\r%s: %s records, %.0f/s   ", what, format_count((int64_t)records, text),
                (double)records * 1e9 / (double)(now - started_ns));
        b->told_ns = now;
    }
}

static void tell_json(struct bench *b, const struct bench_result *r, double seconds)
{
    struct doc *j = &b->json;
    doc_object(j, NULL);
    doc_z(j, "load", r->what);
    doc_i64(j, "records", (int64_t)r->records);
    doc_i64(j, "bytes", (int64_t)r->bytes);
    doc_i64(j, "failed", (int64_t)r->failed);
    doc_f64(j, "seconds", seconds);
    doc_f64(j, "records_per_second", (double)r->records / seconds);
    doc_f64(j, "bytes_per_second", (double)r->bytes / seconds);
    if (r->latency != NULL) {
        const struct histogram *h = r->latency;
        doc_object(j, "latency_us");
        doc_f64(j, "mean", h->count == 0 ? 0 : (double)h->sum / (double)h->count / 1e3);
        doc_f64(j, "p50", (double)histogram_at(h, 0.5) / 1e3);
        doc_f64(j, "p90", (double)histogram_at(h, 0.9) / 1e3);
        doc_f64(j, "p99", (double)histogram_at(h, 0.99) / 1e3);
        doc_f64(j, "p999", (double)histogram_at(h, 0.999) / 1e3);
        doc_f64(j, "max", (double)h->max / 1e3);
        doc_end(j, '}');
    }
    doc_end(j, '}');
}

void bench_tell(struct bench *b, const struct bench_result *r)
{
    double seconds = r->elapsed_ns == 0 ? 1e-9 : (double)r->elapsed_ns / 1e9;
    if (b->cli->progress && b->told_ns != 0) {
        fprintf(stderr, "\r%60s\r", "");
    }
    if (b->cli->json) {
        tell_json(b, r, seconds);
        return;
    }
    char text[32], size[24], p50[24], p90[24], p99[24], p999[24], max[24];
    out_printf("%s%-10s%s  %s records in %.2f s: %s%.0f records/s, %s/s%s\n",
               colour_on(b->cli, COLOUR_BOLD), r->what, colour_off(b->cli, COLOUR_BOLD),
               format_count((int64_t)r->records, text), seconds, colour_on(b->cli, COLOUR_GREEN),
               (double)r->records / seconds, format_bytes((double)r->bytes / seconds, size),
               colour_off(b->cli, COLOUR_GREEN));
    if (r->latency != NULL && r->latency->count > 0) {
        const struct histogram *h = r->latency;
        out_printf("            latency p50 %s, p90 %s, p99 %s, p99.9 %s, max %s\n",
                   format_ns(histogram_at(h, 0.5), p50), format_ns(histogram_at(h, 0.9), p90),
                   format_ns(histogram_at(h, 0.99), p99), format_ns(histogram_at(h, 0.999), p999),
                   format_ns(h->max, max));
    }
    if (r->failed > 0) {
        out_printf("            %s%llu records failed: %s%s\n", colour_on(b->cli, COLOUR_RED),
                   (unsigned long long)r->failed, r->why, colour_off(b->cli, COLOUR_RED));
    }
    fflush(stdout);
}

size_t bench_producer_settings(struct bench *b, struct rdkafka_setting *s)
{
    struct arena *a = &b->cli->arena;
    size_t n = 0;
    s[n++] = (struct rdkafka_setting){"bootstrap.servers", b->cli->bootstrap};
    s[n++] = (struct rdkafka_setting){"client.id", "leat-bench"};
    s[n++] = (struct rdkafka_setting){"acks", b->acks};
    s[n++] = (struct rdkafka_setting){"enable.idempotence",
                                      cli_has(b->cli, OPT_IDEMPOTENT) ? "true" : "false"};
    s[n++] = (struct rdkafka_setting){"compression.codec", b->codec};
    s[n++] =
        (struct rdkafka_setting){"linger.ms", arena_printf(a, "%lld", (long long)b->linger_ms).p};
    s[n++] = (struct rdkafka_setting){"batch.size", "1000000"};
    s[n++] = (struct rdkafka_setting){"message.max.bytes", "104857600"};
    s[n++] = (struct rdkafka_setting){"queue.buffering.max.kbytes", "262144"};
    s[n++] =
        (struct rdkafka_setting){"message.timeout.ms", arena_printf(a, "%d", b->cli->timeout_ms).p};
    s[n++] = (struct rdkafka_setting){"socket.nagle.disable", "true"};
    IGNORE(properties_add(b->cli, s, &n)); /* were checked before the first load */
    return n;
}

size_t bench_consumer_settings(struct bench *b, struct rdkafka_setting *s)
{
    size_t n = 0;
    s[n++] = (struct rdkafka_setting){"bootstrap.servers", b->cli->bootstrap};
    s[n++] = (struct rdkafka_setting){"client.id", "leat-bench"};
    s[n++] = (struct rdkafka_setting){"group.id", "leat-bench"};
    s[n++] = (struct rdkafka_setting){"enable.auto.commit", "false"};
    s[n++] = (struct rdkafka_setting){"auto.offset.reset", "earliest"};
    s[n++] = (struct rdkafka_setting){"enable.partition.eof", "true"};
    s[n++] = (struct rdkafka_setting){"socket.nagle.disable", "true"};
    s[n++] = (struct rdkafka_setting){"receive.message.max.bytes", "214748364"};
    s[n++] = (struct rdkafka_setting){"queued.min.messages", "1000000"};
    return n;
}

/* Bytes from a small generator: no codec makes them smaller, and every run has the same. */
static enum err make_payload(struct bench *b)
{
    size_t n = (size_t)b->size;
    b->payload = mem_alloc(n + 1);
    if (b->payload == NULL) {
        return ectx_fail(&b->cli->ec, ERR_NO_MEMORY, "out of memory");
    }
    uint64_t x = 88172645463325252u; /* Marsaglia's xorshift64 and its seed */
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        b->payload[i] = (char)(x >> 32);
    }
    return ERR_OK;
}

static enum err read_options(struct bench *b)
{
    struct cli *cli = b->cli;
    struct rdkafka_setting ignored[BENCH_SETTINGS_MAX];
    size_t count = 0;
    int64_t partitions = 1;
    b->one_in_flight = cli_has(cli, OPT_ONE_IN_FLIGHT);
    b->acks = cli_has(cli, OPT_ACKS) ? cli->values[OPT_ACKS] : "all";
    b->codec = cli_has(cli, OPT_CODEC) ? cli->values[OPT_CODEC] : "none";
    enum err e = cli_number(cli, OPT_SIZE, 1, BENCH_SIZE_MAX, 100, &b->size, &cli->ec);
    if (e == ERR_OK) {
        e = cli_number(cli, OPT_RATE, 0, 100000000, 0, &b->rate, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cli_number(cli, OPT_COUNT_OF, 1, INT64_MAX, -1, &b->records, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cli_number(cli, OPT_SECONDS, 1, 86400, 5, &b->seconds, &cli->ec);
    }
    if (e == ERR_OK) {
        e = cli_number(cli, OPT_LINGER, 0, 10000, b->one_in_flight ? 0 : 5, &b->linger_ms,
                       &cli->ec);
    }
    if (e == ERR_OK) {
        e = cli_number(cli, OPT_PARTITIONS, 1, 100000, 1, &partitions, &cli->ec);
    }
    if (e == ERR_OK) {
        e = properties_add(cli, ignored, &count);
    }
    b->partitions = (int32_t)partitions;
    return e == ERR_OK ? make_payload(b) : e;
}

/* The topic that was asked for, or a new one that nobody else has. */
static enum err prepare_topic(struct bench *b, bool *made)
{
    struct cli *cli = b->cli;
    struct wire_metadata_response_topic t;
    b->topic = cli->values[OPT_TOPIC];
    if (b->topic == NULL) {
        b->topic = arena_printf(&cli->arena, "leat-bench-%llx-%x", (unsigned long long)wall_ms(),
                                (unsigned)getpid())
                       .p;
        struct wire_create_topics_request request;
        struct wire_create_topics_request_topic topic;
        struct wire_create_topics_response r;
        WIRE_INIT(wire_create_topics_request, &request);
        WIRE_INIT(wire_create_topics_request_topic, &topic);
        topic.name = str_of(b->topic);
        topic.num_partitions = b->partitions;
        topic.replication_factor = -1;
        request.topics = &topic;
        request.topics_count = 1;
        request.timeout_ms = cli->timeout_ms;
        enum err e = client_call(b->client, CLIENT_ANY_NODE, WIRE_CREATE_TOPICS, CLIENT_NO_CAP,
                                 &request, &r, &cli->ec);
        if (e == ERR_OK && r.topics_count == 1) {
            e = client_code(r.topics[0].error_code, r.topics[0].error_message, &cli->ec,
                            "could not create topic '%s'", b->topic);
        }
        if (e != ERR_OK) {
            return e;
        }
        *made = true;
    }
    enum err e = ERR_UNKNOWN_TOPIC_OR_PARTITION;
    /* A topic that was just made needs a moment to be known everywhere. */
    for (int tries = 0; e == ERR_UNKNOWN_TOPIC_OR_PARTITION && tries < (*made ? 50 : 1); tries++) {
        clock_sleep_ms(tries > 0 ? 100 : 0);
        e = cluster_topic(b->client, b->topic, &t, &cli->ec);
    }
    if (e == ERR_OK) {
        b->partitions = t.partitions_count;
    }
    return e;
}

static void delete_topic(struct bench *b)
{
    struct wire_delete_topics_request request;
    struct wire_delete_topics_response r;
    struct str name = str_of(b->topic);
    struct ectx ec = {0};
    WIRE_INIT(wire_delete_topics_request, &request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = b->cli->timeout_ms;
    if (client_call(b->client, CLIENT_ANY_NODE, WIRE_DELETE_TOPICS, 5, &request, &r, &ec) !=
        ERR_OK) {
        fprintf(stderr, "leat: topic %s was left behind: %s\n", b->topic, ec.text);
    }
}

static enum err run_loads(struct bench *b, const char *load)
{
    bool all = load == NULL;
    enum err e = ERR_OK;
    if (all || strcmp(load, "produce") == 0) {
        e = bench_produce(b);
    }
    if (e == ERR_OK && (all || strcmp(load, "consume") == 0)) {
        e = bench_consume(b);
    }
    if (e == ERR_OK && (all || strcmp(load, "end-to-end") == 0)) {
        e = bench_end_to_end(b);
    }
    return e;
}

static enum err check_load(struct cli *cli)
{
    const char *load = cli->word_count > 0 ? cli->words[0] : NULL;
    if (load == NULL) {
        return ERR_OK;
    }
    if (strcmp(load, "consume") == 0 && !cli_has(cli, OPT_TOPIC)) {
        enum err e = ectx_fail(&cli->ec, ERR_CONFIG, "`leat bench consume` needs --topic");
        ectx_hint(&cli->ec, "`leat bench produce --topic NAME` fills one; `leat bench` alone does "
                            "both");
        return e;
    }
    if (strcmp(load, "produce") != 0 && strcmp(load, "consume") != 0 &&
        strcmp(load, "end-to-end") != 0) {
        return ectx_fail(&cli->ec, ERR_CONFIG,
                         "'%s' is no load: it must be produce, consume or end-to-end", load);
    }
    return ERR_OK;
}

int run_bench(struct cli *cli)
{
    struct bench b = {.cli = cli, .interrupt = -1};
    bool made = false;
    doc_init(&b.json);
    doc_array(&b.json, NULL);
    enum err e = check_load(cli);
    if (e == ERR_OK) {
        e = read_options(&b);
    }
    if (e == ERR_OK) {
        e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &b.client, &cli->ec);
    }
    if (e == ERR_OK) {
        e = prepare_topic(&b, &made);
    }
    if (e == ERR_OK) {
        e = rdkafka_load(&b.k, &cli->ec);
    }
    if (e == ERR_OK) {
        b.interrupt = interrupt_open();
        if (!cli->json) {
            out_printf("%s: topic %s, %d partition%s, records of %lld bytes, acks %s\n",
                       cli->bootstrap, b.topic, b.partitions, b.partitions == 1 ? "" : "s",
                       (long long)b.size, b.acks);
        }
        e = run_loads(&b, cli->word_count > 0 ? cli->words[0] : NULL);
    }
    doc_end(&b.json, ']');
    if (e == ERR_OK && cli->json) {
        e = doc_print(&b.json, &cli->ec);
    }
    if (made && !cli_has(cli, OPT_KEEP)) {
        delete_topic(&b);
    }
    interrupt_close(b.interrupt);
    rdkafka_unload(b.k);
    client_destroy(b.client);
    doc_deinit(&b.json);
    mem_free(b.payload);
    return cli_report(e, &cli->ec);
}
