/* Reads: from memory and from files, positions, waiting, cancelling, topics that go; look-ups. */
#include "world.h"

#define SECOND 1000000000ull

TEST(a_read_waits_until_there_is_something)
{
    /* Promise: a reader that waits is answered when a record becomes visible, or when its time is
     * over, whichever is first. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    struct reading r;
    world_read(&w, &r, "a", 0, 5 * SECOND);
    world_settle(&w);
    assert_int_equal(r.done, 0);
    assert_int_equal(world_put(&w, "a", 0, "x"), 0);
    assert_int_equal(r.done, 1);
    assert_true(str_eq_z(reading_values(&w, &r), "x"));
    assert_int_equal(r.r.next_offset, 1);
    assert_int_equal(r.r.end_offset, 1);
    assert_true(r.r.batches[0].position > 0);
    assert_int_equal(r.r.batches[0].position, engine_position(w.engine));
    reading_free(&w, &r);

    const uint64_t begun = env_mono_ns(w.env);
    world_read(&w, &r, "a", 1, 5 * SECOND);
    assert_int_equal(r.done, 0);
    uint64_t due = engine_tick(w.engine, env_mono_ns(w.env));
    assert_true(due >= begun + 5 * SECOND && due < begun + 6 * SECOND);
    env_sim_advance_ns(w.env, 6 * SECOND);
    due = engine_tick(w.engine, env_mono_ns(w.env));
    assert_int_equal(r.done, 1);
    assert_int_equal(r.r.err, ERR_OK);
    assert_int_equal(r.r.batch_count, 0);
    assert_int_equal(r.r.next_offset, 1);
    assert_true(due == UINT64_MAX);
    reading_free(&w, &r);
    world_deinit(&w);
}

TEST(a_read_that_was_cancelled_is_never_answered)
{
    /* Promise: after a cancel `done` is not called, whether the read waited or was on a worker. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    struct reading r;
    world_read(&w, &r, "a", 0, 5 * SECOND);
    engine_read_cancel(w.engine, &r.r);
    engine_read_cancel(w.engine, &r.r);
    assert_int_equal(world_put(&w, "a", 0, "x"), 0);
    assert_int_equal(r.done, 0);
    arena_deinit(&r.arena);
    world_reopen(&w, REOPEN_CLEAN);
    world_read(&w, &r, "a", 0, 0);
    assert_int_equal(r.done, 0); /* the file is not open: a worker has it */
    engine_read_cancel(w.engine, &r.r);
    arena_deinit(&r.arena);
    world_settle(&w);
    assert_int_equal(r.done, 0);
    assert_true(str_eq_z(world_get(&w, "a", 0, 0), "x"));
    world_deinit(&w);
}

TEST(a_reader_of_a_topic_that_goes_is_told)
{
    /* Promise: who waits on a topic that is deleted hears of it; a topic made anew is another. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    struct reading r;
    world_read(&w, &r, "a", 0, 5 * SECOND);
    assert_int_equal(world_topic_delete(&w, "a"), ERR_OK);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.r.err, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    reading_free(&w, &r);
    world_read(&w, &r, "a", 0, 5 * SECOND);
    assert_int_equal(r.r.err, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    reading_free(&w, &r);
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    assert_int_equal(world_put(&w, "a", 0, "new"), 0);
    world_read(&w, &r, "a", 7, 0);
    assert_int_equal(r.r.err, ERR_OFFSET_OUT_OF_RANGE);
    reading_free(&w, &r);
    world_deinit(&w);
}

/* Many batches in small segments, and where each of them was committed. */
enum { BATCHES = 300 };
static void fill(struct world *w, uint64_t positions[BATCHES])
{
    assert_int_equal(world_topic(w, "a", 1), ERR_OK);
    assert_int_equal(world_topic(w, "other", 1), ERR_OK);
    struct store_part_config cfg;
    store_part_config_init(&cfg);
    cfg.segment_bytes = 16384;
    cfg.index_interval_bytes = 512;
    store_part_configure(broker_partition(broker_topic(w->broker, STR_LIT("a")), 0)->part, &cfg);
    for (int i = 0; i < BATCHES; i++) {
        char text[300];
        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        assert_int_equal(world_put(w, "a", 0, text), i);
        positions[i] = engine_position(w->engine);
        if (i % 3 == 0) {
            assert_true(world_put(w, "other", 0, "y") >= 0);
        }
        env_sim_advance_ns(w->env, 10000000);
    }
}

static void check_seeks(struct world *w, const uint64_t positions[BATCHES])
{
    for (int i = 0; i < BATCHES; i += 7) {
        assert_int_equal(world_seek(w, "a", positions[i] - 1), i);
        assert_int_equal(world_seek(w, "a", positions[i]), i + 1);
        assert_int_equal(world_seek(w, "a", positions[i] + 1), i + 1);
    }
    assert_int_equal(world_seek(w, "a", 0), 0);
    assert_int_equal(world_seek(w, "a", positions[BATCHES - 1]), BATCHES);
    assert_int_equal(world_seek(w, "a", UINT64_MAX), BATCHES);
}

static void check_positions(struct world *w, const uint64_t positions[BATCHES])
{
    int64_t next = 0;
    while (next < BATCHES) {
        struct reading r;
        world_read(w, &r, "a", next, 0);
        world_settle(w);
        assert_int_equal(r.done, 1);
        assert_int_equal(r.r.err, ERR_OK);
        assert_true(r.r.batch_count > 0);
        for (size_t i = 0; i < r.r.batch_count; i++) {
            assert_int_equal(r.r.batches[i].position, positions[(size_t)next + i]);
        }
        next = r.r.next_offset;
        reading_free(w, &r);
    }
}

static void on_deleted(void *ctx, enum err e, int64_t low)
{
    *(int64_t *)ctx = e == ERR_OK ? low : -1;
}

TEST(positions_are_kept_for_life_and_found_again)
{
    /* Promise: the position of a batch is the same in memory, after it was packed, and after
     * restarts; a look-up finds the first batch above any position. */
    struct world w;
    static uint64_t positions[BATCHES];
    world_init(&w);
    fill(&w, positions);
    check_seeks(&w, positions);
    check_positions(&w, positions);
    world_checkpoint(&w);
    check_seeks(&w, positions);
    check_positions(&w, positions);
    world_reopen(&w, REOPEN_CLEAN);
    check_seeks(&w, positions);
    check_positions(&w, positions);
    world_reopen(&w, REOPEN_POWER_CUT);
    check_positions(&w, positions);
    check_seeks(&w, positions);
    /* What was deleted is not found. */
    struct partition *p = broker_partition(broker_topic(w.broker, STR_LIT("a")), 0);
    struct store_part_info info;
    store_part_info_get(p->part, &info);
    assert_true(info.segment_count > 5);
    int64_t low = -1;
    broker_delete_records(w.broker, p, 150, on_deleted, &low);
    world_settle(&w);
    assert_int_equal(low, 150);
    assert_int_equal(world_seek(&w, "a", 0), 150);
    assert_int_equal(world_seek(&w, "a", positions[149]), 150);
    assert_int_equal(world_seek(&w, "a", positions[150]), 151);
    world_deinit(&w);
}

TEST(look_ups_by_time_give_the_end_if_there_is_nothing)
{
    /* Promise: the first record at or after a moment, else the end. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    const int64_t begun = env_wall_ms(w.env);
    assert_int_equal(world_put(&w, "a", 0, "x"), 0);
    env_sim_advance_ns(w.env, 10 * SECOND);
    assert_int_equal(world_put(&w, "a", 0, "y"), 1);
    assert_int_equal(world_seek_time(&w, "a", begun), 0);
    assert_int_equal(world_seek_time(&w, "a", begun + 5000), 1);
    assert_int_equal(world_seek_time(&w, "a", begun + 60000), 2);
    assert_int_equal(world_seek_time(&w, "none", 0), -1);
    assert_int_equal(w.err, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    world_deinit(&w);
}

static void on_late_seek(struct engine_seek *s)
{
    *(bool *)s->ctx = true;
}

TEST(a_look_up_does_not_pass_over_what_is_appended_meanwhile)
{
    /* Promise: what has a higher position than was asked for is at or behind the answer, also if it
     * became visible while the engine looked. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(world_put(&w, "a", 0, "x"), 2 * i);
        bool done = false;
        struct engine_seek s = {.topic = STR_LIT("a"),
                                .by = i == 2 ? ENGINE_SEEK_TIME : ENGINE_SEEK_POSITION,
                                .position = engine_position(w.engine),
                                .timestamp_ms = env_wall_ms(w.env) + 1000 + 2000 * i,
                                .done = on_late_seek,
                                .ctx = &done};
        const struct engine_record record = {.value = STR_LIT("y"),
                                             .timestamp_ms = env_wall_ms(w.env) + 2000 + 2000 * i};
        struct engine_part part = {.topic = STR_LIT("a"), .records = &record, .count = 1};
        struct appended y = {.a = {.parts = &part, .part_count = 1}};
        world_append(&w, &y);
        engine_seek(w.engine, &s);
        store_kick(w.store, true); /* it is written, and visible */
        assert_int_equal(y.done, 1);
        assert_false(done);
        world_settle(&w);
        assert_true(done);
        assert_int_equal(s.err, ERR_OK);
        assert_int_equal(s.offset, part.base_offset);
    }
    world_deinit(&w);
}
