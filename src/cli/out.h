/*
 * What people and scripts read: aligned tables, JSON on one line, numbers in words. Everything is
 * collected in memory and written at once, so an error in between leaves no half table behind.
 * Text from a broker is escaped, so that nobody's record moves the cursor of this terminal.
 */
#ifndef LEAT_CLI_OUT_H
#define LEAT_CLI_OUT_H

#include "cli/cli.h"
#include "core/buf.h"

#define TABLE_COLUMNS_MAX 12
#define DOC_DEPTH_MAX     16

enum colour { COLOUR_NONE, COLOUR_BOLD, COLOUR_DIM, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_RED };
/* The escape sequence, or "" when colours are not wanted. */
const char *colour_on(const struct cli *cli, enum colour c);
const char *colour_off(const struct cli *cli, enum colour c);

struct table_cell {
    struct str text;
    enum colour colour;
};
struct table {
    struct cli *cli;
    const char *const
        *titles; /* a title that begins with '>' is of a column aligned to the right */
    size_t columns;
    struct table_cell *cells;
    size_t count, cap;
    bool failed;
};
void table_init(struct table *t, struct cli *cli, const char *const *titles, size_t columns);
/* The next cell; rows fill from left to right. */
PRINTF_LIKE(3, 4) void table_cell(struct table *t, enum colour c, const char *fmt, ...);
void table_str(struct table *t, enum colour c, struct str s);
/* Writes it, with titles. ERR_NO_MEMORY when a cell did not fit. */
MUST_USE enum err table_print(struct table *t, struct ectx *ec);

/* A JSON document. Commas and quotes are its business. `key` is NULL inside arrays. */
struct doc {
    struct buf b;
    unsigned depth;
    bool more[DOC_DEPTH_MAX];
};
void doc_init(struct doc *j);
void doc_deinit(struct doc *j);
void doc_object(struct doc *j, const char *key);
void doc_array(struct doc *j, const char *key);
void doc_end(struct doc *j, char closing);
void doc_str(struct doc *j, const char *key, struct str s); /* null for the null string */
void doc_z(struct doc *j, const char *key, const char *z);
void doc_i64(struct doc *j, const char *key, int64_t v);
void doc_f64(struct doc *j, const char *key, double v); /* null if it is no number */
void doc_bool(struct doc *j, const char *key, bool v);
void doc_null(struct doc *j, const char *key);
/* Text as a string if it is UTF-8, else under "KEY_base64". */
void doc_bytes(struct doc *j, const char *key, struct str s);
/* Writes the document and a newline and empties it. ERR_IO, ERR_NO_MEMORY. */
MUST_USE enum err doc_print(struct doc *j, struct ectx *ec);

/* All of it to standard output. ERR_CLOSED when nobody reads any more (`| head`). */
MUST_USE enum err out_write(struct str s, struct ectx *ec);
PRINTF_LIKE(1, 2) void out_printf(const char *fmt, ...);
/* "1.5 GiB"; "3 d 4 h"; "12,345": into `out`, which is returned. */
/* Numbers of brokers and of people may be anything: these end at the ends of the type. */
static inline int64_t clamped_add(int64_t a, int64_t b)
{
    int64_t sum;
    return !__builtin_add_overflow(a, b, &sum) ? sum : b < 0 ? INT64_MIN : INT64_MAX;
}
static inline int64_t clamped_sub(int64_t a, int64_t b)
{
    int64_t difference;
    return !__builtin_sub_overflow(a, b, &difference) ? difference : b < 0 ? INT64_MAX : INT64_MIN;
}

const char *format_bytes(double bytes, char out[24]);
const char *format_duration(double seconds, char out[32]);
const char *format_count(int64_t n, char out[32]);
const char *format_ns(uint64_t ns, char out[24]);
/* "2026-11-20T20:08:08.123Z"; "-" below 0. */
const char *format_time_ms(int64_t ms, char out[40]);
/* A time as people write it: RFC 3339, a date, @MILLISECONDS, or -15m (that long ago). */
MUST_USE enum err parse_time(const char *text, int64_t *ms, struct ectx *ec);
uint64_t clock_ns(void);
void clock_sleep_ms(int ms);
int64_t wall_ms(void);

#endif
