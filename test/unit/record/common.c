/* See common.h. */
#include "common.h"

#include <string.h>

#include "core/bytes.h"
#include "test.h"

void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    record_scratch_init(&f->scratch, RECORD_DECOMPRESSED_MAX);
    buf_init(&f->out, 1u << 26);
    record_rules_init(&f->rules);
    f->rules.now_ms = TEST_NOW;
}

void fixture_deinit(struct fixture *f)
{
    record_scratch_deinit(&f->scratch);
    buf_deinit(&f->out);
}

void fixture_build(struct fixture *f, const struct batch_spec *spec, int count)
{
    struct batch_spec none;
    batch_spec_init(&none);
    struct batch_builder b;
    batch_builder_init(&b, 1u << 26);
    for (int i = 0; i < count; i++) {
        assert_int_equal(
            batch_builder_append(&b, TEST_NOW + i, STR_LIT("k"), STR_LIT("value"), NULL, 0),
            ERR_OK);
    }
    assert_int_equal(
        batch_builder_finish(&b, spec == NULL ? &none : spec, &f->scratch, &f->out, &f->ec),
        ERR_OK);
    batch_builder_deinit(&b);
}

void fixture_raw(struct fixture *f, int32_t count, const void *records, size_t n)
{
    fixture_build(f, NULL, 0);
    buf_put(&f->out, records, n);
    put_be32(f->out.p + BATCH_AT_LENGTH, (uint32_t)(f->out.n - BATCH_LENGTH_END));
    put_be32(f->out.p + BATCH_AT_RECORD_COUNT, (uint32_t)count);
    put_be32(f->out.p + BATCH_AT_LAST_OFFSET_DELTA, (uint32_t)count - 1);
    fixture_repair(f);
}

void fixture_repair(struct fixture *f)
{
    struct batch_header h;
    assert_int_equal(batch_header_parse(f->out.p, f->out.n, &h, NULL), ERR_OK);
    put_be32(f->out.p + BATCH_AT_CRC, batch_crc(f->out.p, &h));
}

enum err fixture_validate(struct fixture *f)
{
    memset(&f->ec, 0, sizeof(f->ec));
    return record_validate(f->out.p, f->out.n, &f->rules, &f->scratch, &f->verdict, &f->ec);
}

enum err fixture_accept(struct fixture *f)
{
    enum err e = fixture_validate(f);
    struct buf made;
    buf_init(&made, 1u << 26);
    struct str batch;
    if (e == ERR_OK) {
        e = record_finish(f->out.p, &f->rules, &f->scratch, &f->verdict, &made, &batch, &f->ec);
    }
    if (e == ERR_OK && batch.p != (const char *)f->out.p) {
        buf_clear(&f->out);
        buf_put_str(&f->out, batch);
    }
    buf_deinit(&made);
    return e;
}
