/*
 * A simulated machine with the engine in memory, a real index, and an event store: what the tests
 * of the write side share. Calls wait for their end unless they say otherwise.
 */
#ifndef LEAT_TEST_ES_WORLD_H
#define LEAT_TEST_ES_WORLD_H

#include "core/mem.h"
#include "es/write.h"
#include "fake_engine.h"
#include "test.h"

struct es_world {
    struct env *env;
    struct env_poll *poll;
    struct engine *engine;
    struct config config;
    struct metrics *metrics;
    struct es *es;
    struct arena arena; /* of calls; lives as long as the world */
    bool started;
    enum err start_err;
    struct ectx start_ec;
};
#define ES_WORLD_SLOW 1000u /* from this seed on jobs are done at any later moment */
void es_world_init(struct es_world *w, uint64_t seed);
void es_world_deinit(struct es_world *w);
void es_world_on_ready(void *ctx, enum err e, const struct ectx *ec);
/* Stops and starts. `flush`: the index is left complete (else the process was killed); `rebuild`:
 * it is removed. */
enum es_world_how { ES_WORLD_CLEAN, ES_WORLD_KILL, ES_WORLD_REBUILD };
void es_world_restart(struct es_world *w, enum es_world_how how);
/* The index writes what is in its memory. */
void es_world_flush(struct es_world *w);
void es_world_settle(struct es_world *w);

/* An append with its own memory. */
struct es_shot {
    struct es_append a;
    struct arena arena;
    struct es_new_event *events;
    struct es_expected expected;
    bool remembered; /* for a test's `also` */
    bool ended;
};
/* `ids`: names parted by blanks, "-" for one that the server makes; each event has data "DATA". */
struct es_shot *es_shot_make(const char *stream, const char *expected, const char *ids);
void es_shot_add(struct es_shot *s, const char *stream, const char *id, const char *data);
void es_shot_check(struct es_shot *s, const char *stream, const char *expected);
/* "type+type tag+tag": one item */
void es_shot_query(struct es_shot *s, const char *types, const char *tags,
                   struct es_position after);
void es_shot_tag(struct es_shot *s, size_t event, const char *tags); /* "a b" */
void es_shot_go(struct es_world *w, struct es_shot *s);              /* does not wait */
void es_shot_free(struct es_shot *s);

/* Waits: "ok 5-7", "same 0-0", "conflict actual=5", "conflict none", "reused 3", "partial 0", or
 * the problem's code. */
const char *es_world_append(struct es_world *w, const char *stream, const char *expected,
                            const char *ids);
/* Waits for the end of a change, in the world's memory; asserts that it came. */
enum es_problem es_world_change(struct es_world *w, struct es_stream_change *c);
const char *es_shot_said(const struct es_shot *s);

#endif
