/*
 * The tail: one reader at the end of the log, and all subscriptions that are there. An event is
 * read, made, and looked at by the sieve once, whoever wants it. A subscription whose deliver says
 * false leaves the tail and catches up by itself later: nobody waits for it.
 *
 * The tail is there while somebody is live. Whoever becomes live must be exactly where it is: both
 * at the head.
 */
#include "es/read_int.h"
#include "es/write.h"

#include "core/mem.h"

enum { TAIL_ROUND = 256, TAIL_SCANNED = 4096 };
#define TAIL_BYTES (256u << 10)
#define TAIL_ARENA (16u << 20)

static void tail_release(struct es_task *task)
{
    struct es_tail *t = CONTAINER_OF(task, struct es_tail, task);
    es_source_cancel(&t->source);
    arena_deinit(&t->arena);
}

static void tail_destroy(struct es_task *task)
{
    es_source_destroy(&CONTAINER_OF(task, struct es_tail, task)->source);
}

/* Everybody catches up by himself from where the tail is. */
static void tail_end(struct es *es)
{
    struct es_tail *t = es->reader->tail;
    struct list *l;
    es->reader->tail = NULL;
    while ((l = list_pop_front(&t->live)) != NULL) {
        struct es_subscription *sub = CONTAINER_OF(l, struct es_subscription, live);
        sub->progress = t->progress;
    }
    es_task_end(&t->task);
}

static void tail_fail(struct es_task *task, enum es_problem problem, const struct ectx *ec)
{
    (void)problem;
    (void)ec;
    tail_end(task->es);
}

/* Tells a frame to one of the live ones. False: it is gone, or it has left. */
static bool tell(struct es_subscription *sub, enum es_frame frame, const struct es_event *e,
                 struct es_position position)
{
    sub->running = true;
    bool more = es_sub_tell(sub, frame, e, position);
    sub->running = false;
    if (sub->gone) {
        es_sub_free(sub);
        return false;
    }
    if (!more) {
        list_remove(&sub->live);
        sub->progress = ES_FAULT(tail_jump) ? es_head(sub->es) : position;
    }
    return more;
}

/* All of `from` behind what is in `to`. */
static void list_move(struct list *to, struct list *from)
{
    struct list *l;
    while ((l = list_pop_front(from)) != NULL) {
        list_push_back(to, l);
    }
}

/* Of one stream: before it was live it read what the index had of it, which may be more than what
 * was behind the head then (the first events of an append whose others had no memory). */
static bool has_seen(const struct es_subscription *sub, const struct es_event *e)
{
    return sub->spec.stream.p != NULL && e->revision < sub->next_revision;
}

/* One event to all who want it. Each may leave, or others may, while this runs. */
static void event_tell(struct es_tail *t, const struct es_event *e)
{
    struct es_hash stream = es_hash_stream(t->task.es, e->stream);
    struct list todo, done;
    list_init(&todo);
    list_init(&done);
    list_move(&todo, &t->live);
    struct list *l;
    while ((l = list_pop_front(&todo)) != NULL) {
        struct es_subscription *sub = CONTAINER_OF(l, struct es_subscription, live);
        list_push_back(&done, l);
        if (!es_sub_matches(sub, e, &stream) || has_seen(sub, e)) {
            continue;
        }
        sub->matched++;
        sub->next_revision = e->revision + 1;
        IGNORE(tell(sub, ES_FRAME_EVENT, e, e->position));
    }
    list_move(&t->live, &done);
}

/* To those for whom nothing was there for a while. */
static void checkpoints_tell(struct es_tail *t, size_t scanned)
{
    struct list todo;
    list_init(&todo);
    list_move(&todo, &t->live);
    struct list *l;
    while ((l = list_pop_front(&todo)) != NULL) {
        struct es_subscription *sub = CONTAINER_OF(l, struct es_subscription, live);
        list_push_back(&t->live, l);
        sub->scanned += scanned;
        sub->running = true;
        bool more = es_sub_checkpoint(sub, t->progress);
        sub->running = false;
        if (sub->gone) {
            es_sub_free(sub);
        } else if (!more) {
            list_remove(&sub->live);
            sub->progress = t->progress;
        }
    }
}

/* True: a round is done. */
static bool round_run(struct es_tail *t)
{
    if (!t->round) {
        arena_reset(&t->arena, TAIL_BYTES);
        t->source.events = NULL;
        t->source.cap = t->source.base = 0;
        es_source_round(&t->source, TAIL_ROUND, TAIL_BYTES, TAIL_SCANNED, &t->arena, &t->ec);
        t->round = true;
    }
    if (!es_source_run(&t->source)) {
        return false;
    }
    t->round = false;
    return true;
}

static void tail_go(struct es_task *task)
{
    struct es_tail *t = CONTAINER_OF(task, struct es_tail, task);
    struct es *es = task->es;
    while (!task->over) {
        if (!t->reading) {
            struct es_position head = es_head(es);
            if (es_position_cmp(t->progress, head) >= 0) {
                checkpoints_tell(t, 0);
                return;
            }
            if (list_empty(&t->live) || es_source_bound(&t->source, head) != ERR_OK) {
                tail_end(es);
                return;
            }
            t->reading = true;
        }
        if (!round_run(t)) {
            return;
        }
        if (t->source.err != ERR_OK) {
            tail_end(es); /* each meets the error by himself, or does not */
            return;
        }
        for (size_t i = 0; i < t->source.count && !task->over; i++) {
            event_tell(t, &t->source.events[i]);
        }
        t->progress = t->source.progress;
        t->reading = !t->source.ended;
        if (!task->over) {
            checkpoints_tell(t, t->source.scanned);
        }
    }
}

bool es_tail_attach(struct es *es, struct es_subscription *sub)
{
    struct es_tail *t = es->reader->tail;
    struct es_position head = es_head(es);
    if (es_position_cmp(sub->progress, head) != 0) {
        return false;
    }
    if (t == NULL) {
        static const struct es_filter all = {0};
        struct ectx ec = {0};
        t = mem_new(struct es_tail);
        if (t == NULL) {
            return false;
        }
        t->task.go = tail_go;
        t->task.fail = tail_fail;
        t->task.release = tail_release;
        t->task.destroy = tail_destroy;
        list_init(&t->live);
        arena_init(&t->arena, TAIL_ARENA + 2 * es->event_max_bytes);
        es_source_init(&t->source, &t->task);
        if (es_task_begin(es, &t->task, &ec) != ES_OK) {
            mem_free(t);
            return false;
        }
        t->progress = head;
        if (es_source_begin(&t->source, &all, head, false, false, head, TAIL_BYTES, &ec) !=
            ERR_OK) {
            es_task_end(&t->task);
            return false;
        }
        es->reader->tail = t;
    }
    if (t->reading || es_position_cmp(t->progress, head) != 0) {
        return false;
    }
    if (sub->spec.stream.p != NULL) {
        sub->hash = es_hash_stream(es, sub->spec.stream);
    }
    list_push_back(&t->live, &sub->live);
    return true;
}

/* Those who are not live: they wait for the head to move, or for the tail. */
static void others_run(struct es *es)
{
    struct es_sub_walk walk = es_sub_walk_begin(es->reader);
    struct es_subscription *sub;
    while ((sub = es_sub_walk_next(es->reader, &walk)) != NULL) {
        if (list_empty(&sub->live) && !sub->paused) {
            es_sub_run(sub);
        }
    }
}

void es_tail_advance(struct es *es)
{
    struct es_reader *r = es->reader;
    if (!r->dirty || r->advancing || es_life_check(es, NULL) != ES_OK) {
        return; /* who is at it goes on with what has come */
    }
    r->advancing = true;
    while (r->dirty && !r->stopped) {
        r->dirty = false;
        if (r->tail != NULL) {
            es_task_wake(&r->tail->task);
        }
        if (!r->stopped) {
            others_run(es);
        }
    }
    r->advancing = false;
}

static void position_moved(struct engine_position_watch *w)
{
    struct es_reader *r = CONTAINER_OF(w, struct es_reader, watch);
    es_tail_advance(r->es);
}

void es_tail_watch(struct es *es)
{
    struct es_reader *r = es->reader;
    if (!r->watching) {
        r->watching = true;
        r->watch.moved = position_moved;
        engine_position_watch(es->engine, &r->watch);
    }
}

void es_tail_unwatch(struct es *es)
{
    struct es_reader *r = es->reader;
    if (r->watching) {
        r->watching = false;
        engine_position_unwatch(es->engine, &r->watch);
    }
}
