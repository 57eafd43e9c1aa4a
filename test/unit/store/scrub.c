/* The scrub: it finds what nobody reads, at its rate, and disturbs nothing. */
#include "store/store_int.h"
#include "test.h"
#include "world.h"

#define SEG "/data/topics/a/0-1-00000000000000000000.seg"

static struct store_stats stats(struct world *w)
{
    struct store_stats st;
    store_stats_get(w->store, &st);
    return st;
}

/* Lets `ms` pass, in ticks as the server makes them. */
static void pass_time(struct world *w, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 100) {
        env_sim_advance_ns(w->env, 100000000);
        store_tick(w->store);
        world_settle(w);
    }
}

static void open_world(struct world *w, uint64_t seed, uint64_t rate)
{
    world_init(w, seed, 0);
    w->cfg.scrub_bytes_per_second = rate;
    w->cfg.scrub_interval_ms = 10000;
    assert_int_equal(world_open(w), ERR_OK);
}

static struct store_part *fill(struct world *w, int n)
{
    struct store_part *p = world_add(w, 1, "a", 0, false);
    for (int i = 0; i < n; i++) {
        assert_int_equal(world_append(w, p, i % 7 == 3 ? 3000 : 200, 1, i), i);
    }
    world_checkpoint(w);
    return p;
}

TEST(scrub_finds_damage_before_a_reader)
{
    /* Any byte of any entry, header or payload: its offsets and no others are quarantined. */
    for (int place = 0; place < 3; place++) {
        struct world w;
        struct store_read r;
        uint64_t size;
        open_world(&w, 51, 1 << 20);
        struct store_part *p = fill(&w, 60);
        uint8_t *b = env_sim_file_bytes(w.env, SEG, &size);
        assert_non_null(b);
        /* An entry of 200 bytes of value takes 354 bytes or so: the third one. */
        b[place == 0 ? 2 * 354 + 30 : place == 1 ? 2 * 354 + 200 : 100] ^= 1;
        const uint64_t reads = stats(&w).damaged_reads;
        pass_time(&w, 12000);
        struct store_stats st = stats(&w);
        assert_int_equal(st.scrub_passes, 1);
        assert_int_equal(st.scrub_damaged, 1);
        assert_int_equal(st.damaged_ranges, 1);
        assert_int_equal(st.damaged_reads, reads);
        assert_true(st.scrub_last_pass_ms > 0);
        const int64_t bad = p->damage[0].from;
        assert_int_equal(p->damage[0].to, bad + 1);
        assert_true(bad < 4);
        arena_reset(&w.arena, 1 << 20);
        assert_int_equal(world_read(&w, p, bad, 1, &r), ERR_DAMAGED);
        assert_int_equal(world_count(&w, p, bad + 1), 59 - bad);
        /* The next pass does not count it again, and a start keeps it. */
        pass_time(&w, 12000);
        st = stats(&w);
        assert_int_equal(st.scrub_passes, 2);
        assert_int_equal(st.scrub_damaged, 1);
        world_close(&w);
        assert_int_equal(world_open(&w), ERR_OK);
        assert_int_equal(stats(&w).damaged_ranges, 1);
        world_deinit(&w);
    }
}

TEST(scrub_reads_everything_that_is_stored)
{
    /* Each byte of each entry, of sealed segments and of the one that is written, of all
     * partitions: none escapes. Nothing is found where nothing is wrong, frames in flight or not.
     */
    struct world w;
    open_world(&w, 52, 1 << 20);
    w.part_cfg.segment_bytes = 8 << 10;
    struct store_part *p = fill(&w, 60);
    struct store_part *q = world_add(&w, 2, "b", 0, true);
    for (int i = 0; i < 40; i++) {
        assert_true(world_append(&w, q, 300, 2, i) >= 0);
    }
    assert_true(p->seg_count > 3);
    pass_time(&w, 12000);
    struct store_stats st = stats(&w);
    assert_int_equal(st.scrub_passes, 1);
    assert_int_equal(st.scrub_damaged, 0);
    assert_true(st.scrub_bytes >= st.segment_bytes);
    world_checkpoint(&w);
    uint32_t found = 0;
    for (uint32_t i = 0; i < p->seg_count; i++) {
        char path[STORE_PATH_MAX];
        uint64_t size;
        segment_path(p->segs[i], false, path);
        uint8_t *b = env_sim_file_bytes(w.env, path, &size);
        assert_non_null(b);
        b[p->segs[i]->size - 1200] ^= 1; /* in an entry near the end, not in its padding */
        found++;
    }
    pass_time(&w, 12000);
    assert_int_equal(stats(&w).scrub_damaged, found);
    int64_t offsets = 0;
    for (uint32_t i = 0; i < p->damage_count; i++) { /* neighbours are one range */
        offsets += p->damage[i].to - p->damage[i].from;
    }
    assert_int_equal(offsets, found);
    world_deinit(&w);
}

TEST(scrub_keeps_its_rate)
{
    /* 64 KiB a second: what is stored takes as long as it must, and 0 is never. */
    struct world w;
    open_world(&w, 53, 64 << 10);
    w.part_cfg.segment_bytes = 1 << 20;
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(world_append(&w, p, 3000, 1, i), i);
    }
    world_checkpoint(&w);
    pass_time(&w, 10000); /* the interval, before the first pass */
    const uint64_t before = stats(&w).scrub_bytes;
    pass_time(&w, 5000);
    const uint64_t read = stats(&w).scrub_bytes - before;
    assert_true(read >= 4 * (64 << 10) && read <= 7 * (64 << 10));
    assert_int_equal(stats(&w).scrub_passes, 0);
    pass_time(&w, 10000);
    assert_int_equal(stats(&w).scrub_passes, 1);
    world_deinit(&w);
    open_world(&w, 53, 0);
    (void)fill(&w, 10);
    pass_time(&w, 30000);
    assert_int_equal(stats(&w).scrub_bytes, 0);
    world_deinit(&w);
}

TEST(scrub_opens_a_segment_once_and_keeps_no_file)
{
    /* Steps after the first one need no descriptor; none is left when the segment is through, or is
     * gone, or the store closes in the middle of it. */
    for (int end = 0; end < 3; end++) {
        struct world w;
        world_init(&w, 53, 0);
        w.cfg.scrub_bytes_per_second = 64 << 10;
        w.cfg.scrub_interval_ms = 30000;
        assert_int_equal(world_open(&w), ERR_OK);
        w.part_cfg.segment_bytes = 1 << 20;
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        for (int i = 0; i < 200; i++) {
            assert_int_equal(world_append(&w, p, 3000, 1, i), i);
        }
        world_checkpoint(&w);
        pass_time(&w, 29000);
        const uint64_t files = env_open_files(w.env);
        pass_time(&w, 3000);
        assert_true(stats(&w).scrub_bytes > 0);
        assert_int_equal(env_open_files(w.env), files + 1);
        env_sim_fail_nth(w.env, ENV_SIM_OPEN, 1, ERR_NO_DESCRIPTORS, true);
        const uint64_t before = stats(&w).scrub_bytes;
        pass_time(&w, 3000);
        assert_true(stats(&w).scrub_bytes >= before + 2 * (64 << 10));
        env_sim_fail_nth(w.env, ENV_SIM_OPEN, 1, ERR_OK, false);
        if (end == 0) {
            pass_time(&w, 12000);
            assert_int_equal(stats(&w).scrub_passes, 1);
            assert_int_equal(stats(&w).scrub_damaged, 0);
            assert_true(env_open_files(w.env) <= files);
        } else if (end == 1) {
            world_remove(&w, 1);
            pass_time(&w, 3000);
            assert_true(env_open_files(w.env) < files); /* the store's own handle is gone, too */
        }
        world_deinit(&w); /* the leak check sees the rest */
    }
}

TEST(scrub_replaces_a_damaged_image)
{
    /* The damaged one is written over, never the good one: at each moment one can be started from.
     */
    static const char *const names[] = {"/data/checkpoint-a", "/data/checkpoint-b"};
    for (int i = 0; i < 2; i++) {
        struct world w;
        uint64_t size;
        open_world(&w, 54, 1 << 20);
        (void)fill(&w, 10);
        world_checkpoint(&w);
        uint8_t *b = env_sim_file_bytes(w.env, names[i], &size);
        assert_non_null(b);
        b[150] ^= 1;
        pass_time(&w, 12000);
        assert_int_equal(stats(&w).scrub_damaged, 1);
        pass_time(&w, 12000); /* replaced: the next pass finds nothing */
        assert_int_equal(stats(&w).scrub_passes, 2);
        assert_int_equal(stats(&w).scrub_damaged, 1);
        /* The replaced one alone is enough. */
        world_cut(&w, 1);
        assert_int_equal(env_unlink(w.env, names[1 - i], NULL), ERR_OK);
        assert_int_equal(world_open(&w), ERR_OK);
        assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 10);
        world_deinit(&w);
    }
}

TEST(scrub_says_that_the_meta_file_or_a_segment_is_gone)
{
    /* They are not quarantined: somebody may put them back. Each pass says it. */
    struct world w;
    uint64_t size;
    open_world(&w, 55, 1 << 20);
    struct store_part *p = fill(&w, 10);
    segment_close_file(p->segs[0]);
    uint8_t *b = env_sim_file_bytes(w.env, "/data/meta", &size);
    assert_non_null(b);
    b[20] ^= 1;
    assert_int_equal(env_rename(w.env, SEG, "/data/aside", NULL), ERR_OK);
    pass_time(&w, 12000);
    assert_int_equal(stats(&w).scrub_damaged, 2);
    assert_int_equal(stats(&w).damaged_ranges, 0);
    assert_int_equal(env_rename(w.env, "/data/aside", SEG, NULL), ERR_OK);
    assert_int_equal(world_count(&w, p, 0), 10);
    world_deinit(&w);
}

TEST(scrub_takes_no_passing_error_for_damage)
{
    /* A read of the device that fails, for the scrub alone or for a while: nothing is set aside. */
    for (int forever = 0; forever < 2; forever++) {
        struct world w;
        open_world(&w, 56, 1 << 20);
        struct store_part *p = fill(&w, 30);
        pass_time(&w, 9500);
        env_sim_fail_nth(w.env, ENV_SIM_READ, 1, ERR_IO, forever != 0);
        pass_time(&w, 2000);
        env_sim_fail_nth(w.env, ENV_SIM_READ, 0, ERR_OK, false);
        assert_true(stats(&w).scrub_damaged > 0);
        assert_int_equal(stats(&w).damaged_ranges, 0);
        pass_time(&w, 12000);
        assert_int_equal(world_count(&w, p, 0), 30);
        world_deinit(&w);
    }
}

TEST(scrub_survives_retention_and_removal)
{
    /* What it is about to read goes away: nothing is told, nothing hangs. */
    struct world w;
    open_world(&w, 57, 64 << 10);
    w.part_cfg.segment_bytes = 8 << 10;
    struct store_part *p = fill(&w, 200);
    pass_time(&w, 10300);
    assert_true(stats(&w).scrub_bytes > 0);
    assert_int_equal(stats(&w).scrub_passes, 0);
    part_log_start_set(p, 150);
    pass_time(&w, 300);
    world_remove(&w, 1);
    world_checkpoint(&w);
    world_checkpoint(&w);
    pass_time(&w, 12000);
    assert_true(stats(&w).scrub_passes > 0);
    assert_int_equal(stats(&w).scrub_damaged, 0);
    world_deinit(&w);
}

/* What an earlier start may have left at the next block of the active segment, its frame lost: a
 * valid entry with an offset that the partition has given to another batch since. */
static void leave_behind(struct world *w, const struct store_part *p, int64_t offset, int64_t ts)
{
    const struct segment *g = p->segs[p->seg_count - 1];
    struct segment_identity id;
    segment_identity_get(g, &id);
    size_t size;
    uint8_t *batch = world_batch(3000, 1, ts, 'x', &size);
    put_be64(batch + BATCH_AT_BASE_OFFSET, (uint64_t)offset);
    const struct entry e = {.flags = ENTRY_BLOCKS,
                            .payload_size = (uint32_t)size,
                            .base_offset = offset,
                            .commit_position = 4096,
                            .position = entry_block_up(g->size),
                            .max_timestamp = ts,
                            .part_id = p->id,
                            .payload_crc = crc32c(0, batch, size)};
    uint8_t header[ENTRY_HEADER_SIZE];
    entry_encode(&e, &id, header);
    char path[STORE_PATH_MAX];
    segment_path(g, false, path);
    struct env_file *f;
    assert_int_equal(env_file_open(w->env, path, ENV_READ | ENV_WRITE, &f, NULL), ERR_OK);
    assert_int_equal(env_file_pwrite(f, header, sizeof(header), e.position, NULL), ERR_OK);
    assert_int_equal(env_file_pwrite(f, batch, size, e.position + sizeof(header), NULL), ERR_OK);
    env_file_close(f);
    mem_free(batch);
}

static void flight_end(struct world_flight *f)
{
    assert_true(f->acknowledged);
    mem_free(f->batch.bytes);
}

TEST(scrub_leaves_alone_what_is_on_its_way_to_the_device)
{
    /* Until a batch in place is there, its blocks hold what they held before. */
    uint32_t before_it = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world w;
        struct world_flight large;
        open_world(&w, seed, 1 << 20);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(world_append(&w, p, 200, 1, i), i);
        }
        world_checkpoint(&w);
        while (stats(&w).scrub_bytes == 0) { /* the next pass comes in ten seconds */
            pass_time(&w, 100);
        }
        pass_time(&w, 9800);
        const uint64_t bytes = stats(&w).scrub_bytes;
        leave_behind(&w, p, 1, 50);
        assert_true(world_append_begin(&w, p, 6000, 60, &large));
        env_sim_advance_ns(w.env, 400000000);
        store_tick(w.store);
        while (!large.acknowledged) {
            store_kick(w.store, true);
            (void)env_poll_run(w.poll, 0);
        }
        before_it += stats(&w).scrub_bytes > bytes;
        pass_time(&w, 12000);
        assert_true(stats(&w).scrub_bytes > bytes);
        assert_int_equal(stats(&w).scrub_damaged, 0);
        assert_int_equal(world_count(&w, p, 0), 4);
        flight_end(&large);
        world_deinit(&w);
    }
    assert_true(before_it > 0);
}

static void looked(struct store_time_job *job)
{
    ++*(uint32_t *)job->ctx;
}

TEST(store_finds_by_time_nothing_that_is_on_its_way_to_the_device)
{
    /* The tail forgets the first of two batches, for others have come. Its place is no end of the
     * file yet, and it is not passed over either. Some look-ups begin before the writes end and
     * end after them. */
    enum { LOOKS = 24 };
    uint32_t before = 0, after = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world w;
        struct world_flight large, next, others[8];
        struct store_time_job looks[LOOKS];
        open_world(&w, seed, 0);
        w.part_cfg.segment_bytes = 64 << 20;
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        struct store_part *q = world_add(&w, 2, "b", 0, false);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(world_append(&w, p, 200, 1, i), i);
        }
        world_checkpoint(&w);
        leave_behind(&w, p, 1, 50);
        assert_true(world_append_begin(&w, p, (size_t)1500 << 10, 60, &large));
        assert_true(world_append_begin(&w, p, 6000, 70, &next));
        size_t count = 0;
        while (p->tail.count == 2 && count < ARRAY_LEN(others)) {
            assert_true(world_append_begin(&w, q, (size_t)1000 << 10, 1, &others[count++]));
        }
        assert_int_equal(p->tail.count, 1);
        uint32_t done = 0;
        for (int i = 0; i < LOOKS; i++) {
            looks[i] = (struct store_time_job){.done = looked, .ctx = &done};
            store_find_timestamp(p, 40, &looks[i]);
            store_kick(w.store, true);
            (void)env_poll_run(w.poll, 0);
        }
        world_settle(&w);
        assert_int_equal(done, LOOKS);
        for (int i = 0; i < LOOKS; i++) {
            assert_int_equal(looks[i].err, ERR_OK);
            assert_true(looks[i].offset == -1 || looks[i].offset == 3);
            before += looks[i].offset == -1;
            after += looks[i].offset == 3;
        }
        assert_int_equal(p->damage_count, 0);
        flight_end(&large);
        flight_end(&next);
        while (count > 0) {
            flight_end(&others[--count]);
        }
        world_deinit(&w);
    }
    assert_true(before > 0 && after > 0);
}
