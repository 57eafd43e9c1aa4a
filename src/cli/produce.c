/* leat produce: each line of a file or of standard input becomes a record. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cluster.h"
#include "cli/out.h"
#include "cli/properties.h"
#include "cli/rdkafka.h"

#define LINE_MAX_BYTES   (100u * 1024 * 1024)
#define READ_BYTES       65536u
#define SETTINGS_MAX     (CLI_LIST_MAX + 16)
#define PROGRESS_NS      1000000000u
#define DELIVERY_WAIT_MS 250

struct produced {
    struct cli *cli;
    struct rdkafka_producer *p;
    struct rdkafka_header headers[CLI_LIST_MAX];
    size_t header_count;
    int32_t partition;
    uint64_t sent, delivered, failed, bytes, told_ns;
    char why[256]; /* of the first failure */
    enum err failure;
};

static void on_delivered(void *ctx, uint64_t tag, enum err e, const char *why, int32_t partition,
                         int64_t offset)
{
    struct produced *d = ctx;
    (void)tag;
    (void)partition;
    (void)offset;
    if (e == ERR_OK) {
        d->delivered++;
        return;
    }
    if (d->failed++ == 0) {
        d->failure = e;
        snprintf(d->why, sizeof(d->why), "%s", why);
    }
}

static void tell_progress(struct produced *d, bool last)
{
    uint64_t now = clock_ns();
    if (d->cli->progress && !isatty(STDIN_FILENO) && (last || now - d->told_ns > PROGRESS_NS)) {
        char text[32];
        fprintf(stderr, "\r%s records delivered%s", format_count((int64_t)d->delivered, text),
                last ? "\n" : "");
        d->told_ns = now;
    }
}

static enum err send_line(struct produced *d, struct str line)
{
    struct cli *cli = d->cli;
    struct str key = cli_has(cli, OPT_KEY) ? str_of(cli->values[OPT_KEY]) : STR_NULL;
    struct str value = line;
    const char *separator = cli->values[OPT_SEPARATOR];
    if (separator != NULL) {
        const char *at = line.n == 0 ? NULL : memmem(line.p, line.n, separator, strlen(separator));
        if (at == NULL) {
            enum err e = ectx_fail(&cli->ec, ERR_MALFORMED, "line %llu has no '%s'",
                                   (unsigned long long)d->sent + 1, separator);
            ectx_hint(&cli->ec, "--separator splits each line into key and value");
            return e;
        }
        key = str_make(line.p, (size_t)(at - line.p));
        value = str_make(at + strlen(separator), line.n - key.n - strlen(separator));
    }
    for (;;) {
        enum err e = rdkafka_producer_send(d->p, d->partition, key, value, d->headers,
                                           d->header_count, 0, &cli->ec);
        if (e == ERR_OK) {
            d->sent++;
            d->bytes += value.n;
            rdkafka_producer_poll(d->p, 0);
            tell_progress(d, false);
        }
        if (e != ERR_AGAIN) {
            return e;
        }
        rdkafka_producer_poll(d->p, DELIVERY_WAIT_MS);
        if (d->failed > 0) {
            return ERR_OK; /* told at the end */
        }
    }
}

/* Sends every whole line of `b` and moves the rest to its front. */
static enum err send_lines(struct produced *d, struct buf *b)
{
    size_t at = 0;
    enum err e = ERR_OK;
    while (e == ERR_OK && at < b->n && d->failed == 0) {
        const uint8_t *end = memchr(b->p + at, '\n', b->n - at);
        if (end == NULL) {
            break;
        }
        e = send_line(d, str_make(b->p + at, (size_t)(end - b->p) - at));
        at = (size_t)(end - b->p) + 1;
    }
    if (at > 0) {
        memmove(b->p, b->p + at, b->n - at);
        b->n -= at;
    }
    return e;
}

static enum err send_file(struct produced *d, int fd, const char *name)
{
    struct buf b;
    buf_init(&b, LINE_MAX_BYTES);
    enum err e = ERR_OK;
    while (e == ERR_OK && d->failed == 0) {
        if (!buf_reserve(&b, READ_BYTES)) {
            e = ectx_fail(&d->cli->ec, ERR_LIMIT, "%s: line %llu is longer than %u bytes", name,
                          (unsigned long long)d->sent + 1, LINE_MAX_BYTES - READ_BYTES);
            break;
        }
        ssize_t n = read(fd, b.p + b.n, READ_BYTES);
        if (n < 0 && errno != EINTR) {
            e = ectx_fail(&d->cli->ec, ERR_IO, "could not read %s: %s", name,
                          strerrordesc_np(errno));
        }
        if (n == 0) {
            break;
        }
        b.n += n > 0 ? (size_t)n : 0;
        if (n > 0 && memchr(b.p + b.n - (size_t)n, '\n', (size_t)n) != NULL) {
            e = send_lines(d, &b);
        }
    }
    if (e == ERR_OK && b.n > 0 && d->failed == 0) {
        e = send_line(d, buf_str(&b)); /* the last line may lack its end */
    }
    buf_deinit(&b);
    return e;
}

static enum err add_settings(struct cli *cli, struct rdkafka_setting *s, size_t *count)
{
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    const char *acks = cli_has(cli, OPT_ACKS) ? cli->values[OPT_ACKS] : "all";
    const char *codec = cli_has(cli, OPT_CODEC) ? cli->values[OPT_CODEC] : "none";
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        known = known || strcmp(codec, codecs[i]) == 0;
    }
    if (!known) {
        return ectx_fail(&cli->ec, ERR_CONFIG,
                         "--codec '%s': must be none, gzip, snappy, lz4 or zstd", codec);
    }
    if (strcmp(acks, "all") != 0 && strcmp(acks, "1") != 0 && strcmp(acks, "0") != 0) {
        return ectx_fail(&cli->ec, ERR_CONFIG, "--acks '%s': must be all, 1 or 0", acks);
    }
    size_t n = 0;
    s[n++] = (struct rdkafka_setting){"bootstrap.servers", cli->bootstrap};
    s[n++] = (struct rdkafka_setting){"client.id", CLI_CLIENT_ID};
    s[n++] = (struct rdkafka_setting){"acks", acks};
    s[n++] =
        (struct rdkafka_setting){"enable.idempotence", strcmp(acks, "all") == 0 ? "true" : "false"};
    s[n++] = (struct rdkafka_setting){"compression.codec", codec};
    s[n++] = (struct rdkafka_setting){"message.max.bytes", "104857600"};
    s[n++] = (struct rdkafka_setting){"partitioner", "murmur2_random"};
    s[n++] = (struct rdkafka_setting){"message.timeout.ms",
                                      arena_printf(&cli->arena, "%d", cli->timeout_ms).p};
    s[n++] = (struct rdkafka_setting){"linger.ms", isatty(STDIN_FILENO) ? "0" : "5"};
    *count = n;
    return ERR_OK;
}

static enum err print_sum(struct cli *cli, const struct produced *d)
{
    if (!cli->json) {
        char text[32], size[24];
        out_printf("produced %s record%s (%s) to %s\n", format_count((int64_t)d->delivered, text),
                   d->delivered == 1 ? "" : "s", format_bytes((double)d->bytes, size),
                   cli->words[0]);
        return ERR_OK;
    }
    struct doc j;
    doc_init(&j);
    doc_object(&j, NULL);
    doc_z(&j, "topic", cli->words[0]);
    doc_i64(&j, "records", (int64_t)d->delivered);
    doc_i64(&j, "bytes", (int64_t)d->bytes);
    doc_end(&j, '}');
    enum err e = doc_print(&j, &cli->ec);
    doc_deinit(&j);
    return e;
}

/* The topic must be there: a misspelt name shall not make a new one. */
static enum err check_topic(struct cli *cli, int32_t partition)
{
    struct client *c = NULL;
    struct wire_metadata_response_topic t;
    enum err e = client_create(cli->bootstrap, cli->timeout_ms, &cli->arena, &c, &cli->ec);
    if (e == ERR_OK) {
        e = cluster_topic(c, cli->words[0], &t, &cli->ec);
    }
    if (e == ERR_OK && partition >= t.partitions_count) {
        e = ectx_fail(&cli->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "topic '%s' has no partition %d",
                      cli->words[0], partition);
        ectx_hint(&cli->ec, "it has %d, counted from 0", t.partitions_count);
    }
    client_destroy(c);
    return e;
}

static enum err produce_all(struct cli *cli, struct produced *d)
{
    const char *name = cli->word_count > 1 ? cli->words[1] : "-";
    bool from_stdin = strcmp(name, "-") == 0;
    int fd = from_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ectx_fail(&cli->ec, ERR_NOT_FOUND, "could not open '%s': %s", name,
                         strerrordesc_np(errno));
    }
    if (from_stdin && isatty(fd) && cli->progress) {
        fprintf(stderr, "Each line is a record; Ctrl-D ends.\n");
    }
    enum err e = send_file(d, fd, from_stdin ? "standard input" : name);
    if (!from_stdin) {
        close(fd);
    }
    /* What was read before an error is still delivered, so that the count is right. */
    while (!rdkafka_producer_flush(d->p, DELIVERY_WAIT_MS)) {
        tell_progress(d, false);
    }
    tell_progress(d, true);
    if (e == ERR_OK && d->failed > 0) {
        e = ectx_fail(&cli->ec, d->failure, "%llu of %llu records were not delivered: %s",
                      (unsigned long long)d->failed, (unsigned long long)d->sent, d->why);
    }
    return e;
}

int run_produce(struct cli *cli)
{
    struct produced d = {.cli = cli, .told_ns = clock_ns()};
    struct rdkafka_setting settings[SETTINGS_MAX];
    struct rdkafka *k = NULL;
    size_t count = 0;
    int64_t partition = -1;
    enum err e = cli_number(cli, OPT_PARTITION, 0, INT32_MAX, -1, &partition, &cli->ec);
    d.partition = (int32_t)partition;
    for (size_t i = 0; e == ERR_OK && i < cli->lists[OPT_HEADER].count; i++) {
        struct rdkafka_header *h = &d.headers[d.header_count++];
        e = cli_pair(cli->lists[OPT_HEADER].items[i], "--header", &h->name, &h->value, &cli->ec);
    }
    if (e == ERR_OK && cli_has(cli, OPT_SEPARATOR) && cli->values[OPT_SEPARATOR][0] == '\0') {
        e = ectx_fail(&cli->ec, ERR_CONFIG, "--separator must not be empty");
    }
    if (e == ERR_OK) {
        e = add_settings(cli, settings, &count);
    }
    if (e == ERR_OK) {
        e = properties_add(cli, settings, &count);
    }
    if (e == ERR_OK) {
        e = check_topic(cli, d.partition);
    }
    if (e == ERR_OK) {
        e = rdkafka_load(&k, &cli->ec);
    }
    if (e == ERR_OK) {
        e = rdkafka_producer_open(k, cli->words[0], settings, count, on_delivered, &d, &d.p,
                                  &cli->ec);
    }
    if (e == ERR_OK) {
        e = produce_all(cli, &d);
    }
    if (e == ERR_OK) {
        e = print_sum(cli, &d);
    }
    rdkafka_producer_close(d.p);
    rdkafka_unload(k);
    return cli_report(e, &cli->ec);
}
