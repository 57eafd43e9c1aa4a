/* What a start after a crash has to do: little of the ring where checkpoints are cheap, in large
 * reads and writes, with memory that many batches share. */
#include "store/store_int.h"
#include "test.h"
#include "world.h"

enum { INLINE = 60000, MIB = 1 << 20 };

static void open_ring(struct world *w, uint64_t seed, uint32_t ring_file_bytes)
{
    world_init(w, seed, 0);
    w->cfg.ring_file_bytes = ring_file_bytes;
    w->cfg.inline_max_bytes = 128 << 10;
    w->cfg.tail_memory_bytes = 32 << 20;
    w->part_cfg.segment_bytes = 64 << 20;
    assert_int_equal(world_open(w), ERR_OK);
}

static void open_large(struct world *w, uint64_t seed)
{
    open_ring(w, seed, 16 << 20); /* a third of the ring is 21 MiB */
}

/* Appends until a checkpoint is made, at most `most` bytes; returns how many it took. */
static uint64_t until_checkpoint(struct world *w, struct store_part *p, uint64_t most)
{
    const uint64_t before = w->store->stats.checkpoints;
    uint64_t bytes = 0;
    while (bytes < most && w->store->stats.checkpoints == before) {
        assert_true(world_append(w, p, INLINE, 1, 1) >= 0);
        bytes += INLINE;
        store_tick(w->store);
        world_settle(w);
    }
    return bytes;
}

TEST(store_a_checkpoint_follows_the_log_closely_where_it_is_cheap)
{
    /* What is not behind a checkpoint is what a start has to read and apply. */
    struct world w;
    open_large(&w, 80);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    (void)until_checkpoint(&w, p, 30 * MIB);
    assert_in_range(until_checkpoint(&w, p, 30 * MIB), 11 * MIB, 13 * MIB);
    /* Bytes of durability os wait in the page cache: not flushed more often than the ring asks. */
    (void)world_add(&w, 2, "os", 0, true);
    assert_in_range(until_checkpoint(&w, p, 30 * MIB), 20 * MIB, 22 * MIB);
    world_deinit(&w);
}

TEST(store_a_checkpoint_of_many_files_waits_for_more_of_the_log)
{
    /* Eight MiB more for 64 of them; a third of this ring, which is the most, is 42. */
    struct world w;
    open_ring(&w, 81, 32 << 20);
    struct store_part *p[WORLD_PARTS];
    for (uint32_t i = 0; i < WORLD_PARTS; i++) {
        p[i] = world_add(&w, i + 1, "many", (int32_t)i, false);
        assert_true(world_append(&w, p[i], 100, 1, 1) >= 0);
    }
    world_checkpoint(&w);
    assert_in_range(until_checkpoint(&w, p[0], 60 * MIB), 19 * MIB, 21 * MIB);
    /* That one had one file. */
    assert_in_range(until_checkpoint(&w, p[0], 60 * MIB), 11 * MIB, 13 * MIB);
    world_deinit(&w);
}

TEST(store_a_checkpoint_with_a_large_image_waits_for_more_of_the_log)
{
    /* Its image is written with each: 32 bytes of the log for one of it, so that it adds little to
     * what is written, up to what the ring asks. */
    struct world w;
    open_ring(&w, 88, 32 << 20);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    w.snapshot_more = MIB / 2;
    world_checkpoint(&w);
    assert_in_range(until_checkpoint(&w, p, 60 * MIB), 27 * MIB, 29 * MIB);
    w.snapshot_more = 2 * MIB;
    world_checkpoint(&w);
    w.snapshot_more = 0;
    assert_in_range(until_checkpoint(&w, p, 60 * MIB), 41 * MIB, 43 * MIB);
    assert_in_range(until_checkpoint(&w, p, 60 * MIB), 11 * MIB, 13 * MIB);
    world_deinit(&w);
}

TEST(store_a_start_reads_and_writes_in_large_pieces)
{
    struct world w;
    open_large(&w, 82);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    int count = 0;
    for (uint64_t bytes = 0; bytes < 11 * MIB; bytes += INLINE) {
        assert_true(world_append(&w, p, INLINE, 1, 1) >= 0);
        count++;
    }
    world_cut(&w, 0);
    const uint64_t before = env_sim_ops(w.env);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_int_equal(w.store->recovery.batches, count);
    const uint64_t ops = env_sim_ops(w.env) - before;
    p = store_part_find(w.store, 1);
    assert_int_equal(world_count(&w, p, 0), count);
    assert_int_equal(w.store->tail_bytes, 0);
    /* 72: 6 reads of 2 MiB, as many looks at what follows, 5 at where the log may go on, as many
     * writes and the start itself. Half of the size, of either, is more. */
    assert_in_range(ops, 1, 75);
    world_deinit(&w);
}

TEST(store_batches_of_a_start_share_memory_and_stay_whole)
{
    /* Batches of all sizes, of partitions in turn, and packs in the middle of it, since they are
     * more than the memory of the tail. */
    struct world w;
    open_large(&w, 83);
    struct store_part *p[3];
    int count[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        p[i] = world_add(&w, i + 1, "a", (int32_t)i, false);
    }
    uint32_t random = 1;
    for (int i = 0; i < 300; i++) {
        random = random * 1664525u + 1013904223u;
        const uint32_t r = random >> 16;
        const size_t size = i % 10 == 0 ? 60000 + r % 20000 : r % 3000;
        assert_true(world_append(&w, p[r % 3], size, 1, i) >= 0);
        count[r % 3]++;
    }
    world_cut(&w, 0);
    w.cfg.tail_memory_bytes = 1 * MIB;
    assert_int_equal(world_open(&w), ERR_OK);
    assert_int_equal(w.store->recovery.batches, 300);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(world_count(&w, store_part_find(w.store, i + 1), 0), count[i]);
    }
    assert_int_equal(w.store->tail_bytes, 0);
    world_deinit(&w);
}

static void cut_as(struct world *w, enum env_sim_keep keep, uint64_t choice)
{
    env_sim_cut_at(w->env, env_sim_ops(w->env) + 1);
    if (w->store != NULL) {
        store_close(w->store);
        w->store = NULL;
    }
    env_sim_power_cut_as(w->env, keep, choice);
    env_poll_destroy(w->poll);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
}

TEST(store_a_start_in_large_pieces_may_be_cut_off_anywhere)
{
    /* What was acknowledged is there however many starts lost the power before they were done: the
     * log is more than the memory of the tail, so large pieces are also written in the middle of
     * it. All of the first partition is packed there, and flushed with what is packed at the end.
     */
    const enum env_sim_keep keeps[] = {ENV_SIM_RANDOM, ENV_SIM_LOSE_ALL, ENV_SIM_KEEP_ALL};
    const uint64_t bytes[] = {3 * MIB, 2 * MIB};
    for (size_t k = 0; k < ARRAY_LEN(keeps); k++) {
        struct world w;
        open_large(&w, 84 + k);
        int count[2] = {0};
        for (uint32_t i = 0; i < 2; i++) {
            struct store_part *p = world_add(&w, i + 1, "a", (int32_t)i, false);
            for (uint64_t n = 0; n < bytes[i]; n += INLINE) {
                assert_true(world_append(&w, p, INLINE, 1, 1) >= 0);
                count[i]++;
            }
        }
        w.cfg.tail_memory_bytes = 4 * MIB; /* of which half asks for a pack */
        cut_as(&w, keeps[k], 0);
        uint64_t cuts = 0;
        for (;; cuts++) {
            env_sim_cut_at(w.env, env_sim_ops(w.env) + cuts + 1);
            if (world_open(&w) == ERR_OK) {
                break;
            }
            cut_as(&w, keeps[k], cuts);
        }
        assert_in_range(w.packed_before_batch, 4 * MIB, 5 * MIB);
        assert_in_range(cuts, 40, 90);
        cut_as(&w, keeps[k], 0);
        assert_int_equal(world_open(&w), ERR_OK);
        for (uint32_t i = 0; i < 2; i++) {
            struct store_part *p = store_part_find(w.store, i + 1);
            assert_int_equal(world_count(&w, p, 0), count[i]);
            assert_int_equal(p->damage_count, 0);
        }
        world_deinit(&w);
    }
}
