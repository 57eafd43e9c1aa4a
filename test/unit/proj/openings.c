/* Versions that cannot be opened, and what that means for those that are at work. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "proj/proj_int.h"
#include "record/record.h"
#include "server.h"
#include "world.h"

static void say(struct world *w, const char *n)
{
    char value[80];
    (void)snprintf(value, sizeof(value), "{\"eventType\":\"Added\",\"data\":{\"n\":%s}}", n);
    (void)worst_produce(w->log, "events", 0, STR_LIT("k0"), str_of(value), 1);
}

/* The connection was lost while nothing happened, and a version that is to be opened is the first
 * to see it. Keys that are parked in the other one stay parked, and can be tried again. */
TEST_WORLD(a_parked_key_is_not_overtaken_after_a_version_found_no_connection)
{
    struct world w;
    struct ectx ec;
    server_on_postgres = true;
    world_begin_settled(&w, 41);
    say(&w, "\"x\"");
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    server_end_connections();
    world_apply(&w, 2);
    world_run(&w, 200);
    say(&w, "5");
    world_run(&w, 5000);
    world_until(&w, world_settled, 60000);
    world_check(&w, "__v1");
    assert_int_equal(world_command(&w, PROJ_RETRY_KEY, "k0", &ec), ERR_MALFORMED);
    assert_int_equal(w.why, PROJ_STAYS_PARKED);
    server_on_postgres = false;
    world_deinit(&w);
}

static bool is_read_only(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    struct proj_status s = world_status(w, 0, &a);
    char text[512];
    (void)snprintf(text, sizeof(text), "%.*s", STR(s.versions[0].error));
    bool is = strstr(text, "read-only transaction") != NULL;
    arena_deinit(&a);
    return is;
}

static bool two_is_read_only(struct world *w)
{
    const struct run *two = run_find(projection_find(w->nodes[0].proj, STR_LIT("sums")), 2);
    return strstr(two->error.text, "read-only transaction") != NULL;
}

/* Behind its name is a server that cannot be written to, and later one that can: only a new
 * connection finds it. */
TEST_WORLD(a_connection_that_cannot_write_is_made_anew)
{
#define EACH_DATABASE(what)                                                                    \
    "SET transaction_read_only = off; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I " what "'" \
    ", current_database()); END $$"
    struct world w;
    server_on_postgres = true;
    world_begin_settled(&w, 44);
    world_change_target(&w, EACH_DATABASE("SET default_transaction_read_only = on"));
    server_end_connections();
    world_say(&w, 20, 0);
    world_until(&w, is_read_only, 30000);
    world_change_target(&w, EACH_DATABASE("RESET default_transaction_read_only"));
    world_until(&w, world_settled, 60000);
    world_check(&w, "__v1");
    server_on_postgres = false;
    world_deinit(&w);
}

static bool two_has_failed(struct world *w)
{
    struct arena a;
    char text[512] = "";
    arena_init(&a, 1u << 20);
    struct proj_status s = world_status(w, 0, &a);
    if (s.version_count == 2 && s.served == 1) {
        (void)snprintf(text, sizeof(text), "%.*s", STR(s.versions[1].error));
    }
    bool failed = strstr(text, "no room for it") != NULL;
    arena_deinit(&a);
    return failed;
}

#define REFUSES(version, code)                                                     \
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE " \
    "EXCEPTION 'no room for it' USING ERRCODE = '" code "'; END $$; "              \
    "CREATE TRIGGER refuse BEFORE INSERT ON leat_version FOR EACH ROW WHEN "       \
    "(NEW.version = " version ") EXECUTE FUNCTION refuse()"
#define REFUSES_TWO REFUSES("2", "53100")
#define REFUSES_SQLITE(version)                                                           \
    "CREATE TRIGGER refuse BEFORE INSERT ON leat_version WHEN NEW.version = " version " " \
    "BEGIN SELECT RAISE(ABORT, 'no room for it'); END"

/* Also not where that one writes with several connections, and loses them. */
TEST_WORLD(a_version_that_cannot_be_opened_does_not_hold_several_connections)
{
    struct world w;
    server_on_postgres = true;
    world_begin_settled(&w, 45);
    world_change_target(&w, REFUSES_TWO);
    const struct projection *pr = projection_find(w.nodes[0].proj, STR_LIT("sums"));
    for (int i = 0; i < 1000 && pr->lane_count == 1; i++) {
        world_say(&w, 50, 0);
        world_run(&w, 50);
    }
    assert_true(pr->lane_count > 1);
    world_apply(&w, 2);
    world_until(&w, two_has_failed, 10000);
    assert_true(pr->lane_count > 1);
    server_end_connections();
    for (int i = 0; i < 3; i++) {
        world_say(&w, 20, 0);
        world_run(&w, 2000);
        world_until(&w, world_settled, 60000);
        world_check(&w, "__v1");
        assert_true(two_has_failed(&w));
    }
    world_change_target(&w, "DROP TRIGGER refuse ON leat_version");
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    server_on_postgres = false;
    world_deinit(&w);
}

/* What is in the way of one version alone is in nobody else's. */
TEST_WORLD_ON_BOTH(a_version_that_cannot_be_opened_does_not_hold_the_served_one)
{
    struct world w;
    world_begin_settled(&w, 42);
    world_change_target(&w, server_on_postgres ? REFUSES_TWO : REFUSES_SQLITE("2"));
    world_apply(&w, 2);
    world_until(&w, two_has_failed, 10000);
    for (int i = 0; i < 5; i++) {
        world_say(&w, 20, 0);
        world_run(&w, 1000);
        world_until(&w, world_settled, 3000);
        world_check(&w, "__v1");
        assert_true(two_has_failed(&w));
    }
    world_change_target(&w, server_on_postgres ? "DROP TRIGGER refuse ON leat_version"
                                               : "DROP TRIGGER refuse");
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_deinit(&w);
}

static struct projection *sums(struct world *w)
{
    return projection_find(w->nodes[0].proj, STR_LIT("sums"));
}

static void begin_two(struct world *w, uint64_t seed)
{
    world_begin_settled(w, seed);
    world_apply(w, 2);
    world_until(w, world_two_is_served, 60000);
    world_until(w, world_settled, 60000);
    world_run(w, 2000);
    w->for_version = 1; /* to be dropped */
}

/* The next attempt at its drop is far away. */
static bool drop_waits_long(struct world *w)
{
    return run_find(sums(w), 1)->drop_pause.until_ns > env_mono_ns(w->env) + 20000000000u;
}
#define KEEPS_ONE                                                                             \
    "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "    \
    "'somebody reads it' USING ERRCODE = '55P03'; END $$; CREATE TRIGGER keep BEFORE DELETE " \
    "ON leat_version FOR EACH ROW EXECUTE FUNCTION keep()"

/* What cannot be opened may be so for as long as something is not dropped: that goes on all the
 * same, also after the connection was lost. */
TEST(a_version_that_cannot_be_opened_does_not_hold_the_drop_of_another)
{
    struct world w;
    struct ectx ec;
    server_on_postgres = true;
    begin_two(&w, 47);
    world_change_target(&w, KEEPS_ONE);
    assert_int_equal(world_command(&w, PROJ_DROP_VERSION, NULL, &ec), ERR_REQUEST_TIMED_OUT);
    world_change_target(&w, REFUSES_TWO);
    server_end_connections();
    world_say(&w, 20, 0);
    world_run(&w, 30000);
    assert_true(run_find(sums(&w), 1)->dropping);
    world_change_target(&w, "DROP TRIGGER keep ON leat_version");
    world_until(&w, world_one_version, 120000);
    world_check_rows(&w, "SELECT version FROM leat_version", "2\n");
    assert_non_null(strstr(run_find(sums(&w), 2)->error.text, "no room for it"));
    world_change_target(&w, "DROP TRIGGER refuse ON leat_version");
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    server_on_postgres = false;
    world_deinit(&w);
}

/* What waits to be dropped does not keep a connection that cannot write either. */
TEST(a_connection_that_cannot_write_is_made_anew_while_a_drop_waits)
{
    struct world w;
    struct ectx ec;
    server_on_postgres = true;
    begin_two(&w, 50);
    world_change_target(&w, KEEPS_ONE);
    assert_int_equal(world_command(&w, PROJ_DROP_VERSION, NULL, &ec), ERR_REQUEST_TIMED_OUT);
    world_until(&w, drop_waits_long, 120000);
    world_change_target(&w, EACH_DATABASE("SET default_transaction_read_only = on"));
    server_end_connections();
    world_say(&w, 20, 0);
    world_until(&w, two_is_read_only, 5000);
    world_change_target(&w, EACH_DATABASE("RESET default_transaction_read_only"));
    world_until(&w, world_settled, 12000);
    world_check(&w, "");
    server_on_postgres = false;
    world_deinit(&w);
}

/* Only where a drop fails is it seen: no event comes. */
TEST_ON_BOTH(a_drop_that_finds_a_connection_that_cannot_write_is_done_on_another)
{
    struct world w;
    struct ectx ec;
    begin_two(&w, 51);
    struct lane *l = &sums(&w)->lanes[0];
    while (!lane_idle(l)) {
        world_step(&w);
    }
    const char *sql =
        server_on_postgres ? "SET default_transaction_read_only = on" : "PRAGMA query_only = on";
    assert_int_equal(l->pr->driver->exec(l->db, sql, &ec), ERR_OK);
    assert_int_equal(world_command(&w, PROJ_DROP_VERSION, NULL, &ec), ERR_OK);
    world_check_rows(&w, "SELECT version FROM leat_version", "2\n");
    world_check(&w, "");
    world_deinit(&w);
}

/* The next attempt to open it is far away. */
static bool waits_long(struct world *w)
{
    return sums(w)->retry_ns > env_mono_ns(w->env) + 5000000000u;
}

struct once {
    struct proj_command c;
    bool done;
};
static void done_once(struct proj_command *c)
{
    CONTAINER_OF(c, struct once, c)->done = true;
}
static enum err answer_of(struct world *w, enum proj_command_kind kind, uint64_t within_ms)
{
    struct once call = {.c = {.kind = kind, .name = STR_LIT("sums"), .done = done_once}};
    const uint64_t until = env_mono_ns(w->env) + within_ms * 1000000;
    proj_command(w->nodes[0].proj, &call.c);
    while (!call.done && env_mono_ns(w->env) < until) {
        world_step(w);
    }
    assert_true(call.done);
    return call.c.err;
}

/* It is dropped on the connection that there is, or on one that is made for it. */
static void check_removed(const char *refuses)
{
    struct world w;
    world_begin_settled(&w, 48);
    world_kill(&w, 0);
    world_change_target(&w, refuses);
    world_up(&w, 0);
    world_run(&w, 1000);
    world_until(&w, waits_long, 60000);
    assert_int_equal(answer_of(&w, PROJ_REMOVE, 1000), ERR_OK);
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_version", "0\n");
    world_deinit(&w);
}
TEST_ON_BOTH(a_projection_that_cannot_be_opened_is_removed_at_once)
{
    check_removed(server_on_postgres ? REFUSES("1", "53100") : REFUSES_SQLITE("1"));
}
TEST(a_projection_that_may_not_be_opened_is_removed_at_once)
{
    server_on_postgres = true;
    check_removed(REFUSES("1", "42501"));
    server_on_postgres = false;
}

/* Whoever cancels it is answered when it is gone, not when its connection happens to be. */
TEST(a_version_that_may_not_be_opened_is_gone_when_it_is_cancelled)
{
    struct world w;
    struct ectx ec;
    char text[2048];
    server_on_postgres = true;
    world_begin_settled(&w, 49);
    (void)world_definition(&w, 2, text, sizeof(text));
    (void)strncat(text, "switch: manual\n", sizeof(text) - strlen(text) - 1);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    world_run(&w, 2000);
    world_kill(&w, 0);
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_version", "2\n");
    world_change_target(&w, "DROP TABLE keys__v1 CASCADE");
    world_change_target(&w, REFUSES("2", "42501"));
    world_up(&w, 0);
    world_run(&w, 1000);
    world_until(&w, waits_long, 60000);
    assert_int_equal(answer_of(&w, PROJ_CANCEL, 2000), ERR_OK);
    world_check_rows(&w, "SELECT version FROM leat_version", "1\n");
    server_on_postgres = false;
    world_deinit(&w);
}

/* The record as a build after this one would write it: a version that we do not understand. */
struct record_found {
    char text[16384];
};
static void take_record(void *ctx, const struct record *r)
{
    struct record_found *f = ctx;
    if (str_eq_z(r->key, "sums") && !str_is_null(r->value)) {
        (void)snprintf(f->text, sizeof(f->text), "%.*s", STR(r->value));
    }
}
static void read_record(struct world *w, struct record_found *f)
{
    f->text[0] = 0;
    (void)worst_each(w->log, PROJ_TOPIC, 0, take_record, f);
}
static void write_record(struct world *w, const char *text)
{
    (void)worst_produce(w->log, PROJ_TOPIC, 0, STR_LIT("sums"), str_of(text), 1);
}

/* A build that does not understand one version of a projection touches nothing of it: no table, no
 * record, no name. The build that does goes on where it was. */
static void check_not_understood(uint32_t version)
{
    static const enum proj_command_kind kinds[] = {PROJ_PAUSE, PROJ_REBUILD, PROJ_SWITCH,
                                                   PROJ_REMOVE};
    struct record_found was;
    struct record_found is;
    char strange[sizeof(was.text)];
    char text[2048];
    char member[32];
    struct world w;
    struct ectx ec;
    world_begin_settled(&w, 43);
    world_apply(&w, 2);
    world_until(&w, world_two_is_served, 60000);
    world_run(&w, 2000);
    world_kill(&w, 0);
    read_record(&w, &was);
    (void)snprintf(strange, sizeof(strange), "%s", was.text);
    (void)snprintf(member, sizeof(member), "version: %u\\n", version);
    char *at = strstr(strange, member);
    assert_non_null(at);
    memcpy(at, "versiom", 7);
    write_record(&w, strange);
    world_up(&w, 0);
    world_say(&w, 20, 0);
    world_run(&w, 5000);
    assert_true(proj_is_serving(w.nodes[0].proj)); /* the others are ready */
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_int_equal(world_command(&w, kinds[i], NULL, &ec), ERR_NOT_READY);
        assert_non_null(strstr(ec.text, "'sums' cannot be used: "));
    }
    assert_int_equal(
        world_command(&w, PROJ_APPLY, world_definition(&w, 3, text, sizeof(text)), &ec),
        ERR_NOT_READY);
    read_record(&w, &is);
    assert_string_equal(is.text, strange);
    world_kill(&w, 0);
    write_record(&w, was.text);
    world_up(&w, 0);
    world_until(&w, world_two_is_served, 60000);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    world_check_rows(&w, "SELECT COUNT(*) FROM leat_version", "2\n");
    world_deinit(&w);
}
TEST_ON_BOTH(a_version_that_is_not_understood_is_kept_with_its_projection)
{
    check_not_understood(2);
}
TEST_ON_BOTH(a_projection_whose_first_version_is_not_understood_is_kept)
{
    check_not_understood(1);
}

/* Nor a view that the version which is not understood may have. */
static void check_no_view_is_taken(uint32_t version)
{
    static const char other[] = "projection: other\nsource: { topics: [events] }\ntarget: \"%s\"\n"
                                "tables: { more: { columns: { k: text }, key: k } }\nmaps:\n"
                                "  - type: Added\n    upsert: { table: more, key: { k: $key } }\n";
    static const char more[] = "  more: { columns: { k: text }, key: k }\n";
    struct record_found was;
    char strange[sizeof(was.text)];
    char text[2048];
    char member[32];
    struct world w;
    struct ectx ec;
    world_begin_settled(&w, 46);
    if (version > 1) {
        world_definition(&w, version, text, sizeof(text));
        char *tables = strstr(text, "  keys:\n");
        assert_non_null(tables);
        memmove(tables + strlen(more), tables, strlen(tables) + 1);
        memcpy(tables, more, strlen(more));
        assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
        world_until(&w, world_two_is_served, 60000);
    }
    world_kill(&w, 0);
    read_record(&w, &was);
    (void)snprintf(strange, sizeof(strange), "%s", was.text);
    (void)snprintf(member, sizeof(member), "version: %u\\n", version);
    char *at = strstr(strange, member);
    assert_non_null(at);
    memcpy(at, "versiom", 7);
    write_record(&w, strange);
    world_up(&w, 0);
    world_run(&w, 1000);
    (void)snprintf(text, sizeof(text), other, w.target[0] == 0 ? "sqlite:views.db" : w.target);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_NOT_READY);
    assert_non_null(strstr(ec.text, "view 'more' may belong to projection 'sums'"));
    assert_non_null(strstr(ec.text, "'versiom'"));
    world_kill(&w, 0);
    write_record(&w, was.text);
    world_up(&w, 0);
    world_run(&w, 1000);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec),
                     version == 1 ? ERR_OK : ERR_EXISTS); /* it has it */
    world_until(&w, world_settled, 60000);
    world_deinit(&w);
}
TEST_ON_BOTH(no_view_is_taken_that_may_belong_to_what_is_not_understood)
{
    check_no_view_is_taken(1);
}
TEST_ON_BOTH(no_view_is_taken_that_may_belong_to_a_version_that_is_not_understood)
{
    check_no_view_is_taken(2);
}

static bool three_is_served(struct world *w)
{
    return world_served(w) == 3;
}

/* One that is kept and cannot be opened after a restart is the kept one all the same: the next
 * version is built beside it, and is the one that a cancel means. */
TEST_ON_BOTH(a_kept_version_that_cannot_be_opened_is_not_the_one_that_is_built)
{
    static const char *const harm[] = {"ALTER TABLE keys__v1 RENAME COLUMN sum TO another",
                                       "DROP TABLE keys__v1"};
    for (size_t i = 0; i < ARRAY_LEN(harm); i++) {
        char text[2048];
        struct world w;
        struct ectx ec;
        world_begin_settled(&w, 47);
        world_apply(&w, 2);
        world_until(&w, world_two_is_served, 60000);
        world_kill(&w, 0);
        world_change_target(&w, harm[i]);
        world_up(&w, 0);
        world_until(&w, world_two_is_served, 60000);
        w.keep = "24h\nswitch: manual";
        (void)world_definition(&w, 3, text, sizeof(text));
        assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
        assert_int_equal(world_versions(&w), 3);
        assert_int_equal(world_command(&w, PROJ_CANCEL, NULL, &ec), ERR_OK);
        world_check_rows(&w, "SELECT version FROM leat_version ORDER BY 1", "1\n2\n");
        w.keep = NULL;
        world_apply(&w, 3);
        world_until(&w, three_is_served, 60000);
        world_until(&w, world_settled, 60000);
        world_check(&w, "");
        struct arena a;
        arena_init(&a, 1u << 20);
        const struct proj_status s = world_status(&w, 0, &a);
        assert_int_equal(s.versions[0].state, i == 0 ? PROJ_KEPT : PROJ_STOPPED);
        assert_false(str_is_null(s.versions[0].error));
        arena_deinit(&a);
        world_deinit(&w);
    }
}

/* The machine's libraries, but for the one that is missing. */
static const char *missing;
void *dlopen(const char *file, int mode)
{
    void *(*machine)(const char *, int) = NULL;
    void *found = dlsym(RTLD_NEXT, "dlopen");
    memcpy(&machine, &found, sizeof(found));
    return machine(missing != NULL && file != NULL && strcmp(file, missing) == 0
                       ? "/nowhere/that-is-missing.so"
                       : file,
                   mode);
}

/* A database's library that is missing is told by name. What is declared is known all the same: its
 * views stay its own, and others may be declared. */
TEST(a_library_that_is_missing_hinders_no_other_projection)
{
    static const char other[] = "projection: other\nsource: { topics: [events] }\n"
                                "target: \"sqlite:other.db\"\n"
                                "tables: { %s: { columns: { k: text }, key: k } }\nmaps:\n"
                                "  - type: Added\n    upsert: { table: %s, key: { k: $key } }\n";
    struct record_found was;
    struct record_found is;
    char text[2048];
    struct world w;
    struct ectx ec;
    server_on_postgres = true;
    world_begin_settled(&w, 52);
    world_kill(&w, 0);
    read_record(&w, &was);
    missing = "libpq.so.5";
    world_up(&w, 0);
    world_run(&w, 1000);
    assert_int_equal(world_command(&w, PROJ_PAUSE, NULL, &ec), ERR_NOT_READY);
    assert_non_null(strstr(ec.text, "'sums' cannot be used: could not load libpq.so.5"));
    assert_non_null(strstr(ec.hint, "install the package libpq5"));
    assert_non_null(strstr(run_find(sums(&w), 1)->error.text, "could not load libpq.so.5"));
    (void)snprintf(text, sizeof(text), other, "keys", "keys");
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_EXISTS);
    assert_string_equal(ec.text, "view 'keys' belongs to projection 'sums'");
    (void)snprintf(text, sizeof(text), other, "more", "more");
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    world_say(&w, 20, 0);
    world_run(&w, 1000);
    read_record(&w, &is);
    assert_string_equal(is.text, was.text);
    world_kill(&w, 0);
    missing = NULL;
    world_up(&w, 0);
    world_until(&w, world_settled, 60000);
    world_check(&w, "");
    server_on_postgres = false;
    world_deinit(&w);
}
