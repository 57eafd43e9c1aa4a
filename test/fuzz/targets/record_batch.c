/*
 * Bytes of a produce request: validated under rules that the first byte chooses. What is accepted
 * must be a sound batch, and must be accepted again as it is. The mutator makes batches, changes
 * fields of the header, and changes records below their compression; it repairs the checksum.
 */
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "fuzz/common.h"
#include "record/record.h"
#include "record/validate.h"

static void choose(unsigned choice, struct record_rules *rules)
{
    record_rules_init(rules);
    rules->now_ms = 1700000000000;
    rules->max_decompressed_bytes = 1u << 20;
    rules->log_append_time = (choice & 1) != 0;
    rules->key_required = (choice & 4) != 0;
    rules->allow_transactional = (choice & 8) != 0;
    rules->codec = (int)((choice >> 4) % 6) - 1;
}

static void check_accepted(struct str batch, struct record_rules *rules,
                           struct record_scratch *scratch)
{
    struct batch_header h;
    const uint8_t *p = (const uint8_t *)batch.p;
    CHECK(batch_header_parse(p, batch.n, &h, NULL) == ERR_OK && h.size == batch.n);
    CHECK(batch_verify_crc(p, &h, NULL) == ERR_OK);
    struct record_iter it;
    CHECK(record_iter_init(&it, &h, p, scratch, SIZE_MAX, NULL) == ERR_OK);
    struct record r;
    int32_t next = 0;
    while (record_next(&it, &r)) {
        CHECK(r.offset_delta == next++);
        struct record_header header;
        int32_t headers = 0;
        while (record_header_next(&r.headers, &header)) {
            headers++;
        }
        CHECK(headers == r.header_count && slice_left(&r.headers) == 0);
    }
    CHECK(record_iter_end(&it, NULL) == ERR_OK && next == h.record_count);
    struct record_place place;
    CHECK(record_find_max_timestamp(&h, p, scratch, &place, NULL) == ERR_OK);
    CHECK(rules->log_append_time || place.timestamp == h.max_timestamp);
    CHECK(record_find_timestamp(&h, p, h.max_timestamp, 0, scratch, &place, NULL) == ERR_OK);
    if (!rules->log_append_time) { /* a second time there is nothing left to do */
        static struct record_verdict v;
        CHECK(record_validate(p, batch.n, rules, scratch, &v, NULL) == ERR_OK);
        CHECK(v.action == RECORD_KEEP);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    uint8_t *p = mem_alloc(size); /* a copy of its own: reads past its end are seen */
    CHECK(p != NULL);
    size_t n = size - 1;
    memcpy(p, data + 1, n);
    if (data[0] & 2) { /* most inputs would end at the checksum */
        fuzz_batch_repair(p, n);
    }
    struct record_rules rules;
    choose(data[0], &rules);
    struct record_scratch scratch;
    record_scratch_init(&scratch, 1u << 20);
    struct buf out;
    buf_init(&out, 4u << 20);
    struct ectx ec;
    static struct record_verdict v;
    struct str batch;
    enum err e = record_validate(p, n, &rules, &scratch, &v, &ec);
    if (e == ERR_OK) {
        e = record_finish(p, &rules, &scratch, &v, &out, &batch, &ec);
        CHECK(e == ERR_OK || e == ERR_MESSAGE_TOO_LARGE);
        if (e == ERR_OK) {
            check_accepted(batch, &rules, &scratch);
        }
    }
    struct batch_header h;
    struct control_marker marker;
    if (batch_header_parse(p, n, &h, NULL) == ERR_OK) {
        IGNORE(control_batch_parse(&h, p, &scratch, &marker, NULL));
    }
    buf_deinit(&out);
    record_scratch_deinit(&scratch);
    mem_free(p);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
    struct fuzz_source s = fuzz_source_seed(seed);
    size_t n = 0;
    switch (fuzz_below(&s, 6)) {
    case 0: {
        struct buf b;
        buf_init(&b, max);
        fuzz_batch_make(&s, &b);
        if (!buf_failed(&b) && b.n + 1 <= max && b.n > 0) {
            memcpy(data + 1, b.p, b.n);
            data[0] = size > 0 ? data[0] : fuzz_u8(&s);
            n = b.n + 1;
        }
        buf_deinit(&b);
        break;
    }
    case 1:
        if (size > 0) {
            data[0] = fuzz_u8(&s);
            n = size;
        }
        break;
    case 2:
        break;
    default:
        n = size < 1 ? 0 : fuzz_batch_change(&s, data + 1, size - 1, max - 1);
        n += n > 0 ? 1 : 0;
        break;
    }
    return n > 0 ? n : LLVMFuzzerMutate(data, size, max);
}
