/* A fact by its place: snapshots and redactions, whose index entries say only where they are. */
#include "es/read_int.h"

void es_fact_fetch_begin(struct es_fact_fetch *f, struct es_task *task, struct str stream,
                         int64_t offset, struct arena *a, struct ectx *ec)
{
    f->task = task;
    f->slot = NULL;
    f->stream = stream;
    f->offset = offset;
    f->arena = a;
    f->ec = ec;
    f->asked = false;
    f->err = ERR_NOT_FOUND;
}

void es_fact_fetch_cancel(struct es_fact_fetch *f)
{
    if (f->slot != NULL) {
        es_slot_give(f->slot);
        f->slot = NULL;
    }
}

static void answered(struct es_slot *s)
{
    struct es_fact_fetch *f = s->owner;
    es_task_wake(f->task);
}

static enum err take(struct es_fact_fetch *f)
{
    struct engine_read *read = &f->slot->read;
    struct batch_header h;
    struct record_iter it;
    struct record r;
    if (read->err != ERR_OK || read->batch_count == 0) {
        if (f->ec != NULL) {
            *f->ec = read->ec;
        }
        return read->err == ERR_OK ? ERR_NOT_FOUND : read->err;
    }
    const uint8_t *bytes = (const uint8_t *)read->batches[0].bytes.p;
    enum err e = batch_header_parse(bytes, read->batches[0].bytes.n, &h, f->ec);
    if (e == ERR_OK) {
        e = record_iter_init(&it, &h, bytes, &f->task->es->reader->scratch, ES_DECOMPRESS_MAX,
                             f->ec);
    }
    while (e == ERR_OK && record_next(&it, &r)) {
        if (r.offset < f->offset) {
            continue;
        }
        if (r.offset > f->offset || !str_eq(r.key, f->stream) || r.value.p == NULL) {
            return ERR_NOT_FOUND; /* of another stream */
        }
        struct str value = arena_str(f->arena, r.value);
        if (value.p == NULL) {
            return ectx_fail(f->ec, ERR_NO_MEMORY, "no memory for a fact of %zu bytes", r.value.n);
        }
        f->time_ms = r.timestamp;
        return es_fact_parse(value, f->arena, &f->fact, f->ec);
    }
    return e == ERR_OK ? ERR_NOT_FOUND : e;
}

bool es_fact_fetch_run(struct es_fact_fetch *f)
{
    struct es *es = f->task->es;
    if (f->asked && f->slot == NULL) {
        return true;
    }
    if (!f->asked) {
        f->asked = true;
        f->slot = es_slot_take(es);
        if (f->slot == NULL) {
            f->err = ectx_fail(f->ec, ERR_NO_MEMORY, "no memory for a read");
            return true;
        }
        f->slot->owner = f;
        f->slot->answered = answered;
        if (!es_slot_ask(f->slot, STR_LIT(ES_STREAMS_TOPIC), es_facts_partition(es, f->stream),
                         f->offset, 1)) {
            return false;
        }
    } else if (f->slot->out) {
        return false;
    }
    f->err = take(f);
    es_fact_fetch_cancel(f);
    return true;
}
