/*
 * The header of a Kafka record batch, version 2 (magic 2): 61 bytes, big-endian, then the records,
 * plain or compressed. This file reads, checks and patches headers; records are in record.h.
 *
 * Invariants: a `struct batch_header` only exists for bytes that hold the whole batch, `size` bytes
 * from the first; `size` is at least BATCH_HEADER_SIZE. The CRC-32C covers everything from the
 * attributes to the end, so base offset and leader epoch are set without touching it. Changes below
 * the CRC move it (from old CRC to new CRC, never computed afresh from the bytes): a batch that was
 * damaged in memory stays visibly damaged.
 *
 * Pure functions over memory. Nothing here allocates or blocks. Layout: FORMAT.md, and "Record
 * Batch" in Kafka's message format documentation.
 */
#ifndef LEAT_RECORD_BATCH_H
#define LEAT_RECORD_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"
#include "core/err.h"
#include "core/slice.h"

/* Where the fields are, in bytes from the start of the batch. */
enum {
    BATCH_AT_BASE_OFFSET = 0,
    BATCH_AT_LENGTH = 8,
    BATCH_AT_LEADER_EPOCH = 12,
    BATCH_AT_MAGIC = 16,
    BATCH_AT_CRC = 17,
    BATCH_AT_ATTRIBUTES = 21,
    BATCH_AT_LAST_OFFSET_DELTA = 23,
    BATCH_AT_BASE_TIMESTAMP = 27,
    BATCH_AT_MAX_TIMESTAMP = 35,
    BATCH_AT_PRODUCER_ID = 43,
    BATCH_AT_PRODUCER_EPOCH = 51,
    BATCH_AT_BASE_SEQUENCE = 53,
    BATCH_AT_RECORD_COUNT = 57,
    BATCH_HEADER_SIZE = 61,
    BATCH_LENGTH_END = 12, /* the length field counts what follows it: size = length + this */
    BATCH_MAGIC_END = 17,  /* what must be there to know size and magic */
    BATCH_LEGACY_MIN_LENGTH = 14, /* the smallest length that any magic can have */
};

enum { BATCH_MAGIC = 2 };
/* -1 in a field means "none". */
enum { BATCH_NO_TIMESTAMP = -1, BATCH_NO_PRODUCER = -1, BATCH_NO_SEQUENCE = -1 };

/* Bits of the attributes. */
enum {
    BATCH_ATTR_CODEC = 0x07,
    BATCH_ATTR_LOG_APPEND_TIME = 0x08,
    BATCH_ATTR_TRANSACTIONAL = 0x10,
    BATCH_ATTR_CONTROL = 0x20,
    BATCH_ATTR_DELETE_HORIZON = 0x40,
};

/* The numbers in the attributes. 5 to 7 are not given to anyone. */
enum record_codec {
    RECORD_CODEC_NONE = 0,
    RECORD_CODEC_GZIP = 1,
    RECORD_CODEC_SNAPPY = 2,
    RECORD_CODEC_LZ4 = 3,
    RECORD_CODEC_ZSTD = 4,
    RECORD_CODEC_COUNT
};
/* "none", "gzip", "snappy", "lz4", "zstd", as in Kafka's configuration; "unknown" for 5 to 7. */
const char *record_codec_name(unsigned codec);

struct batch_header {
    int64_t base_offset;
    int32_t length; /* bytes after the length field */
    int32_t leader_epoch;
    int8_t magic; /* always BATCH_MAGIC */
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp; /* ms since 1970; the delete horizon if that bit is set */
    int64_t max_timestamp;  /* the append time if that bit is set */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
    size_t size; /* of the whole batch in bytes: length + BATCH_LENGTH_END */
};

/*
 * Reads the header of the batch that starts at `p`, of which `n` bytes are there (more may follow
 * it). Checks that the whole batch is there; neither the CRC nor the records. ERR_TRUNCATED: n ends
 * before the batch does. ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT: magic 0 or 1. ERR_CORRUPT_MESSAGE: no
 * batch (unknown magic, length too small for a header).
 */
MUST_USE enum err batch_header_parse(const uint8_t *p, size_t n, struct batch_header *out,
                                     struct ectx *ec);

static inline unsigned batch_codec(const struct batch_header *h)
{
    return (unsigned)h->attributes &
           BATCH_ATTR_CODEC; /* may be 5 to 7: an enum record_codec only below COUNT */
}
static inline bool batch_is_log_append_time(const struct batch_header *h)
{
    return (h->attributes & BATCH_ATTR_LOG_APPEND_TIME) != 0;
}
static inline bool batch_is_transactional(const struct batch_header *h)
{
    return (h->attributes & BATCH_ATTR_TRANSACTIONAL) != 0;
}
static inline bool batch_is_control(const struct batch_header *h)
{
    return (h->attributes & BATCH_ATTR_CONTROL) != 0;
}
static inline bool batch_has_delete_horizon(const struct batch_header *h)
{
    return (h->attributes & BATCH_ATTR_DELETE_HORIZON) != 0;
}
static inline bool batch_has_producer(const struct batch_header *h)
{
    return h->producer_id > BATCH_NO_PRODUCER;
}
static inline int64_t batch_last_offset(const struct batch_header *h)
{
    return (int64_t)((uint64_t)h->base_offset + (uint64_t)(int64_t)h->last_offset_delta);
}
/* `sequence` + `by`, wrapping from INT32_MAX to 0 as producers do. by >= 0. */
static inline int32_t batch_sequence_add(int32_t sequence, int32_t by)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)by) & 0x7fffffffu);
}
/* Sequence of the last record; BATCH_NO_SEQUENCE if the batch has none. */
static inline int32_t batch_last_sequence(const struct batch_header *h)
{
    return h->base_sequence < 0 ? BATCH_NO_SEQUENCE
                                : batch_sequence_add(h->base_sequence, h->last_offset_delta);
}

/* Of a batch whose header was parsed. The checksum as it should be. */
uint32_t batch_crc(const uint8_t *p, const struct batch_header *h);
/* ERR_CORRUPT_MESSAGE (with both numbers) if the bytes do not have the checksum of the header. */
MUST_USE enum err batch_verify_crc(const uint8_t *p, const struct batch_header *h, struct ectx *ec);

/* In place, outside of the CRC. The header, if given, follows. */
void batch_set_base_offset(uint8_t *p, struct batch_header *h, int64_t base_offset);
void batch_set_leader_epoch(uint8_t *p, struct batch_header *h, int32_t leader_epoch);
/* In place, with the CRC moved along: create time with this maximum, or append time. */
void batch_set_max_timestamp(uint8_t *p, struct batch_header *h, int64_t max_timestamp);
void batch_set_log_append_time(uint8_t *p, struct batch_header *h, int64_t append_time_ms);

/* A batch in a run of them: a view. */
struct batch {
    const uint8_t *bytes;
    struct batch_header header;
};
/*
 * Takes the next batch off the front of `run`. Call while slice_left(run) > 0. Errors as
 * batch_header_parse, `run` is then unchanged: ERR_TRUNCATED is the normal end of a fetch response
 * that was cut at max_bytes.
 */
MUST_USE enum err batch_next(struct slice *run, struct batch *out, struct ectx *ec);

#endif
