/* Hash functions: hash_bytes for our own tables (seeded, not for files), murmur2 as Kafka's default
 * partitioner computes it (seed 0x9747b28c; partition = (murmur2 & 0x7fffffff) % n). */
#ifndef LEAT_CORE_HASH_H
#define LEAT_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

uint64_t hash_bytes(const void *p, size_t n);
uint64_t hash_u64(uint64_t v);
/* As hash_bytes, with a key of the caller's: the same in every process, so it may go into files. */
uint64_t hash_keyed(const uint64_t key[4], const void *p, size_t n);
static inline uint64_t hash_str(struct str s)
{
    return hash_bytes(s.p, s.n);
}
uint32_t hash_murmur2(const void *p, size_t n);
/* The seed of hash_bytes and hash_u64; set once at start, so that a peer cannot aim at one bucket.
 */
void hash_set_seed(uint64_t seed);

#endif
