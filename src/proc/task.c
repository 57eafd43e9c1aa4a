/*
 * A task: one partition number of the inputs. A turn does what can be done now, and ends when it
 * waits for something: a read, an append, time, or a person. Whatever happens calls
 * proc_task_run; a call from within a turn only makes the turn go round once more.
 *
 *   BARRIER (written?) -> RESTORE (changelog read up to it) -> START (positions known and written)
 * -> RUN
 */
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "proc/proc_int.h"

struct proc_task *proc_task_make(struct proc *p, int32_t partition)
{
    size_t count = p->spec.topic_count;
    struct proc_task *t = mem_zalloc(1, sizeof(*t) + count * sizeof(t->inputs[0]));
    if (t == NULL) {
        return NULL;
    }
    t->p = p;
    t->partition = partition;
    map_init(&t->entries);
    heap_init(&t->timers);
    list_init(&t->resuming);
    list_init(&t->requests);
    proc_input_init(&t->aux, t, p->state_topic);
    for (size_t i = 0; i < count; i++) {
        struct engine_topic topic;
        if (engine_topic_get(p->engine, p->topics[i], &topic) &&
            partition < topic.partition_count) {
            t->inputs[t->input_count++].topic = p->topics[i];
        }
    }
    for (size_t i = 0; i < t->input_count; i++) {
        proc_input_init(&t->inputs[i], t, t->inputs[i].topic);
    }
    list_push_back(&p->tasks, &t->link);
    return t;
}

static void task_free(struct proc_task *t)
{
    for (size_t i = 0; i < t->input_count; i++) {
        proc_input_deinit(&t->inputs[i]);
    }
    proc_input_deinit(&t->aux);
    map_deinit(&t->entries);
    heap_deinit(&t->timers);
    mem_free(t);
}

void proc_task_drop(struct proc_task *t, enum err why)
{
    if (t->gone) {
        return;
    }
    t->gone = true;
    list_remove(&t->link);
    proc_requests_end(t, why);
    LIST_FOR_EACH (l, tmp, &t->p->seeks) {
        struct proc_seek *s = CONTAINER_OF(l, struct proc_seek, link);
        s->task = s->task == t ? NULL : s->task;
    }
    struct proc_batch *b = t->batch;
    if (b != NULL) { /* it ends without us */
        LIST_FOR_EACH (l, tmp, &b->works) {
            struct proc_work *w = CONTAINER_OF(l, struct proc_work, link);
            w->entry->work = NULL;
            w->entry = NULL;
        }
        b->task = NULL;
        t->batch = NULL;
    }
    for (size_t i = 0; i < t->input_count; i++) {
        proc_input_release(&t->inputs[i]);
    }
    proc_input_release(&t->aux);
    proc_entries_clear(t);
    if (!t->running) {
        task_free(t);
    }
}

void proc_task_wait(struct proc_task *t, const struct ectx *ec, bool blocked)
{
    t->ec = *ec;
    t->waiting = true;
    t->blocked = blocked;
    uint64_t ns = PROC_RETRY_FIRST_NS << (t->retries < 10 ? t->retries : 10);
    t->retries++;
    ns = ns > PROC_RETRY_LAST_NS ? PROC_RETRY_LAST_NS : ns;
    t->retry_at_ns = env_mono_ns(t->p->env) + ns;
}

void proc_task_committed(struct proc_task *t, struct proc_batch *b)
{
    const bool moved = b->request != NULL && b->request->call->kind == PROC_RESET;
    t->paused = b->paused;
    t->generation = b->generation;
    t->has_position = true;
    for (size_t i = 0; i < t->input_count; i++) {
        struct proc_input *in = &t->inputs[i];
        in->next = in->committed = b->next[i];
        if (moved) {
            proc_input_release(in);
            in->at = in->next;
        }
    }
    if (moved) {
        proc_again_reset(t);
    }
    if (moved && t->phase != PROC_PHASE_RUN) {
        proc_input_release(&t->aux);
        t->phase = PROC_PHASE_RUN;
    }
    t->waiting = t->blocked = false;
    t->retries = 0;
    t->retry_at_ns = 0;
    t->single -= t->single > 0 && b->n.steps > 0;
    if (b->condemned) {
        t->condemned = 0;
    }
    if (b->request != NULL) {
        proc_request_done(t->p, b->request, ERR_OK, b->affected);
    }
}

uint64_t proc_task_due_ns(const struct proc_task *t)
{
    if (t->fenced || t->batch != NULL) {
        return UINT64_MAX;
    }
    if (t->retry_at_ns != 0) {
        return t->retry_at_ns;
    }
    const struct heap_node *n = t->paused ? NULL : heap_min(&t->timers);
    if (n == NULL || n->key == UINT64_MAX) {
        return UINT64_MAX;
    }
    const int64_t wall = env_wall_ms(t->p->env);
    const uint64_t now_ms = wall < 0 ? 0 : (uint64_t)wall;
    const uint64_t in_ms = n->key > now_ms ? n->key - now_ms : 0;
    const uint64_t now = env_mono_ns(t->p->env);
    return in_ms > (UINT64_MAX - now) / 1000000 ? UINT64_MAX : now + in_ms * 1000000;
}

/* ---- Building a batch ---------------------------------------------------------------------- */

static bool next_timer(const struct proc_value *v, int64_t now_ms, struct proc_timer *out)
{
    bool found = false;
    for (size_t i = 0; i < v->timer_count; i++) {
        const struct proc_timer *x = &v->timers[i];
        if (x->due_ms <= now_ms && (!found || x->due_ms < out->due_ms)) {
            *out = *x;
            found = true;
        }
    }
    return found;
}

/* All that are due, key by key, each key's in order; at most half a batch, so that timers that set
 * themselves again do not keep the inputs waiting. */
static enum proc_step_result fire_timers(struct proc_batch *b, struct ectx *ec)
{
    struct proc_task *t = b->task;
    const int64_t now_ms = env_wall_ms(t->p->env);
    const uint64_t most = b->steps_max / 2 + 1;
    for (;;) {
        struct heap_node *node = heap_min(&t->timers);
        if (node == NULL || node->key > (uint64_t)(now_ms < 0 ? 0 : now_ms)) {
            return PROC_STEP_DONE;
        }
        struct proc_entry *en = CONTAINER_OF(node, struct proc_entry, node);
        struct proc_work *w = proc_batch_work(b, en->key, ec);
        if (w == NULL) {
            (void)ectx_fail(ec, ERR_NO_MEMORY, "no memory for a timer");
            return b->n.steps > 0 ? PROC_STEP_FULL : PROC_STEP_WAIT;
        }
        struct proc_timer due = {0};
        while (next_timer(&w->v, now_ms, &due)) {
            if (b->n.steps >= most || !proc_batch_more(b)) {
                return PROC_STEP_DONE;
            }
            const struct proc_event ev = {.kind = PROC_TIMER,
                                          .key = w->key,
                                          .timestamp_ms = due.due_ms,
                                          .partition = t->partition,
                                          .timer = due.name};
            const enum proc_step_result r = proc_step_run(b, &ev, ERR_OK, ec);
            if (r != PROC_STEP_DONE) {
                return r;
            }
            if (PROC_FAULT(timer_kept)) {
                break;
            }
        }
        heap_update(&t->timers, node, UINT64_MAX); /* until the batch ends */
    }
}

/* Of a record, with the key of its state. */
static enum err event_of(struct proc_input *in, const struct record *r, struct arena *a,
                         struct proc_event *ev, struct ectx *ec)
{
    const struct proc_spec *spec = &in->task->p->spec;
    *ev = (struct proc_event){
        .kind = PROC_RECORD,
        .key = str_is_null(r->key) ? STR_LIT("") : r->key,
        .timestamp_ms = r->timestamp,
        .topic = in->topic,
        .partition = in->task->partition,
        .offset = r->offset,
        .position = in->position,
        .record_key = r->key,
        .value = r->value,
        .header_count = r->header_count,
        .headers = r->headers,
    };
    enum err e = ERR_OK;
    if (spec->key_of != NULL) {
        struct str key = ev->key;
        e = spec->key_of(spec->ctx, ev, a, &key, ec);
        ev->key = e != ERR_OK || str_is_null(key) ? ev->key : key;
    }
    if (ev->key.n > PROC_KEY_MAX) {
        e = ectx_fail(ec, ERR_LIMIT, "a key of %zu bytes; at most %u", ev->key.n, PROC_KEY_MAX);
        ev->key = STR_LIT("");
    }
    return e;
}

static enum proc_step_result read_failed(struct proc_batch *b, size_t i, struct ectx *ec)
{
    struct proc_input *in = &b->task->inputs[i];
    struct proc *p = in->task->p;
    int64_t start, end;
    in->failed = false;
    if (in->read.err == ERR_OFFSET_OUT_OF_RANGE &&
        engine_bounds(p->engine, in->topic, in->task->partition, &start, &end) == ERR_OK &&
        in->at < start) {
        LOG_WARN("processor.lost", KV_STR("processor", p->spec.name), KV_STR("topic", in->topic),
                 KV_I64("partition", in->task->partition), KV_I64("from", in->at),
                 KV_I64("to", start));
        p->lost += (uint64_t)(start - in->at);
        metric_add(p->m.lost, (uint64_t)(start - in->at));
        in->at = in->next = b->next[i] = start;
        proc_input_ask(in, PROC_READ_WAIT_NS);
        return PROC_STEP_DONE;
    }
    *ec = in->read.ec;
    ec->code = in->read.err;
    return PROC_STEP_WAIT;
}

/* What of this input is there. */
static enum proc_step_result run_input(struct proc_batch *b, size_t i, struct ectx *ec)
{
    struct proc_input *in = &b->task->inputs[i];
    const struct record *r;
    while (proc_batch_more(b)) {
        if (in->failed) {
            return read_failed(b, i, ec);
        }
        enum err e = proc_input_peek(in, &r, ec);
        if (e == ERR_NOT_FOUND) {
            if (in->held && b->next[i] == in->next) { /* nothing of it waits for the commit */
                proc_input_release(in);
                in->next = b->next[i] = in->at;
                proc_input_ask(in, PROC_READ_WAIT_NS);
                continue;
            }
            proc_input_ask(in, PROC_READ_WAIT_NS);
            if (!in->held || in->batch == in->read.batch_count) {
                return PROC_STEP_DONE;
            }
            continue;
        }
        if (e != ERR_OK) {
            return PROC_STEP_WAIT;
        }
        if (in->last_ms == 0) {
            in->last_ms = r->timestamp; /* what waits longest, if it cannot be executed */
        }
        struct proc_event ev;
        e = event_of(in, r, &b->arena, &ev, ec);
        const enum proc_step_result res = proc_step_run(b, &ev, e, ec);
        if (res != PROC_STEP_DONE) {
            return res;
        }
        in->last_ms = r->timestamp;
        proc_input_pass(in);
        b->next[i] = in->at;
    }
    return PROC_STEP_DONE;
}

static enum proc_step_result build(struct proc_batch *b, struct ectx *ec)
{
    struct proc_task *t = b->task;
    b->steps_max = t->single > 0 ? 1 : t->p->spec.batch_steps;
    enum proc_step_result r = fire_timers(b, ec);
    if (r == PROC_STEP_DONE) {
        r = proc_again_run(b, ec);
    }
    for (size_t k = 0; k < t->input_count && r == PROC_STEP_DONE; k++) {
        r = run_input(b, (t->turn + k) % t->input_count, ec);
    }
    t->turn++;
    return r;
}

/* ---- Turns --------------------------------------------------------------------------------- */

/* Where to begin the very first time. */
static enum err first_positions(struct proc_task *t, bool *new_ones, struct ectx *ec)
{
    *new_ones = !t->has_position;
    for (size_t i = 0; i < t->input_count; i++) {
        struct proc_input *in = &t->inputs[i];
        int64_t start, end;
        if (in->next != -1) {
            continue;
        }
        enum err e = engine_bounds(t->p->engine, in->topic, t->partition, &start, &end);
        if (e != ERR_OK) {
            return ectx_fail(ec, e, "no partition %d of '%.*s'", (int)t->partition, STR(in->topic));
        }
        in->next = in->at = t->p->spec.from_end ? end : start;
        *new_ones = true;
    }
    return ERR_OK;
}

static void fail(struct proc_task *t, struct ectx *ec, enum err e)
{
    ec->code = e;
    proc_task_wait(t, ec, false);
}

/* true: the task is on its way to RUN and cannot do more now. */
static bool getting_ready(struct proc_task *t)
{
    struct ectx ec = {0};
    if (t->phase == PROC_PHASE_BARRIER) {
        struct proc_batch *b = proc_batch_begin(t);
        enum err e =
            b == NULL ? ectx_fail(&ec, ERR_NO_MEMORY, "no memory") : proc_batch_barrier(b, &ec);
        if (e != ERR_OK) {
            fail(t, &ec, e);
            if (b != NULL) {
                proc_batch_drop(b);
            }
        }
        return true;
    }
    if (t->phase == PROC_PHASE_RESTORE) {
        enum err e = proc_restore(t, &ec);
        if (e == ERR_AGAIN && (t->caught_up || t->aux.reading)) {
            return true; /* it reads */
        }
        if (e != ERR_OK) {
            fail(t, &ec, e);
            return true;
        }
        proc_restore_end(t);
        t->phase = PROC_PHASE_START;
        t->waiting = false;
    }
    if (t->phase == PROC_PHASE_START) {
        bool new_ones;
        enum err e = first_positions(t, &new_ones, &ec);
        struct proc_batch *b = e != ERR_OK || !new_ones ? NULL : proc_batch_begin(t);
        if (e == ERR_OK && !new_ones) {
            t->phase = PROC_PHASE_RUN;
            return false;
        }
        if (e == ERR_OK) {
            e = b == NULL ? ectx_fail(&ec, ERR_NO_MEMORY, "no memory") : proc_batch_submit(b, &ec);
        }
        if (e != ERR_OK) {
            fail(t, &ec, e);
            if (b != NULL) {
                proc_batch_drop(b);
            }
        }
        return true;
    }
    return false;
}

static bool all_assigned(const struct proc_task *t)
{
    for (size_t i = 0; i < t->input_count; i++) {
        if (!t->inputs[i].assigned) {
            return false;
        }
    }
    return t->input_count > 0;
}

static void run_steps(struct proc_task *t)
{
    struct ectx ec = {0};
    struct proc_batch *b = proc_batch_begin(t);
    if (b == NULL) {
        (void)ectx_fail(&ec, ERR_NO_MEMORY, "no memory for a batch of steps");
        proc_task_wait(t, &ec, false);
        return;
    }
    const enum proc_step_result r = build(b, &ec);
    enum err e = ERR_OK;
    if (b->n.steps > 0) {
        e = proc_batch_submit(b, &ec);
        if (e == ERR_OK) {
            return;
        }
        for (size_t i = 0; i < t->input_count; i++) {
            proc_input_rewind(&t->inputs[i], t->inputs[i].next);
        }
        proc_again_reset(t);
    }
    proc_batch_drop(b);
    if (e != ERR_OK) {
        fail(t, &ec, e);
    } else if (r == PROC_STEP_WAIT || r == PROC_STEP_BLOCKED) {
        proc_task_wait(t, &ec, r == PROC_STEP_BLOCKED);
    } else if (t->waiting) {
        t->waiting = t->blocked = false;
    }
}

static void turn(struct proc_task *t)
{
    if (t->gone || t->fenced || t->grown || t->batch != NULL || t->p->life != PROC_LIFE_RUN ||
        t->p->member == NULL || !all_assigned(t)) {
        return;
    }
    if (t->retry_at_ns != 0 && env_mono_ns(t->p->env) < t->retry_at_ns) {
        return;
    }
    t->retry_at_ns = 0;
    /* One that cannot be restored can be reset. */
    if (t->phase == PROC_PHASE_RESTORE && t->caught_up && proc_request_turn(t)) {
        return;
    }
    if (getting_ready(t) || proc_request_turn(t) || t->paused) {
        return;
    }
    run_steps(t);
}

void proc_task_run(struct proc_task *t)
{
    if (t->running) {
        t->again = true;
        return;
    }
    t->running = true;
    do {
        t->again = false;
        turn(t);
    } while (t->again && !t->gone);
    t->running = false;
    if (t->gone) {
        task_free(t);
    }
}
