/*
 * The Kafka protocol at the rim: dispatch, one handler file per API (api_<name>.c), nothing else.
 * Dispatch decodes by table into plain structs, calls the handler, encodes the reply. Handlers
 * check, call a service (broker, group, store), and fill the reply; they may answer at once or
 * later.
 *
 * Replies leave in the order of the requests of their connection (net does that). Requests that
 * append while the store is not ready are parked in arrival order and their connections paused; if
 * nothing can be stored for long they are called late, and their handlers refuse.
 */
#ifndef LEAT_KAFKA_KAFKA_H
#define LEAT_KAFKA_KAFKA_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/broker.h"
#include "config/config.h"
#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "env/env.h"
#include "metrics/metrics.h"
#include "net/net.h"
#include "store/store.h"
#include "wire/wire.h"

struct kafka;
struct groups; /* group/group.h */

struct kafka_services {
    struct env *env;
    struct net *net;
    struct store *store;
    struct broker *broker;
    struct groups *groups;
    struct metrics *metrics;
    struct config *config;
    /* What clients are told to connect to; host empty: the address on which each client connected.
     */
    struct env_addr advertised;
};

MUST_USE enum err kafka_create(const struct kafka_services *services, struct kafka **out);
/* After net_destroy and store_close. */
void kafka_destroy(struct kafka *k);
MUST_USE enum err kafka_listen(struct kafka *k, const struct env_addr *addr, struct env_addr *bound,
                               struct ectx *ec);
/* From store_hooks.on_ready, and at the end of each turn: requests that wait for the store go on.
 */
void kafka_on_ready(struct kafka *k);
/* The server stops: long polls are answered with what there is. */
void kafka_stop(struct kafka *k);
const struct kafka_services *kafka_services(const struct kafka *k);

/* One request, from dispatch until its reply was encoded. */
struct kafka_request {
    struct kafka *kafka;
    const struct wire_api *api;
    int16_t version;
    int32_t correlation_id;
    struct str client_id;         /* empty if the client gave none */
    const struct env_addr *peer;  /* client address */
    const struct env_addr *local; /* the address it connected to */
    const void *body;             /* the decoded request struct of the API */
    struct arena *arena;          /* decoded request and reply live here; dies after kafka_reply */
    uint64_t received_ns;
    /* Called once if the connection goes away before the reply: a long poll stops waiting. The
     * handler must still call kafka_reply or kafka_drop (then or later). NULL: not interested. */
    void (*gone)(struct kafka_request *r);
    void *user; /* the handler's own */
    void *internal;
};

/* Encodes `body` (the API's response struct) for the request's version and queues it. The request
 * is void afterwards. */
void kafka_reply(struct kafka_request *r, const void *body);
/* The same for a body whose record chunks live in memory held until they were sent: release(ctx) is
 * called then. */
void kafka_reply_held(struct kafka_request *r, const void *body, void (*release)(void *ctx),
                      void *ctx);
void kafka_drop(struct kafka_request *r); /* no reply (acks=0, connection gone) */
/* How many record bytes the reply may have: fewer when others wait for the server too. */
int64_t kafka_reply_bytes(const struct kafka_request *r);
void kafka_close(struct kafka_request *r, const char *reason); /* closes the connection, logged */

/* The rows of api_table.c. */
struct kafka_api_row {
    int16_t key;
    void (*handle)(struct kafka *k, struct kafka_request *r);
    bool appends; /* needs store_ready */
};
const struct kafka_api_row *kafka_api_find(int16_t key); /* NULL: not served */
size_t kafka_api_count(void);
const struct kafka_api_row *kafka_api_at(size_t i);

/* The host and port to put into responses for this request. */
void kafka_advertised(const struct kafka_request *r, struct str *host, int32_t *port);

/* The handlers, one file each. */
#define KAFKA_HANDLER(name) void name(struct kafka *k, struct kafka_request *r)
KAFKA_HANDLER(api_produce);
KAFKA_HANDLER(api_fetch);
KAFKA_HANDLER(api_list_offsets);
KAFKA_HANDLER(api_metadata);
KAFKA_HANDLER(api_offset_commit);
KAFKA_HANDLER(api_offset_fetch);
KAFKA_HANDLER(api_find_coordinator);
KAFKA_HANDLER(api_join_group);
KAFKA_HANDLER(api_heartbeat);
KAFKA_HANDLER(api_leave_group);
KAFKA_HANDLER(api_sync_group);
KAFKA_HANDLER(api_describe_groups);
KAFKA_HANDLER(api_list_groups);
KAFKA_HANDLER(api_api_versions);
KAFKA_HANDLER(api_create_topics);
KAFKA_HANDLER(api_delete_topics);
KAFKA_HANDLER(api_delete_records);
KAFKA_HANDLER(api_init_producer_id);
KAFKA_HANDLER(api_offset_for_leader_epoch);
KAFKA_HANDLER(api_describe_configs);
KAFKA_HANDLER(api_alter_configs);
KAFKA_HANDLER(api_describe_log_dirs);
KAFKA_HANDLER(api_create_partitions);
KAFKA_HANDLER(api_delete_groups);
KAFKA_HANDLER(api_elect_leaders);
KAFKA_HANDLER(api_incremental_alter_configs);
KAFKA_HANDLER(api_offset_delete);
KAFKA_HANDLER(api_describe_cluster);
KAFKA_HANDLER(api_describe_producers);
KAFKA_HANDLER(api_list_config_resources);
KAFKA_HANDLER(api_describe_topic_partitions);

#endif
