/* A log-linear histogram. Values below 32 are exact, above that the upper end of their bucket. */
#include "cli/histogram.h"

static unsigned bucket_of(uint64_t v)
{
    if (v < (1u << HISTOGRAM_BITS)) {
        return (unsigned)v;
    }
    unsigned high = 63u - (unsigned)__builtin_clzll(v);
    unsigned shift = high - HISTOGRAM_BITS;
    unsigned within = (unsigned)(v >> shift) & ((1u << HISTOGRAM_BITS) - 1);
    return ((shift + 1) << HISTOGRAM_BITS) + within;
}

static uint64_t upper_of(unsigned bucket)
{
    if (bucket < (1u << HISTOGRAM_BITS)) {
        return bucket;
    }
    unsigned shift = (bucket >> HISTOGRAM_BITS) - 1;
    uint64_t base = (bucket & ((1u << HISTOGRAM_BITS) - 1)) + (1u << HISTOGRAM_BITS);
    return ((base + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->counts[bucket_of(value)]++;
    h->count++;
    h->sum += value;
    h->max = value > h->max ? value : h->max;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)((double)h->count * share + 0.999999);
    wanted = wanted == 0 ? 1 : wanted > h->count ? h->count : wanted;
    uint64_t seen = 0;
    for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
        seen += h->counts[b];
        if (h->count > 0 && seen >= wanted) {
            uint64_t v = upper_of(b);
            return v < h->max ? v : h->max;
        }
    }
    return 0;
}
