/* The same on the real machine: worker threads, a file system, the page cache. For TSan, too. */
#include <stdio.h>

#include "core/log.h"
#include "test.h"
#include "world.h"

enum { COUNT = 60000 };

static const struct index_table table = {"events", 16, 8, 8, false};

static void entry(uint32_t i, uint8_t *key, uint8_t *value)
{
    const uint32_t prefix = i % 5000;
    put_be64(key, filter_hash(&prefix, sizeof(prefix)));
    put_be64(key + 8, i);
    put_be64(value, i * 7);
}

static void job_done(struct index_job *job)
{
    *(bool *)job->ctx = true;
}

static struct index *open_at(struct env *env, struct env_poll *poll, const char *dir)
{
    const struct index_config cfg = {.dir = dir,
                                     .tables = &table,
                                     .table_count = 1,
                                     .memory_bytes = 64 << 10,
                                     .filter_bytes = 1 << 20};
    struct index *ix;
    struct ectx ec = {0};
    if (index_open_steps(env, poll, &cfg, NULL, 64 << 10, &ix, &ec) != ERR_OK) {
        fail_msg("%s", ec.text);
    }
    return ix;
}

/* By the job in any case: it reads while the loop goes on putting. */
static void look(struct index *ix, struct env_poll *poll, uint32_t i, uint32_t put_count)
{
    uint8_t key[16], want[8], value[8], out[16];
    bool done = false;
    entry(i, key, want);
    struct index_job job = {.kind = INDEX_JOB_LAST,
                            .prefix = key,
                            .key = key,
                            .key_out = out,
                            .value = value,
                            .done = job_done,
                            .ctx = &done};
    index_submit(ix, &job);
    while (!done) {
        (void)env_poll_run(poll, 1000 * 1000);
    }
    if (i < put_count) {
        assert_int_equal(job.err, ERR_OK);
        assert_memory_equal(out, key, 16);
        assert_memory_equal(value, want, 8);
    } else {
        assert_true(job.err == ERR_NOT_FOUND || memcmp(out, key, 16) < 0);
    }
}

TEST(index_works_with_real_threads_and_files)
{
    struct env *env;
    struct env_poll *poll;
    char dir[INDEX_PATH_MAX];
    uint8_t key[16], value[8];
    struct index_stats stats;
    (void)snprintf(dir, sizeof(dir), "%s/index", test_dir());
    assert_int_equal(env_linux_create(&env, NULL), ERR_OK);
    log_set(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
    assert_int_equal(env_poll_create(env, &poll, NULL), ERR_OK);
    struct index *ix = open_at(env, poll, dir);
    for (uint32_t i = 0; i < COUNT; i++) {
        while (!index_ready(ix)) { /* a flush begins only at a cover */
            assert_int_equal(index_cover(ix, STR_LIT("some"), false), ERR_OK);
            (void)env_poll_run(poll, 10u * 1000 * 1000);
        }
        entry(i, key, value);
        assert_int_equal(index_put(ix, 0, key, value), ERR_OK);
        if (i % 500 == 499) {
            assert_int_equal(index_cover(ix, STR_LIT("some"), false), ERR_OK);
            (void)env_poll_run(poll, 0);
            look(ix, poll, i * 31 % (i + 1), i + 1);
            look(ix, poll, i + 1, i + 1);
        }
    }
    assert_int_equal(index_cover(ix, STR_LIT("all"), false), ERR_OK);
    index_stats_get(ix, &stats);
    assert_true(stats.flushes > 5 && stats.merges > 0 && stats.disk_reads > 0);
    index_close(ix, true);
    ix = open_at(env, poll, dir);
    assert_true(str_eq_z(index_covered(ix), "all"));
    for (uint32_t i = 0; i < COUNT; i += 7) {
        entry(i, key, value);
        uint8_t found[8];
        if (index_get(ix, 0, key, found) == ERR_OK) {
            assert_memory_equal(found, value, 8);
        } else {
            look(ix, poll, i, COUNT);
        }
    }
    index_close(ix, false);
    env_poll_destroy(poll);
    env_destroy(env);
}
