/*
 * Which prefixes a run may hold: a Bloom filter whose bits of one prefix all lie in one line of the
 * cache. The line is found by the upper half of the hash as a fraction of their number, so that
 * neighbouring lines can be joined later when there were fewer prefixes than feared: line i of n
 * becomes line i / f of n / f.
 */
#include "core/bytes.h"
#include "index/index_int.h"

enum { PROBES = 6, FOLDS = 12 };

/* Never changes: it is in files. Finalizer of splitmix64 over the words. */
uint64_t filter_hash(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint64_t h = 0x9e3779b97f4a7c15u + n;
    for (size_t i = 0; i < n; i += 8) {
        uint8_t word[8] = {0};
        memcpy(word, b + i, n - i < 8 ? n - i : 8);
        h ^= get_le64(word);
        h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
        h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
        h ^= h >> 31;
    }
    return h;
}

static uint64_t lines_needed(uint64_t prefixes)
{
    const uint64_t bits = INDEX_FILTER_LINE * 8u;
    return (prefixes * INDEX_FILTER_BITS + bits - 1) / bits;
}

uint32_t filter_lines_for(uint64_t prefixes)
{
    const uint64_t lines = (lines_needed(prefixes) + FOLDS - 1) / FOLDS * FOLDS;
    return lines > 1u << 30 ? 0 : (uint32_t)lines;
}

static uint8_t *line_of(uint8_t *bits, uint32_t lines, uint64_t hash)
{
    return bits + ((hash >> 32) * lines >> 32) * INDEX_FILTER_LINE;
}

/* Six times nine bits, out of the lower half; the upper ones of a product are the better mixed. */
static uint64_t bits_of(uint64_t hash)
{
    return ((hash & 0xffffffffu) * 0xd6e8feb86659fd93u) >> 10;
}

void filter_add(uint8_t *bits, uint32_t lines, uint64_t hash)
{
    uint8_t *line = line_of(bits, lines, hash);
    uint64_t b = bits_of(hash);
    for (int i = 0; i < PROBES; i++, b >>= 9) {
        line[(b & 511) / 8] |= (uint8_t)(1u << (b & 7));
    }
}

bool filter_has(const uint8_t *bits, uint32_t lines, uint64_t hash)
{
    const uint8_t *line = bits + ((hash >> 32) * lines >> 32) * INDEX_FILTER_LINE;
    uint64_t b = bits_of(hash);
    for (int i = 0; i < PROBES; i++, b >>= 9) {
        if ((line[(b & 511) / 8] & (1u << (b & 7))) == 0) {
            return false;
        }
    }
    return true;
}

uint32_t filter_fold(uint8_t *bits, uint32_t lines, uint64_t prefixes)
{
    static const uint32_t factors[] = {12, 6, 4, 3, 2};
    const uint64_t needed = lines_needed(prefixes);
    for (size_t k = 0; k < ARRAY_LEN(factors); k++) {
        const uint32_t f = factors[k];
        if (lines % f != 0 || lines / f < needed) {
            continue;
        }
        for (uint32_t i = 0; i < lines / f; i++) {
            uint8_t *to = bits + (size_t)i * INDEX_FILTER_LINE;
            for (uint32_t j = 0; j < f; j++) {
                const uint8_t *from = bits + ((size_t)i * f + j) * INDEX_FILTER_LINE;
                for (uint32_t b = 0; b < INDEX_FILTER_LINE; b++) {
                    to[b] = (uint8_t)(j == 0 ? from[b] : to[b] | from[b]);
                }
            }
        }
        return lines / f;
    }
    return lines;
}
