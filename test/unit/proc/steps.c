/* Steps, state, outputs and timers, on an engine that behaves and on one that does not. */
#include <stdio.h>
#include <string.h>

#include "engine/procs.h"
#include "test.h"

/* n commands on random keys; some with timers. */
static void say_some(struct procs *w, uint64_t *rng, size_t n)
{
    char key[8], command[40];
    for (size_t i = 0; i < n; i++) {
        *rng = *rng * 6364136223846793005u + 1442695040888963407u;
        const unsigned x = (unsigned)(*rng >> 33);
        (void)snprintf(key, sizeof(key), "k%u", x % PROCS_KEYS);
        if (x / 8 % 8 == 0) {
            (void)snprintf(command, sizeof(command), "timer t%u %u", x / 64 % 3, x / 256 % 900);
        } else if (x / 8 % 16 == 1) {
            (void)snprintf(command, sizeof(command), "cancel t%u", x / 64 % 3);
        } else {
            (void)snprintf(command, sizeof(command), "add %u", x / 64 % 1000);
        }
        procs_say(w, key, command);
    }
}

static void settled(struct procs *w)
{
    char why[300] = "";
    if (!procs_settle(w, 600000)) {
        (void)procs_check(w, true, why, sizeof(why));
        fail_msg("it did not settle: %s", why);
    }
}

TEST(every_event_is_a_step_whose_effects_are_in_the_log_once)
{
    struct procs w;
    struct worst_config cfg;
    uint64_t rng = 1;
    worst_config_good(&cfg, 1);
    procs_init(&w, 1, &cfg);
    assert_int_equal(procs_up(&w, 0), ERR_OK);
    say_some(&w, &rng, 300);
    settled(&w);
    assert_int_equal(procs_status(&w).steps - procs_status(&w).timers_fired, 300);
    procs_stop(&w, 0);
    procs_deinit(&w);
}

TEST(the_same_on_an_engine_at_its_worst)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct procs w;
        struct worst_config cfg;
        uint64_t rng = seed;
        worst_config_bad(&cfg, seed);
        procs_init(&w, seed, &cfg);
        for (size_t i = 0; i < 1 + seed % 3; i++) {
            assert_int_equal(procs_up(&w, i), ERR_OK);
        }
        for (size_t i = 0; i < 10; i++) {
            say_some(&w, &rng, 20);
            procs_run(&w, 200);
        }
        settled(&w);
        procs_deinit(&w);
    }
}
