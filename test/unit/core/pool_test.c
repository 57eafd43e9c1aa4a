/* core/pool: buffers come back aligned, no more are kept than may be, and idle ones are freed. */
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/pool.h"
#include "test.h"

TEST(a_pool_gives_back_what_it_was_given)
{
    struct pool p;
    size_t cap, again;
    pool_init(&p, 1 << 20);
    void *a = pool_take(&p, 20000, &cap);
    assert_non_null(a);
    assert_int_equal(cap, 32768);
    assert_int_equal((uintptr_t)a % POOL_ALIGN, 0);
    pool_give(&p, a, cap);
    assert_int_equal(p.free_bytes, cap);
    assert_ptr_equal(pool_take(&p, 32768, &again), a);
    assert_int_equal(again, cap);
    assert_int_equal(p.free_bytes, 0);
    pool_give(&p, a, cap);
    pool_deinit(&p);
}

TEST(a_pool_keeps_no_more_than_it_may)
{
    struct pool p;
    size_t cap[3];
    void *b[3];
    pool_init(&p, 2 * POOL_MIN);
    for (int i = 0; i < 3; i++) {
        b[i] = pool_take(&p, 1, &cap[i]);
        assert_non_null(b[i]);
    }
    for (int i = 0; i < 3; i++) {
        pool_give(&p, b[i], cap[i]);
    }
    assert_int_equal(p.free_bytes, 2 * POOL_MIN);
    /* One that is too large for any class is whole blocks, and is not kept. */
    size_t large;
    void *c = pool_take(&p, ((size_t)POOL_MIN << (POOL_CLASSES - 1)) + 1, &large);
    assert_non_null(c);
    assert_int_equal(large % POOL_ALIGN, 0);
    pool_give(&p, c, large);
    assert_int_equal(p.free_bytes, 2 * POOL_MIN);
    assert_null(pool_take(&p, SIZE_MAX, &large));
    pool_give(&p, NULL, 0);
    pool_deinit(&p);
}

TEST(a_trim_frees_what_nobody_needed_since_the_last_one)
{
    struct pool p;
    size_t cap;
    void *b[4];
    pool_init(&p, 1 << 20);
    for (int i = 0; i < 4; i++) {
        b[i] = pool_take(&p, 1, &cap);
    }
    for (int i = 0; i < 4; i++) {
        pool_give(&p, b[i], cap);
    }
    pool_trim(&p); /* they were needed a moment ago */
    assert_int_equal(p.free_bytes, 4 * POOL_MIN);
    b[0] = pool_take(&p, 1, &cap);
    pool_give(&p, b[0], cap);
    pool_trim(&p);
    assert_int_equal(p.free_bytes, POOL_MIN);
    pool_trim(&p);
    assert_int_equal(p.free_bytes, 0);
    pool_deinit(&p);
}

TEST(two_buffers_of_one_mebibyte_share_a_huge_page)
{
    const size_t half = MEM_HUGE_PAGE / 2;
    struct pool p;
    size_t cap;
    uint8_t *b[5];
    pool_init(&p, 0); /* keeps nothing that it can give back */
    for (int i = 0; i < 5; i++) {
        b[i] = pool_take(&p, half, &cap);
        assert_non_null(b[i]);
        assert_int_equal(cap, half);
        memset(b[i], i, cap);
    }
    assert_ptr_equal(b[1], b[0] + half);
    assert_int_equal((uintptr_t)b[0] % MEM_HUGE_PAGE, 0);
    assert_int_equal(p.page_count, 3);
    assert_int_equal(p.free_bytes, half); /* the other half of the last */
    pool_give(&p, b[1], cap);
    pool_give(&p, b[2], cap);
    assert_int_equal(p.page_count, 3); /* of each a half is in use */
    assert_int_equal(b[0][half - 1], 0);
    assert_int_equal(b[3][0], 3);
    pool_give(&p, b[0], cap);
    assert_int_equal(p.page_count, 2);
    assert_int_equal(p.free_bytes, 2 * half);
    b[0] = pool_take(&p, half, &cap); /* a free half is used before a new page */
    b[1] = pool_take(&p, half, &cap);
    assert_int_equal(p.page_count, 2);
    assert_int_equal(p.free_bytes, 0);
    pool_give(&p, b[0], cap);
    pool_give(&p, b[1], cap);
    pool_give(&p, b[3], cap);
    pool_give(&p, b[4], cap);
    assert_int_equal(p.page_count, 0);
    pool_deinit(&p);
}

TEST(a_trim_frees_huge_pages_whose_halves_nobody_needed)
{
    struct pool p;
    size_t cap, whole;
    void *b[4];
    pool_init(&p, 16 << 20);
    for (int i = 0; i < 4; i++) {
        b[i] = pool_take(&p, 1 << 20, &cap);
    }
    void *large = pool_take(&p, (1 << 20) + 1, &whole); /* one that is a page by itself */
    assert_int_equal(whole, MEM_HUGE_PAGE);
    assert_int_equal((uintptr_t)large % MEM_HUGE_PAGE, 0);
    pool_give(&p, large, whole);
    for (int i = 0; i < 3; i++) {
        pool_give(&p, b[i], cap);
    }
    pool_trim(&p);
    pool_trim(&p);
    assert_int_equal(p.page_count, 1); /* the one in use */
    assert_int_equal(p.free_bytes, 1 << 20);
    pool_give(&p, b[3], cap);
    pool_trim(&p);
    pool_trim(&p);
    assert_int_equal(p.page_count, 0);
    assert_int_equal(p.free_bytes, 0);
    pool_deinit(&p);
}

static enum err take_failing(void *ctx)
{
    struct pool p;
    size_t cap;
    (void)ctx;
    pool_init(&p, 0);
    void *b = pool_take(&p, 1 << 20, &cap);
    assert_int_equal(p.page_count, b == NULL ? 0 : 1);
    pool_give(&p, b, cap);
    pool_deinit(&p);
    return b == NULL ? ERR_NO_MEMORY : ERR_OK;
}

TEST(a_pool_without_memory_for_a_huge_page_says_so)
{
    test_each_failing_alloc(take_failing, NULL); /* the list of pages, a page */
}
