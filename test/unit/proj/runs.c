/* Projections at work: on an engine that behaves and on one that does not, killed at any moment. */
#include <stdio.h>
#include <string.h>

#include "proj/target.h"
#include "server.h"
#include "world.h"

static void begin(struct world *w)
{
    char text[2048];
    struct ectx ec;
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
    enum err e = world_command(w, PROJ_APPLY, world_definition(w, 1, text, sizeof(text)), &ec);
    if (e != ERR_OK) {
        fail_msg("%s %s", ec.text, ec.hint);
    }
}

TEST_WORLD_ON_BOTH(projection_follows_the_log)
{
    struct world w;
    struct worst_config cfg;
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    begin(&w);
    world_say(&w, 500, 0);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    struct arena a;
    arena_init(&a, 1u << 20);
    struct proj_status s = world_status(&w, 0, &a);
    assert_int_equal(s.served, 1);
    assert_int_equal(s.version_count, 1);
    assert_int_equal(s.versions[0].state, PROJ_LIVE);
    assert_int_equal(s.versions[0].applied, 500);
    assert_int_equal(s.view_count, 2);
    arena_deinit(&a);
    struct buf text;
    buf_init(&text, 1u << 20);
    metrics_write(w.nodes[0].metrics, &text);
    buf_put_u8(&text, 0);
    assert_non_null(strstr((const char *)text.p,
                           "leat_projection_lag_events{projection=\"sums\",version=\"1\"} 0\n"));
    assert_non_null(strstr((const char *)text.p,
                           "leat_projection_served{projection=\"sums\",version=\"1\"} 1\n"));
    assert_non_null(strstr((const char *)text.p, "leat_projection_events_total 500\n"));
    buf_deinit(&text);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* Two processes, rebalances, zombies, gaps; kills between any two steps; parked keys; a server that
 * ends connections. */
TEST_ON_BOTH(projection_on_the_worst_engine_equals_a_fold_of_the_log)
{
    for (uint64_t seed = 1; seed <= server_seeds(25); seed++) {
        struct world w;
        struct worst_config cfg;
        worst_config_bad(&cfg, seed);
        world_init(&w, seed, &cfg);
        begin(&w);
        unsigned bad_in = seed % 3 == 0 ? 150 : 0;
        for (int round = 0; round < 12; round++) {
            world_say(&w, 1 + world_random(&w, 60), bad_in);
            size_t node = world_random(&w, WORLD_NODES);
            if (w.nodes[node].proj == NULL) {
                world_up(&w, node);
            } else if (world_random(&w, 3) == 0) {
                world_kill(&w, node);
            }
            uint64_t steps = world_random(&w, 4000);
            for (uint64_t i = 0; i < steps; i++) {
                world_step(&w);
            }
            if (server_on_postgres && round % 4 == 3) {
                server_end_connections();
            }
        }
        for (size_t i = 0; i < WORLD_NODES; i++) {
            if (w.nodes[i].proj == NULL) {
                world_up(&w, i);
            }
        }
        worst_config_good(&cfg, seed);
        worst_log_set(w.log, &cfg);
        world_until(&w, world_settled, 600000);
        world_check(&w, "");
        world_deinit(&w);
    }
}

static void set_epochs(struct world *w, const char *sql)
{
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct ectx ec;
    assert_int_equal(target_sqlite.load(&l, &ec), ERR_OK);
    assert_int_equal(target_sqlite.open(l, str_of(w->db), 0, &db, &ec), ERR_OK);
    assert_int_equal(target_sqlite.exec(db, sql, &ec), ERR_OK);
    target_sqlite.close(db);
    target_sqlite.unload(l);
}

/* A group that was deleted gives epochs from the beginning again; the target has later ones. */
TEST_WORLD(projection_goes_on_when_its_group_was_deleted)
{
    struct world w;
    struct worst_config cfg;
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    begin(&w);
    world_say(&w, 100, 0);
    world_until(&w, world_settled, 60000);
    world_stop(&w, 0);
    set_epochs(&w, "UPDATE leat_checkpoint SET owner_epoch = 1000000");
    world_say(&w, 100, 0);
    world_up(&w, 0);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_stop(&w, 0);
    world_deinit(&w);
}

/* The end waits for what is under way, at any moment, and what was done stays done. */
TEST_ON_BOTH(projection_ends_at_any_moment)
{
    for (uint64_t seed = 1; seed <= server_seeds(20); seed++) {
        struct world w;
        struct worst_config cfg;
        worst_config_bad(&cfg, seed);
        world_init(&w, seed, &cfg);
        begin(&w);
        for (int round = 0; round < 4; round++) {
            world_say(&w, 60, 0);
            uint64_t steps = world_random(&w, 600);
            for (uint64_t i = 0; i < steps; i++) {
                world_step(&w);
            }
            world_stop(&w, 0);
            world_up(&w, 0);
            steps = world_random(&w, 40);
            for (uint64_t i = 0; i < steps; i++) {
                world_step(&w);
            }
        }
        worst_config_good(&cfg, seed);
        worst_log_set(w.log, &cfg);
        world_until(&w, world_settled, 600000);
        world_check(&w, "");
        world_deinit(&w);
    }
}

static bool has_stopped(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    struct proj_status s = world_status(w, 0, &a);
    bool stopped = s.version_count == 1 && s.versions[0].state == PROJ_STOPPED;
    arena_deinit(&a);
    return stopped;
}

/* What was read ahead of other partitions when an event stops a version is read again after it. */
TEST_WORLD_ON_BOTH(projection_that_stopped_goes_on_without_a_gap)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    char text[2048];
    char got[256];
    char want[256];
    size_t said = 0;
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    worst_topic_make(w.log, "events", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    (void)world_definition(&w, 1, text, sizeof(text));
    (void)strncat(text, "on_error: stop\n", sizeof(text) - strlen(text) - 1);
    (void)worst_produce(w.log, "events", 0, STR_LIT("k0"),
                        STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":\"x\"}}"), 1);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 1000000 && !has_stopped(&w); i++) {
            if (i % 3 == 0) {
                (void)worst_produce(w.log, "events", 1 + (int32_t)(said++ % 2), STR_LIT("k1"),
                                    STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":1}}"), 1);
            }
            world_step(&w);
        }
        assert_true(has_stopped(&w));
        assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
    }
    world_run(&w, 2000);
    for (int i = 0; i < 20; i++) { /* the rest of the others, up to 2 reads each time */
        assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
        world_run(&w, 2000);
    }
    (void)snprintf(want, sizeof(want), "k1|%zu|%zu\n", said, said);
    assert_string_equal(world_rows(&w, "SELECT k, count, sum FROM keys", got, sizeof(got)), want);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* What is parked is bounded: beyond, nothing of the step is kept, and the version stops and says
 * why. It goes on when somebody has given a key up. */
TEST_WORLD_ON_BOTH(projection_with_too_many_parked_events_stops_and_says_so)
{
    static const char bad[] = "{\"eventType\":\"Added\",\"data\":{\"n\":\"x\"}}";
    static const char good[] = "{\"eventType\":\"Added\",\"data\":{\"n\":1}}";
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct arena a;
    arena_init(&a, 1u << 20);
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    w.parked_max = 3;
    w.lanes_lag = 1000; /* one connection has all partitions */
    begin(&w);
    for (int i = 0; i < 3; i++) {
        (void)worst_produce(w.log, "events", 0, STR_LIT("k0"), str_of(bad), 1);
    }
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_status(&w, 0, &a).versions[0].parked_events, 3);
    (void)worst_produce(w.log, "events", 0, STR_LIT("k1"), str_of(bad), 1);
    (void)worst_produce(w.log, "events", 0, STR_LIT("k2"), str_of(good), 1);
    for (int i = 0; i < 1000000 && !has_stopped(&w); i++) {
        world_step(&w);
    }
    struct proj_version_status *v = world_status(&w, 0, &a).versions;
    assert_int_equal(v[0].state, PROJ_STOPPED);
    assert_true(str_starts(v[0].error, "more than 3 events are parked"));
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_parked", "3\n");
    assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k0", &ec), ERR_OK);
    assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_status(&w, 0, &a).versions[0].parked_events, 3);
    world_check_rows(&w, "SELECT k, sum FROM keys", "k2|1\n");
    arena_deinit(&a);
    world_deinit(&w);
}

/* What retention took before it was read is told, once, and stays in the status; the rest is
 * applied, and where nothing is left the projection is up to date. */
TEST_ON_BOTH(events_that_were_gone_before_they_were_read_are_told)
{
    struct world w;
    struct ectx ec;
    struct arena a;
    world_begin_settled(&w, 1);
    arena_init(&a, 1u << 20);
    assert_true(str_is_null(world_status(&w, 0, &a).versions[0].error));
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK);
    const int64_t at = worst_produce(w.log, "events", 1, STR_LIT("k1"), STR_LIT("{}"), 1);
    for (int i = 1; i < 5; i++) {
        (void)worst_produce(w.log, "events", 1, STR_LIT("k1"), STR_LIT("{}"), 1);
    }
    worst_trim(w.log, "events", 1, at + 5);
    (void)worst_produce(w.log, "events", 0, STR_LIT("k0"), STR_LIT("{}"), 1);
    assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
    for (int round = 0; round < 2; round++) { /* nor is it forgotten when more is applied */
        world_until(&w, world_settled, 60000);
        char want[200];
        (void)snprintf(want, sizeof(want),
                       "events/1: events %lld to %lld were gone from the log before they were read "
                       "(5 since the start): give the topic a longer retention.ms",
                       (long long)at, (long long)at + 4);
        assert_true(str_eq_z(world_status(&w, 0, &a).versions[0].error, want));
        (void)worst_produce(w.log, "events", 1, STR_LIT("k1"), STR_LIT("{}"), 1);
    }
    world_until(&w, world_settled, 60000);
    struct buf text;
    buf_init(&text, 1u << 20);
    metrics_write(w.nodes[0].metrics, &text);
    buf_put_u8(&text, 0);
    assert_non_null(strstr((const char *)text.p, "leat_projection_lost_total 5\n"));
    buf_deinit(&text);
    arena_deinit(&a);
    world_deinit(&w);
}
