/*
 * See common_proto.h.
 */
#include "load/common_proto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/bytes.h"
#include "wire/gen/all.h"

#define REPLY_MAX (4u * 1024 * 1024)
#define FRAME_MAX (64u * 1024 * 1024)

static char *make_text(size_t bytes)
{
    char *payload = take_memory(bytes + 1);
    make_payload(payload, bytes, 7);
    payload[bytes] = '\0';
    return payload;
}

/* ---- Kafka */

void kafka_commit(struct frame *out, const char *group, const char *topic, int64_t offset)
{
    struct wire_offset_commit_request req;
    struct wire_offset_commit_request_topic t;
    struct wire_offset_commit_request_partition p;
    WIRE_INIT(wire_offset_commit_request, &req);
    WIRE_INIT(wire_offset_commit_request_topic, &t);
    WIRE_INIT(wire_offset_commit_request_partition, &p);
    p.committed_offset = offset;
    p.committed_metadata = STR_LIT("");
    t.name = str_of(topic);
    t.partitions = &p;
    t.partitions_count = 1;
    req.group_id = str_of(group);
    req.member_id = STR_LIT("");
    req.generation_id_or_member_epoch = -1;
    req.topics = &t;
    req.topics_count = 1;
    frame_init(out, 8, 7, &req);
}

size_t kafka_call(int fd, const struct buf *frame, uint8_t *reply, size_t capacity)
{
    uint8_t head[4];
    if (!write_all(fd, frame->p, frame->n) || !read_all(fd, head, 4)) {
        die("call", "the connection was closed");
    }
    size_t size = get_be32(head);
    if (size > capacity || !read_all(fd, reply, size)) {
        die("call", "the answer is too large, or the connection was closed");
    }
    return size;
}

void kafka_await_group(int fd, const char *group, const struct buf *commit)
{
    struct frame out;
    struct wire_find_coordinator_request req;
    uint8_t reply[1024];
    WIRE_INIT(wire_find_coordinator_request, &req);
    req.key = str_of(group);
    frame_init(&out, 10, 2, &req);
    for (double began = now_s();; sleep_s(0.05)) {
        (void)kafka_call(fd, &out.bytes, reply, sizeof(reply));
        size_t size = kafka_call(fd, commit, reply, sizeof(reply));
        /* The answer has one topic and partition and ends with the error. */
        if (size >= 2 && get_be16(reply + size - 2) == 0) {
            break;
        }
        if (now_s() - began > 60) {
            die(group, "the broker takes no commits");
        }
    }
    frame_deinit(&out);
}

int64_t kafka_end_offset(int fd, const char *topic, int32_t partition)
{
    struct frame out;
    struct wire_list_offsets_request req;
    struct wire_list_offsets_request_topic t;
    struct wire_list_offsets_request_partition p;
    uint8_t reply[512];
    WIRE_INIT(wire_list_offsets_request, &req);
    WIRE_INIT(wire_list_offsets_request_topic, &t);
    WIRE_INIT(wire_list_offsets_request_partition, &p);
    p.partition_index = partition;
    p.timestamp = -1;
    t.name = str_of(topic);
    t.partitions = &p;
    t.partitions_count = 1;
    req.replica_id = -1;
    req.topics = &t;
    req.topics_count = 1;
    frame_init(&out, 2, 2, &req);
    size_t size = kafka_call(fd, &out.bytes, reply, sizeof(reply));
    /* correlation, throttle, topics, name, partitions, index, error, timestamp, offset */
    size_t at = 4 + 4 + 4 + 2 + strlen(topic) + 4 + 4;
    if (size < at + 18 || get_be16(reply + at) != 0) {
        die("ListOffsets", "the broker refused");
    }
    frame_deinit(&out);
    return (int64_t)get_be64(reply + at + 10);
}

static void kafka_message(struct frame *out, const struct place *place, size_t bytes)
{
    char *payload = make_text(bytes);
    frame_produce(out, place->name, payload, bytes, bytes);
    free(payload);
}

/* Produce v7: correlation, topics, name, partitions, index, error. OffsetCommit v7: correlation,
 * throttle, topics, name, partitions, index, error. One topic and partition in both; which of them
 * it is can be told by the second word: the topics' count is 1, the throttle time is 0. */
static size_t kafka_answer(const uint8_t *p, size_t n, bool *counts)
{
    if (n < 4 || n - 4 < get_be32(p)) {
        return 0;
    }
    size_t size = 4 + (size_t)get_be32(p);
    size_t at = size > 12 && get_be32(p + 8) == 0 ? 16 : 12;
    size_t error = size > at + 2 ? at + 2 + get_be16(p + at) + 4 + 4 : size;
    if (error + 2 > size || get_be16(p + error) != 0) {
        char text[32];
        snprintf(text, sizeof(text), "error %d", error + 2 > size ? -2 : get_be16(p + error));
        die("the broker refused", text);
    }
    *counts = true;
    return size;
}

/* Sends it; the reply has a throttle time and one topic, with its name and an error, in both calls.
 */
static void kafka_make(int fd, struct frame *out, const struct place *place)
{
    uint8_t *reply = take_memory(REPLY_MAX);
    const size_t size = kafka_call(fd, &out->bytes, reply, REPLY_MAX);
    const size_t at = 4 + 4 + 4 + 2 + strlen(place->name);
    if (size < at + 2 || get_be16(reply + at) != 0) {
        char refused[64];
        snprintf(refused, sizeof(refused), "the broker did not create the topic: error %d",
                 size < at + 2 ? -2 : get_be16(reply + at));
        die(place->name, refused);
    }
    frame_deinit(out);
    free(reply);
}

/* Apache Kafka makes at most 10,000 records of metadata of one request, and the topic is one. */
enum { PARTITIONS_AT_ONCE = 5000 };

static void kafka_add_partitions(int fd, const struct place *place, int32_t count)
{
    struct frame out;
    struct wire_create_partitions_request req;
    struct wire_create_partitions_request_topic t;
    WIRE_INIT(wire_create_partitions_request, &req);
    WIRE_INIT(wire_create_partitions_request_topic, &t);
    t.name = str_of(place->name);
    t.count = count;
    t.assignments_count = -1;
    req.topics = &t;
    req.topics_count = 1;
    req.timeout_ms = 60000;
    frame_init(&out, 37, 1, &req);
    kafka_make(fd, &out, place);
}

static void kafka_create(int fd, const struct place *place)
{
    enum { MOST = 16 };
    struct frame out;
    struct wire_create_topics_request req;
    struct wire_create_topics_request_topic t;
    struct wire_create_topics_request_config configs[MOST];
    char text[1024];
    const int32_t all = (int32_t)place->partitions;
    int32_t made = all < PARTITIONS_AT_ONCE ? all : PARTITIONS_AT_ONCE;
    WIRE_INIT(wire_create_topics_request, &req);
    WIRE_INIT(wire_create_topics_request_topic, &t);
    snprintf(text, sizeof(text), "%s", place->config);
    t.name = str_of(place->name);
    t.num_partitions = made;
    t.replication_factor = 1;
    t.configs = configs;
    char *rest = text;
    for (char *item = strsep(&rest, ","); item != NULL && *item != '\0';
         item = strsep(&rest, ",")) {
        char *value = strchr(item, '=');
        if (value == NULL || t.configs_count == MOST) {
            die(place->config, "expected name=value,...");
        }
        *value++ = '\0';
        WIRE_INIT(wire_create_topics_request_config, &configs[t.configs_count]);
        configs[t.configs_count].name = str_of(item);
        configs[t.configs_count++].value = str_of(value);
    }
    req.topics = &t;
    req.topics_count = 1;
    req.timeout_ms = 60000;
    frame_init(&out, 19, 4, &req);
    kafka_make(fd, &out, place);
    while (made < all) {
        made = all - made < PARTITIONS_AT_ONCE ? all : made + PARTITIONS_AT_ONCE;
        kafka_add_partitions(fd, place, made);
    }
}

/* ---- Redis */

static void put_words(struct buf *out, const char *const *words, size_t count)
{
    char head[32];
    snprintf(head, sizeof(head), "*%zu\r\n", count);
    buf_put_z(out, head);
    for (size_t i = 0; i < count; i++) {
        snprintf(head, sizeof(head), "$%zu\r\n", strlen(words[i]));
        buf_put_z(out, head);
        buf_put_z(out, words[i]);
        buf_put_z(out, "\r\n");
    }
}

/* A frame of other protocols is bytes alone. */
static void plain_init(struct frame *f)
{
    *f = (struct frame){0};
    buf_init(&f->bytes, FRAME_MAX);
}

static void redis_message(struct frame *out, const struct place *place, size_t bytes)
{
    char *payload = make_text(bytes);
    const char *words[] = {"XADD", place->name, "*", "d", payload};
    plain_init(out);
    put_words(&out->bytes, words, ARRAY_LEN(words));
    free(payload);
}

static size_t redis_answer(const uint8_t *p, size_t n, bool *counts)
{
    const uint8_t *end = n > 0 ? memchr(p, '\n', n) : NULL;
    if (end == NULL) {
        return 0;
    }
    if (*p == '-') {
        char text[128];
        snprintf(text, sizeof(text), "%.*s", (int)(end - p < 100 ? end - p : 100), (const char *)p);
        die("redis refused", text);
    }
    *counts = true;
    size_t line = (size_t)(end - p) + 1;
    size_t body = *p == '$' ? strtoull((const char *)p + 1, NULL, 10) + 2 : 0;
    return line + body <= n ? line + body : 0;
}

static void redis_create(int fd, const struct place *place)
{
    struct buf out;
    uint8_t reply[128];
    size_t n = 0;
    bool counts;
    const char *words[] = {"DEL", place->name};
    buf_init(&out, 4096);
    put_words(&out, words, ARRAY_LEN(words));
    if (!write_all(fd, out.p, out.n)) {
        die_errno("redis");
    }
    while (redis_answer(reply, n, &counts) == 0) {
        if (n == sizeof(reply) || !read_all(fd, reply + n, 1)) {
            die("redis", "no answer");
        }
        n++;
    }
    buf_deinit(&out);
}

/* ---- NATS */

/* Answers come to a subject of the connection's own, four digits of which are put in by sign(). */
#define NATS_INBOX "_INBOX.bench.0000"
#define NATS_IDS   10000u

static void nats_message(struct frame *out, const struct place *place, size_t bytes)
{
    char head[256];
    char *payload = make_text(bytes);
    snprintf(head, sizeof(head), "PUB %s " NATS_INBOX " %zu\r\n", place->name, bytes);
    plain_init(out);
    buf_put_z(&out->bytes, head);
    buf_put_z(&out->bytes, payload);
    buf_put_z(&out->bytes, "\r\n");
    free(payload);
}

/* A line, and after MSG or HMSG as many bytes as its last word says. */
static size_t nats_answer(const uint8_t *p, size_t n, bool *counts)
{
    const uint8_t *end = n > 0 ? memchr(p, '\n', n) : NULL;
    if (end == NULL) {
        return 0;
    }
    size_t line = (size_t)(end - p) + 1;
    *counts = false;
    if (*p == '-' || *p == 'H') {
        die("nats refused", *p == 'H' ? "nobody stores this subject" : (const char *)"-ERR");
    }
    if (line < 4 || memcmp(p, "MSG ", 4) != 0) {
        return line; /* INFO, PING, PONG, +OK */
    }
    const uint8_t *word = memrchr(p, ' ', line);
    size_t body = strtoull((const char *)word + 1, NULL, 10) + 2;
    if (line + body > n) {
        return 0;
    }
    if (memmem(p + line, body, "\"error\"", 7) != NULL) {
        fwrite(p + line, 1, body, stderr);
        die("nats", "the message was not stored");
    }
    *counts = true;
    return line + body;
}

static void nats_greet(int fd, unsigned id)
{
    char hello[256];
    int len = snprintf(hello, sizeof(hello),
                       "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,"
                       "\"no_responders\":true,\"lang\":\"c\",\"version\":\"1\"}\r\n"
                       "SUB _INBOX.bench.%04u 1\r\nPING\r\n",
                       id % NATS_IDS);
    char text[8192];
    size_t n = 0;
    if (!write_all(fd, hello, (size_t)len)) {
        die_errno("nats");
    }
    do { /* INFO comes first; our PING is answered last */
        ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);
        if (got <= 0) {
            die("nats", "no answer");
        }
        n += (size_t)got;
        text[n] = '\0';
    } while (strstr(text, "PONG\r\n") == NULL);
}

static void nats_sign(struct buf *frame, unsigned id)
{
    char digits[8];
    char *at = memmem(frame->p, frame->n, NATS_INBOX, strlen(NATS_INBOX));
    if (at == NULL) {
        die("nats", "a request without an inbox");
    }
    snprintf(digits, sizeof(digits), "%04u", id % NATS_IDS);
    memcpy(at + strlen(NATS_INBOX) - 4, digits, 4);
}

static void nats_create(int fd, const struct place *place)
{
    struct buf out;
    char body[512];
    char head[128];
    uint8_t reply[8192];
    size_t n = 0;
    bool counts = false;
    int len = snprintf(body, sizeof(body),
                       "{\"name\":\"S_%s\",\"subjects\":[\"%s\"],\"storage\":\"file\","
                       "\"retention\":\"limits\",\"num_replicas\":1,\"discard\":\"old\","
                       "\"max_bytes\":4294967296}",
                       place->name, place->name);
    nats_greet(fd, 0);
    buf_init(&out, 4096);
    snprintf(head, sizeof(head), "PUB $JS.API.STREAM.CREATE.S_%s " NATS_INBOX " %d\r\n",
             place->name, len);
    buf_put_z(&out, head);
    buf_put_z(&out, body);
    buf_put_z(&out, "\r\n");
    if (!write_all(fd, out.p, out.n)) {
        die_errno("nats");
    }
    while (!counts) {
        ssize_t got = read(fd, reply + n, sizeof(reply) - n);
        if (got <= 0) {
            die("nats", "no answer");
        }
        n += (size_t)got;
        for (size_t size = nats_answer(reply, n, &counts); size > 0 && !counts;
             size = nats_answer(reply, n, &counts)) {
            memmove(reply, reply + size, n - size);
            n -= size;
        }
    }
    buf_deinit(&out);
}

static const struct protocol protocols[] = {
    {"kafka", kafka_message, NULL, NULL, NULL, kafka_answer, kafka_create},
    {"redis", redis_message, NULL, NULL, NULL, redis_answer, redis_create},
    {"nats", nats_message, nats_greet, nats_sign, NULL, nats_answer, nats_create},
};

const struct protocol *protocol_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        if (strcmp(protocols[i].name, name) == 0) {
            return &protocols[i];
        }
    }
    const struct protocol *const others[] = {&protocol_es, &protocol_pg};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (strcmp(others[i]->name, name) == 0) {
            return others[i];
        }
    }
    die(name, "expected kafka, redis, nats, es or pg");
}
