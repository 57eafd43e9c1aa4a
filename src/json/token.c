/* The grammar inside one token: numbers and the escapes of strings (RFC 8259, sections 6 and 7). */
#include "core/str.h"
#include "json/json_int.h"

static bool digit(struct str s, size_t at)
{
    return at < s.n && s.p[at] >= '0' && s.p[at] <= '9';
}

static size_t digits(struct str s, size_t at)
{
    while (digit(s, at)) {
        at++;
    }
    return at;
}

bool json_number_ok(struct str s)
{
    size_t at = s.n > 0 && s.p[0] == '-' ? 1 : 0;
    if (!digit(s, at)) {
        return false;
    }
    at = s.p[at] == '0' ? at + 1 : digits(s, at);
    if (at < s.n && s.p[at] == '.') {
        if (!digit(s, at + 1)) {
            return false;
        }
        at = digits(s, at + 1);
    }
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        if (at < s.n && (s.p[at] == '+' || s.p[at] == '-')) {
            at++;
        }
        if (!digit(s, at)) {
            return false;
        }
        at = digits(s, at);
    }
    return at == s.n;
}

/* The four hexadecimal digits at `at`; false: they are not there. */
static bool hex4(struct str s, size_t at, uint32_t *out)
{
    if (s.n < 4 || at > s.n - 4) {
        return false;
    }
    uint32_t v = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = s.p[i];
        uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                            : 16;
        if (d == 16) {
            return false;
        }
        v = v << 4 | d;
    }
    *out = v;
    return true;
}

/* What the escape at `at` (a backslash) stands for, and its length; NULL, or why it is none. */
static const char *escape_read(struct str s, size_t at, uint32_t *code, size_t *len)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (at + 1 >= s.n) {
        return "an escape without its character";
    }
    char c = s.p[at + 1];
    if (c != 'u') {
        const char *found = c == '\0' ? NULL : strchr(names, c);
        if (found == NULL) {
            return "there is no such escape";
        }
        *code = (uint8_t)values[found - names];
        *len = 2;
        return NULL;
    }
    uint32_t first, second;
    if (!hex4(s, at + 2, &first)) {
        return "\\u needs four hexadecimal digits";
    }
    *code = first;
    *len = 6;
    if (first < 0xD800 || first > 0xDFFF) {
        return NULL;
    }
    if (first >= 0xDC00 || at + 7 >= s.n || s.p[at + 6] != '\\' || s.p[at + 7] != 'u' ||
        !hex4(s, at + 8, &second) || second < 0xDC00 || second > 0xDFFF) {
        return "half of a surrogate pair";
    }
    *code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    *len = 12;
    return NULL;
}

static size_t utf8_size(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

static char *utf8_put(char *out, uint32_t code)
{
    size_t n = utf8_size(code);
    static const uint8_t first[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; i > 1; i--) {
        out[i - 1] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(first[n] | code);
    return out + n;
}

bool json_escapes_ok(struct str inside, size_t *decoded_n, size_t *bad_at, const char **why)
{
    size_t shorter = 0;
    for (size_t at = 0; at < inside.n;) {
        const char *next = memchr(inside.p + at, '\\', inside.n - at);
        if (next == NULL) {
            break;
        }
        at = (size_t)(next - inside.p);
        uint32_t code;
        size_t len;
        const char *problem = escape_read(inside, at, &code, &len);
        if (problem != NULL) {
            *bad_at = at;
            *why = problem;
            return false;
        }
        shorter += len - utf8_size(code);
        at += len;
    }
    *decoded_n = inside.n - shorter;
    return true;
}

void json_unescape(struct str inside, char *out)
{
    size_t at = 0;
    while (at < inside.n) {
        const char *next = memchr(inside.p + at, '\\', inside.n - at);
        size_t plain = next == NULL ? inside.n - at : (size_t)(next - (inside.p + at));
        memcpy(out, inside.p + at, plain);
        out += plain;
        at += plain;
        if (next == NULL) {
            return;
        }
        uint32_t code = 0;
        size_t len = 1;
        (void)escape_read(inside, at, &code, &len);
        out = utf8_put(out, code);
        at += len;
    }
}
