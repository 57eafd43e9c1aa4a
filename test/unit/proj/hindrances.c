/* What is done by itself and cannot be done: it waits longer each time, says why, and nobody else
 * waits for it. */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "proj/proj_int.h"
#include "server.h"
#include "world.h"

static struct projection *only(struct world *w)
{
    return CONTAINER_OF(w->nodes[0].proj->projections.next, struct projection, link);
}

static bool says(struct world *w, uint32_t version, const char *what)
{
    struct arena a;
    bool found = false;
    arena_init(&a, 1u << 20);
    struct proj_status s = world_status(w, 0, &a);
    for (size_t i = 0; i < s.version_count; i++) {
        char text[600];
        (void)snprintf(text, sizeof(text), "%.*s", STR(s.versions[i].error));
        found = found || (s.versions[i].version == version && strstr(text, what) != NULL);
    }
    arena_deinit(&a);
    return found;
}

/* How often something began that `is` says is under way, while events come in and are applied. */
static unsigned begun(struct world *w, bool (*is)(struct projection *pr), unsigned seconds)
{
    unsigned count = 0;
    unsigned held = 0;
    bool was = is(only(w));
    for (unsigned i = 0; i < seconds; i++) {
        const uint64_t until = env_mono_ns(w->env) + 1000000000u;
        world_say(w, 3, 0);
        while (env_mono_ns(w->env) < until) {
            world_step(w);
            const bool now = is(only(w));
            count += now && !was;
            was = now;
            assert_false(only(w)->lanes[0].broken);
        }
        held += only(w)->switch_to != NULL;
    }
    assert_in_range(held, 0, seconds / 10);
    return count;
}

static bool is_switching(struct projection *pr)
{
    return pr->switching;
}

static bool three_is_served(struct world *w)
{
    return world_served(w) == 3;
}

/* A view of somebody's own on top of ours goes on with the next version, if that has the columns.
 * If not, the switch says so and waits; the connection is as good as before. */
TEST_WELL_BEHAVED(a_view_on_top_of_ours_stays_or_is_told, "counts attempts within a time")
{
    struct world w;
    struct ectx ec;
    char text[2048];
    server_on_postgres = true;
    world_begin_settled(&w, 51);
    world_change_target(&w, "CREATE VIEW report AS SELECT SUM(count) AS n FROM keys");
    world_apply(&w, 2); /* a column more */
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    world_check_rows(&w, "SELECT n FROM report", "50\n");
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_EXISTS);
    assert_non_null(strstr(ec.text, "cannot drop view keys because other objects depend on it"));
    assert_int_equal(world_served(&w), 2);
    assert_int_equal(
        world_command(&w, PROJ_APPLY, world_definition(&w, 3, text, sizeof(text)), &ec), ERR_OK);
    world_run(&w, 3000);
    assert_in_range(begun(&w, is_switching, 30), 2, 6); /* after 1, 2, 4, 8, 16 seconds */
    assert_true(says(&w, 3, "cannot drop view keys"));
    world_until(&w, world_settled, 5000);
    world_check(&w, "__v2");
    world_change_target(&w, "DROP VIEW report");
    world_until(&w, three_is_served, 60000);
    assert_false(says(&w, 3, "cannot"));
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    server_on_postgres = false;
    world_deinit(&w);
}

/* As if somebody read for long what is to be replaced or dropped: each attempt ends with a timeout
 * of its lock. */
static void refuse(struct world *w, const char *when)
{
    char sql[400];
    world_change_target(w, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                           "RAISE EXCEPTION 'somebody reads it' USING ERRCODE = '55P03'; END $$");
    (void)snprintf(sql, sizeof(sql),
                   "CREATE TRIGGER refuse BEFORE %s FOR EACH ROW EXECUTE FUNCTION refuse()", when);
    world_change_target(w, sql);
}

TEST_WELL_BEHAVED(a_view_that_is_read_for_long_does_not_hold_the_served_version,
                  "counts attempts within a time")
{
    struct world w;
    server_on_postgres = true;
    world_begin_settled(&w, 52);
    refuse(&w, "UPDATE ON leat_projection");
    world_apply(&w, 2);
    world_run(&w, 3000);
    assert_in_range(begun(&w, is_switching, 30), 2, 6);
    assert_true(says(&w, 2, "somebody reads it"));
    world_until(&w, world_settled, 5000);
    assert_int_equal(world_served(&w), 1);
    world_check(&w, "__v1");
    world_change_target(&w, "DROP TRIGGER refuse ON leat_projection");
    world_until(&w, world_two_is_served, 60000);
    assert_false(says(&w, 2, "somebody"));
    server_on_postgres = false;
    world_deinit(&w);
}

static bool is_dropping(struct projection *pr)
{
    LIST_FOR_EACH (link, next, &pr->runs) {
        if (CONTAINER_OF(link, struct run, link)->drop_sent) {
            return true;
        }
    }
    return false;
}

struct once {
    struct proj_command c;
    bool done;
};
static void done_once(struct proj_command *c)
{
    CONTAINER_OF(c, struct once, c)->done = true;
}

/* A version that cannot be dropped now: who asked is told in time, and so is he at a stop. */
TEST_WELL_BEHAVED(a_table_that_is_read_for_long_does_not_hold_the_served_version,
                  "counts attempts within a time")
{
    for (int stops = 0; stops < 2; stops++) {
        struct world w;
        struct ectx ec;
        server_on_postgres = true;
        world_begin_settled(&w, 53);
        refuse(&w, "DELETE ON leat_version");
        w.keep = "24h\nswitch: manual";
        world_apply(&w, 2);
        world_run(&w, 3000);
        if (stops > 0) {
            struct once call = {
                .c = {.kind = PROJ_CANCEL, .name = STR_LIT("sums"), .done = done_once}};
            proj_command(w.nodes[0].proj, &call.c);
            world_run(&w, 5000);
            assert_false(call.done);
            world_stop(&w, 0);
            assert_true(call.done);
            assert_int_equal(call.c.err, ERR_OK);
        } else {
            assert_int_equal(world_command(&w, PROJ_CANCEL, NULL, &ec), ERR_REQUEST_TIMED_OUT);
            assert_non_null(strstr(ec.text, "version 2 is being dropped, and that goes on by "
                                            "itself: PostgreSQL: somebody reads it"));
            assert_in_range(begun(&w, is_dropping, 30), 1, 4);
            world_until(&w, world_settled, 5000);
            world_check(&w, "__v1");
            world_change_target(&w, "DROP TRIGGER refuse ON leat_version");
            world_until(&w, world_one_version, 60000);
        }
        server_on_postgres = false;
        world_deinit(&w);
    }
}

/* A version that is on its way out is none that is there: whoever declares it again is told so, and
 * can when it is gone. */
TEST(a_version_that_is_being_dropped_is_not_declared_again)
{
    struct world w;
    struct ectx ec;
    struct arena a;
    char text[2048];
    arena_init(&a, 1u << 20);
    server_on_postgres = true;
    world_begin_settled(&w, 57);
    refuse(&w, "DELETE ON leat_version");
    w.keep = "24h\nswitch: manual";
    world_apply(&w, 2);
    world_run(&w, 3000);
    assert_int_equal(world_command(&w, PROJ_CANCEL, NULL, &ec), ERR_REQUEST_TIMED_OUT);
    for (int other = 0; other < 2; other++) {
        w.keep = other ? "12h\nswitch: manual" : w.keep;
        (void)world_definition(&w, 2, text, sizeof(text));
        struct once call = {.c = {.kind = PROJ_APPLY,
                                  .definition = str_of(text),
                                  .file = STR_LIT("x.yaml"),
                                  .arena = &a,
                                  .done = done_once}};
        proj_command(w.nodes[0].proj, &call.c);
        assert_true(call.done);
        assert_int_equal(call.c.err, ERR_BUSY);
        assert_string_equal(call.c.ec.text, "version 2 of 'sums' is being dropped");
        assert_string_equal(call.c.ec.hint, "wait until it is gone, or use version 3");
    }
    world_change_target(&w, "DROP TRIGGER refuse ON leat_version");
    world_until(&w, world_one_version, 60000);
    world_apply(&w, 2);
    world_run(&w, 3000);
    world_check(&w, "__v2");
    arena_deinit(&a);
    server_on_postgres = false;
    world_deinit(&w);
}

/* A switch that could be tried again is answered when the process stops. */
TEST_WORLD_ON_BOTH(a_switch_that_is_under_way_at_a_stop_is_answered)
{
    struct world w;
    world_begin_settled(&w, 54);
    world_apply(&w, 2);
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    world_run(&w, 2000);
    world_change_target(&w, "UPDATE leat_checkpoint SET position = position + 1 WHERE version = 2");
    struct once call = {.c = {.kind = PROJ_ROLLBACK, .name = STR_LIT("sums"), .done = done_once}};
    proj_command(w.nodes[0].proj, &call.c);
    while (!only(&w)->switching) {
        assert_false(call.done);
        world_step(&w);
    }
    world_stop(&w, 0);
    assert_true(call.done);
    assert_int_equal(call.c.err, ERR_STOPPED);
    world_deinit(&w);
}

static bool is_indexing(struct projection *pr)
{
    const struct run *r = run_find(pr, 2);
    return r != NULL && r->indexing;
}

/* Indexes that cannot be made are not tried all the time. When they can, also with the connection
 * lost meanwhile and no event in sight, the version is served. */
TEST_WELL_BEHAVED_ON_BOTH(indexes_that_cannot_be_made_are_told_and_tried_less_and_less,
                          "counts attempts within a time")
{
    struct world w;
    world_begin_settled(&w, 55);
    world_change_target(
        &w, server_on_postgres
                ? "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
                  "EXCEPTION 'too long' USING ERRCODE = '54000'; END $$; "
                  "CREATE TRIGGER refuse BEFORE UPDATE OF indexed ON leat_version FOR EACH ROW "
                  "WHEN (NEW.version = 2) EXECUTE FUNCTION refuse()"
                : "CREATE TRIGGER refuse BEFORE UPDATE OF indexed ON leat_version WHEN NEW.version "
                  "= 2 BEGIN SELECT RAISE(ABORT, 'too long'); END");
    world_apply(&w, 2);
    world_run(&w, 3000);
    assert_in_range(begun(&w, is_indexing, 30), 2, 6);
    assert_true(says(&w, 2, "too long"));
    assert_int_equal(world_served(&w), 1);
    world_until(&w, world_settled, 5000);
    world_run(&w, 2000);
    world_change_target(&w, server_on_postgres ? "DROP TRIGGER refuse ON leat_version"
                                               : "DROP TRIGGER refuse");
    if (server_on_postgres) {
        server_end_connections();
    }
    world_until(&w, world_two_is_served, 200000);
    assert_false(says(&w, 2, "too long"));
    world_deinit(&w);
}

/* A text that no index would take is refused before there is one, so that rows do not depend on
 * when that is; in a column that is not indexed it may be long. */
TEST_WORLD_ON_BOTH(a_text_that_is_too_long_for_an_index_is_parked)
{
    static const char definition[] =
        "projection: sums\n"
        "source: { topics: [events] }\n"
        "target: \"%s\"\n"
        "key: $key\n"
        "tables:\n"
        "  keys: { columns: { k: text, a: text, b: text, n: integer, free: text }, key: k, "
        "indexes: [ a, [ n, a, b ] ] }\n"
        "maps:\n"
        "  - { type: A, upsert: { table: keys, key: { k: $key }, set: { n: 7, a: /data, b: "
        "/data, free: /data } } }\n"
        "  - { type: F, upsert: { table: keys, key: { k: $key }, set: { free: /data } } }\n";
    static const struct {
        const char *type, *key;
        size_t bytes;
    } events[] = {{"A", "fits", 1000}, {"A", "long", 1001}, {"F", "free", 100000}};
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    char text[1024];
    char *value = mem_alloc(110000);
    assert_non_null(value);
    worst_config_good(&cfg, 56);
    world_init(&w, 56, &cfg);
    worst_topic_make(w.log, "events", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    (void)snprintf(text, sizeof(text), definition, w.target[0] == 0 ? "sqlite:views.db" : w.target);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    for (int round = 0; round < 2; round++) { /* before the indexes are made, and behind that */
        for (size_t i = 0; i < ARRAY_LEN(events); i++) {
            char key[16];
            size_t n =
                (size_t)snprintf(value, 100, "{\"eventType\":\"%s\",\"data\":\"", events[i].type);
            for (size_t k = 0; k < events[i].bytes; k++) { /* of no use to a packer */
                value[n++] = (char)('a' + world_random(&w, 26));
            }
            (void)snprintf(value + n, 4, "\"}");
            (void)snprintf(key, sizeof(key), "%s%d", events[i].key, round);
            (void)worst_produce(w.log, "events", 0, str_of(key), str_of(value), 1);
        }
        world_until(&w, world_settled, 60000);
        world_run(&w, 3000);
        assert_true(run_find(only(&w), 1)->indexed);
    }
    world_check_rows(&w, "SELECT k, LENGTH(free) FROM keys ORDER BY k",
                     "fits0|1000\nfits1|1000\nfree0|100000\nfree1|100000\n");
    world_check_rows(&w, "SELECT event_key, reason FROM leat_parked ORDER BY 1",
                     "long0|upsert of keys: column 'a' is in the key or an index, and takes texts "
                     "of at most 1000 bytes, not 1001\n"
                     "long1|upsert of keys: column 'a' is in the key or an index, and takes texts "
                     "of at most 1000 bytes, not 1001\n");
    mem_free(value);
    world_deinit(&w);
}
