/*
 * What a unit test includes. A test is
 *
 *     TEST(segment_recovery_drops_a_torn_tail)
 *     {
 *         // the promise that it protects
 *         assert_int_equal(...);
 *     }
 *
 * TEST puts a pointer to the test into a section of its own; the linker lays these pointers side by
 * side and main.c runs them all with cmocka. No list to keep. One binary is linked for each folder
 * of test/unit. `build/debug/test/unit_core TEXT` runs the tests whose name contains TEXT.
 *
 * The section holds pointers, not structures: sanitizers pad structures, and the array would get
 * holes.
 */
#ifndef LEAT_TEST_UNIT_TEST_H
#define LEAT_TEST_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/err.h"

#define TEST(name)                                                                       \
    static void test_##name(void **state);                                               \
    static const struct CMUnitTest unit_##name = {#name, test_##name, NULL, NULL, NULL}; \
    static const struct CMUnitTest *const unit_entry_##name                              \
        __attribute__((used, section("leat_tests"))) = &unit_##name;                     \
    static void test_##name(void **state __attribute__((unused)))

/*
 * Ends the running test as skipped and prints `SKIP name: reason`. Use it only for what the machine
 * cannot do; in the gate a skip is a failure. (cmocka's own skip() has no reason, so it is not
 * offered.)
 */
#undef skip
#define TEST_SKIP(reason) test_skip((reason), __FILE__, __LINE__)
void test_skip(const char *reason, const char *file, int line);

/*
 * Calls fn(ctx) again and again: the first time the first allocation of core/mem.h fails, the
 * second time the second, and so on, until a call in which none had to fail. Each call must return
 * ERR_NO_MEMORY, or ERR_OK if the code coped without that memory; the last one must return ERR_OK.
 * fn sets up and tears down everything it uses, so that the leak check of the ASan build sees what
 * a failure path forgot.
 */
void test_each_failing_alloc(enum err (*fn)(void *ctx), void *ctx);

/* The pieces of it, for tests with a loop of their own: fail the n-th allocation from now (1 = the
 * next). */
void test_fail_alloc(uint64_t n);
/* Ends that; true if the allocation was reached, so that it did fail. */
int test_fail_alloc_end(void);

/* A fresh, empty folder for this test, under $TMPDIR or /tmp; removed when the process ends well.
 */
const char *test_dir(void);

#endif
