/*
 * Compressed bytes from a peer: the first byte chooses the codec. The output stays below its limit;
 * what was decompressed is the same after being compressed and decompressed again. The mutator
 * unpacks, changes what is inside and packs it again: every codec, snappy in both framings, several
 * streams after one another.
 */
#include <snappy-c.h>
#include <string.h>

#include "core/mem.h"
#include "fuzz/common.h"
#include "record/compress.h"

enum { OUTPUT_MAX = 1 << 20, PLAIN_MAX = 4096 };

static void round_trip(struct record_scratch *scratch, enum record_codec codec, int32_t level,
                       struct str plain)
{
    struct buf copy, packed;
    buf_init(&copy, OUTPUT_MAX);
    buf_init(&packed, 4 * OUTPUT_MAX);
    buf_put_str(&copy, plain);
    struct ectx ec;
    struct str again;
    CHECK(record_compress(scratch, codec, level, buf_str(&copy), &packed, &ec) == ERR_OK);
    CHECK(record_decompress(scratch, codec, buf_str(&packed), OUTPUT_MAX, &again, &ec) == ERR_OK);
    CHECK(str_eq(again, buf_str(&copy)));
    buf_deinit(&copy);
    buf_deinit(&packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    unsigned codec = data[0] & 7;
    int32_t level = data[0] & 8 ? RECORD_LEVEL_DEFAULT : data[0] >> 4;
    uint8_t *p = mem_alloc(size);
    CHECK(p != NULL);
    memcpy(p, data + 1, size - 1);
    struct record_scratch scratch;
    record_scratch_init(&scratch, 4 * OUTPUT_MAX);
    struct ectx ec;
    struct str plain;
    enum err e = record_decompress(&scratch, codec, str_make(p, size - 1), OUTPUT_MAX, &plain, &ec);
    if (e == ERR_OK) {
        CHECK(plain.n <= OUTPUT_MAX || codec == RECORD_CODEC_NONE);
        if (plain.n <= OUTPUT_MAX) {
            round_trip(&scratch, (enum record_codec)codec, level, plain);
        }
    } else {
        CHECK(e == ERR_INVALID_RECORD || e == ERR_MESSAGE_TOO_LARGE ||
              e == ERR_UNSUPPORTED_COMPRESSION_TYPE);
    }
    record_scratch_trim(&scratch);
    CHECK(record_scratch_bytes(&scratch) <= RECORD_SCRATCH_KEEP);
    record_scratch_deinit(&scratch);
    mem_free(p);
    return 0;
}

/* The raw block of librdkafka; the product writes the Java client's framing only. */
static bool pack_raw_snappy(const uint8_t *plain, size_t n, struct buf *out)
{
    size_t packed = snappy_max_compressed_length(n);
    uint8_t *to = buf_extend(out, packed);
    if (to == NULL || snappy_compress((const char *)plain, n, (char *)to, &packed) != SNAPPY_OK) {
        return false;
    }
    out->n = (size_t)(to - out->p) + packed;
    return true;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
    struct fuzz_source s = fuzz_source_seed(seed);
    struct record_scratch scratch;
    struct str plain = STR_NULL;
    struct buf out;
    size_t n = 0;
    if (size < 1 || fuzz_below(&s, 2) == 0) {
        return LLVMFuzzerMutate(data, size, max);
    }
    record_scratch_init(&scratch, 4 * OUTPUT_MAX);
    buf_init(&out, OUTPUT_MAX);
    unsigned codec = data[0] & 7;
    if (codec >= RECORD_CODEC_COUNT || fuzz_below(&s, 8) == 0) {
        codec = fuzz_below(&s, RECORD_CODEC_COUNT);
        data[0] = (uint8_t)((data[0] & 0xf8) | codec);
    }
    uint8_t *work = mem_zalloc(1, PLAIN_MAX);
    CHECK(work != NULL);
    size_t have = 0;
    if (record_decompress(&scratch, codec, str_make(data + 1, size - 1), OUTPUT_MAX, &plain,
                          NULL) == ERR_OK &&
        plain.n > 0) {
        have = plain.n < PLAIN_MAX ? plain.n : PLAIN_MAX;
        memcpy(work, plain.p, have);
    }
    have = LLVMFuzzerMutate(work, have, PLAIN_MAX);
    for (uint32_t i = 0, streams = 1 + fuzz_below(&s, 4) / 3; i < streams; i++) {
        int32_t level = fuzz_below(&s, 2) == 0 ? RECORD_LEVEL_DEFAULT : (int32_t)fuzz_below(&s, 12);
        bool raw = codec == RECORD_CODEC_SNAPPY && fuzz_below(&s, 2) == 0;
        bool good = raw ? pack_raw_snappy(work, have, &out)
                        : record_compress(&scratch, (enum record_codec)codec, level,
                                          str_make(work, have), &out, NULL) == ERR_OK;
        n = good ? out.n : n;
    }
    if (n > 0 && n + 1 <= max) {
        memcpy(data + 1, out.p, n);
        n++;
    } else {
        n = LLVMFuzzerMutate(data, size, max);
    }
    mem_free(work);
    buf_deinit(&out);
    record_scratch_deinit(&scratch);
    return n;
}
