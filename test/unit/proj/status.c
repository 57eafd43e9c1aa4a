/* The numbers of a version: progress, rate and time left of a build, how far what is served is
 * behind, what was parked and skipped; in the status and as gauges. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/compiler.h"
#include "world.h"

static const char bad[] = "{\"eventType\":\"Added\",\"data\":{\"n\":\"x\"}}";
static const char good[] = "{\"eventType\":\"Added\",\"data\":{\"n\":1}}";

static void say(struct world *w, const char *value)
{
    (void)worst_produce(w->log, "events", 0, STR_LIT("k0"), str_of(value), env_wall_ms(w->env));
}

/* Of process 0; version 0: that is not there. */
static struct proj_version_status status_of(struct world *w, uint32_t version)
{
    struct proj_version_status found = {0};
    struct arena a;
    arena_init(&a, 1u << 20);
    struct proj_status s = world_status(w, 0, &a);
    for (size_t i = 0; i < s.version_count; i++) {
        found = s.versions[i].version == version ? s.versions[i] : found;
    }
    arena_deinit(&a);
    found.error = STR_NULL; /* went with the arena */
    found.shards = NULL;
    return found;
}

/* What a scrape of process 0 has of version 1. */
static double gauge(struct world *w, const char *name)
{
    struct buf text;
    char line[128];
    buf_init(&text, 1u << 20);
    metrics_write(w->nodes[0].metrics, &text);
    buf_put_u8(&text, 0);
    int n = snprintf(line, sizeof(line), "\n%s{projection=\"sums\",version=\"1\"} ", name);
    const char *at = strstr((const char *)text.p, line);
    if (at == NULL) {
        fail_msg("there is no %s", name);
    }
    double value = strtod(at + n, NULL);
    buf_deinit(&text);
    return value;
}

/* Of a rebuild that takes a while: how far it is, how many events a second, how long still. Reads
 * are slow, and have one event each. What waits is an hour old. */
TEST(a_build_says_how_far_it_is_and_how_long_it_takes)
{
    enum { EVENTS = 600, SECONDS = 600, HOUR_MS = 3600 * 1000 };
    static uint64_t applied[10 + SECONDS]; /* at the end of each second; [10]: of the first */
    struct world w;
    struct ectx ec;
    struct worst_config cfg;
    world_begin(&w, 7, 0);
    world_apply(&w, 1);
    for (int32_t i = 0; i < EVENTS; i++) { /* all partitions alike, to the end */
        (void)worst_produce(w.log, "events", i % WORLD_PARTS, STR_LIT("k"), str_of(good),
                            env_wall_ms(w.env) - HOUR_MS);
    }
    world_until(&w, world_settled, 60000);
    worst_config_good(&cfg, 7);
    cfg.little_in = 1;
    cfg.delay_ns = 150u * 1000 * 1000;
    worst_log_set(w.log, &cfg);
    assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
    const uint64_t began_ns = env_mono_ns(w.env);
    double progress = 0;
    size_t grown = 0;
    size_t rates = 0;
    size_t olds = 0;
    uint64_t asked_ns = 0; /* then so much time was left: */
    uint64_t ended_ns = 0;
    double left_ms = 0;
    for (int i = 0; i < 10000000 && world_served(&w) != 2; i++) {
        const uint64_t before = env_mono_ns(w.env);
        world_step(&w);
        const uint64_t now = env_mono_ns(w.env);
        const size_t at = 10 + now / 1000000000u;
        assert_in_range(at, 10, 10 + SECONDS - 1);
        if (now == before) {
            continue;
        }
        const struct proj_version_status v = status_of(&w, 2);
        if (v.state != PROJ_BUILDING) {
            continue;
        }
        applied[at] = v.applied;
        assert_true(v.progress >= progress && v.progress <= 1);
        grown += v.progress > progress && v.progress < 1;
        progress = v.progress;
        if (v.lag_events == 0) { /* no partition is assigned yet; or its indexes are made */
            assert_true(v.progress == (v.shard_count > 0));
            assert_int_equal(v.eta_ms, v.shard_count > 0 ? 0 : -1);
            continue;
        }
        ended_ns = now;
        assert_int_equal(v.lag_events, EVENTS - v.applied);
        assert_in_range((uint64_t)(progress * EVENTS + 0.5), v.applied, v.applied);
        /* This second and the nine before it, once it is that old; applied[] keeps what was there
         * when none went by. */
        const double seconds = 9 + (double)(now % 1000000000u) / 1e9;
        const double rate = (double)(v.applied - applied[at - 10]) / seconds;
        if (now - began_ns > 10000000000u) {
            assert_true(v.per_second > rate - 0.2 && v.per_second < rate + 0.2);
            rates += rate > 0;
        }
        olds += v.lag_ms >= HOUR_MS; /* one of them was read */
        assert_in_range(v.lag_ms, 0, HOUR_MS + SECONDS * 1000);
        assert_int_equal(v.eta_ms > 0, v.per_second > 0);
        if (progress > 0.6 && asked_ns == 0) {
            asked_ns = now;
            left_ms = (double)v.eta_ms;
        }
    }
    assert_int_equal(world_served(&w), 2);
    assert_true(grown > EVENTS / 2);
    assert_true(rates > 0 && olds > 0);
    assert_true(asked_ns > 0 && ended_ns > asked_ns);
    const double took_ms = (double)(ended_ns - asked_ns) / 1000000;
    assert_true(left_ms > took_ms * 0.7 && left_ms < took_ms * 1.4);
    const struct proj_version_status v = status_of(&w, 2);
    assert_true(v.progress == 1);
    assert_int_equal(v.applied, EVENTS);
    assert_int_equal(v.lag_events, 0);
    assert_int_equal(v.lag_ms, 0);
    assert_int_equal(v.eta_ms, 0);
    world_run(&w, 11000);
    assert_true(status_of(&w, 2).per_second == 0);
    world_stop(&w, 0);
    world_deinit(&w);
}

static bool lags(struct world *w)
{
    return status_of(w, 1).lag_events == 1;
}

static void check_lag(struct world *w, uint64_t events, uint64_t ms)
{
    const struct proj_version_status v = status_of(w, 1);
    assert_int_equal(v.lag_events, events);
    assert_in_range(v.lag_ms, ms, ms + (ms > 0 ? 500 : 0));
    assert_true(v.eta_ms == (events > 0 ? -1 : 0)); /* nothing was applied of late */
    assert_true(gauge(w, "leat_projection_lag_events") == (double)events);
    assert_true(gauge(w, "leat_projection_lag_seconds") == (double)v.lag_ms / 1000);
}

/* The age of what waits: of an event that was read, and of one that is only known to be there. */
TEST(what_is_served_says_how_far_it_is_behind)
{
    struct world w;
    struct ectx ec;
    world_begin_settled(&w, 8);
    check_lag(&w, 0, 0);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK);
    world_run(&w, 12000); /* nothing waits, however long it is paused */
    check_lag(&w, 0, 0);
    say(&w, good);
    world_until(&w, lags, 1000);
    world_run(&w, 10200); /* a tick looks every 100 ms */
    check_lag(&w, 1, 10000);
    world_run(&w, 5000);
    check_lag(&w, 1, 15000);
    assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
    world_until(&w, world_settled, 60000);
    check_lag(&w, 0, 0);
    world_stop(&w, 0);
    world_deinit(&w);
}

static bool has_stopped(struct world *w)
{
    return status_of(w, 1).state == PROJ_STOPPED;
}

TEST(what_has_stopped_says_how_far_it_is_behind)
{
    struct world w;
    struct ectx ec;
    char text[2048];
    world_begin(&w, 9, 0);
    (void)world_definition(&w, 1, text, sizeof(text));
    (void)strncat(text, "on_error: stop\n", sizeof(text) - strlen(text) - 1);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    world_until(&w, world_settled, 60000);
    say(&w, bad);
    world_until(&w, has_stopped, 60000);
    world_run(&w, 30200);
    check_lag(&w, 1, 30000);
    world_deinit(&w);
}

static bool one_is_parked(struct world *w)
{
    return status_of(w, 1).parked_events == 1;
}

/* What was given up by hand counts among the skipped. */
TEST(what_is_parked_and_skipped_by_hand_is_shown)
{
    struct world w;
    struct ectx ec;
    world_begin_settled(&w, 10);
    assert_true(gauge(&w, "leat_projection_parked_events") == 0);
    say(&w, bad);
    world_until(&w, one_is_parked, 60000);
    assert_true(gauge(&w, "leat_projection_parked_events") == 1);
    assert_true(gauge(&w, "leat_projection_skipped_events") == 0);
    assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k0", &ec), ERR_OK);
    assert_int_equal(status_of(&w, 1).parked_events, 0);
    assert_int_equal(status_of(&w, 1).skipped_events, 1);
    assert_true(gauge(&w, "leat_projection_parked_events") == 0);
    assert_true(gauge(&w, "leat_projection_skipped_events") == 1);
    world_stop(&w, 0);
    world_deinit(&w);
}

static bool all_events(struct world *w)
{
    return status_of(w, 1).applied == 4 && world_settled(w);
}

/* on_error: skip. Nothing stands in the way, and what was left out is counted, since the start. */
TEST(what_is_skipped_by_itself_is_shown)
{
    struct world w;
    struct ectx ec;
    char text[2048];
    world_begin(&w, 11, 0);
    (void)world_definition(&w, 1, text, sizeof(text));
    (void)strncat(text, "on_error: skip\n", sizeof(text) - strlen(text) - 1);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    say(&w, good);
    say(&w, bad);
    say(&w, bad);
    say(&w, good);
    world_until(&w, all_events, 60000);
    struct proj_version_status v = status_of(&w, 1);
    assert_int_equal(v.state, PROJ_LIVE);
    assert_int_equal(v.lag_events, 0);
    assert_int_equal(v.skipped_events, 2);
    assert_int_equal(v.parked_events, 0);
    assert_true(gauge(&w, "leat_projection_skipped_events") == 2);
    assert_true(gauge(&w, "leat_projection_parked_events") == 0);
    world_check_rows(&w, "SELECT k, count, sum FROM keys", "k0|2|2\n");
    world_stop(&w, 0);
    world_up(&w, 0);
    world_until(&w, world_settled, 60000);
    assert_int_equal(status_of(&w, 1).skipped_events, 0);
    world_stop(&w, 0);
    world_deinit(&w);
}
