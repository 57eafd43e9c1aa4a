/*
 * Makes record batches: for the CLI, for topics that the broker itself writes, for rebuilt batches
 * and for tests.
 *
 *     struct batch_builder b;
 *     batch_builder_init(&b, max_bytes);
 *     e = batch_builder_append(&b, timestamp, key, value, headers, header_count);
 *     e = batch_builder_finish(&b, &spec, &scratch, out, ec);   // appends one batch to `out`
 *     batch_builder_clear(&b);                                   // for the next one
 *     batch_builder_deinit(&b);
 */
#ifndef LEAT_RECORD_BUILDER_H
#define LEAT_RECORD_BUILDER_H

#include "core/buf.h"
#include "record/batch.h"
#include "record/compress.h"
#include "record/record.h"

struct batch_builder {
    struct buf records; /* uncompressed */
    int64_t base_timestamp, max_timestamp;
    int32_t count;
    int32_t last_delta; /* of the last record; -1: none */
    bool has_base_timestamp;
};

/* Everything in the header that does not follow from the records. batch_spec_init gives "none"
 * everywhere. */
struct batch_spec {
    int64_t base_offset;
    int32_t leader_epoch; /* -1 */
    enum record_codec codec;
    int32_t level; /* RECORD_LEVEL_DEFAULT */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    bool transactional, control;
    bool log_append_time; /* then append_time_ms is the maximum timestamp */
    int64_t append_time_ms;
    bool delete_horizon;       /* the base timestamp (batch_builder_set_base_timestamp) is a delete
                                  horizon */
    int32_t last_offset_delta; /* -1: that of the last record; else at least that (compaction keeps
                                  it) */
};
void batch_spec_init(struct batch_spec *spec);

/* max_bytes: of the uncompressed records. */
void batch_builder_init(struct batch_builder *b, size_t max_bytes);
void batch_builder_deinit(struct batch_builder *b);
void batch_builder_clear(struct batch_builder *b);
/* Makes timestamps relative to this one; before the first append (which otherwise sets it). */
void batch_builder_set_base_timestamp(struct batch_builder *b, int64_t base_timestamp);

/* One more record, with the next offset. Bytes are copied. A NULL str is null; header keys must not
 * be. ERR_LIMIT: over max_bytes, or 2^31 - 1 records. ERR_NO_MEMORY. On failure the builder is as
 * before. */
MUST_USE enum err batch_builder_append(struct batch_builder *b, int64_t timestamp, struct str key,
                                       struct str value, const struct record_header *headers,
                                       size_t header_count);
/* The same at a chosen offset delta, above the last one (compaction leaves gaps). ERR_LIMIT if it
 * is not above. */
MUST_USE enum err batch_builder_append_at(struct batch_builder *b, int32_t offset_delta,
                                          int64_t timestamp, struct str key, struct str value,
                                          const struct record_header *headers, size_t header_count);
/* A record as another batch had it: the headers as raw bytes (struct record.headers). */
MUST_USE enum err batch_builder_append_record(struct batch_builder *b, int32_t offset_delta,
                                              const struct record *record);
/* Bytes of the batch if it were finished uncompressed. */
size_t batch_builder_size(const struct batch_builder *b);

/* Appends the batch to `out`. An empty batch is legal (compaction keeps some). `scratch` may be
 * NULL for codec NONE. ERR_LIMIT: out is full, or more than 2^31 bytes. ERR_NO_MEMORY. `out` is as
 * before on failure. */
MUST_USE enum err batch_builder_finish(struct batch_builder *b, const struct batch_spec *spec,
                                       struct record_scratch *scratch, struct buf *out,
                                       struct ectx *ec);

/* The end of a transaction: a control batch with one record. spec: offset, epoch, producer. */
MUST_USE enum err control_batch_build(const struct batch_spec *spec,
                                      const struct control_marker *marker, int64_t timestamp,
                                      struct buf *out, struct ectx *ec);

#endif
