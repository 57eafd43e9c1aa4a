/*
 * Threads in a world that has one: none can be started, locks only check that they are used
 * rightly, and a wait without end is a bug that stops the process, since nobody else could end it.
 */
#include "core/check.h"
#include "core/mem.h"
#include "env/sim_int.h"

struct sim_mutex {
    struct env_mutex base;
    bool locked;
};
struct sim_cond {
    struct env_cond base;
    struct sim *w;
};

enum err sim_thread_start(struct env *env, const char *name, void (*fn)(void *ctx), void *ctx,
                          struct env_thread **out, struct ectx *ec)
{
    (void)env;
    (void)fn;
    (void)ctx;
    (void)out;
    return ectx_fail(ec, ERR_STOPPED,
                     "could not start thread '%s': the simulation has none, use jobs", name);
}

void sim_thread_join(struct env_thread *t)
{
    (void)t;
    CHECK(false && "no thread was started");
}

enum err sim_mutex_create(struct env *env, struct env_mutex **out)
{
    (void)env;
    struct sim_mutex *m = mem_new(struct sim_mutex);
    if (m == NULL) {
        return ERR_NO_MEMORY;
    }
    m->base.ops = &sim_ops;
    *out = &m->base;
    return ERR_OK;
}

void sim_mutex_destroy(struct env_mutex *base)
{
    mem_free(CONTAINER_OF(base, struct sim_mutex, base));
}

void sim_mutex_lock(struct env_mutex *base)
{
    struct sim_mutex *m = CONTAINER_OF(base, struct sim_mutex, base);
    CHECK(!m->locked); /* locked twice by the only thread: a deadlock */
    m->locked = true;
}

void sim_mutex_unlock(struct env_mutex *base)
{
    struct sim_mutex *m = CONTAINER_OF(base, struct sim_mutex, base);
    CHECK(m->locked);
    m->locked = false;
}

enum err sim_cond_create(struct env *env, struct env_cond **out)
{
    struct sim_cond *c = mem_new(struct sim_cond);
    if (c == NULL) {
        return ERR_NO_MEMORY;
    }
    c->base.ops = &sim_ops;
    c->w = sim_of(env);
    *out = &c->base;
    return ERR_OK;
}

void sim_cond_destroy(struct env_cond *base)
{
    mem_free(CONTAINER_OF(base, struct sim_cond, base));
}

void sim_cond_wait(struct env_cond *c, struct env_mutex *m)
{
    (void)c;
    (void)m;
    CHECK(false && "a wait that nobody can end");
}

bool sim_cond_wait_ns(struct env_cond *base, struct env_mutex *m, uint64_t ns)
{
    CHECK(CONTAINER_OF(m, struct sim_mutex, base)->locked);
    env_sim_advance_ns(&CONTAINER_OF(base, struct sim_cond, base)->w->base, ns);
    return false;
}

void sim_cond_signal(struct env_cond *c)
{
    (void)c;
}

void sim_cond_broadcast(struct env_cond *c)
{
    (void)c;
}
