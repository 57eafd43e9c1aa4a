/*
 * The broker: topics, partitions, their configuration, producers and produce validation, on top of
 * the store. Knows nothing of the wire: plain arguments in, enum err and plain structs out. Changes
 * are facts in the log (tags STORE_TAG_TOPICS and STORE_TAG_PRODUCERS); a change takes effect, and
 * its `done` is called, when its frame is durable.
 *
 * All functions on the loop. Calls that append require store_ready(); the caller (kafka dispatch)
 * parks requests until then.
 */
#ifndef LEAT_BROKER_BROKER_H
#define LEAT_BROKER_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/err.h"
#include "core/list.h"
#include "core/str.h"
#include "core/uuid.h"
#include "env/env.h"
#include "metrics/metrics.h"
#include "record/record.h"
#include "store/store.h"

struct broker;
struct topic;
struct partition;

#define BROKER_NODE_ID 1

/* `config` (broker scope) is shared with the server and outlives the broker. */
MUST_USE enum err broker_create(struct env *env, struct config *config, struct metrics *metrics,
                                struct broker **out);
void broker_destroy(struct broker *b);
/* The two participants to open the store with (topics first, then producers). */
void broker_participants(struct broker *b, struct store_participant out[2]);
/* After store_open. */
void broker_attach(struct broker *b, struct store *store);
/* From store_hooks.on_advance: wakes the partition's waiters. */
void broker_on_advance(struct broker *b, struct store_part *part);
/* Who wants to know that a topic is gone (its deletion is durable); at most one. */
void broker_on_topic_gone(struct broker *b, void (*fn)(void *ctx, struct str topic), void *ctx);
/* Who follows all topics. Called when the change is durable; a topic that is gone is told while it
 * can still be looked at. Any number of them. */
enum broker_topic_event { BROKER_TOPIC_CREATED, BROKER_TOPIC_GROWN, BROKER_TOPIC_GONE };
struct broker_topic_watch {
    struct list link;
    void (*changed)(struct broker_topic_watch *w, struct topic *t, enum broker_topic_event event);
};
void broker_topic_watch(struct broker *b, struct broker_topic_watch *w);
void broker_topic_unwatch(struct broker_topic_watch *w);
/* About every second: producer id expiry, and whatever is due. */
void broker_tick(struct broker *b);

/* How every change ends. ec->text explains an error; valid during the call only. */
typedef void (*broker_done)(void *ctx, enum err e, const struct ectx *ec);

/* ---- Topics
 * ---------------------------------------------------------------------------------------- */

struct partition {
    struct topic *topic;
    int32_t index;
    struct store_part *part;
    struct list waiters; /* of broker_wait */
    /* producer state and metrics are the room's own (broker_int.h) */
    struct partition_state *state;
};
struct topic {
    struct str name;
    struct uuid id;
    struct partition **partitions;
    int32_t partition_count;
    struct config config; /* CONFIG_SCOPE_TOPIC, only what was set on the topic */
    bool deleting;        /* its creation or deletion is on its way to the disk: treat as gone */
};
/* By name; NULL if there is none (or it is being deleted). Pointers stay valid until the topic's
 * deletion is done; keep name or id across asynchronous steps. */
struct topic *broker_topic(struct broker *b, struct str name);
struct topic *broker_topic_by_id(struct broker *b, struct uuid id);
struct partition *broker_partition(struct topic *t,
                                   int32_t index); /* NULL: out of range or topic NULL */
size_t broker_topic_count(const struct broker *b);
/* All topics sorted by name, as an array in the arena; NULL when over its budget. */
struct topic **broker_topics(struct broker *b, struct arena *a, size_t *count);
/* ERR_INVALID_TOPIC with Kafka's reason (empty, ".", "..", too long, illegal characters).
 * Collisions of '.' and '_' are refused at create. */
MUST_USE enum err broker_topic_name_check(struct str name, struct ectx *ec);

struct broker_setting {
    struct str name;
    struct str value; /* null: back to the default */
};
struct broker_topic_spec {
    struct str name;
    int32_t partitions;         /* -1: num.partitions */
    int16_t replication_factor; /* -1: default.replication.factor; more than 1:
                                   ERR_INVALID_REPLICATION_FACTOR unless
                                   leat.replication.factor.clamp is true (then 1, visibly) */
    bool has_assignments;       /* manual assignments: each must be exactly [BROKER_NODE_ID] */
    bool assignments_valid;
    const struct broker_setting *settings;
    size_t setting_count;
};
/* `created` (may be NULL: validate_only or error) is passed to done through out_topic at call time
 * of done. */
void broker_topic_create(struct broker *b, const struct broker_topic_spec *spec, bool validate_only,
                         broker_done done, void *ctx);
void broker_topic_delete(struct broker *b, struct topic *t, broker_done done, void *ctx);
/* ERR_INVALID_PARTITIONS when not more than now. */
void broker_topic_add_partitions(struct broker *b, struct topic *t, int32_t new_total,
                                 bool validate_only, broker_done done, void *ctx);

enum broker_alter_op { BROKER_SET = 0, BROKER_DELETE = 1, BROKER_APPEND = 2, BROKER_SUBTRACT = 3 };
struct broker_alter {
    enum broker_alter_op op;
    struct str name, value;
};
/* Incremental: names not mentioned stay as they are. All or none. */
void broker_topic_alter(struct broker *b, struct topic *t, const struct broker_alter *ops,
                        size_t count, bool validate_only, broker_done done, void *ctx);
/* Replace: what is not mentioned goes back to its default (AlterConfigs). */
void broker_topic_replace_config(struct broker *b, struct topic *t,
                                 const struct broker_setting *settings, size_t count,
                                 bool validate_only, broker_done done, void *ctx);
/* Dynamic broker configuration; cluster_default: for all brokers (resource name "") or for node 1.
 */
void broker_alter(struct broker *b, bool cluster_default, const struct broker_alter *ops,
                  size_t count, bool validate_only, broker_done done, void *ctx);
/* Replace: what is not mentioned is no longer set dynamically (AlterConfigs). */
void broker_replace(struct broker *b, bool cluster_default, const struct broker_setting *settings,
                    size_t count, bool validate_only, broker_done done, void *ctx);

/* One configuration entry in force, for DescribeConfigs. */
struct broker_config_entry {
    const struct config_option *option;
    const char *value; /* NULL: null */
    enum config_source source;
    bool is_default, read_only, sensitive;
};
/* Entry of a topic (or, topic NULL, of the broker) for one option. */
void broker_config_entry(struct broker *b, const struct topic *t, const struct config_option *o,
                         struct broker_config_entry *out);
/* Where an option's value could come from, the strongest first, and what is set there: the topic,
 * then, under the broker option's name, the node, all nodes, the file, the default. Only places
 * that have a value. Returns how many. */
#define BROKER_CONFIG_LAYERS 5
struct broker_config_layer {
    const char *name, *value;
    enum config_source source;
};
size_t broker_config_layers(const struct broker *b, const struct topic *t,
                            const struct config_option *o,
                            struct broker_config_layer out[BROKER_CONFIG_LAYERS]);
struct config *broker_config(struct broker *b);

/* ---- Producing
 * ----------------------------------------------------------------------------------------- */

struct broker_record_error {
    int32_t batch_index;
    struct str message;
};
/* One partition's batch. In: partition, bytes. Out: the rest, filled before `done` of the whole. */
struct broker_produce_item {
    struct partition *partition; /* NULL: the caller has set err already; skipped */
    uint8_t *bytes; /* exactly one batch; base offset, epoch, append time are written into it */
    size_t size;
    /* Optional: the memory of the bytes may become the store's (store_batch.take). Then nothing
     * around them may be read any more. */
    uint8_t *(*take)(void *ctx, size_t *cap);
    void *take_ctx;
    enum err err;
    int64_t base_offset;
    int64_t log_append_time_ms; /* -1 with CreateTime */
    int64_t log_start_offset;
    struct str error_message; /* null if none; in the arena */
    struct broker_record_error *record_errors;
    int32_t record_error_count;
    void *internal;
};
struct broker_produce {
    int16_t api_version;
    struct broker_produce_item *items;
    size_t item_count;
    struct arena *arena; /* of the request: lives until done */
    /* The gate needs time (true), or has had it (false): what comes after this from the same client
     * must not overtake it. NULL: nobody minds. */
    void (*held)(struct broker_produce *p, bool held);
    void (*done)(struct broker_produce *p);
    void *ctx;
    void *internal;
};
/*
 * Validates each batch as Kafka does (record_validate, message size, timestamps, producer
 * sequence), sequences what is good into one frame, and calls done when that is durable (at once,
 * before returning, if nothing was good). Items are independent: one's error does not stop another.
 * Duplicates within the last five batches are answered with their original offset. The items' bytes
 * must stay valid until done. Topics of the server itself (broker_topic_is_internal) are refused,
 * and batches for guarded ones pass the gate.
 */
void broker_produce(struct broker *b, struct broker_produce *p);

/* ---- The gate: what a service has to say about what clients do with its topics
 * ------------------------------------- */

/* A batch for a guarded topic, validated and no duplicate, before it gets its offset. */
struct broker_gate_item {
    struct partition *partition;
    struct str batch; /* as it came; perhaps compressed */
    struct arena *arena;
    /* out */
    struct str
        replacement;  /* null: as it is. In the arena; same producer, same number of records */
    struct str error; /* if refused: for the client; null: the text of ec */
    struct broker_record_error *record_errors;
    int32_t record_error_count;
    int64_t original_offset; /* with ERR_DUPLICATE_SEQUENCE_NUMBER; -1: not known */
    void *internal;          /* the gate's, from check to durable or dropped */
};
/*
 * check: ERR_OK, and then `sequenced` or `dropped` follows within the same turn; ERR_AGAIN: the
 * request waits until broker_gate_retry, and is checked again; ERR_DUPLICATE_SEQUENCE_NUMBER: it is
 * in the log already, durably, and is answered as a repeated batch is, with the offset that the
 * gate says; else it is refused with that. After `sequenced` comes `durable`, unless the store
 * fails. None of them may append anything itself. change: whether a client may do it: "create",
 * "delete", "delete records", "add partitions", "change" (with the setting).
 */
struct broker_gate {
    void *ctx;
    bool (*guards)(void *ctx, struct str topic);
    enum err (*check)(void *ctx, struct broker_gate_item *item, struct ectx *ec);
    void (*sequenced)(void *ctx, struct broker_gate_item *item, int64_t base_offset);
    void (*durable)(void *ctx, struct broker_gate_item *item, uint64_t position);
    void (*dropped)(void *ctx, struct broker_gate_item *item);
    enum err (*change)(void *ctx, struct str topic, const char *what, struct str setting,
                       struct ectx *ec);
};
/* Copied. NULL: none any more; what the old one holds is answered as broker_gate_expire does, and
 * what it has let pass is still told to it when it is durable. */
void broker_gate_set(struct broker *b, const struct broker_gate *gate);
/* What waits for the gate goes on. Does nothing while the store is not ready. */
void broker_gate_retry(struct broker *b);
/* What has waited for the gate for so long is answered with REQUEST_TIMED_OUT, which clients
 * retry. */
void broker_gate_expire(struct broker *b, uint64_t age_ns);
/* "__leat_...": written by the server alone; readable by all. */
bool broker_topic_is_internal(struct str name);
/* May a client do this to a topic (`what` as in broker_gate.change; setting: null for others)?
 * ERR_POLICY_VIOLATION with the reason. */
MUST_USE enum err broker_client_may(struct broker *b, struct str topic, const char *what,
                                    struct str setting, struct ectx *ec);

/* ---- Appending: what the server itself writes
 * ---------------------------------------------------------------------- */

/* How a batch for this topic is to be built. */
struct broker_batch_rules {
    size_t max_bytes;     /* max.message.bytes: of the whole batch */
    bool log_append_time; /* message.timestamp.type */
    enum record_codec codec;
    int32_t level;
};
void broker_batch_rules(struct topic *t, struct broker_batch_rules *out);

struct broker_append_part {
    struct partition *partition; /* in an append once only */
    uint8_t *bytes;              /* one whole batch, valid until done; base offset and leader epoch
                                    are written into it */
    size_t size;
    int64_t base_offset; /* out, at the call's return */
    uint64_t position;   /* out, at done: its commit position */
    /* the room's */
    struct store_batch batch;
    uint32_t records;
};
/* What another room wants to have in the same frame. */
struct broker_append_fact {
    uint16_t tag;
    struct str body; /* copied by the call */
};
struct broker_append {
    struct broker_append_part *parts;
    size_t part_count;
    const struct broker_append_fact *facts;
    size_t fact_count;
    /* All of it is durable and visible. Perhaps never, if the store fails. */
    void (*done)(struct broker_append *a);
    void *ctx;
    uint64_t position; /* out, at done: the highest of the parts; 0 without parts */
};
/*
 * Everything in one frame: all or nothing, except for batches of topics with durability os. On an
 * error nothing has changed and `done` is not called: ERR_AGAIN (the log has no room; see
 * store_ready), ERR_MESSAGE_TOO_LARGE, ERR_UNKNOWN_TOPIC_OR_PARTITION, ERR_NO_SPACE, ERR_LIMIT
 * (more than a frame can carry), ERR_NO_MEMORY.
 */
MUST_USE enum err broker_append(struct broker *b, struct broker_append *a, struct ectx *ec);

/* A new producer id (epoch 0), or for a known (id, epoch) the next epoch (KIP-360). Durable when
 * done. */
struct broker_producer_id {
    int64_t id;
    int16_t epoch;
};
void broker_producer_id_new(struct broker *b, int64_t id, int16_t epoch,
                            void (*done)(void *ctx, enum err e, struct broker_producer_id pid),
                            void *ctx);

/* Active producers of a partition, for DescribeProducers. */
struct broker_producer_info {
    int64_t id;
    int16_t epoch;
    int32_t last_sequence;
    int64_t last_timestamp_ms;
};
struct broker_producer_info *broker_producers(struct partition *p, struct arena *a, size_t *count);

/* Moves the log start up to offset (-1: high watermark); done when durable. `low` = the resulting
 * log start. */
void broker_delete_records(struct broker *b, struct partition *p, int64_t offset,
                           void (*done)(void *ctx, enum err e, int64_t low), void *ctx);

/* ---- Waiting (long poll)
 * ---------------------------------------------------------------------------------- */

/* Registered on a partition; `wake` is called whenever its high watermark or log start moved or the
 * topic goes away (gone). A waiter is removed by broker_wait_cancel (also from within wake), or by
 * `gone`. */
struct broker_waiter {
    struct list link;
    void (*wake)(struct broker_waiter *w, struct partition *p, bool gone);
};
void broker_wait(struct partition *p, struct broker_waiter *w);
void broker_wait_cancel(struct broker_waiter *w);

#endif
