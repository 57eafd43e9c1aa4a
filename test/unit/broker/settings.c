/* Configuration: changes are whole, leave the rest alone, and last. */
#include "world.h"

static const char *text_of(struct world *w, const char *topic, const char *key,
                           enum config_source *source)
{
    struct broker_config_entry entry;
    const struct topic *t = topic == NULL ? NULL : broker_topic(w->broker, str_of(topic));
    const struct config_option *o =
        config_option_find(topic == NULL ? CONFIG_SCOPE_BROKER : CONFIG_SCOPE_TOPIC, str_of(key));
    assert_non_null(o);
    broker_config_entry(w->broker, t, o, &entry);
    *source = entry.source;
    return entry.value;
}

static void expect(struct world *w, const char *topic, const char *key, const char *value,
                   enum config_source source)
{
    enum config_source from;
    assert_string_equal(text_of(w, topic, key, &from), value);
    assert_int_equal(from, source);
}

TEST(broker_a_change_leaves_every_other_setting_as_it_was)
{
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    assert_int_equal(world_set(&w, "t", "retention.ms", "1000"), ERR_OK);
    assert_int_equal(world_set(&w, "t", "segment.bytes", "2097152"), ERR_OK);
    expect(&w, "t", "retention.ms", "1000", CONFIG_FROM_TOPIC);
    expect(&w, "t", "segment.bytes", "2097152", CONFIG_FROM_TOPIC);
    assert_int_equal(world_set(&w, "t", "retention.ms", NULL), ERR_OK);
    expect(&w, "t", "retention.ms", "604800000", CONFIG_FROM_DEFAULT);
    world_reopen(&w, REOPEN_POWER_CUT);
    expect(&w, "t", "segment.bytes", "2097152", CONFIG_FROM_TOPIC);
    expect(&w, "t", "retention.ms", "604800000", CONFIG_FROM_DEFAULT);
    world_deinit(&w);
}

TEST(broker_two_changes_at_the_same_time_both_hold)
{
    /* The second is made while the first is on its way to the disk: it must build on it. */
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    struct topic *t = broker_topic(w.broker, STR_LIT("t"));
    struct broker_alter a = {BROKER_SET, STR_LIT("retention.ms"), STR_LIT("1000")};
    struct broker_alter b = {BROKER_SET, STR_LIT("max.message.bytes"), STR_LIT("5000")};
    broker_topic_alter(w.broker, t, &a, 1, false, world_done, &w);
    broker_topic_alter(w.broker, t, &b, 1, false, world_done, &w);
    assert_int_equal(w.ended, 1); /* the creation */
    world_settle(&w);
    assert_int_equal(w.ended, 3);
    for (int again = 0; again < 2; again++) {
        expect(&w, "t", "retention.ms", "1000", CONFIG_FROM_TOPIC);
        expect(&w, "t", "max.message.bytes", "5000", CONFIG_FROM_TOPIC);
        world_reopen(&w, REOPEN_KILL);
    }
    world_deinit(&w);
}

TEST(broker_a_bad_change_changes_nothing)
{
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    struct topic *t = broker_topic(w.broker, STR_LIT("t"));
    static const char *const bad[][2] = {{"retention.ms", "soon"},
                                         {"cleanup.policy", "compact"},
                                         {"no.such.option", "1"},
                                         {"segment.bytes", "1"}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct broker_alter ops[] = {{BROKER_SET, STR_LIT("max.message.bytes"), STR_LIT("7777")},
                                     {BROKER_SET, str_of(bad[i][0]), str_of(bad[i][1])}};
        broker_topic_alter(w.broker, t, ops, 2, false, world_done, &w);
        world_settle(&w);
        assert_int_equal(w.err, ERR_INVALID_CONFIG);
        assert_true(w.ec.text[0] != '\0');
        expect(&w, "t", "max.message.bytes", "1048588", CONFIG_FROM_DEFAULT);
    }
    struct broker_alter good = {BROKER_SET, STR_LIT("retention.ms"), STR_LIT("1")};
    broker_topic_alter(w.broker, t, &good, 1, true, world_done, &w); /* validate only */
    world_settle(&w);
    assert_int_equal(w.err, ERR_OK);
    expect(&w, "t", "retention.ms", "604800000", CONFIG_FROM_DEFAULT);
    world_deinit(&w);
}

TEST(broker_replacing_sets_the_rest_back)
{
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    assert_int_equal(world_set(&w, "t", "retention.ms", "1000"), ERR_OK);
    struct broker_setting s = {STR_LIT("max.message.bytes"), STR_LIT("9999")};
    broker_topic_replace_config(w.broker, broker_topic(w.broker, STR_LIT("t")), &s, 1, false,
                                world_done, &w);
    world_settle(&w);
    expect(&w, "t", "retention.ms", "604800000", CONFIG_FROM_DEFAULT);
    expect(&w, "t", "max.message.bytes", "9999", CONFIG_FROM_TOPIC);
    world_deinit(&w);
}

TEST(broker_the_node_s_setting_goes_before_that_of_all_nodes_and_topics_follow)
{
    struct world w;
    world_init(&w);
    assert_int_equal(world_create(&w, "t", 1), ERR_OK);
    struct broker_alter all = {BROKER_SET, STR_LIT("log.retention.ms"), STR_LIT("5000")};
    struct broker_alter node = {BROKER_SET, STR_LIT("log.retention.ms"), STR_LIT("6000")};
    broker_alter(w.broker, true, &all, 1, false, world_done, &w);
    world_settle(&w);
    assert_int_equal(w.err, ERR_OK);
    expect(&w, "t", "retention.ms", "5000", CONFIG_FROM_DYNAMIC_DEFAULT);
    broker_alter(w.broker, false, &node, 1, false, world_done, &w);
    world_settle(&w);
    for (int again = 0; again < 2; again++) {
        expect(&w, NULL, "log.retention.ms", "6000", CONFIG_FROM_DYNAMIC_BROKER);
        expect(&w, "t", "retention.ms", "6000", CONFIG_FROM_DYNAMIC_BROKER);
        struct broker_config_layer layers[BROKER_CONFIG_LAYERS];
        const struct config_option *o =
            config_option_find(CONFIG_SCOPE_TOPIC, STR_LIT("retention.ms"));
        assert_int_equal(
            broker_config_layers(w.broker, broker_topic(w.broker, STR_LIT("t")), o, layers), 2);
        assert_string_equal(layers[0].value, "6000");
        assert_string_equal(layers[1].value, "5000");
        assert_int_equal(layers[1].source, CONFIG_FROM_DYNAMIC_DEFAULT);
        world_reopen(&w, REOPEN_KILL);
    }
    broker_replace(w.broker, false, NULL, 0, false, world_done, &w);
    world_settle(&w);
    expect(&w, "t", "retention.ms", "5000", CONFIG_FROM_DYNAMIC_DEFAULT);
    struct broker_alter fixed = {BROKER_SET, STR_LIT("leat.data"), STR_LIT("elsewhere")};
    broker_alter(w.broker, false, &fixed, 1, false, world_done, &w);
    assert_int_equal(w.err, ERR_INVALID_REQUEST);
    world_deinit(&w);
}
