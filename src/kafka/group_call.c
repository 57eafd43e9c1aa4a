/* Waiting for the group room, for all handlers that do. */
#include "kafka/group_call.h"

/* The connection is gone: what was begun goes on in the group, nobody listens. */
static void on_gone(struct kafka_request *r)
{
    struct group_call *c = r->user;
    groups_ticket_drop(&c->ticket);
    kafka_drop(r);
}

struct group_call *group_call_begin(struct kafka_request *r,
                                    void (*done)(struct groups_ticket *t,
                                                 const struct groups_answer *a))
{
    struct group_call *c = arena_new(r->arena, struct group_call);
    if (c == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return NULL;
    }
    c->ticket.done = done;
    c->r = r;
    r->user = c;
    r->gone = on_gone;
    return c;
}

void *kafka_array(struct kafka_request *r, int64_t n, size_t size)
{
    return arena_array(r->arena, n <= 0 ? 1 : (size_t)n, size);
}
