/*
 * Looks into a store from outside, only to count what it does by itself: packing, checkpoints,
 * rolls, files of dropped segments. Nothing is judged by it.
 */
#ifndef LEAT_TEST_SIM_COMMON_WATCH_H
#define LEAT_TEST_SIM_COMMON_WATCH_H

#include "common_run.h"
#include "store/store_int.h"

enum { WATCH_PARTS = 16 };
struct store_watch {
    enum work_state work;
    uint64_t checkpoints, turn;
    size_t drops;
    struct {
        uint32_t id;
        int64_t base; /* of the segment that is written */
    } active[WATCH_PARTS];
};
/* Counts what was done since the last look. */
void store_watch_look(struct store_watch *w, const struct store *s);
/* going_bit of what it is doing now. */
uint64_t store_watch_going(const struct store *s);

#endif
