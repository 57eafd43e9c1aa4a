/*
 * The Linux world: its table, its start and end, clocks, randomness, and what the process knows of
 * itself.
 *
 * env_linux_create changes the process: SIGPIPE and SIGXFSZ are ignored (both come back as errors
 * of the call), SIGBUS of a mapped file is caught (linux_view.c), the soft limit of open files is
 * raised to the hard one, and core/log writes to standard error with the wall clock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "env/linux_int.h"

#define NS_PER_S 1000000000u

enum err linux_fail(struct ectx *ec, int errno_value, const char *what, const char *path)
{
    char reason[128];
    const char *text = strerror_r(errno_value, reason, sizeof(reason));
    enum err e = err_of_errno(errno_value);
    (void)ectx_fail(ec, e, "could not %s '%s': %s", what, path, text);
    if (e == ERR_NO_SPACE) {
        ectx_hint(ec, "free space on this file system, or raise the quota");
    } else if (e == ERR_NO_DESCRIPTORS) {
        ectx_hint(ec, "raise the limit of open files (ulimit -n)");
    } else if (e == ERR_PERMISSION) {
        ectx_hint(ec, "check the owner and the permissions of the path");
    }
    return e;
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t linux_mono_ns(struct env *env)
{
    (void)env;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t linux_wall_ms(struct env *env)
{
    (void)env;
    struct timespec t;
    CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t linux_cpu_ns(struct env *env)
{
    (void)env;
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static void linux_random(struct env *env, void *out, size_t n)
{
    (void)env;
    uint8_t *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            /* With valid arguments the kernel has no other answer. */
            CHECK(errno == EINTR);
            continue;
        }
        p += got;
        n -= (size_t)got;
    }
}

static void linux_sleep_ns(struct env *env, uint64_t ns)
{
    (void)env;
    struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static uint64_t linux_rss_bytes(struct env *env, uint64_t *files)
{
    (void)env;
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0) {
        close(fd);
    }
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t pages;
    uint64_t shared;
    struct str rest;
    *files = 0;
    /* "size resident shared ...", in pages */
    (void)str_cut(str_make(text, n < 0 ? 0 : (size_t)n), ' ', &rest);
    if (!str_to_u64(str_cut(rest, ' ', &rest), &pages)) {
        return 0;
    }
    if (str_to_u64(str_cut(rest, ' ', &rest), &shared)) {
        *files = shared * page;
    }
    return pages * page;
}

static uint64_t linux_open_files(struct env *env)
{
    (void)env;
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL) {
        return 0;
    }
    uint64_t n = 0;
    for (const struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d)) {
        n += entry->d_name[0] != '.' ? 1 : 0;
    }
    closedir(d);
    return n - 1; /* the descriptor that reads the folder */
}

static uint64_t linux_open_files_limit(struct env *env)
{
    return linux_env_of(env)->open_files_limit;
}

static void log_line(void *ctx, const char *line, size_t n)
{
    (void)ctx;
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, line, n);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return; /* where would we say that the log cannot be written? */
        }
        line += done;
        n -= (size_t)done;
    }
}

static uint64_t log_clock(void *ctx)
{
    int64_t ms = linux_wall_ms(ctx);
    return ms < 0 ? 0 : (uint64_t)ms;
}

static uint64_t raise_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

enum err env_linux_create(struct env **out, struct ectx *ec)
{
    struct linux_env *env = mem_new(struct linux_env);
    if (env == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not start: out of memory");
    }
    env->base.ops = &linux_ops;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    linux_view_start();
    env->open_files_limit = raise_open_files();
    CHECK(pthread_mutex_init(&env->folders, NULL) == 0); /* Linux: it cannot fail */
    log_set_sink(log_line, log_clock, &env->base);
    *out = &env->base;
    return ERR_OK;
}

static void linux_destroy(struct env *env)
{
    log_set_sink(NULL, NULL, NULL);
    pthread_mutex_destroy(&linux_env_of(env)->folders);
    mem_free(linux_env_of(env));
}

const struct env_ops linux_ops = {
    .destroy = linux_destroy,
    .mono_ns = linux_mono_ns,
    .wall_ms = linux_wall_ms,
    .random = linux_random,
    .sleep_ns = linux_sleep_ns,
    .file_open = linux_file_open,
    .file_close = linux_file_close,
    .file_is_direct = linux_file_is_direct,
    .file_path = linux_file_path,
    .file_pread = linux_file_pread,
    .file_pread_cached = linux_file_pread_cached,
    .file_peek = linux_file_peek,
    .file_soon = linux_file_soon,
    .file_pwritev = linux_file_pwritev,
    .file_datasync = linux_file_datasync,
    .file_allocate = linux_file_allocate,
    .file_truncate = linux_file_truncate,
    .file_size = linux_file_size,
    .file_drop_cache = linux_file_drop_cache,
    .rename = linux_rename,
    .unlink = linux_unlink,
    .dir_make = linux_dir_make,
    .dir_remove = linux_dir_remove,
    .dir_sync = linux_dir_sync,
    .dir_list = linux_dir_list,
    .stat = linux_stat,
    .fs_sync = linux_fs_sync,
    .fs_space = linux_fs_space,
    .lock_take = linux_lock_take,
    .lock_release = linux_lock_release,
    .thread_start = linux_thread_start,
    .thread_join = linux_thread_join,
    .mutex_create = linux_mutex_create,
    .mutex_destroy = linux_mutex_destroy,
    .mutex_lock = linux_mutex_lock,
    .mutex_unlock = linux_mutex_unlock,
    .cond_create = linux_cond_create,
    .cond_destroy = linux_cond_destroy,
    .cond_wait = linux_cond_wait,
    .cond_wait_ns = linux_cond_wait_ns,
    .cond_signal = linux_cond_signal,
    .cond_broadcast = linux_cond_broadcast,
    .job_submit = linux_job_submit,
    .job_pending = linux_job_pending,
    .poll_create = linux_poll_create,
    .poll_destroy = linux_poll_destroy,
    .poll_add = linux_poll_add,
    .poll_change = linux_poll_change,
    .poll_remove = linux_poll_remove,
    .poll_run = linux_poll_run,
    .poll_post = linux_poll_post,
    .poll_is_here = linux_poll_is_here,
    .poll_on_signal = linux_poll_on_signal,
    .listen = linux_listen,
    .accept = linux_accept,
    .connect = linux_connect,
    .recv = linux_recv,
    .sendv = linux_sendv,
    .sock_shut = linux_sock_shut,
    .sock_close = linux_sock_close,
    .sock_local = linux_sock_local,
    .rss_bytes = linux_rss_bytes,
    .cpu_ns = linux_cpu_ns,
    .open_files = linux_open_files,
    .open_files_limit = linux_open_files_limit,
};
