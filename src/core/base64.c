/* Base64, both ways and in both alphabets: they differ in two digits. */
#include "core/base64.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char for_urls[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t text_size(struct str bytes)
{
    return (bytes.n + 2) / 3 * 4;
}

static void encode(uint8_t *out, struct str bytes, const char digits[65])
{
    for (size_t i = 0; i < bytes.n; i += 3, out += 4) {
        uint32_t v = (uint32_t)(uint8_t)bytes.p[i] << 16;
        v |= i + 1 < bytes.n ? (uint32_t)(uint8_t)bytes.p[i + 1] << 8 : 0;
        v |= i + 2 < bytes.n ? (uint32_t)(uint8_t)bytes.p[i + 2] : 0;
        out[0] = (uint8_t)digits[v >> 18];
        out[1] = (uint8_t)digits[v >> 12 & 63];
        out[2] = i + 1 < bytes.n ? (uint8_t)digits[v >> 6 & 63] : '=';
        out[3] = i + 2 < bytes.n ? (uint8_t)digits[v & 63] : '=';
    }
}

/* The value of a digit, or 64. */
static uint32_t digit_value(char c, const char digits[65])
{
    return c >= 'A' && c <= 'Z'   ? (uint32_t)(c - 'A')
           : c >= 'a' && c <= 'z' ? (uint32_t)(c - 'a') + 26
           : c >= '0' && c <= '9' ? (uint32_t)(c - '0') + 52
           : c == digits[62]      ? 62
           : c == digits[63]      ? 63
                                  : 64;
}

static size_t padding_of(struct str text)
{
    size_t padding = 0;
    while (padding < 2 && padding < text.n && text.p[text.n - 1 - padding] == '=') {
        padding++;
    }
    return padding;
}

/* How many bytes a text of a whole number of groups stands for. */
static size_t bytes_size(struct str text)
{
    return text.n / 4 * 3 - padding_of(text);
}

static bool decode(uint8_t *out, struct str text, const char digits[65])
{
    const size_t padding = padding_of(text);
    for (size_t i = 0; i < text.n; i += 4) {
        const size_t missing = i + 4 == text.n ? padding : 0;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            const uint32_t d = k >= 4 - missing ? 0 : digit_value(text.p[i + k], digits);
            if (d == 64) {
                return false;
            }
            v = v << 6 | d;
        }
        if ((missing == 1 && (v & 0xff) != 0) || (missing == 2 && (v & 0xffff) != 0)) {
            return false;
        }
        for (size_t k = 0; k < 3 - missing; k++) {
            *out++ = (uint8_t)(v >> (16 - 8 * k));
        }
    }
    return true;
}

void base64_encode(struct buf *out, struct str bytes)
{
    uint8_t *p = buf_extend(out, text_size(bytes));
    if (p != NULL) {
        encode(p, bytes, standard);
    }
}

bool base64_decode(struct buf *out, struct str text)
{
    if (text.n % 4 != 0) {
        return false;
    }
    const size_t before = out->n;
    uint8_t *p = buf_extend(out, bytes_size(text));
    if (buf_failed(out) || (text.n > 0 && !decode(p, text, standard))) {
        out->n = before;
        return false;
    }
    return true;
}

struct str base64url_encode(struct str bytes, struct arena *a)
{
    char *p = arena_alloc(a, text_size(bytes) + 1);
    if (p == NULL) {
        return STR_NULL;
    }
    encode((uint8_t *)p, bytes, for_urls);
    return str_make(p, text_size(bytes));
}

bool base64url_decode(struct str text, struct arena *a, struct str *out)
{
    uint8_t *p = text.n % 4 != 0 ? NULL : arena_alloc(a, bytes_size(text) + 1);
    if (p == NULL || !decode(p, text, for_urls)) {
        return false;
    }
    *out = str_make(p, bytes_size(text));
    return true;
}
