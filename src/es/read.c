/*
 * The read side's life: tasks, and slots, which are reads of the engine with their memory.
 *
 * A task never runs within itself: what comes while its `go` is on the stack makes it go round once
 * more. Look-ups cannot be called back, so a task that ended while one is out keeps its memory
 * until that comes.
 */
#include "es/read_int.h"

#include "core/mem.h"

enum err es_reader_create(struct es *es, struct es_reader **out)
{
    struct es_reader *r = mem_new(struct es_reader);
    if (r == NULL) {
        return ERR_NO_MEMORY;
    }
    list_init(&r->tasks);
    list_init(&r->idle);
    list_init(&r->subscriptions);
    list_init(&r->parked);
    r->es = es;
    record_scratch_init(&r->scratch, ES_DECOMPRESS_MAX);
    r->foreign = metrics_counter(es->metrics, "leat_es_foreign_records_total",
                                 "Records of event topics that are no events.", NULL);
    *out = r;
    return ERR_OK;
}

static void slot_free(struct es_slot *s)
{
    arena_deinit(&s->arena);
    mem_free(s);
}

void es_reader_destroy(struct es_reader *r)
{
    if (r == NULL) {
        return;
    }
    CHECK(list_empty(&r->tasks) && list_empty(&r->subscriptions));
    struct list *l;
    while ((l = list_pop_front(&r->idle)) != NULL) {
        slot_free(CONTAINER_OF(l, struct es_slot, link));
    }
    record_scratch_deinit(&r->scratch);
    mem_free(r);
}

void es_reader_advanced(struct es *es)
{
    es->reader->dirty = true;
}

/* What happens without an append: checkpoints of those for whom nothing came, and what was read for
 * those who take nothing is given back. */
static void subscriptions_tick(struct es *es)
{
    struct es_reader *r = es->reader;
    r->dirty = r->dirty || r->subscription_count > 0;
    LIST_FOR_EACH (l, tmp, &r->subscriptions) {
        struct es_subscription *sub = CONTAINER_OF(l, struct es_subscription, all);
        if (sub->paused && !sub->running && ++sub->ticks_paused >= 2) {
            es_catchup_read_end(sub);
        }
    }
    es_tail_advance(es);
}

void es_reader_tick(struct es *es)
{
    record_scratch_trim(&es->reader->scratch);
    es_scan_parked_drop(es->reader, false);
    subscriptions_tick(es);
}

void es_reader_stop(struct es *es, bool closing)
{
    struct es_reader *r = es->reader;
    struct ectx ec = {0};
    struct list *l;
    IGNORE(ectx_fail(&ec, ERR_STOPPED, "the event store %s",
                     closing ? "is stopping" : "makes its index anew"));
    r->stopped = closing;
    es_scan_parked_drop(r, true);
    while ((l = r->tasks.next) != &r->tasks) {
        struct es_task *task = CONTAINER_OF(l, struct es_task, link);
        task->fail(task, ES_UNAVAILABLE, &ec);
    }
    if (!closing) {
        return;
    }
    es_tail_unwatch(es);
    while ((l = r->subscriptions.next) != &r->subscriptions) {
        es_sub_close(CONTAINER_OF(l, struct es_subscription, all), ES_UNAVAILABLE, &ec);
    }
}

/* ---- Ops ---- */

enum es_problem es_task_begin(struct es *es, struct es_task *task, struct ectx *ec)
{
    enum es_problem p = es_life_check(es, ec);
    if (p != ES_OK) {
        return p;
    }
    if (es->reader->task_count >= ES_READS_MAX) {
        IGNORE(ectx_fail(ec, ERR_AGAIN, "%d reads are under way", ES_READS_MAX));
        return ES_BUSY;
    }
    task->es = es;
    task->pending = 0;
    task->running = task->again = task->over = false;
    list_push_back(&es->reader->tasks, &task->link);
    es->reader->task_count++;
    return ES_OK;
}

/* Of one that is over. */
static void task_free(struct es_task *task)
{
    if (task->pending > 0 || task->running) {
        return;
    }
    if (task->destroy != NULL) {
        task->destroy(task);
    }
    mem_free(task);
}

void es_task_wake(struct es_task *task)
{
    task->again = true;
    if (task->running) {
        return;
    }
    task->running = true;
    while (task->again && !task->over) {
        task->again = false;
        task->go(task);
    }
    task->running = false;
    if (task->over) {
        task_free(task);
    }
}

void es_task_end(struct es_task *task)
{
    CHECK(!task->over);
    task->over = true;
    list_remove(&task->link);
    task->es->reader->task_count--;
    task->release(task);
    task_free(task);
}

static void look_done(struct es_look_set *set)
{
    struct es_task *task = set->ctx;
    task->pending--;
    if (task->over) {
        task_free(task);
    } else {
        es_task_wake(task);
    }
}

bool es_task_look(struct es_task *task, struct es_look_set *set)
{
    set->done = look_done;
    set->ctx = task;
    task->pending++;
    if (es_look(task->es, set)) {
        task->pending--;
        set->pending = 0;
        return true;
    }
    return false;
}

enum es_problem es_problem_of(enum err e)
{
    switch ((int)e) {
    case ERR_OK:
        return ES_OK;
    case ERR_STOPPED:
    case ERR_CLOSED:
        return ES_UNAVAILABLE;
    case ERR_AGAIN:
        return ES_BUSY;
    default:
        return ES_FAILED;
    }
}

/* ---- Slots ---- */

struct es_slot *es_slot_take(struct es *es)
{
    struct es_reader *r = es->reader;
    struct list *l = list_pop_front(&r->idle);
    if (l != NULL) {
        r->idle_count--;
        return CONTAINER_OF(l, struct es_slot, link);
    }
    struct es_slot *s = mem_new(struct es_slot);
    if (s != NULL) {
        s->es = es;
        list_init(&s->link);
        arena_init(&s->arena, ES_SLOT_ARENA);
    }
    return s;
}

/* Nothing is out, nothing is held. */
static void slot_clear(struct es_slot *s)
{
    if (s->out) {
        engine_read_cancel(s->es->engine, &s->read);
        s->out = false;
    } else if (s->held) {
        engine_read_release(s->es->engine, &s->read);
        s->held = false;
    }
    arena_reset(&s->arena, 4096);
}

void es_slot_give(struct es_slot *s)
{
    struct es_reader *r = s->es->reader;
    slot_clear(s);
    list_remove(&s->link);
    if (r->idle_count >= ES_SLOTS_IDLE_MAX) {
        slot_free(s);
        return;
    }
    r->idle_count++;
    list_push_front(&r->idle, &s->link);
}

static void slot_done(struct engine_read *read)
{
    struct es_slot *s = CONTAINER_OF(read, struct es_slot, read);
    s->out = false;
    s->held = read->err == ERR_OK;
    if (!s->held) {
        read->batch_count = 0;
    }
    if (!s->in_call) {
        s->answered(s);
    }
}

bool es_slot_ask(struct es_slot *s, struct str topic, int32_t partition, int64_t offset,
                 size_t max_bytes)
{
    slot_clear(s);
    s->read = (struct engine_read){.topic = topic,
                                   .partition = partition,
                                   .offset = offset,
                                   .max_bytes = max_bytes,
                                   .arena = &s->arena,
                                   .done = slot_done,
                                   .ctx = s};
    s->out = s->in_call = true;
    engine_read(s->es->engine, &s->read);
    s->in_call = false;
    return !s->out;
}

/* ---- Answers ---- */

enum { ES_EVENTS_FIRST = 8 };

bool es_events_room(struct es_event **events, int64_t **times, size_t *cap, size_t count,
                    size_t more, struct arena *a)
{
    if (count + more <= *cap) {
        return true;
    }
    size_t wanted = *cap * 2 > count + more ? *cap * 2 : count + more;
    wanted = wanted < ES_EVENTS_FIRST ? ES_EVENTS_FIRST : wanted;
    /* Not cleared: an event is written when it is there, and has much room that it never needs. */
    struct es_event *e = arena_take(a, wanted * sizeof(*e)); /* `wanted` is bounded by a page */
    int64_t *t = e == NULL ? NULL : arena_new_n(a, int64_t, wanted);
    if (t == NULL) {
        return false;
    }
    if (count > 0) {
        memcpy(e, *events, count * sizeof(*e));
        memcpy(t, *times, count * sizeof(*t));
    }
    *events = e;
    *times = t;
    *cap = wanted;
    return true;
}
