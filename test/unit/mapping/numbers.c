/* Numbers, times, texts and documents at their limits: exact, or an error; never a value that looks
 * right. */
#include <stdio.h>

#include "common.h"

#include "core/compiler.h"

/* The value of an expression over this data, as JSON; or the error. */
static const char *value_of(const char *data, const char *expression, char *out, size_t size)
{
    struct bench b;
    char definition[4096];
    (void)snprintf(definition, sizeof(definition), "[\"%s\"]", expression);
    bench_init(&b, definition, "x", data);
    struct mapping_expr *x = NULL;
    struct mapping_scope scope = {.event = &b.event, .arena = &b.arena};
    struct mapping_value v;
    enum err e = mapping_compile(&b.doc, b.root->first, NULL, &b.arena, &x, &b.ec);
    e = e != ERR_OK ? e : mapping_eval(x, &scope, &v, &b.ec);
    if (e != ERR_OK) {
        (void)snprintf(out, size, "%s", b.ec.text);
    } else {
        struct buf buf;
        struct json_writer w;
        buf_init(&buf, 4096);
        json_write_init(&w, &buf);
        mapping_write_value(&w, &v);
        (void)snprintf(out, size, "%.*s", STR(buf_str(&buf)));
        buf_deinit(&buf);
    }
    bench_deinit(&b);
    return out;
}

#define LEAST "-9223372036854775808"
#define MOST  "9223372036854775807"

TEST(mapping_whole_numbers_stay_whole_or_fail)
{
    static const struct {
        const char *data, *expression, *value;
    } cases[] = {
        {"9007199254740993", "/data / -1", "-9007199254740993"},
        {LEAST, "/data / -1", "/data / -1 does not fit into 64 bits"},
        {LEAST, "/data / 1", LEAST},
        {LEAST, "-/data", "-/data does not fit into 64 bits"},
        {LEAST, "/data - 1", "/data - 1 does not fit into 64 bits"},
        {LEAST, "/data == " LEAST, "true"},
        {"0", LEAST, LEAST},
        {"0", MOST " - -1", MOST " - -1 does not fit into 64 bits"},
        {"0", "9223372036854775808",
         "orders.yaml:1:2: 9223372036854775808 does not fit into 64 bits"},
        {"0", "-9223372036854775809",
         "orders.yaml:1:2: -9223372036854775809 does not fit into 64 bits"},
        {"3037000500", "/data * /data", "/data * /data does not fit into 64 bits"},
        {"3037000499", "/data * /data", "9223372030926249001"},
        {"\"12345678901234567890\"", "number(/data)", "number(/data) does not fit into 64 bits"},
        {"\"-12345678901234567890\"", "int(/data)", "int(/data) does not fit into 64 bits"},
        {"\"" MOST "\"", "number(/data)", MOST},
        {"\"007\"", "number(/data)", "7"},
        {"9.3e18", "int(/data)", "int(/data) does not fit into 64 bits"},
        {"9223372036854774784.5", "int(/data)", "9223372036854774784"},
        {"\"-9223372036854775808.0\"", "int(/data)", LEAST},
        {"1e3", "/data + 1", "1001"},
        {"1.0", "/data + 1", "2"},
        {"12.50e1", "/data + 1", "126"},
        {"-0", "/data", "0"},
        {"1e19", "/data", "1e+19"}, /* written as a real */
        {"1e16", "text(/data)", "\"10000000000000000\""},
        {"12345678.5", "text(/data)", "\"12345678.5\""},
        {"1e19", "text(/data)", "\"1e+19\""},
        {"12345678901234567890", "/data",
         "/data: the number 12345678901234567890 does not fit into 64 bits"},
        {"1e400", "/data", "/data: the number 1e400 does not fit into 64 bits"},
    };
    char got[1024];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(value_of(cases[i].data, cases[i].expression, got, sizeof(got)),
                            cases[i].value);
    }
}

/* Reals are doubles: what they hold exactly is exact, and a comparison never rounds. */
TEST(mapping_reals_are_doubles_and_comparisons_exact)
{
    static const struct {
        const char *data, *expression, *value;
    } cases[] = {
        {"9007199254740993", "/data == 9007199254740992.0", "false"},
        {"9007199254740993", "/data > 9007199254740992.0", "true"},
        {"9007199254740993", "9007199254740992.0 < /data", "true"},
        {MOST, "/data == 9223372036854775807.0", "false"}, /* which is 2^63 */
        {MOST, "/data < 9.3e18", "true"},
        {LEAST, "/data == -9223372036854775808.0", "true"},
        {LEAST, "/data > -9.3e18", "true"},
        {"2", "/data == 2.0", "true"},
        {"2", "/data < 2.5", "true"},
        {"-2", "/data > -2.5", "true"},
        {"-3", "/data < -2.5", "true"},
        {"0", "0.1 + 0.2", "0.30000000000000004"},
        {"0", "round(0.1 + 0.2, 2)", "0.3"},
        {"0", "round(-0.001, 2)", "0"},
        {"123456.789012345678", "round(/data, 12) == /data", "true"},
        {"0.1", "round(/data, 12)", "0.1"},
        {"1.7e308", "/data + /data", "/data + /data is too large"},
        {"1.7e308", "round(/data, 2)", "1.7e+308"},
        {"2.5", "round(/data, 0)", "3"},
        {"-2.5", "round(/data, 0)", "-3"},
        {"7", "round(/data, 2)", "7"},
        {"1", "/data / 3", "0.3333333333333333"},
        {"0.0", "1 / /data", "1 / /data divides by zero"},
    };
    char got[1024];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(value_of(cases[i].data, cases[i].expression, got, sizeof(got)),
                            cases[i].value);
    }
}

TEST(mapping_times_at_their_limits)
{
    static const struct {
        const char *data, *expression, *value;
    } cases[] = {
        {"\"2024-02-29T23:59:60Z\"", "date(/data)", "\"2024-03-01\""},
        {"\"2024-02-29T23:59:59.999999999+00:00\"", "hour(/data)", "\"2024-02-29T23\""},
        {"\"2023-02-29T00:00:00Z\"", "date(/data)",
         "/data is no time (RFC 3339 text, or milliseconds since 1970)"},
        {"\"2100-02-28T23:30:00-01:00\"", "date(/data)", "\"2100-03-01\""}, /* no leap year */
        {"\"2026-02-11\"", "date(/data)",
         "/data is no time (RFC 3339 text, or milliseconds since 1970)"},
        {"\"1700-01-01T00:00:00Z\"", "month(/data)", "\"1700-01\""},
        {"\"1677-01-01T00:00:00Z\"", "month(/data)",
         "/data is no time (RFC 3339 text, or milliseconds since 1970)"},
        {"\"9999-12-31T00:00:00Z\"", "date(/data)",
         "/data is no time (RFC 3339 text, or milliseconds since 1970)"},
        {"9223372036854", "date(/data)", "\"2262-04-11\""},
        {"9223372036855", "date(/data)",
         "/data is no time (RFC 3339 text, or milliseconds since 1970)"},
        {"-9223372036854", "date(/data)", "\"1677-09-21\""},
        {"-86400000", "date(/data)", "\"1969-12-31\""},
        {"-86400001", "hour(/data)", "\"1969-12-30T23\""},
        {"1.5", "date(/data)", "/data is no time (RFC 3339 text, or milliseconds since 1970)"},
        {"null", "date(/data)", "null"},
    };
    char got[1024];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(value_of(cases[i].data, cases[i].expression, got, sizeof(got)),
                            cases[i].value);
    }
}

/* What is absent, null, empty, and text of any script. */
TEST(mapping_nothing_and_texts)
{
    static const struct {
        const char *data, *expression, *value;
    } cases[] = {
        {"{\"a\":null}", "exists(/data/a)", "false"},
        {"{\"a\":\"\"}", "exists(/data/a)", "true"},
        {"{\"a\":false}", "/data/a ?? true", "false"},
        {"{\"a\":null}", "/data/a == /data/b", "true"},
        {"{\"a\":null}", "/data/a < 1 or /data/a >= 1", "false"},
        {"{\"a\":null}", "length(/data/a)", "0"},
        {"{\"a\":null}", "text(/data/a)", "null"},
        {"{\"a\":null}", "not /data/a", "true"},
        {"{\"a\":null}", "/data/a + 1", "/data/a is not there, and a number is needed"},
        {"{\"\":5}", "/data/", "5"},
        {"[10,20]", "/data/1", "20"},
        {"[10,20]", "/data/2", "null"},
        {"[10,20]", "/data/-1", "null"},
        {"[10,20]", "/data/18446744073709551616", "null"},
        {"\"\\uD83D\\uDE00\\u00e9\"", "length(/data)", "2"},
        {"\"\\u00c4bc\"", "lower(/data)",
         "\"\xc3\x84"
         "bc\""},
        {"\"a\\u0000b\"", "'<{/data}>'", "\"<a\\u0000b>\""},
        {"\"a\\u0000b\"", "/data == 'a'", "false"},
        {"{\"a\":{\"x\":1,\"y\":[1,2]}}", "length(/data/b ?? /data/a)", "2"},
        {"{\"a\":[1,[2,3],4]}", "length(/data/a ?? 'x')", "3"},
        {"{\"a\":5}", "length(/data/a)",
         "/data/a is a number, and text, an array or object is needed"},
    };
    char got[1024];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(value_of(cases[i].data, cases[i].expression, got, sizeof(got)),
                            cases[i].value);
    }
}

/* A sign nests, as parentheses do: what walks an expression calls itself. */
TEST(mapping_signs_nest_as_deep_as_all_else)
{
    char deep[1000];
    char got[1024];
    memset(deep, '-', 900);
    memcpy(deep + 900, "/data", 6);
    assert_non_null(strstr(value_of("1", deep, got, sizeof(got)), "nests at most 32 deep"));
    memcpy(deep + 30, "/data", 6);
    assert_string_equal(value_of("1", deep, got, sizeof(got)), "1");
}

/* Folds `data` once or `times` into the state. */
static const char *folded(const char *rule, const char *state, const char *data, int times,
                          char *out, size_t size)
{
    struct bench b;
    char definition[1024];
    struct mapping_fold *f = NULL;
    struct mapping_state s;
    (void)snprintf(definition, sizeof(definition),
                   "{\"fold\":\"f\",\"category\":\"c\",\"maps\":[{\"type\":\"*\",%s}]}", rule);
    bench_init(&b, definition, "x", NULL);
    const struct json_limits limits = {.allow_same_names = true}; /* as the event store reads it */
    struct json *v = NULL;
    assert_int_equal(json_parse(str_of(data), &limits, &b.arena, &v, &b.ec), ERR_OK);
    b.event.data = v;
    assert_int_equal(mapping_fold_compile(&b.doc, b.root, &b.arena, &f, &b.ec), ERR_OK);
    enum err e = mapping_state_init(f, str_of(state), &b.arena, &s, &b.ec);
    for (int i = 0; i < times && e == ERR_OK; i++) {
        e = mapping_fold_apply(f, &s, &b.event, &b.ec);
    }
    if (e != ERR_OK) {
        (void)snprintf(out, size, "%s: %s", err_name(e), b.ec.text);
    } else {
        struct buf text;
        buf_init(&text, 1u << 20);
        mapping_state_write(&s, &text);
        (void)snprintf(out, size, "%.*s", STR(buf_str(&text)));
        buf_deinit(&text);
    }
    bench_deinit(&b);
    return out;
}

TEST(mapping_sums_of_a_state_are_exact_or_fail)
{
    static const struct {
        const char *rule, *state, *data;
        int times;
        const char *value;
    } cases[] = {
        {"\"increment\":{\"/n\":\"/data\"}", "{}", "1e308", 2, "ERR_MALFORMED: /n is too large"},
        {"\"increment\":{\"/n\":\"/data\"}", "{}", MOST, 2,
         "ERR_MALFORMED: /n does not fit into 64 bits"},
        {"\"increment\":{\"/n\":\"/data\"}", "{\"n\":" LEAST "}", "-1", 1,
         "ERR_MALFORMED: /n does not fit into 64 bits"},
        {"\"increment\":{\"/n\":\"/data\"}", "{\"n\":null}", "5", 2, "{\"n\":10}"},
        {"\"increment\":{\"/n\":\"/data\"}", "{\"n\":5}", "null", 1,
         "ERR_MALFORMED: increment of /n: the value is null, and a number is needed"},
        {"\"increment\":{\"/n\":\"/data\"}", "{\"n\":9007199254740993}", "1.0", 1,
         "{\"n\":9007199254740994}"},
        {"\"set\":{\"/n\":\"/data\"}", "{\"n\":5}", "null", 1, "{\"n\":null}"},
        /* An event may have two members of one name; so may what is taken out of it. */
        {"\"set\":{\"/n\":\"/data/o\"}", "{}", "{\"o\":{\"a\":1,\"a\":2}}", 1,
         "{\"n\":{\"a\":1,\"a\":2}}"},
        {"\"append\":{\"/n\":\"/data\"}", "{}", "{\"a\":1,\"a\":2}", 1,
         "{\"n\":[{\"a\":1,\"a\":2}]}"},
        {"\"set\":{\"/n/x\":1}", "{\"n\":{\"a\":1,\"a\":2}}", "0", 1,
         "{\"n\":{\"a\":1,\"a\":2,\"x\":1}}"},
        {"\"set\":{\"/{/data}\":1}", "{}", "\"\\u0000/~\"", 1, "{\"\\u0000/~\":1}"},
    };
    char got[1024];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(
            folded(cases[i].rule, cases[i].state, cases[i].data, cases[i].times, got, sizeof(got)),
            cases[i].value);
    }
}

/* A state that rules made as deep as they can is read again when the next page comes. */
TEST(mapping_a_deep_state_is_read_again)
{
    char data[200];
    char rule[300];
    char first[1024];
    char again[1024];
    size_t n = 0;
    for (int i = 0; i < 64; i++) {
        data[n++] = '[';
    }
    for (int i = 0; i < 64; i++) {
        data[n++] = ']';
    }
    data[n] = 0;
    n = (size_t)snprintf(rule, sizeof(rule), "\"set\":{\"");
    for (int i = 0; i < 64; i++) {
        n += (size_t)snprintf(rule + n, sizeof(rule) - n, "/a");
    }
    (void)snprintf(rule + n, sizeof(rule) - n, "\":\"/data\"}");
    folded(rule, "{}", data, 1, first, sizeof(first));
    assert_memory_equal(first, "{\"a\":{\"a\":", 10);
    assert_string_equal(folded(rule, first, data, 1, again, sizeof(again)), first);
}
