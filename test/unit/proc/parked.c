/* Keys whose step fails: their later events wait and never overtake. */
#include "world.h"

#include "record/record.h"

static char ka[8], kb[8]; /* two keys of partition 0 */

static void init(struct procs *w, enum engine_is is)
{
    world_init(w, is);
    (void)snprintf(ka, sizeof(ka), "%s", key_in(0, 0));
    (void)snprintf(kb, sizeof(kb), "%s", key_in(0, atoi(ka + 1) + 1));
    w->mended = 1;
}

static bool resumes(struct procs *w)
{
    struct arena a;
    size_t count;
    bool more;
    arena_init(&a, 1 << 20);
    const struct proc_parked_key *rows = proc_parked(w->nodes[0].proc, &a, 1, &count, &more);
    const bool is_so = count == 0 || rows[0].resuming;
    arena_deinit(&a);
    return is_so;
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

TEST_EACH_ENGINE(a_failed_step_parks_its_key_and_the_others_go_on)
{
    struct procs w;
    int seen = 0;
    init(&w, is);
    start(&w);
    procs_say(&w, ka, "add 1");
    procs_say(&w, ka, "fail 1");
    procs_say(&w, kb, "add 10");
    procs_say(&w, ka, "add 2");
    procs_say(&w, kb, "add 20");
    until_values(&w, "out", "1 1,1 10,2 30,"); /* nothing of the failed step */
    UNTIL(&w, task(&w, 0).parked_events == 2 && task(&w, 0).state == PROC_TASK_RUNNING);
    UNTIL(&w, task(&w, 0).next_offset == 5);
    struct proc_task_status s = task(&w, 0);
    assert_int_equal(s.parked_keys, 1);
    assert_int_equal(s.end_offset, s.next_offset);
    procs_each(&w, "__leat_sums-parked", 0, look_at_parked, &seen);
    assert_int_equal(seen, 2);
    /* It stays so after a restart, and fails again while nothing is mended. */
    procs_kill(&w, 0);
    start(&w);
    UNTIL(&w, task(&w, 0).parked_events == 2);
    assert_int_equal(control(&w, PROC_KEY_RESUME, kb), ERR_NOT_FOUND);
    assert_int_equal(control(&w, PROC_KEY_RESUME, ka), ERR_OK);
    procs_run(&w, 500);
    UNTIL(&w, task(&w, 0).parked_events == 2 && !resumes(&w));
    w.mended = 0;
    procs_run(&w, 500);
    UNTIL(&w, task(&w, 0).parked_events == 2); /* nobody asked */
    assert_string_equal(values(&w, "out"), "1 1,1 10,2 30,");
    procs_say(&w, ka, "add 3");
    assert_int_equal(control(&w, PROC_KEY_RESUME, NULL), ERR_OK);
    settled(&w);
    UNTIL(&w, task(&w, 0).state == PROC_TASK_RUNNING && task(&w, 0).parked_keys == 0);
    assert_int_equal(task(&w, 0).parked_events, 0);
    procs_deinit(&w);
}

TEST_EACH_ENGINE(one_key_is_resumed_and_the_other_waits_on)
{
    struct procs w;
    init(&w, is);
    start(&w);
    procs_say(&w, kb, "fail 1");
    procs_say(&w, ka, "fail 1");
    procs_say(&w, kb, "add 1");
    procs_say(&w, ka, "add 2");
    UNTIL(&w, task(&w, 0).parked_events == 4);
    w.mended = 0;
    assert_int_equal(control(&w, PROC_KEY_RESUME, ka), ERR_OK);
    until_values(&w, "out", "of a step that fails,1 2,");
    UNTIL(&w, task(&w, 0).parked_keys == 1);
    assert_int_equal(task(&w, 0).parked_events, 2);
    assert_int_equal(control(&w, PROC_KEY_RESUME, kb), ERR_OK);
    settled(&w);
    procs_deinit(&w);
}

TEST_EACH_ENGINE(a_stopped_key_has_room_for_few_events_then_the_task_waits)
{
    struct procs w;
    init(&w, is);
    w.spec.on_error = PROC_STOP_KEY;
    w.spec.waiting_max = 3;
    start(&w);
    procs_say(&w, ka, "fail 1");
    procs_say(&w, ka, "add 1");
    procs_say(&w, ka, "add 2");
    procs_say(&w, kb, "add 5");
    UNTIL(&w, task(&w, 0).parked_events == 3 && task(&w, 0).state == PROC_TASK_RUNNING);
    until_values(&w, "out", "1 5,");
    procs_say(&w, ka, "add 3");
    procs_say(&w, kb, "add 6");
    procs_run(&w, 3000);
    UNTIL(&w, task(&w, 0).state == PROC_TASK_BLOCKED);
    const struct proc_task_status s = task(&w, 0);
    assert_int_equal(s.end_offset - s.next_offset, 2);
    assert_true(s.lag_ms > 1000);
    assert_non_null(strstr(s.ec.hint, "told to fail"));
    procs_kill(&w, 0); /* it is behind after a restart, too, though it has executed nothing */
    start(&w);
    UNTIL(&w, task(&w, 0).state == PROC_TASK_BLOCKED);
    assert_true(task(&w, 0).lag_ms > 1000);
    assert_string_equal(values(&w, "out"), "1 5,");
    w.mended = 0;
    assert_int_equal(control(&w, PROC_KEY_RESUME, ka), ERR_OK);
    settled(&w);
    procs_deinit(&w);
}

TEST_EACH_ENGINE(what_waits_can_be_discarded)
{
    struct procs w;
    init(&w, is);
    start(&w);
    procs_say(&w, ka, "add 1");
    procs_say(&w, ka, "fail 1");
    procs_say(&w, ka, "add 2");
    UNTIL(&w, task(&w, 0).parked_events == 2);
    assert_int_equal(control(&w, PROC_KEY_DISCARD, ka), ERR_OK);
    assert_int_equal(procs_status(&w).skipped, 2);
    assert_int_equal(task(&w, 0).parked_keys, 0);
    procs_say(&w, ka, "add 4");
    until_values(&w, "out", "1 1,2 5,");
    assert_int_equal(control(&w, PROC_KEY_DISCARD, ka), ERR_NOT_FOUND);
    procs_deinit(&w);
}

TEST_EACH_ENGINE(a_skipped_event_leaves_no_trace_but_its_count)
{
    struct procs w;
    init(&w, is);
    w.spec.on_error = PROC_SKIP;
    w.skip_fails = true;
    start(&w);
    procs_say(&w, ka, "add 1");
    procs_say(&w, ka, "fail 1");
    procs_say(&w, ka, "nonsense");
    procs_say(&w, ka, "add 2");
    until_values(&w, "out", "1 1,2 3,");
    if (is != AT_ITS_WORST) { /* where a batch whose end nobody was told of is not counted */
        assert_int_equal(procs_status(&w).skipped, 2);
        assert_int_equal(procs_status(&w).steps, 4);
    }
    procs_deinit(&w);
}

TEST_EACH_ENGINE(timers_of_a_parked_key_fire_behind_what_waits)
{
    struct procs w;
    init(&w, is);
    start(&w);
    procs_say(&w, ka, "timer t 60000"); /* time enough to fail first */
    procs_say(&w, ka, "fail 1");
    UNTIL(&w, task(&w, 0).parked_events == 2);
    assert_string_equal(values(&w, "fired"), "");
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
