/* See world.h. */
#include "world.h"

static void free_copy(void *ctx)
{
    mem_free(ctx);
}

void answer(struct net_message *m)
{
    uint8_t *copy = mem_alloc(m->n);
    memcpy(copy, m->p, m->n);
    struct iovec iov = {copy, m->n};
    net_reply(m, &iov, 1, free_copy, copy);
    net_message_release(m);
}

void *echo_opened(void *ctx, struct net_conn *c)
{
    struct world *w = ctx;
    (void)c;
    w->opened++;
    return w;
}

enum err echo_measure(void *state, const uint8_t *p, size_t n, size_t *total, struct ectx *ec)
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

void echo_message(void *state, struct net_message *m)
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

void echo_closed(void *state)
{
    struct world *w = state;
    w->closed++;
}

const struct net_protocol ECHO = {.name = "echo",
                                  .opened = echo_opened,
                                  .measure = echo_measure,
                                  .message = echo_message,
                                  .closed = echo_closed};

void world_open(struct world *w, const struct net_config *cfg)
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

void turn(struct world *w)
{
    env_poll_run(w->poll, 1000000);
    net_timers_run(w->net, env_mono_ns(w->env));
    net_flush(w->net);
}

void turns(struct world *w, int n)
{
    while (n-- > 0) {
        turn(w);
    }
}

void world_close(struct world *w)
{
    net_destroy(w->net);
    metrics_destroy(w->metrics);
    env_poll_destroy(w->poll);
    env_destroy(w->env);
}

struct env_sock *dial(struct world *w)
{
    struct env_sock *s = NULL;
    assert_int_equal(env_connect(w->env, &w->addr, &s, NULL), ERR_OK);
    turns(w, 3);
    return s;
}

void send_all(struct world *w, struct env_sock *s, const uint8_t *p, size_t n)
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

bool receive(struct world *w, struct env_sock *s, uint8_t *p, size_t n)
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

size_t make_message(uint8_t *out, size_t body, uint8_t fill)
{
    put_be32(out, (uint32_t)body);
    memset(out + 4, fill, body);
    return body + 4;
}
