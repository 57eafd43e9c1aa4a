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
    r.what = STR_LIT("snap");
    assert_int_equal(proj_ready_made(&r, &a, &text, &ec), ERR_NOT_FOUND);
    r.what = STR_LIT("event_store");
    r.target = STR_LIT("sqlite:x\"\ny: 1");
    assert_int_equal(proj_ready_made(&r, &a, &text, &ec), ERR_INVALID_REQUEST);
    arena_deinit(&a);
}
