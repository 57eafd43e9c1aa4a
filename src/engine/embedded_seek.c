/* Look-ups of offsets by commit position or by time: the store's, and the end if there is none. */
#include "core/check.h"
#include "core/mem.h"
#include "engine/embedded_int.h"

struct seek_op {
    struct list link; /* in embedded.seeks */
    struct embedded *m;
    struct engine_seek *s;
    struct uuid topic_id;
    int64_t end; /* when it began: what is appended while it looks may be what is looked for */
    struct store_time_job time;
    struct store_position_job position;
};

static void seek_end(struct seek_op *op, enum err err, int64_t offset, const struct ectx *ec)
{
    struct engine_seek *s = op->s;
    if (err != ERR_OK) {
        s->ec = *ec;
    } else {
        const struct partition *p = embedded_partition(op->m, s->topic, s->partition, &err, &s->ec);
        if (p != NULL && !uuid_eq(p->topic->id, op->topic_id)) {
            err = ectx_fail(&s->ec, ERR_UNKNOWN_TOPIC_OR_PARTITION,
                            "topic '%.*s' was deleted and made anew", STR(s->topic));
        } else if (p != NULL) {
            s->offset = offset < 0 ? op->end : offset;
        }
    }
    list_remove(&op->link);
    mem_free(op);
    s->internal = NULL;
    s->err = err;
    s->done(s);
}

static void on_time(struct store_time_job *job)
{
    seek_end(job->ctx, job->err, job->offset, &job->ec);
}

static void on_position(struct store_position_job *job)
{
    seek_end(job->ctx, job->err, job->offset, &job->ec);
}

void embedded_seek(struct engine *e, struct engine_seek *s)
{
    struct embedded *m = embedded_of(e);
    enum err err = ERR_OK;
    s->ec = (struct ectx){.code = ERR_OK};
    s->internal = NULL;
    const struct partition *p = embedded_partition(m, s->topic, s->partition, &err, &s->ec);
    struct seek_op *op = p == NULL ? NULL : mem_new(struct seek_op);
    if (op == NULL) {
        s->err = p == NULL ? err : ectx_fail(&s->ec, ERR_NO_MEMORY, "no memory for a look-up");
        s->done(s);
        return;
    }
    op->m = m;
    op->s = s;
    op->topic_id = p->topic->id;
    struct store_part_info info;
    store_part_info_get(p->part, &info);
    op->end = info.high_watermark;
    s->internal = op;
    list_init(&op->link);
    list_push_back(&m->seeks, &op->link);
    if (s->by == ENGINE_SEEK_TIME) {
        op->time = (struct store_time_job){.done = on_time, .ctx = op};
        store_find_timestamp(p->part, s->timestamp_ms, &op->time);
    } else {
        op->position = (struct store_position_job){.done = on_position, .ctx = op};
        store_find_position(p->part, s->position, &op->position);
    }
}

void seeks_free(struct embedded *m)
{
    struct list *l;
    while ((l = list_pop_front(&m->seeks)) != NULL) {
        mem_free(CONTAINER_OF(l, struct seek_op, link));
    }
}
