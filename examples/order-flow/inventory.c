/*
 * The inventory service: reserves goods for an order, releases them when it is cancelled, sends
 * them off when it is confirmed. It reads the orders' events with librdkafka and decides on the
 * product's stream with libleat.
 *
 * A product may have a million events. The fold of folds/product.yaml keeps a snapshot every 100,
 * so a decision loads the newest snapshot and what came after it. What this service keeps is
 * nothing: the state of a product is its events.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flow.h"
#include "leat.h"

#define SNAPSHOT_SCHEMA "product-1" /* of folds/product.yaml */
#define PATIENCE        120         /* tries, half a second apart, while leat is away */

struct product {
    json_int_t available;
    json_t *held; /* order id -> how many */
};
/* One thing to be done for one order. */
struct task {
    const struct flow_event *cause;
    const char *what; /* "reserve", "release", "ship" */
    const char *order_id;
    json_int_t quantity;
    char id[37], data[512];
    struct leat_new_event event;
};

/* ---- The state of a product, as folds/product.yaml has it ---- */

static json_int_t number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static void apply(struct product *p, const char *type, const json_t *data)
{
    const char *order_id = json_string_value(json_object_get(data, "order_id"));
    const json_int_t quantity = number(data, "quantity");
    if (strcmp(type, "ProductAdded") == 0) {
        p->available += quantity;
    } else if (order_id == NULL) {
        return;
    } else if (strcmp(type, "StockReserved") == 0) {
        p->available -= quantity;
        json_object_set_new(p->held, order_id, json_integer(quantity));
    } else if (strcmp(type, "StockReleased") == 0) {
        p->available += quantity;
        json_object_del(p->held, order_id);
    } else if (strcmp(type, "StockShipped") == 0) {
        json_object_del(p->held, order_id);
    }
}

static void load(struct product *p, const struct leat_page *history)
{
    json_t *state = history->snapshot == NULL ? NULL : json_loads(history->snapshot, 0, NULL);
    p->available = number(state, "available");
    p->held = json_deep_copy(json_object_get(state, "held"));
    if (p->held == NULL) {
        p->held = json_object();
    }
    json_decref(state);
    for (size_t i = 0; i < history->count; i++) {
        const struct leat_event *e = &history->events[i];
        json_t *data = json_loadb(e->data == NULL ? "" : e->data, e->data_size, 0, NULL);
        apply(p, e->type, data);
        json_decref(data);
    }
}

/* ---- The decision ---- */

/* 0, or -1: the event could not be made. */
static int answer(struct task *t, struct leat_decision *d, const char *type, json_int_t quantity)
{
    json_t *data = json_pack("{s:s, s:I}", "order_id", t->order_id, "quantity", quantity);
    const size_t n = data == NULL ? 0 : json_dumpb(data, t->data, sizeof(t->data), JSON_COMPACT);
    json_decref(data);
    if (n == 0 || n > sizeof(t->data)) {
        return -1;
    }
    /* The id names the command, not its outcome: reserved or refused, it is decided once. */
    flow_id(t->cause->id, t->what, t->id);
    t->event = (struct leat_new_event){.id = t->id,
                                       .type = type,
                                       .data = t->data,
                                       .data_size = n,
                                       .correlation_id = t->cause->correlation_id,
                                       .causation_id = t->cause->id};
    d->events = &t->event;
    d->count = 1;
    return 0;
}

static int decide(void *ctx, struct leat_decision *d)
{
    struct task *t = ctx;
    struct product p;
    load(&p, d->history);
    const json_t *held = json_object_get(p.held, t->order_id);
    int result = 0;
    if (strcmp(t->what, "reserve") == 0) {
        if (held == NULL) {
            result = answer(t, d, p.available >= t->quantity ? "StockReserved" : "StockRefused",
                            t->quantity);
        }
    } else if (held != NULL) {
        result = answer(t, d, strcmp(t->what, "ship") == 0 ? "StockShipped" : "StockReleased",
                        json_integer_value(held));
    }
    json_decref(p.held);
    return result;
}

static void handle(struct flow *f, const struct flow_event *e, void *ctx)
{
    struct leat *leat = ctx;
    const char *sku = json_string_value(json_object_get(e->data, "sku"));
    struct task t = {.cause = e,
                     .order_id = e->stream + strlen("order-"),
                     .quantity = number(e->data, "quantity"),
                     .what = strcmp(e->type, "OrderPlaced") == 0      ? "reserve"
                             : strcmp(e->type, "OrderCancelled") == 0 ? "release"
                             : strcmp(e->type, "OrderConfirmed") == 0 ? "ship"
                                                                      : NULL};
    char stream[256];
    if (t.what == NULL || sku == NULL) {
        return;
    }
    snprintf(stream, sizeof(stream), "product-%.200s", sku);
    struct leat_problem why = {0};
    for (int i = 0; i < PATIENCE && !flow_stopping(); i++) {
        if (leat_decide(leat, stream, SNAPSHOT_SCHEMA, decide, &t, 0, NULL, &why) == 0 ||
            strcmp(why.code, "event-id-reused") == 0) { /* decided before */
            return;
        }
        if (!why.retryable && why.status != 0) {
            break;
        }
        usleep(500 * 1000);
    }
    f->failed = 1; /* its offset is not stored: it comes again */
    if (!flow_stopping()) {
        fprintf(stderr, "%s: %s: %s: %s\n", f->service, stream, why.code, why.detail);
    }
}

int main(void)
{
    struct flow f;
    struct leat *leat;
    struct leat_problem why;
    const struct leat_options options = {.http = getenv("LEAT_HTTP"), .kafka = flow_bootstrap()};
    flow_open(&f, "inventory-service", "es.order");
    if (leat_open(&options, &leat, &why) != 0) {
        flow_die(&f, "could not open the event store", why.detail);
    }
    flow_run(&f, handle, leat);
    flow_close(&f);
    leat_close(leat);
    return f.failed && !flow_stopping();
}
