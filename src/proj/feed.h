/*
 * Changes of what a projection serves, for those who watch: from committed transactions to rows.
 *
 *   transaction committed ─► keys that wait (each once) ─► a worker reads their rows ─► the ring of
 *   the last changes ─► every watcher, each from where it is (watch.c)
 *
 * The feed is there while somebody watches, and FEED_LINGER_NS longer, for those who come back.
 * All of it is the loop's, but for what the reading job has in its hands.
 */
#ifndef LEAT_PROJ_FEED_H
#define LEAT_PROJ_FEED_H

#include "proj/proj_int.h"

#define FEEDS_MAX          64u        /* projections that are watched at once */
#define FEED_ENTRIES       16384u     /* of the ring; a power of two */
#define FEED_BYTES         (4u << 20) /* of their rows; the oldest go first */
#define FEED_PENDING       8192u      /* keys that wait to be read: beyond, a reset */
#define FEED_READ          256u       /* rows that are read at once */
#define FEED_LINGER_NS     (60ull * 1000 * 1000 * 1000)
#define FEED_RESET_NS      (1000ull * 1000 * 1000) /* between two resets */
#define FEED_BEHIND_NS     (2000ull * 1000 * 1000) /* so long behind, and it is told */
#define FEED_CHECKPOINT_NS (1000ull * 1000 * 1000)
#define FEED_ALL           UINT32_MAX /* every table */

/* One change, or a word about them. One block of memory. */
struct feed_entry {
    enum proj_change_kind kind;
    uint32_t tables; /* bits: whom it concerns */
    size_t table;
    uint32_t version;
    uint64_t position;
    uint32_t index;
    const char *reason;
    const struct mapping_value *cells; /* all columns; of a row that is gone its key alone */
    size_t bytes;
};

struct feed_key {
    struct list link;
    struct str name; /* of the map: table and key */
    size_t table;
    uint64_t position;
    uint32_t index;
    const struct mapping_value *key;
};

struct feed {
    struct projection *pr;
    uint64_t instance;    /* ids of another one are none of ours */
    uint64_t first, next; /* sequences in the ring */
    struct feed_entry *ring[FEED_ENTRIES];
    size_t bytes;
    struct list watchers;
    uint64_t idle_since_ns; /* nobody watches; 0: somebody does */
    /* Keys that wait. */
    struct list pending;
    struct map pending_names;
    size_t pending_count;
    /* A reset that is due, not more often than FEED_RESET_NS. */
    uint32_t reset_tables;
    const char *reset_reason;
    uint64_t reset_ns;
    uint64_t behind_ns; /* since when the served version is behind; 0: it is not */
    /* While there is always something left: a tick looks where the log ends (look_ns; 0: none did),
     * later that much is applied, and at last the keys that waited then have been told. */
    uint64_t look_ns, look_position, look_keys;
    bool look_applied;
    uint64_t settled_ns, settled_position; /* the last one that came so far; 0: none */
    uint64_t keys;                         /* that ever waited */
    /* Reading. */
    struct reading {
        struct env_job job;
        bool busy;
        struct run *run;
        struct feed_key *keys[FEED_READ];
        struct feed_entry *made[FEED_READ];
        size_t count;
        enum err err;
        struct ectx ec;
        struct target_db *db;
        struct target_stmt *stmts[PROJ_TABLES_MAX];
        uint32_t version; /* of the statements */
        bool broken;
    } reading;
};

/* feed.c */
struct feed *feed_of(struct projection *pr, struct ectx *ec); /* made, if there is none; or NULL */
void feed_free(struct feed *f);                               /* no job will run */
bool feed_collects(const struct projection *pr, const struct run *r);
/* A transaction of r was committed; c NULL: its changes were not noted. */
void feed_committed(struct projection *pr, const struct run *r, const struct changes *c);
/* Rows of r may be changed unseen: a checkpoint moved that we did not move, or a commit was lost.
 */
void feed_gap(struct projection *pr, const struct run *r);
void feed_switched(struct projection *pr);
void feed_tick(struct projection *pr, uint64_t now);
bool feed_busy(const struct projection *pr);
/* Everything that the log had after `since_ns` was told, up to this position, and what is left came
 * a moment ago. */
bool feed_settled(struct feed *f, uint64_t since_ns, uint64_t *position);

/* feed_read.c: on the worker */
void feed_read_run(struct env_job *job);
void feed_read_close(struct feed *f);
struct feed_entry *feed_entry_new(size_t cells, const struct mapping_value *values);

/* watch.c */
void watch_pump_all(struct feed *f);
void watch_tick_all(struct feed *f, uint64_t now);
void watch_end_slow(struct feed *f); /* those whose next change is gone */
void watch_skip_all(struct feed *f); /* the ring was emptied: they go on at its end */
void watch_end_all(struct feed *f, enum err e, const char *why);

#endif
