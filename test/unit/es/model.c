/*
 * Random appends, changes and restarts against a model that is nothing but arrays: every answer is
 * compared. One call at a time; concurrency is in flights.c.
 */
#include <stdio.h>

#include "es_world.h"

enum { STREAMS = 6, EVENTS = 4000, STEPS = 250, IDS = 24, TAGS = 4, TYPES = 3 };

struct model_event {
    int id, body, type; /* id -1: the server made it */
    unsigned tags;      /* bits */
    uint64_t order;     /* number of the append that brought it */
};
struct model_stream {
    char name[32];
    struct model_event *events;
    size_t count;
    size_t born;
    bool soft, dead;
};
struct model {
    uint64_t rng;
    struct model_stream streams[STREAMS];
    struct es_position positions[EVENTS]; /* of appends that were done, by order */
    uint64_t orders;
    size_t answers[ES_FAILED + 1];
    size_t same;
};
/* An append as the model sees it. */
struct wish {
    size_t count;
    int stream[4], id[4], body[4], type[4];
    unsigned tags[4];
    int expected_kind; /* -1: none; of the first event's stream */
    uint64_t expected;
    int check_stream; /* -1: none */
    int check_kind;
    uint64_t check_revision;
    bool query;
    unsigned query_tags, query_types;
    uint64_t after; /* order; 0: from the beginning */
};

static uint64_t rnd(struct model *m, uint64_t below)
{
    m->rng ^= m->rng << 13;
    m->rng ^= m->rng >> 7;
    m->rng ^= m->rng << 17;
    return m->rng % below;
}

static bool there(const struct model_stream *s)
{
    return !s->dead && !s->soft && s->count > 0;
}

static bool holds(const struct model_stream *s, int kind, uint64_t revision)
{
    switch (kind) {
    case ES_NO_STREAM:
        return !s->dead && !there(s);
    case ES_EXISTS:
        return there(s);
    case ES_REVISION:
        return there(s) && s->count - 1 == revision;
    default:
        return true;
    }
}

static int find(const struct model_stream *s, int id)
{
    for (size_t i = 0; id >= 0 && i < s->count; i++) {
        if (s->events[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

static bool query_met(const struct model *m, const struct wish *w)
{
    for (int s = 0; s < STREAMS; s++) {
        for (size_t i = 0; i < m->streams[s].count; i++) {
            const struct model_event *e = &m->streams[s].events[i];
            if (e->order > w->after && (e->tags & w->query_tags) == w->query_tags &&
                (w->query_types == 0 || (w->query_types >> e->type & 1) != 0)) {
                return true;
            }
        }
    }
    return false;
}

/* All events of the stream of event i: nobody knows any more where the lives before began. */
static bool before_this_life(const struct model_stream *s, const struct wish *w, const int *at,
                             size_t i)
{
    for (size_t k = 0; k < w->count; k++) {
        if (w->stream[k] == w->stream[i] && (size_t)at[k] >= s->born) {
            return false;
        }
    }
    return true;
}

/* Rule 2 of the event store, in the model's words. */
static bool is_original(const struct model *m, const struct wish *w, const int *at)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct model_stream *s = &m->streams[w->stream[i]];
        size_t before = 0;
        while (before < i && w->stream[i - 1 - before] != w->stream[i]) {
            before++;
        }
        if (before < i) { /* not the first of its stream */
            if (at[i] != at[i - 1 - before] + 1) {
                return false;
            }
            continue;
        }
        for (int k = 0; k < 2; k++) {
            int kind = k == 0 ? w->expected_kind : w->check_kind;
            uint64_t revision = k == 0 ? w->expected : w->check_revision;
            int of = k == 0 ? w->stream[0] : w->check_stream;
            bool first_there = at[i] == 0 || (s->born > 0 && (size_t)at[i] == s->born);
            if (kind < 0 || of != w->stream[i]) {
                continue;
            }
            if ((kind == ES_NO_STREAM && !first_there && !before_this_life(s, w, at, i)) ||
                (kind == ES_EXISTS && first_there) ||
                (kind == ES_REVISION && (at[i] == 0 || (uint64_t)at[i] != revision + 1))) {
                return false;
            }
        }
    }
    return true;
}

static enum es_problem predict(const struct model *m, const struct wish *w, bool *same)
{
    int at[4];
    size_t known = 0;
    *same = false;
    for (size_t i = 0; i < w->count; i++) {
        if (m->streams[w->stream[i]].dead) {
            return ES_STREAM_TOMBSTONED;
        }
    }
    for (size_t i = 0; i < w->count; i++) {
        const struct model_stream *s = &m->streams[w->stream[i]];
        at[i] = find(s, w->id[i]);
        known += at[i] >= 0;
    }
    for (size_t i = 0; i < w->count; i++) {
        const struct model_event *e = &m->streams[w->stream[i]].events[at[i]];
        if (at[i] >= 0 &&
            (e->body != w->body[i] || e->type != w->type[i] || e->tags != w->tags[i])) {
            return ES_EVENT_ID_REUSED;
        }
    }
    if (known == w->count && is_original(m, w, at)) {
        *same = true;
        return ES_OK;
    }
    if (known > 0 && known < w->count) {
        return ES_PARTIAL_DUPLICATE;
    }
    if (w->expected_kind >= 0 && !holds(&m->streams[w->stream[0]], w->expected_kind, w->expected)) {
        return ES_REVISION_CONFLICT;
    }
    if ((w->check_stream >= 0 &&
         !holds(&m->streams[w->check_stream], w->check_kind, w->check_revision)) ||
        (w->query && query_met(m, w))) {
        return ES_APPEND_CONFLICT;
    }
    return known > 0 ? ES_EVENT_ID_REUSED : ES_OK;
}

static void apply(struct model *m, const struct wish *w, struct es_position position)
{
    m->orders++;
    m->positions[m->orders] = position;
    for (size_t i = 0; i < w->count; i++) {
        struct model_stream *s = &m->streams[w->stream[i]];
        s->events[s->count++] =
            (struct model_event){w->id[i], w->body[i], w->type[i], w->tags[i], m->orders};
        s->soft = false;
    }
}

static void wish_make(struct model *m, struct wish *w)
{
    memset(w, 0, sizeof(*w));
    w->expected_kind = w->check_stream = w->check_kind = -1;
    w->count = 1 + rnd(m, 4);
    bool one = rnd(m, 3) > 0;
    int base = (int)rnd(m, IDS);
    for (size_t i = 0; i < w->count; i++) {
        w->stream[i] = one && i > 0 ? w->stream[0] : (int)rnd(m, STREAMS);
        w->id[i] = rnd(m, 3) == 0 ? -1 : (base + (int)i) % IDS;
        w->body[i] = rnd(m, 20) == 0;
        w->type[i] = w->id[i] < 0 ? (int)rnd(m, TYPES) : w->id[i] % TYPES;
        w->tags[i] = w->id[i] < 0 ? (unsigned)rnd(m, 1 << TAGS) : (unsigned)w->id[i] % 8;
    }
    if (one && rnd(m, 2) == 0) {
        w->expected_kind = (int)rnd(m, 4);
        size_t n = m->streams[w->stream[0]].count;
        w->expected = n > 0 && rnd(m, 3) > 0 ? n - 1 : rnd(m, n + 2);
    }
    if (rnd(m, 3) == 0) {
        w->check_stream = (int)rnd(m, STREAMS);
        w->check_kind = (int)rnd(m, 4);
        size_t n = m->streams[w->check_stream].count;
        w->check_revision = n > 0 && rnd(m, 3) > 0 ? n - 1 : rnd(m, n + 2);
    }
    if (rnd(m, 3) == 0) {
        w->query = true;
        w->query_tags = (unsigned)rnd(m, 1 << TAGS);
        w->query_types = (unsigned)rnd(m, 1 << TYPES);
        w->query |= w->query_tags != 0 || w->query_types != 0;
        if (w->query_tags == 0 && w->query_types == 0) {
            w->query_types = 1;
        }
        w->after = m->orders - rnd(m, m->orders < 3 ? m->orders + 1 : 3);
    }
}

static struct str names(struct es_shot *s, const char *prefix, unsigned bits)
{
    struct str out = arena_printf(&s->arena, "%s", "");
    for (int i = 0; i < 8; i++) {
        if ((bits >> i & 1) != 0) {
            out = arena_printf(&s->arena, "%.*s%s%s%d", STR(out), out.n > 0 ? " " : "", prefix, i);
        }
    }
    return out;
}

static void expected_text(int kind, uint64_t revision, char out[32])
{
    static const char *const words[] = {"any", "no_stream", "exists"};
    if (kind == ES_REVISION) {
        snprintf(out, 32, "%llu", (unsigned long long)revision);
    } else {
        snprintf(out, 32, "%s", words[kind]);
    }
}

static struct es_shot *shot_of(struct model *m, const struct wish *w)
{
    char text[32] = "";
    if (w->expected_kind >= 0) {
        expected_text(w->expected_kind, w->expected, text);
    }
    struct es_shot *s = es_shot_make(NULL, w->expected_kind >= 0 ? text : NULL, NULL);
    for (size_t i = 0; i < w->count; i++) {
        char id[16] = "-";
        if (w->id[i] >= 0) {
            snprintf(id, sizeof(id), "i%d", w->id[i]);
        }
        es_shot_add(s, m->streams[w->stream[i]].name, id, w->body[i] != 0 ? "{\"a\":1}" : "{}");
        s->events[i].envelope.type = arena_printf(&s->arena, "T%d", w->type[i]);
        es_shot_tag(s, i, names(s, "g", w->tags[i]).p);
    }
    if (w->check_stream >= 0) {
        expected_text(w->check_kind, w->check_revision, text);
        es_shot_check(s, m->streams[w->check_stream].name, text);
    }
    if (w->query) {
        es_shot_query(s, names(s, "T", w->query_types).p, names(s, "g", w->query_tags).p,
                      m->positions[w->after]);
    }
    return s;
}

static void step_append(struct model *m, struct es_world *world, uint64_t seed, int step)
{
    struct wish w;
    bool same;
    wish_make(m, &w);
    enum es_problem wanted = predict(m, &w, &same);
    struct es_shot *s = shot_of(m, &w);
    es_shot_go(world, s);
    es_world_settle(world);
    assert_true(s->ended);
    if (s->a.problem != wanted || s->a.idempotent != same) {
        fail_msg("seed %llu step %d: %s%s (%s), not %s%s", (unsigned long long)seed, step,
                 es_problem_code(s->a.problem), s->a.idempotent ? " same" : "", s->a.ec.text,
                 es_problem_code(wanted), same ? " same" : "");
    }
    m->answers[wanted]++;
    m->same += same;
    if (wanted == ES_OK && !same) {
        const struct model_stream *first = &m->streams[w.stream[0]];
        assert_int_equal(s->a.streams[0].first_revision, first->count);
        struct es_position last = m->positions[m->orders];
        assert_true(s->a.position.commit > last.commit);
        apply(m, &w, s->a.position);
    } else if (same) {
        /* The original answer: the same place. */
        const struct model_stream *first = &m->streams[w.stream[0]];
        assert_int_equal(s->a.streams[0].first_revision, find(first, w.id[0]));
    }
    es_shot_free(s);
}

static void change_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

static void step_change(struct model *m, struct es_world *world)
{
    struct model_stream *s = &m->streams[rnd(m, STREAMS)];
    bool done = false;
    struct es_stream_change c = {.stream = str_of(s->name), .arena = &world->arena};
    c.done = change_done;
    c.ctx = &done;
    uint64_t what = rnd(m, 40);
    c.kind = what < 20 ? ES_CHANGE_SOFT_DELETE : ES_CHANGE_SET;
    if (what == 39) {
        c.kind = ES_CHANGE_TOMBSTONE;
    }
    if (c.kind == ES_CHANGE_SET) {
        c.set_truncate_before = true;
        c.truncate_before = s->count;
        c.set_max_count = true;
        c.max_count = 5;
    }
    es_stream_change(world->es, &c);
    es_world_settle(world);
    assert_true(done);
    enum es_problem wanted = ES_OK;
    if (s->dead) {
        wanted = ES_STREAM_TOMBSTONED;
    } else if (s->count == 0) {
        wanted = ES_STREAM_NOT_FOUND;
    } else if (s->soft && c.kind != ES_CHANGE_TOMBSTONE) {
        wanted = ES_STREAM_DELETED;
    }
    assert_int_equal(c.problem, wanted);
    if (wanted != ES_OK) {
        return;
    }
    if (c.kind == ES_CHANGE_SOFT_DELETE) {
        s->soft = true;
        s->born = s->count;
    }
    s->dead = c.kind == ES_CHANGE_TOMBSTONE;
    assert_int_equal(c.info.state, s->dead ? ES_TOMBSTONED : s->soft ? ES_SOFT_DELETED : ES_ACTIVE);
    assert_int_equal(c.info.last_revision, s->count - 1);
}

static void run_model(uint64_t seed, struct model *total)
{
    struct es_world world;
    struct model *m = test_calloc(1, sizeof(*m));
    m->rng = seed * 0x9e3779b97f4a7c15u | 1;
    for (int i = 0; i < STREAMS; i++) {
        snprintf(m->streams[i].name, sizeof(m->streams[i].name), "%s-%d", i % 2 ? "order" : "user",
                 i);
        m->streams[i].events = test_calloc(EVENTS, sizeof(struct model_event));
    }
    es_world_init(&world, seed);
    fake_engine_set_late(world.engine, seed % 3 == 0 ? 2 : 0);
    for (int step = 0; step < STEPS; step++) {
        uint64_t what = rnd(m, 60);
        if (what == 0) {
            es_world_restart(&world, (enum es_world_how)rnd(m, 3));
            fake_engine_set_late(world.engine, seed % 3 == 0 ? 2 : 0);
        } else if (what == 1) {
            es_world_flush(&world);
        } else if (what < 8) {
            step_change(m, &world);
        } else {
            step_append(m, &world, seed, step);
        }
    }
    es_world_deinit(&world);
    for (size_t i = 0; i < ARRAY_LEN(m->answers); i++) {
        total->answers[i] += m->answers[i];
    }
    total->same += m->same;
    for (int i = 0; i < STREAMS; i++) {
        test_free(m->streams[i].events);
    }
    test_free(m);
}

TEST(random_appends_and_changes_answer_as_the_model_does)
{
    static struct model total;
    memset(&total, 0, sizeof(total));
    for (uint64_t seed = 1; seed <= 12; seed++) {
        run_model(seed, &total);
    }
    /* All kinds of answers were met. */
    assert_true(total.same > 20);
    assert_true(total.answers[ES_OK] > 200);
    assert_true(total.answers[ES_REVISION_CONFLICT] > 20);
    assert_true(total.answers[ES_APPEND_CONFLICT] > 20);
    assert_true(total.answers[ES_EVENT_ID_REUSED] > 20);
    assert_true(total.answers[ES_PARTIAL_DUPLICATE] > 20);
    assert_true(total.answers[ES_STREAM_TOMBSTONED] > 5);
}
