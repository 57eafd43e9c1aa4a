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

/* As JSON it is six times as long. */
TEST(a_text_that_is_too_large_for_a_json_column_is_the_event_s_fault)
{
    struct arena a;
    char *text = data_of(11u << 20);
    memset(text, 1, 11u << 20);
    struct mapping_value v = {.kind = MAPPING_TEXT, .text = str_make(text, 11u << 20)};
    arena_init(&a, APPLY_EVENT_BYTES);
    assert_false(json_column_write(&a, &v));
    assert_true(a.over);
    arena_deinit(&a);
    mem_free(text);
}
