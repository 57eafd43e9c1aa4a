/* Appends: several partitions in one frame, positions, limits, and what a restart finds. */
#include "world.h"

static struct engine_record value(const char *s)
{
    return (struct engine_record){.key = STR_LIT("k"), .value = str_of(s), .timestamp_ms = -1};
}

TEST(an_append_reaches_all_its_partitions_with_ascending_positions)
{
    /* Promise: one append is there in every partition, offsets are known when the call returns, and
     * commit positions ascend over all partitions. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 2), ERR_OK);
    assert_int_equal(world_topic(&w, "b", 1), ERR_OK);
    const struct engine_record records[] = {value("one"), value("two")};
    uint64_t before = engine_position(w.engine);
    for (int i = 0; i < 3; i++) {
        struct engine_part parts[] = {
            {.topic = STR_LIT("a"), .partition = 1, .records = records, .count = 2},
            {.topic = STR_LIT("b"), .records = records, .count = 1}};
        struct appended out = {.a = {.parts = parts, .part_count = 2}};
        world_append(&w, &out);
        assert_int_equal(parts[0].base_offset, 2 * i);
        assert_int_equal(parts[1].base_offset, i);
        assert_int_equal(out.done, 0);
        assert_int_equal(engine_position(w.engine), before);
        world_settle(&w);
        assert_int_equal(out.done, 1);
        assert_int_equal(out.a.err, ERR_OK);
        assert_true(parts[0].position > before);
        assert_true(parts[1].position > parts[0].position);
        assert_int_equal(out.a.position, parts[1].position);
        assert_int_equal(engine_position(w.engine), parts[1].position);
        before = parts[1].position;
    }
    assert_true(str_eq_z(world_get(&w, "a", 1, 0), "one,two,one,two,one,two"));
    assert_true(str_eq_z(world_get(&w, "a", 1, 3), "two,one,two"));
    assert_true(str_eq_z(world_get(&w, "a", 0, 0), ""));
    assert_true(str_eq_z(world_get(&w, "b", 0, 0), "one,one,one"));
    world_reopen(&w, REOPEN_POWER_CUT);
    assert_true(str_eq_z(world_get(&w, "a", 1, 0), "one,two,one,two,one,two"));
    assert_true(engine_position(w.engine) >= before);
    world_deinit(&w);
}

TEST(an_append_that_cannot_be_made_changes_nothing)
{
    /* Promise: an error is told before the call returns, and then no partition has changed. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    assert_int_equal(world_topic(&w, "small", 1), ERR_OK);
    assert_int_equal(world_set(&w, "small", "max.message.bytes", "100"), ERR_OK);
    const struct engine_record short_one = value("x");
    const struct engine_record long_one = value("0123456789012345678901234567890123456789");
    static const struct {
        const char *topic;
        int32_t partition;
        size_t count;
        enum err err;
        const char *says;
    } bad[] = {
        {"none", 0, 1, ERR_UNKNOWN_TOPIC_OR_PARTITION, "there is no topic 'none'"},
        {"small", 1, 1, ERR_UNKNOWN_TOPIC_OR_PARTITION, "no partition 1"},
        {"small", 0, 1, ERR_MESSAGE_TOO_LARGE, "max.message.bytes=100"},
        {"small", 0, 0, ERR_INVALID_REQUEST, "without records"},
        {"a", 0, 1, ERR_INVALID_REQUEST, "twice"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct engine_part parts[] = {{.topic = STR_LIT("a"), .records = &short_one, .count = 1},
                                      {.topic = str_of(bad[i].topic),
                                       .partition = bad[i].partition,
                                       .records = &long_one,
                                       .count = bad[i].count}};
        struct appended out = {.a = {.parts = parts, .part_count = 2}};
        world_append(&w, &out);
        assert_int_equal(out.done, 1);
        assert_int_equal(out.a.err, bad[i].err);
        if (strstr(out.a.ec.text, bad[i].says) == NULL) {
            fail_msg("%zu: '%s' does not say '%s'", i, out.a.ec.text, bad[i].says);
        }
    }
    world_settle(&w);
    assert_true(str_eq_z(world_get(&w, "a", 0, 0), ""));
    assert_int_equal(world_put(&w, "a", 0, "first"), 0);
    world_deinit(&w);
}

struct room {
    struct engine_room_watch watch;
    int told;
};

static void on_room(struct engine_room_watch *w)
{
    CONTAINER_OF(w, struct room, watch)->told++;
}

TEST(an_append_without_room_in_the_log_does_nothing_and_room_is_told)
{
    /* Promise: a full log answers ERR_AGAIN within the call and nothing has happened; whoever asked
     * is told once when there is room again. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    assert_int_equal(world_set(&w, "a", "max.message.bytes", "1000000"), ERR_OK);
    char *text = mem_alloc(50000);
    assert_non_null(text);
    memset(text, 'x', 50000);
    const struct engine_record record = {.value = str_make(text, 50000), .timestamp_ms = -1};
    static struct appended out[400];
    static struct engine_part parts[400];
    int n = 0;
    do {
        parts[n] = (struct engine_part){.topic = STR_LIT("a"), .records = &record, .count = 1};
        out[n] = (struct appended){.a = {.parts = &parts[n], .part_count = 1}};
        world_append(&w, &out[n]);
        n++;
    } while (n < 400 && out[n - 1].done == 0);
    if (n < 3 || n == 400) {
        fail_msg("after %d: %s", n, out[n - 1].a.ec.text);
    }
    assert_int_equal(out[n - 1].a.err, ERR_AGAIN);
    assert_false(engine_append_ready(w.engine));
    struct room room = {.watch = {.room = on_room}};
    engine_room_watch(w.engine, &room.watch);
    for (int i = 0; i < 50 && room.told == 0; i++) {
        store_tick(w.store);
        world_settle(&w);
        env_sim_advance_ns(w.env, 200000000);
    }
    assert_int_equal(room.told, 1);
    int64_t start, end;
    assert_int_equal(engine_bounds(w.engine, STR_LIT("a"), 0, &start, &end), ERR_OK);
    assert_int_equal(end, n - 1);
    assert_int_equal(world_put(&w, "a", 0, "next"), n - 1);
    world_settle(&w);
    assert_int_equal(room.told, 1);
    mem_free(text);
    world_deinit(&w);
}
