/*
 * What compress.c asks of each codec. Private to this room.
 *
 * unpack: decompresses all of `in` to the end of s->plain (which is empty), which never gets more
 * than `cap` bytes. pack: appends the compressed form of `in` to `out`; `out` may keep half of it
 * on failure (compress.c cuts that off). The errors are those of compress.h.
 */
#ifndef LEAT_RECORD_CODEC_H
#define LEAT_RECORD_CODEC_H

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "record/scratch.h"

enum err codec_gzip_unpack(struct record_scratch *s, struct str in, size_t cap, struct ectx *ec);
enum err codec_gzip_pack(struct record_scratch *s, int level, struct str in, struct buf *out,
                         struct ectx *ec);
enum err codec_snappy_unpack(struct record_scratch *s, struct str in, size_t cap, struct ectx *ec);
enum err codec_snappy_pack(struct str in, struct buf *out, struct ectx *ec);
enum err codec_lz4_unpack(struct record_scratch *s, struct str in, size_t cap, struct ectx *ec);
enum err codec_lz4_pack(struct record_scratch *s, int level, struct str in, struct buf *out,
                        struct ectx *ec);
enum err codec_zstd_unpack(struct record_scratch *s, struct str in, size_t cap, struct ectx *ec);
enum err codec_zstd_pack(struct record_scratch *s, int level, struct str in, struct buf *out,
                         struct ectx *ec);

/* Bytes that the library holds, and giving them back. */
size_t codec_gzip_bytes(const struct record_scratch *s);
void codec_gzip_free(struct record_scratch *s);
size_t codec_lz4_bytes(const struct record_scratch *s);
void codec_lz4_free(struct record_scratch *s);
size_t codec_zstd_bytes(const struct record_scratch *s);
void codec_zstd_free(struct record_scratch *s);

/* Shared by the codecs. */
/* Makes room for output in s->plain: at least one byte, more if cap allows. How much, or 0 with *e
 * set. */
size_t codec_room(struct record_scratch *s, size_t cap, size_t wish, enum err *e, struct ectx *ec);
/* Room for `n` bytes of output in `out`: ERR_OK, ERR_LIMIT, ERR_NO_MEMORY. */
enum err codec_reserve(struct buf *out, size_t n, struct ectx *ec);
enum err codec_no_memory(struct ectx *ec, const char *codec);
enum err codec_bad(struct ectx *ec, const char *codec, const char *why);

#endif
