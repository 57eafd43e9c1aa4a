/*
 * hash_bytes mixes 16 bytes a step by a 64x64->128 bit multiplication whose halves are folded
 * together. Both factors are masked with secrets made of the seed, so a peer who does not know the
 * seed can neither aim at a bucket nor force a factor of zero. Not a cryptographic hash.
 *
 * The seed is the one mutable global here: it is set once, at start, before any table exists.
 */
#include "core/hash.h"

#include "core/bytes.h"
#include "core/compiler.h"

/* Until a seed is set the hash is the same in every process: digits of pi. */
static uint64_t secret[4] = {0x243f6a8885a308d3u, 0x13198a2e03707344u, 0xa4093822299f31d0u,
                             0x082efa98ec4e6c89u};

__extension__ typedef unsigned __int128 u128;

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

void hash_set_seed(uint64_t seed)
{
    for (unsigned i = 0; i < ARRAY_LEN(secret); i++) {
        /* The finalizer of MurmurHash3, over a counter: neighbouring seeds give unrelated secrets.
         */
        seed += 0x9e3779b97f4a7c15u;
        uint64_t v = seed;
        v = (v ^ v >> 33) * 0xff51afd7ed558ccdu;
        v = (v ^ v >> 33) * 0xc4ceb9fe1a85ec53u;
        secret[i] = v ^ v >> 33;
    }
}

/* The last 1 to 16 bytes as two words; the words overlap when there are fewer than 16. */
static inline void read_tail(const uint8_t *p, size_t n, uint64_t *a, uint64_t *b)
{
    if (n >= 8) {
        *a = get_le64(p);
        *b = get_le64(p + n - 8);
    } else if (n >= 4) {
        *a = get_le32(p);
        *b = get_le32(p + n - 4);
    } else {
        /* 1: xxx, 2: xyy, 3: xyz; the length tells them apart */
        *a = (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
        *b = 0;
    }
}

static inline uint64_t hash_with(const uint64_t key[4], const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint64_t h = key[0] ^ n;
    size_t left = n;
    for (; left > 16; p += 16, left -= 16) {
        h = fold(get_le64(p) ^ key[1], get_le64(p + 8) ^ h);
    }
    uint64_t a = 0;
    uint64_t b = 0;
    if (left > 0) {
        read_tail(p, left, &a, &b);
    }
    h = fold(a ^ key[2], b ^ h);
    return fold(h ^ key[3], n ^ key[1]);
}

uint64_t hash_bytes(const void *bytes, size_t n)
{
    return hash_with(secret, bytes, n);
}

uint64_t hash_keyed(const uint64_t key[4], const void *bytes, size_t n)
{
    return hash_with(key, bytes, n);
}

uint64_t hash_u64(uint64_t v)
{
    return fold(fold(v ^ secret[0], secret[1]) ^ secret[2], v ^ secret[3]);
}

uint32_t hash_murmur2(const void *bytes, size_t n)
{
    const uint32_t m = 0x5bd1e995u;
    const uint8_t *p = bytes;
    uint32_t h = 0x9747b28cu ^ (uint32_t)n;
    for (; n >= 4; p += 4, n -= 4) {
        uint32_t k = get_le32(p) * m;
        h = h * m ^ (k ^ k >> 24) * m;
    }
    if (n > 0) {
        for (size_t i = 0; i < n; i++) {
            h ^= (uint32_t)p[i] << (8 * i);
        }
        h *= m;
    }
    h = (h ^ h >> 13) * m;
    return h ^ h >> 15;
}
