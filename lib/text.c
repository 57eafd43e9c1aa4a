/* Text under construction: request bodies and paths. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib.h"

void lib_text_init(struct lib_text *t, struct leat *l)
{
    *t = (struct lib_text){.leat = l};
}

void lib_text_deinit(struct lib_text *t)
{
    if (t->p != NULL) {
        (void)lib_realloc(t->leat, t->p, 0);
    }
    *t = (struct lib_text){.leat = t->leat};
}

/* Room for n bytes and a NUL. */
static bool reserve(struct lib_text *t, size_t n)
{
    if (t->failed || n > SIZE_MAX / 4 - t->n) {
        t->failed = true;
        return false;
    }
    if (t->n + n + 1 > t->capacity) {
        const size_t wanted = (t->n + n + 1) * 2;
        char *p = lib_realloc(t->leat, t->p, wanted);
        if (p == NULL) {
            t->failed = true;
            return false;
        }
        t->p = p;
        t->capacity = wanted;
    }
    return true;
}

void lib_text_put(struct lib_text *t, const void *p, size_t n)
{
    if (reserve(t, n)) {
        if (n > 0) {
            memcpy(t->p + t->n, p, n);
        }
        t->n += n;
        t->p[t->n] = '\0';
    }
}

void lib_text_put_z(struct lib_text *t, const char *z)
{
    lib_text_put(t, z, strlen(z));
}

void lib_text_printf(struct lib_text *t, const char *format, ...)
{
    char small[256];
    va_list list;
    va_start(list, format);
    const int n = vsnprintf(small, sizeof(small), format, list);
    va_end(list);
    if (n < 0 || (size_t)n >= sizeof(small)) {
        t->failed = true; /* only numbers and constants are written like this */
        return;
    }
    lib_text_put(t, small, (size_t)n);
}

void lib_text_put_json(struct lib_text *t, const char *z)
{
    lib_text_put(t, "\"", 1);
    for (const char *p = z; *p != '\0'; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\') {
            const char escaped[2] = {'\\', (char)c};
            lib_text_put(t, escaped, 2);
        } else if (c < ' ') {
            lib_text_printf(t, "\\u%04x", c);
        } else {
            lib_text_put(t, p, 1);
        }
    }
    lib_text_put(t, "\"", 1);
}

void lib_text_put_encoded(struct lib_text *t, const char *z)
{
    for (const char *p = z; *p != '\0'; p++) {
        const unsigned char c = (unsigned char)*p;
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || strchr("-._~", c) != NULL;
        if (plain) {
            lib_text_put(t, p, 1);
        } else {
            lib_text_printf(t, "%%%02X", c);
        }
    }
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void lib_text_put_base64(struct lib_text *t, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16;
        v |= i + 1 < n ? (unsigned)p[i + 1] << 8 : 0;
        v |= i + 2 < n ? (unsigned)p[i + 2] : 0;
        const char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
                              i + 1 < n ? digits[v >> 6 & 63] : '=',
                              i + 2 < n ? digits[v & 63] : '='};
        lib_text_put(t, four, 4);
    }
}

size_t lib_base64_decode(char *text)
{
    unsigned v = 0;
    unsigned bits = 0;
    size_t n = 0;
    for (const char *p = text; *p != '\0' && *p != '='; p++) {
        const char *at = strchr(digits, *p);
        if (at == NULL) {
            return SIZE_MAX;
        }
        v = v << 6 | (unsigned)(at - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            text[n++] = (char)(v >> bits & 0xff);
        }
    }
    return n;
}
