/* Jobs, posted calls and the loop in virtual time; and that one seed always tells the same story.
 */
#include <stdio.h>

#include "core/compiler.h"
#include "sim_test.h"

struct story {
    char text[400];
    size_t n;
};
struct work {
    struct env_job job;
    struct story *story;
    char name;
};

static void tell(struct story *s, char c)
{
    assert_true(s->n + 1 < sizeof(s->text));
    s->text[s->n++] = c;
}

static void work_run(struct env_job *job)
{
    struct work *w = CONTAINER_OF(job, struct work, job);
    tell(w->story, w->name);
}

static void work_done(struct env_job *job)
{
    struct work *w = CONTAINER_OF(job, struct work, job);
    tell(w->story, (char)(w->name - 'a' + 'A'));
}

static void post_one(void *ctx)
{
    tell(ctx, '1');
}

static void post_two(void *ctx)
{
    tell(ctx, '2');
}

static size_t place(const struct story *s, char c)
{
    const char *at = memchr(s->text, c, s->n);
    assert_non_null(at);
    return (size_t)(at - s->text);
}

/* Three log jobs (a, b, c), three of any lane (d, e, f), two posted calls. */
static void run_story(struct story *s, uint64_t seed, bool slow, bool by_loop)
{
    struct env *env = NULL;
    struct env_sim_config cfg = {.seed = seed, .slow_jobs = slow};
    assert_int_equal(env_sim_create(&cfg, &env), ERR_OK);
    struct env_poll *p = NULL;
    assert_int_equal(env_poll_create(env, &p, NULL), ERR_OK);
    struct work work[6];
    for (int i = 0; i < 6; i++) {
        work[i] = (struct work){
            .job = {.run = work_run, .done = work_done}, .story = s, .name = (char)('a' + i)};
        env_job_submit(p, i < 3 ? ENV_LANE_LOG : ENV_LANE_ANY, &work[i].job);
    }
    env_poll_post(p, post_one, s);
    env_poll_post(p, post_two, s);
    assert_int_equal(env_job_pending(p), 6);
    if (by_loop) {
        while (env_job_pending(p) > 0 || s->n < 14) {
            env_poll_run(p, UINT64_MAX);
        }
    } else {
        while (env_sim_step(env)) {
        }
    }
    assert_int_equal(env_job_pending(p), 0);
    assert_int_equal(s->n, 14);
    env_poll_destroy(p);
    env_destroy(env);
}

TEST(sim_lanes_keep_their_order_and_any_has_none)
{
    bool any_swapped = false, between = false, stories_differ = false;
    struct story first = {.n = 0};
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct story s = {.n = 0};
        run_story(&s, seed, seed % 2 == 0, seed % 3 == 0);
        assert_true(place(&s, 'a') < place(&s, 'b') && place(&s, 'b') < place(&s, 'c'));
        assert_true(place(&s, '1') < place(&s, '2'));
        for (char c = 'a'; c <= 'f'; c++) {
            assert_true(place(&s, c) < place(&s, (char)(c - 'a' + 'A')));
        }
        any_swapped = any_swapped || place(&s, 'd') > place(&s, 'e');
        between = between || place(&s, 'A') > place(&s, 'a') + 1;
        if (seed == 1) {
            first = s;
        }
        stories_differ = stories_differ || memcmp(first.text, s.text, 14) != 0;
    }
    assert_true(any_swapped && between && stories_differ);
}

TEST(sim_same_seed_same_story)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct story a = {.n = 0}, b = {.n = 0};
        run_story(&a, seed, true, true);
        run_story(&b, seed, true, true);
        assert_memory_equal(a.text, b.text, 14);
    }
}

/* A little of everything; the two hashes say what happened and what is left. */
static void whole_run(uint64_t seed, uint64_t *events, uint64_t *disk)
{
    struct env *env = sim_new(seed);
    for (int i = 0; i < 50; i++) {
        uint8_t r[3];
        env_random(env, r, sizeof(r));
        char path[8];
        snprintf(path, sizeof(path), "f%d", r[0] % 5);
        struct env_file *f = sim_open(env, path, ENV_WRITE | ENV_CREATE);
        assert_int_equal(env_file_pwrite(f, r, sizeof(r), r[1], NULL), ERR_OK);
        if (r[2] % 3 == 0) {
            assert_int_equal(env_file_datasync(f, NULL), ERR_OK);
        }
        env_file_close(f);
    }
    env_sim_power_cut(env, seed);
    *events = env_sim_event_hash(env);
    *disk = env_sim_disk_hash(env);
    env_destroy(env);
}

TEST(sim_same_seed_same_hashes)
{
    uint64_t e1, d1, e2, d2, e3, d3;
    whole_run(1, &e1, &d1);
    whole_run(1, &e2, &d2);
    whole_run(2, &e3, &d3);
    assert_true(e1 == e2 && d1 == d2);
    assert_true(e1 != e3 && d1 != d3);
}

TEST(sim_loop_lets_time_pass_only_when_nothing_is_due)
{
    struct env *env = sim_new(1);
    struct env_poll *p = NULL;
    assert_int_equal(env_poll_create(env, &p, NULL), ERR_OK);
    assert_int_equal(env_poll_run(p, 1000000), 0);
    assert_int_equal(env_mono_ns(env), 1000000);
    struct story s = {.n = 0};
    env_poll_post(p, post_one, &s);
    assert_int_equal(env_poll_run(p, 1000000), 1);
    assert_int_equal(env_mono_ns(env), 1000000);
    assert_int_equal(env_poll_run(p, 0), 0);
    assert_int_equal(env_poll_run(p, UINT64_MAX), 0);
    env_poll_destroy(p);
    env_destroy(env);
}

static void on_signal(void *ctx, int signal_number)
{
    tell(ctx, (char)('0' + signal_number % 10));
}

TEST(sim_signal_reaches_its_handler)
{
    struct env *env = sim_new(1);
    struct env_poll *p = NULL;
    struct story s = {.n = 0};
    assert_int_equal(env_poll_create(env, &p, NULL), ERR_OK);
    assert_int_equal(env_poll_on_signal(p, on_signal, &s, NULL), ERR_OK);
    env_sim_signal(env, 15);
    assert_int_equal(s.n, 0);
    assert_int_equal(env_poll_run(p, 0), 1);
    assert_int_equal(s.text[0], '5');
    env_poll_destroy(p);
    env_destroy(env);
}

static void write_run(struct env_job *job)
{
    struct work *w = CONTAINER_OF(job, struct work, job);
    tell(w->story, 'r');
    env_poll_post(job->p, post_one, w->story);
}

TEST(sim_cut_and_kill_forget_jobs)
{
    for (int kill = 0; kill < 2; kill++) {
        struct env *env = sim_new(1);
        struct env_poll *p = NULL;
        struct story s = {.n = 0};
        assert_int_equal(env_poll_create(env, &p, NULL), ERR_OK);
        struct work w = {.job = {.run = write_run, .done = work_done}, .story = &s, .name = 'a'};
        env_job_submit(p, ENV_LANE_BULK, &w.job);
        if (kill) {
            env_sim_process_kill(env);
        } else {
            env_sim_cut_at(env, 1);
            struct env_file *f = NULL;
            assert_int_equal(env_file_open(env, "a", ENV_WRITE | ENV_CREATE, &f, NULL),
                             ERR_STOPPED);
        }
        assert_int_equal(env_job_pending(p), 0);
        assert_int_equal(env_poll_run(p, 1000), 0);
        assert_false(env_sim_step(env));
        assert_int_equal(s.n, 0);
        env_poll_destroy(p);
        env_destroy(env);
    }
}

TEST(sim_has_no_threads_and_says_so)
{
    struct env *env = sim_new(1);
    struct env_thread *t = NULL;
    struct ectx ec;
    assert_int_equal(env_thread_start(env, "t", post_one, NULL, &t, &ec), ERR_STOPPED);
    struct env_mutex *m = NULL;
    struct env_cond *c = NULL;
    assert_int_equal(env_mutex_create(env, &m), ERR_OK);
    assert_int_equal(env_cond_create(env, &c), ERR_OK);
    env_mutex_lock(m);
    assert_false(env_cond_wait_ns(c, m, 1000));
    assert_int_equal(env_mono_ns(env), 1000);
    env_mutex_unlock(m);
    env_cond_destroy(c);
    env_mutex_destroy(m);
    env_destroy(env);
}
