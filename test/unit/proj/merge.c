/*
 * Changes that are merged: whatever is put together, the tables say what the statements one by one
 * would have made of them, and what cannot be applied is parked as it would have been.
 *
 * The reference is SQLite, one event at a time, where nothing is merged with anything.
 */
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "core/compiler.h"
#include "proj/apply_int.h"
#include "proj/merge_int.h"
#include "server.h"

static const char *const ledger =
    "{\"projection\":\"ledger\",\"version\":1,\"source\":{\"category\":\"order\"},"
    "\"target\":\"sqlite:%s\",\"key\":\"$id\",\"tables\":{"
    "\"rows\":{\"columns\":{\"id\":\"text\",\"note\":\"text\",\"n\":\"integer\",\"r\":\"real\","
    "\"ok\":\"boolean\",\"doc\":\"json\"},\"key\":\"id\",\"indexes\":[\"note\"]},"
    "\"pairs\":{\"columns\":{\"a\":\"text\",\"b\":\"integer\",\"v\":\"text\"},\"key\":[\"b\","
    "\"a\"]}},"
    "\"maps\":["
    "{\"type\":\"Put\",\"upsert\":{\"table\":\"rows\",\"key\":{\"id\":\"/data/id\"},\"set\":{"
    "\"note\":\"/data/note\",\"n\":\"/data/n\",\"ok\":\"/data/n > 0\",\"doc\":\"/data/doc\"}}},"
    "{\"type\":\"Touch\",\"upsert\":{\"table\":\"rows\",\"key\":{\"id\":\"/data/id\"}}},"
    "{\"type\":\"Add\",\"increment\":{\"table\":\"rows\",\"key\":{\"id\":\"/data/id\"},\"by\":{"
    "\"n\":\"/data/n\"},\"set\":{\"note\":\"/data/note\"}}},"
    "{\"type\":\"Real\",\"increment\":{\"table\":\"rows\",\"key\":{\"id\":\"/data/id\"},\"by\":{"
    "\"r\":\"/data/r\"}}},"
    "{\"type\":\"SetReal\",\"upsert\":{\"table\":\"rows\",\"key\":{\"id\":\"/data/id\"},\"set\":{"
    "\"r\":\"/data/r\"}}},"
    "{\"type\":\"Change\",\"update\":{\"table\":\"rows\",\"where\":{\"id\":\"/data/id\"},\"set\":{"
    "\"note\":\"/data/note\"},\"by\":{\"n\":\"/data/n\"}}},"
    "{\"type\":\"ChangeAll\",\"update\":{\"table\":\"rows\",\"where\":{\"note\":\"/data/note\"},"
    "\"by\":{\"n\":1}}},"
    "{\"type\":\"Rename\",\"update\":{\"table\":\"rows\",\"where\":{\"id\":\"/data/id\"},\"set\":{"
    "\"id\":\"/data/other\"}}},"
    "{\"type\":\"Gone\",\"delete\":{\"table\":\"rows\",\"key\":{\"id\":\"/data/id\"}}},"
    "{\"type\":\"GoneAll\",\"delete\":{\"table\":\"rows\",\"where\":{\"note\":\"/data/note\"}}},"
    "{\"type\":\"Pair\",\"upsert\":{\"table\":\"pairs\",\"key\":{\"a\":\"/data/id\",\"b\":"
    "\"/data/b\"},\"set\":{\"v\":\"/data/note\"}}},"
    "{\"type\":\"Unpair\",\"delete\":{\"table\":\"pairs\",\"key\":{\"b\":\"/data/b\",\"a\":"
    "\"/data/id\"}}},"
    "{\"type\":\"Own\",\"sql\":{\"statement\":\"UPDATE {rows} SET n = COALESCE(n, 0) % 1000 * 2 + 1"
    " WHERE id = :id\",\"bind\":{\"id\":\"/data/id\"}}},"
    "{\"type\":\"Look\",\"lookup\":{\"x\":{\"from\":\"rows\",\"key\":{\"id\":\"/data/id\"},"
    "\"columns\":\"note\"}},\"upsert\":{\"table\":\"pairs\",\"key\":{\"a\":"
    "\"/data/id\",\"b\":0},\"set\":{\"v\":\"x.note\"}}}]}";

static uint64_t rng;
static uint64_t draw(uint64_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng % below;
}

struct drawn {
    struct base_event event;
    char data[400];
};

/* Few of the kinds that make everything before them go, so that there is much to merge. Without
 * `bad` no statement fails, so that no step is done again without merging. */
static void draw_event(struct drawn *d, uint64_t keys, bool bad)
{
    static const char *const often[] = {"Put",  "Put",    "Touch", "Add",  "Add",    "Real",
                                        "Gone", "Change", "Pair",  "Pair", "Unpair", "SetReal"};
    static const char *const seldom[] = {"ChangeAll", "Rename", "GoneAll", "Own", "Look"};
    static const char *const notes[] = {"\"\"", "\"red\"", "\"\\u00e9\\t\\\"\\\\{,}\"", "null",
                                        "\"blue\""};
    static const char *const odd[] = {"\"12\"", "\"x\"", "1.5", "9223372036854775807",
                                      "-9007199254740993"};
    bool rare = draw(40) == 0;
    d->event.type = rare ? seldom[draw(ARRAY_LEN(seldom))] : often[draw(ARRAY_LEN(often))];
    /* An update that adds a text which is no number is an error in PostgreSQL, not in SQLite. */
    bool odd_one = bad && draw(60) == 0 && strcmp(d->event.type, "Change") != 0;
    char n[32];
    snprintf(n, sizeof(n), "%lld", (long long)draw(2000) - 1000);
    int size = snprintf(
        d->data, sizeof(d->data),
        "{\"id\":\"k%llu\",\"other\":\"k%llu\",\"b\":%llu,\"note\":%s,\"n\":%s,\"r\":%llu.%llu,"
        "\"doc\":{\"a\":[%llu,null,\"\\u00fc\"]}}",
        (unsigned long long)draw(keys), (unsigned long long)(bad ? draw(keys) : draw(1u << 30)),
        (unsigned long long)draw(3), notes[draw(ARRAY_LEN(notes))],
        odd_one ? odd[draw(ARRAY_LEN(odd))] : n, (unsigned long long)draw(100),
        (unsigned long long)draw(100), (unsigned long long)draw(9));
    assert_true(size > 0 && (size_t)size < sizeof(d->data));
    d->event.key = "order-1";
    d->event.data = d->data;
}

static void assert_same(struct bench *want, struct bench *got, const char *sql, uint64_t seed)
{
    char expected[65536];
    char is[65536];
    base_rows(want->d->driver, want->db, sql, expected, sizeof(expected));
    base_rows(got->d->driver, got->db, sql, is, sizeof(is));
    if (strcmp(expected, is) != 0) {
        fail_msg("seed %llu, %s:\n%s\nis not\n%s", (unsigned long long)seed, sql, is, expected);
    }
}

static void apply_all(struct bench *b, const struct drawn *events, size_t count)
{
    struct base_event list[400];
    for (size_t i = 0; i < count; i++) {
        list[i] = events[i].event;
    }
    if (bench_apply(b, list, count) != ERR_OK) {
        fail_msg("%s", b->ec.text);
    }
}

/* The one that is asked about is applied in pieces of any length, the other event by event. */
TEST_ON_BOTH(merge_makes_what_the_statements_would)
{
    bool on_postgres = server_on_postgres;
    uint64_t seeds = on_postgres ? 3 : 12; /* the third has few keys */
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        static struct drawn events[400];
        struct bench one;
        struct bench many;
        char file[32];
        rng = seed * 7919;
        server_on_postgres = false;
        snprintf(file, sizeof(file), "one%llu.db", (unsigned long long)(seed + 100 * on_postgres));
        bench_init(&one, ledger, file);
        server_on_postgres = on_postgres;
        snprintf(file, sizeof(file), "many%llu.db", (unsigned long long)seed);
        bench_init(&many, ledger, file);
        bench_claim(&one, 1);
        bench_claim(&many, 1);
        uint64_t keys = seed % 3 == 0 ? 6 : 150;
        for (int round = 0; round < 6; round++) {
            size_t count = 1 + (size_t)draw(round % 2 == 0 ? 400 : 40);
            for (size_t i = 0; i < count; i++) {
                draw_event(&events[i], keys, round >= 4);
                apply_all(&one, &events[i], 1);
            }
            apply_all(&many, events, count);
            assert_same(&one, &many,
                        "SELECT id, note, n, r, CASE WHEN ok THEN 'yes' ELSE 'no' END, doc FROM "
                        "rows__v1 ORDER BY id",
                        seed);
            assert_true(round >= 4 || !many.a->careful);
            assert_same(&one, &many, "SELECT * FROM pairs__v1 ORDER BY a, b", seed);
            assert_same(&one, &many, "SELECT record_offset FROM leat_parked ORDER BY 1", seed);
        }
        bench_deinit(&many);
        bench_deinit(&one);
    }
    server_on_postgres = on_postgres;
}

/* One change for each row, however many events there were for it. */
TEST(merge_writes_a_row_once)
{
    struct bench b;
    server_on_postgres = false;
    bench_init(&b, base_orders, "once.db");
    bench_claim(&b, 1);
    struct base_event events[100];
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        events[i] = (struct base_event){"CustomerNamed", "c", "{\"id\":\"c\",\"name\":\"Ada\"}"};
    }
    assert_int_equal(bench_apply(&b, events, ARRAY_LEN(events)), ERR_OK);
    assert_string_equal(bench_rows(&b, "SELECT total_changes()"), "6\n"); /* four are our own */
    assert_string_equal(bench_rows(&b, "SELECT * FROM customers__v1"), "c|Ada\n");
    bench_deinit(&b);
}

static void put_rows(struct bench *b, size_t from, size_t count, const char *type)
{
    static struct drawn events[400];
    for (size_t i = 0; i < count; i++) {
        snprintf(events[i].data, sizeof(events[i].data),
                 "{\"id\":\"k%zu\",\"n\":%zu,\"note\":\"%s\"}", from + i, i, type);
        events[i].event = (struct base_event){type, "order-1", events[i].data};
    }
    apply_all(b, events, count);
}

/* New rows go by COPY until one of them is there already; then that step is done once more, and
 * COPY is not tried again. */
TEST(merge_copies_rows_until_one_is_there)
{
    struct bench b;
    server_on_postgres = true;
    bench_init(&b, ledger, "");
    server_on_postgres = false;
    bench_claim(&b, 1);
    const struct merge_table *rows = &b.a->merge->tables[0];
    put_rows(&b, 0, 300, "Put");
    assert_true(rows->fresh);
    assert_non_null(rows->shapes[0].copy);
    assert_null(rows->shapes[0].many);
    put_rows(&b, 300, 100, "Add");
    assert_true(rows->fresh);
    assert_string_equal(bench_rows(&b, "SELECT COUNT(*), SUM(n) FROM rows__v1"), "400|49800\n");
    put_rows(&b, 399, 20, "Add");
    assert_false(rows->fresh);
    assert_int_equal(b.counts.parked, 0);
    assert_string_equal(bench_rows(&b, "SELECT COUNT(*), SUM(n) FROM rows__v1"), "419|49990\n");
    put_rows(&b, 380, 30, "Change");
    put_rows(&b, 0, 50, "Gone");
    assert_string_equal(bench_rows(&b, "SELECT COUNT(*), SUM(n) FROM rows__v1"), "369|49200\n");
    assert_string_equal(bench_rows(&b, "SELECT note, COUNT(*) FROM rows__v1 GROUP BY 1 ORDER BY 1"),
                        "Add|89\nChange|30\nPut|250\n");
    bench_deinit(&b);
}

/* By COPY, in vain, and then by arrays; whichever allocation fails, nothing of it is there. */
TEST(merge_copes_without_memory_on_postgres)
{
    static struct drawn drawn[20];
    struct base_event events[20];
    struct bench_attempt o = {.next_offset = 20};
    server_on_postgres = true;
    bench_init(&o.b, ledger, "");
    server_on_postgres = false;
    buf_init(&o.bytes, 1u << 20);
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        snprintf(drawn[i].data, sizeof(drawn[i].data), "{\"id\":\"k%zu\",\"n\":1}", i);
        events[i] = (struct base_event){"Add", "order-1", drawn[i].data};
    }
    base_batch(&o.bytes, 0, events, ARRAY_LEN(events));
    assert_int_equal(
        o.b.d->driver->exec(o.b.db, "INSERT INTO rows__v1 (id, n) VALUES ('k7', 100)", &o.b.ec),
        ERR_OK);
    test_each_failing_alloc(bench_attempt, &o);
    assert_string_equal(bench_rows(&o.b, "SELECT COUNT(*), SUM(n) FROM rows__v1"), "20|120\n");
    buf_deinit(&o.bytes);
    bench_deinit(&o.b);
}

/* What is held back has a limit. */
TEST(merge_lets_go_of_rows_when_there_are_many)
{
    struct bench b;
    struct merge *m = NULL;
    bench_init(&b, base_orders, "limit.db");
    assert_int_equal(merge_create(b.d->driver, b.db, b.d, &m, &b.ec), ERR_OK);
    const struct def_op *op = &b.d->rules[0].ops[0]; /* upsert of customers */
    for (int64_t i = 0; i < (int64_t)MERGE_ROWS_MAX + 10; i++) {
        char id[32];
        bool taken = false;
        snprintf(id, sizeof(id), "c%lld", (long long)i);
        const struct mapping_value params[] = {apply_text(str_of(id)), apply_text(STR_LIT("Ada"))};
        assert_int_equal(merge_op(m, op, params, &taken, &b.ec), ERR_OK);
        assert_true(taken);
        assert_true(m->count <= MERGE_ROWS_MAX);
    }
    char is[64];
    base_rows(b.d->driver, b.db, "SELECT COUNT(*) FROM customers__v1", is, sizeof(is));
    assert_string_equal(is, "65536\n");
    merge_drop(m);
    assert_int_equal(merge_flush(m, &b.ec), ERR_OK);
    base_rows(b.d->driver, b.db, "SELECT COUNT(*) FROM customers__v1", is, sizeof(is));
    assert_string_equal(is, "65536\n");
    merge_destroy(m);
    bench_deinit(&b);
}
