/* Batches of several partitions as one, and look-ups by commit position. */
#include "store/store_int.h"
#include "test.h"
#include "world.h"

enum { PARTS = 6 };

/* A batch for each of the parts; every second one is large enough to be written in place. */
struct many {
    struct store_part *parts[PARTS];
    struct store_batch batches[PARTS], *pointers[PARTS];
    size_t count;
};

static void many_init(struct world *w, struct many *m, bool large)
{
    memset(m, 0, sizeof(*m));
    for (uint32_t i = 0; i < PARTS; i++) {
        size_t size;
        uint8_t *bytes = world_batch(large && i % 2 == 1 ? 3000 : 50, 2, 1000, (uint8_t)i, &size);
        m->batches[i] = (struct store_batch){.bytes = bytes,
                                             .size = size,
                                             .info = {.last_offset_delta = 1,
                                                      .max_timestamp = 1000,
                                                      .producer_id = -1,
                                                      .producer_epoch = -1,
                                                      .base_sequence = -1}};
        m->pointers[i] = &m->batches[i];
        m->parts[i] = store_part_find(w->store, i + 1);
    }
    m->count = PARTS;
}

static void many_free(struct many *m)
{
    for (size_t i = 0; i < PARTS; i++) {
        mem_free(m->batches[i].bytes);
    }
}

static void on_done(void *ctx, uint64_t position)
{
    (void)position;
    *(bool *)ctx = true;
}

/* All of them in one frame; waits. */
static enum err put(struct world *w, struct many *m, size_t *failed)
{
    bool done = false;
    struct store_frame *f = store_frame_begin(w->store);
    if (f == NULL) {
        return ERR_NO_MEMORY;
    }
    const enum err e = store_frame_batches(f, m->parts, m->pointers, m->count, failed, &w->ec);
    if (e != ERR_OK) {
        store_frame_drop(f);
        return e;
    }
    store_frame_commit(f, on_done, &done);
    world_settle(w);
    assert_true(done);
    return ERR_OK;
}

static void open_parts(struct world *w, uint64_t disk_bytes)
{
    world_init(w, 40, disk_bytes);
    w->cfg.inline_max_bytes = 1000;
    assert_int_equal(world_open(w), ERR_OK);
    for (uint32_t i = 0; i < PARTS; i++) {
        (void)world_add(w, i + 1, "a", (int32_t)i, false);
    }
}

static void check_all(struct world *w, int64_t records)
{
    for (uint32_t i = 0; i < PARTS; i++) {
        assert_int_equal(world_count(w, store_part_find(w->store, i + 1), 0), records);
    }
}

TEST(store_batches_of_many_partitions_share_one_frame)
{
    /* Promise: all of them get their offsets, in memory and in place, positions ascend in the order
     * given, and after a power cut all are there. */
    struct world w;
    struct many m;
    size_t failed;
    open_parts(&w, 0);
    for (int64_t i = 0; i < 3; i++) {
        many_init(&w, &m, true);
        assert_int_equal(put(&w, &m, &failed), ERR_OK);
        for (size_t k = 0; k < PARTS; k++) {
            assert_int_equal(m.batches[k].info.base_offset, 2 * i);
            assert_true(k == 0 ||
                        m.batches[k].info.append_position > m.batches[k - 1].info.append_position);
        }
        assert_true(store_visible_position(w.store) == m.batches[PARTS - 1].info.append_position);
        many_free(&m);
    }
    check_all(&w, 6);
    world_cut(&w, 7);
    assert_int_equal(world_open(&w), ERR_OK);
    check_all(&w, 6);
    world_deinit(&w);
}

TEST(store_batches_that_cannot_all_be_written_change_nothing)
{
    /* Promise: whichever of them fails, for whatever reason, no partition has changed, and the next
     * ones go on without a gap. */
    struct world w;
    struct many m;
    size_t failed = 99;
    open_parts(&w, 0);
    many_init(&w, &m, true);
    m.batches[4].size = 10;
    assert_int_equal(put(&w, &m, &failed), ERR_INVALID_RECORD);
    assert_int_equal(failed, 4);
    many_free(&m);

    many_init(&w, &m, true);
    env_sim_fail_nth(w.env, ENV_SIM_ALLOCATE, 1, ERR_NO_SPACE, true);
    assert_int_equal(put(&w, &m, &failed), ERR_NO_SPACE);
    assert_int_equal(failed, 5); /* the others' files have been claimed already */
    env_sim_fail_nth(w.env, ENV_SIM_ALLOCATE, 0, ERR_OK, false);
    many_free(&m);
    for (int i = 0; i < 20; i++) { /* until it has seen that there is space */
        env_sim_advance_ns(w.env, 200000000);
        store_tick(w.store);
        world_settle(&w);
    }
    check_all(&w, 0);

    for (uint64_t n = 1;; n++) {
        many_init(&w, &m, true);
        test_fail_alloc(n);
        const enum err e = put(&w, &m, &failed);
        const bool reached = test_fail_alloc_end();
        many_free(&m);
        if (e == ERR_OK && !reached) {
            break;
        }
        for (uint32_t i = 0; e != ERR_OK && i < PARTS; i++) {
            struct store_part_info info;
            store_part_info_get(store_part_find(w.store, i + 1), &info);
            assert_int_equal(info.log_end, info.high_watermark);
        }
    }
    struct store_part_info first;
    store_part_info_get(store_part_find(w.store, 1), &first);
    assert_true(first.log_end > 0);
    check_all(&w, first.log_end);
    world_cut(&w, 3);
    assert_int_equal(world_open(&w), ERR_OK);
    check_all(&w, first.log_end);
    world_deinit(&w);
}

/* ---- Look-ups ------------------------------------------------------------------------------- */

static void on_found(struct store_position_job *job)
{
    *(bool *)job->ctx = true;
}

static int64_t find(struct world *w, struct store_part *p, uint64_t position)
{
    bool done = false;
    struct store_position_job job = {.done = on_found, .ctx = &done};
    store_find_position(p, position, &job);
    assert_false(done);
    world_settle(w);
    assert_true(done);
    w->ec = job.ec;
    return job.err == ERR_OK ? job.offset : -2;
}

static uint64_t position_at(struct world *w, struct store_part *p, int64_t offset)
{
    for (int i = 0; i < 100; i++) {
        struct store_read r;
        uint64_t position = 0;
        arena_reset(&w->arena, 1 << 20);
        assert_int_equal(world_read(w, p, offset, 1, &r), ERR_OK);
        store_read_release(&r);
        if (store_batch_position(p, offset, &position, &w->ec) == ERR_OK) {
            return position;
        }
    }
    fail_msg("no position");
    return 0;
}

enum { BATCHES = 30 };

/* In files of a few batches each, some in memory only; their positions. */
static void fill(struct world *w, uint64_t positions[BATCHES])
{
    struct store_part *p = world_add(w, 1, "a", 0, false);
    struct store_part *q = world_add(w, 2, "a", 1, false);
    for (int i = 0; i < BATCHES; i++) {
        assert_int_equal(world_append(w, p, i % 5 == 4 ? 3000 : 150, 1, i), i);
        assert_int_equal(world_append(w, q, 60, 1, i), i);
        positions[i] = position_at(w, p, i);
        if (i == 20) {
            world_checkpoint(w);
        }
    }
}

TEST(store_look_ups_by_position_pass_over_damage)
{
    /* Promise: whatever block is harmed, a look-up gives the first batch above the position that
     * can still be read: nothing readable is passed over, and nothing unreadable is given. */
    static const char *const files[] = {"/data/topics/a/0-1-00000000000000000000.seg",
                                        "/data/topics/a/0-1-00000000000000000000.idx"};
    struct world w;
    uint64_t positions[BATCHES];
    world_init(&w, 12, 0);
    w.part_cfg.index_interval_bytes = 512;
    w.cfg.inline_max_bytes = 1000;
    assert_int_equal(world_open(&w), ERR_OK);
    fill(&w, positions);
    world_close(&w);
    struct env_sim_disk *disk = env_sim_disk_save(w.env);
    int passed_over = 0;
    for (size_t f = 0; f < 2; f++) {
        uint64_t size = 0;
        assert_non_null(env_sim_file_bytes(w.env, files[f], &size));
        for (uint64_t at = 0; at < size; at += 512) {
            env_sim_disk_restore(w.env, disk);
            env_poll_destroy(w.poll);
            assert_int_equal(env_poll_create(w.env, &w.poll, NULL), ERR_OK);
            uint8_t *b = env_sim_file_bytes(w.env, files[f], &size);
            memset(b + at, 0, size - at < 512 ? (size_t)(size - at) : 512);
            assert_int_equal(world_open(&w), ERR_OK);
            struct store_part *p = store_part_find(w.store, 1);
            for (int i = 0; i < BATCHES; i++) {
                const int64_t got = find(&w, p, positions[i] - 1);
                int64_t want = i;
                for (; want < BATCHES; want++) {
                    struct store_read r;
                    arena_reset(&w.arena, 1 << 20);
                    const enum err e = world_read(&w, p, want, 1, &r);
                    if (e == ERR_OK) {
                        store_read_release(&r);
                        break;
                    }
                    assert_int_equal(e, ERR_DAMAGED);
                }
                /* A payload that is harmed keeps its header: only reading it tells. */
                const bool header_only = got >= i && got < want;
                if (got != (want == BATCHES ? -1 : want) && !header_only) {
                    fail_msg("file %zu, harmed at %llu: above position of %d: %lld, not %lld", f,
                             (unsigned long long)at, i, (long long)got, (long long)want);
                }
                passed_over += got > i ? 1 : 0;
            }
            world_close(&w);
        }
    }
    env_sim_disk_free(disk);
    assert_true(passed_over > 0);
    world_deinit(&w);
}

TEST(store_look_ups_by_position_need_no_memory_that_they_cannot_do_without)
{
    /* Promise: each allocation may fail: an error, or the right answer. */
    struct world w;
    uint64_t positions[BATCHES];
    world_init(&w, 13, 0);
    w.part_cfg.index_interval_bytes = 512;
    assert_int_equal(world_open(&w), ERR_OK);
    fill(&w, positions);
    world_close(&w);
    for (uint64_t n = 1;; n++) {
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = store_part_find(w.store, 1);
        test_fail_alloc(n);
        const int64_t got = find(&w, p, positions[11]);
        const bool reached = test_fail_alloc_end();
        assert_true(got == 12 || (got == -2 && reached));
        world_close(&w);
        if (!reached) {
            break;
        }
    }
    world_deinit(&w);
}
