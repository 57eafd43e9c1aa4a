/* Pause, reset, where it begins, and what it says when it cannot go on. */
#include "world.h"

#include "core/buf.h"

/* The value of one of its metrics; fails if there is none. */
static double metric(struct procs *w, const char *name)
{
    struct buf b;
    char line[100];
    double value = -1;
    (void)snprintf(line, sizeof(line), "\nleat_processor_%s{processor=\"sums\"} ", name);
    buf_init(&b, 1 << 20);
    metrics_write(w->metrics[0], &b);
    buf_put_u8(&b, 0);
    const char *at = strstr((const char *)b.p, line);
    if (at == NULL) {
        fail_msg("no line '%s' in:\n%s", line + 1, (const char *)b.p);
    } else {
        value = strtod(at + strlen(line), NULL);
    }
    buf_deinit(&b);
    return value;
}

TEST_EACH_ENGINE(a_pause_outlives_a_restart)
{
    struct procs w;
    world_init(&w, is);
    start(&w);
    procs_say(&w, "k1", "timer t 60000");
    UNTIL(&w, task(&w, procs_partition("k1")).timers == 1);
    assert_int_equal(control(&w, PROC_PAUSE, NULL), ERR_OK);
    procs_say(&w, "k1", "add 1");
    procs_run(&w, 61000);
    assert_string_equal(values(&w, "out"), "");
    assert_string_equal(values(&w, "fired"), "");
    UNTIL(&w, task(&w, 0).state == PROC_TASK_PAUSED);
    procs_kill(&w, 0);
    start(&w);
    procs_run(&w, 2000);
    UNTIL(&w, task(&w, 0).state == PROC_TASK_PAUSED);
    assert_string_equal(values(&w, "fired"), "");
    assert_string_equal(values(&w, "out"), "");
    assert_int_equal(control(&w, PROC_RESUME, NULL), ERR_OK);
    settled(&w);
    UNTIL(&w, task(&w, 0).state == PROC_TASK_RUNNING);
    procs_deinit(&w);
}

TEST_EACH_ENGINE(a_reset_executes_again_from_no_state)
{
    struct procs w;
    uint64_t rng = 4;
    world_init(&w, is);
    start(&w);
    say_some(&w, &rng, 60);
    settled(&w);
    procs_expect_again(&w);
    assert_int_equal(control(&w, PROC_RESET, NULL), ERR_OK); /* to the start */
    settled(&w);
    /* What was before the reset does not come back with a restart. */
    procs_kill(&w, 0);
    start(&w);
    procs_say(&w, "k1", "add 1");
    settled(&w);
    procs_deinit(&w);
}

TEST_EACH_ENGINE(a_reset_goes_to_an_offset_a_time_or_the_end)
{
    struct procs w;
    world_init(&w, is);
    start(&w);
    char key[8];
    (void)snprintf(key, sizeof(key), "%s", key_in(0, 0));
    const int64_t at = env_wall_ms(w.env);
    procs_say(&w, key, "add 1");
    procs_run(&w, 1000);
    procs_say(&w, key, "add 2");
    procs_run(&w, 1000);
    procs_say(&w, key, "add 4");
    until_values(&w, "out", "1 1,2 3,3 7,");
    struct proc_call c = {.kind = PROC_RESET, .partition = 0, .to = PROC_TO_OFFSET, .offset = 2};
    assert_int_equal(call(&w, &c), ERR_OK);
    assert_int_equal(c.affected, 1);
    until_values(&w, "out", "1 1,2 3,3 7,1 4,");
    c = (struct proc_call){
        .kind = PROC_RESET, .partition = 0, .to = PROC_TO_TIME, .timestamp_ms = at + 500};
    c.keep_state = true;
    assert_int_equal(call(&w, &c), ERR_OK);
    until_values(&w, "out", "1 1,2 3,3 7,1 4,2 6,3 10,");
    c = (struct proc_call){.kind = PROC_RESET, .partition = -1, .to = PROC_TO_END};
    assert_int_equal(call(&w, &c), ERR_OK);
    assert_int_equal(c.affected, PROCS_PARTS);
    procs_say(&w, key, "add 8");
    until_values(&w, "out", "1 1,2 3,3 7,1 4,2 6,3 10,1 8,");
    /* What cannot be. */
    c = (struct proc_call){.kind = PROC_RESET, .partition = 0, .to = PROC_TO_OFFSET, .offset = 99};
    assert_int_equal(call(&w, &c), ERR_OFFSET_OUT_OF_RANGE);
    assert_non_null(strstr(c.ec.text, "has 0 to 4"));
    c.partition = -1;
    assert_int_equal(call(&w, &c), ERR_INVALID_REQUEST);
    c = (struct proc_call){.kind = PROC_PAUSE, .partition = 17};
    assert_int_equal(call(&w, &c), ERR_NOT_FOUND);
    procs_deinit(&w);
}

static void count_end(struct proc_call *c)
{
    ++*(int *)c->ctx;
}

TEST_EACH_ENGINE(calls_that_are_open_are_answered_when_it_stops)
{
    struct procs w;
    int ends = 0;
    world_init(&w, is);
    start(&w);
    struct proc_call c = {.kind = PROC_PAUSE, .partition = -1, .done = count_end, .ctx = &ends};
    struct proc_call d = c;
    proc_call(w.nodes[0].proc, &c);
    assert_int_equal(ends, 0);
    procs_kill(&w, 0);
    assert_int_equal(ends, 1);
    assert_int_equal(c.err, ERR_STOPPED);
    start(&w);
    proc_stop(w.nodes[0].proc);
    proc_call(w.nodes[0].proc, &d);
    assert_int_equal(ends, 2);
    assert_int_equal(d.err, ERR_STOPPED);
    procs_deinit(&w);
}

TEST_EACH_ENGINE(it_may_begin_with_what_comes)
{
    struct procs w;
    world_init(&w, is);
    w.spec.from_end = true;
    procs_say(&w, "k1", "add 1");
    start(&w);
    UNTIL(&w, task(&w, procs_partition("k1")).state == PROC_TASK_RUNNING);
    procs_run(&w, 30000); /* so that the commit is through */
    procs_kill(&w, 0);
    procs_say(&w, "k1", "add 2"); /* the beginning is settled: this one counts */
    start(&w);
    until_values(&w, "out", "1 2,");
    procs_deinit(&w);
}

TEST(what_it_needs_and_what_it_is_is_checked)
{
    struct procs w;
    struct proc *p;
    struct ectx ec = {0};
    world_init(&w, TOLD_TO_BEHAVE);
    struct engine *e = worst_engine_create(w.log, w.poll);
    struct metrics *m = metrics_create();
    struct proc_spec spec = w.spec;
    spec.capabilities = ENGINE_GLOBAL_ORDER;
    assert_int_equal(proc_create(e, m, &spec, &p, &ec), ERR_UNSUPPORTED_VERSION);
    assert_non_null(strstr(ec.text, "the processor 'sums' needs one order over all topics"));
    spec = w.spec;
    spec.name = STR_LIT("Sums");
    assert_int_equal(proc_create(e, m, &spec, &p, &ec), ERR_CONFIG);
    spec = w.spec;
    spec.topic_count = 0;
    assert_int_equal(proc_create(e, m, &spec, &p, &ec), ERR_CONFIG);
    const struct str twice[] = {{"in", 2}, {"in", 2}};
    spec = w.spec;
    spec.topics = twice;
    spec.topic_count = 2;
    assert_int_equal(proc_create(e, m, &spec, &p, &ec), ERR_CONFIG);
    engine_destroy(e);
    metrics_destroy(m);
    procs_deinit(&w);
}

TEST_TEST_ENGINE(it_waits_for_its_input)
{
    static const struct str late = {"late", 4};
    struct procs w;
    struct arena a;
    struct proc_status s;
    world_init(&w, is);
    w.spec.topics = &late;
    start(&w);
    procs_run(&w, 3000);
    arena_init(&a, 1 << 20);
    assert_int_equal(proc_status(w.nodes[0].proc, &a, &s), ERR_OK);
    assert_string_equal(s.phase, "waiting for its inputs");
    assert_non_null(strstr(s.ec.text, "'late'"));
    worst_topic_make(w.log, "late", 2);
    UNTIL(&w, procs_status(&w).task_count == 2);
    assert_int_equal(proc_status(w.nodes[0].proc, &a, &s), ERR_OK);
    assert_string_equal(s.phase, "running");
    (void)procs_produce(&w, "late", 1, STR_LIT("k"), STR_LIT("add 3"), 5);
    until_values(&w, "out", "1 3,");
    /* A partition that comes later has no state to go with it: it is left alone, by name. */
    worst_topic_grow(w.log, "late", 3);
    UNTIL(&w, strstr(task(&w, 2).ec.text, "keys have moved") != NULL);
    assert_int_equal(task(&w, 2).state, PROC_TASK_WAITING);
    (void)procs_produce(&w, "late", 1, STR_LIT("k"), STR_LIT("add 4"), 5);
    until_values(&w, "out", "1 3,2 7,");
    arena_deinit(&a);
    procs_deinit(&w);
}

TEST_TEST_ENGINE(moving_the_group_does_not_move_it)
{
    struct procs w;
    world_init(&w, is);
    start(&w);
    char key[8];
    (void)snprintf(key, sizeof(key), "%s", key_in(0, 0));
    procs_say(&w, key, "add 1");
    procs_say(&w, key, "add 2");
    settled(&w);
    procs_kill(&w, 0);
    worst_commit(w.log, "leat-sums", "in", 0, 0); /* back */
    start(&w);
    until_values(&w, "out", "1 1,2 3,");
    procs_kill(&w, 0);
    procs_say(&w, key, "add 4");
    worst_commit(w.log, "leat-sums", "in", 0, 3); /* forward: an event would be lost */
    start(&w);
    UNTIL(&w, strstr(task(&w, 0).ec.text, "known up to offset") != NULL);
    assert_int_equal(task(&w, 0).state, PROC_TASK_WAITING);
    assert_non_null(strstr(task(&w, 0).ec.text, "offset 2, the group has read to 3"));
    struct proc_call c = {
        .kind = PROC_RESET, .partition = 0, .to = PROC_TO_OFFSET, .offset = 2, .keep_state = true};
    assert_int_equal(call(&w, &c), ERR_OK);
    settled(&w);
    assert_string_equal(values(&w, "out"), "1 1,2 3,3 7,");
    procs_deinit(&w);
}

TEST_TEST_ENGINE(what_was_deleted_before_it_was_read_is_counted)
{
    struct procs w;
    world_init(&w, is);
    start(&w);
    char key[8];
    (void)snprintf(key, sizeof(key), "%s", key_in(0, 0));
    procs_say(&w, key, "add 1");
    until_values(&w, "out", "1 1,");
    assert_int_equal(control(&w, PROC_PAUSE, NULL), ERR_OK);
    procs_say(&w, key, "add 2");
    procs_say(&w, key, "add 4");
    procs_say(&w, key, "add 8");
    procs_kill(&w, 0);
    worst_trim(w.log, "in", 0, 3);
    start(&w);
    assert_int_equal(control(&w, PROC_RESUME, NULL), ERR_OK);
    until_values(&w, "out", "1 1,2 9,");
    /* Counted by each who sees it; a task that begins again before its commit sees it again. */
    const uint64_t lost = procs_status(&w).lost;
    assert_true(is == AT_ITS_WORST ? lost >= 2 && lost % 2 == 0 : lost == 2);
    assert_true(metric(&w, "lost_total") == (double)lost);
    procs_deinit(&w);
}

/* As a server does, which ticks whether something is due or not. */
static void run_ticked(struct procs *w, uint64_t ms)
{
    for (uint64_t i = 0; i < ms / 100; i++) {
        procs_run(w, 100);
        proc_tick(w->nodes[0].proc);
    }
}

TEST_WELL_BEHAVED(its_numbers_are_metrics, "a batch whose end nobody was told of is not counted")
{
    static const struct {
        const char *name;
        double value;
    } rows[] = {
        {"steps_total", 5}, {"timers_fired_total", 1}, {"outputs_total", 3}, {"skipped_total", 0},
        {"lost_total", 0},  {"parked_events", 1},      {"parked_keys", 1},   {"keys", 2},
        {"lag_records", 0}, {"lag_seconds", 0},        {"aborts_total", 0},  {"tasks", 3}};
    struct procs w;
    struct buf b;
    world_init(&w, is);
    w.mended = 1;
    start(&w);
    procs_say(&w, "k1", "add 1");
    procs_say(&w, "k1", "add 1");
    procs_say(&w, "k1", "timer t 400");
    procs_say(&w, "k2", "fail 1");
    run_ticked(&w, 5000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (metric(&w, rows[i].name) != rows[i].value) {
            fail_msg("%s is %f, should be %f", rows[i].name, metric(&w, rows[i].name),
                     rows[i].value);
        }
    }
    assert_true(metric(&w, "commits_total") > 0 && metric(&w, "state_bytes") > 0);
    /* What is left out by hand. */
    assert_int_equal(control(&w, PROC_KEY_DISCARD, "k2"), ERR_OK);
    run_ticked(&w, 2000);
    assert_true(metric(&w, "skipped_total") == 1 && metric(&w, "parked_events") == 0);
    /* They go with it. */
    proc_stop(w.nodes[0].proc);
    buf_init(&b, 1 << 20);
    metrics_write(w.metrics[0], &b);
    buf_put_u8(&b, 0);
    assert_null(strstr((const char *)b.p, "processor=\"sums\""));
    buf_deinit(&b);
    procs_deinit(&w);
}

/* How far behind it is in records and in seconds, while it is paused and when it has caught up. */
TEST_WELL_BEHAVED(lag_is_a_metric, "its seconds are told as they are while nothing is late")
{
    struct procs w;
    world_init(&w, is);
    start(&w);
    procs_say(&w, "k1", "add 1");
    run_ticked(&w, 2000);
    assert_true(metric(&w, "lag_records") == 0 && metric(&w, "lag_seconds") == 0);
    assert_int_equal(control(&w, PROC_PAUSE, NULL), ERR_OK);
    procs_say(&w, "k1", "add 2");
    procs_say(&w, "k1", "add 3");
    run_ticked(&w, 60000);
    assert_true(metric(&w, "lag_records") == 2);
    assert_true(metric(&w, "lag_seconds") >= 60 && metric(&w, "lag_seconds") < 70);
    assert_int_equal(control(&w, PROC_RESUME, NULL), ERR_OK);
    run_ticked(&w, 3000);
    assert_true(metric(&w, "lag_records") == 0 && metric(&w, "lag_seconds") == 0);
    procs_deinit(&w);
}

static double rate(struct procs *w)
{
    return procs_status(w).steps_per_second;
}

TEST_WELL_BEHAVED(the_rate_is_that_of_the_last_seconds, "steps have their time only there")
{
    struct procs w;
    world_init(&w, is);
    start(&w);
    for (int i = 0; i < 200; i++) { /* 20 s */
        procs_say(&w, "k1", "add 1");
        run_ticked(&w, 100);
    }
    assert_true(rate(&w) > 8 && rate(&w) < 12);
    run_ticked(&w, 60000);
    assert_true(rate(&w) >= 0 && rate(&w) < 0.1);
    procs_deinit(&w);
}
