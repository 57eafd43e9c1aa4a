/* Times (RFC 3339) and durations (humantime, ISO 8601). Counted in nanoseconds since 1970, UTC, as
 * if no leap second had ever been: 23:59:60 is the first second of the next day. */
#include "envelope/envelope.h"

#define NS_PER_SECOND 1000000000

/* Takes exactly `n` digits. */
static bool take_number(struct str *s, size_t n, int64_t *out)
{
    int64_t v = 0;
    if (s->n < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') {
            return false;
        }
        v = v * 10 + (s->p[i] - '0');
    }
    s->p += n;
    s->n -= n;
    *out = v;
    return true;
}

static bool take_any(struct str *s, const char *any_of)
{
    if (s->n == 0 || s->p[0] == '\0' || strchr(any_of, s->p[0]) == NULL) {
        return false;
    }
    s->p++;
    s->n--;
    return true;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_of_month(int64_t year, int64_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

#define DAYS_OF_400_YEARS 146097 /* the calendar repeats */
#define DAYS_TO_1970      719468 /* since March of the year 0 */

/* Days since 1970-01-01 in the Gregorian calendar, for years from 0. The year begins in March, so
 * that the leap day is its last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = year + 400 - (month <= 2 ? 1 : 0); /* not negative */
    int64_t m = (month + 9) % 12;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - DAYS_OF_400_YEARS -
           DAYS_TO_1970;
}

/* "T14:00:00.25": *seconds of the day and *ns. `to_the_minute`: "T14:00" is one, too. */
static bool take_time(struct str *s, bool to_the_minute, int64_t *seconds, int64_t *ns)
{
    int64_t hour, minute, second = 0;
    *ns = 0;
    if (!take_any(s, "Tt") || !take_number(s, 2, &hour) || hour > 23 || !take_any(s, ":") ||
        !take_number(s, 2, &minute) || minute > 59) {
        return false;
    }
    const bool exact = take_any(s, ":");
    if (exact ? !take_number(s, 2, &second) || second > 60 : !to_the_minute) {
        return false;
    }
    *seconds = hour * 3600 + minute * 60 + second;
    if (!exact) {
        return true;
    }
    if (!take_any(s, ".")) {
        return true;
    }
    int64_t unit = NS_PER_SECOND, digit;
    while (take_number(s, 1, &digit)) {
        unit /= 10;
        if (unit == 0) {
            return false; /* a tenth digit */
        }
        *ns += digit * unit;
    }
    return unit < NS_PER_SECOND;
}

static bool take_offset(struct str *s, int64_t *seconds)
{
    *seconds = 0;
    if (take_any(s, "Zz")) {
        return true;
    }
    bool west = s->n > 0 && s->p[0] == '-';
    int64_t hour, minute;
    if (!take_any(s, "+-") || !take_number(s, 2, &hour) || hour > 23 || !take_any(s, ":") ||
        !take_number(s, 2, &minute) || minute > 59) {
        return false;
    }
    *seconds = (hour * 3600 + minute * 60) * (west ? -1 : 1);
    return true;
}

static bool time_parse(struct str s, bool to_the_minute, int64_t *ns)
{
    int64_t year, month, day, of_day, fraction, offset;
    bool leap_second;
    if (!take_number(&s, 4, &year) || !take_any(&s, "-") || !take_number(&s, 2, &month) ||
        month < 1 || month > 12 || !take_any(&s, "-") || !take_number(&s, 2, &day) || day < 1 ||
        day > days_of_month(year, month)) {
        return false;
    }
    leap_second = s.n >= 9 && s.p[7] == '6';
    if (!take_time(&s, to_the_minute, &of_day, &fraction) || !take_offset(&s, &offset) ||
        s.n != 0) {
        return false;
    }
    int64_t seconds = days_of(year, month, day) * 86400 + of_day - offset;
    if (leap_second && seconds % 86400 != 0) {
        return false; /* a minute has 61 seconds only before midnight, UTC */
    }
    if (seconds < 0 && fraction > 0) { /* or the first second of all would overflow */
        seconds++;
        fraction -= NS_PER_SECOND;
    }
    int64_t v;
    if (__builtin_mul_overflow(seconds, (int64_t)NS_PER_SECOND, &v) ||
        __builtin_add_overflow(v, fraction, &v) || v == INT64_MIN) {
        return false;
    }
    *ns = v;
    return true;
}

bool time_parse_rfc3339(struct str s, int64_t *ns)
{
    return time_parse(s, false, ns);
}

bool time_parse_moment(struct str s, int64_t *ns)
{
    return time_parse(s, true, ns);
}

/* The inverse of days_of. */
static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t z = days + DAYS_TO_1970; /* not negative for what 64 bits of ns can say */
    int64_t in_400 = z % DAYS_OF_400_YEARS;
    int64_t year_in_400 = (in_400 - in_400 / 1460 + in_400 / 36524 - in_400 / 146096) / 365;
    int64_t in_year = in_400 - (365 * year_in_400 + year_in_400 / 4 - year_in_400 / 100);
    int64_t m = (5 * in_year + 2) / 153;
    *day = in_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = year_in_400 + z / DAYS_OF_400_YEARS * 400 + (*month <= 2 ? 1 : 0);
}

static char *put_number(char *out, int64_t v, size_t digits)
{
    for (size_t i = digits; i > 0; i--) {
        out[i - 1] = (char)('0' + v % 10);
        v /= 10;
    }
    return out + digits;
}

size_t time_format_rfc3339(int64_t ns, char out[TIME_TEXT_SIZE])
{
    int64_t fraction = ns % NS_PER_SECOND;
    int64_t seconds = ns / NS_PER_SECOND;
    if (fraction < 0) {
        fraction += NS_PER_SECOND;
        seconds--;
    }
    int64_t of_day = seconds % 86400;
    int64_t days = seconds / 86400;
    if (of_day < 0) {
        of_day += 86400;
        days--;
    }
    int64_t year, month, day;
    date_of(days, &year, &month, &day);
    char *p = put_number(out, year, 4);
    *p++ = '-';
    p = put_number(p, month, 2);
    *p++ = '-';
    p = put_number(p, day, 2);
    *p++ = 'T';
    p = put_number(p, of_day / 3600, 2);
    *p++ = ':';
    p = put_number(p, of_day / 60 % 60, 2);
    *p++ = ':';
    p = put_number(p, of_day % 60, 2);
    if (fraction != 0) {
        *p++ = '.';
        if (fraction % 1000 != 0) {
            p = put_number(p, fraction, 9);
        } else if (fraction % 1000000 != 0) {
            p = put_number(p, fraction / 1000, 6);
        } else {
            p = put_number(p, fraction / 1000000, 3);
        }
    }
    *p++ = 'Z';
    *p = '\0';
    return (size_t)(p - out);
}
