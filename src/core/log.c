/*
 * Log lines: formatted on the stack of the caller, written with one call, so lines of several
 * threads do not mix and logging allocates nothing. The settings are atomics; the sink is set at
 * start, before there are threads.
 *
 * What a peer can influence (values) is escaped: control characters cannot start a line or steer a
 * terminal, and in text a value with spaces, quotes or = stands in quotes. A line that would pass
 * LINE_MAX loses the end of its last value and says so with cut=true.
 */
#include "core/log.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "core/buf.h"
#include "core/check.h"
#include "core/utf8.h"

#define LOG_LINE_BYTES 4096u /* with the newline */
#define TAIL_BYTES     32u   /* kept free for the end of a cut line */

static _Atomic(int) current_level = LOG_LEVEL_INFO;
static _Atomic(int) current_format = LOG_FORMAT_TEXT;
static _Atomic(uint64_t) counts[LOG_LEVEL_NONE];

static void write_stderr(void *ctx, const char *line, size_t n)
{
    (void)ctx;
    IGNORE(fwrite(line, 1, n, stderr)); /* where would we say that the log cannot be written? */
}

static uint64_t zero_clock(void *ctx)
{
    (void)ctx;
    return 0;
}

static struct {
    void (*write_line)(void *ctx, const char *line, size_t n);
    uint64_t (*wall_ms)(void *ctx);
    void *ctx;
} sink = {write_stderr, zero_clock, NULL};

void log_set_sink(void (*write_line)(void *ctx, const char *line, size_t n),
                  uint64_t (*wall_ms)(void *ctx), void *ctx)
{
    sink.write_line = write_line == NULL ? write_stderr : write_line;
    sink.wall_ms = wall_ms == NULL ? zero_clock : wall_ms;
    sink.ctx = ctx;
}

void log_set(enum log_level level, enum log_format format)
{
    atomic_store(&current_level, (int)level);
    atomic_store(&current_format, (int)format);
}

bool log_enabled(enum log_level level)
{
    return level < LOG_LEVEL_NONE &&
           (int)level >= atomic_load_explicit(&current_level, memory_order_relaxed);
}

uint64_t log_count(enum log_level level)
{
    return level < LOG_LEVEL_NONE ? atomic_load(&counts[level]) : 0;
}

static void put_time(struct buf *b, uint64_t ms)
{
    /* The year 9999, so that the form always fits. */
    const uint64_t last = 253402300799999u;
    ms = ms > last ? last : ms;
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    CHECK(gmtime_r(&seconds, &tm) != NULL);
    buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
               tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000));
}

static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\') {
            return true;
        }
    }
    return s.n == 0;
}

/* A value for the text form. */
static void put_text_str(struct buf *b, struct str s)
{
    if (!needs_quotes(s)) {
        utf8_escape(b, s);
        return;
    }
    buf_put_u8(b, '"');
    while (s.n > 0) {
        size_t plain = 0;
        while (plain < s.n && s.p[plain] != '"' && s.p[plain] != '\\') {
            plain++;
        }
        utf8_escape(b, (struct str){s.p, plain});
        if (plain < s.n) {
            buf_put_u8(b, '\\');
            buf_put_u8(b, (uint8_t)s.p[plain++]);
        }
        s = (struct str){s.p + plain, s.n - plain};
    }
    buf_put_u8(b, '"');
}

static void put_str(struct buf *b, struct str s, bool json)
{
    if (!json) {
        put_text_str(b, str_is_null(s) ? STR_LIT("null") : s);
    } else if (str_is_null(s)) {
        buf_put_z(b, "null");
    } else {
        buf_put_u8(b, '"');
        utf8_json_escape(b, s);
        buf_put_u8(b, '"');
    }
}

static void put_f64(struct buf *b, double v, bool json)
{
    if (json && !isfinite(v)) {
        buf_put_z(b, "null"); /* JSON has no other word for it */
    } else {
        buf_printf(b, "%.6g", v);
    }
}

static void put_kv(struct buf *b, const struct log_kv *kv, struct str s, bool json)
{
    buf_printf(b, json ? ",\"%s\":" : " %s=", kv->key);
    switch (kv->kind) {
    case LOG_KV_STR:
        put_str(b, s, json);
        break;
    case LOG_KV_I64:
        buf_printf(b, "%" PRId64, kv->v.i);
        break;
    case LOG_KV_U64:
        buf_printf(b, "%" PRIu64, kv->v.u);
        break;
    case LOG_KV_F64:
        put_f64(b, kv->v.f, json);
        break;
    }
}

/* Puts kv if it fits; else as much of its value as fits, and returns false. */
static bool put_kv_or_cut(struct buf *b, const struct log_kv *kv, bool json)
{
    size_t before = b->n;
    struct str s = kv->kind == LOG_KV_STR ? kv->v.s : STR_NULL;
    bool whole = true;
    for (;;) {
        put_kv(b, kv, s, json);
        if (!buf_failed(b)) {
            return whole;
        }
        whole = false;
        b->failed = false;
        b->n = before;
        if (s.n == 0) {
            return false;
        }
        s.n = s.n > LOG_LINE_BYTES ? LOG_LINE_BYTES : s.n * 7 / 8;
    }
}

void log_event(enum log_level level, const char *event, const struct log_kv *kv, size_t kv_count)
{
    static const char *const level_names[LOG_LEVEL_NONE] = {"DEBUG", "INFO", "WARN", "ERROR"};
    static const char *const json_names[LOG_LEVEL_NONE] = {"debug", "info", "warn", "error"};
    if (!log_enabled(level)) {
        return;
    }
    atomic_fetch_add_explicit(&counts[level], 1, memory_order_relaxed);
    /* A buffer that is full from the start never grows, so this one may stand on the stack. */
    uint8_t line[LOG_LINE_BYTES + 1];
    struct buf b = {.p = line, .cap = LOG_LINE_BYTES - TAIL_BYTES, .max = 0};
    b.max = b.cap;
    bool json = atomic_load_explicit(&current_format, memory_order_relaxed) == LOG_FORMAT_JSON;
    buf_put_z(&b, json ? "{\"time\":\"" : "");
    put_time(&b, sink.wall_ms(sink.ctx));
    if (json) {
        buf_printf(&b, "\",\"level\":\"%s\",\"event\":\"%s\"", json_names[level], event);
    } else {
        buf_printf(&b, " %s %s", level_names[level], event);
    }
    bool whole = true;
    for (size_t i = 0; i < kv_count && whole; i++) {
        whole = put_kv_or_cut(&b, &kv[i], json);
    }
    b.failed = false;
    b.cap = b.max = LOG_LINE_BYTES;
    if (!whole) {
        buf_put_z(&b, json ? ",\"cut\":true" : " cut=true");
    }
    buf_put_z(&b, json ? "}\n" : "\n");
    sink.write_line(sink.ctx, (const char *)line, b.n);
}
