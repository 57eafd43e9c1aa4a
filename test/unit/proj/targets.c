/* What a projection needs of its target: views of its own, tables that are there, a connection to
 * be removed. */
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "core/compiler.h"
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
TEST_ON_BOTH(projection_view_of_another_is_refused_in_any_target)
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

/* What somebody else does to the target. */
static void by_hand(struct world *w, const char *sql)
{
    const struct target_driver *driver = w->target[0] == 0 ? &target_sqlite : &target_postgres;
    struct target_library *l = NULL;
    struct target_db *db = NULL;
    struct ectx ec;
    assert_int_equal(driver->load(&l, &ec), ERR_OK);
    assert_int_equal(driver->open(l, str_of(w->target[0] == 0 ? w->db : w->target), 0, &db, &ec),
                     ERR_OK);
    if (driver->exec(db, sql, &ec) != ERR_OK) {
        fail_msg("%s", ec.text);
    }
    driver->close(db);
    driver->unload(l);
}

static void check_gone(struct world *w)
{
    struct arena a;
    arena_init(&a, 1u << 20);
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

/* A table that somebody drops is no event's fault, and none is made empty below a checkpoint: the
 * version stops, also across a restart, until a rebuild has made it again. */
TEST_ON_BOTH(projection_whose_table_is_gone_stops_until_it_is_rebuilt)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct world w;
        struct ectx ec;
        begin(&w, 32);
        world_apply(&w, 1);
        world_say(&w, 50, 0);
        world_until(&w, world_settled, 60000);
        by_hand(&w, "DROP VIEW keys; DROP TABLE keys__v1");
        world_say(&w, 10, 0);
        world_run(&w, 5000);
        check_gone(&w);
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
