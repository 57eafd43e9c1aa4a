/* Encoding and decoding of what format.h declares. Nothing here reads a length that was not
 * checked. */
#include "store/format.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "record/batch.h"

#define META_MAGIC  "LEATDATA"
#define ENTRY_MAGIC 0x3145544Cu /* "LTE1" */

void segment_identity_seal(struct segment_identity *id)
{
    uint8_t b[28];
    memcpy(b, id->store_id.b, 16);
    put_le32(b + 16, id->part_id);
    put_le64(b + 20, (uint64_t)id->base);
    id->seed = crc32c(0, b, sizeof(b));
}

void entry_encode(const struct entry *e, const struct segment_identity *id,
                  uint8_t out[ENTRY_HEADER_SIZE])
{
    put_le32(out, ENTRY_MAGIC);
    out[8] = FORMAT_VERSION;
    out[9] = 0;
    put_le16(out + 10, e->flags);
    put_le32(out + 12, e->payload_size);
    put_le64(out + 16, (uint64_t)e->base_offset);
    put_le32(out + 24, (uint32_t)e->last_offset_delta);
    put_le32(out + 28, (uint32_t)e->leader_epoch);
    put_le64(out + 32, e->commit_position);
    put_le64(out + 40, e->position);
    put_le64(out + 48, (uint64_t)e->max_timestamp);
    put_le64(out + 56, (uint64_t)e->append_time_ms);
    put_le32(out + 64, e->part_id);
    put_le32(out + 68, e->generation);
    put_le32(out + 72, e->payload_crc);
    put_le32(out + 76, 0);
    put_le32(out + 4, crc32c(id->seed, out + 8, ENTRY_HEADER_SIZE - 8));
}

bool entry_decode(const uint8_t in[ENTRY_HEADER_SIZE], const struct segment_identity *id,
                  uint64_t position, struct entry *out)
{
    if (get_le32(in) != ENTRY_MAGIC ||
        get_le32(in + 4) != crc32c(id->seed, in + 8, ENTRY_HEADER_SIZE - 8)) {
        return false;
    }
    struct entry e = {
        .flags = get_le16(in + 10),
        .payload_size = get_le32(in + 12),
        .base_offset = (int64_t)get_le64(in + 16),
        .last_offset_delta = (int32_t)get_le32(in + 24),
        .leader_epoch = (int32_t)get_le32(in + 28),
        .commit_position = get_le64(in + 32),
        .position = get_le64(in + 40),
        .max_timestamp = (int64_t)get_le64(in + 48),
        .append_time_ms = (int64_t)get_le64(in + 56),
        .part_id = get_le32(in + 64),
        .generation = get_le32(in + 68),
        .payload_crc = get_le32(in + 72),
    };
    if (in[8] != FORMAT_VERSION || e.position != position || e.part_id != id->part_id ||
        e.payload_size > ENTRY_PAYLOAD_MAX || e.payload_size < BATCH_HEADER_SIZE ||
        e.base_offset < id->base || e.last_offset_delta < 0 ||
        ((e.flags & ENTRY_BLOCKS) != 0 && position % ENTRY_BLOCK != 0)) {
        return false;
    }
    *out = e;
    return true;
}

uint32_t entry_batch_size(const struct entry *e, const uint8_t *payload)
{
    if ((e->flags & ENTRY_PADDED) == 0) {
        return e->payload_size;
    }
    const uint64_t size = (uint64_t)get_be32(payload + BATCH_AT_LENGTH) + BATCH_LENGTH_END;
    return size < e->payload_size ? (uint32_t)size : e->payload_size;
}

void item_encode(const struct item *it, uint8_t out[ITEM_HEADER_SIZE])
{
    out[0] = it->type;
    out[1] = 0;
    put_le16(out + 2, it->tag);
    put_le32(out + 4, it->length);
    put_le64(out + 8, (uint64_t)it->number);
}

bool item_decode(struct slice *body, struct item *it, struct slice *bytes)
{
    struct slice at = *body;
    const uint8_t *h;
    const uint8_t *p;
    if (!slice_take(&at, ITEM_HEADER_SIZE, &h)) {
        return false;
    }
    struct item got = {.type = h[0],
                       .tag = get_le16(h + 2),
                       .length = get_le32(h + 4),
                       .number = (int64_t)get_le64(h + 8)};
    if (!slice_take(&at, got.length, &p)) {
        return false;
    }
    *it = got;
    *bytes = slice_of(p, got.length);
    *body = at;
    return true;
}

void meta_encode(const struct meta *m, uint8_t out[META_SIZE])
{
    memset(out, 0, META_SIZE);
    memcpy(out, META_MAGIC, 8);
    put_le32(out + 8, m->version);
    put_le32(out + 12, m->ready ? 1 : 0);
    memcpy(out + 16, m->id.b, 16);
    put_le32(out + 32, m->ring_file_bytes);
    put_le32(out + 36, m->ring_file_count);
    put_le32(out + 60, crc32c(0, out, 60));
}

bool meta_decode(const uint8_t in[META_SIZE], struct meta *out)
{
    if (memcmp(in, META_MAGIC, 8) != 0 || get_le32(in + 60) != crc32c(0, in, 60)) {
        return false;
    }
    out->version = get_le32(in + 8);
    out->ready = (get_le32(in + 12) & 1) != 0;
    memcpy(out->id.b, in + 16, 16);
    out->ring_file_bytes = get_le32(in + 32);
    out->ring_file_count = get_le32(in + 36);
    return true;
}

void index_entry_encode(uint32_t relative, uint32_t position, int64_t max_timestamp, uint32_t seed,
                        uint8_t out[INDEX_ENTRY_SIZE])
{
    put_le32(out, relative);
    put_le32(out + 4, position);
    put_le64(out + 8, (uint64_t)max_timestamp);
    put_le32(out + 16, 0);
    put_le32(out + 20, crc32c(seed, out, 20));
}

bool index_entry_decode(const uint8_t in[INDEX_ENTRY_SIZE], uint32_t seed, uint32_t *relative,
                        uint32_t *position, int64_t *max_timestamp)
{
    if (get_le32(in + 20) != crc32c(seed, in, 20)) {
        return false;
    }
    *relative = get_le32(in);
    *position = get_le32(in + 4);
    *max_timestamp = (int64_t)get_le64(in + 8);
    return true;
}

void segment_name(char *out, size_t size, const char *dir, int32_t index, uint32_t part_id,
                  int64_t base, const char *suffix)
{
    (void)snprintf(out, size, "topics/%s/%d-%u-%020lld.%s", dir, (int)index, part_id,
                   (long long)base, suffix);
}

bool segment_name_parse(struct str name, int32_t *index, uint32_t *part_id, int64_t *base,
                        bool *is_idx)
{
    struct str rest, ext;
    int64_t i, b;
    uint64_t id;
    struct str first = str_cut(name, '-', &rest);
    struct str second = str_cut(rest, '-', &rest);
    struct str third = str_cut(rest, '.', &ext);
    if (third.n != 20 || !(str_eq_z(ext, "seg") || str_eq_z(ext, "idx")) ||
        !str_to_i64(first, &i) || !str_to_u64(second, &id) || !str_to_i64(third, &b) || i < 0 ||
        i > INT32_MAX || id > UINT32_MAX || b < 0) {
        return false;
    }
    *index = (int32_t)i;
    *part_id = (uint32_t)id;
    *base = b;
    *is_idx = str_eq_z(ext, "idx");
    return true;
}
