/* On Leat's own engine, whose machine loses power, or whose process is killed, at its operations.
 */
#include "world.h"

static void wait_cut(struct procs *w, uint64_t ms)
{
    const uint64_t until = env_mono_ns(w->env) + ms * 1000000;
    while (!env_sim_is_cut(w->env) && procs_step(w, until)) {
    }
}

/* Says commands, is cut at an operation from then on, and must be right after that. */
static bool cut_at(uint64_t seed, uint64_t op)
{
    struct procs w;
    uint64_t rng = seed;
    procs_init_embedded(&w, seed);
    w.kills = seed + op; /* power or process */
    w.mended = 1;
    w.spec.batch_steps = 1;
    start(&w);
    assert_int_equal(control(&w, PROC_PAUSE, NULL), ERR_OK);
    say_some(&w, &rng, 10);
    procs_say(&w, "k1", "fail 1");
    say_some(&w, &rng, 10);
    env_sim_cut_at(w.env, env_sim_ops(w.env) + op);
    procs_control(&w, 0, PROC_RESUME);
    wait_cut(&w, 300);
    w.mended = 0;
    procs_control(&w, 0, PROC_KEY_RESUME);
    wait_cut(&w, 700);
    const bool reached = env_sim_is_cut(w.env);
    procs_kill(&w, 0);
    assert_int_equal(procs_up(&w, 0), ERR_OK);
    bool good = false;
    for (int i = 0; i < 100 && !good; i++) {
        procs_control(&w, 0, i % 2 == 0 ? PROC_RESUME : PROC_KEY_RESUME);
        good = procs_settle(&w, 500);
    }
    if (!good) {
        settled(&w);
    }
    procs_deinit(&w);
    return reached;
}

TEST(a_cut_at_every_operation_loses_and_doubles_nothing)
{
    uint64_t op = 1;
    while (cut_at(1, op)) {
        op++;
    }
    assert_true(op > 20);
    for (uint64_t seed = 2; seed < 40; seed++) {
        (void)cut_at(seed, 1 + seed * 7 % op);
    }
}
