/* A definition tried on the log: the rows that it would make, and nothing else. */
#include <stdio.h>
#include <string.h>

#include "world.h"

struct checking {
    struct proj_check c;
    bool done;
};
static void checked(struct proj_check *c)
{
    CONTAINER_OF(c, struct checking, c)->done = true;
}

static const char *check(struct world *w, const char *text, uint64_t events_max, char *out,
                         size_t size)
{
    struct arena a;
    arena_init(&a, 1u << 20);
    struct checking call = {.c = {.definition = str_of(text),
                                  .file = STR_LIT("x.yaml"),
                                  .events_max = events_max,
                                  .arena = &a,
                                  .done = checked}};
    proj_check(w->nodes[0].proj, &call.c);
    for (int i = 0; i < 1000000 && !call.done; i++) {
        world_step(w);
    }
    assert_true(call.done);
    if (call.c.err != ERR_OK) {
        snprintf(out, size, "%s", call.c.ec.text);
    } else {
        char skipped[40] = "";
        if (call.c.skipped > 0) {
            snprintf(skipped, sizeof(skipped), "(%llu skipped) ",
                     (unsigned long long)call.c.skipped);
        }
        snprintf(out, size, "%llu %llu %llu %s%.*s", (unsigned long long)call.c.events,
                 (unsigned long long)call.c.applied, (unsigned long long)call.c.parked, skipped,
                 STR(call.c.result));
    }
    arena_deinit(&a);
    return out;
}

TEST_WORLD(check_shows_what_a_definition_would_make)
{
    struct world w;
    struct worst_config cfg;
    char text[2048];
    char got[4096];
    worst_config_good(&cfg, 21);
    world_init(&w, 21, &cfg);
    worst_topic_make(w.log, "events", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    static const char *const events[][2] = {
        {"k0", "5"}, {"k1", "7"}, {"k0", "6"}, {"k2", "\"x\""}, {"k2", "1"}};
    for (size_t i = 0; i < 5; i++) {
        char value[100];
        snprintf(value, sizeof(value), "{\"eventType\":\"Added\",\"data\":{\"n\":%s}}",
                 events[i][1]);
        (void)worst_produce(w.log, "events", (events[i][0][1] - '0') % WORLD_PARTS,
                            str_of(events[i][0]), str_of(value), 1);
    }
    worst_gap(w.log, "events", 1, 3);
    assert_string_equal(
        check(&w, world_definition(&w, 1, text, sizeof(text)), 0, got, sizeof(got)),
        "5 3 2 {\"tables\":{\"keys\":{\"rows\":2,\"first\":[{\"k\":\"k0\",\"count\":2,\"sum\":11,"
        "\"last\":6},{\"k\":\"k1\",\"count\":1,\"sum\":7,\"last\":7}]},\"totals\":{\"rows\":1,"
        "\"first\":[{\"id\":\"all\",\"count\":3,\"sum\":18}]}},\"parked\":[{\"key\":\"k2\","
        "\"shard\":\"events/2\",\"offset\":0,\"type\":\"Added\",\"reason\":\"increment of keys: "
        "column 'last' takes whole numbers of 64 bits, not this text\"},{\"key\":\"k2\","
        "\"shard\":\"events/2\",\"offset\":1,\"type\":\"Added\",\"reason\":\"an earlier event of "
        "this key is parked\"}]}");
    char wrong[2100];
    snprintf(wrong, sizeof(wrong), "%son_error: skip\n", text);
    assert_true(str_starts(str_of(check(&w, wrong, 0, got, sizeof(got))), "5 4 0 (1 skipped) {"));
    snprintf(wrong, sizeof(wrong), "%s", text);
    memcpy(strstr(wrong, "/data/n"), "/dato/n", 7);
    assert_non_null(strstr(check(&w, wrong, 0, got, sizeof(got)), "x.yaml:18:"));
    /* Nothing was written, neither to the log nor beside it. */
    size_t count = 1;
    struct arena a;
    arena_init(&a, 1u << 16);
    assert_non_null(proj_names(w.nodes[0].proj, &a, &count));
    assert_int_equal(count, 0);
    arena_deinit(&a);
    world_deinit(&w);
}

/* A log of one event, and a process. */
static void begin_with_one(struct world *w, uint64_t seed, uint64_t check_ns)
{
    world_begin(w, seed, check_ns);
    (void)worst_produce(w->log, "events", 0, STR_LIT("k"),
                        STR_LIT("{\"eventType\":\"Added\",\"data\":{\"n\":1}}"), 1);
}

/* The scratch is SQLite, whatever the target: what only PostgreSQL understands is told. */
TEST_WORLD(check_tells_of_sql_that_its_database_reads_otherwise)
{
    static const char text[] = "projection: own\n"
                               "source: { topics: events }\n"
                               "target: postgresql://x/y\n"
                               "tables: { t: { columns: { id: text, a: integer }, key: id } }\n"
                               "maps:\n"
                               "  - type: Added\n"
                               "    sql: { statement: \"UPDATE {t} SET a = @a\" }\n";
    struct world w;
    char got[4096];
    begin_with_one(&w, 22, 0);
    assert_string_equal(check(&w, text, 0, got, sizeof(got)),
                        "to sqlite this SQL of one's own has 1 parameters, and 0 are written :name "
                        "outside of texts, quoted names and comments");
    world_deinit(&w);
}

/* A check has one of few workers, and its SQL may have no end. */
TEST_WORLD(check_breaks_off_sql_that_has_no_end)
{
    static const char text[] = "projection: own\n"
                               "source: { topics: events }\n"
                               "target: sqlite:x\n"
                               "tables: { t: { columns: { id: text, a: integer }, key: id } }\n"
                               "maps:\n"
                               "  - type: Added\n"
                               "    sql: { statement: \"INSERT INTO {t} (id, a) WITH RECURSIVE "
                               "n(i) AS (SELECT 1 UNION ALL "
                               "SELECT i + 1 FROM n) SELECT 'x', MAX(i) FROM n\" }\n";
    struct world w;
    char got[4096];
    begin_with_one(&w, 23, 20u * 1000 * 1000);
    assert_string_equal(check(&w, text, 0, got, sizeof(got)),
                        "SQLite: a statement took longer than 0.02 s");
    world_deinit(&w);
}

/* A view of another projection has every column that some look-up of it names. */
TEST_WORLD(check_knows_all_columns_of_views_of_others)
{
    static const char text[] =
        "projection: mine\n"
        "source: { topics: events }\n"
        "target: sqlite:x\n"
        "tables: { t: { columns: { id: text, a: text }, key: id } }\n"
        "maps:\n"
        "  - type: Added\n"
        "    lookup: { c: { from: customers, key: { id: $key }, columns: [ name ] },\n"
        "              d: { from: customers, key: { mail: $key }, columns: [ id, name ] } }\n"
        "    upsert: { table: t, key: { id: $key }, set: { a: c.name ?? 'none' } }\n"
        "  - type: Added\n"
        "    lookup: { c: { from: customers, key: { id: $key }, columns: [ tier ] },\n"
        "              o: { from: t, key: { id: $key }, columns: [ a ] } }\n"
        "    update: { table: t, where: { id: $key }, set: { a: c.tier ?? o.a } }\n";
    struct world w;
    char got[4096];
    begin_with_one(&w, 23, 0);
    assert_string_equal(check(&w, text, 0, got, sizeof(got)),
                        "1 1 0 {\"tables\":{\"t\":{\"rows\":1,\"first\":[{\"id\":\"k\",\"a\":"
                        "\"none\"}]}},\"parked\":[]}");
    world_deinit(&w);
}
