/*
 * A load for any broker that speaks the Kafka protocol, for bench/run. Two clients: librdkafka (one
 * batching producer or one consumer) and a blocking one of our own (one message in flight, no
 * thread hand-over in the client, so that what is measured is the broker).
 *
 *   kafka_load produce   HOST:PORT TOPIC BYTES COUNT [librdkafka name=value]...
 *   kafka_load consume   HOST:PORT TOPIC COUNT
 *   kafka_load inflight  HOST:PORT TOPIC BYTES SECONDS
 *   kafka_load create    HOST:PORT TOPIC PARTITIONS
 *   kafka_load ready     HOST:PORT SECONDS       waits until a Metadata request is answered
 *
 * Prints one JSON line. Times in seconds, latencies in microseconds; cpu = user + system of this
 * process.
 */
#include <arpa/inet.h>
#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/bytes.h"
#include "record/builder.h"
#include "wire/frame.h"
#include "wire/gen/all.h"

#define MAX_LATENCIES 2000000u
#define REPLY_MAX     (4u * 1024 * 1024)

static void die(const char *what, const char *why)
{
    fprintf(stderr, "kafka_load: %s: %s\n", what, why);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* An order event of about `n` bytes: varied text, as services send it. */
static void make_payload(char *out, size_t n, unsigned seed)
{
    char head[128];
    int len =
        snprintf(head, sizeof(head),
                 "{\"eventType\":\"order.placed\",\"orderId\":\"%08x\",\"amount\":%u,\"note\":\"",
                 seed * 2654435761u, seed % 9999);
    size_t used = (size_t)len < n ? (size_t)len : n;
    memcpy(out, head, used);
    for (size_t i = used; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        out[i] = (char)('a' + (seed >> 24) % 26);
    }
    if (n > 2) {
        memcpy(out + n - 2, "\"}", 2);
    }
}

/* ---- librdkafka
 * ------------------------------------------------------------------------------------- */

static unsigned long long delivered, failed;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    (void)opaque;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        delivered++;
    } else {
        failed++;
    }
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *bootstrap, int argc, char **argv)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof(why));
    rd_kafka_conf_set(conf, "socket.nagle.disable", "true", why, sizeof(why));
    if (type == RD_KAFKA_PRODUCER) {
        rd_kafka_conf_set(conf, "linger.ms", "5", why, sizeof(why));
        rd_kafka_conf_set(conf, "queue.buffering.max.messages", "1000000", why, sizeof(why));
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    }
    for (int i = 0; i < argc; i++) {
        char *eq = strchr(argv[i], '=');
        if (eq == NULL) {
            die(argv[i], "expected name=value");
        }
        *eq = '\0';
        if (rd_kafka_conf_set(conf, argv[i], eq + 1, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
            die(argv[i], why);
        }
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
    if (rk == NULL) {
        die("librdkafka", why);
    }
    return rk;
}

static int run_produce(const char *bootstrap, const char *topic, size_t bytes,
                       unsigned long long count, int argc, char **argv)
{
    enum { PAYLOADS = 256 };
    char *payloads = malloc(PAYLOADS * bytes);
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, bootstrap, argc, argv);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    for (unsigned i = 0; i < PAYLOADS; i++) {
        make_payload(payloads + i * bytes, bytes, i);
    }
    double start = now();
    double cpu = cpu_seconds();
    for (unsigned long long i = 0; i < count; i++) {
        while (rd_kafka_produce(rkt, 0, 0, payloads + (i % PAYLOADS) * bytes, bytes, NULL, 0,
                                NULL) != 0) {
            rd_kafka_poll(rk, 5);
        }
        if (i % 1024 == 0) {
            rd_kafka_poll(rk, 0);
        }
    }
    while (rd_kafka_outq_len(rk) > 0 && now() - start < 300) {
        rd_kafka_poll(rk, 10);
    }
    double took = now() - start;
    printf("{\"messages\":%llu,\"failed\":%llu,\"bytes\":%zu,\"seconds\":%.4f,\"per_second\":%.0f,"
           "\"client_cpu\":%.3f}\n",
           delivered, failed, bytes, took, (double)delivered / took, cpu_seconds() - cpu);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
    free(payloads);
    return delivered == count ? 0 : 1;
}

static int run_consume(const char *bootstrap, const char *topic, unsigned long long count)
{
    char *none[] = {NULL};
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, bootstrap, 0, none);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    enum { BATCH = 10000 };
    rd_kafka_message_t **m = malloc(BATCH * sizeof(*m));
    unsigned long long got = 0;
    unsigned long long bytes = 0;
    double start = now();
    double cpu = cpu_seconds();
    rd_kafka_consume_start_queue(rkt, 0, RD_KAFKA_OFFSET_BEGINNING, queue);
    while (got < count && now() - start < 300) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 100, m, BATCH);
        for (ssize_t i = 0; i < n; i++) {
            if (m[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                got++;
                bytes += m[i]->len;
            }
            rd_kafka_message_destroy(m[i]);
        }
    }
    double took = now() - start;
    printf("{\"messages\":%llu,\"bytes_total\":%llu,\"seconds\":%.4f,\"per_second\":%.0f,\"client_"
           "cpu\":%.3f}\n",
           got, bytes, took, (double)got / took, cpu_seconds() - cpu);
    rd_kafka_consume_stop(rkt, 0);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(rkt);
    rd_kafka_destroy(rk);
    free(m);
    return got >= count ? 0 : 1;
}

/* ---- A blocking client of our own
 * --------------------------------------------------------------------- */

static int dial(const char *bootstrap)
{
    char host[64];
    const char *colon = strrchr(bootstrap, ':');
    if (colon == NULL || (size_t)(colon - bootstrap) >= sizeof(host)) {
        die(bootstrap, "expected HOST:PORT");
    }
    memcpy(host, bootstrap, (size_t)(colon - bootstrap));
    host[colon - bootstrap] = '\0';
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;
    if (fd < 0 || inet_pton(AF_INET, host, &addr.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static bool read_all(int fd, uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t got = read(fd, p, n);
        if (got <= 0) {
            return false;
        }
        p += got;
        n -= (size_t)got;
    }
    return true;
}

/* Sends a frame and receives the answer's; the answer's bytes after its size go to `reply`. */
static bool call(int fd, const struct buf *frame, uint8_t *reply, uint32_t *size)
{
    uint8_t head[4];
    if (write(fd, frame->p, frame->n) != (ssize_t)frame->n || !read_all(fd, head, 4)) {
        return false;
    }
    *size = get_be32(head);
    return *size <= REPLY_MAX && read_all(fd, reply, *size);
}

static void put_request(struct buf *out, int16_t key, int16_t version, const void *body)
{
    struct ectx ec = {0};
    buf_clear(out);
    if (wire_request_put(out, NULL, wire_api_find(key), version, 1, STR_LIT("kafka_load"), body,
                         &ec) != ERR_OK) {
        die("request", ec.text);
    }
}

static int run_create(const char *bootstrap, const char *topic, int partitions)
{
    struct buf out;
    buf_init(&out, 65536);
    uint8_t *reply = malloc(REPLY_MAX);
    uint32_t size = 0;
    struct wire_create_topics_request req;
    struct wire_create_topics_request_topic t;
    WIRE_INIT(wire_create_topics_request, &req);
    WIRE_INIT(wire_create_topics_request_topic, &t);
    t.name = str_of(topic);
    t.num_partitions = partitions;
    t.replication_factor = 1;
    req.topics = &t;
    req.topics_count = 1;
    put_request(&out, 19, 4, &req);
    int fd = dial(bootstrap);
    if (fd < 0 || !call(fd, &out, reply, &size)) {
        die("create", "no answer");
    }
    printf("{\"created\":\"%s\"}\n", topic);
    close(fd);
    free(reply);
    buf_deinit(&out);
    return 0;
}

static int run_ready(const char *bootstrap, double seconds)
{
    struct buf out;
    buf_init(&out, 4096);
    uint8_t *reply = malloc(REPLY_MAX);
    uint32_t size = 0;
    struct wire_metadata_request req;
    WIRE_INIT(wire_metadata_request, &req);
    put_request(&out, 3, 4, &req);
    double start = now();
    while (now() - start < seconds) {
        int fd = dial(bootstrap);
        if (fd >= 0 && call(fd, &out, reply, &size)) {
            printf("{\"waited_ms\":%.3f}\n", (now() - start) * 1e3);
            close(fd);
            free(reply);
            buf_deinit(&out);
            return 0;
        }
        if (fd >= 0) {
            close(fd);
        }
        usleep(200);
    }
    die("ready", "no answer in time");
    return 1;
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static void put_produce(struct buf *out, const char *topic, size_t bytes)
{
    struct batch_builder builder;
    struct batch_spec spec;
    struct buf batch;
    struct ectx ec = {0};
    char *payload = malloc(bytes);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    make_payload(payload, bytes, 7);
    batch_builder_init(&builder, bytes + 1024);
    batch_spec_init(&spec);
    buf_init(&batch, bytes + 4096);
    if (batch_builder_append(&builder, t.tv_sec * 1000, STR_NULL, str_make(payload, bytes), NULL,
                             0) != ERR_OK ||
        batch_builder_finish(&builder, &spec, NULL, &batch, &ec) != ERR_OK) {
        die("batch", ec.text);
    }
    struct wire_produce_request req;
    struct wire_produce_request_topic rt;
    struct wire_produce_request_partition rp;
    WIRE_INIT(wire_produce_request, &req);
    WIRE_INIT(wire_produce_request_topic, &rt);
    WIRE_INIT(wire_produce_request_partition, &rp);
    rp.records = (struct wire_records){.p = batch.p, .n = (int64_t)batch.n};
    rt.name = str_of(topic);
    rt.partition_data = &rp;
    rt.partition_data_count = 1;
    req.acks = -1;
    req.timeout_ms = 30000;
    req.topic_data = &rt;
    req.topic_data_count = 1;
    put_request(out, 0, 7, &req);
    buf_deinit(&batch);
    batch_builder_deinit(&builder);
    free(payload);
}

static int run_inflight(const char *bootstrap, const char *topic, size_t bytes, double seconds)
{
    struct buf out;
    buf_init(&out, bytes + 65536);
    uint8_t *reply = malloc(REPLY_MAX);
    double *us = malloc(MAX_LATENCIES * sizeof(double));
    uint32_t size = 0;
    size_t n = 0;
    put_produce(&out, topic, bytes);
    int fd = dial(bootstrap);
    if (fd < 0) {
        die(bootstrap, "cannot connect");
    }
    double start = now();
    while (now() - start < seconds && n < MAX_LATENCIES) {
        double t = now();
        if (!call(fd, &out, reply, &size)) {
            die("produce", "the connection was closed");
        }
        us[n++] = (now() - t) * 1e6;
        /* correlation id, topic count, name, partition count, index, then the error code */
        size_t at = 4 + 4 + 2 + strlen(topic) + 4 + 4;
        if (size < at + 2 || get_be16(reply + at) != 0) {
            die("produce", "the broker refused");
        }
    }
    double took = now() - start;
    qsort(us, n, sizeof(double), compare_doubles);
    printf("{\"messages\":%zu,\"bytes\":%zu,\"per_second\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
           "\"p999_us\":%.1f,\"max_us\":%.1f}\n",
           n, bytes, (double)n / took, us[n / 2], us[n * 99 / 100], us[n * 999 / 1000], us[n - 1]);
    close(fd);
    free(us);
    free(reply);
    buf_deinit(&out);
    return 0;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";
    if (strcmp(mode, "produce") == 0 && argc >= 6) {
        return run_produce(argv[2], argv[3], strtoull(argv[4], NULL, 10),
                           strtoull(argv[5], NULL, 10), argc - 6, argv + 6);
    }
    if (strcmp(mode, "consume") == 0 && argc == 5) {
        return run_consume(argv[2], argv[3], strtoull(argv[4], NULL, 10));
    }
    if (strcmp(mode, "inflight") == 0 && argc == 6) {
        return run_inflight(argv[2], argv[3], strtoull(argv[4], NULL, 10), strtod(argv[5], NULL));
    }
    if (strcmp(mode, "create") == 0 && argc == 5) {
        return run_create(argv[2], argv[3], (int)strtol(argv[4], NULL, 10));
    }
    if (strcmp(mode, "ready") == 0 && argc == 4) {
        return run_ready(argv[2], strtod(argv[3], NULL));
    }
    fprintf(stderr, "usage: see the head of bench/micro/kafka_load.c\n");
    return 2;
}
