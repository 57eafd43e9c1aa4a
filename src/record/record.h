/*
 * The records of one batch: walk them, look into them, find one by time.
 *
 * record_iter checks while it walks, as strictly as Kafka does: lengths are exact, varints bounded,
 * the number of records is the header's and nothing is left over. It does not check the CRC
 * (batch_verify_crc), nor rules of a topic (validate.h). Keys, values and headers are views into
 * the batch or, if it is compressed, into the scratch.
 *
 *     e = record_iter_init(&it, &header, bytes, &scratch, max_bytes, ec);
 *     while (record_next(&it, &record)) { ... }
 *     e = record_iter_end(&it, ec);    // ERR_OK, or why the walk stopped early
 */
#ifndef LEAT_RECORD_RECORD_H
#define LEAT_RECORD_RECORD_H

#include "core/str.h"
#include "record/batch.h"
#include "record/scratch.h"

struct record {
    int64_t offset;
    int64_t timestamp; /* of the record, or the batch's append time */
    int32_t offset_delta;
    int64_t timestamp_delta;
    struct str key;   /* p == NULL: null */
    struct str value; /* p == NULL: null (a tombstone, in compacted topics) */
    int32_t header_count;
    struct slice headers; /* checked; read with record_header_next */
    size_t size;          /* of the record with its length */
    uint8_t attributes;   /* Kafka gives its bits no meaning, and clients look at none */
};
/* Ours: a redaction has erased data of this record, all of it or some fields. */
#define RECORD_ATTR_ERASED 0x01u

struct record_header {
    struct str key;   /* never null; UTF-8 by convention, not checked (as in Kafka) */
    struct str value; /* p == NULL: null */
};

struct record_iter {
    const uint8_t *p, *end;
    const char *problem; /* NULL: none */
    int64_t base_offset, base_timestamp, append_time;
    int32_t count, left;
    bool log_append_time;
};

/* Prepares a walk; decompresses if need be. max_bytes limits the decompressed records. The errors
 * of record_decompress; ERR_INVALID_RECORD for a negative record count. scratch may be NULL if the
 * batch is known to be uncompressed. */
MUST_USE enum err record_iter_init(struct record_iter *it, const struct batch_header *h,
                                   const uint8_t *bytes, struct record_scratch *scratch,
                                   size_t max_bytes, struct ectx *ec);
/* The next record; false after the last one or at the first that is malformed. */
bool record_next(struct record_iter *it, struct record *out);
/* ERR_INVALID_RECORD if the walk met a malformed record. */
MUST_USE enum err record_iter_end(const struct record_iter *it, struct ectx *ec);
/* The next of a record's headers; false after the last. */
bool record_header_next(struct slice *headers, struct record_header *out);

/* Where a record was found; offset -1: nowhere. */
struct record_place {
    int64_t offset;
    int64_t timestamp;
};
/* First record with offset >= min_offset and timestamp >= ts. */
MUST_USE enum err record_find_timestamp(const struct batch_header *h, const uint8_t *bytes,
                                        int64_t ts, int64_t min_offset,
                                        struct record_scratch *scratch, struct record_place *out,
                                        struct ectx *ec);
/* The record with the largest timestamp, the first of equals. */
MUST_USE enum err record_find_max_timestamp(const struct batch_header *h, const uint8_t *bytes,
                                            struct record_scratch *scratch,
                                            struct record_place *out, struct ectx *ec);

/* What the one record of a control batch says. */
enum control_type {
    CONTROL_ABORT = 0,
    CONTROL_COMMIT = 1
}; /* others exist in Kafka, not in client topics */
struct control_marker {
    int16_t type;              /* an enum control_type, or another that a newer version wrote */
    int32_t coordinator_epoch; /* of the transaction's end; -1 for other types */
};
/* ERR_INVALID_RECORD: not a control batch, not one record, or malformed. */
MUST_USE enum err control_batch_parse(const struct batch_header *h, const uint8_t *bytes,
                                      struct record_scratch *scratch, struct control_marker *out,
                                      struct ectx *ec);

#endif
