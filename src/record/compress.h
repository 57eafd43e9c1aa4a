/*
 * The four codecs of record batches as Kafka's clients read and write them:
 *   gzip    RFC 1952, any number of members
 *   snappy  raw, or in the blocks of the Java library ("xerial" framing); written with framing
 *   lz4     the LZ4 frame format with independent blocks (Kafka's Java client reads no others)
 *   zstd    RFC 8878, any number of frames
 * Input comes from peers: all of it is checked, output is limited, and nothing is left over at the
 * end.
 */
#ifndef LEAT_RECORD_COMPRESS_H
#define LEAT_RECORD_COMPRESS_H

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "record/batch.h"
#include "record/scratch.h"

/* The codec's own default level, as Kafka's `compression.*.level` defaults. */
#define RECORD_LEVEL_DEFAULT INT32_MIN

/*
 * Decompresses `in`. On success *out is a view: in the scratch, or `in` itself for
 * RECORD_CODEC_NONE. `max_bytes` limits the output (the scratch's own limit does too):
 * ERR_MESSAGE_TOO_LARGE as soon as it is passed. ERR_INVALID_RECORD: the bytes are not what the
 * codec says. ERR_UNSUPPORTED_COMPRESSION_TYPE: codec 5 to 7. ERR_NO_MEMORY.
 */
MUST_USE enum err record_decompress(struct record_scratch *s, unsigned codec, struct str in,
                                    size_t max_bytes, struct str *out, struct ectx *ec);

/* Appends `in`, compressed, to `out`. Levels beyond a codec's range are moved into it; snappy has
 * none. ERR_LIMIT: `out` is full. ERR_NO_MEMORY. `out` is as before on failure. */
MUST_USE enum err record_compress(struct record_scratch *s, enum record_codec codec, int32_t level,
                                  struct str in, struct buf *out, struct ectx *ec);

/* The range that Kafka accepts for compression.<codec>.level, and its default; false for none and
 * snappy. */
struct record_level_range {
    int32_t min, max, fallback;
};
bool record_codec_levels(enum record_codec codec, struct record_level_range *out);

#endif
