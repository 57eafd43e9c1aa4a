/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), in hardware where the CPU has it. crc32c(0, p, n) is
 * the checksum of p; crc32c(crc32c(0, a, n), b, m) that of a followed by b. */
#ifndef LEAT_CORE_CRC32C_H
#define LEAT_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* The checksum of A followed by B from those of A and B and the length of B. */
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, size_t len_b);

#endif
