/* Threads, mutexes, condition variables: pthreads. Threads receive no signals, so that those of the
 * process reach the loop only. Condition variables wait on the monotonic clock. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/check.h"
#include "core/mem.h"
#include "env/linux_int.h"

#define NS_PER_S 1000000000u

struct linux_thread {
    struct env_thread base;
    pthread_t id;
    void (*fn)(void *ctx);
    void *ctx;
};
struct linux_mutex {
    struct env_mutex base;
    pthread_mutex_t mutex;
};
struct linux_cond {
    struct env_cond base;
    pthread_cond_t cond;
};

int linux_thread_create(pthread_t *out, const char *name, void *(*fn)(void *ctx), void *ctx)
{
    sigset_t all;
    sigset_t before;
    pthread_t id;
    sigfillset(&all);
    sigdelset(&all, SIGBUS); /* of a mapping that cannot be read: linux_view.c */
    /* A new thread inherits the mask, so there is no moment in which it could be interrupted. */
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    int failed = pthread_create(&id, NULL, fn, ctx);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (failed != 0) {
        return failed;
    }
    char short_name[16]; /* the kernel's limit, with the NUL */
    snprintf(short_name, sizeof(short_name), "%s", name);
    (void)pthread_setname_np(id, short_name);
    *out = id;
    return 0;
}

static void *thread_main(void *ctx)
{
    struct linux_thread *t = ctx;
    t->fn(t->ctx);
    return NULL;
}

enum err linux_thread_start(struct env *env, const char *name, void (*fn)(void *ctx), void *ctx,
                            struct env_thread **out, struct ectx *ec)
{
    (void)env;
    struct linux_thread *t = mem_new(struct linux_thread);
    if (t == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not start thread '%s': out of memory", name);
    }
    t->base.ops = &linux_ops;
    t->fn = fn;
    t->ctx = ctx;
    int failed = linux_thread_create(&t->id, name, thread_main, t);
    if (failed != 0) {
        mem_free(t);
        (void)ectx_fail(ec, ERR_LIMIT, "could not start thread '%s': the system refused", name);
        ectx_hint(ec, "raise the limit of processes (ulimit -u) or the memory limit");
        return ERR_LIMIT;
    }
    *out = &t->base;
    return ERR_OK;
}

void linux_thread_join(struct env_thread *base)
{
    struct linux_thread *t = CONTAINER_OF(base, struct linux_thread, base);
    CHECK(pthread_join(t->id, NULL) == 0);
    mem_free(t);
}

enum err linux_mutex_create(struct env *env, struct env_mutex **out)
{
    (void)env;
    struct linux_mutex *m = mem_new(struct linux_mutex);
    if (m == NULL) {
        return ERR_NO_MEMORY;
    }
    m->base.ops = &linux_ops;
    CHECK(pthread_mutex_init(&m->mutex, NULL) == 0);
    *out = &m->base;
    return ERR_OK;
}

static struct linux_mutex *mutex_of(struct env_mutex *m)
{
    return CONTAINER_OF(m, struct linux_mutex, base);
}

void linux_mutex_destroy(struct env_mutex *m)
{
    CHECK(pthread_mutex_destroy(&mutex_of(m)->mutex) == 0);
    mem_free(mutex_of(m));
}

void linux_mutex_lock(struct env_mutex *m)
{
    CHECK(pthread_mutex_lock(&mutex_of(m)->mutex) == 0);
}

void linux_mutex_unlock(struct env_mutex *m)
{
    CHECK(pthread_mutex_unlock(&mutex_of(m)->mutex) == 0);
}

enum err linux_cond_create(struct env *env, struct env_cond **out)
{
    (void)env;
    struct linux_cond *c = mem_new(struct linux_cond);
    if (c == NULL) {
        return ERR_NO_MEMORY;
    }
    c->base.ops = &linux_ops;
    pthread_condattr_t attr;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&c->cond, &attr) == 0);
    pthread_condattr_destroy(&attr);
    *out = &c->base;
    return ERR_OK;
}

static struct linux_cond *cond_of(struct env_cond *c)
{
    return CONTAINER_OF(c, struct linux_cond, base);
}

void linux_cond_destroy(struct env_cond *c)
{
    CHECK(pthread_cond_destroy(&cond_of(c)->cond) == 0);
    mem_free(cond_of(c));
}

void linux_cond_wait(struct env_cond *c, struct env_mutex *m)
{
    CHECK(pthread_cond_wait(&cond_of(c)->cond, &mutex_of(m)->mutex) == 0);
}

bool linux_cond_wait_ns(struct env_cond *c, struct env_mutex *m, uint64_t ns)
{
    struct timespec until;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    /* A century is as good as for ever, and the sum stays in range. */
    const uint64_t most = (uint64_t)100 * 365 * 86400 * NS_PER_S;
    ns = ns > most ? most : ns;
    uint64_t sum = (uint64_t)until.tv_nsec + ns % NS_PER_S;
    until.tv_sec += (time_t)(ns / NS_PER_S + sum / NS_PER_S);
    until.tv_nsec = (long)(sum % NS_PER_S);
    int failed = pthread_cond_timedwait(&cond_of(c)->cond, &mutex_of(m)->mutex, &until);
    CHECK(failed == 0 || failed == ETIMEDOUT);
    return failed == 0;
}

void linux_cond_signal(struct env_cond *c)
{
    CHECK(pthread_cond_signal(&cond_of(c)->cond) == 0);
}

void linux_cond_broadcast(struct env_cond *c)
{
    CHECK(pthread_cond_broadcast(&cond_of(c)->cond) == 0);
}
