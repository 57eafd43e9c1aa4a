/* The network inside the simulation: a server on a poll and clients of the same world. */
#include "sim_test.h"

#define MESSAGE 300000u

struct server {
    struct env *env;
    struct env_poll *poll;
    struct env_sock *listener;
    struct env_sock *conn[8];
    size_t conns, closed;
    uint8_t kept[8][4096]; /* bytes to be sent back */
    size_t kept_n[8];
};
struct conn {
    struct server *s;
    size_t i;
};

/* An echo server: reads when it has nothing to send, sends what it read. */
static void on_conn(void *ctx, unsigned events)
{
    struct conn *c = ctx;
    struct server *s = c->s;
    struct env_sock *sock = s->conn[c->i];
    uint8_t *kept = s->kept[c->i];
    size_t *n = &s->kept_n[c->i];
    if ((events & ENV_POLL_IN) != 0 && *n == 0) {
        enum err e = env_recv(sock, kept, sizeof(s->kept[0]), n);
        assert_true(e == ERR_OK || e == ERR_AGAIN);
        if (e == ERR_OK && *n == 0) {
            env_poll_remove(s->poll, sock);
            env_sock_close(sock);
            s->conn[c->i] = NULL;
            s->closed++;
            return;
        }
    }
    if (*n > 0) {
        size_t sent = 0;
        struct iovec iov[2] = {{kept, *n / 2}, {kept + *n / 2, *n - *n / 2}};
        if (env_sendv(sock, iov, 2, &sent) == ERR_OK) {
            memmove(kept, kept + sent, *n - sent);
            *n -= sent;
        }
    }
    env_poll_change(s->poll, sock, *n > 0 ? ENV_POLL_OUT : ENV_POLL_IN);
}

static struct conn conns[8];

static void on_listener(void *ctx, unsigned events)
{
    struct server *s = ctx;
    assert_int_equal(events, ENV_POLL_IN);
    struct env_addr peer;
    size_t i = s->conns++;
    assert_int_equal(env_accept(s->listener, &s->conn[i], &peer, NULL), ERR_OK);
    conns[i] = (struct conn){.s = s, .i = i};
    assert_int_equal(env_poll_add(s->poll, s->conn[i], ENV_POLL_IN, on_conn, &conns[i], NULL),
                     ERR_OK);
}

static void server_start(struct server *s, struct env *env, struct env_addr *addr)
{
    *s = (struct server){.env = env};
    *addr = (struct env_addr){.host = "127.0.0.1", .port = 0};
    assert_int_equal(env_poll_create(env, &s->poll, NULL), ERR_OK);
    assert_int_equal(env_listen(env, addr, 4, &s->listener, NULL), ERR_OK);
    assert_int_equal(env_sock_local(s->listener, addr), ERR_OK);
    assert_int_not_equal(addr->port, 0);
    assert_int_equal(env_poll_add(s->poll, s->listener, ENV_POLL_IN, on_listener, s, NULL), ERR_OK);
}

static void server_stop(struct server *s)
{
    for (size_t i = 0; i < s->conns; i++) {
        env_sock_close(s->conn[i]);
    }
    env_sock_close(s->listener);
    env_poll_destroy(s->poll);
}

/* Sends MESSAGE bytes and reads them back; the counts say whether it met short calls and full
 * buffers. */
static void echo(struct server *s, struct env_sock *client, size_t *short_sends, size_t *full)
{
    static uint8_t out[MESSAGE], in[MESSAGE];
    for (size_t i = 0; i < MESSAGE; i++) {
        out[i] = (uint8_t)(i * 7 + i / 251);
    }
    size_t sent = 0, got = 0;
    while (got < MESSAGE) {
        size_t n = 0;
        struct iovec iov = {out + sent, MESSAGE - sent};
        enum err e = sent < MESSAGE ? env_sendv(client, &iov, 1, &n) : ERR_AGAIN;
        if (e == ERR_OK) {
            *short_sends += n < MESSAGE - sent;
            sent += n;
        } else {
            assert_int_equal(e, ERR_AGAIN);
            *full += sent < MESSAGE;
        }
        env_poll_run(s->poll, 0);
        e = env_recv(client, in + got, MESSAGE - got, &n);
        if (e == ERR_OK) {
            assert_true(n > 0);
            got += n;
        }
    }
    assert_memory_equal(out, in, MESSAGE);
}

TEST(sim_net_carries_bytes_in_order_through_short_calls)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct env *env = sim_new(seed);
        struct server s;
        struct env_addr addr;
        server_start(&s, env, &addr);
        struct env_sock *client = NULL;
        assert_int_equal(env_connect(env, &addr, &client, NULL), ERR_OK);
        size_t short_sends = 0, full = 0;
        echo(&s, client, &short_sends, &full);
        assert_true(short_sends > 0);
        assert_int_equal(env_open_files(env), 3);
        env_sock_close(client);
        while (s.closed == 0) {
            assert_true(env_poll_run(s.poll, 0) > 0);
        }
        server_stop(&s);
        assert_int_equal(env_open_files(env), 0);
        env_destroy(env);
    }
}

TEST(sim_net_buffers_are_bounded)
{
    struct env *env = sim_new(1);
    struct server s;
    struct env_addr addr;
    server_start(&s, env, &addr);
    struct env_sock *client = NULL;
    assert_int_equal(env_connect(env, &addr, &client, NULL), ERR_OK);
    static uint8_t out[MESSAGE];
    size_t total = 0, n = 0;
    struct iovec iov = {out, MESSAGE};
    while (env_sendv(client, &iov, 1, &n) == ERR_OK) {
        total += n;
        assert_true(total <= MESSAGE);
    }
    assert_int_equal(total, 65536);
    env_sock_close(client);
    server_stop(&s); /* with the connection still in its queue */
    env_destroy(env);
}

TEST(sim_net_refuses_and_closes_like_tcp)
{
    struct env *env = sim_new(2);
    struct server s;
    struct env_addr addr;
    struct env_sock *a = NULL, *b = NULL, *more[4] = {0};
    assert_int_not_equal(
        env_connect(env, &(struct env_addr){.host = "127.0.0.1", .port = 9}, &a, NULL), ERR_OK);
    server_start(&s, env, &addr);
    assert_int_equal(env_listen(env, &addr, 1, &b, NULL), ERR_ADDRESS_IN_USE);
    assert_int_equal(env_accept(s.listener, &b, NULL, NULL), ERR_AGAIN);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(env_connect(env, &addr, &more[i], NULL), ERR_OK);
    }
    assert_int_not_equal(env_connect(env, &addr, &a, NULL), ERR_OK); /* the queue is full */
    assert_int_equal(env_accept(s.listener, &b, NULL, NULL), ERR_OK);
    size_t n = 7;
    uint8_t byte = 'x';
    assert_int_equal(env_recv(b, &byte, 1, &n), ERR_AGAIN);
    struct iovec iov = {&byte, 1};
    assert_int_equal(env_sendv(more[0], &iov, 1, &n), ERR_OK);
    env_sock_close(more[0]);
    assert_int_equal(env_recv(b, &byte, 1, &n), ERR_OK);
    assert_int_equal(n, 1); /* what was sent before the close is still there */
    assert_int_equal(env_recv(b, &byte, 1, &n), ERR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(env_sendv(b, &iov, 1, &n), ERR_CLOSED);
    env_sock_close(b);
    server_stop(&s);
    assert_int_equal(env_recv(more[1], &byte, 1, &n), ERR_OK); /* never accepted: the end */
    assert_int_equal(n, 0);
    for (int i = 1; i < 4; i++) {
        env_sock_close(more[i]);
    }
    env_destroy(env);
}

TEST(sim_net_who_sends_no_more_still_receives)
{
    struct env *env = sim_new(4);
    struct server s;
    struct env_addr addr;
    struct env_sock *a = NULL, *b = NULL;
    uint8_t byte = 'x';
    size_t n = 7;
    struct iovec iov = {&byte, 1};
    server_start(&s, env, &addr);
    assert_int_equal(env_connect(env, &addr, &a, NULL), ERR_OK);
    assert_int_equal(env_accept(s.listener, &b, NULL, NULL), ERR_OK);
    assert_int_equal(env_sendv(b, &iov, 1, &n), ERR_OK);
    assert_int_equal(env_sock_shut(b), ERR_OK);
    assert_int_equal(env_sendv(b, &iov, 1, &n), ERR_CLOSED);
    assert_int_equal(env_recv(a, &byte, 1, &n), ERR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(env_recv(a, &byte, 1, &n), ERR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(env_sendv(a, &iov, 1, &n), ERR_OK);
    assert_int_equal(env_recv(b, &byte, 1, &n), ERR_OK);
    assert_int_equal(n, 1);
    env_sock_close(a);
    assert_int_equal(env_sock_shut(b), ERR_CLOSED);
    env_sock_close(b);
    server_stop(&s);
    env_destroy(env);
}

TEST(sim_net_accept_without_descriptors_leaves_the_queue)
{
    struct env *env = sim_new(3);
    struct server s;
    struct env_addr addr;
    server_start(&s, env, &addr);
    struct env_sock *client = NULL, *b = NULL;
    assert_int_equal(env_connect(env, &addr, &client, NULL), ERR_OK);
    env_sim_set_open_files_limit(env, 2);
    assert_int_equal(env_accept(s.listener, &b, NULL, NULL), ERR_NO_DESCRIPTORS);
    env_sim_set_open_files_limit(env, 3);
    assert_int_equal(env_accept(s.listener, &b, NULL, NULL), ERR_OK);
    env_sock_close(b);
    env_sock_close(client);
    server_stop(&s);
    env_destroy(env);
}

TEST(sim_net_dies_with_the_process)
{
    struct env *env = sim_new(4);
    struct server s;
    struct env_addr addr;
    server_start(&s, env, &addr);
    struct env_sock *client = NULL, *again = NULL;
    assert_int_equal(env_connect(env, &addr, &client, NULL), ERR_OK);
    env_sim_process_kill(env);
    size_t n = 0;
    uint8_t byte;
    assert_int_equal(env_recv(client, &byte, 1, &n), ERR_STOPPED);
    assert_int_equal(env_poll_run(s.poll, 10), 0);
    assert_int_equal(env_listen(env, &addr, 1, &again, NULL), ERR_OK); /* the port is free */
    env_sock_close(again);
    env_sock_close(client);
    server_stop(&s);
    env_destroy(env);
}
