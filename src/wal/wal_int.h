/*
 * Inside the write-ahead log: the frame header, the ring's geometry, the memory of groups, the scan
 * that recovery and verify share, and the log's own state. Nobody outside src/wal includes this
 * (tests do).
 *
 * Words. A *group* is what one header chain on disk covers: frames back to back from a 4096-byte
 * boundary, padded to one. A *chunk* (struct wal_group) is the memory in which groups are built;
 * several small groups may share one. A *unit* is what one ring write carries: all groups that were
 * waiting. At most one unit is in flight.
 */
#ifndef LEAT_WAL_INT_H
#define LEAT_WAL_INT_H

#include <stdatomic.h>

#include "core/slice.h"
#include "wal/wal.h"

/* ---- Frame header (frame.c; FORMAT.md) ------------------------------------------------------- */

#define WAL_MAGIC   0x3146574Cu /* "LWF1" */
#define WAL_VERSION 1u
#define WAL_ALIGN   8u /* frames begin on it */

enum {
    WAL_FIRST = 1, /* the group's first frame; its position is a multiple of ENV_BLOCK */
    WAL_LAST = 2,  /* the group's last */
    WAL_START = 4, /* opens a generation: no body, alone in a group of one block */
};
struct wal_header {
    unsigned flags;
    uint32_t length;   /* of the body */
    uint32_t body_crc; /* seeded */
    uint32_t generation;
    uint64_t position;
    uint64_t flushed;     /* everything below it was on stable storage when this was built */
    uint32_t group_bytes; /* of the whole group, padding included */
    uint32_t back;        /* bytes from the end of the frame before to this one */
};
uint32_t wal_seed(const struct uuid *store_id);
void wal_header_put(uint8_t out[WAL_BODY_OFFSET], const struct wal_header *h, uint32_t seed);
/* What the bytes are, without believing anything before the checksum. */
enum wal_seen { WAL_SEEN_NOTHING, WAL_SEEN_FRAME, WAL_SEEN_NEWER };
enum wal_seen wal_header_get(const uint8_t *p, uint32_t seed, struct wal_header *out);

static inline uint64_t wal_align_up(uint64_t v, uint64_t to)
{
    return (v + to - 1) / to * to;
}
/* Where the frame after one with this body begins, at the earliest. */
static inline uint64_t wal_frame_end(uint64_t position, uint64_t length)
{
    return wal_align_up(position + WAL_BODY_OFFSET + length, WAL_ALIGN);
}

/* ---- The ring's files (ring.c) --------------------------------------------------------------- */

#define WAL_FILES_MAX      256u
#define WAL_FILE_BYTES_MAX (1u << 30)

struct wal_ring {
    struct env *env;
    uint32_t file_bytes, file_count;
    struct env_file *files[WAL_FILES_MAX]; /* NULL (verify only): missing, reads as zeros */
    uint64_t written[WAL_FILES_MAX];       /* given to frames or zeros so far */
    bool fresh[WAL_FILES_MAX];             /* made by this start */
};
MUST_USE enum err wal_ring_check(const struct wal_config *cfg, struct ectx *ec);
/* Opens all files; `writable` also creates them, claims their blocks, so that no later write fails
 * for space, and makes all of it durable (`skip_sync` is a planted fault). */
MUST_USE enum err wal_ring_open(struct wal_ring *r, struct env *env, const struct wal_config *cfg,
                                bool writable, bool skip_sync, struct ectx *ec);
/* Sets `written` for a log that ends at `tail`. */
void wal_ring_written(struct wal_ring *r, uint64_t tail);
void wal_ring_close(struct wal_ring *r);
static inline uint32_t wal_ring_file(const struct wal_ring *r, uint64_t position)
{
    return (uint32_t)(position / r->file_bytes % r->file_count);
}
static inline uint64_t wal_ring_offset(const struct wal_ring *r, uint64_t position)
{
    return position % r->file_bytes;
}
static inline uint64_t wal_ring_file_end(const struct wal_ring *r, uint64_t position)
{
    return (position / r->file_bytes + 1) * r->file_bytes;
}
static inline void wal_ring_note(struct wal_ring *r, uint64_t position, uint64_t bytes)
{
    uint64_t *written = &r->written[wal_ring_file(r, position)];
    uint64_t to = wal_ring_offset(r, position) + bytes;
    *written = *written < to ? to : *written;
}
static inline uint64_t wal_ring_bytes(const struct wal_ring *r)
{
    return (uint64_t)r->file_bytes * r->file_count;
}

/* A window of ring bytes in memory. */
struct wal_reader {
    struct wal_ring *ring;
    uint8_t *buf; /* aligned to ENV_BLOCK; large ones are huge pages (reader_free) */
    size_t cap, n;
    uint64_t at; /* position of buf[0] */
};
void wal_reader_init(struct wal_reader *rd, struct wal_ring *ring);
void wal_reader_deinit(struct wal_reader *rd);
/* A view of [position, position+n), which lies in one file; valid until the next get. Bytes beyond
 * a file's end read as zeros. Reads at least `ahead` bytes if it must read. */
MUST_USE enum err wal_reader_get(struct wal_reader *rd, uint64_t position, size_t n, size_t ahead,
                                 const uint8_t **out, struct ectx *ec);

/* ---- Recovery (scan.c) ----------------------------------------------------------------------- */

/* Planted faults: a test must catch each. Compiled in only with LEAT_DEBUG. */
enum wal_fault {
    WAL_FAULT_NONE,
    WAL_FAULT_DONE_EARLY,        /* done before the flush */
    WAL_FAULT_DONE_PLACES_EARLY, /* done without waiting for the places */
    WAL_FAULT_NO_PLACE_SYNC,     /* places are written, not flushed */
    WAL_FAULT_FLUSHED_HIGH,      /* headers claim that their own group is flushed */
    WAL_FAULT_NO_CRC,            /* recovery does not compare the body's checksum */
    WAL_FAULT_NO_GENERATION,     /* recovery takes frames of any generation */
    WAL_FAULT_NO_POSITION,       /* recovery takes frames of an earlier turn */
    WAL_FAULT_NO_CUT,            /* recovery ignores where an earlier one ended the log */
    WAL_FAULT_NO_START,          /* a start does not open its generation on disk */
    WAL_FAULT_REUSE_EARLY,       /* ring space is reused before it was released */
    WAL_FAULT_NO_SYNC_AT_OPEN,   /* what recovery accepted is not flushed */
    WAL_FAULT_RETRY,             /* a failed ring write is ignored */
    WAL_FAULT_COUNT
};
#ifdef LEAT_DEBUG
#define WAL_PLANTED(at, which) ((at)->fault == (which))
#else
#define WAL_PLANTED(at, which) ((void)(at), false)
#endif

struct wal_scan_result {
    uint64_t tail;       /* where the START of the next generation goes */
    uint64_t last_end;   /* end of the last accepted frame */
    uint64_t flushed;    /* highest position known to be flushed */
    uint32_t generation; /* highest seen anywhere on the way */
    uint64_t frames, torn_from;
};
MUST_USE enum err wal_scan(struct wal_ring *ring, const struct wal_config *cfg,
                           const struct wal_visitor *visitor, enum wal_fault fault,
                           struct wal_scan_result *out, struct ectx *ec);

/* ---- Memory of groups (group.c) -------------------------------------------------------------- */

#define WAL_CHUNK_BYTES (256u * 1024)
#define WAL_POOL_BYTES  (16u * 1024 * 1024) /* free chunks kept, at most */

struct wal_pool;
struct wal_group {
    struct wal_pool *pool;
    uint32_t refs;
    size_t capacity;  /* of bytes */
    uint8_t *bytes;   /* aligned to ENV_BLOCK */
    uint64_t base;    /* position of bytes[0] */
    uint64_t limit;   /* position that frames in it may not pass */
    uint64_t open_at; /* the group that is being built in it: [open_at, open_end) */
    uint64_t open_end;
    struct list link; /* in wal.waiting, or free in the pool */
};
struct wal_pool *wal_pool_create(size_t chunk_bytes);
void wal_pool_close(struct wal_pool *p); /* freed when the last group was given back */
/* Makes sure that the next take of this size succeeds. */
bool wal_pool_reserve(struct wal_pool *p, size_t bytes);
struct wal_group *wal_pool_take(struct wal_pool *p,
                                size_t bytes); /* one reference; CHECKs that it was reserved */

/* ---- The log (wal.c, open.c, write.c)
 * ---------------------------------------------------------------- */

#define WAL_UNIT_IOV     64u
#define WAL_CALLER_BYTES (64u * 1024) /* most that wal_kick writes on the calling thread */
#define WAL_SYNC_FILES   256u
#define WAL_SHARED_FILES 8u
#define WAL_RESERVE_BYTES \
    (4u * ENV_BLOCK) /* never given to frames: the START of the next generation must fit */
#define WAL_PREWRITE_STEP   (64u * 1024)  /* a write of the log may wait for one */
#define WAL_ERASE_STEPS     16u           /* of each call of wal_erase, one after the other */
#define WAL_PREWRITE_MARGIN (512u * 1024) /* distance kept from the tail */
#define WAL_PREWRITE_NEAR   (4u << 20)    /* so far ahead at once; beyond it as the tail moves */

/* Who holds the tail; README.md draws it. */
enum wal_hold {
    WAL_HOLD_LOOP,   /* nothing is being written: the loop may start a unit */
    WAL_HOLD_CALLER, /* wal_kick writes it on the loop's own thread */
    WAL_HOLD_WAIT,   /* a unit is built and waits for a pre-write step that is in its way */
    WAL_HOLD_LANES,  /* jobs of the unit are running */
    WAL_HOLD_DONE,   /* done callbacks are running: submit is allowed */
    WAL_HOLD_DEAD,   /* the first error; for ever */
};
/* Whether the tail may change hands like this; wal.c CHECKs every change. */
bool wal_hold_may(enum wal_hold from, enum wal_hold to);

enum wal_turn {
    WAL_TURN_OPEN,    /* the job waits for its lane */
    WAL_TURN_WRITING, /* it has begun: who is in its way waits for it */
    WAL_TURN_OFF,     /* a unit was in its way before it began: it writes nothing */
};
struct wal_unit {
    struct iovec iov[WAL_UNIT_IOV];
    struct wal_group *groups[WAL_UNIT_IOV];
    uint64_t ends[WAL_UNIT_IOV]; /* of each group's last frame */
    int iov_count;
    uint64_t at;    /* position of the first byte */
    uint64_t bytes; /* 0: nothing goes to the ring */
    struct list frames;
    size_t place_count;
    /* Files of its places that both jobs share out among themselves; 0: the place job has all. */
    struct env_file *shared[WAL_SHARED_FILES];
    uint32_t shared_count;
    atomic_uint shared_next;
    unsigned pending; /* jobs not yet back */
    struct env_job ring_job, place_job;
    enum err ring_err, place_err;
    struct ectx ring_ec, place_ec;
    uint64_t place_bytes, ring_place_bytes; /* written by each of the two */
    uint64_t started_ns;
};
struct wal_prewrite {
    struct env_job job;
    bool busy, stopped;
    atomic_int turn; /* enum wal_turn: who was first, the job or a unit in its way */
    uint32_t file;
    uint64_t from, to; /* offsets in the file */
    uint64_t due;      /* the tail at which the next step far ahead may begin */
    /* Behind the tail: positions of released frames that are to become zeros. */
    uint64_t erase_at, erase_to;
    uint32_t erase_steps; /* that may follow */
    bool erases;          /* the step is one of these */
    uint8_t *zeros;
    enum err err;
    struct ectx ec;
};
struct wal {
    struct env *env;
    struct env_poll *poll;
    struct wal_ring ring;
    struct wal_pool *pool;
    size_t group_bytes;
    uint32_t seed, generation;
    uint64_t released, flushed;
    uint64_t tail; /* end of the last group that is closed or being filled, aligned to ENV_BLOCK */
    uint64_t last_end;      /* end of the last frame */
    struct wal_group *fill; /* the chunk that takes the next frame, if it fits */
    struct list waiting;    /* chunks with a group that is not in a unit yet, in order */
    struct list queued;     /* frames that are not in a unit yet, in order */
    enum wal_hold hold;
    struct wal_unit unit;
    struct wal_prewrite pre;
    void (*on_failure)(void *ctx, const struct ectx *ec);
    void *on_failure_ctx;
    bool failed, told;
    atomic_bool harmed; /* by wal_write_places, before it is reported */
    struct ectx failure;
    struct wal_stats stats;
    enum wal_fault fault;
};

MUST_USE enum err wal_open_planted(struct env *env, struct env_poll *poll,
                                   const struct wal_config *cfg, const struct wal_visitor *visitor,
                                   enum wal_fault fault, struct wal **out, struct ectx *ec);
/* write.c */
void wal_share_places(struct wal *w); /* on the loop, before both jobs begin */
void wal_write_ring(struct wal *w);   /* on whichever thread; result in unit.ring_err */
void wal_write_places(struct wal *w); /* result in unit.place_err */
/* Whether the built unit must wait for a step of zeros; one that has not begun is called off. */
bool wal_prewrite_in_way(struct wal *w);
void wal_prewrite_next(struct wal *w); /* starts a step if one is due */
/* wal.c, for write.c and open.c */
void wal_unit_start(struct wal *w);
void wal_die(struct wal *w, enum err e, const struct ectx *ec);
void wal_tell_failure(struct wal *w);
void wal_unit_drop_groups(struct wal *w);

#endif
