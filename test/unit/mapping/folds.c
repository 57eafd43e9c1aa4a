/* Folds: events of a stream become its state, and nothing half-way. */
#include <stdio.h>

#include "common.h"

#include "core/compiler.h"

#define FOLD                                                                                      \
    "{\"fold\":\"order\",\"category\":\"order\",\"initial\":{\"status\":\"new\",\"n\":1.50},"     \
    "\"maps\":[{\"type\":\"OrderPlaced\",\"set\":{\"/status\":\"'placed'\",\"/by/name\":\"/data/" \
    "name\"},"                                                                                    \
    "\"increment\":{\"/total\":\"/data/price\"},\"append\":{\"/history\":\"$type\"},"             \
    "\"remove\":[\"/draft\",\"/no/such\"]},"                                                      \
    "{\"type\":\"ItemsAdded\",\"each\":\"/data/items\",\"when\":\"@/n > 0\","                     \
    "\"increment\":{\"/lines/{@/sku}/n\":\"@/n\"},\"append\":{\"/seen\":\"@\"}}]}"

struct step {
    const char *type, *data;
};

static const char *folded(const char *from, const struct step *steps, size_t count, char *out,
                          size_t size)
{
    struct bench b;
    bench_init(&b, FOLD, "x", NULL);
    struct mapping_fold *f = NULL;
    struct mapping_state s;
    enum err e = mapping_fold_compile(&b.doc, b.root, &b.arena, &f, &b.ec);
    assert_int_equal(e, ERR_OK);
    assert_int_equal(mapping_state_init(f, str_of(from), &b.arena, &s, &b.ec), ERR_OK);
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        struct json *data = NULL;
        char text[256];
        snprintf(text, sizeof(text), "%s", steps[i].data);
        struct arena a;
        arena_init(&a, 1u << 20);
        assert_int_equal(json_parse(str_of(text), NULL, &a, &data, &b.ec), ERR_OK);
        b.event.data = data;
        b.envelope.type = str_of(steps[i].type);
        e = mapping_fold_apply(f, &s, &b.event, &b.ec);
        memset(text, 'x', sizeof(text)); /* nothing of the event is kept */
        arena_deinit(&a);
    }
    struct buf buf;
    buf_init(&buf, 1u << 20);
    if (e != ERR_OK) {
        snprintf(out, size, "%s", b.ec.text);
    } else {
        mapping_state_write(&s, &buf);
        assert_false(buf_failed(&buf));
        snprintf(out, size, "%.*s", STR(buf_str(&buf)));
    }
    buf_deinit(&buf);
    bench_deinit(&b);
    return out;
}

TEST(mapping_fold_of_a_stream)
{
    static const struct step steps[] = {
        {"OrderPlaced.v1", "{\"price\":5,\"name\":\"A\\\"b\"}"},
        {"Other", "{}"},
        {"ItemsAdded", "{\"items\":[{\"sku\":\"x/y\",\"n\":2},{\"sku\":\"z\",\"n\":0},{\"sku\":\"x/"
                       "y\",\"n\":3}]}"},
        {"OrderPlaced", "{\"price\":0.5}"},
    };
    char got[1024];
    assert_string_equal(folded(NULL, steps, 4, got, sizeof(got)),
                        "{\"status\":\"placed\",\"n\":1.50,\"by\":{\"name\":null},\"total\":5.5,"
                        "\"history\":[\"OrderPlaced.v1\",\"OrderPlaced\"],"
                        "\"lines\":{\"x/y\":{\"n\":5}},"
                        "\"seen\":[{\"sku\":\"x/y\",\"n\":2},{\"sku\":\"x/y\",\"n\":3}]}");
}

/* A snapshot and the rest give the same as everything. */
TEST(mapping_fold_goes_on_from_a_snapshot)
{
    static const struct step steps[] = {
        {"OrderPlaced", "{\"price\":5,\"name\":\"a\"}"},
        {"ItemsAdded", "{\"items\":[{\"sku\":\"x\",\"n\":2}]}"},
        {"OrderPlaced", "{\"price\":7,\"name\":\"b\"}"},
    };
    char all[1024];
    folded(NULL, steps, 3, all, sizeof(all));
    for (size_t cut = 0; cut <= 3; cut++) {
        char part[1024];
        char rest[1024];
        folded(NULL, steps, cut, part, sizeof(part));
        assert_string_equal(folded(part, steps + cut, 3 - cut, rest, sizeof(rest)), all);
    }
}

TEST(mapping_fold_refuses_an_event_that_does_not_fit)
{
    char got[1024];
    struct step steps[] = {{"OrderPlaced", "{\"price\":\"x\"}"}};
    assert_string_equal(folded(NULL, steps, 1, got, sizeof(got)),
                        "increment of /total: the value is text, and a number is needed");
    assert_string_equal(folded("{\"by\":5}", (struct step[]){{"OrderPlaced", "{\"price\":1}"}}, 1,
                               got, sizeof(got)),
                        "/by/name: there is no object on the way");
    assert_string_equal(folded("{\"history\":5}", (struct step[]){{"OrderPlaced", "{\"price\":1}"}},
                               1, got, sizeof(got)),
                        "append to /history: no array is there");
    assert_string_equal(
        folded(NULL, (struct step[]){{"ItemsAdded", "{\"items\":5}"}}, 1, got, sizeof(got)),
        "/data/items is no array, and `each` needs one");
}

/* Another fold is another schema: its snapshots are not taken for ours. */
TEST(mapping_fold_schema_follows_its_rules)
{
    static const char *const texts[] = {
        "{\"fold\":\"f\",\"category\":\"c\",\"maps\":[{\"type\":\"*\",\"increment\":{\"/n\":1}}]}",
        "{\"fold\":\"f\",\"category\":\"c\",\"maps\":[{\"type\":\"*\",\"increment\":{\"/n\":2}}]}",
        ("{\"fold\":\"f\",\"category\":\"c\",\"initial\":{\"n\":1},"
         "\"maps\":[{\"type\":\"*\",\"increment\":{\"/n\":1}}]}")};
    char tags[3][64];
    for (size_t i = 0; i < 3; i++) {
        struct bench b;
        bench_init(&b, texts[i], "x", NULL);
        struct mapping_fold *f = NULL;
        assert_int_equal(mapping_fold_compile(&b.doc, b.root, &b.arena, &f, &b.ec), ERR_OK);
        const struct str tag = mapping_fold_tag(f, mapping_fold_digest(f, NULL), &b.arena);
        snprintf(tags[i], sizeof(tags[i]), "%.*s", STR(tag));
        bench_deinit(&b);
    }
    assert_string_not_equal(tags[0], tags[1]);
    assert_string_not_equal(tags[0], tags[2]);
    assert_string_equal(tags[0], "f-62c1ddec259c6222"); /* the same in every process */
}

TEST(mapping_fold_errors_have_places)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"{\"category\":\"c\",\"maps\":[]}", "orders.yaml:1:1: 'fold' is missing"},
        {"{\"fold\":\"f\",\"category\":\"c\",\"maps\":[]}",
         "orders.yaml:1:35: 'maps' must be a list of rules, at least one"},
        {"{\"fold\":\"f\",\"category\":\"c\",\"maps\":[{\"set\":{}}]}",
         "orders.yaml:1:36: this rule has no 'type'"},
        {"{\"fold\":\"f\",\"category\":\"c\",\"maps\":[{\"type\":\"A\",\"set\":{\"n\":1}}]}",
         "orders.yaml:1:59: 'n' is no place: expected a pointer, as /total"},
        {"{\"fold\":\"f\",\"category\":\"c\",\"maps\":[{\"type\":\"A\",\"set\":{\"/n\":\"@/x\"}}]}",
         "orders.yaml:1:60: '@' is the element of `each`, and there is no `each` here"},
        {"{\"fold\":\"f\",\"category\":\"c\",\"maps\":[{\"type\":\"A\",\"each\":\"1\"}]}",
         "orders.yaml:1:55: `each` must be a pointer to an array (/data/items)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;
        bench_init(&b, cases[i].text, "x", NULL);
        struct mapping_fold *f = NULL;
        assert_int_equal(mapping_fold_compile(&b.doc, b.root, &b.arena, &f, &b.ec), ERR_CONFIG);
        assert_string_equal(b.ec.text, cases[i].error);
        bench_deinit(&b);
    }
}

static enum err fold_once(void *ctx)
{
    (void)ctx;
    struct arena a;
    arena_init(&a, 1u << 20);
    struct json *v = NULL;
    struct json *data = NULL;
    struct mapping_doc doc = {.file = "x"};
    struct envelope envelope;
    envelope_init(&envelope);
    envelope.type = STR_LIT("ItemsAdded");
    struct mapping_fold *f = NULL;
    struct mapping_state s;
    enum err e = json_parse(STR_LIT(FOLD), NULL, &a, &v, NULL);
    e = e != ERR_OK
            ? e
            : json_parse(STR_LIT("{\"items\":[{\"sku\":\"x\",\"n\":2}]}"), NULL, &a, &data, NULL);
    e = e != ERR_OK ? e : mapping_fold_compile(&doc, v, &a, &f, NULL);
    e = e != ERR_OK ? e : mapping_state_init(f, STR_NULL, &a, &s, NULL);
    struct mapping_event event = {.envelope = &envelope, .data = data};
    e = e != ERR_OK ? e : mapping_fold_apply(f, &s, &event, NULL);
    arena_deinit(&a);
    return e;
}
TEST(mapping_fold_copes_without_memory)
{
    test_each_failing_alloc(fold_once, NULL);
}
