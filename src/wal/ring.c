/*
 * The ring's files. All are created, their blocks claimed and their size set, when a log is opened:
 * from then on no frame can fail for want of space, and no flush of a frame has to carry a change
 * of size. (If it did, a flush that failed could leave a size that only the page cache knows, and
 * later frames beyond it would be lost.)
 *
 * A block that was never written is about a third slower to write than one that was. `written` says
 * how far each file was; it is known from the position alone: on the ring's first turn the files
 * behind the tail were written.
 */
#include <stdio.h>

#include "core/mem.h"
#include "wal/wal_int.h"

#define PATH_BYTES 4096

enum err wal_ring_check(const struct wal_config *cfg, struct ectx *ec)
{
    if (cfg->file_bytes == 0 || cfg->file_bytes % ENV_BLOCK != 0 ||
        cfg->file_bytes > WAL_FILE_BYTES_MAX) {
        return ectx_fail(ec, ERR_CONFIG, "ring file size %u is not a multiple of %u up to %u",
                         cfg->file_bytes, ENV_BLOCK, WAL_FILE_BYTES_MAX);
    }
    if (cfg->file_count < 3 || cfg->file_count > WAL_FILES_MAX) {
        return ectx_fail(ec, ERR_CONFIG, "a ring of %u files: it takes 3 to %u", cfg->file_count,
                         WAL_FILES_MAX);
    }
    if (cfg->group_bytes == 0 || cfg->group_bytes > cfg->file_bytes / 4) {
        return ectx_fail(ec, ERR_CONFIG,
                         "a group of %u bytes in ring files of %u: at most a quarter",
                         cfg->group_bytes, cfg->file_bytes);
    }
    return ERR_OK;
}

/* The folder that holds `dir`; "." if the name has no slash. */
static void parent_of(const char *dir, char *out, size_t size)
{
    const char *slash = strrchr(dir, '/');
    if (slash == NULL) {
        snprintf(out, size, ".");
    } else if (slash == dir) {
        snprintf(out, size, "/");
    } else {
        snprintf(out, size, "%.*s", (int)(slash - dir), dir);
    }
}

static enum err make_dir(struct env *env, const char *dir, bool *made, struct ectx *ec)
{
    enum err e = env_dir_make(env, dir, ec);
    *made = e == ERR_OK;
    if (e == ERR_EXISTS) {
        return ERR_OK;
    }
    if (e != ERR_OK) {
        return e;
    }
    char parent[PATH_BYTES];
    parent_of(dir, parent, sizeof(parent));
    return env_dir_sync(env, parent, ec);
}

/* A start that fails leaves no files that never held anything. More than tidiness: after a failed
 * flush of the folder a later one may succeed without having written these names, so the next start
 * must make them anew. */
static void remove_empty(struct wal_ring *r, const char *dir, bool made)
{
    struct ectx ec;
    for (uint32_t i = 0; i < r->file_count; i++) {
        if (r->files[i] != NULL && r->fresh[i]) {
            IGNORE(env_unlink(r->env, env_file_path(r->files[i]), &ec) != ERR_OK);
        }
    }
    if (made) {
        IGNORE(env_dir_remove(r->env, dir, &ec) != ERR_OK);
    }
}

static enum err open_one(struct wal_ring *r, const char *dir, uint32_t i, bool writable,
                         struct ectx *ec)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof(path), "%s/ring-%03u", dir, i);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return ectx_fail(ec, ERR_LIMIT, "path too long: %s", dir);
    }
    unsigned flags = ENV_READ | ENV_DIRECT;
    if (writable) {
        flags |= ENV_WRITE | ENV_CREATE | ENV_DSYNC;
    }
    enum err e = env_file_open(r->env, path, flags, &r->files[i], ec);
    if (e == ERR_NOT_FOUND && !writable) {
        return ERR_OK;
    }
    uint64_t size = 0;
    if (e == ERR_OK) {
        e = env_file_size(r->files[i], &size, ec);
    }
    if (e == ERR_OK && size > r->file_bytes) {
        e = ectx_fail(ec, ERR_CONFIG,
                      "%s has %llu bytes, the ring's files are configured to have %u", path,
                      (unsigned long long)size, r->file_bytes);
        ectx_hint(ec,
                  "the ring's file size cannot be changed after the data directory was created");
    }
    if (e == ERR_OK && writable) {
        r->fresh[i] = size == 0;
        e = env_file_allocate(r->files[i], 0, r->file_bytes, true, ec);
        if (e == ERR_NO_SPACE) {
            ectx_hint(ec,
                      "the log needs %llu MiB for its ring; free some space on this file system",
                      (unsigned long long)(wal_ring_bytes(r) >> 20));
        }
    }
    return e;
}

/* Before anything is created: a log that silently lost a file would give its offsets again. */
static enum err check_existing(const struct wal_config *cfg, struct env *env, struct ectx *ec)
{
    for (uint32_t i = 0; i < cfg->file_count; i++) {
        char path[PATH_BYTES];
        struct env_stat st;
        (void)snprintf(path, sizeof(path), "%s/ring-%03u", cfg->dir, i);
        enum err e = env_stat(env, path, &st, ec);
        if (e == ERR_NOT_FOUND || (e == ERR_OK && st.size < cfg->file_bytes)) {
            e = ectx_fail(ec, ERR_DAMAGED, "'%s' is %s; it may hold acknowledged batches", path,
                          e == ERR_OK ? "too short" : "missing");
            ectx_hint(ec, "restore the data directory from a backup; nothing was changed");
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

/* Names, sizes, and whatever a writer that was killed left in a cache. Always: who made the files
 * may have been killed before this, and what recovery accepts counts only when it cannot be lost
 * any more. */
static enum err sync_everything(struct wal_ring *r, const char *dir, struct ectx *ec)
{
    enum err e = ERR_OK;
    for (uint32_t i = 0; e == ERR_OK && i < r->file_count; i++) {
        e = env_file_datasync(r->files[i], ec);
    }
    return e == ERR_OK ? env_dir_sync(r->env, dir, ec) : e;
}

enum err wal_ring_open(struct wal_ring *r, struct env *env, const struct wal_config *cfg,
                       bool writable, bool skip_sync, struct ectx *ec)
{
    *r =
        (struct wal_ring){.env = env, .file_bytes = cfg->file_bytes, .file_count = cfg->file_count};
    bool made = false;
    enum err e = writable && cfg->existing ? check_existing(cfg, env, ec) : ERR_OK;
    if (e != ERR_OK) {
        return e;
    }
    e = writable ? make_dir(env, cfg->dir, &made, ec) : ERR_OK;
    for (uint32_t i = 0; e == ERR_OK && i < cfg->file_count; i++) {
        e = open_one(r, cfg->dir, i, writable, ec);
    }
    if (e == ERR_OK && writable && !skip_sync) {
        e = sync_everything(r, cfg->dir, ec);
    }
    if (e != ERR_OK) {
        if (writable) {
            remove_empty(r, cfg->dir, made);
        }
        wal_ring_close(r);
        return ectx_wrap(ec, e, "opening the log's ring");
    }
    return ERR_OK;
}

void wal_ring_close(struct wal_ring *r)
{
    for (uint32_t i = 0; i < r->file_count; i++) {
        env_file_close(r->files[i]);
        r->files[i] = NULL;
    }
}

void wal_ring_written(struct wal_ring *r, uint64_t tail)
{
    uint64_t first = tail / r->file_bytes * r->file_bytes; /* of the tail's file */
    for (uint32_t i = 0; i < r->file_count; i++) {
        uint64_t at = (uint64_t)i * r->file_bytes;
        bool behind = tail >= wal_ring_bytes(r) || at < first;
        r->written[i] = behind ? r->file_bytes : at == first ? tail - first : 0;
    }
}

/* ---- Reading --------------------------------------------------------------------------------- */

void wal_reader_init(struct wal_reader *rd, struct wal_ring *ring)
{
    *rd = (struct wal_reader){.ring = ring};
}

/* A device reads twice as fast into one huge page as into 512 ordinary ones (measured: 2 GB/s and
 * 1), and it takes one fault instead of 512. */
static bool is_huge(size_t cap)
{
    return cap >= MEM_HUGE_PAGE;
}

static void reader_free(struct wal_reader *rd)
{
    if (is_huge(rd->cap)) {
        mem_free_huge(rd->buf, rd->cap);
    } else {
        mem_free(rd->buf);
    }
    rd->buf = NULL;
    rd->cap = 0;
}

void wal_reader_deinit(struct wal_reader *rd)
{
    reader_free(rd);
}

static enum err reader_grow(struct wal_reader *rd, size_t want, struct ectx *ec)
{
    if (want <= rd->cap) {
        return ERR_OK;
    }
    size_t cap = want;
    if (want > MEM_HUGE_PAGE / 2) {
        cap = (want + MEM_HUGE_PAGE - 1) / MEM_HUGE_PAGE * MEM_HUGE_PAGE;
    }
    uint8_t *p = is_huge(cap) ? mem_alloc_huge(cap) : mem_alloc_aligned(ENV_BLOCK, cap);
    if (p == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for %zu bytes to read the log", want);
    }
    reader_free(rd);
    rd->buf = p;
    rd->cap = cap;
    return ERR_OK;
}

enum err wal_reader_get(struct wal_reader *rd, uint64_t position, size_t n, size_t ahead,
                        const uint8_t **out, struct ectx *ec)
{
    if (position >= rd->at && position + n <= rd->at + rd->n) {
        *out = rd->buf + (position - rd->at);
        return ERR_OK;
    }
    struct wal_ring *r = rd->ring;
    uint64_t from = position - position % ENV_BLOCK;
    uint64_t to = wal_align_up(position + (n > ahead ? n : ahead), ENV_BLOCK);
    uint64_t end = wal_ring_file_end(r, position);
    to = to < end ? to : end;
    enum err e = reader_grow(rd, (size_t)(to - from), ec);
    if (e != ERR_OK) {
        return e;
    }
    rd->n = 0;
    struct env_file *f = r->files[wal_ring_file(r, position)];
    size_t got = 0;
    if (f != NULL) {
        e = env_file_pread(f, rd->buf, (size_t)(to - from), wal_ring_offset(r, from), &got, ec);
        if (e != ERR_OK) {
            return ectx_wrap(ec, e, "reading the log at position %llu",
                             (unsigned long long)position);
        }
    }
    memset(rd->buf + got, 0, (size_t)(to - from) - got);
    rd->at = from;
    rd->n = (size_t)(to - from);
    *out = rd->buf + (position - from);
    return ERR_OK;
}
