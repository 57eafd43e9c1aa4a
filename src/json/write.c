/* Writing JSON: commas, escapes, numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/utf8.h"
#include "json/json.h"

/* So many digits always suffice. Whole numbers of more than that have an exponent: without it they
 * would read back as integers, which may not fit into 64 bits. */
#define REAL_DIGITS    17
#define REAL_PLAIN_MIN (-5) /* 0.00001 */

void json_write_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static void before_value(struct json_writer *w)
{
    if (w->comma) {
        buf_put_u8(w->out, ',');
    }
    w->comma = true;
}

void json_write_begin(struct json_writer *w, char open)
{
    before_value(w);
    buf_put_u8(w->out, (uint8_t)open);
    w->comma = false;
}

void json_write_end(struct json_writer *w, char close)
{
    buf_put_u8(w->out, (uint8_t)close);
    w->comma = true;
}

static void put_string(struct json_writer *w, struct str s)
{
    buf_put_u8(w->out, '"');
    utf8_json_escape(w->out, s);
    buf_put_u8(w->out, '"');
}

/* A text in which nothing is to be escaped, or the name of a member: at once. */
static void put_plain(struct json_writer *w, struct str s, bool name)
{
    uint8_t *p = buf_extend(w->out, s.n + 2 + (w->comma ? 1 : 0) + (name ? 1 : 0));
    if (p != NULL) {
        if (w->comma) {
            *p++ = ',';
        }
        *p++ = '"';
        memcpy(p, s.p, s.n);
        p[s.n] = '"';
        if (name) {
            p[s.n + 1] = ':';
        }
    }
    w->comma = !name;
}

void json_write_name_str(struct json_writer *w, struct str name)
{
    before_value(w);
    put_string(w, name);
    buf_put_u8(w->out, ':');
    w->comma = false;
}

void json_write_name(struct json_writer *w, const char *name)
{
    const struct str s = str_of(name);
    DCHECK(utf8_json_plain(s));
    put_plain(w, s, true);
}

void json_write_str(struct json_writer *w, struct str s)
{
    if (str_is_null(s)) {
        json_write_null(w);
        return;
    }
    if (utf8_json_plain(s) && s.n > 0) {
        put_plain(w, s, false);
        return;
    }
    before_value(w);
    put_string(w, s);
}

void json_write_z(struct json_writer *w, const char *z)
{
    json_write_str(w, str_of(z));
}

void json_write_i64(struct json_writer *w, int64_t v)
{
    before_value(w);
    if (v < 0) {
        buf_put_u8(w->out, '-');
    }
    buf_put_decimal(w->out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void json_write_u64(struct json_writer *w, uint64_t v)
{
    before_value(w);
    buf_put_decimal(w->out, v);
}

/* Of "3.45e+03": 3. */
static int exponent_of(const char *text)
{
    const char *e = strchr(text, 'e');
    int n = 0;
    for (const char *p = e == NULL ? "" : e + 2; *p != '\0'; p++) {
        n = n * 10 + (*p - '0');
    }
    return e != NULL && e[1] == '-' ? -n : n;
}

void json_f64_text(double v, char out[JSON_F64_SIZE])
{
    int digits = 1;
    for (; digits <= REAL_DIGITS; digits++) {
        (void)snprintf(out, JSON_F64_SIZE, "%.*e", digits - 1, v);
        if (strtod(out, NULL) == v) {
            break;
        }
    }
    const int exponent = exponent_of(out);
    if (exponent >= REAL_PLAIN_MIN && exponent < REAL_DIGITS) {
        const int decimals = digits - 1 - exponent;
        (void)snprintf(out, JSON_F64_SIZE, "%.*f", decimals > 0 ? decimals : 0, v);
    }
}

void json_write_f64(struct json_writer *w, double v)
{
    char text[JSON_F64_SIZE];
    if (!isfinite(v)) {
        json_write_null(w);
        return;
    }
    json_f64_text(v, text);
    before_value(w);
    buf_put_z(w->out, text);
}

void json_write_bool(struct json_writer *w, bool v)
{
    before_value(w);
    buf_put_z(w->out, v ? "true" : "false");
}

void json_write_null(struct json_writer *w)
{
    before_value(w);
    buf_put_z(w->out, "null");
}

void json_write_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_put_str(w->out, json);
}

void json_write_member_str(struct json_writer *w, const char *name, struct str s)
{
    json_write_name(w, name);
    json_write_str(w, s);
}

void json_write_member_i64(struct json_writer *w, const char *name, int64_t v)
{
    json_write_name(w, name);
    json_write_i64(w, v);
}

void json_write_member_bool(struct json_writer *w, const char *name, bool v)
{
    json_write_name(w, name);
    json_write_bool(w, v);
}
