/*
 * What the tests of the store share: a simulated machine, and a small participant that keeps a
 * table of partitions and a list of facts, as the rooms above do. Batches are real Kafka batches of
 * one record, so that their checksums hold.
 */
#ifndef LEAT_TEST_STORE_WORLD_H
#define LEAT_TEST_STORE_WORLD_H

#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/mem.h"
#include "env/env_sim.h"
#include "store/store.h"

enum { WORLD_PARTS = 64, WORLD_FACTS = 256 };

struct world {
    struct env *env;
    struct env_poll *poll;
    struct store *store;
    struct store_config cfg;
    struct store_part_config part_cfg;
    struct ectx ec;
    /* the participant's state */
    struct {
        uint32_t id;
        int32_t index;
        bool os;
        char dir[32];
    } parts[WORLD_PARTS];
    uint32_t part_count;
    uint64_t facts[WORLD_FACTS];
    uint32_t fact_count;
    size_t snapshot_more;  /* zeros behind that state in its image: a participant with much of it */
    uint32_t batches_seen; /* by the batch hook since the last open */
    uint64_t packed_before_batch; /* what a start had packed when it met the newest batch */
    uint32_t done, advanced, ready, failures;
    struct arena arena;
};

void world_init(struct world *w, uint64_t seed, uint64_t disk_bytes);
void world_deinit(struct world *w);
enum err world_open(struct world *w);
void world_close(struct world *w);                /* clean */
void world_cut(struct world *w, uint64_t choice); /* power cut and a new poll */
void world_settle(struct world *w);               /* until nothing is pending */
struct store_part *world_add(struct world *w, uint32_t id, const char *dir, int32_t index, bool os);
void world_remove(struct world *w, uint32_t id);
/* One batch of `count` records with a value of `size` bytes; waits for it. Its base offset, or -1.
 */
int64_t world_append(struct world *w, struct store_part *p, size_t size, int32_t count, int64_t ts);
/* A batch of one record that is committed and not waited for; mem_free(batch.bytes) when it is done
 * (world_append waits). False: the store takes nothing now. */
struct world_flight {
    struct store_batch batch;
    bool acknowledged;
};
bool world_append_begin(struct world *w, struct store_part *p, size_t size, int64_t ts,
                        struct world_flight *out);
void world_fact(struct world *w, uint64_t value);
void world_checkpoint(struct world *w);
/* Builds a batch (mem_free it). */
uint8_t *world_batch(size_t value_size, int32_t count, int64_t ts, uint8_t fill, size_t *size);
/* Reads one piece, on a worker if need be. */
enum err world_read(struct world *w, struct store_part *p, int64_t offset, size_t max,
                    struct store_read *out);
/* Number of records from `offset` to the end; checks that they are whole and in order. */
int64_t world_count(struct world *w, struct store_part *p, int64_t offset);

#endif
