/* The index against a model: everything in random order, compared after every few steps. */
#include "test.h"
#include "world.h"

static void reopen(struct world *w)
{
    uint32_t number;
    world_close(w, world_random(w, 2) == 0);
    assert_int_equal(world_open(w), ERR_OK);
    assert_true(world_adopt(w, &number));
    w->cover_count = number; /* what came after it was never there */
}

static uint32_t two_at_once; /* merges, one in another's pauses */

static void act(struct world *w)
{
    two_at_once += w->ix->merges[INDEX_MERGES_MAX - 1].on && w->ix->merges[INDEX_MERGES_MAX - 2].on;
    const uint64_t what = world_random(w, 100);
    if (what < 60) {
        for (uint64_t n = world_random(w, 20); n > 0; n--) {
            if (index_ready(w->ix)) {
                assert_int_equal(world_put(w), ERR_OK);
            }
        }
    } else if (what < 75) {
        assert_int_equal(world_cover(w, world_random(w, 4) == 0), ERR_OK);
    } else if (what < 85) {
        world_turn(w);
    } else if (what < 98) {
        world_look(w, 3);
    } else if (world_random(w, 4) == 0) {
        reopen(w);
    } else {
        world_settle(w);
    }
}

static void live(uint64_t seed, uint32_t prefixes, uint32_t numbers, uint64_t filter_bytes,
                 struct index_stats *stats)
{
    struct world w;
    world_init(&w, seed, 0);
    w.prefixes = prefixes;
    w.numbers = numbers;
    w.cfg.filter_bytes = filter_bytes;
    assert_int_equal(world_open(&w), ERR_OK);
    for (int i = 0; i < 800; i++) {
        act(&w);
        if (i % 100 == 99) {
            world_check(&w);
        }
    }
    world_settle(&w);
    world_check(&w);
    index_stats_get(w.ix, stats);
    assert_int_equal(w.harmed, 0);
    world_deinit(&w);
}

TEST(index_answers_as_a_sorted_map_does)
{
    struct index_stats s;
    uint64_t merges = 0, flushes = 0, saved = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        live(seed, 40, 30, 1 << 20, &s);
        merges += s.merges;
        flushes += s.flushes;
        saved += s.filter_saved;
    }
    assert_true(merges > 0 && flushes > 20 && saved > 100);
    assert_true(two_at_once > 0);
}

TEST(index_answers_with_many_entries_under_few_prefixes)
{
    struct index_stats s;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        live(seed, 2, 5000, 1 << 20, &s);
    }
}

TEST(index_answers_with_many_prefixes_and_without_filters)
{
    struct index_stats s;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        live(seed, 100000, 2, seed % 2 == 0 ? 0 : 2000, &s);
        assert_true(s.filter_bytes <= 2000);
    }
}
