/*
 * Old versions of files. A checksum says that bytes are whole, not that they are the newest: a disk
 * that lost a write, or a file put back from a copy, shows an earlier state that is valid by
 * itself. Two of them would make a start forget what came later, so both are held against the log
 * first:
 *
 *   the meta file of a first start that was not completed     the start would begin afresh
 *   the image of a clean stop, while a later start has gone on     it would not look into the log
 *
 * An old image that is not the newest needs no such care: the log is kept behind the older one.
 */
#include "core/log.h"
#include "core/mem.h"
#include "store/store_int.h"

void store_wal_config(const struct meta *m, const char *dir, const struct image_slot *from,
                      struct wal_config *out)
{
    const uint32_t quarter = m->ring_file_bytes / 4;
    *out = (struct wal_config){.dir = dir,
                               .file_bytes = m->ring_file_bytes,
                               .file_count = m->ring_file_count,
                               .group_bytes = quarter < (4u << 20) ? quarter : 4u << 20,
                               .store_id = m->id,
                               .generation = from->generation + 1,
                               .start = from->position,
                               .start_generation = from->generation,
                               .flushed = from->flushed};
}

static enum err count_frame(void *ctx, uint64_t position, struct slice body, bool flushed,
                            struct ectx *ec)
{
    (void)position;
    (void)body;
    (void)flushed;
    (void)ec;
    ++*(uint64_t *)ctx;
    return ERR_OK;
}

static void count_damage(void *ctx, uint64_t from, uint64_t to)
{
    (void)from;
    (void)to;
    ++*(uint64_t *)ctx;
}

/* How many frames (or damaged ranges) are behind the image. */
static enum err frames_behind(struct env *env, const char *dir, const struct meta *m,
                              const struct image_slot *image, uint64_t *count, struct ectx *ec)
{
    char path[STORE_PATH_MAX];
    struct wal_config cfg;
    const struct wal_visitor visitor = {count, count_frame, count_damage};
    *count = 0;
    store_path(dir, "wal", path);
    store_wal_config(m, path, image, &cfg);
    return wal_verify(env, &cfg, &visitor, ec);
}

enum err image_is_end(struct env *env, const char *dir, const struct meta *m,
                      const struct image_slot *image, bool *end, struct ectx *ec)
{
    char path[STORE_PATH_MAX];
    struct wal_config cfg;
    bool begun;
    uint64_t frames = 0;
    store_path(dir, "wal", path);
    store_wal_config(m, path, image, &cfg);
    /* One block says that nobody has started since; else the frames decide. */
    enum err e = wal_begun(env, &cfg, &begun, ec);
    if (e == ERR_OK && begun && !STORE_FAULT(believe_old_image)) {
        e = frames_behind(env, dir, m, image, &frames, ec);
    }
    if (e == ERR_OK) {
        *end = frames == 0;
    }
    return e;
}

enum err first_start_check(struct env *env, const char *dir, const struct meta *m, uint64_t most,
                           struct ectx *ec)
{
    struct image_view v[2] = {0};
    uint64_t frames = 0;
    bool later = false;
    enum err e = ERR_OK;
    for (int i = 0; i < 2 && e == ERR_OK; i++) {
        e = image_read(env, dir, i, m->id, most, &v[i], ec);
        /* A first start writes one image, then the meta file. */
        if (e == ERR_OK && v[i].info.valid) {
            later = later || v[i].info.sequence > 1;
            e = frames_behind(env, dir, m, &v[i].info, &frames, ec);
            later = later || frames > 0;
        }
    }
    mem_free(v[0].bytes);
    mem_free(v[1].bytes);
    if (e != ERR_OK || !later || STORE_FAULT(believe_old_meta)) {
        return e;
    }
    e = ectx_fail(ec, ERR_DAMAGED,
                  "'%s/meta' is an old version: it says that the first start was not completed, "
                  "but there is data of later ones",
                  dir);
    ectx_hint(ec, "restore this file from a backup; nothing was changed");
    return e;
}
