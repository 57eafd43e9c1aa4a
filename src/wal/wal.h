/*
 * The write-ahead log: one endless sequence of frames on a ring of recycled, pre-written files. A
 * frame is atomic: after a crash it is there whole or not at all. All frames that arrive while one
 * group is being flushed form the next group; flushes run back to back, without a timer.
 *
 * Position (LSN). A frame's position is its byte position in the endless log; it only grows, for
 * the life of the data directory. File and place follow from it: file = position / file_bytes %
 * file_count. A group begins on a 4096-byte boundary and is padded to one, so no flushed block is
 * ever written again before it is recycled.
 *
 * What a frame carries. Its body (copied into the ring), and optionally *places*: bulk bytes that
 * are written once, straight into another file (a segment), in parallel with the ring write. The
 * body must name each place (file, offset, length, checksum), so that recovery can tell whether it
 * is there. `done` is called when the ring block and every place with `flush` are on stable
 * storage.
 *
 * Torn tail or damage. Each frame header records the highest position known flushed when it was
 * built. At recovery, an invalid frame at X with a later valid frame (or checkpoint) that says
 * "flushed beyond X" is damage: reported, skipped, later frames are applied. Otherwise X is the
 * torn tail: the log ends there, and the generation is raised (made durable by the checkpoint that
 * store writes at every start) so that left-over frames never become valid.
 *
 * Threads. All functions are called on the loop. Writes run as jobs on ENV_LANE_LOG (ring) and
 * ENV_LANE_BULK (places), or on the caller's thread when it allows that (wal_kick). See README.md
 * for the hand-over state machine.
 */
#ifndef LEAT_WAL_WAL_H
#define LEAT_WAL_WAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/err.h"
#include "core/list.h"
#include "core/slice.h"
#include "core/uuid.h"
#include "env/env.h"

struct wal;
struct wal_group; /* the memory of one written group; kept by reference while someone reads from it
                   */

struct wal_config {
    const char *dir;      /* holds the ring files; created if missing */
    uint32_t file_bytes;  /* size of one ring file, a multiple of ENV_BLOCK; default 16 MiB */
    uint32_t file_count;  /* files in the ring, at least 3; default 8 */
    uint32_t group_bytes; /* most body bytes in a group; at most file_bytes / 4; default 4 MiB */
    struct uuid store_id; /* of the data directory; seeds every frame's checksum */
    uint32_t generation;  /* of this start: larger than any used before */
    uint64_t start; /* position of the first frame that may be needed (the older checkpoint's) */
    uint32_t start_generation; /* the log's generation (wal_generation) when the checkpoint took
                                  `start` as its tail */
    uint64_t flushed;          /* highest position that a checkpoint knows to be flushed */
    bool clean;    /* the last stop was clean: nothing after `start` is expected, no scan is made */
    bool existing; /* an earlier start made the ring, and its frames are needed: a file that is
                      missing or cut short is refused (ERR_DAMAGED), never made anew */
};

/* Recovery, called by wal_open for each valid frame in order. */
struct wal_visitor {
    void *ctx;
    /* ERR_OK: applied. ERR_DAMAGED: a place that the body names is not there (wal decides: torn or
     * damage). `flushed` says whether this frame is known to have been flushed. Other errors stop
     * the start. */
    enum err (*frame)(void *ctx, uint64_t position, struct slice body, bool flushed,
                      struct ectx *ec);
    /* [from, to) held acknowledged frames and cannot be read: quarantine, say so. */
    void (*damage)(void *ctx, uint64_t from, uint64_t to);
};

/* Bytes that are written straight to their place. Memory stays valid until the frame is done. */
struct wal_place {
    struct env_file *file;
    uint64_t offset;
    const struct iovec *iov;
    int iov_count;
    bool flush; /* false: each write to `file` is flushed by itself (ENV_DSYNC), or durability is
                   relaxed and the next checkpoint flushes; written before `done` in any case */
};

/* One append. Owned by the caller, untouched until `done`. */
struct wal_frame {
    const struct iovec
        *body; /* copied by wal_submit; 0 iovecs: nothing goes to the ring (places only) */
    int body_count;
    const struct wal_place *places;
    int place_count;
    void (*done)(struct wal_frame *frame); /* on the loop, in the order of submission */
    /* set by wal_submit: */
    uint64_t position; /* of the frame; body byte i has position `position + wal_body_offset + i` */
    const uint8_t *copy; /* the body in the group's memory; valid while `group` is referenced */
    struct wal_group *group;
    struct list link;
};
#define WAL_BODY_OFFSET 48u /* bytes of frame header before the body */

/* Creates or opens the ring, replays from cfg->start through the visitor, flushes nothing. On
 * ERR_OK the tail is where the next frame goes. May block long (start-up). */
MUST_USE enum err wal_open(struct env *env, struct env_poll *poll, const struct wal_config *cfg,
                           const struct wal_visitor *visitor, struct wal **out, struct ectx *ec);
/* No group may be in flight. */
void wal_close(struct wal *w);

/* Room for a frame with this many body bytes now? If not, a checkpoint must release ring space
 * first. */
bool wal_has_room(const struct wal *w, size_t body_bytes);
/* The position that the next submitted frame of this size will get. */
uint64_t wal_next_position(const struct wal *w, size_t body_bytes);
/* Adds the frame to the open group. CHECKs wal_has_room. */
void wal_submit(struct wal *w, struct wal_frame *frame);
/* Starts writing the open group if none is in flight. With `may_block` a small group without places
 * is written by the calling thread, and its frames' `done` have been called on return. */
void wal_kick(struct wal *w, bool may_block);
bool wal_idle(const struct wal *w); /* nothing open, nothing in flight */
/* A write or flush of places has failed, perhaps on a worker that has not reported it yet. From any
 * thread. What other flushes of the same files said since is not to be believed. */
bool wal_harmed(const struct wal *w);

uint64_t wal_flushed(const struct wal *w); /* every frame below it is on stable storage */
uint64_t wal_tail(const struct wal *w);    /* where the next group will begin */
/* The generation in use: cfg->generation, or a higher one if the ring held frames of it. A
 * checkpoint records it beside its start position; without it, frames that a recovery discarded
 * could be taken for new ones (README.md). */
uint32_t wal_generation(const struct wal *w);
/* Frames below `position` are not needed any more (the older of the two checkpoints passed it). */
void wal_release(struct wal *w, uint64_t position);
/* Zeros over all that the ring's files still have of frames below `position`, which was released:
 * some at each call, until it says true (they are on stable storage then). What is written is not
 * held up by more than one step. */
bool wal_erase(struct wal *w, uint64_t position);
/* Bytes between the released position and the tail; the ring's size. */
uint64_t wal_used_bytes(const struct wal *w);
uint64_t wal_capacity_bytes(const struct wal *w);
/* The first write or flush error: the log is dead, ERR_STOPPED to everyone; frames in flight never
 * get `done`. Called once, on the loop. The process ends; the next start reads from the device. */
void wal_on_failure(struct wal *w, void (*fn)(void *ctx, const struct ectx *ec), void *ctx);

void wal_group_ref(struct wal_group *g);
void wal_group_unref(struct wal_group *g);
size_t wal_group_bytes(const struct wal_group *g); /* memory that a reference keeps alive (several
                                                      groups may share it) */

struct wal_stats {
    uint64_t groups, frames, body_bytes, ring_bytes, place_bytes, flush_ns_sum;
    uint64_t groups_on_caller; /* written by the caller's thread in wal_kick */
};
void wal_stats_get(const struct wal *w, struct wal_stats *out);

/* Offline: walks the ring read-only as recovery would, reports through the visitor; for `leat
 * verify`. */
MUST_USE enum err wal_verify(struct env *env, const struct wal_config *cfg,
                             const struct wal_visitor *visitor, struct ectx *ec);

/* Does a group begin at cfg->start? Then somebody has started since a checkpoint took that as its
 * tail. Reads one block, changes nothing. */
MUST_USE enum err wal_begun(struct env *env, const struct wal_config *cfg, bool *yes,
                            struct ectx *ec);

#endif
