/* Looking into a tree: members, elements, JSON pointers (RFC 6901), numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "json/json_int.h"

#define NUMBER_TEXT_MAX 1100u /* a double needs at most 767 significant digits */

struct json *json_get_str(const struct json *v, struct str name)
{
    if (v == NULL || v->kind != JSON_OBJECT) {
        return NULL;
    }
    for (struct json *m = v->first; m != NULL; m = m->next) {
        if (str_eq(m->name, name)) {
            return m;
        }
    }
    return NULL;
}

struct json *json_get(const struct json *v, const char *name)
{
    return json_get_str(v, str_of(name));
}

struct json *json_at(const struct json *v, size_t index)
{
    if (v == NULL || v->kind != JSON_ARRAY || index >= v->count) {
        return NULL;
    }
    struct json *element = v->first;
    for (size_t i = 0; i < index; i++) {
        element = element->next;
    }
    return element;
}

/* Is this member's name what the pointer's token means? ~1 is a slash, ~0 a tilde. */
static bool token_names(struct str token, struct str name)
{
    size_t at = 0;
    for (size_t i = 0; i < token.n; i++, at++) {
        char c = token.p[i];
        if (c == '~') {
            if (i + 1 == token.n || (token.p[i + 1] != '0' && token.p[i + 1] != '1')) {
                return false;
            }
            c = token.p[++i] == '1' ? '/' : '~';
        }
        if (at >= name.n || name.p[at] != c) {
            return false;
        }
    }
    return at == name.n;
}

/* "0", "17"; no leading zeros, and "-" is the element after the last: never there. */
static bool token_index(struct str token, uint64_t *out)
{
    return (token.n == 1 || (token.n > 1 && token.p[0] != '0')) && str_to_u64(token, out);
}

static struct json *step(const struct json *v, struct str token)
{
    uint64_t index;
    if (v->kind == JSON_ARRAY) {
        return token_index(token, &index) ? json_at(v, index) : NULL;
    }
    if (v->kind != JSON_OBJECT) {
        return NULL;
    }
    for (struct json *m = v->first; m != NULL; m = m->next) {
        if (token_names(token, m->name)) {
            return m;
        }
    }
    return NULL;
}

struct json *json_pointer(const struct json *v, struct str pointer)
{
    /* The tree is the caller's; const only says that it is not changed here. */
    struct json *found = (struct json *)(uintptr_t)v;
    if (pointer.n > 0 && pointer.p[0] != '/') {
        return NULL;
    }
    while (found != NULL && pointer.n > 0) {
        struct str rest;
        struct str token = str_cut(str_make(pointer.p + 1, pointer.n - 1), '/', &rest);
        found = step(found, token);
        pointer = str_is_null(rest) ? STR_NULL : str_make(rest.p - 1, rest.n + 1);
    }
    return found;
}

MUST_USE enum err json_pointer_check(struct str pointer, struct ectx *ec)
{
    if (pointer.n > 0 && pointer.p[0] != '/') {
        return ectx_fail(ec, ERR_MALFORMED, "JSON pointer '%.*s': it must be empty or begin with /",
                         STR(pointer));
    }
    for (size_t i = 0; i < pointer.n; i++) {
        if (pointer.p[i] == '~' &&
            (i + 1 == pointer.n || (pointer.p[i + 1] != '0' && pointer.p[i + 1] != '1'))) {
            return ectx_fail(ec, ERR_MALFORMED,
                             "JSON pointer '%.*s': ~ stands only in ~0 (for ~) and ~1 (for /)",
                             STR(pointer));
        }
    }
    return ERR_OK;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

/* The digits of a number and the power of ten that they are to be multiplied by. */
struct decimal {
    bool negative;
    struct str whole, fraction; /* digits before and after the point */
    int64_t exponent;           /* as written, cut at +-EXPONENT_MAX */
};
#define EXPONENT_MAX 1000000000

static void decimal_split(struct str raw, struct decimal *d)
{
    *d = (struct decimal){.negative = raw.p[0] == '-'};
    size_t at = d->negative ? 1 : 0, begin = at;
    while (at < raw.n && raw.p[at] >= '0' && raw.p[at] <= '9') {
        at++;
    }
    d->whole = str_make(raw.p + begin, at - begin);
    d->fraction = STR_LIT("");
    if (at < raw.n && raw.p[at] == '.') {
        begin = ++at;
        while (at < raw.n && raw.p[at] >= '0' && raw.p[at] <= '9') {
            at++;
        }
        d->fraction = str_make(raw.p + begin, at - begin);
    }
    if (at == raw.n) {
        return;
    }
    at++; /* e or E */
    bool minus = raw.p[at] == '-';
    at += minus || raw.p[at] == '+' ? 1 : 0;
    for (; at < raw.n; at++) {
        d->exponent = d->exponent * 10 + (raw.p[at] - '0');
        d->exponent = d->exponent > EXPONENT_MAX ? EXPONENT_MAX : d->exponent;
    }
    d->exponent = minus ? -d->exponent : d->exponent;
}

static char decimal_digit(const struct decimal *d, size_t i)
{
    return i < d->whole.n ? d->whole.p[i] : d->fraction.p[i - d->whole.n];
}

bool json_i64(const struct json *v, int64_t *out)
{
    if (v == NULL || v->kind != JSON_NUMBER) {
        return false;
    }
    struct decimal d;
    decimal_split(v->raw, &d);
    size_t begin = 0, end = d.whole.n + d.fraction.n;
    int64_t zeros = d.exponent - (int64_t)d.fraction.n; /* that follow the digits */
    while (begin < end && decimal_digit(&d, begin) == '0') {
        begin++;
    }
    while (end > begin && decimal_digit(&d, end - 1) == '0') {
        end--;
        zeros++;
    }
    if (begin == end) {
        *out = 0;
        return true;
    }
    if (zeros < 0 || zeros > 19 || end - begin > 19) {
        return false;
    }
    uint64_t m = 0;
    for (size_t i = begin; i < end + (size_t)zeros; i++) {
        uint64_t digit = i < end ? (uint64_t)(decimal_digit(&d, i) - '0') : 0;
        if (__builtin_mul_overflow(m, 10u, &m) || __builtin_add_overflow(m, digit, &m)) {
            return false;
        }
    }
    if (m > (uint64_t)INT64_MAX + (d.negative ? 1u : 0u)) {
        return false;
    }
    *out = !d.negative ? (int64_t)m : m > (uint64_t)INT64_MAX ? INT64_MIN : -(int64_t)m;
    return true;
}

bool json_f64(const struct json *v, double *out)
{
    if (v == NULL || v->kind != JSON_NUMBER || v->raw.n >= NUMBER_TEXT_MAX) {
        return false;
    }
    char text[NUMBER_TEXT_MAX];
    memcpy(text, v->raw.p, v->raw.n);
    text[v->raw.n] = '\0';
    double d = strtod(text, NULL);
    if (!isfinite(d)) {
        return false;
    }
    *out = d;
    return true;
}
