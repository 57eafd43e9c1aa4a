/*
 * Fails chosen allocations through the hook of core/mem.h. Single-threaded by intent: the n-th
 * allocation is only the same one in each run if one thread allocates.
 */
#include <stdio.h>

#include "core/mem.h"
#include "test.h"

static struct {
    uint64_t seen;
    uint64_t fail_at;
} plan;

static int count_and_fail(void *ctx, size_t size)
{
    (void)ctx;
    (void)size;
    plan.seen++;
    return plan.seen == plan.fail_at;
}

void test_fail_alloc(uint64_t n)
{
    plan.seen = 0;
    plan.fail_at = n;
    mem_set_fail_hook(count_and_fail, NULL);
}

int test_fail_alloc_end(void)
{
    mem_set_fail_hook(NULL, NULL);
    return plan.seen >= plan.fail_at;
}

void test_each_failing_alloc(enum err (*fn)(void *ctx), void *ctx)
{
    for (uint64_t n = 1;; n++) {
        test_fail_alloc(n);
        enum err e = fn(ctx);
        int reached = test_fail_alloc_end();
        if (!reached) {
            assert_int_equal(e, ERR_OK);
            return;
        }
        if (e != ERR_OK && e != ERR_NO_MEMORY) {
            fail_msg("allocation %llu failed and the answer was %s", (unsigned long long)n,
                     err_name(e));
        }
    }
}
