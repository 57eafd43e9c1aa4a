/*
 * The gate of plain producers: the broker's, in the words of engine.h. An item lives in the arena
 * of its request, from its check until it is durable or dropped.
 */
#include "core/check.h"
#include "engine/embedded_int.h"

static bool guards(void *ctx, struct str topic)
{
    const struct embedded *m = ctx;
    return m->gate.guards(m->gate.ctx, topic);
}

/* The gate's answer, as the broker takes it. Without memory for the records' errors the message of
 * the batch still stands. */
static void answer(struct broker_gate_item *to, const struct engine_gate_item *from)
{
    to->replacement = from->replacement;
    to->error = from->error;
    to->original_offset = from->original_offset;
    to->record_errors =
        from->record_error_count == 0
            ? NULL
            : arena_new_n(to->arena, struct broker_record_error, from->record_error_count);
    if (to->record_errors == NULL) {
        return;
    }
    to->record_error_count = (int32_t)from->record_error_count;
    for (size_t i = 0; i < from->record_error_count; i++) {
        to->record_errors[i] = (struct broker_record_error){from->record_errors[i].index,
                                                            from->record_errors[i].message};
    }
}

static enum err check(void *ctx, struct broker_gate_item *item, struct ectx *ec)
{
    struct embedded *m = ctx;
    struct engine_gate_item *to = arena_new(item->arena, struct engine_gate_item);
    if (to == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the check of a batch");
    }
    *to = (struct engine_gate_item){.topic = item->partition->topic->name,
                                    .partition = item->partition->index,
                                    .batch = item->batch,
                                    .arena = item->arena,
                                    .original_offset = -1};
    item->internal = to;
    const enum err e = m->gate.check(m->gate.ctx, to, ec);
    answer(item, to);
    return e;
}

static void sequenced(void *ctx, struct broker_gate_item *item, int64_t base_offset)
{
    struct embedded *m = ctx;
    m->gate.sequenced(m->gate.ctx, item->internal, base_offset);
}

static void durable(void *ctx, struct broker_gate_item *item, uint64_t position)
{
    struct embedded *m = ctx;
    m->gate.durable(m->gate.ctx, item->internal, position);
}

static void dropped(void *ctx, struct broker_gate_item *item)
{
    struct embedded *m = ctx;
    m->gate.dropped(m->gate.ctx, item->internal);
}

static enum err change(void *ctx, struct str topic, const char *what, struct str setting,
                       struct ectx *ec)
{
    const struct embedded *m = ctx;
    return m->gate.change(m->gate.ctx, topic, what, setting, ec);
}

void embedded_gate_set(struct engine *e, const struct engine_gate *gate)
{
    struct embedded *m = embedded_of(e);
    if (gate == NULL) {
        broker_gate_set(m->broker, NULL);
        return;
    }
    const struct broker_gate own = {m, guards, check, sequenced, durable, dropped, change};
    m->gate = *gate;
    broker_gate_set(m->broker, &own);
}

static void retry(void *ctx)
{
    struct embedded *m = ctx;
    m->retry_posted = false;
    broker_gate_retry(m->broker);
}

/* Later: the gate may call it from within its own check, before the request is held. */
void embedded_gate_retry(struct engine *e)
{
    struct embedded *m = embedded_of(e);
    if (!m->retry_posted) {
        m->retry_posted = true;
        env_poll_post(m->base.poll, retry, m);
    }
}
