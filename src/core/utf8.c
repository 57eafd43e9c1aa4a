/*
 * UTF-8 by decoding one character at a time, with a fast path for runs of ASCII. Overlong forms,
 * surrogates and values above U+10FFFF are invalid, as in RFC 3629.
 */
#include "core/utf8.h"

#include "core/bytes.h"

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

/* Sixteen bytes at once, by the vectors that gcc and clang have for every machine. */
typedef uint8_t bytes16 __attribute__((vector_size(16)));

static inline bytes16 load(const uint8_t *p)
{
    bytes16 v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* Fewer than sixteen: some of them twice, or filled up with blanks. */
static inline bytes16 load_short(const uint8_t *p, size_t n)
{
    uint8_t all[sizeof(bytes16)];
    memset(all, ' ', sizeof(all));
    if (n >= sizeof(all) / 2) {
        memcpy(all, p, sizeof(all) / 2);
        memcpy(all + sizeof(all) / 2, p + n - sizeof(all) / 2, sizeof(all) / 2);
    } else if (n > 0) {
        memcpy(all, p, n);
    }
    return load(all);
}

static inline bool any(bytes16 v)
{
    uint64_t half[2];
    memcpy(half, &v, sizeof(half));
    return (half[0] | half[1]) != 0;
}

/* Not 0 where a byte is no printable ASCII character. */
static inline bytes16 unprintable(bytes16 v)
{
    return (bytes16)(v - 0x20 > 0x7E - 0x20);
}

/* Not 0 where a byte is none that stands for itself in JSON. */
static inline bytes16 unplain(bytes16 v)
{
    return unprintable(v) | (bytes16)(v == '"') | (bytes16)(v == '\\');
}

/* Has `rule` nothing against any byte? What does not fill a vector is seen with bytes before it. */
static inline bool none(struct str s, bytes16 (*rule)(bytes16))
{
    const uint8_t *p = (const uint8_t *)s.p;
    const size_t step = sizeof(bytes16);
    if (s.n < step) {
        return !any(rule(load_short(p, s.n)));
    }
    bytes16 found = rule(load(p + s.n - step));
    for (size_t i = 0; i + step < s.n; i += step) {
        found |= rule(load(p + i));
    }
    return !any(found);
}

bool utf8_printable_ascii(struct str s)
{
    return none(s, unprintable);
}

bool utf8_json_plain(struct str s)
{
    return none(s, unplain);
}

/* A printable ASCII character that stands for itself in JSON. */
static inline bool plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

/* The first byte from p on that is not plain, or end. */
static inline const uint8_t *skip_plain(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= (ptrdiff_t)sizeof(bytes16) && !any(unplain(load(p)))) {
        p += sizeof(bytes16);
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
