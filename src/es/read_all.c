/* A page of events in the order of the log: rounds of a source until there is enough. */
#include "es/read_int.h"

#include "core/mem.h"

enum { ROUND_EVENTS = 1024 };
#define CHUNK_DEFAULT (256u << 10)
#define CHUNK_LARGE   (2u << 20)

struct all_read {
    struct es_task task;
    struct es_read_all *r;
    size_t bytes;
    bool begun; /* a round */
    struct es_source source;
};

static void answer(struct all_read *s, enum es_problem problem)
{
    struct es_read_all *r = s->r;
    r->problem = problem;
    r->internal = NULL;
    if (problem != ES_OK) {
        r->events = NULL;
        r->event_count = 0;
        r->more = false;
    } else {
        r->events = s->source.events;
        r->next = s->source.progress;
        es_source_park(&s->source);
    }
    es_task_end(&s->task);
    r->done(r);
}

static void all_fail(struct es_task *task, enum es_problem problem, const struct ectx *ec)
{
    struct all_read *s = CONTAINER_OF(task, struct all_read, task);
    s->r->ec = *ec;
    answer(s, problem);
}

static void all_release(struct es_task *task)
{
    es_source_cancel(&CONTAINER_OF(task, struct all_read, task)->source);
}

static void all_destroy(struct es_task *task)
{
    es_source_destroy(&CONTAINER_OF(task, struct all_read, task)->source);
}

static void round_begin(struct all_read *s)
{
    struct es_read_all *r = s->r;
    size_t left = r->limit - r->event_count;
    s->source.base = r->event_count;
    es_source_round(&s->source, left < ROUND_EVENTS ? left : ROUND_EVENTS,
                    r->limit_bytes > s->bytes ? r->limit_bytes - s->bytes : 1,
                    r->scan_max - r->scanned, r->arena, &r->ec);
    s->begun = true;
}

static void all_go(struct es_task *task)
{
    struct all_read *s = CONTAINER_OF(task, struct all_read, task);
    struct es_read_all *r = s->r;
    struct es_source *source = &s->source;
    for (;;) {
        if (!s->begun) {
            round_begin(s);
        }
        if (!es_source_run(source)) {
            return;
        }
        s->begun = false;
        if (source->err != ERR_OK) {
            if (r->ec.code == ERR_OK) {
                IGNORE(ectx_fail(&r->ec, source->err, "reading events"));
            }
            answer(s, es_problem_of(source->err));
            return;
        }
        r->event_count += source->count;
        r->scanned += source->scanned;
        s->bytes += source->bytes;
        if (source->ended || source->full || r->event_count >= r->limit ||
            s->bytes >= r->limit_bytes || r->scanned >= r->scan_max) {
            r->more = !source->ended;
            answer(s, ES_OK);
            return;
        }
    }
}

static enum es_problem check(struct es *es, struct es_read_all *r, struct es_position head)
{
    enum es_problem p = es_life_check(es, &r->ec);
    if (p == ES_OK) {
        p = es_filter_check(&r->filter, &r->ec);
    }
    if (p != ES_OK) {
        return p;
    }
    if (r->filter.category.p != NULL && es_cat_find(es, r->filter.category) == NULL) {
        IGNORE(ectx_fail(&r->ec, ERR_NOT_FOUND, "there is no category '%.*s'",
                         STR(r->filter.category)));
        return ES_CATEGORY_NOT_FOUND;
    }
    if (!r->from_end && r->after.commit > head.commit) {
        IGNORE(ectx_fail(&r->ec, ERR_OFFSET_OUT_OF_RANGE,
                         "the position is above the end of the log: of another store?"));
        return ES_POSITION_UNKNOWN;
    }
    return ES_OK;
}

/* ES_OK without *out: nothing is to be read. */
static enum es_problem begin(struct es *es, struct es_read_all *r, struct all_read **out)
{
    struct es_position head = es_head(es);
    enum es_problem p = check(es, r, head);
    if (p != ES_OK) {
        return p;
    }
    r->next = r->from_end ? head : r->after;
    if (r->limit == 0 || r->scan_max == 0 || (r->from_end && !r->backward)) {
        r->more = !r->from_end || r->backward;
        return ES_OK;
    }
    struct all_read *s = mem_new(struct all_read);
    if (s == NULL) {
        IGNORE(ectx_fail(&r->ec, ERR_NO_MEMORY, "no memory for a read"));
        return ES_FAILED;
    }
    s->r = r;
    s->task.go = all_go;
    s->task.fail = all_fail;
    s->task.release = all_release;
    s->task.destroy = all_destroy;
    es_source_init(&s->source, &s->task);
    p = es_task_begin(es, &s->task, &r->ec);
    if (p != ES_OK) {
        mem_free(s);
        return p;
    }
    size_t chunk = r->limit < r->limit_bytes / 1024 ? r->limit * 1024 : r->limit_bytes;
    chunk = chunk < CHUNK_DEFAULT ? CHUNK_DEFAULT : chunk;
    enum err e = es_source_begin(&s->source, &r->filter, r->after, r->from_end, r->backward, head,
                                 chunk < CHUNK_LARGE ? chunk : CHUNK_LARGE, &r->ec);
    if (e != ERR_OK) {
        es_task_end(&s->task);
        return es_problem_of(e);
    }
    *out = s;
    return ES_OK;
}

void es_read_all(struct es *es, struct es_read_all *r)
{
    struct all_read *s = NULL;
    r->ec = (struct ectx){0};
    r->internal = NULL;
    r->events = NULL;
    r->event_count = r->scanned = 0;
    r->more = false;
    r->next = r->after;
    r->problem = begin(es, r, &s);
    if (s == NULL) {
        r->done(r);
        return;
    }
    r->internal = s;
    es_task_wake(&s->task);
}

void es_read_all_release(struct es *es, struct es_read_all *r)
{
    (void)es;
    struct all_read *s = r->internal;
    if (s != NULL) {
        r->internal = NULL;
        es_task_end(&s->task); /* `done` does not come any more */
    }
    r->events = NULL; /* they lie in the caller's arena */
    r->event_count = 0;
}
