/*
 * The frame header as bytes: FORMAT.md is the reference. Everything is little-endian. The header's
 * checksum is seeded with the store's id, so a ring file copied from another data directory holds
 * no valid frame, and it covers the body's checksum, so header and body are bound to each other.
 */
#include "core/bytes.h"
#include "core/crc32c.h"
#include "wal/wal_int.h"

uint32_t wal_seed(const struct uuid *store_id)
{
    return crc32c(0, store_id->b, sizeof(store_id->b));
}

static uint32_t header_crc(const uint8_t *p, uint32_t seed)
{
    return crc32c(crc32c(seed, p, 8), p + 12, WAL_BODY_OFFSET - 12);
}

void wal_header_put(uint8_t out[WAL_BODY_OFFSET], const struct wal_header *h, uint32_t seed)
{
    put_le32(out, WAL_MAGIC);
    out[4] = WAL_VERSION;
    out[5] = (uint8_t)h->flags;
    put_le16(out + 6, 0);
    put_le32(out + 12, h->body_crc);
    put_le32(out + 16, h->length);
    put_le32(out + 20, h->generation);
    put_le64(out + 24, h->position);
    put_le64(out + 32, h->flushed);
    put_le32(out + 40, h->group_bytes);
    put_le32(out + 44, h->back);
    put_le32(out + 8, header_crc(out, seed));
}

enum wal_seen wal_header_get(const uint8_t *p, uint32_t seed, struct wal_header *out)
{
    if (get_le32(p) != WAL_MAGIC || get_le32(p + 8) != header_crc(p, seed)) {
        return WAL_SEEN_NOTHING;
    }
    if (p[4] != WAL_VERSION) {
        return WAL_SEEN_NEWER;
    }
    out->flags = p[5];
    out->body_crc = get_le32(p + 12);
    out->length = get_le32(p + 16);
    out->generation = get_le32(p + 20);
    out->position = get_le64(p + 24);
    out->flushed = get_le64(p + 32);
    out->group_bytes = get_le32(p + 40);
    out->back = get_le32(p + 44);
    return WAL_SEEN_FRAME;
}
