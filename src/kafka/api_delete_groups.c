/* DeleteGroups (key 42, v0-2). Each group on its own; answered when the last deletion is durable.
 */
#include "kafka/group_call.h"
#include "wire/gen/all.h"

struct delete_work;
struct delete_one {
    struct kafka_continuation ready;
    struct groups_ticket ticket;
    struct delete_work *work;
    struct wire_delete_groups_response_group *out;
};
struct delete_work {
    struct kafka_request *r;
    struct wire_delete_groups_response res;
    int32_t pending;
};

static void finish_one(struct delete_work *w)
{
    if (--w->pending == 0) {
        kafka_reply(w->r, &w->res);
    }
}

static void on_done(struct groups_ticket *t, const struct groups_answer *a)
{
    struct delete_one *one = CONTAINER_OF(t, struct delete_one, ticket);
    one->out->error_code = err_kafka(a->err);
    finish_one(one->work);
}

static void start(struct kafka_continuation *ready)
{
    struct delete_one *one = CONTAINER_OF(ready, struct delete_one, ready);
    groups_delete(one->work->r->kafka->s.groups, one->out->group_id, &one->ticket);
}

KAFKA_HANDLER(api_delete_groups)
{
    const struct wire_delete_groups_request *req = r->body;
    int32_t n = req->groups_names_count < 0 ? 0 : req->groups_names_count;
    struct delete_work *w = arena_new(r->arena, struct delete_work);
    struct delete_one *ones = KAFKA_ARRAY(r, struct delete_one, n);
    struct wire_delete_groups_response_group *results =
        WIRE_NEW_N(r->arena, wire_delete_groups_response_group, n);
    if (w == NULL || ones == NULL || results == NULL) {
        kafka_close(r, KAFKA_NO_BUDGET);
        return;
    }
    WIRE_INIT(wire_delete_groups_response, &w->res);
    w->r = r;
    w->res.results = results;
    w->res.results_count = n;
    w->pending = n + 1;
    for (int32_t i = 0; i < n; i++) {
        ones[i] = (struct delete_one){.ticket = {.done = on_done}, .work = w, .out = &results[i]};
        results[i].group_id = req->groups_names[i];
    }
    for (int32_t i = 0; i < n; i++) {
        kafka_when_ready(k, &ones[i].ready, start);
    }
    finish_one(w);
}
