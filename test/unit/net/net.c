/*
 * Connections over the simulated network: framing under any cut of the bytes, order of replies,
 * back-pressure, slow peers.
 */
#include "net/net.h"

#include "core/pool.h"
#include "net/net_int.h"
#include "test.h"
#include "world.h"

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
                                         .opened = echo_opened,
                                         .measure = echo_measure,
                                         .message = echo_message,
                                         .closed = echo_closed,
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
