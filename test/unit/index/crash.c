/*
 * The power goes off at every operation of a life with flushes, merges, starts and clean stops, and
 * at every operation of the starts that follow. What a start finds is what was in the index when
 * one of the covers was given, not an older one than was ever told to be durable, and nothing else.
 */
#include "core/mem.h"
#include "test.h"
#include "world.h"

/* What the owner has been told is durable. */
static uint32_t told;

static void listen(struct world *w)
{
    uint64_t n = 0;
    if (w->ix != NULL && str_to_u64(index_covered(w->ix), &n) && n > told) {
        told = (uint32_t)n;
    }
}

static bool start(struct world *w)
{
    uint32_t number;
    enum err e = world_open(w);
    if (e != ERR_OK) {
        if (!env_sim_is_cut(w->env)) {
            fail_msg("the start failed: %s %s", err_name(e), w->ec.text);
        }
        return false;
    }
    if (!world_adopt(w, &number)) {
        fail_msg("it covers what was never given");
    }
    if (number < told) {
        fail_msg("covers %u, although %u was durable", number, told);
    }
    /* Numbers are not used twice: what was lost is not covered again. */
    return true;
}

/* Fails for the first broken promise; ends early when the power goes. */
static void live(struct world *w, int steps)
{
    for (int i = 0; i < steps && !env_sim_is_cut(w->env); i++) {
        if (w->ix == NULL && !start(w)) {
            return;
        }
        const uint64_t what = world_random(w, 20);
        if (what < 10) {
            for (uint64_t n = world_random(w, 60); n > 0 && index_ready(w->ix); n--) {
                assert_int_equal(world_put(w), ERR_OK);
            }
        } else if (what < 14) {
            assert_int_equal(world_cover(w, world_random(w, 2) == 0), ERR_OK);
        } else if (what < 19) {
            world_turn(w);
        } else {
            world_close(w, world_random(w, 2) == 0);
        }
        listen(w);
    }
    if (w->ix != NULL && !env_sim_is_cut(w->env)) {
        world_settle(w);
        listen(w);
    }
}

static void check_start(struct world *w)
{
    if (start(w)) {
        world_check(w);
        assert_int_equal(w->harmed, 0);
    }
}

static void init(struct world *w, uint64_t seed)
{
    world_init(w, seed, 0);
    w->cfg.memory_bytes = 6 << 10;
    w->step_bytes = 9000;
    w->prefixes = 20;
    w->numbers = 6;
    told = 0;
}

/* The operations of one life. */
static uint64_t count_ops(uint64_t seed, int steps)
{
    struct world w;
    init(&w, seed);
    live(&w, steps);
    const uint64_t ops = env_sim_ops(w.env);
    world_deinit(&w);
    return ops;
}

static void cut_twice(struct world *w, const struct env_sim_disk *disk, uint64_t op)
{
    static const enum env_sim_keep named[] = {ENV_SIM_KEEP_ALL, ENV_SIM_LOSE_ALL};
    const uint32_t told_before = told;
    for (uint64_t i = 0; i < 5; i++) {
        env_sim_disk_restore(w->env, disk);
        told = told_before;
        /* The third is a kill; the start after it meets the power cut. */
        if (i == 2) {
            world_kill(w);
        } else {
            world_cut(w, i < 2 ? named[i] : ENV_SIM_RANDOM, op * 10 + i);
        }
        /* The start is cut as well, at one of its operations or soon after it. */
        env_sim_cut_at(w->env, env_sim_ops(w->env) + 1 + world_random(w, 30));
        live(w, 12);
        world_cut(w, i % 2 == 0 ? ENV_SIM_LOSE_ALL : ENV_SIM_RANDOM, op + i);
        check_start(w);
        live(w, 6);
        if (w->ix != NULL) {
            world_check(w);
            world_close(w, false);
        }
    }
}

static void cut_at(uint64_t seed, int steps, uint64_t op)
{
    struct world w;
    init(&w, seed);
    env_sim_cut_at(w.env, op);
    live(&w, steps);
    world_stop(&w);
    struct env_sim_disk *disk = env_sim_disk_save(w.env);
    cut_twice(&w, disk, op);
    env_sim_disk_free(disk);
    world_deinit(&w);
}

TEST(index_opens_with_a_covered_state_after_a_power_cut_at_any_operation)
{
    const int steps = 60;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        const uint64_t ops = count_ops(seed, steps);
        assert_true(ops > 100);
        for (uint64_t op = 1; op <= ops; op++) {
            cut_at(seed, steps, op);
        }
    }
}
