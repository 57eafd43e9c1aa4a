/* The ready-made definition is one, and its table says what the events say. */
#include "core/compiler.h"

#include "base.h"

TEST(ready_made_event_store_holds_every_event)
{
    struct arena a;
    struct str text;
    struct ectx ec;
    arena_init(&a, 1u << 20);
    struct proj_ready_made r = {.what = STR_LIT("event_store"),
                                .name = STR_LIT("event_store"),
                                .category = STR_LIT("order"),
                                .target = STR_LIT("sqlite:%s")};
    assert_int_equal(proj_ready_made(&r, &a, &text, &ec), ERR_OK);
    struct bench b;
    bench_init(&b, text.p, "ready.db");
    bench_claim(&b, 1);
    const struct base_event events[] = {{"OrderPlaced.v2", "order-1", "{\"n\": 1}"},
                                        {"Note", "order-1", "no json"}};
    assert_int_equal(bench_apply(&b, events, ARRAY_LEN(events)), ERR_OK);
    assert_string_equal(bench_rows(&b, "SELECT * FROM event_store__v1 ORDER BY 2"),
                        "order-1|0|e0|order|OrderPlaced.v2|2|{\"n\": 1}|NULL|"
                        "1970-01-01T00:00:01Z\n"
                        "order-1|1|e1|order|Note|NULL|NULL|NULL|1970-01-01T00:00:01.001Z\n");
    bench_deinit(&b);
    /* A category that YAML would take for something else. */
    r.category = STR_LIT("123");
    assert_int_equal(proj_ready_made(&r, &a, &text, &ec), ERR_OK);
    bench_init(&b, text.p, "numbered.db");
    assert_string_equal(b.d->topics[0].p, "es.123");
    bench_deinit(&b);
    r.what = STR_LIT("snapshot");
    assert_int_equal(proj_ready_made(&r, &a, &text, &ec), ERR_NOT_FOUND);
    r.what = STR_LIT("event_store");
    r.target = STR_LIT("sqlite:x\"\ny: 1");
    assert_int_equal(proj_ready_made(&r, &a, &text, &ec), ERR_INVALID_REQUEST);
    arena_deinit(&a);
}

#define FACT(members) "{\"fact\":" members "}"
#define SNAPSHOT(revision, schema, state) \
    FACT("\"snapshot\",\"revision\":" revision ",\"schema\":\"" schema "\",\"state\":" state)

/* One row for each slot, and none that a later fact has voided. */
TEST(ready_made_snapshots_are_those_that_are_valid)
{
    struct arena a;
    struct str text;
    struct ectx ec;
    arena_init(&a, 1u << 20);
    struct proj_ready_made r = {.what = STR_LIT("snapshots"),
                                .name = STR_LIT("snapshots"),
                                .category = STR_LIT("order"),
                                .target = STR_LIT("sqlite:%s")};
    assert_int_equal(proj_ready_made(&r, &a, &text, &ec), ERR_OK);
    struct bench b;
    bench_init(&b, text.p, "snapshots.db");
    bench_claim(&b, 1);
    static const char all[] =
        "SELECT aggregate_id, snapshot_type, aggregate_version, snapshot_data FROM snapshots__v1 "
        "ORDER BY 1, 2";
    const struct base_event first[] = {
        {"fact", "order-1", SNAPSHOT("3", "Order.v1", "{\"n\":3}")},
        {"fact", "order-1", SNAPSHOT("9", "Order.v1", "{\"n\":9}")},
        {"fact", "order-1", SNAPSHOT("4", "Other", "4")},
        {"fact", "order-2", SNAPSHOT("7", "Order.v1", "{}")},
        {"fact", "order-3", SNAPSHOT("1", "Order.v1", "{}")},
        {"fact", "customer-1", SNAPSHOT("1", "Order.v1", "{}")},
    };
    assert_int_equal(bench_apply(&b, first, ARRAY_LEN(first)), ERR_OK);
    assert_string_equal(bench_rows(&b, all), "order-1|Order.v1|9|{\"n\":9}\norder-1|Other|4|4\n"
                                             "order-2|Order.v1|7|{}\norder-3|Order.v1|1|{}\n");
    const struct base_event then[] = {
        {"fact", "order-1", FACT("\"redaction\",\"revision\":5")}, /* folded into 9, not into 4 */
        {"fact", "order-2",
         FACT("\"state\",\"state\":\"active\",\"truncate_before\":8,\"born\":0")},
        {"fact", "order-3",
         FACT("\"state\",\"state\":\"soft_deleted\",\"truncate_before\":0,\"born\":0")},
    };
    assert_int_equal(bench_apply(&b, then, ARRAY_LEN(then)), ERR_OK);
    assert_int_equal(b.counts.parked, 0);
    assert_string_equal(bench_rows(&b, all), "order-1|Other|4|4\norder-2|Order.v1|7|{}\n");
    const struct base_event beyond[] = {
        {"fact", "order-2",
         FACT("\"state\",\"state\":\"active\",\"truncate_before\":9,\"born\":0")}};
    assert_int_equal(bench_apply(&b, beyond, 1), ERR_OK);
    assert_string_equal(bench_rows(&b, all), "order-1|Other|4|4\n");
    bench_deinit(&b);
    arena_deinit(&a);
}
