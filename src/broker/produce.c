/*
 * Producing: each batch is judged (record_validate), checked against its producer's sequence, given
 * its offset; everything good of one request goes into one frame. The answer waits until the frame
 * is durable, and for duplicates until their original is.
 */
#include "broker/broker_int.h"
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"

#ifdef LEAT_DEBUG
struct broker_faults broker_faults;
#endif

/* What a request waits for. In the request's arena. */
struct produce_wait {
    struct broker *b;
    struct broker_produce *p;
    uint32_t pending; /* the frame, and duplicates whose original is not durable yet */
    struct store_frame *frame;
};
struct item_wait {
    struct broker_waiter waiter;
    struct produce_wait *owner;
    int64_t last_offset;      /* of a duplicate's original */
    struct buf rebuilt;       /* the batch, if it was compressed again */
    struct store_batch batch; /* the frame refers to it until it is durable */
};

static void finish_one(struct produce_wait *w)
{
    if (--w->pending > 0) {
        return;
    }
    struct broker_produce *p = w->p;
    for (size_t i = 0; i < p->item_count; i++) {
        struct item_wait *iw = p->items[i].internal;
        if (iw != NULL) {
            buf_deinit(&iw->rebuilt);
        }
    }
    p->done(p);
}

static void set_error(struct broker_produce *p, struct broker_produce_item *item, enum err e,
                      const struct ectx *ec)
{
    item->err = e;
    item->base_offset = -1;
    item->error_message = arena_str(p->arena, str_of(ec->text[0] != '\0' ? ec->text : err_text(e)));
}

/* KIP-467: says which records were at fault. Without memory for it the item's error still stands.
 */
static void set_record_errors(struct broker_produce *p, struct broker_produce_item *item,
                              const struct record_rules *rules, const struct record_verdict *v)
{
    uint32_t n = v->error_count < RECORD_ERRORS_MAX ? v->error_count : RECORD_ERRORS_MAX;
    struct broker_record_error *errors =
        n == 0 ? NULL : arena_new_n(p->arena, struct broker_record_error, n);
    if (errors == NULL) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        char text[256];
        size_t len = record_error_text(&v->errors[i], rules, text, sizeof(text));
        errors[i].batch_index = v->errors[i].batch_index;
        errors[i].message = arena_str(p->arena, str_make(text, len));
    }
    item->record_errors = errors;
    item->record_error_count = (int32_t)n;
}

static void on_wake(struct broker_waiter *waiter, struct partition *part, bool gone)
{
    struct item_wait *iw = CONTAINER_OF(waiter, struct item_wait, waiter);
    struct store_part_info info = {0};
    if (!gone) {
        store_part_info_get(part->part, &info);
        if (info.high_watermark <= iw->last_offset) {
            return;
        }
    }
    broker_wait_cancel(waiter);
    finish_one(iw->owner);
}

static void answer_duplicate(struct produce_wait *w, struct broker_produce_item *item,
                             const struct producer_batch *original)
{
    struct item_wait *iw = item->internal;
    struct store_part_info info;
    metric_add(w->b->duplicates, 1);
    item->base_offset = original->base_offset;
    item->log_append_time_ms = original->timestamp;
    store_part_info_get(item->partition->part, &info);
    item->log_start_offset = info.log_start;
    iw->last_offset = original->base_offset + original->last_offset_delta;
    if (info.high_watermark <= iw->last_offset && !BROKER_FAULT(duplicate_early)) {
        w->pending++;
        iw->waiter.wake = on_wake;
        broker_wait(item->partition, &iw->waiter);
    }
}

/* The batch gets its offset and goes into the frame. */
static enum err append(struct produce_wait *w, struct broker_produce_item *item, struct str bytes,
                       const struct record_verdict *v, const struct record_rules *rules,
                       struct ectx *ec)
{
    struct broker *b = w->b;
    struct partition *part = item->partition;
    bool idempotent = batch_has_producer(&v->header);
    struct store_batch *batch = &((struct item_wait *)item->internal)->batch;
    *batch = (struct store_batch){.bytes = (uint8_t *)(uintptr_t)bytes.p,
                                  .size = bytes.n,
                                  .info = {.last_offset_delta = v->header.last_offset_delta,
                                           .max_timestamp = v->max_timestamp,
                                           .append_time_ms = rules->now_ms,
                                           .producer_id = v->header.producer_id,
                                           .producer_epoch = v->header.producer_epoch,
                                           .base_sequence = v->header.base_sequence}};
    if (bytes.p == (const char *)item->bytes) { /* else it was made anew, elsewhere */
        batch->take = item->take;
        batch->take_ctx = item->take_ctx;
    }
    enum err e = idempotent ? producer_reserve(b, part->state, v->header.producer_id) : ERR_OK;
    if (e == ERR_OK && w->frame == NULL && !store_ready(b->store)) {
        e = ectx_fail(ec, ERR_KAFKA_STORAGE_ERROR, "the log had no room for it in time");
    }
    if (e == ERR_OK && w->frame == NULL) {
        w->frame = store_frame_begin(b->store);
        e = w->frame == NULL ? ERR_NO_MEMORY : ERR_OK;
    }
    if (e == ERR_OK) {
        e = store_frame_batch(w->frame, part->part, batch, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    item->base_offset = batch->info.base_offset;
    item->log_append_time_ms = rules->log_append_time ? rules->now_ms : -1;
    if (idempotent) {
        producer_note(b, part->state, &batch->info, item->log_append_time_ms);
    }
    struct topic_full *t = topic_full_of(part->topic);
    metric_add(t->bytes_in, bytes.n);
    metric_add(t->batches_in, 1);
    metric_add(t->records_in, (uint64_t)v->header.last_offset_delta + 1);
    return ERR_OK;
}

static void produce_item(struct produce_wait *w, struct broker_produce_item *item, int64_t now_ms)
{
    struct broker *b = w->b;
    struct broker_produce *p = w->p;
    struct ectx ec = {.code = ERR_OK};
    struct record_rules rules = topic_full_of(item->partition->topic)->rules;
    struct record_verdict verdict;
    struct item_wait *iw = arena_new(p->arena, struct item_wait);
    rules.produce_version = p->api_version;
    rules.now_ms = now_ms;
    item->log_append_time_ms = -1;
    item->log_start_offset = -1;
    if (iw == NULL) {
        set_error(p, item, ERR_NO_MEMORY, &ec);
        return;
    }
    iw->owner = w;
    list_init(&iw->waiter.link);
    buf_init(&iw->rebuilt, (size_t)INT32_MAX);
    item->internal = iw;
    verdict.error_count = 0;
    enum err e = record_validate(item->bytes, item->size, &rules, &b->scratch, &verdict, &ec);
    if (e != ERR_OK) {
        metric_add(b->refused, 1);
        set_error(p, item, e, &ec);
        set_record_errors(p, item, &rules, &verdict);
        return;
    }
    if (batch_has_producer(&verdict.header)) {
        struct producer_check check = producer_check(item->partition->state, &verdict.header, &ec);
        if (check.verdict == PRODUCER_DUPLICATE) {
            answer_duplicate(w, item, &check.original);
            return;
        }
        e = check.verdict == PRODUCER_REFUSED ? check.err : ERR_OK;
    }
    struct str bytes = STR_NULL;
    if (e == ERR_OK) {
        e = record_finish(item->bytes, &rules, &b->scratch, &verdict, &iw->rebuilt, &bytes, &ec);
    }
    if (e == ERR_OK) {
        e = append(w, item, bytes, &verdict, &rules, &ec);
    }
    if (e != ERR_OK) {
        metric_add(b->refused, 1);
        set_error(p, item, e, &ec);
    }
}

static void on_durable(void *ctx, uint64_t position)
{
    struct produce_wait *w = ctx;
    (void)position;
    for (size_t i = 0; i < w->p->item_count; i++) {
        struct broker_produce_item *item = &w->p->items[i];
        if (item->partition != NULL && item->err == ERR_OK) {
            struct store_part_info info;
            store_part_info_get(item->partition->part, &info);
            item->log_start_offset = info.log_start;
        }
    }
    finish_one(w);
}

void broker_produce(struct broker *b, struct broker_produce *p)
{
    struct produce_wait *w = arena_new(p->arena, struct produce_wait);
    int64_t now_ms = env_wall_ms(b->env);
    if (w == NULL) {
        struct ectx ec = {.code = ERR_OK};
        for (size_t i = 0; i < p->item_count; i++) {
            if (p->items[i].partition != NULL) {
                set_error(p, &p->items[i], ERR_NO_MEMORY, &ec);
            }
            p->items[i].internal = NULL;
        }
        p->done(p);
        return;
    }
    w->b = b;
    w->p = p;
    w->pending = 1; /* this call */
    for (size_t i = 0; i < p->item_count; i++) {
        p->items[i].internal = NULL;
        if (p->items[i].partition != NULL && p->items[i].err == ERR_OK) {
            produce_item(w, &p->items[i], now_ms);
        }
    }
    if (w->frame != NULL) {
        w->pending++;
        store_frame_commit(w->frame, on_durable, w);
    }
    finish_one(w);
}
