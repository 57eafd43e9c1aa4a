/* What was history when a projection was declared: read and written, and with no memory for it. */
#include <string.h>

#include "core/compiler.h"
#include "proj/proj_int.h"
#include "test.h"
#include "json/json.h"

static const char text[] =
    "[{\"topic\":\"es.order\",\"id\":\"01020304-0506-0708-090a-0b0c0d0e0f10\","
    "\"ends\":[17,0,9007199254740993]},"
    "{\"topic\":\"es.none\",\"id\":\"00000000-0000-0000-0000-000000000000\","
    "\"ends\":[]},"
    "{\"topic\":\"es.later\",\"id\":\"ffffffff-ffff-ffff-ffff-ffffffffffff\","
    "\"ends\":[]}]";
static const struct uuid order = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const struct uuid other = {{1}};

static enum err read_text(const char *from, struct since *s)
{
    struct arena a;
    struct json *v = NULL;
    struct ectx ec;
    arena_init(&a, 1u << 20);
    enum err e = json_parse(str_of(from), NULL, &a, &v, &ec);
    e = e != ERR_OK ? e : since_read(s, v);
    arena_deinit(&a);
    return e;
}

static void check(const struct since *s)
{
    assert_int_equal(since_of(s, STR_LIT("es.order"), order, 0), 17);
    assert_int_equal(since_of(s, STR_LIT("es.order"), order, 2), 9007199254740993);
    assert_int_equal(since_of(s, STR_LIT("es.order"), order, 3), 0); /* added later */
    assert_int_equal(since_of(s, STR_LIT("es.order"), other, 0), 0); /* made anew */
    assert_int_equal(since_of(s, STR_LIT("es.none"), order, 0), 0);
    assert_int_equal(since_of(s, STR_LIT("es.new"), order, 0), 0);
    assert_int_equal(since_of(s, STR_LIT("es.later"), order, 0), 0);
    assert_false(since_is_other(s, STR_LIT("es.order"), order));
    assert_true(since_is_other(s, STR_LIT("es.order"), other));
    assert_false(since_is_other(s, STR_LIT("es.none"), order)); /* as before it was told apart */
    assert_true(since_is_other(s, STR_LIT("es.later"), order)); /* it came after the declaration */
}

TEST(since_is_the_same_after_it_was_written_and_read)
{
    struct since *s = since_new();
    struct since *again = since_new();
    struct buf b;
    struct json_writer w;
    assert_int_equal(read_text(text, s), ERR_OK);
    check(s);
    buf_init(&b, 1u << 16);
    json_write_init(&w, &b);
    since_write(s, &w);
    buf_put_u8(&b, 0);
    assert_int_equal(read_text((const char *)b.p, again), ERR_OK);
    check(again);
    buf_deinit(&b);
    since_free(again);
    since_free(s);
}

TEST(since_that_is_damaged_is_refused)
{
    static const char *const bad[] = {
        "[{}]", "[1]", "[{\"topic\":\"a\",\"id\":\"x\",\"ends\":[]}]",
        "[{\"topic\":\"a\",\"id\":\"01020304-0506-0708-090a-0b0c0d0e0f10\",\"ends\":[\"1\"]}]",
        "[{\"topic\":\"a\",\"id\":\"01020304-0506-0708-090a-0b0c0d0e0f10\"}]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct since *s = since_new();
        assert_int_equal(read_text(bad[i], s), ERR_DAMAGED);
        since_free(s);
    }
}

static enum err copied(void *ctx)
{
    (void)ctx;
    struct since *s = since_new();
    struct since *copy = since_new();
    enum err e = s == NULL || copy == NULL ? ERR_NO_MEMORY : read_text(text, s);
    e = e != ERR_OK || since_copy(s, copy) ? e : ERR_NO_MEMORY;
    if (e == ERR_OK) {
        check(copy);
    }
    since_free(copy);
    since_free(s);
    return e;
}
TEST(since_survives_every_failing_allocation)
{
    test_each_failing_alloc(copied, NULL);
}
