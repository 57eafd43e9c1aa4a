/* Codec-independent parts of compression: choice, limits, the scratch and its trimming. See
 * compress.h. */
#include "record/compress.h"

#include "record/codec.h"

void record_scratch_init(struct record_scratch *s, size_t max_bytes)
{
    *s = (struct record_scratch){.max_bytes = max_bytes};
    buf_init(&s->plain, max_bytes);
    buf_init(&s->packed, max_bytes);
}

static void free_contexts(struct record_scratch *s)
{
    codec_gzip_free(s);
    codec_lz4_free(s);
    codec_zstd_free(s);
}

void record_scratch_deinit(struct record_scratch *s)
{
    free_contexts(s);
    buf_deinit(&s->plain);
    buf_deinit(&s->packed);
}

void record_scratch_trim(struct record_scratch *s)
{
    s->generation++;
    if (record_scratch_bytes(s) <= RECORD_SCRATCH_KEEP) {
        return;
    }
    buf_deinit(&s->plain);
    buf_deinit(&s->packed);
    if (record_scratch_bytes(s) > RECORD_SCRATCH_KEEP) {
        free_contexts(s);
    }
}

size_t record_scratch_bytes(const struct record_scratch *s)
{
    return s->plain.cap + s->packed.cap + codec_gzip_bytes(s) + codec_lz4_bytes(s) +
           codec_zstd_bytes(s);
}

enum err codec_no_memory(struct ectx *ec, const char *codec)
{
    return ectx_fail(ec, ERR_NO_MEMORY, "no memory for %s", codec);
}

enum err codec_bad(struct ectx *ec, const char *codec, const char *why)
{
    return ectx_fail(ec, ERR_INVALID_RECORD, "the records are not valid %s: %s", codec, why);
}

size_t codec_room(struct record_scratch *s, size_t cap, size_t wish, enum err *e, struct ectx *ec)
{
    struct buf *b = &s->plain;
    if (b->n >= cap) {
        *e = ectx_fail(ec, ERR_MESSAGE_TOO_LARGE, "a batch is larger than %zu bytes decompressed",
                       cap);
        return 0;
    }
    if (b->cap == b->n) {
        size_t more = wish == 0 ? 1 : wish;
        more = more > cap - b->n ? cap - b->n : more;
        if (!buf_reserve(b, more)) {
            *e = codec_no_memory(ec, "decompressed records");
            return 0;
        }
    }
    size_t room = b->cap - b->n;
    return room > cap - b->n ? cap - b->n : room;
}

enum err codec_reserve(struct buf *out, size_t n, struct ectx *ec)
{
    if (n > out->max - out->n) {
        return ectx_fail(ec, ERR_LIMIT, "compressed records may need %zu bytes, above the limit",
                         n);
    }
    return buf_reserve(out, n) ? ERR_OK : codec_no_memory(ec, "compressed records");
}

enum err record_decompress(struct record_scratch *s, unsigned codec, struct str in,
                           size_t max_bytes, struct str *out, struct ectx *ec)
{
    if (codec == RECORD_CODEC_NONE) {
        *out = in;
        return ERR_OK;
    }
    size_t cap = max_bytes < s->max_bytes ? max_bytes : s->max_bytes;
    buf_clear(&s->plain);
    s->generation++;
    enum err e;
    if (cap == 0) {
        return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE, "decompression is limited to 0 bytes");
    }
    switch (codec) {
    case RECORD_CODEC_GZIP:
        e = codec_gzip_unpack(s, in, cap, ec);
        break;
    case RECORD_CODEC_SNAPPY:
        e = codec_snappy_unpack(s, in, cap, ec);
        break;
    case RECORD_CODEC_LZ4:
        e = codec_lz4_unpack(s, in, cap, ec);
        break;
    case RECORD_CODEC_ZSTD:
        e = codec_zstd_unpack(s, in, cap, ec);
        break;
    default:
        e = ectx_fail(ec, ERR_UNSUPPORTED_COMPRESSION_TYPE, "compression type %u is not known",
                      codec);
        break;
    }
    if (e == ERR_OK) {
        *out = s->plain.n == 0 ? STR_LIT("") : buf_str(&s->plain); /* never NULL */
    }
    return e;
}

bool record_codec_levels(enum record_codec codec, struct record_level_range *out)
{
    switch (codec) {
    case RECORD_CODEC_GZIP:
        *out = (struct record_level_range){.min = 1, .max = 9, .fallback = -1};
        return true;
    case RECORD_CODEC_LZ4:
        *out = (struct record_level_range){.min = 1, .max = 17, .fallback = 9};
        return true;
    case RECORD_CODEC_ZSTD:
        *out = (struct record_level_range){.min = -131072, .max = 22, .fallback = 3};
        return true;
    case RECORD_CODEC_NONE:
    case RECORD_CODEC_SNAPPY:
    case RECORD_CODEC_COUNT:
        break;
    }
    return false;
}

static int level_for(enum record_codec codec, int32_t level)
{
    struct record_level_range range;
    if (!record_codec_levels(codec, &range)) {
        return 0;
    }
    if (level == RECORD_LEVEL_DEFAULT || level == range.fallback) {
        return range.fallback;
    }
    return level < range.min ? range.min : level > range.max ? range.max : level;
}

static enum err pack(struct record_scratch *s, enum record_codec codec, int level, struct str in,
                     struct buf *out, struct ectx *ec)
{
    switch (codec) {
    case RECORD_CODEC_NONE: {
        enum err e = codec_reserve(out, in.n, ec);
        if (e == ERR_OK) {
            buf_put_str(out, in);
        }
        return e;
    }
    case RECORD_CODEC_GZIP:
        return codec_gzip_pack(s, level, in, out, ec);
    case RECORD_CODEC_SNAPPY:
        return codec_snappy_pack(in, out, ec);
    case RECORD_CODEC_LZ4:
        return codec_lz4_pack(s, level, in, out, ec);
    case RECORD_CODEC_ZSTD:
        return codec_zstd_pack(s, level, in, out, ec);
    case RECORD_CODEC_COUNT:
        break;
    }
    return ectx_fail(ec, ERR_UNSUPPORTED_COMPRESSION_TYPE, "compression type %d is not known",
                     codec);
}

/* The codecs want room for the worst case. If `out` may not have that much, the result goes there
 * by way of the scratch. */
static enum err pack_by_way_of_scratch(struct record_scratch *s, enum record_codec codec, int level,
                                       struct str in, struct buf *out, struct ectx *ec)
{
    buf_clear(&s->packed);
    enum err e = pack(s, codec, level, in, &s->packed, ec);
    if (e == ERR_OK) {
        e = codec_reserve(out, s->packed.n, ec);
    }
    if (e == ERR_OK) {
        buf_put_str(out, buf_str(&s->packed));
    }
    buf_clear(&s->packed);
    return e;
}

enum err record_compress(struct record_scratch *s, enum record_codec codec, int32_t level,
                         struct str in, struct buf *out, struct ectx *ec)
{
    size_t start = out->n;
    int native = level_for(codec, level);
    enum err e = pack(s, codec, native, in, out, ec);
    if (e == ERR_LIMIT && codec != RECORD_CODEC_NONE) {
        out->n = start;
        e = pack_by_way_of_scratch(s, codec, native, in, out, ec);
    }
    if (e != ERR_OK) {
        out->n = start;
        out->failed = false;
    }
    return e;
}
