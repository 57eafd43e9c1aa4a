/* Appends through the whole of the write side: expectations, ids, in every state of the index. */
#include "es_world.h"

#include <stdio.h>

TEST(an_append_gets_the_next_revisions)
{
    struct es_world w;
    es_world_init(&w, 1);
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "a b c"), "ok 0-2");
    assert_string_equal(es_world_append(&w, "order-1", "2", "d"), "ok 3-3");
    assert_string_equal(es_world_append(&w, "order-1", "any", "- -"), "ok 4-5");
    assert_string_equal(es_world_append(&w, "order-1", "exists", "-"), "ok 6-6");
    assert_string_equal(es_world_append(&w, "order-2", "any", "-"), "ok 0-0");
    es_world_deinit(&w);
}

TEST(an_expectation_that_fails_names_what_is_there)
{
    struct es_world w;
    es_world_init(&w, 2);
    assert_string_equal(es_world_append(&w, "order-1", "exists", "a"), "conflict none");
    assert_string_equal(es_world_append(&w, "order-1", "0", "a"), "conflict none");
    assert_string_equal(es_world_append(&w, "order-1", "any", "a b"), "ok 0-1");
    assert_string_equal(es_world_append(&w, "order-1", "no_stream", "c"), "conflict 1");
    assert_string_equal(es_world_append(&w, "order-1", "0", "c"), "conflict 1");
    assert_string_equal(es_world_append(&w, "order-1", "2", "c"), "conflict 1");
    assert_string_equal(es_world_append(&w, "order-1", "1", "c"), "ok 2-2");
    es_world_deinit(&w);
}

/* The vectors: what is there, then what is asked, then the answer. */
static const struct {
    const char *there, *expected, *ids, *answer;
} vectors[] = {
    {"e0|e1|e2|e3|e4|e5", "no_stream", "e0", "same 0-0"},
    {"e0|e1|e2|e3|e4|e5", "any", "e0", "same 0-0"},
    {"e0|e1|e2|e3|e4|e5", "5", "e0", "reused 0"},
    {"e0|e1|e2|e3|e4|e5", "6", "e0", "conflict 5"},
    {"e0|e1|e2|e3|e4|e5", "4", "e0", "conflict 5"},
    {"e0", "0", "e0", "reused 0"},
    {"e0 e1", "no_stream", "e0", "same 0-0"},
    {"e0 e1", "any", "e0", "same 0-0"},
    {"e0 e1", "0", "e1", "same 1-1"},
    {"e0 e1", "any", "e1", "same 1-1"},
    {"e0 e1", "no_stream", "e0 e1 e2", "partial 0"},
    /* and further ones */
    {"e0 e1", "any", "e2 e1", "partial 1"},
    {"e0 e1 e2", "any", "e0 e2", "reused 0"},
    {"e0 e1 e2", "any", "e1 e0", "reused 1"},
    {"e0 e1 e2", "0", "e1 e2", "same 1-2"},
    {"e0 e1 e2", "exists", "e1 e2", "same 1-2"},
    {"e0 e1 e2", "exists", "e0", "reused 0"},
};

enum state { WARM, RESTARTED, KILLED, REBUILT, FLUSHED, STATES };

static void try_vector(struct es_world *w, size_t v, enum state state)
{
    char stream[64];
    struct str rest = str_of(vectors[v].there);
    snprintf(stream, sizeof(stream), "order-%zu-%d", v, (int)state);
    bool first = true;
    while (rest.n > 0) {
        struct str ids = str_cut(rest, '|', &rest);
        char text[64];
        snprintf(text, sizeof(text), "%.*s", STR(ids));
        const char *said = es_world_append(w, stream, first ? "no_stream" : "exists", text);
        assert_true(strncmp(said, "ok", 2) == 0);
        first = false;
    }
}

static void ask_vector(struct es_world *w, size_t v, enum state state)
{
    char stream[64];
    snprintf(stream, sizeof(stream), "order-%zu-%d", v, (int)state);
    const char *said = es_world_append(w, stream, vectors[v].expected, vectors[v].ids);
    if (strcmp(said, vectors[v].answer) != 0) {
        fail_msg("vector %zu in state %d: %s, not %s", v, (int)state, said, vectors[v].answer);
    }
}

TEST(the_vectors_hold_warm_restarted_killed_rebuilt_and_flushed)
{
    for (int st = WARM; st < STATES; st++) {
        struct es_world w;
        es_world_init(&w, 3);
        for (size_t v = 0; v < ARRAY_LEN(vectors); v++) {
            try_vector(&w, v, (enum state)st);
        }
        if (st == RESTARTED) {
            es_world_restart(&w, ES_WORLD_CLEAN);
        } else if (st == KILLED) {
            es_world_restart(&w, ES_WORLD_KILL);
        } else if (st == REBUILT) {
            es_world_restart(&w, ES_WORLD_REBUILD);
        } else if (st == FLUSHED) {
            es_world_flush(&w);
        }
        for (size_t v = 0; v < ARRAY_LEN(vectors); v++) {
            ask_vector(&w, v, (enum state)st);
        }
        es_world_deinit(&w);
    }
}

/* One read brings about 1 MiB: what is behind it must not be passed over. */
TEST(the_index_follows_a_log_that_takes_many_reads)
{
    struct es_world w;
    es_world_init(&w, 4);
    char *data = test_calloc(1, 400001);
    memset(data, 'x', 400000);
    data[0] = data[399999] = '"';
    for (int i = 0; i < 8; i++) {
        struct es_shot *s = es_shot_make("order-1", NULL, NULL);
        es_shot_add(s, "order-1", "-", data);
        es_shot_add(s, "order-1", "-", data);
        es_shot_go(&w, s);
        es_world_settle(&w);
        assert_int_equal(s->a.problem, ES_OK);
        es_shot_free(s);
    }
    es_world_restart(&w, ES_WORLD_REBUILD);
    assert_string_equal(es_world_append(&w, "order-1", "15", "-"), "ok 16-16");
    test_free(data);
    es_world_deinit(&w);
}

/* More than the memory of the index should hold, and less than it takes, when a read ends: it is
 * emptied only when it is told how far it is. */
TEST(a_start_that_fills_the_memory_of_the_index_goes_on)
{
    struct es_world w;
    es_world_init(&w, 11);
    assert_int_equal(config_set(&w.config, STR_LIT("leat.es.index.memory.bytes"), STR_LIT("65536"),
                                CONFIG_FROM_STATIC, NULL),
                     ERR_OK);
    es_world_restart(&w, ES_WORLD_CLEAN);
    for (int n = 0; n < 60; n++) {
        struct es_shot *s = es_shot_make("order-1", NULL, NULL);
        for (int i = 0; i < 50; i++) {
            char id[16];
            snprintf(id, sizeof(id), "e%d", n * 50 + i);
            es_shot_add(s, "order-1", id, "{}");
        }
        es_shot_go(&w, s);
        es_world_settle(&w);
        assert_int_equal(s->a.problem, ES_OK);
        es_shot_free(s);
        es_world_restart(&w, ES_WORLD_REBUILD);
    }
    es_world_deinit(&w);
}

static void try_count(struct es_world *w, size_t events, size_t checks, enum es_problem problem,
                      enum err e, const char *says)
{
    struct es_shot *s = es_shot_make("order-1", NULL, NULL);
    struct es_new_event *list = arena_new_n(&s->arena, struct es_new_event, events + 1);
    for (size_t i = 0; i < events; i++) {
        list[i] = (struct es_new_event){.stream = STR_LIT("order-1"), .data = STR_LIT("1")};
        list[i].envelope.type = STR_LIT("T");
    }
    struct es_check *any = arena_new_n(&s->arena, struct es_check, checks + 1);
    for (size_t i = 0; i < checks; i++) {
        any[i].stream = STR_LIT("order-1");
    }
    s->a.events = list;
    s->a.event_count = events;
    s->a.checks = any;
    s->a.check_count = checks;
    es_shot_go(w, s);
    es_world_settle(w);
    assert_int_equal(s->a.problem, problem);
    if (problem != ES_OK) {
        assert_int_equal(s->a.ec.code, e);
        assert_non_null(strstr(s->a.ec.text, says));
    }
    es_shot_free(s);
}

TEST(an_append_of_too_many_events_or_checks_names_both_numbers)
{
    struct es_world w;
    es_world_init(&w, 12);
    try_count(&w, 2, 256, ES_OK, ERR_OK, "");
    try_count(&w, 10001, 0, ES_BATCH_TOO_LARGE, ERR_RECORD_LIST_TOO_LARGE,
              "10001 events; an append has at most 10000");
    try_count(&w, 1, 257, ES_INVALID, ERR_LIMIT, "257 checks; an append has at most 256");
    try_count(&w, 0, 0, ES_INVALID, ERR_MALFORMED, "an append has events, or checks");
    assert_string_equal(es_world_append(&w, "order-1", "any", "-"), "ok 2-2");
    es_world_deinit(&w);
}
