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
    h->date_s = -1;
    h->duration = metrics_histogram(metrics, "leat_http_request_seconds",
                                    "Time from an HTTP request's last byte to its reply.", NULL);
    list_init(&h->listeners);
    list_init(&h->live);
    list_init(&h->spare);
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
    /* What nobody will answer any more: the log failed, or went down with the machine. */
    while (!list_empty(&h->live)) {
        struct http_exchange *x = CONTAINER_OF(h->live.next, struct http_exchange, link);
        struct net_message *m = x->message;
        http_exchange_put(x);
        net_reply_none(m);
        net_message_release(m);
    }
    while ((l = list_pop_front(&h->spare)) != NULL) {
        struct http_exchange *x = CONTAINER_OF(l, struct http_exchange, link);
        arena_deinit(&x->arena);
        mem_free(x);
    }
    mem_free(h->matchers);
    mem_free(h->origin_text);
    mem_free(h);
}

struct http_exchange *http_exchange_get(struct http *h)
{
    struct list *l = list_pop_front(&h->spare);
    struct http_exchange *x;
    if (l != NULL) {
        h->spare_count--;
        x = CONTAINER_OF(l, struct http_exchange, link);
        const struct arena arena = x->arena;
        memset(x, 0, offsetof(struct http_exchange, ec));
        x->arena = arena;
    } else {
        x = mem_alloc(sizeof(*x));
        if (x == NULL) {
            return NULL;
        }
        memset(x, 0, offsetof(struct http_exchange, ec));
        arena_init(&x->arena, HTTP_ARENA_BASE);
    }
    x->ec.code = ERR_OK;
    x->ec.text[0] = x->ec.hint[0] = '\0';
    list_init(&x->link);
    x->http = h;
    x->request.internal = x;
    x->request.arena = &x->arena;
    return x;
}

void http_exchange_put(struct http_exchange *x)
{
    struct http *h = x->http;
    mem_free(x->body_taken);
    mem_free(x->large_out);
    list_remove(&x->link);
    if (h->spare_count == HTTP_SPARE_MAX) {
        arena_deinit(&x->arena);
        mem_free(x);
        return;
    }
    arena_reset(&x->arena, HTTP_ARENA_KEEP);
    x->arena.budget = HTTP_ARENA_BASE;
    list_push_front(&h->spare, &x->link);
    h->spare_count++;
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
    struct http_conn *c = state;
    if (c->arriving != NULL) {
        http_exchange_put(c->arriving);
    }
    mem_free(c);
}

/* What only a program on this machine can have meant (with or without a port): localhost, or an
 * address of loopback as a literal, which no other site's name can stand for. */
static bool is_loopback_host(struct str host)
{
    struct env_addr a = {0};
    const bool v6 = host.n > 0 && host.p[0] == '[';
    const char *end = host.n == 0 ? NULL : memchr(host.p, v6 ? ']' : ':', host.n);
    const size_t at = end == NULL ? host.n : (size_t)(end - host.p);
    const size_t skip = v6 ? 1 : 0;
    if (v6 && (end == NULL || (at + 1 < host.n && host.p[at + 1] != ':'))) {
        return false;
    }
    const struct str name = str_make(host.p + skip, at - skip);
    if (name.n == 0 || name.n >= sizeof(a.host) || strnlen(name.p, name.n) < name.n) {
        return false;
    }
    memcpy(a.host, name.p, name.n);
    return strcasecmp(a.host, "localhost") == 0
               ? !v6
               : (strchr(a.host, ':') != NULL) == v6 && env_addr_is_loopback(&a);
}

static void check_host(struct http_exchange *x, const struct http_listener *l)
{
    const struct str host =
        str_is_null(x->authority) ? http_header_get(&x->request, "Host") : x->authority;
    if (l->loopback && !str_is_null(host) && !is_loopback_host(host)) {
        http_refuse(x, 421, "this listener is on loopback and does not answer for host '%.*s'",
                    STR(host));
    }
}

void http_judge_head(struct http_exchange *x, const uint8_t *p)
{
    const struct http_request empty = {.internal = x, .arena = &x->arena};
    if (!http_parse_head(x, p)) {
        http_refuse(x, 503, "out of memory for an HTTP request");
    }
    if (x->status == 0) {
        check_host(x, x->conn->listener);
        x->early = !http_serves(x);
    }
    x->request = empty; /* the buffer may move before it is answered */
    x->authority = STR_NULL;
}

static void on_message(void *state, struct net_message *m)
{
    struct http_conn *c = state;
    struct http_exchange *x = c->arriving;
    c->arriving = NULL;
    x->conn = NULL;
    x->message = m;
    list_push_back(&c->http->live, &x->link);
    x->started_ns = m->received_ns;
    x->keep_alive = x->keep_alive && !x->early; /* nobody knows whether the body comes */
    x->cut_short = x->status != 0 || x->early;
    if (x->status == 0 && !http_parse(x, m->p, m->n)) {
        http_refuse(x, 503, "out of memory for an HTTP request");
    }
    if (x->status == 0) {
        check_host(x, c->listener);
        http_origin_check(x);
    }
    if (x->status != 0) {
        http_answer_refusal(x);
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
