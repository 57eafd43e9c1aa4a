/*
 * What the tests of reading share: random appends by several writers at once, and what is in the
 * log afterwards, found by reading every partition by brute force.
 */
#ifndef LEAT_TEST_ES_READ_MODEL_H
#define LEAT_TEST_ES_READ_MODEL_H

#include "es_world.h"

enum { MODEL_STREAMS = 24, MODEL_WRITERS = 8, MODEL_EVENTS_MAX = 20000 };

struct model_event {
    struct es_position position;
    struct str stream, category, type, data, id;
    struct str tags[4];
    size_t tag_count;
    uint64_t revision;
    int64_t time_ms;
};
struct model {
    struct es_world *w;
    struct arena arena;
    struct model_event *events; /* in the order of the log */
    size_t count;
    uint64_t rng;
    struct es_shot *shots[MODEL_WRITERS];
    uint64_t next_id, appended;
    bool (*dead)(void *ctx, size_t stream); /* to which nothing is appended; NULL: none */
    void *dead_ctx;
    void (*told)(void *ctx); /* within the answer of each append; NULL: nobody */
    void *told_ctx;
};
void model_init(struct model *m, struct es_world *w, uint64_t seed);
void model_deinit(struct model *m);
uint64_t model_rnd(struct model *m, uint64_t below);
/* Writers without anything to do begin an append, the loop takes a few steps, and those that have
 * ended are checked off. */
void model_step(struct model *m);
/* `appends` in all, then until the last has ended. */
void model_write(struct model *m, size_t appends);
void model_finish(struct model *m);
/* Reads the log. */
void model_load(struct model *m);
const char *model_stream(size_t i); /* its name */
bool model_matches(const struct model_event *e, const struct es_filter *f);
/* A random filter; its strings live as long as the model. */
void model_filter(struct model *m, struct es_filter *out);
/* Checks that `e` is event x of the model. */
void model_same(const struct model_event *x, const struct es_event *e);

#endif
