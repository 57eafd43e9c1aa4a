/* How packed batches reach their file: in pieces past the page cache, with the same bytes as
 * through it, whatever stands around them. */
#include "core/mem.h"
#include "store/store_int.h"
#include "test.h"
#include "world.h"

enum { SMALL = 700, PIECE_MOST = 64 << 10 };

/* One batch in `every` is large and lies in whole blocks between the small ones; 0: none. */
static void fill_parts(struct world *w, int count, int every)
{
    for (uint32_t id = 1; id <= 2; id++) {
        struct store_part *p = store_part_find(w->store, id);
        for (int i = 0; i < count; i++) {
            const size_t size = every > 0 && i % every == 0 ? 9000 : SMALL + (size_t)(i % 37);
            assert_true(world_append(w, p, size, 1, i) >= 0);
        }
    }
}

static void open_world(struct world *w, uint64_t seed, uint64_t disk_bytes)
{
    world_init(w, seed, disk_bytes);
    w->cfg.ring_file_bytes = 4 << 20;
    w->cfg.tail_memory_bytes = 16 << 20;
    w->part_cfg.segment_bytes = 1 << 20;
    assert_int_equal(world_open(w), ERR_OK);
    world_add(w, 1, "a", 0, false);
    world_add(w, 2, "a", 1, false);
}

static void expect_parts(struct world *w, int count)
{
    for (uint32_t id = 1; id <= 2; id++) {
        struct store_part *p = store_part_find(w->store, id);
        for (uint32_t i = 0; i < p->tail.count; i++) {
            assert_true(tail_at(&p->tail, i)->filed);
        }
        assert_int_equal(world_count(w, p, 0), count);
        assert_int_equal(p->damage_count, 0);
    }
}

TEST(store_packs_in_blocks_leave_every_byte_in_its_place)
{
    /* Packs that begin and end anywhere in a block, beside batches in place and without them: all
     * of it is there for a reader, after a cut and a start, and the check finds nothing wrong. */
    for (int every = 0; every <= 60; every += 20) {
        struct world w;
        open_world(&w, 70 + (uint64_t)every, 0);
        int count = 0;
        for (int turn = 0; turn < 4; turn++) {
            const int more = 90 + 7 * turn;
            fill_parts(&w, more, every);
            count += more;
            world_checkpoint(&w);
            expect_parts(&w, count);
        }
        world_cut(&w, (uint64_t)every);
        assert_int_equal(world_open(&w), ERR_OK);
        expect_parts(&w, count);
        world_close(&w);
        world_deinit(&w);
    }
}

/* A few files that get megabytes: batches of BIG bytes, all of them packed. */
enum { BIG = 20000 };

static void open_big(struct world *w, uint64_t seed, uint64_t tail_memory_bytes)
{
    world_init(w, seed, 0);
    w->cfg.ring_file_bytes = 4 << 20;
    w->cfg.tail_memory_bytes = tail_memory_bytes; /* of which 3/8 begin a pack beside the log */
    w->cfg.inline_max_bytes = 2 * BIG;
    w->part_cfg.segment_bytes = 16 << 20;
    assert_int_equal(world_open(w), ERR_OK);
    world_add(w, 1, "a", 0, false);
    world_add(w, 2, "a", 1, false);
}

static void fill_big(struct world *w, uint32_t id, int count)
{
    for (int i = 0; i < count; i++) {
        assert_true(world_append(w, store_part_find(w->store, id), BIG, 1, i) >= 0);
    }
}

static uint64_t ops_of_pack_now(struct world *w)
{
    const uint64_t before = env_sim_ops(w->env);
    struct ectx ec;
    assert_int_equal(pack_now(w->store, &ec), ERR_OK);
    return env_sim_ops(w->env) - before;
}

/* After a cut and a start everything is there. */
static void expect_big(struct world *w, int first, int second)
{
    for (int start = 0; start < 2; start++) {
        assert_int_equal(world_count(w, store_part_find(w->store, 1), 0), first);
        assert_int_equal(world_count(w, store_part_find(w->store, 2), 0), second);
        if (start == 0) {
            world_checkpoint(w);
            world_cut(w, 1);
            assert_int_equal(world_open(w), ERR_OK);
        }
    }
}

TEST(store_packs_beside_the_log_are_written_in_small_pieces)
{
    /* A write of the log waits for what the device was given before it: of a pack, and of a
     * checkpoint, never more than a small piece, however much one file gets. */
    struct world w;
    open_big(&w, 75, 4 << 20);
    int count = 0;
    uint64_t before;
    do {
        before = env_sim_ops(w.env);
        fill_big(&w, 1, 1);
        count++;
    } while (w.store->stats.packed_bytes == 0 && count < 500);
    const uint64_t packed = w.store->stats.packed_bytes;
    assert_true(packed > 1 << 20);
    assert_in_range(env_sim_ops(w.env) - before, packed / PIECE_MOST, packed / PIECE_MOST + 10);

    fill_big(&w, 1, 70);
    assert_int_equal(w.store->stats.packed_bytes, packed);
    before = env_sim_ops(w.env);
    world_checkpoint(&w);
    const uint64_t more = w.store->stats.packed_bytes - packed;
    assert_true(more > 1 << 20);
    assert_in_range(env_sim_ops(w.env) - before, more / PIECE_MOST, more / PIECE_MOST + 20);
    expect_big(&w, count + 70, 0);
    world_deinit(&w);
}

TEST(store_packs_that_everybody_waits_for_are_written_in_large_pieces)
{
    /* Also when the piece began as a small one, for a file that got less, and the other way round.
     */
    enum { LITTLE = 5, MUCH = 90 };
    struct world w;
    open_big(&w, 79, 16 << 20);
    fill_big(&w, 2, MUCH);
    assert_in_range(ops_of_pack_now(&w), 1, 8);
    fill_big(&w, 1, LITTLE);
    fill_big(&w, 2, MUCH);
    assert_in_range(ops_of_pack_now(&w), 1, 12);
    fill_big(&w, 2, MUCH);
    fill_big(&w, 1, LITTLE);
    assert_in_range(ops_of_pack_now(&w), 1, 12);
    expect_big(&w, 2 * LITTLE, 3 * MUCH);
    world_deinit(&w);
}

static int no_large(void *ctx, size_t size)
{
    const bool large = size >= MEM_HUGE_PAGE;
    *(int *)ctx += large ? 1 : 0;
    return large;
}

TEST(store_packs_without_memory_for_a_large_piece_take_a_small_one)
{
    /* Past the page cache all the same; for the first file and when the piece should grow. */
    enum { LITTLE = 5, MUCH = 90, PIECES = MUCH * BIG / PIECE_MOST };
    struct world w;
    open_big(&w, 80, 16 << 20);
    for (int little = 0; little <= LITTLE; little += LITTLE) {
        fill_big(&w, 1, little);
        fill_big(&w, 2, MUCH);
        int refused = 0;
        mem_set_fail_hook(no_large, &refused);
        const uint64_t ops = ops_of_pack_now(&w);
        mem_set_fail_hook(NULL, NULL);
        assert_int_equal(refused, 1);
        assert_in_range(ops, PIECES, PIECES + 12);
    }
    expect_big(&w, LITTLE, 2 * MUCH);
    world_deinit(&w);
}

TEST(store_packs_take_their_time_while_nobody_waits)
{
    struct world w;
    open_world(&w, 77, 0);
    struct pack k = {.store = w.store, .bytes = 40 * PIECE_MOST};
    env_sim_advance_ns(w.env, 10000000000u);
    pack_pace(&k);
    assert_int_equal(k.pause_ns, 500000);
    k.pause_ns = 0;
    env_sim_advance_ns(w.env, 41 * 4 * 1000); /* so much came in a moment */
    pack_pace(&k);
    assert_int_equal(k.pause_ns, 1000);
    fill_parts(&w, 6800, 0); /* 10 of 16 MiB */
    assert_true(stall_filled(w.store) >= 60);
    k.pause_ns = 0;
    env_sim_advance_ns(w.env, 10000000000u);
    pack_pace(&k);
    assert_int_equal(k.pause_ns, 0);
    world_deinit(&w);
}

TEST(store_packs_without_a_descriptor_or_memory_for_pieces)
{
    /* The second handle, and the memory, are a matter of speed only. */
    struct world w;
    open_world(&w, 76, 0);
    fill_parts(&w, 90, 0);
    world_checkpoint(&w);
    fill_parts(&w, 90, 0);
    env_sim_fail_nth(w.env, ENV_SIM_OPEN, 1, ERR_NO_DESCRIPTORS, true);
    struct ectx ec;
    assert_int_equal(pack_now(w.store, &ec), ERR_OK);
    env_sim_fail_nth(w.env, ENV_SIM_OPEN, 0, ERR_OK, false);
    expect_parts(&w, 180);
    world_checkpoint(&w);
    world_cut(&w, 1);
    assert_int_equal(world_open(&w), ERR_OK);
    expect_parts(&w, 180);
    world_deinit(&w);
}

TEST(store_pack_meets_a_full_disk_and_tries_again)
{
    /* What a piece could not write is written by the next pack, and nothing was lost meanwhile. */
    for (uint64_t nth = 1; nth <= 12; nth++) {
        struct world w;
        open_world(&w, 77, 0);
        fill_parts(&w, 120, 40);
        store_checkpoint_request(w.store);
        store_tick(w.store);
        env_sim_fail_nth(w.env, ENV_SIM_WRITE, nth, ERR_NO_SPACE, false);
        world_settle(&w);
        world_checkpoint(&w);
        expect_parts(&w, 120);
        assert_int_equal(w.failures, 0);
        world_cut(&w, nth);
        assert_int_equal(world_open(&w), ERR_OK);
        expect_parts(&w, 120);
        world_deinit(&w);
    }
}

TEST(store_packs_of_a_little_for_many_files_write_each_of_them_once)
{
    /* Ten thousand partitions get a batch each: every call beside the one write that it takes
     * counts that many times. */
    enum { PARTS = 40, BATCH = 20000 };
    struct world w;
    world_init(&w, 78, 0);
    w.cfg.ring_file_bytes = 4 << 20;
    w.cfg.tail_memory_bytes = 16 << 20;
    w.cfg.inline_max_bytes = 2 * BATCH;
    w.part_cfg.segment_bytes = 1 << 20;
    assert_int_equal(world_open(&w), ERR_OK);
    for (uint32_t id = 1; id <= PARTS; id++) {
        world_add(&w, id, "many", (int32_t)id - 1, false);
    }
    struct ectx ec;
    uint64_t ops = 0;
    for (int turn = 0; turn < 3; turn++) {
        for (uint32_t id = 1; id <= PARTS; id++) {
            assert_true(world_append(&w, store_part_find(w.store, id), BATCH, 1, turn) >= 0);
        }
        ops = env_sim_ops(w.env);
        assert_int_equal(pack_now(w.store, &ec), ERR_OK);
        ops = env_sim_ops(w.env) - ops;
    }
    assert_int_equal(ops, PARTS); /* their handles are kept: 40 are few */
    world_checkpoint(&w);
    world_cut(&w, 3);
    assert_int_equal(world_open(&w), ERR_OK);
    for (uint32_t id = 1; id <= PARTS; id++) {
        assert_int_equal(world_count(&w, store_part_find(w.store, id), 0), 3);
    }
    world_deinit(&w);
}
