/* Small reads from a mapping: right bytes and no others, whatever happens to the file, and no
 * process that dies of it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "env/linux_int.h"
#include "test.h"

enum { PAGE = 4096, PAGES = 100, SIZE = PAGE * PAGES, TRIES = 200 };

static char path[2048];

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static struct env_file *file_make(struct env *env, const char *dir)
{
    static uint8_t bytes[SIZE];
    struct env_file *f;
    assert_in_range(snprintf(path, sizeof(path), "%s/f", dir), 1, (int)sizeof(path) - 1);
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = byte_at(i);
    }
    assert_int_equal(env_file_open(env, path, ENV_READ | ENV_WRITE | ENV_CREATE, &f, NULL), ERR_OK);
    assert_int_equal(env_file_pwrite(f, bytes, SIZE, 0, NULL), ERR_OK);
    return f;
}

static struct env *env_new(void)
{
    struct env *env;
    assert_int_equal(env_linux_create(&env, NULL), ERR_OK);
    return env;
}

/* Asks until it is mapped. What was read the usual way is known to be in memory. */
static bool peek_often(struct env_file *f, void *p, size_t n, uint64_t offset)
{
    for (int i = 0; i < TRIES; i++) {
        size_t got;
        if (env_file_peek(f, p, n, offset)) {
            return true;
        }
        IGNORE(env_file_pread_cached(f, p, n, offset, &got, NULL));
        memset(p, 0, n);
    }
    return false;
}

TEST(linux_view_gives_the_bytes_of_the_file)
{
    struct env *env = env_new();
    struct env_file *f = file_make(env, test_dir());
    uint8_t got[10000];
    assert_false(env_file_peek(f, got, 1, 0)); /* it was not asked often */
    assert_true(peek_often(f, got, 10, 0));
    assert_true(linux_file_of(f)->view.size > 0);
    for (uint64_t at = 0; at + sizeof(got) < SIZE; at += 3001) {
        const size_t n = 1 + at % sizeof(got);
        memset(got, 0, sizeof(got));
        assert_true(env_file_peek(f, got, n, at));
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(got[i], byte_at(at + i));
        }
    }
    size_t n;
    assert_int_equal(env_file_pread_cached(f, got, 5000, 1, &n, NULL), ERR_OK);
    assert_int_equal(n, 5000);
    assert_int_equal(got[4999], byte_at(5000));
    assert_int_equal(env_file_pread_cached(f, got, 500, 7, &n, NULL), ERR_OK);
    assert_int_equal(n, 500);
    assert_int_equal(got[499], byte_at(506));
    env_file_close(f);
    assert_int_equal(CONTAINER_OF((uintptr_t)env, struct linux_env, base)->view_bytes, 0);
    env_destroy(env);
}

TEST(linux_view_ends_where_the_file_ends)
{
    struct env *env = env_new();
    struct env_file *f = file_make(env, test_dir());
    uint8_t got[64];
    size_t n;
    assert_true(peek_often(f, got, 10, SIZE - 10));
    assert_false(env_file_peek(f, got, 11, SIZE - 10));
    assert_false(env_file_peek(f, got, 1, UINT64_MAX));
    assert_int_equal(env_file_pread_cached(f, got, 11, SIZE - 10, &n, NULL), ERR_OK);
    assert_int_equal(n, 10);
    /* It grows, beyond what was mapped too, and is written over. */
    assert_int_equal(env_file_pwrite(f, "abcdef", 6, SIZE, NULL), ERR_OK);
    assert_true(peek_often(f, got, 16, SIZE - 10));
    assert_memory_equal(got + 10, "abcdef", 6);
    const size_t mapped = linux_file_of(f)->view.size;
    assert_int_equal(env_file_pwrite(f, "uvwxyz", 6, mapped + 5, NULL), ERR_OK);
    assert_true(peek_often(f, got, 6, mapped + 5));
    assert_memory_equal(got, "uvwxyz", 6);
    assert_true(linux_file_of(f)->view.size > mapped);
    assert_int_equal(env_file_pwrite(f, "12", 2, mapped + 6, NULL), ERR_OK);
    assert_true(env_file_peek(f, got, 6, mapped + 5));
    assert_memory_equal(got, "u12xyz", 6);
    assert_int_equal(env_file_truncate(f, SIZE, NULL), ERR_OK);
    assert_false(peek_often(f, got, 6, mapped + 5));
    assert_false(peek_often(f, got, 1, SIZE));
    assert_true(peek_often(f, got, 1, SIZE - 1));
    env_file_close(f);
    env_destroy(env);
}

/* What is told of only comes nearer: nothing is looked at, wherever it should be. */
TEST(linux_view_is_told_of_any_place)
{
    struct env *env = env_new();
    struct env_file *f = file_make(env, test_dir());
    uint8_t got[64];
    env_file_soon(f, 0, SIZE); /* it is not mapped */
    assert_true(peek_often(f, got, 10, 0));
    const size_t mapped = linux_file_of(f)->view.size;
    const struct {
        uint64_t offset;
        size_t n;
    } places[] = {{0, SIZE},       {SIZE - 1, 1},   {SIZE, PAGE}, /* behind its end */
                  {0, mapped},     {0, mapped + 1}, {mapped, 1},           {mapped - 1, 2},
                  {UINT64_MAX, 1}, {1, SIZE_MAX},   {UINT64_MAX, SIZE_MAX}};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        env_file_soon(f, places[i].offset, places[i].n);
    }
    assert_true(env_file_peek(f, got, 10, 0));
    assert_int_equal(got[9], byte_at(9));
    env_file_close(f);
    env_destroy(env);
}

TEST(linux_view_lives_on_when_the_file_is_cut_behind_its_back)
{
    struct env *env = env_new();
    struct env_file *f = file_make(env, test_dir());
    uint8_t got[64];
    size_t n;
    assert_true(peek_often(f, got, 10, PAGE * 64 + 5)); /* believed for a while */
    assert_int_equal(truncate(path, PAGE), 0);
    for (int i = 0; i < 3; i++) {
        assert_false(env_file_peek(f, got, 10, PAGE * 64 + 5));
        assert_true(env_file_peek(f, got, 10, 5)); /* that is still there */
    }
    assert_int_equal(env_file_pread_cached(f, got, 10, PAGE * 64 + 5, &n, NULL), ERR_OK);
    assert_int_equal(n, 0);
    env_file_close(f);
    env_destroy(env);
}

TEST(linux_view_does_not_keep_what_the_cache_is_to_forget)
{
    struct env *env = env_new();
    struct env_file *f = file_make(env, test_dir());
    uint8_t got[64];
    assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
    assert_true(peek_often(f, got, 10, 0));
    env_file_drop_cache(f, 0, 0);
    assert_int_equal(linux_file_of(f)->view.size, 0);
    /* Where the file system has a device, it is asked again. */
    if (!peek_often(f, got, 10, PAGE * 30)) {
        size_t n;
        assert_int_equal(env_file_pread(f, got, 10, PAGE * 30, &n, NULL), ERR_OK);
    }
    assert_int_equal(got[9], byte_at(PAGE * 30 + 9));
    env_file_close(f);
    env_destroy(env);
}

static enum err peek_it(void *ctx)
{
    uint8_t got[10];
    size_t n;
    struct env_file *f = ctx;
    linux_view_forget(linux_file_of(f));
    linux_file_of(f)->view.asked = TRIES;
    const bool peeked = env_file_peek(f, got, sizeof(got), 77);
    if (!peeked) { /* the usual way needs none */
        assert_int_equal(linux_file_of(f)->env->view_bytes, 0);
        assert_int_equal(env_file_pread(f, got, sizeof(got), 77, &n, NULL), ERR_OK);
    }
    assert_int_equal(got[9], byte_at(86));
    return peeked ? ERR_OK : ERR_NO_MEMORY;
}

TEST(linux_view_without_memory_is_none)
{
    struct env *env = env_new();
    struct env_file *f = file_make(env, test_dir());
    test_each_failing_alloc(peek_it, f);
    env_file_close(f);
    env_destroy(env);
}
