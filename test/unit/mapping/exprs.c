/* Values of an event: what an expression gives, how it binds, and what it refuses, with the place.
 */
#include <stdio.h>

#include "common.h"

#include "core/compiler.h"

#define DATA                                                                                      \
    "{\"id\":\"o-1\",\"price\":250,\"quantity\":3,\"rate\":0.5,\"gone\":null,\"vip\":true,"       \
    "\"name\":\"Zo\\u00eb\",\"when\":\"2026-02-28T23:30:00-01:00\",\"big\":9223372036854775807,"  \
    "\"huge\":123456789012345678901,\"lines\":[{\"sku\":\"a\",\"n\":2},{\"sku\":\"b\",\"n\":5}]," \
    "\"a/b\":\"slash\",\"address\":{\"city\":\"Delft\"}}"

static const struct str row_columns[] = {STR_LIT("name"), STR_LIT("city")};
static const struct mapping_value row_values[] = {{.kind = MAPPING_TEXT, .text = STR_LIT("Ada")},
                                                  {.kind = MAPPING_NULL}};
static const struct mapping_row row = {STR_LIT("customer"), row_columns, row_values, 2};

/* The value of an expression as JSON, or the error's text. */
static const char *value_of(const char *expression, char *out, size_t size)
{
    struct bench b;
    char definition[512];
    snprintf(definition, sizeof(definition), "[\"%s\"]", expression);
    bench_init(&b, definition, "OrderPlaced.v2", DATA);
    struct mapping_names names = {.items = true, .rows = &row, .row_count = 1};
    struct mapping_expr *x = NULL;
    struct mapping_scope scope = {.event = &b.event,
                                  .item = json_at(json_get(b.event.data, "lines"), 1),
                                  .item_index = 1,
                                  .rows = &row,
                                  .row_count = 1,
                                  .arena = &b.arena};
    struct mapping_value v;
    enum err e = mapping_compile(&b.doc, b.root->first, &names, &b.arena, &x, &b.ec);
    e = e != ERR_OK ? e : mapping_eval(x, &scope, &v, &b.ec);
    if (e != ERR_OK) {
        snprintf(out, size, "%s|%s", b.ec.text, b.ec.hint);
    } else {
        struct buf buf;
        struct json_writer w;
        buf_init(&buf, 4096);
        json_write_init(&w, &buf);
        mapping_write_value(&w, &v);
        snprintf(out, size, "%.*s", STR(buf_str(&buf)));
        buf_deinit(&buf);
    }
    bench_deinit(&b);
    return out;
}

TEST(mapping_values_of_an_event)
{
    static const struct {
        const char *expression, *value;
    } cases[] = {
        {"/data/id", "\"o-1\""},
        {"/data/address/city", "\"Delft\""},
        {"/data/lines/1/sku", "\"b\""},
        {"/data/a~1b", "\"slash\""},
        {"/data/nothing", "null"},
        {"/data/address", "{\"city\":\"Delft\"}"},
        {"/meta/x", "null"},
        {"$type", "\"OrderPlaced.v2\""},
        {"$version", "\"2\""},
        {"$revision", "7"},
        {"$category", "\"order\""},
        {"$stream_id", "\"42\""},
        {"$time", "null"},
        {"@/sku", "\"b\""},
        {"@index", "1"},
        {"customer.name", "\"Ada\""},
        {"customer.city ?? 'none'", "\"none\""},
        {"'placed'", "\"placed\""},
        {"'it''s {{x}}'", "\"it's {x}\""},
        {"'order-{/data/id}-{/data/price * 2}'", "\"order-o-1-500\""},
        {"/data/price * /data/quantity", "750"},
        {"1 + 2 * 3 - 4 / 2", "5"},
        {"(1 + 2) * 3", "9"},
        {"7 / 2", "3.5"},
        {"-/data/price + 1", "-249"},
        {"/data/rate * 3", "1.5"},
        {"/data/gone ?? 5 + 1", "6"},
        {"/data/price > 200 and not /data/vip == false", "true"},
        {"/data/price < 200 or /data/vip", "true"},
        {"/data/gone > 1", "false"},
        {"/data/gone == null", "true"},
        {"/data/id == 'o-1'", "true"},
        {"/data/id == 1", "false"},
        {"date(/data/when)", "\"2026-03-01\""},
        {"hour(/data/when)", "\"2026-03-01T00\""},
        {"month(0)", "\"1970-01\""},
        {"date(-1)", "\"1969-12-31\""},
        {"date(951782400000)", "\"2000-02-29\""},
        {"date(/data/gone)", "null"},
        {"upper('abcé')", "\"ABCé\""},
        {"text(12)", "\"12\""},
        {"number('12.5')", "12.5"},
        {"int('12.9')", "12"},
        {"round(2.345, 1)", "2.3"},
        {"length(/data/name)", "3"},
        {"length(/data/lines)", "2"},
        {"exists(/data/gone)", "false"},
        {"exists(/data/id)", "true"},
        {"null ?? true", "true"},
    };
    char got[1024];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(value_of(cases[i].expression, got, sizeof(got)), cases[i].value);
    }
}

/* Nothing is guessed: a part that is missing or of the wrong kind is an error that names it. */
TEST(mapping_an_event_without_the_value_is_an_error)
{
    static const struct {
        const char *expression, *error;
    } cases[] = {
        {"/data/price * /data/nothing", "/data/nothing is not there, and a number is needed|"},
        {"/data/price + /data/id", "/data/id is text, and a number is needed|"},
        {"/data/big + 1", "/data/big + 1 does not fit into 64 bits|"},
        {"-(-/data/big - 1)", "-(-/data/big - 1) does not fit into 64 bits|"},
        {"/data/price / 0", "/data/price / 0 divides by zero|"},
        {"/data/huge", "/data/huge: the number 123456789012345678901 does not fit into 64 bits|"},
        {"'x{/data/gone}'", "/data/gone is not there, and it is a part of a text|"},
        {"/data/id < 5", "/data/id < 5 compares text with a number|"},
        {"/data/id and true", "/data/id is text, and true or false is needed|"},
        {"date(/data/id)", "/data/id is no time (RFC 3339 text, or milliseconds since 1970)|"},
    };
    char got[1024];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(value_of(cases[i].expression, got, sizeof(got)), cases[i].error);
    }
}

/* A mistake in a definition is told with its place, what was expected, and the nearest name. */
TEST(mapping_a_bad_expression_is_told_with_its_place)
{
    static const struct {
        const char *expression, *error;
    } cases[] = {
        {"placed", "orders.yaml:1:2: 'placed' is no value: expected a pointer (/data/x), a field "
                   "($id), a number, or 'text'|for the text write \"'placed'\", with both kinds of "
                   "quotes"},
        {"/dta/id", "orders.yaml:1:2: a pointer into an event begins with /data or /meta, not with "
                    "'/dta'|did you mean /data?"},
        {"/id", "orders.yaml:1:2: a pointer into an event begins with /data or /meta, not with "
                "'/id'|did you mean /data/id?"},
        {"1 + $tpye", "orders.yaml:1:6: '$tpye' is no field of an event|did you mean '$type'?"},
        {"uper('x')", "orders.yaml:1:2: 'uper' is no function|did you mean 'upper'?"},
        {"1 +", "orders.yaml:1:5: a value was expected here|"},
        {"(1 + 2", "orders.yaml:1:8: ')' was expected|"},
        {"'abc", "orders.yaml:1:2: this text has no closing '|"},
        {"'a{/data/id'", "orders.yaml:1:13: '}' was expected|"},
        {"'a}'", "orders.yaml:1:4: a single '}': write }} for the character|"},
        {"1 2", "orders.yaml:1:4: '2' was not expected here|operators stand between spaces: a * b"},
        {"1 < 2 < 3", "orders.yaml:1:8: comparisons do not chain: join them by `and`|"},
        {"client.name", "orders.yaml:1:2: 'client' is no lookup of this rule|"},
        {"customer.nam", "orders.yaml:1:2: 'customer' has no column 'nam'|"},
        {"round(1)", "orders.yaml:1:2: round takes two values: round(x, digits)|"},
        {"/data/a~2", "orders.yaml:1:11: '~' in a pointer must be followed by 0 or 1 (~0 is ~, ~1 "
                      "is /)|"},
        {"12x", "orders.yaml:1:2: '12x' is no number|"},
    };
    char got[1024];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(value_of(cases[i].expression, got, sizeof(got)), cases[i].error);
    }
    char deep[200];
    memset(deep, '(', 60);
    deep[60] = 0;
    assert_non_null(strstr(value_of(deep, got, sizeof(got)), "nests at most 32 deep"));
}

TEST(mapping_types_with_and_without_their_version)
{
    static const struct {
        const char *pattern, *type, *version;
        bool matches;
    } cases[] = {
        {"OrderPlaced", "OrderPlaced", NULL, true},
        {"OrderPlaced", "OrderPlaced.v2", "2", true},
        {"OrderPlaced.v2", "OrderPlaced.v2", "2", true},
        {"OrderPlaced.v2", "OrderPlaced.v3", "3", false},
        {"OrderPlaced.v2", "OrderPlaced", "2", true},
        {"OrderPlaced.v2", "OrderPlaced", NULL, false},
        {"OrderPlaced.v2", "OrderPlaced", "3", false},
        {"OrderPlaced", "OrderPlacedLate", NULL, false},
        {"Order.vx", "Order.vx", NULL, true},
        {"*", "Anything.v9", NULL, true},
        {"*", NULL, NULL, true},
        {"A", NULL, NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;
        char definition[64];
        snprintf(definition, sizeof(definition), "[\"%s\"]", cases[i].pattern);
        bench_init(&b, definition, "x", NULL);
        struct mapping_type t;
        assert_int_equal(mapping_type_compile(&b.doc, b.root->first, &t, &b.ec), ERR_OK);
        b.envelope.type = str_of(cases[i].type);
        b.envelope.version = str_of(cases[i].version);
        assert_int_equal(mapping_type_matches(&t, &b.envelope), cases[i].matches);
        bench_deinit(&b);
    }
    struct bench b;
    bench_init(&b, "[\"Order*\"]", "x", NULL);
    struct mapping_type t;
    assert_int_equal(mapping_type_compile(&b.doc, b.root->first, &t, &b.ec), ERR_CONFIG);
    assert_non_null(strstr(b.ec.text, "'*' alone stands for every type"));
    bench_deinit(&b);
}

TEST(mapping_members_that_are_not_known)
{
    static const char *const names[] = {"type", "upsert", "delete"};
    struct bench b;
    bench_init(&b, "{\"type\": 1,\"upsret\": 2}", "x", NULL);
    assert_int_equal(mapping_check_members(&b.doc, b.root, "a rule", names, 3, &b.ec), ERR_CONFIG);
    assert_string_equal(b.ec.text, "orders.yaml:1:22: 'upsret' is not known in a rule");
    assert_string_equal(b.ec.hint, "did you mean 'upsert'?");
    bench_deinit(&b);
}

static enum err all_of_it(void *ctx)
{
    (void)ctx;
    struct arena a;
    arena_init(&a, 1u << 20);
    struct json *v = NULL;
    struct json *data = NULL;
    struct mapping_doc doc = {.file = "x"};
    struct envelope envelope;
    envelope_init(&envelope);
    struct mapping_expr *x = NULL;
    struct mapping_value out;
    enum err e = json_parse(STR_LIT("[\"'a{upper(/data/x)}' ?? date(0)\"]"), NULL, &a, &v, NULL);
    e = e != ERR_OK ? e : json_parse(STR_LIT("{\"x\":\"y\"}"), NULL, &a, &data, NULL);
    e = e != ERR_OK ? e : mapping_compile(&doc, v->first, NULL, &a, &x, NULL);
    struct mapping_event event = {.envelope = &envelope, .data = data};
    struct mapping_scope scope = {.event = &event, .arena = &a};
    e = e != ERR_OK ? e : mapping_eval(x, &scope, &out, NULL);
    arena_deinit(&a);
    return e;
}
TEST(mapping_copes_without_memory)
{
    test_each_failing_alloc(all_of_it, NULL);
}
