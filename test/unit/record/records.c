/* The records of a batch: walking them, malformed ones, finding one by time, markers. */
#include <string.h>

#include "common.h"
#include "core/bytes.h"
#include "test.h"

#define RAW(...) ((const uint8_t[]){__VA_ARGS__})

TEST(record_walk_returns_what_was_appended)
{
    /* Keys, values, headers, null and empty, survive every codec. */
    static char large[5000];
    memset(large, 'x', sizeof(large));
    const struct record_header headers[] = {
        {STR_LIT("a"), STR_LIT("1")}, {STR_LIT(""), STR_NULL}, {STR_LIT("c"), STR_LIT("")}};
    for (unsigned codec = 0; codec < RECORD_CODEC_COUNT; codec++) {
        struct fixture f;
        fixture_init(&f);
        struct batch_builder b;
        batch_builder_init(&b, 1u << 20);
        assert_int_equal(batch_builder_append(&b, 5, STR_NULL, str_make(large, 5000), headers, 3),
                         ERR_OK);
        assert_int_equal(batch_builder_append(&b, INT64_MIN, STR_LIT(""), STR_NULL, NULL, 0),
                         ERR_OK);
        assert_int_equal(
            batch_builder_append_at(&b, 1000, INT64_MAX, STR_LIT("k"), STR_LIT(""), NULL, 0),
            ERR_OK);
        assert_int_equal(batch_builder_append_at(&b, 1000, 0, STR_NULL, STR_NULL, NULL, 0),
                         ERR_LIMIT);
        struct batch_spec spec;
        batch_spec_init(&spec);
        spec.codec = (enum record_codec)codec;
        spec.base_offset = 7;
        assert_int_equal(batch_builder_finish(&b, &spec, &f.scratch, &f.out, NULL), ERR_OK);
        struct batch_header h;
        struct record_iter it;
        struct record r;
        assert_int_equal(batch_header_parse(f.out.p, f.out.n, &h, NULL), ERR_OK);
        assert_int_equal(h.last_offset_delta, 1000);
        assert_int_equal(record_iter_init(&it, &h, f.out.p, &f.scratch, SIZE_MAX, NULL), ERR_OK);
        assert_true(record_next(&it, &r));
        assert_true(str_is_null(r.key) && r.value.n == 5000 && r.timestamp == 5 && r.offset == 7);
        assert_memory_equal(r.value.p, large, 5000);
        struct record_header got;
        for (int i = 0; i < 3; i++) {
            assert_true(record_header_next(&r.headers, &got));
            assert_true(str_eq(got.key, headers[i].key) && str_eq(got.value, headers[i].value));
            assert_int_equal(str_is_null(got.value), str_is_null(headers[i].value));
        }
        assert_false(record_header_next(&r.headers, &got));
        assert_true(record_next(&it, &r));
        assert_true(!str_is_null(r.key) && r.key.n == 0 && str_is_null(r.value));
        assert_true(r.timestamp == INT64_MIN && r.offset == 8);
        assert_true(record_next(&it, &r));
        assert_true(r.timestamp == INT64_MAX && r.offset == 1007 && !str_is_null(r.value));
        assert_false(record_next(&it, &r));
        assert_int_equal(record_iter_end(&it, NULL), ERR_OK);
        batch_builder_deinit(&b);
        fixture_deinit(&f);
    }
}

/* The walk and the validator must agree that these `count` records are malformed. */
static void assert_malformed(int32_t count, const uint8_t *raw, size_t n)
{
    struct fixture f;
    fixture_init(&f);
    fixture_raw(&f, count, raw, n);
    struct batch_header h;
    struct record_iter it;
    struct record r;
    uint8_t *exact = mem_alloc(f.out.n); /* so that the sanitizer sees a read past the end */
    memcpy(exact, f.out.p, f.out.n);
    assert_int_equal(batch_header_parse(exact, f.out.n, &h, NULL), ERR_OK);
    assert_int_equal(record_iter_init(&it, &h, exact, &f.scratch, SIZE_MAX, NULL), ERR_OK);
    while (record_next(&it, &r)) {
    }
    assert_int_equal(record_iter_end(&it, &f.ec), ERR_INVALID_RECORD);
    mem_free(exact);
    assert_int_equal(fixture_validate(&f), ERR_INVALID_RECORD);
    assert_true(f.ec.text[0] != '\0');
    assert_int_equal(f.verdict.error_count, 0);
    fixture_deinit(&f);
}

#define MALFORMED(count, ...) assert_malformed(count, RAW(__VA_ARGS__), sizeof(RAW(__VA_ARGS__)))

TEST(record_walk_refuses_malformed_records)
{
    /* Each field in turn: too short, too long, negative where it may not be, one byte off. */
    struct fixture f;
    fixture_init(&f);
    fixture_raw(&f, 1, RAW(12, 0, 0, 0, 1, 1, 0), 7); /* the sound one: null key and value */
    assert_int_equal(fixture_validate(&f), ERR_OK);
    fixture_deinit(&f);
    MALFORMED(1, 0x80);                                           /* length without an end */
    MALFORMED(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0);    /* six bytes of length */
    MALFORMED(1, 0x8c, 0x80, 0x80, 0x80, 0x10, 0, 0, 0, 1, 1, 0); /* bits above the 32nd */
    MALFORMED(1, 0);                                              /* length 0 */
    MALFORMED(1, 11, 0, 0, 0, 1, 1, 0);                           /* length -6 */
    MALFORMED(1, 14, 0, 0, 0, 1, 1, 0);                           /* longer than the batch */
    MALFORMED(1, 10, 0, 0, 0, 1, 1, 0);                           /* one byte less than it has */
    MALFORMED(1, 14, 0, 0, 0, 1, 1, 0, 0);                        /* one byte more */
    MALFORMED(2, 12, 0, 0, 0, 1, 1, 0);                           /* fewer records than said */
    MALFORMED(1, 12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 2, 1, 1, 0);     /* more */
    MALFORMED(1, 12, 0, 0, 0, 1, 1, 0, 0);                        /* a byte behind the last */
    MALFORMED(1, 2, 0);                                           /* nothing after the attributes */
    MALFORMED(1, 24, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0); /* time */
    MALFORMED(1, 6, 0, 0, 0x80);                                   /* offset without an end */
    MALFORMED(1, 12, 0, 0, 0, 8, 1, 0);                            /* key longer than the record */
    MALFORMED(1, 12, 0, 0, 0, 1, 8, 0);                            /* value longer */
    MALFORMED(1, 20, 0, 0, 0, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0); /* value of 2^31 - 1 */
    MALFORMED(1, 12, 0, 0, 0, 1, 1, 1);                            /* -1 headers */
    MALFORMED(1, 12, 0, 0, 0, 1, 1, 2);                            /* a header that is not there */
    MALFORMED(1, 20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f); /* 2^31 - 1 headers */
    MALFORMED(1, 16, 0, 0, 0, 1, 1, 2, 1, 1);                      /* header with a null name */
    MALFORMED(1, 16, 0, 0, 0, 1, 1, 2, 8, 1);                      /* name longer than the record */
    MALFORMED(1, 16, 0, 0, 0, 1, 1, 2, 0, 8);                      /* header value longer */
    MALFORMED(1, 14, 0, 0, 0, 1, 1, 2, 0);                         /* no header value */
}

TEST(record_negative_sizes_are_null)
{
    /* As in Kafka: any negative key or value size means null, not only -1. */
    struct fixture f;
    fixture_init(&f);
    fixture_raw(&f, 1, RAW(12, 0x55, 0, 0, 3, 5, 0), 7); /* attributes are not looked at */
    assert_int_equal(fixture_validate(&f), ERR_OK);
    fixture_deinit(&f);
}

TEST(record_find_by_time_is_exact)
{
    /* The first record at or after the time, in offset order, not the batch. */
    struct fixture f;
    fixture_init(&f);
    struct batch_builder b;
    batch_builder_init(&b, 4096);
    const int64_t times[] = {100, 300, 200, 300, 50};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(batch_builder_append(&b, times[i], STR_NULL, STR_NULL, NULL, 0), ERR_OK);
    }
    struct batch_spec spec;
    batch_spec_init(&spec);
    spec.codec = RECORD_CODEC_LZ4;
    spec.base_offset = 10;
    assert_int_equal(batch_builder_finish(&b, &spec, &f.scratch, &f.out, NULL), ERR_OK);
    batch_builder_deinit(&b);
    struct batch_header h;
    struct record_place at;
    assert_int_equal(batch_header_parse(f.out.p, f.out.n, &h, NULL), ERR_OK);
    static const struct {
        int64_t ts, min_offset, offset, timestamp;
    } cases[] = {{0, 0, 10, 100},  {101, 0, 11, 300}, {200, 12, 12, 200}, {201, 12, 13, 300},
                 {301, 0, -1, -1}, {0, 14, 14, 50},   {51, 14, -1, -1},   {300, 0, 11, 300}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(record_find_timestamp(&h, f.out.p, cases[i].ts, cases[i].min_offset,
                                               &f.scratch, &at, NULL),
                         ERR_OK);
        assert_int_equal(at.offset, cases[i].offset);
        assert_int_equal(at.timestamp, cases[i].timestamp);
    }
    assert_int_equal(record_find_max_timestamp(&h, f.out.p, &f.scratch, &at, NULL), ERR_OK);
    assert_int_equal(at.offset, 11);
    assert_int_equal(at.timestamp, 300);
    batch_set_log_append_time(f.out.p, &h, 777);
    assert_int_equal(record_find_timestamp(&h, f.out.p, 777, 0, &f.scratch, &at, NULL), ERR_OK);
    assert_int_equal(at.offset, 10);
    assert_int_equal(at.timestamp, 777);
    fixture_deinit(&f);
}

TEST(record_markers_are_read_back)
{
    /* The end of a transaction survives; what is no marker is refused. */
    struct fixture f;
    fixture_init(&f);
    struct batch_spec spec;
    batch_spec_init(&spec);
    spec.producer_id = 3;
    spec.producer_epoch = 1;
    spec.transactional = true;
    const struct control_marker marker = {CONTROL_COMMIT, 42};
    assert_int_equal(control_batch_build(&spec, &marker, TEST_NOW, &f.out, NULL), ERR_OK);
    struct batch_header h;
    struct control_marker got;
    assert_int_equal(batch_header_parse(f.out.p, f.out.n, &h, NULL), ERR_OK);
    assert_int_equal(control_batch_parse(&h, f.out.p, &f.scratch, &got, NULL), ERR_OK);
    assert_int_equal(got.type, CONTROL_COMMIT);
    assert_int_equal(got.coordinator_epoch, 42);
    assert_int_equal(fixture_validate(&f), ERR_INVALID_RECORD); /* not from a client */
    buf_clear(&f.out);
    fixture_build(&f, NULL, 1);
    assert_int_equal(batch_header_parse(f.out.p, f.out.n, &h, NULL), ERR_OK);
    assert_int_equal(control_batch_parse(&h, f.out.p, &f.scratch, &got, NULL), ERR_INVALID_RECORD);
    h.attributes |= BATCH_ATTR_CONTROL; /* a key of one byte */
    assert_int_equal(control_batch_parse(&h, f.out.p, &f.scratch, &got, NULL), ERR_INVALID_RECORD);
    fixture_deinit(&f);
}
