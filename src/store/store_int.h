/*
 * What the files of this room share. Reading order: README.md.
 *
 * Threads. Everything here belongs to the loop. Workers see only what a job carries (struct pack,
 * struct checkpoint, struct read_task): paths, handles and memory that the loop keeps alive until
 * the job's `done`.
 *
 * Lifetimes. A part lives until it was removed and nobody refers to it (frames in flight, reads,
 * packs). A segment likewise. Tail memory is referenced: by the tail until it is packed, by reads
 * until they are released.
 */
#ifndef LEAT_STORE_STORE_INT_H
#define LEAT_STORE_STORE_INT_H

#include <stdatomic.h>

#include "core/list.h"
#include "core/map.h"
#include "core/pool.h"
#include "record/batch.h"
#include "store/format.h"
#include "store/store.h"
#include "wal/wal.h"

/* ---- Limits of this room -------------------------------------------------------------------- */

enum {
    STORE_PATH_MAX = 1024,
    STORE_OPEN_FILES_MAX = 512, /* segment files kept open, twice as many before a checkpoint */
    STORE_OPEN_FILES_MIN = 8,
    STORE_OPEN_FILES_SHARE = 8,   /* and at most this part of the process' descriptors */
    STORE_IN_PLACE_FILES_MAX = 4, /* files that one group may flush in place; beyond it: inline */
    STORE_FLUSH_EACH_MAX = 16,    /* a checkpoint with more dirty files uses one fs_sync */
    STORE_INDEX_ENTRIES_MAX = 1 << 20, /* of one segment; a full index rolls */
    STORE_INDEX_APPEND_MIN =
        64, /* new entries that are worth touching the .idx of an open segment */
    STORE_INDEX_MEMORY_MAX = 64 << 20, /* loaded indexes of sealed segments */
    STORE_READ_MEMORY_MAX = 256 << 20, /* buffers of reads not yet released */
    STORE_READS_AT_ONCE = 32, /* on workers: read_bytes counts a buffer when it is filled */
    STORE_READ_BUFFER_MAX = (4 << 20) - (64 << 10), /* one read from a file, unless a single batch
                                                       is larger */
    STORE_CACHE_MAX = 8 << 20,      /* batches in place that readers still find in memory */
    STORE_POOL_KEEP = 8 << 20,      /* free buffers of reads and of writes in place */
    STORE_DAMAGE_RANGES_MAX = 4096, /* of one partition; beyond it neighbours are joined */
    STORE_EPOCHS_MAX = 65536,       /* of one partition; beyond it the oldest are dropped */
    STORE_CLAIM_MIN = 64 << 10,
    STORE_CLAIM_MAX = 64 << 20,
    STORE_RETAIN_BY_TIME_MAX = 16, /* segments of one partition that one pass drops for their age */
    STORE_LEASE_STEP = 100000,     /* offsets that durability=os may tell before the next lease */
};
#define STORE_RETRY_NS      (1000u * 1000 * 1000) /* after a background failure that may pass */
#define STORE_RETAIN_NS     (1000u * 1000 * 1000)
#define STORE_CLOCK_JUMP_MS (3600 * 1000) /* wall clock against monotonic clock: more is a jump */
#define STORE_RECORD_AHEAD_MS \
    (3600 * 1000) /* a record's time counts for retention up to this after its append */

/* Planted faults: tests switch one on and must then find the damage that it does. */
struct store_faults {
    bool unlink_early;        /* dropped files go at once, without waiting for the checkpoints */
    bool reuse_named_range;   /* a batch gets the place of the batch before it */
    bool overtake;            /* a frame goes to the log before the one committed before it */
    bool skip_offset;         /* a batch in place gets the offset after its own */
    bool skip_claim;          /* writes in place without claiming space */
    bool skip_entry_identity; /* recovery does not look at position and generation of an entry */
    bool flush_too_early;     /* places are not flushed before the frame counts as flushed */
    bool image_before_flush;  /* the image is written before the segments were flushed */
    bool skip_dir_sync;       /* new files are not made durable in their folder */
    bool single_image;        /* every image goes to the same slot */
    bool clock_trusted;       /* retention by time believes a clock that jumped */
    bool retain_unwritten;    /* retention moves the log start without a frame */
    bool image_unflushed;     /* an image counts as written before it is flushed */
    bool believe_old_meta;    /* a meta file from before the first start's end is believed */
    bool believe_old_image;   /* an image of a clean stop is believed to be the end of the log */
    bool drop_orphans;        /* batches of a partition whose making was lost are passed over */
    bool sync_forgotten;      /* a flush that was asked for is not made */
    bool unsynced_forgotten;  /* ... leaves out segments that went before they were flushed */
    bool forget_quarantine;   /* images do not keep what was found damaged */
    bool rewrite_unlogged;    /* a batch is written over without a frame that could do it again */
    bool rewrite_unflushed;   /* ... counts as done before it is on stable storage */
    bool rewrite_one_image;   /* ... if only the newest image covers it */
    bool rewrite_forgotten;   /* a start does not do again what a frame says was rewritten */
    bool reuse_after_damage;  /* after damage in the ring partitions go on where they are known */
};
#ifdef LEAT_DEBUG
extern struct store_faults store_faults;
#define STORE_FAULT(name) (store_faults.name)
#else
#define STORE_FAULT(name) false
#endif

/* ---- Segments and partitions ---------------------------------------------------------------- */

/* A folder below topics/. Shared by the partitions of one topic. */
struct topic_dir {
    char *name;
    uint32_t refs;
    bool made;    /* exists */
    bool durable; /* its own entry in topics/ is on stable storage */
};

struct index_entry {
    uint32_t relative; /* offset - segment base */
    uint32_t position;
    int64_t max_timestamp; /* of all batches before `position` in the segment; -1: none */
};
struct index {
    struct index_entry *entries;
    uint32_t count, cap;
    uint32_t stored;    /* how many of the file are known to be written */
    uint32_t promised;  /* ... after the running checkpoint: what its image says; 0: no change */
    uint32_t first_new; /* index in `entries` of the first one that is not in the file */
    bool loaded;        /* the file's entries are in memory */
    uint64_t last_position; /* of the last entry */
};

struct segment {
    struct store *store;
    struct topic_dir *dir;
    uint32_t part_id;
    int32_t part_index;
    uint32_t refs;
    int64_t base;     /* of the first offset that it can hold */
    int64_t end;      /* offset after its last batch */
    uint64_t size;    /* where the next entry goes */
    uint64_t settled; /* nothing before it is on its way to the device: walks end here */
    int64_t max_timestamp, first_append_ms, last_append_ms;
    uint64_t claimed; /* bytes that writes cannot fail for; 0 after a start */
    bool claiming;    /* more of it, on a worker */
    bool sealed;
    bool created; /* the file exists */
    bool durable; /* ... and its folder's entry is on stable storage */
    bool dirty;   /* has writes since the last flush that no frame's flush covered */
    bool trimmed; /* claimed space behind `size` was given back */
    bool dropped;
    bool direct_reads; /* what was read or written last is in whole blocks: not in the page cache */
    struct env_file *file;   /* NULL: not open */
    struct env_file *direct; /* the same past the page cache; each write is flushed */
    uint32_t users;          /* places and jobs that use `file` or `direct` now */
    struct list lru;         /* in store.open_files */
    struct list dirty_link;
    struct list unsynced_link; /* in store_part.unsynced */
    size_t pack_item;          /* while a pack is built: index + 1 */
    struct index index;
};

/* Memory that tail entries and reads refer to, when it is not a group of the log. */
struct chunk {
    uint32_t refs;
    size_t size;         /* of `bytes`, at least what was asked for */
    uint8_t *bytes;      /* aligned for direct I/O, if it is a block or more */
    struct pool *pool;   /* where the bytes go back to; NULL: to the allocator */
    struct store *store; /* counts it as memory of reads; NULL: not counted */
    bool shared;         /* by many tail entries, each of which counts its own bytes */
};

/* A batch near the end of a partition, or what is left of it (memory == NULL: only in the file). */
struct tail_entry {
    int64_t base, last;
    struct segment *seg;
    uint64_t position;
    uint64_t commit_position;
    uint32_t size;         /* of header and payload */
    uint64_t end;          /* where the next entry may begin */
    bool filed;            /* the bytes are in the segment too: memory is only a cache */
    const uint8_t *memory; /* the entry */
    struct wal_group *group;
    struct chunk *chunk;
    int64_t max_timestamp;
};
struct tail {
    struct tail_entry *ring;
    uint32_t head, count, cap; /* cap is a power of two */
    uint32_t cached;           /* entries whose memory is only a cache */
};

struct damage_range {
    int64_t from, to;
};

struct store_part {
    struct store *store;
    uint32_t id;
    int32_t index;
    struct topic_dir *dir;
    struct store_part_config cfg;
    void *user;
    uint32_t refs;
    bool removed;
    bool relaxed;          /* durability os is in effect */
    bool touched;          /* os appends since the last snapshot */
    bool strengthening;    /* from os to fsync with the running checkpoint */
    bool retain_pending;   /* a retention frame is in flight */
    bool packing;          /* a pack in flight reads its tail */
    uint32_t rewrite_turn; /* odd: a batch of it is being written over; grows */
    int64_t log_start, high_watermark, log_end;
    int64_t lease_end, lease_asked; /* durable; sequenced */
    int64_t synced_end;             /* what is below it was flushed (durability os) */
    int64_t sync_target, image_end; /* what the running flush, the running checkpoint flushes */
    struct list unsynced; /* struct segment: dropped, to be flushed all the same, ascending */
    int64_t max_timestamp_floor;
    struct segment **segs; /* ascending; the last one is written */
    uint32_t seg_count, seg_cap;
    struct store_epoch *epochs;
    uint32_t epoch_count, epoch_cap;
    struct damage_range *damage;
    uint32_t damage_count, damage_cap;
    struct tail tail;
    int64_t read_next;      /* where the reader before has stopped */
    struct list aheads;     /* struct read_ahead, in the order of offsets */
    uint32_t ahead_count;   /* of them */
    uint32_t tail_promised; /* entries of frames not submitted yet: room is reserved */
    struct list tail_link;  /* in store.tail_parts while the tail is not empty */
    struct list link;       /* in store.part_list */
};

/* ---- Work for the checkpoint lane ----------------------------------------------------------- */

struct pack_write {
    uint64_t offset;
    uint32_t iov, iov_count;
};
struct pack_item {
    struct segment *seg; /* referenced */
    char *path;
    struct env_file *file; /* in: the open handle or NULL; out: what the worker opened */
    bool opened, make_dir, flush, trim, keep;
    bool there;              /* the file exists */
    bool new_entry, new_dir; /* folder entries to make durable */
    uint32_t write, write_count;
    uint64_t bytes; /* of all writes */
    uint64_t size;  /* for trim */
    uint8_t *idx;   /* bytes to append to the .idx file */
    size_t idx_size;
    uint64_t idx_at;
    uint32_t idx_to; /* index.stored afterwards */
};
struct pack_part {
    struct store_part *part; /* referenced */
    uint32_t entries;        /* taken from the front of its tail */
};
struct pack {
    struct store *store;
    struct pack_item *items;
    size_t item_count, item_cap;
    struct pack_write *writes;
    size_t write_count, write_cap;
    struct iovec *iovs;
    size_t iov_count, iov_cap;
    struct pack_part *parts;
    size_t part_count, part_cap;
    uint64_t bytes;
    bool paced; /* nobody waits for it: small pieces, and pauses between them */
    uint64_t pause_ns;
    uint8_t *piece; /* the worker's: what is written next; piece_bytes of it */
    size_t piece_bytes;
    bool fatal; /* a flush failed */
};

struct dropped_file {
    struct list link;
    char *path;        /* of the .seg, relative to the data directory */
    uint64_t sequence; /* of the first image that does not name it */
    uint64_t after_ns; /* not before; a start has nobody left who reads it */
    bool claimed;      /* taken by a running checkpoint */
    bool gone;
};

/* A job that is under way. A simulated power cut forgets jobs; closing the store then frees what
 * they hold. */
struct pending {
    struct list link;
    void (*abandon)(struct pending *p);
};

/* scrub.c: where the pass is. */
struct scrub {
    uint64_t begin_ns; /* not before: the next pass; 0: not decided yet */
    uint64_t next_ns;  /* not before: the next step */
    bool busy;         /* a step is on a worker */
    uint32_t *ids;     /* the partitions of this pass; NULL: none is under way */
    uint32_t id_count, index;
    int64_t base; /* the segment, or the first one behind it */
    uint64_t at;  /* in its file */
    int64_t next; /* offset that must come next */
    /* Between two steps of one segment: its file, so that it is opened once. */
    struct env_file *file;
    uint32_t file_part;
    int64_t file_base;
    uint64_t began_ns, bytes, damaged;
};

/* stall.c: packs and checkpoints that failed since the last one that did not. */
struct stall {
    uint32_t packs, checkpoints;
    uint64_t moved_ns, changes; /* when there was room last, or a frame was done */
    uint64_t since_ns;          /* stalled; 0: well */
    bool full;                  /* stalled, and there was no room */
    char why[384];
};

/* Space that a worker claims for a segment. */
struct claim {
    struct env_job job;
    struct pending pending;
    struct segment *seg; /* referenced */
    uint64_t from, to;   /* positions in the file */
    enum err err;
};

enum work_state { WORK_IDLE, WORK_PACK, WORK_CHECKPOINT };

struct checkpoint {
    struct env_job job;
    struct pending pending;
    struct store *store;
    struct pack pack;
    struct buf image;
    uint64_t position, sequence;
    int slot;
    bool sync_all;
    bool clean;
    struct dropped_file **drops;
    size_t drop_count;
    uint64_t started_ns;
    enum err err;
    bool fatal; /* a flush failed: the store must stop */
    struct ectx ec;
};

/* What both image slots hold. */
struct image_slot {
    bool present, valid;
    uint64_t sequence, position, flushed;
    uint32_t generation;
    bool clean;
};

/* ---- The store ------------------------------------------------------------------------------ */

struct store {
    struct env *env;
    struct env_poll *poll;
    struct store_config cfg;
    char *dir;
    struct env_lock *lock;
    struct uuid id;
    uint32_t generation;
    struct wal *wal;
    struct store_hooks hooks;
    const struct store_participant *participants;
    size_t participant_count;
    struct store_participant *participant_copy;

    struct map parts; /* id -> part */
    struct list part_list;
    uint32_t part_count, relaxed_parts;
    struct map dirs; /* name -> topic_dir */
    struct list tail_parts;
    struct list aheads; /* struct read_ahead */
    struct list dirty_segs;
    uint32_t dirty_count;
    struct list open_files;
    uint32_t open_count, open_max;
    struct list drops; /* struct dropped_file */
    size_t drop_count;

    /* frames */
    struct store_frame *sequencing; /* the one open frame that has batches */
    struct list waiting;            /* committed, not yet submitted */
    struct list flying;             /* submitted */
    uint32_t frames_open;           /* begun, not committed */
    uint32_t frames_flying;
    size_t frame_max;
    uint64_t last_position;    /* commit position given last */
    uint64_t visible_position; /* the highest one that readers can see */
    struct segment *place_segs[STORE_IN_PLACE_FILES_MAX];
    uint32_t place_count;
    bool was_ready;

    struct list syncs; /* struct sync_wait: the next round of sync.c */
    bool syncing;

    /* work */
    enum work_state work;
    struct list pending; /* struct pending */
    bool barrier, checkpoint_asked, closing;
    uint64_t last_checkpoint_ns, retry_after_ns, placed_since, retain_after_ns;
    uint64_t checkpoint_cost_bytes;          /* what the last one cost, as bytes of the ring */
    uint64_t last_pack_ns;                   /* when the newest pack beside the log began */
    uint64_t changes, changes_at_checkpoint; /* frames done; the same at the last snapshot */
    struct image_slot slots[2];
    uint64_t image_sequence; /* of the newest */
    int newest;              /* its slot */

    /* space */
    bool out_of_space;
    bool reserve_there;
    uint64_t reserve_bytes;
    uint64_t free_bytes, total_bytes, space_after_ns;

    /* clock guard */
    int64_t guard_wall_ms;
    uint64_t guard_mono_ns, guard_until_ns;

    struct pool *pool; /* of chunks; the loop's. own_pool, or one that somebody else trims */
    struct pool own_pool;
    uint64_t tail_bytes, cache_bytes, read_bytes, ahead_bytes, index_bytes;
    struct list reads_waiting; /* struct read_job: more than run at once */
    uint32_t reads_running;
    struct scrub scrub;
    struct list rewrites; /* struct rewrite, the first one is under way */
    uint32_t rewrite_count;
    uint64_t erase_ring_to; /* frames below it may hold what was written over; 0: none does */
    bool rewriting; /* a file is being written over: no image, whose frames would not say so */
    struct stall stall;
    bool failed, recovering;
    atomic_bool harmed;      /* as `failed`, for workers */
    struct map image_parts;  /* recovery: id -> struct image_part, not adopted yet */
    struct map removed;      /* recovery: ids of partitions that frames removed */
    bool removed_incomplete; /* no memory for one of them */
    bool diverged;           /* a partition goes on above what it may have told */
    struct map asides;       /* recovery: id of a partition that is lost -> struct aside */
    uint64_t ring_damaged_bytes, ring_damaged_from, ring_damaged_to; /* from, to: of the last */
    uint32_t image_generation; /* of the image that was restored */

    struct store_recovery recovery;
    struct store_stats stats;
};

/* dir.c: the data directory */
enum err store_dir_open(struct store *s,
                        struct ectx *ec); /* lock, meta; sets s->id, recovery.created */
enum err store_dir_ready(struct store *s, struct ectx *ec); /* the first start is complete */
void store_dir_close(struct store *s);
enum err store_meta_read(struct env *env, const char *dir, struct meta *out, struct ectx *ec);
void store_reserve_make(struct store *s);
/* Before recovery: the reserve of the run before, which packing may need. */
void store_reserve_find(struct store *s);
bool store_reserve_release(struct store *s, const char *why);
void store_space_check(struct store *s);
/* Space was claimed: looks at the file system at once if that may have been too much. */
void store_space_took(struct store *s, uint64_t bytes);
/* "dir/name" into out[STORE_PATH_MAX]. */
void store_path(const char *dir, const char *name, char *out);

/* part.c */
struct image_part;
void part_ref(struct store_part *p);
void part_unref(struct store_part *p);
void part_bury(struct store_part *p); /* after removal, when no pack reads its tail any more */
void part_free_all(struct store *s);
struct segment *part_active(struct store_part *p);
enum err part_epoch_add(struct store_part *p, int32_t epoch, int64_t start);
int32_t part_epoch(const struct store_part *p);
void part_damage_add(struct store_part *p, int64_t from, int64_t to, const char *why);
/* The quarantined range that contains `offset`, or the next one above it; NULL. */
const struct damage_range *part_damage_at(const struct store_part *p, int64_t offset);
void part_log_start_set(struct store_part *p, int64_t offset);
struct topic_dir *topic_dir_get(struct store *s, struct str name); /* referenced; NULL: no memory */
void topic_dir_unref(struct store *s, struct topic_dir *d);

/* segment.c */
struct segment *segment_new(struct store *s, struct store_part *p, int64_t base);
void segment_ref(struct segment *g);
void segment_unref(struct segment *g);
enum err segment_push(struct store_part *p, struct segment *g);
void segment_path(const struct segment *g, bool idx, char *out); /* absolute */
void segment_path_relative(const struct segment *g, char *out);
enum err segment_for_append(struct store_part *p, size_t entry_size, int32_t last_delta,
                            int64_t now_ms, struct segment **out, bool *fresh);
void segment_append(struct store_part *p, struct segment *g, const struct entry *e);
/* Opens (creates if `create`) the file on this thread. */
enum err segment_open(struct segment *g, bool create, struct ectx *ec);
/* claim.c: makes sure that a write in place up to `end` cannot fail for space, and that the file is
 * not lost. */
enum err segment_claim(struct segment *g, uint64_t end, struct ectx *ec);
/* Opens g->direct, for entries in whole blocks. */
enum err segment_open_direct(struct segment *g, struct ectx *ec);
#define SEGMENT_DIRECT_FLAGS (ENV_READ | ENV_WRITE | ENV_DIRECT | ENV_DSYNC)
void segment_adopt_direct(struct segment *g, struct env_file *f); /* as segment_adopt_file */
/* A job or place is done with the files. */
void segment_release(struct segment *g);
void segment_adopt_file(struct segment *g, struct env_file *f); /* takes the handle or closes it */
void segment_touch(struct segment *g);                          /* most recently used */
void segment_close_file(struct segment *g);
void segment_mark_dirty(struct segment *g);
void segment_drop(struct segment *g); /* forgets it; the file goes after the checkpoints */
void drop_file_add(struct store *s, const char *relative, uint64_t sequence, uint64_t after_ns);
struct segment *part_segment_at(const struct store_part *p, int64_t offset, uint32_t *at);

/* index.c */
void index_note(struct segment *g, const struct entry *e, uint32_t interval);
/* Position from which a walk finds `offset`. */
uint64_t index_find_offset(const struct segment *g, int64_t offset);
/* Where its batch should be, if all between two entries are alike. False: nobody knows. */
struct index_guess {
    uint64_t from;     /* of the entry: an entry of the file begins there */
    uint64_t position; /* of the batch, about */
    uint64_t each;     /* bytes an offset */
    uint32_t before;   /* offsets from `from` to it */
};
bool index_guess(const struct segment *g, int64_t offset, struct index_guess *out);
/* Where reads can be cut: the last entry that is known within `most` bytes behind `position`, or
 * the first one beyond. */
bool index_cut(const struct segment *g, uint64_t position, uint64_t most, int64_t *offset,
               uint64_t *cut);
/* Position from which a walk finds the first batch with max timestamp >= ts. */
uint64_t index_find_time(const struct segment *g, int64_t ts);
void index_free(struct segment *g);
bool index_pending(const struct segment *g, bool all); /* worth writing */
enum err index_encode_new(struct segment *g, uint8_t **out, size_t *size, uint64_t *at,
                          uint32_t *to);
/* Worker: reads the entries of an .idx file; *count may be 0. */
enum err index_load(struct env *env, const char *path, const struct segment *g_identity,
                    uint32_t most, struct index_entry **out, uint32_t *count);
void index_adopt(struct segment *g, struct index_entry *entries,
                 uint32_t count); /* takes the memory */
void index_evict(struct store *s);

/* tail.c */
bool tail_reserve(struct tail *t, uint32_t more);
void tail_push(struct store_part *p, const struct tail_entry *e); /* room was reserved */
struct tail_entry *tail_at(const struct tail *t, uint32_t i);
uint32_t tail_find(const struct tail *t,
                   int64_t offset);              /* first entry with last >= offset; count: none */
void tail_pop(struct store_part *p, uint32_t n); /* and those that follow without memory */
void tail_clear(struct store_part *p);
/* The first batch that is not in its file yet; NULL: all are. Those that are only kept in memory
 * for readers that follow closely are in their files, too. */
const struct tail_entry *tail_first_unfiled(const struct store_part *p);
/* The memory of a batch that is in its file goes: readers look there. */
void tail_forget(struct store_part *p, int64_t offset);
/* How many entries from the front have to be packed: up to the last durable one that is in no file.
 */
uint32_t tail_to_pack(const struct store_part *p);
/* From a pool (on the loop) or the allocator (anywhere: NULL). */
struct chunk *chunk_new(struct pool *pool, size_t size);
/* Of memory that a batch brings (store_batch.take); NULL: it stays its owner's. */
struct chunk *chunk_take(struct pool *pool, const struct store_batch *b);
void chunk_ref(struct chunk *c);
void chunk_unref(struct chunk *c);

/* frame.c */
void frames_submit(struct store *s);
bool frames_idle(const struct store *s);
/* An item that replaces a stored entry; `entry` stays valid until the frame is done. */
enum err frame_rewrite(struct store_frame *f, struct store_part *p, int64_t segment_base,
                       const uint8_t *entry, size_t size);
void frames_abandon(struct store *s); /* after the log is closed: frees what never got done */

/* pending jobs: store.c */
void pending_add(struct store *s, struct pending *p, void (*abandon)(struct pending *p));

/* pack.c */
void pack_init(struct pack *k, struct store *s);
/* Takes all flushed entries of all tails, and of all dirty segments what a flush needs. */
enum err pack_build(struct pack *k, bool for_checkpoint, bool index_all);
enum err pack_run(struct pack *k, bool flush_each, struct ectx *ec); /* worker */
void pack_finish(struct pack *k, bool ok, bool flushed);             /* loop */
void pack_free(struct pack *k);
/* pack_write.c, on the worker: the bytes of one file, whose handle is open. */
enum err pack_write_item(struct pack *k, const struct pack_item *it, struct ectx *ec);
void pack_piece_free(struct pack *k);
void pack_pace(struct pack *k); /* of one that runs beside the log: may it take its time? */
void pack_start(struct store *s);
enum err pack_now(struct store *s, struct ectx *ec); /* recovery: on this thread */

/* checkpoint.c */
void checkpoint_tick(struct store *s);
void checkpoint_barrier_check(struct store *s);
void checkpoint_free(struct checkpoint *c);
enum err checkpoint_now(struct store *s, bool clean,
                        struct ectx *ec); /* recovery and close: on this thread */
void store_fail(struct store *s, const struct ectx *ec);
/* Whether a flush of a folder failed. One that could not be opened for want of a descriptor was not
 * flushed, so nothing was lost by it, and it can be flushed later. */
static inline bool dir_flush_failed(enum err e)
{
    return e != ERR_OK && e != ERR_NO_DESCRIPTORS;
}
void store_ready_check(struct store *s);

/* image.c */
enum err image_build(struct store *s, uint64_t sequence, uint64_t position, bool clean,
                     struct buf *out);
enum err image_write(struct env *env, const char *dir, int slot, const struct buf *image,
                     bool fresh, struct ectx *ec, bool *fatal);
/* A killed process leaves images that only the page cache has: flushed before the other slot is
 * written over. */
enum err image_sync(struct env *env, const char *dir, int slot, struct ectx *ec);
struct image_view {
    struct image_slot info;
    uint8_t *bytes;
    size_t size;
};
/* Reads a slot; ERR_OK also for a missing or invalid one (view.info says). */
enum err image_read(struct env *env, const char *dir, int slot, struct uuid id, uint64_t most,
                    struct image_view *out, struct ectx *ec);
/* The section of a participant; false: not there. */
bool image_section(const struct image_view *v, uint16_t tag, struct slice *out);
struct image_part {
    uint32_t id;
    int32_t index;
    struct str dir;
    bool relaxed;
    int64_t log_start, log_end, lease_end;
    struct slice epochs, damage, segs;
    uint32_t epoch_count, damage_count, seg_count;
};
struct image_more {
    uint64_t guard_ms;      /* for how long nothing may go by age, because the clock had jumped */
    uint64_t erase_ring_to; /* as of the store */
};
/* The store's own section. false from a callback stops (no memory). */
enum err image_parse_parts(struct slice section,
                           bool (*part)(void *ctx, const struct image_part *ip),
                           bool (*drop)(void *ctx, struct str path, uint64_t sequence),
                           struct image_more *more, void *ctx);
struct image_seg {
    int64_t base, end, max_timestamp, first_append_ms, last_append_ms;
    uint64_t size;
    uint32_t idx_count;
    bool sealed, trimmed;
};
bool image_next_seg(struct slice *segs, struct image_seg *out);
bool image_next_epoch(struct slice *epochs, struct store_epoch *out);
bool image_next_damage(struct slice *damage, struct damage_range *out);

/* doubt.c: valid by itself, but not the newest */
void store_wal_config(const struct meta *m, const char *dir, const struct image_slot *from,
                      struct wal_config *out);
/* The image of a clean stop: nothing was committed behind it. */
enum err image_is_end(struct env *env, const char *dir, const struct meta *m,
                      const struct image_slot *image, bool *end, struct ectx *ec);
/* The meta file says that the first start was not completed: ERR_DAMAGED if there is data that only
 * later ones can have made. */
enum err first_start_check(struct env *env, const char *dir, const struct meta *m, uint64_t most,
                           struct ectx *ec);

/* recover.c */
enum err recover_run(struct store *s, struct ectx *ec);
enum err part_adopt_image(struct store_part *p);
enum err recover_batch_hooks(struct store_part *p, const struct entry *e, const uint8_t *payload,
                             struct ectx *ec);

/* aside.c: batches of a partition whose making was lost */
/* Copies it to the folder 'set-aside'; `payload` NULL: it is in the segment that begins at
 * `segment_base`. */
enum err aside_batch(struct store *s, const struct entry *e, int64_t segment_base,
                     const uint8_t *payload, struct ectx *ec);
enum err aside_finish(struct store *s, struct ectx *ec); /* makes it durable and says so */
void aside_free(struct store *s);
/* Says what is lost and how to start without it; ERR_STOPPED. */
enum err aside_refuse(struct store *s, const struct entry *e, struct ectx *ec);

/* What a read of a segment by a start means: ERR_IO stays one, for it may pass, unless the operator
 * has given up what cannot be read. */
enum err recover_read(struct store *s, const struct segment *g, uint64_t at, enum err e,
                      struct ectx *ec);

/* sync.c */
void sync_free(struct store *s);
/* The segment is being dropped. If a start may walk it, it is flushed all the same. */
void sync_keep(struct store_part *p, struct segment *g);
/* What lies below `end` is flushed. */
void sync_note(struct store_part *p, int64_t end);
void sync_forget(struct store_part *p); /* it goes */

/* relaxed.c */
enum err relaxed_recover(struct store *s, struct ectx *ec);
/* Recovery: takes over the valid entries that follow the known end in the partition's files, up to
 * an offset. Only entries with a commit position below `before`. */
enum err relaxed_scan(struct store_part *p, int64_t until_offset, uint64_t before, struct ectx *ec);

/* rewrite.c */
void rewrite_tick(struct store *s);      /* each turn of the loop */
void rewrite_tick_slow(struct store *s); /* of store_tick */
void rewrites_free(struct store *s);
/* Recovery: does again what the frame says. */
enum err rewrite_replay(struct store *s, const struct item *it, const struct entry *e,
                        struct slice bytes, bool flushed, struct ectx *ec);
/* Whether what a job has read of the partition's files since `turn` may be half of an old batch and
 * half of a new one: what it has found missing says nothing, it must look again. */
static inline bool part_rewritten(const struct store_part *p, uint32_t turn)
{
    return p->rewrite_turn != turn || turn % 2 != 0;
}

/* retain.c */
void retain_tick(struct store *s);

/* stall.c */
void stall_failed(struct store *s, bool pack, const struct ectx *ec); /* NULL: no memory */
uint32_t stall_filled(const struct store *s); /* percent of ring or memory, whichever is fuller */
void stall_succeeded(struct store *s, bool pack);
void stall_tick(struct store *s);

/* scrub.c */
void scrub_tick(struct store *s);
void scrub_free(struct store *s); /* gives up the pass */

/* walk.c: walking the entries of a file */
/* Bytes of a file, from `at` on. */
struct entry_window {
    const uint8_t *bytes;
    size_t have;
    uint64_t at;
};
/* The entry at *position, or the one that was written in whole blocks and begins at the next block,
 * where no offset from `expected` on is missing in between. False: its header is not in the window,
 * or the entry reaches beyond `end`. *position: where it is. */
bool entry_next(const struct entry_window *w, const struct segment_identity *id, uint64_t end,
                int64_t expected, uint64_t *position, struct entry *out);
struct entry_walk {
    struct env_file *file;
    bool cached;  /* never wait for the disk: ERR_AGAIN */
    bool aligned; /* read whole blocks (ENV_DIRECT): buffer and cap are multiples of ENV_BLOCK */
    const struct segment_identity *id;
    uint64_t end;    /* no entry beyond */
    uint8_t *buffer; /* of `cap` bytes */
    size_t cap;
    uint64_t at; /* file position of buffer[0] */
    size_t have;
};
/* The header of the first valid entry at or after *position; ERR_NOT_FOUND: none before the end.
 * *skipped: bytes that were not an entry. */
enum err entry_walk_next(struct entry_walk *w, uint64_t *position, struct entry *out,
                         uint64_t *skipped, struct ectx *ec);
/* Whether the payload of an entry that was just found has its checksum; reads on as needed. */
enum err entry_walk_payload(struct entry_walk *w, const struct entry *e, bool *good,
                            struct ectx *ec);
void segment_identity_get(const struct segment *g, struct segment_identity *out);
/* Where a walk of the file ends: what is on its way to the device is not there yet, nor is what
 * begins with `from`, the first batch that is looked for elsewhere (NULL: none). 0: nothing. */
uint64_t segment_walk_end(const struct segment *g, const struct tail_entry *from);
/* The same before the partition's tail. */
uint64_t segment_file_end(const struct store_part *p, const struct segment *g);
void batch_info_parse(const uint8_t *payload, size_t size, struct store_batch_info *out);

#endif
