/*
 * The three loads.
 *
 * produce     from handing a record to the client until the broker acknowledged it. As fast as
 *             possible, the time in the client's queue is most of it; --rate or --one-in-flight
 *             show what the broker takes.
 * consume     reads everything that the topic has.
 * end-to-end  from handing a record to a producer until a consumer has it; one record at a time,
 *             or --rate.
 */
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/interrupt.h"
#include "cli/position.h"
#include "core/bytes.h"
#include "core/mem.h"

#define POLL_MS     100
#define DRAIN_MS    250
#define SECOND_NS   1000000000u
#define SPIN_NS     200000u /* below this a sleep would be late */
#define STAMP_BYTES 16      /* run id and send time, at the front of an end-to-end record */

struct produced {
    struct histogram *latency;
    uint64_t delivered, failed, pending;
    char why[192];
};

static void on_delivered(void *ctx, uint64_t tag, enum err e, const char *why, int32_t partition,
                         int64_t offset)
{
    struct produced *d = ctx;
    (void)partition;
    (void)offset;
    d->pending--;
    if (e == ERR_OK) {
        d->delivered++;
        histogram_add(d->latency, clock_ns() - tag);
    } else if (d->failed++ == 0) {
        snprintf(d->why, sizeof(d->why), "%s", why);
    }
}

/* Is it time for record number `n`? With a rate each has a time of its own, whatever became of the
 * ones before, so that a slow broker is not asked less. */
static bool due(const struct bench *b, uint64_t started, uint64_t n, uint64_t *wait_ns)
{
    if (b->rate == 0) {
        *wait_ns = 0;
        return true;
    }
    uint64_t at = started + (uint64_t)((double)n * 1e9 / (double)b->rate);
    uint64_t now = clock_ns();
    *wait_ns = at > now ? at - now : 0;
    return at <= now;
}

static bool over(struct bench *b, uint64_t started, uint64_t sent)
{
    if (interrupt_seen(b->interrupt)) {
        return true;
    }
    return b->records >= 0 ? sent >= (uint64_t)b->records
                           : clock_ns() - started >= (uint64_t)b->seconds * SECOND_NS;
}

/*
 * One record, not counted: connecting, finding the leader and getting a producer id are of the
 * client's start, and would be the maximum of every run.
 */
static enum err warm_up(struct bench *b, struct rdkafka_producer *p, struct produced *d)
{
    d->pending++;
    enum err e = rdkafka_producer_send(p, -1, STR_NULL, str_make(b->payload, (size_t)b->size), NULL,
                                       0, clock_ns(), &b->cli->ec);
    while (e == ERR_OK && !rdkafka_producer_flush(p, DRAIN_MS)) {
    }
    if (e == ERR_OK && d->failed > 0) {
        e = ectx_fail(&b->cli->ec, ERR_UNKNOWN_SERVER_ERROR, "produce: %s", d->why);
    }
    d->delivered = 0;
    *d->latency = (struct histogram){0};
    return e;
}

static enum err produce_loop(struct bench *b, struct rdkafka_producer *p, struct produced *d,
                             uint64_t *sent)
{
    uint64_t started = clock_ns();
    enum err e = ERR_OK;
    while (e == ERR_OK && d->failed == 0 && !over(b, started, *sent)) {
        uint64_t wait_ns = 0;
        bool free_to_send = !b->one_in_flight || d->pending == 0;
        if (!free_to_send || !due(b, started, *sent, &wait_ns)) {
            rdkafka_producer_poll(p, !free_to_send ? POLL_MS : wait_ns > SPIN_NS * 10 ? 1 : 0);
            continue;
        }
        struct str value = str_make(b->payload, (size_t)b->size);
        d->pending++;
        e = rdkafka_producer_send(p, -1, STR_NULL, value, NULL, 0, clock_ns(), &b->cli->ec);
        if (e == ERR_OK) {
            *sent += 1;
        } else {
            d->pending--;
        }
        if (e == ERR_AGAIN) {
            rdkafka_producer_poll(p, POLL_MS);
            e = ERR_OK;
        } else if (*sent % 64 == 0 || b->rate > 0) {
            rdkafka_producer_poll(p, 0);
        }
        bench_progress(b, "produce", d->delivered, started);
    }
    while (!rdkafka_producer_flush(p, DRAIN_MS)) {
        bench_progress(b, "produce", d->delivered, started);
    }
    return e;
}

MUST_USE enum err bench_produce(struct bench *b)
{
    struct rdkafka_setting settings[BENCH_SETTINGS_MAX];
    size_t n = bench_producer_settings(b, settings);
    struct rdkafka_producer *p = NULL;
    struct produced d = {.latency = mem_new(struct histogram)};
    uint64_t sent = 0;
    enum err e = d.latency == NULL ? ectx_fail(&b->cli->ec, ERR_NO_MEMORY, "out of memory")
                                   : rdkafka_producer_open(b->k, b->topic, settings, n,
                                                           on_delivered, &d, &p, &b->cli->ec);
    if (e == ERR_OK) {
        e = warm_up(b, p, &d);
    }
    uint64_t started = clock_ns();
    if (e == ERR_OK) {
        e = produce_loop(b, p, &d, &sent);
    }
    if (e == ERR_OK) {
        struct bench_result r = {.what = "produce",
                                 .records = d.delivered,
                                 .bytes = d.delivered * (uint64_t)b->size,
                                 .failed = d.failed,
                                 .elapsed_ns = clock_ns() - started,
                                 .latency = d.latency};
        memcpy(r.why, d.why, sizeof(r.why));
        bench_tell(b, &r);
    }
    if (e == ERR_OK && d.failed > 0) {
        e = ectx_fail(&b->cli->ec, ERR_UNKNOWN_SERVER_ERROR, "produce: %s", d.why);
    }
    rdkafka_producer_close(p);
    mem_free(d.latency);
    return e;
}

/* A consumer of the whole topic from `from`; *records is how many there are to read. */
static enum err open_consumer(struct bench *b, enum position_kind from,
                              struct rdkafka_consumer **out, uint64_t *records)
{
    struct cli *cli = b->cli;
    struct rdkafka_setting settings[BENCH_SETTINGS_MAX];
    struct wire_metadata_response_topic t;
    struct position position = {from, 0};
    struct place *places = NULL;
    size_t n = 0, count = bench_consumer_settings(b, settings);
    enum err e = cluster_topic(b->client, b->topic, &t, &cli->ec);
    if (e == ERR_OK) {
        e = position_resolve(b->client, &t, -1, &position, &places, &n, &cli->ec);
    }
    if (e == ERR_OK) {
        e = rdkafka_consumer_open(b->k, settings, count, out, &cli->ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    struct rdkafka_place *list = arena_new_n(&cli->arena, struct rdkafka_place, n);
    if (list == NULL) {
        return ectx_fail(&cli->ec, ERR_NO_MEMORY, "out of memory");
    }
    *records = 0;
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct rdkafka_place){places[i].partition, places[i].at};
        *records += (uint64_t)(places[i].end - places[i].at);
    }
    return rdkafka_consumer_assign(*out, b->topic, list, n, &cli->ec);
}

MUST_USE enum err bench_consume(struct bench *b)
{
    struct rdkafka_consumer *c = NULL;
    struct bench_result r = {.what = "consume"};
    uint64_t wanted = 0, ends = 0;
    uint64_t started = clock_ns();
    enum err e = open_consumer(b, POSITION_START, &c, &wanted);
    uint64_t last = clock_ns();
    while (e == ERR_OK && r.records < wanted && ends < (uint64_t)b->partitions &&
           !interrupt_seen(b->interrupt)) {
        struct rdkafka_record record;
        switch (rdkafka_consumer_poll(c, POLL_MS, &record, &b->cli->ec)) {
        case RDKAFKA_RECORD:
            r.records++;
            r.bytes += record.key.n + record.value.n;
            last = clock_ns();
            break;
        case RDKAFKA_END:
            ends++; /* offsets without a record (markers, compaction) make it fewer than wanted */
            break;
        case RDKAFKA_FAILED:
            e = b->cli->ec.code;
            break;
        case RDKAFKA_NOTHING:
            if (clock_ns() - last > (uint64_t)b->cli->timeout_ms * 1000000u) {
                e = ectx_fail(&b->cli->ec, ERR_REQUEST_TIMED_OUT, "no record came within %d s",
                              b->cli->timeout_ms / 1000);
            }
            break;
        }
        if (b->records >= 0 && r.records >= (uint64_t)b->records) {
            break;
        }
        bench_progress(b, "consume", r.records, started);
    }
    r.elapsed_ns = clock_ns() - started;
    if (e == ERR_OK) {
        bench_tell(b, &r);
    }
    rdkafka_consumer_close(c);
    return e;
}

/* What an end-to-end record begins with. A record of another run is not counted. */
static void stamp(char *payload, uint64_t run)
{
    put_be64(payload, run);
    put_be64(payload + 8, clock_ns());
}

static void take_stamp(struct bench_result *r, struct str value, uint64_t run)
{
    if (value.n >= STAMP_BYTES && get_be64(value.p) == run) {
        histogram_add(r->latency, clock_ns() - get_be64(value.p + 8));
        r->records++;
        r->bytes += value.n;
    }
}

static enum err end_to_end_loop(struct bench *b, struct rdkafka_producer *p,
                                struct rdkafka_consumer *c, struct produced *d,
                                struct bench_result *r)
{
    struct ectx *ec = &b->cli->ec;
    uint64_t run = (uint64_t)wall_ms(), started = clock_ns(), sent = 0, last = started;
    enum err e = ERR_OK;
    bool ended = false;
    while (e == ERR_OK && d->failed == 0 && (!ended || r->records < sent)) {
        uint64_t wait_ns = 0;
        ended = ended || over(b, started, sent);
        bool send =
            !ended && (b->rate > 0 || r->records == sent) && due(b, started, sent, &wait_ns);
        if (send) {
            stamp(b->payload, run);
            e = rdkafka_producer_send(p, -1, STR_NULL, str_make(b->payload, (size_t)b->size), NULL,
                                      0, clock_ns(), ec);
            sent += e == ERR_OK;
            d->pending += e == ERR_OK;
            e = e == ERR_AGAIN ? ERR_OK : e;
        }
        rdkafka_producer_poll(p, 0);
        struct rdkafka_record record;
        int timeout = b->rate == 0 ? POLL_MS : wait_ns > SPIN_NS * 10 ? 1 : 0;
        switch (rdkafka_consumer_poll(c, timeout, &record, ec)) {
        case RDKAFKA_RECORD:
            take_stamp(r, record.value, run);
            last = clock_ns();
            break;
        case RDKAFKA_FAILED:
            e = ec->code;
            break;
        case RDKAFKA_END:
        case RDKAFKA_NOTHING:
            break;
        }
        if (e == ERR_OK && sent > r->records &&
            clock_ns() - last > (uint64_t)b->cli->timeout_ms * 1000000u) {
            e = ectx_fail(ec, ERR_REQUEST_TIMED_OUT, "%llu records did not arrive within %d s",
                          (unsigned long long)(sent - r->records), b->cli->timeout_ms / 1000);
        }
        bench_progress(b, "end-to-end", r->records, started);
    }
    r->elapsed_ns = clock_ns() - started;
    r->failed = d->failed;
    memcpy(r->why, d->why, sizeof(r->why));
    return e;
}

MUST_USE enum err bench_end_to_end(struct bench *b)
{
    struct ectx *ec = &b->cli->ec;
    struct rdkafka_setting settings[BENCH_SETTINGS_MAX];
    struct rdkafka_producer *p = NULL;
    struct rdkafka_consumer *c = NULL;
    struct histogram *acknowledged = mem_new(struct histogram);
    struct bench_result r = {.what = "end-to-end", .latency = mem_new(struct histogram)};
    struct produced d = {.latency = acknowledged};
    uint64_t there = 0;
    enum err e = r.latency == NULL || acknowledged == NULL
                     ? ectx_fail(ec, ERR_NO_MEMORY, "out of memory")
                     : ERR_OK;
    if (e == ERR_OK && b->size < STAMP_BYTES) {
        e = ectx_fail(ec, ERR_CONFIG, "end-to-end needs records of at least %d bytes (--size)",
                      STAMP_BYTES);
    }
    if (e == ERR_OK) {
        /* Waiting for more records to send is what this load must not measure. */
        b->linger_ms = cli_has(b->cli, OPT_LINGER) ? b->linger_ms : 0;
        size_t n = bench_producer_settings(b, settings);
        e = rdkafka_producer_open(b->k, b->topic, settings, n, on_delivered, &d, &p, ec);
    }
    if (e == ERR_OK) {
        e = open_consumer(b, POSITION_END, &c, &there);
    }
    if (e == ERR_OK) {
        e = warm_up(b, p, &d);
    }
    for (bool arrived = false; e == ERR_OK && !arrived;) {
        struct rdkafka_record record;
        enum rdkafka_event event = rdkafka_consumer_poll(c, b->cli->timeout_ms, &record, ec);
        arrived = event == RDKAFKA_RECORD;
        if (event == RDKAFKA_FAILED) {
            e = ec->code;
        } else if (event == RDKAFKA_NOTHING) {
            e = ectx_fail(ec, ERR_REQUEST_TIMED_OUT, "the first record did not arrive within %d s",
                          b->cli->timeout_ms / 1000);
        }
    }
    if (e == ERR_OK) {
        e = end_to_end_loop(b, p, c, &d, &r);
    }
    if (e == ERR_OK) {
        bench_tell(b, &r);
    }
    rdkafka_consumer_close(c);
    rdkafka_producer_close(p);
    mem_free(r.latency);
    mem_free(acknowledged);
    return e;
}
