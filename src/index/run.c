/*
 * A run: a file of sorted entries that is never changed. Block 0 says what it is; then come blocks
 * of entries, of fences (the beginning of the first key of every stride-th block) and the filter.
 *
 * Fences are in memory. Keys begin with a hash, so the place of a key among them is guessed by
 * interpolation, and usually one block is all that has to be read. Keys that are alike in their
 * first eight bytes (a stream with many events) span several fences: there a binary search reads
 * blocks.
 */
#include <stdio.h>

#include "core/check.h"
#include "core/mem.h"
#include "index/index_int.h"

void run_path(const char *dir, const struct index_table *t, uint64_t id, char *out)
{
    (void)snprintf(out, INDEX_PATH_MAX, "%s/%s-%016llx.run", dir, t->name, (unsigned long long)id);
}

void run_free(struct run *r)
{
    if (r == NULL) {
        return;
    }
    if (r->file != NULL) {
        env_file_close(r->file);
    }
    mem_free(r->fences);
    mem_free(r->filter);
    mem_free(r->path);
    mem_free(r);
}

void run_delete(struct env *env, struct run *r)
{
    env_file_close(r->file);
    r->file = NULL;
    IGNORE(env_unlink(env, r->path, NULL)); /* else the next open does it */
}

struct run_list *run_list_new(uint32_t count)
{
    struct run_list *l = mem_alloc(sizeof(*l) + count * sizeof(l->runs[0]));
    if (l != NULL) {
        l->refs = 1;
        l->count = count;
    }
    return l;
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

static enum err damaged(const struct run *r, uint32_t block, struct ectx *ec)
{
    enum err e = ectx_fail(ec, ERR_DAMAGED, "block %u of '%s' failed its checksum", block, r->path);
    ectx_hint(ec, "the index is made again from the log");
    return e;
}

static enum err block_read(const struct run *r, uint32_t number, enum block_kind kind,
                           uint8_t *block, unsigned *count, struct ectx *ec)
{
    size_t got = 0;
    enum err e =
        env_file_pread(r->file, block, INDEX_BLOCK, (uint64_t)number * INDEX_BLOCK, &got, ec);
    if (e == ERR_OK && (got != INDEX_BLOCK || !block_check(block, r->seed, number, kind, count))) {
        e = damaged(r, number, ec);
    }
    return e;
}

/* Payloads of blocks one after the other, into `out`. Read in pieces: a call for each block would
 * be most of what a start takes. */
static enum err section_read(const struct run *r, uint32_t number, enum block_kind kind,
                             uint8_t *out, uint64_t bytes, struct ectx *ec)
{
    enum { PIECE = 64 };
    uint8_t *piece = mem_alloc((size_t)PIECE * INDEX_BLOCK);
    if (piece == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for reading '%s'", r->path);
    }
    enum err e = ERR_OK;
    uint32_t left = blocks_for(bytes);
    while (e == ERR_OK && left > 0) {
        const uint32_t n = left < PIECE ? left : PIECE;
        size_t got = 0;
        e = env_file_pread(r->file, piece, (size_t)n * INDEX_BLOCK, (uint64_t)number * INDEX_BLOCK,
                           &got, ec);
        for (uint32_t i = 0; e == ERR_OK && i < n; i++, number++) {
            unsigned count;
            const uint8_t *block = piece + (size_t)i * INDEX_BLOCK;
            if (got < (size_t)(i + 1) * INDEX_BLOCK ||
                !block_check(block, r->seed, number, kind, &count)) {
                e = damaged(r, number, ec);
                break;
            }
            const size_t part = bytes < INDEX_BLOCK_ROOM ? (size_t)bytes : INDEX_BLOCK_ROOM;
            memcpy(out, block + INDEX_BLOCK_HEADER, part);
            out += part;
            bytes -= part;
        }
        left -= n;
    }
    mem_free(piece);
    return e;
}

static enum err fences_load(struct run *r, struct ectx *ec)
{
    const uint64_t bytes = 8u * (uint64_t)r->head.fence_count;
    r->fences = mem_alloc(bytes);
    if (r->fences == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the index of '%s'", r->path);
    }
    enum err e =
        section_read(r, 1 + r->head.data_blocks, BLOCK_FENCES, (uint8_t *)r->fences, bytes, ec);
    for (uint32_t i = 0; e == ERR_OK && i < r->head.fence_count; i++) {
        r->fences[i] = get_le64(&r->fences[i]);
        if (i > 0 && r->fences[i] < r->fences[i - 1]) {
            e = damaged(r, 1 + r->head.data_blocks, ec);
        }
    }
    return e;
}

enum err run_filter_load(struct run *r, struct ectx *ec)
{
    const uint64_t bytes = run_filter_bytes(r);
    uint8_t *filter = mem_alloc(bytes);
    if (filter == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the filter of '%s'", r->path);
    }
    const uint32_t at = 1 + r->head.data_blocks + blocks_for(8u * (uint64_t)r->head.fence_count);
    enum err e = section_read(r, at, BLOCK_FILTER, filter, bytes, ec);
    if (e == ERR_OK) {
        r->filter = filter;
    } else {
        mem_free(filter);
    }
    return e;
}

static enum err head_load(struct index *ix, struct run *r, uint64_t id, uint32_t head_crc,
                          struct ectx *ec)
{
    uint8_t *block = ix->block;
    uint64_t size = 0;
    unsigned count;
    r->seed = block_seed(ix->index_id, id);
    enum err e = block_read(r, 0, BLOCK_HEAD, block, &count, ec);
    if (e == ERR_OK) {
        e = env_file_size(r->file, &size, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    r->head_crc = get_le32(block);
    if (r->head_crc != head_crc || !run_head_decode(block, r->table, &r->head) ||
        r->head.index_id != ix->index_id || r->head.run_id != id || run_file_bytes(r) != size) {
        e = ectx_fail(ec, ERR_DAMAGED, "'%s' is not the file that the manifest names", r->path);
        ectx_hint(ec, "the index is made again from the log");
    }
    return e;
}

enum err run_open(struct index *ix, const struct index_table *t, uint64_t id, uint32_t head_crc,
                  struct run **out, struct ectx *ec)
{
    char path[INDEX_PATH_MAX];
    run_path(ix->dir, t, id, path);
    struct run *r = mem_new(struct run);
    if (r == NULL || (r->path = str_dup_z(str_of(path))) == NULL) {
        run_free(r);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for opening '%s'", path);
    }
    list_init(&r->dead);
    r->table = t;
    r->refs = 1;
    r->per_block = INDEX_BLOCK_ROOM / (uint32_t)(t->key_bytes + t->value_bytes);
    enum err e = env_file_open(ix->env, path, ENV_READ, &r->file, ec);
    if (e == ERR_NOT_FOUND) {
        e = ectx_fail(ec, ERR_DAMAGED, "'%s' is missing", path);
        ectx_hint(ec, "the index is made again from the log");
    }
    if (e == ERR_OK) {
        e = head_load(ix, r, id, head_crc, ec);
    }
    if (e == ERR_OK) {
        e = fences_load(r, ec);
    }
    if (e != ERR_OK) {
        run_free(r);
        return e;
    }
    *out = r;
    return ERR_OK;
}

/* ---- Looking ----------------------------------------------------------------------------------
 */

bool run_block_check(const struct run *r, uint32_t block, const uint8_t *bytes, unsigned *count)
{
    const uint64_t left = r->head.entries - (uint64_t)block * r->per_block;
    return block_check(bytes, r->seed, block + 1, BLOCK_ENTRIES, count) &&
           *count == (left < r->per_block ? left : r->per_block);
}

enum err reader_load(struct reader *rd, const struct run *r, uint32_t block)
{
    if (rd->run == r && rd->number == block) {
        return ERR_OK;
    }
    rd->number = UINT32_MAX;
    rd->run = r;
    const uint64_t at = ((uint64_t)block + 1) * INDEX_BLOCK;
    size_t got = 0;
    enum err e = rd->cached
                     ? env_file_pread_cached(r->file, rd->block, INDEX_BLOCK, at, &got, rd->ec)
                     : env_file_pread(r->file, rd->block, INDEX_BLOCK, at, &got, rd->ec);
    if (e != ERR_OK) {
        return e;
    }
    if (got < INDEX_BLOCK && rd->cached) {
        return ERR_AGAIN;
    }
    rd->reads++;
    unsigned count;
    if (got < INDEX_BLOCK || !run_block_check(r, block, rd->block, &count)) {
        return damaged(r, block + 1, rd->ec);
    }
    rd->number = block;
    rd->count = count;
    return ERR_OK;
}

static uint64_t key_begin(const uint8_t *key, size_t n)
{
    uint8_t b[8] = {0};
    memcpy(b, key, n < 8 ? n : 8);
    return get_be64(b);
}

/* The first fence that is not below v (above: that is above v). Three guesses by interpolation
 * narrow it to a few, halving does the rest. */
static uint32_t fence_bound(const struct run *r, uint64_t v, bool above)
{
    uint32_t lo = 0, hi = r->head.fence_count; /* the answer is in [lo, hi] */
    for (int guess = 0; guess < 3 && hi - lo > 8; guess++) {
        const uint64_t a = r->fences[lo], b = r->fences[hi - 1];
        if (v <= a || v >= b) {
            break;
        }
        const uint32_t span = hi - 1 - lo;
        const uint32_t at = lo + (uint32_t)((double)(v - a) / (double)(b - a) * span);
        const uint32_t slack = 2 + span / 256;
        const uint32_t below = at > lo + slack ? at - slack : lo;
        const uint32_t beyond = hi - at > slack ? at + slack : hi;
        if (r->fences[below] > v) {
            hi = below;
        } else if (r->fences[below] < v) {
            lo = below;
        }
        if (beyond > lo && beyond < hi && r->fences[beyond] > v) {
            hi = beyond;
        }
    }
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (r->fences[mid] < v || (above && r->fences[mid] == v)) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static uint32_t block_bound(const struct reader *rd, const uint8_t *key)
{
    uint32_t lo = 0, n = rd->count;
    while (n > 0) {
        const uint32_t half = n / 2;
        if (index_key_cmp(reader_entry(rd, lo + half), key, rd->run->table->key_bytes) < 0) {
            lo += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return lo;
}

/* Where the block with `key` may be in (lo, hi], of which the first keys are a and b: by the first
 * eight bytes in which they differ. */
static uint32_t block_guess(uint32_t lo, uint32_t hi, const uint8_t *a, const uint8_t *b,
                            const uint8_t *key, size_t n)
{
    size_t same = 0;
    while (same < n && a[same] == b[same]) {
        same++;
    }
    const uint64_t x = key_begin(a + same, n - same), y = key_begin(b + same, n - same),
                   v = key_begin(key + same, n - same);
    if (memcmp(a, key, same) != 0 || v <= x || v >= y) {
        return lo + (hi - lo + 1) / 2;
    }
    const uint32_t at = lo + (uint32_t)((double)(v - x) / (double)(y - x) * (hi - lo));
    return at > lo ? at : lo + 1;
}

/* Finds the last block of [lo, hi] whose first key is not above `key` (or lo). The last one first:
 * what is asked for most is the end of what begins alike. Then guesses, then halves. */
static enum err block_find(struct reader *rd, const struct run *r, const uint8_t *key, uint32_t lo,
                           uint32_t hi)
{
    enum { GUESSES = 6 };
    const size_t n = r->table->key_bytes;
    uint8_t below[INDEX_KEY_MAX], above[INDEX_KEY_MAX];
    bool know_below = false, know_above = false;
    for (int probe = 0; lo < hi; probe++) {
        const uint32_t at = probe == 0                  ? hi
                            : probe == 1 && hi - lo > 2 ? lo
                            : know_below && know_above && probe < GUESSES
                                ? block_guess(lo, hi, below, above, key, n)
                                : lo + (hi - lo + 1) / 2;
        enum err e = reader_load(rd, r, at);
        if (e != ERR_OK) {
            return e;
        }
        const uint8_t *first = reader_entry(rd, 0);
        if (at > lo && index_key_cmp(first, key, n) > 0) {
            memcpy(above, first, n);
            know_above = true;
            hi = at - 1;
        } else if (index_key_cmp(reader_entry(rd, rd->count - 1), key, n) >= 0) {
            lo = hi = at;
        } else {
            memcpy(below, first, n);
            know_below = true;
            lo = at;
        }
    }
    return reader_load(rd, r, lo);
}

enum err run_seek(struct reader *rd, const struct run *r, const uint8_t *key, struct run_at *at)
{
    const uint64_t v = key_begin(key, r->table->key_bytes);
    const uint32_t first = fence_bound(r, v, false), above = fence_bound(r, v, true);
    /* The last block whose first key is not above `key` is one of [lo, hi]. */
    const uint32_t lo = (first > 0 ? first - 1 : 0) * r->head.stride;
    const uint64_t end = (uint64_t)(above > 0 ? above : 1) * r->head.stride;
    const uint32_t hi = (uint32_t)(end < r->head.data_blocks ? end : r->head.data_blocks) - 1;
    enum err e = block_find(rd, r, key, lo, hi);
    if (e == ERR_OK) {
        *at = (struct run_at){rd->number, block_bound(rd, key)};
    }
    return e;
}

bool run_may_hold(const struct run *r, const uint8_t *from, const uint8_t *to, uint64_t prefix_hash,
                  bool one_prefix, bool *filtered)
{
    *filtered = false;
    const size_t n = r->table->key_bytes;
    if (index_key_cmp(to, r->head.first, n) < 0 || index_key_cmp(from, r->head.last, n) > 0) {
        return false;
    }
    if (one_prefix && r->filter != NULL &&
        !filter_has(r->filter, r->head.filter_lines, prefix_hash)) {
        *filtered = true;
        return false;
    }
    return true;
}
