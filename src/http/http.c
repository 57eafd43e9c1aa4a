/* The http room's face: creation, listeners, and the way of a request from net to its handler. */
#include "http/http.h"

#include <string.h>

#include "core/check.h"
#include "core/mem.h"
#include "http/http_int.h"

MUST_USE enum err http_create(struct env *env, struct net *net, struct metrics *metrics,
                              uint32_t body_max_bytes, struct http **out)
{
    struct http *h = mem_new(struct http);
    if (h == NULL) {
        return ERR_NO_MEMORY;
    }
    h->env = env;
    h->net = net;
    h->metrics = metrics;
    h->body_max_bytes = body_max_bytes;
    h->duration = metrics_histogram(metrics, "leat_http_request_seconds",
                                    "Time from an HTTP request's last byte to its reply.", NULL);
    list_init(&h->listeners);
    *out = h;
    return ERR_OK;
}

void http_destroy(struct http *h)
{
    if (h == NULL) {
        return;
    }
    struct list *l;
    while ((l = list_pop_front(&h->listeners)) != NULL) {
        mem_free(CONTAINER_OF(l, struct http_listener, link));
    }
    mem_free(h);
}

MUST_USE enum err http_routes_add(struct http *h, const struct http_route *routes, size_t count,
                                  void *ctx)
{
    if (h->set_count == HTTP_ROUTE_SETS_MAX) {
        return ERR_LIMIT;
    }
    h->sets[h->set_count++] = (struct http_route_set){routes, count, ctx};
    return ERR_OK;
}

static void *on_opened(void *ctx, struct net_conn *conn)
{
    struct http_listener *l = ctx;
    struct http_conn *c = mem_new(struct http_conn);
    if (c != NULL) {
        c->http = l->http;
        c->listener = l;
        c->conn = conn;
    }
    return c;
}

static void on_closed(void *state)
{
    mem_free(state);
}

/* A name that only a program on this machine can have meant (with or without a port). */
static bool is_loopback_host(struct str host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = strlen(names[i]);
        if (host.n >= n && strncasecmp(host.p, names[i], n) == 0 &&
            (host.n == n || host.p[n] == ':')) {
            return true;
        }
    }
    return false;
}

static void check_host(struct http_exchange *x, const struct http_listener *l)
{
    struct str host = http_header_get(&x->request, "Host");
    if (x->status == 0 && l->loopback && !str_is_null(host) && !is_loopback_host(host)) {
        x->status = 421;
        IGNORE(ectx_fail(&x->ec, ERR_INVALID_REQUEST,
                         "this listener is on loopback and does not answer for host '%.*s'",
                         STR(host)));
    }
}

static void on_message(void *state, struct net_message *m)
{
    struct http_conn *c = state;
    struct http_exchange *x = mem_new(struct http_exchange);
    if (x != NULL) {
        x->http = c->http;
        x->message = m;
        x->started_ns = m->received_ns;
        x->request.internal = x;
        arena_init(&x->arena, HTTP_REQUEST_ARENA_BYTES + 4 * (size_t)c->http->body_max_bytes);
        x->request.arena = &x->arena;
    }
    if (x != NULL && c->refused_status != 0) {
        x->status = c->refused_status;
        http_problem(&x->request, c->refusal.code, &c->refusal); /* closes: keep_alive is false */
        return;
    }
    if (x == NULL || !http_parse(x, m->p, m->n)) {
        struct net_conn *conn = m->conn;
        if (x != NULL) {
            arena_deinit(&x->arena);
            mem_free(x);
        }
        net_reply_none(m);
        net_message_release(m);
        if (conn != NULL) {
            net_conn_close(conn, true, "out of memory for an HTTP request");
        }
        return;
    }
    check_host(x, c->listener);
    if (x->status != 0) {
        x->keep_alive = false;
        http_problem(&x->request, x->ec.code, &x->ec);
        return;
    }
    http_dispatch(x);
}

static const struct net_protocol HTTP_PROTOCOL = {.name = "http",
                                                  .opened = on_opened,
                                                  .measure = http_measure,
                                                  .message = on_message,
                                                  .closed = on_closed};

MUST_USE enum err http_listen(struct http *h, const struct env_addr *addr, struct env_addr *bound,
                              struct ectx *ec)
{
    struct http_listener *l = mem_new(struct http_listener);
    if (l == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "could not listen for HTTP: out of memory");
    }
    l->http = h;
    struct net_listener *nl = NULL;
    enum err e = net_listen(h->net, addr, &HTTP_PROTOCOL, l, &nl, ec);
    if (e == ERR_OK) {
        e = net_listener_addr(nl, bound);
    }
    if (e != ERR_OK) {
        mem_free(l);
        return e;
    }
    l->loopback = env_addr_is_loopback(bound);
    list_push_back(&h->listeners, &l->link);
    return ERR_OK;
}
