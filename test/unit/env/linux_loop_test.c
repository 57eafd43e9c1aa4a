/* The Linux world: the loop, jobs, threads, signals, sockets. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"
#include "env/linux_int.h"
#include "test.h"

#define SECOND 1000000000u

struct world {
    struct env *env;
    struct env_poll *poll;
};

static struct world new_world(void)
{
    struct world w;
    assert_int_equal(env_linux_create(&w.env, NULL), ERR_OK);
    assert_int_equal(env_poll_create(w.env, &w.poll, NULL), ERR_OK);
    return w;
}

static void end_world(struct world *w)
{
    env_poll_destroy(w->poll);
    env_destroy(w->env);
}

struct counted_job {
    struct env_job job;
    int number;
    struct order *order;
    pthread_t ran_on;
};
struct order {
    _Atomic(int) ran;
    int run_numbers[1000];
    int done;
    pthread_t loop;
};

static void run_counted(struct env_job *job)
{
    struct counted_job *j = CONTAINER_OF(job, struct counted_job, job);
    j->ran_on = pthread_self();
    int at = atomic_fetch_add(&j->order->ran, 1);
    j->order->run_numbers[at] = j->number;
}

static void done_counted(struct env_job *job)
{
    struct counted_job *j = CONTAINER_OF(job, struct counted_job, job);
    assert_true(pthread_equal(pthread_self(), j->order->loop));
    assert_false(pthread_equal(pthread_self(), j->ran_on));
    j->order->done++;
}

TEST(linux_jobs_of_a_lane_run_in_order_and_finish_on_the_loop)
{
    struct world w = new_world();
    static const enum env_lane lanes[] = {ENV_LANE_LOG, ENV_LANE_BULK, ENV_LANE_CHECKPOINT,
                                          ENV_LANE_ANY};
    for (size_t l = 0; l < ARRAY_LEN(lanes); l++) {
        static struct counted_job jobs[1000];
        static struct order order;
        memset(&order, 0, sizeof(order));
        order.loop = pthread_self();
        for (int i = 0; i < 1000; i++) {
            jobs[i] = (struct counted_job){
                {run_counted, done_counted, {0}, NULL}, i, &order, pthread_self()};
            env_job_submit(w.poll, lanes[l], &jobs[i].job);
        }
        while (env_job_pending(w.poll) > 0) {
            env_poll_run(w.poll, SECOND);
        }
        assert_int_equal(order.done, 1000);
        for (int i = 0; i < 1000 && lanes[l] != ENV_LANE_ANY; i++) {
            assert_int_equal(order.run_numbers[i], i);
        }
    }
    end_world(&w);
}

struct gate_job {
    struct env_job job;
    struct env_mutex *m;
    struct env_cond *c;
    bool *open;
};

static void run_gate(struct env_job *job)
{
    struct gate_job *j = CONTAINER_OF(job, struct gate_job, job);
    env_mutex_lock(j->m);
    while (!*j->open) {
        env_cond_wait(j->c, j->m);
    }
    env_mutex_unlock(j->m);
}

static void open_gate(struct env_job *job)
{
    struct gate_job *j = CONTAINER_OF(job, struct gate_job, job);
    env_mutex_lock(j->m);
    *j->open = true;
    env_cond_broadcast(j->c);
    env_mutex_unlock(j->m);
}

static void done_nothing(struct env_job *job)
{
    (void)job;
}

TEST(linux_lanes_do_not_wait_for_each_other)
{
    /* A job that hangs in one lane, and one of two in ANY, holds up nobody else. */
    struct world w = new_world();
    bool open = false;
    struct env_mutex *m;
    struct env_cond *c;
    assert_int_equal(env_mutex_create(w.env, &m), ERR_OK);
    assert_int_equal(env_cond_create(w.env, &c), ERR_OK);
    struct gate_job jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] =
            (struct gate_job){{i < 3 ? run_gate : open_gate, done_nothing, {0}, NULL}, m, c, &open};
    }
    env_job_submit(w.poll, ENV_LANE_LOG, &jobs[0].job);
    env_job_submit(w.poll, ENV_LANE_CHECKPOINT, &jobs[1].job);
    env_job_submit(w.poll, ENV_LANE_ANY, &jobs[2].job);
    env_job_submit(w.poll, ENV_LANE_ANY, &jobs[3].job);
    while (env_job_pending(w.poll) > 0) {
        assert_true(env_poll_run(w.poll, 20 * (uint64_t)SECOND) > 0);
    }
    env_mutex_lock(m);
    uint64_t t = env_mono_ns(w.env);
    assert_false(env_cond_wait_ns(c, m, 3000000));
    assert_true(env_mono_ns(w.env) - t >= 3000000);
    env_mutex_unlock(m);
    env_cond_signal(c);
    env_cond_destroy(c);
    env_mutex_destroy(m);
    end_world(&w);
}

/* Databases that do not answer, more of them than there are workers, hold up no read of the disk;
 * nor do those that are written hold up those that are asked. */
TEST(linux_jobs_of_databases_hold_up_nobody_else)
{
    for (int round = 0; round < 3; round++) {
        struct world w = new_world();
        bool open = false;
        struct env_mutex *m;
        struct env_cond *c;
        assert_int_equal(env_mutex_create(w.env, &m), ERR_OK);
        assert_int_equal(env_cond_create(w.env, &c), ERR_OK);
        struct gate_job jobs[13];
        for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
            jobs[i] = (struct gate_job){
                {i < 12 ? run_gate : open_gate, done_nothing, {0}, NULL}, m, c, &open};
        }
        for (size_t i = 0; i < 12; i++) {
            enum env_lane lane = round == 0   ? (i % 2 == 0 ? ENV_LANE_SQL : ENV_LANE_QUERY)
                                 : round == 1 ? ENV_LANE_SQL
                                              : ENV_LANE_QUERY;
            env_job_submit(w.poll, lane, &jobs[i].job);
        }
        env_job_submit(w.poll,
                       round == 0   ? ENV_LANE_ANY
                       : round == 1 ? ENV_LANE_QUERY
                                    : ENV_LANE_SQL,
                       &jobs[12].job);
        while (env_job_pending(w.poll) > 0) {
            assert_true(env_poll_run(w.poll, 20 * (uint64_t)SECOND) > 0);
        }
        env_cond_destroy(c);
        env_mutex_destroy(m);
        end_world(&w);
    }
}

struct poster {
    struct env_poll *poll;
    _Atomic(int) calls;
};

static void count_call(void *ctx)
{
    atomic_fetch_add(&((struct poster *)ctx)->calls, 1);
}

static void post_many(void *ctx)
{
    struct poster *p = ctx;
    for (int i = 0; i < 5000; i++) {
        env_poll_post(p->poll, count_call, p);
    }
}

TEST(linux_posts_of_many_threads_all_arrive)
{
    /* None is lost or doubled, though the loop sleeps and wakes all the time. */
    struct world w = new_world();
    struct poster p = {.poll = w.poll};
    struct env_thread *threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            env_thread_start(w.env, "poster-with-a-long-name", post_many, &p, &threads[i], NULL),
            ERR_OK);
    }
    while (atomic_load(&p.calls) < 15000) {
        assert_true(env_poll_run(w.poll, 20 * (uint64_t)SECOND) + 1 > 0);
    }
    for (int i = 0; i < 3; i++) {
        env_thread_join(threads[i]);
    }
    assert_int_equal(env_poll_run(w.poll, 0), 0);
    assert_int_equal(atomic_load(&p.calls), 15000);
    end_world(&w);
}

static void post_again(void *ctx)
{
    struct poster *p = ctx;
    count_call(p);
    if (atomic_load(&p->calls) < 3) {
        env_poll_post(p->poll, post_again, p);
    }
}

TEST(linux_a_post_made_by_a_post_runs_in_the_next_turn)
{
    /* A call that posts itself cannot hold the loop. */
    struct world w = new_world();
    struct poster p = {.poll = w.poll};
    env_poll_post(w.poll, post_again, &p);
    for (int turn = 1; turn <= 3; turn++) {
        assert_int_equal(env_poll_run(w.poll, UINT64_MAX), 1);
        assert_int_equal(atomic_load(&p.calls), turn);
    }
    uint64_t t = env_mono_ns(w.env);
    assert_int_equal(env_poll_run(w.poll, 2000000), 0);
    assert_true(env_mono_ns(w.env) - t >= 2000000);
    end_world(&w);
}

static void on_signal(void *ctx, int number)
{
    *(int *)ctx = number;
}

static void send_term(struct env_job *job)
{
    (void)job;
    kill(getpid(), SIGTERM);
}

TEST(linux_signals_come_through_the_loop)
{
    /* SIGTERM reaches the callback on the loop, also when workers exist, and does not end the
     * process. */
    struct world w = new_world();
    int number = 0;
    struct env_job first = {done_nothing, done_nothing, {0}, NULL};
    env_job_submit(w.poll, ENV_LANE_ANY, &first); /* this worker is older than the handler */
    while (env_job_pending(w.poll) > 0) {
        env_poll_run(w.poll, SECOND);
    }
    assert_int_equal(env_poll_on_signal(w.poll, on_signal, &number, NULL), ERR_OK);
    struct env_job job = {send_term, done_nothing, {0}, NULL};
    env_job_submit(w.poll, ENV_LANE_ANY, &job);
    while (number == 0 || env_job_pending(w.poll) > 0) {
        env_poll_run(w.poll, SECOND);
    }
    assert_int_equal(number, SIGTERM);
    raise(SIGINT);
    env_poll_run(w.poll, SECOND);
    assert_int_equal(number, SIGINT);
    end_world(&w);
    /* The loop is gone and the process stops: a second signal is not its end. */
    raise(SIGTERM);
}

TEST(linux_addresses)
{
    struct env_addr a;
    struct ectx ec;
    assert_int_equal(env_addr_parse(STR_LIT("127.0.0.1:9092"), &a, NULL), ERR_OK);
    assert_string_equal(a.host, "127.0.0.1");
    assert_int_equal(a.port, 9092);
    assert_true(env_addr_is_loopback(&a));
    assert_int_equal(env_addr_parse(STR_LIT("[::1]:0"), &a, NULL), ERR_OK);
    assert_string_equal(a.host, "::1");
    assert_true(env_addr_is_loopback(&a));
    assert_int_equal(env_addr_parse(STR_LIT("0.0.0.0:1"), &a, NULL), ERR_OK);
    assert_false(env_addr_is_loopback(&a));
    assert_int_equal(env_addr_parse(STR_LIT("localhost:65535"), &a, NULL), ERR_OK);
    assert_true(env_addr_is_loopback(&a));
    assert_int_equal(env_addr_parse(STR_LIT("127.evil.example:1"), &a, NULL), ERR_OK);
    assert_false(env_addr_is_loopback(&a));
    static const char *const bad[] = {
        "",          ":",
        "a",         "a:",
        ":1",        "a:65536",
        "a:-1",      "a:1x",
        "::1:9092",  "[::1]",
        "[::1]9092", "[::1:9092",
        "[x]:1",     "a b:1",
        "a/b:1",     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        a.port = 7;
        assert_int_equal(env_addr_parse(str_of(bad[i]), &a, &ec), ERR_CONFIG);
        assert_int_equal(a.port, 7);
        assert_true(strlen(ec.hint) > 0);
    }
}

/* A connected pair over a listener on a free port of `host`. */
struct pair {
    struct env_sock *listener, *client, *server;
    struct env_addr addr, peer;
};

static struct pair new_pair(struct env *env, const char *host)
{
    struct pair p = {0};
    struct env_addr any = {.port = 0};
    snprintf(any.host, sizeof(any.host), "%s", host);
    assert_int_equal(env_listen(env, &any, 16, &p.listener, NULL), ERR_OK);
    assert_int_equal(env_sock_local(p.listener, &p.addr), ERR_OK);
    assert_true(p.addr.port != 0);
    assert_int_equal(env_accept(p.listener, &p.server, &p.peer, NULL), ERR_AGAIN);
    assert_int_equal(env_connect(env, &p.addr, &p.client, NULL), ERR_OK);
    enum err e;
    do {
        e = env_accept(p.listener, &p.server, &p.peer, NULL);
    } while (e == ERR_AGAIN);
    assert_int_equal(e, ERR_OK);
    struct env_addr local;
    assert_int_equal(env_sock_local(p.client, &local), ERR_OK);
    assert_int_equal(local.port, p.peer.port);
    assert_string_equal(p.peer.host, host);
    return p;
}

static void end_pair(struct pair *p)
{
    env_sock_close(p->listener);
    env_sock_close(p->client);
    env_sock_close(p->server);
}

static void check_sockets(const char *host)
{
    struct world w = new_world();
    struct pair p = new_pair(w.env, host);
    char text[16];
    size_t got;
    size_t sent;
    assert_int_equal(env_recv(p.server, text, sizeof(text), &got), ERR_AGAIN);
    struct iovec iov[2] = {{(void *)(uintptr_t) "ab", 2}, {(void *)(uintptr_t) "cd", 2}};
    assert_int_equal(env_sendv(p.client, iov, 2, &sent), ERR_OK);
    assert_int_equal(sent, 4);
    while (env_recv(p.server, text, sizeof(text), &got) == ERR_AGAIN) {
    }
    assert_int_equal(got, 4);
    assert_memory_equal(text, "abcd", 4);
    /* what does not fit now is said, not waited for */
    static char big[1 << 20];
    struct iovec much = {big, sizeof(big)};
    enum err e;
    size_t total = 0;
    while ((e = env_sendv(p.client, &much, 1, &sent)) == ERR_OK) {
        total += sent;
    }
    assert_int_equal(e, ERR_AGAIN);
    assert_true(total > 0);
    /* the peer sends no more: what it sent, then the end, and it still receives */
    assert_int_equal(env_sendv(p.server, iov, 1, &sent), ERR_OK);
    assert_int_equal(env_sock_shut(p.server), ERR_OK);
    assert_int_equal(env_sendv(p.server, iov, 1, &sent), ERR_CLOSED);
    while (env_recv(p.client, text, sizeof(text), &got) == ERR_AGAIN) {
    }
    assert_int_equal(got, 2);
    while (env_recv(p.client, text, sizeof(text), &got) == ERR_AGAIN) {
    }
    assert_int_equal(got, 0);
    assert_int_equal(env_recv(p.server, big, sizeof(big), &got), ERR_OK);
    /* a peer that is gone is an error, not a signal */
    env_sock_close(p.server);
    p.server = NULL;
    do {
        e = env_sendv(p.client, &much, 1, &sent);
    } while (e == ERR_OK || e == ERR_AGAIN);
    assert_int_equal(e, ERR_CLOSED);
    end_pair(&p);
    end_world(&w);
}

TEST(linux_sockets_send_receive_close)
{
    check_sockets("127.0.0.1");
}

static int option_of(struct env_sock *s, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);
    assert_int_equal(getsockopt(linux_sock_of(s)->fd, level, name, &value, &size), 0);
    return value;
}

TEST(linux_a_peer_that_vanished_is_asked_for)
{
    struct world w = new_world();
    struct pair p = new_pair(w.env, "127.0.0.1");
    assert_int_equal(option_of(p.server, SOL_SOCKET, SO_KEEPALIVE), 1);
    const int idle = option_of(p.server, IPPROTO_TCP, TCP_KEEPIDLE);
    const int every = option_of(p.server, IPPROTO_TCP, TCP_KEEPINTVL);
    const int tries = option_of(p.server, IPPROTO_TCP, TCP_KEEPCNT);
    assert_in_range(idle + every * tries, 30, 120);
    end_pair(&p);
    end_world(&w);
}

TEST(linux_sockets_over_ipv6)
{
    struct world w = new_world();
    struct env_addr addr = {"::1", 0};
    struct env_sock *s;
    enum err e = env_listen(w.env, &addr, 1, &s, NULL);
    if (e == ERR_OK) {
        env_sock_close(s);
    }
    end_world(&w);
    if (e != ERR_OK) {
        TEST_SKIP("this machine has no IPv6");
    }
    check_sockets("::1");
}

TEST(linux_listen_errors)
{
    struct world w = new_world();
    struct env_addr addr = {"127.0.0.1", 0};
    struct env_sock *s;
    struct env_sock *second = NULL;
    struct ectx ec;
    assert_int_equal(env_listen(w.env, &addr, 1, &s, &ec), ERR_OK);
    assert_int_equal(env_sock_local(s, &addr), ERR_OK);
    assert_int_equal(env_listen(w.env, &addr, 1, &second, &ec), ERR_ADDRESS_IN_USE);
    assert_non_null(strstr(ec.text, "127.0.0.1:"));
    test_fail_alloc(1);
    assert_int_equal(env_listen(w.env, &addr, 1, &second, &ec), ERR_NO_MEMORY);
    test_fail_alloc_end();
    /* no descriptor: the connection stays in the queue and is accepted later */
    struct env_sock *client;
    assert_int_equal(env_connect(w.env, &addr, &client, &ec), ERR_OK);
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {0, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    enum err e = env_accept(s, &second, NULL, &ec);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(e, ERR_NO_DESCRIPTORS);
    test_fail_alloc(1);
    assert_int_equal(env_accept(s, &second, NULL, &ec), ERR_NO_MEMORY);
    test_fail_alloc_end();
    assert_int_equal(env_accept(s, &second, NULL, &ec), ERR_OK);
    env_sock_close(second);
    env_sock_close(client);
    env_sock_close(s);
    end_world(&w);
}

struct watcher {
    struct world *w;
    struct env_sock *own, *other;
    unsigned events;
    int calls;
};

static void remove_other(void *ctx, unsigned events)
{
    struct watcher *t = ctx;
    t->calls++;
    t->events |= events;
    env_poll_remove(t->w->poll, t->other);
}

TEST(linux_poll_remove_holds_in_the_same_turn)
{
    /* Two sockets are ready; whichever is called first removes the other, which then hears nothing.
     */
    struct world w = new_world();
    struct pair a = new_pair(w.env, "127.0.0.1");
    struct pair b = new_pair(w.env, "127.0.0.1");
    struct watcher ta = {&w, a.server, b.server, 0, 0};
    struct watcher tb = {&w, b.server, a.server, 0, 0};
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    size_t sent;
    assert_int_equal(env_sendv(a.client, &iov, 1, &sent), ERR_OK);
    assert_int_equal(env_sendv(b.client, &iov, 1, &sent), ERR_OK);
    env_sleep_ns(w.env, 5000000);
    assert_int_equal(env_poll_add(w.poll, a.server, ENV_POLL_IN, remove_other, &ta, NULL), ERR_OK);
    assert_int_equal(env_poll_add(w.poll, b.server, ENV_POLL_IN, remove_other, &tb, NULL), ERR_OK);
    assert_int_equal(env_poll_run(w.poll, SECOND), 1);
    assert_int_equal(ta.calls + tb.calls, 1);
    /* level-triggered: the one that is left is called again, until it is not interested any more */
    assert_int_equal(env_poll_run(w.poll, SECOND), 1);
    struct watcher *left = ta.calls > 0 ? &ta : &tb;
    assert_int_equal(left->calls, 2);
    assert_int_equal(left->events, ENV_POLL_IN);
    env_poll_change(w.poll, left->own, 0);
    assert_int_equal(env_poll_run(w.poll, 0), 0);
    env_poll_change(w.poll, left->own, ENV_POLL_OUT);
    assert_int_equal(env_poll_run(w.poll, SECOND), 1);
    assert_int_equal(left->events, ENV_POLL_IN | ENV_POLL_OUT);
    end_pair(&a); /* closing removes */
    end_pair(&b);
    assert_int_equal(env_poll_run(w.poll, 0), 0);
    end_world(&w);
}

static void note_events(void *ctx, unsigned events)
{
    struct watcher *t = ctx;
    t->calls++;
    t->events |= events;
    env_poll_remove(t->w->poll, t->own);
}

TEST(linux_refused_connection_is_told_by_the_loop)
{
    struct world w = new_world();
    struct env_addr addr = {"127.0.0.1", 0};
    struct env_sock *s;
    assert_int_equal(env_listen(w.env, &addr, 1, &s, NULL), ERR_OK);
    assert_int_equal(env_sock_local(s, &addr), ERR_OK);
    env_sock_close(s); /* nobody listens there now */
    enum err e = env_connect(w.env, &addr, &s, NULL);
    if (e == ERR_OK) {
        struct watcher t = {&w, s, NULL, 0, 0};
        assert_int_equal(env_poll_add(w.poll, s, ENV_POLL_OUT, note_events, &t, NULL), ERR_OK);
        assert_int_equal(env_poll_run(w.poll, 5 * (uint64_t)SECOND), 1);
        assert_true(t.events & ENV_POLL_ERROR);
        char c;
        size_t got;
        assert_int_equal(env_recv(s, &c, 1, &got), ERR_CLOSED);
        env_sock_close(s);
    } else {
        assert_int_equal(e, ERR_CLOSED);
    }
    end_world(&w);
}

static enum err make_loop(void *ctx)
{
    (void)ctx;
    struct env *env;
    enum err e = env_linux_create(&env, NULL);
    if (e != ERR_OK) {
        return e;
    }
    struct env_poll *poll;
    struct env_mutex *m;
    struct env_cond *c;
    e = env_poll_create(env, &poll, NULL);
    if (e == ERR_OK) {
        env_poll_destroy(poll);
        e = env_mutex_create(env, &m);
    }
    if (e == ERR_OK) {
        env_mutex_destroy(m);
        e = env_cond_create(env, &c);
    }
    if (e == ERR_OK) {
        env_cond_destroy(c);
    }
    env_destroy(env);
    return e;
}

TEST(linux_loop_survives_every_failing_allocation)
{
    test_each_failing_alloc(make_loop, NULL);
}

TEST(linux_loop_without_descriptors_is_an_error)
{
    struct env *env;
    struct env_poll *poll = NULL;
    assert_int_equal(env_linux_create(&env, NULL), ERR_OK);
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {0, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    enum err e = env_poll_create(env, &poll, NULL);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(e, ERR_NO_DESCRIPTORS);
    assert_null(poll);
    env_destroy(env);
}

static void ask_where(void *ctx)
{
    struct world *w = ctx;
    assert_false(env_poll_is_here(w->poll));
}

/* What is the loop's own is touched on its thread only; a thread can ask whether it is that one. */
TEST(a_loop_knows_its_thread)
{
    struct world w = new_world();
    struct env_thread *t;
    assert_true(env_poll_is_here(w.poll)); /* nobody has run it yet */
    (void)env_poll_run(w.poll, 0);
    assert_true(env_poll_is_here(w.poll));
    assert_int_equal(env_thread_start(w.env, "other", ask_where, &w, &t, NULL), ERR_OK);
    env_thread_join(t);
    end_world(&w);
}
