/*
 * Producing: each batch is judged (record_validate), checked against its producer's sequence, shown
 * to the gate if its topic is guarded, given its offset; everything good of one request goes into
 * one frame. The answer waits until the frame is durable, and for duplicates until their original
 * is.
 *
 * A gate that must read first holds the request at the batch in question: what came before it is
 * committed, the rest follows in a frame of its own when the gate has read.
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
    uint32_t pending; /* frames, a gate that holds it, and duplicates whose original is not durable
                         yet */
    struct store_frame *frame;
    size_t next; /* the first item that was not looked at */
    struct list held_link;
    uint64_t held_ns; /* since when the gate holds it; 0: it does not */
};
/* The items of one frame. */
struct produce_frame {
    struct produce_wait *w;
    size_t from, to;
};
struct item_wait {
    struct broker_waiter waiter;
    struct produce_wait *owner;
    int64_t last_offset;      /* of a duplicate's original */
    struct buf rebuilt;       /* the batch, if it was compressed again */
    struct store_batch batch; /* the frame refers to it until it is durable */
    struct broker_gate_item gate;
    bool gated; /* the gate let it pass, and it was sequenced */
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

static struct store_batch_info info_of(const struct record_verdict *v,
                                       const struct record_rules *rules)
{
    return (struct store_batch_info){.last_offset_delta = v->header.last_offset_delta,
                                     .max_timestamp = v->max_timestamp,
                                     .append_time_ms = rules->now_ms,
                                     .producer_id = v->header.producer_id,
                                     .producer_epoch = v->header.producer_epoch,
                                     .base_sequence = v->header.base_sequence};
}

/* The frame of the items that are being gone through. */
static enum err frame_ready(struct produce_wait *w, struct ectx *ec)
{
    if (w->frame != NULL) {
        return ERR_OK;
    }
    if (!store_ready(w->b->store)) {
        return ectx_fail(ec, ERR_KAFKA_STORAGE_ERROR, "the log had no room for it in time");
    }
    w->frame = store_frame_begin(w->b->store);
    return w->frame == NULL ? ERR_NO_MEMORY : ERR_OK;
}

/*
 * The gate knows the batch: it is in the log under another sequence, or without one. The producer
 * counts it as stored, so its next batch has the sequence after it: that is a fact, durable before
 * the answer.
 */
static enum err answer_known(struct produce_wait *w, struct broker_produce_item *item,
                             const struct record_verdict *v, const struct record_rules *rules,
                             struct ectx *ec)
{
    struct item_wait *iw = item->internal;
    struct broker *b = w->b;
    const struct producer_batch original = {.base_offset = iw->gate.original_offset,
                                            .last_offset_delta = v->header.last_offset_delta,
                                            .timestamp = -1};
    if (batch_has_producer(&v->header)) {
        struct store_batch_info info = info_of(v, rules);
        info.base_offset = original.base_offset;
        enum err e = producer_reserve(b, item->partition->state, info.producer_id);
        e = e == ERR_OK ? frame_ready(w, ec) : e;
        if (e == ERR_OK) {
            e = producer_known(w->frame, item->partition, &info);
        }
        if (e != ERR_OK) {
            return e == ERR_NO_MEMORY ? ectx_fail(ec, e, "no memory for the producer")
                   : e == ERR_LIMIT   ? ectx_fail(ec, e, "too much for one frame of the log")
                                      : e;
        }
        producer_note(b, item->partition->state, &info, -1);
    }
    answer_duplicate(w, item, &original);
    return ERR_OK;
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
    *batch = (struct store_batch){
        .bytes = (uint8_t *)(uintptr_t)bytes.p, .size = bytes.n, .info = info_of(v, rules)};
    if (bytes.p == (const char *)item->bytes) { /* else it was made anew, elsewhere */
        batch->take = item->take;
        batch->take_ctx = item->take_ctx;
    }
    enum err e = idempotent ? producer_reserve(b, part->state, v->header.producer_id) : ERR_OK;
    if (e == ERR_OK) {
        e = frame_ready(w, ec);
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

static struct item_wait *item_begin(struct produce_wait *w, struct broker_produce_item *item)
{
    struct item_wait *iw = item->internal;
    if (iw == NULL) {
        iw = arena_new(w->p->arena, struct item_wait);
    }
    if (iw != NULL) {
        iw->owner = w;
        list_init(&iw->waiter.link);
        buf_init(&iw->rebuilt, (size_t)INT32_MAX);
        item->internal = iw;
    }
    item->log_append_time_ms = -1;
    item->log_start_offset = -1;
    return iw;
}

/* What the gate says to the batch; *bytes and *v are what it has put in its place. */
static enum err ask_gate(struct produce_wait *w, struct broker_produce_item *item,
                         const struct record_rules *rules, struct str *bytes,
                         struct record_verdict *v, struct ectx *ec)
{
    struct broker *b = w->b;
    struct item_wait *iw = item->internal;
    const struct batch_header sent = v->header;
    iw->gate = (struct broker_gate_item){
        .partition = item->partition, .batch = *bytes, .arena = w->p->arena, .original_offset = -1};
    enum err e = b->gate.check(b->gate.ctx, &iw->gate, ec);
    if (e != ERR_OK) {
        return e;
    }
    iw->gated = true;
    if (str_is_null(iw->gate.replacement)) {
        return ERR_OK;
    }
    *bytes = iw->gate.replacement;
    v->error_count = 0;
    e = record_validate((const uint8_t *)bytes->p, bytes->n, rules, &b->scratch, v, ec);
    CHECK(e != ERR_OK || (v->header.record_count == sent.record_count &&
                          v->header.producer_id == sent.producer_id &&
                          v->header.producer_epoch == sent.producer_epoch &&
                          v->header.base_sequence == sent.base_sequence));
    return e;
}

static void refuse(struct produce_wait *w, struct broker_produce_item *item, enum err e,
                   const struct ectx *ec)
{
    struct item_wait *iw = item->internal;
    const bool by_gate = iw != NULL && iw->gate.partition != NULL && !iw->gated;
    metric_add(w->b->refused, 1);
    set_error(w->p, item, e, ec);
    if (by_gate) {
        item->error_message = str_is_null(iw->gate.error) ? item->error_message : iw->gate.error;
        item->record_errors = iw->gate.record_errors;
        item->record_error_count = iw->gate.record_error_count;
    } else if (iw != NULL && iw->gated) {
        iw->gated = false;
        w->b->gate.dropped(w->b->gate.ctx, &iw->gate);
    }
}

static bool is_guarded(const struct broker *b, const struct topic *t)
{
    return b->has_gate && b->gate.guards(b->gate.ctx, t->name);
}

/* false: the gate holds it, and nothing has happened. */
static bool produce_item(struct produce_wait *w, struct broker_produce_item *item, int64_t now_ms)
{
    struct broker *b = w->b;
    struct broker_produce *p = w->p;
    struct topic *t = item->partition->topic;
    struct ectx ec = {.code = ERR_OK};
    struct record_rules rules = topic_full_of(t)->rules;
    struct record_verdict verdict;
    struct item_wait *iw = item_begin(w, item);
    rules.produce_version = p->api_version;
    rules.now_ms = now_ms;
    if (iw == NULL) {
        set_error(p, item, ERR_NO_MEMORY, &ec);
        return true;
    }
    verdict.error_count = 0;
    enum err e = broker_topic_is_internal(t->name)
                     ? broker_client_may(b, t->name, "write to", STR_NULL, &ec)
                     : record_validate(item->bytes, item->size, &rules, &b->scratch, &verdict, &ec);
    if (e != ERR_OK) {
        refuse(w, item, e, &ec);
        set_record_errors(p, item, &rules, &verdict);
        return true;
    }
    if (batch_has_producer(&verdict.header)) {
        struct producer_check check = producer_check(item->partition->state, &verdict.header, &ec);
        if (check.verdict == PRODUCER_DUPLICATE) {
            answer_duplicate(w, item, &check.original);
            return true;
        }
        e = check.verdict == PRODUCER_REFUSED ? check.err : ERR_OK;
    }
    struct str bytes = str_make(item->bytes, verdict.header.size);
    if (e == ERR_OK && is_guarded(b, t)) {
        e = ask_gate(w, item, &rules, &bytes, &verdict, &ec);
        if (e == ERR_AGAIN && !iw->gated) {
            return false;
        }
        if (e == ERR_DUPLICATE_SEQUENCE_NUMBER && !iw->gated &&
            (e = answer_known(w, item, &verdict, &rules, &ec)) == ERR_OK) {
            return true;
        }
    }
    if (e == ERR_OK) {
        e = record_finish((uint8_t *)(uintptr_t)bytes.p, &rules, &b->scratch, &verdict,
                          &iw->rebuilt, &bytes, &ec);
    }
    if (e == ERR_OK) {
        e = append(w, item, bytes, &verdict, &rules, &ec);
    }
    if (e != ERR_OK) {
        refuse(w, item, e, &ec);
    } else if (iw->gated) {
        b->gate.sequenced(b->gate.ctx, &iw->gate, item->base_offset);
    }
    return true;
}

static void on_durable(void *ctx, uint64_t position)
{
    const struct produce_frame *f = ctx;
    struct produce_wait *w = f->w;
    (void)position;
    for (size_t i = f->from; i < f->to; i++) {
        struct broker_produce_item *item = &w->p->items[i];
        struct item_wait *iw = item->internal;
        if (item->partition != NULL && item->err == ERR_OK) {
            struct store_part_info info;
            store_part_info_get(item->partition->part, &info);
            item->log_start_offset = info.log_start;
        }
        if (iw != NULL && iw->gated) {
            w->b->gate.durable(w->b->gate.ctx, &iw->gate, iw->batch.info.append_position);
        }
    }
    finish_one(w);
}

/* ---- What the gate holds -------------------------------------------------------------------- */

/* Goes through the items until the gate holds one of them. */
static void produce_go(struct produce_wait *w)
{
    struct broker *b = w->b;
    struct broker_produce *p = w->p;
    const int64_t now_ms = env_wall_ms(b->env);
    const size_t from = w->next;
    struct produce_frame *f = arena_new(p->arena, struct produce_frame);
    bool going = true;
    w->frame = NULL;
    while (going && w->next < p->item_count) {
        struct broker_produce_item *item = &p->items[w->next];
        if (item->partition != NULL && item->err == ERR_OK) {
            if (f == NULL) {
                const struct ectx ec = {.code = ERR_OK};
                set_error(p, item, ERR_NO_MEMORY, &ec);
            } else {
                going = produce_item(w, item, now_ms);
            }
        }
        w->next += going ? 1 : 0;
    }
    if (w->frame != NULL) {
        *f = (struct produce_frame){w, from, w->next};
        w->pending++;
        store_frame_commit(w->frame, on_durable, f);
    }
    if (!going) {
        const bool again = w->held_ns != 0;
        w->held_ns = again ? w->held_ns : env_mono_ns(b->env) + 1;
        list_push_back(&b->held, &w->held_link);
        w->pending++;
        if (!again && p->held != NULL) {
            p->held(p, true);
        }
    }
}

/* It is not held any more: what comes behind it may come, and it is answered when all is done. */
static void produce_release(struct produce_wait *w)
{
    w->held_ns = 0;
    if (w->p->held != NULL) {
        w->p->held(w->p, false);
    }
}

void broker_gate_retry(struct broker *b)
{
    struct list todo;
    list_init(&todo);
    struct list *l;
    while ((l = list_pop_front(&b->held)) != NULL) {
        list_push_back(&todo, l);
    }
    while ((l = list_pop_front(&todo)) != NULL) {
        struct produce_wait *w = CONTAINER_OF(l, struct produce_wait, held_link);
        if (!store_ready(b->store)) {
            list_push_back(&b->held, l);
            continue;
        }
        produce_go(w);
        if (w->next == w->p->item_count) {
            produce_release(w);
        }
        finish_one(w);
    }
}

void broker_gate_expire(struct broker *b, uint64_t age_ns)
{
    const uint64_t now = env_mono_ns(b->env);
    LIST_FOR_EACH (l, next, &b->held) {
        struct produce_wait *w = CONTAINER_OF(l, struct produce_wait, held_link);
        if (now - w->held_ns + 1 < age_ns) {
            continue;
        }
        list_remove(l);
        for (; w->next < w->p->item_count; w->next++) {
            struct broker_produce_item *item = &w->p->items[w->next];
            struct ectx ec = {.code = ERR_OK};
            if (item->partition != NULL && item->err == ERR_OK) {
                const enum err e =
                    ectx_fail(&ec, ERR_REQUEST_TIMED_OUT,
                              "what decides on this topic's records had no answer in "
                              "time");
                set_error(w->p, item, e, &ec);
            }
        }
        produce_release(w);
        finish_one(w);
    }
}

void produce_topic_gone(struct broker *b, const struct topic *t)
{
    LIST_FOR_EACH (l, next, &b->held) {
        struct produce_wait *w = CONTAINER_OF(l, struct produce_wait, held_link);
        for (size_t i = w->next; i < w->p->item_count; i++) {
            struct broker_produce_item *item = &w->p->items[i];
            if (item->partition != NULL && item->partition->topic == t) {
                const struct ectx ec = {.code = ERR_OK};
                set_error(w->p, item, ERR_UNKNOWN_TOPIC_OR_PARTITION, &ec);
                item->partition = NULL;
            }
        }
    }
}

void broker_produce(struct broker *b, struct broker_produce *p)
{
    struct produce_wait *w = arena_new(p->arena, struct produce_wait);
    for (size_t i = 0; i < p->item_count; i++) {
        p->items[i].internal = NULL;
    }
    if (w == NULL) {
        struct ectx ec = {.code = ERR_OK};
        for (size_t i = 0; i < p->item_count; i++) {
            if (p->items[i].partition != NULL) {
                set_error(p, &p->items[i], ERR_NO_MEMORY, &ec);
            }
        }
        p->done(p);
        return;
    }
    w->b = b;
    w->p = p;
    w->pending = 1; /* this call */
    list_init(&w->held_link);
    produce_go(w);
    finish_one(w);
}
