/*
 * Files: open, read, write, flush. Reads and writes are positional, so a file may be used by
 * several threads at once.
 *
 * Surprises: a file system that refuses O_DIRECT may have created the file before it said so, so
 * the second attempt does not ask for exclusive creation again. A direct read that is not a
 * multiple of a block is the end of the file: going on would be refused, the offset is not aligned
 * any more. A write that failed in the background is told to one flush of an open file, once:
 * flushes of one file go one after the other, and after the first failure there are none.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/check.h"
#include "core/mem.h"
#include "env/linux_int.h"

#define CONTINUE_PIECES 64
#define PEEK_BYTES      4096 /* a read up to this is tried without a system call first */

static int open_flags(unsigned flags)
{
    bool both = (flags & (ENV_READ | ENV_WRITE)) == (ENV_READ | ENV_WRITE);
    int os = both ? O_RDWR : flags & ENV_WRITE ? O_WRONLY : O_RDONLY;
    os |= flags & ENV_CREATE ? O_CREAT : 0;
    os |= flags & ENV_EXCLUSIVE ? O_EXCL : 0;
    os |= flags & ENV_DIRECT ? O_DIRECT : 0;
    os |= flags & ENV_DSYNC ? O_DSYNC : 0;
    return os | O_CLOEXEC;
}

static int open_retried(const char *path, int os_flags)
{
    int fd;
    do {
        fd = open(path, os_flags, 0600);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

enum err linux_file_open(struct env *env, const char *path, unsigned flags, struct env_file **out,
                         struct ectx *ec)
{
    size_t path_size = strlen(path) + 1;
    struct linux_file *f = mem_zalloc(1, sizeof(*f) + path_size);
    if (f == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not open '%s': out of memory", path);
    }
    f->base.ops = &linux_ops;
    memcpy(f->path, path, path_size);
    int os_flags = open_flags(flags);
    f->direct = (flags & ENV_DIRECT) != 0;
    f->dsync = (flags & ENV_DSYNC) != 0;
    f->fd = open_retried(path, os_flags);
    if (f->fd < 0 && errno == EINVAL && f->direct) {
        f->direct = false;
        f->fd = open_retried(path, os_flags & ~(O_DIRECT | O_EXCL));
    }
    if (f->fd < 0) {
        enum err e = linux_fail(ec, errno, "open", path);
        mem_free(f);
        return e;
    }
    f->env = linux_env_of(env);
    CHECK(pthread_mutex_init(&f->flushing, NULL) == 0); /* Linux: it cannot fail */
    linux_view_init(f);
    *out = &f->base;
    return ERR_OK;
}

void linux_file_close(struct env_file *file)
{
    struct linux_file *f = linux_file_of(file);
    linux_view_deinit(f);
    close(f->fd);
    pthread_mutex_destroy(&f->flushing);
    mem_free(f);
}

bool linux_file_is_direct(const struct env_file *f)
{
    return linux_file_of(f)->direct;
}

const char *linux_file_path(const struct env_file *f)
{
    return linux_file_of(f)->path;
}

enum err linux_file_pread(struct env_file *file, void *p, size_t n, uint64_t offset, size_t *got,
                          struct ectx *ec)
{
    struct linux_file *f = linux_file_of(file);
    size_t done = 0;
    while (done < n) {
        ssize_t part = pread(f->fd, (uint8_t *)p + done, n - done, (off_t)(offset + done));
        if (part < 0) {
            if (errno == EINTR) {
                continue;
            }
            return linux_fail(ec, errno, "read", f->path);
        }
        done += (size_t)part;
        if (part == 0 || (f->direct && done % ENV_BLOCK != 0)) {
            break;
        }
    }
    *got = done;
    return ERR_OK;
}

enum err linux_file_pread_cached(struct env_file *file, void *p, size_t n, uint64_t offset,
                                 size_t *got, struct ectx *ec)
{
    struct linux_file *f = linux_file_of(file);
    struct iovec piece = {.iov_base = p, .iov_len = n};
    if (n <= PEEK_BYTES && linux_file_peek(file, p, n, offset)) {
        *got = n;
        return ERR_OK;
    }
    while (!f->no_nowait) {
        ssize_t part = preadv2(f->fd, &piece, 1, (off_t)offset, RWF_NOWAIT);
        if (part >= 0) {
            *got = (size_t)part;
            linux_view_note(f, offset, *got);
            return ERR_OK;
        }
        if (errno == EAGAIN) {
            return ERR_AGAIN;
        }
        if (errno == EOPNOTSUPP || errno == ENOSYS) {
            f->no_nowait = true;
        } else if (errno != EINTR) {
            return linux_fail(ec, errno, "read", f->path);
        }
    }
    return linux_file_pread(file, p, n, offset, got, ec);
}

/* Writes from byte `skip` of iov[0] on, as much as one call takes; returns what pwritev does. */
static ssize_t write_some(int fd, const struct iovec *iov, int iov_count, size_t skip,
                          uint64_t offset)
{
    if (skip == 0) {
        return pwritev(fd, iov, iov_count < IOV_MAX ? iov_count : IOV_MAX, (off_t)offset);
    }
    /* After a short write: iov is the caller's, so its first pieces are copied to be changed. */
    struct iovec copy[CONTINUE_PIECES];
    int n = iov_count < CONTINUE_PIECES ? iov_count : CONTINUE_PIECES;
    memcpy(copy, iov, (size_t)n * sizeof(*iov));
    copy[0].iov_base = (uint8_t *)copy[0].iov_base + skip;
    copy[0].iov_len -= skip;
    return pwritev(fd, copy, n, (off_t)offset);
}

static enum err write_failed(struct linux_file *f, int errno_value, struct ectx *ec)
{
    if (f->dsync) {
        f->env->flush_failed = true;
    }
    return linux_fail(ec, errno_value, "write", f->path);
}

enum err linux_file_pwritev(struct env_file *file, const struct iovec *iov, int iov_count,
                            uint64_t offset, struct ectx *ec)
{
    struct linux_file *f = linux_file_of(file);
    size_t skip = 0; /* bytes of iov[0] that are written */
    for (;;) {
        while (iov_count > 0 && skip >= iov->iov_len) {
            skip -= iov->iov_len;
            iov++;
            iov_count--;
        }
        if (iov_count == 0) {
            return ERR_OK;
        }
        ssize_t part = write_some(f->fd, iov, iov_count, skip, offset);
        if (part < 0) {
            if (errno == EINTR) {
                continue;
            }
            return write_failed(f, errno, ec);
        }
        if (part == 0) {
            return write_failed(f, EIO, ec);
        }
        offset += (size_t)part;
        skip += (size_t)part;
    }
}

enum err linux_flush(struct linux_env *env, pthread_mutex_t *lock, int fd, int (*flush)(int fd),
                     const char *path, struct ectx *ec)
{
    int failure = 0;
    pthread_mutex_lock(lock);
    while (failure == 0 && !env->flush_failed && flush(fd) != 0) {
        failure = errno == EINTR ? 0 : errno;
    }
    if (failure != 0) {
        env->flush_failed = true;
    }
    /* Asked again: the failure may have come meanwhile, through another handle of the same file. */
    const bool refused = failure == 0 && env->flush_failed;
    pthread_mutex_unlock(lock);
    if (refused) {
        return env_flush_refused(ec, path);
    }
    return failure == 0 ? ERR_OK : linux_fail(ec, failure, "flush", path);
}

enum err linux_file_datasync(struct env_file *file, struct ectx *ec)
{
    struct linux_file *f = linux_file_of(file);
    return linux_flush(f->env, &f->flushing, f->fd, fdatasync, f->path, ec);
}

enum err linux_file_truncate(struct env_file *file, uint64_t size, struct ectx *ec)
{
    struct linux_file *f = linux_file_of(file);
    while (ftruncate(f->fd, (off_t)size) != 0) {
        if (errno != EINTR) {
            return linux_fail(ec, errno, "set the size of", f->path);
        }
    }
    linux_view_cut(f, size);
    return ERR_OK;
}

enum err linux_file_size(struct env_file *file, uint64_t *out, struct ectx *ec)
{
    struct linux_file *f = linux_file_of(file);
    struct stat st;
    if (fstat(f->fd, &st) != 0) {
        return linux_fail(ec, errno, "ask for the size of", f->path);
    }
    *out = (uint64_t)st.st_size;
    return ERR_OK;
}

void linux_file_drop_cache(struct env_file *file, uint64_t offset, uint64_t n)
{
    /* What is mapped would stay. */
    linux_view_forget(linux_file_of(file));
    /* A hint: when it is refused, reads are only slower or faster. */
    (void)posix_fadvise(linux_file_of(file)->fd, (off_t)offset, (off_t)n, POSIX_FADV_DONTNEED);
}
