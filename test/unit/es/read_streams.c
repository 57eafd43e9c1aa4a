/* Reading streams, and what they are, against a model: ranges, directions, limits, changes. */
#include "read_model.h"

#include <stdio.h>

enum { REVISIONS = 400 };

/* What the model knows of a stream beside its events. */
struct known {
    uint64_t truncate_before, born;
    int64_t max_count;
    enum es_state state; /* as the last change said */
    bool redacted[REVISIONS], field[REVISIONS];
};

static void change_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

static enum es_problem change(struct es_world *w, struct es_stream_change *c)
{
    bool done = false;
    struct arena a;
    arena_init(&a, 1 << 20);
    c->arena = &a;
    c->done = change_done;
    c->ctx = &done;
    es_stream_change(w->es, c);
    es_world_settle(w);
    assert_true(done);
    arena_deinit(&a);
    return c->problem;
}

/* Events of the stream, in order: what the model has. */
static size_t events_of(struct model *m, const char *stream, struct model_event **out)
{
    size_t n = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (str_eq_z(m->events[i].stream, stream)) {
            assert_int_equal(m->events[i].revision, n);
            out[n++] = &m->events[i];
        }
    }
    return n;
}

static uint64_t floor_of(const struct known *k, size_t n)
{
    uint64_t floor = k->truncate_before;
    if (k->max_count >= 0 && n > (uint64_t)k->max_count && n - (uint64_t)k->max_count > floor) {
        floor = n - (uint64_t)k->max_count;
    }
    return floor;
}

static bool hidden(const struct known *k, size_t n)
{
    return k->state == ES_TOMBSTONED || (k->state == ES_SOFT_DELETED && n <= k->born);
}

/* Nobody appends to a tombstoned stream. */
static bool known_dead(void *ctx, size_t stream)
{
    const struct known *known = ctx;
    return known[stream].state == ES_TOMBSTONED;
}

static void changes_random(struct model *m, struct known *known, size_t count)
{
    static struct model_event *events[MODEL_EVENTS_MAX];
    for (size_t i = 0; i < count; i++) {
        size_t s = model_rnd(m, MODEL_STREAMS);
        struct known *k = &known[s];
        model_load(m);
        size_t n = events_of(m, model_stream(s), events);
        if (n == 0 || hidden(k, n)) {
            continue;
        }
        struct es_stream_change c = {.stream = str_of(model_stream(s))};
        struct str field = STR_LIT("/n");
        uint64_t kind = model_rnd(m, 12);
        if (kind < 3) {
            c.kind = ES_CHANGE_SET;
            c.set_truncate_before = true;
            c.truncate_before = k->truncate_before + model_rnd(m, n - k->truncate_before + 1) / 2;
            k->truncate_before = c.truncate_before;
        } else if (kind < 5) {
            c.kind = ES_CHANGE_SET;
            c.set_max_count = true;
            k->max_count = c.max_count = model_rnd(m, 3) == 0 ? -1 : 1 + (int64_t)model_rnd(m, 20);
        } else if (kind < 10) {
            c.kind = ES_CHANGE_REDACT;
            c.revision = model_rnd(m, n);
            if (c.revision < k->truncate_before) {
                continue;
            }
            if (model_rnd(m, 2) == 0) {
                c.fields = &field;
                c.field_count = 1;
                k->field[c.revision] = true;
            } else {
                k->redacted[c.revision] = true;
            }
        } else if (kind == 10) {
            c.kind = ES_CHANGE_SOFT_DELETE;
            k->state = ES_SOFT_DELETED;
            k->born = k->truncate_before = n;
        } else if (model_rnd(m, 4) == 0) {
            c.kind = ES_CHANGE_TOMBSTONE;
            k->state = ES_TOMBSTONED;
        } else {
            continue;
        }
        if (change(m->w, &c) != ES_OK) {
            fail_msg("change %d: %s", (int)c.kind, c.ec.text);
        }
    }
}

static void read_done(struct es_read_stream *r)
{
    *(bool *)r->ctx = true;
}

static void same_with_redaction(const struct known *k, const struct model_event *x,
                                const struct es_event *e)
{
    struct model_event y = *x;
    assert_int_equal(e->redacted, k->redacted[x->revision] || k->field[x->revision]);
    if (k->redacted[x->revision]) {
        assert_null(e->data.p);
        y.data = STR_NULL;
    } else if (k->field[x->revision]) {
        y.data = STR_LIT("{\"n\":null}");
    }
    model_same(&y, e);
}

/* One random read, followed to its end. */
static void read_random(struct model *m, const struct known *k, struct model_event **events,
                        size_t n, const char *stream)
{
    bool backward = model_rnd(m, 2) == 0;
    uint64_t floor = floor_of(k, n), low = 0, high = UINT64_MAX;
    struct es_read_stream r = {.stream = str_of(stream), .backward = backward};
    bool ranged = model_rnd(m, 2) == 0;
    uint64_t from = ranged ? model_rnd(m, n + 3) : backward ? n - 1 : 0;
    r.from_end = backward && !ranged;
    r.to = backward ? 0 : UINT64_MAX;
    if (ranged && model_rnd(m, 2) == 0) {
        r.to = model_rnd(m, n + 3);
    }
    low = backward ? r.to : from;
    high = backward ? from : r.to;
    low = low > floor ? low : floor;
    high = high < n ? high + 1 : n; /* excluded */
    uint64_t at = backward ? high : low;
    for (bool more = true; more;) {
        struct arena a;
        bool done = false;
        arena_init(&a, 8 << 20);
        r.from = from;
        r.until_ns = INT64_MAX;
        r.limit = 1 + model_rnd(m, 30);
        r.limit_bytes = model_rnd(m, 2) == 0 ? 1 << 20 : 1 + model_rnd(m, 2000);
        r.arena = &a;
        r.done = read_done;
        r.ctx = &done;
        es_read_stream(m->w->es, &r);
        while (!done) {
            assert_true(env_sim_step(m->w->env));
        }
        if (hidden(k, n)) {
            assert_int_equal(r.problem,
                             k->state == ES_TOMBSTONED ? ES_STREAM_TOMBSTONED : ES_STREAM_DELETED);
            arena_deinit(&a);
            return;
        }
        assert_int_equal(r.problem, ES_OK);
        assert_int_equal(r.last_revision, n - 1);
        assert_int_equal(r.first_revision, floor);
        assert_true(r.event_count <= r.limit);
        assert_true(r.event_count > 0 || !r.more);
        for (size_t i = 0; i < r.event_count; i++) {
            assert_true(low < high && at >= low && at <= high);
            const struct model_event *x = events[backward ? at - 1 : at];
            at = backward ? at - 1 : at + 1;
            same_with_redaction(k, x, &r.events[i]);
        }
        more = r.more;
        from = r.next;
        r.from_end = false;
        es_read_stream_release(m->w->es, &r);
        arena_deinit(&a);
    }
    assert_true(low >= high || at == (backward ? low : high));
}

static void get_done(struct es_stream_get *g)
{
    *(bool *)g->ctx = true;
}

static void info_agrees(struct model *m, const struct known *k, struct model_event **events,
                        size_t n, const char *stream)
{
    bool done = false;
    struct arena a;
    arena_init(&a, 1 << 20);
    struct es_stream_get g = {
        .stream = str_of(stream), .arena = &a, .done = get_done, .ctx = &done};
    es_stream_get(m->w->es, &g);
    es_world_settle(m->w);
    assert_true(done);
    assert_int_equal(g.problem, ES_OK);
    assert_int_equal(g.info.state, hidden(k, n) ? k->state : ES_ACTIVE);
    assert_int_equal(g.info.last_revision, n - 1);
    assert_int_equal(es_position_cmp(g.info.created, events[0]->position), 0);
    assert_int_equal(es_position_cmp(g.info.updated, events[n - 1]->position), 0);
    if (!hidden(k, n)) {
        assert_int_equal(g.info.first_revision, floor_of(k, n));
        assert_int_equal(g.info.empty, floor_of(k, n) >= n);
    }
    arena_deinit(&a);
}

static void all_done(struct es_read_all *r)
{
    *(bool *)r->ctx = true;
}

/* The same answer on the way of the log (a category is scanned, a type is looked up). */
static void all_agrees(struct model *m, const struct known *known, bool by_type)
{
    struct es_position after = {0, 0};
    struct str types[] = {STR_LIT("Placed"), STR_LIT("Paid")};
    const struct es_filter f = {.types = types, .type_count = by_type ? 2 : 0};
    size_t at = 0, heads[MODEL_STREAMS] = {0};
    for (size_t i = 0; i < m->count; i++) {
        for (size_t s = 0; s < MODEL_STREAMS; s++) {
            heads[s] += str_eq_z(m->events[i].stream, model_stream(s));
        }
    }
    for (bool more = true; more;) {
        struct arena a;
        bool done = false;
        arena_init(&a, 16 << 20);
        struct es_read_all r = {.filter = f,
                                .after = after,
                                .limit = 50,
                                .limit_bytes = 1 << 20,
                                .scan_max = 1000,
                                .arena = &a,
                                .done = all_done,
                                .ctx = &done};
        es_read_all(m->w->es, &r);
        es_world_settle(m->w);
        assert_true(done);
        assert_int_equal(r.problem, ES_OK);
        for (size_t i = 0; i <= r.event_count; i++) {
            const struct es_event *e = i < r.event_count ? &r.events[i] : NULL;
            if (e == NULL && r.more) {
                break;
            }
            for (; at < m->count; at++) {
                const struct model_event *x = &m->events[at];
                size_t s = 0;
                while (!str_eq_z(x->stream, model_stream(s))) {
                    s++;
                }
                bool shown = !hidden(&known[s], heads[s]) &&
                             x->revision >= floor_of(&known[s], heads[s]) && model_matches(x, &f);
                if (shown) {
                    assert_non_null(e);
                    same_with_redaction(&known[s], x, e);
                    at++;
                    break;
                }
            }
        }
        more = r.more;
        after = r.next;
        es_read_all_release(m->w->es, &r);
        arena_deinit(&a);
    }
    assert_int_equal(at, m->count);
}

static void streams_agree(uint64_t seed)
{
    static struct model_event *events[MODEL_EVENTS_MAX];
    struct es_world w;
    struct model m;
    struct known *known = test_calloc(MODEL_STREAMS, sizeof(*known));
    es_world_init(&w, seed);
    model_init(&m, &w, seed);
    for (size_t s = 0; s < MODEL_STREAMS; s++) {
        known[s].max_count = -1;
    }
    for (int round = 0; round < 3; round++) {
        m.dead = known_dead;
        m.dead_ctx = known;
        fake_engine_set_late(w.engine, seed % 3);
        model_write(&m, 60);
        if (round > 0) {
            changes_random(&m, known, 25);
            model_write(&m, 20);
        }
        if (round == 1) {
            es_world_flush(&w);
        } else if (round == 2) {
            es_world_restart(&w, (enum es_world_how)(seed % 3));
        }
        fake_engine_set_late(w.engine, seed % 4);
        model_load(&m);
        for (size_t s = 0; s < MODEL_STREAMS; s++) {
            size_t n = events_of(&m, model_stream(s), events);
            for (int i = 0; i < 8 && n > 0; i++) {
                read_random(&m, &known[s], events, n, model_stream(s));
            }
            if (n > 0) {
                info_agrees(&m, &known[s], events, n, model_stream(s));
            }
        }
        all_agrees(&m, known, false);
        all_agrees(&m, known, true);
    }
    model_deinit(&m);
    test_free(known);
    es_world_deinit(&w);
}

TEST(streams_agree_with_a_model)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        streams_agree(seed);
    }
}
