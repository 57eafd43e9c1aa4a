/*
 * A node (real store, broker and groups on a simulated disk), what its clients know of it, and the
 * judgement of a start on a disk where one block was harmed. Used by corrupt_sweep.c.
 *
 * What may be missing follows from where things lie, and that is read off the unharmed disk:
 *   - a batch in a segment: only if the harmed bytes are its own, and then its offsets say so;
 *   - what a group of the ring holds behind the newest image: only if the harmed bytes are the
 *     group's, and then the start says so;
 *   - the one exception: a harmed group for which no unharmed header says that it was flushed looks
 *     like a torn tail. From there on frames may be missing without a word;
 *   - a swap harms two blocks at once. If both are groups of one unit, those between them lead to
 * no witness and are reported as damaged with them (src/wal/README.md).
 */
#ifndef LEAT_TEST_SIM_COMMON_CORRUPT_H
#define LEAT_TEST_SIM_COMMON_CORRUPT_H

#include "common_service.h"
#include "store/store_int.h"

enum {
    COR_TOPICS = 5,
    COR_PARTS = 2,
    COR_BATCHES = 1200, /* of a partition */
    COR_COMMITS = 128,
    COR_IDS = 32,
    COR_GROUPS = 1024,
    COR_FRAMES = 4096,
    COR_PATH = 128,
};
#define COR_DIR "/d"

/* ---- What clients know ---------------------------------------------------------------------- */

struct cor_batch {
    struct sbatch b;
    char seg[COR_PATH]; /* where its entry is on the unharmed disk; "": only in the ring */
    uint64_t at, size;
    bool in_ring, inlined; /* a frame behind the newest image has it; with its bytes */
    uint64_t frame;
};
struct cor_part {
    uint32_t id;
    int64_t image_end; /* the newest image knows it up to here */
    uint32_t n;
    struct cor_batch b[COR_BATCHES];
};
struct cor_op { /* the log positions of something that was done alone; 0, 0: before the image */
    uint64_t from, to;
};
struct cor_topic {
    const char *name;
    int32_t parts;
    bool os;
    struct cor_op made, altered;
    int64_t setting, setting_before;
    struct cor_part part[COR_PARTS];
};
struct cor_commit {
    int topic, part, group;
    int64_t offset;
    struct cor_op op;
};
struct cor_model {
    uint64_t rng, uid;
    struct cor_topic topics[COR_TOPICS];
    int topic_count;
    struct cor_commit commits[COR_COMMITS];
    uint32_t commit_count;
    int64_t ids[COR_IDS]; /* of producers */
    uint32_t id_count;
    bool bad;
    char why[400];
};
void cor_bad(struct cor_model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
uint64_t cor_rnd(struct cor_model *m, uint64_t below);

/* ---- The node ------------------------------------------------------------------------------- */

struct cor_node {
    struct env *env;
    struct env_poll *poll;
    struct config config;
    struct metrics *metrics;
    struct broker *broker;
    struct groups *groups;
    struct store *store;
    struct arena arena;
    struct ectx ec;
    bool dead;
};
enum err cor_start(struct cor_node *n, struct env *env);
void cor_stop(struct cor_node *n, bool kill);
void cor_settle(struct cor_node *n);
void cor_checkpoint(struct cor_node *n);
void cor_topic_make(struct cor_node *n, struct cor_model *m, const char *name, int32_t parts,
                    bool os);
void cor_topic_alter(struct cor_node *n, struct cor_model *m, int topic, int64_t setting);
void cor_commit(struct cor_node *n, struct cor_model *m, int topic, int part, int group,
                int64_t offset);
void cor_id(struct cor_node *n, struct cor_model *m);
/* `together` batches of about `payload` bytes, in as many frames of as few units as may be. The
 * producer id is that of the model's number `who`; -1: none. */
void cor_produce(struct cor_node *n, struct cor_model *m, int topic, int part, uint32_t payload,
                 uint32_t together, int who);
/* Sends these bytes (once more): the offset that the answer names, -1 after an error. */
int64_t cor_resend(struct cor_node *n, struct cor_model *m, int topic, int part,
                   const struct sbatch *b);
/* Asks for a producer id, which must be none of the model's. */
void cor_id_check(struct cor_node *n, struct cor_model *m);
/* Small segments, so that they roll. */
void cor_small_segments(struct cor_node *n);

/* ---- Where things are ----------------------------------------------------------------------- */

struct cor_frame { /* log positions */
    uint64_t at, size;
    uint32_t group;
};
struct cor_group {
    uint64_t at, size, flushed;
};
struct cor_layout {
    uint64_t position, flushed; /* of the newest image */
    bool clean;
    uint32_t ring_file_bytes, ring_file_count;
    struct cor_group groups[COR_GROUPS];
    uint32_t group_count;
    struct cor_frame frames[COR_FRAMES]; /* back to back but for gaps that nobody reads */
    uint32_t frame_count;
};
/* Of an unharmed disk that no node has open; notes in the model where each batch is. */
void cor_layout_read(struct env *env, struct cor_model *m, struct cor_layout *out);

/* ---- Judging -------------------------------------------------------------------------------- */

struct cor_harm { /* bytes of a file that are not what they were */
    char path[COR_PATH];
    uint64_t from, to; /* to UINT64_MAX: cut off */
    uint64_t also_from, also_to;
};
enum cor_outcome { COR_REFUSED, COR_QUARANTINED, COR_CUT, COR_HARMLESS, COR_OUTCOMES };
struct cor_verdict {
    enum cor_outcome outcome;
    uint32_t damaged_batches, missing_batches;
};
/* Verifies, starts, reads everything, appends, starts again and reads again. `scrub`: the scrub
 * finds it before anybody reads. */
void cor_judge(struct env *env, struct cor_model *m, const struct cor_layout *l,
               const struct cor_harm *h, bool scrub, struct cor_verdict *out);

#endif
