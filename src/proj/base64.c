/* Base64 in the alphabet for URLs (RFC 4648 section 5), with padding: parked records, cursors. */
#include <string.h>

#include "proj/apply_int.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct str proj_base64_encode(struct str s, struct arena *a)
{
    size_t n = (s.n + 2) / 3 * 4;
    char *out = arena_alloc(a, n + 1);
    if (out == NULL) {
        return STR_NULL;
    }
    const unsigned char *p = (const unsigned char *)s.p;
    size_t at = 0;
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                     (left > 2 ? (unsigned)p[i + 2] : 0);
        out[at++] = digits[v >> 18];
        out[at++] = digits[v >> 12 & 63];
        out[at++] = left > 1 ? digits[v >> 6 & 63] : '=';
        out[at++] = left > 2 ? digits[v & 63] : '=';
    }
    return str_make(out, n);
}

bool proj_base64_decode(struct str s, struct arena *a, struct str *out)
{
    if (s.n % 4 != 0) {
        return false;
    }
    char *p = arena_alloc(a, s.n / 4 * 3 + 1);
    if (p == NULL) {
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < s.n; i += 4) {
        unsigned v = 0;
        size_t pad = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *d = s.p[i + k] == 0 ? NULL : strchr(digits, s.p[i + k]);
            pad += s.p[i + k] == '=';
            if (d == NULL && s.p[i + k] != '=') {
                return false;
            }
            v = v << 6 | (d == NULL ? 0 : (unsigned)(d - digits));
        }
        p[n++] = (char)(v >> 16);
        p[n++] = (char)(v >> 8 & 255);
        p[n++] = (char)(v & 255);
        n -= pad > 2 ? 2 : pad;
    }
    *out = str_make(p, n);
    return true;
}
