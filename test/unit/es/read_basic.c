/* Reading a stream. */
#include "es_world.h"

#include <stdio.h>

struct page {
    struct es_read_stream r;
    struct arena arena;
    bool ended;
};

static void page_done(struct es_read_stream *r)
{
    struct page *p = r->ctx;
    p->ended = true;
}

static void page_read(struct es_world *w, struct page *p, const char *stream)
{
    arena_init(&p->arena, 16 << 20);
    p->ended = false;
    p->r = (struct es_read_stream){.stream = str_of(stream),
                                   .to = UINT64_MAX,
                                   .until_ns = INT64_MAX,
                                   .limit = 1000,
                                   .limit_bytes = 1 << 20,
                                   .arena = &p->arena,
                                   .done = page_done,
                                   .ctx = p};
    es_read_stream(w->es, &p->r);
    es_world_settle(w);
    assert_true(p->ended);
}

static void page_free(struct es_world *w, struct page *p)
{
    es_read_stream_release(w->es, &p->r);
    arena_deinit(&p->arena);
}

TEST(a_stream_is_read_as_it_was_written)
{
    struct es_world w;
    struct page p;
    es_world_init(&w, 1);
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "a b c"), "ok 0-2");
    assert_string_equal(es_world_append(&w, "order-2", "no_stream", "x"), "ok 0-0");
    assert_string_equal(es_world_append(&w, "order-1", "2", "d"), "ok 3-3");
    page_read(&w, &p, "order-1");
    if (p.r.problem != ES_OK) {
        fail_msg("%s: %s", es_problem_code(p.r.problem), p.r.ec.text);
    }
    assert_int_equal(p.r.event_count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct es_event *e = &p.r.events[i];
        assert_true(str_eq_z(e->stream, "order-1"));
        assert_int_equal(e->revision, i);
        assert_true(str_eq(e->envelope.id, str_make(&"abcd"[i], 1)));
        assert_true(str_eq_z(e->envelope.type, "Happened"));
        assert_true(str_eq_z(e->data, "\"DATA\""));
        assert_true(str_eq_z(e->topic, "es.order"));
    }
    assert_false(p.r.more);
    page_free(&w, &p);
    page_read(&w, &p, "order-9");
    assert_int_equal(p.r.problem, ES_STREAM_NOT_FOUND);
    page_free(&w, &p);
    es_world_deinit(&w);
}

/* Events that lie apart are read one by one. The engine learns of each before it is asked, so that
 * what is in memory, but in no cache of the processor, comes meanwhile. */
TEST(the_engine_is_told_what_is_read_soon)
{
    enum { EVENTS = 20 };
    struct es_world w;
    struct page p;
    es_world_init(&w, 1);
    for (int i = 0; i < EVENTS; i++) {
        char expected[16];
        snprintf(expected, sizeof(expected), i == 0 ? "no_stream" : "%d", i - 1);
        assert_memory_equal(es_world_append(&w, "order-1", expected, "-"), "ok", 2);
        for (int k = 0; k < 5; k++) { /* of the same partition */
            assert_memory_equal(es_world_append(&w, "order-1b", "any", "-"), "ok", 2);
        }
    }
    const uint64_t reads = fake_engine_reads(w.engine), told = fake_engine_reads_told(w.engine);
    page_read(&w, &p, "order-1");
    assert_int_equal(p.r.event_count, EVENTS);
    assert_int_equal(fake_engine_reads(w.engine) - reads, EVENTS);
    assert_int_equal(fake_engine_reads_told(w.engine) - told, EVENTS);
    page_free(&w, &p);
    es_world_deinit(&w);
}
