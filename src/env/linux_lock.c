/*
 * The lock of a data folder: flock on a file that has the holder's pid in it, for the message to
 * the second one. The lock belongs to the open file, so it ends with the process however that ends,
 * and the pid of a dead holder does no harm. The file stays when the lock is released: removing it
 * would let two processes lock two files of the same name.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/mem.h"
#include "env/linux_int.h"

struct linux_lock {
    struct env_lock base;
    int fd;
};

static enum err in_use(int fd, const char *path, struct ectx *ec)
{
    char text[32];
    uint64_t pid;
    ssize_t n = pread(fd, text, sizeof(text), 0);
    if (n > 0 && str_to_u64(str_trim(str_make(text, (size_t)n)), &pid)) {
        (void)ectx_fail(ec, ERR_IN_USE, "could not lock '%s': in use by process %" PRIu64, path,
                        pid);
    } else {
        (void)ectx_fail(ec, ERR_IN_USE, "could not lock '%s': in use by another process", path);
    }
    ectx_hint(ec, "stop that process, or use another data folder");
    return ERR_IN_USE;
}

enum err linux_lock_take(struct env *env, const char *path, struct env_lock **out, struct ectx *ec)
{
    (void)env;
    struct linux_lock *lock = mem_new(struct linux_lock);
    if (lock == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not lock '%s': out of memory", path);
    }
    lock->base.ops = &linux_ops;
    enum err e = ERR_OK;
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock->fd < 0) {
        e = linux_fail(ec, errno, "open", path);
    } else if (flock(lock->fd, LOCK_EX | LOCK_NB) != 0) {
        e = errno == EWOULDBLOCK ? in_use(lock->fd, path, ec) : linux_fail(ec, errno, "lock", path);
    }
    if (e != ERR_OK) {
        if (lock->fd >= 0) {
            close(lock->fd);
        }
        mem_free(lock);
        return e;
    }
    char text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* On a full disk the pid is missing from a message; the lock holds all the same. */
    IGNORE(ftruncate(lock->fd, 0));
    IGNORE(pwrite(lock->fd, text, (size_t)n, 0));
    *out = &lock->base;
    return ERR_OK;
}

void linux_lock_release(struct env_lock *base)
{
    struct linux_lock *lock = CONTAINER_OF(base, struct linux_lock, base);
    IGNORE(ftruncate(lock->fd, 0));
    close(lock->fd);
    mem_free(lock);
}
