/* Versions: built beside the served one, switched to, rolled back, cancelled, dropped; keys that
 * are parked; pauses. */
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "core/compiler.h"
#include "server.h"
#include "world.h"

static void begin(struct world *w, uint64_t seed, bool bad)
{
    struct worst_config cfg;
    char text[2048];
    struct ectx ec;
    if (bad) {
        worst_config_bad(&cfg, seed);
    } else {
        worst_config_good(&cfg, seed);
    }
    world_init(w, seed, &cfg);
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
    assert_int_equal(world_command(w, PROJ_APPLY, world_definition(w, 1, text, sizeof(text)), &ec),
                     ERR_OK);
}

/* Tables with such a name. */
static void check_made(struct world *w, const char *like, const char *want)
{
    char sql[256];
    snprintf(sql, sizeof(sql),
             server_on_postgres
                 ? "SELECT tablename FROM pg_tables WHERE schemaname = current_schema AND "
                   "tablename LIKE '%s' ORDER BY 1"
                 : "SELECT name FROM sqlite_master WHERE type = 'table' AND name "
                   "LIKE '%s' ESCAPE '\\' ORDER BY 1",
             like);
    world_check_rows(w, sql, want);
}

/* While a version is built the old one serves; then the views show the new one, in one step, with
 * its indexes; the way back is open, and what is kept is kept up to date. */
TEST_WORLD_ON_BOTH(projection_is_rebuilt_beside_the_served_one_and_rolled_back)
{
    struct world w;
    struct ectx ec;
    begin(&w, 3, false);
    w.keep = "110s";
    world_say(&w, 300, 0);
    world_until(&w, world_settled, 60000);
    world_apply(&w, 2);
    world_say(&w, 100, 0);
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_check_rows(&w, "SELECT COUNT(*) FROM keys WHERE most IS NULL", "0\n");
    world_check_rows(
        &w,
        server_on_postgres
            ? "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema AND "
              "indexname LIKE 'keys%i1' ORDER BY 1"
            : "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'keys%' "
              "ORDER BY 1",
        "keys__v1_i1\nkeys__v2_i1\n");
    world_say(&w, 100, 0);
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_OK);
    assert_int_equal(world_served(&w), 1);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_check_rows(&w, "SELECT most FROM keys LIMIT 1",
                     server_on_postgres ? "PostgreSQL: column \"most\" does not exist"
                                        : "SQLite: no such column: most");
    /* And forth again; then the time of the old one is over. */
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_OK);
    assert_int_equal(world_served(&w), 2);
    world_run(&w, 10000);
    assert_int_equal(world_versions(&w), 2);
    world_until(&w, world_one_version, 200000);
    check_made(&w, "%\\_\\_v%", "keys__v2\ntotals__v2\n");
    world_check_rows(&w, "SELECT version FROM leat_checkpoint GROUP BY version", "2\n");
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_NOT_FOUND);
    assert_int_equal(w.why, PROJ_NO_VERSION);
    world_check(&w, "");
    world_deinit(&w);
}

struct once {
    struct proj_command c;
    bool done;
};
static void done_once(struct proj_command *c)
{
    CONTAINER_OF(c, struct once, c)->done = true;
}

static struct proj_version_status version_two(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    const struct proj_status s = world_status(w, 0, &a);
    struct proj_version_status v = {0};
    for (size_t i = 0; i < s.version_count; i++) {
        v = s.versions[i].version == 2 ? s.versions[i] : v;
    }
    arena_deinit(&a);
    return v;
}

/* `events` in the time since `since_ns`, a second. */
static double per_second(struct world *w, double events, uint64_t since_ns)
{
    return events * 1e9 / (double)(env_mono_ns(w->env) - since_ns);
}

/* What is told of a build: nothing is done before its partitions are known, what is done only
 * grows, the time left is what is left by the rate, and the rate that of its own life. */
TEST(projection_build_tells_how_far_it_is)
{
    struct world w;
    char text[2048];
    double before = 0;
    bool starting = false, halfway = false;
    begin(&w, 3, false);
    world_say(&w, 3000, 0);
    world_until(&w, world_settled, 60000);
    struct arena a;
    arena_init(&a, 1u << 20);
    struct once call = {.c = {.kind = PROJ_APPLY,
                              .arena = &a,
                              .name = STR_LIT("sums"),
                              .definition = str_of(world_definition(&w, 2, text, sizeof(text))),
                              .file = STR_LIT("sums.yaml"),
                              .done = done_once}};
    const uint64_t asked_ns = env_mono_ns(w.env);
    uint64_t there_ns = 0;
    proj_command(w.nodes[0].proj, &call.c);
    for (;;) {
        const struct proj_version_status v = version_two(&w);
        there_ns = there_ns == 0 && v.version == 2 ? env_mono_ns(w.env) : there_ns;
        if (v.version == 2) {
            starting = starting || (v.shard_count == 0 && v.progress == 0 && v.eta_ms == -1);
            assert_true(v.progress >= before);
            assert_int_equal(v.progress >= 1, v.eta_ms == 0);
            before = v.progress;
        }
        if (v.version == 2 && v.progress > 0 && v.progress < 1 && v.per_second > 0) {
            halfway = true;
            assert_int_equal(v.eta_ms, (int64_t)((double)v.lag_events * 1000 / v.per_second));
        }
        if (before >= 1) {
            break;
        }
        world_step(&w);
    }
    assert_true(call.done && starting && halfway);
    for (int seconds = 0; seconds < 6; seconds++) {
        const double told = version_two(&w).per_second;
        assert_true(told >= per_second(&w, 3000, asked_ns) &&
                    told <= per_second(&w, 3000, there_ns));
        world_run(&w, 1000);
    }
    world_run(&w, 10000);
    assert_true(version_two(&w).per_second == 0);
    arena_deinit(&a);
    world_deinit(&w);
}

/* The way back is there at the first attempt while events come in: the served version waits. */
TEST_WORLD(projection_is_rolled_back_under_load)
{
    struct world w;
    begin(&w, 3, false);
    world_say(&w, 300, 0);
    world_until(&w, world_settled, 60000);
    world_apply(&w, 2);
    world_until(&w, world_two_is_served, 60000);
    world_say(&w, 200, 0);
    struct once call = {.c = {.kind = PROJ_ROLLBACK, .name = STR_LIT("sums"), .done = done_once}};
    proj_command(w.nodes[0].proj, &call.c);
    while (!call.done) {
        world_step(&w);
        if (world_random(&w, 50) == 0) {
            world_say(&w, 1, 0);
        }
    }
    assert_int_equal(call.c.err, ERR_OK);
    assert_int_equal(world_served(&w), 1);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_deinit(&w);
}

/* An event comes right before every tick, so that a tick never finds nothing left to apply. */
static void step_under_load(struct world *w)
{
    if (env_mono_ns(w->env) >= w->ticked_ns + 100000000u) {
        world_say(w, 1, 0);
    }
    world_step(w);
}

static bool waits_for_switch(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    struct proj_status s = world_status(w, 0, &a);
    bool waits = s.version_count == 2 && s.versions[1].waits;
    arena_deinit(&a);
    return waits;
}

/* A version is indexed and served, by itself or when it is told to, although there are always
 * events that it has not applied yet: readers see no time go back. */
TEST_ON_BOTH(projection_version_is_served_under_load)
{
    for (int manual = 0; manual < 2; manual++) {
        struct world w;
        struct ectx ec;
        char text[2048];
        begin(&w, 3, false);
        world_say(&w, 300, 0);
        world_until(&w, world_settled, 60000);
        (void)world_definition(&w, 2, text, sizeof(text));
        (void)strncat(text, manual ? "switch: manual\n" : "", sizeof(text) - strlen(text) - 1);
        assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
        const uint64_t until = env_mono_ns(w.env) + 60000000000u;
        while (!(manual ? waits_for_switch(&w) : world_two_is_served(&w)) &&
               env_mono_ns(w.env) < until) {
            step_under_load(&w);
        }
        struct once to_two = {
            .c = {.kind = PROJ_SWITCH, .name = STR_LIT("sums"), .done = done_once}};
        world_say(&w, 10, 0);
        if (manual) {
            proj_command(w.nodes[0].proj, &to_two.c);
        }
        while (manual && !to_two.done) {
            step_under_load(&w);
        }
        assert_int_equal(to_two.c.err, ERR_OK);
        assert_int_equal(world_served(&w), 2);
        world_until(&w, world_settled, 60000);
        world_check(&w, "");
        world_deinit(&w);
    }
}

/* A fourth rebuild within `keep` finds no room: the refusal says which version to drop, and that is
 * a command. The served one is never dropped so. */
TEST_WORLD(projection_drops_a_kept_version_when_it_is_told_to)
{
    struct world w;
    struct ectx ec;
    begin(&w, 6, false);
    world_say(&w, 50, 0);
    world_until(&w, world_settled, 60000);
    for (uint32_t version = 2; version <= PROJ_VERSIONS_MAX; version++) {
        assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
        for (int i = 0; i < 1000 && world_served(&w) != version; i++) {
            world_run(&w, 100);
        }
        assert_int_equal(world_served(&w), version);
    }
    assert_int_equal(world_versions(&w), PROJ_VERSIONS_MAX);
    assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_EXISTS);
    assert_non_null(strstr(ec.hint, "leat projection drop sums --version 1"));
    w.for_version = PROJ_VERSIONS_MAX;
    assert_int_equal(world_command(&w, PROJ_DROP_VERSION, NULL, &ec), ERR_EXISTS);
    w.for_version = 9;
    assert_int_equal(world_command(&w, PROJ_DROP_VERSION, NULL, &ec), ERR_NOT_FOUND);
    assert_int_equal(w.why, PROJ_NO_VERSION);
    w.for_version = 1;
    assert_int_equal(world_command(&w, PROJ_DROP_VERSION, NULL, &ec), ERR_OK);
    assert_int_equal(world_versions(&w), PROJ_VERSIONS_MAX - 1);
    world_check_rows(
        &w,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'keys\\_\\_v%' "
        "ESCAPE '\\' ORDER BY 1",
        "keys__v2\nkeys__v3\nkeys__v4\n");
    /* Without the one before it, the way back leads to the newest that is kept. */
    w.for_version = 3;
    assert_int_equal(world_command(&w, PROJ_DROP_VERSION, NULL, &ec), ERR_OK);
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_OK);
    assert_int_equal(world_served(&w), 2);
    w.for_version = 4;
    assert_int_equal(world_command(&w, PROJ_DROP_VERSION, NULL, &ec), ERR_OK);
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_NOT_FOUND);
    assert_int_equal(w.why, PROJ_NO_VERSION);
    assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_deinit(&w);
}

static void answered(struct proj_command *c)
{
    *(bool *)c->ctx = true;
}

/* With `switch: manual` a version is ready when its indexes are there, and then the switch is
 * quick.
 */
TEST_WORLD_ON_BOTH(projection_version_waits_for_its_switch_with_its_indexes)
{
    struct world w;
    struct arena a;
    struct ectx ec;
    char text[2048];
    bool ready = false;
    arena_init(&a, 1u << 20);
    begin(&w, 3, false);
    world_say(&w, 300, 0);
    world_until(&w, world_settled, 60000);
    (void)world_definition(&w, 2, text, sizeof(text));
    (void)strncat(text, "switch: manual\n", sizeof(text) - strlen(text) - 1);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    for (int i = 0; i < 1000000 && !ready; i++) {
        world_step(&w);
        arena_reset(&a, 0);
        struct proj_status s = world_status(&w, 0, &a);
        ready = s.version_count == 2 && s.versions[1].waits;
    }
    assert_true(ready);
    world_check_rows(&w,
                     server_on_postgres
                         ? "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema AND "
                           "indexname = 'keys__v2_i1'"
                         : "SELECT name FROM sqlite_master WHERE name = 'keys__v2_i1'",
                     "keys__v2_i1\n");
    assert_int_equal(world_command(&w, PROJ_SWITCH, NULL, &ec), ERR_OK);
    assert_int_equal(world_served(&w), 2);
    arena_deinit(&a);
    world_deinit(&w);
}

/* What must wait says why by its error: another change, what is not known yet, what lags. */
TEST_WORLD(projection_commands_that_must_wait_say_why)
{
    struct world w;
    struct worst_config cfg;
    struct arena a;
    char text[2048];
    bool done[3] = {false};
    struct proj_command calls[3];
    arena_init(&a, 4u << 20);
    worst_config_good(&cfg, 1);
    world_init(&w, 1, &cfg);
    worst_topic_make(w.log, "events", WORLD_PARTS);
    world_up(&w, 0);
    (void)world_definition(&w, 1, text, sizeof(text));
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        calls[i] = (struct proj_command){.kind = PROJ_APPLY,
                                         .name = STR_LIT("sums"),
                                         .definition = str_of(text),
                                         .file = STR_LIT("sums.yaml"),
                                         .arena = &a,
                                         .done = answered,
                                         .ctx = &done[i]};
    }
    proj_command(w.nodes[0].proj, &calls[0]); /* at once: the log was not read */
    assert_true(done[0]);
    assert_int_equal(calls[0].err, ERR_NOT_READY);
    world_run(&w, 500);
    world_say(&w, 300, 0);
    done[0] = false;
    proj_command(w.nodes[0].proj, &calls[0]);
    proj_command(w.nodes[0].proj, &calls[1]); /* while the first is on its way into the log */
    assert_true(done[1]);
    assert_int_equal(calls[1].err, ERR_BUSY);
    world_until(&w, world_settled, 60000);
    assert_int_equal(calls[0].err, ERR_OK);
    calls[0].kind = PROJ_REBUILD;
    done[0] = false;
    proj_command(w.nodes[0].proj, &calls[0]);
    while (!done[0]) {
        world_step(&w);
    }
    calls[2].kind = PROJ_SWITCH;
    proj_command(w.nodes[0].proj, &calls[2]); /* it has read nothing yet */
    assert_true(done[2]);
    assert_int_equal(calls[2].err, ERR_BEHIND);
    assert_int_equal(calls[2].version, 2);
    assert_string_equal(calls[2].ec.text, "version 2 has only just begun");
    world_until(&w, world_two_is_served, 60000);
    arena_deinit(&a);
    world_deinit(&w);
}

/* The same definition again, as the next version. */
TEST_WORLD_ON_BOTH(projection_rebuild_takes_the_next_version)
{
    struct world w;
    struct ectx ec;
    begin(&w, 4, false);
    world_say(&w, 200, 0);
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
    world_until(&w, world_two_is_served, 60000);
    world_check(&w, "");
    world_deinit(&w);
}

TEST_WORLD_ON_BOTH(projection_that_is_being_built_can_be_cancelled)
{
    struct world w;
    struct ectx ec;
    begin(&w, 5, false);
    world_say(&w, 200, 0);
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_command(&w, PROJ_CANCEL, NULL, &ec), ERR_NOT_FOUND);
    assert_int_equal(w.why, PROJ_NO_VERSION);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK); /* so that it stays */
    world_apply(&w, 2);
    world_run(&w, 2000);
    assert_int_equal(world_versions(&w), 2);
    char text[2048];
    assert_int_equal(
        world_command(&w, PROJ_APPLY, world_definition(&w, 3, text, sizeof(text)), &ec),
        ERR_EXISTS);
    assert_int_equal(world_command(&w, PROJ_CANCEL, NULL, &ec), ERR_OK);
    world_until(&w, world_one_version, 10000);
    check_made(&w, "%v2%", "");
    assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
    world_say(&w, 10, 0);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_deinit(&w);
}

/* 0 while that is not known: a process that has just begun asks its target. */
static uint32_t served_when_known(struct world *w, uint32_t but_not)
{
    uint32_t served = world_served(w);
    for (int i = 0; i < 1000000 && (served == 0 || served == but_not); i++) {
        world_step(w);
        served = world_served(w);
    }
    return served;
}

/* A rebuild that is cancelled at any step, before or after a kill, on an engine at its worst: what
 * is served stays and follows the log, nothing of the other version is left; or the cancel came too
 * late, and it is the other one that is served. */
TEST_ON_BOTH(projection_rebuild_is_cancelled_at_any_step)
{
    unsigned cancelled = 0, late = 0;
    for (uint64_t seed = 1; seed <= server_seeds(10); seed++) {
        struct world w;
        struct worst_config cfg;
        struct ectx ec;
        begin(&w, seed, true);
        world_say(&w, 200, 0);
        world_until(&w, world_settled, 600000);
        uint32_t served = served_when_known(&w, 0);
        for (int round = 0; round < 8 && served < 3; round++) {
            assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
            for (uint64_t steps = world_random(&w, 1500); steps > 0; steps--) {
                world_step(&w);
            }
            if (world_random(&w, 3) == 0) {
                world_kill(&w, 0);
                world_up(&w, 0);
            }
            const enum err e = world_command(&w, PROJ_CANCEL, NULL, &ec);
            assert_true(e == ERR_OK || (e == ERR_NOT_FOUND && w.why == PROJ_NO_VERSION));
            cancelled += e == ERR_OK;
            late += e != ERR_OK;
            served += e != ERR_OK;
            assert_int_equal(served_when_known(&w, e == ERR_OK ? 0 : served - 1), served);
            world_say(&w, 1 + world_random(&w, 20), 0);
        }
        worst_config_good(&cfg, seed);
        worst_log_set(w.log, &cfg);
        world_until(&w, world_settled, 600000);
        world_check(&w, "");
        char want[64] = "";
        for (uint32_t v = 1; v <= served; v++) { /* those that were served are kept */
            const size_t n = strlen(want);
            (void)snprintf(want + n, sizeof(want) - n, "keys__v%u\n", v);
        }
        check_made(&w, "keys\\_\\_v%", want);
        world_deinit(&w);
    }

    assert_true(server_on_postgres || (cancelled > 10 && late > 5)); /* of either kind */
}

/* At its worst, killed at any step of a build, a switch, a roll back: it goes on where it was, and
 * whatever is served equals the log. */
TEST_ON_BOTH(projection_versions_survive_kills_at_every_step)
{
    for (uint64_t seed = 1; seed <= server_seeds(20); seed++) {
        struct world w;
        struct worst_config cfg;
        struct ectx ec;
        begin(&w, seed, true);
        world_say(&w, 100, 0);
        world_apply(&w, 2);
        for (int round = 0; round < 10; round++) {
            world_say(&w, 1 + world_random(&w, 40), 0);
            uint64_t steps = world_random(&w, 3000);
            for (uint64_t i = 0; i < steps; i++) {
                world_step(&w);
            }
            world_kill(&w, 0);
            world_up(&w, 0);
        }
        worst_config_good(&cfg, seed);
        worst_log_set(w.log, &cfg);
        world_until(&w, world_two_is_served, 600000);
        world_until(&w, world_settled, 600000);
        world_check(&w, "");
        world_check(&w, "__v2");
        assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_OK);
        world_check(&w, "__v1");
        world_deinit(&w);
    }
}

/* A key that is parked is told, tried again, given up. */
TEST_WORLD_ON_BOTH(projection_parked_keys_are_tried_again)
{
    struct world w;
    struct ectx ec;
    begin(&w, 6, false);
    worst_produce(w.log, "events", 0, STR_LIT("k0"),
                  STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":\"x\"}}"), 1);
    worst_produce(w.log, "events", 0, STR_LIT("k0"),
                  STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":7}}"), 2);
    worst_produce(w.log, "events", 0, STR_LIT("k3"),
                  STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":5}}"), 3);
    world_until(&w, world_settled, 60000);
    world_check_rows(&w, "SELECT k, sum FROM keys", "k3|5\n");
    struct arena a;
    arena_init(&a, 1u << 20);
    assert_int_equal(world_status(&w, 0, &a).versions[0].parked_events, 2);
    /* The next process knows it before an event comes. */
    world_kill(&w, 0);
    world_up(&w, 0);
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_status(&w, 0, &a).versions[0].parked_events, 2);
    arena_deinit(&a);
    assert_int_equal(world_command(&w, PROJ_RETRY_KEY, "k0", &ec), ERR_MALFORMED);
    assert_int_equal(w.why, PROJ_STAYS_PARKED);
    assert_non_null(strstr(ec.text, "stays parked"));
    assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k0", &ec), ERR_OK);
    world_check_rows(&w, "SELECT k, sum FROM keys ORDER BY k", "k0|7\nk3|5\n");
    assert_int_equal(world_command(&w, PROJ_RETRY_KEY, "k0", &ec), ERR_NOT_FOUND);
    assert_int_equal(w.why, PROJ_NOT_PARKED);
    w.for_version = 9;
    assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k0", &ec), ERR_NOT_FOUND);
    assert_int_equal(w.why, PROJ_NO_VERSION);
    w.for_version = 0;
    world_deinit(&w);
}

/* Between partitions there is no order that could be kept. */
TEST_WORLD_ON_BOTH(a_key_is_parked_in_the_partition_of_its_event)
{
    struct world w;
    begin(&w, 9, false);
    for (int32_t p = 0; p < 2; p++) {
        worst_produce(w.log, "events", p, STR_LIT("k0"),
                      p == 0 ? STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":\"x\"}}")
                             : STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":4}}"),
                      1);
    }
    worst_produce(w.log, "events", 0, STR_LIT("k0"),
                  STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":7}}"), 2);
    world_until(&w, world_settled, 60000);
    world_check_rows(&w, "SELECT k, sum FROM keys", "k0|4\n");
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_parked WHERE shard = 'events/0'", "2\n");
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_parked", "2\n");
    world_deinit(&w);
}

struct skipping {
    struct proj_command c;
    bool done;
};
static void skipped(struct proj_command *c)
{
    CONTAINER_OF(c, struct skipping, c)->done = true;
}

/* Whoever is told that a skip failed does it again, and drops another event. */
TEST_WORLD_ON_BOTH(a_skip_says_what_it_did_although_the_key_stays_parked)
{
    struct world w;
    struct arena a;
    begin(&w, 8, false);
    arena_init(&a, 1u << 20);
    for (int i = 0; i < 4; i++) {
        worst_produce(w.log, "events", 0, STR_LIT("k0"),
                      i == 2 ? STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":7}}")
                             : STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":\"x\"}}"),
                      1);
    }
    world_until(&w, world_settled, 60000);
    static const struct {
        int applied, skipped, parked;
    } wanted[] = {{0, 1, 3}, {1, 1, 1}, {0, 1, 0}};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct skipping s = {.c = {.kind = PROJ_SKIP_KEY,
                                   .name = STR_LIT("sums"),
                                   .key = STR_LIT("k0"),
                                   .arena = &a,
                                   .done = skipped}};
        proj_command(w.nodes[0].proj, &s.c);
        while (!s.done) {
            world_step(&w);
        }
        assert_int_equal(s.c.err, ERR_OK);
        assert_int_equal(s.c.applied, wanted[i].applied);
        assert_int_equal(s.c.skipped, wanted[i].skipped);
        assert_int_equal(s.c.parked, wanted[i].parked);
        assert_int_equal(str_is_null(s.c.reason), wanted[i].parked == 0);
    }
    world_check_rows(&w, "SELECT k, sum FROM keys", "k0|7\n");
    arena_deinit(&a);
    world_deinit(&w);
}

TEST_WORLD_ON_BOTH(projection_is_removed_with_everything_it_made)
{
    struct world w;
    struct ectx ec;
    begin(&w, 7, false);
    world_say(&w, 50, 0);
    world_until(&w, world_settled, 60000);
    world_run(&w, 3000);
    assert_true(worst_committed(w.log, "leat-projection-sums-v1", "events", 0) > 0);
    assert_int_equal(world_command(&w, PROJ_REMOVE, NULL, &ec), ERR_OK);
    for (int32_t n = 0; n < WORLD_PARTS; n++) { /* nor is there a group that is ever more behind */
        assert_int_equal(worst_committed(w.log, "leat-projection-sums-v1", "events", n), -1);
    }
    check_made(&w, "keys%", "");
    check_made(&w, "totals%", "");
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_checkpoint", "0\n");
    world_run(&w, 1000);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_NOT_FOUND);
    assert_int_equal(w.why, PROJ_WHY_NONE);
    world_kill(&w, 0);
    world_up(&w, 0);
    world_run(&w, 1000);
    size_t count = 1;
    struct arena a;
    arena_init(&a, 1u << 16);
    assert_non_null(proj_names(w.nodes[0].proj, &a, &count));
    assert_int_equal(count, 0);
    arena_deinit(&a);
    /* It may come again, with the same version. */
    world_apply(&w, 1);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_deinit(&w);
}

/* What a paused projection knows of its partitions and keys it knows after a restart, too: it reads
 * nothing, but its keys can be tried again. */
TEST_ON_BOTH(a_paused_projection_knows_its_keys_after_a_restart)
{
    struct world w;
    struct ectx ec;
    struct arena a;
    arena_init(&a, 1u << 20);
    begin(&w, 8, false);
    worst_produce(w.log, "events", 0, STR_LIT("k0"),
                  STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":\"x\"}}"), 1);
    worst_produce(w.log, "events", 0, STR_LIT("k0"),
                  STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":7}}"), 2);
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK);
    world_kill(&w, 0);
    world_up(&w, 0);
    world_until(&w, world_settled, 60000);
    const struct proj_status s = world_status(&w, 0, &a);
    assert_true(s.paused);
    assert_int_equal(s.versions[0].parked_events, 2);
    assert_int_equal(world_command(&w, PROJ_RETRY_KEY, "k0", &ec), ERR_MALFORMED);
    assert_null(strstr(ec.text, "not this process's"));
    assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k0", &ec), ERR_OK);
    world_check_rows(&w, "SELECT k, sum FROM keys", "k0|7\n");
    worst_produce(w.log, "events", 0, STR_LIT("k0"),
                  STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":1}}"), 3);
    world_run(&w, 3000);
    world_check_rows(&w, "SELECT k, sum FROM keys", "k0|7\n");
    arena_deinit(&a);
    world_deinit(&w);
}

TEST_WORLD_ON_BOTH(projection_pause_survives_a_restart)
{
    struct world w;
    struct ectx ec;
    begin(&w, 8, false);
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK);
    world_kill(&w, 0);
    world_up(&w, 0);
    world_say(&w, 20, 0);
    world_run(&w, 5000);
    world_check_rows(&w, "SELECT COUNT(*) FROM keys", "0\n");
    assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_deinit(&w);
}
