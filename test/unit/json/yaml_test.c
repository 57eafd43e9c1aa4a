/* YAML as JSON: the core schema, what is refused, and places that lead back to line and column. */
#include <stdio.h>
#include <string.h>

#include "test.h"
#include "json/yaml.h"

struct row {
    const char *yaml;
    const char *json; /* or the error, if it begins with "f.yaml" */
};

static const struct row rows[] = {
    {"a: 1", "{\"a\":1}"},
    {"a: one\nb: [x, 'y', \"z\\n\"]\nc:\n  - 1\n  - {d: e}\n",
     "{\"a\":\"one\",\"b\":[\"x\",\"y\",\"z\\n\"],\"c\":[1,{\"d\":\"e\"}]}"},
    {"{\"a\": [1, 2.50, -3e2, true, null, \"x\"], \"b\": {}}",
     "{\"a\":[1,2.50,-3e2,true,null,\"x\"],\"b\":{}}"},
    {"[null, Null, NULL, ~, {a: }, '', \"\", nULL, none]",
     "[null,null,null,null,{\"a\":null},\"\",\"\",\"nULL\",\"none\"]"},
    {"[true, True, TRUE, false, False, FALSE, tRue, yes, no, on, off, y, n]",
     "[true,true,true,false,false,false,\"tRue\",\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\"]"},
    {"[0, -0, +5, 12345678901234567890123, 0o17, 0x1F, 0xff, 0o8, 0b1, 1_000, 1:30, '5']",
     "[0,-0,5,12345678901234567890123,15,31,255,\"0o8\",\"0b1\",\"1_000\",\"1:30\",\"5\"]"},
    {"[0.0, .5, 5., -.5e-3, 1e3, +1E+3, 1.e2, .e1, ., 1e, 1e+, -., +, --1, 1.2.3, 0x]",
     "[0.0,0.5,5,-0.5e-3,1e3,1e+3,1e2,\".e1\",\".\",\"1e\",\"1e+\",\"-.\",\"+\",\"--1\",\"1.2.3\","
     "\"0x\"]"},
    {"zip: 01234",
     "f.yaml:1:6: a number with leading zeros: put text in quotes, or leave the zeros out"},
    {"a: 0xFFFFFFFFFFFFFFFF1", "f.yaml:1:4: a number of more than 64 bits"},
    {"a: .inf", "f.yaml:1:4: JSON has no such number: put text in quotes"},
    {"a: -.NAN", "{\"a\":\"-.NAN\"}"},
    {"at: 2026-02-11T14:00:00Z\nday: 2026-02-11",
     "{\"at\":\"2026-02-11T14:00:00Z\",\"day\":\"2026-02-11\"}"},
    {"a: !!str 5\nb: ! 6\nc: !!str", "{\"a\":\"5\",\"b\":\"6\",\"c\":\"\"}"},
    {"a: !!int 5", "f.yaml:1:4: tags are not supported, but for !!str"},
    {"a: !mine {}", "f.yaml:1:4: anchors and tags are not supported"},
    {"a: |\n  line 1\n  line 2\nb: >-\n  one\n  two\n",
     "{\"a\":\"line 1\\nline 2\\n\",\"b\":\"one two\"}"},
    {"1: a\ntrue: b\n~: c\n'': d", "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\",\"\":\"d\"}"},
    {"a: \"\\0\\u20AC\\\"\\\\\"", "{\"a\":\"\\u0000\xE2\x82\xAC\\\"\\\\\"}"},
    {"just text", "\"just text\""},
    {"---\na: 1\n...\n", "{\"a\":1}"},
    {"# a comment\na: 1 # another\n", "{\"a\":1}"},
    {"\xEF\xBB\xBF"
     "a: 1",
     "{\"a\":1}"},
    {"\xEF\xBB\xBF"
     "a: 1\nb: 2\n",
     "{\"a\":1,\"b\":2}"},
    {"\xEF\xBB\xBF", "f.yaml: the document is empty"},
    {"", "f.yaml: the document is empty"},
    {"# nothing", "f.yaml: the document is empty"},
    {"a: 1\n---\nb: 2", "f.yaml:2:1: a second document: only one is allowed"},
    {"a: 1\nb: 2\na: 3", "f.yaml:3:1: a second member 'a' in one mapping"},
    {"a: 1\n'a': 3", "f.yaml:2:1: a second member 'a' in one mapping"},
    {"a: {b: 1}\nc: {b: 1}", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}"},
    {"a: &x 1\nb: *x", "f.yaml:1:4: anchors are not supported"},
    {"a: &x [1]", "f.yaml:1:4: anchors and tags are not supported"},
    {"a: *x", "f.yaml:1:4: aliases are not supported: write it out"},
    {"<<: {a: 1}", "f.yaml:1:1: merge keys are not supported: write the members here"},
    {"'<<': 1", "{\"<<\":1}"},
    {"? [a]\n: 1", "f.yaml:1:3: a key must be plain text"},
    {"? {a: 1}\n: 1", "f.yaml:1:3: a key must be plain text"},
    {"?\n: 1", "f.yaml:1:2: a key is missing"},
    {"a: [1", "f.yaml:2:1: not valid YAML: did not find expected ',' or ']'"},
    {"a:\n\t- 1", "f.yaml:2:1: not valid YAML: found character that cannot start any token"},
    {"a: 1\n b: 2", "f.yaml:2:3: not valid YAML: mapping values are not allowed in this context"},
    {"a: \xFF", "f.yaml: byte 3: not valid YAML: invalid leading UTF-8 octet"},
};

static const char *convert(struct buf *out, const char *yaml, struct ectx *ec)
{
    struct arena a;
    struct yaml_map *map;
    arena_init(&a, 1 << 20);
    enum err e = yaml_to_json(str_of(yaml), "f.yaml", out, &a, &map, ec);
    arena_deinit(&a);
    if (e != ERR_OK) {
        return ec->text;
    }
    buf_put_u8(out, 0);
    return (const char *)out->p;
}

TEST(yaml_means_what_the_core_schema_says_or_is_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out;
        struct ectx ec = {0};
        buf_init(&out, 1 << 16);
        const char *got = convert(&out, rows[i].yaml, &ec);
        if (strcmp(got, rows[i].json) != 0) {
            fail_msg("%s\ngave   %s\nwanted %s", rows[i].yaml, got, rows[i].json);
        }
        assert_true(got == ec.text || json_valid(str_of(got)));
        assert_true(got != ec.text || ec.code == ERR_CONFIG);
        buf_deinit(&out);
    }
}

static void expect_place(struct yaml_map *map, const struct json *root, const char *pointer,
                         uint32_t line, uint32_t column)
{
    uint32_t l = 0, c = 0;
    const struct json *v = json_pointer(root, str_of(pointer));
    assert_non_null(v);
    if (!yaml_place(map, v, &l, &c) || l != line || c != column) {
        fail_msg("%s: %u:%u, wanted %u:%u", pointer, l, c, line, column);
    }
}

TEST(every_value_leads_back_to_its_line_and_column)
{
    static const char yaml[] = "name: orders # the name\n"
                               "source:\n"
                               "  category: \"order\"\n"
                               "  types: [ A, 'B',\n"
                               "           {x: 1} ]\n"
                               "empty:\n"
                               "text: |\n"
                               "  long\n"
                               "\xC3\xA4\xC3\xB6: \xE2\x82\xAC\n"
                               "list:\n"
                               "- - 7\n"
                               "  - !!str 8\n";
    struct arena a;
    struct buf out;
    struct yaml_map *map;
    struct json *v;
    struct ectx ec = {0};
    arena_init(&a, 1 << 20);
    buf_init(&out, 1 << 16);
    assert_int_equal(yaml_to_json(STR_LIT(yaml), "f.yaml", &out, &a, &map, &ec), ERR_OK);
    assert_int_equal(json_parse(buf_str(&out), NULL, &a, &v, &ec), ERR_OK);
    expect_place(map, v, "", 1, 1);
    expect_place(map, v, "/name", 1, 7);
    expect_place(map, v, "/source", 3, 3);
    expect_place(map, v, "/source/category", 3, 14); /* behind the quote */
    expect_place(map, v, "/source/types", 4, 10);
    expect_place(map, v, "/source/types/0", 4, 12);
    expect_place(map, v, "/source/types/1", 4, 16);
    expect_place(map, v, "/source/types/2", 5, 12);
    expect_place(map, v, "/source/types/2/x", 5, 16);
    expect_place(map, v, "/text", 7, 7);
    expect_place(map, v, "/\xC3\xA4\xC3\xB6", 9, 5); /* characters, not bytes */
    expect_place(map, v, "/list/0", 11, 3);
    expect_place(map, v, "/list/0/0", 11, 5);
    expect_place(map, v, "/list/0/1", 12, 5);

    struct json *other;
    uint32_t line, column;
    assert_int_equal(json_parse(STR_LIT("{\"a\":1}"), NULL, &a, &other, &ec), ERR_OK);
    assert_false(yaml_place(map, other, &line, &column));
    struct json inside = *v;
    inside.raw.p += 1;
    assert_false(yaml_place(map, &inside, &line, &column));
    buf_deinit(&out);
    arena_deinit(&a);
}

TEST(yaml_is_bounded_in_depth_members_and_size)
{
    struct buf text, out;
    struct ectx ec = {0};
    buf_init(&text, YAML_TEXT_MAX + 16);
    buf_init(&out, 1 << 16);
    for (size_t depth = JSON_DEPTH_DEFAULT; depth <= JSON_DEPTH_DEFAULT + 1; depth++) {
        buf_clear(&text);
        for (size_t i = 0; i < depth; i++) {
            buf_put_u8(&text, '[');
        }
        for (size_t i = 0; i < depth; i++) {
            buf_put_u8(&text, ']');
        }
        buf_put_u8(&text, 0);
        const char *got = convert(&out, (const char *)text.p, &ec);
        assert_int_equal(got == ec.text, depth > JSON_DEPTH_DEFAULT);
        assert_true(got == ec.text ? ec.code == ERR_LIMIT : json_valid(str_of(got)));
    }
    for (size_t n = YAML_MEMBERS_MAX; n <= YAML_MEMBERS_MAX + 1; n++) {
        buf_clear(&text);
        for (size_t i = 0; i < n; i++) {
            buf_printf(&text, "k%zu: 1\n", i);
        }
        buf_put_u8(&text, 0);
        const char *got = convert(&out, (const char *)text.p, &ec);
        assert_int_equal(got == ec.text, n > YAML_MEMBERS_MAX);
    }
    assert_int_equal(ec.code, ERR_LIMIT);
    buf_clear(&text);
    uint8_t *space = buf_extend(&text, YAML_TEXT_MAX + 1);
    if (space == NULL) {
        fail_msg("out of memory");
        return;
    }
    memset(space, ' ', YAML_TEXT_MAX + 1);
    space[YAML_TEXT_MAX] = 0;
    (void)convert(&out, (const char *)text.p, &ec);
    assert_int_equal(ec.code, ERR_CONFIG); /* as large as it may be, and empty */
    space[YAML_TEXT_MAX] = ' ';
    buf_put_u8(&text, 0);
    (void)convert(&out, (const char *)text.p, &ec);
    assert_int_equal(ec.code, ERR_LIMIT);
    buf_deinit(&text);
    buf_deinit(&out);
}

static enum err convert_all(void *ctx)
{
    (void)ctx;
    enum err worst = ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out;
        struct ectx ec = {0};
        buf_init(&out, 1 << 16);
        (void)convert(&out, rows[i].yaml, &ec);
        worst = ec.code == ERR_NO_MEMORY ? ERR_NO_MEMORY : worst;
        buf_deinit(&out);
    }
    return worst;
}

TEST(yaml_is_converted_or_refused_when_memory_fails)
{
    test_each_failing_alloc(convert_all, NULL);
}
