/*
 * One step: the event, the state of its key, what the service does with it, and what becomes of a
 * step that fails. A step that is not done leaves the batch as it was.
 */
#include "core/check.h"
#include "core/hash.h"
#include "proc/proc_int.h"

#include <string.h>

/* ---- What a step may call ------------------------------------------------------------------ */

struct str proc_state(const struct proc_step *s)
{
    return s->work->v.state;
}

static enum err no_room(const struct proc_batch *b, struct ectx *ec)
{
    return ectx_fail(ec, b->full ? ERR_LIMIT : ERR_NO_MEMORY, "no memory for what a step keeps");
}

enum err proc_state_set(struct proc_step *s, struct str value, struct ectx *ec)
{
    if (value.n > PROC_STATE_VALUE_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "a state of %zu bytes; a key may have %u", value.n,
                         PROC_STATE_VALUE_MAX);
    }
    struct str copy;
    if (!proc_batch_copy(s->batch, value, &copy)) {
        return no_room(s->batch, ec);
    }
    s->batch->bytes += value.n;
    s->work->v.state = copy;
    s->work->changed = true;
    return ERR_OK;
}

enum err proc_emit(struct proc_step *s, struct str topic, int32_t partition,
                   const struct engine_record *record, struct ectx *ec)
{
    const struct proc *p = s->batch->p;
    if (str_eq(topic, p->state_topic) || str_eq(topic, p->parked_topic)) {
        return ectx_fail(ec, ERR_INVALID_TOPIC, "'%.*s' is the processor's own", STR(topic));
    }
    enum err e = proc_batch_emit(s->batch, topic, partition, record, ec);
    s->batch->n.outputs += e == ERR_OK;
    return e;
}

static size_t timer_find(const struct proc_value *v, struct str name)
{
    size_t i = 0;
    while (i < v->timer_count && !str_eq(v->timers[i].name, name)) {
        i++;
    }
    return i;
}

int64_t proc_timer_due(const struct proc_step *s, struct str name)
{
    const size_t i = timer_find(&s->work->v, name);
    return i == s->work->v.timer_count ? INT64_MIN : s->work->v.timers[i].due_ms;
}

/* The timers without number i, in memory of their own: others may still point to the old ones. */
static struct proc_timer *timers_copy(struct proc_batch *b, const struct proc_value *v, size_t i,
                                      size_t more)
{
    struct proc_timer *out = proc_batch_alloc(b, (v->timer_count + more + 1) * sizeof(*out));
    size_t n = 0;
    for (size_t k = 0; out != NULL && k < v->timer_count; k++) {
        if (k != i) {
            out[n++] = v->timers[k];
        }
    }
    return out;
}

enum err proc_timer_set(struct proc_step *s, struct str name, int64_t due_ms, struct ectx *ec)
{
    struct proc_batch *b = s->batch;
    struct proc_work *w = s->work;
    const size_t i = timer_find(&w->v, name);
    const size_t rest = w->v.timer_count - (i < w->v.timer_count);
    if (name.n > PROC_TIMER_NAME_MAX || rest >= PROC_TIMERS_MAX) {
        return ectx_fail(ec, ERR_LIMIT, "a key may have %u timers, with names of %u bytes",
                         PROC_TIMERS_MAX, PROC_TIMER_NAME_MAX);
    }
    struct heap_node *node = &w->entry->node;
    if (node->index == HEAP_NONE && !heap_insert(&b->task->timers, node, UINT64_MAX)) {
        b->no_memory = true;
        return no_room(b, ec);
    }
    struct proc_timer *timers = timers_copy(b, &w->v, i, 1);
    if (timers == NULL ||
        !proc_batch_copy(b, str_is_null(name) ? STR_LIT("") : name, &timers[rest].name)) {
        return no_room(b, ec);
    }
    timers[rest].due_ms = due_ms;
    w->v.timers = timers;
    w->v.timer_count = rest + 1;
    w->changed = true;
    return ERR_OK;
}

void proc_timer_cancel(struct proc_step *s, struct str name)
{
    struct proc_value *v = &s->work->v;
    const size_t i = timer_find(v, name);
    if (i < v->timer_count) {
        struct proc_timer *timers = timers_copy(s->batch, v, i, 0);
        if (timers != NULL) { /* else the step does not count: full or no_memory is set */
            v->timers = timers;
            v->timer_count--;
            s->work->changed = true;
        }
    }
}

/* ---- The step ------------------------------------------------------------------------------ */

uint64_t proc_event_id(const struct proc_event *ev)
{
    uint64_t h = hash_str(ev->key) ^ hash_u64((uint64_t)ev->timestamp_ms);
    h = hash_u64(h ^ (uint64_t)ev->kind) ^ hash_str(ev->topic);
    h = hash_u64(h ^ (uint64_t)ev->offset) ^ hash_str(ev->timer);
    return hash_u64(h ^ (uint64_t)(ev->again ? ev->parked_offset + 1 : 0)) | 1;
}

/* What is there before a step, to go back to. */
struct before {
    struct proc_value v;
    bool changed;
    size_t bytes;
    struct proc_counts n;
};

static struct before remember(const struct proc_batch *b, const struct proc_work *w)
{
    return (struct before){w->v, w->changed, b->bytes, b->n};
}

static void go_back(struct proc_batch *b, struct proc_work *w, const struct before *was)
{
    proc_batch_rewind(b);
    w->v = was->v;
    w->changed = was->changed;
    b->bytes = was->bytes;
    b->n = was->n;
}

/* Of an event that was parked and is dealt with. */
static void one_less(struct proc_work *w, const struct proc_event *ev)
{
    w->v.parked_from = ev->parked_offset + !PROC_FAULT(again_kept);
    w->v.parked_count--;
    w->changed = true;
    if (w->v.parked_count == 0) {
        w->v.fate = PROC_LIVE;
        w->v.resuming = false;
        w->v.error = STR_NULL;
    }
}

static enum proc_step_result skip(struct proc_batch *b, struct proc_work *w,
                                  const struct proc_event *ev, const struct ectx *ec)
{
    struct proc_skipped *s = proc_batch_alloc(b, sizeof(*s));
    if (s != NULL) {
        s->what = arena_printf(
            &b->arena, "%.*s partition %d offset %lld key '%.*s' timer '%.*s': %s", STR(ev->topic),
            (int)ev->partition, (long long)ev->offset, (int)(ev->key.n < 64 ? ev->key.n : 64),
            ev->key.p, STR(ev->timer), ec->text);
        s->next = b->skipped;
        b->skipped = s;
    }
    if (s == NULL || str_is_null(s->what)) {
        return b->full ? PROC_STEP_FULL : PROC_STEP_WAIT;
    }
    b->n.skipped++;
    if (ev->again) {
        one_less(w, ev);
    }
    return PROC_STEP_DONE;
}

/* The step has failed for good. */
static enum proc_step_result apply_policy(struct proc_batch *b, struct proc_work *w,
                                          const struct proc_event *ev, struct ectx *ec)
{
    const struct proc *p = b->p;
    if (p->spec.on_error == PROC_SKIP) {
        return skip(b, w, ev, ec);
    }
    struct str text = arena_printf(&b->arena, "%s: %s", err_name(ec->code), ec->text);
    if (str_is_null(text)) {
        b->no_memory = true;
        return PROC_STEP_WAIT;
    }
    text.n = text.n > PROC_ERROR_TEXT_MAX ? PROC_ERROR_TEXT_MAX : text.n;
    if (ev->again) { /* it stays where it is, and so do those behind it */
        w->v.error = text;
        w->v.resuming = false;
        w->changed = true;
        return PROC_STEP_DONE;
    }
    if (b->task->parked_keys + b->new_parked >= PROC_PARKED_KEYS_MAX) {
        (void)ectx_fail(ec, ERR_LIMIT, "%u keys of this partition wait already",
                        PROC_PARKED_KEYS_MAX);
        ectx_hint(ec, "resume or discard some");
        return PROC_STEP_BLOCKED;
    }
    int64_t start;
    if (engine_bounds(p->engine, p->parked_topic, b->task->partition, &start, &w->v.parked_from) !=
        ERR_OK) {
        (void)ectx_fail(ec, ERR_UNKNOWN_TOPIC_OR_PARTITION, "no partition %d of '%.*s'",
                        (int)b->task->partition, STR(p->parked_topic));
        return PROC_STEP_WAIT;
    }
    w->v.fate = p->spec.on_error == PROC_STOP_KEY ? PROC_STOPPED : PROC_PARKED;
    w->v.resuming = false;
    w->v.parked_count = 0;
    w->v.error = text;
    enum proc_step_result r = proc_park(b, w, ev, ec);
    b->new_parked += r == PROC_STEP_DONE;
    return r;
}

/* The state as it would be is within the limit. */
static bool within(const struct proc_batch *b, const struct proc_work *w, const struct before *was)
{
    const int64_t growth = (int64_t)proc_value_size(&w->v) - (int64_t)proc_value_size(&was->v);
    const int64_t all = (int64_t)b->p->state_bytes + b->growth + growth;
    return growth <= 0 || all <= (int64_t)b->p->spec.state_bytes_max;
}

static enum err call(struct proc_batch *b, struct proc_work *w, const struct proc_event *ev,
                     enum err refused, struct ectx *ec)
{
    struct proc_task *t = b->task;
    if (refused != ERR_OK) {
        return refused;
    }
    if (t->condemned != 0 && t->condemned == proc_event_id(ev)) {
        b->condemned = true;
        *ec = t->condemned_ec;
        return ec->code;
    }
    struct proc_step s = {b, w};
    ec->text[0] = ec->hint[0] = '\0';
    return b->p->spec.step(b->p->spec.ctx, &s, ev, ec);
}

static enum proc_step_result execute(struct proc_batch *b, struct proc_work *w,
                                     const struct proc_event *ev, enum err refused, struct ectx *ec)
{
    if (w->v.fate != PROC_LIVE && !ev->again && !PROC_FAULT(park_overtaken)) {
        return proc_park(b, w, ev, ec);
    }
    const struct before was = remember(b, w);
    enum err e = call(b, w, ev, refused, ec);
    if (!b->full && !b->no_memory && e == ERR_OK) {
        if (within(b, w, &was)) {
            if (ev->again) {
                one_less(w, ev);
            }
            b->growth += (int64_t)proc_value_size(&w->v) - (int64_t)proc_value_size(&was.v);
            return PROC_STEP_DONE;
        }
        go_back(b, w, &was);
        (void)ectx_fail(ec, ERR_LIMIT, "the state is at its limit of %llu bytes",
                        (unsigned long long)b->p->spec.state_bytes_max);
        return PROC_STEP_BLOCKED;
    }
    go_back(b, w, &was);
    if (b->full && b->n.steps > 0) {
        return PROC_STEP_FULL;
    }
    if (b->no_memory) {
        (void)ectx_fail(ec, ERR_NO_MEMORY, "no memory for a step");
        return PROC_STEP_WAIT;
    }
    if (b->full) {
        e = ectx_fail(ec, ERR_MESSAGE_TOO_LARGE, "one step keeps or emits too much");
    }
    ec->code = e;
    if (err_retriable(e)) {
        return PROC_STEP_WAIT;
    }
    b->full = false;
    enum proc_step_result r = apply_policy(b, w, ev, ec);
    if (r != PROC_STEP_DONE) {
        go_back(b, w, &was);
    }
    return r;
}

enum proc_step_result proc_step_run(struct proc_batch *b, const struct proc_event *ev,
                                    enum err refused, struct ectx *ec)
{
    b->step++;
    b->full = b->no_memory = false;
    struct proc_work *w = proc_batch_work(b, ev->key, ec);
    if (w == NULL) {
        (void)ectx_fail(ec, ERR_NO_MEMORY, "no memory for a step");
        return b->full && b->n.steps > 0 ? PROC_STEP_FULL : PROC_STEP_WAIT;
    }
    const struct before was = remember(b, w);
    if (ev->kind == PROC_TIMER && !ev->again && !PROC_FAULT(timer_kept)) {
        struct proc_step s = {b, w};
        proc_timer_cancel(&s, ev->timer);
        if (b->full || b->no_memory) {
            (void)ectx_fail(ec, ERR_NO_MEMORY, "no memory for a step");
            return b->full && b->n.steps > 0 ? PROC_STEP_FULL : PROC_STEP_WAIT;
        }
    }
    enum proc_step_result r = execute(b, w, ev, refused, ec);
    if (r == PROC_STEP_DONE) {
        b->n.steps++;
        b->n.timers_fired += ev->kind == PROC_TIMER;
        b->last_event = proc_event_id(ev);
        return r;
    }
    go_back(b, w, &was);
    return r == PROC_STEP_BLOCKED && b->n.steps > 0 ? PROC_STEP_FULL : r;
}
