/* Every allocation of every call fails once: an error and nothing done, or it was coped with; and
 * topics that somebody else is changing at the same time. */
#include "world.h"

static bool is_memory(enum err e)
{
    return e == ERR_OK || e == ERR_NO_MEMORY || e == ERR_LIMIT;
}

TEST(an_append_without_memory_does_nothing)
{
    /* Promise: with any allocation failing an append with inputs is there as a whole or not at all,
     * and the next one goes on. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 2), ERR_OK);
    assert_int_equal(world_topic(&w, "b", 1), ERR_OK);
    struct engine_member *member = world_join(&w, "g", "a");
    int64_t appended = 0;
    for (uint64_t n = 1;; n++) {
        const struct engine_record record = {.value = STR_LIT("x"), .timestamp_ms = -1};
        struct engine_part parts[] = {
            {.topic = STR_LIT("a"), .partition = 1, .records = &record, .count = 1},
            {.topic = STR_LIT("b"), .records = &record, .count = 1}};
        const struct engine_input input = {STR_LIT("a"), 0, (int64_t)n};
        struct appended out = {.a = {.parts = parts,
                                     .part_count = 2,
                                     .member = member,
                                     .inputs = &input,
                                     .input_count = 1}};
        test_fail_alloc(n);
        world_append(&w, &out);
        const bool reached = test_fail_alloc_end();
        world_settle(&w);
        assert_int_equal(out.done, 1);
        assert_true(is_memory(out.a.err));
        appended += out.a.err == ERR_OK ? 1 : 0;
        int64_t start, end;
        assert_int_equal(engine_bounds(w.engine, STR_LIT("a"), 1, &start, &end), ERR_OK);
        assert_int_equal(end, appended);
        assert_int_equal(engine_bounds(w.engine, STR_LIT("b"), 0, &start, &end), ERR_OK);
        assert_int_equal(end, appended);
        struct groups_offset o;
        if (out.a.err == ERR_OK) {
            assert_true(groups_offset_get(w.groups, STR_LIT("g"), STR_LIT("a"), 0, &o));
            assert_int_equal(o.offset, n);
        }
        if (!reached) {
            assert_int_equal(out.a.err, ERR_OK);
            break;
        }
    }
    engine_leave(w.engine, member);
    world_deinit(&w);
}

/* The log alone goes on: nothing that a tick would do happens. */
static void run_log(struct world *w, int turns)
{
    for (int i = 0; i < turns; i++) {
        store_kick(w->store, true);
        (void)env_poll_run(w->poll, 0);
    }
}

static void begin_input(struct world *w, struct engine_member *member, struct engine_input *in,
                        struct appended *out, int64_t next)
{
    *in = (struct engine_input){STR_LIT("a"), 0, next};
    *out = (struct appended){.a = {.member = member, .inputs = in, .input_count = 1}};
    world_append(w, out);
}

TEST(positions_that_could_not_be_applied_are_not_lost)
{
    /* Promise: a durable append whose positions find no memory keeps them: they are applied later
     * and in order, and no image is made without them. */
    for (int how = 0; how < 3; how++) {
        struct world w;
        struct appended out[2];
        struct engine_input inputs[2];
        struct groups_offset o;
        world_init(&w);
        assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
        struct engine_member *member = world_join(&w, "g", "a");
        begin_input(&w, member, &inputs[0], &out[0], 10);
        test_fail_all_allocs(true);
        run_log(&w, 5);
        test_fail_all_allocs(false);
        assert_int_equal(out[0].done, 1);
        assert_false(groups_offset_get(w.groups, STR_LIT("g"), STR_LIT("a"), 0, &o));
        if (how == 0) { /* an image before anything else */
            struct store_stats st;
            store_stats_get(w.store, &st);
            const uint64_t before = st.checkpoints;
            store_checkpoint_request(w.store);
            for (int i = 0; i < 100 && st.checkpoints == before; i++) {
                store_tick(w.store);
                run_log(&w, 5);
                store_stats_get(w.store, &st);
            }
            assert_int_equal(st.checkpoints, before + 1);
        } else if (how == 1) { /* a later one finds memory first */
            begin_input(&w, member, &inputs[1], &out[1], 11);
            run_log(&w, 5);
            assert_int_equal(out[1].done, 1);
        }
        (void)groups_tick(w.groups, env_mono_ns(w.env));
        assert_true(groups_offset_get(w.groups, STR_LIT("g"), STR_LIT("a"), 0, &o));
        assert_int_equal(o.offset, how == 1 ? 11 : 10);
        engine_leave(w.engine, member);
        world_reopen(&w, REOPEN_POWER_CUT);
        assert_true(groups_offset_get(w.groups, STR_LIT("g"), STR_LIT("a"), 0, &o));
        assert_int_equal(o.offset, how == 1 ? 11 : 10);
        world_deinit(&w);
    }
}

struct calls {
    struct world *w;
    int done;
    enum err err;
};

static void on_sought(struct engine_seek *s)
{
    struct calls *c = s->ctx;
    c->done++;
    c->err = s->err;
}

static void on_ensured(struct engine_ensure *t)
{
    struct calls *c = t->ctx;
    c->done++;
    c->err = t->err;
}

TEST(reads_and_look_ups_without_memory_say_so)
{
    /* Promise: each is answered once, with the records or with ERR_NO_MEMORY. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    assert_int_equal(world_put(&w, "a", 0, "x"), 0);
    bool reached = true;
    for (uint64_t n = 1; reached; n++) {
        world_reopen(&w, n % 2 == 0 ? REOPEN_CLEAN : REOPEN_KILL);
        struct reading r;
        struct calls c = {.w = &w};
        struct engine_seek s = {.topic = STR_LIT("a"), .by = ENGINE_SEEK_POSITION, .ctx = &c};
        s.done = on_sought;
        test_fail_alloc(n);
        world_read(&w, &r, "a", n % 3 == 0 ? 1 : 0, 1000000);
        engine_seek(w.engine, &s);
        world_settle(&w);
        reached = test_fail_alloc_end();
        env_sim_advance_ns(w.env, 2000000);
        (void)engine_tick(w.engine, env_mono_ns(w.env));
        assert_int_equal(r.done, 1);
        assert_true(is_memory(r.r.err));
        assert_int_equal(c.done, 1);
        assert_true(is_memory(c.err));
        reading_free(&w, &r);
    }
    world_deinit(&w);
}

TEST(a_topic_that_others_are_changing_is_waited_for)
{
    /* Promise: engine_topic_ensure ends with the topic there, whether somebody else is just making
     * it, deleting it, or the same was asked for twice. */
    struct world w;
    world_init(&w);
    struct calls c = {.w = &w};
    struct engine_ensure t[2];
    for (int i = 0; i < 2; i++) {
        t[i] = (struct engine_ensure){
            .name = STR_LIT("a"), .partitions = 1, .done = on_ensured, .ctx = &c};
        engine_topic_ensure(w.engine, &t[i]);
    }
    assert_int_equal(c.done, 0);
    world_settle(&w);
    assert_int_equal(c.done, 2);
    assert_int_equal(t[0].err, ERR_OK);
    assert_int_equal(t[1].err, ERR_OK);
    assert_true(t[0].created && !t[1].created);
    /* Deleted, and not yet gone. */
    broker_topic_delete(w.broker, broker_topic(w.broker, STR_LIT("a")), world_done, &w);
    engine_topic_ensure(w.engine, &t[0]);
    assert_int_equal(c.done, 2);
    world_settle(&w);
    assert_int_equal(c.done, 3);
    assert_int_equal(t[0].err, ERR_OK);
    assert_true(t[0].created);
    /* What can never be is told at once. */
    t[0].name = STR_LIT("no good");
    engine_topic_ensure(w.engine, &t[0]);
    assert_int_equal(c.done, 4);
    assert_int_equal(t[0].err, ERR_INVALID_TOPIC);
    world_deinit(&w);
}

TEST(making_a_topic_without_memory_says_so)
{
    struct world w;
    world_init(&w);
    bool reached = true;
    for (uint64_t n = 1; reached; n++) {
        struct calls c = {.w = &w};
        struct engine_ensure t = {
            .name = STR_LIT("a"), .partitions = 2, .done = on_ensured, .ctx = &c};
        test_fail_alloc(n);
        engine_topic_ensure(w.engine, &t);
        reached = test_fail_alloc_end();
        store_tick(w.store); /* a frame that had no memory for its group goes then */
        world_settle(&w);
        assert_int_equal(c.done, 1);
        assert_true(is_memory(c.err));
        struct engine_topic topic;
        assert_int_equal(engine_topic_get(w.engine, STR_LIT("a"), &topic), c.err == ERR_OK);
        if (c.err == ERR_OK) {
            assert_int_equal(world_topic_delete(&w, "a"), ERR_OK);
        }
    }
    world_deinit(&w);
}

TEST(a_large_append_is_written_in_place_and_read_back)
{
    /* Promise: up to engine_append_max_bytes an append is possible, however its bytes are written;
     * beyond it is refused. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_topic(&w, "a", 1), ERR_OK);
    assert_int_equal(world_topic(&w, "b", 1), ERR_OK);
    const size_t most = engine_append_max_bytes(w.engine);
    char *text = mem_alloc(most);
    assert_non_null(text);
    memset(text, 'x', most);
    for (int over = 0; over < 2; over++) {
        const struct engine_record record = {
            .value = str_make(text, most / 2 - 200 + (size_t)over * 400), .timestamp_ms = -1};
        struct engine_part parts[] = {{.topic = STR_LIT("a"), .records = &record, .count = 1},
                                      {.topic = STR_LIT("b"), .records = &record, .count = 1}};
        struct appended out = {.a = {.parts = parts, .part_count = 2}};
        world_append(&w, &out);
        world_settle(&w);
        assert_int_equal(out.done, 1);
        assert_int_equal(out.a.err, over ? ERR_MESSAGE_TOO_LARGE : ERR_OK);
    }
    world_reopen(&w, REOPEN_POWER_CUT);
    assert_int_equal(world_get(&w, "a", 0, 0).n, most / 2 - 200);
    assert_int_equal(world_get(&w, "b", 0, 0).n, most / 2 - 200);
    assert_true(str_eq_z(world_get(&w, "b", 0, 1), ""));
    mem_free(text);
    world_deinit(&w);
}
