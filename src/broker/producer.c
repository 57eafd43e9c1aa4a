/*
 * Idempotent producers: per partition and producer id the epoch and the last five batches. The
 * rules are those of Kafka's ProducerAppendInfo and ProducerStateEntry:
 *   - the same (first, last) sequence at the same epoch among the last five: a duplicate, answered
 * with the original offset;
 *   - a lower epoch than the current: fenced;
 *   - a higher epoch must begin with sequence 0;
 *   - else the sequence must follow the last one (wrapping after 2^31 - 1);
 *   - a producer that is not known may begin anywhere (its state may have expired).
 *
 * The state is that of sequenced batches, not only of durable ones; it is rebuilt at recovery from
 * the batches themselves.
 */
#include "broker/broker_int.h"
#include "core/check.h"
#include "core/mem.h"

static const struct producer_batch *last_batch(const struct producer *p)
{
    return p->batch_count == 0 ? NULL : &p->batches[p->batch_count - 1];
}

static int32_t last_sequence(const struct producer_batch *batch)
{
    return batch_sequence_add(batch->base_sequence, batch->last_offset_delta);
}

static struct producer_check refused(enum err e)
{
    return (struct producer_check){.verdict = PRODUCER_REFUSED, .err = e};
}

struct producer_check producer_check(const struct partition_state *s, const struct batch_header *h,
                                     struct ectx *ec)
{
    const struct producer *p = map_get_u64(&s->producers, (uint64_t)h->producer_id);
    struct producer_check ok = {.verdict = PRODUCER_NEW};
    if (p == NULL || p->epoch < 0) {
        return ok; /* not known, or only reserved */
    }
    if (h->producer_epoch == p->epoch) {
        for (size_t i = 0; i < p->batch_count; i++) {
            const struct producer_batch *b = &p->batches[i];
            if (b->base_sequence == h->base_sequence &&
                b->last_offset_delta == h->last_offset_delta) {
                return (struct producer_check){.verdict = PRODUCER_DUPLICATE, .original = *b};
            }
        }
    }
    if (h->producer_epoch < p->epoch) {
        return refused(
            ectx_fail(ec, ERR_INVALID_PRODUCER_EPOCH,
                      "Epoch of producer %lld is %d, which is smaller than the last seen "
                      "epoch %d",
                      (long long)h->producer_id, h->producer_epoch, p->epoch));
    }
    if (h->producer_epoch > p->epoch) {
        if (h->base_sequence == 0) {
            return ok;
        }
        return refused(
            ectx_fail(ec, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                      "Invalid sequence number for new epoch of producer %lld: %d (request "
                      "epoch), %d (seq. number), %d (current producer epoch)",
                      (long long)h->producer_id, h->producer_epoch, h->base_sequence, p->epoch));
    }
    const struct producer_batch *last = last_batch(p);
    if (last == NULL || h->base_sequence == batch_sequence_add(last_sequence(last), 1)) {
        return ok;
    }
    return refused(ectx_fail(ec, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                             "Out of order sequence number for producer %lld: %d (incoming seq. "
                             "number), %d (current end sequence number)",
                             (long long)h->producer_id, h->base_sequence, last_sequence(last)));
}

static void producer_forget(struct broker *b, struct partition_state *s, struct producer *p)
{
    map_remove_u64(&s->producers, (uint64_t)p->id);
    list_remove(&p->by_use);
    mem_free(p);
    b->producer_count--;
}

struct producer *producer_put(struct broker *b, struct partition_state *s, int64_t id)
{
    struct producer *p = map_get_u64(&s->producers, (uint64_t)id);
    if (p != NULL) {
        return p;
    }
    if (s->producers.count >= BROKER_PRODUCERS_MAX) {
        producer_forget(b, s, CONTAINER_OF(s->producers_by_use.next, struct producer, by_use));
    }
    p = mem_new(struct producer);
    if (p == NULL || !map_put_u64(&s->producers, (uint64_t)id, p)) {
        mem_free(p);
        return NULL;
    }
    p->id = id;
    p->epoch = -1;
    p->used_ns = env_mono_ns(b->env);
    list_push_back(&s->producers_by_use, &p->by_use);
    b->producer_count++;
    return p;
}

MUST_USE enum err producer_reserve(struct broker *b, struct partition_state *s, int64_t id)
{
    return producer_put(b, s, id) == NULL ? ERR_NO_MEMORY : ERR_OK;
}

void producer_note(struct broker *b, struct partition_state *s, const struct store_batch_info *info,
                   int64_t answered_timestamp)
{
    struct producer *p = map_get_u64(&s->producers, (uint64_t)info->producer_id);
    CHECK(p != NULL); /* producer_reserve was called */
    if (p->epoch != info->producer_epoch) {
        p->epoch = info->producer_epoch;
        p->batch_count = 0;
    }
    if (p->batch_count == BROKER_PRODUCER_BATCHES) {
        memmove(p->batches, p->batches + 1, sizeof(p->batches[0]) * (BROKER_PRODUCER_BATCHES - 1));
        p->batch_count--;
    }
    p->batches[p->batch_count++] =
        (struct producer_batch){.base_sequence = info->base_sequence,
                                .last_offset_delta = info->last_offset_delta,
                                .base_offset = info->base_offset,
                                .timestamp = answered_timestamp};
    p->last_timestamp_ms = info->max_timestamp;
    p->used_ns = env_mono_ns(b->env);
    list_remove(&p->by_use);
    list_push_back(&s->producers_by_use, &p->by_use);
}

void producers_free(struct broker *b, struct partition_state *s)
{
    while (!list_empty(&s->producers_by_use)) {
        producer_forget(b, s, CONTAINER_OF(s->producers_by_use.next, struct producer, by_use));
    }
}

void producers_expire(struct broker *b, struct partition_state *s, uint64_t older_than_ns)
{
    while (!list_empty(&s->producers_by_use)) {
        struct producer *p = CONTAINER_OF(s->producers_by_use.next, struct producer, by_use);
        if (p->used_ns >= older_than_ns) {
            return;
        }
        producer_forget(b, s, p);
    }
}

struct broker_producer_info *broker_producers(struct partition *p, struct arena *a, size_t *count)
{
    size_t n = 0;
    struct broker_producer_info *all =
        arena_new_n(a, struct broker_producer_info, p->state->producers.count + 1);
    if (all == NULL) {
        return NULL;
    }
    LIST_FOR_EACH (l, next, &p->state->producers_by_use) {
        const struct producer *pr = CONTAINER_OF(l, struct producer, by_use);
        if (pr->batch_count > 0) {
            all[n++] = (struct broker_producer_info){.id = pr->id,
                                                     .epoch = pr->epoch,
                                                     .last_sequence = last_sequence(last_batch(pr)),
                                                     .last_timestamp_ms = pr->last_timestamp_ms};
        }
    }
    *count = n;
    return all;
}
