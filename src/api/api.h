/*
 * The native API under /api/v1: the rim that translates between HTTP and the services. One file
 * for each resource (streams.c, events.c, topics.c, ...); each brings a table of routes, from which
 * both the http routes and the OpenAPI 3.1 document at /api/v1/openapi.json are made. Problems have
 * stable codes, from one table (problem.c), with a page each at /problems/{code}.
 *
 * All functions on the loop.
 */
#ifndef LEAT_API_API_H
#define LEAT_API_API_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/err.h"
#include "engine/engine.h"
#include "es/es.h"
#include "http/http.h"
#include "metrics/metrics.h"

struct api;
struct broker;
struct proj;

/* What there is to be reached. What is NULL is not offered (its routes are not in the table). */
struct api_services {
    struct env *env;
    struct net *net; /* for timers */
    struct http *http;
    struct engine *engine;
    struct broker *broker;
    struct es *es;
    struct proj *proj;
    const struct config *config;
    struct metrics *metrics;
    const char *version; /* of leat */
};
MUST_USE enum err api_create(const struct api_services *services, struct api **out,
                             struct ectx *ec);
/* About every 100 ms. */
void api_tick(struct api *a);
/* What the start reads is read: the Idempotency-Keys that are kept. */
bool api_ready(const struct api *a);
/* The server stops: waiting requests are answered, streams end. */
void api_stop(struct api *a);
void api_destroy(struct api *a);

#endif
