/*
 * Recovery: the newest valid image, then the frames behind it in their order, then what only files
 * know (durability os), then a checkpoint of all that with the next generation. Running it again
 * gives the same; a crash anywhere in it changes nothing that the next run needs, because until the
 * last step nothing is written but bytes at places where frames or image say that they belong.
 *
 * Partitions: the image's section of this room is read first, into records by id. Participants are
 * restored then, and each partition that they add takes its record. A record that nobody asked for
 * is an image that contradicts itself: refused.
 */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/check.h"
#include "core/crc32c.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/store_int.h"

enum {
    VERIFY_BUFFER = 1 << 20,
    MEMORY_FIRST = 64 << 10, /* of shared memory: a log that holds little needs little */
    MEMORY_MOST = 2 << 20,   /* a huge page */
    MEMORY_ALONE = 64 << 10, /* batches of this size have memory of their own */
};
_Static_assert(MEMORY_ALONE <= MEMORY_FIRST, "what is not alone fits into fresh shared memory");

/* ---- Image ---------------------------------------------------------------------------------- */

static bool keep_image_part(void *ctx, const struct image_part *ip)
{
    struct store *s = ctx;
    struct image_part *copy = mem_new(struct image_part);
    if (copy == NULL) {
        return false;
    }
    *copy = *ip;
    if (map_get_u64(&s->image_parts, ip->id) != NULL ||
        !map_put_u64(&s->image_parts, ip->id, copy)) {
        mem_free(copy);
        return false;
    }
    return true;
}

static bool keep_drop(void *ctx, struct str path, uint64_t sequence)
{
    struct store *s = ctx;
    char z[STORE_PATH_MAX];
    if (path.n == 0 || path.n >= sizeof(z) || !str_starts(path, "topics/")) {
        return true;
    }
    memcpy(z, path.p, path.n);
    z[path.n] = '\0';
    drop_file_add(s, z, sequence, 0);
    return true;
}

static enum err adopt_segments(struct store_part *p, const struct image_part *ip)
{
    struct slice segs = ip->segs;
    struct image_seg is;
    while (image_next_seg(&segs, &is)) {
        struct segment *g = segment_new(p->store, p, is.base);
        if (g == NULL || segment_push(p, g) != ERR_OK) {
            if (g != NULL) {
                segment_unref(g);
            }
            return ERR_NO_MEMORY;
        }
        g->end = is.end;
        g->size = is.size;
        g->max_timestamp = is.max_timestamp;
        g->first_append_ms = is.first_append_ms;
        g->last_append_ms = is.last_append_ms;
        g->index.stored = is.idx_count;
        g->index.last_position = is.size;
        g->sealed = is.sealed;
        g->trimmed = is.trimmed;
        g->created = is.size > 0;
        g->durable = is.size > 0;
        if (is.size > 0) {
            p->dir->made = p->dir->durable = true;
        }
    }
    return ERR_OK;
}

enum err part_adopt_image(struct store_part *p)
{
    struct image_part *ip = map_get_u64(&p->store->image_parts, p->id);
    if (ip == NULL) {
        return ERR_OK;
    }
    p->log_start = ip->log_start;
    p->log_end = p->high_watermark = ip->log_end;
    p->lease_end = p->lease_asked = ip->lease_end;
    if (ip->relaxed) {
        p->relaxed = true;
        p->store->relaxed_parts++;
    }
    enum err e = adopt_segments(p, ip);
    struct slice at = ip->epochs;
    struct store_epoch epoch;
    while (e == ERR_OK && image_next_epoch(&at, &epoch)) {
        e = part_epoch_add(p, epoch.epoch, epoch.start_offset);
    }
    at = ip->damage;
    if (e == ERR_OK && ip->damage_count > 0) {
        p->damage = mem_zalloc(ip->damage_count, sizeof(*p->damage));
        e = p->damage == NULL ? ERR_NO_MEMORY : ERR_OK;
        struct damage_range r;
        while (e == ERR_OK && image_next_damage(&at, &r)) {
            p->damage[p->damage_count++] = r;
        }
        p->damage_cap = p->damage_count;
    }
    if (e == ERR_OK) {
        (void)map_remove_u64(&p->store->image_parts, p->id);
        mem_free(ip);
    }
    return e;
}

static enum err restore_image(struct store *s, const struct image_view *v, struct ectx *ec)
{
    struct slice body;
    if (!image_section(v, STORE_TAG_STORE, &body)) {
        return ectx_fail(ec, ERR_DAMAGED, "the image of the internal state lacks a section");
    }
    struct image_more more;
    enum err e = image_parse_parts(body, keep_image_part, keep_drop, &more, s);
    if (e != ERR_OK) {
        return ectx_fail(ec, e, "the image of the internal state cannot be read");
    }
    const uint64_t guard_ms =
        more.guard_ms < STORE_CLOCK_JUMP_MS ? more.guard_ms : STORE_CLOCK_JUMP_MS;
    s->erase_ring_to = more.erase_ring_to;
    s->guard_until_ns = guard_ms == 0 ? 0 : env_mono_ns(s->env) + guard_ms * 1000000u;
    for (size_t i = 0; i < s->participant_count; i++) {
        const struct store_participant *pt = &s->participants[i];
        if (!image_section(v, pt->tag, &body)) {
            continue; /* written before there was this participant */
        }
        e = pt->restore(pt->ctx, body, ec);
        if (e != ERR_OK) {
            return ectx_wrap(ec, e, "restoring %s", pt->name);
        }
    }
    if (s->image_parts.count > 0) {
        struct map_iter it = {0};
        IGNORE(!map_next(&s->image_parts, &it));
        const struct image_part *ip = it.value;
        e = ectx_fail(ec, ERR_DAMAGED,
                      "the image names partition %d of '%.*s' (id %u) that no topic has",
                      (int)ip->index, STR(ip->dir), ip->id);
        ectx_hint(ec, "restore the data directory from a backup; nothing was changed");
        return e;
    }
    return ERR_OK;
}

/* ---- Replay --------------------------------------------------------------------------------- */

struct replay {
    struct store *store;
    struct chunk *memory; /* small batches share it: an allocation for each is dear */
    size_t memory_used, memory_next;
    uint8_t *buffer;
    size_t cap;
    bool flushed;  /* of the frame at hand */
    bool orphaned; /* the replay was stopped by replay_orphan */
};

enum err recover_batch_hooks(struct store_part *p, const struct entry *e, const uint8_t *payload,
                             struct ectx *ec)
{
    const struct store *s = p->store;
    struct store_batch_info info;
    batch_info_parse(payload, e->payload_size, &info);
    info.base_offset = e->base_offset;
    info.last_offset_delta = e->last_offset_delta;
    info.append_time_ms = e->append_time_ms;
    info.append_position = e->commit_position;
    for (size_t i = 0; i < s->participant_count; i++) {
        const struct store_participant *pt = &s->participants[i];
        if (pt->batch != NULL) {
            enum err err = pt->batch(pt->ctx, p, &info, ec);
            if (err != ERR_OK) {
                return ectx_wrap(ec, err, "restoring %s", pt->name);
            }
        }
    }
    return ERR_OK;
}

/* The segment that an item names, as far as the partition knows it: the active one, or a new one
 * behind it. */
static enum err replay_segment(struct store_part *p, int64_t base, struct segment **out)
{
    struct segment *g = part_active(p);
    *out = NULL;
    if (g != NULL && g->base == base) {
        *out = g;
        return ERR_OK;
    }
    if (g != NULL && base < g->end) {
        return ERR_OK; /* behind what is known: nothing new */
    }
    struct segment *fresh = segment_new(p->store, p, base);
    if (fresh == NULL || segment_push(p, fresh) != ERR_OK) {
        if (fresh != NULL) {
            segment_unref(fresh);
        }
        return ERR_NO_MEMORY;
    }
    fresh->index.loaded = true;
    if (g != NULL) {
        g->sealed = true;
        segment_mark_dirty(g);
    }
    *out = fresh;
    return ERR_OK;
}

/* Offsets between the known end and this batch: not in the log, so look into the file, then give
 * them up. */
static enum err replay_gap(struct store_part *p, int64_t base_offset, uint64_t commit_position,
                           struct ectx *ec)
{
    if (base_offset <= p->log_end) {
        return ERR_OK;
    }
    enum err e = relaxed_scan(p, base_offset, commit_position, ec);
    if (e == ERR_OK && p->log_end < base_offset) {
        if (p->lease_end < base_offset) {
            part_damage_add(p, p->log_end, base_offset,
                            "the log's frames that held it are damaged");
            p->store->recovery.damaged_ranges++;
        }
        p->log_end = base_offset;
    }
    return e;
}

enum err recover_read(struct store *s, const struct segment *g, uint64_t at, enum err e,
                      struct ectx *ec)
{
    char path[STORE_PATH_MAX];
    if (e != ERR_IO) {
        return e;
    }
    segment_path(g, false, path);
    if (s->cfg.start_without_unreadable) {
        LOG_ERROR("segment.unreadable", KV_Z("file", path), KV_U64("at_byte", at),
                  KV_Z("effect", "given up, as leat.start.without.unreadable says"));
        return ERR_NOT_FOUND;
    }
    IGNORE(ectx_fail(ec, e, "'%s' cannot be read at byte %llu: an error of the device", path,
                     (unsigned long long)at));
    ectx_hint(ec, "it may pass: start again. If it stays, restore a backup, or start with --set "
                  "leat.start.without.unreadable=true: what was there is given up");
    return e;
}

/* Whether the bytes that a place item names are on the device. An error of the device proves
 * nothing: the start fails, for a frame that goes as torn goes silently. */
static enum err place_verify(struct replay *r, struct segment *g, const struct entry *e,
                             const uint8_t *header, bool *good, struct ectx *ec)
{
    *good = false;
    g->created = true;
    enum err err = segment_open(g, false, ec);
    if (err == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    if (err != ERR_OK) {
        return err;
    }
    uint64_t left = ENTRY_HEADER_SIZE + e->payload_size, at = e->position;
    uint32_t crc = 0;
    env_file_drop_cache(g->file, at, left);
    while (left > 0) {
        const size_t want = left < r->cap ? (size_t)left : r->cap;
        size_t got = 0;
        err = env_file_pread(g->file, r->buffer, want, at, &got, ec);
        err = recover_read(r->store, g, at, err, ec);
        if (err == ERR_NOT_FOUND || (err == ERR_OK && got < want)) {
            return ERR_OK;
        }
        if (err != ERR_OK) {
            return err;
        }
        size_t skip = 0;
        if (at == e->position) {
            if (memcmp(r->buffer, header, ENTRY_HEADER_SIZE) != 0 &&
                !STORE_FAULT(skip_entry_identity)) {
                return ERR_OK;
            }
            skip = ENTRY_HEADER_SIZE;
        }
        crc = crc32c(crc, r->buffer + skip, want - skip);
        at += want;
        left -= want;
    }
    *good = crc == e->payload_crc || STORE_FAULT(skip_entry_identity);
    return ERR_OK;
}

static bool decode_entry_item(const struct store *s, const struct item *it, struct slice bytes,
                              struct segment_identity *id, struct entry *e, uint64_t *position)
{
    if (slice_left(&bytes) < ENTRY_HEADER_SIZE) {
        return false;
    }
    id->store_id = s->id;
    id->part_id = get_le32(bytes.p + 64);
    id->base = it->number;
    segment_identity_seal(id);
    *position = get_le64(bytes.p + 40);
    return entry_decode(bytes.p, id, *position, e) &&
           (it->type == ITEM_PLACE
                ? slice_left(&bytes) == ITEM_PLACE_SIZE
                : (slice_left(&bytes) == ENTRY_HEADER_SIZE + e->payload_size &&
                   crc32c(0, bytes.p + ENTRY_HEADER_SIZE, e->payload_size) == e->payload_crc));
}

/* Memory for one batch, and a reference to it. */
static struct chunk *replay_memory(struct replay *r, size_t size, uint8_t **out)
{
    if (size >= MEMORY_ALONE) {
        struct chunk *alone = chunk_new(NULL, size);
        *out = alone == NULL ? NULL : alone->bytes;
        return alone;
    }
    if (r->memory == NULL || r->memory->size - r->memory_used < size) {
        const size_t want = r->memory_next < MEMORY_FIRST ? MEMORY_FIRST : r->memory_next;
        struct chunk *fresh = chunk_new(r->store->pool, want);
        if (fresh == NULL) {
            return NULL;
        }
        fresh->shared = true;
        chunk_unref(r->memory);
        r->memory = fresh;
        r->memory_used = 0;
        r->memory_next = want < MEMORY_MOST ? 2 * want : want;
    }
    *out = r->memory->bytes + r->memory_used;
    r->memory_used += size;
    chunk_ref(r->memory);
    return r->memory;
}

static enum err tail_from_replay(struct replay *r, struct store_part *p, struct segment *g,
                                 const struct entry *e, const uint8_t *bytes, struct ectx *ec)
{
    const size_t size = ENTRY_HEADER_SIZE + e->payload_size;
    uint8_t *memory = NULL;
    struct chunk *c = tail_reserve(&p->tail, 1) ? replay_memory(r, size, &memory) : NULL;
    if (c == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for replaying the log");
    }
    memcpy(memory, bytes, size);
    const struct tail_entry t = {.base = e->base_offset,
                                 .last = entry_next_offset(e) - 1,
                                 .seg = g,
                                 .position = e->position,
                                 .commit_position = e->commit_position,
                                 .size = (uint32_t)size,
                                 .end = entry_end(e),
                                 .memory = memory,
                                 .chunk = c,
                                 .max_timestamp = e->max_timestamp};
    tail_push(p, &t);
    return ERR_OK;
}

/* Participants need no more of a place than its batch's header, which the frame carries: a start
 * reads nothing of what was flushed. */
static enum err place_hooks(struct store_part *p, const struct entry *e, const uint8_t *header,
                            struct ectx *ec)
{
    uint8_t head[BATCH_HEADER_SIZE];
    memcpy(head, header, sizeof(head));
    /* batch_info_parse wants the whole batch; the length field of this copy says that this is all.
     */
    put_be32(head + BATCH_AT_LENGTH, BATCH_HEADER_SIZE - BATCH_LENGTH_END);
    struct entry short_entry = *e;
    short_entry.payload_size = sizeof(head);
    return recover_batch_hooks(p, &short_entry, head, ec);
}

/* A batch of a partition that is not there: a frame before this one removed it. If none did, the
 * one that made it is among the damaged ones, and its topic's name is lost with it. */
static enum err replay_orphan(struct replay *r, const struct item *it, const struct entry *e,
                              const uint8_t *payload, struct ectx *ec)
{
    struct store *s = r->store;
    if (s->ring_damaged_bytes == 0 || map_get_u64(&s->removed, e->part_id) != NULL ||
        STORE_FAULT(drop_orphans)) {
        return ERR_OK;
    }
    if (s->removed_incomplete) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for recovery");
    }
    if (s->ring_damaged_to <= s->cfg.start_without_log) {
        return aside_batch(s, e, it->number, payload, ec);
    }
    r->orphaned = true;
    return aside_refuse(s, e, ec);
}

static enum err replay_batch(struct replay *r, const struct item *it, struct slice bytes,
                             struct ectx *ec)
{
    struct store *s = r->store;
    struct segment_identity id;
    struct entry e;
    uint64_t position;
    if (!decode_entry_item(s, it, bytes, &id, &e, &position)) {
        return ectx_fail(ec, ERR_DAMAGED,
                         "a frame of the log has a valid checksum but holds no valid batch");
    }
    s->last_position = e.commit_position > s->last_position ? e.commit_position : s->last_position;
    struct store_part *p = store_part_find(s, e.part_id);
    if (p == NULL) {
        return replay_orphan(r, it, &e, it->type == ITEM_BATCH ? bytes.p + ENTRY_HEADER_SIZE : NULL,
                             ec);
    }
    if (e.base_offset < p->log_end) {
        return ERR_OK; /* known */
    }
    enum err err = replay_gap(p, e.base_offset, e.commit_position, ec);
    if (err != ERR_OK) {
        return err;
    }
    struct segment *g;
    err = replay_segment(p, it->number, &g);
    if (err != ERR_OK || g == NULL) {
        return err;
    }
    if (it->type == ITEM_PLACE) {
        /* It is there: frame_check has looked, or a later frame says that it was flushed. What has
         * become of it since, a reader finds out, or the check. */
        g->created = true;
    } else {
        err = tail_from_replay(r, p, g, &e, bytes.p, ec);
    }
    if (err != ERR_OK) {
        return err;
    }
    segment_append(p, g, &e);
    s->recovery.batches++;
    s->recovery.bytes += e.payload_size;
    if (it->type == ITEM_PLACE) {
        segment_mark_dirty(g); /* its index is not written */
        return place_hooks(p, &e, bytes.p + ENTRY_HEADER_SIZE, ec);
    }
    return recover_batch_hooks(p, &e, bytes.p + ENTRY_HEADER_SIZE, ec);
}

static enum err replay_rewrite(const struct replay *r, const struct item *it, struct slice bytes,
                               struct ectx *ec)
{
    struct segment_identity id;
    struct entry e;
    uint64_t position;
    if (!decode_entry_item(r->store, it, bytes, &id, &e, &position)) {
        return ectx_fail(ec, ERR_DAMAGED,
                         "a frame of the log has a valid checksum but holds no valid batch");
    }
    return rewrite_replay(r->store, it, &e, bytes, r->flushed, ec);
}

static enum err replay_fact(const struct store *s, uint64_t position, const struct item *it,
                            struct slice bytes, struct ectx *ec)
{
    for (size_t i = 0; i < s->participant_count; i++) {
        const struct store_participant *pt = &s->participants[i];
        if (pt->tag == it->tag) {
            enum err e = pt->apply(pt->ctx, position, bytes, ec);
            return e == ERR_OK ? ERR_OK : ectx_wrap(ec, e, "replaying a fact of %s", pt->name);
        }
    }
    return ectx_fail(ec, ERR_VERSION,
                     "the log holds facts of kind %u that this program does not know",
                     (unsigned)it->tag);
}

static enum err replay_item(struct replay *r, uint64_t position, const struct item *it,
                            struct slice bytes, struct ectx *ec)
{
    struct store *s = r->store;
    struct store_part *p = NULL;
    switch ((enum item_type)it->type) {
    case ITEM_BATCH:
    case ITEM_PLACE:
        return replay_batch(r, it, bytes, ec);
    case ITEM_FACT:
        return replay_fact(s, position, it, bytes, ec);
    case ITEM_LOG_START:
    case ITEM_LEASE:
        p = slice_left(&bytes) < 4 ? NULL : store_part_find(s, get_le32(bytes.p));
        if (p != NULL && it->type == ITEM_LOG_START) {
            /* It may lie above what is known yet: batches of durability os are looked for later. */
            part_log_start_set(p, it->number);
        } else if (p != NULL && it->number > p->lease_end) {
            p->lease_end = p->lease_asked = it->number;
        }
        return ERR_OK;
    case ITEM_REWRITE:
        return replay_rewrite(r, it, bytes, ec);
    case ITEM_NOTHING:
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_VERSION,
                     "the log holds an item of kind %u that this program does not know",
                     (unsigned)it->type);
}

/* All or nothing: before any item of an unproven frame is applied, everything it names must be
 * there. */
static enum err frame_check(struct replay *r, struct slice body, struct ectx *ec)
{
    struct item it;
    struct slice bytes;
    while (slice_left(&body) > 0) {
        if (!item_decode(&body, &it, &bytes)) {
            return ectx_fail(ec, ERR_DAMAGED,
                             "a frame of the log has a valid checksum but no valid items");
        }
        struct segment_identity id;
        struct entry e;
        uint64_t position;
        if (it.type != ITEM_PLACE || r->flushed ||
            !decode_entry_item(r->store, &it, bytes, &id, &e, &position)) {
            continue;
        }
        struct store_part *p = store_part_find(r->store, e.part_id);
        if (p == NULL || e.base_offset < p->log_end) {
            continue;
        }
        /* A segment that only this frame knows is not the partition's yet. */
        struct segment *g = part_active(p);
        struct segment *mine = NULL;
        if (g == NULL || g->base != it.number) {
            mine = segment_new(r->store, p, it.number);
            g = mine;
        }
        bool good = false;
        enum err err = g == NULL ? ERR_NO_MEMORY : place_verify(r, g, &e, bytes.p, &good, ec);
        if (mine != NULL) {
            segment_unref(mine);
        }
        if (err != ERR_OK) {
            return err;
        }
        if (!good) {
            return ectx_fail(ec, ERR_DAMAGED, "bytes that a frame names are not there");
        }
    }
    return ERR_OK;
}

static enum err replay_frame(void *ctx, uint64_t position, struct slice body, bool flushed,
                             struct ectx *ec)
{
    struct replay *r = ctx;
    struct store *s = r->store;
    r->flushed = flushed;
    const size_t size = slice_left(&body);
    enum err e = frame_check(r, body, ec);
    if (e != ERR_OK) {
        if (e == ERR_DAMAGED) {
            s->recovery.torn_bytes += size;
        }
        return e;
    }
    while (e == ERR_OK && slice_left(&body) > 0) {
        struct item it;
        struct slice bytes;
        if (!item_decode(&body, &it, &bytes)) {
            break;
        }
        e = replay_item(r, position, &it, bytes, ec);
    }
    s->recovery.frames++;
    if (e == ERR_OK && s->tail_bytes >= s->cfg.tail_memory_bytes / 2) {
        LIST_FOR_EACH (n, tmp, &s->tail_parts) {
            struct store_part *p = CONTAINER_OF(n, struct store_part, tail_link);
            p->high_watermark = p->log_end;
        }
        e = pack_now(s, ec);
    }
    return e;
}

static void replay_damage(void *ctx, uint64_t from, uint64_t to)
{
    const struct replay *r = ctx;
    struct store *s = r->store;
    char file[32];
    (void)snprintf(file, sizeof(file), "wal/ring-%03u",
                   (unsigned)(from / s->cfg.ring_file_bytes % s->cfg.ring_file_count));
    LOG_ERROR("log.damaged", KV_Z("file", file), KV_U64("at_byte", from % s->cfg.ring_file_bytes),
              KV_U64("from_position", from), KV_U64("to_position", to));
    s->ring_damaged_bytes += to - from;
    s->ring_damaged_from = from;
    s->ring_damaged_to = to;
    s->recovery.damaged_ranges++;
}

/* ---- The whole ------------------------------------------------------------------------------ */

static struct meta meta_now(const struct store *s)
{
    return (struct meta){.id = s->id,
                         .ring_file_bytes = s->cfg.ring_file_bytes,
                         .ring_file_count = s->cfg.ring_file_count};
}

static enum err wal_start(struct store *s, const struct image_slot *from, struct ectx *ec)
{
    char dir[STORE_PATH_MAX];
    store_path(s->dir, "wal", dir);
    struct replay r = {.store = s, .buffer = mem_alloc(VERIFY_BUFFER), .cap = VERIFY_BUFFER};
    if (r.buffer == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for recovery");
    }
    const struct meta m = meta_now(s);
    struct wal_config cfg;
    store_wal_config(&m, dir, from, &cfg);
    cfg.generation = s->generation;
    cfg.clean = from->clean;
    cfg.existing = !from->clean;
    const struct wal_visitor visitor = {&r, replay_frame, replay_damage};
    enum err e = wal_open(s->env, s->poll, &cfg, &visitor, &s->wal, ec);
    mem_free(r.buffer);
    chunk_unref(r.memory);
    e = r.orphaned ? ERR_DAMAGED : e;
    if (e == ERR_OK) {
        s->generation = wal_generation(s->wal);
    }
    s->frame_max = cfg.group_bytes - 4096 - 512;
    return e;
}

static bool unlink_one(void *ctx, const char *name, bool is_dir)
{
    const struct store *s = ctx;
    char path[STORE_PATH_MAX], relative[STORE_PATH_MAX / 2];
    (void)snprintf(relative, sizeof(relative), "wal/%s", name);
    store_path(s->dir, relative, path);
    if (!is_dir) {
        IGNORE(env_unlink(s->env, path, NULL)); /* opening says what is wrong with it */
    }
    return true;
}

/* A first start that was cut off: nothing was acknowledged, so its remains go. */
static enum err wipe_first_start(struct store *s, struct ectx *ec)
{
    char path[STORE_PATH_MAX];
    const struct meta m = meta_now(s);
    enum err e = first_start_check(s->env, s->dir, &m, s->cfg.image_max_bytes, ec);
    if (e != ERR_OK) {
        return e;
    }
    store_path(s->dir, "wal", path);
    e = env_dir_list(s->env, path, unlink_one, s, ec);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    for (int i = 0; i < 2; i++) {
        store_path(s->dir, i == 0 ? "checkpoint-a" : "checkpoint-b", path);
        e = env_unlink(s->env, path, ec);
        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err choose_image(struct store *s, struct image_view v[2], int *chosen, struct ectx *ec)
{
    for (int i = 0; i < 2; i++) {
        enum err e = image_read(s->env, s->dir, i, s->id, s->cfg.image_max_bytes, &v[i], ec);
        if (e != ERR_OK) {
            return e;
        }
        s->slots[i] = v[i].info;
    }
    if (!v[0].info.valid && !v[1].info.valid) {
        enum err e = ectx_fail(
            ec, ERR_DAMAGED,
            "both images of the internal state, '%s/checkpoint-a' and '%s/checkpoint-b', are "
            "missing or failed their checksum",
            s->dir, s->dir);
        ectx_hint(ec, "restore the data directory from a backup; nothing was changed");
        return e;
    }
    *chosen =
        v[1].info.valid && (!v[0].info.valid || v[1].info.sequence > v[0].info.sequence) ? 1 : 0;
    const struct image_slot *other = &v[1 - *chosen].info;
    if (other->present && !other->valid) {
        LOG_WARN("image.unreadable", KV_Z("file", *chosen == 0 ? "checkpoint-b" : "checkpoint-a"),
                 KV_Z("instead", "the other image and the log behind it"));
    }
    return ERR_OK;
}

static enum err recover_existing(struct store *s, struct ectx *ec)
{
    struct image_view v[2] = {0};
    int chosen = 0;
    enum err e = choose_image(s, v, &chosen, ec);
    struct image_slot from = {0};
    if (e == ERR_OK) {
        from = v[chosen].info;
        const bool other_bad = s->slots[1 - chosen].present && !s->slots[1 - chosen].valid;
        from.clean =
            from.clean && !other_bad; /* a damaged newer image may have had frames behind it */
        if (from.clean) {
            const struct meta m = meta_now(s);
            e = image_is_end(s->env, s->dir, &m, &from, &from.clean, ec);
            if (e == ERR_OK && !from.clean) {
                LOG_WARN("image.outdated",
                         KV_Z("file", chosen == 0 ? "checkpoint-b" : "checkpoint-a"),
                         KV_Z("instead", "the other image and the log behind it"));
            }
        }
        s->recovery.clean = from.clean;
        s->newest = chosen;
        s->image_sequence = from.sequence + (other_bad ? 1 : 0);
        s->image_generation = from.generation;
        s->generation = from.generation + (other_bad ? 2 : 1);
        s->last_position = get_le64(v[chosen].bytes + 88);
    }
    if (e == ERR_OK) {
        e = image_sync(s->env, s->dir, chosen, ec);
    }
    if (e == ERR_OK) {
        e = restore_image(s, &v[chosen], ec);
    }
    if (e == ERR_OK) {
        e = wal_start(s, &from, ec);
    }
    mem_free(v[0].bytes);
    mem_free(v[1].bytes);
    if (e == ERR_OK && !from.clean) {
        e = relaxed_recover(s, ec);
    }
    return e;
}

enum err recover_run(struct store *s, struct ectx *ec)
{
    const uint64_t started = env_mono_ns(s->env);
    enum err e;
    s->recovering = true;
    if (s->recovery.created) {
        const struct image_slot from = {.clean = true};
        s->recovery.clean = true;
        s->generation = 1;
        s->newest = 1;
        e = wipe_first_start(s, ec);
        e = e == ERR_OK ? wal_start(s, &from, ec) : e;
    } else {
        e = recover_existing(s, ec);
    }
    e = e == ERR_OK ? aside_finish(s, ec) : e;
    for (size_t i = 0; i < s->participant_count && s->ring_damaged_bytes > 0; i++) {
        const struct store_participant *pt = &s->participants[i];
        if (e == ERR_OK && pt->lost != NULL) {
            pt->lost(pt->ctx, s->ring_damaged_bytes);
        }
    }
    if (e == ERR_OK) {
        LIST_FOR_EACH (n, tmp, &s->part_list) {
            struct store_part *p = CONTAINER_OF(n, struct store_part, link);
            if (p->log_end < p->log_start) {
                p->log_end = p->log_start; /* what was deleted was told once */
            }
            p->high_watermark = p->log_end;
            for (uint32_t i = 0; i < p->seg_count; i++) {
                p->segs[i]->settled = p->segs[i]->size;
            }
        }
        s->erase_ring_to = s->erase_ring_to > wal_tail(s->wal) ? wal_tail(s->wal)
                                                               : entry_block_up(s->erase_ring_to);
        /* What was accepted may be in the page cache only; the checkpoint flushes it, with the new
         * generation. */
        e = checkpoint_now(s, false, ec);
        /* From an image before the gap nobody would find what is behind it. Both know it, before
         * anything there is told to be on stable storage (store_sync). */
        e = e == ERR_OK && s->diverged ? checkpoint_now(s, false, ec) : e;
    }
    if (e == ERR_OK && s->recovery.created) {
        e = store_dir_ready(s, ec);
    }
    s->recovering = false;
    map_deinit(&s->removed);
    map_init(&s->removed);
    aside_free(s);
    s->recovery.took_ns = env_mono_ns(s->env) - started;
    return e;
}
