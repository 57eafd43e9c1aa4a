/*
 * What a plain scalar means: the core schema of YAML 1.2 (section 10.3.2), without the forms that
 * JSON cannot say or that mean something else in YAML 1.1.
 *
 *     null    null Null NULL ~ and nothing
 *     bool    true True TRUE false False FALSE
 *     int     [-+]?[0-9]+   0o[0-7]+   0x[0-9a-fA-F]+
 *     float   [-+]?(.[0-9]+|[0-9]+(.[0-9]*)?)([eE][-+]?[0-9]+)?
 */
#include "json/json_int.h"
#include "json/yaml_int.h"

static bool is_one_of(struct str s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (str_eq_z(s, *words)) {
            return true;
        }
    }
    return false;
}

static size_t digits(struct str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9') {
        n++;
    }
    return n;
}

struct number {
    struct str whole, fraction, exponent; /* digits; the exponent with its sign */
    bool minus, point;
};

static bool number_split(struct str s, struct number *out)
{
    struct number n = {.minus = s.n > 0 && s.p[0] == '-'};
    size_t at = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    n.whole = str_make(s.p + at, digits(s, at));
    at += n.whole.n;
    if (at < s.n && s.p[at] == '.') {
        n.point = true;
        n.fraction = str_make(s.p + at + 1, digits(s, at + 1));
        at += 1 + n.fraction.n;
    }
    if (n.whole.n + n.fraction.n == 0) {
        return false;
    }
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        size_t sign = at + 1 < s.n && (s.p[at + 1] == '-' || s.p[at + 1] == '+') ? 1 : 0;
        size_t count = digits(s, at + 1 + sign);
        if (count == 0) {
            return false;
        }
        n.exponent = str_make(s.p + at + 1, sign + count);
        at += 1 + n.exponent.n;
    }
    *out = n;
    return at == s.n;
}

/* As JSON writes it, with the same digits. */
static void number_put(struct json_writer *w, const struct number *n)
{
    char sign[2] = {n->minus ? '-' : '\0', '\0'};
    json_write_raw(w, str_of(sign));
    buf_put_str(w->out, n->whole.n == 0 ? STR_LIT("0") : n->whole);
    if (n->fraction.n > 0) {
        buf_put_u8(w->out, '.');
        buf_put_str(w->out, n->fraction);
    }
    if (n->exponent.n > 0) {
        buf_put_u8(w->out, 'e');
        buf_put_str(w->out, n->exponent);
    }
}

/* 0o17, 0x1F. */
static bool based_number(struct str s, uint64_t *out, bool *too_large)
{
    if (s.n < 3 || s.p[0] != '0' || (s.p[1] != 'o' && s.p[1] != 'x')) {
        return false;
    }
    uint64_t base = s.p[1] == 'o' ? 8 : 16, v = 0;
    *too_large = false;
    for (size_t i = 2; i < s.n; i++) {
        char c = s.p[i];
        uint64_t d = c >= '0' && c <= '9'   ? (uint64_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (uint64_t)(c - 'A') + 10
                                            : 99;
        if (d >= base) {
            return false;
        }
        *too_large = *too_large || v > (UINT64_MAX - d) / base;
        v = v * base + d;
    }
    *out = v;
    return true;
}

const char *yaml_plain_put(struct json_writer *w, struct str s)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const not_in_json[] = {".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
                                              "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
                                              ".NaN",  ".NAN",  NULL};
    struct number n;
    uint64_t v;
    bool too_large;
    if (is_one_of(s, nulls)) {
        json_write_null(w);
    } else if (is_one_of(s, trues) || is_one_of(s, falses)) {
        json_write_bool(w, is_one_of(s, trues));
    } else if (is_one_of(s, not_in_json)) {
        return "JSON has no such number: put text in quotes";
    } else if (based_number(s, &v, &too_large)) {
        if (too_large) {
            return "a number of more than 64 bits";
        }
        json_write_u64(w, v);
    } else if (number_split(s, &n)) {
        if (n.whole.n > 1 && n.whole.p[0] == '0') {
            return "a number with leading zeros: put text in quotes, or leave the zeros out";
        }
        number_put(w, &n);
    } else {
        json_write_str(w, s);
    }
    return NULL;
}
