/*
 * Snappy. Clients of the librdkafka family send one raw block; the Java client and those that
 * follow it send the framing of its snappy library: a 16-byte header (0x82 "SNAPPY" 0, version 1,
 * compatible 1), then blocks, each with a 4-byte length in front. Streams in that framing may be
 * joined, so the header may come again between blocks. We write the framing with blocks of 32 KiB,
 * as the Java client does.
 *
 * A raw block can not begin like the header: 0x82 0x53 would be a length of 10626, then 'N' a copy
 * element before any literal, which no encoder writes.
 */
#include <snappy-c.h>

#include "core/bytes.h"
#include "core/compiler.h"
#include "core/slice.h"
#include "record/codec.h"

enum { XERIAL_HEADER = 16, XERIAL_BLOCK = 32 * 1024 };
static const uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

/* The densest thing snappy can write: 64 bytes for 3, with a little air. A block that claims more
 * lies. */
enum { SNAPPY_MAX_RATIO = 32 };

static enum err unpack_block(struct record_scratch *s, const uint8_t *p, size_t n, size_t cap,
                             struct ectx *ec)
{
    size_t plain;
    if (snappy_uncompressed_length((const char *)p, n, &plain) != SNAPPY_OK ||
        plain / SNAPPY_MAX_RATIO > n) {
        return codec_bad(ec, "snappy", "the length of a block is malformed");
    }
    if (plain > cap - s->plain.n) {
        return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE, "a batch is larger than %zu bytes decompressed",
                         cap);
    }
    if (!buf_reserve(&s->plain, plain)) {
        return codec_no_memory(ec, "decompressed records");
    }
    /* The buffer may still be empty (and NULL) if the block is: snappy writes nothing then. */
    char nothing;
    char *to = s->plain.p == NULL ? &nothing : (char *)s->plain.p + s->plain.n;
    if (snappy_uncompress((const char *)p, n, to, &plain) != SNAPPY_OK) {
        return codec_bad(ec, "snappy", "a block is malformed");
    }
    s->plain.n += plain;
    return ERR_OK;
}

static bool is_header(const struct slice *in)
{
    return slice_left(in) >= XERIAL_HEADER &&
           memcmp(in->p, xerial_magic, sizeof(xerial_magic)) == 0;
}

enum err codec_snappy_unpack(struct record_scratch *s, struct str in, size_t cap, struct ectx *ec)
{
    struct slice rest = slice_of(in.p, in.n);
    if (!is_header(&rest)) {
        return unpack_block(s, rest.p, slice_left(&rest), cap, ec);
    }
    while (slice_left(&rest) > 0) {
        uint32_t n;
        const uint8_t *block;
        enum err e;
        if (is_header(&rest)) {
            rest.p += XERIAL_HEADER; /* no client looks at the versions in it */
            e = ERR_OK;
        } else if (!slice_u32(&rest, &n) || !slice_take(&rest, n, &block)) {
            e = codec_bad(ec, "snappy", "a block ends too early");
        } else {
            e = unpack_block(s, block, n, cap, ec);
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

enum err codec_snappy_pack(struct str in, struct buf *out, struct ectx *ec)
{
    size_t blocks = in.n / XERIAL_BLOCK + 1;
    size_t block_bound = 4 + snappy_max_compressed_length(XERIAL_BLOCK);
    size_t last = in.n % XERIAL_BLOCK;
    size_t bound =
        XERIAL_HEADER + (blocks - 1) * block_bound + 4 + snappy_max_compressed_length(last);
    enum err e = codec_reserve(out, bound, ec);
    if (e != ERR_OK) {
        return e;
    }
    buf_put(out, xerial_magic, sizeof(xerial_magic));
    buf_put_be32(out, 1);
    buf_put_be32(out, 1);
    for (size_t at = 0; at < in.n; at += XERIAL_BLOCK) {
        size_t n = in.n - at < XERIAL_BLOCK ? in.n - at : XERIAL_BLOCK;
        size_t packed = snappy_max_compressed_length(n);
        uint8_t *length = buf_extend(out, 4);
        if (length == NULL ||
            snappy_compress(in.p + at, n, (char *)out->p + out->n, &packed) != SNAPPY_OK) {
            return ectx_fail(ec, ERR_LIMIT, "snappy made more than its bound");
        }
        put_be32(length, (uint32_t)packed);
        out->n += packed;
    }
    return ERR_OK;
}
