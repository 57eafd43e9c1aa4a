/*
 * Derived indexes on disk: tables of small fixed-size entries, sorted by key, that answer "is this
 * key there?", "what is the last key with this prefix?" and "what comes next?" for more entries
 * than fit into memory, with at most about one read of the disk.
 *
 * New entries go to memory. When enough have gathered, a worker writes them as a sorted *run*, with
 * a manifest that names all runs of all tables and carries the owner's `covered`: how far of the
 * log the runs reach. So after a crash the owner opens the index, reads `covered`, and puts again
 * what came after. Runs are merged in the background, so that there are few. Newer entries win over
 * older ones with the same key.
 *
 * Everything here can be rebuilt: damage (a block that fails its checksum, a run that is missing)
 * is told by ERR_DAMAGED at open or later through `harmed`, and the owner opens a new one with
 * index_discard and fills it from the log. Nothing in it is ever the only copy.
 *
 * Keys should begin with a hash (they spread evenly: places are found by interpolation, and a
 * filter on the first `prefix_bytes` tells without a read that a prefix is in no run).
 *
 * All functions on the loop unless they say otherwise. Nothing blocks except index_open and
 * index_close. Look-ups answer at once from memory and the page cache; ERR_AGAIN: the disk is
 * needed, use the job.
 */
#ifndef LEAT_INDEX_INDEX_H
#define LEAT_INDEX_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"
#include "env/env.h"
#include "metrics/metrics.h"

#define INDEX_KEY_MAX     32u
#define INDEX_VALUE_MAX   32u
#define INDEX_TABLES_MAX  8u
#define INDEX_COVERED_MAX (1280u * 1024)

struct index;

struct index_table {
    const char *name;     /* a file name's part: "events" */
    uint8_t key_bytes;    /* compared as bytes: numbers big-endian */
    uint8_t prefix_bytes; /* what the filter knows and index_last asks for; at most key_bytes */
    uint8_t value_bytes;
    bool ascending; /* a key is put after all lesser ones with its prefix: index_last ends where it
                       finds any */
};
struct index_config {
    const char *dir; /* made if missing */
    const struct index_table *tables;
    size_t table_count;
    uint64_t memory_bytes; /* of new entries, all tables; then a run is written. 32 MiB */
    uint64_t
        filter_bytes; /* of all filters; the largest runs go without when it is spent. 64 MiB */
};

/* `harmed`: a block or run failed its checksum; once, on the loop. */
struct index_hooks {
    void *ctx;
    void (*harmed)(void *ctx, const struct ectx *ec);
    void (*ready)(void *ctx); /* index_ready became true */
};

/* Loads the manifest and the runs' heads and filters; removes files that no manifest names. May
 * block. ERR_DAMAGED: discard it. ERR_VERSION: other tables than the files have: discard it, too.
 */
MUST_USE enum err index_open(struct env *env, struct env_poll *poll, struct metrics *metrics,
                             const struct index_config *cfg, const struct index_hooks *hooks,
                             struct index **out, struct ectx *ec);
/* Removes all files of an index that is not open. May block. */
MUST_USE enum err index_discard(struct env *env, const char *dir, struct ectx *ec);
/* Writes what is in memory if `flush` and all of it is covered, and waits for workers: it turns the
 * loop, so not from one of its callbacks. May block. NULL is fine. */
void index_close(struct index *ix, bool flush);
/* What the owner gave with the newest durable manifest; empty: nothing. A view, until the next
 * flush is done. */
struct str index_covered(const struct index *ix);

/* Adds or replaces. ERR_NO_MEMORY: nothing was changed. */
MUST_USE enum err index_put(struct index *ix, unsigned table, const void *key, const void *value);
/* All entries put so far belong to the log up to `covered`: a flush that begins now or later (until
 * the next call) carries it. Begins one if memory is full enough, or `now`. */
MUST_USE enum err index_cover(struct index *ix, struct str covered, bool now);
/* false: memory holds twice what it should because the disk is behind (or fails): put no more until
 * hooks.ready. Give index_cover for what was put, also then: a flush begins only at a cover. */
bool index_ready(const struct index *ix);
/* About every 100 ms: tries again what failed. index_cover does it, too. */
void index_tick(struct index *ix);

/* A get or put of this key will follow soon: what memory has near it is brought nearer. Nothing
 * depends on it. */
void index_prefetch(struct index *ix, unsigned table, const void *key);
/* The value of a key. ERR_NOT_FOUND; ERR_AGAIN. */
MUST_USE enum err index_get(struct index *ix, unsigned table, const void *key, void *value);
/* The greatest key that begins with `prefix` and is at most `key` (NULL: any), with its value.
 * key_out: key_bytes. ERR_NOT_FOUND; ERR_AGAIN. */
MUST_USE enum err index_last(struct index *ix, unsigned table, const void *prefix, const void *key,
                             void *key_out, void *value);
/* Entries with from <= key <= to, ascending or descending, at most `max`, newest version of each
 * key. keys and values: arrays of key_bytes and value_bytes. ERR_AGAIN. *more: there are others. */
struct index_scan {
    unsigned table;
    const void *from, *to;
    bool descending;
    size_t max;
    uint8_t *keys, *values;
    size_t count; /* out */
    bool more;    /* out */
};
MUST_USE enum err index_scan(struct index *ix, struct index_scan *s);

/* The same on a worker. What `key`, `from`, `to` and the outputs point to stays the caller's and
 * valid until done. A put that comes meanwhile may or may not be seen. */
struct index_job {
    enum { INDEX_JOB_GET, INDEX_JOB_LAST, INDEX_JOB_SCAN } kind;
    unsigned table;
    const void *prefix, *key;
    void *key_out, *value;
    struct index_scan *scan;
    enum err err; /* out */
    struct ectx ec;
    void (*done)(struct index_job *job);
    void *ctx;
    void *internal;
};
void index_submit(struct index *ix, struct index_job *job);

struct index_stats {
    uint64_t memory_entries, memory_bytes, filter_bytes;
    uint64_t run_count, run_bytes, run_entries;
    uint64_t flushes, merges, disk_reads, filter_saved;
    uint64_t written_bytes; /* of all runs that were written, merges included */
};
void index_stats_get(const struct index *ix, struct index_stats *out);

#endif
