/*
 * LZ4 in its frame format. Kafka's Java client reads version 1 frames with independent blocks and
 * without a dictionary id, nothing else; so frames of another kind are refused here, at the door,
 * rather than stored for consumers that can not read them. (The header checksum that Kafka once
 * computed wrongly is right in magic 2 batches.)
 */
#include <lz4frame.h>

#include "core/bytes.h"
#include "core/compiler.h"
#include "record/codec.h"

enum {
    LZ4_MAGIC = 0x184D2204,
    LZ4_MIN_HEADER = 7,
    LZ4_FLAG_VERSION = 0xc0,
    LZ4_FLAG_VERSION_1 = 0x40,
    LZ4_FLAG_INDEPENDENT = 0x20,
    LZ4_FLAG_RESERVED = 0x03, /* the lower one is the dictionary id */
};
/* Level 9 is what Kafka calls the default, and writes with the fast compressor. */
enum { LZ4_LEVEL_FAST = 9, LZ4_LEVEL_MAX = 12 };
/* What the library allocates; it does not tell. Reading: two blocks, writing: tables and one block.
 */
enum { LZ4_OUT_BYTES = 512 * 1024 };
static size_t block_bytes(struct str in)
{
    unsigned id = ((uint8_t)in.p[5] >> 4) & 7; /* 4 to 7: 64 KiB to 4 MiB */
    return id < 4 ? 0 : (size_t)64 * 1024 << (2 * (id - 4));
}

static enum err check_header(struct str in, struct ectx *ec)
{
    const uint8_t *p = (const uint8_t *)in.p;
    if (in.n < LZ4_MIN_HEADER || get_le32(p) != LZ4_MAGIC) {
        return codec_bad(ec, "lz4", "there is no frame header");
    }
    unsigned flags = p[4];
    if ((flags & LZ4_FLAG_VERSION) != LZ4_FLAG_VERSION_1 || (flags & LZ4_FLAG_RESERVED) != 0) {
        return codec_bad(ec, "lz4", "the frame has a version or options that Kafka does not read");
    }
    if ((flags & LZ4_FLAG_INDEPENDENT) == 0) {
        return codec_bad(ec, "lz4", "the frame has linked blocks, which Kafka does not read");
    }
    return ERR_OK;
}

static enum err unpack_frame(struct record_scratch *s, struct str in, size_t cap, struct ectx *ec)
{
    const uint8_t *p = (const uint8_t *)in.p;
    const uint8_t *end = p + in.n;
    for (;;) {
        uint8_t none;
        enum err e = ERR_OK;
        bool full = s->plain.n == cap;
        size_t to = full ? 0 : codec_room(s, cap, in.n * 4, &e, ec);
        if (e != ERR_OK) {
            return e;
        }
        size_t from = (size_t)(end - p);
        size_t r =
            LZ4F_decompress(s->lz4_in, full ? &none : s->plain.p + s->plain.n, &to, p, &from, NULL);
        if (LZ4F_isError(r)) {
            return codec_bad(ec, "lz4", LZ4F_getErrorName(r));
        }
        p += from;
        s->plain.n += to;
        if (r == 0) {
            return p == end ? ERR_OK : codec_bad(ec, "lz4", "there are bytes after the frame");
        }
        if (from == 0 && to == 0) {
            if (p == end) {
                return codec_bad(ec, "lz4", "the frame ends too early");
            }
            return full ? ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                                    "a batch is larger than %zu bytes decompressed", cap)
                        : codec_bad(ec, "lz4", "malformed");
        }
    }
}

enum err codec_lz4_unpack(struct record_scratch *s, struct str in, size_t cap, struct ectx *ec)
{
    enum err e = check_header(in, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (s->lz4_in == NULL) {
        LZ4F_dctx *made = NULL;
        if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION))) {
            return codec_no_memory(ec, "lz4");
        }
        s->lz4_in = made;
    } else {
        LZ4F_resetDecompressionContext(s->lz4_in);
    }
    size_t holds = 2 * block_bytes(in);
    s->lz4_in_bytes = holds > s->lz4_in_bytes ? holds : s->lz4_in_bytes;
    return unpack_frame(s, in, cap, ec);
}

enum err codec_lz4_pack(struct record_scratch *s, int level, struct str in, struct buf *out,
                        struct ectx *ec)
{
    if (s->lz4_out == NULL) {
        LZ4F_cctx *made = NULL;
        if (LZ4F_isError(LZ4F_createCompressionContext(&made, LZ4F_VERSION))) {
            return codec_no_memory(ec, "lz4");
        }
        s->lz4_out = made;
    }
    LZ4F_preferences_t prefs = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = level == LZ4_LEVEL_FAST ? 0
                            : level > LZ4_LEVEL_MAX ? LZ4_LEVEL_MAX
                                                    : level,
        .autoFlush = 1,
    };
    size_t bound = LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(in.n, &prefs);
    enum err e = codec_reserve(out, bound, ec);
    if (e != ERR_OK) {
        return e;
    }
    uint8_t *to = out->p + out->n;
    size_t n = 0;
    size_t r = LZ4F_compressBegin(s->lz4_out, to, bound, &prefs);
    if (!LZ4F_isError(r)) {
        n += r;
        r = LZ4F_compressUpdate(s->lz4_out, to + n, bound - n, in.p, in.n, NULL);
    }
    if (!LZ4F_isError(r)) {
        n += r;
        r = LZ4F_compressEnd(s->lz4_out, to + n, bound - n, NULL);
    }
    if (LZ4F_isError(r)) {
        return codec_no_memory(ec, "lz4"); /* with room for the bound, all else is ruled out */
    }
    out->n += n + r;
    return ERR_OK;
}

size_t codec_lz4_bytes(const struct record_scratch *s)
{
    return s->lz4_in_bytes + (s->lz4_out != NULL ? (size_t)LZ4_OUT_BYTES : 0u);
}

void codec_lz4_free(struct record_scratch *s)
{
    LZ4F_freeDecompressionContext(s->lz4_in);
    LZ4F_freeCompressionContext(s->lz4_out);
    s->lz4_in = NULL;
    s->lz4_out = NULL;
    s->lz4_in_bytes = 0;
}
