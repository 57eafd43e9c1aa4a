/*
 * Where in a stream something begins to be so, found by halving: the place of the event in the
 * middle is looked up in the index, the caller says on which side of it the place lies.
 */
#include "es/read_int.h"

void es_halving_begin(struct es_halving *h, struct es_task *task, const struct es_hash *hash,
                      uint64_t first, uint64_t end)
{
    *h = (struct es_halving){.task = task, .hash = *hash, .revision = first, .end = end};
}

bool es_halving_done(const struct es_halving *h)
{
    return h->revision >= h->end;
}

static uint64_t middle(const struct es_halving *h)
{
    return h->revision + (h->end - h->revision) / 2;
}

bool es_halving_look(struct es_halving *h, struct es_place *place, enum err *err, struct ectx *ec)
{
    if (!h->asked) {
        es_key_event(h->look.key, &h->hash, middle(h));
        h->look.kind = ES_LOOK_GET;
        h->look.table = ES_T_EVENTS;
        h->set.looks = &h->look;
        h->set.count = 1;
        h->asked = true;
        if (!es_task_look(h->task, &h->set)) {
            return false;
        }
    }
    if (h->set.pending > 0) {
        return false;
    }
    h->asked = false;
    *err = ERR_OK;
    if (h->look.err != ERR_OK) {
        *err = ectx_fail(ec, h->look.err == ERR_NOT_FOUND ? ERR_DAMAGED : h->look.err,
                         "the index gives no revision %llu", (unsigned long long)middle(h));
    } else {
        es_value_event_read(h->look.value, place);
    }
    return true;
}

void es_halving_decide(struct es_halving *h, bool begins_later)
{
    if (begins_later) {
        h->revision = middle(h) + 1;
    } else {
        h->end = middle(h);
    }
}
