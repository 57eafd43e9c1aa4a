/* Idempotent producers: nothing twice, nothing out of order, and the same after a crash. */
#include "world.h"

struct step {
    struct send send;
    enum err err;
    int64_t offset; /* if ERR_OK */
};

static void run(struct world *w, struct partition *p, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t offset = -2;
        enum err e = world_send(w, p, steps[i].send, &offset);
        if (e != steps[i].err || (e == ERR_OK && offset != steps[i].offset)) {
            fail_msg("step %zu: %s, offset %lld", i, err_name(e), (long long)offset);
        }
    }
}

TEST(broker_a_batch_sent_again_is_not_stored_again)
{
    /* Kafka's rules: the last five batches are recognised, a gap and an old one are refused. */
    static const struct step steps[] = {
        {{7, 0, 0, 2}, ERR_OK, 0},
        {{7, 0, 0, 2}, ERR_OK, 0}, /* again: the original offset */
        {{7, 0, 2, 1}, ERR_OK, 2},
        {{7, 0, 4, 1}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1}, /* 3 is missing */
        {{7, 0, 3, 1}, ERR_OK, 3},
        {{7, 0, 4, 1}, ERR_OK, 4},
        {{7, 0, 5, 1}, ERR_OK, 5},
        {{7, 0, 2, 1}, ERR_OK, 2},                            /* the fifth last */
        {{7, 0, 0, 2}, ERR_OK, 0},                            /* still among five */
        {{7, 0, 6, 1}, ERR_OK, 6},                            /* now it is the sixth */
        {{7, 0, 0, 2}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1}, /* no longer known */
        {{7, 0, 7, 3}, ERR_OK, 7},
        {{7, 0, 7, 2}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1}, /* same start, other length */
    };
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    run(&w, world_part(&w, "t", 0), steps, ARRAY_LEN(steps));
    world_deinit(&w);
}

TEST(broker_sequences_wrap_after_the_largest_number)
{
    static const struct step steps[] = {
        {{7, 0, INT32_MAX - 1, 1}, ERR_OK, 0}, /* an unknown producer may begin anywhere */
        {{7, 0, INT32_MAX, 1}, ERR_OK, 1},
        {{7, 0, 0, 1}, ERR_OK, 2},
        {{7, 0, INT32_MAX, 1}, ERR_OK, 1},
        {{8, 0, INT32_MAX, 3}, ERR_OK, 3}, /* wraps inside the batch: INT_MAX, 0, 1 */
        {{8, 0, 2, 1}, ERR_OK, 6},
    };
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    run(&w, world_part(&w, "t", 0), steps, ARRAY_LEN(steps));
    world_deinit(&w);
}

TEST(broker_a_new_epoch_begins_at_zero_and_fences_the_old_one)
{
    static const struct step steps[] = {
        {{7, 3, 0, 1}, ERR_OK, 0},
        {{7, 4, 1, 1}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1},
        {{7, 4, 0, 1}, ERR_OK, 1},
        {{7, 3, 1, 1}, ERR_INVALID_PRODUCER_EPOCH, -1},
        {{7, 3, 0, 1}, ERR_INVALID_PRODUCER_EPOCH, -1},
        {{7, 4, 0, 1}, ERR_OK, 1},
        {{7, 4, 1, 1}, ERR_OK, 2},
    };
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    run(&w, world_part(&w, "t", 0), steps, ARRAY_LEN(steps));
    world_deinit(&w);
}

TEST(broker_a_duplicate_is_not_answered_before_its_original_is_durable)
{
    /* The acknowledgement of the second would be a promise about the first. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    struct partition *p = world_part(&w, "t", 0);
    struct sent first;
    struct sent again;
    world_send_start(&w, p, (struct send){7, 0, 0, 1}, &first);
    world_send_start(&w, p, (struct send){7, 0, 0, 1}, &again);
    assert_false(first.done);
    assert_false(again.done);
    world_settle(&w);
    assert_true(first.done && again.done);
    assert_int_equal(again.item.err, ERR_OK);
    assert_int_equal(again.item.base_offset, first.item.base_offset);
    struct store_part_info info;
    store_part_info_get(p->part, &info);
    assert_int_equal(info.log_end, 1);
    sent_free(&first);
    sent_free(&again);
    world_deinit(&w);
}

TEST(broker_after_a_crash_the_state_is_that_of_the_data)
{
    /* From batches alone, from an image alone, and from an image with batches after it. */
    for (int checkpoint_after = -1; checkpoint_after < 4; checkpoint_after++) {
        static const struct step again[] = {
            {{7, 0, 2, 2}, ERR_OK, 2},
            {{7, 0, 0, 2}, ERR_OK, 0},
            {{7, 0, 7, 1}, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, -1},
            {{7, 0, 6, 1}, ERR_OK, 6},
        };
        struct world w;
        world_init(&w);
        assert_int_equal(world_create(&w, "t", 1), ERR_OK);
        for (int i = 0; i < 3; i++) {
            struct send s = {7, 0, 2 * i, 2};
            assert_int_equal(world_send(&w, world_part(&w, "t", 0), s, NULL), ERR_OK);
            if (i == checkpoint_after) {
                world_checkpoint(&w);
            }
        }
        world_reopen(&w, checkpoint_after == 3 ? REOPEN_CLEAN : REOPEN_POWER_CUT);
        run(&w, world_part(&w, "t", 0), again, ARRAY_LEN(again));
        world_deinit(&w);
    }
}

TEST(broker_an_unacknowledged_batch_is_there_whole_or_not_at_all)
{
    /* The power goes while a batch is on its way. Sent again, it is stored exactly once, whatever
     * survived. */
    for (uint64_t cut = 1; cut < 12; cut++) {
        struct world w;
        world_init(&w);
        assert_int_equal(world_create(&w, "t", 1), ERR_OK);
        assert_int_equal(world_send(&w, world_part(&w, "t", 0), (struct send){7, 0, 0, 1}, NULL),
                         ERR_OK);
        struct sent s;
        env_sim_cut_at(w.env, env_sim_ops(w.env) + cut);
        world_send_start(&w, world_part(&w, "t", 0), (struct send){7, 0, 1, 1}, &s);
        for (int i = 0; i < 50; i++) {
            store_kick(w.store, true);
            env_poll_run(w.poll, 1000000);
        }
        world_reopen(&w, REOPEN_POWER_CUT);
        sent_free(&s);
        static const struct step again[] = {{{7, 0, 1, 1}, ERR_OK, 1}, {{7, 0, 2, 1}, ERR_OK, 2}};
        run(&w, world_part(&w, "t", 0), again, ARRAY_LEN(again));
        struct store_part_info info;
        store_part_info_get(world_part(&w, "t", 0)->part, &info);
        assert_int_equal(info.high_watermark, 3);
        world_deinit(&w);
    }
}

TEST(broker_an_idle_producer_is_forgotten_in_time)
{
    struct world w;
    world_init(&w);
    size_t n = 0;
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    struct partition *p = world_part(&w, "t", 0);
    assert_int_equal(world_send(&w, p, (struct send){7, 2, 0, 3}, NULL), ERR_OK);
    const struct broker_producer_info *all = broker_producers(p, &w.arena, &n);
    assert_int_equal(n, 1);
    assert_int_equal(all[0].id, 7);
    assert_int_equal(all[0].epoch, 2);
    assert_int_equal(all[0].last_sequence, 2);
    env_sim_advance_ns(w.env, 23ull * 3600 * 1000000000);
    broker_tick(w.broker);
    assert_non_null(broker_producers(p, &w.arena, &n));
    assert_int_equal(n, 1);
    env_sim_advance_ns(w.env, 2ull * 3600 * 1000000000);
    broker_tick(w.broker);
    assert_non_null(broker_producers(p, &w.arena, &n));
    assert_int_equal(n, 0);
    assert_int_equal(world_send(&w, p, (struct send){7, 2, 99, 1}, NULL), ERR_OK);
    world_deinit(&w);
}

static void on_pid(void *ctx, enum err e, struct broker_producer_id pid)
{
    struct world *w = ctx;
    w->err = e;
    w->pid = pid;
    w->ended++;
}

TEST(broker_a_producer_id_is_never_given_twice)
{
    /* Across crashes too: a second owner of an id would have its records taken for duplicates. */
    struct world w;
    world_init(&w);
    int64_t last = -1;
    for (int boot = 0; boot < 4; boot++) {
        for (int i = 0; i < 700; i++) {
            int before = w.ended;
            broker_producer_id_new(w.broker, -1, -1, on_pid, &w);
            world_settle(&w);
            assert_int_equal(w.ended, before + 1);
            assert_int_equal(w.err, ERR_OK);
            assert_true(w.pid.id > last);
            assert_int_equal(w.pid.epoch, 0);
            last = w.pid.id;
        }
        if (boot == 1) {
            world_checkpoint(&w);
        }
        world_reopen(&w, boot % 2 == 0 ? REOPEN_POWER_CUT : REOPEN_CLEAN);
    }
    world_deinit(&w);
}
