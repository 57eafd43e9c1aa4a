/*
 * The manifest: which runs there are, in which order, and how far of the owner's log they reach. It
 * is replaced as a whole: a new file aside, flushed, renamed over the old one, and the folder
 * flushed. What it names was flushed before, names included.
 */
#include <stdio.h>

#include "core/crc32c.h"
#include "core/mem.h"
#include "core/slice.h"
#include "index/index_int.h"

#define MANIFEST_MAGIC "LEATIDX1"
enum {
    RUN_ROW_BYTES = 16,
    MANIFEST_MOST = 64 * 1024 + INDEX_COVERED_MAX,
};

static void manifest_path(const char *dir, bool aside, char *out)
{
    (void)snprintf(out, INDEX_PATH_MAX, "%s/%s", dir, aside ? "manifest.tmp" : "manifest");
}

static enum err damaged(const char *path, struct ectx *ec)
{
    enum err e = ectx_fail(ec, ERR_DAMAGED, "'%s' failed its checksum", path);
    ectx_hint(ec, "the index is made again from the log");
    return e;
}

static enum err file_read(struct env *env, const char *path, struct buf *out, struct ectx *ec)
{
    struct env_file *f;
    enum err e = env_file_open(env, path, ENV_READ, &f, ec);
    if (e != ERR_OK) {
        return e;
    }
    uint64_t size = 0;
    size_t got = 0;
    e = env_file_size(f, &size, ec);
    if (e == ERR_OK && (size < 16 || size > MANIFEST_MOST)) {
        e = damaged(path, ec);
    }
    if (e == ERR_OK) {
        uint8_t *p = buf_extend(out, (size_t)size);
        e = p == NULL ? ectx_fail(ec, ERR_NO_MEMORY, "no memory for reading '%s'", path)
                      : env_file_pread(f, p, (size_t)size, 0, &got, ec);
    }
    if (e == ERR_OK && got < size) {
        e = damaged(path, ec);
    }
    env_file_close(f);
    return e;
}

static bool tables_same(struct slice *s, const struct index_config *cfg, bool *same)
{
    uint32_t n;
    if (!slice_le32(s, &n) || n > INDEX_TABLES_MAX) {
        return false;
    }
    *same = n == cfg->table_count;
    for (uint32_t i = 0; i < n; i++) {
        struct str name;
        uint8_t key, prefix, value;
        if (!slice_lstr(s, &name) || !slice_u8(s, &key) || !slice_u8(s, &prefix) ||
            !slice_u8(s, &value)) {
            return false;
        }
        const struct index_table *t = i < cfg->table_count ? &cfg->tables[i] : NULL;
        *same = *same && t != NULL && str_eq_z(name, t->name) && key == t->key_bytes &&
                prefix == t->prefix_bytes && value == t->value_bytes;
    }
    return true;
}

static bool runs_decode(struct slice *s, struct manifest *m, uint32_t table_count, bool *no_memory)
{
    m->runs = mem_alloc((size_t)table_count * INDEX_RUNS_MAX * sizeof(*m->runs));
    if (m->runs == NULL) {
        *no_memory = true;
        return false;
    }
    for (uint32_t t = 0; t < table_count; t++) {
        uint32_t n;
        if (!slice_le32(s, &n) || n > INDEX_RUNS_MAX) {
            return false;
        }
        for (uint32_t i = 0; i < n; i++) {
            struct manifest_run *r = &m->runs[m->run_count++];
            uint32_t unused;
            r->table = t;
            if (!slice_le64(s, &r->id) || !slice_le32(s, &r->head_crc) || !slice_le32(s, &unused) ||
                r->id >= m->next_run) {
                return false;
            }
        }
    }
    return true;
}

enum err manifest_read(struct env *env, const char *dir, const struct index_config *cfg,
                       struct manifest *out, struct ectx *ec)
{
    char path[INDEX_PATH_MAX];
    struct buf b;
    struct manifest m = {0};
    manifest_path(dir, false, path);
    buf_init(&b, MANIFEST_MOST);
    buf_init(&m.covered, INDEX_COVERED_MAX);
    enum err e = file_read(env, path, &b, ec);
    uint32_t version = 0;
    bool same = false, no_memory = false;
    struct str covered;
    struct slice s = slice_of(b.p, b.n > 4 ? b.n - 4 : 0);
    const uint8_t *magic;
    if (e == ERR_OK &&
        (get_le32(b.p + b.n - 4) != crc32c(0, b.p, b.n - 4) || !slice_take(&s, 8, &magic) ||
         memcmp(magic, MANIFEST_MAGIC, 8) != 0 || !slice_le32(&s, &version))) {
        e = damaged(path, ec);
    }
    if (e == ERR_OK && version != INDEX_FORMAT_VERSION) {
        e = ectx_fail(ec, ERR_VERSION, "'%s' has version %u, this program knows %u", path, version,
                      INDEX_FORMAT_VERSION);
    }
    if (e == ERR_OK && (!slice_le64(&s, &m.index_id) || !slice_le64(&s, &m.sequence) ||
                        !slice_le64(&s, &m.next_run) || !tables_same(&s, cfg, &same))) {
        e = damaged(path, ec);
    }
    if (e == ERR_OK && !same) {
        e = ectx_fail(ec, ERR_VERSION, "'%s' is of an index with other tables", path);
    }
    if (e == ERR_OK && (!runs_decode(&s, &m, (uint32_t)cfg->table_count, &no_memory) ||
                        !slice_lstr(&s, &covered) || slice_left(&s) != 0)) {
        e = no_memory ? ectx_fail(ec, ERR_NO_MEMORY, "no memory for '%s'", path)
                      : damaged(path, ec);
    }
    if (e == ERR_OK) {
        buf_put_str(&m.covered, covered);
        if (buf_failed(&m.covered)) {
            e = ectx_fail(ec, ERR_NO_MEMORY, "no memory for '%s'", path);
        }
    }
    buf_deinit(&b);
    if (e != ERR_OK) {
        manifest_free(&m);
        return e;
    }
    *out = m;
    return ERR_OK;
}

void manifest_free(struct manifest *m)
{
    mem_free(m->runs);
    buf_deinit(&m->covered);
    *m = (struct manifest){0};
}

static void manifest_encode(const struct index *ix, struct run_list *const lists[],
                            struct str covered, uint64_t sequence, struct buf *b)
{
    buf_put(b, MANIFEST_MAGIC, 8);
    buf_put_le32(b, INDEX_FORMAT_VERSION);
    buf_put_le64(b, ix->index_id);
    buf_put_le64(b, sequence);
    buf_put_le64(b, ix->next_run);
    buf_put_le32(b, (uint32_t)ix->cfg.table_count);
    for (size_t i = 0; i < ix->cfg.table_count; i++) {
        const struct index_table *t = &ix->tables[i];
        buf_put_lstr(b, str_of(t->name));
        buf_put_u8(b, t->key_bytes);
        buf_put_u8(b, t->prefix_bytes);
        buf_put_u8(b, t->value_bytes);
    }
    for (size_t i = 0; i < ix->cfg.table_count; i++) {
        buf_put_le32(b, lists[i]->count);
        for (uint32_t k = 0; k < lists[i]->count; k++) {
            const struct run *r = lists[i]->runs[k];
            buf_put_le64(b, r->head.run_id);
            buf_put_le32(b, r->head_crc);
            buf_put_le32(b, 0);
        }
    }
    buf_put_lstr(b, covered.p == NULL ? STR_LIT("") : covered);
    if (!buf_failed(b)) {
        buf_put_le32(b, crc32c(0, b->p, b->n));
    }
}

static enum err aside_write(struct index *ix, const char *path, const struct buf *b,
                            struct ectx *ec)
{
    struct ectx ignored;
    enum err e = env_unlink(ix->env, path, &ignored);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return ectx_fail(ec, e, "%s", ignored.text);
    }
    struct env_file *f;
    e = env_file_open(ix->env, path, ENV_WRITE | ENV_CREATE | ENV_EXCLUSIVE, &f, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = env_file_pwrite(f, b->p, b->n, 0, ec);
    if (e == ERR_OK) {
        e = env_file_datasync(f, ec);
        ix->work.fatal = ix->work.fatal || e != ERR_OK;
    }
    env_file_close(f);
    return e;
}

static enum err folder_flush(struct index *ix, struct ectx *ec)
{
    enum err e = env_dir_sync(ix->env, ix->dir, ec);
    ix->work.fatal = ix->work.fatal || flush_failed_for_good(e);
    return e;
}

enum err manifest_write(struct index *ix, struct run_list *const lists[], struct str covered,
                        uint64_t sequence, bool *renamed, struct ectx *ec)
{
    char path[INDEX_PATH_MAX], aside[INDEX_PATH_MAX];
    struct buf b;
    manifest_path(ix->dir, false, path);
    manifest_path(ix->dir, true, aside);
    buf_init(&b, MANIFEST_MOST);
    manifest_encode(ix, lists, covered, sequence, &b);
    enum err e = buf_failed(&b) ? ectx_fail(ec, ERR_NO_MEMORY, "no memory for '%s'", path) : ERR_OK;
    if (e == ERR_OK) {
        e = aside_write(ix, aside, &b, ec);
    }
    buf_deinit(&b);
    /* The names of the runs first: a manifest must not outlive them. */
    if (e == ERR_OK) {
        e = folder_flush(ix, ec);
    }
    if (e == ERR_OK) {
        *renamed = true;
        e = env_rename(ix->env, aside, path, ec);
    }
    if (e == ERR_OK) {
        e = folder_flush(ix, ec);
    }
    return e;
}
