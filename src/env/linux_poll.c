/*
 * The loop: epoll for sockets, one eventfd for everything that other threads hand over (finished
 * jobs, posted calls), one signalfd.
 *
 * `inbox` is what other threads fill, under the mutex. The eventfd is written only while the loop
 * says that it sleeps, and once however many hand things over meanwhile, so a busy loop is woken by
 * no system call.
 *
 * A callback may remove (or close) any socket: the events of this turn that are still to come are
 * crossed out, so nothing is delivered to a socket that is gone. env_poll_run must not be called
 * from a callback.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "core/check.h"
#include "core/mem.h"
#include "env/linux_int.h"

#define EVENTS_A_TURN 256
#define FIRST_POSTS   64u
/* Posted calls that wait; beyond it other threads wait for room. */
#define MOST_POSTS 65536u
#define NS_PER_S   1000000000u

struct post {
    void (*fn)(void *ctx);
    void *ctx;
};
struct posts {
    struct post *items;
    size_t n;
    size_t cap;
};

struct linux_poll {
    struct env_poll base;
    int epoll_fd;
    int wake_fd;
    int signal_fd; /* -1: none */
    void (*signal_fn)(void *ctx, int signal_number);
    void *signal_ctx;
    bool signal_told;
    sigset_t signals_before;
    struct linux_jobs *jobs;

    pthread_mutex_t mutex;
    pthread_cond_t room; /* in the inbox's posts */
    struct {
        struct list ran; /* jobs whose run has returned */
        struct posts posts;
        size_t pending; /* jobs submitted whose done was not called */
        bool sleeping;  /* the loop waits in epoll and nobody has written to the eventfd yet */
        bool has_loop;  /* loop_thread is known */
        pthread_t loop_thread;
    } inbox;

    /* the loop's own */
    struct posts taken; /* being called */
    struct epoll_event events[EVENTS_A_TURN];
    int event_count;
    int event_at; /* the one being delivered */
    bool in_run;
};

static struct linux_poll *poll_of(struct env_poll *p)
{
    return CONTAINER_OF(p, struct linux_poll, base);
}

static int watch_fd(const struct linux_poll *p, int fd, const void *tag)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = (void *)(uintptr_t)tag};
    return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static void free_poll(struct linux_poll *p)
{
    if (p->jobs != NULL) {
        linux_jobs_destroy(p->jobs);
    }
    int fds[] = {p->epoll_fd, p->wake_fd, p->signal_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    pthread_cond_destroy(&p->room);
    pthread_mutex_destroy(&p->mutex);
    mem_free(p->inbox.posts.items);
    mem_free(p->taken.items);
    mem_free(p);
}

static bool posts_init(struct posts *posts)
{
    posts->items = mem_zalloc(FIRST_POSTS, sizeof(struct post));
    posts->cap = FIRST_POSTS;
    return posts->items != NULL;
}

enum err linux_poll_create(struct env *env, struct env_poll **out, struct ectx *ec)
{
    (void)env;
    struct linux_poll *p = mem_new(struct linux_poll);
    if (p == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not create a loop: out of memory");
    }
    p->base.ops = &linux_ops;
    p->signal_fd = -1;
    CHECK(pthread_mutex_init(&p->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&p->room, NULL) == 0);
    list_init(&p->inbox.ran);
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->epoll_fd < 0 || p->wake_fd < 0 || watch_fd(p, p->wake_fd, &p->wake_fd) != 0) {
        enum err e = linux_fail(ec, errno, "create", "loop");
        free_poll(p);
        return e;
    }
    p->jobs = linux_jobs_create(p);
    if (p->jobs == NULL || !posts_init(&p->inbox.posts) || !posts_init(&p->taken)) {
        free_poll(p);
        return ectx_fail(ec, ERR_NO_MEMORY, "could not create a loop: out of memory");
    }
    *out = &p->base;
    return ERR_OK;
}

void linux_poll_destroy(struct env_poll *base)
{
    struct linux_poll *p = poll_of(base);
    CHECK(linux_job_pending(base) == 0 && !p->in_run);
    /* Once a signal was told the process stops: the next one must not become its end, so both stay
     * blocked. */
    if (p->signal_fd >= 0 && !p->signal_told) {
        CHECK(pthread_sigmask(SIG_SETMASK, &p->signals_before, NULL) == 0);
    }
    free_poll(p);
}

/* ---- Sockets ---- */

static uint32_t epoll_events(unsigned events)
{
    return (events & ENV_POLL_IN ? EPOLLIN | EPOLLRDHUP : 0u) |
           (events & ENV_POLL_OUT ? EPOLLOUT : 0u);
}

enum err linux_poll_add(struct env_poll *p, struct env_sock *sock, unsigned events,
                        void (*fn)(void *ctx, unsigned events), void *ctx, struct ectx *ec)
{
    struct linux_sock *s = linux_sock_of(sock);
    CHECK(s->poll == NULL);
    struct epoll_event ev = {.events = epoll_events(events), .data.ptr = s};
    if (epoll_ctl(poll_of(p)->epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) != 0) {
        return linux_fail(ec, errno, "watch", "socket");
    }
    s->poll = p;
    s->fn = fn;
    s->ctx = ctx;
    return ERR_OK;
}

void linux_poll_change(struct env_poll *p, struct env_sock *sock, unsigned events)
{
    struct linux_sock *s = linux_sock_of(sock);
    struct epoll_event ev = {.events = epoll_events(events), .data.ptr = s};
    CHECK(s->poll == p);
    CHECK(epoll_ctl(poll_of(p)->epoll_fd, EPOLL_CTL_MOD, s->fd, &ev) == 0);
}

void linux_poll_remove(struct env_poll *base, struct env_sock *sock)
{
    struct linux_poll *p = poll_of(base);
    struct linux_sock *s = linux_sock_of(sock);
    if (s->poll != base) {
        return;
    }
    CHECK(epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL) == 0);
    s->poll = NULL;
    for (int i = p->event_at + 1; i < p->event_count; i++) {
        if (p->events[i].data.ptr == s) {
            p->events[i].data.ptr = NULL;
        }
    }
}

/* ---- What other threads hand over ---- */

/* With the mutex held; true: the caller writes to the eventfd once it has let go of the mutex. */
static bool must_wake(struct linux_poll *p)
{
    bool sleeping = p->inbox.sleeping;
    p->inbox.sleeping = false;
    return sleeping;
}

static void wake(const struct linux_poll *p)
{
    uint64_t one = 1;
    ssize_t n;
    do {
        n = write(p->wake_fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
}

void linux_job_submit(struct env_poll *base, enum env_lane lane, struct env_job *job)
{
    struct linux_poll *p = poll_of(base);
    job->p = base;
    pthread_mutex_lock(&p->mutex);
    p->inbox.pending++;
    pthread_mutex_unlock(&p->mutex);
    linux_jobs_submit(p->jobs, lane, job);
}

void linux_poll_job_ran(struct linux_poll *p, struct env_job *job)
{
    pthread_mutex_lock(&p->mutex);
    list_push_back(&p->inbox.ran, &job->link);
    bool sleeping = must_wake(p);
    pthread_mutex_unlock(&p->mutex);
    if (sleeping) {
        wake(p);
    }
}

size_t linux_job_pending(struct env_poll *base)
{
    struct linux_poll *p = poll_of(base);
    pthread_mutex_lock(&p->mutex);
    size_t n = p->inbox.pending;
    pthread_mutex_unlock(&p->mutex);
    return n;
}

static bool posts_grow(struct posts *posts)
{
    if (posts->cap >= MOST_POSTS) {
        return false;
    }
    struct post *items = mem_realloc(posts->items, posts->cap * 2 * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    posts->items = items;
    posts->cap *= 2;
    return true;
}

void linux_poll_post(struct env_poll *base, void (*fn)(void *ctx), void *ctx)
{
    struct linux_poll *p = poll_of(base);
    pthread_mutex_lock(&p->mutex);
    struct posts *posts = &p->inbox.posts;
    while (posts->n == posts->cap && !posts_grow(posts)) {
        /* Another thread may wait for the loop; the loop cannot wait for itself. */
        CHECK(!(p->inbox.has_loop && pthread_equal(p->inbox.loop_thread, pthread_self())));
        pthread_cond_wait(&p->room, &p->mutex);
    }
    posts->items[posts->n++] = (struct post){fn, ctx};
    bool sleeping = must_wake(p);
    pthread_mutex_unlock(&p->mutex);
    if (sleeping) {
        wake(p);
    }
}

bool linux_poll_is_here(struct env_poll *base)
{
    struct linux_poll *p = poll_of(base);
    pthread_mutex_lock(&p->mutex);
    bool here = !p->inbox.has_loop || pthread_equal(p->inbox.loop_thread, pthread_self());
    pthread_mutex_unlock(&p->mutex);
    return here;
}

/* Calls `done` of the jobs that have run and the calls that were posted before this turn. */
static size_t empty_inbox(struct linux_poll *p)
{
    struct list ran;
    list_init(&ran);
    pthread_mutex_lock(&p->mutex);
    p->inbox.sleeping = false;
    if (!list_empty(&p->inbox.ran)) {
        list_insert_before(&p->inbox.ran, &ran);
        list_remove(&p->inbox.ran); /* `ran` is the head of the chain now */
    }
    struct posts posts = p->inbox.posts;
    p->inbox.posts = p->taken;
    if (posts.n > 0) {
        pthread_cond_broadcast(&p->room);
    }
    pthread_mutex_unlock(&p->mutex);
    size_t calls = 0;
    for (struct list *link = list_pop_front(&ran); link != NULL; link = list_pop_front(&ran)) {
        struct env_job *job = CONTAINER_OF(link, struct env_job, link);
        pthread_mutex_lock(&p->mutex);
        p->inbox.pending--;
        pthread_mutex_unlock(&p->mutex);
        job->done(job);
        calls++;
    }
    for (size_t i = 0; i < posts.n; i++) {
        posts.items[i].fn(posts.items[i].ctx);
        calls++;
    }
    posts.n = 0;
    p->taken = posts;
    return calls;
}

/* ---- Signals ---- */

enum err linux_poll_on_signal(struct env_poll *base, void (*fn)(void *ctx, int signal_number),
                              void *ctx, struct ectx *ec)
{
    struct linux_poll *p = poll_of(base);
    CHECK(p->signal_fd < 0);
    sigset_t set;
    sigset_t before;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, &before) == 0);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0 || watch_fd(p, fd, &p->signal_fd) != 0) {
        enum err e = linux_fail(ec, errno, "receive", "signals");
        if (fd >= 0) {
            close(fd);
        }
        CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
        return e;
    }
    p->signal_fd = fd;
    p->signal_fn = fn;
    p->signal_ctx = ctx;
    p->signals_before = before;
    return ERR_OK;
}

static size_t read_signals(struct linux_poll *p)
{
    struct signalfd_siginfo info;
    size_t calls = 0;
    while (read(p->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        p->signal_told = true;
        p->signal_fn(p->signal_ctx, (int)info.ssi_signo);
        calls++;
    }
    return calls;
}

/* ---- A turn ---- */

/* Whether the loop may sleep: nothing is in the inbox. From here on a hand-over writes to the
 * eventfd. */
static bool may_sleep(struct linux_poll *p, uint64_t timeout_ns)
{
    pthread_mutex_lock(&p->mutex);
    p->inbox.loop_thread = pthread_self();
    p->inbox.has_loop = true;
    p->inbox.sleeping = timeout_ns != 0 && list_empty(&p->inbox.ran) && p->inbox.posts.n == 0;
    bool sleeping = p->inbox.sleeping;
    pthread_mutex_unlock(&p->mutex);
    return sleeping;
}

static int wait_events(struct linux_poll *p, uint64_t timeout_ns)
{
    const struct timespec limit = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                                   .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    int n = epoll_pwait2(p->epoll_fd, p->events, EVENTS_A_TURN,
                         timeout_ns == UINT64_MAX ? NULL : &limit, NULL);
    if (n < 0 && errno == ENOSYS) {
        /* Linux before 5.11: milliseconds, rounded up, at most a day. */
        const uint64_t most = 86400000u;
        uint64_t ms = timeout_ns / 1000000u + (timeout_ns % 1000000u != 0 ? 1 : 0);
        int whole = timeout_ns == UINT64_MAX ? -1 : (int)(ms > most ? most : ms);
        n = epoll_wait(p->epoll_fd, p->events, EVENTS_A_TURN, whole);
    }
    CHECK(n >= 0 || errno == EINTR);
    return n < 0 ? 0 : n;
}

static size_t deliver(struct linux_poll *p, const struct epoll_event *ev)
{
    if (ev->data.ptr == NULL) {
        return 0; /* removed in this turn */
    }
    if (ev->data.ptr == &p->wake_fd) {
        uint64_t count;
        IGNORE(read(p->wake_fd, &count, sizeof(count)));
        return 0;
    }
    if (ev->data.ptr == &p->signal_fd) {
        return read_signals(p);
    }
    struct linux_sock *s = ev->data.ptr;
    unsigned events = 0;
    events |= ev->events & (EPOLLIN | EPOLLRDHUP) ? ENV_POLL_IN : 0;
    events |= ev->events & EPOLLOUT ? ENV_POLL_OUT : 0;
    events |= ev->events & (EPOLLERR | EPOLLHUP) ? ENV_POLL_ERROR : 0;
    s->fn(s->ctx, events);
    return 1;
}

size_t linux_poll_run(struct env_poll *base, uint64_t timeout_ns)
{
    struct linux_poll *p = poll_of(base);
    CHECK(!p->in_run);
    p->in_run = true;
    if (!may_sleep(p, timeout_ns)) {
        timeout_ns = 0;
    }
    p->event_count = wait_events(p, timeout_ns);
    size_t calls = 0;
    for (p->event_at = 0; p->event_at < p->event_count; p->event_at++) {
        calls += deliver(p, &p->events[p->event_at]);
    }
    p->event_count = 0;
    p->event_at = 0;
    calls += empty_inbox(p);
    p->in_run = false;
    return calls;
}
