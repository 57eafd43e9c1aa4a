/*
 * The command line: any words as arguments, a broker that answers anything, a file or standard
 * input with anything in it, records that are anything. Input: words, one a line, up to an empty
 * line; the rest are the choices from which file, answers and records are made. Most answers are
 * what the tables of src/wire permit, so that the command goes on; some are cut, of another
 * request, or no Kafka at all.
 *
 * Sockets, clock, file and librdkafka are this file's own (the linker's --wrap;
 * test/fuzz/rules.mk): nothing leaves the process and no wait takes time.
 *
 * Beyond "no crash, no leak": the command ends, with a status of the documented ones.
 *
 * libFuzzer: -max_len=1000
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/rdkafka.h"
#include "cli/socket.h"
#include "core/bytes.h"
#include "core/mem.h"
#include "fuzz/common.h"
#include "server/server.h"
#include "wire/frame.h"
#include "wire/gen/all.h"

#define ARGS_MAX    40
#define ARENA_BYTES (16u << 20)
#define ANSWER_MAX  (1u << 20)
#define CALLS_MAX   100000u
#define MS          1000000u

static struct {
    struct fuzz_source source;
    struct buf sent, answer; /* of the connection; there is one at a time */
    size_t answer_at;
    uint64_t clock_ns, step_ns;
    uint32_t calls; /* of the clock: a command that never ends is a finding */
    int file;
    bool running; /* a command is */
    /* librdkafka */
    rdkafka_delivered_fn delivered;
    void *delivered_ctx;
    uint64_t tags[64];
    size_t tag_count;
    struct arena records;
    uint64_t sum; /* of what touch read */
} fake;

/* ---- Clock and files --------------------------------------------------------------------------
 */

uint64_t __wrap_clock_ns(void);
void __wrap_clock_sleep_ms(int ms);
int64_t __wrap_wall_ms(void);
int __wrap_open(const char *path, int flags, ...);
int __real_open(const char *path, int flags, ...);
int __wrap_interrupt_open(void);

/* Every look takes longer than the one before, so that the longest timeout is over soon. */
uint64_t __wrap_clock_ns(void)
{
    CHECK(fake.calls++ < CALLS_MAX);
    fake.step_ns += fake.step_ns / 64;
    fake.clock_ns += fake.step_ns;
    return fake.clock_ns;
}

void __wrap_clock_sleep_ms(int ms)
{
    CHECK(ms >= 0);
    fake.clock_ns += (uint64_t)ms * MS;
}

int64_t __wrap_wall_ms(void)
{
    return 1700000000000;
}

/* Outside of a run others open files too, the one that notes coverage at the end for example. */
int __wrap_open(const char *path, int flags, ...)
{
    if (!fake.running) {
        va_list more;
        va_start(more, flags);
        int mode = va_arg(more, int);
        va_end(more);
        return __real_open(path, flags, mode);
    }
    if (strcmp(path, "missing") == 0 || lseek(fake.file, 0, SEEK_SET) != 0) {
        return -1;
    }
    return dup(fake.file);
}

int __wrap_interrupt_open(void)
{
    return -1;
}

/* ---- The broker -------------------------------------------------------------------------------
 */

enum err __wrap_socket_connect(const struct address *to, uint64_t deadline_ns, int *fd,
                               struct ectx *ec);
enum err __wrap_socket_send(int fd, const void *p, size_t n, uint64_t deadline_ns, struct ectx *ec);
enum err __wrap_socket_receive(int fd, void *p, size_t n, uint64_t deadline_ns, size_t *got,
                               struct ectx *ec);
void __wrap_socket_close(int fd);

enum err __wrap_socket_connect(const struct address *to, uint64_t deadline_ns, int *fd,
                               struct ectx *ec)
{
    (void)deadline_ns;
    CHECK(memchr(to->host, '\0', sizeof(to->host)) != NULL && to->port != 0);
    if (fuzz_below(&fake.source, 32) == 31) {
        return ectx_fail(ec, ERR_CLOSED, "nobody is there");
    }
    *fd = 1000;
    return ERR_OK;
}

void __wrap_socket_close(int fd)
{
    CHECK(fd == 1000 || fd == -1);
}

/* What a broker that has every API says; now and then something else. */
static void make_versions(struct wire_api_versions_response *r, struct arena *a)
{
    size_t n = wire_api_count();
    WIRE_INIT(wire_api_versions_response, r);
    r->api_keys = WIRE_NEW_N(a, wire_api_versions_response_api_key, (int64_t)n);
    CHECK(r->api_keys != NULL);
    r->api_keys_count = (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        const struct wire_api *api = wire_api_at(i);
        r->api_keys[i].api_key = api->key;
        r->api_keys[i].min_version = api->min;
        r->api_keys[i].max_version = api->max;
    }
}

static void answer_legal(const struct wire_api *api, int16_t version, int32_t correlation)
{
    struct arena a;
    arena_init(&a, ARENA_BYTES);
    void *body = calloc(1, api->response->size);
    CHECK(body != NULL);
    bool made = true;
    if (api->key == WIRE_API_VERSIONS && fuzz_below(&fake.source, 16) != 15) {
        make_versions(body, &a);
    } else {
        made = fuzz_wire_make(api->response, version, &fake.source, &a, body);
    }
    if (made) {
        IGNORE(wire_response_put(&fake.answer, NULL, api, version, correlation, body, NULL));
    }
    free(body);
    arena_deinit(&a);
}

/* The answer to a whole request. */
static void answer_kafka(void)
{
    const uint8_t *p = fake.sent.p;
    if (fake.sent.n < 12 || fake.sent.n - 4 < get_be32(p)) {
        return;
    }
    const struct wire_api *api = wire_api_find((int16_t)get_be16(p + 4));
    int16_t version = (int16_t)get_be16(p + 6);
    int32_t correlation = (int32_t)get_be32(p + 8);
    CHECK(api != NULL && version >= api->min && version <= api->max);
    uint32_t how = fuzz_below(&fake.source, 32);
    answer_legal(api, version, how == 31 ? correlation + 1 : correlation);
    if (how == 30 && fake.answer.n > 4) { /* cut, with the size of what is left */
        fake.answer.n = 4 + fuzz_below(&fake.source, (uint32_t)fake.answer.n - 3);
        put_be32(fake.answer.p, (uint32_t)fake.answer.n - 4);
    } else if (how == 29 && fake.answer.n > 0) { /* any bytes changed */
        for (int i = 0; i < 4; i++) {
            uint32_t at = fuzz_below(&fake.source, (uint32_t)fake.answer.n);
            fake.answer.p[at] = fuzz_u8(&fake.source);
        }
    } else if (how == 28) {
        buf_clear(&fake.answer); /* it hangs up */
    }
}

static void answer_http(void)
{
    static const char *const lines[] = {"leat_build_info{version=\"1\",commit=\"x\"} 1\n",
                                        "leat_bytes_in_total{topic=\"t\"} 5\n",
                                        "leat_ready 1\n",
                                        "# HELP x\n",
                                        "leat_build_info{version=\"\n",
                                        "process_x nan\n",
                                        "leat_store_bytes 1e300\n",
                                        "leat_store_free_bytes -1\n"};
    static const char *const heads[] = {"HTTP/1.1 200 OK\r\n\r\n",
                                        "HTTP/1.1 503 No\r\nA: b\r\n\r\n", "HTTP/1.1 20\r\n\r\n",
                                        "nothing"};
    buf_put_z(&fake.answer, heads[fuzz_below(&fake.source, 8) % ARRAY_LEN(heads)]);
    for (uint32_t i = 0, n = fuzz_below(&fake.source, 12); i < n; i++) {
        buf_put_z(&fake.answer, lines[fuzz_below(&fake.source, ARRAY_LEN(lines))]);
    }
    for (uint32_t i = 0, n = fuzz_below(&fake.source, 8) * 4; i < n; i++) {
        buf_put_u8(&fake.answer, fuzz_u8(&fake.source));
    }
}

enum err __wrap_socket_send(int fd, const void *p, size_t n, uint64_t deadline_ns, struct ectx *ec)
{
    (void)deadline_ns;
    (void)ec;
    CHECK(fd == 1000);
    buf_clear(&fake.sent);
    buf_clear(&fake.answer);
    fake.answer_at = 0;
    buf_put(&fake.sent, p, n);
    if (n > 4 && memcmp(p, "GET ", 4) == 0) {
        answer_http();
    } else {
        answer_kafka();
    }
    return ERR_OK;
}

enum err __wrap_socket_receive(int fd, void *p, size_t n, uint64_t deadline_ns, size_t *got,
                               struct ectx *ec)
{
    size_t left = fake.answer.n - fake.answer_at;
    (void)deadline_ns;
    (void)ec;
    CHECK(fd == 1000);
    n = n < left ? n : left;
    if (n > 0) {
        memcpy(p, fake.answer.p + fake.answer_at, n);
    }
    fake.answer_at += n;
    *got = n;
    return ERR_OK;
}

/* ---- librdkafka -------------------------------------------------------------------------------
 */

enum err __wrap_rdkafka_load(struct rdkafka **out, struct ectx *ec);
void __wrap_rdkafka_unload(struct rdkafka *k);
const char *__wrap_rdkafka_version(const struct rdkafka *k);
enum err __wrap_rdkafka_producer_open(struct rdkafka *k, const char *topic,
                                      const struct rdkafka_setting *settings, size_t count,
                                      rdkafka_delivered_fn fn, void *ctx,
                                      struct rdkafka_producer **out, struct ectx *ec);
enum err __wrap_rdkafka_producer_send(struct rdkafka_producer *p, int32_t partition, struct str key,
                                      struct str value, const struct rdkafka_header *headers,
                                      size_t header_count, uint64_t tag, struct ectx *ec);
void __wrap_rdkafka_producer_poll(struct rdkafka_producer *p, int timeout_ms);
bool __wrap_rdkafka_producer_flush(struct rdkafka_producer *p, int timeout_ms);
void __wrap_rdkafka_producer_close(struct rdkafka_producer *p);
enum err __wrap_rdkafka_consumer_open(struct rdkafka *k, const struct rdkafka_setting *settings,
                                      size_t count, struct rdkafka_consumer **out, struct ectx *ec);
enum err __wrap_rdkafka_consumer_assign(struct rdkafka_consumer *c, const char *topic,
                                        const struct rdkafka_place *places, size_t count,
                                        struct ectx *ec);
enum err __wrap_rdkafka_consumer_subscribe(struct rdkafka_consumer *c, const char *topic,
                                           struct ectx *ec);
size_t __wrap_rdkafka_consumer_assigned(struct rdkafka_consumer *c);
enum rdkafka_event __wrap_rdkafka_consumer_poll(struct rdkafka_consumer *c, int timeout_ms,
                                                struct rdkafka_record *out, struct ectx *ec);
void __wrap_rdkafka_consumer_pause(struct rdkafka_consumer *c, const char *topic,
                                   int32_t partition);
void __wrap_rdkafka_consumer_done(struct rdkafka_consumer *c, const char *topic, int32_t partition,
                                  int64_t offset);
enum err __wrap_rdkafka_consumer_commit(struct rdkafka_consumer *c, struct ectx *ec);
void __wrap_rdkafka_consumer_close(struct rdkafka_consumer *c);

static void *anything(void)
{
    static char one;
    return &one;
}

enum err __wrap_rdkafka_load(struct rdkafka **out, struct ectx *ec)
{
    (void)ec;
    *out = anything();
    return ERR_OK;
}

void __wrap_rdkafka_unload(struct rdkafka *k)
{
    (void)k;
}

const char *__wrap_rdkafka_version(const struct rdkafka *k)
{
    (void)k;
    return "2.0.0";
}

static void check_settings(const struct rdkafka_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK(strlen(settings[i].name) < 10000 && strlen(settings[i].value) < 10000);
    }
}

enum err __wrap_rdkafka_producer_open(struct rdkafka *k, const char *topic,
                                      const struct rdkafka_setting *settings, size_t count,
                                      rdkafka_delivered_fn fn, void *ctx,
                                      struct rdkafka_producer **out, struct ectx *ec)
{
    (void)k;
    (void)ec;
    CHECK(strlen(topic) < 10000);
    check_settings(settings, count);
    fake.delivered = fn;
    fake.delivered_ctx = ctx;
    fake.tag_count = 0;
    *out = anything();
    return ERR_OK;
}

/* Reads every byte, so that the sanitizer sees a view that points nowhere. */
static void touch(struct str s)
{
    unsigned sum = 0;
    for (size_t i = 0; i < s.n; i++) {
        sum += (unsigned char)s.p[i];
    }
    fake.sum += sum;
}

enum err __wrap_rdkafka_producer_send(struct rdkafka_producer *p, int32_t partition, struct str key,
                                      struct str value, const struct rdkafka_header *headers,
                                      size_t header_count, uint64_t tag, struct ectx *ec)
{
    (void)p;
    (void)partition;
    touch(key);
    touch(value);
    for (size_t i = 0; i < header_count; i++) {
        touch(headers[i].name);
        touch(headers[i].value);
    }
    if (fake.tag_count == ARRAY_LEN(fake.tags)) {
        return ERR_AGAIN;
    }
    if (fuzz_below(&fake.source, 64) == 63) {
        return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE, "too large");
    }
    fake.tags[fake.tag_count++] = tag;
    return ERR_OK;
}

void __wrap_rdkafka_producer_poll(struct rdkafka_producer *p, int timeout_ms)
{
    (void)p;
    fake.clock_ns += (uint64_t)timeout_ms * MS;
    size_t n = fake.tag_count;
    fake.tag_count = 0;
    for (size_t i = 0; i < n; i++) {
        bool good = fuzz_below(&fake.source, 32) != 31;
        fake.delivered(fake.delivered_ctx, fake.tags[i], good ? ERR_OK : ERR_REQUEST_TIMED_OUT,
                       "it took too long", 0, 5);
    }
}

bool __wrap_rdkafka_producer_flush(struct rdkafka_producer *p, int timeout_ms)
{
    __wrap_rdkafka_producer_poll(p, timeout_ms);
    return true;
}

void __wrap_rdkafka_producer_close(struct rdkafka_producer *p)
{
    (void)p;
}

enum err __wrap_rdkafka_consumer_open(struct rdkafka *k, const struct rdkafka_setting *settings,
                                      size_t count, struct rdkafka_consumer **out, struct ectx *ec)
{
    (void)k;
    (void)ec;
    check_settings(settings, count);
    *out = anything();
    return ERR_OK;
}

enum err __wrap_rdkafka_consumer_assign(struct rdkafka_consumer *c, const char *topic,
                                        const struct rdkafka_place *places, size_t count,
                                        struct ectx *ec)
{
    (void)c;
    (void)ec;
    CHECK(strlen(topic) < 10000);
    touch(str_make(places, count * sizeof(places[0])));
    return ERR_OK;
}

enum err __wrap_rdkafka_consumer_subscribe(struct rdkafka_consumer *c, const char *topic,
                                           struct ectx *ec)
{
    (void)c;
    (void)topic;
    (void)ec;
    return ERR_OK;
}

size_t __wrap_rdkafka_consumer_assigned(struct rdkafka_consumer *c)
{
    (void)c;
    return fuzz_below(&fake.source, 4);
}

enum rdkafka_event __wrap_rdkafka_consumer_poll(struct rdkafka_consumer *c, int timeout_ms,
                                                struct rdkafka_record *out, struct ectx *ec)
{
    static struct rdkafka_header headers[2];
    struct fuzz_source *s = &fake.source;
    (void)c;
    fake.clock_ns += (uint64_t)timeout_ms * MS;
    if (fuzz_source_ended(s)) {
        IGNORE(ectx_fail(ec, ERR_MALFORMED, "that was all"));
        return RDKAFKA_FAILED;
    }
    uint32_t what = fuzz_below(s, 8);
    arena_reset(&fake.records, ARENA_BYTES);
    headers[0] = (struct rdkafka_header){fuzz_bytes(s, &fake.records, fuzz_below(s, 5)), STR_NULL};
    headers[1] = (struct rdkafka_header){STR_LIT("h"), fuzz_bytes(s, &fake.records, 3)};
    *out = (struct rdkafka_record){.topic = STR_LIT("t"),
                                   .partition = (int32_t)fuzz_number(s),
                                   .offset = (int64_t)((uint64_t)fuzz_number(s) & INT64_MAX),
                                   .time_ms = fuzz_number(s),
                                   .headers = headers,
                                   .header_count = fuzz_below(s, 3)};
    out->key = fuzz_below(s, 2) == 0 ? STR_NULL : fuzz_bytes(s, &fake.records, fuzz_below(s, 9));
    out->value = fuzz_below(s, 4) == 0 ? STR_NULL : fuzz_bytes(s, &fake.records, fuzz_below(s, 40));
    if (out->offset == INT64_MAX) {
        out->offset--;
    }
    if (what == 7) {
        IGNORE(ectx_fail(ec, ERR_CLOSED, "the broker is away"));
    }
    return what == 7   ? RDKAFKA_FAILED
           : what == 6 ? RDKAFKA_END
           : what == 5 ? RDKAFKA_NOTHING
                       : RDKAFKA_RECORD;
}

void __wrap_rdkafka_consumer_pause(struct rdkafka_consumer *c, const char *topic, int32_t partition)
{
    (void)c;
    (void)topic;
    (void)partition;
}

void __wrap_rdkafka_consumer_done(struct rdkafka_consumer *c, const char *topic, int32_t partition,
                                  int64_t offset)
{
    (void)c;
    (void)topic;
    (void)partition;
    (void)offset;
}

enum err __wrap_rdkafka_consumer_commit(struct rdkafka_consumer *c, struct ectx *ec)
{
    (void)c;
    return fuzz_below(&fake.source, 16) == 15 ? ectx_fail(ec, ERR_REBALANCE_IN_PROGRESS, "not now")
                                              : ERR_OK;
}

void __wrap_rdkafka_consumer_close(struct rdkafka_consumer *c)
{
    (void)c;
}

/* ---- One run ----------------------------------------------------------------------------------
 */

static void prepare(const uint8_t *p, size_t n)
{
    static FILE *nowhere;
    if (nowhere == NULL) {
        nowhere = fopen("/dev/null", "w");
        fake.file = memfd_create("file", 0);
        CHECK(nowhere != NULL && fake.file >= 0 && dup2(fake.file, STDIN_FILENO) == STDIN_FILENO);
        stdout = nowhere;
        buf_init(&fake.sent, 65u << 20);
        buf_init(&fake.answer, ANSWER_MAX);
        arena_init(&fake.records, ARENA_BYTES);
        unsetenv("LEAT_BOOTSTRAP");
    }
    fake.source = fuzz_source_bytes(p, n);
    fake.clock_ns = 1000000000;
    fake.step_ns = MS;
    fake.calls = 0;
    arena_reset(&fake.records, ARENA_BYTES);
}

static void write_file(void)
{
    static const char *const pieces[] = {"a:b\n", "\n",      "line", "\r\n",
                                         ":",     "k:v:w\n", "\xff", "0\n"};
    struct buf b;
    buf_init(&b, 2u << 20);
    for (uint32_t i = 0, n = fuzz_below(&fake.source, 16); i < n; i++) {
        uint32_t which = fuzz_below(&fake.source, 64);
        if (which < ARRAY_LEN(pieces)) {
            buf_put_z(&b, pieces[which]);
        } else if (which == 63) { /* longer than one read */
            memset(buf_extend(&b, 70000), 'x', 70000);
        } else {
            buf_put_u8(&b, fuzz_u8(&fake.source));
        }
    }
    CHECK(ftruncate(fake.file, 0) == 0 && lseek(fake.file, 0, SEEK_SET) == 0);
    CHECK(b.n == 0 || pwrite(fake.file, b.p, b.n, 0) == (ssize_t)b.n);
    buf_deinit(&b);
}

/* Of main.c, which is not linked. */
int run_version(struct cli *cli)
{
    return cli->word_count == 0 ? EXIT_OK : EXIT_FAILED;
}

/* What main() does, without the commands of the server. */
static void run(int argc, char **argv)
{
    int used = 0, status = 0;
    bool help = false;
    const struct command *command = argc > 0 ? command_find(argc, argv, &used) : NULL;
    if (command == NULL || command->run == NULL || command->run == run_bench) {
        return;
    }
    struct cli *cli = mem_new(struct cli);
    CHECK(cli != NULL);
    cli->command = command;
    cli->colour = fuzz_below(&fake.source, 2) == 1;
    cli->progress = fuzz_below(&fake.source, 2) == 1;
    arena_init(&cli->arena, ARENA_BYTES);
    enum err e = cli_parse(cli, argc - used, argv + used, &help, &cli->ec);
    CHECK(e == ERR_OK || cli->ec.text[0] != '\0');
    if (e != ERR_OK) {
        status = cli_report(e, &cli->ec);
    } else if (help) {
        help_command(command);
    } else {
        status = command->run(cli);
    }
    CHECK(status == EXIT_OK || status == EXIT_FAILED || status == EXIT_USAGE ||
          status == EXIT_UNREACHABLE);
    arena_deinit(&cli->arena);
    mem_free(cli);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[ARGS_MAX + 1];
    int argc = 0;
    char *text = malloc(size + 1);
    CHECK(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    char *line = text, *end = text + size;
    while (line < end && *line != '\n' && argc < ARGS_MAX) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop == NULL ? end : stop;
        *stop = '\0';
        argv[argc++] = line;
        line = stop + 1;
    }
    argv[argc] = NULL;
    size_t at = line < end ? (size_t)(line - text) + 1 : size;
    prepare(data + at, size - at);
    write_file();
    FILE *old = stderr;
    stderr = stdout; /* libFuzzer and the sanitizers write to the descriptor */
    fake.running = true;
    run(argc, argv);
    fake.running = false;
    stderr = old;
    free(text);
    return 0;
}

/* ---- The mutator ------------------------------------------------------------------------------
 */

static void put_words(struct fuzz_source *s, struct buf *out)
{
    static const char *const words[] = {"t", "g", "u", "-", "file", "missing", "", "42", "\xff"};
    static const char *const values[] = {"1",
                                         "0",
                                         "-1",
                                         "t",
                                         "start",
                                         "end",
                                         "-10",
                                         "@5",
                                         "a=b",
                                         "=",
                                         "json",
                                         "text",
                                         "value",
                                         "-15m",
                                         "all",
                                         "zstd",
                                         ":",
                                         "h:1",
                                         "2026-11-20T20:15:00.5+01:00",
                                         "99999999999999999999"};
    const struct command *c = &COMMANDS[fuzz_below(s, (uint32_t)COMMAND_COUNT)];
    buf_printf(out, "%s\n", c->noun);
    if (c->verb != NULL) {
        buf_printf(out, "%s\n", c->verb);
    }
    for (size_t i = 0, n = c->word_min + fuzz_below(s, 2); i < n; i++) {
        buf_printf(out, "%s\n", words[fuzz_below(s, 4) == 3 ? fuzz_below(s, ARRAY_LEN(words)) : 0]);
    }
    for (uint32_t i = 0, n = fuzz_below(s, 4); i < n; i++) {
        const struct option *o = command_option_at(c, fuzz_below(s, 12));
        if (o != NULL && o->id != OPT_HELP) {
            buf_printf(out, "%s\n", o->name);
        }
        if (o != NULL && o->arg != NULL) {
            buf_printf(out, "%s\n", values[fuzz_below(s, ARRAY_LEN(values))]);
        }
    }
    buf_put_u8(out, '\n');
}

/* Other words before the same choices, or other choices after the same words. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
    struct fuzz_source s = fuzz_source_seed(seed);
    uint8_t *blank = size < 2 ? NULL : memmem(data, size, "\n\n", 2);
    size_t at = blank == NULL ? size : (size_t)(blank - data) + 2;
    switch (fuzz_below(&s, 8)) {
    case 0: {
        struct buf b;
        buf_init(&b, 4096);
        put_words(&s, &b);
        if (b.n + (size - at) <= max) {
            memmove(data + b.n, data + at, size - at);
            memcpy(data, b.p, b.n);
            size = b.n + (size - at);
        }
        buf_deinit(&b);
        return size;
    }
    case 1:
        return LLVMFuzzerMutate(data, size, max);
    default:
        return at + LLVMFuzzerMutate(data + at, size - at, max - at);
    }
}
