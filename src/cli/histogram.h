/* Times, counted in buckets that are never more than 3 % wide, so percentiles cost no memory. */
#ifndef LEAT_CLI_HISTOGRAM_H
#define LEAT_CLI_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS    5 /* 32 buckets for each power of two */
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t count, sum, max;
};
void histogram_add(struct histogram *h, uint64_t value);
/* The value that this share of all is not above; 0 when empty. `share` from 0 to 1. */
uint64_t histogram_at(const struct histogram *h, double share);

#endif
