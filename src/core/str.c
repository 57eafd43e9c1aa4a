/* Comparing, cutting and reading struct str. Nothing here allocates but str_dup_z. */
#include "core/str.h"

#include <math.h>
#include <stdlib.h>

#include "core/mem.h"

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (c != 0) {
        return c;
    }
    return (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && (n == 0 || memcmp(s.p, prefix, n) == 0);
}

bool str_ends(struct str s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.n >= n && (n == 0 || memcmp(s.p + (s.n - n), suffix, n) == 0);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_space(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

struct str str_cut(struct str s, char sep, struct str *rest)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, sep, s.n);
    if (at == NULL) {
        *rest = STR_NULL; /* so that "a" and "a," can be told apart */
        return s;
    }
    size_t n = (size_t)(at - s.p);
    *rest = (struct str){at + 1, s.n - n - 1};
    return (struct str){s.p, n};
}

bool str_to_u64(struct str s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v)) {
            return false;
        }
    }
    *out = v;
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t magnitude;
    if (negative) {
        s.p++;
        s.n--;
    }
    if (!str_to_u64(s, &magnitude) || magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    if (magnitude > (uint64_t)INT64_MAX) {
        *out = INT64_MIN;
    } else {
        *out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    }
    return true;
}

/* Takes one or more digits off the front of `s`. */
static bool take_digits(struct str *s)
{
    size_t before = s->n;
    while (s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9') {
        s->p++;
        s->n--;
    }
    return s->n < before;
}

static bool take_char(struct str *s, const char *any_of)
{
    if (s->n == 0 || s->p[0] == '\0' || strchr(any_of, s->p[0]) == NULL) {
        return false;
    }
    s->p++;
    s->n--;
    return true;
}

bool str_to_f64(struct str s, double *out)
{
    /* strtod also reads hexadecimal, "inf", "nan" and leading space; so the form is checked first:
     * -?digits(.digits)?([eE][+-]?digits)? */
    char text[128];
    struct str left = s;
    (void)take_char(&left, "-");
    if (s.n == 0 || s.n >= sizeof(text) || !take_digits(&left)) {
        return false;
    }
    if (take_char(&left, ".") && !take_digits(&left)) {
        return false;
    }
    if (take_char(&left, "eE")) {
        (void)take_char(&left, "+-");
        if (!take_digits(&left)) {
            return false;
        }
    }
    if (left.n != 0) {
        return false;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    double v = strtod(text, NULL);
    if (!isfinite(v)) {
        return false;
    }
    *out = v;
    return true;
}

struct str str_of_u64(uint64_t v, char room[STR_U64_MAX])
{
    size_t at = STR_U64_MAX;
    do {
        room[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return str_make(room + at, STR_U64_MAX - at);
}

char *str_dup_z(struct str s)
{
    if (s.n == SIZE_MAX) {
        return NULL;
    }
    char *z = mem_alloc(s.n + 1);
    if (z == NULL) {
        return NULL;
    }
    if (s.n > 0) {
        memcpy(z, s.p, s.n);
    }
    z[s.n] = '\0';
    return z;
}
