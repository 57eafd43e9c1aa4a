/*
 * The files of an index that somebody changed. Input: byte 0: flags (1: the checksums of all that
 * was changed are made right); then changes, see change(): numbers in manifest and blocks, blocks
 * copied over others, files cut, exchanged, removed.
 *
 * Beyond "no crash, no leak": what does not open says why (damage, or another version); what opens
 * answers all look-ups, takes entries, merges, closes and opens again. Without made-up checksums no
 * answer is wrong: each value follows from its key, and each key that was put is found or damaged.
 *
 * libFuzzer: -len_control=0 -max_len=200
 */
#include <stdio.h>
#include <string.h>

#include "core/crc32c.h"
#include "core/log.h"
#include "env/env_sim.h"
#include "fuzz/common.h"
#include "index/index_int.h"

enum { FILES_MAX = 16, CHANGES_MAX = 16, PREFIXES = 60, FORGED = 1, RUNS = 3 };

static const struct index_table tables[] = {{"events", 16, 8, 8, false}, {"tags", 12, 4, 2, false}};
static struct {
    struct env *env;
    struct env_poll *poll;
    struct env_sim_disk *disk;
    char files[FILES_MAX][64];
    uint32_t file_count;
    uint64_t index_id;
    bool harmed;
} the;

static void on_harmed(void *ctx, const struct ectx *ec)
{
    (void)ctx;
    CHECK(ec->text[0] != '\0' && !the.harmed);
    the.harmed = true;
}

static enum err open_index(struct index **out, struct ectx *ec)
{
    const struct index_config cfg = {.dir = "/index",
                                     .tables = tables,
                                     .table_count = ARRAY_LEN(tables),
                                     .memory_bytes = 8 << 10,
                                     .filter_bytes = 1 << 20};
    const struct index_hooks hooks = {NULL, on_harmed, NULL};
    the.harmed = false;
    return index_open_steps(the.env, the.poll, &cfg, &hooks, 8192, out, ec);
}

/* Entry i of a table: numbers below a prefix, and a value that follows from the key. */
static void make_entry(unsigned table, uint32_t i, uint8_t *key, uint8_t *value)
{
    const uint32_t prefix = i % PREFIXES;
    const uint64_t hash = filter_hash(&prefix, sizeof(prefix));
    put_be64(key, hash);
    put_be64(key + tables[table].prefix_bytes, i);
    put_be64(value, filter_hash(key, tables[table].key_bytes));
}

static void put(struct index *ix, uint32_t from, uint32_t to)
{
    uint8_t key[INDEX_KEY_MAX] = {0}, value[INDEX_VALUE_MAX] = {0};
    for (unsigned t = 0; t < ARRAY_LEN(tables); t++) {
        for (uint32_t i = from; i < to; i++) {
            make_entry(t, i, key, value);
            IGNORE(index_put(ix, t, key, value)); /* there may be no room after damage */
        }
    }
}

static void settle(void)
{
    for (int i = 0; i < 20000 && env_job_pending(the.poll) > 0; i++) {
        (void)env_poll_run(the.poll, 0);
    }
}

static bool add_file(void *ctx, const char *name, bool is_dir)
{
    (void)ctx;
    (void)is_dir;
    CHECK(the.file_count < FILES_MAX);
    (void)snprintf(the.files[the.file_count++], sizeof(the.files[0]), "/index/%s", name);
    return true;
}

static const uint32_t ends[RUNS + 1] = {0, 900, 1300, 1400};

static void make_disk(void)
{
    const struct env_sim_config sim = {.seed = 3, .write_ns = 1000, .sync_ns = 10000};
    struct index *ix;
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    CHECK(env_sim_create(&sim, &the.env) == ERR_OK);
    CHECK(env_poll_create(the.env, &the.poll, NULL) == ERR_OK);
    const struct index_config cfg = {.dir = "/index",
                                     .tables = tables,
                                     .table_count = ARRAY_LEN(tables),
                                     .memory_bytes = 1 << 20,
                                     .filter_bytes = 1 << 20};
    CHECK(index_open(the.env, the.poll, NULL, &cfg, NULL, &ix, NULL) == ERR_OK);
    for (int i = 0; i < RUNS; i++) {
        put(ix, ends[i], ends[i + 1]);
        CHECK(index_cover(ix, STR_LIT("here"), true) == ERR_OK);
        settle();
    }
    the.index_id = ix->index_id;
    index_close(ix, true);
    CHECK(env_dir_list(the.env, "/index", add_file, NULL, NULL) == ERR_OK);
    CHECK(the.file_count == 1 + RUNS * ARRAY_LEN(tables));
    the.disk = env_sim_disk_save(the.env);
}

/* ---- Changes ----------------------------------------------------------------------------------
 */

static void change_number(struct fuzz_source *s, uint8_t *p, uint64_t size)
{
    /* Mostly in a header: of the file, or of a block. */
    const uint64_t block = fuzz_below(s, (uint32_t)(size / INDEX_BLOCK) + 1) * INDEX_BLOCK;
    const uint64_t at = block + fuzz_below(s, fuzz_below(s, 4) > 0 ? 176 : INDEX_BLOCK);
    const uint32_t width = 1u << fuzz_below(s, 4);
    const uint64_t v = (uint64_t)fuzz_number(s);
    const bool add = fuzz_below(s, 2) == 1;
    for (uint32_t i = 0; i < width && at + i < size; i++) {
        const uint8_t byte = (uint8_t)(v >> (8 * i));
        p[at + i] = add ? (uint8_t)(p[at + i] + byte) : byte;
    }
}

static void copy_block(struct fuzz_source *s, const char *from_path, const char *to_path)
{
    uint8_t block[INDEX_BLOCK];
    uint64_t size = 0;
    uint8_t *p = env_sim_file_bytes(the.env, from_path, &size);
    if (p == NULL || size < INDEX_BLOCK) {
        return;
    }
    memcpy(block, p + fuzz_below(s, (uint32_t)(size / INDEX_BLOCK)) * INDEX_BLOCK, INDEX_BLOCK);
    p = env_sim_file_bytes(the.env, to_path, &size);
    if (p != NULL && size >= INDEX_BLOCK) {
        memcpy(p + fuzz_below(s, (uint32_t)(size / INDEX_BLOCK)) * INDEX_BLOCK, block, INDEX_BLOCK);
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
    const uint64_t by = fuzz_below(s, 256); /* shorter, or longer with zeros */
    IGNORE(env_file_truncate(f, by < 128 ? size * by / 128 : size + (by - 128) * 64, NULL));
    env_file_close(f);
}

static void change(struct fuzz_source *s)
{
    const char *path = the.files[fuzz_below(s, the.file_count)];
    const char *other = the.files[fuzz_below(s, the.file_count)];
    uint64_t size = 0;
    uint8_t *p;
    switch (fuzz_below(s, 12)) {
    case 8:
        copy_block(s, path, other);
        break;
    case 9:
        cut_file(s, path);
        break;
    case 10:
        IGNORE(env_unlink(the.env, path, NULL));
        break;
    case 11:
        IGNORE(env_rename(the.env, path, other, NULL));
        break;
    default:
        p = env_sim_file_bytes(the.env, path, &size);
        if (p != NULL && size > 0) {
            change_number(s, p, size);
        }
        break;
    }
}

/* Right checksums for everything, and the manifest knows the runs' new heads. */
static void forge(void)
{
    for (uint32_t i = 0; i < the.file_count; i++) {
        unsigned long long id = 0;
        uint64_t size = 0;
        const char *dash = strrchr(the.files[i], '-');
        uint8_t *p = env_sim_file_bytes(the.env, the.files[i], &size);
        if (dash == NULL || p == NULL || sscanf(dash + 1, "%16llx", &id) != 1) {
            continue;
        }
        for (uint64_t at = 0; at + INDEX_BLOCK <= size; at += INDEX_BLOCK) {
            const uint32_t seed = block_seed(the.index_id, id);
            block_seal(p + at, seed, (uint32_t)(at / INDEX_BLOCK), (enum block_kind)p[at + 6],
                       get_le16(p + at + 4));
        }
        const uint32_t head_crc = size >= INDEX_BLOCK ? get_le32(p) : 0;
        p = env_sim_file_bytes(the.env, "/index/manifest", &size);
        for (uint64_t at = 0; p != NULL && at + 12 <= size; at++) {
            if (get_le64(p + at) == id && id > 0 && at > 60) {
                put_le32(p + at + 8, head_crc);
                break;
            }
        }
    }
    uint64_t size = 0;
    uint8_t *p = env_sim_file_bytes(the.env, "/index/manifest", &size);
    if (p != NULL && size >= 4) {
        put_le32(p + size - 4, crc32c(0, p, size - 4));
    }
}

/* ---- Use --------------------------------------------------------------------------------------
 */

static void job_done(struct index_job *job)
{
    *(bool *)job->ctx = true;
}

static enum err wait_for(struct index *ix, struct index_job *job)
{
    bool done = false;
    job->done = job_done;
    job->ctx = &done;
    index_submit(ix, job);
    for (int i = 0; i < 20000 && !done; i++) {
        (void)env_poll_run(the.poll, 0);
    }
    CHECK(done);
    return job->err;
}

static void look_at(struct index *ix, unsigned t, uint32_t i, bool honest, bool there)
{
    uint8_t key[INDEX_KEY_MAX] = {0}, want[INDEX_VALUE_MAX] = {0}, value[INDEX_VALUE_MAX],
            out[INDEX_KEY_MAX];
    make_entry(t, i, key, want);
    enum err e = index_get(ix, t, key, value);
    if (e == ERR_AGAIN) {
        struct index_job job = {.kind = INDEX_JOB_GET, .table = t, .key = key, .value = value};
        e = wait_for(ix, &job);
    }
    CHECK(e == ERR_OK || e == ERR_DAMAGED || e == ERR_NOT_FOUND);
    if (honest && e != ERR_DAMAGED) {
        CHECK((e == ERR_OK) == there);
        CHECK(e != ERR_OK || memcmp(value, want, tables[t].value_bytes) == 0);
    }
    struct index_job job = {.kind = INDEX_JOB_LAST,
                            .table = t,
                            .prefix = key,
                            .key = key,
                            .key_out = out,
                            .value = value};
    e = wait_for(ix, &job);
    CHECK(e == ERR_OK || e == ERR_DAMAGED || e == ERR_NOT_FOUND);
    if (honest && there && e != ERR_DAMAGED) {
        CHECK(e == ERR_OK && memcmp(out, key, tables[t].key_bytes) == 0);
    }
}

static void scan_all(struct index *ix, unsigned t, bool descending, bool honest, size_t expected)
{
    static uint8_t keys[2048 * INDEX_KEY_MAX], values[2048 * INDEX_VALUE_MAX];
    uint8_t low[INDEX_KEY_MAX] = {0}, high[INDEX_KEY_MAX];
    memset(high, 0xff, sizeof(high));
    struct index_scan s = {.table = t,
                           .from = low,
                           .to = high,
                           .descending = descending,
                           .max = 2048,
                           .keys = keys,
                           .values = values};
    struct index_job job = {.kind = INDEX_JOB_SCAN, .scan = &s};
    enum err e = wait_for(ix, &job);
    CHECK(e == ERR_OK || e == ERR_DAMAGED);
    if (e == ERR_OK) {
        CHECK(s.count <= s.max && (!honest || (s.count == expected && !s.more)));
    }
}

static void use(struct index *ix, bool honest, uint32_t count)
{
    for (unsigned t = 0; t < ARRAY_LEN(tables); t++) {
        for (uint32_t i = 0; i < count; i += 1 + i % 13) {
            look_at(ix, t, i, honest, true);
        }
        look_at(ix, t, count + 7, honest, false);
        scan_all(ix, t, false, honest, count);
        scan_all(ix, t, true, honest, count);
    }
}

static enum err start(struct index **ix)
{
    struct ectx ec = {0};
    enum err e = open_index(ix, &ec);
    CHECK(e == ERR_OK || ((e == ERR_DAMAGED || e == ERR_VERSION) && ec.text[0] != '\0'));
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct index *ix;
    if (the.env == NULL) {
        make_disk();
    }
    if (size < 1) {
        return 0;
    }
    const bool forged = (data[0] & FORGED) != 0;
    struct fuzz_source s = fuzz_source_bytes(data + 1, size - 1);
    env_sim_disk_restore(the.env, the.disk);
    env_poll_destroy(the.poll);
    CHECK(env_poll_create(the.env, &the.poll, NULL) == ERR_OK);
    for (int i = 0; i < CHANGES_MAX && !fuzz_source_ended(&s); i++) {
        change(&s);
    }
    if (forged) {
        forge();
    }
    if (start(&ix) != ERR_OK) {
        return 0;
    }
    /* Without its manifest and runs it is a new one, and empty. */
    const bool empty = index_covered(ix).n == 0;
    use(ix, !forged && !empty, ends[RUNS]);
    for (uint32_t i = 0; i < 3; i++) {
        put(ix, ends[RUNS] + i * 50, ends[RUNS] + i * 50 + 50);
        IGNORE(index_cover(ix, STR_LIT("there"), true));
        settle();
    }
    use(ix, !forged && !empty, ends[RUNS] + 150);
    const bool harmed = the.harmed;
    index_close(ix, true);
    if (start(&ix) == ERR_OK) {
        use(ix, !forged && !empty && !harmed, ends[RUNS] + 150);
        index_close(ix, false);
    } else {
        CHECK(forged || harmed);
    }
    return 0;
}
