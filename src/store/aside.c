/*
 * Batches that nobody can be given any more: damage of the log took the frame that made their
 * partition, so its topic, its name and its settings are lost, and the batches are there. A start
 * refuses to pass over them by itself. If the operator has said so for this very damage
 * (start_without_log) they are copied to
 *
 *   set-aside/partition-ID.N/OFFSET.log     batches as Kafka sends them, one after the other
 *
 * and the start goes on. Nothing is deleted or written over: each start that does this takes a new
 * N, and files below topics/ stay where they are. All of it is flushed before the first checkpoint,
 * from which on the ring may be used again.
 */
#include <stdio.h>
#include <string.h>

#include "core/crc32c.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/store_int.h"

struct aside {
    uint32_t part_id;
    char file[STORE_PATH_MAX]; /* relative to the data directory */
    uint64_t size;
    uint64_t batches, unreadable; /* in segments, and not there */
    int64_t from, to;             /* offsets */
};

/* ---- Where its segments are ------------------------------------------------------------------ */

struct search {
    struct store *s;
    uint32_t part_id;
    int64_t base;    /* -1: any */
    const char *dir; /* that is being looked at */
    char folder[STORE_PATH_MAX / 2], file[STORE_PATH_MAX];
    bool found;
};

static bool search_file(void *ctx, const char *name, bool is_dir)
{
    struct search *f = ctx;
    int32_t index;
    uint32_t part_id;
    int64_t base;
    bool is_idx;
    if (is_dir || !segment_name_parse(str_of(name), &index, &part_id, &base, &is_idx) || is_idx ||
        part_id != f->part_id || (f->base >= 0 && f->base != base)) {
        return true;
    }
    f->found = true;
    (void)snprintf(f->folder, sizeof(f->folder), "topics/%s", f->dir);
    (void)snprintf(f->file, sizeof(f->file), "topics/%s/%s", f->dir, name);
    return false;
}

static bool search_dir(void *ctx, const char *name, bool is_dir)
{
    struct search *f = ctx;
    char relative[STORE_PATH_MAX / 2], path[STORE_PATH_MAX];
    if (!is_dir) {
        return true;
    }
    (void)snprintf(relative, sizeof(relative), "topics/%s", name);
    store_path(f->s->dir, relative, path);
    f->dir = name;
    IGNORE(env_dir_list(f->s->env, path, search_file, f, NULL)); /* then it is not found */
    return !f->found;
}

static void search(struct search *f, struct store *s, uint32_t part_id, int64_t base)
{
    char path[STORE_PATH_MAX];
    *f = (struct search){.s = s, .part_id = part_id, .base = base};
    store_path(s->dir, "topics", path);
    IGNORE(env_dir_list(s->env, path, search_dir, f, NULL));
}

/* The payload of an entry in place; *good is false if it is not there as its frame says. */
static enum err read_place(struct store *s, const struct entry *e, int64_t segment_base,
                           uint8_t *to, bool *good, struct ectx *ec)
{
    struct search f;
    char path[STORE_PATH_MAX];
    struct env_file *file;
    size_t got = 0;
    *good = false;
    search(&f, s, e->part_id, segment_base);
    if (!f.found) {
        return ERR_OK;
    }
    store_path(s->dir, f.file, path);
    enum err err = env_file_open(s->env, path, ENV_READ, &file, ec);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    err = env_file_pread(file, to, e->payload_size, e->position + ENTRY_HEADER_SIZE, &got, ec);
    env_file_close(file);
    *good =
        err == ERR_OK && got == e->payload_size && crc32c(0, to, e->payload_size) == e->payload_crc;
    return err == ERR_IO ? ERR_OK : err;
}

/* ---- Taking them ----------------------------------------------------------------------------- */

static enum err dir_make(struct store *s, const char *relative, bool fresh, struct ectx *ec)
{
    char path[STORE_PATH_MAX];
    store_path(s->dir, relative, path);
    const enum err e = env_dir_make(s->env, path, ec);
    return e == ERR_EXISTS && !fresh ? ERR_OK : e;
}

static enum err aside_new(struct store *s, const struct entry *e, struct aside **out,
                          struct ectx *ec)
{
    char dir[STORE_PATH_MAX / 2];
    struct aside *a = mem_new(struct aside);
    if (a == NULL || !map_put_u64(&s->asides, e->part_id, a)) {
        mem_free(a);
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for recovery");
    }
    *a = (struct aside){.part_id = e->part_id, .from = e->base_offset, .to = e->base_offset};
    enum err err = dir_make(s, "set-aside", false, ec);
    for (unsigned n = 0; err == ERR_OK; n++) {
        (void)snprintf(dir, sizeof(dir), "set-aside/partition-%u.%u", e->part_id, n);
        err = dir_make(s, dir, true, ec);
        if (err != ERR_EXISTS) {
            break;
        }
        err = ERR_OK;
    }
    (void)snprintf(a->file, sizeof(a->file), "%s/%020lld.log", dir, (long long)e->base_offset);
    *out = a;
    return err;
}

static enum err aside_write(struct store *s, struct aside *a, const uint8_t *payload, size_t size,
                            struct ectx *ec)
{
    char path[STORE_PATH_MAX];
    struct env_file *file;
    store_path(s->dir, a->file, path);
    enum err e = env_file_open(s->env, path, ENV_WRITE | ENV_CREATE, &file, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = env_file_pwrite(file, payload, size, a->size, ec);
    env_file_close(file);
    a->size += e == ERR_OK ? size : 0;
    return e;
}

enum err aside_batch(struct store *s, const struct entry *e, int64_t segment_base,
                     const uint8_t *payload, struct ectx *ec)
{
    struct aside *a = map_get_u64(&s->asides, e->part_id);
    enum err err = a == NULL ? aside_new(s, e, &a, ec) : ERR_OK;
    uint8_t *copy = NULL;
    bool good = payload != NULL;
    if (err == ERR_OK && payload == NULL) {
        copy = mem_alloc(e->payload_size);
        err = copy == NULL ? ectx_fail(ec, ERR_NO_MEMORY, "no memory for recovery")
                           : read_place(s, e, segment_base, copy, &good, ec);
        payload = copy;
    }
    if (err == ERR_OK && good) {
        err = aside_write(s, a, payload, entry_batch_size(e, payload), ec);
    }
    if (err == ERR_OK) {
        a->batches += good ? 1 : 0;
        a->unreadable += good ? 0 : 1;
        a->to = entry_next_offset(e);
    }
    mem_free(copy);
    return err == ERR_OK ? ERR_OK : ectx_wrap(ec, err, "setting batches aside");
}

enum err aside_finish(struct store *s, struct ectx *ec)
{
    struct map_iter it = {0};
    if (s->asides.count == 0) {
        return ERR_OK;
    }
    enum err e = env_fs_sync(s->env, s->dir, ec);
    while (e == ERR_OK && map_next(&s->asides, &it)) {
        const struct aside *a = it.value;
        LOG_ERROR("partition.set_aside", KV_U64("id", a->part_id), KV_Z("file", a->file),
                  KV_U64("batches", a->batches), KV_U64("unreadable", a->unreadable),
                  KV_I64("from_offset", a->from), KV_I64("to_offset", a->to));
        for (size_t i = 0; i < s->participant_count; i++) {
            if (s->participants[i].part_id_used != NULL) {
                s->participants[i].part_id_used(s->participants[i].ctx, a->part_id);
            }
        }
        s->recovery.set_aside_partitions++;
        s->recovery.set_aside_batches += a->batches;
    }
    return e;
}

void aside_free(struct store *s)
{
    struct map_iter it = {0};
    while (map_next(&s->asides, &it)) {
        mem_free(it.value);
    }
    map_deinit(&s->asides);
    map_init(&s->asides);
}

/* ---- Refusing -------------------------------------------------------------------------------- */

enum err aside_refuse(struct store *s, const struct entry *e, struct ectx *ec)
{
    struct search f;
    const uint64_t from = s->ring_damaged_from;
    search(&f, s, e->part_id, -1);
    IGNORE(ectx_fail(
        ec, ERR_DAMAGED,
        "'%s/wal/ring-%03u' is damaged at byte %llu (log positions %llu to %llu): what made the "
        "partition with id %u is lost, and batches of it are there, the first at offset %lld%s%s",
        s->dir, (unsigned)(from / s->cfg.ring_file_bytes % s->cfg.ring_file_count),
        (unsigned long long)(from % s->cfg.ring_file_bytes), (unsigned long long)from,
        (unsigned long long)s->ring_damaged_to, e->part_id, (long long)e->base_offset,
        f.found ? "; its folder is " : "", f.found ? f.folder : ""));
    ectx_hint(ec,
              "restore a backup, or start with --set leat.start.without.log=%llu: the rest is "
              "served, these batches are moved to 'set-aside'; nothing was changed",
              (unsigned long long)s->ring_damaged_to);
    return ERR_STOPPED; /* not ERR_DAMAGED, which would be this frame alone */
}
