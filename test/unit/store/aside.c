/* When damage of the log took what made a partition: refused by name, and a way on that loses no
 * more. */
#include <stdlib.h>

#include "core/log.h"
#include "test.h"
#include "world.h"

static void reboot(struct world *w)
{
    env_sim_process_kill(w->env);
    store_close(w->store);
    w->store = NULL;
    env_poll_destroy(w->poll);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
}

/* Harms the frame of the ring that holds this text. */
static void harm(struct world *w, const char *text)
{
    const size_t n = strlen(text);
    for (int file = 0; file < 4; file++) {
        char path[64];
        uint64_t size;
        (void)snprintf(path, sizeof(path), "/data/wal/ring-%03d", file);
        uint8_t *b = env_sim_file_bytes(w->env, path, &size);
        assert_non_null(b);
        for (uint64_t at = 0; at + n <= size; at++) {
            if (memcmp(b + at, text, n) == 0) {
                b[at] ^= 1;
                return;
            }
        }
    }
    fail_msg("'%s' is not in the ring", text);
}

static uint64_t number_after(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    assert_non_null(at);
    return strtoull(at + strlen(word), NULL, 10);
}

/* The batches of a file that was set aside, as far as they are whole and in order. */
static int64_t batches_in(struct world *w, const char *path, int64_t from)
{
    uint64_t size;
    const uint8_t *b = env_sim_file_bytes(w->env, path, &size);
    int64_t n = 0;
    for (uint64_t at = 0; b != NULL && at + 61 <= size; n++) {
        const uint64_t bytes = 12 + (uint64_t)get_be32(b + at + 8);
        if (bytes < 61 || bytes > size - at || get_be64(b + at) != (uint64_t)(from + n) ||
            get_be32(b + at + 17) != crc32c(0, b + at + 21, bytes - 21) ||
            get_be64(b + at + 27) != (uint64_t)(100 + from + n)) { /* its own time */
            break;
        }
        at += bytes;
    }
    return n;
}

static void lose_a_partition(struct world *w)
{
    w->cfg.ring_file_bytes = 256 << 10; /* no checkpoint comes between */
    assert_int_equal(world_open(w), ERR_OK);
    struct store_part *p = world_add(w, 1, "kept", 0, false);
    struct store_part *q = world_add(w, 2, "lost", 0, false);
    for (int i = 0; i < 12; i++) { /* small ones and, in place, large ones */
        assert_int_equal(world_append(w, q, i % 4 == 3 ? 3000 : 150, 1, 100 + i), i);
        assert_int_equal(world_append(w, p, 150, 1, i), i);
    }
    reboot(w);
    harm(w, "lost");
}

TEST(store_start_goes_on_without_a_lost_partition_when_it_is_told)
{
    /* The refusal names file, place and the number; with it the rest is served, the lost
     * partition's batches are kept apart, and the next start needs it no more. */
    struct world w;
    world_init(&w, 31, 0);
    lose_a_partition(&w);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(world_open(&w), ERR_DAMAGED);
        assert_non_null(strstr(w.ec.text, "/data/wal/ring-000"));
        assert_non_null(strstr(w.ec.text, "id 2"));
        assert_non_null(strstr(w.ec.text, "topics/lost"));
        w.cfg.start_without_log = number_after(w.ec.hint, "leat.start.without.log=") - 1;
    }
    w.cfg.start_without_log++;
    assert_int_equal(world_open(&w), ERR_OK);
    struct store_recovery r;
    store_recovery_get(w.store, &r);
    assert_int_equal(r.set_aside_partitions, 1);
    assert_int_equal(r.set_aside_batches, 12);
    assert_null(store_part_find(w.store, 2));
    assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 12);
    static const char *const file = "/data/set-aside/partition-2.0/00000000000000000000.log";
    assert_int_equal(batches_in(&w, file, 0), 12);
    w.cfg.start_without_log = 0;
    world_cut(&w, 7); /* it was flushed before anything was built on it */
    assert_int_equal(world_open(&w), ERR_OK);
    assert_int_equal(batches_in(&w, file, 0), 12);
    struct store_part *p = store_part_find(w.store, 1);
    assert_int_equal(world_count(&w, p, 0), 12);
    struct store_part_info info;
    store_part_info_get(p, &info);
    assert_true(world_append(&w, p, 10, 1, 12) >= info.log_end);
    world_deinit(&w);
}

TEST(store_setting_aside_may_be_cut_off_and_writes_over_nothing)
{
    /* Whatever operation the power goes at, the next start with the same number has all. */
    uint64_t ops = 0;
    for (uint64_t cut = 1;; cut++) {
        struct world w;
        world_init(&w, 31, 0);
        lose_a_partition(&w);
        assert_int_equal(world_open(&w), ERR_DAMAGED);
        w.cfg.start_without_log = number_after(w.ec.hint, "leat.start.without.log=");
        const uint64_t before = env_sim_ops(w.env);
        env_sim_cut_at(w.env, before + cut);
        enum err e = world_open(&w);
        const bool done = e == ERR_OK;
        ops = cut;
        world_cut(&w, cut);
        e = world_open(&w);
        assert_int_equal(e, ERR_OK);
        assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 12);
        bool whole = false;
        for (int n = 0; n < 3 && !whole; n++) {
            char path[96];
            struct env_stat st;
            (void)snprintf(path, sizeof(path),
                           "/data/set-aside/partition-2.%d/00000000000000000000.log", n);
            whole = env_stat(w.env, path, &st, NULL) == ERR_OK && batches_in(&w, path, 0) == 12;
        }
        assert_true(whole);
        world_deinit(&w);
        if (done) {
            break;
        }
    }
    assert_true(ops > 30);
}

TEST(store_setting_aside_survives_each_failing_allocation)
{
    /* Without memory the start fails and says so; the next one has all. */
    struct world w;
    world_init(&w, 31, 0);
    lose_a_partition(&w);
    assert_int_equal(world_open(&w), ERR_DAMAGED);
    w.cfg.start_without_log = number_after(w.ec.hint, "leat.start.without.log=");
    struct env_sim_disk *disk = env_sim_disk_save(w.env);
    for (uint64_t n = 1;; n++) {
        env_sim_disk_restore(w.env, disk);
        env_poll_destroy(w.poll);
        assert_int_equal(env_poll_create(w.env, &w.poll, NULL), ERR_OK);
        w.part_count = 0;
        w.fact_count = 0;
        test_fail_alloc(n);
        const enum err e = world_open(&w);
        const bool failed = test_fail_alloc_end() != 0;
        if (e == ERR_OK) {
            assert_int_equal(
                batches_in(&w, "/data/set-aside/partition-2.0/00000000000000000000.log", 0), 12);
        } else {
            assert_int_equal(e, ERR_NO_MEMORY);
        }
        if (!failed) {
            break;
        }
        if (e == ERR_OK) {
            world_close(&w);
        }
    }
    assert_int_equal(world_count(&w, store_part_find(w.store, 1), 0), 12);
    env_sim_disk_free(disk);
    world_deinit(&w);
}
