/* Live-only actions: once in the log across retries, kills, a rebuild, a switch and the way back;
 * never from what was history. */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "record/record.h"
#include "server.h"
#include "world.h"

struct expected {
    struct world *w;
    int32_t partition;
    int64_t from;
    size_t count;
};
static void expect(void *ctx, const struct record *r)
{
    struct expected *x = ctx;
    char text[200];
    char id[64];
    long long n = 0;
    snprintf(text, sizeof(text), "%.*s", STR(r->value));
    assert_int_equal(sscanf(strstr(text, "\"n\":") + 4, "%lld", &n), 1);
    snprintf(id, sizeof(id), "sums.big.events/%d.%lld", x->partition, (long long)r->offset);
    bool live = n > 500 && r->offset >= x->from;
    bool there = map_get(&x->w->appended, str_of(id)) != NULL;
    if (live != there) {
        fail_msg("%s: expected %s, n %lld", id, live ? "an append" : "none", n);
    }
    x->count += live;
}

static void check_actions(struct world *w, const int64_t from[WORLD_PARTS])
{
    struct expected x = {.w = w};
    for (x.partition = 0; x.partition < WORLD_PARTS; x.partition++) {
        x.from = from[x.partition];
        (void)worst_each(w->log, "events", x.partition, expect, &x);
    }
    assert_int_equal(w->appended.count, x.count);
    assert_true(x.count > 0);
}

static bool none_waits(struct world *w)
{
    char got[64];
    /* The table is looked at now and then: each time is a connection. */
    return w->nodes[0].append == NULL && world_random(w, 500) == 0 && world_settled(w) &&
           strcmp(
               world_rows(w, "SELECT COUNT(*) FROM leat_action WHERE gated = 0", got, sizeof(got)),
               "0\n") == 0 &&
           w->nodes[0].append == NULL;
}

static uint32_t served(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    uint32_t v = world_status(w, 0, &a).served;
    arena_deinit(&a);
    return v;
}
static bool two_is_served(struct world *w)
{
    return served(w) == 2;
}

static void begin(struct world *w, uint64_t seed, bool bad, int64_t from[WORLD_PARTS])
{
    struct worst_config cfg;
    char text[2048];
    struct ectx ec;
    worst_config_good(&cfg, seed);
    world_init(w, seed, &cfg);
    w->actions = true;
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_say(w, 60, 0); /* history */
    world_up(w, 0);
    world_run(w, 500);
    enum err e = world_command(w, PROJ_APPLY, world_definition(w, 1, text, sizeof(text)), &ec);
    if (e != ERR_OK) {
        fail_msg("%s %s", ec.text, ec.hint);
    }
    world_until(w, world_settled, 60000);
    for (int32_t p = 0; p < WORLD_PARTS; p++) {
        char got[64];
        char sql[128];
        snprintf(sql, sizeof(sql),
                 "SELECT live_from FROM leat_checkpoint WHERE version = 1 AND shard = 'events/%d'",
                 p);
        long long offset = 0;
        assert_int_equal(sscanf(world_rows(w, sql, got, sizeof(got)), "%lld", &offset), 1);
        from[p] = offset;
    }
    assert_int_equal(w->appended.count, 0);
    if (bad) {
        worst_config_bad(&cfg, seed);
        worst_log_set(w->log, &cfg);
    }
}

TEST_ON_BOTH(actions_follow_from_live_events_only)
{
    struct world w;
    int64_t from[WORLD_PARTS];
    begin(&w, 31, false, from);
    world_say(&w, 100, 0);
    world_until(&w, none_waits, 60000);
    check_actions(&w, from);
    assert_int_equal(w.again, 0);
    world_stop(&w, 0);
    world_deinit(&w);
}

static bool one_is_sent(struct world *w)
{
    return w->nodes[0].append != NULL;
}

TEST(actions_that_come_while_others_are_sent_are_sent_too)
{
    struct world w;
    int64_t from[WORLD_PARTS];
    begin(&w, 33, false, from);
    w.appends_good = true;
    w.appends_held = true;
    world_say(&w, 10, 0);
    world_until(&w, one_is_sent, 60000);
    world_say(&w, 10, 0);
    world_until(&w, world_settled, 60000); /* their rows are there, and the first append still waits */
    w.appends_held = false;
    world_until(&w, none_waits, 60000);
    check_actions(&w, from);
    world_stop(&w, 0);
    world_deinit(&w);
}

TEST_ON_BOTH(actions_are_once_in_the_log_across_kills_rebuild_switch_and_back)
{
    for (uint64_t seed = 1; seed <= server_seeds(20); seed++) {
        struct world w;
        struct worst_config cfg;
        struct ectx ec;
        char text[2048];
        int64_t from[WORLD_PARTS];
        begin(&w, seed, true, from);
        enum err e =
            world_command(&w, PROJ_APPLY, world_definition(&w, 2, text, sizeof(text)), &ec);
        assert_int_equal(e, ERR_OK);
        for (int round = 0; round < 10; round++) {
            world_say(&w, 1 + world_random(&w, 30), 0);
            uint64_t steps = world_random(&w, 4000);
            for (uint64_t i = 0; i < steps; i++) {
                world_step(&w);
            }
            if (round == 8) {
                worst_config_good(&cfg, seed);
                worst_log_set(w.log, &cfg);
                world_until(&w, two_is_served, 600000);
                world_say(&w, 40, 0); /* and back, in the middle of it */
                e = world_command(&w, PROJ_ROLLBACK, NULL, &ec);
                assert_int_equal(e, ERR_OK);
                world_say(&w, 40, 0);
            } else if (world_random(&w, 2) == 0) {
                world_kill(&w, 0);
                world_up(&w, 0);
            }
        }
        world_until(&w, none_waits, 600000);
        check_actions(&w, from);
        world_deinit(&w);
    }
}
