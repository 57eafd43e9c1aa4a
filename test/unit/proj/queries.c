/* Queries of views: filters, order, pages, errors; the list of parked keys. */
#include <stdio.h>
#include <string.h>

#include "core/compiler.h"
#include "proj/proj_int.h"
#include "server.h"
#include "world.h"

struct asking {
    struct proj_query q;
    bool done;
};
static void asked(struct proj_query *q)
{
    CONTAINER_OF(q, struct asking, q)->done = true;
}
static enum err ask(struct world *w, struct asking *a)
{
    a->done = false;
    a->q.done = asked;
    proj_query(w->nodes[0].proj, &a->q);
    for (int i = 0; i < 1000000 && !a->done; i++) {
        world_step(w);
    }
    assert_true(a->done);
    return a->q.err;
}
static void say(struct world *w, const char *key, const char *n)
{
    char value[160];
    snprintf(value, sizeof(value), "{\"eventType\":\"Added\",\"data\":{\"n\":%s}}", n);
    (void)worst_produce(w->log, "events", (int32_t)(key[1] - '0') % WORLD_PARTS, str_of(key),
                        str_of(value), 1);
}

static void begin(struct world *w)
{
    struct worst_config cfg;
    char text[2048];
    struct ectx ec;
    worst_config_good(&cfg, 11);
    world_init(w, 11, &cfg);
    worst_topic_make(w->log, "events", WORLD_PARTS);
    world_up(w, 0);
    world_run(w, 500);
    assert_int_equal(world_command(w, PROJ_APPLY, world_definition(w, 1, text, sizeof(text)), &ec),
                     ERR_OK);
    static const char *const keys[] = {"k0", "k1", "k2", "k3", "k4", "k5"};
    static const char *const ns[] = {"5", "7", "5", "null", "9", "5"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(ns[i], "null") != 0) {
            say(w, keys[i], ns[i]);
        }
    }
    world_until(w, world_settled, 60000);
}

static void expect_rows(struct asking *a, const char *want)
{
    char got[4096];
    snprintf(got, sizeof(got), "%.*s", STR(a->q.rows));
    assert_string_equal(got, want);
}

TEST_WORLD(query_filters_and_orders)
{
    struct world w;
    struct arena arena;
    begin(&w);
    arena_init(&arena, 4u << 20);
    const struct str columns[] = {STR_LIT("k"), STR_LIT("sum")};
    const struct proj_filter filters[] = {{STR_LIT("sum"), PROJ_GE, STR_LIT("5")},
                                          {STR_LIT("k"), PROJ_PREFIX, STR_LIT("k")},
                                          {STR_LIT("k"), PROJ_NE, STR_LIT("k2")}};
    const struct proj_order order[] = {{STR_LIT("sum"), true}};
    struct asking a = {.q = {.view = STR_LIT("keys"),
                             .filters = filters,
                             .filter_count = 3,
                             .order = order,
                             .order_count = 1,
                             .columns = columns,
                             .column_count = 2,
                             .arena = &arena}};
    assert_int_equal(ask(&w, &a), ERR_OK);
    expect_rows(&a, "[{\"k\":\"k4\",\"sum\":9},{\"k\":\"k1\",\"sum\":7},{\"k\":\"k0\",\"sum\":5},"
                    "{\"k\":\"k5\",\"sum\":5}]");
    assert_int_equal(a.q.version, 1);
    assert_true(str_is_null(a.q.next_cursor));
    const struct proj_filter one[] = {{STR_LIT("k"), PROJ_EQ, STR_LIT("k1' OR 1 = 1 --")}};
    a.q.filters = one;
    a.q.filter_count = 1;
    assert_int_equal(ask(&w, &a), ERR_OK);
    expect_rows(&a, "[]");
    arena_deinit(&arena);
    world_deinit(&w);
}

/* A connection that was lost is no fault of whoever asks, and the next query has a new one. */
TEST_WORLD(query_says_again_when_the_connection_is_lost)
{
    struct world w;
    struct arena arena;
    server_on_postgres = true;
    begin(&w);
    server_on_postgres = false;
    arena_init(&arena, 4u << 20);
    struct asking a = {.q = {.view = STR_LIT("keys"), .arena = &arena}};
    assert_int_equal(ask(&w, &a), ERR_OK);
    server_end_connections();
    assert_int_equal(ask(&w, &a), ERR_AGAIN);
    assert_non_null(strstr(a.q.ec.text, "PostgreSQL"));
    assert_int_equal(ask(&w, &a), ERR_OK);
    assert_int_equal(a.q.row_count, 5);
    arena_deinit(&arena);
    world_deinit(&w);
}

/* Page by page, each row once, however the pages are cut, and whatever is written meanwhile. */
TEST_WORLD(query_pages_show_each_row_once)
{
    struct world w;
    struct arena arena;
    begin(&w);
    arena_init(&arena, 4u << 20);
    const struct str columns[] = {STR_LIT("k")};
    for (int descending = 0; descending < 2; descending++) {
        for (size_t limit = 1; limit <= 6; limit++) {
            const struct proj_order order[] = {{STR_LIT("sum"), descending == 1}};
            struct asking a = {.q = {.view = STR_LIT("keys"),
                                     .order = order,
                                     .order_count = 1,
                                     .columns = columns,
                                     .column_count = 1,
                                     .limit = limit,
                                     .arena = &arena}};
            char all[512] = "";
            size_t pages = 0;
            do {
                assert_int_equal(ask(&w, &a), ERR_OK);
                strncat(all, a.q.rows.p, a.q.rows.n);
                a.q.cursor = a.q.next_cursor;
                assert_true(++pages <= 6);
            } while (!str_is_null(a.q.next_cursor));
            char flat[512];
            size_t n = 0;
            for (const char *c = all; *c != 0; c++) {
                if (*c == 'k' && c[1] != '"') {
                    flat[n++] = c[1];
                }
            }
            flat[n] = 0;
            assert_string_equal(flat, descending == 1 ? "41025" : "02514");
        }
    }
    arena_deinit(&arena);
    world_deinit(&w);
}

/* A page ends at 16 MiB, whatever the limit is: the next one goes on behind it. */
TEST(query_cuts_a_page_that_is_too_large)
{
    enum { ROWS = 20, ROW_BYTES = 1000000 };
    struct world w;
    struct arena arena;
    struct ectx ec;
    char sql[256];
    world_begin(&w, 13, 0);
    assert_int_equal(
        world_command(&w, PROJ_APPLY,
                      "projection: notes\n"
                      "source: { topics: [ events ] }\n"
                      "target: \"sqlite:views.db\"\n"
                      "tables: { notes: { columns: { k: integer, note: text }, key: k } }\n"
                      "maps:\n"
                      "  - { type: Said, upsert: { table: notes, key: { k: /data/k } } }\n",
                      &ec),
        ERR_OK);
    arena_init(&arena, 128u << 20);
    struct asking a = {.q = {.view = STR_LIT("notes"), .limit = 1000, .arena = &arena}};
    for (int i = 0; i < 200 && ask(&w, &a) != ERR_OK; i++) {
        world_run(&w, 100);
    }
    assert_int_equal(a.q.row_count, 0);
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT "
             "INTO notes__v1 SELECT i, hex(zeroblob(%d)) FROM n",
             ROWS - 1, ROW_BYTES / 2);
    world_change_target(&w, sql);
    size_t next = 0;
    size_t pages = 0;
    do {
        assert_int_equal(ask(&w, &a), ERR_OK);
        assert_in_range(a.q.rows.n, 1, (16u << 20) + ROW_BYTES + 100);
        struct str rest = a.q.rows;
        for (size_t i = 0; i < a.q.row_count; i++) { /* in their order, none twice, none left out */
            char head[40];
            int n = snprintf(head, sizeof(head), "%c{\"k\":%zu,\"note\":\"", i == 0 ? '[' : ',',
                             next++);
            assert_true(rest.n > (size_t)n && memcmp(rest.p, head, (size_t)n) == 0);
            rest = str_make(rest.p + n + ROW_BYTES + 2, rest.n - (size_t)n - ROW_BYTES - 2);
        }
        assert_true(str_eq_z(rest, "]"));
        a.q.cursor = a.q.next_cursor;
        pages++;
    } while (!str_is_null(a.q.next_cursor));
    assert_int_equal(next, ROWS);
    assert_int_equal(pages, 2);
    arena_deinit(&arena);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* As many queries as may run at once; one more is to come again. */
TEST(query_is_refused_where_too_many_run)
{
    struct world w;
    struct arena arena;
    struct asking all[PROJ_QUERIES_MAX + 1];
    begin(&w);
    arena_init(&arena, 4u << 20);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        all[i] = (struct asking){.q = {.view = STR_LIT("keys"), .arena = &arena, .done = asked}};
        proj_query(w.nodes[0].proj, &all[i].q);
    }
    assert_true(all[PROJ_QUERIES_MAX].done);
    assert_int_equal(all[PROJ_QUERIES_MAX].q.err, ERR_AGAIN);
    assert_string_equal(all[PROJ_QUERIES_MAX].q.ec.text, "64 queries are under way");
    for (size_t i = 0; i < PROJ_QUERIES_MAX; i++) {
        for (int k = 0; k < 1000000 && !all[i].done; k++) {
            world_step(&w);
        }
        assert_int_equal(all[i].q.err, ERR_OK);
        assert_int_equal(all[i].q.row_count, 5);
    }
    assert_int_equal(ask(&w, &all[PROJ_QUERIES_MAX]), ERR_OK);
    arena_deinit(&arena);
    world_deinit(&w);
}

/* A driver that notes how long a statement may take, and gives it less. */
static const struct target_driver *timed_driver;
static uint64_t timed_asked_ns, timed_given_ns;
static void set_timeout(struct target_db *db, uint64_t ns)
{
    timed_asked_ns = ns;
    timed_driver->set_timeout(db, timed_given_ns == 0 ? ns : timed_given_ns);
}

/* A query has ten seconds; one that needs more is broken off, and the next one runs. */
TEST_ON_BOTH(query_that_takes_too_long_is_broken_off)
{
    struct world w;
    struct arena arena;
    begin(&w);
    arena_init(&arena, 4u << 20);
    world_change_target(
        &w, "INSERT INTO keys__v1 (k, count, sum) WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL "
            "SELECT i + 1 FROM n WHERE i < 200000) SELECT 'x' || i, i, 0 FROM n");
    struct projection *pr =
        CONTAINER_OF(w.nodes[0].proj->projections.next, struct projection, link);
    timed_driver = pr->driver;
    struct target_driver timed = *pr->driver;
    timed.set_timeout = set_timeout;
    pr->driver = &timed;
    const struct proj_order order[] = {{STR_LIT("count"), true}}; /* no index has it */
    struct asking a = {.q = {.view = STR_LIT("keys"),
                             .order = order,
                             .order_count = 1,
                             .limit = 1,
                             .arena = &arena}};
    timed_given_ns = 1000000;
    assert_int_equal(ask(&w, &a), ERR_REQUEST_TIMED_OUT);
    assert_int_equal(timed_asked_ns, 10000000000u);
    timed_given_ns = 0;
    assert_int_equal(ask(&w, &a), ERR_OK);
    assert_int_equal(a.q.row_count, 1);
    pr->driver = timed_driver;
    arena_deinit(&arena);
    world_deinit(&w);
}

TEST_WORLD(query_says_what_is_wrong)
{
    struct world w;
    struct arena arena;
    begin(&w);
    arena_init(&arena, 4u << 20);
    struct asking a = {.q = {.view = STR_LIT("kyes"), .arena = &arena}};
    assert_int_equal(ask(&w, &a), ERR_NOT_FOUND);
    const struct proj_filter filters[] = {{STR_LIT("sume"), PROJ_EQ, STR_LIT("5")},
                                          {STR_LIT("sum"), PROJ_EQ, STR_LIT("five")}};
    a.q.view = STR_LIT("keys");
    a.q.filters = filters;
    a.q.filter_count = 1;
    assert_int_equal(ask(&w, &a), ERR_INVALID_REQUEST);
    assert_string_equal(a.q.ec.text, "view 'keys' has no column 'sume'");
    assert_string_equal(a.q.ec.hint, "did you mean 'sum'?");
    a.q.filters = filters + 1;
    assert_int_equal(ask(&w, &a), ERR_INVALID_REQUEST);
    assert_string_equal(a.q.ec.text, "column 'sum' is a whole number; 'five' is not");
    a.q.filter_count = 0;
    a.q.cursor = STR_LIT("WzFd");
    assert_int_equal(ask(&w, &a), ERR_INVALID_REQUEST);
    a.q.cursor = STR_LIT("!!!");
    assert_int_equal(ask(&w, &a), ERR_INVALID_REQUEST);
    a.q.cursor = STR_NULL;
    a.q.limit = PROJ_QUERY_ROWS_MAX + 1;
    assert_int_equal(ask(&w, &a), ERR_INVALID_REQUEST);
    /* A cursor of another order is not taken for one of this. */
    a.q.limit = 2;
    assert_int_equal(ask(&w, &a), ERR_OK);
    assert_false(str_is_null(a.q.next_cursor));
    const struct proj_order order[] = {{STR_LIT("sum"), false}};
    a.q.cursor = a.q.next_cursor;
    a.q.order = order;
    a.q.order_count = 1;
    assert_int_equal(ask(&w, &a), ERR_INVALID_REQUEST);
    size_t count = 0;
    struct proj_view *views = proj_views(w.nodes[0].proj, &arena, &count);
    assert_int_equal(count, 2);
    assert_true(str_eq_z(views[0].name, "keys") && str_eq_z(views[1].name, "totals"));
    assert_int_equal(views[0].column_count, 4);
    arena_deinit(&arena);
    world_stop(&w, 0);
    world_deinit(&w);
}

/* PostgreSQL compares no JSON: a view answers alike wherever it is. */
TEST_WORLD_ON_BOTH(query_compares_no_json)
{
    struct world w;
    struct worst_config cfg;
    struct arena arena;
    struct ectx ec;
    char text[1024];
    worst_config_good(&cfg, 12);
    world_init(&w, 12, &cfg);
    worst_topic_make(w.log, "events", WORLD_PARTS);
    world_up(&w, 0);
    world_run(&w, 500);
    snprintf(
        text, sizeof(text),
        "projection: kinds\n"
        "source: { topics: [ events ] }\n"
        "target: \"%s\"\n"
        "tables: { kinds: { columns: { k: text, j: json }, key: k } }\n"
        "maps:\n"
        "  - { type: Added, upsert: { table: kinds, key: { k: $key }, set: { j: /data/n } } }\n",
        w.target[0] == 0 ? "sqlite:views.db" : w.target);
    assert_int_equal(world_command(&w, PROJ_APPLY, text, &ec), ERR_OK);
    say(&w, "k0", "[1]");
    say(&w, "k1", "null");
    arena_init(&arena, 4u << 20);
    struct asking a = {.q = {.view = STR_LIT("kinds"), .arena = &arena}};
    for (int i = 0; i < 200 && (ask(&w, &a) != ERR_OK || a.q.rows.n < 30); i++) {
        world_run(&w, 100);
    }
    const struct proj_filter filters[] = {{STR_LIT("j"), PROJ_EQ, STR_LIT("[1]")},
                                          {STR_LIT("j"), PROJ_GT, STR_LIT("[1]")},
                                          {STR_LIT("j"), PROJ_PREFIX, STR_LIT("[1]")},
                                          {STR_LIT("j"), PROJ_IS_NULL, STR_LIT("false")}};
    const struct proj_order order[] = {{STR_LIT("j"), false}};
    a.q.filter_count = 1;
    for (size_t i = 0; i < 3; i++) {
        a.q.filters = filters + i;
        assert_int_equal(ask(&w, &a), ERR_INVALID_REQUEST);
        assert_string_equal(a.q.ec.text,
                            i == 2 ? "column 'j' is no text"
                                   : "column 'j' is JSON: it can be filtered by is_null alone");
    }
    a.q.filters = filters + 3;
    assert_int_equal(ask(&w, &a), ERR_OK);
    expect_rows(&a, "[{\"k\":\"k0\",\"j\":[1]}]");
    a.q.filter_count = 0;
    a.q.order = order;
    a.q.order_count = 1;
    assert_int_equal(ask(&w, &a), ERR_INVALID_REQUEST);
    assert_string_equal(a.q.ec.text, "column 'j' is JSON: it has no order");
    arena_deinit(&arena);
    world_stop(&w, 0);
    world_deinit(&w);
}

struct listing {
    struct proj_parked_list l;
    bool done;
};
static void listed(struct proj_parked_list *l)
{
    CONTAINER_OF(l, struct listing, l)->done = true;
}
TEST_WORLD(query_lists_parked_keys)
{
    struct world w;
    struct arena arena;
    begin(&w);
    arena_init(&arena, 4u << 20);
    say(&w, "k1", "\"x\"");
    say(&w, "k1", "1");
    say(&w, "k2", "\"y\"");
    world_until(&w, world_settled, 60000);
    struct listing a = {
        .l = {.name = STR_LIT("sums"), .limit = 1, .arena = &arena, .done = listed}};
    for (int page = 0; page < 2; page++) {
        a.done = false;
        proj_parked_list(w.nodes[0].proj, &a.l);
        while (!a.done) {
            world_step(&w);
        }
        assert_int_equal(a.l.err, ERR_OK);
        assert_int_equal(a.l.count, 1);
        assert_int_equal(a.l.more, page == 0);
        assert_true(str_eq_z(a.l.parked[0].key, page == 0 ? "k1" : "k2"));
        assert_int_equal(a.l.parked[0].events, page == 0 ? 2 : 1);
        assert_int_equal(a.l.parked[0].partition, page == 0 ? 1 : 2);
        assert_true(str_eq_z(a.l.parked[0].type, "Added"));
        assert_non_null(
            strstr(a.l.parked[0].reason.p, "takes whole numbers of 64 bits, not this text"));
        a.l.after = a.l.parked[0].key;
    }
    arena_deinit(&arena);
    world_deinit(&w);
}

/* A key that is parked in several partitions is one line, and shows what a skip would drop. */
TEST_WORLD_ON_BOTH(query_lists_a_key_of_several_partitions_once)
{
    struct world w;
    struct arena arena;
    struct ectx ec;
    begin(&w);
    arena_init(&arena, 4u << 20);
    static const struct {
        int32_t partition;
        const char *n;
    } events[] = {{0, "1"}, {0, "\"x\""}, {1, "\"y\""}, {1, "2"}, {2, "\"z\""}, {0, "3"}};
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        char value[100];
        snprintf(value, sizeof(value), "{\"eventType\":\"Added\",\"data\":{\"n\":%s}}",
                 events[i].n);
        (void)worst_produce(w.log, "events", events[i].partition, STR_LIT("k1"), str_of(value),
                            env_wall_ms(w.env));
    }
    world_until(&w, world_settled, 60000);
    for (int32_t first = 0; first < 3; first++) {
        struct listing a = {.l = {.name = STR_LIT("sums"), .arena = &arena, .done = listed}};
        proj_parked_list(w.nodes[0].proj, &a.l);
        while (!a.done) {
            world_step(&w);
        }
        assert_int_equal(a.l.err, ERR_OK);
        assert_int_equal(a.l.count, 1);
        assert_false(a.l.more);
        assert_int_equal(a.l.parked[0].events, first == 0 ? 5 : first == 1 ? 3 : 1);
        assert_int_equal(a.l.parked[0].partition, first);
        assert_int_equal(a.l.parked[0].offset, 2); /* in each of them */
        assert_int_equal(world_command(&w, PROJ_SKIP_KEY, "k1", &ec), ERR_OK);
    }
    arena_deinit(&arena);
    world_deinit(&w);
}
