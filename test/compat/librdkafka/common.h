/* What every scenario of the librdkafka driver needs. A driver is a test program: what it cannot do
 * at all (no memory, a librdkafka object refused) ends the scenario through fail(), by longjmp. */
#ifndef COMPAT_COMMON_H
#define COMPAT_COMMON_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct setting {
    const char *bootstrap;
    const char *cut;
    const char *prefix;
    bool gate;
};

typedef void (*scenario_fn)(const struct setting *);

struct scenario {
    const char *name;
    scenario_fn run; /* NULL: librdkafka cannot express it, for the reason in `why_not` */
    const char *why_not;
};

extern const struct scenario producing_scenarios[];
extern const struct scenario consuming_scenarios[];
extern const struct scenario group_scenarios[];
extern const struct scenario administration_scenarios[];

/* Facts. Texts are printed as JSON strings; fact_json() takes JSON as it is. */
void fact_text(const char *name, const char *value);
void fact_number(const char *name, int64_t value);
void fact_bool(const char *name, bool value);
void fact_json(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fact_error(const char *name, rd_kafka_resp_err_t error);
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* printf into a static ring of buffers: good until 16 further calls. */
const char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Clients. `more` is a list of names and values, closed by NULL. */
rd_kafka_t *producer_new(const char *bootstrap, const char *const *more);
rd_kafka_t *consumer_new(const struct setting *setting, const char *group, const char *const *more);
#define CONF(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Topics. Waits until every leader is known. Returns the full name, as text() does. */
const char *topic_new(rd_kafka_t *client, const struct setting *setting, const char *name,
                      int partitions, const char *const *config);
rd_kafka_resp_err_t topic_try(rd_kafka_t *client, const char *name, int partitions, int replicas,
                              const char *const *config, bool validate_only);
/* Waits until the broker shows so many partitions with a leader. */
void topic_wait(rd_kafka_t *client, const char *name, int partitions);
/* Waits for the result of the administration call whose queue this is. */
rd_kafka_event_t *admin_wait(rd_kafka_queue_t *queue);
rd_kafka_resp_err_t topic_result_error(rd_kafka_event_t *event);
int64_t end_offset(rd_kafka_t *client, const char *topic, int32_t partition);

/* Producing. Delivery reports are collected in one place. */
struct delivered {
    int count;
    int64_t offsets[64];
    int64_t first, last;       /* smallest and largest offset told */
    rd_kafka_resp_err_t error; /* the first one */
};
extern struct delivered delivered;
void delivered_reset(void);
void send_sample(rd_kafka_t *producer, const char *topic, int32_t partition, int number,
                 int64_t timestamp);
void send_value(rd_kafka_t *producer, const char *topic, int32_t partition, const void *value,
                size_t size, int64_t timestamp);
void flush(rd_kafka_t *producer);
void produce_samples(const struct setting *setting, const char *topic, int32_t partition, int from,
                     int count);

/* Reading. */
struct digest {
    uint64_t hash; /* FNV-1a over offset, key, value and headers of every record */
    int count;
    int64_t first_offset;
    rd_kafka_resp_err_t error;
};
void assign(rd_kafka_t *consumer, const char *topic, int32_t partition, int64_t offset);
struct digest read_count(rd_kafka_t *consumer, int count, int milliseconds);
struct digest read_from(const struct setting *setting, const char *topic, int64_t offset,
                        int count);
void fact_digest(const char *name, struct digest digest);
void consumer_end(rd_kafka_t *consumer);
int64_t now_ms(void);
void sleep_ms(int milliseconds);

#endif
