/*
 * The net room's face: creation, listeners, accepting, the sweep for slow and idle peers, shutting
 * down.
 */
#include "net/net.h"

#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "net/net_int.h"

#define NET_BACKLOG        1024
#define NET_ACCEPTS_A_TURN 64
/* Each connection is looked at once in NET_SWEEP_NS, some of them in each step: fifty thousand at
 * once would hold up the others for milliseconds. */
#define NET_SWEEP_NS      1000000000ull
#define NET_SWEEP_STEP_NS 50000000ull
/* Starved connections that are looked at whenever memory was given back. */
#define NET_FEED_AT_ONCE 8
/* Without descriptors, waiting connections stay in the kernel's queue and we look again after this.
 */
#define NET_ACCEPT_RETRY_NS 100000000ull
#define NET_TELL_NS         1000000000ull

static void set_accepting(struct net *n, bool on)
{
    n->accepting = on;
    LIST_FOR_EACH (l, next, &n->listeners) {
        struct net_listener *li = CONTAINER_OF(l, struct net_listener, link);
        if (li->polled) {
            env_poll_change(n->poll, li->sock, on ? ENV_POLL_IN : 0u);
        }
    }
}

static void on_accept_retry(struct net_timer *t)
{
    set_accepting(CONTAINER_OF(t, struct net, accept_retry), true);
}

static void on_sweep(struct net_timer *t)
{
    struct net *n = CONTAINER_OF(t, struct net, sweep);
    uint64_t now = env_mono_ns(n->env);
    uint64_t share = now - n->swept_ns < NET_SWEEP_NS ? now - n->swept_ns : NET_SWEEP_NS;
    uint64_t count = (n->conn_count * share + NET_SWEEP_NS - 1) / NET_SWEEP_NS;
    n->swept_ns = now;
    while (count-- > 0 && !list_empty(&n->conns)) {
        struct list *l = list_pop_front(&n->conns);
        list_push_back(&n->conns, l);
        conn_sweep(CONTAINER_OF(l, struct net_conn, link), now);
    }
    if (now - n->trimmed_ns >= NET_SWEEP_NS) {
        n->trimmed_ns = now;
        net_inbufs_trim(&n->inbufs);
    }
    IGNORE(
        net_timer_set(n, &n->sweep, now + NET_SWEEP_STEP_NS)); /* its place in the heap is there */
}

/* Once a second: clients that cannot connect try again and again. The metric counts all. */
static void tell_refused(struct net_listener *l, const struct env_addr *peer)
{
    struct net *n = l->net;
    uint64_t now = env_mono_ns(n->env);
    if (n->refused_told_ns != 0 && now - n->refused_told_ns < NET_TELL_NS) {
        return;
    }
    n->refused_told_ns = now;
    LOG_WARN("connection.refused", KV_Z("protocol", l->protocol->name), KV_Z("peer", peer->host),
             KV_Z("reason", "as many connections are open as are allowed"),
             KV_U64("limit", n->cfg.max_connections));
}

static void on_accept(void *ctx, unsigned events)
{
    struct net_listener *l = ctx;
    struct net *n = l->net;
    (void)events;
    for (int i = 0; i < NET_ACCEPTS_A_TURN; i++) {
        struct env_sock *sock = NULL;
        struct env_addr peer;
        struct ectx ec = {0};
        enum err e = env_accept(l->sock, &sock, &peer, &ec);
        if (e == ERR_AGAIN) {
            return;
        }
        if (e != ERR_OK) {
            metric_add(l->refused, 1);
            LOG_WARN("connection.accept_failed", KV_Z("protocol", l->protocol->name), KV_ERR(&ec));
            set_accepting(n, false);
            IGNORE(net_timer_set(n, &n->accept_retry, env_mono_ns(n->env) + NET_ACCEPT_RETRY_NS));
            return;
        }
        if (n->conn_count >= n->cfg.max_connections) {
            metric_add(l->refused, 1);
            tell_refused(l, &peer);
            env_sock_close(sock);
            continue;
        }
        metric_add(l->accepted, 1);
        conn_create(l, sock, &peer);
    }
}

MUST_USE enum err net_create(struct env *env, struct env_poll *poll, const struct net_config *cfg,
                             struct metrics *metrics, struct net **out, struct ectx *ec)
{
    struct net *n = mem_new(struct net);
    if (n == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not set up connections: out of memory");
    }
    n->env = env;
    n->poll = poll;
    n->cfg = *cfg;
    n->metrics = metrics;
    n->accepting = true;
    n->turn = n->window = 1; /* 0 is a connection that has done nothing yet */
    struct list *const heads[] = {&n->listeners, &n->conns,  &n->dirty,      &n->starved,
                                  &n->resume,    &n->graves, &n->slots_free, &n->notify};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        list_init(heads[i]);
    }
    net_inbufs_init(&n->inbufs, cfg->pool);
    net_timers_init(n);
    heap_node_init(&n->sweep.node);
    heap_node_init(&n->accept_retry.node);
    n->sweep.fn = on_sweep;
    n->accept_retry.fn = on_accept_retry;
    n->bytes_in = metrics_counter(metrics, "leat_net_received_bytes_total",
                                  "Bytes received on all connections.", NULL);
    n->bytes_out = metrics_counter(metrics, "leat_net_sent_bytes_total",
                                   "Bytes sent on all connections.", NULL);
    const char *closed = "leat_connections_closed_total";
    const char *help = "Connections that the server closed, by reason.";
    n->closed_stalled = metrics_counter(metrics, closed, help, "reason=\"stalled\"");
    n->closed_idle = metrics_counter(metrics, closed, help, "reason=\"idle\"");
    n->closed_malformed = metrics_counter(metrics, closed, help, "reason=\"malformed\"");
    n->swept_ns = n->trimmed_ns = env_mono_ns(env);
    if (net_timer_set(n, &n->sweep, n->swept_ns + NET_SWEEP_STEP_NS) != ERR_OK) {
        net_destroy(n);
        return ectx_fail(ec, ERR_NO_MEMORY, "could not set up connections: out of memory");
    }
    *out = n;
    return ERR_OK;
}

void net_destroy(struct net *n)
{
    if (n == NULL) {
        return;
    }
    net_stop_accepting(n);
    LIST_FOR_EACH (l, next, &n->conns) {
        conn_destroy(CONTAINER_OF(l, struct net_conn, link));
    }
    net_notify(n); /* nobody else will */
    net_flush(n);
    struct list *l;
    while ((l = list_pop_front(&n->listeners)) != NULL) {
        mem_free(CONTAINER_OF(l, struct net_listener, link));
    }
    while ((l = list_pop_front(&n->slots_free)) != NULL) {
        mem_free(CONTAINER_OF(l, struct net_slot, m.link));
    }
    n->destroyed = true;
    if (n->slots_out == 0) {
        net_free(n);
    }
}

void net_free(struct net *n)
{
    net_inbufs_deinit(&n->inbufs);
    heap_deinit(&n->timers);
    mem_free(n);
}

static struct metric *listener_metric(struct net *n, const char *name, const char *help,
                                      const char *protocol, bool gauge)
{
    struct buf b;
    buf_init(&b, 256);
    metrics_label(&b, "protocol", str_of(protocol));
    buf_put_u8(&b, 0);
    const char *labels = buf_failed(&b) ? NULL : (const char *)b.p;
    struct metric *m = gauge ? metrics_gauge(n->metrics, name, help, labels)
                             : metrics_counter(n->metrics, name, help, labels);
    buf_deinit(&b);
    return m;
}

MUST_USE enum err net_listen(struct net *n, const struct env_addr *addr,
                             const struct net_protocol *protocol, void *ctx,
                             struct net_listener **out, struct ectx *ec)
{
    struct net_listener *l = mem_new(struct net_listener);
    if (l == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not listen: out of memory");
    }
    l->net = n;
    l->protocol = protocol;
    l->ctx = ctx;
    l->open_gauge =
        listener_metric(n, "leat_connections", "Open connections.", protocol->name, true);
    l->accepted = listener_metric(n, "leat_connections_accepted_total", "Connections accepted.",
                                  protocol->name, false);
    l->refused = listener_metric(n, "leat_connections_refused_total",
                                 "Connections refused: limit reached or no descriptors.",
                                 protocol->name, false);
    enum err e = env_listen(n->env, addr, NET_BACKLOG, &l->sock, ec);
    if (e != ERR_OK) {
        mem_free(l);
        return e;
    }
    e = env_poll_add(n->poll, l->sock, ENV_POLL_IN, on_accept, l, ec);
    if (e != ERR_OK) {
        env_sock_close(l->sock);
        mem_free(l);
        return e;
    }
    l->polled = true;
    list_push_back(&n->listeners, &l->link);
    *out = l;
    return ERR_OK;
}

MUST_USE enum err net_listener_addr(struct net_listener *l, struct env_addr *out)
{
    return env_sock_local(l->sock, out);
}

void net_stop_accepting(struct net *n)
{
    net_timer_cancel(n, &n->accept_retry);
    LIST_FOR_EACH (l, next, &n->listeners) {
        struct net_listener *li = CONTAINER_OF(l, struct net_listener, link);
        if (li->polled) {
            env_poll_remove(n->poll, li->sock);
            env_sock_close(li->sock);
            li->polled = false;
        }
    }
}

bool net_drain(struct net *n)
{
    LIST_FOR_EACH (l, next, &n->conns) {
        struct net_conn *c = CONTAINER_OF(l, struct net_conn, link);
        conn_streams_cut(c);
        if (c->linger_since_ns != 0) {
            conn_destroy(c);
        } else if (!c->closing) {
            net_conn_close(c, false, "");
        }
    }
    net_flush(n);
    return list_empty(&n->conns);
}

uint32_t net_take_active(struct net *n)
{
    uint32_t active = n->active;
    n->active = 0;
    n->turn++;
    return active;
}

static void on_resume(void *ctx)
{
    struct net *n = ctx;
    struct list now;
    n->resume_posted = false;
    if (list_empty(&n->resume)) {
        return;
    }
    /* Only those that wait now: one that comes back meanwhile has its turn next time. */
    now = n->resume;
    now.next->prev = &now;
    now.prev->next = &now;
    list_init(&n->resume);
    struct list *l;
    while ((l = list_pop_front(&now)) != NULL) {
        conn_read(CONTAINER_OF(l, struct net_conn, resume_link));
    }
}

void net_resume_soon(struct net_conn *c)
{
    struct net *n = c->net;
    if (!list_empty(&c->resume_link)) {
        return;
    }
    list_push_back(&n->resume, &c->resume_link);
    if (!n->resume_posted) {
        n->resume_posted = true;
        env_poll_post(n->poll, on_resume, n);
    }
}

void net_memory_freed(struct net *n)
{
    for (int i = 0; i < NET_FEED_AT_ONCE && !list_empty(&n->starved); i++) {
        struct list *l = list_pop_front(&n->starved);
        list_push_back(&n->starved,
                       l); /* the others have their turn before it is looked at again */
        conn_feed(CONTAINER_OF(l, struct net_conn, starved_link));
    }
}
