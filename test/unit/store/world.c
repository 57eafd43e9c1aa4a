/* See world.h. */
#include "world.h"

#include "core/log.h"
#include "store/store_int.h"
#include "test.h"

static void attach(void *ctx, struct store *store)
{
    struct world *w = ctx;
    w->store = store;
    w->part_count = 0;
    w->fact_count = 0;
    w->batches_seen = 0;
}

static enum err part_make(struct world *w, uint32_t id, int32_t index, bool os, struct str dir)
{
    struct store_part_config cfg = w->part_cfg;
    cfg.durability = os ? STORE_OS : STORE_FSYNC;
    struct store_part *p;
    enum err e = store_part_add(w->store, id, dir, index, &cfg, &p);
    if (e != ERR_OK) {
        return e;
    }
    assert_true(w->part_count < WORLD_PARTS);
    w->parts[w->part_count].id = id;
    w->parts[w->part_count].index = index;
    w->parts[w->part_count].os = os;
    (void)snprintf(w->parts[w->part_count].dir, 32, "%.*s", STR(dir));
    w->part_count++;
    return ERR_OK;
}

static void part_unmake(struct world *w, uint32_t id)
{
    store_part_remove(w->store, id);
    for (uint32_t i = 0; i < w->part_count; i++) {
        if (w->parts[i].id == id) {
            memmove(&w->parts[i], &w->parts[i + 1], (w->part_count - i - 1) * sizeof(w->parts[0]));
            w->part_count--;
            return;
        }
    }
}

static enum err apply(void *ctx, uint64_t position, struct slice body, struct ectx *ec)
{
    struct world *w = ctx;
    uint8_t kind, os;
    uint32_t id, index;
    uint64_t value;
    struct str dir;
    (void)position;
    if (!slice_u8(&body, &kind)) {
        return ectx_fail(ec, ERR_DAMAGED, "empty fact");
    }
    if (kind == 'a' && slice_le32(&body, &id) && slice_le32(&body, &index) &&
        slice_u8(&body, &os) && slice_lstr(&body, &dir)) {
        return part_make(w, id, (int32_t)index, os != 0, dir);
    }
    if (kind == 'r' && slice_le32(&body, &id)) {
        part_unmake(w, id);
        return ERR_OK;
    }
    if (kind == 'f' && slice_le64(&body, &value)) {
        w->facts[w->fact_count++ % WORLD_FACTS] = value;
        return ERR_OK;
    }
    return ectx_fail(ec, ERR_DAMAGED, "odd fact");
}

static enum err saw_batch(void *ctx, struct store_part *part, const struct store_batch_info *info,
                          struct ectx *ec)
{
    struct world *w = ctx;
    (void)part;
    (void)info;
    (void)ec;
    w->batches_seen++;
    w->packed_before_batch = w->store->stats.packed_bytes;
    return ERR_OK;
}

static enum err snapshot(void *ctx, struct buf *out)
{
    const struct world *w = ctx;
    buf_put_le32(out, w->part_count);
    for (uint32_t i = 0; i < w->part_count; i++) {
        buf_put_le32(out, w->parts[i].id);
        buf_put_le32(out, (uint32_t)w->parts[i].index);
        buf_put_u8(out, w->parts[i].os);
        buf_put_lstr(out, str_of(w->parts[i].dir));
    }
    buf_put_le32(out, w->fact_count);
    for (uint32_t i = 0; i < w->fact_count && i < WORLD_FACTS; i++) {
        buf_put_le64(out, w->facts[i]);
    }
    uint8_t *more = buf_extend(out, w->snapshot_more);
    if (w->snapshot_more > 0 && more != NULL) {
        memset(more, 0, w->snapshot_more);
    }
    return ERR_OK;
}

static enum err restore(void *ctx, struct slice image, struct ectx *ec)
{
    struct world *w = ctx;
    uint32_t n, id, index;
    uint8_t os;
    struct str dir;
    if (!slice_le32(&image, &n)) {
        return ectx_fail(ec, ERR_DAMAGED, "short image");
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!slice_le32(&image, &id) || !slice_le32(&image, &index) || !slice_u8(&image, &os) ||
            !slice_lstr(&image, &dir)) {
            return ectx_fail(ec, ERR_DAMAGED, "short image");
        }
        enum err e = part_make(w, id, (int32_t)index, os != 0, dir);
        if (e != ERR_OK) {
            return ectx_fail(ec, e, "adding partition %u", id);
        }
    }
    if (!slice_le32(&image, &w->fact_count)) {
        return ectx_fail(ec, ERR_DAMAGED, "short image");
    }
    for (uint32_t i = 0; i < w->fact_count && i < WORLD_FACTS; i++) {
        if (!slice_le64(&image, &w->facts[i])) {
            return ectx_fail(ec, ERR_DAMAGED, "short image");
        }
    }
    return ERR_OK;
}

static void on_advance(void *ctx, struct store_part *part)
{
    struct world *w = ctx;
    (void)part;
    w->advanced++;
}

static void on_ready(void *ctx)
{
    struct world *w = ctx;
    w->ready++;
}

static void on_failure(void *ctx, const struct ectx *ec)
{
    struct world *w = ctx;
    w->ec = *ec;
    w->failures++;
}

void world_init(struct world *w, uint64_t seed, uint64_t disk_bytes)
{
    memset(w, 0, sizeof(*w));
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    const struct env_sim_config sim = {
        .seed = seed, .disk_bytes = disk_bytes, .write_ns = 1000, .sync_ns = 100000};
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    store_config_init(&w->cfg);
    w->cfg.dir = "/data";
    w->cfg.ring_file_bytes = 64 << 10;
    w->cfg.ring_file_count = 4;
    w->cfg.inline_max_bytes = 2048;
    w->cfg.tail_memory_bytes = 64 << 10;
    w->cfg.min_free_bytes = 64 << 10;
    store_part_config_init(&w->part_cfg);
    w->part_cfg.segment_bytes = 64 << 10;
    w->part_cfg.file_delete_delay_ms = 0;
    arena_init(&w->arena, 16 << 20);
}

void world_deinit(struct world *w)
{
    if (w->store != NULL) {
        store_close(w->store);
    }
    arena_deinit(&w->arena);
    env_poll_destroy(w->poll);
    env_destroy(w->env);
}

enum err world_open(struct world *w)
{
    const struct store_participant pt = {.tag = STORE_TAG_TOPICS,
                                         .name = "topics",
                                         .ctx = w,
                                         .attach = attach,
                                         .apply = apply,
                                         .batch = saw_batch,
                                         .snapshot = snapshot,
                                         .restore = restore};
    struct store *opened;
    enum err e = store_open(w->env, w->poll, &w->cfg, &pt, 1, &opened, &w->ec);
    w->store = NULL;
    if (e == ERR_OK) {
        w->store = opened;
        const struct store_hooks hooks = {w, on_advance, on_ready, on_failure};
        store_set_hooks(w->store, &hooks);
    }
    return e;
}

void world_close(struct world *w)
{
    store_close(w->store);
    w->store = NULL;
}

void world_cut(struct world *w, uint64_t choice)
{
    /* Off before the store is closed, or closing it would be a clean stop on the new machine. */
    env_sim_cut_at(w->env, env_sim_ops(w->env) + 1);
    if (w->store != NULL) {
        store_close(w->store);
        w->store = NULL;
    }
    env_sim_power_cut(w->env, choice);
    env_poll_destroy(w->poll);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
}

void world_settle(struct world *w)
{
    for (int i = 0; i < 10000; i++) {
        if (w->store != NULL) {
            store_kick(w->store, true);
        }
        if (env_poll_run(w->poll, 0) == 0 && env_job_pending(w->poll) == 0) {
            return;
        }
    }
    fail_msg("does not settle");
}

static void frame_done(void *ctx, uint64_t position)
{
    struct world *w = ctx;
    (void)position;
    w->done++;
}

static struct store_frame *begin(struct world *w)
{
    for (int i = 0; i < 1000 && !store_ready(w->store); i++) {
        store_tick(w->store);
        world_settle(w);
    }
    struct store_frame *f = store_frame_begin(w->store);
    assert_non_null(f);
    return f;
}

static void commit(struct world *w, struct store_frame *f)
{
    const uint32_t before = w->done;
    store_frame_commit(f, frame_done, w);
    world_settle(w);
    assert_true(w->failures > 0 || w->done == before + 1);
}

struct store_part *world_add(struct world *w, uint32_t id, const char *dir, int32_t index, bool os)
{
    struct buf b;
    buf_init(&b, 256);
    buf_put_u8(&b, 'a');
    buf_put_le32(&b, id);
    buf_put_le32(&b, (uint32_t)index);
    buf_put_u8(&b, os);
    buf_put_lstr(&b, str_of(dir));
    struct store_frame *f = begin(w);
    assert_int_equal(store_frame_fact(f, STORE_TAG_TOPICS, buf_str(&b)), ERR_OK);
    commit(w, f);
    buf_deinit(&b);
    assert_int_equal(part_make(w, id, index, os, str_of(dir)), ERR_OK);
    return store_part_find(w->store, id);
}

void world_remove(struct world *w, uint32_t id)
{
    uint8_t b[5] = {'r'};
    put_le32(b + 1, id);
    struct store_frame *f = begin(w);
    assert_int_equal(store_frame_fact(f, STORE_TAG_TOPICS, str_make(b, 5)), ERR_OK);
    commit(w, f);
    part_unmake(w, id);
}

void world_fact(struct world *w, uint64_t value)
{
    uint8_t b[9] = {'f'};
    put_le64(b + 1, value);
    struct store_frame *f = begin(w);
    assert_int_equal(store_frame_fact(f, STORE_TAG_TOPICS, str_make(b, 9)), ERR_OK);
    commit(w, f);
    w->facts[w->fact_count++ % WORLD_FACTS] = value;
}

uint8_t *world_batch(size_t value_size, int32_t count, int64_t ts, uint8_t fill, size_t *size)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    buf_put_be64(&b, 0);
    buf_put_be32(&b, 0);
    buf_put_be32(&b, 0xffffffff);
    buf_put_u8(&b, 2);
    buf_put_be32(&b, 0);
    buf_put_be16(&b, 0);
    buf_put_be32(&b, (uint32_t)count - 1);
    buf_put_be64(&b, (uint64_t)ts);
    buf_put_be64(&b, (uint64_t)(ts + count - 1));
    buf_put_be64(&b, UINT64_MAX);
    buf_put_be16(&b, 0xffff);
    buf_put_be32(&b, 0xffffffff);
    buf_put_be32(&b, (uint32_t)count);
    for (int32_t i = 0; i < count; i++) {
        struct buf r;
        buf_init(&r, 64 << 20);
        buf_put_u8(&r, 0);
        buf_put_varint(&r, i);
        buf_put_varint(&r, i);
        buf_put_varint(&r, -1);
        buf_put_varint(&r, (int64_t)value_size);
        uint8_t *v = buf_extend(&r, value_size);
        assert_non_null(v);
        memset(v, fill + i, value_size);
        buf_put_varint(&r, 0);
        buf_put_varint(&b, (int64_t)r.n);
        buf_put(&b, r.p, r.n);
        buf_deinit(&r);
    }
    assert_false(buf_failed(&b));
    put_be32(b.p + 8, (uint32_t)b.n - 12);
    put_be32(b.p + 17, crc32c(0, b.p + 21, b.n - 21));
    *size = b.n;
    return b.p;
}

int64_t world_append(struct world *w, struct store_part *p, size_t size, int32_t count, int64_t ts)
{
    struct store_batch batch = {.info = {.last_offset_delta = count - 1,
                                         .max_timestamp = ts + count - 1,
                                         .producer_id = -1,
                                         .producer_epoch = -1,
                                         .base_sequence = -1}};
    batch.bytes = world_batch(size, count, ts, (uint8_t)ts, &batch.size);
    struct store_frame *f = begin(w);
    enum err e = store_frame_batch(f, p, &batch, &w->ec);
    if (e != ERR_OK) {
        store_frame_drop(f);
        mem_free(batch.bytes);
        w->ec.code = e;
        return -1;
    }
    commit(w, f);
    mem_free(batch.bytes);
    return batch.info.base_offset;
}

static void flight_done(void *ctx, uint64_t position)
{
    struct world_flight *f = ctx;
    (void)position;
    f->acknowledged = true;
}

bool world_append_begin(struct world *w, struct store_part *p, size_t size, int64_t ts,
                        struct world_flight *out)
{
    *out = (struct world_flight){.batch = {.info = {.max_timestamp = ts,
                                                    .producer_id = -1,
                                                    .producer_epoch = -1,
                                                    .base_sequence = -1}}};
    out->batch.bytes = world_batch(size, 1, ts, (uint8_t)ts, &out->batch.size);
    struct store_frame *f = store_ready(w->store) ? store_frame_begin(w->store) : NULL;
    if (f == NULL) {
        return false;
    }
    if (store_frame_batch(f, p, &out->batch, &w->ec) != ERR_OK) {
        store_frame_drop(f);
        return false;
    }
    store_frame_commit(f, flight_done, out);
    return true;
}

void world_checkpoint(struct world *w)
{
    struct store_stats before, after;
    store_stats_get(w->store, &before);
    store_checkpoint_request(w->store);
    for (int i = 0; i < 100; i++) {
        store_tick(w->store);
        world_settle(w);
        store_stats_get(w->store, &after);
        if (after.checkpoints > before.checkpoints) {
            return;
        }
        env_sim_advance_ns(w->env, 1000000000);
    }
    fail_msg("no checkpoint");
}

static void read_done(struct store_read_job *job)
{
    *(bool *)job->ctx = true;
}

enum err world_read(struct world *w, struct store_part *p, int64_t offset, size_t max,
                    struct store_read *out)
{
    enum err e = store_read(p, offset, INT64_MAX, max, true, &w->arena, out, &w->ec);
    if (e != ERR_AGAIN) {
        return e;
    }
    bool done = false;
    struct store_read_job job = {.done = read_done, .ctx = &done};
    store_read_async(p, offset, INT64_MAX, max, true, &w->arena, &job);
    world_settle(w);
    assert_true(done);
    *out = job.result;
    w->ec = job.ec;
    return job.err;
}

int64_t world_count(struct world *w, struct store_part *p, int64_t offset)
{
    int64_t records = 0;
    for (;;) {
        struct store_read r;
        arena_reset(&w->arena, 1 << 20);
        enum err e = world_read(w, p, offset, 8192, &r);
        if (e != ERR_OK) {
            fail_msg("read at %lld: %s %s", (long long)offset, err_name(e), w->ec.text);
        }
        for (size_t i = 0; i < r.chunk_count; i++) {
            const uint8_t *b = (const uint8_t *)r.chunks[i].p;
            assert_int_equal(get_be32(b + 8) + 12, r.chunks[i].n);
            assert_int_equal(get_be32(b + 17), crc32c(0, b + 21, r.chunks[i].n - 21));
            assert_true((int64_t)get_be64(b) + (int32_t)get_be32(b + 23) >= offset);
            records += (int32_t)get_be32(b + 23) + 1;
            offset = (int64_t)get_be64(b) + (int32_t)get_be32(b + 23) + 1;
        }
        const bool end = r.chunk_count == 0;
        store_read_release(&r);
        if (end) {
            return records;
        }
    }
}
