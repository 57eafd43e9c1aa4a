/* A device that is slow or no longer answers: what a program sees of it, and what a cut finds. */
#include "sim_test.h"

struct io {
    struct env_job job;
    struct env_file *f;
    const char *text;
    uint64_t at;
    enum err wrote, synced;
    bool sync, ran, done;
};

static void io_run(struct env_job *job)
{
    struct io *io = CONTAINER_OF(job, struct io, job);
    io->ran = true;
    io->wrote = env_file_pwrite(io->f, io->text, strlen(io->text), io->at, NULL);
    io->synced = io->sync ? env_file_datasync(io->f, NULL) : ERR_OK;
}

static void io_done(struct env_job *job)
{
    CONTAINER_OF(job, struct io, job)->done = true;
}

static void io_start(struct io *io, struct env_poll *p, enum env_lane lane, struct env_file *f,
                     const char *text, bool sync)
{
    *io = (struct io){.job = {.run = io_run, .done = io_done}, .f = f, .text = text, .sync = sync};
    env_job_submit(p, lane, &io->job);
}

TEST(sim_stuck_job_is_never_done_and_blocks_its_lane_alone)
{
    /* What was asked for after the operation that hangs never happens; other lanes go on. */
    struct env *env = sim_new(3);
    struct env_poll *p = NULL;
    assert_int_equal(env_poll_create(env, &p, NULL), ERR_OK);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
    struct env_file *g = sim_open(env, "b", ENV_READ | ENV_WRITE | ENV_CREATE);
    assert_int_equal(env_dir_sync(env, ".", NULL), ERR_OK);
    struct io log, behind, other;
    env_sim_stick_nth(env, ENV_SIM_SYNC, 1, false);
    io_start(&log, p, ENV_LANE_LOG, f, "one", true);
    while (!env_sim_is_stuck(env)) {
        assert_true(env_sim_step(env));
    }
    io_start(&behind, p, ENV_LANE_LOG, f, "two", true);
    io_start(&other, p, ENV_LANE_BULK, g, "three", true);
    (void)env_poll_run(p, 60u * 1000000000u);
    assert_false(log.done || behind.ran);
    assert_true(other.done);
    assert_int_equal(other.synced, ERR_OK);
    assert_int_equal(env_job_pending(p), 2);
    assert_false(env_sim_is_cut(env));
    /* The sync that hangs has settled nothing: both outcomes are there. */
    struct env_sim_disk *d = env_sim_disk_save(env);
    const struct {
        enum env_sim_keep keep;
        const char *found;
    } cuts[] = {{ENV_SIM_LOSE_ALL, ""}, {ENV_SIM_KEEP_ALL, "one"}};
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        env_sim_disk_restore(env, d);
        env_sim_power_cut_as(env, cuts[i].keep, 0);
        assert_false(env_sim_is_stuck(env));
        assert_string_equal(sim_content(env, "a"), cuts[i].found);
        assert_string_equal(sim_content(env, "b"), "three");
    }
    env_sim_disk_free(d);
    env_file_close(f);
    env_file_close(g);
    env_poll_destroy(p);
    env_destroy(env);
}

TEST(sim_stuck_sync_takes_nothing_from_a_later_one)
{
    /* Unlike one that failed: what it should have written is still waiting to be. */
    struct env *env = sim_new(8);
    struct env_poll *p = NULL;
    assert_int_equal(env_poll_create(env, &p, NULL), ERR_OK);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
    assert_int_equal(env_dir_sync(env, ".", NULL), ERR_OK);
    struct io log, bulk;
    env_sim_stick_nth(env, ENV_SIM_SYNC, 1, false);
    io_start(&log, p, ENV_LANE_LOG, f, "one", true);
    while (!env_sim_is_stuck(env)) {
        assert_true(env_sim_step(env));
    }
    /* nor does a write through to the device that hangs */
    struct env_file *g = sim_open(env, "b", ENV_WRITE | ENV_CREATE | ENV_DSYNC);
    env_sim_stick_nth(env, ENV_SIM_WRITE, 1, false);
    io_start(&bulk, p, ENV_LANE_BULK, g, "two", false);
    while (!bulk.ran) {
        assert_true(env_sim_step(env));
    }
    env_file_close(g);
    assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
    env_sim_power_cut_as(env, ENV_SIM_LOSE_ALL, 0);
    assert_string_equal(sim_content(env, "a"), "one");
    env_file_close(f);
    env_poll_destroy(p);
    env_destroy(env);
}

TEST(sim_dead_device_holds_every_lane_that_changes_it)
{
    struct env *env = sim_new(4);
    struct env_poll *p = NULL;
    assert_int_equal(env_poll_create(env, &p, NULL), ERR_OK);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
    struct io log, bulk;
    char byte;
    size_t got;
    env_sim_stick_nth(env, ENV_SIM_WRITE, 1, true);
    io_start(&log, p, ENV_LANE_LOG, f, "one", false);
    io_start(&bulk, p, ENV_LANE_BULK, f, "two", true);
    (void)env_poll_run(p, 1000000000u);
    assert_true(log.ran && bulk.ran);
    assert_false(log.done || bulk.done);
    assert_int_equal(env_file_pread(f, &byte, 1, 0, &got, NULL), ERR_OK); /* reads go on */
    /* The loop's own write stands still: so does the process. */
    assert_int_equal(env_file_pwrite(f, "x", 1, 0, NULL), ERR_STOPPED);
    assert_true(env_sim_is_cut(env));
    env_file_close(f);
    env_poll_destroy(p);
    env_sim_power_cut(env, 1);
    sim_write_file(env, "c", "again", true); /* it answers after the cut */
    env_destroy(env);
}

TEST(sim_slow_job_holds_its_lane_and_nobody_else)
{
    /* All jobs are slow here; a call that is due does not wait for them, and the clock moves no
     * further than they need. */
    struct env *env = sim_new(5);
    struct env_poll *p = NULL;
    assert_int_equal(env_poll_create(env, &p, NULL), ERR_OK);
    struct env_file *f = sim_open(env, "a", ENV_READ | ENV_WRITE | ENV_CREATE);
    const uint64_t most = 3000000000u, before = env_mono_ns(env);
    struct io first, second;
    env_sim_set_slow(env, 1, most);
    io_start(&first, p, ENV_LANE_LOG, f, "one", false);
    io_start(&second, p, ENV_LANE_LOG, f, "two", false);
    (void)env_poll_run(p, 1000);
    assert_int_equal(env_mono_ns(env) - before, 1000); /* not a moment more than asked for */
    assert_false(first.ran);
    for (int i = 0; i < 100 && !second.done; i++) {
        (void)env_poll_run(p, most);
        assert_true(first.done || !second.done);
    }
    assert_true(second.done);
    const uint64_t took = env_mono_ns(env) - before;
    assert_true(took > 1000000 && took < 2 * most + 100000);
    env_sim_set_slow(env, 0, 0);
    const uint64_t then = env_mono_ns(env);
    io_start(&first, p, ENV_LANE_LOG, f, "one", false);
    while (!first.done) {
        assert_true(env_sim_step(env));
    }
    assert_true(env_mono_ns(env) - then < 1000000);
    env_file_close(f);
    env_poll_destroy(p);
    env_destroy(env);
}

TEST(sim_tells_what_a_cut_has_lost)
{
    struct env *env = sim_new(6);
    struct env_sim_loss loss;
    struct env_file *f = sim_open(env, "a", ENV_WRITE | ENV_CREATE);
    sim_put(f, 0, "one");
    assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
    assert_int_equal(env_dir_sync(env, ".", NULL), ERR_OK);
    sim_put(f, 600, "two"); /* bytes and a size */
    assert_int_equal(env_rename(env, "a", "b", NULL), ERR_OK);
    env_sim_cut_at(env, env_sim_ops(env) + 1);
    assert_int_equal(env_unlink(env, "b", NULL), ERR_STOPPED);
    struct env_sim_disk *d = env_sim_disk_save(env);
    env_sim_power_cut_as(env, ENV_SIM_LOSE_ALL, 0);
    env_sim_last_loss(env, &loss);
    assert_int_equal(loss.at, ENV_SIM_UNLINK);
    assert_int_equal(loss.pending, 3);
    assert_int_equal(loss.writes, 1);
    assert_int_equal(loss.sizes, 1);
    assert_int_equal(loss.renames, 1);
    assert_false(loss.reordered || loss.size_no_data || loss.data_no_size);
    /* One alone of the three: the bytes, the size, the name. */
    for (uint64_t i = 0; i < 3; i++) {
        env_sim_disk_restore(env, d);
        env_sim_power_cut_as(env, ENV_SIM_KEEP_ONE, i);
        env_sim_last_loss(env, &loss);
        assert_int_equal(loss.writes + loss.sizes + loss.renames, 2);
        assert_int_equal(loss.reordered, i > 0);
        assert_int_equal(loss.data_no_size, i == 0);
        assert_int_equal(loss.size_no_data, i == 1);
    }
    env_sim_disk_free(d);
    env_file_close(f);
    env_destroy(env);
}
