/* A flush on demand of partitions with durability os: who was told is as safe as anybody. */
#include "test.h"
#include "world.h"

struct told {
    struct store_sync_job job;
    int times;
};

static void on_synced(struct store_sync_job *job)
{
    struct told *t = job->ctx;
    t->times++;
}

static void ask(struct world *w, struct store_part *const *parts, size_t count, struct told *t)
{
    *t = (struct told){.job = {.done = on_synced, .ctx = t}};
    store_sync(w->store, parts, count, &t->job);
}

static struct store_part *open_relaxed(struct world *w, uint64_t seed)
{
    world_init(w, seed, 0);
    w->part_cfg.segment_bytes = 3000; /* several files, all of which must be flushed */
    assert_int_equal(world_open(w), ERR_OK);
    return world_add(w, 1, "a", 0, true);
}

TEST(store_a_flush_on_demand_keeps_all_of_a_relaxed_partition)
{
    int64_t lost = 0;
    for (uint64_t choice = 0; choice < 16; choice++) {
        for (int wish = 0; wish < 2; wish++) {
            struct world w;
            struct told t = {0};
            struct store_part *p = open_relaxed(&w, 1);
            for (int64_t i = 0; i < 12; i++) {
                assert_int_equal(world_append(&w, p, 700, 1, 1), i);
            }
            if (wish == 1) {
                ask(&w, &p, 1, &t);
                assert_int_equal(t.times, 0); /* not before it is done */
                world_settle(&w);
                assert_int_equal(t.times, 1);
                assert_int_equal(t.job.err, ERR_OK);
            }
            world_cut(&w, choice);
            assert_int_equal(world_open(&w), ERR_OK);
            const int64_t kept = world_count(&w, store_part_find(w.store, 1), 0);
            assert_true(kept == 12 || wish == 0);
            lost += 12 - kept;
            world_deinit(&w);
        }
    }
    assert_true(lost > 0);
}

/* What can be done is done, beside a checkpoint that hangs, too. */
static void go_on(struct world *w)
{
    for (int i = 0; i < 1000; i++) {
        store_kick(w->store, true);
        IGNORE(env_poll_run(w->poll, 0) == 0);
    }
}

/* DeleteRecords. */
static void delete_to(struct world *w, struct store_part *p, int64_t offset)
{
    struct store_part_info info;
    struct store_frame *f = store_frame_begin(w->store);
    assert_non_null(f);
    assert_int_equal(store_frame_log_start(f, p, offset), ERR_OK);
    store_frame_commit(f, NULL, NULL);
    go_on(w);
    store_part_info_get(p, &info);
    assert_int_equal(info.log_start, offset);
}

/* The newest image rots. */
static void rot_newest(struct world *w)
{
    static const char *const names[] = {"/data/checkpoint-a", "/data/checkpoint-b"};
    uint64_t size, sequence[2];
    for (int i = 0; i < 2; i++) { /* one view at a time */
        const uint8_t *image = env_sim_file_bytes(w->env, names[i], &size);
        assert_non_null(image);
        sequence[i] = get_le64(image + 32);
    }
    env_sim_file_bytes(w->env, names[sequence[1] > sequence[0]], &size)[60] ^= 1;
}

/* A start comes to what was flushed through all that the image did not know yet: also through what
 * was deleted meanwhile, which lies in segments that the partition has no more. */
TEST(store_a_flush_on_demand_keeps_what_follows_deleted_records)
{
    enum { BATCHES = 16, DELETED = 9 };
    for (uint64_t choice = 0; choice < 48; choice++) {
        const bool by_checkpoint = choice % 3 == 1, hangs = choice % 3 == 2;
        struct world w;
        struct told t = {0};
        struct store_part *p = open_relaxed(&w, 1);
        assert_int_equal(world_append(&w, p, 700, 1, 1), 0);
        world_checkpoint(&w);
        for (int64_t i = 1; i < BATCHES; i++) {
            assert_int_equal(world_append(&w, p, 700, 1, 1), i);
        }
        if (hangs) { /* a checkpoint that has begun to flush them does not help */
            env_sim_stick_nth(w.env, ENV_SIM_SYNC, 1, false);
            store_checkpoint_request(w.store);
            store_tick(w.store);
            go_on(&w);
            assert_true(env_sim_is_stuck(w.env));
        }
        delete_to(&w, p, DELETED);
        if (by_checkpoint) {
            world_checkpoint(&w);
        }
        ask(&w, &p, 1, &t);
        go_on(&w);
        assert_int_equal(t.times, 1);
        assert_int_equal(t.job.err, ERR_OK);
        if (by_checkpoint) {
            rot_newest(&w);
        }
        if (hangs) {
            env_sim_process_kill(w.env); /* closing would wait for it */
        }
        world_cut(&w, choice);
        assert_int_equal(world_open(&w), ERR_OK);
        assert_int_equal(world_count(&w, store_part_find(w.store, 1), DELETED), BATCHES - DELETED);
        world_deinit(&w);
    }
}

/* Made relaxed while its batches are in the ring alone: their file is not there yet. */
TEST(store_a_flush_on_demand_of_what_only_the_ring_has)
{
    struct world w;
    struct told t;
    world_init(&w, 1, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    assert_int_equal(world_append(&w, p, 100, 1, 1), 0);
    struct store_part_config cfg = w.part_cfg;
    cfg.durability = STORE_OS;
    store_part_configure(p, &cfg);
    ask(&w, &p, 1, &t);
    world_settle(&w);
    assert_int_equal(t.times, 1);
    assert_int_equal(t.job.err, ERR_OK);
    assert_int_equal(world_append(&w, p, 100, 1, 1), 1);
    ask(&w, &p, 1, &t);
    world_settle(&w);
    assert_int_equal(t.job.err, ERR_OK);
    world_cut(&w, 1);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 2);
    world_deinit(&w);
}

TEST(store_a_flush_behind_a_gap_of_offsets_is_found_from_either_image)
{
    /* After an unclean stop a relaxed partition goes on above what it may have told. The older
     * image must know that, or what was flushed behind the gap is lost with the newer one. */
    struct world w;
    struct told t;
    struct store_part *p = open_relaxed(&w, 3);
    assert_int_equal(world_append(&w, p, 100, 1, 1), 0);
    world_cut(&w, 1);
    assert_int_equal(world_open(&w), ERR_OK);
    p = store_part_find(w.store, 1);
    const int64_t offset = world_append(&w, p, 100, 1, 1);
    assert_true(offset > 1);
    ask(&w, &p, 1, &t);
    world_settle(&w);
    assert_int_equal(t.times, 1);
    rot_newest(&w);
    world_cut(&w, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_read r;
    assert_int_equal(world_read(&w, store_part_find(w.store, 1), offset, 1000, &r), ERR_OK);
    assert_int_equal(r.chunk_count, 1);
    store_read_release(&r);
    world_deinit(&w);
}

TEST(store_a_flush_on_demand_costs_nothing_where_all_is_flushed)
{
    struct world w;
    struct told t;
    struct store_stats st;
    struct store_part *p = open_relaxed(&w, 1);
    struct store_part *strict = world_add(&w, 2, "b", 0, false);
    ask(&w, &p, 1, &t); /* empty */
    assert_int_equal(t.times, 1);
    assert_int_equal(world_append(&w, strict, 100, 1, 1), 0);
    ask(&w, &strict, 1, &t);
    assert_int_equal(t.times, 1);
    assert_int_equal(world_append(&w, p, 100, 1, 1), 0);
    ask(&w, &p, 1, &t);
    world_settle(&w);
    assert_int_equal(t.times, 1);
    ask(&w, &p, 1, &t); /* again */
    assert_int_equal(t.times, 1);
    assert_int_equal(world_append(&w, p, 100, 1, 1), 1);
    world_checkpoint(&w);
    ask(&w, &p, 1, &t); /* a checkpoint was there */
    assert_int_equal(t.times, 1);
    store_stats_get(w.store, &st);
    assert_int_equal(st.syncs, 1);
    world_deinit(&w);
}

TEST(store_those_who_ask_meanwhile_share_the_next_flush)
{
    struct world w;
    struct told t[6];
    struct store_stats st;
    struct store_part *parts[2];
    parts[0] = open_relaxed(&w, 1);
    parts[1] = world_add(&w, 2, "b", 0, true);
    assert_int_equal(world_append(&w, parts[0], 100, 1, 1), 0);
    assert_int_equal(world_append(&w, parts[1], 100, 1, 1), 0);
    ask(&w, parts, 1, &t[0]);
    for (int i = 1; i < 6; i++) {
        ask(&w, parts, 2, &t[i]);
    }
    world_settle(&w);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(t[i].times, 1);
    }
    store_stats_get(w.store, &st);
    assert_int_equal(st.syncs, 2);
    world_deinit(&w);
}

TEST(store_a_flush_on_demand_that_fails_stops_the_store)
{
    struct world w;
    struct told t;
    struct store_part *p = open_relaxed(&w, 1);
    assert_int_equal(world_append(&w, p, 100, 1, 1), 0);
    ask(&w, &p, 1, &t);
    env_sim_fail_nth(w.env, ENV_SIM_SYNC, 1, ERR_IO, false);
    world_settle(&w);
    assert_int_equal(t.times, 0);
    assert_int_equal(w.failures, 1);
    world_deinit(&w);
}

TEST(store_a_flush_on_demand_may_outlive_its_partition_and_the_store)
{
    struct world w;
    struct told t[3];
    struct store_part *p = open_relaxed(&w, 1);
    assert_int_equal(world_append(&w, p, 100, 1, 1), 0);
    ask(&w, &p, 1, &t[0]);
    ask(&w, &p, 1, &t[1]);
    world_remove(&w, 1);
    world_settle(&w);
    assert_int_equal(t[0].times + t[1].times, 2);
    p = world_add(&w, 2, "b", 0, true);
    assert_int_equal(world_append(&w, p, 100, 1, 1), 0);
    ask(&w, &p, 1, &t[0]);
    ask(&w, &p, 1, &t[1]);
    world_close(&w); /* a clean stop finishes what is on its way */
    assert_int_equal(world_open(&w), ERR_OK);
    p = store_part_find(w.store, 2);
    assert_int_equal(world_append(&w, p, 100, 1, 1), 1);
    ask(&w, &p, 1, &t[0]);
    ask(&w, &p, 1, &t[1]);
    world_cut(&w, 3); /* nobody is told any more; nothing leaks */
    assert_int_equal(t[0].times + t[1].times, 0);
    world_deinit(&w);
}

TEST(store_a_flush_on_demand_copes_without_memory)
{
    for (uint64_t n = 1;; n++) {
        struct world w;
        struct told t;
        struct store_part *p = open_relaxed(&w, 1);
        for (int64_t i = 0; i < 30; i++) {
            assert_int_equal(world_append(&w, p, 700, 1, 1), i);
        }
        test_fail_alloc(n);
        ask(&w, &p, 1, &t);
        const bool failed = test_fail_alloc_end() != 0;
        world_settle(&w);
        assert_int_equal(t.times, 1);
        assert_int_equal(t.job.err, failed ? ERR_NO_MEMORY : ERR_OK);
        ask(&w, &p, 1, &t);
        world_settle(&w);
        assert_int_equal(t.job.err, ERR_OK);
        assert_int_equal(t.times, 1);
        world_deinit(&w);
        if (!failed) {
            assert_in_range(n, 3, 100);
            break;
        }
    }
}
