/*
 * Processes that run projections on the worst engine, into one SQLite file, and a model of what the
 * tables must say. Each process has a simulated world of its own for its jobs, so that it can be
 * killed between the commit of a transaction and everything that follows it.
 *
 * Events of the topic "events" are {"eventType": "Added", "data": {"n": N}} by key; N "x" cannot be
 * applied. The projection counts and sums them by key, keeps the last, and sums over all keys.
 */
#ifndef LEAT_TEST_UNIT_PROJ_WORLD_H
#define LEAT_TEST_UNIT_PROJ_WORLD_H

#include "core/map.h"
#include "engine/worst.h"
#include "env/env_sim.h"
#include "metrics/metrics.h"
#include "proj/proj.h"
#include "server.h"

enum { WORLD_NODES = 2, WORLD_PARTS = 3, WORLD_KEYS = 7 };

/* NAME, and NAME_at_its_worst: the same on an engine that is not told to behave, with a few seeds.
 */
#define TEST_WORLD(name)           \
    static void name##_body(void); \
    TEST(name)                     \
    {                              \
        name##_body();             \
    }                              \
    TEST_AT_ITS_WORST_(name)       \
    static void name##_body(void)
/* The same for a test that runs on both targets; at its worst with SQLite. */
#define TEST_WORLD_ON_BOTH(name)   \
    static void name##_body(void); \
    TEST_AT_ITS_WORST_(name)       \
    TEST_ON_BOTH(name)
#define TEST_AT_ITS_WORST_(name)                                                   \
    TEST(name##_at_its_worst)                                                      \
    {                                                                              \
        for (world_worst = 1; world_worst <= world_worst_seeds(); world_worst++) { \
            name##_body();                                                         \
        }                                                                          \
        world_worst = 0;                                                           \
    }
/* Not at its worst, and why: what the test looks at is rightly another thing there. */
#define TEST_WELL_BEHAVED(name, why)         TEST(name)
#define TEST_WELL_BEHAVED_ON_BOTH(name, why) TEST_ON_BOTH(name)

/* Time goes ten times as slowly there: one seed, and in the gate two, but under TSan. */
uint64_t world_worst_seeds(void);
/* The seed of the engine at its worst in the test that runs; 0: it is told to behave. */
extern uint64_t world_worst;

struct world_node {
    struct world *w;
    struct env *env; /* of its jobs */
    struct env_poll *poll;
    struct engine *engine;
    struct metrics *metrics;
    struct proj *proj;
    bool ready, stopped;
    struct proj_action *append; /* under way; NULL: none */
};
struct world {
    struct env *env; /* of the log */
    struct env_poll *poll;
    struct worst_log *log;
    struct world_node nodes[WORLD_NODES];
    char dir[512], db[600];
    bool actions;        /* the definition has a live-only one, for n above 500 */
    struct map appended; /* ids in the event store that there would be */
    uint64_t appends, again;
    bool appends_held, appends_good; /* none is answered; none is refused */
    char target[256];                /* "sqlite:views.db" if empty */
    uint64_t rng;
    uint64_t ticked_ns;
    const char *keep;                   /* of the definition; "24h" if NULL */
    enum proj_why why;                  /* of the last command */
    uint32_t for_version;               /* of commands */
    const struct proj_upcasts *upcasts; /* NULL: there are none */
    uint64_t check_ns;                  /* 0: the default */
    uint64_t parked_max;                /* 0: the default */
    uint64_t lanes_lag;                 /* of the processes: low, so that lanes come and go */
};

/* At its worst the engine does not do what `cfg` says, and everything may take ten times as long.
 */
void world_init(struct world *w, uint64_t seed, const struct worst_config *cfg);
void world_deinit(struct world *w);
void world_up(struct world *w, size_t node);
/* A calm log with the topic `events`, and process 0. */
void world_begin(struct world *w, uint64_t seed, uint64_t check_ns);
/* The same, and version 1 has applied 50 events. */
void world_begin_settled(struct world *w, uint64_t seed);
void world_kill(struct world *w, size_t node);
void world_stop(struct world *w, size_t node);
uint64_t world_random(struct world *w, uint64_t below);
void world_step(struct world *w);
void world_run(struct world *w, uint64_t ms);
/* Until `done` says so; fails after so long. */
void world_until(struct world *w, bool (*done)(struct world *w), uint64_t ms);
void world_say(struct world *w, size_t count, unsigned bad_in);

/* The definition as a text; version 2 also has the largest n of a key. */
const char *world_definition(struct world *w, uint32_t version, char *out, size_t size);
/* A command of node 0, until it is done. */
enum err world_command(struct world *w, enum proj_command_kind kind, const char *text,
                       struct ectx *ec);
void world_apply(struct world *w, uint32_t version); /* this version of the definition */
struct proj_status world_status(struct world *w, size_t node, struct arena *a);
uint32_t world_served(struct world *w); /* by node 0 */
bool world_two_is_served(struct world *w);
size_t world_versions(struct world *w); /* how many there are */
bool world_one_version(struct world *w);
/* The rows of a table or view as text, and what the model says they are. */
const char *world_rows(struct world *w, const char *sql, char *out, size_t size);
void world_change_target(struct world *w, const char *sql); /* by somebody else's hand */
void world_check_rows(struct world *w, const char *sql, const char *want);
const char *world_model(struct world *w, char *out, size_t size);
bool world_settled(struct world *w);
/* Both, compared. */
void world_check(struct world *w, const char *table);

#endif
