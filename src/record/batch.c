/*
 * Batch headers: read, check, patch. See batch.h. The one surprise is crc_moved(): a changed header
 * gets its new checksum from the old one, so that damage to the records can not be papered over.
 */
#include "record/batch.h"

#include "core/bytes.h"
#include "core/check.h"
#include "core/crc32c.h"

const char *record_codec_name(unsigned codec)
{
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    return codec < ARRAY_LEN(names) ? names[codec] : "unknown";
}

enum err batch_header_parse(const uint8_t *p, size_t n, struct batch_header *out, struct ectx *ec)
{
    if (n < BATCH_MAGIC_END) {
        return ectx_fail(ec, ERR_TRUNCATED, "%zu bytes are too few for a record batch", n);
    }
    int32_t length = (int32_t)get_be32(p + BATCH_AT_LENGTH);
    int8_t magic = (int8_t)p[BATCH_AT_MAGIC];
    if (length < BATCH_LEGACY_MIN_LENGTH) {
        return ectx_fail(ec, ERR_CORRUPT_MESSAGE, "a record batch has length %d", length);
    }
    if (magic == 0 || magic == 1) {
        return ectx_fail(ec, ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
                         "message format %d (magic) is older than 2", magic);
    }
    if (magic != BATCH_MAGIC) {
        return ectx_fail(ec, ERR_CORRUPT_MESSAGE, "a record batch has magic %d", magic);
    }
    size_t size = (size_t)length + BATCH_LENGTH_END;
    if (size < BATCH_HEADER_SIZE) {
        return ectx_fail(ec, ERR_CORRUPT_MESSAGE,
                         "a record batch of %zu bytes has no room for a header", size);
    }
    if (size > n) {
        return ectx_fail(ec, ERR_TRUNCATED, "a record batch of %zu bytes ends after %zu", size, n);
    }
    *out = (struct batch_header){
        .base_offset = (int64_t)get_be64(p + BATCH_AT_BASE_OFFSET),
        .length = length,
        .leader_epoch = (int32_t)get_be32(p + BATCH_AT_LEADER_EPOCH),
        .magic = magic,
        .crc = get_be32(p + BATCH_AT_CRC),
        .attributes = (int16_t)get_be16(p + BATCH_AT_ATTRIBUTES),
        .last_offset_delta = (int32_t)get_be32(p + BATCH_AT_LAST_OFFSET_DELTA),
        .base_timestamp = (int64_t)get_be64(p + BATCH_AT_BASE_TIMESTAMP),
        .max_timestamp = (int64_t)get_be64(p + BATCH_AT_MAX_TIMESTAMP),
        .producer_id = (int64_t)get_be64(p + BATCH_AT_PRODUCER_ID),
        .producer_epoch = (int16_t)get_be16(p + BATCH_AT_PRODUCER_EPOCH),
        .base_sequence = (int32_t)get_be32(p + BATCH_AT_BASE_SEQUENCE),
        .record_count = (int32_t)get_be32(p + BATCH_AT_RECORD_COUNT),
        .size = size,
    };
    return ERR_OK;
}

uint32_t batch_crc(const uint8_t *p, const struct batch_header *h)
{
    return crc32c(0, p + BATCH_AT_ATTRIBUTES, h->size - BATCH_AT_ATTRIBUTES);
}

enum err batch_verify_crc(const uint8_t *p, const struct batch_header *h, struct ectx *ec)
{
    uint32_t is = batch_crc(p, h);
    if (UNLIKELY(is != h->crc)) {
        return ectx_fail(ec, ERR_CORRUPT_MESSAGE,
                         "the record batch has checksum %08x, its header says %08x", is, h->crc);
    }
    return ERR_OK;
}

void batch_set_base_offset(uint8_t *p, struct batch_header *h, int64_t base_offset)
{
    put_be64(p + BATCH_AT_BASE_OFFSET, (uint64_t)base_offset);
    if (h != NULL) {
        h->base_offset = base_offset;
    }
}

void batch_set_leader_epoch(uint8_t *p, struct batch_header *h, int32_t leader_epoch)
{
    put_be32(p + BATCH_AT_LEADER_EPOCH, (uint32_t)leader_epoch);
    if (h != NULL) {
        h->leader_epoch = leader_epoch;
    }
}

/* The checksum of the front part (attributes to record count) alone. */
static uint32_t front_crc(const uint8_t *p)
{
    return crc32c(0, p + BATCH_AT_ATTRIBUTES, BATCH_HEADER_SIZE - BATCH_AT_ATTRIBUTES);
}

/*
 * The checksum after the front part changed from one with checksum `before` to what is in memory
 * now. CRCs are linear: the difference that a changed front makes does not depend on the records
 * behind it.
 */
static uint32_t crc_moved(const uint8_t *p, const struct batch_header *h, uint32_t before)
{
    size_t behind = h->size - BATCH_HEADER_SIZE;
    uint32_t after = front_crc(p);
    return h->crc ^ crc32c_combine(before, 0, behind) ^ crc32c_combine(after, 0, behind);
}

static void set_time(uint8_t *p, struct batch_header *h, bool append_time, int64_t max_timestamp)
{
    uint16_t attributes = (uint16_t)h->attributes;
    attributes = append_time ? (uint16_t)(attributes | BATCH_ATTR_LOG_APPEND_TIME)
                             : (uint16_t)(attributes & ~(unsigned)BATCH_ATTR_LOG_APPEND_TIME);
    if ((int16_t)attributes == h->attributes && max_timestamp == h->max_timestamp) {
        return;
    }
    uint32_t before = front_crc(p);
    put_be16(p + BATCH_AT_ATTRIBUTES, attributes);
    put_be64(p + BATCH_AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
    uint32_t crc = crc_moved(p, h, before);
    put_be32(p + BATCH_AT_CRC, crc);
    h->attributes = (int16_t)attributes;
    h->max_timestamp = max_timestamp;
    h->crc = crc;
}

void batch_set_max_timestamp(uint8_t *p, struct batch_header *h, int64_t max_timestamp)
{
    set_time(p, h, false, max_timestamp);
}

void batch_set_log_append_time(uint8_t *p, struct batch_header *h, int64_t append_time_ms)
{
    set_time(p, h, true, append_time_ms);
}

enum err batch_next(struct slice *run, struct batch *out, struct ectx *ec)
{
    struct batch b = {.bytes = run->p};
    enum err e = batch_header_parse(run->p, slice_left(run), &b.header, ec);
    if (e == ERR_OK) {
        run->p += b.header.size;
        *out = b;
    }
    return e;
}
