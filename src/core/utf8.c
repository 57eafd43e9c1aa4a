/*
 * UTF-8 by decoding one character at a time, with a fast path for runs of ASCII. Overlong forms,
 * surrogates and values above U+10FFFF are invalid, as in RFC 3629.
 */
#include "core/utf8.h"

#include "core/bytes.h"

#define EACH_BYTE 0x0101010101010101u

/* The length of the valid character at p (1 to 4), or 0; *out is its value. n > 0. */
static size_t decode(const uint8_t *p, size_t n, uint32_t *out)
{
    uint8_t first = p[0];
    size_t len = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (len == 0 || len > n || first > 0xF4) {
        return 0;
    }
    uint32_t v = len == 1 ? first : first & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0u) != 0x80) {
            return 0;
        }
        v = v << 6 | (p[i] & 0x3Fu);
    }
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (v < least[len] || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF)) {
        return 0;
    }
    *out = v;
    return len;
}

bool utf8_valid(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t n = s.n;
    while (n > 0) {
        if (n >= 8 && (get_le64(p) & 0x8080808080808080u) == 0) {
            p += 8;
            n -= 8;
            continue;
        }
        uint32_t v;
        size_t len = decode(p, n, &v);
        if (len == 0) {
            return false;
        }
        p += len;
        n -= len;
    }
    return true;
}

/* Characters that steer a terminal or reorder a line: C0, DEL, C1, line separators, direction
 * marks. */
static bool steers(uint32_t v)
{
    return v < 0x20 || (v >= 0x7F && v <= 0x9F) || (v >= 0x200E && v <= 0x200F) ||
           (v >= 0x2028 && v <= 0x202E) || (v >= 0x2066 && v <= 0x2069);
}

void utf8_escape(struct buf *b, struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    const uint8_t *clean = p; /* what is not yet written and needs no escape */
    const uint8_t *end = s.n == 0 ? p : p + s.n;
    while (p < end) {
        uint32_t v;
        size_t len = decode(p, (size_t)(end - p), &v);
        if (len != 0 && !steers(v)) {
            p += len;
            continue;
        }
        buf_put(b, clean, (size_t)(p - clean));
        for (size_t i = 0; i < (len == 0 ? 1 : len); i++) {
            buf_printf(b, "\\x%02x", *p++);
        }
        clean = p;
    }
    buf_put(b, clean, (size_t)(end - clean));
}

static void json_character(struct buf *b, uint32_t v)
{
    static const char short_forms[][2] = {{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
                                          {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'}};
    for (size_t i = 0; i < ARRAY_LEN(short_forms); i++) {
        if (v == (uint32_t)short_forms[i][0]) {
            buf_put(b, (const char[2]){'\\', short_forms[i][1]}, 2);
            return;
        }
    }
    buf_printf(b, "\\u%04x", (unsigned)v);
}

/* The top bit of each byte of `w` that is zero, and perhaps of others above such a byte. */
static inline uint64_t zero_bytes(uint64_t w)
{
    return (w - EACH_BYTE * 0x01) & ~w & (EACH_BYTE * 0x80);
}

/* Not 0: one of eight bytes is no printable ASCII character. */
static inline uint64_t unprintable(uint64_t w)
{
    const uint64_t low = (w - EACH_BYTE * 0x20) & ~w; /* below a blank */
    return ((w | low) & (EACH_BYTE * 0x80)) | zero_bytes(w ^ (EACH_BYTE * 0x7F));
}

bool utf8_printable_ascii(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t n = s.n;
    for (; n >= 8; p += 8, n -= 8) {
        if (unprintable(get_le64(p)) != 0) {
            return false;
        }
    }
    for (; n > 0; p++, n--) {
        if (*p < 0x20 || *p >= 0x7F) {
            return false;
        }
    }
    return true;
}

/* A printable ASCII character that stands for itself in JSON. */
static inline bool plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

/* Not 0: one of eight bytes is not plain. */
static inline uint64_t unplain(uint64_t w)
{
    return unprintable(w) | zero_bytes(w ^ (EACH_BYTE * '"')) | zero_bytes(w ^ (EACH_BYTE * '\\'));
}

bool utf8_json_plain(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    if (s.n >= 8) {
        uint64_t found = unplain(get_le64(p + s.n - 8)); /* the rest, and of the others again */
        for (size_t i = 0; i + 8 < s.n; i += 8) {
            found |= unplain(get_le64(p + i));
        }
        return found == 0;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!plain(p[i])) {
            return false;
        }
    }
    return true;
}

/* The first byte from p on that is not plain, or end. */
static inline const uint8_t *skip_plain(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8 && unplain(get_le64(p)) == 0) {
        p += 8;
    }
    while (p < end && plain(*p)) {
        p++;
    }
    return p;
}

void utf8_json_escape(struct buf *b, struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    const uint8_t *clean = p;
    const uint8_t *end = s.n == 0 ? p : p + s.n;
    while ((p = skip_plain(p, end)) < end) {
        uint32_t v;
        size_t len = decode(p, (size_t)(end - p), &v);
        /* DEL, C1 and the line separators are legal JSON, but not all that read JSON take them. */
        if (len != 0 && !steers(v) && v != '"' && v != '\\') {
            p += len;
            continue;
        }
        buf_put(b, clean, (size_t)(p - clean));
        if (len == 0) {
            buf_put(b, "\xEF\xBF\xBD", 3);
            len = 1;
        } else {
            json_character(b, v);
        }
        p += len;
        clean = p;
    }
    buf_put(b, clean, (size_t)(end - clean));
}
