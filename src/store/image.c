/*
 * Images: all internal state at a checkpoint, in one of two slots (checkpoint-a, checkpoint-b). The
 * older slot is written over, so one valid image is there at any moment; the log is kept back to
 * the older one, so damage to the newer costs a longer replay and nothing else.
 *
 * A header, then sections: this room's, and one for each participant. Each section has a checksum
 * seeded with the directory's id and the image's sequence number, so that parts of different images
 * never pass as one.
 */
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/mem.h"
#include "store/store_int.h"

#define IMAGE_MAGIC "LEATIMG1"
enum {
    IMAGE_CLEAN = 1,
    SEG_SEALED = 1,
    SEG_TRIMMED = 2,
    PART_RELAXED = 1,
    IMAGE_SECTIONS_MAX = 64
};

static uint32_t image_seed(struct uuid id, uint64_t sequence)
{
    uint8_t b[24];
    memcpy(b, id.b, 16);
    put_le64(b + 16, sequence);
    return crc32c(0, b, sizeof(b));
}

static const char *slot_name(int slot)
{
    return slot == 0 ? "checkpoint-a" : "checkpoint-b";
}

/* ---- Building ------------------------------------------------------------------------------- */

static void put_seg(struct buf *b, const struct segment *g)
{
    buf_put_le64(b, (uint64_t)g->base);
    buf_put_le64(b, (uint64_t)g->end);
    buf_put_le64(b, g->size);
    buf_put_le64(b, (uint64_t)g->max_timestamp);
    buf_put_le64(b, (uint64_t)g->first_append_ms);
    buf_put_le64(b, (uint64_t)g->last_append_ms);
    /* The image is written after the entries. If they fail, what is missing is a longer walk. */
    buf_put_le32(b, g->index.promised > 0 ? g->index.promised : g->index.stored);
    buf_put_le32(b,
                 (g->sealed ? (uint32_t)SEG_SEALED : 0) | (g->trimmed ? (uint32_t)SEG_TRIMMED : 0));
}

static void put_part(struct buf *b, const struct store_part *p)
{
    buf_put_le32(b, p->id);
    buf_put_le32(b, (uint32_t)p->index);
    buf_put_lstr(b, str_of(p->dir->name));
    buf_put_le32(b, p->relaxed ? PART_RELAXED : 0);
    buf_put_le64(b, (uint64_t)p->log_start);
    buf_put_le64(b, (uint64_t)p->log_end);
    buf_put_le64(b, (uint64_t)p->lease_end);
    buf_put_le32(b, p->epoch_count);
    for (uint32_t i = 0; i < p->epoch_count; i++) {
        buf_put_le32(b, (uint32_t)p->epochs[i].epoch);
        buf_put_le64(b, (uint64_t)p->epochs[i].start_offset);
    }
    const uint32_t damaged = STORE_FAULT(forget_quarantine) ? 0 : p->damage_count;
    buf_put_le32(b, damaged);
    for (uint32_t i = 0; i < damaged; i++) {
        buf_put_le64(b, (uint64_t)p->damage[i].from);
        buf_put_le64(b, (uint64_t)p->damage[i].to);
    }
    buf_put_le32(b, p->seg_count);
    for (uint32_t i = 0; i < p->seg_count; i++) {
        put_seg(b, p->segs[i]);
    }
}

static enum err store_snapshot(const struct store *s, struct buf *b)
{
    buf_put_le32(b, s->part_count);
    LIST_FOR_EACH (n, tmp, &s->part_list) {
        put_part(b, CONTAINER_OF(n, struct store_part, link));
    }
    buf_put_le32(b, (uint32_t)s->drop_count);
    LIST_FOR_EACH (n, tmp, &s->drops) {
        const struct dropped_file *d = CONTAINER_OF(n, struct dropped_file, link);
        buf_put_lstr(b, str_of(d->path));
        buf_put_le64(b, d->sequence);
        buf_put_le64(b, 0);
    }
    const uint64_t now = env_mono_ns(s->env);
    buf_put_le64(b, s->guard_until_ns > now ? (s->guard_until_ns - now) / 1000000u : 0);
    buf_put_le64(b, s->erase_ring_to);
    return ERR_OK;
}

static enum err put_section(const struct store *s, struct buf *b, uint16_t tag, uint32_t seed,
                            const struct store_participant *pt)
{
    const size_t at = b->n;
    if (buf_extend(b, IMAGE_SECTION_HEADER_SIZE) == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err e = pt == NULL ? store_snapshot(s, b) : pt->snapshot(pt->ctx, b);
    if (e != ERR_OK || buf_failed(b) || b->n < at + IMAGE_SECTION_HEADER_SIZE) {
        return e != ERR_OK ? e : b->n >= b->max / 2 ? ERR_LIMIT : ERR_NO_MEMORY;
    }
    uint8_t *h = b->p + at;
    const size_t size = b->n - at - IMAGE_SECTION_HEADER_SIZE;
    memset(h, 0, IMAGE_SECTION_HEADER_SIZE);
    put_le16(h, tag);
    put_le64(h + 8, size);
    put_le32(h + 4, crc32c(crc32c(seed, h, 2), h + 8, size + 16));
    return ERR_OK;
}

enum err image_build(struct store *s, uint64_t sequence, uint64_t position, bool clean,
                     struct buf *out)
{
    if (buf_extend(out, IMAGE_HEADER_SIZE) == NULL) {
        return ERR_NO_MEMORY;
    }
    const uint32_t seed = image_seed(s->id, sequence);
    enum err e = put_section(s, out, STORE_TAG_STORE, seed, NULL);
    for (size_t i = 0; e == ERR_OK && i < s->participant_count; i++) {
        e = put_section(s, out, s->participants[i].tag, seed, &s->participants[i]);
    }
    if (e != ERR_OK) {
        return e;
    }
    uint8_t *h = out->p;
    memset(h, 0, IMAGE_HEADER_SIZE);
    memcpy(h, IMAGE_MAGIC, 8);
    put_le32(h + 8, FORMAT_VERSION);
    memcpy(h + 16, s->id.b, 16);
    put_le64(h + 32, sequence);
    put_le64(h + 40, position);
    put_le64(h + 48, wal_flushed(s->wal));
    put_le32(h + 56, s->generation);
    put_le32(h + 60, clean ? IMAGE_CLEAN : 0);
    put_le64(h + 64, out->n - IMAGE_HEADER_SIZE);
    put_le32(h + 72, (uint32_t)s->participant_count + 1);
    put_le64(h + 80, (uint64_t)env_wall_ms(s->env));
    put_le64(h + 88, s->last_position);
    put_le32(h + 12, crc32c(0, h + 16, IMAGE_HEADER_SIZE - 16));
    return ERR_OK;
}

enum err image_write(struct env *env, const char *dir, int slot, const struct buf *image,
                     bool fresh, struct ectx *ec, bool *fatal)
{
    char path[STORE_PATH_MAX];
    store_path(dir, slot_name(slot), path);
    struct env_file *f;
    enum err e = env_file_open(env, path, ENV_WRITE | ENV_CREATE, &f, ec);
    if (e != ERR_OK) {
        return e;
    }
    e = env_file_allocate(f, 0, image->n, true, ec);
    if (e == ERR_OK) {
        e = env_file_pwrite(f, image->p, image->n, 0, ec);
    }
    if (e == ERR_OK && !STORE_FAULT(image_unflushed)) {
        e = env_file_datasync(f, ec);
        *fatal = *fatal || e != ERR_OK;
    }
    env_file_close(f);
    if (e == ERR_OK && fresh) {
        e = env_dir_sync(env, dir, ec);
        *fatal = *fatal || dir_flush_failed(e);
    }
    return e == ERR_OK ? ERR_OK : ectx_wrap(ec, e, "writing '%s'", path);
}

enum err image_sync(struct env *env, const char *dir, int slot, struct ectx *ec)
{
    char path[STORE_PATH_MAX];
    store_path(dir, slot_name(slot), path);
    struct env_file *f;
    enum err e = env_file_open(env, path, ENV_READ | ENV_WRITE, &f, ec);
    if (e == ERR_OK) {
        e = env_file_datasync(f, ec);
        env_file_close(f);
    }
    return e;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static bool sections_valid(const struct image_view *v, struct uuid id, uint32_t count)
{
    const uint32_t seed = image_seed(id, v->info.sequence);
    struct slice at = slice_of(v->bytes + IMAGE_HEADER_SIZE, v->size - IMAGE_HEADER_SIZE);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *h;
        const uint8_t *body;
        if (!slice_take(&at, IMAGE_SECTION_HEADER_SIZE, &h)) {
            return false;
        }
        const uint64_t size = get_le64(h + 8);
        if (size > slice_left(&at) || !slice_take(&at, (size_t)size, &body) ||
            get_le32(h + 4) != crc32c(crc32c(seed, h, 2), h + 8, (size_t)size + 16)) {
            return false;
        }
    }
    return slice_left(&at) == 0;
}

static enum err image_read_body(struct env_file *f, const uint8_t *h, struct uuid id, uint64_t most,
                                struct image_view *v, struct ectx *ec)
{
    const uint64_t length = get_le64(h + 64);
    if (get_le32(h + 12) != crc32c(0, h + 16, IMAGE_HEADER_SIZE - 16) ||
        memcmp(h, IMAGE_MAGIC, 8) != 0 || memcmp(h + 16, id.b, 16) != 0 ||
        get_le32(h + 72) > IMAGE_SECTIONS_MAX) {
        return ERR_OK;
    }
    if (get_le32(h + 8) > FORMAT_VERSION) {
        enum err e = ectx_fail(ec, ERR_VERSION, "it has format version %u", get_le32(h + 8));
        ectx_hint(ec, "start it with the newer program that wrote it");
        return e;
    }
    uint64_t file_size;
    enum err e = env_file_size(f, &file_size, ec);
    if (e != ERR_OK || length > most * 2 || length + IMAGE_HEADER_SIZE > file_size) {
        return e;
    }
    v->size = (size_t)length + IMAGE_HEADER_SIZE;
    v->bytes = mem_alloc(v->size);
    if (v->bytes == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for an image of %zu bytes", v->size);
    }
    size_t got = 0;
    e = env_file_pread(f, v->bytes, v->size, 0, &got, ec);
    if (e != ERR_OK) {
        return e == ERR_IO ? ERR_OK : e; /* a block that cannot be read: the other slot */
    }
    v->info.sequence = get_le64(h + 32);
    v->info.position = get_le64(h + 40);
    v->info.flushed = get_le64(h + 48);
    v->info.generation = get_le32(h + 56);
    v->info.clean = (get_le32(h + 60) & IMAGE_CLEAN) != 0;
    /* A checkpoint begins where a group of the log does. */
    v->info.valid = v->info.position % ENV_BLOCK == 0 && v->info.position <= INT64_MAX &&
                    got == v->size && memcmp(v->bytes, h, IMAGE_HEADER_SIZE) == 0 &&
                    sections_valid(v, id, get_le32(h + 72));
    return ERR_OK;
}

enum err image_read(struct env *env, const char *dir, int slot, struct uuid id, uint64_t most,
                    struct image_view *out, struct ectx *ec)
{
    char path[STORE_PATH_MAX];
    store_path(dir, slot_name(slot), path);
    struct image_view v = {0};
    struct env_file *f;
    enum err e = env_file_open(env, path, ENV_READ, &f, ec);
    if (e == ERR_NOT_FOUND) {
        *out = v;
        return ERR_OK;
    }
    if (e != ERR_OK) {
        return e;
    }
    uint8_t h[IMAGE_HEADER_SIZE];
    size_t got = 0;
    v.info.present = true;
    env_file_drop_cache(f, 0, 0);
    e = env_file_pread(f, h, sizeof(h), 0, &got, ec);
    if (e == ERR_IO) {
        e = ERR_OK;
    } else if (e == ERR_OK && got == sizeof(h)) {
        e = image_read_body(f, h, id, most, &v, ec);
    }
    env_file_close(f);
    if (e != ERR_OK || !v.info.valid) {
        mem_free(v.bytes);
        v.bytes = NULL;
    }
    if (e != ERR_OK) {
        return ectx_wrap(ec, e, "reading '%s'", path);
    }
    *out = v;
    return ERR_OK;
}

bool image_section(const struct image_view *v, uint16_t tag, struct slice *out)
{
    struct slice at = slice_of(v->bytes + IMAGE_HEADER_SIZE, v->size - IMAGE_HEADER_SIZE);
    const uint8_t *h;
    const uint8_t *body;
    while (slice_take(&at, IMAGE_SECTION_HEADER_SIZE, &h) &&
           slice_take(&at, (size_t)get_le64(h + 8), &body)) {
        if (get_le16(h) == tag) {
            *out = slice_of(body, (size_t)get_le64(h + 8));
            return true;
        }
    }
    return false;
}

static bool take_i64(struct slice *s, int64_t *out)
{
    uint64_t v;
    if (!slice_le64(s, &v)) {
        return false;
    }
    *out = (int64_t)v;
    return true;
}

static bool take_array(struct slice *s, size_t each, uint32_t *count, struct slice *out)
{
    const uint8_t *p;
    if (!slice_le32(s, count) || *count > slice_left(s) / each ||
        !slice_take(s, *count * each, &p)) {
        return false;
    }
    *out = slice_of(p, *count * each);
    return true;
}

bool image_next_seg(struct slice *segs, struct image_seg *out)
{
    uint32_t flags;
    if (!take_i64(segs, &out->base) || !take_i64(segs, &out->end) ||
        !slice_le64(segs, &out->size) || !take_i64(segs, &out->max_timestamp) ||
        !take_i64(segs, &out->first_append_ms) || !take_i64(segs, &out->last_append_ms) ||
        !slice_le32(segs, &out->idx_count) || !slice_le32(segs, &flags)) {
        return false;
    }
    out->sealed = (flags & SEG_SEALED) != 0;
    out->trimmed = (flags & SEG_TRIMMED) != 0;
    return true;
}

bool image_next_epoch(struct slice *epochs, struct store_epoch *out)
{
    uint32_t epoch;
    if (!slice_le32(epochs, &epoch) || !take_i64(epochs, &out->start_offset)) {
        return false;
    }
    out->epoch = (int32_t)epoch;
    return true;
}

bool image_next_damage(struct slice *damage, struct damage_range *out)
{
    return take_i64(damage, &out->from) && take_i64(damage, &out->to);
}

/* What a checksum cannot tell: numbers that no partition can have, of an image that was made
 * elsewhere or by a faulty hand. Everything behind the image relies on them. */
static bool part_is_sound(const struct image_part *ip)
{
    struct slice at = ip->segs;
    struct image_seg seg;
    int64_t past = 0;
    while (image_next_seg(&at, &seg)) {
        if (seg.base < past || seg.end < seg.base || seg.idx_count > STORE_INDEX_ENTRIES_MAX) {
            return false;
        }
        past = seg.end;
    }
    at = ip->damage;
    past = 0;
    for (struct damage_range r; image_next_damage(&at, &r); past = r.to) {
        if (r.from < past || r.to <= r.from) {
            return false;
        }
    }
    return ip->index >= 0 && ip->log_start >= 0 && ip->log_start <= ip->log_end;
}

static bool take_part(struct slice *s, struct image_part *ip)
{
    uint32_t index, flags;
    if (!slice_le32(s, &ip->id) || !slice_le32(s, &index) || !slice_lstr(s, &ip->dir) ||
        !slice_le32(s, &flags) || !take_i64(s, &ip->log_start) || !take_i64(s, &ip->log_end) ||
        !take_i64(s, &ip->lease_end) || !take_array(s, 12, &ip->epoch_count, &ip->epochs) ||
        !take_array(s, 16, &ip->damage_count, &ip->damage) ||
        !take_array(s, 56, &ip->seg_count, &ip->segs)) {
        return false;
    }
    ip->index = (int32_t)index;
    ip->relaxed = (flags & PART_RELAXED) != 0;
    return part_is_sound(ip);
}

enum err image_parse_parts(struct slice section,
                           bool (*part)(void *ctx, const struct image_part *ip),
                           bool (*drop)(void *ctx, struct str path, uint64_t sequence),
                           struct image_more *more, void *ctx)
{
    uint32_t n;
    if (!slice_le32(&section, &n)) {
        return ERR_DAMAGED;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct image_part ip;
        if (!take_part(&section, &ip)) {
            return ERR_DAMAGED;
        }
        if (!part(ctx, &ip)) {
            return ERR_NO_MEMORY;
        }
    }
    if (!slice_le32(&section, &n)) {
        return ERR_DAMAGED;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct str path;
        uint64_t sequence;
        int64_t unused; /* when a wall clock said until when files stay */
        if (!slice_lstr(&section, &path) || !slice_le64(&section, &sequence) ||
            !take_i64(&section, &unused)) {
            return ERR_DAMAGED;
        }
        if (!drop(ctx, path, sequence)) {
            return ERR_NO_MEMORY;
        }
    }
    /* Older images end before these. */
    *more = (struct image_more){0};
    if (slice_le64(&section, &more->guard_ms)) {
        IGNORE(!slice_le64(&section, &more->erase_ring_to));
    }
    return ERR_OK;
}
