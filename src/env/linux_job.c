/*
 * The workers of one poll. Each lane has its own queue and its own threads: one for most, so their
 * jobs keep their order, POOL_THREADS for those that are pools. A thread is started when more jobs
 * wait than threads and the lane is not full; it ends with the poll.
 *
 * If the system refuses even the first thread of a lane, the submitter runs the job itself: slow,
 * in order, and nothing is lost.
 *
 * A hand-over is one lock, one signal to a sleeping worker, one lock and (if the loop sleeps) one
 * write to its eventfd on the way back.
 */
#include "core/check.h"
#include "core/mem.h"
#include "env/linux_int.h"

/* So many reads are under way at once: a device needs several to be fast (measured: 1.36 times the
 * rate of one, 1.2 times with two; bench/README.md, `consume`). */
#define POOL_THREADS 4

struct lane {
    pthread_mutex_t mutex;
    pthread_cond_t more; /* jobs, or the end */
    struct list queue;
    struct linux_poll *poll;
    pthread_t threads[POOL_THREADS];
    int started;
    int queued;
    int idle; /* threads that wait for `more` */
    bool stop;
};

struct linux_jobs {
    struct lane lanes[ENV_LANE_COUNT];
};

struct linux_jobs *linux_jobs_create(struct linux_poll *poll)
{
    struct linux_jobs *jobs = mem_new(struct linux_jobs);
    if (jobs == NULL) {
        return NULL;
    }
    for (int i = 0; i < ENV_LANE_COUNT; i++) {
        struct lane *lane = &jobs->lanes[i];
        CHECK(pthread_mutex_init(&lane->mutex, NULL) == 0);
        CHECK(pthread_cond_init(&lane->more, NULL) == 0);
        list_init(&lane->queue);
        lane->poll = poll;
    }
    return jobs;
}

void linux_jobs_destroy(struct linux_jobs *jobs)
{
    for (int i = 0; i < ENV_LANE_COUNT; i++) {
        struct lane *lane = &jobs->lanes[i];
        pthread_mutex_lock(&lane->mutex);
        lane->stop = true;
        pthread_cond_broadcast(&lane->more);
        pthread_mutex_unlock(&lane->mutex);
        for (int t = 0; t < lane->started; t++) {
            CHECK(pthread_join(lane->threads[t], NULL) == 0);
        }
        CHECK(list_empty(&lane->queue));
        pthread_cond_destroy(&lane->more);
        pthread_mutex_destroy(&lane->mutex);
    }
    mem_free(jobs);
}

static void run_job(struct linux_poll *poll, struct env_job *job)
{
    job->run(job);
    linux_poll_job_ran(poll, job);
}

static void *worker_main(void *ctx)
{
    struct lane *lane = ctx;
    pthread_mutex_lock(&lane->mutex);
    for (;;) {
        struct list *link = list_pop_front(&lane->queue);
        if (link != NULL) {
            lane->queued--;
            pthread_mutex_unlock(&lane->mutex);
            run_job(lane->poll, CONTAINER_OF(link, struct env_job, link));
            pthread_mutex_lock(&lane->mutex);
        } else if (lane->stop) {
            break;
        } else {
            lane->idle++;
            pthread_cond_wait(&lane->more, &lane->mutex);
            lane->idle--;
        }
    }
    pthread_mutex_unlock(&lane->mutex);
    return NULL;
}

void linux_jobs_submit(struct linux_jobs *jobs, enum env_lane lane_name, struct env_job *job)
{
    static const char *const names[ENV_LANE_COUNT] = {"leat-any",        "leat-log",   "leat-bulk",
                                                      "leat-checkpoint", "leat-index", "leat-sql",
                                                      "leat-query"};
    CHECK((unsigned)lane_name < ENV_LANE_COUNT);
    struct lane *lane = &jobs->lanes[lane_name];
    int most = env_lane_is_pool(lane_name) ? POOL_THREADS : 1;
    pthread_mutex_lock(&lane->mutex);
    list_push_back(&lane->queue, &job->link);
    lane->queued++;
    if (lane->idle < lane->queued && lane->started < most &&
        linux_thread_create(&lane->threads[lane->started], names[lane_name], worker_main, lane) ==
            0) {
        lane->started++;
    }
    bool wake = lane->idle > 0;
    bool alone = lane->started == 0;
    if (alone) {
        list_remove(&job->link);
        lane->queued--;
    }
    pthread_mutex_unlock(&lane->mutex);
    if (wake) {
        /* After the unlock, so that the worker does not wake only to wait for the mutex. */
        pthread_cond_signal(&lane->more);
    }
    if (alone) {
        run_job(lane->poll, job);
    }
}
