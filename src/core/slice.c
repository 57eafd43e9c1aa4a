/*
 * Bounded reads. Each function looks first and moves the cursor last, so a false answer leaves it
 * where it was. A varint whose value does not fit the type is refused even if it is short enough in
 * bytes.
 */
#include "core/slice.h"

#include "core/bytes.h"

bool slice_take(struct slice *s, size_t n, const uint8_t **out)
{
    if (UNLIKELY(n > slice_left(s))) {
        return false;
    }
    *out = s->p;
    if (n != 0) { /* p may be NULL in an empty slice */
        s->p += n;
    }
    return true;
}

bool slice_str(struct slice *s, size_t n, struct str *out)
{
    const uint8_t *p;
    if (!slice_take(s, n, &p)) {
        return false;
    }
    /* An empty string is not the null string, even in a slice of nothing. */
    *out = str_make(p == NULL ? (const void *)"" : p, n);
    return true;
}

#define DEFINE_READ(name, type, expr)                 \
    bool slice_##name(struct slice *s, type *out)     \
    {                                                 \
        if (UNLIKELY(slice_left(s) < sizeof(type))) { \
            return false;                             \
        }                                             \
        *out = (type)(expr);                          \
        s->p += sizeof(type);                         \
        return true;                                  \
    }

DEFINE_READ(u8, uint8_t, s->p[0])
DEFINE_READ(i8, int8_t, s->p[0])
DEFINE_READ(i16, int16_t, get_be16(s->p))
DEFINE_READ(u16, uint16_t, get_be16(s->p))
DEFINE_READ(i32, int32_t, get_be32(s->p))
DEFINE_READ(u32, uint32_t, get_be32(s->p))
DEFINE_READ(i64, int64_t, get_be64(s->p))
DEFINE_READ(le16, uint16_t, get_le16(s->p))
DEFINE_READ(le32, uint32_t, get_le32(s->p))
DEFINE_READ(le64, uint64_t, get_le64(s->p))

/* LEB128 of at most `bits` bits. */
static inline bool read_uvarint(struct slice *s, unsigned bits, uint64_t *out)
{
    uint64_t v = 0;
    unsigned shift = 0;
    for (const uint8_t *p = s->p; p != s->end && shift < bits; p++, shift += 7) {
        uint64_t group = *p & 0x7Fu;
        if (bits - shift < 7 && (group >> (bits - shift)) != 0) {
            return false;
        }
        v |= group << shift;
        if ((*p & 0x80u) == 0) {
            s->p = p + 1;
            *out = v;
            return true;
        }
    }
    return false;
}

bool slice_uvarint32(struct slice *s, uint32_t *out)
{
    uint64_t v;
    if (!read_uvarint(s, 32, &v)) {
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

bool slice_uvarint64(struct slice *s, uint64_t *out)
{
    return read_uvarint(s, 64, out);
}

bool slice_varint32(struct slice *s, int32_t *out)
{
    uint32_t v;
    if (!slice_uvarint32(s, &v)) {
        return false;
    }
    *out = (int32_t)((v >> 1) ^ (0u - (v & 1u)));
    return true;
}

bool slice_varint64(struct slice *s, int64_t *out)
{
    uint64_t v;
    if (!slice_uvarint64(s, &v)) {
        return false;
    }
    *out = (int64_t)((v >> 1) ^ (0u - (v & 1u)));
    return true;
}

bool slice_lstr(struct slice *s, struct str *out)
{
    struct slice at = *s;
    uint32_t n;
    if (!slice_le32(&at, &n)) {
        return false;
    }
    struct str value = STR_NULL;
    if (n != UINT32_MAX && !slice_str(&at, n, &value)) {
        return false;
    }
    *out = value;
    *s = at;
    return true;
}
