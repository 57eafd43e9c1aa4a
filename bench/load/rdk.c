/*
 * Load through librdkafka, the client that most services use (for leat and Apache Kafka).
 *
 *   rdk produce  --at HOST:PORT --name TOPIC [--bytes N] [--seconds S] [--least BYTES]
 *       one batching producer, acks=all, linger 5 ms, partition 0, for S seconds and until LEAST
 *       bytes are sent. Two clocks: until the last acknowledgement, and until the device is quiet
 *       again after what the file system still held was flushed (`drained`). [--rate N] limits it.
 *       --mock 1: to librdkafka's own mock broker in this process, the client alone.
 *   rdk consume  --at HOST:PORT --name TOPIC [--from start|end] [--count N] [--seconds S]
 * [--partitions 1] ends after N messages, S seconds, or when nothing came for 2 s; the clock starts
 * with the first message rdk inflight --at HOST:PORT --name TOPIC [--bytes N] [--seconds S]     one
 * message in flight rdk paced    --at HOST:PORT --name TOPIC [--bytes N] [--seconds S] [--rate N]
 *       latency from when a message was due to its delivery report
 *
 * Also: --warm S seconds that are not counted, --pid of the broker, --dir of its data, --set
 * name=value,... for the client.
 */
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "core/compiler.h"
#include "load/common.h"

#define PAYLOADS      1024u
#define DRAIN_LIMIT_S 30.0

struct client {
    const char *at, *name, *dir;
    int pid;
    size_t bytes;
    double seconds, warm;
    char *payloads;
    rd_kafka_t *rk;
    rd_kafka_topic_t *rkt;
    struct samples *samples; /* of delivery reports; NULL: not counted */
    uint64_t sent, delivered, failed;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    struct client *c = opaque;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        c->failed++;
        return;
    }
    c->delivered++;
    if (c->samples != NULL && m->_private != NULL) {
        samples_add(c->samples, now_ns() - (uint64_t)(uintptr_t)m->_private);
    }
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
        die(name, why);
    }
}

static void set_all(rd_kafka_conf_t *conf, const char *pairs)
{
    char text[1024];
    char *rest = text;
    snprintf(text, sizeof(text), "%s", pairs);
    for (char *item = strsep(&rest, ","); item != NULL && *item != '\0';
         item = strsep(&rest, ",")) {
        char *value = strchr(item, '=');
        if (value == NULL) {
            die(item, "expected name=value");
        }
        *value++ = '\0';
        set(conf, item, value);
    }
}

static void client_init(struct client *c, struct options *o, rd_kafka_type_t type,
                        const char *linger, bool mock)
{
    char why[256];
    const char *dir = option_text(o, "dir", "");
    *c = (struct client){.at = option_text(o, "at", mock ? "" : NULL),
                         .name = option_text(o, "name", mock ? "mock" : NULL),
                         .dir = *dir != '\0' ? dir : NULL,
                         .pid = (int)option_u64(o, "pid", 0),
                         .bytes = (size_t)option_u64(o, "bytes", 1024),
                         .seconds = option_real(o, "seconds", 5),
                         .warm = option_real(o, "warm", 1)};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "socket.nagle.disable", "true");
    if (mock) {
        set(conf, "test.mock.num.brokers", "1");
    } else {
        set(conf, "bootstrap.servers", c->at);
    }
    if (type == RD_KAFKA_PRODUCER) {
        set(conf, "linger.ms", linger);
        set(conf, "acks", mock ? "1" : "all");
        set(conf, "queue.buffering.max.messages", "500000");
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        rd_kafka_conf_set_opaque(conf, c);
        c->payloads = take_memory(PAYLOADS * c->bytes);
        for (unsigned i = 0; i < PAYLOADS; i++) {
            make_payload(c->payloads + i * c->bytes, c->bytes, i);
        }
    }
    set_all(conf, option_text(o, "set", ""));
    c->rk = rd_kafka_new(type, conf, why, sizeof(why));
    if (c->rk == NULL) {
        die("librdkafka", why);
    }
    c->rkt = rd_kafka_topic_new(c->rk, c->name, NULL);
    prctl(PR_SET_TIMERSLACK, 1ul, 0, 0, 0);
}

static void client_deinit(struct client *c)
{
    rd_kafka_topic_destroy(c->rkt);
    rd_kafka_destroy(c->rk);
    free(c->payloads);
}

static void send_one(struct client *c, uint64_t due_ns)
{
    char *payload = c->payloads + c->sent % PAYLOADS * c->bytes;
    while (rd_kafka_produce(c->rkt, 0, 0, payload, c->bytes, NULL, 0, (void *)(uintptr_t)due_ns) !=
           0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            die("produce", rd_kafka_err2str(rd_kafka_last_error()));
        }
        rd_kafka_poll(c->rk, 5);
    }
    c->sent++;
}

static void settle(struct client *c)
{
    double began = now_s();
    while (rd_kafka_outq_len(c->rk) > 0) {
        rd_kafka_poll(c->rk, 10);
        if (now_s() - began > 120) {
            die("produce", "messages were not acknowledged in 120 s");
        }
    }
    if (c->failed > 0) {
        die("produce", "messages failed");
    }
}

/* ---- Produce */

struct pace {
    double seconds, rate; /* 0: as fast as it goes */
    uint64_t least;       /* messages */
    uint64_t worst;       /* fewest acknowledgements in a whole second */
    uint64_t seconds_seen;
};

/* Sends for a while. Looks at the clock every 256 messages. */
static void send_for(struct client *c, struct pace *p, struct meter *m)
{
    double began = now_s();
    double mark = began + 1;
    uint64_t first = c->sent;
    uint64_t before = c->delivered;
    p->worst = UINT64_MAX;
    for (;;) {
        double now = now_s();
        uint64_t count = c->sent - first;
        if (now - began >= p->seconds && count >= p->least) {
            break;
        }
        if (now >= mark) {
            uint64_t done = c->delivered - before;
            p->worst = done < p->worst ? done : p->worst;
            p->seconds_seen++;
            before = c->delivered;
            mark += 1;
            if (m != NULL) {
                meter_sample(m);
            }
        }
        uint64_t more = 256;
        if (p->rate > 0) {
            double due = (now - began) * p->rate;
            more = due > (double)count ? (uint64_t)due - count : 0;
            if (more == 0) {
                rd_kafka_poll(c->rk, 1);
            }
        }
        for (uint64_t i = 0; i < more; i++) {
            send_one(c, 0);
        }
        rd_kafka_poll(c->rk, 0);
    }
}

static void run_produce(struct options *o)
{
    struct client c;
    struct meter m;
    bool mock = option_u64(o, "mock", 0) != 0;
    client_init(&c, o, RD_KAFKA_PRODUCER, "5", mock);
    struct pace p = {.seconds = c.warm, .rate = option_real(o, "rate", 0)};
    uint64_t least = option_u64(o, "least", 0);
    options_end(o);
    send_one(&c, 0);
    settle(&c); /* connected, the producer's id taken */
    send_for(&c, &p, NULL);
    settle(&c);
    uint64_t warmed = c.delivered;
    if (c.dir != NULL) {
        drain(c.dir, DRAIN_LIMIT_S);
    }
    p.seconds = c.seconds;
    p.least = least / c.bytes;
    p.seconds_seen = 0;
    meter_start(&m, c.pid, c.dir);
    double began = now_s();
    send_for(&c, &p, &m);
    settle(&c);
    double acked = now_s();
    meter_sample(&m);
    double client_cpu = cpu_self_s() - m.client_cpu_s;
    double drained = c.dir != NULL ? drain(c.dir, DRAIN_LIMIT_S) : acked;
    drained = drained > acked ? drained : acked;
    meter_stop(&m);
    double count = (double)(c.delivered - warmed);
    printf("{\"what\":\"produce\",\"client\":\"librdkafka %s\",\"bytes\":%zu,\"sent\":%llu,"
           "\"messages\":%.0f,\"per_second_acked\":%.0f,\"per_second\":%.0f,\"worst_second\":%llu,"
           "\"drain_s\":%.3f,\"client_cpu_per_million\":%.4f,\"broker_cpu_per_million\":%.4f,"
           "\"device_per_payload_byte\":%.4f",
           rd_kafka_version_str(), c.bytes, (unsigned long long)c.sent, count,
           count / (acked - began), count / (drained - began),
           (unsigned long long)(p.seconds_seen > 0 ? p.worst : 0), drained - acked,
           client_cpu * 1e6 / count, m.broker_cpu_s * 1e6 / count,
           (double)m.device_bytes / (count * (double)c.bytes));
    meter_print(&m);
    printf("}\n");
    client_deinit(&c);
}

static void run_inflight(struct options *o)
{
    struct client c;
    struct meter m;
    struct samples s;
    client_init(&c, o, RD_KAFKA_PRODUCER, "0", false);
    options_end(o);
    samples_init(&s, (size_t)(c.seconds * 100000) + 1000);
    bool counting = false;
    for (double began = now_s();;) {
        double now = now_s();
        if (!counting && now - began > c.warm) {
            counting = true;
            began = now;
            c.samples = &s;
            meter_start(&m, c.pid, c.dir);
        }
        if (counting && now - began > c.seconds) {
            break;
        }
        uint64_t done = c.delivered;
        send_one(&c, now_ns());
        while (c.delivered == done && c.failed == 0) {
            rd_kafka_poll(c.rk, 100);
        }
    }
    settle(&c);
    meter_stop(&m);
    printf("{\"what\":\"inflight\",\"client\":\"librdkafka %s\",\"bytes\":%zu,\"messages\":%zu,"
           "\"per_second\":%.0f",
           rd_kafka_version_str(), c.bytes, s.count, (double)s.count / m.seconds);
    samples_print(&s, "");
    meter_print(&m);
    printf("}\n");
    samples_deinit(&s);
    client_deinit(&c);
}

/* Message i is due at i / rate. */
static void send_on_time(struct client *c, double rate, double seconds)
{
    uint64_t began = now_ns();
    uint64_t count = (uint64_t)(rate * seconds);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t due = began + (uint64_t)((double)i * 1e9 / rate);
        while (now_ns() < due) {
            double left = (double)(due - now_ns()) / 1e9;
            rd_kafka_poll(c->rk, 0);
            if (left > 0 && left < 1) {
                sleep_s(left < 50e-6 ? left : 50e-6);
            }
        }
        send_one(c, due);
        rd_kafka_poll(c->rk, 0);
    }
}

static void run_paced(struct options *o)
{
    struct client c;
    struct meter m;
    struct samples s;
    client_init(&c, o, RD_KAFKA_PRODUCER, "0", false);
    double rate = option_real(o, "rate", 5000);
    options_end(o);
    samples_init(&s, (size_t)(rate * c.seconds) + 1000);
    send_on_time(&c, rate, c.warm);
    settle(&c);
    c.samples = &s;
    meter_start(&m, c.pid, c.dir);
    send_on_time(&c, rate, c.seconds);
    settle(&c);
    meter_stop(&m);
    printf("{\"what\":\"paced\",\"client\":\"librdkafka %s\",\"bytes\":%zu,\"messages\":%zu,"
           "\"per_second\":%.1f",
           rd_kafka_version_str(), c.bytes, s.count, (double)s.count / m.seconds);
    samples_print(&s, "");
    meter_print(&m);
    printf("}\n");
    samples_deinit(&s);
    client_deinit(&c);
}

/* ---- Consume */

struct taken {
    uint64_t count, bytes;
    double first_s, last_s;
};

static void take(rd_kafka_message_t **m, ssize_t n, struct taken *t)
{
    for (ssize_t i = 0; i < n; i++) {
        if (m[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            t->count++;
            t->bytes += m[i]->len;
        } else if (m[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            die("consume", rd_kafka_message_errstr(m[i]));
        }
        rd_kafka_message_destroy(m[i]);
    }
}

static void run_consume(struct options *o)
{
    enum { BATCH = 2000 };
    struct client c;
    struct meter m;
    client_init(&c, o, RD_KAFKA_CONSUMER, "0", false);
    const char *from = option_text(o, "from", "start");
    uint64_t count = option_u64(o, "count", UINT64_C(1) << 53);
    const int32_t partitions = (int32_t)option_u64(o, "partitions", 1);
    options_end(o);
    rd_kafka_message_t **batch = take_memory(BATCH * sizeof(*batch));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(c.rk);
    struct taken t = {0};
    bool at_end = strcmp(from, "end") == 0;
    for (int32_t p = 0; p < partitions; p++) {
        rd_kafka_consume_start_queue(
            c.rkt, p, at_end ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING, queue);
    }
    meter_start(&m, c.pid, c.dir);
    double began = now_s();
    uint64_t skipped = 0;
    t.last_s = began + 28; /* the first may take long */
    while (t.count < count && now_s() - began < c.seconds && now_s() - t.last_s < 2) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 5, batch, BATCH);
        if (n <= 0) {
            continue;
        }
        bool first = t.count == 0;
        take(batch, n, &t);
        t.last_s = now_s();
        if (first) { /* neither the connection nor the look-up of the offset is counted */
            skipped = t.count;
            t.first_s = began = t.last_s;
            meter_start(&m, c.pid, c.dir);
        }
    }
    meter_stop(&m);
    if (t.count == skipped) {
        die("consume", "nothing came");
    }
    double seconds = t.last_s - t.first_s;
    double messages = (double)(t.count - skipped);
    printf("{\"what\":\"consume\",\"client\":\"librdkafka %s\",\"from\":\"%s\",\"messages\":%.0f,"
           "\"payload_bytes\":%llu,\"per_second\":%.0f,\"broker_cpu_per_million\":%.4f,"
           "\"client_cpu_per_million\":%.4f",
           rd_kafka_version_str(), from, messages, (unsigned long long)t.bytes, messages / seconds,
           m.broker_cpu_s * 1e6 / messages, m.client_cpu_s * 1e6 / messages);
    meter_print(&m);
    printf("}\n");
    for (int32_t p = 0; p < partitions; p++) {
        rd_kafka_consume_stop(c.rkt, p);
    }
    rd_kafka_queue_destroy(queue);
    free(batch);
    client_deinit(&c);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    struct options o;
    options_init(&o, argc, argv, 2);
    if (strcmp(mode, "produce") == 0) {
        run_produce(&o);
    } else if (strcmp(mode, "consume") == 0) {
        run_consume(&o);
    } else if (strcmp(mode, "inflight") == 0) {
        run_inflight(&o);
    } else if (strcmp(mode, "paced") == 0) {
        run_paced(&o);
    } else {
        die("usage", "rdk produce|consume|inflight|paced: see the head of rdk.c");
    }
    return 0;
}
