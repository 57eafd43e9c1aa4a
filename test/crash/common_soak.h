/*
 * What a soak does beside the load of common_load.h: a group whose members join, leave, die and
 * come back too late, and an administrator that creates, grows and deletes topics, deletes records
 * and changes configurations. Each thread ends when the broker does; what it was told lives on
 * across restarts, and soak_check compares it with what is there.
 */
#ifndef LEAT_TEST_CRASH_SOAK_H
#define LEAT_TEST_CRASH_SOAK_H

#include "common_load.h"

enum { SOAK_MEMBERS = 5, SOAK_PARTS = 4, SOAK_TOPICS = 12, SOAK_CONFIGS = 6, SOAK_ID = 128 };

struct soak;
struct soak_member {
    struct soak *soak;
    uint64_t random;
    char id[SOAK_ID];
    int32_t generation, generation_before;
    uint32_t mask; /* the partitions that it was given */
    bool joined;
    pthread_t thread;
};

/* What the leader of a generation gave to each of its members. */
struct soak_plan {
    int32_t generation; /* 0: none */
    uint32_t count;
    char ids[SOAK_MEMBERS + 8][SOAK_ID];
    uint32_t masks[SOAK_MEMBERS + 8];
};

/* Numbers that only grow; the broker has one from the acknowledged to the last that was sent. */
struct soak_counter {
    int64_t sent, acked;
};

struct soak_totals {
    uint64_t generations, commits, fenced, left, died, late;
    uint64_t created, deleted, grown, trims, configs, strays;
};

struct soak {
    struct load *load;
    struct model *model;
    uint16_t port;
    atomic_bool stop;
    bool running;
    uint64_t random;
    pthread_mutex_t mutex;  /* everything down to `totals` */
    int32_t told, complete; /* the newest generation: of a JoinGroup, of a SyncGroup */
    struct soak_plan plan, plan_before;
    struct soak_counter commits[SOAK_PARTS];
    struct soak_totals totals;
    struct soak_member members[SOAK_MEMBERS];
    struct soak_counter configs[SOAK_CONFIGS];
    uint32_t topics[SOAK_TOPICS]; /* rows of the model; UINT32_MAX: not created yet */
    pthread_t admin;
};

void soak_init(struct soak *s, struct load *l, uint64_t seed);
void soak_start(struct soak *s, uint16_t port);
void soak_stop(struct soak *s);
/* After a restart, before soak_start. false: the broker did not answer. */
bool soak_check(struct soak *s, uint16_t port);

/* Shared by the files of the soak. */
void *soak_member_run(void *arg);
void *soak_admin_run(void *arg);
bool soak_check_group(struct soak *s, struct client *c);
bool soak_check_configs(struct soak *s, struct client *c);
/* Sleeps, but not longer than the soak runs. */
void soak_pause(const struct soak *s, double ms);
/* An acknowledged number is there, one that was never sent is not. */
bool soak_counter_holds(const struct soak_counter *c, int64_t found);

/*
 * Whether a measure grows: a line is laid through the samples (least squares) and followed from the
 * first to the last. True if it rises by more than `allowance`; *rise is what it rises by.
 */
bool soak_grows(const double *at, const double *value, size_t count, double allowance,
                double *rise);

#endif
