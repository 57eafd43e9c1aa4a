/* Records that are kept although not all of them can be read; what an envelope owns and promises.
 */
#include "envelope/envelope.h"
#include "record/builder.h"
#include "test.h"

static void record_of(const struct record_header *headers, size_t count, struct buf *b,
                      struct record *out)
{
    struct batch_builder builder;
    struct batch_spec spec;
    struct batch_header h;
    struct record_iter it;
    batch_spec_init(&spec);
    buf_init(b, 1 << 16);
    batch_builder_init(&builder, 1 << 16);
    assert_int_equal(
        batch_builder_append(&builder, 5, STR_LIT("order-1"), STR_LIT("DATA"), headers, count),
        ERR_OK);
    assert_int_equal(batch_builder_finish(&builder, &spec, NULL, b, NULL), ERR_OK);
    batch_builder_deinit(&builder);
    assert_int_equal(batch_header_parse(b->p, b->n, &h, NULL), ERR_OK);
    assert_int_equal(record_iter_init(&it, &h, b->p, NULL, SIZE_MAX, NULL), ERR_OK);
    assert_true(record_next(&it, out));
}

TEST(what_can_be_read_of_a_malformed_record_is_kept)
{
    const struct record_header headers[] = {
        {STR_LIT("ce_specversion"), STR_LIT("0.3")},
        {STR_LIT("ce_type"), STR_LIT("Placed")},
        {STR_LIT("ce_time"), STR_LIT("yesterday")},
        {STR_LIT("ce_traceparent"), STR_LIT("bad")},
        {STR_LIT("ce_color"), STR_LIT("\xC3")},
        {STR_LIT("ce_shape"), STR_LIT("round")},
        {STR_LIT("x-correlation-id"), STR_LIT("a\nb")},
        {STR_LIT("content-type"), STR_LIT("text/plain")},
    };
    struct buf b;
    struct record r;
    struct arena a;
    struct envelope e;
    enum envelope_form form;
    struct str data;
    arena_init(&a, 1 << 16);
    record_of(headers, ARRAY_LEN(headers), &b, &r);
    assert_int_equal(envelope_read_record(&r, &a, &e, &data, &form, NULL), ERR_MALFORMED);
    envelope_read_what_can(&r, &a, &e);
    assert_true(str_eq_z(e.type, "Placed") && str_eq_z(e.content_type, "text/plain"));
    assert_true(e.time_ns == INT64_MIN && str_is_null(e.traceparent));
    assert_true(str_is_null(e.correlation) && str_is_null(e.id));
    assert_int_equal(e.other_count, 1);
    assert_true(str_eq_z(e.other[0].name, "shape") && str_eq_z(e.other[0].value, "round"));
    buf_deinit(&b);
    arena_deinit(&a);
}

TEST(an_envelope_knows_the_headers_that_it_writes)
{
    static const char *const own[] = {"ce_id", "CE_anything", "Content-Type", "traceparent",
                                      "TraceState"};
    static const char *const others[] = {"ce_",    "ce-id",          "content-type;x",
                                         "leat-x", "correlation-id", ""};
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        assert_true(envelope_owns_header(str_of(own[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(envelope_owns_header(str_of(others[i])));
    }
}

TEST(data_is_json_where_its_content_type_promises_it)
{
    static const struct {
        const char *type, *data;
        bool good;
    } rows[] = {
        {"application/json", "{\"a\":1}", true},
        {"application/json", "", true}, /* no data */
        {"application/json", NULL, true},
        {"application/json", "plain", false},
        {"Application/JSON; charset=utf-8", "plain", false},
        {"application/vnd.order+json", "{\"a\":}", false},
        {"text/plain", "plain", true},
        {NULL, "plain", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct envelope e;
        struct ectx ec = {.code = ERR_OK};
        envelope_init(&e);
        e.content_type = str_of(rows[i].type);
        const enum err err = envelope_check_data(&e, str_of(rows[i].data), "value", &ec);
        assert_int_equal(err, rows[i].good ? ERR_OK : ERR_MALFORMED);
        assert_true(rows[i].good || str_starts(str_of(ec.text), "value: is no JSON"));
    }
}

TEST(a_suffix_that_is_too_long_for_a_version_is_none)
{
    /* Else what is written could not be read back. */
    char type[128] = "T.v";
    for (size_t digits = 63; digits <= 66; digits++) {
        struct envelope e;
        const struct envelope_defaults none = {.time_ns = 0};
        memset(type + 3, '1', digits);
        type[3 + digits] = '\0';
        envelope_init(&e);
        e.type = str_of(type);
        envelope_complete(&e, &none);
        assert_int_equal(e.version.n, digits <= 64 ? digits : 0);
    }
}
