/*
 * A category by Fetch: its topic is es.CATEGORY, events are records with CloudEvents headers. All
 * partitions are assigned from the start or from where they end at the call; no group, nothing is
 * committed.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib.h"

#define TOPIC_MAX   256u
#define ERROR_BYTES 512u
#define BATCH       512u /* messages that are taken from librdkafka at once, at most */

enum {
    F_ID,
    F_TYPE,
    F_TIME,
    F_CORRELATION,
    F_CAUSATION,
    F_TRACEPARENT,
    F_CONTENT,
    F_META,
    F_REVISION,
    F_COUNT
};
static const char *const FIELDS[F_COUNT] = {
    "ce_id",          "ce_type",      "ce_time",   "ce_correlationid", "ce_causationid",
    "ce_traceparent", "content-type", "leat-meta", "leat-revision"};

struct leat_category {
    struct leat *leat;
    rd_kafka_t *consumer;
    rd_kafka_message_t *message; /* the event that was given last points into it */
    rd_kafka_queue_t *queue;     /* the consumer's */
    rd_kafka_message_t *batch[BATCH];
    size_t batch_count, batch_at; /* the one after `message` */
    bool again;                   /* there was no memory for it: the next call tries it again */
    struct lib_text texts;        /* of that event, each with a NUL */
    int partitions, at_end;
    bool *ended; /* by partition */
};

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[ERROR_BYTES];
    return rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK;
}

static rd_kafka_t *consumer_make(struct leat *l, char *why, size_t size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    const bool good = set(conf, "bootstrap.servers", l->kafka) &&
                      set(conf, "group.id", "libleat") && /* never joined, nothing is committed */
                      set(conf, "enable.auto.commit", "false") &&
                      set(conf, "enable.partition.eof", "true") &&
                      set(conf, "auto.offset.reset", "error") && /* nothing is skipped silently */
                      set(conf, "allow.auto.create.topics", "false");
    rd_kafka_t *k = good ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, size) : NULL;
    if (k == NULL) {
        rd_kafka_conf_destroy(conf);
    }
    return k;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *why_of(rd_kafka_resp_err_t e)
{
    return e == RD_KAFKA_RESP_ERR__TIMED_OUT ? "timeout" : "unreachable";
}

/* The number of partitions; -1: a problem. */
static int partitions_of(struct leat_category *c, const char *topic, struct leat_problem *problem)
{
    const struct rd_kafka_metadata *m = NULL;
    rd_kafka_topic_t *t = rd_kafka_topic_new(c->consumer, topic, NULL);
    if (t == NULL) {
        return lib_fail(problem, "invalid-argument", "'%s' is no category", topic);
    }
    const rd_kafka_resp_err_t e =
        rd_kafka_metadata(c->consumer, 0, t, &m, (int)c->leat->options.timeout_ms);
    rd_kafka_topic_destroy(t);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return lib_fail(problem, why_of(e), "%s: %s", c->leat->kafka, rd_kafka_err2str(e));
    }
    const int count = m->topic_cnt == 1 && m->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR
                          ? m->topics[0].partition_cnt
                          : 0;
    rd_kafka_metadata_destroy(m);
    return count > 0 ? count
                     : lib_fail(problem, "category-not-found", "there is no topic %s", topic);
}

/*
 * Where each partition ends now. "The end" itself would be looked up by librdkafka's thread, some
 * time after the assignment: what the caller appends meanwhile would never come.
 */
static int find_ends(struct leat_category *c, rd_kafka_topic_partition_list_t *list,
                     struct leat_problem *problem)
{
    const int64_t until = now_ms() + (int64_t)c->leat->options.timeout_ms;
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        const int64_t left = until - now_ms();
        int64_t low;
        const rd_kafka_resp_err_t e =
            left <= 0 ? RD_KAFKA_RESP_ERR__TIMED_OUT
                      : rd_kafka_query_watermark_offsets(c->consumer, p->topic, p->partition, &low,
                                                         &p->offset, (int)left);
        if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return lib_fail(problem, why_of(e), "the end of %s: %s", p->topic, rd_kafka_err2str(e));
        }
    }
    return 0;
}

static int assign(struct leat_category *c, const char *topic, bool from_end,
                  struct leat_problem *problem)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(c->partitions);
    for (int i = 0; i < c->partitions; i++) {
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    int result = from_end ? find_ends(c, list, problem) : 0;
    if (result == 0) {
        const rd_kafka_resp_err_t e = rd_kafka_assign(c->consumer, list);
        result = e == RD_KAFKA_RESP_ERR_NO_ERROR
                     ? 0
                     : lib_fail(problem, "unreachable", "%s", rd_kafka_err2str(e));
    }
    rd_kafka_topic_partition_list_destroy(list);
    return result;
}

int leat_category_open(struct leat *l, const char *category, bool from_end,
                       struct leat_category **out, struct leat_problem *problem)
{
    char topic[TOPIC_MAX], why[ERROR_BYTES];
    const int n = category == NULL ? -1 : snprintf(topic, sizeof(topic), "es.%s", category);
    if (n < 0 || (size_t)n >= sizeof(topic)) {
        return lib_fail(problem, "invalid-argument", "a category, please");
    }
    struct leat_category *c = lib_realloc(l, NULL, sizeof(*c));
    if (c == NULL) {
        return lib_fail(problem, "no-memory", "no memory for a category");
    }
    memset(c, 0, sizeof(*c));
    c->leat = l;
    lib_text_init(&c->texts, l);
    c->consumer = consumer_make(l, why, sizeof(why));
    if (c->consumer == NULL) {
        leat_category_close(c);
        return lib_fail(problem, "unreachable", "%s", why);
    }
    rd_kafka_poll_set_consumer(c->consumer);
    c->queue = rd_kafka_queue_get_consumer(c->consumer);
    c->partitions = partitions_of(c, topic, problem);
    if (c->partitions < 0) {
        leat_category_close(c);
        return -1;
    }
    c->ended = lib_realloc(l, NULL, (size_t)c->partitions * sizeof(*c->ended));
    if (c->ended == NULL) {
        leat_category_close(c);
        return lib_fail(problem, "no-memory", "no memory for a category");
    }
    memset(c->ended, 0, (size_t)c->partitions * sizeof(*c->ended));
    if (assign(c, topic, from_end, problem) != 0) {
        leat_category_close(c);
        return -1;
    }
    *out = c;
    return 0;
}

static void set_ended(struct leat_category *c, int32_t partition, bool ended)
{
    if (partition >= 0 && partition < c->partitions && c->ended[partition] != ended) {
        c->ended[partition] = ended;
        c->at_end += ended ? 1 : -1;
    }
}

/* Where a copy of it begins in the texts. */
static size_t keep(struct leat_category *c, const void *p, size_t n)
{
    const size_t at = c->texts.n;
    lib_text_put(&c->texts, n == 0 ? "" : p, n);
    lib_text_put(&c->texts, "", 1);
    return at;
}

/* The fields' places in the texts; SIZE_MAX: there is no such header. */
static void take_headers(struct leat_category *c, size_t places[F_COUNT])
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t size;
    memset(places, 0xff, F_COUNT * sizeof(*places));
    if (rd_kafka_message_headers(c->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++) {
        for (size_t f = 0; f < F_COUNT; f++) {
            if (strcmp(name, FIELDS[f]) == 0 && value != NULL) {
                places[f] = keep(c, value, size);
            }
        }
    }
}

/*
 * `null` and spaces (0 in the place of less than four bytes), as long as the data was, is what the
 * erasure of a redaction leaves. Its mark is in the attributes of the record, which no Kafka client
 * shows: without a space nothing tells it from what somebody wrote.
 */
static bool erased(const char *value, size_t n)
{
    size_t end = n;
    while (end > 0 && value[end - 1] == ' ') {
        end--;
    }
    const bool null = end == 4 && memcmp(value, "null", 4) == 0;
    const bool zero = end == 1 && value[0] == '0' && n < 4;
    return (null || zero) && n > end;
}

enum taken { EVENT, NO_EVENT, NO_MEMORY };

static enum taken take_event(struct leat_category *c, struct leat_event *out)
{
    const rd_kafka_message_t *m = c->message;
    const char *found[F_COUNT];
    size_t places[F_COUNT];
    c->texts.n = 0;
    c->texts.failed = false;
    const size_t stream = keep(c, m->key, m->key_len);
    take_headers(c, places);
    if (c->texts.failed) {
        return NO_MEMORY;
    }
    for (size_t f = 0; f < F_COUNT; f++) {
        found[f] = places[f] == SIZE_MAX ? NULL : c->texts.p + places[f];
    }
    const bool redacted = m->payload != NULL && erased(m->payload, m->len);
    *out = (struct leat_event){.stream = c->texts.p + stream,
                               .id = found[F_ID],
                               .type = found[F_TYPE],
                               .time = found[F_TIME],
                               .revision = -1,
                               .data = redacted ? NULL : m->payload,
                               .data_size = redacted ? 0 : m->len,
                               .content_type = found[F_CONTENT],
                               .meta = found[F_META],
                               .correlation_id = found[F_CORRELATION],
                               .causation_id = found[F_CAUSATION],
                               .traceparent = found[F_TRACEPARENT],
                               .redacted = redacted,
                               .partition = m->partition,
                               .offset = m->offset};
    const char *revision = found[F_REVISION];
    return out->id != NULL && out->type != NULL && revision != NULL &&
                   lib_number(revision, strlen(revision), &out->revision)
               ? EVENT
               : NO_EVENT;
}

/*
 * The next message, or NULL: none came. One by one they cost a lock and a clock each; so what has
 * come with the first is taken at once, and not waited for.
 */
static rd_kafka_message_t *message_next(struct leat_category *c, int timeout_ms)
{
    if (c->batch_at < c->batch_count) {
        return c->batch[c->batch_at++];
    }
    rd_kafka_message_t *first = rd_kafka_consumer_poll(c->consumer, timeout_ms);
    const ssize_t n =
        first == NULL ? 0 : rd_kafka_consume_batch_queue(c->queue, 0, c->batch, BATCH);
    c->batch_count = n > 0 ? (size_t)n : 0;
    c->batch_at = 0;
    return first;
}

int leat_category_next(struct leat_category *c, unsigned timeout_ms, struct leat_event *out,
                       struct leat_problem *problem)
{
    int64_t ends = 0; /* known when it is to wait: mostly it is not */
    for (;;) {
        if (c->message != NULL && !c->again) {
            rd_kafka_message_destroy(c->message);
            c->message = NULL;
        }
        if (c->message == NULL) {
            const bool waits = c->batch_at == c->batch_count;
            ends = waits && ends == 0 ? now_ms() + timeout_ms : ends;
            const int64_t left = waits ? ends - now_ms() : 0;
            c->message = message_next(c, left > 0 ? (int)left : 0);
        }
        c->again = false;
        if (c->message == NULL) {
            return 0;
        }
        if (c->message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            set_ended(c, c->message->partition, true);
            if (leat_category_caught_up(c)) {
                return 0;
            }
            continue;
        }
        if (c->message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return lib_fail(problem, "unreachable", "%s", rd_kafka_message_errstr(c->message));
        }
        set_ended(c, c->message->partition, false);
        switch (take_event(c, out)) {
        case EVENT:
            return 1;
        case NO_MEMORY:
            c->again = true;
            return lib_fail(problem, "no-memory", "no memory for an event");
        case NO_EVENT:
            break; /* the key and headers are not those of an event */
        }
    }
}

bool leat_category_caught_up(const struct leat_category *c)
{
    return c->at_end == c->partitions;
}

void leat_category_close(struct leat_category *c)
{
    if (c == NULL) {
        return;
    }
    if (c->message != NULL) {
        rd_kafka_message_destroy(c->message);
    }
    while (c->batch_at < c->batch_count) {
        rd_kafka_message_destroy(c->batch[c->batch_at++]);
    }
    if (c->queue != NULL) {
        rd_kafka_queue_destroy(c->queue);
    }
    if (c->consumer != NULL) {
        rd_kafka_consumer_close(c->consumer);
        rd_kafka_destroy(c->consumer);
    }
    struct leat *l = c->leat;
    lib_text_deinit(&c->texts);
    if (c->ended != NULL) {
        (void)lib_realloc(l, c->ended, 0);
    }
    (void)lib_realloc(l, c, 0);
}
