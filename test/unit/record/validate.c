/* The rules for produced batches, one by one. What Kafka does with the same bytes:
 * test/compat/java-record. */
#include <string.h>

#include "common.h"
#include "core/bytes.h"
#include "test.h"

/* A sound batch, one 32-bit (or smaller) field changed, the checksum repaired. */
static enum err with_field(size_t at, size_t bytes, uint64_t v)
{
    struct fixture f;
    fixture_init(&f);
    fixture_build(&f, NULL, 3);
    for (size_t i = 0; i < bytes; i++) {
        f.out.p[at + i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    }
    fixture_repair(&f);
    enum err e = fixture_validate(&f);
    assert_true(e == ERR_OK || f.ec.text[0] != '\0');
    fixture_deinit(&f);
    return e;
}

TEST(validate_checks_each_header_field)
{
    /* Every field that Kafka looks at, with its error. */
    assert_int_equal(with_field(BATCH_AT_BASE_OFFSET, 8, 1), ERR_INVALID_RECORD);
    assert_int_equal(with_field(BATCH_AT_LEADER_EPOCH, 4, 55), ERR_OK);
    assert_int_equal(with_field(BATCH_AT_LAST_OFFSET_DELTA, 4, 1), ERR_INVALID_RECORD);
    assert_int_equal(with_field(BATCH_AT_LAST_OFFSET_DELTA, 4, UINT32_MAX), ERR_INVALID_RECORD);
    assert_int_equal(with_field(BATCH_AT_RECORD_COUNT, 4, 0), ERR_INVALID_RECORD);
    assert_int_equal(with_field(BATCH_AT_RECORD_COUNT, 4, UINT32_MAX), ERR_INVALID_RECORD);
    assert_int_equal(with_field(BATCH_AT_ATTRIBUTES, 2, BATCH_ATTR_CONTROL), ERR_INVALID_RECORD);
    assert_int_equal(with_field(BATCH_AT_ATTRIBUTES, 2, BATCH_ATTR_TRANSACTIONAL),
                     ERR_INVALID_RECORD);
    assert_int_equal(with_field(BATCH_AT_ATTRIBUTES, 2, BATCH_ATTR_LOG_APPEND_TIME),
                     ERR_INVALID_TIMESTAMP);
    for (unsigned codec = 5; codec < 8; codec++) {
        assert_int_equal(with_field(BATCH_AT_ATTRIBUTES, 2, codec),
                         ERR_UNSUPPORTED_COMPRESSION_TYPE);
    }
    assert_int_equal(with_field(BATCH_AT_PRODUCER_ID, 8, 5), ERR_INVALID_RECORD); /* no sequence */
    assert_int_equal(with_field(BATCH_AT_MAGIC, 1, 2), ERR_OK);
    struct fixture f;
    fixture_init(&f);
    fixture_build(&f, NULL, 1);
    f.out.p[BATCH_AT_MAGIC] = 1;
    assert_int_equal(fixture_validate(&f), ERR_INVALID_RECORD);
    f.out.p[BATCH_AT_MAGIC] = 9;
    assert_int_equal(fixture_validate(&f), ERR_CORRUPT_MESSAGE);
    f.out.p[BATCH_AT_MAGIC] = 2;
    f.out.p[BATCH_AT_CRC] ^= 1;
    assert_int_equal(fixture_validate(&f), ERR_CORRUPT_MESSAGE);
    fixture_deinit(&f);
}

TEST(validate_wants_exactly_one_batch)
{
    /* None, a part of one, and two are refused; the beginning of a second is cut off, as in Kafka.
     */
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(fixture_validate(&f), ERR_INVALID_RECORD);
    fixture_build(&f, NULL, 1);
    size_t one = f.out.n;
    f.out.n = one - 1;
    assert_int_equal(fixture_validate(&f), ERR_INVALID_RECORD);
    f.out.n = one;
    fixture_build(&f, NULL, 1);
    assert_int_equal(fixture_validate(&f), ERR_INVALID_RECORD);
    for (size_t n = one; n < f.out.n; n++) {
        struct fixture g = f;
        g.out.n = n;
        assert_int_equal(fixture_validate(&g), ERR_OK);
        assert_int_equal(g.verdict.header.size, one);
        f.scratch = g.scratch;
    }
    f.out.n = one;
    for (int i = 0; i < 20; i++) {
        buf_put_u8(&f.out, 0); /* a length of 0 is no beginning */
    }
    assert_int_equal(fixture_validate(&f), ERR_CORRUPT_MESSAGE);
    fixture_deinit(&f);
}

TEST(validate_limits_sizes)
{
    /* max.message.bytes counts the whole batch; a bomb is stopped at the limit of the rules. */
    struct fixture f;
    fixture_init(&f);
    struct batch_spec spec;
    batch_spec_init(&spec);
    spec.codec = RECORD_CODEC_ZSTD;
    fixture_build(&f, &spec, 5000);
    f.rules.max_message_bytes = (int32_t)f.out.n;
    assert_int_equal(fixture_validate(&f), ERR_OK);
    f.rules.max_message_bytes--;
    assert_int_equal(fixture_validate(&f), ERR_MESSAGE_TOO_LARGE);
    f.rules.max_message_bytes++;
    f.rules.max_decompressed_bytes = f.verdict.plain_bytes;
    assert_int_equal(fixture_validate(&f), ERR_OK);
    f.rules.max_decompressed_bytes--;
    assert_int_equal(fixture_validate(&f), ERR_MESSAGE_TOO_LARGE);
    f.rules.max_decompressed_bytes = RECORD_DECOMPRESSED_MAX;
    f.rules.produce_version = 6;
    assert_int_equal(fixture_validate(&f), ERR_UNSUPPORTED_COMPRESSION_TYPE);
    f.rules.produce_version = 7;
    f.rules.codec = RECORD_CODEC_NONE; /* larger than the limit after decompression */
    assert_int_equal(fixture_accept(&f), ERR_MESSAGE_TOO_LARGE);
    fixture_deinit(&f);
}

TEST(validate_names_the_records_to_blame)
{
    /* KIP-467: the index of each record, why, and a bounded list; one wrong time decides the error.
     */
    struct fixture f;
    fixture_init(&f);
    fixture_build(&f, NULL, 500); /* times now .. now + 499 */
    f.rules.timestamp_after_max_ms = 399;
    assert_int_equal(fixture_validate(&f), ERR_INVALID_TIMESTAMP);
    assert_int_equal(f.verdict.error_count, 100);
    assert_int_equal(f.verdict.errors[0].batch_index, 400);
    assert_int_equal(f.verdict.errors[0].err, ERR_INVALID_TIMESTAMP);
    assert_int_equal(f.verdict.errors[99].batch_index, 499);
    char text[200];
    assert_true(record_error_text(&f.verdict.errors[0], &f.rules, text, sizeof(text)) > 0);
    assert_non_null(strstr(text, "1700000000400"));
    assert_int_equal(record_error_text(&f.verdict.errors[0], &f.rules, text, 5), 4);
    f.rules.timestamp_after_max_ms = 299;
    assert_int_equal(fixture_validate(&f), ERR_INVALID_TIMESTAMP);
    assert_int_equal(f.verdict.error_count, 200); /* all counted, RECORD_ERRORS_MAX kept */
    f.rules.timestamp_after_max_ms = 499;
    f.rules.timestamp_before_max_ms = 0;
    assert_int_equal(fixture_validate(&f), ERR_OK); /* both bounds are inclusive */
    f.rules.now_ms++;
    assert_int_equal(fixture_validate(&f), ERR_INVALID_TIMESTAMP);
    f.rules.log_append_time = true;
    assert_int_equal(fixture_validate(&f), ERR_OK); /* create times do not matter then */
    fixture_deinit(&f);
}

TEST(validate_wants_keys_where_topics_are_compacted)
{
    /* A record without a key could never be compacted. An empty key is a key. */
    struct fixture f;
    fixture_init(&f);
    struct batch_builder b;
    batch_builder_init(&b, 4096);
    assert_int_equal(batch_builder_append(&b, -1, STR_LIT(""), STR_NULL, NULL, 0), ERR_OK);
    assert_int_equal(batch_builder_append(&b, -1, STR_NULL, STR_LIT("v"), NULL, 0), ERR_OK);
    struct batch_spec spec;
    batch_spec_init(&spec);
    assert_int_equal(batch_builder_finish(&b, &spec, NULL, &f.out, NULL), ERR_OK);
    batch_builder_deinit(&b);
    assert_int_equal(fixture_validate(&f), ERR_OK);
    assert_int_equal(f.verdict.max_timestamp, -1); /* no record has a time: nothing to check */
    assert_int_equal(f.verdict.max_timestamp_delta, -1);
    f.rules.key_required = true;
    assert_int_equal(fixture_validate(&f), ERR_INVALID_RECORD);
    assert_int_equal(f.verdict.error_count, 1);
    assert_int_equal(f.verdict.errors[0].batch_index, 1);
    fixture_deinit(&f);
}

TEST(validate_transactions_are_a_choice)
{
    /* Until transactions are served, their batches get a final error. */
    struct fixture f;
    fixture_init(&f);
    struct batch_spec spec;
    batch_spec_init(&spec);
    spec.transactional = true;
    spec.producer_id = 1;
    spec.producer_epoch = 0;
    spec.base_sequence = 0;
    fixture_build(&f, &spec, 1);
    assert_int_equal(fixture_validate(&f), ERR_INVALID_TXN_STATE);
    f.rules.allow_transactional = true;
    assert_int_equal(fixture_validate(&f), ERR_OK);
    put_be16(f.out.p + BATCH_AT_PRODUCER_EPOCH, UINT16_MAX);
    fixture_repair(&f);
    assert_int_equal(fixture_validate(&f), ERR_INVALID_RECORD);
    fixture_deinit(&f);
}

TEST(validate_keeps_patches_or_rebuilds)
{
    /* Bytes stay where they can: a wrong maximum and append time are patched, the rest is rebuilt.
     */
    struct fixture f;
    fixture_init(&f);
    fixture_build(&f, NULL, 4);
    assert_int_equal(fixture_validate(&f), ERR_OK);
    assert_int_equal(f.verdict.action, RECORD_KEEP);
    assert_int_equal(f.verdict.max_timestamp_delta, 3);
    put_be64(f.out.p + BATCH_AT_MAX_TIMESTAMP, 1);
    fixture_repair(&f);
    assert_int_equal(fixture_validate(&f), ERR_OK);
    assert_int_equal(f.verdict.action, RECORD_PATCH);
    assert_int_equal(fixture_accept(&f), ERR_OK);
    assert_int_equal((int64_t)get_be64(f.out.p + BATCH_AT_MAX_TIMESTAMP), TEST_NOW + 3);
    f.rules.log_append_time = true;
    f.rules.now_ms = TEST_NOW + 1000;
    assert_int_equal(fixture_accept(&f), ERR_OK);
    assert_int_equal(f.verdict.action, RECORD_PATCH);
    assert_int_equal(f.verdict.max_timestamp_delta, 0);
    struct batch_header h;
    assert_int_equal(batch_header_parse(f.out.p, f.out.n, &h, NULL), ERR_OK);
    assert_int_equal(batch_verify_crc(f.out.p, &h, NULL), ERR_OK);
    assert_true(batch_is_log_append_time(&h));
    assert_int_equal(h.max_timestamp, TEST_NOW + 1000);
    fixture_deinit(&f);
}

TEST(validate_recompresses_between_all_codecs)
{
    /* compression.type: any codec becomes any other, and the records stay the same. */
    for (int from = 0; from < RECORD_CODEC_COUNT; from++) {
        for (int to = 0; to < RECORD_CODEC_COUNT; to++) {
            struct fixture f;
            fixture_init(&f);
            struct batch_spec spec;
            batch_spec_init(&spec);
            spec.codec = (enum record_codec)from;
            spec.producer_id = 8;
            spec.producer_epoch = 2;
            spec.base_sequence = 30;
            fixture_build(&f, &spec, 50);
            f.rules.codec = to;
            assert_int_equal(fixture_accept(&f), ERR_OK);
            assert_int_equal(f.verdict.action, from == to ? RECORD_KEEP : RECORD_REBUILD);
            assert_int_equal(fixture_validate(&f), ERR_OK);
            assert_int_equal(f.verdict.action, RECORD_KEEP);
            assert_int_equal(batch_codec(&f.verdict.header), to);
            assert_int_equal(f.verdict.header.producer_id, 8);
            assert_int_equal(f.verdict.header.producer_epoch, 2);
            assert_int_equal(f.verdict.header.base_sequence, 30);
            assert_int_equal(f.verdict.max_timestamp, TEST_NOW + 49);
            fixture_deinit(&f);
        }
    }
}

TEST(validate_numbers_records_anew)
{
    /* Offsets that are not 0..n-1 are repaired, compressed or not, even if the scratch was used
     * since. */
    for (unsigned codec = 0; codec < RECORD_CODEC_COUNT; codec++) {
        struct fixture f;
        fixture_init(&f);
        struct batch_builder b;
        batch_builder_init(&b, 4096);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(
                batch_builder_append_at(&b, i * 100, TEST_NOW, STR_NULL, STR_LIT("v"), NULL, 0),
                ERR_OK);
        }
        struct batch_spec spec;
        batch_spec_init(&spec);
        spec.codec = (enum record_codec)codec;
        assert_int_equal(batch_builder_finish(&b, &spec, &f.scratch, &f.out, NULL), ERR_OK);
        batch_builder_deinit(&b);
        put_be32(f.out.p + BATCH_AT_LAST_OFFSET_DELTA, 2);
        fixture_repair(&f);
        assert_int_equal(fixture_validate(&f), ERR_OK);
        assert_int_equal(f.verdict.action, RECORD_REBUILD);
        struct fixture other; /* overwrites the scratch in between */
        fixture_init(&other);
        spec.codec = RECORD_CODEC_GZIP;
        fixture_build(&other, &spec, 9);
        struct record_verdict unused;
        assert_int_equal(
            record_validate(other.out.p, other.out.n, &f.rules, &f.scratch, &unused, NULL), ERR_OK);
        fixture_deinit(&other);
        struct buf made;
        buf_init(&made, 4096);
        struct str batch;
        assert_int_equal(
            record_finish(f.out.p, &f.rules, &f.scratch, &f.verdict, &made, &batch, NULL), ERR_OK);
        buf_clear(&f.out);
        buf_put_str(&f.out, batch);
        buf_deinit(&made);
        assert_int_equal(fixture_validate(&f), ERR_OK);
        assert_int_equal(f.verdict.action, RECORD_KEEP);
        assert_int_equal(f.verdict.header.record_count, 3);
        fixture_deinit(&f);
    }
}

static enum err validate_all_codecs(void *ctx)
{
    (void)ctx;
    static uint8_t stored[RECORD_CODEC_COUNT][4096];
    static size_t sizes[RECORD_CODEC_COUNT];
    struct fixture f;
    fixture_init(&f);
    enum err e = ERR_OK;
    for (int from = 0; e == ERR_OK && from < RECORD_CODEC_COUNT; from++) {
        if (sizes[from] == 0) {
            struct batch_builder b;
            struct batch_spec spec;
            batch_spec_init(&spec);
            spec.codec = (enum record_codec)from;
            batch_builder_init(&b, 4096);
            for (int i = 0; e == ERR_OK && i < 100; i++) {
                e = batch_builder_append(&b, TEST_NOW, STR_LIT("k"), STR_LIT("v"), NULL, 0);
            }
            buf_clear(&f.out);
            if (e == ERR_OK) {
                e = batch_builder_finish(&b, &spec, &f.scratch, &f.out, NULL);
            }
            if (e == ERR_OK) {
                memcpy(stored[from], f.out.p, f.out.n);
                sizes[from] = f.out.n;
            }
            batch_builder_deinit(&b);
        }
        for (int to = 0; e == ERR_OK && to < RECORD_CODEC_COUNT; to++) {
            struct str batch;
            f.rules.codec = to;
            buf_clear(&f.out);
            e = record_validate(stored[from], sizes[from], &f.rules, &f.scratch, &f.verdict, NULL);
            if (e == ERR_OK) {
                e = record_finish(stored[from], &f.rules, &f.scratch, &f.verdict, &f.out, &batch,
                                  NULL);
            }
        }
        if (e == ERR_OK) {
            struct control_marker marker = {CONTROL_ABORT, 1};
            struct batch_spec spec;
            batch_spec_init(&spec);
            e = control_batch_build(&spec, &marker, 0, &f.out, NULL);
        }
    }
    fixture_deinit(&f);
    return e;
}

TEST(validate_survives_every_failing_allocation)
{
    /* Out of memory anywhere is ERR_NO_MEMORY, and nothing leaks. */
    test_each_failing_alloc(validate_all_codecs, NULL);
}
