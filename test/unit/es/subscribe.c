/* Subscriptions. */
#include "read_model.h"

#include <stdio.h>

#include "es/read_int.h"

enum { SEEN_MAX = 8192 };

/* A subscriber that checks what it is told. */
struct reader {
    struct model *m;
    struct es_subscription *sub;
    struct es_subscribe spec;
    struct es_position seen[SEEN_MAX], last, checkpoint;
    size_t count, caught_up, fell_behind, checkpoints, closed;
    bool is_caught_up, waits;
    uint64_t pause_one_in; /* its deliver says false so often */
    size_t after_false;
    enum es_problem problem;
    uint64_t matched;
};

static bool deliver(void *ctx, enum es_frame frame, const struct es_event *e,
                    struct es_position position, uint64_t scanned, uint64_t matched)
{
    struct reader *r = ctx;
    assert_false(r->waits); /* nothing comes until it goes on */
    assert_true(matched >= r->matched);
    r->matched = matched;
    (void)scanned;
    switch (frame) {
    case ES_FRAME_EVENT:
        assert_int_equal(es_position_cmp(e->position, position), 0);
        assert_true(es_position_cmp(position, r->last) > 0);
        assert_true(es_position_cmp(position, r->checkpoint) > 0);
        assert_true(r->count < SEEN_MAX);
        r->seen[r->count++] = r->last = position;
        break;
    case ES_FRAME_CHECKPOINT:
        assert_true(es_position_cmp(position, r->last) > 0);
        assert_true(es_position_cmp(position, r->checkpoint) > 0);
        r->checkpoint = position;
        r->checkpoints++;
        break;
    case ES_FRAME_CAUGHT_UP:
        assert_false(r->is_caught_up);
        r->is_caught_up = true;
        r->caught_up++;
        break;
    case ES_FRAME_FELL_BEHIND:
        assert_true(r->is_caught_up);
        r->is_caught_up = false;
        r->fell_behind++;
        break;
    }
    r->waits = r->pause_one_in > 0 && model_rnd(r->m, r->pause_one_in) == 0;
    return !r->waits;
}

static void closed(void *ctx, enum es_problem problem, const struct ectx *ec)
{
    struct reader *r = ctx;
    (void)ec;
    r->closed++;
    r->problem = problem;
    r->sub = NULL;
}

static void reader_begin(struct reader *r, struct model *m)
{
    struct ectx ec = {0};
    r->m = m;
    r->spec.ctx = r;
    r->spec.deliver = deliver;
    r->spec.closed = closed;
    r->is_caught_up = r->waits = false;
    r->matched = 0;
    if (es_subscribe(m->w->es, &r->spec, &r->sub, &ec) != ES_OK) {
        fail_msg("subscribe: %s", ec.text);
    }
    es_subscription_resume(r->sub);
}

static void reader_go_on(struct reader *r)
{
    if (r->waits && r->sub != NULL) {
        r->waits = false;
        es_subscription_resume(r->sub);
    }
}

/* It has seen exactly what the model has behind `after`, once each, in order. */
static void reader_check(struct reader *r)
{
    size_t at = 0;
    for (size_t i = 0; i < r->m->count; i++) {
        const struct model_event *x = &r->m->events[i];
        bool wanted = r->spec.stream.p != NULL ? str_eq(x->stream, r->spec.stream)
                                               : model_matches(x, &r->spec.filter);
        if (wanted && es_position_cmp(x->position, r->spec.after) > 0) {
            assert_true(at < r->count);
            assert_int_equal(es_position_cmp(x->position, r->seen[at++]), 0);
        }
    }
    assert_int_equal(at, r->count);
}

static void step(struct es_world *w)
{
    env_poll_run(w->poll, 0);
}

static void tick(struct es_world *w)
{
    env_sim_advance_ns(w->env, 100000000);
    es_tick(w->es);
}

enum { READERS = 12 };

static void readers_settle(struct model *m, struct reader *readers, size_t count)
{
    bool again = true;
    while (again) {
        again = false;
        tick(m->w);
        es_world_settle(m->w);
        for (size_t i = 0; i < count; i++) {
            again = again || readers[i].waits;
            reader_go_on(&readers[i]);
        }
    }
    tick(m->w);
    es_world_settle(m->w);
}

/* Subscriptions of all kinds, fast and slow ones, begin while others write, and each sees each
 * event once; over a restart they go on from what they have seen. */
static void subscriptions_see_all(uint64_t seed)
{
    struct es_world w;
    struct model m;
    struct reader *readers = test_calloc(READERS, sizeof(*readers));
    es_world_init(&w, seed);
    model_init(&m, &w, seed);
    fake_engine_set_late(w.engine, seed % 3);
    model_write(&m, 40);
    for (size_t i = 0; i < READERS; i++) {
        struct reader *r = &readers[i];
        r->pause_one_in = i % 4 == 3 ? 3 : 0;
        if (i % 5 == 1) {
            r->spec.stream = str_of(model_stream(i));
        } else if (i % 5 != 0) {
            model_filter(&m, &r->spec.filter);
        }
    }
    /* The filters' strings live in the model's arena, which a load empties: keep them. */
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < READERS; i++) {
            struct reader *r = &readers[i];
            if (round == 0 && i % 2 == 0) {
                reader_begin(r, &m);
            }
        }
        for (uint64_t end = m.appended + 80; m.appended < end;) {
            size_t i = model_rnd(&m, READERS);
            struct reader *r = &readers[i];
            if (r->sub == NULL) {
                struct es_subscribe spec = r->spec;
                if (r->count > 0) {
                    r->spec.after = r->last;
                    r->spec.has_after_revision = false;
                }
                if (r->spec.stream.p == NULL || r->count == 0) {
                    reader_begin(r, &m);
                }
                r->spec = spec;
            }
            reader_go_on(r);
            model_step(&m);
            step(&w);
            if (model_rnd(&m, 4) == 0) {
                tick(&w);
            }
        }
        model_finish(&m);
        readers_settle(&m, readers, READERS);
        if (round == 1) {
            es_world_restart(&w, (enum es_world_how)(seed % 3));
            for (size_t i = 0; i < READERS; i++) {
                assert_int_equal(readers[i].closed, readers[i].m == NULL ? 0 : 1);
            }
        }
    }
    struct arena kept = m.arena; /* the model's filters stay */
    arena_init(&m.arena, 256 << 20);
    model_load(&m);
    for (size_t i = 0; i < READERS; i++) {
        struct reader *r = &readers[i];
        if (r->sub == NULL) {
            continue;
        }
        assert_true(r->is_caught_up);
        if (r->spec.stream.p == NULL || r->closed == 0) {
            reader_check(r);
        }
        es_unsubscribe(r->sub);
    }
    arena_deinit(&kept);
    model_deinit(&m);
    test_free(readers);
    es_world_deinit(&w);
}

TEST(a_subscription_sees_each_event_once)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        subscriptions_see_all(seed);
    }
}

TEST(caught_up_comes_once_and_live_subscriptions_share_their_reading)
{
    struct es_world w;
    struct model m;
    static struct reader readers[50];
    memset(readers, 0, sizeof(readers));
    es_world_init(&w, 3);
    model_init(&m, &w, 3);
    model_write(&m, 20);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        readers[i].spec.filter.category = STR_LIT("order");
        reader_begin(&readers[i], &m);
    }
    es_world_settle(&w);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        assert_int_equal(readers[i].caught_up, 1);
    }
    uint64_t before = fake_engine_batches(w.engine);
    model_write(&m, 100);
    uint64_t batches = fake_engine_batches(w.engine) - before;
    assert_true(batches < 100 * 5 * 3); /* not fifty times as many */
    model_load(&m);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        reader_check(&readers[i]);
        assert_int_equal(readers[i].caught_up, 1);
        assert_int_equal(readers[i].fell_behind, 0);
        es_unsubscribe(readers[i].sub);
    }
    model_deinit(&m);
    es_world_deinit(&w);
}

TEST(a_slow_subscriber_keeps_nothing_and_falls_behind)
{
    struct es_world w;
    struct model m;
    static struct reader slow, fast;
    memset(&slow, 0, sizeof(slow));
    memset(&fast, 0, sizeof(fast));
    es_world_init(&w, 4);
    model_init(&m, &w, 4);
    reader_begin(&slow, &m);
    reader_begin(&fast, &m);
    model_write(&m, 3);
    slow.pause_one_in = 1;
    model_write(&m, 300);
    tick(&w);
    tick(&w);
    es_world_settle(&w);
    assert_true(slow.waits);
    assert_null(slow.sub->reading);
    assert_int_equal(fake_engine_held(w.engine), 0);
    assert_int_equal(fast.fell_behind, 0);
    slow.pause_one_in = 0;
    readers_settle(&m, &slow, 1);
    assert_int_equal(slow.fell_behind, 1);
    assert_int_equal(slow.caught_up, 2);
    model_load(&m);
    reader_check(&slow);
    reader_check(&fast);
    es_unsubscribe(slow.sub);
    es_unsubscribe(fast.sub);
    model_deinit(&m);
    es_world_deinit(&w);
}

TEST(checkpoints_tell_how_far_it_is_when_nothing_matches)
{
    struct es_world w;
    struct model m;
    static struct reader by_type, by_category;
    struct str none = STR_LIT("Never");
    memset(&by_type, 0, sizeof(by_type));
    memset(&by_category, 0, sizeof(by_category));
    es_world_init(&w, 5);
    model_init(&m, &w, 5);
    model_write(&m, 50);
    by_type.spec.filter.types = &none;
    by_type.spec.filter.type_count = 1;
    by_category.spec.filter.category = STR_LIT("missing");
    reader_begin(&by_type, &m);
    reader_begin(&by_category, &m);
    for (int i = 0; i < 60; i++) {
        model_write(&m, 2);
        tick(&w); /* a tenth of a second */
    }
    es_world_settle(&w);
    assert_int_equal(by_type.count, 0);
    assert_in_range(by_type.checkpoints, 4, 9);
    assert_in_range(by_category.checkpoints, 4, 9);
    for (int i = 0; i < 15; i++) {
        tick(&w);
    }
    assert_true(es_position_cmp(by_type.checkpoint, es_head(w.es)) == 0);
    size_t before = by_type.checkpoints;
    for (int i = 0; i < 30; i++) {
        tick(&w);
    }
    assert_int_equal(by_type.checkpoints, before); /* nothing new to say */
    /* A category that begins later is met. */
    assert_string_equal(es_world_append(&w, "missing-1", "no_stream", "a b"), "ok 0-1");
    assert_int_equal(by_category.count, 2);
    es_unsubscribe(by_type.sub);
    es_unsubscribe(by_category.sub);
    model_deinit(&m);
    es_world_deinit(&w);
}

/* ---- Ends within a deliver ---- */

struct quitter {
    struct es_world *w;
    struct es_subscription *sub;
    struct quitter *other;
    int told, closed;
};

static bool quit(void *ctx, enum es_frame frame, const struct es_event *e,
                 struct es_position position, uint64_t scanned, uint64_t matched)
{
    struct quitter *q = ctx;
    (void)e;
    (void)position;
    (void)scanned;
    (void)matched;
    if (frame != ES_FRAME_EVENT) {
        return true;
    }
    q->told++;
    es_unsubscribe(q->sub);
    q->sub = NULL;
    if (q->other != NULL) {
        es_unsubscribe(q->other->sub);
        q->other->sub = NULL;
    }
    return true;
}

static void quit_closed(void *ctx, enum es_problem problem, const struct ectx *ec)
{
    struct quitter *q = ctx;
    (void)problem;
    (void)ec;
    q->closed++;
}

TEST(a_subscriber_may_leave_within_its_deliver)
{
    for (int live = 0; live < 2; live++) {
        struct es_world w;
        struct quitter q = {0}, other = {0};
        struct es_subscribe spec = {.deliver = quit, .closed = quit_closed};
        struct ectx ec;
        es_world_init(&w, 6);
        if (!live) {
            assert_string_equal(es_world_append(&w, "a-1", "any", "x y z"), "ok 0-2");
        }
        fake_engine_set_late(w.engine, 1);
        spec.ctx = &q;
        assert_int_equal(es_subscribe(w.es, &spec, &q.sub, &ec), ES_OK);
        spec.ctx = &other;
        assert_int_equal(es_subscribe(w.es, &spec, &other.sub, &ec), ES_OK);
        q.other = &other;
        es_subscription_resume(q.sub);
        es_subscription_resume(other.sub);
        if (live) {
            es_world_settle(&w);
            assert_string_equal(es_world_append(&w, "a-1", "any", "x y z"), "ok 0-2");
        }
        es_world_settle(&w);
        assert_int_equal(q.told, 1);
        assert_true(other.told <= 1);
        es_world_deinit(&w);
        assert_int_equal(q.closed + other.closed, 0);
    }
}

static void change_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

TEST(a_tombstone_closes_the_subscription_of_its_stream)
{
    struct es_world w;
    struct model m;
    static struct reader r, all;
    memset(&r, 0, sizeof(r));
    memset(&all, 0, sizeof(all));
    es_world_init(&w, 7);
    model_init(&m, &w, 7);
    assert_string_equal(es_world_append(&w, "a-1", "any", "x y z"), "ok 0-2");
    r.spec.stream = STR_LIT("a-1");
    r.spec.has_after_revision = true;
    r.spec.after_revision = 1;
    reader_begin(&r, &m);
    reader_begin(&all, &m);
    es_world_settle(&w);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.caught_up, 1);
    bool done = false;
    struct es_stream_change c = {.kind = ES_CHANGE_TOMBSTONE,
                                 .stream = r.spec.stream,
                                 .arena = &m.arena,
                                 .done = change_done,
                                 .ctx = &done};
    es_stream_change(w.es, &c);
    for (int i = 0; i < 20; i++) {
        es_world_settle(&w);
        tick(&w);
    }
    assert_true(done);
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.problem, ES_STREAM_TOMBSTONED);
    assert_int_equal(all.closed, 0);
    es_unsubscribe(all.sub);
    model_deinit(&m);
    es_world_deinit(&w);
}

/* While the index is made anew reads are refused, and subscriptions wait; then they go on, with
 * other hashes. */
TEST(subscriptions_go_on_when_the_index_was_made_anew)
{
    struct es_world w;
    struct model m;
    static struct reader readers[4];
    struct str tag = STR_LIT("red");
    memset(readers, 0, sizeof(readers));
    es_world_init(&w, 11);
    model_init(&m, &w, 11);
    model_write(&m, 60);
    fake_engine_set_late(w.engine, 3);
    readers[0].spec.stream = str_of(model_stream(1));
    readers[1].spec.filter.tags = &tag;
    readers[1].spec.filter.tag_count = 1;
    readers[2].pause_one_in = 2;
    for (int live = 0; live < 2; live++) {
        for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
            if (readers[i].sub == NULL) {
                reader_begin(&readers[i], &m);
            }
        }
        if (live) {
            readers_settle(&m, readers, ARRAY_LEN(readers));
        }
        w.es->life = ES_REBUILDING;
        for (int i = 0; i < 100 && !es_ready(w.es); i++) {
            tick(&w);
            step(&w);
        }
        assert_true(es_ready(w.es));
        model_write(&m, 40);
    }
    readers_settle(&m, readers, ARRAY_LEN(readers));
    model_load(&m);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        assert_int_equal(readers[i].closed, 0);
        reader_check(&readers[i]);
        es_unsubscribe(readers[i].sub);
    }
    model_deinit(&m);
    es_world_deinit(&w);
}

#ifdef LEAT_DEBUG
/* The index had no memory for the last event of an append when the stream was read. */
TEST(an_append_that_came_into_the_index_in_two_parts_is_told_once)
{
    for (unsigned late = 0; late < 2; late++) {
        struct es_world w;
        struct model m;
        static struct reader r;
        memset(&r, 0, sizeof(r));
        es_world_init(&w, 12);
        model_init(&m, &w, 12);
        assert_string_equal(es_world_append(&w, "a-1", "any", "x y z"), "ok 0-2");
        fake_engine_set_late(w.engine, late);
        es_faults.put_stops = true;
        struct es_shot *s = es_shot_make("a-1", "2", "p q");
        es_shot_go(&w, s);
        es_world_settle(&w);
        assert_false(s->ended);
        r.spec.stream = STR_LIT("a-1");
        reader_begin(&r, &m);
        es_world_settle(&w);
        assert_int_equal(r.caught_up, 1);
        es_faults.put_stops = false;
        es_world_settle(&w);
        assert_string_equal(es_shot_said(s), "ok 3-4");
        assert_int_equal(r.count, 5);
        es_unsubscribe(r.sub);
        es_shot_free(s);
        model_deinit(&m);
        es_world_deinit(&w);
    }
}
#endif

TEST(a_subscription_of_a_stream_may_begin_at_its_end)
{
    /* It was told everything from the beginning. */
    for (unsigned late = 0; late < 2; late++) {
        struct es_world w;
        struct model m;
        static struct reader r, later;
        uint64_t next;
        memset(&r, 0, sizeof(r));
        memset(&later, 0, sizeof(later));
        es_world_init(&w, 8);
        model_init(&m, &w, 8);
        assert_string_equal(es_world_append(&w, "a-1", "any", "x y z"), "ok 0-2");
        fake_engine_set_late(w.engine, late);
        r.spec.stream = STR_LIT("a-1");
        r.spec.from_end = true;
        reader_begin(&r, &m);
        later.spec.stream = STR_LIT("a-2");
        later.spec.from_end = true;
        reader_begin(&later, &m);
        es_world_settle(&w);
        assert_int_equal(r.count, 0);
        assert_int_equal(r.caught_up, 1);
        assert_true(es_subscription_next_revision(r.sub, &next));
        assert_int_equal(next, 3);
        assert_true(es_subscription_next_revision(later.sub, &next));
        assert_int_equal(next, 0);
        assert_string_equal(es_world_append(&w, "a-1", "any", "p q"), "ok 3-4");
        assert_string_equal(es_world_append(&w, "a-2", "any", "p"), "ok 0-0");
        es_world_settle(&w);
        assert_int_equal(r.count, 2);
        assert_int_equal(later.count, 1);
        assert_true(es_subscription_next_revision(r.sub, &next));
        assert_int_equal(next, 5);
        es_unsubscribe(r.sub);
        es_unsubscribe(later.sub);
        model_deinit(&m);
        es_world_deinit(&w);
    }
}

/* It was read from its beginning again and again: more of them than one read passes over. */
TEST(a_subscription_passes_over_many_events_that_are_too_old)
{
    enum { APPENDS = 9, EACH = 1000 };
    for (unsigned late = 0; late < 2; late++) {
        struct es_world w;
        struct model m;
        static struct reader r;
        bool done = false;
        uint64_t next;
        memset(&r, 0, sizeof(r));
        es_world_init(&w, 12);
        model_init(&m, &w, 12);
        for (int i = 0; i < APPENDS; i++) {
            struct es_shot *s = es_shot_make(NULL, NULL, NULL);
            s->a.events = s->events = arena_new_n(&s->arena, struct es_new_event, EACH);
            for (int j = 0; j < EACH; j++) {
                es_shot_add(s, "a-1", "-", "1");
            }
            es_shot_go(&w, s);
            es_world_settle(&w);
            assert_int_equal(s->a.problem, ES_OK);
            es_shot_free(s);
        }
        assert_in_range(APPENDS * EACH, ES_EVENTS_SCANNED_MAX + 1, SIZE_MAX);
        env_sim_advance_ns(w.env, 10000000000u);
        assert_string_equal(es_world_append(&w, "a-1", "any", "young"), "ok 9000-9000");
        struct es_stream_change age = {.kind = ES_CHANGE_SET,
                                       .stream = STR_LIT("a-1"),
                                       .set_max_age = true,
                                       .max_age_ms = 5000,
                                       .arena = &w.arena,
                                       .done = change_done,
                                       .ctx = &done};
        es_stream_change(w.es, &age);
        es_world_settle(&w);
        assert_true(done);
        assert_int_equal(age.problem, ES_OK);
        fake_engine_set_late(w.engine, late);
        r.spec.stream = STR_LIT("a-1");
        reader_begin(&r, &m);
        es_world_settle(&w);
        assert_int_equal(r.count, 1);
        assert_int_equal(r.caught_up, 1);
        assert_true(es_subscription_next_revision(r.sub, &next));
        assert_int_equal(next, APPENDS * EACH + 1);
        es_unsubscribe(r.sub);
        model_deinit(&m);
        es_world_deinit(&w);
    }
}
