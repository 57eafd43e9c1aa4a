/*
 * CRC-32C three ways, chosen at run time by what the CPU and the build have:
 *
 *   short input   the CPU's crc32 instruction, 8 bytes at a time
 *   long input    ISA-L, which runs three such streams at once and joins them (build with
 * LEAT_HAVE_ISAL) no such CPU   tables, 8 bytes at a time (crc32c_table.c)
 *
 * ISA-L and the instruction work on the bare remainder; the inversions before and after are added
 * here.
 *
 * crc32c_combine multiplies in GF(2)[x] modulo the polynomial: appending n zero bytes to a message
 * multiplies its remainder by x^(8n). A polynomial is a word with its lowest power in the highest
 * bit.
 */
#include "core/crc32c.h"

#include <limits.h>

#include "core/bytes.h"
#include "core/compiler.h"
#include "core/crc32c_table.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif
#if defined(LEAT_HAVE_ISAL)
#include <isa-l/crc.h>
#endif

#define POLYNOMIAL 0x82f63b78u
/* Below this the call into ISA-L costs more than its three streams win (measured). */
#define LONG_INPUT 256u

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t remainder_instruction(uint32_t crc,
                                                                        const uint8_t *p, size_t n)
{
    uint64_t r = crc;
    for (; n >= 8; p += 8, n -= 8) {
        r = _mm_crc32_u64(r, get_le64(p));
    }
    crc = (uint32_t)r;
    for (; n > 0; p++, n--) {
        crc = _mm_crc32_u8(crc, *p);
    }
    return crc;
}
#endif

static uint32_t remainder_of(uint32_t crc, const uint8_t *p, size_t n)
{
#if defined(__x86_64__)
    if (UNLIKELY(!__builtin_cpu_supports("sse4.2"))) {
        return crc32c_table(crc, p, n);
    }
    if (n < LONG_INPUT) {
        return remainder_instruction(crc, p, n);
    }
#endif
#if defined(LEAT_HAVE_ISAL)
    while (n > 0) {
        int part = n > INT_MAX ? INT_MAX : (int)n; /* its length is an int */
        crc = crc32_iscsi((unsigned char *)(uintptr_t)p, part, crc);
        p += part;
        n -= (size_t)part;
    }
    return crc;
#elif defined(__x86_64__)
    return remainder_instruction(crc, p, n);
#else
    return crc32c_table(crc, p, n);
#endif
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    return n == 0 ? crc : ~remainder_of(~crc, p, n);
}

/* a * b modulo the polynomial. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (; a != 0; a <<= 1) {
        if (a & 0x80000000u) {
            product ^= b;
        }
        b = (b >> 1) ^ (POLYNOMIAL & (0u - (b & 1u)));
    }
    return product;
}

/* x^(2^k). The sequence repeats: x^(2^31) is x again. */
static const uint32_t x_power[31] = {
    0x40000000u, 0x20000000u, 0x08000000u, 0x00800000u, 0x00008000u, 0x82f63b78u, 0x6ea2d55cu,
    0x18b8ea18u, 0x510ac59au, 0xb82be955u, 0xb8fdb1e7u, 0x88e56f72u, 0x74c360a4u, 0xe4172b16u,
    0x0d65762au, 0x35d73a62u, 0x28461564u, 0xbf455269u, 0xe2ea32dcu, 0xfe7740e6u, 0xf946610bu,
    0x3c204f8fu, 0x538586e3u, 0x59726915u, 0x734d5309u, 0xbc1ac763u, 0x7d0722ccu, 0xd289cabeu,
    0xe94ca9bcu, 0x05b74f3fu, 0xa51e1f42u};

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, size_t len_b)
{
    /* 8 * len_b = the sum of 2^(k+3) over the bits k of len_b */
    for (unsigned k = 3; len_b != 0; len_b >>= 1, k++) {
        if (len_b & 1u) {
            crc_a = multiply(x_power[k % ARRAY_LEN(x_power)], crc_a);
        }
    }
    return crc_a ^ crc_b;
}
