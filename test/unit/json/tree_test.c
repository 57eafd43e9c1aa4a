/* The tree: raw extents, depth, names, pointers, numbers; and errors with their place. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "test.h"
#include "json/json.h"

static struct json *parse(struct arena *a, const char *text, const struct json_limits *limits)
{
    struct json *v = NULL;
    struct ectx ec = {0};
    if (json_parse(str_of(text), limits, a, &v, &ec) != ERR_OK) {
        fail_msg("%s: %s", text, ec.text);
    }
    return v;
}

static void expect_str(struct str s, const char *wanted)
{
    if (!str_eq_z(s, wanted)) {
        fail_msg("'%.*s', wanted '%s'", STR(s), wanted);
    }
}

TEST(raw_is_what_stands_in_the_text)
{
    static const char text[] =
        " { \"a\" : [ 1.00 , -0 ,\"\\u0041\\n\" ] ,\n\"\\u0062\":{ } , \"c\" : true } ";
    struct arena a;
    arena_init(&a, 1 << 16);
    struct json *v = parse(&a, text, NULL);
    assert_int_equal(v->kind, JSON_OBJECT);
    assert_int_equal(v->count, 3);
    assert_true(str_is_null(v->name));
    expect_str(v->raw,
               "{ \"a\" : [ 1.00 , -0 ,\"\\u0041\\n\" ] ,\n\"\\u0062\":{ } , \"c\" : true }");
    const struct json *list = v->first;
    expect_str(list->name, "a");
    expect_str(list->raw, "[ 1.00 , -0 ,\"\\u0041\\n\" ]");
    assert_int_equal(list->count, 3);
    expect_str(list->first->raw, "1.00");
    expect_str(list->first->next->raw, "-0");
    expect_str(list->first->next->next->raw, "\"\\u0041\\n\"");
    expect_str(list->first->next->next->string, "A\n");
    assert_null(list->first->next->next->next);
    expect_str(list->next->name, "b");
    expect_str(list->next->raw, "{ }");
    assert_int_equal(list->next->count, 0);
    assert_null(list->next->first);
    expect_str(list->next->next->raw, "true");
    assert_true(list->next->next->boolean && list->next->next->kind == JSON_BOOL);
    assert_null(list->next->next->next);
    /* views, not copies */
    assert_ptr_equal(list->raw.p, strchr(text, '['));
    arena_deinit(&a);
}

TEST(strings_are_decoded_to_utf8)
{
    struct arena a;
    arena_init(&a, 1 << 16);
    expect_str(parse(&a, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", NULL)->string, "\"\\/\b\f\n\r\t");
    expect_str(parse(&a, "\"\\u00e9\\u20AC\\ud83d\\ude00\\u007f\"", NULL)->string,
               "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7F");
    expect_str(parse(&a, "\"plain \xE2\x82\xAC\"", NULL)->string, "plain \xE2\x82\xAC");
    struct str s = parse(&a, "\"a\\u0000b\"", NULL)->string;
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "a\0b", 3);
    s = parse(&a, "\"\"", NULL)->string;
    assert_true(s.n == 0 && s.p != NULL);
    expect_str(json_get(parse(&a, "{\"\\u0061\\\\\":1}", NULL), "a\\")->raw, "1");
    arena_deinit(&a);
}

TEST(what_is_deeper_than_build_depth_is_checked_but_not_built)
{
    static const char text[] = "{\"a\":[{\"b\":[1]},2],\"c\":{\"d\":{}},\"e\":[]}";
    struct arena a;
    arena_init(&a, 1 << 16);
    struct json_limits limits = {.build_depth = 1};
    struct json *v = parse(&a, text, &limits);
    assert_false(v->unbuilt);
    assert_int_equal(v->count, 3);
    for (struct json *m = v->first; m != NULL; m = m->next) {
        assert_true(m->unbuilt);
        assert_true(m->first == NULL && m->count == 0);
    }
    expect_str(v->first->raw, "[{\"b\":[1]},2]");
    expect_str(v->first->next->raw, "{\"d\":{}}");
    limits.build_depth = 2;
    v = parse(&a, text, &limits);
    assert_true(!v->first->unbuilt && v->first->count == 2 && v->first->first->unbuilt);
    expect_str(v->first->first->raw, "{\"b\":[1]}");
    limits.build_depth = 3;
    v = parse(&a, text, &limits);
    assert_true(!v->first->first->unbuilt && v->first->first->first->unbuilt);
    limits.build_depth = 0;
    v = parse(&a, text, &limits);
    assert_int_equal(v->first->first->first->first->kind, JSON_NUMBER);

    /* a tree of one level costs as much however much is below it */
    size_t before = a.used;
    limits.build_depth = 1;
    (void)parse(&a, "[[1,2,3,4,5,6,7,8,9,[\"\\n\",\"\\n\",\"\\n\"],{\"\\n\":\"\\n\"}]]", &limits);
    size_t deep = a.used - before;
    (void)parse(&a, "[[]]", &limits);
    assert_int_equal(a.used - before, 2 * deep);

    static const char *const bad[] = {"[[[1,]]]",    "[[[\"\\ud800\"]]]", "[[{\"a\" 1}]]",
                                      "[[\"\\x\"]]", "[[{\"\\x\":1}]]",   "[[01]]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct ectx ec;
        assert_int_equal(json_parse(str_of(bad[i]), &limits, &a, &v, &ec), ERR_MALFORMED);
    }
    arena_deinit(&a);
}

static struct str nested(struct arena *a, size_t depth)
{
    char *p = arena_alloc(a, 2 * depth);
    assert_non_null(p);
    memset(p, '[', depth);
    memset(p + depth, ']', depth);
    return str_make(p, 2 * depth);
}

TEST(depth_is_limited_also_below_what_is_built)
{
    static const struct {
        uint32_t limit, effective;
    } rows[] = {{0, JSON_DEPTH_DEFAULT}, {1, 1}, {5, 5}, {256, 256}, {100000, JSON_DEPTH_MAX}};
    struct arena a;
    arena_init(&a, 4 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (uint32_t build = 0; build < 3; build++) {
            struct json_limits limits = {.depth_max = rows[i].limit, .build_depth = build};
            struct json *v;
            struct ectx ec;
            assert_int_equal(json_parse(nested(&a, rows[i].effective), &limits, &a, &v, &ec),
                             ERR_OK);
            assert_int_equal(json_parse(nested(&a, rows[i].effective + 1), &limits, &a, &v, &ec),
                             ERR_LIMIT);
        }
    }
    struct json *v;
    struct ectx ec;
    assert_int_equal(json_parse(nested(&a, 100000), NULL, &a, &v, &ec), ERR_LIMIT);
    assert_string_equal(ec.text, "JSON line 1, column 65: nested deeper than 64");
    assert_true(json_valid(nested(&a, 64)));
    assert_false(json_valid(nested(&a, 65)));
    arena_deinit(&a);
}

TEST(two_members_of_one_name_are_refused_where_they_are_built)
{
    static const struct {
        const char *text;
        const char *error; /* NULL: accepted */
    } rows[] = {
        {"{\"a\":1,\"b\":2,\"a\":3}",
         "JSON line 1, column 18: a second member \"a\" in one object"},
        {"{\"a\":1,\n\"\\u0061\":3}",
         "JSON line 2, column 10: a second member \"a\" in one object"},
        {"{\"\":1,\"\":3}", "JSON line 1, column 10: a second member \"\" in one object"},
        {"[{\"a\":{\"b\":1,\"b\":2}}]",
         "JSON line 1, column 18: a second member \"b\" in one object"},
        {"{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}", NULL},
    };
    struct arena a;
    struct buf b;
    struct json *v;
    struct ectx ec = {0};
    arena_init(&a, 4 << 20);
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum err e = json_parse(str_of(rows[i].text), NULL, &a, &v, &ec);
        assert_int_equal(e, rows[i].error == NULL ? ERR_OK : ERR_MALFORMED);
        assert_string_equal(e == ERR_OK ? "" : ec.text, e == ERR_OK ? "" : rows[i].error);
        struct json_limits any = {.allow_same_names = true};
        assert_int_equal(json_parse(str_of(rows[i].text), &any, &a, &v, &ec), ERR_OK);
    }
    struct json_limits shallow = {.build_depth = 2};
    assert_int_equal(json_parse(str_of(rows[3].text), &shallow, &a, &v, &ec), ERR_OK);

    /* large objects are sorted: wherever the two stand they are found, and nothing else is */
    for (size_t n = 2; n < 200; n += 7) {
        for (size_t step = 0; step <= 6; step++) {
            size_t twice = step < 6 ? step * n / 6 : n; /* the last: none is there twice */
            buf_clear(&b);
            for (size_t i = 0; i < n; i++) {
                buf_printf(&b, "%c\"n%zu\":0", i == 0 ? '{' : ',', i * 7919 % n);
            }
            if (twice < n) {
                buf_printf(&b, ",\"n%zu\":0", twice);
            }
            buf_put_u8(&b, '}');
            enum err e = json_parse(buf_str(&b), NULL, &a, &v, &ec);
            assert_int_equal(e, twice == n ? ERR_OK : ERR_MALFORMED);
        }
    }
    buf_deinit(&b);
    arena_deinit(&a);
}

TEST(members_and_elements_are_found)
{
    struct arena a;
    arena_init(&a, 1 << 16);
    struct json *v = parse(&a, "{\"a\":[10,20],\"b\":null}", NULL);
    expect_str(json_get(v, "b")->raw, "null");
    expect_str(json_get_str(v, STR_LIT("a"))->raw, "[10,20]");
    assert_null(json_get(v, "A"));
    assert_null(json_get(v, ""));
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(v->first, "a"));
    expect_str(json_at(v->first, 0)->raw, "10");
    expect_str(json_at(v->first, 1)->raw, "20");
    assert_null(json_at(v->first, 2));
    assert_null(json_at(v->first, SIZE_MAX));
    assert_null(json_at(v, 0));
    assert_null(json_at(NULL, 0));
    arena_deinit(&a);
}

TEST(pointers_are_those_of_rfc6901)
{
    static const char text[] =
        "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
        "\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8,\"~1\":9,\"o\":{\"\":{\"\":10}}}";
    static const struct {
        const char *pointer, *raw; /* NULL: nothing there */
    } rows[] = {
        {"", text},
        {"/foo", "[\"bar\",\"baz\"]"},
        {"/foo/0", "\"bar\""},
        {"/foo/1", "\"baz\""},
        {"/", "0"},
        {"/a~1b", "1"},
        {"/c%d", "2"},
        {"/e^f", "3"},
        {"/g|h", "4"},
        {"/i\\j", "5"},
        {"/k\"l", "6"},
        {"/ ", "7"},
        {"/m~0n", "8"},
        {"/~01", "9"},
        {"/o//", "10"},
        {"/o/", "{\"\":10}"},
        {"/foo/2", NULL},
        {"/foo/-", NULL},
        {"/foo/00", NULL},
        {"/foo/01", NULL},
        {"/foo/+1", NULL},
        {"/foo/-1", NULL},
        {"/foo/1e0", NULL},
        {"/foo/", NULL},
        {"/foo/18446744073709551616", NULL},
        {"/a/b", NULL},
        {"/m~n", NULL},
        {"/~2", NULL},
        {"/~", NULL},
        {"foo", NULL},
        {"/foo/0/x", NULL},
        {"/Foo", NULL},
        {"//", NULL},
        {"#/foo", NULL},
        {"/foo/0/", NULL},
    };
    struct arena a;
    arena_init(&a, 1 << 16);
    struct json *v = parse(&a, text, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct json *found = json_pointer(v, str_of(rows[i].pointer));
        if (found == NULL ? rows[i].raw != NULL
                          : rows[i].raw == NULL || !str_eq_z(found->raw, rows[i].raw)) {
            fail_msg("%s: %.*s", rows[i].pointer, found == NULL ? 4 : (int)found->raw.n,
                     found == NULL ? "NULL" : found->raw.p);
        }
    }
    assert_null(json_pointer(NULL, STR_LIT("")));
    assert_ptr_equal(json_pointer(v, STR_NULL), v);
    struct ectx ec;
    assert_int_equal(json_pointer_check(STR_LIT(""), &ec), ERR_OK);
    assert_int_equal(json_pointer_check(STR_LIT("/a~1b/~0/0"), &ec), ERR_OK);
    assert_int_equal(json_pointer_check(STR_LIT("a"), &ec), ERR_MALFORMED);
    assert_int_equal(json_pointer_check(STR_LIT("/a~"), &ec), ERR_MALFORMED);
    assert_int_equal(json_pointer_check(STR_LIT("/a~2"), &ec), ERR_MALFORMED);
    arena_deinit(&a);
}

TEST(whole_numbers_are_exact_or_refused)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"0.000", true, 0},
        {"0e999999999999", true, 0},
        {"1", true, 1},
        {"-1", true, -1},
        {"1.0", true, 1},
        {"1e3", true, 1000},
        {"1E+3", true, 1000},
        {"1.5e1", true, 15},
        {"1200e-2", true, 12},
        {"-1.23e2", true, -123},
        {"100000e-5", true, 1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775807.0", true, INT64_MAX},
        {"922337203685477580.7e1", true, INT64_MAX},
        {"1e18", true, 1000000000000000000},
        {"9007199254740993", true, 9007199254740993},
        {"0.000001e6", true, 1},
        {"10000000000000000000000e-22", true, 1},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"1e19", false, 0},
        {"1e400", false, 0},
        {"1e99999999999999999999", false, 0},
        {"0.5", false, 0},
        {"1e-1", false, 0},
        {"1.23e1", false, 0},
        {"1e-99999999999999999999", false, 0},
        {"123456789012345678901", false, 0},
        {"true", false, 0},
        {"\"1\"", false, 0},
        {"null", false, 0},
        {"[1]", false, 0},
    };
    struct arena a;
    arena_init(&a, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t v = 7;
        bool whole = json_i64(parse(&a, rows[i].text, NULL), &v);
        if (whole != rows[i].whole || v != (whole ? rows[i].value : 7)) {
            fail_msg("%s: %d %lld", rows[i].text, whole, (long long)v);
        }
    }
    int64_t v;
    assert_false(json_i64(NULL, &v));
    arena_deinit(&a);
}

TEST(doubles_are_the_nearest_or_refused)
{
    struct arena a;
    double d = 7;
    arena_init(&a, 1 << 16);
    assert_true(json_f64(parse(&a, "0.1", NULL), &d) && d == 0.1);
    assert_true(json_f64(parse(&a, "-1e-5", NULL), &d) && d == -1e-5);
    assert_true(json_f64(parse(&a, "1.7976931348623157e308", NULL), &d) && isfinite(d));
    assert_true(json_f64(parse(&a, "4.9e-324", NULL), &d) && d > 0);
    assert_true(json_f64(parse(&a, "1e-400", NULL), &d) && d == 0);
    char long_one[1002] = "0.1";
    memset(long_one + 3, '0', 900);
    assert_true(json_f64(parse(&a, long_one, NULL), &d) && d == 0.1);
    d = 7;
    assert_false(json_f64(parse(&a, "1e400", NULL), &d));
    assert_false(json_f64(parse(&a, "\"1\"", NULL), &d));
    assert_false(json_f64(NULL, &d));
    assert_true(d == 7);
    arena_deinit(&a);
}

TEST(errors_say_where_and_what_was_expected)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "JSON line 1, column 1: expected a value, but the text ends"},
        {"  \n ", "JSON line 2, column 2: expected a value, but the text ends"},
        {"{\n  \"a\": 1\n  \"b\": 2\n}", "JSON line 3, column 3: expected ',' or '}', found '\"'"},
        {"{\"a\" 1}", "JSON line 1, column 6: expected ':', found '1'"},
        {"{a:1}", "JSON line 1, column 2: expected a name in quotes or '}', found 'a'"},
        {"{\"a\":1,}", "JSON line 1, column 8: expected a name in quotes, found '}'"},
        {"[1,]", "JSON line 1, column 4: expected a value, found ']'"},
        {"[,]", "JSON line 1, column 2: expected a value or ']', found ','"},
        {"[1", "JSON line 1, column 3: expected ',' or ']', but the text ends"},
        {"[1 2]", "JSON line 1, column 4: expected ',' or ']', found '2'"},
        {"1 2", "JSON line 1, column 3: expected nothing after the value, found '2'"},
        {"[01]", "JSON line 1, column 2: this is no JSON number"},
        {"[tru]", "JSON line 1, column 2: expected a value or ']', found 't'"},
        {"[\"\xC3\xA4\xC3\xB6\\q\"]", "JSON line 1, column 5: there is no such escape"},
        {"[\"a\\ud800\"]", "JSON line 1, column 4: half of a surrogate pair"},
        {"[\"\\u12\"]", "JSON line 1, column 3: \\u needs four hexadecimal digits"},
        {"[\"a\nb\"]", "JSON line 1, column 4: a control character in a string must be escaped"},
        {"[\"a\\\"b]", "JSON line 1, column 2: the string that begins here has no end"},
        {"[\"\\\xC3\xA4\"]", "JSON line 1, column 3: there is no such escape"},
        {"[\"a\xFF\"]", "JSON line 1, column 4: no valid UTF-8"},
        {"[\"\\\xFF\"]", "JSON line 1, column 3: there is no such escape"},
        {"[1,\"\xED\xA0\x80\"]", "JSON line 1, column 5: no valid UTF-8"},
        {"[\x01]", "JSON line 1, column 2: expected a value or ']', found the byte 0x01"},
    };
    struct arena a;
    arena_init(&a, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json *v;
        struct ectx ec = {0};
        assert_int_equal(json_parse(str_of(rows[i].text), NULL, &a, &v, &ec), ERR_MALFORMED);
        assert_string_equal(ec.text, rows[i].error);
    }
    arena_deinit(&a);
}

static enum err parse_everything(void *ctx)
{
    struct arena a;
    struct json *v;
    struct ectx ec = {0};
    arena_init(&a, 1 << 20);
    enum err e = json_parse(str_of(ctx), NULL, &a, &v, &ec);
    if (e == ERR_OK) {
        assert_int_equal(v->count, 40);
    }
    arena_deinit(&a);
    return e;
}

TEST(nothing_is_lost_when_memory_fails)
{
    struct buf b;
    struct arena a;
    struct json *v;
    struct ectx ec;
    buf_init(&b, 1 << 16);
    for (int i = 0; i < 40; i++) {
        buf_printf(&b, "%c\"n\\n%d\":[\"\\u0041\",{}]", i == 0 ? '{' : ',', i);
    }
    buf_put(&b, "}", 2);
    test_each_failing_alloc(parse_everything, b.p);
    /* and the arena's budget is one */
    for (size_t budget = 0; budget < 20000; budget += 371) {
        arena_init(&a, budget);
        enum err e = json_parse(str_of((const char *)b.p), NULL, &a, &v, &ec);
        assert_true(e == ERR_NO_MEMORY || (e == ERR_OK && budget > 10000));
        arena_deinit(&a);
    }
    /* nothing is taken of it where nothing is built */
    assert_true(json_valid(str_of((const char *)b.p)));
    /* the places of the tokens of a long text do not lie on the stack */
    char spaces[4096];
    memset(spaces, ' ', sizeof(spaces));
    spaces[0] = '[';
    spaces[sizeof(spaces) - 1] = ']';
    const struct str text = str_make(spaces, sizeof(spaces));
    assert_true(json_valid(text));
    test_fail_alloc(1);
    assert_false(json_valid(text));
    assert_true(test_fail_alloc_end());
    test_fail_alloc(1);
    assert_true(json_valid(STR_LIT("[]")));
    assert_false(test_fail_alloc_end());
    buf_deinit(&b);
}

TEST(a_text_over_the_limit_is_refused)
{
    struct ectx ec;
    struct json *v;
    struct arena a;
    arena_init(&a, 1 << 16);
    /* refused by its length alone: not a byte of it is read */
    assert_int_equal(json_parse(str_make("[", (size_t)JSON_TEXT_MAX + 1), NULL, &a, &v, &ec),
                     ERR_LIMIT);
    arena_deinit(&a);
}
