/*
 * What the tests of this room share: a simulated machine with a store, a broker, groups, Leat's own
 * engine and the API over HTTP, and one client. The event store is there if it is asked for (most
 * of its routes have test/parts/65 and 66).
 */
#ifndef LEAT_TEST_API_WORLD_H
#define LEAT_TEST_API_WORLD_H

#include <stdio.h>
#include <string.h>

#include "api/api_int.h"
#include "broker/broker.h"
#include "core/mem.h"
#include "env/env_sim.h"
#include "es/es.h"
#include "group/group.h"
#include "proj/proj.h"
#include "test.h"

enum reopen { REOPEN_CLEAN, REOPEN_KILL, REOPEN_POWER_CUT };

struct world {
    struct env *env;
    struct env_poll *poll;
    struct config config;
    struct metrics *metrics;
    struct store *store;
    struct broker *broker;
    struct groups *groups;
    struct engine *engine;
    struct es *es;     /* if `events` */
    struct proj *proj; /* if `projections` */
    struct net *net;
    struct http *http;
    struct api *api;
    struct env_addr addr;
    struct env_sock *sock;
    uint64_t keys_bytes;    /* leat.idempotency.max.bytes; 0: the default */
    uint64_t categories;    /* leat.es.categories.auto.max; 0: the default */
    const char *durability; /* leat.durability; NULL: the default */
    uint64_t choice;        /* of what a power cut loses; 0: the first */
    bool events;            /* with the event store, and a ring that holds large appends */
    bool projections;       /* with projections */
    bool closed;
    bool hold;       /* the log writes nothing */
    bool deaf;       /* the client reads nothing */
    struct buf in;   /* the last answer */
    int status;      /* of it; 0: there is none */
    struct str body; /* of it */
};

void world_init(struct world *w);
void world_deinit(struct world *w);
void world_reopen(struct world *w, enum reopen how);
void world_dial(struct world *w);
void turn(struct world *w);
void turns(struct world *w, int n);
/* Sends one request and turns until it is answered (a stream: until nothing more comes). `headers`:
 * lines with \r\n, or "". The status; 0: the connection was closed. */
int ask(struct world *w, const char *method, const char *target, const char *headers,
        const char *body);
void say(struct world *w, const char *text); /* sends it, and does not wait */
/* Turns until the answer to what was said is there. */
int hear(struct world *w);
bool has(const struct world *w, const char *text); /* in the last answer, its head too */
int64_t end_of(struct world *w, const char *topic, int32_t partition);

#endif
