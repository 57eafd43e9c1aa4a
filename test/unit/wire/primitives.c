/* Every primitive, in bytes that were worked out by hand, at its boundaries, in both forms. */
#include <string.h>

#include "unit/test.h"
#include "wire/sample.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* Sets one field of a sample to a value and expects its bytes in `version`; then reads them back.
 */
static void expect(const char *field, int16_t version, const struct sample *in, const uint8_t *want,
                   size_t n)
{
    struct wire_field room;
    struct wire_message m = sample_only(field, &room);
    m.tagged = false;
    struct buf out;
    struct arena arena;
    struct ectx ec = {0};
    buf_init(&out, 1 << 20);
    arena_init(&arena, 1 << 20);
    assert_int_equal(wire_encode(&m, version, in, &out, NULL, &ec), ERR_OK);
    if (version > 0) {
        assert_int_equal(out.p[out.n - 1], 0); /* no tagged fields */
        out.n--;
    }
    assert_int_equal(out.n, n);
    assert_memory_equal(out.p, want, n);
    out.n += version > 0;
    struct sample back;
    struct slice s = slice_of(out.p, out.n);
    assert_int_equal(wire_decode(&m, version, &s, &arena, &back, &ec), ERR_OK);
    assert_int_equal(slice_left(&s), 0);
    struct buf again;
    buf_init(&again, 1 << 20);
    assert_int_equal(wire_encode(&m, version, &back, &again, NULL, &ec), ERR_OK);
    assert_int_equal(again.n, out.n);
    assert_memory_equal(again.p, out.p, out.n);
    buf_deinit(&again);
    buf_deinit(&out);
    arena_deinit(&arena);
}

static struct sample fresh(void)
{
    struct sample s;
    wire_init(&sample_type, &s);
    return s;
}

/* Decodes `n` bytes as the only field; returns the error and leaves the value in *out. */
static enum err decode_only(const char *field, int16_t version, const uint8_t *p, size_t n,
                            struct sample *out, struct ectx *ec)
{
    struct wire_field room;
    struct wire_message m = sample_only(field, &room);
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct slice s = slice_of(p, n);
    enum err e = wire_decode(&m, version, &s, &arena, out, ec);
    if (e != ERR_OK) {
        assert_int_equal(arena.used, 0); /* a length that lies never costs memory */
    }
    arena_deinit(&arena);
    return e;
}

/* texts = [null], classic. Memory for the one element is taken before it is read. */
static enum err decode_null_element(void)
{
    struct wire_field room;
    struct wire_message m = sample_only("texts", &room);
    const uint8_t bytes[] = {0, 0, 0, 1, 0xff, 0xff};
    struct arena arena;
    struct sample s;
    arena_init(&arena, 1 << 16);
    struct slice in = slice_of(bytes, sizeof(bytes));
    enum err e = wire_decode(&m, 0, &in, &arena, &s, NULL);
    arena_deinit(&arena);
    return e;
}

TEST(wire_integers_are_big_endian_and_reach_their_limits)
{
    struct sample s = fresh();
    for (int16_t v = 0; v <= 1; v++) {
        s.flag = true;
        expect("flag", v, &s, BYTES(1));
        s.i8 = INT8_MIN;
        expect("i8", v, &s, BYTES(0x80));
        s.i16 = INT16_MIN;
        expect("i16", v, &s, BYTES(0x80, 0));
        s.u16 = UINT16_MAX - 1;
        expect("u16", v, &s, BYTES(0xff, 0xfe));
        s.i32 = INT32_MIN + 1;
        expect("i32", v, &s, BYTES(0x80, 0, 0, 1));
        s.u32 = 0xfffefdfc;
        expect("u32", v, &s, BYTES(0xff, 0xfe, 0xfd, 0xfc));
        s.i64 = INT64_MAX;
        expect("i64", v, &s, BYTES(0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
        s.f64 = -1.5;
        expect("f64", v, &s, BYTES(0xbf, 0xf8, 0, 0, 0, 0, 0, 0));
        s.id = (struct uuid){{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
        expect("id", v, &s, BYTES(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16));
    }
}

TEST(wire_any_byte_but_zero_is_true)
{
    /* Kafka reads booleans so; a stricter reader would refuse its clients */
    struct sample s;
    assert_int_equal(decode_only("flag", 0, BYTES(0x80), &s, NULL), ERR_OK);
    assert_true(s.flag);
    assert_int_equal(decode_only("flag", 0, BYTES(0), &s, NULL), ERR_OK);
    assert_false(s.flag);
}

TEST(wire_strings_classic_and_compact)
{
    struct sample s = fresh();
    s.text = STR_LIT("ab");
    expect("text", 0, &s, BYTES(0, 2, 'a', 'b'));
    expect("text", 1, &s, BYTES(3, 'a', 'b'));
    s.text = STR_LIT("");
    expect("text", 0, &s, BYTES(0, 0));
    expect("text", 1, &s, BYTES(1));
    s.maybe = STR_NULL;
    expect("maybe", 0, &s, BYTES(0xff, 0xff));
    expect("maybe", 1, &s, BYTES(0));
    s.blob = STR_LIT("x");
    expect("blob", 0, &s, BYTES(0, 0, 0, 1, 'x'));
    expect("blob", 1, &s, BYTES(2, 'x'));
    s.blob = STR_NULL;
    expect("blob", 0, &s, BYTES(0xff, 0xff, 0xff, 0xff));
    expect("blob", 1, &s, BYTES(0));
}

TEST(wire_compact_length_takes_a_second_byte_at_127)
{
    /* length + 1 is what is sent: 126 is the longest with one byte */
    char text[127 + 2];
    memset(text, 'z', sizeof(text));
    uint8_t want[sizeof(text)];
    memset(want, 'z', sizeof(want));
    struct sample s = fresh();
    s.text = str_make(text, 126);
    want[0] = 0x7f;
    expect("text", 1, &s, want, 127);
    s.text = str_make(text, 127);
    want[0] = 0x80;
    want[1] = 0x01;
    expect("text", 1, &s, want, 129);
}

TEST(wire_null_where_null_is_not_permitted)
{
    struct sample s;
    struct ectx ec = {0};
    assert_int_equal(decode_only("text", 0, BYTES(0xff, 0xff), &s, &ec), ERR_MALFORMED);
    assert_string_equal(ec.text, "Sample v0: text at byte 2: must not be null");
    assert_int_equal(decode_only("text", 1, BYTES(0, 0), &s, &ec), ERR_MALFORMED);
    assert_int_equal(decode_only("items", 0, BYTES(0xff, 0xff, 0xff, 0xff), &s, &ec),
                     ERR_MALFORMED);
    assert_int_equal(decode_only("one", 0, BYTES(0xff), &s, &ec), ERR_MALFORMED);
    /* the array may be null, its elements may not */
    assert_int_equal(decode_only("texts", 0, BYTES(0xff, 0xff, 0xff, 0xff), &s, &ec), ERR_OK);
    assert_int_equal(s.texts_count, -1);
    assert_int_equal(decode_null_element(), ERR_MALFORMED);
}

TEST(wire_negative_classic_lengths_are_null_as_in_kafka)
{
    struct sample s;
    assert_int_equal(decode_only("maybe", 0, BYTES(0x80, 0), &s, NULL), ERR_OK);
    assert_null(s.maybe.p);
    assert_int_equal(decode_only("blob", 0, BYTES(0x80, 0, 0, 0), &s, NULL), ERR_OK);
    assert_null(s.blob.p);
    assert_int_equal(decode_only("texts", 0, BYTES(0xff, 0xff, 0xff, 0xfe), &s, NULL), ERR_OK);
    assert_int_equal(s.texts_count, -1);
    assert_int_equal(decode_only("records", 0, BYTES(0x80, 0, 0, 0), &s, NULL), ERR_OK);
    assert_int_equal(s.records.n, -1);
}

TEST(wire_lengths_that_lie_are_refused_before_memory_is_taken)
{
    struct sample s;
    struct ectx ec = {0};
    static const struct {
        const char *field;
        int16_t version;
        uint8_t n;
        uint8_t bytes[8];
        enum err want;
    } cases[] = {
        {"text", 0, 3, {0, 2, 'a'}, ERR_TRUNCATED},
        {"text", 0, 1, {0}, ERR_TRUNCATED},
        {"text", 0, 2, {0x7f, 0xff}, ERR_TRUNCATED},
        {"text", 1, 2, {3, 'a'}, ERR_TRUNCATED},
        {"text", 1, 0, {0}, ERR_TRUNCATED},
        {"text", 1, 1, {0x80}, ERR_TRUNCATED},
        {"text", 1, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}, ERR_MALFORMED},       /* 2^32 - 2 */
        {"text", 1, 5, {0x80, 0x80, 0x80, 0x80, 0x08}, ERR_MALFORMED},       /* 2^31 - 1 */
        {"text", 1, 5, {0xff, 0xff, 0xff, 0xff, 0x07}, ERR_MALFORMED},       /* over 32767 */
        {"text", 1, 3, {0x81, 0x80, 0x02}, ERR_MALFORMED},                   /* 32768 */
        {"text", 1, 3, {0x80, 0x80, 0x02}, ERR_TRUNCATED},                   /* 32767: could be */
        {"text", 1, 6, {0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, ERR_MALFORMED}, /* six bytes */
        {"blob", 0, 4, {0x7f, 0xff, 0xff, 0xff}, ERR_TRUNCATED},
        {"blob", 1, 5, {0xff, 0xff, 0xff, 0xff, 0x07}, ERR_TRUNCATED}, /* 2^31 - 2 */
        {"records", 0, 4, {0x7f, 0xff, 0xff, 0xff}, ERR_TRUNCATED},
        {"records", 1, 2, {3, 0}, ERR_TRUNCATED},
        {"items", 0, 4, {0x7f, 0xff, 0xff, 0xff}, ERR_TRUNCATED},
        {"items", 0, 5, {0, 0, 0, 2, 0}, ERR_TRUNCATED},
        {"items", 1, 5, {0xff, 0xff, 0xff, 0xff, 0x07}, ERR_TRUNCATED},
        {"texts", 1, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}, ERR_MALFORMED},
        {"i32", 0, 3, {0, 0, 0}, ERR_TRUNCATED},
        {"id", 0, 8, {0}, ERR_TRUNCATED},
        {"one", 1, 0, {0}, ERR_TRUNCATED},
        {"i8", 1, 1, {0}, ERR_TRUNCATED}, /* no count of tagged fields */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum err e =
            decode_only(cases[i].field, cases[i].version, cases[i].bytes, cases[i].n, &s, &ec);
        if (e != cases[i].want) {
            fail_msg("case %zu: %s", i, err_name(e));
        }
        assert_int_equal(ec.code, e);
    }
}

TEST(wire_arrays_null_empty_and_nested)
{
    struct sample s = fresh();
    int32_t numbers[] = {1, -1};
    struct sample_item items[] = {{STR_LIT("a"), numbers, 2}, {STR_LIT(""), NULL, 0}};
    struct str texts[] = {STR_LIT("x"), STR_LIT("")};
    s.items = items;
    s.items_count = 2;
    expect("items", 0, &s,
           BYTES(0, 0, 0, 2, 0, 1, 'a', 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
                 0, 0));
    expect("items", 1, &s, BYTES(3, 2, 'a', 3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 1, 1, 0));
    s.texts = texts;
    s.texts_count = 2;
    expect("texts", 0, &s, BYTES(0, 0, 0, 2, 0, 1, 'x', 0, 0));
    expect("texts", 1, &s, BYTES(3, 2, 'x', 1));
    s.texts_count = 0;
    expect("texts", 1, &s, BYTES(1));
    s.texts_count = -1;
    expect("texts", 0, &s, BYTES(0xff, 0xff, 0xff, 0xff));
    expect("texts", 1, &s, BYTES(0));
    s.one = &items[1];
    expect("one", 0, &s, BYTES(1, 0, 0, 0, 0, 0, 0));
    expect("one", 1, &s, BYTES(1, 1, 1, 0));
    s.one = NULL;
    expect("one", 1, &s, BYTES(0xff));
}

TEST(wire_errors_name_the_path_and_the_byte)
{
    struct ectx ec = {0};
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct wire_field room;
    struct wire_message m = sample_only("items", &room);
    struct sample out;
    const uint8_t bytes[] = {0, 0, 0, 2, 0, 1, 'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9};
    struct slice s = slice_of(bytes, sizeof(bytes));
    assert_int_equal(wire_decode(&m, 0, &s, &arena, &out, &ec), ERR_TRUNCATED);
    assert_string_equal(ec.text,
                        "Sample v0: items[1].numbers at byte 17: more elements than the bytes "
                        "that are left could hold");
    s = slice_of(bytes, sizeof(bytes));
    assert_int_equal(wire_decode(&m, 3, &s, &arena, &out, &ec), ERR_UNSUPPORTED_VERSION);
    assert_string_equal(ec.text, "Sample v3: no such version");
    assert_int_equal(wire_decode(&m, -1, &s, &arena, &out, &ec), ERR_UNSUPPORTED_VERSION);
    arena_deinit(&arena);
}
