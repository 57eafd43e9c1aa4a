/*
 * CRC-32C by eight tables, 8 bytes a step. The tables are written by the preprocessor, as the
 * remainder is linear: that of a byte is the exclusive or of those of its bits, and only those
 * stand here. Row s is the remainder of the byte followed by s zero bytes.
 */
#include "core/crc32c_table.h"

#include "core/bytes.h"

#define BIT(i, b, value) (((i) >> (b)&1u) != 0 ? (value) : 0u)
#define ENTRY(i, v0, v1, v2, v3, v4, v5, v6, v7)                                     \
    (BIT(i, 0, v0) ^ BIT(i, 1, v1) ^ BIT(i, 2, v2) ^ BIT(i, 3, v3) ^ BIT(i, 4, v4) ^ \
     BIT(i, 5, v5) ^ BIT(i, 6, v6) ^ BIT(i, 7, v7))
#define FOUR(i, ...)                                                                     \
    ENTRY((i), __VA_ARGS__), ENTRY((i) + 1u, __VA_ARGS__), ENTRY((i) + 2u, __VA_ARGS__), \
        ENTRY((i) + 3u, __VA_ARGS__)
#define SIXTEEN(i, ...)                                                               \
    FOUR((i), __VA_ARGS__), FOUR((i) + 4u, __VA_ARGS__), FOUR((i) + 8u, __VA_ARGS__), \
        FOUR((i) + 12u, __VA_ARGS__)
#define SIXTY_FOUR(i, ...)                                                                       \
    SIXTEEN((i), __VA_ARGS__), SIXTEEN((i) + 16u, __VA_ARGS__), SIXTEEN((i) + 32u, __VA_ARGS__), \
        SIXTEEN((i) + 48u, __VA_ARGS__)
#define ROW(...)                                                                                  \
    {                                                                                             \
        SIXTY_FOUR(0u, __VA_ARGS__), SIXTY_FOUR(64u, __VA_ARGS__), SIXTY_FOUR(128u, __VA_ARGS__), \
            SIXTY_FOUR(192u, __VA_ARGS__)                                                         \
    }

static const uint32_t table[8][256] = {ROW(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu,
                                           0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu, 0x82f63b78u),
                                       ROW(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u,
                                           0x3fc5f181u, 0x7f8be302u, 0xff17c604u, 0xfbc3faf9u),
                                       ROW(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u,
                                           0x70a27d8au, 0xe144fb14u, 0xc76580d9u, 0x8b277743u),
                                       ROW(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u,
                                           0xe964b13du, 0xd725148bu, 0xaba65fe7u, 0x52a0c93fu),
                                       ROW(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u,
                                           0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu, 0x6ea2d55cu),
                                       ROW(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu,
                                           0xc00c303eu, 0x85f4168du, 0x0e045bebu, 0x1c08b7d6u),
                                       ROW(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u,
                                           0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au, 0xf56e0ef4u),
                                       ROW(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau,
                                           0x847609b4u, 0x0d006599u, 0x1a00cb32u, 0x34019664u)};

uint32_t crc32c_table(uint32_t remainder, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v = get_le64(p) ^ remainder;
        remainder = 0;
        for (unsigned i = 0; i < 8; i++) {
            remainder ^= table[7 - i][v >> (8 * i) & 0xFFu];
        }
    }
    for (; n > 0; p++, n--) {
        remainder = remainder >> 8 ^ table[0][(remainder ^ *p) & 0xFFu];
    }
    return remainder;
}
