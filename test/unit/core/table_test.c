/* core/crc32c, hash, map, heap, list: checked against plain models and published values. */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/crc32c_table.h"
#include "core/hash.h"
#include "core/heap.h"
#include "core/list.h"
#include "core/map.h"
#include "core/mem.h"
#include "test.h"

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* One bit at a time: slow and plainly right. */
static uint32_t crc_model(const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

TEST(crc32c_known_values)
{
    /* RFC 3720 appendix B.4 */
    uint8_t bytes[32] = {0};
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = i;
    }
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794eu);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

TEST(crc32c_is_the_same_in_every_way)
{
    /* Instruction, ISA-L and tables agree with the model at every length and alignment; parts can
     * be continued and combined. */
    static uint8_t bytes[5000];
    uint64_t seed = 88172645463325252u;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)next_random(&seed);
    }
    for (size_t n = 0; n < 4900; n += n < 600 ? 1 : 97) {
        const uint8_t *p = bytes + n % 17;
        uint32_t expected = crc_model(p, n);
        assert_int_equal(crc32c(0, p, n), expected);
        assert_int_equal(~crc32c_table(UINT32_MAX, p, n), expected);
        size_t half = n / 3;
        uint32_t a = crc32c(0, p, half);
        assert_int_equal(crc32c(a, p + half, n - half), expected);
        assert_int_equal(crc32c_combine(a, crc32c(0, p + half, n - half), n - half), expected);
    }
}

TEST(crc32c_combine_of_a_long_second_part)
{
    /* 4 GiB of zeros as 2^12 combinations of 1 MiB: the exponent arithmetic holds for any length.
     */
    static uint8_t zeros[1 << 20];
    uint32_t mib = crc32c(0, zeros, sizeof(zeros));
    uint32_t all = mib;
    for (int i = 1; i < 4096 + 5; i++) {
        all = crc32c_combine(all, mib, sizeof(zeros));
    }
    uint32_t five = mib;
    for (int i = 1; i < 5; i++) {
        five = crc32c_combine(five, mib, sizeof(zeros));
    }
    uint32_t big = mib;
    for (int i = 1; i < 4096; i++) {
        big = crc32c_combine(big, mib, sizeof(zeros));
    }
    assert_int_equal(crc32c_combine(five, big, (size_t)4096 << 20), all);
}

TEST(murmur2_is_kafkas)
{
    /* Kafka's UtilsTest: a key goes to the same partition whoever computes it. */
    static const struct {
        const char *key;
        int32_t hash;
    } known[] = {{"21", -973932308},
                 {"foobar", -790332482},
                 {"a-little-bit-long-string", -985981536},
                 {"a-little-bit-longer-string", -1486304829},
                 {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
                 {"abc", 479470107}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        assert_int_equal((int32_t)hash_murmur2(known[i].key, strlen(known[i].key)), known[i].hash);
    }
}

TEST(hash_spreads_similar_keys)
{
    /* Keys that differ in a counter fill 4096 buckets about evenly: 16 each, none over 60. */
    static unsigned buckets[2][4096];
    for (unsigned i = 0; i < 65536; i++) {
        char key[32];
        int n = snprintf(key, sizeof(key), "topic-%u", i);
        buckets[0][hash_bytes(key, (size_t)n) % 4096]++;
        buckets[1][hash_u64((uint64_t)i << 12) % 4096]++;
    }
    for (size_t i = 0; i < 4096; i++) {
        assert_in_range(buckets[0][i], 1, 60);
        assert_in_range(buckets[1][i], 1, 60);
    }
    /* zeros of every length differ, and no bit of the input is lost */
    uint8_t zeros[80] = {0};
    for (size_t a = 0; a < 80; a++) {
        for (size_t b = 0; b < a; b++) {
            assert_true(hash_bytes(zeros, a) != hash_bytes(zeros, b));
        }
        for (size_t bit = 0; bit < a * 8; bit++) {
            uint64_t before = hash_bytes(zeros, a);
            zeros[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(hash_bytes(zeros, a) != before);
            zeros[bit / 8] = 0;
        }
    }
    /* Files hold what hash_keyed says: it never changes, and each word of the key counts. */
    uint64_t key[4] = {1, 2, 3, 4};
    const uint64_t known = hash_keyed(key, "thirty-two bytes of a long text.", 32);
    assert_true(known == 0x8355f545950908cu);
    for (size_t i = 0; i < 4; i++) {
        key[i]++;
        assert_true(hash_keyed(key, "thirty-two bytes of a long text.", 32) != known);
        key[i]--;
    }
}

TEST(map_agrees_with_a_model)
{
    /* Random puts, removes and gets over few keys, so that slots are used again and again. */
    enum { KEYS = 500 };
    static int values[KEYS];
    static bool there[KEYS];
    struct map by_text;
    struct map by_number;
    map_init(&by_text);
    map_init(&by_number);
    uint64_t seed = 7;
    size_t count = 0;
    for (int step = 0; step < 50000; step++) {
        uint64_t r = next_random(&seed);
        size_t k = r % KEYS;
        char text[32];
        struct str key = {text, (size_t)snprintf(text, sizeof(text), "%zu", k)};
        void *expected = there[k] ? &values[k] : NULL;
        assert_ptr_equal(map_get(&by_text, key), expected);
        assert_ptr_equal(map_get_u64(&by_number, k), expected);
        if (r >> 32 & 1) {
            assert_true(map_put(&by_text, key, &values[k]));
            assert_true(map_put_u64(&by_number, k, &values[k]));
            count += there[k] ? 0 : 1;
            there[k] = true;
        } else {
            assert_ptr_equal(map_remove(&by_text, key), expected);
            assert_ptr_equal(map_remove_u64(&by_number, k), expected);
            count -= there[k] ? 1 : 0;
            there[k] = false;
        }
        assert_int_equal(by_text.count, count);
        assert_int_equal(by_number.count, count);
        assert_true(by_text.cap <= 2048); /* graves do not make it grow */
    }
    map_deinit(&by_text);
    map_deinit(&by_number);
}

TEST(map_entry_may_be_removed_while_iterating)
{
    /* Every entry is seen exactly once, though each second one is removed on the way. */
    enum { N = 3000 };
    static uint8_t seen[N];
    static int value;
    struct map m;
    map_init(&m);
    for (uint64_t i = 0; i < N; i++) {
        assert_true(map_put_u64(&m, i, &value));
    }
    struct map_iter it = {0};
    while (map_next(&m, &it)) {
        seen[it.key_u64]++;
        if (it.key_u64 % 2 == 0) {
            assert_ptr_equal(map_remove_u64(&m, it.key_u64), &value);
        }
    }
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(seen[i], 1);
        assert_ptr_equal(map_get_u64(&m, i), i % 2 == 0 ? NULL : &value);
    }
    map_deinit(&m);
}

TEST(map_copies_its_keys_and_knows_the_empty_one)
{
    struct map m;
    map_init(&m);
    char key[] = "abc";
    int one;
    int two;
    assert_null(map_get(&m, STR_LIT("abc")));
    assert_null(map_remove(&m, STR_LIT("abc")));
    assert_true(map_put(&m, str_of(key), &one));
    key[0] = 'x';
    assert_ptr_equal(map_get(&m, STR_LIT("abc")), &one);
    assert_true(map_put(&m, STR_LIT("abc"), &two));
    assert_ptr_equal(map_get(&m, STR_LIT("abc")), &two);
    assert_int_equal(m.count, 1);
    assert_true(map_put(&m, STR_LIT(""), &one));
    assert_ptr_equal(map_get(&m, STR_NULL), &one);
    assert_ptr_equal(map_remove(&m, STR_LIT("")), &one);
    map_deinit(&m);
}

static enum err fill_map(void *ctx)
{
    (void)ctx;
    struct map m;
    int value;
    enum err e = ERR_OK;
    map_init(&m);
    for (int i = 0; i < 40 && e == ERR_OK; i++) {
        char text[32];
        struct str key = {text, (size_t)snprintf(text, sizeof(text), "%d", i)};
        size_t before = m.count;
        if (!map_put(&m, key, &value)) {
            /* nothing changed: the others are still there, this one is not */
            assert_int_equal(m.count, before);
            assert_null(map_get(&m, key));
            e = ERR_NO_MEMORY;
        }
    }
    map_deinit(&m);
    return e;
}

TEST(map_survives_every_failing_allocation)
{
    test_each_failing_alloc(fill_map, NULL);
}

TEST(heap_gives_the_least_after_any_changes)
{
    enum { N = 200 };
    static struct heap_node nodes[N];
    struct heap h;
    heap_init(&h);
    assert_null(heap_min(&h));
    for (size_t i = 0; i < N; i++) {
        heap_node_init(&nodes[i]);
        heap_remove(&h, &nodes[i]); /* harmless */
    }
    test_fail_alloc(1);
    assert_false(heap_insert(&h, &nodes[0], 1));
    test_fail_alloc_end();
    assert_int_equal(nodes[0].index, HEAP_NONE);
    uint64_t seed = 99;
    for (int step = 0; step < 20000; step++) {
        uint64_t r = next_random(&seed);
        struct heap_node *n = &nodes[r % N];
        uint64_t key = r >> 40 & 0xFF;
        if (n->index == HEAP_NONE) {
            assert_true(heap_insert(&h, n, key));
        } else if (r >> 20 & 1) {
            heap_remove(&h, n);
        } else {
            heap_update(&h, n, key);
        }
        uint64_t least = UINT64_MAX;
        for (size_t i = 0; i < N; i++) {
            if (nodes[i].index != HEAP_NONE && nodes[i].key < least) {
                least = nodes[i].key;
            }
        }
        const struct heap_node *min = heap_min(&h);
        assert_true(min == NULL ? least == UINT64_MAX : min->key == least);
    }
    heap_deinit(&h);
    assert_int_equal(nodes[0].index, HEAP_NONE);
}

TEST(list_keeps_order_and_forgives_a_second_removal)
{
    struct list head;
    struct list a;
    struct list b;
    struct list c;
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_pop_front(&head));
    list_push_back(&head, &b);
    list_push_back(&head, &c);
    list_push_front(&head, &a);
    int n = 0;
    LIST_FOR_EACH (at, next, &head) {
        n++;
        list_remove(at);
        list_remove(at);
    }
    assert_int_equal(n, 3);
    assert_true(list_empty(&head));
}
