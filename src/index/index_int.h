/*
 * What the files of this room share: blocks, runs, their lists, the entries in memory, the work in
 * the background.
 *
 *     put --> active memory --(flush)--> frozen memory --> run --\
 *                                                                 merge --> run ...
 *     newest ------------------------------------------------> oldest
 *
 * The loop owns everything; a worker gets one step of work at a time, and look-ups that hold what
 * they read (struct run_list, struct memory) by a reference. References change on the loop only.
 */
#ifndef LEAT_INDEX_INDEX_INT_H
#define LEAT_INDEX_INDEX_INT_H

#include "core/buf.h"
#include "core/list.h"
#include "index/index.h"
#include "index/tree.h"

#define INDEX_FORMAT_VERSION 1u
#define INDEX_BLOCK          4096u
#define INDEX_BLOCK_HEADER   8u
#define INDEX_BLOCK_ROOM     (INDEX_BLOCK - INDEX_BLOCK_HEADER)
#define INDEX_NAME_MAX       31u
#define INDEX_PATH_MAX       1024u
#define INDEX_ENTRY_MAX      (INDEX_KEY_MAX + INDEX_VALUE_MAX)
#define INDEX_RUNS_MAX       64u        /* of one table; no flush begins before a merge is done */
#define INDEX_FENCES_MAX     (1u << 20) /* of one run: 8 MiB; then a fence stands for more blocks */
#define INDEX_RUNS_MANY      16u /* of one table: each look-up asks them all; fewer are better */
#define INDEX_MERGES_MAX     3u  /* at once: a large one, and smaller ones before it */
#define INDEX_MERGE_MAX      16u /* runs that one merge takes */
#define INDEX_MEMORY_FACTOR  4u  /* puts beyond so many times the memory fail */
#define INDEX_RETRY_NS       1000000000u /* after a failure, doubled up to the next */
#define INDEX_RETRY_MOST_NS  30000000000u
#define INDEX_FILTER_BITS    10u /* a prefix: about 1 % of foreign prefixes pass */
#define INDEX_FILTER_LINE    64u /* bytes: one line of the cache holds all bits of a prefix */

/* ---- Format (format.c) ------------------------------------------------------------------------
 */

enum block_kind { BLOCK_HEAD = 1, BLOCK_ENTRIES, BLOCK_FENCES, BLOCK_FILTER };

struct run_head {
    uint64_t index_id, run_id;
    uint64_t entries, prefixes; /* distinct prefixes */
    uint32_t data_blocks, stride, fence_count, filter_lines;
    uint8_t first[INDEX_KEY_MAX], last[INDEX_KEY_MAX];
};
uint32_t block_seed(uint64_t index_id, uint64_t run_id);
/* Fills in the header of a block whose payload is there. */
void block_seal(uint8_t *block, uint32_t seed, uint32_t number, enum block_kind kind,
                unsigned count);
/* The payload's count; false: not this block. */
bool block_check(const uint8_t *block, uint32_t seed, uint32_t number, enum block_kind kind,
                 unsigned *count);
void run_head_encode(const struct run_head *h, const struct index_table *t, uint8_t *block);
/* false: it does not belong to this table, or its numbers do not fit together. */
bool run_head_decode(const uint8_t *block, const struct index_table *t, struct run_head *out);
static inline uint32_t blocks_for(uint64_t bytes)
{
    return (uint32_t)((bytes + INDEX_BLOCK_ROOM - 1) / INDEX_BLOCK_ROOM);
}
static inline uint32_t run_blocks(const struct run_head *h)
{
    return 1 + h->data_blocks + blocks_for(8u * (uint64_t)h->fence_count) +
           blocks_for((uint64_t)h->filter_lines * INDEX_FILTER_LINE);
}

/* ---- Filters (filter.c) ------------------------------------------------------------------------
 */

uint64_t filter_hash(const void *p, size_t n);
/* Lines for at most so many prefixes; foldable. */
uint32_t filter_lines_for(uint64_t prefixes);
void filter_add(uint8_t *bits, uint32_t lines, uint64_t hash);
bool filter_has(const uint8_t *bits, uint32_t lines, uint64_t hash);
/* Makes it as small as this number of prefixes needs; how many lines are left. */
uint32_t filter_fold(uint8_t *bits, uint32_t lines, uint64_t prefixes);

/* ---- Runs (run.c) ------------------------------------------------------------------------------
 */

struct run {
    struct env_file *file;
    char *path;
    const struct index_table *table;
    struct run_head head;
    uint32_t seed, head_crc, per_block;
    uint64_t *fences; /* the first eight bytes of the first key of every stride-th block */
    uint8_t *filter;  /* NULL: none, or no room for it */
    uint32_t refs;
    bool merging;
    struct list dead;    /* of index.dead, when no list holds it */
    uint64_t gone_after; /* unlinked when the manifest with this number is durable */
};
struct run_list { /* newest first */
    uint32_t refs, count;
    struct run *runs[];
};
/* Reads blocks of one run at a time. */
struct reader {
    bool cached; /* on the loop: what is not in memory is ERR_AGAIN */
    uint8_t *block;
    const struct run *run;
    uint32_t number; /* of the block that is there; UINT32_MAX: none */
    unsigned count;
    uint64_t reads;
    struct ectx *ec;
};
/* The first entry that is not below `key` is at pos of block, or right behind block if pos is its
 * count. */
struct run_at {
    uint32_t block; /* of the data blocks, from 0 */
    uint32_t pos;
};

struct index;
void run_path(const char *dir, const struct index_table *t, uint64_t id, char *out);
/* Without its filter. `head_crc` is what the manifest says. */
enum err run_open(struct index *ix, const struct index_table *t, uint64_t id, uint32_t head_crc,
                  struct run **out, struct ectx *ec);
enum err run_filter_load(struct run *r, struct ectx *ec);
void run_free(struct run *r);                    /* closes, deletes nothing */
void run_delete(struct env *env, struct run *r); /* the file; the run is left, without it */
static inline uint64_t run_filter_bytes(const struct run *r)
{
    return (uint64_t)r->head.filter_lines * INDEX_FILTER_LINE;
}
static inline uint64_t run_file_bytes(const struct run *r)
{
    return (uint64_t)run_blocks(&r->head) * INDEX_BLOCK;
}
/* A data block (from 0) is whole, and has as many entries as the run's head makes it have. */
bool run_block_check(const struct run *r, uint32_t block, const uint8_t *bytes, unsigned *count);
enum err reader_load(struct reader *rd, const struct run *r, uint32_t block);
static inline const uint8_t *reader_entry(const struct reader *rd, uint32_t pos)
{
    return rd->block + INDEX_BLOCK_HEADER +
           (size_t)pos * (size_t)(rd->run->table->key_bytes + rd->run->table->value_bytes);
}
/* ERR_OK: the block of `at` is loaded. */
enum err run_seek(struct reader *rd, const struct run *r, const uint8_t *key, struct run_at *at);
/* Whether the run may hold keys of [from, to]; filtered: its filter said no. */
bool run_may_hold(const struct run *r, const uint8_t *from, const uint8_t *to, uint64_t prefix_hash,
                  bool one_prefix, bool *filtered);

struct run_list *run_list_new(uint32_t count);

/* ---- Writing a run (writer.c) -------------------------------------------------------------------
 */

struct run_writer {
    struct index *ix;
    struct run *run;
    uint8_t *bytes;               /* blocks not yet written */
    uint32_t block_count, number; /* blocks in bytes; number of the first of them in the file */
    unsigned entries;             /* in the block that is being filled, the one after them */
    uint64_t unflushed;
    uint32_t fence_cap;
    uint8_t last[INDEX_KEY_MAX];
};
/* At most so many entries and prefixes will come. */
enum err writer_open(struct run_writer *w, struct index *ix, const struct index_table *t,
                     uint64_t run_id, uint64_t entries_most, uint64_t prefixes_most,
                     struct ectx *ec);
enum err writer_add(struct run_writer *w, const uint8_t *entry, struct ectx *ec);
/* All of it is on stable storage, but for its name. *out: NULL if there was no entry. */
enum err writer_finish(struct run_writer *w, struct run **out, struct ectx *ec);
void writer_abandon(struct run_writer *w); /* and deletes the file */

/* ---- Manifest (manifest.c) ----------------------------------------------------------------------
 */

struct manifest_run {
    unsigned table;
    uint64_t id;
    uint32_t head_crc;
};
struct manifest {
    uint64_t index_id, sequence, next_run;
    struct manifest_run *runs; /* of each table, newest first */
    uint32_t run_count;
    struct buf covered;
};
/* ERR_NOT_FOUND: there is none. */
enum err manifest_read(struct env *env, const char *dir, const struct index_config *cfg,
                       struct manifest *out, struct ectx *ec);
void manifest_free(struct manifest *m);
/* Replaces it by one that names these lists. *renamed: it may be there, although it failed. */
enum err manifest_write(struct index *ix, struct run_list *const lists[], struct str covered,
                        uint64_t sequence, bool *renamed, struct ectx *ec);

/* ---- The index ----------------------------------------------------------------------------------
 */

struct memory {
    struct tree_pool pool;
    struct tree trees[INDEX_TABLES_MAX];
    uint32_t refs;
};
struct memory *memory_new(const struct index *ix);
void memory_unref(struct memory *m);

/* A flush: the frozen memory becomes runs, a manifest names them. */
struct flush {
    bool on;
    bool commit;    /* the runs are there: the next step writes the manifest */
    bool writing;   /* the run of `table` */
    unsigned table; /* that is being written, or comes next */
    struct tree_at at;
    struct run_writer writer;
    struct run *outputs[INDEX_TABLES_MAX];
    struct run_list *lists[INDEX_TABLES_MAX]; /* as they will be; for a commit */
    struct buf covered;
};
struct merge_input {
    struct run *run;
    uint8_t *bytes;               /* some blocks */
    uint32_t first, count, block; /* blocks in bytes; the present one of the run */
    unsigned entries, pos;        /* of the present block */
    const uint8_t *entry;         /* NULL: the end */
};
/* A merge: neighbours in a list become one run. */
struct merge {
    bool on, begun, commit;
    unsigned table;
    uint32_t count;
    uint64_t entries;                           /* of all inputs */
    struct merge_input inputs[INDEX_MERGE_MAX]; /* newest first */
    struct run_writer writer;
    struct run *output;
    struct run_list *list; /* as it will be; for a commit */
};
enum { INDEX_GAUGES = 9 };
enum work_kind { WORK_NONE, WORK_FLUSH, WORK_MERGE, WORK_CLEAN, WORK_KINDS };
struct work {
    struct env_job job;
    enum work_kind kind; /* of the step that a worker has now */
    enum err err;
    bool renamed; /* the manifest of this step may be there */
    bool fatal;   /* a flush failed: nothing that is flushed later can be believed */
    bool flushed; /* the last step was of a flush */
    uint64_t pause_ns;
    struct ectx ec;
    struct run *cleaned;
    struct merge *merge;
};

struct index {
    struct env *env;
    struct env_poll *poll;
    struct index_config cfg;
    struct index_table tables[INDEX_TABLES_MAX];
    char names[INDEX_TABLES_MAX][INDEX_NAME_MAX + 1];
    char *dir;
    struct index_hooks hooks;
    uint32_t step_bytes; /* written in one step of work, then flushed */

    struct memory *active, *frozen;
    struct run_list *lists[INDEX_TABLES_MAX];
    uint64_t index_id, next_run;
    uint64_t sequence, durable; /* of manifests: the last one tried, the newest that is durable */
    struct buf covered;         /* of the newest durable manifest */
    struct buf cover_given;     /* by the last index_cover */
    bool at_cover;              /* nothing was put since */
    bool cover_ahead;           /* cover_given is in no manifest, and in no flush */
    bool flush_asked;
    bool was_full; /* index_ready was false */
    bool closing, failed, merge_off;

    struct flush flush;
    struct merge merges[INDEX_MERGES_MAX];
    struct work work;
    struct {
        uint64_t at_ns, after_ns; /* 0: nothing failed */
    } retry[WORK_KINDS];
    struct list dead; /* runs to be closed and deleted */

    struct env_job harm_job;
    struct ectx harm_ec;
    bool harm_told, harm_on_way;
    struct list looks;       /* look-ups on workers, and answers on their way */
    uint8_t *block;          /* for look-ups on the loop */
    struct metrics *metrics; /* NULL: nothing is shown */
    struct metric *gauges[INDEX_GAUGES];
    uint64_t counted[INDEX_GAUGES];
    struct index_stats stats;
};

#define INDEX_STEP_BYTES (1024u * 1024)
enum err index_open_steps(struct env *env, struct env_poll *poll, const struct index_config *cfg,
                          const struct index_hooks *hooks, uint32_t step_bytes, struct index **out,
                          struct ectx *ec);
void index_release(struct index *ix); /* half-built is fine */
void index_harmed(struct index *ix, const struct ectx *ec);
static inline bool flush_failed_for_good(enum err e)
{
    return e != ERR_OK && e != ERR_NO_DESCRIPTORS && e != ERR_NO_MEMORY;
}
void run_unref(struct index *ix, struct run *r);
void run_list_unref(struct index *ix, struct run_list *l);
/* What nobody wanted in the end: freed if its file is deleted; else the manifest that failed last
 * may name it, and it goes when the next one is durable. */
void run_give_up(struct index *ix, struct run *r);
uint64_t index_memory_bytes(const struct index *ix);
void index_room_made(struct index *ix); /* memory has become less */

/* flush.c: wish begins one if it may and should; prepare: before the step of the manifest, false:
 * no memory; step: on a worker; done: back on the loop; abandon: it is over, files go. */
void flush_wish(struct index *ix);
bool flush_prepare(struct index *ix);
void flush_step(struct index *ix);
void flush_done(struct index *ix);
void flush_abandon(struct index *ix);
/* merge.c: the same */
struct merge *merge_wish(struct index *ix); /* the one to go on with; NULL: none */
bool merge_prepare(struct index *ix, struct merge *m);
void merge_step(struct index *ix, struct merge *m);
void merge_done(struct index *ix, struct merge *m);
void merge_abandon(struct index *ix); /* all of them */
/* work.c */
void work_next(struct index *ix);
void work_failed(struct index *ix, enum work_kind kind); /* it is tried again later, or never */
void work_succeeded(struct index *ix, enum work_kind kind);
void filters_fit(struct index *ix);
/* gauges.c */
void gauges_open(struct index *ix, struct metrics *metrics);
void gauges_set(struct index *ix);
void gauges_close(struct index *ix);
/* job.c */
void looks_abandon(struct index *ix); /* no worker will bring them back */

#endif
