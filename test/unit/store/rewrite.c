/* A stored batch is replaced in its place: what readers, the file, the ring, a crash and a start
 * see of it. */
#include "store/store_int.h"
#include "test.h"
#include "world.h"

struct rewriting {
    struct store_rewrite job;
    uint8_t *bytes;
    bool ended;
};

static void rewrite_done(struct store_rewrite *job)
{
    ((struct rewriting *)job->ctx)->ended = true;
}

/* Of a batch that world_append has made at time `ts`. `fill`: of the new records. */
static void rewrite_begin(struct store_part *p, int64_t offset, size_t old_size, int32_t count,
                          int64_t ts, uint8_t old_fill, size_t size, uint8_t fill,
                          struct rewriting *out)
{
    size_t old_n, n;
    uint8_t *old = world_batch(old_size, count, ts, old_fill, &old_n);
    *out = (struct rewriting){.bytes = world_batch(size, count, ts, fill, &n)};
    out->job = (struct store_rewrite){.base_offset = offset,
                                      .old_crc = get_be32(old + BATCH_AT_CRC),
                                      .batch = str_make(out->bytes, n),
                                      .done = rewrite_done,
                                      .ctx = out};
    mem_free(old);
    store_rewrite(p, &out->job);
}

static void wait_for(struct world *w, struct rewriting *r)
{
    for (int i = 0; i < 100 && !r->ended; i++) {
        store_tick(w->store);
        world_settle(w);
        env_sim_advance_ns(w->env, 1000000000);
    }
    assert_true(r->ended);
    mem_free(r->bytes);
}

static enum err rewrite(struct world *w, struct store_part *p, int64_t offset, size_t old_size,
                        int64_t ts, uint8_t old_fill, size_t size, uint8_t fill)
{
    struct rewriting r;
    rewrite_begin(p, offset, old_size, 1, ts, old_fill, size, fill, &r);
    wait_for(w, &r);
    w->ec = r.job.ec;
    return r.job.err;
}

/* The first byte of the only record's value, and the batch's size. */
static uint8_t fill_at(struct world *w, struct store_part *p, int64_t offset, size_t *size)
{
    struct store_read r;
    arena_reset(&w->arena, 1 << 20);
    const enum err e = world_read(w, p, offset, 1, &r);
    if (e != ERR_OK) {
        fail_msg("offset %lld: %s", (long long)offset, w->ec.text);
    }
    assert_true(r.chunk_count >= 1);
    struct batch_header h;
    const uint8_t *b = (const uint8_t *)r.chunks[0].p;
    assert_int_equal(batch_header_parse(b, r.chunks[0].n, &h, NULL), ERR_OK);
    assert_int_equal(batch_verify_crc(b, &h, NULL), ERR_OK);
    assert_int_equal(h.base_offset, offset);
    assert_int_equal(h.size, r.chunks[0].n);
    if (size != NULL) {
        *size = h.size;
    }
    const uint8_t fill = b[h.size - 2];
    store_read_release(&r);
    return fill;
}

static void found(void *ctx, bool is_problem, const char *text)
{
    (void)ctx;
    if (is_problem) {
        fail_msg("verify: %s", text);
    }
}

static size_t batch_size(size_t value)
{
    size_t n;
    mem_free(world_batch(value, 1, 0, 0, &n));
    return n;
}

/* So many equal bytes side by side are nowhere else. */
static bool file_has(struct world *w, const char *path, uint8_t fill)
{
    uint64_t size;
    const uint8_t *p = env_sim_file_bytes(w->env, path, &size);
    uint64_t run = 0;
    for (uint64_t i = 0; p != NULL && i < size; i++) {
        run = p[i] == fill ? run + 1 : 0;
        if (run == 40) {
            return true;
        }
    }
    return false;
}

static bool ring_has(struct world *w, uint8_t fill)
{
    char path[32];
    for (int i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof(path), "/data/wal/ring-%03d", i);
        if (file_has(w, path, fill)) {
            return true;
        }
    }
    return false;
}

#define SEG "/data/topics/a/0-1-00000000000000000000.seg"

TEST(a_rewritten_batch_is_another_one_for_readers_and_in_the_file)
{
    /* Small batches, and those in whole blocks; right after they came, when only memory and ring
     * have them, and after a checkpoint. Their neighbours stay. */
    static const size_t sizes[] = {150, 3000};
    for (int k = 0; k < 4; k++) {
        const size_t size = sizes[k / 2];
        struct world w;
        world_init(&w, 1, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        for (int64_t i = 0; i < 5; i++) {
            assert_int_equal(world_append(&w, p, size, 1, 100 + i), i);
        }
        if (k % 2 == 1) {
            world_checkpoint(&w);
        }
        uint64_t position, after;
        assert_int_equal(rewrite(&w, p, 2, size, 102, 102, size, 7), ERR_OK);
        for (int round = 0; round < 3; round++) {
            for (int64_t i = 0; i < 5; i++) {
                assert_int_equal(fill_at(&w, p, i, NULL), i == 2 ? 7 : 100 + i);
            }
            assert_int_equal(world_count(&w, p, 0), 5);
            assert_true(file_has(&w, SEG, 7) && file_has(&w, SEG, 101) && file_has(&w, SEG, 103));
            assert_false(file_has(&w, SEG, 102));
            if (store_batch_position(p, 2, &after, &w.ec) == ERR_OK) {
                position = round == 0 ? after : position;
                assert_int_equal(after, position);
            }
            if (round == 0) {
                world_cut(&w, 3);
            } else {
                world_close(&w);
            }
            assert_int_equal(world_open(&w), ERR_OK);
            p = store_part_find(w.store, 1);
        }
        struct store_stats st;
        store_stats_get(w.store, &st);
        assert_int_equal(st.damaged_ranges, 0);
        world_deinit(&w);
    }
}

TEST(a_smaller_batch_takes_the_place_of_a_larger_one)
{
    struct world w;
    world_init(&w, 2, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    assert_int_equal(world_append(&w, p, 300, 1, 100), 0);
    assert_int_equal(world_append(&w, p, 300, 1, 101), 1);
    assert_int_equal(rewrite(&w, p, 0, 300, 100, 100, 90, 7), ERR_OK);
    assert_int_equal(rewrite(&w, p, 0, 90, 100, 7, 200, 8), ERR_OK); /* up to what it was */
    assert_int_equal(rewrite(&w, p, 0, 200, 100, 8, 50, 9), ERR_OK);
    for (int round = 0; round < 2; round++) {
        size_t size;
        assert_int_equal(fill_at(&w, p, 0, &size), 9);
        assert_int_equal(size, batch_size(50));
        assert_int_equal(fill_at(&w, p, 1, NULL), 101);
        assert_int_equal(world_count(&w, p, 0), 2);
        assert_false(file_has(&w, SEG, 100) || file_has(&w, SEG, 7) || file_has(&w, SEG, 8));
        world_close(&w);
        struct store_verify_report report;
        assert_int_equal(store_verify(w.env, "/data", found, NULL, &report, &w.ec), ERR_OK);
        assert_int_equal(report.problems, 0);
        assert_int_equal(report.batches, 2);
        assert_int_equal(world_open(&w), ERR_OK);
        p = store_part_find(w.store, 1);
    }
    world_deinit(&w);
}

TEST(a_rewrite_that_cannot_be_changes_nothing)
{
    struct world w;
    world_init(&w, 3, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    struct rewriting r;
    for (int64_t i = 0; i < 4; i++) {
        assert_int_equal(world_append(&w, p, 100, 1, 100 + i), i);
    }
    assert_int_equal(world_append(&w, p, 100, 3, 110), 4);
    /* Another batch is there; larger; of another time; with fewer records; not one's beginning. */
    assert_int_equal(rewrite(&w, p, 1, 100, 101, 99, 100, 7), ERR_ABORTED);
    assert_int_equal(rewrite(&w, p, 1, 100, 101, 101, 101, 7), ERR_MESSAGE_TOO_LARGE);
    rewrite_begin(p, 1, 100, 1, 101, 101, 100, 7, &r);
    put_be64(r.bytes + BATCH_AT_MAX_TIMESTAMP, 5);
    put_be32(r.bytes + BATCH_AT_CRC,
             crc32c(0, r.bytes + BATCH_AT_ATTRIBUTES, r.job.batch.n - BATCH_AT_ATTRIBUTES));
    wait_for(&w, &r);
    assert_int_equal(r.job.err, ERR_INVALID_RECORD);
    rewrite_begin(p, 1, 100, 1, 101, 101, 100, 7, &r);
    r.bytes[80] ^= 1;
    wait_for(&w, &r);
    assert_int_equal(r.job.err, ERR_CORRUPT_MESSAGE);
    assert_int_equal(rewrite(&w, p, 5, 100, 110, 110, 100, 7), ERR_NOT_FOUND);
    assert_int_equal(rewrite(&w, p, 7, 100, 110, 110, 100, 7), ERR_OFFSET_OUT_OF_RANGE);
    for (int64_t i = 0; i < 4; i++) {
        assert_int_equal(fill_at(&w, p, i, NULL), 100 + i);
    }
    /* Damaged; and gone while it waits. */
    part_damage_add(p, 3, 4, "the test says so");
    assert_int_equal(rewrite(&w, p, 3, 100, 103, 103, 100, 7), ERR_DAMAGED);
    rewrite_begin(p, 2, 100, 1, 102, 102, 100, 7, &r);
    store_part_remove(w.store, 1);
    wait_for(&w, &r);
    assert_int_equal(r.job.err, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    world_deinit(&w);
}

TEST(rewrites_are_done_in_their_order_and_not_without_end)
{
    static struct rewriting r[STORE_REWRITES_MAX + 1];
    struct world w;
    world_init(&w, 4, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    assert_int_equal(world_append(&w, p, 100, 1, 100), 0);
    for (uint32_t i = 0; i < STORE_REWRITES_MAX + 1; i++) {
        const uint8_t before = i == 0 ? 100 : (uint8_t)(i - 1);
        rewrite_begin(p, 0, 100, 1, 100, before, 100, (uint8_t)i, &r[i]);
    }
    for (int i = 0; i < 20000 && !r[STORE_REWRITES_MAX - 1].ended; i++) {
        store_tick(w.store);
        world_settle(&w);
        env_sim_advance_ns(w.env, 100000000);
    }
    for (uint32_t i = 0; i < STORE_REWRITES_MAX + 1; i++) {
        assert_true(r[i].ended);
        assert_int_equal(r[i].job.err, i == STORE_REWRITES_MAX ? ERR_LIMIT : ERR_OK);
        mem_free(r[i].bytes);
    }
    assert_int_equal(fill_at(&w, p, 0, NULL), (uint8_t)(STORE_REWRITES_MAX - 1));
    world_deinit(&w);
}

static void rot_image(struct world *w, int slot)
{
    uint64_t n;
    uint8_t *image =
        env_sim_file_bytes(w->env, slot == 0 ? "/data/checkpoint-a" : "/data/checkpoint-b", &n);
    assert_non_null(image);
    image[40] ^= 1;
}

TEST(an_older_image_does_not_bring_back_what_was_written_over)
{
    /* The newest image is lost, so the frame that first held the batch is replayed, too. */
    for (int large = 0; large < 2; large++) {
        const size_t size = large ? 3000 : 150;
        struct world w;
        world_init(&w, 5, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        assert_int_equal(world_append(&w, p, size, 1, 100), 0);
        assert_int_equal(world_append(&w, p, size, 1, 101), 1);
        assert_int_equal(rewrite(&w, p, 0, size, 100, 100, size, 7), ERR_OK);
        const int newest = w.store->newest;
        world_cut(&w, 3);
        rot_image(&w, newest);
        struct store_verify_report report;
        assert_int_equal(store_verify(w.env, "/data", found, NULL, &report, &w.ec), ERR_OK);
        assert_int_equal(report.problems, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        p = store_part_find(w.store, 1);
        assert_int_equal(fill_at(&w, p, 0, NULL), 7);
        assert_int_equal(fill_at(&w, p, 1, NULL), 101);
        assert_false(file_has(&w, SEG, 100));
        world_deinit(&w);
    }
}

static uint64_t checkpoints(struct world *w)
{
    struct store_stats st;
    store_stats_get(w->store, &st);
    return st.checkpoints;
}

TEST(rewrites_wait_for_two_images_together_and_for_none_if_both_know_the_batches)
{
    struct rewriting r[5];
    struct world w;
    world_init(&w, 10, 0);
    w.cfg.checkpoint_ms = 1u << 30; /* none but those that are asked for */
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int64_t i = 0; i < 5; i++) {
        assert_int_equal(world_append(&w, p, 150, 1, 100 + i), i);
    }
    for (int round = 0; round < 2; round++) {
        const uint64_t before = checkpoints(&w);
        for (int64_t i = 0; i < 5; i++) {
            const uint8_t old = (uint8_t)(100 + i);
            rewrite_begin(p, i, 150, 1, 100 + i, round == 0 ? old : 7, 150, 7, &r[i]);
        }
        for (int i = 0; i < 100 && !r[4].ended; i++) {
            store_tick(w.store);
            world_settle(&w);
        }
        for (int i = 0; i < 5; i++) {
            assert_true(r[i].ended && r[i].job.err == ERR_OK);
            mem_free(r[i].bytes);
        }
        assert_int_equal(checkpoints(&w) - before, round == 0 ? 2 : 0);
    }
    world_deinit(&w);
}

TEST(a_rewrite_that_waits_for_an_image_does_not_read_its_batch_over_and_over)
{
    struct rewriting r;
    struct world w;
    world_init(&w, 11, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    assert_int_equal(world_append(&w, p, 150, 1, 100), 0);
    world_checkpoint(&w); /* it is in the file, and one image is missing */
    w.store->retry_after_ns = UINT64_MAX;
    rewrite_begin(p, 0, 150, 1, 100, 100, 150, 7, &r);
    uint64_t ops = 0;
    for (int i = 0; i < 40; i++) {
        store_tick(w.store);
        world_settle(&w);
        ops = i == 3 ? env_sim_ops(w.env) : ops;
    }
    assert_false(r.ended);
    assert_int_equal(env_sim_ops(w.env), ops);
    w.store->retry_after_ns = 0;
    wait_for(&w, &r);
    assert_int_equal(r.job.err, ERR_OK);
    assert_int_equal(fill_at(&w, p, 0, NULL), 7);
    world_deinit(&w);
}

/* A partition of durability os; one that is fsync with the newest image; one that always was. The
 * power goes while a batch is written over, and the newest image is rotten. */
static void torn_and_rotten(int kind, uint64_t choice)
{
    struct rewriting r;
    struct world w;
    world_init(&w, 12, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, kind < 2);
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(world_append(&w, p, 3000, 1, 100 + i), i);
    }
    if (kind == 1) {
        struct store_part_config cfg = w.part_cfg;
        cfg.durability = STORE_FSYNC;
        w.parts[0].os = false;
        store_part_configure(p, &cfg);
    }
    world_checkpoint(&w);
    assert_int_equal(p->relaxed, kind == 0);
    rewrite_begin(p, 0, 3000, 1, 100, 100, 3000, 7, &r);
    for (int i = 0; i < 1000 && !w.store->rewriting; i++) {
        if (!env_sim_step(w.env)) {
            store_tick(w.store);
        }
        store_kick(w.store, true);
    }
    assert_true(w.store->rewriting && !r.ended);
    const int newest = w.store->newest;
    env_sim_cut_at(w.env, env_sim_ops(w.env) + 2); /* before the flush of the file */
    for (int i = 0; i < 10 && !env_sim_is_cut(w.env); i++) {
        (void)env_sim_step(w.env);
    }
    assert_true(env_sim_is_cut(w.env));
    world_cut(&w, choice);
    mem_free(r.bytes);
    env_sim_cut_at(w.env, UINT64_MAX);
    rot_image(&w, newest);
    if (world_open(&w) != ERR_OK) {
        fail_msg("kind %d, choice %llu: %s", kind, (unsigned long long)choice, w.ec.text);
    }
    p = store_part_find(w.store, 1);
    const int64_t count = world_count(&w, p, 0);
    if (count != 3) {
        fail_msg("kind %d, choice %llu: %lld of 3 batches are there", kind,
                 (unsigned long long)choice, (long long)count);
    }
    assert_int_equal(fill_at(&w, p, 0, NULL), 7); /* its frame was flushed */
    assert_int_equal(fill_at(&w, p, 1, NULL), 101);
    assert_int_equal(fill_at(&w, p, 2, NULL), 102);
    world_deinit(&w);
}

TEST(a_batch_that_is_half_written_over_is_repaired_without_the_newest_image_too)
{
    for (int kind = 0; kind < 3; kind++) {
        for (uint64_t choice = 1; choice <= 24; choice++) {
            torn_and_rotten(kind, choice);
        }
    }
}

TEST(the_ring_is_cleared_of_what_was_written_over)
{
    /* Also if nothing else happens, and over a restart in between. */
    for (int restart = 0; restart < 3; restart++) {
        struct world w;
        world_init(&w, 6, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        assert_int_equal(world_append(&w, p, 150, 1, 100), 0);
        assert_int_equal(world_append(&w, p, 150, 1, 101), 1);
        assert_true(ring_has(&w, 100));
        assert_int_equal(rewrite(&w, p, 0, 150, 100, 100, 150, 7), ERR_OK);
        if (restart > 0) {
            if (restart == 1) {
                world_close(&w);
            } else {
                world_cut(&w, 3);
            }
            assert_true(ring_has(&w, 100));
            assert_int_equal(world_open(&w), ERR_OK);
            p = store_part_find(w.store, 1);
        }
        struct store_stats st;
        store_stats_get(w.store, &st);
        for (int i = 0; i < 1000 && st.ring_erasures == 0; i++) {
            env_sim_advance_ns(w.env, 1000000000);
            store_tick(w.store);
            world_settle(&w);
            store_stats_get(w.store, &st);
        }
        assert_int_equal(st.ring_erasures, 1);
        assert_false(st.ring_erasure_due);
        assert_false(ring_has(&w, 100));
        assert_int_equal(world_append(&w, p, 150, 1, 102), 2);
        world_cut(&w, 5);
        assert_int_equal(world_open(&w), ERR_OK);
        p = store_part_find(w.store, 1);
        assert_int_equal(fill_at(&w, p, 0, NULL), 7);
        assert_int_equal(fill_at(&w, p, 2, NULL), 102);
        world_deinit(&w);
    }
}

TEST(a_start_that_meets_a_rewrite_clears_the_ring_wherever_the_batch_is)
{
    /* A log of before both images were waited for: the frame that first held the batch comes back
     * with that of the rewrite, so that the batch is in memory when the rewrite is met. */
    struct world w;
    world_init(&w, 13, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    assert_int_equal(world_append(&w, p, 150, 1, 100), 0);
    store_faults.rewrite_one_image = true;
    assert_int_equal(rewrite(&w, p, 0, 150, 100, 100, 150, 7), ERR_OK);
    store_faults.rewrite_one_image = false;
    const int newest = w.store->newest;
    world_cut(&w, 3);
    rot_image(&w, newest);
    assert_int_equal(world_open(&w), ERR_OK);
    p = store_part_find(w.store, 1);
    assert_int_equal(fill_at(&w, p, 0, NULL), 7);
    assert_true(ring_has(&w, 100));
    struct store_stats st = {.ring_erasures = 0};
    for (int i = 0; i < 200 && st.ring_erasures == 0; i++) {
        env_sim_advance_ns(w.env, 1000000000);
        store_tick(w.store);
        world_settle(&w);
        store_stats_get(w.store, &st);
    }
    assert_false(ring_has(&w, 100));
    world_deinit(&w);
}

static void time_found(struct store_time_job *job)
{
    *(bool *)job->ctx = true;
}

/* Changes eight bytes of a batch that world_append has made, or of the header of its entry, and
 * then changes them back. `at`: where they are; 0: not known yet. */
static void tear(struct world *w, size_t value, int64_t ts, bool header, size_t *at)
{
    uint64_t size;
    uint8_t *file = env_sim_file_bytes(w->env, SEG, &size);
    if (*at == 0) {
        size_t n;
        uint8_t *batch = world_batch(value, 1, ts, (uint8_t)ts, &n);
        const uint8_t *crc = memmem(file, size, batch + BATCH_AT_CRC, n - BATCH_AT_CRC);
        assert_non_null(crc);
        *at = (size_t)(crc - file) - BATCH_AT_CRC;
        *at = header ? *at - ENTRY_HEADER_SIZE : *at + 100;
        mem_free(batch);
    }
    for (size_t i = 0; i < 8; i++) {
        file[*at + i] ^= 0x5a;
    }
}

TEST(a_look_up_by_time_beside_a_rewrite_finds_the_batch_and_not_the_one_behind_it)
{
    /* A torn header is passed over as if it were nothing; a torn batch is damage. Both say nothing
     * while the batch is being replaced. */
    for (int header = 0; header < 2; header++) {
        struct world w;
        size_t at = 0;
        world_init(&w, 14, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        for (int64_t i = 0; i < 5; i++) {
            assert_int_equal(world_append(&w, p, 3000, 1, 100 + i), i);
        }
        world_close(&w);
        assert_int_equal(world_open(&w), ERR_OK); /* nothing of it is in memory */
        p = store_part_find(w.store, 1);
        tear(&w, 3000, 102, header, &at);
        p->rewrite_turn++; /* a worker is at it */
        bool done = false;
        struct store_time_job job = {.done = time_found, .ctx = &done};
        store_find_timestamp(p, 102, &job);
        for (int i = 0; i < 50; i++) {
            (void)env_sim_step(w.env);
        }
        assert_false(done);
        tear(&w, 3000, 102, header, &at);
        p->rewrite_turn++;
        world_settle(&w);
        assert_true(done);
        assert_int_equal(job.err, ERR_OK);
        assert_int_equal(job.offset, 2);
        assert_int_equal(job.timestamp, 102);
        assert_int_equal(p->damage_count, 0);
        world_deinit(&w);
    }
}

TEST(a_stop_with_rewrites_that_wait)
{
    struct rewriting r[3];
    for (int steps = 0; steps < 12; steps++) {
        struct world w;
        world_init(&w, 7, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        for (int64_t i = 0; i < 3; i++) {
            assert_int_equal(world_append(&w, p, 150, 1, 100 + i), i);
        }
        for (int64_t i = 0; i < 3; i++) {
            rewrite_begin(p, i, 150, 1, 100 + i, (uint8_t)(100 + i), 150, (uint8_t)(7 + i), &r[i]);
        }
        for (int i = 0; i < steps; i++) {
            store_kick(w.store, false);
            (void)env_sim_step(w.env);
            (void)env_poll_run(w.poll, 0);
        }
        bool ended[3];
        for (int i = 0; i < 3; i++) {
            ended[i] = r[i].ended;
        }
        world_close(&w);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_recovery rec;
        store_recovery_get(w.store, &rec);
        assert_true(rec.clean);
        p = store_part_find(w.store, 1);
        for (int64_t i = 0; i < 3; i++) {
            const uint8_t fill = fill_at(&w, p, i, NULL);
            assert_true(fill == 7 + i || (!ended[i] && fill == 100 + i));
            mem_free(r[i].bytes);
        }
        world_deinit(&w);
    }
}

static bool try_rewrite(uint64_t n)
{
    struct world w;
    struct rewriting r;
    world_init(&w, 8, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    assert_int_equal(world_append(&w, p, 150, 1, 100), 0);
    rewrite_begin(p, 0, 150, 1, 100, 100, 150, 7, &r);
    test_fail_alloc(n);
    for (int i = 0; i < 100 && !r.ended; i++) {
        store_tick(w.store);
        world_settle(&w);
        env_sim_advance_ns(w.env, 1000000000);
    }
    const bool reached = test_fail_alloc_end() != 0;
    assert_true(r.ended);
    mem_free(r.bytes);
    assert_true(r.job.err == ERR_OK || r.job.err == ERR_NO_MEMORY);
    assert_int_equal(fill_at(&w, p, 0, NULL), r.job.err == ERR_OK ? 7 : 100);
    world_deinit(&w);
    return reached;
}

TEST(a_rewrite_without_memory_is_not_done)
{
    uint64_t n = 1;
    while (try_rewrite(n)) {
        n++;
    }
    assert_true(n > 3);
}

TEST(a_write_over_that_fails_stops_the_store_and_the_next_start_does_it)
{
    for (int kind = 0; kind < 2; kind++) {
        struct world w;
        struct rewriting r;
        world_init(&w, 9, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        assert_int_equal(world_append(&w, p, 150, 1, 100), 0);
        world_checkpoint(&w);
        world_checkpoint(&w);
        rewrite_begin(p, 0, 150, 1, 100, 100, 150, 7, &r);
        /* The write of the ring, and its flush, come first. */
        const enum env_sim_op op = kind == 0 ? ENV_SIM_WRITE : ENV_SIM_SYNC;
        env_sim_fail_nth(w.env, op, 2, ERR_IO, true);
        world_settle(&w);
        env_sim_fail_nth(w.env, op, 0, ERR_OK, false);
        if (r.ended) {
            fail_msg("kind %d: %s %s", kind, err_name(r.job.err), r.job.ec.text);
        }
        assert_int_equal(w.failures, 1);
        world_cut(&w, 3);
        mem_free(r.bytes);
        if (world_open(&w) != ERR_OK) {
            fail_msg("kind %d: %s", kind, w.ec.text);
        }
        assert_int_equal(fill_at(&w, store_part_find(w.store, 1), 0, NULL), 7);
        world_deinit(&w);
    }
}
