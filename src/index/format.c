/* The bytes of blocks and of a run's first block; FORMAT.md draws them. */
#include "core/bytes.h"
#include "core/crc32c.h"
#include "index/index_int.h"

#define RUN_MAGIC "LEATRUN1"

uint32_t block_seed(uint64_t index_id, uint64_t run_id)
{
    uint8_t b[16];
    put_le64(b, index_id);
    put_le64(b + 8, run_id);
    return crc32c(0, b, sizeof(b));
}

static uint32_t block_crc(const uint8_t *block, uint32_t seed, uint32_t number)
{
    uint8_t b[4];
    put_le32(b, number);
    return crc32c(crc32c(seed, b, 4), block + 4, INDEX_BLOCK - 4);
}

void block_seal(uint8_t *block, uint32_t seed, uint32_t number, enum block_kind kind,
                unsigned count)
{
    put_le16(block + 4, (uint16_t)count);
    block[6] = (uint8_t)kind;
    block[7] = 0;
    put_le32(block, block_crc(block, seed, number));
}

bool block_check(const uint8_t *block, uint32_t seed, uint32_t number, enum block_kind kind,
                 unsigned *count)
{
    *count = get_le16(block + 4);
    return get_le32(block) == block_crc(block, seed, number) && block[6] == (uint8_t)kind;
}

void run_head_encode(const struct run_head *h, const struct index_table *t, uint8_t *block)
{
    memset(block, 0, INDEX_BLOCK);
    uint8_t *p = block + INDEX_BLOCK_HEADER;
    memcpy(p, RUN_MAGIC, 8);
    put_le32(p + 8, INDEX_FORMAT_VERSION);
    p[12] = t->key_bytes;
    p[13] = t->prefix_bytes;
    p[14] = t->value_bytes;
    put_le64(p + 16, h->index_id);
    put_le64(p + 24, h->run_id);
    put_le64(p + 32, h->entries);
    put_le64(p + 40, h->prefixes);
    put_le32(p + 48, h->data_blocks);
    put_le32(p + 52, h->stride);
    put_le32(p + 56, h->fence_count);
    put_le32(p + 60, h->filter_lines);
    memcpy(p + 64, h->first, INDEX_KEY_MAX);
    memcpy(p + 96, h->last, INDEX_KEY_MAX);
    memcpy(p + 128, t->name, strlen(t->name));
    block_seal(block, block_seed(h->index_id, h->run_id), 0, BLOCK_HEAD, 1);
}

bool run_head_decode(const uint8_t *block, const struct index_table *t, struct run_head *out)
{
    const uint8_t *p = block + INDEX_BLOCK_HEADER;
    char name[INDEX_NAME_MAX + 1] = {0};
    memcpy(name, t->name, strlen(t->name));
    if (memcmp(p, RUN_MAGIC, 8) != 0 || get_le32(p + 8) != INDEX_FORMAT_VERSION ||
        p[12] != t->key_bytes || p[13] != t->prefix_bytes || p[14] != t->value_bytes ||
        memcmp(p + 128, name, sizeof(name)) != 0) {
        return false;
    }
    struct run_head h = {.index_id = get_le64(p + 16),
                         .run_id = get_le64(p + 24),
                         .entries = get_le64(p + 32),
                         .prefixes = get_le64(p + 40),
                         .data_blocks = get_le32(p + 48),
                         .stride = get_le32(p + 52),
                         .fence_count = get_le32(p + 56),
                         .filter_lines = get_le32(p + 60)};
    memcpy(h.first, p + 64, INDEX_KEY_MAX);
    memcpy(h.last, p + 96, INDEX_KEY_MAX);
    const uint32_t per_block = INDEX_BLOCK_ROOM / (uint32_t)(t->key_bytes + t->value_bytes);
    /* Blocks are numbered with 32 bits: all of a run has to stay below. */
    if (h.entries == 0 || h.entries > (uint64_t)per_block << 31 || h.prefixes == 0 ||
        h.prefixes > h.entries || h.filter_lines > 1u << 30 ||
        h.data_blocks != (h.entries + per_block - 1) / per_block || h.stride == 0 ||
        h.fence_count != (h.data_blocks + (uint64_t)h.stride - 1) / h.stride ||
        h.fence_count > INDEX_FENCES_MAX || index_key_cmp(h.first, h.last, t->key_bytes) > 0) {
        return false;
    }
    *out = h;
    return true;
}
