/*
 * Claiming disk space. fallocate where the file system has it; else the blocks are claimed by
 * writing: holes inside the file and everything after its end become zeros, data stays.
 *
 * Without fallocate, space in a file that must not grow cannot be claimed: it may be written by
 * others at the same time, so no zeros go there, and all that can be done is to refuse when the
 * file system has less free space than was asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/mem.h"
#include "env/linux_int.h"

#define ZERO_BYTES (64u * 1024)

enum err linux_file_allocate(struct env_file *file, uint64_t offset, uint64_t n, bool extend,
                             struct ectx *ec)
{
    struct linux_file *f = linux_file_of(file);
    uint64_t before;
    if (n == 0) {
        return ERR_OK;
    }
    enum err e = linux_file_size(file, &before, ec);
    if (e != ERR_OK) {
        return e;
    }
    while (fallocate(f->fd, extend ? 0 : FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS) {
            return linux_file_allocate_by_writing(file, offset, n, extend, ec);
        }
        if (errno != EINTR) {
            e = linux_fail(ec, errno, "claim disk space for", f->path);
            uint64_t after;
            /* Some file systems grow the file as far as the space went. A claim that was not to
             * grow it has not, and writes at its end may have been under way meanwhile. */
            if (extend && linux_file_size(file, &after, NULL) == ERR_OK && after != before) {
                IGNORE(linux_file_truncate(file, before, NULL));
            }
            return e;
        }
    }
    return ERR_OK;
}

/* Writes zeros to [from, to). */
static enum err write_zeros(struct env_file *f, uint64_t from, uint64_t to, struct ectx *ec)
{
    uint8_t *zeros = mem_alloc_aligned(ENV_BLOCK, ZERO_BYTES);
    if (zeros == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not claim disk space for '%s': out of memory",
                         linux_file_path(f));
    }
    memset(zeros, 0, ZERO_BYTES);
    enum err e = ERR_OK;
    while (e == ERR_OK && from < to) {
        uint64_t part = to - from < ZERO_BYTES ? to - from : ZERO_BYTES;
        struct iovec piece = {.iov_base = zeros, .iov_len = (size_t)part};
        e = linux_file_pwritev(f, &piece, 1, from, ec);
        from += part;
    }
    mem_free(zeros);
    return e;
}

/* Writes zeros to the holes of [from, to), all of it below the end of the file. */
static enum err fill_holes(struct linux_file *f, uint64_t from, uint64_t to, struct ectx *ec)
{
    while (from < to) {
        off_t hole = lseek(f->fd, (off_t)from, SEEK_HOLE);
        if (hole < 0 && errno != ENXIO && errno != EINVAL) {
            return linux_fail(ec, errno, "look for holes in", f->path);
        }
        if (hole < 0 || (uint64_t)hole >= to) {
            return ERR_OK; /* EINVAL: a file system that does not know holes has none */
        }
        off_t data = lseek(f->fd, hole, SEEK_DATA);
        uint64_t end = data < 0 || (uint64_t)data > to ? to : (uint64_t)data;
        enum err e = write_zeros(&f->base, (uint64_t)hole, end, ec);
        if (e != ERR_OK) {
            return e;
        }
        from = end;
    }
    return ERR_OK;
}

static enum err check_free(struct linux_file *f, uint64_t n, struct ectx *ec)
{
    struct statvfs fs;
    if (fstatvfs(f->fd, &fs) != 0) {
        return linux_fail(ec, errno, "ask for the free space under", f->path);
    }
    if ((uint64_t)fs.f_bavail * fs.f_frsize < n) {
        return linux_fail(ec, ENOSPC, "claim disk space for", f->path);
    }
    return ERR_OK;
}

enum err linux_file_allocate_by_writing(struct env_file *file, uint64_t offset, uint64_t n,
                                        bool extend, struct ectx *ec)
{
    struct linux_file *f = linux_file_of(file);
    uint64_t before;
    uint64_t end;
    if (__builtin_add_overflow(offset, n, &end)) {
        return ectx_fail(ec, ERR_LIMIT, "could not claim disk space for '%s': beyond 2^64",
                         f->path);
    }
    if (!extend) {
        return check_free(f, n, ec); /* others may be writing there: no zeros */
    }
    enum err e = linux_file_size(file, &before, ec);
    if (e == ERR_OK) {
        e = fill_holes(f, offset, end < before ? end : before, ec);
    }
    if (e != ERR_OK || end <= before) {
        return e;
    }
    uint64_t from = offset > before ? offset : before;
    e = write_zeros(file, from, end, ec);
    if (e != ERR_OK) {
        IGNORE(linux_file_truncate(file, before, NULL));
    }
    return e;
}
