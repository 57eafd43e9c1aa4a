/*
 * The bytes on disk that this room owns: the meta file, entries of segments, items of frames, index
 * entries, file names. FORMAT.md describes them; this file is the only place that reads and writes
 * them. Little-endian.
 *
 * An entry can be recognised for what it is: its header checksum is seeded with the data
 * directory's id, the partition and the segment, and covers its position in the file, its
 * generation and its commit position. So bytes of another directory, partition, segment or place,
 * and those of an earlier life of this place, never pass.
 */
#ifndef LEAT_STORE_FORMAT_H
#define LEAT_STORE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/slice.h"
#include "core/str.h"
#include "core/uuid.h"
#include "record/batch.h"

enum {
    FORMAT_VERSION = 1,
    META_SIZE = 64,
    ENTRY_HEADER_SIZE = 80,
    ITEM_HEADER_SIZE = 16,
    ITEM_PLACE_SIZE = ENTRY_HEADER_SIZE + BATCH_HEADER_SIZE,
    INDEX_ENTRY_SIZE = 24,
    IMAGE_HEADER_SIZE = 128,
    IMAGE_SECTION_HEADER_SIZE = 24,
    ENTRY_PAYLOAD_MAX = 1 << 30, /* a length above it is not believed */
    ENTRY_BLOCK = 4096,          /* unit of direct writes */
};

/* Which file an entry belongs to. */
struct segment_identity {
    struct uuid store_id;
    uint32_t part_id;
    int64_t base;
    uint32_t seed; /* of checksums in this file; segment_identity_seal sets it */
};
void segment_identity_seal(struct segment_identity *id);

enum entry_flags {
    ENTRY_CONTROL = 1,        /* a control batch (transaction marker) */
    ENTRY_TRANSACTIONAL = 2,  /* the batch is part of a transaction */
    ENTRY_ABORTED = 4,        /* reserved: an aborted-transaction entry, not a batch */
    ENTRY_DELETE_HORIZON = 8, /* reserved: the batch carries a delete horizon */
    ENTRY_BLOCKS = 16,        /* begins at a multiple of ENTRY_BLOCK; its last block is its own */
    ENTRY_PADDED = 32,        /* the batch is shorter than the payload; zeros follow it */
    ENTRY_FLAGS_KNOWN = 51,
};

struct entry {
    uint16_t flags;
    uint32_t payload_size;
    int64_t base_offset;
    int32_t last_offset_delta;
    int32_t leader_epoch;
    uint64_t commit_position;
    uint64_t position; /* of the header in the segment */
    int64_t max_timestamp;
    int64_t append_time_ms;
    uint32_t part_id;
    uint32_t generation;
    uint32_t payload_crc;
};
void entry_encode(const struct entry *e, const struct segment_identity *id,
                  uint8_t out[ENTRY_HEADER_SIZE]);
/* false: not an entry of this segment at this position. */
bool entry_decode(const uint8_t in[ENTRY_HEADER_SIZE], const struct segment_identity *id,
                  uint64_t position, struct entry *out);
static inline uint64_t entry_block_up(uint64_t position)
{
    return (position + ENTRY_BLOCK - 1) / ENTRY_BLOCK * ENTRY_BLOCK;
}
/* Where the next entry may begin. */
static inline uint64_t entry_end(const struct entry *e)
{
    const uint64_t end = e->position + ENTRY_HEADER_SIZE + e->payload_size;
    return (e->flags & ENTRY_BLOCKS) != 0 ? entry_block_up(end) : end;
}
/* Of the batch in an entry's payload, which was checked. */
uint32_t entry_batch_size(const struct entry *e, const uint8_t *payload);
static inline int64_t entry_next_offset(const struct entry *e)
{
    return e->base_offset + e->last_offset_delta + 1;
}

/* Items of a frame's body. */
enum item_type {
    ITEM_BATCH = 1, /* number: segment base; then the entry */
    ITEM_PLACE =
        2, /* number: segment base; then the headers of entry and batch: it is in its place */
    ITEM_FACT = 3,      /* tag; then the fact's bytes */
    ITEM_LOG_START = 4, /* part; number: offset */
    ITEM_LEASE = 5,     /* part; number: offset below which durability=os may tell offsets */
    ITEM_NOTHING = 6,   /* moves the log on */
    ITEM_REWRITE = 7,   /* as ITEM_BATCH: an entry that takes the place of one that is stored */
};
struct item {
    uint8_t type;
    uint16_t tag;
    uint32_t length; /* of what follows the header */
    int64_t number;
};
void item_encode(const struct item *it, uint8_t out[ITEM_HEADER_SIZE]);
/* Takes one item and its bytes. */
bool item_decode(struct slice *body, struct item *it, struct slice *bytes);

struct meta {
    uint32_t version;
    bool ready; /* the first start was completed */
    struct uuid id;
    uint32_t ring_file_bytes, ring_file_count; /* fixed for the directory's life */
};
void meta_encode(const struct meta *m, uint8_t out[META_SIZE]);
bool meta_decode(const uint8_t in[META_SIZE], struct meta *out);

void index_entry_encode(uint32_t relative, uint32_t position, int64_t max_timestamp, uint32_t seed,
                        uint8_t out[INDEX_ENTRY_SIZE]);
bool index_entry_decode(const uint8_t in[INDEX_ENTRY_SIZE], uint32_t seed, uint32_t *relative,
                        uint32_t *position, int64_t *max_timestamp);

/* "topics/DIR/INDEX-ID-BASE.seg" (or .idx). */
void segment_name(char *out, size_t size, const char *dir, int32_t index, uint32_t part_id,
                  int64_t base, const char *suffix);
bool segment_name_parse(struct str name, int32_t *index, uint32_t *part_id, int64_t *base,
                        bool *is_idx);

#endif
