/*
 * Operations that fail, one in each life: look-ups stay right or say why not, what failed is done
 * again when time has passed, a flush that failed is told. A disk that is full for a while. Every
 * allocation.
 */
#include <stdio.h>

#include "core/mem.h"
#include "test.h"
#include "world.h"

enum { SECOND = 1000000000 };

static uint32_t told;

static void listen(struct world *w)
{
    uint64_t n = 0;
    if (str_to_u64(index_covered(w->ix), &n) && n > told) {
        told = (uint32_t)n;
    }
}

/* false: the power went. */
static bool start(struct world *w)
{
    uint32_t number;
    enum err e = world_open(w);
    /* Once more: only one operation fails. */
    e = e == ERR_OK ? e : world_open(w);
    if (e != ERR_OK && env_sim_is_cut(w->env)) {
        return false;
    }
    if (e != ERR_OK && w->harmed == 0) {
        /* A flush of the start: nothing is flushed any more in this process. */
        world_kill(w);
        e = world_open(w);
    }
    if (e != ERR_OK) {
        fail_msg("the start failed: %s %s", err_name(e), w->ec.text);
    }
    assert_true(world_adopt(w, &number));
    if (number < told) {
        fail_msg("covers %u, although %u was durable", number, told);
    }
    return true;
}

static void live(struct world *w, int steps)
{
    for (int i = 0; i < steps && !env_sim_is_cut(w->env); i++) {
        const uint64_t what = world_random(w, 20);
        if (w->ix == NULL && !start(w)) {
            return;
        }
        if (what < 9) {
            for (uint64_t n = world_random(w, 60); n > 0 && index_ready(w->ix); n--) {
                assert_int_equal(world_put(w), ERR_OK);
            }
        } else if (what < 13) {
            assert_int_equal(world_cover(w, world_random(w, 2) == 0), ERR_OK);
        } else if (what < 18) {
            world_turn(w);
            world_look(w, 2);
        } else {
            env_sim_advance_ns(w->env, world_random(w, 2) * SECOND);
            index_tick(w->ix);
        }
        listen(w);
    }
}

static void init(struct world *w, uint64_t seed, uint64_t disk_bytes)
{
    world_init(w, seed, disk_bytes);
    w->cfg.memory_bytes = 6 << 10;
    w->step_bytes = 9000;
    w->prefixes = 20;
    w->numbers = 6;
    told = 0;
}

static const char *last_cover(struct world *w)
{
    static char text[16];
    if (w->cover_count == 0 || !w->ix->at_cover) {
        assert_int_equal(world_cover(w, false), ERR_OK);
    }
    (void)snprintf(text, sizeof(text), "%u", w->cover_count);
    return text;
}

/* Everything that was covered gets to the disk, if any flush may succeed. */
static void recovers(struct world *w)
{
    for (int i = 0; i < 12; i++) {
        env_sim_advance_ns(w->env, 60ull * SECOND);
        index_tick(w->ix);
        world_settle(w);
    }
    for (int i = 0; i < 3; i++) { /* it may have been this flush that failed */
        assert_int_equal(index_cover(w->ix, str_of(last_cover(w)), true), ERR_OK);
        env_sim_advance_ns(w->env, 60ull * SECOND);
        world_settle(w);
    }
    listen(w);
    if (w->harmed == 0) {
        assert_int_equal(told, w->cover_count);
    }
}

static uint64_t life_ops(uint64_t seed, int steps)
{
    struct world w;
    init(&w, seed, 0);
    live(&w, steps);
    recovers(&w);
    const uint64_t ops = env_sim_ops(w.env);
    world_deinit(&w);
    return ops;
}

static void one_fails(uint64_t seed, int steps, uint64_t op, enum err with, uint32_t *harmed)
{
    struct world w;
    init(&w, seed, 0);
    w.tolerated = with;
    env_sim_fail_nth(w.env, ENV_SIM_OP_COUNT, op, with, false);
    live(&w, steps);
    recovers(&w);
    w.tolerated = ERR_OK;
    world_check(&w);
    assert_true(w.harmed <= 1);
    *harmed += w.harmed;
    /* What is there after a kill is there after the cut that follows it, too. */
    world_kill(&w);
    assert_true(start(&w));
    listen(&w);
    world_check(&w);
    world_cut(&w, op % 2 == 0 ? ENV_SIM_LOSE_ALL : ENV_SIM_RANDOM, op);
    assert_true(start(&w));
    world_check(&w);
    world_deinit(&w);
}

/* The power goes (or the process ends) soon after the failure. */
static void fails_and_stops(uint64_t seed, int steps, uint64_t op, enum err with)
{
    struct world w;
    init(&w, seed, 0);
    w.tolerated = with;
    env_sim_fail_nth(w.env, ENV_SIM_OP_COUNT, op, with, false);
    env_sim_cut_at(w.env, op + 1 + op % 7);
    live(&w, steps);
    env_sim_fail_nth(w.env, ENV_SIM_OP_COUNT, 1, ERR_OK, false);
    if (op % 3 == 0) {
        world_cut(&w, ENV_SIM_RANDOM, op);
    } else {
        world_kill(&w);
    }
    w.tolerated = ERR_OK;
    assert_true(start(&w));
    listen(&w);
    world_check(&w);
    world_cut(&w, op % 2 == 0 ? ENV_SIM_LOSE_ALL : ENV_SIM_RANDOM, op);
    assert_true(start(&w));
    world_check(&w);
    world_deinit(&w);
}

TEST(index_goes_on_after_any_operation_that_failed)
{
    const int steps = 120;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        const uint64_t ops = life_ops(seed, steps);
        uint32_t harmed = 0;
        assert_true(ops > 100);
        for (uint64_t op = 1; op <= ops; op++) {
            one_fails(seed, steps, op, ERR_IO, &harmed);
            fails_and_stops(seed, steps, op, ERR_IO);
        }
        assert_true(harmed > 5); /* flushes were among them */
    }
}

TEST(index_goes_on_after_an_operation_without_a_descriptor)
{
    const int steps = 100;
    const uint64_t ops = life_ops(4, steps);
    for (uint64_t op = 1; op <= ops; op++) {
        uint32_t harmed = 0;
        one_fails(4, steps, op, ERR_NO_DESCRIPTORS, &harmed);
        fails_and_stops(4, steps, op, ERR_NO_DESCRIPTORS);
    }
}

TEST(index_waits_for_a_full_disk_and_goes_on_alone)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world w;
        init(&w, seed, 150 << 10);
        w.prefixes = 100000;
        assert_true(start(&w));
        /* Until it takes no more: then memory holds twice what it should. */
        for (int i = 0; i < 20000 && index_ready(w.ix); i++) {
            assert_int_equal(world_put(&w), ERR_OK);
            if (i % 50 == 0) {
                assert_int_equal(world_cover(&w, false), ERR_OK);
                world_settle(&w);
            }
        }
        assert_int_equal(world_cover(&w, false), ERR_OK);
        world_settle(&w);
        assert_false(index_ready(w.ix));
        assert_int_equal(w.ready, 0);
        world_look(&w, 100);
        env_sim_set_disk_bytes(w.env, 100 << 20);
        for (int i = 0; i < 100 && !index_ready(w.ix); i++) {
            env_sim_advance_ns(w.env, SECOND);
            index_tick(w.ix);
            world_settle(&w);
        }
        assert_true(index_ready(w.ix));
        assert_int_equal(w.ready, 1);
        assert_int_equal(w.harmed, 0);
        recovers(&w);
        world_check(&w);
        world_deinit(&w);
    }
}

TEST(index_refuses_puts_beyond_its_bound)
{
    struct world w;
    init(&w, 1, 0);
    w.prefixes = 100000;
    assert_true(start(&w));
    enum err e = ERR_OK;
    for (int i = 0; i < 20000 && e == ERR_OK; i++) {
        e = world_put(&w);
    }
    assert_int_equal(e, ERR_NO_MEMORY);
    struct index_stats stats;
    index_stats_get(w.ix, &stats);
    assert_true(stats.memory_bytes <= INDEX_MEMORY_FACTOR * w.cfg.memory_bytes + 8192);
    world_check(&w);
    assert_int_equal(world_cover(&w, false), ERR_OK);
    world_settle(&w);
    assert_int_equal(world_put(&w), ERR_OK);
    world_check(&w);
    world_deinit(&w);
}

/* ---- Memory -----------------------------------------------------------------------------------
 */

/* A life that copes with every refusal: what was refused is not in the model. */
static enum err life_with_allocs(void *ctx)
{
    struct world *w = ctx;
    enum err first = ERR_OK;
    uint32_t number;
    w->tolerated = ERR_NO_MEMORY;
    for (int round = 0; round < 2 && first == ERR_OK; round++) {
        enum err e = world_open(w);
        if (e != ERR_OK) {
            return e;
        }
        assert_true(world_adopt(w, &number));
        for (int i = 0; i < 12; i++) {
            for (int k = 0; k < 25 && index_ready(w->ix); k++) {
                e = world_put(w);
                first = first == ERR_OK ? e : first;
            }
            e = world_cover(w, i % 3 == 2);
            first = first == ERR_OK ? e : first;
            world_look(w, 4);
            if (i % 2 == 1) {
                world_settle(w);
            }
        }
        world_check(w);
        world_close(w, true);
    }
    return first;
}

static enum err fresh_life_with_allocs(void *ctx)
{
    struct world *w = ctx;
    enum err e = world_open(w);
    if (e == ERR_OK) {
        world_close(w, false);
        e = life_with_allocs(w);
    }
    if (w->ix != NULL) {
        world_close(w, false);
    }
    return e;
}

/* As test_each_failing_alloc, with a machine whose own memory never fails. */
TEST(index_copes_with_any_allocation_that_fails)
{
    uint32_t reached = 0;
    for (uint64_t n = 1;; n++) {
        struct world w;
        init(&w, 7, 0);
        w.prefixes = 30;
        test_fail_alloc(n);
        enum err e = fresh_life_with_allocs(&w);
        const int failed = test_fail_alloc_end();
        assert_true(e == ERR_OK || e == ERR_NO_MEMORY);
        assert_int_equal(w.harmed, 0);
        if (!failed) {
            assert_int_equal(e, ERR_OK);
        }
        /* And whatever happened: a start finds a state that was covered. */
        uint32_t number;
        assert_int_equal(world_open(&w), ERR_OK);
        assert_true(world_adopt(&w, &number));
        w.tolerated = ERR_OK;
        world_check(&w);
        world_deinit(&w);
        if (!failed) {
            break;
        }
        reached++;
    }
    assert_true(reached > 100);
}
