/*
 * The adapter to librdkafka, which produces and consumes for the command line. The library is
 * loaded when it is first needed, so `leat serve` neither waits for it nor carries it; a machine
 * without it is told which package to install. Nothing else names librdkafka.
 */
#ifndef LEAT_CLI_RDKAFKA_H
#define LEAT_CLI_RDKAFKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

#define RDKAFKA_HEADERS_MAX 256

struct rdkafka; /* the loaded library */
MUST_USE enum err rdkafka_load(struct rdkafka **out, struct ectx *ec);
void rdkafka_unload(struct rdkafka *k);
const char *rdkafka_version(const struct rdkafka *k);

/* A configuration property of librdkafka; later ones override earlier ones. */
struct rdkafka_setting {
    const char *name, *value;
};
struct rdkafka_header {
    struct str name, value; /* value may be the null string */
};

struct rdkafka_producer;
/* Called from rdkafka_producer_poll and _flush for each record, with the `tag` it was sent with. */
typedef void (*rdkafka_delivered_fn)(void *ctx, uint64_t tag, enum err e, const char *why,
                                     int32_t partition, int64_t offset);
MUST_USE enum err rdkafka_producer_open(struct rdkafka *k, const char *topic,
                                        const struct rdkafka_setting *settings, size_t count,
                                        rdkafka_delivered_fn fn, void *ctx,
                                        struct rdkafka_producer **out, struct ectx *ec);
/* Copies everything. partition -1: by key. ERR_AGAIN: the queue is full, poll and try again. */
MUST_USE enum err rdkafka_producer_send(struct rdkafka_producer *p, int32_t partition,
                                        struct str key, struct str value,
                                        const struct rdkafka_header *headers, size_t header_count,
                                        uint64_t tag, struct ectx *ec);
/* Runs callbacks, waiting up to `timeout_ms` for the first. */
void rdkafka_producer_poll(struct rdkafka_producer *p, int timeout_ms);
/* Waits until nothing is under way. False: something still is. */
bool rdkafka_producer_flush(struct rdkafka_producer *p, int timeout_ms);
/* What is not delivered yet is given up. */
void rdkafka_producer_close(struct rdkafka_producer *p);

struct rdkafka_consumer;
struct rdkafka_place {
    int32_t partition;
    int64_t offset;
};
struct rdkafka_record {
    struct str topic, key, value; /* views until the next poll; key and value may be null */
    int32_t partition;
    int64_t offset, time_ms;
    const struct rdkafka_header *headers;
    size_t header_count;
};
enum rdkafka_event {
    RDKAFKA_NOTHING, /* the time is over */
    RDKAFKA_RECORD,
    RDKAFKA_END,   /* of record->partition, for now */
    RDKAFKA_FAILED /* see ec; the consumer is still usable */
};
MUST_USE enum err rdkafka_consumer_open(struct rdkafka *k, const struct rdkafka_setting *settings,
                                        size_t count, struct rdkafka_consumer **out,
                                        struct ectx *ec);
/* These partitions from these offsets, without a group. */
MUST_USE enum err rdkafka_consumer_assign(struct rdkafka_consumer *c, const char *topic,
                                          const struct rdkafka_place *places, size_t count,
                                          struct ectx *ec);
/* As a member of the group of the settings. */
MUST_USE enum err rdkafka_consumer_subscribe(struct rdkafka_consumer *c, const char *topic,
                                             struct ectx *ec);
/* How many partitions it has now. */
size_t rdkafka_consumer_assigned(struct rdkafka_consumer *c);
enum rdkafka_event rdkafka_consumer_poll(struct rdkafka_consumer *c, int timeout_ms,
                                         struct rdkafka_record *out, struct ectx *ec);
/* Stops fetching a partition. */
void rdkafka_consumer_pause(struct rdkafka_consumer *c, const char *topic, int32_t partition);
/* Marks the record as done, for the next commit. */
void rdkafka_consumer_done(struct rdkafka_consumer *c, const char *topic, int32_t partition,
                           int64_t offset);
/* Commits what is done. ERR_OK also when there was nothing. */
MUST_USE enum err rdkafka_consumer_commit(struct rdkafka_consumer *c, struct ectx *ec);
void rdkafka_consumer_close(struct rdkafka_consumer *c);

#endif
