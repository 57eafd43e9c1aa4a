/* DeleteRecords: moves a partition's log start, as a fact, never backwards and never above the high
 * watermark. */
#include "broker/broker_int.h"
#include "core/mem.h"

struct deletion {
    struct list link; /* in broker->deleting */
    struct partition *p;
    void (*done)(void *ctx, enum err e, int64_t low);
    void *ctx;
};

static void on_deleted(void *ctx, uint64_t position)
{
    struct deletion *d = ctx;
    struct store_part_info info;
    (void)position;
    store_part_info_get(d->p->part, &info);
    list_remove(&d->link);
    if (d->done != NULL) {
        d->done(d->ctx, ERR_OK, info.log_start);
    }
    mem_free(d);
}

void record_deletions_free(struct broker *b)
{
    struct list *l;
    while ((l = list_pop_front(&b->deleting)) != NULL) {
        mem_free(CONTAINER_OF(l, struct deletion, link));
    }
}

void broker_delete_records(struct broker *b, struct partition *p, int64_t offset,
                           void (*done)(void *ctx, enum err e, int64_t low), void *ctx)
{
    struct store_part_info info;
    store_part_info_get(p->part, &info);
    int64_t to = offset == -1 ? info.high_watermark : offset;
    if (to < 0 || to > info.high_watermark) {
        done(ctx, ERR_OFFSET_OUT_OF_RANGE, -1);
        return;
    }
    if (to <= info.log_start) {
        done(ctx, ERR_OK, info.log_start);
        return;
    }
    if (!store_ready(b->store)) {
        done(ctx, ERR_REQUEST_TIMED_OUT, -1); /* the caller should have waited */
        return;
    }
    struct deletion *d = mem_new(struct deletion);
    struct store_frame *f = d == NULL ? NULL : store_frame_begin(b->store);
    if (f == NULL) {
        mem_free(d);
        done(ctx, ERR_NO_MEMORY, -1);
        return;
    }
    *d = (struct deletion){.p = p, .done = done, .ctx = ctx};
    list_init(&d->link);
    enum err e = store_frame_log_start(f, p->part, to);
    if (e != ERR_OK) {
        store_frame_drop(f);
        mem_free(d);
        done(ctx, e, -1);
        return;
    }
    list_push_back(&b->deleting, &d->link);
    if (BROKER_FAULT(deletion_early)) {
        d->done = NULL;
    }
    store_frame_commit(f, on_deleted, d);
    if (BROKER_FAULT(deletion_early)) {
        done(ctx, ERR_OK, to);
    }
}
