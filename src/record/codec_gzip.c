/*
 * gzip through zlib. A stream may have several members, as gzip files may. zlib's memory comes from
 * core/mem.h, so that tests can take it away.
 */
#include <limits.h>

#define ZLIB_CONST
#include <zlib.h>

#include "core/compiler.h"
#include "core/mem.h"
#include "record/codec.h"

/* windowBits of zlib: 32 KiB window, and a gzip wrapper. */
enum { GZIP_WINDOW = 15 + 16 };
/* zlib's own figures for its two contexts, rounded up. */
enum { GZIP_IN_BYTES = 48 * 1024, GZIP_OUT_BYTES = 272 * 1024 };

static void *zlib_alloc(void *ctx, unsigned items, unsigned size)
{
    (void)ctx;
    return mem_zalloc(items, size);
}

static void zlib_free(void *ctx, void *p)
{
    (void)ctx;
    mem_free(p);
}

static z_stream *stream_new(void)
{
    z_stream *z = mem_new(z_stream);
    if (z != NULL) {
        z->zalloc = zlib_alloc;
        z->zfree = zlib_free;
    }
    return z;
}

static z_stream *inflate_ready(struct record_scratch *s)
{
    if (s->gzip_in != NULL) {
        return inflateReset(s->gzip_in) == Z_OK ? s->gzip_in : NULL;
    }
    z_stream *z = stream_new();
    if (z != NULL && inflateInit2(z, GZIP_WINDOW) != Z_OK) {
        mem_free(z);
        z = NULL;
    }
    s->gzip_in = z;
    return z;
}

static unsigned clamp(size_t n)
{
    return n > UINT_MAX / 2 ? UINT_MAX / 2 : (unsigned)n;
}

enum err codec_gzip_unpack(struct record_scratch *s, struct str in, size_t cap, struct ectx *ec)
{
    z_stream *z = inflate_ready(s);
    if (z == NULL) {
        return codec_no_memory(ec, "gzip");
    }
    const uint8_t *p = (const uint8_t *)in.p;
    const uint8_t *end = p + in.n;
    for (;;) {
        /* One byte more than the cap is never made: a stream that ends exactly at the cap still
         * has to read its trailer, which needs no room. */
        uint8_t none;
        enum err e = ERR_OK;
        bool full = s->plain.n == cap;
        size_t room = full ? 0 : codec_room(s, cap, in.n * 4, &e, ec);
        if (e != ERR_OK) {
            return e;
        }
        z->next_in = p;
        z->avail_in = clamp((size_t)(end - p));
        z->next_out = full ? &none : s->plain.p + s->plain.n;
        unsigned given = clamp(room);
        z->avail_out = given;
        int r = inflate(z, Z_NO_FLUSH);
        bool moved = z->next_in != p || z->avail_out != given;
        p = z->next_in;
        s->plain.n += given - z->avail_out;
        if (r == Z_STREAM_END) {
            if (p == end) {
                return ERR_OK;
            }
            if (inflateReset(z) != Z_OK) {
                return codec_bad(ec, "gzip", "a second member can not be read");
            }
        } else if (r == Z_MEM_ERROR) {
            return codec_no_memory(ec, "gzip");
        } else if (r != Z_OK && r != Z_BUF_ERROR) {
            return codec_bad(ec, "gzip", z->msg != NULL ? z->msg : "malformed");
        } else if (!moved) {
            if (p == end) {
                return codec_bad(ec, "gzip", "the stream ends too early");
            }
            return full ? ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                                    "a batch is larger than %zu bytes decompressed", cap)
                        : codec_bad(ec, "gzip", "malformed");
        }
    }
}

static z_stream *deflate_ready(struct record_scratch *s, int level)
{
    if (s->gzip_out != NULL && s->gzip_out_level == level) {
        return deflateReset(s->gzip_out) == Z_OK ? s->gzip_out : NULL;
    }
    if (s->gzip_out != NULL) {
        (void)deflateEnd(s->gzip_out);
        mem_free(s->gzip_out);
        s->gzip_out = NULL;
    }
    z_stream *z = stream_new();
    if (z != NULL &&
        deflateInit2(z, level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        mem_free(z);
        z = NULL;
    }
    s->gzip_out = z;
    s->gzip_out_level = level;
    return z;
}

enum err codec_gzip_pack(struct record_scratch *s, int level, struct str in, struct buf *out,
                         struct ectx *ec)
{
    z_stream *z = deflate_ready(s, level);
    if (z == NULL) {
        return codec_no_memory(ec, "gzip");
    }
    size_t bound = deflateBound(z, in.n);
    if (in.n > UINT_MAX || bound > UINT_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "%zu bytes are too many for one gzip stream", in.n);
    }
    enum err e = codec_reserve(out, bound, ec);
    if (e != ERR_OK) {
        return e;
    }
    z->next_in = (const uint8_t *)in.p;
    z->avail_in = (unsigned)in.n;
    z->next_out = out->p + out->n;
    z->avail_out = (unsigned)bound;
    if (deflate(z, Z_FINISH) != Z_STREAM_END) {
        return ectx_fail(ec, ERR_LIMIT, "gzip made more than its bound");
    }
    out->n += bound - z->avail_out;
    return ERR_OK;
}

size_t codec_gzip_bytes(const struct record_scratch *s)
{
    return (s->gzip_in != NULL ? GZIP_IN_BYTES : 0u) + (s->gzip_out != NULL ? GZIP_OUT_BYTES : 0u);
}

void codec_gzip_free(struct record_scratch *s)
{
    if (s->gzip_in != NULL) {
        (void)inflateEnd(s->gzip_in);
        mem_free(s->gzip_in);
        s->gzip_in = NULL;
    }
    if (s->gzip_out != NULL) {
        (void)deflateEnd(s->gzip_out);
        mem_free(s->gzip_out);
        s->gzip_out = NULL;
    }
}
