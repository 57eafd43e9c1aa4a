/* The Linux world: files, folders, locks, clocks. Errors are made with real means: limits,
 * /dev/full, /proc. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "env/linux_int.h"
#include "test.h"

static char path_buffer[4][2048];

static const char *join(int slot, const char *dir, const char *name)
{
    int n = snprintf(path_buffer[slot], sizeof(path_buffer[slot]), "%s/%s", dir, name);
    assert_in_range(n, 1, sizeof(path_buffer[slot]) - 1);
    return path_buffer[slot];
}

static struct env *new_env(void)
{
    struct env *env;
    assert_int_equal(env_linux_create(&env, NULL), ERR_OK);
    return env;
}

static struct env_file *open_ok(struct env *env, const char *path, unsigned flags)
{
    struct env_file *f = NULL;
    struct ectx ec = {0};
    enum err e = env_file_open(env, path, flags, &f, &ec);
    if (e != ERR_OK) {
        fail_msg("%s", ec.text);
    }
    return f;
}

TEST(linux_no_flush_succeeds_after_one_that_failed)
{
    /* The kernel tells of a failed write once: the second flush of the same file would succeed. */
    const char *dir = test_dir();
    struct env *env = new_env(), *other = new_env();
    struct env_file *f = open_ok(env, join(0, dir, "a"), ENV_READ | ENV_WRITE | ENV_CREATE);
    struct env_file *g = open_ok(env, join(1, dir, "b"), ENV_READ | ENV_WRITE | ENV_CREATE);
    const int fd = linux_file_of(f)->fd, real = dup(fd);
    int ends[2];
    assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], fd), fd); /* a pipe cannot be flushed */
    assert_int_not_equal(env_file_datasync(f, NULL), ERR_OK);
    assert_int_equal(dup2(real, fd), fd);
    struct ectx ec = {0};
    assert_int_equal(env_file_datasync(f, &ec), ERR_IO);
    assert_non_null(strstr(ec.text, "an earlier flush failed"));
    assert_int_equal(env_file_datasync(g, NULL), ERR_IO);
    assert_int_equal(env_dir_sync(env, dir, NULL), ERR_IO);
    assert_int_equal(env_fs_sync(env, dir, NULL), ERR_IO);
    assert_int_equal(env_file_pwrite(f, "x", 1, 0, NULL), ERR_OK);
    assert_int_equal(env_dir_sync(other, dir, NULL), ERR_OK); /* as the next process would */
    struct env_file *full = open_ok(other, "/dev/full", ENV_WRITE | ENV_DSYNC);
    assert_int_not_equal(env_file_pwrite(full, "x", 1, 0, NULL), ERR_OK); /* flushes as it writes */
    assert_int_equal(env_dir_sync(other, dir, NULL), ERR_IO);
    env_file_close(full);
    close(real);
    close(ends[0]);
    close(ends[1]);
    env_file_close(f);
    env_file_close(g);
    env_destroy(env);
    env_destroy(other);
}

TEST(linux_clocks_random_process)
{
    struct env *env = new_env();
    uint64_t t = env_mono_ns(env);
    env_sleep_ns(env, 2000000);
    assert_true(env_mono_ns(env) - t >= 2000000);
    assert_true(env_wall_ms(env) > 1600000000000);
    uint8_t random[2][512];
    env_random(env, random[0], sizeof(random[0]));
    env_random(env, random[1], sizeof(random[1]));
    assert_memory_not_equal(random[0], random[1], sizeof(random[0]));
    uint64_t files = 0;
    assert_true(env_rss_bytes(env, &files) > 100000);
    assert_true(files > 100000 && files < env_rss_bytes(env, &files)); /* the program, libraries */
    assert_true(env_cpu_ns(env) > 0);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    assert_true(env_open_files_limit(env) == limit.rlim_max && limit.rlim_cur == limit.rlim_max);
    uint64_t open_before = env_open_files(env);
    int fd = dup(0);
    assert_int_equal(env_open_files(env), open_before + 1);
    close(fd);
    env_destroy(env);
}

TEST(linux_file_write_read_size_truncate)
{
    /* What was written is read back, over more pieces than one system call takes, with empty ones.
     */
    struct env *env = new_env();
    const char *path = join(0, test_dir(), "f");
    struct env_file *f = open_ok(env, path, ENV_READ | ENV_WRITE | ENV_CREATE | ENV_EXCLUSIVE);
    assert_string_equal(env_file_path(f), path);
    assert_false(env_file_is_direct(f));
    enum { PIECES = 3000 };
    static struct iovec iov[PIECES];
    static uint8_t bytes[PIECES * 2];
    size_t total = 0;
    for (size_t i = 0; i < PIECES; i++) {
        size_t n = i % 4;
        iov[i] = (struct iovec){bytes + total, n > 2 ? 0 : n};
        for (size_t k = 0; k < iov[i].iov_len; k++) {
            bytes[total++] = (uint8_t)(i * 7 + k);
        }
    }
    assert_int_equal(env_file_pwritev(f, iov, PIECES, 10, NULL), ERR_OK);
    assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
    uint64_t size;
    assert_int_equal(env_file_size(f, &size, NULL), ERR_OK);
    assert_int_equal(size, total + 10);
    static uint8_t back[PIECES * 2 + 10];
    size_t got;
    assert_int_equal(env_file_pread(f, back, sizeof(back), 10, &got, NULL), ERR_OK);
    assert_int_equal(got, total);
    assert_memory_equal(back, bytes, total);
    assert_int_equal(env_file_pread_cached(f, back, 100, 10, &got, NULL), ERR_OK);
    assert_int_equal(got, 100);
    assert_memory_equal(back, bytes, 100);
    assert_int_equal(env_file_pread(f, back, 10, size + 5, &got, NULL), ERR_OK);
    assert_int_equal(got, 0);
    assert_int_equal(env_file_truncate(f, 3, NULL), ERR_OK);
    assert_int_equal(env_file_pwrite(f, "xyz", 3, 3, NULL), ERR_OK);
    assert_int_equal(env_file_pread(f, back, 10, 0, &got, NULL), ERR_OK);
    assert_int_equal(got, 6);
    assert_memory_equal(back, "\0\0\0xyz", 6);
    env_file_drop_cache(f, 0, 0);
    env_file_close(f);
    env_file_close(NULL);
    struct env_stat st;
    assert_int_equal(env_stat(env, path, &st, NULL), ERR_OK);
    assert_int_equal(st.size, 6);
    assert_int_equal(st.mode, 0600);
    assert_false(st.is_dir);
    env_destroy(env);
}

TEST(linux_file_open_errors_name_path_and_reason)
{
    struct env *env = new_env();
    const char *dir = test_dir();
    const char *path = join(0, dir, "f");
    struct env_file *f = NULL;
    struct ectx ec;
    assert_int_equal(env_file_open(env, path, ENV_READ, &f, &ec), ERR_NOT_FOUND);
    assert_non_null(strstr(ec.text, path));
    env_file_close(open_ok(env, path, ENV_WRITE | ENV_CREATE));
    assert_int_equal(env_file_open(env, path, ENV_WRITE | ENV_CREATE | ENV_EXCLUSIVE, &f, &ec),
                     ERR_EXISTS);
    test_fail_alloc(1);
    assert_int_equal(env_file_open(env, path, ENV_READ, &f, &ec), ERR_NO_MEMORY);
    test_fail_alloc_end();
    /* no descriptors left */
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {0, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    enum err e = env_file_open(env, path, ENV_READ, &f, &ec);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(e, ERR_NO_DESCRIPTORS);
    assert_non_null(strstr(ec.hint, "ulimit"));
    assert_null(f);
    env_destroy(env);
}

TEST(linux_write_errors_have_their_kind)
{
    struct env *env = new_env();
    struct ectx ec;
    struct env_file *full = open_ok(env, "/dev/full", ENV_WRITE);
    assert_int_equal(env_file_pwrite(full, "x", 1, 0, &ec), ERR_NO_SPACE);
    assert_true(strlen(ec.hint) > 0);
    env_file_close(full);
    /* A limit of the file size makes a short write: it is continued, and then fails with the
     * reason. */
    struct env_file *f = open_ok(env, join(0, test_dir(), "f"), ENV_READ | ENV_WRITE | ENV_CREATE);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit small = {100, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    char bytes[90];
    memset(bytes, 'a', sizeof(bytes));
    struct iovec iov[2] = {{bytes, sizeof(bytes)}, {bytes, sizeof(bytes)}};
    enum err e = env_file_pwritev(f, iov, 2, 0, &ec);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(e, ERR_LIMIT);
    uint64_t size;
    assert_int_equal(env_file_size(f, &size, NULL), ERR_OK);
    assert_int_equal(size, 100);
    assert_int_equal(iov[0].iov_len, 90);
    env_file_close(f);
    env_destroy(env);
}

TEST(linux_direct_io_and_its_fallback)
{
    /* Where a file system refuses O_DIRECT the file opens all the same, and says so. */
    struct env *env = new_env();
    struct env_file *f = open_ok(env, "/proc/version", ENV_READ | ENV_DIRECT);
    assert_false(env_file_is_direct(f));
    env_file_close(f);
    f = open_ok(env, join(0, test_dir(), "f"),
                ENV_READ | ENV_WRITE | ENV_CREATE | ENV_EXCLUSIVE | ENV_DIRECT | ENV_DSYNC);
    uint8_t *block = mem_alloc_aligned(ENV_BLOCK, 2 * ENV_BLOCK);
    memset(block, 'd', 2 * ENV_BLOCK);
    assert_int_equal(env_file_pwrite(f, block, 2 * ENV_BLOCK, ENV_BLOCK, NULL), ERR_OK);
    assert_int_equal(env_file_truncate(f, 2 * ENV_BLOCK + 100, NULL), ERR_OK);
    size_t got;
    assert_int_equal(env_file_pread(f, block, 2 * ENV_BLOCK, ENV_BLOCK, &got, NULL), ERR_OK);
    assert_int_equal(got, ENV_BLOCK + 100); /* ends in the middle of a block */
    assert_int_equal(block[ENV_BLOCK + 99], 'd');
    mem_free(block);
    env_file_close(f);
    env_destroy(env);
}

static void check_allocate(enum err (*allocate)(struct env_file *f, uint64_t offset, uint64_t n,
                                                bool extend, struct ectx *ec),
                           const char *path)
{
    struct env *env = new_env();
    struct env_file *f = open_ok(env, path, ENV_READ | ENV_WRITE | ENV_CREATE);
    uint64_t size;
    assert_int_equal(env_file_pwrite(f, "data", 4, 100000, NULL), ERR_OK);
    /* data stays, the size stays unless asked for; then holes are filled */
    assert_int_equal(allocate(f, 0, 200000, false, NULL), ERR_OK);
    assert_int_equal(env_file_size(f, &size, NULL), ERR_OK);
    assert_int_equal(size, 100004);
    assert_int_equal(allocate(f, 0, 200000, true, NULL), ERR_OK);
    assert_int_equal(env_file_size(f, &size, NULL), ERR_OK);
    assert_int_equal(size, 200000);
    struct env_stat st;
    assert_int_equal(env_stat(env, path, &st, NULL), ERR_OK);
    assert_true(st.allocated_bytes >= 196608);
    char back[8];
    size_t got;
    assert_int_equal(env_file_pread(f, back, 8, 99998, &got, NULL), ERR_OK);
    assert_memory_equal(back, "\0\0data\0\0", 8);
    /* not enough space: an error, and the size is as before */
    uint64_t free_bytes;
    uint64_t total;
    assert_int_equal(env_fs_space(env, path, &free_bytes, &total, NULL), ERR_OK);
    assert_true(free_bytes <= total);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit small = {300000, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    enum err e = allocate(f, 200000, 200000, true, NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_not_equal(e, ERR_OK);
    assert_int_equal(env_file_size(f, &size, NULL), ERR_OK);
    assert_int_equal(size, 200000);
    env_file_close(f);
    env_destroy(env);
}

TEST(linux_allocate_claims_space)
{
    check_allocate(env_file_allocate, join(0, test_dir(), "f"));
}

TEST(linux_allocate_without_fallocate_claims_space_by_writing)
{
    check_allocate(linux_file_allocate_by_writing, join(0, test_dir(), "f"));
    /* beyond what the file system has, and without growing: refused up front */
    struct env *env = new_env();
    struct env_file *f = open_ok(env, join(0, test_dir(), "g"), ENV_READ | ENV_WRITE | ENV_CREATE);
    assert_int_equal(linux_file_allocate_by_writing(f, 0, (uint64_t)1 << 60, false, NULL),
                     ERR_NO_SPACE);
    assert_int_equal(linux_file_allocate_by_writing(f, 1, UINT64_MAX, true, NULL), ERR_LIMIT);
    test_fail_alloc(1);
    assert_int_equal(linux_file_allocate_by_writing(f, 0, 10000, true, NULL), ERR_NO_MEMORY);
    test_fail_alloc_end();
    env_file_close(f);
    env_destroy(env);
}

struct listing {
    int files, dirs, stop_after;
};

static bool count_entry(void *ctx, const char *name, bool is_dir)
{
    struct listing *l = ctx;
    assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    l->files += is_dir ? 0 : 1;
    l->dirs += is_dir ? 1 : 0;
    return l->files + l->dirs != l->stop_after;
}

TEST(linux_names_and_folders)
{
    struct env *env = new_env();
    const char *dir = test_dir();
    const char *sub = join(0, dir, "sub");
    const char *a = join(1, sub, "a");
    const char *b = join(2, dir, "b");
    struct ectx ec;
    assert_int_equal(env_dir_make(env, sub, &ec), ERR_OK);
    assert_int_equal(env_dir_make(env, sub, &ec), ERR_EXISTS);
    env_file_close(open_ok(env, a, ENV_WRITE | ENV_CREATE));
    assert_int_equal(env_dir_remove(env, sub, &ec), ERR_EXISTS); /* not empty */
    assert_int_equal(env_rename(env, a, b, &ec), ERR_OK);
    assert_int_equal(env_rename(env, a, b, &ec), ERR_NOT_FOUND);
    assert_int_equal(env_dir_sync(env, dir, &ec), ERR_OK);
    assert_int_equal(env_dir_sync(env, b, &ec), ERR_NOT_FOUND); /* no folder */
    assert_int_equal(env_fs_sync(env, dir, &ec), ERR_OK);
    struct listing l = {0};
    assert_int_equal(env_dir_list(env, dir, count_entry, &l, &ec), ERR_OK);
    assert_int_equal(l.files, 1);
    assert_int_equal(l.dirs, 1);
    l = (struct listing){.stop_after = 1};
    assert_int_equal(env_dir_list(env, dir, count_entry, &l, &ec), ERR_OK);
    assert_int_equal(l.files + l.dirs, 1);
    assert_int_equal(env_dir_list(env, a, count_entry, &l, &ec), ERR_NOT_FOUND);
    struct env_stat st;
    assert_int_equal(env_stat(env, sub, &st, &ec), ERR_OK);
    assert_true(st.is_dir);
    assert_int_equal(st.mode, 0700);
    assert_int_equal(env_stat(env, a, &st, &ec), ERR_NOT_FOUND);
    assert_int_equal(env_unlink(env, b, &ec), ERR_OK);
    assert_int_equal(env_unlink(env, b, &ec), ERR_NOT_FOUND);
    assert_int_equal(env_dir_remove(env, sub, &ec), ERR_OK);
    env_destroy(env);
}

TEST(linux_lock_excludes_and_names_the_holder)
{
    /* Two processes never hold it; the second learns who has it; a killed holder leaves it free. */
    struct env *env = new_env();
    const char *path = join(0, test_dir(), "lock");
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct env_lock *held;
        char ok = env_lock_take(env, path, &held, NULL) == ERR_OK ? 'y' : 'n';
        if (write(ready[1], &ok, 1) == 1) {
            pause();
        }
        _exit(1);
    }
    char ok;
    assert_int_equal(read(ready[0], &ok, 1), 1);
    assert_int_equal(ok, 'y');
    struct env_lock *lock = NULL;
    struct ectx ec;
    assert_int_equal(env_lock_take(env, path, &lock, &ec), ERR_IN_USE);
    char pid[32];
    snprintf(pid, sizeof(pid), "process %d", (int)child);
    assert_non_null(strstr(ec.text, pid));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(env_lock_take(env, path, &lock, &ec), ERR_OK);
    struct env_lock *second = NULL;
    assert_int_equal(env_lock_take(env, path, &second, &ec), ERR_IN_USE);
    env_lock_release(lock);
    assert_int_equal(env_lock_take(env, path, &second, &ec), ERR_OK);
    env_lock_release(second);
    test_fail_alloc(1);
    assert_int_equal(env_lock_take(env, path, &second, &ec), ERR_NO_MEMORY);
    test_fail_alloc_end();
    assert_int_equal(env_lock_take(env, "/proc/none/lock", &second, &ec), ERR_NOT_FOUND);
    close(ready[0]);
    close(ready[1]);
    env_destroy(env);
}

TEST(linux_log_goes_to_standard_error_with_the_wall_clock)
{
    struct env *env = new_env();
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int stderr_before = dup(2);
    dup2(ends[1], 2);
    LOG_INFO("env.tested", KV_U64("n", 1));
    dup2(stderr_before, 2);
    close(stderr_before);
    close(ends[1]);
    char line[200] = {0};
    assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
    close(ends[0]);
    assert_non_null(strstr(line, "Z INFO env.tested n=1\n"));
    assert_memory_equal(line, "20", 2);
    env_destroy(env);
}
