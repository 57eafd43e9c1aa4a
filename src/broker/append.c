/*
 * Appends of the server itself: batches for several partitions and facts of other rooms, in one
 * frame, so all of it or nothing. Offsets are known when the call returns.
 *
 * The batches are the server's own work: they are not judged as those of producers are, but the
 * topic's largest batch is honoured, for readers rely on it.
 */
#include "broker/broker_int.h"
#include "core/check.h"
#include "core/mem.h"

enum { APPEND_ON_STACK = 8 }; /* parts that need no memory of their own */

void broker_batch_rules(struct topic *t, struct broker_batch_rules *out)
{
    const struct record_rules *r = &topic_full_of(t)->rules;
    *out = (struct broker_batch_rules){
        .max_bytes = r->max_message_bytes < 0 ? 0 : (size_t)r->max_message_bytes,
        .log_append_time = r->log_append_time,
        .codec = r->codec == RECORD_KEEP_CODEC ? RECORD_CODEC_NONE : (enum record_codec)r->codec,
        .level = r->level,
    };
}

static enum err part_check(struct broker *b, struct broker_append_part *p, struct ectx *ec)
{
    struct topic *t = p->partition->topic;
    struct broker_batch_rules rules;
    struct batch_header h;
    broker_batch_rules(t, &rules);
    if (t->deleting) {
        return ectx_fail(ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "topic '%.*s' is being deleted",
                         STR(t->name));
    }
    if (p->size > rules.max_bytes) {
        enum err e =
            ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                      "a batch of %zu bytes for topic '%.*s' is larger than max.message.bytes=%zu",
                      p->size, STR(t->name), rules.max_bytes);
        ectx_hint(ec, "append less at once, or raise max.message.bytes of the topic");
        return e;
    }
    enum err e = batch_header_parse(p->bytes, p->size, &h, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct partition_state *state = p->partition->state;
    if (state->append_serial == b->append_serial) {
        return ectx_fail(ec, ERR_INVALID_REQUEST,
                         "partition %d of topic '%.*s' is in one append twice", p->partition->index,
                         STR(t->name));
    }
    state->append_serial = b->append_serial;
    CHECK(h.size == p->size);
    p->batch = (struct store_batch){.bytes = p->bytes,
                                    .size = p->size,
                                    .info = {.last_offset_delta = h.last_offset_delta,
                                             .max_timestamp = h.max_timestamp,
                                             .append_time_ms = env_wall_ms(b->env),
                                             .producer_id = BATCH_NO_PRODUCER,
                                             .producer_epoch = -1,
                                             .base_sequence = BATCH_NO_SEQUENCE}};
    p->records = (uint32_t)h.record_count;
    return ERR_OK;
}

static void on_durable(void *ctx, uint64_t position)
{
    struct broker_append *a = ctx;
    (void)position;
    a->position = 0;
    for (size_t i = 0; i < a->part_count; i++) {
        struct broker_append_part *p = &a->parts[i];
        p->position = p->batch.info.append_position;
        a->position = p->position > a->position ? p->position : a->position;
    }
    a->done(a);
}

static enum err put_batches(struct broker *b, struct store_frame *f, struct broker_append *a,
                            struct ectx *ec)
{
    struct store_part *few_parts[APPEND_ON_STACK];
    struct store_batch *few_batches[APPEND_ON_STACK];
    struct store_part **parts = few_parts;
    struct store_batch **batches = few_batches;
    const size_t n = a->part_count;
    enum err e = ERR_OK;
    if (n > APPEND_ON_STACK) {
        parts = mem_zalloc(n, sizeof(struct store_part *));
        batches = mem_zalloc(n, sizeof(struct store_batch *));
    }
    if (parts == NULL || batches == NULL) {
        e = ectx_fail(ec, ERR_NO_MEMORY, "no memory for an append to %zu partitions", n);
    }
    for (size_t i = 0; e == ERR_OK && i < n; i++) {
        parts[i] = a->parts[i].partition->part;
        batches[i] = &a->parts[i].batch;
    }
    size_t failed = 0;
    for (size_t i = 0; BROKER_FAULT(append_apart) && e == ERR_OK && i + 1 < n; i++) {
        struct store_frame *apart = store_frame_begin(b->store);
        e = apart == NULL ? ERR_NO_MEMORY : store_frame_batch(apart, parts[i], batches[i], ec);
        if (apart != NULL) {
            store_frame_commit(apart, NULL, NULL);
        }
    }
    if (BROKER_FAULT(append_apart) && e == ERR_OK && n > 1) {
        e = store_frame_batch(f, parts[n - 1], batches[n - 1], ec);
    } else if (e == ERR_OK && n > 0) {
        e = store_frame_batches(f, parts, batches, n, &failed, ec);
        if (e != ERR_OK && failed < n) {
            const struct partition *p = a->parts[failed].partition;
            e = ectx_wrap(ec, e, "partition %d of topic '%.*s'", p->index, STR(p->topic->name));
        }
    }
    if (n > APPEND_ON_STACK) {
        mem_free(parts);
        mem_free(batches);
    }
    return e;
}

static void count(struct broker_append *a)
{
    for (size_t i = 0; i < a->part_count; i++) {
        struct broker_append_part *p = &a->parts[i];
        const struct topic_full *t = topic_full_of(p->partition->topic);
        p->base_offset = p->batch.info.base_offset;
        metric_add(t->bytes_in, p->size);
        metric_add(t->batches_in, 1);
        metric_add(t->records_in, p->records);
    }
}

enum err broker_append(struct broker *b, struct broker_append *a, struct ectx *ec)
{
    b->append_serial++;
    for (size_t i = 0; i < a->part_count; i++) {
        enum err e = part_check(b, &a->parts[i], ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    if (!store_ready(b->store)) {
        return ectx_fail(ec, ERR_AGAIN, "the log has no room at the moment");
    }
    struct store_frame *f = store_frame_begin(b->store);
    if (f == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for an append");
    }
    enum err e = ERR_OK;
    for (size_t i = 0; i < a->fact_count && e == ERR_OK; i++) {
        e = store_frame_fact(f, a->facts[i].tag, a->facts[i].body);
        if (e != ERR_OK) {
            e = ectx_fail(ec, e, "a fact of %zu bytes: %s", a->facts[i].body.n, err_text(e));
        }
    }
    e = e == ERR_OK ? put_batches(b, f, a, ec) : e;
    if (e != ERR_OK) {
        store_frame_drop(f);
        return e;
    }
    count(a);
    store_frame_commit(f, on_durable, a);
    return ERR_OK;
}
