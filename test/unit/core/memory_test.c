/* core/mem, arena, buf, slice: what a peer can make us allocate is bounded, and nothing reads past
 * an end. */
#include <string.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/bytes.h"
#include "core/mem.h"
#include "core/slice.h"
#include "test.h"

TEST(mem_sizes_that_overflow_are_out_of_memory)
{
    /* A product that wraps must not become a small allocation. */
    volatile size_t huge = SIZE_MAX / 2;
    assert_null(mem_zalloc(huge, 3));
    assert_null(mem_alloc_aligned(4096, (size_t)huge * 2));
}

TEST(mem_hook_fails_every_allocator)
{
    /* Out-of-memory tests reach all allocations of the house. */
    void *p = mem_alloc(0);
    assert_non_null(p);
    test_fail_alloc(1);
    assert_null(mem_alloc(1));
    assert_true(test_fail_alloc_end());
    test_fail_alloc(1);
    assert_null(mem_zalloc(1, 1));
    test_fail_alloc_end();
    test_fail_alloc(1);
    assert_null(mem_alloc_aligned(64, 1));
    test_fail_alloc_end();
    test_fail_alloc(1);
    void *q = mem_realloc(p, 100);
    test_fail_alloc_end();
    assert_null(q);
    mem_free(p);
    p = mem_alloc_aligned(4096, 5000);
    assert_int_equal((uintptr_t)p % 4096, 0);
    mem_free(p);
}

TEST(mem_kept_blocks_are_given_again_and_bounded)
{
    /* A thread that keeps: the same block again, zeroed where that is asked for; never more than
     * the limit, nothing large; all of it goes back. With a sanitizer nothing is kept. */
    static void *blocks[MEM_KEEP_BYTES / 4096 + 100];
    mem_keep_begin();
    mem_keep_begin(); /* once more is no harm */
    uint8_t *p = mem_alloc(100);
    memset(p, 0xAB, 100);
    mem_free(p);
    const bool keeps = mem_kept_bytes() > 0;
    assert_int_equal(mem_kept_bytes() % 64, 0);
    uint8_t *q = mem_zalloc(1, 100);
    assert_true(!keeps || q == p || mem_kept_bytes() > 0);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(q[i], 0);
    }
    test_fail_alloc(1);
    assert_null(mem_alloc(100)); /* the hook comes first */
    test_fail_alloc_end();
    q = mem_realloc(q, 3000);
    assert_non_null(q);
    mem_free(q);
    const size_t before = mem_kept_bytes();
    p = mem_alloc(MEM_KEEP_LARGEST + 64);
    mem_free(p);
    assert_int_equal(mem_kept_bytes(), before);
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        blocks[i] = mem_alloc(4000);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, 4000);
    }
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        mem_free(blocks[i]);
    }
    assert_in_range(mem_kept_bytes(), keeps ? MEM_KEEP_BYTES - 4096 : 0,
                    keeps ? MEM_KEEP_BYTES : 0);
    for (size_t size = 1; size < 5000; size += 61) { /* what a list holds is as large as asked */
        p = mem_alloc(size);
        memset(p, 2, size);
        mem_free(p);
    }
    mem_keep_end();
    assert_int_equal(mem_kept_bytes(), 0);
    p = mem_alloc(100);
    mem_free(p);
    assert_int_equal(mem_kept_bytes(), 0);
}

TEST(arena_gives_zeroed_aligned_memory_within_its_budget)
{
    /* The budget is exact: the last byte is given, the next one is not. */
    struct arena a;
    arena_init(&a, 4096);
    uint8_t *p = arena_alloc(&a, 1);
    assert_int_equal((uintptr_t)p % 16, 0);
    assert_int_equal(a.used, 16);
    for (int i = 0; i < 255; i++) {
        uint8_t *q = arena_alloc(&a, 16);
        assert_non_null(q);
        assert_int_equal(q[0] | q[15], 0);
        memset(q, 0xAB, 16);
    }
    assert_int_equal(a.used, 4096);
    assert_false(a.over);
    assert_null(arena_alloc(&a, 1));
    assert_true(a.over);
    arena_reset(&a, 4096);
    assert_false(a.over);
    uint8_t *again = arena_alloc(&a, 4096);
    for (size_t i = 0; i < 4096; i++) {
        assert_int_equal(again[i], 0);
    }
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(&a, SIZE_MAX));
    arena_deinit(&a);
}

TEST(arena_reset_keeps_blocks_so_that_a_steady_state_does_not_allocate)
{
    /* After the first turn no turn of the same size allocates. */
    struct arena a;
    arena_init(&a, 1 << 20);
    for (int turn = 0; turn < 5; turn++) {
        if (turn > 0) {
            test_fail_alloc(1);
        }
        for (int i = 0; i < 1000; i++) {
            assert_non_null(arena_alloc(&a, (size_t)(i % 200)));
        }
        assert_non_null(arena_alloc(&a, 100000));
        if (turn > 0) {
            assert_false(test_fail_alloc_end());
        }
        arena_reset(&a, 1 << 20);
    }
    arena_reset(&a, 0);
    assert_null(a.head);
    test_fail_alloc(1);
    assert_null(arena_alloc(&a, 1));
    assert_true(test_fail_alloc_end());
    arena_deinit(&a);
}

TEST(arena_strings_keep_null_and_empty_apart)
{
    struct arena a;
    arena_init(&a, 1000);
    assert_true(str_is_null(arena_str(&a, STR_NULL)));
    struct str empty = arena_str(&a, STR_LIT(""));
    assert_non_null(empty.p);
    assert_int_equal(empty.n, 0);
    struct str s = arena_printf(&a, "%d-%s", 7, "x");
    assert_true(str_eq_z(s, "7-x"));
    assert_int_equal(s.p[s.n], 0);
    assert_true(str_is_null(arena_printf(&a, "%2000d", 1)));
    arena_deinit(&a);
}

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
TEST(arena_gaps_are_poisoned)
{
    /* A read one past an object is found by AddressSanitizer, though it is inside a block. */
    struct arena a;
    arena_init(&a, 1000);
    char *p = arena_alloc(&a, 24);
    char *q = arena_alloc(&a, 32);
    assert_false(__asan_address_is_poisoned(p + 23));
    assert_true(__asan_address_is_poisoned(p + 24));
    assert_true(__asan_address_is_poisoned(q + 32));
    arena_reset(&a, 4096);
    assert_true(__asan_address_is_poisoned(p));
    arena_deinit(&a);
}
#endif

TEST(buf_never_passes_its_maximum_and_stays_failed)
{
    /* A long encode is checked once, at its end: after a failure nothing more is written. */
    struct buf b;
    buf_init(&b, 100);
    for (int i = 0; i < 100; i++) {
        buf_put_u8(&b, (uint8_t)i);
    }
    assert_false(buf_failed(&b));
    buf_put_u8(&b, 1);
    assert_true(buf_failed(&b));
    assert_true(b.over); /* it was the limit */
    assert_int_equal(b.n, 100);
    buf_clear(&b);
    assert_false(b.over);
    buf_printf(&b, "%099d", 7);
    buf_put_z(&b, "!");
    assert_false(buf_failed(&b));
    assert_int_equal(b.n, 100);
    assert_null(buf_extend(&b, SIZE_MAX));
    buf_deinit(&b);
}

TEST(buf_fails_when_memory_does)
{
    struct buf b;
    buf_init(&b, 100000);
    test_fail_alloc(1);
    buf_put_z(&b, "abc");
    assert_true(test_fail_alloc_end());
    assert_true(buf_failed(&b));
    assert_false(b.over); /* later it may do */
    buf_clear(&b);
    buf_put_z(&b, "abc");
    test_fail_alloc(1);
    assert_null(buf_extend(&b, 5000));
    test_fail_alloc_end();
    assert_int_equal(b.n, 3);
    assert_memory_equal(b.p, "abc", 3);
    buf_deinit(&b);
}

TEST(decimals_are_written_whole_or_not_at_all)
{
    struct buf b;
    buf_init(&b, 24);
    buf_put_decimal(&b, 0);
    buf_put_decimal(&b, 90);
    buf_put_decimal(&b, UINT64_MAX);
    assert_true(str_eq_z(buf_str(&b), "09018446744073709551615"));
    buf_put_decimal(&b, 10);
    assert_true(buf_failed(&b));
    assert_int_equal(b.n, 23);
    buf_deinit(&b);
}

TEST(what_buf_writes_slice_reads)
{
    /* Round trip of every form, at the edges of every type. */
    struct buf b;
    buf_init(&b, 10000);
    static const int64_t signed_values[] = {0,  -1,        1,         63,        -64,
                                            64, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LEN(signed_values); i++) {
        buf_put_varint(&b, signed_values[i]);
        buf_put_uvarint(&b, (uint64_t)signed_values[i]);
        buf_put_be64(&b, (uint64_t)signed_values[i]);
        buf_put_le64(&b, (uint64_t)signed_values[i]);
    }
    buf_put_be16(&b, 0x1234);
    buf_put_be32(&b, 0x12345678);
    buf_put_le16(&b, 0x1234);
    buf_put_le32(&b, 0x12345678);
    buf_put_lstr(&b, STR_NULL);
    buf_put_lstr(&b, STR_LIT(""));
    buf_put_lstr(&b, STR_LIT("leat"));
    assert_false(buf_failed(&b));
    struct slice s = slice_of(b.p, b.n);
    for (size_t i = 0; i < ARRAY_LEN(signed_values); i++) {
        int64_t v;
        uint64_t u;
        assert_true(slice_varint64(&s, &v));
        assert_int_equal(v, signed_values[i]);
        assert_true(slice_uvarint64(&s, &u));
        assert_int_equal(u, (uint64_t)signed_values[i]);
        assert_true(slice_i64(&s, &v));
        assert_int_equal(v, signed_values[i]);
        assert_true(slice_le64(&s, &u));
        assert_int_equal(u, (uint64_t)signed_values[i]);
    }
    uint16_t u16;
    uint32_t u32;
    struct str text;
    assert_true(slice_u16(&s, &u16) && u16 == 0x1234);
    assert_true(slice_u32(&s, &u32) && u32 == 0x12345678);
    assert_true(slice_le16(&s, &u16) && u16 == 0x1234);
    assert_true(slice_le32(&s, &u32) && u32 == 0x12345678);
    assert_true(slice_lstr(&s, &text) && str_is_null(text));
    assert_true(slice_lstr(&s, &text) && !str_is_null(text) && text.n == 0);
    assert_true(slice_lstr(&s, &text) && str_eq_z(text, "leat"));
    assert_int_equal(slice_left(&s), 0);
    buf_deinit(&b);
}

TEST(slice_refuses_what_is_not_there_and_does_not_move)
{
    /* Truncated input at every length: false, and the cursor stays. */
    static const uint8_t bytes[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                    0x80, 0x80, 0x80, 0x80, 0x01};
    for (size_t n = 0; n < 8; n++) {
        struct slice s = slice_of(bytes, n);
        uint64_t u64;
        int64_t i64;
        uint32_t u32;
        int32_t i32;
        const uint8_t *p;
        assert_false(slice_i64(&s, &i64));
        assert_false(slice_uvarint64(&s, &u64));
        assert_false(slice_varint64(&s, &i64));
        assert_false(slice_uvarint32(&s, &u32));
        assert_false(slice_take(&s, n + 1, &p));
        assert_false(slice_take(&s, SIZE_MAX, &p));
        if (n < 4) {
            assert_false(slice_i32(&s, &i32));
        }
        assert_ptr_equal(s.p, bytes);
    }
    struct slice s = slice_of(bytes, sizeof(bytes));
    uint64_t u64;
    assert_false(slice_uvarint64(&s, &u64)); /* eleven bytes */
    assert_ptr_equal(s.p, bytes);
    uint32_t u32;
    s = slice_of("\xff\xff\xff\xff\x0f", 5);
    assert_true(slice_uvarint32(&s, &u32));
    assert_int_equal(u32, UINT32_MAX);
    s = slice_of("\xff\xff\xff\xff\x1f", 5);
    assert_false(slice_uvarint32(&s, &u32)); /* 33 bits */
    struct str text;
    s = slice_of("\x05\0\0\0abcd", 8);
    assert_false(slice_lstr(&s, &text));
    assert_int_equal(slice_left(&s), 8);
    s = slice_of(NULL, 0);
    assert_true(slice_str(&s, 0, &text));
    assert_false(str_is_null(text));
}
