/* Connections that end while their peer still sends: its answer arrives, and the wait is bounded.
 */
#include "net/net_int.h"
#include "world.h"

/* A connection whose only message was answered, and that ends though more of it comes. */
static struct env_sock *refused(struct world *w)
{
    uint8_t out[64], in[12];
    struct env_sock *s = dial(w);
    const size_t before = w->pending_count;
    w->hold = true;
    send_all(w, s, out, make_message(out, 8, 1));
    turns(w, 50);
    assert_int_equal(w->pending_count, before + 1);
    struct net_message *m = w->pending[before];
    struct net_conn *c = m->conn;
    answer(m);
    net_conn_close_unread(c);
    turns(w, 50);
    assert_true(receive(w, s, in, 12));
    assert_false(receive(w, s, in, 1)); /* its end */
    return s;
}

/* How many bytes the server still takes of so many. */
static size_t send_more(struct world *w, struct env_sock *s, size_t n)
{
    static uint8_t more[64 * 1024];
    size_t done = 0;
    while (done < n) {
        struct iovec iov = {more, n - done < sizeof(more) ? n - done : sizeof(more)};
        size_t sent = 0;
        enum err e = env_sendv(s, &iov, 1, &sent);
        if (e != ERR_OK && e != ERR_AGAIN) {
            break;
        }
        done += e == ERR_OK ? sent : 0;
        turn(w);
    }
    return done;
}

TEST(net_what_comes_after_a_refusal_is_dropped)
{
    struct world w;
    world_open(&w, NULL);
    struct env_sock *s = refused(&w);
    assert_int_equal(send_more(&w, s, 1u << 20), 1u << 20);
    assert_int_equal(w.net->conn_count, 1);
    assert_int_equal(w.net->inbufs.used_bytes, 0);
    assert_int_equal(w.messages, 1);
    env_sock_close(s);
    turns(&w, 10);
    assert_int_equal(w.net->conn_count, 0);
    assert_int_equal(w.net->lingering, 0);
    world_close(&w);
}

TEST(net_what_comes_after_a_refusal_is_bounded)
{
    struct world w;
    world_open(&w, NULL);
    struct env_sock *s = refused(&w);
    assert_in_range(send_more(&w, s, 64u << 20), 32u << 20, 33u << 20);
    assert_int_equal(w.net->conn_count, 0);
    env_sock_close(s);
    /* ... in time, also when nothing comes or it comes slowly */
    s = refused(&w);
    size_t sent = 0;
    for (int i = 0; i < 40; i++) {
        sent += send_more(&w, s, 1);
        env_sim_advance_ns(w.env, 100000000);
        turns(&w, 3);
    }
    assert_in_range(sent, 15, 35);
    assert_int_equal(w.net->conn_count + w.net->lingering, 0);
    env_sock_close(s);
    world_close(&w);
}

TEST(net_so_many_connections_wait_for_their_peers_to_end)
{
    enum { COUNT = 80, MOST = 64 };
    const struct net_config cfg = {.max_connections = 100,
                                   .request_memory_bytes = 64u << 20,
                                   .send_queue_bytes = 4u << 20,
                                   .idle_ms = 60000,
                                   .stall_ms = 5000};
    struct world w;
    struct env_sock *s[COUNT];
    world_open(&w, &cfg);
    w.hold = true;
    for (int i = 0; i < COUNT; i++) {
        uint8_t out[64];
        s[i] = dial(&w);
        send_all(&w, s[i], out, make_message(out, 8, 1));
    }
    turns(&w, 100);
    assert_int_equal(w.pending_count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        struct net_conn *c = w.pending[i]->conn;
        answer(w.pending[i]);
        net_conn_close_unread(c);
    }
    turns(&w, 100);
    assert_int_equal(w.net->lingering, MOST);
    assert_int_equal(w.net->conn_count, MOST);
    assert_true(net_drain(w.net)); /* they do not hold up the end of the server */
    for (int i = 0; i < COUNT; i++) {
        env_sock_close(s[i]);
    }
    world_close(&w);
}
