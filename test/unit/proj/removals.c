/* What is under way when a version or a projection goes, and what of it is left behind. */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "proj/proj_int.h"
#include "proj/target.h"
#include "server.h"
#include "world.h"

static void begin_empty(struct world *w, uint64_t seed)
{
    struct worst_config cfg;
    worst_config_good(&cfg, seed);
    world_init(w, seed, &cfg);
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
}
static void begin(struct world *w, uint64_t seed)
{
    begin_empty(w, seed);
    world_apply(w, 1);
    world_say(w, 50, 0);
    world_until(w, world_settled, 60000);
}

struct once {
    struct proj_command c;
    bool done;
};
static void done_once(struct proj_command *c)
{
    CONTAINER_OF(c, struct once, c)->done = true;
}
static struct once once_of(enum proj_command_kind kind)
{
    return (struct once){.c = {.kind = kind, .name = STR_LIT("sums"), .done = done_once}};
}

struct reader {
    struct proj_query q;
    struct arena arena;
    bool busy;
};
static void was_read(struct proj_query *q)
{
    CONTAINER_OF(q, struct reader, q)->busy = false;
}

/* A query knows the columns from the definition: that stays until the query has been answered. */
TEST_WORLD_ON_BOTH(a_query_that_is_under_way_ends_before_its_version_goes)
{
    struct reader readers[8];
    for (uint64_t seed = 1; seed <= server_seeds(5); seed++) {
        struct world w;
        begin(&w, seed);
        size_t answered = 0;
        for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
            readers[i] = (struct reader){.q = {.view = STR_LIT("keys"), .done = was_read}};
            readers[i].q.arena = &readers[i].arena;
            arena_init(&readers[i].arena, 4u << 20);
        }
        struct once call = once_of(PROJ_REMOVE);
        proj_command(w.nodes[0].proj, &call.c);
        while (!call.done) {
            for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
                if (!readers[i].busy) {
                    readers[i].busy = true;
                    proj_query(w.nodes[0].proj, &readers[i].q); /* until there is no such view */
                    answered += readers[i].busy;
                }
            }
            world_step(&w);
        }
        assert_int_equal(call.c.err, ERR_OK);
        assert_true(answered >= ARRAY_LEN(readers));
        for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
            assert_false(readers[i].busy);
            arena_deinit(&readers[i].arena);
        }
        world_deinit(&w);
    }
}

/* A switch that could be tried again is not, when its version has begun to go meanwhile: who asked
 * for it is told, and nothing of it is left. */
TEST_WORLD_ON_BOTH(a_switch_that_is_under_way_when_its_projection_goes_is_answered)
{
    struct world w;
    begin(&w, 4);
    world_apply(&w, 2);
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    world_run(&w, 2000);
    world_change_target(&w, "UPDATE leat_checkpoint SET position = position + 1 WHERE version = 2");
    struct once back = once_of(PROJ_ROLLBACK);
    struct once away = once_of(PROJ_REMOVE);
    proj_command(w.nodes[0].proj, &back.c);
    assert_false(back.done);
    proj_command(w.nodes[0].proj, &away.c);
    assert_false(away.done);
    /* The log says that it goes, before the first job of the process runs. */
    for (int i = 0; i < 1000; i++) {
        (void)worst_step(w.log, env_mono_ns(w.env) + 1000000);
    }
    assert_false(back.done);
    for (int i = 0; i < 1000000 && !away.done; i++) {
        world_step(&w);
    }
    assert_true(away.done);
    assert_int_equal(away.c.err, ERR_OK);
    assert_true(back.done);
    assert_int_equal(back.c.err, ERR_ABORTED);
    assert_string_equal(back.c.ec.text, "version 1 is being dropped");
    world_stop(&w, 0);
    world_deinit(&w);
}

/* The rows of a version whose drop was cut short: the log does not speak of it any more. */
static void leave_rows(struct world *w, unsigned version)
{
    char sql[300];
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO leat_version (projection, version, tables, indexed, created_at) "
                   "VALUES ('sums', %u, 'keys,totals', 0, 0)",
                   version);
    world_change_target(w, sql);
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO leat_checkpoint SELECT projection, %u, shard, topic_id, "
                   "owner_epoch, position, live_from, updated_at, last_time_ms FROM "
                   "leat_checkpoint WHERE version = 1",
                   version);
    world_change_target(w, sql);
}
static void leave_orphan(struct world *w)
{
    world_change_target(w, "CREATE TABLE keys__v9 (k TEXT)");
    leave_rows(w, 9);
}

static void check_nothing_left(struct world *w)
{
    world_check_rows(w, "SELECT COUNT(*) FROM leat_version", "0\n");
    world_check_rows(w, "SELECT COUNT(*) FROM leat_projection", "0\n");
    world_check_rows(w, "SELECT COUNT(*) FROM leat_checkpoint", "0\n");
    world_check_rows(w,
                     server_on_postgres
                         ? "SELECT tablename FROM pg_tables WHERE schemaname = current_schema AND "
                           "tablename LIKE 'keys%'"
                         : "SELECT name FROM sqlite_master WHERE name LIKE 'keys%'",
                     "");
}

/* Else the next projection of that name would find positions and rows that are not its own. */
TEST_WORLD_ON_BOTH(a_removal_drops_versions_that_no_definition_speaks_of)
{
    struct world w;
    struct ectx ec;
    begin(&w, 5);
    leave_orphan(&w);
    assert_int_equal(world_command(&w, PROJ_REMOVE, NULL, &ec), ERR_OK);
    check_nothing_left(&w);
    /* With a version, too, of which there is nothing to drop. */
    world_apply(&w, 1);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    leave_orphan(&w);
    world_change_target(&w, "DELETE FROM leat_version WHERE version = 1");
    world_change_target(&w, "DELETE FROM leat_checkpoint WHERE version = 1");
    assert_int_equal(world_command(&w, PROJ_REMOVE, NULL, &ec), ERR_OK);
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_version", "0\n");
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_projection", "0\n");
    world_deinit(&w);
}

/* A number that comes again has nothing of the version that had it, also where no version could be
 * opened since that one went. */
TEST_ON_BOTH(a_number_that_comes_again_takes_nothing_over)
{
    struct world w;
    begin(&w, 8);
    world_kill(&w, 0);
    /* As version 2 left them. */
    world_change_target(&w, "CREATE TABLE keys__v2 (k TEXT NOT NULL PRIMARY KEY, count BIGINT, sum "
                            "BIGINT, last BIGINT, most BIGINT)");
    world_change_target(&w, "CREATE TABLE totals__v2 (id TEXT NOT NULL PRIMARY KEY, count BIGINT, "
                            "sum BIGINT)");
    world_change_target(&w, "INSERT INTO keys__v2 SELECT k, count, 0, last, 0 FROM keys__v1");
    leave_rows(&w, 2);
    world_change_target(&w, "ALTER TABLE keys__v1 RENAME COLUMN sum TO another");
    world_up(&w, 0);
    world_run(&w, 5000);
    w.keep = "24h\nswitch: manual";
    world_apply(&w, 2);
    world_say(&w, 20, 0);
    world_run(&w, 5000);
    world_check(&w, "__v2");
    world_deinit(&w);
}

/* The last connection to a file of SQLite waits for the disk: it is closed on a worker. */
TEST(a_removal_closes_its_target_on_a_worker)
{
    struct world w;
    struct ectx ec;
    begin(&w, 8);
    assert_int_equal(world_command(&w, PROJ_REMOVE, NULL, &ec), ERR_OK);
    proj_tick(w.nodes[0].proj);
    assert_int_equal(env_sim_jobs(w.nodes[0].env, ENV_LANE_SQL), 1);
    assert_int_equal(w.nodes[0].proj->count, 1);
    world_run(&w, 1000);
    assert_int_equal(w.nodes[0].proj->count, 0);
    world_deinit(&w);
}

/* What is served is not among the versions: a hand in the target, or another state of it. */
TEST_WORLD_ON_BOTH(a_switch_ends_although_the_served_version_is_unknown)
{
    struct world w;
    struct ectx ec;
    char text[2048];
    begin_empty(&w, 6);
    (void)world_definition(&w, 1, text, sizeof(text));
    (void)strncat(text, "switch: manual\n", sizeof(text) - strlen(text) - 1);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    world_until(&w, world_settled, 60000);
    world_kill(&w, 0);
    world_change_target(&w, "UPDATE leat_projection SET served = 7");
    world_up(&w, 0);
    world_run(&w, 5000);
    struct once to_one = once_of(PROJ_SWITCH);
    proj_command(w.nodes[0].proj, &to_one.c);
    assert_false(to_one.done);
    world_run(&w, 12000);
    assert_true(to_one.done);
    assert_int_equal(to_one.c.err, ERR_BEHIND);
    world_deinit(&w);
}

/* The server says how it is told to commit, in the transaction of a drop. */
static void watch_drops(struct world *w)
{
    world_change_target(w, "CREATE TABLE seen (how TEXT)");
    world_change_target(
        w, "CREATE FUNCTION see() RETURNS trigger AS $$ BEGIN INSERT INTO seen VALUES "
           "(OLD.version || ' ' || current_setting('synchronous_commit')); RETURN OLD; "
           "END $$ LANGUAGE plpgsql");
    world_change_target(
        w, "CREATE TRIGGER see_drops BEFORE DELETE ON leat_version FOR EACH ROW EXECUTE "
           "FUNCTION see()");
}

/* The log says that a version went, and takes another one of its number: a power cut must not bring
 * back the tables and positions of the old one. */
TEST_WORLD(a_drop_is_on_the_disk_before_it_counts_on_postgres)
{
    struct world w;
    struct ectx ec;
    server_on_postgres = true;
    begin(&w, 7);
    watch_drops(&w);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_OK); /* so that it stays */
    world_apply(&w, 2);
    world_run(&w, 2000);
    assert_int_equal(world_command(&w, PROJ_CANCEL, NULL, &ec), ERR_OK);
    world_until(&w, world_one_version, 10000);
    world_check_rows(&w, "SELECT how FROM seen", "2 on\n");
    leave_orphan(&w);
    assert_int_equal(world_command(&w, PROJ_REMOVE, NULL, &ec), ERR_OK);
    world_check_rows(&w, "SELECT how FROM seen ORDER BY 1", "1 on\n2 on\n9 on\n");
    /* What follows is as fast as before. */
    world_apply(&w, 1);
    world_until(&w, world_settled, 60000);
    world_change_target(&w, "TRUNCATE seen");
    world_change_target(&w,
                        "CREATE TRIGGER see_steps BEFORE UPDATE ON leat_checkpoint FOR EACH ROW "
                        "EXECUTE FUNCTION see()");
    world_say(&w, 10, 0);
    world_until(&w, world_settled, 60000);
    world_check_rows(&w, "SELECT DISTINCT how FROM seen", "1 off\n");
    server_on_postgres = false;
    world_deinit(&w);
}
