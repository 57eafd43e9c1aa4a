/* Inside of the server room: the running server's parts. */
#ifndef LEAT_SERVER_SERVER_INT_H
#define LEAT_SERVER_SERVER_INT_H

#include "api/api.h"
#include "broker/broker.h"
#include "core/pool.h"
#include "engine/engine.h"
#include "es/es.h"
#include "group/group.h"
#include "http/http.h"
#include "kafka/kafka.h"
#include "metrics/metrics.h"
#include "net/net.h"
#include "proj/proj.h"
#include "server/options.h"
#include "store/store.h"

/* Descriptors for everything that is neither a connection nor a file of the store's data. */
#define SERVER_FILES_KEPT 32u
#define SERVER_POOL_KEEP  (8u * 1024 * 1024) /* free bytes of the pool */
#define SERVER_TICK_NS    100000000ull
#define SERVER_DRAIN_NS   3000000000ull
/* How long a commit may take to reach the disk before all that wait in groups are told to go. */
#define SERVER_GROUPS_NS 300000000ull

struct server {
    struct env *env;
    struct env_poll *poll;
    struct server_options options;
    struct metrics *metrics;
    struct pool pool; /* memory that is received into, written from and read into */
    struct net *net;
    struct store *store;
    struct broker *broker;
    struct groups *groups;
    struct kafka *kafka;
    struct http *http;
    struct engine *engine;
    struct es *es;
    struct proj *proj;
    struct proj_upcasts upcasts; /* of es, for proj */
    bool proj_stopped;
    bool stuck; /* a job did not end: nothing that it may use is freed */
    struct api *api;
    struct env_addr kafka_bound, http_bound;
    uint64_t started_ns;
    int64_t started_wall_ms;
    bool ready, stopping, failed;
    bool es_ready, es_failed, proj_ready, proj_failed; /* as their starts ended */
    int signal_number;
};

/* routes.c: /healthz, /readyz, /metrics. */
/* What clients do not get yet, or not any more, in words; NULL: everything is served. `out`: room
 * for the words. */
#define SERVER_WHY_SIZE 448u
const char *server_not_ready(const struct server *s, char out[SERVER_WHY_SIZE]);
MUST_USE enum err server_routes_add(struct server *s);
/* services.c: what stands on the log. Open after the store and before the rim; the API after http.
 * Stopped before the store is closed, destroyed after it. */
MUST_USE enum err server_services_open(struct server *s, struct ectx *ec);
MUST_USE enum err server_api_open(struct server *s, struct ectx *ec);
void server_services_tick(struct server *s);
void server_services_stop(struct server *s);
void server_services_destroy(struct server *s);
/* actions.c: appends that projections ask for. ctx: the server. */
void server_action(void *ctx, struct proj_action *a);
/* gauges.c: what is read when someone scrapes. */
void server_gauges_add(struct server *s);
extern const char server_version[];

#endif
