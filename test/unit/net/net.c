/*
 * Connections over the simulated network: framing under any cut of the bytes, order of replies,
 * back-pressure, slow peers. The protocol of these tests: 4 bytes of length, then that many bytes;
 * a reply is the same bytes again.
 */
#include "net/net.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/mem.h"
#include "core/pool.h"
#include "env/env_sim.h"
#include "net/net_int.h"
#include "test.h"

#define PENDING_MAX 512

struct world {
    struct env *env;
    struct env_poll *poll;
    struct metrics *metrics;
    struct net *net;
    struct net_listener *listener;
    struct env_addr addr;
    bool hold; /* keep messages instead of answering them */
    struct net_message *pending[PENDING_MAX];
    size_t pending_count;
    size_t messages, opened, closed;
    size_t asked; /* where a message shall lie */
};

static void free_copy(void *ctx)
{
    mem_free(ctx);
}

static void answer(struct net_message *m)
{
    uint8_t *copy = mem_alloc(m->n);
    memcpy(copy, m->p, m->n);
    struct iovec iov = {copy, m->n};
    net_reply(m, &iov, 1, free_copy, copy);
    net_message_release(m);
}

static void *on_opened(void *ctx, struct net_conn *c)
{
    struct world *w = ctx;
    (void)c;
    w->opened++;
    return w;
}

static enum err measure(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec)
{
    (void)state;
    *total = 0;
    if (n >= 4) {
        if (get_be32(p) > 8 * 1024 * 1024) {
            return ectx_fail(ec, ERR_LIMIT, "too large");
        }
        *total = 4 + get_be32(p);
    }
    return ERR_OK;
}

static void on_message(void *state, struct net_message *m)
{
    struct world *w = state;
    w->messages++;
    if (w->hold) {
        assert_true(w->pending_count < PENDING_MAX);
        w->pending[w->pending_count++] = m;
        return;
    }
    answer(m);
}

static void on_closed(void *state)
{
    struct world *w = state;
    w->closed++;
}

static const struct net_protocol ECHO = {.name = "echo",
                                         .opened = on_opened,
                                         .measure = measure,
                                         .message = on_message,
                                         .closed = on_closed};

static void world_open(struct world *w, const struct net_config *cfg)
{
    struct net_config standard = {.max_connections = 10,
                                  .request_memory_bytes = 64u * 1024 * 1024,
                                  .send_queue_bytes = 4u * 1024 * 1024,
                                  .idle_ms = 60000,
                                  .stall_ms = 5000};
    struct env_sim_config sim = {.seed = 7};
    *w = (struct world){0};
    assert_int_equal(env_sim_create(&sim, &w->env), ERR_OK);
    assert_int_equal(env_poll_create(w->env, &w->poll, NULL), ERR_OK);
    w->metrics = metrics_create();
    assert_int_equal(
        net_create(w->env, w->poll, cfg != NULL ? cfg : &standard, w->metrics, &w->net, NULL),
        ERR_OK);
    assert_int_equal(env_addr_parse(STR_LIT("127.0.0.1:0"), &w->addr, NULL), ERR_OK);
    assert_int_equal(net_listen(w->net, &w->addr, &ECHO, w, &w->listener, NULL), ERR_OK);
    assert_int_equal(net_listener_addr(w->listener, &w->addr), ERR_OK);
}

static void turn(struct world *w)
{
    env_poll_run(w->poll, 1000000);
    net_timers_run(w->net, env_mono_ns(w->env));
    net_flush(w->net);
}

static void turns(struct world *w, int n)
{
    while (n-- > 0) {
        turn(w);
    }
}

static void world_close(struct world *w)
{
    net_destroy(w->net);
    metrics_destroy(w->metrics);
    env_poll_destroy(w->poll);
    env_destroy(w->env);
}

static struct env_sock *dial(struct world *w)
{
    struct env_sock *s = NULL;
    assert_int_equal(env_connect(w->env, &w->addr, &s, NULL), ERR_OK);
    turns(w, 3);
    return s;
}

/* Sends all of it, with turns in between while nothing fits. */
static void send_all(struct world *w, struct env_sock *s, const uint8_t *p, size_t n)
{
    for (int patience = 0; n > 0 && patience < 100000; patience++) {
        struct iovec iov = {(void *)(uintptr_t)p, n};
        size_t sent = 0;
        enum err e = env_sendv(s, &iov, 1, &sent);
        if (e == ERR_AGAIN) {
            turn(w);
            continue;
        }
        assert_int_equal(e, ERR_OK);
        p += sent;
        n -= sent;
    }
    assert_int_equal(n, 0);
}

/* Receives until n bytes are there; false: the peer closed. */
static bool receive(struct world *w, struct env_sock *s, uint8_t *p, size_t n)
{
    for (int patience = 0; n > 0 && patience < 100000; patience++) {
        size_t got = 0;
        enum err e = env_recv(s, p, n, &got);
        if (e == ERR_AGAIN) {
            turn(w);
            continue;
        }
        if (e != ERR_OK || got == 0) {
            return false;
        }
        p += got;
        n -= got;
    }
    return n == 0;
}

static size_t make_message(uint8_t *out, size_t body, uint8_t fill)
{
    put_be32(out, (uint32_t)body);
    memset(out + 4, fill, body);
    return body + 4;
}

TEST(net_messages_of_every_size_come_back)
{
    /* Framing holds for tiny, page-sized and megabyte messages, one after the other on one
     * connection. */
    static const size_t sizes[] = {0,      1,       3,       4000, 16380,  65536,
                                   200000, 1048576, 3000000, 7,    5000000};
    struct world w;
    world_open(&w, NULL);
    struct env_sock *s = dial(&w);
    uint8_t *out = malloc(6000000);
    uint8_t *in = malloc(6000000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = make_message(out, sizes[i], (uint8_t)i);
        send_all(&w, s, out, n);
        assert_true(receive(&w, s, in, n));
        assert_memory_equal(in, out, n);
    }
    free(out);
    free(in);
    env_sock_close(s);
    turns(&w, 5);
    assert_int_equal(w.closed, 1);
    world_close(&w);
}

TEST(net_replies_leave_in_the_order_of_the_messages)
{
    /* Whatever the order in which handlers answer. */
    struct world w;
    world_open(&w, NULL);
    w.hold = true;
    struct env_sock *s = dial(&w);
    uint8_t out[64];
    uint8_t in[64];
    for (uint8_t i = 0; i < 5; i++) {
        send_all(&w, s, out, make_message(out, 8, i));
    }
    turns(&w, 50);
    assert_int_equal(w.pending_count, 5);
    static const int order[] = {3, 1, 4, 0, 2};
    for (size_t i = 0; i < 5; i++) {
        answer(w.pending[order[i]]);
        turn(&w);
    }
    for (uint8_t i = 0; i < 5; i++) {
        assert_true(receive(&w, s, in, 12));
        assert_int_equal(in[4], i);
    }
    env_sock_close(s);
    world_close(&w);
}

TEST(net_a_message_without_a_reply_does_not_hold_up_the_next)
{
    /* acks=0: the reply after it leaves. */
    struct world w;
    world_open(&w, NULL);
    w.hold = true;
    struct env_sock *s = dial(&w);
    uint8_t out[64];
    uint8_t in[64];
    send_all(&w, s, out, make_message(out, 8, 1));
    send_all(&w, s, out, make_message(out, 8, 2));
    turns(&w, 50);
    assert_int_equal(w.pending_count, 2);
    answer(w.pending[1]);
    net_reply_none(w.pending[0]);
    net_message_release(w.pending[0]);
    assert_true(receive(&w, s, in, 12));
    assert_int_equal(in[4], 2);
    env_sock_close(s);
    world_close(&w);
}

TEST(net_the_pipeline_is_bounded_and_goes_on)
{
    /* A client that sends without reading cannot queue more than NET_PIPELINE_MAX messages; later
     * ones are handed over when there is room again, though the socket brings no new bytes. */
    struct world w;
    world_open(&w, NULL);
    w.hold = true;
    struct env_sock *s = dial(&w);
    uint8_t out[16];
    uint8_t in[16];
    for (uint32_t i = 0; i < NET_PIPELINE_MAX + 20; i++) {
        send_all(&w, s, out, make_message(out, 4, (uint8_t)i));
    }
    turns(&w, 300);
    assert_int_equal(w.pending_count, NET_PIPELINE_MAX);
    w.hold = false;
    for (size_t i = 0; i < w.pending_count; i++) {
        answer(w.pending[i]);
    }
    for (uint32_t i = 0; i < NET_PIPELINE_MAX + 20; i++) {
        assert_true(receive(&w, s, in, 8));
        assert_int_equal(in[4], (uint8_t)i);
    }
    env_sock_close(s);
    world_close(&w);
}

TEST(net_malformed_bytes_close_the_connection)
{
    struct world w;
    world_open(&w, NULL);
    struct env_sock *s = dial(&w);
    uint8_t bad[8] = {0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4};
    uint8_t in[4];
    send_all(&w, s, bad, sizeof(bad));
    assert_false(receive(&w, s, in, 1));
    assert_int_equal(w.messages, 0);
    env_sock_close(s);
    turns(&w, 3);
    assert_int_equal(w.closed, 1);
    world_close(&w);
}

TEST(net_a_message_that_does_not_arrive_whole_is_given_up)
{
    /* One byte now and then does not keep a connection (and its buffer) for ever. */
    struct world w;
    world_open(&w, NULL);
    struct env_sock *s = dial(&w);
    uint8_t out[64];
    uint8_t in[4];
    make_message(out, 40, 1);
    send_all(&w, s, out, 10);
    for (int i = 0; i < 8; i++) {
        env_sim_advance_ns(w.env, 1000000000);
        turns(&w, 3);
        if (w.closed == 0) {
            send_all(&w, s, out + 10 + i, 1);
        }
    }
    assert_int_equal(w.closed, 1);
    assert_false(receive(&w, s, in, 1));
    env_sock_close(s);
    world_close(&w);
}

TEST(net_time_in_which_nothing_was_read_is_not_held_against_the_peer)
{
    /* While the server does not read, the clock of a half received message stands still. */
    struct world w;
    world_open(&w, NULL);
    w.hold = true;
    struct env_sock *s = dial(&w);
    uint8_t out[128];
    uint8_t in[44];
    size_t n = make_message(out, 40, 1);
    make_message(out + n, 40, 2);
    send_all(&w, s, out, n + 10);
    turns(&w, 5);
    assert_int_equal(w.pending_count, 1);
    net_conn_pause(w.pending[0]->conn, true);
    for (int i = 0; i < 8; i++) {
        env_sim_advance_ns(w.env, 1000000000);
        turns(&w, 3);
    }
    w.hold = false;
    net_conn_pause(w.pending[0]->conn, false);
    answer(w.pending[0]);
    env_sim_advance_ns(w.env, 1000000000);
    turns(&w, 3);
    send_all(&w, s, out + n + 10, n - 10);
    assert_true(receive(&w, s, in, n));
    assert_true(receive(&w, s, in, n));
    assert_int_equal(in[4], 2);
    env_sock_close(s);
    world_close(&w);
}

TEST(net_an_idle_connection_is_closed)
{
    struct world w;
    world_open(&w, NULL);
    struct env_sock *s = dial(&w);
    for (int i = 0; i < 70; i++) {
        env_sim_advance_ns(w.env, 1000000000);
        turns(&w, 2);
    }
    assert_int_equal(w.closed, 1);
    env_sock_close(s);
    world_close(&w);
}

TEST(net_a_peer_that_does_not_read_is_closed)
{
    /* Its replies would be kept for ever; other connections go on meanwhile. */
    struct world w;
    world_open(&w, NULL);
    struct env_sock *deaf = dial(&w);
    struct env_sock *good = dial(&w);
    size_t n = 1048576;
    uint8_t *out = malloc(n + 4);
    uint8_t in[16];
    make_message(out, n, 1);
    send_all(&w, deaf, out, n + 4);
    for (int i = 0; i < 10; i++) {
        env_sim_advance_ns(w.env, 1000000000);
        turns(&w, 5);
        send_all(&w, good, out, make_message(out, 4, 9));
        assert_true(receive(&w, good, in, 8));
    }
    assert_int_equal(w.closed, 1);
    free(out);
    env_sock_close(deaf);
    env_sock_close(good);
    world_close(&w);
}

TEST(net_a_reply_to_a_closed_connection_is_dropped)
{
    /* The handler answers later than the client cared to wait. */
    struct world w;
    world_open(&w, NULL);
    w.hold = true;
    struct env_sock *s = dial(&w);
    uint8_t out[64];
    send_all(&w, s, out, make_message(out, 8, 1));
    turns(&w, 20);
    assert_int_equal(w.pending_count, 1);
    env_sock_close(s);
    turns(&w, 20);
    assert_int_equal(w.closed, 1);
    assert_null(w.pending[0]->conn);
    answer(w.pending[0]);
    turns(&w, 2);
    world_close(&w);
}

TEST(net_a_message_outlives_the_net_that_brought_it)
{
    /* At shutdown the connections go first; requests that still wait for the disk are answered into
     * the void afterwards, in any order of reply and release. */
    struct world w;
    world_open(&w, NULL);
    w.hold = true;
    struct env_sock *s = dial(&w);
    uint8_t out[64];
    for (uint8_t i = 0; i < 3; i++) {
        send_all(&w, s, out, make_message(out, 20, i));
    }
    turns(&w, 3);
    assert_int_equal(w.pending_count, 3);
    net_destroy(w.net);
    assert_int_equal(w.closed, 1);
    for (uint8_t i = 0; i < 3; i++) {
        assert_int_equal(w.pending[i]->p[4], i);
        if (i == 1) {
            net_message_release(w.pending[i]);
            net_reply_none(w.pending[i]);
        } else {
            answer(w.pending[i]);
        }
    }
    env_sock_close(s);
    metrics_destroy(w.metrics);
    env_poll_destroy(w.poll);
    env_destroy(w.env);
}

TEST(net_connections_are_limited)
{
    struct net_config cfg = {.max_connections = 2,
                             .request_memory_bytes = 1024 * 1024,
                             .send_queue_bytes = 1024 * 1024,
                             .idle_ms = 60000,
                             .stall_ms = 5000};
    struct world w;
    world_open(&w, &cfg);
    struct env_sock *a = dial(&w);
    struct env_sock *b = dial(&w);
    struct env_sock *c = dial(&w);
    uint8_t in[4];
    assert_int_equal(w.opened, 2);
    assert_false(receive(&w, c, in, 1));
    env_sock_close(a);
    env_sock_close(b);
    env_sock_close(c);
    world_close(&w);
}

TEST(net_request_memory_is_bounded_and_everything_arrives)
{
    /* Four clients send 3 MiB each against a budget of 4 MiB: reading takes turns, and all finish.
     */
    struct net_config cfg = {.max_connections = 10,
                             .request_memory_bytes = 4u * 1024 * 1024,
                             .send_queue_bytes = 16u * 1024 * 1024,
                             .idle_ms = 60000,
                             .stall_ms = 600000};
    struct world w;
    world_open(&w, &cfg);
    size_t n = 3u * 1024 * 1024;
    uint8_t *out = malloc(n + 4);
    uint8_t *in = malloc(n + 4);
    struct env_sock *s[4];
    size_t at[4] = {0};
    make_message(out, n, 5);
    for (int i = 0; i < 4; i++) {
        s[i] = dial(&w);
    }
    size_t left = 4 * (n + 4);
    for (int patience = 0; left > 0 && patience < 1000000; patience++) {
        int i = patience % 4;
        struct iovec iov = {out + at[i], n + 4 - at[i]};
        size_t sent = 0;
        if (iov.iov_len > 0 && env_sendv(s[i], &iov, 1, &sent) == ERR_OK) {
            at[i] += sent;
            left -= sent;
        }
        turn(&w);
    }
    assert_int_equal(left, 0);
    for (int i = 0; i < 4; i++) {
        assert_true(receive(&w, s[i], in, n + 4));
        env_sock_close(s[i]);
    }
    free(out);
    free(in);
    world_close(&w);
}

/* ---- Shares: what one client may take from the others ---- */

static size_t pending_of(const struct world *w, uint8_t fill)
{
    size_t n = 0;
    for (size_t i = 0; i < w->pending_count; i++) {
        n += w->pending[i] != NULL && w->pending[i]->p[4] == fill;
    }
    return n;
}

static void answer_all(struct world *w)
{
    size_t n = w->pending_count;
    for (size_t i = 0; i < n; i++) {
        struct net_message *m = w->pending[i];
        w->pending[i] = NULL;
        if (m != NULL) {
            answer(m);
        }
    }
    w->pending_count = 0;
}

/* As send_all, but what does not fit after some turns stays unsent: the server does not read. */
static size_t send_some(struct world *w, struct env_sock *s, const uint8_t *p, size_t n)
{
    size_t at = 0;
    for (int patience = 0; at < n && patience < 50; patience++) {
        struct iovec iov = {(void *)(uintptr_t)(p + at), n - at};
        size_t sent = 0;
        if (env_sendv(s, &iov, 1, &sent) == ERR_OK) {
            at += sent;
            patience = 0;
        }
        turn(w);
    }
    return at;
}

TEST(net_among_busy_clients_one_has_a_bounded_share_in_progress)
{
    /* The others' messages wait in the log for what is in progress before them. One alone may have
     * as much as it likes; beside another one it has at most 2 MiB, and goes on when it is
     * answered. */
    struct world w;
    world_open(&w, NULL);
    w.hold = true;
    struct env_sock *greedy = dial(&w);
    struct env_sock *modest = dial(&w);
    size_t n = 512u * 1024;
    size_t all = 12 * (n + 4);
    uint8_t *out = malloc(all);
    uint8_t small[16];
    uint8_t in[16];
    for (size_t i = 0; i < 12; i++) {
        make_message(out + i * (n + 4), n, 1);
    }
    size_t at = 0;
    for (size_t i = 0; i < 12; i++) {
        send_all(&w, modest, small, make_message(small, 4, 2)); /* it stays busy */
        turns(&w, 10);
        assert_int_equal(pending_of(&w, 2), i + 1);
        at += send_some(&w, greedy, out + at, (i + 1) * (n + 4) - at);
    }
    assert_int_equal(pending_of(&w, 1), 3);   /* a fourth would be over it, with its length */
    for (int i = 0; i < 5 && at < all; i++) { /* three each time */
        answer_all(&w);
        send_all(&w, modest, small, make_message(small, 4, 2));
        at += send_some(&w, greedy, out + at, all - at);
        uint8_t sink[65536];
        size_t got = 0;
        while (env_recv(greedy, sink, sizeof(sink), &got) == ERR_OK && got > 0) {
            turn(&w);
        }
    }
    assert_int_equal(at, all);
    w.hold = false;
    answer_all(&w);
    for (size_t i = 0; i < 12; i++) {
        assert_true(receive(&w, modest, in, 8));
    }
    free(out);
    env_sock_close(greedy);
    env_sock_close(modest);
    world_close(&w);
}

TEST(net_one_alone_has_no_such_share)
{
    struct world w;
    world_open(&w, NULL);
    w.hold = true;
    struct env_sock *s = dial(&w);
    size_t n = 512u * 1024;
    uint8_t *out = malloc(n + 4);
    make_message(out, n, 1);
    for (size_t i = 0; i < 8; i++) {
        send_all(&w, s, out, n + 4);
    }
    turns(&w, 20);
    assert_int_equal(w.pending_count, 8);
    free(out);
    env_sock_close(s);
    turns(&w, 3);
    answer_all(&w);
    world_close(&w);
}

TEST(net_greedy_clients_leave_memory_for_a_modest_one)
{
    /* However many fill the memory of requests and wait for answers, a small request finds room,
     * and the sum stays below the limit. */
    struct net_config cfg = {.max_connections = 40,
                             .request_memory_bytes = 4u * 1024 * 1024,
                             .send_queue_bytes = 16u * 1024 * 1024,
                             .idle_ms = 60000,
                             .stall_ms = 600000};
    struct world w;
    world_open(&w, &cfg);
    w.hold = true;
    size_t n = 30000;
    size_t all = 40 * (n + 4);
    uint8_t *out = malloc(all);
    struct env_sock *s[20];
    for (size_t i = 0; i < 40; i++) {
        make_message(out + i * (n + 4), n, 1);
    }
    for (int i = 0; i < 20; i++) {
        s[i] = dial(&w);
        (void)send_some(&w, s[i], out, all);
    }
    size_t held = 0;
    for (size_t i = 0; i < w.pending_count; i++) {
        held += w.pending[i]->n;
    }
    assert_true(held > 20 * n && held < cfg.request_memory_bytes);
    struct env_sock *modest = dial(&w);
    uint8_t small[16];
    send_all(&w, modest, small, make_message(small, 4, 2));
    turns(&w, 3);
    assert_int_equal(pending_of(&w, 2), 1);
    env_sock_close(modest);
    for (int i = 0; i < 20; i++) {
        env_sock_close(s[i]);
    }
    turns(&w, 5);
    w.hold = false;
    answer_all(&w);
    free(out);
    world_close(&w);
}

TEST(net_beginnings_of_messages_and_waiting_requests_hold_no_more_than_they_are)
{
    /* Two hundred peers that stop after some bytes, and two hundred small requests that wait (long
     * polls), do not take the memory from the others. */
    struct net_config cfg = {.max_connections = 500,
                             .request_memory_bytes = 1024 * 1024,
                             .send_queue_bytes = 1024 * 1024,
                             .idle_ms = 60000,
                             .stall_ms = 600000};
    struct world w;
    world_open(&w, &cfg);
    w.hold = true;
    struct env_sock *s[400];
    uint8_t out[128];
    uint8_t in[16];
    for (int i = 0; i < 400; i++) {
        s[i] = dial(&w);
        size_t n = make_message(out, 100, 1);
        send_all(&w, s[i], out, i % 2 == 0 ? n : 10);
    }
    turns(&w, 20);
    assert_int_equal(w.pending_count, 200);
    w.hold = false;
    struct env_sock *good = dial(&w);
    send_all(&w, good, out, make_message(out, 4, 9));
    turns(&w, 5);
    assert_int_equal(w.messages, 201);
    assert_true(receive(&w, good, in, 8));
    env_sock_close(good);
    for (int i = 0; i < 400; i++) {
        env_sock_close(s[i]);
    }
    turns(&w, 10);
    answer_all(&w);
    world_close(&w);
}

static size_t slow_answers;

static void on_slow_message(void *state, struct net_message *m)
{
    struct world *w = state;
    w->messages++;
    if (m->p[4] == 1) {
        slow_answers++;
        env_sim_advance_ns(w->env, 1000000);
    } else {
        assert_true(slow_answers < 10);
    }
    answer(m);
}

TEST(net_small_requests_that_cost_much_do_not_fill_a_turn)
{
    /* A hundred requests arrive in one piece and each takes a millisecond: another client's
     * request, which comes later, has its turn after a few of them. */
    static const struct net_protocol slow = {.name = "slow",
                                             .opened = on_opened,
                                             .measure = measure,
                                             .message = on_slow_message,
                                             .closed = on_closed};
    struct world w;
    world_open(&w, NULL);
    struct net_listener *l = NULL;
    assert_int_equal(env_addr_parse(STR_LIT("127.0.0.1:0"), &w.addr, NULL), ERR_OK);
    assert_int_equal(net_listen(w.net, &w.addr, &slow, &w, &l, NULL), ERR_OK);
    assert_int_equal(net_listener_addr(l, &w.addr), ERR_OK);
    struct env_sock *greedy = dial(&w);
    struct env_sock *modest = dial(&w);
    uint8_t out[800];
    uint8_t in[8];
    slow_answers = 0;
    for (size_t i = 0; i < 100; i++) {
        make_message(out + i * 8, 4, 1);
    }
    struct iovec both[2] = {{out, 800}, {in, 8}};
    size_t sent = 0;
    make_message(in, 4, 2);
    assert_int_equal(env_sendv(greedy, &both[0], 1, &sent), ERR_OK);
    assert_int_equal(sent, 800);
    assert_int_equal(env_sendv(modest, &both[1], 1, &sent), ERR_OK);
    turns(&w, 120);
    assert_int_equal(w.messages, 101);
    assert_true(receive(&w, modest, in, 8));
    assert_int_equal(slow_answers, 100);
    env_sock_close(greedy);
    env_sock_close(modest);
    world_close(&w);
}

TEST(net_replies_that_nobody_reads_are_bounded_together)
{
    /* Each of many slow readers has a reply or two, not a full queue of its own. */
    struct net_config cfg = {.max_connections = 100,
                             .request_memory_bytes = 64u * 1024 * 1024,
                             .send_queue_bytes = 4u * 1024 * 1024,
                             .idle_ms = 60000,
                             .stall_ms = 600000};
    struct world w;
    world_open(&w, &cfg);
    size_t n = 100000;
    size_t all = 60 * (n + 4);
    uint8_t *out = malloc(all);
    struct env_sock *deaf[30];
    uint8_t in[16];
    for (size_t i = 0; i < 60; i++) {
        make_message(out + i * (n + 4), n, 1);
    }
    for (int i = 0; i < 30; i++) {
        deaf[i] = dial(&w);
        (void)send_some(&w, deaf[i], out, all);
    }
    /* Four full queues together, and one reply for each that came when they were full. */
    assert_true(w.messages * n < 4 * cfg.send_queue_bytes + 30 * 2 * n);
    struct env_sock *good = dial(&w);
    send_all(&w, good, out, make_message(out, 4, 9));
    assert_true(receive(&w, good, in, 8));
    env_sock_close(good);
    for (int i = 0; i < 30; i++) {
        env_sock_close(deaf[i]);
    }
    free(out);
    world_close(&w);
}

static int fired[3];
static int fired_count;
struct numbered {
    struct net_timer t;
    int number;
};

static void on_timer(struct net_timer *t)
{
    fired[fired_count++] = CONTAINER_OF(t, struct numbered, t)->number;
}

TEST(net_timers_fire_in_order_and_can_be_cancelled)
{
    struct world w;
    world_open(&w, NULL);
    fired_count = 0;
    struct numbered n[3];
    uint64_t now = env_mono_ns(w.env);
    for (int i = 0; i < 3; i++) {
        heap_node_init(&n[i].t.node);
        n[i].t.fn = on_timer;
        n[i].number = i;
    }
    assert_int_equal(net_timer_set(w.net, &n[0].t, now + 300), ERR_OK);
    assert_int_equal(net_timer_set(w.net, &n[1].t, now + 100), ERR_OK);
    assert_int_equal(net_timer_set(w.net, &n[2].t, now + 200), ERR_OK);
    net_timer_cancel(w.net, &n[2].t);
    assert_true(net_timers_run(w.net, now) == now + 100);
    net_timers_run(w.net, now + 1000);
    assert_int_equal(fired_count, 2);
    assert_int_equal(fired[0], 1);
    assert_int_equal(fired[1], 0);
    world_close(&w);
}

/* The protocol of these tests says in its next four bytes how much of a block it wants before it.
 */
static size_t lay(void *state, const uint8_t *p, size_t n)
{
    struct world *w = state;
    w->asked++;
    return n < 8 ? NET_ANYWHERE : get_be32(p + 4);
}

static const struct net_protocol LAID = {.name = "laid",
                                         .opened = on_opened,
                                         .measure = measure,
                                         .message = on_message,
                                         .closed = on_closed,
                                         .lay = lay};

static void world_open_laid(struct world *w, const struct net_config *cfg)
{
    world_open(w, cfg);
    assert_int_equal(env_addr_parse(STR_LIT("127.0.0.1:0"), &w->addr, NULL), ERR_OK);
    assert_int_equal(net_listen(w->net, &w->addr, &LAID, w, &w->listener, NULL), ERR_OK);
    assert_int_equal(net_listener_addr(w->listener, &w->addr), ERR_OK);
    w->hold = true;
}

static struct net_message *next_message(struct world *w)
{
    for (int i = 0; i < 1000 && w->pending_count == 0; i++) {
        turn(w);
    }
    assert_int_equal(w->pending_count, 1);
    w->pending_count = 0;
    return w->pending[0];
}

TEST(net_a_large_message_lies_where_its_protocol_wants_it)
{
    /* However its first bytes arrive, whatever came before, and whole. */
    static const size_t sizes[] = {70000, 300000, 300000, 65540, 100, 1048576, 2000000, 1500};
    static const size_t first[] = {1, 4, 7, 8, 600, 60000, SIZE_MAX};
    struct world w;
    world_open_laid(&w, NULL);
    struct env_sock *s = dial(&w);
    uint8_t *out = malloc(3000000);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t k = 0; k < sizeof(first) / sizeof(first[0]); k++) {
            const uint32_t want = (uint32_t)(i * 500 + k / 3);
            size_t n = make_message(out, sizes[i], (uint8_t)(i + k));
            put_be32(out + 4, want);
            size_t begun = first[k] < n ? first[k] : n;
            send_all(&w, s, out, begun);
            turns(&w, 2);
            send_all(&w, s, out + begun, n - begun);
            struct net_message *m = next_message(&w);
            assert_int_equal(m->n, n);
            assert_memory_equal(m->p, out, n);
            assert_true(n <= NET_LAY_MIN || (uintptr_t)m->p % POOL_ALIGN == want);
            net_reply_none(m);
            net_message_release(m);
            turns(&w, 2);
        }
    }
    assert_true(w.asked > 0);
    free(out);
    env_sock_close(s);
    world_close(&w);
}

TEST(net_a_large_message_can_be_taken_with_its_memory)
{
    /* What is taken is counted until the message is released, and is freed by its new owner alone;
     * the messages around it are untouched. */
    struct pool pool;
    pool_init(&pool, 64 << 20);
    const struct net_config cfg = {.max_connections = 10,
                                   .request_memory_bytes = 64u * 1024 * 1024,
                                   .send_queue_bytes = 4u * 1024 * 1024,
                                   .idle_ms = 60000,
                                   .stall_ms = 5000,
                                   .pool = &pool};
    struct world w;
    world_open_laid(&w, &cfg);
    struct env_sock *s = dial(&w);
    uint8_t *out = malloc(1000000);
    size_t cap = 0;
    for (int round = 0; round < 4; round++) {
        size_t n = make_message(out, 500000, 7);
        put_be32(out + 4, 81);
        size_t more = make_message(out + n, 100, 9);
        send_all(&w, s, out, n + more);
        while (w.pending_count < 2) {
            turn(&w);
        }
        w.pending_count = 0;
        struct net_message *m = w.pending[0];
        struct net_message *small = w.pending[1];
        assert_int_equal(small->n, more);
        assert_null(net_message_take(small, &cap));
        uint8_t *bytes = m->p;
        const size_t used = w.net->inbufs.used_bytes;
        uint8_t *taken = net_message_take(m, &cap);
        assert_non_null(taken);
        assert_int_equal(w.net->inbufs.used_bytes, used);
        assert_true((uintptr_t)taken % POOL_ALIGN == 0 && cap % POOL_ALIGN == 0);
        assert_true(taken <= bytes && bytes + n <= taken + cap);
        assert_int_equal((size_t)(bytes - taken), 81);
        if (round % 2 == 0) {
            net_reply_none(m);
            net_message_release(m);
        } else if (round == 1) {
            net_message_release(m);
            net_reply_none(m);
        }
        assert_int_equal(w.net->inbufs.used_bytes, used - (round == 3 ? 0 : cap));
        memset(taken, 1, cap);
        assert_memory_equal(small->p, out + n, more);
        net_reply_none(small);
        net_message_release(small);
        if (round == 3) { /* its connection, and all of them, go first */
            env_sock_close(s);
            turns(&w, 3);
            world_close(&w);
            net_reply_none(m);
            net_message_release(m);
        }
        const size_t free_before = pool.free_bytes;
        pool_give(&pool, taken, cap);
        assert_int_equal(pool.free_bytes, free_before + cap);
    }
    free(out);
    pool_deinit(&pool);
}

TEST(net_memory_that_messages_share_is_not_taken)
{
    /* Two arrive in one buffer; when one is left it may have it. */
    struct world w;
    world_open_laid(&w, NULL);
    struct env_sock *s = dial(&w);
    uint8_t out[10008];
    size_t cap;
    (void)make_message(out, 5000, 1);
    (void)make_message(out + 5004, 5000, 2);
    send_all(&w, s, out, sizeof(out));
    turns(&w, 10);
    assert_int_equal(w.pending_count, 2);
    assert_null(net_message_take(w.pending[0], &cap));
    net_reply_none(w.pending[0]);
    net_message_release(w.pending[0]);
    uint8_t *taken = net_message_take(w.pending[1], &cap);
    assert_non_null(taken);
    assert_true(w.pending[1]->p > taken);
    net_reply_none(w.pending[1]);
    net_message_release(w.pending[1]);
    mem_free(taken);
    env_sock_close(s);
    world_close(&w);
}
