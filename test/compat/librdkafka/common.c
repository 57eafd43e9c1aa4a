/* Facts, clients, topics, sending and reading for the scenarios; see common.h. */
#include "common.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *current;
static jmp_buf broken;
struct delivered delivered;

static void print_string(const char *value)
{
    putchar('"');
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\') {
            printf("\\%c", *c);
        } else if ((unsigned char)*c < 0x20) {
            printf("\\u%04x", (unsigned)*c);
        } else {
            putchar(*c);
        }
    }
    putchar('"');
}

static void say(const char *member, const char *value)
{
    printf("{\"s\":\"%s\",\"%s\":", current, member);
    print_string(value);
    puts("}");
    fflush(stdout);
}

void fact_json(const char *name, const char *format, ...)
{
    va_list arguments;
    printf("{\"s\":\"%s\",\"fact\":", current);
    print_string(name);
    printf(",\"value\":");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    puts("}");
    fflush(stdout);
}

void fact_text(const char *name, const char *value)
{
    printf("{\"s\":\"%s\",\"fact\":", current);
    print_string(name);
    printf(",\"value\":");
    if (value) {
        print_string(value);
    } else {
        printf("null");
    }
    puts("}");
    fflush(stdout);
}

void fact_number(const char *name, int64_t value)
{
    fact_json(name, "%lld", (long long)value);
}
void fact_bool(const char *name, bool value)
{
    fact_json(name, "%s", value ? "true" : "false");
}
void fact_error(const char *name, rd_kafka_resp_err_t error)
{
    fact_text(name, error ? rd_kafka_err2name(error) : "ok");
}

void fail(const char *format, ...)
{
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    say("error", message);
    longjmp(broken, 1);
}

const char *text(const char *format, ...)
{
    static char ring[16][512];
    static unsigned next;
    char *buffer = ring[next++ % 16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer, sizeof ring[0], format, arguments);
    va_end(arguments);
    return buffer;
}

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sleep_ms(int milliseconds)
{
    struct timespec pause = {milliseconds / 1000, (milliseconds % 1000) * 1000000L};
    nanosleep(&pause, NULL);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    if (message->err && !delivered.error) {
        delivered.error = message->err;
    }
    if (delivered.count < 64) {
        delivered.offsets[delivered.count] = message->offset;
    }
    if (delivered.count == 0 || message->offset < delivered.first) {
        delivered.first = message->offset;
    }
    if (message->offset > delivered.last) {
        delivered.last = message->offset;
    }
    delivered.count++;
}

void delivered_reset(void)
{
    delivered = (struct delivered){.last = -1};
}

static rd_kafka_conf_t *conf_new(const char *bootstrap, const char *const *more)
{
    char problem[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, problem, sizeof problem);
    rd_kafka_conf_set(conf, "log_level", "3", problem, sizeof problem);
    for (; more && more[0]; more += 2) {
        if (rd_kafka_conf_set(conf, more[0], more[1], problem, sizeof problem) !=
            RD_KAFKA_CONF_OK) {
            fail("configuration: %s", problem);
        }
    }
    return conf;
}

rd_kafka_t *producer_new(const char *bootstrap, const char *const *more)
{
    char problem[256];
    rd_kafka_conf_t *conf = conf_new(bootstrap, more);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, problem, sizeof problem);
    if (!client) {
        fail("producer: %s", problem);
    }
    return client;
}

rd_kafka_t *consumer_new(const struct setting *setting, const char *group, const char *const *more)
{
    char problem[256];
    const char *defaults[64] = {
        "group.id",           group ? group : text("%s-any", setting->prefix),
        "enable.auto.commit", "false",
        "auto.offset.reset",  "earliest"};
    int count = 6;
    while (more && more[0] && count < 62) {
        defaults[count++] = *more++;
    }
    rd_kafka_conf_t *conf = conf_new(setting->bootstrap, defaults);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, problem, sizeof problem);
    if (!client) {
        fail("consumer: %s", problem);
    }
    rd_kafka_poll_set_consumer(client);
    return client;
}

rd_kafka_event_t *admin_wait(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
    rd_kafka_queue_destroy(queue);
    if (!event) {
        fail("an administration call was not answered");
    }
    return event;
}

rd_kafka_resp_err_t topic_result_error(rd_kafka_event_t *event)
{
    size_t count = 0;
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    const rd_kafka_topic_result_t **results = NULL;
    if (!error) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
            results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event),
                                                          &count);
            break;
        case RD_KAFKA_EVENT_DELETETOPICS_RESULT:
            results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event),
                                                          &count);
            break;
        default:
            results = rd_kafka_CreatePartitions_result_topics(
                rd_kafka_event_CreatePartitions_result(event), &count);
        }
        error = count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;
    }
    rd_kafka_event_destroy(event);
    return error;
}

rd_kafka_resp_err_t topic_try(rd_kafka_t *client, const char *name, int partitions, int replicas,
                              const char *const *config, bool validate_only)
{
    char problem[256];
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(name, partitions, replicas, problem, sizeof problem);
    if (!topic) {
        return RD_KAFKA_RESP_ERR__INVALID_ARG;
    }
    for (; config && config[0]; config += 2) {
        rd_kafka_NewTopic_set_config(topic, config[0], config[1]);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_validate_only(options, validate_only, problem, sizeof problem);
    rd_kafka_CreateTopics(client, &topic, 1, options, queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    return topic_result_error(admin_wait(queue));
}

static int leaders(rd_kafka_t *client, const char *name)
{
    const struct rd_kafka_metadata *known;
    int count = 0;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    if (rd_kafka_metadata(client, 0, topic, &known, 5000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < known->topics[0].partition_cnt; i++) {
            count += known->topics[0].partitions[i].leader >= 0;
        }
        rd_kafka_metadata_destroy(known);
    }
    rd_kafka_topic_destroy(topic);
    return count;
}

void topic_wait(rd_kafka_t *client, const char *name, int partitions)
{
    int64_t end = now_ms() + 30000;
    while (leaders(client, name) != partitions && now_ms() < end) {
        sleep_ms(50);
    }
}

const char *topic_new(rd_kafka_t *client, const struct setting *setting, const char *name,
                      int partitions, const char *const *config)
{
    const char *full = text("%s-%s", setting->prefix, name);
    rd_kafka_resp_err_t error = topic_try(client, full, partitions, 1, config, false);
    if (error) {
        fail("create %s: %s", full, rd_kafka_err2name(error));
    }
    topic_wait(client, full, partitions);
    return full;
}

int64_t end_offset(rd_kafka_t *client, const char *topic, int32_t partition)
{
    int64_t low = -1, high = -1;
    rd_kafka_resp_err_t error =
        rd_kafka_query_watermark_offsets(client, topic, partition, &low, &high, 10000);
    return error ? -(int64_t)100000 - error : high;
}

static rd_kafka_resp_err_t send_record(rd_kafka_t *producer, const char *topic, int32_t partition,
                                       const void *key, size_t key_size, const void *value,
                                       size_t size, int64_t timestamp, rd_kafka_headers_t *headers)
{
    for (;;) {
        rd_kafka_resp_err_t error = rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key, key_size),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)value, size), RD_KAFKA_V_TIMESTAMP(timestamp),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            return error;
        }
        rd_kafka_poll(producer, 100);
    }
}

static void note_refusal(rd_kafka_resp_err_t error)
{
    if (error) {
        delivered.error = delivered.error ? delivered.error : error;
        delivered.count++;
    }
}

void send_value(rd_kafka_t *producer, const char *topic, int32_t partition, const void *value,
                size_t size, int64_t timestamp)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    note_refusal(send_record(producer, topic, partition, NULL, 0, value, size, timestamp, headers));
    rd_kafka_poll(producer, 0);
}

void send_sample(rd_kafka_t *producer, const char *topic, int32_t partition, int number,
                 int64_t timestamp)
{
    char key[32], value[160];
    int key_size = snprintf(key, sizeof key, "k%d", number);
    int size = snprintf(value, sizeof value, "v%d-%0100d", number, number);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
    rd_kafka_header_add(headers, "number", -1, key + 1, key_size - 1);
    rd_kafka_header_add(headers, "empty", -1, NULL, 0);
    bool no_key = number % 5 == 0, no_value = number % 7 == 6;
    note_refusal(send_record(producer, topic, partition, no_key ? NULL : key,
                             no_key ? 0 : (size_t)key_size, no_value ? NULL : value,
                             no_value ? 0 : (size_t)size, timestamp, headers));
    rd_kafka_poll(producer, 0);
}

void flush(rd_kafka_t *producer)
{
    if (rd_kafka_flush(producer, 60000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail("not everything was sent within 60 s");
    }
}

void produce_samples(const struct setting *setting, const char *topic, int32_t partition, int from,
                     int count)
{
    rd_kafka_t *producer = producer_new(setting->bootstrap, CONF("linger.ms", "5"));
    delivered_reset();
    for (int i = from; i < from + count; i++) {
        send_sample(producer, topic, partition, i, 0);
    }
    flush(producer);
    rd_kafka_destroy(producer);
    if (delivered.error) {
        fail("produce: %s", rd_kafka_err2name(delivered.error));
    }
}

static uint64_t fnv(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    if (!data) {
        return (hash ^ 0x7e) * 1099511628211ULL;
    }
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 1099511628211ULL;
    }
    return (hash ^ 0x100) * 1099511628211ULL;
}

static void digest_add(struct digest *digest, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t size;
    if (digest->count++ == 0) {
        digest->first_offset = message->offset;
    }
    digest->hash = fnv(digest->hash, &message->offset, sizeof message->offset);
    digest->hash = fnv(digest->hash, message->key, message->key_len);
    digest->hash = fnv(digest->hash, message->payload, message->len);
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) ==
                           RD_KAFKA_RESP_ERR_NO_ERROR;
             i++) {
            digest->hash = fnv(fnv(digest->hash, name, strlen(name)), value, size);
        }
    }
}

void assign(rd_kafka_t *consumer, const char *topic, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    rd_kafka_resp_err_t error = rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error) {
        fail("assign: %s", rd_kafka_err2name(error));
    }
}

struct digest read_count(rd_kafka_t *consumer, int count, int milliseconds)
{
    struct digest digest = {.hash = 14695981039346656037ULL, .first_offset = -1};
    int64_t end = now_ms() + milliseconds;
    while (digest.count < count && now_ms() < end && !digest.error) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (!message) {
            continue;
        }
        if (message->err) {
            digest.error = message->err;
        } else {
            digest_add(&digest, message);
        }
        rd_kafka_message_destroy(message);
    }
    return digest;
}

void consumer_end(rd_kafka_t *consumer)
{
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
}

struct digest read_from(const struct setting *setting, const char *topic, int64_t offset, int count)
{
    rd_kafka_t *consumer = consumer_new(setting, NULL, NULL);
    assign(consumer, topic, 0, offset);
    struct digest digest = read_count(consumer, count, 20000);
    consumer_end(consumer);
    return digest;
}

void fact_digest(const char *name, struct digest digest)
{
    fact_json(name, "[%d, %lld, \"%016llx\"]", digest.count, (long long)digest.first_offset,
              (unsigned long long)digest.hash);
}

static const struct scenario *find(const char *name)
{
    const struct scenario *const tables[] = {producing_scenarios, consuming_scenarios,
                                             group_scenarios, administration_scenarios};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (const struct scenario *each = tables[t]; each->name; each++) {
            if (strcmp(each->name, name) == 0) {
                return each;
            }
        }
    }
    return NULL;
}

/* Not inlined: its variables must not live in the frame that setjmp() returns to. */
__attribute__((noinline)) static void run_scenario(const struct setting *setting, const char *name)
{
    const struct scenario *scenario = find(name);
    if (!scenario) {
        fail("there is no such scenario");
    } else if (scenario->run) {
        scenario->run(setting);
    } else {
        say("na", scenario->why_not);
    }
}

static void run(const struct setting *setting, const char *name)
{
    current = name;
    printf("{\"s\":\"%s\",\"start\":true}\n", name);
    fflush(stdout);
    if (setjmp(broken) == 0) {
        run_scenario(setting, name);
    }
    printf("{\"s\":\"%s\",\"done\":true}\n", current);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct setting setting = {0};
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--bootstrap") == 0) {
            setting.bootstrap = argv[i + 1];
        } else if (strcmp(argv[i], "--cut") == 0) {
            setting.cut = argv[i + 1];
        } else if (strcmp(argv[i], "--prefix") == 0) {
            setting.prefix = argv[i + 1];
        } else if (strcmp(argv[i], "--scale") == 0) {
            setting.gate = strcmp(argv[i + 1], "gate") == 0;
        }
    }
    if (!setting.bootstrap || !setting.cut || !setting.prefix) {
        fprintf(stderr, "usage: driver --bootstrap H:P --cut H:P --prefix TEXT --scale test|gate "
                        "SCENARIO...\n");
        return 2;
    }
    for (; i < argc; i++) {
        run(&setting, argv[i]);
    }
    return 0;
}
