/*
 * A data directory that somebody changed. Input: byte 0: flags (1: the checksums of all that was
 * changed are made right, 2: it had a clean stop); then changes, see change(): numbers in the
 * structures of meta, images, ring, segments and indexes, files cut, copied over others, removed.
 *
 * Beyond "no crash, no leak": verify changes nothing; what does not open says why; what opens can
 * be read from end to end, written to, closed and opened again. Without made-up checksums no byte
 * that is read is wrong.
 *
 * libFuzzer: -len_control=0 -max_len=300
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "fuzz/common.h"
#include "fuzz/disk.h"
#include "store/format.h"
#include "wal/wal_int.h"

#define FILES_MAX   40
#define PATH_BYTES  200
#define MARKS_MAX   400
#define CHANGES_MAX 24
#define FORGED      1
#define CLEAN       2

enum kind { META, IMAGE, RING, SEGMENT, INDEX };
struct file {
    char path[PATH_BYTES];
    enum kind kind;
    struct segment_identity id; /* of a segment or an index */
};
/* A structure in a file: that is where changes are interesting. */
struct mark {
    uint32_t file, at, size;
};
static struct {
    struct env *env;
    struct env_sim_disk *disk[2]; /* after a crash, after a clean stop */
    struct uuid id;
    struct file files[FILES_MAX];
    struct mark marks[MARKS_MAX];
    uint32_t file_count, mark_count;
} the;

/* ---- Structures, and their checksums -----------------------------------------------------------
 */

/* With fix: makes checksums right. Without: notes where the structures are. */
static void structure(uint32_t file, const uint8_t *base, const uint8_t *p, size_t size)
{
    if (the.mark_count < MARKS_MAX) {
        the.marks[the.mark_count++] = (struct mark){file, (uint32_t)(p - base), (uint32_t)size};
    }
}

static void fix_entry(uint8_t *p, size_t left, const struct segment_identity *id, bool payload)
{
    uint64_t size = get_le32(p + 12);
    if (payload && size <= left - ENTRY_HEADER_SIZE) {
        fuzz_batch_repair(p + ENTRY_HEADER_SIZE, (size_t)size);
        put_le32(p + 72, crc32c(0, p + ENTRY_HEADER_SIZE, (size_t)size));
    }
    put_le32(p + 4, crc32c(id->seed, p + 8, ENTRY_HEADER_SIZE - 8));
}

static void walk_segment(uint32_t f, uint8_t *p, size_t n, bool fix)
{
    for (size_t at = 0; n - at >= ENTRY_HEADER_SIZE; at += 4) {
        if (memcmp(p + at, "LTE1", 4) != 0) {
            continue;
        }
        if (fix) {
            fix_entry(p + at, n - at, &the.files[f].id, true);
        } else {
            structure(f, p, p + at, ENTRY_HEADER_SIZE);
            structure(f, p, p + at + ENTRY_HEADER_SIZE, BATCH_HEADER_SIZE + 8);
        }
    }
}

static void walk_index(uint32_t f, uint8_t *p, size_t n, bool fix)
{
    for (size_t at = 0; n - at >= INDEX_ENTRY_SIZE; at += INDEX_ENTRY_SIZE) {
        if (fix) {
            put_le32(p + at + 20, crc32c(the.files[f].id.seed, p + at, 20));
        } else {
            structure(f, p, p + at, INDEX_ENTRY_SIZE);
        }
    }
}

static void walk_items(uint32_t f, uint8_t *base, uint8_t *p, size_t n, bool fix)
{
    struct slice body = slice_of(p, n);
    struct item it;
    struct slice bytes;
    uint8_t *at = p;
    while (item_decode(&body, &it, &bytes)) {
        uint8_t *entry = at + ITEM_HEADER_SIZE;
        if (!fix) {
            structure(f, base, at, ITEM_HEADER_SIZE);
            structure(f, base, entry, slice_left(&bytes) < 200 ? slice_left(&bytes) : 200);
        } else if (slice_left(&bytes) >= ENTRY_HEADER_SIZE &&
                   (it.type == ITEM_BATCH || it.type == ITEM_PLACE)) {
            struct segment_identity id = {
                .store_id = the.id, .part_id = get_le32(entry + 64), .base = it.number};
            segment_identity_seal(&id);
            fix_entry(entry, slice_left(&bytes), &id, it.type == ITEM_BATCH);
        }
        at = p + (body.p - p);
    }
}

static void walk_ring(uint32_t f, uint8_t *p, size_t n, bool fix)
{
    uint32_t seed = wal_seed(&the.id);
    for (size_t at = 0; n - at >= WAL_BODY_OFFSET; at += WAL_ALIGN) {
        if (get_le32(p + at) != WAL_MAGIC) {
            continue;
        }
        uint64_t length = get_le32(p + at + 16);
        bool whole = length <= n - at - WAL_BODY_OFFSET;
        if (whole) {
            walk_items(f, p, p + at + WAL_BODY_OFFSET, (size_t)length, fix);
        }
        if (!fix) {
            structure(f, p, p + at, WAL_BODY_OFFSET);
            continue;
        }
        if (whole) {
            put_le32(p + at + 12, crc32c(seed, p + at + WAL_BODY_OFFSET, (size_t)length));
        }
        put_le32(p + at + 8, crc32c(crc32c(seed, p + at, 8), p + at + 12, WAL_BODY_OFFSET - 12));
    }
}

static void walk_image(uint32_t f, uint8_t *p, size_t n, bool fix)
{
    uint8_t b[24];
    if (n < IMAGE_HEADER_SIZE) {
        return;
    }
    memcpy(b, the.id.b, 16);
    memcpy(b + 16, p + 32, 8);
    uint32_t seed = crc32c(0, b, sizeof(b));
    if (fix) {
        put_le32(p + 12, crc32c(0, p + 16, IMAGE_HEADER_SIZE - 16));
    } else {
        structure(f, p, p, IMAGE_HEADER_SIZE);
    }
    uint64_t sections = get_le64(p + 64);
    n = sections < n - IMAGE_HEADER_SIZE ? (size_t)sections + IMAGE_HEADER_SIZE : n;
    for (size_t at = IMAGE_HEADER_SIZE; n - at >= IMAGE_SECTION_HEADER_SIZE;) {
        uint8_t *h = p + at;
        uint64_t size = get_le64(h + 8);
        if (size > n - at - IMAGE_SECTION_HEADER_SIZE) {
            return;
        }
        if (fix) {
            put_le32(h + 4, crc32c(crc32c(seed, h, 2), h + 8, (size_t)size + 16));
        } else {
            structure(f, p, h, IMAGE_SECTION_HEADER_SIZE);
            structure(f, p, h + IMAGE_SECTION_HEADER_SIZE, (size_t)size);
        }
        at += IMAGE_SECTION_HEADER_SIZE + (size_t)size;
    }
}

static void walk_file(uint32_t f, bool fix)
{
    uint64_t size = 0;
    uint8_t *p = env_sim_file_bytes(the.env, the.files[f].path, &size);
    if (p == NULL || size == 0) {
        return;
    }
    switch (the.files[f].kind) {
    case META:
        if (fix && size >= META_SIZE) {
            put_le32(p + 60, crc32c(0, p, 60));
        } else if (!fix) {
            structure(f, p, p, META_SIZE);
        }
        break;
    case IMAGE:
        walk_image(f, p, size, fix);
        break;
    case RING:
        walk_ring(f, p, size, fix);
        break;
    case SEGMENT:
        walk_segment(f, p, size, fix);
        break;
    case INDEX:
        walk_index(f, p, size, fix);
        break;
    }
}

/* ---- The good directory ------------------------------------------------------------------------
 */

static void add_file(const char *path, enum kind kind)
{
    struct file *f = &the.files[the.file_count];
    if (the.file_count < FILES_MAX) {
        (void)snprintf(f->path, sizeof(f->path), "%s", path);
        f->kind = kind;
        the.file_count++;
    }
}

static bool add_segment(void *ctx, const char *name, bool is_dir)
{
    char path[PATH_BYTES];
    int32_t index;
    uint32_t part;
    int64_t base;
    bool is_idx;
    if (is_dir || !segment_name_parse(str_of(name), &index, &part, &base, &is_idx)) {
        return true;
    }
    (void)snprintf(path, sizeof(path), "%s/%s", (const char *)ctx, name);
    add_file(path, is_idx ? INDEX : SEGMENT);
    struct segment_identity *id = &the.files[the.file_count - 1].id;
    *id = (struct segment_identity){.store_id = the.id, .part_id = part, .base = base};
    segment_identity_seal(id);
    return true;
}

static bool add_topic(void *ctx, const char *name, bool is_dir)
{
    char path[PATH_BYTES];
    (void)ctx;
    (void)snprintf(path, sizeof(path), "/data/topics/%s", name);
    CHECK(!is_dir || env_dir_list(the.env, path, add_segment, path, NULL) == ERR_OK);
    return true;
}

static void open_world(struct world *w)
{
    CHECK(world_open(w, the.env, NULL) == ERR_OK);
}

/* Two partitions of several segments with indexes; batches in the ring, small and in place. */
static void make_disk(void)
{
    const struct env_sim_config sim = {.seed = 5, .write_ns = 1000, .sync_ns = 10000};
    const struct broker_setting settings[] = {{STR_LIT("segment.ms"), STR_LIT("1000")},
                                              {STR_LIT("index.interval.bytes"), STR_LIT("64")}};
    const struct broker_topic_spec spec = {.name = STR_LIT("t"),
                                           .partitions = 2,
                                           .replication_factor = -1,
                                           .settings = settings,
                                           .setting_count = ARRAY_LEN(settings)};
    struct world w;
    CHECK(env_sim_create(&sim, &the.env) == ERR_OK);
    open_world(&w);
    broker_topic_create(w.broker, &spec, false, world_ignore, NULL);
    for (int i = 0; i < 20 && broker_topic_count(w.broker) < 1; i++) {
        world_turn(&w);
    }
    for (int i = 0; i < 6; i++) {
        disk_append(&w, "t", i % 2, i == 3 ? 3000 : 100, false);
        if (i % 3 == 2) {
            env_sim_advance_ns(the.env, 2000000000);
        }
    }
    the.id = store_id(w.store);
    world_close(&w);
    open_world(&w);
    for (int i = 0; i < 5; i++) {
        disk_append(&w, "t", i % 2, i == 2 ? 2500 : 50, i == 4);
    }
    the.disk[0] = env_sim_disk_save(the.env);
    world_close(&w);
    the.disk[1] = env_sim_disk_save(the.env);
    add_file("/data/meta", META);
    add_file("/data/checkpoint-a", IMAGE);
    add_file("/data/checkpoint-b", IMAGE);
    for (int i = 0; i < 4; i++) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof(path), "/data/wal/ring-%03d", i);
        add_file(path, RING);
    }
    CHECK(env_dir_list(the.env, "/data/topics", add_topic, NULL, NULL) == ERR_OK);
    for (uint32_t i = 0; i < the.file_count; i++) {
        walk_file(i, false);
    }
    CHECK(the.mark_count > 20 && the.mark_count < MARKS_MAX && the.file_count > 10);
}

/* ---- Changes -----------------------------------------------------------------------------------
 */

static void put_number(uint8_t *p, size_t left, uint32_t width, uint64_t v, bool add)
{
    if (width > left) {
        return;
    }
    switch (width) {
    case 1:
        p[0] = (uint8_t)(add ? p[0] + v : v);
        break;
    case 2:
        put_le16(p, (uint16_t)(add ? get_le16(p) + v : v));
        break;
    case 4:
        put_le32(p, (uint32_t)(add ? get_le32(p) + v : v));
        break;
    default:
        put_le64(p, add ? get_le64(p) + v : v);
        break;
    }
}

static void change_number(struct fuzz_source *s)
{
    const struct mark *m = &the.marks[fuzz_below(s, the.mark_count)];
    uint64_t size = 0;
    uint8_t *p = env_sim_file_bytes(the.env, the.files[m->file].path, &size);
    uint32_t width = 1u << fuzz_below(s, 4);
    uint32_t at = m->at + fuzz_below(s, m->size + 1);
    bool add = fuzz_below(s, 2) == 1;
    uint64_t v = (uint64_t)fuzz_number(s);
    if (p != NULL && at < size) {
        put_number(p + at, size - at, width, v, add);
    }
}

/* One structure over another, of the same file or another. */
static void copy_structure(struct fuzz_source *s)
{
    const struct mark *from = &the.marks[fuzz_below(s, the.mark_count)];
    const struct mark *to = &the.marks[fuzz_below(s, the.mark_count)];
    uint8_t bytes[512];
    uint64_t size = 0;
    uint8_t *p = env_sim_file_bytes(the.env, the.files[from->file].path, &size);
    uint32_t n = from->size < sizeof(bytes) ? from->size : (uint32_t)sizeof(bytes);
    if (p == NULL || from->at + n > size) {
        return;
    }
    memcpy(bytes, p + from->at, n);
    p = env_sim_file_bytes(the.env, the.files[to->file].path, &size);
    if (p != NULL && to->at + n <= size) {
        memcpy(p + to->at, bytes, n);
    }
}

static void cut_file(struct fuzz_source *s, const char *path)
{
    struct env_file *f;
    uint64_t size = 0;
    if (env_file_open(the.env, path, ENV_READ | ENV_WRITE, &f, NULL) != ERR_OK) {
        return;
    }
    CHECK(env_file_size(f, &size, NULL) == ERR_OK);
    uint64_t by = fuzz_below(s, 256); /* shorter, or longer with zeros */
    uint64_t to = by < 128 ? size * by / 128 : size + (by - 128) * 64;
    IGNORE(env_file_truncate(f, to, NULL));
    env_file_close(f);
}

static void change(struct fuzz_source *s)
{
    const char *path = the.files[fuzz_below(s, the.file_count)].path;
    switch (fuzz_below(s, 16)) {
    case 12:
        copy_structure(s);
        break;
    case 13:
        cut_file(s, path);
        break;
    case 14:
        IGNORE(env_unlink(the.env, path, NULL));
        break;
    case 15: { /* a file that came to the wrong place */
        const char *to = the.files[fuzz_below(s, the.file_count)].path;
        IGNORE(env_rename(the.env, path, to, NULL));
        break;
    }
    default:
        change_number(s);
        break;
    }
}

static void on_found(void *ctx, bool is_problem, const char *text)
{
    (void)is_problem;
    CHECK(text[0] != '\0');
    *(uint32_t *)ctx += 1;
}

static void verify(void)
{
    struct store_verify_report report = {0};
    struct ectx ec = {0};
    uint32_t found = 0;
    uint64_t before = env_sim_disk_hash(the.env);
    enum err e = store_verify(the.env, "/data", on_found, &found, &report, &ec);
    CHECK(e == ERR_OK ? found == report.problems + report.notes : ec.text[0] != '\0');
    CHECK(env_sim_disk_hash(the.env) == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w;
    struct ectx ec = {0};
    if (the.env == NULL) {
        make_disk();
    }
    if (size < 1) {
        return 0;
    }
    bool forged = (data[0] & FORGED) != 0;
    struct fuzz_source s = fuzz_source_bytes(data + 1, size - 1);
    env_sim_disk_restore(the.env, the.disk[(data[0] & CLEAN) != 0]);
    for (int i = 0; i < CHANGES_MAX && !fuzz_source_ended(&s); i++) {
        change(&s);
    }
    for (uint32_t i = 0; forged && i < the.file_count; i++) {
        walk_file(i, true);
    }
    verify();
    enum err e = world_open(&w, the.env, &ec);
    CHECK(e == ERR_OK || ec.text[0] != '\0');
    if (e == ERR_OK) {
        disk_use(&w, !forged);
    }
    world_close(&w);
    if (e == ERR_OK) {
        ec = (struct ectx){0};
        e = world_open(&w, the.env, &ec);
        /* A forged header of a newer version may lie where only the second start looks. */
        CHECK(e == ERR_OK || (forged && ec.text[0] != '\0'));
        if (e == ERR_OK) {
            disk_read_all(&w, !forged);
        }
        world_close(&w);
    }
    return 0;
}
