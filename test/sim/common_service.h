/*
 * What clients know of a broker (topics, batches, committed offsets, generations), the process that
 * serves them (real broker, real groups, real store on a simulated disk), and the judgement of what
 * a start has recovered. Used by service_crash.c.
 *
 * The oracle is small on purpose. A partition is the list of batches that were given an offset, in
 * that order; what a producer may send is read off that list (svc_predict); what a start finds must
 * be a prefix of it with everything acknowledged in it.
 */
#ifndef LEAT_TEST_SIM_COMMON_SERVICE_H
#define LEAT_TEST_SIM_COMMON_SERVICE_H

#include "broker/broker.h"
#include "common_watch.h"
#include "env/env_sim.h"
#include "group/group.h"

enum {
    SVC_TOPICS = 3,
    SVC_PARTS = 3,
    SVC_PRODUCERS = 3,
    SVC_BATCHES = 100, /* of a partition */
    SVC_GROUPS = 3,    /* the last one has members, the others are simple consumers */
    SVC_MEMBERS = 2,
    SVC_LOST = 5,
    SVC_GENERATIONS = 64,
};

/* ---- What the outside knows ----------------------------------------------------------------- */

struct sbatch {
    uint64_t uid;
    int64_t base, pid; /* pid -1: not idempotent */
    uint32_t crc, payload;
    int32_t count, seq;
    int16_t epoch;
    bool acked, kept; /* kept: a start has shown it; it must never go */
};
struct spart {
    uint32_t n, lost_count;
    struct sbatch b[SVC_BATCHES];
    struct sbatch lost[SVC_LOST]; /* not acknowledged and gone: a producer sends them again */
    int64_t start_told, start_sent;
    int64_t offset_told[SVC_GROUPS], offset_sent[SVC_GROUPS]; /* commits only grow; -1: none */
};
enum spending { SVC_NONE, SVC_CREATE, SVC_DELETE, SVC_GROW, SVC_CONFIG };
struct stopic {
    bool exists;
    struct uuid id;
    int32_t parts;
    int64_t setting;
    enum spending pending; /* a change whose outcome is not known */
    int32_t new_parts;
    int64_t new_setting;
    struct spart part[SVC_PARTS];
};
struct sproducer {
    int64_t id; /* -1: none yet */
    int16_t epoch;
};
enum sstep { SVC_IDLE, SVC_JOINING, SVC_JOINED, SVC_SYNCING, SVC_STABLE };
struct smember {
    enum sstep step;
    char id[80];
    int32_t generation;
};
struct smodel {
    uint64_t rng, uid;
    struct stopic topics[SVC_TOPICS];
    struct sproducer producers[SVC_PRODUCERS];
    int64_t largest_pid;
    bool group_deleting[SVC_GROUPS];
    struct smember members[SVC_MEMBERS];
    /* The largest that a join was told; the largest whose assignment was told; who led each. */
    int32_t generation, synced;
    char leaders[SVC_GENERATIONS][80];
    bool settled;   /* every member knows its assignment, and nothing was asked for since */
    bool calm;      /* few checkpoints, so that packing gets a chance */
    uint64_t going; /* of the last process, when it ended: going_bit of what was not finished */
    bool may_lose_memory, may_fail, given_up, bad;
    char why[300];
};

/* ---- One process ---------------------------------------------------------------------------- */

struct sproc {
    struct env *env;
    struct env_poll *poll;
    struct config config;
    struct metrics *metrics;
    struct broker *broker;
    struct groups *groups;
    struct store *store;
    struct smodel *m;
    struct arena arena;
    struct list calls; /* of struct scall */
    bool dead, closing;
    struct store_watch watch;
    uint32_t busy_groups[SVC_GROUPS]; /* calls on their way */
    int32_t generation; /* of the group with members: the one recorded, then the newest told */
    struct smember_call {
        struct groups_ticket ticket;
        struct sproc *proc;
        int who;
        bool leads;
        char ids[SVC_MEMBERS][80], protocol[16];
    } member_calls[SVC_MEMBERS];
};

/* Planted faults that need no hook in the product: this participant's part is falsified. */
struct svc_planted {
    bool image_without_producers, recovery_without_batches, lease_forgotten, commit_forgotten,
        generation_forgotten, image_without_groups, config_forgotten;
};
extern struct svc_planted svc_planted;
/* The switch of a fault inside the group room; NULL in a build without faults. */
bool *svc_fault_commit_early(void);

uint64_t svc_rnd(struct smodel *m, uint64_t below);
/* The first broken promise is kept. */
void svc_bad(struct smodel *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *svc_topic_name(int t);
const char *svc_group_name(int g);
void svc_topic_reset(struct stopic *t);
int64_t svc_end(const struct spart *sp);

/* What the broker must say to a batch of an idempotent producer, by Kafka's rules. */
enum svc_verdict { SVC_NEW, SVC_DUPLICATE, SVC_OUT_OF_ORDER, SVC_FENCED };
enum svc_verdict svc_predict(const struct spart *sp, const struct sbatch *b, int64_t *original);
/* The sequence that follows what this producer has in the partition; -1: nothing yet. */
int32_t svc_next_sequence(const struct spart *sp, int64_t pid, int16_t epoch);

#define SVC_BATCH_MAX 16384u
/* The bytes follow from the batch's fields alone, so a resend is byte for byte the original. Sets
 * its crc. Returns the size. */
size_t svc_batch_fill(uint8_t *out, struct sbatch *b);

/* Opens everything as the server does, and judges what is there. */
enum err svc_start(struct sproc *p, struct env *env, struct smodel *m, bool clean_expected);
/* A clean stop if the world lives; frees. */
void svc_end_proc(struct sproc *p, void (*free_call)(struct list *call));
void svc_turn(struct sproc *p, uint64_t steps);
/* One of the members takes its next step. */
void svc_step_member(struct sproc *p);

#endif
