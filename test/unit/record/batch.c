/* Headers of record batches: parsing, patching, walking a run of batches. */
#include "record/batch.h"

#include <string.h>

#include "common.h"
#include "core/bytes.h"
#include "record/record.h"
#include "test.h"

TEST(record_header_has_every_field)
{
    /* What is written by the builder is read field by field. */
    struct fixture f;
    fixture_init(&f);
    struct batch_spec spec;
    batch_spec_init(&spec);
    spec.base_offset = 0x123456789a;
    spec.leader_epoch = 77;
    spec.producer_id = 4711;
    spec.producer_epoch = 12;
    spec.base_sequence = INT32_MAX;
    spec.transactional = true;
    fixture_build(&f, &spec, 3);
    struct batch_header h;
    assert_int_equal(batch_header_parse(f.out.p, f.out.n, &h, NULL), ERR_OK);
    assert_int_equal(h.base_offset, 0x123456789a);
    assert_int_equal(h.length, (int32_t)f.out.n - 12);
    assert_int_equal(h.size, f.out.n);
    assert_int_equal(h.leader_epoch, 77);
    assert_int_equal(h.magic, 2);
    assert_int_equal(h.attributes, BATCH_ATTR_TRANSACTIONAL);
    assert_int_equal(h.last_offset_delta, 2);
    assert_int_equal(h.base_timestamp, TEST_NOW);
    assert_int_equal(h.max_timestamp, TEST_NOW + 2);
    assert_int_equal(h.producer_id, 4711);
    assert_int_equal(h.producer_epoch, 12);
    assert_int_equal(h.base_sequence, INT32_MAX);
    assert_int_equal(h.record_count, 3);
    assert_int_equal(batch_last_offset(&h), 0x123456789a + 2);
    assert_int_equal(batch_last_sequence(&h), 1); /* wraps to 0, not below */
    assert_true(batch_is_transactional(&h) && batch_has_producer(&h));
    assert_false(batch_is_control(&h) || batch_is_log_append_time(&h) ||
                 batch_has_delete_horizon(&h));
    assert_int_equal(batch_verify_crc(f.out.p, &h, NULL), ERR_OK);
    fixture_deinit(&f);
}

TEST(record_header_refuses_what_is_no_batch)
{
    /* Each bound is checked before a byte behind it is read; errors tell short from wrong. */
    struct fixture f;
    fixture_init(&f);
    fixture_build(&f, NULL, 2);
    struct batch_header h;
    for (size_t n = 0; n < f.out.n; n++) {
        uint8_t *exact = mem_alloc(n); /* so that the sanitizer sees a read past the end */
        memcpy(exact, f.out.p, n);
        assert_int_equal(batch_header_parse(exact, n, &h, NULL), ERR_TRUNCATED);
        mem_free(exact);
    }
    static const struct {
        int32_t length;
        int8_t magic;
        enum err err;
    } cases[] = {
        {INT32_MIN, 2, ERR_CORRUPT_MESSAGE},
        {-1, 2, ERR_CORRUPT_MESSAGE},
        {0, 2, ERR_CORRUPT_MESSAGE},
        {13, 2, ERR_CORRUPT_MESSAGE},
        {48, 2, ERR_CORRUPT_MESSAGE},
        {INT32_MAX, 2, ERR_TRUNCATED},
        {60, 3, ERR_CORRUPT_MESSAGE},
        {60, -1, ERR_CORRUPT_MESSAGE},
        {60, 0, ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT},
        {60, 1, ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_be32(f.out.p + BATCH_AT_LENGTH, (uint32_t)cases[i].length);
        f.out.p[BATCH_AT_MAGIC] = (uint8_t)cases[i].magic;
        struct ectx ec = {0};
        assert_int_equal(batch_header_parse(f.out.p, f.out.n, &h, &ec), cases[i].err);
        assert_true(ec.text[0] != '\0');
    }
    fixture_deinit(&f);
}

TEST(record_crc_sees_every_bit)
{
    /* Any flipped bit from the attributes on is found; base offset and epoch are outside. */
    struct fixture f;
    fixture_init(&f);
    fixture_build(&f, NULL, 2);
    struct batch_header h;
    assert_int_equal(batch_header_parse(f.out.p, f.out.n, &h, NULL), ERR_OK);
    for (size_t bit = BATCH_AT_ATTRIBUTES * 8; bit < f.out.n * 8; bit++) {
        f.out.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(batch_verify_crc(f.out.p, &h, NULL), ERR_CORRUPT_MESSAGE);
        f.out.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    batch_set_base_offset(f.out.p, &h, INT64_MAX - 5);
    batch_set_leader_epoch(f.out.p, &h, 9);
    assert_int_equal(batch_header_parse(f.out.p, f.out.n, &h, NULL), ERR_OK);
    assert_int_equal(h.base_offset, INT64_MAX - 5);
    assert_int_equal(h.leader_epoch, 9);
    assert_int_equal(batch_verify_crc(f.out.p, &h, NULL), ERR_OK);
    fixture_deinit(&f);
}

TEST(record_times_move_the_checksum)
{
    /* After a change of time the checksum is right; over damaged records it stays wrong. */
    struct fixture f;
    fixture_init(&f);
    fixture_build(&f, NULL, 200);
    struct batch_header h, again;
    assert_int_equal(batch_header_parse(f.out.p, f.out.n, &h, NULL), ERR_OK);
    batch_set_log_append_time(f.out.p, &h, 123456);
    assert_int_equal(batch_header_parse(f.out.p, f.out.n, &again, NULL), ERR_OK);
    assert_int_equal(again.max_timestamp, 123456);
    assert_true(batch_is_log_append_time(&again));
    assert_int_equal(batch_verify_crc(f.out.p, &again, NULL), ERR_OK);
    assert_int_equal(batch_verify_crc(f.out.p, &h, NULL), ERR_OK); /* the struct follows */
    batch_set_max_timestamp(f.out.p, &h, 99);
    assert_false(batch_is_log_append_time(&h));
    assert_int_equal(batch_verify_crc(f.out.p, &h, NULL), ERR_OK);
    f.out.p[f.out.n - 3] ^= 1;
    batch_set_log_append_time(f.out.p, &h, 5);
    assert_int_equal(batch_verify_crc(f.out.p, &h, NULL), ERR_CORRUPT_MESSAGE);
    fixture_deinit(&f);
}

TEST(record_run_ends_at_a_cut_batch)
{
    /* A fetch response may end within a batch: those before it are read, then ERR_TRUNCATED. */
    struct fixture f;
    fixture_init(&f);
    fixture_build(&f, NULL, 1);
    size_t one = f.out.n;
    fixture_build(&f, NULL, 2);
    struct slice run = slice_of(f.out.p, f.out.n - 1);
    struct batch b;
    assert_int_equal(batch_next(&run, &b, NULL), ERR_OK);
    assert_int_equal(b.header.size, one);
    assert_ptr_equal(b.bytes, f.out.p);
    assert_int_equal(batch_next(&run, &b, NULL), ERR_TRUNCATED);
    assert_ptr_equal(run.p, f.out.p + one);
    run.end++;
    assert_int_equal(batch_next(&run, &b, NULL), ERR_OK);
    assert_int_equal(b.header.record_count, 2);
    assert_int_equal(slice_left(&run), 0);
    fixture_deinit(&f);
}
