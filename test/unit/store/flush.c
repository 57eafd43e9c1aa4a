/* A failed flush is told once, to whoever flushed first: everybody else's next flush succeeds, and
 * nothing was written. So what the loop, the log and a checkpoint flush at the same time. */
#include "test.h"
#include "world.h"

/* The power goes off, and everything that was acknowledged is there. */
static void expect_all(struct world *w, uint64_t choice, int64_t first,
                       const struct world_flight *l)
{
    env_sim_fail_nth(w->env, ENV_SIM_SYNC, 0, ERR_OK, false);
    world_cut(w, choice);
    assert_int_equal(world_open(w), ERR_OK);
    assert_true(world_count(w, store_part_find(w->store, 1), 0) >= first);
    assert_true(world_count(w, store_part_find(w->store, 2), 0) >= (l->acknowledged ? 1 : 0));
}

static void begin_world(struct world *w, uint64_t seed)
{
    world_init(w, seed, 0);
    w->cfg.ring_file_bytes = 256 << 10; /* memory fills up first: packs without a checkpoint */
    assert_int_equal(world_open(w), ERR_OK);
    world_add(w, 1, "a", 0, false);
    world_add(w, 2, "a", 1, false);
}

TEST(store_no_image_after_the_loop_failed_to_flush_a_folder)
{
    /* A checkpoint waits for its worker, and will make the folder of its partition durable. The
     * loop needs the same folder first and fails. */
    for (uint64_t choice = 0; choice < 16; choice++) {
        struct world w;
        struct world_flight l;
        begin_world(&w, choice);
        assert_int_equal(world_append(&w, store_part_find(w.store, 1), 200, 1, 1), 0);
        store_checkpoint_request(w.store);
        store_tick(w.store);
        env_sim_fail_nth(w.env, ENV_SIM_SYNC, 1, ERR_IO, false);
        (void)world_append_begin(&w, store_part_find(w.store, 2), 9000, 1, &l);
        assert_int_equal(w.failures, 1);
        world_settle(&w);
        expect_all(&w, choice, 1, &l);
        mem_free(l.batch.bytes);
        world_deinit(&w);
    }
}

TEST(store_no_image_after_the_log_failed_to_flush_a_segment)
{
    /* Packed batches lie unflushed in the segment that a batch in place is flushed with, while a
     * checkpoint is about to flush the same file. */
    for (uint64_t run = 0; run < 64; run++) {
        struct world w;
        struct world_flight l;
        begin_world(&w, run);
        struct store_part *p = store_part_find(w.store, 1);
        struct store_stats st;
        int64_t n = 0;
        assert_int_equal(world_append(&w, p, 9000, 1, 1), n++);
        do {
            assert_int_equal(world_append(&w, p, 1500, 1, 1), n++);
            store_tick(w.store);
            world_settle(&w);
            store_stats_get(w.store, &st);
        } while (st.packed_bytes == 0);
        store_checkpoint_request(w.store);
        store_tick(w.store);
        env_sim_fail_nth(w.env, ENV_SIM_SYNC, 1 + run % 4, ERR_IO, false);
        (void)world_append_begin(&w, p, 9000, 1, &l);
        world_settle(&w);
        l.acknowledged = false; /* of the other partition */
        expect_all(&w, run, n, &l);
        mem_free(l.batch.bytes);
        world_deinit(&w);
    }
}

TEST(store_acknowledges_nothing_that_a_checkpoint_failed_to_flush)
{
    /* The checkpoint fails to flush a folder, and before the loop is told, a batch in place needs
     * the same folder: its own flush says that all is well. */
    for (uint64_t run = 0; run < 512; run++) {
        struct world w;
        struct world_flight l;
        begin_world(&w, run);
        assert_int_equal(world_append(&w, store_part_find(w.store, 1), 200, 1, 1), 0);
        store_checkpoint_request(w.store);
        store_tick(w.store);
        env_sim_fail_nth(w.env, ENV_SIM_SYNC, 1 + run % 8, ERR_IO, false);
        (void)env_sim_step(w.env);
        (void)world_append_begin(&w, store_part_find(w.store, 2), 9000, 1, &l);
        world_settle(&w);
        expect_all(&w, run, 1, &l);
        mem_free(l.batch.bytes);
        world_deinit(&w);
    }
}
