/* Base64, both ways. Decoding is strict: one text for each run of bytes. */
#include "core/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)bytes.p[i] << 16;
        v |= i + 1 < bytes.n ? (uint32_t)(uint8_t)bytes.p[i + 1] << 8 : 0;
        v |= i + 2 < bytes.n ? (uint32_t)(uint8_t)bytes.p[i + 2] : 0;
        buf_put_u8(out, (uint8_t)digits[v >> 18]);
        buf_put_u8(out, (uint8_t)digits[v >> 12 & 63]);
        buf_put_u8(out, i + 1 < bytes.n ? (uint8_t)digits[v >> 6 & 63] : '=');
        buf_put_u8(out, i + 2 < bytes.n ? (uint8_t)digits[v & 63] : '=');
    }
}

/* The value of a digit, or 64. */
static uint32_t digit_value(char c)
{
    return c >= 'A' && c <= 'Z'   ? (uint32_t)(c - 'A')
           : c >= 'a' && c <= 'z' ? (uint32_t)(c - 'a') + 26
           : c >= '0' && c <= '9' ? (uint32_t)(c - '0') + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : 64;
}

bool base64_decode(struct buf *out, struct str text)
{
    const size_t before = out->n;
    size_t padding = 0;
    if (text.n % 4 != 0) {
        return false;
    }
    while (padding < 2 && padding < text.n && text.p[text.n - 1 - padding] == '=') {
        padding++;
    }
    for (size_t i = 0; i < text.n; i += 4) {
        const size_t missing = i + 4 == text.n ? padding : 0;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            const uint32_t d = k >= 4 - missing ? 0 : digit_value(text.p[i + k]);
            if (d == 64) {
                out->n = before;
                return false;
            }
            v = v << 6 | d;
        }
        if ((missing == 1 && (v & 0xff) != 0) || (missing == 2 && (v & 0xffff) != 0)) {
            out->n = before;
            return false;
        }
        for (size_t k = 0; k < 3 - missing; k++) {
            buf_put_u8(out, (uint8_t)(v >> (16 - 8 * k)));
        }
    }
    return !buf_failed(out);
}
