/* Events into rows: one transaction, exactly once, keys that are parked and tried again. */
#include "base.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/compiler.h"
#include "proj/apply_int.h"
#include "proj/changes.h"
#include "server.h"

#define PLACED(n, sku)                                                                 \
    "{\"price\":10,\"quantity\":" #n ",\"customer\":\"c1\",\"items\":[{\"sku\":\"" sku \
    "\",\"n\":2},{\"sku\":\"z\",\"n\":1}]}"

TEST(apply_does_what_the_rules_say)
{
    struct bench b;
    bench_init(&b, base_orders, "rules.db");
    bench_claim(&b, 1);
    assert_int_equal(b.next, 0);
    const struct base_event events[] = {
        {"OrderPlaced", "order-1", PLACED(3, "a")},
        {"CustomerNamed", "customer-c1", "{\"id\":\"c1\",\"name\":\"Ada\"}"},
        {"OrderPlaced.v2", "order-2", PLACED(1, "b")},
        {"OrderShipped", "order-1", "{\"fee\":5}"},
        {"OrderPlaced", "order-3", PLACED(1, "a")},
        {"OrderCancelled", "order-3", "{}"},
        {"SomethingElse", "order-9", "not json"},
    };
    assert_int_equal(bench_apply(&b, events, ARRAY_LEN(events)), ERR_OK);
    assert_int_equal(b.counts.events, 7);
    assert_int_equal(b.counts.applied, 6);
    assert_int_equal(b.counts.parked, 0);
    assert_string_equal(bench_rows(&b, "SELECT * FROM orders__v1 ORDER BY id"),
                        "order-1|shipped|35|unknown\norder-2|placed|10|Ada\n");
    assert_string_equal(bench_rows(&b, "SELECT * FROM stock__v1 ORDER BY sku"),
                        "a|4|2\nb|2|1\nz|3|3\n");
    assert_string_equal(
        bench_rows(&b, "SELECT projection, version, shard, owner_epoch, position, live_from, "
                       "last_time_ms FROM leat_checkpoint"),
        "orders|1|es.order/0|1|7|0|1006\n");
    bench_deinit(&b);
}

/* A column of type json says what the value was: a text is not a number, a truth no text. */
TEST_ON_BOTH(a_json_column_keeps_what_the_value_is)
{
    static const char definition[] =
        "projection: kinds\n"
        "source: { category: order }\n"
        "target: \"sqlite:%s\"\n"
        "tables:\n"
        "  kinds: { columns: { id: text, j: json }, key: id }\n"
        "  copies: { columns: { id: text, j: json }, key: id }\n"
        "maps:\n"
        "  - type: Said\n"
        "    upsert: { table: kinds, key: { id: $key }, set: { j: /data/v } }\n"
        "  - type: Copied\n"
        "    lookup: { old: { from: kinds, key: { id: $key }, columns: [ j ] } }\n"
        "    upsert: { table: copies, key: { id: $key }, set: { j: old.j } }\n";
    static const char *const values[] = {"\"12\"", "\"hello\"", "true",       "12",
                                         "1.5",    "null",      "\"null\"",   "{\"a\": [ 1 ]}",
                                         "[]",     "\"{}\"",    "\"a\\\"b\"", "false"};
    static char keys[3 * ARRAY_LEN(values)][8];
    static char data[3 * ARRAY_LEN(values)][64];
    struct base_event events[3 * ARRAY_LEN(values)];
    char sql[400];
    char want[100];
    struct bench b;
    bench_init(&b, definition, "kinds.db");
    bench_claim(&b, 1);
    /* More than are written one by one; then some again, and copies by a look-up. */
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        const size_t n = ARRAY_LEN(values);
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i % n + (i >= 2 * n ? 0 : i / n * n));
        snprintf(data[i], sizeof(data[i]), "{\"v\":%s}", values[i % n]);
        events[i] = (struct base_event){i >= 2 * n ? "Copied" : "Said", keys[i], data[i]};
    }
    const size_t said = 2 * ARRAY_LEN(values);
    assert_int_equal(bench_apply(&b, events, said), ERR_OK);
    assert_int_equal(bench_apply(&b, events + said, ARRAY_LEN(values)), ERR_OK);
    assert_int_equal(bench_apply(&b, events, 3), ERR_OK);
    assert_string_equal(bench_rows(&b, "SELECT event_key, reason FROM leat_parked"), "");
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        const bool is_null = strcmp(values[i % ARRAY_LEN(values)], "null") == 0;
        snprintf(sql, sizeof(sql), "SELECT CAST(j AS TEXT) FROM %s WHERE id = '%s'",
                 i < said ? "kinds__v1" : "copies__v1", keys[i]);
        snprintf(want, sizeof(want), "%s\n", is_null ? "NULL" : values[i % ARRAY_LEN(values)]);
        assert_string_equal(bench_rows(&b, sql), want);
    }
    bench_deinit(&b);
}

/*
 * One rule for both databases: what a column takes, how it is stored, and what is parked. Columns
 * t, n, r and b of a row are text, integer, real and boolean; each is set by an event of its own.
 */
TEST_ON_BOTH(a_column_takes_what_its_type_says)
{
    static const char definition[] =
        "projection: types\n"
        "source: { category: order }\n"
        "target: \"sqlite:%s\"\n"
        "tables:\n"
        "  t: { columns: { id: text, v: text }, key: id }\n"
        "  n: { columns: { id: text, v: integer }, key: id }\n"
        "  r: { columns: { id: text, v: real }, key: id }\n"
        "  b: { columns: { id: text, v: boolean }, key: id }\n"
        "  copies: { columns: { id: text, t: text, b: boolean }, key: id }\n"
        "maps:\n"
        "  - { type: T, upsert: { table: t, key: { id: $key }, set: { v: /data/v } } }\n"
        "  - { type: N, upsert: { table: n, key: { id: $key }, set: { v: /data/v } } }\n"
        "  - { type: R, upsert: { table: r, key: { id: $key }, set: { v: /data/v } } }\n"
        "  - { type: B, upsert: { table: b, key: { id: $key }, set: { v: /data/v } } }\n"
        "  - type: B\n"
        "    lookup: { old: { from: b, key: { id: $key }, columns: [ v ] } }\n"
        "    upsert: { table: copies, key: { id: $key }, set: { t: old.v, b: old.v } }\n";
    static const struct {
        const char *value;
        const char *want[4]; /* in t, n, r, b; NULL: it is parked */
    } rows[] = {
        {"true", {"true", NULL, NULL, "yes"}},
        {"false", {"false", NULL, NULL, "no"}},
        {"1", {"1", "1", "1", "yes"}},
        {"0", {"0", "0", "0", "no"}},
        {"7", {"7", "7", "7", NULL}},
        {"-1", {"-1", "-1", "-1", NULL}},
        {"1.5", {"1.5", NULL, "1.5", NULL}},
        {"3450.0", {"3450", "3450", "3450", NULL}},
        {"\"true\"", {"true", NULL, NULL, "yes"}},
        {"\"t\"", {"t", NULL, NULL, NULL}},
        {"\"12\"", {"12", "12", "12", NULL}},
        {"\" 12\"", {" 12", NULL, NULL, NULL}},
        {"\"1e2\"", {"1e2", NULL, "100", NULL}},
        {"\"NaN\"", {"NaN", NULL, NULL, NULL}},
        {"\"\"", {"", NULL, NULL, NULL}},
        {"\"a\\u0000b\"", {NULL, NULL, NULL, NULL}},
        {"9223372036854775807", {"9223372036854775807", "9223372036854775807", NULL, NULL}},
        {"[1]", {"[1]", NULL, NULL, NULL}},
        {"null", {"-", "-", "-", "-"}},
    };
    static const char *const types[] = {"T", "N", "R", "B"};
    static const char *const shown[] = {"v", "CAST(v AS TEXT)", "CAST(v AS TEXT)",
                                        "CASE WHEN v THEN 'yes' ELSE 'no' END"};
    struct bench b;
    bench_init(&b, definition, "types.db");
    bench_claim(&b, 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < ARRAY_LEN(types); k++) {
            char key[16], data[100], sql[300], want[100];
            snprintf(key, sizeof(key), "%s%zu", types[k], i);
            snprintf(data, sizeof(data), "{\"v\":%s}", rows[i].value);
            const struct base_event events[] = {{types[k], key, data}};
            if (k == 2 && rows[i].want[1] != NULL && strlen(rows[i].want[1]) > 15) {
                continue; /* rounded */
            }
            assert_int_equal(bench_apply(&b, events, 1), ERR_OK);
            snprintf(sql, sizeof(sql),
                     "SELECT COALESCE(%s, '-') FROM %c__v1 WHERE id = '%s' AND v IS NOT NULL "
                     "UNION ALL SELECT '-' FROM %c__v1 WHERE id = '%s' AND v IS NULL",
                     shown[k], "tnrb"[k], key, "tnrb"[k], key);
            snprintf(want, sizeof(want), "%s%s", rows[i].want[k] == NULL ? "" : rows[i].want[k],
                     rows[i].want[k] == NULL ? "" : "\n");
            const char *is = bench_rows(&b, sql);
            if (k == 2 && rows[i].want[k] != NULL && strcmp(want, "-\n") != 0) {
                assert_true(strtod(is, NULL) == strtod(want, NULL)); /* 12.0 in SQLite */
            } else if (strcmp(is, want) != 0) {
                fail_msg("%s in %s is %s, not %s", rows[i].value, types[k], is, want);
            }
            snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM leat_parked WHERE event_key = '%s'",
                     key);
            assert_string_equal(bench_rows(&b, sql), rows[i].want[k] == NULL ? "1\n" : "0\n");
        }
    }
    /* What was looked up is what it was: a truth, not a number. */
    assert_string_equal(bench_rows(&b, "SELECT id, t, CASE WHEN b THEN 'yes' ELSE 'no' END FROM "
                                       "copies__v1 WHERE id IN ('B0', 'B1', 'B2') ORDER BY id"),
                        "B0|true|yes\nB1|false|no\nB2|true|yes\n");
    assert_string_equal(bench_rows(&b, "SELECT reason FROM leat_parked WHERE event_key = 'B4'"),
                        "upsert of b: column 'v' takes true and false, not this number\n");
    /* Nor does SQL of one's own put there what a filter would not find. */
    assert_true(b.d->driver->exec(b.db, "UPDATE b__v1 SET v = 7", &b.ec) != ERR_OK);
    bench_deinit(&b);
}

/* What is looked up in another projection's view is what it was, too: in a column of type json a
 * text is JSON, in a column of type text it is a text, whatever it looks like. */
TEST_ON_BOTH(a_json_column_of_another_projection_keeps_what_the_value_is)
{
    static const char others[] =
        "projection: others\n"
        "source: { category: order }\n"
        "target: \"sqlite:%s\"\n"
        "tables: { kinds: { columns: { id: text, t: text, a: json, j: json }, key: id } }\n"
        "maps:\n"
        "  - type: Said\n"
        "    upsert: { table: kinds, key: { id: $key }, set: { t: /data/t, j: /data/v } }\n";
    static const char ours[] =
        "projection: ours\n"
        "source: { category: order }\n"
        "target: \"%.*s\"\n"
        "tables: { copies: { columns: { id: text, t: text, tj: json, j: json }, key: id } }\n"
        "maps:\n"
        "  - type: Copied\n"
        "    lookup: { old: { from: kinds, key: { id: $key }, columns: [ t, j ] } }\n"
        "    upsert: { table: copies, key: { id: $key }, set: { t: old.t, tj: old.t, j: old.j } "
        "}\n";
    static const char *const values[] = {"\"hello\"", "\"12\"",    "12",        "true",
                                         "\"{}\"",    "{\"a\":1}", "\"a\\\"b\""};
    struct bench b;
    struct bench other;
    char text[2048];
    char sql[200];
    char want[100];
    bench_init(&other, others, "shared.db");
    snprintf(sql, sizeof(sql), "CREATE VIEW kinds AS SELECT * FROM kinds__v1");
    assert_int_equal(other.d->driver->exec(other.db, sql, &other.ec), ERR_OK);
    snprintf(text, sizeof(text), ours, STR(other.d->target));
    bench_init_text(&b, text);
    assert_int_equal(b.d->driver->exec(b.db,
                                       "UPDATE leat_projection SET served = 1 WHERE projection = "
                                       "'others'",
                                       &b.ec),
                     ERR_OK);
    bench_claim(&other, 1);
    bench_claim(&b, 1);
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        char key[8];
        char data[100];
        snprintf(key, sizeof(key), "k%zu", i);
        snprintf(data, sizeof(data), "{\"t\":\"[1]\",\"v\":%s}", values[i]);
        const struct base_event said[] = {{"Said", key, data}};
        const struct base_event copied[] = {{"Copied", key, "{}"}};
        assert_int_equal(bench_apply(&other, said, 1), ERR_OK);
        assert_int_equal(bench_apply(&b, copied, 1), ERR_OK);
        snprintf(sql, sizeof(sql),
                 "SELECT t, CAST(tj AS TEXT), CAST(j AS TEXT) FROM copies__v1 WHERE id = '%s'",
                 key);
        snprintf(want, sizeof(want), "[1]|\"[1]\"|%s\n", values[i]);
        assert_string_equal(bench_rows(&b, sql), want);
    }
    bench_deinit(&b);
    bench_deinit(&other);
}

/* A truth of another projection's view is one in both databases; in a list of columns that an
 * earlier build has written it is the number that SQLite has for it, until that version is open. */
TEST_ON_BOTH(a_boolean_of_another_projection_is_a_truth)
{
    static const char others[] =
        "projection: others\n"
        "source: { category: order }\n"
        "target: \"sqlite:%s\"\n"
        "tables: { people: { columns: { id: text, n: integer, j: json, vip: boolean }, key: id } "
        "}\n"
        "maps:\n"
        "  - type: Said\n"
        "    upsert: { table: people, key: { id: $key }, set: { n: 1, j: 1, vip: /data/vip } }\n";
    static const char ours[] =
        "projection: ours\n"
        "source: { category: order }\n"
        "target: \"%.*s\"\n"
        "tables: { copies: { columns: { id: text, said: text, n: text }, key: id } }\n"
        "maps:\n"
        "  - type: Copied\n"
        "    lookup: { p: { from: people, key: { id: $key }, columns: [ vip, n ] } }\n"
        "    when: p.vip\n"
        "    upsert: { table: copies, key: { id: $key }, set: { said: p.vip, n: p.n } }\n";
    struct bench b;
    struct bench other;
    char text[2048];
    bench_init(&other, others, "truths.db");
    assert_int_equal(other.d->driver->exec(
                         other.db, "CREATE VIEW people AS SELECT * FROM people__v1", &other.ec),
                     ERR_OK);
    snprintf(text, sizeof(text), ours, STR(other.d->target));
    bench_init_text(&b, text);
    static const char serve[] = "UPDATE leat_projection SET served = 1";
    assert_int_equal(b.d->driver->exec(b.db, serve, &b.ec), ERR_OK);
    bench_claim(&other, 1);
    bench_claim(&b, 1);
    const struct base_event said[] = {
        {"Said", "a", "{\"vip\":true}"}, {"Said", "b", "{\"vip\":false}"}, {"Said", "c", "{}"}};
    const struct base_event copied[] = {{"Copied", "a", "{}"}, {"Copied", "b", "{}"}};
    assert_int_equal(bench_apply(&other, said, 3), ERR_OK);
    assert_int_equal(bench_apply(&b, copied, 2), ERR_OK);
    assert_string_equal(bench_rows(&b, "SELECT event_key, reason FROM leat_parked"), "");
    assert_string_equal(bench_rows(&b, "SELECT id, said, n FROM copies__v1"), "a|true|1\n");
    if (!server_on_postgres) {
        static const char earlier[] = "UPDATE leat_version SET tables = 'people:j' "
                                      "WHERE projection = 'others'";
        assert_int_equal(b.d->driver->exec(b.db, earlier, &b.ec), ERR_OK);
        assert_int_equal(bench_apply(&b, copied, 1), ERR_OK);
        assert_string_equal(bench_rows(&b, "SELECT COUNT(*) FROM leat_parked"), "1\n");
        assert_int_equal(apply_setup(other.d->driver, other.db, other.d, 1, &other.ec), ERR_OK);
        assert_string_equal(
            bench_rows(&b, "SELECT tables FROM leat_version WHERE projection = 'others'"),
            "people:j:?vip\n");
    }
    bench_deinit(&b);
    bench_deinit(&other);
}

/* A former owner changes nothing: neither by its epoch nor by a position that is no longer so. */
TEST(apply_refuses_a_former_owner)
{
    struct bench b;
    struct bench other;
    bench_init(&b, base_orders, "fence.db");
    bench_init(&other, base_orders, "fence.db");
    bench_claim(&b, 3);
    const struct base_event one[] = {{"OrderPlaced", "order-1", PLACED(1, "a")}};
    assert_int_equal(bench_apply(&b, one, 1), ERR_OK);
    bench_claim(&other, 4);
    assert_int_equal(other.next, 1);
    assert_int_equal(bench_apply(&b, one, 1), ERR_FENCED);
    assert_int_equal(bench_apply(&other, one, 1), ERR_OK);
    assert_string_equal(bench_rows(&b, "SELECT sold FROM stock__v1 WHERE sku = 'a'"), "4\n");
    struct apply_claim late = {.shard = STR_LIT("es.order/0"), .epoch = 3};
    assert_int_equal(apply_claim(b.a, &late, &b.ec), ERR_FENCED);
    /* The same owner, but a transaction that was done already. */
    other.next = 1;
    assert_int_equal(bench_apply(&other, one, 1), ERR_FENCED);
    assert_string_equal(bench_rows(&b, "SELECT sold FROM stock__v1 WHERE sku = 'a'"), "4\n");
    bench_deinit(&other);
    bench_deinit(&b);
}

/* A claim that insists gets the epoch after the target's, and so fences whoever had that. */
TEST(apply_tops_a_later_epoch_when_the_claim_insists)
{
    struct bench b;
    struct bench other;
    bench_init(&b, base_orders, "insist.db");
    bench_init(&other, base_orders, "insist.db");
    bench_claim(&b, 7);
    const struct base_event one[] = {{"OrderPlaced", "order-1", PLACED(1, "a")}};
    assert_int_equal(bench_apply(&b, one, 1), ERR_OK);
    struct apply_claim c = {.shard = STR_LIT("es.order/0"), .epoch = 1, .now_ms = 1};
    assert_int_equal(apply_claim(other.a, &c, &other.ec), ERR_FENCED);
    c.force = true;
    assert_int_equal(apply_claim(other.a, &c, &other.ec), ERR_OK);
    assert_int_equal(c.epoch, 8);
    assert_int_equal(c.next_offset, 1);
    assert_int_equal(bench_apply(&b, one, 1), ERR_FENCED);
    other.epoch = c.epoch;
    other.next = c.next_offset;
    assert_int_equal(bench_apply(&other, one, 1), ERR_OK);
    assert_string_equal(bench_rows(&b, "SELECT sold FROM stock__v1 WHERE sku = 'a'"), "4\n");
    bench_deinit(&other);
    bench_deinit(&b);
}

/* A topic that was deleted and made again has other events at the same offsets. */
TEST(apply_refuses_another_topic_of_the_same_name)
{
    struct bench b;
    bench_init(&b, base_orders, "topic.db");
    bench_claim(&b, 1);
    struct apply_claim c = {.shard = STR_LIT("es.order/0"), .epoch = 2, .topic_id = {{7}}};
    assert_int_equal(apply_claim(b.a, &c, &b.ec), ERR_EXISTS);
    assert_non_null(strstr(b.ec.text, "another topic"));
    bench_deinit(&b);
}

static const struct target_driver *counted;
static size_t queries;
static enum err count_query(struct target_stmt *s, const struct mapping_value *params, size_t count,
                            target_row_fn row, void *ctx, struct ectx *ec)
{
    queries++;
    return counted->query(s, params, count, row, ctx, ec);
}

/* A claim asks for the parked keys of its own shard, however many others are on the connection; and
 * what is known of it already does not count twice. */
TEST_ON_BOTH(apply_claims_ask_for_their_own_parked_keys)
{
    enum { SHARDS = 40 };
    struct bench b;
    struct apply *a = NULL;
    struct target_driver driver;
    char name[32];
    size_t first = 0;
    bench_init(&b, base_orders, "claims.db");
    bench_claim(&b, 1);
    const struct base_event bad[] = {{"OrderPlaced", "order-1", "{\"price\":1}"},
                                     {"OrderPlaced", "order-1", "{}"},
                                     {"OrderPlaced", "order-2", "{\"price\":1}"}};
    assert_int_equal(bench_apply(&b, bad, 3), ERR_OK);
    assert_int_equal(b.counts.parked_now, 3);
    bench_claim(&b, 2);
    const struct base_event one[] = {{"OrderPlaced", "order-1", PLACED(1, "a")}};
    assert_int_equal(bench_apply(&b, one, 1), ERR_OK);
    assert_int_equal(b.counts.parked_now, 4); /* its key is known, and known once */

    counted = b.d->driver;
    driver = *counted;
    driver.query = count_query;
    assert_int_equal(apply_create(&driver, b.db, b.d, &a, &b.ec), ERR_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < SHARDS; i++) {
            (void)snprintf(name, sizeof(name), "es.order/%d", i);
            struct apply_claim c = {.shard = str_of(name), .epoch = 3};
            queries = 0;
            assert_int_equal(apply_claim(a, &c, &b.ec), ERR_OK);
            first = first == 0 ? queries : first;
            assert_int_equal(queries, first);
            assert_int_equal(c.parked_now, 4);
        }
    }
    /* A claim that is refused leaves what is known. */
    struct apply_claim late = {.shard = STR_LIT("es.order/1"), .epoch = 2};
    assert_int_equal(apply_claim(a, &late, &b.ec), ERR_FENCED);
    struct apply_claim again = {.shard = STR_LIT("es.order/1"), .epoch = 4};
    queries = 0;
    assert_int_equal(apply_claim(a, &again, &b.ec), ERR_OK);
    assert_int_equal(queries, first);
    assert_int_equal(again.parked_now, 4);
    apply_destroy(a);
    bench_deinit(&b);
}

/* What cannot be applied waits with its reason, and so does all of its key; the rest goes on. */
TEST(apply_parks_a_key_and_tries_it_again_in_order)
{
    struct bench b;
    bench_init(&b, base_orders, "park.db");
    bench_claim(&b, 1);
    const struct base_event events[] = {
        {"OrderPlaced", "order-1", PLACED(1, "a")},
        {"OrderPlaced", "order-2", "{\"price\":\"ten\",\"quantity\":1}"},
        {"OrderShipped", "order-2", "{}"},
        {"OrderShipped", "order-1", "{}"},
        {"OrderPlaced", "order-3",
         "{\"price\":1,\"quantity\":1,\"customer\":\"c1\",\"items\":[{\"sku\":\"q\",\"n\":1},{"
         "\"sku\":\"q\",\"n\":\"x\"}]}"},
    };
    assert_int_equal(bench_apply(&b, events, ARRAY_LEN(events)), ERR_OK);
    assert_int_equal(b.counts.parked, 3);
    assert_string_equal(bench_rows(&b, "SELECT record_offset, event_key, event_id, event_type, "
                                       "reason FROM leat_parked ORDER BY 1"),
                        "1|order-2|e1|OrderPlaced|upsert of orders: /data/price is text, and a "
                        "number is needed\n"
                        "2|order-2|e2|OrderShipped|an earlier event of this key is parked\n"
                        "4|order-3|e4|OrderPlaced|increment of stock: column 'sold' takes whole "
                        "numbers of 64 bits, not this text\n");
    /* Of order-3 nothing was done, not even the first of its statements. */
    assert_string_equal(bench_rows(&b, "SELECT id, status FROM orders__v1"), "order-1|shipped\n");
    assert_string_equal(bench_rows(&b, "SELECT sku FROM stock__v1 ORDER BY 1"), "a\nz\n");
    assert_int_equal(b.next, 5);

    bool more = false;
    assert_int_equal(apply_retry(b.a, STR_LIT("order-2"), false, 9, &b.counts, &more, &b.ec),
                     ERR_OK);
    assert_int_equal(b.counts.parked, 1); /* still: nothing has changed */
    assert_int_equal(b.counts.parked_now, 3);
    /* The first one is given up; the next is applied. */
    assert_int_equal(apply_retry(b.a, STR_LIT("order-2"), true, 9, &b.counts, &more, &b.ec),
                     ERR_OK);
    assert_int_equal(b.counts.skipped, 1);
    assert_int_equal(b.counts.parked_now, 1);
    assert_int_equal(apply_retry(b.a, STR_LIT("order-2"), false, 9, &b.counts, &more, &b.ec),
                     ERR_NOT_FOUND);
    const struct base_event later[] = {{"OrderPlaced", "order-2", PLACED(2, "b")},
                                       {"OrderShipped", "order-3", "{}"}};
    assert_int_equal(bench_apply(&b, later, 2), ERR_OK);
    assert_int_equal(b.counts.parked, 1); /* order-3 is still parked */
    assert_string_equal(bench_rows(&b, "SELECT id, status FROM orders__v1 ORDER BY 1"),
                        "order-1|shipped\norder-2|placed\n");
    bench_deinit(&b);
}

/* What is told of a row says which event of its batch it was, also when that one was parked. */
TEST(apply_notes_the_place_of_an_event_in_its_batch)
{
    struct bench b;
    struct changes noted;
    bench_init(&b, base_orders, "place.db");
    bench_claim(&b, 1);
    changes_init(&noted);
    apply_watch(b.a, &noted);
    const struct base_event events[] = {
        {"CustomerNamed", "customer-c1", "{\"id\":\"c1\",\"name\":\"Ada\"}"},
        {"OrderPlaced", "order-1", "{\"price\":1}"},
        {"CustomerNamed", "customer-c2", "{\"id\":\"c2\",\"name\":\"Bob\"}"},
        {"OrderShipped", "order-1", "{}"},
    };
    assert_int_equal(bench_apply(&b, events, ARRAY_LEN(events)), ERR_OK);
    assert_int_equal(noted.count, 2);
    assert_int_equal(noted.list[0].index, 0);
    assert_int_equal(noted.list[1].index, 2);
    bool more = false;
    assert_int_equal(apply_retry(b.a, STR_LIT("order-1"), true, 9, &b.counts, &more, &b.ec),
                     ERR_OK);
    assert_int_equal(noted.count, 1);
    assert_int_equal(noted.list[0].index, 3);
    apply_watch(b.a, NULL);
    changes_deinit(&noted);
    bench_deinit(&b);
}

/* Another process knows what is parked. */
TEST(apply_knows_parked_keys_after_a_restart)
{
    struct bench b;
    bench_init(&b, base_orders, "again.db");
    bench_claim(&b, 1);
    const struct base_event bad[] = {{"OrderPlaced", "order-2", "{\"price\":1}"}};
    assert_int_equal(bench_apply(&b, bad, 1), ERR_OK);
    bench_deinit(&b);
    bench_init(&b, base_orders, "again.db");
    bench_claim(&b, 2);
    assert_int_equal(b.next, 1);
    const struct base_event next[] = {{"OrderShipped", "order-2", "{}"}};
    assert_int_equal(bench_apply(&b, next, 1), ERR_OK);
    assert_int_equal(b.counts.parked, 1);
    assert_int_equal(b.counts.parked_now, 2);
    bench_deinit(&b);
}

/* on_error: stop. What stands before the event is applied, it and what follows is not. */
TEST(apply_stops_at_the_event_at_fault)
{
    char text[8192];
    const char *key = strstr(base_orders, "\"key\":\"$key\"");
    snprintf(text, sizeof(text), "%.*s\"on_error\":\"stop\",%s", (int)(key - base_orders),
             base_orders, key);
    struct bench b;
    bench_init(&b, text, "stop.db");
    bench_claim(&b, 1);
    const struct base_event events[] = {{"OrderPlaced", "order-1", PLACED(1, "a")},
                                        {"OrderPlaced", "order-2", "{\"price\":1}"},
                                        {"OrderPlaced", "order-3", PLACED(1, "a")}};
    assert_int_equal(bench_apply(&b, events, 3), ERR_OK);
    assert_int_equal(b.next, 1);
    assert_non_null(strstr(b.counts.reason, "/data/quantity is not there"));
    assert_string_equal(bench_rows(&b, "SELECT id FROM orders__v1"), "order-1\n");
    assert_string_equal(bench_rows(&b, "SELECT COUNT(*) FROM leat_parked"), "0\n");
    bench_deinit(&b);
}

/* on_error: skip. The event is counted and has neither rows nor action, those around it have both;
 * whether it fails before anything of it was done, or after that. */
TEST_ON_BOTH(apply_skips_the_event_at_fault)
{
    static const char head[] = "projection: skips\n"
                               "source: { category: order }\n"
                               "target: \"sqlite:%s\"\n"
                               "on_error: skip\n"
                               "tables: { sums: { columns: { id: text, n: integer }, key: id } }\n"
                               "maps:\n";
    static const char map[] =
        "  - type: Added\n"
        "    increment: { table: sums, key: { id: $key }, by: { n: /data/n } }\n";
    static const char seen[] = /* before it fails, a row and an action are written */
        "  - type: Added\n"
        "    increment: { table: sums, key: { id: \"'seen'\" }, by: { n: 1 } }\n"
        "    live_only: { name: say, stream: \"'said-1'\", type: \"'Said'\" }\n";
    const struct base_event events[] = {
        {"Added", "a", "{\"n\":1}"}, {"Added", "b", "{\"n\":\"x\"}"}, {"Added", "c", "{\"n\":3}"}};
    for (int late = 0; late < 2; late++) {
        char text[2048];
        struct bench b;
        snprintf(text, sizeof(text), "%s%s%s", head, late ? seen : "", map);
        bench_init(&b, text, late ? "skip_late.db" : "skip.db");
        bench_claim(&b, 1);
        assert_int_equal(bench_apply(&b, events, 3), ERR_OK);
        assert_int_equal(b.a->careful, late); /* else merged */
        assert_int_equal(b.next, 3);
        assert_int_equal(b.counts.events, 3);
        assert_int_equal(b.counts.applied, 2);
        assert_int_equal(b.counts.skipped, 1);
        assert_int_equal(b.counts.parked, 0);
        assert_non_null(strstr(b.counts.reason, "increment of sums"));
        assert_string_equal(bench_rows(&b, "SELECT id, n FROM sums__v1 ORDER BY id"),
                            late ? "a|1\nc|3\nseen|2\n" : "a|1\nc|3\n");
        assert_string_equal(bench_rows(&b, "SELECT record_offset FROM leat_action ORDER BY 1"),
                            late ? "0\n2\n" : "");
        assert_string_equal(bench_rows(&b, "SELECT position FROM leat_checkpoint"), "3\n");
        assert_string_equal(bench_rows(&b, "SELECT COUNT(*) FROM leat_parked"), "0\n");
        /* Nor does anything of its key wait. */
        const struct base_event later[] = {{"Added", "b", "{\"n\":2}"}};
        assert_int_equal(bench_apply(&b, later, 1), ERR_OK);
        assert_int_equal(b.counts.skipped, 0);
        assert_string_equal(bench_rows(&b, "SELECT n FROM sums__v1 WHERE id = 'b'"), "2\n");
        bench_deinit(&b);
    }
}

/* Whatever fails, nothing of the transaction is there, and it can be done later. */
TEST(apply_copes_without_memory)
{
    struct bench_attempt o = {.next_offset = 2};
    bench_init(&o.b, base_orders, "oom.db");
    buf_init(&o.bytes, 1u << 20);
    const struct base_event events[] = {{"OrderPlaced", "order-1", PLACED(1, "a")},
                                        {"OrderPlaced", "order-2", "{\"price\":1}"}};
    base_batch(&o.bytes, 0, events, 2);
    test_each_failing_alloc(bench_attempt, &o);
    assert_string_equal(bench_rows(&o.b, "SELECT sold FROM stock__v1 WHERE sku = 'a'"), "2\n");
    assert_string_equal(bench_rows(&o.b, "SELECT COUNT(*) FROM leat_parked"), "1\n");
    buf_deinit(&o.bytes);
    bench_deinit(&o.b);
}

TEST(sqlite_that_takes_long_is_broken_off)
{
    char where[600];
    snprintf(where, sizeof(where), "%s/long.db", test_dir());
    base_interrupt(&target_sqlite, where,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                   "2000000000) SELECT max(i) FROM n",
                   ERR_REQUEST_TIMED_OUT);
}
