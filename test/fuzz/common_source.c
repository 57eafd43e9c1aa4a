/* Choices from bytes, then from a generator (splitmix64), then zeros. */
#include "fuzz/common.h"

struct fuzz_source fuzz_source_bytes(const uint8_t *p, size_t n)
{
    return (struct fuzz_source){.p = p, .end = p + n};
}

struct fuzz_source fuzz_source_seed(uint64_t seed)
{
    return (struct fuzz_source){.state = seed * 2 + 1};
}

bool fuzz_source_ended(const struct fuzz_source *s)
{
    return s->p == s->end && s->state == 0;
}

static uint64_t draw(struct fuzz_source *s)
{
    s->state += 0x9e3779b97f4a7c15u;
    uint64_t z = s->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint8_t fuzz_u8(struct fuzz_source *s)
{
    if (s->p != s->end) {
        return *s->p++;
    }
    return s->state == 0 ? 0 : (uint8_t)draw(s);
}

uint64_t fuzz_u64(struct fuzz_source *s)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v = v << 8 | fuzz_u8(s);
    }
    return v;
}

uint32_t fuzz_below(struct fuzz_source *s, uint32_t n)
{
    CHECK(n > 0);
    uint32_t v = fuzz_u8(s);
    if (n > 256) {
        v = v << 8 | fuzz_u8(s);
    }
    if (n > 65536) {
        v = v << 16 | (uint32_t)fuzz_u8(s) << 8 | fuzz_u8(s);
    }
    return v % n;
}

int64_t fuzz_number(struct fuzz_source *s)
{
    static const int64_t edges[] = {
        -1,        -2,        INT8_MAX, INT8_MIN, INT16_MAX, INT16_MIN,  INT32_MAX, INT32_MIN,
        INT64_MAX, INT64_MIN, 100,      1000,     65536,     1700000000, 1 << 20,   1700000000000};
    switch (fuzz_below(s, 8)) {
    case 6:
        return edges[fuzz_below(s, ARRAY_LEN(edges))];
    case 7:
        return (int64_t)fuzz_u64(s);
    default:
        return (int64_t)fuzz_below(s, 5);
    }
}

struct str fuzz_bytes(struct fuzz_source *s, struct arena *a, size_t n)
{
    uint8_t *p = arena_alloc(a, n + 1);
    for (size_t i = 0; p != NULL && i < n; i++) {
        p[i] = fuzz_u8(s);
    }
    return p == NULL ? STR_LIT("") : str_make(p, n);
}
