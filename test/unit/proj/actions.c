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
    const char *of; /* what their ids end with */
};
static void expect(void *ctx, const struct record *r)
{
    struct expected *x = ctx;
    char text[200];
    char id[64];
    long long n = 0;
    snprintf(text, sizeof(text), "%.*s", STR(r->value));
    assert_int_equal(sscanf(strstr(text, "\"n\":") + 4, "%lld", &n), 1);
    snprintf(id, sizeof(id), "sums.big.events/%d.%lld%s", x->partition, (long long)r->offset,
             x->of);
    bool live = n > 500 && r->offset >= x->from;
    bool there = map_get(&x->w->appended, str_of(id)) != NULL;
    if (live != there) {
        fail_msg("%s: expected %s, n %lld", id, live ? "an append" : "none", n);
    }
    x->count += live;
}

static void check_actions_of(struct world *w, const int64_t from[WORLD_PARTS], const char *of)
{
    struct expected x = {.w = w, .of = of};
    for (x.partition = 0; x.partition < WORLD_PARTS; x.partition++) {
        x.from = from[x.partition];
        (void)worst_each(w->log, "events", x.partition, expect, &x);
    }
    assert_int_equal(w->appended.count, x.count);
    assert_true(x.count > 0);
}
static void check_actions(struct world *w, const int64_t from[WORLD_PARTS])
{
    check_actions_of(w, from, "");
}
/* Of a topic that came after the declaration: each that is made anew has ids of its own. */
static void check_later_actions(struct world *w, const int64_t from[WORLD_PARTS])
{
    struct engine_topic topic;
    char id[UUID_TEXT_SIZE];
    char of[10];
    assert_true(engine_topic_get(w->nodes[0].engine, STR_LIT("events"), &topic));
    uuid_format(topic.id, id);
    snprintf(of, sizeof(of), ".%.8s", id);
    check_actions_of(w, from, of);
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

TEST_WORLD_ON_BOTH(actions_follow_from_live_events_only)
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

static void count_one(void *ctx, const struct record *r)
{
    (void)r;
    ++*(int64_t *)ctx;
}

/* Nobody waits between declaration and event; then the target loses all that it had, perhaps. */
static void live_at_once(uint64_t seed, bool topic_first, bool lost)
{
    struct worst_config cfg;
    struct world w;
    struct ectx ec;
    char text[2048];
    int64_t from[WORLD_PARTS] = {0};
    worst_config_good(&cfg, seed);
    world_init(&w, seed, &cfg);
    w.actions = true;
    if (topic_first) {
        worst_topic_make(w.log, "events", WORLD_PARTS);
        world_say(&w, 60, 0); /* history */
    }
    world_up(&w, 0);
    world_run(&w, 500);
    for (int32_t p = 0; topic_first && p < WORLD_PARTS; p++) {
        (void)worst_each(w.log, "events", p, count_one, &from[p]);
    }
    assert_int_equal(
        world_command(&w, PROJ_APPLY, world_definition(&w, 1, text, sizeof(text)), &ec), ERR_OK);
    if (!topic_first) {
        worst_topic_make(w.log, "events", WORLD_PARTS);
    }
    world_say(&w, 40, 0);
    if (lost) {
        world_until(&w, none_waits, 60000);
        world_kill(&w, 0);
        assert_int_equal(remove(w.db), 0);
        snprintf(text, sizeof(text), "%s-wal", w.db);
        (void)remove(text);
        map_deinit(&w.appended); /* as if none had been sent before */
        map_init(&w.appended);
        world_up(&w, 0);
    }
    world_until(&w, none_waits, 60000);
    if (topic_first) {
        check_actions(&w, from);
    } else {
        check_later_actions(&w, from);
    }
    world_stop(&w, 0);
    world_deinit(&w);
}

TEST(what_comes_after_the_declaration_is_live)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        live_at_once(seed, true, false);
        live_at_once(seed, false, false);
        live_at_once(seed, true, true);
        live_at_once(seed, false, true);
    }
}

/* Version 2 also reads a topic that was full before: that is history too. */
TEST_WORLD(a_topic_that_a_later_version_adds_begins_with_history)
{
    struct world w;
    struct ectx ec;
    char text[2048];
    char more[2100];
    int64_t from[WORLD_PARTS];
    begin(&w, 7, false, from);
    worst_topic_make(w.log, "more", 1);
    for (int i = 0; i < 20; i++) {
        (void)worst_produce(w.log, "more", 0, STR_LIT("k1"),
                            STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":900}}"),
                            env_wall_ms(w.env));
    }
    world_definition(&w, 2, text, sizeof(text));
    char *at = strstr(text, "[events]");
    assert_non_null(at);
    *at = 0;
    snprintf(more, sizeof(more), "%s[events, more]%s", text, at + strlen("[events]"));
    assert_int_equal(world_command(&w, PROJ_APPLY, more, &ec), ERR_OK);
    world_say(&w, 40, 0);
    world_until(&w, world_two_is_served, 600000);
    world_until(&w, none_waits, 60000);
    check_actions(&w, from);
    char got[64];
    assert_string_equal(world_rows(&w,
                                   "SELECT COUNT(*) FROM leat_checkpoint WHERE shard = 'more/0' "
                                   "AND position = 20 AND live_from = 20",
                                   got, sizeof(got)),
                        "1\n");
    world_stop(&w, 0);
    world_deinit(&w);
}

static bool one_is_sent(struct world *w)
{
    return w->nodes[0].append != NULL;
}

TEST_WORLD(actions_that_come_while_others_are_sent_are_sent_too)
{
    struct world w;
    int64_t from[WORLD_PARTS];
    begin(&w, 33, false, from);
    w.appends_good = true;
    w.appends_held = true;
    world_say(&w, 10, 0);
    world_until(&w, one_is_sent, 60000);
    world_say(&w, 10, 0);
    world_until(&w, world_settled,
                60000); /* their rows are there, and the first append still waits */
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
                world_until(&w, world_two_is_served, 600000);
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
