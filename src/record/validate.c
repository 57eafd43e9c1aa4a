/*
 * Validation of produced batches. See validate.h for the order of the checks; walk_all() is the hot
 * path.
 *
 * Surprises, all of them Kafka's: bytes after the first batch that are too few for another are cut
 * off in silence; a maximum timestamp that the producer got wrong is corrected, not refused; record
 * attributes are not looked at.
 */
#include "record/validate.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/bytes.h"
#include "core/check.h"
#include "record/builder.h"
#include "record/walk.h"

enum { ZSTD_FIRST_PRODUCE_VERSION = 7 };

void record_rules_init(struct record_rules *r)
{
    *r = (struct record_rules){
        .produce_version = INT16_MAX,
        .max_message_bytes = 1048588,
        .max_decompressed_bytes = RECORD_DECOMPRESSED_MAX,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
        .codec = RECORD_KEEP_CODEC,
        .level = RECORD_LEVEL_DEFAULT,
    };
}

/* The first batch, of magic 2. */
static enum err first_batch(const uint8_t *bytes, size_t n, struct batch_header *h, struct ectx *ec)
{
    enum err e = batch_header_parse(bytes, n, h, ec);
    if (e == ERR_TRUNCATED) {
        return ectx_fail(ec, ERR_INVALID_RECORD,
                         "a produce request must hold one whole record batch per partition; "
                         "%zu bytes do not",
                         n);
    }
    if (e == ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT) {
        return ectx_fail(ec, ERR_INVALID_RECORD,
                         "record batches must have message format 2 (magic), this one has %d",
                         (int8_t)bytes[BATCH_AT_MAGIC]);
    }
    return e;
}

/* Nothing may follow but the beginning of another batch, of any format. */
static enum err check_rest(const uint8_t *rest, size_t left, struct ectx *ec)
{
    if (left < BATCH_LENGTH_END) {
        return ERR_OK;
    }
    int32_t length = (int32_t)get_be32(rest + BATCH_AT_LENGTH);
    bool has_magic = left >= BATCH_MAGIC_END;
    if (length < BATCH_LEGACY_MIN_LENGTH || (has_magic && rest[BATCH_AT_MAGIC] > BATCH_MAGIC)) {
        return ectx_fail(ec, ERR_CORRUPT_MESSAGE, "there are bytes after the record batch");
    }
    if (!has_magic || (size_t)length + BATCH_LENGTH_END > left) {
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_INVALID_RECORD,
                     "a produce request must hold exactly one record batch per partition");
}

static enum err check_header(const struct batch_header *h, const struct record_rules *rules,
                             struct ectx *ec)
{
    if (h->last_offset_delta < 0) {
        return ectx_fail(ec, ERR_INVALID_RECORD, "the batch has last offset delta %d",
                         h->last_offset_delta);
    }
    if (h->record_count <= 0) {
        return ectx_fail(ec, ERR_INVALID_RECORD, "the batch says it has %d records",
                         h->record_count);
    }
    if (h->record_count - 1 != h->last_offset_delta) {
        return ectx_fail(ec, ERR_INVALID_RECORD,
                         "the batch says it has %d records, its last offset delta is %d",
                         h->record_count, h->last_offset_delta);
    }
    if (batch_is_control(h)) {
        return ectx_fail(ec, ERR_INVALID_RECORD, "clients can not write control records");
    }
    if (batch_has_producer(h) && h->base_sequence < 0) {
        return ectx_fail(ec, ERR_INVALID_RECORD, "producer id %" PRId64 " with sequence %d",
                         h->producer_id, h->base_sequence);
    }
    if (batch_has_producer(h) ? h->producer_epoch < 0 : batch_is_transactional(h)) {
        return ectx_fail(ec, ERR_INVALID_RECORD, "producer id %" PRId64 " with epoch %d%s",
                         h->producer_id, h->producer_epoch,
                         batch_is_transactional(h) ? " in a transaction" : "");
    }
    if (batch_is_transactional(h) && !rules->allow_transactional) {
        return ectx_fail(ec, ERR_INVALID_TXN_STATE, "transactions are not supported");
    }
    return ERR_OK;
}

static void blame(struct record_verdict *v, int32_t index, enum err e, int64_t timestamp)
{
    if (v->error_count < RECORD_ERRORS_MAX) {
        v->errors[v->error_count] = (struct record_error){index, e, timestamp};
    }
    v->error_count++;
    v->timestamp_error_count += e == ERR_INVALID_TIMESTAMP;
}

static int64_t add_saturating(int64_t a, int64_t b)
{
    int64_t sum;
    return !__builtin_add_overflow(a, b, &sum) ? sum : b < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t sub_saturating(int64_t a, int64_t b)
{
    int64_t difference;
    return !__builtin_sub_overflow(a, b, &difference) ? difference : b < 0 ? INT64_MAX : INT64_MIN;
}

/* The accepted create times, for the walk. */
struct time_bounds {
    int64_t earliest, latest;
};

static struct time_bounds time_bounds(const struct record_rules *rules)
{
    if (rules->log_append_time) {
        return (struct time_bounds){INT64_MIN, INT64_MAX};
    }
    return (struct time_bounds){sub_saturating(rules->now_ms, rules->timestamp_before_max_ms),
                                add_saturating(rules->now_ms, rules->timestamp_after_max_ms)};
}

/* All records: structure, offsets, times, keys. *renumber: the offsets are not 0..n-1. */
static enum err walk_all(const struct record_rules *rules, struct str records,
                         struct record_verdict *v, bool *renumber, struct ectx *ec)
{
    const uint8_t *p = (const uint8_t *)records.p;
    const uint8_t *end = p + records.n;
    const struct time_bounds bounds = time_bounds(rules);
    const uint64_t base = (uint64_t)v->header.base_timestamp;
    const int32_t count = v->header.record_count;
    const bool key_required = rules->key_required;
    const bool append_time = batch_is_log_append_time(&v->header);
    int64_t max = BATCH_NO_TIMESTAMP;
    int64_t min = INT64_MAX;
    int32_t max_at = -1;
    int32_t disorder = 0;
    for (int32_t i = 0; i < count; i++) {
        struct walk_record r;
        const char *problem = NULL;
        p = walk_record(p, end, &r, &problem);
        if (UNLIKELY(p == NULL)) {
            return ectx_fail(ec, ERR_INVALID_RECORD, "record %d of %d in the batch: %s", i, count,
                             problem);
        }
        disorder |= r.offset_delta ^ i;
        int64_t ts = (int64_t)(base + (uint64_t)r.timestamp_delta);
        if (ts > max) {
            max = ts;
            max_at = i;
        }
        min = ts < min ? ts : min;
        if (UNLIKELY(key_required && r.key_size < 0)) {
            blame(v, i, ERR_INVALID_RECORD, ts);
        } else if (UNLIKELY(append_time || ((ts < bounds.earliest || ts > bounds.latest) &&
                                            ts != BATCH_NO_TIMESTAMP))) {
            blame(v, i, ERR_INVALID_TIMESTAMP, ts);
        }
    }
    if (p != end) {
        return ectx_fail(ec, ERR_INVALID_RECORD,
                         "%zu bytes follow the last of the batch's %d records", (size_t)(end - p),
                         count);
    }
    v->max_timestamp = max;
    v->max_timestamp_delta = max_at;
    v->min_timestamp = min;
    *renumber = disorder != 0;
    return ERR_OK;
}

size_t record_error_text(const struct record_error *e, const struct record_rules *rules, char *text,
                         size_t cap)
{
    int n;
    if (e->err == ERR_INVALID_RECORD) {
        n = snprintf(text, cap, "a compacted topic does not accept a record without a key");
    } else if (rules->log_append_time) {
        n = snprintf(text, cap, "the producer must not set the timestamp type to LogAppendTime");
    } else {
        struct time_bounds bounds = time_bounds(rules);
        if (e->timestamp >= bounds.earliest && e->timestamp <= bounds.latest) {
            n = snprintf(text, cap,
                         "the producer must not set the timestamp type to LogAppendTime");
        } else {
            n = snprintf(text, cap,
                         "timestamp %" PRId64 " is out of range, it must be within [%" PRId64
                         ", %" PRId64 "]",
                         e->timestamp, bounds.earliest, bounds.latest);
        }
    }
    return n < 0 || cap == 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

/* One wrong timestamp gives the whole its error, as in Kafka. */
static enum err blamed(const struct record_verdict *v, const struct record_rules *rules,
                       struct ectx *ec)
{
    char text[160];
    (void)record_error_text(&v->errors[0], rules, text, sizeof(text));
    enum err e = v->timestamp_error_count > 0 ? ERR_INVALID_TIMESTAMP : ERR_INVALID_RECORD;
    return ectx_fail(ec, e, "%u of %d records were refused, the first is record %d: %s",
                     v->error_count, v->header.record_count, v->errors[0].batch_index, text);
}

static enum record_action decide(const struct record_verdict *v, const struct record_rules *rules,
                                 bool renumber)
{
    const struct batch_header *h = &v->header;
    if (renumber || (rules->codec != RECORD_KEEP_CODEC && rules->codec != (int)batch_codec(h))) {
        return RECORD_REBUILD;
    }
    bool same = batch_is_log_append_time(h) == rules->log_append_time &&
                h->max_timestamp == v->max_timestamp;
    return same ? RECORD_KEEP : RECORD_PATCH;
}

/* All that does not need the records: one batch, its size, its checksum, its header. */
static enum err check_batch(const uint8_t *bytes, size_t n, const struct record_rules *rules,
                            struct batch_header *h, struct ectx *ec)
{
    enum err e = first_batch(bytes, n, h, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (batch_codec(h) == RECORD_CODEC_ZSTD &&
        rules->produce_version < ZSTD_FIRST_PRODUCE_VERSION) {
        return ectx_fail(ec, ERR_UNSUPPORTED_COMPRESSION_TYPE,
                         "zstd needs version %d of Produce, the request has %d",
                         ZSTD_FIRST_PRODUCE_VERSION, rules->produce_version);
    }
    e = check_rest(bytes + h->size, n - h->size, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (h->base_offset != 0) {
        return ectx_fail(ec, ERR_INVALID_RECORD,
                         "a produced batch must have base offset 0, this one has %" PRId64,
                         h->base_offset);
    }
    if (rules->max_message_bytes < 0 || h->size > (size_t)rules->max_message_bytes) {
        return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                         "the record batch has %zu bytes, max.message.bytes is %d", h->size,
                         rules->max_message_bytes);
    }
    e = batch_verify_crc(bytes, h, ec);
    if (e != ERR_OK) {
        return e;
    }
    return check_header(h, rules, ec);
}

enum err record_validate(const uint8_t *bytes, size_t n, const struct record_rules *rules,
                         struct record_scratch *scratch, struct record_verdict *out,
                         struct ectx *ec)
{
    struct record_verdict *v = out;
    v->error_count = 0;
    v->timestamp_error_count = 0;
    struct batch_header *h = &v->header;
    enum err e = check_batch(bytes, n, rules, h, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct str records = str_make(bytes + BATCH_HEADER_SIZE, h->size - BATCH_HEADER_SIZE);
    e = record_decompress(scratch, batch_codec(h), records, rules->max_decompressed_bytes, &records,
                          ec);
    if (e != ERR_OK) {
        return e;
    }
    v->generation = scratch->generation;
    v->plain_bytes = records.n;
    bool renumber = false;
    e = walk_all(rules, records, v, &renumber, ec);
    if (e != ERR_OK) {
        v->error_count = 0;
        return e;
    }
    if (v->error_count > 0) {
        return blamed(v, rules, ec);
    }
    if (rules->log_append_time) {
        v->max_timestamp = rules->now_ms;
        v->max_timestamp_delta = 0;
    }
    v->action = decide(v, rules, renumber);
    return ERR_OK;
}

/* The batch's records, uncompressed: those of record_validate if they are still there. */
static enum err plain_records(const uint8_t *bytes, const struct record_rules *rules,
                              struct record_scratch *scratch, const struct record_verdict *v,
                              struct str *out, struct ectx *ec)
{
    const struct batch_header *h = &v->header;
    if (batch_codec(h) != RECORD_CODEC_NONE && scratch->generation == v->generation) {
        *out = scratch->plain.n == 0 ? STR_LIT("") : buf_str(&scratch->plain);
        return ERR_OK;
    }
    return record_decompress(scratch, batch_codec(h),
                             str_make(bytes + BATCH_HEADER_SIZE, h->size - BATCH_HEADER_SIZE),
                             rules->max_decompressed_bytes, out, ec);
}

static enum err append_renumbered(struct batch_builder *b, const struct batch_header *h,
                                  struct str records, struct ectx *ec)
{
    struct record_iter it = {
        .p = (const uint8_t *)records.p,
        .end = (const uint8_t *)records.p + records.n,
        .base_timestamp = h->base_timestamp,
        .count = h->record_count,
        .left = h->record_count,
    };
    struct record r;
    int32_t next = 0;
    while (record_next(&it, &r)) {
        enum err e = batch_builder_append_record(b, next++, &r);
        if (e != ERR_OK) {
            return ectx_fail(ec, e, "no room to renumber the records of a batch");
        }
    }
    return record_iter_end(&it, ec);
}

static void spec_of(const struct record_rules *rules, const struct record_verdict *v,
                    struct batch_spec *spec)
{
    const struct batch_header *h = &v->header;
    batch_spec_init(spec);
    spec->leader_epoch = h->leader_epoch;
    spec->codec = rules->codec == RECORD_KEEP_CODEC ? (enum record_codec)batch_codec(h)
                                                    : (enum record_codec)rules->codec;
    spec->level = rules->level;
    spec->producer_id = h->producer_id;
    spec->producer_epoch = h->producer_epoch;
    spec->base_sequence = h->base_sequence;
    spec->transactional = batch_is_transactional(h);
    spec->log_append_time = rules->log_append_time;
    spec->append_time_ms = rules->now_ms;
}

static enum err rebuild(const uint8_t *bytes, const struct record_rules *rules,
                        struct record_scratch *scratch, const struct record_verdict *v,
                        struct buf *out, struct str *batch, struct ectx *ec)
{
    struct str records;
    enum err e = plain_records(bytes, rules, scratch, v, &records, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct batch_spec spec;
    spec_of(rules, v, &spec);
    struct batch_builder b;
    /* New deltas can be longer than those they replace: 4 bytes, 9 for a time, 4 for the length. */
    batch_builder_init(&b, records.n + (size_t)v->header.record_count * 17);
    size_t start = out->n;
    e = append_renumbered(&b, &v->header, records, ec);
    if (e == ERR_OK) {
        e = batch_builder_finish(&b, &spec, scratch, out, ec);
    }
    batch_builder_deinit(&b);
    if (e == ERR_LIMIT || (e == ERR_OK && out->n - start > (size_t)rules->max_message_bytes)) {
        out->n = start;
        return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                         "the rebuilt record batch is larger than max.message.bytes, %d",
                         rules->max_message_bytes);
    }
    if (e == ERR_OK) {
        *batch = str_make(out->p + start, out->n - start);
    }
    return e;
}

enum err record_finish(uint8_t *bytes, const struct record_rules *rules,
                       struct record_scratch *scratch, const struct record_verdict *verdict,
                       struct buf *out, struct str *batch, struct ectx *ec)
{
    if (verdict->action == RECORD_REBUILD) {
        CHECK(out != NULL);
        return rebuild(bytes, rules, scratch, verdict, out, batch, ec);
    }
    if (verdict->action == RECORD_PATCH) {
        struct batch_header h = verdict->header;
        if (rules->log_append_time) {
            batch_set_log_append_time(bytes, &h, verdict->max_timestamp);
        } else {
            batch_set_max_timestamp(bytes, &h, verdict->max_timestamp);
        }
    }
    *batch = str_make(bytes, verdict->header.size);
    return ERR_OK;
}
