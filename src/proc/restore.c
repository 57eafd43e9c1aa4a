/*
 * A task begins by reading its changelog to the end. Where the end is needs care: an engine may
 * show the group's committed position, and the end of the partition, before it shows the last
 * records that were written with it. So the task first appends a barrier to the changelog and reads
 * until it sees that: whatever the former owner has committed has a lower offset. (What it writes
 * later is fenced.)
 *
 * The changelog says itself how far the inputs were read. If the group is ahead of that, somebody
 * has moved the group forward or removed the changelog; the task says so and waits for a reset.
 */
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "proc/proc_int.h"

#include <string.h>

static int64_t position_of(const struct proc_task *t, size_t i)
{
    for (size_t k = 0; t->has_position && k < t->restored.count; k++) {
        if (str_eq(t->restored.topics[k], t->p->topics[i])) {
            return t->restored.next[k];
        }
    }
    return -1;
}

/* Everything of a later generation makes what is there worthless. */
static void generation_is(struct proc_task *t, uint64_t generation)
{
    if (generation > t->generation) {
        if (!PROC_FAULT(generation_kept)) {
            proc_entries_clear(t);
        }
        t->generation = generation;
    }
}

static enum err take_position(struct proc_task *t, const struct record *r, struct ectx *ec)
{
    struct proc_position pos;
    enum err e = proc_position_decode(r->value, &pos, ec);
    if (e != ERR_OK) {
        return e;
    }
    generation_is(t, pos.generation);
    /* Topics' names must outlive the read: those that are ours do; others do not matter. */
    struct proc_position mine = {.paused = pos.paused, .generation = pos.generation};
    for (size_t i = 0; i < t->input_count; i++) {
        for (size_t k = 0; k < pos.count; k++) {
            if (str_eq(pos.topics[k], t->p->topics[i])) {
                mine.topics[mine.count] = t->p->topics[i];
                mine.next[mine.count++] = pos.next[k];
            }
        }
    }
    t->restored = mine;
    t->has_position = true;
    return ERR_OK;
}

static enum err take_key(struct proc_task *t, struct str key, const struct record *r,
                         struct ectx *ec)
{
    struct proc_entry *en = proc_entry_get(t, key);
    struct proc_value v = {0};
    if (str_is_null(r->value)) {
        if (en != NULL) {
            proc_entry_free(t, en);
        }
        return ERR_OK;
    }
    uint64_t generation;
    struct arena a;
    arena_init(&a, PROC_TIMERS_MAX * 64);
    enum err e = proc_value_decode(r->value, &a, &v, &generation, ec);
    const bool old = e == ERR_OK && generation < t->generation;
    uint8_t *blob = NULL;
    if (e == ERR_OK && !old) {
        generation_is(t, generation);
        en = proc_entry_get(t, key);
        en = en == NULL ? proc_entry_make(t, key) : en;
        blob = en == NULL ? NULL : mem_alloc(r->value.n);
        const bool heap = v.timer_count == 0 || (en != NULL && en->node.index != HEAP_NONE) ||
                          (blob != NULL && heap_insert(&t->timers, &en->node, UINT64_MAX));
        if (blob != NULL && heap) {
            memcpy(blob, r->value.p, r->value.n);
            proc_entry_set(t, en, blob, r->value.n, &v);
        } else {
            e = ectx_fail(ec, ERR_NO_MEMORY, "no memory for the state");
            mem_free(blob);
            if (en != NULL && en->blob == NULL) {
                proc_entry_free(t, en);
            }
        }
    }
    arena_deinit(&a);
    if (e == ERR_OK && t->p->state_bytes > t->p->spec.state_bytes_max) {
        e = ectx_fail(ec, ERR_LIMIT, "the state has more than the %llu bytes that it may have",
                      (unsigned long long)t->p->spec.state_bytes_max);
        ectx_hint(ec, "give it more, or reset the processor");
    }
    return e;
}

static enum err take(struct proc_task *t, const struct record *r, struct ectx *ec)
{
    const struct str key = proc_state_key(r->key);
    if (str_eq(r->key, STR_LIT(PROC_BARRIER_KEY))) {
        return ERR_OK;
    }
    enum err e = str_is_null(key) ? take_position(t, r, ec) : take_key(t, key, r, ec);
    return e == ERR_OK ? e
                       : ectx_wrap(ec, e, "'%.*s' partition %d offset %lld", STR(t->aux.topic),
                                   (int)t->partition, (long long)r->offset);
}

/* From the beginning again. */
static void start_over(struct proc_task *t)
{
    proc_input_release(&t->aux);
    proc_entries_clear(t);
    t->aux.at = -1;
    t->has_position = t->caught_up = false;
    t->generation = 0;
}

/* The changelog is behind the group. */
static enum err behind(struct proc_task *t, struct ectx *ec)
{
    for (size_t i = 0; i < t->input_count; i++) {
        const struct proc_input *in = &t->inputs[i];
        const int64_t at = position_of(t, i);
        if (in->committed != -1 && at < in->committed) {
            (void)ectx_fail(
                ec, ERR_AGAIN,
                "the state of '%.*s' partition %d is known up to offset %lld, the group "
                "has read to %lld",
                STR(in->topic), (int)t->partition, (long long)at, (long long)in->committed);
            ectx_hint(ec,
                      "it may still come; if the group was moved or '%.*s' removed, reset the "
                      "processor",
                      STR(t->p->state_topic));
            return ERR_AGAIN;
        }
    }
    return ERR_OK;
}

void proc_restore_end(struct proc_task *t)
{
    proc_input_release(&t->aux);
    t->paused = t->has_position && t->restored.paused;
    for (size_t i = 0; i < t->input_count; i++) {
        t->inputs[i].next = t->inputs[i].at = position_of(t, i);
    }
    LOG_INFO("processor.restored", KV_STR("processor", t->p->spec.name),
             KV_I64("partition", t->partition), KV_U64("keys", t->key_count),
             KV_U64("timers", t->timer_count), KV_U64("parked_events", t->parked_events));
}

static enum err read_failed(struct proc_task *t, struct ectx *ec)
{
    struct proc_input *in = &t->aux;
    in->failed = false;
    if (in->read.err == ERR_OFFSET_OUT_OF_RANGE) { /* cleaned meanwhile */
        start_over(t);
        return ectx_fail(ec, ERR_AGAIN, "'%.*s' changed while it was read", STR(in->topic));
    }
    *ec = in->read.ec;
    return in->read.err;
}

enum err proc_restore(struct proc_task *t, struct ectx *ec)
{
    struct proc_input *in = &t->aux;
    in->topic = t->p->state_topic;
    int64_t end;
    if (in->at == -1) {
        enum err e = engine_bounds(t->p->engine, in->topic, t->partition, &in->at, &end);
        if (e != ERR_OK) {
            in->at = -1;
            return ectx_fail(ec, e, "no partition %d of '%.*s'", (int)t->partition, STR(in->topic));
        }
    }
    for (;;) {
        if (in->failed) {
            return read_failed(t, ec);
        }
        if (!in->held) {
            proc_input_ask(in, in->at > 0 && in->at >= in->end ? PROC_READ_WAIT_NS : 0);
            if (!in->held) {
                return in->failed ? read_failed(t, ec) : ERR_AGAIN;
            }
        }
        const struct record *r;
        enum err e;
        while ((e = proc_input_peek(in, &r, ec)) == ERR_OK) {
            e = take(t, r, ec);
            if (e != ERR_OK) {
                start_over(t); /* what it had is not whole */
                return e;
            }
            proc_input_pass(in);
        }
        if (e != ERR_NOT_FOUND) {
            start_over(t);
            return e;
        }
        const bool end_seen =
            in->at > t->barrier || (PROC_FAULT(barrier_ignored) && in->at >= in->end);
        proc_input_release(in);
        if (end_seen) {
            t->caught_up = true;
            if (behind(t, ec) == ERR_OK) {
                return ERR_OK;
            }
            t->ec = *ec;
            t->waiting = true;
        }
    }
}
