/* Live-only actions of events that were parked: once in the log, whichever version applies them in
 * the end, and at once. */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "proj/target.h"
#include "server.h"
#include "world.h"

static void say(struct world *w, int key, const char *type, const char *data)
{
    char k[16];
    char value[200];
    snprintf(k, sizeof(k), "k%d", key);
    snprintf(value, sizeof(value), "{\"eventType\":\"%s\",\"data\":%s}", type, data);
    (void)worst_produce(w->log, "events", key % WORLD_PARTS, str_of(k), str_of(value),
                        env_wall_ms(w->env));
}

static void begin(struct world *w, uint64_t seed)
{
    struct worst_config cfg;
    worst_config_good(&cfg, seed);
    world_init(w, seed, &cfg);
    w->actions = true;
    w->appends_good = true;
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
}

static size_t awaited;
static bool are_appended(struct world *w)
{
    return w->appended.count == awaited && w->nodes[0].append == NULL;
}

TEST_WORLD_ON_BOTH(actions_of_a_key_that_is_skipped_go_at_once)
{
    struct world w;
    struct ectx ec;
    begin(&w, 3);
    world_apply(&w, 1);
    say(&w, 0, "Added", "{\"n\":\"bad\"}");
    say(&w, 0, "Added", "{\"n\":900}");
    world_until(&w, world_settled, 60000);
    world_run(&w, 2000);
    assert_int_equal(w.appended.count, 0);
    assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k0", &ec), ERR_OK);
    awaited = 1;
    world_until(&w, are_appended, 5000); /* and no other event came */
    world_stop(&w, 0);
    world_deinit(&w);
}

/* Version 1 wants a number and an open gate; those that are made from `fixed` on want neither. */
static void declare(struct world *w, uint32_t version, bool fixed)
{
    char text[2048];
    struct ectx ec;
    snprintf(text, sizeof(text),
             "projection: sums\n"
             "version: %u\n"
             "source: { topics: [events] }\n"
             "target: \"%s\"\n"
             "tables:\n"
             "  gates: { columns: { id: text }, key: id }\n"
             "  keys: { columns: { k: text, n: text }, key: k }\n"
             "maps:\n"
             "  - { type: Opened, upsert: { table: gates, key: { id: /data/g } } }\n"
             "  - type: Added\n"
             "%s"
             "    upsert: { table: keys, key: { k: $key }, set: { n: text(%s) } }\n"
             "    live_only: { name: big, stream: \"'notice-{$key}'\", type: \"'N'\", data: { n: "
             "/data/n } }\n",
             version, w->target[0] == 0 ? "sqlite:views.db" : w->target,
             fixed ? ""
                   : "    lookup: { c: { from: gates, key: { id: /data/g }, columns: [id], "
                     "required: true } }\n",
             fixed ? "/data/n" : "int(/data/n)");
    enum err e = world_command(w, PROJ_APPLY, text, &ec);
    if (e != ERR_OK) {
        fail_msg("%s %s", ec.text, ec.hint);
    }
}

static void change(struct world *w, const char *sql)
{
    const struct target_driver *driver = w->target[0] == 0 ? &target_sqlite : &target_postgres;
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    assert_int_equal(driver->load(&l, NULL), ERR_OK);
    assert_int_equal(driver->open(l, str_of(w->target[0] == 0 ? w->db : w->target), 0, &db, NULL),
                     ERR_OK);
    assert_int_equal(driver->exec(db, sql, NULL), ERR_OK);
    driver->close(db);
    driver->unload(l);
}

static void check_count(struct world *w, const char *sql, const char *want)
{
    char got[64];
    char line[64];
    snprintf(line, sizeof(line), "%s\n", want);
    assert_string_equal(world_rows(w, sql, got, sizeof(got)), line);
}

TEST_WORLD_ON_BOTH(a_version_that_applies_what_the_served_one_has_parked_makes_its_actions)
{
    struct world w;
    struct ectx ec;
    begin(&w, 5);
    say(&w, 1, "Added", "{\"n\":\"history\",\"g\":\"a\"}");
    declare(&w, 1, false);
    say(&w, 0, "Opened", "{\"g\":\"a\"}");
    say(&w, 0, "Added", "{\"n\":1,\"g\":\"a\"}");
    say(&w, 0, "Added", "{\"n\":\"bad\",\"g\":\"a\"}");
    say(&w, 0, "Added", "{\"n\":3,\"g\":\"a\"}");
    say(&w, 3, "Added", "{\"n\":\"worse\",\"g\":\"a\"}");
    say(&w, 3, "Added", "{\"n\":4,\"g\":\"a\"}");
    world_until(&w, world_settled, 60000);
    awaited = 1; /* of what can be applied */
    world_until(&w, are_appended, 5000);
    assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k3", &ec), ERR_OK);
    awaited = 2; /* what a person gave up in the served version has none */
    world_until(&w, are_appended, 5000);
    declare(&w, 2, true);
    world_until(&w, world_two_is_served, 60000);
    awaited = 4;
    world_until(&w, are_appended, 5000);
    world_run(&w, 2000);
    assert_int_equal(w.again, 0);
    assert_int_equal(w.appended.count, 4);
    assert_null(map_get(&w.appended, STR_LIT("sums.big.events/1.0")));
    assert_null(map_get(&w.appended, STR_LIT("sums.big.events/0.4")));
    check_count(&w, "SELECT COUNT(*) FROM leat_action", "0");
    /* Back, and the old one's are tried again: the store knows all of them. */
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_OK);
    assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k0", &ec), ERR_OK);
    world_run(&w, 2000);
    assert_int_equal(w.appended.count, 4);
    assert_int_equal(w.again, 1);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* What waits is parked in the served one only after the next one has applied it. */
TEST_WORLD_ON_BOTH(what_the_served_version_parks_later_keeps_its_actions)
{
    struct world w;
    begin(&w, 6);
    declare(&w, 1, false);
    world_until(&w, world_settled, 60000);
    declare(&w, 2, true);
    for (int i = 0; i < 40; i++) {
        say(&w, i % WORLD_KEYS, "Added", i % 3 == 0 ? "{\"n\":\"bad\"}" : "{\"n\":1}");
        world_run(&w, world_random(&w, 30));
    }
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    awaited = 40;
    world_until(&w, are_appended, 5000);
    world_run(&w, 2000);
    assert_int_equal(w.appended.count, 40);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* A transaction that began before a switch and ended after it has left its rows waiting. */
TEST_WORLD_ON_BOTH(what_waits_in_the_version_that_is_served_is_sent)
{
    struct world w;
    begin(&w, 8);
    declare(&w, 1, false);
    world_until(&w, world_settled, 60000);
    change(&w, "INSERT INTO leat_action (projection, version, id, shard, record_offset, gated, "
               "stream, type, data) VALUES ('sums', 1, 'a', 'events/0', 0, 1, 's-1', 'N', '{}'), "
               "('sums', 2, 'b', 'events/0', 0, 1, 's-1', 'N', '{}')");
    world_kill(&w, 0);
    world_up(&w, 0);
    awaited = 1;
    world_until(&w, are_appended, 5000);
    world_run(&w, 2000);
    assert_non_null(map_get(&w.appended, STR_LIT("a")));
    assert_int_equal(w.appended.count, 1);
    check_count(&w, "SELECT COUNT(*) FROM leat_action", "1");
    world_stop(&w, 0);
    world_deinit(&w);
}

/* Of a key that is tried again here, another process may have a partition, with more events than
 * are tried at a time: what is ours is tried. The key stays parked, and that is said, whether
 * anything of it was here or not. */
TEST_WORLD_ON_BOTH(a_retry_says_that_a_key_has_events_of_another_process)
{
    struct world w;
    struct ectx ec;
    begin(&w, 9);
    declare(&w, 1, false);
    world_until(&w, world_settled, 60000);
    change(&w, "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 1200) "
               "INSERT INTO leat_parked (projection, version, shard, record_offset, event_key, "
               "reason, record, parked_at) SELECT 'sums', 1, 'a/9', i, 'k0', 'r', 'x', 0 FROM g");
    for (int i = 0; i < 40; i++) {
        say(&w, 0, "Added", "{\"n\":1,\"g\":\"a\"}"); /* the gate is not open */
    }
    world_until(&w, world_settled, 60000);
    check_count(&w, "SELECT COUNT(*) FROM leat_parked", "1240");
    say(&w, 9, "Opened", "{\"g\":\"a\"}");
    world_until(&w, world_settled, 60000);
    for (int here = 1; here >= 0; here--) {
        assert_int_equal(world_command(&w, PROJ_RETRY_KEY, "k0", &ec), ERR_MALFORMED);
        assert_int_equal(w.why, PROJ_STAYS_PARKED);
        assert_non_null(strstr(ec.text, "partitions that are not this process's"));
        check_count(&w, "SELECT COUNT(*) FROM leat_parked", "1200"); /* what is ours was applied */
    }
    change(&w, "DELETE FROM leat_parked");
    assert_int_equal(world_command(&w, PROJ_RETRY_KEY, "k0", &ec), ERR_NOT_FOUND);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* ---- Anything, at any time */

enum { GATES = 6 };

static void look(void *ctx, const struct record *r)
{
    size_t *added = ctx;
    char text[200];
    snprintf(text, sizeof(text), "%.*s", STR(r->value));
    *added += strstr(text, "Added") != NULL;
}

static uint32_t newest(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    struct proj_status s = world_status(w, 0, &a);
    uint32_t v = s.version_count == 0 ? 0 : s.versions[s.version_count - 1].version;
    arena_deinit(&a);
    return v;
}

static void retry_all(struct world *w)
{
    for (int k = 0; k < WORLD_KEYS; k++) {
        char key[16];
        struct ectx ec;
        snprintf(key, sizeof(key), "k%d", k);
        enum err e = world_command(w, PROJ_RETRY_KEY, key, &ec);
        assert_true(e == ERR_OK || e == ERR_NOT_FOUND);
    }
}

static void anything(struct world *w, int *opened)
{
    struct ectx ec;
    char text[64];
    uint64_t what = world_random(w, 100);
    if (what < 60) {
        snprintf(text, sizeof(text), "{\"n\":1,\"g\":\"%d\"}", (int)world_random(w, GATES));
        say(w, (int)world_random(w, WORLD_KEYS), "Added", text);
    } else if (what < 63 && *opened < GATES) {
        snprintf(text, sizeof(text), "{\"g\":\"%d\"}", (*opened)++);
        say(w, 9, "Opened", text); /* of a key that is never parked */
    } else if (what < 83) {
        snprintf(text, sizeof(text), "k%d", (int)world_random(w, WORLD_KEYS));
        w->for_version = world_random(w, 2) == 0 ? 0 : newest(w);
        IGNORE(world_command(w, PROJ_RETRY_KEY, text, &ec) == ERR_OK);
        w->for_version = 0;
    } else if (what < 88) {
        IGNORE(world_command(w, PROJ_REBUILD, NULL, &ec) == ERR_OK);
    } else if (what < 90) {
        IGNORE(world_command(w, PROJ_ROLLBACK, NULL, &ec) == ERR_OK);
    } else if (what < 91) {
        IGNORE(world_command(w, PROJ_CANCEL, NULL, &ec) == ERR_OK);
    } else if (what < 93) {
        w->for_version = newest(w) > 2 ? newest(w) - 2 : 0;
        IGNORE(world_command(w, PROJ_DROP_VERSION, NULL, &ec) == ERR_OK);
        w->for_version = 0;
    } else if (what < 95) {
        world_kill(w, 0);
        world_up(w, 0);
    }
    uint64_t steps = world_random(w, 1500);
    for (uint64_t i = 0; i < steps; i++) {
        world_step(w);
    }
}

TEST_ON_BOTH(actions_of_parked_events_are_once_in_the_log_whatever_happens)
{
    for (uint64_t seed = 1; seed <= server_seeds(10); seed++) {
        struct world w;
        struct worst_config cfg;
        int opened = 0;
        begin(&w, seed);
        declare(&w, 1, false);
        worst_config_bad(&cfg, seed);
        worst_log_set(w.log, &cfg);
        for (int i = 0; i < 150; i++) {
            anything(&w, &opened);
        }
        worst_config_good(&cfg, seed);
        worst_log_set(w.log, &cfg);
        while (opened < GATES) {
            char text[64];
            snprintf(text, sizeof(text), "{\"g\":\"%d\"}", opened++);
            say(&w, 9, "Opened", text);
        }
        world_until(&w, world_settled, 60000);
        retry_all(&w);
        retry_all(&w); /* a switch may have come in between */
        awaited = 0;
        for (int32_t p = 0; p < WORLD_PARTS; p++) {
            (void)worst_each(w.log, "events", p, look, &awaited);
        }
        world_until(&w, are_appended, 5000);
        world_deinit(&w);
    }
}
