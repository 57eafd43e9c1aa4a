/* Reading from segment files, shared by reads and look-ups by time. Private to this room. */
#ifndef LEAT_STORE_READ_H
#define LEAT_STORE_READ_H

#include "store/store_int.h"

struct read_ref {
    struct chunk *chunk; /* referenced; NULL: the task's own */
    uint32_t at, size;   /* of a payload in the chunk */
    int64_t base_offset, next_offset;
    uint64_t next_position; /* in the segment */
    uint64_t commit_position;
    bool blocks; /* it is in whole blocks */
};

/* One read of whole entries from one file. Runs on the loop (cached) or on a worker; touches
 * nothing else. */
struct read_task {
    struct env_file *file;
    struct env_file *direct; /* read past the page cache; NULL: through it */
    struct segment_identity id;
    uint64_t position, end; /* where an entry begins; no entry beyond */
    int64_t expected;       /* offset from which a missing entry counts as damage */
    int64_t segment_end;
    int64_t offset, limit;
    size_t max_bytes;
    bool at_least_one, cached;
    /* results */
    struct chunk *chunk;    /* the first one is taken on the loop, from the pool */
    struct chunk *outgrown; /* the first one, when a batch needed more */
    uint64_t at;
    size_t have;
    struct read_ref *refs; /* `one`, or on the heap */
    uint32_t ref_count, ref_cap;
    struct read_ref one;
    size_t bytes;
    int64_t next_offset;
    uint64_t next_position; /* behind the last entry taken */
    size_t block_bytes;     /* how much of `bytes` is in whole blocks */
    struct damage_range damage;
    uint32_t stalls; /* an entry was found where there had been none */
    struct ectx ec;
};
enum err read_task_run(struct read_task *t);
/* Takes over one more entry (and the reference to its chunk); false: no memory. */
bool read_task_add(struct read_task *t, const struct read_ref *r);
/* Loop: memory for the first read, from the pool that a worker may not touch. */
enum err read_task_prepare(struct store_part *p, struct read_task *t, struct ectx *ec);
void read_task_free(struct read_task *t);
/* Sets the error of a read in a quarantined range. */
enum err read_damaged(const struct store_part *p, const struct damage_range *d, struct ectx *ec);

/* A segment whose file (and index) a worker opens. */
struct seg_open {
    struct segment *seg;
    char path[STORE_PATH_MAX];
    struct env_file *file, *direct;
    bool want_direct;
    bool opened, opened_direct, loaded;
    uint32_t stored;
    struct index_entry *entries;
    uint32_t count;
};
void seg_open_prepare(struct seg_open *o, struct segment *g, bool direct); /* loop */
enum err seg_open_run(struct seg_open *o, struct ectx *ec);                /* worker */
void seg_open_finish(struct seg_open *o);                                  /* loop */

#endif
