/* Reading: snapshots, points in time, ages, limits of memory, lists, errors, ends. */
#include <stdio.h>

#include "es/read_int.h"
#include "read_model.h"

struct page {
    struct es_read_stream r;
    struct arena arena;
    bool ended;
};

static void page_done(struct es_read_stream *r)
{
    ((struct page *)r->ctx)->ended = true;
}

static void page_init(struct page *p, const char *stream, size_t arena_bytes)
{
    arena_init(&p->arena, arena_bytes);
    p->ended = false;
    p->r = (struct es_read_stream){.stream = str_of(stream),
                                   .to = UINT64_MAX,
                                   .until_ns = INT64_MAX,
                                   .limit = 1000,
                                   .limit_bytes = 1 << 20,
                                   .arena = &p->arena,
                                   .done = page_done,
                                   .ctx = p};
}

static void page_go(struct es_world *w, struct page *p)
{
    es_read_stream(w->es, &p->r);
    es_world_settle(w);
    assert_true(p->ended);
}

static void page_free(struct es_world *w, struct page *p)
{
    es_read_stream_release(w->es, &p->r);
    arena_deinit(&p->arena);
}

static enum es_problem change(struct es_world *w, struct es_stream_change c)
{
    return es_world_change(w, &c);
}

static enum es_problem snapshot(struct es_world *w, const char *stream, uint64_t revision,
                                const char *schema, const char *state)
{
    return change(w, (struct es_stream_change){.kind = ES_CHANGE_SNAPSHOT,
                                               .stream = str_of(stream),
                                               .revision = revision,
                                               .schema = str_of(schema),
                                               .state = str_of(state)});
}

/* "state@revision first-last" of a read with that schema. */
static const char *shown(struct es_world *w, const char *stream, const char *schema, uint64_t from,
                         uint64_t to, int64_t until_ns)
{
    static char out[128];
    struct page p;
    char snap[64] = "none", events[64] = "nothing";
    page_init(&p, stream, 8 << 20);
    p.r.snapshot_schema = str_of(schema);
    p.r.from = from;
    p.r.to = to;
    p.r.until_ns = until_ns;
    page_go(w, &p);
    if (p.r.problem != ES_OK) {
        snprintf(snap, sizeof(snap), "%s", es_problem_code(p.r.problem));
    }
    if (p.r.has_snapshot) {
        snprintf(snap, sizeof(snap), "%.*s@%llu", STR(p.r.snapshot.state),
                 (unsigned long long)p.r.snapshot.revision);
    }
    if (p.r.event_count > 0) {
        snprintf(events, sizeof(events), "%llu-%llu", (unsigned long long)p.r.events[0].revision,
                 (unsigned long long)p.r.events[p.r.event_count - 1].revision);
    }
    snprintf(out, sizeof(out), "%s %s", snap, events);
    page_free(w, &p);
    return out;
}

/* What an earlier call of the same struct has left is not told again. */
TEST(read_that_cannot_begin_has_nothing)
{
    struct es_world w;
    struct page p;
    es_world_init(&w, 1);
    page_init(&p, "nowhere-1", 1 << 20);
    p.r.event_count = 7;
    p.r.has_snapshot = p.r.more = true;
    p.r.first_revision = p.r.last_revision = p.r.next = p.r.incomplete_before = 7;
    page_go(&w, &p);
    assert_int_equal(p.r.problem, ES_STREAM_NOT_FOUND);
    assert_int_equal(p.r.event_count, 0);
    assert_false(p.r.has_snapshot || p.r.more);
    assert_int_equal(p.r.first_revision + p.r.last_revision + p.r.next, 0);
    assert_int_equal(p.r.incomplete_before, 0);
    page_free(&w, &p);
    es_world_deinit(&w);
}

TEST(a_snapshot_is_used_only_where_it_fits)
{
    struct es_world w;
    es_world_init(&w, 1);
    fake_engine_set_late(w.engine, 2);
    assert_string_equal(es_world_append(&w, "a-1", "any", "a b c d e f"), "ok 0-5");
    assert_string_equal(es_world_append(&w, "a-2", "any", "a b c d e f"), "ok 0-5");
    assert_int_equal(snapshot(&w, "a-1", 3, "S.v1", "{\"n\":4}"), ES_OK);
    const uint64_t end = UINT64_MAX;
    const int64_t ever = INT64_MAX;
    assert_string_equal(shown(&w, "a-1", "S.v1", 0, end, ever), "{\"n\":4}@3 4-5");
    /* Another schema, another stream: foreign. */
    assert_string_equal(shown(&w, "a-1", "S.v2", 0, end, ever), "none 0-5");
    assert_string_equal(shown(&w, "a-2", "S.v1", 0, end, ever), "none 0-5");
    /* The caller has more already; or wants less; or a point in time. */
    assert_string_equal(shown(&w, "a-1", "S.v1", 5, end, ever), "none 5-5");
    assert_string_equal(shown(&w, "a-1", "S.v1", 4, end, ever), "{\"n\":4}@3 4-5");
    assert_string_equal(shown(&w, "a-1", "S.v1", 0, 2, ever), "none 0-2");
    assert_string_equal(shown(&w, "a-1", "S.v1", 0, end, ever - 1), "none 0-5");
    /* At the head, and over a restart. */
    assert_int_equal(snapshot(&w, "a-1", 5, "S.v1", "6"), ES_OK);
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_string_equal(shown(&w, "a-1", "S.v1", 0, end, ever), "6@5 nothing");
    assert_int_equal(snapshot(&w, "a-1", 4, "S.v1", "5"), ES_SNAPSHOT_STALE);
    /* Truncation up to it is what it is for; beyond it there is a gap. */
    struct es_stream_change cut = {.kind = ES_CHANGE_SET,
                                   .stream = STR_LIT("a-1"),
                                   .set_truncate_before = true,
                                   .truncate_before = 6};
    assert_int_equal(change(&w, cut), ES_OK);
    assert_string_equal(es_world_append(&w, "a-1", "any", "g h"), "ok 6-7");
    assert_string_equal(shown(&w, "a-1", "S.v1", 0, end, ever), "6@5 6-7");
    cut.truncate_before = 7;
    assert_int_equal(change(&w, cut), ES_OK);
    assert_string_equal(shown(&w, "a-1", "S.v1", 0, end, ever), "none 7-7");
    /* A snapshot of a life that was deleted. */
    assert_int_equal(snapshot(&w, "a-1", 7, "S.v1", "8"), ES_OK);
    assert_int_equal(change(&w, (struct es_stream_change){.kind = ES_CHANGE_SOFT_DELETE,
                                                          .stream = STR_LIT("a-1")}),
                     ES_OK);
    assert_string_equal(shown(&w, "a-1", "S.v1", 0, end, ever), "stream-deleted nothing");
    assert_string_equal(es_world_append(&w, "a-1", "no_stream", "i"), "ok 8-8");
    assert_string_equal(shown(&w, "a-1", "S.v1", 0, end, ever), "none 8-8");
    es_world_deinit(&w);
}

TEST(a_snapshot_from_before_a_redaction_is_not_used)
{
    /* Its state may still say what was to be hidden. */
    struct es_world w;
    es_world_init(&w, 12);
    assert_string_equal(es_world_append(&w, "a-1", "any", "a b c d"), "ok 0-3");
    struct es_stream_change redact = {
        .kind = ES_CHANGE_REDACT, .stream = STR_LIT("a-1"), .revision = 3};
    assert_int_equal(snapshot(&w, "a-1", 2, "S", "3"), ES_OK);
    assert_int_equal(change(&w, redact), ES_OK);
    assert_string_equal(shown(&w, "a-1", "S", 0, UINT64_MAX, INT64_MAX), "3@2 3-3");
    redact.revision = 1;
    assert_int_equal(change(&w, redact), ES_OK);
    assert_string_equal(shown(&w, "a-1", "S", 0, UINT64_MAX, INT64_MAX), "none 0-3");
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_string_equal(shown(&w, "a-1", "S", 0, UINT64_MAX, INT64_MAX), "none 0-3");
    assert_int_equal(snapshot(&w, "a-1", 2, "S", "33"), ES_OK);
    assert_string_equal(shown(&w, "a-1", "S", 0, UINT64_MAX, INT64_MAX), "33@2 3-3");
    es_world_deinit(&w);
}

TEST(a_point_in_time_and_an_age)
{
    struct es_world w;
    struct page p;
    int64_t times[4];
    es_world_init(&w, 2);
    for (int i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof(id), "e%d", i);
        times[i] = env_wall_ms(w.env) * 1000000;
        es_world_append(&w, "a-1", "any", id);
        env_sim_advance_ns(w.env, 10000000000u);
    }
    for (int i = 0; i < 4; i++) {
        page_init(&p, "a-1", 1 << 20);
        p.r.until_ns = times[i];
        page_go(&w, &p);
        assert_int_equal(p.r.problem, ES_OK);
        assert_int_equal(p.r.event_count, i + 1);
        assert_int_equal(p.r.last_revision, 3);
        page_free(&w, &p);
    }
    /* Two of four are older than 25 seconds now. */
    struct es_stream_change age = {
        .kind = ES_CHANGE_SET, .stream = STR_LIT("a-1"), .set_max_age = true, .max_age_ms = 25000};
    assert_int_equal(change(&w, age), ES_OK);
    for (int backward = 0; backward < 2; backward++) {
        page_init(&p, "a-1", 1 << 20);
        p.r.backward = backward == 1;
        p.r.from_end = backward == 1;
        p.r.to = backward == 1 ? 0 : UINT64_MAX;
        page_go(&w, &p);
        assert_int_equal(p.r.event_count, 2);
        assert_int_equal(p.r.events[0].revision, backward == 1 ? 3 : 2);
        assert_int_equal(p.r.incomplete_before, backward == 1 ? 0 : 2);
        assert_false(p.r.more);
        page_free(&w, &p);
    }
    es_world_deinit(&w);
}

/* It was without memory for good: what is not shown takes memory, too. */
TEST(a_page_whose_memory_is_full_of_events_that_are_too_old_says_where_to_go_on)
{
    enum { OLD = 300, DATA = 1000 };
    struct es_world w;
    struct page p;
    static char data[DATA + 1];
    es_world_init(&w, 4);
    memset(data, 'x', DATA);
    data[0] = data[DATA - 1] = '"';
    for (int i = 0; i <= OLD; i++) {
        struct es_shot *s = es_shot_make("a-1", "any", NULL);
        if (i == OLD) {
            env_sim_advance_ns(w.env, 10000000000u);
        }
        es_shot_add(s, "a-1", "-", data);
        es_shot_go(&w, s);
        es_world_settle(&w);
        assert_int_equal(s->a.problem, ES_OK);
        es_shot_free(s);
    }
    struct es_stream_change age = {
        .kind = ES_CHANGE_SET, .stream = STR_LIT("a-1"), .set_max_age = true, .max_age_ms = 5000};
    assert_int_equal(change(&w, age), ES_OK);
    for (int way = 0; way < 4; way++) {
        const bool backward = way % 2 == 1;
        uint64_t from = backward ? OLD - 1 : 0;
        size_t pages = 0, events = 0;
        for (bool more = true; more; pages++) {
            page_init(&p, "a-1", 256 << 10);
            p.r.backward = backward;
            p.r.from = from;
            p.r.to = backward ? 0 : UINT64_MAX;
            p.r.limit = way < 2 ? 1 : 1000;
            page_go(&w, &p);
            if (p.r.problem != ES_OK) {
                fail_msg("way %d, from %llu: %s", way, (unsigned long long)from, p.r.ec.text);
            }
            events += p.r.event_count;
            more = p.r.more;
            assert_true(!more || (backward ? p.r.next < from : p.r.next > from));
            from = p.r.next;
            page_free(&w, &p);
        }
        assert_int_equal(events, backward ? 0 : 1);
        assert_in_range(pages, 2, 20);
    }
    es_world_deinit(&w);
}

static void get_done(struct es_stream_get *g)
{
    *(bool *)g->ctx = true;
}

static void list_done(struct es_stream_list *l)
{
    *(bool *)l->ctx = true;
}

/* Every way of telling what a stream has says the same of its age. */
static void check_listed(struct es_world *w, uint64_t first, size_t limit)
{
    struct es_position after = {0, 0};
    size_t seen = 0;
    for (bool more = true; more;) {
        bool done = false;
        struct es_stream_list l = {.category = STR_LIT("a"),
                                   .after = after,
                                   .limit = limit,
                                   .arena = &w->arena,
                                   .done = list_done,
                                   .ctx = &done};
        es_stream_list(w->es, &l);
        es_world_settle(w);
        assert_true(done);
        assert_int_equal(l.problem, ES_OK);
        for (size_t i = 0; i < l.count; i++, seen++) {
            const struct es_stream_info *info = &l.rows[i].info;
            const uint64_t wanted = str_eq_z(l.rows[i].stream, "a-1") ? first : 0;
            assert_int_equal(info->first_revision, wanted);
            assert_int_equal(info->last_revision, 19);
            assert_int_equal(info->empty, wanted == 20);
        }
        more = l.more;
        after = l.next;
    }
    assert_int_equal(seen, 2);
}

TEST(the_first_revision_by_age_is_found)
{
    struct es_world w;
    es_world_init(&w, 3);
    fake_engine_set_late(w.engine, 1);
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof(id), "e%d", i);
        es_world_append(&w, "a-1", "any", id);
        es_world_append(&w, "a-2", "any", id);
        env_sim_advance_ns(w.env, 10000000000u);
    }
    for (int64_t age = 5000; age < 230000; age += 10000) {
        struct es_stream_change c = {.kind = ES_CHANGE_SET,
                                     .stream = STR_LIT("a-1"),
                                     .set_max_age = true,
                                     .max_age_ms = age};
        assert_int_equal(es_world_change(&w, &c), ES_OK);
        bool done = false;
        struct es_stream_get g = {
            .stream = c.stream, .arena = &w.arena, .done = get_done, .ctx = &done};
        es_stream_get(w.es, &g);
        es_world_settle(&w);
        assert_true(done);
        assert_int_equal(g.problem, ES_OK);
        int64_t young = age / 10000 < 20 ? age / 10000 : 20; /* events that are young enough */
        assert_int_equal(g.info.first_revision, 20 - young);
        assert_int_equal(g.info.empty, young == 0);
        assert_int_equal(c.info.first_revision, 20 - young);
        assert_int_equal(c.info.empty, young == 0);
        check_listed(&w, g.info.first_revision, age / 10000 % 2 == 0 ? 1 : 10);
    }
    es_world_deinit(&w);
}

/* Of the streams of one partition that have the same max_age the first alone asks the log. */
TEST(a_list_looks_up_a_time_once_for_a_partition)
{
    enum { STREAMS = 60 };
    static const int64_t ages[] = {5000, 15000};
    for (int late = 0; late < 2; late++) {
        struct es_world w;
        char name[16];
        es_world_init(&w, 5);
        fake_engine_set_late(w.engine, (uint64_t)late);
        for (unsigned round = 0; round < 2; round++) {
            for (unsigned i = 0; i < STREAMS; i++) {
                (void)snprintf(name, sizeof(name), "a-%u", i);
                es_world_append(&w, name, "any", round == 0 ? "x" : "y z");
            }
            env_sim_advance_ns(w.env, 10000000000u);
        }
        for (unsigned i = 0; i < STREAMS; i++) {
            (void)snprintf(name, sizeof(name), "a-%u", i);
            assert_int_equal(change(&w, (struct es_stream_change){.kind = ES_CHANGE_SET,
                                                                  .stream = str_of(name),
                                                                  .set_max_age = true,
                                                                  .max_age_ms = ages[i % 2]}),
                             ES_OK);
        }
        const uint64_t before = fake_engine_seeks(w.engine);
        const uint64_t partitions = (uint64_t)es_cat_find(w.es, STR_LIT("a"))->partitions;
        bool done = false;
        struct es_stream_list l = {.category = STR_LIT("a"),
                                   .limit = 100,
                                   .arena = &w.arena,
                                   .done = list_done,
                                   .ctx = &done};
        es_stream_list(w.es, &l);
        es_world_settle(&w);
        assert_true(done);
        assert_int_equal(l.problem, ES_OK);
        assert_int_equal(l.count, STREAMS);
        for (size_t i = 0; i < l.count; i++) {
            const struct es_stream_info *info = &l.rows[i].info;
            assert_int_equal(info->last_revision, 2);
            assert_int_equal(info->first_revision, info->max_age_ms == 5000 ? 3 : 1);
            assert_int_equal(info->empty, info->max_age_ms == 5000);
        }
        const uint64_t seeks = fake_engine_seeks(w.engine) - before;
        assert_in_range(seeks, 2, ARRAY_LEN(ages) * partitions);
        assert_true(seeks < STREAMS);
        es_world_deinit(&w);
    }
}

static void all_done(struct es_read_all *r)
{
    *(bool *)r->ctx = true;
}

TEST(large_events_come_in_parts_that_fit)
{
    /* The caller's memory is a limit like the others: some events and `more`, never a failure, as
     * long as one event fits. */
    struct es_world w;
    char *big = test_malloc(200001);
    memset(big, 'x', 200000);
    big[0] = big[199999] = '"';
    big[200000] = '\0';
    es_world_init(&w, 4);
    for (int i = 0; i < 30; i++) {
        char id[16];
        struct es_shot *s = es_shot_make(NULL, NULL, NULL);
        snprintf(id, sizeof(id), "e%d", i);
        es_shot_add(s, "a-1", id, big);
        es_shot_go(&w, s);
        es_world_settle(&w);
        assert_int_equal(s->a.problem, ES_OK);
        es_shot_free(s);
    }
    for (int way = 0; way < 4; way++) {
        size_t count = 0, parts = 0;
        uint64_t next = way == 1 ? UINT64_MAX : 0;
        for (bool more = true; more; parts++) {
            struct page p;
            page_init(&p, "a-1", way == 3 ? 64 << 20 : 1 << 20);
            p.r.backward = way == 1;
            p.r.to = way == 1 ? 0 : UINT64_MAX;
            p.r.from = next;
            p.r.limit_bytes = way == 3 ? 500000 : 64 << 20;
            page_go(&w, &p);
            assert_int_equal(p.r.problem, ES_OK);
            assert_true(p.r.event_count > 0);
            for (size_t i = 0; i < p.r.event_count; i++, count++) {
                assert_int_equal(p.r.events[i].revision, way == 1 ? 29 - count : count);
                assert_int_equal(p.r.events[i].data.n, 200000);
            }
            if (way == 3) {
                assert_true(p.r.event_count <= 2);
            }
            more = p.r.more;
            next = p.r.next;
            page_free(&w, &p);
        }
        assert_int_equal(count, 30);
        assert_true(parts > 5);
    }
    for (int way = 0; way < 4; way++) { /* the same on the way of the log, and by a tag */
        struct str type = STR_LIT("Happened");
        struct es_read_all r = {.filter = {.types = &type, .type_count = way >= 2},
                                .backward = way % 2 == 1,
                                .from_end = way % 2 == 1,
                                .limit = 1000,
                                .limit_bytes = 64 << 20,
                                .scan_max = 1000,
                                .done = all_done};
        size_t count = 0;
        do {
            struct arena a;
            bool done = false;
            arena_init(&a, 1 << 20);
            r.arena = &a;
            r.ctx = &done;
            es_read_all(w.es, &r);
            es_world_settle(&w);
            assert_true(done);
            assert_int_equal(r.problem, ES_OK);
            assert_true(r.event_count > 0 || !r.more);
            for (size_t i = 0; i < r.event_count; i++, count++) {
                assert_int_equal(r.events[i].revision, r.backward ? 29 - count : count);
            }
            r.after = r.next;
            r.from_end = false;
            es_read_all_release(w.es, &r);
            arena_deinit(&a);
        } while (r.more);
        assert_int_equal(count, 30);
    }
    /* Not even one fits. */
    struct page p;
    page_init(&p, "a-1", 100000);
    page_go(&w, &p);
    assert_int_equal(p.r.problem, ES_FAILED);
    assert_int_equal(p.r.ec.code, ERR_NO_MEMORY);
    page_free(&w, &p);
    test_free(big);
    es_world_deinit(&w);
}

/* All streams of the model in the order of their first events, page by page. */
static void list_agrees(struct model *m, const char *category, const char *prefix, size_t limit)
{
    struct es_position after = {0, 0};
    size_t at = 0;
    for (bool more = true; more;) {
        struct arena a;
        bool done = false;
        arena_init(&a, 8 << 20);
        struct es_stream_list l = {.category = str_of(category),
                                   .prefix = str_of(prefix),
                                   .after = after,
                                   .limit = limit,
                                   .arena = &a,
                                   .done = list_done,
                                   .ctx = &done};
        es_stream_list(m->w->es, &l);
        es_world_settle(m->w);
        assert_true(done);
        assert_int_equal(l.problem, ES_OK);
        assert_true(l.count <= limit);
        for (size_t i = 0; i <= l.count; i++) {
            for (; at < m->count; at++) {
                const struct model_event *x = &m->events[at];
                if (x->revision == 0 && str_starts(x->stream, prefix) &&
                    (category == NULL || str_eq_z(x->category, category))) {
                    break;
                }
            }
            if (i < l.count) {
                assert_true(at < m->count);
                assert_true(str_eq(m->events[at].stream, l.rows[i].stream));
                assert_int_equal(es_position_cmp(l.rows[i].info.created, m->events[at].position),
                                 0);
                at++;
            }
        }
        more = l.more;
        assert_true(more || at == m->count);
        after = l.next;
        arena_deinit(&a);
    }
}

TEST(streams_are_listed_in_the_order_in_which_they_began)
{
    struct es_world w;
    struct model m;
    es_world_init(&w, 5);
    model_init(&m, &w, 5);
    model_write(&m, 100);
    fake_engine_set_late(w.engine, 2);
    model_load(&m);
    for (size_t limit = 1; limit < 40; limit += 7) {
        list_agrees(&m, NULL, "", limit);
        list_agrees(&m, "order", "", limit);
        list_agrees(&m, NULL, "user-1", limit);
    }
    bool done = false;
    struct es_stream_list l = {.category = STR_LIT("none"),
                               .limit = 5,
                               .arena = &w.arena,
                               .done = list_done,
                               .ctx = &done};
    es_stream_list(w.es, &l);
    assert_true(done);
    assert_int_equal(l.problem, ES_CATEGORY_NOT_FOUND);
    model_deinit(&m);
    es_world_deinit(&w);
}

TEST(a_read_that_fails_says_why_and_the_next_one_works)
{
    struct es_world w;
    struct page p;
    es_world_init(&w, 6);
    assert_string_equal(es_world_append(&w, "a-1", "any", "a b c"), "ok 0-2");
    for (int late = 0; late < 2; late++) {
        fake_engine_set_late(w.engine, (uint64_t)late);
        fake_engine_fail_reads(w.engine, ERR_DAMAGED, 1);
        page_init(&p, "a-1", 1 << 20);
        page_go(&w, &p);
        assert_int_equal(p.r.problem, ES_FAILED);
        assert_int_equal(p.r.ec.code, ERR_DAMAGED);
        assert_string_equal(p.r.ec.text, "as the test wants it");
        page_free(&w, &p);
        fake_engine_fail_reads(w.engine, ERR_DAMAGED, 1);
        bool done = false;
        struct es_read_all r = {.limit = 10,
                                .limit_bytes = 1000,
                                .scan_max = 100,
                                .arena = &w.arena,
                                .done = all_done,
                                .ctx = &done};
        es_read_all(w.es, &r);
        es_world_settle(&w);
        assert_true(done);
        assert_int_equal(r.problem, ES_FAILED);
        page_init(&p, "a-1", 1 << 20);
        page_go(&w, &p);
        assert_int_equal(p.r.event_count, 3);
        page_free(&w, &p);
    }
    assert_int_equal(fake_engine_held(w.engine), 0);
    es_world_deinit(&w);
}

/* The next page goes on with what was read for the last one; whoever does not come for it is
 * forgotten after a while. */
TEST(the_next_page_goes_on_where_the_last_one_ended)
{
    struct es_world w;
    struct model m;
    es_world_init(&w, 10);
    model_init(&m, &w, 10);
    model_write(&m, 200);
    struct es_position after = {0, 0};
    uint64_t reads = fake_engine_reads(w.engine);
    size_t count = 0, pages = 0;
    for (bool more = true; more; pages++) {
        struct arena a;
        bool done = false;
        arena_init(&a, 8 << 20);
        struct es_read_all r = {.after = after,
                                .limit = 7,
                                .limit_bytes = 100000,
                                .scan_max = 1000,
                                .arena = &a,
                                .done = all_done,
                                .ctx = &done};
        es_read_all(w.es, &r);
        assert_true(done);
        count += r.event_count;
        after = r.next;
        more = r.more;
        es_read_all_release(w.es, &r);
        arena_deinit(&a);
    }
    model_load(&m);
    assert_int_equal(count, m.count);
    assert_true(pages > 30);
    assert_true(fake_engine_reads(w.engine) - reads < 2 * pages);
    assert_int_equal(w.es->reader->parked_count, 1);
    for (int i = 0; i < ES_PARKED_TICKS; i++) {
        es_tick(w.es);
    }
    assert_int_equal(w.es->reader->parked_count, 0);
    assert_int_equal(fake_engine_held(w.engine), 0);
    model_deinit(&m);
    es_world_deinit(&w);
}

TEST(a_position_that_is_not_ours_is_refused)
{
    struct es_world w;
    bool done = false;
    es_world_init(&w, 7);
    es_world_append(&w, "a-1", "any", "a");
    struct es_read_all r = {.after = {es_head(w.es).commit + 1, 0},
                            .limit = 1,
                            .limit_bytes = 1,
                            .scan_max = 1,
                            .arena = &w.arena,
                            .done = all_done,
                            .ctx = &done};
    es_read_all(w.es, &r);
    assert_true(done);
    assert_int_equal(r.problem, ES_POSITION_UNKNOWN);
    r.after = es_head(w.es);
    r.filter.store = STR_LIT("other");
    es_read_all(w.es, &r);
    assert_int_equal(r.problem, ES_INVALID);
    struct es_subscription *sub;
    struct ectx ec;
    const struct es_subscribe spec = {.after = {es_head(w.es).commit + 1, 0}};
    assert_int_equal(es_subscribe(w.es, &spec, &sub, &ec), ES_POSITION_UNKNOWN);
    es_world_deinit(&w);
}

/* Calls that are under way when the event store stops end as unavailable; those that were released
 * do not end at all. */
TEST(what_is_under_way_ends_when_the_event_store_stops)
{
    for (size_t steps = 0; steps < 12; steps++) {
        struct es_world w;
        struct model m;
        struct page p, gone;
        bool done = false;
        es_world_init(&w, 8);
        model_init(&m, &w, 8);
        model_write(&m, 60);
        es_world_restart(&w, ES_WORLD_CLEAN);
        fake_engine_set_late(w.engine, 1);
        page_init(&p, model_stream(1), 1 << 20);
        page_init(&gone, model_stream(2), 1 << 20);
        es_read_stream(w.es, &p.r);
        es_read_stream(w.es, &gone.r);
        struct str tag = STR_LIT("red");
        struct es_read_all r = {.filter = {.tags = &tag, .tag_count = 1},
                                .limit = 100,
                                .limit_bytes = 100000,
                                .scan_max = 100,
                                .arena = &w.arena,
                                .done = all_done,
                                .ctx = &done};
        es_read_all(w.es, &r);
        for (size_t i = 0; i < steps; i++) {
            env_poll_run(w.poll, 0);
        }
        bool before = gone.ended;
        es_read_stream_release(w.es, &gone.r);
        es_stop(w.es);
        assert_true(p.ended && done);
        assert_int_equal(gone.ended, before);
        assert_true(p.r.problem == ES_UNAVAILABLE || p.r.problem == ES_OK);
        assert_true(steps > 0 || p.r.problem == ES_UNAVAILABLE);
        es_read_stream_release(w.es, &p.r);
        arena_deinit(&p.arena);
        arena_deinit(&gone.arena);
        model_deinit(&m);
        es_world_deinit(&w);
        assert_int_equal(gone.ended, before);
    }
}

/* ---- Without memory ---- */

struct starved {
    struct es_world *w;
    int way;
};

static enum err read_starved(void *ctx)
{
    struct starved *s = ctx;
    enum es_problem problem;
    enum err e;
    struct page p;
    bool done = false;
    page_init(&p, model_stream(3), 4 << 20);
    struct str tag = STR_LIT("red");
    struct es_read_all r = {.limit = 100,
                            .limit_bytes = 100000,
                            .scan_max = 1000,
                            .backward = s->way == 2,
                            .from_end = s->way == 2,
                            .arena = &p.arena,
                            .done = all_done,
                            .ctx = &done};
    r.filter = (struct es_filter){.tags = &tag, .tag_count = s->way == 3};
    struct es_stream_list l = {.limit = 100, .arena = &p.arena, .done = list_done, .ctx = &done};
    if (s->way == 0) {
        page_go(s->w, &p);
        problem = p.r.problem;
        e = p.r.ec.code;
    } else if (s->way < 4) {
        es_read_all(s->w->es, &r);
        es_world_settle(s->w);
        assert_true(done);
        problem = r.problem;
        e = r.ec.code;
    } else {
        es_stream_list(s->w->es, &l);
        es_world_settle(s->w);
        assert_true(done);
        problem = l.problem;
        e = l.ec.code;
    }
    page_free(s->w, &p);
    es_scan_parked_drop(s->w->es->reader, true);
    assert_int_equal(fake_engine_held(s->w->engine), 0);
    if (problem == ES_OK) {
        return ERR_OK;
    }
    assert_int_equal(problem, ES_FAILED);
    return e;
}

TEST(a_read_without_memory_says_so)
{
    struct es_world w;
    struct model m;
    es_world_init(&w, 9);
    model_init(&m, &w, 9);
    model_write(&m, 60);
    const struct es_stream_change age = {.kind = ES_CHANGE_SET,
                                         .stream = str_of(model_stream(3)),
                                         .set_max_age = true,
                                         .max_age_ms = 1000000};
    assert_int_equal(change(&w, age), ES_OK);
    es_world_flush(&w);
    for (int way = 0; way < 5; way++) {
        struct starved s = {&w, way};
        test_each_failing_alloc(read_starved, &s);
    }
    model_deinit(&m);
    es_world_deinit(&w);
}

#ifdef LEAT_DEBUG
static struct es_shot *torn_append(struct es_world *w, const char *stream, size_t count)
{
    struct es_shot *s = es_shot_make(NULL, NULL, NULL);
    s->a.events = s->events = arena_new_n(&s->arena, struct es_new_event, count);
    for (size_t i = 0; i < count; i++) {
        es_shot_add(s, stream, "-", "1");
    }
    es_shot_go(w, s);
    return s;
}

/* The index has no memory for the last event of each: until it has, none of the others is shown. */
TEST(a_stream_is_read_without_half_an_append)
{
    enum { MANY = 3 * ES_CHUNK };
    for (unsigned late = 0; late < 2; late++) {
        struct es_world w;
        struct page p;
        es_world_init(&w, 11);
        assert_string_equal(es_world_append(&w, "a-1", "any", "a b c"), "ok 0-2");
        assert_int_equal(snapshot(&w, "a-1", 1, "S", "{}"), ES_OK);
        fake_engine_set_late(w.engine, late);
        for (int part = 0; part < 3; part++) {
            const char *const stream = part == 2 ? "a-2" : "a-1";
            es_faults.put_stops = true;
            struct es_shot *s = torn_append(&w, stream, part == 1 ? MANY : 2);
            es_world_settle(&w);
            assert_false(s->ended);
            const uint64_t before = part == 0 ? 2 : 4, after = part == 0 ? 4 : 4 + MANY;
            if (part == 2) {
                assert_string_equal(shown(&w, stream, "S", 0, UINT64_MAX, INT64_MAX),
                                    "stream-not-found nothing");
            } else {
                char want[64];
                snprintf(want, sizeof(want), "{}@1 2-%llu", (unsigned long long)before);
                assert_string_equal(shown(&w, stream, "S", 0, UINT64_MAX, INT64_MAX), want);
                page_init(&p, stream, 1 << 20);
                p.r.backward = p.r.from_end = true;
                p.r.to = 0;
                p.r.limit = 1;
                page_go(&w, &p);
                assert_int_equal(p.r.last_revision, before);
                assert_int_equal(p.r.events[0].revision, before);
                page_free(&w, &p);
            }
            es_faults.put_stops = false;
            es_world_settle(&w);
            assert_int_equal(s->a.problem, ES_OK);
            es_shot_free(s);
            page_init(&p, stream, 8 << 20);
            page_go(&w, &p);
            assert_int_equal(p.r.last_revision, part == 2 ? 1 : after);
            page_free(&w, &p);
        }
        es_world_deinit(&w);
    }
}
#endif
