/*
 * A read cursor over bytes that someone else owns. Never allocates; every read checks the bound,
 * returns false and leaves the cursor where it was when there is not enough. Integers are
 * big-endian unless the name says le.
 */
#ifndef LEAT_CORE_SLICE_H
#define LEAT_CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"
#include "core/str.h"

struct slice {
    const uint8_t *p;   /* next byte */
    const uint8_t *end; /* one past the last */
};

static inline struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){(const uint8_t *)p,
                          p == NULL ? (const uint8_t *)p : (const uint8_t *)p + n};
}
static inline size_t slice_left(const struct slice *s)
{
    return (size_t)(s->end - s->p);
}
MUST_USE bool slice_take(struct slice *s, size_t n, const uint8_t **out); /* n bytes, as a view */
MUST_USE bool slice_str(struct slice *s, size_t n, struct str *out);
MUST_USE bool slice_u8(struct slice *s, uint8_t *out);
MUST_USE bool slice_i8(struct slice *s, int8_t *out);
MUST_USE bool slice_i16(struct slice *s, int16_t *out);
MUST_USE bool slice_u16(struct slice *s, uint16_t *out);
MUST_USE bool slice_i32(struct slice *s, int32_t *out);
MUST_USE bool slice_u32(struct slice *s, uint32_t *out);
MUST_USE bool slice_i64(struct slice *s, int64_t *out);
MUST_USE bool slice_le16(struct slice *s, uint16_t *out);
MUST_USE bool slice_le32(struct slice *s, uint32_t *out);
MUST_USE bool slice_le64(struct slice *s, uint64_t *out);
MUST_USE bool slice_uvarint32(struct slice *s, uint32_t *out); /* at most 5 bytes, else false */
MUST_USE bool slice_uvarint64(struct slice *s, uint64_t *out); /* at most 10 bytes */
MUST_USE bool slice_varint32(struct slice *s, int32_t *out);   /* zigzag */
MUST_USE bool slice_varint64(struct slice *s, int64_t *out);
/* Our own files' string: le32 length (0xFFFFFFFF = null) and bytes. Written by buf_put_lstr. */
MUST_USE bool slice_lstr(struct slice *s, struct str *out);

#endif
