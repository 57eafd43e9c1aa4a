/* Writing: what is written reads back to the same, whatever the text holds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "json/json.h"

static const char *text_of(struct buf *b)
{
    buf_put_u8(b, 0);
    return (const char *)b->p;
}

TEST(values_are_written_with_their_commas)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, 4096);
    json_write_init(&w, &b);
    json_write_begin(&w, '{');
    json_write_name(&w, "a");
    json_write_begin(&w, '[');
    json_write_i64(&w, INT64_MIN);
    json_write_u64(&w, UINT64_MAX);
    json_write_f64(&w, 0.1);
    json_write_bool(&w, true);
    json_write_bool(&w, false);
    json_write_null(&w);
    json_write_raw(&w, STR_LIT("{\"x\": 1.0}"));
    json_write_begin(&w, '[');
    json_write_end(&w, ']');
    json_write_begin(&w, '{');
    json_write_end(&w, '}');
    json_write_z(&w, "z");
    json_write_str(&w, STR_NULL);
    json_write_z(&w, NULL);
    json_write_str(&w, STR_LIT(""));
    json_write_end(&w, ']');
    json_write_name_str(&w, STR_LIT("q\"\n"));
    json_write_str(&w, STR_LIT("\"\\/\b\f\n\r\t\x01"));
    json_write_member_str(&w, "s", STR_LIT("t"));
    json_write_member_i64(&w, "i", -5);
    json_write_member_bool(&w, "b", true);
    json_write_end(&w, '}');
    assert_string_equal(text_of(&b),
                        "{\"a\":[-9223372036854775808,18446744073709551615,0.1,true,false,null,"
                        "{\"x\": 1.0},[],{},\"z\",null,null,\"\"],\"q\\\"\\n\":"
                        "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\",\"s\":\"t\",\"i\":-5,\"b\":true}");
    assert_true(json_valid(str_of((const char *)b.p)));
    buf_deinit(&b);
}

TEST(doubles_are_written_as_short_as_they_read_back)
{
    static const struct {
        double v;
        const char *text;
    } rows[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {12.5, "12.5"},
        {3450, "3450"}, /* was 3.45e+03 */
        {-100, "-100"},
        {1e16, "10000000000000000"},
        {12345678901234568e0, "12345678901234568"},
        {1e17, "1e+17"},
        {0.001, "0.001"},
        {0.0000125, "0.0000125"},
        {1234.5678, "1234.5678"},
        {1e21, "1e+21"},
        {1e-7, "1e-07"},
        {123456789, "123456789"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
        {NAN, "null"},
    };
    struct buf b;
    struct json_writer w;
    buf_init(&b, 4096);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&b);
        json_write_init(&w, &b);
        json_write_f64(&w, rows[i].v);
        assert_string_equal(text_of(&b), rows[i].text);
        assert_true(json_valid(str_of((const char *)b.p)));
    }
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        double v, back;
        random = random * 6364136223846793005u + 1442695040888963407u;
        memcpy(&v, &random, sizeof(v));
        if (i % 2 == 1) { /* one as people have them */
            v = (double)(int64_t)random / pow(10, (int)(random % 24));
        }
        if (!isfinite(v)) {
            continue;
        }
        buf_clear(&b);
        json_write_init(&w, &b);
        json_write_f64(&w, v);
        back = strtod(text_of(&b), NULL);
        assert_memory_equal(&v, &back, sizeof(v));
        assert_true(json_valid(str_of((const char *)b.p)));
    }
    buf_deinit(&b);
}

TEST(every_character_is_written_so_that_it_reads_back)
{
    struct buf b;
    struct arena a;
    struct json_writer w;
    buf_init(&b, 4 << 20);
    arena_init(&a, 64 << 20);
    for (uint32_t first = 0; first < 0x110000; first += 0x1000) {
        char text[4 * 0x1000];
        size_t n = 0;
        for (uint32_t c = first; c < first + 0x1000; c++) {
            if (c >= 0xD800 && c <= 0xDFFF) {
                continue;
            }
            static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
            unsigned size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
            for (unsigned i = 0; i < size; i++) {
                unsigned shift = 6 * (size - 1 - i);
                text[n++] =
                    (char)(i == 0 ? lead[size] | (c >> shift) : 0x80 | ((c >> shift) & 0x3F));
            }
        }
        struct str s = str_make(text, n);
        struct json *v;
        struct ectx ec = {0};
        buf_clear(&b);
        arena_reset(&a, 1 << 20);
        json_write_init(&w, &b);
        json_write_str(&w, s);
        assert_false(buf_failed(&b));
        assert_int_equal(json_parse(buf_str(&b), NULL, &a, &v, &ec), ERR_OK);
        assert_true(str_eq(v->string, s));
    }
    /* what is no UTF-8 becomes U+FFFD, byte by byte */
    buf_clear(&b);
    json_write_init(&w, &b);
    json_write_str(&w, STR_LIT("a\xFF\xC3z"));
    assert_string_equal(text_of(&b), "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\"");
    buf_deinit(&b);
    arena_deinit(&a);
}

TEST(a_full_buffer_fails_and_is_never_overrun)
{
    for (size_t max = 0; max < 40; max++) {
        struct buf b;
        struct json_writer w;
        buf_init(&b, max);
        json_write_init(&w, &b);
        json_write_begin(&w, '{');
        json_write_member_str(&w, "name", STR_LIT("a value \n of text"));
        json_write_end(&w, '}');
        assert_int_equal(buf_failed(&b), max < 29);
        assert_true(b.n <= max);
        buf_deinit(&b);
    }
}
