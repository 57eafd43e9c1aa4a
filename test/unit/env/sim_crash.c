/*
 * What a power cut may and may not do, case by case: the sequences that were measured on real file
 * systems (sync or no sync, rename, unlink), and two tiny logs, one right and one with a planted
 * mistake.
 */
#include "sim_test.h"

#define CUTS 300

/* Restores `d`, cuts with this choice. */
static void cut(struct env *env, const struct env_sim_disk *d, enum env_sim_keep keep,
                uint64_t choice)
{
    env_sim_disk_restore(env, d);
    env_sim_power_cut_as(env, keep, choice);
}

TEST(sim_synced_file_without_directory_sync_may_vanish)
{
    /* Minimal POSIX: fsync of a new file says nothing about its name. Real file systems hide this
     * bug. */
    struct env *env = sim_new(1);
    sim_write_file(env, "a", "hello", true);
    struct env_sim_disk *d = env_sim_disk_save(env);
    int there = 0;
    for (uint64_t i = 0; i < CUTS; i++) {
        cut(env, d, ENV_SIM_RANDOM, i);
        const char *text = sim_content(env, "a");
        if (text != NULL) {
            assert_string_equal(text, "hello");
            there++;
        }
    }
    assert_in_range(there, 1, CUTS - 1);
    cut(env, d, ENV_SIM_LOSE_ALL, 0);
    assert_null(sim_content(env, "a"));
    cut(env, d, ENV_SIM_KEEP_ALL, 0);
    assert_string_equal(sim_content(env, "a"), "hello");
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_file_and_directory_synced_is_safe)
{
    /* L9: write, sync the file, sync the directory: then nothing can take it away. */
    struct env *env = sim_new(2);
    sim_write_file(env, "a", "hello", true);
    assert_int_equal(env_dir_sync(env, ".", NULL), ERR_OK);
    assert_int_equal(env_sim_pending_ops(env), 0);
    struct env_sim_disk *d = env_sim_disk_save(env);
    for (uint64_t i = 0; i < CUTS; i++) {
        cut(env, d, ENV_SIM_RANDOM, i);
        assert_string_equal(sim_content(env, "a"), "hello");
    }
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_fs_sync_makes_all_safe)
{
    /* env_fs_sync needs no directory sync and no file sync beside it, at any depth. */
    struct env *env = sim_new(3);
    assert_int_equal(env_dir_make(env, "d", NULL), ERR_OK);
    assert_int_equal(env_dir_make(env, "d/e", NULL), ERR_OK);
    sim_write_file(env, "d/e/f", "deep", false);
    sim_write_file(env, "old", "x", false);
    assert_int_equal(env_rename(env, "old", "d/new", NULL), ERR_OK);
    assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
    uint64_t hash = env_sim_disk_hash(env);
    assert_int_equal(env_sim_pending_ops(env), 0);
    env_sim_power_cut_as(env, ENV_SIM_LOSE_ALL, 0);
    assert_true(hash == env_sim_disk_hash(env));
    assert_string_equal(sim_content(env, "d/e/f"), "deep");
    assert_string_equal(sim_content(env, "d/new"), "x");
    env_destroy(env);
}

/* The disk of the rename tests: "a" holds `old` for ever, "a.tmp" was written. */
static struct env *replace_prepare(bool sync_new, bool sync_dir)
{
    struct env *env = sim_new(4);
    sim_write_file(env, "a", "old", true);
    assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
    sim_write_file(env, "a.tmp", "newer", sync_new);
    assert_int_equal(env_rename(env, "a.tmp", "a", NULL), ERR_OK);
    if (sync_dir) {
        assert_int_equal(env_dir_sync(env, "/", NULL), ERR_OK);
    }
    return env;
}

TEST(sim_rename_without_directory_sync_may_bring_the_old_back)
{
    struct env *env = replace_prepare(true, false);
    struct env_sim_disk *d = env_sim_disk_save(env);
    int old = 0, newer = 0, both = 0;
    for (uint64_t i = 0; i < CUTS; i++) {
        cut(env, d, ENV_SIM_RANDOM, i);
        const char *text = sim_content(env, "a");
        assert_non_null(text); /* a rename is never half: the name always shows one of the two */
        bool is_old = strcmp(text, "old") == 0;
        assert_true(is_old || strcmp(text, "newer") == 0);
        old += is_old;
        newer += !is_old;
        both += is_old && sim_content(env, "a.tmp") != NULL;
        assert_true(is_old || sim_content(env, "a.tmp") == NULL);
    }
    assert_true(old > 0 && newer > 0 && both > 0);
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_rename_with_directory_sync_is_the_new)
{
    struct env *env = replace_prepare(true, true);
    struct env_sim_disk *d = env_sim_disk_save(env);
    for (uint64_t i = 0; i < CUTS; i++) {
        cut(env, d, ENV_SIM_RANDOM, i);
        assert_string_equal(sim_content(env, "a"), "newer");
        assert_null(sim_content(env, "a.tmp"));
    }
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_rename_of_an_unsynced_file_may_be_empty_or_zeros)
{
    /* Without the file's sync the name is new and the bytes are not: empty, zeros, or whole. */
    struct env *env = replace_prepare(false, true);
    struct env_sim_disk *d = env_sim_disk_save(env);
    int empty = 0, zeros = 0, whole = 0;
    for (uint64_t i = 0; i < CUTS; i++) {
        cut(env, d, ENV_SIM_RANDOM, i);
        uint64_t size = 0;
        uint8_t *p = env_sim_file_bytes(env, "a", &size);
        assert_non_null(p);
        empty += size == 0;
        zeros += size == 5 && memcmp(p, "\0\0\0\0\0", 5) == 0;
        whole += size == 5 && memcmp(p, "newer", 5) == 0;
        assert_int_equal(empty + zeros + whole, i + 1);
    }
    assert_true(empty > 0 && zeros > 0 && whole > 0);
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_unlink_without_directory_sync_may_come_back)
{
    struct env *env = sim_new(5);
    sim_write_file(env, "a", "safe", true);
    assert_int_equal(env_dir_sync(env, "/", NULL), ERR_OK);
    struct env_file *f = sim_open(env, "a", ENV_WRITE);
    sim_put(f, 0, "lost");
    env_file_close(f);
    assert_int_equal(env_unlink(env, "a", NULL), ERR_OK);
    assert_null(sim_content(env, "a"));
    struct env_sim_disk *d = env_sim_disk_save(env);
    int back = 0;
    for (uint64_t i = 0; i < CUTS; i++) {
        cut(env, d, ENV_SIM_RANDOM, i);
        const char *text = sim_content(env, "a");
        if (text != NULL) {
            assert_string_equal(text,
                                "safe"); /* what was pending for an unlinked file is dropped */
            back++;
        }
    }
    assert_in_range(back, 1, CUTS - 1);
    env_sim_disk_restore(env, d);
    assert_int_equal(env_dir_sync(env, "/", NULL), ERR_OK);
    env_sim_power_cut_as(env, ENV_SIM_LOSE_ALL, 0);
    assert_null(sim_content(env, "a"));
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_process_kill_loses_nothing_but_a_later_cut_may)
{
    struct env *env = sim_new(6);
    sim_write_file(env, "a", "hello", false);
    struct env_file *f = sim_open(env, "a", ENV_READ);
    env_sim_process_kill(env);
    uint64_t size;
    assert_int_equal(env_file_size(f, &size, NULL), ERR_STOPPED);
    env_file_close(f);
    assert_string_equal(sim_content(env, "a"), "hello");
    env_sim_power_cut_as(env, ENV_SIM_LOSE_ALL, 0);
    assert_null(sim_content(env, "a"));
    env_destroy(env);
}

TEST(sim_size_and_data_are_lost_apart_and_sectors_are_whole)
{
    /* A write of 4 sectors over old bytes: each sector is old or new, never mixed; a lost size
     * cuts. */
    struct env *env = sim_new(7);
    struct env_file *f = sim_open(env, "a", ENV_WRITE | ENV_CREATE);
    uint8_t old[2048], new[4096];
    memset(old, 'o', sizeof(old));
    memset(new, 'n', sizeof(new));
    assert_int_equal(env_file_pwrite(f, old, sizeof(old), 0, NULL), ERR_OK);
    env_file_close(f);
    assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
    f = sim_open(env, "a", ENV_WRITE);
    assert_int_equal(env_file_pwrite(f, new, sizeof(new), 0, NULL), ERR_OK);
    env_file_close(f);
    struct env_sim_disk *d = env_sim_disk_save(env);
    int torn = 0, size_only = 0, data_only = 0;
    for (uint64_t i = 0; i < CUTS; i++) {
        cut(env, d, ENV_SIM_RANDOM, i);
        uint64_t size = 0;
        const uint8_t *p = env_sim_file_bytes(env, "a", &size);
        assert_true(p != NULL && (size == 2048 || size == 4096));
        unsigned kept = 0;
        for (uint64_t s = 0; s < size / 512; s++) {
            uint8_t was = s < 4 ? 'o' : 0;
            assert_true(p[s * 512] == 'n' || p[s * 512] == was);
            kept += p[s * 512] == 'n';
            for (size_t k = 1; k < 512; k++) {
                assert_int_equal(p[s * 512 + k], p[s * 512]);
            }
        }
        torn += kept != 0 && kept != size / 512;
        size_only += size == 4096 && kept == 0;
        data_only += size == 2048 && kept == 4;
    }
    assert_true(torn > 0 && size_only > 0 && data_only > 0);
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_data_beyond_a_lost_size_is_gone)
{
    /* The bytes of an append reached the medium, its size did not: growing the file again shows
     * zeros there, never the lost bytes. */
    struct env *env = sim_new(11);
    sim_write_file(env, "a", "12345", true);
    assert_int_equal(env_dir_sync(env, "/", NULL), ERR_OK);
    struct env_file *f = sim_open(env, "a", ENV_WRITE);
    uint8_t more[8192];
    memset(more, 'm', sizeof(more));
    assert_int_equal(env_file_pwrite(f, more, sizeof(more), 5, NULL), ERR_OK);
    env_file_close(f);
    struct env_sim_disk *d = env_sim_disk_save(env);
    assert_int_equal(env_sim_pending_ops(env), 2);
    cut(env, d, ENV_SIM_KEEP_ONE, 0); /* the bytes, not the size */
    assert_int_equal(sim_size(env, "a"), 5);
    f = sim_open(env, "a", ENV_WRITE);
    assert_int_equal(env_file_truncate(f, 5 + sizeof(more), NULL), ERR_OK);
    env_file_close(f);
    uint64_t size = 0;
    const uint8_t *p = env_sim_file_bytes(env, "a", &size);
    assert_int_equal(size, 5 + sizeof(more));
    assert_memory_equal(p, "12345", 5);
    for (size_t i = 5; i < size; i++) {
        assert_int_equal(p[i], 0);
    }
    env_sim_disk_free(d);
    env_destroy(env);
}

/* Of the 8 sectors from `p` on, are there some of both kinds? */
static bool is_torn(const uint8_t *p)
{
    unsigned kept = 0;
    for (unsigned s = 0; s < 8; s++) {
        kept += p[s * 512] == 'n';
    }
    return kept != 0 && kept != 8;
}

TEST(sim_several_writes_are_torn_by_one_cut)
{
    struct env *env = sim_new(12);
    struct env_file *f = sim_open(env, "a", ENV_WRITE | ENV_CREATE);
    assert_int_equal(env_file_allocate(f, 0, 8192, true, NULL), ERR_OK);
    assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
    uint8_t block[4096];
    memset(block, 'n', sizeof(block));
    assert_int_equal(env_file_pwrite(f, block, sizeof(block), 0, NULL), ERR_OK);
    assert_int_equal(env_file_pwrite(f, block, sizeof(block), 4096, NULL), ERR_OK);
    env_file_close(f);
    struct env_sim_disk *d = env_sim_disk_save(env);
    int both = 0;
    for (uint64_t i = 0; i < CUTS; i++) {
        cut(env, d, ENV_SIM_RANDOM, i);
        uint64_t size = 0;
        const uint8_t *p = env_sim_file_bytes(env, "a", &size);
        assert_int_equal(size, 8192);
        both += is_torn(p) && is_torn(p + 4096);
    }
    assert_true(both > 0);
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_dsync_write_is_durable_when_it_returns_and_torn_before)
{
    struct env *env = sim_new(8);
    struct env_file *f = sim_open(env, "a", ENV_WRITE | ENV_CREATE);
    assert_int_equal(env_file_allocate(f, 0, 65536, true, NULL), ERR_OK);
    env_file_close(f);
    assert_int_equal(env_fs_sync(env, "/", NULL), ERR_OK);
    f = sim_open(env, "a", ENV_WRITE | ENV_DSYNC);
    uint8_t block[8192];
    memset(block, 'x', sizeof(block));
    assert_int_equal(env_file_pwrite(f, block, sizeof(block), 4096, NULL), ERR_OK);
    assert_int_equal(env_sim_pending_ops(env), 0);
    env_sim_cut_at(env, env_sim_ops(env) + 2); /* the write happens, its sync does not */
    assert_int_equal(env_file_pwrite(f, block, sizeof(block), 16384, NULL), ERR_STOPPED);
    assert_true(env_sim_is_cut(env));
    assert_int_equal(env_sim_pending_ops(env), 1);
    env_file_close(f);
    struct env_sim_disk *d = env_sim_disk_save(env);
    int torn = 0;
    for (uint64_t i = 0; i < CUTS; i++) {
        cut(env, d, ENV_SIM_RANDOM, i);
        uint64_t size = 0;
        const uint8_t *p = env_sim_file_bytes(env, "a", &size);
        assert_int_equal(size, 65536);
        assert_memory_equal(p + 4096, block, sizeof(block));
        unsigned kept = 0;
        for (unsigned s = 0; s < 16; s++) {
            kept += p[16384 + s * 512] == 'x';
        }
        torn += kept != 0 && kept != 16;
    }
    assert_true(torn > 0);
    env_sim_disk_free(d);
    env_destroy(env);
}

TEST(sim_after_the_cut_nothing_works_and_nothing_changes)
{
    struct env *env = sim_new(9);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
    sim_put(f, 0, "one");
    uint64_t hash = env_sim_disk_hash(env), ops = env_sim_ops(env);
    env_sim_cut_at(env, ops + 1);
    char b[8];
    size_t got = 77;
    uint64_t size = 77;
    struct env_file *other = NULL;
    struct env_stat st;
    assert_int_equal(env_file_pwrite(f, "two", 3, 0, NULL), ERR_STOPPED);
    assert_int_equal(env_file_pread(f, b, 8, 0, &got, NULL), ERR_STOPPED);
    assert_int_equal(env_file_size(f, &size, NULL), ERR_STOPPED);
    assert_int_equal(env_file_datasync(f, NULL), ERR_STOPPED);
    assert_int_equal(env_file_truncate(f, 0, NULL), ERR_STOPPED);
    assert_int_equal(env_file_allocate(f, 0, 4096, true, NULL), ERR_STOPPED);
    assert_int_equal(env_file_open(env, "b", ENV_WRITE | ENV_CREATE, &other, NULL), ERR_STOPPED);
    assert_int_equal(env_unlink(env, "a", NULL), ERR_STOPPED);
    assert_int_equal(env_rename(env, "a", "b", NULL), ERR_STOPPED);
    assert_int_equal(env_dir_make(env, "d", NULL), ERR_STOPPED);
    assert_int_equal(env_dir_sync(env, "/", NULL), ERR_STOPPED);
    assert_int_equal(env_fs_sync(env, "/", NULL), ERR_STOPPED);
    assert_int_equal(env_stat(env, "a", &st, NULL), ERR_STOPPED);
    assert_true(got == 77 && size == 77 && other == NULL);
    assert_int_equal(env_sim_ops(env), ops);
    assert_true(env_sim_disk_hash(env) == hash);
    env_file_close(f);
    env_destroy(env);
}

/* ---- A tiny log with a planted mistake ---- */

/* Rolls to a new file for every record; returns how many were acknowledged before the power went
 * off. */
static uint64_t tiny_log(struct env *env, bool forget_dir_sync)
{
    uint64_t acked = 0;
    for (uint64_t i = 0; i < 4; i++) {
        char path[8] = {'l', 'o', 'g', (char)('0' + i), '\0'};
        struct env_file *f = NULL;
        if (env_file_open(env, path, ENV_WRITE | ENV_CREATE, &f, NULL) != ERR_OK) {
            return acked;
        }
        enum err e = env_file_pwrite(f, "record", 6, 0, NULL);
        if (e == ERR_OK) {
            e = env_file_datasync(f, NULL);
        }
        if (e == ERR_OK && !forget_dir_sync) {
            e = env_dir_sync(env, "/", NULL);
        }
        env_file_close(f);
        if (e != ERR_OK) {
            return acked;
        }
        acked++;
    }
    return acked;
}

/* Crash states of all cut points in which an acknowledged record is missing. */
static uint64_t tiny_log_losses(bool forget_dir_sync)
{
    uint64_t losses = 0;
    for (uint64_t op = 1;; op++) {
        struct env *env = sim_new(op);
        env_sim_cut_at(env, op);
        uint64_t acked = tiny_log(env, forget_dir_sync);
        bool over = !env_sim_is_cut(env);
        struct env_sim_disk *d = env_sim_disk_save(env);
        for (uint64_t choice = 0; choice < 40; choice++) {
            cut(env, d, choice == 0 ? ENV_SIM_LOSE_ALL : ENV_SIM_RANDOM, choice);
            for (uint64_t i = 0; i < acked; i++) {
                char path[8] = {'l', 'o', 'g', (char)('0' + i), '\0'};
                const char *text = sim_content(env, path);
                if (text == NULL || strcmp(text, "record") != 0) {
                    losses++;
                    break;
                }
            }
        }
        env_sim_disk_free(d);
        env_destroy(env);
        if (over) {
            return losses;
        }
    }
}

TEST(sim_finds_the_forgotten_directory_sync)
{
    assert_true(tiny_log_losses(true) > 0);
}

TEST(sim_does_not_blame_a_log_that_syncs_properly)
{
    assert_int_equal(tiny_log_losses(false), 0);
}

TEST(sim_enumerates_the_extremes)
{
    /* KEEP_ONE, LOSE_ONE and KEEP_FIRST reach each pending operation by its number. */
    struct env *env = sim_new(10);
    sim_write_file(env, "a", "", true);
    sim_write_file(env, "b", "", true);
    sim_write_file(env, "c", "", true);
    assert_int_equal(env_sim_pending_ops(env), 3);
    struct env_sim_disk *d = env_sim_disk_save(env);
    const char *const names[] = {"a", "b", "c"};
    for (uint64_t i = 0; i < 3; i++) {
        for (uint64_t k = 0; k < 3; k++) {
            cut(env, d, ENV_SIM_KEEP_ONE, i);
            assert_int_equal(sim_content(env, names[k]) != NULL, k == i);
            cut(env, d, ENV_SIM_LOSE_ONE, i);
            assert_int_equal(sim_content(env, names[k]) != NULL, k != i);
            cut(env, d, ENV_SIM_KEEP_FIRST, i);
            assert_int_equal(sim_content(env, names[k]) != NULL, k < i);
        }
    }
    cut(env, d, ENV_SIM_KEEP_FIRST, 3);
    assert_non_null(sim_content(env, "c"));
    env_sim_disk_free(d);
    env_destroy(env);
}
