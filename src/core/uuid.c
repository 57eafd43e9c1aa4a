/* UUID text in and out. Both parsers accept exactly one text for each value, so that a text may be
 * used as a key; upper-case hexadecimal is accepted, as RFC 9562 asks. */
#include "core/uuid.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool uuid_is_zero(struct uuid u)
{
    static const struct uuid zero;
    return uuid_eq(u, zero);
}

struct uuid uuid_v4(const uint8_t random[16])
{
    struct uuid u;
    memcpy(u.b, random, sizeof(u.b));
    u.b[6] = (uint8_t)((u.b[6] & 0x0Fu) | 0x40u);
    u.b[8] = (uint8_t)((u.b[8] & 0x3Fu) | 0x80u);
    return u;
}

static bool dash_before(unsigned byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void uuid_format(struct uuid u, char out[UUID_TEXT_SIZE])
{
    for (unsigned i = 0; i < sizeof(u.b); i++) {
        if (dash_before(i)) {
            *out++ = '-';
        }
        *out++ = hex_digits[u.b[i] >> 4];
        *out++ = hex_digits[u.b[i] & 0x0Fu];
    }
    *out = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool uuid_parse(struct str s, struct uuid *out)
{
    struct uuid u;
    if (s.n != UUID_TEXT_SIZE - 1) {
        return false;
    }
    const char *p = s.p;
    for (unsigned i = 0; i < sizeof(u.b); i++) {
        if (dash_before(i) && *p++ != '-') {
            return false;
        }
        int high = hex_value(*p++);
        int low = hex_value(*p++);
        if (high < 0 || low < 0) {
            return false;
        }
        u.b[i] = (uint8_t)(high << 4 | low);
    }
    *out = u;
    return true;
}

void uuid_format_kafka(struct uuid u, char out[UUID_KAFKA_SIZE])
{
    unsigned bits = 0;
    unsigned have = 0;
    for (unsigned i = 0; i < sizeof(u.b); i++) {
        bits = (bits << 8 | u.b[i]) & 0xFFFFu;
        have += 8;
        while (have >= 6) {
            have -= 6;
            *out++ = base64url[bits >> have & 0x3Fu];
        }
    }
    *out++ = base64url[bits << (6 - have) & 0x3Fu];
    *out = '\0';
}

bool uuid_parse_kafka(struct str s, struct uuid *out)
{
    struct uuid u;
    unsigned bits = 0;
    unsigned have = 0;
    unsigned n = 0;
    if (s.n != UUID_KAFKA_SIZE - 1) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] == '\0' ? NULL : strchr(base64url, s.p[i]);
        if (at == NULL) {
            return false;
        }
        bits = (bits << 6 | (unsigned)(at - base64url)) & 0xFFFFu;
        have += 6;
        if (have >= 8) {
            have -= 8;
            u.b[n++] = (uint8_t)(bits >> have);
        }
    }
    /* 22 characters carry 132 bits; the last four must be zero. */
    if ((bits & 0x0Fu) != 0) {
        return false;
    }
    *out = u;
    return true;
}
