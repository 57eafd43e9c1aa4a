/*
 * Subscriptions: a reader that catches up, then the tail (tail.c), which all share that are at the
 * end of the log.
 *
 *     catching up --(at the head, and the tail is there, too)--> live
 *          ^                                                       |
 *          '-----(its deliver said false: it left the tail)--------'
 *
 * A subscriber that takes nothing costs its own struct: what was read for it is dropped after two
 * ticks and read again when it goes on. Nobody waits for it.
 *
 * CAUGHT_UP comes once when the head is reached; FELL_BEHIND if after that one round of reading is
 * not enough to reach it again; then CAUGHT_UP may come again. A CHECKPOINT says how far was looked
 * although nothing matched.
 */
#include "es/read_int.h"

#include "core/mem.h"

#define ARENA_BASE (8u << 20)

struct es_catchup_read {
    struct es_task task;
    struct es_subscription *sub;
    struct arena arena;
    struct ectx ec;
    bool begun;   /* the source */
    bool round;   /* one is under way */
    bool ended;   /* the last one reached its head */
    bool at_head; /* nothing has come since */
    bool untold;  /* the last one has not been looked at by round_told */
    size_t at, count;
    struct es_event *events;
    struct es_position head; /* at the beginning of the round */
    bool read_out, read_done, in_call;
    struct es_read_stream read; /* of one stream */
    struct es_source source;    /* of all */
};

/* ---- Telling ---- */

bool es_sub_tell(struct es_subscription *sub, enum es_frame frame, const struct es_event *e,
                 struct es_position position)
{
    bool outer = sub->running;
    sub->running = true;
    bool more = sub->spec.deliver(sub->spec.ctx, frame, e, position, sub->scanned, sub->matched);
    sub->running = outer;
    if (sub->gone) {
        return false;
    }
    sub->paused = !more;
    sub->ticks_paused = 0;
    if (frame == ES_FRAME_EVENT || frame == ES_FRAME_CHECKPOINT) {
        sub->told = position;
        sub->told_ns = env_mono_ns(sub->es->env);
        sub->scanned_told = sub->scanned;
    }
    return more;
}

bool es_sub_checkpoint(struct es_subscription *sub, struct es_position position)
{
    if (es_position_cmp(position, sub->told) <= 0 ||
        (sub->scanned - sub->scanned_told < ES_CHECKPOINT_SCANNED &&
         env_mono_ns(sub->es->env) - sub->told_ns < ES_CHECKPOINT_NS)) {
        return true;
    }
    return es_sub_tell(sub, ES_FRAME_CHECKPOINT, NULL, position);
}

bool es_sub_matches(const struct es_subscription *sub, const struct es_event *e,
                    const struct es_hash *stream)
{
    const struct es_filter *f = &sub->spec.filter;
    if (sub->spec.stream.p != NULL) {
        return es_hash_eq(stream, &sub->hash);
    }
    size_t prefix = sizeof(ES_TOPIC_PREFIX) - 1;
    if (f->category.p != NULL &&
        !str_eq(f->category, str_make(e->topic.p + prefix, e->topic.n - prefix))) {
        return false;
    }
    bool type = f->type_count == 0;
    for (size_t i = 0; i < f->type_count && !type; i++) {
        type = str_eq(f->types[i], e->envelope.type);
    }
    for (size_t i = 0; i < f->tag_count && type; i++) {
        bool has = false;
        for (size_t j = 0; j < e->tag_count && !has; j++) {
            has = str_eq(f->tags[i], e->tags[j]);
        }
        type = has;
    }
    return type;
}

/* ---- Its life ---- */

void es_sub_free(struct es_subscription *sub)
{
    if (!sub->running) {
        mem_free(sub);
    }
}

struct es_sub_walk es_sub_walk_begin(struct es_reader *r)
{
    return (struct es_sub_walk){.number = ++r->walks, .left = r->left};
}

struct es_subscription *es_sub_walk_next(struct es_reader *r, struct es_sub_walk *w)
{
    bool same = w->last != NULL && w->left == r->left;
    struct list *l = same ? w->last->all.next : r->subscriptions.next;
    for (; l != &r->subscriptions; l = l->next) {
        struct es_subscription *sub = CONTAINER_OF(l, struct es_subscription, all);
        if (sub->walk != w->number) {
            sub->walk = w->number;
            w->last = sub;
            w->left = r->left;
            return sub;
        }
    }
    return NULL;
}

/* Out of everything; the memory goes when nothing of it is on the stack. */
static void sub_leave(struct es_subscription *sub)
{
    sub->gone = true;
    sub->es->reader->left++;
    list_remove(&sub->all);
    list_remove(&sub->live);
    sub->es->reader->subscription_count--;
    es_catchup_read_end(sub);
}

void es_sub_close(struct es_subscription *sub, enum es_problem problem, const struct ectx *ec)
{
    struct ectx text = ec == NULL ? (struct ectx){0} : *ec;
    sub_leave(sub);
    sub->spec.closed(sub->spec.ctx, problem, &text);
    es_sub_free(sub);
}

void es_reader_tombstoned(struct es *es, struct str stream)
{
    struct ectx ec = {0};
    IGNORE(ectx_fail(&ec, ERR_NOT_FOUND, "stream '%.*s' is gone for ever", STR(stream)));
    struct es_sub_walk walk = es_sub_walk_begin(es->reader);
    struct es_subscription *sub;
    while ((sub = es_sub_walk_next(es->reader, &walk)) != NULL) {
        if (sub->spec.stream.p != NULL && str_eq(sub->spec.stream, stream)) {
            es_sub_close(sub, ES_STREAM_TOMBSTONED, &ec);
        }
    }
}

void es_unsubscribe(struct es_subscription *sub)
{
    if (sub != NULL && !sub->gone) {
        sub_leave(sub);
        es_sub_free(sub);
    }
}

void es_subscription_resume(struct es_subscription *sub)
{
    if (sub->paused) {
        sub->paused = false;
        es_sub_run(sub);
    }
}

bool es_subscription_next_revision(const struct es_subscription *sub, uint64_t *out)
{
    *out = sub->next_revision;
    return !sub->seek;
}

/* ---- Catching up ---- */

static void reading_go(struct es_task *task)
{
    es_sub_run(CONTAINER_OF(task, struct es_catchup_read, task)->sub);
}

/* The index is being made anew, or all ends. */
static void reading_fail(struct es_task *task, enum es_problem problem, const struct ectx *ec)
{
    struct es_subscription *sub = CONTAINER_OF(task, struct es_catchup_read, task)->sub;
    (void)problem;
    (void)ec;
    es_catchup_read_end(sub);
}

static void reading_release(struct es_task *task)
{
    struct es_catchup_read *c = CONTAINER_OF(task, struct es_catchup_read, task);
    if (c->read_out) {
        es_read_stream_release(task->es, &c->read);
    }
    es_source_cancel(&c->source);
    arena_deinit(&c->arena);
}

static void reading_destroy(struct es_task *task)
{
    es_source_destroy(&CONTAINER_OF(task, struct es_catchup_read, task)->source);
}

void es_catchup_read_end(struct es_subscription *sub)
{
    struct es_catchup_read *c = sub->reading;
    if (c != NULL) {
        sub->reading = NULL;
        es_task_end(&c->task);
    }
}

/* NULL: not now (it is tried again), or it was closed. */
static struct es_catchup_read *reading_make(struct es_subscription *sub)
{
    struct ectx ec = {0};
    struct es_catchup_read *c = mem_new(struct es_catchup_read);
    if (c == NULL) {
        return NULL;
    }
    c->sub = sub;
    c->task.go = reading_go;
    c->task.fail = reading_fail;
    c->task.release = reading_release;
    c->task.destroy = reading_destroy;
    es_source_init(&c->source, &c->task);
    arena_init(&c->arena, ARENA_BASE + 2 * sub->es->event_max_bytes);
    if (es_task_begin(sub->es, &c->task, &ec) != ES_OK) {
        mem_free(c);
        return NULL;
    }
    sub->reading = c;
    return c;
}

static void stream_done(struct es_read_stream *r)
{
    struct es_catchup_read *c = r->ctx;
    c->read_out = false;
    c->read_done = true;
    if (!c->in_call) {
        es_task_wake(&c->task);
    }
}

/* True: a round of one stream is done. */
static bool stream_round(struct es_catchup_read *c)
{
    struct es_subscription *sub = c->sub;
    if (!c->round) {
        c->round = true;
        c->head = es_head(sub->es);
        c->read_done = false;
        c->read_out = true;
        c->read = (struct es_read_stream){.stream = sub->spec.stream,
                                          .from = sub->next_revision,
                                          .from_end = sub->seek,
                                          .to = UINT64_MAX,
                                          .until_ns = INT64_MAX,
                                          .limit = ES_SUB_ROUND,
                                          .limit_bytes = ES_SUB_ROUND_BYTES,
                                          .arena = &c->arena,
                                          .done = stream_done,
                                          .ctx = c};
        c->in_call = true;
        es_read_stream(sub->es, &c->read);
        c->in_call = false;
    }
    if (!c->read_done) {
        return false;
    }
    c->events = c->read.events;
    c->count = c->read.event_count;
    c->ended = !c->read.more;
    c->ec = c->read.ec;
    if (c->read.problem == ES_OK) {
        sub->scanned += c->count;
        /* Of what is shown each event moves it; that the rest was passed over, the read says. */
        if (sub->seek || (c->count == 0 && c->read.next > sub->next_revision)) {
            sub->next_revision = c->read.next;
        }
    }
    /* One that is not there, or is deleted, begins with whatever comes. */
    sub->seek = sub->seek && c->read.problem != ES_OK && c->read.problem != ES_STREAM_NOT_FOUND &&
                c->read.problem != ES_STREAM_DELETED;
    return true;
}

/* The same of a filter. */
static bool source_round(struct es_catchup_read *c, enum err *err)
{
    struct es_subscription *sub = c->sub;
    *err = ERR_OK;
    if (!c->round) {
        c->head = es_head(sub->es);
        if (!c->begun) {
            c->begun = true;
            *err = es_source_begin(&c->source, &sub->spec.filter, sub->progress, false, false,
                                   c->head, ES_SUB_ROUND_BYTES, &c->ec);
        } else if (es_position_cmp(c->source.head, c->head) < 0) {
            *err = es_source_bound(&c->source, c->head);
        }
        if (*err != ERR_OK) {
            return true;
        }
        c->source.events = NULL;
        c->source.cap = 0;
        c->source.base = 0;
        es_source_round(&c->source, ES_SUB_ROUND, ES_SUB_ROUND_BYTES, ES_SUB_SCANNED, &c->arena,
                        &c->ec);
        c->round = true;
    }
    if (!es_source_run(&c->source)) {
        return false;
    }
    *err = c->source.err;
    c->events = c->source.events;
    c->count = *err == ERR_OK ? c->source.count : 0;
    c->ended = c->source.ended;
    sub->scanned += c->source.scanned;
    return true;
}

/* Reads the next events. True: some, or the end, are there. False: wait, or it was closed. */
static bool read_more(struct es_subscription *sub, struct es_catchup_read *c)
{
    enum es_problem problem = ES_OK;
    if (!c->round) {
        arena_reset(&c->arena, ES_SUB_ROUND_BYTES);
        c->ec = (struct ectx){0};
    }
    if (sub->spec.stream.p != NULL) {
        if (!stream_round(c)) {
            return false;
        }
        problem = c->read.problem;
        if (problem == ES_STREAM_NOT_FOUND || problem == ES_STREAM_DELETED) {
            problem = ES_OK; /* it may begin, or come to life again */
            c->ended = true;
        }
    } else {
        enum err e;
        if (!source_round(c, &e)) {
            return false;
        }
        problem = es_problem_of(e);
    }
    c->round = false;
    c->at = 0;
    if (problem == ES_UNAVAILABLE || problem == ES_BUSY) { /* it goes on when the store does */
        es_catchup_read_end(sub);
        return false;
    }
    if (problem != ES_OK) {
        struct ectx ec = c->ec;
        es_sub_close(sub, problem, &ec);
        return false;
    }
    return true;
}

static void tell_event(struct es_subscription *sub, const struct es_event *e)
{
    sub->matched++;
    sub->progress = e->position;
    sub->next_revision = e->revision + 1;
    IGNORE(es_sub_tell(sub, ES_FRAME_EVENT, e, e->position));
}

/* What was read is told. At the head it becomes live. False: nothing to do for now. */
static bool round_told(struct es_subscription *sub, struct es_catchup_read *c)
{
    if (sub->spec.stream.p == NULL) {
        sub->progress = c->source.progress;
    } else if (c->ended) {
        sub->progress = c->head; /* nothing of it is left up to there */
    }
    if (!es_sub_checkpoint(sub, sub->progress)) {
        return !sub->gone;
    }
    if (!c->ended) {
        if (sub->caught_up) {
            sub->caught_up = false;
            return es_sub_tell(sub, ES_FRAME_FELL_BEHIND, NULL, sub->progress) || !sub->gone;
        }
        return true;
    }
    if (es_position_cmp(c->head, es_head(sub->es)) != 0) {
        return true; /* there is more by now */
    }
    if (!sub->caught_up) {
        sub->caught_up = true;
        if (!es_sub_tell(sub, ES_FRAME_CAUGHT_UP, NULL, sub->progress)) {
            return !sub->gone;
        }
    }
    c->at_head = true;
    return true;
}

/* Nothing is left to be read up to its head. True: there is by now. False: it is live, or waits for
 * the tail. */
static bool at_head(struct es_subscription *sub, struct es_catchup_read *c)
{
    if (es_position_cmp(c->head, es_head(sub->es)) != 0) {
        c->at_head = false;
        return true;
    }
    sub->progress = c->head;
    if (es_tail_attach(sub->es, sub)) {
        es_catchup_read_end(sub);
    }
    return false;
}

static void run_once(struct es_subscription *sub)
{
    while (!sub->gone && !sub->paused && list_empty(&sub->live)) {
        struct es_catchup_read *c = sub->reading;
        if (c == NULL) {
            if (es_life_check(sub->es, NULL) != ES_OK || (c = reading_make(sub)) == NULL) {
                return;
            }
        }
        if (c->at < c->count) {
            tell_event(sub, &c->events[c->at++]);
        } else if (c->untold) {
            c->untold = false;
            if (!round_told(sub, c)) {
                return;
            }
        } else if (c->at_head && !at_head(sub, c)) {
            return;
        } else if (read_more(sub, c)) {
            c->untold = true;
        } else {
            return;
        }
    }
}

void es_sub_run(struct es_subscription *sub)
{
    sub->again = true;
    if (sub->running) {
        return;
    }
    sub->running = true;
    while (sub->again && !sub->gone) {
        sub->again = false;
        run_once(sub);
    }
    sub->running = false;
    if (sub->gone) {
        es_sub_free(sub);
    }
}

/* ---- The call ---- */

static size_t text_size(const struct es_subscribe *spec)
{
    size_t n = spec->stream.n + spec->filter.category.n;
    for (size_t i = 0; i < spec->filter.type_count; i++) {
        n += sizeof(struct str) + spec->filter.types[i].n;
    }
    for (size_t i = 0; i < spec->filter.tag_count; i++) {
        n += sizeof(struct str) + spec->filter.tags[i].n;
    }
    return n;
}

static struct str text_keep(char **at, struct str s)
{
    if (s.p == NULL) {
        return s;
    }
    struct str out = str_make(*at, s.n);
    memcpy(*at, s.p, s.n);
    *at += s.n;
    return out;
}

/* The spec's strings live as long as the subscription: behind it. */
static void spec_keep(struct es_subscription *sub, const struct es_subscribe *spec)
{
    size_t types = spec->filter.type_count, tags = spec->filter.tag_count;
    struct str *lists = (struct str *)(void *)(sub + 1);
    char *at = (char *)(lists + types + tags);
    sub->spec = *spec;
    for (size_t i = 0; i < types; i++) {
        lists[i] = text_keep(&at, spec->filter.types[i]);
    }
    for (size_t i = 0; i < tags; i++) {
        lists[types + i] = text_keep(&at, spec->filter.tags[i]);
    }
    sub->spec.filter.types = lists;
    sub->spec.filter.tags = lists + types;
    sub->spec.filter.store = STR_NULL;
    sub->spec.filter.category = text_keep(&at, spec->filter.category);
    sub->spec.stream = text_keep(&at, spec->stream);
}

static enum es_problem spec_check(struct es *es, const struct es_subscribe *spec, struct ectx *ec)
{
    struct str category;
    enum es_problem p = es_life_check(es, ec);
    if (p == ES_OK) {
        p = es_filter_check(&spec->filter, ec);
    }
    if (p != ES_OK) {
        return p;
    }
    if (spec->stream.p != NULL && !es_stream_name_check(spec->stream, &category, ec)) {
        return ES_INVALID;
    }
    if (spec->stream.p == NULL && !spec->from_end && spec->after.commit > es_head(es).commit) {
        IGNORE(ectx_fail(ec, ERR_OFFSET_OUT_OF_RANGE,
                         "the position is above the end of the log: of another store?"));
        return ES_POSITION_UNKNOWN;
    }
    if (es->reader->subscription_count >= ES_SUBSCRIPTIONS_MAX) {
        IGNORE(ectx_fail(ec, ERR_LIMIT, "there are %d subscriptions", ES_SUBSCRIPTIONS_MAX));
        return ES_BUSY;
    }
    return ES_OK;
}

enum es_problem es_subscribe(struct es *es, const struct es_subscribe *spec,
                             struct es_subscription **out, struct ectx *ec)
{
    enum es_problem p = spec_check(es, spec, ec);
    if (p != ES_OK) {
        return p;
    }
    struct es_subscription *sub = mem_zalloc(1, sizeof(*sub) + text_size(spec));
    if (sub == NULL) {
        IGNORE(ectx_fail(ec, ERR_NO_MEMORY, "no memory for a subscription"));
        return ES_FAILED;
    }
    sub->es = es;
    spec_keep(sub, spec);
    sub->progress = spec->from_end ? es_head(es) : spec->after;
    sub->told = sub->progress;
    sub->told_ns = env_mono_ns(es->env);
    sub->next_revision = !spec->has_after_revision           ? 0
                         : spec->after_revision < UINT64_MAX ? spec->after_revision + 1
                                                             : UINT64_MAX;
    sub->seek = spec->stream.p != NULL && spec->from_end && !spec->has_after_revision;
    list_init(&sub->live);
    list_push_back(&es->reader->subscriptions, &sub->all);
    es->reader->subscription_count++;
    es_tail_watch(es);
    sub->paused = true; /* until es_subscription_resume */
    *out = sub;
    return ES_OK;
}
