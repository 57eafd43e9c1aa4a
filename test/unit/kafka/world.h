/*
 * What the tests of this room share: the whole server below its wiring on a simulated machine, and
 * a small Kafka client over the simulated network that encodes and decodes by the tables.
 */
#ifndef LEAT_TEST_KAFKA_WORLD_H
#define LEAT_TEST_KAFKA_WORLD_H

#include <string.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "core/pool.h"
#include "env/env_sim.h"
#include "group/group.h"
#include "kafka/kafka.h"
#include "record/builder.h"
#include "test.h"
#include "wire/frame.h"
#include "wire/gen/all.h"

enum {
    KEY_PRODUCE = 0,
    KEY_FETCH = 1,
    KEY_LIST_OFFSETS = 2,
    KEY_METADATA = 3,
    KEY_API_VERSIONS = 18,
    KEY_CREATE_TOPICS = 19,
    KEY_DELETE_TOPICS = 20,
    KEY_DELETE_RECORDS = 21,
    KEY_INIT_PRODUCER_ID = 22,
    KEY_OFFSET_FOR_LEADER_EPOCH = 23,
    KEY_DESCRIBE_CONFIGS = 32,
    KEY_ALTER_CONFIGS = 33,
    KEY_DESCRIBE_LOG_DIRS = 35,
    KEY_CREATE_PARTITIONS = 37,
    KEY_ELECT_LEADERS = 43,
    KEY_INCREMENTAL_ALTER_CONFIGS = 44,
    KEY_DESCRIBE_CLUSTER = 60,
    KEY_DESCRIBE_PRODUCERS = 61,
    KEY_LIST_CONFIG_RESOURCES = 74,
    KEY_DESCRIBE_TOPIC_PARTITIONS = 75,
};

struct world {
    struct env *env;
    struct env_poll *poll;
    struct config config;
    struct metrics *metrics;
    struct pool pool; /* as in the server: the log takes a large request's memory from net */
    struct net *net;
    struct broker *broker;
    struct groups *groups;
    struct store *store;
    struct kafka *kafka;
    struct env_addr addr;
    struct arena arena; /* of requests and decoded answers */
    struct uuid id;     /* of the topic that world_create made last */
};
/* A connection of a client. */
struct client {
    struct world *w;
    struct env_sock *sock;
    struct buf in;
    int32_t correlation_id;
};

void world_init(struct world *w);
/* With a smaller commit ring, so that it fills up. */
void world_init_ring(struct world *w, uint32_t ring_file_bytes);
void world_deinit(struct world *w);
void world_set(struct world *w, const char *name, const char *value);
void turn(struct world *w);
void turns(struct world *w, int n);

void client_open(struct world *w, struct client *c);
void client_close(struct client *c);
void client_send_bytes(struct client *c, const void *p, size_t n);
/* Sends a request; returns its correlation id. */
int32_t client_send(struct client *c, int16_t key, int16_t version, const void *body);
/* Waits for the next answer, which must be that of `correlation_id`, and decodes it. */
void client_receive(struct client *c, int16_t key, int16_t version, int32_t correlation_id,
                    void *out);
/* Is there an answer after some turns of the loop? */
bool client_has_answer(struct client *c);
/* Has the server closed the connection? */
bool client_is_closed(struct client *c);
void call(struct client *c, int16_t key, int16_t version, const void *req, void *res);

void world_create(struct world *w, struct client *c, const char *name, int32_t partitions);
/* A batch of `count` records with times t, t + 1, ...; in the world's arena. pid -1: none. */
struct wire_records batch_of(struct world *w, int32_t count, int64_t t, int64_t pid,
                             int32_t sequence);
/* Builds a produce to one partition, acks -1; in the versions that go by ids, to the topic made
 * last. */
void produce_fill(struct world *w, struct wire_produce_request *req, const char *topic,
                  int32_t index, struct wire_records records);
/* Produces to one partition (v9) and gives its answer. */
struct wire_produce_response_partition produce(struct client *c, const char *topic, int32_t index,
                                               struct wire_records records);
/* Builds a fetch of one partition. */
struct wire_fetch_request *fetch_of(struct world *w, const char *topic, int32_t index,
                                    int64_t offset);

#define NEW(w, type, n) ((struct type *)wire_array(&(w)->arena, &type##_type, (n)))

#endif
