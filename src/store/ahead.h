/*
 * Reading ahead. Batches in whole blocks are not in the page cache, so nobody reads ahead for a
 * consumer that catches up: this does. When a reader goes on where it stopped, the next piece of
 * the file is read while the one before is on its way to the client. At most one piece for a
 * partition and STORE_AHEAD_MAX bytes in all; what nobody has asked for within a second goes.
 */
#ifndef LEAT_STORE_AHEAD_H
#define LEAT_STORE_AHEAD_H

#include "store/read.h"

/* One piece. */
struct read_ahead {
    struct env_job job;
    struct pending pending;
    struct list link; /* in store.aheads */
    struct store_part *part;
    struct segment *seg; /* referenced */
    struct seg_open open;
    struct read_task task; /* only its chunk, place and files are used */
    struct list waiting;   /* struct ahead_waiter */
    uint64_t ready_ns;     /* 0: under way */
    enum err err;
};

/* All on the loop. */
/* The piece that begins with the entry at `position`, if it is here: its bytes become the task's.
 */
bool ahead_take(struct store_part *p, const struct segment *g, struct read_task *t);
/* It is being read: `resume` is called when it is here or has failed. */
struct ahead_waiter {
    struct list link;
    void (*resume)(struct ahead_waiter *w);
};
bool ahead_wait(struct store_part *p, const struct segment *g, uint64_t position,
                struct ahead_waiter *w);
/* A read of g has ended before next_position; starts the next one if it looks like one of many. */
void ahead_note(struct store_part *p, struct segment *g, const struct read_task *t);
void ahead_free(struct store_part *p); /* the partition goes; nothing may be under way */
void ahead_tick(struct store *s);      /* every second */

#endif
