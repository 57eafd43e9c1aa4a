/* What is too large is the event's fault, and what is much is done in pieces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "core/compiler.h"
#include "core/mem.h"
#include "proj/apply_int.h"

/* {"x": "aaa..."}, with so many of them. */
static char *data_of(size_t n)
{
    char *data = mem_alloc(n + 16);
    assert_non_null(data);
    memcpy(data, "{\"x\":\"", 6);
    memset(data + 6, 'a', n);
    memcpy(data + 6 + n, "\"}", 3);
    return data;
}

/* An append of more than 1 MiB is none: its event waits with the reason, and others go on. */
TEST(an_action_that_is_too_large_is_parked)
{
    static const char definition[] =
        "projection: large\n"
        "source: { category: order }\n"
        "target: \"sqlite:%s\"\n"
        "tables: { t: { columns: { id: text }, key: id } }\n"
        "maps:\n"
        "  - type: A\n"
        "    upsert: { table: t, key: { id: $key } }\n"
        "    live_only: { name: say, stream: \"'out-1'\", type: \"'Said'\",\n"
        "                 data: { a: /data/x, b: /data/x } }\n";
    struct bench b;
    bench_init(&b, definition, "actions.db");
    bench_claim(&b, 1);
    char *large = data_of(600000);
    const struct base_event events[] = {{"A", "order-1", large}, {"A", "order-2", "{\"x\":1}"}};
    assert_int_equal(bench_apply(&b, events, ARRAY_LEN(events)), ERR_OK);
    assert_string_equal(bench_rows(&b, "SELECT event_key, reason FROM leat_parked"),
                        "order-1|action say: its data is larger than 1048576 bytes\n");
    assert_string_equal(bench_rows(&b, "SELECT id FROM t__v1"), "order-2\n");
    assert_string_equal(bench_rows(&b, "SELECT data FROM leat_action"), "{\"a\":1,\"b\":1}\n");
    mem_free(large);
    bench_deinit(&b);
}

/* As JSON it is two bytes longer, and a text with escapes up to six times as long. */
TEST(a_text_that_is_too_large_for_a_json_column_is_the_event_s_fault)
{
    struct arena a;
    char *text = data_of(APPLY_EVENT_BYTES);
    struct mapping_value v = {.kind = MAPPING_TEXT, .text = str_make(text + 6, APPLY_EVENT_BYTES)};
    arena_init(&a, APPLY_EVENT_BYTES);
    assert_false(json_column_write(&a, &v));
    assert_true(a.over);
    arena_deinit(&a);
    mem_free(text);
}

#define RULE(type)                                                    \
    "projection: large\n"                                             \
    "source: { category: order }\n"                                   \
    "target: \"sqlite:%s\"\n"                                         \
    "tables: { t: { columns: { id: text, n: integer }, key: id } }\n" \
    "maps:\n"                                                         \
    "  - type: " type "\n"                                            \
    "    upsert: { table: t, key: { id: $key }, set: { n: /data/x } }\n"

/* The memory of a transaction is not for what it parks, nor for what it tries again: of a key with
 * more than that, a retry did nothing, not even a skip. */
TEST(a_key_with_much_parked_data_is_tried_again_in_pieces)
{
    enum { COUNT = 60, SIZE = 900000 };
    static const char copy[] =
        "INSERT INTO leat_parked SELECT projection, version, shard, record_offset + i, event_key, "
        "event_id, event_type, reason, data, record, parked_at FROM leat_parked, (WITH RECURSIVE "
        "c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 59) SELECT i FROM c)";
    struct bench b;
    char *large = data_of(SIZE);
    const struct base_event events[] = {{"A", "order-1", large}};
    bench_init(&b, RULE("A"), "parked.db");
    b.a->batch_arena.budget = SIZE;
    bench_claim(&b, 1);
    assert_int_equal(bench_apply(&b, events, 1), ERR_OK);
    assert_int_equal(b.counts.parked, 1);
    assert_int_equal(b.d->driver->exec(b.db, copy, &b.ec), ERR_OK);
    bench_deinit(&b);

    bench_init(&b, RULE("B"), "parked.db"); /* what is no longer wanted is dropped */
    b.a->batch_arena.budget = 20 * SIZE;
    bench_claim(&b, 2);
    bool more = false;
    assert_int_equal(apply_retry(b.a, STR_LIT("order-1"), true, 9, &b.counts, &more, &b.ec),
                     ERR_OK);
    assert_int_equal(b.counts.skipped, 1);
    assert_true(more); /* 64 MiB of it are done */
    assert_int_equal(b.counts.left, 4);
    assert_int_equal(b.counts.parked_now, 4);
    assert_string_equal(bench_rows(&b, "SELECT COUNT(*), MIN(record_offset) FROM leat_parked"),
                        "4|56\n");
    assert_int_equal(apply_retry(b.a, STR_LIT("order-1"), false, 9, &b.counts, &more, &b.ec),
                     ERR_OK);
    assert_false(more);
    assert_int_equal(b.counts.events, 4);
    assert_int_equal(b.counts.left, 0);
    mem_free(large);
    bench_deinit(&b);
}

/* A parked event that cannot be read any more stands in the way of its key: it can be skipped. */
TEST(a_parked_event_that_cannot_be_read_can_be_skipped)
{
    struct bench b;
    const struct base_event events[] = {{"A", "order-1", "{\"x\":\"y\"}"},
                                        {"A", "order-1", "{\"x\":1}"}};
    bool more = false;
    bench_init(&b, RULE("A"), "damaged.db");
    bench_claim(&b, 1);
    assert_int_equal(bench_apply(&b, events, 2), ERR_OK);
    assert_int_equal(
        b.d->driver->exec(b.db, "UPDATE leat_parked SET record = '?' WHERE record_offset = 0",
                          &b.ec),
        ERR_OK);
    assert_int_equal(apply_retry(b.a, STR_LIT("order-1"), false, 9, &b.counts, &more, &b.ec),
                     ERR_DAMAGED);
    assert_int_equal(apply_retry(b.a, STR_LIT("order-1"), true, 9, &b.counts, &more, &b.ec),
                     ERR_OK);
    assert_int_equal(b.counts.left, 0);
    assert_string_equal(bench_rows(&b, "SELECT id, n FROM t__v1"), "order-1|1\n");
    bench_deinit(&b);
}
