/* Segments over time: rolling, retention, deleting records and partitions, look-ups by time. */
#include "test.h"
#include "world.h"

static struct store_part_info info_of(struct store_part *p)
{
    struct store_part_info i;
    store_part_info_get(p, &i);
    return i;
}

static uint64_t files_in(struct world *w, const char *dir)
{
    char path[64];
    uint64_t n = 0;
    for (int64_t base = 0; base < 2000; base++) {
        (void)snprintf(path, sizeof(path), "/data/topics/%s/0-1-%020lld.seg", dir, (long long)base);
        struct env_stat st;
        n += env_stat(w->env, path, &st, NULL) == ERR_OK ? 1 : 0;
    }
    return n;
}

TEST(store_retention_by_size_drops_files_after_two_checkpoints)
{
    /* Whole segments go, the log start follows, the files stay until no image names them. */
    struct world w;
    world_init(&w, 3, 0);
    w.part_cfg.segment_bytes = 4000;
    w.part_cfg.retention_bytes = 8000;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(world_append(&w, p, 500, 1, i), i);
    }
    world_checkpoint(&w);
    const uint64_t before = files_in(&w, "a");
    assert_true(before > 8);
    for (int i = 0; i < 40; i++) {
        env_sim_advance_ns(w.env, 2000000000);
        store_tick(w.store);
        world_settle(&w);
    }
    assert_true(info_of(p).log_start > 30);
    assert_true(info_of(p).size_bytes < 16000);
    assert_int_equal(world_count(&w, p, info_of(p).log_start), 60 - info_of(p).log_start);
    struct store_read r;
    assert_int_equal(world_read(&w, p, 0, 100, &r), ERR_OFFSET_OUT_OF_RANGE);
    world_checkpoint(&w);
    world_checkpoint(&w);
    assert_true(files_in(&w, "a") < 5);
    const int64_t start = info_of(p).log_start;
    world_cut(&w, 1);
    assert_int_equal(world_open(&w), ERR_OK);
    p = store_part_find(w.store, 1);
    assert_int_equal(info_of(p).log_start, start);
    assert_int_equal(world_count(&w, p, start), 60 - start);
    world_deinit(&w);
}

TEST(store_retention_by_size_keeps_up_with_any_producer)
{
    /* One pass drops all that is too much, so segments cannot be filled faster than they go. */
    struct world w;
    world_init(&w, 3, 0);
    w.part_cfg.segment_bytes = 4000;
    w.part_cfg.retention_bytes = 8000;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(world_append(&w, p, 500, 1, i), i);
    }
    assert_true(info_of(p).size_bytes > 30000);
    env_sim_advance_ns(w.env, 2000000000);
    store_tick(w.store);
    world_settle(&w);
    assert_true(info_of(p).size_bytes >= 8000);
    assert_true(info_of(p).size_bytes < 16000);
    assert_int_equal(world_count(&w, p, info_of(p).log_start), 60 - info_of(p).log_start);
    world_deinit(&w);
}

TEST(store_retention_by_time_stands_still_when_the_clock_jumps)
{
    /* A clock that jumps a year ahead deletes nothing; time that passes does. */
    struct world w;
    world_init(&w, 4, 0);
    w.part_cfg.segment_bytes = 4000;
    w.part_cfg.retention_ms = 7200000;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(world_append(&w, p, 500, 1, i), i);
    }
    env_sim_jump_wall_ms(w.env, 365ll * 24 * 3600 * 1000);
    for (int i = 0; i < 5; i++) {
        env_sim_advance_ns(w.env, 2000000000);
        store_tick(w.store);
        world_settle(&w);
    }
    assert_int_equal(info_of(p).log_start, 0);
    for (int i = 0; i < 200; i++) {
        env_sim_advance_ns(w.env, 60000000000);
        store_tick(w.store);
        world_settle(&w);
    }
    assert_int_equal(info_of(p).log_start, 20); /* the active segment too */
    assert_int_equal(world_append(&w, p, 500, 1, 1), 20);
    assert_int_equal(world_count(&w, p, 20), 1);
    world_deinit(&w);
}

static void pass_seconds(struct world *w, uint64_t seconds)
{
    for (uint64_t i = 0; i < seconds; i += 30) {
        env_sim_advance_ns(w->env, 30000000000);
        store_tick(w->store);
        world_settle(w);
    }
}

TEST(store_a_restart_does_not_end_the_guard_after_a_clock_jump)
{
    /* Nothing goes by age for an hour of running after a jump, whether it is restarted, killed or
     * cut meanwhile; then it does. */
    struct world w;
    world_init(&w, 4, 0);
    w.part_cfg.segment_bytes = 4000;
    w.part_cfg.retention_ms = 7200000;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(world_append(&w, p, 500, 1, i), i);
    }
    env_sim_jump_wall_ms(w.env, 365ll * 24 * 3600 * 1000);
    pass_seconds(&w, 600);
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            world_cut(&w, 5);
        } else {
            world_close(&w);
        }
        assert_int_equal(world_open(&w), ERR_OK);
        pass_seconds(&w, 900);
        assert_int_equal(info_of(store_part_find(w.store, 1)).log_start, 0);
    }
    pass_seconds(&w, 1800); /* the cut forgot how much of it had passed, as its image did not say */
    assert_int_equal(info_of(store_part_find(w.store, 1)).log_start, 20);
    world_deinit(&w);
}

TEST(store_dropped_files_wait_by_the_monotonic_clock_and_not_beyond_a_start)
{
    /* A wall clock that jumps back does not keep them; a start drops what waits, for nobody reads
     * it any more. */
    for (int restart = 0; restart < 2; restart++) {
        struct world w;
        world_init(&w, 6, 0);
        w.part_cfg.segment_bytes = 4000;
        w.part_cfg.file_delete_delay_ms = restart ? 1000000000 : 60000;
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        for (int i = 0; i < 20; i++) {
            assert_int_equal(world_append(&w, p, 500, 1, i), i);
        }
        world_checkpoint(&w);
        const uint64_t before = files_in(&w, "a");
        assert_true(before > 2);
        struct store_frame *f = store_frame_begin(w.store);
        assert_int_equal(store_frame_log_start(f, p, 18), ERR_OK);
        store_frame_commit(f, NULL, NULL);
        world_settle(&w);
        env_sim_jump_wall_ms(w.env, -30ll * 24 * 3600 * 1000);
        for (int i = 0; i < 3; i++) {
            world_checkpoint(&w);
        }
        assert_int_equal(files_in(&w, "a"), before);
        if (restart) {
            world_close(&w);
            assert_int_equal(world_open(&w), ERR_OK);
        } else {
            pass_seconds(&w, 60);
        }
        for (int i = 0; i < 2; i++) {
            world_checkpoint(&w);
        }
        assert_int_equal(files_in(&w, "a"), 1);
        world_deinit(&w);
    }
}

TEST(store_log_start_survives_and_moves_only_forward)
{
    /* DeleteRecords is durable when it is acknowledged. */
    struct world w;
    world_init(&w, 5, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(world_append(&w, p, 50, 1, i), i);
    }
    struct store_frame *f = store_frame_begin(w.store);
    assert_int_equal(store_frame_log_start(f, p, 11), ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(store_frame_log_start(f, p, 6), ERR_OK);
    assert_int_equal(store_frame_log_start(f, p, 4), ERR_OK);
    store_frame_commit(f, NULL, NULL);
    world_settle(&w);
    assert_int_equal(info_of(p).log_start, 6);
    world_cut(&w, 3);
    assert_int_equal(world_open(&w), ERR_OK);
    p = store_part_find(w.store, 1);
    assert_int_equal(info_of(p).log_start, 6);
    assert_int_equal(world_count(&w, p, 6), 4);
    world_deinit(&w);
}

TEST(store_removed_partition_is_gone_and_its_name_is_free)
{
    /* A topic made again under the same name never sees the old one's bytes. */
    struct world w;
    world_init(&w, 6, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(world_append(&w, p, 500, 1, i), i);
    }
    world_checkpoint(&w);
    assert_int_equal(files_in(&w, "a"), 1);
    world_remove(&w, 1);
    assert_null(store_part_find(w.store, 1));
    p = world_add(&w, 2, "a", 0, false);
    assert_int_equal(world_append(&w, p, 30, 1, 77), 0);
    for (int i = 0; i < 3; i++) {
        world_checkpoint(&w);
    }
    assert_int_equal(files_in(&w, "a"), 0);
    world_cut(&w, 9);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_null(store_part_find(w.store, 1));
    assert_int_equal(world_count(&w, store_part_find(w.store, 2), 0), 1);
    world_deinit(&w);
}

static void time_done(struct store_time_job *job)
{
    *(bool *)job->ctx = true;
}

static struct store_time_job find(struct world *w, struct store_part *p, int64_t ts)
{
    bool done = false;
    struct store_time_job job = {.done = time_done, .ctx = &done};
    if (ts < 0) {
        store_find_max_timestamp(p, &job);
    } else {
        store_find_timestamp(p, ts, &job);
    }
    world_settle(w);
    assert_true(done);
    return job;
}

TEST(store_finds_records_by_time_exactly)
{
    /* The first record at or after a moment, inside its batch, in files and in the tail, before and
     * after a restart. */
    struct world w;
    world_init(&w, 7, 0);
    w.part_cfg.segment_bytes = 4000;
    w.part_cfg.index_interval_bytes = 600;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    assert_int_equal(find(&w, p, 5).offset, -1);
    assert_int_equal(find(&w, p, -1).offset, -1);
    for (int i = 0; i < 50; i++) { /* batch i: offsets 3i.., times 1000+10i, +1, +2 */
        assert_int_equal(world_append(&w, p, i % 7 == 6 ? 2500 : 200, 3, 1000 + 10 * i), 3 * i);
        if (i == 30) {
            world_checkpoint(&w);
        }
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 50; i++) {
            struct store_time_job j = find(&w, p, 1000 + 10 * i + 1);
            assert_int_equal(j.err, ERR_OK);
            assert_int_equal(j.offset, 3 * i + 1);
            assert_int_equal(j.timestamp, 1000 + 10 * i + 1);
            j = find(&w, p, 1000 + 10 * i - 5); /* between batches */
            assert_int_equal(j.offset, 3 * i);
        }
        assert_int_equal(find(&w, p, 2000).offset, -1);
        assert_int_equal(find(&w, p, -1).offset, 149);
        assert_int_equal(find(&w, p, -1).timestamp, 1492);
        world_close(&w);
        assert_int_equal(world_open(&w), ERR_OK);
        p = store_part_find(w.store, 1);
    }
    world_deinit(&w);
}

TEST(store_os_partition_continues_above_what_it_told)
{
    /* After an unclean stop no offset is used twice, and a new leader epoch shows the divergence.
     */
    for (uint64_t choice = 0; choice < 20; choice++) {
        struct world w;
        world_init(&w, 8, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, true);
        for (int i = 0; i < 30; i++) {
            assert_int_equal(world_append(&w, p, 300, 1, i), i);
            if (i == 10) {
                world_checkpoint(&w);
            }
        }
        world_cut(&w, choice);
        assert_int_equal(world_open(&w), ERR_OK);
        p = store_part_find(w.store, 1);
        struct store_part_info i = info_of(p);
        assert_true(i.log_end >= 100000);
        assert_int_equal(i.leader_epoch, 1);
        const struct store_epoch *epochs;
        assert_int_equal(store_part_epochs(p, &epochs), 2);
        const int64_t kept = world_count(&w, p, 0);
        assert_true(kept >= 11 && kept <= 30);
        /* Where the old epoch ends: a consumer that has read more sees that it was lost. */
        assert_int_equal(epochs[1].start_offset, kept);
        assert_int_equal(world_append(&w, p, 300, 1, 5), i.log_end);
        assert_int_equal(world_count(&w, p, 0), kept + 1);
        assert_int_equal(world_count(&w, p, 50000), 1); /* in the gap: the next one */
        world_close(&w);
        assert_int_equal(world_open(&w), ERR_OK);
        p = store_part_find(w.store, 1);
        assert_int_equal(info_of(p).log_end, i.log_end + 1); /* a clean stop loses nothing */
        assert_int_equal(info_of(p).leader_epoch, 1);
        world_deinit(&w);
    }
}

static uint64_t position_of(struct world *w, struct store_part *p, int64_t offset)
{
    enum err e = ERR_AGAIN;
    uint64_t position = 0;
    for (int i = 0; i < 100 && e == ERR_AGAIN; i++) {
        struct store_read r;
        arena_reset(&w->arena, 1 << 20);
        assert_int_equal(world_read(w, p, offset, 1, &r), ERR_OK); /* opens the file */
        store_read_release(&r);
        e = store_batch_position(p, offset, &position, &w->ec);
    }
    assert_int_equal(e, ERR_OK);
    return position;
}

TEST(store_commit_positions_are_unique_and_ordered)
{
    /* One global order over all partitions, whatever way the bytes took; the same after packing and
     * restarts. */
    struct world w;
    world_init(&w, 9, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p[3];
    for (uint32_t k = 0; k < 3; k++) {
        p[k] = world_add(&w, k + 1, "a", (int32_t)k, k == 2);
    }
    uint64_t seen[150], last = 0;
    for (int i = 0; i < 150; i++) {
        const int64_t offset = world_append(&w, p[i % 3], i % 5 == 0 ? 4000 : 40, 1, i);
        assert_int_equal(offset, i / 3);
        seen[i] = position_of(&w, p[i % 3], offset);
        assert_true(seen[i] > last);
        last = seen[i];
    }
    world_close(&w);
    assert_int_equal(world_open(&w), ERR_OK);
    for (int i = 0; i < 150; i++) {
        struct store_part *q = store_part_find(w.store, (uint32_t)(i % 3) + 1);
        assert_true(position_of(&w, q, i / 3) == seen[i]);
    }
    world_deinit(&w);
}

TEST(store_os_partition_made_stronger_keeps_what_it_acknowledges_then)
{
    /* From the checkpoint after the change on, acknowledged means durable. */
    for (uint64_t choice = 0; choice < 20; choice++) {
        struct world w;
        world_init(&w, 19, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, true);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(world_append(&w, p, 300, 1, i), i);
        }
        struct store_part_config cfg = w.part_cfg;
        store_part_configure(p, &cfg);
        w.parts[0].os = false;
        world_checkpoint(&w);
        struct store_stats st;
        store_stats_get(w.store, &st);
        assert_int_equal(st.relaxed_parts, 0);
        for (int i = 10; i < 20; i++) {
            assert_int_equal(world_append(&w, p, i % 3 == 0 ? 4000 : 100, 1, i), i);
        }
        world_cut(&w, choice);
        assert_int_equal(world_open(&w), ERR_OK);
        assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 20);
        world_deinit(&w);
    }
}

TEST(store_reads_whole_batches_within_limits)
{
    /* At least one batch if asked for, none beyond the limit, whole ones only. */
    struct world w;
    world_init(&w, 20, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(world_append(&w, p, 100, 2, i), 2 * i);
    }
    struct store_read r;
    assert_int_equal(store_read(p, 3, INT64_MAX, 1, true, &w.arena, &r, &w.ec), ERR_OK);
    assert_int_equal(r.chunk_count, 1); /* the batch that contains offset 3 */
    assert_int_equal(r.next_offset, 4);
    store_read_release(&r);
    assert_int_equal(store_read(p, 3, INT64_MAX, 1, false, &w.arena, &r, &w.ec), ERR_OK);
    assert_int_equal(r.chunk_count, 0);
    store_read_release(&r);
    assert_int_equal(store_read(p, 0, 7, 1 << 20, true, &w.arena, &r, &w.ec), ERR_OK);
    assert_int_equal(r.chunk_count, 3);
    assert_int_equal(r.next_offset, 6);
    /* What a reader holds stays, whatever is packed meanwhile. */
    world_checkpoint(&w);
    assert_int_equal(get_be64(r.chunks[2].p), 4);
    store_read_release(&r);
    assert_int_equal(world_read(&w, p, 12, 100, &r), ERR_OK);
    assert_int_equal(r.chunk_count, 0);
    store_read_release(&r);
    assert_int_equal(world_read(&w, p, 13, 100, &r), ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(w.advanced, 6);
    world_deinit(&w);
}
