/* Names and folders. Folders are created with mode 0700: what is in them is data of the owner only.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "env/linux_int.h"

enum err linux_rename(struct env *env, const char *from, const char *to, struct ectx *ec)
{
    (void)env;
    if (rename(from, to) != 0) {
        enum err e = linux_fail(ec, errno, "rename", from);
        return e;
    }
    return ERR_OK;
}

enum err linux_unlink(struct env *env, const char *path, struct ectx *ec)
{
    (void)env;
    return unlink(path) == 0 ? ERR_OK : linux_fail(ec, errno, "remove", path);
}

enum err linux_dir_make(struct env *env, const char *path, struct ectx *ec)
{
    (void)env;
    return mkdir(path, 0700) == 0 ? ERR_OK : linux_fail(ec, errno, "create the folder", path);
}

enum err linux_dir_remove(struct env *env, const char *path, struct ectx *ec)
{
    (void)env;
    return rmdir(path) == 0 ? ERR_OK : linux_fail(ec, errno, "remove the folder", path);
}

/* Opens `path` for a flush, flushes it, closes it. */
static enum err open_and_flush(struct env *base, const char *path, int flags, int (*flush)(int fd),
                               struct ectx *ec)
{
    struct linux_env *env = linux_env_of(base);
    int fd;
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return linux_fail(ec, errno, "open", path);
    }
    enum err e = linux_flush(env, &env->folders, fd, flush, path, ec);
    close(fd);
    return e;
}

enum err linux_dir_sync(struct env *env, const char *path, struct ectx *ec)
{
    return open_and_flush(env, path, O_DIRECTORY, fsync, ec);
}

enum err linux_fs_sync(struct env *env, const char *path, struct ectx *ec)
{
    return open_and_flush(env, path, 0, syncfs, ec);
}

static bool entry_is_dir(DIR *d, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

enum err linux_dir_list(struct env *env, const char *path,
                        bool (*fn)(void *ctx, const char *name, bool is_dir), void *ctx,
                        struct ectx *ec)
{
    (void)env;
    DIR *d = opendir(path);
    if (d == NULL) {
        return linux_fail(ec, errno, "list", path);
    }
    enum err e = ERR_OK;
    for (;;) {
        errno = 0; /* readdir's NULL is the end or an error; only errno tells */
        const struct dirent *entry = readdir(d);
        if (entry == NULL) {
            e = errno == 0 ? ERR_OK : linux_fail(ec, errno, "list", path);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (!fn(ctx, entry->d_name, entry_is_dir(d, entry))) {
            break;
        }
    }
    closedir(d);
    return e;
}

enum err linux_stat(struct env *env, const char *path, struct env_stat *out, struct ectx *ec)
{
    (void)env;
    struct stat st;
    if (stat(path, &st) != 0) {
        return linux_fail(ec, errno, "look at", path);
    }
    *out = (struct env_stat){
        .is_dir = S_ISDIR(st.st_mode),
        .size = (uint64_t)st.st_size,
        .allocated_bytes = (uint64_t)st.st_blocks * 512, /* whatever the file system's block is */
        .uid = st.st_uid,
        .mode = st.st_mode & 07777,
    };
    return ERR_OK;
}

enum err linux_fs_space(struct env *env, const char *path, uint64_t *free_bytes,
                        uint64_t *total_bytes, struct ectx *ec)
{
    (void)env;
    struct statvfs fs;
    while (statvfs(path, &fs) != 0) {
        if (errno != EINTR) {
            return linux_fail(ec, errno, "ask for the free space under", path);
        }
    }
    *free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize; /* without what is kept for root */
    *total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    return ERR_OK;
}
