/* What a projection needs of its target: views of its own, tables that are there, a connection to
 * be removed. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "core/compiler.h"
#include "proj/proj_int.h"
#include "record/record.h"
#include "server.h"
#include "world.h"

static void begin(struct world *w, uint64_t seed)
{
    struct worst_config cfg;
    worst_config_good(&cfg, seed);
    world_init(w, seed, &cfg);
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
}

/* A projection of one table that counts by key. */
static const char *counts(struct world *w, const char *name, uint32_t version, const char *table,
                          const char *target, char *out, size_t size)
{
    (void)snprintf(out, size,
                   "projection: %s\n"
                   "version: %u\n"
                   "source: { topics: [events] }\n"
                   "target: \"%s\"\n"
                   "tables:\n"
                   "  %s: { columns: { k: text, count: integer }, key: k }\n"
                   "maps:\n"
                   "  - type: Added\n"
                   "    increment: { table: %s, key: { k: $key }, by: { count: 1 } }\n",
                   name, version,
                   target != NULL      ? target
                   : w->target[0] == 0 ? "sqlite:views.db"
                                       : w->target,
                   table, table);
    return out;
}

struct once {
    struct proj_command c;
    bool done;
};
static void done_once(struct proj_command *c)
{
    CONTAINER_OF(c, struct once, c)->done = true;
}
static void once(struct world *w, struct once *call, enum proj_command_kind kind, const char *name,
                 const char *text, struct arena *a)
{
    *call = (struct once){.c = {.kind = kind,
                                .name = str_of(name),
                                .definition = text == NULL ? STR_NULL : str_of(text),
                                .file = STR_LIT("x.yaml"),
                                .arena = a,
                                .done = done_once}};
    proj_command(w->nodes[0].proj, &call->c);
}
static enum err command(struct world *w, enum proj_command_kind kind, const char *name,
                        const char *text, struct ectx *ec)
{
    struct arena a;
    struct once call;
    arena_init(&a, 1u << 20);
    once(w, &call, kind, name, text, &a);
    for (int i = 0; i < 1000000 && !call.done; i++) {
        world_step(w);
    }
    assert_true(call.done);
    *ec = call.c.ec;
    arena_deinit(&a);
    return call.c.err;
}

/* A view has one owner, in whatever target, from the moment its declaration is on its way. */
TEST_WORLD_ON_BOTH(projection_view_of_another_is_refused_in_any_target)
{
    struct world w;
    struct ectx ec;
    struct arena a;
    struct once calls[2];
    char text[1024];
    arena_init(&a, 1u << 20);
    begin(&w, 31);
    once(&w, &calls[0], PROJ_APPLY, "first",
         counts(&w, "first", 1, "counted", NULL, text, sizeof(text)), &a);
    once(&w, &calls[1], PROJ_APPLY, "second",
         counts(&w, "second", 1, "counted", "sqlite:other.db", text, sizeof(text)), &a);
    assert_true(calls[1].done); /* while the first is on its way into the log */
    assert_int_equal(calls[1].c.err, ERR_EXISTS);
    assert_string_equal(calls[1].c.ec.text, "view 'counted' belongs to projection 'first'");
    world_run(&w, 2000);
    assert_true(calls[0].done);
    assert_int_equal(calls[0].c.err, ERR_OK);
    assert_int_equal(command(&w, PROJ_APPLY, "second", text, &ec), ERR_EXISTS);
    assert_string_equal(ec.text, "view 'counted' belongs to projection 'first'");
    /* Its own view it may have in every version; another's not in a later one either. */
    (void)counts(&w, "first", 2, "counted", NULL, text, sizeof(text));
    assert_int_equal(command(&w, PROJ_APPLY, "first", text, &ec), ERR_OK);
    (void)counts(&w, "second", 1, "others", "sqlite:other.db", text, sizeof(text));
    assert_int_equal(command(&w, PROJ_APPLY, "second", text, &ec), ERR_OK);
    world_run(&w, 2000);
    (void)counts(&w, "second", 2, "counted", "sqlite:other.db", text, sizeof(text));
    assert_int_equal(command(&w, PROJ_APPLY, "second", text, &ec), ERR_EXISTS);
    arena_deinit(&a);
    world_deinit(&w);
}

static void replace(char *text, const char *what, const char *with)
{
    char rest[2048];
    char *at = strstr(text, what);
    assert_non_null(at);
    (void)snprintf(rest, sizeof(rest), "%s%s", with, at + strlen(what));
    memcpy(at, rest, strlen(rest) + 1);
}
static void keep_value(void *ctx, const struct record *r)
{
    if (str_starts(r->value, "{\"reached\":") && r->value.n > sizeof("{\"reached\":false}")) {
        (void)snprintf(ctx, 2048, "%.*s", STR(r->value));
    }
}
static bool both_are_served(struct world *w)
{
    struct projection *first = projection_find(w->nodes[0].proj, STR_LIT("first"));
    struct projection *second = projection_find(w->nodes[0].proj, STR_LIT("second"));
    return first != NULL && second != NULL && first->known && second->known;
}

/* Definitions from before views had one owner may share one: each can be rebuilt, and have a next
 * version, but none takes another's view that it has not. */
TEST_WORLD(projection_that_shares_a_view_since_ever_is_rebuilt)
{
    struct world w;
    struct ectx ec;
    char text[1024];
    char record[4096] = "";
    begin(&w, 40);
    (void)counts(&w, "first", 1, "counted", NULL, text, sizeof(text));
    assert_int_equal(command(&w, PROJ_APPLY, "first", text, &ec), ERR_OK);
    world_run(&w, 1000); /* until readers see it */
    (void)worst_each(w.log, PROJ_TOPIC, 0, keep_value, record);
    world_stop(&w, 0);
    replace(record, "projection: first", "projection: second");
    replace(record, "views.db", "other.db");
    (void)worst_produce(w.log, PROJ_TOPIC, 0, STR_LIT("second"), str_of(record), 1);
    world_up(&w, 0);
    world_until(&w, both_are_served, 60000);
    assert_int_equal(command(&w, PROJ_REBUILD, "second", NULL, &ec), ERR_OK);
    (void)counts(&w, "first", 2, "counted", NULL, text, sizeof(text));
    assert_int_equal(command(&w, PROJ_APPLY, "first", text, &ec), ERR_OK);
    (void)counts(&w, "third", 1, "counted", NULL, text, sizeof(text));
    assert_int_equal(command(&w, PROJ_APPLY, "third", text, &ec), ERR_EXISTS);
    world_stop(&w, 0);
    world_deinit(&w);
}

struct asked {
    struct proj_query q;
    bool done;
};
static void on_asked(struct proj_query *q)
{
    CONTAINER_OF(q, struct asked, q)->done = true;
}

struct listed {
    struct proj_parked_list l;
    bool done;
};
static void on_listed(struct proj_parked_list *l)
{
    CONTAINER_OF(l, struct listed, l)->done = true;
}

static void check_gone(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    struct asked ask = {.q = {.view = STR_LIT("keys"), .arena = &a, .done = on_asked}};
    proj_query(w->nodes[0].proj, &ask.q);
    for (int i = 0; i < 1000000 && !ask.done; i++) {
        world_step(w);
    }
    assert_int_equal(ask.q.err, ERR_IO); /* who asks is not at fault */
    assert_non_null(strstr(ask.q.ec.text, "projection 'sums' cannot be read: "));
    struct proj_status s = world_status(w, 0, &a);
    assert_int_equal(s.versions[0].state, PROJ_STOPPED);
    assert_non_null(strstr(s.versions[0].error.p, "table keys__v1 is gone from the target"));
    assert_non_null(strstr(s.versions[0].error.p, "leat projection rebuild sums"));
    assert_int_equal(s.versions[0].parked_events, 0);
    assert_int_equal(s.served, 1);
    arena_deinit(&a);
    world_check_rows(w,
                     server_on_postgres
                         ? "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema AND "
                           "tablename = 'keys__v1'"
                         : "SELECT COUNT(*) FROM sqlite_master WHERE name = 'keys__v1'",
                     "0\n");
}

static bool is_connected(struct world *w)
{
    const struct lane *l = &projection_find(w->nodes[0].proj, STR_LIT("sums"))->lanes[0];
    return l->connected && !l->broken;
}

/* Its keys cannot be tried again, which says so and is no fault of the connection. */
static void check_keys_stay(struct world *w)
{
    static const enum proj_command_kind kinds[] = {PROJ_RETRY_KEY, PROJ_SKIP_KEY};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct ectx ec;
        assert_true(is_connected(w));
        assert_int_equal(world_command(w, kinds[i], "k0", &ec), ERR_EXISTS);
        assert_int_equal(w->why, PROJ_VERSION_STOPPED);
        assert_non_null(strstr(ec.text, "version 1 has stopped: table keys__v1 is gone"));
        assert_true(is_connected(w));
    }
}

/* A table that somebody drops is no event's fault, and none is made empty below a checkpoint: the
 * version stops, also across a restart, until a rebuild has made it again. */
TEST_WORLD_ON_BOTH(projection_whose_table_is_gone_stops_until_it_is_rebuilt)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct world w;
        struct ectx ec;
        begin(&w, 32);
        world_apply(&w, 1);
        world_say(&w, 50, 0);
        world_until(&w, world_settled, 60000);
        world_change_target(&w, "DROP VIEW keys; DROP TABLE keys__v1");
        world_say(&w, 10, 0);
        world_run(&w, 5000);
        check_gone(&w);
        check_keys_stay(&w);
        if (restarts > 0) {
            world_kill(&w, 0);
            world_up(&w, 0);
            world_run(&w, 5000);
            check_gone(&w);
        }
        assert_int_equal(world_command(&w, PROJ_RESUME, NULL, &ec), ERR_OK);
        world_run(&w, 15000);
        check_gone(&w);
        assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
        world_until(&w, world_two_is_served, 60000);
        world_until(&w, world_settled, 60000);
        world_check(&w, "");
        world_deinit(&w);
    }
}

static size_t names(struct world *w)
{
    size_t count = 0;
    struct arena a;
    arena_init(&a, 1u << 16);
    assert_non_null(proj_names(w->nodes[0].proj, &a, &count));
    arena_deinit(&a);
    return count;
}

static void check_state(struct world *w, enum proj_state state)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    struct proj_status s = world_status(w, 0, &a);
    assert_int_equal(s.version_count, 1);
    assert_string_equal(proj_state_name(s.versions[0].state), proj_state_name(state));
    arena_deinit(&a);
}

/* The name is free when the removal is answered. */
TEST_WORLD_ON_BOTH(projection_is_declared_again_as_soon_as_it_is_removed)
{
    struct world w;
    struct ectx ec;
    char text[2048];
    begin(&w, 33);
    world_apply(&w, 1);
    for (int i = 0; i < 3; i++) {
        world_say(&w, 20, 0);
        world_until(&w, world_settled, 60000);
        assert_int_equal(command(&w, PROJ_REMOVE, "sums", NULL, &ec), ERR_OK);
        assert_int_equal(names(&w), 0);
        (void)world_definition(&w, 1, text, sizeof(text));
        assert_int_equal(command(&w, PROJ_APPLY, "sums", text, &ec), ERR_OK);
    }
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_kill(&w, 0);
    world_up(&w, 0);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_deinit(&w);
}

/* A target that was mistyped: nothing was ever made there, so nothing is in the way, neither at
 * once nor after a restart. */
TEST_WORLD_ON_BOTH(projection_whose_target_was_never_reached_is_removed_at_once)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct world w;
        struct ectx ec;
        char good[256];
        begin(&w, 34);
        snprintf(good, sizeof(good), "%s", w.target);
        snprintf(w.target, sizeof(w.target), "%s",
                 server_on_postgres ? "postgresql://nobody@127.0.0.1:1/x"
                                    : "sqlite:not_there/views.db");
        world_apply(&w, 1);
        world_run(&w, 3000);
        if (restarts > 0) {
            world_kill(&w, 0);
            world_up(&w, 0);
            world_run(&w, 3000);
        }
        check_state(&w, PROJ_UNREACHABLE);
        assert_int_equal(command(&w, PROJ_REMOVE, "sums", NULL, &ec), ERR_OK);
        assert_int_equal(names(&w), 0);
        snprintf(w.target, sizeof(w.target), "%s", good);
        world_apply(&w, 1);
        world_say(&w, 20, 0);
        world_until(&w, world_settled, 60000);
        world_check(&w, "");
        world_kill(&w, 0);
        world_up(&w, 0);
        world_until(&w, world_settled, 60000);
        assert_int_equal(names(&w), 1);
        world_check(&w, "");
        world_deinit(&w);
    }
}

/* Nobody but us has a connection, or the file is none. */
static struct target_db *close_target(struct world *w, struct target_library **l)
{
    struct target_db *db = NULL;
    struct ectx ec;
    char away[700];
    if (!server_on_postgres) {
        snprintf(away, sizeof(away), "%s.away", w->db);
        assert_int_equal(rename(w->db, away), 0);
        assert_int_equal(mkdir(w->db, 0700), 0);
        return NULL;
    }
    assert_int_equal(target_postgres.load(l, &ec), ERR_OK);
    for (int i = 0; i < 1000 && db == NULL; i++) {
        (void)!target_postgres.open(*l, str_of(w->target), 0, &db, &ec);
    }
    assert_non_null(db);
    return db;
}
static void open_target(struct world *w, struct target_library *l, struct target_db *db)
{
    char away[700];
    if (!server_on_postgres) {
        snprintf(away, sizeof(away), "%s.away", w->db);
        assert_int_equal(rmdir(w->db), 0);
        assert_int_equal(rename(away, w->db), 0);
        return;
    }
    target_postgres.close(db);
    target_postgres.unload(l);
}

/* How far it is cannot be known: nothing says that it is at the end. */
static void check_behind(struct world *w, uint64_t events)
{
    struct arena a;
    struct buf text;
    arena_init(&a, 1u << 20);
    buf_init(&text, 1u << 20);
    struct proj_status s = world_status(w, 0, &a);
    assert_int_equal(s.versions[0].lag_events, events);
    assert_in_range(s.versions[0].lag_ms, 2000, world_worst == 0 ? 4000 : 40000);
    assert_true(s.versions[0].progress == 0);
    assert_int_equal(s.versions[0].eta_ms, -1);
    metrics_write(w->nodes[0].metrics, &text);
    buf_put_u8(&text, 0);
    assert_non_null(
        strstr((const char *)text.p, "leat_projection_up{projection=\"sums\",version=\"1\"} 0\n"));
    buf_deinit(&text);
    arena_deinit(&a);
}

/* Its keys can be tried again when it is there. */
static void check_keys_wait(struct world *w)
{
    for (uint32_t version = 0; version < 2; version++) { /* 0: the served one */
        struct arena a;
        arena_init(&a, 1u << 16);
        struct once call = {.c = {.kind = PROJ_SKIP_KEY,
                                  .name = STR_LIT("sums"),
                                  .key = STR_LIT("k0"),
                                  .for_version = version,
                                  .arena = &a,
                                  .done = done_once}};
        proj_command(w->nodes[0].proj, &call.c);
        for (int i = 0; i < 1000000 && !call.done; i++) {
            world_step(w);
        }
        assert_int_equal(call.c.err, ERR_NOT_READY);
        arena_deinit(&a);
    }
}

/* A target that is away has tables of ours: the removal is refused in time, and nothing is changed;
 * when it is there again it can be removed. */
TEST_WORLD_ON_BOTH(projection_whose_target_is_away_stays_as_it_was)
{
    struct world w;
    struct ectx ec;
    struct target_library *l = NULL;
    char all[256];
    begin(&w, 35);
    snprintf(all, sizeof(all), "%s", w.target);
    if (server_on_postgres) {
        server_one_connection(w.target, sizeof(w.target));
    }
    world_apply(&w, 1);
    world_say(&w, 20, 0);
    world_until(&w, world_settled, 60000);
    world_stop(&w, 0);
    struct target_db *db = close_target(&w, &l);
    world_say(&w, 100, 0);
    world_up(&w, 0);
    world_run(&w, 3000);
    check_state(&w, PROJ_UNREACHABLE);
    check_behind(&w, 120);
    check_keys_wait(&w);
    uint64_t before = env_mono_ns(w.env);
    assert_int_equal(command(&w, PROJ_REMOVE, "sums", NULL, &ec), ERR_NOT_READY);
    assert_true(env_mono_ns(w.env) - before < 1000000000u);
    assert_non_null(strstr(ec.text, "the target of 'sums' cannot be reached"));
    check_state(&w, PROJ_UNREACHABLE);
    open_target(&w, l, db);
    world_say(&w, 20, 0);
    world_run(&w, 11000);
    world_until(&w, world_settled, 60000);
    assert_int_equal(command(&w, PROJ_REMOVE, "sums", NULL, &ec), ERR_OK);
    assert_int_equal(names(&w), 0);
    snprintf(w.target, sizeof(w.target), "%s", all);
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_version", "0\n");
    world_deinit(&w);
}

/* A view whose file is away is there: it cannot be read at present. Nor can its parked keys. */
TEST(projection_whose_file_is_away_is_not_unknown)
{
    struct world w;
    struct arena a;
    arena_init(&a, 1u << 20);
    begin(&w, 41);
    world_apply(&w, 1);
    world_say(&w, 20, 0);
    world_until(&w, world_settled, 60000);
    char away[700];
    snprintf(away, sizeof(away), "%s.away", w.db);
    assert_int_equal(rename(w.db, away), 0); /* no reader has been open yet */
    struct asked ask = {.q = {.view = STR_LIT("keys"), .arena = &a, .done = on_asked}};
    proj_query(w.nodes[0].proj, &ask.q);
    struct listed list = {.l = {.name = STR_LIT("sums"), .arena = &a, .done = on_listed}};
    proj_parked_list(w.nodes[0].proj, &list.l);
    for (int i = 0; i < 1000000 && !(ask.done && list.done); i++) {
        world_step(&w);
    }
    assert_int_equal(ask.q.err, ERR_AGAIN);
    assert_int_equal(list.l.err, ERR_AGAIN);
    assert_int_equal(rename(away, w.db), 0);
    arena_deinit(&a);
    world_deinit(&w);
}

/* The target goes while it is being removed: whoever asked is answered, other commands are told,
 * and it goes on by itself, also in the next process. */
TEST_WORLD(projection_is_removed_when_its_target_is_there_again)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct world w;
        struct ectx ec;
        struct arena a;
        struct target_library *l = NULL;
        arena_init(&a, 1u << 20);
        server_on_postgres = true;
        char all[256];
        begin(&w, 36);
        snprintf(all, sizeof(all), "%s", w.target);
        server_one_connection(w.target, sizeof(w.target));
        world_apply(&w, 1);
        world_until(&w, world_settled, 60000);
        server_end_connections();
        struct target_db *db = close_target(&w, &l);
        assert_int_equal(command(&w, PROJ_REMOVE, "sums", NULL, &ec), ERR_REQUEST_TIMED_OUT);
        assert_non_null(strstr(ec.text, "is being removed, and that goes on by itself: too many"));
        assert_int_equal(command(&w, PROJ_PAUSE, "sums", NULL, &ec), ERR_BUSY);
        if (restarts > 0) {
            world_kill(&w, 0);
            world_up(&w, 0);
            world_run(&w, 3000);
        }
        assert_int_equal(command(&w, PROJ_REMOVE, "sums", NULL, &ec), ERR_NOT_READY);
        assert_non_null(strstr(ec.hint, "goes on when the target is there again"));
        assert_true(world_status(&w, 0, &a).removing);
        open_target(&w, l, db);
        /* The real server needs a moment of real time to end the connection. */
        for (int i = 0; i < 200 && names(&w) > 0; i++) {
            world_run(&w, 11000);
            (void)usleep(10000);
        }
        assert_int_equal(names(&w), 0);
        snprintf(w.target, sizeof(w.target), "%s", all);
        world_check_rows(&w, "SELECT COUNT(*) FROM leat_version", "0\n");
        server_on_postgres = false;
        arena_deinit(&a);
        world_deinit(&w);
    }
}

static bool is_in_the_way(struct world *w, const char *name)
{
    char want[200];
    struct arena a;
    arena_init(&a, 1u << 20);
    (void)snprintf(want, sizeof(want),
                   "%s is in the target already, and is not of this projection: rename or drop it",
                   name);
    struct proj_status s = world_status(w, 0, &a);
    assert_int_equal(s.version_count, 1);
    assert_int_equal(s.versions[0].state, PROJ_STARTING);
    bool is = strstr(s.versions[0].error.p, want) != NULL;
    arena_deinit(&a);
    return is;
}

/* Another's table or view of the name is neither written to nor dropped, whatever it looks like:
 * the version says what is in its way, and begins when it is not there any more. */
TEST_ON_BOTH(projection_that_could_not_begin_is_removed_and_drops_nothing_of_others)
{
    static const struct {
        const char *make, *drop, *name, *rows, *want;
    } others[] = {
        {"CREATE TABLE keys (k INTEGER)", "DROP TABLE keys", "keys", "SELECT COUNT(*) FROM keys",
         "0\n"},
        {"CREATE VIEW keys AS SELECT 1 AS k", "DROP VIEW keys", "keys", "SELECT k FROM keys",
         "1\n"},
        {"CREATE TABLE keys__v1 (k TEXT)", "DROP TABLE keys__v1", "keys__v1",
         "SELECT COUNT(*) FROM keys__v1", "0\n"},
        {"CREATE TABLE keys__v1 (k TEXT NOT NULL PRIMARY KEY, count BIGINT, sum BIGINT, last "
         "BIGINT)",
         "DROP TABLE keys__v1", "keys__v1", "SELECT COUNT(*) FROM keys__v1", "0\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct world w;
        struct ectx ec;
        begin(&w, 37);
        world_say(&w, 20, 0);
        world_change_target(&w, others[i].make);
        for (int removes = 0; removes < 2; removes++) {
            world_apply(&w, 1);
            world_run(&w, 3000);
            assert_true(is_in_the_way(&w, others[i].name));
            assert_true(proj_is_serving(w.nodes[0].proj)); /* nobody else waits for it */
            world_check_rows(&w, others[i].rows, others[i].want);
            if (removes == 0) {
                assert_int_equal(command(&w, PROJ_REMOVE, "sums", NULL, &ec), ERR_OK);
                assert_int_equal(names(&w), 0);
                world_check_rows(&w, others[i].rows, others[i].want);
            }
        }
        world_change_target(&w, others[i].drop);
        world_until(&w, world_settled, 60000);
        world_check(&w, "");
        assert_int_equal(command(&w, PROJ_REMOVE, "sums", NULL, &ec), ERR_OK);
        world_check_rows(&w, "SELECT COUNT(*) FROM leat_projection", "0\n");
        world_deinit(&w);
    }
}

/* Nor when a later version is the first to have the name: the one before it is served on. */
TEST_ON_BOTH(projection_does_not_switch_over_a_view_of_others)
{
    struct world w;
    struct ectx ec;
    char text[1024];
    begin(&w, 42);
    (void)counts(&w, "sums", 1, "first", NULL, text, sizeof(text));
    assert_int_equal(command(&w, PROJ_APPLY, "sums", text, &ec), ERR_OK);
    world_say(&w, 20, 0);
    world_until(&w, world_settled, 60000);
    world_change_target(&w, "CREATE VIEW keys AS SELECT 1 AS k");
    (void)counts(&w, "sums", 2, "keys", NULL, text, sizeof(text));
    assert_int_equal(command(&w, PROJ_APPLY, "sums", text, &ec), ERR_OK);
    world_run(&w, 3000);
    assert_int_equal(command(&w, PROJ_SWITCH, "sums", NULL, &ec), ERR_EXISTS);
    assert_non_null(strstr(ec.text, "keys is in the target already"));
    world_check_rows(&w, "SELECT k FROM keys", "1\n");
    world_check_rows(&w, "SELECT SUM(count) FROM first", "20\n");
    world_change_target(&w, "DROP VIEW keys");
    world_until(&w, world_two_is_served, 60000);
    world_check_rows(&w, "SELECT SUM(count) FROM keys", "20\n");
    world_deinit(&w);
}

/* A checkpoint of another topic of this name: the version goes no further, whatever it says how far
 * it is. A rebuild reads the topic that is there, is served, and its actions are appended. */
TEST_WORLD_ON_BOTH(projection_of_a_topic_that_was_made_anew_is_rebuilt_and_served)
{
    struct world w;
    struct ectx ec;
    char text[2048];
    begin(&w, 38);
    w.actions = true;
    w.appends_good = true;
    world_say(&w, 20, 0); /* history */
    (void)world_definition(&w, 1, text, sizeof(text));
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    world_until(&w, world_settled, 60000);
    world_stop(&w, 0);
    world_change_target(&w, "UPDATE leat_checkpoint SET position = 1000000, topic_id = "
                            "'01234567-0123-0123-0123-0123456789ab'");
    /* And a partition that there is not any more. */
    world_change_target(
        &w, "INSERT INTO leat_checkpoint (projection, version, shard, topic_id, owner_epoch, "
            "position, live_from, updated_at) VALUES ('sums', 1, 'events/9', "
            "'01234567-0123-0123-0123-0123456789ab', 1, 7, 0, 0)");
    world_up(&w, 0);
    world_run(&w, 3000);
    world_say(&w, 60, 0);
    world_run(&w, 3000);
    assert_int_equal(w.appended.count, 0);
    assert_int_equal(world_command(&w, PROJ_REBUILD, NULL, &ec), ERR_OK);
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    world_run(&w, 5000);
    world_check(&w, "");
    assert_true(w.appended.count > 0);
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_action", "0\n");
    /* What is of another topic is no way back. */
    assert_int_not_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_OK);
    assert_int_equal(world_served(&w), 2);
    world_deinit(&w);
}

/* A way back that leads to a version that has stopped is refused at once, and says so. */
TEST_WORLD_ON_BOTH(projection_is_not_rolled_back_to_a_version_that_has_stopped)
{
    struct world w;
    struct ectx ec;
    begin(&w, 39);
    world_apply(&w, 1);
    world_say(&w, 20, 0);
    world_until(&w, world_settled, 60000);
    world_apply(&w, 2);
    world_until(&w, world_two_is_served, 60000);
    world_change_target(&w, "DROP TABLE keys__v1");
    world_say(&w, 20, 0);
    world_until(&w, world_settled, 60000);
    world_run(&w, 3000);
    assert_int_equal(world_command(&w, PROJ_ROLLBACK, NULL, &ec), ERR_EXISTS);
    assert_int_equal(w.why, PROJ_VERSION_STOPPED);
    assert_non_null(strstr(ec.text, "version 1 has stopped: table keys__v1 is gone"));
    assert_int_equal(world_served(&w), 2);
    world_check(&w, "");
    world_deinit(&w);
}
