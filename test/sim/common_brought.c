/* Memory that a batch brings with it (common_brought.h). */
#include "common_brought.h"

#include <stdlib.h>
#include <string.h>

#include "common_run.h"
#include "core/pool.h"
#include "store/store.h"

uint8_t *brought_make(struct brought *b, size_t size, bool lies_well)
{
    const size_t at = lies_well ? STORE_BATCH_LEAD : STORE_BATCH_LEAD / 2;
    b->cap = POOL_MIN;
    while (b->cap < at + size) {
        b->cap *= 2;
    }
    b->buffer = aligned_alloc(POOL_ALIGN, b->cap);
    if (b->buffer == NULL) {
        abort();
    }
    memset(b->buffer, 0xee, b->cap);
    return b->buffer + at;
}

uint8_t *brought_take(void *ctx, size_t *cap)
{
    struct brought *b = ctx;
    uint8_t *buffer = b->buffer;
    *cap = b->cap;
    b->buffer = NULL;
    count_kind(KIND_DID_TAKEN);
    return buffer;
}
