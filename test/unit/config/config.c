/* What is accepted has a value that reading cannot fail on; everything else is refused with a
 * reason. */
#include "config/config.h"

#include <string.h>

#include "core/buf.h"
#include "test.h"

static void none(void *ctx, struct str variable)
{
    (void)variable;
    ++*(int *)ctx;
}

TEST(config_table_is_sorted_and_defaults_are_valid)
{
    /* The look-up is a binary search, and a default must pass its own check. */
    for (size_t i = 0; i < config_option_count(); i++) {
        const struct config_option *o = config_option_at(i);
        assert_ptr_equal(o, config_option_find(o->scope, str_of(o->name)));
        if (o->default_value != NULL) {
            struct ectx ec = {0};
            assert_int_equal(config_check(o, str_of(o->default_value), &ec), ERR_OK);
        }
        if (o->broker_name != NULL) {
            assert_non_null(config_option_find(CONFIG_SCOPE_BROKER, str_of(o->broker_name)));
        }
    }
}

TEST(config_values_are_checked)
{
    /* Wrong values are refused with the name and what would be right. */
    static const struct {
        const char *name, *value, *says;
    } bad[] = {
        {"retention.ms", "soon", "whole number"},
        {"retention.ms", "-2", "between"},
        {"retention.ms", "9223372036854775808", "64"},
        {"max.message.bytes", "2147483648", "32-bit"},
        {"preallocate", "yes", "true or false"},
        {"compression.type", "rar", "must be one of"},
        {"cleanup.policy", "compact", "not offered"},
        {"cleanup.policy", "delete,compact", "not offered"},
        {"segment.bytes", "14", "between"},
        {"min.cleanable.dirty.ratio", "0.5", "not offered"},
        {"retention.mss", "1", "retention.mss"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct config c;
        struct ectx ec = {0};
        config_init(&c, CONFIG_SCOPE_TOPIC);
        assert_int_equal(
            config_set(&c, str_of(bad[i].name), str_of(bad[i].value), CONFIG_FROM_TOPIC, &ec),
            ERR_INVALID_CONFIG);
        assert_non_null(strstr(ec.text, bad[i].says));
        assert_int_equal(c.values.count, 0);
        config_deinit(&c);
    }
}

TEST(config_unknown_name_suggests_the_nearest)
{
    struct config c;
    struct ectx ec = {0};
    config_init(&c, CONFIG_SCOPE_TOPIC);
    assert_int_not_equal(
        config_set(&c, STR_LIT("retenton.ms"), STR_LIT("1"), CONFIG_FROM_TOPIC, &ec), ERR_OK);
    assert_non_null(strstr(ec.hint, "retention.ms"));
    config_deinit(&c);
}

TEST(config_topic_falls_back_to_the_broker_and_then_the_default)
{
    struct config topic;
    struct config broker;
    enum config_source source;
    config_init(&topic, CONFIG_SCOPE_TOPIC);
    config_init(&broker, CONFIG_SCOPE_BROKER);
    assert_int_equal(config_i64(&topic, &broker, "retention.ms"), 604800000);
    assert_int_equal(
        config_set(&broker, STR_LIT("log.retention.ms"), STR_LIT("5"), CONFIG_FROM_STATIC, NULL),
        ERR_OK);
    assert_int_equal(config_i64(&topic, &broker, "retention.ms"), 5);
    assert_int_equal(
        config_set(&topic, STR_LIT("retention.ms"), STR_LIT("7"), CONFIG_FROM_TOPIC, NULL), ERR_OK);
    assert_string_equal(config_text(&topic, &broker, "retention.ms", &source), "7");
    assert_int_equal(source, CONFIG_FROM_TOPIC);
    config_unset(&topic, STR_LIT("retention.ms"));
    assert_string_equal(config_text(&topic, &broker, "retention.ms", &source), "5");
    assert_int_equal(source, CONFIG_FROM_STATIC);
    config_deinit(&topic);
    config_deinit(&broker);
}

TEST(config_hours_fill_in_ms_unless_ms_are_set)
{
    /* As in Kafka: ms before minutes before hours, in whatever order they stand. */
    struct config c;
    config_init(&c, CONFIG_SCOPE_BROKER);
    assert_int_equal(
        config_set(&c, STR_LIT("log.retention.hours"), STR_LIT("2"), CONFIG_FROM_STATIC, NULL),
        ERR_OK);
    assert_int_equal(config_i64(&c, NULL, "log.retention.ms"), 7200000);
    assert_int_equal(
        config_set(&c, STR_LIT("log.retention.minutes"), STR_LIT("1"), CONFIG_FROM_STATIC, NULL),
        ERR_OK);
    assert_int_equal(config_i64(&c, NULL, "log.retention.ms"), 60000);
    assert_int_equal(
        config_set(&c, STR_LIT("log.retention.hours"), STR_LIT("3"), CONFIG_FROM_STATIC, NULL),
        ERR_OK);
    assert_int_equal(config_i64(&c, NULL, "log.retention.ms"), 60000);
    assert_int_equal(
        config_set(&c, STR_LIT("log.retention.ms"), STR_LIT("9"), CONFIG_FROM_STATIC, NULL),
        ERR_OK);
    assert_int_equal(
        config_set(&c, STR_LIT("log.retention.minutes"), STR_LIT("8"), CONFIG_FROM_STATIC, NULL),
        ERR_OK);
    assert_int_equal(config_i64(&c, NULL, "log.retention.ms"), 9);
    config_deinit(&c);
}

TEST(config_yaml_nested_dotted_and_lists)
{
    struct config c;
    struct ectx ec = {0};
    config_init(&c, CONFIG_SCOPE_BROKER);
    const char *text = "num.partitions: 3\nleat:\n  durability: os\n  log:\n    level: "
                       "debug\nlog:\n  segment.bytes: 2097152\n";
    assert_int_equal(config_load_yaml(&c, str_of(text), "x.yaml", &ec), ERR_OK);
    assert_int_equal(config_i64(&c, NULL, "num.partitions"), 3);
    assert_string_equal(config_text(&c, NULL, "leat.durability", NULL), "os");
    assert_string_equal(config_text(&c, NULL, "leat.log.level", NULL), "debug");
    assert_int_equal(config_i64(&c, NULL, "log.segment.bytes"), 2097152);
    config_deinit(&c);
}

TEST(config_yaml_errors_name_file_and_line)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"num.partitions: 1\nnum.partitons: 3\n", "x.yaml:2"},
        {"num.partitions: many\n", "x.yaml:1"},
        {"a: [1, 2\n", "x.yaml:"},
        {"just words\n", "x.yaml:1"},
        {"a: {b: {c: {d: {e: {f: {g: {h: {i: {j: 1}}}}}}}}}\n", "nested too deep"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct config c;
        struct ectx ec = {0};
        config_init(&c, CONFIG_SCOPE_BROKER);
        assert_int_not_equal(config_load_yaml(&c, str_of(bad[i].text), "x.yaml", &ec), ERR_OK);
        assert_non_null(strstr(ec.text, bad[i].says));
        config_deinit(&c);
    }
}

TEST(config_environment_sets_options_and_reports_others)
{
    char a[] = "LEAT_NUM_PARTITIONS=4";
    char b[] = "LEAT_DATA=/somewhere";
    char c2[] = "LEAT_NUM_PARTITION=4";
    char d[] = "PATH=/bin";
    char *block[] = {a, b, c2, d, NULL};
    struct config c;
    struct ectx ec = {0};
    int unknown = 0;
    config_init(&c, CONFIG_SCOPE_BROKER);
    assert_int_equal(config_load_env(&c, block, none, &unknown, &ec), ERR_OK);
    assert_int_equal(unknown, 1);
    assert_int_equal(config_i64(&c, NULL, "num.partitions"), 4);
    assert_string_equal(config_text(&c, NULL, "leat.data", NULL), "/somewhere");
    char wrong[] = "LEAT_NUM_PARTITIONS=none";
    char *bad[] = {wrong, NULL};
    assert_int_not_equal(config_load_env(&c, bad, none, &unknown, &ec), ERR_OK);
    assert_non_null(strstr(ec.text, "LEAT_NUM_PARTITIONS"));
    config_deinit(&c);
}

static enum err fill(void *ctx)
{
    struct config c;
    (void)ctx;
    config_init(&c, CONFIG_SCOPE_BROKER);
    enum err e =
        config_set(&c, STR_LIT("log.retention.hours"), STR_LIT("2"), CONFIG_FROM_STATIC, NULL);
    config_deinit(&c);
    return e;
}

TEST(config_copes_without_memory)
{
    test_each_failing_alloc(fill, NULL);
}

TEST(config_docs_name_every_option)
{
    struct buf b;
    buf_init(&b, 1024 * 1024);
    config_write_docs(&b, false);
    buf_put_u8(&b, 0);
    for (size_t i = 0; i < config_option_count(); i++) {
        assert_non_null(strstr((const char *)b.p, config_option_at(i)->name));
    }
    buf_deinit(&b);
}
