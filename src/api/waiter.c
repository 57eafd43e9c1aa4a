/* Requests that are open for long: subscriptions, long polls. */
#include "api/api_int.h"
#include "api/idempotency.h"

bool api_may_wait(struct api_call *c)
{
    struct ectx ec = {0};
    if (c->api->open < API_OPEN_MAX) {
        return true;
    }
    IGNORE(ectx_fail(&ec, ERR_LIMIT, "%u streams and long polls are open, as many as are allowed",
                     c->api->open));
    api_problem(c, "too-many-open", &ec, STR_NULL);
    return false;
}

void api_wait(struct api *a, struct api_waiter *w)
{
    list_push_back(&a->waiting, &w->link);
    w->api = a;
    a->open++;
}

void api_wait_end(struct api_waiter *w)
{
    list_remove(&w->link);
    if (w->api != NULL) {
        w->api->open--;
        w->api = NULL;
    }
}

struct ready_waiter {
    struct api_waiter waiter;
    struct api_call *call;
    bool (*ready)(const struct api *a);
    void (*handle)(struct api_call *c);
    uint64_t deadline_ns;
};

static void ready_stop(struct api_waiter *w)
{
    struct ready_waiter *r = CONTAINER_OF(w, struct ready_waiter, waiter);
    api_wait_end(w);
    r->handle(r->call); /* r may be gone now */
}

static void ready_tick(struct api_waiter *w, uint64_t now_ns)
{
    const struct ready_waiter *r = CONTAINER_OF(w, struct ready_waiter, waiter);
    if (r->ready(w->api) || now_ns >= r->deadline_ns) {
        ready_stop(w);
    }
}

void api_when_ready(struct api_call *c, bool (*ready)(const struct api *a),
                    void (*handle)(struct api_call *c))
{
    struct ready_waiter *r = ready(c->api) ? NULL : arena_new(c->arena, struct ready_waiter);
    if (r == NULL) {
        handle(c); /* also without memory to wait: it says what is the matter */
        return;
    }
    if (!api_may_wait(c)) {
        return;
    }
    *r = (struct ready_waiter){.waiter = {.tick = ready_tick, .stop = ready_stop},
                               .call = c,
                               .ready = ready,
                               .handle = handle,
                               .deadline_ns = env_mono_ns(c->api->services.env) + API_READY_NS};
    list_init(&r->waiter.link);
    api_wait(c->api, &r->waiter);
}

/* Each of them may end itself, and others with it, while it is called: those that were told are
 * kept apart. */
void api_tick(struct api *a)
{
    const uint64_t now = env_mono_ns(a->services.env);
    idempotency_tick(a->idempotency);
    struct list told;
    struct list *n;
    list_init(&told);
    while ((n = list_pop_front(&a->waiting)) != NULL) {
        struct api_waiter *w = CONTAINER_OF(n, struct api_waiter, link);
        list_push_back(&told, n);
        w->tick(w, now);
    }
    while ((n = list_pop_front(&told)) != NULL) {
        list_push_back(&a->waiting, n);
    }
}

void api_stop(struct api *a)
{
    struct list *n;
    idempotency_stop(a->idempotency);
    while ((n = list_pop_front(&a->waiting)) != NULL) {
        struct api_waiter *w = CONTAINER_OF(n, struct api_waiter, link);
        w->stop(w);
    }
}
