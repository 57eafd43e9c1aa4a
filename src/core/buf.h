/*
 * A growing byte buffer for writing. The maximum is required at init: nothing grows without bound.
 * A write that does not fit (limit or memory) sets `failed` and every later write is a no-op, so a
 * long encode is checked once, at its end: `if (buf_failed(&b))`.
 */
#ifndef LEAT_CORE_BUF_H
#define LEAT_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include "core/compiler.h"
#include "core/str.h"

struct buf {
    uint8_t *p;
    size_t n;   /* bytes written */
    size_t cap; /* bytes allocated */
    size_t max; /* n never passes it */
    bool failed;
    bool over; /* failed for `max`: the same would fail again, however much memory there is */
};

void buf_init(struct buf *b, size_t max); /* allocates nothing */
void buf_deinit(struct buf *b);
void buf_clear(struct buf *b); /* n = 0, not failed, memory kept */
static inline bool buf_failed(const struct buf *b)
{
    return b->failed;
}
static inline struct str buf_str(const struct buf *b)
{
    return str_make(b->p, b->n);
}
bool buf_grow(struct buf *b, size_t n); /* of buf_reserve alone: where there is no room yet */
/* Room for `n` more bytes at p + n; false (and failed) if not to be had. */
static inline bool buf_reserve(struct buf *b, size_t n)
{
    return LIKELY(!b->failed && b->p != NULL && n <= b->cap - b->n) ? true : buf_grow(b, n);
}
/* Appends n bytes of unspecified content and returns them, or NULL. Valid until the next write. */
static inline uint8_t *buf_extend(struct buf *b, size_t n)
{
    if (!buf_reserve(b, n)) {
        return NULL;
    }
    uint8_t *at = b->p + b->n;
    b->n += n;
    return at;
}
static inline void buf_put(struct buf *b, const void *p, size_t n)
{
    uint8_t *at = n == 0 ? NULL : buf_extend(b, n);
    if (at != NULL) {
        memcpy(at, p, n);
    }
}
static inline void buf_put_str(struct buf *b, struct str s)
{
    buf_put(b, s.p, s.n);
}
static inline void buf_put_z(struct buf *b, const char *z)
{
    buf_put(b, z, strlen(z));
}
static inline void buf_put_u8(struct buf *b, uint8_t v)
{
    uint8_t *at = buf_extend(b, 1);
    if (at != NULL) {
        *at = v;
    }
}
void buf_put_decimal(struct buf *b, uint64_t v);
void buf_put_be16(struct buf *b, uint16_t v);
void buf_put_be32(struct buf *b, uint32_t v);
void buf_put_be64(struct buf *b, uint64_t v);
void buf_put_le16(struct buf *b, uint16_t v);
void buf_put_le32(struct buf *b, uint32_t v);
void buf_put_le64(struct buf *b, uint64_t v);
void buf_put_uvarint(struct buf *b, uint64_t v); /* unsigned LEB128 */
void buf_put_varint(struct buf *b, int64_t v);   /* zigzag, as in record batches */
/* le32 length (0xFFFFFFFF = null) and the bytes: the string of our own files. Read by slice_lstr.
 */
void buf_put_lstr(struct buf *b, struct str s);
PRINTF_LIKE(2, 3) void buf_printf(struct buf *b, const char *fmt, ...);

#endif
