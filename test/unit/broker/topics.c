/* Topics: what was promised about them holds after every kind of stop. */
#include "world.h"

static const enum reopen KINDS[] = {REOPEN_CLEAN, REOPEN_KILL, REOPEN_POWER_CUT};

TEST(broker_topics_survive_every_stop)
{
    /* Names, ids, partitions and settings are the same after a clean stop, a kill and a power cut,
     * from facts alone and from an image with facts after it; what was deleted stays deleted. */
    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
        struct world w;
        world_init(&w);
        assert_int_equal(world_create(&w, "orders", 3), ERR_OK);
        assert_int_equal(world_create(&w, "gone", 1), ERR_OK);
        if (i % 2 == 1) {
            world_checkpoint(&w);
        }
        struct topic *t = broker_topic(w.broker, STR_LIT("orders"));
        struct uuid id = t->id;
        broker_topic_add_partitions(w.broker, t, 5, false, world_done, &w);
        assert_int_equal(t->partition_count, 3); /* not before it is durable */
        world_settle(&w);
        assert_int_equal(w.err, ERR_OK);
        assert_int_equal(t->partition_count, 5);
        assert_int_equal(world_set(&w, "orders", "retention.ms", "1234"), ERR_OK);
        assert_int_equal(world_delete(&w, "gone"), ERR_OK);
        for (int again = 0; again < 2; again++) {
            world_reopen(&w, KINDS[i]);
            t = broker_topic(w.broker, STR_LIT("orders"));
            assert_non_null(t);
            assert_memory_equal(t->id.b, id.b, sizeof(id.b));
            assert_ptr_equal(broker_topic_by_id(w.broker, id), t);
            assert_int_equal(t->partition_count, 5);
            assert_int_equal(config_i64(&t->config, broker_config(w.broker), "retention.ms"), 1234);
            assert_null(broker_topic(w.broker, STR_LIT("gone")));
            assert_int_equal(broker_topic_count(w.broker), 1);
        }
        world_deinit(&w);
    }
}

TEST(broker_a_topic_made_again_has_another_id_and_no_records)
{
    /* A client that knows a topic by its id must never read another topic's records. */
    struct world w;
    world_init(&w);
    struct store_part_info info;
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    struct uuid first = broker_topic(w.broker, STR_LIT("t"))->id;
    assert_int_equal(world_send(&w, world_part(&w, "t", 0), (struct send){-1, 0, 0, 3}, NULL),
                     ERR_OK);
    assert_int_equal(world_delete(&w, "t"), ERR_OK);
    assert_null(broker_topic_by_id(w.broker, first));
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    assert_memory_not_equal(broker_topic(w.broker, STR_LIT("t"))->id.b, first.b, 16);
    for (int again = 0; again < 2; again++) {
        store_part_info_get(world_part(&w, "t", 0)->part, &info);
        assert_int_equal(info.high_watermark, 0);
        world_reopen(&w, REOPEN_KILL);
    }
    world_deinit(&w);
}

TEST(broker_names_are_checked_as_kafka_does)
{
    static const char *const bad[] = {"", ".", "..", "a b", "a/b", "\xc3\xa9"};
    char longest[251];
    memset(longest, 'x', 250);
    longest[250] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(broker_topic_name_check(str_of(bad[i]), NULL), ERR_INVALID_TOPIC);
    }
    assert_int_equal(broker_topic_name_check(str_of(longest), NULL), ERR_INVALID_TOPIC);
    longest[249] = '\0';
    assert_int_equal(broker_topic_name_check(str_of(longest), NULL), ERR_OK);
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "a.b", 1), ERR_OK);
    assert_int_equal(world_create(&w, "a_b", 1), ERR_INVALID_TOPIC);
    assert_int_equal(world_create(&w, "a.b", 1), ERR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(world_create(&w, "none", 0), ERR_INVALID_PARTITIONS);
    /* A name that collides is free again with its topic, and not free while it is being made. */
    broker_topic_delete(w.broker, broker_topic(w.broker, STR_LIT("a.b")), world_done, &w);
    world_settle(&w);
    const struct broker_topic_spec spec = {
        .name = STR_LIT("a_b"), .partitions = 1, .replication_factor = 1};
    const struct broker_topic_spec other = {
        .name = STR_LIT("a.b"), .partitions = 1, .replication_factor = 1};
    broker_topic_create(w.broker, &spec, false, world_done, &w);
    broker_topic_create(w.broker, &other, false, world_done, &w); /* ends at once */
    assert_int_equal(w.err, ERR_INVALID_TOPIC);
    world_settle(&w);
    assert_int_equal(w.err, ERR_OK);
    assert_non_null(broker_topic(w.broker, STR_LIT("a_b")));
    world_deinit(&w);
}

TEST(broker_a_name_is_taken_while_its_topic_is_on_its_way_to_the_disk)
{
    /* Two clients that create the same topic at the same moment: one of them is told so. */
    struct world w;
    world_init(&w);
    struct broker_topic_spec spec = {
        .name = STR_LIT("t"), .partitions = 2, .replication_factor = 1};
    broker_topic_create(w.broker, &spec, false, world_done, &w);
    assert_int_equal(w.ended, 0);
    assert_null(broker_topic(w.broker, STR_LIT("t")));
    broker_topic_create(w.broker, &spec, false, world_done, &w);
    assert_int_equal(w.ended, 1);
    assert_int_equal(w.err, ERR_TOPIC_ALREADY_EXISTS);
    world_settle(&w);
    assert_int_equal(w.ended, 2);
    assert_int_equal(w.err, ERR_OK);
    world_deinit(&w);
}

TEST(broker_replication_is_refused_or_clamped)
{
    /* There is one node. Applications that hard-code three replicas are served by an option. */
    struct world w;
    world_init(&w);
    struct broker_topic_spec spec = {
        .name = STR_LIT("t"), .partitions = 1, .replication_factor = 3};
    broker_topic_create(w.broker, &spec, false, world_done, &w);
    assert_int_equal(w.err, ERR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(config_set(broker_config(w.broker), STR_LIT("leat.replication.factor.clamp"),
                                STR_LIT("true"), CONFIG_FROM_STATIC, NULL),
                     ERR_OK);
    broker_topic_create(w.broker, &spec, false, world_done, &w);
    world_settle(&w);
    assert_int_equal(w.err, ERR_OK);
    assert_non_null(broker_topic(w.broker, STR_LIT("t")));
    world_deinit(&w);
}

static void on_low(void *ctx, enum err e, int64_t low)
{
    struct world *w = ctx;
    w->err = e;
    w->low = low;
    w->ended++;
}

TEST(broker_deleted_records_stay_deleted)
{
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    struct partition *p = world_part(&w, "t", 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(world_send(&w, p, (struct send){-1, 0, 0, 2}, NULL), ERR_OK);
    }
    broker_delete_records(w.broker, p, 11, on_low, &w);
    assert_int_equal(w.err, ERR_OFFSET_OUT_OF_RANGE);
    broker_delete_records(w.broker, p, 4, on_low, &w);
    world_settle(&w);
    assert_int_equal(w.err, ERR_OK);
    assert_int_equal(w.low, 4);
    broker_delete_records(w.broker, p, 2, on_low, &w); /* never back */
    assert_int_equal(w.low, 4);
    world_reopen(&w, REOPEN_POWER_CUT);
    struct store_part_info info;
    p = world_part(&w, "t", 0);
    store_part_info_get(p->part, &info);
    assert_int_equal(info.log_start, 4);
    broker_delete_records(w.broker, p, -1, on_low, &w);
    world_settle(&w);
    assert_int_equal(w.low, 10);
    world_deinit(&w);
}

struct waiter {
    struct broker_waiter w;
    int woken, gone;
};

static void on_wake(struct broker_waiter *waiter, struct partition *p, bool gone)
{
    struct waiter *mine = CONTAINER_OF(waiter, struct waiter, w);
    (void)p;
    mine->woken++;
    mine->gone += gone ? 1 : 0;
}

TEST(broker_waiters_hear_of_records_and_of_the_end_of_a_topic)
{
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    struct partition *p = world_part(&w, "t", 0);
    struct waiter a = {.w.wake = on_wake};
    struct waiter b = {.w.wake = on_wake};
    broker_wait(p, &a.w);
    broker_wait(p, &b.w);
    assert_int_equal(world_send(&w, p, (struct send){-1, 0, 0, 1}, NULL), ERR_OK);
    assert_int_equal(a.woken, 1);
    broker_wait_cancel(&b.w);
    assert_int_equal(world_send(&w, p, (struct send){-1, 0, 0, 1}, NULL), ERR_OK);
    assert_int_equal(a.woken, 2);
    assert_int_equal(b.woken, 1);
    assert_int_equal(world_delete(&w, "t"), ERR_OK);
    assert_int_equal(a.gone, 1);
    world_deinit(&w);
}
