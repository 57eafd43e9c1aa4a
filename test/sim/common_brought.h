/*
 * Memory that a batch brings with it (store_batch.take): half of the batches lie so that they can
 * be written from there, with bytes around them that nobody may ever see.
 */
#ifndef LEAT_TEST_SIM_COMMON_BROUGHT_H
#define LEAT_TEST_SIM_COMMON_BROUGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct brought {
    uint8_t *buffer; /* NULL: taken. free() it */
    size_t cap;
};
/* Where a batch of `size` bytes goes. */
uint8_t *brought_make(struct brought *b, size_t size, bool lies_well);
/* store_batch.take; counts. */
uint8_t *brought_take(void *ctx, size_t *cap);

#endif
