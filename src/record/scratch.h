/*
 * Memory that working with compressed batches needs: output buffers and the libraries' contexts.
 * Kept and used again, because making them costs more than using them. One per thread; not shared.
 *
 * Invariants: no buffer grows beyond `max_bytes`, which is the answer to decompression bombs: what
 * would be larger is refused. After record_scratch_trim nothing larger than RECORD_SCRATCH_KEEP is
 * held.
 *
 * Views that are returned "in the scratch" are valid until the next call with the same scratch.
 */
#ifndef LEAT_RECORD_SCRATCH_H
#define LEAT_RECORD_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

/* Largest decompressed batch, unless the owner says otherwise: Kafka has no limit here, we need
 * one. The default of max.message.bytes (1 MiB) times 256, beyond what real records compress to. */
#define RECORD_DECOMPRESSED_MAX (256u * 1024 * 1024)
/* What an idle scratch may keep. */
#define RECORD_SCRATCH_KEEP (1024u * 1024)

struct record_scratch {
    size_t max_bytes;
    struct buf plain;  /* decompressed records */
    struct buf packed; /* records on their way into a batch */
    /* The libraries' contexts, made when first used. Owned. */
    void *zstd_in, *zstd_out;
    void *lz4_in, *lz4_out;
    void *gzip_in, *gzip_out;
    int gzip_out_level;
    size_t lz4_in_bytes;
    uint64_t generation; /* of what `plain` holds: changes with each use */
};

/* Allocates nothing. max_bytes: RECORD_DECOMPRESSED_MAX if there is no better reason. */
void record_scratch_init(struct record_scratch *s, size_t max_bytes);
void record_scratch_deinit(struct record_scratch *s);
/* Gives back what is large. For the owner's idle moments; views in the scratch end. */
void record_scratch_trim(struct record_scratch *s);
/* Bytes held now, as far as the libraries tell. */
size_t record_scratch_bytes(const struct record_scratch *s);

#endif
