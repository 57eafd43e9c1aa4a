/*
 * Structured logging: an event name and key=value pairs. One line an event on standard error:
 *   2026-11-20T19:08:23.123Z WARN segment.truncated topic=orders partition=0 at_offset=123
 * Names are dotted, lower case: noun.verb; a metric that counts the event has the same words.
 *   error  needs a human   warn  coped, and says how   info  life cycle   debug  per-module detail
 * Thread-safe; never blocks on anything but the write itself; lines over 4 KiB are cut.
 *
 *   LOG_WARN("segment.truncated", KV_STR("topic", t), KV_U64("at_offset", o));
 */
#ifndef LEAT_CORE_LOG_H
#define LEAT_CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_NONE };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_kv {
    const char *key;
    enum { LOG_KV_STR, LOG_KV_I64, LOG_KV_U64, LOG_KV_F64 } kind;
    union {
        struct str s;
        int64_t i;
        uint64_t u;
        double f;
    } v;
};
#define KV_STR(k, val) ((struct log_kv){(k), LOG_KV_STR, {.s = (val)}})
#define KV_Z(k, val)   ((struct log_kv){(k), LOG_KV_STR, {.s = str_of(val)}})
#define KV_I64(k, val) ((struct log_kv){(k), LOG_KV_I64, {.i = (val)}})
#define KV_U64(k, val) ((struct log_kv){(k), LOG_KV_U64, {.u = (val)}})
#define KV_F64(k, val) ((struct log_kv){(k), LOG_KV_F64, {.f = (val)}})
/* The name, text and hint of an error. */
#define KV_ERR(ec) \
    KV_Z("error", err_name((ec)->code)), KV_Z("detail", (ec)->text), KV_Z("hint", (ec)->hint)

void log_event(enum log_level level, const char *event, const struct log_kv *kv, size_t kv_count);
/* Lines below `level` are dropped before anything is formatted. Default: info, text. */
void log_set(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);
/* How often an event of this level was logged since start (a metric). */
uint64_t log_count(enum log_level level);
/* Where time and bytes come from: set by env (real and simulated); defaults to a zero clock and
 * fd 2. */
void log_set_sink(void (*write_line)(void *ctx, const char *line, size_t n),
                  uint64_t (*wall_ms)(void *ctx), void *ctx);

#define LOG_AT(level, event, ...)                                                          \
    do {                                                                                   \
        if (log_enabled(level)) {                                                          \
            const struct log_kv log_kv_[] = {{NULL, LOG_KV_I64, {.i = 0}}, ##__VA_ARGS__}; \
            log_event((level), (event), log_kv_ + 1, ARRAY_LEN(log_kv_) - 1);              \
        }                                                                                  \
    } while (0)
#define LOG_ERROR(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)
#define LOG_WARN(event, ...)  LOG_AT(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define LOG_INFO(event, ...)  LOG_AT(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define LOG_DEBUG(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)

#endif
