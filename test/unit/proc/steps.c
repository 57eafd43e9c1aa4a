/* Steps, state, outputs and timers, on an engine that behaves and on one that does not. */
#include "world.h"

TEST_EACH_ENGINE(every_event_is_a_step_whose_effects_are_in_the_log_once)
{
    struct procs w;
    uint64_t rng = 1;
    world_init(&w, is);
    start(&w);
    say_some(&w, &rng, 300);
    settled(&w);
    const struct proc_status s = procs_status(&w);
    if (is != AT_ITS_WORST) { /* where a batch whose end nobody was told of is not counted */
        assert_int_equal(s.steps - s.timers_fired, 300);
        assert_true(s.timers_fired > 0);
    }
    if (is == TOLD_TO_BEHAVE) {
        assert_true(s.commits < 300); /* many steps in a batch (on Leat's each is waited for) */
        assert_true(w.executed == s.steps); /* nothing was executed again */
    }
    procs_stop(&w, 0);
    procs_deinit(&w);
}

TEST(the_same_on_an_engine_at_its_worst)
{
    uint64_t again = 0;
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
        again += w.executed > 200;
        procs_deinit(&w);
    }
    assert_true(again > 0);
}

TEST(an_engine_that_never_gets_on_does_not_keep_the_loop_busy)
{
    struct procs w;
    struct worst_config cfg;
    worst_config_good(&cfg, 3);
    procs_init(&w, 3, &cfg);
    start(&w);
    procs_say(&w, "k1", "add 1");
    procs_run(&w, 100);
    /* Every read is answered at once, with nothing; every append is aborted, in no time. */
    struct worst_config bad = cfg;
    bad.delay_ns = 0;
    bad.abort_in = 1;
    for (int i = 0; i < 2; i++) {
        worst_log_set(w.log, &bad);
        procs_say(&w, "k1", "add 2");
        const uint64_t from = env_mono_ns(w.env);
        for (int k = 0; k < 5000; k++) {
            (void)procs_step(&w, from + 1000000000);
        }
        assert_true(env_mono_ns(w.env) >= from + 1000000000);
        bad.abort_in = 0;
        bad.empty_in = bad.within_in = 1;
        worst_log_set(w.log, &cfg);
        settled(&w);
    }
    assert_true(procs_status(&w).aborts > 3);
    procs_deinit(&w);
}

TEST_EACH_ENGINE(state_and_timers_come_back_after_a_restart)
{
    struct procs w;
    world_init(&w, is);
    start(&w);
    procs_say(&w, "k1", "add 5");
    procs_say(&w, "k1", "timer later 60000");
    struct arena a;
    struct str v;
    arena_init(&a, 4096);
    const int32_t n = procs_partition("k1");
    UNTIL(&w, task(&w, n).timers == 1);
    assert_int_equal(proc_look(w.nodes[0].proc, n, STR_LIT("k1"), &a, &v), ERR_OK);
    assert_true(str_eq_z(v, "1 5 0"));
    assert_int_equal(proc_look(w.nodes[0].proc, n, STR_LIT("k2"), &a, &v), ERR_NOT_FOUND);
    procs_kill(&w, 0);
    start(&w);
    UNTIL(&w, task(&w, n).timers == 1 && task(&w, n).state == PROC_TASK_RUNNING);
    assert_int_equal(proc_look(w.nodes[0].proc, n, STR_LIT("k1"), &a, &v), ERR_OK);
    assert_true(str_eq_z(v, "1 5 0"));
    assert_true(proc_due_ns(w.nodes[0].proc) > env_mono_ns(w.env));
    assert_string_equal(values(&w, "fired"), "");
    settled(&w); /* the timer fires, and once */
    UNTIL(&w, task(&w, n).state == PROC_TASK_RUNNING && task(&w, n).timers == 0);
    assert_true(strncmp(values(&w, "fired"), "later ", 6) == 0);
    procs_say(&w, "k1", "drop");
    settled(&w);
    UNTIL(&w, task(&w, n).state == PROC_TASK_RUNNING && task(&w, n).keys == 0);
    assert_int_equal(proc_look(w.nodes[0].proc, n, STR_LIT("k1"), &a, &v), ERR_NOT_FOUND);
    assert_int_equal(task(&w, n).state_bytes, 0);
    arena_deinit(&a);
    procs_deinit(&w);
}

/* ---- Other services than that of procs.h ---------------------------------------------------- */

static enum err first_letter(void *ctx, const struct proc_event *ev, struct arena *a,
                             struct str *key, struct ectx *ec)
{
    (void)ctx;
    (void)a;
    if (ev->value.n == 0) {
        return ectx_fail(ec, ERR_MALFORMED, "empty");
    }
    *key = str_make(ev->value.p, 1);
    return ERR_OK;
}

static enum err count_step(void *ctx, struct proc_step *s, const struct proc_event *ev,
                           struct ectx *ec)
{
    (void)ctx;
    char text[64];
    const int n = snprintf(text, sizeof(text), "%.*s%.*s", STR(proc_state(s)), STR(ev->value));
    enum err e = proc_state_set(s, str_make(text, (size_t)n), ec);
    const struct record_header h = {STR_LIT("from"), ev->topic};
    const struct engine_record r = {.key = ev->key,
                                    .value = str_make(text, (size_t)n),
                                    .headers = &h,
                                    .header_count = 1,
                                    .timestamp_ms = ev->timestamp_ms};
    return e == ERR_OK ? proc_emit(s, STR_LIT("out"), 0, &r, ec) : e;
}

TEST_EACH_ENGINE(the_state_may_have_another_key_than_the_record)
{
    struct procs w;
    world_init(&w, is);
    w.spec.key_of = first_letter;
    w.spec.step = count_step;
    w.spec.on_error = PROC_PARK_KEY;
    start(&w);
    (void)procs_produce(&w, "in", 0, STR_NULL, STR_LIT("a1"), 7);
    (void)procs_produce(&w, "in", 0, STR_LIT("x"), STR_LIT("b1"), 7);
    (void)procs_produce(&w, "in", 0, STR_LIT("y"), STR_LIT("a2"), 7);
    (void)procs_produce(&w, "in", 0, STR_LIT("bad"), STR_LIT(""), 7); /* key_of fails */
    (void)procs_produce(&w, "in", 0, STR_LIT("z"), STR_LIT("a3"), 7);
    until_values(&w, "out", "a1,b1,a1a2,a1a2a3,");
    UNTIL(&w, task(&w, 0).parked_keys == 1);
    /* Keys that look like records of the runtime itself are keys. */
    w.spec.key_of = NULL;
    procs_kill(&w, 0);
    start(&w);
    (void)procs_produce(&w, "in", 1, STR_LIT("\0leat-position"), STR_LIT("p"), 7);
    (void)procs_produce(&w, "in", 1, STR_LIT("\0leat-barrier"), STR_LIT("q"), 7);
    (void)procs_produce(&w, "in", 1, STR_LIT(""), STR_LIT("r"), 7);
    until_values(&w, "out", "a1,b1,a1a2,a1a2a3,p,q,r,");
    procs_kill(&w, 0);
    start(&w);
    procs_run(&w, 1000);
    (void)procs_produce(&w, "in", 1, STR_LIT("\0leat-position"), STR_LIT("P"), 7);
    (void)procs_produce(&w, "in", 1, STR_LIT("\0leat-barrier"), STR_LIT("Q"), 7);
    (void)procs_produce(&w, "in", 1, STR_NULL, STR_LIT("R"), 7);
    until_values(&w, "out", "a1,b1,a1a2,a1a2a3,p,q,r,pP,qQ,rR,");
    procs_deinit(&w);
}

TEST_TEST_ENGINE(several_inputs_share_the_state_and_a_task_has_all_or_nothing_of_them)
{
    static const struct str topics[] = {{"in", 2}, {"in2", 3}};
    struct procs w;
    struct worst_config cfg;
    world_config(&cfg, is);
    cfg.scatter = true;
    procs_init(&w, cfg.seed, &cfg);
    worst_topic_make(w.log, "in2", 1);
    w.spec.topics = topics;
    w.spec.topic_count = 2;
    w.spec.step = count_step;
    /* With two members and a whim of the engine, partition 0 of each may be with another one. */
    bool apart = false;
    size_t more = 0;
    assert_int_equal(procs_up(&w, 0), ERR_OK);
    assert_int_equal(procs_up(&w, 1), ERR_OK);
    (void)procs_produce(&w, "in", 0, STR_LIT("k"), STR_LIT("a"), 7);
    (void)procs_produce(&w, "in2", 0, STR_LIT("k"), STR_LIT("b"), 7);
    for (int i = 0; i < 20 && !apart; i++) {
        const size_t before = strlen(values(&w, "out"));
        procs_run(&w, 300);
        apart = before == 0 && values(&w, "out")[0] == '\0';
        if (!apart) {
            (void)procs_produce(&w, "in2", 0, STR_LIT("k"), STR_LIT("c"), 7);
            more++;
        }
        worst_rebalance(w.log);
    }
    cfg.scatter = false;
    worst_log_set(w.log, &cfg);
    procs_kill(&w, 1);
    for (int i = 0; i < 4; i++) {
        worst_rebalance(w.log);
        procs_run(&w, 2000);
    }
    (void)procs_produce(&w, "in2", 0, STR_LIT("k"), STR_LIT("z"), 7);
    UNTIL(&w, strchr(values(&w, "out"), 'z') != NULL);
    /* The last output has every event once, whatever the order of the two inputs was. */
    const char *out = values(&w, "out");
    const char *last = out;
    for (const char *p = out; *p != '\0'; p++) {
        last = p[0] == ',' && p[1] != '\0' ? p + 1 : last;
    }
    size_t count[128] = {0};
    for (const char *p = last; *p != ','; p++) {
        count[(unsigned char)*p]++;
    }
    assert_true(count['a'] == 1 && count['b'] == 1 && count['z'] == 1);
    assert_int_equal(count['c'], more);
    /* Nobody has even tried with half of the inputs. */
    assert_true(is == AT_ITS_WORST || worst_log_stats(w.log)->fenced == 0);
    procs_deinit(&w);
}

TEST_TEST_ENGINE(what_a_step_may_do_is_bounded)
{
    struct procs w;
    struct worst_config cfg;
    world_config(&cfg, is);
    cfg.append_max_bytes = 64 << 10;
    cfg.record_max_bytes = 8 << 10;
    procs_init(&w, cfg.seed, &cfg);
    start(&w);
    const char *a = key_in(0, 0);
    char key_a[8], key_b[8], key_c[8];
    (void)snprintf(key_a, sizeof(key_a), "%s", a);
    (void)snprintf(key_b, sizeof(key_b), "%s", key_in(0, atoi(key_a + 1) + 1));
    (void)snprintf(key_c, sizeof(key_c), "%s", key_in(0, atoi(key_b + 1) + 1));
    procs_say(&w, key_a, "add 1");
    procs_say(&w, key_b, "big 20000");  /* the log refuses the record */
    procs_say(&w, key_c, "many 20000"); /* no append could hold it */
    procs_say(&w, key_a, "add 2");
    UNTIL(&w, task(&w, 0).parked_keys == 2);
    until_values(&w, "out", "1 1,2 3,");
    UNTIL(&w, task(&w, 0).parked_keys == 2 && task(&w, 0).state == PROC_TASK_RUNNING);
    assert_string_equal(values(&w, "many"), "");
    struct arena arena;
    size_t count;
    bool more;
    arena_init(&arena, 1 << 20);
    const struct proc_parked_key *rows = proc_parked(w.nodes[0].proc, &arena, 10, &count, &more);
    assert_int_equal(count, 2);
    assert_false(more);
    for (size_t i = 0; i < 2; i++) {
        assert_true(str_starts(rows[i].error, "ERR_MESSAGE_TOO_LARGE"));
        assert_int_equal(rows[i].events, 1);
        assert_int_equal(rows[i].why, PROC_PARK_KEY);
    }
    rows = proc_parked(w.nodes[0].proc, &arena, 1, &count, &more);
    assert_true(rows != NULL && count == 1 && more);
    arena_deinit(&arena);
    procs_deinit(&w);
}

static enum err greedy_step(void *ctx, struct proc_step *s, const struct proc_event *ev,
                            struct ectx *ec)
{
    enum err *answer = ctx;
    char name[16];
    if (str_eq_z(ev->value, "state")) {
        static char large[PROC_STATE_VALUE_MAX + 1];
        *answer = proc_state_set(s, str_make(large, sizeof(large)), ec);
    } else if (str_eq_z(ev->value, "timers")) {
        for (unsigned i = 0; i < PROC_TIMERS_MAX; i++) {
            const int n = snprintf(name, sizeof(name), "t%u", i);
            *answer = proc_timer_set(s, str_make(name, (size_t)n), INT64_MAX, ec);
            assert_int_equal(*answer, ERR_OK);
        }
        assert_int_equal(proc_timer_set(s, STR_LIT("t5"), 77, ec), ERR_OK); /* replaced */
        assert_int_equal(proc_timer_due(s, STR_LIT("t5")), 77);
        proc_timer_cancel(s, STR_LIT("t5"));
        assert_int_equal(proc_timer_due(s, STR_LIT("t5")), INT64_MIN);
        assert_int_equal(proc_timer_set(s, STR_LIT("t5"), INT64_MAX, ec), ERR_OK);
        *answer = proc_timer_set(s, STR_LIT("more"), 5, ec);
    } else if (str_eq_z(ev->value, "own")) {
        const struct engine_record r = {.key = ev->key, .timestamp_ms = 1};
        *answer = proc_emit(s, STR_LIT("__leat_sums-state"), -1, &r, ec);
    } else if (str_eq_z(ev->value, "nowhere")) {
        const struct engine_record r = {.key = ev->key, .timestamp_ms = 1};
        *answer = proc_emit(s, STR_LIT("out"), 99, &r, ec);
        return ERR_OK;
    }
    return ERR_OK;
}

TEST_EACH_ENGINE(a_step_is_told_what_it_may_not)
{
    static const struct {
        const char *value;
        enum err answer;
    } rows[] = {{"state", ERR_LIMIT},
                {"timers", ERR_LIMIT},
                {"own", ERR_INVALID_TOPIC},
                {"nowhere", ERR_UNKNOWN_TOPIC_OR_PARTITION}};
    struct procs w;
    enum err answer = ERR_OK;
    world_init(&w, is);
    w.spec.step = greedy_step;
    w.spec.ctx = &answer;
    start(&w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        answer = ERR_OK;
        (void)procs_produce(&w, "in", 0, STR_LIT("k"), str_of(rows[i].value), 7);
        UNTIL(&w, answer == rows[i].answer);
    }
    procs_deinit(&w);
}

TEST_EACH_ENGINE(the_state_of_all_keys_is_bounded_and_the_task_says_so)
{
    struct procs w;
    world_init(&w, is);
    w.spec.state_bytes_max = 2000;
    start(&w);
    char key[16];
    for (int i = 0; i < 30; i++) {
        (void)snprintf(key, sizeof(key), "k%d", i);
        procs_say(&w, key, "add 1");
    }
    int32_t n = 0;
    UNTIL(&w, task(&w, n = (n + 1) % PROCS_PARTS).state == PROC_TASK_BLOCKED);
    const struct proc_task_status s = task(&w, n);
    assert_int_equal(s.ec.code, ERR_LIMIT);
    assert_non_null(strstr(s.ec.text, "2000 bytes"));
    procs_run(&w, 3000);
    /* With more room it goes on where it stood. */
    procs_kill(&w, 0);
    w.spec.state_bytes_max = 0;
    start(&w);
    settled(&w);
    procs_deinit(&w);
}
