/* core/pool: buffers come back aligned, no more are kept than may be, and idle ones are freed. */
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
