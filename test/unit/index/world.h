/*
 * What the tests of the index share: a simulated machine, an index of three tables of different
 * shapes, and a model of it: sorted arrays, with a copy of them for each cover that was given.
 */
#ifndef LEAT_TEST_INDEX_WORLD_H
#define LEAT_TEST_INDEX_WORLD_H

#include "env/env_sim.h"
#include "index/index_int.h"

enum { WORLD_TABLES = 3, WORLD_COVERS = 64 };

struct model_table {
    uint8_t (*entries)[INDEX_ENTRY_MAX]; /* key and value, as the table has them; sorted */
    size_t count, cap;
};
struct model {
    struct model_table tables[WORLD_TABLES];
};
struct world {
    struct env *env;
    struct env_poll *poll;
    struct index *ix;
    struct index_table tables[WORLD_TABLES];
    struct index_config cfg;
    uint32_t step_bytes;
    uint64_t rng;
    uint32_t prefixes; /* keys are drawn from so many, */
    uint32_t numbers;  /* with so many numbers behind them */
    struct model now;
    struct { /* what was covered; the number of a cover is its text */
        uint32_t number;
        struct model state;
    } covers[WORLD_COVERS];
    uint32_t cover_count; /* the newest; 0: the empty one */
    enum err tolerated;   /* what a look-up may answer as well */
    uint32_t tolerated_count;
    uint32_t harmed, ready;
    struct ectx ec;
};

void world_init(struct world *w, uint64_t seed, uint64_t disk_bytes);
void world_deinit(struct world *w);
enum err world_open(struct world *w);
void world_close(struct world *w, bool flush);
/* The power goes, now (unless it is off already); the index is closed on the dead machine. */
void world_stop(struct world *w);
/* Off and on again, with these losses; or the process alone ends. */
void world_cut(struct world *w, enum env_sim_keep keep, uint64_t choice);
void world_kill(struct world *w);
uint64_t world_random(struct world *w, uint64_t below);
/* A key that may be there. */
void world_key(struct world *w, unsigned table, uint8_t *key);
enum err world_put(struct world *w); /* a random one */
enum err world_put_this(struct world *w, unsigned table, const uint8_t *key, const uint8_t *value);
enum err world_cover(struct world *w, bool now);
void world_turn(struct world *w);   /* some of what is due */
void world_settle(struct world *w); /* until nothing is pending */
/* Some look-ups of all kinds, compared with the model; check: every key, and whole tables. */
void world_look(struct world *w, uint32_t count);
void world_check(struct world *w);
/* The model becomes what the index says that it covers. false: it says something that was never
 * covered. */
bool world_adopt(struct world *w, uint32_t *number);
/* With the job, if it has to be. ERR_STOPPED: the power went. */
enum err world_get(struct world *w, unsigned table, const uint8_t *key, uint8_t *value);
enum err world_last(struct world *w, unsigned table, const uint8_t *prefix, const uint8_t *key,
                    uint8_t *key_out, uint8_t *value);
enum err world_scan(struct world *w, struct index_scan *s);

#endif
