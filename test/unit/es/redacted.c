/* Reading events of which some fields were redacted: what that needs is not the answer's memory. */
#include <stdio.h>

#include "es/read_int.h"
#include "es_world.h"

enum { EVENTS = 60, REDACTED = 40, EVENT_BYTES = 8000 };

static void change_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

static void redact(struct es_world *w, const char *stream, uint64_t revision, const char *field)
{
    bool done = false;
    const struct str fields = str_of(field);
    struct es_stream_change c = {.kind = ES_CHANGE_REDACT,
                                 .stream = str_of(stream),
                                 .revision = revision,
                                 .fields = &fields,
                                 .field_count = 1,
                                 .arena = &w->arena,
                                 .done = change_done,
                                 .ctx = &done};
    es_stream_change(w->es, &c);
    for (int i = 0; i < 200 && !done; i++) {
        es_world_settle(w);
        env_sim_advance_ns(w->env, 1000000000);
    }
    assert_true(done);
    assert_int_equal(c.problem, ES_OK);
}

/* An event of about `bytes`, with as many values as they can have. */
static void append_dense(struct es_world *w, const char *stream, size_t bytes)
{
    static const char begin[] = "{\"n\":1,\"pii\":\"secret\",\"list\":[0", end[] = "]}";
    char *data = test_malloc(bytes + sizeof(begin) + sizeof(end));
    size_t n = sizeof(begin) - 1;
    memcpy(data, begin, n);
    for (; n < bytes; n += 2) {
        memcpy(data + n, ",0", 2);
    }
    memcpy(data + n, end, sizeof(end));
    struct es_shot *s = es_shot_make(NULL, NULL, NULL);
    es_shot_add(s, stream, "-", data);
    es_shot_go(w, s);
    es_world_settle(w);
    assert_int_equal(s->a.problem, ES_OK);
    es_shot_free(s);
    test_free(data);
}

/* Every event in order; of the first ones /n was redacted if they are even, else /pii. */
static void event_check(const struct es_event *e, uint64_t revision)
{
    static const char *const odd = "{\"n\":1,\"pii\":null,\"list\":[0,0";
    static const char *const plain = "{\"n\":1,\"pii\":\"secret\",\"list\":[0,0";
    assert_int_equal(e->revision, revision);
    assert_int_equal(e->redacted, revision < REDACTED);
    const bool even = revision % 2 == 0 && revision < REDACTED;
    if (even) { /* longer than it was, or as it stands in the log, where nothing may become longer
                 */
        assert_true(str_starts(e->data, "{\"n\":null,\"pii\":\"secret\",\"list\":[0,0") ||
                    str_starts(e->data, "{\"n\":0,\"pii\":\"secret\",\"list\":[0,0"));
    } else {
        assert_true(str_starts(e->data, revision < REDACTED ? odd : plain));
    }
    assert_int_equal(memcmp(e->data.p + e->data.n - 4, ",0]}", 4), 0);
}

static void world_init(struct es_world *w)
{
    es_world_init(w, 3);
    for (int i = 0; i < EVENTS; i++) {
        append_dense(w, "a-1", EVENT_BYTES);
    }
    for (uint64_t i = 0; i < REDACTED; i++) {
        redact(w, "a-1", i, i % 2 == 0 ? "/n" : "/pii");
    }
}

static void all_done(struct es_read_all *r)
{
    *(bool *)r->ctx = true;
}

TEST(pages_of_all_with_redacted_fields_need_no_more_than_their_events)
{
    struct es_world w;
    world_init(&w);
    for (int way = 0; way < 4; way++) {
        struct str type = STR_LIT("Happened");
        struct es_read_all r = {.filter = {.types = &type, .type_count = way >= 2},
                                .backward = way % 2 == 1,
                                .from_end = way % 2 == 1,
                                .limit = 1000,
                                .limit_bytes = 64 << 20,
                                .scan_max = 1000,
                                .done = all_done};
        size_t count = 0, pages = 0;
        do {
            struct arena a;
            bool done = false;
            arena_init(&a, 320u << 10);
            r.arena = &a;
            r.ctx = &done;
            es_read_all(w.es, &r);
            es_world_settle(&w);
            assert_true(done);
            assert_int_equal(r.problem, ES_OK);
            assert_true(r.event_count > 0 || !r.more);
            for (size_t i = 0; i < r.event_count; i++, count++) {
                event_check(&r.events[i], r.backward ? EVENTS - 1 - count : count);
            }
            r.after = r.next;
            r.from_end = false;
            es_read_all_release(w.es, &r);
            arena_deinit(&a);
            pages++;
        } while (r.more);
        assert_int_equal(count, EVENTS);
        assert_true(pages > 1); /* the memory is full of events */
    }
    es_world_deinit(&w);
}

static void stream_done(struct es_read_stream *r)
{
    *(bool *)r->ctx = true;
}

TEST(a_read_of_a_stream_of_redacted_fields_needs_no_more_than_its_events)
{
    struct es_world w;
    bool done = false;
    struct arena a;
    world_init(&w);
    arena_init(&a, 700u << 10);
    struct es_read_stream r = {.stream = STR_LIT("a-1"),
                               .to = UINT64_MAX,
                               .until_ns = INT64_MAX,
                               .limit = 1000,
                               .limit_bytes = 1 << 20,
                               .arena = &a,
                               .done = stream_done,
                               .ctx = &done};
    es_read_stream(w.es, &r);
    es_world_settle(&w);
    assert_true(done);
    assert_int_equal(r.problem, ES_OK);
    assert_int_equal(r.event_count, EVENTS);
    for (size_t i = 0; i < EVENTS; i++) {
        event_check(&r.events[i], i);
    }
    es_read_stream_release(w.es, &r);
    arena_deinit(&a);
    es_world_deinit(&w);
}

struct told {
    size_t events;
    bool closed;
};

static bool deliver(void *ctx, enum es_frame frame, const struct es_event *e,
                    struct es_position position, uint64_t scanned, uint64_t matched)
{
    struct told *t = ctx;
    (void)position;
    (void)scanned;
    (void)matched;
    if (frame == ES_FRAME_EVENT) {
        assert_true(e->redacted);
        assert_true(str_starts(e->data, "{\"n\":1,\"pii\":null,"));
        t->events++;
    }
    return true;
}

static void closed(void *ctx, enum es_problem problem, const struct ectx *ec)
{
    (void)problem;
    (void)ec;
    ((struct told *)ctx)->closed = true;
}

TEST(a_subscription_takes_a_dense_event_with_redacted_fields)
{
    struct es_world w;
    struct told told = {0};
    struct es_subscription *sub = NULL;
    struct ectx ec = {0};
    const struct es_subscribe spec = {.deliver = deliver, .closed = closed, .ctx = &told};
    es_world_init(&w, 4);
    append_dense(&w, "a-1", 500000); /* 250,000 values: 20 MB as a tree */
    redact(&w, "a-1", 0, "/pii");
    assert_int_equal(es_subscribe(w.es, &spec, &sub, &ec), ES_OK);
    es_subscription_resume(sub);
    es_world_settle(&w);
    assert_false(told.closed);
    assert_int_equal(told.events, 1);
    es_unsubscribe(sub);
    es_world_deinit(&w);
}

/* ---- Without memory ---- */

static enum err read_starved(void *ctx)
{
    struct es_world *w = ctx;
    struct arena a;
    bool done = false;
    arena_init(&a, 1 << 20);
    struct es_read_all r = {.limit = 1000,
                            .limit_bytes = 64 << 20,
                            .scan_max = 1000,
                            .arena = &a,
                            .done = all_done,
                            .ctx = &done};
    es_read_all(w->es, &r);
    es_world_settle(w);
    assert_true(done);
    const enum es_problem problem = r.problem;
    const enum err e = r.ec.code;
    for (size_t i = 0; i < r.event_count; i++) {
        assert_true(r.events[i].redacted);
    }
    es_read_all_release(w->es, &r);
    es_scan_parked_drop(w->es->reader, true);
    arena_deinit(&a);
    assert_int_equal(fake_engine_held(w->engine), 0);
    return problem == ES_OK ? ERR_OK : e;
}

TEST(a_redaction_without_memory_says_so)
{
    struct es_world w;
    es_world_init(&w, 5);
    for (uint64_t i = 0; i < 3; i++) {
        append_dense(&w, "a-1", 1000);
        redact(&w, "a-1", i, i == 1 ? "/pii" : "/n");
    }
    test_each_failing_alloc(read_starved, &w);
    es_world_deinit(&w);
}
