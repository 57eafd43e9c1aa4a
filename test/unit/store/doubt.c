/* Files that are valid by themselves and not the newest, and what is lost with damaged frames. */
#include "store/format.h"
#include "test.h"
#include "world.h"

static void ignore(void *ctx, bool is_problem, const char *text)
{
    (void)text;
    *(uint32_t *)ctx += is_problem;
}

static uint32_t problems(struct world *w)
{
    uint32_t n = 0;
    struct store_verify_report r;
    const enum err e = store_verify(w->env, "/data", ignore, &n, &r, &w->ec);
    assert_true(e == ERR_OK || e == ERR_DAMAGED);
    return e == ERR_DAMAGED ? n + 1 : n;
}

static void append(struct world *w, struct store_part *p, int n)
{
    for (int i = 0; i < n; i++) {
        assert_true(world_append(w, p, 100, 1, i) >= 0);
    }
}

/* The process is killed; nothing of what it wrote is lost. */
static void kill_it(struct world *w)
{
    /* Off before the store is closed, or closing it would be a clean stop. */
    env_sim_cut_at(w->env, env_sim_ops(w->env));
    store_close(w->store);
    w->store = NULL;
    env_sim_process_kill(w->env);
    env_sim_cut_at(w->env, UINT64_MAX);
    env_poll_destroy(w->poll);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
}

/* The block of the ring that the next group will begin with. */
static uint64_t ring_next(struct world *w)
{
    struct store_stats st;
    store_stats_get(w->store, &st);
    return st.ring_bytes;
}

static void harm_ring(struct world *w, uint64_t at)
{
    uint64_t size;
    uint8_t *b = env_sim_file_bytes(w->env, "/data/wal/ring-000", &size);
    assert_non_null(b);
    assert_true(at + 70 < size);
    b[at + 60] ^= 1;
}

TEST(store_refuses_a_meta_file_of_its_first_start)
{
    /* It says that the first start was not completed; believing that would begin afresh. */
    for (int frames = 0; frames < 2; frames++) {
        struct world w;
        struct meta m;
        uint64_t size;
        world_init(&w, 41, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        if (frames > 0) { /* one image; what came later is in the ring only */
            append(&w, world_add(&w, 1, "a", 0, false), 3);
            kill_it(&w);
        } else { /* later images */
            world_close(&w);
        }
        uint8_t *b = env_sim_file_bytes(w.env, "/data/meta", &size);
        assert_non_null(b);
        assert_true(meta_decode(b, &m));
        m.ready = false;
        meta_encode(&m, b);
        assert_int_equal(problems(&w), 1);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(world_open(&w), ERR_DAMAGED);
            assert_non_null(strstr(w.ec.text, "meta' is an old version"));
        }
        m.ready = true;
        b = env_sim_file_bytes(w.env, "/data/meta", &size);
        assert_non_null(b);
        meta_encode(&m, b);
        assert_int_equal(world_open(&w), ERR_OK); /* the refusals changed nothing */
        if (frames > 0) {
            assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 3);
        }
        world_deinit(&w);
    }
}

TEST(store_reads_on_behind_an_outdated_image)
{
    /* A stop was clean; of the image after it only an older version is there. The stop's image is
     * not the end of the log then. */
    static const char *const names[] = {"/data/checkpoint-a", "/data/checkpoint-b"};
    struct world w;
    uint8_t *older[2];
    uint64_t size[2];
    world_init(&w, 42, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    append(&w, p, 5);
    world_checkpoint(&w);
    for (int i = 0; i < 2; i++) {
        const uint8_t *b = env_sim_file_bytes(w.env, names[i], &size[i]);
        assert_non_null(b);
        older[i] = mem_alloc((size_t)size[i]);
        assert_non_null(older[i]);
        memcpy(older[i], b, (size_t)size[i]);
    }
    world_close(&w);
    assert_int_equal(world_open(&w), ERR_OK);
    p = store_part_find(w.store, 1);
    append(&w, p, 7);
    kill_it(&w);
    struct env_sim_disk *disk = env_sim_disk_save(w.env);
    for (int i = 0; i < 2; i++) {
        env_sim_disk_restore(w.env, disk);
        env_poll_destroy(w.poll);
        assert_int_equal(env_poll_create(w.env, &w.poll, NULL), ERR_OK);
        uint64_t now;
        uint8_t *b = env_sim_file_bytes(w.env, names[i], &now);
        assert_non_null(b);
        memcpy(b, older[i], (size_t)(size[i] < now ? size[i] : now));
        assert_int_equal(problems(&w), 0);
        assert_int_equal(world_open(&w), ERR_OK);
        assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 12);
        kill_it(&w);
        mem_free(older[i]);
    }
    env_sim_disk_free(disk);
    world_deinit(&w);
}

TEST(store_refuses_to_lose_a_partition_with_its_frame)
{
    /* The frame that made a partition is damaged, frames that fill it are not: what is intact must
     * not become unreadable without a word. A partition that was removed is not missed. */
    for (int removed = 0; removed < 2; removed++) {
        struct world w;
        world_init(&w, 43, 0);
        assert_int_equal(world_open(&w), ERR_OK);
        struct store_part *p = world_add(&w, 1, "a", 0, false);
        if (removed) {
            (void)world_add(&w, 2, "b", 0, false);
        }
        const uint64_t at = ring_next(&w);
        if (removed) {
            world_fact(&w, 1);
        } else {
            (void)world_add(&w, 2, "b", 0, false);
        }
        append(&w, store_part_find(w.store, 2), 2);
        if (removed) {
            world_remove(&w, 2);
        }
        append(&w, p, 2);
        kill_it(&w);
        harm_ring(&w, at + 4096); /* behind the START */
        assert_true(problems(&w) > 0);
        if (removed) {
            assert_int_equal(world_open(&w), ERR_OK);
            assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 2);
        } else {
            assert_int_equal(world_open(&w), ERR_DAMAGED);
            assert_non_null(strstr(w.ec.text, "partition with id 2"));
            assert_int_equal(world_open(&w), ERR_DAMAGED);
        }
        world_deinit(&w);
    }
}

TEST(store_gives_no_first_offset_twice_after_damage)
{
    /* The only frames of a partition are damaged: its first offsets were told all the same. */
    struct world w;
    world_init(&w, 44, 0);
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_part *p = world_add(&w, 1, "a", 0, false);
    const uint64_t at = ring_next(&w);
    append(&w, p, 1);
    world_fact(&w, 1);
    world_fact(&w, 2);
    kill_it(&w);
    harm_ring(&w, at + 4096);
    assert_int_equal(world_open(&w), ERR_OK);
    assert_true(world_append(&w, store_part_find(w.store, 1), 100, 1, 1) > 0);
    world_deinit(&w);
}
