/* Inside of the broker room: what its files share. */
#ifndef LEAT_BROKER_BROKER_INT_H
#define LEAT_BROKER_BROKER_INT_H

#include "broker/broker.h"
#include "core/map.h"
#include "record/validate.h"

/* Producer ids are leased from the log in blocks, so that most requests for one need no fact. */
#define BROKER_PRODUCER_ID_BLOCK 1000
/* Kafka's ProducerStateEntry.NUM_BATCHES_TO_RETAIN. */
#define BROKER_PRODUCER_BATCHES 5
/* A request waits so long for the gate; then its client is told to try again. */
#define BROKER_GATE_WAIT_NS (30ull * 1000 * 1000 * 1000)
/* Producers remembered for one partition; beyond it the one that was idle longest is forgotten. */
#define BROKER_PRODUCERS_MAX 100000u

/* Planted faults: tests switch one on and must then find the damage that it does. */
struct broker_faults {
    bool duplicate_early; /* a duplicate is answered before its original is durable */
    bool topic_early;     /* the deletion of a topic is answered before it is durable */
    bool deletion_early;  /* DeleteRecords is answered before it is durable */
    bool append_apart; /* the batches of an append of the server itself are frames of their own */
};
#ifdef LEAT_DEBUG
extern struct broker_faults broker_faults;
#define BROKER_FAULT(name) (broker_faults.name)
#else
#define BROKER_FAULT(name) false
#endif

/* A topic as the room sees it; `t` is what others see. */
struct topic_full {
    struct topic t;
    struct record_rules
        rules;    /* from its configuration; now_ms and produce_version are set per request */
    bool growing; /* partitions [partition_count, grown_count) wait for their fact */
    int32_t grown_count;
    struct metric *bytes_in, *records_in, *batches_in;
};

/* A batch that a producer sent, remembered to recognise it when it is sent again. */
struct producer_batch {
    int32_t base_sequence;
    int32_t last_offset_delta;
    int64_t base_offset;
    int64_t timestamp; /* what the answer said: append time, or -1 */
};
struct producer {
    struct list by_use; /* in partition_state->producers_by_use, oldest first */
    int64_t id;
    int16_t epoch;
    uint8_t batch_count;
    uint64_t used_ns; /* monotonic: expiry counts running time */
    int64_t last_timestamp_ms;
    struct producer_batch batches[BROKER_PRODUCER_BATCHES]; /* oldest first */
};
struct partition_state {
    struct map producers; /* id -> struct producer */
    struct list producers_by_use;
    uint64_t append_serial; /* of the last append of the server itself */
};

struct broker {
    struct env *env;
    struct config *config; /* in force: static, then dynamic default, then dynamic of the node */
    struct config static_config, dynamic_default, dynamic_node;
    struct metrics *metrics;
    struct store *store;
    struct map by_name;  /* name -> struct topic */
    struct map by_id;    /* the 16 bytes -> struct topic */
    struct map creating; /* names whose creation is on its way to the disk */
    struct map dotted;   /* names with '.' or '_', all written with '_' -> struct topic; with those
                            that are being created */
    size_t topic_count;
    uint32_t next_part_id;
    uint32_t partition_count;
    uint64_t producer_count;
    int64_t next_producer_id, producer_ids_leased; /* [next, leased) may be given out */
    struct list id_requests;                       /* wait for a lease */
    struct list altering;                          /* changes of configuration, oldest first */
    struct list changing;                          /* changes of topics on their way to the disk */
    struct list deleting;                          /* of delete_records.c, the same */
    struct list topic_watches;
    uint64_t append_serial; /* of append.c */
    struct broker_gate gate;
    bool has_gate;
    struct list held; /* of produce.c: requests that wait for the gate, oldest first. They lie in
                         memory of the requests */
    bool leasing;
    uint64_t expire_after_ns;
    struct record_scratch scratch;
    void (*topic_gone)(void *ctx, struct str topic);
    void *topic_gone_ctx;
    struct metric *topics_gauge, *partitions_gauge, *duplicates, *refused;
};

static inline struct topic_full *topic_full_of(struct topic *t)
{
    return CONTAINER_OF(t, struct topic_full, t);
}

/* broker.c */
void topic_tell(struct broker *b, struct topic *t, enum broker_topic_event event);

/* topic.c */
struct topic_full *topic_create_empty(struct broker *b, struct str name, struct uuid id);
MUST_USE enum err topic_add_part(struct broker *b, struct topic_full *t, uint32_t part_id);
MUST_USE enum err topic_register(struct broker *b, struct topic_full *t);
void topic_destroy(struct broker *b,
                   struct topic_full *t); /* with its parts; not registered (any more) */
/* The same, and the store forgets its parts. */
void topic_drop(struct broker *b, struct topic_full *t);
void topic_unregister(struct broker *b, struct topic_full *t);
/* What never reached the disk, because the store failed: forgotten, its caller is not told. */
void topic_changes_free(struct broker *b);
void alters_free(struct broker *b);
void record_deletions_free(struct broker *b);
/* Its configuration has changed: rules and partitions follow. */
void topic_configure(struct broker *b, struct topic_full *t);
/* "fsync" or "os": what an acknowledgement of this topic means. For the log. */
const char *topic_durability(const struct broker *b, const struct topic *t);
void topics_configure_all(struct broker *b);
void broker_gauges(struct broker *b);

/* Commits a frame with one fact. On an error nothing was committed and done is not called. */
MUST_USE enum err broker_commit_fact(struct broker *b, uint16_t tag, struct buf *fact,
                                     void (*done)(void *ctx, uint64_t position), void *ctx);

/* produce.c: nothing that waits refers to the topic any more. */
void produce_topic_gone(struct broker *b, const struct topic *t);

/* topic_facts.c */
enum topic_fact {
    FACT_CREATE = 1,
    FACT_DELETE = 2,
    FACT_GROW = 3,
    FACT_CONFIG = 4,
    FACT_BROKER_CONFIG = 5
};
void fact_create(struct buf *out, const struct topic_full *t, const uint32_t *part_ids);
void fact_delete(struct buf *out, struct uuid id);
void fact_grow(struct buf *out, struct uuid id, uint32_t first_part_id, int32_t count);
void fact_config(struct buf *out, struct uuid id, const struct config *c);
void fact_broker_config(struct buf *out, bool cluster_default, const struct config *c);
struct store_participant topics_participant(struct broker *b);

/* alter.c */
MUST_USE enum err config_copy(const struct config *from, struct config *to);
void broker_config_rebuild(struct broker *b);

/* producer.c: what a batch means for its producer. Times are monotonic ns. */
enum producer_verdict { PRODUCER_NEW, PRODUCER_DUPLICATE, PRODUCER_REFUSED };
struct producer_check {
    enum producer_verdict verdict;
    enum err err;                   /* if refused */
    struct producer_batch original; /* if duplicate */
};
struct producer_check producer_check(const struct partition_state *s, const struct batch_header *h,
                                     struct ectx *ec);
/* After the batch got its offset. ERR_NO_MEMORY: the producer is not remembered (checked before by
 * producer_reserve). */
MUST_USE enum err producer_reserve(struct broker *b, struct partition_state *s, int64_t id);
/* Of a batch that is in the log already, otherwise: what producer_note says of it, as a fact. */
MUST_USE enum err producer_known(struct store_frame *f, const struct partition *p,
                                 const struct store_batch_info *info);
void producer_note(struct broker *b, struct partition_state *s, const struct store_batch_info *info,
                   int64_t answered_timestamp);
void producers_free(struct broker *b, struct partition_state *s);
void producers_expire(struct broker *b, struct partition_state *s, uint64_t older_than_ns);
struct producer *producer_put(struct broker *b, struct partition_state *s, int64_t id);

/* producer_facts.c */
struct store_participant producers_participant(struct broker *b);
void producer_requests_free(struct broker *b);

#endif
