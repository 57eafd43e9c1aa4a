/* CRC-32C by tables, for CPUs without the instruction. Only crc32c.c and its test call it. */
#ifndef LEAT_CORE_CRC32C_TABLE_H
#define LEAT_CORE_CRC32C_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* The bare remainder after n more bytes: without the inversions before and after. */
uint32_t crc32c_table(uint32_t remainder, const void *p, size_t n);

#endif
