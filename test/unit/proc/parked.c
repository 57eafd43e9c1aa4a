/* Keys whose step fails: their later events wait and never overtake. */
#include "world.h"

#include "record/record.h"

static char ka[8], kb[8]; /* two keys of partition 0 */

static void init(struct procs *w, bool embedded)
{
    world_init(w, embedded);
    (void)snprintf(ka, sizeof(ka), "%s", key_in(0, 0));
    (void)snprintf(kb, sizeof(kb), "%s", key_in(0, atoi(ka + 1) + 1));
    w->mended = 1;
}

static void look_at_parked(void *ctx, const struct record *r)
{
    static const char *const names[] = {"leat-parked-topic",  "leat-parked-partition",
                                        "leat-parked-offset", "leat-parked-key",
                                        "leat-parked-timer",  "leat-parked-error"};
    int *seen = ctx;
    struct slice s = r->headers;
    struct record_header h;
    assert_true(str_eq_z(r->key, ka));
    assert_int_equal(r->header_count, ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_true(record_header_next(&s, &h));
        assert_true(str_eq_z(h.key, names[i]));
        assert_true(i != 0 || str_eq_z(h.value, "in"));
        assert_true(i != 5 || *seen > 0 || str_eq_z(h.value, "ERR_INVALID_RECORD: told to fail"));
        assert_true(i != 5 || *seen == 0 || str_is_null(h.value));
    }
    (*seen)++;
}

TEST_BOTH(a_failed_step_parks_its_key_and_the_others_go_on)
{
    struct procs w;
    int seen = 0;
    init(&w, embedded);
    start(&w);
    procs_say(&w, ka, "add 1");
    procs_say(&w, ka, "fail 1");
    procs_say(&w, kb, "add 10");
    procs_say(&w, ka, "add 2");
    procs_say(&w, kb, "add 20");
    procs_run(&w, 500);
    assert_string_equal(values(&w, "out"), "1 1,1 10,2 30,"); /* nothing of the failed step */
    struct proc_task_status s = task(&w, 0);
    assert_int_equal(s.parked_keys, 1);
    assert_int_equal(s.parked_events, 2);
    assert_int_equal(s.state, PROC_TASK_RUNNING);
    assert_int_equal(s.end_offset, s.next_offset);
    procs_each(&w, "__leat_sums-parked", 0, look_at_parked, &seen);
    assert_int_equal(seen, 2);
    /* It stays so after a restart, and fails again while nothing is mended. */
    procs_kill(&w, 0);
    start(&w);
    procs_run(&w, 1000);
    assert_int_equal(task(&w, 0).parked_events, 2);
    assert_int_equal(control(&w, PROC_KEY_RESUME, kb), ERR_NOT_FOUND);
    assert_int_equal(control(&w, PROC_KEY_RESUME, ka), ERR_OK);
    procs_run(&w, 500);
    assert_int_equal(task(&w, 0).parked_events, 2);
    w.mended = 0;
    procs_run(&w, 500);
    assert_int_equal(task(&w, 0).parked_events, 2); /* nobody asked */
    procs_say(&w, ka, "add 3");
    assert_int_equal(control(&w, PROC_KEY_RESUME, NULL), ERR_OK);
    settled(&w);
    s = task(&w, 0);
    assert_int_equal(s.parked_keys, 0);
    assert_int_equal(s.parked_events, 0);
    procs_deinit(&w);
}

TEST_BOTH(one_key_is_resumed_and_the_other_waits_on)
{
    struct procs w;
    init(&w, embedded);
    start(&w);
    procs_say(&w, kb, "fail 1");
    procs_say(&w, ka, "fail 1");
    procs_say(&w, kb, "add 1");
    procs_say(&w, ka, "add 2");
    procs_run(&w, 500);
    w.mended = 0;
    assert_int_equal(control(&w, PROC_KEY_RESUME, ka), ERR_OK);
    procs_run(&w, 3000);
    assert_string_equal(values(&w, "out"), "of a step that fails,1 2,");
    assert_int_equal(task(&w, 0).parked_keys, 1);
    assert_int_equal(task(&w, 0).parked_events, 2);
    assert_int_equal(control(&w, PROC_KEY_RESUME, kb), ERR_OK);
    settled(&w);
    procs_deinit(&w);
}

TEST_BOTH(a_stopped_key_has_room_for_few_events_then_the_task_waits)
{
    struct procs w;
    init(&w, embedded);
    w.spec.on_error = PROC_STOP_KEY;
    w.spec.waiting_max = 3;
    start(&w);
    procs_say(&w, ka, "fail 1");
    procs_say(&w, ka, "add 1");
    procs_say(&w, ka, "add 2");
    procs_say(&w, kb, "add 5");
    procs_run(&w, 500);
    assert_int_equal(task(&w, 0).parked_events, 3);
    assert_int_equal(task(&w, 0).state, PROC_TASK_RUNNING);
    procs_say(&w, ka, "add 3");
    procs_say(&w, kb, "add 6");
    procs_run(&w, 3000);
    const struct proc_task_status s = task(&w, 0);
    assert_int_equal(s.state, PROC_TASK_BLOCKED);
    assert_int_equal(s.end_offset - s.next_offset, 2);
    assert_true(s.lag_ms > 1000);
    assert_non_null(strstr(s.ec.hint, "told to fail"));
    assert_string_equal(values(&w, "out"), "1 5,");
    w.mended = 0;
    assert_int_equal(control(&w, PROC_KEY_RESUME, ka), ERR_OK);
    settled(&w);
    procs_deinit(&w);
}

TEST_BOTH(what_waits_can_be_discarded)
{
    struct procs w;
    init(&w, embedded);
    start(&w);
    procs_say(&w, ka, "add 1");
    procs_say(&w, ka, "fail 1");
    procs_say(&w, ka, "add 2");
    procs_run(&w, 500);
    assert_int_equal(control(&w, PROC_KEY_DISCARD, ka), ERR_OK);
    assert_int_equal(procs_status(&w).skipped, 2);
    assert_int_equal(task(&w, 0).parked_keys, 0);
    procs_say(&w, ka, "add 4");
    procs_run(&w, 500);
    assert_string_equal(values(&w, "out"), "1 1,2 5,");
    assert_int_equal(control(&w, PROC_KEY_DISCARD, ka), ERR_NOT_FOUND);
    procs_deinit(&w);
}

TEST_BOTH(a_skipped_event_leaves_no_trace_but_its_count)
{
    struct procs w;
    init(&w, embedded);
    w.spec.on_error = PROC_SKIP;
    w.skip_fails = true;
    start(&w);
    procs_say(&w, ka, "add 1");
    procs_say(&w, ka, "fail 1");
    procs_say(&w, ka, "nonsense");
    procs_say(&w, ka, "add 2");
    procs_run(&w, 500);
    assert_string_equal(values(&w, "out"), "1 1,2 3,");
    assert_int_equal(procs_status(&w).skipped, 2);
    assert_int_equal(procs_status(&w).steps, 4);
    procs_deinit(&w);
}

TEST_BOTH(timers_of_a_parked_key_fire_behind_what_waits)
{
    struct procs w;
    init(&w, embedded);
    start(&w);
    procs_say(&w, ka, "timer t 300");
    procs_say(&w, ka, "fail 1");
    procs_run(&w, 1000);
    assert_string_equal(values(&w, "fired"), "");
    assert_int_equal(task(&w, 0).parked_events, 2);
    assert_int_equal(task(&w, 0).timers, 0);
    procs_kill(&w, 0);
    start(&w);
    procs_run(&w, 1000);
    w.mended = 0;
    assert_int_equal(control(&w, PROC_KEY_RESUME, NULL), ERR_OK);
    settled(&w);
    assert_int_equal(strncmp(values(&w, "fired"), "t ", 2), 0);
    procs_deinit(&w);
}

TEST(parked_keys_on_an_engine_at_its_worst)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct procs w;
        struct worst_config cfg;
        uint64_t rng = seed;
        worst_config_bad(&cfg, seed);
        procs_init(&w, seed, &cfg);
        w.mended = 1;
        assert_int_equal(procs_up(&w, 0), ERR_OK);
        assert_int_equal(procs_up(&w, 1), ERR_OK);
        for (size_t i = 0; i < 6; i++) {
            say_some(&w, &rng, 10);
            procs_say(&w, i % 2 == 0 ? "k1" : "k3", "fail 1");
            procs_run(&w, 300);
        }
        w.mended = 0;
        bool good = false;
        for (size_t i = 0; i < 200 && !good; i++) {
            procs_control(&w, 0, PROC_KEY_RESUME);
            procs_control(&w, 1, PROC_KEY_RESUME);
            good = procs_settle(&w, 500);
        }
        if (!good) {
            settled(&w);
        }
        procs_deinit(&w);
    }
}
