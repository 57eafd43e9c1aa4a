/* Inside of `leat bench`: what one run shares. */
#ifndef LEAT_CLI_BENCH_H
#define LEAT_CLI_BENCH_H

#include "cli/cluster.h"
#include "cli/histogram.h"
#include "cli/out.h"
#include "cli/rdkafka.h"

#define BENCH_SIZE_MAX     (64u * 1024 * 1024)
#define BENCH_SETTINGS_MAX (CLI_LIST_MAX + 24)

struct bench {
    struct cli *cli;
    struct rdkafka *k;
    struct client *client;
    const char *topic;
    int32_t partitions;
    int64_t size, rate, records, seconds,
        linger_ms; /* rate 0: as fast as possible; records -1: time decides */
    bool one_in_flight;
    const char *acks, *codec;
    char *payload; /* `size` bytes that do not compress */
    int interrupt;
    struct doc json;
    uint64_t told_ns;
};

struct bench_result {
    const char *what;
    uint64_t records, bytes, failed, elapsed_ns;
    struct histogram *latency; /* NULL: not measured */
    char why[192];             /* of the first failure */
};
/* One line of result, or one object of the document. */
void bench_tell(struct bench *b, const struct bench_result *r);
/* At most once a second, on a terminal. */
void bench_progress(struct bench *b, const char *what, uint64_t records, uint64_t started_ns);
size_t bench_producer_settings(struct bench *b, struct rdkafka_setting *s);
size_t bench_consumer_settings(struct bench *b, struct rdkafka_setting *s);

MUST_USE enum err bench_produce(struct bench *b);
MUST_USE enum err bench_consume(struct bench *b);
MUST_USE enum err bench_end_to_end(struct bench *b);

#endif
