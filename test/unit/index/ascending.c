/* A table whose keys ascend: the last of a prefix is where the newest are, and nothing else is
 * read. */
#include "core/bytes.h"
#include "test.h"
#include "world.h"

enum { PREFIXES = 40, ROUNDS = 12 };

static void key_of(uint64_t prefix, uint64_t number, uint8_t *key)
{
    put_be64(key, prefix * 0x9e3779b97f4a7c15u); /* as a hash: all over the table */
    put_be64(key + 8, number);
}

static void put_round(struct world *w, uint64_t round)
{
    uint8_t key[16], value[8] = {0};
    for (uint64_t p = 0; p < PREFIXES; p++) {
        key_of(p, round, key);
        put_be64(value, round);
        assert_int_equal(world_put_this(w, 0, key, value), ERR_OK);
    }
}

/* Each prefix has all numbers below `rounds`. */
static void check_last(struct world *w, uint64_t rounds)
{
    uint8_t key[16], found[16], value[8];
    for (uint64_t p = 0; p < PREFIXES; p++) {
        for (uint64_t n = 0; n <= rounds; n++) { /* the last: no bound */
            key_of(p, n, key);
            assert_int_equal(world_last(w, 0, key, n == rounds ? NULL : key, found, value), ERR_OK);
            assert_int_equal(get_be64(found + 8), n == rounds ? rounds - 1 : n);
            assert_int_equal(get_be64(value), get_be64(found + 8));
        }
    }
}

TEST(index_last_of_keys_that_ascend_reads_where_the_newest_are)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world w;
        struct index_stats before, after;
        uint8_t key[16], found[16], value[8];
        world_init(&w, seed, 0);
        w.tables[0].ascending = true;
        assert_int_equal(world_open(&w), ERR_OK);
        for (uint64_t round = 0; round < ROUNDS; round++) {
            put_round(&w, round);
            check_last(&w, round + 1);
            assert_int_equal(world_cover(&w, true), ERR_OK);
            if (round % 3 == 0) {
                world_settle(&w);
            }
            check_last(&w, round + 1); /* also while it is written, and while runs are merged */
        }
        world_settle(&w);
        check_last(&w, ROUNDS);
        world_check(&w);
        env_sim_set_cold(w.env, true);
        index_stats_get(w.ix, &before);
        assert_true(before.run_count > 1);
        for (uint64_t p = 0; p < PREFIXES; p++) {
            key_of(p, 0, key);
            assert_int_equal(world_last(&w, 0, key, NULL, found, value), ERR_OK);
        }
        index_stats_get(w.ix, &after);
        assert_int_equal(after.disk_reads - before.disk_reads, PREFIXES);
        put_round(&w, ROUNDS); /* in memory: nothing is read */
        for (uint64_t p = 0; p < PREFIXES; p++) {
            key_of(p, 0, key);
            assert_int_equal(world_last(&w, 0, key, NULL, found, value), ERR_OK);
            assert_int_equal(get_be64(found + 8), ROUNDS);
        }
        index_stats_get(w.ix, &before);
        assert_int_equal(before.disk_reads, after.disk_reads);
        world_deinit(&w);
    }
}
