/*
 * Who runs next: jobs, their `done`, posted calls and ready sockets, in an order drawn from the
 * seed. Jobs of one lane keep their order; those of a pool have none; lanes have none among each
 * other. A job's `run` is one piece (there is one thread), but anything may happen between `run`
 * and `done`.
 */
#include "core/check.h"
#include "core/mem.h"
#include "env/sim_int.h"

/* With slow_jobs: the longest that time passes while nobody starts. */
#define SLOW_TICK_NS 200000u
/* The longest step of a wait for a slow device: timers of the program are looked at in between. */
#define DEVICE_TICK_NS 200000000u

struct sim_post {
    void (*fn)(void *ctx);
    void (*signal_fn)(void *ctx, int signal_number); /* instead of fn */
    void *ctx;
    int signal_number;
};
struct sim_watch {
    struct env_sock *sock; /* NULL: removed */
    unsigned events;
    void (*fn)(void *ctx, unsigned events);
    void *ctx;
};
struct sim_poll {
    struct env_poll base;
    struct sim *w;
    uint64_t generation;
    struct list link; /* of sim.polls */
    struct list done; /* jobs that have run */
    size_t jobs_pending;
    struct sim_post *posts; /* in order, from posts_first */
    size_t posts_first, posts_n, posts_cap;
    struct sim_watch *watches;
    size_t watches_n, watches_cap;
    void (*signal_fn)(void *ctx, int signal_number);
    void *signal_ctx;
};

static struct sim_poll *poll_of(struct env_poll *p)
{
    return CONTAINER_OF(p, struct sim_poll, base);
}

static bool poll_void(const struct sim_poll *p)
{
    return p->w->is_cut || p->generation != p->w->generation;
}

enum err sim_poll_create(struct env *env, struct env_poll **out, struct ectx *ec)
{
    struct sim *w = sim_of(env);
    enum err e = sim_alive(w, w->generation, "poll", ec);
    if (e != ERR_OK) {
        return e;
    }
    struct sim_poll *p = mem_new(struct sim_poll);
    if (p == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not make a poll: out of memory");
    }
    p->base.ops = &sim_ops;
    p->w = w;
    p->generation = w->generation;
    list_init(&p->done);
    list_push_back(&w->polls, &p->link);
    *out = &p->base;
    return ERR_OK;
}

void sim_poll_destroy(struct env_poll *base)
{
    struct sim_poll *p = poll_of(base);
    CHECK(poll_void(p) || p->jobs_pending == 0);
    for (size_t i = 0; i < p->watches_n; i++) {
        if (p->watches[i].sock != NULL) {
            sim_sock_set_poll(p->watches[i].sock, NULL);
        }
    }
    list_remove(&p->link);
    sim_free(p->posts);
    sim_free(p->watches);
    mem_free(p);
}

void sim_sched_forget(struct sim *w)
{
    for (size_t i = 0; i < ENV_LANE_COUNT; i++) {
        LIST_FOR_EACH (l, tmp, &w->lanes[i]) {
            list_remove(l);
        }
    }
    LIST_FOR_EACH (l, tmp, &w->polls) {
        struct sim_poll *p = CONTAINER_OF(l, struct sim_poll, link);
        LIST_FOR_EACH (job, next, &p->done) {
            list_remove(job);
        }
        p->jobs_pending = 0;
        p->posts_first = p->posts_n = 0;
    }
}

/* ---- Jobs and posted calls ---- */

void sim_job_submit(struct env_poll *base, enum env_lane lane, struct env_job *job)
{
    struct sim_poll *p = poll_of(base);
    list_init(&job->link);
    job->p = base;
    if (poll_void(p)) {
        return; /* the machine has stopped: it will not run */
    }
    p->jobs_pending++;
    list_push_back(&p->w->lanes[lane], &job->link);
}

size_t env_sim_jobs(struct env *env, enum env_lane lane)
{
    size_t n = 0;
    LIST_FOR_EACH (l, tmp, &sim_of(env)->lanes[lane]) {
        n++;
    }
    return n;
}

size_t sim_job_pending(struct env_poll *base)
{
    return poll_of(base)->jobs_pending;
}

static void post_add(struct sim_poll *p, struct sim_post post)
{
    if (poll_void(p)) {
        return;
    }
    if (p->posts_n == p->posts_cap && p->posts_first > 0) {
        for (size_t i = p->posts_first; i < p->posts_n; i++) {
            p->posts[i - p->posts_first] = p->posts[i];
        }
        p->posts_n -= p->posts_first;
        p->posts_first = 0;
    }
    if (p->posts_n == p->posts_cap) {
        size_t cap = p->posts_cap == 0 ? 16 : p->posts_cap * 2;
        p->posts = sim_grow(p->posts, p->posts_n * sizeof(*p->posts), cap * sizeof(*p->posts));
        p->posts_cap = cap;
    }
    p->posts[p->posts_n++] = post;
}

void sim_poll_post(struct env_poll *base, void (*fn)(void *ctx), void *ctx)
{
    post_add(poll_of(base), (struct sim_post){.fn = fn, .ctx = ctx});
}

/* There is one thread. */
bool sim_poll_is_here(struct env_poll *base)
{
    (void)base;
    return true;
}

enum err sim_poll_on_signal(struct env_poll *base, void (*fn)(void *ctx, int signal_number),
                            void *ctx, struct ectx *ec)
{
    struct sim_poll *p = poll_of(base);
    enum err e = sim_alive(p->w, p->generation, "signal", ec);
    if (e == ERR_OK) {
        p->signal_fn = fn;
        p->signal_ctx = ctx;
    }
    return e;
}

void env_sim_signal(struct env *env, int signal_number)
{
    LIST_FOR_EACH (l, tmp, &sim_of(env)->polls) {
        struct sim_poll *p = CONTAINER_OF(l, struct sim_poll, link);
        if (p->signal_fn != NULL) {
            post_add(p, (struct sim_post){.signal_fn = p->signal_fn,
                                          .ctx = p->signal_ctx,
                                          .signal_number = signal_number});
        }
    }
}

/* ---- One thing ---- */

static void run_job(struct sim *w, struct list *link, unsigned lane)
{
    struct env_job *job = CONTAINER_OF(link, struct env_job, link);
    struct sim_poll *p = poll_of(job->p);
    list_remove(link);
    sim_event(w, "job", lane, w->mono_ns);
    uint64_t generation = w->generation;
    sim_device_job_begins(w, lane);
    job->run(job);
    if (!sim_device_job_ends(w, lane) && w->generation == generation) {
        list_push_back(&p->done, &job->link);
    }
}

static void run_done(struct sim_poll *p)
{
    struct env_job *job = CONTAINER_OF(p->done.next, struct env_job, link);
    list_remove(&job->link);
    p->jobs_pending--;
    sim_event(p->w, "done", p->jobs_pending, p->w->mono_ns);
    job->done(job);
}

static void run_post(struct sim_poll *p)
{
    struct sim_post post = p->posts[p->posts_first++];
    if (p->posts_first == p->posts_n) {
        p->posts_first = p->posts_n = 0;
    }
    sim_event(p->w, "post", 0, p->w->mono_ns);
    if (post.signal_fn != NULL) {
        post.signal_fn(post.ctx, post.signal_number);
    } else {
        post.fn(post.ctx);
    }
}

enum step { STEP_NOTHING, STEP_JOB, STEP_CALL, STEP_WAIT };

/* The list's k-th node, k below its length. */
static struct list *list_at(struct list *head, uint64_t k)
{
    struct list *l = head->next;
    while (k-- > 0) {
        l = l->next;
    }
    return l;
}

/* Nothing is due: time passes, but not beyond `most_ns`, until a slow device is ready. */
static enum step wait_for_device(struct sim *w, uint64_t most_ns)
{
    const uint64_t next = sim_device_next_ns(w);
    if (next == UINT64_MAX || most_ns == 0) {
        return STEP_NOTHING;
    }
    uint64_t ns = next - w->mono_ns;
    ns = ns < most_ns ? ns : most_ns;
    env_sim_advance_ns(&w->base, ns < DEVICE_TICK_NS ? ns : DEVICE_TICK_NS);
    return STEP_WAIT;
}

/* Runs one thing that is due: any job, or a call that belongs to `only` (NULL: to any poll). Of n
 * candidates the k-th replaces the choice with probability 1/k, so that all are equally likely. */
static enum step step(struct sim *w, struct sim_poll *only, uint64_t most_ns)
{
    struct sim_rng *rng = &w->rng_sched;
    uint64_t seen = 0;
    unsigned lane = ENV_LANE_COUNT;
    struct sim_poll *done = NULL, *post = NULL;
    if (w->is_cut) {
        return STEP_NOTHING;
    }
    for (unsigned i = 0; i < ENV_LANE_COUNT; i++) {
        if (!list_empty(&w->lanes[i]) && sim_device_lane_free(w, i) &&
            sim_rng_below(rng, ++seen) == 0) {
            lane = i;
        }
    }
    LIST_FOR_EACH (l, tmp, &w->polls) {
        struct sim_poll *p = CONTAINER_OF(l, struct sim_poll, link);
        if (only != NULL && p != only) {
            continue;
        }
        if (!list_empty(&p->done) && sim_rng_below(rng, ++seen) == 0) {
            done = p;
            post = NULL;
            lane = ENV_LANE_COUNT;
        }
        if (p->posts_first < p->posts_n && sim_rng_below(rng, ++seen) == 0) {
            post = p;
            done = NULL;
            lane = ENV_LANE_COUNT;
        }
    }
    if (seen == 0) {
        return wait_for_device(w, most_ns);
    }
    if (done != NULL) {
        run_done(done);
        return STEP_CALL;
    }
    if (post != NULL) {
        run_post(post);
        return STEP_CALL;
    }
    if (w->cfg.slow_jobs && !sim_rng_chance(rng, 1, 4)) {
        env_sim_advance_ns(&w->base, 1 + sim_rng_below(rng, SLOW_TICK_NS));
        return STEP_WAIT;
    }
    struct list *job = w->lanes[lane].next;
    if (env_lane_is_pool(lane)) {
        job = list_at(&w->lanes[lane], sim_rng_below(rng, env_sim_jobs(&w->base, lane)));
    }
    run_job(w, job, lane);
    return STEP_JOB;
}

bool env_sim_step(struct env *env)
{
    return step(sim_of(env), NULL, UINT64_MAX) != STEP_NOTHING;
}

/* ---- The loop ---- */

static struct sim_watch *watch_of(struct sim_poll *p, const struct env_sock *s)
{
    for (size_t i = 0; i < p->watches_n; i++) {
        if (p->watches[i].sock == s) {
            return &p->watches[i];
        }
    }
    return NULL;
}

enum err sim_poll_add(struct env_poll *base, struct env_sock *s, unsigned events,
                      void (*fn)(void *ctx, unsigned events), void *ctx, struct ectx *ec)
{
    struct sim_poll *p = poll_of(base);
    enum err e = sim_alive(p->w, p->generation, "poll", ec);
    if (e != ERR_OK) {
        return e;
    }
    CHECK(sim_sock_poll(s) == NULL);
    struct sim_watch *watch = watch_of(p, NULL);
    if (watch == NULL) {
        if (p->watches_n == p->watches_cap) {
            size_t cap = p->watches_cap == 0 ? 16 : p->watches_cap * 2;
            p->watches =
                sim_grow(p->watches, p->watches_n * sizeof(*p->watches), cap * sizeof(*p->watches));
            p->watches_cap = cap;
        }
        watch = &p->watches[p->watches_n++];
    }
    *watch = (struct sim_watch){.sock = s, .events = events, .fn = fn, .ctx = ctx};
    sim_sock_set_poll(s, base);
    return ERR_OK;
}

void sim_poll_change(struct env_poll *base, struct env_sock *s, unsigned events)
{
    struct sim_watch *watch = watch_of(poll_of(base), s);
    if (watch != NULL) {
        watch->events = events;
    }
}

void sim_poll_remove(struct env_poll *base, struct env_sock *s)
{
    struct sim_watch *watch = watch_of(poll_of(base), s);
    if (watch != NULL) {
        *watch = (struct sim_watch){0};
        sim_sock_set_poll(s, NULL);
    }
}

/* Calls for the sockets that are ready, from a seeded one on. A socket added by one of the calls
 * has to wait for the next turn unless it took the place of a removed one; both are allowed. */
static size_t run_sockets(struct sim_poll *p)
{
    size_t calls = 0, n = p->watches_n;
    size_t start = n == 0 ? 0 : (size_t)sim_rng_below(&p->w->rng_sched, n);
    for (size_t i = 0; i < n && !poll_void(p); i++) {
        struct sim_watch watch = p->watches[(start + i) % n];
        if (watch.sock == NULL) {
            continue;
        }
        unsigned ready = sim_sock_ready(watch.sock) & (watch.events | ENV_POLL_ERROR);
        if (ready != 0) {
            sim_event(p->w, "socket", ready, p->w->mono_ns);
            calls++;
            watch.fn(watch.ctx, ready);
        }
    }
    return calls;
}

size_t sim_poll_run(struct env_poll *base, uint64_t timeout_ns)
{
    struct sim_poll *p = poll_of(base);
    struct sim *w = p->w;
    uint64_t now = w->mono_ns;
    uint64_t deadline = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
    size_t calls = 0;
    for (;;) {
        enum step last = STEP_NOTHING;
        for (uint64_t k = 1 + sim_rng_below(&w->rng_sched, 4); k > 0 && !poll_void(p); k--) {
            last = step(w, p, deadline - (w->mono_ns < deadline ? w->mono_ns : deadline));
            calls += last == STEP_CALL;
            if (last == STEP_NOTHING) {
                break;
            }
        }
        if (poll_void(p)) {
            return calls;
        }
        calls += run_sockets(p);
        if (calls > 0 || poll_void(p) || w->mono_ns >= deadline) {
            return calls;
        }
        if (last == STEP_NOTHING) {
            /* nothing can happen before the time is over: nobody else is there */
            if (deadline != UINT64_MAX) {
                w->mono_ns = deadline;
            }
            return 0;
        }
    }
}
