/*
 * Snapshots that a fold asks for: when an append takes a stream over a multiple of snapshot_every,
 * the stream is folded and a snapshot written, one stream after the other. They only save work: a
 * queue that is full, a fold that fails, a newer snapshot, all that leaves one out, and the next
 * one comes so many events later.
 */
#include "core/log.h"
#include "core/mem.h"
#include "es/define.h"
#include "es/write.h"

#define QUEUE_MAX   1024u
#define ARENA_BYTES (32u * 1024 * 1024)

struct es_auto {
    struct list link;
    struct es_def *def;
    struct str stream; /* behind the struct */
};
struct es_autos {
    struct list queue;
    size_t count;
    bool busy, stopped;
    struct es_auto *now;
    struct arena arena;
    struct es_fold_state state;
    int64_t facts_before; /* of its stream, when the fold began */
    struct es_stream_change change;
    struct metric *written, *left_out;
};

static void auto_free(struct es_auto *a)
{
    es_def_unref(a->def);
    mem_free(a);
}

MUST_USE enum err es_autos_create(struct es *es)
{
    struct es_autos *q = mem_new(struct es_autos);
    if (q == NULL) {
        return ERR_NO_MEMORY;
    }
    list_init(&q->queue);
    arena_init(&q->arena, ARENA_BYTES);
    q->written = metrics_counter(es->metrics, "leat_es_snapshots_written_total",
                                 "Snapshots written because a fold asks for them.", NULL);
    q->left_out = metrics_counter(es->metrics, "leat_es_snapshots_left_out_total",
                                  "Snapshots of folds that could not be made in time.", NULL);
    es->autos = q;
    return ERR_OK;
}

static void auto_next(struct es *es);

static void auto_end(struct es *es, bool good)
{
    struct es_autos *q = es->autos;
    metric_add(good ? q->written : q->left_out, 1);
    auto_free(q->now);
    q->now = NULL;
    arena_reset(&q->arena, 0);
    q->busy = false;
    auto_next(es);
}

static void on_written(struct es_stream_change *c)
{
    struct es *es = c->ctx;
    auto_end(es, c->problem == ES_OK);
}

static void on_state(struct es_fold_state *s)
{
    struct es *es = s->ctx;
    struct es_autos *q = es->autos;
    if (s->problem != ES_OK || s->empty || q->stopped ||
        (s->from_snapshot && s->snapshot_revision == s->revision)) {
        if (s->problem == ES_FOLD_FAILED) {
            LOG_WARN("es.fold_failed", KV_STR("stream", s->stream), KV_ERR(&s->ec));
        }
        auto_end(es, false);
        return;
    }
    q->change = (struct es_stream_change){.kind = ES_CHANGE_SNAPSHOT,
                                          .stream = s->stream,
                                          .revision = s->revision,
                                          .schema = s->schema,
                                          .state = s->state,
                                          .of_fold = true,
                                          .facts_before = q->facts_before,
                                          .incomplete_before = s->incomplete_before,
                                          .arena = &q->arena,
                                          .done = on_written,
                                          .ctx = es};
    es_stream_change(es, &q->change);
}

static void auto_next(struct es *es)
{
    struct es_autos *q = es->autos;
    struct list *n = q->busy || q->stopped ? NULL : list_pop_front(&q->queue);
    if (n == NULL) {
        return;
    }
    q->count--;
    q->busy = true;
    q->now = CONTAINER_OF(n, struct es_auto, link);
    q->facts_before = es->facts_covered[es_facts_partition(es, q->now->stream)];
    q->state = (struct es_fold_state){.stream = q->now->stream,
                                      .fold = q->now->def->name,
                                      .to = UINT64_MAX,
                                      .until_ns = INT64_MAX,
                                      .arena = &q->arena,
                                      .done = on_state,
                                      .ctx = es};
    es_fold_state(es, &q->state);
}

static bool crosses(uint64_t first, uint64_t last, uint64_t every)
{
    return every > 0 && (last + 1) / every > first / every;
}

/* The next fold that asks for one after these events; NULL: none. */
static struct es_def *next_fold(const struct es *es, struct map_iter *it, struct str stream,
                                uint64_t first, uint64_t last)
{
    struct str rest;
    if (es->defs->by_name.count == es->defs->upcasts || es->autos->stopped) {
        return NULL; /* no folds */
    }
    while (map_next(&es->defs->by_name, it)) {
        struct es_def *d = it->value;
        if (d->kind == ES_FOLD && str_eq(d->fold->category, str_cut(stream, '-', &rest)) &&
            crosses(first, last, d->fold->snapshot_every)) {
            return d;
        }
    }
    return NULL;
}

void es_auto_snapshot(struct es *es, struct str stream, uint64_t first, uint64_t last)
{
    struct es_autos *q = es->autos;
    struct map_iter it = {0};
    struct es_def *d;
    while ((d = next_fold(es, &it, stream, first, last)) != NULL) {
        struct es_auto *a = q->count < QUEUE_MAX ? mem_alloc(sizeof(*a) + stream.n) : NULL;
        if (a == NULL) {
            metric_add(q->left_out, 1);
            continue;
        }
        memcpy(a + 1, stream.p, stream.n);
        a->stream = str_make(a + 1, stream.n);
        a->def = d;
        es_def_ref(d);
        list_init(&a->link);
        list_push_back(&q->queue, &a->link);
        q->count++;
    }
}

/* ---- Of events that no op of ours waits for ---- */

struct after_stream {
    struct str stream; /* behind the last of them */
    uint64_t first, last;
};
struct after {
    struct es_flight_wait wait;
    struct es *es;
    size_t count;
    struct after_stream streams[];
};

static void told_after(struct es_flight_wait *w)
{
    const struct after *a = CONTAINER_OF(w, struct after, wait);
    for (size_t i = 0; i < a->count; i++) {
        es_auto_snapshot(a->es, a->streams[i].stream, a->streams[i].first, a->streams[i].last);
    }
}

/* Does a fold ask for one after what the plan adds to its i-th stream? */
static bool asks(const struct es *es, const struct es_plan *p, size_t i, struct after_stream *out)
{
    const struct es_plan_stream *s = &p->streams[i];
    struct map_iter it = {0};
    if (s->event_count == 0) {
        return false;
    }
    *out = (struct after_stream){.stream = s->name,
                                 .first = p->events[s->first_event].revision,
                                 .last = p->events[s->last_event].revision};
    return next_fold(es, &it, s->name, out->first, out->last) != NULL;
}

void es_auto_snapshot_after(struct es *es, const struct es_plan *p, struct es_flight *f)
{
    struct after_stream x;
    size_t count = 0, bytes = 0;
    for (size_t i = 0; i < p->stream_count; i++) {
        if (asks(es, p, i, &x)) {
            count++;
            bytes += x.stream.n;
        }
    }
    if (count == 0) {
        return;
    }
    struct after *a = mem_zalloc(1, sizeof(*a) + count * sizeof(x) + bytes);
    if (a == NULL) {
        metric_add(es->autos->left_out, count);
        return;
    }
    a->es = es;
    char *name = (char *)&a->streams[count];
    for (size_t i = 0; i < p->stream_count; i++) {
        if (asks(es, p, i, &x)) {
            memcpy(name, x.stream.p, x.stream.n);
            x.stream.p = name;
            name += x.stream.n;
            a->streams[a->count++] = x;
        }
    }
    a->wait.told = told_after;
    list_push_back(&f->waiters, &a->wait.link);
    f->kept = a;
}

void es_auto_tick(struct es *es)
{
    auto_next(es);
}

void es_auto_stop(struct es *es)
{
    struct es_autos *q = es->autos;
    struct list *n;
    q->stopped = true;
    while ((n = list_pop_front(&q->queue)) != NULL) {
        auto_free(CONTAINER_OF(n, struct es_auto, link));
    }
    q->count = 0;
}

void es_autos_destroy(struct es *es)
{
    struct es_autos *q = es->autos;
    if (q == NULL) {
        return;
    }
    es_auto_stop(es);
    if (q->now != NULL) { /* the store failed while one was on its way */
        auto_free(q->now);
    }
    arena_deinit(&q->arena);
    mem_free(q);
    es->autos = NULL;
}
