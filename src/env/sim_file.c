/*
 * Simulated files: the entries of the table. Each checks the handle, counts the operation
 * (sim_begin), then changes the disk. A handle of a process that was killed is void: ERR_STOPPED.
 */
#include <errno.h>
#include <string.h>

#include "core/mem.h"
#include "env/sim_int.h"

struct sim_file {
    struct env_file base;
    struct sim *w;
    uint64_t generation;
    uint32_t inode;
    unsigned flags;
    char *path;
};

static struct sim_file *file_of(struct env_file *f)
{
    return CONTAINER_OF(f, struct sim_file, base);
}

enum err sim_inode_open(struct sim *w, const char *path, unsigned flags, uint32_t *out,
                        struct ectx *ec)
{
    enum err e = sim_begin(w, ENV_SIM_OPEN, path, flags, 0, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (w->open_files >= w->open_files_limit) {
        return sim_errno(ec, EMFILE, "open", path);
    }
    struct sim_path at;
    int error = sim_path_find(&w->disk, path, &at);
    if (error == 0 && at.inode == SIM_NO_INODE && (flags & ENV_CREATE) == 0) {
        error = ENOENT;
    } else if (error == 0 && at.inode != SIM_NO_INODE) {
        bool exclusive = (flags & ENV_CREATE) != 0 && (flags & ENV_EXCLUSIVE) != 0;
        error = exclusive ? EEXIST : sim_inode(&w->disk, at.inode)->is_dir ? EISDIR : 0;
    }
    if (error != 0) {
        return sim_errno(ec, error, "open", path);
    }
    if (at.inode == SIM_NO_INODE) {
        at.inode = sim_inode_new(&w->disk, false);
        sim_link(&w->disk, at.dir, at.leaf, at.inode);
    }
    w->disk.slots[at.inode].handles++;
    w->open_files++;
    *out = at.inode;
    return ERR_OK;
}

void sim_inode_close(struct sim *w, uint32_t inode)
{
    sim_view_put_back(w);
    w->open_files--;
    w->disk.slots[inode].handles--;
    sim_inode_release(&w->disk, inode);
}

enum err sim_file_open(struct env *env, const char *path, unsigned flags, struct env_file **out,
                       struct ectx *ec)
{
    struct sim *w = sim_of(env);
    struct sim_file *f = mem_new(struct sim_file);
    char *path_copy = str_dup_z(str_of(path));
    enum err e = f == NULL || path_copy == NULL
                     ? ectx_fail(ec, ERR_NO_MEMORY, "could not open '%s': out of memory", path)
                     : sim_inode_open(w, path, flags, &f->inode, ec);
    if (e != ERR_OK) {
        mem_free(path_copy);
        mem_free(f);
        return e;
    }
    f->base.ops = &sim_ops;
    f->w = w;
    f->generation = w->generation;
    f->flags = flags;
    f->path = path_copy;
    *out = &f->base;
    return ERR_OK;
}

void sim_file_close(struct env_file *file)
{
    struct sim_file *f = file_of(file);
    if (f->generation == f->w->generation) {
        sim_inode_close(f->w, f->inode);
    }
    mem_free(f->path);
    mem_free(f);
}

bool sim_file_is_direct(const struct env_file *file)
{
    const struct sim_file *f = (const struct sim_file *)(const void *)file;
    return (f->flags & ENV_DIRECT) != 0;
}

const char *sim_file_path(const struct env_file *file)
{
    const struct sim_file *f = (const struct sim_file *)(const void *)file;
    return f->path;
}

static bool aligned(const struct sim_file *f, uint64_t offset, size_t n, const void *p)
{
    return (f->flags & ENV_DIRECT) == 0 ||
           (offset % ENV_BLOCK == 0 && n % ENV_BLOCK == 0 && (uintptr_t)p % ENV_BLOCK == 0);
}

/* The handle is alive and may do this; then the operation is counted. */
static enum err file_begin(struct sim_file *f, enum env_sim_op op, unsigned need, uint64_t offset,
                           uint64_t n, struct ectx *ec)
{
    if (f->generation != f->w->generation) {
        return sim_alive(f->w, f->generation, f->path, ec);
    }
    if (need != 0 && (f->flags & need) == 0) {
        return sim_errno(ec, EBADF, need == ENV_WRITE ? "write" : "read", f->path);
    }
    if (offset > SIM_FILE_MAX || n > SIM_FILE_MAX - offset) {
        return sim_errno(ec, EFBIG, "reach so far into", f->path);
    }
    return sim_begin(f->w, op, f->path, offset, n, ec);
}

/* ---- Reading ---- */

static bool coin(void *ctx)
{
    return sim_rng_chance(ctx, 1, 2);
}

enum err sim_file_pread(struct env_file *file, void *p, size_t n, uint64_t offset, size_t *got,
                        struct ectx *ec)
{
    struct sim_file *f = file_of(file);
    if (!aligned(f, offset, n, p)) {
        return sim_errno(ec, EINVAL, "read directly from", f->path);
    }
    enum err e = file_begin(f, ENV_SIM_READ, ENV_READ, offset, n, ec);
    if (e != ERR_OK) {
        return e;
    }
    if ((f->flags & ENV_DIRECT) != 0) {
        sim_file_reread(&f->w->disk, f->inode, offset, n, coin, &f->w->rng_disk);
    }
    const struct sim_inode *ino = sim_inode(&f->w->disk, f->inode);
    uint64_t left = offset < ino->now_size ? ino->now_size - offset : 0;
    size_t take = left < n ? (size_t)left : n;
    sim_tree_read(&ino->now, offset, p, take);
    *got = take;
    return ERR_OK;
}

/* What is in memory is drawn: every caller must cope with ERR_AGAIN and with less than it asked
 * for. */
enum err sim_file_pread_cached(struct env_file *file, void *p, size_t n, uint64_t offset,
                               size_t *got, struct ectx *ec)
{
    struct sim_file *f = file_of(file);
    struct sim_rng *rng = &f->w->rng_sched;
    if (f->w->cold || sim_rng_chance(rng, 1, 4)) {
        enum err e = sim_alive(f->w, f->generation, f->path, ec);
        return e != ERR_OK ? e
                           : ectx_fail(ec, ERR_AGAIN, "'%s' at %llu is not in memory", f->path,
                                       (unsigned long long)offset);
    }
    if (n > ENV_BLOCK && (f->flags & ENV_DIRECT) == 0 && sim_rng_chance(rng, 1, 4)) {
        n = (size_t)(1 + sim_rng_below(rng, n));
    }
    return sim_file_pread(file, p, n, offset, got, ec);
}

bool sim_file_peek(struct env_file *file, void *p, size_t n, uint64_t offset)
{
    struct sim_file *f = file_of(file);
    if (f->generation != f->w->generation || f->w->is_cut || f->w->cold ||
        (f->flags & ENV_DIRECT) != 0 || sim_rng_chance(&f->w->rng_sched, 1, 4)) {
        return false;
    }
    const struct sim_inode *ino = sim_inode(&f->w->disk, f->inode);
    if (offset > ino->now_size || n > ino->now_size - offset) {
        return false;
    }
    sim_tree_read(&ino->now, offset, p, n);
    return true;
}

enum err sim_file_size(struct env_file *file, uint64_t *out, struct ectx *ec)
{
    struct sim_file *f = file_of(file);
    enum err e = sim_alive(f->w, f->generation, f->path, ec);
    if (e == ERR_OK) {
        *out = sim_inode(&f->w->disk, f->inode)->now_size;
    }
    return e;
}

void sim_file_drop_cache(struct env_file *file, uint64_t offset, uint64_t n)
{
    struct sim_file *f = file_of(file);
    if (f->generation != f->w->generation || f->w->is_cut || offset >= SIM_FILE_MAX) {
        return;
    }
    sim_view_put_back(f->w);
    uint64_t most = SIM_FILE_MAX - offset;
    sim_file_reread(&f->w->disk, f->inode, offset, n == 0 || n > most ? most : n, coin,
                    &f->w->rng_disk);
}

/* ---- Writing ---- */

static uint64_t free_pages(const struct sim *w)
{
    if (w->cfg.disk_bytes == 0) {
        return UINT64_MAX;
    }
    uint64_t all = w->cfg.disk_bytes / SIM_PAGE;
    return all > w->disk.used_pages ? all - w->disk.used_pages : 0;
}

/* How many of the n bytes there is room for. */
static size_t writable(const struct sim *w, uint32_t inode, uint64_t offset, size_t n)
{
    uint64_t room = free_pages(w);
    const struct sim_tree *t = &sim_inode(&w->disk, inode)->now;
    if (sim_tree_holes(t, offset, n) <= room) {
        return n;
    }
    uint64_t at = offset;
    while (at < offset + n) {
        uint64_t hole = sim_tree_holes(t, at, 1);
        if (hole > room) {
            break;
        }
        room -= hole;
        at = (at / SIM_PAGE + 1) * SIM_PAGE;
    }
    return (size_t)(at - offset);
}

/* One piece of memory with all of iov; *owned if it has to be freed. */
static const void *gather(const struct iovec *iov, int iov_count, size_t total, void **owned)
{
    *owned = NULL;
    if (iov_count == 1) {
        return iov[0].iov_base;
    }
    uint8_t *all = sim_alloc_raw(total);
    size_t at = 0;
    for (int i = 0; i < iov_count; i++) {
        if (iov[i].iov_len > 0) {
            memcpy(all + at, iov[i].iov_base, iov[i].iov_len);
            at += iov[i].iov_len;
        }
    }
    *owned = all;
    return all;
}

static enum err write_sync(struct sim_file *f, uint64_t offset, size_t n, struct ectx *ec)
{
    enum err e = sim_begin(f->w, ENV_SIM_SYNC, f->path, offset, n, ec);
    if (f->w->is_cut || f->w->device.hung > 0) {
        return e;
    }
    if (e != ERR_OK) {
        sim_file_doom_range(&f->w->disk, f->inode, offset, n);
        return e;
    }
    sim_file_sync_range(&f->w->disk, f->inode, offset, n);
    return ERR_OK;
}

static enum err write_all(struct sim_file *f, const void *p, size_t n, uint64_t offset,
                          struct ectx *ec)
{
    struct sim *w = f->w;
    enum err e = file_begin(f, ENV_SIM_WRITE, ENV_WRITE, offset, n, ec);
    if (e != ERR_OK &&
        (f->generation != w->generation || (f->flags & ENV_WRITE) == 0 || w->device.hung > 1)) {
        return e;
    }
    if (offset > SIM_FILE_MAX || n > SIM_FILE_MAX - offset) {
        return e;
    }
    size_t room = writable(w, f->inode, offset, n);
    if (e != ERR_OK) {
        size_t part = (size_t)sim_rng_below(&w->rng_disk, n + 1);
        part = part < room ? part : room;
        if ((f->flags & ENV_DIRECT) != 0) {
            part -= part % SIM_SECTOR;
        }
        sim_file_write(&w->disk, f->inode, offset, p, part);
        return e;
    }
    sim_file_write(&w->disk, f->inode, offset, p, room);
    if (room < n) {
        return sim_errno(ec, ENOSPC, "write", f->path);
    }
    uint64_t sum = 0;
    const uint8_t *bytes = p;
    for (size_t i = 0; i < n; i += i < 64 ? 1 : 61) { /* a sample: enough to notice another order */
        sum = sum * 31 + bytes[i];
    }
    sim_event(w, "data", sum, n);
    return (f->flags & ENV_DSYNC) != 0 && n > 0 ? write_sync(f, offset, n, ec) : ERR_OK;
}

enum err sim_file_pwritev(struct env_file *file, const struct iovec *iov, int iov_count,
                          uint64_t offset, struct ectx *ec)
{
    struct sim_file *f = file_of(file);
    size_t total = 0;
    for (int i = 0; i < iov_count; i++) {
        if (!aligned(f, offset, iov[i].iov_len, iov[i].iov_base)) {
            return sim_errno(ec, EINVAL, "write directly to", f->path);
        }
        total += iov[i].iov_len;
    }
    void *owned;
    const void *p = gather(iov, iov_count, total, &owned);
    enum err e = write_all(f, p, total, offset, ec);
    if (e != ERR_OK && (f->flags & ENV_DSYNC) != 0 && f->generation == f->w->generation &&
        f->w->device.hung == 0) {
        f->w->flush_failed = true;
    }
    sim_free(owned);
    return e;
}

enum err sim_file_datasync(struct env_file *file, struct ectx *ec)
{
    struct sim_file *f = file_of(file);
    if (f->generation == f->w->generation && f->w->flush_failed) {
        return env_flush_refused(ec, f->path);
    }
    enum err e = file_begin(f, ENV_SIM_SYNC, 0, 0, 0, ec);
    if (f->generation != f->w->generation || f->w->device.hung > 0) {
        return e;
    }
    if (e != ERR_OK) {
        f->w->flush_failed = true;
        sim_file_doom(&f->w->disk, f->inode);
        return e;
    }
    sim_file_sync(&f->w->disk, f->inode);
    return ERR_OK;
}

enum err sim_file_allocate(struct env_file *file, uint64_t offset, uint64_t n, bool extend,
                           struct ectx *ec)
{
    struct sim_file *f = file_of(file);
    enum err e = file_begin(f, ENV_SIM_ALLOCATE, ENV_WRITE, offset, n, ec);
    if (e != ERR_OK) {
        return e;
    }
    const struct sim_inode *ino = sim_inode(&f->w->disk, f->inode);
    if (sim_tree_holes(&ino->now, offset, n) > free_pages(f->w)) {
        return sim_errno(ec, ENOSPC, "allocate space for", f->path);
    }
    sim_file_claim(&f->w->disk, f->inode, offset, n);
    if (extend && offset + n > sim_inode(&f->w->disk, f->inode)->now_size) {
        sim_file_resize(&f->w->disk, f->inode, offset + n);
    }
    return ERR_OK;
}

enum err sim_file_truncate(struct env_file *file, uint64_t size, struct ectx *ec)
{
    struct sim_file *f = file_of(file);
    enum err e = file_begin(f, ENV_SIM_TRUNCATE, ENV_WRITE, size, 0, ec);
    if (e == ERR_OK) {
        sim_file_resize(&f->w->disk, f->inode, size);
    }
    return e;
}
