/* Replacing a stored batch: the store's, told as an operation of the engine. */
#include "core/check.h"
#include "core/mem.h"
#include "engine/embedded_int.h"

struct rewrite_op {
    struct list link; /* in embedded.rewrites */
    struct engine_rewrite *r;
    struct store_rewrite job;
};

static void on_rewritten(struct store_rewrite *job)
{
    struct rewrite_op *op = job->ctx;
    struct engine_rewrite *r = op->r;
    r->err = job->err;
    r->ec = job->ec;
    r->internal = NULL;
    list_remove(&op->link);
    mem_free(op);
    r->done(r);
}

void embedded_rewrite(struct engine *e, struct engine_rewrite *r)
{
    struct embedded *m = embedded_of(e);
    enum err err = ERR_OK;
    r->ec = (struct ectx){.code = ERR_OK};
    r->internal = NULL;
    const struct partition *p = embedded_partition(m, r->topic, r->partition, &err, &r->ec);
    struct rewrite_op *op = p == NULL ? NULL : mem_new(struct rewrite_op);
    if (op == NULL) {
        r->err = p == NULL ? err : ectx_fail(&r->ec, ERR_NO_MEMORY, "no memory for a rewrite");
        r->done(r);
        return;
    }
    op->r = r;
    op->job = (struct store_rewrite){.base_offset = r->base_offset,
                                     .old_crc = r->old_crc,
                                     .batch = r->batch,
                                     .done = on_rewritten,
                                     .ctx = op};
    r->internal = op;
    list_init(&op->link);
    list_push_back(&m->rewrites, &op->link);
    store_rewrite(p->part, &op->job);
}

void rewrites_end(struct embedded *m)
{
    struct list *l;
    while ((l = list_pop_front(&m->rewrites)) != NULL) {
        mem_free(CONTAINER_OF(l, struct rewrite_op, link));
    }
}
