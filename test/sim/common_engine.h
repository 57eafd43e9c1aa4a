/*
 * What the outside knows of the appends of an engine, the process that makes them (real engine,
 * broker, groups and store on a simulated disk), and the judgement of what a start has recovered.
 * Used by engine_crash.c.
 */
#ifndef LEAT_TEST_SIM_COMMON_ENGINE_H
#define LEAT_TEST_SIM_COMMON_ENGINE_H

#include "broker/broker.h"
#include "common_watch.h"
#include "engine/engine.h"
#include "env/env_sim.h"
#include "group/group.h"

enum {
    ENG_TOPICS = 3,
    ENG_PARTS = 2,
    ENG_PARTS_PER = 4, /* of one append */
    ENG_APPENDS = 400,
};

/* The records of one append in one partition. */
struct echunk {
    int topic, part, count;
    uint32_t bytes; /* of each record's value */
    int64_t base;
    uint64_t uid, position; /* position 0: not told yet */
    bool found;
};
struct eappend {
    struct echunk c[ENG_PARTS_PER];
    int n;
    bool input, acked;
    int64_t next; /* of the input */
};
struct emodel {
    uint64_t rng, uid;
    struct eappend a[ENG_APPENDS];
    uint32_t n;
    int64_t next;   /* of the input, given to an append last */
    uint64_t epoch; /* the highest one that was told */
    uint64_t going; /* of the last process, when it ended */
    bool calm, may_lose_memory, bad;
    char why[300];
};

struct eproc;
struct esent {
    struct engine_append a;
    struct engine_part parts[ENG_PARTS_PER];
    struct engine_record records[ENG_PARTS_PER][3];
    char values[ENG_PARTS_PER][3][1600];
    struct engine_input input;
    struct eproc *p;
    uint32_t index; /* in the model */
    bool busy, in_call, told;
};
enum { ENG_IN_FLIGHT = 16 };

struct eproc {
    struct env *env;
    struct env_poll *poll;
    struct config config;
    struct metrics *metrics;
    struct store *store;
    struct broker *broker;
    struct groups *groups;
    struct engine *engine;
    struct emodel *m;
    struct arena arena;
    struct store_watch watch;
    struct engine_ensure topics[ENG_TOPICS];
    struct engine_member *member, *old; /* old: replaced */
    bool assigned;                      /* the input, to `member` */
    bool dead, closing;
    struct esent *sent; /* ENG_IN_FLIGHT; NULL: no memory */
    uint32_t in_flight;
};

uint64_t eng_rnd(struct emodel *m, uint64_t below);
/* The first broken promise is kept. */
void eng_bad(struct emodel *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Opens everything as the server does, judges what is there, makes the topics and joins. */
enum err eng_start(struct eproc *p, struct env *env, struct emodel *m);
void eng_end_proc(struct eproc *p);
void eng_turn(struct eproc *p, uint64_t steps);
bool eng_topic_is_there(struct eproc *p, int topic);
/* Makes the append; it is in the model if the engine took it. */
void eng_append(struct eproc *p, struct eappend *a);
/* Another member joins in place of the one that is there. */
void eng_join(struct eproc *p);
/* The one before tries to commit. */
void eng_zombie(struct eproc *p);

#endif
