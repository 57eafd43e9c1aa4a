/* The codecs: round trips, framings of other clients, bombs, damage. */
#include <string.h>

#include "common.h"
#include "test.h"

static void fill(struct buf *b, size_t n)
{
    uint32_t x = 7;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        buf_put_u8(b, (uint8_t)('a' + (x >> 24) % 20));
    }
}

TEST(codec_round_trips_at_every_size_and_level)
{
    /* Sizes around the block borders of snappy (32 KiB) and lz4 (64 KiB), and levels beyond the
     * range. */
    static const size_t sizes[] = {0, 1, 100, 32767, 32768, 32769, 65536, 65537, 300000};
    static const int32_t levels[] = {RECORD_LEVEL_DEFAULT, 1, 9, 12, INT32_MAX, -200000};
    struct record_scratch s;
    record_scratch_init(&s, 1u << 20);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf plain;
        buf_init(&plain, 1u << 20);
        fill(&plain, sizes[i]);
        for (unsigned codec = 0; codec < RECORD_CODEC_COUNT; codec++) {
            for (size_t j = 0; j < (sizes[i] > 100000 ? 1u : sizeof(levels) / sizeof(levels[0]));
                 j++) {
                struct buf packed;
                struct str out;
                buf_init(&packed, 1u << 20);
                buf_put_z(&packed, "before");
                assert_int_equal(record_compress(&s, (enum record_codec)codec, levels[j],
                                                 buf_str(&plain), &packed, NULL),
                                 ERR_OK);
                assert_memory_equal(packed.p, "before", 6);
                assert_int_equal(record_decompress(&s, codec, str_make(packed.p + 6, packed.n - 6),
                                                   SIZE_MAX, &out, NULL),
                                 ERR_OK);
                assert_true(str_eq(out, buf_str(&plain)));
                buf_deinit(&packed);
            }
        }
        buf_deinit(&plain);
    }
    record_scratch_deinit(&s);
}

TEST(codec_limits_its_output)
{
    /* A bomb is refused at the limit, with no more memory than that; exactly the limit is fine. */
    struct record_scratch s;
    record_scratch_init(&s, 64u << 20);
    struct buf plain;
    buf_init(&plain, 16u << 20);
    memset(buf_extend(&plain, 16u << 20), 'z', 16u << 20);
    for (unsigned codec = 1; codec < RECORD_CODEC_COUNT; codec++) {
        struct buf packed;
        struct str out;
        buf_init(&packed, 32u << 20);
        assert_int_equal(record_compress(&s, (enum record_codec)codec, RECORD_LEVEL_DEFAULT,
                                         buf_str(&plain), &packed, NULL),
                         ERR_OK);
        assert_true(packed.n < plain.n / 10);
        record_scratch_deinit(&s);
        record_scratch_init(&s, 64u << 20);
        assert_int_equal(record_decompress(&s, codec, buf_str(&packed), plain.n - 1, &out, NULL),
                         ERR_MESSAGE_TOO_LARGE);
        assert_true(s.plain.cap <= plain.n - 1);
        assert_int_equal(record_decompress(&s, codec, buf_str(&packed), plain.n, &out, NULL),
                         ERR_OK);
        assert_int_equal(out.n, plain.n);
        assert_int_equal(record_decompress(&s, codec, buf_str(&packed), 0, &out, NULL),
                         ERR_MESSAGE_TOO_LARGE);
        record_scratch_trim(&s);
        assert_true(record_scratch_bytes(&s) <= RECORD_SCRATCH_KEEP);
        buf_deinit(&packed);
    }
    buf_deinit(&plain);
    record_scratch_deinit(&s);
}

TEST(codec_refuses_cut_and_lengthened_streams)
{
    /* Every cut is noticed, and so are bytes behind the end: nothing is silently lost or added. */
    struct record_scratch s;
    record_scratch_init(&s, 1u << 20);
    struct buf plain;
    buf_init(&plain, 4096);
    fill(&plain, 500);
    for (unsigned codec = 1; codec < RECORD_CODEC_COUNT; codec++) {
        struct buf packed;
        struct str out;
        buf_init(&packed, 4096);
        assert_int_equal(record_compress(&s, (enum record_codec)codec, RECORD_LEVEL_DEFAULT,
                                         buf_str(&plain), &packed, NULL),
                         ERR_OK);
        for (size_t n = 0; n < packed.n; n++) {
            uint8_t *exact = mem_alloc(n);
            memcpy(exact, packed.p, n);
            enum err e = record_decompress(&s, codec, str_make(exact, n), SIZE_MAX, &out, NULL);
            bool header_only = codec == RECORD_CODEC_SNAPPY && n == 16; /* an empty stream */
            assert_int_equal(e, header_only ? ERR_OK : ERR_INVALID_RECORD);
            mem_free(exact);
        }
        buf_put_z(&packed, "more");
        assert_int_equal(record_decompress(&s, codec, buf_str(&packed), SIZE_MAX, &out, NULL),
                         ERR_INVALID_RECORD);
        buf_deinit(&packed);
    }
    struct str out;
    assert_int_equal(record_decompress(&s, 5, STR_LIT("abc"), SIZE_MAX, &out, NULL),
                     ERR_UNSUPPORTED_COMPRESSION_TYPE);
    buf_deinit(&plain);
    record_scratch_deinit(&s);
}

TEST(codec_reads_joined_streams)
{
    /* gzip members, zstd frames and snappy framings may follow one another. */
    struct record_scratch s;
    record_scratch_init(&s, 1u << 20);
    static const unsigned codecs[] = {RECORD_CODEC_GZIP, RECORD_CODEC_SNAPPY, RECORD_CODEC_ZSTD};
    for (size_t i = 0; i < 3; i++) {
        struct buf packed;
        struct str out;
        buf_init(&packed, 4096);
        for (int j = 0; j < 2; j++) {
            assert_int_equal(record_compress(&s, (enum record_codec)codecs[i], RECORD_LEVEL_DEFAULT,
                                             j == 0 ? STR_LIT("one, ") : STR_LIT("two"), &packed,
                                             NULL),
                             ERR_OK);
        }
        assert_int_equal(record_decompress(&s, codecs[i], buf_str(&packed), SIZE_MAX, &out, NULL),
                         ERR_OK);
        assert_true(str_eq_z(out, "one, two"));
        buf_deinit(&packed);
    }
    record_scratch_deinit(&s);
}

TEST(codec_reads_raw_snappy)
{
    /* librdkafka sends snappy without a framing: length, then one literal. A length that lies is
     * refused. */
    static const uint8_t raw[] = {5, 4 << 2, 'h', 'e', 'l', 'l', 'o'};
    static const uint8_t lie[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0};
    struct record_scratch s;
    record_scratch_init(&s, RECORD_DECOMPRESSED_MAX);
    struct str out;
    assert_int_equal(record_decompress(&s, RECORD_CODEC_SNAPPY, str_make(raw, sizeof(raw)),
                                       SIZE_MAX, &out, NULL),
                     ERR_OK);
    assert_true(str_eq_z(out, "hello"));
    assert_int_equal(record_decompress(&s, RECORD_CODEC_SNAPPY, str_make(lie, sizeof(lie)),
                                       SIZE_MAX, &out, NULL),
                     ERR_INVALID_RECORD);
    assert_true(s.plain.cap < 4096); /* and nothing was allocated for it */
    record_scratch_deinit(&s);
}

TEST(codec_refuses_lz4_that_kafka_can_not_read)
{
    /* Linked blocks, another version, a dictionary: Java consumers would fail on them for ever. */
    struct record_scratch s;
    record_scratch_init(&s, 1u << 20);
    struct buf packed;
    struct str out;
    buf_init(&packed, 4096);
    assert_int_equal(
        record_compress(&s, RECORD_CODEC_LZ4, RECORD_LEVEL_DEFAULT, STR_LIT("abc"), &packed, NULL),
        ERR_OK);
    static const uint8_t flags[] = {0x40, 0xa0, 0x61, 0x62};
    for (size_t i = 0; i < sizeof(flags); i++) {
        packed.p[4] = flags[i];
        assert_int_equal(
            record_decompress(&s, RECORD_CODEC_LZ4, buf_str(&packed), SIZE_MAX, &out, NULL),
            ERR_INVALID_RECORD);
    }
    buf_deinit(&packed);
    record_scratch_deinit(&s);
}

TEST(codec_fits_into_what_is_left)
{
    /* The codecs' worst case does not count against the limit of `out`, the result does. */
    struct record_scratch s;
    record_scratch_init(&s, 1u << 20);
    struct buf plain, packed;
    buf_init(&plain, 100000);
    memset(buf_extend(&plain, 100000), 'q', 100000);
    for (unsigned codec = 1; codec < RECORD_CODEC_COUNT; codec++) {
        buf_init(&packed, 10000);
        assert_int_equal(record_compress(&s, (enum record_codec)codec, RECORD_LEVEL_DEFAULT,
                                         buf_str(&plain), &packed, NULL),
                         ERR_OK);
        size_t need = packed.n;
        buf_deinit(&packed);
        buf_init(&packed, need - 1);
        assert_int_equal(record_compress(&s, (enum record_codec)codec, RECORD_LEVEL_DEFAULT,
                                         buf_str(&plain), &packed, NULL),
                         ERR_LIMIT);
        assert_int_equal(packed.n, 0);
        assert_false(buf_failed(&packed));
        buf_deinit(&packed);
    }
    buf_deinit(&plain);
    record_scratch_deinit(&s);
}
