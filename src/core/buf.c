/*
 * The growing buffer. One byte more than `cap` is allocated, so that buf_printf has room for the
 * NUL that vsnprintf insists on even when the text fits exactly.
 */
#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/bytes.h"
#include "core/mem.h"

#define FIRST_CAP 63u

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max == SIZE_MAX ? SIZE_MAX - 1 : max};
}

void buf_deinit(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
    b->over = false;
}

bool buf_grow(struct buf *b, size_t n)
{
    if (b->failed) {
        return false;
    }
    if (n > b->max - b->n) {
        b->failed = true;
        b->over = true;
        return false;
    }
    size_t need = b->n + n;
    size_t cap = b->cap == 0 ? FIRST_CAP : b->cap;
    while (cap < need && cap <= b->max / 2) {
        cap = cap * 2 + 1;
    }
    cap = cap < need ? need : cap;
    cap = cap > b->max ? b->max : cap;
    uint8_t *p = mem_realloc(b->p, cap + 1);
    if (p == NULL) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void buf_put_decimal(struct buf *b, uint64_t v)
{
    char digits[STR_U64_MAX];
    buf_put_str(b, str_of_u64(v, digits));
}

#define DEFINE_PUT(order, bits)                                 \
    void buf_put_##order##bits(struct buf *b, uint##bits##_t v) \
    {                                                           \
        uint8_t *at = buf_extend(b, sizeof(v));                 \
        if (at != NULL) {                                       \
            put_##order##bits(at, v);                           \
        }                                                       \
    }

DEFINE_PUT(be, 16)
DEFINE_PUT(be, 32)
DEFINE_PUT(be, 64)
DEFINE_PUT(le, 16)
DEFINE_PUT(le, 32)
DEFINE_PUT(le, 64)

void buf_put_uvarint(struct buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    while (v >= 0x80) {
        bytes[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[n++] = (uint8_t)v;
    buf_put(b, bytes, n);
}

void buf_put_varint(struct buf *b, int64_t v)
{
    buf_put_uvarint(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

void buf_put_lstr(struct buf *b, struct str s)
{
    if (str_is_null(s)) {
        buf_put_le32(b, UINT32_MAX);
        return;
    }
    if (s.n >= UINT32_MAX) {
        b->failed = true; /* the length has no form in the file */
        return;
    }
    buf_put_le32(b, (uint32_t)s.n);
    buf_put_str(b, s);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
    } else if (buf_reserve(b, (size_t)n)) {
        (void)vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}
