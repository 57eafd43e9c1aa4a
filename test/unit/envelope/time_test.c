/* Times, durations and trace context: the edges of RFC 3339, humantime, ISO 8601, W3C's cases. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "envelope/envelope.h"
#include "envelope/envelope_int.h"
#include "test.h"

#define SECOND INT64_C(1000000000)

static int64_t parse(const char *text)
{
    int64_t ns = INT64_MIN;
    if (!time_parse_rfc3339(str_of(text), &ns)) {
        fail_msg("refused: %s", text);
    }
    return ns;
}

TEST(times_of_rfc3339_are_read_exactly)
{
    assert_int_equal(parse("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(parse("1970-01-01T00:00:00.000000001Z"), 1);
    assert_int_equal(parse("1969-12-31T23:59:59.999999999Z"), -1);
    assert_int_equal(parse("2026-02-11T14:00:00Z"), 1770818400 * SECOND);
    assert_int_equal(parse("2026-02-11t14:00:00z"), 1770818400 * SECOND);
    assert_int_equal(parse("2026-02-11T15:00:00+01:00"), 1770818400 * SECOND);
    assert_int_equal(parse("2026-02-11T08:30:00-05:30"), 1770818400 * SECOND);
    assert_int_equal(parse("2026-02-11T14:00:00-00:00"), 1770818400 * SECOND);
    assert_int_equal(parse("2026-02-12T13:59:00+23:59"), 1770818400 * SECOND);
    assert_int_equal(parse("2026-02-11T14:00:00.1Z"), 1770818400 * SECOND + 100000000);
    assert_int_equal(parse("2026-02-11T14:00:00.123456789Z"), 1770818400 * SECOND + 123456789);
    /* leap years, and the leap second, wherever the clock shows it */
    assert_int_equal(parse("2024-02-29T00:00:00Z"), 1709164800 * SECOND);
    assert_int_equal(parse("2000-02-29T00:00:00Z"), 951782400 * SECOND);
    assert_int_equal(parse("2016-12-31T23:59:60Z"), parse("2017-01-01T00:00:00Z"));
    assert_int_equal(parse("2017-01-01T00:59:60.5+01:00"), parse("2017-01-01T00:00:00.5Z"));
    assert_int_equal(parse("1990-12-31T15:59:60-08:00"), parse("1991-01-01T00:00:00Z"));
    /* the first and last that 64 bits of nanoseconds can say */
    assert_int_equal(parse("2262-04-11T23:47:16.854775807Z"), INT64_MAX);
    assert_int_equal(parse("1677-09-21T00:12:43.145224193Z"), INT64_MIN + 1);
}

TEST(a_moment_may_be_to_the_minute)
{
    static const char *const bad[] = {"2026-02-11T14Z",      "2026-02-11T14:00",
                                      "2026-02-11T14:0Z",    "2026-02-11T14:00:Z",
                                      "2026-02-11T14:00.5Z", "2026-02-11T14:60Z"};
    int64_t ns = 0;
    assert_true(time_parse_moment(STR_LIT("2026-02-11T14:00Z"), &ns));
    assert_int_equal(ns, 1770818400 * SECOND);
    assert_true(time_parse_moment(STR_LIT("2026-02-11T15:30+01:30"), &ns));
    assert_int_equal(ns, 1770818400 * SECOND);
    assert_true(time_parse_moment(STR_LIT("2026-02-11T14:00:01.5Z"), &ns));
    assert_int_equal(ns, 1770818401 * SECOND + 500000000);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (time_parse_moment(str_of(bad[i]), &ns)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

TEST(what_is_no_rfc3339_time_is_refused)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-02-11",
        "2026-02-11T14:00:00",
        "2026-02-11T14:00Z",
        "2026-02-11 14:00:00Z",
        "2026-02-11T14:00:00.Z",
        "2026-02-11T14:00:00.1234567890Z",
        "2026-02-11T14:00:00,5Z",
        "2026-02-11T14:00:00+0100",
        "2026-02-11T14:00:00+01",
        "2026-02-11T14:00:00+24:00",
        "2026-02-11T14:00:00+01:60",
        "2026-02-11T14:00:00ZZ",
        "2026-02-11T14:00:00 Z",
        "2026-02-11T24:00:00Z",
        "2026-02-11T23:60:00Z",
        "2026-02-11T23:59:61Z",
        "2026-02-11T14:00:60Z",
        "2026-02-11T23:59:60+01:00",
        "2026-13-11T14:00:00Z",
        "2026-00-11T14:00:00Z",
        "2026-02-00T14:00:00Z",
        "2026-02-29T14:00:00Z",
        "1900-02-29T14:00:00Z",
        "2026-04-31T14:00:00Z",
        "26-02-11T14:00:00Z",
        "+2026-02-11T14:00:00Z",
        "12026-02-11T14:00:00Z",
        "-026-02-11T14:00:00Z",
        "2262-04-11T23:47:16.854775808Z",
        "1677-09-21T00:12:43.145224192Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-2-11T14:00:00Z",
        "1770818400",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ns = 7;
        if (time_parse_rfc3339(str_of(bad[i]), &ns)) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_int_equal(ns, 7);
    }
}

static void expect_text(int64_t ns, const char *wanted)
{
    char text[TIME_TEXT_SIZE];
    size_t n = time_format_rfc3339(ns, text);
    assert_string_equal(text, wanted);
    assert_int_equal(n, strlen(wanted));
}

TEST(times_are_written_with_the_digits_they_need)
{
    expect_text(0, "1970-01-01T00:00:00Z");
    expect_text(-1, "1969-12-31T23:59:59.999999999Z");
    expect_text(1770818400 * SECOND + 123000000, "2026-02-11T14:00:00.123Z");
    expect_text(1770818400 * SECOND + 123456000, "2026-02-11T14:00:00.123456Z");
    expect_text(1770818400 * SECOND + 123456789, "2026-02-11T14:00:00.123456789Z");
    expect_text(1770818400 * SECOND + 1000, "2026-02-11T14:00:00.000001Z");
    expect_text(INT64_MAX, "2262-04-11T23:47:16.854775807Z");
    expect_text(INT64_MIN + 1, "1677-09-21T00:12:43.145224193Z");
}

TEST(every_day_of_the_calendar_is_that_of_the_c_library)
{
    for (int64_t day = -106750; day <= 106750; day++) {
        int64_t ns = day * 86400 * SECOND + (day % 86400) * (day < 0 ? -SECOND : SECOND);
        time_t seconds = (time_t)(ns / SECOND);
        struct tm tm;
        char wanted[64], text[TIME_TEXT_SIZE];
        assert_non_null(gmtime_r(&seconds, &tm));
        (void)snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        (void)time_format_rfc3339(ns, text);
        assert_string_equal(text, wanted);
        assert_int_equal(parse(text), ns);
    }
}

TEST(durations_of_both_forms_are_read)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"30s", 30000000000},
        {"1h30m", 5400000000000},
        {"500ms", 500000000},
        {"0s", 0},
        {"1d", 86400000000000},
        {"2w", 1209600000000000},
        {"5min", 300000000000},
        {"7us", 7000},
        {"9ns", 9},
        {"1h 30m", 5400000000000},
        {"PT30S", 30000000000},
        {"PT1H30M", 5400000000000},
        {"P1D", 86400000000000},
        {"P1W", 604800000000000},
        {"P1DT2H", 93600000000000},
        {"PT0.5S", 500000000},
        {"PT1.000000001S", 1000000001},
        {"PT0S", 0},
        {"PT90M", 5400000000000},
        {"18446744073709551615ns", UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint64_t ns = 0;
        if (!duration_parse(str_of(good[i].text), &ns) || ns != good[i].ns) {
            fail_msg("%s: %llu", good[i].text, (unsigned long long)ns);
        }
    }
    static const char *const bad[] = {
        "",
        "30",
        "s",
        "-30s",
        "30 s",
        "1.5h",
        "1y",
        "1M",
        "30S",
        "30s ",
        "P",
        "PT",
        "P1Y",
        "P1M",
        "PT1D",
        "P1H",
        "PT1M1H",
        "PT1H1H",
        "P1DT",
        "PT1.5H",
        "PT1.S",
        "PT0.1234567891S",
        "PT-1S",
        "pt1s",
        "18446744073709551616ns",
        "18446744073709551615ns1ns",
        "99999999999999999999s",
        "9999999w",
        "99999999999d",
        "P99999999999W",
        "PTT1S",
        "PT1",
        "P1",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t ns = 7;
        if (duration_parse(str_of(bad[i]), &ns)) {
            fail_msg("accepted: %s: %llu", bad[i], (unsigned long long)ns);
        }
    }
}

TEST(traceparents_are_those_of_w3c)
{
    static const char *const good[] = {
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-12345678901234567890123456789012-1234567890123456-00",
        "00-12345678901234567890123456789012-1234567890123456-ff",
        "00-00000000000000000000000000000001-0000000000000001-01",
        /* a version of the future has these fields, and perhaps more */
        "01-12345678901234567890123456789012-1234567890123456-01",
        "cc-12345678901234567890123456789012-1234567890123456-01",
        "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        "fe-12345678901234567890123456789012-1234567890123456-01-",
    };
    static const char *const bad[] = {
        "",
        "00",
        "garbage",
        "00-00000000000000000000000000000000-1234567890123456-01",
        "00-12345678901234567890123456789012-0000000000000000-01",
        "ff-12345678901234567890123456789012-1234567890123456-01",
        "00-12345678901234567890123456789012-1234567890123456-01-",
        "00-12345678901234567890123456789012-1234567890123456-01-more",
        "cc-12345678901234567890123456789012-1234567890123456-01.what",
        "cc-12345678901234567890123456789012-1234567890123456-011",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
        "00-12345678901234567890123456789012-1234567890123456-0A",
        "0A-12345678901234567890123456789012-1234567890123456-01",
        "0-12345678901234567890123456789012-1234567890123456-01",
        "000-12345678901234567890123456789012-1234567890123456-01",
        ".0-12345678901234567890123456789012-1234567890123456-01",
        "00-.2345678901234567890123456789012-1234567890123456-01",
        "00-12345678901234567890123456789012-.234567890123456-01",
        "00-12345678901234567890123456789012-1234567890123456-.0",
        "00-1234567890123456789012345678901-1234567890123456-01",
        "00-123456789012345678901234567890123-1234567890123456-01",
        "00-12345678901234567890123456789012-123456789012345-01",
        "00-12345678901234567890123456789012-12345678901234567-01",
        "00-12345678901234567890123456789012-1234567890123456-1",
        "00-12345678901234567890123456789012-1234567890123456",
        "00_12345678901234567890123456789012_1234567890123456_01",
        " 00-12345678901234567890123456789012-1234567890123456-01",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!traceparent_valid(str_of(good[i]))) {
            fail_msg("refused: %s", good[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (traceparent_valid(str_of(bad[i]))) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
    assert_true(tracestate_valid(STR_LIT("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")));
    assert_false(tracestate_valid(STR_LIT("")));
    assert_false(tracestate_valid(STR_LIT("a=\xC3\xA9")));
    assert_false(tracestate_valid(STR_LIT("a=\n")));
}
