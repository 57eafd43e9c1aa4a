/*
 * A batch's way into the log: one append with the outputs, the keys that changed, and the
 * positions; and what becomes of the task when it is committed, aborted or refused.
 */
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "proc/proc_int.h"

#include <string.h>

static enum err log_key(struct proc_batch *b, struct proc_work *w, struct str *out)
{
    *out = proc_log_key(w->key, &b->arena);
    return str_is_null(*out) ? ERR_NO_MEMORY : ERR_OK;
}

/* The records of the changelog: keys that changed, positions last. */
static enum err changelog(struct proc_batch *b, struct engine_part *part)
{
    size_t most = 1, n = 0;
    LIST_FOR_EACH (l, tmp, &b->works) {
        most++;
    }
    struct engine_record *records = arena_new_n(&b->arena, struct engine_record, most);
    struct buf out;
    buf_init(&out, UINT32_MAX);
    enum err e = records == NULL ? ERR_NO_MEMORY : ERR_OK;
    LIST_FOR_EACH (l, tmp, &b->works) {
        struct proc_work *w = CONTAINER_OF(l, struct proc_work, link);
        const bool empty = proc_value_empty(&w->v);
        w->changed = w->changed && !(empty && w->entry->blob == NULL);
        if (!w->changed || e != ERR_OK) {
            continue;
        }
        struct engine_record *r = &records[n++];
        r->timestamp_ms = -1;
        e = log_key(b, w, &r->key);
        if (e == ERR_OK && !empty) {
            buf_clear(&out);
            proc_value_encode(&w->v, b->generation, &out);
            mem_free(w->blob); /* of a submit that failed */
            w->blob = buf_failed(&out) ? NULL : mem_alloc(out.n);
            if (w->blob == NULL) {
                e = ERR_NO_MEMORY;
                break;
            }
            memcpy(w->blob, out.p, out.n);
            w->blob_bytes = out.n;
            r->value = str_make(w->blob, w->blob_bytes);
        }
    }
    buf_clear(&out);
    struct proc_position pos = {
        .paused = b->paused, .generation = b->generation, .count = b->task->input_count};
    for (size_t i = 0; i < pos.count; i++) {
        pos.topics[i] = b->p->topics[i];
        pos.next[i] = b->next[i];
    }
    proc_position_encode(&pos, &out);
    if (e == ERR_OK && PROC_FAULT(no_position) && n > 0) {
        part->count = n;
    } else if (e == ERR_OK) {
        records[n].key = STR_LIT(PROC_POSITION_KEY);
        records[n].timestamp_ms = -1;
        records[n].value = arena_str(&b->arena, buf_str(&out));
        e = buf_failed(&out) || str_is_null(records[n].value) ? ERR_NO_MEMORY : ERR_OK;
        n++;
    }
    buf_deinit(&out);
    *part = (struct engine_part){.topic = b->p->state_topic,
                                 .partition = b->task->partition,
                                 .records = records,
                                 .count = n};
    return e;
}

static void commit(struct proc_task *t, struct proc_batch *b)
{
    struct proc *p = b->p;
    if (b->barrier) {
        t->barrier = b->append.parts[0].base_offset;
        t->phase = PROC_PHASE_RESTORE;
        t->batch = NULL;
        return;
    }
    if (b->cleared) {
        CHECK(list_empty(&b->works));
        proc_entries_clear(t);
    }
    LIST_FOR_EACH (l, tmp, &b->works) {
        struct proc_work *w = CONTAINER_OF(l, struct proc_work, link);
        if (!w->changed) {
            proc_work_leave(t, w);
            continue;
        }
        w->entry->work = NULL;
        proc_entry_set(t, w->entry, w->blob, w->blob_bytes, &w->v);
        w->blob = NULL;
    }
    for (const struct proc_skipped *s = b->skipped; s != NULL; s = s->next) {
        LOG_WARN("processor.skipped", KV_STR("processor", p->spec.name), KV_STR("event", s->what));
    }
    p->commits++;
    p->n.steps += b->n.steps;
    p->n.timers_fired += b->n.timers_fired;
    p->n.outputs += b->n.outputs;
    p->n.skipped += b->n.skipped;
    p->n.parked += b->n.parked;
    p->n.again += b->n.again;
    metric_add(p->m.commits, 1);
    metric_add(p->m.steps, b->n.steps);
    metric_add(p->m.timers, b->n.timers_fired);
    metric_add(p->m.outputs, b->n.outputs);
    metric_add(p->m.skipped, b->n.skipped);
    list_init(&b->works);
    b->task = NULL;
    t->batch = NULL;
    proc_task_committed(t, b);
}

/* The append's records, not the log, are at fault: of a batch of one step, its step is. */
static bool blames_records(enum err e)
{
    return e == ERR_MESSAGE_TOO_LARGE || e == ERR_RECORD_LIST_TOO_LARGE ||
           e == ERR_INVALID_RECORD || e == ERR_INVALID_TIMESTAMP || e == ERR_LIMIT;
}

static void batch_failed(struct proc_task *t, struct proc_batch *b, enum err e,
                         const struct ectx *ec)
{
    const uint64_t steps = b->n.steps;
    if (e == ERR_ABORTED) {
        b->p->aborts++;
        metric_add(b->p->m.aborts, 1);
        t->retries++;
        if (t->retries > PROC_ABORTS) {
            proc_task_wait(t, ec, false);
        }
        return; /* else once more, at once */
    }
    if (e == ERR_FENCED) {
        t->fenced = true;
        return;
    }
    if (blames_records(e) && steps > 1) {
        t->single = (uint32_t)steps; /* to find which one */
    } else if (blames_records(e) && steps == 1 && !b->condemned) {
        t->condemned = b->last_event;
        t->condemned_ec = *ec;
        t->condemned_ec.code = e;
    } else {
        proc_task_wait(t, ec, false);
    }
}

static void batch_undo(struct proc_task *t, struct proc_batch *b)
{
    const enum err e = b->append.err;
    if (PROC_FAULT(state_kept)) {
        LIST_FOR_EACH (l, tmp, &b->works) {
            struct proc_work *w = CONTAINER_OF(l, struct proc_work, link);
            if (w->changed) {
                w->entry->work = NULL;
                proc_entry_set(t, w->entry, w->blob, w->blob_bytes, &w->v);
                w->blob = NULL;
                list_remove(&w->link);
            }
        }
    }
    b->append.ec.code = e;
    batch_failed(t, b, e, &b->append.ec);
    if (!PROC_FAULT(abort_kept)) {
        for (size_t i = 0; i < t->input_count; i++) {
            proc_input_rewind(&t->inputs[i], t->inputs[i].next);
        }
    }
    proc_batch_drop(b);
    proc_again_reset(t);
    if (t->fenced) {
        proc_requests_end(t, ERR_FENCED);
    }
}

static void batch_done(struct engine_append *a)
{
    struct proc_batch *b = a->ctx;
    struct proc_task *t = b->task;
    list_remove(&b->link);
    if (t == NULL) {
        proc_batch_free(b);
        return;
    }
    const bool outer = t->running;
    t->running = true; /* whoever is told of it may end the task */
    if (a->err == ERR_OK) {
        commit(t, b);
        proc_batch_free(b);
    } else {
        batch_undo(t, b);
    }
    t->running = outer;
    proc_task_run(t);
}

static void batch_send(struct proc_batch *b)
{
    b->task->batch = b;
    list_push_back(&b->p->batches, &b->link);
    b->append.done = batch_done;
    b->append.ctx = b;
    engine_append(b->p->engine, &b->append);
}

enum err proc_batch_barrier(struct proc_batch *b, struct ectx *ec)
{
    struct engine_part *part = arena_new(&b->arena, struct engine_part);
    struct engine_record *r = arena_new(&b->arena, struct engine_record);
    if (part == NULL || r == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for a barrier");
    }
    *r = (struct engine_record){
        .key = STR_LIT(PROC_BARRIER_KEY), .value = STR_LIT(""), .timestamp_ms = -1};
    *part = (struct engine_part){
        .topic = b->p->state_topic, .partition = b->task->partition, .records = r, .count = 1};
    b->append = (struct engine_append){.parts = part, .part_count = 1};
    b->barrier = true;
    batch_send(b);
    return ERR_OK;
}

enum err proc_batch_submit(struct proc_batch *b, struct ectx *ec)
{
    struct proc_task *t = b->task;
    struct engine_append *a = &b->append;
    struct engine_part *parts = arena_new_n(&b->arena, struct engine_part, b->out_count + 1);
    size_t n = 0;
    if (parts == NULL || changelog(b, &parts[n++]) != ERR_OK) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for what a batch of steps did");
    }
    for (const struct proc_out *o = b->outs; o != NULL; o = o->next) {
        if (o->count > 0) {
            parts[n++] = (struct engine_part){.topic = o->topic,
                                              .partition = o->partition,
                                              .records = o->records,
                                              .count = o->count};
        }
    }
    for (size_t i = 0; i < t->input_count; i++) {
        b->inputs[i] = (struct engine_input){b->p->topics[i], t->partition, b->next[i]};
    }
    *a = (struct engine_append){.parts = parts,
                                .part_count = n,
                                .member = b->p->member,
                                .inputs = b->inputs,
                                .input_count = PROC_FAULT(no_inputs) ? 0 : t->input_count};
    batch_send(b);
    return ERR_OK;
}
