/* Shares: what one client may take from the others, of memory, of the log and of the loop. */
#include "net/net.h"
#include "net/net_int.h"
#include "test.h"
#include "world.h"

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

TEST(net_a_turn_is_shared_by_the_busy)
{
    /* One alone takes 2 MiB in a turn, some share that, and each of many still gets 256 KiB. Who is
     * connected and asks for nothing counts for nothing, and busy is soon over. */
    static const struct {
        size_t busy, kib;
    } cases[] = {{1, 2048}, {2, 1024}, {5, 409}, {8, 256}, {9, 256}, {30, 256}, {1, 2048}};
    struct net_config cfg = {.max_connections = 40,
                             .request_memory_bytes = 4u * 1024 * 1024,
                             .send_queue_bytes = 1024 * 1024,
                             .idle_ms = 60000,
                             .stall_ms = 5000};
    struct world w;
    world_open(&w, &cfg);
    struct env_sock *s[30];
    uint8_t small[16];
    const size_t n = make_message(small, 4, 1);
    for (size_t i = 0; i < 30; i++) {
        s[i] = dial(&w);
    }
    assert_int_equal(conn_turn_bytes(w.net) / 1024, 2048);
    for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
        env_sim_advance_ns(w.env, 300000000); /* longer than anybody stays busy */
        for (size_t i = 0; i < cases[k].busy; i++) {
            send_all(&w, s[i], small, n);
            send_all(&w, s[i], small, n); /* once or often: busy is busy */
        }
        turns(&w, 3);
        assert_int_equal(conn_turn_bytes(w.net) / 1024, cases[k].kib);
        for (size_t i = 0; i < cases[k].busy; i++) {
            uint8_t in[16];
            assert_true(receive(&w, s[i], in, 2 * n));
        }
    }
    for (size_t i = 0; i < 30; i++) {
        env_sock_close(s[i]);
    }
    turns(&w, 3);
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
                                             .opened = echo_opened,
                                             .measure = echo_measure,
                                             .message = on_slow_message,
                                             .closed = echo_closed};
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
