/* core/str, err, utf8, uuid, log: text in and out, and what a peer's bytes cannot do to it. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/utf8.h"
#include "core/uuid.h"
#include "test.h"

TEST(str_numbers_are_whole_or_refused)
{
    /* A number with anything beside it, or too big, is not a number. */
    int64_t i = 42;
    uint64_t u = 42;
    double f = 42;
    static const char *const bad[] = {"",   "-",  "+1",  " 1",
                                      "1 ", "1x", "0x1", "99999999999999999999"};
    for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
        assert_false(str_to_i64(str_of(bad[k]), &i));
        assert_false(str_to_u64(str_of(bad[k]), &u));
    }
    assert_int_equal(i, 42);
    assert_int_equal(u, 42);
    assert_true(str_to_i64(STR_LIT("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_false(str_to_i64(STR_LIT("-9223372036854775809"), &i));
    assert_false(str_to_i64(STR_LIT("9223372036854775808"), &i));
    assert_true(str_to_u64(STR_LIT("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(str_to_u64(STR_LIT("18446744073709551616"), &u));
    static const char *const bad_f[] = {"",    "-",   ".",     "1.",    ".5", "1e",
                                        "nan", "inf", "0x1p3", "1e999", " 1", "1\0"};
    for (size_t k = 0; k < ARRAY_LEN(bad_f); k++) {
        assert_false(str_to_f64(str_of(bad_f[k]), &f) && f != 1.0);
    }
    assert_true(str_to_f64(STR_LIT("-2.5e1"), &f) && f == -25.0);
    assert_false(str_to_f64(STR_LIT("1\0002"), &f));
}

TEST(str_cutting_trimming_comparing)
{
    struct str rest;
    assert_true(str_eq_z(str_cut(STR_LIT("a,b,c"), ',', &rest), "a"));
    assert_true(str_eq_z(rest, "b,c"));
    assert_true(str_eq_z(str_cut(STR_LIT("a"), ',', &rest), "a"));
    assert_true(str_is_null(rest));
    assert_true(str_eq_z(str_cut(STR_LIT("a,"), ',', &rest), "a"));
    assert_false(str_is_null(rest));
    assert_true(str_eq_z(str_trim(STR_LIT(" \t a b\r\n")), "a b"));
    assert_int_equal(str_trim(STR_LIT("   ")).n, 0);
    assert_true(str_cmp(STR_LIT("a"), STR_LIT("ab")) < 0);
    assert_true(str_cmp(STR_LIT("b"), STR_LIT("ab")) > 0);
    assert_true(str_cmp(STR_NULL, STR_LIT("")) == 0);
    assert_true(str_cmp(STR_LIT("\xff"), STR_LIT("a")) > 0);
    assert_true(str_starts(STR_LIT("abc"), "ab") && !str_starts(STR_LIT("a"), "ab"));
    assert_true(str_ends(STR_LIT("abc"), "bc") && !str_ends(STR_LIT("c"), "bc"));
    char *z = str_dup_z(STR_LIT("abc"));
    assert_string_equal(z, "abc");
    mem_free(z);
    test_fail_alloc(1);
    assert_null(str_dup_z(STR_LIT("abc")));
    test_fail_alloc_end();
}

TEST(ectx_is_cut_never_overrun)
{
    /* Text of any length fits; a wrap keeps the outer words; NULL is accepted everywhere. */
    struct ectx ec;
    char big[1000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(ectx_fail(&ec, ERR_IO, "%s", big), ERR_IO);
    assert_int_equal(strlen(ec.text), sizeof(ec.text) - 1);
    assert_int_equal(ectx_wrap(&ec, ERR_IO, "opening"), ERR_IO);
    assert_memory_equal(ec.text, "opening: xxx", 12);
    assert_int_equal(strlen(ec.text), sizeof(ec.text) - 1);
    ectx_hint(&ec, "%s", big);
    assert_int_equal(strlen(ec.hint), sizeof(ec.hint) - 1);
    ectx_fail(&ec, ERR_NOT_FOUND, "no '%s'", "a");
    assert_string_equal(ec.hint, "");
    ectx_fail(&ec, ERR_NOT_FOUND, "twice %s", ec.text);
    assert_string_equal(ec.text, "twice no 'a'");
    assert_int_equal(ectx_fail(NULL, ERR_IO, "x"), ERR_IO);
    assert_int_equal(ectx_wrap(NULL, ERR_IO, "x"), ERR_IO);
    ectx_hint(NULL, "x");
}

TEST(err_table_has_kafkas_numbers)
{
    assert_int_equal(err_kafka(ERR_OK), 0);
    assert_int_equal(err_kafka(ERR_UNKNOWN_TOPIC_OR_PARTITION), 3);
    assert_int_equal(err_kafka(ERR_FETCH_SESSION_TOPIC_ID_ERROR), 106);
    assert_int_equal(err_http(ERR_NOT_FOUND), 404);
    assert_string_equal(err_name(ERR_NO_SPACE), "ERR_NO_SPACE");
    for (int e = 0; e < ERR_COUNT; e++) {
        assert_true(strlen(err_text((enum err)e)) > 0);
    }
}

TEST(utf8_accepts_exactly_rfc_3629)
{
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\x80",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "12345678\xc3\xa4"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc3",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe2\x82",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xff",
                                      "12345678\xff",
                                      "\xc3("};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(utf8_valid(str_of(good[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(utf8_valid(str_of(bad[i])));
    }
}

static void check_escape(const char *in, size_t n, const char *plain, const char *json)
{
    struct buf b;
    buf_init(&b, 1000);
    utf8_escape(&b, (struct str){in, n});
    buf_put_u8(&b, 0);
    assert_string_equal((const char *)b.p, plain);
    buf_clear(&b);
    utf8_json_escape(&b, (struct str){in, n});
    buf_put_u8(&b, 0);
    assert_string_equal((const char *)b.p, json);
    buf_deinit(&b);
}

TEST(escapes_stop_control_characters)
{
    /* A peer cannot start a log line, clear a terminal or break out of a JSON string. */
    check_escape("a\nb\x1b[2J", 7, "a\\x0ab\\x1b[2J", "a\\nb\\u001b[2J");
    check_escape("\0\x7f", 2, "\\x00\\x7f", "\\u0000\\u007f");
    check_escape("\xc2\x9b", 2, "\\xc2\\x9b", "\\u009b");
    check_escape("\xe2\x80\xae", 3, "\\xe2\\x80\\xae", "\\u202e");
    check_escape("\"\\", 2, "\"\\", "\\\"\\\\");
    check_escape("\xff\xc3\xa4", 3, "\\xff\xc3\xa4", "\xef\xbf\xbd\xc3\xa4");
    check_escape("", 0, "", "");
}

TEST(escapes_are_the_same_wherever_a_character_stands)
{
    /* Plain characters are passed over many at a time: nothing hides among them. */
    for (unsigned c = 0; c < 256; c++) {
        struct buf alone, b;
        const char one = (char)c;
        buf_init(&alone, 100);
        buf_init(&b, 1000);
        utf8_json_escape(&alone, str_make(&one, 1));
        assert_true(utf8_printable_ascii(str_make(&one, 1)) == (c >= 0x20 && c < 0x7F));
        for (size_t at = 0; at < 20; at++) {
            char text[20];
            memset(text, at % 2 == 0 ? '~' : ' ', sizeof(text));
            text[at] = one;
            buf_clear(&b);
            utf8_json_escape(&b, str_make(text, sizeof(text)));
            assert_int_equal(b.n, 19 + alone.n);
            assert_memory_equal(b.p, text, at);
            assert_memory_equal(b.p + at, alone.p, alone.n);
            assert_memory_equal(b.p + at + alone.n, text + at + 1, 19 - at);
            assert_true(utf8_printable_ascii(str_make(text, sizeof(text))) ==
                        (c >= 0x20 && c < 0x7F));
        }
        buf_deinit(&alone);
        buf_deinit(&b);
    }
}

TEST(texts_of_every_length_are_seen_whole)
{
    /* They are looked through sixteen bytes at a time, the rest with some of those before it. */
    char text[40];
    for (unsigned c = 0; c < 256; c++) {
        const bool printable = c >= 0x20 && c < 0x7F;
        for (size_t n = 1; n <= sizeof(text); n++) {
            for (size_t at = 0; at < n; at++) {
                memset(text, 'a', sizeof(text));
                text[at] = (char)c;
                const struct str s = str_make(text, n);
                assert_true(utf8_printable_ascii(s) == printable);
                assert_true(utf8_json_plain(s) == (printable && c != '"' && c != '\\'));
                if (n < sizeof(text)) { /* what comes after it is not its */
                    text[at] = 'a';
                    text[n] = (char)c;
                    assert_true(utf8_printable_ascii(s) && utf8_json_plain(s));
                }
            }
        }
    }
    assert_true(utf8_printable_ascii(STR_NULL) && utf8_json_plain(STR_NULL));
}

TEST(uuid_text_forms_round_trip)
{
    uint8_t random[16];
    for (unsigned i = 0; i < 16; i++) {
        random[i] = (uint8_t)(i * 37 + 200);
    }
    struct uuid u = uuid_v4(random);
    char text[UUID_TEXT_SIZE];
    char kafka[UUID_KAFKA_SIZE];
    uuid_format(u, text);
    uuid_format_kafka(u, kafka);
    assert_int_equal(text[14], '4');
    assert_true(strchr("89ab", text[19]) != NULL);
    struct uuid back;
    assert_true(uuid_parse(str_of(text), &back) && uuid_eq(u, back));
    assert_true(uuid_parse_kafka(str_of(kafka), &back) && uuid_eq(u, back));
    /* Kafka's METADATA_TOPIC_ID is 0000...0001 and prints so */
    struct uuid one = {{0}};
    assert_true(uuid_is_zero(one));
    one.b[15] = 1;
    assert_false(uuid_is_zero(one));
    uuid_format_kafka(one, kafka);
    assert_string_equal(kafka, "AAAAAAAAAAAAAAAAAAAAAQ");
    uuid_format(one, text);
    assert_string_equal(text, "00000000-0000-0000-0000-000000000001");
    /* one text for each value, nothing else */
    assert_false(uuid_parse_kafka(STR_LIT("AAAAAAAAAAAAAAAAAAAAAR"), &back));
    assert_false(uuid_parse_kafka(STR_LIT("AAAAAAAAAAAAAAAAAAAAA+"), &back));
    assert_false(uuid_parse_kafka(STR_LIT("AAAAAAAAAAAAAAAAAAAAA"), &back));
    assert_false(uuid_parse(STR_LIT("00000000-0000-0000-0000-00000000000g"), &back));
    assert_false(uuid_parse(STR_LIT("00000000000000000000000000000000"), &back));
}

static struct {
    char line[8192];
    size_t n;
    int lines;
} seen;

static void keep_line(void *ctx, const char *line, size_t n)
{
    (void)ctx;
    assert_true(n < sizeof(seen.line));
    memcpy(seen.line, line, n);
    seen.line[n] = '\0';
    seen.n = n;
    seen.lines++;
}

static uint64_t fixed_clock(void *ctx)
{
    (void)ctx;
    return 1795201703123u;
}

static void expect_line(const char *line)
{
    assert_string_equal(seen.line, line);
}

TEST(log_lines_in_both_formats)
{
    log_set_sink(keep_line, fixed_clock, NULL);
    log_set(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    uint64_t warns = log_count(LOG_LEVEL_WARN);
    LOG_WARN("segment.truncated", KV_Z("topic", "orders"), KV_U64("at", 123), KV_I64("by", -1),
             KV_F64("s", 0.5));
    expect_line(
        "2026-11-20T19:08:23.123Z WARN segment.truncated topic=orders at=123 by=-1 s=0.5\n");
    assert_int_equal(log_count(LOG_LEVEL_WARN), warns + 1);
    LOG_INFO("peer.said", KV_Z("text", "x\n2026 ERROR forged k=\"v\"\\"));
    expect_line("2026-11-20T19:08:23.123Z INFO peer.said text=\"x\\x0a2026 ERROR forged "
                "k=\\\"v\\\"\\\\\"\n");
    LOG_INFO("empty", KV_Z("a", ""), KV_STR("b", STR_NULL));
    expect_line("2026-11-20T19:08:23.123Z INFO empty a=\"\" b=null\n");
    int lines = seen.lines;
    LOG_DEBUG("not.shown");
    assert_int_equal(seen.lines, lines);
    log_set(LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
    LOG_DEBUG("shown", KV_Z("a", "q\"\n"), KV_STR("b", STR_NULL), KV_F64("c", 1e300 * 1e300));
    expect_line("{\"time\":\"2026-11-20T19:08:23.123Z\",\"level\":\"debug\",\"event\":\"shown\","
                "\"a\":\"q\\\"\\n\",\"b\":null,\"c\":null}\n");
    log_set(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_set_sink(NULL, NULL, NULL);
}

TEST(log_lines_are_cut_at_4_kib)
{
    /* However long and however badly escaped the value is, the line stays whole and says that it
     * was cut. */
    static char big[20000];
    log_set_sink(keep_line, fixed_clock, NULL);
    for (int kind = 0; kind < 2; kind++) {
        memset(big, kind == 0 ? 'x' : '\n', sizeof(big));
        log_set(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
        LOG_INFO("big", KV_U64("n", 1), KV_STR("v", str_make(big, sizeof(big))),
                 KV_Z("after", "no"));
        assert_in_range(seen.n, 3000, 4096);
        assert_true(str_ends(str_make(seen.line, seen.n), "\",\"cut\":true}\n"));
        log_set(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
        LOG_INFO("big", KV_STR("v", str_make(big, sizeof(big))));
        assert_in_range(seen.n, 3000, 4096);
        assert_true(str_ends(str_make(seen.line, seen.n), " cut=true\n"));
    }
    log_set_sink(NULL, NULL, NULL);
}
