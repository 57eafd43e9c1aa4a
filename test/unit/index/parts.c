/* Trees and filters by themselves. */
#include <stdlib.h>

#include "core/mem.h"
#include "test.h"
#include "world.h"

static void check_tree(const struct tree *t, const bool *there, uint32_t n)
{
    uint8_t key[12] = {0};
    struct tree_at at = tree_first(t);
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        put_be64(key, i);
        const uint8_t *seek = tree_entry(t, tree_seek(t, key));
        const uint8_t *before = tree_entry(t, tree_seek_last(t, key));
        if (there[i]) {
            assert_memory_equal(tree_entry(t, at), key, 12);
            assert_int_equal(get_be32(tree_entry(t, at) + 12), i * 3);
            assert_true(seek == tree_entry(t, at) && before == seek);
            if (last != UINT32_MAX) {
                assert_int_equal(get_be64(tree_entry(t, tree_prev(t, at))), last);
            } else {
                assert_int_equal(tree_prev(t, at).leaf, 0);
            }
            at = tree_next(t, at);
            last = i;
        } else {
            assert_true(seek == tree_entry(t, at));
            assert_true(last == UINT32_MAX ? before == NULL : get_be64(before) == last);
        }
    }
    assert_int_equal(at.leaf, 0);
}

TEST(tree_keeps_what_comes_in_any_order)
{
    enum { N = 6000 };
    static bool there[N];
    for (int order = 0; order < 5; order++) {
        struct tree_pool pool;
        struct tree t;
        tree_pool_init(&pool);
        tree_init(&t, &pool, 12, 4);
        memset(there, 0, sizeof(there));
        check_tree(&t, there, N);
        for (uint32_t i = 0; i < N; i++) {
            const uint32_t k = order == 0   ? i
                               : order == 1 ? N - 1 - i
                               : order == 2 ? i * 2741u % N
                               : order == 3 ? i * i % N
                                            : i % 60 * 100 + i / 60; /* runs that grow in turn */
            uint8_t key[12] = {0}, value[4];
            put_be64(key, k);
            put_be32(value, k * 3);
            assert_true(tree_put(&t, key, value));
            there[k] = true;
            if (i % 997 == 0) {
                check_tree(&t, there, N);
            }
        }
        check_tree(&t, there, N);
        assert_true(order == 3 || t.count == N);
        /* In order leaves are full; else two thirds, as of any such tree. */
        const double used = (double)(t.count * 16) / (double)tree_pool_bytes(&pool);
        assert_true(used > (order == 0 ? 0.9 : 0.45));
        tree_pool_deinit(&pool);
    }
}

static uint64_t hash_at(uint64_t i)
{
    return filter_hash(&i, sizeof(i));
}

TEST(filter_knows_what_was_added_and_little_else)
{
    static const uint64_t sizes[] = {1, 7, 100, 5000, 60000};
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        for (uint64_t feared = sizes[k]; feared <= sizes[k] * 16; feared *= 2) {
            const uint64_t n = sizes[k];
            uint32_t lines = filter_lines_for(feared);
            uint8_t *bits = mem_zalloc(lines, INDEX_FILTER_LINE);
            assert_non_null(bits);
            for (uint64_t i = 0; i < n; i++) {
                filter_add(bits, lines, hash_at(i));
            }
            lines = filter_fold(bits, lines, n);
            uint64_t wrong = 0;
            for (uint64_t i = 0; i < n; i++) {
                assert_true(filter_has(bits, lines, hash_at(i)));
            }
            for (uint64_t i = 0; i < 20000; i++) {
                wrong += filter_has(bits, lines, hash_at((UINT64_C(1) << 40) + i));
            }
            assert_true(wrong < 20000 / 40);
            /* Not much larger than it has to be. */
            assert_true(lines <= 12 || (uint64_t)lines * 512 <= n * INDEX_FILTER_BITS * 3);
            mem_free(bits);
        }
    }
}

TEST(index_tells_of_itself_while_it_is_open)
{
    struct world w;
    struct metrics *m = metrics_create();
    struct buf out;
    assert_non_null(m);
    buf_init(&out, 1 << 20);
    world_init(&w, 1, 0);
    assert_int_equal(index_open(w.env, w.poll, m, &w.cfg, NULL, &w.ix, NULL), ERR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_put(&w), ERR_OK);
        assert_int_equal(world_cover(&w, true), ERR_OK);
        world_settle(&w);
    }
    metrics_write(m, &out);
    buf_put_u8(&out, 0);
    assert_non_null(strstr((char *)out.p, "leat_index_flushes_total{index=\"index\"} 3"));
    assert_non_null(strstr((char *)out.p, "leat_index_runs{index=\"index\"} 3"));
    world_close(&w, true);
    buf_clear(&out);
    metrics_write(m, &out);
    buf_put_u8(&out, 0);
    assert_null(strstr((char *)out.p, "index=\"index\""));
    buf_deinit(&out);
    metrics_destroy(m);
    world_deinit(&w);
}
