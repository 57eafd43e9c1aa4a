/*
 * Reading ahead. Batches in whole blocks are not in the page cache, so nobody reads ahead for a
 * consumer that catches up: this does. When a reader goes on where it stopped, what it will ask for
 * next is read while it is still busy with what it has.
 *
 * A piece is about as large as one fetch. Where it ends is looked up in the index, so that the
 * pieces behind it need not wait for it: several are read at once, which a device needs to be fast.
 * At most AHEAD_PIECES for a partition and AHEAD_BYTES_MAX in all; what nobody has asked for within
 * a second goes.
 */
#ifndef LEAT_STORE_AHEAD_H
#define LEAT_STORE_AHEAD_H

#include "store/read.h"

enum {
    AHEAD_PIECES = 4,
    AHEAD_READS = 2, /* as large as so many reads, up to: */
    AHEAD_PIECE = (1 << 20) - (32 << 10),
    AHEAD_PIECE_MAX = (2 << 20) - (64 << 10), /* if a single batch is that large */
    AHEAD_BYTES_MAX = 16 << 20,
};

/* One piece: a read that nobody has asked for yet. */
struct read_ahead {
    struct env_job job;
    struct pending pending;
    struct list link;     /* in part.aheads, in the order of offsets */
    struct list all_link; /* in store.aheads */
    struct list waiting;  /* struct ahead_waiter */
    struct store_part *part;
    struct segment *seg; /* referenced */
    struct seg_open open;
    struct read_task task;
    size_t piece;          /* bytes of a piece of this reader */
    size_t bytes;          /* of the buffer */
    bool end_known;        /* the next two; otherwise when it has ended */
    int64_t end_offset;    /* where the piece behind it begins */
    uint64_t end_position; /* ... in the segment */
    uint64_t ready_ns;     /* 0: under way */
    bool stale;            /* what it reads is being replaced: nobody gets it */
    enum err err;
};

/* All on the loop. */
/* What the task wants, if its beginning is here: becomes the task's result. */
bool ahead_take(struct store_part *p, struct read_task *t);
/* If it is under way: `resume` is called when that has ended, well or not. */
struct ahead_waiter {
    struct list link;
    void (*resume)(struct ahead_waiter *w);
};
bool ahead_wait(struct store_part *p, const struct read_task *t, struct ahead_waiter *w);
/* A read of g has ended well; starts the next ones if it looks like one of many. */
void ahead_note(struct store_part *p, struct segment *g, const struct read_task *t);
void ahead_forget(struct store_part *p); /* a batch in a file was replaced */
void ahead_free(struct store_part *p);   /* the partition goes; nothing may be under way */
void ahead_tick(struct store *s);        /* every second */

#endif
