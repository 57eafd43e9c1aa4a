/*
 * Read your writes: waiting until what is served has applied everything up to a position.
 *
 * A commit position becomes one offset for each partition of the projection's topics (engine_seek:
 * the first record above it); then it is a comparison of offsets. Without a global order the caller
 * gives the offsets.
 *
 * What is served may be unknown when a wait begins (its target is not open yet), or change while it
 * lasts: the marks are those of every version's topics, and the ones count that what is served
 * reads.
 */
#include <string.h>

#include "core/check.h"
#include "core/compiler.h"
#include "core/mem.h"
#include "proj/proj_int.h"

struct mark {
    struct engine_seek seek;
    struct waiting *w;
    struct str topic;
    int32_t partition;
    int64_t offset;
    bool pending;
};
struct waiting {
    struct list link;
    struct proj *p;
    struct proj_wait *call; /* NULL: given up, freed when no seek is pending */
    struct projection *pr;
    size_t pending;
    bool starting; /* not all seeks have begun */
    enum err err;
    struct ectx ec;
    char *names; /* the rest of what follows the marks: topics, which outlive the version */
    size_t count;
    struct mark marks[];
};

static void end_wait(struct waiting *w, enum err e)
{
    struct proj_wait *call = w->call;
    w->call = NULL;
    w->p->wait_count--;
    list_remove(&w->link);
    if (w->pending == 0) {
        mem_free(w);
    } else {
        list_push_back(&w->p->waits_ended, &w->link); /* until the last seek is done */
    }
    if (call != NULL) {
        call->err = e;
        call->internal = NULL;
        call->done(call);
    }
}

/* What is waited for: what is served, or the version that will be the first. */
static struct run *awaited(struct projection *pr)
{
    struct run *r = run_find(pr, pr->served);
    return r != NULL || list_empty(&pr->runs) ? r : CONTAINER_OF(pr->runs.next, struct run, link);
}

static bool reads(const struct run *r, struct str topic)
{
    for (size_t i = 0; i < r->d->topic_count; i++) {
        if (str_eq(r->d->topics[i], topic)) {
            return true;
        }
    }
    return false;
}

/* How many events are missing. */
static uint64_t missing(struct waiting *w)
{
    struct run *r = awaited(w->pr);
    uint64_t lag = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct mark *m = &w->marks[i];
        if (r != NULL && !reads(r, m->topic)) {
            continue; /* only another version does */
        }
        struct shard *s = r == NULL ? NULL : shard_find(r, m->topic, m->partition);
        bool held = s != NULL && s->claim == CLAIM_HELD;
        int64_t next = s != NULL && shard_is_known(s) ? s->next_offset : 0;
        if (m->offset > next) {
            lag += (uint64_t)(m->offset - next);
        } else if (!held && m->offset > 0) {
            lag++; /* it is over when the claim says so */
        }
    }
    return lag;
}

static void look(struct waiting *w, uint64_t now)
{
    if (w->pending > 0) {
        if (now >= w->call->deadline_ns) {
            end_wait(w, ectx_fail(&w->call->ec, ERR_REQUEST_TIMED_OUT, "the log did not answer"));
        }
        return;
    }
    if (w->err != ERR_OK) {
        w->call->ec = w->ec;
        end_wait(w, w->err);
        return;
    }
    if (w->pr == NULL || w->pr->gone || w->pr->removing) {
        end_wait(w, ectx_fail(&w->call->ec, ERR_NOT_FOUND, "the projection was removed"));
        return;
    }
    uint64_t lag = missing(w);
    w->call->lag_events = lag;
    const bool is_served = run_find(w->pr, w->pr->served) != NULL;
    if (lag == 0 && is_served) {
        end_wait(w, ERR_OK);
    } else if (now < w->call->deadline_ns) {
        return;
    } else if (!is_served) {
        end_wait(w, ectx_fail(&w->call->ec, ERR_REQUEST_TIMED_OUT,
                              "no version of '%.*s' is served yet, and the first is %llu events "
                              "behind this position",
                              STR(w->pr->name), (unsigned long long)lag));
    } else {
        end_wait(w, ectx_fail(&w->call->ec, ERR_REQUEST_TIMED_OUT,
                              "projection '%.*s' is %llu events behind this position",
                              STR(w->pr->name), (unsigned long long)lag));
    }
}

void wait_check(struct proj *p, uint64_t now)
{
    LIST_FOR_EACH (link, next, &p->waits) {
        look(CONTAINER_OF(link, struct waiting, link), now);
    }
}

void wait_end_all(struct proj *p)
{
    LIST_FOR_EACH (link, next, &p->waits) {
        struct waiting *w = CONTAINER_OF(link, struct waiting, link);
        end_wait(w, ectx_fail(&w->call->ec, ERR_STOPPED, "stopping"));
    }
}

/* When no seek will be done any more. */
void wait_free_ended(struct proj *p)
{
    for (;;) {
        struct list *link = list_pop_front(&p->waits_ended);
        if (link == NULL) {
            return;
        }
        mem_free(CONTAINER_OF(link, struct waiting, link));
    }
}

void wait_forget(struct projection *pr)
{
    LIST_FOR_EACH (link, next, &pr->p->waits) {
        struct waiting *w = CONTAINER_OF(link, struct waiting, link);
        if (w->pr == pr) {
            end_wait(w, ectx_fail(&w->call->ec, ERR_NOT_FOUND, "the projection was removed"));
        }
    }
}

static void sought(struct engine_seek *s)
{
    struct mark *m = CONTAINER_OF(s, struct mark, seek);
    struct waiting *w = m->w;
    m->pending = false;
    w->pending--;
    if (s->err != ERR_OK && w->err == ERR_OK) {
        w->err = s->err;
        w->ec = s->ec;
    }
    m->offset = s->offset;
    if (w->call == NULL) {
        if (w->pending == 0) {
            struct proj *p = w->p;
            list_remove(&w->link);
            mem_free(w);
            proj_ended(p);
        }
    } else if (w->pending == 0 && !w->starting) {
        look(w, env_mono_ns(w->p->env));
    }
}

/* The topics of all versions, each once. */
struct topics {
    struct str names[DEF_TOPICS_MAX * PROJ_VERSIONS_MAX];
    size_t count, bytes;
};
static void add_topic(struct topics *t, struct str name)
{
    for (size_t i = 0; i < t->count; i++) {
        if (str_eq(t->names[i], name)) {
            return;
        }
    }
    CHECK(t->count < ARRAY_LEN(t->names));
    t->names[t->count++] = name;
    t->bytes += name.n;
}
static void find_topics(struct projection *pr, struct topics *t)
{
    t->count = 0;
    t->bytes = 0;
    LIST_FOR_EACH (link, next, &pr->runs) {
        const struct def *d = CONTAINER_OF(link, struct run, link)->d;
        for (size_t i = 0; i < d->topic_count; i++) {
            add_topic(t, d->topics[i]);
        }
    }
}

static struct str keep_name(struct waiting *w, struct str topic)
{
    const struct str kept = str_make(w->names, topic.n);
    memcpy(w->names, topic.p, topic.n);
    w->names += topic.n;
    return kept;
}

static size_t count_partitions(struct proj *p, const struct topics *t)
{
    size_t n = 0;
    struct engine_topic topic;
    for (size_t i = 0; i < t->count; i++) {
        if (engine_topic_get(p->e, t->names[i], &topic)) {
            n += (size_t)topic.partition_count;
        }
    }
    return n;
}

static void seek_all(struct waiting *w, const struct topics *t, uint64_t position)
{
    struct engine_topic topic;
    for (size_t i = 0; i < t->count; i++) {
        bool there = engine_topic_get(w->p->e, t->names[i], &topic);
        const struct str name = keep_name(w, t->names[i]);
        for (int32_t n = 0; there && n < topic.partition_count; n++) {
            struct mark *m = &w->marks[w->count++];
            m->w = w;
            m->topic = name;
            m->partition = n;
            m->seek = (struct engine_seek){.topic = m->topic,
                                           .partition = n,
                                           .by = ENGINE_SEEK_POSITION,
                                           .position = position,
                                           .done = sought};
            m->pending = true;
            w->pending++;
        }
    }
    for (size_t i = 0; i < w->count; i++) {
        engine_seek(w->p->e, &w->marks[i].seek);
    }
}

/* The offsets of the caller, of topics that are ours. */
static void take_inputs(struct waiting *w, const struct topics *t, const struct proj_wait *call)
{
    for (size_t k = 0; k < t->count; k++) {
        const struct str name = keep_name(w, t->names[k]);
        for (size_t i = 0; i < call->input_count; i++) {
            if (str_eq(name, call->inputs[i].topic)) {
                w->marks[w->count++] = (struct mark){.w = w,
                                                     .topic = name,
                                                     .partition = call->inputs[i].partition,
                                                     .offset = call->inputs[i].next_offset};
            }
        }
    }
}

static void refuse(struct proj_wait *call, enum err e)
{
    call->err = e;
    call->internal = NULL;
    call->done(call);
}

static void begin(struct proj *p, struct projection *pr, struct proj_wait *call)
{
    struct topics topics;
    find_topics(pr, &topics);
    size_t room = call->position != 0 ? count_partitions(p, &topics) : call->input_count;
    struct waiting *w = mem_zalloc(1, sizeof(*w) + room * sizeof(struct mark) + topics.bytes);
    if (w == NULL) {
        refuse(call, ectx_fail(&call->ec, ERR_NO_MEMORY, "out of memory"));
        return;
    }
    w->p = p;
    w->call = call;
    w->pr = pr;
    w->names = (char *)&w->marks[room];
    call->internal = w;
    list_push_back(&p->waits, &w->link);
    p->wait_count++;
    w->starting = true;
    if (call->position != 0) {
        seek_all(w, &topics, call->position);
    } else {
        take_inputs(w, &topics, call);
    }
    w->starting = false;
    look(w, env_mono_ns(p->env));
}

void proj_wait(struct proj *p, struct proj_wait *call)
{
    struct projection *pr = projection_find(p, call->name);
    call->lag_events = 0;
    memset(&call->ec, 0, sizeof(call->ec));
    if (p->stopping || !p->ready) {
        refuse(call,
               ectx_fail(&call->ec, p->stopping ? ERR_STOPPED : ERR_NOT_READY, "not running"));
    } else if (pr == NULL || pr->removing) {
        refuse(call, ectx_fail(&call->ec, ERR_NOT_FOUND, "there is no projection '%.*s'",
                               (int)(call->name.n > 80 ? 80 : call->name.n), call->name.p));
    } else if (awaited(pr) == NULL) {
        refuse(call, ectx_fail(&call->ec, ERR_NOT_READY, "no version of '%.*s' is known yet",
                               STR(pr->name)));
    } else if (p->wait_count == PROJ_WAITS_MAX) {
        refuse(call, ectx_fail(&call->ec, ERR_AGAIN, "%u calls wait already", PROJ_WAITS_MAX));
    } else if (call->position != 0 && ((engine_capabilities(p->e) & ENGINE_GLOBAL_ORDER) == 0 ||
                                       call->position > engine_position(p->e))) {
        refuse(call, ectx_fail(&call->ec, ERR_INVALID_REQUEST,
                               "this position is above the end of the log"));
    } else {
        begin(p, pr, call);
    }
}

void proj_wait_cancel(struct proj *p, struct proj_wait *call)
{
    struct waiting *w = call->internal;
    (void)p;
    if (w != NULL) {
        w->call = NULL;
        call->internal = NULL;
        end_wait(w, ERR_OK);
    }
}
