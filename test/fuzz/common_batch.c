/* Record batches for the fuzz targets: made by the product's builder, then one thing changed. */
#include <string.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "fuzz/common.h"
#include "record/builder.h"

#define RECORDS_MAX 4
#define BATCH_MAX   (1u << 20)

static void put_record(struct fuzz_source *s, struct batch_builder *b, struct arena *a)
{
    static const char *const keys[] = {"", "k", "key", "\xff"};
    struct record_header h = {.key = STR_LIT("h"), .value = STR_LIT("v")};
    struct str key = fuzz_below(s, 4) == 3 ? STR_NULL : str_of(keys[fuzz_below(s, 4)]);
    struct str value = STR_NULL;
    switch (fuzz_below(s, 4)) {
    case 0:
        value = STR_LIT("value");
        break;
    case 1:
        value = fuzz_bytes(s, a, fuzz_below(s, 40));
        break;
    case 2: { /* long and easy to compress */
        size_t n = fuzz_below(s, 3000);
        char *p = arena_alloc(a, n + 1);
        if (p != NULL) {
            memset(p, 'x', n);
            value = str_make(p, n);
        }
        break;
    }
    default:
        break;
    }
    IGNORE(batch_builder_append(b, 1700000000000 + (int64_t)fuzz_below(s, 1000), key, value, &h,
                                fuzz_below(s, 2)));
}

void fuzz_batch_repair(uint8_t *p, size_t n)
{
    struct batch_header h;
    if (batch_header_parse(p, n, &h, NULL) == ERR_OK && h.size <= n) {
        put_be32(p + BATCH_AT_CRC, batch_crc(p, &h));
    }
}

/* One field of the header gets another value. */
static void change_header(struct fuzz_source *s, uint8_t *p)
{
    int64_t v = fuzz_number(s);
    switch (fuzz_below(s, 10)) {
    case 0:
        put_be16(p + BATCH_AT_ATTRIBUTES, (uint16_t)v);
        break;
    case 1:
        put_be32(p + BATCH_AT_LAST_OFFSET_DELTA, (uint32_t)v);
        break;
    case 2:
        put_be64(p + BATCH_AT_BASE_TIMESTAMP, (uint64_t)v);
        break;
    case 3:
        put_be64(p + BATCH_AT_MAX_TIMESTAMP, (uint64_t)v);
        break;
    case 4:
        put_be64(p + BATCH_AT_PRODUCER_ID, (uint64_t)v);
        break;
    case 5:
        put_be16(p + BATCH_AT_PRODUCER_EPOCH, (uint16_t)v);
        break;
    case 6:
        put_be32(p + BATCH_AT_BASE_SEQUENCE, (uint32_t)v);
        break;
    case 7:
        put_be32(p + BATCH_AT_RECORD_COUNT, (uint32_t)v);
        break;
    case 8:
        put_be64(p + BATCH_AT_BASE_OFFSET, (uint64_t)v);
        break;
    default:
        p[BATCH_AT_ATTRIBUTES + 1] ^= (uint8_t)(1u << fuzz_below(s, 7));
        break;
    }
}

void fuzz_batch_make(struct fuzz_source *s, struct buf *out)
{
    struct batch_builder b;
    struct batch_spec spec;
    struct record_scratch scratch;
    struct arena a;
    size_t at = out->n;
    batch_builder_init(&b, BATCH_MAX);
    batch_spec_init(&spec);
    record_scratch_init(&scratch, BATCH_MAX);
    arena_init(&a, BATCH_MAX);
    spec.codec = (enum record_codec)fuzz_below(s, RECORD_CODEC_COUNT);
    if (fuzz_below(s, 2) == 1) {
        spec.producer_id = FUZZ_GENERATION;
        spec.producer_epoch = (int16_t)fuzz_below(s, 2);
        spec.base_sequence = (int32_t)fuzz_below(s, 4);
    }
    spec.transactional = fuzz_below(s, 16) == 15;
    for (uint32_t i = 0, n = 1 + fuzz_below(s, RECORDS_MAX); i < n; i++) {
        put_record(s, &b, &a);
    }
    if (batch_builder_finish(&b, &spec, &scratch, out, NULL) == ERR_OK && fuzz_below(s, 4) == 3) {
        change_header(s, out->p + at);
        fuzz_batch_repair(out->p + at, out->n - at);
    }
    arena_deinit(&a);
    record_scratch_deinit(&scratch);
    batch_builder_deinit(&b);
}

/* Unpacks the records, lets the fuzzer change them, and packs them as `codec`. */
static size_t change_records(struct fuzz_source *s, uint8_t *data, const struct batch_header *h,
                             size_t max)
{
    struct record_scratch scratch;
    struct str plain;
    struct buf packed;
    size_t size = 0;
    record_scratch_init(&scratch, BATCH_MAX);
    buf_init(&packed, BATCH_MAX);
    unsigned codec = batch_codec(h);
    struct str records = str_make(data + BATCH_HEADER_SIZE, h->size - BATCH_HEADER_SIZE);
    if (record_decompress(&scratch, codec, records, BATCH_MAX / 4, &plain, NULL) == ERR_OK) {
        size_t room = plain.n + 64;
        uint8_t *work = mem_alloc(room);
        CHECK(work != NULL);
        if (plain.n > 0) {
            memcpy(work, plain.p, plain.n);
        }
        size_t n = LLVMFuzzerMutate(work, plain.n, room);
        unsigned to = fuzz_below(s, 4) == 0 ? fuzz_below(s, RECORD_CODEC_COUNT) : codec;
        if (record_compress(&scratch, (enum record_codec)to, RECORD_LEVEL_DEFAULT,
                            str_make(work, n), &packed, NULL) == ERR_OK &&
            packed.n + BATCH_HEADER_SIZE <= max) {
            if (packed.n > 0) {
                memcpy(data + BATCH_HEADER_SIZE, packed.p, packed.n);
            }
            size = packed.n + BATCH_HEADER_SIZE;
            data[BATCH_AT_ATTRIBUTES + 1] =
                (uint8_t)((h->attributes & ~BATCH_ATTR_CODEC) | (int)to);
            put_be32(data + BATCH_AT_LENGTH, (uint32_t)(size - BATCH_LENGTH_END));
        }
        mem_free(work);
    }
    buf_deinit(&packed);
    record_scratch_deinit(&scratch);
    return size;
}

size_t fuzz_batch_change(struct fuzz_source *s, uint8_t *data, size_t size, size_t max)
{
    struct batch_header h;
    if (batch_header_parse(data, size, &h, NULL) != ERR_OK || h.size > size) {
        return 0;
    }
    size_t n = h.size;
    if (fuzz_below(s, 3) == 0) {
        change_header(s, data);
    } else {
        n = change_records(s, data, &h, max);
    }
    fuzz_batch_repair(data, n);
    return n;
}
