/* The sparse index of a segment: the place from which an offset is found, however offsets ascend.
 */
#include <string.h>

#include "store/store_int.h"
#include "test.h"

enum { MOST = 3000, BASE = 1000000 };

static struct index_entry entries[MOST];

/* The last entry at or below the offset, one after the other. */
static uint64_t find_slowly(uint32_t count, int64_t offset)
{
    uint64_t found = 0;
    for (uint32_t i = 0; i < count && BASE + (int64_t)entries[i].relative <= offset; i++) {
        found = entries[i].position;
    }
    return found;
}

static void check_all(uint32_t count)
{
    struct segment g = {.base = BASE};
    g.index.entries = entries;
    g.index.count = count;
    const int64_t end = count == 0 ? 10 : (int64_t)entries[count - 1].relative + 10;
    for (int64_t o = -2; o < 200 && o < end; o++) {
        assert_int_equal(index_find_offset(&g, BASE + o), find_slowly(count, BASE + o));
    }
    for (uint32_t i = 0; i < count; i++) {
        for (int64_t o = (int64_t)entries[i].relative - 1; o <= (int64_t)entries[i].relative + 1;
             o++) {
            assert_int_equal(index_find_offset(&g, BASE + o), find_slowly(count, BASE + o));
        }
    }
    assert_int_equal(index_find_offset(&g, BASE + end), find_slowly(count, BASE + end));
}

/* Steps of 1 to `most`, but for some of `rare`. */
static void fill(uint32_t most, uint32_t rare, uint32_t seed)
{
    uint32_t relative = 0, x = seed;
    for (uint32_t i = 0; i < MOST; i++) {
        x = x * 1664525u + 1013904223u;
        relative += 1 + (x >> 8) % most + ((x >> 20) % 97 == 0 ? rare : 0);
        entries[i] = (struct index_entry){relative, i + 1, 0};
    }
}

/* Batches of one size lie where they are guessed. */
TEST(a_batch_is_guessed_where_it_lies)
{
    enum { EACH = 1500, STEP = 3 };
    struct segment g = {.base = BASE};
    struct index_guess at;
    for (uint32_t i = 0; i < MOST; i++) {
        entries[i] = (struct index_entry){(i + 1) * STEP, (i + 1) * STEP * EACH, 0};
    }
    g.index.entries = entries;
    assert_false(index_guess(&g, BASE, &at)); /* there is no index */
    g.index.count = MOST;
    for (uint32_t o = STEP; o < MOST * STEP; o++) {
        assert_true(index_guess(&g, BASE + o, &at));
        assert_int_equal(at.from, o / STEP * STEP * EACH);
        assert_int_equal(at.position, o * EACH);
        assert_int_equal(at.each, EACH);
        assert_int_equal(at.before, o % STEP);
    }
    assert_false(index_guess(&g, BASE, &at)); /* before the first, behind the last */
    assert_false(index_guess(&g, BASE + MOST * STEP, &at));
}

TEST(an_offset_is_found_whatever_the_offsets_are)
{
    static const uint32_t counts[] = {0, 1, 2, 100, 127, 128, 129, 300, 1000, MOST};
    static const uint32_t steps[][2] = {{1, 0}, {5, 0}, {3, 4000}, {50, 100000}};
    for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
        fill(steps[s][0], steps[s][1], (uint32_t)s + 1);
        for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
            check_all(counts[i]);
        }
    }
    /* As uneven as can be: nearly all at one end. */
    for (uint32_t i = 0; i < MOST; i++) {
        entries[i].relative = i < MOST - 1 ? i : 4000000000u;
    }
    check_all(MOST);
    for (uint32_t i = 0; i < MOST; i++) {
        entries[i].relative = i == 0 ? 0 : 4000000000u + i;
    }
    check_all(MOST);
}
