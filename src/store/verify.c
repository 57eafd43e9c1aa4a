/*
 * The offline check: reads everything that the newest image and the log behind it name, compares
 * checksums, and says what it found. Changes nothing but the lock. Damage is a problem; what
 * repairs itself at the next start is a note.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/mem.h"
#include "store/store_int.h"

enum { VERIFY_WALK = 1 << 20 };

struct rewritten {
    uint32_t part_id;
    int64_t base;           /* of the segment */
    uint64_t position, end; /* in it */
    int64_t next;           /* offset behind it */
    bool blocks;
};

struct verify {
    struct env *env;
    const char *dir;
    struct uuid id;
    void (*found)(void *ctx, bool is_problem, const char *text);
    void *ctx;
    struct store_verify_report report;
    struct map known; /* relative names of files that something refers to */
    struct map parts; /* partition id -> "topics/DIR/INDEX-ID" of its files; owned */
    uint8_t *buffer, *payload;
    size_t payload_cap;
    const struct image_part *part;
    struct rewritten *rewritten; /* entries that frames of the ring replace */
    size_t rewritten_count;
    enum err err;
    struct ectx ec;
    char topic[STORE_PATH_MAX / 4];
};

PRINTF_LIKE(3, 4)
static void say(struct verify *v, bool is_problem, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (is_problem) {
        v->report.problems++;
    } else {
        v->report.notes++;
    }
    v->found(v->ctx, is_problem, text);
}

static bool know(struct verify *v, const char *name)
{
    return map_put(&v->known, str_of(name), v);
}

static bool quarantined(const struct image_part *ip, int64_t offset)
{
    struct slice at = ip->damage;
    struct damage_range r;
    while (image_next_damage(&at, &r)) {
        if (r.from <= offset && offset < r.to) {
            return true;
        }
    }
    return false;
}

/* The entry that the ring says was rewritten, if it is the one at this place. */
static const struct rewritten *rewritten_at(const struct verify *v, int64_t base, uint64_t at)
{
    for (size_t i = 0; i < v->rewritten_count; i++) {
        const struct rewritten *r = &v->rewritten[i];
        if (r->part_id == v->part->id && r->base == base &&
            (r->position == at || (r->blocks && r->position == entry_block_up(at)))) {
            return r;
        }
    }
    return NULL;
}

static enum err verify_payload(struct verify *v, struct env_file *f, const struct entry *e,
                               bool *good)
{
    if (e->payload_size > v->payload_cap) {
        uint8_t *grown = mem_realloc(v->payload, e->payload_size);
        if (grown == NULL) {
            return ectx_fail(&v->ec, ERR_NO_MEMORY, "no memory for a batch of %u bytes",
                             e->payload_size);
        }
        v->payload = grown;
        v->payload_cap = e->payload_size;
    }
    size_t got = 0;
    enum err err = env_file_pread(f, v->payload, e->payload_size, e->position + ENTRY_HEADER_SIZE,
                                  &got, &v->ec);
    *good = err == ERR_OK && got == e->payload_size && crc32c(0, v->payload, got) == e->payload_crc;
    if (*good) {
        struct batch_header h;
        *good = batch_header_parse(v->payload, got, &h, NULL) == ERR_OK &&
                h.base_offset == e->base_offset && batch_verify_crc(v->payload, &h, NULL) == ERR_OK;
    }
    return err == ERR_IO ? ERR_OK : err;
}

static enum err verify_entries(struct verify *v, const char *name, struct env_file *f,
                               const struct segment_identity *id, const struct image_seg *is)
{
    struct entry_walk w = {
        .file = f, .id = id, .end = is->size, .buffer = v->buffer, .cap = VERIFY_WALK};
    uint64_t at = 0;
    int64_t next = is->base;
    for (;;) {
        struct entry e;
        uint64_t skipped = 0;
        const uint64_t from = at;
        enum err err = entry_walk_next(&w, &at, &e, &skipped, &v->ec);
        if (err != ERR_OK && err != ERR_NOT_FOUND) {
            return err;
        }
        const int64_t upto = err == ERR_OK ? e.base_offset : is->end;
        const bool missing = upto > next && (skipped > 0 || err == ERR_NOT_FOUND);
        const struct rewritten *r = missing ? rewritten_at(v, is->base, from) : NULL;
        if (r != NULL) { /* half of it may be written: the next start writes it again */
            v->report.batches++;
            next = r->next;
            at = r->end;
            continue;
        }
        if (missing && !quarantined(v->part, next)) {
            say(v, true, "%s: bytes %llu on are damaged: offsets %lld to %lld cannot be read", name,
                (unsigned long long)from, (long long)next, (long long)(upto - 1));
        }
        if (err == ERR_NOT_FOUND) {
            return ERR_OK;
        }
        bool good = false;
        err = verify_payload(v, f, &e, &good);
        if (err != ERR_OK) {
            return err;
        }
        if (!good && !quarantined(v->part, e.base_offset) &&
            rewritten_at(v, is->base, e.position) == NULL) {
            say(v, true, "%s: the batch at byte %llu (offsets %lld to %lld) failed its checksum",
                name, (unsigned long long)e.position, (long long)e.base_offset,
                (long long)(entry_next_offset(&e) - 1));
        }
        v->report.batches++;
        v->report.bytes += e.payload_size;
        next = entry_next_offset(&e);
        at = entry_end(&e);
    }
}

static enum err verify_index(struct verify *v, const char *path, const char *name,
                             const struct segment_identity *id, uint32_t count)
{
    struct env_file *f;
    if (count == 0) {
        return ERR_OK;
    }
    enum err e = env_file_open(v->env, path, ENV_READ, &f, &v->ec);
    if (e == ERR_NOT_FOUND) {
        say(v, false, "%s: the index is missing; reads walk further until it is written again",
            name);
        return ERR_OK;
    }
    if (e != ERR_OK) {
        return e;
    }
    v->report.files++;
    for (uint32_t i = 0; e == ERR_OK && i < count; i++) {
        uint8_t b[INDEX_ENTRY_SIZE];
        size_t got = 0;
        uint32_t relative, position;
        int64_t max;
        e = env_file_pread(f, b, sizeof(b), (uint64_t)i * INDEX_ENTRY_SIZE, &got, &v->ec);
        if (e == ERR_OK &&
            (got < sizeof(b) || !index_entry_decode(b, id->seed, &relative, &position, &max))) {
            say(v, false, "%s: entry %u of the index is damaged; reads walk further", name, i);
            break;
        }
    }
    env_file_close(f);
    return e;
}

static enum err verify_segment(struct verify *v, const struct image_seg *is)
{
    const struct image_part *ip = v->part;
    char name[STORE_PATH_MAX / 2], path[STORE_PATH_MAX];
    struct segment_identity id = {.store_id = v->id, .part_id = ip->id, .base = is->base};
    segment_identity_seal(&id);
    segment_name(name, sizeof(name), v->topic, ip->index, ip->id, is->base, "idx");
    store_path(v->dir, name, path);
    if (!know(v, name)) {
        return ectx_fail(&v->ec, ERR_NO_MEMORY, "no memory");
    }
    enum err e = verify_index(v, path, name, &id, is->idx_count);
    if (e != ERR_OK) {
        return e;
    }
    segment_name(name, sizeof(name), v->topic, ip->index, ip->id, is->base, "seg");
    store_path(v->dir, name, path);
    if (!know(v, name)) {
        return ectx_fail(&v->ec, ERR_NO_MEMORY, "no memory");
    }
    if (is->size == 0) {
        return ERR_OK;
    }
    struct env_file *f;
    e = env_file_open(v->env, path, ENV_READ, &f, &v->ec);
    if (e == ERR_NOT_FOUND) {
        say(v, true, "%s: the file is missing: offsets %lld to %lld cannot be read", name,
            (long long)is->base, (long long)(is->end - 1));
        return ERR_OK;
    }
    if (e != ERR_OK) {
        return e;
    }
    v->report.files++;
    e = verify_entries(v, name, f, &id, is);
    env_file_close(f);
    return e;
}

static bool verify_part(void *ctx, const struct image_part *ip)
{
    struct verify *v = ctx;
    struct slice at = ip->segs;
    struct image_seg is;
    struct damage_range r;
    v->part = ip;
    v->report.parts++;
    (void)snprintf(v->topic, sizeof(v->topic), "%.*s", STR(ip->dir));
    while (v->err == ERR_OK && image_next_seg(&at, &is)) {
        v->err = verify_segment(v, &is);
    }
    at = ip->damage;
    while (image_next_damage(&at, &r)) {
        say(v, true, "partition %d of '%s': offsets %lld to %lld are quarantined", (int)ip->index,
            v->topic, (long long)r.from, (long long)(r.to - 1));
    }
    return v->err == ERR_OK;
}

static bool verify_drop(void *ctx, struct str path, uint64_t sequence)
{
    struct verify *v = ctx;
    char name[STORE_PATH_MAX];
    (void)sequence;
    if (path.n < 4 || path.n >= sizeof(name)) {
        return true;
    }
    memcpy(name, path.p, path.n);
    name[path.n] = '\0';
    if (!know(v, name)) {
        return false;
    }
    memcpy(name + path.n - 3, "idx", 3);
    return know(v, name);
}

/* ---- The log -------------------------------------------------------------------------------- */

static bool entry_there(struct verify *v, const struct item *it, struct slice bytes,
                        struct entry *e)
{
    if (slice_left(&bytes) < ENTRY_HEADER_SIZE ||
        (it->type == ITEM_PLACE && slice_left(&bytes) != ITEM_PLACE_SIZE)) {
        return false;
    }
    struct segment_identity id = {
        .store_id = v->id, .part_id = get_le32(bytes.p + 64), .base = it->number};
    segment_identity_seal(&id);
    return entry_decode(bytes.p, &id, get_le64(bytes.p + 40), e);
}

/* The entry at its place: as the frame says, or rewritten since. */
static bool place_holds(const struct verify *v, const struct item *it, const struct entry *e,
                        const uint8_t *there, struct entry *now)
{
    struct segment_identity id = {.store_id = v->id, .part_id = e->part_id, .base = it->number};
    segment_identity_seal(&id);
    return entry_decode(there, &id, e->position, now) &&
           now->commit_position == e->commit_position && now->generation == e->generation &&
           now->base_offset == e->base_offset && now->payload_size == e->payload_size;
}

/* The bytes that a place item names. ERR_DAMAGED: not there, and nothing proves that they were. */
static enum err verify_place(struct verify *v, const struct item *it, const struct entry *e,
                             bool flushed, struct ectx *ec)
{
    const char *part = map_get_u64(&v->parts, e->part_id);
    char name[STORE_PATH_MAX / 2], path[STORE_PATH_MAX];
    uint8_t there[ENTRY_HEADER_SIZE];
    struct entry now;
    struct env_file *f = NULL;
    enum err err = ERR_NOT_FOUND;
    (void)snprintf(name, sizeof(name), "the segment of partition id %u", e->part_id);
    if (part != NULL) {
        (void)snprintf(name, sizeof(name), "%s-%020lld.seg", part, (long long)it->number);
        store_path(v->dir, name, path);
        err = env_file_open(v->env, path, ENV_READ, &f, ec);
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    bool good = false;
    if (err == ERR_OK) {
        size_t got = 0;
        err = env_file_pread(f, there, sizeof(there), e->position, &got, ec);
        if (err == ERR_OK && got == sizeof(there) && place_holds(v, it, e, there, &now)) {
            err = verify_payload(v, f, &now, &good);
        }
        env_file_close(f);
        if (err != ERR_OK && err != ERR_IO) {
            return err;
        }
    }
    if (!good && !flushed) {
        return ERR_DAMAGED; /* the log decides: a torn tail */
    }
    if (!good) {
        say(v, true, "%s: the batch at byte %llu (offsets %lld to %lld) failed its checksum", name,
            (unsigned long long)e->position, (long long)e->base_offset,
            (long long)(entry_next_offset(e) - 1));
    }
    return ERR_OK;
}

/* Before anything else: which entries of segments the ring replaces. */
static enum err learn_frame(void *ctx, uint64_t position, struct slice body, bool flushed,
                            struct ectx *ec)
{
    struct verify *v = ctx;
    struct item it;
    struct slice bytes;
    struct entry e;
    (void)position;
    (void)flushed;
    while (slice_left(&body) > 0 && item_decode(&body, &it, &bytes)) {
        if (it.type != ITEM_REWRITE || !entry_there(v, &it, bytes, &e)) {
            continue;
        }
        struct rewritten *grown =
            mem_realloc(v->rewritten, (v->rewritten_count + 1) * sizeof(*grown));
        if (grown == NULL) {
            return ectx_fail(ec, ERR_NO_MEMORY, "no memory");
        }
        v->rewritten = grown;
        v->rewritten[v->rewritten_count++] = (struct rewritten){e.part_id,
                                                                it.number,
                                                                e.position,
                                                                entry_end(&e),
                                                                entry_next_offset(&e),
                                                                (e.flags & ENTRY_BLOCKS) != 0};
    }
    return ERR_OK;
}

static void learn_damage(void *ctx, uint64_t from, uint64_t to)
{
    (void)ctx; /* the second walk says it */
    (void)from;
    (void)to;
}

static enum err verify_frame(void *ctx, uint64_t position, struct slice body, bool flushed,
                             struct ectx *ec)
{
    struct verify *v = ctx;
    struct item it;
    struct slice bytes;
    v->report.bytes += slice_left(&body);
    while (slice_left(&body) > 0) {
        if (!item_decode(&body, &it, &bytes)) {
            say(v, true, "wal: the frame at position %llu has items that cannot be read",
                (unsigned long long)position);
            break;
        }
        if (it.type == ITEM_BATCH || it.type == ITEM_PLACE || it.type == ITEM_REWRITE) {
            struct entry e;
            v->report.batches += it.type == ITEM_REWRITE ? 0 : 1;
            if (!entry_there(v, &it, bytes, &e)) {
                say(v, true, "wal: the frame at position %llu holds a batch that cannot be read",
                    (unsigned long long)position);
            } else if (it.type == ITEM_PLACE) {
                const enum err err = verify_place(v, &it, &e, flushed, ec);
                if (err != ERR_OK) {
                    return err;
                }
            }
        }
    }
    return ERR_OK;
}

static void verify_damage(void *ctx, uint64_t from, uint64_t to)
{
    say(ctx, true, "wal: positions %llu to %llu held acknowledged frames and cannot be read",
        (unsigned long long)from, (unsigned long long)to);
}

/* ---- Unknown files -------------------------------------------------------------------------- */

static bool verify_file(void *ctx, const char *file, bool is_dir)
{
    struct verify *v = ctx;
    char name[STORE_PATH_MAX];
    (void)snprintf(name, sizeof(name), "topics/%s/%s", v->topic, file);
    if (map_get(&v->known, str_of(name)) == NULL) {
        int32_t index;
        uint32_t part_id;
        int64_t base;
        bool is_idx;
        const bool ours =
            !is_dir && segment_name_parse(str_of(file), &index, &part_id, &base, &is_idx);
        say(v, false,
            ours ? "%s: not in the last image (begun since, or left behind)" : "%s: unknown file",
            name);
    }
    return true;
}

struct dir_names {
    char **names;
    size_t count, cap;
    bool failed;
};

static bool collect_dir(void *ctx, const char *name, bool is_dir)
{
    struct dir_names *d = ctx;
    if (!is_dir) {
        return true;
    }
    if (d->count == d->cap) {
        const size_t cap = d->cap == 0 ? 64 : d->cap * 2;
        char **grown = mem_realloc(d->names, cap * sizeof(*grown));
        if (grown == NULL) {
            d->failed = true;
            return false;
        }
        d->names = grown;
        d->cap = cap;
    }
    d->names[d->count] = str_dup_z(str_of(name));
    d->failed = d->names[d->count] == NULL;
    d->count += d->failed ? 0 : 1;
    return !d->failed;
}

/* Which partitions have files, and where: frames know partitions by their ids only. */
static bool learn_file(void *ctx, const char *file, bool is_dir)
{
    struct verify *v = ctx;
    int32_t index;
    uint32_t part_id;
    int64_t base;
    bool is_idx;
    if (is_dir || !segment_name_parse(str_of(file), &index, &part_id, &base, &is_idx) ||
        map_get_u64(&v->parts, part_id) != NULL) {
        return true;
    }
    char name[STORE_PATH_MAX / 2];
    (void)snprintf(name, sizeof(name), "topics/%s/%d-%u", v->topic, (int)index, part_id);
    char *copy = str_dup_z(str_of(name));
    if (copy == NULL || !map_put_u64(&v->parts, part_id, copy)) {
        mem_free(copy);
        v->err = ectx_fail(&v->ec, ERR_NO_MEMORY, "no memory");
        return false;
    }
    return true;
}

static void parts_free(struct verify *v)
{
    struct map_iter it = {0};
    while (map_next(&v->parts, &it)) {
        mem_free(it.value);
    }
    map_deinit(&v->parts);
}

static enum err verify_topics(struct verify *v,
                              bool (*each)(void *ctx, const char *name, bool is_dir))
{
    char path[STORE_PATH_MAX], name[STORE_PATH_MAX / 2];
    struct dir_names d = {0};
    store_path(v->dir, "topics", path);
    enum err e = env_dir_list(v->env, path, collect_dir, &d, &v->ec);
    if (e == ERR_OK && d.failed) {
        e = ectx_fail(&v->ec, ERR_NO_MEMORY, "no memory");
    }
    for (size_t i = 0; i < d.count; i++) {
        if (e == ERR_OK) {
            (void)snprintf(v->topic, sizeof(v->topic), "%s", d.names[i]);
            (void)snprintf(name, sizeof(name), "topics/%s", d.names[i]);
            store_path(v->dir, name, path);
            e = env_dir_list(v->env, path, each, v, &v->ec);
        }
        mem_free(d.names[i]);
    }
    mem_free(d.names);
    return e == ERR_OK ? v->err : e;
}

/* ---- The whole ------------------------------------------------------------------------------ */

/* A ring file that is missing may have held acknowledged frames. */
static void verify_ring_files(struct verify *v, const struct meta *m)
{
    char name[32], path[STORE_PATH_MAX];
    struct env_stat st;
    for (uint32_t i = 0; i < m->ring_file_count; i++) {
        (void)snprintf(name, sizeof(name), "wal/ring-%03u", i);
        store_path(v->dir, name, path);
        const enum err e = env_stat(v->env, path, &st, NULL);
        if (e == ERR_NOT_FOUND || (e == ERR_OK && st.size < m->ring_file_bytes)) {
            say(v, true, "%s: the file is %s: acknowledged batches may be lost", name,
                e == ERR_OK ? "too short" : "missing");
        }
    }
}

/* `other_bad`: the other image cannot be read, so this one may not be the last: what follows it is
 * in the ring, whatever it says about the stop. */
static enum err verify_image(struct verify *v, const struct image_view *view, bool other_bad,
                             const struct meta *m)
{
    struct slice body;
    char path[STORE_PATH_MAX];
    struct image_more more;
    if (!image_section(view, STORE_TAG_STORE, &body)) {
        say(v, true, "the image lacks the section of the store");
        return ERR_OK;
    }
    bool clean = view->info.clean && !other_bad;
    enum err e = ERR_OK;
    if (clean) {
        e = image_is_end(v->env, v->dir, m, &view->info, &clean, &v->ec);
        if (e != ERR_OK) {
            return e;
        }
        if (!clean) {
            say(v, false, "the newest image is older than the log; what follows it is there");
        }
    }
    store_path(v->dir, "wal", path);
    struct wal_config cfg;
    store_wal_config(m, path, &view->info, &cfg);
    cfg.generation += other_bad ? 1 : 0;
    cfg.clean = clean;
    if (!clean) {
        const struct wal_visitor learn = {v, learn_frame, learn_damage};
        e = wal_verify(v->env, &cfg, &learn, &v->ec); /* refuses a ring of impossible size */
        if (e != ERR_OK) {
            return e;
        }
    }
    e = image_parse_parts(body, verify_part, verify_drop, &more, v);
    e = v->err != ERR_OK ? v->err : e;
    if (e == ERR_DAMAGED && v->ec.text[0] == '\0') {
        say(v, true, "the image's section of the store cannot be read");
        return ERR_OK;
    }
    if (e != ERR_OK) {
        return e;
    }
    const struct wal_visitor visitor = {v, verify_frame, verify_damage};
    e = wal_verify(v->env, &cfg, &visitor, &v->ec); /* refuses a ring of impossible size */
    if (e == ERR_OK && !clean) {
        verify_ring_files(v, m);
    }
    return e == ERR_OK ? verify_topics(v, verify_file) : e;
}

static enum err verify_run(struct verify *v, const struct meta *m)
{
    struct image_view views[2] = {0};
    enum err e = ERR_OK;
    for (int i = 0; i < 2 && e == ERR_OK; i++) {
        e = image_read(v->env, v->dir, i, m->id, UINT32_MAX, &views[i], &v->ec);
        v->report.files++;
    }
    for (int i = 0; i < 2 && e == ERR_OK; i++) {
        /* A crash while it was written leaves it so; the other one and the ring behind it hold all.
         */
        if (views[i].info.present && !views[i].info.valid && views[1 - i].info.valid) {
            say(v, false,
                "checkpoint-%c: not whole (a crash while it was written, or damage); the "
                "other one is used",
                'a' + i);
        }
    }
    if (e == ERR_OK && !views[0].info.valid && !views[1].info.valid) {
        say(v, true, "no valid image of the internal state: the directory cannot be opened");
    } else if (e == ERR_OK) {
        const int newest = views[1].info.valid && (!views[0].info.valid ||
                                                   views[1].info.sequence > views[0].info.sequence);
        const struct image_slot *other = &views[1 - newest].info;
        e = verify_topics(v, learn_file);
        if (e == ERR_OK) {
            e = verify_image(v, &views[newest], other->present && !other->valid, m);
        }
    }
    mem_free(views[0].bytes);
    mem_free(views[1].bytes);
    return e;
}

enum err store_verify(struct env *env, const char *dir,
                      void (*found)(void *ctx, bool is_problem, const char *text), void *ctx,
                      struct store_verify_report *out, struct ectx *ec)
{
    struct verify v = {.env = env, .dir = dir, .found = found, .ctx = ctx};
    struct meta m;
    if (strlen(dir) > STORE_PATH_MAX / 2) {
        return ectx_fail(ec, ERR_CONFIG, "the data directory's name is too long");
    }
    enum err e = store_meta_read(env, dir, &m, ec);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND
                   ? ectx_fail(ec, e, "'%s' is not a data directory: it has no file 'meta'", dir)
                   : e;
    }
    char path[STORE_PATH_MAX];
    struct env_lock *lock = NULL;
    store_path(dir, "lock", path);
    e = env_lock_take(env, path, &lock, ec);
    if (e == ERR_READ_ONLY) {
        lock = NULL; /* no server writes here */
    } else if (e != ERR_OK) {
        return e;
    }
    v.id = m.id;
    v.report.files = 1;
    map_init(&v.known);
    map_init(&v.parts);
    v.buffer = mem_alloc(VERIFY_WALK);
    e = v.buffer == NULL ? ectx_fail(&v.ec, ERR_NO_MEMORY, "no memory") : ERR_OK;
    if (e == ERR_OK && !m.ready) {
        e = first_start_check(env, dir, &m, UINT32_MAX, &v.ec);
    }
    if (e == ERR_OK && !m.ready) {
        say(&v, false, "the first start was not completed; the next one begins afresh");
    } else if (e == ERR_OK) {
        e = verify_run(&v, &m);
    }
    map_deinit(&v.known);
    parts_free(&v);
    mem_free(v.buffer);
    mem_free(v.payload);
    mem_free(v.rewritten);
    if (lock != NULL) {
        env_lock_release(lock);
    }
    if (e != ERR_OK) {
        if (v.ec.text[0] == '\0') {
            IGNORE(ectx_fail(&v.ec, e, "could not check '%s': %s", dir, err_text(e)));
        }
        if (ec != NULL) {
            *ec = v.ec;
        }
        return e;
    }
    *out = v.report;
    return ERR_OK;
}
