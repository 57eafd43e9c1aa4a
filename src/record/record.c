/*
 * Walking the records of a batch, and finding one by time. See record.h. Timestamps are added with
 * wrap-around, as Kafka's do: a hostile delta gives a nonsense time, never undefined behaviour.
 */
#include "record/record.h"

#include "core/bytes.h"
#include "record/compress.h"
#include "record/walk.h"

static int64_t add_wrapping(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

enum err record_iter_init(struct record_iter *it, const struct batch_header *h,
                          const uint8_t *bytes, struct record_scratch *scratch, size_t max_bytes,
                          struct ectx *ec)
{
    if (h->record_count < 0) {
        return ectx_fail(ec, ERR_INVALID_RECORD, "a record batch says it has %d records",
                         h->record_count);
    }
    struct str records = str_make(bytes + BATCH_HEADER_SIZE, h->size - BATCH_HEADER_SIZE);
    if (batch_codec(h) != RECORD_CODEC_NONE) {
        enum err e = record_decompress(scratch, batch_codec(h), records, max_bytes, &records, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    *it = (struct record_iter){
        .p = (const uint8_t *)records.p,
        .end = (const uint8_t *)records.p + records.n,
        .base_offset = h->base_offset,
        .base_timestamp = h->base_timestamp,
        .append_time = h->max_timestamp,
        .log_append_time = batch_is_log_append_time(h),
        .count = h->record_count,
        .left = h->record_count,
    };
    if (it->count == 0 && it->p != it->end) {
        it->problem = "there are bytes after the last record";
    }
    return ERR_OK;
}

static struct str bytes_or_null(const uint8_t *p, int32_t size)
{
    return size < 0 ? STR_NULL : str_make(p, (size_t)size);
}

bool record_next(struct record_iter *it, struct record *out)
{
    if (it->left == 0 || it->problem != NULL) {
        return false;
    }
    struct walk_record r;
    const uint8_t *p = walk_record(it->p, it->end, &r, &it->problem);
    if (p == NULL) {
        return false;
    }
    if (it->left == 1 && p != it->end) {
        it->problem = "there are bytes after the last record";
        return false;
    }
    it->p = p;
    it->left--;
    int64_t created = add_wrapping(it->base_timestamp, r.timestamp_delta);
    *out = (struct record){
        .offset = add_wrapping(it->base_offset, r.offset_delta),
        .timestamp = it->log_append_time ? it->append_time : created,
        .offset_delta = r.offset_delta,
        .timestamp_delta = r.timestamp_delta,
        .key = bytes_or_null(r.key, r.key_size),
        .value = bytes_or_null(r.value, r.value_size),
        .header_count = r.header_count,
        .headers = slice_of(r.headers, (size_t)(r.end - r.headers)),
        .attributes = r.attributes,
        .size = (size_t)(r.end - r.start),
    };
    return true;
}

enum err record_iter_end(const struct record_iter *it, struct ectx *ec)
{
    if (it->problem != NULL) {
        return ectx_fail(ec, ERR_INVALID_RECORD, "record %d of %d in a batch: %s",
                         it->count - it->left, it->count, it->problem);
    }
    return ERR_OK;
}

bool record_header_next(struct slice *headers, struct record_header *out)
{
    const uint8_t *key, *value;
    int32_t key_size, value_size;
    const uint8_t *p = walk_bytes(headers->p, headers->end, &key, &key_size);
    if (p == NULL || key_size < 0) {
        return false;
    }
    p = walk_bytes(p, headers->end, &value, &value_size);
    if (p == NULL) {
        return false;
    }
    headers->p = p;
    out->key = str_make(key, (size_t)key_size);
    out->value = bytes_or_null(value, value_size);
    return true;
}

enum err record_find_timestamp(const struct batch_header *h, const uint8_t *bytes, int64_t ts,
                               int64_t min_offset, struct record_scratch *scratch,
                               struct record_place *out, struct ectx *ec)
{
    struct record_iter it;
    enum err e = record_iter_init(&it, h, bytes, scratch, SIZE_MAX, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct record r;
    while (record_next(&it, &r)) {
        if (r.offset >= min_offset && r.timestamp >= ts) {
            *out = (struct record_place){r.offset, r.timestamp};
            return ERR_OK;
        }
    }
    e = record_iter_end(&it, ec);
    if (e == ERR_OK) {
        *out = (struct record_place){-1, BATCH_NO_TIMESTAMP};
    }
    return e;
}

enum err record_find_max_timestamp(const struct batch_header *h, const uint8_t *bytes,
                                   struct record_scratch *scratch, struct record_place *out,
                                   struct ectx *ec)
{
    struct record_iter it;
    enum err e = record_iter_init(&it, h, bytes, scratch, SIZE_MAX, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct record_place best = {-1, BATCH_NO_TIMESTAMP};
    struct record r;
    while (record_next(&it, &r)) {
        if (r.timestamp > best.timestamp) {
            best = (struct record_place){r.offset, r.timestamp};
        }
    }
    e = record_iter_end(&it, ec);
    if (e == ERR_OK) {
        *out = best;
    }
    return e;
}

/* Key: version i16, type i16. Value of abort and commit: version i16, coordinator epoch i32. Newer
 * versions may append. */
enum err control_batch_parse(const struct batch_header *h, const uint8_t *bytes,
                             struct record_scratch *scratch, struct control_marker *out,
                             struct ectx *ec)
{
    if (!batch_is_control(h) || h->record_count != 1) {
        return ectx_fail(ec, ERR_INVALID_RECORD, "not a control batch with one record");
    }
    struct record_iter it;
    enum err e = record_iter_init(&it, h, bytes, scratch, SIZE_MAX, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct record r;
    if (!record_next(&it, &r)) {
        return record_iter_end(&it, ec);
    }
    struct slice key = slice_of(r.key.p, r.key.n);
    struct slice value = slice_of(r.value.p, r.value.n);
    int16_t version;
    struct control_marker m = {.coordinator_epoch = -1};
    if (!slice_i16(&key, &version) || version < 0 || !slice_i16(&key, &m.type)) {
        return ectx_fail(ec, ERR_INVALID_RECORD, "a control record has a malformed key");
    }
    if (m.type == CONTROL_ABORT || m.type == CONTROL_COMMIT) {
        if (!slice_i16(&value, &version) || version < 0 ||
            !slice_i32(&value, &m.coordinator_epoch)) {
            return ectx_fail(ec, ERR_INVALID_RECORD, "a transaction marker has a malformed value");
        }
    }
    *out = m;
    return ERR_OK;
}
