/*
 * contend HTTP STREAM TIMES: one process of several that count up on the same stream: each event
 * says the number after the last one. Nothing is counted twice or left out only if the decide loop
 * is right. Prints how often it had to begin again.
 */
#include "common.h"

struct count {
    char data[32];
    struct leat_new_event event;
    unsigned calls;
};

static int next_number(void *ctx, struct leat_decision *d)
{
    struct count *c = ctx;
    long long last = -1;
    for (size_t i = 0; i < d->history->count; i++) {
        const struct leat_event *e = &d->history->events[i];
        char text[32] = "";
        memcpy(text, e->data, e->data_size < 31 ? e->data_size : 31);
        const long long n = strtoll(text, NULL, 10);
        if (n != last + 1) {
            return 1; /* the promise is broken */
        }
        last = n;
    }
    c->calls++;
    (void)snprintf(c->data, sizeof(c->data), "%lld", last + 1);
    c->event = event_of(NULL, "Counted", c->data);
    d->events = &c->event;
    d->count = 1;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    struct leat *l = client_open(argv[1], NULL);
    const unsigned times = (unsigned)strtoul(argv[3], NULL, 10);
    struct count c = {.calls = 0};
    unsigned good = 0;
    for (unsigned i = 0; i < times; i++) {
        struct leat_problem why;
        const int result = leat_decide(l, argv[2], NULL, next_number, &c, 10000, NULL, &why);
        if (result != 0) {
            show(false, "decide: %d %s: %s", result, why.code, why.detail);
            break;
        }
        good++;
    }
    show(good == times, "%u decisions, begun again %u times", good, c.calls - good);
    leat_close(l);
    return finish();
}
