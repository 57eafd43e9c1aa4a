/*
 * Building batches. Records are encoded as they come; the header is known at the end and written in
 * front of them. A failed append or finish leaves what was there.
 */
#include "record/builder.h"

#include <string.h>

#include "core/bytes.h"
#include "core/check.h"
#include "core/crc32c.h"

void batch_spec_init(struct batch_spec *spec)
{
    *spec = (struct batch_spec){
        .leader_epoch = -1,
        .codec = RECORD_CODEC_NONE,
        .level = RECORD_LEVEL_DEFAULT,
        .producer_id = BATCH_NO_PRODUCER,
        .producer_epoch = -1,
        .base_sequence = BATCH_NO_SEQUENCE,
        .last_offset_delta = -1,
    };
}

void batch_builder_init(struct batch_builder *b, size_t max_bytes)
{
    *b = (struct batch_builder){0};
    buf_init(&b->records, max_bytes);
    batch_builder_clear(b);
}

void batch_builder_deinit(struct batch_builder *b)
{
    buf_deinit(&b->records);
}

void batch_builder_clear(struct batch_builder *b)
{
    buf_clear(&b->records);
    b->base_timestamp = BATCH_NO_TIMESTAMP;
    b->max_timestamp = BATCH_NO_TIMESTAMP;
    b->has_base_timestamp = false;
    b->count = 0;
    b->last_delta = -1;
}

void batch_builder_set_base_timestamp(struct batch_builder *b, int64_t base_timestamp)
{
    CHECK(b->count == 0);
    b->base_timestamp = base_timestamp;
    b->has_base_timestamp = true;
}

/* ---- Records: their size first, then their bytes, without a look at the room for each */

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static size_t varint_size(int64_t v)
{
    const uint64_t z = zigzag(v);
    return z < 0x80 ? 1 : (size_t)(63 - __builtin_clzll(z)) / 7 + 1;
}

static size_t bytes_size(struct str s)
{
    return str_is_null(s) ? varint_size(-1) : varint_size((int64_t)s.n) + s.n;
}

static uint8_t *put_varint(uint8_t *at, int64_t v)
{
    uint64_t z = zigzag(v);
    for (; z >= 0x80; z >>= 7) {
        *at++ = (uint8_t)(z | 0x80);
    }
    *at++ = (uint8_t)z;
    return at;
}

static uint8_t *put_bytes(uint8_t *at, struct str s)
{
    at = put_varint(at, str_is_null(s) ? -1 : (int64_t)s.n);
    if (s.n > 0) {
        memcpy(at, s.p, s.n);
    }
    return at + s.n;
}

/* A record but for its headers, which are `headers_size` bytes that the caller puts behind it. */
struct draft {
    int32_t offset_delta;
    int64_t timestamp;
    struct str key, value;
    int32_t header_count;
    size_t headers_size;
};

static bool too_long(struct str s)
{
    return s.n > INT32_MAX;
}

/* Writes it up to the headers, which go to *at: there is room for headers_size bytes. */
static enum err begin_record(struct batch_builder *b, const struct draft *d, uint8_t **at)
{
    if (d->offset_delta <= b->last_delta || b->count == INT32_MAX || too_long(d->key) ||
        too_long(d->value) || d->headers_size > INT32_MAX) {
        return ERR_LIMIT;
    }
    if (!b->has_base_timestamp) {
        b->base_timestamp = d->timestamp;
    }
    int64_t delta = (int64_t)((uint64_t)d->timestamp - (uint64_t)b->base_timestamp);
    size_t body = 1 + varint_size(delta) + varint_size(d->offset_delta) + bytes_size(d->key) +
                  bytes_size(d->value) + varint_size(d->header_count) + d->headers_size;
    if (body > INT32_MAX) {
        return ERR_LIMIT;
    }
    size_t all = varint_size((int64_t)body) + body;
    if (all > b->records.max - b->records.n) {
        return ERR_LIMIT;
    }
    if (!buf_reserve(&b->records, all)) {
        b->records.failed = false;
        return ERR_NO_MEMORY;
    }
    uint8_t *p = put_varint(b->records.p + b->records.n, (int64_t)body);
    *p++ = 0;
    p = put_varint(p, delta);
    p = put_varint(p, d->offset_delta);
    p = put_bytes(p, d->key);
    p = put_bytes(p, d->value);
    *at = put_varint(p, d->header_count);
    b->records.n += all;
    b->has_base_timestamp = true;
    b->count++;
    b->last_delta = d->offset_delta;
    if (d->timestamp > b->max_timestamp) {
        b->max_timestamp = d->timestamp;
    }
    return ERR_OK;
}

enum err batch_builder_append_at(struct batch_builder *b, int32_t offset_delta, int64_t timestamp,
                                 struct str key, struct str value,
                                 const struct record_header *headers, size_t header_count)
{
    if (header_count > INT32_MAX) {
        return ERR_LIMIT;
    }
    struct draft d = {offset_delta, timestamp, key, value, (int32_t)header_count, 0};
    for (size_t i = 0; i < header_count; i++) {
        CHECK(!str_is_null(headers[i].key));
        if (too_long(headers[i].key) || too_long(headers[i].value)) {
            return ERR_LIMIT;
        }
        d.headers_size += bytes_size(headers[i].key) + bytes_size(headers[i].value);
    }
    uint8_t *at = NULL;
    enum err e = begin_record(b, &d, &at);
    for (size_t i = 0; e == ERR_OK && i < header_count; i++) {
        at = put_bytes(at, headers[i].key);
        at = put_bytes(at, headers[i].value);
    }
    return e;
}

enum err batch_builder_append(struct batch_builder *b, int64_t timestamp, struct str key,
                              struct str value, const struct record_header *headers,
                              size_t header_count)
{
    if (b->last_delta == INT32_MAX) {
        return ERR_LIMIT;
    }
    return batch_builder_append_at(b, b->last_delta + 1, timestamp, key, value, headers,
                                   header_count);
}

enum err batch_builder_append_record(struct batch_builder *b, int32_t offset_delta,
                                     const struct record *record)
{
    size_t headers_size = slice_left(&record->headers);
    struct draft d = {offset_delta,  record->timestamp,    record->key,
                      record->value, record->header_count, headers_size};
    uint8_t *at = NULL;
    enum err e = begin_record(b, &d, &at);
    if (e == ERR_OK && headers_size > 0) {
        memcpy(at, record->headers.p, headers_size);
    }
    return e;
}

size_t batch_builder_size(const struct batch_builder *b)
{
    return BATCH_HEADER_SIZE + b->records.n;
}

static uint16_t attributes_of(const struct batch_spec *spec)
{
    unsigned a = (unsigned)spec->codec;
    a |= spec->log_append_time ? BATCH_ATTR_LOG_APPEND_TIME : 0u;
    a |= spec->transactional ? BATCH_ATTR_TRANSACTIONAL : 0u;
    a |= spec->control ? BATCH_ATTR_CONTROL : 0u;
    a |= spec->delete_horizon ? BATCH_ATTR_DELETE_HORIZON : 0u;
    return (uint16_t)a;
}

static void put_header(uint8_t *p, size_t size, const struct batch_builder *b,
                       const struct batch_spec *spec)
{
    int32_t last =
        spec->last_offset_delta > b->last_delta ? spec->last_offset_delta : b->last_delta;
    put_be64(p + BATCH_AT_BASE_OFFSET, (uint64_t)spec->base_offset);
    put_be32(p + BATCH_AT_LENGTH, (uint32_t)(size - BATCH_LENGTH_END));
    put_be32(p + BATCH_AT_LEADER_EPOCH, (uint32_t)spec->leader_epoch);
    p[BATCH_AT_MAGIC] = BATCH_MAGIC;
    put_be16(p + BATCH_AT_ATTRIBUTES, attributes_of(spec));
    put_be32(p + BATCH_AT_LAST_OFFSET_DELTA, (uint32_t)(last < 0 ? 0 : last));
    put_be64(p + BATCH_AT_BASE_TIMESTAMP, (uint64_t)b->base_timestamp);
    put_be64(p + BATCH_AT_MAX_TIMESTAMP,
             (uint64_t)(spec->log_append_time ? spec->append_time_ms : b->max_timestamp));
    put_be64(p + BATCH_AT_PRODUCER_ID, (uint64_t)spec->producer_id);
    put_be16(p + BATCH_AT_PRODUCER_EPOCH, (uint16_t)spec->producer_epoch);
    put_be32(p + BATCH_AT_BASE_SEQUENCE, (uint32_t)spec->base_sequence);
    put_be32(p + BATCH_AT_RECORD_COUNT, (uint32_t)b->count);
    put_be32(p + BATCH_AT_CRC, crc32c(0, p + BATCH_AT_ATTRIBUTES, size - BATCH_AT_ATTRIBUTES));
}

enum err batch_builder_finish(struct batch_builder *b, const struct batch_spec *spec,
                              struct record_scratch *scratch, struct buf *out, struct ectx *ec)
{
    size_t start = out->n;
    if (out->failed || BATCH_HEADER_SIZE > out->max - start) {
        return ectx_fail(ec, ERR_LIMIT, "no room for a record batch");
    }
    if (!buf_reserve(out, BATCH_HEADER_SIZE)) {
        out->failed = false;
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a record batch");
    }
    out->n += BATCH_HEADER_SIZE;
    CHECK(scratch != NULL || spec->codec == RECORD_CODEC_NONE);
    enum err e = record_compress(scratch, spec->codec, spec->level, buf_str(&b->records), out, ec);
    size_t size = out->n - start;
    if (e == ERR_OK && size - BATCH_LENGTH_END > INT32_MAX) {
        e = ectx_fail(ec, ERR_LIMIT, "a record batch can not have %zu bytes", size);
    }
    if (e != ERR_OK) {
        out->n = start;
        return e;
    }
    put_header(out->p + start, size, b, spec);
    return ERR_OK;
}

enum err control_batch_build(const struct batch_spec *spec, const struct control_marker *marker,
                             int64_t timestamp, struct buf *out, struct ectx *ec)
{
    uint8_t key[4], value[6];
    put_be16(key, 0);
    put_be16(key + 2, (uint16_t)marker->type);
    put_be16(value, 0);
    put_be32(value + 2, (uint32_t)marker->coordinator_epoch);
    struct batch_spec control = *spec;
    control.control = true;
    control.codec = RECORD_CODEC_NONE;
    struct batch_builder b;
    batch_builder_init(&b, 64);
    enum err e = batch_builder_append(&b, timestamp, str_make(key, sizeof(key)),
                                      str_make(value, sizeof(value)), NULL, 0);
    if (e == ERR_OK) {
        e = batch_builder_finish(&b, &control, NULL, out, ec);
    } else {
        e = ectx_fail(ec, e, "no memory for a transaction marker");
    }
    batch_builder_deinit(&b);
    return e;
}
