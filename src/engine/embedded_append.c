/*
 * Appends of the embedded engine: records become batches here, and all of them go into one frame.
 * Everything that can fail does so before the call returns; after that only a failure of the store
 * remains, and then nobody is told anything any more.
 */
#include "core/check.h"
#include "core/mem.h"
#include "engine/embedded_int.h"

enum {
    APPEND_FRAME_SPARE = 64 << 10, /* of a frame: for the facts, and what surrounds each batch */
    APPEND_BUFFER_KEEP = 1 << 20,  /* of the builder, from one append to the next */
};

struct append_op {
    struct list link; /* in embedded.appends */
    struct embedded *m;
    struct engine_append *a;
    struct broker_append append;
    struct group_op *commit; /* the inputs; NULL: none */
    struct buf bytes;        /* the batches, one behind the other */
    struct store_sync_job sync;
    struct broker_append_part parts[];
};

size_t embedded_append_max_bytes(const struct engine *e)
{
    const size_t frame = store_frame_max_bytes(embedded_of_const(e)->store);
    return frame >= 4u * APPEND_FRAME_SPARE ? frame - APPEND_FRAME_SPARE : frame / 4 * 3;
}

static void op_free(struct append_op *op)
{
    list_remove(&op->link);
    buf_deinit(&op->bytes);
    mem_free(op);
}

void appends_free(struct embedded *m)
{
    struct list *l;
    while ((l = list_pop_front(&m->appends)) != NULL) {
        op_free(CONTAINER_OF(l, struct append_op, link));
    }
}

static void finish(struct append_op *op)
{
    struct engine_append *a = op->a;
    a->err = ERR_OK;
    a->internal = NULL;
    op_free(op);
    if (!ENGINE_FAULT(done_early)) {
        a->done(a);
    }
}

static void on_flushed(struct store_sync_job *job)
{
    struct append_op *op = job->ctx;
    op->a->flushed = job->err == ERR_OK;
    finish(op);
}

/* What is durable by its frame is so already: only topics with durability os are flushed here. */
static void flush(struct append_op *op)
{
    const size_t count = op->a->part_count;
    struct store_part **parts = mem_zalloc(count, sizeof(struct store_part *));
    op->sync = (struct store_sync_job){.done = on_flushed, .ctx = op, .err = ERR_NO_MEMORY};
    if (parts == NULL) {
        on_flushed(&op->sync);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        parts[i] = op->parts[i].partition->part;
    }
    store_sync(op->m->store, parts, count, &op->sync);
    mem_free(parts);
}

static void on_durable(struct broker_append *ba)
{
    struct append_op *op = ba->ctx;
    struct engine_append *a = op->a;
    for (size_t i = 0; i < a->part_count; i++) {
        a->parts[i].position = op->parts[i].position;
    }
    if (op->commit != NULL) {
        groups_carried(op->commit);
    }
    a->position = ba->position;
    if (a->flush && a->part_count > 0) {
        flush(op);
        return;
    }
    a->flushed = a->flush;
    finish(op);
}

static enum err put_records(struct embedded *m, const struct engine_part *part, int64_t now_ms,
                            struct ectx *ec)
{
    batch_builder_clear(&m->builder);
    for (size_t i = 0; i < part->count; i++) {
        const struct engine_record *r = &part->records[i];
        const enum err e =
            batch_builder_append(&m->builder, r->timestamp_ms < 0 ? now_ms : r->timestamp_ms,
                                 r->key, r->value, r->headers, r->header_count);
        if (e == ERR_LIMIT) {
            return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                             "the records for topic '%.*s' are larger than the %zu bytes that one "
                             "append may have",
                             STR(part->topic), m->builder.records.max);
        }
        if (e != ERR_OK) {
            return ectx_fail(ec, e, "no memory for a batch of topic '%.*s'", STR(part->topic));
        }
    }
    return ERR_OK;
}

static enum err build(struct append_op *op, size_t i, int64_t now_ms, struct ectx *ec)
{
    struct embedded *m = op->m;
    const struct engine_part *part = &op->a->parts[i];
    enum err e = ERR_OK;
    struct partition *p = embedded_partition(m, part->topic, part->partition, &e, ec);
    if (p == NULL) {
        return e;
    }
    if (part->count == 0) {
        return ectx_fail(ec, ERR_INVALID_REQUEST, "an append to topic '%.*s' without records",
                         STR(part->topic));
    }
    e = put_records(m, part, now_ms, ec);
    if (e != ERR_OK) {
        return e;
    }
    struct broker_batch_rules rules;
    struct batch_spec spec;
    broker_batch_rules(p->topic, &rules);
    batch_spec_init(&spec);
    spec.codec = rules.codec;
    spec.level = rules.level;
    spec.log_append_time = rules.log_append_time;
    spec.append_time_ms = now_ms;
    const size_t at = op->bytes.n;
    e = batch_builder_finish(&m->builder, &spec, &m->scratch, &op->bytes, ec);
    if (e == ERR_LIMIT) {
        return ectx_fail(ec, ERR_MESSAGE_TOO_LARGE,
                         "an append of more than %zu bytes is not possible", op->bytes.max);
    }
    op->parts[i] = (struct broker_append_part){.partition = p, .size = op->bytes.n - at};
    return e;
}

static enum err start(struct append_op *op, struct ectx *ec)
{
    struct engine_append *a = op->a;
    const int64_t now_ms = env_wall_ms(op->m->base.env);
    enum err e = ERR_OK;
    for (size_t i = 0; i < a->part_count && e == ERR_OK; i++) {
        e = build(op, i, now_ms, ec);
    }
    if (e != ERR_OK) {
        return e;
    }
    uint8_t *at = op->bytes.p; /* it does not move any more */
    for (size_t i = 0; i < a->part_count; i++) {
        op->parts[i].bytes = at;
        at += op->parts[i].size;
    }
    struct broker_append_fact fact = {.tag = STORE_TAG_GROUPS};
    if (a->input_count > 0) {
        e = member_commit(op->m, a, &op->commit, &fact.body, ec);
        if (e != ERR_OK) {
            return e;
        }
    }
    op->append = (struct broker_append){
        .parts = op->parts,
        .part_count = a->part_count,
        .facts = &fact,
        .fact_count = op->commit != NULL && !ENGINE_FAULT(inputs_forgotten) ? 1 : 0,
        .done = on_durable,
        .ctx = op};
    e = broker_append(op->m->broker, &op->append, ec);
    if (e != ERR_OK && op->commit != NULL) {
        groups_carry_drop(op->commit);
    }
    for (size_t i = 0; i < a->part_count && e == ERR_OK; i++) {
        a->parts[i].base_offset = op->parts[i].base_offset;
    }
    return e;
}

void embedded_append(struct engine *e, struct engine_append *a)
{
    struct embedded *m = embedded_of(e);
    struct append_op *op =
        mem_zalloc(1, sizeof(*op) + a->part_count * sizeof(struct broker_append_part));
    enum err err = ERR_OK;
    a->ec = (struct ectx){.code = ERR_OK};
    a->position = 0;
    a->flushed = false;
    if (op == NULL) {
        err = ectx_fail(&a->ec, ERR_NO_MEMORY, "no memory for an append");
    } else {
        op->m = m;
        op->a = a;
        buf_init(&op->bytes, embedded_append_max_bytes(e));
        list_init(&op->link);
        list_push_back(&m->appends, &op->link);
        a->internal = op;
        err = start(op, &a->ec);
        if (m->builder.records.cap > APPEND_BUFFER_KEEP) {
            batch_builder_deinit(&m->builder);
            batch_builder_init(&m->builder, embedded_append_max_bytes(e));
        }
    }
    if (err == ERR_OK && ENGINE_FAULT(done_early)) {
        a->done(a);
    }
    if (err != ERR_OK) {
        if (op != NULL) {
            op_free(op);
        }
        a->internal = NULL;
        a->err = err;
        a->done(a);
    }
}
