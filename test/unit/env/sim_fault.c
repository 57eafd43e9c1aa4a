/* Faults that a test asks for, the full disk, syncs that fail and then lie, clocks, locks,
 * corruption. */
#include "core/mem.h"
#include "sim_test.h"

TEST(sim_fails_the_nth_operation_of_a_kind)
{
    struct env *env = sim_new(1);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
    env_sim_fail_nth(env, ENV_SIM_WRITE, 2, ERR_IO, false);
    sim_put(f, 0, "one");
    assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
    assert_int_equal(env_file_pwrite(f, "two", 3, 0, NULL), ERR_IO);
    sim_put(f, 0, "three");
    env_sim_fail_nth(env, ENV_SIM_OP_COUNT, 2, ERR_IO, true);
    sim_put(f, 0, "four");
    assert_int_equal(env_file_datasync(f, NULL), ERR_IO);
    assert_int_equal(env_file_truncate(f, 0, NULL), ERR_IO);
    assert_int_equal(env_unlink(env, "a", NULL), ERR_IO);
    env_sim_fail_nth(env, ENV_SIM_OP_COUNT, 1, ERR_OK, false);
    assert_string_equal(sim_content(env, "a"), "foure");
    env_file_close(f);
    env_destroy(env);
}

TEST(sim_failed_write_may_leave_a_part)
{
    bool some = false;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct env *env = sim_new(seed);
        struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
        env_sim_fail_nth(env, ENV_SIM_WRITE, 1, ERR_IO, false);
        assert_int_equal(env_file_pwrite(f, "0123456789", 10, 0, NULL), ERR_IO);
        uint64_t size = sim_size(env, "a");
        assert_in_range(size, 0, 10);
        some = some || (size > 0 && size < 10);
        env_file_close(f);
        env_destroy(env);
    }
    assert_true(some);
}

/* ---- L5: a sync that failed proves nothing when it is repeated ---- */

TEST(sim_sync_fails_then_lies)
{
    struct env *env = sim_new(2);
    sim_write_file(env, "a", "old", true);
    assert_int_equal(env_dir_sync(env, "/", NULL), ERR_OK);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE);
    sim_put(f, 0, "new");
    env_sim_fail_nth(env, ENV_SIM_SYNC, 1, ERR_IO, false);
    assert_int_equal(env_file_datasync(f, NULL), ERR_IO);
    assert_int_equal(env_file_datasync(f, NULL), ERR_IO); /* not asked again in this process */
    env_file_close(f);
    env_sim_process_kill(env);
    f = sim_open(env, "a", ENV_READ | ENV_WRITE);
    assert_int_equal(env_file_datasync(f, NULL), ERR_OK); /* the lie */
    assert_string_equal(sim_content(env, "a"), "new");    /* the page cache still shows it */
    env_file_close(f);
    struct env_sim_disk *d = env_sim_disk_save(env);
    int lost = 0;
    for (uint64_t i = 0; i < 100; i++) {
        env_sim_disk_restore(env, d);
        env_sim_power_cut(env, i);
        const char *text = sim_content(env, "a");
        assert_true(strcmp(text, "old") == 0 || strcmp(text, "new") == 0);
        lost += strcmp(text, "old") == 0;
    }
    assert_in_range(lost, 1, 99);
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_write_after_a_failed_sync_is_durable_again)
{
    /* Writing the page again makes it dirty again: that sync is honest, also over older doomed
     * bytes. */
    struct env *env = sim_new(3);
    sim_write_file(env, "a", "old", true);
    assert_int_equal(env_dir_sync(env, "/", NULL), ERR_OK);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE);
    sim_put(f, 0, "bad");
    env_sim_fail_nth(env, ENV_SIM_SYNC, 1, ERR_IO, false);
    assert_int_equal(env_file_datasync(f, NULL), ERR_IO);
    env_file_close(f);
    env_sim_process_kill(env);
    f = sim_open(env, "a", ENV_READ | ENV_WRITE);
    sim_put(f, 0, "new");
    assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
    env_file_close(f);
    struct env_sim_disk *d = env_sim_disk_save(env);
    for (uint64_t i = 0; i < 100; i++) {
        env_sim_disk_restore(env, d);
        env_sim_power_cut(env, i);
        assert_string_equal(sim_content(env, "a"), "new");
    }
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_drop_cache_and_direct_reads_tell_the_truth_after_a_failed_sync)
{
    for (int direct = 0; direct < 2; direct++) {
        int old = 0, fresh = 0;
        for (uint64_t seed = 1; seed <= 40; seed++) {
            struct env *env = sim_new(seed);
            uint8_t *block = mem_alloc_aligned(ENV_BLOCK, ENV_BLOCK);
            memset(block, 'o', ENV_BLOCK);
            struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
            assert_int_equal(env_file_pwrite(f, block, 512, 0, NULL), ERR_OK);
            assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
            memset(block, 'n', ENV_BLOCK);
            assert_int_equal(env_file_pwrite(f, block, 512, 0, NULL), ERR_OK);
            env_sim_fail_nth(env, ENV_SIM_SYNC, 1, ERR_IO, false);
            assert_int_equal(env_file_datasync(f, NULL), ERR_IO);
            env_file_close(f);
            env_sim_process_kill(env);
            f = sim_open(env, "a", ENV_READ | (direct ? ENV_DIRECT : 0u));
            if (!direct) {
                env_file_drop_cache(f, 0, 0);
            }
            size_t got = 0;
            assert_int_equal(env_file_pread(f, block, ENV_BLOCK, 0, &got, NULL), ERR_OK);
            assert_int_equal(got, 512);
            uint8_t seen = block[0];
            env_file_close(f);
            old += seen == 'o';
            fresh += seen == 'n';
            env_sim_power_cut_as(env, seed % 2 ? ENV_SIM_LOSE_ALL : ENV_SIM_KEEP_ALL, 0);
            assert_int_equal(sim_content(env, "a")[0], seen); /* what was read is what is there */
            mem_free(block);
            env_destroy(env);
        }
        assert_true(old > 0 && fresh > 0 && old + fresh == 40);
    }
}

TEST(sim_failed_directory_sync_stays_lost)
{
    struct env *env = sim_new(4);
    sim_write_file(env, "a", "x", true);
    env_sim_fail_nth(env, ENV_SIM_SYNC, 1, ERR_IO, false);
    assert_int_equal(env_dir_sync(env, "/", NULL), ERR_IO);
    env_sim_process_kill(env);
    assert_int_equal(env_dir_sync(env, "/", NULL), ERR_OK);
    assert_non_null(sim_content(env, "a"));
    env_sim_power_cut_as(env, ENV_SIM_LOSE_ALL, 0);
    assert_null(sim_content(env, "a"));
    env_destroy(env);
}

TEST(sim_no_flush_succeeds_after_one_that_failed)
{
    /* Of whatever kind and of whatever thing, until the process ends; writes go on. */
    for (int first = 0; first < 4; first++) {
        struct env *env = sim_new(4);
        struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
        struct env_file *g = sim_open(env, "b", ENV_READ | ENV_WRITE | ENV_CREATE);
        struct env_file *d = sim_open(env, "a", ENV_WRITE | ENV_DSYNC);
        env_sim_fail_nth(env, ENV_SIM_SYNC, 1, ERR_NO_SPACE, false);
        enum err e = first == 0   ? env_file_datasync(f, NULL)
                     : first == 1 ? env_dir_sync(env, "/", NULL)
                     : first == 2 ? env_fs_sync(env, "/", NULL)
                                  : env_file_pwrite(d, "d", 1, 0, NULL);
        assert_int_equal(e, ERR_NO_SPACE);
        assert_int_equal(env_file_datasync(f, NULL), ERR_IO);
        assert_int_equal(env_file_datasync(g, NULL), ERR_IO);
        assert_int_equal(env_dir_sync(env, "/", NULL), ERR_IO);
        assert_int_equal(env_fs_sync(env, "/", NULL), ERR_IO);
        sim_put(g, 0, "x");
        env_sim_cut_at(env, env_sim_ops(env) + 1);
        assert_int_equal(env_file_pwrite(g, "y", 1, 0, NULL), ERR_STOPPED);
        assert_int_equal(env_file_datasync(f, NULL), ERR_STOPPED);
        assert_int_equal(env_dir_sync(env, "/", NULL), ERR_STOPPED);
        env_file_close(d);
        env_file_close(f);
        env_file_close(g);
        env_sim_power_cut(env, 1);
        assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
        env_destroy(env);
    }
}

/* ---- L7: space ---- */

TEST(sim_full_disk_refuses_claims_and_writes_and_takes_them_again)
{
    struct env *env = NULL;
    struct env_sim_config cfg = {.seed = 5, .disk_bytes = 10 * 4096};
    assert_int_equal(env_sim_create(&cfg, &env), ERR_OK);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
    assert_int_equal(env_file_allocate(f, 0, 8 * 4096, false, NULL), ERR_OK);
    uint64_t free_bytes = 0, total = 0;
    assert_int_equal(env_fs_space(env, "/", &free_bytes, &total, NULL), ERR_OK);
    assert_int_equal(free_bytes, 2 * 4096); /* claimed but unwritten counts */
    assert_int_equal(total, 10 * 4096);
    struct env_stat st;
    assert_int_equal(env_stat(env, "a", &st, NULL), ERR_OK);
    assert_true(st.size == 0 && st.allocated_bytes == 8 * 4096);

    struct env_file *g = sim_open(env, "b", ENV_READ | ENV_WRITE | ENV_CREATE);
    assert_int_equal(env_file_allocate(g, 0, 3 * 4096, true, NULL), ERR_NO_SPACE);
    assert_int_equal(sim_size(env, "b"), 0);
    uint8_t block[3 * 4096] = {1};
    assert_int_equal(env_file_pwrite(g, block, sizeof(block), 0, NULL), ERR_NO_SPACE);
    assert_int_equal(sim_size(env, "b"), 2 * 4096); /* the part that fitted */
    assert_int_equal(env_file_pwrite(f, block, sizeof(block), 0, NULL), ERR_OK); /* was claimed */

    env_sim_set_disk_bytes(env, 20 * 4096);
    assert_int_equal(env_file_pwrite(g, block, sizeof(block), 0, NULL), ERR_OK);
    assert_int_equal(env_fs_space(env, "/", &free_bytes, &total, NULL), ERR_OK);
    assert_int_equal(free_bytes, 9 * 4096);
    assert_int_equal(env_file_truncate(g, 1, NULL), ERR_OK);
    assert_int_equal(env_unlink(env, "a", NULL), ERR_OK);
    assert_int_equal(env_fs_space(env, "/", &free_bytes, &total, NULL), ERR_OK);
    assert_int_equal(free_bytes, 11 * 4096); /* "a" is still open */
    env_file_close(f);
    assert_int_equal(env_fs_space(env, "/", &free_bytes, &total, NULL), ERR_OK);
    assert_int_equal(free_bytes, 19 * 4096);
    env_file_close(g);
    env_destroy(env);
}

/* ---- L8, L17 and the rest ---- */

TEST(sim_descriptors_run_out_and_come_back)
{
    struct env *env = sim_new(6);
    env_sim_set_open_files_limit(env, 2);
    struct env_file *a = sim_open(env, "a", ENV_WRITE | ENV_CREATE);
    struct env_file *b = sim_open(env, "b", ENV_WRITE | ENV_CREATE);
    struct env_file *c = NULL;
    assert_int_equal(env_file_open(env, "c", ENV_WRITE | ENV_CREATE, &c, NULL), ERR_NO_DESCRIPTORS);
    assert_int_equal(env_open_files(env), 2);
    env_file_close(a);
    c = sim_open(env, "c", ENV_WRITE | ENV_CREATE);
    env_file_close(b);
    env_file_close(c);
    assert_int_equal(env_open_files(env), 0);
    env_destroy(env);
}

TEST(sim_clocks)
{
    /* Monotonic time passes with operations and sleeps; wall time jumps alone. */
    struct env *env = sim_new(7);
    uint64_t mono = env_mono_ns(env);
    int64_t wall = env_wall_ms(env);
    env_sleep_ns(env, 5000000);
    assert_int_equal(env_mono_ns(env) - mono, 5000000);
    assert_int_equal(env_wall_ms(env) - wall, 5);
    env_sim_jump_wall_ms(env, -3600000);
    assert_int_equal(env_wall_ms(env) - wall, 5 - 3600000);
    assert_int_equal(env_mono_ns(env) - mono, 5000000);
    struct env_file *f = sim_open(env, "a", ENV_WRITE | ENV_CREATE);
    sim_put(f, 0, "x");
    assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
    assert_int_equal(env_mono_ns(env) - mono, 5000000 + 1000 + 100000);
    env_file_close(f);
    env_destroy(env);
}

TEST(sim_lock_is_exclusive_and_dies_with_the_process)
{
    struct env *env = sim_new(8);
    struct env_lock *a = NULL, *b = NULL;
    assert_int_equal(env_lock_take(env, "lock", &a, NULL), ERR_OK);
    assert_int_equal(env_lock_take(env, "./lock", &b, NULL), ERR_IN_USE);
    env_lock_release(a);
    assert_int_equal(env_lock_take(env, "lock", &a, NULL), ERR_OK);
    env_sim_process_kill(env);
    assert_int_equal(env_lock_take(env, "lock", &b, NULL), ERR_OK);
    env_lock_release(a); /* a dead process's handle: gives nothing up */
    struct env_lock *c = NULL;
    assert_int_equal(env_lock_take(env, "lock", &c, NULL), ERR_IN_USE);
    env_lock_release(b);
    env_destroy(env);
}

TEST(sim_file_bytes_can_be_damaged)
{
    struct env *env = sim_new(9);
    sim_write_file(env, "a", "hello", true);
    assert_int_equal(env_dir_sync(env, "/", NULL), ERR_OK);
    uint64_t hash = env_sim_disk_hash(env), size = 0;
    uint8_t *p = env_sim_file_bytes(env, "a", &size);
    assert_int_equal(size, 5);
    p[1] ^= 1;
    assert_string_equal(sim_content(env, "a"), "hdllo");
    assert_true(env_sim_disk_hash(env) != hash);
    env_sim_power_cut_as(env, ENV_SIM_LOSE_ALL, 0);
    assert_string_equal(sim_content(env, "a"), "hdllo");
    assert_null(env_sim_file_bytes(env, "none", &size));
    env_destroy(env);
}

TEST(sim_direct_io_must_be_aligned)
{
    struct env *env = sim_new(10);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE | ENV_DIRECT);
    assert_true(env_file_is_direct(f));
    uint8_t *p = mem_alloc_aligned(ENV_BLOCK, 2 * ENV_BLOCK);
    memset(p, 'x', 2 * ENV_BLOCK);
    assert_int_equal(env_file_pwrite(f, p, ENV_BLOCK, 0, NULL), ERR_OK);
    assert_int_not_equal(env_file_pwrite(f, p + 1, ENV_BLOCK, 0, NULL), ERR_OK);
    assert_int_not_equal(env_file_pwrite(f, p, 100, 0, NULL), ERR_OK);
    assert_int_not_equal(env_file_pwrite(f, p, ENV_BLOCK, 512, NULL), ERR_OK);
    mem_free(p);
    env_file_close(f);
    env_destroy(env);
}

static enum err use_everything(void *ctx)
{
    struct env *env = ctx;
    struct env_file *f = NULL;
    enum err e = env_file_open(env, "a", ENV_WRITE | ENV_CREATE, &f, NULL);
    if (e == ERR_OK) {
        e = env_file_pwrite(f, "x", 1, 0, NULL);
    }
    env_file_close(f);
    struct env_lock *lock = NULL;
    if (e == ERR_OK) {
        e = env_lock_take(env, "lock", &lock, NULL);
    }
    if (lock != NULL) {
        env_lock_release(lock);
    }
    return e;
}

TEST(sim_copes_with_failing_allocations)
{
    struct env *env = sim_new(11);
    test_each_failing_alloc(use_everything, env);
    assert_int_equal(env_open_files(env), 0);
    env_destroy(env);
}
