/* Replies in parts: their place among the other replies, shares, and what happens when they end. */
#include "net/net_int.h"
#include "world.h"

struct told {
    int room, closed;
    struct net_message *m;
};

static void on_room(void *ctx)
{
    struct told *t = ctx;
    t->room++;
}

static void on_closed(void *ctx)
{
    struct told *t = ctx;
    t->closed++;
    net_message_release(t->m);
}

static const struct net_stream_hooks HOOKS = {.room = on_room, .closed = on_closed};

/* Sends one message and begins a stream for it. */
static void begin(struct world *w, struct env_sock *s, struct told *t)
{
    uint8_t out[64];
    const size_t before = w->pending_count;
    w->hold = true;
    send_all(w, s, out, make_message(out, 8, 1));
    turns(w, 50);
    assert_int_equal(w->pending_count, before + 1);
    *t = (struct told){.m = w->pending[before]};
    assert_true(net_stream_begin(t->m, &HOOKS, t));
}

static bool put(struct told *t, const void *p, size_t n)
{
    const struct iovec iov = {(void *)(uintptr_t)p, n};
    return net_stream_put(t->m, &iov, 1);
}

TEST(net_parts_of_a_reply_stay_in_its_place)
{
    /* Two streams and a reply between them, given in the wrong order. */
    struct world w;
    struct told a = {0}, b = {0};
    uint8_t out[64], in[64];
    world_open(&w, NULL);
    struct env_sock *s = dial(&w);
    w.hold = true;
    for (uint8_t i = 0; i < 3; i++) {
        send_all(&w, s, out, make_message(out, 8, i));
    }
    turns(&w, 50);
    a.m = w.pending[0];
    b.m = w.pending[2];
    assert_true(net_stream_begin(b.m, &HOOKS, &b));
    assert_true(net_stream_begin(a.m, &HOOKS, &a));
    put(&b, "bb", 2);
    answer(w.pending[1]);
    put(&a, "a", 1);
    assert_true(receive(&w, s, in, 1));
    assert_int_equal(in[0], 'a');
    turns(&w, 10);
    put(&a, "AA", 2);
    net_stream_end(a.m);
    net_message_release(a.m);
    net_stream_end(b.m);
    net_message_release(b.m);
    assert_true(receive(&w, s, in, 2 + 12 + 2));
    assert_memory_equal(in, "AA", 2);
    assert_int_equal(in[2 + 4], 1);
    assert_memory_equal(in + 14, "bb", 2);
    assert_int_equal(a.closed + b.closed, 0);
    /* The connection goes on. */
    w.hold = false;
    send_all(&w, s, out, make_message(out, 8, 9));
    assert_true(receive(&w, s, in, 12));
    env_sock_close(s);
    world_close(&w);
}

TEST(net_streams_share_what_may_wait)
{
    /* The more is queued by all, the less one may queue before it is told to wait; never less than
     * 16 KiB. */
    const struct net_config cfg = {.max_connections = 100,
                                   .request_memory_bytes = 1u << 20,
                                   .send_queue_bytes = 256u * 1024,
                                   .idle_ms = 60000,
                                   .stall_ms = 5000};
    enum { COUNT = 60 };
    struct world w;
    static struct told told[COUNT];
    struct env_sock *socks[COUNT];
    static uint8_t bytes[4096];
    size_t first = 0, last = 0;
    world_open(&w, &cfg);
    for (int i = 0; i < COUNT; i++) {
        socks[i] = dial(&w);
        begin(&w, socks[i], &told[i]);
        for (int again = 0; again < 5; again++) { /* until the peer's buffers are full too */
            bool room = true;
            while (room && net_stream_queued(told[i].m) < 1u << 20) {
                room = put(&told[i], bytes, sizeof(bytes));
            }
            last = net_stream_queued(told[i].m);
            first = i == 0 && again == 0 ? last : first;
            turns(&w, 5);
        }
    }
    assert_in_range(first, 64 * 1024, 256 * 1024);
    assert_in_range(last, 16 * 1024, 21 * 1024);
    for (int i = 0; i < COUNT; i++) {
        env_sock_close(socks[i]);
    }
    turns(&w, 20);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(told[i].closed, 1);
    }
    assert_int_equal(w.net->send_bytes, 0);
    world_close(&w);
}

TEST(net_a_stream_for_a_peer_that_is_gone_is_closed_in_a_turn_of_its_own)
{
    struct world w;
    struct told t = {0};
    uint8_t out[64];
    world_open(&w, NULL);
    struct env_sock *s = dial(&w);
    w.hold = true;
    send_all(&w, s, out, make_message(out, 8, 1));
    turns(&w, 50);
    env_sock_close(s);
    turns(&w, 10);
    t.m = w.pending[0];
    assert_null(t.m->conn);
    assert_true(net_stream_begin(t.m, &HOOKS, &t));
    assert_int_equal(t.closed, 0);
    assert_false(put(&t, "x", 1));
    turns(&w, 3);
    assert_int_equal(t.closed, 1);
    world_close(&w);
}

TEST(net_a_stream_that_is_cut_is_closed_though_all_of_it_is_sent)
{
    struct world w;
    struct told t = {0};
    uint8_t in[64], out[64];
    world_open(&w, NULL);
    struct env_sock *s = dial(&w);
    begin(&w, s, &t);
    put(&t, "x", 1);
    net_stream_cut(t.m);
    assert_false(put(&t, "y", 1));
    net_flush(w.net); /* its bytes are out before anybody is told */
    assert_int_equal(t.closed, 0);
    turns(&w, 3);
    assert_int_equal(t.closed, 1);
    w.hold = false;
    send_all(&w, s, out, make_message(out, 8, 9));
    assert_true(receive(&w, s, in, 13));
    assert_int_equal(in[0], 'x');
    assert_int_equal(in[1 + 4], 9);
    env_sock_close(s);
    world_close(&w);
}

static void end(struct world *w, struct told *t)
{
    net_stream_end(t->m);
    net_stream_end(t->m); /* again does nothing */
    net_message_release(t->m);
    turns(w, 3);
    assert_int_equal(t->closed, 0);
    assert_int_equal(w->net->slots_out, 0);
}

TEST(net_a_stream_that_is_cut_may_end_before_it_is_told)
{
    /* Once it has ended nothing is told, and the message is nobody's any more: before its bytes are
     * out, after that, and when there is no connection. */
    struct world w;
    struct told t = {0};
    uint8_t in[64], out[64];
    world_open(&w, NULL);
    struct env_sock *s = dial(&w);
    for (int flushed = 0; flushed < 2; flushed++) {
        begin(&w, s, &t);
        put(&t, "x", 1);
        net_stream_cut(t.m);
        if (flushed > 0) {
            net_flush(w.net);
            assert_null(t.m->conn);
        }
        end(&w, &t);
        assert_true(receive(&w, s, in, 1));
    }
    w.hold = false;
    send_all(&w, s, out, make_message(out, 8, 9));
    assert_true(receive(&w, s, in, 12));
    w.hold = true;
    send_all(&w, s, out, make_message(out, 8, 1));
    turns(&w, 50);
    env_sock_close(s);
    turns(&w, 10);
    t = (struct told){.m = w.pending[w.pending_count - 1]};
    assert_null(t.m->conn);
    assert_true(net_stream_begin(t.m, &HOOKS, &t));
    end(&w, &t);
    world_close(&w);
}

TEST(net_the_end_of_all_closes_what_was_just_cut)
{
    struct world w;
    struct told t = {0};
    world_open(&w, NULL);
    struct env_sock *s = dial(&w);
    begin(&w, s, &t);
    net_stream_cut(t.m);
    net_flush(w.net);
    env_sock_close(s);
    world_close(&w);
    assert_int_equal(t.closed, 1);
}

TEST(net_what_is_said_between_replies_keeps_the_order)
{
    struct world w;
    uint8_t out[64], in[64];
    world_open(&w, NULL);
    struct env_sock *s = dial(&w);
    w.hold = true;
    send_all(&w, s, out, make_message(out, 8, 1));
    turns(&w, 50);
    assert_true(net_conn_say(w.pending[0]->conn, STR_LIT("go on")));
    turns(&w, 10);
    answer(w.pending[0]);
    assert_true(receive(&w, s, in, 12 + 5));
    assert_memory_equal(in + 12, "go on", 5);
    env_sock_close(s);
    world_close(&w);
}
