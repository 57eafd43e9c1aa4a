/* When a flush begins. */
#include "test.h"
#include "world.h"

/* Until a merge has begun, and a worker has a step of it. */
static void until_merging(struct world *w)
{
    for (int i = 0; i < 1000; i++) {
        if (w->ix->work.kind == WORK_MERGE && w->ix->work.merge->begun) {
            return;
        }
        if (w->ix->work.kind == WORK_NONE) {
            for (int k = 0; k < 50; k++) {
                assert_int_equal(world_put(w), ERR_OK);
            }
            assert_int_equal(world_cover(w, true), ERR_OK);
        }
        world_turn(w);
    }
    fail_msg("no merge begins");
}

/* The owner puts all the time and covers now and then, and a worker has always a step of some
 * merge: the flush is the next step, although no moment has both a cover and an idle worker. */
TEST(index_flushes_before_it_goes_on_with_a_merge_while_puts_go_on)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world w;
        world_init(&w, seed, 0);
        w.prefixes = 100000;
        assert_int_equal(world_open(&w), ERR_OK);
        until_merging(&w);
        const uint64_t flushes = w.ix->stats.flushes;
        const struct merge *m = w.ix->work.merge;
        while (tree_pool_bytes(&w.ix->active->pool) < w.cfg.memory_bytes) {
            assert_int_equal(world_put(&w), ERR_OK);
        }
        assert_int_equal(world_cover(&w, false), ERR_OK);
        assert_int_equal(world_put(&w), ERR_OK);
        assert_true(index_ready(w.ix));
        for (int i = 0; i < 1000 && w.ix->work.kind == WORK_MERGE; i++) {
            assert_true(m->on);
            world_turn(&w);
        }
        assert_true(w.ix->flush.on);
        for (int i = 0; i < 1000 && w.ix->stats.flushes == flushes; i++) {
            assert_int_equal(world_put(&w), ERR_OK);
            world_turn(&w);
        }
        assert_true(index_ready(w.ix));
        world_settle(&w);
        world_check(&w);
        world_kill(&w); /* what it covers is the state of that cover */
        uint32_t number;
        assert_int_equal(world_open(&w), ERR_OK);
        assert_true(world_adopt(&w, &number));
        world_check(&w);
        world_deinit(&w);
    }
}

static uint32_t runs_most(const struct index *ix)
{
    uint32_t most = 0;
    for (size_t t = 0; t < ix->cfg.table_count; t++) {
        most = ix->lists[t]->count > most ? ix->lists[t]->count : most;
    }
    return most;
}

/* There is always a flush to go on with, as an owner has it that puts as fast as memory gets to the
 * disk: merges are made all the same, before there is no room for one more run. */
TEST(index_merges_while_one_flush_follows_the_other)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world w;
        uint32_t most = 0;
        world_init(&w, seed, 0);
        w.prefixes = 100000;
        w.step_bytes = 4000;
        assert_int_equal(world_open(&w), ERR_OK);
        while (w.ix->stats.flushes < 120) {
            while (index_memory_bytes(w.ix) < 2 * w.cfg.memory_bytes - 4 * 4096) {
                assert_int_equal(world_put(&w), ERR_OK);
            }
            assert_int_equal(world_cover(&w, true), ERR_OK);
            world_turn(&w);
            most = runs_most(w.ix) > most ? runs_most(w.ix) : most;
        }
        assert_true(most > INDEX_RUNS_MANY && most < 2 * INDEX_RUNS_MANY);
        assert_true(w.ix->stats.merges > 0 && !w.ix->was_full);
        world_settle(&w);
        world_check(&w);
        world_deinit(&w);
    }
}
