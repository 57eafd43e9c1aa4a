/*
 * The notification service: tells the customer that the order has come, and what became of it.
 */
#include <stdio.h>
#include <string.h>

#include "flow.h"

static const char *text_of(const char *type)
{
    if (strcmp(type, "order.placed") == 0) {
        return "we have your order";
    }
    if (strcmp(type, "order.confirmed") == 0) {
        return "your order is on its way";
    }
    return strcmp(type, "order.cancelled") == 0 ? "sorry, your order was cancelled" : NULL;
}

static void handle(struct flow *f, const char *type, json_t *event, json_t *data)
{
    const char *what = text_of(type);
    const char *customer = json_string_value(json_object_get(data, "customer"));
    char text[256];
    if (what == NULL) {
        return;
    }
    snprintf(text, sizeof(text), "%.60s: %s", customer == NULL ? "customer" : customer, what);
    flow_publish(
        f, "notifications", "notification.sent", event,
        json_pack("{s:O, s:s}", "orderId", json_object_get(data, "orderId"), "text", text));
}

int main(void)
{
    struct flow f;
    flow_open(&f, "notification-service", "orders");
    flow_run(&f, handle);
    flow_close(&f);
    return f.failed;
}
