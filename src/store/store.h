/*
 * The store: every durable fact of the node, as appends to one log. It owns the data directory, the
 * write-ahead log, the partitions' segments with their indexes, checkpoints, retention and
 * recovery. It knows partitions by number and batches by their headers; topics, producers and
 * groups are *participants* above it that put facts into frames and are given them back at
 * recovery.
 *
 * A frame is the unit of fate: any number of batches on any partitions and any number of facts, all
 * or none.
 *
 *   struct store_frame *f = store_frame_begin(store);
 *   e = store_frame_batch(f, part, &in, &base_offset, ec);   // assigns the offset at once
 *   e = store_frame_fact(f, TAG, body);
 *   store_frame_commit(f, done, ctx);                          // done: it is on stable storage
 *
 * Order of things. Offsets are given at store_frame_batch, in call order. Commit order is the log's
 * order. After the flush, in this order: the high watermarks of the frame's partitions advance,
 * `done` is called, then on_advance for each partition. Readers see nothing above the high
 * watermark.
 *
 * Where bytes live. Each batch has its place in its partition's active segment from the moment it
 * is sequenced. Small ones travel inside the frame (ring) and are copied to their place later
 * ("packed"), until then they are read from the group's memory; large ones are written there at
 * once and the frame names them. An entry in a segment = a checksummed header (magic, lengths, base
 * offset, commit position, partition, place, generation) + the batch as Kafka sends it. FORMAT.md
 * has the bytes.
 *
 * Checkpoint. Packs, flushes the segments (syncfs if many), and writes one image of all internal
 * state (this room's and every participant's snapshot) to the older of two image files; then the
 * ring behind the older image is released. The snapshot is taken when nothing is in flight: the
 * store holds new frames back for one flush (store_ready() is false meanwhile).
 *
 * All functions are called on the loop unless they say otherwise. The store never blocks the loop
 * for the disk, except in store_open, store_close, and in store_kick(may_block).
 */
#ifndef LEAT_STORE_STORE_H
#define LEAT_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/slice.h"
#include "core/str.h"
#include "core/uuid.h"
#include "env/env.h"

struct pool;
struct store;
struct store_part;
struct store_frame;

/* ---- Opening ------------------------------------------------------------------------------------
 */

struct store_batch_info; /* below */

/* Something above that keeps its state in the log. `tag` is on disk for ever. */
struct store_participant {
    uint16_t tag;
    const char *name; /* for messages */
    void *ctx;
    /* Called first, before any restore or apply: the store that is being opened (for store_part_add
     * and the like). */
    void (*attach)(void *ctx, struct store *store);
    /* Recovery: a fact that was committed at `position`. */
    enum err (*apply)(void *ctx, uint64_t position, struct slice body, struct ectx *ec);
    /* Recovery: a batch that was appended (called after the partition knows it); NULL: not
     * interested. */
    enum err (*batch)(void *ctx, struct store_part *part, const struct store_batch_info *info,
                      struct ectx *ec);
    /* Recovery: frames in this many bytes of the log are damaged and lost; what a fact in them may
     * have promised must not be promised again. NULL: nothing. */
    void (*lost)(void *ctx, uint64_t bytes);
    /* Recovery: a partition had this id and is lost: it must not be given again. NULL: nothing. */
    void (*part_id_used)(void *ctx, uint32_t part_id);
    /* Checkpoint: all of the state, to be given to `restore`. Must not depend on history. */
    enum err (*snapshot)(void *ctx, struct buf *out);
    enum err (*restore)(void *ctx, struct slice image, struct ectx *ec);
};
/* Tags in use. */
enum { STORE_TAG_STORE = 1, STORE_TAG_TOPICS = 2, STORE_TAG_PRODUCERS = 3, STORE_TAG_GROUPS = 4 };

struct store_config {
    const char *dir;
    uint32_t ring_file_bytes;  /* 16 MiB; both are fixed when the directory is made (meta file) */
    uint32_t ring_file_count;  /* 8 */
    uint32_t inline_max_bytes; /* a batch above it is written in place; 64 KiB (decided by
                                  measurement: docs/adr) */
    uint64_t checkpoint_bytes; /* bytes written in place since the last checkpoint that ask for one;
                                  1 GiB */
    uint32_t checkpoint_ms;    /* at the latest after this time if anything was written; 60 s */
    uint64_t
        tail_memory_bytes; /* group memory kept for reading the tail before it is packed; 32 MiB */
    uint64_t pack_direct_min_bytes; /* a file to which a pack brings as much is written past
                                       the page cache; 64 KiB */
    uint64_t min_free_bytes; /* below it appends of batches are refused with ERR_NO_SPACE; 64 MiB */
    uint64_t image_max_bytes;        /* a snapshot above it fails the checkpoint by name; 1 GiB */
    uint64_t scrub_bytes_per_second; /* all that is stored is read at this rate, in the background;
                                        0: never; 2 MiB */
    uint64_t scrub_interval_ms;      /* from the beginning of one pass to the next; a day */
    uint64_t start_without_log;    /* batches whose partition was lost with damage of the log below
                                      this position are set aside; else the start is refused */
    bool start_without_unreadable; /* an error of the device that a start meets in a segment counts
                                      as if nothing was there; else the start is refused */
    struct pool *pool; /* memory of reads and of writes in place; trimmed by whoever owns it, and
                          outlives the store and its reads. NULL: one of its own */
};
void store_config_init(struct store_config *cfg); /* the defaults */

/* What the last stop was like and what recovery found; for logs, metrics and `leat status`. */
struct store_recovery {
    bool created, clean;
    uint64_t frames, batches, bytes;                  /* replayed */
    uint64_t torn_bytes;                              /* cut off above the flushed position */
    uint32_t damaged_ranges;                          /* below it: quarantined */
    uint64_t set_aside_partitions, set_aside_batches; /* lost with it, their batches kept apart */
    uint64_t took_ns;
};

/*
 * Takes the directory's lock, reads the newest valid image, replays, flushes what it accepted,
 * writes a checkpoint with the next generation, and is ready. Errors name the file and what to do:
 * ERR_IN_USE, ERR_PERMISSION, ERR_READ_ONLY, ERR_VERSION (newer format), ERR_DAMAGED (both images),
 * ERR_NO_SPACE. Restores call participants in the order given.
 */
MUST_USE enum err store_open(struct env *env, struct env_poll *poll, const struct store_config *cfg,
                             const struct store_participant *participants, size_t count,
                             struct store **out, struct ectx *ec);
/* Finishes what is in flight, writes a last checkpoint (a clean stop) and frees. After a failure:
 * only frees. */
void store_close(struct store *s);
void store_recovery_get(const struct store *s, struct store_recovery *out);
struct uuid store_id(const struct store *s); /* of the data directory; Kafka's cluster id */

struct store_hooks {
    void *ctx;
    void (*on_advance)(void *ctx, struct store_part *part); /* high watermark or log start moved */
    void (*on_ready)(void *ctx);                            /* store_ready became true */
    void (*on_failure)(void *ctx,
                       const struct ectx *ec); /* flush failed: the store has stopped; once */
};
void store_set_hooks(struct store *s, const struct store_hooks *hooks);

/* Call at the end of each turn of the loop: starts the next group. may_block: the caller has
 * nothing else to do, so a small group may be written and flushed by this thread (saves two thread
 * hand-overs). */
void store_kick(struct store *s, bool may_block);
/* Call about every 100 ms: packing, checkpoints, segment roll by age, retention, free space. */
void store_tick(struct store *s);
/* false: frames must wait (ring full, or a checkpoint's barrier); on_ready says when. Reads go on.
 */
bool store_ready(const struct store *s);
/* Whether packs or checkpoints fail (or hang) while ring or memory fill up. It ends by itself. */
struct store_stall {
    bool stalled;    /* three quarters are full */
    bool full;       /* nothing can be appended any more */
    const char *why; /* valid until the next turn */
};
bool store_stalled(const struct store *s, struct store_stall *out);
/* Asks for a checkpoint now (tests, clean points); it happens in the background. */
void store_checkpoint_request(struct store *s);

/* ---- Partitions ----------------------------------------------------------------------------- */

enum store_durability { STORE_FSYNC, STORE_OS };

struct store_part_config {
    uint64_t segment_bytes;        /* roll by size; default 1 GiB */
    uint64_t segment_ms;           /* roll by age of the first batch; default 7 d */
    int64_t retention_ms;          /* -1: for ever */
    int64_t retention_bytes;       /* -1: no limit */
    uint32_t index_interval_bytes; /* one index entry per this many bytes; 4096 */
    uint64_t file_delete_delay_ms; /* files of dropped segments stay this long */
    enum store_durability durability;
};
void store_part_config_init(struct store_part_config *cfg);

/* In-memory effects of facts that a participant owns (topic created, deleted, configured): call
 * them while applying or restoring such a fact, and live when the frame that carries it is
 * committed. `id` is never used twice. `dir` is the topic's folder below topics/, `index` the
 * partition's number in it. */
MUST_USE enum err store_part_add(struct store *s, uint32_t id, struct str dir, int32_t index,
                                 const struct store_part_config *cfg, struct store_part **out);
/* Files go after the next checkpoint. Reads and frames in flight finish. */
void store_part_remove(struct store *s, uint32_t id);
void store_part_configure(struct store_part *p, const struct store_part_config *cfg);
struct store_part *store_part_find(struct store *s, uint32_t id);
/* Above's own pointer (the broker's partition). */
void store_part_set_user(struct store_part *p, void *user);
void *store_part_user(const struct store_part *p);
uint32_t store_part_id(const struct store_part *p);

struct store_part_info {
    int64_t log_start;      /* first offset that can be read */
    int64_t high_watermark; /* first offset that cannot (yet) */
    int64_t log_end;        /* next offset to be given */
    int32_t leader_epoch;
    uint64_t size_bytes; /* of live segments */
    uint32_t segment_count;
    int64_t max_timestamp; /* of the whole log; -1: empty */
};
void store_part_info_get(const struct store_part *p, struct store_part_info *out);
/* Leader epochs with their first offsets, ascending; views, valid until the next append. */
struct store_epoch {
    int32_t epoch;
    int64_t start_offset;
};
size_t store_part_epochs(const struct store_part *p, const struct store_epoch **out);

/* ---- Appending ------------------------------------------------------------------------------ */

/* What the store needs to know of a batch (the caller has validated it and its CRC). */
struct store_batch_info {
    int64_t base_offset; /* set by the store */
    int32_t last_offset_delta;
    int64_t max_timestamp;
    int64_t append_time_ms; /* wall clock when sequenced */
    int64_t producer_id;    /* -1: none */
    int16_t producer_epoch;
    int32_t base_sequence;
    bool transactional, control;
    uint64_t append_position; /* commit position; set by the store */
};
struct store_batch {
    uint8_t *bytes; /* base offset and leader epoch are written into it; stays valid until `done` */
    size_t size;
    struct store_batch_info info;
    /*
     * Optional: the memory in which the bytes lie may become the store's, which then writes a large
     * batch from where it lies. Called at most once, by store_frame_batch, when the batch begins
     * STORE_BATCH_LEAD behind a multiple of POOL_ALIGN; gives the buffer that holds the batch, as
     * pool_take did of the pool of store_config. From then on the bytes around the batch belong to
     * the store too. NULL: the store copies it.
     */
    uint8_t *(*take)(void *ctx, size_t *cap);
    void *take_ctx;
};
#define STORE_BATCH_LEAD 80u /* bytes that the store puts before a batch: its entry's header */

/* NULL: out of memory. CHECKs store_ready. */
struct store_frame *store_frame_begin(struct store *s);
/* Gives the batch its offset and its place. `batch` itself must stay where it is until `done`.
 * ERR_NO_SPACE (nothing changed), ERR_NO_MEMORY, ERR_LIMIT (frame full). After a success the frame
 * must be committed, and no other frame gets batches before that (CHECKed): offset order is log
 * order. append_position is known when `done` is called. A batch of a partition with durability os
 * does not share the frame's fate. */
MUST_USE enum err store_frame_batch(struct store_frame *f, struct store_part *p,
                                    struct store_batch *batch, struct ectx *ec);
/* The same for several partitions, each of them once: all or none. *failed: which one is to blame.
 * What is on its way to more than one partition is copied (`take` is not called). */
#define STORE_FRAME_BATCHES_MAX 4096
MUST_USE enum err store_frame_batches(struct store_frame *f, struct store_part *const *parts,
                                      struct store_batch *const *batches, size_t count,
                                      size_t *failed, struct ectx *ec);
MUST_USE enum err store_frame_fact(struct store_frame *f, uint16_t tag, struct str body);
/* A log start (DeleteRecords): offsets below it are gone. Takes effect at `done`. */
MUST_USE enum err store_frame_log_start(struct store_frame *f, struct store_part *p,
                                        int64_t offset);
/* `done` is called exactly once with ERR_OK, on the loop, from store_kick or env_poll_run; after a
 * store failure never (on_failure instead). Frees the frame. */
void store_frame_commit(struct store_frame *f, void (*done)(void *ctx, uint64_t position),
                        void *ctx);
/* Only for a frame without batches. */
void store_frame_drop(struct store_frame *f);
/* Largest body of facts and inline batches one frame can carry. */
size_t store_frame_max_bytes(const struct store *s);

/* ---- Rewriting ------------------------------------------------------------------------------ */

/*
 * Puts another batch in the place of a stored one (rewrite.c): the same offsets, number of records,
 * times, producer and commit position, other bytes in its records, and not more of them. After
 * `done` with ERR_OK readers and the segment's file have the new bytes only, also after a crash; if
 * it stops before, they have either.
 *
 * ERR_ABORTED: the stored batch has another checksum than `old_crc`; look again.
 * ERR_MESSAGE_TOO_LARGE: larger than the stored one, or than a frame. ERR_INVALID_RECORD: it
 * differs in more than its records. ERR_OFFSET_OUT_OF_RANGE, ERR_DAMAGED, ERR_NO_MEMORY, ERR_LIMIT
 * (STORE_REWRITES_MAX wait already). Nothing has changed after an error. A batch that no image
 * covers yet waits for a checkpoint, which is asked for.
 */
struct store_rewrite {
    int64_t base_offset;
    uint32_t old_crc;                      /* BATCH_AT_CRC of the stored batch */
    struct str batch;                      /* the new one; stays valid until done */
    void (*done)(struct store_rewrite *r); /* on the loop, never within the call */
    void *ctx;
    enum err err; /* out */
    struct ectx ec;
};
/* One after the other, in the order of the calls. After store_close, and after a failure of the
 * store, `done` is not called any more. */
void store_rewrite(struct store_part *p, struct store_rewrite *r);
#define STORE_REWRITES_MAX 1024u

/* ---- Flushing on demand ---------------------------------------------------------------------- */

/*
 * What partitions with durability os hold up to now (below their high watermarks), on stable
 * storage: then a power cut takes it no more than what other partitions hold. `done` may be called
 * before the call returns (nothing is to be flushed); never, if the flush fails: then the store
 * stops. ERR_NO_MEMORY, ERR_NO_DESCRIPTORS: nothing was flushed. Those who ask while a flush is on
 * its way share the next one.
 */
struct store_sync_job {
    enum err err;
    struct ectx ec;
    void (*done)(struct store_sync_job *job);
    void *ctx;
};
void store_sync(struct store *s, struct store_part *const *parts, size_t count,
                struct store_sync_job *job);

/* ---- Reading -------------------------------------------------------------------------------- */

/*
 * A run of whole batches as regions of memory, in offset order. The memory is held until
 * store_read_release. Chunks are in the caller's arena. Every batch read from a file was checked
 * against its checksum.
 */
struct store_read {
    struct str *chunks;
    uint64_t *positions; /* with STORE_READ_POSITIONS: of each chunk, which is then one batch */
    size_t chunk_count;
    size_t bytes;
    int64_t next_offset; /* after the last batch returned */
    void *hold;          /* the store's */
};
/* How to read. */
enum {
    STORE_READ_AT_LEAST_ONE = 1, /* a batch, even if it is larger than max_bytes */
    STORE_READ_POSITIONS = 2,    /* the commit position of each batch, too */
};
/*
 * Batches from the one that contains `offset`, up to `limit_offset` (exclusive: high watermark) and
 * about max_bytes: whole batches only. Empty result: nothing there yet. ERR_OFFSET_OUT_OF_RANGE;
 * ERR_AGAIN: it is not in memory, use store_read_async; ERR_DAMAGED: names partition and offsets;
 * ERR_NO_MEMORY.
 */
MUST_USE enum err store_read(struct store_part *p, int64_t offset, int64_t limit_offset,
                             size_t max_bytes, unsigned how, struct arena *a,
                             struct store_read *out, struct ectx *ec);
void store_read_release(struct store_read *r);
/* The batch that contains `offset` is read soon, alone: its bytes begin to come nearer. Does
 * nothing else. */
void store_read_soon(struct store_part *p, int64_t offset);
/* The same on a worker; `done` on the loop with the result (arena must live until then). */
struct store_read_job {
    enum err err;
    struct store_read result;
    struct ectx ec;
    void (*done)(struct store_read_job *job);
    void *ctx;
    void *internal;
};
void store_read_async(struct store_part *p, int64_t offset, int64_t limit_offset, size_t max_bytes,
                      unsigned how, struct arena *a, struct store_read_job *job);

/* First record with timestamp >= ts below the high watermark (exact, found inside its batch), or
 * the record with the largest timestamp. offset -1: none. Runs on a worker if the disk is needed.
 */
struct store_time_job {
    enum err err;
    int64_t offset, timestamp;
    int32_t leader_epoch;
    struct ectx ec;
    void (*done)(struct store_time_job *job);
    void *ctx;
    void *internal;
};
void store_find_timestamp(struct store_part *p, int64_t ts, struct store_time_job *job);
void store_find_max_timestamp(struct store_part *p, struct store_time_job *job);

/* The commit position of the batch that holds `offset` (DESIGN.md idea 2). ERR_AGAIN: needs the
 * disk. */
MUST_USE enum err store_batch_position(struct store_part *p, int64_t offset, uint64_t *position,
                                       struct ectx *ec);

/* Every batch with a commit position up to this one is below its high watermark, or is gone; what
 * is appended from now on is above it. */
uint64_t store_visible_position(const struct store *s);
/* The first offset that is not deleted of the first batch with a commit position above `position`.
 * A batch whose header is damaged is passed over; whether the rest of one is whole, a read tells.
 */
struct store_position_job {
    enum err err;
    int64_t offset; /* -1: none */
    struct ectx ec;
    void (*done)(struct store_position_job *job); /* on the loop, never within the call */
    void *ctx;
    void *internal;
};
void store_find_position(struct store_part *p, uint64_t position, struct store_position_job *job);

/* ---- Seeing --------------------------------------------------------------------------------- */

struct store_stats {
    uint64_t ring_used_bytes, ring_capacity_bytes;
    uint64_t groups, frames, flush_ns_sum, ring_bytes, place_bytes, packed_bytes, groups_on_caller;
    uint64_t taken; /* batches in place that were written from where they lay */
    uint64_t checkpoints, checkpoint_ns_last, checkpoint_failures;
    uint64_t tail_memory_bytes;
    uint64_t free_bytes, total_bytes; /* of the file system */
    bool out_of_space;                /* refusing batches */
    uint64_t segment_bytes, segment_files, open_files;
    uint64_t cold_reads, damaged_reads;
    uint64_t rewrites;       /* batches replaced in their place */
    uint64_t syncs;          /* rounds of store_sync */
    uint64_t ring_erasures;  /* times that the ring was cleared of what they replaced */
    bool ring_erasure_due;   /* it still has some of it */
    uint64_t ahead_reads;    /* answered from what was read ahead */
    uint64_t damaged_ranges; /* quarantined now */
    uint64_t scrub_bytes, scrub_passes, scrub_damaged;
    int64_t scrub_last_pass_ms; /* wall clock; 0: none since the start */
    uint32_t part_count;
    uint32_t relaxed_parts; /* with durability os */
};
void store_stats_get(const struct store *s, struct store_stats *out);

/* Offline check of a data directory (for `leat verify`): takes the lock, changes nothing, reads
 * everything. Calls `found` for each finding. */
struct store_verify_report {
    uint64_t files, bytes, batches, parts;
    uint32_t problems; /* damage */
    uint32_t notes;    /* torn tail, rebuildable index missing, unknown file */
};
MUST_USE enum err store_verify(struct env *env, const char *dir,
                               void (*found)(void *ctx, bool is_problem, const char *text),
                               void *ctx, struct store_verify_report *out, struct ectx *ec);

#endif
