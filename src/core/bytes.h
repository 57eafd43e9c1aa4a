/*
 * Fixed-width integers in memory, unaligned, by byte order: the only way in which wire and disk
 * structures are read and written (never by memcpy of a struct). Kafka's are big-endian, our own
 * files little-endian.
 */
#ifndef LEAT_CORE_BYTES_H
#define LEAT_CORE_BYTES_H

#include <stdint.h>
#include <string.h>

#define BYTES_SWAP_IS_BE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

#define BYTES_DEFINE(bits)                                      \
    static inline uint##bits##_t get_le##bits(const void *p)    \
    {                                                           \
        uint##bits##_t v;                                       \
        memcpy(&v, p, sizeof(v));                               \
        return BYTES_SWAP_IS_BE ? v : __builtin_bswap##bits(v); \
    }                                                           \
    static inline uint##bits##_t get_be##bits(const void *p)    \
    {                                                           \
        uint##bits##_t v;                                       \
        memcpy(&v, p, sizeof(v));                               \
        return BYTES_SWAP_IS_BE ? __builtin_bswap##bits(v) : v; \
    }                                                           \
    static inline void put_le##bits(void *p, uint##bits##_t v)  \
    {                                                           \
        v = BYTES_SWAP_IS_BE ? v : __builtin_bswap##bits(v);    \
        memcpy(p, &v, sizeof(v));                               \
    }                                                           \
    static inline void put_be##bits(void *p, uint##bits##_t v)  \
    {                                                           \
        v = BYTES_SWAP_IS_BE ? __builtin_bswap##bits(v) : v;    \
        memcpy(p, &v, sizeof(v));                               \
    }

BYTES_DEFINE(16)
BYTES_DEFINE(32)
BYTES_DEFINE(64)

#endif
