/*
 * Compressed bytes from a peer: the first byte chooses the codec. The output stays below its limit;
 * what was decompressed is the same after being compressed and decompressed again.
 */
#include <string.h>

#include "core/check.h"
#include "core/mem.h"
#include "record/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUTPUT_MAX = 1 << 20 };

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
