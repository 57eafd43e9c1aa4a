/* Upcasts: chains to the newest form, splits, renamed types; twice is once. */
#include <stdio.h>

#include "common.h"

#include "core/compiler.h"

#define UPCASTS                                                                                    \
    "{\"upcasts\":["                                                                               \
    "{\"from\":\"OrderPlaced.v1\",\"to\":\"OrderPlaced.v2\",\"rename\":{\"/data/"                  \
    "customer\":\"customer_id\"},"                                                                 \
    "\"move\":{\"/data/city\":\"/data/address/city\"},\"default\":{\"/data/currency\":\"'EUR'\"}," \
    "\"set\":{\"/data/total\":\"/data/price * /data/quantity\"},\"remove\":[\"/data/legacy\"]},"   \
    "{\"from\":\"OrderPlaced.v2\",\"split\":["                                                     \
    "{\"to\":\"OrderAccepted.v1\",\"remove\":[\"/data/payment\"]},"                                \
    "{\"to\":\"PaymentRequested.v1\",\"when\":\"exists(/data/payment)\",\"pick\":[\"/data/"        \
    "payment\",\"/data/no\"]}]},"                                                                  \
    "{\"from\":\"Bare\",\"to\":\"Bare.v1\"}]}"

static const char *upcast(const char *type, const char *version, const char *data, char *out,
                          size_t size)
{
    struct bench b;
    bench_init(&b, UPCASTS, type, data);
    b.envelope.version = str_of(version);
    struct mapping_upcasts *u = NULL;
    assert_int_equal(mapping_upcasts_compile(&b.doc, b.root, &b.arena, &u, &b.ec), ERR_OK);
    struct mapping_upcasted *made = NULL;
    size_t count = 0;
    size_t n = 0;
    out[0] = 0;
    if (mapping_upcast(u, &b.event, &b.arena, &made, &count, &b.ec) != ERR_OK) {
        snprintf(out, size, "%s", b.ec.text);
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(made[i].index, i);
        n += (size_t)snprintf(out + n, size - n, "%.*s/%.*s %.*s\n", STR(made[i].type),
                              STR(made[i].version), STR(made[i].data));
    }
    bench_deinit(&b);
    return out;
}

TEST(mapping_upcast_follows_the_chain)
{
    char got[1024];
    assert_string_equal(
        upcast("OrderPlaced.v1", "1",
               "{\"customer\":\"c\",\"city\":\"Delft\",\"price\":2,\"quantity\":3,\"legacy\":1,"
               "\"payment\":{\"card\":\"x\"}}",
               got, sizeof(got)),
        "OrderAccepted.v1/1 {\"price\":2,\"quantity\":3,\"customer_id\":\"c\","
        "\"address\":{\"city\":\"Delft\"},\"currency\":\"EUR\",\"total\":6}\n"
        "PaymentRequested.v1/1 {\"payment\":{\"card\":\"x\"}}\n");
    assert_string_equal(upcast("OrderPlaced.v2", "2", "{\"a\":1}", got, sizeof(got)),
                        "OrderAccepted.v1/1 {\"a\":1}\n");
    /* A version beside the type stays beside it. */
    assert_string_equal(upcast("OrderPlaced", "2", "{\"a\":1}", got, sizeof(got)),
                        "OrderAccepted/1 {\"a\":1}\n");
    assert_string_equal(upcast("Bare", NULL, "{}", got, sizeof(got)), "Bare.v1/1 {}\n");
}

static bool is_named(const void *ctx, const struct envelope *form)
{
    return str_eq_z(form->type, ctx);
}

static bool leads(const char *type, const char *version, const char *to)
{
    struct bench b;
    bench_init(&b, UPCASTS, type, "{}");
    b.envelope.version = str_of(version);
    struct mapping_upcasts *u = NULL;
    assert_int_equal(mapping_upcasts_compile(&b.doc, b.root, &b.arena, &u, &b.ec), ERR_OK);
    const bool yes = mapping_upcasts_lead(u, &b.envelope, is_named, to);
    bench_deinit(&b);
    return yes;
}

TEST(mapping_upcast_tells_what_may_come_of_a_type)
{
    assert_true(leads("OrderPlaced.v1", "1", "OrderAccepted.v1"));
    assert_true(leads("OrderPlaced.v1", "1", "PaymentRequested.v1"));
    assert_true(leads("OrderPlaced", "1", "PaymentRequested"));
    assert_true(leads("OrderPlaced.v1", "1", "OrderPlaced.v1"));  /* nothing may come of it */
    assert_false(leads("OrderPlaced.v1", "1", "OrderPlaced.v2")); /* not the newest */
    assert_false(leads("OrderPlaced.v1", "1", "Bare.v1"));
    assert_true(leads("Bare", NULL, "Bare.v1"));
    assert_false(leads("Bare.v1", "1", "OrderAccepted.v1"));
}

/* What is in its newest form stays as it is, byte for byte. */
TEST(mapping_upcast_twice_is_once)
{
    char got[1024];
    assert_string_equal(upcast("OrderAccepted.v1", "1", "{\"a\":1}", got, sizeof(got)), "");
    assert_string_equal(upcast("PaymentRequested.v1", "1", "{}", got, sizeof(got)), "");
    assert_string_equal(upcast("Bare.v1", "1", "{}", got, sizeof(got)), "");
    assert_string_equal(upcast("Unknown", NULL, "{}", got, sizeof(got)), "");
}

TEST(mapping_upcast_says_why_it_cannot)
{
    char got[1024];
    assert_string_equal(upcast("OrderPlaced.v1", "1", "{\"price\":2}", got, sizeof(got)),
                        "upcast from OrderPlaced.v1 to OrderPlaced.v2: /data/quantity is not there,"
                        " and a number is needed");
    assert_string_equal(upcast("OrderPlaced.v1", "1", NULL, got, sizeof(got)),
                        "the data of this event is no JSON, so it cannot be brought into its newest"
                        " form");
}

/* Every time, so it is no lack of memory, after which somebody would try again for ever. */
TEST(mapping_upcast_to_a_text_that_is_too_large_says_so)
{
    struct bench b;
    struct mapping_upcasts *u = NULL;
    struct mapping_upcasted *made = NULL;
    size_t count = 0;
    static char data[(3u << 19) + 16] = "{\"a\":\"";
    memset(data + 6, 'a', 3u << 19);
    memcpy(data + 6 + (3u << 19), "\"}", 3);
    bench_init(&b,
               "{\"upcasts\":[{\"from\":\"A.v1\",\"to\":\"A.v2\",\"set\":{\"/data/x\":"
               "\"'{/data/a}{/data/a}{/data/a}'\"}}]}",
               "A.v1", data);
    b.arena.budget = 64u << 20;
    assert_int_equal(mapping_upcasts_compile(&b.doc, b.root, &b.arena, &u, &b.ec), ERR_OK);
    assert_int_equal(mapping_upcast(u, &b.event, &b.arena, &made, &count, &b.ec), ERR_MALFORMED);
    assert_string_equal(b.ec.text,
                        "upcast from A.v1 to A.v2: a text of more than 4194304 bytes, as JSON");
    bench_deinit(&b);
}

TEST(mapping_upcast_errors_have_places)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"{\"upcasts\":[{\"from\":\"A.v1\",\"to\":\"A.v2\"},{\"from\":\"A.v2\",\"to\":\"A.v1\"}]}",
         "orders.yaml:1:13: the steps from 'A.v1' lead back to it: A.v1 -> A.v2 -> A.v1"},
        {"{\"upcasts\":[{\"from\":\"A.v1\",\"to\":\"A.v1\"}]}",
         "orders.yaml:1:13: the steps from 'A.v1' lead back to it"},
        {"{\"upcasts\":[{\"from\":\"A.v1\",\"to\":\"A.v2\"},{\"from\":\"A.v1\",\"to\":\"A.v3\"}]}",
         "orders.yaml:1:49: a second step from 'A.v1'"},
        {"{\"upcasts\":[{\"from\":\"A.v1\"}]}", "orders.yaml:1:13: 'to' is missing"},
        {"{\"upcasts\":[{\"from\":\"A.v1\",\"to\":\"A.v2\",\"rename\":{\"/data/x\":\"/data/y\"}}]}",
         "orders.yaml:1:60: rename: '/data/y' is no name"},
        {"{\"upcasts\":[{\"from\":\"A.v1\",\"to\":\"A.v2\",\"set\":{\"/total\":1}}]}",
         "orders.yaml:1:13: '/total' is no place in an event: it must begin with /data/"},
        {"{\"upcasts\":[{\"from\":\"*\",\"to\":\"A.v2\"}]}",
         "orders.yaml:1:21: 'from' must name one type"},
        {"{\"upcasts\":[{\"from\":\"A.v1\",\"too\":\"A.v2\"}]}",
         "orders.yaml:1:34: 'too' is not known in an upcast"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b;
        bench_init(&b, cases[i].text, "x", NULL);
        struct mapping_upcasts *u = NULL;
        assert_int_equal(mapping_upcasts_compile(&b.doc, b.root, &b.arena, &u, &b.ec), ERR_CONFIG);
        assert_string_equal(b.ec.text, cases[i].error);
        bench_deinit(&b);
    }
}

static enum err upcast_once(void *ctx)
{
    (void)ctx;
    struct arena a;
    arena_init(&a, 1u << 20);
    struct json *v = NULL;
    struct json *data = NULL;
    struct mapping_doc doc = {.file = "x"};
    struct envelope envelope;
    envelope_init(&envelope);
    envelope.type = STR_LIT("OrderPlaced.v1");
    struct mapping_upcasts *u = NULL;
    struct mapping_upcasted *made = NULL;
    size_t count = 0;
    enum err e = json_parse(STR_LIT(UPCASTS), NULL, &a, &v, NULL);
    e = e != ERR_OK ? e
                    : json_parse(STR_LIT("{\"price\":2,\"quantity\":3,\"payment\":1}"), NULL, &a,
                                 &data, NULL);
    e = e != ERR_OK ? e : mapping_upcasts_compile(&doc, v, &a, &u, NULL);
    struct mapping_event event = {.envelope = &envelope, .data = data};
    e = e != ERR_OK ? e : mapping_upcast(u, &event, &a, &made, &count, NULL);
    arena_deinit(&a);
    return e;
}
TEST(mapping_upcast_copes_without_memory)
{
    test_each_failing_alloc(upcast_once, NULL);
}
