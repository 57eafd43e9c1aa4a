/*
 * The data directory: lock, meta file, free space and the reserve file.
 *
 * The meta file says "ready" only after the first start was completed (log created, first image
 * durable); until then nothing was ever acknowledged, and the next start begins from scratch.
 * Without a meta file a directory must be empty: files of a data directory without their meta file
 * are damage, never overwritten.
 *
 * The reserve is claimed space that is given back when packing meets a full disk: what was
 * acknowledged can then still be brought to its place.
 */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "store/store_int.h"

void store_path(const char *dir, const char *name, char *out)
{
    (void)snprintf(out, STORE_PATH_MAX, "%s/%s", dir, name);
}

struct listing {
    bool ours;    /* checkpoints, log or segments are there */
    bool foreign; /* something that we did not make */
    char name[256];
};

static bool list_one(void *ctx, const char *name, bool is_dir)
{
    struct listing *l = ctx;
    if (strcmp(name, "wal") == 0 || strcmp(name, "checkpoint-a") == 0 ||
        strcmp(name, "checkpoint-b") == 0 || strcmp(name, "set-aside") == 0) {
        l->ours = true;
    } else if (strcmp(name, "lock") != 0 && strcmp(name, "topics") != 0 &&
               strcmp(name, "derived") != 0 && strcmp(name, "meta.tmp") != 0 &&
               strcmp(name, "meta") != 0 && strcmp(name, "reserve") != 0 &&
               strcmp(name, "owner.tmp") != 0 && strcmp(name, "lost+found") != 0 &&
               name[0] != '.') {
        l->foreign = true;
        (void)snprintf(l->name, sizeof(l->name), "%s%s", name, is_dir ? "/" : "");
    }
    return true;
}

static bool list_any(void *ctx, const char *name, bool is_dir)
{
    (void)name;
    (void)is_dir;
    *(bool *)ctx = true;
    return false;
}

/* Whether anything but what a first start leaves is there. */
static enum err dir_must_be_new(struct store *s, struct ectx *ec)
{
    struct listing l = {0};
    enum err e = env_dir_list(s->env, s->dir, list_one, &l, ec);
    if (e != ERR_OK) {
        return ectx_wrap(ec, e, "listing the data directory '%s'", s->dir);
    }
    bool segments = false;
    char topics[STORE_PATH_MAX];
    store_path(s->dir, "topics", topics);
    e = env_dir_list(s->env, topics, list_any, &segments, ec);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return ectx_wrap(ec, e, "listing '%s'", topics);
    }
    if (l.ours || segments) {
        e = ectx_fail(ec, ERR_DAMAGED, "'%s' holds data but its file 'meta' is missing", s->dir);
        ectx_hint(ec, "restore the file 'meta' from a backup; nothing was changed");
        return e;
    }
    if (l.foreign) {
        e = ectx_fail(ec, ERR_CONFIG, "'%s' is not a data directory: it holds '%s'", s->dir,
                      l.name);
        ectx_hint(ec, "name an empty or new directory");
        return e;
    }
    return ERR_OK;
}

enum err store_meta_read(struct env *env, const char *dir, struct meta *out, struct ectx *ec)
{
    char path[STORE_PATH_MAX];
    store_path(dir, "meta", path);
    struct env_file *f;
    enum err e = env_file_open(env, path, ENV_READ, &f, ec);
    if (e != ERR_OK) {
        return e;
    }
    uint8_t bytes[META_SIZE] = {0};
    size_t got = 0;
    e = env_file_pread(f, bytes, sizeof(bytes), 0, &got, ec);
    env_file_close(f);
    if (e != ERR_OK) {
        return ectx_wrap(ec, e, "reading '%s'", path);
    }
    struct meta m;
    if (got != sizeof(bytes) || !meta_decode(bytes, &m)) {
        e = ectx_fail(ec, ERR_DAMAGED, "'%s' failed its checksum", path);
        ectx_hint(ec, "restore this file from a backup; nothing was changed");
        return e;
    }
    if (m.version > FORMAT_VERSION) {
        e = ectx_fail(ec, ERR_VERSION, "'%s' has format version %u, this program knows up to %u",
                      dir, m.version, (unsigned)FORMAT_VERSION);
        ectx_hint(ec, "start it with the newer program that wrote it");
        return e;
    }
    *out = m;
    return ERR_OK;
}

static enum err meta_write(struct store *s, bool ready, struct ectx *ec)
{
    uint8_t bytes[META_SIZE];
    const struct meta m = {FORMAT_VERSION, ready, s->id, s->cfg.ring_file_bytes,
                           s->cfg.ring_file_count};
    meta_encode(&m, bytes);
    char aside[STORE_PATH_MAX], path[STORE_PATH_MAX];
    store_path(s->dir, "meta.tmp", aside);
    store_path(s->dir, "meta", path);
    struct env_file *f;
    /* A new file: of an old one whose flush failed nobody knows what a flush still writes. */
    struct ectx ignored;
    enum err e = env_unlink(s->env, aside, &ignored);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return ectx_fail(ec, e, "%s", ignored.text);
    }
    e = env_file_open(s->env, aside, ENV_WRITE | ENV_CREATE, &f, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = env_file_pwrite(f, bytes, sizeof(bytes), 0, ec);
    if (e == ERR_OK) {
        e = env_file_datasync(f, ec);
    }
    env_file_close(f);
    if (e == ERR_OK) {
        e = env_rename(s->env, aside, path, ec);
    }
    return e == ERR_OK ? env_dir_sync(s->env, s->dir, ec) : e;
}

static enum err explain(struct store *s, enum err e, struct ectx *ec)
{
    if (e == ERR_PERMISSION) {
        ectx_hint(ec, "start as the user that owns '%s', or change its owner", s->dir);
    } else if (e == ERR_READ_ONLY) {
        ectx_hint(ec, "the file system is mounted read-only; the data directory must be writable");
    } else if (e == ERR_IN_USE) {
        ectx_hint(ec, "stop the other process, or name another data directory");
    } else if (e == ERR_NO_SPACE) {
        ectx_hint(ec, "free some space on the file system of '%s'", s->dir);
    }
    return e;
}

/* Files of ours that another user owns would be half readable later: refuse at once. */
static enum err owner_check(struct store *s, struct ectx *ec)
{
    char probe[STORE_PATH_MAX], path[STORE_PATH_MAX];
    store_path(s->dir, "owner.tmp", probe);
    store_path(s->dir, "meta", path);
    struct env_file *f;
    struct env_stat mine, theirs;
    enum err e = env_file_open(s->env, probe, ENV_WRITE | ENV_CREATE, &f, ec);
    if (e != ERR_OK) {
        return e;
    }
    env_file_close(f);
    e = env_stat(s->env, probe, &mine, ec);
    if (e == ERR_OK) {
        e = env_stat(s->env, path, &theirs, ec);
    }
    const enum err gone = env_unlink(s->env, probe, ec);
    if (e != ERR_OK || gone != ERR_OK) {
        return e != ERR_OK ? e : gone;
    }
    if (mine.uid != theirs.uid) {
        return ectx_fail(ec, ERR_PERMISSION, "'%s' is owned by user %u, this process runs as %u",
                         path, theirs.uid, mine.uid);
    }
    return ERR_OK;
}

static enum err dir_make_durable(struct store *s, struct ectx *ec)
{
    enum err e = env_dir_make(s->env, s->dir, ec);
    if (e != ERR_OK && e != ERR_EXISTS) {
        return ectx_wrap(ec, e, "creating the data directory");
    }
    char parent[STORE_PATH_MAX];
    (void)snprintf(parent, sizeof(parent), "%s/..", s->dir);
    const char *slash = strrchr(s->dir, '/');
    if (slash == s->dir) {
        (void)snprintf(parent, sizeof(parent), "/");
    } else if (slash != NULL && slash[1] != '\0') {
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - s->dir), s->dir);
    } else if (slash == NULL) {
        (void)snprintf(parent, sizeof(parent), ".");
    }
    /* Not being allowed to sync the parent matters only if the folder is new. */
    const enum err made = e;
    e = env_dir_sync(s->env, parent, made == ERR_OK ? ec : NULL);
    return made == ERR_EXISTS && (e == ERR_PERMISSION || e == ERR_NOT_FOUND) ? ERR_OK : e;
}

enum err store_dir_open(struct store *s, struct ectx *ec)
{
    struct ectx ignored;
    struct env_stat st;
    enum err e = env_stat(s->env, s->dir, &st, &ignored);
    if (e == ERR_OK && !st.is_dir) {
        return ectx_fail(ec, ERR_CONFIG, "'%s' is not a directory", s->dir);
    }
    struct meta m = {0};
    enum err meta = ERR_NOT_FOUND;
    if (e == ERR_OK) {
        meta = store_meta_read(s->env, s->dir, &m, ec);
        if (meta != ERR_OK && meta != ERR_NOT_FOUND) {
            return explain(s, meta, ec);
        }
    } else if (e != ERR_NOT_FOUND) {
        return explain(
            s, ectx_wrap(ec, ectx_fail(ec, e, "%s", ignored.text), "opening '%s'", s->dir), ec);
    }
    char path[STORE_PATH_MAX];
    if (meta == ERR_NOT_FOUND || !m.ready) {
        e = dir_make_durable(s, ec);
        if (e != ERR_OK) {
            return explain(s, e, ec);
        }
    }
    store_path(s->dir, "lock", path);
    e = env_lock_take(s->env, path, &s->lock, ec);
    if (e != ERR_OK) {
        return explain(s, ectx_wrap(ec, e, "opening the data directory '%s'", s->dir), ec);
    }
    /* Again, now that nobody else can be in the middle of a first start. */
    meta = store_meta_read(s->env, s->dir, &m, ec);
    if (meta == ERR_OK) {
        s->id = m.id;
        if (m.ring_file_bytes != s->cfg.ring_file_bytes ||
            m.ring_file_count != s->cfg.ring_file_count) {
            LOG_INFO("store.ring_as_created", KV_U64("file_bytes", m.ring_file_bytes),
                     KV_U64("file_count", m.ring_file_count));
            s->cfg.ring_file_bytes = m.ring_file_bytes;
            s->cfg.ring_file_count = m.ring_file_count;
        }
    }
    if (meta == ERR_OK && m.ready) {
        /* A killed process may have renamed it without making that durable: what comes now builds
         * on it. */
        e = env_dir_sync(s->env, s->dir, ec);
        e = e == ERR_OK ? owner_check(s, ec) : e;
        return e == ERR_OK ? ERR_OK : explain(s, e, ec);
    }
    if (meta != ERR_OK && meta != ERR_NOT_FOUND) {
        return explain(s, meta, ec);
    }
    s->recovery.created = true;
    e = ERR_OK;
    if (meta == ERR_NOT_FOUND) {
        uint8_t random[16];
        env_random(s->env, random, sizeof(random));
        s->id = uuid_v4(random);
        e = dir_must_be_new(s, ec);
    }
    if (e == ERR_OK) {
        e = meta_write(
            s, false,
            ec); /* again, if a first start was cut off: the one that is seen may not be durable */
    }
    if (e == ERR_OK) {
        store_path(s->dir, "topics", path);
        e = env_dir_make(s->env, path, ec);
        e = e == ERR_EXISTS ? ERR_OK : e;
    }
    return e == ERR_OK ? ERR_OK : explain(s, ectx_wrap(ec, e, "creating a new data directory"), ec);
}

enum err store_dir_ready(struct store *s, struct ectx *ec)
{
    enum err e = env_dir_sync(s->env, s->dir, ec);
    return e == ERR_OK ? meta_write(s, true, ec) : e;
}

void store_dir_close(struct store *s)
{
    if (s->lock != NULL) {
        env_lock_release(s->lock);
        s->lock = NULL;
    }
}

/* ---- Space ---------------------------------------------------------------------------------- */

void store_reserve_make(struct store *s)
{
    char path[STORE_PATH_MAX];
    store_path(s->dir, "reserve", path);
    struct env_file *f;
    struct ectx ec;
    enum err e = env_file_open(s->env, path, ENV_WRITE | ENV_CREATE, &f, &ec);
    if (e == ERR_OK) {
        e = env_file_allocate(f, 0, s->reserve_bytes, true, &ec);
        env_file_close(f);
    }
    s->reserve_there = e == ERR_OK;
    if (e != ERR_OK) {
        IGNORE(env_unlink(s->env, path, NULL)); /* a part of it may have been claimed */
    }
}

void store_reserve_find(struct store *s)
{
    char path[STORE_PATH_MAX];
    store_path(s->dir, "reserve", path);
    struct env_stat st;
    s->reserve_there = env_stat(s->env, path, &st, NULL) == ERR_OK && st.allocated_bytes > 0;
}

bool store_reserve_release(struct store *s, const char *why)
{
    if (!s->reserve_there) {
        return false;
    }
    char path[STORE_PATH_MAX];
    store_path(s->dir, "reserve", path);
    s->reserve_there = false;
    s->out_of_space = true;
    const bool gone = env_unlink(s->env, path, NULL) == ERR_OK;
    LOG_WARN("store.reserve_released", KV_Z("because", why), KV_U64("bytes", s->reserve_bytes));
    return gone;
}

void store_space_took(struct store *s, uint64_t bytes)
{
    s->free_bytes -= bytes < s->free_bytes ? bytes : s->free_bytes;
    if (s->free_bytes < s->cfg.min_free_bytes && !s->out_of_space) {
        store_space_check(s);
    }
}

void store_space_check(struct store *s)
{
    uint64_t free_bytes, total;
    if (env_fs_space(s->env, s->dir, &free_bytes, &total, NULL) != ERR_OK) {
        return;
    }
    s->free_bytes = free_bytes;
    s->total_bytes = total;
    const bool low = free_bytes < s->cfg.min_free_bytes;
    if (!low && !s->reserve_there && free_bytes >= s->cfg.min_free_bytes + s->reserve_bytes) {
        store_reserve_make(s);
    }
    const bool out = low || !s->reserve_there;
    if (out != s->out_of_space) {
        s->out_of_space = out;
        if (out) {
            LOG_WARN("store.space_low", KV_U64("free_bytes", free_bytes),
                     KV_U64("needed_bytes",
                            s->cfg.min_free_bytes + (s->reserve_there ? 0 : s->reserve_bytes)));
        } else {
            LOG_INFO("store.space_back", KV_U64("free_bytes", free_bytes));
        }
    }
}
