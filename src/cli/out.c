/* Numbers, times and colours for people, and the one place that writes to standard output. */
#include "cli/out.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const ON[] = {"", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m"};

const char *colour_on(const struct cli *cli, enum colour c)
{
    return cli->colour ? ON[c] : "";
}

const char *colour_off(const struct cli *cli, enum colour c)
{
    return cli->colour && c != COLOUR_NONE ? "\033[0m" : "";
}

MUST_USE enum err out_write(struct str s, struct ectx *ec)
{
    if (fflush(stdout) != 0 || (s.n > 0 && fwrite(s.p, 1, s.n, stdout) != s.n) ||
        fflush(stdout) != 0) {
        if (errno == EPIPE) {
            return ERR_CLOSED;
        }
        return ectx_fail(ec, ERR_IO, "could not write the output: %s", strerrordesc_np(errno));
    }
    return ERR_OK;
}

void out_printf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
}

const char *format_bytes(double bytes, char out[24])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t u = 0;
    while (fabs(bytes) >= 1024 && u + 1 < ARRAY_LEN(units)) {
        bytes /= 1024;
        u++;
    }
    snprintf(out, 24, u == 0 ? "%.0f %s" : "%.1f %s", bytes, units[u]);
    return out;
}

const char *format_duration(double seconds, char out[32])
{
    unsigned long long s = seconds < 0 ? 0 : (unsigned long long)seconds;
    if (s < 60) {
        snprintf(out, 32, "%llu s", s);
    } else if (s < 3600) {
        snprintf(out, 32, "%llu min %llu s", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(out, 32, "%llu h %llu min", s / 3600, s % 3600 / 60);
    } else {
        snprintf(out, 32, "%llu d %llu h", s / 86400, s % 86400 / 3600);
    }
    return out;
}

const char *format_count(int64_t n, char out[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%lld", (long long)n);
    size_t o = 0;
    for (int i = 0; i < len && o + 2 < 32; i++) {
        bool groups = i > 0 && digits[i - 1] != '-' && (len - i) % 3 == 0;
        if (groups) {
            out[o++] = ',';
        }
        out[o++] = digits[i];
    }
    out[o] = '\0';
    return out;
}

const char *format_ns(uint64_t ns, char out[24])
{
    if (ns < 1000000) {
        snprintf(out, 24, "%.0f us", (double)ns / 1e3);
    } else if (ns < 1000000000) {
        snprintf(out, 24, "%.2f ms", (double)ns / 1e6);
    } else {
        snprintf(out, 24, "%.2f s", (double)ns / 1e9);
    }
    return out;
}

const char *format_time_ms(int64_t ms, char out[40])
{
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    if (ms < 0 || gmtime_r(&s, &tm) == NULL) {
        snprintf(out, 40, "-");
        return out;
    }
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 40 - n, ".%03dZ", (int)(ms % 1000));
    return out;
}

/* -15m: that long before now. */
static bool parse_ago(const char *text, int64_t *ms)
{
    struct str s = str_of(text + 1);
    if (text[0] != '-' || s.n < 2) {
        return false;
    }
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    int64_t n;
    if (!str_to_i64(str_make(s.p, s.n - 1), &n) || n < 0 || n > 1000000) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (s.p[s.n - 1] == units[i].unit) {
            *ms = wall_ms() - n * units[i].ms;
            return true;
        }
    }
    return false;
}

/* Z, +hh:mm or nothing (UTC) after the seconds. */
static bool parse_zone(const char *text, int64_t *minutes)
{
    int64_t h, m;
    *minutes = 0;
    if (text[0] == '\0' || strcmp(text, "Z") == 0) {
        return true;
    }
    char sign = text[0];
    if (strlen(text) != 6 || text[3] != ':' || (sign != '+' && sign != '-') ||
        !str_to_i64(str_make(text + 1, 2), &h) || !str_to_i64(str_make(text + 4, 2), &m) || h < 0 ||
        h > 23 || m < 0 || m > 59) {
        return false;
    }
    *minutes = (sign == '+' ? 1 : -1) * (h * 60 + m);
    return true;
}

MUST_USE enum err parse_time(const char *text, int64_t *ms, struct ectx *ec)
{
    int64_t v, zone = 0;
    if (text[0] == '@' && str_to_i64(str_of(text + 1), &v) && v >= 0) {
        *ms = v;
        return ERR_OK;
    }
    if (parse_ago(text, ms)) {
        return ERR_OK;
    }
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    bool good = rest != NULL;
    int64_t fraction = 0;
    if (good && (*rest == 'T' || *rest == ' ')) {
        rest = strptime(rest + 1, "%H:%M", &tm);
        if (rest != NULL && *rest == ':') {
            rest = strptime(rest + 1, "%S", &tm);
        }
        good = rest != NULL;
        if (good && *rest == '.') {
            int64_t scale = 100;
            for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10) {
                fraction += (*rest - '0') * scale;
            }
        }
    }
    if (!good || !parse_zone(rest, &zone)) {
        enum err e = ectx_fail(ec, ERR_CONFIG, "'%s' is no time", text);
        ectx_hint(ec, "write 2026-11-20T20:15:00Z, 2026-11-20, -15m (15 minutes ago), or @ and "
                      "milliseconds since 1970");
        return e;
    }
    *ms = ((int64_t)timegm(&tm) - zone * 60) * 1000 + fraction;
    return ERR_OK;
}

uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void clock_sleep_ms(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
