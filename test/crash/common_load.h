/*
 * The load: writers of several kinds, a consumer, a committing group, topics that come and go. Each
 * is a thread with a connection of its own that tells the model what it does and ends when the
 * broker does. State (sequences, what is in flight, positions) lives on across restarts, as in a
 * client that survives its broker.
 */
#ifndef LEAT_TEST_CRASH_LOAD_H
#define LEAT_TEST_CRASH_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "common_client.h"
#include "common_model.h"
#include "record/batch.h"

enum { LOAD_WRITERS = 8, LOAD_TOPICS = 5, LOAD_GROUPS = 3, LOAD_WINDOW = 8, LOAD_ENTRIES = 4 };

/* A topic that the writers use. */
struct load_topic {
    const char *name;
    int32_t partitions;
    bool relaxed;
    const char *config[2];
};

struct load_kind {
    const char *name;
    bool idempotent;
    uint32_t window;             /* requests in flight */
    uint32_t entries;            /* partitions of one request, one batch each */
    uint32_t records;            /* of a batch, at most */
    uint32_t size_min, size_max; /* of a value */
    double pause_ms;             /* after each answer, at most */
    int16_t acks;
    enum record_codec codec;
    const char *topic;
};

struct load_entry {
    uint32_t part, batch, records;
    int32_t sequence;
};
struct load_request {
    struct load_entry entries[LOAD_ENTRIES];
    uint32_t count;
};

struct load;
struct load_writer {
    struct load *load;
    const struct load_kind *kind;
    uint32_t id;
    uint64_t random;
    uint32_t parts[MODEL_PARTS];
    uint32_t part_count;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t sequence[MODEL_PARTS]; /* next, by part of the model */
    struct load_request pending[LOAD_WINDOW];
    uint32_t pending_count;
    atomic_uint acked; /* batches */
    bool cut_line;     /* close the connection soon and send everything again */
    pthread_t thread;
};

/* The one member of a group; see common_load_member.c. */
struct load_member {
    uint32_t group;
    uint64_t random;
    char id[128];
    int32_t generation;
    int32_t complete; /* the last generation whose assignment was received */
    bool joined;      /* in it, with the assignment received */
    atomic_uint commits;
    pthread_t thread;
};

struct load {
    struct model *model;
    uint16_t port;
    atomic_bool stop;
    bool running;
    bool no_admin;                   /* somebody else does what the administrator does */
    int64_t kept_bytes[MODEL_PARTS]; /* what a check read of each partition */
    bool disk_may_go; /* the power may be cut: reads may fail before the server ends */
    /* Faults that the server is to survive: errors are answers, every thread comes back until the
     * load is stopped, and the consumer begins again when it has read everything. */
    bool faulty;
    atomic_bool reads_may_fail; /* for now, and only by an error or a closed connection */
    uint64_t random, admin_random;
    struct load_writer writers[LOAD_WRITERS];
    int64_t position[MODEL_PARTS]; /* of the consumer */
    uint32_t groups[LOAD_GROUPS], setting, trimmed, topic_number;
    struct load_member member;
    bool fixed_topics_there;
    /* Errors that a produce met, by code + 1 (0..127). */
    atomic_uint produce_errors[128];
    atomic_uint closed; /* connections that the server ended */
    pthread_t consumer, committer, admin;
};

uint64_t load_random(uint64_t *state);
/* Adds the partitions, writers and the group to the model. */
void load_init(struct load *l, struct model *m, uint64_t seed);
/* Creates the topics that the writers use if they are not there. */
bool load_topics(struct load *l, double timeout_ms);
/* Starts all threads against `port`; load_stop asks them to end and waits. */
void load_start(struct load *l, uint16_t port);
void load_stop(struct load *l);

/*
 * After a restart: reads all partitions (everything, or what is new), the group's offsets and the
 * topics, and lets the model judge. false: the broker did not answer (a violation was noted).
 */
bool load_check(struct load *l, uint16_t port, bool everything);

#endif
