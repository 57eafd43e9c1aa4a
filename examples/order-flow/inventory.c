/*
 * The inventory service: reserves goods for an order, releases them when it is cancelled. Moon
 * lamps are always sold out.
 */
#include <string.h>

#include "flow.h"

static void on_placed(struct flow *f, json_t *event, json_t *data)
{
    const char *item = json_string_value(json_object_get(data, "item"));
    json_t *answer =
        json_pack("{s:O, s:O, s:O}", "orderId", json_object_get(data, "orderId"), "item",
                  json_object_get(data, "item"), "quantity", json_object_get(data, "quantity"));
    if (item != NULL && strcmp(item, "moon-lamp") == 0) {
        json_object_set_new(answer, "reason", json_string("sold out"));
        flow_publish(f, "inventory", "inventory.reservation_failed", event, answer);
        return;
    }
    flow_publish(f, "inventory", "inventory.reserved", event, answer);
}

static void on_cancelled(struct flow *f, json_t *event, json_t *data)
{
    if (!json_is_true(json_object_get(data, "reserved"))) {
        return;
    }
    flow_publish(f, "inventory", "inventory.released", event,
                 json_pack("{s:O, s:O, s:O}", "orderId", json_object_get(data, "orderId"), "item",
                           json_object_get(data, "item"), "quantity",
                           json_object_get(data, "quantity")));
}

static void handle(struct flow *f, const char *type, json_t *event, json_t *data)
{
    if (strcmp(type, "order.placed") == 0) {
        on_placed(f, event, data);
    } else if (strcmp(type, "order.cancelled") == 0) {
        on_cancelled(f, event, data);
    }
}

int main(void)
{
    struct flow f;
    flow_open(&f, "inventory-service", "orders");
    flow_run(&f, handle);
    flow_close(&f);
    return f.failed;
}
