/*
 * Zstandard. Decompression is one call into one contiguous buffer: no window is allocated beside
 * it, so memory is bounded by the cap whatever window a frame asks for. Frames from streaming
 * writers (the Java client) do not say how large they become; the buffer then grows fourfold and
 * the call is made again. The scratch keeps its buffer, so this happens for the first few batches
 * only.
 */
#include <zstd.h>
#include <zstd_errors.h>

#include "core/compiler.h"
#include "record/codec.h"

/* The first guess: what records usually compress to. */
enum { ZSTD_FIRST_RATIO = 4, ZSTD_FIRST_BYTES = 4096, ZSTD_GROWTH = 4 };

static size_t first_guess(struct str in, size_t have, size_t cap)
{
    unsigned long long says = ZSTD_getFrameContentSize(in.p, in.n);
    size_t guess = in.n * ZSTD_FIRST_RATIO + ZSTD_FIRST_BYTES;
    /* What a frame says is only a wish: at most 64 times its size is believed at first. */
    if (says != ZSTD_CONTENTSIZE_UNKNOWN && says != ZSTD_CONTENTSIZE_ERROR && says > guess) {
        guess = says > in.n * 64 ? in.n * 64 : (size_t)says;
    }
    guess = guess < have ? have : guess;
    return guess > cap ? cap : guess;
}

enum err codec_zstd_unpack(struct record_scratch *s, struct str in, size_t cap, struct ectx *ec)
{
    if (in.n == 0) {
        return codec_bad(ec, "zstd", "there is no frame");
    }
    if (s->zstd_in == NULL && (s->zstd_in = ZSTD_createDCtx()) == NULL) {
        return codec_no_memory(ec, "zstd");
    }
    for (size_t size = first_guess(in, s->plain.cap, cap);;) {
        if (!buf_reserve(&s->plain, size == 0 ? 1 : size)) {
            return codec_no_memory(ec, "decompressed records");
        }
        size_t r = ZSTD_decompressDCtx(s->zstd_in, s->plain.p, size, in.p, in.n);
        if (!ZSTD_isError(r)) {
            s->plain.n = r;
            return ERR_OK;
        }
        if (ZSTD_getErrorCode(r) != ZSTD_error_dstSize_tooSmall) {
            return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation
                       ? codec_no_memory(ec, "zstd")
                       : codec_bad(ec, "zstd", ZSTD_getErrorName(r));
        }
        if (size >= cap) {
            return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                             "a batch is larger than %zu bytes decompressed", cap);
        }
        size = size > cap / ZSTD_GROWTH ? cap : size * ZSTD_GROWTH;
    }
}

enum err codec_zstd_pack(struct record_scratch *s, int level, struct str in, struct buf *out,
                         struct ectx *ec)
{
    if (s->zstd_out == NULL && (s->zstd_out = ZSTD_createCCtx()) == NULL) {
        return codec_no_memory(ec, "zstd");
    }
    enum err e = codec_reserve(out, ZSTD_compressBound(in.n), ec);
    if (e != ERR_OK) {
        return e;
    }
    size_t r =
        ZSTD_compressCCtx(s->zstd_out, out->p + out->n, out->cap - out->n, in.p, in.n, level);
    if (ZSTD_isError(r)) {
        return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation
                   ? codec_no_memory(ec, "zstd")
                   : ectx_fail(ec, ERR_LIMIT, "zstd: %s", ZSTD_getErrorName(r));
    }
    out->n += r;
    return ERR_OK;
}

size_t codec_zstd_bytes(const struct record_scratch *s)
{
    return (s->zstd_in != NULL ? ZSTD_sizeof_DCtx(s->zstd_in) : 0u) +
           (s->zstd_out != NULL ? ZSTD_sizeof_CCtx(s->zstd_out) : 0u);
}

void codec_zstd_free(struct record_scratch *s)
{
    (void)ZSTD_freeDCtx(s->zstd_in);
    (void)ZSTD_freeCCtx(s->zstd_out);
    s->zstd_in = NULL;
    s->zstd_out = NULL;
}
