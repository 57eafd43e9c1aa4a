/* The parts of reading a record that are rare or loop, and so stand out of line. See walk.h. */
#include "record/walk.h"

static const uint8_t *uvarint_slow(const uint8_t *p, const uint8_t *end, unsigned bits,
                                   uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        if (p == end) {
            return NULL;
        }
        uint64_t part = *p & 0x7fu;
        if (shift + 7 > bits && (part >> (bits - shift)) != 0) {
            return NULL;
        }
        v |= part << shift;
        if ((*p++ & 0x80) == 0) {
            *out = v;
            return p;
        }
    }
    return NULL;
}

const uint8_t *walk_varint32_slow(const uint8_t *p, const uint8_t *end, int32_t *out)
{
    uint64_t v;
    p = uvarint_slow(p, end, 32, &v);
    if (p != NULL) {
        *out = (int32_t)((uint32_t)(v >> 1) ^ (0u - (uint32_t)(v & 1)));
    }
    return p;
}

const uint8_t *walk_varint64_slow(const uint8_t *p, const uint8_t *end, int64_t *out)
{
    uint64_t v;
    p = uvarint_slow(p, end, 64, &v);
    if (p != NULL) {
        *out = (int64_t)((v >> 1) ^ (0u - (v & 1)));
    }
    return p;
}

const uint8_t *walk_headers(const uint8_t *p, const uint8_t *end, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const uint8_t *bytes;
        int32_t size;
        p = walk_bytes(p, end, &bytes, &size);
        if (p == NULL || size < 0) {
            return NULL;
        }
        p = walk_bytes(p, end, &bytes, &size);
        if (p == NULL) {
            return NULL;
        }
    }
    return p;
}
