/*
 * Control. A call becomes a request for each task that it is meant for; a task takes its requests
 * one after the other, before any step, and each is a batch of its own: what it changed is durable
 * when the call is done.
 */
#include "core/check.h"
#include "core/mem.h"
#include "proc/proc_int.h"

static void call_done(struct proc_call *c)
{
    if (c->err == ERR_OK && c->affected == 0) {
        c->err = ectx_fail(&c->ec, ERR_NOT_FOUND, "no partition or key of it is here");
    }
    c->done(c);
}

void proc_request_done(struct proc *p, struct proc_request *r, enum err e, uint64_t affected)
{
    struct proc_call *c = r->call;
    list_remove(&r->link);
    mem_free(r);
    p->request_count--;
    c->affected += affected;
    if (e != ERR_OK && c->err == ERR_OK) {
        c->err = e;
        if (c->ec.text[0] == '\0') {
            (void)ectx_fail(&c->ec, e, "%s", err_text(e));
        }
    }
    size_t *left = c->internal;
    if (--*left == 0) {
        c->internal = NULL;
        mem_free(left);
        call_done(c);
    }
}

void proc_requests_end(struct proc_task *t, enum err e)
{
    while (!list_empty(&t->requests)) {
        struct proc_request *r = CONTAINER_OF(t->requests.next, struct proc_request, link);
        if (t->batch != NULL && t->batch->request == r) {
            t->batch->request = NULL;
        }
        proc_request_done(t->p, r, e, 0);
    }
}

/* ---- What the kinds do --------------------------------------------------------------------- */

static void seek_done(struct engine_seek *seek)
{
    struct proc_seek *s = seek->ctx;
    struct proc_task *t = s->task;
    list_remove(&s->link);
    if (t != NULL && !list_empty(&t->requests)) {
        struct proc_request *r = CONTAINER_OF(t->requests.next, struct proc_request, link);
        CHECK(r->seeking);
        r->seeking = false;
        if (seek->err != ERR_OK) {
            r->call->ec = seek->ec;
            proc_request_done(t->p, r, seek->err, 0);
        } else {
            r->to[r->sought++] = seek->offset;
        }
    }
    mem_free(s);
    if (t != NULL) {
        proc_task_run(t);
    }
}

/* The next of the inputs. */
static enum err seek(struct proc_task *t, struct proc_request *r)
{
    struct proc_seek *s = mem_new(struct proc_seek);
    if (s == NULL) {
        return ERR_NO_MEMORY;
    }
    s->p = t->p;
    s->task = t;
    s->seek = (struct engine_seek){.topic = t->inputs[r->sought].topic,
                                   .partition = t->partition,
                                   .by = ENGINE_SEEK_TIME,
                                   .timestamp_ms = r->call->timestamp_ms,
                                   .done = seek_done,
                                   .ctx = s};
    r->seeking = true;
    list_push_back(&t->p->seeks, &s->link);
    engine_seek(t->p->engine, &s->seek);
    return ERR_OK;
}

static enum err reset(struct proc_task *t, struct proc_request *r, struct proc_batch *b,
                      struct ectx *ec)
{
    const struct proc_call *c = r->call;
    for (size_t i = 0; i < t->input_count; i++) {
        int64_t start, end;
        enum err e = engine_bounds(t->p->engine, t->inputs[i].topic, t->partition, &start, &end);
        if (e != ERR_OK) {
            return ectx_fail(ec, e, "no partition %d of '%.*s'", (int)t->partition,
                             STR(t->inputs[i].topic));
        }
        b->next[i] = c->to == PROC_TO_START    ? start
                     : c->to == PROC_TO_END    ? end
                     : c->to == PROC_TO_OFFSET ? c->offset
                                               : r->to[i];
        if (b->next[i] < start || b->next[i] > end) {
            return ectx_fail(ec, ERR_OFFSET_OUT_OF_RANGE, "'%.*s' partition %d has %lld to %lld",
                             STR(t->inputs[i].topic), (int)t->partition, (long long)start,
                             (long long)end);
        }
    }
    b->cleared = !c->keep_state;
    b->generation += b->cleared;
    b->affected = 1;
    return ERR_OK;
}

static enum err change_key(struct proc_batch *b, struct proc_entry *en, bool resume,
                           struct ectx *ec)
{
    if (en->fate == PROC_LIVE) {
        return ERR_OK;
    }
    struct proc_work *w = proc_batch_work(b, en->key, ec);
    if (w == NULL) {
        return ectx_fail(ec, ERR_NO_MEMORY, "no memory for the key");
    }
    if (resume) {
        w->v.resuming = true;
    } else {
        b->n.skipped += w->v.parked_count;
        w->v.fate = PROC_LIVE;
        w->v.resuming = false;
        w->v.parked_count = 0;
        w->v.error = STR_NULL;
    }
    w->changed = true;
    b->affected++;
    return ERR_OK;
}

static enum err change_keys(struct proc_task *t, const struct proc_call *c, struct proc_batch *b,
                            struct ectx *ec)
{
    const bool resume = c->kind == PROC_KEY_RESUME;
    if (!str_is_null(c->key)) {
        struct proc_entry *en = proc_entry_get(t, c->key);
        return en == NULL ? ERR_OK : change_key(b, en, resume, ec);
    }
    enum err e = ERR_OK;
    struct map_iter it = {0};
    while (e == ERR_OK && map_next(&t->entries, &it)) {
        e = change_key(b, it.value, resume, ec);
    }
    return e;
}

static enum err fill(struct proc_task *t, struct proc_request *r, struct proc_batch *b,
                     struct ectx *ec)
{
    switch (r->call->kind) {
    case PROC_PAUSE:
    case PROC_RESUME:
        b->paused = r->call->kind == PROC_PAUSE;
        b->affected = 1;
        return ERR_OK;
    case PROC_RESET:
        return reset(t, r, b, ec);
    case PROC_KEY_RESUME:
    case PROC_KEY_DISCARD:
        return change_keys(t, r->call, b, ec);
    }
    return ectx_fail(ec, ERR_INVALID_REQUEST, "no such call");
}

bool proc_request_turn(struct proc_task *t)
{
    while (!list_empty(&t->requests)) {
        struct proc_request *r = CONTAINER_OF(t->requests.next, struct proc_request, link);
        const struct proc_call *c = r->call;
        struct ectx ec = {0};
        enum err e = ERR_OK;
        if (r->seeking) {
            return true;
        }
        if (t->phase != PROC_PHASE_RUN && c->kind != PROC_RESET) {
            return false; /* when it runs */
        }
        if (c->kind == PROC_RESET && c->to == PROC_TO_TIME && r->sought < t->input_count) {
            e = seek(t, r);
            if (e == ERR_OK) {
                continue; /* it may be answered already */
            }
        }
        struct proc_batch *b = e == ERR_OK ? proc_batch_begin(t) : NULL;
        e = b == NULL ? ERR_NO_MEMORY : fill(t, r, b, &ec);
        if (e == ERR_OK && b->affected > 0) {
            b->request = r;
            e = proc_batch_submit(b, &ec);
            if (e == ERR_OK) {
                return true;
            }
        }
        if (b != NULL) {
            proc_batch_drop(b);
        }
        if (e != ERR_OK && r->call->ec.text[0] == '\0') {
            r->call->ec = ec;
        }
        proc_request_done(t->p, r, e, 0);
        if (t->gone) {
            return true;
        }
    }
    return false;
}

/* ---- The call ------------------------------------------------------------------------------ */

static enum err check(const struct proc *p, const struct proc_call *c, struct ectx *ec)
{
    if (p->life == PROC_LIFE_STOPPED) {
        return ectx_fail(ec, ERR_STOPPED, "the processor was stopped");
    }
    if (c->kind == PROC_RESET && c->to == PROC_TO_OFFSET &&
        (p->spec.topic_count != 1 || c->partition < 0)) {
        return ectx_fail(ec, ERR_INVALID_REQUEST,
                         "an offset is of one partition of one input; give a time instead");
    }
    return ERR_OK;
}

void proc_call(struct proc *p, struct proc_call *c)
{
    size_t n = 0;
    c->internal = NULL;
    c->affected = 0;
    c->ec = (struct ectx){0};
    c->err = check(p, c, &c->ec);
    struct list made;
    list_init(&made);
    size_t *left = c->err == ERR_OK ? mem_new(size_t) : NULL;
    if (c->err == ERR_OK && left == NULL) {
        c->err = ectx_fail(&c->ec, ERR_NO_MEMORY, "no memory for a call");
    }
    LIST_FOR_EACH (l, tmp, &p->tasks) {
        struct proc_task *t = CONTAINER_OF(l, struct proc_task, link);
        if (c->err != ERR_OK || t->fenced || (c->partition != -1 && c->partition != t->partition)) {
            continue;
        }
        struct proc_request *r =
            p->request_count + n < PROC_REQUESTS_MAX ? mem_new(struct proc_request) : NULL;
        if (r == NULL) {
            c->err = p->request_count + n < PROC_REQUESTS_MAX
                         ? ectx_fail(&c->ec, ERR_NO_MEMORY, "no memory for a call")
                         : ectx_fail(&c->ec, ERR_LIMIT, "%u calls are open", PROC_REQUESTS_MAX);
            break;
        }
        r->call = c;
        r->sought = (size_t)t->partition; /* until it has its place */
        list_push_back(&made, &r->link);
        n++;
    }
    if (c->err != ERR_OK || n == 0) {
        struct list *l;
        while ((l = list_pop_front(&made)) != NULL) {
            mem_free(CONTAINER_OF(l, struct proc_request, link));
        }
        mem_free(left);
        call_done(c);
        return;
    }
    *left = n;
    c->internal = left;
    p->request_count += n;
    struct list *l;
    while ((l = list_pop_front(&made)) != NULL) {
        struct proc_request *r = CONTAINER_OF(l, struct proc_request, link);
        struct proc_task *t = proc_task_of(p, (int32_t)r->sought);
        r->sought = 0;
        list_push_back(&t->requests, &r->link);
    }
    /* A task that is told may end; the list is walked anew. */
    for (bool again = true; again;) {
        again = false;
        LIST_FOR_EACH (k, tmp, &p->tasks) {
            struct proc_task *t = CONTAINER_OF(k, struct proc_task, link);
            if (!list_empty(&t->requests) && !t->running && t->batch == NULL && !t->poked) {
                t->poked = true;
                proc_task_run(t);
                again = true;
                break;
            }
        }
    }
    LIST_FOR_EACH (k, tmp, &p->tasks) {
        CONTAINER_OF(k, struct proc_task, link)->poked = false;
    }
}
