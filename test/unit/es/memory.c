/* Memory that is not to be had: a call fails whole, and the same call later is as if it were first.
 */
#include "es_world.h"

/* What the caller adds to an append, as an Idempotency-Key's answer: it needs memory, too. */
static enum err remember(struct es_append *a, struct engine_part *extra)
{
    struct engine_record *r = mem_new(struct engine_record);
    (void)extra;
    if (r == NULL) {
        return ERR_NO_MEMORY;
    }
    mem_free(r);
    CONTAINER_OF(a, struct es_shot, a)->remembered = true;
    return ERR_OK;
}

/* One call under a failing allocation, then the same again. */
static bool try_append(uint64_t n, bool restart)
{
    struct es_world w;
    es_world_init(&w, 1);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b"), "ok 0-1");
    if (restart) {
        es_world_flush(&w);
        es_world_restart(&w, ES_WORLD_CLEAN);
    }
    struct es_shot *s = es_shot_make("order-1", "1", "c d");
    es_shot_add(s, "user-7", "e", "{}");
    s->a.expected = NULL;
    es_shot_check(s, "order-1", "1");
    es_shot_query(s, "Other", "t", (struct es_position){0, 0});
    es_shot_tag(s, 2, "t u");
    s->a.also = remember;
    test_fail_alloc(n);
    es_shot_go(&w, s);
    es_world_settle(&w);
    bool reached = test_fail_alloc_end() != 0;
    assert_true(s->ended);
    assert_true(s->a.problem != ES_OK || s->remembered);
    if (s->a.problem != ES_OK) {
        assert_int_equal(s->a.problem, ES_UNAVAILABLE);
        if (s->a.ec.code != ERR_NO_MEMORY) {
            fail_msg("allocation %llu: %s", (unsigned long long)n, s->a.ec.text);
        }
    }
    const char *said = es_world_append(&w, "order-1", "1", "c d");
    assert_string_equal(said, s->a.problem == ES_OK ? "same 2-3" : "ok 2-3");
    es_shot_free(s);
    es_world_deinit(&w);
    return reached;
}

TEST(an_append_without_memory_is_not_done_and_may_be_done_later)
{
    uint64_t n = 1;
    while (try_append(n, false)) {
        n++;
    }
    assert_true(n > 10);
    for (n = 1; try_append(n, true); n++) {
    }
}

/* Under a failing allocation: `ids`, or, null, the id that the server would have made of the event
 * that is there. Only this is said, or that there is no memory. */
static bool try_ids(uint64_t n, const char *ids, const char *wanted)
{
    struct es_world w;
    char id[UUID_TEXT_SIZE];
    es_world_init(&w, 1);
    fake_engine_set_codec(w.engine, RECORD_CODEC_GZIP);
    es_id_make(w.es, STR_LIT("order-1"), 0, id);
    assert_string_equal(es_world_append(&w, "order-1", "any", id), "ok 0-0");
    struct es_shot *s = es_shot_make("order-1", "any", ids != NULL ? ids : id);
    test_fail_alloc(n);
    es_shot_go(&w, s);
    es_world_settle(&w);
    bool reached = test_fail_alloc_end() != 0;
    const char *said = es_shot_said(s);
    if (strcmp(said, wanted) != 0 && (!reached || strcmp(said, "unavailable") != 0)) {
        fail_msg("allocation %llu: %s", (unsigned long long)n, said);
    }
    es_shot_free(s);
    es_world_deinit(&w);
    return reached;
}

TEST(an_id_names_one_event_also_without_memory)
{
    uint64_t n = 1;
    while (try_ids(n, NULL, "same 0-0")) {
        n++;
    }
    assert_true(n > 5);
    for (n = 1; try_ids(n, "x x", "invalid-request"); n++) {
    }
    assert_true(n > 1);
}

static enum err refuse(struct es_append *a, struct engine_part *extra)
{
    (void)extra;
    return ectx_fail(&a->ec, ERR_MESSAGE_TOO_LARGE, "too large to be kept");
}

TEST(an_append_whose_answer_cannot_be_kept_is_not_done)
{
    struct es_world w;
    es_world_init(&w, 1);
    struct es_shot *s = es_shot_make("order-1", "no_stream", "a b");
    s->a.also = refuse;
    es_shot_go(&w, s);
    es_world_settle(&w);
    assert_string_equal(es_shot_said(s), "batch-too-large");
    assert_string_equal(s->a.ec.text, "too large to be kept");
    es_shot_free(s);
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "a b"), "ok 0-1");
    es_world_deinit(&w);
}

static void change_done(struct es_stream_change *c)
{
    *(bool *)c->ctx = true;
}

static bool try_change(uint64_t n)
{
    struct es_world w;
    bool done = false;
    es_world_init(&w, 2);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b"), "ok 0-1");
    struct es_stream_change c = {.kind = ES_CHANGE_SNAPSHOT,
                                 .stream = STR_LIT("order-1"),
                                 .revision = 1,
                                 .schema = STR_LIT("Order.v1"),
                                 .state = STR_LIT("{\"total\":3}"),
                                 .arena = &w.arena,
                                 .done = change_done,
                                 .ctx = &done};
    test_fail_alloc(n);
    es_stream_change(w.es, &c);
    es_world_settle(&w);
    bool reached = test_fail_alloc_end() != 0;
    assert_true(done);
    /* json_valid without memory says no. */
    assert_true(c.problem == ES_OK || c.problem == ES_UNAVAILABLE || c.problem == ES_INVALID);
    done = false;
    es_stream_change(w.es, &c);
    es_world_settle(&w);
    assert_true(done);
    assert_int_equal(c.problem, ES_OK);
    es_world_deinit(&w);
    return reached;
}

TEST(a_change_without_memory_is_not_done_and_may_be_done_later)
{
    uint64_t n = 1;
    while (try_change(n)) {
        n++;
    }
    assert_true(n > 3);
}

static enum err start_fails(void *ctx)
{
    struct es_world *w = ctx;
    struct es *es = NULL;
    struct ectx ec = {.code = ERR_OK};
    enum err e = es_create(w->engine, &w->config, w->metrics, "/other", &es, &ec);
    if (e != ERR_OK) {
        return e;
    }
    w->started = false;
    es_start(es, es_world_on_ready, w);
    for (int i = 0; i < 200 && !w->started; i++) {
        es_tick(es);
        env_poll_run(w->poll, 0);
    }
    assert_true(w->started);
    e = w->start_err;
    es_stop(es);
    while (env_poll_run(w->poll, 0) > 0) {
    }
    es_destroy(es);
    return e;
}

TEST(a_start_without_memory_says_so)
{
    struct es_world w;
    es_world_init(&w, 3);
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b"), "ok 0-1");
    test_each_failing_alloc(start_fails, &w);
    es_world_deinit(&w);
}
