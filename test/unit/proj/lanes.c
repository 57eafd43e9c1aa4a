/* How many connections projections take of a real PostgreSQL, and what happens when it gives none.
 */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "proj/proj_int.h"
#include "proj/target.h"
#include "server.h"
#include "world.h"

enum { MANY = 10 };

static void apply_one(struct world *w, unsigned i)
{
    char text[1024];
    struct ectx ec;
    (void)snprintf(text, sizeof(text),
                   "projection: p%u\nsource: { topics: [events] }\ntarget: \"%s\"\n"
                   "tables: { t%u: { columns: { k: text, count: integer, sum: integer }, key: k } "
                   "}\n"
                   "maps:\n"
                   "  - type: Added\n"
                   "    increment: { table: t%u, key: { k: $key }, by: { count: 1, sum: /data/n } "
                   "}\n",
                   i, w->target, i, i);
    if (world_command(w, PROJ_APPLY, text, &ec) != ERR_OK) {
        fail_msg("%s %s", ec.text, ec.hint);
    }
}

static size_t settled_connections(struct world *w, size_t want)
{
    size_t n = server_connections(); /* one that was closed may still be there for a moment */
    for (int i = 0; i < 200 && n != want; i++) {
        world_run(w, 100);
        n = server_connections();
    }
    return n;
}

/* One for each that keeps up. Those that are far behind have more, up to a limit for all of them.
 */
TEST_WELL_BEHAVED(projections_write_on_one_connection_each_while_they_keep_up,
                  "how far it is behind decides")
{
    struct world w;
    struct worst_config cfg;
    char sql[100];
    char first[2048];
    char other[2048];
    size_t most = 0;
    worst_config_good(&cfg, 1);
    server_on_postgres = true;
    world_init(&w, 1, &cfg);
    server_on_postgres = false;
    w.lanes_lag = 1;
    worst_topic_make(w.log, "events", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    const size_t before = server_connections();
    for (unsigned i = 0; i < MANY; i++) {
        apply_one(&w, i);
    }
    assert_int_equal(settled_connections(&w, before + MANY), before + MANY);
    size_t said = 0;
    for (int i = 0, after = 0; i < 300 && after < 5; i++, said += 50) {
        after += most == MANY + PROJ_LANES_EXTRA; /* the limit was met; it stays so */
        world_say(&w, 50, 0);
        world_run(&w, 100);
        size_t now = server_connections() - before;
        most = now > most ? now : most;
    }
    assert_int_equal(most, MANY + PROJ_LANES_EXTRA);
    assert_int_equal(settled_connections(&w, before + MANY), before + MANY);
    world_rows(&w, "SELECT SUM(count) FROM t0", first, sizeof(first));
    (void)snprintf(other, sizeof(other), "%zu\n", said);
    assert_string_equal(first, other);
    world_rows(&w, "SELECT * FROM t0 ORDER BY k", first, sizeof(first));
    for (unsigned i = 1; i < MANY; i++) {
        (void)snprintf(sql, sizeof(sql), "SELECT * FROM t%u ORDER BY k", i);
        assert_string_equal(world_rows(&w, sql, other, sizeof(other)), first);
    }
    world_stop(&w, 0);
    world_deinit(&w);
}

static struct proj_version_status only_version(struct world *w, struct arena *a)
{
    struct proj_status s = world_status(w, 0, a);
    assert_int_equal(s.version_count, 1);
    return s.versions[0];
}

/* A server that has no connection to spare is told by name and tried again; no event is parked. */
TEST_WELL_BEHAVED(a_projection_waits_for_a_server_with_too_many_connections,
                  "looks at when it tries again")
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    struct arena a;
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    char text[2048];
    char got[1000];
    char unlimited[sizeof(w.target)];
    arena_init(&a, 4u << 20);
    worst_config_good(&cfg, 1);
    server_on_postgres = true;
    world_init(&w, 1, &cfg);
    server_on_postgres = false;
    memcpy(unlimited, w.target, sizeof(unlimited));
    server_one_connection(w.target, sizeof(w.target));
    assert_int_equal(target_postgres.load(&l, &ec), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(w.target), 0, &db, &ec), ERR_OK);
    worst_topic_make(w.log, "events", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 200);
    IGNORE(world_command(&w, PROJ_APPLY, world_definition(&w, 1, text, sizeof(text)), &ec) ==
           ERR_OK);
    world_say(&w, 100, 0);
    world_run(&w, 5000);
    struct proj_version_status v = only_version(&w, &a);
    assert_string_equal(proj_state_name(v.state), "unreachable");
    assert_true(str_starts(v.error, "too many connections: "));
    assert_int_equal(v.parked_events, 0);
    target_postgres.close(db);
    world_run(&w, 11000); /* the longest that it waits between two attempts, and some */
    v = only_version(&w, &a);
    assert_string_equal(proj_state_name(v.state), "live");
    assert_true(str_is_null(v.error)); /* also though it gets no second one */
    assert_int_equal(v.lag_events, 0);
    assert_int_equal(v.parked_events, 0);
    world_say(&w, 500, 0);
    world_run(&w, 2000);
    assert_string_equal(proj_state_name(only_version(&w, &a).state), "live");
    world_stop(&w, 0);
    /* The one connection may not be gone from the server yet. */
    memcpy(w.target, unlimited, sizeof(unlimited));
    assert_string_equal(world_rows(&w, "SELECT SUM(count) FROM keys", got, sizeof(got)), "600\n");
    world_deinit(&w);
    target_postgres.unload(l);
    arena_deinit(&a);
}

static struct projection *sums(struct world *w)
{
    return projection_find(w->nodes[0].proj, STR_LIT("sums"));
}

static void begin(struct world *w)
{
    struct worst_config cfg;
    struct ectx ec;
    char text[2048];
    worst_config_good(&cfg, 1);
    server_on_postgres = true;
    world_init(w, 1, &cfg);
    server_on_postgres = false;
    w->keep = "20s";
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 200);
    world_say(w, 50, 0);
    assert_int_equal(world_command(w, PROJ_APPLY, world_definition(w, 1, text, sizeof(text)), &ec),
                     ERR_OK);
    world_until(w, world_settled, 60000);
}

static bool two_is_served(struct world *w)
{
    return sums(w)->served == 2;
}
static bool three_is_served(struct world *w)
{
    return sums(w)->served == 3;
}
static bool two_has_stopped(struct world *w)
{
    return run_find(sums(w), 2)->stopped;
}
static bool second_opens(struct world *w)
{
    return sums(w)->lanes[1].opening;
}
static bool two_is_gone(struct world *w)
{
    return run_find(sums(w), 2) == NULL;
}

static struct work *held;
static void hold(struct work *w)
{
    held = w;
}

/* A second connection that is being opened has read what was served before a switch that ends
 * meanwhile: what the switch said stays. */
TEST_WELL_BEHAVED(a_lane_that_opens_slowly_does_not_take_a_switch_back,
                  "how far it is behind decides")
{
    struct world w;
    struct ectx ec;
    begin(&w);
    assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
    world_until(&w, two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    held = NULL;
    for (int i = 0; i < 1000000 && !second_opens(&w); i++) {
        if (i % 20 == 0) {
            world_say(&w, 10, 0);
        }
        world_step(&w);
    }
    struct lane *l = &sums(&w)->lanes[1];
    void (*done)(struct work *) = l->open.work.done;
    assert_ptr_equal(l->current, &l->open.work);
    l->open.work.done = hold;
    while (held == NULL) {
        world_step(&w);
    }
    assert_int_equal(l->open.served, 2);
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_OK);
    assert_int_equal(sums(&w)->served, 1);
    done(held);
    assert_int_equal(sums(&w)->served, 1);
    assert_int_equal(sums(&w)->previous, 2);
    assert_int_equal(run_find(sums(&w), 1)->drop_at_ms, -1);
    assert_true(run_find(sums(&w), 2)->drop_at_ms > 0);
    assert_true(run_find(sums(&w), 1)->indexed);
    world_say(&w, 200, 0);
    world_until(&w, two_is_gone, 60000); /* what is kept goes, not what is served */
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_stop(&w, 0);
    world_deinit(&w);
}

/* When the server has no second connection to give, one is asked for every 10 seconds. */
TEST_WELL_BEHAVED(a_refused_connection_is_not_asked_for_all_the_time,
                  "counts attempts within a time")
{
    struct world w;
    struct ectx ec;
    char text[2048];
    struct worst_config cfg;
    size_t asked = 0;
    bool was[LANES_MAX] = {false};
    worst_config_good(&cfg, 1);
    server_on_postgres = true;
    world_init(&w, 1, &cfg);
    server_on_postgres = false;
    server_one_connection(w.target, sizeof(w.target));
    w.lanes_lag = 1;
    worst_topic_make(w.log, "events", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 200);
    assert_int_equal(
        world_command(&w, PROJ_APPLY, world_definition(&w, 1, text, sizeof(text)), &ec), ERR_OK);
    uint64_t end = env_mono_ns(w.env) + 15ull * 1000 * 1000 * 1000;
    for (size_t i = 0; env_mono_ns(w.env) < end; i++) {
        if (i % 20 == 0) {
            world_say(&w, 5, 0);
        }
        world_step(&w);
        for (unsigned k = 1; k < LANES_MAX; k++) {
            bool opening = sums(&w)->lanes[k].opening;
            asked += opening && !was[k];
            was[k] = opening;
        }
    }
    assert_in_range(asked, 1, 2u * (LANES_MAX - 1));
    world_stop(&w, 0);
    world_deinit(&w);
}

static bool has_four(struct world *w)
{
    return sums(w)->lane_count == LANES_MAX;
}
static bool has_one(struct world *w)
{
    return sums(w)->lane_count == 1;
}
static void until_four(struct world *w)
{
    for (int i = 0; i < 100000 && !has_four(w); i++) {
        if (i % 20 == 0) {
            world_say(w, 10, 0);
        }
        world_step(w);
    }
    assert_true(has_four(w));
}

static void check_stopped(struct world *w)
{
    struct arena a;
    arena_init(&a, 4u << 20);
    struct proj_status s = world_status(w, 0, &a);
    assert_int_equal(s.version_count, 2);
    assert_string_equal(proj_state_name(s.versions[0].state), "stopped");
    char error[600];
    (void)snprintf(error, sizeof(error), "%.*s", STR(s.versions[0].error));
    assert_non_null(strstr(error, "takes whole numbers"));
    for (size_t i = 0; i < s.versions[0].shard_count; i++) {
        assert_true(s.versions[0].shards[i].next_offset >= 0);
    }
    arena_deinit(&a);
}

/* A version that has stopped keeps the next one neither from being built on four connections nor
 * from going back to one, nor from being served; and says all the time why it stopped and where. */
TEST_WELL_BEHAVED(a_version_that_stopped_does_not_hold_the_lanes, "how far it is behind decides")
{
    struct world w;
    struct ectx ec;
    char text[2048];
    begin(&w);
    for (uint32_t version = 2; version < 4; version++) {
        (void)world_definition(&w, 1, text, sizeof(text));
        char *at = strstr(text, "version: 1");
        at[9] = (char)('0' + version);
        (void)strncat(text, version == 2 ? "on_error: stop\n" : "", 20);
        assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
        if (version == 2) {
            world_until(&w, two_is_served, 60000);
            w.for_version = 1;
            assert_int_equal(world_command(&w, PROJ_DROP_VERSION, NULL, &ec), ERR_OK);
            w.for_version = 0;
            (void)worst_produce(w.log, "events", 0, STR_LIT("k0"),
                                STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":\"x\"}}"), 1);
            world_say(&w, 10, 0);
            world_until(&w, two_has_stopped, 60000);
        }
    }
    until_four(&w);
    world_run(&w, 300);
    check_stopped(&w);
    world_until(&w, has_one, 60000);
    world_run(&w, 300);
    check_stopped(&w);
    world_until(&w, three_is_served, 60000);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_stop(&w, 0);
    world_deinit(&w);
}

static void by_hand(struct world *w, const char *sql)
{
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    assert_int_equal(target_postgres.load(&l, NULL), ERR_OK);
    assert_int_equal(target_postgres.open(l, str_of(w->target), 0, &db, NULL), ERR_OK);
    assert_int_equal(target_postgres.exec(db, sql, NULL), ERR_OK);
    target_postgres.close(db);
    target_postgres.unload(l);
}
static bool one_is_gone(struct world *w)
{
    return run_find(sums(w), 1)->gone;
}

/* A version whose table is gone is open on no connection: the others go to four and back to one. */
TEST_WELL_BEHAVED(a_version_whose_table_is_gone_does_not_hold_the_lanes,
                  "how far it is behind decides")
{
    struct world w;
    struct ectx ec;
    char text[2048];
    begin(&w);
    w.keep = NULL;
    (void)world_definition(&w, 1, text, sizeof(text));
    strstr(text, "version: 1")[9] = '2';
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    world_until(&w, two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    by_hand(&w, "DROP TABLE keys__v1");
    world_say(&w, 10, 0);
    world_until(&w, one_is_gone, 60000);
    world_until(&w, world_settled, 60000);
    until_four(&w);
    world_until(&w, has_one, 60000);
    world_until(&w, world_settled, 60000);
    assert_true(one_is_gone(&w));
    world_check(&w, "");
    world_stop(&w, 0);
    world_deinit(&w);
}

/* One of four connections breaks, and there is none to have in its place: the projection goes on
 * with one, and its target is no more out of reach than before: it can be removed. */
TEST_WORLD(a_connection_that_is_not_had_again_does_not_make_the_target_unreachable)
{
    struct world w;
    struct ectx ec;
    begin(&w);
    until_four(&w);
    struct projection *pr = sums(&w);
    while (!lane_idle(&pr->lanes[2])) {
        world_step(&w);
    }
    const struct str where = pr->where;
    pr->where = STR_LIT("postgresql://nobody@127.0.0.1:1/x");
    (void)ectx_fail(&ec, ERR_CLOSED, "the connection broke");
    lane_fail(&pr->lanes[2], &ec);
    world_until(&w, has_one, 60000);
    pr->where = where;
    assert_true(pr->lanes[0].connected);
    world_until(&w, world_settled, 60000);
    assert_int_equal(world_command(&w, PROJ_REMOVE, NULL, &ec), ERR_OK);
    world_stop(&w, 0);
    world_deinit(&w);
}

struct once {
    struct proj_command c;
    bool done;
};
static void once(struct proj_command *c)
{
    CONTAINER_OF(c, struct once, c)->done = true;
}

/* Another connection breaks while the first one drops versions: it is opened anew when they are
 * gone, since what was prepared on it for them is known to the worker that closes it. */
static void drop_while_a_connection_breaks(uint64_t seed, enum proj_command_kind kind)
{
    struct world w;
    struct ectx ec;
    begin(&w);
    w.rng += seed;
    assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
    world_until(&w, two_is_served, 60000);
    until_four(&w);
    world_until(&w, world_settled, 60000);
    struct projection *pr = sums(&w);
    struct lane *l = &pr->lanes[2];
    struct once call = {.c = {.kind = kind, .name = pr->name, .for_version = 1, .done = once}};
    proj_command(w.nodes[0].proj, &call.c);
    while (!run_find(pr, 1)->drop_sent || l->current != NULL) {
        world_step(&w);
    }
    assert_true(has_four(&w));
    (void)ectx_fail(&ec, ERR_CLOSED, "the connection broke");
    lane_fail(l, &ec);
    pr->retry_ns = 0;
    projection_go(pr);
    while (!call.done) {
        assert_false(l->opening && run_find(pr, 1) != NULL && run_find(pr, 1)->drop_sent);
        world_step(&w);
    }
    assert_int_equal(call.c.err, ERR_OK);
    if (kind == PROJ_DROP_VERSION) {
        world_say(&w, 200, 0);
        world_until(&w, world_settled, 60000);
        assert_false(l->broken);
        world_check(&w, "");
    }
    world_stop(&w, 0);
    world_deinit(&w);
}
TEST(a_connection_that_breaks_during_a_drop_is_opened_when_that_is_over)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        drop_while_a_connection_breaks(seed, PROJ_DROP_VERSION);
        drop_while_a_connection_breaks(seed, PROJ_REMOVE);
    }
}

/* A projection over one partition, or over several that would share a connection, needs no other.
 */
TEST_WORLD(a_projection_over_one_partition_has_one_lane)
{
    struct world w;
    struct worst_config cfg;
    struct ectx ec;
    char text[2048];
    worst_config_good(&cfg, 1);
    server_on_postgres = true;
    world_init(&w, 1, &cfg);
    server_on_postgres = false;
    w.lanes_lag = 1;
    worst_topic_make(w.log, "events", 1);
    world_up(&w, 0);
    world_run(&w, 200);
    assert_int_equal(
        world_command(&w, PROJ_APPLY, world_definition(&w, 1, text, sizeof(text)), &ec), ERR_OK);
    bool more = false;
    for (int i = 0; i < 20000; i++) {
        if (i % 10 == 0) {
            (void)worst_produce(w.log, "events", 0, STR_LIT("k0"),
                                STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":1}}"), 1);
        }
        world_step(&w);
        more = more || sums(&w)->lanes_extra > 0 || sums(&w)->lanes[1].opening;
    }
    assert_false(more);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* While indexes of a version are made no connection writes to its tables: it would wait for them,
 * with a worker that others need. (As it is while that work goes on; how long, the data decides.)
 */
TEST(nobody_writes_to_tables_whose_indexes_are_made)
{
    struct world w;
    begin(&w);
    until_four(&w);
    struct run *r = run_find(sums(&w), 1);
    r->indexing = true;
    world_run(&w, 1000); /* what was under way is over */
    const uint64_t before = r->events;
    world_say(&w, 100, 0);
    world_run(&w, 3000);
    assert_int_equal(r->events, before);
    r->indexing = false;
    world_until(&w, world_settled, 60000);
    assert_true(r->events > before);
    world_check(&w, "");
    world_stop(&w, 0);
    world_deinit(&w);
}

static uint64_t lag_of(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    uint64_t lag = world_status(w, 0, &a).versions[0].lag_events;
    arena_deinit(&a);
    return lag;
}

static void waited(struct proj_wait *call)
{
    *(bool *)call->ctx = true;
}

/* While shards are claimed on another lane, their lag is counted from where they were. */
TEST_WELL_BEHAVED(lag_does_not_jump_when_lanes_change, "looks at a moment of one claim")
{
    struct world w;
    uint64_t more = 0;
    begin(&w);
    world_say(&w, 2000, 0);
    world_until(&w, world_settled, 60000);
    for (int i = 0; i < 100000 && !has_four(&w); i++) {
        if (i % 20 == 0) {
            world_say(&w, 10, 0);
            more += 10;
        }
        world_step(&w);
        assert_in_range(lag_of(&w), 0, more);
    }
    assert_true(has_four(&w));
    struct shard *s = shard_find(run_find(sums(&w), 1), STR_LIT("events"), 1);
    assert_int_not_equal(s->claim, CLAIM_HELD);
    const struct engine_input input = {STR_LIT("events"), 1, s->next_offset};
    bool over = false;
    struct proj_wait call = {.name = STR_LIT("sums"),
                             .inputs = &input,
                             .input_count = 1,
                             .deadline_ns = env_mono_ns(w.env),
                             .done = waited,
                             .ctx = &over};
    proj_wait(w.nodes[0].proj, &call);
    assert_true(over);
    assert_int_equal(call.err, ERR_REQUEST_TIMED_OUT);
    assert_int_equal(call.lag_events, 1);
    for (int i = 0; i < 500; i++) {
        world_step(&w);
        assert_in_range(lag_of(&w), 0, more);
    }
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_stop(&w, 0);
    world_deinit(&w);
}

static bool one_has_stopped(struct world *w)
{
    return run_find(sums(w), 1)->stopped;
}
static void say_bad(struct world *w, int32_t partition, const char *key)
{
    (void)worst_produce(w->log, "events", partition, str_of(key),
                        STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":\"x\"}}"), 1);
}

/* What several connections have parked is more together than one may. That stops nothing by itself,
 * neither when one has it all nor after a restart, but the next event that would be parked. */
TEST(what_is_parked_does_not_stop_a_version_when_its_connections_become_one)
{
    static const char *const keys[WORLD_PARTS] = {"k0", "k1", "k2"};
    static const char good[] = "{\"eventType\":\"Added\",\"data\":{\"n\":1}}";
    struct world w;
    begin(&w);
    world_kill(&w, 0);
    w.parked_max = 3;
    world_up(&w, 0);
    world_until(&w, world_settled, 60000);
    until_four(&w);
    for (int32_t p = 0; p < WORLD_PARTS; p++) {
        say_bad(&w, p, keys[p]);
        say_bad(&w, p, keys[p]);
    }
    world_until(&w, world_settled, 60000);
    assert_true(has_four(&w));
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_parked", "6\n");
    for (int i = 0; i < 2; i++) {
        world_until(&w, has_one, 60000);
        (void)worst_produce(w.log, "events", 0, STR_LIT("k3"), str_of(good), 1);
        world_until(&w, world_settled, 60000);
        world_check(&w, "");
        world_kill(&w, 0);
        world_up(&w, 0);
        world_until(&w, world_settled, 60000);
    }
    say_bad(&w, 0, "k3");
    world_until(&w, one_has_stopped, 60000);
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_parked", "6\n");
    world_stop(&w, 0);
    world_deinit(&w);
}
