/* Simulated directories, file status, space and locks: the entries of the table. */
#include <errno.h>
#include <string.h>

#include "core/mem.h"
#include "env/sim_int.h"

/* The inode at `path`, which must be there. */
static enum err find(struct sim *w, const char *verb, const char *path, struct sim_path *out,
                     struct ectx *ec)
{
    int error = sim_path_find(&w->disk, path, out);
    if (error == 0 && out->inode == SIM_NO_INODE) {
        error = ENOENT;
    }
    return error == 0 ? ERR_OK : sim_errno(ec, error, verb, path);
}

enum err sim_dir_rename(struct env *env, const char *from, const char *to, struct ectx *ec)
{
    struct sim *w = sim_of(env);
    enum err e = sim_begin(w, ENV_SIM_RENAME, from, 0, 0, ec);
    if (e != ERR_OK) {
        return e;
    }
    sim_event(w, to, 0, 0);
    struct sim_path a, b;
    e = find(w, "rename", from, &a, ec);
    if (e != ERR_OK) {
        return e;
    }
    int error = sim_path_find(&w->disk, to, &b);
    const struct sim_inode *moved = sim_inode(&w->disk, a.inode);
    if (error == 0 && (a.dir == SIM_NO_INODE || b.dir == SIM_NO_INODE)) {
        error = EBUSY; /* the root */
    } else if (error == 0 && moved->is_dir && sim_dir_contains(&w->disk, a.inode, b.dir)) {
        error = EINVAL;
    } else if (error == 0 && b.inode != SIM_NO_INODE && b.inode != a.inode) {
        const struct sim_inode *there = sim_inode(&w->disk, b.inode);
        if (there->is_dir != moved->is_dir) {
            error = there->is_dir ? EISDIR : ENOTDIR;
        } else if (there->now_names.n > 0) {
            error = ENOTEMPTY;
        }
    }
    if (error != 0) {
        return sim_errno(ec, error, "rename a file to", to);
    }
    if (a.inode != b.inode) {
        sim_rename(&w->disk, a.inode, b.dir, b.leaf, b.inode);
    }
    return ERR_OK;
}

static enum err remove_name(struct sim *w, const char *path, bool dir, struct ectx *ec)
{
    enum err e = sim_begin(w, ENV_SIM_UNLINK, path, 0, dir, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct sim_path at;
    e = find(w, "remove", path, &at, ec);
    if (e != ERR_OK) {
        return e;
    }
    const struct sim_inode *ino = sim_inode(&w->disk, at.inode);
    int error = at.dir == SIM_NO_INODE ? EBUSY
                : !ino->is_dir && dir  ? ENOTDIR
                : ino->is_dir && !dir  ? EISDIR
                : ino->now_names.n > 0 ? ENOTEMPTY
                                       : 0;
    if (error != 0) {
        return sim_errno(ec, error, "remove", path);
    }
    sim_unlink(&w->disk, at.inode);
    return ERR_OK;
}

enum err sim_dir_unlink(struct env *env, const char *path, struct ectx *ec)
{
    return remove_name(sim_of(env), path, false, ec);
}

enum err sim_dir_remove(struct env *env, const char *path, struct ectx *ec)
{
    return remove_name(sim_of(env), path, true, ec);
}

enum err sim_dir_make(struct env *env, const char *path, struct ectx *ec)
{
    struct sim *w = sim_of(env);
    enum err e = sim_begin(w, ENV_SIM_MKDIR, path, 0, 0, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct sim_path at;
    int error = sim_path_find(&w->disk, path, &at);
    if (error == 0 && at.inode != SIM_NO_INODE) {
        error = EEXIST;
    }
    if (error != 0) {
        return sim_errno(ec, error, "make the folder", path);
    }
    uint32_t inode = sim_inode_new(&w->disk, true);
    sim_link(&w->disk, at.dir, at.leaf, inode);
    return ERR_OK;
}

static enum err find_dir(struct sim *w, const char *verb, const char *path, struct sim_path *out,
                         struct ectx *ec)
{
    enum err e = find(w, verb, path, out, ec);
    if (e == ERR_OK && !sim_inode(&w->disk, out->inode)->is_dir) {
        return sim_errno(ec, ENOTDIR, verb, path);
    }
    return e;
}

enum err sim_dir_sync(struct env *env, const char *path, struct ectx *ec)
{
    struct sim *w = sim_of(env);
    if (w->flush_failed) {
        return env_flush_refused(ec, path);
    }
    enum err fault = sim_begin(w, ENV_SIM_SYNC, path, 0, 0, ec);
    if (w->is_cut || w->device.hung > 0) {
        return fault;
    }
    /* Without a descriptor it could not even be opened: nothing was flushed, nothing is lost. */
    const bool unopened = fault == ERR_NO_DESCRIPTORS;
    w->flush_failed = fault != ERR_OK && !unopened;
    struct sim_path at;
    struct ectx found_ec = {.code = ERR_OK};
    enum err e = find_dir(w, "sync", path, &at, fault == ERR_OK ? ec : &found_ec);
    if (e != ERR_OK) {
        return fault == ERR_OK ? e : fault;
    }
    if (fault != ERR_OK) {
        if (!unopened) {
            sim_names_doom(&w->disk, at.inode);
        }
        return fault;
    }
    sim_names_sync(&w->disk, at.inode);
    return ERR_OK;
}

/* Entries are shown from a seeded place on, so that nobody comes to depend on their order. The
 * names are copied first: fn may create and remove files. */
enum err sim_dir_list(struct env *env, const char *path,
                      bool (*fn)(void *ctx, const char *name, bool is_dir), void *ctx,
                      struct ectx *ec)
{
    struct sim *w = sim_of(env);
    enum err e = sim_alive(w, w->generation, path, ec);
    struct sim_path at;
    if (e == ERR_OK) {
        e = find_dir(w, "list", path, &at, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    struct sim_entries all = {0};
    sim_entries_copy(&all, &sim_inode(&w->disk, at.inode)->now_names);
    bool *is_dir = sim_alloc(all.n * sizeof(*is_dir));
    for (size_t i = 0; i < all.n; i++) {
        is_dir[i] = sim_inode(&w->disk, all.e[i].id)->is_dir;
    }
    size_t start = all.n == 0 ? 0 : (size_t)sim_rng_below(&w->rng_sched, all.n);
    for (size_t i = 0; i < all.n; i++) {
        size_t k = (start + i) % all.n;
        if (!fn(ctx, all.e[k].name->text, is_dir[k])) {
            break;
        }
    }
    sim_free(is_dir);
    sim_entries_free(&all);
    return ERR_OK;
}

enum err sim_stat(struct env *env, const char *path, struct env_stat *out, struct ectx *ec)
{
    struct sim *w = sim_of(env);
    enum err e = sim_alive(w, w->generation, path, ec);
    struct sim_path at;
    if (e == ERR_OK) {
        e = find(w, "look at", path, &at, ec);
    }
    if (e == ERR_OK) {
        const struct sim_inode *ino = sim_inode(&w->disk, at.inode);
        *out = (struct env_stat){.is_dir = ino->is_dir,
                                 .size = ino->is_dir ? SIM_PAGE : ino->now_size,
                                 .allocated_bytes = ino->now.claimed_pages * SIM_PAGE,
                                 .mode = ino->is_dir ? 0700 : 0600};
    }
    return e;
}

enum err sim_fs_sync(struct env *env, const char *path, struct ectx *ec)
{
    struct sim *w = sim_of(env);
    if (w->flush_failed) {
        return env_flush_refused(ec, path);
    }
    enum err e = sim_begin(w, ENV_SIM_SYNC, path, 0, 0, ec);
    if (w->is_cut || w->device.hung > 0) {
        return e;
    }
    w->flush_failed = e != ERR_OK;
    for (uint32_t id = SIM_ROOT; id < w->disk.n; id++) {
        if (w->disk.slots[id].inode == NULL) {
            continue;
        }
        if (e == ERR_OK) {
            sim_file_sync(&w->disk, id);
        } else {
            sim_file_doom(&w->disk, id);
        }
    }
    if (e == ERR_OK) {
        sim_names_sync(&w->disk, SIM_NO_INODE);
    } else {
        sim_names_doom(&w->disk, SIM_NO_INODE);
    }
    return e;
}

enum err sim_fs_space(struct env *env, const char *path, uint64_t *free_bytes,
                      uint64_t *total_bytes, struct ectx *ec)
{
    struct sim *w = sim_of(env);
    enum err e = sim_alive(w, w->generation, path, ec);
    struct sim_path at;
    if (e == ERR_OK) {
        e = find(w, "look at", path, &at, ec);
    }
    if (e == ERR_OK) {
        uint64_t all = w->cfg.disk_bytes == 0 ? (uint64_t)1 << 50 : w->cfg.disk_bytes;
        uint64_t used = w->disk.used_pages * SIM_PAGE;
        *total_bytes = all;
        *free_bytes = all > used ? (all - used) / SIM_PAGE * SIM_PAGE : 0;
    }
    return e;
}

/* ---- Locks: a list of the world; a kill empties it, as the kernel does ---- */

struct sim_lock {
    struct env_lock base;
    struct sim *w;
    uint64_t generation;
    uint32_t inode;
    struct list link;
};

enum err sim_lock_take(struct env *env, const char *path, struct env_lock **out, struct ectx *ec)
{
    struct sim *w = sim_of(env);
    struct sim_lock *lock = mem_new(struct sim_lock);
    if (lock == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not lock '%s': out of memory", path);
    }
    enum err e = sim_inode_open(w, path, ENV_WRITE | ENV_CREATE, &lock->inode, ec);
    if (e != ERR_OK) {
        mem_free(lock);
        return e;
    }
    LIST_FOR_EACH (l, tmp, &w->locks) {
        if (CONTAINER_OF(l, struct sim_lock, link)->inode == lock->inode) {
            sim_inode_close(w, lock->inode);
            mem_free(lock);
            return ectx_fail(ec, ERR_IN_USE, "could not lock '%s': in use by process 1", path);
        }
    }
    lock->base.ops = &sim_ops;
    lock->w = w;
    lock->generation = w->generation;
    list_push_back(&w->locks, &lock->link);
    *out = &lock->base;
    return ERR_OK;
}

void sim_lock_release(struct env_lock *base)
{
    struct sim_lock *lock = CONTAINER_OF(base, struct sim_lock, base);
    list_remove(&lock->link);
    if (lock->generation == lock->w->generation) {
        sim_inode_close(lock->w, lock->inode);
    }
    mem_free(lock);
}
