/*
 * The simulated network: connections between sockets of one world. A byte sent is in the peer's
 * buffer at once; how many are taken by a call is drawn from the seed, so that every caller meets
 * short reads and writes. Closing is seen as on TCP: the peer reads what is there, then the end;
 * its sends fail.
 */
#include <errno.h>
#include <string.h>

#include "core/check.h"
#include "core/mem.h"
#include "env/sim_int.h"

/* What one direction of a connection holds. Small, so that a sender meets a full one soon. */
#define SIM_SOCK_BUFFER 65536u

struct sim_sock {
    struct env_sock base;
    struct sim *w;
    uint64_t generation;
    struct env_poll *poll;
    struct env_addr local, remote;

    bool listening;
    struct list link;    /* listener: of sim.listeners; connection not yet accepted: of its queue */
    struct list waiting; /* listener */
    size_t waiting_n, backlog;

    struct sim_sock *peer; /* NULL: closed */
    bool shut;             /* sends no more */
    uint8_t *in;           /* received and not read: in_n bytes */
    size_t in_n, in_cap;
};

static struct sim_sock *sock_of(struct env_sock *s)
{
    return CONTAINER_OF(s, struct sim_sock, base);
}

static const struct sim_sock *sock_of_const(const struct env_sock *s)
{
    return (const struct sim_sock *)(const void *)s;
}

static bool sock_void(const struct sim_sock *s)
{
    return s->w->is_cut || s->generation != s->w->generation;
}

struct env_poll *sim_sock_poll(const struct env_sock *s)
{
    return sock_of_const(s)->poll;
}

void sim_sock_set_poll(struct env_sock *s, struct env_poll *p)
{
    sock_of(s)->poll = p;
}

static struct sim_sock *sock_new(struct sim *w)
{
    struct sim_sock *s = mem_new(struct sim_sock);
    if (s != NULL) {
        s->base.ops = &sim_ops;
        s->w = w;
        s->generation = w->generation;
        list_init(&s->link);
        list_init(&s->waiting);
    }
    return s;
}

static struct sim_sock *listener_at(struct sim *w, const struct env_addr *addr)
{
    LIST_FOR_EACH (l, tmp, &w->listeners) {
        struct sim_sock *s = CONTAINER_OF(l, struct sim_sock, link);
        bool any = strcmp(s->local.host, "0.0.0.0") == 0 || strcmp(s->local.host, "::") == 0;
        if (s->local.port == addr->port && (any || strcmp(s->local.host, addr->host) == 0)) {
            return s;
        }
    }
    return NULL;
}

/* "localhost" is the only name that is known here. */
static struct env_addr resolve(const struct env_addr *addr)
{
    struct env_addr a = *addr;
    if (strcmp(a.host, "localhost") == 0) {
        memcpy(a.host, "127.0.0.1", sizeof("127.0.0.1"));
    }
    return a;
}

static uint16_t free_port(struct sim *w)
{
    uint16_t port = w->next_port++;
    if (w->next_port == 0) {
        w->next_port = 32768;
    }
    return port;
}

static enum err descriptor(struct sim *w, const char *verb, struct ectx *ec)
{
    enum err e = sim_alive(w, w->generation, verb, ec);
    if (e != ERR_OK) {
        return e;
    }
    if (w->open_files >= w->open_files_limit) {
        return ectx_fail(ec, ERR_NO_DESCRIPTORS, "could not %s: no descriptors left", verb);
    }
    return ERR_OK;
}

enum err sim_listen(struct env *env, const struct env_addr *addr, int backlog,
                    struct env_sock **out, struct ectx *ec)
{
    struct sim *w = sim_of(env);
    enum err e = descriptor(w, "listen", ec);
    if (e != ERR_OK) {
        return e;
    }
    struct env_addr local = resolve(addr);
    if (local.port != 0 && listener_at(w, &local) != NULL) {
        return ectx_fail(ec, ERR_ADDRESS_IN_USE, "could not listen on %s:%u: address in use",
                         local.host, local.port);
    }
    struct sim_sock *s = sock_new(w);
    if (s == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not listen: out of memory");
    }
    while (local.port == 0 || listener_at(w, &local) != NULL) {
        local.port = free_port(w);
    }
    s->listening = true;
    s->local = local;
    s->backlog = backlog < 1 ? 1 : (size_t)backlog;
    list_push_back(&w->listeners, &s->link);
    w->open_files++;
    *out = &s->base;
    return ERR_OK;
}

enum err sim_connect(struct env *env, const struct env_addr *addr, struct env_sock **out,
                     struct ectx *ec)
{
    struct sim *w = sim_of(env);
    enum err e = descriptor(w, "connect", ec);
    if (e != ERR_OK) {
        return e;
    }
    struct env_addr remote = resolve(addr);
    struct sim_sock *listener = listener_at(w, &remote);
    if (listener == NULL || listener->waiting_n >= listener->backlog) {
        return ectx_fail(ec, err_of_errno(ECONNREFUSED), "could not connect to %s:%u: %s",
                         remote.host, remote.port,
                         listener == NULL ? "nobody listens there" : "its queue is full");
    }
    struct sim_sock *near = sock_new(w);
    struct sim_sock *far = near == NULL ? NULL : sock_new(w);
    if (far == NULL) {
        mem_free(near);
        return ectx_fail(ec, ERR_NO_MEMORY, "could not connect: out of memory");
    }
    near->remote = far->local = remote;
    memcpy(near->local.host, "127.0.0.1", sizeof("127.0.0.1"));
    near->local.port = free_port(w);
    far->remote = near->local;
    near->peer = far;
    far->peer = near;
    list_push_back(&listener->waiting, &far->link);
    listener->waiting_n++;
    w->open_files++;
    sim_event(w, "connect", remote.port, 0);
    *out = &near->base;
    return ERR_OK;
}

enum err sim_accept(struct env_sock *base, struct env_sock **out, struct env_addr *peer,
                    struct ectx *ec)
{
    struct sim_sock *listener = sock_of(base);
    struct sim *w = listener->w;
    enum err e = sim_alive(w, listener->generation, "accept", ec);
    if (e != ERR_OK) {
        return e;
    }
    if (list_empty(&listener->waiting)) {
        return ERR_AGAIN;
    }
    e = descriptor(w, "accept", ec);
    if (e != ERR_OK) {
        return e;
    }
    struct sim_sock *s = CONTAINER_OF(list_pop_front(&listener->waiting), struct sim_sock, link);
    listener->waiting_n--;
    w->open_files++;
    if (peer != NULL) {
        *peer = s->remote;
    }
    *out = &s->base;
    return ERR_OK;
}

/* ---- Bytes ---- */

/* Between 1 and n; all of them half of the time. */
static size_t some_of(struct sim *w, size_t n)
{
    return n <= 1 || sim_rng_chance(&w->rng_net, 1, 2) ? n
                                                       : 1 + (size_t)sim_rng_below(&w->rng_net, n);
}

enum err sim_recv(struct env_sock *base, void *p, size_t n, size_t *got)
{
    struct sim_sock *s = sock_of(base);
    if (sock_void(s)) {
        return ERR_STOPPED;
    }
    if (s->in_n == 0) {
        if (s->peer == NULL || s->peer->shut) {
            *got = 0;
            return ERR_OK;
        }
        return ERR_AGAIN;
    }
    size_t take = some_of(s->w, n < s->in_n ? n : s->in_n);
    memcpy(p, s->in, take);
    s->in_n -= take;
    memmove(s->in, s->in + take, s->in_n);
    sim_event(s->w, "recv", take, 0);
    *got = take;
    return ERR_OK;
}

static void in_append(struct sim_sock *s, const void *p, size_t n)
{
    if (s->in_n + n > s->in_cap) {
        size_t cap = s->in_cap == 0 ? 1024 : s->in_cap;
        while (cap < s->in_n + n) {
            cap *= 2;
        }
        s->in = sim_grow(s->in, s->in_cap, cap);
        s->in_cap = cap;
    }
    memcpy(s->in + s->in_n, p, n);
    s->in_n += n;
}

enum err sim_sendv(struct env_sock *base, const struct iovec *iov, int iov_count, size_t *sent)
{
    struct sim_sock *s = sock_of(base);
    if (sock_void(s)) {
        return ERR_STOPPED;
    }
    if (s->peer == NULL || s->shut) {
        return ERR_CLOSED;
    }
    size_t total = 0;
    for (int i = 0; i < iov_count; i++) {
        total += iov[i].iov_len;
    }
    size_t room = SIM_SOCK_BUFFER - s->peer->in_n;
    if (room == 0 && total > 0) {
        return ERR_AGAIN;
    }
    size_t left = some_of(s->w, total < room ? total : room);
    *sent = left;
    for (int i = 0; i < iov_count && left > 0; i++) {
        size_t take = iov[i].iov_len < left ? iov[i].iov_len : left;
        if (take > 0) {
            in_append(s->peer, iov[i].iov_base, take);
            left -= take;
        }
    }
    sim_event(s->w, "send", *sent, 0);
    return ERR_OK;
}

unsigned sim_sock_ready(const struct env_sock *base)
{
    const struct sim_sock *s = sock_of_const(base);
    if (sock_void(s)) {
        return 0;
    }
    if (s->listening) {
        return list_empty(&s->waiting) ? 0 : ENV_POLL_IN;
    }
    unsigned ready = 0;
    if (s->in_n > 0 || s->peer == NULL || s->peer->shut) {
        ready |= ENV_POLL_IN;
    }
    if (s->peer == NULL || s->peer->in_n < SIM_SOCK_BUFFER) {
        ready |= ENV_POLL_OUT;
    }
    return ready;
}

enum err sim_sock_local(struct env_sock *base, struct env_addr *out)
{
    const struct sim_sock *s = sock_of(base);
    if (sock_void(s)) {
        return ERR_STOPPED;
    }
    *out = s->local;
    return ERR_OK;
}

/* ---- Closing ---- */

static void sock_free(struct sim_sock *s)
{
    if (s->poll != NULL) {
        sim_poll_remove(s->poll, &s->base);
    }
    if (s->peer != NULL) {
        s->peer->peer = NULL;
    }
    list_remove(&s->link);
    sim_free(s->in);
    mem_free(s);
}

enum err sim_sock_shut(struct env_sock *base)
{
    struct sim_sock *s = sock_of(base);
    if (sock_void(s)) {
        return ERR_STOPPED;
    }
    if (s->peer == NULL) {
        return ERR_CLOSED;
    }
    s->shut = true;
    sim_event(s->w, "shut", 0, 0);
    return ERR_OK;
}

void sim_sock_close(struct env_sock *base)
{
    struct sim_sock *s = sock_of(base);
    LIST_FOR_EACH (l, tmp, &s->waiting) {
        sock_free(CONTAINER_OF(l, struct sim_sock, link));
    }
    if (s->generation == s->w->generation) {
        s->w->open_files--;
        sim_event(s->w, "close", 0, 0);
    }
    sock_free(s);
}

/* Listeners and connections are void by their generation; only the addresses have to become free.
 */
void sim_net_forget(struct sim *w)
{
    LIST_FOR_EACH (l, tmp, &w->listeners) {
        list_remove(l);
    }
}
