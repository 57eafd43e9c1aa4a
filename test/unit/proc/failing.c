/* Every allocation fails once: what was going on is tried again, and nothing is lost or doubled. */
#include "world.h"

/* One life with parked keys, timers and a restart. false: the allocation was never reached. */
static bool live(uint64_t n, bool bad)
{
    struct procs w;
    struct worst_config cfg;
    uint64_t rng = 7;
    bad ? worst_config_bad(&cfg, 3) : worst_config_good(&cfg, 3);
    procs_init(&w, 3, &cfg);
    w.mended = 1;
    say_some(&w, &rng, 20);
    procs_say(&w, "k1", "fail 1");
    say_some(&w, &rng, 10);
    test_fail_alloc(n);
    enum err e = procs_up(&w, 0);
    if (e != ERR_OK) {
        assert_int_equal(e, ERR_NO_MEMORY);
    }
    if (e == ERR_OK) {
        procs_run(&w, 1500);
        w.mended = 0;
        procs_control(&w, 0, PROC_KEY_RESUME);
        procs_run(&w, 1500);
        procs_kill(&w, 0);
        e = procs_up(&w, 0);
        assert_true(e == ERR_OK || e == ERR_NO_MEMORY);
        procs_run(&w, 1500);
    }
    const bool reached = test_fail_alloc_end();
    w.mended = 0;
    if (w.nodes[0].proc == NULL) {
        assert_int_equal(procs_up(&w, 0), ERR_OK);
    }
    bool good = false;
    for (int i = 0; i < 100 && !good; i++) {
        procs_control(&w, 0, PROC_KEY_RESUME);
        good = procs_settle(&w, 1000);
    }
    if (!good) {
        settled(&w);
    }
    procs_deinit(&w);
    return reached;
}

TEST(every_allocation_may_fail)
{
    uint64_t n = 1;
    while (live(n, false)) {
        n++;
    }
    assert_true(n > 200);
}

TEST(some_allocations_fail_on_an_engine_at_its_worst)
{
    for (uint64_t n = 1; live(n, true); n += 7) {
    }
}
