/* Everything in the order of the log. */
#include "read_model.h"

#include <stdio.h>

#include "es/read_int.h"

struct all {
    struct es_read_all r;
    struct arena arena;
    bool ended;
};

static void all_done(struct es_read_all *r)
{
    struct all *a = r->ctx;
    a->ended = true;
}

static void all_begin(struct es_world *w, struct all *a, const struct es_filter *f,
                      struct es_position after, size_t limit)
{
    arena_init(&a->arena, 64 << 20);
    a->ended = false;
    a->r = (struct es_read_all){.after = after,
                                .limit = limit,
                                .limit_bytes = 1 << 20,
                                .scan_max = 1000,
                                .arena = &a->arena,
                                .done = all_done,
                                .ctx = a};
    if (f != NULL) {
        a->r.filter = *f;
    }
    (void)w;
}

static void all_end(struct es_world *w, struct all *a)
{
    while (!a->ended) {
        assert_true(env_sim_step(w->env));
    }
    if (a->r.problem != ES_OK) {
        fail_msg("%s: %s", es_problem_code(a->r.problem), a->r.ec.text);
    }
}

static void all_free(struct es_world *w, struct all *a)
{
    es_read_all_release(w->es, &a->r);
    arena_deinit(&a->arena);
}

/* Reads page by page and compares with the model. Returns the pages. */
static size_t compare(struct model *m, const struct es_filter *f, struct es_position after,
                      bool backward, bool from_end)
{
    struct es_world *w = m->w;
    size_t at = backward ? m->count : 0, pages = 0;
    while (backward ? at > 0 && !from_end && es_position_cmp(m->events[at - 1].position, after) >= 0
                    : at < m->count && es_position_cmp(m->events[at].position, after) <= 0) {
        at = backward ? at - 1 : at + 1;
    }
    for (bool more = true; more; pages++) {
        struct all a;
        all_begin(w, &a, f, after, 1 + model_rnd(m, 40));
        a.r.backward = backward;
        a.r.from_end = from_end;
        a.r.scan_max = 1 + model_rnd(m, 200);
        es_read_all(w->es, &a.r);
        all_end(w, &a);
        assert_true(a.r.event_count <= a.r.limit);
        for (size_t i = 0; i < a.r.event_count; i++) {
            for (;;) {
                assert_true(backward ? at > 0 : at < m->count);
                at = backward ? at - 1 : at;
                const struct model_event *x = &m->events[at];
                at = backward ? at : at + 1;
                if (f == NULL || model_matches(x, f)) {
                    model_same(x, &a.r.events[i]);
                    break;
                }
            }
        }
        more = a.r.more;
        assert_true(!more || es_position_cmp(a.r.next, after) != 0 || from_end);
        after = a.r.next;
        from_end = false;
        all_free(w, &a);
        assert_true(pages < 100000);
    }
    for (; backward ? at > 0 : at < m->count; at = backward ? at - 1 : at + 1) {
        assert_true(f != NULL && !model_matches(&m->events[backward ? at - 1 : at], f));
    }
    return pages;
}

static void filters_agree(uint64_t seed, enum record_codec codec, enum es_world_how how)
{
    struct es_world w;
    struct model m;
    es_world_init(&w, seed);
    model_init(&m, &w, seed);
    fake_engine_set_late(w.engine, seed % 3);
    fake_engine_set_codec(w.engine, codec);
    model_write(&m, 150);
    es_world_flush(&w);
    model_write(&m, 100);
    es_world_restart(&w, how);
    fake_engine_set_late(w.engine, 1 + seed % 3);
    model_load(&m);
    assert_true(m.count > 250);
    compare(&m, NULL, (struct es_position){0, 0}, false, false);
    compare(&m, NULL, (struct es_position){0, 0}, true, true);
    for (int i = 0; i < 30; i++) {
        struct es_filter f;
        model_filter(&m, &f);
        const struct model_event *x = &m.events[model_rnd(&m, m.count)];
        bool backward = model_rnd(&m, 2) == 0;
        bool far = model_rnd(&m, 3) == 0;
        struct es_position zero = {0, 0};
        compare(&m, &f, far ? zero : x->position, backward, far && backward);
    }
    model_deinit(&m);
    es_world_deinit(&w);
}

TEST(filters_agree_with_brute_force)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        filters_agree(seed, seed % 2 == 0 ? RECORD_CODEC_NONE : RECORD_CODEC_ZSTD,
                      (enum es_world_how)(seed % 3));
    }
}

/* Who has seen a position never meets a lower one later, and nothing is left out, while others
 * append. */
static void never_interleaves(uint64_t seed, bool filtered)
{
    struct es_world w;
    struct model m;
    struct es_position seen = {0, 0}, *all;
    size_t count = 0;
    es_world_init(&w, seed);
    model_init(&m, &w, seed);
    fake_engine_set_late(w.engine, 2);
    all = test_calloc(MODEL_EVENTS_MAX, sizeof(*all));
    struct str type = STR_LIT("Placed");
    const struct es_filter f = {.types = &type, .type_count = filtered ? 1 : 0};
    bool writing = true;
    while (writing) {
        writing = m.appended < 300;
        if (!writing) {
            model_finish(&m);
        }
        struct all a;
        all_begin(&w, &a, &f, seen, 1 + model_rnd(&m, 10));
        es_read_all(w.es, &a.r);
        while (!a.ended) {
            if (writing) {
                model_step(&m);
            } else {
                env_poll_run(w.poll, 0);
            }
        }
        assert_int_equal(a.r.problem, ES_OK);
        for (size_t i = 0; i < a.r.event_count; i++) {
            assert_true(es_position_cmp(a.r.events[i].position, seen) > 0);
            seen = a.r.events[i].position;
            all[count++] = seen;
        }
        assert_true(es_position_cmp(a.r.next, seen) >= 0);
        seen = a.r.next;
        writing = writing || a.r.more;
        all_free(&w, &a);
        if (writing) {
            model_step(&m);
        }
    }
    model_load(&m);
    size_t at = 0;
    for (size_t i = 0; i < m.count; i++) {
        if (model_matches(&m.events[i], &f)) {
            assert_true(at < count);
            assert_int_equal(es_position_cmp(m.events[i].position, all[at++]), 0);
        }
    }
    assert_int_equal(at, count);
    test_free(all);
    model_deinit(&m);
    es_world_deinit(&w);
}

TEST(positions_never_interleave_while_writers_append)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        never_interleaves(seed, seed % 2 == 0);
    }
}

/* ---- Reading within the answer of an append ---- */

struct nested {
    struct model m;
    struct all page;
    struct es_position seen;
    size_t count;
    bool reading;
    struct str type;
    struct es_filter filter;
};

static void nested_done(struct es_read_all *r)
{
    struct nested *n = r->ctx;
    assert_int_equal(r->problem, ES_OK);
    for (size_t i = 0; i < r->event_count; i++) {
        assert_true(es_position_cmp(r->events[i].position, n->seen) > 0);
        n->seen = r->events[i].position;
        n->count++;
    }
    n->seen = r->next;
    n->reading = false;
}

static void nested_read(struct nested *n)
{
    if (n->reading) {
        return;
    }
    arena_reset(&n->page.arena, 0);
    n->reading = true;
    n->page.r.after = n->seen;
    es_read_all(n->m.w->es, &n->page.r);
}

static void nested_told(void *ctx)
{
    nested_read(ctx);
}

TEST(what_is_flushed_and_not_yet_in_the_index_is_not_passed_over)
{
    /* Of several appends that one flush carries, the first is answered when the second is in the
     * log already and not in the index: a reader by type must not go past it. */
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct es_world w;
        struct nested *n = test_calloc(1, sizeof(*n));
        es_world_init(&w, seed);
        model_init(&n->m, &w, seed);
        n->type = STR_LIT("Paid");
        n->filter = (struct es_filter){.types = &n->type, .type_count = seed % 2};
        all_begin(&w, &n->page, &n->filter, n->seen, 100);
        n->page.r.done = nested_done;
        n->page.r.ctx = n;
        n->m.told = nested_told;
        n->m.told_ctx = n;
        model_write(&n->m, 200);
        n->m.told = NULL;
        do {
            nested_read(n);
            es_world_settle(&w);
        } while (n->page.r.more);
        model_load(&n->m);
        size_t wanted = 0;
        for (size_t i = 0; i < n->m.count; i++) {
            wanted += model_matches(&n->m.events[i], &n->filter);
        }
        assert_int_equal(n->count, wanted);
        all_free(&w, &n->page);
        model_deinit(&n->m);
        test_free(n);
        es_world_deinit(&w);
    }
}

/* ---- A log that is older than the gate ---- */

static void on_appended(struct engine_append *a)
{
    *(bool *)a->ctx = true;
}

/* A plain record, past the gate. */
static void write_foreign(struct es_world *w, struct str value)
{
    bool done = false;
    struct engine_record r = {.key = STR_LIT("k"), .value = value, .timestamp_ms = -1};
    struct engine_part part = {.topic = STR_LIT("es.order"), .records = &r, .count = 1};
    struct engine_append a = {.parts = &part, .part_count = 1, .done = on_appended, .ctx = &done};
    engine_append(w->engine, &a);
    es_world_settle(w);
    assert_true(done);
    assert_int_equal(a.err, ERR_OK);
}

/* They take none of a page's memory, however many there are. */
TEST(foreign_records_between_events_take_no_memory_of_a_page)
{
    enum { RECORDS = 12, VALUE = 256 << 10 };
    struct es_world w;
    es_world_init(&w, 1);
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "a"), "ok 0-0");
    char *value = test_malloc(VALUE);
    memset(value, 'f', VALUE);
    for (int i = 0; i < RECORDS; i++) {
        write_foreign(&w, str_make(value, VALUE));
    }
    test_free(value);
    assert_string_equal(es_world_append(&w, "order-1", "exists", "b"), "ok 1-1");
    for (int backward = 0; backward < 2; backward++) {
        struct es_position after = {0, 0};
        size_t events = 0, pages = 0;
        for (bool more = true; more; pages++) {
            struct all a;
            all_begin(&w, &a, NULL, after, 1);
            arena_deinit(&a.arena);
            arena_init(&a.arena, 1 << 20);
            a.r.backward = backward == 1;
            a.r.from_end = backward == 1 && pages == 0;
            es_read_all(w.es, &a.r);
            all_end(&w, &a);
            for (size_t i = 0; i < a.r.event_count; i++) {
                assert_int_equal(a.r.events[i].revision, backward == 1 ? 1 - events : events);
                events++;
            }
            more = a.r.more;
            after = a.r.next;
            all_free(&w, &a);
            assert_true(pages < 100);
        }
        assert_int_equal(events, 2);
    }
    es_world_deinit(&w);
}

/* ---- Filters that match little ---- */

static void append_type(struct es_world *w, const char *stream, const char *type, size_t count)
{
    while (count > 0) {
        const size_t n = count < 64 ? count : 64;
        struct es_shot *s = es_shot_make(NULL, NULL, NULL);
        for (size_t i = 0; i < n; i++) {
            es_shot_add(s, stream, "-", "1");
            s->events[i].envelope.type = str_of(type);
        }
        es_shot_go(w, s);
        es_world_settle(w);
        assert_int_equal(s->a.problem, ES_OK);
        es_shot_free(s);
        count -= n;
    }
}

/* How many events the filter gives, page by page; each page gets ahead. */
static size_t count_all(struct es_world *w, const struct es_filter *f, bool backward)
{
    struct es_position after = {0, 0};
    size_t events = 0, pages = 0;
    for (bool more = true; more; pages++) {
        struct all a;
        all_begin(w, &a, f, after, 10);
        a.r.backward = backward;
        a.r.from_end = backward && pages == 0;
        a.r.scan_max = 20;
        es_read_all(w->es, &a.r);
        all_end(w, &a);
        events += a.r.event_count;
        more = a.r.more;
        assert_true(!more || es_position_cmp(a.r.next, after) != 0);
        after = a.r.next;
        all_free(w, &a);
        assert_true(pages < 1000);
    }
    return events;
}

TEST(a_type_that_has_ended_does_not_hold_the_cursor)
{
    /* The lists of two types are merged. One of them has nothing behind the cursor, the other has
     * only what is of another category: a page passes over some of that, and says so. */
    struct es_world w;
    es_world_init(&w, 2);
    append_type(&w, "order-1", "Often", 49);
    append_type(&w, "user-1", "Once", 1);
    append_type(&w, "user-1", "Often", 1);
    append_type(&w, "order-1", "Often", 200);
    append_type(&w, "user-1", "Often", 1);
    append_type(&w, "user-1", "Last", 1);
    append_type(&w, "order-1", "Often", 49); /* 300: the last page ends with them */
    static const char *const others[] = {"Never", "Once", "Last"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        for (int backward = 0; backward < 2; backward++) {
            struct str types[] = {str_of(others[i]), STR_LIT("Often")};
            const struct es_filter f = {
                .category = STR_LIT("user"), .types = types, .type_count = 2};
            assert_int_equal(count_all(&w, &f, backward == 1), i == 0 ? 2 : 3);
        }
    }
    es_world_deinit(&w);
}

static bool no_event(void *ctx, enum es_frame frame, const struct es_event *e,
                     struct es_position position, uint64_t scanned, uint64_t matched)
{
    (void)e;
    (void)position;
    (void)scanned;
    (void)matched;
    *(bool *)ctx = *(bool *)ctx || frame == ES_FRAME_CAUGHT_UP;
    assert_int_not_equal(frame, ES_FRAME_EVENT);
    return true;
}

static void no_end(void *ctx, enum es_problem problem, const struct ectx *ec)
{
    (void)ctx;
    (void)problem;
    (void)ec;
    fail_msg("it was closed");
}

static size_t turns_until(struct es_world *w, const bool *done)
{
    size_t turns = 0;
    for (; !*done && turns < 100000; turns++) {
        env_poll_run(w->poll, 0);
    }
    assert_true(*done);
    return turns;
}

/* All of it is in memory, and still others get their turn. */
TEST(a_filter_that_matches_little_does_not_hold_the_loop)
{
    enum { ENTRIES = 3 * ES_TERMS_AT_ONCE };
    struct es_world w;
    es_world_init(&w, 3);
    append_type(&w, "user-1", "Other", 1);
    append_type(&w, "order-1", "Often", ENTRIES);
    struct str often = STR_LIT("Often");
    const struct es_filter f = {.category = STR_LIT("user"), .types = &often, .type_count = 1};
    for (int backward = 0; backward < 2; backward++) {
        struct all a;
        all_begin(&w, &a, &f, (struct es_position){0, 0}, 10);
        a.r.scan_max = 2 * ENTRIES;
        a.r.backward = a.r.from_end = backward == 1;
        es_read_all(w.es, &a.r);
        assert_in_range(turns_until(&w, &a.ended), 2, 100);
        assert_int_equal(a.r.problem, ES_OK);
        assert_int_equal(a.r.event_count, 0);
        assert_int_equal(a.r.scanned, ENTRIES);
        all_free(&w, &a);
    }
    struct es_subscription *sub = NULL;
    struct ectx ec = {0};
    bool caught_up = false;
    const struct es_subscribe spec = {
        .filter = f, .deliver = no_event, .closed = no_end, .ctx = &caught_up};
    assert_int_equal(es_subscribe(w.es, &spec, &sub, &ec), ES_OK);
    es_subscription_resume(sub);
    assert_in_range(turns_until(&w, &caught_up), 2, 100);
    es_unsubscribe(sub);
    es_world_deinit(&w);
}
