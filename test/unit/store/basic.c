/* Open, append, read back, reopen: what every user of the store relies on. */
#include "test.h"
#include "world.h"

TEST(store_keeps_batches_over_a_clean_stop)
{
    /* What was appended is there after a clean stop, and the next start knows that it was clean. */
    struct world w;
    world_init(&w, 1, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 7, "orders", 0, false);
    assert_int_equal(world_append(&w, p, 100, 3, 1000), 0);
    assert_int_equal(world_append(&w, p, 100, 2, 2000), 3);
    assert_int_equal(world_append(&w, p, 9000, 2, 3000), 5); /* in place */
    assert_int_equal(world_append(&w, p, 10, 1, 4000), 7);
    assert_int_equal(world_count(&w, p, 0), 8);
    world_close(&w);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_recovery r;
        store_recovery_get(w.store, &r);
        assert_true(r.clean);
        p = store_part_find(w.store, 7);
        assert_non_null(p);
        assert_int_equal(world_count(&w, p, 0), 8 + i);
        assert_int_equal(world_append(&w, p, 10, 1, 4000), 8 + i);
        world_close(&w);
    }
    world_deinit(&w);
}

TEST(store_keeps_acknowledged_batches_over_a_power_cut)
{
    /* Acknowledged means durable: inline and in place, before and after a checkpoint. */
    for (uint64_t choice = 0; choice < 50; choice++) {
        struct world w;
        world_init(&w, 2, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        for (int i = 0; i < 20; i++) {
            assert_int_equal(world_append(&w, p, i % 4 == 3 ? 5000 : 50, 1, i), i);
            if (i == 9) {
                world_checkpoint(&w);
            }
        }
        world_fact(&w, 42);
        world_cut(&w, choice);
        enum err e = world_open(&w);
        if (e != ERR_OK) {
            fail_msg("choice %d: %s", (int)choice, w.ec.text);
        }
        struct store_recovery r;
        store_recovery_get(w.store, &r);
        assert_false(r.clean);
        assert_int_equal(r.damaged_ranges, 0);
        p = store_part_find(w.store, 1);
        assert_int_equal(world_count(&w, p, 0), 20);
        assert_int_equal(w.fact_count, 1);
        assert_int_equal(w.facts[0], 42);
        assert_int_equal(w.batches_seen, 10);
        assert_int_equal(world_append(&w, p, 50, 1, 99), 20);
        world_deinit(&w);
    }
}
