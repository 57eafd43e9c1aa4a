/*
 * The model of what the outside knows of a store, the node that runs it (a participant with a table
 * of partitions), and the judgement of a recovery by the model. Used by store_crash.c.
 */
#ifndef LEAT_TEST_SIM_COMMON_STORE_H
#define LEAT_TEST_SIM_COMMON_STORE_H

#include "common_brought.h"
#include "common_watch.h"
#include "core/arena.h"
#include "env/env_sim.h"

#define PARTS      12
#define BATCHES    300
#define FRAMES     1500
#define STARTS     100
#define PER_FRAME  4
#define BATCH_HEAD 61
/* Index of a partition that keeps its batches for a time, and how long. */
#define TIMED_INDEX 2
#define TIMED_MS    7200000

/* ---- What the outside knows ----------------------------------------------------------------- */

struct mbatch {
    int64_t base;
    uint64_t uid, time; /* time: the uid that it had first */
    uint32_t size, frame;
    int32_t count;
    uint64_t position; /* of its commit; 0: it was not acknowledged */
    bool kept;         /* a finished recovery or a clean stop has it: it must never go */
    /* Another batch that is to take its place, and the one whose place it has taken. */
    uint64_t next_uid, before_uid; /* 0: none */
    uint32_t next_size, before_size, cap;
    uint64_t taken_look; /* the look in which it has: it may have begun before */
    uint64_t born_ns;    /* monotonic */
    uint32_t jumps;      /* of the wall clock before it was appended */
};
struct mpart {
    uint32_t id; /* 0: free */
    int32_t index;
    bool os, retained;
    uint32_t added, removed; /* frame; removed UINT32_MAX: no */
    uint32_t n;
    int64_t told;       /* os: offsets below it were acknowledged */
    int64_t start_seen; /* the largest log start that was visible */
    struct mbatch b[BATCHES];
};
struct mstart {
    uint32_t frame, id;
    int64_t offset;
};
struct model {
    uint64_t rng, uid;
    uint32_t next_id;
    uint32_t frames, acked; /* submitted; acknowledged: a prefix */
    uint64_t chain[FRAMES + 1];
    uint32_t facts[FRAMES + 1]; /* in the frames before this one */
    bool leaves[FRAMES];        /* the frame has something that no recovery may overlook */
    uint64_t position;          /* of commits: the largest that was acknowledged and is there */
    struct mpart parts[PARTS];
    struct mstart starts[STARTS];
    uint32_t start_count;
    uint32_t jumps; /* of the wall clock, so far */
    bool calm;      /* few checkpoints and hours, so that packing gets a chance */
    bool relaxed;   /* durability os alone, few partitions, much is deleted */
    uint64_t going; /* of the last process, when it ended: going_bit of what was not finished */
    uint64_t look;  /* count of reads while everything goes on */
    bool bad, may_lose_memory, may_lose_space, may_fail, reads_may_hang, given_up;
    char why[240];
};

/* ---- One process ---------------------------------------------------------------------------- */

struct flight { /* a frame between commit and done */
    struct list link;
    struct proc *proc;
    uint32_t frame;
    uint64_t uid;
    /* Of the fact: 'n'othing, 'a'dd, 'r'emove, 'd'elete records, 'f'iller; 'b': none. */
    uint8_t kind;
    uint32_t id;
    int32_t index;
    bool os;
    int n;
    struct store_batch batches[PER_FRAME];
    struct brought brought[PER_FRAME];
    uint32_t ids[PER_FRAME];
};
struct rewriting { /* a batch that takes the place of another, not done yet */
    struct list link;
    struct proc *proc;
    struct store_rewrite job;
    uint32_t id;
    uint8_t *bytes;
};
struct flush { /* asked for, of a partition with durability os */
    struct list link;
    struct store_sync_job job;
    struct proc *proc;
    uint32_t id;
    int64_t upto; /* its high watermark then */
};
struct proc {
    struct env *env;
    struct env_poll *poll;
    struct store *store;
    struct model *m;
    struct list flights, rewritings, flushes;
    bool dead, told; /* it cannot go on; its store has said so */
    /* the participant's state, as the node has it */
    uint32_t count;
    uint64_t chain;
    struct {
        uint32_t id;
        int32_t index;
        bool os;
    } parts[PARTS];
    uint32_t part_count;
    struct arena arena;
    uint64_t jumped_ns; /* when the wall clock jumped last in this life; UINT64_MAX: not yet */
    struct store_watch watch;
};

/* The first broken promise is kept. */
void model_bad(struct model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t model_rnd(struct model *m, uint64_t below);
struct mpart *mpart_find(struct model *m, uint32_t id);
int64_t mpart_end(const struct mpart *mp);
void flight_free(struct flight *f);
/* Of a frame: what was promised is noted, the fact takes effect. */
void flight_done(void *ctx, uint64_t position);
/* Asks for a flush of this partition; what it is told of is kept from then on. */
void proc_flush(struct proc *p, struct store_part *part, const struct mpart *mp);
void batch_fill(uint8_t *b, uint32_t size, int32_t count, uint64_t uid);
/* The bytes are those of this batch, with its offset; or of the one that was to take its place, or
 * had it when the look began. */
bool batch_same(const struct model *m, const uint8_t *b, size_t n, const struct mbatch *mb);
/* Asks for the n-th batch of a partition to be replaced by one with other bytes, perhaps fewer. */
void batch_rewrite(struct proc *p, struct mpart *mp, struct store_part *part, uint32_t n);
/* On a worker if need be. ERR_STOPPED: the world was cut meanwhile. */
enum err proc_read(struct proc *p, struct store_part *part, int64_t offset, size_t max,
                   struct store_read *out);
/* The log start as DeleteRecords asked for it. */
int64_t model_log_start(const struct model *m, uint32_t id);
/* What a process that ends now leaves unfinished (going_bit). */
uint64_t proc_going(const struct proc *p, bool started);
/* Opens the store and judges what it recovered. */
enum err proc_start(struct proc *p, struct env *env, struct model *m, bool clean_expected);
/* Closes (a clean stop if the world lives) and frees. */
void proc_end(struct proc *p);

#endif
