/*
 * What a producer sent, judged and made ready for the log, as Kafka 4.3 does it
 * (ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords, LogValidator). One walk
 * over the records; where the bytes can stay as they are, they do.
 *
 *     e = record_validate(bytes, n, &rules, &scratch, &verdict, ec);
 *     if (e == ERR_OK) e = record_finish(bytes, &rules, &scratch, &verdict, out, &batch, ec);
 *     // batch: what to store, after batch_set_base_offset and batch_set_leader_epoch
 *
 * Differences from Kafka, all on the strict side, are listed in README.md.
 */
#ifndef LEAT_RECORD_VALIDATE_H
#define LEAT_RECORD_VALIDATE_H

#include "core/buf.h"
#include "record/batch.h"
#include "record/compress.h"
#include "record/record.h"

/* `compression.type` of a topic: RECORD_KEEP_CODEC is "producer", else an enum record_codec
 * ("uncompressed" = NONE). */
enum { RECORD_KEEP_CODEC = -1 };

/* The settings of the topic and the request. Times in ms. record_rules_init gives Kafka's defaults.
 */
struct record_rules {
    int16_t produce_version;         /* of the request: zstd needs 7 */
    int32_t max_message_bytes;       /* max.message.bytes, 1048588; of the whole batch */
    size_t max_decompressed_bytes;   /* RECORD_DECOMPRESSED_MAX; beyond it ERR_MESSAGE_TOO_LARGE */
    bool log_append_time;            /* message.timestamp.type */
    int64_t timestamp_before_max_ms; /* message.timestamp.before.max.ms, INT64_MAX */
    int64_t timestamp_after_max_ms;  /* message.timestamp.after.max.ms, 1 h */
    int64_t now_ms;                  /* wall clock */
    int codec;                /* compression.type: RECORD_KEEP_CODEC or an enum record_codec */
    int32_t level;            /* compression.<codec>.level, RECORD_LEVEL_DEFAULT */
    bool key_required;        /* cleanup.policy=compact */
    bool allow_transactional; /* false: a batch with that bit is ERR_INVALID_TXN_STATE */
};
void record_rules_init(struct record_rules *r);

/* KIP-467: which record, and why. At most RECORD_ERRORS_MAX are kept, `error_count` counts all. */
#define RECORD_ERRORS_MAX 100
struct record_error {
    int32_t batch_index; /* of the record in its batch */
    enum err err;        /* ERR_INVALID_RECORD: no key. ERR_INVALID_TIMESTAMP */
    int64_t timestamp;
};

enum record_action {
    RECORD_KEEP,    /* store the bytes as they came */
    RECORD_PATCH,   /* attributes or maximum timestamp change in place */
    RECORD_REBUILD, /* new bytes: another codec, or offsets that were not 0..n-1 */
};

struct record_verdict {
    struct batch_header header; /* as sent; header.size bytes are the batch, what follows is cut off
                                   (as Kafka does) */
    enum record_action action;
    int64_t max_timestamp;       /* as stored; -1: no record has one */
    int32_t max_timestamp_delta; /* offset of the first record that has it, relative to the base
                                    offset */
    int64_t min_timestamp;       /* smallest of the records, before an append time is set */
    size_t plain_bytes;          /* of the records, uncompressed */
    uint64_t generation;         /* of the scratch that holds them; private */
    /* On ERR_INVALID_RECORD and ERR_INVALID_TIMESTAMP if single records are to blame: */
    uint32_t error_count;
    uint32_t timestamp_error_count; /* of them: one makes it ERR_INVALID_TIMESTAMP for the whole */
    struct record_error errors[RECORD_ERRORS_MAX];
};

/*
 * Judges the n bytes of one partition in a produce request; does not change them. Writes *out on
 * success; on failure only its record errors mean anything. The errors, in the order of the checks:
 *
 *   INVALID_RECORD                no batch, more than one, or not magic 2
 *   CORRUPT_MESSAGE               too small for a header, unknown magic
 *   UNSUPPORTED_COMPRESSION_TYPE  zstd below version 7
 *   INVALID_RECORD                base offset not 0
 *   MESSAGE_TOO_LARGE             the batch, or (later) what it decompresses to
 *   CORRUPT_MESSAGE               the checksum
 *   INVALID_RECORD                offsets, count, control bit, producer
 *   INVALID_TXN_STATE             transactional, and that is not allowed
 *   UNSUPPORTED_COMPRESSION_TYPE  an unknown codec
 *   INVALID_RECORD                a malformed record, a missing key
 *   INVALID_TIMESTAMP             a time out of range, or append time set by the producer
 *
 * and ERR_NO_MEMORY.
 */
MUST_USE enum err record_validate(const uint8_t *bytes, size_t n, const struct record_rules *rules,
                                  struct record_scratch *scratch, struct record_verdict *out,
                                  struct ectx *ec);

/*
 * Carries the verdict's action out. *batch is then the batch to store: `bytes` themselves (patched
 * in place), or the bytes appended to `out` (RECORD_REBUILD only; `out` may be NULL otherwise).
 * ERR_MESSAGE_TOO_LARGE: the new batch is above the limit. ERR_NO_MEMORY. If the scratch was used
 * for another batch in between, the records are decompressed again.
 */
MUST_USE enum err record_finish(uint8_t *bytes, const struct record_rules *rules,
                                struct record_scratch *scratch,
                                const struct record_verdict *verdict, struct buf *out,
                                struct str *batch, struct ectx *ec);

/* The message of one record error, for RecordErrors in the response. Returns the length (text is
 * cut at cap - 1). */
size_t record_error_text(const struct record_error *e, const struct record_rules *rules, char *text,
                         size_t cap);

#endif
